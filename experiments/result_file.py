"""The result file: one JSON a set of runs, and the table that is made from it."""

import contextlib
import datetime
import importlib.metadata
import json
import math
import os
import pathlib
import statistics
import subprocess
import tempfile

SCHEMA = 1
RESULTS = pathlib.Path(__file__).parent / "results"
_PACKAGES = (
    "tensorflow keras tensorflow-probability tensorflow-datasets numpy scikit-learn"
)


def make_result(experiment, item, settings, paper, runs, final):
    """Puts a result together.

    Args:
        experiment: Name of the experiment.
        item: The paper's name for it, such as "Table 2".
        settings: Dict of every flag; holds "preset".
        paper: Dict of the paper's value by cell, `"method/measure"`.
        runs: List of runs: dicts with "method", "seed", "settings", "epochs",
            "images_seen" and "seconds".
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
        "summary": summarise(runs, paper),
        "paired": pair(runs),
        "environment": environment(),
    }


def summarise(runs, paper):
    """Mean and standard deviation over seeds of each `"method/measure"`."""
    summary = {}
    for method in _methods(runs):
        for measure in runs[0]["final"]:
            cell = f"{method}/{measure}"
            values = [r["final"][measure] for r in runs if r["method"] == method]
            summary[cell] = {
                "mean": statistics.fmean(values),
                "standard_deviation": _deviation(values),
                "seeds": len(values),
                "paper": paper.get(cell),
            }
    return summary


def pair(runs, baseline="ERM"):
    """Difference to the baseline, seed by seed: its mean and standard error."""
    by_seed = {(run["method"], run["seed"]): run["final"] for run in runs}
    paired = {}
    for method in _methods(runs):
        seeds = [
            seed
            for name, seed in by_seed
            if name == method != baseline and (baseline, seed) in by_seed
        ]
        for measure in runs[0]["final"] if seeds else ():
            differences = [
                by_seed[method, seed][measure] - by_seed[baseline, seed][measure]
                for seed in seeds
            ]
            deviation = _deviation(differences)
            paired[f"{method}/{measure}"] = {
                "mean": statistics.fmean(differences),
                "standard_error": deviation and deviation / math.sqrt(len(seeds)),
                "seeds": len(seeds),
            }
    return paired


def table(result, measures):
    """The Markdown table of methods by measures; the paper's value in brackets.

    `measures` maps the name of each measure to its heading.
    """
    head = ["Method", *measures.values()]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for method in _methods(result["runs"]):
        cells = [result["summary"][f"{method}/{measure}"] for measure in measures]
        lines.append("| " + " | ".join([method, *map(_cell, cells)]) + " |")
    return "\n".join(lines)


def write(path, result):
    """Writes a result whole or not at all."""
    path = pathlib.Path(path)
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(scratch)
        raise


def read(path):
    """Reads a result file."""
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def environment():
    """Versions, cores, accelerators, git revision and date."""
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
        "accelerators": accelerators,
        "revision": _revision(),
        "date": datetime.date.today().isoformat(),
    }


def _revision():
    root = pathlib.Path(__file__).parent.parent
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    return None


def _methods(runs):
    return list(dict.fromkeys(run["method"] for run in runs))


def _deviation(values):
    return statistics.stdev(values) if len(values) > 1 else None


def _cell(cell):
    text = f"{cell['mean']:.1f}"
    if cell["standard_deviation"] is not None:
        text += f" ± {cell['standard_deviation']:.1f}"
    return text if cell["paper"] is None else f"{text} ({cell['paper']:g})"
