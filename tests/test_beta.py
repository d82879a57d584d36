"""`MixUp(alpha, beta=...)`: lam of a law that is not symmetric."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

import keras_mixup
from keras_mixup import CutMix, FMix, MixUp, RandomChoice, ResizeMix, keys
from tests import oracles

X = np.random.default_rng(0).random((50, 3)).astype("float32")
OTHER = X[::-1].copy()
ROWS = np.eye(50, dtype="float32")


def quantiles_of(seed, step, size, a, b):
    """SciPy's quantiles of the random bits that a step has for its weights."""
    key = keys.make_key(seed, step, 0)
    u = keys.uniform(key, keys.Stream.WEIGHTS, [*size, 1]).numpy()[..., 0]
    return special.betaincinv(a, b, u)


@pytest.mark.parametrize("mode", oracles.MODES)
@pytest.mark.parametrize(
    ("per", "beta"), [("batch", 1.0), ("example", 1.0), ("example", 0.05)]
)
def test_lam_is_a_quantile_of_the_law(mode, per, beta):
    policy = MixUp(0.2, beta=beta, per=per, seed=7)
    size = () if per == "batch" else (50,)
    lam = quantiles_of(7, 4, size, 0.2, beta)

    def mixed(x, other):
        return policy.between((x, ROWS), (other, ROWS[::-1]), step=4)

    x, rows = oracles.run(mode, mixed, X, OTHER)
    np.testing.assert_allclose(np.diag(rows), np.broadcast_to(lam, 50), atol=1e-6)
    wide = np.reshape(lam, (-1, 1))
    np.testing.assert_allclose(x, wide * X + (1 - wide) * OTHER, atol=1e-6)


def test_over_many_draws_it_has_the_law():
    policy = MixUp(0.3, beta=1.0, per="example", seed=1)
    ones, zeros = np.ones((4000, 1), "float32"), np.zeros((4000, 1), "float32")
    lam = policy.between((ones, ones), (zeros, zeros), step=0)[0][:, 0]
    assert stats.kstest(lam, stats.beta(0.3, 1).cdf).pvalue > 1e-3
    assert float(np.mean(lam)) == pytest.approx(0.3 / 1.3, abs=0.02)


def test_a_beta_that_is_alpha_changes_no_bit():
    for kind in (MixUp, CutMix, FMix):
        images = np.random.default_rng(0).random((6, 8, 8, 1)).astype("float32")
        batch = images, np.eye(6, dtype="float32")
        plain, given = kind(0.4, seed=3), kind(0.4, beta=0.4, seed=3)
        for a, b in zip(plain.at_step(2, batch), given.at_step(2, batch), strict=True):
            np.testing.assert_array_equal(a, b)
        other = kind(0.4, beta=4.0, seed=3).at_step(2, batch)
        assert np.abs(other[1] - plain.at_step(2, batch)[1]).max() > 1e-3


def test_the_train_step_draws_the_same():
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(50)])
    policy = MixUp(0.2, beta=1.0, seed=7)
    model = keras_mixup.MixUpModel(network, policy)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=True)
    found = model.train_on_batch(X, ROWS)
    x, rows = policy.at_step(0, (X, ROWS))
    assert float(found) == pytest.approx(float(loss(rows, network(x))), rel=1e-5)
    choice = RandomChoice([policy.from_config({**policy.get_config(), "seed": None})])
    assert choice.from_config(choice.get_config()) == choice


def test_it_is_written_down_and_shown():
    policy = MixUp(0.2, beta=1, seed=3)
    assert repr(policy) == "MixUp(alpha=0.2, seed=3, beta=1.0)"
    assert MixUp.from_config(policy.get_config()) == policy != MixUp(0.2, seed=3)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        *(({"beta": beta}, "`beta`") for beta in (0, -1, np.inf, np.nan, "1", True)),
        ({"alpha": 0.0, "beta": 1.0}, "`alpha`"),
        ({"alpha": keras_mixup.AlphaSchedule(0.2), "beta": 1.0}, "`alpha`"),
        ({"alpha": tf.Variable(0.2), "beta": 1.0}, "`alpha`"),
        ({"alpha": 0.2, "beta": 1.0, "examples": 3}, "symmetric"),
    ],
)
def test_what_is_no_law_of_two_weights_is_refused(settings, expected):
    with pytest.raises(ValueError, match=expected):
        MixUp(**settings)


def test_policies_whose_region_goes_by_another_law_have_none():
    with pytest.raises(TypeError, match="no argument `beta`"):
        ResizeMix(beta=1.0)
    with pytest.raises(ValueError, match="`min_max`"):
        CutMix(min_max=(0.2, 0.4), beta=2.0)
