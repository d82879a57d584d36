"""Detection: boxes of both images stay, each with the weight of its image."""

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests.programs import by_hand

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
BOXES = np.random.default_rng(1).random((4, 2, 4)).astype("float32")
CLASSES = np.random.default_rng(2).integers(0, 5, (4, 2)).astype("float32")
# The second box of the last image is padding.
CLASSES[3, 1], BOXES[3, 1] = -1, -1


def of_image(boxes, classes, weights, i):
    """The set of (box, class, weight) that are there."""
    return sorted(
        (*np.round(np.asarray(boxes[i][k], float), 4), float(classes[i][k]), weight)
        for k, weight in enumerate(np.round(np.asarray(weights[i], float), 4))
        if classes[i][k] >= 0 and weight > 0
    )


@pytest.mark.parametrize("mode", ["call", "map"])
def test_boxes_of_both_images_with_their_weights(mode):
    lam, partner = by_hand.draw(4)
    mixup = keras_mixup.MixUp(1.0, seed=1)
    batch = {
        "images": IMAGES,
        "bounding_boxes": {"boxes": BOXES, "classes": CLASSES},
    }
    if mode == "call":
        mixed = mixup.at_step(0, batch)
    else:
        mixed = next(iter(tf.data.Dataset.from_tensors(batch).apply(mixup)))
    np.testing.assert_allclose(
        mixed["images"], by_hand.mixed(IMAGES, lam, partner), atol=1e-3
    )
    found = {name: value.numpy() for name, value in mixed["bounding_boxes"].items()}
    (weights,) = (found[name] for name in found if "weight" in name)
    for i in range(4):
        j = partner[i]
        shares = [1.0] if i == j else [lam, 1 - lam]
        expected = []
        for image, share in zip((i, j), shares, strict=False):
            share = np.round(np.float32(share).astype(float), 4)
            expected += [
                (*np.round(BOXES[image, k].astype(float), 4), CLASSES[image, k], share)
                for k in range(2)
                if CLASSES[image, k] >= 0
            ]
        boxes = of_image(found["boxes"], found["classes"], weights, i)
        if i != j:
            np.testing.assert_allclose(boxes, sorted(expected), atol=2e-4)
        else:
            # An example that is its own partner keeps the weight of the whole.
            assert sum(box[-1] for box in boxes) == pytest.approx(
                len(expected), abs=1e-3
            )


def test_a_loss_that_takes_the_weights_of_boxes():
    # A detector's loss in a loop of one's own: each box by its weight.
    lam, partner = by_hand.draw(4)
    mixup = keras_mixup.MixUp(1.0, seed=1)
    batch = {
        "images": IMAGES,
        "bounding_boxes": {"boxes": BOXES, "classes": CLASSES},
    }
    mixed = mixup.at_step(0, batch)["bounding_boxes"]
    (weights,) = (mixed[name] for name in mixed if "weight" in name)
    there = tf.cast(mixed["classes"] >= 0, tf.float32)
    areas = mixed["boxes"][..., 2] * mixed["boxes"][..., 3]
    found = tf.reduce_sum(areas * weights * there, axis=-1)
    clean = (BOXES[..., 2] * BOXES[..., 3] * (CLASSES >= 0)).sum(-1)
    expected = by_hand.mixed(clean, lam, partner)
    np.testing.assert_allclose(found, expected, atol=1e-5)
