"""Checks of targets before they are mixed: their kinds and their values."""

from collections.abc import Mapping

import tensorflow as tf

from keras_mixup import targets
from keras_mixup.mixing import check_mixable, check_rank_known, expand_to_rank

# Names of targets that say whether a time is that of an event or of censoring.
_OF_CENSORING = frozenset(
    ["event", "events", "event_observed", "censored", "censoring", "is_censored"]
)
CLASS_NUMBERS = (
    "Expected class numbers, such as keras.layers.StringLookup(vocabulary=names, "
    "num_oov_indices=0) gives"
)
# What a sum of a row may miss of 1, in 16 bits and over many classes.
_TOLERANCE = 1e-2


def read_target(target, num_classes, name):
    """A target as it is mixed: rows of integers or booleans become float32.

    Raises:
        ValueError: for an unknown rank.
        tf.errors.InvalidArgumentError: where the graph runs, for rows of anything but
            0 and 1, and for what turns out to be rows only then.
    """
    if _is_composite(target):
        return target
    check_rank_known(target, name)
    if num_classes is None or not targets.is_integer(target):
        return target
    if targets.has_rows(target, num_classes):
        _check_zeros_and_ones(target, num_classes, name)
        return tf.cast(target, tf.float32)
    if target.shape.rank > 1 and target.shape[-1] is None:
        _check_no_rows(target, num_classes, name)
    return target


def check_targets(read, policy, dense):
    """Checks the targets and weights of a `Batch` for a policy.

    A target that can be a sum of several needs floats or `num_classes`, and weights
    that are not negative. `dense` says of each whether it has an entry a position:
    where nothing is averaged its integers stay.
    """
    num_classes, mixing = policy.num_classes, policy.targets == "mix"
    for one in policy.chosen_from:
        labels, _ = one.goes_by(read.targets, read.paths)
        if one.pairing == "same_class":
            _check_pairing_labels(labels, one)
    parts = zip(read.targets, read.weights, read.paths, dense, strict=True)
    for leaf, weight, path, is_dense in parts:
        name = "/".join(map(str, path)) or "y"
        classes = targets.per_target(num_classes, path)
        smoothing = policy.smoothing_of(path)
        check_circle(leaf, policy, path)
        if leaf.dtype == tf.string:
            raise ValueError(
                f"Names of classes `{name}` cannot be mixed. {CLASS_NUMBERS}. "
                "Received: dtype string"
            )
        if _is_composite(leaf) or not targets.is_integer(leaf):
            check_mixable(leaf, name)
            # One number for several targets may be meant for the others.
            if isinstance(num_classes, (Mapping, tuple, list)) or len(read.paths) == 1:
                _check_rows(leaf, classes, name)
            if smoothing and not targets.per_target(policy.multi_label, path):
                check_one_of_n(leaf, weight, name, "label_smoothing")
        elif targets.per_target(policy.multi_label, path):
            raise ValueError(
                f"Class numbers `{name}` are not multi-label. Expected rows of 0 and 1 "
                "with multi_label=True, as floats or with as many entries as "
                f"num_classes says. Received: shape {leaf.shape}, "
                f"num_classes={num_classes}"
            )
        elif classes is not None:
            check_classes(leaf, classes, policy.ignore_class, name)
        elif (mixing or policy.label_smoothing) and (policy.averages or not is_dense):
            raise ValueError(
                f"Integer labels `{name}` cannot be mixed without their number of "
                f"classes. Expected {type(policy).__name__}(num_classes=...), or "
                "floats: one-hot rows, 0 and 1 for one unit, or quantities. Received: "
                f"dtype {leaf.dtype.name} and num_classes={num_classes}"
            )
        if weight is not None and mixing and not policy.is_identity:
            _check_not_negative(weight, name)


def refuse_censoring(path):
    """Raises for a target that says which times are censored, by its name."""
    for key in path:
        if str(key).lower() in _OF_CENSORING:
            raise ValueError(
                f"The target `{key}` says which times are censored. The time of a "
                "censored example is a bound, and the mean of a bound and a time is "
                "neither. Expected examples that are not censored, with their times "
                "as the target: leave the censored ones out, or join them behind the "
                f"mixing. In a pipeline MixUp(passthrough={str(key)!r}) lets it pass "
                "as it is; a label of its own needs another name. Received: a target "
                f"`{'/'.join(map(str, path))}`"
            )


def check_circle(target, policy, path):
    """Raises for a target with a period that is none of floats, or is smoothed."""
    period, name = policy.period_of(path), "/".join(map(str, path)) or "y"
    if period is None:
        return
    smoothing = policy.smoothing_of(path)
    if smoothing or not target.dtype.is_floating:
        raise ValueError(
            f"Target `{name}` that is not on a circle. Expected floats without label "
            "smoothing for a target with a period: cast angles to a float. Where only "
            "some targets have a period, name them in MixUp(period={...}). Received: "
            f"dtype {target.dtype.name}, label_smoothing={smoothing}, period={period}"
        )


def one_of_n(rows, weight, what):
    """The rows; one of weight > 0 that is no distribution fails, or is NaN in XLA."""
    fits = check_one_of_n(rows, weight, "y", what)
    if fits is None:
        return rows
    return tf.where(fits[..., tf.newaxis], rows, float("nan"))


def check_one_of_n(rows, weight, name, what):
    """Fails in the running graph on a row of weight > 0 that is no distribution.

    It gives which rows fit, or None for what is no row.
    """
    if rows.shape.rank < 2 or rows.shape[-1] in (1, None):
        return None
    sums = tf.reduce_sum(tf.cast(rows, tf.float32), axis=-1)
    fits = tf.abs(sums - 1) < _TOLERANCE
    if weight is not None:
        fits |= expand_to_rank(weight, sums.shape.rank) == 0
    tf.debugging.Assert(
        tf.reduce_all(fits),
        [
            f"{what} takes rows of one of n classes, which sum to 1. Where each entry "
            f"of `{name}` is a label of 0 or 1 by itself, write "
            "MixUp(multi_label=True). Received rows with the sums:",
            tf.boolean_mask(sums, ~fits),
        ],
        summarize=5,
    )
    return fits


def _check_pairing_labels(labels, policy):
    """Checks that the target of `pairing="same_class"` names one class an example."""
    shape = labels.shape
    if targets.is_integer(labels):
        if shape.rank > 1 and shape[1:].num_elements() != 1:
            raise ValueError(
                'pairing="same_class" needs labels that name one class an example. '
                "Expected class numbers of shape (batch_size,) or rows of num_classes. "
                f"Received: shape {shape}, num_classes={policy.num_classes}"
            )
    elif shape.rank == 2 and shape[1] != 1:
        check_one_of_n(labels, None, "y", 'pairing="same_class"')


def _is_composite(target):
    return isinstance(target, (tf.RaggedTensor, tf.SparseTensor))


def _check_zeros_and_ones(rows, num_classes, name):
    if rows.dtype.is_bool:
        return
    tf.debugging.Assert(
        tf.reduce_all((rows == 0) | (rows == 1)),
        [
            f"Invalid value received for `{name}`. A last axis of num_classes="
            f"{num_classes} entries is that of rows of 0 and 1. Class numbers at so "
            f"many positions need a last axis of one: `{name}[..., tf.newaxis]`. "
            "Received:",
            rows,
        ],
        summarize=12,
    )


def _check_no_rows(labels, num_classes, name):
    values = tf.cast(labels, tf.int64)
    looks_like_rows = tf.equal(tf.shape(labels)[-1], num_classes) & tf.reduce_all(
        (values == 0) | (values == 1)
    )
    tf.debugging.Assert(
        ~looks_like_rows | (num_classes == 1),
        [
            f"`{name}` may be rows of num_classes={num_classes} entries, or class "
            "numbers at so many positions: its last axis is of unknown size. Set its "
            "shape where it has rows (`tf.ensure_shape`), and add a last axis of one "
            f"where it has class numbers: `{name}[..., tf.newaxis]`. Received:",
            labels,
        ],
        summarize=12,
    )


def _check_not_negative(weight, name):
    tf.debugging.Assert(
        tf.reduce_all(weight >= 0),
        [
            f"Invalid value received for `sample_weight` of `{name}`. Expected weights "
            ">= 0: one row and one weight cannot say what a loss of weights of both "
            "signs is. MixUpModel can: it weighs the loss of each label. Received:",
            tf.boolean_mask(weight, ~(weight >= 0)),
        ],
        summarize=5,
    )


def check_classes(labels, num_classes, ignore_class, name):
    """Fails, where the graph runs, on a label outside `[0, num_classes)`."""
    wide = tf.cast(labels, tf.int64)
    inside = (wide >= 0) & (wide < num_classes)
    if ignore_class is not None:
        inside |= wide == ignore_class
    tf.debugging.Assert(
        tf.reduce_all(inside),
        [
            f"Invalid value received for `{name}`. Expected integer labels in "
            f"[0, {num_classes}), or void ones named by `ignore_class`. Received:",
            tf.boolean_mask(wide, ~inside),
        ],
        summarize=5,
    )


def _check_rows(target, num_classes, name):
    """Raises where floats are no rows of that many classes."""
    if num_classes is None:
        return
    if target.shape.rank < 2 or target.shape[-1] not in (None, num_classes):
        raise ValueError(
            f"Float target `{name}` of a shape that is no row of classes: class "
            "numbers cannot be averaged. Expected integer labels, or one-hot rows of "
            f"shape (batch_size, ..., {num_classes}). Received: shape {target.shape} "
            f"and dtype {target.dtype.name}, num_classes={num_classes}"
        )
