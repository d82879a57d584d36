"""Builders of the networks of the paper, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_mixup.models import (
    densenet,
    gan,
    preact_resnet,
    resnet,
    series,
    speech,
    tabular,
    wide_resnet,
)

_BUILDERS: dict[str, Callable[..., keras.Model]] = {
    "mlp": tabular.mlp,
    "preact_resnet18": preact_resnet.preact_resnet18,
    "wide_resnet28_10": wide_resnet.wide_resnet28_10,
    "densenet_bc_190": densenet.densenet_bc_190,
    "resnet50": resnet.resnet50,
    "resnet101": resnet.resnet101,
    "resnext101_32x4d": resnet.resnext101_32x4d,
    "resnext101_64x4d": resnet.resnext101_64x4d,
    "lenet": speech.lenet,
    "vgg11": speech.vgg11,
    "lstnet": series.lstnet,
    "gan_generator": gan.gan_generator,
    "gan_discriminator": gan.gan_discriminator,
    "dcgan_generator": gan.dcgan_generator,
    "dcgan_discriminator": gan.dcgan_discriminator,
}


def names() -> list[str]:
    """The names that `build` knows."""
    return sorted(_BUILDERS)


def build(name: str, **arguments: Any) -> keras.Model:
    """Builds a network by name.

    Args:
        name: One of `names()`.
        **arguments: Arguments of that builder: `input_shape`, `num_classes`,
            `width` and its own. Those of a GAN: see `keras_mixup.models.gan`.

    Returns:
        A `keras.Model` that ends in logits; a generator ends in examples.

    Raises:
        ValueError: for an unknown name, with the names that exist.

    Examples:
        >>> keras_mixup.models.build("mlp", input_shape=(8,), num_classes=3)
    """
    if name not in _BUILDERS:
        raise ValueError(
            f"Unknown network. Expected one of {names()}. Received: name={name!r}"
        )
    return _BUILDERS[name](**arguments)
