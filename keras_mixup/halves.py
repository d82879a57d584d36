"""A mixed batch and its clean one as one batch of twice the size, and apart again.

A network that sees both in one pass normalizes them by the same statistics, and those
are what its moving averages keep: inference goes by what training saw. Two passes would
normalize each batch by itself, and keep an average that belongs to neither.
"""

import keras
import tensorflow as tf

from keras_mixup import keras_private


def joined(mixed, clean):
    """The nest of both batches, the mixed one first, in its dtypes and with masks."""

    def one(own, other):
        if own is None:
            return None
        both = tf.concat([own, tf.cast(other, own.dtype)], axis=0)
        masks = [keras_private.mask_of(part) for part in (own, other)]
        if masks[0] is not None:
            keras_private.set_mask(both, tf.concat(masks, axis=0))
        return both

    return keras.tree.map_structure(one, mixed, clean)


def halves(nest):
    """The mixed half of a nest and its clean one, with their masks."""

    def half(which):
        def one(leaf):
            if leaf is None:
                return None
            mask = keras_private.mask_of(leaf)
            mask = mask if mask is None else tf.split(mask, 2)[which]
            return keras_private.with_mask(tf.split(leaf, 2)[which], mask)

        return keras.tree.map_structure(one, nest)

    return half(0), half(1)
