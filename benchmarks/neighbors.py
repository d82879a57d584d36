"""The nearest-neighbor table against scikit-learn's brute force.

The 200 nearest neighbors of each of 20,000 vectors of 3,072 numbers, as many as the
pixels of a CIFAR image. Both take turns on the same rows. The cost at 50,000 is
projected by the number of pairs.
"""

import time

from benchmarks import command, report, turns

DIMENSIONS, K = 3072, 200
OURS, PEER = "keras_mixup.neighbors", "sklearn.neighbors, brute force"


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    parser = command.parser_of("neighbors", __doc__, 6)
    parser.add_argument("--rows", type=int, default=20_000, help="vectors (20,000)")
    command.conclude("neighbors", parser.parse_args(arguments), measured, table)


def measured(flags):
    """What the result file keeps."""
    tables = contestants(flags.rows)
    found = turns.in_rounds(
        list(tables), flags.rounds, lambda name: timed(tables[name])
    )
    ratio = turns.median_interval(
        [its / ours for its, ours in zip(found[PEER], found[OURS], strict=True)]
    )
    seconds = {name: turns.median_interval(found[name]) for name in found}
    return {
        "rounds": found,
        "seconds": seconds,
        "projected_minutes_at_50000": {
            name: seconds[name]["median"] / 60 * (50_000 / flags.rows) ** 2
            for name in seconds
        },
        "ours_over_it": ratio,
        "scikit_learn": report.version("scikit-learn"),
    }


def contestants(rows):
    """Functions that build the table of all rows."""
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    from keras_mixup import neighbors

    # Whole numbers, as pixels are.
    x = np.random.default_rng(0).integers(0, 256, (rows, DIMENSIONS), np.uint8)
    floats = x.astype("float32")

    def brute_force():
        found = NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(floats)
        return found.kneighbors(floats, return_distance=False)

    return {OURS: lambda: neighbors.nearest_neighbors(x, K), PEER: brute_force}


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
