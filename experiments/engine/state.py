"""A run's state on disk: weights, optimizer, random state and the record so far."""

import base64
import errno
import json
import pathlib
import warnings

import numpy as np
import tensorflow as tf

from experiments.engine import checkpoint_files
from experiments.engine.non_finite import NonFiniteLoss
from experiments.settings import Refusal
from keras_mixup.training import several_workers

FORMAT = 1


class DamagedCheckpoints(Refusal, ValueError):
    """No checkpoint of a run can be read; a start from zero would be a silent loss."""


class CannotSave(Refusal, OSError):
    """A checkpoint could not be written; the one before is still there."""


class RunState:
    """The state of one run, saved and restored as one.

    Weights, the optimizer's variables, the state of random layers, the numbers of the
    epochs so far and, inside an epoch, those of its metrics go into one TensorFlow
    checkpoint, so that they never belong to different steps.

    `epochs` is the record of the epochs done, `batch` the batches done of the epoch
    that was open when the state was restored, `seconds` what the run had taken then. It
    is made out of the scope of a strategy: the record's text is not to be broadcast.

    The model's weights are made; several optimizers are in its `optimizers`, built.
    One of several workers `writes`, and all call `save`.
    """

    def __init__(self, model, folder, writes=True):
        optimizers = getattr(model, "optimizers", None)
        if optimizers is None:
            with model.distribute_strategy.scope():
                model.optimizer.build(model.trainable_variables)
            optimizers = [model.optimizer]
        self.model, self.folder, self.writes = model, pathlib.Path(folder), writes
        self.epochs, self.batch, self.seconds = [], 0, 0.0
        self._metrics = []
        self._record = tf.Variable("{}", dtype=tf.string)
        of_metrics = {id(v) for v in _metric_variables(model)}
        kept = [v for v in model.variables if id(v) not in of_metrics]
        every = sum((list(one.variables) for one in optimizers), kept)
        # Copies on the replicas are all kept: those of moving averages differ.
        values = (variable.value for variable in every)
        self._variables = [one for v in values for one in getattr(v, "values", [v])]
        whole = {"variables": self._variables, "record": self._record}
        self._checkpoint = tf.train.Checkpoint(**whole)

    def restore(self):
        """Takes up the newest checkpoint that is whole; gives the epochs done."""
        damaged, unfinished = [], []
        for path in reversed(checkpoint_files.found(self.folder)):
            if not checkpoint_files.is_finished(path):
                unfinished.append(str(path))
                continue
            try:
                checkpoint_files.check(path)
                self._checkpoint.read(str(path)).assert_consumed()
            except (tf.errors.OpError, ValueError, TypeError, OSError) as error:
                damaged.append(f"{path} ({' '.join(str(error).split())[:200]})")
                continue
            if damaged or unfinished:
                warnings.warn(
                    f"Damaged or unfinished: {'; '.join(damaged + unfinished)}. Going "
                    f"on from the checkpoint before, {path}.",
                    stacklevel=2,
                )
            self._take(json.loads(self._record.numpy()))
            return len(self.epochs)
        if damaged:
            raise DamagedCheckpoints(
                f"No checkpoint of this run is whole: {'; '.join(damaged)}. Remove the "
                f"folder {self.folder} to start the run anew."
            )
        if unfinished:
            warnings.warn(
                f"Unfinished: {'; '.join(unfinished)}. No checkpoint was finished "
                "before: the run starts anew.",
                stacklevel=2,
            )
        return 0

    def save(self, batch=0, seconds=0.0):
        """Writes a checkpoint of the epochs done, and of so many batches of the next.

        Where a weight is not finite, the checkpoint before stays the last.
        """
        several_workers.average_statistics(self.model)
        metrics = _metric_variables(self.model) if batch else []
        record = {
            "format": FORMAT,
            "epochs": self.epochs,
            "batch": batch,
            "seconds": seconds,
            "metrics": list(map(_encoded, metrics)),
        }
        self._check_finite()
        if not self.writes:
            return
        self._record.assign(json.dumps(record))
        path = checkpoint_files.path_of(self.folder, len(self.epochs), batch)
        try:
            checkpoint_files.begin(path)
            self._checkpoint.write(str(path))
            checkpoint_files.finish(path)
        except (tf.errors.OpError, OSError) as error:
            reason = str(error).rpartition("}} ")[2]  # Without the names of nodes.
            once = "there is room" if _is_of_room(error) else "it can be written"
            raise CannotSave(
                f"The checkpoint {path} could not be written: {reason}. What was "
                f"finished before is kept; the same command goes on from there once "
                f"{once}."
            ) from error
        checkpoint_files.remove_others(path)

    def put_metrics_back(self):
        """Gives the metrics of the open epoch what they had counted, once."""
        variables = _metric_variables(self.model) if self._metrics else []
        for variable, text in zip(variables, self._metrics, strict=True):
            value = np.frombuffer(base64.b64decode(text), variable.dtype)
            variable.assign(value.reshape(variable.shape))
        self._metrics = []

    def _take(self, record):
        if (found := record.get("format")) != FORMAT:
            raise DamagedCheckpoints(
                f"A checkpoint in {self.folder} is of format {found}. Expected "
                f"{FORMAT}. Remove the folder to start the run anew."
            )
        self.epochs[:] = record["epochs"]
        self.batch, self.seconds = record["batch"], record["seconds"]
        self._metrics = record["metrics"]

    def _check_finite(self):
        for variable in self._variables:
            if variable.dtype.is_floating and not np.isfinite(variable.numpy()).all():
                raise NonFiniteLoss(
                    f"The weight {variable.name!r} is not finite after epoch "
                    f"{len(self.epochs)}. No checkpoint of it is kept; {self.folder} "
                    "holds those before."
                )


def _metric_variables(model):
    return [v for metric in model.metrics for v in metric.variables]


def _encoded(variable):
    """A variable's bytes, summed over the replicas where each counts by itself."""
    value = tf.convert_to_tensor(variable.value).numpy()
    return base64.b64encode(value.tobytes()).decode("ascii")


def _is_of_room(error):
    """Whether an error says that the disk, or a user's share of it, is full."""
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    return full or isinstance(error, tf.errors.ResourceExhaustedError)
