"""The result file: one JSON a set of runs, with means and differences over seeds."""

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

# TensorFlow, and keras_mixup, which imports it, are imported inside of functions: a
# benchmark sets the environment of TensorFlow after it has imported this file.

SCHEMA = 1
RESULTS = pathlib.Path(__file__).parents[1] / "results"
_PACKAGES = (
    "tensorflow keras tensorflow-probability tensorflow-datasets numpy scikit-learn"
)


class DamagedFile(Refusal, ValueError):
    """A file of results or settings that is not what was written."""


def make_result(experiment, item, settings, paper, runs, final):
    """Puts a result together: `paper` has the paper's value by cell.

    `runs` are dicts with "method", "seed", "settings", "epochs", "images_seen" and
    "seconds", and "group" where there are several data sets or networks; `final` gives
    a dict of measures of a run's epochs.
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
            values.setdefault(cell_name(*_row(run), measure), []).append(value)
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
    """Difference to the baseline, seed by seed: its mean and standard error.

    A row has the measures that all of its pairs have.
    """
    by_seed = {(*_row(run), run["seed"]): run["final"] for run in runs}
    pairs, paired = {}, {}
    for (group, method, seed), ours in by_seed.items():
        theirs = by_seed.get((group, baseline, seed))
        if method != baseline and theirs is not None:
            pairs.setdefault((group, method), []).append((ours, theirs))
    for row, both in pairs.items():
        finals = [final for two in both for final in two]
        shared = [name for name in finals[0] if all(name in one for one in finals)]
        for measure in shared:
            differences = [ours[measure] - theirs[measure] for ours, theirs in both]
            deviation = _deviation(differences)
            paired[cell_name(*row, measure)] = {
                "mean": statistics.fmean(differences),
                "standard_error": deviation and deviation / math.sqrt(len(both)),
                "seeds": len(both),
            }
    return paired


def rows(runs):
    """Group (empty where there is none) and method of each row, in their order."""
    return list(dict.fromkeys(map(_row, runs)))


def groups(runs):
    """The groups of runs, in their order."""
    return list(dict.fromkeys(group for group, _ in rows(runs)))


def methods(runs, group=None):
    """The methods of runs, or of those of one group, in their order."""
    found = [method for one, method in rows(runs) if group in (None, one)]
    return list(dict.fromkeys(found))


def cell_name(group, method, measure):
    """The name of a cell of "summary", "paired" and "paper"."""
    return "/".join(part for part in (group, method, measure) if part)


def write(path, result):
    """Writes a result whole or not at all."""
    from keras_mixup.whole_file import whole_file

    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    with whole_file(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def read(path):
    """Reads a result file, or another one that `write` wrote."""
    try:
        found = json.loads(pathlib.Path(path).read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"The file {path} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise DamagedFile(
            f"The file {path} is damaged. Expected a JSON object. Received: "
            f"{type(found).__name__}"
        )
    return found


def presets(folder):
    """The presets that are published in a folder, that nearest to the paper's first.

    The pictures there, whose names have no preset, are those of the first.
    """
    # A name that begins with a dot is of a file that is not finished.
    found = [path.stem for path in folder.glob("[!.]*.json")]
    return sorted(found, key=lambda name: (name != "paper", name != "cpu", name))


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
    """The git revision of this checkout, "-dirty" where files differ, or None."""
    command = ["git", "describe", "--always", "--dirty"]
    shown = {"text": True, "stderr": subprocess.DEVNULL}
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.check_output(command, cwd=RESULTS.parents[1], **shown).strip()
    return None


def _row(run):
    return run.get("group", ""), run["method"]


def _deviation(values):
    return statistics.stdev(values) if len(values) > 1 else None
