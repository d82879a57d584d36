"""The command that makes a result, and how far it is from the preset's own."""

import dataclasses
import shlex

from experiments import catalog

# Settings that say where a run is done and how it is shown, or which runs there are.
_OF_THE_PLACE = {
    *("preset", "publish", "run_dir", "data_dir", "prepared_dir", "download"),
    *("checkpoint_every", "checkpoint_steps", "tensorboard", "progress", "strategy"),
    *("data_service", "data_service_timeout", "jit_compile", "deterministic", "cache"),
}
_OF_THE_PLAN = {
    *(
        "seeds",
        "methods",
        "alphas",
        "networks",
        "datasets",
        "lengths",
        "tables",
        "rows",
    ),
    *("data_sets", "mode", "further_alphas", "grid_seeds", "objective_seeds", "shares"),
    *("epsilons", "weight_decays"),
}


def changed(result):
    """The settings of a result that its preset does not give, by name."""
    experiment = catalog.load(result["experiment"])
    preset = result["preset"]
    named = dataclasses.asdict(
        experiment.Settings(preset=preset, **experiment.PRESETS[preset])
    )
    usual = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in named.items()
    }
    return {
        name: value
        for name, value in result["settings"].items()
        if name in usual and value != usual[name]
    }


def is_whole(result):
    """Whether each run of a result is what its preset says, however few there are."""
    return not set(changed(result)) - _OF_THE_PLACE - _OF_THE_PLAN


def typed(result):
    """What to type for a result, for a shell."""
    line = ["python", "-m", "experiments", result["experiment"]]
    if result["preset"] != "cpu":
        line += ["--preset", result["preset"]]
    for name, value in changed(result).items():
        if name in ("preset", "publish", "run_dir"):
            continue
        if isinstance(value, bool):
            line.append(f"--{'' if value else 'no'}{name}")
        else:
            line += [
                f"--{name}",
                *map(str, value if isinstance(value, list) else [value]),
            ]
    return shlex.join(line)
