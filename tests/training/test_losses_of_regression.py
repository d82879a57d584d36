"""Losses and metrics of a mixed regression, against NumPy on the same pairs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup

XLA = pytest.mark.parametrize(
    "jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)]
)
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(16, 4)).astype("float32")
Y = (X @ GENERATOR.normal(size=(4, 2)) * 3 + 5).astype("float32")
LAM = float(keras_mixup.sample_lambda(1.0, (), seed=3, step=0))


def pinball(y, predicted):
    error = y - predicted
    return tf.reduce_mean(tf.maximum(0.9 * error, -0.1 * error), axis=-1)


class Pinball(keras.losses.Loss):
    def call(self, y, predicted):
        return pinball(y, predicted)


def huber(y, p):
    error = np.abs(y - p)
    return np.where(error <= 1, error**2 / 2, error - 0.5)


# Keras's loss, the same by NumPy, and how often it is called by default.
LOSSES = {
    "mean_absolute_error": ("mae", lambda y, p: np.abs(y - p), 1),
    "huber": (keras.losses.Huber(), huber, 1),
    "log_cosh": (keras.losses.LogCosh(), lambda y, p: np.log(np.cosh(p - y)), 1),
    "percentage": ("mape", lambda y, p: 100 * np.abs((y - p) / y), 1),
    "function": (pinball, lambda y, p: np.maximum(0.9 * (y - p), 0.1 * (p - y)), 2),
    "class": (Pinball(), lambda y, p: np.maximum(0.9 * (y - p), 0.1 * (p - y)), 2),
}


def mix(values):
    return LAM * values + (1 - LAM) * values[::-1]


@pytest.mark.parametrize("mix_losses", [None, True, False])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_of_the_mixed_target_or_mixed_itself(name, mix_losses):
    loss, by_numpy, calls = LOSSES[name]
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    policy = keras_mixup.MixUp(1.0, seed=3, pairing="reverse")
    model = keras_mixup.MixUpModel(network, policy, mix_losses=mix_losses)
    metrics = [keras.metrics.RootMeanSquaredError(name="rmse")]
    metrics += [keras.metrics.R2Score(name="r2"), "mae"]
    model.compile(keras.optimizers.SGD(0.0), loss, metrics=metrics, run_eagerly=True)
    logs = model.train_on_batch(X, Y, return_dict=True)
    predicted, y = network(mix(X)).numpy(), mix(Y)
    once = by_numpy(y, predicted).mean()
    twice = LAM * by_numpy(Y, predicted) + (1 - LAM) * by_numpy(Y[::-1], predicted)
    averaged = calls == 1 if mix_losses is None else not mix_losses
    assert abs(once - twice.mean()) > 1e-3
    expected = once if averaged else twice.mean()
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    squares = (y - predicted) ** 2
    spread = ((y - y.mean(0)) ** 2).sum(0)
    assert logs["rmse"] == pytest.approx(np.sqrt(squares.mean()), rel=1e-4)
    assert logs["r2"] == pytest.approx((1 - squares.sum(0) / spread).mean(), rel=1e-3)
    assert logs["mae"] == pytest.approx(np.abs(y - predicted).mean(), rel=1e-4)


def test_a_function_without_a_module_is_a_loss_and_a_metric():
    names = {}
    exec("def error(y, predicted): return abs(y - predicted)[:, 0]", names)
    assert names["error"].__module__ is None
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    policy = keras_mixup.MixUp(1.0, seed=3, pairing="reverse")
    model = keras_mixup.MixUpModel(network, policy, mix_losses=False)
    model.compile("sgd", names["error"], metrics=[names["error"]], run_eagerly=True)
    expected = np.abs(mix(Y) - network(mix(X)).numpy())[:, 0].mean()
    logs = model.train_on_batch(X, Y, return_dict=True)
    assert logs == pytest.approx({"loss": expected, "error": expected}, rel=1e-4)


CLASSES = {
    "0 and 1": np.arange(16) % 2,
    "-1 and 1": np.arange(16) % 2 * 2.0 - 1,
    "one-hot": np.eye(2)[np.arange(16) % 2],
    "soft rows": np.stack([np.linspace(0, 1, 16), np.linspace(1, 0, 16)], axis=-1),
}


def with_clean_accuracy(y, jit_compile):
    units = y.shape[1] if y.ndim > 1 else 1
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(), clean_accuracy=True)
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=jit_compile)
    predicted = network.predict(X, verbose=0)
    found = model.train_on_batch(X, y.astype("float32"), return_dict=True)
    return predicted, found["clean_accuracy"]


@XLA
@pytest.mark.parametrize("name", CLASSES)
def test_clean_accuracy_of_a_squared_error_is_of_classes(name, jit_compile):
    y = CLASSES[name]
    predicted, found = with_clean_accuracy(y, jit_compile)
    if y.ndim == 1:
        right = (predicted[:, 0] > 0.5) == (y > 0.5)
    else:
        right = predicted.argmax(-1) == y.argmax(-1)
    np.testing.assert_allclose(found, right.mean(), rtol=1e-6)


@XLA
@pytest.mark.parametrize("y", [Y[:, 0], Y, np.arange(16)], ids=["one", "two", "counts"])
def test_clean_accuracy_of_quantities_is_refused_or_is_no_number(y, jit_compile):
    if jit_compile:
        assert np.isnan(with_clean_accuracy(y, jit_compile)[1])
        return
    with pytest.raises(tf.errors.InvalidArgumentError, match="is of classes"):
        with_clean_accuracy(y, jit_compile)


def quantiles(y, predicted):
    """The pinball losses of three quantiles of one target."""
    error, q = y - predicted, tf.constant([0.1, 0.5, 0.9])
    return tf.reduce_mean(tf.maximum(q * error, (q - 1) * error), -1)


def quantiles_by_numpy(y, predicted):
    error, q = y - predicted, np.array([0.1, 0.5, 0.9])
    return np.maximum(q * error, (q - 1) * error).mean(-1)


@pytest.mark.parametrize("per", ["batch", "example"])
def test_a_loss_of_several_units_has_the_mixed_target_where_it_is_asked_for(per):
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    policy = keras_mixup.MixUp(1.0, seed=3, pairing="reverse", per=per)
    shape = () if per == "batch" else (16,)
    lam = keras_mixup.sample_lambda(1.0, shape, seed=3, step=0).numpy()[..., None]
    y = Y[:, :1]
    mixed, mixed_y = (lam * one + (1 - lam) * one[::-1] for one in (X, y))
    predicted = network(mixed).numpy()
    terms = [quantiles_by_numpy(one, predicted) for one in (y, y[::-1])]
    lam = lam[..., 0]
    twice = np.mean(lam * terms[0] + (1 - lam) * terms[1])
    once = quantiles_by_numpy(mixed_y, predicted).mean()
    assert abs(once - twice) > 1e-3
    for mix_losses, expected in ((None, twice), (True, twice), (False, once)):
        model = keras_mixup.MixUpModel(network, policy, mix_losses=mix_losses)
        model.compile(keras.optimizers.SGD(0.0), quantiles)
        loss = model.train_on_batch(X, y, return_dict=True)["loss"]
        assert loss == pytest.approx(expected, rel=1e-5)


def two_outputs():
    inputs = keras.Input((4,))
    heads = {
        "kind": keras.layers.Dense(3, "softmax", name="kind")(inputs),
        "places": keras.layers.Dense(2, name="places")(inputs),
    }
    return keras.Model(inputs, heads)


@XLA
def test_quantities_are_never_smoothed(jit_compile):
    rows = np.eye(3, dtype="float32")[np.arange(16) % 3]
    losses = {"kind": "categorical_crossentropy", "places": "mae"}
    settings = {"label_smoothing": 0.1, "seed": 3, "pairing": "reverse"}
    model = keras_mixup.MixUpModel(two_outputs(), keras_mixup.MixUp(1.0, **settings))
    model.compile(keras.optimizers.SGD(0.0), losses, jit_compile=jit_compile)
    if jit_compile:
        logs = model.train_on_batch(X, {"kind": rows, "places": Y}, return_dict=True)
        assert np.isnan(logs["places_loss"])
    else:
        with pytest.raises(tf.errors.InvalidArgumentError, match="one of n classes"):
            model.train_on_batch(X, {"kind": rows, "places": Y})
    network = two_outputs()
    policy = keras_mixup.MixUp(1.0, num_classes={"kind": 3}, **settings)
    model = keras_mixup.MixUpModel(network, policy)
    model.compile(keras.optimizers.SGD(0.0), losses, jit_compile=jit_compile)
    logs = model.train_on_batch(X, {"kind": rows, "places": Y}, return_dict=True)
    said = {name: one.numpy() for name, one in network(mix(X)).items()}
    expected = np.abs(mix(Y) - said["places"]).mean()
    assert logs["places_loss"] == pytest.approx(expected, rel=1e-5)
    smooth = 0.9 * mix(rows) + 0.1 / 3
    expected = -(smooth * np.log(said["kind"])).sum(-1).mean()
    assert logs["kind_loss"] == pytest.approx(expected, rel=1e-5)


def test_quantities_of_a_loss_of_ones_own_are_not_smoothed_either():
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    policy = keras_mixup.MixUp(1.0, label_smoothing=0.1, seed=3)
    model = keras_mixup.MixUpModel(network, policy)
    model.compile(keras.optimizers.SGD(0.0), pinball)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one of n classes"):
        model.train_on_batch(X, Y)


@XLA
@pytest.mark.parametrize("mix_losses", [None, True])
def test_holes_of_weight_zero_leave_no_trace(mix_losses, jit_compile):
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    policy = keras_mixup.MixUp(1.0, seed=3, pairing="reverse")
    weight = np.ones(16, "float32")
    # The first two and their partners; and one whose partner has a weight.
    weight[[0, 15, 1, 14, 5]] = 0
    holes = np.where(weight[:, None] == 0, np.nan, Y)
    found = []
    for y in (holes, np.nan_to_num(holes)):
        model = keras_mixup.MixUpModel(network, policy, mix_losses=mix_losses)
        model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=jit_compile)
        logs = model.train_on_batch(X, y, sample_weight=weight, return_dict=True)
        found.append(logs["loss"])
    assert np.isfinite(found[0]) and found[0] == pytest.approx(found[1], rel=1e-6)
    predicted, total = network(mix(X)).numpy(), 0.0
    for lam, y, w in ((LAM, Y, weight), (1 - LAM, Y[::-1], weight[::-1])):
        total += lam * w * ((y - predicted) ** 2).mean(-1)
    if mix_losses:
        assert found[0] == pytest.approx(total.sum() / 16, rel=1e-4)
    _, y, mixed_weight = policy(X, holes, weight)
    assert np.isfinite(y).all()
    np.testing.assert_allclose(mixed_weight, mix(weight), rtol=1e-5)
