"""Training batches whose partners come from where a recipe says."""

import pathlib

import tensorflow as tf

import keras_mixup
from experiments.data import image_batches, pipeline
from keras_mixup import keys

# A seed of its own for the second loader: its upper half differs.
SECOND_LOADER = 2**32


def batches_of(recipe, seed, examples, settings, mixing):
    """The training batches of a recipe: a function of the first epoch.

    Args:
        recipe: `Recipe`.
        seed: Integer.
        examples: uint8 images and their given labels, as arrays.
        settings: `recipes.RecipeSettings`.
        mixing: `classifier.Mixing`.
    """
    count = len(examples[1])
    padding = round(examples[0].shape[1] / 8) if settings.augment else 0
    examples = tuple(map(tf.convert_to_tensor, examples))
    steps_per_epoch = -(-count // settings.batch_size)

    def augmented(batch, key):
        return image_batches.augment(batch[0], key, padding), batch[1]

    def loader(first_epoch, examples, seed=seed, augment=augmented, mix=None):
        return pipeline.training_batches(
            tf.data.Dataset.from_tensor_slices(examples),
            *(count, settings.batch_size, seed, first_epoch),
            augment=augment,
            mix=mix,
            service=settings.data_service,
        )

    if recipe.partners == "batch":
        return lambda first: loader(first, examples, mix=mixing.in_pipeline)
    if recipe.partners == "loader":

        def zipped(first):
            seeds = (seed, seed + SECOND_LOADER)
            return tf.data.Dataset.zip(tuple(loader(first, examples, n) for n in seeds))

        return lambda first: pipeline.at_steps(
            zipped(first), first * steps_per_epoch, mixing.in_pipeline
        )
    own_class = recipe.partners == "class_neighbors"
    table = keras_mixup.neighbors.nearest_neighbors(
        image_batches.normalize(examples[0]).numpy(),
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
