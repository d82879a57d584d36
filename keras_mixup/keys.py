"""Keys: what (seed, step, replica) stands for, and the random bits under it.

The same triple gives the same bits in eager mode, in a `tf.function`, in a
parallel `Dataset.map` and under XLA. Two choices make that true: seeds and steps
are int32, and `alg="philox"` is written out in every call, since the automatic
choice differs between a graph and XLA.
"""

import enum
import numbers

import tensorflow as tf

from keras_mixup import arguments


class Stream(enum.IntEnum):
    """Each random quantity has a stream, so that none depends on the others."""

    WEIGHTS = 0
    PARTNERS = 1
    APPLY = 2
    CHOICE = 3
    # The partners of a third, fourth, ... example count on from here.
    FURTHER_PARTNERS = 4
    # Far above, so that those do not reach it.
    NEIGHBOURS = 500


def make_key(seed, step=0, replica=0):
    """The int32 pair that (seed, step, replica) stands for.

    `seed` is an integer, or None for one drawn anew at every call.
    """
    if seed is None:
        key = fresh_seed()
    elif isinstance(seed, numbers.Integral):
        # XLA and graphs split an int64 seed differently: two int32 halves.
        halves = int(seed) & 0xFFFFFFFF, (int(seed) >> 32) & 0xFFFFFFFF
        key = tf.constant([half - (half >> 31 << 32) for half in halves], tf.int32)
    else:
        arguments.check_seed(seed)
    for index in (step, replica):
        index = tf.cast(index, tf.int32)
        key = tf.random.experimental.stateless_fold_in(key, index, alg="philox")
    return key


def fresh_seed():
    """A seed from TensorFlow's global generator: another at every call."""
    return tf.random.uniform([2], tf.int32.min, tf.int32.max, tf.int32)


def random_bits(key, stream, shape):
    """Uniform uint32 numbers of that shape."""
    key = tf.random.experimental.stateless_fold_in(key, stream, alg="philox")
    return tf.random.stateless_uniform(
        shape, key, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )


def uniform(key, stream, shape):
    """Float64 midpoints of 2**24 equal parts of (0, 1): never 0, never 1."""
    bits = tf.bitwise.right_shift(
        random_bits(key, stream, shape), tf.constant(8, tf.uint32)
    )
    return (tf.cast(bits, tf.float64) + 0.5) * 2.0**-24
