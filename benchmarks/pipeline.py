"""Images per second of mixup inside `Dataset.map`, side by side with the peers.

    python -m benchmarks.pipeline            # about four minutes on two cores
    python -m benchmarks.pipeline --quick    # half a minute: does it run?

Targets: at 64x224x224x3 `keras_mixup.MixUp` gives at least 4 times (uint8 images)
and 2.5 times (float32 images) as many images per second as `keras.layers.MixUp`
and as `keras_cv.layers.MixUp`.

All contestants map the same batches, held in memory, with alpha 0.2 and one lam
an example, the only way that the peers know. An iterator lives through all rounds
(see turns.py), so that AUTOTUNE keeps what it has learnt. `prefetch` is of fixed
size: one that tunes itself would fill gigabytes during the turns of others.
"""

import argparse
import contextlib
import functools
import importlib.metadata
import os
import pathlib
import time

from benchmarks import turns
from experiments import result_file

SCHEMA = 1
OUTPUT = pathlib.Path(__file__).parent / "results" / "pipeline.json"
ALPHA = 0.2
CLASSES = 10
SIZES = ((128, 32, 32, 3), (64, 224, 224, 3))
DTYPES = ("uint8", "float32")
DISTINCT_BATCHES = 4
PREFETCH = 2

OURS = "keras_mixup.MixUp"
PEERS = ("keras.layers.MixUp", "keras_cv.layers.MixUp")
TARGET_SIZE = (64, 224, 224, 3)
TARGETS = {"uint8": 4.0, "float32": 2.5}


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    flags = parse(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    load = os.getloadavg()[0]
    cells = []
    for size in SIZES:
        for dtype in DTYPES:
            print(f"Measuring {label(size)} {dtype} ...", flush=True)
            cells.append(measure(size, dtype, flags))
    result = {
        "schema": SCHEMA,
        "benchmark": "pipeline",
        "settings": {k: v for k, v in vars(flags).items() if k != "output"},
        "targets": {"batch": label(TARGET_SIZE), "ours_over_peer": TARGETS},
        "cells": cells,
        "peers": {name: version(name) for name in ("keras", "keras-cv")},
        "load_before": load,
        "environment": result_file.environment(),
    }
    print("\n" + table(result) + "\n")
    result_file.write(flags.output, result)
    print(f"Written to {flags.output}")


def parse(arguments):
    """The flags; `--quick` decides those that are not given."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pipeline", description=__doc__.split("\n")[0]
    )
    add = parser.add_argument
    add("--rounds", type=int, help="rounds of turns (15; quick: 3)")
    add("--seconds", type=float, help="length of a turn (0.4; quick: 0.1)")
    add("--parallel-calls", type=int, default=-1, help="of Dataset.map (-1: AUTOTUNE)")
    add("--quick", action="store_true", help="few and short rounds")
    add("--output", default=OUTPUT, help="(benchmarks/results/pipeline.json)")
    flags = parser.parse_args(arguments)
    if flags.rounds is None:
        flags.rounds = 3 if flags.quick else 15
    if flags.seconds is None:
        flags.seconds = 0.1 if flags.quick else 0.4
    if flags.rounds < 1:
        parser.error(f"Expected --rounds of at least 1. Received: {flags.rounds}")
    return flags


def contestants():
    """By name: the form of the labels, and what `map` calls (None: not installed)."""
    import keras
    import tensorflow as tf

    import keras_mixup

    of_keras_cv = None
    with contextlib.suppress(ImportError):
        import keras_cv

        of_keras_cv = keras_cv.layers.MixUp(alpha=ALPHA)

    def cast_only(batch):
        return {**batch, "images": tf.cast(batch["images"], tf.float32)}

    ours = functools.partial(keras_mixup.MixUp, alpha=ALPHA, per="example")
    return {
        OURS: ("one-hot", ours()),
        f"{OURS}, integer labels": ("integer", ours(num_classes=CLASSES)),
        f"{OURS}(jit_compile=False)": ("one-hot", ours(jit_compile=False)),
        PEERS[0]: ("one-hot", keras.layers.MixUp(alpha=ALPHA)),
        PEERS[1]: ("one-hot", of_keras_cv),
        "cast only": ("one-hot", cast_only),
    }


def make_batches(size, dtype):
    """A dataset without end of a few batches in memory, by the form of its labels."""
    import numpy as np
    import tensorflow as tf

    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (DISTINCT_BATCHES, *size), np.uint8)
    images = tf.constant(images.astype(dtype))
    classes = generator.integers(0, CLASSES, (DISTINCT_BATCHES, size[0]), np.int32)
    labels = {"one-hot": tf.one_hot(classes, CLASSES), "integer": tf.constant(classes)}
    return {
        form: tf.data.Dataset.from_tensor_slices(
            {"images": images, "labels": values}
        ).repeat()
        for form, values in labels.items()
    }


def measure(size, dtype, flags):
    """One cell: all contestants on batches of one size and dtype."""
    batches = make_batches(size, dtype)
    entered = contestants()
    iterators, first = {}, {}
    for name, (form, function) in entered.items():
        if function is not None:
            start = time.perf_counter()
            mapped = batches[form].map(
                function, num_parallel_calls=flags.parallel_calls
            )
            iterators[name] = iter(mapped.prefetch(PREFETCH))
            check(name, next(iterators[name]), size)
            first[name] = time.perf_counter() - start
            turns.consume(iterators[name], flags.seconds)
    rates = turns.take_turns(iterators, flags.rounds, flags.seconds)
    images = {name: [size[0] * rate for rate in rates[name]] for name in rates}
    return {
        "batch": label(size),
        "dtype": dtype,
        "missing": [name for name in entered if name not in iterators],
        "contestants": {
            name: {
                "labels": entered[name][0],
                "first_batch_seconds": first[name],
                "rounds": images[name],
                "images_per_second": turns.median_interval(images[name]),
                "ours_over_it": turns.median_interval(
                    [ours / its for ours, its in zip(images[OURS], images[name])]
                ),
            }
            for name in iterators
        },
    }


def check(name, batch, size):
    """Raises unless a contestant gives what all are to give."""
    expected = {"images": size, "labels": (size[0], CLASSES)}
    for key, shape in expected.items():
        if batch[key].shape != shape or batch[key].dtype != "float32":
            raise ValueError(
                f"{name} gives other {key} than its rivals. Expected float32 {shape}. "
                f"Received: {batch[key].dtype.name} {batch[key].shape}"
            )


def table(result):
    """The Markdown table of a result; the target stands beside the peers."""
    head = (
        "Batch | Images | Contestant | First batch (s) | Images/s | Ours / it | Target"
    )
    lines = [f"| {head} |", "|---" * 3 + "|---:" * 3 + "|---|"]
    for cell in result["cells"]:
        where = [cell["batch"], cell["dtype"]]
        for name, its in cell["contestants"].items():
            rate, ratio = its["images_per_second"], its["ours_over_it"]
            fields = [
                f"`{name}`",
                f"{its['first_batch_seconds']:.2f}",
                "{median:,.0f} ({low:,.0f} to {high:,.0f})".format(**rate),
                ""
                if name == OURS
                else "{median:.2f} ({low:.2f} to {high:.2f})".format(**ratio),
                verdict(cell, name, result["targets"]),
            ]
            lines.append("| " + " | ".join(where + fields) + " |")
        for name in cell["missing"]:
            lines.append(
                "| " + " | ".join([*where, f"`{name}`", "missing"]) + " | | | |"
            )
    any_ratio = result["cells"][0]["contestants"][OURS]["ours_over_it"]
    return "\n".join(lines) + (
        f"\n\nMedian of {result['settings']['rounds']} rounds "
        f'({100 * any_ratio["coverage"]:.1f} % interval); `{OURS}` is "ours".'
    )


def verdict(cell, name, targets):
    """The target of a row, if it has one, and whether the interval lies beyond it."""
    if name not in PEERS or cell["batch"] != targets["batch"]:
        return ""
    target = targets["ours_over_peer"][cell["dtype"]]
    ratio = cell["contestants"][name]["ours_over_it"]
    if ratio["low"] >= target:
        return f"{target:g}: met"
    return f"{target:g}: missed" if ratio["high"] < target else f"{target:g}: open"


def label(size):
    """How a size is written: 64x224x224x3."""
    return "x".join(map(str, size))


def version(package):
    """The installed version, or None."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


if __name__ == "__main__":
    main()
