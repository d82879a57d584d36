"""The DCGAN on images: what its runs measure, and how one goes on inside an epoch."""

import base64
import functools

import numpy as np
import pytest
import tensorflow as tf

from experiments import gan
from experiments.beyond import dcgan
from experiments.engine import run as engine
from tests.experiments.runs import parse

EXPERIMENT = dcgan.EXPERIMENT


parse = functools.partial(parse, EXPERIMENT)


def recorded(folder, *flags):
    """The runs of the smoke preset."""
    flags = ("--preset", "smoke", "--run_dir", str(folder), *flags)
    return engine.run(EXPERIMENT, parse(*flags))["runs"]


@pytest.mark.slow
def test_the_smoke_preset_trains_measures_and_keeps_grids(tmp_path):
    for run in recorded(tmp_path):
        assert [entry["iteration"] for entry in run["epochs"]] == [2, 4, 6]
        assert run["images_seen"] == 6 * 32
        # A generator that learnt nothing yet is farther off than real images are.
        assert 0 < run["final"]["real_sliced_wasserstein"] < 0.2
        assert run["final"]["sliced_wasserstein"] > 0.3
        sheet = tf.io.decode_png(base64.b64decode(run["epochs"][-1]["samples"]))
        # 40 images of 32 pixels, 8 in a row.
        assert sheet.shape == (5 * 32, 8 * 32, 1)


def test_images_are_scaled_to_the_generators_range():
    images = tf.constant([[[[0, 0, 0], [255, 255, 255], [0, 0, 255]]]], tf.uint8)
    np.testing.assert_allclose(
        dcgan.scaled(images, 1)[0, 0, :, 0], [-1, 1, -1 / 3], atol=1e-6
    )
    assert dcgan.scaled(images, 3).shape == images.shape


def test_the_optimizers_are_of_the_dcgan_and_the_discriminator_sees_one_channel():
    flags = ("--preset", "smoke", "--mode", "author_code")
    model = dcgan.make_gan(0.2, 3, (32, 32, 3), parse(*flags))
    for optimizer in model.optimizers:
        found = (optimizer.beta_1, optimizer.beta_2, float(optimizer.learning_rate))
        assert found == pytest.approx((0.5, 0.999, 2e-4))
    assert model.discriminator.input_shape == (None, 32, 32, 1)
    assert (model.mode, model.seed, model.alpha) == ("author_code", 3, 0.2)


def test_alphas_above_1_are_for_the_formula_alone(capsys):
    assert parse("--alphas", "2").alphas == (2.0,)
    with pytest.raises(SystemExit):
        parse("--mode", "author_code", "--alphas", "2")
    assert "`alphas`. Expected numbers in (0, 1]" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_inside_an_epoch(tmp_path, monkeypatch):
    # Of three steps an epoch.
    flags = ("--train_split", "train[:80]", "--methods", "mixup")
    flags += ("--iterations", "8", "--snapshots", "8", "--every", "4")
    (whole,) = recorded(tmp_path / "whole", *flags)

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        # The sheet of the last point is the last thing that is made.
        patched.setattr(gan, "encoded_tiles", stop)
        with pytest.raises(KeyboardInterrupt):
            recorded(tmp_path / "parts", *flags)
    (again,) = recorded(tmp_path / "parts", *flags)
    assert [entry["iteration"] for entry in again["epochs"]] == [4, 8]
    for ours, theirs in zip(again["epochs"], whole["epochs"], strict=True):
        assert ours["train"] == theirs["train"]
        assert ours["test"] == theirs["test"]
