"""Partners from the whole set by a table: nearest neighbors, or similar targets.

Neighbors are those of the KNN rows of the paper's Table 5, and of SMOTE; targets are
those of C-Mixup (`similar_targets`).
"""

from __future__ import annotations

import hashlib
import numbers
import pathlib
import tempfile
import typing
import warnings

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_mixup import hints, keys, neighbor_search, steps
from keras_mixup.similar_targets import SimilarTargets, similar_targets
from keras_mixup.similarity import reference_bandwidth
from keras_mixup.whole_file import whole_file

__all__ = [
    "Neighbors", "SimilarTargets", "draw_neighbors", "nearest_neighbors",
    "neighbor_pairs", "reference_bandwidth", "similar_targets",
]  # fmt: skip

# Part of the name of a cached file: another one where the rule or the file changes.
_VERSION = 1


class Neighbors(typing.NamedTuple):
    """A table: `indices` int32 (n, k), nearest first, and `counts` int32 (n,).

    Row i holds `counts[i]` neighbors of example i, and then i itself.
    """

    indices: np.ndarray
    counts: np.ndarray

    @property
    def size(self) -> int:
        """The number of examples."""
        return self.indices.shape[0]

    def drawn(self, key, index, constant):
        """A neighbor of each example. `constant` makes tensors of the arrays."""
        table, counts = map(constant, self)
        share = keys.uniform(key, keys.Stream.NEIGHBORS, tf.shape(index))
        column = tf.floor(share * tf.cast(tf.gather(counts, index), share.dtype))
        # Where there are none it is column 0, which holds the example's own index.
        column = tf.cast(column, tf.int32)
        return tf.gather(tf.gather(table, index), column, batch_dims=1)


def nearest_neighbors(
    features: npt.ArrayLike,
    k: int = 200,
    labels: npt.ArrayLike | None = None,
    cache_dir: hints.Path | None = None,
    progress: bool = False,
) -> Neighbors:
    """Finds the k nearest neighbors of each example (Zhang et al., Table 5).

    By the Euclidean distance `|x_i - x_j|` over all features, among all other
    examples. The example itself is left out by its index: one of the same values is
    a neighbor, at distance 0.

    Squared distances are float64. For integers such as uint8 pixels, as integers or
    floats, they are exact, and of two at the same distance the lower index is first.
    Others are rounded to about 1e-16 of `|x|**2`: neighbors closer to a tie than
    that may swap on another machine.

    Args:
        features: Array (n, ...) of finite integers or floats.
        k: Integer >= 1. A row of fewer neighbors ends in the example's own index.
        labels: Integers (n,) or (n, 1): neighbors are of the same class. The only
            example of its class has none: its count is 0. By default of all classes.
        cache_dir: Folder of the file `neighbors_<hash>.npz`, named by features,
            labels and k: read where it is there, else computed and written. A
            damaged one is computed anew, with a warning.
        progress: Whether to print a progress bar.

    Returns:
        `Neighbors(indices, counts)`, int32 arrays (n, k) and (n,).

    Raises:
        ValueError: for features that are not finite or no example, k below 1, or
            labels of another length or dtype.
        ImportError: without scikit-learn, where there is something to compute.
        OSError: if the folder cannot be written.

    Examples:
        >>> table = keras_mixup.neighbors.nearest_neighbors(x, 200, cache_dir="cache")
    """
    if not isinstance(k, numbers.Integral) or k < 1:
        raise _wrong("k", "an integer >= 1", f"k={k!r}")
    features, labels = _checked(features, labels)
    if cache_dir is None:
        return _computed(features, k, labels, progress)
    key = _hash(f"{_VERSION} {k}", features, labels)
    path = pathlib.Path(cache_dir) / f"neighbors_{key[:32]}.npz"
    table = _read(path, key) if path.exists() else None
    if table is None:
        try:  # Before the work, not after.
            path.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            received = f"cache_dir={str(cache_dir)!r} ({error})"
            message = _wrong("cache_dir", "a folder that can be written", received)
            raise OSError(*message.args) from error
        table = _computed(features, k, labels, progress)
        digest = _hash(key, *table)
        with whole_file(path) as scratch:
            np.savez(scratch, **table._asdict(), digest=digest)
    return table


@hints.not_converted
def draw_neighbors(
    neighbors: Neighbors | SimilarTargets,
    index: hints.TensorLike,
    seed: int | None = None,
    step: hints.AnyStep = 0,
    replica: hints.Index = 0,
) -> tf.Tensor:
    """Draws one partner of each example from a table of the whole set.

    Of neighbors it is number `floor(u counts[i])` with `u ~ U(0, 1)`.

    Args:
        neighbors: The `Neighbors` of the n examples of the whole set, or their
            `SimilarTargets`.
        index: Integers (batch,) in [0, n), the examples of the batch.
        seed: Integer. None draws anew at every call.
        step: Integer or integer tensor, the index of the batch over all epochs; in a
            `Dataset.map` the step that `count_steps` gives.
        replica: Integer or integer tensor, the index of the replica.

    Returns:
        An int32 tensor (batch,) of indices into the whole set; the example's own
        where it has no neighbor.

    Raises:
        ValueError: for another kind of table, or another index, where its values are
            known before a graph runs.
    """
    if not isinstance(neighbors, (Neighbors, SimilarTargets)):
        expected = "what `nearest_neighbors` or `similar_targets` returns"
        raise _wrong("neighbors", expected, type(neighbors).__name__)
    index = _checked_index(index, neighbors.size)
    key = keys.make_key(seed, steps.index_of(step, seed=seed), replica)
    return neighbors.drawn(key, index, _constant)


@hints.not_converted
def neighbor_pairs(
    examples: hints.Nest,
    neighbors: Neighbors | SimilarTargets,
    index: hints.TensorLike,
    seed: int | None = None,
    step: hints.AnyStep = 0,
    replica: hints.Index = 0,
) -> tuple[hints.Nest, hints.Nest]:
    """What `MixUp.between` takes: a batch, and a drawn neighbor for each example.

    Augment the two between the maps, each by itself. For SMOTE (Chawla et al., 2002)
    take neighbors of the same class and `MixUp(targets="closer")`.

    Args:
        examples: Nest of tensors or arrays with first axis n, such as `(x, y)`. Give
            tensors where they are large: an array is copied at each eager call, and
            once for each graph.
        neighbors: As in `draw_neighbors`, like the other arguments.
        index: Integers (batch,) in [0, n), the examples of the batch.
        seed: Integer. None draws anew at every call.
        step: Integer or integer tensor, the index of the batch over all epochs; in a
            `Dataset.map` the step that `count_steps` gives.
        replica: Integer or integer tensor, the index of the replica.

    Returns:
        `(batch, other)`, two nests like `examples` with first axis batch.

    Raises:
        ValueError: as `draw_neighbors`, or for examples of another number.

    Examples:
        >>> ds = tf.data.Dataset.range(n).shuffle(n).batch(128)
        >>> ds = ds.apply(keras_mixup.count_steps).map(lambda step, index: (
        ...     step, keras_mixup.neighbors.neighbor_pairs(
        ...         (x, y), table, index, seed=7, step=step)))
        >>> ds = ds.map(lambda step, pair: mixup.between(*pair, step=step))
    """
    drawn = draw_neighbors(neighbors, index, seed, step, replica)
    examples = tf.nest.map_structure(_constant, examples)
    for tensor in tf.nest.flatten(examples):
        if not tensor.shape[:1].is_compatible_with([neighbors.size]):
            expected = f"a first axis of {neighbors.size}, as in `neighbors`"
            raise _wrong("examples", expected, f"shape {tensor.shape}")

    def at(rows):
        return tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), examples)

    return at(index), at(drawn)


def _constant(value):
    # Made outside the graph, which then refers to it instead of holding a copy.
    if tf.is_tensor(value):
        return value
    with tf.init_scope():
        return tf.convert_to_tensor(value)


def _computed(features, k, labels, progress):
    n = len(features)
    indices = np.repeat(np.arange(n, dtype=np.int32)[:, np.newaxis], k, axis=1)
    counts = np.zeros(n, np.int32)
    bar = keras.utils.Progbar(n, verbose=int(bool(progress)), unit_name="example")
    for label in [None] if labels is None else np.unique(labels):
        members = slice(None) if label is None else np.flatnonzero(labels == label)
        own = np.arange(n)[members]
        for rows, found in neighbor_search.blocks(features[members], k):
            indices[own[rows], : found.shape[1]] = own[found]
            counts[own[rows]] = found.shape[1]
            bar.add(len(found))
    return Neighbors(indices, counts)


def _checked(features, labels):
    features = np.asarray(features)
    # Of larger numbers the square would be infinite.
    numeric = features.ndim and features.size and features.dtype.kind in "biuf"
    if not numeric or not max(float(features.max()), -float(features.min())) < 1e150:
        expected = "finite numbers below 1e150 of shape (n, ...), one example or more"
        received = f"shape {features.shape} and dtype {features.dtype}"
        raise _wrong("features", expected, received)
    n = len(features)
    if labels is not None:
        labels = np.asarray(labels)
        if labels.shape not in ((n,), (n, 1)) or labels.dtype.kind not in "iu":
            received = f"shape {labels.shape} and dtype {labels.dtype}"
            raise _wrong("labels", f"integers of shape ({n},)", received)
        labels = labels.reshape(n).astype(np.int64)
    return np.ascontiguousarray(features).reshape(n, -1), labels


def _checked_index(index, n):
    index = tf.convert_to_tensor(index)
    value = tf.get_static_value(index) if index.dtype.is_integer else None
    outside = value is not None and ((value < 0) | (value >= n)).any()
    if not index.dtype.is_integer or index.shape.rank not in (None, 1) or outside:
        raise _wrong("index", f"integers of shape (batch,) in [0, {n})", str(index))
    return index


def _wrong(argument, expected, received):
    return ValueError(
        f"Invalid value received for argument `{argument}`. Expected {expected}. "
        f"Received: {received}"
    )


def _hash(text, *arrays):
    """The SHA-256 of a text and arrays, or None, with their shapes and dtypes."""
    found = hashlib.sha256(text.encode())
    for array in arrays:
        if array is not None:
            found.update(f" {array.shape} {array.dtype.str} ".encode())
            found.update(array)
    return found.hexdigest()


def _read(path, key):
    """The table of a file, or None with a warning where it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            table = Neighbors(stored["indices"], stored["counts"])
            digest = str(stored["digest"])
        if digest != _hash(key, *table):
            raise ValueError("it holds something else than was written")
        return table
    except Exception as error:  # A damaged file makes NumPy and zipfile raise many.
        message = f"The file {path} is damaged and computed anew: {error!r}"
        warnings.warn(message, stacklevel=3)
