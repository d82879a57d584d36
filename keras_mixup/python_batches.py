"""Batches that Python code makes, as a dataset: PyDataset, DataLoader, grain."""

from __future__ import annotations

import inspect
import operator
import sys
import types
from typing import Any

import keras
import tensorflow as tf

from keras_mixup import keras_private

_EXPECTED = (
    "a keras.utils.PyDataset, a generator, a torch DataLoader, or a dataset or loader "
    "of grain"
)
_UNREAD = (
    "Invalid value received for argument `batches`. Expected batches (x, y) or (x, y, "
    "sample_weight) of arrays; batches that are dicts come from a "
    "keras.utils.PyDataset. Received: batches that Keras cannot read:"
)
_TWO_PASSES = (
    "Another pass over the batches has begun, and there is one at a time. Expected one "
    "dataset of `as_dataset` for each use, each of batches of its own."
)
_NO_BATCH_LEFT = (
    "A generator is read once, and this one has no batch left. Expected an endless one "
    "with `fit(steps_per_epoch=...)`, or a keras.utils.PyDataset for several epochs."
)


def as_dataset(batches: Any) -> tf.data.Dataset:
    """A `tf.data.Dataset` of batches that Python code makes, ready to be mixed.

    Keras reads them, as in `fit`: the workers of a PyDataset load its batches, in their
    order, and its `on_epoch_begin` and `on_epoch_end` are called around each pass. So
    draws have steps that go on over the epochs, and the same seed gives the same
    batches with any number of workers. One pass is open at a time: a new one ends the
    one before, which fails where it is asked for another batch.

    Args:
        batches: A `keras.utils.PyDataset`, a generator, a torch DataLoader, or a
            dataset or loader of grain, of batches. A generator is read once, over all
            passes: `fit` it with `steps_per_epoch` where it is endless.

    Returns:
        A `tf.data.Dataset` of the same batches, of known cardinality where `batches`
        has a length. A `tf.data.Dataset` is given back as it is.

    Raises:
        ValueError: for anything else, and for batches that are no arrays.

    Examples:
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

    # Keras looks at a few batches for the shapes, as `fit` does.
    try:
        signature = adapter.get_tf_dataset().element_spec
    except TypeError as error:
        raise ValueError(f"{_UNREAD} {error}") from error
    _check_arrays(signature)
    # Each iterator of Keras gives again the batches of a generator it has looked at.
    generator = adapter.get_numpy_iterator() if inspect.isgenerator(batches) else None
    open_pass = None

    def one_pass():
        nonlocal open_pass
        if open_pass is not None:
            # It was left in its midst, as by a callback that stops the training.
            open_pass.adapter.on_epoch_end()
        own = _adapter_of_pass(batches, adapter)
        open_pass = this = types.SimpleNamespace(adapter=own)
        own.on_epoch_begin()
        batch = None
        try:
            for batch in generator or own.get_numpy_iterator():
                yield batch
                if open_pass is not this:
                    raise ValueError(_TWO_PASSES)
        finally:
            if open_pass is this:
                open_pass = None
                own.on_epoch_end()
        if batch is None:
            raise ValueError(_NO_BATCH_LEFT)

    dataset = tf.data.Dataset.from_generator(one_pass, output_signature=signature)
    length = _length(batches, adapter)
    if length:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(length))
    return dataset


def _adapter_of_pass(batches, adapter):
    """A new adapter for each pass of a PyDataset, the one there is for all others.

    Workers of a pass that was left keep the batches that they have ready, and their
    adapter would give them to the next pass.
    """
    if isinstance(batches, keras.utils.PyDataset):
        return keras_private.adapter_of_batches(batches)
    return adapter


def _length(batches, adapter):
    """The number of batches; a negative one for an endless dataset, 0 if unknown."""
    if isinstance(batches, keras.utils.PyDataset):
        endless = adapter.num_batches is None
        return tf.data.INFINITE_CARDINALITY if endless else adapter.num_batches
    # Keras does not ask grain for its length, which is the greatest one of `repeat()`.
    length = adapter.num_batches or operator.length_hint(batches)
    return tf.data.INFINITE_CARDINALITY if length == sys.maxsize else length


def _check_arrays(signature):
    for path, spec in keras.tree.flatten_with_path(signature):
        if isinstance(spec, tf.OptionalSpec):
            raise ValueError(
                "Invalid value received for argument `batches`. Expected batches of "
                "arrays; of (x, y, None) the None is left out. Received: None in the "
                f"place {'/'.join(map(str, path))} of a batch"
            )
