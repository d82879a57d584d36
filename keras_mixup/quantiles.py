"""Quantiles of the Beta law from a table, for parameters that are known beforehand.

A sampler inverts the law at every draw by an iteration of hundreds of operations, which
XLA takes seconds to compile. Here TFP's distribution function is inverted once: a table
holds logit x at equal steps of log P(X <= x), and a draw is one row of it, a cubic and a
sigmoid. Below the table, where x < e**-40, the law is its first term, x**a / (a B(a, b)).
"""

import functools
import typing

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

INTERVALS = 1024
# logit x at the lower end of the table, unless less is needed, and where x rounds to 1.
LOWEST, HIGHEST = -40.0, 36.0
# Below all that is drawn: the least midpoint of 2**24 parts is 2**-25.
LEAST = 2.0**-26
# From a first guess between 4,096 points, Newton's iteration is at rest after three.
NEWTON_STEPS = 5


class Table(typing.NamedTuple):
    """The lower half of a Beta law.

    `coefficients` has a row for each interval of log P: those of the cubic that gives
    logit x. `power` and `log_scale` are those of the first term.
    """

    least: float
    width: float
    coefficients: np.ndarray
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
    if a == b:
        below = _lower_half(tf.minimum(u, 1 - u), half_table(float(a), float(a)))
        return tf.where(u < 0.5, below, 1 - below)
    below = _lower_half(tf.minimum(u, 0.5), half_table(float(a), float(b)))
    above = _lower_half(tf.minimum(1 - u, 0.5), half_table(float(b), float(a)))
    return tf.where(u < 0.5, below, 1 - above)


@functools.lru_cache(maxsize=64)
def half_table(a, b):
    """The table of x with P(X <= x) <= 1/2 for Beta(a, b)."""
    with tf.init_scope():
        law = tfp.distributions.Beta(*(tf.constant(p, tf.float64) for p in (a, b)))
        log_beta = tfp.math.lbeta(law.concentration1, law.concentration0).numpy()

        def log_probability(logit):
            """Log P at a logit, and what logit x rises by for each unit of it."""
            log_x, log_rest = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
            probability = law.cdf(np.exp(log_x)).numpy()
            # Where P is below what a float64 holds, its first term is all of it.
            known = probability > 1e-290
            log_p = np.where(
                known,
                np.log(np.where(known, probability, 1.0)),
                a * log_x - np.log(a) - log_beta,
            )
            # d P / d logit x = x (1 - x) p(x).
            return log_p, np.exp(log_p - (a * log_x + b * log_rest - log_beta))

        low, high = (_logits_around(p, law) for p in (LEAST, 0.5))
        logits = np.linspace(low[0], high[1], 4 * INTERVALS)
        known, _ = log_probability(logits)
        # Of a law that has half of its mass below the table, a sliver.
        least = min(max(known[0], np.log(LEAST)), np.log(0.5) - 1e-6)
        log_p = np.linspace(least, np.log(0.5), INTERVALS + 1)
        logit = np.interp(log_p, known, logits)
        for _ in range(NEWTON_STEPS):
            found, slope = log_probability(logit)
            logit = np.minimum(logit - (found - log_p) * slope, HIGHEST)
        _, slope = log_probability(logit)
    width = log_p[1] - log_p[0]
    rise, left, right = np.diff(logit), slope[:-1] * width, slope[1:] * width
    coefficients = [logit[:-1], left, 3 * rise - 2 * left - right]
    coefficients += [left + right - 2 * rise]
    return Table(
        log_p[0], width, np.stack(coefficients, 1), 1 / a, (np.log(a) + log_beta) / a
    )


def _logits_around(probability, law):
    """Two logits, close to each other, with the quantile between them."""
    low, high = LOWEST, HIGHEST
    for _ in range(3):
        grid = np.linspace(low, high, 257)
        below = law.cdf(1 / (1 + np.exp(-grid))).numpy() < probability
        place = np.clip(below.sum(), 1, 256)
        low, high = grid[place - 1], grid[place]
    return low, high


def _lower_half(u, table):
    log_u = tf.math.log(u)
    place = (log_u - table.least) * (1 / table.width)
    interval = tf.clip_by_value(tf.cast(place, tf.int32), 0, INTERVALS - 1)
    row = tf.gather(tf.constant(table.coefficients), interval)
    c0, c1, c2, c3 = tf.unstack(row, axis=-1)
    s = place - tf.cast(interval, tf.float64)
    logit = c0 + s * (c1 + s * (c2 + s * c3))
    tail = tf.exp(log_u * table.power + table.log_scale)
    return tf.where(place < 0, tail, tf.sigmoid(logit))
