"""Generators and discriminators: parameters by hand, ends, starting values."""

import keras
import numpy as np
import pytest

from keras_mixup import models


def test_figure_5_parameters_are_as_counted_by_hand():
    generator = models.build("gan_generator")
    discriminator = models.build("gan_discriminator")
    between = 2 * (512 + 1) * 512
    assert generator.count_params() == (2 + 1) * 512 + between + (512 + 1) * 2
    assert discriminator.count_params() == (2 + 1) * 512 + between + 512 + 1
    assert generator.input_shape == generator.output_shape == (None, 2)
    assert discriminator.output_shape == (None, 1)
    for network in (generator, discriminator):
        assert network.layers[-1].activation is keras.activations.linear
        for layer in network.layers:
            if layer.weights:
                kernel, bias = layer.get_weights()
                bound = len(kernel) ** -0.5
                assert 0.7 * bound < np.abs(kernel).max() <= bound
                assert np.abs(bias).max() <= bound


def test_points_may_have_any_shape():
    generator = models.build("gan_generator", output_shape=(4, 3, 2), latent_dim=5)
    assert generator.input_shape == (None, 5)
    assert generator.output_shape == (None, 4, 3, 2)


def test_dcgan_parameters_are_as_counted_by_hand():
    generator = models.build("dcgan_generator", width=8, latent_dim=10)
    convolutions = 16 * 8 * 4 + 16 * 4 * 2 + 9 * 2 * 1 + 1
    norms = 4 * (8 + 4 + 2)
    assert generator.count_params() == 10 * 7 * 7 * 8 + convolutions + norms
    assert generator.output_shape == (None, 28, 28, 1)
    assert generator.layers[-1].activation is keras.activations.tanh
    discriminator = models.build("dcgan_discriminator", width=4)
    dense = 7 * 7 * 8 + 1
    assert discriminator.count_params() == 16 * 4 + 4 + 16 * 4 * 8 + 8 + dense
    assert discriminator.output_shape == (None, 1)
    kernel = discriminator.get_layer("shrink_2").get_weights()[0]
    assert kernel.std() == pytest.approx(0.02, rel=0.15)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("gan_generator", {"latent_dim": 0}, "`latent_dim`. Expected an integer >= 1"),
        ("gan_generator", {"output_shape": (0,)}, "`shape`. Expected an integer >= 1"),
        ("gan_discriminator", {"depth": 0}, "`depth`. Expected an integer >= 1"),
        ("gan_discriminator", {"initial_values": "jax"}, "Expected one of"),
        ("dcgan_generator", {"width": 6}, "`width`. Expected a multiple of 4"),
        ("dcgan_generator", {"output_shape": (30, 28, 1)}, "`output_shape`. Expected"),
        ("dcgan_discriminator", {"input_shape": (28, 28)}, "multiples of 4"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        models.build(name, **arguments)
