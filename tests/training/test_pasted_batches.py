"""MixUpModel with policies that paste, against steps written out."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import keys, sampling
from tests import oracles, placed

GENERATOR = np.random.default_rng(0)
SIZE, CLASSES = 6, 3
X = GENERATOR.normal(size=(SIZE, 8, 8, 2)).astype("float32")
Y = np.array([0, 1, 2, 2, 1, 0])
CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
POLICIES = {
    "CutMix": keras_mixup.CutMix(seed=3),
    "CutMix of each": keras_mixup.CutMix(seed=3, per="example"),
    "three": keras_mixup.CutMix(seed=3, examples=3),
    "ResizeMix": keras_mixup.ResizeMix(seed=3),
    "FMix": keras_mixup.FMix(seed=3, per="example"),
    "RandomChoice": keras_mixup.RandomChoice(
        [keras_mixup.CutMix(), keras_mixup.FMix()], seed=3
    ),
}


def images():
    """A network of one stage of 4 x 4 positions."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 2))
    stage = keras.layers.Conv2D(4, 2, 2, activation="tanh", name="stage")(inputs)
    flat = keras.layers.Flatten()(stage)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="logits")(flat))


def model_of(network, policy, mix_at=("input",), loss=CROSS_ENTROPY, **compiled):
    """Compiled so that a step leaves the weights as they are."""
    model = keras_mixup.MixUpModel(network, policy, mix_at=mix_at)
    model.compile(keras.optimizers.SGD(0.0), loss, **{"jit_compile": False, **compiled})
    return model


def cross_entropy(logits, labels):
    """The loss of each example."""
    return np.array(
        [oracles.cross_entropy(y, z) for y, z in zip(labels, logits, strict=True)]
    )


def loss_by_hand(draw, logits, y=Y):
    """`sum_k s_k L(y_k)` with the shares of counted positions."""
    own, partners = placed.shares(draw, len(y)), placed.partners_of(draw, len(y))
    terms = [own[:, k] * cross_entropy(logits, y[p]) for k, p in enumerate(partners)]
    return np.mean(sum(terms))


@pytest.mark.parametrize(
    ("kind", "jit_compile"),
    [*((kind, False) for kind in POLICIES), ("CutMix", True)],
)
def test_the_loss_at_the_input(kind, jit_compile):
    network, policy = images(), POLICIES[kind]
    draw = placed.draw_at(policy, X)
    expected = loss_by_hand(draw, network.predict(placed.pasted(X, draw), verbose=0))
    model = model_of(network, policy, jit_compile=jit_compile)
    np.testing.assert_allclose(model.train_on_batch(X, Y), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "jit_compile"),
    [
        *((kind, False) for kind in POLICIES),
        pytest.param("ResizeMix", True, marks=pytest.mark.slow),
    ],
)
def test_the_loss_at_a_hidden_layer_has_the_share_of_its_positions(kind, jit_compile):
    network, policy = images(), POLICIES[kind]
    expected = hidden_loss(network, policy)
    model = model_of(network, policy, ["stage"], jit_compile=jit_compile)
    np.testing.assert_allclose(model.train_on_batch(X, Y), expected, rtol=1e-5)


def hidden_loss(network, policy, step=0):
    stage = network.get_layer("stage")
    features = keras.Model(network.input, stage.output).predict(X, verbose=0)
    draw = placed.draw_at(policy, features, step)
    assert [int(size) for size in draw.grid.sizes] == [4, 4]
    mixed = placed.pasted(features, draw).reshape(SIZE, -1)
    return loss_by_hand(draw, network.get_layer("logits")(mixed).numpy())


def test_of_several_places_one_mixes_and_the_targets_go_by_it():
    network, policy = images(), POLICIES["CutMix of each"]
    names = ["input", "stage"]
    model = model_of(network, policy, names)
    seen = set()
    for step in range(4):
        which = int(sampling.choice_of(keys.make_key(3, step, 0), 2))
        seen.add(which)
        if which:
            expected = hidden_loss(network, policy, step)
        else:
            draw = placed.draw_at(policy, X, step)
            mixed = placed.pasted(X, draw)
            expected = loss_by_hand(draw, network.predict(mixed, verbose=0))
        model.reset_metrics()
        np.testing.assert_allclose(model.train_on_batch(X, Y), expected, rtol=1e-5)
    assert len(seen) == 2


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.stage = keras.layers.Conv2D(4, 2, 2)
        self.point = keras_mixup.layers.MixFeatures(name="point")
        self.logits = keras.layers.Dense(CLASSES)

    def call(self, inputs):
        features = self.point(self.stage(inputs))
        return self.logits(tf.reshape(features, [-1, 64]))


def test_a_point_inside_of_a_subclassed_network():
    keras.utils.set_random_seed(1)
    network, policy = Subclassed(), POLICIES["FMix"]
    features = network.stage(X).numpy()
    network(X)
    draw = placed.draw_at(policy, features)
    mixed = placed.pasted(features, draw).reshape(SIZE, 64)
    expected = loss_by_hand(draw, network.logits(mixed).numpy())
    model = model_of(network, policy, "point")
    np.testing.assert_allclose(model.train_on_batch(X, Y), expected, rtol=1e-5)


def test_metrics_see_each_part_with_its_share():
    network, policy = images(), POLICIES["CutMix of each"]
    draw = placed.draw_at(policy, X)
    logits = network.predict(placed.pasted(X, draw), verbose=0)
    own, partners = placed.shares(draw, SIZE), placed.partners_of(draw, SIZE)
    right = [logits.argmax(1) == Y[partner] for partner in partners]
    expected = sum(own[:, k] * hit for k, hit in enumerate(right)).mean()
    model = model_of(network, policy, metrics=["accuracy"], run_eagerly=True)
    _, accuracy = model.train_on_batch(X, Y)
    np.testing.assert_allclose(accuracy, expected, rtol=1e-5)


def test_each_replica_pastes_by_a_draw_of_its_own():
    x, y = np.concatenate([X, X[:2]]), np.concatenate([Y, Y[:2]])
    policy = keras_mixup.CutMix(seed=3, per="example")
    with oracles.two_replicas().scope():
        network = images()
        model = model_of(network, policy)
    halves = []
    for replica in range(2):
        part, labels = x[4 * replica :][:4], y[4 * replica :][:4]
        mixed = policy.at_step(0, (part, np.eye(3)[labels]), replica)
        logits, rows = network(mixed[0]).numpy(), mixed[1].numpy()
        classes = range(CLASSES)
        terms = [rows[:, c] * cross_entropy(logits, [c] * 4) for c in classes]
        halves.append(np.mean(sum(terms)))
    history = model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], [np.mean(halves)], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_tokens_are_cut_as_they_are(dtype):
    keras.utils.set_random_seed(1)
    tokens = GENERATOR.integers(1, 9, (SIZE, 7)).astype(dtype)
    inputs = keras.Input((7,), dtype=dtype)
    embedded = keras.layers.Embedding(9, 3)(inputs)
    pooled = keras.layers.Flatten()(embedded)
    network = keras.Model(inputs, keras.layers.Dense(CLASSES)(pooled))
    policy = POLICIES["CutMix of each"]
    draw = placed.draw_at(policy, tokens)
    mixed = placed.pasted(tokens, draw)
    expected = loss_by_hand(draw, network.predict(mixed, verbose=0))
    model = model_of(network, policy)
    np.testing.assert_allclose(model.train_on_batch(tokens, Y), expected, rtol=1e-5)


def test_padding_goes_with_what_is_pasted():
    """In a Masking layer behind the input, and behind an embedding with a mask."""
    keras.utils.set_random_seed(1)
    tokens = GENERATOR.integers(1, 9, (SIZE, 8))
    for i, length in enumerate([8, 3, 5, 1, 6, 2]):
        tokens[i, length:] = 0
    table = np.concatenate([np.zeros((1, 3)), GENERATOR.normal(size=(8, 3))])
    sequences = table[tokens].astype("float32")
    policy = keras_mixup.CutMix(seed=5, per="example")
    dense = keras.layers.Dense(CLASSES)
    inputs = keras.Input((8, 3))
    masked_ = keras.layers.Masking()(inputs)
    pooled = keras.layers.GlobalAveragePooling1D()(masked_)
    at_input = keras.Model(inputs, dense(pooled))
    ids = keras.Input((8,), dtype="int64")
    embedding = keras.layers.Embedding(9, 3, mask_zero=True, name="embedding")
    point = keras_mixup.layers.MixFeatures(name="point")(embedding(ids))
    inside = keras.Model(ids, dense(keras.layers.GlobalAveragePooling1D()(point)))
    embedding.set_weights([table])

    draw = placed.draw_at(policy, sequences)
    mixed, there = placed.pasted(sequences, draw), placed.pasted(tokens, draw) > 0
    means = [
        row[here].mean(0) if here.any() else np.zeros(3)
        for row, here in zip(mixed, there, strict=True)
    ]
    expected = loss_by_hand(draw, dense(np.array(means, "float32")).numpy())
    for network, x, name in ((at_input, sequences, "input"), (inside, tokens, "point")):
        model = model_of(network, policy, name)
        np.testing.assert_allclose(model.train_on_batch(x, Y), expected, rtol=1e-4)


def test_a_loaded_model_goes_on_with_the_same_draws(tmp_path):
    policy = keras_mixup.RandomChoice([keras_mixup.CutMix(), keras_mixup.ResizeMix()])
    model = model_of(images(), policy, run_eagerly=True)
    losses = []
    for step in range(3):
        model.reset_metrics()
        losses.append(model.train_on_batch(X, Y))
        if step == 0:
            model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.run_eagerly = True
    assert loaded.seed == model.seed and loaded.mixup.seed is None
    for expected in losses[1:]:
        loaded.reset_metrics()
        np.testing.assert_allclose(loaded.train_on_batch(X, Y), expected, rtol=1e-6)
    assert len(set(map(float, losses))) == 3


@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize("kind", ["CutMix", "RandomChoice"])
def test_a_quantity_is_refused_by_its_loss(kind, jit_compile):
    """Also in a step that XLA compiles, which leaves out what checks values."""
    for loss in ("mse", keras.losses.Huber(), ["mae"]):
        model = model_of(images(), POLICIES[kind], loss=loss, jit_compile=jit_compile)
        with pytest.raises(ValueError, match="as a quantity.*`share_quantities='y'"):
            model.train_on_batch(X, np.zeros((SIZE, CLASSES), "float32"))


def test_a_quantity_of_a_loss_of_ones_own_is_refused_by_its_values():
    own = lambda y, p: tf.reduce_mean((y - p) ** 2, -1)  # noqa: E731
    model = model_of(images(), POLICIES["CutMix"], loss=own, run_eagerly=True)
    model.train_on_batch(X, np.eye(3, dtype="float32")[Y])
    with pytest.raises(tf.errors.InvalidArgumentError, match="`y` is a quantity"):
        model.train_on_batch(X, np.full((SIZE, CLASSES), 3, "float32"))


def test_a_quantity_that_is_shared_by_area_has_to_be_named():
    amounts = GENERATOR.normal(size=(SIZE, CLASSES)).astype("float32")
    network = images()
    policy = keras_mixup.CutMix(seed=3, per="example", share_quantities="y")
    draw = placed.draw_at(policy, X)
    predicted = network.predict(placed.pasted(X, draw), verbose=0)
    rows = placed.mixed_rows(amounts, draw)
    model = model_of(network, policy, loss="mse", run_eagerly=True)
    expected = np.mean((predicted - rows) ** 2)
    np.testing.assert_allclose(model.train_on_batch(X, amounts), expected, rtol=1e-5)


def test_without_mixing_tokens_stay_integers_beside_smoothed_labels():
    inputs = keras.Input((4,), dtype="int32")
    outputs = keras.layers.Flatten()(keras.layers.Embedding(5, 2)(inputs))
    network = keras.Model(inputs, keras.layers.Dense(CLASSES)(outputs))
    policy = keras_mixup.CutMix(0.0, label_smoothing=0.1, seed=1)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model = model_of(network, policy, loss=loss, run_eagerly=True)
    tokens, rows = np.ones((SIZE, 4), "int32"), np.eye(3, dtype="float32")[Y]
    smoothed = rows * 0.9 + 0.1 / 3
    expected = float(loss(smoothed, network(tokens)))
    np.testing.assert_allclose(model.train_on_batch(tokens, rows), expected, rtol=1e-5)
