"""Policies of equal settings are equal, and have equal hashes."""

import keras
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import AlphaSchedule, CutMix, FMix, MixUp, RandomChoice, ResizeMix

VARIABLE = tf.Variable(1.0)


def choice(alpha=0.2, **settings):
    return RandomChoice(
        [MixUp(alpha, num_classes=3), CutMix(num_classes=3)], **settings
    )


def makers():
    """What makes a policy, each of which differs from the others."""
    yield lambda: MixUp(0.2, seed=1)
    yield lambda: MixUp(0.2, seed=2)
    yield lambda: MixUp(0.3, seed=1)
    yield lambda: MixUp(0.2, seed=1, num_classes={"labels": 3})
    yield lambda: MixUp(0.2, seed=1, num_classes={"labels": 4})
    yield lambda: MixUp(AlphaSchedule(0.2, ramp=3))
    yield lambda: MixUp(AlphaSchedule(0.2, ramp=4))
    yield lambda: MixUp(VARIABLE)
    for kind in (CutMix, FMix):
        yield lambda kind=kind: kind(0.2, seed=1)
    yield lambda: ResizeMix((0.1, 0.4), bandwidth=[1, 2.5], pairing="similar_target")
    yield lambda: choice(seed=1)
    yield lambda: choice(0.3, seed=1)
    yield lambda: choice(seed=1, weights=[0.25, 0.75])


def test_policies_are_equal_by_class_and_settings():
    policies, others = ([make() for make in makers()] for _ in range(2))
    for i, one in enumerate(policies):
        for j, two in enumerate(others):
            assert (one == two) == (i == j), (one, two)
        assert hash(one) == hash(others[i])
        assert one != one.get_config()
    assert len({*policies, *others}) == len(policies)


def test_a_tuple_is_the_list_that_json_makes_of_it():
    policy = MixUp(num_classes=(3, None), multi_label=(False, True))
    assert policy == MixUp(num_classes=[3, None], multi_label=[False, True])
    assert policy != MixUp(num_classes=[3, 4], multi_label=[False, True])
    assert "passthrough" not in repr(policy)


def test_variables_are_compared_as_objects():
    assert MixUp(tf.Variable(1.0)) != MixUp(tf.Variable(1.0))
    policy = MixUp(keras.Variable(1.0))
    before = hash(policy)
    policy.alpha.assign(0.5)
    assert policy == policy
    assert hash(policy) == before


def test_a_policy_equals_what_its_config_makes():
    for make in makers():
        policy = make()
        if policy.alpha is VARIABLE:
            continue
        config = keras.saving.serialize_keras_object(policy)
        assert keras.saving.deserialize_keras_object(config) == policy


@pytest.mark.parametrize("seed", [None, 1])
def test_an_equal_policy_in_a_traced_function_mixes_as_its_own_does(seed):
    x, y = tf.reshape(tf.range(8.0), (4, 2)), tf.eye(4)

    @tf.function
    def mixed(policy, step):
        return policy.at_step(step, (x, y))[0]

    twins = [MixUp(1.0, seed=seed) for _ in range(2)]
    other = MixUp(0.0, seed=seed)
    found = [mixed(one, tf.constant(3)) for one in twins]
    if seed is not None:
        for one in found:
            tf.debugging.assert_equal(one, twins[0].at_step(3, (x, y))[0])
    tf.debugging.assert_equal(mixed(other, tf.constant(3)), x)


def test_an_eager_call_of_a_twin_begins_at_step_zero():
    x, y = tf.reshape(tf.range(8.0), (4, 2)), tf.eye(4)
    first, second = MixUp(1.0, seed=1), keras_mixup.MixUp(1.0, seed=1)
    first(x, y)
    first(x, y)
    assert first == second
    tf.debugging.assert_equal(second(x, y)[0], first.at_step(0, (x, y))[0])
