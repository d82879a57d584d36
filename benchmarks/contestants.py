"""The contestants: who mixes, and the batches that all of them are given.

Every policy draws one lam an example from Beta(0.2, 0.2), the default of the peers,
written out here so that it cannot drift; a further row of ours draws one a batch, as
the paper and our default do. They are given dicts of images and float32
one-hot labels, the one form that all of them take.
"""

import contextlib
import functools

ALPHA = 0.2
CLASSES = 10
DISTINCT_BATCHES = 4

OURS = "keras_mixup.MixUp"
PEERS = ("keras.layers.MixUp", "keras_cv.layers.MixUp")


def contestants():
    """By name: the form of the labels, and what `map` calls (None: not installed)."""
    import keras
    import tensorflow as tf

    import keras_mixup

    of_keras_cv = None
    with contextlib.suppress(ImportError):
        import keras_cv

        of_keras_cv = keras_cv.layers.MixUp(alpha=ALPHA)

    def cast_only(batch):
        return {**batch, "images": tf.cast(batch["images"], tf.float32)}

    ours = functools.partial(keras_mixup.MixUp, alpha=ALPHA, per="example")
    return {
        OURS: ("one-hot", ours()),
        f"{OURS}, integer labels": ("integer", ours(num_classes=CLASSES)),
        f"{OURS}(jit_compile=False)": ("one-hot", ours(jit_compile=False)),
        f"{OURS}(per='batch')": ("one-hot", ours(per="batch")),
        PEERS[0]: ("one-hot", keras.layers.MixUp(alpha=ALPHA)),
        PEERS[1]: ("one-hot", of_keras_cv),
        "cast only": ("one-hot", cast_only),
    }


def make_batches(size, dtype):
    """A dataset without end of a few batches in memory, by the form of its labels."""
    import numpy as np
    import tensorflow as tf

    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (DISTINCT_BATCHES, *size), np.uint8)
    images = tf.constant(images.astype(dtype))
    classes = generator.integers(0, CLASSES, (DISTINCT_BATCHES, size[0]), np.int32)
    labels = {"one-hot": tf.one_hot(classes, CLASSES), "integer": tf.constant(classes)}
    return {
        form: tf.data.Dataset.from_tensor_slices(
            {"images": images, "labels": values}
        ).repeat()
        for form, values in labels.items()
    }


def check(name, batch, size):
    """Raises unless a contestant gives what all are to give."""
    expected = {"images": size, "labels": (size[0], CLASSES)}
    for key, shape in expected.items():
        if batch[key].shape != shape or batch[key].dtype != "float32":
            raise ValueError(
                f"{name} gives other {key} than its rivals. Expected float32 {shape}. "
                f"Received: {batch[key].dtype.name} {batch[key].shape}"
            )
