"""A tiny network for each task, with what Keras and numpy say that its export gives."""

from typing import NamedTuple

import keras
import numpy as np

from keras_mixup import MixUp, MixUpModel, layers
from tests.served_models import IMAGES, NAMES, binary, sigmoid, softmax

ROWS = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")


class Exported(NamedTuple):
    """What is exported and how, what it is asked, and the numbers of the answer."""

    model: keras.Model
    options: dict
    inputs: dict
    expected: dict


def _answer(network, *inputs):
    """The outputs of the network in inference mode, as float64."""
    inputs = inputs[0] if len(inputs) == 1 else list(inputs)
    outputs = network(inputs, training=False)
    return keras.tree.map_structure(lambda x: np.asarray(x, "float64"), outputs)


def _of_classes(probabilities, index="label_index"):
    return {"probabilities": probabilities, index: probabilities.argmax(-1)}


def _dense(units, loss=None):
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(units)])
    network.compile("sgd", loss)
    return network


def two_classes():
    """One unit, whose logit is that of the second of two classes."""
    network = _dense(1, keras.losses.BinaryCrossentropy(from_logits=True))
    expected = _of_classes(binary(_answer(network, ROWS)))
    return Exported(network, {"labels": ["no", "yes"]}, {"inputs": ROWS}, expected)


def several_classes():
    """uint8 images, scaled in the graph, in a network with all that is random."""
    inputs = keras.Input((4, 4, 3))
    hidden = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    hidden = keras.layers.BatchNormalization()(hidden)
    hidden = layers.MixFeatures(name="hidden")(hidden)
    hidden = keras.layers.GaussianNoise(0.5)(hidden)
    hidden = keras.layers.Dropout(0.5)(keras.layers.Flatten()(hidden))
    network = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    model = MixUpModel(network, MixUp(1.0, seed=1), ["input", "hidden"])
    options = {
        "labels": NAMES,
        "preprocess": keras.layers.Rescaling(1 / 64, -2),
        "from_logits": True,
    }
    expected = _of_classes(softmax(_answer(network, IMAGES.astype("float32") / 64 - 2)))
    return Exported(model, options, {"inputs": IMAGES}, expected)


def independent_labels():
    """A label at each unit."""
    network = _dense(3, keras.losses.BinaryCrossentropy(from_logits=True))
    probabilities = sigmoid(_answer(network, ROWS))
    expected = {"probabilities": probabilities, "present": probabilities > 0.5}
    options = {"labels": ["red", "wet", "old"]}
    return Exported(network, options, {"inputs": ROWS}, expected)


def values_in_a_unit():
    """Scaled targets, whose inverse is part of the graph."""
    network = _dense(2, "mse")
    options = {"units": "dB", "postprocess": lambda value: 7 * value + 40}
    expected = {"value": 7 * _answer(network, ROWS) + 40}
    return Exported(network, options, {"inputs": ROWS}, expected)


def several_outputs():
    """A class and a value, from two inputs."""
    one, other = keras.Input((5,), name="table"), keras.Input((5,), name="more")
    hidden = keras.layers.Concatenate()([one, other])
    kind = keras.layers.Dense(3, "softmax", name="kind")(hidden)
    price = keras.layers.Dense(1, name="price")(hidden)
    network = keras.Model([one, other], [kind, price])
    kinds, prices = _answer(network, ROWS, ROWS[::-1])
    options = {
        "labels": {"kind": NAMES},
        "task": {"kind": "classification", "price": "regression"},
    }
    expected = {f"kind_{name}": value for name, value in _of_classes(kinds).items()}
    expected["price_value"] = prices
    inputs = {"table": ROWS, "more": ROWS[::-1]}
    return Exported(network, options, inputs, expected)


def dense_masks():
    """A class at each position."""
    conv = keras.layers.Conv2D(3, 3, padding="same")
    network = keras.Sequential([keras.Input((4, 4, 3)), conv])
    images = IMAGES.astype("float32") / 255
    expected = _of_classes(softmax(_answer(network, images)), "class_map")
    return Exported(network, {"from_logits": True}, {"inputs": images}, expected)


def token_ids():
    """Whole numbers, whose rows are looked up and averaged."""
    network = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            keras.layers.Embedding(9, 4, embeddings_initializer="glorot_uniform"),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(3),
        ]
    )
    ids = np.random.default_rng(0).integers(0, 9, (6, 7)).astype("int32")
    expected = _of_classes(softmax(_answer(network, ids)))
    options = {"labels": NAMES, "from_logits": True}
    return Exported(network, options, {"inputs": ids}, expected)


EACH = {
    make.__name__: make
    for make in (
        two_classes,
        several_classes,
        independent_labels,
        values_in_a_unit,
        several_outputs,
        dense_masks,
        token_ids,
    )
}
