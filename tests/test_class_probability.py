"""A probability for each class: an example is mixed by that of its own class."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import CutMix, MixUp, RandomChoice
from tests import oracles

SIZE = 12
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(SIZE, 4)).astype("float32")
IMAGES = GENERATOR.random((SIZE, 4, 4, 1)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 1, 2, 0, 0, 1, 2, 2])
ROWS = np.eye(3, dtype="float32")[Y]
OFF = Y == 1


def by_class(probability=(1.0, 0.0, 1.0), **settings):
    settings = {"per": "example", "num_classes": 3, "seed": 3, **settings}
    return MixUp(1.0, probability=probability, **settings)


def draw(step, size=SIZE):
    """One lam an example, and the partners, apart from the policy."""
    lam = keras_mixup.sample_lambda(1.0, (size,), seed=3, step=step).numpy()
    return lam, keras_mixup.sample_partner(size, seed=3, step=step).numpy()


@pytest.mark.parametrize(
    ("mode", "labels"),
    [
        *[(mode, Y) for mode in oracles.MODES],
        *[("eager", labels) for labels in (Y[:, None], ROWS, ROWS.astype(int))],
    ],
    ids=[*oracles.MODES, "column", "rows", "rows of integers"],
)
def test_an_example_of_a_class_that_is_off_is_left(mode, labels):
    policy, step = by_class(), keras_mixup.Step(5)
    x, rows = oracles.run(mode, lambda *batch: policy.at_step(step, batch), X, labels)
    lam, partner = draw(5)
    lam = np.where(OFF, 1, lam)
    np.testing.assert_allclose(x, oracles.mix(X, lam, partner), atol=1e-6)
    np.testing.assert_allclose(rows, oracles.mix(ROWS, lam, partner), atol=1e-6)
    np.testing.assert_array_equal(x[OFF], X[OFF])
    np.testing.assert_array_equal(rows[OFF], ROWS[OFF])
    # The others are mixed, with examples of that class too.
    assert (x[~OFF] != X[~OFF]).any(-1).all()
    assert OFF[partner[~OFF]].any()


def test_one_number_for_all_classes_is_the_same_draw_as_that_number():
    one = MixUp(1.0, per="example", num_classes=3, seed=3, probability=0.5)
    for found, expected in zip(by_class([0.5] * 3)(X, Y), one(X, Y), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_other_policies_leave_the_class_too():
    cutmix = CutMix(per="example", probability=[1.0, 0.0, 1.0], num_classes=3, seed=3)
    choice = RandomChoice([by_class(seed=None), by_class(seed=None)], seed=3)
    for policy in (cutmix, choice):
        x, rows = policy(IMAGES, Y)
        np.testing.assert_array_equal(np.asarray(x)[OFF], IMAGES[OFF])
        np.testing.assert_array_equal(np.asarray(rows)[OFF], ROWS[OFF])
        assert (np.asarray(x)[~OFF] != IMAGES[~OFF]).any()


def test_between_two_batches_the_first_ones_class_counts():
    x, _ = by_class().between((X, Y), (X[::-1].copy(), Y[::-1].copy()), step=2)
    lam, _ = draw(2)
    expected = oracles.mix(X, np.where(OFF, 1, lam), np.arange(SIZE)[::-1])
    np.testing.assert_allclose(x, expected, atol=1e-6)


def test_a_variable_acts_from_the_next_pass_on():
    for make in (tf.Variable, keras.Variable):
        probability = make([0.0, 0.0, 0.0], trainable=False)
        policy = by_class(probability)
        dataset = tf.data.Dataset.from_tensors((X, Y))
        mixed = dataset.map(lambda *batch, policy=policy: policy.at_step(5, batch))
        np.testing.assert_array_equal(next(iter(mixed))[0], X)
        probability.assign([1.0, 0.0, 1.0])
        x = np.asarray(next(iter(mixed))[0])
        np.testing.assert_array_equal(x[OFF], X[OFF])
        assert (x[~OFF] != X[~OFF]).any(-1).all()


def test_one_of_several_targets_says_the_class():
    labels = {"color": (Y + 1) % 3, "kind": Y}
    x, _ = by_class(pairing_target="kind")(X, labels)
    np.testing.assert_array_equal(np.asarray(x)[OFF], X[OFF])
    with pytest.raises(ValueError, match="name of one in MixUp.pairing_target"):
        by_class()(X, labels)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"per": "batch"}, 'drawn an example. Expected per="example"'),
        ({"probability": [0.5, 1.5]}, "one for each class. Received: .*1.5"),
        ({"probability": [[0.5]]}, "one for each class"),
        ({"probability": []}, "one for each class"),
        ({"probability": ["a"]}, "one for each class"),
        ({"probability": tf.Variable(0.5)}, "one for each class"),
    ],
    ids=str,
)
def test_another_probability_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        by_class(**settings)


@pytest.mark.parametrize(
    ("y", "settings"),
    [
        (X[:, 0], {}),
        (X[:, :1], {}),
        (ROWS, {"multi_label": True}),
        (np.zeros((SIZE, 2), int), {}),
        (np.eye(4, dtype="float32")[Y], {"num_classes": None}),
    ],
    ids=["numbers", "column", "labels", "positions", "other classes"],
)
def test_targets_without_a_class_are_refused(y, settings):
    settings = {"num_classes": None, **settings} if y.dtype != int else settings
    with pytest.raises(ValueError, match="names one class an example"):
        by_class(**settings)(X, y)


@pytest.mark.parametrize("y", [np.full((SIZE, 3), 1 / 3, "float32"), Y + 1])
def test_rows_of_no_class_and_unknown_classes_are_refused_at_their_batch(y):
    policy = by_class(num_classes=4 if y.dtype == int else None)
    with pytest.raises(tf.errors.InvalidArgumentError, match="each of 3 classes"):
        policy(X, y)
    mixed = tf.data.Dataset.from_tensors((X, y)).apply(policy)
    with pytest.raises(tf.errors.InvalidArgumentError, match="each of 3 classes"):
        next(iter(mixed))


def test_it_is_shown_compared_and_written_down():
    policy = by_class([1, 0, 0.5])
    assert "probability=[1.0, 0.0, 0.5]" in repr(policy)
    assert policy == by_class([1.0, 0.0, 0.5]) != by_class([1.0, 0.0, 0.4])
    again = MixUp.from_config(policy.get_config())
    assert again == policy == copy.deepcopy(policy)
    variable = tf.Variable([1.0, 0.0, 1.0])
    of_variable = by_class(variable)
    assert of_variable == by_class(variable) != by_class(tf.Variable([1.0, 0.0, 1.0]))
    assert of_variable.get_config()["probability"] == [1.0, 0.0, 1.0]
    assert "[1.0, 0.0, 1.0]" in repr(of_variable)


def test_it_may_be_an_array_or_a_tensor():
    given = [1.0, 0.0, 0.5]
    for value in (tf.constant(given), np.array(given), [tf.constant(p) for p in given]):
        policy = by_class(value)
        assert policy == by_class(given)
        np.testing.assert_array_equal(np.asarray(policy(X, Y)[0])[OFF], X[OFF])
    with pytest.raises(ValueError, match="Expected a float.*<tf.Tensor: shape=()"):
        by_class(tf.constant(0.5))


def test_another_target_may_have_several_labels():
    tags = np.arange(SIZE * 2).reshape(SIZE, 2) % 3 > 0
    several = {"pairing_target": "cls", "multi_label": {"tags": True}}
    policy = by_class(num_classes=None, **several)
    x, y = policy(X, {"cls": ROWS, "tags": tags.astype("float32")})
    expected, rows = by_class(num_classes=None)(X, ROWS)
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(y["cls"], rows)


def test_where_no_label_is_known_it_is_refused():
    with pytest.raises(ValueError, match="needs labels, which are not known here"):
        network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        keras_mixup.ICTModel(network, by_class(num_classes=None))
