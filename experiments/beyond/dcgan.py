"""A small DCGAN on images by `MixUpGAN`: what mixup does beyond points of the plane.

Not an experiment of the paper, which shows points alone (section 3.7). The authors of
manifold mixup say that the formula did not work well on images for them
(vikasverma1077/manifold_mixup, gan/README.md).

    python -m experiments dcgan                             # Fashion-MNIST, reduced
    python -m experiments dcgan --preset smoke              # seconds

Set here: Fashion-MNIST in one channel on [-1, 1]; Adam at 2e-4 with beta_1 .5 (Radford
et al., 2016), one step of the discriminator before each of the generator, the
non-saturating loss, mode objective with alpha 0.2; preset paper is 50 passes.

Measured: the sliced 1-Wasserstein distance of generated images to held-out ones, in
pixels of [-1, 1], over 500 directions. It sees the law of the pixels, not whether a
shoe is a shoe: the pictures show that. The table also has the same distance of
held-out images to training images, which a perfect generator would reach.
"""

import dataclasses
import functools
from typing import Literal

import keras
import tensorflow as tf

import keras_mixup
from experiments import gan
from experiments.data import images, pipeline, sources
from experiments.experiment import Experiment, plan
from experiments.gan import GANSettings
from experiments.report import gan_figures, tables
from experiments.settings import field
from keras_mixup import evaluation, models

MEASURES = {
    "sliced_wasserstein": "Sliced Wasserstein, end",
    "real_sliced_wasserstein": "of real images",
    "discriminator_loss": "Loss of d, end",
}
# Directions of the distance.
distance = functools.partial(evaluation.sliced_wasserstein, projections=500)


@dataclasses.dataclass(frozen=True)
class Settings(GANSettings):
    """Settings of the DCGAN."""

    # Image set: a TFDS name, "digits", or a folder of images below data_dir.
    dataset: str = "fashion_mnist"
    # Its splits, in TFDS's notation.
    train_split: str = "train"
    test_split: str = "test"
    # Channels: 1 for the mean of the colors, or 3.
    channels: Literal[1, 3] = 1
    # How the discriminator's batches are mixed.
    mode: Literal["objective", "author_code"] = "objective"
    iterations: int = 23_450
    snapshots: tuple[int, ...] = (500, 2000, 5000, 23_450)
    discriminator_steps: int = 1
    # Loss of the generator.
    generator_loss: Literal["minimax", "non_saturating"] = "non_saturating"
    latent_dim: int = 100
    width: int = 128
    # Channels of the discriminator's first feature map.
    discriminator_width: int = field(32, least=1)
    learning_rate: float = 2e-4
    samples: int = 2000
    # How many of the samples a snapshot keeps.
    tiles: int = field(40, least=1)

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        if self.mode == "author_code":
            gan.check_weights("alphas", self.alphas)


def load(settings):
    """The images of both splits."""
    splits = (settings.train_split, settings.test_split)
    data = images.load_images(settings.dataset, splits, sources.places_of(settings))
    images.check_one_size(data, settings.dataset)
    return data


def runs(settings, data):
    """Each method with each seed."""
    return plan(settings, {settings.dataset: ({}, data.counts)})


def train(run, data, settings, folder):
    """One run: the record of its points, and the real images seen."""
    alpha, split = run.settings["alpha"], settings.train_split
    batch_size = settings.examples_per_step(alpha, settings.mode)
    steps_per_epoch = -(-data.counts[split] // batch_size)

    def batches(done):
        first_epoch, rest = divmod(done, steps_per_epoch)
        return pipeline.training_batches(
            data.encoded[split],
            *(data.counts[split], batch_size, run.seed, first_epoch),
            decode=data.decode,
            mix=lambda step, batch: scaled(batch[0], settings.channels),
            service=settings.data_service,
        ).skip(rest)

    def first_images(split):
        examples = data.datasets[split].batch(settings.samples)
        return scaled(next(iter(examples))[0], settings.channels).numpy()

    held_out = first_images(settings.test_split)

    def measure(model, iteration):
        made = model.generate(len(held_out), seed=run.seed, batch_size=500)
        made = gan.finite(made, iteration)
        measured = {"test": {"sliced_wasserstein": distance(made, held_out)}}
        if iteration in settings.snapshots:
            measured["samples"] = gan.encoded_tiles(made[: settings.tiles])
        return measured

    record, seen = gan.train(
        settings,
        folder,
        make_gan=lambda: make_gan(alpha, run.seed, data.shape, settings),
        batches=batches,
        examples_per_step=batch_size,
        measure=measure,
    )
    real = first_images(split)
    size = min(len(real), len(held_out))
    floor = distance(real[:size], held_out[:size])
    record[-1]["end"] = {"real_sliced_wasserstein": floor}
    return record, seen


def make_gan(alpha, seed, image_shape, settings):
    """Both networks and their optimizers, compiled."""
    shape = (*image_shape[:2], settings.channels)
    generator = models.build(
        "dcgan_generator",
        output_shape=shape,
        latent_dim=settings.latent_dim,
        width=settings.width,
    )
    discriminator = models.build(
        "dcgan_discriminator", input_shape=shape, width=settings.discriminator_width
    )
    chosen = (settings.mode, settings.generator_loss)
    arguments = settings.of_gan(alpha, *chosen, seed)
    model = keras_mixup.MixUpGAN(generator, discriminator, **arguments)
    adams = (keras.optimizers.Adam(settings.learning_rate, 0.5) for _ in "gd")
    model.compile(*adams, jit_compile=settings.jit_compile)
    return model


def scaled(pixels, channels):
    """uint8 images as floats in [-1, 1]; one channel is the mean of the colors."""
    pixels = tf.cast(pixels, tf.float32) / 127.5 - 1
    return tf.reduce_mean(pixels, axis=-1, keepdims=True) if channels == 1 else pixels


def final(epochs):
    """The row of the table, from the numbers of each point."""
    last = epochs[-1]
    return {
        "sliced_wasserstein": last["test"]["sliced_wasserstein"],
        **last["end"],
        "discriminator_loss": last["train"]["discriminator_loss"],
    }


EXPERIMENT = Experiment(
    name="dcgan",
    item="DCGAN",
    settings=Settings,
    presets={
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
            "batch_size": 32,
            "width": 8,
            "discriminator_width": 4,
            "latent_dim": 4,
            "iterations": 6,
            "snapshots": (2, 6),
            "every": 2,
            "samples": 64,
        },
    },
    load=load,
    runs=runs,
    train=train,
    final=final,
    tables=lambda result: [
        tables.table(result, MEASURES, "Data", dict.fromkeys(MEASURES, 3))
    ],
    draw=lambda result, folder: gan_figures.tiles(result, folder / "samples.png"),
    legend="Mean ± standard deviation over seeds.",
)
