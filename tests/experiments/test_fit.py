"""One training run, of a classifier or a GAN: its record, how it resumes and fails."""

import csv
import dataclasses
import json
import math
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments import classifier
from experiments.data import pipeline
from experiments.engine import fit, non_finite
from experiments.engine.course import Epochs, Points
from experiments.settings import MethodSettings, field

COUNT, BATCH, STEPS, CLASSES = 20, 8, 3, 3
ROOT = pathlib.Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Settings(MethodSettings):
    """Settings of a run that is over in a second."""

    batch_size: int = BATCH
    progress: str = "none"
    learning_rate: float = field(0.1, above=0)


def arrays(seed):
    generator = np.random.default_rng(seed)
    return (
        generator.normal(size=(COUNT, 4)).astype("float32"),
        generator.integers(CLASSES, size=COUNT),
    )


def network():
    return keras.Sequential(
        [
            keras.Input((4,)),
            # Not a ReLU: on a CPU that makes zero of what is no number.
            keras.layers.Dense(8, activation="tanh"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(CLASSES, dtype="float32"),
        ]
    )


class Mixing(classifier.Mixing):
    """Keeps the models that it compiles."""

    made = []

    def compiled(self, *arguments):
        self.made.append(super().compiled(*arguments))
        return self.made[-1]


def weights_sum(network):
    """Something that only the trained network can tell."""
    return {"weights": float(sum(abs(w).sum() for w in network.get_weights()))}


def train(settings, folder, epochs=3):
    """A run of a small classifier: its record, and the examples seen."""
    keras.utils.set_random_seed(5)
    mixing = Mixing(1.0, 5, CLASSES, settings)
    examples, test = (
        tf.data.Dataset.from_tensor_slices(arrays(seed)) for seed in (0, 1)
    )
    folder.mkdir(parents=True, exist_ok=True)
    return classifier.train(
        folder,
        mixing,
        **classifier.of_examples(examples, COUNT, {"test": test}, mixing, evaluated=6),
        network=network,
        optimizer=lambda rate: keras.optimizers.SGD(rate, 0.9),
        epochs=epochs,
        drops=(1, 2),
        at_end=weights_sum,
    )


def without_clock(epochs):
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in epochs]


def without_end(epochs):
    return [{k: v for k, v in epoch.items() if k != "end"} for epoch in epochs]


def weights():
    """Those of the network that was trained last."""
    return Mixing.made[-1].network.get_weights()


def ended(program, *arguments):
    """A process that runs this program, after its end."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing stopped: its folder, record and weights."""
    folder = tmp_path_factory.mktemp("whole")
    epochs, _ = train(Settings(), folder)
    return folder, epochs, weights()


def test_the_record_holds_what_was_measured(whole):
    folder, epochs, _ = whole
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]
    rates = [epoch["learning_rate"] for epoch in epochs]
    assert rates == pytest.approx([0.1, 0.01, 0.001])
    seconds = [epoch["seconds"] for epoch in epochs]
    assert sorted(seconds) == seconds
    served = keras.models.load_model(folder / "network.keras")
    x, y = arrays(1)
    logits = served.predict(x, verbose=0)
    wrong = 100 * np.mean(logits.argmax(-1) != y)
    assert epochs[-1]["test"]["error"] == pytest.approx(wrong, abs=1e-4)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    loss = -log_p[np.arange(COUNT), y].mean()
    assert epochs[-1]["test"]["loss"] == pytest.approx(loss, rel=1e-5)


def test_the_last_epoch_has_what_is_measured_once(whole):
    folder, epochs, expected = whole
    assert ["end" in epoch for epoch in epochs] == [False, False, True]
    end = epochs[-1]["end"]
    total = sum(np.abs(value).sum() for value in expected)
    assert end["weights"] == pytest.approx(total, rel=1e-6)
    served = keras.models.load_model(folder / "network.keras")
    x, y = arrays(1)
    logits = served.predict(x, verbose=0).astype("float64")
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert set(end["reliability"]) == {"test"}
    found, bins = end["reliability"]["test"], [[] for _ in range(15)]
    for row, label in zip(probabilities, y, strict=True):
        bins[math.ceil(row.max() * 15) - 1].append((row.argmax() == label, row.max()))
    for number, examples in enumerate(bins):
        assert found["count"][number] == len(examples)
        if examples:
            right, sure = np.mean(examples, axis=0)
            assert found["accuracy"][number] == pytest.approx(right)
            assert found["confidence"][number] == pytest.approx(sure, abs=1e-5)


def test_csv_and_tensorboard_logs_are_written(whole):
    folder, epochs, _ = whole
    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    for row, epoch in zip(rows, epochs, strict=True):
        assert float(row["test_error"]) == pytest.approx(epoch["test"]["error"])
        assert float(row["learning_rate"]) == pytest.approx(epoch["learning_rate"])
    events = list((folder / "tensorboard").rglob("events.out.tfevents.*"))
    assert events
    assert all(file.stat().st_size > 0 for file in events)


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


class TwoNetworks(keras.Model):
    """Stands for a GAN; its loss is the number of the iteration."""

    def __init__(self):
        super().__init__()
        parts = [
            keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            for _ in range(2)
        ]
        self.generator, self.discriminator = parts
        self.compile("sgd", loss=lambda y, prediction: y + 0 * prediction)

    def call(self, inputs):
        return self.generator(inputs) + self.discriminator(inputs)


def test_a_gan_goes_through_the_same_fit(tmp_path, capsys):
    def batches(done):
        numbers = tf.data.Dataset.counter(done + 1).map(lambda i: tf.cast(i, "float32"))
        return numbers.map(lambda i: (tf.ones((4, 1)), tf.fill((4, 1), i)))

    def measure(model, iteration):
        if iteration == stop_at:
            raise KeyboardInterrupt
        return {"test": {"iterations": int(model.optimizer.iterations)}}

    settings = Settings(progress="auto")
    arguments = TwoNetworks, Points(batches, [2, 3, 5], measure), settings, tmp_path
    stop_at = 5
    with pytest.raises(KeyboardInterrupt):
        fit.fit(*arguments)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoints", "tensorboard"}
    stop_at = None
    found = fit.fit(*arguments)
    printed = capsys.readouterr().out
    assert "Resuming after iteration 3 of 5.\niteration 5: loss 4.5" in printed
    # The mean of 1 and 2, then 3, then that of 4 and 5.
    assert [entry["train"]["loss"] for entry in found] == [1.5, 3, 4.5]
    assert [entry["iteration"] for entry in found] == [2, 3, 5]
    assert [entry["test"]["iterations"] for entry in found] == [2, 3, 5]
    assert {path.name for path in tmp_path.glob("*.keras")} == {
        "generator.keras",
        "discriminator.keras",
    }


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_step(tmp_path):
    with pytest.raises(
        non_finite.NonFiniteLoss, match=r"step [1-5] \(epoch [12], batch"
    ):
        train(Settings(learning_rate=1e30), tmp_path)


def test_the_named_step_is_the_first_with_that_loss(tmp_path, monkeypatch):
    made = pipeline.training_batches

    def with_a_bad_batch(*arguments, **keywords):
        first_epoch = arguments[4]
        batches = made(*arguments, **keywords).enumerate(STEPS * first_epoch)
        return batches.map(
            lambda i, batch: (tf.where(i == 4, math.nan, batch[0]), batch[1])
        )

    monkeypatch.setattr(pipeline, "training_batches", with_a_bad_batch)
    # Three steps are the first epoch.
    named = r"step 4 \(epoch 2, batch 2\): the features of its batch: 8 of 8 examples"
    with pytest.raises(non_finite.NonFiniteLoss, match=named):
        train(Settings(), tmp_path)
    # The last good checkpoint is kept.
    assert [p.name for p in tmp_path.glob("checkpoints/*.index")] == ["ckpt-1.index"]


# In a process of its own: TensorFlow numbers the collectives of each strategy from 100
# on, so those of other tests' strategies would meet them.
MIRRORED = """
import json, pathlib, sys
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
one = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [one] * 2)
from experiments.engine import distribution
from tests.experiments import test_fit

folder, settings = pathlib.Path(sys.argv[1]), test_fit.Settings(strategy="mirrored")
assert distribution.strategy_of(settings).num_replicas_in_sync == 2
assert distribution.strategy_of(settings) is distribution.mirrored()
def trained(name, epochs):
    # What is returned is the state's own list, which the next fit does not touch.
    return test_fit.train(settings, folder / name, epochs)[0]
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


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.slow
def test_mixed_precision_is_that_of_the_layers_and_ends_with_the_run(
    tmp_path, precision
):
    epochs, _ = train(Settings(precision=precision), tmp_path, 1)
    model = Mixing.made[-1]
    assert model.network.layers[0].compute_dtype == precision.removeprefix("mixed_")
    assert model.network.layers[0].kernel.dtype == "float32"
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (precision == "mixed_float16")
    assert keras.config.dtype_policy().name == "float32"
    assert math.isfinite(epochs[0]["train"]["loss"])


def test_without_checkpoints_none_are_written(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: asked.append(True)
    )
    train(Settings(checkpoint_every=0, tensorboard=False), tmp_path, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"log.csv"}
    assert asked == []


def test_checkpoints_are_written_every_so_many_epochs_and_at_the_end(
    tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: asked.append(True)
    )
    train(Settings(checkpoint_every=2, deterministic=True), tmp_path)
    indices = (tmp_path / "checkpoints").glob("*.index")
    assert sorted(path.stem for path in indices) == ["ckpt-2", "ckpt-3"]
    digests = (tmp_path / "checkpoints").glob("*.json")
    assert len(list(digests)) == 2
    assert asked == [True]


FULL_DISK = """
import json, pathlib, resource, signal, sys
from experiments.engine import run, state
from experiments.experiment import Run
from tests.experiments import test_fit, test_run

if sys.argv[2] == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    save = state.RunState.save
    def save_then_fill(self, *arguments):
        save(self, *arguments)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
    state.RunState.save = save_then_fill
settings = test_fit.Settings(run_dir=sys.argv[1], tensorboard=False)
made = test_run.made(lambda run, data, own, folder: test_fit.train(own, folder))
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
