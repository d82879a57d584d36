"""What the tests of experiments share: to parse, and to run, trained or not."""

import contextlib
import dataclasses
import io
import json
import types

import keras
import matplotlib.image
import numpy as np
import pytest

import keras_mixup
from experiments import settings
from experiments.engine import fit
from experiments.engine import run as engine
from experiments.report import result_file


def parse(experiment, *flags):
    """The settings of flags."""
    flags = [str(flag) for flag in flags]
    return settings.parse(experiment.settings, experiment.presets, flags, prog="prog")


def refusal(experiment, capsys, *flags):
    """What is printed where flags are refused; they must be."""
    with pytest.raises(SystemExit) as end:
        parse(experiment, *flags)
    assert end.value.code == 2
    return capsys.readouterr().err


def run(experiment, *flags):
    """The result of a command, and what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        result = engine.run(experiment, parse(experiment, *flags))
    return result, printed.getvalue()


def plan(experiment, *flags, data=None):
    """The runs of a command: (group, method, seed) and what sets each apart."""
    chosen = parse(experiment, *flags)
    return {
        (run.group, run.method, run.seed): run.settings
        for run in experiment.runs(chosen, data)
    }


def check_picture(path):
    """A PNG of real size, neither blank nor a single line."""
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    pixels = matplotlib.image.imread(path)
    # Rows and columns follow the number of methods, of which there may be few.
    assert pixels.shape[0] > 200
    assert pixels.shape[1] > 400
    assert np.mean(pixels[..., :3].min(axis=-1) < 0.9) > 0.01


def made_up(length, error=12.0, **end):
    """Records of so many epochs, all of one error; the last has this end."""
    epochs = [
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
    if end:
        epochs[-1]["end"] = end
    return epochs


def result_of(experiment, epochs, *flags):
    """The result of these epochs by (group, method, seed), as its file has it."""
    chosen = parse(experiment, *flags)
    records = [
        {
            "group": group,
            "method": method,
            "seed": seed,
            "settings": {"alpha": 0.0},
            "epochs": record,
            "images_seen": 1,
            "seconds": 1.0,
            "revision": "made up",
        }
        for (group, method, seed), record in epochs.items()
    ]
    result = result_file.make_result(
        experiment.name,
        experiment.item,
        dataclasses.asdict(chosen),
        experiment.paper(chosen),
        records,
        experiment.final,
    )
    return json.loads(json.dumps(result))


def without_training(monkeypatch):
    """Replaces each fit by a made-up record; gives what it was called with.

    Each call has `make_model`, `course`, `settings`, `folder`, and `rate_at`, the
    learning rate of a step.
    """
    calls = []

    def fitted(make_model, course, settings, folder):
        calls.append(
            types.SimpleNamespace(
                make_model=make_model,
                course=course,
                settings=settings,
                folder=folder,
                rate_at=lambda step: float(course.learning_rate(step)),
            )
        )
        return made_up(course.epochs)

    monkeypatch.setattr(fit, "fit", fitted)
    return calls


def trained(experiment, run, data, monkeypatch, folder, *flags):
    """What `fit` is called with for this run."""
    calls = without_training(monkeypatch)
    experiment.train(run, data, parse(experiment, *flags), folder)
    (call,) = calls
    return call


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
