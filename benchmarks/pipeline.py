"""Images per second of mixup inside `Dataset.map`, side by side with the peers.

    python -m benchmarks.pipeline            # about half an hour on two cores
    python -m benchmarks.pipeline --quick    # two minutes: does it run?

Contestants of TensorFlow (contestants.py) map the same batches, held in memory, with
the same alpha and one lam an example, the only way that most peers know. Each runs with
one parallel call or two, whichever was faster in three trial turns. Those of PyTorch
(torch_contestants.py) mix as many batches in processes of their own, with one thread or
two. Batches too large for glibc to keep their memory are measured by default and with
memory that is kept (allocators.py). An iterator lives through all rounds (turns.py),
but for the largest batch: of it one contestant at a time holds copies, and makes
nothing ahead.

A run that was stopped goes on with the first cell that is not there (command.py).
"""

import pathlib

from benchmarks import allocators, command, pipeline_cell, report, torch_contestants
from benchmarks.contestants import KERAS, OURS, OURS_CAST, PEERS

SIZES = {
    "CIFAR": (128, 32, 32, 3),
    "ImageNet": (64, 224, 224, 3),
    "spectrograms": (128, 101, 161, 1),
    "table": (512, 32),
    "1 GB": (1744, 224, 224, 3),
}
DTYPES = ("uint8", "float32", "bfloat16")
QUICK = {"sizes": ("CIFAR", "table"), "rounds": 3, "seconds": 0.1}
# Our images per second over a peer's, at least; 1 where none stands here.
TARGETS = {"ImageNet uint8": {KERAS: 5.0}, "ImageNet float32": {KERAS: 3.0}}
# Smaller batches are no target against PyTorch, which has no pipeline around them.
AGAINST_TORCH = ("ImageNet", "1 GB")


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    command.conclude("pipeline", parse(arguments), measured, table, schema=4)


def measured(flags):
    """What the result file keeps."""
    keys = [
        (name, dtype, memory)
        for name in flags.sizes
        for dtype in flags.dtypes
        for memory in allocators.of_size(SIZES[name])
    ]
    how = (flags.rounds, flags.seconds)

    def cell_of(name, dtype, memory):
        # One that fails does not take the others along.
        try:
            found = allocators.apart(
                memory, pipeline_cell.measure, SIZES[name], dtype, *how
            )
        except allocators.Failed as error:
            found = {"missing": [], "failed": {"all": str(error)}, "contestants": {}}
        own = {"memory": memory, "name": name, "dtype": dtype}
        return own | {"batch": list(SIZES[name])} | found

    cells = command.piecewise(flags, keys, cell_of)
    packages = ("keras-cv", "torch", "torchvision", "timm")
    return {
        "cells": cells,
        "peers": {package: report.version(package) for package in packages},
    }


def parse(arguments):
    """The flags; `--quick` decides those that are not given."""
    parser = command.parser_of("pipeline", __doc__, rounds=None)
    add = parser.add_argument
    add("--seconds", type=float, help="of a turn (0.25; quick: 0.1)")
    add("--sizes", nargs="+", choices=SIZES, help="(all; quick: the small ones)")
    add("--dtypes", nargs="+", choices=DTYPES, default=DTYPES, help="(all)")
    add(
        "--quick",
        action="store_true",
        help="few and short rounds, to runs/pipeline_quick.json",
    )
    flags = parser.parse_args(arguments)
    if flags.quick and flags.output == parser.get_default("output"):
        flags.output = pathlib.Path("runs") / "pipeline_quick.json"
    whole = {"sizes": tuple(SIZES), "rounds": 11, "seconds": 0.25}
    for name, value in (QUICK if flags.quick else whole).items():
        if getattr(flags, name) is None:
            setattr(flags, name, value)
    return flags


def table(result):
    """The Markdown table of a result; the target stands beside the peers."""
    head = "Batch|Contestant|Calls or threads|First batch (s)|Images/s|Ours / it|Target"
    rows = []
    for cell in result["cells"]:
        where = f"{cell['name']}, {'x'.join(map(str, cell['batch']))}, {cell['dtype']}"
        if cell["memory"] != allocators.BY_DEFAULT:
            where += f", memory {cell['memory']}"
        for peer, its in cell["contestants"].items():
            threads = its.get("parallel_calls", its.get("threads"))
            ratio = its["ours_over_it"]
            target = target_of(cell, peer)
            rows.append(
                [
                    where,
                    f"`{peer}`",
                    str(threads),
                    _first(its),
                    report.interval(its["images_per_second"], ",.0f"),
                    "" if peer in (OURS, OURS_CAST) else report.interval(ratio, ".2f"),
                    "" if target is None else report.at_least(ratio, target),
                ]
            )
        for peer in cell["missing"]:
            rows.append([where, f"`{peer}`", "missing", "", "", "", ""])
        for peer in cell.get("failed", {}):
            rows.append([where, f"`{peer}`", "failed", "", "", "", ""])
    counts = {
        len(its["rounds"]): its["ours_over_it"]["coverage"]
        for cell in result["cells"]
        for its in cell["contestants"].values()
    }
    how = ", ".join(f"{n} ({100 * c:.1f} % interval)" for n, c in counts.items())
    fewest = ", the fewest where a batch has a gigabyte" if len(counts) > 1 else ""
    return report.markdown(head.split("|"), rows) + (
        f'\n\nMedian of rounds: {how}{fewest}. "Ours" is `{OURS}`; beside a peer that '
        "makes float32 of bfloat16 it is the row of ours that does so too."
    )


def _first(its):
    """The seconds of a first batch; an iteration of PyTorch is none."""
    seconds = its["first_seconds"]
    return "" if seconds is None or "threads" in its else f"{seconds:.2f}"


def target_of(cell, peer):
    """The least ratio aimed at, or None."""
    if peer in torch_contestants.NAMES:
        return 1.0 if cell["name"] in AGAINST_TORCH else None
    if peer in PEERS:
        return TARGETS.get(f"{cell['name']} {cell['dtype']}", {}).get(peer, 1.0)
    return None


if __name__ == "__main__":
    main()
