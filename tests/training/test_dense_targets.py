"""Targets with an entry at each position in the train step of MixUpModel."""

import keras
import numpy as np
import pytest

import keras_mixup
from keras_mixup.training import dense_targets
from tests import placed

GENERATOR = np.random.default_rng(0)
SIZE, CLASSES, VOID = 4, 3, 255
X = GENERATOR.normal(size=(SIZE, 4, 6, 2)).astype("float32")
MAPS = GENERATOR.integers(0, CLASSES, (SIZE, 4, 6)).astype("uint8")
WEIGHTS = {
    "none": None,
    "of examples": np.array([1, 0.5, 2, 0], "float32"),
    "of positions": GENERATOR.random((SIZE, 4, 6)).astype("float32"),
}
POLICIES = {
    "CutMix": keras_mixup.CutMix(seed=3, per="example", pairing="roll"),
    "ResizeMix": keras_mixup.ResizeMix(seed=3, pairing="roll"),
    "FMix": keras_mixup.FMix(seed=3, per="example", pairing="roll"),
}


def network(up=1):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4, 6, 2))
    stage = keras.layers.Conv2D(4, 3, padding="same", activation="tanh", name="stage")
    features = stage(inputs)
    if up > 1:
        features = keras.layers.UpSampling2D(up)(features)
    logits = keras.layers.Conv2D(CLASSES, 1, name="logits")(features)
    return keras.Model(inputs, logits)


def step(net, policy, y, weights=None, loss=None, mix_at="input", **compiled):
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = keras_mixup.MixUpModel(net, policy, mix_at=mix_at)
    compiled = {"jit_compile": False, **compiled}
    model.compile(keras.optimizers.SGD(0.0), loss, **compiled)
    return model.train_on_batch(X, y, weights)


def at_positions(weights, shape):
    if weights is None or weights.ndim > 1:
        return weights
    return np.broadcast_to(weights[:, np.newaxis, np.newaxis], shape)


@pytest.mark.parametrize(
    ("kind", "weighted", "jit_compile"),
    [
        *((kind, "none", False) for kind in POLICIES),
        *(("CutMix", weighted, False) for weighted in WEIGHTS),
        ("CutMix", "of positions", True),
    ],
)
def test_the_loss_is_that_of_what_each_position_shows(kind, weighted, jit_compile):
    """Keras's own loss of the pasted map and of the pasted weights."""
    net, policy, weights = network(), POLICIES[kind], WEIGHTS[weighted]
    draw = placed.draw_at(policy, X)
    logits = net.predict(placed.pasted(X, draw), verbose=0)
    if weights is not None:
        weights = placed.pasted(at_positions(weights, MAPS.shape), draw)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    expected = float(loss(placed.pasted(MAPS, draw), logits, weights))
    found = step(net, policy, MAPS, WEIGHTS[weighted], jit_compile=jit_compile)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_void_class_of_the_loss_goes_along():
    net, policy = network(), POLICIES["CutMix"]
    maps = np.where(GENERATOR.random(MAPS.shape) < 0.3, VOID, MAPS).astype("uint8")
    draw = placed.draw_at(policy, X)
    logits = net.predict(placed.pasted(X, draw), verbose=0)
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=VOID
    )
    expected = float(loss(placed.pasted(maps, draw), logits))
    found = step(net, policy, maps, loss=loss, run_eagerly=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("mix_at", ["stage", ["input", "stage"]])
def test_a_map_finer_than_hidden_features(mix_at):
    net, policy = network(up=2), POLICIES["CutMix"]
    maps = GENERATOR.integers(0, CLASSES, (SIZE, 8, 12))
    if mix_at == "stage":
        stage = keras.Model(net.input, net.get_layer("stage").output)
        features = stage.predict(X, verbose=0)
        draw = placed.draw_at(policy, features)
        mixed = np.repeat(np.repeat(placed.pasted(features, draw), 2, 1), 2, 2)
        logits = net.get_layer("logits")(mixed)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        expected = float(loss(placed.pasted(maps, draw), logits))
        found = step(net, policy, maps, mix_at=mix_at, run_eagerly=True)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    else:
        assert np.isfinite(step(net, policy, maps, mix_at=mix_at, run_eagerly=True))


def test_values_at_positions_are_no_shared_quantities():
    net, policy = network(), POLICIES["CutMix"]
    depth = GENERATOR.normal(size=(SIZE, 4, 6, CLASSES)).astype("float32") * 9
    draw = placed.draw_at(policy, X)
    predicted = net.predict(placed.pasted(X, draw), verbose=0)
    expected = np.mean((predicted - placed.pasted(depth, draw)) ** 2)
    found = step(net, policy, depth, loss="mse", run_eagerly=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def two_outputs():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4, 6, 2))
    features = keras.layers.Conv2D(4, 3, padding="same", name="stage")(inputs)
    logits = keras.layers.Conv2D(CLASSES, 1, name="map")(features)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    label = keras.layers.Dense(CLASSES, name="label")(pooled)
    return keras.Model(inputs, {"map": logits, "label": label})


def test_a_map_and_a_label_of_one_batch():
    net, policy = two_outputs(), POLICIES["CutMix"]
    labels = np.array([0, 1, 2, 1])
    draw = placed.draw_at(policy, X)
    predicted = net.predict(placed.pasted(X, draw), verbose=0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    maps, of_labels = WEIGHTS["of positions"], WEIGHTS["of examples"]
    rows = placed.mixed_rows(np.eye(3)[labels] * of_labels[:, np.newaxis], draw)
    logs = predicted["label"] - np.log(np.exp(predicted["label"]).sum(1, keepdims=True))
    expected = float(
        loss(placed.pasted(MAPS, draw), predicted["map"], placed.pasted(maps, draw))
    ) + np.mean(-(rows * logs).sum(1))
    model = keras_mixup.MixUpModel(net, policy)
    model.compile(
        keras.optimizers.SGD(0.0), {"map": loss, "label": loss}, run_eagerly=True
    )
    y, weights = {"map": MAPS, "label": labels}, {"map": maps, "label": of_labels}
    found = model.train_on_batch(X, y, weights)
    np.testing.assert_allclose(np.ravel(found)[0], expected, rtol=1e-5)


def test_policies_that_average_and_paste_are_refused_beside_a_map():
    policy = keras_mixup.RandomChoice([keras_mixup.MixUp(), keras_mixup.CutMix()])
    with pytest.raises(ValueError, match="`y` has an entry at each position.*pipeline"):
        step(network(), policy, MAPS, run_eagerly=True)
    pasting = keras_mixup.RandomChoice([keras_mixup.CutMix(), keras_mixup.FMix()])
    assert np.isfinite(step(network(), pasting, MAPS, run_eagerly=True))


@pytest.mark.parametrize(
    ("shape", "message"),
    [((SIZE, 3, 6), "positions that are not those"), ((SIZE, 4, 7), r"\[4, 6\]")],
)
def test_a_map_that_does_not_fit(shape, message):
    with pytest.raises(ValueError, match=message):
        step(network(), POLICIES["CutMix"], np.zeros(shape, "int32"), run_eagerly=True)


def test_weights_that_are_not_one_for_each_target():
    with pytest.raises(ValueError, match="one weight for each of 2 targets.*1"):
        dense_targets.paste([MAPS] * 2, [1], [MAPS] * 2, [1], [True] * 2, [])
