"""A small batch of parts and shares, and the library's loss of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.training.mixed_targets import MixedTarget, MixedWeight
from tests import oracles

GENERATOR = np.random.default_rng(0)
SIZE, CLASSES = 5, 3
LOGITS = GENERATOR.normal(size=(SIZE, CLASSES)).astype("float32")
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
CLASS = GENERATOR.integers(0, CLASSES, SIZE)
PARTNERS = [np.array([1, 2, 3, 4, 0]), np.array([4, 4, 0, 1, 2])]
SHARES = {
    "batch": [np.float32(0.5), np.float32(0.3), np.float32(0.2)],
    "example": list(GENERATOR.dirichlet([1, 1, 1], SIZE).T.astype("float32")),
}
WEIGHTS = np.array([1, 0, 2, 0.5, 3], "float32")
NEGATIVE = np.array([1, -2, 0.5, -1, 3], "float32")
MODES = ["eager", "graph", "xla"]


def parts_with(values, count=2):
    return [values, *(values[partner] for partner in PARTNERS[: count - 1])]


def shares_of(per, count=2):
    shares = SHARES[per][:count]
    return [share / sum(shares) for share in shares]


def mixed(loss, parts, shares, prediction, weights=None, mode="eager", **settings):
    """The library's loss of these parts."""

    def value(parts, shares, prediction, weights):
        target = MixedTarget(list(parts), list(shares), **settings)
        weight = None if weights is None else MixedWeight(list(weights))
        return loss(target, prediction, weight)

    given = [list(parts), list(shares), prediction, weights]
    given = tf.nest.map_structure(
        lambda t: None if t is None else tf.constant(t), given
    )
    if mode != "eager":
        value = tf.function(value, autograph=False, jit_compile=mode == "xla")
    return float(value(*given))


def counted(name):
    """A loss of Keras, and a list that grows by one with each call of it."""
    if not hasattr(keras.losses, name):
        pytest.skip(f"This Keras has no {name}.")
    loss, calls = getattr(keras.losses, name)(), []
    call = loss.call

    def counting(y, p):
        calls.append(1)
        return call(y, p)

    loss.call = counting
    return loss, calls


def entropies(labels):
    return np.array(
        [oracles.cross_entropy(k, z) for k, z in zip(labels, LOGITS, strict=True)]
    )


def of_batch(y, p):
    return tf.reduce_logsumexp((tf.cast(y, p.dtype) - p[:, 0]) ** 2)


class OwnCall(keras.losses.Loss):
    def __call__(self, y_true, y_pred, sample_weight=None):
        del sample_weight
        right = tf.cast(y_true == "a", tf.float32)
        return tf.reduce_max(right * y_pred[:, 0])


def squares(y, p):
    return tf.reduce_mean((tf.cast(y, p.dtype) - p) ** 2, -1)


def classes(y, p):
    y = tf.cast(tf.reshape(y, [-1]), tf.int32)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(y, p)
