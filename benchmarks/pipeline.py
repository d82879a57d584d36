"""Images per second of mixup inside `Dataset.map`, side by side with the peers.

    python -m benchmarks.pipeline            # about half an hour on two cores
    python -m benchmarks.pipeline --quick    # two minutes: does it run?

Contestants of TensorFlow (contestants.py) map the same batches, held in memory, with
the same alpha and one lam an example, the only way that most peers know. Each runs with
one parallel call or two, whichever was faster in a trial turn. Those of PyTorch
(torch_contestants.py) mix the same batch in processes of their own, with one thread or
two. Batches too large for glibc to keep their memory are measured by default and with
memory that is kept (allocators.py). An iterator lives through all rounds (turns.py), but for the largest batch, of which
only one contestant at a time may hold copies.
"""

import argparse
import contextlib
import subprocess
import time

from benchmarks import allocators, command, report, torch_contestants, turns
from benchmarks.contestants import (
    KERAS,
    OURS,
    PEERS,
    check,
    contestants,
    is_large,
    make_batches,
)
from benchmarks.workers import fastest

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
    command.conclude("pipeline", parse(arguments), measured, table, schema=3)


def measured(flags):
    """What the result file keeps."""
    cells = []
    for name in flags.sizes:
        for dtype in flags.dtypes:
            for memory in allocators.of_size(SIZES[name]):
                print(f"Measuring {name} {dtype}, memory {memory} ...", flush=True)
                how = {"rounds": flags.rounds, "seconds": flags.seconds}
                cell = {"memory": memory, "name": name, "dtype": dtype}
                cell |= {"batch": list(SIZES[name]), "missing": [], "contestants": {}}
                # One that fails does not take those before it along.
                with contextlib.suppress(subprocess.CalledProcessError):
                    cell |= allocators.apart(memory, measure, name, dtype, how)
                cells.append(cell)
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
    add("--quick", action="store_true", help="few and short rounds")
    flags = parser.parse_args(arguments)
    whole = {"sizes": tuple(SIZES), "rounds": 11, "seconds": 0.25}
    for name, value in (QUICK if flags.quick else whole).items():
        if getattr(flags, name) is None:
            setattr(flags, name, value)
    return flags


def measure(name, dtype, how):
    """One cell, in a process: all contestants on batches of one size and dtype."""
    size, flags = SIZES[name], argparse.Namespace(**how)
    missing, entered = [], {}
    batches = make_batches(size, dtype)
    for peer, (form, function) in contestants(size).items():
        if function is None:
            missing.append(peer)
        else:
            entered[peer] = _best_mapped(peer, batches[form], function, size, flags)
    label = f"{'x'.join(map(str, size))} {dtype}"
    for peer in torch_contestants.names(size):
        module = torch_contestants.__name__
        found = fastest(module, f"{peer} {label}", flags.seconds)
        if found is None:
            missing.append(peer)
        else:
            entered[peer] = found
    # A gigabyte takes seconds a turn.
    rounds = max(3, flags.rounds // 4) if is_large(size) else flags.rounds
    rates = turns.in_rounds(
        list(entered),
        rounds,
        lambda peer: size[0] * entered[peer]["rate"](flags.seconds),
    )
    for peer in entered:
        entered[peer].pop("rate")
        entered[peer].pop("close", lambda: None)()
    return {
        "missing": missing,
        "contestants": {
            peer: {
                **entered[peer],
                "rounds": rates[peer],
                "images_per_second": turns.median_interval(rates[peer]),
                "ours_over_it": turns.median_interval(
                    [a / b for a, b in zip(rates[OURS], rates[peer], strict=True)]
                ),
            }
            for peer in entered
        },
    }


def _best_mapped(peer, batches, function, size, flags):
    """A contestant of TensorFlow with its best number of parallel calls."""
    found = []
    for calls in (1, 2):
        start = time.perf_counter()
        mapped = batches.map(function, num_parallel_calls=calls)
        if not is_large(size):
            mapped = mapped.prefetch(2)
        rate, first = _rate_of(mapped, is_large(size))
        check(peer, first, size)
        seconds = time.perf_counter() - start
        found.append(
            (
                rate(flags.seconds),
                {"rate": rate, "parallel_calls": calls, "first_seconds": seconds},
            )
        )
    return max(found, key=lambda pair: pair[0])[1]


def _rate_of(mapped, afresh):
    """Function of the seconds of a turn that gives batches per second; a first batch."""
    iterator = iter(mapped)
    first = next(iterator)
    if not afresh:
        return lambda seconds: turns.turn(iterator, seconds), first

    def rate(seconds):
        return turns.turn(iter(mapped), seconds)

    return rate, first


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
                    f"{its['first_seconds']:.2f}",
                    report.interval(its["images_per_second"], ",.0f"),
                    "" if peer == OURS else report.interval(ratio, ".2f"),
                    "" if target is None else report.at_least(ratio, target),
                ]
            )
        if not cell["contestants"]:
            rows.append([where, "all", "failed", "", "", "", ""])
        for peer in cell["missing"]:
            rows.append([where, f"`{peer}`", "missing", "", "", "", ""])
    counts = {
        len(its["rounds"]): its["ours_over_it"]["coverage"]
        for cell in result["cells"]
        for its in cell["contestants"].values()
    }
    how = ", ".join(f"{n} ({100 * c:.1f} % interval)" for n, c in counts.items())
    return report.markdown(head.split("|"), rows) + (
        f"\n\nMedian of rounds: {how}, the fewest where a batch has a gigabyte. "
        f'"Ours" is `{OURS}`.'
    )


def target_of(cell, peer):
    """The least ratio aimed at, or None."""
    if peer in torch_contestants.NAMES:
        return 1.0 if cell["name"] in AGAINST_TORCH else None
    if peer in PEERS:
        return TARGETS.get(f"{cell['name']} {cell['dtype']}", {}).get(peer, 1.0)
    return None


if __name__ == "__main__":
    main()
