"""The examples, as a newcomer runs them: what they print is what the model answers."""

import pathlib
import re
import runpy
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from experiments.data import corruption, digits
from tests.test_structure import imports_of

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


def numbers(printed, row):
    """The numbers of a row of the printed table, as they are printed."""
    return re.search(rf"^{row} +(.*)$", printed, flags=re.M)[1].split()


def test_the_printed_errors_are_those_of_the_exported_model(tmp_path, capfd):
    exported = tmp_path / "saved_models" / "digits" / "1"
    # That of another start, which is not the whole of a model.
    (exported / "variables").mkdir(parents=True)
    (exported / "variables" / "left").touch()
    runpy.run_path(str(EXAMPLES / "quickstart.py"))["main"](tmp_path, epochs=2)
    printed = capfd.readouterr().out

    (x, y), (x_test, y_test) = digits.load_digits()
    given, chosen = corruption.corrupt_labels(y, 0.4, digits.CLASSES, seed=0)
    model = tf.saved_model.load(str(exported)).signatures["serving_default"]

    def error(images, labels):
        answers = model(inputs=tf.constant(images))["label_index"].numpy()
        return f"{100 * (answers != labels).mean():.1f}"

    assert numbers(printed, "mixup 8") == [
        error(x_test, y_test),
        error(x[~chosen], y[~chosen]),
        error(x[chosen], given[chosen]),
    ]
    assert numbers(printed, "ERM") != numbers(printed, "mixup 8")
    for kind in ("arrays", "PNG files"):
        line = f"Served 597 images as {kind}: {error(x_test, y_test)} % errors."
        assert line in printed
    assert "keras_mixup was not imported by this process." in printed
    assert f"| {error(x_test, y_test)} |" in (exported / "model_card.md").read_text()
    # Nothing is left of the former export, nor of the work on this one.
    assert not (exported / "variables" / "left").exists()
    assert {path.name for path in tmp_path.iterdir()} == {
        "saved_models",
        "test_images.npz",
    }
    assert [path.name for path in exported.parent.iterdir()] == ["1"]


KEPT = sorted((EXAMPLES.parent / "saved_models").glob("*/*"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}")
def test_a_kept_model_has_both_signatures_of_an_export(path):
    model = tf.saved_model.load(str(path)).signatures
    _, (x, y) = digits.load_digits()
    found = model["serving_default"](inputs=tf.constant(x))
    numbers = model["numeric"](inputs=tf.constant(x))
    assert {*found} == {*numbers, "label"}
    for name, value in numbers.items():
        np.testing.assert_array_equal(value, found[name])
    error = 100 * (numbers["label_index"].numpy() != y).mean()
    card = (path / "model_card.md").read_text()
    assert f"| Test error (%) | {error:.1f} |" in card and "`numeric`" in card
    assert sum(one.stat().st_size for one in path.rglob("*")) < 1_000_000


@pytest.mark.slow
def test_the_whole_program_shows_that_erm_learns_wrong_labels_and_mixup_hardly(
    tmp_path,
):
    answer = subprocess.run(
        [sys.executable, EXAMPLES / "quickstart.py", "--output", tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    erm, mixup = (map(float, numbers(answer.stdout, n)) for n in ("ERM", "mixup 8"))
    (erm_test, _, erm_wrong), (mixup_test, _, mixup_wrong) = erm, mixup
    # Whoever learns nothing of the wrong labels errs on nine of ten.
    assert erm_wrong < 40
    assert mixup_wrong > 70
    assert mixup_test < erm_test


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("quickstart.py", {"keras", "keras_mixup", "numpy", "sklearn", "tensorflow"}),
        ("serve.py", {"numpy", "tensorflow"}),
    ],
)
def test_an_example_needs_what_it_says_alone(name, allowed):
    outside = {one.partition(".")[0] for one in imports_of(EXAMPLES / name)}
    assert outside - set(sys.stdlib_module_names) == allowed
