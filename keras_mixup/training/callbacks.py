"""Callbacks: mixed images in TensorBoard, the count of epochs, a double mix."""

from __future__ import annotations

import math
import warnings

import keras
import tensorflow as tf

from keras_mixup import class_probability, combining, hints, keys, mixing, steps
from keras_mixup.showing import scaled


class MixUpSummary(keras.callbacks.Callback):
    """Shows lam and a mixed batch in TensorBoard, once an epoch.

    Writes a histogram of lam as the coming epoch will draw it on the first replica
    (the draws depend on seed and step alone, so that they are known) and, where
    mixing is at the input, a grid of the given images as lam and pairs of this
    epoch's first step would mix them. For a policy that pastes regions lam is the share
    of the positions, which needs a batch and mixing at the input. It costs a few
    milliseconds a step it covers, once an epoch.

    Args:
        log_dir: Folder of the event files.
        batch: A batch `(x, y)` to show, images scaled as those of `keras_mixup.show`
            are; the description names the policy. None shows no images.
        steps: How many of the epoch's steps the histogram covers at most.
        images: How many images the grid shows at most.

    Raises:
        ImportError: if TensorBoard is not installed.
    """

    def __init__(
        self,
        log_dir: hints.Path,
        batch: hints.Batch = None,
        steps: int = 100,
        images: int = 16,
    ) -> None:
        super().__init__()
        if not hasattr(tf.summary, "histogram"):
            raise ImportError(
                "MixUpSummary needs TensorBoard. Install it: pip install tensorboard"
            )
        if batch is not None and tf.convert_to_tensor(batch[0]).shape.rank != 4:
            raise ValueError(
                "Invalid value received for argument `batch`. Expected (images, "
                "labels) with images of shape (batch, height, width, channels), or "
                "None. "
                f"Received: images of shape {tf.convert_to_tensor(batch[0]).shape}"
            )
        self.log_dir = log_dir
        self.batch = batch
        self.steps = steps
        self.images = images
        self._writer = None

    def set_model(self, model):
        """Takes a `MixUpModel`."""
        if not hasattr(model, "mixup"):
            raise ValueError(
                "MixUpSummary shows what a MixUpModel mixes. Expected a MixUpModel. "
                f"Received: {type(model).__name__}"
            )
        super().set_model(model)

    def on_train_begin(self, logs=None):
        """Opens the event file."""
        del logs
        self._writer = tf.summary.create_file_writer(str(self.log_dir))

    def on_epoch_begin(self, epoch, logs=None):
        """Writes the histogram and the grid of this epoch."""
        del logs
        first = int(tf.convert_to_tensor(self.model.step))
        steps = min(self.steps, self.params.get("steps") or self.steps)
        shows_images = self.batch is not None and "input" in self.model.mix_at
        # Another callback, such as Keras's TensorBoard, may have turned recording off.
        with self._writer.as_default(step=epoch), tf.summary.record_if(True):
            if shows_images or not self.model.mixup.has_positions:
                lam = self._draws(first, steps, shows_images)
                tf.summary.histogram("mixup/lam", lam)
            if shows_images:
                grid, policy = self._grid(first)[tf.newaxis], repr(self.model.mixup)
                tf.summary.image("mixup/batch", grid, description=policy)

    def on_train_end(self, logs=None):
        """Closes the event file."""
        del logs
        self._writer.close()

    def _draws(self, first, steps, at_images):
        size = 1 if self.batch is None else len(self.batch[0])
        given = self._goes_by(self.model.mixup)

        @tf.function
        def lam_of(step):
            key, alpha, policy = self._at(step)
            draw = policy.draw(size, key, alpha, given, with_partners=False)
            if at_images:
                draw = policy.placed(draw, key, [self._images()])
            return tf.reshape(draw.coefficients[0], [-1])

        steps = tf.range(first, first + steps, dtype=tf.int64)
        return tf.concat([lam_of(step) for step in steps], axis=0)

    def _grid(self, step):
        key, alpha, policy = self._at(step)
        images = self._images()
        draw = policy.draw(len(images), key, alpha, self._goes_by(policy))
        draw = policy.placed(draw, key, [images])
        parts = mixing.gather_parts([images], draw.partners)
        return image_grid(combining.combined(parts, draw)[: self.images])

    def _at(self, step):
        policy = self.model.mixup
        return keys.make_key(self.model.seed, step), policy.alpha_at(step), policy

    def _goes_by(self, policy):
        if self.batch is None:
            for one in policy.chosen_from:
                class_probability.without_labels(one)
            return None
        flat = keras.tree.flatten_with_path(self.batch[1])
        labels = [tf.convert_to_tensor(leaf) for _, leaf in flat]
        return policy.goes_by(labels, [path for path, _ in flat])

    def _images(self):
        return tf.convert_to_tensor(self.batch[0])


class CountEpochs(keras.callbacks.Callback):
    """Tells a dataset that counts its epochs which one comes next in `fit`.

    A dataset of `dataset.apply(mixup)` or `count_steps` counts the passes over it,
    which is enough for one `fit` from epoch 0 on. With this callback the count is right
    as well for `initial_epoch` and `BackupAndRestore` in a new process, under a
    strategy (Keras then looks at a batch before it trains), and where the dataset is
    read elsewhere in between. With `steps_per_epoch`, where an iterator may last for
    several epochs, it acts once, at the beginning.

    Args:
        dataset: The dataset that `fit` is given, with all that follows `apply`.

    Raises:
        ValueError: for a dataset that counts nothing; in `fit`, for another dataset
            than `fit` reads.

    Examples:
        >>> mixed = dataset.batch(128).apply(mixup)
        >>> counting = keras_mixup.CountEpochs(mixed)
        >>> model.fit(mixed, initial_epoch=5, epochs=10, callbacks=[counting])
    """

    def __init__(self, dataset: tf.data.Dataset) -> None:
        super().__init__()
        self._counts = list(steps.counts_behind(dataset))
        if not self._counts:
            raise ValueError(
                "Invalid value received for argument `dataset`. Expected what "
                "`dataset.apply(mixup)` or `dataset.apply(keras_mixup.count_steps)` "
                f"gives. Received: dataset={dataset!r}"
            )
        self._length = int(dataset.cardinality())
        self._begun = False
        self._passes_before = None
        self._passes_since = 0

    def on_train_begin(self, logs=None):
        """Waits for the first epoch: which one it is a restored state may say."""
        del logs
        self._begun = False
        self._passes_before = None

    def on_epoch_begin(self, epoch, logs=None):
        """Sets the count, before Keras makes the iterator of this epoch."""
        del logs
        planned = self.params.get("steps")
        if not self._begun:
            self._set_epoch(epoch, planned)
        elif not planned or planned == self._length:
            self._check_passes()
            self._set_epoch(epoch, planned)
        self._begun = True

    def on_train_batch_end(self, batch, logs=None):
        """Raises where `fit` has read a batch of something else."""
        del logs
        if self._passes_before is None:
            return
        self._passes_since = self._passes() - self._passes_before
        if not self._passes_since:
            raise ValueError(self._other_dataset())

    def _set_epoch(self, epoch, planned):
        for count, length in self._counts:
            count.set_epoch(epoch, planned, self._length, length)
        self._passes_before = self._passes()

    def _check_passes(self):
        """Raises where the passes of one epoch reach into the next."""
        if self._length > 0:
            expected = sum(count.passes_in(length) for count, length in self._counts)
            if self._passes_since > expected:
                raise ValueError(self._other_dataset())

    def _passes(self):
        return sum(count.passes for count, _ in self._counts)

    def _other_dataset(self):
        return (
            "`fit` does not read the dataset that CountEpochs was given, once an "
            "epoch. Expected the same dataset in both, with all that follows `apply`, "
            "such as `repeat` and `prefetch`: `fit(mixed, "
            "callbacks=[CountEpochs(mixed)])`. "
            f"Received: CountEpochs of a dataset of {self._length} batches, and "
            f"{self.params.get('steps')} steps an epoch in `fit`."
        )


class WarnOfMixedLabels(keras.callbacks.Callback):
    """Warns once when the first batch's labels are soft: mixed twice, probably."""

    def __init__(self):
        super().__init__()
        self._done = False

    def on_train_begin(self, logs=None):
        """Forgets what an earlier `fit` has found."""
        del logs
        self.model._soft_labels.assign(0.0)

    def on_train_batch_end(self, batch, logs=None):
        """Looks at what the first step has found."""
        del batch, logs
        if self._done:
            return
        self._done = True
        if float(tf.convert_to_tensor(self.model._soft_labels)) > 0:
            warnings.warn(
                "MixUpModel received labels that are not one-hot. If the pipeline "
                "mixes already, the batch is now mixed twice: take MixUp out of the "
                "pipeline, or train the plain network.",
                stacklevel=2,
            )


def image_grid(images):
    """Images as one picture, near square: (n, h, w, c) to (rows h, columns w, c).

    Values are scaled to [0, 1] as those of `show` are, float32.
    """
    images, _ = scaled(images)
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    images = tf.pad(images, [[0, rows * columns - count], [0, 0], [0, 0], [0, 0]])
    images = tf.reshape(images, [rows, columns, height, width, channels])
    images = tf.transpose(images, [0, 2, 1, 3, 4])
    return tf.reshape(images, [rows * height, columns * width, channels])


def with_warning(model, args, kwargs):
    """The arguments of a model's `fit` with the callback above.

    Raises:
        ValueError: for batches of one, in which the model would mix nothing.
    """
    given = {**dict(zip(("x", "y", "batch_size"), args)), **kwargs}
    sizes = [given.get("batch_size")]
    if isinstance(given.get("x"), tf.data.Dataset):
        leaves = tf.nest.flatten(given["x"].element_spec)
        shapes = [getattr(leaf, "shape", tf.TensorShape([])) for leaf in leaves]
        sizes += [shape[0] for shape in shapes if shape.rank]
    if 1 in sizes and not model.mixup.is_identity:
        raise ValueError(
            "A batch of one example has no partner in it, and MixUpModel mixes within "
            "a batch. Expected batches of two or more, or batches that the pipeline "
            "mixes with the one before, for a plain network (docs/partners.md). "
            "Received: batches of one"
        )
    first, further = args[:5], args[5:]  # `callbacks` is the sixth argument.
    callbacks = further[0] if further else kwargs["callbacks"]
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = [*keras.tree.flatten(callbacks or []), WarnOfMixedLabels()]
    if not further:
        return args, {**kwargs, "callbacks": callbacks}
    others = {name: value for name, value in kwargs.items() if name != "callbacks"}
    return (*first, callbacks, *further[1:]), others
