"""The mixtures of Figure 5, and the step that draws them itself."""

import dataclasses
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from experiments import mixtures
from experiments.gan import indices
from experiments.paper.figure5_gan import Settings
from experiments.report import gan_figures
from keras_mixup import keys

SETTINGS = Settings(
    width=4, batch_size=8, samples=50, shown=5, snapshots=(2,), jit_compile=False
)


def test_modes_are_where_the_authors_have_them():
    ring, grid = mixtures.modes("ring"), mixtures.modes("grid")
    assert ring.shape == (8, 2)
    np.testing.assert_allclose(np.hypot(*ring.T), 1)
    distances = np.linalg.norm(ring[:, np.newaxis] - ring, axis=-1)
    nearest = np.sort(distances, axis=1)[:, 1]
    np.testing.assert_allclose(nearest, 2 * np.sin(np.pi / 8))
    assert sorted(map(tuple, grid)) == [
        (x, y) for x in (-1, -0.5, 0, 0.5, 1) for y in (-1, -0.5, 0, 0.5, 1)
    ]


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_points_follow_the_law(name):
    modes = mixtures.modes(name)
    points = mixtures.draw(name, keys.make_key(5), 8000).numpy()
    distances = np.linalg.norm(points[:, np.newaxis] - modes, axis=-1)
    nearest = distances.argmin(axis=1)
    assert stats.chisquare(np.bincount(nearest, minlength=len(modes))).pvalue > 1e-3
    residuals = (points - modes[nearest]) / 0.01
    for column in residuals.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3


def test_points_are_the_same_under_xla_and_others_for_another_key():
    def draw(key):
        return mixtures.draw("ring", key, 64)

    key = keys.make_key(1, 2)
    compiled = tf.function(draw, jit_compile=True)(key)
    np.testing.assert_allclose(compiled, draw(key), atol=1e-6)
    assert np.abs(draw(key) - draw(keys.make_key(1, 3))).max() > 0.1


@pytest.mark.parametrize(
    ("alpha", "mode", "batches"),
    [
        pytest.param(0.0, "author_code", 1, marks=pytest.mark.slow),
        (0.2, "author_code", 2),
        pytest.param(0.2, "objective", 1, marks=pytest.mark.slow),
    ],
)
def test_a_step_trains_on_the_points_of_its_index(alpha, mode, batches):
    keras.utils.set_random_seed(0)
    gan = mixtures.make_gan("ring", alpha, mode, 3, SETTINGS)
    keras.utils.set_random_seed(0)
    other = mixtures.make_gan("ring", alpha, mode, 3, SETTINGS)
    # Five steps of the discriminator, on 8 points or two batches of 8.
    assert gan.count == 5 * 8 * batches
    gan.fit(indices(0).take(2), verbose=0)
    for index in (0, 1):
        points = mixtures.draw("ring", keys.make_key(-4, index), 40 * batches)
        super(mixtures.MixtureGAN, other).train_step(points)
    for ours, theirs in zip(
        gan.trainable_variables, other.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-6)


def test_a_batch_that_replicas_cannot_share_is_refused(monkeypatch):
    strategy = types.SimpleNamespace(num_replicas_in_sync=3)
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: strategy)
    with pytest.raises(ValueError, match="a multiple of the 3 replicas. Received: 8"):
        mixtures.make_gan("ring", 0.2, "author_code", 3, SETTINGS)


def test_the_optimizers_are_the_authors():
    gan = mixtures.make_gan("grid", 0.0, "author_code", 0, SETTINGS)
    for optimizer in gan.optimizers:
        assert isinstance(optimizer, keras.optimizers.Adam)
        found = [optimizer.beta_1, optimizer.beta_2, optimizer.epsilon]
        assert found == [0.9, 0.999, 1e-8]
        assert float(optimizer.learning_rate) == pytest.approx(1e-3)
    units = [
        layer.units for layer in gan.discriminator.layers if hasattr(layer, "units")
    ]
    assert units == [4, 4, 4, 1]


def test_a_perfect_generator_covers_all_and_a_lost_one_nothing():
    gan = mixtures.make_gan("ring", 0.0, "author_code", 3, SETTINGS)
    settings = dataclasses.replace(SETTINGS, samples=8000)
    points = mixtures.draw("ring", keys.make_key(11), 8000).numpy()
    gan.generate = lambda n, seed, batch_size: points[:n]
    found = mixtures.measure(gan, 1, 3, settings)["test"]
    assert found["modes_covered"] == 8
    assert found["high_quality"] == 100
    # Within three standard deviations in the plane: 98.9 %.
    assert found["three_sigma"] == pytest.approx(98.9, abs=1)
    assert found["sliced_wasserstein"] < 0.05
    gan.generate = lambda n, seed, batch_size: np.full((n, 2), 30.0)
    lost = mixtures.measure(gan, 1, 3, settings)["test"]
    assert (lost["modes_covered"], lost["high_quality"]) == (0, 0)
    assert lost["sliced_wasserstein"] > 20


def test_samples_that_are_not_finite_stop_the_run():
    gan = mixtures.make_gan("ring", 0.0, "author_code", 3, SETTINGS)
    gan.generate = lambda n, seed, batch_size: np.full((n, 2), np.nan)
    with pytest.raises(FloatingPointError, match="not finite after iteration 70"):
        mixtures.measure(gan, 70, 3, SETTINGS)


def test_a_snapshot_keeps_the_first_samples_as_text():
    gan = mixtures.make_gan("ring", 0.0, "author_code", 3, SETTINGS)
    kept = mixtures.measure(gan, 2, 3, SETTINGS)["samples"]
    points = gan_figures.read_points(kept)
    np.testing.assert_allclose(points, gan.generate(50, seed=3)[:5], atol=5.1e-4)
    assert "samples" not in mixtures.measure(gan, 1, 3, SETTINGS)
