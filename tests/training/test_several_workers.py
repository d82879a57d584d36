"""Several processes on loopback against one process, and against a plain loop."""

import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import types
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from benchmarks.workers import free_ports
from keras_mixup.training import several_workers
from tests import oracles
from tests.training import worker_program

ROOT = pathlib.Path(__file__).parents[2]


# Each process is forked off one that has imported TensorFlow and computed nothing.
forked = multiprocessing.get_context("forkserver")
forked.set_forkserver_preload([worker_program.__name__])


def configs(count):
    """What TF_CONFIG says in each process of one cluster."""
    hosts = [f"localhost:{port}" for port in free_ports(count)]
    tasks = [{"type": "worker", "index": index} for index in range(count)]
    return [json.dumps({"cluster": {"worker": hosts}, "task": task}) for task in tasks]


def start_workers(command, count, **environment):
    """Processes of one cluster that run the same command."""
    return [
        subprocess.Popen(
            [sys.executable, "-m", *map(str, command)],
            cwd=ROOT,
            env={**os.environ, "TF_CONFIG": config, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for config in configs(count)
    ]


def ended(processes, seconds=240):
    """What they printed, after all of them ended well."""
    texts = [process.communicate(timeout=seconds)[0] for process in processes]
    for process, text in zip(processes, texts, strict=True):
        assert process.returncode == 0, text
    return texts


def results(folder, count, names):
    """Dict of the found arrays of each worker, by case."""
    workers = [
        forked.Process(
            target=worker_program.work, args=(config, folder, names), daemon=True
        )
        for config in configs(count)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=240)
        assert worker.exitcode == 0
    return {
        case: [np.load(folder / f"{case}_{index}.npz") for index in range(count)]
        for case in names
    }


# A case takes seconds of two processes: the others are tried by `make test-all`.
FEW = ("uneven", "mixed")
MORE = tuple(case for case in worker_program.CASES if case not in FEW)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return results(tmp_path_factory.mktemp("two"), 2, FEW)


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    return results(tmp_path_factory.mktemp("more"), 2, (*MORE, "xla"))


def slow(*cases):
    return [pytest.param(case, marks=pytest.mark.slow) for case in cases]


def weights_of(found):
    return [found[name] for name in sorted(found) if name.startswith("weight/")]


def assert_alike(found, expected, tolerance=1e-5, names=None):
    for name in names or expected:
        np.testing.assert_allclose(
            found[name], expected[name], rtol=0, atol=tolerance, err_msg=name
        )


@pytest.mark.parametrize("case", [*FEW, *slow(*MORE)])
def test_workers_end_with_the_same_weights_statistics_and_numbers(case, request):
    first, second = request.getfixturevalue("two" if case in FEW else "more")[case]
    assert len(weights_of(first)) >= 4
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.slow
def test_even_batches_without_mixing_are_those_of_one_process(more):
    expected = worker_program.CASES["even"](tf.distribute.get_strategy())
    assert len(expected["history/val_loss"]) == worker_program.EPOCHS
    assert_alike(more["even"][0], expected)


def test_an_uneven_last_batch_is_the_mean_of_the_replicas_means(two):
    model = worker_program.classifier(0.0)
    network, kept = model.network, []
    x, y = worker_program.arrays(21)
    velocity = [np.zeros(w.shape) for w in network.trainable_weights]
    for _ in range(worker_program.EPOCHS):
        losses, counts = [], []
        for begin in (0, 8, 16):
            part_x, part_y = x[begin : begin + 8], y[begin : begin + 8]
            half = -(-len(part_x) // 2)
            with tf.GradientTape() as tape:
                means = []
                for part in (slice(half), slice(half, None)):
                    logits = network(part_x[part])
                    rows = tf.nn.sparse_softmax_cross_entropy_with_logits(
                        part_y[part], logits
                    )
                    means.append(tf.reduce_mean(rows))
                    losses.append(float(means[-1]))
                    counts.append(len(rows))
                loss = tf.add_n(means) / 2
            for index, (weight, gradient) in enumerate(
                zip(
                    network.trainable_weights,
                    tape.gradient(loss, [w.value for w in network.trainable_weights]),
                    strict=True,
                )
            ):
                velocity[index] = 0.9 * velocity[index] - 0.1 * gradient.numpy()
                weight.assign_add(velocity[index])
        kept.append(np.average(losses, weights=counts))
    for name, weight in enumerate(network.trainable_weights):
        found = two["uneven"][0][f"weight/{name}"]
        np.testing.assert_allclose(found, np.asarray(weight.value), atol=1e-5)
    # What `fit` shows weighs each example alike, and so is not that mean of means.
    np.testing.assert_allclose(two["uneven"][0]["history/loss"], kept, atol=1e-5)


@pytest.mark.parametrize("case", ["mixed", *slow("hidden", "gan")])
def test_draws_are_those_of_as_many_replicas_in_one_process(case, request):
    found = request.getfixturevalue("two" if case in FEW else "more")[case][0]
    expected = worker_program.CASES[case](oracles.two_replicas())
    assert_alike(found, expected)
    alone = worker_program.CASES[case](tf.distribute.get_strategy())
    assert abs(weights_of(found)[0] - weights_of(alone)[0]).max() > 1e-3


def test_evaluation_and_predictions_are_of_all_examples_in_their_order(two):
    found = two["uneven"][0]
    network = worker_program.network()
    network.set_weights(weights_of(found))
    x, y = worker_program.arrays(21)
    logits = network.predict(x, verbose=0)
    np.testing.assert_allclose(found["predicted"], logits, atol=1e-5)
    error = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
    hits = np.mean(logits.argmax(-1) == y)
    np.testing.assert_allclose(found["evaluated"], [np.mean(error), hits], atol=1e-5)


@pytest.mark.slow
def test_moving_statistics_are_the_mean_of_the_replicas(more):
    expected = worker_program.CASES["normalized"](oracles.two_replicas())
    found = more["normalized"][0]
    assert found["statistics"].size > 8
    assert np.ptp(found["statistics"]) > 0.1
    assert_alike(found, expected, names=["statistics", "history/loss", "weight/0"])


@pytest.mark.slow
def test_each_input_pipeline_mixes_by_draws_of_its_own(more):
    pipelines = [
        worker_program.own_pipeline(tf.distribute.InputContext(2, index, 2))
        for index in (0, 1)
    ]
    # The workers of the cluster trained on just these, each epoch on new draws.
    epochs = [
        [list(batches) for batches in pipelines] for _ in range(worker_program.EPOCHS)
    ]
    lams = [
        float(np.asarray(y)[np.asarray(y) > 0].min())
        for steps in epochs
        for batches in steps
        for _, y in batches
    ]
    # A batch whose pairs are all of one class shows no lam.
    lams = [lam for lam in lams if lam < 1]
    assert len(set(lams)) == len(lams) > 6
    model = worker_program.classifier_of_rows()
    for steps in epochs:
        for parts in zip(*steps, strict=True):
            x, y = (tf.concat(each, axis=0) for each in zip(*parts, strict=True))
            model.train_on_batch(x, y)
    for found, weight in zip(
        weights_of(more["pipelines"][0]), model.trainable_weights, strict=True
    ):
        np.testing.assert_allclose(found, np.asarray(weight.value), atol=1e-5)


@pytest.mark.slow
def test_xla_on_cpus_is_refused_before_a_step(more):
    for found in more["xla"]:
        assert "Expected `compile(jit_compile=False)`" in str(found["error"])


@pytest.mark.slow
def test_four_workers_train_as_one_process(tmp_path):
    found = results(tmp_path, 4, ["even", "hidden"])
    expected = worker_program.CASES["even"](tf.distribute.get_strategy())
    for worker in found["even"]:
        assert_alike(worker, expected)
    for worker in found["hidden"][1:]:
        assert_alike(worker, found["hidden"][0], tolerance=0)


def cluster(workers):
    """As much of a strategy as is asked for its workers."""

    class Strategy(tf.distribute.MultiWorkerMirroredStrategy):
        def __init__(self):
            spec = tf.train.ClusterSpec({"worker": workers} if workers else {})
            self._cluster_resolver = types.SimpleNamespace(cluster_spec=lambda: spec)

        cluster_resolver = property(lambda self: self._cluster_resolver)

    return Strategy()


def test_the_way_around_keras_is_taken_where_it_is_needed(monkeypatch):
    one = tf.distribute.get_strategy()
    several = cluster(["localhost:1", "localhost:2"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert several_workers.needs_this(several, "3.15.1")
        for strategy in (one, oracles.two_replicas(), cluster([])):
            assert not several_workers.needs_this(strategy, "3.99.0")
        monkeypatch.setattr(several_workers, "FIXED_IN", (3, 20))
        assert not several_workers.needs_this(several, "3.20.0")
        assert not several_workers.needs_this(several, "4.0.0")
    with pytest.warns(UserWarning, match="tested with Keras 3.15. This is Keras 3.16"):
        assert several_workers.needs_this(several, "3.16.0")


def test_statistics_are_averaged_anew_after_layers_were_frozen(monkeypatch):
    monkeypatch.setattr(several_workers, "is_of_several_workers", lambda _: True)
    layers = [keras.layers.Dense(4), keras.layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((3,)), *layers])
    before = [weight.numpy() for weight in model.weights]
    for trainable in ([], layers, layers[:1]):
        for layer in layers:
            layer.trainable = layer in trainable
        several_workers.average_statistics(model)
        # One replica is its own mean.
        for weight, value in zip(model.weights, before, strict=True):
            np.testing.assert_array_equal(weight.numpy(), value)


def test_a_metric_may_be_a_vector(monkeypatch):
    monkeypatch.setattr(several_workers, "needs_this", lambda _: True)
    monkeypatch.setattr(
        several_workers.SeveralWorkers,
        "_maybe_symbolic_build",
        keras.Model._maybe_symbolic_build,
    )
    model = keras_mixup.MixUpModel(
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)]),
        keras_mixup.MixUp(),
    )
    model.compile("sgd", "categorical_crossentropy", metrics=[keras.metrics.F1Score()])
    rows = np.eye(3, dtype="float32")
    found = model.fit(rows, rows, verbose=0).history["f1_score"]
    assert np.shape(found) == (1, 3)
