"""Programs that mix in the pipeline: task by structure by policy.

The oracle is numpy's sum over the partners of a `MixedBatch`, or, for what has no
`MixedBatch`, over those of its draw.
"""

import keras
import numpy as np
import tensorflow as tf

import keras_mixup
from tests.matrix.programs import program

SIZE = 8
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (SIZE, 6, 6, 3), np.uint8)
LABELS = np.arange(SIZE) % 4
ROWS = np.eye(4, dtype="float32")[LABELS]
TABLE = RNG.normal(size=(SIZE, 5)).astype("float32")
VALUES = RNG.normal(size=(SIZE, 1)).astype("float32")
MASKS = RNG.integers(0, 3, (SIZE, 6, 6))
TOKENS = RNG.integers(1, 9, (SIZE, 7))
WEIGHTS = RNG.uniform(0.5, 2, SIZE).astype("float32")


def dataset_of(batch):
    return tf.data.Dataset.from_tensor_slices(batch).batch(SIZE)


def draw(mixup, size=SIZE):
    """The one lam and the partners of the first batch, as numpy."""
    lam = keras_mixup.sample_lambda(mixup.alpha, (), seed=mixup.seed, step=0)
    partner = keras_mixup.sample_partner(size, seed=mixup.seed, step=0)
    return float(lam), partner.numpy()


def averaged(values, lam, partner):
    values = np.asarray(values, "float64")
    return lam * values + (1 - lam) * values[partner]


def check_averaged(batch, mixup, pick=lambda mixed: mixed, expected=None):
    """Maps a dataset and holds each array to `lam v_i + (1 - lam) v_j`."""
    mixed = pick(next(iter(dataset_of(batch).apply(mixup))))
    lam, partner = draw(mixup)
    for one, given in zip(
        keras.tree.flatten(mixed), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(one, averaged(given, lam, partner), atol=2e-5)


AVERAGED = {
    "images, integer labels": ((IMAGES, LABELS), {"num_classes": 4}, (IMAGES, ROWS)),
    "images, one-hot rows": ((IMAGES, ROWS), {}, (IMAGES, ROWS)),
    "table, quantity": ((TABLE, VALUES), {}, (TABLE, VALUES)),
    "table, 0 and 1 as floats": (
        (TABLE, (LABELS % 2).astype("float32")),
        {},
        (TABLE, LABELS % 2),
    ),
    "table, multi-hot integers": (
        (TABLE, np.eye(4, dtype="int64")[LABELS]),
        {"multi_label": True, "num_classes": 4},
        (TABLE, ROWS),
    ),
    "two inputs as a dict": (
        ({"a": TABLE, "b": IMAGES}, ROWS),
        {},
        ({"a": TABLE, "b": IMAGES}, ROWS),
    ),
    "two targets as a tuple": (
        (TABLE, (ROWS, VALUES)),
        {},
        (TABLE, (ROWS, VALUES)),
    ),
    "TFDS dict": (
        {"image": IMAGES, "label": LABELS},
        {"num_classes": 4},
        {"image": IMAGES, "label": ROWS},
    ),
    "Keras dict": (
        {"images": IMAGES, "labels": ROWS},
        {},
        {"images": IMAGES, "labels": ROWS},
    ),
    "amounts as uint16": (
        (IMAGES[..., 0].astype("uint16"), ROWS),
        {"quantities": ("x",)},
        (IMAGES[..., 0], ROWS),
    ),
}
for _name, (_batch, _options, _expected) in AVERAGED.items():

    @program("pipeline, mixup", _name)
    def _averaged(batch=_batch, options=_options, expected=_expected):
        mixup = keras_mixup.MixUp(1.0, seed=5, **options)
        check_averaged(batch, mixup, expected=expected)


@program("pipeline, mixup", "sample weights")
def weighted():
    mixup = keras_mixup.MixUp(1.0, seed=5)
    batch = (TABLE, VALUES, WEIGHTS)
    x, y, weight = next(iter(dataset_of(batch).apply(mixup)))
    lam, partner = draw(mixup)
    total = averaged(WEIGHTS, lam, partner)
    weighed = averaged(VALUES[:, 0] * WEIGHTS, lam, partner) / total
    np.testing.assert_allclose(weight, total, rtol=1e-5)
    np.testing.assert_allclose(y[:, 0], weighed, rtol=1e-4)
    np.testing.assert_allclose(x, averaged(TABLE, lam, partner), atol=1e-5)


@program("pipeline, mixup", "segmentation masks of integers")
def segmentation():
    mixup = keras_mixup.MixUp(1.0, seed=5, num_classes=3)
    rows = np.eye(3)[MASKS]
    check_averaged((IMAGES, MASKS), mixup, expected=(IMAGES, rows))


@program("pipeline, mixup", "boxes in a Keras dict")
def boxes():
    given = {
        "boxes": RNG.uniform(0, 6, (SIZE, 2, 4)).astype("float32"),
        "classes": np.zeros((SIZE, 2), "float32"),
    }
    mixup = keras_mixup.MixUp(1.0, seed=5)
    batch = {"images": IMAGES, "bounding_boxes": given}
    mixed = next(iter(dataset_of(batch).apply(mixup)))
    lam, partner = draw(mixup)
    np.testing.assert_allclose(
        mixed["images"], averaged(IMAGES, lam, partner), atol=1e-3
    )
    both = np.concatenate([given["boxes"], given["boxes"][partner]], axis=1)
    np.testing.assert_allclose(mixed["bounding_boxes"]["boxes"], both, rtol=1e-6)


@program("pipeline, mixup", "an id that passes")
def passing():
    mixup = keras_mixup.MixUp(1.0, seed=5, passthrough=("id",))
    ids = np.arange(SIZE)
    batch = ({"image": TABLE, "id": ids}, ROWS)
    x, _ = next(iter(dataset_of(batch).apply(mixup)))
    np.testing.assert_array_equal(x["id"], ids)
    np.testing.assert_allclose(x["image"], averaged(TABLE, *draw(mixup)), atol=1e-5)


@program("pipeline, mixup", "a PyDataset with workers")
def py_dataset():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return TABLE, ROWS

    mixup = keras_mixup.MixUp(1.0, seed=5)
    dataset = keras_mixup.as_dataset(Batches(workers=2)).apply(mixup)
    x, y = next(iter(dataset))
    np.testing.assert_allclose(x, averaged(TABLE, *draw(mixup)), atol=1e-5)
    np.testing.assert_allclose(y, averaged(ROWS, *draw(mixup)), atol=1e-5)


@program("pipeline, mixup", "a generator")
def generator():
    mixup = keras_mixup.MixUp(1.0, seed=5)
    batches = ((TABLE, ROWS) for _ in range(3))
    x, _ = next(iter(keras_mixup.as_dataset(batches).apply(mixup)))
    np.testing.assert_allclose(x, averaged(TABLE, *draw(mixup)), atol=1e-5)


@program("pipeline, mixup", "integer labels without num_classes", "num_classes")
def labels_alone():
    next(iter(dataset_of((IMAGES, LABELS)).apply(keras_mixup.MixUp(1.0))))


@program("pipeline, mixup", "token ids", "Expected floats or uint8")
def token_ids():
    next(iter(dataset_of((TOKENS, ROWS)).apply(keras_mixup.MixUp(1.0))))


@program("pipeline, mixup", "names that are not known", "(batch[inputs], batch[targ")
def other_names():
    batch = {"pixels": IMAGES, "category": LABELS}
    next(iter(dataset_of(batch).apply(keras_mixup.MixUp(1.0))))


@program("pipeline, mixup", "survival times that are censored", "censor")
def censored():
    batch = (TABLE, {"time": VALUES, "event": LABELS % 2})
    next(iter(dataset_of(batch).apply(keras_mixup.MixUp(1.0))))


@program("pipeline, mixup", "images of several sizes", "pad or resize them")
def several_sizes():
    images = tf.data.Dataset.range(4).map(lambda i: tf.zeros([4 + i, 5, 3]))
    rows = tf.data.Dataset.from_tensor_slices(ROWS[:4])
    batches = tf.data.Dataset.zip((images, rows)).ragged_batch(2)
    batches.apply(keras_mixup.MixUp(1.0))


@program("pipeline, mixup", "images of several sizes, padded")
def padded():
    images = tf.data.Dataset.range(8).map(lambda i: tf.ones([1 + i % 3, 2]))
    rows = tf.data.Dataset.from_tensor_slices(ROWS)
    mixup = keras_mixup.MixUp(1.0, seed=5)
    batches = tf.data.Dataset.zip((images, rows)).padded_batch(8).apply(mixup)
    by_hand = np.zeros((8, 3, 2))
    for i in range(8):
        by_hand[i, : 1 + i % 3] = 1
    found = next(iter(batches))[0]
    np.testing.assert_allclose(found, averaged(by_hand, *draw(mixup)), atol=1e-6)


@program("pipeline, mixup", "batches of one", "no partner in it")
def ones():
    one = tf.data.Dataset.from_tensor_slices((TABLE, ROWS)).batch(1, True)
    one.apply(keras_mixup.MixUp(1.0))


@program("pipeline, mixup", "batches of one, each with the one before")
def ones_with_the_one_before():
    """A dict of image and mask, shuffled, over two epochs."""
    source = {"images": IMAGES, "segmentation_masks": MASKS[..., np.newaxis]}
    ones = tf.data.Dataset.from_tensor_slices(source).shuffle(8).batch(1)
    mixup = keras_mixup.MixUp(1.0, seed=5, num_classes=3)
    first, read = next(iter(ones)), []
    pairs = ones.scan(first, lambda before, batch: (batch, (batch, before)))
    mixed = pairs.apply(keras_mixup.count_steps).map(
        lambda step, pair: (pair[0], mixup.between(*pair, step=step))
    )
    assert len(mixed) == 8
    for epoch in range(2):
        before = first
        for index, (own, found) in enumerate(mixed):
            lam = keras_mixup.sample_lambda(1.0, (), seed=5, step=8 * epoch + index)
            lam = float(lam)
            images = [np.float64(one["images"]) for one in (own, before)]
            rows = [
                np.eye(3)[one["segmentation_masks"][..., 0]] for one in (own, before)
            ]
            for name, parts in {"images": images, "segmentation_masks": rows}.items():
                expected = lam * parts[0] + (1 - lam) * parts[1]
                np.testing.assert_allclose(found[name], expected, atol=2e-5)
            before = own
            read.append(images[0].sum())
    assert sorted(read[:8]) == sorted(read[8:]) and len(set(read[:8])) == 8


@program("pipeline, mixup", "entries of other names, with a labels_getter")
def named():
    mixup = keras_mixup.MixUp(
        1.0, seed=5, num_classes=4, labels_getter=lambda batch: batch["category"]
    )
    batch = {"pixels": IMAGES, "category": LABELS}
    check_averaged(batch, mixup, expected={"pixels": IMAGES, "category": ROWS})


def check_pasted(policy, x, y, averages=False):
    """Each position shows one example, and targets have the shares of positions."""
    mixed = policy(x, y, details=True)
    partner = mixed.partners[0].numpy()
    own, other = np.asarray(x), np.asarray(x)[partner]
    found = np.asarray(mixed.x)
    if not averages:
        assert ((found == own) | (found == other)).all()
    mask = np.asarray(mixed.mask[0])
    mask = mask.reshape(*mask.shape, *[1] * (found.ndim - mask.ndim))
    mask = np.broadcast_to(mask, found.shape)
    if not averages:
        np.testing.assert_array_equal(found, np.where(mask, own, other))
    share = mask.reshape(len(mask), -1).mean(axis=1)
    rows = share[:, None] * y + (1 - share[:, None]) * y[partner]
    np.testing.assert_allclose(mixed.y, rows, atol=1e-5)


FLOATS = IMAGES.astype("float32")
PASTED = {
    "CutMix, images": (keras_mixup.CutMix(1.0, seed=5), FLOATS, False),
    "CutMix, token ids": (keras_mixup.CutMix(1.0, seed=5), TOKENS, False),
    "CutMix, one box an example": (
        keras_mixup.CutMix(1.0, per="example", seed=5),
        FLOATS,
        False,
    ),
    # What is pasted is a small image of the whole partner.
    "ResizeMix, images": (keras_mixup.ResizeMix(seed=5), FLOATS, True),
    "FMix, images": (keras_mixup.FMix(1.0, seed=5), FLOATS, False),
}
for _name, (_policy, _x, _averages) in PASTED.items():

    @program("pipeline, pasting", _name)
    def _pasted(policy=_policy, x=_x, averages=_averages):
        check_pasted(policy, x, ROWS, averages)


@program("pipeline, pasting", "CutMix, segmentation masks stay integers")
def pasted_masks():
    policy = keras_mixup.CutMix(1.0, seed=5)
    mixed = policy(FLOATS, MASKS, details=True)
    partner, mask = mixed.partners[0].numpy(), np.asarray(mixed.mask[0])
    np.testing.assert_array_equal(mixed.y, np.where(mask, MASKS, MASKS[partner]))


@program("pipeline, pasting", "RandomChoice of mixup and CutMix")
def chosen():
    policies = [keras_mixup.MixUp(1.0), keras_mixup.CutMix(1.0)]
    either = keras_mixup.RandomChoice(policies, seed=5)
    for _, rows in dataset_of((FLOATS, ROWS)).repeat(4).apply(either):
        np.testing.assert_allclose(np.sum(rows, axis=1), 1, atol=1e-6)


@program("pipeline, pasting", "CutMix of one number an example", "to cut")
def nothing_to_cut():
    keras_mixup.CutMix(1.0, seed=5)(VALUES[:, 0], ROWS)


@program("pipeline, pasting", "CutMix of a quantity", "quantit")
def no_share():
    keras_mixup.CutMix(1.0, seed=5)(FLOATS, VALUES)
