"""Exports of each task, served by TensorFlow alone, against sums of predictions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import export_saved_model
from tests.served_models import serve, sigmoid, softmax

ROWS = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")


def trained(network, loss, x, y, **options):
    """The network in a MixUpModel after one epoch."""
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(0.4, seed=1))
    optimizer = options.pop("optimizer", "sgd")
    # One step takes less time in Python than its graph takes to trace.
    model.compile(optimizer, loss, run_eagerly=True, **options)
    model.fit(x, y, verbose=0)
    return model


def answers_of(model, x):
    """What `predict` gives, without the graph that it traces."""
    return keras.tree.map_structure(np.asarray, model(x, training=False))


def dense(units, activation=None):
    return keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(units, activation=activation)]
    )


def test_independent_labels_are_served_as_sigmoids(tmp_path):
    y = (ROWS[:, :3] > 0).astype("float32")
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model = trained(dense(3), loss, ROWS, y)
    path = export_saved_model(model, tmp_path / "1", labels=["red", "wet", "old"])
    served = serve(path, inputs=ROWS)
    expected = sigmoid(answers_of(model, ROWS).astype("float64"))
    np.testing.assert_allclose(served["probabilities"], expected, rtol=1e-5)
    np.testing.assert_array_equal(served["present"], expected > 0.5)
    assert 0 < served["present"].mean() < 1
    assert served["names"].tolist() == [[b"red", b"wet", b"old"]] * 6
    card = (path / "model_card.md").read_text(encoding="utf-8")
    assert "- Labels (3): red, wet, old\n" in card
    assert "A multi-label classifier exported" in card


@pytest.mark.parametrize("shape", [(1,), (2,), ()])
def test_a_regression_is_served_as_its_value(tmp_path, shape):
    network = dense(max(shape, default=1))
    if not shape:
        network.add(keras.layers.Reshape(()))
    y = ROWS.sum(1).reshape(6, *[1] * len(shape)) + np.zeros((6, *shape)) + 100
    model = trained(network, "mse", ROWS, y, optimizer=keras.optimizers.Adam(0.5))
    path = export_saved_model(model, tmp_path / "1")
    served = serve(path, inputs=ROWS)
    assert list(served) == ["value"]
    np.testing.assert_allclose(served["value"], answers_of(model, ROWS), rtol=1e-6)
    assert "calibration" not in (path / "model_card.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_segmentation_is_served_as_its_map(tmp_path, channels):
    keras.utils.set_random_seed(2)
    images = np.random.default_rng(1).normal(size=(4, 6, 6, 3)).astype("float32")
    layers = [keras.Input((6, 6, 3)), keras.layers.Conv2D(channels, 3, padding="same")]
    y = np.random.default_rng(2).integers(0, max(channels, 2), (4, 6, 6, 1))
    losses = keras.losses
    loss = (
        losses.SparseCategoricalCrossentropy(from_logits=True)
        if channels > 1
        else losses.BinaryCrossentropy(from_logits=True)
    )
    y = y if channels > 1 else y.astype("float32")
    model = trained(keras.Sequential(layers), loss, images, y)
    path = export_saved_model(
        model, tmp_path / "1", labels=["sky", "sea", "land"][: max(channels, 2)]
    )
    served = serve(path, inputs=images)
    logits = answers_of(model, images).astype("float64")
    if channels == 1:
        logits = np.concatenate([0 * logits, logits], axis=-1)
    expected = softmax(logits)
    np.testing.assert_allclose(served["probabilities"], expected, rtol=1e-4)
    np.testing.assert_array_equal(served["class_map"], expected.argmax(-1))
    assert len(np.unique(served["class_map"])) > 1
    encoded = [tf.io.encode_png(np.zeros((6, 6, 3), "uint8")).numpy()]
    assert serve(path, "encoded_images", images=encoded)["class_map"].shape == (1, 6, 6)


@pytest.mark.parametrize("in_dict", [True, False])
def test_several_outputs_are_served_each_by_its_name(tmp_path, in_dict):
    inputs = keras.Input((5,))
    kind = keras.layers.Dense(3, name="kind")(inputs)
    price = keras.layers.Dense(1, name="price")(inputs)
    # Not in the order of the alphabet.
    outputs = {"price": price, "kind": kind} if in_dict else [price, kind]
    network = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    y = {"price": ROWS[:, :1], "kind": np.arange(6) % 3}
    y = y if in_dict else [y["price"], y["kind"]]
    losses = {"price": "mae", "kind": loss}
    model = trained(network, losses if in_dict else ["mae", loss], ROWS, y)
    path = export_saved_model(
        model, tmp_path / "1", labels={"kind": {0: "a", 1: "b", 2: "c"}}
    )
    served = serve(path, inputs=ROWS)
    predicted = answers_of(model, ROWS)
    price, kind = (
        (predicted["price"], predicted["kind"]) if in_dict else tuple(predicted)
    )
    np.testing.assert_allclose(served["price_value"], price, rtol=1e-6)
    expected = softmax(kind.astype("float64"))
    np.testing.assert_allclose(served["kind_probabilities"], expected, rtol=1e-5)
    assert served["kind_label"].tolist() == [
        b"abc"[i : i + 1] for i in expected.argmax(1)
    ]
    assert len(served) == 4


@pytest.mark.parametrize("in_dict", [True, False])
def test_several_inputs_are_taken_each_by_its_name(tmp_path, in_dict):
    table, text = (
        keras.Input((5,), name="table"),
        keras.Input((2,), name="ids", dtype="int32"),
    )
    hidden = [
        keras.layers.Dense(4)(table),
        keras.layers.Flatten()(keras.layers.Embedding(9, 2)(text)),
    ]
    outputs = keras.layers.Dense(3, "softmax")(keras.layers.Add()(hidden))
    network = keras.Model(
        {"table": table, "ids": text} if in_dict else [table, text], outputs
    )
    ids = np.random.default_rng(0).integers(0, 9, (6, 2)).astype("int32")
    path = export_saved_model(network, tmp_path / "1")
    served = serve(path, table=ROWS, ids=ids)
    expected = network({"table": ROWS, "ids": ids} if in_dict else [ROWS, ids])
    np.testing.assert_allclose(served["probabilities"], expected, rtol=1e-5)
    card = (path / "model_card.md").read_text(encoding="utf-8")
    assert "table: float32 (None, 5)" in card and "ids: int32 (None, 2)" in card


class Subclassed(keras.Model):
    """A network that only a call builds."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, x):
        return self.dense(x)


def test_a_subclassed_network_that_was_trained(tmp_path):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = trained(Subclassed(), loss, ROWS, np.arange(6) % 3)
    path = export_saved_model(model, tmp_path / "1", labels=list("abc"))
    expected = softmax(answers_of(model, ROWS).astype("float64"))
    # Batches of another size than the one that built it.
    served = serve(path, inputs=ROWS[:4])["probabilities"]
    np.testing.assert_allclose(served, expected[:4], rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "float16", "bfloat16"])
def test_networks_of_16_bits_answer_in_float32(tmp_path, policy):
    layers = [keras.Input((5,)), keras.layers.Dense(3, dtype=policy)]
    network = keras.Sequential(layers)
    for task in ("classification", "multi_label", "regression"):
        path = export_saved_model(network, tmp_path / task, task=task)
        served = serve(path, inputs=ROWS)
        numbers = served["value" if task == "regression" else "probabilities"]
        outputs = tf.cast(network(ROWS), tf.float32).numpy().astype("float64")
        law = {"classification": softmax, "multi_label": sigmoid}.get(task, np.array)
        assert numbers.dtype == np.float32
        np.testing.assert_allclose(numbers, law(outputs), rtol=1e-5)


def test_averaged_weights_are_served_as_they_predict(tmp_path):
    optimizer = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5)
    model = trained(dense(2), "mse", ROWS, ROWS[:, :2], optimizer=optimizer)
    path = export_saved_model(model, tmp_path / "1")
    np.testing.assert_allclose(
        serve(path, inputs=ROWS)["value"], answers_of(model, ROWS), rtol=1e-6
    )
