"""`labels_getter`: batches of any structure, in and out."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests import oracles

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((8, 4, 4, 3)).astype("float32")
LABELS = np.arange(8) % 4
ROWS = np.eye(4, dtype="float32")[LABELS]
BATCH = {"pixels": X, "meta": {"category": LABELS, "id": np.arange(8)}, "age": X[:, 0]}


def category(batch):
    return batch["meta"]["category"]


def policy(**options):
    options = {"num_classes": 4, "passthrough": ("id",), "seed": 1, **options}
    return keras_mixup.MixUp(1.0, labels_getter=category, **options)


def mixed_by_hand(values):
    lam = float(keras_mixup.sample_lambda(1.0, (), seed=1, step=0))
    partner = keras_mixup.sample_partner(8, seed=1, step=0).numpy()
    return oracles.mix(values, lam, partner)


def test_labels_have_the_names_that_they_have_in_the_batch():
    batch = ({"first": LABELS, "second": LABELS[::-1].copy(), "pixels": X},)
    given = {"seed": 1, "labels_getter": lambda batch: list(batch[0].values())[:2]}
    classes = {"first": 4, "second": 4}
    (mixed,) = keras_mixup.MixUp(1.0, num_classes=classes, **given).at_step(0, batch)
    for name, rows in {"first": ROWS, "second": ROWS[::-1], "pixels": X}.items():
        np.testing.assert_allclose(mixed[name], mixed_by_hand(rows), atol=1e-6)
    with pytest.raises(ValueError, match=r"Expected names of .*'first'.*\['third'\]"):
        keras_mixup.MixUp(1.0, num_classes={"third": 4}, **given)(batch)


@pytest.mark.parametrize("mode", ["eager", "map"])
def test_a_batch_comes_back_in_its_structure(mode):
    if mode == "eager":
        mixed = policy().at_step(0, BATCH)
    else:
        mixed = next(iter(tf.data.Dataset.from_tensors(BATCH).apply(policy())))
    assert sorted(mixed) == ["age", "meta", "pixels"]
    np.testing.assert_allclose(mixed["pixels"], mixed_by_hand(X), atol=1e-6)
    np.testing.assert_allclose(mixed["age"], mixed_by_hand(X[:, 0]), atol=1e-6)
    np.testing.assert_allclose(
        mixed["meta"]["category"], mixed_by_hand(ROWS), atol=1e-6
    )
    np.testing.assert_array_equal(mixed["meta"]["id"], np.arange(8))


def test_a_list_of_four_with_two_labels_is_mixed_too():
    batch = [X, LABELS, X[:, 0, 0], ROWS]
    mixup = keras_mixup.MixUp(
        1.0, num_classes=4, seed=1, labels_getter=lambda batch: (batch[1], batch[3])
    )
    mixed = mixup.at_step(0, batch)
    for found, given in zip(mixed, (X, ROWS, X[:, 0, 0], ROWS), strict=True):
        np.testing.assert_allclose(found, mixed_by_hand(given), atol=1e-6)


def test_regions_are_pasted_and_details_are_given():
    cutmix = keras_mixup.CutMix(
        1.0, num_classes=4, seed=1, passthrough=("id", "age"), labels_getter=category
    )
    mixed, details = (cutmix.at_step(0, BATCH, details=d) for d in (False, True))
    np.testing.assert_array_equal(mixed["pixels"], details.x["pixels"])
    share = float(details.shares[0])
    partner = details.partners[0].numpy()
    expected = oracles.mix(ROWS, share, partner)
    np.testing.assert_allclose(mixed["meta"]["category"], expected, atol=1e-6)


def test_two_batches_are_mixed_place_by_place():
    other = keras.tree.map_structure(lambda leaf: leaf[::-1].copy(), BATCH)
    mixed = policy().between(BATCH, other, step=0)
    lam = float(keras_mixup.sample_lambda(1.0, (), seed=1, step=0))
    expected = lam * X + (1 - lam) * X[::-1]
    np.testing.assert_allclose(mixed["pixels"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("getter", "message"),
    [
        (lambda batch: batch["label"], "found no labels.*KeyError"),
        (lambda batch: batch["meta"]["category"] + 0, "of which 0 are entries"),
        (lambda batch: None, "of which 0 are entries"),
        (lambda batch: {}, "0 labels"),
        (lambda batch: [batch["pixels"]] * 2, "2 labels, of which 1"),
        (lambda batch: batch["pixels"], "`meta/category` is named like a target"),
    ],
)
def test_a_getter_that_finds_nothing_is_refused(getter, message):
    mixup = keras_mixup.MixUp(1.0, num_classes=4, seed=1, labels_getter=getter)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        mixup.at_step(0, BATCH)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="`labels_getter`. Expected a function"):
        keras_mixup.MixUp(labels_getter="label")
    with pytest.raises(ValueError, match="`ignore_class` makes sample weights"):
        policy(ignore_class=255)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match="given x and y by `fit`"):
        keras_mixup.MixUpModel(network, policy())


def test_policies_with_one_getter_may_be_chosen_from():
    policies = [
        policy(seed=None),
        keras_mixup.CutMix(num_classes=4, passthrough=("id",)),
    ]
    with pytest.raises(ValueError, match="labels_getter"):
        keras_mixup.RandomChoice(policies)
    either = keras_mixup.RandomChoice(
        [policy(seed=None), policy(seed=None, pairing="roll")], seed=1
    )
    rows = either.at_step(0, BATCH)["meta"]["category"]
    np.testing.assert_allclose(np.sum(rows, axis=1), 1, atol=1e-6)
