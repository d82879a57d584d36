"""The contestants in TensorFlow: who mixes in `Dataset.map`, and on what.

Each policy is a set of its own: MixUp with lam from Beta(0.2, 0.2), the default of the
peers, and CutMix with lam from Beta(1, 1), as its paper has it. The numbers stand here
so that they cannot drift. All draw one lam an example, but for the row of ours that
draws one a batch. They are given dicts of images and float32 one-hot labels, the one
form that all of them take.
"""

import contextlib
import functools

# The policies, and the alpha of each.
MIXUP, CUTMIX = "MixUp", "CutMix"
ALPHAS = {MIXUP: 0.2, CUTMIX: 1.0}
ALPHA = ALPHAS[MIXUP]
CLASSES = 10
DISTINCT_BATCHES = 4

FORMULA = "formula of the keras.io example"
FLOOR = "cast only"


def ours_of(policy, settings=""):
    """The name of a row of ours, such as `keras_mixup.MixUp(per='batch')`."""
    return f"keras_mixup.{policy}{settings}"


def cast_of(policy):
    """The row of ours that gives float32 where ours keeps the dtype of the images."""
    cast = {MIXUP: ", cast to float32 before", CUTMIX: "(dtype='float32')"}
    return ours_of(policy, cast[policy])


def keras_of(policy):
    """The name of Keras's layer."""
    return f"keras.layers.{policy}"


def peers_of(policy):
    """The names of the peers in TensorFlow."""
    formula = {MIXUP: (FORMULA,), CUTMIX: ()}
    return (keras_of(policy), f"keras_cv.layers.{policy}", *formula[policy])


OURS, OURS_CAST, KERAS = ours_of(MIXUP), cast_of(MIXUP), keras_of(MIXUP)
# From uint8 straight to bfloat16, which none of the peers does.
OURS_BFLOAT16 = ours_of(MIXUP, "(dtype='bfloat16')")
PEERS = peers_of(MIXUP)


def contestants(shape, dtype, policy=MIXUP):
    """By name: the form of the batches, and what `map` calls (None: not installed).

    `shape` is that of a batch; layers for images are left out where it is of another
    rank.
    """
    import keras_mixup

    alpha = ALPHAS[policy]
    ours = functools.partial(getattr(keras_mixup, policy), alpha, per="example")
    plain, by_batch = ours(), ours(per="batch")
    entered = {ours_of(policy): ("one-hot", plain)}
    if policy == MIXUP:
        entered |= {
            f"{OURS}, integer labels": ("integer", ours(num_classes=CLASSES)),
            f"{OURS}(jit_compile=False)": ("one-hot", ours(jit_compile=False)),
        }
    entered[ours_of(policy, "(per='batch')")] = ("one-hot", by_batch)
    if len(shape) == 4:
        entered |= layers_of(policy, alpha)
    if policy == MIXUP:
        entered[FORMULA] = ("pairs", formula_of_the_example)
    entered[FLOOR] = ("one-hot", cast_only)
    if policy == MIXUP and dtype == "bfloat16":
        entered[OURS_CAST] = ("one-hot", lambda batch: plain(cast_only(batch)))
    if policy == MIXUP and dtype == "uint8":
        entered[OURS_BFLOAT16] = ("one-hot", ours(dtype="bfloat16"))
    if policy == CUTMIX and dtype != "float32":
        entered[cast_of(policy)] = ("one-hot", ours(dtype="float32"))
    return entered


def layers_of(policy, alpha):
    """The layers for images of Keras and KerasCV."""
    import keras

    keras_layer, keras_cv_layer = peers_of(policy)[:2]
    # Keras draws the alpha of CutMix anew for each batch, within this range.
    of_keras = {MIXUP: {"alpha": alpha}, CUTMIX: {"factor": (alpha, alpha)}}
    layer = getattr(keras.layers, policy)(**of_keras[policy])
    entered = {keras_layer: ("one-hot", layer), keras_cv_layer: ("one-hot", None)}
    with contextlib.suppress(ImportError):
        import keras_cv

        layer = getattr(keras_cv.layers, policy)(alpha=alpha)
        entered[keras_cv_layer] = ("one-hot", layer)
    return entered


def cast_only(batch):
    """The floor: float32 of the images, and nothing mixed."""
    import tensorflow as tf

    return {**batch, "images": tf.cast(batch["images"], tf.float32)}


def formula_of_the_example(one, two):
    """As keras.io's example on mixup has it: Beta by two Gammas, of two batches."""
    import tensorflow as tf

    images, others = (cast_only(batch)["images"] for batch in (one, two))
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


def ours_beside(peer, dtypes, policy=MIXUP):
    """Which row of ours a peer is compared with: the one that gives the same dtype.

    `dtypes` are those of the mixed images, by contestant.
    """
    casts = dtypes[peer] == "float32" != dtypes[ours_of(policy)]
    return cast_of(policy) if casts else ours_of(policy)


def check(name, batch, size, kept=None):
    """Raises unless a contestant gives what all are to give.

    `kept` is a dtype that images may keep: a box that is cut out is of any dtype.
    """
    for key, shape in {"images": size, "labels": (size[0], CLASSES)}.items():
        dtype = batch[key].dtype
        floats = dtype.is_floating or (key == "images" and dtype == kept)
        if batch[key].shape != shape or not floats:
            raise ValueError(
                f"{name} gives other {key} than its rivals. Expected floats {shape}. "
                f"Received: {dtype.name} {batch[key].shape}"
            )
