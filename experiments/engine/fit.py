"""One training run, of a classifier or a GAN: Keras's fit, resumed and recorded."""

import contextlib
import time

import keras
import tensorflow as tf

from experiments.data.service import StopWithoutInput
from experiments.engine import distribution, record, trained_network
from experiments.engine.state import RunState


def fit(make_model, course, settings, folder):
    """Trains a model, or goes on where its folder says that it was left.

    `make_model` gives a compiled model, in the scope of the strategy and under the
    dtype policy; `course` is `course.Epochs` or `course.Points`.

    Returns:
        The record: a list of dicts, one for each epoch or point, with "epoch", "train",
        one dict for each set that is measured, and "seconds". That of an epoch has
        "learning_rate" (of its last step), that of a point "iteration"; the last of a
        classifier has "end", with the reliability of its predictions on each set.
    """
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    chief = distribution.is_chief(settings)
    with dtype_policy(settings.precision), distribution.strategy_of(settings).scope():
        model = make_model()
    state = RunState(model, folder / "checkpoints", writes=chief)
    state.restore()
    course.begin(model, state, folder)
    taken = state.epochs[-1]["seconds"] if state.epochs else 0.0
    start = time.perf_counter() - max(taken, state.seconds)

    def clock():
        return time.perf_counter() - start

    callbacks = course.callbacks(state, settings, clock)
    if chief:
        callbacks[1:1] = course.logs(state, settings, folder)
    every, inside = settings.checkpoint_every, settings.checkpoint_steps
    callbacks.append(record.SaveState(state, every, inside, course.steps, clock))
    if settings.data_service:
        # Before all others: what they do at an epoch's end is not waiting.
        callbacks.insert(0, StopWithoutInput(settings.data_service_timeout))
    verbose = course.verbose(settings) if chief else 0
    for stage in course.stages(state):
        model.fit(**stage, callbacks=callbacks, shuffle=False, verbose=verbose)
    if every and chief:
        for name, network in course.networks(model).items():
            trained_network.save(network, folder / f"{name}.keras")
    return state.epochs


@contextlib.contextmanager
def dtype_policy(name):
    """Keras's global dtype policy, for a while."""
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(former)
