"""Batches of different kinds through one network, whose statistics take one of them.

Batch norm's moving statistics are to be those of all examples together. Each batch is
normalized by itself, so the first one is made of a part of each, and it alone moves the
statistics (Berthelot et al., 2019, in their program).
"""

import itertools

import keras
import tensorflow as tf

from keras_mixup import mixing


def interleaved(batches):
    """Swaps part i of the first batch with part i of batch i, for i = 1, 2, ...

    The first batch is cut into as many parts as there are batches. Where another batch
    is smaller, its size is what is cut; what is left over stays. Applied twice it gives
    back the batches.

    Args:
        batches: List of nests of tensors that are alike except in their first axis.
    """
    sizes = [mixing.batch_size_of(keras.tree.flatten(one)[0]) for one in batches]
    smallest = sizes[0]
    for size in sizes[1:]:
        both_known = isinstance(smallest, int) and isinstance(size, int)
        smallest = min(smallest, size) if both_known else tf.minimum(smallest, size)
    ends = [smallest * i // len(batches) for i in range(len(batches) + 1)]

    def swapped(*leaves):
        cut = [[leaf[a:b] for a, b in itertools.pairwise(ends)] for leaf in leaves]
        for i in range(1, len(leaves)):
            cut[0][i], cut[i][i] = cut[i][i], cut[0][i]
        rest = [leaf[smallest:] for leaf in leaves]
        pairs = zip(cut, rest, strict=True)
        return [tf.concat([*parts, last], axis=0) for parts, last in pairs]

    columns = zip(*[keras.tree.flatten(one) for one in batches], strict=True)
    rows = zip(*[swapped(*leaves) for leaves in columns], strict=True)
    return [keras.tree.pack_sequence_as(batches[0], list(row)) for row in rows]


def outputs_of_first(network, batches):
    """The outputs of each batch in training mode; the first moves the statistics.

    The penalties that the network then has are those of the first batch.
    """
    others = outputs_without_statistics(network, batches[1:])
    return [network(batches[0], training=True), *others]


def outputs_without_statistics(network, batches):
    """The outputs of each batch in training mode, which moves no statistics.

    Only random states go on, so that no two calls have the same dropout.
    """
    with keras.StatelessScope() as scope:
        outputs = [network(batch, training=True) for batch in batches]
    weights = {id(weight) for weight in network.weights}
    for state in network.variables:
        value = scope.get_current_value(state)
        if value is not None and id(state) not in weights:
            state.assign(value)
    return outputs
