"""`show`: mixed examples with their labels, as a picture for a notebook."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import arguments, dict_batches, hints
from keras_mixup.mixed_batch import MixedBatch

# Classes of a smaller share are not named, and no more than so many of one example.
_LEAST, _MOST = 0.005, 3


def show(
    batch: hints.Batch, labels: Sequence[str] | None = None, count: int = 8
) -> hints.Figure:
    """Draws the examples of a batch with their labels and shares, by Matplotlib.

    Images in [0, 1] are drawn as they are, others in [0, 255] as bytes. Any others,
    such as standardized ones, are scaled from the least to the greatest value of the
    batch, and the picture says so. Each image is headed by the classes of its row with
    their shares, or by its target where that is no row of shares; for a `MixedBatch`
    the shares of its parts as well.

    Args:
        batch: (images, targets), a dict with "images" and "labels", or a `MixedBatch`.
            Images of shape (batch, height, width) or (batch, height, width, channels),
            with one or three channels.
        labels: List of the names of the classes, or None for their numbers.
        count: Integer >= 1, how many examples are drawn at most.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ImportError: where Matplotlib is not installed.
        ValueError: for a batch of another form, and for fewer names than classes.

    Examples:
        >>> keras_mixup.show(next(iter(dataset.apply(mixup))), labels=["cat", "dog"])
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            "keras_mixup.show needs Matplotlib. Install it: pip install matplotlib"
        ) from error
    arguments.check_count("count", count)
    images, targets = _parts_of(batch)
    images, note = scaled(images)
    images, count = images[:count], min(count, len(images))
    columns = math.ceil(math.sqrt(2 * count))
    rows = math.ceil(count / columns)
    figure, axes = pyplot.subplots(
        rows, columns, squeeze=False, figsize=(2 * columns, 2.5 * rows), layout="tight"
    )
    for axis in axes.flat:
        axis.axis("off")
    for index, (axis, image) in enumerate(zip(axes.flat, images)):
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        text = "" if targets is None else _title(targets[index], labels)
        if isinstance(batch, MixedBatch) and batch.shares is not None:
            parts = [np.broadcast_to(s, len(targets))[index] for s in batch.shares]
            text += "\nshares " + ", ".join(f"{share:.2f}" for share in parts)
        axis.set_title(text, fontsize=8)
    if note:
        figure.suptitle(note, fontsize=8)
    return figure


def scaled(images):
    """Images as floats in [0, 1], and a sentence where they had to be scaled."""
    images = np.asarray(images)
    low, high = (float(limit(images)) for limit in (np.min, np.max))
    floats = images.astype("float32")
    if images.dtype == np.uint8 or (low >= 0 and 1 < high <= 255):
        return floats / 255, ""
    if low >= 0 and high <= 1:
        return floats, ""
    note = f"Values are scaled: black is {low:.3g}, white is {high:.3g}."
    return (floats - low) / max(high - low, 1e-30), note


def _parts_of(batch):
    """The images and targets of a batch, as arrays."""
    if isinstance(batch, MixedBatch):
        images, targets = batch.x, batch.y
    elif isinstance(batch, Mapping):
        images = batch[dict_batches.images_name(batch)]
        found = [key for key in dict_batches.LABELS if batch.get(key) is not None]
        targets = batch[found[0]] if found else None
    elif isinstance(batch, (tuple, list)) and len(batch) in (2, 3):
        images, targets, *_ = batch
    else:
        raise ValueError(
            "Invalid batch. Expected (images, targets), a dict with images, or a "
            f"MixedBatch. Received: {type(batch).__name__}"
        )
    for name, part in (("images", images), ("targets", targets)):
        if keras.tree.is_nested(part):
            raise ValueError(
                f"`show` draws one tensor of {name}. Expected such a batch. Received: "
                f"{name} of type {type(part).__name__}"
            )
    images = np.asarray(images)
    if images.ndim not in (3, 4) or (
        images.ndim == 4 and images.shape[-1] not in (1, 3)
    ):
        raise ValueError(
            "Invalid shape of images. Expected (batch, height, width) or (batch, "
            "height, width, channels) of one or three channels. Received: "
            f"{images.shape}"
        )
    return images, None if targets is None else np.asarray(targets)


def _title(target, labels):
    """The classes of a row with their shares, or the target itself."""

    def name(index):
        if labels is None:
            return str(index)
        if not 0 <= index < len(labels):
            raise ValueError(
                "Invalid value received for argument `labels`. Expected a name for "
                f"each class, class {index} among them. Received: labels={labels}"
            )
        return str(labels[index])

    target = np.asarray(target)
    if target.dtype.kind in "OSU":
        return ", ".join(tf.compat.as_str_any(one) for one in target.ravel())
    if target.dtype.kind == "b":
        target = target.astype("float32")
    if target.ndim == 0 and target.dtype.kind in "iu":
        return name(int(target))
    if target.ndim != 1 or len(target) == 1:
        return f"{float(target.item()):.3g}" if target.size == 1 else ""
    if target.min() < 0 or target.max() > 1:
        shown = [f"{value:.3g}" for value in target[:_MOST]]
        return ", ".join(shown + ["..."] * (len(target) > _MOST))
    order = [i for i in np.argsort(-target, kind="stable") if target[i] > _LEAST]
    shares = [f"{name(i)} {target[i]:.2f}" for i in order[:_MOST]]
    return ", ".join(shares + ["..."] * (len(order) > _MOST))
