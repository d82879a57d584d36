"""Settings of the test run."""

import gc
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import keras
import pytest
import sklearn.metrics.pairwise
import tensorflow as tf

# Every example may trace or compile anew, which takes seconds, not milliseconds.
hypothesis.settings.register_profile(
    "graphs", deadline=None, max_examples=6, derandomize=True
)
hypothesis.settings.register_profile(
    "full", deadline=None, max_examples=40, derandomize=True
)
hypothesis.settings.load_profile("graphs")


# Two CPUs, so that a MirroredStrategy has two replicas.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)


# The files that take longest. Whoever begins them last works alone at the end.
LONG = (
    *("test_contract.py", "test_killed_runs.py", "test_processes.py"),
    *("test_several_workers.py", "test_gan.py", "test_classifier.py"),
)


# Tests that took longer than 1.5 s of a core each, a line each: `--durations=200` shows
# them. They run with the slow ones, so that the others end in under ten minutes.
SLOW = {*(pathlib.Path(__file__).with_name("slow.txt").read_text().splitlines())}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Puts the longest files first, and marks what is listed as slow."""
    items.sort(key=lambda item: item.path.name not in LONG)
    for item in items:
        if item.nodeid in SLOW:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish():
    """Keeps what is imported out of all later collections, which it made slow."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _freed():
    """Frees the graphs and networks of a file, which refer to themselves."""
    yield
    keras.utils.clear_session()


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def computed(monkeypatch):
    """Counts how many tables scikit-learn had to compute distances for."""
    calls = []
    distances = sklearn.metrics.pairwise.euclidean_distances

    def counted(*args, **kwargs):
        calls.append(1)
        return distances(*args, **kwargs)

    monkeypatch.setattr(sklearn.metrics.pairwise, "euclidean_distances", counted)
    return calls
