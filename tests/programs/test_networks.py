"""Networks with steps, losses and calls of their own: honored, or refused at once."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests.programs import by_hand

X, Y = by_hand.linear_data()


class Own(keras.Model):
    """A network of one dense layer, to be given a will of its own."""

    def __init__(self):
        super().__init__()
        self.student = keras.layers.Dense(3)

    def call(self, x):
        return self.student(x)


class OwnLoss(Own):
    """Adds a term, as distillation does."""

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        return super().compute_loss(x, y, y_pred, sample_weight, training) + 1000.0


class OwnTrainStep(Own):
    """Shows a number of its own."""

    def train_step(self, data):
        return {**super().train_step(data), "loss": tf.constant(7.0)}


class OwnTestStep(Own):
    """Shows another number in evaluation."""

    def test_step(self, data):
        return {**super().test_step(data), "loss": tf.constant(8.0)}


class OwnMetrics(Own):
    """Computes a metric by itself."""

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        results = super().compute_metrics(x, y, y_pred, sample_weight)
        return {**results, "own": tf.constant(9.0)}


def shown(model):
    """What one step of training and one of evaluation show."""
    model.compile(by_hand.still(), by_hand.sparse_loss())
    return model.train_on_batch(X, Y, return_dict=True), model.test_on_batch(
        X, Y, return_dict=True
    )


@pytest.mark.parametrize(
    ("network", "method"),
    [
        (OwnLoss, "compute_loss"),
        (OwnTrainStep, "train_step"),
        (OwnTestStep, "test_step"),
        (OwnMetrics, "compute_metrics"),
    ],
)
@pytest.mark.parametrize("alpha", ["0", "schedule"])
def test_what_a_network_overrides_is_honored_or_refused(network, method, alpha):
    keras.utils.set_random_seed(1)
    expected = shown(network())
    keras.utils.set_random_seed(1)
    mixup = keras_mixup.MixUp(0.0 if alpha == "0" else by_hand.nothing_mixed())
    try:
        model = keras_mixup.MixUpModel(network(), mixup)
    except ValueError as error:
        assert method in str(error)
        return
    for found, wanted in zip(shown(model), expected, strict=True):
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            assert float(found[name]) == pytest.approx(float(value), abs=1e-4), name


class Scaled(keras.Model):
    """A functional network whose own call scales the logits."""

    def call(self, inputs, training=None, mask=None):
        return 10.0 * super().call(inputs, training=training)


@pytest.mark.parametrize("place", ["input", "h"])
def test_training_runs_the_call_that_evaluation_runs(place):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(4, "relu", name="h")(inputs)
    network = Scaled(inputs, keras.layers.Dense(3)(hidden))
    mixup = keras_mixup.MixUp(by_hand.nothing_mixed(), seed=1)
    try:
        model = keras_mixup.MixUpModel(network, mixup, mix_at=place)
    except ValueError as error:
        assert place == "h"
        assert "call" in str(error)
        return
    model.compile(by_hand.still(), by_hand.sparse_loss())
    logits = by_hand.outputs(network, X)
    expected = by_hand.cross_entropies(logits, Y).mean()
    assert float(model.train_on_batch(X, Y)) == pytest.approx(expected, rel=1e-5)
    assert float(model.test_on_batch(X, Y)) == pytest.approx(expected, rel=1e-5)


class WithPoint(keras.Model):
    """Mixes between two dense layers; `around` wraps the call."""

    def __init__(self, around):
        super().__init__()
        self.first = keras.layers.Dense(8, "relu")
        self.point = keras_mixup.layers.MixFeatures(name="point")
        self.last = keras.layers.Dense(3)
        self.whole = around(lambda x: self.last(self.point(self.first(x))))

    def build(self, shape):
        self.first.build(shape)
        self.last.build((None, 8))

    def call(self, x):
        return self.whole(x)


@pytest.mark.parametrize("form", ["plain", "function", "recomputed"])
def test_a_point_mixes_whatever_the_call_is_wrapped_in(form):
    around = {
        "plain": lambda call: call,
        "function": tf.function,
        "recomputed": tf.recompute_grad,
    }[form]
    keras.utils.set_random_seed(1)
    network = WithPoint(around)
    # A first call leaves a trace in which nothing is mixed.
    network(X[:2])
    model = keras_mixup.MixUpModel(
        network, keras_mixup.MixUp(1.0, seed=1), mix_at="point"
    )
    model.compile(by_hand.still(), by_hand.sparse_loss())
    lam, partner = by_hand.draw(16)
    kernel, bias = (np.asarray(v) for v in network.first.weights)
    hidden = by_hand.mixed(np.maximum(X @ kernel + bias, 0), lam, partner)
    kernel, bias = (np.asarray(v) for v in network.last.weights)
    logits = hidden @ kernel + bias
    own, other = (by_hand.cross_entropies(logits, y) for y in (Y, Y[partner]))
    expected = (lam * own + (1 - lam) * other).mean()
    try:
        found = float(model.train_on_batch(X, Y))
    except ValueError as error:
        assert form == "function"
        assert "tf.function" in str(error)
    else:
        assert found == pytest.approx(expected, rel=1e-5)


def test_a_subclassed_network_in_mixed_float16_gets_keras_loss_scaling():
    keras.config.set_dtype_policy("mixed_float16")
    plain, mixed = Own(), keras_mixup.MixUpModel(Own(), keras_mixup.MixUp(1.0, seed=1))
    for model in (plain, mixed):
        model.compile("sgd", by_hand.sparse_loss())
        model.fit(X, Y, batch_size=16, verbose=0)
    assert isinstance(plain.optimizer, keras.optimizers.LossScaleOptimizer)
    assert isinstance(mixed.optimizer, keras.optimizers.LossScaleOptimizer)
