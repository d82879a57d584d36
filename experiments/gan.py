"""One run of a GAN: its settings, when it is measured, and what is kept of it."""

import base64
import dataclasses

import numpy as np
import tensorflow as tf

from experiments.engine import fit
from experiments.engine.course import Points
from experiments.engine.non_finite import NonFiniteLoss
from experiments.settings import MethodSettings, field, invalid


@dataclasses.dataclass(frozen=True)
class GANSettings(MethodSettings):
    """What the experiments on GANs share; the defaults are those of Figure 5."""

    # Values of alpha.
    alphas: tuple[float, ...] = field((0.2,), above=0)
    # Iterations of the generator.
    iterations: int = field(20_000, least=1)
    # Iterations after which samples are kept.
    snapshots: tuple[int, ...] = (10, 100, 1000, 10_000, 20_000)
    # Iterations between two measurements; there are some more at the beginning.
    every: int = field(500, least=1)
    # Steps of the discriminator in each iteration.
    discriminator_steps: int = field(5, least=1)
    # Dimension of the noise.
    latent_dim: int = field(2, least=1)
    # Units of each hidden layer, or channels of the generator's first feature map.
    width: int = field(512, least=1)
    # Learning rate of Adam, of both networks.
    learning_rate: float = field(1e-3, above=0)
    # Samples that are measured.
    samples: int = field(10_000, least=1)
    tensorboard: bool = False

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        if not all(1 <= point <= self.iterations for point in self.snapshots):
            expected = f"iterations from 1 to {self.iterations}"
            raise invalid("snapshots", expected, self.snapshots)
        if self.checkpoint_steps:
            expected = "0: a GAN is saved where it is measured, as `every` says"
            raise invalid("checkpoint_steps", expected, self.checkpoint_steps)
        if self.mix_in == "pipeline":
            expected = "train_step: what is generated is not in the pipeline"
            raise invalid("mix_in", expected, self.mix_in)

    def of_gan(self, alpha, mode, generator_loss, seed):
        """The arguments of `MixUpGAN` beside its networks."""
        return {
            "alpha": alpha,
            "mode": mode,
            "discriminator_steps": self.discriminator_steps,
            "generator_loss": generator_loss,
            "seed": seed,
        }

    def examples_per_step(self, alpha, mode):
        """Real examples in an iteration; mode author_code mixes two batches."""
        batches = 2 if alpha and mode == "author_code" else 1
        return batches * self.discriminator_steps * self.batch_size


def check_weights(name, alphas):
    """Raises unless mode author_code can draw its weights with these alphas."""
    wrong = [alpha for alpha in alphas if alpha > 1]
    if wrong:
        expected = (
            "numbers in (0, 1] in mode author_code, whose weights are below alpha"
        )
        raise invalid(name, expected, wrong)


def train(settings, folder, *, make_gan, batches, examples_per_step, measure):
    """One run: the record of its points, and the number of real examples seen.

    Args:
        settings: `GANSettings`.
        folder: The run's folder.
        make_gan: Function without arguments that gives a compiled `MixUpGAN`.
        batches: Function from the number of iterations done to the batches that follow.
        examples_per_step: Real examples in an iteration.
        measure: Function of (gan, iteration) that gives a dict of dicts for the record.
    """
    iterations = min(settings.iterations, settings.max_steps or settings.iterations)
    points = points_of(iterations, settings.every, settings.snapshots)
    record = fit.fit(make_gan, Points(batches, points, measure), settings, folder)
    return record, iterations * examples_per_step


def points_of(iterations, every, snapshots):
    """Where a run is measured: every so many, at powers of ten, and at snapshots."""
    powers = [10**k for k in range(1, 10)]
    regular = range(every, iterations + 1, every)
    chosen = {*regular, *powers, *snapshots, iterations}
    return sorted(point for point in chosen if point <= iterations)


def indices(done, replicas=1):
    """Batches that are the number of the iteration, for data made in the step.

    It stands there once for each replica.
    """
    numbers = tf.data.Dataset.counter(done).map(lambda n: tf.fill([replicas], n))
    # With it the end of `fit` waits for seconds on a thread that has nothing to tune.
    options = tf.data.Options()
    options.autotune.enabled = False
    return numbers.with_options(options)


def finite(samples, iteration):
    """The samples; raises unless all are finite."""
    if not np.isfinite(samples).all():
        raise NonFiniteLoss(f"A sample is not finite after iteration {iteration}.")
    return samples


def encoded_tiles(images, columns=8):
    """Images of [-1, 1] side by side in one PNG, as text of base 64."""
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * height, columns * width, channels), 255, np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        place = slice(row * height, (row + 1) * height)
        pixels = np.clip(np.round(127.5 * (image + 1)), 0, 255)
        sheet[place, column * width : (column + 1) * width] = pixels
    return base64.b64encode(tf.io.encode_png(sheet).numpy()).decode("ascii")
