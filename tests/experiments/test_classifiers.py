"""The pool of classifiers: what each recipe is trained on, how, and its measures."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments import catalog, classifiers
from experiments.data import corruption, sources
from experiments.paper.discussion import EXPERIMENT
from experiments.recipes import Recipe
from tests import oracles
from tests.experiments import runs

COUNT, CLASSES, SHAPE = 50, 3, (8, 8, 3)
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
FLAGS = ("--preset", "smoke", "--seeds", 3, "--batch_size", 16, "--width", 1)
FLAGS += ("--noaugment", "--neighbors", 4)


def images(count, tested=7):
    """Random images, the first of them for testing as well."""
    generator = np.random.default_rng(0)
    x = generator.integers(256, size=(count, *SHAPE), dtype="uint8")
    y = generator.integers(CLASSES, size=count)
    return classifiers.ImageArrays((x, y), (x[:tested], y[:tested]), tuple("abc"))


def normalized(pixels):
    return ((np.asarray(pixels, "float64") / 255 - MEAN) / STD).astype("float32")


def trained(recipe, monkeypatch, folder, *flags, data=None):
    """What `fit` is called with for this recipe."""
    data, flags = data or images(COUNT), (*FLAGS, "--run_dir", folder, *flags)
    settings = runs.parse(EXPERIMENT, *flags)
    (run,) = classifiers.runs({("", "row"): recipe}, settings, data)
    return runs.trained(EXPERIMENT, run, data, monkeypatch, folder, *flags)


def network_of(recipe):
    settings = runs.parse(EXPERIMENT, *FLAGS)
    return classifiers.make_network(recipe, SHAPE, CLASSES, settings)


def linear(kernel="glorot_uniform", bias="zeros"):
    """A network whose logits are linear."""
    logits = keras.layers.Dense(
        CLASSES, kernel_initializer=kernel, bias_initializer=bias
    )
    return keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), logits])


def test_noise_is_a_layer_in_front_and_only_in_training():
    network = network_of(Recipe(gaussian_noise=0.5))
    noise = network.get_layer("noise")
    zeros = np.zeros((200, *SHAPE), "float32")
    assert np.std(noise(zeros, training=True)) == pytest.approx(0.5, rel=0.02)
    np.testing.assert_array_equal(noise(zeros, training=False), zeros)
    x = normalized(images(COUNT).train[0])
    inner = next(layer for layer in network.layers if isinstance(layer, keras.Model))
    np.testing.assert_allclose(
        network(x, training=False), inner(x, training=False), atol=1e-5
    )


def test_the_network_has_the_recipes_width_dropout_and_decay():
    network = network_of(Recipe(dropout=0.25, width=2, weight_decay=1e-3))
    assert network.get_layer("stem").filters == 2
    dropout = [n for n in network.layers if isinstance(n, keras.layers.Dropout)]
    assert [layer.rate for layer in dropout] == [0.25] * 8
    weights = map(np.asarray, network.trainable_weights)
    squares = sum(np.square(w).sum() for w in weights)
    assert float(sum(network.losses)) == pytest.approx(1e-3 / 2 * squares, rel=1e-4)
    # The settings' own width.
    assert network_of(Recipe()).get_layer("stem").filters == 1


def test_pixels_are_normalized_inside_the_network():
    network, (x, _) = linear(), images(COUNT).train
    found = classifiers.of_pixels(network)(x.astype("float32"))
    np.testing.assert_allclose(found, network(normalized(x)), atol=1e-4)


def test_labels_are_replaced_in_training_alone_within_binomial_bounds(
    monkeypatch, tmp_path
):
    count, data = 2000, images(2000, tested=300)
    whole = ("--batch_size", count)
    recipe = Recipe(corrupted=0.5)
    call = trained(recipe, monkeypatch, tmp_path, *whole, data=data)
    ((_, given),) = call.course.batches(0).take(1).as_numpy_iterator()
    # Half of them are replaced by one of three classes: as many of each, ± 4 sigma.
    expected = np.bincount(data.train[1], minlength=CLASSES)
    assert len(given) == count
    found = np.bincount(given, minlength=CLASSES)
    assert 0 < np.abs(found - expected).max() < 4 * np.sqrt(count / 4)
    tested = [labels for _, labels in call.course.sets["test"].as_numpy_iterator()]
    np.testing.assert_array_equal(np.concatenate(tested), data.test[1])


def test_what_is_measured_at_the_end_is_against_the_given_labels(monkeypatch, tmp_path):
    call = trained(Recipe(corrupted=0.5), monkeypatch, tmp_path)
    y = images(COUNT).train[1]
    given, corrupted = corruption.corrupt_labels(y, 0.5, CLASSES, 3)
    # A network that always says class 0.
    zero = linear("zeros", keras.initializers.Constant([1.0, 0.0, 0.0]))
    assert call.course.at_end(zero) == {
        "train": {
            "error_on_real": pytest.approx(100 * np.mean(given[~corrupted] != 0)),
            "error_on_corrupted": pytest.approx(100 * np.mean(given[corrupted] != 0)),
        }
    }


# What each kind of recipe is compiled as: None where the pipeline mixes.
KINDS = {
    "ERM": (Recipe(), {"alpha": 0.0}),
    "mixup": (Recipe(alpha=1.0), {"alpha": 1.0, "pairing": "permutation"}),
    "layer": (Recipe(alpha=1.0, mix_at="stage_2"), {"alpha": 1.0}),
    "same class": (
        Recipe(alpha=1.0, targets="closer", pairing="same_class"),
        {"targets": "closer", "pairing": "same_class"},
    ),
    "an example": (Recipe(alpha=1.0, per="example"), {"per": "example"}),
    "three": (Recipe(alpha=1.0, examples=3), {"examples": 3}),
    "smoothing": (Recipe(label_smoothing=0.1), None),
    "neighbors": (Recipe(alpha=1.0, partners="neighbors"), None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_is_a_configuration_of_mixup(kind, monkeypatch, tmp_path):
    recipe, options = KINDS[kind]
    call = trained(recipe, monkeypatch, tmp_path)
    model = call.make_model()
    # 50 / 16: four steps an epoch; of two epochs the rate drops after one and 1.5.
    assert [call.rate_at(step) for step in (3, 4)] == pytest.approx([0.1, 0.01])
    assert (model.optimizer.momentum, model.optimizer.nesterov) == (0.9, False)
    if options is None:
        # Labels are rows.
        assert model.mixup.is_identity
        assert isinstance(model.loss, keras.losses.CategoricalCrossentropy)
        ((_, rows),) = call.course.sets["test"].take(1).as_numpy_iterator()
        expected = oracles.one_hot(images(COUNT).test[1], CLASSES)
        np.testing.assert_array_equal(rows, expected)
        return
    config = model.mixup.get_config()
    assert {name: config[name] for name in options} == options
    assert config["seed"] == 3
    assert model.mix_at == [recipe.mix_at]
    assert isinstance(model.loss, keras.losses.SparseCategoricalCrossentropy)


def test_smoothed_rows_are_those_of_szegedy(monkeypatch, tmp_path):
    call = trained(Recipe(label_smoothing=0.3), monkeypatch, tmp_path)
    found, rows = next(call.course.batches(0).as_numpy_iterator())
    x, y = images(COUNT).train
    index = [np.abs(normalized(x) - one).sum((1, 2, 3)).argmin() for one in found]
    clean = oracles.one_hot(y[index], CLASSES)
    # epsilon / 3 for each, 1 - 2 epsilon / 3 for the right one.
    np.testing.assert_allclose(rows, np.where(clean == 1, 0.8, 0.1), atol=1e-6)


def test_images_of_different_sizes_are_refused_before_training(tmp_path):
    folder = tmp_path / "sizes"
    for split, size in (("train", 4), ("train", 5), ("test", 4)):
        place = folder / split / "a"
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((size, size, 3), "uint8")
        (place / f"{size}.png").write_bytes(tf.io.encode_png(pixels).numpy())
    splits = ("--train_split", "train", "--test_split", "test", "--run_dir", tmp_path)
    for name, flag in (("discussion", "--dataset"), ("figure3_cifar", "--datasets")):
        experiment = catalog.load(name)
        settings = runs.parse(experiment, flag, folder, "--image_size", 0, *splits)
        with pytest.raises(sources.UnknownData, match="Images of different sizes"):
            experiment.load(settings)
    settings = runs.parse(EXPERIMENT, "--dataset", folder, "--image_size", 8, *splits)
    found = EXPERIMENT.load(settings)
    assert found.train[0].shape == (2, 8, 8, 3)
    assert found.counts == {"train": 2, "test": 1}
