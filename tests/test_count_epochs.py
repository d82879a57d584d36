"""Steps in `fit`: they go on over the epochs, and CountEpochs sets them."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests.counted_batches import CLASSES, S, batches, mixed_by_hand, policy, unmixed


class Spy(keras.Model):
    """Records what each step is trained on."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(CLASSES)
        self.seen = []
        self.build((None, 4))
        self.compile(
            keras.optimizers.SGD(0.01),
            keras.losses.CategoricalCrossentropy(from_logits=True),
        )

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.built = True

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        tf.numpy_function(lambda x: self.seen.append(x.copy()), [data[0]], [])
        return super().train_step(data)


def is_of_step(seen, step):
    return np.abs(seen - mixed_by_hand(step % S, step)).max() < 1e-4


def check_steps(spy, expected):
    assert len(spy.seen) == len(expected)
    for seen, step in zip(spy.seen, expected, strict=True):
        assert is_of_step(seen, step), step


def test_fit_and_a_later_fit_go_on():
    spy, mixed = Spy(), batches().apply(policy())
    spy.fit(mixed, epochs=2, verbose=0)
    spy.fit(mixed, initial_epoch=2, epochs=4, verbose=0)
    check_steps(spy, range(4 * S))


def test_a_warm_up_ends_where_it_says():
    spy = Spy()
    alpha = keras_mixup.AlphaSchedule(1.0, steps_per_epoch=S, warm_up=5)
    spy.fit(batches().apply(policy(alpha)), epochs=7, verbose=0)
    for step, seen in enumerate(spy.seen):
        plain = np.array_equal(seen, unmixed(step % S)[0])
        assert plain if step < 5 * S else is_of_step(seen, step), step


@pytest.mark.parametrize(
    ("change", "arguments", "first"),
    [
        (lambda d: d, {"initial_epoch": 3, "epochs": 5}, 3 * S),
        (lambda d: d.prefetch(2), {"initial_epoch": 2, "epochs": 3}, 2 * S),
        (lambda d: d, {"initial_epoch": 3, "epochs": 9, "steps_per_epoch": 5}, S),
        (
            lambda d: d.repeat().prefetch(4),
            {"initial_epoch": 1, "epochs": 4, "steps_per_epoch": S},
            S,
        ),
        (lambda d: d.repeat(2), {"initial_epoch": 1, "epochs": 2}, 2 * S),
    ],
)
def test_the_callback_sets_the_epoch(change, arguments, first):
    mixed = change(batches().apply(policy()))
    next(iter(mixed))  # A look at it, which uses up an epoch.
    spy = Spy()
    counting = keras_mixup.CountEpochs(mixed)
    spy.fit(mixed, callbacks=[counting], verbose=0, **arguments)
    check_steps(spy, range(first, first + len(spy.seen)))


def test_the_callback_sets_an_endless_dataset_once():
    mixed = batches().repeat().apply(policy())
    next(iter(mixed))
    spy = Spy()
    counting = keras_mixup.CountEpochs(mixed)
    spy.fit(
        mixed,
        initial_epoch=2,
        epochs=4,
        steps_per_epoch=S,
        callbacks=[counting],
        verbose=0,
    )
    check_steps(spy, range(2 * S, 4 * S))


def test_the_callback_keeps_the_count_where_others_look():
    mixed = batches().apply(policy())
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: next(iter(mixed))
    )
    spy = Spy()
    spy.fit(
        mixed, epochs=3, verbose=0, callbacks=[look, keras_mixup.CountEpochs(mixed)]
    )
    check_steps(spy, range(3 * S))
    with pytest.raises(ValueError, match="`dataset`.*apply"):
        keras_mixup.CountEpochs(batches())


def test_an_interrupted_run_goes_on(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def run(*callbacks):
        spy, mixed = Spy(), batches().apply(policy())
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        counting = keras_mixup.CountEpochs(mixed)
        with contextlib.suppress(KeyboardInterrupt):
            spy.fit(
                mixed, epochs=4, verbose=0, callbacks=[backup, counting, *callbacks]
            )
        return spy

    check_steps(run(Stop()), range(2 * S))
    check_steps(run(), range(2 * S, 4 * S))


def mixed_and_read(case):
    """A dataset for CountEpochs, and another one that `fit` reads."""
    mixed = batches().apply(policy())
    if case == "another":
        return mixed, batches().apply(policy())
    if case == "kept":
        return mixed, mixed.cache()
    return mixed, mixed.repeat().prefetch(S + 2 if case == "long" else 3)


# How far a prefetch has read ahead when an epoch ends depends on the machine's load.
@pytest.mark.parametrize(
    "case",
    [
        "another",
        "kept",
        pytest.param("long", marks=pytest.mark.slow),
        pytest.param("short", marks=pytest.mark.slow),
    ],
)
def test_the_callback_refuses_a_dataset_that_fit_does_not_read(case):
    mixed, read = mixed_and_read(case)
    spy, counting = Spy(), keras_mixup.CountEpochs(mixed)
    steps = {"steps_per_epoch": S} if case in ("long", "short") else {}
    with pytest.raises(ValueError, match="does not read.*the same dataset in both"):
        spy.fit(read, epochs=3, callbacks=[counting], verbose=0, **steps)
    # And before it has trained on a draw that came before.
    draws = [x.tobytes() for x in spy.seen]
    assert len(set(draws)) == len(draws) or case == "kept"


def test_the_callback_counts_each_of_several_datasets():
    one, other = (batches().apply(policy()) for _ in range(2))
    joined = one.concatenate(other.take(S - 1))
    spy = Spy()
    counting = keras_mixup.CountEpochs(joined)
    spy.fit(joined, initial_epoch=1, epochs=3, callbacks=[counting], verbose=0)
    own = [*range(S, 2 * S)], [*range(2 * S, 3 * S)]
    check_steps(spy, [*own[0], *own[0][:-1], *own[1], *own[1][:-1]])
