"""The likeness of targets, and partners drawn by it (C-Mixup, Yao et al., 2022).

`P(j | i) = K(d_ij) / sum_k K(d_ik)`, with the distance `d_ij = |(y_i - y_j) / h|` in
bandwidths, the Euclidean norm over all entries of a target, and a kernel `K(d)`:
`exp(-d**2 / 2)` (gaussian), or 1 up to d = 1 and 0 beyond (uniform). An example is
among its own partners, so that every row has one. For a target with a period the
distance is the chord, `(period / pi) |sin(pi (y_i - y_j) / period)|`.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_args

import numpy as np
import tensorflow as tf

from keras_mixup import arguments, circle, hints

KERNELS = get_args(hints.Kernel)
# Above, the distances of all pairs of a batch would take half a gigabyte.
_MOST_IN_BATCH = 8192
# Where a window ends, in bandwidths: rounding must not lose what is one away.
WINDOW = 1 + 1e-6


class Rows(NamedTuple):
    """Targets as float64 rows (n, d), and the bandwidth of each column, (d,).

    They are subtracted first and divided then: the distance of an example to itself is
    0 whatever the compiler makes of it. A column of bandwidth 0 makes no distance.
    """

    values: Any
    bandwidths: Any

    @property
    def scales(self):
        """What to multiply a difference by."""
        return tf.math.divide_no_nan(tf.ones([], tf.float64), self.bandwidths)


def kernel_of(squared, kernel):
    """K of squared distances, float64; 0 for NaN."""
    if kernel == "uniform":
        return tf.cast(squared <= WINDOW**2, tf.float64)
    weight = tf.exp(-squared / 2)
    # XLA takes a square for >= 0, that of NaN too.
    return tf.where(tf.math.is_nan(weight), tf.zeros_like(weight), weight)


def reference_bandwidth(
    targets: hints.TensorLike, period: float | None = None
) -> list[float]:
    """The bandwidth of each entry of a target by the normal reference rule.

    `h_c = s_c (4 / ((d + 2) n))**(1 / (d + 4))` of n targets of d entries, where s_c is
    the standard deviation of entry c (Silverman, 1986, eq. 4.14). It is the best width
    for the density of a normal law, and looks at nothing but these targets: give those
    of the training set.

    Args:
        targets: Numbers of shape (n,) or (n, ...).
        period: Number > 0 of targets on a circle: s_c is then their root mean squared
            distance from their mean inside of it, `(period / 2 pi) sqrt(1 - R**2)`.

    Returns:
        A list of d floats, for the entries of a target in their order. A constant entry
        has 0, and makes no distance where the bandwidth is "auto"; a bandwidth that is
        given as a number has to be above 0.

    Raises:
        ValueError: for another rank or dtype, another period, and targets that are not
            finite.

    Examples:
        >>> h = keras_mixup.neighbors.reference_bandwidth(y_train)
    """
    arguments.check_period(period)
    rows = as_rows(targets)
    wrong = tf.where(~tf.math.is_finite(rows))[:, 0]
    if len(wrong):
        raise ValueError(
            "Invalid value received for argument `targets`. Expected finite numbers. "
            f"Received: others in row {int(wrong[0])}"
        )
    return _reference(rows, period).numpy().tolist()


def rows_of(targets, bandwidth, period=None):
    """The `Rows` of targets: (n, d), or (n, 2 d) on a circle.

    `bandwidth` is a number, a number for each of d entries, or "auto". A constant entry
    has the bandwidth 0 by that rule, and makes no distance.

    Raises:
        tf.errors.InvalidArgumentError: where the graph runs, for targets that are not
            finite: by "auto" one such target would leave none in a unit.
    """
    rows = as_rows(targets)
    finite = tf.reduce_all(tf.math.is_finite(rows), axis=1)
    tf.debugging.Assert(
        tf.reduce_all(finite),
        [
            'pairing="similar_target" goes by the distance of targets. Expected finite '
            "ones, any finite number where the sample weight is 0. Received others in "
            "the rows of the batch:",
            tf.where(~finite)[:, 0],
        ],
    )
    if isinstance(bandwidth, str):
        bandwidth = _reference(rows, period)
    else:
        bandwidth = tf.constant(bandwidth, tf.float64)
    if bandwidth.shape.rank and bandwidth.shape[0] != rows.shape[1]:
        raise ValueError(
            "Invalid value received for argument `bandwidth`. Expected a number, or "
            f"one for each of the {rows.shape[1]} entries of a target. Received: "
            f"{bandwidth.shape[0]} numbers"
        )
    bandwidths = tf.broadcast_to(bandwidth, [rows.shape[1]])
    if period is None:
        return Rows(rows, bandwidths)
    placed = tf.reshape(circle.points(rows, period), [-1, 2 * rows.shape[1]])
    return Rows(placed, tf.repeat(bandwidths, 2))


def joined(all_rows):
    """Several `Rows` as one, whose columns count together."""
    values, bandwidths = zip(*all_rows, strict=True)
    return Rows(tf.concat(values, axis=1), tf.concat(bandwidths, axis=0))


def _reference(rows, period=None):
    # XLA leaves out the refusal of such a row, and the others keep their unit.
    finite = tf.reduce_all(tf.math.is_finite(rows), axis=1)
    n, d = tf.math.count_nonzero(finite, dtype=tf.float64), rows.shape[1]
    values = rows[..., tf.newaxis] if period is None else circle.points(rows, period)
    counted = finite[:, tf.newaxis, tf.newaxis]
    mean = tf.reduce_sum(tf.where(counted, values, 0), axis=0) / n
    squares = tf.where(counted, (values - mean) ** 2, 0)
    spread = tf.sqrt(tf.reduce_sum(squares, axis=[0, 2]) / n)
    return spread * (4 / ((d + 2) * n)) ** (1 / (d + 4))


def as_rows(targets):
    """Targets as float64 rows, all axes behind the first in one."""
    if targets is None:
        raise ValueError(
            'pairing="similar_target" needs targets. Expected numbers of shape '
            "(batch_size, ...). Received: labels=None"
        )
    # Python's numbers are float64, as they are in a table.
    given = targets if tf.is_tensor(targets) else np.asarray(targets)
    targets = tf.convert_to_tensor(given)
    numeric = targets.dtype.is_floating or targets.dtype.is_integer
    if not numeric or targets.shape.rank in (0, None):
        raise ValueError(
            'pairing="similar_target" goes by the distance of targets. Expected '
            f"numbers of shape (batch_size, ...). Received: shape {targets.shape} and "
            f"dtype {targets.dtype.name}"
        )
    size = targets.shape[1:].num_elements()
    if size is None:
        raise ValueError(
            'pairing="similar_target" goes by targets of one size. Expected a shape '
            f"that is known behind the batch. Received: shape {targets.shape}"
        )
    return tf.reshape(tf.cast(targets, tf.float64), [-1, size])


def drawn(share, own, rows, kernel):
    """The index into `Rows` of the partner of each row of `own`, by inversion.

    `share` (batch,) is uniform in (0, 1). The cumulative sum of the row's weights first
    exceeds `share` of its total at the partner: one of weight 0 is never it.
    """
    squared = tf.zeros([], tf.float64)
    # One entry at a time: a difference of all at once would be d times as large.
    columns = (tf.unstack(one, axis=1) for one in (own, rows.values))
    for one, others, scale in zip(*columns, tf.unstack(rows.scales), strict=True):
        squared += ((one[:, tf.newaxis] - others) * scale) ** 2
    weights = kernel_of(squared, kernel)
    reached = tf.cumsum(weights, axis=1)
    total = reached[:, -1:]
    before = (reached <= share[:, tf.newaxis] * total) & (reached < total)
    return tf.reduce_sum(tf.cast(before, tf.int32), axis=1)


def drawn_in_batch(share, rows, kernel):
    """The partner of each row among the rows of a batch.

    A row that is not finite is its own: XLA leaves out the assertion that refuses it.
    """
    values = rows.values
    if (values.shape[0] or 0) > _MOST_IN_BATCH:
        raise ValueError(
            'pairing="similar_target" has the distances of all pairs of a batch. '
            f"Expected a batch of at most {_MOST_IN_BATCH} examples, or the table "
            "`keras_mixup.neighbors.similar_targets` of the whole set. Received: "
            f"{values.shape[0]} examples"
        )
    found = drawn(share, values, rows, kernel)
    finite = tf.reduce_all(tf.math.is_finite(values), axis=1)
    return tf.where(finite, found, tf.range(tf.shape(values)[0]))
