"""Images per second of a whole training with mixup, against PyTorch.

PreAct ResNet-18 on 32 x 32 images, batches of 128: shuffled, padded by 4 and cropped,
flipped, normalised, mixed with alpha 1, one step of SGD with momentum and weight decay.
The input pipeline is included. PyTorch runs with channels first and last; each contestant
is a process that takes turns, with one thread or two, whichever is faster.
"""

from benchmarks import command, report, turns
from benchmarks.training_contestants import BATCH, NAMES, OURS
from benchmarks.workers import fastest

WIDTHS = (16, 64)


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    parser = command.parser_of("whole_training", __doc__, 7, 5.0)
    parser.add_argument(
        "--widths", type=int, nargs="+", default=WIDTHS, help="(16 and 64)"
    )
    command.conclude("whole_training", parser.parse_args(arguments), measured, table)


def measured(flags):
    """What the result file keeps."""
    cells = {width: measure(width, flags) for width in flags.widths}
    return {
        "cells": cells,
        "torch": report.version("torch"),
    }


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
