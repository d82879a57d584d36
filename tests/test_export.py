"""The exported model against sums in numpy; see also test_model_card, test_serving."""

import io
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

import keras_mixup
from keras_mixup import export_saved_model
from tests.served_models import (
    IMAGES,
    NAMES,
    assert_classifies,
    binary,
    linear,
    linear_network,
    serve,
    softmax,
)

# StatelessWhile and its kind are control flow.
MIXING = re.compile(r"Random|Rng|Stateless(?!While|If|Case)|Shuffle|Sort|TopK")


def encode(image, file_format="PNG"):
    file = io.BytesIO()
    Image.fromarray(np.squeeze(image)).save(file, file_format)
    return file.getvalue()


def operations(graph):
    """The names of the operations of a GraphDef and of the functions it holds."""
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return {node.op for node in nodes}


def listing(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def test_the_signatures_have_the_documented_names_dtypes_and_shapes(tmp_path):
    path = export_saved_model(linear_network(), str(tmp_path / "1"), from_logits=True)
    assert path == tmp_path / "1"
    signatures = tf.saved_model.load(str(path)).signatures
    for name, expected in {
        "serving_default": tf.TensorSpec([None, 4, 4, 3], tf.float32, "inputs"),
        "encoded_images": tf.TensorSpec([None], tf.string, "images"),
    }.items():
        inputs = signatures[name].structured_input_signature[1]
        assert inputs == {expected.name: expected}
        outputs = signatures[name].structured_outputs
        assert {k: (v.dtype, v.shape.as_list()) for k, v in outputs.items()} == {
            "probabilities": (tf.float32, [None, 3]),
            "label_index": (tf.int64, [None]),
            "label": (tf.string, [None]),
        }


@pytest.mark.parametrize(
    ("activation", "units", "from_logits", "oracle"),
    [
        (None, 3, True, softmax),
        ("softmax", 3, None, softmax),
        ("relu", 3, True, lambda logits: softmax(np.maximum(logits, 0))),
        (None, 3, False, lambda outputs: outputs),
        (None, 1, True, binary),
        ("sigmoid", 1, None, binary),
    ],
)
def test_a_class_is_that_of_the_greatest_probability_of_the_network(
    tmp_path, activation, units, from_logits, oracle
):
    network = linear_network(activation, units)
    names = NAMES if units == 3 else None
    path = export_saved_model(
        network, tmp_path / "1", labels=names, from_logits=from_logits
    )
    expected = oracle(linear(network, IMAGES))
    served = serve(path, inputs=IMAGES.astype("float32"))
    assert_classifies(served, expected)
    classes = expected.argmax(axis=-1).tolist()
    assert len(set(classes)) > 1
    assert served["label_index"].tolist() == classes
    names = names or ["0", "1"]
    assert served["label"].tolist() == [names[index].encode() for index in classes]


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_preprocessing_is_inside_the_graph(tmp_path, dtype):
    network = linear_network(scale=0.5)
    path = export_saved_model(
        network,
        tmp_path / "1",
        preprocess=lambda images: tf.cast(images, tf.float32) / 64 - 2,
        input_dtype=dtype,
        from_logits=True,
    )
    expected = softmax(linear(network, IMAGES / 64 - 2))
    assert_classifies(serve(path, inputs=IMAGES.astype(dtype or "uint8")), expected)
    encoded = [encode(image) for image in IMAGES]
    assert_classifies(serve(path, "encoded_images", images=encoded), expected)


# Sixteen pixels are at most sixteen colors, which a GIF keeps.
@pytest.mark.parametrize("file_format", ["PNG", "BMP", "GIF"])
def test_an_encoded_image_is_served_as_its_pixels(tmp_path, file_format):
    network = linear_network()
    path = export_saved_model(network, tmp_path / "1", labels=NAMES, from_logits=True)
    encoded = [encode(image, file_format) for image in IMAGES]
    served = serve(path, "encoded_images", images=encoded)
    assert_classifies(served, softmax(linear(network, IMAGES)))
    of_arrays = serve(path, inputs=IMAGES.astype("float32"))
    assert served["label"].tolist() == of_arrays["label"].tolist()


def test_an_encoded_image_of_another_size_is_resized_and_rounded(tmp_path):
    large = np.random.default_rng(4).integers(0, 256, (8, 8, 3)).astype("uint8")
    # At half the size, bilinear sampling falls in the middle of two by two pixels.
    small = np.round(large.reshape(4, 2, 4, 2, 3).mean(axis=(1, 3)))
    network = linear_network()
    path = export_saved_model(network, tmp_path / "1", from_logits=True)
    served = serve(path, "encoded_images", images=[encode(large)])
    assert_classifies(served, softmax(linear(network, small[np.newaxis])))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grey_file_fills_all_channels(tmp_path, channels):
    network, gray = linear_network(channels=channels), IMAGES[..., :1]
    path = export_saved_model(network, tmp_path / "1", from_logits=True)
    served = serve(path, "encoded_images", images=[encode(image) for image in gray])
    assert_classifies(served, softmax(linear(network, gray.repeat(channels, axis=-1))))


def test_the_graph_neither_mixes_nor_draws(tmp_path):
    inputs = keras.Input((4, 4, 3))
    hidden = keras.layers.Dense(6, activation="relu")(keras.layers.Flatten()(inputs))
    hidden = keras.layers.Dropout(0.5)(keras_mixup.layers.MixFeatures(name="h")(hidden))
    network = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0), ["input", "h"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    images = IMAGES / np.float32(255)
    model.fit(images, np.arange(5) % 3, verbose=0)
    path = export_saved_model(model, tmp_path / "1")

    kernel, bias, *last = network.get_weights()
    hidden = np.maximum(images.reshape(5, -1) @ kernel + bias, 0)
    assert_classifies(serve(path, inputs=images), softmax(hidden @ last[0] + last[1]))
    saved = saved_model_pb2.SavedModel.FromString(
        (path / "saved_model.pb").read_bytes()
    )
    exported = operations(saved.meta_graphs[0].graph_def)
    assert {"MatMul", "DecodeImage"} <= exported
    assert not list(filter(MIXING.search, exported))
    batch = (tf.zeros([5, 4, 4, 3]), tf.zeros([5], tf.int32))
    step = tf.function(model.train_step, autograph=False)
    step = step.get_concrete_function(batch)
    trained = operations(step.graph.as_graph_def())
    assert {"StatelessRandomUniformV2", "TopKV2"} <= set(filter(MIXING.search, trained))


def test_a_path_that_holds_a_version_is_left_alone(tmp_path):
    (tmp_path / "1").mkdir()
    path = export_saved_model(linear_network(), tmp_path / "1", from_logits=True)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with pytest.raises(FileExistsError, match=r"already holds.*next number"):
        export_saved_model(linear_network("softmax"), path)
    assert before == {f: f.read_bytes() for f in path.rglob("*") if f.is_file()}


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


def nested_outputs():
    inputs = keras.Input((2,))
    return keras.Model(inputs, {"a": [keras.layers.Dense(2)(inputs)]})


def open_classes():
    return keras.Sequential([keras.Input((None,)), keras.layers.Softmax()])


def gan():
    ends = [
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])
        for units in (2, 1)
    ]
    return keras_mixup.MixUpGAN(*ends)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Subclassed, r"that is built.*Received: <Subclassed"),
        (keras.Sequential, r"that is built.*Received: <Sequential"),
        (lambda: fail, r"that is built.*Received: <function fail"),
        (gan, r"a generator is for export_generator. Received: <MixUpGAN"),
        (nested_outputs, r"one output, or several in a list or a dict"),
        (open_classes, r"\(batch, classes\).*Received: \(None, None\)"),
    ],
)
def test_an_unsuitable_network_is_named(tmp_path, make, message):
    with pytest.raises(ValueError, match=message):
        export_saved_model(make(), tmp_path / "1")
    assert listing(tmp_path) == []


def fail(images):
    raise ValueError("cannot preprocess")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": NAMES[:2]}, r"`labels`. Expected 3 names.*Received: 2"),
        ({"preprocess": fail}, "cannot preprocess"),
        ({"input_shape": (5, 5, 3)}, r"network takes, float32 \(None, 4, 4, 3\)"),
        ({"input_shape": 4}, r"`input_shape`.*without the batch. Received"),
        ({"input_shape": "4"}, "`input_shape`"),
        ({"input_dtype": "flot"}, "`input_dtype`.*'flot'"),
        ({"card": {"author": "a"}}, r"`card`. Expected description, inputs.*'author'"),
    ],
)
def test_an_export_that_fails_leaves_nothing_behind(tmp_path, arguments, message):
    export_saved_model(linear_network(), tmp_path / "1", from_logits=True)
    before = listing(tmp_path)
    with pytest.raises(ValueError, match=message):
        export_saved_model(
            linear_network(), tmp_path / "2", from_logits=True, **arguments
        )
    assert listing(tmp_path) == before
