"""Accuracy that stays meaningful under mixing."""

import keras
import tensorflow as tf

from keras_mixup import targets
from keras_mixup.soft_metrics import MixedAccuracy, SoftTargets  # noqa: F401

# Measured against the mixed target; every other metric against each clean
# target, weighted by its share, since classes cannot be averaged.
_OF_MIXED_TARGETS = (
    # The correlations are younger than Keras 3.5.
    *(
        getattr(keras.metrics, name)
        for name in ("ConcordanceCorrelation", "PearsonCorrelation")
        if hasattr(keras.metrics, name)
    ),
    keras.metrics.MeanSquaredError,
    keras.metrics.RootMeanSquaredError,
    keras.metrics.MeanAbsoluteError,
    keras.metrics.MeanAbsolutePercentageError,
    keras.metrics.MeanSquaredLogarithmicError,
    keras.metrics.LogCoshError,
    keras.metrics.CosineSimilarity,
    keras.metrics.R2Score,
    keras.metrics.KLDivergence,
    keras.metrics.Poisson,
)


@keras.saving.register_keras_serializable("keras_mixup")
class CleanAccuracy(keras.metrics.Mean):
    """Top-1 accuracy against integer, one-hot or binary targets, by their shape."""

    def __init__(self, name="clean_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None, threshold=0.5):
        """Counts one batch; a single unit means class 1 above the threshold."""
        y_true, y_pred = tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred)
        if y_pred.shape[-1] == 1:
            matches = keras.metrics.binary_accuracy(
                tf.reshape(y_true, [-1, 1]), y_pred, threshold
            )
        elif targets.is_integer(y_true) and not _are_rows(y_true, y_pred):
            matches = keras.metrics.sparse_categorical_accuracy(y_true, y_pred)
        else:
            matches = keras.metrics.categorical_accuracy(y_true, y_pred)
        super().update_state(matches, sample_weight)


def _are_rows(y_true, y_pred):
    """Whether integers or booleans are one-hot rows, by their shape."""
    return y_true.shape.rank == y_pred.shape.rank and y_true.shape[-1] != 1


def update_compiled(compiled, y_pred, plain, weighted, mixed):
    """Feeds the metrics of `compile` with a mixed batch.

    Args:
        compiled: The `CompileMetrics` of a model. Keras has no public way to
            give a weight to the metrics of `compile(metrics=...)`, which this
            needs; the names read here are those of Keras 3.
        y_pred: Predictions, in the structure of the model's output.
        plain: One `(y, weights)` for each mixed example, without sample weights.
        weighted: The same with sample weights.
        mixed: The mixed targets and their weights, as one such pair; targets
            that are integers are those of the first example there.
    """
    if not compiled.built:
        compiled.build(plain[0][0], y_pred)
    predictions = compiled._flatten_y(y_pred)
    lists = (compiled._flat_metrics, compiled._flat_weighted_metrics)
    for metrics_lists, terms, is_weighted in zip(
        lists, (plain, weighted), (False, True), strict=True
    ):
        # Outputs without a target have no metrics, as in Keras.
        given = len(compiled._flatten_y(terms[0][0]))
        for index, metrics_list in enumerate(metrics_lists[:given]):
            for metric in metrics_list.metrics if metrics_list else ():
                used = terms
                if isinstance(metric, _OF_MIXED_TARGETS):
                    used = _of_mixed(compiled, terms, mixed, index, is_weighted)
                shares = [compiled._flatten_y(weights)[index] for _, weights in used]
                if isinstance(metric, keras.metrics.IoU):
                    shares = _whole(shares)
                for (y, _), share in zip(used, shares, strict=True):
                    y_true = compiled._flatten_y(y)[index]
                    share = _of_rank(metric, y_true, predictions[index], share)
                    metric.update_state(y_true, predictions[index], share)


def _of_rank(metric, y_true, y_pred, share):
    """The weight, for a metric function of one's own that gives less than a value each.

    Keras's own give a value for each weight.
    """
    function = getattr(metric, "_fn", None)
    own = not getattr(function, "__module__", "keras.").startswith(("keras.", __name__))
    if share is None or function is None or not own:
        return share
    value = tf.convert_to_tensor(function(y_true, y_pred, **metric._fn_kwargs))
    axes = range(value.shape.rank, share.shape.rank)
    return tf.reduce_mean(share, axis=list(axes)) if axes else share


def _of_mixed(compiled, terms, mixed, index, is_weighted):
    y, _ = mixed
    if targets.is_integer(tf.convert_to_tensor(compiled._flatten_y(y)[index])):
        return terms
    if is_weighted:
        return [mixed]
    return [(y, keras.tree.map_structure(lambda leaf: None, y))]


def _whole(shares):
    """1 for the heaviest share, else 0: IoU counts in integers, which cut shares to 0."""
    heaviest = tf.argmax(tf.stack(shares), axis=0, output_type=tf.int32)
    return [tf.cast(heaviest == k, tf.float32) for k in range(len(shares))]
