"""One training run of a GAN: Keras's fit, measured at chosen iterations."""

import base64
import time

import keras
import numpy as np
import tensorflow as tf

from experiments.data.service import StopWithoutInput
from experiments.engine import (
    checkpoints,
    distribution,
    recording,
    training,
    whole_network,
)


def fit(make_gan, batches, points, measure, settings, folder):
    """Trains a GAN, or goes on where its folder says that it was left.

    An iteration is one train step: the steps of the discriminator and one of the
    generator.

    Args:
        make_gan: Function without arguments that gives a compiled `MixUpGAN`; called in
            the scope of the strategy and under the dtype policy.
        batches: Function from the number of iterations done to the batches that follow.
        points: Increasing numbers of iterations after which it is measured; the last
            one ends the run.
        measure: Function of (gan, iteration) that gives a dict of dicts for the record.
        settings: `RunConfiguration`.
        folder: The run's folder, for checkpoints and the trained networks.

    Returns:
        The record: a list of dicts, one for each point, with "epoch" (the number of the
        point), "iteration", "train" (mean losses since the point before), what `measure`
        gives, and "seconds".

    Raises:
        recording.NonFiniteLoss: where a loss or a sample is not finite.
    """
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    with (
        training.dtype_policy(settings.precision),
        distribution.strategy_of(settings).scope(),
    ):
        gan = make_gan()
    chief = distribution.is_chief(settings)
    state = checkpoints.RunState(gan, folder / "checkpoints", writes=chief)
    state.restore()
    done = state.epochs[-1]["iteration"] if state.epochs else 0
    if done:
        print(f"Resuming after iteration {done} of {points[-1]}.", flush=True)
    callbacks = [RecordPoints(state, points, done, measure, settings)]
    if settings.tensorboard and chief:
        callbacks.append(
            keras.callbacks.TensorBoard(str(folder / "tensorboard"), update_freq=100)
        )
    if settings.data_service:
        callbacks.append(StopWithoutInput(settings.data_service_timeout))
    if done < points[-1]:
        gan.fit(
            batches(done),
            steps_per_epoch=points[-1] - done,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
    if settings.checkpoint_every and chief:
        whole_network.save(gan.generator, folder / "generator.keras")
        whole_network.save(gan.discriminator, folder / "discriminator.keras")
    return state.epochs


class RecordPoints(keras.callbacks.Callback):
    """Measures the GAN at the points, keeps the numbers, and saves the state."""

    def __init__(self, state, points, done, measure, settings):
        super().__init__()
        self.state, self.points, self.done = state, points, done
        self.measure, self.settings = measure, settings

    def on_train_begin(self, logs=None):
        """Starts the clock; a resumed run goes on from what it had taken."""
        taken = self.state.epochs[-1]["seconds"] if self.state.epochs else 0.0
        self._start = time.perf_counter() - taken

    def on_train_batch_end(self, batch, logs=None):
        """Measures where it is time."""
        iteration = self.done + batch + 1
        if iteration not in self.points:
            return
        losses = {name: float(value) for name, value in logs.items()}
        if not np.isfinite(list(losses.values())).all():
            raise recording.NonFiniteLoss(
                f"The losses are {losses} before iteration {iteration}. The run's "
                "folder holds the points before it; a lower learning rate or "
                "--precision float32 may help."
            )
        measured = self.measure(self.model, iteration)
        # Else they would be means from the beginning on.
        for metric in self.model.metrics:
            metric.reset_state()
        epochs = self.state.epochs
        epochs.append(
            {
                "epoch": len(epochs) + 1,
                "iteration": iteration,
                "train": losses,
                **measured,
                "seconds": time.perf_counter() - self._start,
            }
        )
        every = self.settings.checkpoint_every
        if every and (len(epochs) % every == 0 or iteration == self.points[-1]):
            self.state.save()
        if self.settings.progress != "none" and self.state.writes:
            numbers = {**losses, **measured.get("test", {})}
            shown = ", ".join(f"{name} {value:.3g}" for name, value in numbers.items())
            print(f"iteration {iteration}: {shown}", flush=True)


def indices(done, replicas=1):
    """Batches that are the number of the iteration, for data made in the step.

    It stands there once for each replica.
    """
    numbers = tf.data.Dataset.counter(done).map(
        lambda index: tf.fill([replicas], index)
    )
    # With it the end of `fit` waits for seconds on a thread that has nothing to tune.
    options = tf.data.Options()
    options.autotune.enabled = False
    return numbers.with_options(options)


def finite(samples, iteration):
    """The samples; raises unless all are finite."""
    if not np.isfinite(samples).all():
        raise recording.NonFiniteLoss(
            f"A sample is not finite after iteration {iteration}."
        )
    return samples


def points_of(iterations, every, snapshots):
    """Where a run is measured: every so many, at each power of ten, and at snapshots."""
    powers = [10**k for k in range(1, 10)]
    regular = range(every, iterations + 1, every)
    chosen = {*regular, *powers, *snapshots, iterations}
    return sorted(point for point in chosen if point <= iterations)


def encoded_tiles(images, columns=8):
    """Images of [-1, 1] side by side in one PNG, as text of base 64."""
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * height, columns * width, channels), 255, np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        place = slice(row * height, (row + 1) * height)
        pixels = np.clip(np.round(127.5 * (image + 1)), 0, 255)
        sheet[place, column * width : (column + 1) * width] = pixels
    return base64.b64encode(tf.io.encode_png(sheet).numpy()).decode("ascii")
