"""GANs on mixtures of Gaussians whose points are drawn inside the compiled step."""

import keras
import numpy as np
import tensorflow as tf

import keras_mixup
from experiments.gan import finite
from experiments.settings import invalid
from keras_mixup import evaluation, keys, models
from keras_mixup.training import counting

STANDARD_DEVIATION = 0.01
# Hidden layers of both networks.
DEPTH = 3
# Within so much of a mode a sample counts; the second is three standard deviations.
RADIUS, NEAR = 0.1, 0.03


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
    shares = keys.uniform(key, keys.Stream.CHOICE, [count])
    index = tf.cast(shares * len(modes(name)), tf.int32)
    noise = keys.normal(key, keys.Stream.NOISE, [count, 2])
    return tf.gather(means, index) + STANDARD_DEVIATION * noise


class MixtureGAN(keras_mixup.MixUpGAN):
    """A `MixUpGAN` whose step draws its real examples: data without end.

    What `fit` hands over is the index of the step, once for each replica. Examples
    follow from (seed, index, replica) alone, so that a resumed run draws what it would
    have drawn.

    Args:
        mixture: "ring" or "grid".
        count: Real examples in each step on each replica.
        **arguments: Those of `MixUpGAN`.
    """

    def __init__(self, mixture, count, **arguments):
        super().__init__(**arguments)
        self.mixture, self.count = mixture, count

    def fit(self, *args, **kwargs):
        """`fit` over indices, without checks of real examples."""
        return super(keras_mixup.MixUpGAN, self).fit(*args, **kwargs)

    def train_step(self, data):
        """A step on the examples of this index."""
        # Negative seeds are those of the data.
        key = keys.make_key(-1 - self.seed, data[0], keys.replica_in_sync())
        with counting.behind(data):
            return super().train_step(draw(self.mixture, key, self.count))


def make_gan(data_set, alpha, mode, seed, settings, generator_loss="minimax"):
    """The authors' networks and optimizers, compiled; made in a strategy's scope."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if settings.batch_size % replicas:
        expected = f"a multiple of the {replicas} replicas"
        raise invalid("batch_size", expected, settings.batch_size)

    def adam():
        # PyTorch's epsilon; Keras's is 1e-7.
        return keras.optimizers.Adam(settings.learning_rate, epsilon=1e-8)

    sizes = {"width": settings.width, "depth": DEPTH}
    gan = MixtureGAN(
        data_set,
        settings.examples_per_step(alpha, mode) // replicas,
        generator=models.build(
            "gan_generator", latent_dim=settings.latent_dim, **sizes
        ),
        discriminator=models.build("gan_discriminator", **sizes),
        **settings.of_gan(alpha, mode, generator_loss, seed),
    )
    gan.compile(adam(), adam(), jit_compile=settings.jit_compile)
    return gan


def measure(gan, iteration, seed, settings):
    """What samples of fixed noise cover, and at snapshots the samples themselves."""
    samples = gan.generate(settings.samples, seed=seed, batch_size=5000)
    samples = finite(samples, iteration)
    real = draw(gan.mixture, keys.make_key(seed, -1), len(samples)).numpy()
    found = evaluation.mode_coverage(samples, modes(gan.mixture), RADIUS)
    near = evaluation.mode_coverage(samples, modes(gan.mixture), NEAR)
    measured = {
        "test": {
            "modes_covered": found["modes_covered"],
            "high_quality": 100 * found["high_quality_share"],
            "three_sigma": 100 * near["high_quality_share"],
            "sliced_wasserstein": evaluation.sliced_wasserstein(samples, real),
        }
    }
    if iteration in settings.snapshots:
        points = samples[: settings.shown]
        # One line of text: a list would be two lines of the result file a point.
        measured["samples"] = " ".join(f"{x:.3f},{y:.3f}" for x, y in points)
    return measured
