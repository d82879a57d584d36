"""Quantiles of the Beta law, from a table where its parameters are known beforehand.

A sampler inverts the law at every draw by an iteration of hundreds of operations, which
XLA takes seconds to compile. Here TFP's distribution function is inverted once: a table
holds logit x at equal steps of log P(X <= x), and a draw is one row of it, a cubic and
a sigmoid. Below the table, where x < e**-40, the law is its first term, x**a / (a B(a,
b)).

At both ends of the parameters there is a formula instead. For small ones the density is
`ab / (a + b) / (x (1 - x))` away from 0 and 1, so that logit x rises evenly with P.
Large ones give the normal law, corrected for skewness and kurtosis (Cornish and Fisher,
1938).
"""

import functools
import math
import typing

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

INTERVALS = 1024
# Logit x at the lower end of the table, unless less is needed.
LOWEST = -40.0
# Outside of them the formulas of the ends are closer than TFP's distribution function.
SMALL, LARGE = 1e-8, 1e5
# Beyond these numbers no weight changes, and sums and products stay finite.
SMALLEST, LARGEST = 1e-100, 1e30
# Below all that is drawn: the least midpoint of 2**24 parts is 2**-25.
LEAST = 2.0**-26
# From a first guess between 4,096 points, Newton's iteration is at rest after three.
NEWTON_STEPS = 5


class Table(typing.NamedTuple):
    """The part of a Beta law below its mean.

    `coefficients` has a row for each interval of log P, from `least` to `log_p`: those
    of the cubic that gives logit x. `power` and `log_scale` are those of the first
    term.
    """

    log_p: float
    least: float
    width: float
    coefficients: np.ndarray
    power: float
    log_scale: float


def beta_quantile(u, a, ratio=1):
    """`x` with `P(X <= x) = u` for X ~ Beta(a, ratio a), to 2e-8.

    Args:
        u: Float64 tensor in [2**-26, 1 - 2**-26].
        a: Float > 0.
        ratio: Float > 0.

    Returns:
        A float64 tensor of the shape of u.
    """
    if ratio < 1:
        return 1 - beta_quantile(1 - u, ratio * a, 1 / ratio)
    a = min(max(float(a), SMALLEST), LARGEST)
    if a < SMALL:
        return _at_small(u, tf.constant(a, tf.float64), ratio)
    if a > LARGE:
        return _at_large(u, tf.constant(a, tf.float64), ratio)
    below, above = half_table(a, ratio * a), half_table(ratio * a, a)
    split = np.exp(below.log_p)
    below = _lower_half(tf.minimum(u, split), below)
    above = _lower_half(tf.minimum(1 - u, 1 - split), above)
    return tf.where(u < split, below, 1 - above)


def beta_quantile_of_tensors(u, a, ratio):
    """The same for a parameter that is known only where the graph runs.

    Args:
        u: As of `beta_quantile`.
        a: Float64 scalar tensor > 0.
        ratio: Float64 tensor >= 1 that broadcasts with u.
    """
    a = tf.clip_by_value(a, SMALLEST, LARGEST)
    known = tf.clip_by_value(a, SMALL, LARGE)
    between = tfp.distributions.Beta(known, ratio * known).quantile(u)
    found = tf.where(a < SMALL, _at_small(u, a, ratio), between)
    return tf.where(a > LARGE, _at_large(u, a, ratio), found)


def broken_by_iteration(alpha, sticks):
    """Where sticks break, for an alpha that is known only where the graph runs.

    The last axis of `sticks` has K - 1 uniform numbers, for weights of K examples.
    """
    alpha = _float64(alpha)
    # Beta(0, 0) is undefined; its limit, all weight on one example, is ERM. What is
    # no alpha at all gives NaN: XLA leaves out assertions, and the loss shows NaN.
    proper = tf.math.is_finite(alpha) & (alpha > 0)
    positive = tf.where(proper, alpha, tf.ones_like(alpha))
    other = tf.where(alpha == 0, tf.ones_like(alpha), math.nan)
    left = tf.range(sticks.shape[-1], 0, -1, dtype=tf.float64)
    return tf.where(proper, beta_quantile_of_tensors(sticks, positive, left), other)


@functools.lru_cache(maxsize=512)
def half_table(a, b):
    """The table of x with P(X <= x) for x up to the mean of Beta(a, b).

    Split at the median, the upper half of a law with most of its mass at 0 would rise
    from there to 1 within one interval.
    """
    with tf.init_scope():
        law = tfp.distributions.Beta(*(tf.constant(p, tf.float64) for p in (a, b)))
        log_beta = tfp.math.lbeta(law.concentration1, law.concentration0).numpy()

        def log_probability(logit):
            """Log P at a logit, and what logit x rises by for each unit of it."""
            log_x, log_rest = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
            log_p = np.log(law.cdf(np.exp(log_x)).numpy())
            # d P / d logit x = x (1 - x) p(x).
            return log_p, np.exp(log_p - (a * log_x + b * log_rest - log_beta))

        mean = np.log(a) - np.log(b)
        logits = np.linspace(_logit_below(LEAST, law, mean), mean, 4 * INTERVALS)
        known, _ = log_probability(logits)
        least = max(known[0], np.log(LEAST))
        log_p = np.linspace(least, known[-1], INTERVALS + 1)
        logit = np.interp(log_p, known, logits)
        for _ in range(NEWTON_STEPS):
            found, slope = log_probability(logit)
            logit = np.minimum(logit - (found - log_p) * slope, mean)
        _, slope = log_probability(logit)
    width = log_p[1] - log_p[0]
    rise, left, right = np.diff(logit), slope[:-1] * width, slope[1:] * width
    coefficients = [logit[:-1], left, 3 * rise - 2 * left - right]
    coefficients += [left + right - 2 * rise]
    return Table(
        log_p[-1],
        least,
        width,
        np.stack(coefficients, 1),
        1 / a,
        (np.log(a) + log_beta) / a,
    )


def _logit_below(probability, law, high):
    """A logit close below the quantile, which lies below `high`."""
    low = LOWEST
    for _ in range(3):
        grid = np.linspace(low, high, 257)
        below = law.cdf(1 / (1 + np.exp(-grid))).numpy() < probability
        place = np.clip(below.sum(), 1, 256)
        low, high = grid[place - 1], grid[place]
    return low


def _at_small(u, a, ratio):
    """The quantile where logit x rises evenly with P: ratio / (1 + ratio) at 1/2."""
    return tf.sigmoid((u - ratio / (1 + ratio)) * (1 + 1 / ratio) / a)


def _at_large(u, a, ratio):
    """The quantile of the normal law, corrected for skewness and kurtosis."""
    mean, total, z = 1 / (1 + ratio), a + ratio * a, tf.math.ndtri(u)
    spread = mean * (1 - mean)
    deviation = tf.sqrt(spread / (total + 1))
    skewness = 2 * (1 - 2 * mean) / (total + 2) / deviation
    kurtosis = (1 - 2 * mean) ** 2 * (total + 1) / spread - (total + 2)
    kurtosis *= 6 / (total + 2) / (total + 3)
    z += skewness * (z**2 - 1) / 6 + (
        kurtosis * (z**3 - 3 * z) / 24 - skewness**2 * (2 * z**3 - 5 * z) / 36
    )
    return mean + deviation * z


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


def _float64(alpha):
    """Alpha in float64, where one that is no zero stays none.

    TensorFlow takes the floats below the smallest normal one for 0.
    """
    alpha = tf.convert_to_tensor(alpha)
    wide = tf.cast(alpha, tf.float64)
    if not alpha.dtype.is_floating:
        return wide
    integers = {2: tf.int16, 4: tf.int32, 8: tf.int64}[alpha.dtype.size]
    tiny = (wide == 0) & (tf.bitcast(alpha, integers) > 0)
    return tf.where(tiny, tf.constant(SMALLEST, tf.float64), wide)
