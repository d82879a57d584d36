"""Training batches with partners of the batch, a second loader, or neighbors."""

import types

import numpy as np
import pytest

import keras_mixup
from experiments import classifier
from experiments.data import partners
from experiments.recipes import Recipe, RecipeSettings
from tests import oracles

COUNT, CLASSES, SIZE = 50, 3, 8
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
# Gives pairs of batches as they are.
UNMIXED = types.SimpleNamespace(in_pipeline=lambda step, pair: pair)


def arrays():
    """Images of which each tells its index, and their labels."""
    generator = np.random.default_rng(0)
    x = generator.integers(256, size=(COUNT, SIZE, SIZE, 3), dtype="uint8")
    x[:, 4, 4, 0] = np.arange(COUNT)
    return x, generator.integers(CLASSES, size=COUNT)


def normalized(pixels):
    return (np.asarray(pixels, "float64") / 255 - MEAN) / STD


def indices_of(images):
    """The index that each normalized image tells."""
    values = (np.asarray(images)[:, 4, 4, 0] * STD[0] + MEAN[0]) * 255
    return np.round(values).astype(int)


def batches_of(source, folder, first=0, mixing=None, examples=None, **changed):
    """The batches to the end of the second epoch, where partners are of this source."""
    changed = {"augment": False, "neighbors": 4, **changed}
    settings = RecipeSettings(batch_size=16, run_dir=str(folder), **changed)
    recipe = Recipe(alpha=1.0, partners=source)
    mixing = mixing or classifier.Mixing(
        *(recipe.alpha, 3, CLASSES, settings),
        # To compile takes longer than all the rest.
        options={**recipe.mixup_options, "jit_compile": False},
        between=source != "batch",
    )
    made = partners.batches_of(recipe, 3, examples or arrays(), settings, mixing)
    return list(made(first).take(4 * (2 - first)).as_numpy_iterator())


@pytest.mark.parametrize("source", ["batch", "loader", "neighbors", "class_neighbors"])
def test_an_epoch_does_not_depend_on_where_a_run_began(source, tmp_path):
    whole = batches_of(source, tmp_path, augment=True)
    again = batches_of(source, tmp_path, 1, augment=True)
    for one, other in zip(whole[4:], again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    assert [len(one[1]) for one in whole] == [16, 16, 16, 2] * 2


def test_partners_from_the_batch_leave_mixing_to_the_train_step(tmp_path):
    batches = batches_of("batch", tmp_path)
    x, y = arrays()
    for epoch in (batches[:4], batches[4:]):
        order = np.concatenate([indices_of(images) for images, _ in epoch])
        assert sorted(order) == list(range(COUNT))
        for images, labels in epoch:
            index = indices_of(images)
            np.testing.assert_allclose(images, normalized(x[index]), atol=1e-5)
            np.testing.assert_array_equal(labels, y[index])


def test_two_loaders_are_two_orders_that_are_mixed_place_by_place(tmp_path):
    pairs = batches_of("loader", tmp_path, mixing=UNMIXED)
    _, y = arrays()
    orders = []
    for side in (0, 1):
        images, labels = zip(*(pair[side] for pair in pairs[:4]))
        orders.append(indices_of(np.concatenate(images)))
        assert sorted(orders[side]) == list(range(COUNT))
        np.testing.assert_array_equal(np.concatenate(labels), y[orders[side]])
    # Of 50 random pairs one is expected to be of an example with itself.
    assert np.mean(orders[0] == orders[1]) < 0.2
    mixed = batches_of("loader", tmp_path)
    for step, (pair, found) in enumerate(zip(pairs, mixed, strict=True)):
        lam = float(keras_mixup.sample_lambda(1.0, (), seed=3, step=step))
        (x_i, y_i), (x_j, y_j) = pair
        np.testing.assert_allclose(found[0], lam * x_i + (1 - lam) * x_j, atol=1e-5)
        rows = [oracles.one_hot(labels, CLASSES) for labels in (y_i, y_j)]
        expected = lam * rows[0] + (1 - lam) * rows[1]
        np.testing.assert_allclose(found[1], expected, atol=1e-6)


@pytest.mark.parametrize("source", ["neighbors", "class_neighbors"])
def test_neighbors_are_of_the_whole_set_and_of_the_class_if_asked(source, tmp_path):
    pairs = batches_of(source, tmp_path, mixing=UNMIXED)
    x, y = arrays()
    flat = normalized(x).reshape(COUNT, -1)
    crossed = 0
    for (images, labels), (others, other_labels) in pairs:
        for i, j in zip(indices_of(images), indices_of(others), strict=True):
            allowed = [k for k in range(COUNT) if k != i]
            if source == "class_neighbors":
                allowed = [k for k in allowed if y[k] == y[i]]
            distances = {k: np.square(flat[i] - flat[k]).sum() for k in allowed}
            assert j in sorted(allowed, key=distances.get)[:4]
        np.testing.assert_array_equal(labels, y[indices_of(images)])
        np.testing.assert_array_equal(other_labels, y[indices_of(others)])
        crossed += np.sum(labels != other_labels)
    assert (crossed == 0) == (source == "class_neighbors")
    assert len(list((tmp_path / "neighbors").iterdir())) == 1


def test_a_neighbor_is_augmented_on_its_own(tmp_path):
    white = np.full((COUNT, SIZE, SIZE, 3), 255, "uint8"), arrays()[1]
    changed = {"augment": True, "neighbors": 1, "examples": white}
    seen = []
    for pair in batches_of("neighbors", tmp_path, mixing=UNMIXED, **changed):
        # Where padding shows, by row and by column: the offset of the crop.
        black = [np.abs(images - normalized(0)).max(-1) < 1e-3 for images, _ in pair]
        seen += [
            (one.all(axis=1).sum(), other.all(axis=1).sum())
            for one, other in zip(*black, strict=True)
        ]
    # Padded by one pixel: cut at one of three places, each of the two by its own draw.
    assert {one for one, _ in seen} == {other for _, other in seen} == {0, 1}
    assert 0.2 < np.mean([one != other for one, other in seen]) < 0.8
