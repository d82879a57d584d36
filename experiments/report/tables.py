"""The result file: one JSON a set of runs, and the table that is made from it."""

import contextlib
import datetime
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess

from experiments.settings import Refusal

SCHEMA = 1
RESULTS = pathlib.Path(__file__).parents[1] / "results"
_PACKAGES = (
    "tensorflow keras tensorflow-probability tensorflow-datasets numpy scikit-learn"
)


def make_result(experiment, item, settings, paper, runs, final):
    """Puts a result together.

    Args:
        experiment: Name of the experiment.
        item: The paper's name for it, such as "Table 2".
        settings: Dict of every flag; holds "preset".
        paper: Dict of the paper's value by cell, `"method/measure"`, or
            `"group/method/measure"` where runs have a group.
        runs: List of runs: dicts with "method", "seed", "settings", "epochs",
            "images_seen" and "seconds"; where several data sets or networks are
            compared, "group" says which.
        final: Function from the list of epochs to a dict of measures.

    Returns:
        The result, with "final" of each run, "summary" and "paired".
    """
    runs = [{**run, "final": final(run["epochs"])} for run in runs]
    return {
        "schema": SCHEMA,
        "experiment": experiment,
        "item": item,
        "preset": settings["preset"],
        "settings": settings,
        "paper": paper,
        "runs": runs,
        "summary": summarize(runs, paper),
        "paired": pair(runs),
        "environment": environment(),
    }


def summarize(runs, paper):
    """Mean and standard deviation over seeds of each cell."""
    values = {}
    for run in runs:
        for measure, value in run["final"].items():
            values.setdefault(_cell_name(*_row(run), measure), []).append(value)
    return {
        cell: {
            "mean": statistics.fmean(numbers),
            "standard_deviation": _deviation(numbers),
            "seeds": len(numbers),
            "paper": paper.get(cell),
        }
        for cell, numbers in values.items()
    }


def pair(runs, baseline="ERM"):
    """Difference to the baseline, seed by seed: its mean and standard error."""
    by_seed = {(*_row(run), run["seed"]): run["final"] for run in runs}
    paired = {}
    for group, method in _rows(runs):
        seeds = [
            seed
            for *row, seed in by_seed
            if row == [group, method]
            and method != baseline
            and (group, baseline, seed) in by_seed
        ]
        for measure in _shared_measures(by_seed, group, method, baseline, seeds):
            differences = [
                by_seed[group, method, seed][measure]
                - by_seed[group, baseline, seed][measure]
                for seed in seeds
            ]
            deviation = _deviation(differences)
            paired[_cell_name(group, method, measure)] = {
                "mean": statistics.fmean(differences),
                "standard_error": deviation and deviation / math.sqrt(len(seeds)),
                "seeds": len(seeds),
            }
    return paired


def calibration_at_the_end(epochs, part="test"):
    """The calibration error (%) on a set after the last epoch, where it was measured."""
    from keras_mixup import evaluation

    reliability = epochs[-1].get("end", {}).get("reliability", {})
    if part not in reliability:
        return {}
    error = evaluation.calibration_error(reliability[part])
    return {"calibration_error": 100 * error}


def table(result, measures, group_heading="Group", digits=None):
    """The Markdown table of methods by measures; the paper's value in brackets.

    `measures` maps the name of each measure to its heading; those that no run has are
    left out. Where runs have a group, it is the first column, under `group_heading`.
    `digits` maps measures to their number of decimals, which is else one.
    """
    rows = _rows(result["runs"])
    found = {measure for run in result["runs"] for measure in run["final"]}
    measures = {name: text for name, text in measures.items() if name in found}
    grouped = any(group for group, _ in rows)
    head = [*([group_heading] if grouped else []), "Method", *measures.values()]
    lines = [_line(head), "|---" * len(head) + "|"]
    for group, method in rows:
        first = [group, method] if grouped else [method]
        found = {
            measure: result["summary"].get(_cell_name(group, method, measure))
            for measure in measures
        }
        cells = [
            _cell(cell, (digits or {}).get(measure, 1)) if cell else "-"
            for measure, cell in found.items()
        ]
        lines.append(_line(first + cells))
    return "\n".join(lines)


def table_by_method(result, measure, heading):
    """The Markdown table of groups by methods, for one measure."""
    return _two_way(result, measure, heading, lambda group, method: (group, method))


def table_by_group(result, measure, heading, digits=1):
    """The Markdown table of methods by groups, for one measure."""
    return _two_way(
        result, measure, heading, lambda group, method: (method, group), digits
    )


def _two_way(result, measure, heading, place, digits=1):
    cells = {
        place(group, method): _cell_name(group, method, measure)
        for group, method in _rows(result["runs"])
    }
    columns = list(dict.fromkeys(column for _, column in cells))
    lines = [_line([heading, *columns]), "|---" * (1 + len(columns)) + "|"]
    for row in dict.fromkeys(row for row, _ in cells):
        found = [result["summary"].get(cells.get((row, c))) for c in columns]
        lines.append(
            _line([row, *(_cell(c, digits) if c else "not run" for c in found)])
        )
    return "\n".join(lines)


def write(path, result):
    """Writes a result whole or not at all."""
    from keras_mixup.whole_file import whole_file

    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    with whole_file(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


class DamagedFile(Refusal, ValueError):
    """A file of results or settings that is not what was written."""


def read(path):
    """Reads a result file, or another one that `write` wrote.

    Raises:
        DamagedFile: where it is no JSON object.
    """
    path = pathlib.Path(path)
    try:
        found = json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"The file {path} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise DamagedFile(
            f"The file {path} is damaged. Expected a JSON object. Received: "
            f"{type(found).__name__}"
        )
    return found


def environment():
    """Versions, processor and cores, accelerators, git revision and date."""
    import tensorflow as tf

    versions = {}
    for package in _PACKAGES.split():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    accelerators = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return {
        "versions": versions,
        "cores": os.cpu_count(),
        "processor": _processor(),
        "accelerators": accelerators,
        "revision": revision(),
        "date": datetime.date.today().isoformat(),
    }


def _processor():
    """The name of the processor, as far as the system says it."""
    with contextlib.suppress(OSError):
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
        for line in text.splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def revision():
    """The git revision of this checkout, "-dirty" where files have changed, or None."""
    root = RESULTS.parents[1]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    return None


def _shared_measures(by_seed, group, method, baseline, seeds):
    """The measures that the runs of two methods have, in their order."""
    finals = [by_seed[group, m, seed] for seed in seeds for m in (method, baseline)]
    first = finals[0] if finals else ()
    return [measure for measure in first if all(measure in f for f in finals)]


def _row(run):
    return run.get("group", ""), run["method"]


def _rows(runs):
    return list(dict.fromkeys(map(_row, runs)))


def _cell_name(group, method, measure):
    return "/".join(part for part in (group, method, measure) if part)


def _line(texts):
    return "| " + " | ".join(texts) + " |"


def _deviation(values):
    return statistics.stdev(values) if len(values) > 1 else None


def _cell(cell, digits=1):
    text = f"{cell['mean']:.{digits}f}"
    if cell["standard_deviation"] is not None:
        text += f" ± {cell['standard_deviation']:.{digits}f}"
    return text if cell["paper"] is None else f"{text} ({cell['paper']:g})"


def markdown(head, rows):
    """A Markdown table of headings and rows of texts."""
    return "\n".join([_line(head), "|---" * len(head) + "|", *map(_line, rows)])
