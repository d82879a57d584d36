"""The settings that every experiment has, and how flags become settings."""

import argparse
import dataclasses
import os

import simple_parsing

# TensorFlow says at its import what a user of an experiment need not read.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@dataclasses.dataclass(frozen=True)
class Configuration:
    """What all experiments share; each extends it by its own settings."""

    # Named set of settings; flags given beside it win.
    preset: str = "cpu"
    # Seeds of the runs, one run of each method for each.
    seeds: tuple[int, ...] = (0, 1, 2)
    # Folder for runs, which are not committed.
    run_dir: str = "runs"
    # Copy result and pictures to experiments/results of the checkout, and the model
    # to the next free version below its saved_models.
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
