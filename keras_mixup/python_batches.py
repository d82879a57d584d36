"""Batches that Python code makes, as a dataset: PyDataset, DataLoader, grain."""

from __future__ import annotations

import operator
from typing import Any

import tensorflow as tf

from keras_mixup import keras_private

_EXPECTED = (
    "a keras.utils.PyDataset, a generator, a torch DataLoader, or a dataset or loader "
    "of grain"
)


def as_dataset(batches: Any) -> tf.data.Dataset:
    """A `tf.data.Dataset` of batches that Python code makes, ready to be mixed.

    Keras reads them, as in `fit`: the workers of a PyDataset load its batches, in their
    order, and its `on_epoch_begin` and `on_epoch_end` are called around each pass. So
    draws have steps that go on over the epochs, and the same seed gives the same
    batches with any number of workers. Two passes at a time are refused.

    Args:
        batches: A `keras.utils.PyDataset`, a generator, a torch DataLoader, or a
            dataset or loader of grain, of batches. A generator is read once: `fit` it
            with `steps_per_epoch` where it is endless.

    Returns:
        A `tf.data.Dataset` of the same batches, of known cardinality where `batches`
        has a length. A `tf.data.Dataset` is given back as it is.

    Raises:
        ValueError: for anything else.

    Example:
    >>> dataset = keras_mixup.as_dataset(my_py_dataset).apply(mixup)
    >>> model.fit(dataset, epochs=10)
    """
    if isinstance(batches, tf.data.Dataset):
        return batches
    adapter = keras_private.adapter_of_batches(batches)
    if adapter is None:
        raise ValueError(
            f"Invalid value received for argument `batches`. Expected {_EXPECTED}. "
            f"Received: {type(batches).__name__}"
        )

    def one_pass():
        adapter.on_epoch_begin()
        try:
            yield from adapter.get_numpy_iterator()
        finally:
            adapter.on_epoch_end()

    # Keras looks at a few batches for the shapes, as `fit` does.
    signature = adapter.get_tf_dataset().element_spec
    dataset = tf.data.Dataset.from_generator(one_pass, output_signature=signature)
    # Keras does not ask grain for its length.
    length = adapter.num_batches or operator.length_hint(batches)
    if length:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(length))
    return dataset
