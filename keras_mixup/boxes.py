"""Bounding boxes of a mixed image: those of all its parts, each with a weight.

After Zhang et al. (2019), "Bag of Freebies for Training Object Detection Neural
Networks": the boxes are the union, and the loss of each is weighted by the
weight of the image that it comes from.
"""

from collections.abc import Mapping

import tensorflow as tf

from keras_mixup.mixing import check_rank_known, expand_to_rank

CLASS_KEYS = ("labels", "classes")
PADDING = -1

# Names of entries of x or y that are boxes, in a batch that is no dict.
_NAMES = ("boxes", "bounding_boxes", "bboxes", "bbox")


def mix_boxes(parts, coefficients):
    """Concatenates boxes along their axis and adds the entry `"weights"`.

    Args:
        parts: One dict an example of the mix, as `read_boxes` gives it.
        coefficients: One weight of shape () or (batch,) for each.

    Returns:
        A dict of the same entries with axis 1 as long as all parts together,
        and `"weights"` of shape (batch, n). A box of weight zero is padding.
        Padding is at the end, with weight 0 and -1 elsewhere (0, False or "" where
        a dtype has no -1); ragged boxes have none.
    """
    class_key = class_key_of(parts[0])
    parts = [_with_weights(p, c, class_key) for p, c in zip(parts, coefficients)]
    joined = {key: tf.concat([p[key] for p in parts], axis=1) for key in parts[0]}
    keep = joined["weights"] != 0
    if isinstance(keep, tf.RaggedTensor):
        return {
            key: tf.ragged.boolean_mask(value, keep) for key, value in joined.items()
        }
    keep &= joined[class_key] >= 0
    order = tf.argsort(tf.cast(~keep, tf.int32), axis=1, stable=True)
    keep = tf.gather(keep, order, batch_dims=1)
    return {
        key: _pad(tf.gather(value, order, batch_dims=1), keep, key)
        for key, value in joined.items()
    }


def read_boxes(boxes):
    """The boxes of a batch as a dict of tensors, without entries that are None.

    Args:
        boxes: `"boxes"` of shape (batch, n, 4) and `"labels"` (Keras) or `"classes"`
            (KerasCV) of shape (batch, n), dense with padding of class -1, or ragged.
            `"weights"` of shape (batch, n) and further entries of shape
            (batch, n, ...) go along, strings and booleans too.

    Raises:
        ValueError: for another form, or an entry that is not one a box.
    """
    if not isinstance(boxes, Mapping):
        raise ValueError(_form_message(f"{type(boxes).__name__}"))
    kinds = (tf.RaggedTensor, tf.SparseTensor)
    read = {
        key: value if isinstance(value, kinds) else tf.convert_to_tensor(value)
        for key, value in boxes.items()
        if value is not None
    }
    class_key = class_key_of(read)
    for key, value in read.items():
        check_rank_known(value, f"bounding_boxes/{key}")
    _check_kinds(read)
    classes = read[class_key]
    if classes.shape.rank != 2:
        raise ValueError(
            f"Invalid shape received for `{class_key}` of the boxes. Expected one "
            f"class a box, (batch_size, boxes). Received: {classes.shape}"
        )
    if classes.dtype.is_bool or classes.dtype.is_unsigned or classes.dtype == tf.string:
        raise ValueError(
            f"Invalid dtype received for `{class_key}` of the boxes. Expected floats "
            f"or signed integers, since padding has class {PADDING}. Received: "
            f"{classes.dtype.name}"
        )
    _check_one_a_box(read, classes)
    if "weights" in read:
        read["weights"] = tf.cast(read["weights"], tf.float32)
    return read


def class_key_of(boxes):
    """The name under which the classes of the boxes are kept."""
    for key in CLASS_KEYS:
        if "boxes" in boxes and key in boxes:
            return key
    raise ValueError(_form_message(f"entries {sorted(boxes)}"))


def refuse_in_nest(path, leaf):
    """Raises where an entry of x or y holds boxes, which must not be averaged."""
    named = [key for key in path if key in _NAMES]
    if named and (named[0] != "bbox" or leaf.shape.rank != 2):
        raise ValueError(
            "Boxes are joined, not averaged. Expected a batch that is a dict, "
            '{"images": x, "bounding_boxes": boxes}. Received: an entry '
            f"`{'/'.join(map(str, path))}` of x or y. Name it in "
            "MixUp(passthrough=...) if it is to pass as it is."
        )


def _check_kinds(boxes):
    kinds = {key: type(value).__name__ for key, value in boxes.items()}
    ragged = [isinstance(value, tf.RaggedTensor) for value in boxes.values()]
    sparse = any(isinstance(value, tf.SparseTensor) for value in boxes.values())
    if sparse or (any(ragged) and not all(ragged)):
        raise ValueError(
            "Invalid value received for `bounding_boxes`. Expected entries that are "
            f"all dense, or all ragged. Received: {kinds}"
        )


def _check_one_a_box(boxes, classes):
    """Raises unless each entry is (batch, boxes, ...): now, or where the graph runs."""
    for key, value in boxes.items():
        rank = {"boxes": 3, "weights": 2}.get(key, value.shape.rank)
        fits = value.shape.rank == rank >= 2
        if not (fits and value.shape[:2].is_compatible_with(classes.shape)):
            raise ValueError(
                f"Invalid shape received for `{key}` of the boxes. Expected one entry "
                'a box, (batch_size, boxes, ...), with 4 numbers each in "boxes". '
                "Entries that are one an image belong beside `bounding_boxes`. "
                f"Received: {value.shape} for classes of shape {classes.shape}"
            )
        if isinstance(value, tf.RaggedTensor):
            counts = value.row_lengths(), classes.row_lengths()
        elif None in (value.shape[1], classes.shape[1]):
            counts = tf.shape(value)[1], tf.shape(classes)[1]
        else:
            continue
        tf.debugging.assert_equal(
            *counts,
            f"`{key}` of the boxes has another number of boxes than their classes. "
            "Entries that are one an image belong beside `bounding_boxes`.",
        )


def _form_message(received):
    return (
        'Invalid value received for `bounding_boxes`. Expected a dict with "boxes" '
        f'and "labels" (Keras) or "classes" (KerasCV). Received: {received}'
    )


def _with_weights(boxes, coefficient, class_key):
    coefficient = expand_to_rank(tf.cast(coefficient, tf.float32), 2)
    prior = boxes.get("weights")
    if prior is None:
        prior = tf.ones_like(boxes[class_key], dtype=tf.float32)
    return {**boxes, "weights": prior * coefficient}


def _pad(value, keep, key):
    dtype = value.dtype
    if dtype == tf.string:
        padding = tf.constant("")
    elif key == "weights" or dtype.is_bool or dtype.is_unsigned:
        padding = tf.cast(0, dtype)
    else:
        padding = tf.cast(PADDING, dtype)
    return tf.where(expand_to_rank(keep, value.shape.rank), value, padding)
