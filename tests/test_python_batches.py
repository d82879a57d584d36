"""Batches that Python code makes: their order, their workers, their epochs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup


class Batches(keras.utils.PyDataset):
    """Five batches, which are others in each epoch."""

    def __init__(self, **workers):
        super().__init__(**workers)
        self.epoch = 0

    def __len__(self):
        return 5

    def __getitem__(self, index):
        generator = np.random.default_rng(100 * self.epoch + index)
        rows = np.eye(2, dtype="float32")[generator.integers(0, 2, 4)]
        return generator.random((4, 3), "float32"), rows

    def on_epoch_end(self):
        self.epoch += 1


def mixed_one_by_one(mixup, epochs):
    batches = Batches()
    for epoch in range(epochs):
        for index in range(len(batches)):
            yield mixup.at_step(epoch * len(batches) + index, batches[index])
        batches.on_epoch_end()


@pytest.mark.parametrize(
    "workers",
    [{}, {"workers": 3}, {"workers": 2, "use_multiprocessing": True}],
    ids=["one", "threads", "processes"],
)
def test_the_same_seed_gives_the_same_batches_with_any_workers(workers):
    mixup = keras_mixup.MixUp(1.0, seed=3)
    dataset = keras_mixup.as_dataset(Batches(**workers))
    assert int(dataset.cardinality()) == 5
    mixed = dataset.apply(mixup)
    found = [batch for _ in range(2) for batch in mixed]
    expected = [*mixed_one_by_one(mixup, epochs=2)]
    assert len(found) == len(expected) == 10
    for one, other in zip(found, expected, strict=True):
        for part, same in zip(one, other, strict=True):
            np.testing.assert_allclose(part, same, rtol=1e-6)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_look_at_some_batches_ends_their_epoch(workers):
    batches = Batches(workers=workers)
    dataset = keras_mixup.as_dataset(batches)
    assert len([*dataset.take(1)]) == 1
    found = [*dataset]
    assert len(found) == 5 and batches.epoch == 2
    # No batch that was loaded for the first epoch is left for the second.
    expected = Batches()
    expected.epoch = 1
    for index, (x, _) in enumerate(found):
        np.testing.assert_array_equal(x, expected[index][0])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_new_pass_ends_the_one_before(workers):
    batches = Batches(workers=workers)
    dataset = keras_mixup.as_dataset(batches)
    first = iter(dataset)
    np.testing.assert_array_equal(next(first)[0], Batches()[0][0])
    second = [*dataset]
    assert len(second) == 5
    other_epoch = Batches()
    other_epoch.epoch = 1
    np.testing.assert_array_equal(second[0][0], other_epoch[0][0])
    assert batches.epoch == 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="one at a time"):
        list(first)  # What was read ahead still comes.
    del first
    assert batches.epoch == 2 and len([*dataset]) == 5


def test_training_goes_on_after_a_callback_has_stopped_it():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    dataset = keras_mixup.as_dataset(Batches())
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    network.compile("sgd", "mse")
    network.fit(dataset, verbose=0, callbacks=[Stop()])
    network.fit(dataset, verbose=0)
    assert network.optimizer.iterations == 2 + 5


def test_a_generator_is_read_once_over_all_passes():
    def numbered():
        for number in range(5):
            yield (np.full((2, 1), number, "float32"),)

    dataset = keras_mixup.as_dataset(numbered())
    found = [int(x[0, 0]) for part in (dataset.take(2), dataset) for (x,) in part]
    assert found == [0, 1, 2, 3, 4]
    with pytest.raises(tf.errors.InvalidArgumentError, match="no batch left"):
        next(iter(dataset))


def test_an_endless_one_is_known_as_such():
    class Endless(Batches):
        num_batches = None

    dataset = keras_mixup.as_dataset(Endless())
    assert int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY
    assert len([*dataset.take(7)]) == 7


def test_a_generator_of_dicts_is_refused():
    with pytest.raises(ValueError, match="must return a tuple"):
        keras_mixup.as_dataset({"images": np.ones(3)} for _ in range(2))


def test_none_in_a_batch_is_refused():
    class Weightless(Batches):
        def __getitem__(self, index):
            return (*super().__getitem__(index), None)

    with pytest.raises(ValueError, match="None in the place 2"):
        keras_mixup.as_dataset(Weightless())


def test_a_network_trains_on_a_mixed_generator():
    def endless():
        while True:
            yield np.ones((4, 3), "float32"), np.array([0, 1, 1, 0])

    mixup = keras_mixup.MixUp(1.0, num_classes=2, seed=0)
    dataset = keras_mixup.as_dataset(endless()).apply(mixup)
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(0.1), loss)
    history = network.fit(dataset, steps_per_epoch=3, epochs=2, verbose=0)
    # All features are ones and half of the labels are each class, mixed or not: the
    # best there is are equal logits, which have a loss of log 2.
    assert history.history["loss"][-1] > np.log(2) - 1e-6
    assert network.optimizer.iterations == 6


def test_a_dataset_stays_as_it_is():
    dataset = tf.data.Dataset.range(3)
    assert keras_mixup.as_dataset(dataset) is dataset


@pytest.mark.parametrize("batches", [np.ones((3, 2)), [1, 2], None], ids=str)
def test_what_has_no_batches_is_refused(batches):
    with pytest.raises(ValueError, match="Expected a keras.utils.PyDataset.*Received"):
        keras_mixup.as_dataset(batches)
