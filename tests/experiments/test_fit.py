"""One training run, of a classifier or a GAN: its record, and how it fails."""

import csv
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments.data import pipeline
from experiments.engine import fit, non_finite
from experiments.engine.course import Points
from tests.experiments.small_runs import (
    COUNT,
    STEPS,
    Mixing,
    Settings,
    arrays,
    train,
    weights,
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
