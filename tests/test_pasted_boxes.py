"""Boxes where a part is pasted over: hand values, and a raster of pixels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import pasted_boxes
from keras_mixup.draws import Draw
from keras_mixup.grids import Grid
from keras_mixup.regions import Region
from tests import oracles

HEIGHT, WIDTH = 10, 20
GRID = Grid((1, 2), [HEIGHT, WIDTH])


def draw_of(top, bottom, left, right, resized=False):
    """A draw that pastes one box into all images, or one box into each."""
    spans = [[top, bottom], [left, right]]
    spans = [[tf.reshape(tf.constant(e), [-1]) for e in span] for span in spans]
    return Draw([tf.constant(0.5)] * 2, [], None, [Region(None, spans, None, resized)],
                GRID)  # fmt: skip


def seen(corners, draw, box_format="xyxy", min_visibility=0.0):
    """The boxes of the image and of the partner, and their weights, from corners."""
    boxes = np.asarray(corners, "float32").reshape(1, -1, 4)
    part = {"boxes": tf.constant(boxes), "labels": tf.ones(boxes.shape[:2])}
    parts, weights = pasted_boxes.seen([part] * 2, draw, box_format, min_visibility)
    return [part["boxes"].numpy() for part in parts], [w.numpy() for w in weights]


# The pasted box is rows 2 to 8 and columns 5 to 15.
@pytest.mark.parametrize(
    ("corners", "below", "share_below", "inside", "share_inside"),
    [
        # Apart.
        ((0, 0, 5, 2), (0, 0, 5, 2), 1, None, 0),
        # Hidden whole, and shown whole.
        ((6, 3, 10, 7), None, 0, (6, 3, 10, 7), 1),
        # A corner is hidden: its bounding box stays.
        ((1, 0, 9, 4), (1, 0, 9, 4), 1 - 8 / 32, (5, 2, 9, 4), 8 / 32),
        # The right half of its columns is hidden from end to end.
        ((3, 3, 7, 7), (3, 3, 5, 7), 0.5, (5, 3, 7, 7), 0.5),
        # The left one, and the upper and the lower.
        ((13, 2, 17, 8), (15, 2, 17, 8), 0.5, (13, 2, 15, 8), 0.5),
        ((5, 0, 15, 4), (5, 0, 15, 2), 0.5, (5, 2, 15, 4), 0.5),
        ((6, 6, 10, 10), (6, 8, 10, 10), 0.5, (6, 6, 10, 8), 0.5),
        # A bar across the middle leaves both ends.
        ((0, 3, 20, 7), (0, 3, 20, 7), 0.5, (5, 3, 15, 7), 0.5),
        # A hole inside.
        ((0, 0, 20, 10), (0, 0, 20, 10), 0.7, (5, 2, 15, 8), 0.3),
    ],
)
def test_hand_values(corners, below, share_below, inside, share_inside):
    (own, other), weights = seen(corners, draw_of(2, 8, 5, 15))
    np.testing.assert_allclose(
        [weights[0].item(), weights[1].item()], [share_below, share_inside]
    )
    if below is not None:
        np.testing.assert_allclose(own[0, 0], below)
    if inside is not None:
        np.testing.assert_allclose(other[0, 0], inside)


def test_the_boxes_of_a_resized_partner_are_scaled_and_moved():
    """Into rows 2 to 7 (half) and columns 4 to 8 (a fifth): whole, all of it."""
    draw = draw_of(2, 7, 4, 8, resized=True)
    (_, other), weights = seen([(0, 0, 20, 10), (5, 4, 10, 8)], draw)
    np.testing.assert_allclose(other[0], [(4, 2, 8, 7), (5, 4, 6, 6)])
    np.testing.assert_allclose(weights[1], [[1, 1]])


def test_relative_corners_that_are_rounded_lie_at_the_edge_of_the_pasted_box():
    """In float32 six tenths of ten rows are more than six."""
    relative = np.float32([3, 3, 7, 6]) / np.float32([WIDTH, HEIGHT] * 2)
    (own, _), weights = seen(relative, draw_of(2, 6, 5, 15), "rel_xyxy")
    np.testing.assert_allclose(
        own[0, 0] * ([WIDTH, HEIGHT] * 2), (3, 3, 5, 6), rtol=1e-6
    )
    np.testing.assert_allclose(weights[0], [[0.5]], rtol=1e-6)


def test_the_boxes_of_an_image_that_is_pasted_into_itself_are_whole():
    draw = draw_of(2, 8, 5, 15)._replace(partners=[tf.constant([0])])
    (own, _), weights = seen([(3, 3, 7, 7)], draw)
    np.testing.assert_array_equal(own[0, 0], (3, 3, 7, 7))
    assert [weights[0].item(), weights[1].item()] == [1, 0]
    draw = draw_of(2, 8, 5, 15, resized=True)._replace(partners=[tf.constant([0])])
    assert seen([(3, 3, 7, 7)], draw)[1][0].item() == 0.5


@pytest.mark.parametrize("resized", [False, True])
def test_a_raster_of_pixels(resized):
    """Integer boxes: shares and bounding boxes are those of counted pixels."""
    generator = np.random.default_rng(0)
    for _ in range(6):
        top, bottom = np.sort(generator.choice(HEIGHT + 1, 2, replace=False))
        left, right = np.sort(generator.choice(WIDTH + 1, 2, replace=False))
        covered = np.zeros((HEIGHT, WIDTH), bool)
        covered[top:bottom, left:right] = True
        corners = []
        for _ in range(12):
            x0, x1 = np.sort(generator.choice(WIDTH + 1, 2, replace=False))
            y0, y1 = np.sort(generator.choice(HEIGHT + 1, 2, replace=False))
            corners.append((x0, y0, x1, y1))
        draw = draw_of(top, bottom, left, right, resized)
        (own, other), weights = seen(corners, draw)
        for i, (x0, y0, x1, y1) in enumerate(corners):
            object_ = np.zeros((HEIGHT, WIDTH), bool)
            object_[y0:y1, x0:x1] = True
            check_pixels(object_ & ~covered, object_, own[0, i], weights[0][0, i])
            if not resized:
                check_pixels(object_ & covered, object_, other[0, i], weights[1][0, i])
        if resized:
            assert (weights[1] == 1).all()


def check_pixels(visible, object_, box, weight):
    np.testing.assert_allclose(weight, visible.sum() / object_.sum(), atol=1e-6)
    if visible.any():
        rows, columns = np.nonzero(visible)
        expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        np.testing.assert_allclose(box, expected, atol=1e-5)


SWAPPED = "rel_center_yxhw"  # Of ten layouts the one that Keras does not have.


def converted(boxes, source, target):
    """Boxes in another layout, by Keras."""
    known = [name.replace("yxhw", "xywh") if name == SWAPPED else name
             for name in (source, target)]  # fmt: skip
    order = [1, 0, 3, 2]
    boxes = np.asarray(boxes)[..., order] if source == SWAPPED else np.asarray(boxes)
    found = keras.utils.bounding_boxes.convert_format(
        boxes, *known, height=HEIGHT, width=WIDTH
    )
    return np.asarray(found)[..., order] if target == SWAPPED else np.asarray(found)


@pytest.mark.parametrize("box_format", pasted_boxes.FORMATS)
@pytest.mark.parametrize("resized", [False, True])
def test_each_layout_is_that_of_keras(box_format, resized):
    generator = np.random.default_rng(1)
    low = generator.uniform(0, (10, 5), (3, 6, 2))
    high = low + generator.uniform(1, (9, 4), (3, 6, 2))
    corners = np.concatenate([low, high], -1).astype("float32")
    draw = draw_of([1, 2, 0], [5, 8, 10], [3, 5, 2], [11, 15, 9], resized)
    labels = tf.ones((3, 6))

    part = {"boxes": tf.constant(corners), "labels": labels}
    expected, weights = pasted_boxes.seen([part] * 2, draw, "xyxy", 0.0)
    given = converted(tf.constant(corners), "xyxy", box_format)
    part = {"boxes": tf.cast(given, tf.float32), "labels": labels}
    found, found_weights = pasted_boxes.seen([part] * 2, draw, box_format, 0.0)
    for k in range(2):
        shown = weights[k].numpy() > 1e-3
        assert 0 < shown.mean() <= 1
        back = converted(found[k]["boxes"], box_format, "xyxy")
        np.testing.assert_allclose(
            back[shown], expected[k]["boxes"].numpy()[shown], atol=1e-3
        )
        np.testing.assert_allclose(found_weights[k], weights[k], atol=1e-5)


def test_there_are_ten_layouts():
    assert len(pasted_boxes.FORMATS) == 10 and SWAPPED in pasted_boxes.FORMATS


def test_boxes_of_which_less_is_left_weigh_nothing():
    """Of 4 columns wide boxes the pasted part hides 1, 2 and 3."""
    corners = [(14, 2, 18, 8), (13, 2, 17, 8), (12, 2, 16, 8)]
    _, weights = seen(corners, draw_of(2, 8, 5, 15), min_visibility=0.5)
    np.testing.assert_allclose(weights, [[[0.75, 0.5, 0]], [[0, 0.5, 0.75]]])


def test_what_is_whole_stays_to_the_bit():
    generator = np.random.default_rng(2)
    given = generator.random((1, 5, 4)).astype("float32") / 4
    part = {"boxes": tf.constant(given), "labels": tf.ones((1, 5))}
    draw = draw_of(9, 10, 18, 20)
    parts, weights = pasted_boxes.seen([part] * 2, draw, "rel_center_xywh", 0.1)
    assert (weights[0].numpy() == 1).all()
    np.testing.assert_array_equal(parts[0]["boxes"], given)


@pytest.mark.parametrize("dtype", ["int32", "float16", "float64"])
def test_dtypes_are_kept(dtype):
    boxes = tf.constant([[[3, 3, 7, 7]]], dtype)
    part = {"boxes": boxes, "labels": tf.ones((1, 1))}
    parts, _ = pasted_boxes.seen([part] * 2, draw_of(2, 8, 5, 15), "xyxy", 0.0)
    assert parts[0]["boxes"].dtype == dtype
    np.testing.assert_array_equal(tf.cast(parts[0]["boxes"], "int32"), [[[3, 3, 5, 7]]])


def test_ragged_boxes_are_the_dense_ones_without_padding():
    corners = [[(3, 3, 7, 7), (0, 0, 5, 2)], [], [(0, 0, 20, 10)]]
    ragged = tf.ragged.constant(
        corners, ragged_rank=1, inner_shape=(4,), dtype=tf.float32
    )
    labels = ragged[..., 0]
    part = {"boxes": ragged, "labels": labels}
    draw = draw_of([2] * 3, [8] * 3, [5] * 3, [15] * 3)
    parts, weights = pasted_boxes.seen([part] * 2, draw, "xyxy", 0.0)
    expected = [[[3, 3, 5, 7], [0, 0, 5, 2]], [], [[0, 0, 20, 10]]]
    assert parts[0]["boxes"].to_list() == expected
    shares = [[0.5, 1.0], [], [0.7]]
    for found, row in zip(weights[0].to_list(), shares, strict=True):
        np.testing.assert_allclose(found, row)


@pytest.mark.parametrize("mode", oracles.MODES)
def test_each_image_has_a_pasted_box_of_its_own(mode):
    corners = np.tile(np.array([[[2, 2, 12, 6]]], "float32"), (2, 1, 1))

    def shown(corners):
        part = {"boxes": corners, "labels": tf.ones((2, 1))}
        draw = draw_of([2, 0], [6, 1], [2, 0], [7, 20])
        parts, weights = pasted_boxes.seen([part] * 2, draw, "xyxy", 0.0)
        return parts[0]["boxes"], weights[0]

    boxes, weights = oracles.run(mode, shown, corners)
    np.testing.assert_allclose(boxes[:, 0], [[7, 2, 12, 6], [2, 2, 12, 6]])
    np.testing.assert_allclose(weights[:, 0], [0.5, 1])


def test_boxes_outside_of_the_image_and_without_area_make_no_nan():
    corners = [(-5, -5, 30, 30), (6, 3, 6, 3), (0, 0, 0, 0)]
    (own, other), weights = seen(corners, draw_of(2, 8, 5, 15))
    for one in (own, other, *weights):
        assert np.isfinite(one).all()
    assert weights[1][0, 1] == 0
