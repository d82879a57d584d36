"""The nearest-neighbour table against scikit-learn's brute force.

The 200 nearest neighbours of each of 20,000 vectors of 3,072 numbers, as many as the
pixels of a CIFAR image. Both take turns on the same rows. The cost at 50,000 is projected
by the number of pairs.
"""

import argparse
import os
import pathlib
import time

from benchmarks import report, turns
from experiments import result_file

SCHEMA = 1
OUTPUT = pathlib.Path(__file__).parent / "results" / "neighbours.json"
DIMENSIONS, K = 3072, 200
OURS, PEER = "keras_mixup.neighbours", "sklearn.neighbors, brute force"


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.neighbours", description=__doc__.split("\n")[0]
    )
    add = parser.add_argument
    add("--rows", type=int, default=20_000, help="vectors (20,000)")
    add("--rounds", type=int, default=6, help="rounds of turns (6)")
    add("--output", default=OUTPUT, help="(benchmarks/results/neighbours.json)")
    flags = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    tables = contestants(flags.rows)
    found = turns.in_rounds(
        list(tables), flags.rounds, lambda name: timed(tables[name])
    )
    ratio = turns.median_interval(
        [its / ours for its, ours in zip(found[PEER], found[OURS], strict=True)]
    )
    seconds = {name: turns.median_interval(found[name]) for name in found}
    result = {
        "schema": SCHEMA,
        "benchmark": "neighbours",
        "settings": {"rows": flags.rows, "rounds": flags.rounds, "k": K},
        "rounds": found,
        "seconds": seconds,
        "projected_minutes_at_50000": {
            name: seconds[name]["median"] / 60 * (50_000 / flags.rows) ** 2
            for name in seconds
        },
        "ours_over_it": ratio,
        "scikit_learn": report.version("scikit-learn"),
        "load_before": load,
        "environment": result_file.environment(),
    }
    print("\n" + table(result) + "\n")
    result_file.write(flags.output, result)
    print(f"Written to {flags.output}")


def contestants(rows):
    """Functions that build the table of all rows."""
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    from keras_mixup import neighbours

    # Whole numbers, as pixels are.
    x = np.random.default_rng(0).integers(0, 256, (rows, DIMENSIONS), np.uint8)
    floats = x.astype("float32")

    def brute_force():
        found = NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(floats)
        return found.kneighbors(floats, return_distance=False)

    return {OURS: lambda: neighbours.nearest_neighbours(x, K), PEER: brute_force}


def timed(function):
    """Seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def table(result):
    """The Markdown table of a result."""
    rows = [
        [
            name,
            report.interval(result["seconds"][name], ".1f"),
            f"{result['projected_minutes_at_50000'][name]:.1f}",
            "" if name == OURS else report.interval(result["ours_over_it"], ".2f"),
            "" if name == OURS else report.at_least(result["ours_over_it"], 1.0),
        ]
        for name in (OURS, PEER)
    ]
    head = [
        *(f"{result['settings']['rows']:,} x {DIMENSIONS:,}", "Seconds"),
        *("Projected at 50,000 (minutes)", "Its time / ours", "Target"),
    ]
    return report.markdown(head, rows)


if __name__ == "__main__":
    main()
