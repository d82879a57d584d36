"""What mixing costs in the train step: MixUpModel against the same network without.

Both steps are compiled and fed alike, from tensors in memory; a ratio is formed within
a round. A second plain step is the control: what its ratio to the first is off from 1,
the machine did, and a ratio of the mixed step says no more than that. The sampler's
share is a step's draw of lam and partners alone, compiled by XLA, over the mixed step.
"""

import os

from benchmarks import command, report, turns
from benchmarks.workers import ONEDNN

PREACT = "PreAct ResNet-18, width 16, batch 128"
TABLE = "MLP 2 x 128, batch 512"
# name: (network, how it is compiled, the ratio aimed at)
CELLS = {
    PREACT: ("preact_resnet18", {"jit_compile": False}, 1.02),
    f"{TABLE}, XLA": ("mlp", {"jit_compile": True}, 1.3),
    f"{TABLE}, graph": ("mlp", {"jit_compile": False}, 1.6),
    f"{TABLE}, graph, 16 steps a call": (
        "mlp",
        {"jit_compile": False, "steps_per_execution": 16},
        1.1,
    ),
}
CLASSES = 10


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    # Before TensorFlow is imported; the experiments set it as well.
    os.environ |= ONEDNN
    parser = command.parser_of("train_step", __doc__, 25, 1.0)
    command.conclude("train_step", parser.parse_args(arguments), measured, table)


def measured(flags):
    """What the result file keeps."""
    cells = {}
    for name, (network, compiled, target) in CELLS.items():
        print(f"Measuring {name} ...", flush=True)
        cells[name] = measure(network, compiled, flags) | {"target": target}
    return {
        "cells": cells,
    }


def measure(network, compiled, flags):
    """One cell: both steps, and the draw alone."""
    loops = {
        "plain": step_of(network, compiled, alpha=None),
        "control": step_of(network, compiled, alpha=None),
        "mixed": step_of(network, compiled, alpha=1.0),
        "draw": draw_of(batch_size(network)),
    }
    for loop in loops.values():
        turns.repeat(loop, 0.5)
    rates = turns.in_rounds(
        list(loops), flags.rounds, lambda name: turns.repeat(loops[name], flags.seconds)
    )

    def ratio(one, other):
        pairs = zip(rates[one], rates[other], strict=True)
        return turns.median_interval([a / b for a, b in pairs])

    return {
        "rounds": rates,
        "milliseconds": {
            name: turns.median_interval([1000 / rate for rate in rates[name]])
            for name in rates
        },
        "mixed_over_plain": ratio("plain", "mixed"),
        "control_over_plain": ratio("plain", "control"),
        "sampler_share": ratio("mixed", "draw"),
    }


def batch_size(network):
    """Examples in a batch."""
    return 512 if network == "mlp" else 128


def step_of(network, compiled, alpha):
    """Function of a number of steps, which it runs to their end."""
    import keras
    import tensorflow as tf

    import keras_mixup

    keras.utils.set_random_seed(0)
    shape = (32,) if network == "mlp" else (32, 32, 3)
    own = {} if network == "mlp" else {"width": 16}
    model = keras_mixup.models.build(
        network, input_shape=shape, num_classes=CLASSES, **own
    )
    if alpha is not None:
        model = keras_mixup.MixUpModel(model, keras_mixup.MixUp(alpha, seed=0))
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **compiled,
    )
    size = batch_size(network)
    x = tf.random.normal([size, *shape])
    y = tf.random.uniform([size], maxval=CLASSES, dtype=tf.int32)
    batches = iter(tf.data.Dataset.from_tensors((x, y)).repeat())
    model.make_train_function()
    per_call = compiled.get("steps_per_execution", 1)

    def iterate(count):
        for _ in range(-(-count // per_call)):
            results = model.train_function(batches)
        # What was computed is waited for.
        tf.nest.map_structure(float, results)
        return -(-count // per_call) * per_call

    return iterate


def draw_of(size):
    """Function of a number of draws of lam and partners for a batch."""
    import tensorflow as tf

    import keras_mixup

    @tf.function(jit_compile=True)
    def draw(step):
        lam = keras_mixup.sample_lambda(1.0, (), seed=0, step=step)
        return lam, keras_mixup.sample_partner(size, seed=0, step=step)

    def iterate(count):
        for step in range(count):
            results = draw(tf.constant(step))
        tf.nest.map_structure(lambda t: t.numpy(), results)
        return count

    return iterate


def table(result):
    """The Markdown table of a result."""
    head = [
        *("Network", "Plain step (ms)", "Mixed step (ms)", "Mixed / plain", "Target"),
        *("Control / plain", "Sampler's share (%)"),
    ]
    rows = []
    for name, cell in result["cells"].items():
        times = cell["milliseconds"]
        share = {k: 100 * v for k, v in cell["sampler_share"].items()}
        rows.append(
            [
                name,
                report.interval(times["plain"], ".2f"),
                report.interval(times["mixed"], ".2f"),
                report.interval(cell["mixed_over_plain"], ".3f"),
                report.at_most(cell["mixed_over_plain"], cell["target"]),
                report.interval(cell["control_over_plain"], ".3f")
                if "control_over_plain" in cell
                else "not measured",
                report.interval(share, ".1f"),
            ]
        )
    return report.markdown(head, rows) + report.rounds(result, cell["mixed_over_plain"])


if __name__ == "__main__":
    main()
