"""A long tail of classes: its images, its weights, and batches with equal classes."""

import numpy as np
import tensorflow as tf

from experiments.data import image_batches, pipeline
from keras_mixup import keys


def tail(head, ratio, classes):
    """Numbers of images that fall from `head` by `ratio` in all, class by class."""
    counts = head * ratio ** (-np.arange(classes) / max(classes - 1, 1))
    return np.maximum(np.round(counts), 1).astype(int)


def first_of_classes(examples, counts):
    """The first images of each class, as many as `counts` says, class by class."""
    images, labels = examples
    chosen = [np.flatnonzero(labels == c)[:n] for c, n in enumerate(counts)]
    chosen = np.concatenate(chosen)
    return images[chosen], labels[chosen]


def class_weights(counts, b=0.9999):
    """`(1 - b) / (1 - b^n)` of each class, scaled to 1 on the average of all images."""
    weights = 1 / (1 - b ** np.asarray(counts, "float64"))
    return (weights / np.average(weights, weights=counts)).astype("float32")


def with_equal_classes(key, size, counts):
    """Indices of images that lie class by class: each class is as likely.

    They are drawn with replacement, by a key of `keras_mixup.keys`.
    """
    counts = tf.constant(counts, tf.float64)
    first = tf.cumsum(counts, exclusive=True)
    which, place = tf.unstack(keys.uniform(key, keys.Stream.NOISE, [2, size]))
    label = tf.cast(which * counts.shape[0], tf.int32)
    place = tf.floor(place * tf.gather(counts, label)) + tf.gather(first, label)
    return tf.cast(place, tf.int32)


def batches_of(examples, settings, mixing, weighted_from=None):
    """The training batches: a function of the first epoch.

    Args:
        examples: uint8 images and their labels, as arrays, class by class.
        settings: Those of the run, with `augment` and `batch_size`.
        mixing: `classifier.Mixing`. With its `between` each batch comes second, behind
            one with equal classes.
        weighted_from: Epoch from which classes are weighted: each batch has sample
            weights, which are 1 before. None: it has none.
    """
    images, labels = map(tf.convert_to_tensor, examples)
    counts = np.bincount(labels)
    padding = round(images.shape[1] / 8) if settings.augment else 0
    steps_per_epoch = -(-len(labels) // settings.batch_size)

    def augmented(batch, key):
        return image_batches.augment(batch[0], key, padding), batch[1]

    def mixed(step, batch):
        parts = [batch]
        if mixing.between:
            # Augmented as examples of their own.
            key = keys.fold_in(keys.make_key(mixing.seed, step.index), 1)
            index = with_equal_classes(key, tf.shape(batch[1])[0], counts)
            other = tf.gather(images, index), tf.gather(labels, index)
            parts = [augmented(other, key), batch]
        if weighted_from is not None:
            late = step.index >= weighted_from * steps_per_epoch
            weights = tf.where(late, class_weights(counts), 1.0)
            parts = [(x, y, tf.gather(weights, y)) for x, y in parts]
        whole = parts if mixing.between else parts[0]
        return mixing.in_pipeline(step, whole) if mixing.on_host else whole

    return lambda first_epoch: pipeline.training_batches(
        tf.data.Dataset.from_tensor_slices((images, labels)),
        *(len(labels), settings.batch_size, mixing.seed, first_epoch),
        augment=augmented,
        mix=mixed,
    )
