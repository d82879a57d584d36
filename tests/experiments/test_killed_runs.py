"""Runs that are killed at random moments, and end as those that were not."""

import json
import multiprocessing
import random
import time

import pytest

from tests.experiments import killed_runs
from tests.training.test_several_workers import ended, start_workers

# Each child is forked off a process that has imported TensorFlow and computed nothing.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([killed_runs.__name__])


def started(kind, folder):
    process = processes.Process(target=killed_runs.main, args=(kind, str(folder)))
    process.start()
    return process


def end_of(folder):
    return json.loads((folder / "end.json").read_text())


# The trainer with the most to restore, two networks and two optimizers. The classifiers
# are tried by `make test-all`.
KINDS = [
    pytest.param(kind, marks=() if kind == "gan" else pytest.mark.slow)
    for kind in killed_runs.KINDS
]


@pytest.fixture(scope="module", params=KINDS)
def whole(request, tmp_path_factory):
    """A run that nobody killed: its kind, its end, and the seconds it took."""
    folder = tmp_path_factory.mktemp("whole")
    # The first child waits for the imports.
    first = processes.Process(target=time.sleep, args=(0,))
    first.start()
    first.join()
    begin = time.monotonic()
    process = started(request.param, folder)
    process.join()
    assert process.exitcode == 0
    return request.param, end_of(folder), time.monotonic() - begin


def kill_until(kills, whole, tmp_path):
    """Kills so many times; gives how many runs ended well, and had been resumed."""
    kind, expected, seconds = whole
    moments = random.Random(f"{kind} {kills}")
    killed, resumed, number = 0, 0, 0
    while killed < kills or number == 0:
        folder, own = tmp_path / str(number), 0
        while not (folder / "end.json").exists():
            process = started(kind, folder)
            if killed < kills:
                process.join(moments.uniform(0.1, 1.0) * seconds)
                if process.exitcode is None:
                    process.kill()
                    killed, own = killed + 1, own + 1
            process.join()
            assert process.exitcode in (0, -9)
        assert end_of(folder) == expected
        resumed += own > 0
        number += 1
    return resumed


# Between any two operations: the quick test of test_killed_operations.py.
@pytest.mark.slow
def test_a_run_killed_at_a_random_moment_ends_with_the_same_weights(whole, tmp_path):
    assert kill_until(1, whole, tmp_path) == 1


@pytest.mark.slow
def test_runs_killed_at_20_random_moments_end_with_the_same_weights(whole, tmp_path):
    # On a busy machine all of them may fall into one run.
    assert kill_until(20, whole, tmp_path) >= 1


def losses_of(end):
    return [
        value
        for entry in end["record"]
        for part in ("train", "test")
        for name, value in entry[part].items()
        if name.endswith("loss")
    ]


def cluster(kind, folder):
    """Two workers on one folder."""
    command = ["tests.experiments.killed_runs", kind, folder, "multi_worker"]
    return start_workers(command, 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", killed_runs.KINDS)
def test_two_workers_one_of_them_killed_end_with_the_same_weights(kind, tmp_path):
    moments = random.Random(kind)
    ended(cluster(kind, tmp_path / "whole"))
    for victim in (0, 1):
        folder = tmp_path / str(victim)
        workers = cluster(kind, folder)
        # Not while they start, which takes longer than the training.
        while not list(folder.glob("checkpoints/*.json")):
            time.sleep(0.02)
            assert all(worker.poll() is None for worker in workers)
        time.sleep(moments.uniform(0, 1))
        workers[victim].kill()
        # The other one does not wait for ever.
        for worker in workers:
            worker.communicate(timeout=60)
        ended(cluster(kind, folder))
        found, expected = end_of(folder), end_of(tmp_path / "whole")
        assert found["weights"] == expected["weights"]
        # What the workers had counted in the open epoch is added in another order.
        assert len(losses_of(expected)) >= len(expected["record"])
        assert losses_of(found) == pytest.approx(losses_of(expected), rel=1e-5)
