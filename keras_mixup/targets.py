"""Targets: one-hot rows, label smoothing, and how sample weights enter.

With sample weights w the mixed example weighs `W = sum_k t_k w_k` and its loss
is `sum_k t_k w_k loss(y_k)`. For a loss that is linear in its target this is
`W loss(y~)` with `y~ = sum_k (t_k w_k / W) y_k`, so an example of weight zero
(padding, unlabeled) leaves no trace in the target. An ignored class is a
weight of zero at its position: the same rule serves both.
"""

from collections.abc import Mapping

import tensorflow as tf

from keras_mixup.mixing import check_mixable, convex_combination, expand_to_rank

TARGETS = ("mix", "closer")


def is_integer(tensor):
    """Whether a target holds classes: integers or booleans."""
    return tensor.dtype.is_integer or tensor.dtype.is_bool


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


def smooth(rows, amount):
    """Label smoothing (Szegedy et al., 2016): `(1 - s) y + s / classes`."""
    if not amount:
        return rows
    if rows.shape.rank < 2 or rows.shape[-1] in (1, None):
        raise ValueError(
            "`label_smoothing` spreads weight over classes. Expected integer labels "
            "with num_classes, or one-hot rows of shape (batch_size, ..., classes). "
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


def weigh(coefficients, weights):
    """W and the shares `t_k w_k / W` (t_k where W is zero), given every w_k."""
    rank = weights[0].shape.rank
    coefficients = [expand_to_rank(t, rank) for t in coefficients]
    products = [
        t * tf.cast(w, tf.float32) for t, w in zip(coefficients, weights, strict=True)
    ]
    total = tf.add_n(products)
    shares = [
        tf.where(total > 0, tf.math.divide_no_nan(product, total), t)
        for product, t in zip(products, coefficients, strict=True)
    ]
    return total, shares


def mix_target(
    parts, weights, coefficients, num_classes=None, ignore_class=None, label_smoothing=0
):
    """The mixed target and its weight, or None where nothing is weighted.

    Args:
        parts: The K targets: floats, or integers, which become one-hot rows of
            `num_classes`. Without `num_classes` integers are chosen, not mixed:
            one coefficient an example must then be 1.
        weights: The K sample weights, or K times None.
        coefficients: The K weights of the targets, each () or (batch,).
        num_classes: Integer or None.
        ignore_class: Integer or None; gives weight 0 to its positions.
        label_smoothing: Float in [0, 1).
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
        total, shares = weigh(coefficients, weights)
    if is_integer(parts[0]) and label_smoothing == 0:
        return select_target(parts, coefficients), total
    parts = [smooth(part, label_smoothing) for part in parts]
    return convex_combination(parts, shares), total


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
    return valid * expand_to_rank(tf.cast(weights, tf.float32), valid.shape.rank)


def _check_classes(labels, num_classes, ignore_class, name):
    """Fails, where the graph runs, on a label outside `[0, num_classes)`."""
    wide = tf.cast(labels, tf.int64)
    inside = (wide >= 0) & (wide < num_classes)
    if ignore_class is not None:
        inside |= wide == ignore_class
    tf.debugging.Assert(
        tf.reduce_all(inside),
        [
            f"Invalid value received for `{name}`. Expected integer labels in "
            f"[0, {num_classes}). Received:",
            tf.boolean_mask(wide, ~inside),
        ],
        summarize=5,
    )


def _check_rows(target, num_classes, name):
    """Raises where floats are no rows of that many classes."""
    if num_classes is None or isinstance(target, tf.RaggedTensor):
        return
    if target.shape.rank < 2 or target.shape[-1] not in (None, num_classes):
        raise ValueError(
            f"Float target `{name}` of a shape that is no row of classes: class numbers "
            "cannot be averaged. Expected integer labels, or one-hot rows of shape "
            f"(batch_size, ..., {num_classes}). Received: shape {target.shape} and dtype "
            f"{target.dtype.name}, num_classes={num_classes}"
        )


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


def check_targets(leaves, paths, num_classes, ignore_class, choosing):
    """Checks the targets of a batch before they are mixed.

    `choosing` says that targets are chosen, not mixed: integers may stay.
    """
    for leaf, path in zip(leaves, paths, strict=True):
        name = "/".join(map(str, path)) or "y"
        classes = per_target(num_classes, path)
        if isinstance(leaf, tf.RaggedTensor) or not is_integer(leaf):
            check_mixable(leaf, name)
            # One number for several targets may be meant for the others.
            if isinstance(num_classes, (Mapping, tuple, list)) or len(leaves) == 1:
                _check_rows(leaf, classes, name)
        elif classes is not None:
            _check_classes(leaf, classes, ignore_class, name)
        elif not choosing:
            raise ValueError(
                f"Integer labels `{name}` cannot be mixed without their number of "
                "classes. Expected MixUp(num_classes=...), or one-hot rows of floats. "
                f"Received: dtype {leaf.dtype.name} and num_classes={num_classes}"
            )
