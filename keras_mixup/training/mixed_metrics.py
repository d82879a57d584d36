"""The compiled metrics of a mixed batch.

One rule says what a metric sees. Where an output holds quantities, it sees the mixed
target. Where it holds classes, which cannot be averaged, it sees each clean target,
weighted by its share, so that a mean becomes `sum_k t_k m(y_k)`. An output holds
classes

1. if its loss or one of its metrics is one of Keras for classes, or
2. if its targets are integers, booleans or strings and its loss is none of Keras for
   quantities (`mixed_loss.QUANTITIES`).

How a metric was given (a name, a class, a function) makes no difference, and
`metric_targets` overrules the rule by the metric's name.
"""

import concurrent.futures
import inspect
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import keras_private, mixing, targets
from keras_mixup.training.mixed_loss import (
    QUANTITIES,
    MixedLoss,
    keras_function,
)
from keras_mixup.training.mixed_targets import MixedTarget, first_parts, noted_masks

_CLASSES_OF_QUANTITIES = tuple(
    getattr(keras.metrics, name)
    for name in (
        "CosineSimilarity",  # Its function is another than the loss of that name.
        "RootMeanSquaredError",
        "R2Score",
        # These are younger than Keras 3.5.
        "ConcordanceCorrelation",
        "PearsonCorrelation",
    )
    if hasattr(keras.metrics, name)
)
CHOICES = ("clean", "mixed")


def update_metrics(compiled, y, y_pred, sample_weight, metric_targets):
    """Feeds the metrics of `compile` with a mixed batch.

    Args:
        compiled: The `CompileMetrics` of a model, or None.
        y: Targets with a `MixedTarget` in the place of each tensor.
        y_pred: Predictions, in the structure of the model's output.
        sample_weight: None, or weights with a `MixedWeight` in the place of each.
        metric_targets: Dict from names of metrics to "clean" or "mixed".

    Raises:
        ValueError: for a name in `metric_targets` that no metric has.
    """
    found = keras_private.metrics_of_outputs(compiled, first_parts(y), y_pred)
    names = set()
    for of_output in found:
        flat_y, flat_pred = (
            keras_private.flat_outputs(compiled, nest) for nest in (y, y_pred)
        )
        if of_output.place >= len(flat_y):
            continue  # As in Keras, outputs without a target have no metrics.
        target, prediction = flat_y[of_output.place], flat_pred[of_output.place]
        weights = None
        if sample_weight is not None:
            flat = keras_private.flat_outputs(compiled, sample_weight)
            weight = flat[of_output.place] if len(flat) == len(flat_y) else flat[0]
            weights = weight.parts if weight is not None else None
        classes = _holds_classes(target, of_output.plain + of_output.weighted)
        for metrics, used in ((of_output.plain, None), (of_output.weighted, weights)):
            for metric in metrics:
                own = {metric.name}
                if of_output.name:
                    own.add(f"{of_output.name}_{metric.name}")
                names |= own
                choice = next(
                    (metric_targets[n] for n in own if n in metric_targets), None
                )
                if target is None:
                    metric.update_state(None, prediction, used)
                elif choice == "clean" or (classes and choice is None):
                    _update_by_parts(metric, target, prediction, used)
                else:
                    _update_by_mixed(metric, target, prediction, used)
    unknown = sorted(set(metric_targets) - names)
    if unknown:
        raise ValueError(
            "Unknown names received for argument `metric_targets`. Expected names of "
            f"compiled metrics, {sorted(names)}. Received: {unknown}"
        )


def _holds_classes(target, metrics):
    """Whether an output holds classes, by the rule above."""
    if any(_is_for_classes(metric) for metric in metrics):
        return True
    loss = getattr(target, "loss", None)
    function = keras_function(loss) if loss is not None else None
    if function is not None:
        return function not in QUANTITIES
    if not isinstance(target, MixedTarget):
        return False
    y = target.parts[0]
    return y.dtype == tf.string or targets.is_integer(y)


def _is_for_classes(metric):
    """Whether a metric is one of Keras that compares classes."""
    origin = keras_private.origin_of_metric(metric)
    if isinstance(origin, keras.losses.Loss):
        function = keras_function(origin)
        return function is not None and function not in QUANTITIES
    if isinstance(metric, _CLASSES_OF_QUANTITIES):
        return False
    if isinstance(origin, type):
        # A class that derives from one of Keras is for what that one is for.
        origin = next(kind for kind in origin.__mro__ if _is_of_keras(kind))
        return origin not in (keras.Metric, keras.metrics.Mean, keras.metrics.Sum)
    return _is_of_keras(origin) and origin not in QUANTITIES


def _is_of_keras(thing):
    return (getattr(thing, "__module__", None) or "").startswith("keras.")


def _update_by_mixed(metric, target, prediction, weights):
    parts = [_floats(part) for part in target.parts]
    weights = [None] * len(parts) if weights is None else _fitted(weights, target)
    masks = noted_masks(prediction, target)
    if masks is not None:
        # Where a part is padding, the mixed target is that of the others.
        present = [tf.cast(mask, tf.float32) for mask in masks]
        weights = [
            mask
            if weight is None
            else mask * mixing.expand_to_rank(weight, mask.shape.rank)
            for mask, weight in zip(present, weights, strict=True)
        ]
    mixed, total = target.mixed(parts, weights)
    metric.update_state(mixed, prediction, total)


def _update_by_parts(metric, target, prediction, weights):
    function = keras_private.function_of_metric(metric)
    origin = keras_private.origin_of_metric(metric)
    if isinstance(origin, keras.losses.Loss):
        # A loss among the metrics: its mean over the batch, as Keras takes it.
        alone = MixedTarget(target.parts, target.shares)
        value = MixedLoss(origin, mix_losses=True)(alone, prediction)
        keras.metrics.Mean.update_state(metric, value)
        return
    masks = noted_masks(prediction, target) or [None] * len(target.parts)
    fitted = [None] * len(masks) if weights is None else _fitted(weights, target)
    fitted = target.weights_of_terms(fitted)
    shares = target.shares_of_examples()
    if isinstance(metric, keras.metrics.IoU):
        # It counts in whole numbers, which would cut a share to 0.
        shares = _whole(shares)
    own = function is not None and not _is_of_keras(origin)
    _check_weights_count(metric, target.parts[0], prediction)
    scalar = 0.0
    for y, share, weight, mask in zip(target.parts, shares, fitted, masks, strict=True):
        y_pred = (
            prediction if mask is None else keras_private.with_mask(prediction, mask)
        )
        if own:
            value = tf.convert_to_tensor(function(y, y_pred))
            if value.shape.rank == 0:
                _check_scalar(metric, target)
                scalar += tf.cast(tf.reduce_mean(share), value.dtype) * value
                continue
        share = _for_positions(metric, y, y_pred, share, weight)
        metric.update_state(y, y_pred, share)
    if own and value.shape.rank == 0:
        keras.metrics.Mean.update_state(metric, scalar)


def _for_positions(metric, y, y_pred, share, weight):
    """The share, times a sample weight, with an entry for each position that counts."""
    if weight is not None:
        share = mixing.expand_to_rank(share, weight.shape.rank) * weight
    shape = tf.shape(y_pred)[: max(y_pred.shape.rank - 1, 1)]
    if isinstance(metric, keras.metrics.IoU):
        positions = targets.without_column(y)
        if weight is None:
            share = tf.cast(share, tf.int32)  # Keras warns of floats.
        sparse = getattr(metric, "sparse_y_true", True)
        shape = tf.shape(positions) if sparse else tf.shape(y)[:-1]
    rank = shape.shape[0]
    if rank > share.shape.rank:
        share = tf.broadcast_to(mixing.expand_to_rank(share, rank), shape)
    return share


def _fitted(weights, target):
    pairs = zip(weights, target.parts, strict=True)
    return [targets.fit_weight(*pair) for pair in pairs]


def _floats(part):
    return part if part.dtype.is_floating else tf.cast(part, tf.float32)


def _whole(shares):
    """1 for the heaviest share, else 0."""
    heaviest = tf.argmax(tf.stack(shares), axis=0, output_type=tf.int32)
    return [tf.cast(heaviest == k, tf.float32) for k in range(len(shares))]


def _check_scalar(metric, target):
    if any(share.shape.rank for share in target.shares):
        warnings.warn(
            f"The metric `{metric.name}` gives one value a batch, and each example has "
            "a share of its own: its value is weighted by the mean share. Give a value "
            'an example, or take MixUp(per="batch").',
            stacklevel=2,
        )


def _copy_of(metric):
    """Another metric of these settings.

    The config of a metric that defines none has a dtype, which its constructor need not
    take.
    """
    kind, config = type(metric), metric.get_config()
    try:
        return kind.from_config(config)
    except TypeError:
        taken = inspect.signature(kind).parameters
        return kind(**{name: config[name] for name in config if name in taken})


def _check_weights_count(metric, y, y_pred):
    """Warns of a metric class of the user's own that ignores its sample weights.

    A copy of it is shown two examples of weight 0. A sum or mean of weighted values
    stays as it was.
    """
    if type(metric).update_state.__module__.startswith(("keras.", "keras_mixup.")):
        return
    shown = [
        np.zeros([2, *(size or 1 for size in one.shape[1:])], one.dtype.as_numpy_dtype)
        for one in (y, y_pred)
    ]

    def trial():
        copy = _copy_of(metric)
        before = [keras.ops.convert_to_numpy(v) for v in copy.variables]
        copy.update_state(*shown, sample_weight=np.zeros(2, "float32"))
        after = [keras.ops.convert_to_numpy(v) for v in copy.variables]
        return all(map(np.array_equal, before, after))

    # In a thread of its own: a function that is traced again may make no variables.
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        try:
            counts = thread.submit(trial).result()
        except Exception:  # Whatever a metric of the user's own may raise here.
            counts = None
    if not counts:
        found = (
            "could not be tried" if counts is None else "ignores its `sample_weight`"
        )
        warnings.warn(
            f"The metric `{metric.name}` {found}. In a mixed batch each clean target "
            "comes with its share as sample weight; a metric that ignores it counts "
            "both partners fully. Use the weights in its `update_state`, or take "
            f'MixUpModel(metric_targets={{"{metric.name}": "mixed"}}).',
            stacklevel=2,
        )
