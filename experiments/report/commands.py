"""The command that makes a result, and how far it is from the preset's own."""

import dataclasses
import json
import shlex

from experiments import catalog

# Until the fields say it themselves: what was no setting of a run.
_ROLES = {
    "place": "preset publish run_dir data_dir prepared_dir download checkpoint_every "
    "checkpoint_steps tensorboard progress data_service data_service_timeout",
    "compute": "strategy jit_compile deterministic cache",
    "plan": "seeds methods alphas networks datasets lengths tables rows data_sets mode "
    "further_alphas grid_seeds objective_seeds shares epsilons weight_decays",
}
_ROLE_OF = {name: role for role, names in _ROLES.items() for name in names.split()}


def role(field):
    """What a settings field is for; "setting" is what identifies a run."""
    return field.metadata.get("role") or _ROLE_OF.get(field.name, "setting")


def changed(result):
    """The settings of a result that its preset does not give: by field their value."""
    usual = _usual(result)
    fields = {field.name: field for field in dataclasses.fields(usual)}
    # As JSON has them: a tuple is a list.
    values = json.loads(json.dumps(dataclasses.asdict(usual)))
    return {
        fields[name]: value
        for name, value in result["settings"].items()
        if name in fields and value != values[name]
    }


def _usual(result):
    """The settings of a result's preset."""
    experiment, preset = catalog.load(result["experiment"]), result["preset"]
    return experiment.Settings(preset=preset, **experiment.PRESETS[preset])


def is_whole(result):
    """Whether each run of a result is what its preset says, however few there are."""
    return not {"setting", "analysis"} & set(map(role, changed(result)))


def typed(result):
    """What to type for a result, for a shell."""
    line = ["python", "-m", "experiments", result["experiment"]]
    if result["preset"] != "cpu":
        line += ["--preset", result["preset"]]
    for field, value in changed(result).items():
        if field.name in ("preset", "publish", "run_dir"):
            continue
        if isinstance(value, bool):
            line.append(f"--{'' if value else 'no'}{field.name}")
        else:
            values = value if isinstance(value, list) else [value]
            line += [f"--{field.name}", *map(str, values)]
    return shlex.join(line)
