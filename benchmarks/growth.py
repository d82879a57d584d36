"""How time and memory of the mixing grow with the batch: 32 to 4,096 images.

Float32 images of 224 x 224 x 3 in memory. Time: microseconds an image of the compiled
function that `Dataset.map` calls, batch sizes taking turns. Memory: what the peak of a
process rises by when it mixes its first batch, in batches; one is the result itself.
Each size is in a process of its own for that.
"""

import os
import subprocess
import sys

from benchmarks import command, report, turns
from benchmarks.contestants import ALPHA

BATCH_SIZES = (32, 128, 512, 2048, 4096)
IMAGE = (224, 224, 3)
# The longest time an image over the shortest, and the extra batches.
FLAT, EXTRA = 1.2, 1.1


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    parser = command.parser_of("growth", __doc__, 9, 0.5)
    command.conclude("growth", parser.parse_args(arguments), measured, table)


def measured(flags):
    """What the result file keeps."""
    memory = {size: extra_batches(size) for size in BATCH_SIZES}
    mix, images = compiled(), images_of(max(BATCH_SIZES))

    def time_of(size):
        x = images[:size]
        batch = (x, labels_of(size))

        def iterate(count):
            for _ in range(count):
                mix(*batch)
            return count

        iterate(1)
        return 1e6 / (size * turns.repeat(iterate, flags.seconds))

    found = turns.in_rounds(list(BATCH_SIZES), flags.rounds, time_of)
    columns = zip(*found.values(), strict=True)
    return {
        "microseconds_an_image": {
            size: turns.median_interval(found[size]) for size in found
        },
        "longest_over_shortest": turns.median_interval(
            [max(times) / min(times) for times in columns]
        ),
        "extra_batches": memory,
        "targets": {"longest_over_shortest": FLAT, "extra_batches": EXTRA},
        "rounds": found,
    }


def compiled():
    """The mixing as a compiled function of (images, labels)."""
    import tensorflow as tf

    import keras_mixup

    return tf.function(keras_mixup.MixUp(ALPHA), autograph=False)


def images_of(size):
    """Random images."""
    import tensorflow as tf

    return tf.random.uniform([size, *IMAGE])


def labels_of(size):
    """One-hot labels."""
    import tensorflow as tf

    return tf.one_hot(tf.range(size) % 10, 10)


def extra_batches(size):
    """What a process's peak rises by as it mixes, in batches."""
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth_memory", str(size)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    return float(process.stdout.split()[-1])


def table(result):
    """The Markdown table of a result."""
    rows = [
        [
            f"{int(size):,}",
            report.interval(time, ".1f"),
            f"{result['extra_batches'][size]:.2f}",
        ]
        for size, time in result["microseconds_an_image"].items()
    ]
    ratio = result["longest_over_shortest"]
    most = max(result["extra_batches"].values())
    verdict = "met" if most <= result["targets"]["extra_batches"] else "missed"
    head = ["Batch", "Microseconds an image", "Extra batches at the peak"]
    return report.markdown(head, rows) + (
        f"\n\nLongest over shortest: {report.interval(ratio, '.2f')}, "
        f"{report.at_most(ratio, result['targets']['longest_over_shortest'])}. "
        f"Extra batches: at most {most:.2f}, {verdict}."
    )


if __name__ == "__main__":
    main()
