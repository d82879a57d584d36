"""Rules by which a label has another share than its example.

Two examples are mixed by lam, their labels by `lam_y = rule(lam, y_i, y_j)`. "union" is
no share at all: what any of the mixed examples has, the mixed one has.
"""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import hints, target_checks, targets
from keras_mixup.mixing import batch_size_of, expand_to_rank

UNION = "union"


@keras.saving.register_keras_serializable("keras_mixup")
class Remix:
    """The label of a rare class is not outweighed by a common one (Chou et al., 2020).

    For `MixUp(label_rule=...)`. Of a pair with the classes i and j, which have n_i and
    n_j training examples, the label y_i has the share

        lam_y = 0    if n_i / n_j >= kappa and lam < tau
        lam_y = 1    if n_i / n_j <= 1 / kappa and 1 - lam < tau
        lam_y = lam  else

    and y_j has `1 - lam_y`. The features are mixed by lam. A lam of 1 or 0 gives one
    example with its own label.

    Args:
        counts: Numbers > 0, the training examples of each class, in the order of the
            class numbers. Their ratios matter alone.
        kappa: Number >= 1, from which ratio on a class is rare beside another.
        tau: Number in [0, 1], the share up to which the common class gives way.

    Raises:
        ValueError: for arguments out of range.

    References:
        Chou et al., "Remix: rebalanced mixup", ECCV Workshops 2020; kappa 3 and tau 0.5
        are theirs.

    Examples:
        >>> remix = keras_mixup.Remix(np.bincount(labels))
        >>> mixup = keras_mixup.MixUp(1.0, label_rule=remix, num_classes=10)
    """

    def __init__(
        self,
        counts: Sequence[float] | hints.Array,
        kappa: float = 3.0,
        tau: float = 0.5,
    ) -> None:
        numbers_of = np.asarray(counts)
        fits = (
            numbers_of.ndim == 1 and len(numbers_of) and numbers_of.dtype.kind in "iuf"
        )
        if not (fits and np.all(np.isfinite(numbers_of) & (numbers_of > 0))):
            raise ValueError(
                "Invalid value received for argument `counts`. Expected the number of "
                "training examples of each class, each > 0 (1 for a class that has "
                f"none). Received: counts={counts}"
            )
        if not (isinstance(kappa, numbers.Real) and 1 <= kappa < math.inf):
            raise ValueError(
                "Invalid value received for argument `kappa`. Expected a finite number "
                f">= 1. Received: kappa={kappa!r}"
            )
        if not (isinstance(tau, numbers.Real) and 0 <= tau <= 1):
            raise ValueError(
                "Invalid value received for argument `tau`. Expected a number in "
                f"[0, 1]. Received: tau={tau!r}"
            )
        self.counts: list[float] = numbers_of.tolist()
        self.kappa: float = float(kappa)
        self.tau: float = float(tau)

    def __call__(
        self, lam: hints.TensorLike, y_i: hints.TensorLike, y_j: hints.TensorLike
    ) -> tf.Tensor:
        """The share of y_i, for lam and one-hot rows of a batch."""
        n_i, n_j = (
            tf.reduce_sum(y * tf.constant(self.counts, y.dtype), -1) for y in (y_i, y_j)
        )
        gives_way = (n_i >= self.kappa * n_j) & (lam < self.tau)
        takes_all = (self.kappa * n_i <= n_j) & (1 - lam < self.tau)
        whole = tf.where(takes_all, tf.ones_like(lam), lam)
        return tf.where(gives_way, tf.zeros_like(lam), whole)

    def __repr__(self):
        return f"Remix(counts={self.counts}, kappa={self.kappa}, tau={self.tau})"

    def __eq__(self, other):
        if type(self) is not type(other):
            return NotImplemented
        return self.get_config() == other.get_config()

    def __hash__(self):
        return hash((tuple(self.counts), self.kappa, self.tau))

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.counts)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"counts": self.counts, "kappa": self.kappa, "tau": self.tau}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The rule of a `get_config`."""
        return cls(**config)


def check_rule(rule, of):
    """Raises for a rule that is none, or that the other settings leave no place for.

    `of` has the settings of a policy as attributes.
    """
    if rule is None:
        return
    if rule != UNION and not callable(rule):
        raise ValueError(
            "Unknown value received for argument `label_rule`. Expected None, a "
            "keras_mixup.Remix, a function of (lam, y_i, y_j) that gives the share of "
            f'y_i, or "union". Received: label_rule={rule!r}'
        )
    own = {"targets": "mix", "ignore_class": None, "period": None}
    if rule == UNION:
        own["multi_label"] = True
    else:
        own["examples"] = 2
        if isinstance(rule, Remix):
            own["multi_label"] = False
    for name, expected in own.items():
        if getattr(of, name) != expected:
            raise ValueError(
                "A label rule says itself what becomes of labels. Expected "
                f"{name}={expected!r} with label_rule={rule!r}. Received: "
                f"{name}={getattr(of, name)!r}"
            )


def check_batch(policy, leaves, paths, dense=(), has_boxes=False):
    """Raises for targets that the label rule of a policy cannot mix.

    Args:
        policy: `Policy`.
        leaves: The targets.
        paths: The path of each.
        dense: For each whether the policy pastes it position by position.
        has_boxes: Whether the batch has bounding boxes.

    Raises:
        ValueError: for several targets, boxes, targets that are pasted, quantities, and
            another number of classes.
        tf.errors.InvalidArgumentError: where the graph runs, for rows of other values.
    """
    rule = policy.label_rule
    if rule is None:
        return
    names = ["/".join(map(str, path)) or "y" for path in paths]
    if len(leaves) != 1 or has_boxes or any(dense):
        received = f"{names} and bounding boxes" if has_boxes else names
        raise ValueError(
            "A label rule is for the labels of a whole example. Expected a batch with "
            "one target, without boxes, that is not pasted position by position. "
            f"Received: {received}"
        )
    (target,), (name,), shape = leaves, names, leaves[0].shape
    classes = _num_classes(policy, paths[0])
    if rule == UNION:
        fits = target.dtype.is_floating or not _holds_numbers(target)
        expected = "rows of labels, each 0 or 1"
    elif _holds_numbers(target):
        fits = shape.rank == 1 or shape.rank == 2
        fits, found = fits and classes is not None, classes
        expected = "one class number an example, with num_classes"
    else:
        fits, found = shape.rank == 2 and shape[-1] != 1, shape[-1]
        expected = "class numbers as integers, or rows (batch_size, classes)"
    if fits and isinstance(rule, Remix) and found not in (None, rule.num_classes):
        fits, expected = False, f"{rule.num_classes} classes, as it has counts"
    if not fits:
        raise ValueError(
            f"Target `{name}` that label_rule={rule!r} cannot mix. It is for classes "
            f"or labels of 0 and 1, not for quantities. Expected {expected}. Received: "
            f"dtype {target.dtype.name}, shape {shape}, num_classes={classes}"
        )
    if rule == UNION or policy.multi_label:
        _check_within_one(target, name)
    elif _holds_numbers(target):
        target_checks.check_classes(target, classes, None, name)
    else:
        target_checks.check_one_of_n(target, None, name, "label_rule")


def shares_by(policy, coefficients, parts, path=()):
    """The K shares of one target: the coefficients, or what the rule makes of them.

    Args:
        policy: `Policy`.
        coefficients: The K shares of the features, each () or (batch,).
        parts: The K targets.
        path: The path of the target.
    """
    rule = policy.label_rule
    if rule is None or rule == UNION or len(parts) == 1:
        return coefficients
    classes = _num_classes(policy, path)
    rows = [
        targets.one_hot(part, classes)
        if _holds_numbers(part)
        else tf.cast(part, tf.float32)
        for part in parts
    ]
    lam = tf.broadcast_to(coefficients[0], [batch_size_of(rows[0])])
    share = tf.cast(rule(lam, *rows), tf.float32)
    if not (share.shape.rank == 1 and share.shape.is_compatible_with(lam.shape)):
        raise ValueError(
            "A label rule gives the share of each example's own label. Expected shape "
            f"(batch_size,). Received: shape {share.shape} from {rule!r}"
        )
    # What is no share shows in the loss: XLA leaves out assertions.
    share = tf.where((share >= 0) & (share <= 1), share, math.nan)
    return [share, 1 - share]


def united(parts, weights, shares, padding="union"):
    """One part in the place of K: the largest entries of all that weigh something.

    Returns:
        A list of one target, a list of its weight, and a list of its share, 1.
    """
    total = None
    if weights[0] is not None:
        total, shares = targets.weigh(shares, weights, padding)
    found = []
    for part, share in zip(parts, shares, strict=True):
        part = part if part.dtype.is_floating else tf.cast(part, tf.float32)
        here = expand_to_rank(share != 0, part.shape.rank)
        found.append(tf.where(here, part, tf.zeros_like(part)))
    return [functools.reduce(tf.maximum, found)], [total], [tf.constant(1.0)]


def _num_classes(policy, path):
    given = targets.per_target(policy.num_classes, path)
    return getattr(policy.label_rule, "num_classes", None) if given is None else given


def _holds_numbers(target):
    """Whether a target is of class numbers, not of rows."""
    shape = target.shape
    return targets.is_integer(target) and (shape.rank == 1 or shape[-1] == 1)


def _check_within_one(rows, name):
    if not rows.dtype.is_floating:
        rows = tf.cast(rows, tf.float32)
    tf.debugging.Assert(
        tf.reduce_all((rows >= 0) & (rows <= 1)),
        [
            f"Invalid value received for `{name}`. Expected labels within [0, 1] with "
            "this label rule, which is not for quantities. Received:",
            rows,
        ],
        summarize=5,
    )
