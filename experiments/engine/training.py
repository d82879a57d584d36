"""One training run: Keras's fit with what users expect around it."""

import contextlib
import dataclasses
import math
import sys
import time
from collections.abc import Callable

import keras
import tensorflow as tf

import keras_mixup
from experiments.configuration import RunConfiguration
from experiments.data.service import StopWithoutInput
from experiments.engine import checkpoints, distribution, recording, whole_network


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
            # Its step is Keras's own then.
            mixup, mix_at = keras_mixup.MixUp(0), "input"
            loss = keras.losses.CategoricalCrossentropy(from_logits=True)
            top_1 = keras.metrics.CategoricalAccuracy
            top_k = keras.metrics.TopKCategoricalAccuracy
        else:
            mixup, mix_at = self._mixup(), self.mix_at
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            top_1 = keras.metrics.SparseCategoricalAccuracy
            top_k = keras.metrics.SparseTopKCategoricalAccuracy
        model = keras_mixup.MixUpModel(network, mixup, mix_at=mix_at)
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
    chief = distribution.is_chief(settings)
    strategy = distribution.strategy_of(settings)
    with dtype_policy(settings.precision), strategy.scope():
        model = make_model()
    state = checkpoints.RunState(model, folder / "checkpoints", writes=chief)
    done = state.restore()
    if done or state.batch:
        recording.keep_rows(folder / "log.csv", done)
        inside = f" and {state.batch} batches" if state.batch else ""
        print(f"Resuming after epoch {done} of {epochs}{inside}.", flush=True)
    if done < epochs:
        # It makes the metrics' variables; else the train step would be traced twice.
        model.evaluate(next(iter(sets.values())).take(1), verbose=0)
    callbacks = _callbacks(
        state, data, sets, learning_rate, epochs, steps, settings, folder, at_end
    )
    # First the epoch that was open, from the batch that came next.
    open_epoch = [(done, done + 1, state.batch)] if state.batch else []
    for first, last, begun in [*open_epoch, (done + len(open_epoch), epochs, 0)]:
        if first < last:
            model.fit(
                data.batches(first).skip(begun),
                initial_epoch=first,
                epochs=last,
                steps_per_epoch=steps - begun,
                callbacks=callbacks,
                shuffle=False,
                verbose=_verbose(settings.progress) if chief else 0,
            )
    if settings.checkpoint_every and chief:
        whole_network.save(getattr(model, "network", model), folder / "network.keras")
    return state.epochs


def _callbacks(
    state, data, sets, learning_rate, epochs, steps, settings, folder, at_end
):
    """What goes along with `fit`; files are written by the chief alone."""
    taken = state.epochs[-1]["seconds"] if state.epochs else 0.0
    start = time.perf_counter() - max(taken, state.seconds)

    def clock():
        return time.perf_counter() - start

    own_files = []
    if distribution.is_chief(settings):
        append = bool(state.epochs or state.batch)
        own_files.append(
            keras.callbacks.CSVLogger(str(folder / "log.csv"), append=append)
        )
        if settings.tensorboard:
            own_files.append(keras.callbacks.TensorBoard(str(folder / "tensorboard")))
    callbacks = [
        recording.Record(
            state.epochs, sets, learning_rate, data.steps_per_epoch, steps, clock
        ),
        recording.MeasureAtEnd(state.epochs, sets, epochs, at_end),
        *own_files,
        recording.StopAtNonFiniteLoss(
            data.steps_per_epoch,
            None if settings.data_service else data.batches,
            lambda: state.batch,
        ),
    ]
    if settings.data_service:
        # Before all others: what they do at an epoch's end is not waiting.
        callbacks.insert(0, StopWithoutInput(settings.data_service_timeout))
    every, inside = settings.checkpoint_every, settings.checkpoint_steps
    if every or inside:
        callbacks.append(checkpoints.SaveRunState(state, every, inside, steps, clock))
    return callbacks


@contextlib.contextmanager
def dtype_policy(name):
    """Keras's global dtype policy, for a while."""
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(former)


def _verbose(progress):
    if progress == "auto":
        progress = "bar" if sys.stdout.isatty() else "line"
    return {"none": 0, "bar": 1, "line": 2}[progress]
