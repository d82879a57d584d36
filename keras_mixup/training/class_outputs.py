"""What few-label methods do with an output of classes: probabilities of one kind."""

import keras
import tensorflow as tf

from keras_mixup import keras_private
from keras_mixup.training.mixed_loss import keras_function

_NUMBERS = keras.losses.sparse_categorical_crossentropy
_LOSSES = (_NUMBERS, keras.losses.categorical_crossentropy)
_EXPECTED = (
    "Expected keras.losses.SparseCategoricalCrossentropy or CategoricalCrossentropy, "
    "with from_logits=True for a network that ends in logits"
)


def check_loss(loss, of):
    """The loss that `compile` was given, as Keras makes it.

    Raises:
        ValueError: for a loss that is no mean cross-entropy of classes.
    """
    received = f"Received: loss={loss!r}"
    if loss is None or keras.tree.is_nested(loss) or loss in ("crossentropy", "ce"):
        raise ValueError(
            f"{of} is for one output of classes, each with a probability. {_EXPECTED}. "
            f"{received}"
        )
    resolved = keras_private.resolve_loss(loss, 0, 0)
    if keras_function(resolved) not in _LOSSES:
        raise ValueError(
            f"{of} compares probabilities of classes, which this loss does not have. "
            f"{_EXPECTED}. {received}"
        )
    config = resolved.get_config()
    if config.get("ignore_class") is not None or config.get("axis", -1) not in (-1, 1):
        raise ValueError(
            f"{of} has a class for each example, on the last axis. Expected "
            f"ignore_class=None and axis=-1. Received: ignore_class="
            f"{config.get('ignore_class')}, axis={config.get('axis', -1)}"
        )
    if resolved.reduction not in ("sum_over_batch_size", "mean_with_sample_weight"):
        raise ValueError(
            f"{of} weighs the mean loss of labeled examples against that of unlabeled "
            'ones. Expected reduction="sum_over_batch_size". Received: '
            f"reduction={resolved.reduction!r}"
        )
    return resolved


def loss_of_rows(loss, from_logits):
    """The loss for rows of probabilities in the place of class numbers."""
    if keras_function(loss) is _NUMBERS:
        return keras.losses.CategoricalCrossentropy(from_logits=from_logits)
    return loss


def check_output(output, of):
    """Raises unless an output has the shape (batch, classes)."""
    shape = getattr(output, "shape", None)
    if shape is None or len(shape) != 2 or shape[-1] is None or shape[-1] < 2:
        raise ValueError(
            f"{of} is for one output of classes. Expected a network that gives "
            "(batch, classes) with two classes or more: two units and softmax in "
            f"the place of one and sigmoid. Received: an output of {shape or output}"
        )


def check_labels(y, output, loss, of):
    """Raises unless labels have the form that the loss of an output takes."""
    check_output(output, of)
    shape, classes = tuple(y.shape), output.shape[-1]
    numbers = keras_function(loss) is _NUMBERS
    if numbers and not (len(shape) == 1 or shape[1:] == (1,)):
        raise ValueError(
            "Invalid labels. Expected class numbers of shape (batch,) for a sparse "
            "loss, or CategoricalCrossentropy for rows. Received: labels of shape "
            f"{shape}"
        )
    if not numbers and (len(shape) != 2 or shape[1] not in (None, classes)):
        raise ValueError(
            f"Invalid labels. Expected rows of {classes} classes, as the network has, "
            "or SparseCategoricalCrossentropy for class numbers. Received: labels of "
            f"shape {shape}"
        )


def are_rows(y):
    """Whether labels are rows of probabilities, and no class numbers."""
    return y.shape.rank == 2 and y.shape[-1] != 1


def checked_numbers(y, classes):
    """The labels, which fail where the step runs if a class number is out of range.

    XLA cannot fail: the losses of Keras are NaN there.
    """
    y = tf.convert_to_tensor(y)
    if are_rows(y):
        return y
    numbers = tf.cast(y, tf.int64)
    inside = (numbers >= 0) & (numbers < classes)
    check = tf.debugging.Assert(
        tf.reduce_all(inside),
        [
            f"Invalid labels. Expected class numbers in [0, {classes}), as the network "
            "has classes; examples without a label belong in the unlabeled dataset. "
            "Received:",
            numbers,
        ],
        summarize=12,
    )
    # A loss that fails by itself would else be the first to say so.
    with tf.control_dependencies([check] if check is not None else []):
        return tf.identity(y)


def rows_of(y, classes):
    """Labels as float32 rows `(batch, classes)`: class numbers become one-hot.

    The row of a class number out of range is NaN in XLA, as in the losses of Keras.
    """
    y = checked_numbers(y, classes)
    if are_rows(y):
        return tf.cast(y, tf.float32)
    numbers = tf.cast(tf.reshape(y, [-1]), tf.int64)
    inside = (numbers >= 0) & (numbers < classes)
    rows = tf.one_hot(numbers, classes)
    return tf.where(inside[:, tf.newaxis], rows, float("nan"))


def probabilities(output, from_logits):
    """Float32 probabilities of an output that holds logits or probabilities."""
    output = tf.cast(output, tf.float32)
    return tf.nn.softmax(output) if from_logits else output


def logits(output, from_logits):
    """Float32 logits of an output that holds logits or probabilities.

    Those of probabilities are their logarithms, which are logits up to a number an
    example.
    """
    output = tf.cast(output, tf.float32)
    if from_logits:
        return output
    return tf.math.log(tf.maximum(output, keras.config.epsilon()))


def sharpened(rows, temperature):
    """`p_i^(1/T) / sum_j p_j^(1/T)`; T = 1 leaves the rows as they are."""
    if temperature == 1:
        return rows
    # Powers of tiny numbers vanish, those of their logarithms do not.
    tiny = tf.constant(1.2e-38, tf.float32)
    return tf.nn.softmax(tf.math.log(tf.maximum(rows, tiny)) / temperature)


def mean_square(rows, others):
    """The mean squared difference, over examples and classes."""
    return tf.reduce_mean(tf.square(rows - others))
