"""The right answers, worked out in numpy: the sums that a program is held to."""

import keras
import numpy as np

import keras_mixup

# How to compile where the graph is not the point: a few steps take less time in Python
# than their graph takes to trace.
EAGER = {"run_eagerly": True}


def draw(size, alpha=1.0, seed=1, step=0):
    """The one lam and the partners of a batch, as numpy."""
    lam = float(keras_mixup.sample_lambda(alpha, (), seed=seed, step=step))
    return lam, keras_mixup.sample_partner(size, seed=seed, step=step).numpy()


def mixed(values, lam, partner):
    """`lam v_i + (1 - lam) v_j`, in float64."""
    values = np.asarray(values, "float64")
    return lam * values + (1 - lam) * values[partner]


def two_terms(value_of, y, lam, partner):
    """`lam f(y_i) + (1 - lam) f(y_j)` of a function of the targets."""
    return lam * value_of(y) + (1 - lam) * value_of(y[partner])


def softmax(logits):
    """Along the last axis, in float64."""
    shifted = np.asarray(logits, "float64")
    powers = np.exp(shifted - shifted.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def sigmoid(logits):
    """In float64."""
    return 1 / (1 + np.exp(-np.asarray(logits, "float64")))


def cross_entropies(logits, labels):
    """`-log softmax(logits)[label]` at each position."""
    picked = np.take_along_axis(softmax(logits), np.asarray(labels)[..., None], -1)
    return -np.log(picked[..., 0])


def binary_cross_entropies(logits, labels):
    """`-y log p - (1 - y) log (1 - p)` at each position."""
    p = sigmoid(logits)
    return -labels * np.log(p) - (1 - labels) * np.log(1 - p)


def hits(logits, labels):
    """1.0 where the greatest logit is that of the label."""
    return (np.argmax(logits, -1) == labels).astype("float64")


def linear(inputs=6, outputs=3, **of_dense):
    """A network of one dense layer, the same at each call."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input((inputs,)), keras.layers.Dense(outputs, **of_dense)]
    )


def outputs(network, x):
    """What a network gives in inference, without the graph that `predict` traces."""
    given = network(np.asarray(x, "float32"), training=False)
    return keras.tree.map_structure(np.asarray, given)


def linear_data(size=16, inputs=6, classes=3):
    """Features and class numbers, the same at each call."""
    x = np.random.default_rng(0).normal(size=(size, inputs)).astype("float32")
    return x, np.arange(size) % classes


def sparse_loss():
    """The loss of class numbers and logits."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def still():
    """An optimizer that does not move the weights."""
    return keras.optimizers.SGD(0.0)


def nothing_mixed():
    """A schedule that never mixes: the step is a mixed one, with lam 1."""
    return keras_mixup.AlphaSchedule(1.0, warm_up=10**9)
