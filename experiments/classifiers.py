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
from experiments import image_classifier
from experiments.data import augmentation, corruption, images, pipeline
from experiments.engine import running, training, whole_network
from experiments.recipes import Recipe
from keras_mixup import keys

# A seed of its own for the second loader: its upper half differs.
SECOND_LOADER = 2**32


@dataclasses.dataclass(frozen=True)
class ImageArrays:
    """Images in memory.

    Attributes:
        train: uint8 images (n, height, width, 3) and their integer labels (n,).
        test: The same, for testing.
        names: Names of the classes.
    """

    train: tuple
    test: tuple
    names: tuple

    @property
    def counts(self):
        """Number of images by split."""
        return {"train": len(self.train[1]), "test": len(self.test[1])}


def load(settings):
    """The images of `recipes.ClassifierConfiguration`, decoded.

    Raises:
        UnknownData: where the images differ in size.
    """
    splits = (settings.train_split, settings.test_split)
    places = running.places_of(settings)
    found = images.load_images(
        settings.dataset, splits, places, settings.image_size or None
    )
    images.check_one_size(found, settings.dataset)
    arrays = {
        split: next(data.batch(found.counts[split]).as_numpy_iterator())
        for split, data in found.datasets.items()
    }
    return ImageArrays(arrays[splits[0]], arrays[splits[1]], found.names)


def train_all(rows, data, settings):
    """Trains what is not trained yet; gives a record for each row and seed.

    Args:
        rows: Dict from (group, method), as the table has it, to a `Recipe`.
        data: `ImageArrays`.
        settings: `recipes.ClassifierConfiguration`, or one that extends it.

    Returns:
        A list of records as `result_file.make_result` takes them, seeds innermost. Each
        holds the folder of its run as "folder", which is to be taken out before the
        records are written.
    """
    # Each network is traced for itself, which TensorFlow would take for a mistake.
    tf.get_logger().setLevel("ERROR")
    base = settings.of_classifiers()
    runs = {
        (recipe, seed): running.Run(
            settings.dataset,
            recipe.title,
            seed,
            _settings_of(recipe),
            data.counts,
        )
        for recipe in rows.values()
        for seed in settings.seeds
    }
    records = running.run_all(
        "classifiers",
        base,
        list(runs.values()),
        lambda run, folder: train(run, folder, data, base),
    )
    by_run = dict(zip(runs, records, strict=True))
    root = pathlib.Path(settings.run_dir) / "classifiers" / settings.preset
    return [
        {
            **by_run[recipe, seed],
            "group": group,
            "method": method,
            "folder": str(root / runs[recipe, seed].folder_name),
        }
        for (group, method), recipe in rows.items()
        for seed in settings.seeds
    ]


def _settings_of(recipe):
    """A recipe as the settings of a run: where its width is 0, theirs is the width."""
    settings = dataclasses.asdict(recipe)
    if not recipe.width:
        del settings["width"]
    return settings


def trained_network(record):
    """The trained network of a record."""
    return whole_network.load(pathlib.Path(record["folder"]) / "network.keras")


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


def train(run, folder, data, settings):
    """One run: the record of its epochs, and the images seen."""
    recipe = Recipe(**run.settings)
    # What former runs left behind; a set may have many.
    keras.backend.clear_session()
    keras.utils.set_random_seed(run.seed)
    x, y = data.train
    classes = len(data.names)
    given, corrupted = corruption.corrupt_labels(y, recipe.corrupted, classes, run.seed)
    mixing = training.Mixing(
        recipe.alpha,
        run.seed,
        classes,
        settings,
        mix_at=recipe.mix_at,
        options=recipe.mixup_options,
        between=recipe.partners != "batch",
    )
    test = tf.data.Dataset.from_tensor_slices(data.test)
    fitted = training.Data(
        batches=batches_of(recipe, run.seed, (x, given), settings, mixing),
        count=len(x),
        batch_size=settings.batch_size,
        sets={
            "test": pipeline.evaluation_batches(
                test,
                500,
                one_hot=mixing.rows,
                transform=lambda pixels, labels: (
                    image_classifier.normalize(pixels),
                    labels,
                ),
            )
        },
    )

    def errors_in_training(network):
        return {
            "train": keras_mixup.evaluation.memorization(
                network, image_classifier.normalize(x).numpy(), given, corrupted
            )
        }

    return image_classifier.fit(
        lambda: make_network(recipe, x.shape[1:], classes, settings),
        fitted,
        mixing,
        settings,
        settings.epochs,
        lambda steps: keras_mixup.LearningRateDrops(
            settings.learning_rate, image_classifier.drops(settings.epochs), steps
        ),
        folder,
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


def batches_of(recipe, seed, examples, settings, mixing):
    """The training batches of a recipe: a function of the first epoch.

    Args:
        recipe: `Recipe`.
        seed: Integer.
        examples: uint8 images and their given labels, as arrays.
        settings: `recipes.ClassifierConfiguration`.
        mixing: `training.Mixing`.
    """
    count = len(examples[1])
    padding = round(examples[0].shape[1] / 8) if settings.augment else 0
    examples = tuple(map(tf.convert_to_tensor, examples))

    steps_per_epoch = -(-count // settings.batch_size)

    def augmented(batch, key):
        return image_classifier.augment(batch[0], key, padding), batch[1]

    def loader(first_epoch, examples, seed=seed, augment=augmented, mix=None):
        return pipeline.training_batches(
            tf.data.Dataset.from_tensor_slices(examples),
            count,
            settings.batch_size,
            seed,
            first_epoch,
            augment=augment,
            mix=mix,
            service=settings.data_service,
        )

    if recipe.partners == "batch":
        return lambda first: loader(first, examples, mix=mixing.in_pipeline)
    if recipe.partners == "loader":
        return lambda first: pipeline.at_steps(
            tf.data.Dataset.zip(
                (
                    loader(first, examples),
                    loader(first, examples, seed + SECOND_LOADER),
                )
            ),
            first * steps_per_epoch,
            mixing.in_pipeline,
        )
    own_class = recipe.partners == "class_neighbors"
    table = keras_mixup.neighbors.nearest_neighbors(
        image_classifier.normalize(examples[0]).numpy(),
        settings.neighbors,
        labels=examples[1].numpy() if own_class else None,
        cache_dir=pathlib.Path(settings.run_dir) / "neighbors",
    )

    def mixed(step, index):
        batch, other = keras_mixup.neighbors.neighbor_pairs(
            examples, table, index, seed, step
        )
        # The neighbor is augmented as an example of its own.
        key = keys.make_key(seed, step.index)
        pair = augmented(batch, key), augmented(other, keys.fold_in(key, 1))
        return mixing.in_pipeline(step, pair)

    return lambda first: pipeline.at_steps(
        loader(first, tf.range(count), augment=None), first * steps_per_epoch, mixed
    )
