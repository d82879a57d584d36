"""Batches that are dicts: under which names a target is found, and what is refused."""

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests import oracles

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((8, 4, 4, 3)).astype("float32")
ROWS = np.eye(8, dtype="float32")
ROLLED = np.roll(np.arange(8), 1)
POLICY = {"pairing": "roll", "seed": 1}


def mix(batch, **settings):
    return keras_mixup.MixUp(1.0, **POLICY, **settings).at_step(0, batch)


def lam_of(shape=()):
    return keras_mixup.sample_lambda(1.0, shape, seed=1).numpy()


@pytest.mark.parametrize("images", ["images", "image"])
@pytest.mark.parametrize(
    "name",
    ["labels", "label", "targets", "target", "segmentation_masks", "masks"],
)
def test_a_target_is_mixed_under_each_name_that_is_known(images, name):
    mixed = mix({images: X, name: ROWS, "id": np.arange(8)})
    expected = oracles.mix(X, lam_of(), ROLLED)
    np.testing.assert_allclose(mixed[images], expected, atol=1e-6)
    expected = oracles.mix(ROWS, lam_of(), ROLLED)
    np.testing.assert_allclose(mixed[name], expected, atol=1e-6)
    np.testing.assert_array_equal(mixed["id"], np.arange(8))


def test_the_form_of_tensorflow_datasets_in_a_map():
    dataset = tf.data.Dataset.from_tensor_slices(
        {
            "image": (X * 255).astype("uint8"),
            "label": np.arange(8),
            "file_name": [f"{i}.png" for i in range(8)],
        }
    ).batch(8)
    policy = keras_mixup.MixUp(1.0, num_classes=8, **POLICY)
    mixed = next(iter(dataset.apply(policy)))
    expected = oracles.mix(ROWS, lam_of(), ROLLED)
    np.testing.assert_allclose(mixed["label"], expected, atol=1e-6)
    assert mixed["file_name"][3] == "3.png"
    mapped = dataset.map(keras_mixup.layers.MixUp(1.0, num_classes=8, pairing="roll"))
    assert not np.allclose(next(iter(mapped))["label"], ROWS)


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        ({}, r"\['images'\]"),
        ({"labels": None}, r"\['images', 'labels'\]"),
        ({"kind": ROWS}, "'kind'"),
        ({"id": np.arange(8)}, "'id'"),
    ],
)
def test_images_alone_are_refused_with_the_names_found(extra, found):
    with pytest.raises(ValueError, match=f"without a target.*{found}"):
        mix({"images": X, **extra})


@pytest.mark.parametrize(
    "name",
    ["coarse_label", "mask2/keypoints", "sample_weights", "Bbox", "padding_mask", "y"],
)
def test_an_entry_that_is_named_like_a_target_does_not_pass_in_silence(name):
    batch = {"images": X, "labels": ROWS, name: ROWS}
    with pytest.raises(ValueError, match=f"`{name}` is named like a target.*passthr"):
        mix(batch)
    np.testing.assert_array_equal(mix(batch, passthrough=name)[name], ROWS)


def test_targets_inside_of_another_entry_and_names_of_classes():
    objects = {"bbox": np.zeros((8, 2, 4), "f"), "area": np.zeros((8, 2))}
    with pytest.raises(ValueError, match="objects/bbox"):
        mix({"image": X, "label": ROWS, "objects": objects})
    names = np.array([f"class {i}" for i in range(8)])
    mixed = mix({"image": X, "label": ROWS, "label_name": names})
    np.testing.assert_array_equal(mixed["label_name"], names)


def test_what_is_named_in_passthrough_passes():
    for batch in (
        {"images": X, "labels": ROWS},
        {"images": X, "kind": np.arange(8)},
    ):
        name = [*batch][1]
        mixed = mix(batch, passthrough=name)
        np.testing.assert_array_equal(mixed[name], batch[name])
        assert not np.allclose(mixed["images"], X)


def test_two_names_for_images_are_refused():
    with pytest.raises(ValueError, match=r"Invalid batch.*entries image: .*, images: "):
        mix({"images": X, "image": X, "labels": ROWS})


def test_another_structure_is_shown_and_taken_apart_as_the_message_says():
    batch = {"scan": {"pixels": X, "age": ROWS}, "finding": ROWS, "id": np.arange(8)}
    with pytest.raises(
        ValueError, match=r"scan/pixels: float32 \(8, 4, 4, 3\)"
    ) as found:
        mix(batch)
    assert "batch[inputs], batch[targets]" in str(found.value)
    many = {f"entry{i}": ROWS for i in range(30)}
    with pytest.raises(ValueError, match="and 22 more"):
        mix(many)
    inputs, targets = {**batch["scan"], "id": batch["id"]}, batch["finding"]
    x, y = mix((inputs, targets), passthrough="id")
    expected = oracles.mix(X, lam_of(), ROLLED)
    np.testing.assert_allclose(x["pixels"], expected, atol=1e-6)
    np.testing.assert_allclose(y, oracles.mix(ROWS, lam_of(), ROLLED), atol=1e-6)
    np.testing.assert_array_equal(x["id"], np.arange(8))


def test_weights_stand_beside_the_target_whatever_its_name():
    weights = GENERATOR.random(8).astype("float32")
    mixed = mix({"image": X, "label": ROWS, "sample_weight": weights})
    rows, total = mix((X, ROWS, weights))[1:]
    np.testing.assert_allclose(mixed["label"], rows, atol=1e-6)
    np.testing.assert_allclose(mixed["sample_weight"], total, atol=1e-6)


def test_none_in_a_dict_stays_none():
    mixed = mix({"images": X, "labels": ROWS, "sample_weight": None, "id": None})
    assert mixed["sample_weight"] is None and mixed["id"] is None
    mixed = mix({"images": X, "labels": {"a": ROWS, "b": None}})
    assert mixed["labels"]["b"] is None
    expected = oracles.mix(ROWS, lam_of(), ROLLED)
    np.testing.assert_allclose(mixed["labels"]["a"], expected, atol=1e-6)


@pytest.mark.parametrize("setting", ["period", "num_classes", "multi_label"])
def test_a_setting_of_targets_does_not_take_the_name_of_the_images(setting):
    value = {"period": 360.0, "num_classes": 3, "multi_label": True}[setting]
    mixup = keras_mixup.MixUp(1.0, seed=1, **{setting: {"images": value}})
    batch = {"images": np.zeros((4, 2, 2, 1)), "labels": np.zeros((4, 1), "float32")}
    with pytest.raises(ValueError, match=f"`{setting}`. Expected names of entries"):
        mixup.at_step(0, batch)
