"""Adversarial examples and the errors they cause (Goodfellow et al., 2015)."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import arguments, hints, mixing
from keras_mixup.evaluation import channels
from keras_mixup.evaluation import scores as scores_lib
from keras_mixup.evaluation.gradients import input_gradient
from keras_mixup.evaluation.top_k import check_ks, missed_by, percent


def fgsm(
    model: keras.Model,
    x: hints.TensorLike,
    y: hints.TensorLike,
    epsilon: float | Sequence[float] | hints.Array,
    value_range: hints.ValueRange = (0.0, 255.0),
    from_logits: bool | None = None,
) -> tf.Tensor:
    """The fast gradient sign method: one step of size epsilon up the loss.

    `x + epsilon sign(grad_x CE(model(x), y))`, cut to the value range, with the model
    in inference mode. What has no gradient stays as it is.

    Args:
        model: A Keras classifier of scores of shape (batch, classes).
        x: Tensor or array of shape (batch, ..., channels), floats or uint8, inside
            the value range.
        y: The true labels: integers of shape (batch,), or float rows of shape
            (batch, classes) that sum to one.
        epsilon: The largest change, in the units of x: a float >= 0 or one a
            channel, for inputs that are normalized. The paper's is 4 of 255.
        value_range: The smallest and the largest value of x, each a float or one a
            channel. Default: (0, 255).
        from_logits: Whether the model ends in logits. Default: None, to read it from
            the last activation and the compiled loss; where they do not say, it raises.

    Returns:
        Tensor of the shape of x, in its dtype (float32 for uint8).

    Raises:
        ValueError: for wrong arguments.
        InvalidArgumentError: for x outside the range (not under `jit_compile=True`).

    References:
        Goodfellow et al. (2015); Zhang et al. (2018), section 3.5 and Table 3.
    """
    return i_fgsm(model, x, y, epsilon, value_range, 1, None, from_logits)


def i_fgsm(
    model: keras.Model,
    x: hints.TensorLike,
    y: hints.TensorLike,
    epsilon: float | Sequence[float] | hints.Array,
    value_range: hints.ValueRange = (0.0, 255.0),
    steps: int = 10,
    step_size: float | Sequence[float] | hints.Array | None = None,
    from_logits: bool | None = None,
) -> tf.Tensor:
    """The iterated fast gradient sign method: steps of equal size up the loss.

    Each step adds `step_size sign(grad_x CE(model(x), y))` and cuts the result to
    within epsilon of the input and to the value range.

    Args:
        model: As of `fgsm`.
        x: As of `fgsm`.
        y: As of `fgsm`.
        epsilon: As of `fgsm`.
        value_range: As of `fgsm`.
        steps: Integer >= 1. Default: 10, as in the paper.
        step_size: A float >= 0 or one a channel. Default: epsilon / steps.
        from_logits: As of `fgsm`.

    Returns:
        As of `fgsm`.

    Raises:
        ValueError: as of `fgsm`.

    References:
        Kurakin et al. (2017); Zhang et al. (2018), section 3.5 and Table 3.
    """
    arguments.check_backend("An attack")
    if not isinstance(steps, numbers.Integral) or steps < 1:
        raise ValueError(
            "Invalid value received for argument `steps`. "
            f"Expected an integer >= 1. Received: steps={steps}"
        )
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    mixing.check_mixable(x, "x")
    mixing.check_batch_sizes([x, y], ["x", "y"])
    x = tf.cast(x, mixing.mixed_dtype(x.dtype))
    epsilon = channels.not_negative("epsilon", epsilon, x)
    if step_size is None:
        step = epsilon / steps
    else:
        step = channels.not_negative("step_size", step_size, x)
    low, high = channels.value_range_of(value_range, x)
    lower, upper = tf.maximum(x - epsilon, low), tf.minimum(x + epsilon, high)

    def one_step(perturbed):
        gradient, *_ = input_gradient(
            model,
            perturbed,
            lambda logits: scores_lib.label_rows(y, logits),
            from_logits,
        )
        sign = tf.sign(gradient)
        sign = tf.where(tf.math.is_nan(sign), tf.zeros_like(sign), sign)
        moved = tf.minimum(tf.maximum(perturbed + step * sign, lower), upper)
        return (tf.ensure_shape(moved, x.shape),)

    (perturbed,) = tf.while_loop(
        lambda _: True, one_step, (x,), maximum_iterations=steps
    )
    return perturbed


def adversarial_errors(
    model: keras.Model,
    batches: Iterable[Any],
    attack: Callable[[Any, Any, Any], Any] | None,
    source: keras.Model | None = None,
    ks: Sequence[int] = (1, 5),
    progress: bool = False,
) -> dict[str, float]:
    """The errors of a model on examples that were perturbed to fool a source.

    Args:
        model: The Keras classifier that is evaluated, in inference mode.
        batches: `(x, y)` batches: a `tf.data.Dataset` or another iterable. They may
            differ in size; each example counts once.
        attack: Function `(source, x, y) -> x`, such as
            `functools.partial(fgsm, epsilon=4.0)`, or None for clean errors.
        source: The model whose gradients are followed: another one for a black-box
            attack. Default: the model itself (white box).
        ks: As of `top_k_errors`.
        progress: Whether a progress bar is shown. Default: False.

    Returns:
        Dict of percentages, as of `top_k_errors`.

    Raises:
        ValueError: for wrong arguments or no example.

    References:
        Zhang et al. (2018), Table 3.

    Examples:
        >>> attack = functools.partial(i_fgsm, epsilon=4.0)
        >>> white = adversarial_errors(model, batches, attack)
        >>> black = adversarial_errors(model, batches, attack, source=another)
    """
    arguments.check_backend("evaluation.adversarial_errors")
    check_ks(ks)
    if attack is not None and not callable(attack):
        raise ValueError(
            "Invalid value received for argument `attack`. Expected a function "
            f"(model, x, y) -> x, or None. Received: attack={attack!r}"
        )
    source = model if source is None else source

    @tf.function(autograph=False, reduce_retracing=True)
    def scores_of(x, y):
        x = tf.cast(x, mixing.mixed_dtype(x.dtype))
        return model(x if attack is None else attack(source, x, y), training=False)

    bar = keras.utils.Progbar(_length(batches)) if progress else None
    missed, examples = np.zeros(len(ks), np.int64), 0
    for batch in batches:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise ValueError(
                "Invalid batch received in argument `batches`. Expected (x, y). "
                f"Received: {type(batch).__name__}"
            )
        x, y = map(tf.convert_to_tensor, batch)
        missed += missed_by(scores_of(x, y), y, ks)
        examples += len(x)
        if bar:
            bar.add(1)
    return percent(missed, examples, ks)


def _length(batches):
    try:
        return len(batches)
    except TypeError:
        return None
