"""Images per second of a whole training with mixup, against PyTorch.

PreAct ResNet-18 on 32 x 32 images, batches of 128: shuffled, padded by 4 and cropped,
flipped, normalized, mixed with alpha 1, one step of SGD with momentum and weight decay.
The input pipeline is included. PyTorch runs with channels first and last; each
contestant is a process that takes turns, with one thread or two, whichever is faster.
"""

from benchmarks import command, report
from benchmarks.training_contestants import BATCH, NAMES, OURS
from benchmarks.workers import side_by_side

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
    cells = {}
    for width in flags.widths:
        passed = {name: f"{name} {width}" for name in NAMES}
        module = "benchmarks.training_contestants"
        cells[width] = side_by_side(
            module, passed, OURS, flags, "images_per_second", BATCH
        )
    return {"cells": cells, "torch": report.version("torch")}


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
