"""What the answers are, as plain loops over numpy arrays, and the four modes."""

import functools

import numpy as np
import tensorflow as tf

MODES = ("eager", "graph", "map", "xla")


@functools.cache
def two_replicas():
    """The one strategy of two replicas of this process.

    TensorFlow numbers the collectives of each strategy from 100 on: those of a second
    one would meet what the first left under their numbers.
    """
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def run(mode, function, *arguments):
    """The result of a function of tensors in one of the modes, as numpy."""
    arguments = tf.nest.map_structure(tf.convert_to_tensor, arguments)
    if mode == "eager":
        result = function(*arguments)
    elif mode == "graph":
        result = tf.function(function, autograph=False)(*arguments)
    elif mode == "xla":
        result = tf.function(function, autograph=False, jit_compile=True)(*arguments)
    else:
        dataset = tf.data.Dataset.from_tensors(arguments)
        result = next(iter(dataset.map(function, num_parallel_calls=4)))
    return tf.nest.map_structure(lambda t: t.numpy(), result)


def mix(x, lam, partner):
    """`lam x_i + (1 - lam) x_j`, example by example, in float64."""
    x = np.asarray(x, np.float64)
    lam = np.broadcast_to(np.asarray(lam, np.float64), len(x))
    mixed = np.empty_like(x)
    for i in range(len(x)):
        mixed[i] = lam[i] * x[i] + (1 - lam[i]) * x[partner[i]]
    return mixed


def one_hot(labels, classes):
    """One-hot rows, label by label."""
    rows = np.zeros((*np.shape(labels), classes))
    for index in np.ndindex(np.shape(labels)):
        rows[index][labels[index]] = 1
    return rows


def cross_entropy(label, logits):
    """`-log softmax(logits)[label]` of one example."""
    logits = np.asarray(logits, np.float64)
    return np.log(np.sum(np.exp(logits - logits.max()))) + logits.max() - logits[label]
