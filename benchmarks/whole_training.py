"""Images per second of a whole training with mixup, against PyTorch.

PreAct ResNet-18 on 32 x 32 images, batches of 128: shuffled, padded by 4 and cropped,
flipped, normalised, mixed with alpha 1, one step of SGD with momentum and weight decay.
The input pipeline is included. PyTorch runs with channels first and last; each contestant
is a process that takes turns, with one thread or two, whichever is faster.
"""

import argparse
import os
import pathlib

from benchmarks import report, turns
from benchmarks.training_contestants import BATCH, NAMES, OURS
from benchmarks.workers import fastest
from experiments import result_file

SCHEMA = 1
OUTPUT = pathlib.Path(__file__).parent / "results" / "whole_training.json"
WIDTHS = (16, 64)


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.whole_training", description=__doc__.split("\n")[0]
    )
    add = parser.add_argument
    add("--rounds", type=int, default=7, help="rounds of turns (7)")
    add("--seconds", type=float, default=5.0, help="least length of a turn (5)")
    add("--widths", type=int, nargs="+", default=WIDTHS, help="(16 and 64)")
    add("--output", default=OUTPUT, help="(benchmarks/results/whole_training.json)")
    flags = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    cells = {width: measure(width, flags) for width in flags.widths}
    result = {
        "schema": SCHEMA,
        "benchmark": "whole_training",
        "settings": {k: v for k, v in vars(flags).items() if k != "output"},
        "cells": cells,
        "torch": report.version("torch"),
        "load_before": load,
        "environment": result_file.environment(),
    }
    print("\n" + table(result) + "\n")
    result_file.write(flags.output, result)
    print(f"Written to {flags.output}")


def measure(width, flags):
    """One cell: all contestants at one width."""
    workers, missing = {}, []
    for name in NAMES:
        print(f"Starting {name!r} at width {width} ...", flush=True)
        worker = fastest(
            "benchmarks.training_contestants", f"{name} {width}", flags.seconds
        )
        if worker is None:
            missing.append(name)
        else:
            workers[name] = worker
    rates = turns.in_rounds(
        list(workers),
        flags.rounds,
        lambda name: BATCH * workers[name]["rate"](flags.seconds),
    )
    for worker in workers.values():
        worker.pop("rate")
        worker.pop("close")()
    return {
        "missing": missing,
        "contestants": {
            name: {
                **workers[name],
                "rounds": rates[name],
                "images_per_second": turns.median_interval(rates[name]),
                "ours_over_it": turns.median_interval(
                    [a / b for a, b in zip(rates[OURS], rates[name], strict=True)]
                ),
            }
            for name in workers
        },
    }


def table(result):
    """The Markdown table of a result."""
    rows = []
    for width, cell in result["cells"].items():
        for name, its in cell["contestants"].items():
            ratio = its["ours_over_it"]
            rows.append(
                [
                    f"width {width}",
                    name,
                    str(its["threads"]),
                    report.interval(its["images_per_second"], ",.0f"),
                    "" if name == OURS else report.interval(ratio, ".2f"),
                    "" if name == OURS else report.at_least(ratio, 1.0),
                ]
            )
        rows += [
            [f"width {width}", name, "missing", "", "", ""] for name in cell["missing"]
        ]
    head = ["PreAct ResNet-18", "Contestant", "Threads", "Images/s", "Ours / it"]
    return report.markdown([*head, "Target"], rows)


if __name__ == "__main__":
    main()
