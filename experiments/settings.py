"""The settings that experiments share, what each is for, and how flags become settings.

A field says its bounds and its role once. The role decides what hangs on it:

    setting    identifies a run and a result (the default)
    analysis   is measured after the training: of the result, not of the run
    plan       says which runs there are
    place      says where something is, or how it is shown
    compute    says how it is computed: other bits, the same experiment
"""

import argparse
import dataclasses
import math
from typing import Literal

import simple_parsing

from experiments import processor


class Refusal(Exception):
    """What the user can put right: shown as one sentence, without a traceback."""


def field(
    default, role=None, *, least=None, above=None, below=None, among=None, empty=False
):
    """A field of settings.

    Args:
        default: Its default.
        role: As above. A class that extends another may leave it out: the role of a
            name stays what it was.
        least: Least number; 0 where neither this nor `above` is given.
        above: Number that it has to be above.
        below: Number that it has to be below; all numbers are finite.
        among: What its entries may be.
        empty: Whether a list may be empty.
    """
    bounds = {"least": least, "above": above, "below": below, "among": among}
    metadata = {"bounds": bounds, "empty": empty}
    if role is not None:
        metadata["role"] = role
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all experiments share; each extends it by its own settings."""

    # Named set of settings; flags given beside it win.
    preset: str = field("cpu", "plan")
    # Seeds of the runs, one run of each method for each.
    seeds: tuple[int, ...] = field((0,), "plan")
    # Folder for runs, which are not committed.
    run_dir: str = field("runs", "place")
    # Copy result and pictures to experiments/results of the checkout.
    publish: bool = field(False, "place")
    # Compile the train step by XLA.
    jit_compile: bool = field(False, "compute")
    # Folder of data on disk: sets prepared by TFDS, image folders, or raw files. It
    # is only read.
    data_dir: str | None = field(None, "place")
    # Folder for what TFDS prepares or downloads.
    prepared_dir: str = field("runs/tfds", "place")
    # Download what is missing.
    download: bool = field(False, "place")
    # Leave out files that cannot be decoded, and name them, instead of stopping.
    skip_corrupt: bool = False
    # Examples in a step, over all replicas.
    batch_size: int = field(128, least=1)
    # Stop each run, and each evaluation, after so many steps, to try it out (whole
    # epochs where they are more than one); 0 for the whole run.
    max_steps: int = 0
    # Mix in the train step, or on the host as the last stage of the input pipeline.
    mix_in: Literal["train_step", "pipeline"] = "train_step"
    # Replicas: one, one for each GPU of this machine, or those of several machines (which
    # TF_CONFIG or Slurm names; --run_dir has to be shared by them).
    strategy: Literal["one", "mirrored", "multi_worker"] = field("one", "compute")
    # Address of a tf.data service that makes the training batches, as grpc://host:port.
    data_service: str = field("", "place")
    # Seconds without a batch of it after which the run ends with an error.
    data_service_timeout: float = field(300.0, "place")
    # Keras's dtype policy; auto for bfloat16 where the processor multiplies it.
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = field(
        "float32", "compute"
    )
    # Processes that do the runs, on as many cores each as there are for it.
    processes: int = field(1, "place", least=1)
    # Repeat a run bit for bit, at some cost of speed on a GPU.
    deterministic: bool = field(False, "compute")
    # Epochs between checkpoints; 0 for none, where a run takes seconds.
    checkpoint_every: int = field(1, "place")
    # Steps between checkpoints inside of an epoch; 0 for none.
    checkpoint_steps: int = field(0, "place")
    # Write a TensorBoard log for each run.
    tensorboard: bool = field(True, "place")
    # Progress of an epoch: a bar on a terminal and a line elsewhere, or one of them.
    progress: Literal["auto", "bar", "line", "none"] = field("auto", "place")

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        for one in dataclasses.fields(self):
            _check(one, getattr(self, one.name))
        object.__setattr__(self, "precision", processor.precision(self.precision))
        if self.processes > (most := processor.cores()):
            raise invalid("processes", f"at most {most}, the cores", self.processes)
        if self.processes > 1 and self.strategy != "one":
            raise invalid("processes", "1 beside --strategy", self.processes)
        if self.data_service and (
            self.deterministic
            or self.checkpoint_steps
            or self.strategy == "multi_worker"
        ):
            raise invalid(
                "data_service",
                "none beside --deterministic and --checkpoint_steps, since its order "
                "cannot be repeated, nor beside --strategy multi_worker",
                self.data_service,
            )


@dataclasses.dataclass(frozen=True)
class MethodSettings(Settings):
    """What the experiments that compare ERM with mixup share."""

    # Methods to run; mixup once for each alpha.
    methods: tuple[Literal["erm", "mixup"], ...] = field(
        ("erm", "mixup"), "plan", among=("erm", "mixup")
    )
    # Values of alpha.
    alphas: tuple[float, ...] = field((1.0,), "plan", above=0)

    def method_alphas(self):
        """Alpha by name of method; that of ERM is 0."""
        alphas = (0.0,) if "erm" in self.methods else ()
        alphas += self.alphas if "mixup" in self.methods else ()
        return {method_name(alpha): alpha for alpha in alphas}


def method_name(alpha):
    """ERM, or mixup with its alpha, as tables say it."""
    return f"mixup {alpha:g}" if alpha else "ERM"


def names(settings_class, *roles):
    """The names of the fields that have one of these roles."""
    return [
        one.name
        for one in dataclasses.fields(settings_class)
        if _role(settings_class, one.name) in roles
    ]


def invalid(name, expected, received):
    """The error of a setting, in Keras's phrasing."""
    if isinstance(received, tuple):
        received = list(received)
    return ValueError(
        f"Invalid value received for `{name}`. Expected {expected}. "
        f"Received: {received}"
    )


def parse(settings_class, presets, flags, prog):
    """Settings from flags, over those of the preset that they name.

    Args:
        settings_class: A frozen dataclass that extends `Settings`.
        presets: Dict of preset names to dicts of settings.
        flags: List of strings.
        prog: The command, for the help.

    Returns:
        An instance. A wrong flag ends the process with status 2 and a message.
    """
    first = argparse.ArgumentParser(add_help=False, prog=prog)
    first.add_argument("--preset", default="cpu", choices=sorted(presets))
    preset = first.parse_known_args(flags)[0].preset
    parser = simple_parsing.ArgumentParser(
        prog=prog,
        description=f"Presets: {', '.join(sorted(presets))}.",
        add_config_path_arg=False,
    )
    default = settings_class(preset=preset, **presets[preset])
    parser.add_arguments(settings_class, dest="settings", default=default)
    try:
        return parser.parse_args(flags).settings
    except ValueError as error:
        return parser.error(str(error))


def _role(settings_class, name):
    for base in settings_class.__mro__:
        one = getattr(base, "__dataclass_fields__", {}).get(name)
        if one is not None and "role" in one.metadata:
            return one.metadata["role"]
    return "setting"


def _check(one, value):
    several = isinstance(value, tuple)
    entries = value if several else (value,)
    if several and len(set(value)) < len(value):
        raise invalid(one.name, "entries that are all different", value)
    if several and not value and not one.metadata.get("empty"):
        raise invalid(one.name, "at least one entry", value)
    bounds = one.metadata.get("bounds", {})
    among = bounds.get("among")
    if among is not None and set(entries) - set(among):
        raise invalid(one.name, f"some of {list(among)}", value)
    numbers = [n for n in entries if type(n) in (int, float)]
    above, below = bounds.get("above"), bounds.get("below") or math.inf
    least = bounds.get("least") or 0
    if above is None and not all(least <= n < below for n in numbers):
        raise invalid(one.name, f"{_number(several)} >= {least}{_under(below)}", value)
    if above is not None and not all(above < n < below for n in numbers):
        raise invalid(one.name, f"{_number(several)} > {above}{_under(below)}", value)


def _number(several):
    return "finite numbers" if several else "a finite number"


def _under(below):
    return "" if below == math.inf else f" and < {below:g}"
