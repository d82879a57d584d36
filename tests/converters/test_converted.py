"""Exported models as LiteRT, ONNX and OpenVINO run them, against Keras and numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests import tiny_exports
from tests.converters import converted
from tests.models import small_networks
from tests.served_models import softmax

pytestmark = pytest.mark.converters


@pytest.fixture(scope="module", params=tiny_exports.EACH)
def exported(request, tmp_path_factory):
    """A SavedModel of each task, what it is asked, and what Keras answers."""
    keras.utils.set_random_seed(0)
    model, options, inputs, expected = tiny_exports.EACH[request.param]()
    path = tmp_path_factory.mktemp(request.param) / "1"
    keras_mixup.export_saved_model(model, path, **options)
    return path, inputs, expected


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].shape == value.shape
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("converter", converted.EACH)
def test_a_converted_model_gives_the_numbers_of_keras(exported, converter):
    path, inputs, expected = exported
    run = converted.EACH[converter](path)
    assert_equal(run(**inputs), expected)
    # The batch is open.
    two = {name: value[:2] for name, value in inputs.items()}
    assert_equal(run(**two), {name: value[:2] for name, value in expected.items()})


def test_int8_is_within_a_twentieth_of_the_range(exported):
    path, inputs, _ = exported
    float32 = converted.litert(path)(**inputs)
    int8 = converted.litert(path, examples=inputs)(**inputs)
    assert int8.keys() == float32.keys()
    for name, value in float32.items():
        assert int8[name].dtype == value.dtype
        if value.dtype == "float32":
            difference = np.abs(int8[name] - value).max()
            # Numbers that are equal would not be int8.
            assert 0 < difference < np.ptp(value) / 20


def network_that_mixes():
    """All that mixes or draws in training, in one network, and its weights."""
    images = keras.Input((6,), name="images")
    labels = keras.Input((3,), name="labels")
    mixed = keras_mixup.layers.MixUp(1.0)({"images": images, "labels": labels})
    hidden = keras.layers.Dense(5, activation="relu")(mixed["images"])
    hidden = keras_mixup.layers.MixFeatures(name="hidden")(hidden)
    hidden = keras.layers.GaussianNoise(1.0)(keras.layers.Dropout(0.5)(hidden))
    scores = keras.layers.Dense(3, name="scores")(hidden)
    return keras.Model(
        {"images": images, "labels": labels},
        {"scores": scores, "targets": mixed["labels"]},
    )


@pytest.mark.parametrize("converter", converted.EACH)
def test_a_converted_model_neither_mixes_nor_draws(converter, tmp_path):
    network = network_that_mixes()
    random = np.random.default_rng(1)
    images = random.normal(size=(6, 6)).astype("float32")
    inputs = {"images": images, "labels": np.eye(3, dtype="float32")[[0, 1, 2] * 2]}
    first, bias, last, shift = network.get_weights()
    scores = np.maximum(images @ first + bias, 0) @ last + shift
    trained = network(inputs, training=True)
    assert np.abs(trained["scores"] - scores).max() > 0.1
    assert np.abs(trained["targets"] - inputs["labels"]).max() > 0.1
    path = keras_mixup.export_saved_model(
        network,
        tmp_path / "1",
        task={"scores": "classification", "targets": "regression"},
        from_logits={"scores": True},
        postprocess={"targets": lambda rows: 2 * rows},
    )
    run = converted.EACH[converter](path)
    for _ in range(2):
        found = run(**inputs)
        np.testing.assert_allclose(
            found["scores_probabilities"], softmax(scores), atol=1e-5
        )
        np.testing.assert_array_equal(found["targets_value"], 2 * inputs["labels"])
    # A row alone has no partner.
    alone = [run(**{k: v[i : i + 1] for k, v in inputs.items()}) for i in range(6)]
    rows = np.concatenate([one["scores_probabilities"] for one in alone])
    np.testing.assert_allclose(rows, softmax(scores), atol=1e-5)


# tf2onnx does not know the absolute value of complex numbers.
@pytest.mark.parametrize("converter", ["litert", "openvino"])
def test_a_waveform_of_given_length_becomes_a_spectrogram(converter, tmp_path):
    dense = keras.layers.Dense(2)
    network = keras.Sequential([keras.Input((4, 3)), keras.layers.Flatten(), dense])

    def spectrogram(waveform):
        return tf.abs(tf.signal.stft(waveform, 4, 2, fft_length=4))

    path = keras_mixup.export_saved_model(
        network,
        tmp_path / "1",
        task="regression",
        preprocess=spectrogram,
        input_shape=(10,),
    )
    waves = np.random.default_rng(0).normal(size=(3, 10)).astype("float32")
    found = converted.EACH[converter](path)(inputs=waves)
    assert_equal(found, {"value": np.asarray(network(spectrogram(waves)))})


# What converters cannot do yet. Strict: a version that can is seen.
CANNOT = {
    ("lstnet", "litert"): "loops of an open batch are not converted",
    ("resnext101_32x4d", "onnx"): "grouped convolutions: onnx/tensorflow-onnx#2099",
}


def marked(name, converter):
    reason = CANNOT.get((name, converter))
    marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
    return pytest.param(name, converter, marks=marks)


@pytest.mark.parametrize(
    ("name", "converter"),
    [marked(name, one) for name in small_networks.WIDTHS for one in converted.EACH],
)
def test_the_networks_of_the_library_are_converted(name, converter, tmp_path):
    network = small_networks.built(name, small_networks.WIDTHS[name][0])
    path = keras_mixup.export_saved_model(network, tmp_path / "1", task="regression")
    x = np.random.default_rng(0).normal(size=(2, *network.input_shape[1:]))
    expected = np.asarray(network(x.astype("float32"), training=False))
    found = converted.EACH[converter](path)(inputs=x.astype("float32"))
    np.testing.assert_allclose(found["value"], expected, rtol=1e-5, atol=1e-5)


def test_grouped_convolutions_become_onnx_by_way_of_litert(tmp_path):
    layers = [keras.Input((8, 8, 4)), keras.layers.Conv2D(8, 3, groups=2)]
    network = keras.Sequential(layers)
    path = keras_mixup.export_saved_model(network, tmp_path / "1", task="regression")
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 4)).astype("float32")
    expected = np.asarray(network(x))
    assert_equal(converted.litert(path)(inputs=x), {"value": expected})
    file = tmp_path / "1.onnx"
    converted.run_tf2onnx("--tflite", path.with_suffix(".tflite"), "--output", file)
    (found,) = converted.run_onnx(file)(**{"numeric_inputs:0": x}).values()
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("converter", converted.EACH)
def test_a_recurrent_layer_that_is_unrolled_is_converted(converter, tmp_path):
    layers = [keras.Input((4, 3)), keras.layers.GRU(2, unroll=True)]
    network = keras.Sequential(layers)
    path = keras_mixup.export_saved_model(network, tmp_path / "1", task="regression")
    x = np.random.default_rng(0).normal(size=(3, 4, 3)).astype("float32")
    found = converted.EACH[converter](path)(inputs=x)
    assert_equal(found, {"value": np.asarray(network(x))})


@pytest.mark.parametrize("converter", converted.EACH)
def test_a_generator_is_converted_from_its_noise(converter, tmp_path):
    layers = [keras.Input((3,)), keras.layers.Dense(2, "tanh")]
    generator = keras.Sequential(layers)
    path = keras_mixup.export_generator(generator, tmp_path / "1")
    noise = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    found = converted.EACH[converter](path, "serving_default")(noise=noise)
    assert_equal(found, {"generated": np.asarray(generator(noise))})


@pytest.mark.parametrize("converter", converted.RUN)
def test_the_export_of_keras_itself_gives_the_numbers_of_keras(converter, tmp_path):
    model, _, inputs, _ = tiny_exports.several_classes()
    images = inputs["inputs"].astype("float32") / 64 - 2
    suffix = {"litert": "tflite", "onnx": "onnx", "openvino": "xml"}[converter]
    name = model.network.inputs[0].name
    expected = model.network(images, training=False)
    for number, one in enumerate((model.network, model)):
        file = tmp_path / f"{number}.{suffix}"
        one.export(str(file), format=converter, verbose=False)
        (found,) = converted.RUN[converter](file)(**{name: images}).values()
        np.testing.assert_allclose(found, expected, atol=1e-5)
