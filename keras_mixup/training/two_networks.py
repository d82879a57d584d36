"""A generator and a discriminator as one Keras model: two optimizers, one file."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping
from typing import Any, Literal, Self

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import arguments, hints, keys
from keras_mixup.training import counting, gan_checks
from keras_mixup.training.descent import built
from keras_mixup.training.several_workers import SeveralWorkers


class TwoNetworks(SeveralWorkers, keras.Model):
    """What Keras gives a model with one optimizer, for a GAN with two.

    Compiling, saving and loading, resuming, the mean losses, and generating; the steps
    are those of a subclass. Called, it is the generator.

    Args:
        generator: A `keras.Model` from noise to examples.
        discriminator: A `keras.Model` from examples to one logit.
        seed: Integer, or None for one of Python's generator.

    Raises:
        ValueError: for networks that do not fit each other.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        arguments.check_seed(seed)
        gan_checks.check_networks(generator, discriminator)
        self.generator = generator
        self.discriminator = discriminator
        self.seed = random.randint(0, 2**31 - 1) if seed is None else int(seed)
        self.step = counting.new_counter(self)
        self._means = {
            name: keras.metrics.Mean(name)
            for name in ("discriminator_loss", "generator_loss")
        }
        self.built = True

    def compile(
        self,
        generator_optimizer: hints.Optimizer = "adam",
        discriminator_optimizer: hints.Optimizer = "adam",
        *,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | Literal["auto"] = "auto",
    ) -> None:
        """Sets the two optimizers; the rest is as in `keras.Model.compile`.

        Args:
            generator_optimizer: A Keras optimizer or its name.
            discriminator_optimizer: Another one. Callbacks that look for one optimizer
                (LearningRateScheduler, ReduceLROnPlateau) find none: give these
                schedules instead.
            run_eagerly: Whether steps run without a graph.
            steps_per_execution: Train steps in one call.
            jit_compile: Whether a train step is one XLA function; "auto" is where
                Keras thinks so, which it never does on a CPU.

        Raises:
            ValueError: if both are one object.
        """
        self._compile_options = {
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        # None: Keras would make an RMSprop, and a resume would lose both of these.
        super().compile(optimizer=None, **self._compile_options)
        first = keras.optimizers.get(generator_optimizer)
        second = keras.optimizers.get(discriminator_optimizer)
        if first is second:
            raise ValueError(
                "Invalid value received for argument `discriminator_optimizer`. "
                "Expected another optimizer than the generator's: each has a state of "
                "its own. Received: the same object twice"
            )
        self.generator_optimizer = built(first, self.generator)
        self.discriminator_optimizer = built(second, self.discriminator)

    @property
    def metrics(self) -> list[Any]:
        """The two losses; Keras's own "loss" would be 0."""
        return list(self._means.values())

    @property
    def optimizers(self) -> list[Any]:
        """The optimizers of the generator and of the discriminator."""
        return [self.generator_optimizer, self.discriminator_optimizer]

    @property
    def networks(self) -> list[keras.Model]:
        """The generator and the discriminator."""
        return [self.generator, self.discriminator]

    def call(self, inputs, training=None):
        """What the generator makes of noise."""
        return self.generator(inputs, training=training)

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """`keras.Model.fit`."""
        history = super().fit(*args, **kwargs)
        for network, optimizer in zip(self.networks, self.optimizers, strict=True):
            # Of averaged weights, as Keras does for its one optimizer.
            optimizer.finalize_variable_values(network.trainable_variables)
        return history

    def generate(
        self, n: int, seed: int | None = None, batch_size: int = 1024
    ) -> np.ndarray:
        """Draws noise, and gives what the generator makes of it in inference mode.

        Args:
            n: Integer >= 1, the number of examples.
            seed: Integer: the same noise for the same seed. None draws anew.
            batch_size: Integer >= 1, examples in one call of the generator.

        Returns:
            A NumPy array of shape `(n, *example)`.

        Raises:
            ValueError: for wrong arguments.
        """
        arguments.check_count("batch_size", batch_size)
        arguments.check_seed(seed)
        arguments.check_count("n", n)
        noise = self.noise(keys.make_key(seed), n)
        return self.generator.predict(noise, batch_size=batch_size, verbose=0)

    def noise(self, key, n):
        """Noise for n examples: a float32 tensor `(n, *generator's input)`."""
        return keys.normal(key, keys.Stream.NOISE, [n, *self.generator.input_shape[1:]])

    def generated(self, key, size, training):
        """What the generator makes of the noise of a key."""
        return self.generator(self.noise(key, size), training=training)

    def record(self, name, loss, rows):
        """Adds a mean loss over so many rows to what `fit` shows."""
        self._means[name].update_state(loss, tf.cast(rows, tf.float32))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "generator": serialize(self.generator),
            "discriminator": serialize(self.discriminator),
            "seed": self.seed,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """The model of a `get_config`."""
        config = dict(config)
        for name in ("generator", "discriminator"):
            config[name] = keras.saving.deserialize_keras_object(
                config[name], custom_objects
            )
        with warnings.catch_warnings():
            # Of a choice that was made when it was first constructed.
            warnings.simplefilter("ignore")
            return cls(**config)

    def get_compile_config(self):
        """The arguments of `compile`."""
        if not self.compiled:
            return None
        names = ("generator_optimizer", "discriminator_optimizer")
        return self._compile_options | {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in names
        }

    def compile_from_config(self, config):
        """Compiles as a `get_compile_config` says."""
        self.compile(**keras.saving.deserialize_keras_object(config))
