"""LSTNet: what it computes, by a plain loop, and what is mixed at its point."""

import keras
import numpy as np
import pytest

import keras_mixup
from tests import oracles

SIZES = {"width": 3, "kernel_size": 2, "skip": 3, "skip_width": 2, "highway": 4}


def lstnet(shape=(9, 2), num_classes=2, **changed):
    return keras_mixup.models.build(
        "lstnet", input_shape=shape, num_classes=num_classes, **{**SIZES, **changed}
    )


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru(network, name, steps):
    """The last state of a GRU whose reset gate acts behind the product."""
    kernel, recurrent, bias = map(np.asarray, network.get_layer(name).get_weights())
    units = len(recurrent)
    state = np.zeros((len(steps), units))
    for time in range(steps.shape[1]):
        seen = steps[:, time] @ kernel + bias[0]
        kept = state @ recurrent + bias[1]
        z, r = (
            sigmoid(seen[:, part] + kept[:, part])
            for part in (slice(units), slice(units, 2 * units))
        )
        new = np.tanh(seen[:, 2 * units :] + r * kept[:, 2 * units :])
        state = z * state + (1 - z) * new
    return state


def convolved(network, x):
    kernel, bias = network.get_layer("convolution").get_weights()
    windows = [x[:, t : t + 2] for t in range(x.shape[1] - 1)]
    found = [np.einsum("btd,tdh->bh", window, kernel) + bias for window in windows]
    return np.maximum(np.stack(found, axis=1), 0)


def values(network, features, last):
    """The values from the features of the convolution and the last steps."""
    # 8 features, kernel 2: two periods of 3, the last 6 of the features.
    skipped = [gru(network, "skip_gru", features[:, 2 + p :: 3]) for p in range(3)]
    found = np.concatenate([gru(network, "gru", features), *skipped], axis=1)
    kernel, bias = network.get_layer("recurrent_values").get_weights()
    slope, intercept = network.get_layer("autoregression").get_weights()
    linear = np.einsum("btd,t->bd", last, slope[:, 0]) + intercept
    return found @ kernel + bias + linear


def test_values_are_those_of_a_plain_loop():
    keras.utils.set_random_seed(1)
    network = lstnet()
    x = np.random.default_rng(0).normal(size=(4, 9, 2))
    expected = values(network, convolved(network, x), x[:, -4:])
    found = network.predict(x.astype("float32"), verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    d, h, k, c = 2, 3, 2, 2
    count = (2 * d + 1) * h + 6 * h * (h + 1) + 3 * k * (h + k + 2)
    assert network.count_params() == count + (h + 3 * k + 1) * c + 4 + 1


def test_initial_values_are_those_of_pytorch():
    network = lstnet(width=64, skip_width=16)
    for name, bound in [
        ("convolution", (2 * 2) ** -0.5),
        ("gru", 64**-0.5),
        ("skip_gru", 16**-0.5),
        ("recurrent_values", (64 + 3 * 16) ** -0.5),
    ]:
        drawn = np.concatenate(
            [one.ravel() for one in network.get_layer(name).get_weights()]
        )
        assert 0.95 * bound < np.abs(drawn).max() <= bound
        assert abs(drawn.std() / bound - 3**-0.5) < 0.05


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_point_mixes_behind_the_convolution_and_what_is_regressed(jit_compile):
    keras.utils.set_random_seed(2)
    network = lstnet(dropout=0.0)
    mixup = keras_mixup.MixUp(1.0, seed=3)
    model = keras_mixup.MixUpModel(network, mixup, mix_at="features")
    model.compile(keras.optimizers.SGD(0.0), loss="mse", jit_compile=jit_compile)
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(6, 9, 2)), generator.normal(size=(6, 2))
    loss = model.train_on_batch(x.astype("float32"), y.astype("float32"))
    lam = float(keras_mixup.sample_lambda(1.0, (), seed=3, step=0))
    partner = np.asarray(keras_mixup.sample_partner(6, seed=3, step=0))
    features, last, target = (
        oracles.mix(one, lam, partner) for one in (convolved(network, x), x[:, -4:], y)
    )
    expected = np.mean((values(network, features, last) - target) ** 2)
    assert float(np.ravel(loss)[0]) == pytest.approx(expected, rel=1e-4)


def test_series_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="each of the 2 series. Received: num_cl"):
        lstnet(num_classes=1)
    with pytest.raises(ValueError, match=r"time >= 5. Received: input_shape=\(4, 2\)"):
        lstnet((4, 2))
