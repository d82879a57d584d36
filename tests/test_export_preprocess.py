"""Preprocessing that is a layer, and exports of networks with open sizes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import export_saved_model
from tests.served_models import IMAGES, linear, linear_network, serve, softmax


def test_a_random_layer_is_run_in_inference_mode(tmp_path):
    network = linear_network()
    flip = keras.Sequential(
        [keras.layers.RandomFlip(seed=1), keras.layers.Rescaling(1)]
    )
    path = export_saved_model(
        network, tmp_path / "1", preprocess=flip, from_logits=True
    )
    expected = softmax(linear(network, IMAGES.astype("float64")))
    for _ in range(2):
        served = serve(path, inputs=IMAGES)["probabilities"]
        np.testing.assert_allclose(served, expected, rtol=1e-4, atol=1e-6)


def test_a_layer_with_a_table_is_exported_with_it(tmp_path):
    lookup = keras.layers.StringLookup(
        vocabulary=["a", "b"], output_mode="multi_hot", num_oov_indices=1
    )
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    path = export_saved_model(
        network, tmp_path / "1", preprocess=lookup, from_logits=True
    )
    words = np.array([["a", "b", "b"], ["c", "a", "a"]])
    rows = np.array([[0, 1, 1], [1, 1, 0]])
    kernel, bias = network.get_weights()
    served = serve(path, inputs=words)["probabilities"]
    np.testing.assert_allclose(served, softmax(rows @ kernel + bias), rtol=1e-5)


def test_open_sizes_are_served_and_get_no_warm_up_request(tmp_path):
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(3, 3)]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    path = export_saved_model(
        keras.Sequential(layers), tmp_path / "1", from_logits=True
    )
    assert not (path / "assets.extra").exists()
    image = IMAGES[:1].astype("float32")
    encoded = tf.io.encode_png(IMAGES[0]).numpy()
    served = serve(path, inputs=image)
    decoded = serve(path, "encoded_images", images=[encoded])
    np.testing.assert_allclose(served["probabilities"], decoded["probabilities"])


def test_a_failed_export_leaves_no_parent_folders(tmp_path):
    def broken(images):
        raise ArithmeticError("no")

    with pytest.raises(ArithmeticError):
        export_saved_model(
            linear_network(), tmp_path / "a" / "b" / "1", preprocess=broken
        )
    assert list(tmp_path.iterdir()) == []


def words_network():
    layers = [keras.Input((5,), dtype="int64"), keras.layers.Embedding(50, 4)]
    layers += [keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2)]
    return keras.Sequential(layers)


def vectorization():
    words = keras.layers.TextVectorization(max_tokens=50, output_sequence_length=5)
    words.adapt(["a b c", "b c d"])
    return words


@pytest.mark.parametrize("form", ["layer", "vocabulary", "function", "model"])
def test_text_is_served_as_strings(tmp_path, form):
    words, network, options = vectorization(), words_network(), {}
    preprocess = words
    if form == "vocabulary":
        preprocess = keras.layers.TextVectorization(
            vocabulary=words.get_vocabulary()[2:], output_sequence_length=5
        )
    elif form == "function":
        preprocess, options = lambda text: words(text), {"input_dtype": "string"}
    elif form == "model":
        preprocess = keras.Sequential([keras.Input((1,), dtype="string"), words])
    path = export_saved_model(
        network, tmp_path / "1", preprocess=preprocess, from_logits=True, **options
    )
    text = np.array(["a b", "d d zebra c c c c", ""])
    asked = text[:, np.newaxis] if form == "model" else text
    served = serve(path, inputs=asked)["probabilities"]
    # The words of two uses, then those of one; 1 is a word that is not known.
    number = {"c": 2, "b": 3, "d": 4, "a": 5}
    assert words.get_vocabulary()[2:] == list(number)
    ids = np.zeros((3, 5), int)
    for row, line in zip(ids, text, strict=True):
        for place, word in enumerate(line.split()[:5]):
            row[place] = number.get(word, 1)
    table, kernel, bias = network.get_weights()
    expected = softmax(table[ids].mean(1).astype("float64") @ kernel + bias)
    np.testing.assert_allclose(served, expected, rtol=1e-5)
    card = (path / "model_card.md").read_text(encoding="utf-8")
    assert "- Values of the inputs: strings\n" in card


def test_a_waveform_of_open_or_of_given_length_becomes_a_spectrogram(tmp_path):
    layers = [keras.Input((4, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]
    network = keras.Sequential(layers)
    waves = np.random.default_rng(0).normal(size=(3, 10)).astype("float32")
    frames = np.stack([waves[:, 2 * k : 2 * k + 4] for k in range(4)], axis=1)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(4) / 4)
    spectrograms = np.abs(np.fft.rfft(frames * window))
    kernel, bias = network.get_weights()
    expected = softmax(spectrograms.reshape(3, -1) @ kernel + bias)
    for shape in (None, (10,)):
        path = export_saved_model(
            network,
            tmp_path / str(shape),
            preprocess=lambda w: tf.abs(tf.signal.stft(w, 4, 2, fft_length=4)),
            input_shape=shape,
            from_logits=True,
        )
        served = serve(path, inputs=waves)["probabilities"]
        np.testing.assert_allclose(served, expected, rtol=1e-4)
        # A waveform of another length is no input of the network.
        with pytest.raises(Exception, match="shape|compatible"):
            serve(path, inputs=waves[:, :8])


def test_a_preprocessing_that_makes_no_inputs_of_anything_names_the_argument(tmp_path):
    network = words_network()
    with pytest.raises(ValueError, match=r"Expected what the network takes") as caught:
        export_saved_model(
            network,
            tmp_path / "1",
            preprocess=lambda x: tf.one_hot(x, 3),
            from_logits=True,
        )
    assert "input_shape=(16000,)" in caught.value.__notes__[0]
    assert list(tmp_path.iterdir()) == []


def test_python_in_a_preprocessing_is_refused(tmp_path):
    def preprocess(images):
        return tf.ensure_shape(
            tf.numpy_function(lambda x: x / 2, [images], tf.float32), images.shape
        )

    with pytest.raises(ValueError, match="runs Python"):
        export_saved_model(
            linear_network(), tmp_path / "1", preprocess=preprocess, from_logits=True
        )


applications = keras.applications


@pytest.mark.parametrize(
    ("preprocess", "law"),
    [
        (
            applications.resnet.preprocess_input,
            lambda x: x[..., ::-1] - [103.939, 116.779, 123.68],
        ),
        (applications.resnet_v2.preprocess_input, lambda x: x / 127.5 - 1),
        (
            applications.densenet.preprocess_input,
            lambda x: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        ),
        (applications.efficientnet.preprocess_input, lambda x: x),
        (
            lambda images: applications.resnet.preprocess_input(images[..., ::-1]),
            lambda x: x - [103.939, 116.779, 123.68],
        ),
        # Whole numbers scaled as whole numbers: floats would stay as they are.
        (
            lambda images: tf.image.convert_image_dtype(images, tf.float32),
            lambda x: x / 255,
        ),
    ],
)
def test_bytes_are_preprocessed_without_wrapping_around(tmp_path, preprocess, law):
    network = linear_network()
    path = export_saved_model(
        network, tmp_path / "1", preprocess=preprocess, from_logits=True
    )
    expected = softmax(linear(network, law(IMAGES.astype("float64"))))
    served = serve(path, inputs=IMAGES)["probabilities"]
    np.testing.assert_allclose(served, expected, rtol=1e-4, atol=1e-6)
    encoded = [tf.io.encode_png(image).numpy() for image in IMAGES]
    served = serve(path, "encoded_images", images=encoded)["probabilities"]
    np.testing.assert_allclose(served, expected, rtol=1e-4, atol=1e-6)


def test_several_inputs_are_preprocessed_by_name(tmp_path):
    ends = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    outputs = keras.layers.Dense(2)(keras.layers.Concatenate()(ends))
    network = keras.Model(ends, outputs)
    path = export_saved_model(
        network,
        tmp_path / "1",
        preprocess=lambda raw: [raw["row"][:, :3] * 2, raw["row"][:, 3:] + raw["more"]],
        input_shape={"row": (5,), "more": (1,)},
        input_dtype={"row": "float32", "more": "float32"},
        from_logits=True,
    )
    row = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    more = np.ones((4, 1), "float32")
    served = serve(path, row=row, more=more)["probabilities"]
    kernel, bias = network.get_weights()
    rows = np.concatenate([row[:, :3] * 2, row[:, 3:] + 1], axis=1)
    np.testing.assert_allclose(served, softmax(rows @ kernel + bias), rtol=1e-5)
