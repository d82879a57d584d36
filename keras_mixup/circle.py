"""Targets on a circle: angles, times of a day, phases.

Two values that differ by whole periods are the same. Between two lies the shorter arc,
and the straight way through the circle, the chord.
"""

import math

import numpy as np
import tensorflow as tf

from keras_mixup.mixing import convex_combination, expand_to_rank


def mixed(parts, shares, period):
    """The convex combination along the shorter arcs, in [0, period).

    `y~ = y_h + sum_k t_k wrap(y_k - y_h)` modulo the period, with the heaviest part
    y_h, so that no order of the parts matters, and a part of share 0 does not count.
    wrap is into [-period / 2, period / 2). With two parts y_h may be either.
    """
    own = parts[0].dtype
    parts = [
        tf.cast(part, tf.float64 if own == tf.float64 else tf.float32) for part in parts
    ]
    heaviest, most = parts[0], shares[0]
    for part, share in zip(parts[1:], shares[1:], strict=True):
        more = expand_to_rank(share > most, part.shape.rank)
        heaviest, most = tf.where(more, part, heaviest), tf.maximum(share, most)
    near = [
        part - period * tf.floor((part - heaviest) / period + 0.5) for part in parts
    ]
    around = tf.math.floormod(convex_combination(near, shares), period)
    # What is rounded to a whole period.
    return tf.cast(tf.minimum(around, _last_before(period, own)), own)


def points(values, period):
    """Where values lie on the circle whose circumference is the period: (..., 2)."""
    radius = period / (2 * math.pi)
    angle = tf.math.floormod(values, period) / radius
    return radius * tf.stack([tf.cos(angle), tf.sin(angle)], axis=-1)


def _last_before(period, dtype):
    """The largest number below the period that the dtype has."""
    last = np.asarray(period, dtype.as_numpy_dtype)
    if float(last) >= period:
        last = np.nextafter(last, np.zeros_like(last))
    return float(last)
