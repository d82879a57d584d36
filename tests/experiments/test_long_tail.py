"""Unequal classes: who is in the tail, what a batch holds, and how each row mixes."""

import collections

import numpy as np
import pytest

import keras_mixup
from experiments import catalog, classifiers
from experiments.beyond import long_tail
from experiments.data import unequal_classes
from keras_mixup import keys
from tests.experiments import runs

EXPERIMENT = catalog.load("long_tail")
COUNTS = [40, 20, 4]
Y = np.repeat([0, 1, 2], COUNTS)
# Each image is one gray, by which it is known again.
X = np.broadcast_to(np.arange(64, dtype="uint8")[:, None, None, None], (64, 8, 8, 3))
SMOKE = ("--preset", "smoke", "--noaugment", "--batch_size", 16)


def settings(*flags):
    return runs.parse(EXPERIMENT, *SMOKE, *flags)


def batches(row, *flags, first=0, count=8, weighted_from=None):
    """The batches that the train step of a row is given."""
    chosen = settings(*flags)
    mixing = long_tail.mixing_of(row, np.array(COUNTS), 3, chosen)
    made = unequal_classes.batches_of((X, Y), chosen, mixing, weighted_from)
    return list(made(first).take(count).as_numpy_iterator())


def test_the_tail_falls_by_the_ratio():
    found = unequal_classes.tail(5000, 100.0, 10)
    expected = [5000 * 100 ** (-c / 9) for c in range(10)]
    np.testing.assert_array_equal(found, np.round(expected))
    assert (found[0], found[-1]) == (5000, 50)
    np.testing.assert_array_equal(unequal_classes.tail(8, 100.0, 2), [8, 1])
    np.testing.assert_array_equal(unequal_classes.tail(8, 100.0, 1), [8])


def test_the_first_images_of_each_class_are_taken():
    labels = np.array([2, 0, 1, 0, 2, 1, 0])
    images, found = unequal_classes.first_of_classes((10 * labels, labels), [2, 1, 2])
    np.testing.assert_array_equal(found, [0, 0, 1, 2, 2])
    np.testing.assert_array_equal(images, 10 * found)


def test_weights_of_classes_are_the_formula_and_one_on_the_average():
    found = unequal_classes.class_weights(COUNTS)
    assert found[Y].mean() == pytest.approx(1, abs=1e-6)
    ratio = (1 - 0.9999**40) / (1 - 0.9999**4)
    assert found[2] / found[0] == pytest.approx(ratio, rel=1e-5)


def test_images_with_equal_classes_are_of_all_and_each_alike():
    key = keys.make_key(1, 0)
    found = unequal_classes.with_equal_classes(key, 30_000, COUNTS).numpy()
    assert set(found) == set(range(64))
    of_class = np.bincount(Y[found])
    # 10,000 of each class, +- 5 deviations.
    assert np.abs(of_class - 10_000).max() < 5 * np.sqrt(30_000 * 2 / 9)
    of_image = np.bincount(found[Y[found] == 0])
    assert np.abs(of_image - of_class[0] / 40).max() < 5 * np.sqrt(of_class[0] / 40)


def test_an_epoch_has_each_image_once_and_weights_come_late():
    found = batches("mixup, re-weighted", weighted_from=1)
    weights = unequal_classes.class_weights(COUNTS)
    for epoch in (0, 1):
        parts = zip(*found[4 * epoch : 4 * epoch + 4], strict=True)
        _, y, w = map(np.concatenate, parts)
        np.testing.assert_array_equal(np.bincount(y), COUNTS)
        np.testing.assert_allclose(w, weights[y] if epoch else np.ones(64), rtol=1e-6)
    # A resumed run sees what it would have seen.
    later = batches("mixup, re-weighted", first=1, count=4, weighted_from=1)
    for one, other in zip(found[4:], later, strict=True):
        collections.deque(map(np.testing.assert_array_equal, one, other), maxlen=0)
    assert len(batches("mixup", count=1)[0]) == 2


@pytest.mark.slow
def test_balanced_mixup_mixes_equal_classes_into_each_batch():
    plain, found = batches("mixup"), batches("Balanced-MixUp")
    # Here lam is 0: all weight is with the instances.
    alone = batches("Balanced-MixUp", "--balanced_alpha", 1e-6)
    balanced = []
    for step, (instances, mixed, same) in enumerate(zip(plain, found, alone)):
        key = keys.make_key(3, step, 0)
        u = keys.uniform(key, keys.Stream.WEIGHTS, [1, 1]).numpy().item()
        # The quantile of Beta(alpha, 1).
        lam = u ** (1 / 0.2)
        rest = mixed[1] - (1 - lam) * np.eye(3)[instances[1]]
        np.testing.assert_allclose(rest.sum(-1), lam, atol=1e-5)
        np.testing.assert_allclose(rest.max(-1), lam, atol=1e-5)
        np.testing.assert_allclose(same[0], instances[0], atol=1e-5)
        balanced += list(rest.argmax(-1)) if lam > 1e-3 else []
    assert np.bincount(balanced, minlength=3).min() > len(balanced) / 6
    weights = unequal_classes.class_weights(COUNTS)
    (_, rows, total), *_ = batches("Balanced-MixUp", count=1, weighted_from=0)
    # Each part weighs as its class does.
    np.testing.assert_allclose(
        rows * total[:, np.newaxis], found[0][1] * weights, atol=1e-5
    )


def test_each_row_is_a_configuration_of_the_same_model():
    chosen = settings()
    made = {
        row: long_tail.mixing_of(row, np.array(COUNTS), 3, chosen)
        for row in long_tail.METHODS
    }
    assert len(made) == 8
    assert made["ERM"].alpha == 0
    assert made["mixup"].alpha == made["Remix"].alpha == 1
    assert not made["mixup"].on_host
    remix = made["Remix"].options["label_rule"]
    assert remix == keras_mixup.Remix(COUNTS, kappa=3.0, tau=0.5)
    balanced = made["Balanced-MixUp"]
    assert (balanced.alpha, balanced.options) == (0.2, {"beta": 1.0})
    assert balanced.between and balanced.on_host
    for row in ("ERM", "mixup", "Remix", "Balanced-MixUp"):
        assert made[f"{row}, re-weighted"] == made[row]


def test_the_test_has_equal_classes_and_the_training_set_a_tail():
    data = EXPERIMENT.load(settings())
    expected = unequal_classes.tail(16, 4.0, 10)
    np.testing.assert_array_equal(np.bincount(data.train[1]), expected)
    assert len(set(np.bincount(data.test[1]))) == 1
    np.testing.assert_array_equal(data.test[1], np.sort(data.test[1]))
    with pytest.raises(ValueError, match="at most what the classes have"):
        EXPERIMENT.load(settings("--head", 100))
    with pytest.raises(ValueError, match="leaves some of 2 epochs"):
        EXPERIMENT.load(settings("--weighted_from", 0.8))
    with pytest.raises(ValueError, match="do not know their epoch"):
        EXPERIMENT.load(settings("--data_service", "grpc://localhost:1"))


def test_errors_of_large_and_of_small_classes():
    epochs = runs.made_up(3, 10.0, by_class=[1.0, 2.0, 3.0, 5.0, 5.0, 8.0, 9.0])
    found = long_tail.final(epochs)
    assert (found["head_error"], found["tail_error"]) == (1.5, 8.5)
    assert found["median_error"] == 10.0


def test_the_presets_name_their_data():
    paper, cpu = (runs.parse(EXPERIMENT, "--preset", one) for one in ("paper", "cpu"))
    assert (paper.head, paper.ratio, paper.weighted_from) == (5000, 100.0, 0.8)
    assert (cpu.head, cpu.train_split, cpu.seeds) == (2000, "train[:25000]", (0, 1, 2))
    assert (
        len(EXPERIMENT.runs(cpu, classifiers.ImageArrays((X, Y), (X, Y), "abc"))) == 24
    )
