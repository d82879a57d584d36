"""One training run: Keras's fit with what users expect around it."""

import contextlib
import dataclasses
import functools
import math
import os
import sys
from collections.abc import Callable

import keras
import tensorflow as tf

import keras_mixup
from experiments import checkpoints, recording
from experiments.configuration import RunConfiguration


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
    batches then counts the heavier partner alone. Smoothed labels have to be rows, and
    partners from outside of the batch come through the pipeline: both mix there,
    whatever the settings say.

    Attributes:
        alpha: A number or a schedule.
        seed: Integer.
        num_classes: Number of classes.
        settings: `RunConfiguration`.
        mix_at: Names of the layers behind which the train step mixes.
        options: Further arguments of `keras_mixup.MixUp`, by name.
        between: Whether the pipeline's batches are pairs of batches, whose examples
            are mixed place by place.
    """

    alpha: float | keras_mixup.AlphaSchedule
    seed: int
    num_classes: int
    settings: RunConfiguration
    mix_at: str = "input"
    options: dict = dataclasses.field(default_factory=dict)
    between: bool = False

    @property
    def in_pipeline(self):
        """The pipeline's last stage, a function of (step, batch), or None."""
        if not self.rows:
            return None
        mixup = self._mixup(num_classes=self.rows)
        if self.between:
            return lambda step, pair: mixup.between(*pair, step=step)
        return mixup.at_step

    @property
    def rows(self):
        """Number of classes where labels are rows, else 0."""
        in_pipeline = self.settings.mix_in == "pipeline" and self.mix_at == "input"
        smoothed = self.options.get("label_smoothing")
        return self.num_classes if in_pipeline or self.between or smoothed else 0

    def compiled(self, network, optimizer, top_5=False):
        """The network with its train step, compiled for logits."""
        if self.rows:
            model = network
            loss = keras.losses.CategoricalCrossentropy(from_logits=True)
            top_1 = keras.metrics.CategoricalAccuracy
            top_k = keras.metrics.TopKCategoricalAccuracy
        else:
            model = keras_mixup.MixUpModel(network, self._mixup(), mix_at=self.mix_at)
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

    def _mixup(self, **options):
        return keras_mixup.MixUp(self.alpha, seed=self.seed, **self.options, **options)


def fit(make_model, data, learning_rate, epochs, settings, folder, at_end=None):
    """Trains a model, or goes on where its folder says that it was left.

    Args:
        make_model: Function without arguments that gives a compiled model; called
            in the scope of the strategy and under the dtype policy.
        data: `Data`.
        learning_rate: The schedule that the optimizer follows, for the record.
        epochs: Number of epochs.
        settings: `RunConfiguration`.
        folder: The run's folder, for logs, checkpoints and the trained network.
        at_end: Function of the trained network that gives a dict of what is measured
            once, after the last epoch, or None.

    Returns:
        The record of the epochs: a list of dicts with "epoch", "learning_rate" (of
        the last step), "train", one dict for each evaluated set, "seconds". The last
        has "end" as well: the reliability of the predictions on each evaluated set
        (`keras_mixup.evaluation.reliability`), and what `at_end` measured.

    Raises:
        recording.NonFiniteLoss: where the loss is not finite, with the step.
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
        recording.keep_rows(folder / "log.csv", done)
        print(f"Resuming after epoch {done} of {epochs}.", flush=True)
    callbacks = [
        recording.Record(
            state.epochs, sets, learning_rate, data.steps_per_epoch, steps
        ),
        recording.MeasureAtEnd(state.epochs, sets, epochs, at_end),
        keras.callbacks.CSVLogger(str(folder / "log.csv"), append=bool(done)),
        recording.StopAtNonFiniteLoss(data.steps_per_epoch),
    ]
    if settings.tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(str(folder / "tensorboard")))
    if settings.checkpoint_every:
        callbacks.append(checkpoints.SaveRunState(state, settings.checkpoint_every))
    if done < epochs:
        # It makes the metrics' variables; else the train step would be traced twice.
        model.evaluate(next(iter(sets.values())).take(1), verbose=0)
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
    return mirrored()


@functools.cache
def mirrored():
    """The one `MirroredStrategy` of this process, over all of its devices.

    TensorFlow numbers the collectives of each strategy from 100 on: those of a second
    network under a second strategy would meet the first's, of other shapes.
    """
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _verbose(progress):
    if progress == "auto":
        progress = "bar" if sys.stdout.isatty() else "line"
    return {"none": 0, "bar": 1, "line": 2}[progress]
