"""A training run that was stopped, by whatever, goes on and ends as if it had not."""

import csv
import dataclasses
import json
import math

import keras
import numpy as np
import pytest

from experiments.engine.course import Epochs
from tests.experiments.small_runs import (
    Settings,
    ended,
    train,
    weights,
    without_clock,
    without_end,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing stopped: its folder, record and weights."""
    folder = tmp_path_factory.mktemp("whole")
    epochs, _ = train(Settings(), folder)
    return folder, epochs, weights()


class StopInTheSecond(keras.callbacks.Callback):
    """Stands for a kill in the second epoch: after its last batch, or before."""

    def __init__(self, batch=None):
        super().__init__()
        self.batch, self.epoch = batch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, self.batch):
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("steps", "batch", "mix_in", "every", "said"),
    [
        (0, None, "train_step", 1, "after epoch 1 of 3."),
        (1, 2, "train_step", 1, "after epoch 1 of 3 and 2 batches."),
        # The second command saves nothing more.
        (1, 2, "train_step", 0, "after epoch 1 of 3 and 2 batches."),
        pytest.param(
            *(0, None, "pipeline", 1, "after epoch 1 of 3."), marks=pytest.mark.slow
        ),
    ],
)
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(
    whole, tmp_path, monkeypatch, capsys, steps, batch, mix_in, every, said
):
    settings = Settings(checkpoint_steps=steps, mix_in=mix_in)
    _, epochs, expected = whole
    if mix_in == "pipeline":
        epochs, _ = train(settings, tmp_path / "whole")
        expected = weights()
    folder, callbacks = tmp_path / "stopped", Epochs.callbacks

    def stopping(self, *arguments):
        return [StopInTheSecond(batch), *callbacks(self, *arguments)]

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Epochs, "callbacks", stopping)
        train(settings, folder)
    assert not (folder / "network.keras").exists()
    kept = {"checkpoint_every": every, "checkpoint_steps": steps * every}
    again, _ = train(dataclasses.replace(settings, **kept), folder)
    assert f"Resuming {said}\n" in capsys.readouterr().out
    assert without_clock(again) == without_clock(epochs)
    for ours, theirs in zip(weights(), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    seconds = [epoch["seconds"] for epoch in again]
    assert sorted(seconds) == seconds
    with (folder / "log.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1", "2"]


def test_a_run_that_is_done_is_not_trained_again(whole, monkeypatch):
    folder, epochs, _ = whole
    monkeypatch.setattr(
        keras.Model, "fit", lambda *_, **__: pytest.fail("trained again")
    )
    assert train(Settings(), folder)[0] == epochs


# In a process of its own: TensorFlow numbers the collectives of each strategy from 100
# on, so those of other tests' strategies would meet them.
MIRRORED = """
import json, pathlib, sys
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
one = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [one] * 2)
from experiments.engine import distribution
from tests.experiments import small_runs

folder, settings = pathlib.Path(sys.argv[1]), small_runs.Settings(strategy="mirrored")
assert distribution.strategy_of(settings).num_replicas_in_sync == 2
assert distribution.strategy_of(settings) is distribution.mirrored()
def trained(name, epochs):
    # What is returned is the state's own list, which the next fit does not touch.
    return small_runs.train(settings, folder / name, epochs)[0]
found = trained("whole", 2), trained("parts", 1), trained("parts", 2)
print(json.dumps(found))
"""


@pytest.mark.slow
def test_a_resumed_mirrored_run_is_that_of_one_that_was_not_stopped(whole, tmp_path):
    answer = ended(MIRRORED, tmp_path)
    assert answer.returncode == 0, answer.stderr
    uncut, first, parts = json.loads(answer.stdout.splitlines()[-1])
    assert without_clock(parts) == without_clock(uncut)
    assert without_end(without_clock(first)) == without_clock(uncut)[:1]
    # Each replica mixes by a draw of its own.
    losses = [epochs[0]["train"]["loss"] for epochs in (uncut, whole[1])]
    assert math.isfinite(losses[0])
    assert losses[0] != losses[1]


FULL_DISK = """
import json, pathlib, resource, signal, sys
from experiments.engine import run, state
from experiments.experiment import Run
from tests.experiments import small_runs, test_run

if sys.argv[2] == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    save = state.RunState.save
    def save_then_fill(self, *arguments):
        save(self, *arguments)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
    state.RunState.save = save_then_fill
settings = small_runs.Settings(run_dir=sys.argv[1], tensorboard=False)
made = test_run.made(lambda run, data, own, folder: small_runs.train(own, folder))
planned = [Run("group", "mixup 1", 5, {"alpha": 1.0})]
(record,) = run.train_all(made, settings, planned, None)
print(json.dumps(record["epochs"]))
"""


@pytest.mark.slow
def test_a_disk_that_is_full_leaves_the_last_checkpoint_and_no_result(whole, tmp_path):
    broken = ended(FULL_DISK, tmp_path, "full")
    assert broken.returncode != 0
    (settings,) = tmp_path.rglob("settings.json")
    assert not (settings.parent / "record.json").exists()
    assert list(settings.parent.glob("checkpoints/ckpt-1.index"))
    healed = ended(FULL_DISK, tmp_path, "free")
    assert "Resuming after epoch 1 of 3." in healed.stdout, healed.stderr
    found = json.loads(healed.stdout.strip().splitlines()[-1])
    assert without_clock(found) == without_clock(whole[1])
