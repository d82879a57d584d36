"""Mixing at hidden layers, against a forward pass written out."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import keys, sampling
from keras_mixup.training import cuts, layer_names
from tests import oracles

GENERATOR = np.random.default_rng(0)
SIZE = 6
X = GENERATOR.normal(size=(SIZE, 4)).astype("float32")
Y = np.array([0, 1, 2, 2, 1, 0])
LAM = keras_mixup.sample_lambda(1.0, (), seed=3, step=0).numpy()
PARTNER = keras_mixup.sample_partner(SIZE, seed=3, step=0).numpy()
MixFeatures = keras_mixup.layers.MixFeatures


def mlp():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    first = keras.layers.Dense(5, "tanh", name="first")(inputs)
    second = keras.layers.Dense(5, "tanh", name="second")(first)
    outputs = keras.layers.Dense(3, name="logits")(second)
    return keras.Model(inputs, outputs)


def residual():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    branch = keras.layers.Dense(4, "tanh", name="branch")(inputs)
    branch = MixFeatures(name="inside")(branch)
    added = keras.layers.Add(name="added")([inputs, branch])
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(added))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(5, "tanh")
        self.point = MixFeatures(name="point")
        self.last = keras.layers.Dense(3)

    def call(self, inputs):
        return self.last(self.point(self.first(inputs)))


def trained(net, mix_at, jit_compile=False, **settings):
    """The loss of one SGD step of a MixUpModel and the weights after it."""
    policy = keras_mixup.MixUp(**{"alpha": 1.0, "seed": 3, **settings})
    model = keras_mixup.MixUpModel(net, policy, mix_at=mix_at)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.5), loss, jit_compile=jit_compile)
    return float(model.train_on_batch(X, Y)), [w.numpy() for w in net.weights]


def by_hand(net, forward):
    """The same step by a forward pass that is given, with its own tape."""
    with tf.GradientTape() as tape:
        logits = forward(net, tf.constant(X))
        terms = [
            tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
            for y in (Y, Y[PARTNER])
        ]
        loss = tf.reduce_mean(LAM * terms[0] + (1 - LAM) * terms[1])
    gradients = tape.gradient(loss, net.trainable_weights)
    updated = [
        (w - 0.5 * g).numpy()
        for w, g in zip(net.trainable_weights, gradients, strict=True)
    ]
    return float(loss), updated


def mixed(features):
    return LAM * features + (1 - LAM) * tf.gather(features, PARTNER)


def forward_mlp(place):
    def forward(net, x):
        for name in ("input", "first", "second", "logits"):
            x = x if name == "input" else net.get_layer(name)(x)
            x = mixed(x) if name == place else x
        return x

    return forward


def forward_residual(net, x):
    branch = mixed(net.get_layer("branch")(x))
    return net.get_layer("logits")(x + branch)


def forward_subclassed(net, x):
    return net.last(mixed(net.first(x)))


def subclassed():
    keras.utils.set_random_seed(1)
    net = Subclassed()
    net(X)
    return net


PLACES = {
    "input": (mlp, "input", forward_mlp("input")),
    "first": (mlp, "first", forward_mlp("first")),
    "second": (mlp, "second", forward_mlp("second")),
    "residual": (residual, "inside", forward_residual),
    "subclassed": (subclassed, "point", forward_subclassed),
}


# XLA takes seconds for each: a cut and a point of a subclassed network are enough.
@pytest.mark.parametrize(
    ("build", "place", "forward", "jit_compile"),
    [
        pytest.param(
            *(*case, jit),
            marks=pytest.mark.slow
            if jit and name not in ("first", "subclassed")
            else (),
            id=f"{name}-{jit}",
        )
        for name, case in PLACES.items()
        for jit in (False, True)
    ],
)
def test_features_are_mixed_at_the_named_place(build, place, forward, jit_compile):
    expected_loss, expected = by_hand(build(), forward)
    loss, weights = trained(build(), [place], jit_compile)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    "jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_of_several_places_the_drawn_one_mixes(seed, jit_compile):
    names = ["second", "input", "first"]
    chosen = names[int(sampling.choice_of(keys.make_key(seed, 0, 0), 3))]
    one = trained(mlp(), [chosen], jit_compile, seed=seed)
    several = trained(mlp(), names, jit_compile, seed=seed)
    assert several[0] == pytest.approx(one[0], rel=1e-6)
    for a, b in zip(one[1], several[1], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_all_places_are_drawn_over_steps():
    drawn = {int(sampling.choice_of(keys.make_key(0, step), 3)) for step in range(30)}
    assert drawn == {0, 1, 2}


PLAIN = {
    mlp: lambda net, x: forward_mlp(None)(net, x),
    residual: lambda net, x: net.get_layer("logits")(x + net.get_layer("branch")(x)),
    subclassed: lambda net, x: net.last(net.first(x)),
}
PLACES = {mlp: "first", residual: "inside", subclassed: "point"}


@pytest.mark.parametrize("build", PLAIN)
def test_inference_and_evaluation_never_mix(build):
    net = build()
    policy = keras_mixup.MixUp(8.0, pairing="derangement", seed=3)
    model = keras_mixup.MixUpModel(net, policy, mix_at=[PLACES[build]])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"], run_eagerly=True)
    model.fit(X, Y, verbose=0)
    # Layer by layer, past the mixing points: the network itself would hide a fault.
    plain = PLAIN[build](net, tf.constant(X)).numpy()
    np.testing.assert_allclose(model.predict(X, verbose=0), plain, atol=1e-6)
    np.testing.assert_allclose(model(X, training=True), plain, atol=1e-6)
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(float(loss(Y, plain)), rel=1e-5)


def test_batch_normalization_sees_the_mixed_features_and_is_updated():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(5, name="first")(inputs)
    normal = keras.layers.BatchNormalization(momentum=0.0, name="norm")(hidden)
    net = keras.Model(inputs, keras.layers.Dense(3)(normal))
    features = net.get_layer("first")(X).numpy()
    trained(net, ["first"])
    expected = oracles.mix(features, LAM, PARTNER).mean(0)
    np.testing.assert_allclose(net.get_layer("norm").moving_mean, expected, atol=1e-5)


@pytest.mark.parametrize(
    "jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_a_network_that_is_built_by_its_first_step(jit_compile):
    point = keras_mixup.layers.MixFeatures(name="point")
    network = keras.Sequential([keras.layers.Dense(4), point, keras.layers.Dense(3)])
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1), "point")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=jit_compile)
    x = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    history = model.fit(x, np.arange(6) % 3, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def words_model(alpha, mix_at, **settings):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((5,), dtype="int32")
    features = keras.layers.Embedding(9, 4, mask_zero=True)(inputs)
    for name in ("one", "two"):
        features = keras_mixup.layers.MixFeatures(name=name)(features)
    pooled = keras.layers.GlobalAveragePooling1D()(features)
    network = keras.Model(inputs, keras.layers.Dense(3)(pooled))
    if alpha is None:
        return network
    policy = keras_mixup.MixUp(alpha, seed=2, **settings)
    return keras_mixup.MixUpModel(network, policy, mix_at)


def loss_of_words(model):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=True)
    x = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 0], [7, 0, 0, 0, 0], [8, 1, 2, 3, 4]])
    return model.fit(x, np.array([0, 1, 2, 0]), verbose=0).history["loss"]


@pytest.mark.parametrize("per", ["batch", "example"])
def test_the_mask_of_a_partner_of_weight_zero_is_left_out(per):
    plain = loss_of_words(words_model(None, None))
    warm = keras_mixup.AlphaSchedule(1.0, warm_up=100)
    for alpha, settings in ((warm, {}), (1.0, {"probability": 1e-9})):
        model = words_model(alpha, ["one"], per=per, **settings)
        np.testing.assert_allclose(loss_of_words(model), plain, rtol=1e-6)


def test_a_point_that_is_not_drawn_leaves_the_mask_alone():
    found = [loss_of_words(words_model(1.0, at)) for at in (["one"], ["two"])]
    np.testing.assert_allclose(*found, rtol=1e-6)
    both = loss_of_words(words_model(1.0, ["one", "two"]))
    np.testing.assert_allclose(both, found[0], rtol=1e-6)


@keras.saving.register_keras_serializable("tests")
class Watch(keras.layers.Layer):
    """A layer that uses its mask and shows it."""

    seen = []

    def call(self, inputs, mask=None):
        Watch.seen.append(mask)
        return keras.ops.mean(inputs, axis=1)

    def compute_mask(self, inputs, previous_mask):
        return None


@pytest.mark.parametrize("loaded", [False, True])
def test_a_mixed_sequence_is_as_long_as_the_longest_of_its_parts(loaded, tmp_path):
    tokens = np.zeros((SIZE, 6), "int32")
    for i in range(SIZE):
        tokens[i, : i + 1] = 1 + i
    inputs = keras.Input((6,), dtype="int32")
    features = keras.layers.Embedding(9, 4, mask_zero=True, name="words")(inputs)
    features = MixFeatures(name="point")(features)
    net = keras.Model(inputs, keras.layers.Dense(3)(Watch()(features)))
    if loaded:
        net.save(tmp_path / "net.keras")
        net = keras.models.load_model(tmp_path / "net.keras")
    policy = keras_mixup.MixUp(1.0, pairing="reverse", seed=3)
    model = keras_mixup.MixUpModel(net, policy, ["point"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    model.train_on_batch(tokens, Y)
    expected = (tokens > 0) | (tokens[::-1] > 0)
    np.testing.assert_array_equal(Watch.seen[-1], expected)
    model.predict(tokens, verbose=0)
    np.testing.assert_array_equal(Watch.seen[-1], tokens > 0)
    with pytest.raises(ValueError, match="use a mask.*MixFeatures"):
        model_at(net, ["words"])


def test_a_sequential_network_is_cut_too():
    keras.utils.set_random_seed(1)
    net = keras.Sequential([keras.Input((4,))])
    net.add(keras.layers.Dense(5, "tanh", name="first"))
    net.add(keras.layers.Dense(5, "tanh", name="second"))
    net.add(keras.layers.Dense(3, name="logits"))
    net.set_weights(mlp().get_weights())
    one, other = trained(net, ["second"]), trained(mlp(), ["second"])
    assert one[0] == pytest.approx(other[0], rel=1e-6)


def test_it_is_saved_and_loaded_and_trains_on_alike(tmp_path):
    losses = []
    policy = keras_mixup.MixUp(1.0, seed=3)
    model = keras_mixup.MixUpModel(residual(), policy, ["input", "inside", "added"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, loss, metrics=["accuracy"], run_eagerly=True)
    model.fit(X, Y, epochs=2, batch_size=4, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.mix_at == ["input", "inside", "added"]
    for one in (model, loaded):
        one.fit(X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0)
        losses.append([w.numpy() for w in one.weights])
    for a, b in zip(*losses, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def model_at(net, mix_at):
    return keras_mixup.MixUpModel(net, keras_mixup.MixUp(), mix_at=mix_at)


def test_an_unknown_name_raises_with_the_names_that_exist():
    with pytest.raises(ValueError, match=r"'first', 'second'\].*'third'"):
        model_at(mlp(), ["third"])
    with pytest.raises(ValueError, match=r"Nearest: \['second'\]"):
        model_at(mlp(), ["secnd"])
    with pytest.raises(ValueError, match=r"\['input', 'point'\].*'middle'"):
        model_at(subclassed(), ["middle"])
    with pytest.raises(ValueError, match="at least one"):
        model_at(mlp(), [])


def test_places_that_cannot_be_cut_raise_and_name_mix_features():
    with pytest.raises(ValueError, match="MixFeatures"):
        model_at(residual(), ["branch"])
    net = subclassed()
    with pytest.raises(ValueError, match="subclassed.*MixFeatures"):
        model_at(net, [net.first.name])
    shared = keras.layers.Dense(4, name="shared")
    inputs = keras.Input((4,))
    twice = keras.Model(inputs, shared(shared(inputs)))
    with pytest.raises(ValueError, match="MixFeatures"):
        model_at(twice, ["shared"])


def test_the_message_names_what_can_be_cut_and_stays_short():
    net = keras_mixup.models.build(
        "preact_resnet18", input_shape=(8, 8, 3), num_classes=3, width=2
    )
    can = layer_names.that_can_be_cut(net)
    for name in can:
        assert len(cuts.cut(net, [name])) == 2
    for layer in {one.name for one in net.layers[1:-1]} - set(can):
        with pytest.raises(ValueError, match="cannot be cut"):
            cuts.cut(net, [layer])
    with pytest.raises(ValueError, match=r"Nearest: \[.*in all") as found:
        model_at(net, [f"{can[3]}x"])
    assert f"'{can[3]}'" in str(found.value)
    assert len(str(found.value)) < 450


def test_a_point_that_is_not_reached_or_reached_twice_raises():
    class Skips(Subclassed):
        def call(self, inputs):
            return self.last(self.first(inputs))

    class Repeats(Subclassed):
        def call(self, inputs):
            return self.last(self.point(self.point(self.first(inputs))))

    for kind, message in ((Skips, "not reached"), (Repeats, "called twice")):
        with pytest.raises(ValueError, match=message):
            trained(kind(), ["point"])


def test_a_whole_number_input_cannot_hold_a_mixed_example():
    inputs = keras.Input((4,), dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 255, name="scaled")(inputs)
    net = keras.Model(inputs, keras.layers.Dense(3)(scaled))
    with pytest.raises(ValueError, match=r"uint8.*dtype=\"float32\".*mix_at"):
        model_at(net, ["input"])
    trained(net, ["scaled"])


@pytest.mark.parametrize("nothing", [None, [], ""])
def test_no_name_raises(nothing):
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="`mix_at`"):
        model_at(network, nothing)


def test_a_name_twice_raises():
    with pytest.raises(ValueError, match="all different"):
        model_at(mlp(), ["first", "first"])


def test_whole_numbers_cannot_be_mixed_at_a_point_either():
    tokens = keras.Input((4,), dtype="int32", name="tokens")
    point = MixFeatures(name="point")(tokens)
    words = keras.layers.Embedding(9, 4)(point)
    outputs = keras.layers.Dense(3)(keras.layers.Flatten()(words))
    net = keras.Model(tokens, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for place in ("point", "tokens"):
        model = model_at(net, [place])
        model.compile("sgd", loss)
        with pytest.raises(ValueError, match="int32"):
            model.train_on_batch(np.ones((SIZE, 4), "int32"), Y)


def test_a_sequential_that_is_not_built_is_told_to_begin_with_input():
    net = keras.Sequential([keras.layers.Dense(3, name="only")])
    with pytest.raises(ValueError, match="begin it with Input"):
        model_at(net, ["only"])


def test_a_point_of_two_tensors_mixes_both_alike():
    inputs = keras.Input((3,))
    first = keras.layers.Dense(4, name="first")(inputs)
    one, other = MixFeatures(name="both")([first, inputs])
    outputs = keras.layers.Dense(2, name="last")(
        keras.layers.Concatenate()([one, other])
    )
    network = keras.Model(inputs, outputs)
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=4), ["both"])
    model.compile(keras.optimizers.SGD(0.0), loss="mse")
    generator = np.random.default_rng(2)
    x, y = generator.normal(size=(5, 3)), generator.normal(size=(5, 2))
    loss = model.train_on_batch(x, y)
    lam = float(keras_mixup.sample_lambda(1.0, (), seed=4, step=0))
    partner = np.asarray(keras_mixup.sample_partner(5, seed=4, step=0))
    kernel, bias = network.get_layer("first").get_weights()
    last = network.get_layer("last").get_weights()
    mixed = oracles.mix(np.concatenate([x @ kernel + bias, x], axis=1), lam, partner)
    expected = np.mean((mixed @ last[0] + last[1] - oracles.mix(y, lam, partner)) ** 2)
    assert float(np.ravel(loss)[0]) == pytest.approx(expected, rel=1e-4)
