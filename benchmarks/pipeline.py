"""Images per second of mixup inside `Dataset.map`, side by side with the peers.

    python -m benchmarks.pipeline            # about four minutes on two cores
    python -m benchmarks.pipeline --quick    # a minute: does it run?

Targets: at 64x224x224x3 `keras_mixup.MixUp` gives at least 4 times (uint8 images)
and 2.5 times (float32 images) as many images per second as `keras.layers.MixUp`
and as `keras_cv.layers.MixUp`.

The contestants (contestants.py) map the same batches, held in memory, with the same
alpha and one lam an example, the only way that the peers know. An iterator lives
through all rounds (turns.py), so that AUTOTUNE keeps what it has learnt. `prefetch`
is of fixed size: one that tunes itself would fill gigabytes during the turns of
others.
"""

import argparse
import os
import pathlib
import time

from benchmarks import report, turns
from benchmarks.contestants import OURS, PEERS, check, contestants, make_batches
from experiments import result_file

SCHEMA = 1
OUTPUT = pathlib.Path(__file__).parent / "results" / "pipeline.json"
SIZES = ((128, 32, 32, 3), (64, 224, 224, 3))
DTYPES = ("uint8", "float32")
PREFETCH = 2
# At least so many times the images per second of each peer.
TARGETS = {"64x224x224x3 uint8": 4.0, "64x224x224x3 float32": 2.5}


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
        "targets": TARGETS,
        "cells": cells,
        "keras_cv": report.version("keras-cv"),
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
    add("--seconds", type=float, help="length of a turn (0.25; quick: 0.1)")
    add("--parallel-calls", type=int, default=-1, help="of Dataset.map (-1: AUTOTUNE)")
    add("--quick", action="store_true", help="few and short rounds")
    add("--output", default=OUTPUT, help="(benchmarks/results/pipeline.json)")
    flags = parser.parse_args(arguments)
    if flags.rounds is None:
        flags.rounds = 3 if flags.quick else 15
    if flags.seconds is None:
        flags.seconds = 0.1 if flags.quick else 0.25
    if flags.rounds < 1:
        parser.error(f"Expected --rounds of at least 1. Received: {flags.rounds}")
    return flags


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


def table(result):
    """The Markdown table of a result; the target stands beside the peers."""
    head = "Batch | Images | Contestant | First batch (s) | Images/s | Ours / it"
    lines = [f"| {head} | Target |", "|---" * 3 + "|---:" * 3 + "|---|"]
    for cell in result["cells"]:
        where = [cell["batch"], cell["dtype"]]
        for name, its in cell["contestants"].items():
            target = result["targets"].get(" ".join(where)) if name in PEERS else None
            fields = [
                f"`{name}`",
                f"{its['first_batch_seconds']:.2f}",
                report.interval(its["images_per_second"], ",.0f"),
                report.interval(its["ours_over_it"], ".2f") if name != OURS else "",
                report.at_least(its["ours_over_it"], target) if target else "",
            ]
            lines.append("| " + " | ".join(where + fields) + " |")
        for name in cell["missing"]:
            lines.append(f"| {' | '.join(where)} | `{name}` | missing | | | |")
    coverage = result["cells"][0]["contestants"][OURS]["ours_over_it"]["coverage"]
    return "\n".join(lines) + (
        f"\n\nMedian of {result['settings']['rounds']} rounds "
        f'({100 * coverage:.1f} % interval). "Ours" is `{OURS}`.'
    )


def label(size):
    """How a size is written: 64x224x224x3."""
    return "x".join(map(str, size))


if __name__ == "__main__":
    main()
