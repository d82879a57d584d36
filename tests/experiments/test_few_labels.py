"""Experiments with few labels: who is labeled, what a step is given, and the models."""

import keras
import numpy as np
import pytest

import keras_mixup
from experiments import catalog, few_labels
from experiments.beyond import ict_two_moons, mixmatch_ablation
from experiments.few_labels import METHODS
from tests.experiments import runs

MOONS = catalog.load("ict_two_moons")
ABLATION = catalog.load("mixmatch_ablation")


def test_each_class_has_as_many_labels_and_a_seed_chooses_them():
    labels = np.array([0, 1, 2] * 20)
    chosen = mixmatch_ablation.labeled_of(labels, 12, seed=3)
    assert len(set(chosen)) == 12
    np.testing.assert_array_equal(np.bincount(labels[chosen]), [4, 4, 4])
    again = mixmatch_ablation.labeled_of(labels, 12, seed=3)
    np.testing.assert_array_equal(again, chosen)
    other = mixmatch_ablation.labeled_of(labels, 12, seed=4)
    assert set(other) != set(chosen)


def test_numbers_of_labels_that_classes_cannot_share_are_refused():
    settings = runs.parse(ABLATION, "--preset", "smoke", "--labels", 25)
    with pytest.raises(ValueError, match="multiples of 10 classes"):
        ABLATION.load(settings)


def test_labels_and_points_of_two_moons():
    settings = runs.parse(MOONS, "--preset", "smoke", "--points", 50)
    (x, y), unlabeled, (test_x, test_y) = ict_two_moons.points_of(settings, 5)
    np.testing.assert_array_equal(y, [0, 0, 0, 1, 1, 1])
    assert (unlabeled.shape, test_x.shape, test_y.shape) == ((50, 2), (200, 2), (200,))
    for point, label in zip(x, y, strict=True):
        assert (unlabeled == point).all(axis=1).any()
        # The upper moon lies around (0, 0), the lower one around (1, 0.5).
        center = [1, 0.5] if label else [0, 0]
        assert abs(np.hypot(*(point - center)) - 1) < 0.5


def batches(method, first_epoch=0, count=6, **changed):
    """The first batches of an epoch: numbers stand for examples."""
    settings = runs.parse(MOONS, "--preset", "smoke")
    numbers = np.arange(8.0, dtype="float32")[:, np.newaxis]
    data = few_labels.Data((numbers, np.arange(8)), 100 + numbers, {}, **changed)
    object.__setattr__(settings, "batch_size", 4)
    object.__setattr__(settings, "unlabeled_batch", 2)
    object.__setattr__(settings, "steps_per_epoch", 3)
    made = few_labels.batches_of(METHODS[method], data, settings, 7, first_epoch)
    return list(made.take(count).as_numpy_iterator())


def test_a_step_has_labeled_and_unlabeled_examples_each_once_a_pass():
    found = batches("ICT", count=8)
    labeled = np.concatenate([batch["labeled"][0][:, 0] for batch in found])
    for batch in found:
        x, y = batch["labeled"]
        np.testing.assert_array_equal(x[:, 0], y)
    for one in labeled.reshape(4, 8):
        assert sorted(one) == list(range(8))
    unlabeled = np.concatenate([batch["unlabeled"][:, 0] for batch in found])
    for one in unlabeled.reshape(2, 8):
        assert sorted(one) == list(range(100, 108))
    # The two have an order each.
    assert (labeled[:8] != unlabeled[:8] - 100).any()
    # ERM has the same labeled batches.
    for (x, _), batch in zip(batches("ERM", count=8), found, strict=True):
        np.testing.assert_array_equal(x, batch["labeled"][0])


def test_a_later_epoch_begins_where_the_one_before_ended():
    whole, later = batches("MixMatch"), batches("MixMatch", first_epoch=1, count=3)
    for one, other in zip(whole[3:], later, strict=True):
        keras.tree.map_structure(np.testing.assert_array_equal, one, other)


def test_unlabeled_images_are_augmented_once_alone():
    changed = {
        "augment": lambda x, key: x + 1000,
        "transform": lambda x: x + 500,
        "augment_layer": keras.layers.Identity(),
    }
    (ict,) = batches("ICT", count=1, **changed)
    (mixmatch,) = batches("MixMatch", count=1, **changed)
    assert ict["labeled"][0].min() >= 1000
    assert ict["unlabeled"].min() >= 1100
    # The layer of the model augments them.
    assert mixmatch["labeled"][0].min() >= 1000
    assert 600 <= mixmatch["unlabeled"].min() <= mixmatch["unlabeled"].max() < 700


def test_each_row_is_a_configuration_of_the_same_models():
    settings = runs.parse(ABLATION, "--preset", "paper")

    def made(name):
        network = keras_mixup.models.build("mlp", input_shape=(2,), num_classes=2)
        return few_labels.model_of(METHODS[name], network, settings, None, 3)

    assert made("ERM").mixup.alpha == 0
    assert made("mixup").mixup.alpha == 0.75
    ict, whole = made("ICT"), made("MixMatch")
    assert isinstance(ict, keras_mixup.ICTModel)
    assert (ict.consistency, ict.ramp_up) == (100.0, 16_384)
    assert (whole.guesses, whole.temperature, whole.mix) == (2, 0.5, "all")
    assert whole.unlabeled_weight == 75.0
    changes = {
        "MixMatch, one guess": ("guesses", 1),
        "MixMatch, no sharpening": ("temperature", 1.0),
        "MixMatch, no mixup": ("mix", None),
        "MixMatch, labeled mixed": ("mix", "labeled"),
        "MixMatch, unlabeled mixed": ("mix", "unlabeled"),
        "MixMatch, separately": ("mix", "separately"),
    }
    for name, (setting, value) in changes.items():
        model = made(name)
        assert getattr(model, setting) == value
        for other in {"guesses", "temperature", "mix"} - {setting}:
            assert getattr(model, other) == getattr(whole, other)


def test_kernels_decay_by_a_share_of_the_rate():
    layer = keras.layers.Dense(1)
    layer.build((None, 1))
    layer.set_weights([np.ones((1, 1)), np.ones(1)])
    optimizer = mixmatch_ablation.decayed(0.5, 0.02)
    zeros = [np.zeros((1, 1), "float32"), np.zeros(1, "float32")]
    optimizer.apply(zeros, layer.trainable_variables)
    kernel, bias = layer.get_weights()
    assert kernel[0, 0] == pytest.approx(1 - 0.5 * 0.02)
    assert bias[0] == 1
