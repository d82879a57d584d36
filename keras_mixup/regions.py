"""Regions: which positions a partner is pasted at, as pure functions of a key.

A region is drawn for each unit, the batch or an example: n units, of which there are
one or `batch_size`. Places and sides are computed in float64 and rounded to positions,
so that they are the same bits in every mode.
"""

import math
import typing

import tensorflow as tf

from keras_mixup.keys import Stream, fold_in, normal, uniform


class Region(typing.NamedTuple):
    """What one partner covers.

    Attributes:
        mask: Boolean (n, ...), its axes those of `grids.fitted`.
        spans: For each axis of the grid its first position and the one behind its
            last, int32 (n,) each; None where the region is no box.
        sources: For each axis of the grid the position of the partner that is shown at
            each position, int32 (n, size); None where it is the same one.
        resized: Whether the box shows the whole partner.
        covered: How many positions it covers, int32 (n,), or None.
    """

    mask: object
    spans: list | None = None
    sources: list | None = None
    resized: bool = False
    covered: object = None


def clipped_box(key, share, grid):
    """CutMix's box: sides `L (share)^(1/d)` around a uniform center, clipped.

    Equation 2 of Yun et al. (2019) has `r_w = W sqrt(1 - lam)` of d = 2 axes.

    Args:
        key: A key, of its own for each partner.
        share: Float tensor (n,), the share 1 - lam that the box has before clipping.
        grid: `grids.Grid`.
    """
    share = tf.cast(share, tf.float64)
    place = uniform(key, Stream.PLACES, [len(grid.sizes), tf.shape(share)[0]])
    side = share ** (1 / len(grid.sizes)) if len(grid.sizes) != 2 else tf.sqrt(share)
    spans = []
    for center, size in zip(tf.unstack(place, len(grid.sizes)), grid.sizes):
        length = tf.cast(size, tf.float64)
        edges = [(center - side / 2) * length, (center + side / 2) * length]
        spans.append([_rounded(edge, size) for edge in edges])
    return box_of(spans, grid)


def inner_box(key, applies, grid, sides):
    """A box inside of the example whose sides are uniform in a range, axis by axis.

    Args:
        key: A key, of its own for each partner.
        applies: Boolean tensor (n,): elsewhere the box is empty.
        grid: `grids.Grid`.
        sides: (a, b), the range of a side as a share of the whole axis.
    """
    low, high = sides
    n = tf.shape(applies)[0]
    axes = len(grid.sizes)
    drawn = uniform(key, Stream.SIDES, [axes, n]) * (high - low) + low
    place = uniform(key, Stream.PLACES, [axes, n])
    spans = []
    for side, at, size in zip(
        tf.unstack(drawn, axes), tf.unstack(place, axes), grid[1]
    ):
        spans.append(_inside(side, at, size, applies))
    return box_of(spans, grid)


def resized_whole(key, applies, grid, scale):
    """ResizeMix: the whole partner, scaled by `tau ~ U(scale)`, at a uniform place.

    Each position shows the nearest one of the partner (Qin et al., 2020).
    """
    low, high = scale
    n = tf.shape(applies)[0]
    axes = len(grid.sizes)
    tau = uniform(key, Stream.SIDES, [n]) * (high - low) + low
    place = uniform(key, Stream.PLACES, [axes, n])
    spans = [
        _inside(tau, at, size, applies)
        for at, size in zip(tf.unstack(place, axes), grid.sizes, strict=True)
    ]
    sources = []
    for (start, end), size in zip(spans, grid.sizes, strict=True):
        # The products of an axis of audio do not fit into 32 bits.
        start, end, size = (tf.cast(one, tf.int64) for one in (start, end, size))
        here = tf.range(size)[tf.newaxis] - start[:, tf.newaxis]
        length = tf.maximum(end - start, 1)[:, tf.newaxis]
        # The middle of a position, scaled, lies in the one that is shown.
        nearest = (2 * here + 1) * size // (2 * length)
        sources.append(tf.cast(tf.clip_by_value(nearest, 0, size - 1), tf.int32))
    return box_of(spans, grid)._replace(sources=sources, resized=True)


def low_frequencies(key, share, grid, decay):
    """FMix: the `share` of positions where noise of low frequencies is least.

    Each frequency f has a complex normal amplitude divided by `f^decay` (Harris et al.,
    2020, equation 3); f = 0 counts as the least frequency of the longest axis.

    Args:
        key: A key, of its own for each partner.
        share: Float tensor (n,).
        grid: `grids.Grid` of one to three axes.
        decay: Float > 0.
    """
    n, axes = tf.shape(share)[0], len(grid.sizes)
    # A real signal has half of the frequencies along its last axis.
    half = [*grid.sizes[:-1], grid.sizes[-1] // 2 + 1]
    noise = tf.cast(normal(key, Stream.LEVELS, [2, n, *half]), tf.float64)
    least = 1 / tf.cast(tf.reduce_max(tf.stack(grid.sizes)), tf.float64)
    squares = tf.zeros([1] * axes, tf.float64)
    for axis, (size, count) in enumerate(zip(grid.sizes, half, strict=True)):
        index = tf.range(count)
        index = tf.where(2 * index > size, index - size, index)
        frequency = tf.cast(index, tf.float64) / tf.cast(size, tf.float64)
        shape = [-1 if other == axis else 1 for other in range(axes)]
        squares += tf.reshape(frequency, shape) ** 2
    # As a multiple of the largest one, no decay is too large for a float.
    noise *= tf.maximum(tf.sqrt(squares) / least, 1.0) ** -decay
    back = {1: tf.signal.irfft, 2: tf.signal.irfft2d, 3: tf.signal.irfft3d}[axes]
    levels = back(tf.complex(*tf.unstack(noise)), tf.stack(grid.sizes))
    levels = tf.reshape(levels, [n, -1])
    count = tf.cast(tf.shape(levels)[1], tf.float64)
    part = tf.cast(tf.round(tf.cast(share, tf.float64) * count), tf.int32)
    below = _least(levels, part[:, tf.newaxis])
    mask = _with_axes(tf.reshape(below, [n, *grid.sizes]), grid)
    return Region(mask, covered=part)


def _least(levels, part):
    """Which numbers are among the `part` least of their row; part is (n, 1).

    Levels that differ by rounding alone count as equal, so that all modes agree; of
    those the first ones are taken.
    """
    largest = tf.reduce_max(tf.abs(levels), axis=1, keepdims=True)
    steps = tf.math.divide_no_nan(levels, largest) * 2.0**29
    steps = tf.cast(tf.round(steps), tf.int32)
    highest = _highest_of(steps, part)
    less = steps < highest
    equal = steps == highest
    missing = part - tf.reduce_sum(tf.cast(less, tf.int32), 1, True)
    places = tf.where(equal, tf.range(tf.shape(steps)[1]), tf.int32.max)
    return less | (equal & (places <= _highest_of(places, missing)))


def _highest_of(numbers, part):
    """A number up to which a row of int32 has `part`, or the least with more: (n, 1).

    By halving, since a sort would take most of the time of a policy. It ends as soon
    as the counts are right.
    """

    def is_open(low, high, count):
        return tf.reduce_any((count != part) & (low + 1 < high))

    def halved(low, high, count):
        middle = low + (high - low) // 2
        below = tf.reduce_sum(tf.cast(numbers <= middle, tf.int32), 1, True)
        enough = below >= part
        low, high = tf.where(enough, low, middle), tf.where(enough, middle, high)
        return low, high, tf.where(enough, below, count)

    low = tf.fill(tf.shape(part), -(2**30))
    known = tf.where(numbers < tf.int32.max, numbers, low)
    high = tf.where(part > 0, tf.reduce_max(known, 1, True), low)
    count = tf.where(
        part > 0, tf.reduce_sum(tf.cast(numbers <= high, tf.int32), 1, True), 0
    )
    return tf.while_loop(is_open, halved, (low, high, count))[1]


def box_of(spans, grid):
    """The region between the first positions and those behind the last ones."""
    mask, count = None, 1
    for axis, size, (start, end) in zip(grid.axes, grid.sizes, spans, strict=True):
        here = tf.range(size)[tf.newaxis]
        inside = (here >= start[:, tf.newaxis]) & (here < end[:, tf.newaxis])
        inside = _along(inside, axis, max(grid.axes) + 1)
        mask = inside if mask is None else mask & inside
        count *= end - start
    return Region(mask, [list(pair) for pair in spans], covered=count)


def masks_of(regions):
    """Which of the K examples each position shows: K masks, of which one is true.

    The partners are pasted in their order, so that the last one lies on top.
    """
    covered, masks = None, []
    for region in reversed(regions):
        masks.append(region.mask if covered is None else region.mask & ~covered)
        covered = region.mask if covered is None else region.mask | covered
    return [~covered, *reversed(masks)]


def everywhere(grid):
    """The mask (1, ...) of an example that shows itself alone."""
    return _with_axes(tf.ones([1, *grid.sizes], tf.bool), grid)


def shares_of(regions, masks, grid):
    """The share of the positions that each mask has: K float32 tensors (n,).

    One region alone knows how many it covers: a mask that nothing but the choice of
    positions reads is never written to memory by XLA.
    """
    counts = [region.covered for region in regions]
    if len(regions) > 1:
        further = tuple(range(1, masks[0].shape.rank))
        masks = [tf.cast(mask, tf.int32) for mask in masks[1:]]
        counts = [tf.reduce_sum(mask, further) for mask in masks]
    whole = math.prod([tf.cast(size, tf.float64) for size in grid.sizes])
    shares = [tf.cast(tf.cast(c, tf.float64) / whole, tf.float32) for c in counts]
    return [1 - sum(shares), *shares]


def key_of(key, rank):
    """The key of the region of the partner of that rank."""
    return fold_in(fold_in(key, Stream.PLACES), rank)


def _inside(side, place, size, applies):
    """First and end of a side, at least one position, that lies inside of an axis."""
    length = tf.cast(tf.round(side * tf.cast(size, tf.float64)), tf.int32)
    length = tf.clip_by_value(length, 1, size)
    free = tf.cast(size - length + 1, tf.float64)
    start = tf.cast(place * free, tf.int32)
    return [start, tf.where(applies, start + length, start)]


def _rounded(edge, size):
    return tf.clip_by_value(tf.cast(tf.floor(edge + 0.5), tf.int32), 0, size)


def _along(tensor, axis, rank):
    """A (n, size) tensor with its second axis at `axis` of so many."""
    shape = [tf.shape(tensor)[0], *([1] * (rank - 1))]
    shape[axis] = tf.shape(tensor)[1]
    return tf.reshape(tensor, shape)


def _with_axes(mask, grid):
    """A (n, *grid) mask with axes of size one where the tensor has others."""
    for axis in range(1, max(grid.axes) + 1):
        if axis not in grid.axes:
            mask = tf.expand_dims(mask, axis)
    return mask
