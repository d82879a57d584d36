"""Keys: what (seed, step, replica) stands for, and the random bits under it.

The same triple gives the same bits in eager mode, in a `tf.function`, in a parallel
`Dataset.map` and under XLA. They come from Philox4x32-10 (Salmon et al., "Parallel
random numbers: as easy as 1, 2, 3", 2011): a block of 128 bits for each key of 64 bits
and counter of 128. A key is a uint64 tensor of shape (1,). What a block is for stands
in the upper half of its counter, so that no two uses of one key share a block.
"""

import enum
import math
import os

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
    NEIGHBORS = 500
    NOISE = 501
    EVALUATION = 502
    # Where a region lies, how large it is, and the noise whose level sets are regions.
    PLACES = 503
    SIDES = 504
    LEVELS = 505
    POLICY = 506
    # The draws among unlabeled examples.
    UNLABELED = 507


class Use(enum.IntEnum):
    """What the block of a counter is for: in bits 96 to 127 of the counter."""

    KEY = 0
    PART = 1
    DRAW = 2


def make_key(seed, step=0, replica=0):
    """The key that (seed, step, replica) stands for, a uint64 tensor of shape (1,).

    Each is an integer of 64 bits or a scalar integer tensor; a replica is from 0 to
    2**32 - 1. A seed of None is drawn anew at every call.
    """
    key = fresh_seed() if seed is None else tf.reshape(_word("seed", seed), [1])
    step = _word("step", step)
    if not tf.is_tensor(replica):
        arguments.check_index("replica", replica)
        if not 0 <= replica < 2**32:
            raise ValueError(
                "Invalid value received for argument `replica`. Expected an integer "
                f"from 0 to 2**32 - 1. Received: replica={replica}"
            )
    return _philox(key, Use.KEY, _word("replica", replica), step, [1], tf.uint64)


def fresh_seed():
    """A new key at every call, which no seed touches, not even TensorFlow's global one.

    In a graph TensorFlow's own generator makes it at every run. In eager mode the
    operating system does, since processes that fork share the state of a generator.

    Raises:
        ValueError: under `tf.config.experimental.enable_op_determinism`.
    """

    def drawn():
        # Both seeds 0: seeded by chance, and beyond `tf.random.set_seed`.
        least, greatest = (
            tf.constant(x, tf.int64) for x in (tf.int64.min, tf.int64.max)
        )
        bits = tf.raw_ops.RandomUniformInt(
            shape=[1], minval=least, maxval=greatest, seed=0, seed2=0
        )
        return tf.bitcast(bits, tf.uint64)

    try:
        with tf.init_scope():
            drawn()
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(
            "Without a seed each call draws anew, which "
            "`tf.config.experimental.enable_op_determinism()` rules out. Give a seed; "
            "for mixing in a pipeline then write `dataset.apply(mixup)`, which draws "
            "anew in each epoch and the same in each run."
        ) from error
    if not tf.inside_function():
        return tf.constant([int.from_bytes(os.urandom(8), "little")], tf.uint64)
    return drawn()


def replica_in_sync():
    """The index of the replica that this runs on; 0 outside of a strategy."""
    context = tf.distribute.get_replica_context()
    return context.replica_id_in_sync_group if context else 0


def fold_in(key, index):
    """The key of a part, such as one of several steps on one batch."""
    return _philox(key, Use.PART, 0, _word("index", index), [1], tf.uint64)


def random_bits(key, stream, shape):
    """Uniform uint32 numbers of that shape."""
    return _philox(key, Use.DRAW, stream, 0, shape, tf.uint32)


def _philox(key, use, part, begin, shape, dtype):
    """Random integers from the blocks at `begin`, `begin + 1`, ... of a use's part."""
    part = tf.cast(part, tf.uint64) + tf.constant(use << 32, tf.uint64)
    counter = tf.stack([tf.cast(begin, tf.uint64), part])
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=_shape(shape),
        key=key,
        counter=counter,
        alg=tf.random.Algorithm.PHILOX.value,
        dtype=dtype,
    )


def _shape(sizes):
    """Sizes, integers and scalar tensors or one tensor of them all, as int64."""
    if tf.is_tensor(sizes):
        return tf.cast(sizes, tf.int64)
    # Of no sizes, those of a scalar, `tf.stack` would make float32.
    sizes = [tf.cast(size, tf.int64) for size in sizes]
    return tf.convert_to_tensor(sizes, tf.int64)


def _word(argument, value):
    """The 64 bits of an integer or of a scalar integer tensor, as uint64."""
    if not tf.is_tensor(value) and getattr(value, "shape", None) == ():
        value = value.item()
    if not tf.is_tensor(value):
        arguments.check_index(argument, value)
        return tf.constant(int(value) % 2**64, tf.uint64)
    value = tf.convert_to_tensor(value)
    if not value.dtype.is_integer or value.shape.rank not in (0, None):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected an integer, "
            f"or a scalar integer tensor. Received: {argument}={value}"
        )
    if value.dtype == tf.uint64:
        return value
    return tf.bitcast(tf.cast(value, tf.int64), tf.uint64)


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
    count = tf.reduce_prod(_shape(shape))
    first, second = tf.unstack(uniform(key, stream, [2, (count + 1) // 2]), 2)
    radius, angle = tf.sqrt(-2 * tf.math.log(first)), 2 * math.pi * second
    draws = tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], axis=0)
    return tf.reshape(tf.cast(draws[:count], tf.float32), shape)
