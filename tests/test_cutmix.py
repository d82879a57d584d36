"""CutMix against its paper, and in place of what others call CutMix."""

import inspect

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import keras_mixup
from tests import placed

X = np.random.default_rng(0).random((400, 64, 64, 1)).astype("float32")
Y = np.zeros((400, 1), "float32")


def test_lam_is_that_of_beta_where_the_box_is_not_clipped():
    """The law of Yun et al.: 1 - area has the law Beta(alpha, alpha) of lam."""
    policy = keras_mixup.CutMix(0.7, seed=1, per="example")
    draw = placed.draw_at(policy, X)
    lam = keras_mixup.sample_lambda(0.7, (400,), seed=1, step=0).numpy()
    own = draw.coefficients[0].numpy()
    (top, bottom), (left, right) = [
        [edge.numpy() for edge in span] for span in draw.regions[0].spans
    ]
    whole = (top > 0) & (bottom < 64) & (left > 0) & (right < 64)
    assert 20 < whole.sum() < 400
    np.testing.assert_allclose(own[whole], lam[whole], atol=0.03)
    assert (own >= lam - 0.04).all()
    assert scipy.stats.kstest(lam, scipy.stats.beta(0.7, 0.7).cdf).pvalue > 0.01


def test_three_examples_have_boxes_over_each_other():
    policy = keras_mixup.CutMix(1.0, seed=2, per="example", examples=3)
    draw = placed.draw_at(policy, X[:20])
    weights = keras_mixup.sample_weights(1.0, (20,), 3, seed=2, step=0).numpy()
    for rank, below in ((1, weights[:, :2].sum(1)), (2, 1)):
        (top, bottom), (left, right) = [
            [edge.numpy() for edge in span] for span in draw.regions[rank - 1].spans
        ]
        whole = (top > 0) & (bottom < 64) & (left > 0) & (right < 64)
        area = (bottom - top) * (right - left) / 64**2
        expected = weights[:, rank] / below
        assert whole.any()
        np.testing.assert_allclose(area[whole], expected[whole], atol=0.04)


def test_probability_is_that_an_example_is_cut_at_all():
    for kind in (
        lambda **more: keras_mixup.CutMix(min_max=(0.3, 0.5), **more),
        keras_mixup.ResizeMix,
    ):
        policy = kind(seed=1, per="example", probability=0.3)
        own = placed.draw_at(policy, X).coefficients[0].numpy()
        assert abs((own < 1).mean() - 0.3) < 0.08


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_max": (0, 0.5)}, r"`min_max`.*0 < a <= b <= 1.*\(0, 0.5\)"),
        ({"min_max": (0.5, 0.2)}, r"`min_max`.*\(0.5, 0.2\)"),
        ({"min_max": 0.5}, "`min_max`.*0.5"),
        ({"min_max": (0.2, 1.5)}, r"`min_max`.*\(0.2, 1.5\)"),
        ({"min_max": (0.2, 0.5), "alpha": 0.2}, "neither `alpha`.*alpha=0.2"),
        ({"min_max": (0.2, 0.5), "keep_larger": True}, "keep_larger=True"),
        ({"axes": (0, 1)}, r"`axes`.*axis 0 is the batch.*\(0, 1\)"),
        ({"axes": (2, 1)}, r"`axes`.*ascending.*\(2, 1\)"),
        ({"axes": ()}, r"`axes`.*\(\)"),
        ({"axes": 1}, "`axes`.*axes=1"),
        ({"axes": (1, 1)}, r"`axes`.*\(1, 1\)"),
        ({"axes": (1.5,)}, "`axes`"),
        ({"alpha": -1}, "`alpha`.*-1"),
        ({"per": "pixel"}, "`per`.*'pixel'"),
    ],
)
def test_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        keras_mixup.CutMix(**settings)


def test_it_averages_nothing_and_has_no_quantities():
    with pytest.raises(TypeError, match="CutMix has no argument `quantities`"):
        keras_mixup.CutMix(quantities="x")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(4, "float32"), r"Nothing to cut.*\(4,\)"),
        ([np.zeros((4, 3)), np.zeros((4, 3, 3, 1))], "cannot be cut alike"),
        ([np.zeros((4, 4, 4, 1)), np.zeros((4, 6, 6, 1))], "multiples"),
        (np.array([["a", "b"]] * 4), "string"),
    ],
)
@pytest.mark.parametrize("kind", ["CutMix", "ResizeMix", "FMix"])
def test_features_without_positions(kind, x, message):
    policy = getattr(keras_mixup, kind)()
    with pytest.raises(ValueError, match=message):
        policy(x, np.eye(4))


def test_axes_that_a_feature_does_not_have():
    with pytest.raises(ValueError, match=r"axes \[2, 3\].*\(4, 5, 5\)"):
        keras_mixup.CutMix(axes=(2, 3))(np.zeros((4, 5, 5)), np.eye(4))


@pytest.mark.parametrize("kind", ["MixUp", "CutMix", "FMix"])
def test_a_policy_is_a_function_of_a_batch(kind):
    """Its class has the signature of the constructor, and it has that of the call."""
    policy = getattr(keras_mixup, kind)(seed=None)
    assert "alpha" in str(inspect.signature(type(policy)))
    assert [*inspect.signature(policy).parameters] == ["batch", "details"]
    x, y = tf.function(policy)(X[:4, :6, :6], np.eye(4, dtype="float32"))
    assert x.shape == (4, 6, 6, 1) and y.shape == (4, 4)


def test_an_unknown_rank():
    spec = (tf.TensorSpec(None), tf.TensorSpec([None, 4]))
    mix = tf.function(keras_mixup.CutMix(), input_signature=spec)
    with pytest.raises(ValueError, match="Unknown rank of `x`"):
        mix.get_concrete_function()


def test_the_configuration_makes_the_round_trip():
    policy = keras_mixup.CutMix(
        min_max=[0.2, 0.5],
        axes=[1, 2],
        share_quantities="age",
        bounding_box_format="rel_xyxy",
        min_visibility=0.3,
        per="example",
        seed=2,
        num_classes={"label": 3},
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(policy)
    )
    assert again.get_config() == policy.get_config()
    assert again.min_max == (0.2, 0.5) and again.axes == (1, 2)
    assert repr(again) == repr(policy) and "min_visibility=0.3" in repr(policy)
