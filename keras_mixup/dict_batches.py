"""The entries of a batch that is a dict: which are mixed, and which pass.

The names are those of Keras and KerasCV ("images", "labels", "targets",
"segmentation_masks", "bounding_boxes") and of TensorFlow Datasets ("image", "label",
"segmentation_mask").
"""

import re
import typing

import keras
import tensorflow as tf

from keras_mixup import target_checks

IMAGES = ("images", "image")
LABELS = ("labels", "label", "targets", "target")
MASKS = ("segmentation_masks", "segmentation_mask", "masks", "mask")
BOXES = "bounding_boxes"
WEIGHT = "sample_weight"

# How many entries a message shows.
_SHOWN = 8

# Words in the names of entries that belong to an image as its labels do.
_WORDS = frozenset(
    [
        "label",
        "labels",
        "target",
        "targets",
        "mask",
        "masks",
        "box",
        "boxes",
        "bbox",
        "bboxes",
        "keypoint",
        "keypoints",
        "class",
        "classes",
        "category",
        "categories",
        "weight",
        "weights",
        "y",
    ]
)


class Names(typing.NamedTuple):
    """The names under which a dict keeps what is mixed."""

    images: str
    targets: list
    has_boxes: bool


def names_in(batch, passthrough=()):
    """The `Names` of a dict.

    Raises:
        ValueError: for a dict without images or without any target, and for an entry
            that is named like a target and is none that is known, or says which times
            are censored.
    """
    images = images_name(batch)
    known = [key for key in (*LABELS, *MASKS, BOXES) if _is_there(batch, key)]
    others = {
        key: value
        for key, value in batch.items()
        if key not in (images, WEIGHT, *known) and value is not None
    }
    passing = others and all(key in passthrough for key in others)
    if not known and not passing:
        raise ValueError(
            "Images without a target cannot be mixed. Expected a dict with one of "
            f"{[*LABELS, *MASKS, BOXES]}, or (x, y), or other entries that are named "
            f"in MixUp(passthrough=...). Received: entries {sorted(batch)}"
        )
    for path, leaf in keras.tree.flatten_with_path(others):
        if leaf is not None and not any(key in passthrough for key in path):
            target_checks.refuse_censoring(path)
    for name in like_targets(others, passthrough):
        raise ValueError(
            f"The entry `{name}` is named like a target or a weight and would pass "
            "unmixed. Expected a name that is known, "
            f"{[*LABELS, *MASKS, BOXES, WEIGHT]}, or the entry in "
            "MixUp(passthrough=...) if it is to pass. Received: entries "
            f"{sorted(batch)}"
        )
    boxes = BOXES in known and BOXES not in passthrough
    return Names(images, [key for key in known if key != BOXES], boxes)


def images_name(batch):
    """The name under which a dict keeps its images."""
    found = [key for key in IMAGES if _is_there(batch, key)]
    if len(found) != 1:
        raise ValueError(
            'Invalid batch. Expected (x, y), or a dict with "images" and "labels", or '
            '"image" and "label", and as they are there "segmentation_masks", '
            '"bounding_boxes" and "sample_weight". Take other structures apart before, '
            "as in dataset.map(lambda batch: (batch[inputs], batch[targets])), or say "
            "where the labels are: MixUp(labels_getter=...). "
            f"Received: entries {structure_of(batch)}"
        )
    return found[0]


def structure_of(batch):
    """The entries of a batch with their dtypes and shapes, for a message."""
    found = []
    for path, leaf in keras.tree.flatten_with_path(batch):
        name = "/".join(map(str, path)) or "batch"
        if leaf is not None and not hasattr(leaf, "dtype"):
            leaf = tf.convert_to_tensor(leaf)
        kind = None if leaf is None else tf.as_dtype(leaf.dtype).name
        found.append(f"{name}: {kind} {getattr(leaf, 'shape', '')}".rstrip())
    more = len(found) - _SHOWN
    return ", ".join(found[:_SHOWN]) + (f", and {more} more" if more > 0 else "")


def weight_name(target, names, given):
    """The name under which the mixed weight of a target is kept."""
    own = target in LABELS or (given and len(names) == 1)
    return WEIGHT if own else f"{target}_weight"


def like_targets(others, passthrough):
    """Names of entries that are called targets or weights, and do not pass."""
    for path, leaf in keras.tree.flatten_with_path(others):
        words = re.split("[^a-z]+", " ".join(map(str, path)).lower())
        passes = leaf is None or any(key in passthrough for key in path)
        if not passes and _WORDS & set(words) and _dtype(leaf) != tf.string:
            yield "/".join(map(str, path))


def _is_there(batch, key):
    return any(leaf is not None for leaf in keras.tree.flatten(batch.get(key)))


def _dtype(leaf):
    return leaf.dtype if tf.is_tensor(leaf) else tf.convert_to_tensor(leaf).dtype
