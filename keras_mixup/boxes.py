"""Bounding boxes of a mixed image: those of all its parts, each with a weight.

After Zhang et al. (2019), "Bag of Freebies for Training Object Detection Neural
Networks": the boxes are the union, and the loss of each is weighted by the
weight of the image that it comes from.
"""

import tensorflow as tf

from keras_mixup.mixing import expand_to_rank

CLASS_KEYS = ("labels", "classes")
PADDING = -1


def mix_boxes(parts, coefficients):
    """Concatenates boxes along their axis and adds the entry `"weights"`.

    Args:
        parts: One dict an example of the mix: `"boxes"` of shape (batch, n, 4)
            and `"labels"` (Keras) or `"classes"` (KerasCV) of shape (batch, n),
            dense with padding of class -1, or ragged. Further entries of shape
            (batch, n, ...) go along.
        coefficients: One weight of shape () or (batch,) for each.

    Returns:
        A dict of the same entries with axis 1 as long as all parts together,
        and `"weights"` of shape (batch, n). A box of weight zero is padding.
        Padding stands at the end, with weight 0; ragged boxes have none.
    """
    class_key = class_key_of(parts[0])
    parts = [_with_weights(p, c, class_key) for p, c in zip(parts, coefficients)]
    joined = {key: tf.concat([p[key] for p in parts], axis=1) for key in parts[0]}
    keep = joined["weights"] > 0
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


def class_key_of(boxes):
    """The name under which the classes of the boxes are kept."""
    for key in CLASS_KEYS:
        if "boxes" in boxes and key in boxes:
            return key
    raise ValueError(
        'Invalid value received for `bounding_boxes`. Expected a dict with "boxes" '
        'and "labels" (Keras) or "classes" (KerasCV). '
        f"Received: entries {sorted(boxes)}"
    )


def _with_weights(boxes, coefficient, class_key):
    classes = boxes[class_key]
    if classes.shape.rank != 2:
        raise ValueError(
            f"Invalid shape received for `{class_key}` of the boxes. Expected one class "
            f"a box, (batch_size, boxes). Received: {classes.shape}"
        )
    coefficient = tf.cast(coefficient, tf.float32)
    prior = boxes.get("weights", tf.ones_like(classes, dtype=tf.float32))
    return {**boxes, "weights": prior * expand_to_rank(coefficient, 2)}


def _pad(value, keep, key):
    padding = tf.cast(0 if key == "weights" else PADDING, value.dtype)
    return tf.where(expand_to_rank(keep, value.shape.rank), value, padding)
