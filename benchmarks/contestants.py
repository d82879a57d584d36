"""The contestants in TensorFlow: who mixes in `Dataset.map`, and on what.

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
# For dtypes of 16 bits, which ours keeps and the peers of TensorFlow do not.
OURS_CAST = f"{OURS}, cast to float32 before"
KERAS = "keras.layers.MixUp"
PEERS = (KERAS, "keras_cv.layers.MixUp", "formula of the keras.io example")
FLOOR = "cast only"


def contestants(shape, dtype):
    """By name: the form of the batches, and what `map` calls (None: not installed).

    `shape` is that of a batch; layers for images are left out where it is of another
    rank.
    """
    import keras
    import tensorflow as tf

    import keras_mixup

    of_images = {KERAS: None, PEERS[1]: None}
    if len(shape) == 4:
        of_images[KERAS] = keras.layers.MixUp(alpha=ALPHA)
        with contextlib.suppress(ImportError):
            import keras_cv

            of_images[PEERS[1]] = keras_cv.layers.MixUp(alpha=ALPHA)

    def cast_only(batch):
        return {**batch, "images": tf.cast(batch["images"], tf.float32)}

    ours = functools.partial(keras_mixup.MixUp, alpha=ALPHA, per="example")
    plain = ours()
    entered = {
        OURS: ("one-hot", plain),
        f"{OURS}, integer labels": ("integer", ours(num_classes=CLASSES)),
        f"{OURS}(jit_compile=False)": ("one-hot", ours(jit_compile=False)),
        f"{OURS}(per='batch')": ("one-hot", ours(per="batch")),
        **{name: ("one-hot", layer) for name, layer in of_images.items()},
        PEERS[2]: ("pairs", formula_of_the_example),
        FLOOR: ("one-hot", cast_only),
    }
    if dtype == "bfloat16":
        entered[OURS_CAST] = ("one-hot", lambda batch: plain(cast_only(batch)))
    if len(shape) != 4:
        entered = {k: v for k, v in entered.items() if k not in of_images}
    return entered


def formula_of_the_example(one, two):
    """As keras.io's example on mixup has it: Beta by two Gammas, of two batches."""
    import tensorflow as tf

    images, others = (tf.cast(batch["images"], tf.float32) for batch in (one, two))
    size = tf.shape(images)[0]
    first, second = tf.unstack(tf.random.gamma([2, size], ALPHA), 2)
    lam = first / (first + second)
    of_images = tf.reshape(lam, [-1] + [1] * (images.shape.rank - 1))
    of_labels = lam[:, tf.newaxis]
    return {
        "images": images * of_images + others * (1 - of_images),
        "labels": one["labels"] * of_labels + two["labels"] * (1 - of_labels),
    }


def make_batches(size, dtype):
    """Datasets without end of a few batches in memory, by their form.

    "one-hot" and "integer" are those of the labels; "pairs" are of two batches each.
    """
    import numpy as np
    import tensorflow as tf

    generator = np.random.default_rng(0)
    distinct = distinct_batches(size)
    images = generator.integers(0, 256, (distinct, *size), np.uint8)
    images = tf.cast(tf.constant(images), dtype)
    classes = generator.integers(0, CLASSES, (distinct, size[0]), np.int32)
    labels = {"one-hot": tf.one_hot(classes, CLASSES), "integer": tf.constant(classes)}
    batches = {
        form: tf.data.Dataset.from_tensor_slices(
            {"images": images, "labels": values}
        ).repeat()
        for form, values in labels.items()
    }
    one = batches["one-hot"]
    return {**batches, "pairs": tf.data.Dataset.zip((one, one.skip(1)))}


def distinct_batches(size):
    """How many batches lie in memory."""
    return 1 if is_large(size) else DISTINCT_BATCHES


def is_large(size):
    """Whether a batch is so large that only one at a time is held."""
    import math

    return math.prod(size) > 1e8


def ours_beside(peer, dtypes):
    """Which row of ours a peer is compared with: the one that gives the same dtype.

    `dtypes` are those of the mixed images, by contestant.
    """
    return OURS_CAST if dtypes[peer] != dtypes[OURS] else OURS


def check(name, batch, size):
    """Raises unless a contestant gives what all are to give."""
    for key, shape in {"images": size, "labels": (size[0], CLASSES)}.items():
        if batch[key].shape != shape or not batch[key].dtype.is_floating:
            raise ValueError(
                f"{name} gives other {key} than its rivals. Expected floats {shape}. "
                f"Received: {batch[key].dtype.name} {batch[key].shape}"
            )
