"""The image classifiers of the analyses: a pool of runs, each trained once.

All of them are PreAct ResNet-18 on one set of images, trained as in section 3.2; a
`recipes.Recipe` says how they differ. Runs lie in `run_dir/classifiers/<preset>`.
"""

import dataclasses
import pathlib

import keras
import numpy as np
import tensorflow as tf

import keras_mixup
from experiments import classifier, measures
from experiments.data import augmentation, corruption, image_batches, partners
from experiments.data.pipeline import evaluation_batches
from experiments.engine import trained_network
from experiments.experiment import Experiment, Run
from experiments.recipes import POLICIES, Recipe
from experiments.settings import invalid


@dataclasses.dataclass(frozen=True)
class ImageArrays:
    """Images in memory, uint8 (n, height, width, 3), with their integer labels (n,)."""

    train: tuple
    test: tuple
    # Of the classes.
    names: tuple

    @property
    def counts(self):
        """Number of images by split."""
        return {"train": len(self.train[1]), "test": len(self.test[1])}


def experiment(rows, **arguments):
    """An `Experiment` on the classifiers of the pool.

    `rows` gives for settings a `Recipe` for each row of the table, by (group, method).
    """
    return Experiment(
        load=load,
        runs=lambda settings, data: runs(rows(settings), settings, data),
        train=train,
        pool="classifiers",
        **{"final": measures.of_classifier, **arguments},
    )


def load(settings):
    """The images of `recipes.RecipeSettings`, decoded."""
    found = settings.load(settings.dataset)
    train, test = (
        next(data.batch(found.counts[split]).as_numpy_iterator())
        for split, data in found.datasets.items()
    )
    return ImageArrays(train, test, found.names)


def runs(rows, settings, data):
    """A run for each row and seed, seeds innermost; equal recipes are one training."""
    found = []
    for (group, method), recipe in rows.items():
        if settings.mix_in == "pipeline" and recipe.mix_at != "input":
            expected = f"train_step, since {method!r} mixes behind {recipe.mix_at!r}"
            raise invalid("mix_in", expected, settings.mix_in)
        own, title = dataclasses.asdict(recipe), f"{settings.dataset}, {recipe.title}"
        if not recipe.width:
            # The width is that of the settings.
            del own["width"]
        if recipe.policy == "mixup":
            # As in the folders of runs from before there were others.
            del own["policy"]
        for seed in settings.seeds:
            found.append(Run(group, method, seed, own, data.counts, title))
    return found


def network_of(record):
    """The trained network of a record."""
    return trained_network.load(pathlib.Path(record["folder"]) / "network.keras")


def of_pixels(network):
    """A network of normalized images as one of pixels from 0 to 255."""
    mean = 255 * np.array(augmentation.CIFAR_MEAN)
    variance = np.square(255 * np.array(augmentation.CIFAR_STD))
    inputs = keras.Input(network.input_shape[1:])
    normalized = keras.layers.Normalization(mean=mean, variance=variance)(inputs)
    return keras.Model(inputs, network(normalized))


def with_end(epochs, **measured):
    """The record of the epochs with more measured at its end."""
    *before, last = epochs
    return [*before, {**last, "end": {**last["end"], **measured}}]


def train(run, data, settings, folder):
    """One run: the record of its epochs, and the images seen."""
    recipe = Recipe(**run.settings)
    x, y = data.train
    classes = len(data.names)
    given, corrupted = corruption.corrupt_labels(y, recipe.corrupted, classes, run.seed)
    mixing = classifier.Mixing(
        recipe.alpha,
        run.seed,
        classes,
        settings,
        mix_at=recipe.mix_at,
        options=recipe.mixup_options,
        between=recipe.partners != "batch",
        make_policy=POLICIES[recipe.policy],
    )
    test = evaluation_batches(
        tf.data.Dataset.from_tensor_slices(data.test),
        500,
        one_hot=mixing.rows,
        transform=lambda pixels, labels: (image_batches.normalize(pixels), labels),
    )

    def errors_in_training(network):
        clean = image_batches.normalize(x).numpy()
        errors = keras_mixup.evaluation.memorization(network, clean, given, corrupted)
        return {"train": errors}

    return classifier.train(
        folder,
        mixing,
        batches=partners.batches_of(recipe, run.seed, (x, given), settings, mixing),
        count=len(x),
        sets={"test": test},
        network=lambda: make_network(recipe, x.shape[1:], classes, settings),
        optimizer=classifier.sgd(settings),
        epochs=settings.epochs,
        drops=classifier.drops_at(settings.epochs, (0.5, 0.75)),
        at_end=errors_in_training,
    )


def make_network(recipe, shape, classes, settings):
    """PreAct ResNet-18 of a recipe, behind a layer of noise where it has some."""
    network = keras_mixup.models.build(
        "preact_resnet18",
        input_shape=shape,
        num_classes=classes,
        width=recipe.width or settings.width,
        dropout=recipe.dropout,
        weight_decay=recipe.weight_decay,
    )
    if not recipe.gaussian_noise:
        return network
    inputs = keras.Input(shape)
    noisy = keras.layers.GaussianNoise(recipe.gaussian_noise, name="noise")(inputs)
    return keras.Model(inputs, network(noisy))
