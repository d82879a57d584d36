"""`fit` and `evaluate` under MultiWorkerMirroredStrategy, where Keras 3 fails.

Two places in Keras's trainer break (keras-team/keras#20585, seen with 3.15):

- before the first step it reduces a batch over the replicas to learn its shapes, and
  stops at "unsupported type PerReplica". Here they are read from the dataset's spec;
- it averages what a step returns over axis 0, which a scalar has not: "Invalid
  reduction dimension 0". Here each value has one more, in front.

`FIXED_IN` is to name the first Keras that does without: from there on Keras's own code
runs.
"""

from __future__ import annotations

import warnings
from typing import Any

import keras
import tensorflow as tf

from keras_mixup import keras_private

FIXED_IN = None
TESTED = ((3, 15),)


class SeveralWorkers:
    """A `keras.Model` that trains on several workers; put before `keras.Model`.

    Statistics that are no gradient's, such as BatchNormalization's moving averages,
    are each worker's own while it trains. Whenever the model is evaluated, and at the
    end of `fit`, each worker gets their mean, so what is evaluated and saved is the
    same everywhere.
    """

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """As `keras.Model.fit`."""
        history = super().fit(*args, **kwargs)  # type: ignore[misc]
        average_statistics(self)
        return history

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`."""
        average_statistics(self)
        return super().evaluate(*args, **kwargs)  # type: ignore[misc]

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is None or not needs_this(self.distribute_strategy):
            return super()._maybe_symbolic_build(iterator, data_batch)
        spec = keras_private.spec_of_epochs(iterator)
        batch = tf.nest.map_structure(_of_one_replica, spec)
        with self.distribute_strategy.scope():
            keras_private.build_for_batch(self, batch)

    def _make_function(self, step_function):
        if not needs_this(self.distribute_strategy):
            return super()._make_function(step_function)
        if self.jit_compile and not tf.config.list_logical_devices("GPU"):
            raise ValueError(
                "XLA has no collectives for CPUs. Expected "
                "`compile(jit_compile=False)` on several workers without a GPU. "
                f"Received: jit_compile={self.jit_compile}"
            )
        return super()._make_function(
            lambda data: tf.nest.map_structure(
                lambda value: tf.expand_dims(value, 0), step_function(data)
            )
        )


def average_statistics(model):
    """Sets each float weight that is not trained to its mean over all replicas.

    Where there is one worker nothing is done. All workers have to call it.
    """
    strategy = model.distribute_strategy
    if not is_of_several_workers(strategy):
        return
    weights = [w for w in model.non_trainable_weights if "float" in w.dtype]
    ids = [id(weight) for weight in weights]
    of, _ = getattr(model, "_means_of_statistics", (None, None))
    if of != ids:  # Layers may have been frozen since.

        @tf.function(autograph=False)
        def means():
            values = strategy.run(lambda: [tf.identity(w.value) for w in weights])
            return [strategy.reduce("MEAN", value, axis=None) for value in values]

        # Out of Keras's tracking, and traced once.
        object.__setattr__(model, "_means_of_statistics", (ids, means))
    _, means = model._means_of_statistics
    for weight, mean in zip(weights, means(), strict=True):
        weight.assign(mean)


def is_of_several_workers(strategy):
    """Whether the replicas of a `tf.distribute` strategy are of several processes."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    cluster = strategy.cluster_resolver.cluster_spec()
    return bool(cluster and cluster.as_dict())


def needs_this(strategy, version=None):
    """Whether a `fit` under that strategy needs what this file does."""
    if not is_of_several_workers(strategy):
        return False
    version = version or keras.__version__
    minor = tuple(int(part) for part in version.split(".")[:2])
    if FIXED_IN is not None and minor >= FIXED_IN:
        return False
    if minor not in TESTED:
        tested = ", ".join(".".join(map(str, one)) for one in TESTED)
        warnings.warn(
            "Training on several workers goes around keras-team/keras#20585, which was "
            f"tested with Keras {tested}. This is Keras {version}: compare a few steps "
            "with those of one worker.",
            stacklevel=2,
        )
    return True


def _of_one_replica(spec):
    """The spec of one replica's part: a worker with several has one for each."""
    return tf.nest.flatten(spec, expand_composites=True)[0]
