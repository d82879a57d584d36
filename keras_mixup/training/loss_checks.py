"""Losses that a target cannot have, by the way in which it is shared."""

import tensorflow as tf

from keras_mixup import label_rules
from keras_mixup.loss_kinds import functions_of, kind_of
from keras_mixup.target_checks import CLASS_NUMBERS

# Their values are amounts.
AMOUNTS = functions_of("quantities")
# What a rule of shares is not for, and what a union is not for: the rows of a softmax
# sum to 1, and signs have no largest.
NOT_BY_SHARES = ("quantities", "distributions")
NOT_AS_UNION = (*NOT_BY_SHARES, "rows", "numbers", "scores")


def check_loss(loss, function, target):
    """Raises for a loss of Keras that does not go with the policy of a target.

    What is known of the target's values says so too, but not in a step that XLA
    compiles.

    Args:
        loss: The `keras.losses.Loss`.
        function: The function of Keras by which its kind is known, or None.
        target: `mixed_targets.MixedTarget`.
    """
    if function is not None and target.parts[0].dtype == tf.string:
        raise ValueError(
            f"The loss {loss.name} takes no names of classes. {CLASS_NUMBERS}. "
            "Received: targets of dtype string"
        )
    shared = target.refused_as is not None and len(target.parts) > 1
    if shared and function in AMOUNTS:
        raise ValueError(
            f"The loss {loss.name} compares the target `{target.refused_as}` as a "
            "quantity, which need not follow the area of a pasted region. "
            "Expected keras_mixup.MixUp, or a loss of classes, or "
            f"`share_quantities={target.refused_as!r}` of the policy where the share "
            "is that of the area, as that of rows of classes is. Received: "
            f"loss={loss.name}"
        )
    if target.rule is None or function is None:
        return
    union = target.rule == label_rules.UNION
    if kind_of(function) in (NOT_AS_UNION if union else NOT_BY_SHARES):
        expected = "labels that are independent, such as BinaryCrossentropy"
        raise ValueError(
            f"The loss {loss.name} does not go with label_rule={target.rule!r}. "
            f"Expected a loss of {expected if union else 'classes'}. Received: "
            f"loss={loss.name}"
        )
