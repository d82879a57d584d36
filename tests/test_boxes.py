"""Bounding boxes: the union of all parts, with weights; on real images too."""

import functools
import pathlib
import xml.etree.ElementTree

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import batches
from keras_mixup import boxes as boxes_module
from tests import oracles

slow = pytest.mark.slow
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.random((3, 8, 8, 3)).astype("float32")
BOXES = GENERATOR.random((3, 4, 4)).astype("float32")
CLASSES = np.array([[1, 2, -1, -1], [0, -1, -1, -1], [3, 3, 1, 2]])
BCCD = pathlib.Path(__file__).parents[2] / "shared" / "data" / "bccd"


def expected_rows(lam, i, j):
    """(box, class, weight) of the mixture of examples i and j, without padding."""
    rows = []
    for weight, k in ((lam, i), (1 - lam, j)):
        for box, kind in zip(BOXES[k], CLASSES[k], strict=True):
            if kind >= 0 and weight > 0:
                rows.append((box, kind, weight))
    return rows


# Whatever the name of the classes, a graph reads the boxes by the same lines.
@pytest.mark.parametrize(
    ("class_key", "mode"),
    [
        *(("labels", mode) for mode in oracles.MODES),
        *(("classes", mode) for mode in ("eager", "xla")),
        *(pytest.param("classes", mode, marks=slow) for mode in ("graph", "map")),
    ],
)
def test_boxes_of_both_forms_are_joined_and_weighted(mode, class_key):
    dtype = "float32" if class_key == "classes" else "int32"
    batch = {
        "images": IMAGES,
        "bounding_boxes": {"boxes": BOXES, class_key: CLASSES.astype(dtype)},
    }
    policy = keras_mixup.MixUp(1.0, per="example", pairing="roll", seed=1)

    def mix(batch):
        return policy.at_step(0, batch)

    found = oracles.run(mode, mix, batch)["bounding_boxes"]
    lam = keras_mixup.sample_lambda(1.0, (3,), seed=1).numpy()
    assert found["boxes"].shape == (3, 8, 4) and found[class_key].dtype == dtype
    for i in range(3):
        rows = expected_rows(lam[i], i, i - 1)
        for n, (box, kind, weight) in enumerate(rows):
            np.testing.assert_array_equal(found["boxes"][i, n], box)
            assert found[class_key][i, n] == kind
            assert found["weights"][i, n] == pytest.approx(weight, abs=1e-6)
        # Padding is kept apart: behind all boxes, and it weighs nothing.
        assert (found[class_key][i, len(rows) :] == -1).all()
        assert (found["boxes"][i, len(rows) :] == -1).all()
        assert (found["weights"][i, len(rows) :] == 0).all()


@pytest.mark.parametrize("mapped", [False, True])
def test_ragged_boxes_stay_ragged(mapped):
    ragged = {
        "boxes": tf.RaggedTensor.from_tensor(BOXES, lengths=[2, 1, 4]),
        "classes": tf.RaggedTensor.from_tensor(
            CLASSES.astype("float32"), lengths=[2, 1, 4]
        ),
    }
    batch = {"images": IMAGES, "bounding_boxes": ragged}
    policy = keras_mixup.MixUp(1.0, per="example", pairing="roll", seed=1)
    if mapped:
        dataset = tf.data.Dataset.from_tensors(batch).apply(policy)
        found = next(iter(dataset))["bounding_boxes"]
    else:
        found = policy.at_step(0, batch)["bounding_boxes"]
    lam = keras_mixup.sample_lambda(1.0, (3,), seed=1).numpy()
    for i in range(3):
        rows = expected_rows(lam[i], i, i - 1)
        assert found["classes"][i].numpy().tolist() == [kind for _, kind, _ in rows]
        np.testing.assert_array_equal(found["boxes"][i], [box for box, _, _ in rows])
        weights = [weight for _, _, weight in rows]
        np.testing.assert_allclose(found["weights"][i], weights, atol=1e-6)


def test_without_mixing_the_boxes_are_the_own_ones():
    boxes = {"boxes": BOXES, "labels": CLASSES}
    batch = {"images": IMAGES, "bounding_boxes": boxes}
    found = keras_mixup.MixUp(0.0)(batch)["bounding_boxes"]
    np.testing.assert_array_equal(found["labels"], CLASSES)
    np.testing.assert_array_equal(found["weights"], CLASSES >= 0)


def test_further_entries_of_a_box_go_along():
    boxes = {"boxes": BOXES, "labels": CLASSES, "score": BOXES[..., 0]}
    batch = {"images": IMAGES, "bounding_boxes": boxes}
    found = keras_mixup.MixUp(1.0, seed=1)(batch)["bounding_boxes"]
    kept = found["labels"].numpy() >= 0
    np.testing.assert_array_equal(
        found["score"].numpy()[kept], found["boxes"].numpy()[kept][:, 0]
    )


@pytest.mark.skipif(not BCCD.exists(), reason="the BCCD images are not at hand")
def test_on_blood_cells_every_box_of_both_images_is_there():
    names = sorted(path.stem for path in BCCD.rglob("*.xml"))[:4]
    kinds = ["RBC", "WBC", "Platelets"]
    images, boxes, classes = [], [], []
    for name in names:
        image = next(p for p in BCCD.rglob(f"{name}.*") if p.suffix != ".xml")
        image = tf.io.decode_jpeg(image.read_bytes(), channels=3)
        images.append(tf.image.resize_with_crop_or_pad(image, 480, 640))
        tree = xml.etree.ElementTree.parse(next(BCCD.rglob(f"{name}.xml")))
        found = tree.findall("object")
        classes.append([kinds.index(o.findtext("name")) for o in found])
        corners = ("xmin", "ymin", "xmax", "ymax")
        boxes.append(
            [[float(o.findtext(f"bndbox/{c}")) for c in corners] for o in found]
        )
    batch = {
        "images": tf.stack(images),
        "bounding_boxes": {
            "boxes": tf.ragged.constant(boxes, ragged_rank=1).to_tensor(-1),
            "labels": tf.ragged.constant(classes).to_tensor(-1),
        },
    }
    policy = keras_mixup.MixUp(1.5, pairing="derangement", seed=1)
    dataset = tf.data.Dataset.from_tensors(batch).apply(policy)
    mixed = next(iter(dataset))
    lam = float(keras_mixup.sample_lambda(1.5, (), seed=1))
    partner = keras_mixup.sample_partner(4, seed=1, pairing="derangement").numpy()
    expected = oracles.mix(batch["images"], lam, partner)
    np.testing.assert_allclose(mixed["images"], expected, atol=1e-3)
    for i, j in enumerate(partner):
        found = mixed["bounding_boxes"]
        count = len(boxes[i]) + len(boxes[j])
        np.testing.assert_array_equal(found["boxes"][i, :count], boxes[i] + boxes[j])
        weights = [lam] * len(boxes[i]) + [1 - lam] * len(boxes[j])
        np.testing.assert_allclose(found["weights"][i, :count], weights, atol=1e-6)
        assert (found["labels"][i, count:].numpy() == -1).all()


def test_boxes_in_a_tuple_and_rows_of_classes_are_refused():
    boxes = {"boxes": np.zeros((4, 2, 4), "float32"), "classes": np.zeros((4, 2))}
    images = np.zeros((4, 3, 3, 1), "float32")
    with pytest.raises(ValueError, match="joined, not averaged.*bounding_boxes"):
        keras_mixup.MixUp(1.0)(images, boxes)
    boxes["classes"] = np.zeros((4, 2, 5), "float32")
    with pytest.raises(ValueError, match=r"`classes` of the boxes.*\(4, 2, 5\)"):
        keras_mixup.MixUp(1.0)({"images": images, "bounding_boxes": boxes})


def test_ragged_boxes_are_not_mixed_with_dense_ones():
    dense = {"boxes": np.zeros((2, 1, 4), "float32"), "classes": np.zeros((2, 1), "f")}
    ragged = {
        name: tf.RaggedTensor.from_tensor(value, ragged_rank=1)
        for name, value in dense.items()
    }
    images = np.zeros((2, 3, 3, 1), "float32")
    one, other = ({"images": images, "bounding_boxes": b} for b in (dense, ragged))
    with pytest.raises(ValueError, match="same structure.*ragged"):
        keras_mixup.MixUp(1.0).between(one, other)


def mixed_boxes(boxes, mode="eager", **settings):
    policy = keras_mixup.MixUp(1.0, pairing="roll", seed=1, **settings)

    def mix(boxes):
        batch = {"images": IMAGES, "bounding_boxes": boxes}
        return policy.at_step(0, batch)["bounding_boxes"]

    lam = float(keras_mixup.sample_lambda(1.0, (), seed=1))
    if mode == "map":
        return lam, next(iter(tf.data.Dataset.from_tensors(boxes).map(mix)))
    wrap = {"eager": lambda f: f, "graph": tf.function}.get(mode)
    wrap = wrap or functools.partial(tf.function, jit_compile=True)
    return lam, wrap(mix)(boxes)


@pytest.mark.parametrize(
    ("is_ragged", "mode"),
    [
        *((False, mode) for mode in ("eager", "graph", "map")),
        *((True, mode) for mode in ("eager", "map")),
        # A map is a graph, which tensors of ragged rows take seconds to make.
        pytest.param(True, "graph", marks=slow),
    ],
)
def test_further_entries_of_each_dtype_go_along(mode, is_ragged):
    number = np.arange(12).reshape(3, 4)
    extra = {
        "name": np.array([f"box {i}" for i in range(12)]).reshape(3, 4),
        "crowd": number % 2 == 0,
        "area": number.astype("uint16"),
        "points": np.stack([number, -number], -1).astype("float32"),
    }
    boxes = {"boxes": BOXES, "classes": CLASSES.astype("float32"), **extra}
    lengths = (CLASSES >= 0).sum(1)
    if is_ragged:
        boxes = {
            name: tf.RaggedTensor.from_tensor(value, lengths=lengths)
            for name, value in boxes.items()
        }
    lam, found = mixed_boxes(boxes, mode)
    padding = {"name": b"", "crowd": False, "area": 0, "points": -1}
    for i in range(3):
        count = lengths[i] + lengths[i - 1]
        for name, value in extra.items():
            expected = np.concatenate([value[k][: lengths[k]] for k in (i, i - 1)])
            one = found[name][i]
            one = one.to_tensor() if isinstance(one, tf.RaggedTensor) else one
            one = np.asarray(one)
            kept = one[:count].astype(str) if name == "name" else one[:count]
            np.testing.assert_array_equal(kept, expected)
            assert len(one) == (count if is_ragged else 8)
            assert (one[count:] == padding[name]).all()
        weights = np.repeat([lam, 1 - lam], [lengths[i], lengths[i - 1]])
        np.testing.assert_allclose(found["weights"][i][:count], weights, atol=1e-6)


def test_a_box_of_weight_zero_is_padding():
    parts = [{"boxes": BOXES, "labels": CLASSES}, {"boxes": -BOXES, "labels": CLASSES}]
    parts = [boxes_module.read_boxes(part) for part in parts]
    lam = tf.constant([1.0, 0.0, 0.25])
    found = boxes_module.mix_boxes(parts, [lam, 1 - lam])
    np.testing.assert_array_equal(found["labels"][0], [1, 2, *[-1] * 6])
    np.testing.assert_array_equal(found["labels"][1], [0, *[-1] * 7])
    np.testing.assert_array_equal(found["boxes"][1, 0], -BOXES[1, 0])
    np.testing.assert_array_equal(found["labels"][2], [3, 3, 1, 2] * 2)
    weights = [[1] * 2 + [0] * 6, [1] + [0] * 7, [0.25] * 4 + [0.75] * 4]
    np.testing.assert_array_equal(found["weights"], weights)


def test_boxes_between_two_batches_and_a_weight_of_the_image():
    weight = np.array([1.0, 2.0, 4.0], "float32")
    entries = {"boxes": BOXES, "labels": CLASSES}
    batch = {"images": IMAGES, "bounding_boxes": entries, "sample_weight": weight}
    other = {**batch, "images": IMAGES[::-1], "sample_weight": weight[::-1]}
    mixed = keras_mixup.MixUp(1.0, seed=1).between(batch, other, step=0)
    lam = float(keras_mixup.sample_lambda(1.0, (), seed=1))
    expected = lam * weight + (1 - lam) * weight[::-1]
    np.testing.assert_allclose(mixed["sample_weight"], expected, rtol=1e-6)
    expected = lam * IMAGES + (1 - lam) * IMAGES[::-1]
    np.testing.assert_allclose(mixed["images"], expected, atol=1e-6)
    np.testing.assert_array_equal(
        mixed["bounding_boxes"]["labels"][2], [3, 3, 1, 2] * 2
    )
    alone = {"images": IMAGES, "bounding_boxes": entries}
    mixed = keras_mixup.MixUp(1.0, seed=1).between(alone, alone, step=0)
    assert mixed["bounding_boxes"]["boxes"].shape == (3, 8, 4)


def test_boxes_of_another_number_of_images_are_refused():
    few = {"boxes": BOXES[:2], "labels": CLASSES[:2]}
    with pytest.raises(ValueError, match="Batch sizes differ.*'boxes': 2"):
        keras_mixup.MixUp(1.0)({"images": IMAGES, "bounding_boxes": few})


def test_what_a_compiler_does_not_take():
    dense = {"boxes": BOXES, "classes": CLASSES.astype("float32")}
    ragged = {
        name: tf.RaggedTensor.from_tensor(value, ragged_rank=1)
        for name, value in dense.items()
    }
    names = {**dense, "name": CLASSES.astype(str)}
    for entries, expected in ((dense, False), (ragged, True), (names, True)):
        batch = {"images": IMAGES, "bounding_boxes": entries}
        read = batches.read_batch(batch)
        assert read.has_boxes_for_no_compiler() == expected
    assert not batches.read_batch((IMAGES, IMAGES)).has_boxes_for_no_compiler()


def test_entries_of_none_stay_none():
    boxes = {"boxes": BOXES, "labels": CLASSES, "confidence": None}
    policy = keras_mixup.MixUp(1.0, pairing="roll", seed=1)
    mixed = policy.at_step(0, {"images": IMAGES, "bounding_boxes": boxes})
    assert mixed["bounding_boxes"]["confidence"] is None
    assert mixed["bounding_boxes"]["boxes"].shape == (3, 8, 4)


@pytest.mark.parametrize("mode", ["eager", "xla"])
def test_weights_that_were_there_are_multiplied(mode):
    weights = np.array([[2, 3, 9, 9], [-1, 9, 9, 9], [4, 0, 1, 2]])
    boxes = {"boxes": BOXES, "labels": CLASSES, "weights": weights}
    lam, found = mixed_boxes(boxes, mode)
    expected = [lam * 2, lam * 3, (1 - lam) * 4, (1 - lam) * 1, (1 - lam) * 2, 0, 0, 0]
    np.testing.assert_allclose(found["weights"][0], expected, atol=1e-5)
    np.testing.assert_allclose(found["weights"][1][0], -lam, atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"image_id": np.arange(3)}, r"`image_id`.*one an image.*\(3,\)"),
        ({"size": np.zeros((3, 2))}, r"`size`.*\(3, 2\) for classes of shape \(3, 4\)"),
        ({"boxes": np.zeros((3, 4))}, r"`boxes` of the boxes.*\(3, 4\)"),
        ({"weights": np.ones(3)}, "`weights`.*one entry a box"),
        ({"weights": np.ones((3, 4, 1))}, "`weights`.*one entry a box"),
        ({"labels": CLASSES.astype("uint8")}, "signed integers.*class -1.*uint8"),
        ({"labels": CLASSES > 0}, "signed integers.*bool"),
        ({"labels": CLASSES.astype(str)}, "signed integers.*string"),
        ({"labels": CLASSES[..., None]}, r"\(batch_size, boxes\).*\(3, 4, 1\)"),
        ({"labels": tf.ragged.constant([[1], [2], [3]])}, "all dense, or all ragged"),
        ({"size": tf.sparse.eye(3, 4)}, "all dense, or all ragged.*SparseTensor"),
    ],
)
def test_entries_that_are_not_one_a_box(changed, message):
    with pytest.raises(ValueError, match=message):
        mixed_boxes({"boxes": BOXES, "labels": CLASSES, **changed})
    with pytest.raises(ValueError, match="Expected a dict"):
        keras_mixup.MixUp(1.0)({"images": IMAGES, "bounding_boxes": BOXES})


def test_another_number_of_boxes_that_only_the_graph_knows():
    policy = keras_mixup.MixUp(1.0)

    def unknown(rank):
        return tf.TensorSpec((3, None, *[4] * (rank - 2)))

    @tf.function(input_signature=[unknown(3), unknown(2), unknown(2)])
    def mix(boxes, classes, size):
        entries = {"boxes": boxes, "classes": classes, "size": size}
        return policy({"images": IMAGES, "bounding_boxes": entries})["bounding_boxes"]

    assert mix(BOXES, tf.zeros((3, 4)), tf.zeros((3, 4)))["size"].shape == (3, 8)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`size` of the boxes"):
        mix(BOXES, tf.zeros((3, 4)), tf.zeros((3, 2)))
