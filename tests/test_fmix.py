"""FMix as a policy; its regions have tests of their own."""

import keras
import numpy as np
import pytest

import keras_mixup
from tests import placed


@pytest.mark.parametrize("shape", [(50,), (12, 10, 3), (4, 5, 6, 1)])
def test_the_share_is_lam_to_the_nearest_position(shape):
    x = np.zeros((40, *shape), "float32")
    policy = keras_mixup.FMix(0.8, seed=1, per="example")
    draw = placed.draw_at(policy, x)
    lam = keras_mixup.sample_lambda(0.8, (40,), seed=1, step=0).numpy()
    count = np.prod([int(size) for size in draw.grid.sizes])
    expected = np.round((1 - lam.astype("float64")) * count) / count
    np.testing.assert_allclose(draw.coefficients[1], expected, atol=1e-6)


@pytest.mark.parametrize("decay", [0, -1, float("inf"), float("nan"), True, "3", None])
def test_decays(decay):
    with pytest.raises(ValueError, match="`decay`. Expected a finite float > 0"):
        keras_mixup.FMix(decay=decay)


def test_what_it_cannot_cut():
    boxes = {"boxes": np.zeros((2, 1, 4)), "labels": np.zeros((2, 1))}
    batch = {"images": np.zeros((2, 4, 4, 1)), "bounding_boxes": boxes}
    with pytest.raises(ValueError, match="CutMix for bounding boxes.*boxes: True"):
        keras_mixup.FMix()(batch)
    with pytest.raises(ValueError, match=r"more axes.*axes \[1, 2, 3, 4\]"):
        keras_mixup.FMix()(np.zeros((2, 2, 2, 2, 2, 1)), np.eye(2))
    for name in ("bounding_box_format", "min_visibility", "quantities"):
        with pytest.raises(TypeError, match=name):
            keras_mixup.FMix(**{name: "xyxy"})


def test_the_configuration_makes_the_round_trip():
    policy = keras_mixup.FMix(0.5, decay=2.5, axes=(1,), keep_larger=True)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(policy)
    )
    assert again.get_config() == policy.get_config() and again.decay == 2.5
