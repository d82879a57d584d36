"""Two heads: a dict of losses and loss weights, metrics for each, weights for each."""

import keras
import numpy as np
import pytest

import keras_mixup
from tests.programs import by_hand

X, KIND = by_hand.linear_data()
SIZE = np.random.default_rng(4).normal(size=(16, 1)).astype("float32")
WEIGHTS = np.random.default_rng(5).uniform(0.5, 2, 16).astype("float32")


def two_heads():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(5, "tanh")(inputs)
    kind = keras.layers.Dense(3, name="kind")(hidden)
    size = keras.layers.Dense(1, name="size")(hidden)
    return keras.Model(inputs, {"kind": kind, "size": size})


@pytest.mark.parametrize(
    ("weighted", "jit_compile"),
    [
        (False, False),
        (True, False),
        # tests/programs/test_precision.py trains by XLA as well.
        pytest.param(True, True, marks=pytest.mark.slow),
        pytest.param(False, True, marks=pytest.mark.slow),
    ],
)
def test_two_heads(weighted, jit_compile):
    network = two_heads()
    lam, partner = by_hand.draw(16)
    predicted = network(by_hand.mixed(X, lam, partner).astype("float32"))
    kind, size = (predicted[name].numpy() for name in ("kind", "size"))
    w = WEIGHTS if weighted else np.ones(16)
    own, other = (by_hand.cross_entropies(kind, y) for y in (KIND, KIND[partner]))
    kind_loss = (lam * w * own + (1 - lam) * w[partner] * other).mean()
    total = lam * w + (1 - lam) * w[partner]
    target = by_hand.mixed(w[:, None] * SIZE, lam, partner) / total[:, None]
    size_loss = (total * ((size - target) ** 2).mean(-1)).mean()
    mixed_size = by_hand.mixed(SIZE, lam, partner)

    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(
        by_hand.still(),
        loss={"kind": by_hand.sparse_loss(), "size": "mse"},
        loss_weights={"kind": 1.0, "size": 0.2},
        metrics={"kind": ["accuracy"], "size": ["mae"]},
        jit_compile=jit_compile,
    )
    y = {"kind": KIND, "size": SIZE}
    given = {"sample_weight": {"kind": w, "size": w}} if weighted else {}
    history = model.fit(X, y, batch_size=16, shuffle=False, verbose=0, **given).history
    found = {name: values[0] for name, values in history.items()}
    assert found["kind_loss"] == pytest.approx(kind_loss, abs=1e-5)
    assert found["size_loss"] == pytest.approx(size_loss, abs=1e-5)
    assert found["loss"] == pytest.approx(kind_loss + 0.2 * size_loss, abs=1e-5)
    own, other = (by_hand.hits(kind, y) for y in (KIND, KIND[partner]))
    accuracy = (lam * own + (1 - lam) * other).mean()
    assert found["kind_accuracy"] == pytest.approx(accuracy, abs=1e-5)
    if not weighted:
        assert found["size_mae"] == pytest.approx(
            np.abs(size - mixed_size).mean(), abs=1e-5
        )


def test_evaluation_is_that_of_plain_keras():
    plain, model = two_heads(), keras_mixup.MixUpModel(two_heads(), keras_mixup.MixUp())
    settings = {
        "loss": {"kind": by_hand.sparse_loss(), "size": "mse"},
        "metrics": {"kind": ["accuracy"], "size": ["mae"]},
    }
    y, found = {"kind": KIND, "size": SIZE}, []
    for one in (plain, model):
        one.compile(by_hand.still(), **settings)
        found.append(one.evaluate(X, y, return_dict=True, verbose=0))
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    for one, two in zip(
        keras.tree.flatten(plain.predict(X, verbose=0)),
        keras.tree.flatten(model.predict(X, verbose=0)),
        strict=True,
    ):
        np.testing.assert_allclose(one, two, atol=1e-6)
