"""The command that makes a result, and how far it is from the preset's own."""

import dataclasses
import json
import shlex

from experiments import catalog, settings


def changed(result):
    """The settings of a result that its preset does not give, by name."""
    experiment, preset = catalog.load(result["experiment"]), result["preset"]
    usual = experiment.settings(preset=preset, **experiment.presets[preset])
    # As JSON has them: a tuple is a list.
    values = json.loads(json.dumps(dataclasses.asdict(usual)))
    return {
        name: value
        for name, value in result["settings"].items()
        if name in values and value != values[name]
    }


def is_whole(result):
    """Whether each run of a result is what its preset says, however few there are."""
    experiment = catalog.load(result["experiment"])
    own = settings.names(experiment.settings, "setting", "analysis")
    return not set(own) & set(changed(result))


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
            values = value if isinstance(value, list) else [value]
            line += [f"--{name}", *map(str, values)]
    return shlex.join(line)
