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
import functools
import math
import typing
from typing import Literal

import simple_parsing

from experiments import processor

ROLES = ("setting", "analysis", "plan", "place", "compute")


class Refusal(Exception):
    """What the user can put right: shown as one sentence, without a traceback."""


def field(default, role=None, **bounds):
    """A field of settings, which says what the field of this name before does not say.

    Bounds are `least`, 0 by default, or `above`, and `below`, of its numbers, which are
    finite; `among`, what its entries may be; `empty`, whether a list may be empty.
    """
    unknown = {*bounds} - {"least", "above", "below", "among", "empty"}
    if unknown or role not in (None, *ROLES):
        raise invalid("field", f"known bounds, a role of {ROLES}", (role, *unknown))
    metadata = bounds if role is None else {**bounds, "role": role}
    return dataclasses.field(default=default, metadata=metadata)


def said(settings_class, name, what, otherwise=None):
    """What a class or one that it extends says of a field."""
    for base in settings_class.__mro__:
        one = getattr(base, "__dataclass_fields__", {}).get(name)
        if one is not None and what in one.metadata:
            return one.metadata[what]
    return otherwise


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all experiments share; each extends it by its own settings."""

    # Named set of settings; flags given beside it win.
    preset: str = field("cpu", "plan")
    # Seeds of the runs, one run of each method for each.
    seeds: tuple[int, ...] = field((0,), "plan", below=2**32)
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
    # Replicas: one, one for each GPU of this machine, or those of several machines,
    # which TF_CONFIG or Slurm names; --run_dir has to be shared by them.
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
            self._check(one.name, one.type, getattr(self, one.name))
        object.__setattr__(self, "precision", processor.precision(self.precision))
        most = processor.cores() if self.strategy == "one" else 1
        if self.processes > most:
            expected = f"at most {most}, the cores, and 1 beside --strategy"
            raise invalid("processes", expected, self.processes)
        workers = self.strategy == "multi_worker"
        if self.data_service and (
            self.deterministic or self.checkpoint_steps or workers
        ):
            raise invalid(
                "data_service",
                "none beside --deterministic and --checkpoint_steps, since its order "
                "cannot be repeated, nor beside --strategy multi_worker",
                self.data_service,
            )
        if self.deterministic and self.jit_compile:
            # Else it would go on without, and the result would say True.
            expected = "False beside --deterministic: Keras does not have both"
            raise invalid("jit_compile", expected, self.jit_compile)

    def _check(self, name, kind, value):
        bound = functools.partial(said, type(self), name)
        entries = value if isinstance(value, tuple) else (value,)
        # As tables and folders name them: what looks alike would be one row.
        shown = {f"{one:g}" if type(one) is float else str(one) for one in entries}
        if len(shown) < len(entries):
            digits = "" if len(set(entries)) < len(entries) else " in six digits"
            raise invalid(name, f"entries that are all different{digits}", value)
        if not entries and not bound("empty"):
            raise invalid(name, "at least one entry", value)
        # Flags are checked by the parser, presets here.
        is_literal = typing.get_origin(kind) is Literal
        among = bound("among", typing.get_args(kind) if is_literal else entries)
        if set(entries) - set(among):
            raise invalid(name, f"some of {list(among)}", value)
        least, above = bound("least", 0), bound("above")
        below = bound("below", math.inf)
        text = f">= {least}" if above is None else f"> {above}"
        text += "" if below == math.inf else f" and < {below}"
        for number in entries:
            if type(number) not in (int, float):
                continue
            high_enough = least <= number if above is None else above < number
            if not (high_enough and number < below):
                what = "finite numbers" if entries is value else "a finite number"
                raise invalid(name, f"{what} {text}", value)


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
        if said(settings_class, one.name, "role", "setting") in roles
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

    A wrong flag ends the process with status 2 and a message.
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
