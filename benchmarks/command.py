"""What the benchmarks' commands share: two flags, the result file, the table."""

import argparse
import os
import pathlib

from experiments import result_file

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
    """Measures, prints the table, writes the result.

    `measure` is a function of the flags that gives a dict, `table` one of the result.
    """
    load = os.getloadavg()[0]
    settings = {k: v for k, v in vars(flags).items() if k != "output"}
    result = {
        "schema": schema,
        "benchmark": name,
        "settings": settings,
        **measure(flags),
        "load_before": load,
        "environment": result_file.environment(),
    }
    print("\n" + table(result) + "\n")
    result_file.write(flags.output, result)
    print(f"Written to {flags.output}")
