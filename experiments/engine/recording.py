"""What a run leaves behind: the numbers of its epochs, and of its end."""

import math

import keras
import numpy as np
import tensorflow as tf

import keras_mixup
from experiments.configuration import Refusal
from keras_mixup.whole_file import whole_file


class NonFiniteLoss(Refusal, FloatingPointError):
    """A loss that is infinite or no number; the message names the step."""


class Record(keras.callbacks.Callback):
    """Evaluates the model after each epoch, and keeps the numbers.

    What was measured is added to the logs, for the callbacks that follow.
    """

    def __init__(self, epochs, sets, learning_rate, steps_per_epoch, steps, clock):
        super().__init__()
        self.epochs, self.sets, self.learning_rate = epochs, sets, learning_rate
        self.steps_per_epoch, self.steps, self.clock = steps_per_epoch, steps, clock

    def on_epoch_end(self, epoch, logs=None):
        """Evaluates, and adds an entry."""
        measured = {"train": _errors(logs)}
        for name, batches in self.sets.items():
            found = self.model.evaluate(batches, verbose=0, return_dict=True)
            measured[name] = _errors(found)
            if not math.isfinite(found["loss"]):
                raise NonFiniteLoss(
                    f"The loss on {name!r} is {found['loss']} after epoch {epoch + 1}."
                )
            logs |= {f"{name}_{key}": value for key, value in measured[name].items()}
        last_step = epoch * self.steps_per_epoch + self.steps - 1
        rate = float(self.learning_rate(last_step))
        logs["learning_rate"] = rate
        self.epochs.append(
            {
                "epoch": epoch + 1,
                "learning_rate": rate,
                **measured,
                "seconds": self.clock(),
            }
        )


class MeasureAtEnd(keras.callbacks.Callback):
    """Adds what is measured once, after the last epoch, to that epoch's entry."""

    def __init__(self, epochs, sets, last, at_end):
        super().__init__()
        self.epochs, self.sets, self.last, self.at_end = epochs, sets, last, at_end

    def on_train_begin(self, logs=None):
        """Forgets what was measured at the end of a shorter run that goes on."""
        for entry in self.epochs:
            entry.pop("end", None)

    def on_epoch_end(self, epoch, logs=None):
        """Measures after the last epoch."""
        if epoch + 1 < self.last:
            return
        network = getattr(self.model, "network", self.model)
        measured = {"reliability": {}}
        for name, batches in self.sets.items():
            found = reliability(network, batches)
            if found is not None:
                measured["reliability"][name] = found
        self.epochs[-1]["end"] = measured | (
            self.at_end(network) if self.at_end else {}
        )


def reliability(network, batches):
    """How often a classifier is right, by how sure it is; None where it is not one.

    Args:
        network: A network that ends in logits: one for two classes, or one a class.
        batches: Batches of (features, labels): integers, one-hot rows, or for one logit
            a column of zeros and ones.
    """
    logits = network.predict(batches, verbose=0).astype("float64")
    labels = np.concatenate([np.asarray(y) for _, y in batches])
    if logits.ndim != 2:
        return None
    if logits.shape[-1] == 1:
        if not np.isin(labels, (0, 1)).all():
            return None
        # The softmax of (0, logit) has the sigmoid of the logit as its second entry.
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
        labels = labels.reshape(-1).astype("int64")
    labels = labels.argmax(-1) if labels.ndim > 1 else labels
    probabilities = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities /= probabilities.sum(-1, keepdims=True)
    return keras_mixup.evaluation.reliability(probabilities, labels)


class StopAtNonFiniteLoss(keras.callbacks.Callback):
    """Stops a run whose loss is no longer finite; names the step, and what in its batch.

    Args:
        steps_per_epoch: Integer.
        batches: Function from an epoch to its batches, asked for the one that is to blame;
            None where they cannot be had again.
        begun: Function without arguments that gives the batches that were done of the
            open epoch before the run was resumed.
    """

    def __init__(self, steps_per_epoch, batches, begun):
        super().__init__()
        self.steps_per_epoch, self.batches, self.begun = steps_per_epoch, batches, begun

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the loss."""
        if math.isfinite(logs["loss"]):
            return
        batch += self.begun()
        step = self._epoch * self.steps_per_epoch + batch
        if self.batches is None:
            blamed = "its batch came from a tf.data service and cannot be had again"
        else:
            again = self.batches(self._epoch).skip(batch)
            blamed = "; ".join(non_finite(next(iter(again)))) or (
                "its batch is finite: a lower learning rate or --precision float32 may "
                "help"
            )
        raise NonFiniteLoss(
            f"The loss is {logs['loss']} at step {step} (epoch {self._epoch + 1}, "
            f"batch {batch + 1}): {blamed}. The run's folder holds what came before it."
        )


def non_finite(batch):
    """What in a batch is not finite: a line for each feature or label that is not."""
    x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    lines = []
    for part, nest in (("feature", x), ("label", y)):
        for path, tensor in _leaves(nest):
            tensor = tf.convert_to_tensor(tensor)
            if not tensor.dtype.is_floating:
                continue
            finite = tf.math.is_finite(tensor).numpy()
            bad = ~finite.reshape(len(finite), -1).all(axis=1)
            if bad.any():
                name = f"{part} {path!r}" if path else f"the {part}s"
                lines.append(
                    f"{name} of its batch: {bad.sum()} of {len(bad)} examples are not "
                    f"finite, the first in row {bad.argmax()}"
                )
    return lines


def _leaves(nest, path=""):
    """Each tensor of a nest with its name; that of a tensor alone is empty."""
    if isinstance(nest, dict):
        pairs = nest.items()
    elif isinstance(nest, (tuple, list)):
        pairs = enumerate(nest)
    else:
        yield path, nest
        return
    for key, value in pairs:
        yield from _leaves(value, f"{path}/{key}" if path else str(key))


def keep_rows(path, count):
    """Takes from a CSV file the rows of epochs that a resumed run does again."""
    if path.exists():
        lines = path.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        with whole_file(path) as scratch:
            scratch.write_bytes(b"".join(whole[: 1 + count]))


def _errors(logs):
    """Loss and top-1 and top-5 errors in per cent."""
    errors = {"loss": float(logs["loss"])}
    for metric, error in (("top_1", "error"), ("top_5", "top_5_error")):
        if metric in logs:
            errors[error] = 100 * (1 - float(logs[metric]))
    return errors
