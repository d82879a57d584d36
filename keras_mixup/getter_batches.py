"""A batch as a policy reads it, of any structure where a function finds its labels."""

import keras

from keras_mixup import batches, dict_batches


def check_getter(getter, ignore_class):
    """Raises unless it is None or a function; void pixels would need a weight."""
    if getter is not None and not callable(getter):
        raise ValueError(
            "Invalid value received for argument `labels_getter`. Expected a function "
            "of the batch that gives its labels, or None. Received: "
            f"labels_getter={getter!r}"
        )
    if getter is not None and ignore_class is not None:
        raise ValueError(
            "`ignore_class` makes sample weights, for which a batch of its own "
            "structure has no place. Expected labels_getter=None, and batches "
            f"(x, y). Received: ignore_class={ignore_class!r}"
        )


def read(policy, batch, other=None):
    """The `Batch` of a batch and of a second one, and the way back for a mixed (x, y).

    The latter is None where the batch has a form that is known without a getter.
    """
    form = policy.passthrough, policy.num_classes, policy.mixed_integers
    together = None
    if policy.labels_getter is not None:
        apart = policy.labels_getter, policy.passthrough
        batch, together = taken_apart(batch, *apart)
        other = None if other is None else taken_apart(other, *apart)[0]
    found = [batches.read_batch(batch, *form)]
    if other is None and not policy.is_identity:
        batches.check_several(found[0])
    if other is not None:
        found.append(batches.read_batch(other, *form))
        batches.check_alike(*found)
    batches.check_names(batch, policy)
    return found, together


def taken_apart(batch, getter, passthrough):
    """The batch as (x, y), and a function that puts a mixed (x, y) together again.

    Args:
        batch: A nest of arrays or tensors.
        getter: Function of the batch that gives a leaf of it, or a nest of them.
        passthrough: Names of entries that pass.
    """
    flat = keras.tree.flatten_with_path(batch)
    labels = _found(batch, getter)
    is_label = [any(leaf is one for one in labels) for _, leaf in flat]
    if not labels or sum(is_label) != len(labels):
        raise ValueError(
            "`labels_getter` has to give entries of the batch as they are, each once. "
            "Expected a function such as lambda batch: batch['category']. Received: "
            f"{len(labels)} labels, of which {sum(is_label)} are entries of "
            f"{dict_batches.structure_of(batch)}"
        )

    def kept(labels):
        leaves = [
            leaf if of_labels == labels else None
            for (_, leaf), of_labels in zip(flat, is_label, strict=True)
        ]
        return keras.tree.pack_sequence_as(batch, leaves)

    x, y = kept(False), kept(True)
    for name in dict_batches.like_targets(x, passthrough):
        raise ValueError(
            f"The entry `{name}` is named like a target or a weight, and "
            "`labels_getter` does not give it. Expected it among the labels, or in "
            f"passthrough. Received: {dict_batches.structure_of(batch)}"
        )

    def together(mixed):
        pairs = zip(*map(keras.tree.flatten, mixed), is_label, strict=True)
        leaves = [y if of_labels else x for x, y, of_labels in pairs]
        return keras.tree.pack_sequence_as(batch, leaves)

    return (x, y), together


def _found(batch, getter):
    try:
        return keras.tree.flatten(getter(batch))
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(
            "`labels_getter` found no labels. Expected a function of the batch that "
            "gives entries of it. Received: "
            f"{type(error).__name__}: {error}, of {dict_batches.structure_of(batch)}"
        ) from error
