"""Steps that go on over the epochs of a pipeline, and steps that are refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests.counted_batches import (
    BATCH,
    CLASSES,
    S,
    batches,
    mixed_by_hand,
    policy,
    unmixed,
    xs,
)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_an_epoch_draws_what_comes_after_the_last(jit_compile):
    mixed = batches().apply(policy(jit_compile=jit_compile))
    for epoch in range(3):
        for i, x in enumerate(xs(mixed)):
            expected = mixed_by_hand(i, epoch * S + i)
            np.testing.assert_allclose(x, expected, atol=1e-5)


def test_shapes_lengths_and_what_follows():
    mixed = batches().apply(policy())
    assert len(mixed) == S
    x, y = mixed.element_spec
    assert x.shape.as_list() == [None, 4] and y.shape.as_list() == [None, CLASSES]
    assert (
        batches().repeat().apply(policy()).cardinality() == tf.data.INFINITE_CARDINALITY
    )
    found = xs(mixed.repeat(2).prefetch(3).take(20))
    for i, x in enumerate(found):
        np.testing.assert_allclose(x, mixed_by_hand(i % S, i), atol=1e-5)
    weighted = tf.data.Dataset.zip(
        batches(), tf.data.Dataset.from_tensor_slices(np.ones((S, BATCH), "float32"))
    ).map(lambda batch, weight: (*batch, weight))
    x, _, weight = next(iter(weighted.apply(policy())))
    np.testing.assert_allclose(x, mixed_by_hand(0, 0), atol=1e-5)
    assert weight.shape == (BATCH,)
    named = batches().map(lambda x, y: {"images": x, "labels": y}).apply(policy())
    np.testing.assert_allclose(next(iter(named))["images"], x, atol=1e-6)


def test_two_datasets_of_one_policy_count_apart():
    mixup = policy()
    first, second = batches().apply(mixup), batches().apply(mixup)
    for _ in range(2):
        one = xs(first)
    np.testing.assert_allclose(one[0], mixed_by_hand(0, S), atol=1e-5)
    np.testing.assert_allclose(xs(second)[0], mixed_by_hand(0, 0), atol=1e-5)


def test_two_iterators_at_once_are_two_epochs():
    mixed = batches().apply(policy())
    for i, ((a, _), (b, _)) in enumerate(zip(mixed, mixed, strict=True)):
        np.testing.assert_allclose(a, mixed_by_hand(i, i), atol=1e-5)
        np.testing.assert_allclose(b, mixed_by_hand(i, S + i), atol=1e-5)


@pytest.mark.parametrize("form", ["map", "apply"])
def test_without_a_seed_epochs_and_pipelines_differ_also_under_a_global_seed(form):
    keras.utils.set_random_seed(0)
    try:
        pipelines = [
            batches().map(mixup, num_parallel_calls=4)
            if form == "map"
            else batches().apply(mixup)
            for mixup in (policy(seed=None), policy(seed=None))
        ]
        found = [xs(pipeline) for pipeline in pipelines for _ in range(3)]
    finally:
        tf.random.set_seed(None)
    assert len({one.tobytes() for one in found}) == 6
    # Within an epoch too: lam moves from batch to batch.
    ys = [y.max(axis=1).min() for _, y in pipelines[0].as_numpy_iterator()]
    assert len({round(float(value), 5) for value in ys}) > S // 2


@pytest.mark.parametrize("jit_compile", [None, True])
def test_calls_of_a_function_without_a_seed_differ_under_a_global_seed(jit_compile):
    keras.utils.set_random_seed(0)
    try:
        draw = tf.function(
            lambda: keras_mixup.sample_lambda(1.0, ()), jit_compile=jit_compile
        )
        found = [float(draw()) for _ in range(4)]
        found += [float(keras_mixup.sample_lambda(1.0, ())) for _ in range(4)]
    finally:
        tf.random.set_seed(None)
    assert len(set(found)) == 8


def test_an_unknown_length_gives_each_epoch_room_and_refuses_a_schedule():
    unknown = batches().filter(lambda x, y: True)
    mixed = unknown.apply(policy())
    xs(mixed)
    for i, x in enumerate(xs(mixed)):
        np.testing.assert_allclose(x, mixed_by_hand(i, 2**32 + i), atol=1e-5)
    schedule = policy(keras_mixup.AlphaSchedule(1.0))
    with pytest.raises(ValueError, match=r"assert_cardinality\(n\)"):
        unknown.apply(schedule)
    known = unknown.apply(tf.data.experimental.assert_cardinality(S)).apply(schedule)
    np.testing.assert_allclose(xs(known)[3], mixed_by_hand(3, 3), atol=1e-5)


def test_a_schedule_refuses_a_second_pass_over_an_endless_dataset():
    mixed = batches().repeat().apply(policy(keras_mixup.AlphaSchedule(1.0)))
    np.testing.assert_allclose(xs(mixed.take(20))[19], mixed_by_hand(4, 19), atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="CountEpochs"):
        next(iter(mixed))


def test_an_iterator_goes_on_where_it_was_saved(tmp_path):
    mixed = batches().apply(policy())
    with pytest.raises(tf.errors.FailedPreconditionError):
        tf.train.Checkpoint(it=iter(mixed)).save(str(tmp_path / "refused"))
    options = tf.data.Options()
    options.experimental_external_state_policy = (
        tf.data.experimental.ExternalStatePolicy.IGNORE
    )
    mixed = mixed.with_options(options)
    xs(mixed)
    iterator = iter(mixed)
    for _ in range(4):
        next(iterator)
    path = tf.train.Checkpoint(it=iterator).save(str(tmp_path / "saved"))
    fresh = iter(batches().apply(policy()).with_options(options))
    tf.train.Checkpoint(it=fresh).restore(path)
    np.testing.assert_allclose(next(fresh)[0], mixed_by_hand(4, S + 4), atol=1e-5)


@pytest.mark.parametrize(
    "settings", [{}, {"seed": None, "alpha": keras_mixup.AlphaSchedule(1)}]
)
def test_a_step_that_begins_anew_in_a_map_is_refused(settings):
    mixup = policy(**settings)
    numbered = batches().enumerate()
    inner = tf.function(mixup.at_step)
    for function in (mixup.at_step, lambda i, b: inner(i, b), inner):
        with pytest.raises(ValueError, match=r"dataset.apply\(mixup\)"):
            numbered.map(function)
    with pytest.raises(ValueError, match="count_steps"):
        numbered.map(lambda step, batch: mixup.between(batch, batch, step=step))
    mixed = numbered.map(lambda i, batch: mixup.at_step(keras_mixup.Step(i), batch))
    if not settings:
        np.testing.assert_allclose(xs(mixed)[3], mixed_by_hand(3, 3), atol=1e-5)
    # Outside of a dataset a step is what the caller says.
    x, _ = inner(tf.constant(4), unmixed(0))
    assert x.shape == (BATCH, 4)


def test_functions_refuse_such_a_step_too():
    numbers = batches().enumerate()
    for draw in (
        lambda step, _: keras_mixup.sample_lambda(1.0, (), seed=3, step=step),
        lambda step, _: keras_mixup.sample_partner(4, seed=3, step=step),
    ):
        with pytest.raises(ValueError, match="count_steps"):
            numbers.map(draw)
    counted = batches().apply(keras_mixup.count_steps)
    lams = counted.map(
        lambda step, _: keras_mixup.sample_lambda(1.0, (), seed=3, step=step)
    )
    for epoch in range(2):
        for i, lam in enumerate(lams):
            expected = keras_mixup.sample_lambda(1.0, (), seed=3, step=epoch * S + i)
            np.testing.assert_allclose(lam, expected, atol=1e-5)
    numbers.map(lambda step, _: keras_mixup.sample_lambda(1.0, (), step=step))


def test_count_steps_refuses_what_it_cannot_count():
    with pytest.raises(ValueError, match="`first_step`.*Received: first_step=-1"):
        keras_mixup.count_steps(batches(), first_step=-1)
    with pytest.raises(ValueError, match="outside of graphs"):
        batches().flat_map(lambda x, y: batches().apply(policy()))
