"""Losses of users: with state, of class numbers, with weights and masks."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests.programs import by_hand

X, Y = by_hand.linear_data()
ROWS = np.eye(3, dtype="float32")[Y]
LAM, PARTNER = by_hand.draw(16)
LOGITS = by_hand.outputs(by_hand.linear(), by_hand.mixed(X, LAM, PARTNER))


def trained(labels, loss, network=None, how=by_hand.EAGER, **kwargs):
    """The loss of one step with lam and partners of (seed 1, step 0)."""
    network = by_hand.linear() if network is None else network
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(by_hand.still(), loss, **how)
    history = model.fit(
        X, labels, batch_size=16, shuffle=False, verbose=0, **kwargs
    ).history
    return history["loss"][0]


class Annealed(keras.losses.Loss):
    """Counts its calls, as an annealed loss does."""

    def __init__(self, name):
        super().__init__()
        self.steps = tf.Variable(0, trainable=False)
        self.function = getattr(keras.losses, name)

    def call(self, y_true, y_pred):
        self.steps.assign_add(1)
        return self.function(y_true, y_pred, from_logits=True)


@pytest.mark.parametrize("per", ["batch", "example"])
@pytest.mark.parametrize("labels", [Y, ROWS], ids=["integers", "rows"])
def test_a_loss_with_state_is_called_once_a_term(labels, per):
    sparse = labels is Y
    loss = Annealed(
        "sparse_categorical_crossentropy" if sparse else "categorical_crossentropy"
    )
    model = keras_mixup.MixUpModel(
        by_hand.linear(), keras_mixup.MixUp(1.0, per=per, seed=1)
    )
    model.compile("sgd", loss)
    model.fit(X, labels, batch_size=16, epochs=4, verbose=0)
    assert 4 <= int(loss.steps) <= 8


class OwnCall(keras.losses.Loss):
    """Keeps integers integers and gives one value a batch."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(y_true, y_pred)
        if sample_weight is not None:
            loss *= tf.cast(tf.reshape(sample_weight, [-1]), loss.dtype)
        return tf.reduce_mean(loss)


def own_mean(y_true, y_pred):
    """A function that has averaged already, over what it likes."""
    return tf.reduce_logsumexp(
        tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.cast(y_true, tf.int32)[:, 0], y_pred
        )
    )


def test_a_loss_with_its_own_call_is_mixed_by_two_terms():
    def entropies(labels):
        return by_hand.cross_entropies(LOGITS, labels).mean()

    expected = by_hand.two_terms(entropies, Y, LAM, PARTNER)
    assert trained(Y, OwnCall(), how={}) == pytest.approx(expected, abs=1e-5)


def test_a_loss_that_has_averaged_as_it_likes_is_mixed_by_two_terms():
    def whole(labels):
        return np.log(np.exp(by_hand.cross_entropies(LOGITS, labels)).sum())

    expected = by_hand.two_terms(whole, Y, LAM, PARTNER)
    assert trained(Y[:, None], own_mean, how={}) == pytest.approx(expected, abs=1e-5)


class Precise(keras.losses.Loss):
    """Computes in float64."""

    def __init__(self):
        super().__init__(dtype="float64")

    def call(self, y_true, y_pred):
        return tf.reduce_sum(
            tf.constant([1, 2, 3], tf.float64) * (y_true - y_pred) ** 2, -1
        )


def test_a_loss_of_its_own_dtype():
    def squares(rows):
        return (np.array([1, 2, 3]) * (rows - LOGITS) ** 2).sum(-1).mean()

    # The loss of the mixed rows, or the two losses mixed: the square is not linear.
    ways = (
        squares(by_hand.mixed(ROWS, LAM, PARTNER)),
        by_hand.two_terms(squares, ROWS, LAM, PARTNER),
    )
    found = trained(ROWS, Precise(), how={})
    assert min(abs(found - way) for way in ways) < 1e-5


def own_sparse(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(
        y_true, y_pred, from_logits=True
    )


@pytest.mark.parametrize("dtype", ["int64", "float32"])
@pytest.mark.parametrize(
    "loss", [own_sparse, by_hand.sparse_loss()], ids=["own", "Keras's"]
)
def test_class_numbers_are_never_averaged(dtype, loss):
    def entropies(labels):
        return by_hand.cross_entropies(LOGITS, labels).mean()

    expected = by_hand.two_terms(entropies, Y, LAM, PARTNER)
    try:
        found = trained(Y.astype(dtype), loss)
    except ValueError as error:
        assert dtype == "float32"
        assert "Expected" in str(error)
    else:
        assert found == pytest.approx(expected, abs=1e-5)


SIGNS = np.where(Y == 0, 1.0, -1.0)


@pytest.mark.parametrize(
    "labels",
    [(SIGNS > 0).astype("int64"), (SIGNS > 0).astype("float32"), SIGNS],
    ids=["integers 0, 1", "floats 0, 1", "floats -1, 1"],
)
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_hinge_labels_become_signs_before_they_are_mixed(labels, loss):
    network = by_hand.linear(outputs=1)
    scores = by_hand.outputs(network, by_hand.mixed(X, LAM, PARTNER))[:, 0]
    power = 2 if "squared" in loss else 1

    def hinge(signs):
        return (np.maximum(1 - signs * scores, 0) ** power).mean()

    ways = (
        hinge(by_hand.mixed(SIGNS, LAM, PARTNER)),
        by_hand.two_terms(hinge, SIGNS, LAM, PARTNER),
    )
    found = trained(labels, loss, network)
    assert min(abs(found - way) for way in ways) < 1e-5


def test_hinge_separates_what_it_separates_unmixed():
    x = np.random.default_rng(0).normal(size=(512, 5)).astype("float32")
    y = (x[:, 0] + 0.3 * x[:, 1] > 0).astype("float32")
    network = by_hand.linear(5, 1)
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=3))
    model.compile(keras.optimizers.Adam(0.03), "hinge")
    model.fit(x, y, epochs=8, batch_size=64, verbose=0)
    assert np.mean((by_hand.outputs(network, x)[:, 0] > 0) == y) > 0.95


WEIGHTS = np.random.default_rng(2).normal(size=16).astype("float32")


@pytest.mark.parametrize("form", ["integers", "rows"])
def test_negative_weights_weigh_each_part_by_its_own(form):
    labels, loss = {
        "integers": (Y, by_hand.sparse_loss()),
        "rows": (ROWS, keras.losses.CategoricalCrossentropy(from_logits=True)),
    }[form]
    own, other = (by_hand.cross_entropies(LOGITS, y) for y in (Y, Y[PARTNER]))
    expected = LAM * WEIGHTS * own + (1 - LAM) * WEIGHTS[PARTNER] * other
    found = trained(labels, loss, sample_weight=WEIGHTS)
    assert found == pytest.approx(expected.mean(), abs=1e-5)


def test_negative_weights_in_a_pipeline_are_exact_or_refused():
    try:
        _, rows, total = keras_mixup.MixUp(1.0, seed=1)((X, ROWS, WEIGHTS))
    except (ValueError, tf.errors.InvalidArgumentError) as error:
        assert "weight" in str(error)
        return
    expected = by_hand.mixed(WEIGHTS[:, None] * ROWS, LAM, PARTNER)
    np.testing.assert_allclose(total[:, None] * rows, expected, atol=1e-5)


@dataclasses.dataclass
class Weighed:
    """A loss that is an object without a hash, as data classes are."""

    factor: float

    def __call__(self, y_true, y_pred):
        return self.factor * tf.reduce_mean(tf.square(y_true - y_pred), -1)


def test_a_loss_without_a_hash():
    y = np.random.default_rng(1).normal(size=(16, 1)).astype("float32")
    network = by_hand.linear(outputs=1)
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(by_hand.still(), Weighed(3.0), metrics=["mae"])
    predicted = by_hand.outputs(network, by_hand.mixed(X, LAM, PARTNER))
    losses = [3 * np.square(predicted - one).mean() for one in (y, y[PARTNER])]
    found = model.train_on_batch(X, y)
    expected = LAM * losses[0] + (1 - LAM) * losses[1]
    assert found[0] == pytest.approx(expected, rel=1e-5)
