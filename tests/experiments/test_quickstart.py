"""The demonstration from end to end, in its smallest preset."""

import contextlib
import io
import json
import pathlib
import re

import matplotlib.image
import numpy as np
import pytest
import tensorflow as tf

from experiments import configuration
from experiments.beyond import quickstart
from experiments.data import corruption, digits
from experiments.report import result_file

MEASURES = ["best_test_error", "last_test_error", "error_on_real", "error_on_corrupted"]


def settings_for(folder, *flags):
    flags = ["--preset", "smoke", "--run_dir", str(folder), *flags]
    return configuration.parse(
        quickstart.Settings, quickstart.PRESETS, flags, prog="quickstart"
    )


def recorded_run(settings):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        result = quickstart.run(settings)
    return result, printed.getvalue()


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """The settings, and what each of two runs gave and printed."""
    settings = settings_for(tmp_path_factory.mktemp("runs"))
    return settings, [recorded_run(settings) for _ in range(2)]


@pytest.fixture(scope="module")
def folder(twice):
    settings, _ = twice
    return pathlib.Path(settings.run_dir) / "quickstart"


def numbers(run):
    """A run without its clock."""
    run = json.loads(json.dumps(run))
    for part in (run, *run["epochs"]):
        assert part.pop("seconds") > 0
    return run


def test_the_result_file_has_the_schema_of_the_design(twice, folder):
    settings, (_, (result, _)) = twice
    stored = result_file.read(folder / "smoke.json")
    assert stored == json.loads(json.dumps(result))
    assert set(stored) == {
        *("schema", "experiment", "item", "preset", "settings", "paper"),
        *("runs", "summary", "paired", "environment"),
    }
    assert (stored["experiment"], stored["preset"]) == ("quickstart", "smoke")
    assert set(stored["settings"]) == set(vars(settings))
    assert stored["settings"]["epochs"] == 2
    runs = stored["runs"]
    assert [(r["method"], r["seed"]) for r in runs] == [("ERM", 0), ("mixup 8", 0)]
    for run in runs:
        assert set(run) == {
            *("method", "seed", "settings", "epochs", "final"),
            *("images_seen", "seconds"),
        }
        assert run["images_seen"] == 2 * digits.TRAIN
        assert [epoch["epoch"] for epoch in run["epochs"]] == [1, 2]
        for epoch in run["epochs"]:
            assert set(epoch) == {"epoch", "learning_rate", "train", "test", "seconds"}
            assert set(epoch["train"]) == {
                "loss",
                "error_on_real",
                "error_on_corrupted",
            }
            assert set(epoch["test"]) == {"error"}
    cells = {f"{method}/{m}" for method in ("ERM", "mixup 8") for m in MEASURES}
    assert set(stored["summary"]) == cells
    assert set(stored["paired"]) == {f"mixup 8/{measure}" for measure in MEASURES}


def test_the_final_numbers_are_those_of_the_last_and_of_the_best_epoch():
    epochs = [
        {"train": {"error_on_real": r, "error_on_corrupted": c}, "test": {"error": e}}
        for r, c, e in [(9.0, 70.0, 8.0), (5.0, 60.0, 4.0), (1.0, 30.0, 6.0)]
    ]
    assert quickstart.final(epochs) == {
        "best_test_error": 4.0,
        "last_test_error": 6.0,
        "error_on_real": 1.0,
        "error_on_corrupted": 30.0,
    }


def test_training_again_gives_the_same_numbers(twice):
    _, ((first, _), (second, _)) = twice
    assert list(map(numbers, first["runs"])) == list(map(numbers, second["runs"]))
    assert numbers(first["runs"][0])["epochs"] != numbers(first["runs"][1])["epochs"]


def test_the_errors_are_of_the_network_on_clean_images(twice):
    settings, ((result, _), _) = twice
    record, model = quickstart.train(8.0, 0, settings)
    # The third in this process, and without ERM before it: the numbers are the same.
    assert numbers(record) == {
        key: value
        for key, value in numbers(result["runs"][1]).items()
        if key != "final"
    }
    (x, y), (x_test, y_test) = digits.load_digits()
    noisy, chosen = corruption.corrupt_labels(y, 0.4, 10, 0)

    weights = model.network.get_weights()

    def wrong(images, labels):
        features = images.reshape(len(images), -1) / 255
        for kernel, bias in (weights[:2], weights[2:4]):
            features = np.maximum(features @ kernel + bias, 0)
        errors = (features @ weights[4] + weights[5]).argmax(axis=-1) != labels
        # Where two classes are nearly equal, one image may fall differently.
        return pytest.approx(100 * errors.mean(), abs=0.3)

    last = record["epochs"][-1]
    assert last["test"]["error"] == wrong(x_test, y_test)
    assert last["train"]["error_on_real"] == wrong(x[~chosen], y[~chosen])
    assert last["train"]["error_on_corrupted"] == wrong(x[chosen], noisy[chosen])


def test_the_pictures_are_pngs_of_real_size(folder):
    for name in ("curves.png", "mixed_digits.png"):
        file = folder / name
        assert file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        pixels = matplotlib.image.imread(file)
        assert pixels.shape[0] > 300
        assert pixels.shape[1] > 800
        # Neither blank nor a single line.
        assert np.mean(pixels[..., :3].min(axis=-1) < 0.9) > 0.01


def test_the_served_model_errs_as_the_run_did(twice, folder):
    _, runs = twice
    _, (x_test, y_test) = digits.load_digits()
    for version, (result, printed) in enumerate(runs, start=1):
        model = tf.saved_model.load(str(folder / "saved_models/digits" / str(version)))
        served = model.signatures["serving_default"](inputs=tf.constant(x_test))
        error = 100 * np.mean(served["label_index"].numpy() != y_test)
        assert error == result["runs"][1]["final"]["last_test_error"]
        answers = re.findall(r"(\d+\.\d) % (?:error )?(?:on|from) ", printed)
        assert answers == [f"{error:.1f}", f"{error:.1f}"]
        assert "on 597 test images" in printed


def test_each_run_exports_the_next_version_with_its_card(twice, folder):
    _, ((result, _), _) = twice
    versions = folder / "saved_models" / "digits"
    assert sorted(path.name for path in versions.iterdir()) == ["1", "2"]
    card = (versions / "2" / "model_card.md").read_text()
    final = result["runs"][1]["final"]
    for measure, heading in quickstart.MEASURES.items():
        assert f"| {heading} | {final[measure]:.1f} |" in card
    assert "mixup 8 (seed 0" in card


def test_the_table_and_every_written_file_are_printed(twice, folder):
    _, (_, (result, printed)) = twice
    assert result_file.table(result, quickstart.MEASURES) in printed
    for name in ("smoke.json", "curves.png", "mixed_digits.png"):
        assert f"Wrote {folder / name}\n" in printed
    assert f"to {folder / 'saved_models' / 'digits' / '2'}\n" in printed


@pytest.mark.slow
def test_erm_learns_the_wrong_labels_and_mixup_hardly_does(tmp_path):
    settings = settings_for(tmp_path, "--epochs", "30", "--learning_rate", "5e-3")
    erm, mixup = (quickstart.train(alpha, 0, settings)[0] for alpha in (0.0, 8.0))
    # Whoever learns nothing of them errs on nine of ten.
    assert erm["epochs"][-1]["train"]["error_on_corrupted"] < 60
    assert mixup["epochs"][-1]["train"]["error_on_corrupted"] > 80
    assert mixup["epochs"][-1]["test"]["error"] < erm["epochs"][-1]["test"]["error"]


def test_the_last_alpha_is_exported_and_what_was_written_is_published(
    twice, tmp_path, monkeypatch
):
    _, ((result, _), _) = twice
    exported = []

    def trained(alpha, seed, settings):
        method = f"mixup {alpha:g}" if alpha else "ERM"
        return {**result["runs"][0], "method": method, "seed": seed}, (alpha, seed)

    monkeypatch.setattr(quickstart, "train", trained)
    monkeypatch.setattr(
        quickstart, "export_and_serve", lambda model, *_: exported.append(model)
    )
    monkeypatch.setattr(result_file, "RESULTS", tmp_path / "results")
    flags = ["--publish", "--alphas", "1", "8", "--seeds", "4", "5"]
    quickstart.run(settings_for(tmp_path, *flags))
    assert exported == [(8.0, 4)]
    for name in ("smoke.json", "curves.png", "mixed_digits.png"):
        published = tmp_path / "results" / "quickstart" / name
        assert published.read_bytes() == (tmp_path / "quickstart" / name).read_bytes()
    runs = result_file.read(tmp_path / "quickstart" / "smoke.json")["runs"]
    methods = ("ERM", "mixup 1", "mixup 8")
    assert [(r["method"], r["seed"]) for r in runs] == [
        (method, seed) for method in methods for seed in (4, 5)
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--alphas", "8", "8"], "`alphas`. Expected at least one, all different"),
        (["--alphas", "inf"], "finite and above 0"),
        (["--alphas", "0"], "finite and above 0"),
        (["--epochs", "0"], "`epochs`. Expected a number >= 1. Received: 0"),
        (["--batch_size", "-1"], "`batch_size`. Expected a number >= 1"),
        (["--width", "0"], "`width`. Expected a number >= 1"),
        (["--learning_rate", "nan"], "`learning_rate`. Expected a finite number"),
        (["--corrupted", "1"], "`corrupted`. Expected a share in (0, 1)"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, capsys, flags, message):
    with pytest.raises(SystemExit):
        settings_for(tmp_path, *flags)
    assert message in capsys.readouterr().err
