"""The pool of classifiers: what each recipe trains on, how, and that it is kept."""

import dataclasses
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from experiments import classifiers, image_classifier
from experiments.beyond import dcgan
from experiments.data import sources
from experiments.engine import running, training
from experiments.paper import figure3_cifar
from experiments.recipes import ClassifierConfiguration, Recipe
from tests import oracles
from tests.experiments import runs

COUNT, CLASSES, SIZE = 50, 3, 8
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def settings_for(folder, **changed):
    changed = {
        **{"batch_size": 16, "epochs": 2, "width": 1, "neighbors": 4, "seeds": (3,)},
        **{"augment": False, "tensorboard": False, "progress": "none"},
        **changed,
    }
    return ClassifierConfiguration(preset="smoke", run_dir=str(folder), **changed)


def arrays():
    """Images of which each tells its index, and their labels."""
    generator = np.random.default_rng(0)
    x = generator.integers(256, size=(COUNT, SIZE, SIZE, 3), dtype="uint8")
    x[:, 4, 4, 0] = np.arange(COUNT)
    return x, generator.integers(CLASSES, size=COUNT)


def data():
    x, y = arrays()
    return classifiers.ImageArrays((x, y), (x[:7], y[:7]), tuple("abc"))


def normalized(pixels):
    return (np.asarray(pixels, "float64") / 255 - MEAN) / STD


def indices_of(images):
    """The index that each normalized image tells."""
    values = (np.asarray(images)[:, 4, 4, 0] * STD[0] + MEAN[0]) * 255
    return np.round(values).astype(int)


def mixing_of(recipe, settings):
    return training.Mixing(
        recipe.alpha,
        3,
        CLASSES,
        settings,
        mix_at=recipe.mix_at,
        # To compile takes longer than all the rest.
        options={**recipe.mixup_options, "jit_compile": False},
        between=recipe.partners != "batch",
    )


def batches_of(recipe, settings, first_epoch=0, mixing=None):
    mixing = mixing or mixing_of(recipe, settings)
    made = classifiers.batches_of(recipe, 3, arrays(), settings, mixing)
    return made(first_epoch)


@dataclasses.dataclass
class Unmixed:
    """Gives pairs of batches as they are."""

    @property
    def in_pipeline(self):
        return lambda step, pair: pair


def two_epochs(batches):
    return list(batches.take(8).as_numpy_iterator())


@pytest.mark.parametrize(
    "partners", ["batch", "loader", "neighbors", "class_neighbors"]
)
def test_an_epoch_does_not_depend_on_where_a_run_began(partners, tmp_path):
    settings = settings_for(tmp_path, augment=True)
    recipe = Recipe(alpha=1.0, partners=partners)
    whole = two_epochs(batches_of(recipe, settings))
    again = list(batches_of(recipe, settings, 1).take(4).as_numpy_iterator())
    for one, other in zip(whole[4:], again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    assert [len(one[1]) for one in whole] == [16, 16, 16, 2] * 2


def test_partners_from_the_batch_leave_mixing_to_the_train_step(tmp_path):
    batches = two_epochs(batches_of(Recipe(alpha=1.0), settings_for(tmp_path)))
    x, y = arrays()
    for epoch in (batches[:4], batches[4:]):
        order = np.concatenate([indices_of(images) for images, _ in epoch])
        assert sorted(order) == list(range(COUNT))
        for images, labels in epoch:
            index = indices_of(images)
            np.testing.assert_allclose(images, normalized(x[index]), atol=1e-5)
            np.testing.assert_array_equal(labels, y[index])


def test_two_loaders_are_two_orders_of_all_examples(tmp_path):
    recipe = Recipe(alpha=1.0, partners="loader")
    pairs = two_epochs(batches_of(recipe, settings_for(tmp_path), mixing=Unmixed()))
    _, y = arrays()
    orders = [
        np.concatenate([indices_of(pair[side][0]) for pair in pairs[:4]])
        for side in (0, 1)
    ]
    for side, order in enumerate(orders):
        assert sorted(order) == list(range(COUNT))
        labels = np.concatenate([pair[side][1] for pair in pairs[:4]])
        np.testing.assert_array_equal(labels, y[order])
    # Of 50 random pairs one is expected to be of an example with itself.
    assert np.mean(orders[0] == orders[1]) < 0.2


def test_two_loaders_are_mixed_place_by_place(tmp_path):
    recipe = Recipe(alpha=1.0, partners="loader")
    settings = settings_for(tmp_path)
    pairs = two_epochs(batches_of(recipe, settings, mixing=Unmixed()))
    mixed = two_epochs(batches_of(recipe, settings))
    for step, (pair, found) in enumerate(zip(pairs, mixed, strict=True)):
        lam = float(keras_mixup.sample_lambda(1.0, (), seed=3, step=step))
        (x_i, y_i), (x_j, y_j) = pair
        np.testing.assert_allclose(found[0], lam * x_i + (1 - lam) * x_j, atol=1e-5)
        rows = [oracles.one_hot(y, CLASSES) for y in (y_i, y_j)]
        np.testing.assert_allclose(
            found[1], lam * rows[0] + (1 - lam) * rows[1], atol=1e-6
        )


@pytest.mark.parametrize("partners", ["neighbors", "class_neighbors"])
def test_neighbors_are_of_the_whole_set_and_of_the_class_if_asked(partners, tmp_path):
    recipe = Recipe(alpha=1.0, partners=partners)
    pairs = two_epochs(batches_of(recipe, settings_for(tmp_path), mixing=Unmixed()))
    x, y = arrays()
    flat = normalized(x).reshape(COUNT, -1)
    crossed = 0
    for (images, labels), (others, other_labels) in pairs:
        for i, j in zip(indices_of(images), indices_of(others), strict=True):
            allowed = [k for k in range(COUNT) if k != i]
            if partners == "class_neighbors":
                allowed = [k for k in allowed if y[k] == y[i]]
            distances = {k: np.square(flat[i] - flat[k]).sum() for k in allowed}
            assert j in sorted(allowed, key=distances.get)[:4]
        np.testing.assert_array_equal(labels, y[indices_of(images)])
        np.testing.assert_array_equal(other_labels, y[indices_of(others)])
        crossed += np.sum(labels != other_labels)
    assert (crossed == 0) == (partners == "class_neighbors")
    assert len(list((tmp_path / "neighbors").iterdir())) == 1


def test_a_neighbor_is_augmented_on_its_own(tmp_path):
    settings = settings_for(tmp_path, augment=True, neighbors=1)
    recipe = Recipe(alpha=1.0, partners="neighbors")
    x = np.full((COUNT, SIZE, SIZE, 3), 255, "uint8")
    made = classifiers.batches_of(recipe, 3, (x, arrays()[1]), settings, Unmixed())
    seen = []
    for (images, _), (others, _) in made(0).take(4).as_numpy_iterator():
        # Where padding shows, by row and by column: the offset of the crop.
        black = [
            np.abs(part - normalized(0)).max(-1) < 1e-3 for part in (images, others)
        ]
        seen += [
            (one.all(axis=1).sum(), other.all(axis=1).sum())
            for one, other in zip(*black, strict=True)
        ]
    # Padded by one pixel: cut at one of three places, each of the two by its own draw.
    assert {one for one, _ in seen} == {other for _, other in seen} == {0, 1}
    assert 0.2 < np.mean([one != other for one, other in seen]) < 0.8


def test_without_augmentation_images_are_only_normalized(tmp_path):
    pixels = arrays()[0]
    key = tf.constant([1, 2])
    np.testing.assert_allclose(
        image_classifier.augment(pixels, key, 0), normalized(pixels), atol=1e-5
    )


def test_noise_is_a_layer_in_front_and_only_in_training():
    settings = settings_for("runs")
    network = classifiers.make_network(
        Recipe(gaussian_noise=0.5), (SIZE, SIZE, 3), CLASSES, settings
    )
    noise = network.get_layer("noise")
    zeros = np.zeros((200, SIZE, SIZE, 3), "float32")
    assert np.std(noise(zeros, training=True)) == pytest.approx(0.5, rel=0.02)
    np.testing.assert_array_equal(noise(zeros, training=False), zeros)
    x = normalized(arrays()[0]).astype("float32")
    inner = next(layer for layer in network.layers if isinstance(layer, keras.Model))
    np.testing.assert_allclose(
        network(x, training=False), inner(x, training=False), atol=1e-5
    )


def test_the_network_has_the_recipes_width_dropout_and_decay():
    recipe = Recipe(dropout=0.25, width=2, weight_decay=1e-3)
    network = classifiers.make_network(
        recipe, (SIZE, SIZE, 3), CLASSES, settings_for("runs")
    )
    assert network.get_layer("stem").filters == 2
    rates = [
        layer.rate
        for layer in network.layers
        if isinstance(layer, keras.layers.Dropout)
    ]
    assert rates == [0.25] * 8
    squares = sum(
        np.square(w).sum() for w in map(np.asarray, network.trainable_weights)
    )
    assert float(sum(network.losses)) == pytest.approx(1e-3 / 2 * squares, rel=1e-4)
    default = classifiers.make_network(
        Recipe(), (SIZE, SIZE, 3), CLASSES, settings_for("runs")
    )
    assert default.get_layer("stem").filters == 1


def test_pixels_are_normalized_inside_the_network():
    inputs = keras.Input((SIZE, SIZE, 3))
    network = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
    x = arrays()[0]
    expected = network(normalized(x).astype("float32"))
    found = classifiers.of_pixels(network)(x.astype("float32"))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def trained(recipe, monkeypatch, tmp_path, **changed):
    """What `training.fit` was called with for this recipe."""
    calls = runs.without_training(monkeypatch)
    settings = settings_for(tmp_path, **changed)
    run = running.Run("set", recipe.title, 3, dataclasses.asdict(recipe))
    classifiers.train(run, pathlib.Path(tmp_path), data(), settings)
    return calls[0]


def test_labels_are_replaced_in_training_alone_within_binomial_bounds(
    monkeypatch, tmp_path
):
    count = 2000
    generator = np.random.default_rng(1)
    x = np.zeros((count, SIZE, SIZE, 3), "uint8")
    y = generator.integers(CLASSES, size=count)
    whole = classifiers.ImageArrays((x, y), (x[:300], y[:300]), tuple("abc"))
    monkeypatch.setattr(f"{__name__}.data", lambda: whole)
    call = trained(Recipe(corrupted=0.5), monkeypatch, tmp_path, batch_size=count)
    ((_, given),) = call.data.batches(0).take(1).as_numpy_iterator()
    # Half of them are replaced by one of three classes: a third differs, ± 4 sigma.
    expected = np.bincount(y, minlength=CLASSES)
    assert len(given) == count
    same = np.bincount(given, minlength=CLASSES)
    assert np.abs(same - expected).max() < 4 * np.sqrt(count / 4)
    tested = np.concatenate([b[1] for b in call.data.sets["test"].as_numpy_iterator()])
    np.testing.assert_array_equal(tested, y[:300])


def test_what_is_measured_at_the_end_is_against_the_given_labels(monkeypatch, tmp_path):
    from experiments.data import corruption

    ends = []
    monkeypatch.setattr(
        image_classifier, "fit", lambda *a, at_end, **k: ends.append(at_end) or ([], 0)
    )
    recipe = Recipe(corrupted=0.5)
    run = running.Run("set", recipe.title, 3, dataclasses.asdict(recipe))
    classifiers.train(run, pathlib.Path(tmp_path), data(), settings_for(tmp_path))
    _, y = arrays()
    given, corrupted = corruption.corrupt_labels(y, 0.5, CLASSES, 3)
    # A network that always says class 0.
    inputs = keras.Input((SIZE, SIZE, 3))
    bias = keras.initializers.Constant([1.0, 0.0, 0.0])
    logits = keras.layers.Dense(3, kernel_initializer="zeros", bias_initializer=bias)(
        keras.layers.Flatten()(inputs)
    )
    assert ends[0](keras.Model(inputs, logits)) == {
        "train": {
            "error_on_real": pytest.approx(100 * np.mean(given[~corrupted] != 0)),
            "error_on_corrupted": pytest.approx(100 * np.mean(given[corrupted] != 0)),
        }
    }


# What each kind of recipe is compiled as: whether the train step mixes, and how.
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
    if options is None:
        # The pipeline mixes, so labels are rows.
        assert model.mixup.is_identity
        assert isinstance(model.loss, keras.losses.CategoricalCrossentropy)
        ((_, rows),) = call.data.sets["test"].take(1).as_numpy_iterator()
        np.testing.assert_array_equal(rows, oracles.one_hot(data().test[1], CLASSES))
        return
    config = model.mixup.get_config()
    assert {name: config[name] for name in options} == options
    assert config["seed"] == 3
    assert model.mix_at == [recipe.mix_at]
    assert isinstance(model.loss, keras.losses.SparseCategoricalCrossentropy)
    assert (model.optimizer.momentum, model.optimizer.nesterov) == (0.9, False)
    # 50 / 16: four steps an epoch; of two epochs the rate drops after one and 1.5.
    assert [call.rate_at(step) for step in (3, 4)] == pytest.approx([0.1, 0.01])


def test_smoothed_rows_are_those_of_szegedy(monkeypatch, tmp_path):
    call = trained(Recipe(label_smoothing=0.3), monkeypatch, tmp_path)
    images, rows = next(call.data.batches(0).as_numpy_iterator())
    clean = oracles.one_hot(arrays()[1][indices_of(images)], CLASSES)
    # epsilon / 3 for each, 1 - 2 epsilon / 3 for the right one.
    np.testing.assert_allclose(rows, np.where(clean == 1, 0.8, 0.1), atol=1e-6)


def test_a_run_that_two_analyses_have_in_common_is_trained_once(monkeypatch, tmp_path):
    calls = []

    def train(run, folder, data, settings):
        calls.append(run.method)
        return runs.made_up(2, error=float(run.seed)), 100

    monkeypatch.setattr(classifiers, "train", train)
    settings = settings_for(tmp_path, seeds=(3, 4))
    first = {("", "ERM"): Recipe(), ("", "mixup 1"): Recipe(alpha=1.0)}
    records = classifiers.train_all(first, data(), settings)
    assert calls == ["ERM", "ERM", "alpha 1", "alpha 1"]
    found = [(r["method"], r["seed"], r["epochs"][0]["test"]["error"]) for r in records]
    assert found == [
        ("ERM", 3, 3.0),
        ("ERM", 4, 4.0),
        ("mixup 1", 3, 3.0),
        ("mixup 1", 4, 4.0),
    ]
    second = {
        ("10 %", "noise"): Recipe(gaussian_noise=0.1),
        ("10 %", "as is"): Recipe(),
    }
    again = classifiers.train_all(second, data(), settings)
    assert calls[4:] == ["gaussian noise 0.1"] * 2
    assert [(r["group"], r["method"], r["seed"]) for r in again] == [
        ("10 %", "noise", 3),
        ("10 %", "noise", 4),
        ("10 %", "as is", 3),
        ("10 %", "as is", 4),
    ]
    assert again[2]["folder"] == records[0]["folder"]
    assert pathlib.Path(again[2]["folder"], "record.json").exists()


def test_other_settings_are_refused_with_the_difference(monkeypatch, tmp_path):
    monkeypatch.setattr(classifiers, "train", lambda *arguments: (runs.made_up(2), 100))
    rows = {("", "ERM"): Recipe()}
    classifiers.train_all(rows, data(), settings_for(tmp_path))
    with pytest.raises(running.OtherSettings, match="epochs: 2 there, 3 now"):
        classifiers.train_all(rows, data(), settings_for(tmp_path, epochs=3))
    with pytest.raises(running.OtherSettings, match="width: 1 there, 2 now"):
        classifiers.train_all(rows, data(), settings_for(tmp_path, width=2))


def test_images_of_different_sizes_are_refused_before_training(tmp_path):
    folder = tmp_path / "sizes"
    for split, size in (("train", 4), ("train", 5), ("test", 4)):
        place = folder / split / "a"
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((size, size, 3), "uint8")
        (place / f"{size}.png").write_bytes(tf.io.encode_png(pixels).numpy())
    settings = settings_for(tmp_path, dataset=str(folder))
    with pytest.raises(sources.UnknownData, match="--image_size"):
        classifiers.load(settings)
    for experiment in (figure3_cifar, dcgan):
        name = "datasets" if experiment is figure3_cifar else "dataset"
        own = {"train_split": "train", "test_split": "test", "run_dir": str(tmp_path)}
        own[name] = (str(folder),) if name == "datasets" else str(folder)
        with pytest.raises(sources.UnknownData, match="Images of different sizes"):
            experiment.run(experiment.Settings(preset="cpu", **own))
    found = classifiers.load(dataclasses.replace(settings, image_size=8))
    assert found.train[0].shape == (2, 8, 8, 3)
    assert found.counts == {"train": 2, "test": 1}
