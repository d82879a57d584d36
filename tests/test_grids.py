"""Grids: which axes are positions, and whether a target has them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import grids
from keras_mixup.grids import Grid
from tests import oracles

IMAGES = Grid((1, 2), [6, 4])


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 7), (1,)),
        ((5, 7, 3), (1,)),
        ((5, 7, 6, 3), (1, 2)),
        ((5, 7, 6, 4, 3), (1, 2, 3)),
    ],
)
def test_positions_are_all_axes_between_the_batch_and_the_channels(shape, axes):
    grid = grids.grid_of([tf.zeros(shape)])
    assert grid == Grid(axes, [shape[axis] for axis in axes])


def test_the_coarsest_of_several_is_the_grid():
    features = [tf.zeros((2, 12, 4, 3)), tf.zeros((2, 6, 8, 1))]
    assert grids.grid_of(features) == Grid((1, 2), [6, 4])
    assert grids.grid_of([tf.zeros((2, 3, 8, 9, 2))], (2, 3)) == Grid((2, 3), [8, 9])


@pytest.mark.parametrize(
    ("shapes", "axes", "message"),
    [
        ([(5,)], None, r"Nothing to cut.*\(batch_size, length\).*\(5,\)"),
        ([(5, 4, 3)], (2, 3), r"Nothing to cut.*axes \[2, 3\].*\(5, 4, 3\)"),
        ([(5, 4), (5, 4, 4, 3)], None, "as many axes.*`passthrough`"),
        ([(5, 4, 4, 3), (5, 6, 6, 3)], None, r"multiples.*\(5, 4, 4, 3\), \(5, 6"),
        ([(5, 4, 4, 3), (5, 8, 2, 3)], (1,), None),
    ],
)
def test_features_that_cannot_be_cut_alike(shapes, axes, message):
    features = [tf.zeros(shape) for shape in shapes]
    if message is None:
        assert grids.grid_of(features, axes).sizes == [4]
        return
    with pytest.raises(ValueError, match=message):
        grids.grid_of(features, axes)


def test_images_of_channels_first_have_to_say_where_their_positions_are():
    images = [tf.zeros((5, 3, 7, 6))]
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match=r"such as axes=\(2, 3\)"):
            grids.grid_of(images)
        assert grids.grid_of(images, (2, 3)) == Grid((2, 3), [7, 6])
        assert grids.grid_of([tf.zeros((5, 7, 3))]) == Grid((1,), [7])
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize(
    ("shape", "dtype", "grid", "expected"),
    [
        ((5,), "int32", IMAGES, False),
        ((5, 1), "int32", IMAGES, False),
        ((5, 10), "float32", IMAGES, False),
        ((5, 6, 4), "uint8", IMAGES, True),
        ((5, 6, 4, 1), "int64", IMAGES, True),
        ((5, 12, 8), "int64", IMAGES, True),
        ((5, 12, 8, 3), "float32", IMAGES, True),
        ((5, 6, 4), "float32", IMAGES, True),
        ((5, 9), "int32", Grid((1,), [9]), True),
        ((5, 9, 3), "float32", Grid((1,), [9]), True),
        ((5, 9, 1), "float32", Grid((1,), [9]), True),
        ((5, 8), "float32", Grid((1,), [9]), False),
        ((5,), "int32", Grid((1,), [9]), False),
        ((5, 1), "int32", Grid((1,), [9]), False),
    ],
)
def test_targets_with_an_entry_for_each_position(shape, dtype, grid, expected):
    assert grids.is_dense(tf.zeros(shape, dtype), grid) is expected


def test_a_row_of_as_many_classes_as_positions_has_to_be_explained():
    line, target = Grid((1,), [9]), tf.zeros((5, 9))
    with pytest.raises(ValueError, match=r"`tags` may be a row.*`tags\[..., tf.newax"):
        grids.is_dense(target, line, name="tags")
    assert grids.is_dense(target, line, num_classes=9) is False


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((5, 7, 4), "int32"), ((5, 6, 7, 2), "float32"), ((5, 3, 2), "uint8")],
)
def test_positions_that_are_not_those_of_the_features(shape, dtype):
    message = rf"`y` has positions that are not.*\[6, 4\] along the axes \[1, 2\].*{5}"
    with pytest.raises(ValueError, match=message):
        grids.is_dense(tf.zeros(shape, dtype), IMAGES)


def of_unknown_sizes(function, *tensors):
    shapes = [[None] * (value.ndim - 1) + [value.shape[-1]] for value in tensors]
    specs = [tf.TensorSpec(s, v.dtype) for s, v in zip(shapes, tensors, strict=True)]
    return tf.function(function, input_signature=specs)(*tensors)


def test_the_coarsest_of_several_whose_sizes_are_unknown():
    features = np.zeros((2, 12, 4, 3)), np.zeros((2, 6, 8, 1))
    sizes = of_unknown_sizes(lambda *of: grids.grid_of(of).sizes, *features)
    assert [int(size) for size in sizes] == [6, 4]
    with pytest.raises(tf.errors.InvalidArgumentError, match="cannot be cut alike"):
        unlike = np.zeros((2, 5, 4, 1))
        of_unknown_sizes(lambda *of: grids.grid_of(of).sizes, features[0], unlike)


@pytest.mark.parametrize("shape", [(5, 3, 2, 1), (5, 7, 4, 1), (5, 6, 5, 1)])
def test_positions_that_turn_out_to_be_others(shape):
    def dense(x, y):
        return tf.constant(grids.is_dense(y, grids.grid_of([x])))

    image = np.zeros((5, 6, 4, 3))
    assert of_unknown_sizes(dense, image, np.zeros((5, 12, 4, 1), int))
    with pytest.raises(tf.errors.InvalidArgumentError, match="positions that are not"):
        of_unknown_sizes(dense, image, np.zeros(shape, int))


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_rows_of_integers_have_no_positions(dtype):
    line, rows = Grid((1,), [9]), tf.zeros((5, 18), dtype)
    assert grids.is_dense(rows, line, num_classes=18) is False
    assert grids.is_dense(rows[:, :9], line) is True
    # Twice as many positions, or as many labels: nobody can tell.
    for unclear in (rows, rows[:, :5]):
        with pytest.raises(ValueError, match="`num_classes`"):
            grids.is_dense(unclear, line)
    assert grids.is_dense(rows[..., tf.newaxis], line) is True


@pytest.mark.parametrize("mode", oracles.MODES)
def test_a_finer_tensor_has_the_nearest_entry_of_a_mask(mode):
    mask = np.random.default_rng(0).random((2, 3, 1, 2)) < 0.5
    grid = Grid((1, 3), [3, 2])
    for shape in ((2, 3, 5, 2, 4), (2, 12, 5, 6, 4)):
        found = oracles.run(
            mode, lambda m, t: grids.fitted(m, grid, t), mask, np.zeros(shape)
        )
        assert found.shape == (2, shape[1], 1, shape[3])
        for i, j, k in np.ndindex(2, shape[1], shape[3]):
            near = mask[i, j * 3 // shape[1], 0, k * 2 // shape[3]]
            assert found[i, j, 0, k] == near
