"""Rows, columns, weights, smoothing and settings of one target, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import targets


@pytest.mark.parametrize(
    ("dtype", "shape", "num_classes", "expected"),
    [
        ("int32", (8, 3), 3, True),
        ("bool", (8, 2), 2, True),
        ("uint8", (8, 4, 3), 3, True),
        ("float32", (8, 3), 3, False),
        ("int32", (8, 3), 4, False),
        ("int32", (8, 3), None, False),
        ("int32", (8, 1), 1, False),
        ("int32", (8,), 8, False),
        ("int32", (3, 3, 1), 3, False),
    ],
)
def test_rows_are_those_with_an_axis_of_classes(dtype, shape, num_classes, expected):
    assert bool(targets.has_rows(tf.ones(shape, dtype), num_classes)) == expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4,), (4,)),
        ((1,), (1,)),
        ((4, 1), (4,)),
        ((1, 1), (1,)),
        ((1, 4), (1, 4)),
        ((4, 2), (4, 2)),
        ((4, 3, 1), (4, 3)),
        ((4, 1, 1), (4, 1)),
        ((4, 1, 3), (4, 1, 3)),
    ],
)
def test_a_column_of_labels_is_dropped(shape, expected):
    labels = tf.reshape(tf.range(np.prod(shape)), shape)
    found = targets.without_column(labels)
    np.testing.assert_array_equal(found, np.reshape(labels, expected))


@pytest.mark.parametrize(
    ("weight", "dtype", "target", "expected"),
    [
        ((8,), "float32", (8,), (8,)),
        ((8, 1), "float32", (8,), (8,)),
        ((8,), "float32", (8, 3), (8,)),
        ((8, 1, 1), "float32", (8, 3), (8,)),
        ((8, 3), "float32", (8, 3), None),
        ((8, 5), "float32", (8, 5, 3), (8, 5)),
        ((8, 5, 1), "float32", (8, 5, 3), (8, 5)),
        ((8, 1), "float32", (8, 5, 3), (8,)),
        ((8, 2), "float32", (8, 5, 3), None),
        ((8, 2, 1), "float32", (8, 5, 3), None),
        ((8, 5, 3), "float32", (8, 5, 3), None),
        ((8, 5), "int32", (8, 5), (8, 5)),
        ((8, 5), "int32", (8, 5, 1), (8, 5)),
        ((8, 1), "int32", (8, 1), (8,)),
        ((8, 2), "int32", (8,), None),
    ],
)
def test_a_weight_has_the_leading_axes_of_its_target(weight, dtype, target, expected):
    weight = np.arange(np.prod(weight)).reshape(weight)
    target = tf.ones(target, dtype)
    if expected is None:
        with pytest.raises(ValueError, match=r"would broadcast.*\(8, "):
            targets.fit_weight(tf.constant(weight), target)
        return
    found = targets.fit_weight(tf.constant(weight), target)
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found, weight.reshape(expected))


@pytest.mark.parametrize("shape", [(2, 3), (1, 2), (2, 1, 3), (2, 3, 4)])
def test_smoothing_by_hand(shape):
    rows = np.random.default_rng(0).random(shape).astype("float32")
    expected = rows * 0.8 + 0.2 / shape[-1]
    np.testing.assert_allclose(
        targets.smooth(tf.constant(rows), 0.2), expected, rtol=1e-6
    )
    mixed, _ = targets.mix_target(
        [tf.constant(rows)] * 2,
        [None] * 2,
        [tf.constant(0.25), tf.constant(0.75)],
        label_smoothing=0.2,
    )
    np.testing.assert_allclose(mixed, expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(8,), (8, 1), (8, 3, 1)])
def test_smoothing_needs_classes(shape):
    with pytest.raises(ValueError, match="spreads weight over classes"):
        targets.smooth(tf.ones(shape), 0.2)


def test_a_total_of_one_is_no_exception():
    weights = [tf.constant([2.0, 1.0]), tf.constant([0.0, 1.0])]
    total, shares = targets.weigh([tf.constant(0.5)] * 2, weights)
    np.testing.assert_array_equal(total, [1, 1])
    np.testing.assert_array_equal(shares, [[1, 0.5], [0, 0.5]])


@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [
        (3, ("a",), 3),
        ({"a": 3, "b": 4}, ("q", "b"), 4),
        ({"a": 3}, ("b",), None),
        ({"a": 3}, (), None),
        ([3, 4], (1,), 4),
        ((3, 4), (0, "a"), 3),
    ],
)
def test_a_setting_for_one_target(value, path, expected):
    assert targets.per_target(value, path) == expected


@pytest.mark.parametrize(("path", "place"), [((1,), "1"), (("a", 0), "a/0"), ((), "y")])
def test_a_list_of_settings_needs_a_list_of_targets(path, place):
    with pytest.raises(ValueError, match=rf"needs a list.*\[3\] .* at {place}$"):
        targets.per_target([3], path)


def test_without_a_number_of_classes_integers_are_chosen():
    parts = [tf.constant(part) for part in np.arange(18).reshape(3, 3, 2)]
    chosen = [tf.constant(row) for row in np.eye(3, dtype="float32")]
    found = targets.select_target(parts, chosen)
    np.testing.assert_array_equal(found, [[0, 1], [8, 9], [16, 17]])
    for k in range(3):
        found = targets.select_target(parts, [row[k] for row in chosen])
        np.testing.assert_array_equal(found, parts[k])
    mixed, total = targets.mix_target(parts, [None] * 3, chosen)
    assert total is None and mixed.dtype == parts[0].dtype
    np.testing.assert_array_equal(mixed, [[0, 1], [8, 9], [16, 17]])


def test_an_ignored_class_weighs_nothing_whatever_its_weight():
    labels = tf.constant([[[0], [255]], [[2], [1]], [[255], [0]]], tf.uint8)
    found = targets.valid_weights(labels, 255)
    np.testing.assert_array_equal(found, [[1, 0], [1, 1], [0, 1]])
    found = targets.valid_weights(labels, 255, tf.constant([3.0, 4.0, 5.0]))
    np.testing.assert_array_equal(found, [[3, 0], [4, 4], [0, 5]])
    weights = tf.constant([[2, np.nan], [3, 4], [np.inf, 5]], tf.float64)
    found = targets.valid_weights(labels, 255, weights)
    np.testing.assert_array_equal(found, [[2, 0], [3, 4], [0, 5]])
    assert found.dtype == tf.float32
