"""The targets of a mixed batch, and the loss and metric terms made from them.

Integer targets cannot be averaged: their loss is one term an example of the mix,
`(1 / K) sum_k loss(y_k, weight = K t_k w_k)`. Written so, with the shares as
sample weights, a regularizer counts once, a loss tracker shows the mean, and any
Keras loss that averages `weight * loss` over the batch is exact. Float targets
are mixed and have one term.
"""

import dataclasses

import keras
import tensorflow as tf

from keras_mixup import batches, mixing, targets


@dataclasses.dataclass
class MixedTargets:
    """The K clean targets and weights of a mixed batch, as flat lists.

    `coefficients` are the shares t_k of the targets, each () or (batch,);
    `parts[k]` and `weights[k]` the targets and sample weights (or None) of the
    k-th example, `like` a nest with their structure, `paths` where each target was
    given, for what the policy says of it alone.
    """

    policy: object
    coefficients: list
    parts: list
    weights: list
    like: object
    paths: list
    batch_size: object

    @property
    def weighs_examples(self):
        """Whether integer targets have a share for each example of the batch."""
        return any(map(targets.is_integer, self.parts[0])) and any(
            share.shape.rank for share in self.coefficients
        )

    def loss_terms(self, predictions, loss_ranks):
        """(y, sample_weight) for each call of the compiled loss.

        `loss_ranks` are the ranks of what the losses give, or None where unknown: one
        of few axes takes no weight for each position.
        """
        count = len(self.coefficients)
        mixed, totals = self._mixed(self.policy.smoothing_of)
        integer = [targets.is_integer(leaf) for leaf in self.parts[0]]
        ranks = [
            min(given or prediction.shape.rank, prediction.shape.rank - 1)
            for given, prediction in zip(loss_ranks, predictions, strict=True)
        ]
        if not any(integer):
            if all(total is None for total in totals):
                return [(self._pack(mixed), None)]
            totals = [
                self._of_rank(t, rank) for t, rank in zip(totals, ranks, strict=True)
            ]
            return [(self._pack(mixed), self._pack(totals))]
        terms = []
        for k in range(count):
            y, weights = [], []
            for i, rank in enumerate(ranks):
                share = self._share(k, i) * count if integer[i] else totals[i]
                y.append(self.parts[k][i] if integer[i] else mixed[i])
                weights.append(self._of_rank(share, rank))
            terms.append((self._pack(y), self._pack(weights)))
        return terms

    def metric_terms(self, predictions, weighted):
        """(y, weight) for each clean target; with sample weights or without."""
        terms = []
        for k in range(len(self.coefficients)):
            shares = []
            for i, prediction in enumerate(predictions):
                share = self._spread(self._share(k, i, weighted), 1)
                if prediction.shape.rank > 2:
                    # Dense targets: a metric may look at each position alone.
                    ones = tf.ones_like(prediction[..., 0], tf.float32)
                    share = ones * mixing.expand_to_rank(share, ones.shape.rank)
                shares.append(share)
            terms.append((self._pack(self.parts[k]), self._pack(shares)))
        return terms

    def mixed_term(self):
        """The mixed targets and their weights, unsmoothed."""
        mixed, totals = self._mixed(lambda path: 0)
        return self._pack(mixed), self._pack(totals)

    def _mixed(self, smoothing_of):
        """Each float target mixed; an integer one as the first example has it."""
        mixed, totals = [], []
        for i, first in enumerate(self.parts[0]):
            weights = [weights[i] for weights in self.weights]
            if targets.is_integer(first):
                target, total = first, None
            else:
                target, total = targets.mix_target(
                    [part[i] for part in self.parts],
                    weights,
                    self.coefficients,
                    label_smoothing=smoothing_of(self.paths[i]),
                )
            mixed.append(target)
            totals.append(total)
        return mixed, totals

    def _share(self, k, i, weighted=True):
        """`t_k w_k` of a target."""
        share, weight = tf.cast(self.coefficients[k], tf.float32), self.weights[k][i]
        if weight is None or not weighted:
            return share
        return mixing.expand_to_rank(share, weight.shape.rank) * weight

    def _of_rank(self, weight, rank):
        """A weight of that rank: the mean of its further axes, or new ones of size one."""
        weight = self._spread(weight, rank)
        axes = list(range(max(rank, 1), weight.shape.rank))
        return tf.reduce_mean(weight, axes) if axes else weight

    def _spread(self, weight, rank):
        """A weight of at least shape (batch, 1, ...): a vector would broadcast."""
        if weight is None:
            weight = tf.constant(1.0)
        if weight.shape.rank == 0:
            weight = tf.fill([self.batch_size], weight)
        return mixing.expand_to_rank(weight, rank)

    def _pack(self, leaves):
        return keras.tree.pack_sequence_as(self.like, leaves)


def read_targets(y, sample_weight, policy, names=None):
    """Flat targets, weights and paths of one batch, checked for a train step.

    `names` are those of the targets, where y was a dict of them and is a list now.
    """
    if y is None:
        raise ValueError("MixUpModel mixes targets too. Expected y. Received: y=None")
    flat = [
        (path, tf.convert_to_tensor(leaf))
        for path, leaf in keras.tree.flatten_with_path(y)
    ]
    weights = batches.spread_weights(sample_weight, y, flat)
    leaves = [leaf for _, leaf in flat]
    paths = [path for path, _ in flat]
    if names is not None:
        paths = [(names[path[0]], *path[1:]) for path in paths]
    for leaf, path in zip(leaves, paths, strict=True):
        if any(key in policy.passthrough for key in path):
            raise ValueError(
                "MixUpModel mixes every target. Expected names of inputs in "
                f"MixUp(passthrough=...). Received: {list(policy.passthrough)}, a target "
                f"at {'/'.join(map(str, path))}"
            )
        if not targets.is_integer(leaf):
            mixing.check_mixable(leaf, "y")
        elif policy.smoothing_of(path):
            raise ValueError(
                "Integer labels cannot be smoothed: a sparse loss has no place for the "
                "other classes. Expected one-hot labels and CategoricalCrossentropy, "
                "or label_smoothing=0. Received: labels of dtype "
                f"{leaf.dtype.name}, label_smoothing={policy.label_smoothing}"
            )
    present = [weight for weight in weights if weight is not None]
    mixing.check_batch_sizes([*leaves, *present])
    return leaves, weights, paths


def any_soft_rows(leaves):
    """1.0 where a float target has rows that sum to 1 and are not one-hot.

    None where no target has rows.
    """
    found = None
    for leaf in leaves:
        if targets.is_integer(leaf) or leaf.shape.rank < 2 or leaf.shape[-1] == 1:
            continue
        sums_to_one = tf.abs(tf.reduce_sum(leaf, -1) - 1) < 1e-2
        soft = sums_to_one & (tf.reduce_min(leaf, -1) >= 0)
        soft &= tf.reduce_max(leaf, -1) < 0.999
        any_soft = tf.cast(tf.reduce_any(soft), tf.float32)
        found = any_soft if found is None else tf.maximum(found, any_soft)
    return found


def in_output_order(nest, network):
    """Targets or weights in the form of the network's output, a list or a dict.

    Keras does so with targets, but not with their weights.
    """
    outputs = getattr(network, "output", None)
    if isinstance(nest, dict) and isinstance(outputs, (list, tuple)):
        return [nest.get(name) for name in network.output_names]
    if isinstance(nest, (list, tuple)) and isinstance(outputs, dict):
        names = [path[0] for path, _ in keras.tree.flatten_with_path(outputs)]
        if len(names) == len(nest):
            return dict(zip(names, nest, strict=True))
    return nest


def predictions_of(y_pred, like, losses=None):
    """Predictions as a flat list, in the order of the flattened targets.

    Where there are fewer targets than outputs, they are those of the outputs that have a
    loss; `losses` are in the structure of `y_pred`.
    """
    if isinstance(y_pred, dict) and isinstance(like, dict):
        y_pred = {key: y_pred[key] for key in like if key in y_pred}
    predictions, targets_of = keras.tree.flatten(y_pred), keras.tree.flatten(like)
    losses = keras.tree.flatten(losses)
    if len(predictions) == len(losses) > len(targets_of):
        predictions = [
            prediction
            for prediction, loss in zip(predictions, losses, strict=True)
            if loss is not None
        ]
    if len(predictions) != len(targets_of):
        raise ValueError(
            "The number of targets is not that of the outputs. Expected a target for "
            f"each of {len(predictions)} outputs, in their structure. Received: "
            f"{len(targets_of)} targets"
        )
    return predictions
