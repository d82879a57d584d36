"""Metrics that users compile: one rule for strings, classes, functions and losses."""

import functools

import keras
import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

import keras_mixup
from tests.programs import by_hand

X, Y = by_hand.linear_data()
LAM, PARTNER = by_hand.draw(16)
LOGITS = by_hand.outputs(by_hand.linear(), by_hand.mixed(X, LAM, PARTNER))


def shown(network, y, loss, mixup=None, compiled=None, **kwargs):
    """What one mixed step shows."""
    mixup = keras_mixup.MixUp(1.0, seed=1) if mixup is None else mixup
    model = keras_mixup.MixUpModel(network, mixup, **kwargs)
    model.compile(by_hand.still(), loss, **(compiled or {}))
    history = model.fit(X, y, batch_size=16, shuffle=False, verbose=0).history
    return {name: values[0] for name, values in history.items()}


def own_mae(y_true, y_pred):
    return tf.reduce_mean(tf.abs(tf.cast(y_true, y_pred.dtype) - y_pred), -1)


def maes():
    """Five ways to say the same. Each call makes a metric, since it keeps state."""
    return [
        "mae",
        keras.metrics.MeanAbsoluteError(name="of_class"),
        own_mae,
        keras.losses.mean_absolute_error,
        keras.losses.MeanAbsoluteError(name="of_loss"),
    ]


def test_a_regression_is_measured_against_the_mixed_target_however_it_is_named():
    y = np.random.default_rng(3).normal(size=(16, 1)).astype("float32")
    predictions = by_hand.outputs(
        by_hand.linear(outputs=1), by_hand.mixed(X, LAM, PARTNER)
    )
    expected = np.abs(predictions - by_hand.mixed(y, LAM, PARTNER)).mean()
    found = shown(by_hand.linear(outputs=1), y, "mse", compiled={"metrics": maes()})
    del found["loss"]
    assert len(found) == 5
    assert list(found.values()) == pytest.approx([expected] * 5, abs=1e-5)


def own_hits(y_true, y_pred):
    classes = tf.cast(tf.reshape(y_true, [-1]), tf.int64)
    return tf.cast(tf.argmax(y_pred, -1) == classes, tf.float32)


def test_classes_are_measured_against_each_clean_target():
    own, other = (by_hand.hits(LOGITS, y) for y in (Y, Y[PARTNER]))
    expected = (LAM * own + (1 - LAM) * other).mean()
    metrics = [
        "accuracy",
        keras.metrics.SparseCategoricalAccuracy(name="of_class"),
        own_hits,
        keras.metrics.sparse_categorical_accuracy,
    ]
    found = shown(
        by_hand.linear(), Y, by_hand.sparse_loss(), compiled={"metrics": metrics}
    )
    del found["loss"]
    assert list(found.values()) == pytest.approx([expected] * 4, abs=1e-6)


def test_auc_of_one_unit_is_that_of_scikit_learn():
    y = (Y == 0).astype("float32")
    network = by_hand.linear(outputs=1, activation="sigmoid")
    p = by_hand.outputs(network, by_hand.mixed(X, LAM, PARTNER))[:, 0]
    shares = np.repeat([LAM, 1 - LAM], 16)
    labels = np.concatenate([y, y[PARTNER]])
    expected = sklearn.metrics.roc_auc_score(
        labels, np.tile(p, 2), sample_weight=shares
    )
    auc = keras.metrics.AUC(num_thresholds=20_001, name="auc")
    found = shown(network, y, "binary_crossentropy", compiled={"metrics": [auc]})
    assert found["auc"] == pytest.approx(expected, abs=1e-3)


def test_positions_of_weight_zero_do_not_count_in_weighted_iou():
    x = np.eye(3, dtype="float32")[np.random.default_rng(0).integers(0, 3, (4, 6))]
    y, w = x.argmax(-1), np.ones((4, 6), "float32")
    y[:, 3:], w[:, 3:] = (y[:, 3:] + 1) % 3, 0
    inputs = keras.Input((6, 3))
    dense = keras.layers.Dense(3, use_bias=False, kernel_initializer="identity")
    mixup = keras_mixup.MixUp(by_hand.nothing_mixed(), seed=1)
    model = keras_mixup.MixUpModel(keras.Model(inputs, dense(inputs)), mixup)
    iou = keras.metrics.MeanIoU(3, sparse_y_pred=False, name="iou")
    model.compile(by_hand.still(), by_hand.sparse_loss(), weighted_metrics=[iou])
    found = model.train_on_batch(x, y, sample_weight=w, return_dict=True)
    # Where the weight is not zero every prediction is right.
    assert float(found["iou"]) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("alpha", ["0", "mixed"])
def test_a_loss_object_among_the_metrics(alpha):
    own, other = (by_hand.cross_entropies(LOGITS, y) for y in (Y, Y[PARTNER]))
    expected = (LAM * own + (1 - LAM) * other).mean()
    if alpha == "0":
        logits = by_hand.outputs(by_hand.linear(), X)
        expected = by_hand.cross_entropies(logits, Y).mean()
    loss = by_hand.sparse_loss()
    mixup = keras_mixup.MixUp(0.0 if alpha == "0" else 1.0, seed=1)
    compiled = {"metrics": [loss]} | (by_hand.EAGER if alpha == "0" else {})
    found = shown(by_hand.linear(), Y, loss, mixup, compiled)
    assert sorted(found.values()) == pytest.approx([expected] * 2, abs=1e-5)


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [("perfect", 0.925), ("all wrong", 0.075), ("all 0", 0.425)],
)
def test_mixed_accuracy_of_one_unit(predicted, expected):
    y = np.array([[0.0], [1.0], [0.3], [1.0]], "float32")
    p = {"perfect": y, "all wrong": 1 - y, "all 0": 0 * y}[predicted]
    network = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    network.compile(loss="mse", metrics=[keras_mixup.metrics.MixedAccuracy()])
    found = network.evaluate(p, y, return_dict=True, verbose=0)["accuracy"]
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("weights", ["class_weight", "sample_weight"])
def test_clean_accuracy_is_unweighted_as_accuracy_is(weights):
    x, y = np.eye(3, dtype="float32")[[0, 0, 1, 2]], np.array([0, 1, 2, 2])
    keras.utils.set_random_seed(1)
    network = by_hand.linear(3, kernel_initializer="identity")
    mixup = keras_mixup.MixUp(by_hand.nothing_mixed(), seed=1)
    model = keras_mixup.MixUpModel(network, mixup, clean_accuracy=True)
    how = by_hand.EAGER if weights == "class_weight" else {}
    model.compile(by_hand.still(), by_hand.sparse_loss(), metrics=["accuracy"], **how)
    given = {
        "class_weight": {0: 1.0, 1: 9.0, 2: 1.0},
        "sample_weight": np.array([1.0, 9.0, 1.0, 1.0]),
    }[weights]
    found = model.train_on_batch(x, y, return_dict=True, **{weights: given})
    # The argmax of ones of the identity: the first and the last are right.
    assert float(found["accuracy"]) == pytest.approx(0.5)
    assert float(found["clean_accuracy"]) == pytest.approx(0.5)


def test_a_metric_of_the_users_own_name_stays():
    own = keras.metrics.SparseCategoricalAccuracy(name="clean_accuracy")
    model = keras_mixup.MixUpModel(by_hand.linear(), keras_mixup.MixUp(1.0, seed=1))
    model.compile(by_hand.still(), by_hand.sparse_loss(), metrics=[own])
    assert "clean_accuracy" in model.train_on_batch(X, Y, return_dict=True)
    model.reset_metrics()  # Which only newer versions of Keras do here themselves.
    found = model.test_on_batch(X, Y, return_dict=True)
    logits = by_hand.outputs(by_hand.linear(), X)
    assert found["clean_accuracy"] == pytest.approx(by_hand.hits(logits, Y).mean())


def test_metrics_of_outputs_of_one_number_an_example():
    y = np.random.default_rng(3).normal(size=16).astype("float32")
    keras.utils.set_random_seed(1)
    network = keras.Sequential([*by_hand.linear(outputs=1).layers])
    network.add(keras.layers.Reshape(()))
    p = by_hand.outputs(network, by_hand.mixed(X, LAM, PARTNER).astype("float32"))
    assert p.shape == (16,)
    expected = np.abs(p - by_hand.mixed(y, LAM, PARTNER)).mean()
    found = shown(network, y, "mae", compiled={"metrics": ["mae"]})
    assert found["mae"] == pytest.approx(expected, abs=1e-5)
    assert found["loss"] == pytest.approx(expected, abs=1e-5)


def of_function(y_true, y_pred):
    return keras.losses.binary_crossentropy(y_true, y_pred, from_logits=True)


@pytest.mark.parametrize(
    ("loss", "activation", "threshold", "least"),
    [
        ("binary_crossentropy", "sigmoid", 0.5, 0),
        (keras.losses.BinaryCrossentropy(from_logits=True), None, 0, 0),
        (
            functools.partial(keras.losses.binary_crossentropy, from_logits=True),
            None,
            0,
            0,
        ),
        (of_function, None, 0, 0),
        ("mse", None, 0.5, 0),
        ("hinge", None, 0, -1),
        ("squared_hinge", "tanh", 0, 0),
        # Keras cuts what is no probability: its 1/2 is what was trained.
        ("binary_crossentropy", None, 0.5, 0),
    ],
)
def test_clean_accuracy_of_one_unit_knows_what_the_unit_says(
    loss, activation, threshold, least
):
    keras.utils.set_random_seed(0)
    inputs = keras.Input(X.shape[1:])
    network = keras.Model(inputs, keras.layers.Dense(1, activation=activation)(inputs))
    network.layers[-1].bias.assign([0.25])
    positive = np.arange(16) % 3 == 0
    y = np.where(positive, 1, least)
    found = shown(network, y, loss, None, by_hand.EAGER, clean_accuracy=True)
    scores = by_hand.outputs(network, X)[:, 0]
    assert np.any((scores > 0) & (scores < 0.5))
    expected = np.mean((scores > threshold) == positive)
    assert found["clean_accuracy"] == pytest.approx(expected)


def test_clean_accuracy_of_one_unit_asks_where_nothing_says_what_it_is():
    inputs = keras.Input(X.shape[1:])
    half = keras.layers.Rescaling(0.5)(keras.layers.Dense(1)(inputs))
    network = keras.Model(inputs, half)
    with pytest.raises(ValueError, match="a logit or of a probability.*of_function"):
        shown(network, np.arange(16) % 2, of_function, clean_accuracy=True)
