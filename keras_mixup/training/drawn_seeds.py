"""A model's own seed, where its policy has none: a loaded one keeps it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Self

import keras


def seed_of(mixup):
    """The seed of a policy, or one of Python's generator."""
    return random.randint(0, 2**31 - 1) if mixup.seed is None else mixup.seed


class KeepsSeed:
    """A `keras.Model` with a seed, put before `keras.Model`."""

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """The model of a `get_config`, which goes on with the same draws."""
        config = {
            name: keras.saving.deserialize_keras_object(value, custom_objects)
            if isinstance(value, dict) and "class_name" in value
            else value
            for name, value in config.items()
        }
        seed = config.pop("seed", None)
        model = cls(**config)
        if seed is not None:
            # Past the guard of what a traced step has taken in.
            object.__setattr__(model, "seed", seed)
        return model
