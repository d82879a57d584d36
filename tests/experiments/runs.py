"""What the tests of the experiments share: to run one, and to look at what it wrote."""

import contextlib
import gc
import io
import json
import math
import pathlib
import shutil
import types

import keras
import matplotlib.image
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from experiments import configuration
from experiments.engine import training
from experiments.report import result_file

KEYS = {
    *("schema", "experiment", "item", "preset", "settings", "paper"),
    *("runs", "summary", "paired", "environment"),
}
OF_A_RUN = {
    *("group", "method", "seed", "settings", "epochs", "final"),
    *("images_seen", "seconds", "revision"),
}


def name_of(experiment):
    return experiment.__name__.rpartition(".")[2]


def parse(experiment, *flags):
    flags = [str(flag) for flag in flags]
    return configuration.parse(
        experiment.Settings, experiment.PRESETS, flags, prog="prog"
    )


def refusal(experiment, capsys, *flags):
    """What is printed where flags are refused; they must be."""
    with pytest.raises(SystemExit) as end:
        parse(experiment, *flags)
    assert end.value.code == 2
    return capsys.readouterr().err


def recorded(experiment, settings):
    """The result of a run, and what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        result = experiment.run(settings)
    return result, printed.getvalue()


def check_result(experiment, settings, result, runs, sets, errors, examples, rates):
    """The result file of runs `(group, method, seed)`: keys, order, finite numbers."""
    name = name_of(experiment)
    folder = pathlib.Path(settings.run_dir) / name
    stored = result_file.read(folder / f"{settings.preset}.json")
    assert stored == json.loads(json.dumps(result))
    assert set(stored) == KEYS
    assert (stored["schema"], stored["experiment"]) == (result_file.SCHEMA, name)
    assert (stored["item"], stored["preset"]) == (experiment.ITEM, settings.preset)
    assert stored["settings"] == json.loads(json.dumps(vars(settings)))
    found = [(run["group"], run["method"], run["seed"]) for run in stored["runs"]]
    assert found == runs
    for run in stored["runs"]:
        assert set(run) == OF_A_RUN
        alpha = float(run["method"].removeprefix("mixup ").replace("ERM", "0"))
        assert run["settings"]["alpha"] == alpha
        assert run["images_seen"] == len(rates) * examples
        assert [epoch["epoch"] for epoch in run["epochs"]] == [
            *range(1, len(rates) + 1)
        ]
        last = run["epochs"][-1]
        assert set(last["end"]["reliability"]) == set(sets)
        for name, found in last["end"]["reliability"].items():
            bins = zip(found["count"], found["accuracy"])
            right = sum(count * accuracy for count, accuracy in bins if count)
            share = right / sum(found["count"])
            assert last[name]["error"] == pytest.approx(100 * (1 - share), abs=1e-4)
        for epoch, rate in zip(run["epochs"], rates, strict=True):
            epoch = {name: value for name, value in epoch.items() if name != "end"}
            assert set(epoch) == {"epoch", "learning_rate", "train", "seconds", *sets}
            assert epoch["learning_rate"] == pytest.approx(rate, rel=1e-6)
            for part in ("train", *sets):
                assert set(epoch[part]) == {"loss", *errors}
                assert all(math.isfinite(value) for value in epoch[part].values())
                assert all(0 <= epoch[part][error] <= 100 for error in errors)
        assert run["final"] == experiment.final(run["epochs"])
        assert run["seconds"] == run["epochs"][-1]["seconds"] > 0
    cells = {
        "/".join((*run[:2], measure))
        for run in runs
        for measure in stored["runs"][0]["final"]
    }
    assert set(stored["summary"]) == cells
    # A smoke run of Table 1 has no length that stands for one of the paper's.
    own_lengths = experiment.__name__.endswith("table1_imagenet")
    assert stored["paper"] == ({} if own_lengths else experiment.paper())


def check_picture(path):
    """A PNG of real size, neither blank nor a single line."""
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    pixels = matplotlib.image.imread(path)
    assert pixels.shape[0] > 300
    assert pixels.shape[1] > 500
    assert np.mean(pixels[..., :3].min(axis=-1) < 0.9) > 0.01


def check_reused(experiment, settings, result, monkeypatch):
    """The same command again: nothing is trained, and all is as it was."""
    calls = without_training(monkeypatch)
    again, printed = recorded(experiment, settings)
    assert calls == []
    assert again["runs"] == result["runs"]
    assert printed.count(": done before") == len(result["runs"])


def added(experiment, settings, monkeypatch, tmp_path, *flags):
    """The result of more runs, with flags added to a copy; and what they would train."""
    name = name_of(experiment)
    shutil.copytree(pathlib.Path(settings.run_dir) / name, tmp_path / name)
    calls = without_training(monkeypatch)
    more = parse(experiment, "--preset", "smoke", "--run_dir", tmp_path, *flags)
    return recorded(experiment, more), calls


def made_up(length, error=12.0):
    """Records of so many epochs, all of one error."""
    return [
        {
            "epoch": epoch,
            "learning_rate": 0.1,
            "train": {"loss": 1.0, "error": 50.0, "top_5_error": 20.0},
            **{
                part: {"loss": 1.0, "error": error, "top_5_error": error / 4}
                for part in ("valid", "test")
            },
            "seconds": float(epoch),
        }
        for epoch in range(1, length + 1)
    ]


def without_training(monkeypatch):
    """Replaces training by made-up records; gives what it was called with."""
    calls = []

    def fit(make_model, data, learning_rate, epochs, settings, folder, at_end=None):
        calls.append(
            types.SimpleNamespace(
                make_model=make_model,
                data=data,
                rate=learning_rate,
                settings=settings,
                folder=folder,
                epochs=epochs,
                rate_at=lambda step: float(learning_rate(step)),
            )
        )
        return made_up(epochs)

    monkeypatch.setattr(training, "fit", fit)
    return calls


def tiny_networks(monkeypatch):
    """Replaces every network by a tiny one; gives the arguments of each."""
    built = []

    def build(name, **arguments):
        built.append({"name": name, **arguments})
        inputs = keras.Input(arguments["input_shape"])
        pooled = (
            keras.layers.GlobalAveragePooling2D()(inputs) if inputs.ndim > 2 else inputs
        )
        outputs = keras.layers.Dense(arguments["num_classes"])(pooled)
        return keras.Model(inputs, outputs)

    monkeypatch.setattr(keras_mixup.models, "build", build)
    return built


def keep_model(monkeypatch):
    """The models that are trained, which is done as ever."""
    models, fit = [], training.fit

    def kept(make_model, *arguments):
        def make():
            models.append(make_model())
            return models[-1]

        return fit(make, *arguments)

    monkeypatch.setattr(training, "fit", kept)
    return models


def check_two_steps(result, model, parameters, rate, sets=("test",)):
    """One epoch of two steps by a network of that many trainable parameters."""
    (run,) = result["runs"]
    (epoch,) = run["epochs"]
    assert epoch["epoch"] == 1
    assert epoch["learning_rate"] == pytest.approx(rate, rel=1e-6)
    for part in ("train", *sets):
        assert math.isfinite(epoch[part]["loss"])
        assert 0 <= epoch[part]["error"] <= 100
    assert int(model.optimizer.iterations) == 2
    shapes = [weight.shape for weight in model.trainable_variables]
    assert sum(math.prod(shape) for shape in shapes) == parameters
    for weight in model.trainable_variables:
        assert bool(tf.reduce_all(tf.math.is_finite(weight.value))), weight.path


def free_memory():
    """Forgets what Keras keeps of former networks."""
    keras.backend.clear_session()
    gc.collect()


def cross_entropy(logits, labels):
    """Of each example, in NumPy."""
    logits = np.asarray(logits, "float64")
    largest = logits.max(axis=-1, keepdims=True)
    total = np.log(np.exp(logits - largest).sum(axis=-1)) + largest[:, 0]
    return total - logits[np.arange(len(labels)), labels]
