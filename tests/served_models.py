"""A network whose answer numpy knows, and how the SavedModel of it is asked."""

import keras
import numpy as np
import tensorflow as tf

IMAGES = np.random.default_rng(3).integers(0, 256, (5, 4, 4, 3)).astype("uint8")
NAMES = ["cat", "dog", "bird"]


def linear_network(activation=None, units=3, channels=3, scale=0.01):
    """A linear classifier of random weights, by default fit for pixels to 255."""
    inputs = keras.Input((4, 4, channels))
    dense = keras.layers.Dense(units, activation=activation)
    network = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
    random = np.random.default_rng(1)
    kernel = random.normal(scale=scale, size=(16 * channels, units))
    network.set_weights([kernel, random.normal(size=units)])
    return network


def linear(network, images):
    """The outputs of that network, before the activation."""
    kernel, bias = (weight.astype("float64") for weight in network.get_weights())
    return images.reshape(len(images), -1) @ kernel + bias


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def binary(logits):
    return np.concatenate([1 - sigmoid(logits), sigmoid(logits)], axis=-1)


def serve(path, signature="serving_default", **inputs):
    """What a signature of the SavedModel answers, as numpy arrays."""
    model = tf.saved_model.load(str(path))
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    outputs = model.signatures[signature](**inputs)
    return {name: value.numpy() for name, value in outputs.items()}


def assert_classifies(served, expected):
    np.testing.assert_allclose(served["probabilities"], expected, rtol=1e-4, atol=1e-6)
