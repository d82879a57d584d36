"""Generators and discriminators: of points by dense layers, of images by DCGAN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import keras

from keras_mixup import arguments
from keras_mixup.models import convolution, tabular
from keras_mixup.models.normalization import BatchNormalization


def gan_generator(
    output_shape: Sequence[int] = (2,),
    latent_dim: int = 2,
    width: int = 512,
    depth: int = 3,
    initial_values: Literal["torch", "keras"] = "torch",
) -> keras.Model:
    """The fully connected generator of Figure 5: noise, hidden ReLU layers, points.

    Zhang et al. (2018), section 3.7: three hidden layers of 512 units on
    two-dimensional Gaussian noise. Parameters with latent dimension d and p numbers
    in an output: `(d + 1) width + (depth - 1) (width + 1) width + (width + 1) p`.

    Args:
        output_shape: Shape of what one example is, such as `(2,)`.
        latent_dim: Integer, the dimension of the noise.
        width: Units of each hidden layer.
        depth: Number of hidden layers.
        initial_values: "torch" (the authors' framework) or "keras"; see `mlp`.

    Returns:
        A functional `keras.Model` from noise `(batch, latent_dim)` to
        `(batch, *output_shape)`, without an activation at its end.

    Raises:
        ValueError: for sizes below 1, or other `initial_values`.
    """
    _check_sizes(output_shape, latent_dim=latent_dim, width=width, depth=depth)
    noise = keras.Input((latent_dim,), name="noise")
    outputs = tabular.stack(
        *(noise, math.prod(output_shape), "generated", width, depth),
        initial_values=initial_values,
    )
    if len(output_shape) > 1:
        outputs = keras.layers.Reshape(output_shape, name="reshape")(outputs)
    return keras.Model(noise, outputs, name="gan_generator")


def gan_discriminator(
    input_shape: Sequence[int] = (2,),
    width: int = 512,
    depth: int = 3,
    initial_values: Literal["torch", "keras"] = "torch",
) -> keras.Model:
    """The fully connected discriminator of Figure 5: it ends in one logit.

    Zhang et al. (2018), section 3.7. Parameters with p numbers in an input:
    `(p + 1) width + (depth - 1) (width + 1) width + width + 1`.

    Args:
        input_shape: Shape of one example; it is flattened.
        width: Units of each hidden layer.
        depth: Number of hidden layers.
        initial_values: "torch" (the authors' framework) or "keras"; see `mlp`.

    Returns:
        A functional `keras.Model` to logits `(batch, 1)`: above 0 is real.

    Raises:
        ValueError: for sizes below 1, or other `initial_values`.
    """
    _check_sizes(input_shape, width=width, depth=depth)
    inputs = keras.Input(input_shape, name="examples")
    logits = tabular.stack(
        inputs, 1, "logits", width, depth, initial_values=initial_values
    )
    return keras.Model(inputs, logits, name="gan_discriminator")


def dcgan_generator(
    output_shape: Sequence[int] = (28, 28, 1), latent_dim: int = 100, width: int = 128
) -> keras.Model:
    """A small DCGAN generator (Radford et al., 2016): noise to images in (-1, 1).

    A dense layer to a quarter of the height and width with `width` channels, twice a
    transposed convolution of size 4 and stride 2 (to `width / 2` and `width / 4`
    channels), each behind batch norm and ReLU, and a convolution of size 3 with tanh.

    Args:
        output_shape: (height, width, channels); height and width multiples of 4.
        latent_dim: Integer, the dimension of the noise.
        width: Channels of the first feature map, a multiple of 4.

    Returns:
        A functional `keras.Model` from noise `(batch, latent_dim)` to images.

    Raises:
        ValueError: for sizes that do not fit.
    """
    _check_images("output_shape", output_shape)
    _check_sizes(output_shape, latent_dim=latent_dim, width=width)
    if width % 4:
        raise ValueError(
            "Invalid value received for argument `width`. Expected a multiple of 4. "
            f"Received: width={width}"
        )
    height, breadth, channels = output_shape
    start = (height // 4, breadth // 4, width)
    noise = keras.Input((latent_dim,), name="noise")
    features = keras.layers.Dense(
        math.prod(start), use_bias=False, name="project", **_begun()
    )(noise)
    features = keras.layers.Reshape(start, name="reshape")(features)
    for stage in (1, 2):
        features = _normalized(features, f"norm_{stage}")
        features = keras.layers.Conv2DTranspose(
            width // 2**stage,
            4,
            strides=2,
            padding="same",
            use_bias=False,
            name=f"grow_{stage}",
            **_begun(),
        )(features)
    features = _normalized(features, "norm_3")
    images = keras.layers.Conv2D(
        channels, 3, padding="same", activation="tanh", name="images", **_begun()
    )(features)
    return keras.Model(noise, images, name="dcgan_generator")


def dcgan_discriminator(
    input_shape: Sequence[int] = (28, 28, 1), width: int = 32
) -> keras.Model:
    """A small DCGAN discriminator: images to one logit.

    Two convolutions of size 4 and stride 2 with `width` and `2 width` channels, leaky
    ReLU (slope 0.2), and a dense layer. Without batch norm: mixed, real and generated
    batches have other statistics.

    Args:
        input_shape: (height, width, channels); height and width multiples of 4.
        width: Channels of the first feature map.

    Returns:
        A functional `keras.Model` to logits `(batch, 1)`: above 0 is real.

    Raises:
        ValueError: for sizes that do not fit.
    """
    _check_images("input_shape", input_shape)
    _check_sizes(input_shape, width=width)
    inputs = keras.Input(input_shape, name="images")
    features = inputs
    for stage in (1, 2):
        features = keras.layers.Conv2D(
            width * stage, 4, 2, padding="same", name=f"shrink_{stage}", **_begun()
        )(features)
        features = keras.layers.LeakyReLU(0.2, name=f"leaky_relu_{stage}")(features)
    features = keras.layers.Flatten(name="flatten")(features)
    logits = keras.layers.Dense(1, name="logits", **_begun())(features)
    return keras.Model(inputs, logits, name="dcgan_discriminator")


def _normalized(features, name):
    features = BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=_normal(1.0), name=name
    )(features)
    return keras.layers.ReLU(name=name.replace("norm", "relu"))(features)


def _normal(mean):
    """`N(mean, 0.02^2)`, from which all weights of a DCGAN start."""
    return keras.initializers.RandomNormal(mean, 0.02)


def _begun():
    return {"kernel_initializer": _normal(0.0)}


def _check_images(argument, shape):
    convolution.check_data_format()
    if len(shape) != 3 or any(size % 4 for size in shape[:2]):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected (height, "
            "width, channels) with height and width multiples of 4. "
            f"Received: {argument}={shape}"
        )


def _check_sizes(shape, **sizes):
    for name, value in [*(("shape", size) for size in shape), *sizes.items()]:
        arguments.check_count(name, value)
