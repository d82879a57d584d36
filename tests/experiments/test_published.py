"""What is committed: tables in the documents, and the model below saved_models."""

import pathlib

import pytest
import tensorflow as tf

from experiments import catalog
from experiments.catalog import EXPERIMENTS
from experiments.data import digits
from experiments.report import result_file

ROOT = pathlib.Path(__file__).parents[2]
COMMITTED = sorted(result_file.RESULTS.glob("*/*.json"))


def name_of(path):
    return f"{path.parent.name}/{path.stem}"


def test_the_committed_model_has_the_test_error_of_its_card():
    folder = ROOT / "saved_models" / "digits" / "1"
    model = tf.saved_model.load(str(folder))
    _, (images, labels) = digits.load_digits()
    served = model.signatures["serving_default"](inputs=tf.constant(images))
    error = 100 * (served["label_index"].numpy() != labels).mean()
    card = (folder / "model_card.md").read_text()
    assert f"| Test error (%) | {error:.1f} |" in card


@pytest.mark.parametrize("path", COMMITTED, ids=name_of)
def test_the_tables_of_the_documents_are_those_of_the_result_files(path):
    result = result_file.read(path)
    experiment = catalog.load(result["experiment"])
    text = (ROOT / "experiments" / "README.md").read_text()
    for table in experiment.tables(result):
        assert len(table.splitlines()) > 2
        assert table in text


@pytest.mark.parametrize("path", COMMITTED, ids=name_of)
def test_a_published_result_comes_from_a_committed_state_of_the_code(path):
    result = result_file.read(path)
    assert result["preset"] == path.stem
    assert not result["environment"]["revision"].endswith("-dirty")


@pytest.mark.parametrize("path", COMMITTED, ids=name_of)
def test_the_pictures_are_made_from_the_result_file_alone(path, tmp_path):
    experiment = catalog.load(path.parent.name)
    drawn = experiment.draw(result_file.read(path), tmp_path)
    # Of a further preset none is published.
    if path.stem == result_file.presets(path.parent)[0]:
        assert {picture.name for picture in drawn} == {
            picture.name for picture in path.parent.glob("*.png")
        }
    for picture in drawn:
        assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_every_experiment_is_in_the_notebook():
    text = (ROOT / "experiments" / "README.md").read_text()
    for name in EXPERIMENTS:
        assert f"python -m experiments {name}" in text
