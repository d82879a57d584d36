"""Keys: what (seed, step, replica) stands for, and the random bits under it.

The same triple gives the same bits in eager mode, in a `tf.function`, in a
parallel `Dataset.map` and under XLA. Two choices make that true: seeds and steps
are int32, and `alg="philox"` is written out in every call, since the automatic
choice differs between a graph and XLA.
"""

import enum
import math
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
    # Far above, so that those do not reach them.
    NEIGHBOURS = 500
    NOISE = 501
    EVALUATION = 502


def make_key(seed, step=0, replica=0):
    """The int32 pair that (seed, step, replica) stands for.

    `seed` is an integer, a scalar integer tensor, or None for one drawn anew at every
    call.
    """
    if seed is None:
        key = fresh_seed()
    elif isinstance(seed, numbers.Integral):
        # XLA and graphs split an int64 seed differently: two int32 halves.
        halves = int(seed) & 0xFFFFFFFF, (int(seed) >> 32) & 0xFFFFFFFF
        key = tf.constant([half - (half >> 31 << 32) for half in halves], tf.int32)
    elif tf.is_tensor(seed):
        key = tf.bitcast(tf.cast(seed, tf.int64), tf.int32)
    else:
        arguments.check_seed(seed)
    for index in (step, replica):
        key = fold_in(key, index)
    return key


def fresh_seed():
    """A seed from TensorFlow's global generator: another at every call."""
    return tf.random.uniform([2], tf.int32.min, tf.int32.max, tf.int32)


def replica_in_sync():
    """The index of the replica that this runs on; 0 outside of a strategy."""
    context = tf.distribute.get_replica_context()
    return context.replica_id_in_sync_group if context else 0


def fold_in(key, index):
    """The key of a part, such as one of several steps on one batch."""
    index = tf.cast(index, tf.int32)
    return tf.random.experimental.stateless_fold_in(key, index, alg="philox")


def random_bits(key, stream, shape):
    """Uniform uint32 numbers of that shape."""
    return tf.random.stateless_uniform(
        shape,
        fold_in(key, stream),
        minval=None,
        maxval=None,
        dtype=tf.uint32,
        alg="philox",
    )


def uniform(key, stream, shape):
    """Float64 midpoints of 2**24 equal parts of (0, 1): never 0, never 1."""
    bits = tf.bitwise.right_shift(
        random_bits(key, stream, shape), tf.constant(8, tf.uint32)
    )
    return (tf.cast(bits, tf.float64) + 0.5) * 2.0**-24


def normal(key, stream, shape):
    """Float32 draws from the standard normal law (Box and Muller, 1958).

    `tf.random.stateless_normal` gives other numbers under XLA, whatever its `alg`.
    """
    count = tf.reduce_prod(tf.cast(tf.stack(shape), tf.int32))
    first, second = tf.unstack(uniform(key, stream, [2, (count + 1) // 2]), 2)
    radius, angle = tf.sqrt(-2 * tf.math.log(first)), 2 * math.pi * second
    draws = tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], axis=0)
    return tf.reshape(tf.cast(draws[:count], tf.float32), shape)
