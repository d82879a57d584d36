"""Which sample weight belongs to which target of a nest."""

from collections.abc import Mapping

import keras
import tensorflow as tf

from keras_mixup import targets


def spread_weights(weights, y, leaves):
    """One sample weight for each target: the same for all, or one each.

    Args:
        weights: None, a tensor, or a nest of them.
        y: The targets, as they were given.
        leaves: (path, tensor) of each target that is mixed.

    Returns:
        A list of float32 tensors that fit their targets, or None.
    """
    if weights is None:
        return [None] * len(leaves)
    given = keras.tree.flatten_with_path(weights)
    alike = isinstance(weights, Mapping) and isinstance(y, Mapping)
    if len(given) == 1 and not alike:
        found = [given[0][1]] * len(leaves)
    elif alike or len(given) == len(keras.tree.flatten(y)):
        places = [path for path, _ in keras.tree.flatten_with_path(y)]
        if not alike:
            given = [(p, w) for p, (_, w) in zip(places, given, strict=True)]
        # A weight stands for all targets below its place.
        unknown = ["/".join(map(str, p)) for p, _ in given if not _below(p, places)]
        if unknown:
            raise ValueError(_weights_message(leaves, sorted(unknown)))
        found = [
            next((w for place, w in given if _below(place, [path])), None)
            for path, _ in leaves
        ]
    elif len(given) == len(leaves):
        found = [weight for _, weight in given]
    else:
        raise ValueError(_weights_message(leaves, len(given)))
    return [
        None if w is None else targets.fit_weight(tf.convert_to_tensor(w), leaf)
        for w, (_, leaf) in zip(found, leaves, strict=True)
    ]


def _below(place, paths):
    return any(path[: len(place)] == place for path in paths)


def _weights_message(leaves, received):
    return (
        "Invalid structure received for `sample_weight`. Expected one tensor, or "
        f"one for each of the {len(leaves)} targets. Received: {received}"
    )


def weight_at(weights, path):
    """What a dict of weights holds for the target at a path, or None."""
    if not isinstance(weights, Mapping):
        return None
    given = keras.tree.flatten_with_path(weights)
    return next((weight for place, weight in given if _below(place, [path])), None)
