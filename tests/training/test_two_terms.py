"""The loss with integer labels equals the loss on mixed one-hot labels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests import oracles

GENERATOR = np.random.default_rng(0)
SIZE, CLASSES = 8, 5
X = GENERATOR.normal(size=(SIZE, 6)).astype("float32")
Y = GENERATOR.integers(0, CLASSES, SIZE)
WEIGHTS = np.array([1, 0, 2, 0.5, 1, 3, 0, 1], "float32")
LEARNING_RATE = 0.5
# Of the first step: what MixUpModel draws, as the public functions tell it.
STEP = {"seed": 3, "step": 0}


def network(regularizer=None, outputs=1):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(7, "tanh", kernel_regularizer=regularizer)(inputs)
    heads = [
        keras.layers.Dense(CLASSES, name=f"head_{i}")(hidden) for i in range(outputs)
    ]
    return keras.Model(inputs, heads if outputs > 1 else heads[0])


# One step takes less time in Python than its graph takes to trace.
EAGER = {"run_eagerly": True}


def one_step(policy, y, loss, weights=None, net=None, how=EAGER):
    """The loss of one SGD step and the weights after it."""
    net = net or network()
    model = keras_mixup.MixUpModel(net, policy)
    optimizer = keras.optimizers.SGD(LEARNING_RATE)
    model.compile(optimizer, loss, **how)
    logs = model.train_on_batch(X, y, sample_weight=weights, return_dict=True)
    return logs, [w.numpy() for w in net.weights]


def cross_entropy(sparse, **settings):
    name = "SparseCategoricalCrossentropy" if sparse else "CategoricalCrossentropy"
    return getattr(keras.losses, name)(from_logits=True, **settings)


# XLA compiles each for seconds: of those, the one with everything in it is ordinary.
@pytest.mark.parametrize(
    ("jit_compile", "per", "weights", "targets"),
    [
        pytest.param(
            *(jit, per, weights, targets),
            marks=[pytest.mark.slow]
            if jit and (weights is None or per == "batch" or targets == "closer")
            else [],
            id=f"{'jit' if jit else 'graph'}-{per}-{name}-{targets}",
        )
        for jit in (False, True)
        for per in ("batch", "example")
        for name, weights in (("plain", None), ("weighted", WEIGHTS))
        for targets in ("mix", "closer")
    ],
)
def test_integer_and_one_hot_labels_agree(jit_compile, per, weights, targets):
    results, how = [], {"jit_compile": jit_compile}
    for sparse in (True, False):
        y = Y if sparse else oracles.one_hot(Y, CLASSES).astype("float32")
        policy = keras_mixup.MixUp(1.0, per=per, targets=targets, seed=3)
        net = network(keras.regularizers.L2(0.1))
        results.append(one_step(policy, y, cross_entropy(sparse), weights, net, how))
    (sparse_logs, sparse_weights), (dense_logs, dense_weights) = results
    assert sparse_logs["loss"] == pytest.approx(dense_logs["loss"], abs=1e-6)
    for a, b in zip(sparse_weights, dense_weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("per", ["batch", "example"])
@pytest.mark.parametrize("examples", [2, 3])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_loss_and_gradient_are_those_of_the_loop(per, examples, weights):
    net = network()
    before = [w.numpy() for w in net.weights]
    policy = keras_mixup.MixUp(1.0, per=per, examples=examples, pairing="roll", seed=3)
    shape = (SIZE,) if per == "example" else ()
    lam = keras_mixup.sample_weights(1.0, shape, examples, **STEP).numpy()
    lam = np.broadcast_to(lam, (SIZE, examples))
    w = np.ones(SIZE) if weights is None else weights
    expected = 0.0
    with tf.GradientTape() as tape:
        total = 0.0
        for i in range(SIZE):
            parts = [(i - k) % SIZE for k in range(examples)]
            x = sum(lam[i, k] * X[j] for k, j in enumerate(parts))
            logits = net(x[None].astype("float32"))
            for k, j in enumerate(parts):
                share = float(lam[i, k] * w[j])
                expected += share * oracles.cross_entropy(Y[j], logits[0]) / SIZE
                term = tf.nn.sparse_softmax_cross_entropy_with_logits([Y[j]], logits)
                total += share * term[0] / SIZE
    gradients = tape.gradient(total, net.trainable_weights)
    logs, after = one_step(policy, Y, cross_entropy(True), weights, net)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    for old, new, gradient in zip(before, after, gradients, strict=True):
        np.testing.assert_allclose(new, old - LEARNING_RATE * gradient, atol=1e-6)


def test_regularizers_count_once():
    policy = keras_mixup.MixUp(1.0, seed=3)
    plain, _ = one_step(policy, Y, cross_entropy(True), net=network())
    net = network(keras.regularizers.L2(0.1))
    penalty = 0.1 * float(np.sum(net.layers[1].kernel.numpy() ** 2))
    regular, _ = one_step(policy, Y, cross_entropy(True), net=net)
    assert regular["loss"] - plain["loss"] == pytest.approx(penalty, rel=1e-4)


@pytest.mark.parametrize("form", ["list", "dict"])
@pytest.mark.parametrize("weighted", [False, True])
def test_several_outputs_integer_and_one_hot(form, weighted):
    rows = oracles.one_hot(Y[::-1], CLASSES).astype("float32")
    results = []
    for sparse in (True, False):
        y = [Y if sparse else oracles.one_hot(Y, CLASSES).astype("float32"), rows]
        losses = [cross_entropy(sparse), cross_entropy(False)]
        weights = [WEIGHTS, np.ones(SIZE, "float32")] if weighted else None
        if form == "dict":
            names = ["head_0", "head_1"]
            y, losses = dict(zip(names, y)), dict(zip(names, losses))
            weights = weights and dict(zip(names, weights))
        policy = keras_mixup.MixUp(1.0, seed=3, per="example")
        results.append(one_step(policy, y, losses, weights, network(outputs=2)))
    (a_logs, a), (b_logs, b) = results
    assert set(a_logs) == {"loss", "head_0_loss", "head_1_loss"}
    for name in a_logs:
        assert a_logs[name] == pytest.approx(b_logs[name], abs=1e-5)
    total = a_logs["head_0_loss"] + a_logs["head_1_loss"]
    assert a_logs["loss"] == pytest.approx(total, abs=1e-5)
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_class_weight_is_that_of_each_partner():
    class_weight = {0: 0.0, 1: 2.0, 2: 1.0, 3: 0.5, 4: 3.0}
    by_example = np.array([class_weight[label] for label in Y], "float32")
    results = []
    for arguments in ({"class_weight": class_weight}, {"sample_weight": by_example}):
        net = network()
        model = keras_mixup.MixUpModel(net, keras_mixup.MixUp(1.0, seed=3))
        optimizer = keras.optimizers.SGD(LEARNING_RATE)
        model.compile(optimizer, cross_entropy(True), **EAGER)
        model.fit(X, Y, batch_size=SIZE, shuffle=False, verbose=0, **arguments)
        results.append([w.numpy() for w in net.weights])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_dense_targets_do_not_broadcast(jit_compile):
    # As many rows as examples: a weight vector would land on the wrong axis.
    inputs = keras.Input((SIZE, 3))
    net = keras.Model(inputs, keras.layers.Dense(CLASSES)(inputs))
    x = GENERATOR.normal(size=(SIZE, SIZE, 3)).astype("float32")
    y = GENERATOR.integers(0, CLASSES, (SIZE, SIZE))
    kernel = net.layers[1].kernel.numpy()
    model = keras_mixup.MixUpModel(
        net, keras_mixup.MixUp(1.0, per="example", pairing="roll", seed=3)
    )
    model.compile("sgd", cross_entropy(True), jit_compile=jit_compile)
    loss = model.train_on_batch(x, y, sample_weight=WEIGHTS)
    lam = keras_mixup.sample_lambda(1.0, (SIZE,), **STEP).numpy()
    expected = 0.0
    for i in range(SIZE):
        logits = (lam[i] * x[i] + (1 - lam[i]) * x[i - 1]) @ kernel
        for t in range(SIZE):
            for share, j in ((lam[i], i), (1 - lam[i], i - 1)):
                term = oracles.cross_entropy(y[j, t], logits[t])
                expected += share * WEIGHTS[j] * term / SIZE**2
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_binary_labels_and_multi_label():
    keras.utils.set_random_seed(1)
    net = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    labels = GENERATOR.integers(0, 2, (SIZE, 3))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    results = []
    for y in (labels, labels.astype("float32")):
        policy = keras_mixup.MixUp(1.0, seed=3)
        model = keras_mixup.MixUpModel(keras.models.clone_model(net), policy)
        model.network.set_weights(net.get_weights())
        model.compile(keras.optimizers.SGD(LEARNING_RATE), loss, **EAGER)
        results.append((float(model.train_on_batch(X, y)), model.network.get_weights()))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-6)
    for one, other in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_regression_takes_the_mixed_target():
    keras.utils.set_random_seed(1)
    net = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    y = GENERATOR.normal(size=SIZE).astype("float32")
    kernel = net.layers[0].kernel.numpy()[:, 0]
    model = keras_mixup.MixUpModel(
        net, keras_mixup.MixUp(1.0, per="example", pairing="roll", seed=3)
    )
    model.compile("sgd", "mse", metrics=["mae"])
    logs = model.train_on_batch(X, y, return_dict=True)
    lam = keras_mixup.sample_lambda(1.0, (SIZE,), **STEP).numpy()
    partner = np.roll(np.arange(SIZE), 1)
    residual = oracles.mix(X, lam, partner) @ kernel - oracles.mix(y, lam, partner)
    assert logs["loss"] == pytest.approx(np.mean(residual**2), rel=1e-5)
    assert logs["mae"] == pytest.approx(np.mean(np.abs(residual)), rel=1e-5)
