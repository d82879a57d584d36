"""A GAN's run: where it is measured, what is kept, how it goes on."""

import base64
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from experiments import gan_training
from experiments.configuration import TrainingConfiguration
from experiments.engine import recording

SETTINGS = TrainingConfiguration(tensorboard=False, progress="none")


def make_gan():
    keras.utils.set_random_seed(1)
    generator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    layers = [keras.Input((2,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)]
    gan = keras_mixup.MixUpGAN(
        generator, keras.Sequential(layers), discriminator_steps=1, seed=4
    )
    gan.compile()
    return gan


def batches(done):
    return gan_training.indices(done).map(
        lambda index: tf.random.stateless_normal(
            [4, 2], [0, tf.cast(index[0], tf.int32)]
        )
    )


def trained(folder, points=(2, 3, 6), measure=None, settings=SETTINGS):
    measure = measure or (lambda gan, iteration: {"test": {"number": iteration}})
    return gan_training.fit(make_gan, batches, points, measure, settings, folder)


def test_the_record_has_the_points_and_mean_losses_since_the_point_before(tmp_path):
    single = trained(tmp_path / "single", points=tuple(range(1, 7)))
    losses = [entry["train"]["discriminator_loss"] for entry in single]
    record = trained(tmp_path / "some")
    assert [entry["iteration"] for entry in record] == [2, 3, 6]
    assert [entry["epoch"] for entry in record] == [1, 2, 3]
    assert [entry["test"]["number"] for entry in record] == [2, 3, 6]
    found = [entry["train"]["discriminator_loss"] for entry in record]
    expected = [np.mean(losses[:2]), losses[2], np.mean(losses[3:])]
    assert found == pytest.approx(expected, rel=1e-5)
    seconds = [entry["seconds"] for entry in record]
    assert 0 < seconds[0] < seconds[1] < seconds[2]


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path):
    def stop_at_3(gan, iteration):
        if iteration == 5:
            raise KeyboardInterrupt
        return {}

    points = (2, 3, 5, 7)
    whole = trained(tmp_path / "whole", points, lambda gan, iteration: {})
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts", points, stop_at_3)
    again = trained(tmp_path / "parts", points, lambda gan, iteration: {})
    for ours, theirs in zip(again, whole, strict=True):
        assert ours["train"] == theirs["train"]
    for name in ("generator.keras", "discriminator.keras"):
        pair = [
            keras.models.load_model(tmp_path / f / name) for f in ("whole", "parts")
        ]
        for ours, theirs in zip(*(one.get_weights() for one in pair), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    # And once more: nothing is left to do.
    assert trained(tmp_path / "parts", points, stop_at_3) == again


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_what_was():
    state = types.SimpleNamespace(epochs=[{"iteration": 1, "seconds": 0.0}])
    callback = gan_training.RecordPoints(state, [1, 2], 1, None, SETTINGS)
    logs = {"discriminator_loss": float("nan"), "generator_loss": 0.0}
    with pytest.raises(recording.NonFiniteLoss, match="nan.* before iteration 2"):
        callback.on_train_batch_end(0, logs)
    assert len(state.epochs) == 1


def test_points_are_regular_with_powers_of_ten_and_snapshots():
    assert gan_training.points_of(1200, 500, (7, 1000)) == [
        *(7, 10, 100, 500, 1000, 1200)
    ]


def test_tiles_stand_side_by_side():
    images = np.stack([np.full((2, 3, 1), v, "float32") for v in (-1, 0, 1, -5, 5)])
    text = gan_training.encoded_tiles(images, columns=3)
    sheet = tf.io.decode_png(base64.b64decode(text)).numpy()
    assert sheet.shape == (4, 9, 1)
    np.testing.assert_array_equal(sheet[::2, ::3, 0], [[0, 128, 255], [0, 255, 255]])
