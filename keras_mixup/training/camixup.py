"""CAMixUp: the classes of which a model is over-confident are mixed."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import arguments, hints, mixing
from keras_mixup.ends_in_logits import ends_in_logits, losses_of
from keras_mixup.training import class_outputs
from keras_mixup.training.classifier import MixUpModel

_BATCH = 128
# What rounding may add to a probability.
_SLACK = 1e-3


class CAMixUp(keras.callbacks.Callback):
    """Mixes the classes of which a model is over-confident (Wen et al., 2021).

    A callback whose variable `probability` is that of a policy. At the end of an epoch,
    of the validation examples of class c,

        probability[c] = 0    if accuracy(c) > confidence(c)
        probability[c] = 1    else

    with the share that is predicted right, and the mean of their greatest probability,
    which a binary cross-entropy takes of a sigmoid, and another of a softmax. In the
    next epoch an example of class c is mixed, with alpha, or left as it is. In epoch 0
    of a model without a step nothing is mixed, as in the authors' program.

    The variable is set when an epoch begins, from the weights that the model has then.
    So no state is to be saved: training that goes on after a stop between two epochs
    mixes the same classes. It costs a pass over the validation data an epoch.

    Examples:
        >>> camixup = keras_mixup.CAMixUp((x_val, y_val), num_classes=10)
        >>> by_class = {"per": "example", "probability": camixup.probability}
        >>> mixup = keras_mixup.MixUp(1.0, **by_class)
        >>> model = keras_mixup.MixUpModel(network, mixup)
        >>> model.fit(x, y, callbacks=[camixup])

    Args:
        validation_data: `(x, y)` of arrays, or a `tf.data.Dataset` of such batches,
            with examples of each class that are not trained on. y has class numbers or
            one-hot rows.
        num_classes: Integer >= 2.
        from_logits: Whether the model gives logits; None reads it from its last
            activation and the compiled loss.

    Raises:
        ValueError: before training, for another form of data, data without an end,
            classes without an example, losses of quantities and of margins, and models
            that do not give `(batch, num_classes)`, or neither logits nor
            probabilities.

    References:
        Wen et al., "Combining ensembles and data augmentation can harm your
        calibration", ICLR 2021, section 4.
    """

    def __init__(
        self,
        validation_data: tuple[hints.Nest, hints.TensorLike] | tf.data.Dataset,
        num_classes: int,
        from_logits: bool | None = None,
    ) -> None:
        super().__init__()
        arguments.check_backend("CAMixUp")
        arguments.check_count("num_classes", num_classes, least=2)
        dataset = validation_data
        if isinstance(dataset, (tuple, list)) and len(dataset) == 2:
            x, y = dataset
            if isinstance(x, list) and all(hasattr(one, "shape") for one in x):
                x = tuple(x)
            dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(_BATCH)
        spec = getattr(dataset, "element_spec", None)
        if not (isinstance(spec, tuple) and len(spec) == 2):
            raise ValueError(
                "Invalid value received for argument `validation_data`. Expected "
                "(x, y), or a tf.data.Dataset of such batches. Received: "
                f"{type(validation_data).__name__} of {spec}"
            )
        if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                "Invalid value received for argument `validation_data`. Expected a "
                "dataset with an end, such as validation_data.take(steps). Received: "
                "one that repeats for ever"
            )
        self.num_classes = num_classes
        self.from_logits = from_logits
        self.probability = tf.Variable(tf.zeros(num_classes), trainable=False)
        self._batches = dataset

    def set_model(self, model):
        """Takes the model whose classes are mixed."""
        policies = model.mixup.chosen_from if hasattr(model, "mixup") else ()
        given = [one.probability for one in policies]
        if given and not any(one is self.probability for one in given):
            raise ValueError(
                "The policy of the model does not have the probability of this "
                "callback. Expected MixUp(..., probability=camixup.probability). A "
                "model that was saved has the numbers in its place: make the model "
                f"anew and load the weights. Received: probability={given}"
            )
        super().set_model(model)
        self._scores = tf.function(_scores_of(model), reduce_retracing=True)

    def on_epoch_begin(self, epoch, logs=None):
        """Sets the probability of each class; 0 before the first step of a model."""
        del logs
        accuracy, confidence = self.calibration()
        # A model that was compiled anew, or whose weights were read, has an optimizer
        # without updates.
        counts = [self.model.optimizer.iterations]
        if isinstance(self.model, MixUpModel):
            counts.append(self.model.step)
        trained = epoch or any(int(tf.convert_to_tensor(count)) for count in counts)
        over = accuracy <= confidence if trained else np.zeros(self.num_classes)
        self.probability.assign(np.asarray(over, "float32"))

    def calibration(self) -> tuple[Any, Any]:
        """The accuracy and the mean confidence of each class, as the model is now."""
        model = self.model
        if model is None:
            raise ValueError(
                "This callback has no model yet. Expected it among the callbacks of "
                "`fit`"
            )
        network = model.network if isinstance(model, MixUpModel) else model
        (loss,) = losses_of(model.loss, ["output"])
        if loss.kind in ("quantities", "scores"):
            raise ValueError(
                "CAMixUp compares probabilities of classes, which this loss does not "
                "have. Expected a cross-entropy. Received: "
                f"{loss.name}"
            )
        from_logits = ends_in_logits(network, model.loss, self.from_logits)
        probabilities = class_outputs.probabilities
        if loss.kind == "labels" and from_logits:
            probabilities = _sigmoid
        sums = np.zeros((3, self.num_classes))
        for x, y in self._batches:
            scores = self._scores(x)
            class_outputs.check_output(scores, "CAMixUp")
            rows = np.asarray(class_outputs.rows_of(y, scores.shape[-1]))
            found = np.asarray(probabilities(scores, from_logits))
            if not (np.all(found > -_SLACK) and np.all(found < 1 + _SLACK)):
                raise ValueError(
                    "An output that holds no probabilities. Expected values in [0, 1], "
                    "or from_logits=True for logits. Received: values from "
                    f"{found.min()} to {found.max()}"
                )
            if rows.shape[1] != self.num_classes or rows.shape != found.shape:
                raise ValueError(
                    f"Validation data of other classes. Expected {self.num_classes} "
                    "(num_classes) in the labels and in the output of the model. "
                    f"Received: rows of {rows.shape}, an output of {found.shape}"
                )
            labels = rows.argmax(-1)
            of_each = [np.ones(len(labels)), found.argmax(-1) == labels, found.max(-1)]
            for total, values in zip(sums, of_each, strict=True):
                np.add.at(total, labels, values)
        count, right, confidence = sums
        if not count.all():
            raise ValueError(
                "Validation data without examples of some classes. Expected some of "
                f"each of {self.num_classes}. Received: none of "
                f"{np.flatnonzero(count == 0).tolist()}"
            )
        return right / count, confidence / count


def _sigmoid(scores, from_logits):
    del from_logits
    return tf.sigmoid(tf.cast(scores, tf.float32))


def _scores_of(model):
    def scores(x):
        x = keras.tree.map_structure(
            lambda leaf: tf.cast(leaf, mixing.mixed_dtype(leaf.dtype)), x
        )
        return model(x, training=False)

    return scores
