"""A GAN's run: where it is measured, what is kept, how it goes on."""

import base64
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from experiments import gan
from experiments.engine import fit, record
from experiments.engine.course import Points
from experiments.engine.non_finite import NonFiniteLoss

SETTINGS = gan.GANSettings(progress="none")


def make_gan():
    keras.utils.set_random_seed(1)
    generator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    layers = [keras.Input((2,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)]
    model = keras_mixup.MixUpGAN(
        generator, keras.Sequential(layers), discriminator_steps=1, seed=4
    )
    model.compile()
    return model


def batches(done):
    return gan.indices(done).map(
        lambda index: tf.random.stateless_normal(
            [4, 2], [0, tf.cast(index[0], tf.int32)]
        )
    )


def nothing(model, iteration):
    return {}


def number(model, iteration):
    return {"test": {"number": iteration}}


def trained(folder, points, measure=nothing):
    return fit.fit(make_gan, Points(batches, points, measure), SETTINGS, folder)


def test_the_record_has_the_points_and_mean_losses_since_the_point_before(tmp_path):
    single = trained(tmp_path / "single", [1, 2, 3, 4, 5, 6])
    losses = [entry["train"]["discriminator_loss"] for entry in single]
    some = trained(tmp_path / "some", [2, 3, 6], number)
    assert [entry["iteration"] for entry in some] == [2, 3, 6]
    assert [entry["epoch"] for entry in some] == [1, 2, 3]
    assert [entry["test"]["number"] for entry in some] == [2, 3, 6]
    found = [entry["train"]["discriminator_loss"] for entry in some]
    expected = [np.mean(losses[:2]), losses[2], np.mean(losses[3:])]
    assert found == pytest.approx(expected, rel=1e-5)
    seconds = [entry["seconds"] for entry in some]
    assert 0 < seconds[0] < seconds[1] < seconds[2]


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path):
    def stop_at_5(model, iteration):
        if iteration == 5:
            raise KeyboardInterrupt
        return {}

    points = [2, 3, 5, 7]
    whole = trained(tmp_path / "whole", points)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts", points, stop_at_5)
    again = trained(tmp_path / "parts", points)
    for ours, theirs in zip(again, whole, strict=True):
        assert ours["train"] == theirs["train"]
    for name in ("generator.keras", "discriminator.keras"):
        pair = [
            keras.models.load_model(tmp_path / f / name) for f in ("whole", "parts")
        ]
        for ours, theirs in zip(*(one.get_weights() for one in pair), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    # And once more: nothing is left to do.
    assert trained(tmp_path / "parts", points, stop_at_5) == again


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_what_was():
    state = types.SimpleNamespace(epochs=[{"iteration": 1, "seconds": 0.0}])
    course = Points(batches, [1, 2], nothing)
    callback = record.RecordPoints(state, course, lambda: 0.0, False)
    logs = {"discriminator_loss": float("nan"), "generator_loss": 0.0}
    with pytest.raises(NonFiniteLoss, match="nan.* before iteration 2"):
        callback.on_train_batch_end(0, logs)
    assert len(state.epochs) == 1


@pytest.mark.parametrize(("max_steps", "points"), [(0, [2, 10, 12]), (5, [2, 5])])
def test_a_run_is_cut_after_max_steps(monkeypatch, tmp_path, max_steps, points):
    fitted = []
    monkeypatch.setattr(fit, "fit", lambda *arguments: fitted.append(arguments))
    settings = gan.GANSettings(iterations=12, snapshots=(2,), max_steps=max_steps)
    arguments = {"make_gan": make_gan, "batches": batches, "measure": number}
    _, seen = gan.train(settings, tmp_path, **arguments, examples_per_step=7)
    assert seen == 7 * points[-1]
    assert fitted == [
        (make_gan, Points(batches, points, number), settings, tmp_path),
    ]


def test_mode_author_code_takes_two_batches_a_step_where_it_mixes():
    settings = gan.GANSettings(batch_size=8, discriminator_steps=3)
    assert settings.examples_per_step(0.2, "author_code") == 48
    assert settings.examples_per_step(0.2, "objective") == 24
    assert settings.examples_per_step(0.0, "author_code") == 24


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"snapshots": (10, 30_000)},
            "`snapshots`. Expected iterations from 1 to 20000",
        ),
        ({"snapshots": (0,)}, "`snapshots`. Expected iterations from 1 to 20000"),
        ({"mix_in": "pipeline"}, "`mix_in`. Expected train_step"),
        ({"checkpoint_steps": 5}, "`checkpoint_steps`. Expected 0: a GAN is saved"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(changed, message):
    with pytest.raises(ValueError) as error:
        gan.GANSettings(**changed)
    assert message in str(error.value)


def test_points_are_regular_with_powers_of_ten_and_snapshots():
    assert gan.points_of(1200, 500, (7, 1000)) == [7, 10, 100, 500, 1000, 1200]


def test_tiles_stand_side_by_side():
    images = np.stack([np.full((2, 3, 1), v, "float32") for v in (-1, 0, 1, -5, 5)])
    text = gan.encoded_tiles(images, columns=3)
    sheet = tf.io.decode_png(base64.b64decode(text)).numpy()
    assert sheet.shape == (4, 9, 1)
    np.testing.assert_array_equal(sheet[::2, ::3, 0], [[0, 128, 255], [0, 255, 255]])
