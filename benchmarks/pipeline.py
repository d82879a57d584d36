"""Images per second of MixUp and CutMix in `Dataset.map`, side by side with the peers.

    python -m benchmarks.pipeline            # over an hour on two cores
    python -m benchmarks.pipeline --quick    # some minutes: does it run?
    python -m benchmarks.pipeline --policies CutMix    # a part, beside --output

Contestants of TensorFlow (contestants.py) map the same batches, held in memory, with
the same alpha and one lam an example, the only way that most peers know: those of MixUp
all sizes, those of CutMix images of 32 and 224 pixels. Each runs with
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
from benchmarks.contestants import (
    CUTMIX,
    KERAS,
    MIXUP,
    OURS,
    OURS_BFLOAT16,
    cast_of,
    keras_of,
    ours_of,
    peers_of,
)

SIZES = {
    "CIFAR": (128, 32, 32, 3),
    "ImageNet": (64, 224, 224, 3),
    "spectrograms": (128, 101, 161, 1),
    "table": (512, 32),
    "1 GB": (1744, 224, 224, 3),
}
DTYPES = ("uint8", "float32", "bfloat16")
# Of which batches each policy is measured.
CELLS = {
    MIXUP: {"sizes": tuple(SIZES), "dtypes": DTYPES},
    CUTMIX: {"sizes": ("CIFAR", "ImageNet"), "dtypes": ("uint8", "float32")},
}
QUICK = {"sizes": ("CIFAR", "table"), "rounds": 3, "seconds": 0.1}
# Our images per second over those of Keras's layer, at least; 1 where none stands here,
# and over the other peers.
OVER_KERAS = {
    (MIXUP, "ImageNet", "uint8"): 5.0,
    (MIXUP, "ImageNet", "float32"): 3.0,
    **{
        (CUTMIX, name, dtype): 5.0
        for name in CELLS[CUTMIX]["sizes"]
        for dtype in CELLS[CUTMIX]["dtypes"]
    },
}
# Of ours from uint8 to bfloat16, at 224 pixels and with memory by default.
BFLOAT16_OVER_KERAS = 5.0
# Smaller batches are no target against PyTorch, which has no pipeline around them.
AGAINST_TORCH = ("ImageNet", "1 GB")


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    command.conclude("pipeline", parse(arguments), measured, table, schema=5)


def measured(flags):
    """What the result file keeps."""
    keys = [
        (policy, name, dtype, memory)
        for policy, name, dtype in cells_of(flags)
        for memory in allocators.of_size(SIZES[name])
    ]
    how = (flags.rounds, flags.seconds)

    def cell_of(policy, name, dtype, memory):
        # One that fails does not take the others along.
        try:
            found = allocators.apart(
                memory, pipeline_cell.measure, policy, SIZES[name], dtype, *how
            )
        except allocators.Failed as error:
            found = {"missing": [], "failed": {"all": str(error)}, "contestants": {}}
        own = {"policy": policy, "memory": memory, "name": name, "dtype": dtype}
        return own | {"batch": list(SIZES[name])} | found

    cells = command.piecewise(flags, keys, cell_of)
    packages = ("keras-cv", "torch", "torchvision", "timm")
    return {
        "cells": cells,
        "peers": {package: report.version(package) for package in packages},
    }


def cells_of(flags):
    """Policy, size and dtype of what is asked for, and is measured of that policy."""
    return [
        (policy, name, dtype)
        for policy in flags.policies
        for name in flags.sizes
        for dtype in flags.dtypes
        if name in CELLS[policy]["sizes"] and dtype in CELLS[policy]["dtypes"]
    ]


def parse(arguments):
    """The flags; `--quick` decides those that are not given."""
    parser = command.parser_of("pipeline", __doc__, rounds=None)
    add = parser.add_argument
    add("--seconds", type=float, help="of a turn (0.25; quick: 0.1)")
    add("--policies", nargs="+", choices=CELLS, default=tuple(CELLS), help="(all)")
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
    if not cells_of(flags):
        parser.error(
            "Invalid value received for `policies`. Expected one that is measured of "
            f"{flags.sizes} and {flags.dtypes}. Received: {flags.policies}"
        )
    return flags


def table(result):
    """The Markdown table of a result; the target stands beside the peers."""
    head = "Batch|Contestant|Calls or threads|First batch (s)|Images/s|Ours / it|Target"
    rows = []
    for cell in result["cells"]:
        where = f"{cell['name']}, {'x'.join(map(str, cell['batch']))}, {cell['dtype']}"
        if cell["memory"] != allocators.BY_DEFAULT:
            where += f", memory {cell['memory']}"
        policy = policy_of(cell)
        if policy != MIXUP:
            where = f"{policy}: {where}"
        for peer, its in cell["contestants"].items():
            threads = its.get("parallel_calls", its.get("threads"))
            ratio, target = its["ours_over_it"], target_of(cell, peer)
            shown = report.interval(ratio, ".2f")
            if peer in (ours_of(policy), cast_of(policy)):
                shown = ""
            if peer == OURS_BFLOAT16:
                ratio = its.get("over_keras")
                shown = ratio and f"it / `{KERAS}`: {report.interval(ratio, '.2f')}"
            rows.append(
                [
                    where,
                    f"`{peer}`",
                    str(threads),
                    _first(its),
                    report.interval(its["images_per_second"], ",.0f"),
                    shown or "",
                    report.at_least(ratio, target) if ratio and target else "",
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
    ours = f"`{OURS}`"
    cast = "float32 of bfloat16"
    if CUTMIX in map(policy_of, result["cells"]):
        ours += f", of CutMix `{ours_of(CUTMIX)}`"
        cast += ", or of the uint8 that CutMix keeps,"
    return report.markdown(head.split("|"), rows) + (
        f'\n\nMedian of rounds: {how}{fewest}. "Ours" is {ours}; beside a peer that '
        f"makes {cast} it is the row of ours that does so too."
    )


def _first(its):
    """The seconds of a first batch; an iteration of PyTorch is none."""
    seconds = its["first_seconds"]
    return "" if seconds is None or "threads" in its else f"{seconds:.2f}"


def policy_of(cell):
    """The policy of a cell; files up to schema 4 have MixUp alone."""
    return cell.get("policy", MIXUP)


def target_of(cell, peer):
    """The least ratio aimed at, or None."""
    policy, name = policy_of(cell), cell["name"]
    if peer == keras_of(policy):
        return OVER_KERAS.get((policy, name, cell["dtype"]), 1.0)
    if peer in peers_of(policy):
        return 1.0
    if peer == OURS_BFLOAT16 and cell["memory"] == allocators.BY_DEFAULT:
        return BFLOAT16_OVER_KERAS if name == "ImageNet" else None
    # CutMix has targets against TensorFlow alone.
    if policy == MIXUP and peer in torch_contestants.names(SIZES[name], policy):
        return 1.0 if name in AGAINST_TORCH else None
    return None


if __name__ == "__main__":
    main()
