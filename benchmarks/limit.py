"""The time of the mixing over the time of one copy of the images: how near to memory.

Called on tensors in memory, without a pipeline around it: what `Dataset.map` would call
(`tf.function(mixup)`), beside two copies of the same images, TensorFlow's into a new tensor
(`tf.raw_ops.DeepCopy`) and NumPy's into an array that is there (`numpy.copyto`), which
need not ask for memory. A mixed image is read twice, once as itself and once as a
partner, and written once; a copy is read once and written once. With equal speed for
each byte the ratio would be 1.5.
"""

import argparse
import os
import pathlib

from benchmarks import report, turns
from benchmarks.contestants import ALPHA
from experiments import result_file

SCHEMA = 1
OUTPUT = pathlib.Path(__file__).parent / "results" / "limit.json"
SIZE = (64, 224, 224, 3)
TARGET = 1.5
MIXING = "keras_mixup.MixUp"
COPIES = ("copy by TensorFlow", "copy by NumPy, into place")


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    flags = parse(arguments)
    load = os.getloadavg()[0]
    loops = contestants()
    for loop in loops.values():
        turns.repeat(loop, 0.3)
    rates = turns.in_rounds(
        list(loops), flags.rounds, lambda name: turns.repeat(loops[name], flags.seconds)
    )
    result = {
        "schema": SCHEMA,
        "benchmark": "limit",
        "settings": {k: v for k, v in vars(flags).items() if k != "output"},
        "size": SIZE,
        "target": TARGET,
        "rounds": rates,
        "milliseconds": {
            name: turns.median_interval([1000 / rate for rate in rates[name]])
            for name in rates
        },
        "mixing_over_copy": {
            name: turns.median_interval(
                [c / m for c, m in zip(rates[name], rates[MIXING], strict=True)]
            )
            for name in COPIES
        },
        "load_before": load,
        "environment": result_file.environment(),
    }
    print("\n" + table(result) + "\n")
    result_file.write(flags.output, result)
    print(f"Written to {flags.output}")


def parse(arguments):
    """The flags."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.limit", description=__doc__.split("\n")[0]
    )
    add = parser.add_argument
    add("--rounds", type=int, default=25, help="rounds of turns (25)")
    add("--seconds", type=float, default=0.4, help="length of a turn (0.4)")
    add("--output", default=OUTPUT, help="(benchmarks/results/limit.json)")
    flags = parser.parse_args(arguments)
    if flags.rounds < 1:
        parser.error(f"Expected --rounds of at least 1. Received: {flags.rounds}")
    return flags


def contestants():
    """Functions of `turns.repeat`, by name."""
    import numpy as np
    import tensorflow as tf

    import keras_mixup

    x = tf.random.normal(SIZE)
    y = tf.one_hot(tf.range(SIZE[0]) % 10, 10)
    mixup = tf.function(keras_mixup.MixUp(ALPHA), autograph=False)
    copy = tf.function(lambda x: tf.raw_ops.DeepCopy(x=x), autograph=False)
    source, place = x.numpy(), np.empty(SIZE, np.float32)

    def times(call):
        def iterate(count):
            for _ in range(count):
                call()
            return count

        return iterate

    return {
        MIXING: times(lambda: mixup(x, y)),
        COPIES[0]: times(lambda: copy(x)),
        COPIES[1]: times(lambda: np.copyto(place, source)),
    }


def table(result):
    """The Markdown table of a result."""
    rows = []
    for name, time in result["milliseconds"].items():
        ratio = result["mixing_over_copy"].get(name)
        rows.append(
            [
                name,
                report.interval(time, ".2f"),
                "" if ratio is None else report.interval(ratio, ".2f"),
                "" if ratio is None else report.at_most(ratio, result["target"]),
            ]
        )
    head = ["64x224x224x3, float32", "Milliseconds", "Mixing / copy", "Target"]
    first = result["mixing_over_copy"][COPIES[0]]
    return report.markdown(head, rows) + (
        f"\n\nMedian of {result['settings']['rounds']} rounds "
        f"({100 * first['coverage']:.1f} % interval)."
    )


if __name__ == "__main__":
    main()
