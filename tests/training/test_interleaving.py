"""Interleaved batches, and forward passes that leave no statistics."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.training.interleaving import (
    interleaved,
    outputs_of_first,
    outputs_without_statistics,
)


def swapped_by_a_loop(batches):
    """Row by row: part i of the first batch changes places with that of batch i."""
    batches = [list(one) for one in batches]
    smallest, count = min(map(len, batches)), len(batches)
    for i in range(1, count):
        for row in range(smallest * i // count, smallest * (i + 1) // count):
            first, other = batches[0][row], batches[i][row]
            batches[0][row], batches[i][row] = other, first
    return batches


@pytest.mark.parametrize("sizes", [(6, 6, 6), (4, 4), (5, 7, 6), (9, 3, 3), (1, 1, 1)])
@pytest.mark.parametrize("known", [True, False])
def test_it_is_the_swap_row_by_row_and_its_own_inverse(sizes, known):
    rows = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])

    def twice(*batches):
        once = interleaved(list(batches))
        return once, interleaved(once)

    spec = [tf.TensorSpec([len(one) if known else None], tf.int64) for one in rows]
    once, again = tf.function(twice, input_signature=spec)(*rows)
    for found, expected in zip(once, swapped_by_a_loop(rows), strict=True):
        assert found.numpy().tolist() == expected
    for found, expected in zip(again, rows, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_first_batch_has_a_part_of_each():
    nests = [
        {"a": tf.fill([6, 2], float(one)), "b": tf.fill([6], one)} for one in "012"
    ]
    assert [n["b"].shape for n in nests] == [[6]] * 3
    first = interleaved(nests)[0]
    assert first["b"].numpy().tolist() == [b"0", b"0", b"1", b"1", b"2", b"2"]
    assert first["a"].numpy()[:, 0].tolist() == [0, 0, 1, 1, 2, 2]


def network_of():
    layers = [
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.Dropout(0.5),
        keras.layers.ActivityRegularization(l2=1.0),
    ]
    return keras.Sequential([keras.Input((2,)), *layers])


BATCHES = [
    np.random.default_rng(0).normal(loc=i, size=(4, 2)).astype("float32")
    for i in range(3)
]


@pytest.mark.parametrize("how", ["eager", "graph"])
def test_the_first_batch_alone_moves_the_statistics(how):
    network = network_of()
    call = outputs_of_first if how == "eager" else tf.function(outputs_of_first)
    outputs = call(network, [tf.constant(one) for one in BATCHES])
    norm = network.layers[0]
    expected = 0.1 * BATCHES[0].mean(0)
    np.testing.assert_allclose(norm.moving_mean, expected, atol=1e-6)
    # Each batch is normalized by itself: what dropout leaves is that, doubled.
    for batch, output in zip(BATCHES, outputs, strict=True):
        normal = (batch - batch.mean(0)) / np.sqrt(batch.var(0) + 1e-3)
        kept = output.numpy() != 0
        np.testing.assert_allclose(output[kept], 2 * normal[kept], atol=1e-4)


def test_the_penalties_are_those_of_the_first_batch():
    network = network_of()
    outputs = outputs_of_first(network, [tf.constant(one) for one in BATCHES])
    expected = np.square(outputs[0]).sum() / len(BATCHES[0])
    assert float(sum(network.losses)) == pytest.approx(expected, rel=1e-5)


def test_no_two_passes_have_the_same_dropout_and_no_statistics_move():
    network = keras.Sequential([keras.Input((50,)), keras.layers.Dropout(0.5)])
    ones = tf.ones([1, 50])
    passes = outputs_without_statistics(network, [ones, ones])
    passes += outputs_of_first(network, [ones, ones])
    passes += outputs_without_statistics(network, [ones])
    masks = {tuple(one.numpy()[0]) for one in passes}
    assert len(masks) == 5
    network = network_of()
    outputs_without_statistics(network, BATCHES)
    assert not network.layers[0].moving_mean.numpy().any()
