"""tf.data service as real processes on loopback."""

import contextlib
import os
import pathlib
import subprocess
import sys
import textwrap
import time
import types

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from benchmarks.workers import free_ports
from experiments.data import pipeline, service

ROOT = pathlib.Path(__file__).parents[2]
COUNT, BATCH = 203, 8
SERVER = "experiments.data.service"


class Cluster:
    """A dispatcher and workers, each a process that can be killed and started again."""

    def __init__(self, folder, workers=2):
        self.folder = folder
        self.port, *self.worker_ports = free_ports(1 + workers)
        self.address = f"grpc://localhost:{self.port}"
        self.processes = {}
        self.start("dispatcher")
        for index in range(workers):
            self.start(index)
        self.wait_for()

    def start(self, name):
        if name == "dispatcher":
            flags = ["--port", self.port, "--work_dir", self.folder]
        else:
            flags = ["--port", self.worker_ports[name]]
            flags += ["--dispatcher", f"localhost:{self.port}"]
        part = name if name == "dispatcher" else "worker"
        process = subprocess.Popen(
            [sys.executable, "-m", SERVER, part, *map(str, flags)],
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.processes[name] = process

    def wait_for(self, *names):
        """Until they listen; starting takes as long as importing TensorFlow."""
        for name in names or self.processes:
            assert "listens at port" in self.processes[name].stdout.readline()

    def kill(self, name):
        self.processes[name].kill()
        self.processes[name].wait()

    def close(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with contextlib.closing(Cluster(tmp_path_factory.mktemp("dispatcher"))) as found:
        yield found


@pytest.fixture
def own_cluster(tmp_path):
    with contextlib.closing(Cluster(tmp_path)) as found:
        yield found


def batches_by(address, slow=0.0, **changed):
    """Endless batches of numbered examples."""
    x = np.arange(COUNT, dtype="float32")[:, None]
    examples = tf.data.Dataset.from_tensor_slices((x, np.arange(COUNT) % 3))
    if slow:

        def slowly(x, y):
            # A loop that a worker can run; it has no clock.
            turns = tf.while_loop(
                lambda i, total: i < int(slow * 2e5),
                lambda i, total: (i + 1, total + tf.sin(total)),
                (0, x[0]),
            )[1]
            return x + 0 * turns, y

        examples = examples.map(slowly)
    return pipeline.training_batches(
        examples, COUNT, BATCH, seed=4, service=address, **changed
    )


STEPS = -(-COUNT // BATCH)


def numbers_of(batches):
    return np.concatenate([x.numpy()[:, 0] for x, _ in batches])


@pytest.mark.slow
def test_each_example_comes_once_an_epoch(cluster):
    iterator = iter(batches_by(cluster.address))
    orders = []
    for _ in range(2):
        epoch = [next(iterator) for _ in range(STEPS)]
        assert [len(x) for x, _ in epoch] == [BATCH] * (STEPS - 1) + [COUNT % BATCH]
        orders.append(numbers_of(epoch))
        np.testing.assert_array_equal(np.sort(orders[-1]), np.arange(COUNT))
    assert (orders[0] != orders[1]).any()


@pytest.mark.slow
def test_a_batch_is_augmented_and_mixed_where_it_is_made(cluster):
    mixup = keras_mixup.MixUp(1.0, seed=2, num_classes=3)

    def augment(batch, key):
        return batch[0] + 1000, batch[1]

    batches = batches_by(cluster.address, augment=augment, mix=mixup.at_step)
    taken = list(batches.take(STEPS))
    numbers = numbers_of(taken)
    assert ((numbers >= 1000) & (numbers < 1000 + COUNT)).all()
    rows = np.concatenate([y for _, y in taken])
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-6)
    # Batches of two workers that have the same place mix by other weights.
    mixed = rows[(rows > 0).sum(1) > 1]
    lams = {round(float(min(row[row > 0])), 5) for row in mixed}
    # One a batch; those of a worker's last batches may be cut in two, and none is lost.
    assert STEPS - 1 <= len(lams) <= STEPS + 2


def test_what_is_drawn_for_a_batch_follows_from_the_batch():
    batch = tf.constant([[1.0, 2.0]]), tf.constant([3])
    same = tf.constant([[1.0, 2.0]]), tf.constant([3])
    other = tf.constant([[1.0, 2.5]]), tf.constant([3])
    assert service.fingerprint(batch) == service.fingerprint(same)
    assert service.fingerprint(batch) != service.fingerprint(other)


@pytest.mark.slow
def test_a_dispatcher_that_comes_back_loses_nothing(own_cluster):
    iterator = iter(batches_by(own_cluster.address, slow=0.1))
    taken = [next(iterator) for _ in range(5)]
    own_cluster.kill("dispatcher")
    own_cluster.start("dispatcher")
    own_cluster.wait_for("dispatcher")
    taken += [next(iterator) for _ in range(STEPS - 5)]
    np.testing.assert_array_equal(np.sort(numbers_of(taken)), np.arange(COUNT))


@pytest.mark.slow
def test_a_worker_that_comes_back_repeats_nothing(own_cluster):
    iterator = iter(batches_by(own_cluster.address, slow=0.1))
    taken = [next(iterator) for _ in range(5)]
    own_cluster.kill(0)
    own_cluster.start(0)
    own_cluster.wait_for(0)
    taken += [next(iterator) for _ in range(2 * STEPS - 5)]
    numbers = numbers_of(taken)
    # The second epoch is whole; what comes before it is the first.
    whole = set(range(COUNT))
    ends = [n for n in range(COUNT + 1) if set(numbers[n : n + COUNT]) == whole]
    assert len(ends) >= 1
    first = numbers[: ends[-1]]
    assert len(set(first)) == len(first)
    # A worker fills its shuffle buffer before its first batch: what it had taken is its
    # share of the epoch, which is a half where two take turns.
    lost = COUNT - len(first)
    assert lost < 0.75 * COUNT, f"{lost} of {COUNT} examples lost with the worker"


@pytest.mark.slow
def test_a_service_that_goes_away_ends_a_run_with_an_error(tmp_path):
    program = textwrap.dedent(
        """
        import sys
        import keras, keras_mixup
        from experiments.data import service
        from tests.experiments.test_service import batches_by

        network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3)])
        model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0))
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
        say = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: print("batch", flush=True)
        )
        model.fit(
            batches_by(sys.argv[1]),
            steps_per_epoch=10**6,
            callbacks=[service.StopWithoutInput(6), say],
            verbose=0,
        )
        """
    )
    with contextlib.closing(Cluster(tmp_path, workers=1)) as own:
        process = subprocess.Popen(
            [sys.executable, "-c", program, own.address],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "batch\n"
        own.kill(0)
        begin = time.monotonic()
        _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "does the tf.data service have its dispatcher and a worker?" in error
    assert time.monotonic() - begin < 30


def test_the_watch_ends_with_the_training(monkeypatch):
    said, now = [], [0.0]
    monkeypatch.setattr(service, "leave_at_once", said.append)
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(service, "time", clock)

    def said_after(seconds):
        now[0] += seconds
        time.sleep(0.1)  # The watch looks at the clock ten times.
        return said

    watch = service.StopWithoutInput(0.04)
    watch.on_train_begin()
    watch.on_epoch_begin(0)
    watch.on_train_end()
    assert said_after(5) == []
    watch.on_train_begin()
    assert said_after(5) == []
    watch.on_epoch_begin(0)
    for _ in range(2):
        assert said_after(0.03) == []
        watch.on_train_batch_end(0)
    # What is measured and saved between two epochs may take its time.
    watch.on_epoch_end(0)
    assert said_after(5) == []
    watch.on_epoch_begin(1)
    now[0] += 5
    for _ in range(1000):
        time.sleep(0.0 if said else 0.01)
    assert len(said) == 1
    assert said[0].startswith("No batch for 5 seconds")
