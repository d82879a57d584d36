"""What the benchmarks' commands share: two flags, the result file, the table."""

import argparse
import json
import os
import pathlib
import resource

from experiments.report import result_file

RESULTS = pathlib.Path(__file__).parent / "results"


def parser_of(name, description, rounds, seconds=None):
    """A parser with `--rounds`, `--seconds` (unless None) and `--output`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}", description=description.split("\n")[0]
    )
    add = parser.add_argument
    add(
        "--rounds",
        type=_at_least_one,
        default=rounds,
        help=f"turns ({rounds or '11; quick: 3'})",
    )
    if seconds is not None:
        add("--seconds", type=float, default=seconds, help=f"of a turn ({seconds:g})")
    add("--output", default=RESULTS / f"{name}.json", help=f"(results/{name}.json)")
    return parser


def _at_least_one(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"Expected at least 1. Received: {text}")
    return int(text)


def conclude(name, flags, measure, table, schema=1):
    """Measures, writes the result and beside it its table, and prints that.

    `measure` is a function of the flags that gives a dict, `table` one of the result.
    """
    load, environment = os.getloadavg()[0], result_file.environment()
    before = _cpu_seconds()
    result = {
        "schema": schema,
        "benchmark": name,
        "settings": _settings(flags),
        **measure(flags),
    }
    result |= {
        "load_before": load,
        "cpu_seconds": _between(before, _cpu_seconds()),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "by default"),
        "environment": environment,
    }
    if (now := result_file.revision()) != environment["revision"]:
        # Cells import the code anew: such a file is of no one state.
        environment["revision"] = f"{environment['revision']} to {now}"
    result_file.write(flags.output, result)
    _partial(flags).unlink(missing_ok=True)
    text = table(result)
    table_of(flags.output).write_text(text + "\n", encoding="utf-8")
    print(f"\n{text}\n\nWritten to {flags.output}")


def table_of(path):
    """Where the table of a result file lies."""
    return pathlib.Path(path).with_suffix(".md")


def piecewise(flags, keys, cell_of):
    """The cells of a long run: one that was stopped goes on with the next cell.

    What is there lies beside the output until the run is whole. It is taken where
    settings, versions, revision and processor are the same.

    Args:
        flags: Those of the command.
        keys: List of tuples of strings, the arguments of `cell_of`.
        cell_of: Function that measures one cell, and gives what JSON can hold.

    Returns:
        List of the cells, each with its `cpu_seconds`: those of the whole file are only
        of what ran after the last stop.
    """
    path = _partial(flags)
    identity = {"settings": _settings(flags), **result_file.environment()}
    identity.pop("date")
    identity = json.loads(json.dumps(identity))
    kept = {"identity": identity, "cells": {}}
    if path.exists():
        before = result_file.read(path)
        kept = before if before["identity"] == identity else kept
    for key in keys:
        name = ", ".join(key)
        if name not in kept["cells"]:
            print(f"Measuring {name} ...", flush=True)
            start = _cpu_seconds()
            found = cell_of(*key)
            busy = {"cpu_seconds": _between(start, _cpu_seconds())}
            kept["cells"][name] = {**found, **busy}
            result_file.write(path, kept)
    return [kept["cells"][", ".join(key)] for key in keys]


def _partial(flags):
    return pathlib.Path(f"{flags.output}.partial")


def _settings(flags):
    return {k: v for k, v in vars(flags).items() if k != "output"}


def _between(before, after):
    """Those that the run took, and those that others took from it."""
    own = after[1] - before[1]
    others = None if after[0] is None else after[0] - before[0] - own
    return {"own": own, "of_others": others}


def _cpu_seconds():
    """CPU seconds of the machine (or None), and of this process with children."""
    own = sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(
            resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
    )
    try:
        fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return None, own
    # user nice system idle iowait irq softirq steal
    user, nice, system, _, _, irq, softirq, steal = map(int, fields[:8])
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK"), own
