"""What a draw of masks shows, by plain loops over examples and positions."""

import numpy as np
import tensorflow as tf

from keras_mixup import keys


def draw_at(policy, x, step=0, labels=None):
    """The draw of a policy at the features x, as it is for (seed, step, 0)."""
    features = [tf.convert_to_tensor(one) for one in ([x] if _is_one(x) else x)]
    key = keys.make_key(policy.seed, step, 0)
    known = labels is not None
    given = policy.goes_by([tf.constant(labels)], [()]) if known else None
    draw = policy.draw(len(features[0]), key, policy.alpha_at(step), given)
    return policy.placed(draw, key, features)


def partners_of(draw, size):
    """The K rows of indices, the first of which is 0, 1, 2, ..."""
    return [np.arange(size), *[partner.numpy() for partner in draw.partners]]


def shown_at(draw, i, position, shape):
    """Which of the K example i shows at a position, and which position of it.

    Args:
        draw: A placed draw with masks of booleans.
        i: Index of the example.
        position: A tuple, the axes behind the batch up to the last that is cut.
        shape: The shape of the tensor, which may be finer than the masks.
    """
    coarse = [0] * len(position)
    for axis, size in zip(draw.grid.axes, draw.grid.sizes, strict=True):
        coarse[axis - 1] = position[axis - 1] // (shape[axis] // int(size))
    found = []
    for k, mask in enumerate(draw.masks):
        mask = mask.numpy()
        if mask[i if len(mask) > 1 else 0][tuple(coarse)]:
            found.append(k)
    (k,) = found
    source = list(position)
    region = draw.regions[k - 1] if k and draw.regions else None
    if region is not None and region.sources is not None:
        for axis, size, of in zip(*draw.grid, region.sources, strict=True):
            block = shape[axis] // int(size)
            here = position[axis - 1]
            row = of.numpy()[i if len(of) > 1 else 0]
            source[axis - 1] = row[here // block] * block + here % block
    return k, tuple(source)


def pasted(x, draw):
    """The pasted tensor, position by position."""
    x = np.asarray(x)
    partners, result = partners_of(draw, len(x)), np.empty_like(x)
    for i in range(len(x)):
        for position in np.ndindex(x.shape[1 : max(draw.grid.axes) + 1]):
            k, source = shown_at(draw, i, position, x.shape)
            result[i][position] = x[partners[k][i]][source]
    return result


def shares(draw, size):
    """The share of the positions that example i shows of each of the K, (size, K)."""
    grid = [1] * max(draw.grid.axes)
    for axis, length in zip(draw.grid.axes, draw.grid.sizes, strict=True):
        grid[axis - 1] = int(length)
    counts = np.zeros((size, len(draw.masks)))
    for i in range(size):
        for position in np.ndindex(*grid):
            counts[i, shown_at(draw, i, position, (size, *grid))[0]] += 1
    return counts / np.prod(grid)


def mixed_rows(rows, draw):
    """`sum_k s_k y_k` with the shares of the positions, example by example."""
    partners, own = partners_of(draw, len(rows)), shares(draw, len(rows))
    result = np.zeros(np.shape(rows))
    for i in range(len(rows)):
        for k, partner in enumerate(partners):
            result[i] += own[i, k] * np.asarray(rows[partner[i]], np.float64)
    return result


def _is_one(x):
    return not isinstance(x, list)
