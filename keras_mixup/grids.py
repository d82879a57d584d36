"""Grids: which axes of a tensor are positions, and how those of two tensors agree.

Features of shape (batch, length) or (batch, length, channels) have positions along one
axis, images (batch, height, width, channels) along two, volumes along three. A target
with an entry for each position is dense; another one is of the whole example.
"""

import typing

import keras
import tensorflow as tf

from keras_mixup import targets
from keras_mixup.mixing import check_rank_known


class Grid(typing.NamedTuple):
    """Positions: axes of a tensor, the batch being axis 0, and their sizes."""

    axes: tuple
    sizes: list


def axes_of(tensor, axes=None):
    """The axes of positions: those given, or all but the batch and the channels."""
    if axes is not None:
        return axes
    rank = tensor.shape.rank
    return (1,) if rank == 2 else tuple(range(1, rank - 1))


def grid_of(features, axes=None):
    """The `Grid` of features that are cut alike: the coarsest of theirs.

    Args:
        features: Tensors (batch, ...) of known rank.
        axes: Axes of positions, or None for all but the first and the last.

    Raises:
        ValueError: for a tensor without positions, and for grids of which one is no
            multiple of the other.
        tf.errors.InvalidArgumentError: the same of sizes that only the graph knows.
    """
    for tensor in features:
        check_rank_known(tensor, "x")
        if tensor.shape.rank < 2 or tensor.shape.rank <= max(axes or (1,)):
            raise ValueError(
                "Nothing to cut. Expected features with positions behind the batch, "
                "(batch_size, length) or more"
                + (f", with the axes {list(axes)}" if axes else "")
                + ". Name what is to pass in `passthrough`. Received: features of "
                f"shape {tensor.shape}"
            )
        if axes is None and tensor.shape.rank > 3:
            check_channels_last(tensor)
    found = [axes_of(tensor, axes) for tensor in features]
    sizes = [_sizes(tensor, own) for tensor, own in zip(features, found)]
    if len(set(found)) > 1:
        raise ValueError(_unlike(features, "as many axes of positions in each"))
    grid = Grid(found[0], [_least(of_axis) for of_axis in zip(*sizes, strict=True)])
    message = _unlike(features, "grids that are multiples of the least")
    for tensor in features:
        _check_multiple(tensor, grid, message)
    return grid


def check_channels_last(tensor):
    """Raises where Keras is set to images whose first axis is that of channels."""
    if keras.config.image_data_format() == "channels_first":
        raise ValueError(
            "Keras is set to channels_first, and positions are all axes but the first "
            "and the last where nothing else is said. Expected the axes of positions, "
            f"such as axes=(2, 3). Received: axes=None and shape {tensor.shape}"
        )


def is_dense(target, grid, num_classes=None, name="y"):
    """Whether a target has an entry for each position of a grid.

    Class numbers have it where they have that many axes behind the batch, floats where
    they have one more, for classes or values. Floats without it are dense where their
    sizes are those of the grid; of one axis that may be a row of classes as well. Rows
    of integers, by `num_classes`, are as rows of floats.

    Raises:
        ValueError: for a target with positions that are not those of the grid, and one
            that may be a row of classes or a number at each position.
    """
    least = max(grid.axes)
    has_numbers = targets.is_integer(target) and not targets.has_rows(
        target, num_classes
    )
    has_positions = False
    if has_numbers or target.dtype == tf.string:
        given, target = target, targets.without_column(target)
        has_positions = target.shape.rank > least
        if given.shape.rank == 2 and has_positions and not _is_equal(target, grid):
            raise ValueError(
                f"The target `{name}` may be a row of labels, or numbers at finer "
                "positions. Expected `num_classes` for a row, or a last axis of one, "
                f"`{name}[..., tf.newaxis]`, for positions. Received: {given.shape}"
            )
    else:
        has_positions = target.shape.rank > least + 1
        if target.shape.rank == least + 1 and _is_equal(target, grid):
            if least == 1 and num_classes is None:
                raise ValueError(
                    f"The target `{name}` may be a row of classes, or one number at "
                    "each position. Expected `num_classes` for rows, or a last "
                    f"axis of one, `{name}[..., tf.newaxis]`, for positions. Received: "
                    f"shape {target.shape}"
                )
            has_positions = least > 1
    if has_positions:
        _check_multiple(
            target,
            grid,
            f"The target `{name}` has positions that are not those of the features. "
            f"Expected sizes {_shown(grid)} along the axes {list(grid.axes)}, or "
            "multiples, or `num_classes` where the last axis of integers is that of "
            "classes. Several labels of the whole example stand in a dict or list of "
            f"targets, each of shape (batch_size, classes). Received: {target.shape}",
        )
    return has_positions


def fitted(mask, grid, tensor):
    """A mask (1 or batch, ...) of a grid at the positions of a tensor.

    The axes of the mask are those of the tensor from the first to the last of the grid;
    an axis that is none of the grid has size one. A finer tensor has the nearest entry.
    """
    for axis, size in zip(grid.axes, grid.sizes, strict=True):
        own = tensor.shape[axis]
        if own is None or tf.is_tensor(size) or own != size:
            own = tf.shape(tensor, tf.int64)[axis]
            nearest = tf.range(own) * tf.cast(size, tf.int64) // own
            mask = tf.gather(mask, nearest, axis=axis)
    return mask


def _sizes(tensor, axes):
    dynamic = None
    sizes = []
    for axis in axes:
        size = tensor.shape[axis]
        if size is None:
            dynamic = tf.shape(tensor) if dynamic is None else dynamic
            size = dynamic[axis]
        sizes.append(size)
    return sizes


def _least(sizes):
    if len(sizes) > 1 and any(map(tf.is_tensor, sizes)):
        return tf.reduce_min(tf.stack(sizes))
    return min(sizes)


def _check_multiple(tensor, grid, message):
    """Raises unless the sizes are multiples of the grid's: now, or where it runs."""
    for axis, size in zip(grid.axes, grid.sizes, strict=True):
        own = tensor.shape[axis]
        if own is None or tf.is_tensor(size):
            own = tf.shape(tensor)[axis]
            fits = own % tf.maximum(size, 1) == 0
            tf.debugging.Assert(fits, [message, own, "for", size])
        elif not size or own % size:
            raise ValueError(message)


def _is_equal(tensor, grid):
    own = [tensor.shape[axis] for axis in grid.axes]
    sizes = [None if tf.is_tensor(size) else size for size in grid.sizes]
    same = [a == b or None in (a, b) for a, b in zip(own, sizes, strict=True)]
    return all(same)


def _shown(grid):
    return ["?" if tf.is_tensor(size) else size for size in grid.sizes]


def _unlike(features, expected):
    shapes = ", ".join(str(tensor.shape) for tensor in features)
    return (
        f"Features of these shapes cannot be cut alike. Expected {expected}, or names "
        f"in `passthrough` of those that are to pass. Received: {shapes}"
    )
