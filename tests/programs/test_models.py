"""MixUpModel is a model like any other, and a policy does what it shows."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests.programs import by_hand

X, Y = by_hand.linear_data()


def make():
    mixup = keras_mixup.MixUp(1.0, seed=1)
    model = keras_mixup.MixUpModel(by_hand.linear(), mixup)
    model.compile("sgd", by_hand.sparse_loss(), **by_hand.EAGER)
    return model


def trained():
    model = make()
    model.fit(X, Y, verbose=0)
    return model


def same_weights(model, other):
    for one, two in zip(model.network.weights, other.network.weights, strict=True):
        np.testing.assert_array_equal(one, two)


def test_weights_load_into_a_new_model(tmp_path):
    source, model = trained(), make()
    source.save_weights(tmp_path / "some.weights.h5")
    model.load_weights(tmp_path / "some.weights.h5")
    same_weights(model, source)


def test_a_tuner_rebuilds_a_model_from_its_build_config(tmp_path):
    # What keras-tuner does with the best trial.
    source, model = trained(), make()
    source.save_weights(tmp_path / "some.weights.h5")
    model.build_from_config(source.get_build_config())
    model.load_weights(tmp_path / "some.weights.h5")
    same_weights(model, source)


def test_a_new_model_counts_its_parameters_and_shows_itself():
    model, shown = make(), []
    assert model.built
    # The network's own 6 * 3 + 3; the count of steps may stand beside them.
    assert model.count_params() - by_hand.linear().count_params() in (0, 1)
    model.summary(print_fn=lambda line, **kwargs: shown.append(line))
    assert shown


def test_a_backup_works_with_a_new_model(tmp_path):
    model = make()
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    model.fit(X, Y, batch_size=16, verbose=0, callbacks=[backup])
    assert int(model.step) == 1


def test_mixing_switched_off_between_two_fits_is_off_or_raises():
    model = make()
    model.compile(by_hand.still(), by_hand.sparse_loss())
    model.fit(X, Y, batch_size=16, verbose=0)
    try:
        model.mixup.alpha = 0.0
    except (AttributeError, ValueError) as error:
        assert "alpha" in str(error)
        return
    clean = by_hand.cross_entropies(by_hand.outputs(model.network, X), Y).mean()
    found = model.fit(X, Y, batch_size=16, verbose=0).history["loss"][0]
    assert found == pytest.approx(clean, abs=1e-5)


@pytest.mark.parametrize("name", ["alpha", "probability"])
def test_mixing_switched_off_behind_a_pipeline_is_off_or_raises(name):
    mixup = keras_mixup.MixUp(1.0, num_classes=3, jit_compile=False)
    mixed = tf.data.Dataset.from_tensors((X, Y)).map(mixup)
    try:
        setattr(mixup, name, 0.0)
    except (AttributeError, ValueError) as error:
        assert name in str(error)
        return
    np.testing.assert_array_equal(next(iter(mixed))[0], X)


@pytest.mark.parametrize("kind", [tf.Variable, keras.Variable])
def test_a_variable_switches_mixing_off_and_on(kind):
    alpha = kind(1.0)
    model = keras_mixup.MixUpModel(by_hand.linear(), keras_mixup.MixUp(alpha, seed=1))
    model.compile(by_hand.still(), by_hand.sparse_loss())
    for step, value in enumerate((1.0, 0.0, 1.0)):
        alpha.assign(value)
        lam, partner = by_hand.draw(16, value, step=step)
        logits = by_hand.outputs(model.network, by_hand.mixed(X, lam, partner))
        own, other = (by_hand.cross_entropies(logits, y) for y in (Y, Y[partner]))
        expected = (lam * own + (1 - lam) * other).mean()
        found = model.fit(X, Y, batch_size=16, shuffle=False, verbose=0).history
        assert found["loss"][0] == pytest.approx(expected, abs=1e-3)


def test_a_policy_shows_its_settings():
    shown = repr(keras_mixup.MixUp(0.3, per="example", seed=5))
    assert "0.3" in shown
    assert "example" in shown
    assert "5" in shown


@pytest.mark.parametrize(
    "policy",
    [pytest.param("mixed_bfloat16", marks=pytest.mark.slow), "bfloat16", "float16"],
)
def test_an_image_network_trains_under_16_bit_policies(policy):
    x, y = np.random.default_rng(0).random((4, 8, 8, 3), "float32"), np.arange(4) % 3
    keras.config.set_dtype_policy(policy)
    network = keras_mixup.models.build(
        "preact_resnet18", input_shape=(8, 8, 3), num_classes=3, width=4
    )
    network.compile("sgd", by_hand.sparse_loss(), **by_hand.EAGER)
    before = [np.array(weight, "float32") for weight in network.trainable_weights]
    assert np.isfinite(float(network.train_on_batch(x, y)))
    after = [np.array(weight, "float32") for weight in network.trainable_weights]
    moved = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert np.mean(moved) > 0.5


@pytest.mark.parametrize("policy", ["mixed_float16", "float16", "float32"])
def test_a_mixing_point_gives_the_dtype_that_it_promises(policy):
    keras.config.set_dtype_policy(policy)
    inputs = keras.Input((4,))
    logits = keras.layers.Dense(3, dtype="float32")(inputs)
    point = keras_mixup.layers.MixFeatures()(logits)
    given = keras.Model(inputs, point)(np.ones((2, 4), "float32"))
    assert given.dtype.name == point.dtype


def test_key_points_are_not_taken_for_mixed_labels():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(256, 6)).astype("float32")
    y = generator.random((256, 2)).astype("float32")
    model = keras_mixup.MixUpModel(
        by_hand.linear(outputs=2), keras_mixup.MixUp(0.2, seed=1)
    )
    model.compile("sgd", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(x, y, batch_size=256, verbose=0)
