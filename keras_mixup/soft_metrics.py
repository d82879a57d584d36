"""Metrics of soft targets: what plain Keras metrics miss where the pipeline mixes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import keras
import tensorflow as tf
from keras import ops

from keras_mixup import hints

# Their updates add sample weights of positions whose label is true or false, so
# a soft label can enter as both, each with its share.
_COUNTS = (
    keras.metrics.AUC,
    keras.metrics.FalseNegatives,
    keras.metrics.FalsePositives,
    keras.metrics.Precision,
    keras.metrics.PrecisionAtRecall,
    keras.metrics.Recall,
    keras.metrics.RecallAtPrecision,
    keras.metrics.SensitivityAtSpecificity,
    keras.metrics.SpecificityAtSensitivity,
    keras.metrics.TrueNegatives,
    keras.metrics.TruePositives,
)
# How far above 1 rounding may take a label, or the sum of a row.
_ROUNDING = 0.01


@keras.saving.register_keras_serializable("keras_mixup")
class MixedAccuracy(keras.metrics.MeanMetricWrapper):
    """Accuracy weighted by lam, for targets that are mixed already.

    `lam acc(y_i) + (1 - lam) acc(y_j)`, as the paper's authors print it, and for
    targets that are not mixed the ordinary accuracy. By the predictions p it is

    * for classes, shape (batch, ..., classes): `sum_c y~_c [c = argmax p]`;
    * for one unit, shape (batch,) or (batch, ..., 1):
      `y~ [p > threshold] + (1 - y~) [p <= threshold]`;
    * for independent labels (`multi_label=True`): the mean of that over the last axis.

    Keras's accuracies count the heavier partner alone, or compare soft labels for
    equality. Use it where the pipeline mixes:
    `metrics=[keras_mixup.metrics.MixedAccuracy()]`. In MixUpModel the compiled
    accuracy is weighted already.

    Args:
        name: String.
        dtype: Dtype of the result; None is Keras's default.
        threshold: Float, for one unit and independent labels. 0.5 is for
            probabilities; logits take 0.
        multi_label: Whether the last axis holds independent labels.

    Raises:
        ValueError: for class numbers, or targets of another shape than the predictions.
        tf.errors.InvalidArgumentError: for labels outside of [0, 1], and for rows that
            sum to more than 1 without `multi_label` (XLA leaves this check out, and so
            do the other backends of Keras).
    """

    def __init__(
        self,
        name: str = "accuracy",
        dtype: Any = None,
        *,
        threshold: float = 0.5,
        multi_label: bool = False,
    ) -> None:
        super().__init__(
            _share_that_is_right,
            name=name,
            dtype=dtype,
            threshold=threshold,
            multi_label=multi_label,
        )
        self.threshold = threshold
        self.multi_label = multi_label

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "threshold": self.threshold,
            "multi_label": self.multi_label,
        }


@keras.saving.register_keras_serializable("keras_mixup")
class SoftTargets(keras.metrics.Metric):
    """A Keras metric of counts, such as AUC or Recall, made right for soft labels.

    Keras casts labels to booleans there, so a label of 0.1 counts as a whole one. Here
    a label y counts as true with weight y and as false with weight 1 - y. For mixed
    labels each count is then `lam count(y_i) + (1 - lam) count(y_j)`, and for labels
    that are not mixed the metric is Keras's own.

    Args:
        metric: A `keras.metrics.AUC`, `Precision`, `Recall`, `TruePositives`,
            `TrueNegatives`, `FalsePositives`, `FalseNegatives`,
            `SensitivityAtSpecificity`, `SpecificityAtSensitivity`,
            `PrecisionAtRecall` or `RecallAtPrecision`. Its name is the name of this.

    Call arguments:
        Labels in [0, 1] of the shape of the predictions, which are as the metric takes
        them; a last axis of one may be missing from either. `sample_weight` multiplies:
        one weight an example or a position.

    Raises:
        ValueError: for another metric, or targets of another shape than the
            predictions.
        tf.errors.InvalidArgumentError: for labels outside of [0, 1] (XLA and the
            other backends of Keras leave this check out).

    Examples:
        >>> auc = keras_mixup.metrics.SoftTargets(keras.metrics.AUC())
        >>> network.compile("adam", "binary_crossentropy", metrics=[auc])
    """

    def __init__(self, metric: keras.Metric) -> None:
        _check_counts(metric)
        super().__init__(name=metric.name, dtype=metric.dtype)
        self.metric = metric

    def update_state(
        self,
        y_true: hints.TensorLike,
        y_pred: hints.TensorLike,
        sample_weight: hints.TensorLike = None,
    ) -> None:
        """Counts one batch, each label as true and as false."""
        y_true, y_pred = _of_one_shape(y_true, y_pred, self.dtype, "SoftTargets")
        weight = 1.0
        if sample_weight is not None:
            weight = ops.cast(sample_weight, self.dtype)
            while len(weight.shape) < len(y_true.shape):
                weight = weight[..., None]
        for label, share in ((1.0, y_true), (0.0, 1 - y_true)):
            share = share * weight
            class_id = getattr(self.metric, "class_id", None)
            if class_id is not None:
                share = share[..., class_id, None]
            self.metric.update_state(ops.full_like(y_true, label), y_pred, share)

    def result(self) -> Any:
        """That of the metric."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Forgets all counts."""
        self.metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"metric": keras.saving.serialize_keras_object(self.metric)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The metric of a `get_config`."""
        return cls(keras.saving.deserialize_keras_object(config["metric"]))


def _check_counts(metric):
    """Raises unless a Keras metric adds weights of true and false labels."""
    updates = {count.update_state for count in _COUNTS}
    if getattr(type(metric), "update_state", None) in updates:
        return
    names = ", ".join(count.__name__ for count in _COUNTS)
    advice = "Another metric is right for soft labels only if it is linear in them"
    if isinstance(metric, keras.metrics.FBetaScore):
        advice = (
            "F1Score and FBetaScore are right for soft labels: use them as they are"
        )
    elif "accuracy" in getattr(metric, "name", str(metric)).lower():
        advice = "For accuracy there is keras_mixup.metrics.MixedAccuracy"
    raise ValueError(
        "Invalid value received for argument `metric`. Expected an object of one of "
        f"the Keras metrics {names}, with their own update_state. {advice}. "
        f"Received: metric={metric!r}"
    )


def _share_that_is_right(y_true, y_pred, threshold, multi_label):
    dtype = keras.config.floatx()
    y_true, y_pred = _of_one_shape(y_true, y_pred, dtype, "MixedAccuracy")
    rank = len(y_pred.shape)
    if rank == 1 or y_pred.shape[-1] == 1 or multi_label:
        right = ops.where(y_pred > ops.cast(threshold, dtype), y_true, 1 - y_true)
        return right if rank == 1 else ops.mean(right, axis=-1)
    _assert_less_equal(
        ops.sum(y_true, axis=-1),
        1 + _ROUNDING,
        "MixedAccuracy takes rows of one class each. Expected rows that sum to at most "
        "1, or MixedAccuracy(multi_label=True) for independent labels.",
    )
    predicted = ops.one_hot(ops.argmax(y_pred, axis=-1), y_pred.shape[-1], dtype=dtype)
    return ops.sum(y_true * predicted, axis=-1)


def _of_one_shape(y_true, y_pred, dtype, name):
    """Labels in [0, 1] and predictions, of one shape and dtype."""
    y_true = ops.cast(ops.convert_to_tensor(y_true), dtype)
    y_pred = ops.cast(ops.convert_to_tensor(y_pred), dtype)
    true, pred = shape_of(y_true), shape_of(y_pred)
    if None not in (true, pred):
        if len(true) + 1 == len(pred) and pred[-1] == 1:
            y_true = y_true[..., None]
        elif len(pred) + 1 == len(true) and true[-1] == 1:
            y_true = y_true[..., 0]
    if not tf.TensorShape(shape_of(y_true)).is_compatible_with(pred):
        raise ValueError(
            f"{name} compares labels with predictions of the same shape. Expected "
            f"targets of the shape of the predictions, {pred}. Received: shape "
            f"{shape_of(y_true)}. Class numbers become rows by MixUp(num_classes=...); "
            'for integer labels that are not mixed take "accuracy".'
        )
    message = f"{name} takes labels in [0, 1], mixed or not. Received others."
    _assert_less_equal(y_true, 1 + _ROUNDING, message)
    _assert_less_equal(-y_true, _ROUNDING, message)
    return ops.clip(y_true, 0, 1), y_pred


def shape_of(tensor):
    """The known shape as a tuple, or None where TensorFlow knows no rank."""
    rank = getattr(tensor.shape, "rank", len)
    return None if rank is None else tuple(tensor.shape)


def _assert_less_equal(tensor, bound, message):
    """Fails, where a graph of TensorFlow runs, on a greater value."""
    if keras.backend.backend() == "tensorflow":
        bound = tf.cast(bound, tensor.dtype)
        tf.debugging.assert_less_equal(tensor, bound, message)
