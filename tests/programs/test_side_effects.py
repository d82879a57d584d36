"""Losses, states and metrics of a network itself: once a step, as in Keras."""

import keras
import numpy as np
import pytest

import keras_mixup
from tests.programs import by_hand

SIZE, STEPS = 8, 5
RNG = np.random.default_rng(0)
SENTENCES = RNG.normal(size=(SIZE, STEPS, 3)).astype("float32")
SENTENCES[:, 3:] = -1.0
TAGS = RNG.integers(0, 3, (SIZE, STEPS))
X, Y = by_hand.linear_data()


class Watching(keras.layers.Layer):
    """Adds a loss, counts its calls and shows a mean of what it sees."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True
        self.seen = keras.metrics.Mean(name="seen")
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, inputs):
        self.add_loss(keras.ops.mean(inputs**2))
        self.calls.assign_add(1.0)
        self.seen.update_state(keras.ops.cast(self.calls.value, "float32"))
        return inputs


def tagger():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((STEPS, 3))
    h = keras.layers.Masking(-1.0)(inputs)
    h = keras.layers.Dense(4, activity_regularizer="l2")(h)
    return keras.Model(inputs, keras.layers.Dense(3)(Watching()(h)))


def classifier():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(3)(Watching()(inputs)))


def trained(model, network, x, y, **compiled):
    model.compile(keras.optimizers.SGD(0.1), by_hand.sparse_loss(), **compiled)
    history = model.fit(x, y, batch_size=SIZE, epochs=2, shuffle=False, verbose=0)
    history = history.history
    calls = float(network.layers[-2].calls.numpy())
    return [*history["loss"], *history["seen"], calls]


@pytest.mark.parametrize(
    "mode",
    [
        {"run_eagerly": True},
        {},
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.parametrize("case", ["a mask", "clean accuracy"])
def test_a_second_pass_leaves_nothing_behind(case, mode):
    make, x, y = (classifier, X, Y) if case != "a mask" else (tagger, SENTENCES, TAGS)
    plain, network = make(), make()
    expected = trained(plain, plain, x, y, **mode)
    model = keras_mixup.MixUpModel(
        network,
        keras_mixup.MixUp(by_hand.nothing_mixed(), seed=1),
        clean_accuracy=case != "a mask",
    )
    found = trained(model, network, x, y, **mode)
    assert found == pytest.approx(expected, abs=1e-4)


class Showing(keras.Model):
    """A network that keeps a metric of its own."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)
        self.size = keras.metrics.Mean(name="size")

    def call(self, inputs):
        outputs = self.dense(inputs)
        self.size.update_state(keras.ops.mean(outputs**2))
        return outputs


@pytest.mark.parametrize("compiled_before", [False, True])
def test_metrics_that_a_network_keeps_are_shown_and_reset(compiled_before):
    shown = []
    for mixed in (False, True):
        keras.utils.set_random_seed(1)
        model = network = Showing()
        if mixed:
            if compiled_before:
                network.compile("sgd", "mse", metrics=["mae"])
            model = keras_mixup.MixUpModel(
                network, keras_mixup.MixUp(by_hand.nothing_mixed(), seed=1)
            )
        model.compile(keras.optimizers.SGD(0.1), by_hand.sparse_loss())
        history = model.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        evaluated = model.evaluate(X, Y, verbose=0, return_dict=True)
        shown.append({**history.history, "evaluated": evaluated})
    assert shown[1].keys() == shown[0].keys()
    assert shown[1]["evaluated"] == pytest.approx(shown[0]["evaluated"], abs=1e-5)
    assert shown[1]["size"] == pytest.approx(shown[0]["size"], abs=1e-5)


@pytest.mark.parametrize(
    "name", ["metrics", "get_metrics_result", "losses", "trainable_weights"]
)
def test_what_a_network_says_of_itself_otherwise_is_refused(name):
    own = property(lambda self: []) if name != "get_metrics_result" else lambda self: {}
    network = type("Own", (Showing,), {name: own})()
    with pytest.raises(ValueError, match=f"has its own {name}"):
        keras_mixup.MixUpModel(network, keras_mixup.MixUp())


def two_heads():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    h = keras.layers.Dense(4, activation="tanh")(inputs)
    heads = {
        "a": keras.layers.Dense(3, name="a")(h),
        "b": keras.layers.Dense(2, name="b")(h),
    }
    return keras.Model(inputs, heads)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_rows_for_an_output_without_a_loss():
    values = RNG.normal(size=(16, 2)).astype("float32")
    lam, partner = by_hand.draw(16)
    network = two_heads()
    mixed = by_hand.mixed(X, lam, partner).astype("float32")
    predictions = by_hand.outputs(network, mixed)["b"]
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(by_hand.still(), {"b": "mae"})
    y = {"a": np.eye(3, dtype="float32")[Y], "b": values}
    found = model.train_on_batch(X, y, return_dict=True)["loss"]
    expected = np.abs(predictions - by_hand.mixed(values, lam, partner)).mean()
    assert float(found) == pytest.approx(expected, abs=1e-5)


def test_rows_where_the_network_adds_all_losses_itself():
    lam, partner = by_hand.draw(16)
    network = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(3, use_bias=False), Watching()]
    )
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(by_hand.still())
    found = model.train_on_batch(X, np.eye(3, dtype="float32")[Y], return_dict=True)
    outputs = by_hand.mixed(X, lam, partner) @ network.get_weights()[0]
    assert float(found["loss"]) == pytest.approx(np.mean(outputs**2), abs=1e-5)
