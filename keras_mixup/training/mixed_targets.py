"""Targets and sample weights of a mixed batch on their way through Keras.

Keras takes a batch apart by its own rules: losses by name, outputs without a target,
nests of dicts. A mixed batch goes the same way, with one object in the place of each
tensor, so that none of these rules stands here again.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping

import keras
import tensorflow as tf

from keras_mixup import (
    boxes,
    keras_private,
    label_rules,
    mixing,
    target_checks,
    targets,
)
from keras_mixup.training import dense_targets


@dataclasses.dataclass(eq=False)
class MixedTarget:
    """One target of a mixed batch: the K clean targets and the share of each.

    `shares[k]` is t_k, of shape () or (batch,). `smoothing`, `multi_label`, `period`
    and `padding` are what the policy says of this target, `of_classes` whether its
    `num_classes` names it. `refused_as` is its name
    where it is shared by area, so that it may be no quantity, and `rule` the label rule
    by which it is shared. `clean` is the target of the unmixed batch. `loss` is the
    compiled loss that has taken it, None before and where there is none.
    """

    parts: list
    shares: list
    smoothing: float = 0.0
    multi_label: bool = False
    of_classes: bool = False
    refused_as: str | None = None
    period: float | None = None
    padding: str = "union"
    clean: object = None
    rule: object = None
    loss: object = None

    def mixed(self, parts, weights):
        """The mixed target and its weight, of the parts as floats."""
        settings = {"period": self.period, "padding": self.padding}
        return targets.mix_target(parts, weights, self.shares, **settings)

    def weights_of_terms(self, weights):
        """The weights of the parts where each has a loss or a metric of its own."""
        return targets.weights_of_terms(self.shares, weights, self.padding)

    def shares_of_examples(self):
        """The shares, each of shape (batch,)."""
        size = mixing.batch_size_of(self.parts[0])
        return [tf.broadcast_to(share, [size]) for share in self.shares]


@dataclasses.dataclass(eq=False)
class MixedWeight:
    """One sample weight of a mixed batch: those of the K examples, and the clean."""

    parts: list
    clean: object = None


def parts_of(tensor, partners, shares):
    """The K parts of a tensor: itself and its partners.

    A part whose share is 0 leaves no trace: the heaviest stands in its place, so that
    neither its NaN nor its infinity is ever computed with.
    """
    parts = [tensor, *(tf.gather(tensor, partner) for partner in partners)]
    heaviest, most = parts[0], shares[0]
    for part, share in zip(parts[1:], shares[1:], strict=True):
        more = mixing.expand_to_rank(share > most, tensor.shape.rank)
        heaviest, most = tf.where(more, part, heaviest), tf.maximum(share, most)
    return [
        tf.where(mixing.expand_to_rank(share == 0, tensor.shape.rank), heaviest, part)
        for part, share in zip(parts, shares, strict=True)
    ]


def mixed_batch(y, sample_weight, policy, placed):
    """Targets and weights as below, and the function for the parts of a tensor.

    Args:
        y: The clean targets.
        sample_weight: The clean weights, or None.
        policy: `Policy`.
        placed: The draw at each place of the network, of which one mixes.
    """
    shares = targets.target_coefficients(_of_all_places(placed), policy.targets)
    partners = placed[0].partners
    dense = dense_targets.flags(y, policy, placed)
    if policy.label_rule is not None:
        paths, leaves = given_targets(y)
        label_rules.check_batch(policy, leaves, paths, dense)
        clean = mixing.gather_parts([leaves[0]], partners)
        shares = label_rules.shares_by(policy, shares, clean, paths[0])
    take = functools.partial(parts_of, partners=partners, shares=shares)
    mixed = mixed_targets(y, policy, take, shares)
    weights = mixed_weights(sample_weight, take)
    if policy.label_rule == label_rules.UNION:
        _unite(mixed, weights, policy.padding)
    if any(dense):
        dense_targets.paste(y, sample_weight, mixed, weights, dense, placed)
    return mixed, weights, take


def _of_all_places(placed):
    """The coefficients of the one place that mixes: the others have 1, 0, ..., 0."""
    own, *others = zip(*[draw.coefficients for draw in placed], strict=True)
    return [math.prod(own[1:], start=own[0]), *(sum(c[1:], c[0]) for c in others)]


def mixed_targets(y, policy, parts_of, shares):
    """The targets of a batch with a `MixedTarget` in the place of each tensor.

    `parts_of` is the function above with partners and shares filled in.
    """

    def mixed(path, leaf):
        if leaf is None:
            return None
        leaf = tf.convert_to_tensor(leaf)
        _check_target(path, leaf, policy)
        multi_label = bool(targets.per_target(policy.multi_label, path))
        smoothing = policy.smoothing_of(path)
        name = "/".join(map(str, path)) or "y"
        return MixedTarget(
            *(parts_of(leaf), shares, smoothing, multi_label),
            of_classes=targets.per_target(policy.num_classes, path) is not None,
            refused_as=None if policy.may_be_quantity(path) else name,
            period=policy.period_of(path),
            padding=policy.padding,
            clean=leaf,
            rule=policy.label_rule,
        )

    return _mapped(mixed, y)


def mixed_weights(sample_weight, parts_of):
    """The sample weights of a batch, with a `MixedWeight` for each tensor."""

    def mixed(_, leaf):
        if leaf is None:
            return None
        leaf = tf.cast(tf.convert_to_tensor(leaf), tf.float32)
        return MixedWeight(parts_of(leaf), leaf)

    return None if sample_weight is None else _mapped(mixed, sample_weight)


def is_mixed(y):
    """Whether these are the targets of a mixed batch."""
    return any(isinstance(leaf, MixedTarget) for leaf in keras.tree.flatten(y))


def given_targets(y):
    """The paths and the tensors of the targets that are not None."""
    flat = keras.tree.flatten_with_path(y)
    given = [(path, tf.convert_to_tensor(one)) for path, one in flat if one is not None]
    return zip(*given, strict=True)


def first_parts(y):
    """The clean targets of the first examples, in the structure of y."""
    return keras.tree.map_structure(
        lambda leaf: leaf.parts[0] if isinstance(leaf, MixedTarget) else leaf, y
    )


def any_mask(y_pred):
    """Whether Keras has given a prediction a mask."""
    masks = map(keras_private.mask_of, keras.tree.flatten(y_pred))
    return any(mask is not None for mask in masks)


def note_masks(y_pred, clean, parts_of, padding="union"):
    """Notes on each prediction the masks of its K parts, from the clean batch.

    With "intersection" each part has the mask of them all.
    """
    pairs = zip(keras.tree.flatten(y_pred), keras.tree.flatten(clean), strict=True)
    for mixed, unmixed in pairs:
        mask = keras_private.mask_of(unmixed)
        masks = None if mask is None else parts_of(mask)
        if masks is not None and padding == "intersection":
            masks = [functools.reduce(tf.logical_and, masks)] * len(masks)
        mixed._mixup_masks = masks


def note_clean(y_pred, clean, weight):
    """Notes on each prediction that of the clean batch, and what its loss weighs."""
    pairs = zip(keras.tree.flatten(y_pred), keras.tree.flatten(clean), strict=True)
    for mixed, unmixed in pairs:
        mixed._mixup_clean = unmixed, weight


def noted_clean(y_pred):
    """The clean prediction beside a mixed one and its weight, or None and 0."""
    return getattr(y_pred, "_mixup_clean", (None, 0.0))


def noted_masks(y_pred, target):
    """The masks of the K parts of a prediction, or None.

    A target that is one part goes by the mask that the prediction has itself.
    """
    return getattr(y_pred, "_mixup_masks", None) if len(target.parts) > 1 else None


def check_batch(y, sample_weight):
    """Raises, before anything is drawn, for targets that a train step cannot mix."""
    if y is None:
        raise ValueError(
            "MixUpModel mixes targets too. Expected y, as in batches (x, y); a dict of "
            "both is taken apart by dataset.map(lambda batch: (batch['image'], "
            "batch['label'])). Received: y=None"
        )
    flat = keras.tree.flatten_with_path(y)
    for path, leaf in flat:
        boxes.refuse_in_nest(path, leaf)
        if leaf is not None:
            target_checks.refuse_censoring(path)
    leaves = [leaf for _, leaf in flat] + keras.tree.flatten(sample_weight)
    leaves = [tf.convert_to_tensor(leaf) for leaf in leaves if leaf is not None]
    names = ["/".join(map(str, path)) or "y" for path, leaf in flat if leaf is not None]
    names += ["sample_weight"] * (len(leaves) - len(names))
    mixing.check_batch_sizes(leaves, names)


def in_output_order(weights, network):
    """Sample weights in the form of the network's output, a list or a dict.

    Keras does so with targets, but not with their weights.
    """
    outputs = getattr(network, "output", None)
    if isinstance(weights, Mapping) and isinstance(outputs, (list, tuple)):
        return [weights.get(name) for name in network.output_names]
    if isinstance(weights, (list, tuple)) and isinstance(outputs, Mapping):
        names = [path[0] for path, _ in keras.tree.flatten_with_path(outputs)]
        if len(names) == len(weights):
            return dict(zip(names, weights, strict=True))
    return weights


def _unite(mixed, weights, padding):
    """Puts one part in the place of the K of the one target, and of its weight."""
    (target,) = (one for one in keras.tree.flatten(mixed) if one is not None)
    weights = [one for one in keras.tree.flatten(weights) if one is not None]
    given = [None] * len(target.parts)
    if weights:
        pairs = zip(weights[0].parts, target.parts, strict=True)
        given = [targets.fit_weight(*pair) for pair in pairs]
    united = label_rules.united(target.parts, given, target.shares, padding)
    target.parts, given, target.shares = united
    if weights:
        weights[0].parts = given


def _check_target(path, leaf, policy):
    if any(key in policy.passthrough for key in path):
        raise ValueError(
            "MixUpModel mixes every target. Expected names of inputs in "
            f"MixUp(passthrough=...). Received: {list(policy.passthrough)}, a target "
            f"at {'/'.join(map(str, path))}"
        )
    target_checks.check_circle(leaf, policy, path)
    if leaf.dtype != tf.string and not targets.is_integer(leaf):
        mixing.check_mixable(leaf, "y")


def _mapped(function, nest):
    flat = keras.tree.flatten_with_path(nest)
    return keras.tree.pack_sequence_as(nest, [function(*pair) for pair in flat])
