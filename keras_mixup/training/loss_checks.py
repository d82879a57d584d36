"""Compiled losses: what they take and give, as far as mixing has to know it."""

import keras
import tensorflow as tf

from keras_mixup import targets


def is_keras_loss(loss):
    """Whether the shapes that the loss takes are known: it is one of Keras's."""
    return all(
        isinstance(one, str)
        or getattr(one, "__module__", type(one).__module__).startswith("keras.")
        for one in keras.tree.flatten(loss)
        if one is not None
    )


def check_reductions(losses):
    """Raises for a loss in which lam, a sample weight, would cancel."""
    for loss in keras.tree.flatten(losses):
        if getattr(loss, "reduction", None) == "mean_with_sample_weight":
            raise ValueError(
                "A loss that divides by the sum of its sample weights divides lam out. "
                'Expected reduction "sum_over_batch_size", "mean" or "sum". '
                f"Received: {loss.name} with reduction={loss.reduction!r}"
            )


def ranks_of_losses(losses, leaves, predictions):
    """The rank of what each loss gives; None where losses and targets cannot be paired."""
    losses = [loss for loss in keras.tree.flatten(losses) if loss is not None]
    losses = losses * len(predictions) if len(losses) == 1 else losses
    if not len(losses) == len(leaves) == len(predictions):
        return [None] * len(predictions)
    return [
        _rank_of_loss(*three) for three in zip(losses, leaves, predictions, strict=True)
    ]


def _rank_of_loss(loss, target, prediction):
    loss = keras.losses.get(loss) if isinstance(loss, str) else loss
    # As Keras gives them to a loss: floats, and to a function of one rank.
    target = tf.cast(target, keras.config.floatx())
    prediction = tf.cast(prediction, keras.config.floatx())
    if isinstance(loss, keras.losses.Loss):
        return tf.convert_to_tensor(loss.call(target, prediction)).shape.rank
    more = prediction.shape.rank - target.shape.rank
    if more == 1 and prediction.shape[-1] == 1:
        target = target[..., tf.newaxis]
    elif more == -1:
        target = targets.without_column(target)
    return tf.convert_to_tensor(loss(target, prediction)).shape.rank


def check_one_loss_an_example(ranks, leaves, losses):
    """Raises for a loss that has averaged already: lam of each example comes too late."""
    for rank, leaf in zip(ranks, leaves, strict=True):
        if rank == 0 and targets.is_integer(leaf):
            raise ValueError(
                "A loss that averages over the batch leaves no place for a weight of each "
                "example. Expected one loss an example, of shape (batch_size, ...), or "
                f'MixUp(per="batch"). Received: a scalar from {losses}'
            )


def check_shapes(leaves, predictions):
    """Raises where a float target would broadcast against its prediction."""
    for target, prediction in zip(leaves, predictions, strict=True):
        if targets.is_integer(target):
            continue
        shape, expected = target.shape, prediction.shape
        column = expected.rank == shape.rank + 1 and expected[-1] == 1
        if column:
            expected = expected[:-1]
        if shape.rank != expected.rank or any(
            None not in (a, b) and a != b
            for a, b in zip(shape[1:], expected[1:], strict=True)
        ):
            raise ValueError(
                "Float targets of a shape that would broadcast. Expected the shape of "
                f"the predictions, {prediction.shape}. Received: {target.shape}. "
                "Classes are integers (a sparse loss) or one-hot rows."
            )
