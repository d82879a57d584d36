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
    """The course of a classifier: it is evaluated after each epoch."""

    # From the first epoch to endless training batches.
    batches: Callable[[int], tf.data.Dataset]
    # Training examples, and those in a batch.
    count: int
    batch_size: int
    # Batches for evaluation by name, such as "test".
    sets: dict[str, tf.data.Dataset]
    # The schedule that the optimizer follows, for the record.
    learning_rate: Callable
    epochs: int
    # As in `settings.Settings`.
    max_steps: int = 0
    # From the trained network to a dict of what is measured after the last epoch.
    at_end: Callable | None = None

    def __post_init__(self):
        """Shortens what `max_steps` shortens."""
        self.steps = self.steps_per_epoch = math.ceil(self.count / self.batch_size)
        if most := self.max_steps:
            self.epochs = min(self.epochs, math.ceil(most / self.steps))
            self.steps = min(self.steps, most)
            self.sets = {name: part.take(most) for name, part in self.sets.items()}

    @property
    def examples_seen(self):
        """Training examples in the whole course."""
        if self.steps < self.steps_per_epoch:
            return self.steps * self.batch_size
        return self.epochs * self.count

    def evaluate(self, model):
        """What is measured after each epoch: a dict with "loss" for each set."""
        return {
            name: record.errors(model.evaluate(part, verbose=0, return_dict=True))
            for name, part in self.sets.items()
        }

    def end(self, network):
        """What is measured after the last epoch."""
        found = {
            name: record.reliability(network, part) for name, part in self.sets.items()
        }
        return {"reliability": found, **(self.at_end(network) if self.at_end else {})}

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
        stop = StopAtNonFiniteLoss(self.steps_per_epoch, again, lambda: state.batch)
        return [record.RecordEpochs(state, self, clock), stop]

    def logs(self, state, settings, folder):
        """What writes the run's logs."""
        append = bool(state.epochs or state.batch)
        csv = keras.callbacks.CSVLogger(str(folder / "log.csv"), append=append)
        board = keras.callbacks.TensorBoard(str(folder / "tensorboard"))
        return [csv, *([board] if settings.tensorboard else [])]

    def networks(self, model):
        """What is kept of the trained model, by name."""
        averaged = getattr(model, "teacher", None)
        return {"network": averaged or getattr(model, "network", model)}

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
    """

    # From the number of iterations done to the batches that follow.
    batches: Callable[[int], tf.data.Dataset]
    # Increasing iterations after which it is measured; the last one ends the run.
    points: list[int]
    # (gan, iteration) -> dict of dicts for the record.
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
        if done := self.done(state):
            print(f"Resuming after iteration {done} of {self.steps}.", flush=True)

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
