"""A small DCGAN on images by `MixUpGAN`: what mixup does beyond points of the plane.

Not an experiment of the paper, which shows points alone (section 3.7); so no values of
it stand beside ours. The authors of manifold mixup say that the formula did not work
well on images for them (vikasverma1077/manifold_mixup, gan/README.md).

    python -m experiments dcgan                             # Fashion-MNIST, reduced
    python -m experiments dcgan --preset smoke              # seconds

Set here: Fashion-MNIST in one channel on [-1, 1]; `dcgan_generator` and
`dcgan_discriminator` of `keras_mixup.models`; Adam at 2e-4 with beta_1 .5 (Radford et
al., 2016), batches of 128, one step of the discriminator before each of the generator,
the non-saturating loss, mode objective with alpha 0.2. Preset paper is the full size,
50 passes; cpu is reduced: half the width, 20,000 images, 3,000 iterations.

Measured: the sliced 1-Wasserstein distance of generated images to held-out ones, in
pixels of [-1, 1], as a mean over 500 directions. It sees the law of the pixels, not
whether a shoe is a shoe: the pictures show that. Beside it stands the same distance of
the held-out images to training images, which a perfect generator would reach.
"""

import dataclasses
from typing import Literal

from experiments import configuration
from experiments.report import result_file

ITEM = "DCGAN"
MEASURES = {
    "sliced_wasserstein": "Sliced Wasserstein, end",
    "real_sliced_wasserstein": "of real images",
    "discriminator_loss": "Loss of d, end",
}
DIGITS = dict.fromkeys(MEASURES, 3)
PRESETS = {
    "paper": {},
    "cpu": {
        "train_split": "train[:20000]",
        "width": 64,
        "discriminator_width": 16,
        "iterations": 3000,
        "snapshots": (100, 500, 1000, 3000),
    },
    "smoke": {
        "dataset": "digits",
        "seeds": (0,),
        "batch_size": 32,
        "width": 8,
        "discriminator_width": 4,
        "latent_dim": 4,
        "iterations": 6,
        "snapshots": (2, 6),
        "every": 2,
        "samples": 64,
    },
}


@dataclasses.dataclass(frozen=True)
class Settings(configuration.TrainingConfiguration):
    """Settings of the DCGAN."""

    # Image set: a TFDS name, "digits", or a folder of images below data_dir.
    dataset: str = "fashion_mnist"
    # Its splits, in TFDS's notation.
    train_split: str = "train"
    test_split: str = "test"
    seeds: tuple[int, ...] = (0,)
    # Channels: 1 for the mean of the colors, or 3.
    channels: Literal[1, 3] = 1
    # Values of alpha.
    alphas: tuple[float, ...] = (0.2,)
    # How the discriminator's batches are mixed.
    mode: Literal["objective", "author_code"] = "objective"
    # Iterations of the generator, and those after which samples are kept.
    iterations: int = 23_450
    snapshots: tuple[int, ...] = (500, 2000, 5000, 23_450)
    # Iterations between two measurements; there are some more at the beginning.
    every: int = 500
    # Steps of the discriminator in each iteration.
    discriminator_steps: int = 1
    # Loss of the generator.
    generator_loss: Literal["minimax", "non_saturating"] = "non_saturating"
    # Dimension of the noise.
    latent_dim: int = 100
    # Channels of the generator's first feature map, and of the discriminator's.
    width: int = 128
    discriminator_width: int = 32
    # Learning rate of Adam, of both.
    learning_rate: float = 2e-4
    # Images that are measured, and how many of them a snapshot keeps.
    samples: int = 2000
    tiles: int = 40
    tensorboard: bool = False

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        configuration.check_gan(self)


def run(settings):
    """Trains, prints the table, draws the sample grids and gives the result."""
    import sys

    from experiments.data import images
    from experiments.engine import running

    splits = (settings.train_split, settings.test_split)
    data = images.load_images(settings.dataset, splits, running.places_of(settings))
    images.check_one_size(data, settings.dataset)
    runs = [
        running.Run(settings.dataset, method, seed, {"alpha": alpha}, data.counts)
        for seed in settings.seeds
        for method, alpha in settings.method_alphas().items()
    ]
    records = running.run_all(
        "dcgan",
        settings,
        runs,
        lambda run, folder: train(run, folder, data, settings),
        plan_fields=("tiles",),
    )
    legend = "Mean ± standard deviation over seeds."
    return running.conclude(sys.modules[__name__], settings, records, legend)


def train(run, folder, data, settings):
    """One run: the record of its points, and the real images seen."""
    import keras
    import numpy as np

    import keras_mixup
    from experiments import gan_training
    from experiments.data import pipeline
    from keras_mixup import evaluation, models

    keras.utils.set_random_seed(run.seed)
    alpha = run.settings["alpha"]
    shape = (*data.shape[:2], settings.channels)
    # In mode author_code a step of the discriminator mixes two batches.
    halves = 2 if alpha and settings.mode == "author_code" else 1
    batch_size = settings.batch_size * settings.discriminator_steps * halves
    count = data.counts[settings.train_split]
    steps_per_epoch = -(-count // batch_size)

    def make_gan():
        gan = keras_mixup.MixUpGAN(
            models.build(
                "dcgan_generator",
                output_shape=shape,
                latent_dim=settings.latent_dim,
                width=settings.width,
            ),
            models.build(
                "dcgan_discriminator",
                input_shape=shape,
                width=settings.discriminator_width,
            ),
            alpha=alpha,
            mode=settings.mode,
            discriminator_steps=settings.discriminator_steps,
            generator_loss=settings.generator_loss,
            seed=run.seed,
        )
        adams = (keras.optimizers.Adam(settings.learning_rate, 0.5) for _ in "gd")
        gan.compile(*adams, jit_compile=settings.jit_compile)
        return gan

    def batches(done):
        first_epoch, rest = divmod(done, steps_per_epoch)
        return pipeline.training_batches(
            data.encoded[settings.train_split],
            *(count, batch_size, run.seed, first_epoch, data.decode),
            mix=lambda step, batch: scaled(batch[0], settings.channels),
            service=settings.data_service,
        ).skip(rest)

    def first_images(split):
        examples = data.datasets[split].batch(settings.samples)
        return scaled(next(iter(examples))[0], settings.channels).numpy()

    held_out = first_images(settings.test_split)

    def measure(gan, iteration):
        made = gan.generate(len(held_out), seed=run.seed, batch_size=500)
        made = gan_training.finite(made, iteration)
        distance = evaluation.sliced_wasserstein(made, held_out, projections=500)
        measured = {"test": {"sliced_wasserstein": distance}}
        if iteration in settings.snapshots:
            measured["samples"] = gan_training.encoded_tiles(made[: settings.tiles])
        return measured

    iterations = min(settings.iterations, settings.max_steps or settings.iterations)
    record = gan_training.fit(
        make_gan,
        batches,
        gan_training.points_of(iterations, settings.every, settings.snapshots),
        measure,
        settings,
        folder,
    )
    real = first_images(settings.train_split)
    size = min(len(real), len(held_out))
    floor = evaluation.sliced_wasserstein(
        np.asarray(real[:size]), held_out[:size], projections=500
    )
    record[-1]["end"] = {"real_sliced_wasserstein": floor}
    return record, iterations * batch_size


def scaled(images, channels):
    """uint8 images as floats in [-1, 1]; one channel is the mean of the colors."""
    import tensorflow as tf

    images = tf.cast(images, tf.float32) / 127.5 - 1
    return tf.reduce_mean(images, axis=-1, keepdims=True) if channels == 1 else images


def final(epochs):
    """The row of the table, from the numbers of each point."""
    last = epochs[-1]
    return {
        "sliced_wasserstein": last["test"]["sliced_wasserstein"],
        **last["end"],
        "discriminator_loss": last["train"]["discriminator_loss"],
    }


def tables(result):
    """The table, as Markdown."""
    return [result_file.table(result, MEASURES, "Data", DIGITS)]


def paper():
    """The paper has no images."""
    return {}


def draw(result, folder):
    """Grids of generated images, a row a method and a column a snapshot."""
    from experiments.report import gan_figures

    return gan_figures.tiles(result, folder / "samples.png")
