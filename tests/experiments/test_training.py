"""One training run: what it records, how it resumes, and how it fails."""

import csv
import dataclasses
import json
import math
import os
import pathlib
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from experiments.configuration import TrainingConfiguration

import keras_mixup
from experiments.data import pipeline
from experiments.engine import distribution, recording, training, whole_network
from tests import oracles

COUNT, BATCH, STEPS, CLASSES = 20, 8, 3, 3
ROOT = pathlib.Path(__file__).parents[2]


def settings_for(**changed):
    changed = {"batch_size": BATCH, "progress": "none", **changed}
    return TrainingConfiguration(**changed)


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


def trace_of_weights(network):
    """Something that only the trained network can tell."""
    return {"weights": float(sum(abs(w).sum() for w in network.get_weights()))}


@dataclasses.dataclass
class Case:
    """A small run; `models` keeps what was made."""

    settings: TrainingConfiguration
    epochs: int = 3
    alpha: float = 1.0
    rate: float = 0.1
    models: list = dataclasses.field(default_factory=list)

    def fit(self, folder, callback=None):
        keras.utils.set_random_seed(5)
        mixing = training.Mixing(self.alpha, 5, CLASSES, self.settings)
        examples = tf.data.Dataset.from_tensor_slices(arrays(0))
        test = tf.data.Dataset.from_tensor_slices(arrays(1))
        data = training.Data(
            batches=lambda first_epoch: pipeline.training_batches(
                examples, COUNT, BATCH, 5, first_epoch, mix=mixing.in_pipeline
            ),
            count=COUNT,
            batch_size=BATCH,
            sets={"test": pipeline.evaluation_batches(test, 6, one_hot=mixing.rows)},
        )
        schedule = keras_mixup.LearningRateDrops(self.rate, (1, 2), STEPS)

        def make_model():
            model = mixing.compiled(network(), keras.optimizers.SGD(schedule, 0.9))
            self.models.append(model)
            return model

        folder.mkdir(parents=True, exist_ok=True)
        return training.fit(
            make_model,
            data,
            schedule,
            self.epochs,
            self.settings,
            folder,
            at_end=trace_of_weights,
        )


def without_clock(epochs):
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in epochs]


def without_end(epochs):
    return [{k: v for k, v in epoch.items() if k != "end"} for epoch in epochs]


def weights_of(model):
    return [
        np.asarray(value) for value in getattr(model, "network", model).get_weights()
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing stopped: its folder, epochs and weights."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("whole")
    case = Case(settings_for())
    epochs = case.fit(folder)
    return folder, epochs, weights_of(case.models[0])


def test_the_record_holds_what_was_measured(whole):
    folder, epochs, _ = whole
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]
    rates = [epoch["learning_rate"] for epoch in epochs]
    assert rates == pytest.approx([0.1, 0.01, 0.001])
    assert sorted(epoch["seconds"] for epoch in epochs) == [
        e["seconds"] for e in epochs
    ]
    served = keras.models.load_model(folder / "network.keras")
    x, y = arrays(1)
    logits = served.predict(x, verbose=0)
    wrong = 100 * np.mean(logits.argmax(-1) != y)
    assert epochs[-1]["test"]["error"] == pytest.approx(wrong, abs=1e-4)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    loss = -log_p[np.arange(COUNT), y].mean()
    assert epochs[-1]["test"]["loss"] == pytest.approx(loss, rel=1e-5)


def test_the_last_epoch_has_what_is_measured_once(whole):
    folder, epochs, weights = whole
    assert ["end" in epoch for epoch in epochs] == [False, False, True]
    end = epochs[-1]["end"]
    total = sum(np.abs(value).sum() for value in weights)
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


def test_one_logit_is_a_classifier_of_two_classes_and_a_quantity_is_none():
    # The sigmoids are .5, .9, .1 and .9: right, right, right and wrong.
    x = np.log([[1.0], [9.0], [1 / 9], [9.0]]).astype("float32")
    one_unit = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])

    def of(labels):
        batches = tf.data.Dataset.from_tensor_slices((x, labels)).batch(3)
        return recording.reliability(one_unit, batches)

    found = of(np.array([[0.0], [1.0], [0.0], [0.0]], "float32"))
    assert found["count"] == [0] * 7 + [1] + [0] * 5 + [3, 0]
    assert found["accuracy"][7] == 1
    assert found["accuracy"][13] == pytest.approx(2 / 3)
    assert found["confidence"][13] == pytest.approx(0.9)
    assert of(x) is None


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


@pytest.mark.parametrize(
    "mix_in", ["train_step", pytest.param("pipeline", marks=pytest.mark.slow)]
)
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(
    whole, tmp_path, monkeypatch, mix_in
):
    _, epochs, weights = whole
    if mix_in == "pipeline":
        case = Case(settings_for(mix_in=mix_in))
        epochs = case.fit(tmp_path / "whole")
        weights = weights_of(case.models[0])
    folder = tmp_path / "stopped"
    record = recording.Record.on_epoch_end

    def stop_in_the_second(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        record(self, epoch, logs)

    case = Case(settings_for(mix_in=mix_in))
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(recording.Record, "on_epoch_end", stop_in_the_second)
        case.fit(folder)
    assert not (folder / "network.keras").exists()
    again = case.fit(folder)
    assert without_clock(again) == without_clock(epochs)
    for found, expected in zip(weights_of(case.models[-1]), weights, strict=True):
        np.testing.assert_array_equal(found, expected)
    seconds = [epoch["seconds"] for epoch in again]
    assert sorted(seconds) == seconds


def test_a_run_that_is_done_is_not_trained_again(whole, monkeypatch):
    folder, epochs, _ = whole
    monkeypatch.setattr(
        keras.Model, "fit", lambda *_, **__: pytest.fail("trained again")
    )
    assert Case(settings_for()).fit(folder) == epochs


def test_without_mixing_the_record_differs(whole, tmp_path):
    _, epochs, _ = whole
    erm = Case(settings_for(), alpha=0.0).fit(tmp_path)
    assert erm[-1]["train"]["loss"] != epochs[-1]["train"]["loss"]


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_step(tmp_path):
    case = Case(settings_for(), rate=1e30)
    with pytest.raises(
        recording.NonFiniteLoss, match=r"step [1-5] \(epoch [12], batch"
    ):
        case.fit(tmp_path)


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
    with pytest.raises(recording.NonFiniteLoss, match=named):
        Case(settings_for()).fit(tmp_path)
    # The last good checkpoint is kept.
    assert [p.name for p in tmp_path.glob("checkpoints/*.index")] == ["ckpt-1.index"]


@pytest.mark.slow
def test_replicas_of_a_mirrored_run_share_the_work(whole, tmp_path, monkeypatch):
    assert distribution.mirrored() is distribution.mirrored()
    monkeypatch.setattr(distribution, "mirrored", oracles.two_replicas)
    _, epochs, _ = whole
    settings = settings_for(strategy="mirrored")
    strategy = distribution.strategy_of(settings)
    assert strategy.num_replicas_in_sync == 2
    found = Case(settings, epochs=1).fit(tmp_path)
    assert math.isfinite(found[0]["train"]["loss"])
    # Each replica mixes by a draw of its own.
    assert found[0]["train"]["loss"] != epochs[0]["train"]["loss"]
    again = Case(settings, epochs=2).fit(tmp_path)
    assert again[:1] == without_end(found)
    assert len(again) == 2


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.slow
def test_mixed_precision_is_that_of_the_layers_and_ends_with_the_run(
    tmp_path, precision
):
    case = Case(settings_for(precision=precision), epochs=1)
    epochs = case.fit(tmp_path)
    (model,) = case.models
    assert model.network.layers[0].compute_dtype == precision.removeprefix("mixed_")
    assert model.network.layers[0].kernel.dtype == "float32"
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (precision == "mixed_float16")
    assert keras.config.dtype_policy().name == "float32"
    assert math.isfinite(epochs[0]["train"]["loss"])


@pytest.mark.parametrize(("most", "epochs", "steps"), [(2, 1, 2), (4, 2, 6)])
def test_a_run_can_be_tried_out_for_a_few_steps(tmp_path, most, epochs, steps):
    case = Case(settings_for(max_steps=most))
    assert len(case.fit(tmp_path)) == epochs
    assert int(case.models[0].optimizer.iterations) == steps


def test_without_checkpoints_none_are_written(tmp_path):
    settings = settings_for(checkpoint_every=0, tensorboard=False)
    Case(settings, epochs=1).fit(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"log.csv"}


def test_checkpoints_are_written_every_so_many_epochs_and_at_the_end(tmp_path):
    Case(settings_for(checkpoint_every=2)).fit(tmp_path)
    indices = (tmp_path / "checkpoints").glob("*.index")
    assert sorted(path.stem for path in indices) == ["ckpt-2", "ckpt-3"]
    digests = (tmp_path / "checkpoints").glob("*.json")
    assert len(list(digests)) == 2


@pytest.mark.slow
def test_a_disk_that_is_full_leaves_the_last_checkpoint_and_no_result(tmp_path):
    program = textwrap.dedent(
        """
        import json, pathlib, resource, signal, sys
        import tensorflow as tf
        from tests.experiments import test_training as t
        from experiments import checkpoints, running

        folder, full = pathlib.Path(sys.argv[1]), sys.argv[2] == "full"
        if full:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            save = checkpoints.RunState.save
            def save_then_fill(self, *arguments):
                save(self, *arguments)
                resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
            checkpoints.RunState.save = save_then_fill
        settings = t.settings_for(run_dir=str(folder), tensorboard=False)
        run = running.Run("group", "mixup 1", 5, {"alpha": 1.0})
        (record,) = running.run_all(
            "made", settings, [run], lambda run, f: (t.Case(settings).fit(f), 60)
        )
        print(json.dumps(record["epochs"]))
        """
    )

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
            check=False,
        )

    broken = run(tmp_path / "runs", "full")
    assert broken.returncode != 0
    (settings,) = (tmp_path / "runs").rglob("settings.json")
    assert not (settings.parent / "record.json").exists()
    assert list(settings.parent.glob("checkpoints/ckpt-1.index"))
    healed = run(tmp_path / "runs", "free")
    assert "Resuming after epoch 1 of 3." in healed.stdout, healed.stderr
    fresh = run(tmp_path / "other", "free")
    results = [
        without_clock(json.loads(answer.stdout.strip().splitlines()[-1]))
        for answer in (healed, fresh)
    ]
    assert results[0] == results[1]


@pytest.mark.slow
def test_a_resumed_mirrored_run_is_that_of_one_that_was_not_stopped(tmp_path):
    settings = settings_for(strategy="mirrored")
    whole = Case(settings, epochs=2).fit(tmp_path / "whole")
    first = Case(settings, epochs=1).fit(tmp_path / "parts")
    parts = Case(settings, epochs=2).fit(tmp_path / "parts")
    assert without_end(without_clock(first)) == without_clock(whole)[:1]
    assert without_clock(parts) == without_clock(whole)


def test_rows_of_epochs_that_are_done_again_leave_the_log(tmp_path):
    path = tmp_path / "log.csv"
    recording.keep_rows(path, 1)
    path.write_text("epoch,loss\n0,3.0\n1,2.0\n2,1.0\n")
    recording.keep_rows(path, 2)
    assert path.read_text() == "epoch,loss\n0,3.0\n1,2.0\n"
    # Lines end as they did, and what a full disk cut off is no line.
    path.write_bytes(b"epoch,loss\r\n0,3.0\r\n1,2")
    recording.keep_rows(path, 2)
    assert path.read_bytes() == b"epoch,loss\r\n0,3.0\r\n"


def test_a_network_that_is_not_written_whole_leaves_the_one_before(tmp_path):
    path = tmp_path / "network.keras"
    kept = network()
    whole_network.save(kept, path)

    class Broken:
        def save(self, scratch):
            scratch.write_text("half")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        whole_network.save(Broken(), path)
    x, _ = arrays(0)
    again = whole_network.load(path)
    np.testing.assert_array_equal(again(x), kept(x))


@pytest.mark.parametrize("deterministic", [False, True])
def test_determinism_is_asked_for_by_its_flag(tmp_path, monkeypatch, deterministic):
    asked = []
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: asked.append(True)
    )
    Case(settings_for(deterministic=deterministic, max_steps=1)).fit(tmp_path)
    assert asked == [True] * deterministic
