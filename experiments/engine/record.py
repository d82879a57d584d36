"""What a run leaves behind: the numbers of its epochs or points, and its state."""

import math

import keras
import numpy as np

import keras_mixup
from experiments.engine.non_finite import NonFiniteLoss
from keras_mixup.whole_file import whole_file


class RecordEpochs(keras.callbacks.Callback):
    """Evaluates a classifier after each epoch, and adds the numbers to `state.epochs`.

    They are added to the logs too, for the callbacks that follow. The entry of the last
    epoch has "end" as well: what is measured once. `clock` gives the run's seconds.
    """

    def __init__(self, state, course, clock):
        super().__init__()
        self.epochs, self.course, self.clock = state.epochs, course, clock

    def on_train_begin(self, logs=None):
        """Forgets what was measured at the end of a shorter run that goes on."""
        for entry in self.epochs:
            entry.pop("end", None)

    def on_epoch_end(self, epoch, logs=None):
        """Evaluates, and adds an entry."""
        course, measured = self.course, {"train": errors(logs)}
        for name, found in course.evaluate(self.model).items():
            measured[name] = found
            if not math.isfinite(found["loss"]):
                raise NonFiniteLoss(
                    f"The loss on {name!r} is {found['loss']} after epoch {epoch + 1}."
                )
            logs |= {f"{name}_{key}": value for key, value in measured[name].items()}
        rate = float(course.learning_rate(course.last_step(epoch)))
        logs["learning_rate"] = rate
        entry = {"epoch": epoch + 1, "learning_rate": rate, **measured}
        self.epochs.append({**entry, "seconds": self.clock()})
        if epoch + 1 == course.epochs:
            network = course.networks(self.model)["network"]
            self.epochs[-1]["end"] = course.end(network)


class RecordPoints(keras.callbacks.Callback):
    """Measures a GAN after chosen iterations, and adds the numbers to `state.epochs`.

    `shows`: whether a line is printed for each point; `clock` gives the run's seconds.
    """

    def __init__(self, state, course, clock, shows):
        super().__init__()
        self.epochs, self.course, self.clock = state.epochs, course, clock
        self.shows, self.done = shows, course.done(state)

    def on_train_batch_end(self, batch, logs=None):
        """Measures where it is time."""
        iteration = self.done + batch + 1
        if iteration not in self.course.points:
            return
        losses = {name: float(value) for name, value in logs.items()}
        if not np.isfinite(list(losses.values())).all():
            raise NonFiniteLoss(
                f"The losses are {losses} before iteration {iteration}. The run's "
                "folder holds the points before it; a lower learning rate or "
                "--precision float32 may help."
            )
        measured = self.course.measure(self.model, iteration)
        # Else they would be means from the beginning on.
        for metric in self.model.metrics:
            metric.reset_state()
        entry = {"epoch": len(self.epochs) + 1, "iteration": iteration, "train": losses}
        self.epochs.append({**entry, **measured, "seconds": self.clock()})
        if self.shows:
            numbers = {**losses, **measured.get("test", {})}
            shown = ", ".join(f"{name} {value:.3g}" for name, value in numbers.items())
            print(f"iteration {iteration}: {shown}", flush=True)


class SaveState(keras.callbacks.Callback):
    """Saves a run's state after entries of its record, inside of epochs, at the end.

    `every` are the entries between two checkpoints, `steps` the steps between two
    inside of an epoch; 0 for none. Where an epoch was open, it gives the metrics back
    what they had counted, which a run that saves nothing more needs as well.
    """

    def __init__(self, state, every, steps, steps_per_epoch, clock):
        super().__init__()
        self.state, self.every, self.steps = state, every, steps
        self.steps_per_epoch, self.clock = steps_per_epoch, clock
        self._seen = self._saved = len(state.epochs)

    def on_epoch_begin(self, epoch, logs=None):
        """Gives the metrics what they had counted, where an epoch was open."""
        self.state.put_metrics_back()

    def on_train_batch_end(self, batch, logs=None):
        """Saves where it is time; the end of an epoch comes after its evaluation."""
        self._save_new_entry()
        done = self.state.batch + batch + 1
        if self.steps and done % self.steps == 0 and done < self.steps_per_epoch:
            self.state.save(done, self.clock())

    def on_epoch_end(self, epoch, logs=None):
        """Saves where it is time."""
        self.state.batch = 0
        self._save_new_entry()

    def on_train_end(self, logs=None):
        """Saves the end, unless that was just done or nothing is saved."""
        if (self.every or self.steps) and self._saved != len(self.state.epochs):
            self._save()

    def _save_new_entry(self):
        count = len(self.state.epochs)
        is_time = self.steps or (self.every and count % self.every == 0)
        if count > self._seen and is_time:
            self._save()
        self._seen = count

    def _save(self):
        self.state.save()
        self._saved = len(self.state.epochs)


def reliability(network, batches):
    """How often a classifier is right, by how sure it is.

    It ends in logits, one for two classes or one a class. Labels are integers, one-hot
    rows, or for one logit a column of zeros and ones.
    """
    logits = network.predict(batches, verbose=0).astype("float64")
    labels = np.concatenate([np.asarray(y) for _, y in batches])
    if logits.shape[-1] == 1:
        # The softmax of (0, logit) has the sigmoid of the logit as its second entry.
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
        labels = labels.reshape(-1).astype("int64")
    labels = labels.argmax(-1) if labels.ndim > 1 else labels
    probabilities = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities /= probabilities.sum(-1, keepdims=True)
    return keras_mixup.evaluation.reliability(probabilities, labels)


def errors(logs):
    """Loss and top-1 and top-5 errors in per cent."""
    found = {"loss": float(logs["loss"])}
    for metric, error in (("top_1", "error"), ("top_5", "top_5_error")):
        if metric in logs:
            found[error] = 100 * (1 - float(logs[metric]))
    return found


def keep_rows(path, count):
    """Takes from a CSV file the rows of epochs that a resumed run does again."""
    if path.exists():
        lines = path.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        with whole_file(path) as scratch:
            scratch.write_bytes(b"".join(whole[: 1 + count]))
