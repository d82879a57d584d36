"""What is committed: the model below saved_models answers as its result file says."""

import pathlib

import pytest
import tensorflow as tf

from experiments import result_file
from experiments.datasets import digits

ROOT = pathlib.Path(__file__).parents[2]


def test_the_committed_model_has_the_test_error_of_its_run():
    result = result_file.read(result_file.RESULTS / "quickstart" / "cpu.json")
    run = next(
        run for run in result["runs"] if (run["method"], run["seed"]) == ("mixup 8", 0)
    )
    model = tf.saved_model.load(str(ROOT / "saved_models" / "digits" / "1"))
    _, (images, labels) = digits.load_digits()
    served = model.signatures["serving_default"](inputs=tf.constant(images))
    error = 100 * (served["label_index"].numpy() != labels).mean()
    assert error == pytest.approx(run["final"]["last_test_error"])


def test_the_table_of_the_readme_is_that_of_the_result_file():
    from experiments import quickstart

    result = result_file.read(result_file.RESULTS / "quickstart" / "cpu.json")
    table = result_file.table(result, quickstart.MEASURES)
    assert table in (ROOT / "README.md").read_text()
