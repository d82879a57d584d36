"""Figure 3: the runs of the paper, its networks, its images, and what is measured."""

import gc
import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from experiments import classifier
from experiments.data import images, sources
from experiments.engine import fit
from experiments.paper import figure3_cifar
from experiments.paper.figure3_cifar import EXPERIMENT
from tests import oracles
from tests.experiments import runs

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
# Section 3.2, Figure 3a: ERM and mixup.
PAPER = {
    ("cifar10", "PreAct ResNet-18"): (5.6, 4.2),
    ("cifar10", "WideResNet-28-10"): (3.8, 2.7),
    ("cifar10", "DenseNet-BC-190"): (3.7, 2.7),
    ("cifar100", "PreAct ResNet-18"): (25.6, 21.1),
    ("cifar100", "WideResNet-28-10"): (19.4, 17.5),
    ("cifar100", "DenseNet-BC-190"): (19.0, 16.8),
}
METHODS = ("ERM", "mixup 1")


def normalized(pixels):
    return (np.asarray(pixels, "float64") / 255 - MEAN) / STD


def test_the_final_numbers_by_hand():
    errors = [90.0, 9.0, 8.0, 7.0, 6.0, 5.5, 5.0, 5.25, 4.75, 5.0, 4.25, 4.5]
    epochs = [
        {**epoch, "test": {"error": error}}
        for epoch, error in zip(runs.made_up(12), errors, strict=True)
    ]
    # The last ten in order: 4.25 4.5 4.75 5 5 | 5.25 5.5 6 7 8.
    assert EXPERIMENT.final(epochs) == {
        "median_error": 5.125,
        "last_error": 4.5,
        "best_error": 4.25,
        "epochs_to_converge": 5,
    }
    assert EXPERIMENT.final(epochs[:3]) == {
        "median_error": 9.0,
        "last_error": 8.0,
        "best_error": 8.0,
        "epochs_to_converge": 2,
    }


def test_the_first_table_is_figure_3a_with_the_papers_numbers():
    epochs = {
        (", ".join(cell), method, 0): runs.made_up(3)
        for cell, method in itertools.product(PAPER, METHODS)
    }
    result = runs.result_of(EXPERIMENT, epochs, "--preset", "paper")
    rows = EXPERIMENT.tables(result)[0].splitlines()
    assert rows[0] == "| Data, network | ERM | mixup 1 |"
    assert rows[2:] == [
        f"| {', '.join(cell)} | 12.0 ({erm:g}) | 12.0 ({mixup:g}) |"
        for cell, (erm, mixup) in PAPER.items()
    ]


@pytest.mark.parametrize(
    ("shares", "epochs", "expected"),
    [
        (figure3_cifar.DROPS, 20, (10, 15)),
        (figure3_cifar.DROPS_OF_WIDE, 20, (6, 12, 18)),
        (figure3_cifar.DROPS, 1, (1,)),
    ],
)
def test_the_drops_of_a_shorter_run_are_in_proportion(shares, epochs, expected):
    assert classifier.drops_at(epochs, shares) == expected


def loaded(train, test, count=None):
    """A set of given images, said to be of `count` training images."""

    def load(name, splits, places, size=None):
        parts = dict(zip(splits, (train, test), strict=True))
        encoded = {
            split: tf.data.Dataset.from_tensor_slices(
                (tf.constant(pixels, tf.uint8), tf.zeros(len(pixels), tf.int64))
            )
            for split, pixels in parts.items()
        }
        counts = {split: len(pixels) for split, pixels in parts.items()}
        counts[splits[0]] = count or len(train)
        names = tuple(map(str, range(100 if name == "cifar100" else 10)))
        return images.Images(encoded, lambda x, y: (x, y), counts, names, (32, 32, 3))

    return load


def test_the_runs_of_the_paper_are_those_of_section_3_2(monkeypatch, tmp_path):
    black = np.zeros((2, 32, 32, 3))
    monkeypatch.setattr(images, "load_images", loaded(black, black, count=50_000))
    built, chosen = runs.tiny_networks(monkeypatch), ("--preset", "paper")
    settings = runs.parse(EXPERIMENT, *chosen)
    assert (settings.train_split, settings.test_split) == ("train", "test")
    data = EXPERIMENT.load(settings)
    planned = EXPERIMENT.runs(settings, data)
    assert [(run.group, run.method, run.seed) for run in planned] == [
        (", ".join(cell), method, 0)
        for cell, method in itertools.product(PAPER, METHODS)
    ]
    for run in planned:
        assert run.examples == {"train": 50_000, "test": 2}
        with monkeypatch.context() as patch:
            call = runs.trained(EXPERIMENT, run, data, patch, tmp_path, *chosen)
        # 50,000 / 128 = 390.6 steps an epoch.
        course = call.course
        assert (course.epochs, course.steps, course.batch_size) == (200, 391, 128)
        drops = {100: 0.01, 150: 0.001}
        if "Wide" in run.group:
            drops = {60: 0.01, 120: 0.001, 180: 0.0001}
        assert call.rate_at(0) == pytest.approx(0.1)
        for epoch, rate in drops.items():
            before, after = call.rate_at(epoch * 391 - 1), call.rate_at(epoch * 391)
            assert [before, after] == pytest.approx([10 * rate, rate])
        assert call.rate_at(200 * 391 - 1) == pytest.approx(min(drops.values()))
        model = call.make_model()
        expected = {
            "name": run.settings["network"],
            "input_shape": (32, 32, 3),
            "num_classes": 100 if "cifar100" in run.group else 10,
            "weight_decay": 1e-4,
        }
        if expected["name"] == "preact_resnet18":
            expected["shortcut"] = "input"
        assert built[-1] == expected
        assert model.mixup.alpha == (1.0 if run.method == "mixup 1" else 0.0)
        assert (model.mixup.per, model.mixup.pairing) == ("batch", "permutation")
        assert model.mix_at == ["input"]
        sgd = model.optimizer
        assert type(sgd) is keras.optimizers.SGD
        assert (sgd.momentum, sgd.nesterov, sgd.weight_decay) == (0.9, False, None)
        assert sgd._learning_rate is course.learning_rate


def test_training_images_are_shifted_and_flipped_and_test_images_are_not(
    monkeypatch, tmp_path
):
    picture = np.full((32, 32, 3), 128)
    picture[:, :16] = 255
    train = np.stack([picture] * 64)
    monkeypatch.setattr(images, "load_images", loaded(train, train[:5]))
    settings = runs.parse(EXPERIMENT, "--methods", "erm", "--seeds", 0)
    data = EXPERIMENT.load(settings)
    (run,) = EXPERIMENT.runs(settings, data)
    course = runs.trained(EXPERIMENT, run, data, monkeypatch, tmp_path).course
    seen = next(course.batches(0).as_numpy_iterator())[0]
    assert seen.shape == (64, 32, 32, 3)
    pixels = np.round((seen * STD + MEAN) * 255)
    assert set(np.unique(pixels)) == {0.0, 128.0, 255.0}
    assert np.abs(normalized(pixels) - seen).max() < 1e-5
    black = pixels[..., 0] == 0
    columns, rows = black.all(axis=1).sum(axis=1), black.all(axis=2).sum(axis=1)
    # Up to four, and of 64 images each number of them some.
    assert set(columns) == set(rows) == {0, 1, 2, 3, 4}
    flipped = pixels[:, 16, 5, 0] == 128
    assert 16 <= flipped.sum() <= 48
    (tested,) = course.sets["test"].as_numpy_iterator()
    np.testing.assert_allclose(tested[0], normalized(train[:5]), atol=1e-5)


@pytest.mark.slow
def test_the_test_error_is_that_of_the_saved_network_on_clean_images(tmp_path):
    flags = ["--preset", "smoke", "--methods", "mixup", "--run_dir", tmp_path]
    result, _ = runs.run(EXPERIMENT, *flags)
    found = images.load_images("digits", ("test[:200]",), sources.Places())
    pixels, labels = next(found.datasets["test[:200]"].batch(200).as_numpy_iterator())
    (place,) = tmp_path.rglob("network.keras")
    network = keras.models.load_model(place)
    logits = network(normalized(pixels).astype("float32"), training=False).numpy()
    last = result["runs"][0]["epochs"][-1]["test"]
    assert last["error"] == pytest.approx(100 * np.mean(logits.argmax(-1) != labels))
    # The loss holds the penalty of half the weight decay as well.
    squares = sum(float(tf.reduce_sum(w.value**2)) for w in network.trainable_variables)
    loss = np.mean(list(map(oracles.cross_entropy, labels, logits))) + 0.5e-4 * squares
    assert last["loss"] == pytest.approx(loss, rel=1e-4)


def test_what_is_missing_is_said_before_anything_is_trained(monkeypatch, tmp_path):
    calls = runs.without_training(monkeypatch)
    flags = ["--data_dir", tmp_path / "data", "--prepared_dir", tmp_path / "tfds"]
    flags += ["--datasets", "digits", "cifar100", "--run_dir", tmp_path]
    flags += ["--train_split", "train[:50]", "--test_split", "test"]
    with pytest.raises(sources.MissingData, match="cifar100.*--data_dir.*--download"):
        runs.run(EXPERIMENT, *flags)
    assert calls == []


# Counted from the architectures' tables; with 100 classes the last layer is larger.
PARAMETERS = {
    ("cifar10", "preact_resnet18"): 11_171_146,
    ("cifar10", "wide_resnet28_10"): 36_479_194,
    ("cifar10", "densenet_bc_190"): 25_624_430,
    ("cifar100", "preact_resnet18"): 11_171_146 + 90 * 513,
    ("cifar100", "wide_resnet28_10"): 36_479_194 + 90 * 641,
    ("cifar100", "densenet_bc_190"): 25_624_430 + 90 * 2_191,
}


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "network"), PARAMETERS)
def test_the_preset_of_the_paper_trains_its_networks(
    dataset, network, monkeypatch, tmp_path
):
    keras.backend.clear_session()
    gc.collect()
    models, fitted = [], fit.fit

    def keeping(make_model, *arguments):
        def make():
            models.append(make_model())
            return models[-1]

        return fitted(make, *arguments)

    monkeypatch.setattr(fit, "fit", keeping)
    flags = ["--preset", "paper", "--datasets", dataset, "--networks", network]
    flags += ["--methods", "mixup", "--batch_size", 2, "--max_steps", 2]
    flags += ["--checkpoint_every", 0, "--notensorboard", "--run_dir", tmp_path]
    with tfds.testing.mock_data(num_examples=4):
        result, _ = runs.run(
            EXPERIMENT, *flags, "--prepared_dir", tmp_path, "--download"
        )
    ((epoch,),) = (run["epochs"] for run in result["runs"])
    assert epoch["learning_rate"] == pytest.approx(0.1)
    for part in ("train", "test"):
        assert math.isfinite(epoch[part]["loss"])
        assert 0 <= epoch[part]["error"] <= 100
    (model,) = models
    assert int(model.optimizer.iterations) == int(model.step) == 2
    shapes = [weight.shape for weight in model.trainable_variables]
    assert sum(math.prod(shape) for shape in shapes) == PARAMETERS[dataset, network]
    for weight in model.trainable_variables:
        assert bool(tf.reduce_all(tf.math.is_finite(weight.value))), weight.path
