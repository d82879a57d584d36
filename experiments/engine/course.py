"""The course of a run: what `fit` is given, and when it is measured.

A classifier is measured after each epoch, a GAN after chosen iterations.
"""

import dataclasses
import math
import sys
from collections.abc import Callable

import keras
import tensorflow as tf

from experiments.engine import record
from experiments.engine.non_finite import StopAtNonFiniteLoss


@dataclasses.dataclass
class Epochs:
    """The course of a classifier: it is evaluated after each epoch.

    Attributes:
        batches: Function from the first epoch to endless training batches.
        count: Number of training examples.
        batch_size: Examples in a training batch.
        sets: Dict from names, such as "test", to batches for evaluation.
        learning_rate: The schedule that the optimizer follows, for the record.
        epochs: Number of epochs.
        max_steps: Steps after which the run, and each evaluation, stops (whole epochs
            where they are more than one); 0 for the whole run.
        at_end: Function of the trained network that gives a dict of what is measured
            once, after the last epoch, or None.
    """

    batches: Callable[[int], tf.data.Dataset]
    count: int
    batch_size: int
    sets: dict[str, tf.data.Dataset]
    learning_rate: Callable
    epochs: int
    max_steps: int = 0
    at_end: Callable | None = None

    def __post_init__(self):
        """Shortens what `max_steps` shortens."""
        self.steps_per_epoch = math.ceil(self.count / self.batch_size)
        self.steps = self.steps_per_epoch
        if self.max_steps:
            self.epochs = min(self.epochs, math.ceil(self.max_steps / self.steps))
            self.steps = min(self.steps, self.max_steps)
            self.sets = {
                name: batches.take(self.max_steps)
                for name, batches in self.sets.items()
            }

    @property
    def examples_seen(self):
        """Training examples in the whole course."""
        if self.steps < self.steps_per_epoch:
            return self.steps * self.batch_size
        return self.epochs * self.count

    def last_step(self, epoch):
        """The last step of an epoch, counted from the first of all."""
        return epoch * self.steps_per_epoch + self.steps - 1

    def stages(self, state):
        """The arguments of `fit`: first of the epoch that was open, then of the others.

        An open epoch goes on from the batch that came next.
        """
        done, begun = len(state.epochs), state.batch
        opened = [(done, done + 1, begun)] if begun else []
        for first, last, skipped in [*opened, (done + len(opened), self.epochs, 0)]:
            if first < last:
                yield {
                    "x": self.batches(first).skip(skipped),
                    "initial_epoch": first,
                    "epochs": last,
                    "steps_per_epoch": self.steps - skipped,
                }

    def begin(self, model, state, folder):
        """Says where a run is resumed, and makes a new one's metrics."""
        done = len(state.epochs)
        if done or state.batch:
            record.keep_rows(folder / "log.csv", done)
            inside = f" and {state.batch} batches" if state.batch else ""
            print(f"Resuming after epoch {done} of {self.epochs}{inside}.", flush=True)
        if done < self.epochs:
            # It makes the metrics' variables; else `fit` would be traced twice.
            model.evaluate(next(iter(self.sets.values())).take(1), verbose=0)

    def callbacks(self, state, settings, clock):
        """What measures, and what stops a run that is lost."""
        again = None if settings.data_service else self.batches
        return [
            record.RecordEpochs(state, self, clock),
            StopAtNonFiniteLoss(self.steps_per_epoch, again, lambda: state.batch),
        ]

    def logs(self, state, settings, folder):
        """What writes the run's logs."""
        append = bool(state.epochs or state.batch)
        csv = keras.callbacks.CSVLogger(str(folder / "log.csv"), append=append)
        board = keras.callbacks.TensorBoard(str(folder / "tensorboard"))
        return [csv, *([board] if settings.tensorboard else [])]

    def networks(self, model):
        """What is kept of the trained model, by name."""
        return {"network": getattr(model, "network", model)}

    def verbose(self, settings):
        """What `fit` prints."""
        progress = settings.progress
        if progress == "auto":
            progress = "bar" if sys.stdout.isatty() else "line"
        return {"none": 0, "bar": 1, "line": 2}[progress]


@dataclasses.dataclass
class Points:
    """The course of a GAN: it is measured after chosen iterations.

    An iteration is one train step: the steps of the discriminator and one of the
    generator.

    Attributes:
        batches: Function from the number of iterations done to the batches that follow.
        points: Increasing numbers of iterations after which it is measured; the last
            one ends the run.
        measure: Function of (gan, iteration) that gives a dict of dicts for the record.
    """

    batches: Callable[[int], tf.data.Dataset]
    points: list[int]
    measure: Callable

    @property
    def steps(self):
        """Iterations of the run, which are one epoch to Keras."""
        return self.points[-1]

    @staticmethod
    def done(state):
        """Iterations that are done."""
        return state.epochs[-1]["iteration"] if state.epochs else 0

    def stages(self, state):
        """The arguments of `fit`: all iterations that are left."""
        done = self.done(state)
        if done < self.steps:
            yield {"x": self.batches(done), "steps_per_epoch": self.steps - done}

    def begin(self, model, state, folder):
        """Says where a run is resumed."""
        if self.done(state):
            print(
                f"Resuming after iteration {self.done(state)} of {self.steps}.",
                flush=True,
            )

    def callbacks(self, state, settings, clock):
        """What measures."""
        shows = settings.progress != "none" and state.writes
        return [record.RecordPoints(state, self, clock, shows)]

    def logs(self, state, settings, folder):
        """What writes the run's logs."""
        if not settings.tensorboard:
            return []
        place = str(folder / "tensorboard")
        return [keras.callbacks.TensorBoard(place, update_freq=100)]

    def networks(self, model):
        """What is kept of the trained model, by name."""
        return {"generator": model.generator, "discriminator": model.discriminator}

    def verbose(self, settings):
        """Nothing: each point has its line."""
        return 0
