"""MixedBatch: what was mixed with what, for loops of one's own."""

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests import oracles

X = np.random.default_rng(0).random((5, 6, 4, 1)).astype("float32")
Y = {"a": np.arange(5), "b": np.eye(5, dtype="float32")}
SETTINGS = {"seed": 2, "num_classes": {"a": 5}, "jit_compile": False}
POLICIES = {
    "MixUp": keras_mixup.MixUp(1.0, **SETTINGS),
    "CutMix": keras_mixup.CutMix(per="example", **SETTINGS),
    "three": keras_mixup.FMix(examples=3, **SETTINGS),
}


@pytest.mark.parametrize("mode", ["eager", "graph", "map"])
@pytest.mark.parametrize("kind", POLICIES)
def test_the_parts_and_shares_make_the_mixed_target(kind, mode):
    policy, weights = POLICIES[kind], np.arange(1.0, 6).astype("float32")

    def mixed(x, y, weights):
        found = policy.at_step(1, (x, y, {"a": weights, "b": weights}), details=True)
        mask = () if found.mask is None else found.mask
        return [*found[:6], mask]

    found = keras_mixup.mixed_batch.MixedBatch(*oracles.run(mode, mixed, X, Y, weights))
    plain = policy.at_step(1, (X, Y, {"a": weights, "b": weights}))
    np.testing.assert_allclose(found.x, plain[0], atol=1e-6)
    partners = [np.arange(5), *found.partners]
    shares = [np.broadcast_to(share, 5) for share in found.shares]
    np.testing.assert_allclose(sum(shares), 1, atol=1e-6)
    total, rows = np.zeros(5), np.zeros((5, 5))
    for k, partner in enumerate(partners):
        np.testing.assert_array_equal(found.targets[k]["a"], partner)
        np.testing.assert_array_equal(found.targets[k]["b"], np.eye(5)[partner])
        total += shares[k] * weights[partner]
        rows += (shares[k] * weights[partner])[:, np.newaxis] * np.eye(5)[partner]
    np.testing.assert_allclose(found.sample_weight["a"], total, rtol=1e-5)
    for name in ("a", "b"):
        expected = rows / total[:, np.newaxis]
        np.testing.assert_allclose(found.y[name], expected, atol=1e-6)
    if kind != "MixUp":
        means = [mask.reshape(len(mask), -1).mean(1) for mask in found.mask]
        np.testing.assert_allclose(np.ravel(found.shares), np.ravel(means), atol=1e-6)


def test_shares_are_those_of_the_targets():
    policy = keras_mixup.CutMix(seed=2, per="example", targets="closer")
    found = policy.at_step(1, (X, Y["b"]), details=True)
    assert set(np.unique(found.shares)) <= {0.0, 1.0}
    rows = sum(s[:, tf.newaxis] * t for s, t in zip(found.shares, found.targets))
    np.testing.assert_array_equal(found.y, rows)


def test_between_has_the_parts_of_both_batches():
    policy = keras_mixup.CutMix(seed=2, per="example")
    other = np.eye(5, dtype="float32")[::-1]
    found = policy.between((X, Y["b"]), (X + 1, other), step=0, details=True)
    np.testing.assert_array_equal(found.targets[0], Y["b"])
    np.testing.assert_array_equal(found.targets[1], other)
    assert found.partners == () and len(found.shares) == len(found.mask) == 2


def test_a_dataset_of_them():
    dataset = tf.data.Dataset.from_tensors((X, Y["b"])).repeat(2)
    policy = keras_mixup.MixUp(seed=2, jit_compile=False)
    first, second = policy(dataset, details=True)
    assert isinstance(first, keras_mixup.mixed_batch.MixedBatch)
    assert first.mask is None and first.sample_weight is None
    assert float(first.shares[0]) != float(second.shares[0])


def test_a_dict_is_refused():
    with pytest.raises(ValueError, match=r"tuple. Expected \(x, y\).*a dict"):
        keras_mixup.CutMix()({"images": X, "labels": Y["b"]}, details=True)
