"""Table 2 in small: the network is measured on clean images, by kind of label."""

import keras
import numpy as np
import pytest

from experiments.beyond.quickstart import EXPERIMENT, final
from experiments.data import corruption, digits
from tests.experiments import runs


def of_epoch(real, corrupted, test):
    errors = {"real": real, "corrupted": corrupted, "test": test}
    return {part: {"error": error} for part, error in errors.items()}


def test_the_final_numbers_are_those_of_the_last_and_of_the_best_epoch():
    epochs = [of_epoch(9, 70, 8), of_epoch(5, 60, 4), of_epoch(1, 30, 6)]
    assert final(epochs) == {
        "best_test_error": 4,
        "last_test_error": 6,
        "error_on_real": 1,
        "error_on_corrupted": 30,
    }


def test_each_method_is_run_with_each_seed():
    plan = runs.plan(EXPERIMENT, "--seeds", 4, 5)
    assert {row: settings["alpha"] for row, settings in plan.items()} == {
        ("", method, seed): alpha
        for method, alpha in {"ERM": 0, "mixup 1": 1, "mixup 8": 8}.items()
        for seed in (4, 5)
    }


def errors_by_hand(weights, seed):
    """The errors of an MLP of these weights, by kind of image and of label."""
    (x, y), (x_test, y_test) = digits.load_digits()
    given, chosen = corruption.corrupt_labels(y, 0.4, 10, seed)

    def wrong(images, labels):
        features = images.reshape(len(images), -1) / 255
        for kernel, bias in (weights[:2], weights[2:4]):
            features = np.maximum(features @ kernel + bias, 0)
        errors = (features @ weights[4] + weights[5]).argmax(axis=-1) != labels
        # Where two classes are nearly equal, one image may fall differently.
        return pytest.approx(100 * errors.mean(), abs=0.3)

    return {
        "test": wrong(x_test, y_test),
        "real": wrong(x[~chosen], y[~chosen]),
        "corrupted": wrong(x[chosen], given[chosen]),
    }


@pytest.mark.parametrize("mix_in", ["train_step", "pipeline"])
def test_the_errors_are_of_the_network_on_clean_images(tmp_path, mix_in):
    flags = ["--preset", "smoke", "--methods", "mixup", "--seeds", 3, "--epochs", 3]
    flags += ["--checkpoint_every", 3, "--mix_in", mix_in, "--run_dir", tmp_path]
    result, _ = runs.run(EXPERIMENT, *flags)
    (run,) = result["runs"]
    assert run["images_seen"] == 3 * digits.TRAIN
    (path,) = tmp_path.rglob("network.keras")
    expected = errors_by_hand(keras.models.load_model(path).get_weights(), seed=3)
    last = run["epochs"][-1]
    assert {part: last[part]["error"] for part in expected} == expected
    # It has begun to learn, and nothing of the labels that are wrong.
    assert last["test"]["error"] < 30 < 80 < last["corrupted"]["error"]


@pytest.mark.slow
def test_erm_learns_the_wrong_labels_and_mixup_hardly_does(tmp_path):
    flags = ["--preset", "smoke", "--epochs", 30, "--learning_rate", 5e-3]
    result, _ = runs.run(EXPERIMENT, *flags, "--run_dir", tmp_path)
    erm, mixup = (run["final"] for run in result["runs"])
    # Whoever learns nothing of them errs on nine of ten.
    assert erm["error_on_corrupted"] < 60
    assert mixup["error_on_corrupted"] > 80
    assert mixup["last_test_error"] < erm["last_test_error"]
