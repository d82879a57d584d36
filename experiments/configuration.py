"""The settings that every experiment has, and how flags become settings."""

import argparse
import dataclasses
from typing import ClassVar, Literal

import simple_parsing

# What the cells of the experiments' tables are.
LEGEND = (
    "Mean ± standard deviation over seeds; in brackets the paper's, at full setting."
)


class Refusal(Exception):
    """What the user can put right: shown as one sentence, without a traceback."""


@dataclasses.dataclass(frozen=True)
class Configuration:
    """What all experiments share; each extends it by its own settings."""

    # Named set of settings; flags given beside it win.
    preset: str = "cpu"
    # Seeds of the runs, one run of each method for each.
    seeds: tuple[int, ...] = (0, 1, 2)
    # Folder for runs, which are not committed.
    run_dir: str = "runs"
    # Copy result and pictures to experiments/results of the checkout (quickstart: and
    # the model to the next free version below its saved_models).
    publish: bool = False
    # Compile the train step by XLA.
    jit_compile: bool = False

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(
                "Invalid value received for `seeds`. Expected at least one, all "
                f"different. Received: {list(self.seeds)}"
            )


@dataclasses.dataclass(frozen=True)
class RunConfiguration(Configuration):
    """What a run that trains a network has, whatever it trains."""

    # Folder of data on disk: sets prepared by TFDS, image folders, or raw files. It
    # is only read.
    data_dir: str | None = None
    # Folder for what TFDS prepares or downloads.
    prepared_dir: str = "runs/tfds"
    # Download what is missing.
    download: bool = False
    # Leave out files that cannot be decoded, and name them, instead of stopping.
    skip_corrupt: bool = False
    # Examples in a step, over all replicas.
    batch_size: int = 128
    # Stop each run, and each evaluation, after so many steps, to try it out (whole
    # epochs where they are more than one); 0 for the whole run.
    max_steps: int = 0
    # Mix in the train step, or on the host as the last stage of the input pipeline.
    mix_in: Literal["train_step", "pipeline"] = "train_step"
    # Replicas: one, one for each GPU of this machine, or those of several machines (which
    # TF_CONFIG or Slurm names; --run_dir has to be shared by them).
    strategy: Literal["one", "mirrored", "multi_worker"] = "one"
    # Address of a tf.data service that makes the training batches, as grpc://host:port.
    data_service: str = ""
    # Seconds without a batch of it after which the run ends with an error.
    data_service_timeout: float = 300.0
    # Keras's dtype policy.
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    # Repeat a run bit for bit, at some cost of speed on a GPU.
    deterministic: bool = False
    # Epochs between checkpoints; 0 for none, where a run takes seconds.
    checkpoint_every: int = 1
    # Steps between checkpoints inside of an epoch; 0 for none.
    checkpoint_steps: int = 0
    # Write a TensorBoard log for each run.
    tensorboard: bool = True
    # Progress of an epoch: a bar on a terminal and a line elsewhere, or one of them.
    progress: Literal["auto", "bar", "line", "none"] = "auto"

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        # Some have one number of epochs, some several.
        for name, value in dataclasses.asdict(self).items():
            if not isinstance(value, tuple):
                continue
            if len(set(value)) < len(value) or not (value or name in self.may_be_empty):
                raise ValueError(
                    f"Invalid value received for `{name}`. Expected at least one, all "
                    f"different. Received: {list(value)}"
                )
        least = {"epochs": 1, "batch_size": 1}
        for name, value in dataclasses.asdict(self).items():
            numbers = value if isinstance(value, tuple) else (value,)
            minimum = least.get(name, 0)
            if any(isinstance(n, int | float) and not n >= minimum for n in numbers):
                raise ValueError(
                    f"Invalid value received for `{name}`. Expected a number >= "
                    f"{minimum}. Received: {value}"
                )
        if getattr(self, "learning_rate", 1) == 0:
            raise ValueError(
                "Invalid value received for `learning_rate`. Expected a number > 0. "
                "Received: 0"
            )

        if self.data_service and (
            self.deterministic
            or self.checkpoint_steps
            or self.strategy == "multi_worker"
        ):
            raise ValueError(
                "Invalid value received for `data_service`. Expected none beside "
                "--deterministic and --checkpoint_steps, since its order cannot be "
                "repeated, nor beside --strategy multi_worker. Received: "
                f"{self.data_service}"
            )

    # Settings that may be an empty list.
    may_be_empty: ClassVar[tuple[str, ...]] = ()


@dataclasses.dataclass(frozen=True)
class TrainingConfiguration(RunConfiguration):
    """What the experiments that compare ERM with mixup share."""

    # Methods to run; mixup once for each alpha.
    methods: tuple[Literal["erm", "mixup"], ...] = ("erm", "mixup")
    # Values of alpha.
    alphas: tuple[float, ...] = (1.0,)

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        wrong = [alpha for alpha in self.alphas if not 0 < alpha < float("inf")]
        if wrong or len(set(self.alphas)) < len(self.alphas):
            raise ValueError(
                "Invalid value received for `alphas`. Expected different numbers above "
                f"0 (ERM is a method). Received: {list(self.alphas)}"
            )
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise ValueError(
                "Invalid value received for `methods`. Expected `erm`, `mixup` or "
                f"both. Received: {list(self.methods)}"
            )
        super().__post_init__()

    def method_alphas(self):
        """Alpha by name of method; that of ERM is 0."""
        methods = {"ERM": 0.0} if "erm" in self.methods else {}
        if "mixup" in self.methods:
            methods |= {f"mixup {alpha:g}": alpha for alpha in self.alphas}
        return methods


def check_names(setting, received, known):
    """Raises unless all that was received is known, and there is some."""
    if not received or set(received) - set(known):
        raise ValueError(
            f"Invalid value received for `{setting}`. Expected some of {list(known)}. "
            f"Received: {list(received)}"
        )


def check_counts(settings, names):
    """Raises unless each of these settings is a number >= 1."""
    for name in names:
        if getattr(settings, name) < 1:
            raise ValueError(
                f"Invalid value received for `{name}`. Expected a number >= 1. "
                f"Received: {getattr(settings, name)}"
            )


def check_gan(settings):
    """Raises unless the settings of a GAN fit each other."""
    counts = "iterations every discriminator_steps latent_dim width samples"
    check_counts(settings, counts.split())
    alphas = (*settings.alphas, *getattr(settings, "further_alphas", ()))
    wrong = [alpha for alpha in alphas if not 0 < alpha <= 1]
    if wrong and "author_code" in settings.mode:
        raise ValueError(
            "Invalid value received for `alphas`. Expected numbers in (0, 1] in mode "
            f"author_code, whose weights are below alpha. Received: {wrong}"
        )
    if not all(1 <= point <= settings.iterations for point in settings.snapshots):
        raise ValueError(
            "Invalid value received for `snapshots`. Expected iterations from 1 to "
            f"{settings.iterations}. Received: {list(settings.snapshots)}"
        )
    if settings.checkpoint_steps:
        raise ValueError(
            "Invalid value received for `checkpoint_steps`. Expected 0: a GAN is saved "
            "at each of its measurements, of which `every` says how many there are. "
            f"Received: {settings.checkpoint_steps}"
        )
    if settings.mix_in == "pipeline":
        raise ValueError(
            "Invalid value received for `mix_in`. Expected train_step: what is "
            "generated is not in the pipeline. Received: pipeline"
        )


def parse(settings_class, presets, flags, prog):
    """Settings from flags, over those of the preset that they name.

    Args:
        settings_class: A frozen dataclass that extends `Configuration`.
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
