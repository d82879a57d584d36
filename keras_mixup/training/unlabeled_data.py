"""A labeled and an unlabeled dataset as the one dataset that `fit` takes."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import arguments, mixing, targets

LABELED, UNLABELED = "labeled", "unlabeled"


def labeled_and_unlabeled(
    labeled: tf.data.Dataset, unlabeled: tf.data.Dataset, num_classes: int | None = None
) -> tf.data.Dataset:
    """Pairs labeled with unlabeled batches, for `ICTModel` and `MixMatchModel`.

    An epoch is one pass over the longer of the two; the shorter one begins anew until
    it ends, so shuffle it before you batch it. An endless dataset (`repeat()`) is
    paired with one pass over the other. Where both are endless, `fit` needs
    `steps_per_epoch`. The two may have different batch sizes.

    Args:
        labeled: `tf.data.Dataset` of batches `(x, y)` or `(x, y, sample_weight)`.
        unlabeled: `tf.data.Dataset` of batches `x`, `(x,)` or `(x, y)`, of the shape
            and dtype of the labeled x. A y, such as -1 or None, is left out: no label
            of these examples is ever looked at. Several inputs are a dict.
        num_classes: Number of classes. With it the labels are read once, before
            training, and a class without any labeled example is refused, since no
            guess would ever name it. That costs one pass over `labeled`, which has to
            end. Default: None, nothing is read.

    Returns:
        A `tf.data.Dataset` of dicts `{"labeled": (x, y[, w]), "unlabeled": x}`.

    Raises:
        ValueError: for batches of other forms or of shapes or dtypes that differ, for a
            dataset that is known to be empty, and for one whose number of batches is
            unknown.

    Examples:
        >>> both = keras_mixup.labeled_and_unlabeled(
        ...     labeled.batch(64), unlabeled.batch(64))
        >>> model.fit(both, epochs=10)
    """
    given = {LABELED: labeled, UNLABELED: unlabeled}
    for name, dataset in given.items():
        if not isinstance(dataset, tf.data.Dataset):
            raise ValueError(
                f"Invalid value received for argument `{name}`. Expected a "
                "tf.data.Dataset of batches; keras_mixup.as_dataset makes one of a "
                f"PyDataset, a generator or a DataLoader. Received: {name}={dataset!r}"
            )
    _check_labeled(labeled.element_spec)
    _check_mixable(labeled.element_spec[0])
    unlabeled = _features_alone(unlabeled)
    _check_alike(labeled.element_spec[0], unlabeled.element_spec)
    lengths = {name: _length(name, dataset) for name, dataset in given.items()}
    if num_classes is not None:
        arguments.check_count("num_classes", num_classes)
        _check_classes(labeled, num_classes)
    finite = [length for length in lengths.values() if length > 0]
    both = tf.data.Dataset.zip(
        {LABELED: labeled.repeat(), UNLABELED: unlabeled.repeat()}
    )
    return both.take(max(finite)) if finite else both


def is_of_both(structure):
    """Whether it is a batch, or a spec of batches, of `labeled_and_unlabeled`."""
    return isinstance(structure, Mapping) and set(structure) == {LABELED, UNLABELED}


def check_both(structure, of):
    """Raises unless it is such a batch, or such a spec, for the model `of`."""
    if not is_of_both(structure):
        raise ValueError(
            f"{of} trains on labeled and unlabeled batches together. Expected the "
            "dataset of keras_mixup.labeled_and_unlabeled(labeled, unlabeled). "
            f"Received: batches of the form {type(structure).__name__}"
        )


def refuse_both(data, of):
    """Raises for such a dataset where the model `of` is evaluated."""
    if is_of_both(getattr(data, "element_spec", None)):
        raise ValueError(
            f"{of} is evaluated on labeled examples alone, by its teacher. Expected "
            "a dataset of batches (x, y), or arrays. Received: the dataset of "
            "keras_mixup.labeled_and_unlabeled, which is for training"
        )


def parts_of(data, of):
    """The labeled part `(x, y, w)` and the unlabeled x of a batch, x as floats."""
    if isinstance(data, tuple) and all(part is None for part in data[1:]):
        data = data[0]  # As `train_on_batch` gives it.
    check_both(data, of)
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data[LABELED])
    return (_as_floats(x), y, sample_weight), _as_floats(data[UNLABELED])


def _check_labeled(spec):
    pair = isinstance(spec, tuple) and len(spec) in (2, 3)
    one = pair and isinstance(spec[1], tf.TensorSpec)
    if not one or spec[1].shape.rank == 0:
        raise ValueError(
            "Invalid value received for argument `labeled`. Expected a dataset of "
            "batches (x, y) or (x, y, sample_weight), with one target y: call `batch` "
            f"on single examples. Received: a dataset of {_shown(spec)}"
        )


def _check_mixable(spec):
    dtypes = [getattr(leaf, "dtype", None) for leaf in keras.tree.flatten(spec)]
    if not all(one and (one.is_floating or one == tf.uint8) for one in dtypes):
        raise ValueError(
            "Invalid value received for argument `labeled`. Expected x of floats or "
            "uint8, which can be mixed: quantities are cast to a float, token ids and "
            "categories are embedded or made one-hot in both datasets. Received: x of "
            f"{_shown(spec)}"
        )


def _features_alone(dataset):
    """The dataset of x, without what takes the place of labels."""
    spec = dataset.element_spec
    if not isinstance(spec, tuple):
        return dataset
    if len(spec) > 2:
        raise ValueError(
            "Invalid value received for argument `unlabeled`. Expected a dataset of "
            "batches x, (x,) or (x, y): an unlabeled example has no weight. Several "
            f"inputs are a dict. Received: a dataset of {_shown(spec)}"
        )
    return dataset.map(lambda x, *_: x, num_parallel_calls=tf.data.AUTOTUNE)


def _check_alike(labeled, unlabeled):
    paths = [
        [path for path, _ in keras.tree.flatten_with_path(one)]
        for one in (labeled, unlabeled)
    ]
    leaves = [keras.tree.flatten(one) for one in (labeled, unlabeled)]
    alike = paths[0] == paths[1] and all(
        one.dtype == other.dtype and one.shape[1:].is_compatible_with(other.shape[1:])
        for one, other in zip(*leaves, strict=True)
    )
    if not alike or any(leaf.shape.rank == 0 for leaf in leaves[0] + leaves[1]):
        raise ValueError(
            "Invalid value received for argument `unlabeled`. Expected batches of the "
            f"shapes and dtypes of the labeled x, {_shown(labeled)} (several inputs "
            f"are a dict in both: a tuple is (x, y)). Received: {_shown(unlabeled)}"
        )


def _length(name, dataset):
    """The number of batches; a negative one for an endless dataset."""
    length = int(dataset.cardinality())
    if length == 0:
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected at least one "
            "batch. Received: a dataset of none. Where `batch(n, drop_remainder=True)` "
            "has fewer than n examples, `repeat()` them before `batch`, or give a "
            "smaller n"
        )
    if length == tf.data.UNKNOWN_CARDINALITY:
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a dataset whose "
            "number of batches is known, since the longer one is an epoch: "
            "dataset.apply(tf.data.experimental.assert_cardinality(n)), or `repeat()`. "
            "Received: a dataset of unknown length"
        )
    return length


def _check_classes(labeled, num_classes):
    if int(labeled.cardinality()) < 0:
        raise ValueError(
            "`num_classes` reads all labels once. Expected a labeled dataset that "
            "ends, or num_classes=None. Received: an endless one, "
            f"num_classes={num_classes}"
        )
    seen = np.zeros(num_classes, bool)
    for _, y, *_ in labeled:
        if targets.is_integer(y) and (y.shape.rank == 1 or y.shape[-1] == 1):
            found = np.unique(y)
            if found.min() < 0 or found.max() >= num_classes:
                raise ValueError(
                    "Invalid value received for argument `labeled`. Expected labels "
                    f"in [0, {num_classes}). Received: labels from {found.min()} to "
                    f"{found.max()}"
                )
            seen[found] = True
        elif y.shape.rank != 2 or y.shape[-1] != num_classes:
            raise ValueError(
                "Invalid value received for argument `labeled`. Expected integer "
                f"labels or rows of {num_classes} classes. Received: "
                f"{y.dtype.name} {y.shape}"
            )
        else:
            seen |= (np.reshape(y, [-1, num_classes]) > 0).any(axis=0)
    if not seen.all():
        raise ValueError(
            "Invalid value received for argument `labeled`. Expected at least one "
            "example of each class: a class that no labeled example has is never "
            f"guessed. Received: none of {np.flatnonzero(~seen).tolist()}"
        )


def _as_floats(nest):
    def one(leaf):
        leaf = tf.convert_to_tensor(leaf)
        mixing.check_mixable(leaf, "x")
        return tf.cast(leaf, mixing.mixed_dtype(leaf.dtype))

    return keras.tree.map_structure(one, nest)


def _shown(spec):
    return keras.tree.map_structure(
        lambda leaf: None if leaf is None else f"{leaf.dtype.name} {leaf.shape}", spec
    )
