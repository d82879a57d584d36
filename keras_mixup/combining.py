"""What a draw makes of tensors: a sum, or a choice at each position."""

import tensorflow as tf

from keras_mixup import grids, mixing


def weights_at(draw, tensor):
    """The K weights at the positions of a tensor, each broadcasting to its right."""
    if draw.masks is None:
        return draw.coefficients
    return [grids.fitted(mask, draw.grid, tensor) for mask in draw.masks]


def combined(parts, draw, dtype=None):
    """The K parts of one tensor, mixed by a draw.

    Where the masks are booleans each position is that of one part, in the dtype that it
    has: nothing is averaged.

    Args:
        parts: K tensors, as `mixing.gather_parts` gives them.
        draw: `draws.Draw`.
        dtype: Dtype of the result. Integers other than uint8, and booleans, keep their
            own where they are chosen. By default that of the parts, or float32 for sums
            of uint8.
    """
    weights = weights_at(draw, parts[0])
    parts = shown(parts, draw)
    if draw.masks is None or not weights[0].dtype.is_bool:
        return mixing.convex_combination(parts, weights, dtype)
    chosen = parts[0]
    for part, mask in zip(parts[1:], weights[1:], strict=True):
        chosen = tf.where(mixing.expand_to_rank(mask, part.shape.rank), part, chosen)
    chosen = tf.ensure_shape(chosen, parts[0].shape)
    cast = dtype and (chosen.dtype.is_floating or chosen.dtype == tf.uint8)
    return tf.cast(chosen, dtype) if cast else chosen


def combined_masks(parts, draw, padding="union"):
    """The K boolean masks of one tensor as one, of the parts of a weight above 0.

    It is true where one of them is, or with "intersection" where all of them are.
    """
    weights = [tf.cast(one, tf.float32) for one in weights_at(draw, parts[0])]
    parts = shown(parts, draw)
    if padding == "intersection":
        return ~tf.reduce_any(tf.stack(mixing.absences(weights, parts)), axis=0)
    present = [
        part & mixing.expand_to_rank(weight > 0, part.shape.rank)
        for part, weight in zip(parts, weights, strict=True)
    ]
    return tf.reduce_any(tf.stack(present), axis=0)


def coefficients_of(draw, target, is_dense):
    """The K coefficients of one target: shares, or those of its positions as floats."""
    if draw.masks is None or not is_dense:
        return draw.coefficients
    return [tf.cast(mask, tf.float32) for mask in weights_at(draw, target)]


def shown(parts, draw):
    """The K parts with each partner moved to where it is shown."""
    regions = draw.regions or []
    moved = [
        part if region.sources is None else _moved(part, region.sources, draw)
        for part, region in zip(parts[1:], regions)
    ]
    return [parts[0], *moved, *parts[1 + len(moved) :]]


def _moved(part, sources, draw):
    """A tensor whose positions are those that `sources` names, axis by axis."""
    for axis, size, source in zip(*draw.grid, sources, strict=True):
        if part.shape.rank <= axis:
            return part
        own = part.shape[axis] or tf.shape(part)[axis]
        # A finer tensor moves whole blocks of positions.
        block = own // size
        here = tf.range(own)
        fine = tf.gather(source, here // block, axis=1) * block + here % block
        if fine.shape[0] == 1:
            part = tf.gather(part, fine[0], axis=axis)
        else:
            part = tf.gather(part, fine, axis=axis, batch_dims=1)
    return part
