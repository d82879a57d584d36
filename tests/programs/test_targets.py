"""Regression, independent labels, one unit, and classes that are rare."""

import keras
import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

import keras_mixup
from tests.programs import by_hand

X, Y = by_hand.linear_data()
LAM, PARTNER = by_hand.draw(16)
MIXED = by_hand.mixed(X, LAM, PARTNER)


def weights_of(network):
    return [np.array(weight, "float64") for weight in network.weights]


# tests/programs/test_precision.py trains by XLA as well.
@pytest.mark.parametrize(
    "jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_one_step_of_a_regression(jit_compile):
    y = np.random.default_rng(3).normal(size=(16, 1)).astype("float32")
    network = by_hand.linear(outputs=1)
    kernel, bias = weights_of(network)
    error = MIXED @ kernel + bias - by_hand.mixed(y, LAM, PARTNER)
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(
        keras.optimizers.SGD(0.1), "mse", metrics=["mae"], jit_compile=jit_compile
    )
    found = model.fit(X, y, batch_size=16, shuffle=False, verbose=0).history
    assert found["loss"][0] == pytest.approx((error**2).mean(), abs=1e-5)
    assert found["mae"][0] == pytest.approx(np.abs(error).mean(), abs=1e-5)
    moved = kernel - 0.1 * MIXED.T @ (2 * error / 16)
    np.testing.assert_allclose(network.weights[0], moved, atol=1e-5)


TAGS = (np.random.default_rng(6).random((16, 3)) < 0.4).astype("float32")


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_independent_labels(dtype):
    network = by_hand.linear()
    kernel, bias = weights_of(network)
    p = by_hand.sigmoid(MIXED @ kernel + bias)
    rows = by_hand.mixed(TAGS, LAM, PARTNER)
    loss = -(rows * np.log(p) + (1 - rows) * np.log(1 - p)).mean()
    hits = LAM * ((p > 0.5) == TAGS) + (1 - LAM) * ((p > 0.5) == TAGS[PARTNER])
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)],
        run_eagerly=dtype != "float32",
    )
    y = TAGS.astype(dtype)
    found = model.fit(X, y, batch_size=16, shuffle=False, verbose=0).history
    assert found["loss"][0] == pytest.approx(loss, abs=1e-5)
    assert found["accuracy"][0] == pytest.approx(hits.mean(), abs=1e-5)
    moved = kernel - 0.1 * MIXED.T @ ((p - rows) / rows.size)
    np.testing.assert_allclose(network.weights[0], moved, atol=1e-5)


def test_independent_labels_in_a_pipeline():
    mixup = keras_mixup.MixUp(1.0, seed=1, jit_compile=False)
    mixed = tf.data.Dataset.from_tensors((X, TAGS)).apply(mixup)
    network = by_hand.linear(activation="sigmoid")
    kernel, bias = weights_of(network)
    p = by_hand.sigmoid(MIXED @ kernel + bias)
    hits = LAM * ((p > 0.5) == TAGS) + (1 - LAM) * ((p > 0.5) == TAGS[PARTNER])
    auc = keras.metrics.AUC(name="auc", num_thresholds=20_001)
    network.compile(
        by_hand.still(),
        "binary_crossentropy",
        metrics=[
            keras_mixup.metrics.MixedAccuracy(multi_label=True),
            keras_mixup.metrics.SoftTargets(auc),
        ],
    )
    found = network.fit(mixed, verbose=0).history
    assert found["accuracy"][0] == pytest.approx(hits.mean(), abs=1e-5)
    expected = sklearn.metrics.roc_auc_score(
        np.concatenate([TAGS, TAGS[PARTNER]]).ravel(),
        np.concatenate([p, p]).ravel(),
        sample_weight=np.repeat([LAM, 1 - LAM], TAGS.size),
    )
    assert found["auc"][0] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("shape", ["vector", "column"])
def test_one_unit(shape):
    y = (Y == 0).astype("float32")
    network = by_hand.linear(outputs=1, activation="sigmoid")
    kernel, bias = weights_of(network)
    p = by_hand.sigmoid(MIXED @ kernel + bias)[:, 0]
    rows = by_hand.mixed(y, LAM, PARTNER)
    loss = -(rows * np.log(p) + (1 - rows) * np.log(1 - p)).mean()
    hits = LAM * ((p > 0.5) == y) + (1 - LAM) * ((p > 0.5) == y[PARTNER])
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    how = by_hand.EAGER if shape == "column" else {}
    model.compile(by_hand.still(), "binary_crossentropy", metrics=["accuracy"], **how)
    given = y if shape == "vector" else y[:, None]
    found = model.fit(X, given, batch_size=16, shuffle=False, verbose=0).history
    assert found["loss"][0] == pytest.approx(loss, abs=1e-5)
    assert found["accuracy"][0] == pytest.approx(hits.mean(), abs=1e-5)


RARE = {0: 1.0, 1: 4.0, 2: 9.0}


@pytest.mark.parametrize("form", ["integers", "rows"])
def test_rare_classes_with_class_weight(form):
    labels, loss = {
        "integers": (Y, by_hand.sparse_loss()),
        "rows": (
            np.eye(3, dtype="float32")[Y],
            keras.losses.CategoricalCrossentropy(from_logits=True),
        ),
    }[form]
    network = by_hand.linear()
    kernel, bias = weights_of(network)
    logits = MIXED @ kernel + bias
    w = np.array([RARE[label] for label in Y])
    own, other = (by_hand.cross_entropies(logits, y) for y in (Y, Y[PARTNER]))
    expected = (LAM * w * own + (1 - LAM) * w[PARTNER] * other).mean()
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    found = model.fit(
        X, labels, batch_size=16, class_weight=RARE, shuffle=False, verbose=0
    ).history
    assert found["loss"][0] == pytest.approx(expected, abs=1e-5)
    # Accuracy of `metrics` is unweighted, as in Keras.
    own, other = (by_hand.hits(logits, y) for y in (Y, Y[PARTNER]))
    accuracy = (LAM * own + (1 - LAM) * other).mean()
    assert found["accuracy"][0] == pytest.approx(accuracy, abs=1e-5)
    hot = np.eye(3)
    p = by_hand.softmax(logits)
    gradient = LAM * w[:, None] * (p - hot[Y])
    gradient += (1 - LAM) * w[PARTNER][:, None] * (p - hot[Y[PARTNER]])
    moved = kernel - 0.1 * MIXED.T @ gradient / 16
    np.testing.assert_allclose(network.weights[0], moved, atol=1e-4)
