"""Quantiles of the Beta law from a table, for parameters that are known beforehand.

A sampler inverts the law at every draw by an iteration of hundreds of operations, which
XLA takes seconds to compile. Here TFP's distribution function is inverted once: a table
holds log P(X <= x) over logit x, and a draw is a search in it, a cubic between two knots, and an exponential.
Below the table, where x < e**-40, the law is its first term, x**a / (a B(a, b)).
"""

import functools
import typing

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

KNOTS = 512
# logit x at the lower end of the table, unless less is needed.
LOWEST = -40.0
# Below all that is drawn: the least midpoint of 2**24 parts is 2**-25.
LEAST = 2.0**-26


class Table(typing.NamedTuple):
    """The lower half of a Beta law: arrays of shape (KNOTS,), and its first term."""

    log_probability: np.ndarray
    logit: np.ndarray
    slope: np.ndarray
    power: float
    log_scale: float


def beta_quantile(u, a, b):
    """`x` with `P(X <= x) = u` for X ~ Beta(a, b), to 2e-8.

    Args:
        u: Float64 tensor in [2**-26, 1 - 2**-26].
        a: Float > 0.
        b: Float > 0.

    Returns:
        A float64 tensor of the shape of u.
    """
    lower, upper = half_table(float(a), float(b)), half_table(float(b), float(a))
    below = _lower_half(tf.minimum(u, 0.5), lower)
    above = _lower_half(tf.minimum(1 - u, 0.5), upper)
    return tf.where(u < 0.5, below, 1 - above)


@functools.lru_cache(maxsize=64)
def half_table(a, b):
    """The table of x with P(X <= x) <= 1/2 for Beta(a, b)."""
    with tf.init_scope():
        law = tfp.distributions.Beta(*(tf.constant(p, tf.float64) for p in (a, b)))
        least, _ = _logits_around(LEAST, law)
        _, median = _logits_around(0.5, law)
        logit = np.linspace(least, median, KNOTS)
        log_x, log_rest = -np.log1p(np.exp(-logit)), -np.log1p(np.exp(logit))
        probability = law.cdf(np.exp(log_x)).numpy()
        log_beta = tfp.math.lbeta(law.concentration1, law.concentration0).numpy()
    # Where P is below what a float64 holds, its first term is all of it.
    first_term = a * log_x - np.log(a) - log_beta
    known = probability > 1e-290
    log_probability = np.where(
        known, np.log(np.where(known, probability, 1.0)), first_term
    )
    # d log P / d logit x = x (1 - x) p(x) / P.
    density = a * log_x + b * log_rest - log_beta
    slope = np.exp(log_probability - density)
    return Table(log_probability, logit, slope, 1 / a, (np.log(a) + log_beta) / a)


def _logits_around(probability, law):
    """Two logits, close to each other, with the quantile between them."""
    low, high = LOWEST, -LOWEST
    for _ in range(3):
        grid = np.linspace(low, high, 257)
        below = law.cdf(1 / (1 + np.exp(-grid))).numpy() < probability
        place = np.clip(below.sum(), 1, 256)
        low, high = grid[place - 1], grid[place]
    return low, high


def _lower_half(u, table):
    log_u = tf.math.log(u)
    knots = tf.constant(table.log_probability)
    flat = tf.reshape(log_u, [-1])
    place = tf.searchsorted(knots, flat, side="right") - 1
    place = tf.reshape(tf.clip_by_value(place, 0, KNOTS - 2), tf.shape(log_u))

    def ends(values):
        values = tf.constant(values)
        return tf.gather(values, place), tf.gather(values, place + 1)

    (start, end), (low, high) = ends(table.log_probability), ends(table.logit)
    left, right = ends(table.slope)
    width = end - start
    s = tf.clip_by_value((log_u - start) / width, 0.0, 1.0)
    logit = (
        (1 + 2 * s) * (1 - s) ** 2 * low
        + s**2 * (3 - 2 * s) * high
        + s * (1 - s) * ((1 - s) * left - s * right) * width
    )
    tail = tf.exp(log_u * table.power + table.log_scale)
    return tf.where(log_u < table.log_probability[0], tail, tf.sigmoid(logit))
