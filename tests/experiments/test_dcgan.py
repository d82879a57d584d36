"""The DCGAN on images: the smoke preset from end to end, and its settings."""

import base64
import json

import numpy as np
import pytest
import tensorflow as tf

from experiments import gan_training
from experiments.beyond import dcgan
from tests.experiments import runs


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Settings, result and what was printed."""
    folder = tmp_path_factory.mktemp("runs")
    settings = runs.parse(dcgan, "--preset", "smoke", "--run_dir", folder)
    return settings, *runs.recorded(dcgan, settings)


@pytest.mark.slow
def test_the_smoke_preset_trains_measures_and_keeps_grids(smoke):
    _, result, printed = smoke
    assert set(result) == runs.KEYS
    found = [(run["group"], run["method"], run["seed"]) for run in result["runs"]]
    assert found == [("digits", "ERM", 0), ("digits", "mixup 0.2", 0)]
    for run in result["runs"]:
        assert [entry["iteration"] for entry in run["epochs"]] == [2, 4, 6]
        assert run["images_seen"] == 6 * 32
        assert 0 < run["final"]["real_sliced_wasserstein"] < 0.2
        assert run["final"]["sliced_wasserstein"] > 0.3
        sheet = tf.io.decode_png(base64.b64decode(run["epochs"][-1]["samples"]))
        # 40 images of 32 pixels, 8 in a row.
        assert sheet.shape == (5 * 32, 8 * 32, 1)
    assert "| digits | mixup 0.2 |" in printed


@pytest.mark.slow
def test_the_picture_is_made_from_the_result_alone(smoke, tmp_path):
    _, result, _ = smoke
    (path,) = dcgan.draw(json.loads(json.dumps(result)), tmp_path)
    runs.check_picture(path)


def test_images_are_scaled_to_the_generators_range():
    images = tf.constant([[[[0, 0, 0], [255, 255, 255], [0, 0, 255]]]], tf.uint8)
    np.testing.assert_allclose(
        dcgan.scaled(images, 1)[0, 0, :, 0], [-1, 1, -1 / 3], atol=1e-6
    )
    assert dcgan.scaled(images, 3).shape == images.shape


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mode", "author_code", "--alphas", "2"], "Expected numbers in (0, 1]"),
        (["--snapshots", "0"], "`snapshots`. Expected iterations from 1"),
        (["--mix_in", "pipeline"], "`mix_in`. Expected train_step"),
        (["--checkpoint_steps", "5"], "`checkpoint_steps`. Expected 0: a GAN is saved"),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags, message, capsys):
    assert message in runs.refusal(dcgan, capsys, *flags)


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_inside_an_epoch(tmp_path, monkeypatch):
    flags = ("--preset", "smoke", "--train_split", "train[:80]", "--methods", "mixup")
    flags += ("--iterations", "8", "--snapshots", "8", "--every", "4")

    def recorded(folder):
        settings = runs.parse(dcgan, *flags, "--run_dir", tmp_path / folder)
        return runs.recorded(dcgan, settings)[0]["runs"][0]["epochs"]

    whole = recorded("whole")
    tiles = gan_training.encoded_tiles

    def stop(*arguments):
        raise KeyboardInterrupt

    # Of three steps an epoch; the picture is the last thing that is made.
    monkeypatch.setattr(gan_training, "encoded_tiles", stop)
    with pytest.raises(KeyboardInterrupt):
        recorded("parts")
    monkeypatch.setattr(gan_training, "encoded_tiles", tiles)
    again = recorded("parts")
    assert [entry["iteration"] for entry in again] == [4, 8]
    for ours, theirs in zip(again, whole, strict=True):
        assert ours["train"] == theirs["train"]
        assert ours["test"] == theirs["test"]
