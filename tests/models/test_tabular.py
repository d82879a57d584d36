"""The multilayer perceptron."""

import keras
import numpy as np
import pytest

import keras_mixup


@pytest.mark.parametrize(
    ("shape", "classes", "width", "depth"), [((7,), 3, 128, 2), ((4, 4, 1), 10, 16, 3)]
)
def test_parameters_are_as_counted_by_hand(shape, classes, width, depth):
    network = keras_mixup.models.build(
        "mlp", input_shape=shape, num_classes=classes, width=width, depth=depth
    )
    d = int(np.prod(shape))
    hidden = (d + 1) * width + (depth - 1) * (width + 1) * width
    assert network.count_params() == hidden + (width + 1) * classes
    assert network.output_shape == (None, classes)
    assert network.layers[-1].activation is keras.activations.linear


def test_dropout_stands_behind_each_hidden_layer():
    network = keras_mixup.models.build(
        "mlp", input_shape=(3,), num_classes=2, dropout=0.5
    )
    rates = [layer.rate for layer in network.layers if hasattr(layer, "rate")]
    assert rates == [0.5, 0.5]


def test_names_are_listed():
    assert "mlp" in keras_mixup.models.names()


@pytest.mark.parametrize(
    ("initial_values", "bounds", "biased"),
    [
        # Glorot: sqrt(6 / (n + m)); PyTorch: 1 / sqrt(n).
        ("keras", [(6 / 400) ** 0.5, (6 / 500) ** 0.5, (6 / 253) ** 0.5], False),
        ("torch", [150**-0.5, 250**-0.5, 250**-0.5], True),
    ],
)
def test_initial_values_are_those_of_the_framework(initial_values, bounds, biased):
    network = keras_mixup.models.build(
        "mlp",
        input_shape=(15, 10),
        num_classes=3,
        width=250,
        initial_values=initial_values,
    )
    for name, bound in zip(("hidden_1", "hidden_2", "logits"), bounds, strict=True):
        kernel, bias = network.get_layer(name).get_weights()
        assert np.abs(kernel).max() == pytest.approx(bound, rel=0.03)
        assert np.abs(kernel).max() <= bound
        assert kernel.std() == pytest.approx(bound / 3**0.5, rel=0.1)
        assert np.abs(bias).max() <= (bound if biased else 0)
        assert (bias.std() > 0.3 * bound) == biased


def test_other_initial_values_are_refused():
    with pytest.raises(ValueError, match="argument `initial_values`.*'numpy'"):
        keras_mixup.models.build(
            "mlp", input_shape=(3,), num_classes=2, initial_values="numpy"
        )


def test_a_leaky_network_has_its_slope_below_zero_and_is_read_again(tmp_path):
    network = keras_mixup.models.build(
        "mlp", input_shape=(3,), num_classes=1, width=4, negative_slope=0.1
    )
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    expected = x
    for name in ("hidden_1", "hidden_2"):
        kernel, bias = network.get_layer(name).get_weights()
        expected = expected @ kernel + bias
        expected = np.where(expected > 0, expected, 0.1 * expected)
    kernel, bias = network.get_layer("logits").get_weights()
    expected = expected @ kernel + bias
    np.testing.assert_allclose(network.predict(x, verbose=0), expected, rtol=1e-4)
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), expected, rtol=1e-4)
