"""Targets with an entry at each position, where regions of partners are pasted.

Each position has the entry of the example that it shows: one clean target takes the
place of the K, of the same dtype, for any loss.
"""

import keras
import tensorflow as tf

from keras_mixup import combining, grids, mixing, targets


def flags(y, policy, placed):
    """For each target that is not None whether it is dense.

    Args:
        y: The targets.
        policy: `Policy`.
        placed: The draw at each place of the network.

    Raises:
        ValueError: for a dense target where a policy may average.
    """
    found = []
    grid_of = [draw.grid for draw in placed if draw.grid is not None]
    for path, leaf in keras.tree.flatten_with_path(y):
        if leaf is None:
            continue
        leaf, name = tf.convert_to_tensor(leaf), "/".join(map(str, path)) or "y"
        classes = targets.per_target(policy.num_classes, path)
        of_all = [grids.is_dense(leaf, grid, classes, name) for grid in grid_of]
        found.append(any(of_all))
        if found[-1] and policy.averages:
            raise ValueError(
                f"The target `{name}` has an entry at each position, which one policy "
                "averages and another one pastes. Expected one kind of policy in "
                "MixUpModel for such targets, or the pipeline: "
                "dataset.apply(keras_mixup.RandomChoice(...)) with num_classes. "
                f"Received: {policy!r}"
            )
        if not found[-1]:
            policy.check_shared(leaf, path, name)
    return found


def paste(y, sample_weight, mixed, weights, dense, placed):
    """Puts one pasted target in the place of the K parts, where a target is dense.

    Args:
        y: The clean targets.
        sample_weight: The clean weights, or None.
        mixed: The `MixedTarget` of each target, which are changed.
        weights: The `MixedWeight` of each weight, the same.
        dense: What `flags` gives.
        placed: The draw at each place of the network.
    """
    clean, mixed = _leaves(y), _leaves(mixed)
    given, weights = _leaves(sample_weight), _leaves(weights)
    if weights and len(weights) != len(mixed):
        raise ValueError(
            "Invalid structure received for `sample_weight`. Expected one weight for "
            f"each of {len(mixed)} targets, since some have an entry at each position. "
            f"Received: {len(weights)}"
        )
    for i, is_dense in enumerate(dense):
        if is_dense:
            target = tf.convert_to_tensor(clean[i])
            mixed[i].parts = [_pasted(target, placed)]
            mixed[i].shares = [tf.constant(1.0)]
            if weights:
                weight = _at_positions(given[i], target, placed[0].grid)
                weights[i].parts = [_pasted(weight, placed)]


def _at_positions(weight, target, grid):
    """A sample weight as one of each position, float32."""
    weight = targets.fit_weight(tf.convert_to_tensor(weight), target)
    rank = max(grid.axes) + 1
    if weight.shape.rank > rank:
        return weight
    shape = tf.shape(targets.without_column(target))[:rank]
    return tf.broadcast_to(mixing.expand_to_rank(weight, rank), shape)


def _pasted(tensor, placed):
    """The tensor as the one draw that mixes pastes it; the others leave it."""
    others = mixing.gather_parts([tensor], placed[0].partners)[1:]
    for draw in placed:
        tensor = combining.combined([tensor, *others], draw)
    return tensor


def _leaves(nest):
    return [leaf for leaf in keras.tree.flatten(nest) if leaf is not None]
