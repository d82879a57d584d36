"""Shapes of sample weights: none may broadcast, in the pipeline or in training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((8, 4)).astype("float32")
Y = np.arange(8) % 3
W = GENERATOR.random(8).astype("float32")
MASKS = GENERATOR.integers(0, 3, (8, 2, 2))


def mixed(y, w, **settings):
    policy = keras_mixup.MixUp(1.0, pairing="roll", seed=1, **settings)
    return policy.at_step(0, (X, y, w))[1:]


@pytest.mark.parametrize(
    ("y", "settings"),
    [
        (X[:, 0], {}),
        (X, {}),
        (Y, {"num_classes": 3}),
        (Y[:, None], {"num_classes": 3}),
        (Y, {"num_classes": 3, "ignore_class": 2}),
        (Y[:, None], {"num_classes": 3, "ignore_class": 2}),
    ],
)
def test_a_column_of_weights_is_a_vector_of_weights(y, settings):
    expected = mixed(y, W, **settings)
    found = mixed(y, W[:, None], **settings)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_array_equal(one, other)


def test_weights_of_positions_with_a_last_axis_of_one():
    weights = GENERATOR.random((8, 2, 2)).astype("float32")
    settings = {"num_classes": 3, "ignore_class": 2}
    expected = mixed(MASKS, weights, **settings)
    found = mixed(MASKS[..., None], weights[..., None], **settings)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("y", "w"), [(Y, np.ones((8, 5))), (X, np.ones((8, 4))), (MASKS, np.ones((8, 3)))]
)
def test_weights_that_would_broadcast_raise(y, w):
    with pytest.raises(ValueError, match="`sample_weight`.*would broadcast.*Received"):
        mixed(y, w, num_classes=3)


def test_targets_that_pass_have_no_weights():
    y = {"a": X, "b": X, "id": np.arange(8)}
    for weights in (W, {"a": W, "b": W}):
        y_mixed, w = mixed(y, weights, passthrough="id")
        np.testing.assert_array_equal(y_mixed["id"], np.arange(8))
        assert w["id"] is None
        np.testing.assert_array_equal(w["a"], w["b"])


def test_closer_with_a_void_class_weighs_the_labels_it_keeps():
    y, w = keras_mixup.MixUp(0.0, targets="closer", ignore_class=2)(X, Y)[1:]
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_array_equal(w, Y != 2)


@pytest.mark.parametrize("column", [False, True])
def test_in_training_as_in_plain_keras(column):
    """With nothing mixed, a column or vector of weights gives what Keras gives."""
    losses = []
    for alpha in (None, 1e-30):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        if alpha is not None:
            policy = keras_mixup.MixUp(alpha, pairing="derangement", seed=3)
            lam = keras_mixup.sample_lambda(alpha, (), seed=3)
            assert float(lam) in (0.0, 1.0)
            model = keras_mixup.MixUpModel(model, policy)
        model.compile("sgd", "mse", weighted_metrics=["mae"])
        y = X[:, :1] if column else X[:, 0]
        w = W[:, None] if column else W
        losses.append(model.train_on_batch(X, y, sample_weight=w, return_dict=True))
    for name in losses[0]:
        assert losses[1][name] == pytest.approx(losses[0][name], rel=1e-5)


def test_metrics_that_look_at_each_position():
    net = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Dense(3, "softmax")])
    x = GENERATOR.random((8, 2, 2, 3)).astype("float32")
    policy = keras_mixup.MixUp(1.0, pairing="roll", seed=1)
    model = keras_mixup.MixUpModel(net, policy)
    model.compile(
        keras.optimizers.SGD(0.0),
        "sparse_categorical_crossentropy",
        metrics=[keras.metrics.MeanIoU(3, sparse_y_pred=False), "accuracy"],
    )
    logs = model.train_on_batch(x, MASKS, return_dict=True)
    lam = float(keras_mixup.sample_lambda(1.0, (), seed=1))
    predicted = net(lam * x + (1 - lam) * np.roll(x, 1, 0)).numpy().argmax(-1)
    rolled = np.roll(MASKS, 1, 0)
    hits = lam * (predicted == MASKS) + (1 - lam) * (predicted == rolled)
    assert logs["accuracy"] == pytest.approx(hits.mean(), rel=1e-4)
    # IoU counts in whole numbers: of the heavier mask alone.
    confusion = np.zeros((3, 3))
    heavier = MASKS if lam >= 0.5 else rolled
    np.add.at(confusion, (heavier.ravel(), predicted.ravel()), 1)
    overlap = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - overlap
    assert logs["mean_io_u"] == pytest.approx(np.mean(overlap / union), rel=1e-4)


def test_unknown_ranks_are_named():
    def load(i):
        return tf.numpy_function(lambda i: np.ones(3, "float32"), [i], tf.float32)

    dataset = tf.data.Dataset.range(4).map(lambda i: (load(i), load(i))).batch(2)
    with pytest.raises(ValueError, match="Unknown rank.*set_shape"):
        dataset.map(keras_mixup.MixUp(per="example"))
