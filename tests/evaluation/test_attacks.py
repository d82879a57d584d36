"""fgsm and i_fgsm: by hand for linear models, and laws that hold for any."""

import functools

import hypothesis
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

import keras_mixup
from keras_mixup.evaluation import fgsm, i_fgsm
from tests import oracles
from tests.evaluation.classifiers import linear, network, softmax

GENERATOR = np.random.default_rng(1)
W = GENERATOR.normal(size=(5, 2)).astype("float32") / 10
X = GENERATOR.uniform(60, 190, (6, 5)).astype("float32")
Y = GENERATOR.integers(0, 2, 6)
NETWORK = network(5, 3)
Y3 = GENERATOR.integers(0, 3, 6)


def margins(x, weights=W, y=Y):
    """Logit of the label less that of the other class."""
    logits = np.asarray(x, np.float64) @ weights
    return logits[np.arange(len(y)), y] - logits[np.arange(len(y)), 1 - y]


@pytest.mark.parametrize("mode", oracles.MODES)
def test_fgsm_by_hand(mode):
    # Class 1 less class 0 is w = (2, -1, 0): the loss of class 0 rises along
    # (+, -, 0), that of class 1 along (-, +, 0). 254 + 4 stops at 255.
    model = linear([[0, 2], [0, -1], [0, 0]])
    x = np.array([[10, 20, 30], [10, 2, 30], [254, 20, 30]], "float32")
    y = np.array([0, 1, 0])
    attacked = oracles.run(mode, functools.partial(fgsm, model, epsilon=4.0), x, y)
    np.testing.assert_array_equal(attacked, [[14, 16, 30], [6, 6, 30], [255, 16, 30]])


@pytest.mark.parametrize("mode", oracles.MODES)
@pytest.mark.parametrize("attack", [fgsm, i_fgsm])
def test_the_margin_of_a_linear_model_falls_by_epsilon_times_the_l1_norm(mode, attack):
    model = linear(W)
    attacked = oracles.run(mode, functools.partial(attack, model, epsilon=3.0), X, Y)
    fall = margins(X) - margins(attacked)
    np.testing.assert_allclose(fall, 3 * np.abs(W[:, 0] - W[:, 1]).sum(), rtol=1e-4)
    # The loss is log(1 + exp(-margin)).
    loss = [oracles.cross_entropy(y, x @ W) for x, y in zip(attacked, Y)]
    np.testing.assert_allclose(loss, np.log1p(np.exp(fall - margins(X))), rtol=1e-3)


def test_i_fgsm_is_a_loop_in_numpy():
    # Gradient of the loss of the network by differences, in float64.
    keras.config.set_dtype_policy("float64")
    model = network(5, 3)

    def gradient(x):
        slopes = np.empty_like(x)
        for i, f in np.ndindex(x.shape):
            loss = []
            for h in (1e-4, -1e-4):
                moved = x[i].copy()
                moved[f] += h
                p = softmax(model(moved[np.newaxis]).numpy())[0, Y3[i]]
                loss.append(-np.log(p))
            slopes[i, f] = loss[0] - loss[1]
        return slopes

    x = np.clip(X.astype("float64"), 70, 185)
    expected = x.copy()
    for _ in range(4):
        expected += 2.5 * np.sign(gradient(expected))
        expected = np.clip(expected, np.maximum(x - 6, 70), np.minimum(x + 6, 185))
    attacked = i_fgsm(model, x, Y3, 6.0, (70, 185), steps=4, step_size=2.5)
    assert attacked.dtype == tf.float64
    np.testing.assert_allclose(attacked, expected, atol=1e-9)


def test_steps_of_a_linear_model_add_up_to_one_step():
    model = linear(GENERATOR.normal(size=(5, 3)))
    one, ten = fgsm(model, X, Y3, 4.0), i_fgsm(model, X, Y3, 4.0)
    np.testing.assert_allclose(one, ten, atol=1e-4)
    assert np.abs(one - X).max() == 4.0


def test_one_step_is_fgsm_and_four_differ_on_a_network():
    one = fgsm(NETWORK, X, Y3, 30.0)
    np.testing.assert_array_equal(one, i_fgsm(NETWORK, X, Y3, 30.0, steps=1))
    four = i_fgsm(NETWORK, X, Y3, 30.0, steps=4)
    np.testing.assert_array_equal(
        four, i_fgsm(NETWORK, X, Y3, 30.0, steps=4, step_size=7.5)
    )
    assert np.abs(one - four).max() > 1
    ten = i_fgsm(NETWORK, X, Y3, 30.0, steps=10)
    np.testing.assert_array_equal(i_fgsm(NETWORK, X, Y3, 30.0), ten)
    assert np.abs(ten - i_fgsm(NETWORK, X, Y3, 30.0, steps=11)).max() > 1e-3
    assert (
        np.abs(i_fgsm(NETWORK, X, Y3, 30.0, steps=4, step_size=30.0) - four).max() > 1
    )


def test_the_modes_agree_on_a_network():
    results = [
        oracles.run(mode, functools.partial(i_fgsm, NETWORK, epsilon=8.0), X, Y3)
        for mode in ("eager", "graph", "xla")
    ]
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], atol=1e-3)


@functools.cache
def compiled_attack(integers):
    """i_fgsm of two steps whose numbers are known only when the graph runs."""

    def attack(x, epsilon, step_size, low, high):
        return i_fgsm(NETWORK, x, Y3, epsilon, (low, high), 2, step_size)

    channels = [tf.TensorSpec([5])] * 4
    x = tf.TensorSpec([6, 5], tf.uint8 if integers else tf.float32)
    return tf.function(attack, autograph=False, input_signature=[x, *channels])


def numbers(largest, *special):
    """Six rows, or one, of five floats: any up to the largest, and special ones."""
    some = st.floats(0, largest, width=32, allow_subnormal=False)
    return st.lists(some | st.sampled_from(special), min_size=5, max_size=5)


@hypothesis.given(
    x=st.lists(numbers(255, 0.0, 255.0, 254.5), min_size=6, max_size=6),
    epsilon=numbers(300, 0.0, 4.0),
    step_size=numbers(400, 0.0, 0.5),
    low=numbers(100, 0.0),
    high=numbers(100, 0.0),
    integers=st.booleans(),
)
def test_nothing_leaves_the_box_nor_the_range(
    x, epsilon, step_size, low, high, integers
):
    epsilon, step_size, low, high = np.array([epsilon, step_size, low, high], "float32")
    high = 255 - high
    x = np.clip(x, np.ceil(low), np.floor(high)).astype(
        "uint8" if integers else "float32"
    )
    attacked = compiled_attack(integers)(x, epsilon, step_size, low, high).numpy()
    assert attacked.dtype == np.float32 and attacked.shape == x.shape
    assert (attacked >= low).all() and (attacked <= high).all()
    x = x.astype("float32")
    assert (attacked >= x - epsilon).all() and (attacked <= x + epsilon).all()


def test_a_range_and_an_epsilon_for_each_channel():
    # Normalized colors are (v - mean) / std, and a linear model of them is one of
    # the pixels: the same attack, of 4 / std, between the normalized 0 and 255.
    mean, std = np.array([125.0, 123, 114]), np.array([63.0, 62, 67])
    pixels = GENERATOR.integers(0, 256, (4, 2, 2, 3)).astype("float32")
    pixels[0], pixels[1] = 0, 255
    weights, y = GENERATOR.normal(size=(12, 3)) / 300, np.array([0, 1, 2, 0])
    means, stds = np.tile(mean, 4), np.tile(std, 4)
    expected = fgsm(linear(weights, shape=(2, 2, 3)), pixels, y, 4.0)
    attacked = fgsm(
        linear(weights * stds[:, np.newaxis], means @ weights, shape=(2, 2, 3)),
        ((pixels - mean) / std).astype("float32"),
        y,
        epsilon=4 / std,
        value_range=((0 - mean) / std, (255 - mean) / std),
    )
    np.testing.assert_allclose(attacked * std + mean, expected, atol=1e-3)
    assert set(np.unique(np.abs(expected - pixels))) == {0.0, 4.0}


def test_the_range_of_each_channel_is_its_own():
    model = linear([[0, 1], [0, 1], [0, -1]])
    x = np.array([[0.5, 0.5, 0.5]])
    low, high = [-1.0, -2.0, 0.4], [1.0, 0.6, 2.0]
    attacked = fgsm(model, x, [0], [0.1, 0.3, 0.3], (low, high))
    np.testing.assert_allclose(attacked, [[0.6, 0.6, 0.4]], rtol=1e-6)


def test_labels_as_integers_and_as_rows_are_the_same():
    rows = np.eye(3, dtype="float32")[Y3]
    expected = i_fgsm(NETWORK, X, Y3, 4.0)
    for labels in (rows, Y3[:, np.newaxis], Y3.astype("uint8")):
        np.testing.assert_array_equal(i_fgsm(NETWORK, X, labels, 4.0), expected)


def test_soft_labels_follow_the_gradient_of_their_loss():
    soft = GENERATOR.dirichlet(np.ones(3), 6).astype("float32")
    weights = GENERATOR.normal(size=(5, 3)) / 50
    slope = (softmax(X @ weights) - soft) @ weights.T
    np.testing.assert_array_equal(
        fgsm(linear(weights), X, soft, 2.0), X + 2 * np.sign(slope).astype("float32")
    )


def test_the_attack_goes_on_where_the_loss_is_saturated():
    # Margins of thousands of nats: p is 1 and the loss 0 in float32. Keras's
    # cross-entropy of probabilities clips there and has no gradient at all.
    weights = np.array([[0.4, 0.0], [0.0, 0.0], [-0.1, 0.0]])
    x = np.full((2, 3), 100.0, "float32")
    expected = x + 4 * np.array([[-1, 0, 1], [1, 0, -1]])
    y = np.array([0, 1])
    np.testing.assert_array_equal(fgsm(linear(weights), x, y, 4.0), expected)
    probabilities = linear(weights, softmax=True)
    assert probabilities(x)[0, 0] == 1
    attacked = fgsm(probabilities, x, y, 4.0, from_logits=False)
    np.testing.assert_array_equal(attacked, expected)


def test_probabilities_and_logits_give_the_same_attack():
    softened = keras.Sequential([NETWORK, keras.layers.Softmax()])
    attacked = i_fgsm(softened, X, Y3, 8.0, from_logits=False)
    np.testing.assert_allclose(attacked, i_fgsm(NETWORK, X, Y3, 8.0), atol=1e-3)


def test_a_network_in_float16_has_a_gradient_where_the_loss_is_small():
    keras.config.set_dtype_policy("mixed_float16")
    model = linear([[0.25, 0.0], [-0.125, 0.0]])
    x = np.array([[100.0, 0.0]], "float32")  # The loss is exp(-25).
    np.testing.assert_array_equal(fgsm(model, x, [0], 1.0), [[99, 1]])


class Nowhere(keras.Model):
    """Gradients of zero, and NaN where the first feature is zero."""

    def call(self, x):
        return tf.concat([tf.sqrt(x[:, :1]) * 0 + 2, x[:, 1:] * 0], axis=-1)


@pytest.mark.parametrize("mode", ["eager", "xla"])
def test_where_there_is_no_gradient_nothing_moves(mode):
    # tf.sign(NaN) is 0 on a CPU, and NaN where XLA compiles it.
    x = np.array([[0.0, 5.0], [4.0, 5.0]], "float32")
    attacked = oracles.run(
        mode,
        functools.partial(fgsm, Nowhere(), epsilon=4.0, from_logits=True),
        x,
        [0, 1],
    )
    np.testing.assert_array_equal(attacked, x)


def test_the_model_is_in_inference_mode():
    np.testing.assert_array_equal(*[fgsm(NETWORK, X, Y3, 4.0) for _ in range(2)])
    alone = np.concatenate(
        [fgsm(NETWORK, X[i : i + 1], Y3[i : i + 1], 4.0) for i in range(len(X))]
    )
    np.testing.assert_array_equal(alone, fgsm(NETWORK, X, Y3, 4.0))


def test_a_mixup_model_is_attacked_as_its_network():
    model = keras_mixup.MixUpModel(NETWORK, keras_mixup.MixUp(seed=0))
    np.testing.assert_array_equal(fgsm(model, X, Y3, 4.0), fgsm(NETWORK, X, Y3, 4.0))


def attack(**changed):
    arguments = {"model": NETWORK, "x": X, "y": Y3, "epsilon": 4.0, **changed}
    return i_fgsm(**arguments)


def without_gradient():
    step = keras.layers.Lambda(lambda x: tf.cast(x > 0, tf.float32))
    return keras.Sequential([keras.layers.Lambda(tf.round), step])


WRONG = {
    "epsilon": (
        {"epsilon": -1},
        "`epsilon`. Expected a finite float >= 0. Received: epsilon=-1",
    ),
    "epsilon inf": ({"epsilon": float("inf")}, "`epsilon`. Expected a finite float"),
    "epsilon text": (
        {"epsilon": "four"},
        "`epsilon`. Expected floats. Received: epsilon='four'",
    ),
    "epsilon shape": (
        {"epsilon": [1.0, 2.0]},
        r"one for each of the 5 channels. Received: shape \(2,\)",
    ),
    "step_size": (
        {"step_size": [1, 1, 1, 1, -1]},
        "`step_size`. Expected a finite float >= 0",
    ),
    "steps": ({"steps": 0}, "`steps`. Expected an integer >= 1. Received: steps=0"),
    "steps float": ({"steps": 2.0}, "`steps`. Expected an integer >= 1"),
    "range": (
        {"value_range": (1, 0)},
        r"`value_range`. Expected a pair .* Received: value_range=\(1, 0\)",
    ),
    "range of nothing": ({"value_range": (7, 7)}, "`value_range`. Expected a pair"),
    "range of one": ({"value_range": 255}, "`value_range`. Expected a pair"),
    "x": ({"x": X.astype("int32")}, "Invalid dtype received for `x`"),
    "batch sizes": ({"y": Y3[:3]}, "Batch sizes differ"),
    "labels": ({"y": np.ones((6, 4), "float32")}, "Invalid labels"),
    "output": ({"model": linear(np.ones((5, 1)))}, "two classes or more"),
    "no gradient": (
        {"model": without_gradient(), "from_logits": True},
        "has no gradient with respect to its input",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_told(case):
    changed, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        attack(**changed)


@pytest.mark.parametrize("low", [0.0, -127.5, -255.0])
def test_what_normalization_rounds_is_cut_to_the_range(low):
    x = np.array([[low - 0.2, low + 255.2, low + 9.0, low + 9.0, low + 9.0]], "float32")
    attacked = attack(x=x, y=[0], epsilon=1.0, value_range=(low, low + 255)).numpy()
    assert attacked.min() >= low and attacked.max() <= low + 255
    for outside in (low - 0.3, low + 255.3):
        x[0, 3] = outside
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="inside `value_range`"
        ):
            attack(x=x, y=[0], value_range=(low, low + 255))


@pytest.mark.parametrize("value", [-1.0, 256.0, np.nan])
def test_an_input_outside_the_range_is_told(value):
    x = X.copy()
    x[0, 0] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match="inside `value_range`"):
        attack(x=x)
    tf.function(attack, autograph=False)  # Traces where nothing is known.
