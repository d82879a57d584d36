"""The time of the mixing over the time of one copy of the images: how near to memory.

Called on tensors in memory, without a pipeline around it: what `Dataset.map` would call
(`tf.function(mixup)`), beside two copies of the same images, TensorFlow's into a new
tensor (`tf.raw_ops.DeepCopy`) and NumPy's into an array that is there (`numpy.copyto`),
which need not ask for memory, but has one thread, and so is no target; with memory by
default and kept (`allocators.py`). A mixed image is read twice, once as itself and once
as a partner, and written once; a copy is read once and written once. With equal speed
for each byte the ratio would be 1.5.
"""

from benchmarks import allocators, command, report, turns
from benchmarks.contestants import ALPHA

SIZE = (64, 224, 224, 3)
TARGET = 1.5
MIXING = "keras_mixup.MixUp"
COPIES = ("copy by TensorFlow", "copy by NumPy, into place")


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    parser = command.parser_of("limit", __doc__, 25, 0.4)
    command.conclude("limit", parser.parse_args(arguments), measured, table)


def measured(flags):
    """What the result file keeps."""
    return {
        "size": SIZE,
        "target": TARGET,
        "memory": {
            memory: allocators.apart(memory, measure, flags.rounds, flags.seconds)
            for memory in allocators.VARIABLES
        },
    }


def measure(rounds, seconds):
    """One process: the mixing and both copies."""
    loops = contestants()
    for loop in loops.values():
        turns.repeat(loop, 0.3)
    rates = turns.in_rounds(
        list(loops), rounds, lambda name: turns.repeat(loops[name], seconds)
    )
    return {
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
    }


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
            tf.test.experimental.sync_devices()
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
    for memory, cell in result["memory"].items():
        for name, time in cell["milliseconds"].items():
            ratio = cell["mixing_over_copy"].get(name)
            aimed = name == COPIES[0]
            rows.append(
                [
                    memory,
                    name,
                    report.interval(time, ".2f"),
                    "" if ratio is None else report.interval(ratio, ".2f"),
                    report.at_most(ratio, result["target"]) if aimed else "",
                ]
            )
    head = ["Memory", "64x224x224x3, float32", "Milliseconds", "Mixing / copy"]
    return report.markdown([*head, "Target"], rows) + report.rounds(
        result, cell["milliseconds"][MIXING]
    )


if __name__ == "__main__":
    main()
