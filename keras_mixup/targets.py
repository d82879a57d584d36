"""Targets: one-hot rows, label smoothing, and how sample weights enter.

With sample weights w the mixed example weighs `W = sum_k t_k w_k` and its loss
is `sum_k t_k w_k loss(y_k)`. For a loss that is linear in its target this is
`W loss(y~)` with `y~ = sum_k (t_k w_k / W) y_k`, so an example of weight zero
(padding, unlabeled) leaves no trace in the target. An ignored class is a
weight of zero at its position: the same rule serves both.

Integers and booleans are class numbers, or rows where `has_rows` says so.
"""

import functools
from collections.abc import Mapping
from typing import get_args

import tensorflow as tf

from keras_mixup import circle, hints, similarity
from keras_mixup.mixing import (
    absences,
    check_rank_known,
    convex_combination,
    expand_to_rank,
)

TARGETS = get_args(hints.Targets)


def is_integer(tensor):
    """Whether a target holds classes: integers or booleans."""
    return tensor.dtype.is_integer or tensor.dtype.is_bool


def has_rows(target, num_classes):
    """Whether the last axis of a target of integers or booleans is that of its classes.

    It is where it has `num_classes` entries, so that (batch, num_classes) are one-hot
    or multi-hot rows. Class numbers at so many positions are written with a last axis
    of one behind them, (batch, num_classes, 1), which is always that of class numbers.
    """
    shape = target.shape
    of_classes = num_classes not in (None, 1)
    return (
        is_integer(target)
        and of_classes
        and shape.rank > 1
        and (shape[-1] == num_classes)
    )


def one_hot(labels, num_classes):
    """Float32 one-hot rows on a new last axis; a last axis of one is dropped.

    Values outside `[0, num_classes)` give a row of zeros.
    """
    labels = without_column(labels)
    return tf.one_hot(tf.cast(labels, tf.int32), num_classes, dtype=tf.float32)


def without_column(labels):
    """Integer labels without a last axis of one."""
    if labels.shape.rank > 1 and labels.shape[-1] == 1:
        return tf.squeeze(labels, -1)
    return labels


def fit_weight(weight, target):
    """A sample weight as float32, one for each leading position of its target.

    Raises:
        ValueError: for a shape that would broadcast against the loss.
    """
    check_rank_known(target, "y")
    check_rank_known(weight, "sample_weight")
    if is_integer(target):
        positions = without_column(target).shape
    else:
        positions = target.shape[: max(target.shape.rank - 1, 1)]
    weight, given = tf.cast(weight, tf.float32), weight.shape
    while not _leads(weight.shape, positions):
        if weight.shape.rank < 2 or weight.shape[-1] != 1:
            raise ValueError(
                "Invalid shape received for `sample_weight`. Expected one weight an "
                f"example, or one a position, {positions}; any other would broadcast. "
                f"Received: shape {given}"
            )
        weight = tf.squeeze(weight, -1)
    return weight


def _leads(shape, positions):
    """Whether a shape is the beginning of another, the batch aside."""
    rank = shape.rank
    return rank <= positions.rank and shape[1:].is_compatible_with(positions[1:rank])


def smooth(rows, amount, multi_label=False):
    """Label smoothing (Szegedy et al., 2016): `(1 - s) y + s / classes`.

    Of independent labels, each 0 or 1, it is `(1 - s) y + s / 2`.
    """
    if not amount:
        return rows
    if multi_label:
        return rows * (1 - amount) + amount / 2
    if rows.shape.rank < 2 or rows.shape[-1] in (1, None):
        raise ValueError(
            "`label_smoothing` spreads weight over classes. Expected integer labels "
            "with num_classes, one-hot rows of shape (batch_size, ..., classes), or "
            "multi_label=True where each entry is a label of 0 or 1 by itself. "
            f"Received: targets of shape {rows.shape} and dtype {rows.dtype.name}"
        )
    return rows * (1 - amount) + amount / rows.shape[-1]


def target_coefficients(coefficients, targets):
    """The weights t_k of the labels: those of the inputs, or 1 for the heaviest."""
    if targets == "mix":
        return coefficients
    heaviest = tf.argmax(tf.stack(coefficients), axis=0, output_type=tf.int32)
    return [
        tf.cast(heaviest == index, coefficients[0].dtype)
        for index in range(len(coefficients))
    ]


def weigh(coefficients, weights, padding="union"):
    """W and the shares `t_k w_k / W` (t_k where W is zero), given every w_k.

    Weights may be negative. Where they cancel, so that no W y~ is the sum, W is NaN.
    With "intersection" W is 0 where any part of t_k > 0 has w_k = 0.
    """
    # A coefficient of each position makes a weight of each.
    rank = max(one.shape.rank for one in (*weights, *coefficients))
    coefficients = [expand_to_rank(t, rank) for t in coefficients]
    weights = [expand_to_rank(tf.cast(w, tf.float32), rank) for w in weights]
    products = [
        tf.math.multiply_no_nan(w, t)
        for t, w in zip(coefficients, weights, strict=True)
    ]
    total = tf.add_n(products)
    shares = [
        tf.where(total != 0, tf.math.divide_no_nan(product, total), t)
        for product, t in zip(products, coefficients, strict=True)
    ]
    cancel = (total == 0) & (tf.add_n([tf.abs(product) for product in products]) > 0)
    total = tf.where(cancel, float("nan"), total)
    if padding == "intersection":
        total = tf.where(_in_all(coefficients, weights), total, tf.zeros_like(total))
    return total, shares


def weights_of_terms(coefficients, weights, padding):
    """The weights w_k by which each part has a loss of its own: as in `weigh`."""
    if padding == "union" or weights[0] is None:
        return weights
    rank = max(one.shape.rank for one in (*weights, *coefficients))
    weights = [expand_to_rank(weight, rank) for weight in weights]
    here = _in_all(coefficients, weights)
    return [tf.where(here, weight, tf.zeros_like(weight)) for weight in weights]


def _in_all(coefficients, weights):
    """Where each part of a coefficient above 0 has a weight other than 0."""
    missing = absences(coefficients, [weight != 0 for weight in weights])
    return ~functools.reduce(tf.logical_or, missing)


def mix_target(
    parts,
    weights,
    coefficients,
    num_classes=None,
    ignore_class=None,
    label_smoothing=0,
    multi_label=False,
    period=None,
    padding="union",
):
    """The mixed target and its weight, or None where nothing is weighted.

    Args:
        parts: The K targets: floats, or class numbers, which become one-hot rows of
            `num_classes`. Without `num_classes` integers are chosen, not mixed:
            one coefficient an example must then be 1.
        weights: The K sample weights, or K times None.
        coefficients: The K weights of the targets, each () or (batch,).
        num_classes: Integer or None.
        ignore_class: Integer or None; gives weight 0 to its positions.
        label_smoothing: Float in [0, 1).
        multi_label: Whether the entries of a row are labels by themselves.
        period: Number or None; the floats are then mixed on a circle.
        padding: `"union"` or `"intersection"`, as of `weigh`.
    """
    if is_integer(parts[0]):
        if ignore_class is not None:
            weights = [
                valid_weights(part, ignore_class, weight)
                for part, weight in zip(parts, weights, strict=True)
            ]
        if num_classes is not None:
            parts = [one_hot(part, num_classes) for part in parts]
    shares, total = coefficients, None
    if weights[0] is not None:
        parts = list(map(without_nan, parts, weights))
        total, shares = weigh(coefficients, weights, padding)
    if is_integer(parts[0]) and label_smoothing == 0:
        return select_target(parts, coefficients), total
    if period is not None and len(parts) > 1:
        return circle.mixed(parts, shares, period), total
    parts = [smooth(part, label_smoothing, multi_label) for part in parts]
    return convex_combination(parts, shares), total


def without_nan(target, weight):
    """The target, 0 where it weighs 0 and is not finite: 0 times NaN would be NaN."""
    if weight is None or not target.dtype.is_floating:
        return target
    hole = ~tf.math.is_finite(target)
    hole &= expand_to_rank(weight == 0, target.shape.rank)
    return tf.where(hole, tf.zeros_like(target), target)


def select_target(parts, coefficients):
    """The integer target whose coefficient is 1, where only one is not 0."""
    chosen = parts[0]
    for part, coefficient in zip(parts[1:], coefficients[1:], strict=True):
        here = expand_to_rank(coefficient, part.shape.rank) > 0
        chosen = tf.where(here, part, chosen)
    return chosen


def valid_weights(labels, ignore_class, weights=None):
    """The weight of each position: the sample weight, 0 at the ignored class."""
    labels = without_column(labels)
    valid = tf.cast(tf.cast(labels, tf.int64) != ignore_class, tf.float32)
    if weights is None:
        return valid
    weights = expand_to_rank(tf.cast(weights, tf.float32), valid.shape.rank)
    return tf.math.multiply_no_nan(weights, valid)


def per_target(value, path):
    """What a setting says for one target: one for all, by name, or by position."""
    if isinstance(value, Mapping):
        return next((value[key] for key in path if key in value), None)
    if isinstance(value, (tuple, list)):
        if path and isinstance(path[0], int) and path[0] < len(value):
            return value[path[0]]
        raise ValueError(
            "A list of settings needs a list of targets, one for each. Received: "
            f"{list(value)} for the target at {'/'.join(map(str, path)) or 'y'}"
        )
    return value


def pairing_target(leaves, paths, name=None):
    """The target that the pairing goes by, and its path: the only or the named one."""
    names = ["/".join(map(str, path)) or "y" for path in paths]
    found = [
        (leaf, path)
        for leaf, path, shown in zip(leaves, paths, names, strict=True)
        if name is None or name in (*path, shown)
    ]
    if len(found) == 1:
        return found[0]
    raise ValueError(
        "This pairing goes by one target. Expected the name of one in "
        f"MixUp(pairing_target=...). Received: pairing_target={name!r} and targets "
        f"{names}"
    )


def pairing_rows(leaves, paths, name, bandwidth, period=None):
    """The rows of `pairing="similar_target"`, with their bandwidths.

    Of a dict of bandwidths the named targets count together.
    """
    named = bandwidth if isinstance(bandwidth, Mapping) else {name: bandwidth}
    found = []
    for name, width in named.items():
        leaf, path = pairing_target(leaves, paths, name)
        found.append(similarity.rows_of(leaf, width, per_target(period, path)))
    return similarity.joined(found)
