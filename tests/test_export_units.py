"""The values of a regression in the unit of the user, and what the card says."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.preprocessing import StandardScaler

from keras_mixup import MixUp, MixUpModel, export_saved_model
from tests.served_models import serve

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
SIMILAR = {"pairing": "similar_target", "bandwidth": 1.75}
LEVELS = 40 + 7 * np.random.default_rng(1).normal(size=(8, 2)).astype("float32")


def network_of(units=2):
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(units)(inputs))


def adapted():
    forward, inverse = (
        keras.layers.Normalization(invert=back) for back in (False, True)
    )
    forward.adapt(LEVELS)
    inverse.adapt(LEVELS)
    return inverse


def of_scikit_learn():
    scaler = StandardScaler().fit(LEVELS)
    return lambda value: value * scaler.scale_ + scaler.mean_


@pytest.mark.parametrize("make", [adapted, of_scikit_learn])
def test_values_of_scaled_targets_are_served_in_their_unit(tmp_path, make):
    model = MixUpModel(network_of(), MixUp(0.2, **SIMILAR))
    model.compile("sgd", "mse")
    path = export_saved_model(model, tmp_path / "1", units="dB", postprocess=make())
    expected = model.predict(X, verbose=0) * LEVELS.std(0) + LEVELS.mean(0)
    served = serve(path, inputs=X)
    assert list(served) == ["value"]
    np.testing.assert_allclose(served["value"], expected, rtol=1e-4)
    card = (path / "model_card.md").read_text(encoding="utf-8")
    assert "\nA regressor exported" in card
    assert "\n- Value: the output of the network, postprocessed, (None, 2)\n" in card
    assert "\n- Unit: dB\n" in card
    mixing = card.split("- Mixed in training by: ")[1].splitlines()[0]
    assert "similar_target" in mixing
    assert "bandwidth=1.75" in mixing


def test_a_layer_that_was_never_called_is_a_postprocessing(tmp_path):
    network = network_of()
    inverse = keras.layers.Normalization(mean=10.0, variance=36.0, invert=True)
    layers = keras.Sequential([inverse, keras.layers.Dropout(0.5)])
    for number, one in enumerate((inverse, layers), start=1):
        path = export_saved_model(
            network, tmp_path / str(number), task="regression", postprocess=one
        )
        expected = 6 * network.predict(X, verbose=0) + 10
        np.testing.assert_allclose(serve(path, inputs=X)["value"], expected, rtol=1e-5)


def test_a_network_of_float64_has_a_postprocessing_of_float64(tmp_path):
    inputs = keras.Input((4,), dtype="float64")
    network = keras.Model(inputs, keras.layers.Dense(2, dtype="float64")(inputs))
    six, x = tf.constant(6.0, tf.float64), X.astype("float64")
    path = export_saved_model(
        *(network, tmp_path / "1"),
        task="regression",
        postprocess=lambda value: six * value,
    )
    value = serve(path, inputs=x)["value"]
    assert value.dtype == np.float64
    np.testing.assert_allclose(value, 6 * network.predict(x, verbose=0), rtol=1e-12)


def test_units_and_postprocessing_are_by_output_name(tmp_path):
    inputs = keras.Input((4,))
    outputs = {n: keras.layers.Dense(1, name=n)(inputs) for n in ("level", "price")}
    network = keras.Model(inputs, outputs)
    path = export_saved_model(
        network,
        tmp_path / "1",
        task="regression",
        units={"level": "dB"},
        postprocess={"price": lambda value: 1000 * value},
    )
    served, expected = serve(path, inputs=X), network.predict(X, verbose=0)
    np.testing.assert_allclose(served["level_value"], expected["level"], rtol=1e-5)
    np.testing.assert_allclose(served["price_value"], 1000 * expected["price"], 1e-5)
    card = (path / "model_card.md").read_text(encoding="utf-8")
    assert "\n- Unit of level: dB\n" in card
    assert "\n- Unit of price: not stated\n" in card


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": ""}, "`units`. Expected a string of one line"),
        ({"units": "a\nb"}, "`units`. Expected a string of one line"),
        ({"units": 3}, "Received: units=3"),
        ({"units": {"other": "dB"}}, r"`units`. Expected names of \['dense"),
        ({"postprocess": 2.0}, "`postprocess`. Expected a function or a Keras layer"),
        (
            {"postprocess": lambda v: v[:, 0]},
            "outputs of the postprocessing. Expected what the network gives",
        ),
        ({"postprocess": lambda v: None}, "what the network gives.* Received: None"),
        ({"postprocess": lambda v: np.array(v)}, "postprocessing that runs NumPy"),
        ({"postprocess": lambda v: tf.cast(v, tf.int32)}, "Expected floats"),
        (
            {"postprocess": lambda v: tf.numpy_function(np.exp, [v], v.dtype)},
            "postprocessing",
        ),
        ({"units": "dB", "task": "classification"}, "is no regression"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, options, message):
    options = {"task": "regression", **options}
    if options["task"] == "classification":
        options["from_logits"] = True
    with pytest.raises(ValueError, match=message):
        export_saved_model(network_of(), tmp_path / "1", **options)
    assert not list(tmp_path.iterdir())
