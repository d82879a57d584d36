"""What the tests of models for few labels share: data, a network, plain sums."""

import keras
import numpy as np
import tensorflow as tf

import keras_mixup

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(8, 3)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2, 0, 1])
U = GENERATOR.normal(size=(12, 3)).astype("float32")
CLASSES = 3
EAGER = {"run_eagerly": True}


def both(size=4, unlabeled_size=None, weights=None):
    given = (X, Y) if weights is None else (X, Y, weights)
    labeled = tf.data.Dataset.from_tensor_slices(given).batch(size)
    unlabeled = tf.data.Dataset.from_tensor_slices(U).batch(unlabeled_size or size)
    return keras_mixup.labeled_and_unlabeled(labeled, unlabeled)


def linear(*before, activation=None, dtype=None):
    """A network whose last layer is linear, the same at each call."""
    keras.utils.set_random_seed(1)
    last = keras.layers.Dense(CLASSES, activation)
    return keras.Sequential([keras.Input((3,), dtype=dtype), *before, last])


def compiled(model, optimizer=None, from_logits=True, loss=None, **how):
    model.compile(
        optimizer or keras.optimizers.SGD(0.1),
        loss or keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits),
        **{"metrics": ["accuracy"], **how},
    )
    return model


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def weights_of(network):
    return [weight.numpy().astype("float64") for weight in network.weights]


def state_of(model):
    variables = [*model.weights, *model.optimizer.variables]
    return [variable.numpy() for variable in variables]


def assert_same(first, second, tolerance=0.0):
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def gradient_of(x, slopes):
    """The gradient of kernel and bias of logits `x k + b`, from their slopes."""
    return [x.T @ slopes, slopes.sum(0)]


def slope_of_square(p, target):
    """The slope, at the logits, of the mean of `(softmax - target)**2`."""
    outer = 2 * (p - target) / p.size
    return p * (outer - (outer * p).sum(-1, keepdims=True))
