"""Steps: which batch of the whole training a batch is, so that no draw comes twice.

A draw follows from (seed, step, replica), and the step has to go on over the epochs.
`Dataset.enumerate` begins at 0 in each of them.
"""

from __future__ import annotations

import os
import threading

import numpy as np
import tensorflow as tf

from keras_mixup import hints

# A pass over a dataset whose length nobody knows gets this many steps to itself.
_ROOM = 2**32


class Step(tf.experimental.ExtensionType):
    """The index of a batch, counted over all epochs.

    `count_steps` gives it with each batch. In a `Dataset.map` the library takes no
    other step: the number that `Dataset.enumerate` gives begins at 0 in each epoch, and
    the draws of the first epoch would come again. Make one yourself for an index that
    does not: `keras_mixup.Step(index)`.

    Attributes:
        index: Integer scalar tensor.
        exact: Whether the index is the number of batches before this one. It is not
            where a dataset of unknown length is read a second time: each pass
            then begins at the next multiple of `2**32`.
    """

    index: tf.Tensor
    exact: bool = True


@hints.not_converted
def count_steps(dataset: tf.data.Dataset, first_step: int = 0) -> tf.data.Dataset:
    """Gives each element its step: `Dataset.enumerate`, but going on over the epochs.

    Batch i of epoch e has the step `first_step + e S + i`, with S the cardinality. Each
    iterator, and each repetition of a later `repeat`, is an epoch, from the moment when
    its first batch is made. So what changes the number of batches, such as `take`,
    stands before. Endless datasets have one epoch.

    The epochs are counted in this process, one count for each dataset that this
    function gave. Whoever looks at a batch of the dataset uses up an epoch of it; so
    does a strategy, for which Keras looks at one before it trains. With the callback
    `CountEpochs` the count is that of Keras, also after `initial_epoch` or a restore.

    `cache()` and `snapshot()` keep the batches of their first epoch: call them before.
    TensorFlow refuses to save an iterator of it, since the count is a state of the
    process; with `tf.data.experimental.ExternalStatePolicy.IGNORE` it saves one, which
    goes on exactly to the end of its pass. A tf.data service cannot run it.

    Args:
        dataset: A `tf.data.Dataset` of batches.
        first_step: Integer >= 0, the step of the first batch of the first epoch.

    Returns:
        A dataset of `(Step, element)`, of the same cardinality.

    Raises:
        ValueError: where it is called in a graph, or for another first step.

    Examples:
        >>> numbered = dataset.batch(128).apply(keras_mixup.count_steps)
        >>> mixed = numbered.map(mixup.at_step, num_parallel_calls=tf.data.AUTOTUNE)
    """
    if tf.inside_function():
        raise ValueError(
            "`count_steps` counts in Python, once for each epoch. Expected a call "
            "outside of graphs, after `interleave` or `flat_map` and not inside."
        )
    if not isinstance(first_step, (int, np.integer)) or first_step < 0:
        raise ValueError(
            "Invalid value received for argument `first_step`. Expected an integer "
            ">= 0. "
            f"Received: first_step={first_step!r}"
        )
    length = int(dataset.cardinality())
    count = _Count(int(first_step), length)

    def steps_from(first):
        end = first + length if length >= 0 else tf.int64.max
        return tf.data.Dataset.range(first, end)

    exact = length != tf.data.UNKNOWN_CARDINALITY
    # Made when the first element is asked for, once an iterator.
    first = tf.data.Dataset.from_tensors(0).map(
        lambda _: tf.ensure_shape(tf.numpy_function(count.next, [], tf.int64), [])
    )
    steps = first.flat_map(steps_from).map(lambda index: Step(index, exact))
    numbered = tf.data.Dataset.zip((steps, dataset))
    if exact:
        numbered = numbered.apply(tf.data.experimental.assert_cardinality(length))
    numbered._counted_steps = count
    return numbered


class _Count:
    """The step at which the next pass over a dataset begins."""

    def __init__(self, first, length):
        self.first = first
        self.length = length
        self.passes = 0
        self._lock = threading.Lock()

    def next(self):
        with self._lock:
            first = self.first
            self.passes += 1
            if self.length >= 0:
                self.first += self.length
            else:
                self.first = (first // _ROOM + 1) * _ROOM
        return np.int64(first)

    def set_epoch(self, epoch, steps, length, own):
        """Says which epoch comes next.

        Args:
            epoch: Its index.
            steps: Steps that Keras counts in an epoch, or None where it does not know.
            length: Cardinality of the dataset that it reads.
            own: How many of its batches are of this count.
        """
        if steps and steps != length:
            # With `steps_per_epoch` a pass is no epoch.
            self.first = epoch * steps
        elif self.length >= 0:
            self.first = epoch * self.passes_in(own) * self.length
        else:
            self.first = epoch * _ROOM

    def passes_in(self, batches):
        """The passes of an epoch: several, where the dataset is repeated afterwards."""
        return -(-batches // self.length) if batches > 0 and self.length > 0 else 1


def counts_behind(dataset, batches=None):
    """The counts of `count_steps` in what a dataset is made of.

    With each of them how many batches are read of it, -1 or less where that is unknown.
    """
    length = int(dataset.cardinality())
    batches = length if batches is None else batches
    found = getattr(dataset, "_counted_steps", None)
    if found is not None:
        yield found, batches
    inputs = getattr(dataset, "_inputs", tuple)()
    lengths = [int(before.cardinality()) for before in inputs]
    joined = len(inputs) > 1 and length == sum(lengths) and length > 0
    for before, own in zip(inputs, lengths, strict=True):
        # Of datasets that are concatenated each has its share.
        share = -(-batches * own // length) if joined and batches > 0 else batches
        yield from counts_behind(before, share)


def index_of(step, seed=None, schedule=False):
    """A step as an integer or tensor; raises where it may begin anew in each epoch.

    Without a seed and a schedule nothing depends on it.
    """
    if seed is None and not schedule:
        return step.index if isinstance(step, Step) else step
    if isinstance(step, Step):
        if schedule and not step.exact:
            raise ValueError(
                "A schedule needs to know how many batches an epoch has, which this "
                "dataset does not. Expected a known cardinality: `dataset.apply("
                "tf.data.experimental.assert_cardinality(n))` before the steps are "
                "counted."
            )
        if schedule:
            _assert_exact(step.index)
        return step.index
    unknown = isinstance(step, tf.Variable) or tf.is_symbolic_tensor(step)
    if unknown and inside_dataset():
        raise ValueError(
            "Inside `Dataset.map` a step begins at 0 again in each epoch, as the "
            "count of `Dataset.enumerate` does: every epoch would repeat the draws "
            "of the first. Write `dataset.apply(mixup)`, or, where the step itself "
            "is needed, count by `dataset.apply(keras_mixup.count_steps)` in place "
            "of `dataset.enumerate()`. For an index that goes on over all epochs "
            f"write `keras_mixup.Step(index)`. Received: step={step}"
        )
    return step


def _assert_exact(index):
    tf.debugging.Assert(
        index < _ROOM,
        [
            "A schedule cannot know at which step a second pass over an endless "
            "dataset begins. Expected `fit(..., "
            "callbacks=[keras_mixup.CountEpochs(dataset)])`, which sets it. Received: "
            "step",
            index,
        ],
    )


def inside_dataset():
    """Whether this runs while a function of a tf.data transformation is traced."""
    graph = tf.compat.v1.get_default_graph() if tf.inside_function() else None
    while graph is not None:
        if getattr(graph, "name", "").startswith("Dataset_"):
            return True
        graph = getattr(graph, "outer_graph", None)
    return False


class Calls:
    """Counts calls in eager mode, where they have an order: in one thread."""

    def __init__(self):
        self._process = os.getpid()
        self._thread = None
        self._next = 0

    def next(self, reason):
        """The index of this call; raises in a graph, another thread or process."""
        if tf.inside_function():
            instead = "`mixup.at_step(step, batch)` with a step of your own"
            if inside_dataset():
                instead = (
                    "`dataset.apply(mixup)`, or for two batches `mixup.between(batch, "
                    "other, step=step)` with the step of "
                    "`dataset.apply(keras_mixup.count_steps)`"
                )
            raise ValueError(
                f"MixUp with {reason} needs to know the step, which a graph cannot "
                f"count by itself. Write {instead}."
            )
        here = threading.get_ident()
        self._thread = self._thread or here
        if (os.getpid(), here) != (self._process, self._thread):
            raise ValueError(
                f"MixUp with {reason} counts its calls, and calls from several threads "
                "or processes have no order. Give the index of the batch: "
                "`mixup.at_step(index, batch)`, counted over all epochs, such as "
                "`epoch * len(self) + index` in a PyDataset."
            )
        self._next += 1
        return self._next - 1
