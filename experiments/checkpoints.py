"""A run's state on disk: weights, optimizer, random state and the record so far."""

import json

import keras
import tensorflow as tf


class RunState:
    """The state of one run, saved and restored as one.

    Weights, the optimizer's variables, the state of random layers and the numbers
    of the epochs so far go into one TensorFlow checkpoint, so that they never
    belong to different epochs. TensorFlow writes it beside the one before and then
    names it in the folder's index: an interrupted write is not found. The two
    newest are kept.

    Args:
        model: A compiled `keras.Model` whose weights are made; one with several
            optimizers has them in `optimizers`, built.
        folder: Where the checkpoints are.
    """

    def __init__(self, model, folder):
        optimizers = getattr(model, "optimizers", None)
        if optimizers is None:
            model.optimizer.build(model.trainable_variables)
            optimizers = [model.optimizer]
        self.epochs = []
        self._record = tf.Variable("[]", dtype=tf.string)
        of_metrics = {id(v) for metric in model.metrics for v in metric.variables}
        kept = [v for v in model.variables if id(v) not in of_metrics]
        self._checkpoint = tf.train.Checkpoint(
            variables=[
                copy
                for variable in sum((list(o.variables) for o in optimizers), kept)
                for copy in _copies(variable.value)
            ],
            record=self._record,
        )
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(folder), max_to_keep=2
        )

    def restore(self):
        """Takes up the newest checkpoint; gives the number of epochs done."""
        newest = self._manager.latest_checkpoint
        if newest is not None:
            self._checkpoint.restore(newest).assert_consumed()
            self.epochs[:] = json.loads(self._record.numpy())
        return len(self.epochs)

    def save(self):
        """Writes a checkpoint of the epochs done."""
        self._record.assign(json.dumps(self.epochs))
        self._manager.save(checkpoint_number=len(self.epochs))


class SaveRunState(keras.callbacks.Callback):
    """Saves a `RunState` after every so many epochs, and after the last."""

    def __init__(self, state, every):
        super().__init__()
        self.state, self.every = state, every

    def on_epoch_end(self, epoch, logs=None):
        """Saves where it is time."""
        if (epoch + 1) % self.every == 0:
            self.state.save()

    def on_train_end(self, logs=None):
        """Saves the end, unless that was just done."""
        if len(self.state.epochs) % self.every:
            self.state.save()


def _copies(variable):
    """A variable, or its copies on the replicas: those of moving averages differ."""
    return list(getattr(variable, "values", [variable]))
