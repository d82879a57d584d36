"""The input pipeline: what depends on what, and what is done how often."""

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from experiments.data import pipeline
from keras_mixup import keys

COUNT, BATCH = 10, 4
STEPS = 3


def examples():
    numbers = np.arange(COUNT)
    return tf.data.Dataset.from_tensor_slices((numbers.astype("float32"), numbers))


def epochs_of(batches, number, steps=STEPS):
    """Labels of that many epochs, batch by batch."""
    taken = [y.numpy() for _, y in batches.take(number * steps)]
    return [taken[start : start + steps] for start in range(0, len(taken), steps)]


def flat(epoch):
    return np.concatenate(epoch).tolist()


def test_an_epoch_holds_every_example_once_and_ends_with_the_smaller_batch():
    batches = pipeline.training_batches(examples(), COUNT, BATCH, seed=1)
    epochs = epochs_of(batches, 3)
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [4, 4, 2]
        assert sorted(flat(epoch)) == list(range(COUNT))
    orders = {tuple(flat(epoch)) for epoch in epochs}
    assert len(orders) == 3
    assert tuple(range(COUNT)) not in orders


def test_the_order_is_that_of_seed_and_epoch_alone():
    first = epochs_of(pipeline.training_batches(examples(), COUNT, BATCH, seed=1), 3)
    # Another global seed, and a start in the middle, change nothing.
    tf.random.set_seed(77)
    later = pipeline.training_batches(examples(), COUNT, BATCH, seed=1, first_epoch=2)
    assert flat(epochs_of(later, 1)[0]) == flat(first[2])
    other = epochs_of(pipeline.training_batches(examples(), COUNT, BATCH, seed=2), 1)
    assert flat(other[0]) != flat(first[0])


def test_all_orders_of_three_examples_occur_alike():
    three = tf.data.Dataset.from_tensor_slices((tf.zeros(3), tf.range(3)))
    batches = pipeline.training_batches(three, 3, 3, seed=5)
    orders = [tuple(y.numpy()) for _, y in batches.take(600)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    # 100 expected, standard deviation 9.
    assert min(counts) > 60


@pytest.mark.parametrize(("cache", "times"), [(True, 1), (False, 3)])
def test_what_is_cached_is_decoded_once(cache, times):
    decoded = []

    def note(number):
        decoded.append(int(number))
        return number

    def decode(x, y):
        return x, tf.ensure_shape(tf.py_function(note, [y], tf.int64), ())

    batches = pipeline.training_batches(
        examples(), COUNT, BATCH, seed=1, decode=decode, cache=cache
    )
    options = tf.data.Options()
    # Nothing is read ahead of what is taken here.
    options.experimental_optimization.inject_prefetch = False
    for epoch in epochs_of(batches.with_options(options), 3):
        assert sorted(flat(epoch)) == list(range(COUNT))
    most = max(decoded.count(number) for number in range(COUNT))
    # The prefetch may have begun the next epoch.
    assert times <= most <= times + (not cache) * 3


def test_batches_are_augmented_by_seed_and_step():
    def augment(batch, key):
        x, y = batch
        return x + keys.uniform(key, 1000, [tf.shape(x)[0]])[0], y

    def added(first_epoch):
        batches = pipeline.training_batches(
            tf.data.Dataset.from_tensor_slices((np.zeros(COUNT), np.zeros(COUNT))),
            *(COUNT, BATCH, 3, first_epoch),
            augment=augment,
        )
        return [x.numpy()[0] for x, _ in batches.take(6)]

    whole = added(0)
    expected = [
        keys.uniform(keys.make_key(3, step), 1000, [size])[0].numpy()
        for step, size in enumerate([4, 4, 2, 4, 4, 2])
    ]
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(added(1)[:3], whole[3:])


def test_examples_of_different_sizes_are_augmented_alone():
    sizes = [3, 5, 8, 4]

    def generate():
        for number, size in enumerate(sizes):
            yield np.full([size], number, "float32"), number

    ragged = tf.data.Dataset.from_generator(
        generate,
        output_signature=(
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([], tf.int64),
        ),
    )

    def augment(batch, key):
        x, y = batch
        assert x.shape[0] == 1
        noise = keys.uniform(key, 1000, [1, 1])
        return x[:, :2] + tf.cast(noise, tf.float32), y

    def batches(first_epoch):
        return pipeline.training_batches(
            ragged, 4, 2, 3, first_epoch, augment=augment, augment_alone=True
        )

    taken = list(batches(0).take(4))
    noise = []
    for x, y in taken:
        assert x.shape == (2, 2)
        noise.extend((x[:, 0] - tf.cast(y, tf.float32)).numpy().tolist())
    assert len({round(value, 6) for value in noise}) == 8
    again = list(batches(1).take(2))
    for (x, y), (x_again, y_again) in zip(taken[2:], again, strict=True):
        np.testing.assert_array_equal(x, x_again)
        np.testing.assert_array_equal(y, y_again)


def test_the_last_stage_mixes_with_the_draws_of_its_step():
    mixup = keras_mixup.MixUp(1.0, num_classes=COUNT, seed=9, jit_compile=False)
    plain = pipeline.training_batches(examples(), COUNT, BATCH, seed=1, first_epoch=1)
    mixed = pipeline.training_batches(
        examples(), COUNT, BATCH, seed=1, first_epoch=1, mix=mixup.at_step
    )
    pairs = zip(plain.take(STEPS), mixed.take(STEPS), strict=True)
    for step, (batch, (x, y)) in enumerate(pairs, start=STEPS):
        x_expected, y_expected = mixup.at_step(step, batch)
        np.testing.assert_array_equal(x, x_expected)
        np.testing.assert_array_equal(y, y_expected)
        np.testing.assert_allclose(np.sum(y, axis=-1), 1, atol=1e-6)


def test_evaluation_keeps_the_order_and_every_example():
    batches = pipeline.evaluation_batches(
        examples(),
        BATCH,
        decode=lambda x, y: (x + 1, y),
        transform=lambda x, y: (10 * x, y),
        one_hot=COUNT,
    )
    for _ in range(2):
        found = list(batches)
        x = np.concatenate([x for x, _ in found])
        y = np.concatenate([y for _, y in found])
        np.testing.assert_array_equal(x, 10 * (np.arange(COUNT) + 1))
        np.testing.assert_array_equal(y, np.eye(COUNT))
        assert [len(x) for x, _ in found] == [4, 4, 2]


def test_evaluation_transforms_examples_of_different_sizes_alone():
    ragged = tf.data.Dataset.range(1, 5).map(lambda n: (tf.range(n), n))
    batches = pipeline.evaluation_batches(
        ragged, 3, transform=lambda x, y: (x[:, :1] + y, y), transform_alone=True
    )
    found = [x.numpy().tolist() for x, _ in batches]
    assert found == [[[1], [2], [3]], [[4]]]
