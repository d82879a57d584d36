"""One training run: Keras's fit with what users expect around it."""

import contextlib
import dataclasses
import math
import os
import sys
import time
from collections.abc import Callable

import keras
import tensorflow as tf

import keras_mixup
from experiments import checkpoints
from experiments.configuration import Refusal, TrainingConfiguration


class NonFiniteLoss(Refusal, FloatingPointError):
    """A loss that is infinite or no number; the message names the step."""


@dataclasses.dataclass(frozen=True)
class Data:
    """What a run is trained on and what it is evaluated on.

    Attributes:
        batches: Function from the first epoch to endless training batches.
        count: Number of training examples.
        batch_size: Examples in a training batch.
        sets: Dict from names, such as "test", to batches for evaluation.
    """

    batches: Callable[[int], tf.data.Dataset]
    count: int
    batch_size: int
    sets: dict[str, tf.data.Dataset]

    @property
    def steps_per_epoch(self):
        """Batches in an epoch, a smaller last one included."""
        return math.ceil(self.count / self.batch_size)

    def examples_seen(self, epochs, settings):
        """Training examples in so many epochs, or in what `max_steps` leaves of one."""
        if 0 < settings.max_steps < self.steps_per_epoch:
            return settings.max_steps * self.batch_size
        return epochs * self.count


@dataclasses.dataclass(frozen=True)
class Mixing:
    """How a run mixes: in the train step, or as the last stage of its pipeline.

    In the pipeline labels become rows of probabilities, so the network is compiled
    for rows and the evaluated sets have to be one-hot (`rows`). "top_1" of mixed
    batches then counts the heavier partner alone.

    Attributes:
        alpha: A number or a schedule.
        seed: Integer.
        num_classes: Number of classes.
        settings: `TrainingConfiguration`.
        mix_at: Names of the layers behind which the train step mixes.
    """

    alpha: float | keras_mixup.AlphaSchedule
    seed: int
    num_classes: int
    settings: TrainingConfiguration
    mix_at: str = "input"

    @property
    def in_pipeline(self):
        """The `MixUp` of the pipeline, or None."""
        if not self.rows:
            return None
        return keras_mixup.MixUp(self.alpha, num_classes=self.rows, seed=self.seed)

    @property
    def rows(self):
        """Number of classes where labels are rows, else 0."""
        return self.num_classes if self.settings.mix_in == "pipeline" else 0

    def compiled(self, network, optimizer, top_5=False):
        """The network with its train step, compiled for logits."""
        if self.rows:
            model = network
            loss = keras.losses.CategoricalCrossentropy(from_logits=True)
            top_1 = keras.metrics.CategoricalAccuracy
            top_k = keras.metrics.TopKCategoricalAccuracy
        else:
            mixup = keras_mixup.MixUp(self.alpha, seed=self.seed)
            model = keras_mixup.MixUpModel(network, mixup, mix_at=self.mix_at)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            top_1 = keras.metrics.SparseCategoricalAccuracy
            top_k = keras.metrics.SparseTopKCategoricalAccuracy
        model.compile(
            optimizer=optimizer,
            loss=loss,
            metrics=[top_1("top_1"), *([top_k(5, "top_5")] if top_5 else [])],
            jit_compile=self.settings.jit_compile,
        )
        return model


def fit(make_model, data, learning_rate, epochs, settings, folder):
    """Trains a model, or goes on where its folder says that it was left.

    Args:
        make_model: Function without arguments that gives a compiled model; called
            in the scope of the strategy and under the dtype policy.
        data: `Data`.
        learning_rate: The schedule that the optimizer follows, for the record.
        epochs: Number of epochs.
        settings: `TrainingConfiguration`.
        folder: The run's folder, for logs, checkpoints and the trained network.

    Returns:
        The record of the epochs: a list of dicts with "epoch", "learning_rate" (of
        the last step), "train", one dict for each evaluated set, "seconds".

    Raises:
        NonFiniteLoss: where the loss is not finite, with the step.
    """
    steps, sets = data.steps_per_epoch, data.sets
    if settings.max_steps:
        epochs = min(epochs, math.ceil(settings.max_steps / steps))
        steps = min(steps, settings.max_steps)
        sets = {
            name: batches.take(settings.max_steps) for name, batches in sets.items()
        }
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    with dtype_policy(settings.precision), strategy_of(settings).scope():
        model = make_model()
        state = checkpoints.RunState(model, folder / "checkpoints")
    done = state.restore()
    if done:
        keep_rows(folder / "log.csv", done)
        print(f"Resuming after epoch {done} of {epochs}.", flush=True)
    callbacks = [
        Record(state.epochs, sets, learning_rate, data.steps_per_epoch, steps),
        keras.callbacks.CSVLogger(str(folder / "log.csv"), append=bool(done)),
        StopAtNonFiniteLoss(data.steps_per_epoch),
    ]
    if settings.tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(str(folder / "tensorboard")))
    if settings.checkpoint_every:
        callbacks.append(checkpoints.SaveRunState(state, settings.checkpoint_every))
    if done < epochs:
        model.fit(
            data.batches(done),
            initial_epoch=done,
            epochs=epochs,
            steps_per_epoch=steps,
            callbacks=callbacks,
            shuffle=False,
            verbose=_verbose(settings.progress),
        )
    if settings.checkpoint_every:
        save_whole(getattr(model, "network", model), folder / "network.keras")
    return state.epochs


def save_whole(network, path):
    """Saves a network whole or not at all."""
    scratch = path.with_name(f"unfinished_{path.name}")
    network.save(scratch)
    os.replace(scratch, path)


def keep_rows(path, count):
    """Takes from a CSV file the rows of epochs that a resumed run does again."""
    if path.exists():
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[: 1 + count]))


@contextlib.contextmanager
def dtype_policy(name):
    """Keras's global dtype policy, for a while."""
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(former)


def strategy_of(settings):
    """The `tf.distribute` strategy of the settings."""
    if settings.strategy == "one":
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


class Record(keras.callbacks.Callback):
    """Evaluates the model after each epoch, and keeps the numbers.

    What was measured is added to the logs, for the callbacks that follow.
    """

    def __init__(self, epochs, sets, learning_rate, steps_per_epoch, steps):
        super().__init__()
        self.epochs, self.sets, self.learning_rate = epochs, sets, learning_rate
        self.steps_per_epoch, self.steps = steps_per_epoch, steps

    def on_train_begin(self, logs=None):
        """Starts the clock; a resumed run goes on from what it had taken."""
        taken = self.epochs[-1]["seconds"] if self.epochs else 0.0
        self._start = time.perf_counter() - taken

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
        seconds = time.perf_counter() - self._start
        self.epochs.append(
            {"epoch": epoch + 1, "learning_rate": rate, **measured, "seconds": seconds}
        )


class StopAtNonFiniteLoss(keras.callbacks.Callback):
    """Stops a run whose loss is no longer finite, and names the step."""

    def __init__(self, steps_per_epoch):
        super().__init__()
        self.steps_per_epoch = steps_per_epoch

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the loss."""
        if not math.isfinite(logs["loss"]):
            step = self._epoch * self.steps_per_epoch + batch
            raise NonFiniteLoss(
                f"The loss is {logs['loss']} at step {step} (epoch {self._epoch + 1}, "
                f"batch {batch + 1}). The run's folder holds the epochs before it; a "
                "lower learning rate or --precision float32 may help."
            )


def _verbose(progress):
    if progress == "auto":
        progress = "bar" if sys.stdout.isatty() else "line"
    return {"none": 0, "bar": 1, "line": 2}[progress]


def _errors(logs):
    """Loss and top-1 and top-5 errors in per cent."""
    errors = {"loss": float(logs["loss"])}
    for metric, error in (("top_1", "error"), ("top_5", "top_5_error")):
        if metric in logs:
            errors[error] = 100 * (1 - float(logs[metric]))
    return errors
