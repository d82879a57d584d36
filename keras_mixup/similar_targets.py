"""A table from which partners are drawn by the likeness of targets, over a whole set.

Where an example has one target, the sorted targets around each one are cut into cells
of half a bandwidth. A cell is drawn by the number of its targets and the kernel at its
nearer end, a target of the cell uniformly, and it is kept with the probability of the
kernel there over that at the end; else it is drawn again. So the law is that of the
kernel, and a draw costs the same whatever the size of the set. Where an example has
several targets, all distances of a batch are computed, in blocks.
"""

from __future__ import annotations

import typing

import numpy as np
import tensorflow as tf

from keras_mixup import arguments, hints, keys, similarity

# Cells of half a bandwidth up to 9 bandwidths on both sides: of a million targets those
# beyond have a share below 3e-12.
_WIDTH, _REACH = 0.5, 9.0
# How many partners are proposed at a time. Nearly all examples take one of them.
_PROPOSALS = 8
# How many distances are computed at a time, 128 MB of float64.
_BLOCK = 2**24


class SimilarTargets(typing.NamedTuple):
    """A table of n examples, from which partners of like target are drawn.

    `rows` float64 (n, d) are the targets, points of a circle for those with a period,
    and `bandwidths` (d,) those of their columns. For d = 1 `order` int32 (n,) sorts
    them, and the cell c of example i begins at `begins[i, c]` of that order, int32
    (n, cells + 1); None for several.
    """

    rows: np.ndarray
    bandwidths: np.ndarray
    order: np.ndarray | None
    begins: np.ndarray | None
    kernel: str

    @property
    def size(self) -> int:
        """The number of examples."""
        return self.rows.shape[0]

    def drawn(self, key, index, constant):
        """A partner of each example, int32. `constant` makes tensors of the arrays."""
        rows = similarity.Rows(constant(self.rows), constant(self.bandwidths))
        own = tf.gather(rows.values, index)
        if self.order is not None:
            begins = tf.gather(constant(self.begins), index)
            return _of_cells(
                key, own[:, 0], rows, constant(self.order), begins, self.kernel
            )
        share = _fine_uniform(key, tf.shape(index)[:1])
        at_once = max(_BLOCK // self.size, 1)
        return _in_blocks(share, own, rows, self.kernel, at_once)


def similar_targets(
    targets: hints.TensorLike,
    bandwidth: hints.Bandwidth = "auto",
    kernel: hints.Kernel = "gaussian",
    period: float | None = None,
) -> SimilarTargets:
    """The table of partners by the likeness of targets (C-Mixup, Yao et al., 2022).

    `P(j | i)` falls with `d = |(y_i - y_j) / bandwidth|` as `exp(-d**2 / 2)`, over the
    whole set, i itself included. `neighbor_pairs` draws from it as from the table of
    `nearest_neighbors`, with replacement.

    Where an example has one target, a draw costs the same in small and in large sets,
    and the table some 170 bytes an example. Where it has several, each draw computes
    the distances to all examples.

    Args:
        targets: Finite numbers (n,) or (n, ...), those of the training set.
        bandwidth: A number > 0 in the targets' unit, a number for each entry of a
            target, or `"auto"`: `reference_bandwidth(targets)`.
        kernel: `"gaussian"`, or `"uniform"`: all j with d <= 1 alike.
        period: Number > 0 of targets on a circle, of which d is the chord,
            `(period / pi) |sin(pi (y_i - y_j) / period)| / bandwidth`. Each draw then
            has the distances to all.

    Returns:
        A `SimilarTargets`.

    Raises:
        ValueError: for targets that are not finite, of unequal shapes, or, with
            "auto", all the same, and for another bandwidth, kernel or period.

    Examples:
        >>> table = keras_mixup.neighbors.similar_targets(y_train, bandwidth=1.75)
    """
    arguments.check_bandwidth(bandwidth)
    arguments.check_choice("kernel", kernel, similarity.KERNELS)
    arguments.check_period(period)
    targets = _checked(targets)
    if period is not None:
        targets = np.mod(targets, period)
    if isinstance(bandwidth, str) and (targets == targets[:1]).all():
        raise _wrong(
            "targets that differ for bandwidth='auto', which follows from their "
            "spread; a number makes all of them alike",
            f"{len(targets)} times {targets[0].tolist()}",
        )
    found = similarity.rows_of(targets, bandwidth, period)
    rows, bandwidths = np.asarray(found.values), np.asarray(found.bandwidths)
    if rows.shape[1] > 1:
        return SimilarTargets(rows, bandwidths, None, None, kernel)
    values = rows[:, 0]
    order = np.argsort(values, kind="stable").astype(np.int32)
    sorted_values = values[order]
    edges = _edges(kernel)
    begins = np.empty((len(values), len(edges)), np.int32)
    for cell, edge in enumerate(edges[:-1]):
        place = sorted_values + edge * bandwidths[0]
        begins[order, cell] = np.searchsorted(sorted_values, place)
    # What is at the end of the last cell is in it.
    end = sorted_values + edges[-1] * bandwidths[0]
    begins[order, -1] = np.searchsorted(sorted_values, end, "right")
    return SimilarTargets(rows, bandwidths, order, begins, kernel)


def _edges(kernel):
    """Where cells begin, and the end of the last, in bandwidths from a target."""
    if kernel == "uniform":
        return np.array([-similarity.WINDOW, similarity.WINDOW])
    return np.arange(-_REACH, _REACH + _WIDTH / 2, _WIDTH)


def _of_cells(key, own, rows, order, begins, kernel):
    values, scale = rows.values[:, 0], rows.scales[0]
    edges = tf.constant(_edges(kernel))
    if kernel == "uniform":
        peaks = tf.ones([1], tf.float64)
    else:
        nearer = tf.minimum(tf.abs(edges[:-1]), tf.abs(edges[1:]))
        peaks = similarity.kernel_of(nearer**2, kernel)
    counts = begins[:, 1:] - begins[:, :-1]
    reached = tf.cumsum(tf.cast(counts, tf.float64) * peaks, axis=1)
    total = reached[:, -1:]

    def propose(attempt, found):
        shape = tf.concat([[3], tf.shape(own), [_PROPOSALS]], axis=0)
        where, place, keep = tf.unstack(
            _fine_uniform(keys.fold_in(key, attempt), shape), 3
        )
        level = (where * total)[:, :, tf.newaxis]
        reached_by = reached[:, tf.newaxis]
        before = (reached_by <= level) & (reached_by < total[:, tf.newaxis])
        cell = tf.reduce_sum(tf.cast(before, tf.int32), axis=2)
        inside = tf.cast(tf.gather(counts, cell, batch_dims=1), tf.float64)
        step = tf.cast(tf.floor(place * inside), tf.int32)
        partner = tf.gather(order, tf.gather(begins, cell, batch_dims=1) + step)
        squared = ((tf.gather(values, partner) - own[:, tf.newaxis]) * scale) ** 2
        share = similarity.kernel_of(squared, kernel) / tf.gather(peaks, cell)
        kept = keep < share
        first = tf.argmax(kept, axis=1, output_type=tf.int32)
        new = tf.gather(partner, first, batch_dims=1)
        new = tf.where(tf.reduce_any(kept, axis=1), new, -1)
        return attempt + 1, tf.where(found < 0, new, found)

    missing = tf.fill(tf.shape(own), -1)
    _, found = tf.while_loop(
        lambda attempt, found: tf.reduce_any(found < 0), propose, (0, missing)
    )
    return found


def _in_blocks(share, own, rows, kernel, size):
    """`similarity.drawn` of so many examples at a time."""

    def draw(begin):
        some = slice(begin, begin + size)
        return similarity.drawn(share[some], own[some], rows, kernel)

    count = tf.shape(own)[0]
    _, found = tf.while_loop(
        lambda begin, found: begin < count,
        lambda begin, found: (
            begin + size,
            tf.concat([found, draw(begin)], axis=0),
        ),
        (0, tf.zeros([0], tf.int32)),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )
    return tf.ensure_shape(found, own.shape[:1])


def _fine_uniform(key, shape):
    """Uniform in (0, 1) by 2**48 parts, so that each of millions is equally likely."""
    high, low = (
        keys.uniform(keys.fold_in(key, part), keys.Stream.NEIGHBORS, shape)
        for part in (0, 1)
    )
    return high + (low - 0.5) * 2.0**-24


def _checked(targets):
    try:
        targets = np.asarray(targets)
        numeric = targets.dtype.kind in "iuf" and targets.ndim and targets.size
    except ValueError:  # NumPy makes no array of unequal shapes.
        targets, numeric = np.array(None), False
    if not numeric:
        received = f"shape {targets.shape} and dtype {targets.dtype}"
        raise _wrong("numbers of one shape, (n,) or (n, ...)", received)
    targets = targets.reshape(len(targets), -1).astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(targets).all(axis=1))
    if wrong.size:
        received = f"{targets[wrong[0]].tolist()} in row {wrong[0]}"
        if wrong.size > 1:
            received += f", and {wrong.size - 1} more such rows"
        raise _wrong("finite numbers", received)
    return targets


def _wrong(expected, received):
    return ValueError(
        "Invalid value received for argument `targets`. "
        f"Expected {expected}. Received: {received}"
    )
