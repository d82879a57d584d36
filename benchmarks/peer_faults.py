"""Programs in which an implementation went wrong, each of which says what came out.

A program is given a function that makes the mixer, of alpha and, where there is one, a
seed, and of whether there are boxes. What it gives is a cell of the table; None is an
empty one.
"""

import keras
import numpy as np
import tensorflow as tf

import keras_mixup
from benchmarks.peer_mixers import NotKnown, OfTorch

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.random((8, 4, 4, 3)).astype("float32")
ROWS = np.eye(8, dtype="float32")
MASKS = GENERATOR.random((8, 4, 4, 1)).astype("float32")
BOXES = np.tile(np.array([[0.0, 0, 2, 2], [2, 2, 4, 4]], "float32"), (8, 1, 1))


def batch_of(**more):
    """Tensors, as tf.data gives them."""
    return keras.tree.map_structure(
        tf.convert_to_tensor, {"images": IMAGES, "labels": ROWS, **more}
    )


def array(value):
    return np.asarray(keras.ops.convert_to_numpy(value))


def known(run):
    """A row whose cell is empty where a peer has no such function."""

    def tried(make):
        try:
            return run(make)
        except NotKnown:
            return None

    return tried


def weights_of(rows):
    """The weights of examples that are mixed with others."""
    rows = array(rows)
    return np.diag(rows)[np.count_nonzero(rows, axis=1) > 1]


def alpha_zero(make):
    mixed = array(make(alpha=0.0)(batch_of())["labels"])
    if (mixed == ROWS).all():
        return "exactly ERM"
    weights = weights_of(mixed)
    same = len({*weights.tolist()}) == 1
    return f"every weight is {weights[0]:g}" if same else "mixes"


def weights_of_one_half(make):
    """The share of the weights that are 0.5, over many draws."""
    mixer, found, rows = make(alpha=0.01), [], np.eye(64, dtype="float32")
    batch = {"images": np.zeros((64, 2, 2, 1), "float32"), "labels": rows}
    for _ in range(300):
        mixed = array(mixer(keras.tree.map_structure(tf.constant, batch))["labels"])
        found.append(np.isclose(np.diag(mixed), 0.5, atol=1e-6))
    return f"{100 * np.mean(found):.0f} %"


@known
def float_labels(make):
    labels = np.arange(8, dtype="float32")
    mixed = make()(batch_of(labels=labels))
    shape = array(mixed["labels"]).shape
    return f"{shape}" if shape == (8,) else f"come back {shape}"


@known
def masks(make):
    mixed = make()(batch_of(segmentation_masks=MASKS))
    found = array(mixed["segmentation_masks"])
    if found.shape != MASKS.shape:
        return f"come back {found.shape}"
    return "mixed" if np.abs(found - MASKS).max() > 1e-3 else "stay unmixed"


def boxes(make):
    given = {"boxes": BOXES, "labels": np.zeros((8, 2), "float32")}
    if isinstance(make(), OfTorch):
        return None
    mixed = make(boxes=True)(batch_of(bounding_boxes=given))["bounding_boxes"]
    labels, found = array(mixed["labels"]), array(mixed["boxes"])
    if labels.shape != found.shape[:2]:
        return f"boxes {found.shape} with labels {labels.shape}"
    if found.shape == BOXES.shape and (found == BOXES).all():
        return "stay as they were"
    return "of both" + (", with a weight for each" if "weights" in mixed else "")


@known
def under_xla(make):
    mixer = make()
    if isinstance(mixer, OfTorch):
        raise NotKnown
    tf.function(lambda: mixer(batch_of()), jit_compile=True)()
    return "compiles"


@known
def half_precision(make):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        images = make()(batch_of())["images"]
        if isinstance(images, np.ndarray):
            raise NotKnown
        return f"{tf.as_dtype(images.dtype).name} images"
    finally:
        keras.config.set_dtype_policy("float32")


@known
def replicas(make):
    cpus = [cpu.name for cpu in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(cpus[:2])
    with strategy.scope():
        mixer = make()
    if isinstance(mixer, OfTorch):
        raise NotKnown
    step = tf.function(lambda: mixer(batch_of())["labels"])
    both = strategy.experimental_local_results(strategy.run(step))
    same = np.array_equal(*map(array, both))
    return "draw the same" if same else "draw differently"


@known
def repeated(make):
    """A seeded mixer in a serial map, and another one in a parallel map."""

    def epoch(calls):
        data = tf.data.Dataset.from_tensors(batch_of()).repeat(200)
        if isinstance(make(), OfTorch):
            raise NotKnown
        mixer = make(seed=1)
        if isinstance(mixer, keras_mixup.layers.MixUp):
            policy = keras_mixup.MixUp(1.0, seed=1, jit_compile=False)
            data = data.apply(policy)
        else:
            data = data.map(mixer, num_parallel_calls=calls)
        return np.stack([array(one["labels"]) for one in data])

    return "repeatable" if np.array_equal(epoch(None), epoch(8)) else "not repeatable"


@known
def identity_number(make):
    mixer, ids = make(), np.full(8, 2**24 + 1)
    if isinstance(mixer, OfTorch):
        raise NotKnown
    data = tf.data.Dataset.from_tensors(batch_of(id=ids)).map(mixer)
    found = array(next(iter(data))["id"])
    return "untouched" if (found == ids).all() else f"becomes {found[0]:.0f}"


def odd_batch(make):
    batch = batch_of(images=IMAGES[:7], labels=ROWS[:7])
    found = array(make()(batch)["labels"])
    alone = np.count_nonzero((found == ROWS[:7]).all(axis=1))
    return "mixed" if alone < 7 else "unmixed"


def share_of_pixels(make):
    """How far the share of a label is from that of the pixels, at most."""
    numbers = np.arange(1, 65, dtype="float32")
    images = np.tile(numbers[:, None, None, None], (1, 16, 16, 1))
    rows, most = np.eye(65, dtype="float32")[1:], 0.0
    mixer = make()
    for _ in range(20):
        mixed = mixer(batch_of(images=images, labels=rows))
        pixels = array(mixed["images"]).reshape(64, -1).astype(int)
        shares = [np.bincount(row, minlength=65) / 256 for row in pixels]
        most = max(most, np.abs(array(mixed["labels"]) - shares).max())
    return "equal" if most < 1e-5 else f"off by up to {most:.2f}"


# By name: of which mixer, and the program.
FAULTS = {
    "alpha = 0": ("MixUp", alpha_zero),
    "weights of exactly 0.5 at alpha 0.01": ("MixUp", weights_of_one_half),
    "float labels of shape (8,)": ("MixUp", float_labels),
    "segmentation masks (8, 4, 4, 1)": ("MixUp", masks),
    "two boxes an image": ("MixUp", boxes),
    "XLA": ("MixUp", under_xla),
    "mixed_bfloat16": ("MixUp", half_precision),
    "two replicas": ("MixUp", replicas),
    "a seed, in a parallel map": ("MixUp", repeated),
    "an id of 2**24 + 1 beside the images": ("MixUp", identity_number),
    "a batch of seven": ("MixUp", odd_batch),
    "CutMix: the label's share, against that of the pixels": (
        "CutMix",
        share_of_pixels,
    ),
    "CutMix: masks (8, 4, 4, 1) of color images": ("CutMix", masks),
    "CutMix: two boxes an image": ("CutMix", boxes),
}
