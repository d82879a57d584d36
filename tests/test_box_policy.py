"""CutMix and ResizeMix with bounding boxes: batches of dicts, dense and ragged."""

import pathlib
import xml.etree.ElementTree

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests import placed

BLOOD = pathlib.Path(__file__).parents[2] / "shared" / "data" / "bccd"
IMAGES = np.random.default_rng(0).random((4, 8, 12, 1)).astype("float32")
BOXES = np.array(
    [
        [[0, 0, 6, 4], [4, 2, 12, 8], [-1, -1, -1, -1]],
        [[2, 2, 10, 6], [-1, -1, -1, -1], [-1, -1, -1, -1]],
        [[0, 0, 12, 8], [1, 1, 3, 7], [6, 0, 9, 3]],
        [[-1, -1, -1, -1]] * 3,
    ],
    "float32",
)
CLASSES = np.array([[0, 1, -1], [2, -1, -1], [3, 4, 5], [-1, -1, -1]])
KINDS = {"CutMix": keras_mixup.CutMix, "ResizeMix": keras_mixup.ResizeMix}


def policy_of(kind, **settings):
    given = {"per": "example", "pairing": "roll", "seed": 5, "min_visibility": 0.2}
    given |= {"bounding_box_format": "xyxy"}
    return KINDS[kind](**{**given, **settings})


def by_loop(policy, step, prior=None):
    """For each image the boxes that are seen: (class, box, weight), pixel by pixel."""
    draw = placed.draw_at(policy, IMAGES, step)
    partners = placed.partners_of(draw, 4)
    found = []
    for i in range(4):
        shows = np.zeros((8, 12), int)
        for position in np.ndindex(8, 12):
            shows[position] = placed.shown_at(draw, i, position, IMAGES.shape)[0]
        rows = []
        for k, j in enumerate([partners[0][i], partners[1][i]]):
            for box, label, n in zip(BOXES[j], CLASSES[j], range(3), strict=True):
                if label < 0:
                    continue
                x0, y0, x1, y1 = box.astype(int)
                inside = np.zeros((8, 12), bool)
                inside[y0:y1, x0:x1] = True
                visible = inside & (shows == k)
                weight = visible.sum() / inside.sum()
                if k and policy.__class__ is keras_mixup.ResizeMix:
                    (top, bottom), (left, right) = [
                        [int(e[i]) for e in span] for span in draw.regions[0].spans
                    ]
                    scale = np.array([right - left, bottom - top] * 2) / [12, 8, 12, 8]
                    box = box * scale + [left, top, left, top]
                    weight = 1.0 if bottom > top else 0.0
                elif visible.any():
                    down, across = np.nonzero(visible)
                    box = [across.min(), down.min(), across.max() + 1, down.max() + 1]
                if weight >= policy.min_visibility:
                    weight *= 1 if prior is None else prior[j, n]
                    rows.append((label, box, weight))
        found.append(rows)
    return found


@pytest.mark.parametrize("key", ["labels", "classes"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["dense", "ragged", "weighted"])
def test_boxes_are_those_that_are_seen(kind, form, key):
    policy = policy_of(kind)
    boxes, prior = {"boxes": BOXES, key: CLASSES}, None
    if form == "ragged":
        there = CLASSES >= 0
        lengths = there.sum(1)
        boxes = {
            "boxes": tf.RaggedTensor.from_row_lengths(BOXES[there], lengths),
            key: tf.RaggedTensor.from_row_lengths(CLASSES[there], lengths),
        }
    if form == "weighted":
        prior = np.random.default_rng(1).random((4, 3)).astype("float32")
        boxes["weights"] = prior
    for step in range(3):
        batch = {"images": IMAGES, "bounding_boxes": boxes}
        found = policy.at_step(step, batch)["bounding_boxes"]
        expected = by_loop(policy, step, prior)
        for i, rows in enumerate(expected):
            classes = found[key][i].numpy()
            there = classes >= 0
            assert classes[there].tolist() == [label for label, _, _ in rows]
            if rows:
                np.testing.assert_allclose(
                    found["boxes"][i].numpy()[there], [box for _, box, _ in rows], 1e-5
                )
            np.testing.assert_allclose(
                found["weights"][i].numpy()[there], [weight for _, _, weight in rows],
                rtol=1e-5,
            )  # fmt: skip
            if form != "ragged":
                assert classes.shape == (6,) and not there[len(rows) :].any()
                assert (found["boxes"][i].numpy()[~there] == -1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_without_mixing_the_boxes_are_the_own_ones(kind):
    policy = policy_of(kind, probability=0.0)
    boxes = {"boxes": BOXES, "labels": CLASSES}
    found = policy({"images": IMAGES, "bounding_boxes": boxes})["bounding_boxes"]
    np.testing.assert_array_equal(found["boxes"], BOXES)
    np.testing.assert_array_equal(found["labels"], CLASSES)


@pytest.mark.parametrize("is_ragged", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_dataset_of_blood_cells(kind, is_ragged):
    """Of real images: the boxes lie inside, and each has an area and a weight."""
    images, boxes, classes = blood_cells()
    policy = policy_of(kind, jit_compile=is_ragged and kind == "ResizeMix")
    given = {"boxes": boxes, "labels": classes}
    if not is_ragged:
        given = {key: value.to_tensor(-1) for key, value in given.items()}
    batch = {"images": images, "bounding_boxes": given}
    mixed = next(iter(tf.data.Dataset.from_tensors(batch).apply(policy)))
    found = mixed["bounding_boxes"]
    assert mixed["images"].shape == images.shape and mixed["images"].dtype == tf.uint8
    for i in range(len(images)):
        there = found["labels"][i].numpy() >= 0
        box = found["boxes"][i].numpy()[there]
        weight = found["weights"][i].numpy()[there]
        assert (box >= 0).all() and (box <= [320, 240, 320, 240]).all()
        assert (box[:, 2:] > box[:, :2]).all()
        assert (weight >= 0.2).all() and (weight <= 1).all()
    assert (found["weights"] == 1).numpy().any() if not is_ragged else True


def blood_cells():
    """Four images and their boxes; without the data set, drawn ones of its form."""
    if not BLOOD.exists():
        generator = np.random.default_rng(0)
        low = generator.uniform(0, 200, (4, 5, 2))
        boxes = np.concatenate([low, low + 30], -1).astype("float32")
        images = generator.integers(0, 255, (4, 240, 320, 3)).astype("uint8")
        rows = [boxes[i, : i + 1] for i in range(4)]
    else:
        images, rows = [], []
        for path in sorted((BLOOD / "Annotations").glob("*.xml"))[:4]:
            image = (BLOOD / "JPEGImages" / path.stem).with_suffix(".jpg")
            decoded = tf.io.decode_jpeg(image.read_bytes())
            size = decoded.shape[:2]
            images.append(tf.cast(tf.image.resize(decoded, (240, 320)), tf.uint8))
            scale = np.array([320 / size[1], 240 / size[0]] * 2)
            found = xml.etree.ElementTree.parse(path).iter("bndbox")
            names = ("xmin", "ymin", "xmax", "ymax")
            corners = [[int(box.find(n).text) for n in names] for box in found]
            rows.append((np.array(corners) * scale).astype("float32"))
        images = tf.stack(images)
    lengths = [len(one) for one in rows]
    boxes = tf.RaggedTensor.from_row_lengths(np.concatenate(rows), lengths)
    classes = tf.RaggedTensor.from_row_lengths(np.arange(sum(lengths)), lengths)
    return images, boxes, classes


@pytest.mark.parametrize(
    ("settings", "images", "message"),
    [
        ({"bounding_box_format": None}, IMAGES, r"`bounding_box_format`.*'rel_xywh'"),
        ({"examples": 3}, IMAGES, "Expected examples=2.*beside boxes.*examples=3"),
        ({}, IMAGES[..., 0], "images of shape"),
        ({"axes": (1,)}, IMAGES, "images of shape"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_boxes_that_cannot_be_clipped(kind, settings, images, message):
    boxes = {"boxes": BOXES, "labels": CLASSES}
    with pytest.raises(ValueError, match=message):
        policy_of(kind, **settings)({"images": images, "bounding_boxes": boxes})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bounding_box_format": "xxyy"}, "`bounding_box_format`.*'yxyx'.*'xxyy'"),
        ({"bounding_box_format": "xyxy", "min_visibility": 1.5}, r"`min_vis.*\[0, 1\]"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_settings(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        KINDS[kind](**settings)
