"""Choosing: one of several tensors by conditions of which one holds."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import choosing
from keras_mixup.draws import Draw
from keras_mixup.grids import Grid
from keras_mixup.regions import Region
from tests import oracles

WHICH = np.array([2, 0, 1, 2])


@pytest.mark.parametrize("mode", oracles.MODES)
@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 2, 3)])
def test_each_example_has_the_one_whose_condition_holds(mode, shape):
    found = np.random.default_rng(0).random((3, *shape))

    def choose(which, *tensors):
        return choosing.chosen([(which == k, one) for k, one in enumerate(tensors)])

    chosen = oracles.run(mode, choose, WHICH, *found)
    for i, k in enumerate(WHICH):
        np.testing.assert_array_equal(chosen[i], found[k][i])
    of_batch = oracles.run(mode, choose, np.array(1), *found)
    np.testing.assert_array_equal(of_batch, found[1])


def test_ragged_rows_are_chosen_by_their_example():
    rows = [[[k * 10.0 + i] * i for i in range(4)] for k in range(3)]
    ragged = [tf.ragged.constant(one, dtype=tf.float32) for one in rows]
    chosen = choosing.chosen([(k == WHICH, one) for k, one in enumerate(ragged)])
    assert chosen.to_list() == [rows[k][i] for i, k in enumerate(WHICH)]
    of_batch = choosing.chosen(
        [(tf.constant(k == 1), one) for k, one in enumerate(ragged)]
    )
    assert of_batch.to_list() == rows[1]


def test_coefficients_and_partners_are_those_of_the_chosen_draw():
    draws = [
        Draw([tf.fill([4], 0.1 * k), tf.fill([4], 1 - 0.1 * k)], [tf.fill([4], k)])
        for k in range(3)
    ]
    which = [tf.constant(k == WHICH) for k in range(3)]
    merged = choosing.merged(list(zip(which, draws, strict=True)))
    np.testing.assert_allclose(merged.coefficients[0], 0.1 * WHICH)
    np.testing.assert_allclose(merged.coefficients[1], 1 - 0.1 * WHICH)
    np.testing.assert_array_equal(merged.partners[0], WHICH)


def test_sources_are_the_same_position_where_nothing_moves():
    grid = Grid((1,), [3])
    moved = Region(None, None, [tf.constant([[2, 1, 0]])])
    coefficients = [tf.constant(0.5)] * 2
    one = Draw(coefficients, [], None, [moved], grid)
    other = Draw(coefficients, [])
    assert choosing.sources([(True, other)], grid) is None
    for condition, expected in ((True, [2, 1, 0]), (False, [0, 1, 2])):
        condition = tf.constant(condition)
        (region,) = choosing.sources([(~condition, other), (condition, one)], grid)
        np.testing.assert_array_equal(region.sources[0], [expected])


def test_weights_of_a_draw_without_masks_are_its_shares_everywhere():
    draw = Draw([tf.constant([0.25, 1.0]), tf.constant([0.75, 0.0])], [])
    own, other = choosing.weights(draw, 3, tf.float32)
    np.testing.assert_array_equal(own, [[[0.25]], [[1.0]]])
    np.testing.assert_array_equal(other, [[[0.75]], [[0.0]]])


@pytest.mark.parametrize("key", ["labels", "classes"])
def test_a_weight_of_each_image_becomes_one_of_each_box(key):
    weight = tf.constant([0.25, 1.0])
    part = {"boxes": tf.zeros((2, 3, 4)), key: tf.zeros((2, 3), tf.int64)}
    np.testing.assert_array_equal(
        choosing.one_a_box(weight, part), [[0.25] * 3, [1.0] * 3]
    )
    ragged = {key: tf.ragged.constant([[1], [2, 3]])}
    assert choosing.one_a_box(weight, ragged).to_list() == [[0.25], [1.0, 1.0]]
    each = tf.random.uniform((2, 3))
    np.testing.assert_array_equal(choosing.one_a_box(each, part), each)
