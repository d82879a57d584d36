"""Images per second of a whole training with mixup, against PyTorch.

    python -m benchmarks.whole_training
    python -m benchmarks.whole_training --widths 16 --seconds 1.5    # a short run

PreAct ResNet-18 on 32 x 32 images, batches of 128: shuffled, padded by 4 and cropped,
flipped, normalized, mixed with alpha 1, one step of SGD with momentum and weight decay.
The input pipeline is included. All train in float32, and in bfloat16 by what their
framework has for it; PyTorch with channels first and last, as it is and compiled. Each
is one process of two threads, and two processes of one thread each, whose images per
second are summed. Those of one cell take turns.
"""

import functools

from benchmarks import command, report
from benchmarks.training_contestants import BATCH, OURS, PEERS, PRECISIONS
from benchmarks.workers import side_by_side, together

WIDTHS = (16, 64)
# Threads of each process, by the number of processes: two cores are busy either way.
THREADS = {1: 2, 2: 1}


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    command.conclude("whole_training", parse(arguments), measured, table, schema=2)


def parse(arguments):
    """The flags, which choose what is measured."""
    parser = command.parser_of("whole_training", __doc__, 7, 5.0)
    add = parser.add_argument
    add("--widths", type=int, nargs="+", default=WIDTHS, help="(16 and 64)")
    add(
        "--precisions",
        nargs="+",
        choices=PRECISIONS,
        default=tuple(PRECISIONS),
        help="(both)",
    )
    add(
        "--processes",
        type=int,
        nargs="+",
        choices=THREADS,
        default=tuple(THREADS),
        help="(1 and 2)",
    )
    add("--peers", nargs="+", choices=PEERS, default=PEERS, help="(all)")
    return parser.parse_args(arguments)


def measured(flags):
    """What the result file keeps."""
    cells = {}
    for width in flags.widths:
        for precision in flags.precisions:
            for processes in flags.processes:
                start = functools.partial(
                    together, processes=processes, threads=THREADS[processes]
                )
                cells[cell_name(width, precision, processes)] = side_by_side(
                    "benchmarks.training_contestants",
                    {
                        name: f"{name} {width} {precision}"
                        for name in (OURS, *flags.peers)
                    },
                    OURS,
                    flags,
                    "images_per_second",
                    BATCH,
                    start,
                )
    return {"cells": cells, "torch": report.version("torch")}


def cell_name(width, precision, processes):
    """What a cell is called: float32 and one process go without saying."""
    words = [str(width)]
    if precision != "float32":
        words.append(precision)
    if processes > 1:
        words.append(f"{processes} processes")
    return ", ".join(words)


def table(result):
    """The Markdown table of a result, and why what failed did so."""
    rows, reasons = [], []
    for name_of_cell, cell in result["cells"].items():
        where = f"width {name_of_cell}"
        for name, its in cell["contestants"].items():
            ratio = its["ours_over_it"]
            rows.append(
                [
                    where,
                    name,
                    str(its["threads"]),
                    report.interval(its["images_per_second"], ",.0f"),
                    "" if name == OURS else report.interval(ratio, ".2f"),
                    "" if name == OURS else report.at_least(ratio, 1.0),
                ]
            )
        rows += [[where, name, "missing", "", "", ""] for name in cell["missing"]]
        for name, reason in cell.get("failed", {}).items():
            rows.append([where, name, "failed", "", "", ""])
            reasons.append(f"\n\nFailed, {where}, {name}: `{reason}`.")
    head = ["PreAct ResNet-18", "Contestant", "Threads", "Images/s", "Ours / it"]
    return report.markdown([*head, "Target"], rows) + "".join(reasons)


if __name__ == "__main__":
    main()
