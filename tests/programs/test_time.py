"""Draws over time: epochs, global seeds, schedules, threads and processes."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests.programs import by_hand

ROOT = pathlib.Path(__file__).parents[2]
X = np.random.default_rng(0).random((24, 4, 4, 1), "float32")
Y = np.arange(24) % 3
ROWS = np.eye(3, dtype="float32")[Y]


def features_of(dataset):
    return np.concatenate([np.asarray(batch[0]) for batch in dataset])


def dicts(batch):
    return batch.map(lambda x, y: {"images": x, "labels": y})


@pytest.mark.parametrize("global_seed", [None, 0])
def test_each_epoch_draws_anew_whatever_the_global_seed(global_seed):
    tf.random.set_seed(global_seed)
    batches = tf.data.Dataset.from_tensor_slices((X, ROWS)).batch(6)
    one, other = (
        batches.map(keras_mixup.MixUp(1.0, jit_compile=False), num_parallel_calls=4)
        for _ in range(2)
    )
    epochs = [features_of(one) for _ in range(3)] + [features_of(other)]
    for i in range(4):
        for j in range(i):
            assert not np.allclose(epochs[i], epochs[j]), (i, j)


def test_the_layer_draws_anew_after_a_global_seed():
    keras.utils.set_random_seed(0)
    batches = dicts(tf.data.Dataset.from_tensor_slices((X, ROWS)).batch(6))
    mixed = [
        batches.map(keras_mixup.layers.MixUp(1.0, jit_compile=False)) for _ in range(2)
    ]
    epochs = [
        np.concatenate([batch["images"] for batch in dataset])
        for dataset in (mixed[0], mixed[0], mixed[1])
    ]
    assert not np.allclose(epochs[0], epochs[1])
    assert not np.allclose(epochs[0], epochs[2])


def test_fit_sees_other_mixtures_in_each_epoch():
    keras.utils.set_random_seed(0)
    batches = tf.data.Dataset.from_tensor_slices((X, ROWS)).batch(6)
    network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)])
    network.compile(by_hand.still(), keras.losses.CategoricalCrossentropy(True))
    mixed = batches.map(keras_mixup.MixUp(1.0, jit_compile=False))
    losses = network.fit(mixed, epochs=4, verbose=0)
    assert len(set(losses.history["loss"])) == 4


def test_a_seeded_pipeline_goes_on_with_the_next_step_in_each_epoch():
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    mixup = keras_mixup.MixUp(1.0, num_classes=3, seed=7)
    mixed = batches.apply(mixup)
    for epoch in range(3):
        for i, (features, rows) in enumerate(mixed):
            lam, partner = by_hand.draw(4, seed=7, step=6 * epoch + i)
            own = slice(4 * i, 4 * i + 4)
            for found, clean in ((features, X), (rows, ROWS)):
                expected = by_hand.mixed(clean[own], lam, partner)
                np.testing.assert_allclose(found, expected, atol=1e-5)


def test_fit_goes_on_with_the_next_step_in_each_epoch():
    x, y = by_hand.linear_data(24)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(12)
    network = by_hand.linear()
    network.compile(by_hand.still(), keras.losses.CategoricalCrossentropy(True))
    mixup = keras_mixup.MixUp(1.0, num_classes=3, seed=7, jit_compile=False)
    mixed = batches.apply(mixup)
    found = network.fit(mixed, epochs=3, verbose=0).history["loss"]
    for epoch in range(3):
        losses = []
        for i in range(2):
            lam, partner = by_hand.draw(12, seed=7, step=2 * epoch + i)
            own = x[12 * i : 12 * i + 12], y[12 * i : 12 * i + 12]
            logits = by_hand.outputs(network, by_hand.mixed(own[0], lam, partner))
            own_loss, other_loss = (
                by_hand.cross_entropies(logits, labels).mean()
                for labels in (own[1], own[1][partner])
            )
            losses.append(lam * own_loss + (1 - lam) * other_loss)
        assert found[epoch] == pytest.approx(np.mean(losses), abs=1e-5)


def test_a_schedule_moves_over_the_epochs_of_a_pipeline():
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    alpha = keras_mixup.AlphaSchedule(1.0, steps_per_epoch=6, warm_up=5)
    mixup = keras_mixup.MixUp(alpha, num_classes=3, seed=7, jit_compile=False)
    mixed = batches.apply(mixup)
    count = []
    for _ in range(8):
        rows = np.concatenate([rows for _, rows in mixed])
        count.append(int((rows.max(-1) < 0.9999).sum()))
    assert count[:5] == [0] * 5
    assert min(count[5:]) > 0


class Indexed(keras.utils.PyDataset):
    """Batches mixed by their own index, in any order and any thread."""

    def __init__(self, mixup, **kwargs):
        super().__init__(**kwargs)
        self.mixup = mixup

    def __len__(self):
        return 6

    def __getitem__(self, index):
        own = slice(4 * index, 4 * index + 4)
        return self.mixup.at_step(index, (X[own], ROWS[own]))


def test_threads_that_name_the_index_draw_what_belongs_to_it():
    data = Indexed(keras_mixup.MixUp(1.0, seed=3))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(data.__getitem__, range(6)))
    for index, (features, _) in enumerate(batches):
        lam, partner = by_hand.draw(4, seed=3, step=index)
        expected = by_hand.mixed(X[4 * index : 4 * index + 4], lam, partner)
        np.testing.assert_allclose(features, expected, atol=1e-5)


def test_a_seed_counts_calls_in_one_thread_and_is_refused_in_several():
    mixup = keras_mixup.MixUp(1.0, seed=3)
    for step in range(3):
        lam, partner = by_hand.draw(24, seed=3, step=step)
        expected = by_hand.mixed(X, lam, partner)
        np.testing.assert_allclose(mixup((X, ROWS))[0], expected, atol=1e-5)
    with (
        concurrent.futures.ThreadPoolExecutor(1) as pool,
        pytest.raises((ValueError, RuntimeError), match="at_step"),
    ):
        pool.submit(mixup, (X, ROWS)).result()


PROCESSES = """
import sys, numpy as np, tensorflow as tf, keras, keras_mixup
class Data(keras.utils.PyDataset):
    def __len__(self):
        return 8
    def __getitem__(self, index):
        mixup = keras_mixup.MixUp(1.0) if SEED is None else self.mixup
        x = np.arange(4, dtype="float32")[:, None]
        x, y = mixup((x, np.eye(4, dtype="float32")))
        return np.asarray(x), np.asarray(y)
SEED = None if sys.argv[1] == "none" else int(sys.argv[1])
if __name__ == "__main__":
    data = Data(workers=2, use_multiprocessing=True)
    data.mixup = keras_mixup.MixUp(1.0, seed=SEED)
    seen = []
    class Watch(keras.Model):
        def __init__(self):
            super().__init__(); self.dense = keras.layers.Dense(4)
        def call(self, x):
            return self.dense(x)
        def train_step(self, batch):
            seen.append(batch[0].numpy().tobytes()); return super().train_step(batch)
    model = Watch(); model.compile("sgd", "mse", run_eagerly=True)
    model.fit(data, verbose=0)
    print(len(seen), len(set(seen)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["none", "3"])
def test_processes_draw_differently_or_say_what_to_pass(tmp_path, seed):
    (tmp_path / "program.py").write_text(PROCESSES)
    answer = subprocess.run(
        [sys.executable, tmp_path / "program.py", seed],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if seed != "none" and answer.returncode:
        assert "at_step" in answer.stderr
    else:
        assert answer.stdout.split() == ["8", "8"], answer.stderr
