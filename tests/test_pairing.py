"""Who is paired with whom."""

import itertools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import keras_mixup
from keras_mixup import keys, sampling
from tests import oracles


def draws(count, size, **arguments):
    """The partners of that many steps, drawn in a graph for speed."""

    @tf.function
    def draw(step):
        return keras_mixup.sample_partner(size, seed=1, step=step, **arguments)

    return np.array([draw(tf.constant(step)).numpy() for step in range(count)])


@pytest.mark.parametrize("pairing", sampling.PAIRINGS[:-1])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_partners_are_a_permutation(pairing, size):
    labels = np.arange(size) % 3
    for partner in draws(10, size, pairing=pairing, labels=labels):
        assert sorted(partner) == list(range(size))


def test_every_permutation_is_equally_likely():
    rows = draws(1200, 3, pairing="permutation")
    counts = [
        int((rows == order).all(axis=1).sum())
        for order in itertools.permutations(range(3))
    ]
    assert sum(counts) == 1200
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_a_derangement_leaves_nobody_alone_and_prefers_nobody():
    rows = draws(900, 4, pairing="derangement")
    assert (rows != np.arange(4)).all()
    for i in range(4):
        others = np.delete(np.bincount(rows[:, i], minlength=4), i)
        assert scipy.stats.chisquare(others).pvalue > 1e-3


def test_a_batch_of_two_is_always_mixed_under_derangement():
    np.testing.assert_array_equal(draws(20, 2, pairing="derangement"), [[1, 0]] * 20)


def test_roll_and_reverse():
    roll = keras_mixup.sample_partner(5, pairing="roll")
    np.testing.assert_array_equal(roll, [4, 0, 1, 2, 3])
    reverse = keras_mixup.sample_partner(5, pairing="reverse")
    np.testing.assert_array_equal(reverse, [4, 3, 2, 1, 0])


@pytest.mark.parametrize("form", ["integers", "column", "one-hot"])
def test_same_class_never_crosses_classes(form):
    labels = np.array([2, 0, 2, 1, 0, 2, 7, 0])
    given = {
        "integers": labels,
        "column": labels[:, None],
        "one-hot": oracles.one_hot(labels, 8),
    }[form]
    rows = draws(300, 8, pairing="same_class", labels=given)
    assert (labels[rows] == labels).all()
    # The only one of its class is its own partner.
    assert (rows[:, 3] == 3).all() and (rows[:, 6] == 6).all()
    # Within its class every partner is equally likely.
    for i in (0, 1):
        members = np.flatnonzero(labels == labels[i])
        counts = [int((rows[:, i] == j).sum()) for j in members]
        assert scipy.stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("mode", oracles.MODES)
@pytest.mark.parametrize("pairing", sampling.PAIRINGS)
def test_pairings_are_the_same_in_every_mode(mode, pairing):
    labels = np.arange(9) % 4

    def draw(labels):
        return keras_mixup.sample_partner(
            9, seed=5, step=2, pairing=pairing, labels=labels
        )

    expected = draw(labels).numpy()
    np.testing.assert_array_equal(oracles.run(mode, draw, labels), expected)


def test_further_partners_of_a_derangement_are_all_different():
    partners = sampling.partners_of(keys.make_key(1), 6, 4, "derangement")
    rows = np.array([np.arange(6), *[partner.numpy() for partner in partners]])
    assert all(len(set(column)) == 4 for column in rows.T)


def test_further_partners_of_a_permutation_are_independent():
    partners = [p.numpy() for p in sampling.partners_of(keys.make_key(1), 50, 5)]
    for one, other in itertools.combinations(partners, 2):
        assert (one != other).mean() > 0.8
    np.testing.assert_array_equal(partners[0], keras_mixup.sample_partner(50, seed=1))


def test_further_partners_by_roll_are_further_off():
    found = sampling.partners_of(keys.make_key(1), 5, 4, "roll")
    expected = [[4, 0, 1, 2, 3], [3, 4, 0, 1, 2], [2, 3, 4, 0, 1]]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("labels", [[True, False, True, False], [[1], [0], [1], [0]]])
def test_pairs_of_one_class_by_a_column_or_by_booleans(labels):
    draw = [
        keras_mixup.sample_partner(4, 1, step, pairing="same_class", labels=labels)
        for step in range(8)
    ]
    assert {tuple(row) for row in np.array(draw) % 2} == {(0, 1, 0, 1)}
    assert len({tuple(row) for row in np.array(draw)}) > 1


def test_an_unknown_pairing_raises_with_the_names():
    with pytest.raises(ValueError, match=r"`pairing`.*permutation.*'best'"):
        keras_mixup.sample_partner(3, pairing="best")


def test_same_class_without_usable_labels_raises():
    with pytest.raises(ValueError, match="Received: labels=None"):
        keras_mixup.sample_partner(3, pairing="same_class")
    with pytest.raises(ValueError, match="name one class an example"):
        keras_mixup.sample_partner(
            3, pairing="same_class", labels=np.ones(3, "float32")
        )


def test_a_dataset_of_batches_of_one_is_refused_and_mixed_with_another():
    x, y = np.arange(4, dtype="float32")[:, None], np.eye(4, dtype="float32")
    ones = tf.data.Dataset.from_tensor_slices((x, y)).batch(1, drop_remainder=True)
    mixup = keras_mixup.MixUp(1.0, seed=1)
    with pytest.raises(ValueError, match="no partner in it. Expected batches of two"):
        ones.apply(mixup)
    # ERM needs none.
    for step, (found, _) in enumerate(ones.apply(keras_mixup.MixUp(0.0))):
        np.testing.assert_array_equal(found, x[step : step + 1])
    pairs = tf.data.Dataset.zip((ones, ones.skip(1))).apply(keras_mixup.count_steps)
    mixed = pairs.map(lambda step, pair: mixup.between(*pair, step=step))
    for step, (found, rows) in enumerate(mixed):
        lam = float(keras_mixup.sample_lambda(1.0, (), seed=1, step=step))
        expected = lam * x[step] + (1 - lam) * x[step + 1]
        np.testing.assert_allclose(found[0], expected, rtol=1e-5)
        expected = lam * y[step] + (1 - lam) * y[step + 1]
        np.testing.assert_allclose(rows[0], expected, atol=1e-6)
