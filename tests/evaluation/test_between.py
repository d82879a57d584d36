"""Misses, loss and gradient norm between examples, against NumPy in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.evaluation import between
from tests import oracles
from tests.evaluation.classifiers import linear, network, softmax

GENERATOR = np.random.default_rng(4)
W = GENERATOR.normal(size=(6, 4)).astype("float32")
X_I, X_J = GENERATOR.normal(size=(2, 11, 6)).astype("float32")
Y_I, Y_J = GENERATOR.integers(0, 4, (2, 11))
KEYS = ["lam", "miss", "loss", "gradient_norm", "gradient_norm_median"]


def by_loop(lam, target="mixed"):
    """The four numbers at one weight: the gradient of CE is `W (p - y)`."""
    missed, losses, norms = [], [], []
    for x_i, y_i, x_j, y_j in zip(X_I, Y_I, X_J, Y_J, strict=True):
        logits = (lam * x_i + (1 - lam) * x_j).astype(np.float64) @ W
        predicted = logits.argmax()
        shares = [(y_i, lam), (y_j, 1 - lam)]
        if target == "predicted":
            shares = [(predicted, 1)]
        missed.append(predicted not in (y_i, y_j))
        losses.append(sum(s * oracles.cross_entropy(y, logits) for y, s in shares))
        row = sum(s * oracles.one_hot(y, 4) for y, s in shares)
        norms.append(np.linalg.norm(W @ (softmax(logits) - row)))
    return [
        lam,
        100 * np.mean(missed),
        np.mean(losses),
        np.mean(norms),
        np.median(norms),
    ]


@pytest.mark.parametrize("target", ["mixed", "predicted"])
@pytest.mark.parametrize("batch_size", [4, 11, 256])
def test_a_linear_model_in_closed_form(target, batch_size):
    lams = [0.0, 0.3, 0.5, 1.0]
    found = between(
        linear(W), X_I, Y_I, X_J, Y_J, lams, batch_size, target=target, progress=False
    )
    assert list(found) == KEYS
    expected = np.transpose([by_loop(lam, target) for lam in lams])
    assert expected[1].max() > 0
    for key, values in zip(KEYS, expected, strict=True):
        assert found[key].dtype == np.float64
        np.testing.assert_allclose(found[key], values, rtol=1e-5, err_msg=key)


def test_by_hand():
    # Class 2 lies between classes 0 and 1: lam 0.5 alone is a miss, with loss
    # log(2 + e^0.5) - 0 and slope (p, p, q) - (0.5, 0.5, 0).
    model = linear([[1.0, -1.0, 0.0]], bias=[0, 0, 0.5])
    found = between(model, [[1.0]], [0], [[-1.0]], [1], [0, 0.5, 1], progress=False)
    np.testing.assert_array_equal(found["miss"], [0, 100, 0])
    assert found["loss"][1] == pytest.approx(np.log(2 + np.exp(0.5)))
    assert found["gradient_norm"][1] == pytest.approx(0, abs=1e-6)
    # At the ends: p - y = (p0 - 1, p1, p2), times (1, -1, 0).
    p = softmax([1, -1, 0.5])
    assert found["gradient_norm"][2] == pytest.approx(1 - p[0] + p[1], rel=1e-5)


def test_the_default_weights_are_those_of_the_figure():
    x = GENERATOR.integers(0, 256, (2, 3, 6), dtype=np.uint8)
    found = between(linear(W / 99), x[0], [0, 1, 2], x[1], [3, 3, 0], progress=False)
    np.testing.assert_allclose(found["lam"], np.arange(21) / 20)
    again = between(
        linear(W / 99), *(x[1].astype("float32"), [3, 3, 0]), x[0].astype("float32"),
        [0, 1, 2], progress=False,
    )  # fmt: skip
    for key in KEYS[1:]:
        np.testing.assert_allclose(found[key], again[key][::-1], rtol=1e-4)


def test_a_network_in_inference_mode_with_logits_or_probabilities():
    model = network(6, 4)
    softened = keras.Sequential([model, keras.layers.Softmax()])
    pairs = (60 * X_I, Y_I, 60 * X_J, Y_J, [0.2, 0.7])
    found = between(model, *pairs, batch_size=4, progress=False)
    for other, from_logits in ((model, True), (softened, False)):
        again = between(other, *pairs, from_logits=from_logits, progress=False)
        for key in KEYS:
            np.testing.assert_allclose(found[key], again[key], rtol=1e-3)
    # Each pair alone, by Keras's loss.
    norms = []
    for x_i, y_i, x_j, y_j in zip(*pairs[:4], strict=True):
        x = tf.constant([0.2 * x_i + np.float32(0.8) * x_j], tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(x)
            row = [0.2 * oracles.one_hot(y_i, 4) + 0.8 * oracles.one_hot(y_j, 4)]
            loss = keras.losses.categorical_crossentropy(
                row, model(x), from_logits=True
            )
        norms.append(np.linalg.norm(tape.gradient(loss, x)))
    assert found["gradient_norm"][0] == pytest.approx(np.mean(norms), rel=1e-4)


class Counting(keras.Model):
    """A linear model that counts how often it is traced."""

    traces = 0

    def call(self, x):
        self.traces += 1
        return x @ W


def test_it_is_traced_once_and_shows_its_progress(capsys):
    model = Counting()
    between(model, X_I, Y_I, X_J, Y_J, batch_size=4, from_logits=True)
    assert model.traces == 1
    assert "63/63" in capsys.readouterr().out
    between(model, X_I, Y_I, X_J, Y_J, from_logits=True, progress=False)
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"target": "closer"}, r"`target`. Expected one of \['mixed', 'predicted'\]"),
        ({"lams": [0, 1.1]}, r"`lams`. Expected floats in \[0, 1\]"),
        ({"lams": []}, "`lams`. Expected floats in"),
        ({"lams": 0.5}, "`lams`. Expected floats in"),
        ({"lams": [np.nan]}, "`lams`. Expected floats in"),
        (
            {"batch_size": 0},
            "`batch_size`. Expected an integer >= 1. Received: batch_size=0",
        ),
        ({"x_j": X_J[:3]}, "`x_i` and `x_j`. Expected two equal shapes"),
        (
            {"x_i": X_I[:0], "x_j": X_J[:0], "y_i": Y_I[:0], "y_j": Y_J[:0]},
            "with one pair or more",
        ),
        ({"x_i": X_I.astype("float64")}, "one dtype"),
        ({"x_i": Y_I, "x_j": Y_J}, "Expected floats or uint8. Received: int64"),
        ({"y_i": Y_I[:, None]}, r"`y_i`. Expected integers of shape \(11,\)"),
        ({"y_j": Y_J.astype("float32")}, "`y_j`. Expected integers of shape"),
    ],
)
def test_wrong_arguments_are_told(changed, message):
    arguments = {"x_i": X_I, "y_i": Y_I, "x_j": X_J, "y_j": Y_J, **changed}
    with pytest.raises(ValueError, match=message):
        between(linear(W), **arguments, progress=False)


def test_labels_that_are_no_class_are_told():
    with pytest.raises(tf.errors.InvalidArgumentError, match="integers in \\[0, 4\\)"):
        between(linear(W), X_I, Y_I + 4, X_J, Y_J, progress=False)
