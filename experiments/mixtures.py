"""The mixtures of Gaussians of Figure 5, drawn inside the compiled step."""

import keras
import numpy as np
import tensorflow as tf

import keras_mixup
from keras_mixup import keys

NAMES = ("ring", "grid")
STANDARD_DEVIATION = 0.01


def modes(name):
    """The means: 8 on the unit circle, or 5 x 5 on {-1, -1/2, 0, 1/2, 1}^2."""
    if name == "ring":
        angles = 2 * np.pi * np.arange(8) / 8
        return np.stack([np.sin(angles), np.cos(angles)], axis=1)
    steps = np.linspace(-1, 1, 5)
    return np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)


def draw(name, key, count):
    """So many points of a mixture: a mode each, uniformly, and Gaussian noise."""
    means = tf.constant(modes(name), tf.float32)
    # Streams of a key of their own: the model's noise has another.
    shares = keys.uniform(key, keys.Stream.CHOICE, [count])
    index = tf.cast(shares * len(modes(name)), tf.int32)
    noise = keys.normal(key, keys.Stream.NOISE, [count, 2])
    return tf.gather(means, index) + STANDARD_DEVIATION * noise


class MixtureGAN(keras_mixup.MixUpGAN):
    """A `MixUpGAN` whose step draws its real examples: data without end.

    What `fit` hands over is the index of the step. Examples follow from (seed, index)
    alone, so that a resumed run draws what it would have drawn.

    Args:
        mixture: "ring" or "grid".
        count: Number of real examples of a train step.
        **arguments: Those of `MixUpGAN`.
    """

    def __init__(self, mixture, count, **arguments):
        super().__init__(**arguments)
        self.mixture, self.count = mixture, count

    def fit(self, *args, **kwargs):
        """`keras.Model.fit` over indices, without checks of real examples."""
        return keras.Model.fit(self, *args, **kwargs)

    def train_step(self, data):
        """A step on the examples of this index."""
        # Negative seeds are those of the data.
        key = keys.make_key(-1 - self.seed, data, keys.replica_in_sync())
        return super().train_step(draw(self.mixture, key, self.count))
