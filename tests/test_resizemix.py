"""ResizeMix: the whole partner, made smaller."""

import keras
import numpy as np
import pytest

import keras_mixup
from tests import placed


def test_all_of_the_partner_is_there():
    """A partner of half the size shows every second position of each axis."""
    numbers = np.arange(2 * 64).reshape(2, 8, 8, 1)
    policy = keras_mixup.ResizeMix((0.5, 0.5), seed=1, pairing="reverse")
    for step in range(5):
        x, y = policy.at_step(step, (numbers, np.eye(2)))
        np.testing.assert_allclose(y, [[0.75, 0.25], [0.25, 0.75]])
        for i in range(2):
            partner = set(x.numpy()[i].ravel()) & set(numbers[1 - i].ravel())
            assert partner == set(numbers[1 - i, 1::2, 1::2].ravel())


def test_it_is_the_loop_at_any_size():
    x = np.random.default_rng(0).random((5, 7, 9, 2))
    policy = keras_mixup.ResizeMix(seed=1, per="example", pairing="roll")
    for step in range(3):
        draw = placed.draw_at(policy, x, step)
        found, _ = policy.at_step(step, (x, np.eye(5)))
        np.testing.assert_array_equal(found, placed.pasted(x, draw))


@pytest.mark.parametrize(
    "scale", [(0, 0.5), (0.8, 0.1), (0.1, 1.1), 0.5, (0.1,), ("a", "b"), None]
)
def test_scales(scale):
    with pytest.raises(ValueError, match=r"`scale`.*two numbers.*0 < a <= b <= 1"):
        keras_mixup.ResizeMix(scale)


@pytest.mark.parametrize("name", ["alpha", "keep_larger", "quantities"])
def test_settings_that_it_does_not_have(name):
    with pytest.raises(TypeError, match=f"ResizeMix has no argument `{name}`"):
        keras_mixup.ResizeMix(**{name: 1.0})


def test_the_configuration_makes_the_round_trip():
    policy = keras_mixup.ResizeMix([0.2, 0.4], bounding_box_format="xywh", seed=1)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(policy)
    )
    assert again.get_config() == policy.get_config() and again.scale == (0.2, 0.4)
    assert "alpha" not in again.get_config()
