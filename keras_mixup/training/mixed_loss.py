"""The loss of a mixed batch, made of the user's own loss L.

One lam a batch: `sum_k t_k L(y_k)`, the authors' formula, for any loss whatsoever; it
is called K times. One lam an example: the same with each share inside of the mean, for
which L has to give a value an example. Where L is one of Keras's, targets that may be
averaged have one term, `L(sum_k t_k y_k)`: the same for a loss that is linear in its
target. `mix_losses` asks for the one or the other. Where the prediction of the clean
batch goes along, its loss is added: `L(mixed) + clean_weight L(clean)`.
"""

import dataclasses
import functools

import keras
import tensorflow as tf

from keras_mixup import keras_private, mixing, target_checks, targets
from keras_mixup.loss_kinds import functions_of
from keras_mixup.training import loss_checks
from keras_mixup.training.mixed_targets import (
    MixedTarget,
    noted_clean,
    noted_masks,
)

# What they compare are quantities: a target of integers is one too.
QUANTITIES = functions_of("quantities", "distributions")
# Linear in the target: that of the mixed rows is that of the terms.
LINEAR = (keras.losses.binary_crossentropy, keras.losses.categorical_crossentropy)
BINARY = functions_of("labels")
# No average of their targets means anything.
NEVER_AVERAGED = functions_of("numbers", "scores")


@keras.saving.register_keras_serializable("keras_mixup")
class MixedLoss(keras.losses.Loss):
    """A compiled loss that takes mixed targets as well; `MixUpModel.compile` makes it.

    Args:
        loss: What `compile` takes: a name, a function or a `keras.losses.Loss`.
        mix_losses: Whether each target has a term (True), or one that may be averaged
            is (False). None: losses of Keras take the average, those of your own the
            terms.
    """

    def __init__(self, loss, mix_losses=None, name=None):
        self.loss = loss
        self.mix_losses = mix_losses
        deferred = isinstance(loss, str) and loss.lower() in ("crossentropy", "ce")
        # Keras chooses one of three by the shapes.
        self._resolved = None if deferred else keras_private.resolve_loss(loss, 0, 0)
        super().__init__(name=name or getattr(self._resolved, "name", loss))

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The loss; of mixed targets the mean of its terms."""
        if not isinstance(y_true, MixedTarget):
            return self._inner(y_true, y_pred)(y_true, y_pred, sample_weight)
        inner = y_true.loss = self._inner(y_true.parts[0], y_pred)
        loss_checks.check_loss(inner, keras_function(inner), y_true)
        given = None if sample_weight is None else sample_weight.parts
        value = self._of_parts(inner, y_true, y_pred, given)
        clean_pred, share = noted_clean(y_pred)
        if clean_pred is None:
            return value
        clean = dataclasses.replace(
            y_true, parts=[y_true.clean], shares=[tf.constant(1.0)]
        )
        given = None if sample_weight is None else [sample_weight.clean]
        clean = self._of_parts(inner, clean, clean_pred, given)
        return value + tf.cast(share, value.dtype) * clean

    def call(self, y_true, y_pred):
        """The user's own values."""
        return self._inner(y_true, y_pred).call(y_true, y_pred)

    def get_config(self):
        """The arguments of the constructor."""
        loss = keras.saving.serialize_keras_object(self.loss)
        return {"loss": loss, "mix_losses": self.mix_losses, "name": self.name}

    @classmethod
    def from_config(cls, config):
        """The loss of a `get_config`."""
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**{**config, "loss": loss})

    def _of_parts(self, inner, y_true, y_pred, weights):
        """The loss of a `MixedTarget`, of the weights of its parts or None."""
        if weights is None:
            weights = [None] * len(y_true.parts)
        else:
            pairs = zip(weights, y_true.parts, strict=True)
            weights = [targets.fit_weight(*pair) for pair in pairs]
        masks = noted_masks(y_pred, y_true)
        own = keras_function(inner) is None
        terms = own if self.mix_losses is None else self.mix_losses
        if terms or masks or not _is_averaged(inner, y_true.parts[0], y_pred):
            return _sum_of_terms(inner, y_true, y_pred, weights, masks)
        mixed, total = _mixed(inner, y_true, weights)
        whole = tf.constant(1.0)
        if total is None:
            return _term(inner, mixed, y_pred, whole)
        # A weight below 0 can make the mixed target's weight vanish where its parts' do
        # not. The terms need no division.
        negative = tf.reduce_any(tf.reduce_min(tf.stack(weights)) < 0)
        return tf.cond(
            negative,
            lambda: _sum_of_terms(inner, y_true, y_pred, weights, masks),
            lambda: _term(inner, mixed, y_pred, whole, total),
        )

    def _inner(self, y_true, y_pred):
        if self._resolved is None:
            self._resolved = keras_private.resolve_loss(self.loss, y_true, y_pred)
        return self._resolved


def unwrapped(losses):
    """Compiled losses as the user gave them."""
    return keras.tree.map_structure(
        lambda loss: loss.loss if isinstance(loss, MixedLoss) else loss, losses
    )


def wrapped(losses, mix_losses=None):
    """The losses that the user gave, each as a `MixedLoss`."""
    return keras.tree.map_structure(
        lambda loss: None if loss is None else MixedLoss(loss, mix_losses), losses
    )


def keras_function(loss):
    """The function of a loss of Keras, by which its kind is known; None for others."""
    function = getattr(loss, "fn", None)
    own = not type(loss).call.__module__.startswith("keras.")
    # A function of an executed text has None for its module.
    of_keras = (getattr(function, "__module__", None) or "").startswith("keras.")
    return function if of_keras and not own else None


def any_soft_rows(y):
    """1.0 if a target of classes holds soft rows, else 0.0; None without such targets.

    All rows sum to 1 and some are not one-hot: labels that are mixed already, probably.
    """
    found = None
    for leaf in keras.tree.flatten(y):
        loss = getattr(leaf, "loss", None)  # None where no output takes the target.
        if loss is None or keras_function(loss) in QUANTITIES:
            continue
        rows = leaf.parts[0]
        if not rows.dtype.is_floating or rows.shape.rank < 2 or rows.shape[-1] == 1:
            continue
        proper = tf.abs(tf.reduce_sum(rows, -1) - 1) < 1e-3
        proper &= tf.reduce_min(rows, -1) >= 0
        soft = tf.reduce_any(tf.reduce_max(rows, -1) < 0.999)
        soft = tf.cast(soft & tf.reduce_all(proper), tf.float32)
        found = soft if found is None else tf.maximum(found, soft)
    return found


class _Values(keras.losses.Loss):
    """The values of a loss, for Keras's own masks, weights and mean of them."""

    def __init__(self, loss, values):
        super().__init__(loss.name, loss.reduction, loss.dtype)
        self.values = values

    def call(self, y_true, y_pred):
        del y_true, y_pred
        return self.values


def _term(loss, y, y_pred, share, weight=None):
    """`t L(y)`: one share outside of the mean, or one an example inside."""
    if type(loss).__call__ is not keras.losses.Loss.__call__:
        if share.shape.rank:
            raise ValueError(
                "A loss with a `__call__` of its own leaves no place for a share of "
                'each example. Expected MixUp(per="batch"), or a loss that overrides '
                "`call`. "
                f"Received: loss={loss!r}"
            )
        value = loss(y, y_pred, weight)
        return tf.cast(share, value.dtype) * value
    as_keras = [
        keras.ops.convert_to_tensor(one, dtype=loss.dtype) for one in (y, y_pred)
    ]
    values = tf.convert_to_tensor(loss.call(*as_keras))
    mask, rank = keras_private.mask_of(values), values.shape.rank
    if share.shape.rank and not (
        rank and values.shape[:1].is_compatible_with(share.shape)
    ):
        raise ValueError(
            "A loss that averages over the batch leaves no place for a share of each "
            "example. Expected one loss an example, of shape (batch_size, ...), or "
            'MixUp(per="batch") without a label_rule, or MixUpModel(mix_losses=False) '
            "where the targets may be averaged. Received: values of shape "
            f"{values.shape} from {loss.name}"
        )
    values *= mixing.expand_to_rank(tf.cast(share, values.dtype), rank)
    if mask is not None:
        keras_private.set_mask(values, mask)
    return _Values(loss, values)(y, y_pred, _of_rank(weight, rank))


def _of_rank(weight, rank):
    """A weight with the axes of the values: missing ones of size 1, others averaged."""
    if weight is None:
        return None
    weight = mixing.expand_to_rank(weight, rank)
    further = list(range(max(rank, 1), weight.shape.rank))
    return tf.reduce_mean(weight, further) if further else weight


def _sum_of_terms(loss, target, y_pred, weights, masks):
    """`sum_k t_k L(y_k)`, where each part has its own weights and its own mask."""
    total = 0.0
    weights = target.weights_of_terms(weights)
    masks = masks or [None] * len(weights)
    parts = zip(target.parts, target.shares, weights, masks, strict=True)
    for y, share, weight, mask in parts:
        y = _smoothed(loss, targets.without_nan(y, weight), target, weight)
        of_part = y_pred if mask is None else keras_private.with_mask(y_pred, mask)
        total += _term(loss, y, of_part, share, weight)
    return total


def _mixed(loss, target, weights):
    """The mixed target, smoothed, and its weight (None where nothing is weighted)."""
    dtype = target.parts[0].dtype
    dtype = dtype if dtype.is_floating else tf.float32
    parts = [tf.cast(part, dtype) for part in target.parts]
    mixed, total = target.mixed(parts, weights)
    return _smoothed(loss, mixed, target, total), total


def _smoothed(loss, y, target, weight=None):
    """The labels smoothed: over two values where each is a label by itself."""
    function, amount = keras_function(loss), target.smoothing
    if not amount:
        return y
    if function in BINARY:
        return targets.smooth(tf.cast(y, tf.float32), amount, multi_label=True)
    if function in NEVER_AVERAGED or targets.is_integer(y):
        raise ValueError(
            f"Labels of the loss {loss.name} cannot be smoothed: it has no place for "
            "the other classes. Expected one-hot labels and CategoricalCrossentropy, "
            f"or label_smoothing=0. Received: labels of dtype {y.dtype.name}, "
            f"label_smoothing={amount}"
        )
    # Quantities have no classes to smooth over, and losses of one's own may be of them.
    unknown = function is None or function in loss_checks.AMOUNTS
    if unknown and not (target.of_classes or target.multi_label):
        y = target_checks.one_of_n(y, weight, "label_smoothing")
    return targets.smooth(y, amount, target.multi_label)


def _is_averaged(loss, y, y_pred):
    """Whether a target may be averaged: it is compared entry by entry.

    Raises:
        ValueError: where a loss of Keras would broadcast the target.
    """
    function, origin = keras_function(loss), getattr(loss, "fn", None)
    while isinstance(origin, functools.partial):
        origin = origin.func
    # What derives from a loss of Keras has its targets, whatever its own `call` does.
    if y.dtype == tf.string or origin in NEVER_AVERAGED:
        return False
    shape, expected = y.shape, y_pred.shape
    if expected.rank == shape.rank + 1 and expected[-1] == 1:
        expected = expected[:-1]
    elif shape.rank == expected.rank + 1 and shape[-1] == 1:
        shape = shape[:-1]
    alike = shape[1:].is_compatible_with(expected[1:])
    if function is None:
        # Such a loss may compare a target with several units, as those of quantiles do.
        return not targets.is_integer(y)
    if not alike:
        raise ValueError(
            "Targets of a shape that would broadcast. Expected the shape of the "
            f"predictions, {y_pred.shape}. Received: {y.shape}. "
            "Classes are integers (a sparse loss) or one-hot rows."
        )
    return function in QUANTITIES + LINEAR or not targets.is_integer(y)
