"""Bounding boxes where a part of the image is pasted over: clipped, weighted, dropped.

A box of the partner is what the pasted box shows of it; a box of the image below is
the bounding box of what is still seen. The weight of each is the share of its area that
is left.
"""

import numpy as np
import tensorflow as tf

# The corners x0, y0, x1, y1 from the numbers of each layout, as a matrix.
_SIZE_FROM_CORNER = [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]]
_SIZE_FROM_CENTER = [[1, 0, -0.5, 0], [0, 1, 0, -0.5], [1, 0, 0.5, 0], [0, 1, 0, 0.5]]
_X_AND_Y_SWAPPED = np.eye(4)[[1, 0, 3, 2]]
_LAYOUTS = {
    "xyxy": np.eye(4),
    "yxyx": _X_AND_Y_SWAPPED,
    "xywh": np.array(_SIZE_FROM_CORNER),
    "center_xywh": np.array(_SIZE_FROM_CENTER),
    "center_yxhw": np.array(_SIZE_FROM_CENTER) @ _X_AND_Y_SWAPPED,
}
# Keras has these names, but "rel_center_yxhw"; "rel_" are shares of width and height.
FORMATS = {**_LAYOUTS, **{f"rel_{name}": m for name, m in _LAYOUTS.items()}}

# In positions, what float32 may have rounded of a relative corner.
_ROUNDING = 1e-3


def seen(parts, draw, box_format, min_visibility):
    """The boxes of an image and of the partner pasted into it, and the weight of each.

    Args:
        parts: The dicts of boxes of both, as `boxes.read_boxes` gives them.
        draw: `draws.Draw` with one region, a box, or one that mixes nothing.
        box_format: One of `FORMATS`.
        min_visibility: Float in [0, 1]: boxes of which less is left weigh 0.

    Returns:
        What `boxes.mix_boxes` takes.
    """
    if not draw.regions:
        return parts, draw.coefficients
    (region,) = draw.regions
    if draw.partners:
        region = _empty_on_itself(region, *draw.partners)
    found = [
        _of_part(part, of_pasted, region, draw.grid.sizes, box_format, min_visibility)
        for part, of_pasted in zip(parts, (False, True), strict=True)
    ]
    return tuple(map(list, zip(*found, strict=True)))


def _empty_on_itself(region, partner):
    """The region, empty where the partner of an example is that example.

    All of its boxes are seen there, as long as nothing was resized.
    """
    here = tf.range(tf.shape(partner)[0], dtype=partner.dtype)
    itself = (partner == here) & tf.logical_not(region.resized)
    spans = [[start, tf.where(itself, start, end)] for start, end in region.spans]
    return region._replace(spans=spans)


def _of_part(part, of_pasted, region, sizes, box_format, min_visibility):
    """A dict of boxes with those that are left, and the share of each that is."""
    given = part["boxes"]
    lengths = None
    if isinstance(given, tf.RaggedTensor):
        lengths = given.row_lengths()
        given = given.to_tensor(shape=[None, None, 4])
    dtype = given.dtype
    height, width = (tf.cast(size, tf.float64) for size in sizes)
    scale = tf.stack([width, height, width, height])
    if not box_format.startswith("rel_"):
        scale = tf.ones_like(scale)
    to_corners = FORMATS[box_format]
    numbers = tf.cast(given, tf.float64)
    corners = tf.einsum("bni,ji->bnj", numbers, _constant(to_corners)) * scale
    left, share = (_pasted if of_pasted else _beneath)(corners, region, sizes)
    share = tf.where(share < min_visibility, tf.zeros_like(share), share)
    back = _constant(np.linalg.inv(to_corners))
    left = tf.einsum("bni,ji->bnj", left / scale, back)
    # What is whole and not resized stays as it was given, to the bit.
    whole = share[..., tf.newaxis] == 1
    if of_pasted:
        whole &= tf.logical_not(region.resized)
    left = tf.where(whole, numbers, left)
    left = tf.cast(left if dtype.is_floating else tf.round(left), dtype)
    if lengths is not None:
        left = tf.RaggedTensor.from_tensor(left, lengths)
        share = tf.RaggedTensor.from_tensor(share, lengths)
    return {**part, "boxes": left}, share


def _pasted(corners, region, sizes):
    """What a pasted box shows of the partner's boxes, and the share of each."""
    (top, bottom), (left, right) = _edges(region)
    height, width = (tf.cast(size, tf.float64) for size in sizes)
    factor = tf.stack([right - left, bottom - top] * 2, -1)
    factor /= tf.stack([width, height, width, height])
    resized = corners * factor + tf.stack([left, top, left, top], -1)
    # A compiled function hands a tensor on in the place of a boolean.
    corners = tf.where(region.resized, resized, corners)
    inside = _intersection(corners, top, bottom, left, right)
    return inside, tf.math.divide_no_nan(_area(inside), _area(corners))


def _beneath(corners, region, sizes):
    """The bounding boxes of what is seen beneath a pasted box, and their shares."""
    del sizes
    (top, bottom), (left, right) = _edges(region)
    x0, y0, x1, y1 = tf.unstack(corners, axis=-1)
    hidden = _area(_intersection(corners, top, bottom, left, right))
    share = 1 - tf.math.divide_no_nan(hidden, _area(corners))
    # A side moves only where the pasted box hides it from end to end.
    from_top, to_bottom = top <= y0 + _ROUNDING, bottom >= y1 - _ROUNDING
    from_left, to_right = left <= x0 + _ROUNDING, right >= x1 - _ROUNDING
    high = from_top & to_bottom & (hidden > 0)
    wide = from_left & to_right & (hidden > 0)
    seen = [
        tf.where(high & from_left, tf.maximum(x0, right), x0),
        tf.where(wide & from_top, tf.maximum(y0, bottom), y0),
        tf.where(high & to_right, tf.minimum(x1, left), x1),
        tf.where(wide & to_bottom, tf.minimum(y1, top), y1),
    ]
    return tf.stack(seen, -1), share


def _edges(region):
    """Top and bottom, left and right of a region, float64 (n, 1) each."""
    return [
        [tf.cast(edge, tf.float64)[:, tf.newaxis] for edge in span]
        for span in region.spans
    ]


def _intersection(corners, top, bottom, left, right):
    x0, y0, x1, y1 = tf.unstack(corners, axis=-1)
    x0, y0 = tf.maximum(x0, left), tf.maximum(y0, top)
    x1, y1 = tf.minimum(x1, right), tf.minimum(y1, bottom)
    return tf.stack([x0, y0, tf.maximum(x1, x0), tf.maximum(y1, y0)], -1)


def _area(corners):
    x0, y0, x1, y1 = tf.unstack(corners, axis=-1)
    return (x1 - x0) * (y1 - y0)


def _constant(matrix):
    return tf.constant(matrix, tf.float64)
