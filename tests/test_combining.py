"""Combining: a sum of parts, or a choice at each position."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import combining
from keras_mixup.draws import Draw
from keras_mixup.grids import Grid
from keras_mixup.regions import Region
from tests import oracles

GENERATOR = np.random.default_rng(0)
GRID = Grid((1, 2), [2, 3])


def draw_of(choice, sources=None):
    """A draw in which position (i, row, column) shows the part `choice` says."""
    masks = [tf.constant(choice == k) for k in range(choice.max() + 1)]
    shares = [tf.reduce_mean(tf.cast(mask, tf.float32), (1, 2)) for mask in masks]
    regions = [Region(mask, None, sources) for mask in masks[1:]]
    return Draw(shares, [], masks, regions, GRID)


CHOICE = np.array([[[0, 1, 2], [2, 2, 1]], [[1, 0, 0], [0, 2, 1]]])


@pytest.mark.parametrize("mode", oracles.MODES)
@pytest.mark.parametrize("shape", [(2, 2, 3), (2, 2, 3, 2), (2, 4, 9, 1)])
def test_each_position_is_that_of_one_part(mode, shape):
    parts = [GENERATOR.integers(0, 100, shape).astype("int64") for _ in range(3)]

    def combine(choice, *parts):
        masks = [choice == k for k in range(3)]
        draw = Draw([tf.ones([2])] * 3, [], masks, None, GRID)
        return combining.combined(list(parts), draw)

    found = oracles.run(mode, combine, CHOICE, *parts)
    assert found.dtype == "int64"
    for i, row, column in np.ndindex(2, *shape[1:3]):
        k = CHOICE[i, row * 2 // shape[1], column * 3 // shape[2]]
        np.testing.assert_array_equal(found[i, row, column], parts[k][i, row, column])


def test_without_masks_it_is_the_sum():
    parts = [GENERATOR.random((4, 3)).astype("float32") for _ in range(2)]
    draw = Draw([tf.constant(0.25), tf.constant(0.75)], [])
    found = combining.combined([tf.constant(part) for part in parts], draw)
    np.testing.assert_allclose(found, 0.25 * parts[0] + 0.75 * parts[1], rtol=1e-6)


def test_weights_of_floats_at_positions_are_summed():
    weight = GENERATOR.random((2, 2, 3)).astype("float32")
    parts = [GENERATOR.random((2, 4, 3, 2)).astype("float32") for _ in range(2)]
    masks = [tf.constant(weight), tf.constant(1 - weight)]
    draw = Draw([tf.ones([2])] * 2, [], masks, None, GRID)
    found = combining.combined([tf.constant(part) for part in parts], draw)
    fine = np.repeat(weight, 2, 1)[..., np.newaxis]
    np.testing.assert_allclose(found, fine * parts[0] + (1 - fine) * parts[1], 1e-6)


@pytest.mark.parametrize(
    ("given", "dtype", "expected"),
    [
        ("float32", None, "float32"),
        ("uint8", None, "uint8"),
        ("uint8", "bfloat16", "bfloat16"),
        ("float64", "float16", "float16"),
        ("int32", "float16", "int32"),
        ("bool", "float16", "bool"),
    ],
)
def test_dtypes_of_what_is_chosen(given, dtype, expected):
    part = tf.cast(tf.ones((2, 2, 3)), given)
    found = combining.combined([part] * 3, draw_of(CHOICE), dtype)
    assert found.dtype == expected


def test_a_finer_tensor_moves_whole_blocks():
    """By hand: on a grid of (2, 3), column 0 shows 2, 1 shows 0, 2 shows 1."""
    sources = [tf.constant([[1, 0]]), tf.constant([[2, 0, 1]])]
    draw = draw_of(np.ones((2, 2, 3), int), sources)
    numbers = np.arange(2 * 2 * 6).reshape(2, 2, 6)
    shown = combining.shown([tf.constant(numbers)] * 2, draw)
    np.testing.assert_array_equal(shown[0], numbers)
    np.testing.assert_array_equal(shown[1], numbers[:, ::-1][..., [4, 5, 0, 1, 2, 3]])


def test_each_example_has_sources_of_its_own():
    sources = [tf.constant([[1, 0], [0, 0]]), tf.constant([[0, 1, 2], [2, 2, 2]])]
    draw = draw_of(np.ones((2, 2, 3), int), sources)
    numbers = np.arange(12).reshape(2, 2, 3)
    (_, shown) = combining.shown([tf.constant(numbers)] * 2, draw)
    np.testing.assert_array_equal(shown[0], numbers[0, ::-1])
    np.testing.assert_array_equal(shown[1], np.full((2, 3), numbers[1, 0, 2]))


def test_masks_of_a_sequence_are_pasted_as_it_is():
    grid = Grid((1,), [4])
    own = tf.constant([[True, True, False, False]])
    other = tf.constant([[True, True, True, True]])
    here = tf.constant([[False, True, True, False]])
    draw = Draw([tf.ones([1])] * 2, [], [~here, here], [Region(here)], grid)
    found = combining.combined_masks([own, other], draw)
    np.testing.assert_array_equal(found, [[True, True, True, False]])
    mixed = Draw([tf.constant(1.0), tf.constant(0.0)], [])
    np.testing.assert_array_equal(combining.combined_masks([own, other], mixed), own)
    mixed = Draw([tf.constant(0.5), tf.constant(0.5)], [])
    np.testing.assert_array_equal(combining.combined_masks([own, other], mixed), other)


def test_coefficients_of_a_dense_target_are_those_of_its_positions():
    draw = draw_of(CHOICE)
    target = tf.zeros((2, 4, 3, 5))
    dense = combining.coefficients_of(draw, target, True)
    whole = combining.coefficients_of(draw, target, False)
    assert [one.shape for one in whole] == [(2,)] * 3
    np.testing.assert_allclose(whole[1], [2 / 6, 2 / 6])
    for k, one in enumerate(dense):
        np.testing.assert_array_equal(one, np.repeat(CHOICE, 2, 1) == k)
