"""Small classifiers whose gradients are known, and their losses in NumPy."""

import keras
import numpy as np


def linear(weights, bias=None, softmax=False, shape=None):
    """Scores `x W + b` of flattened inputs."""
    weights = np.asarray(weights, "float32")
    bias = np.zeros(weights.shape[1]) if bias is None else np.asarray(bias)
    dense = keras.layers.Dense(
        weights.shape[1], activation="softmax" if softmax else None
    )
    model = keras.Sequential([keras.layers.Flatten(), dense])
    model.build((None, *(shape or weights.shape[:1])))
    dense.set_weights([weights, bias.astype("float32")])
    return model


def network(features, classes, seed=0):
    """Two dense layers with tanh, batch normalization and dropout between them."""
    keras.utils.set_random_seed(seed)
    normal = keras.initializers.RandomNormal(stddev=1.5)
    model = keras.Sequential(
        [
            keras.Input((features,)),
            keras.layers.Rescaling(1 / 64, offset=-2),
            keras.layers.Dense(8, activation="tanh", kernel_initializer=normal),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(classes, kernel_initializer=normal),
        ]
    )
    generator = np.random.default_rng(seed)
    model.layers[2].set_weights(
        [1 + generator.random(8), generator.normal(size=8), *generator.random((2, 8))]
    )
    return model


def softmax(logits):
    """Row by row, in float64."""
    logits = np.asarray(logits, np.float64)
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
