"""Batches of one dataset, mixed by the step: what a pipeline should give at each."""

import functools

import numpy as np
import tensorflow as tf

import keras_mixup

S, BATCH, CLASSES = 15, 4, 3
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(S * BATCH, 4)).astype("float32")
Y = np.arange(S * BATCH) % CLASSES


def batches():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)


def unmixed(i):
    return X[i * BATCH : (i + 1) * BATCH], Y[i * BATCH : (i + 1) * BATCH]


def policy(alpha=1.0, **settings):
    given = {"num_classes": CLASSES, "seed": 7, "jit_compile": False, **settings}
    return keras_mixup.MixUp(alpha, **given)


@functools.cache
def drawn(step):
    lam = keras_mixup.sample_lambda(1.0, (), seed=7, step=step).numpy()
    return lam, keras_mixup.sample_partner(BATCH, seed=7, step=step).numpy()


def mixed_by_hand(i, step):
    """Batch i by the lam and partners of a step, which the functions tell."""
    lam, partner = drawn(step)
    x = unmixed(i)[0]
    return lam * x + (1 - lam) * x[partner]


def xs(dataset):
    return np.stack([x for x, _ in dataset.as_numpy_iterator()])
