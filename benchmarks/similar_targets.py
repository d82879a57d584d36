"""Partners of like targets over a whole set, against a matrix of all pairs.

The authors of C-Mixup keep n x n probabilities and draw a partner by a row of them.
Here a table of sorted targets takes its place. Both take turns at as many targets as a
matrix bears; at a million the table is alone. The law is the same: Gaussian, one target
an example, the bandwidth of `reference_bandwidth`.
"""

import functools
import time

from benchmarks import command, report, turns

BATCH, BATCHES = 128, 1000
OURS, PEER = "keras_mixup.neighbors.similar_targets", "numpy, a matrix of all pairs"
# Seconds of a thousand batches, and bytes, at a million.
MOST_SECONDS, MOST_BYTES = 1.0, 1e9


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    parser = command.parser_of("similar_targets", __doc__, 7)
    add = parser.add_argument
    add("--rows", type=int, default=4_000, help="targets of both (4,000)")
    add("--many", type=int, default=1_000_000, help="of the table alone (1,000,000)")
    flags = parser.parse_args(arguments)
    command.conclude("similar_targets", flags, measured, table)


def measured(flags):
    """What the result file keeps."""
    tasks = {
        f"{flags.rows:,}, {OURS}": functools.partial(of_table, flags.rows),
        f"{flags.rows:,}, {PEER}": functools.partial(of_matrix, flags.rows),
        f"{flags.many:,}, {OURS}": functools.partial(of_table, flags.many),
    }
    of_table(flags.rows)  # What is traced and loaded once is not counted.
    found = turns.in_rounds(list(tasks), flags.rounds, lambda name: tasks[name]())
    ours, peer, _ = (found[name] for name in tasks)

    def over(measure):
        return turns.median_interval(
            [its[measure] / own[measure] for its, own in zip(peer, ours, strict=True)]
        )

    return {
        "rounds": found,
        "seconds": {
            name: {
                measure: turns.median_interval([one[measure] for one in rounds])
                for measure in ("build", "draw")
            }
            for name, rounds in found.items()
        },
        "bytes": {name: rounds[0]["bytes"] for name, rounds in found.items()},
        "its_over_ours": {measure: over(measure) for measure in ("build", "draw")},
    }


def targets(rows):
    """Targets of that many rows, in a unit of their own."""
    import numpy as np

    return np.random.default_rng(0).gamma(2.0, 3.0, rows)


def of_table(rows):
    """Seconds and bytes of our table, and seconds of its draws inside `Dataset.map`."""
    import tensorflow as tf

    import keras_mixup
    from keras_mixup import neighbors

    y = targets(rows)
    start = time.perf_counter()
    table = neighbors.similar_targets(y)
    built = time.perf_counter() - start
    batches = tf.data.Dataset.range(rows).repeat().batch(BATCH).take(BATCHES)
    batches = batches.apply(keras_mixup.count_steps)

    def draw(step, index):
        return neighbors.draw_neighbors(table, index, seed=1, step=step)

    drawn = iter(batches.map(draw))
    next(drawn)  # Tracing.
    start = time.perf_counter()
    for _ in range(BATCHES - 1):
        next(drawn)
    seconds = (time.perf_counter() - start) * BATCHES / (BATCHES - 1)
    size = sum(array.nbytes for array in table if hasattr(array, "nbytes"))
    return {"build": built, "draw": seconds, "bytes": size}


def of_matrix(rows):
    """The same of a matrix, whose rows numpy draws from one by one."""
    import numpy as np

    from keras_mixup import neighbors

    y = targets(rows)
    start = time.perf_counter()
    (bandwidth,) = neighbors.reference_bandwidth(y)
    shares = np.exp(-np.square((y[:, np.newaxis] - y) / bandwidth) / 2)
    shares /= shares.sum(axis=1, keepdims=True)
    built = time.perf_counter() - start
    generator = np.random.default_rng(1)
    # A tenth of the batches: each draw costs the same.
    start = time.perf_counter()
    for index in np.arange(BATCH * BATCHES // 10) % rows:
        generator.choice(rows, p=shares[index])
    seconds = (time.perf_counter() - start) * 10
    return {"build": built, "draw": seconds, "bytes": shares.nbytes}


def table(result):
    """The Markdown table of a result."""
    rows = []
    for name, seconds in result["seconds"].items():
        size, many = result["bytes"][name], f"{result['settings']['many']:,}, "
        peer = name.endswith(PEER)
        ratio = result["its_over_ours"]["draw"]
        verdicts = []
        if name.startswith(many):
            drawn = report.at_most(seconds["draw"], MOST_SECONDS)
            kept = "met" if size <= MOST_BYTES else "missed"
            verdicts = [f"{drawn}; {MOST_BYTES / 1e6:.0f} MB: {kept}"]
        rows.append(
            [
                name,
                report.interval(seconds["build"], ".2f"),
                f"{size / 1e6:.0f}",
                report.interval(seconds["draw"], ".2f"),
                report.interval(ratio, ".1f") if peer else "",
                *(verdicts or [""]),
            ]
        )
    head = [
        *("Targets", "Built in (s)", "MB", f"{BATCHES:,} batches of {BATCH} (s)"),
        *("Its draws / ours", "Target"),
    ]
    any_interval = result["its_over_ours"]["draw"]
    return report.markdown(head, rows) + report.rounds(result, any_interval)


if __name__ == "__main__":
    main()
