"""Exports of whatever was trained: tags, a quantity, text, waveforms, a classifier."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests.programs import by_hand

X = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")


def served(path, rows):
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    found = signature(inputs=tf.constant(rows))
    return {name: value.numpy() for name, value in found.items()}


def holds(found, expected):
    """Whether one of the outputs is the expected array."""
    expected = np.asarray(expected)
    return any(
        value.dtype.kind == "f"
        and value.size == expected.size
        and np.allclose(value.reshape(expected.shape), expected, atol=1e-5)
        for value in found.values()
    )


def test_a_classifier_serves_probabilities_and_names(tmp_path):
    y = np.arange(64) % 3
    model = keras_mixup.MixUpModel(by_hand.linear(), keras_mixup.MixUp(0.2, seed=1))
    model.compile("sgd", by_hand.sparse_loss())
    model.fit(X, y, verbose=0)
    path = keras_mixup.export_saved_model(model, tmp_path / "1", labels=["a", "b", "c"])
    found = served(path, X)
    kernel, bias = (np.asarray(v) for v in model.network.weights)
    expected = by_hand.softmax(X @ kernel + bias)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
    names = np.array([b"a", b"b", b"c"])[expected.argmax(-1)]
    assert found["label"].tolist() == names.tolist()


def test_independent_labels_serve_their_sigmoids(tmp_path):
    y = (np.random.default_rng(1).random((64, 3)) < 0.5).astype("float32")
    model = keras_mixup.MixUpModel(by_hand.linear(), keras_mixup.MixUp(0.4, seed=1))
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(X, y, verbose=0)
    found = served(keras_mixup.export_saved_model(model, tmp_path / "1"), X)
    assert holds(found, by_hand.sigmoid(by_hand.outputs(model, X)))


def test_a_regression_serves_its_value(tmp_path):
    model = keras_mixup.MixUpModel(
        by_hand.linear(outputs=1), keras_mixup.MixUp(0.2, seed=1)
    )
    model.compile(keras.optimizers.Adam(0.5), "mse")
    model.fit(X, X.sum(1, keepdims=True) + 100, epochs=3, verbose=0)
    found = served(keras_mixup.export_saved_model(model, tmp_path / "1"), X)
    assert holds(found, by_hand.outputs(model, X))
    assert not {"probabilities", "label", "label_index"} & found.keys()


@pytest.mark.parametrize("kind", ["text", "audio", "images"])
def test_a_preprocessing_that_changes_the_shape(tmp_path, kind):
    keras.utils.set_random_seed(1)
    if kind == "text":
        words = keras.layers.TextVectorization(50, output_sequence_length=5)
        words.adapt(["a b c", "b c d"])
        network = keras.Sequential(
            [
                keras.Input((5,), dtype="int64"),
                keras.layers.Embedding(50, 4),
                keras.layers.GlobalAveragePooling1D(),
                keras.layers.Dense(2),
            ]
        )
        preprocess, dtype, raw = words, "string", np.array(["a b", "d c b"])
    else:
        shape = (4, 3) if kind == "audio" else (8, 8, 3)
        network = keras.Sequential(
            [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(2)]
        )
        dtype = "float32"
        if kind == "audio":
            raw = np.random.default_rng(0).normal(size=(2, 10)).astype("float32")

            def preprocess(waveform):
                return tf.abs(tf.signal.stft(waveform, 4, 2, fft_length=4))
        else:
            raw = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3))
            raw = raw.astype("float32")
            preprocess = keras.applications.mobilenet_v2.preprocess_input
    path = keras_mixup.export_saved_model(
        network,
        tmp_path / "1",
        preprocess=preprocess,
        input_dtype=dtype,
        from_logits=True,
    )
    logits = by_hand.outputs(network, preprocess(tf.constant(raw)))
    assert holds(served(path, raw), by_hand.softmax(logits))
