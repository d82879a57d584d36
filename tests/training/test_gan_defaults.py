"""MixUpGAN as it comes holds; the pair of settings that does not is told."""

import warnings

import keras
import numpy as np
import pytest

import keras_mixup
from keras_mixup import evaluation, models
from tests.training.test_gan_bad_input import network

ANGLES = 2 * np.pi * np.arange(8) / 8
MODES = np.stack([np.sin(ANGLES), np.cos(ANGLES)], axis=1)


def ring(count, seed):
    """Points of eight Gaussians of standard deviation .01 on the unit circle."""
    generator = np.random.default_rng(seed)
    noise = 0.01 * generator.normal(size=(count, 2))
    return (MODES[generator.integers(0, 8, count)] + noise).astype("float32")


def distance_after_600_steps(**settings):
    """Sliced Wasserstein distance of samples from the data, by defaults else."""
    keras.utils.set_random_seed(0)
    model = keras_mixup.MixUpGAN(
        models.build("gan_generator", latent_dim=2, width=64),
        models.build("gan_discriminator", width=64),
        **settings,
    )
    model.compile()
    history = model.fit(ring(300 * 640, 1), batch_size=640, epochs=2, verbose=0).history
    assert int(model.step.value) == 600
    assert np.isfinite([*history.values()]).all()
    return evaluation.sliced_wasserstein(model.generate(2000, seed=0), ring(2000, 2))


@pytest.mark.slow
def test_the_defaults_hold_the_ring_and_what_they_replaced_does_not():
    # A generator that gives one point of the circle is at .9, one that gives the
    # center at .64.
    assert distance_after_600_steps() < 0.25
    with pytest.warns(UserWarning, match="diverges"):
        away = distance_after_600_steps(mode="objective", generator_loss="minimax")
    assert away > 0.4


def make(**settings):
    return keras_mixup.MixUpGAN(network((3,), 2), network((2,), 1), **settings)


def test_the_loss_that_is_not_given_is_that_of_the_mode():
    assert (make().mode, make().generator_loss) == ("author_code", "minimax")
    assert make(mode="objective").generator_loss == "non_saturating"
    assert make(generator_loss="non_saturating").mode == "author_code"


def test_the_pair_that_diverges_is_told_once_and_no_other_pair_is():
    with pytest.warns(UserWarning, match="Leave `generator_loss` out") as told:
        model = make(mode="objective", generator_loss="minimax")
    assert len(told) == 1
    # Of the caller's line.
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Loaded, it was told already.
        loaded = keras_mixup.MixUpGAN.from_config(model.get_config())
        assert (loaded.mode, loaded.generator_loss) == ("objective", "minimax")
        # Without mixing it is the plain GAN.
        make(alpha=0, mode="objective", generator_loss="minimax")
        make(mode="objective"), make(generator_loss="minimax"), make()
        make(generator_loss="non_saturating")


def test_compile_takes_the_two_optimizers_by_place_and_all_else_by_name():
    with pytest.raises(TypeError, match="positional"):
        make().compile("adam", "adam", True)
