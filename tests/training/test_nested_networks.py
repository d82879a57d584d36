"""Cuts inside of a network that is a layer of another, against a loop."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup.training import layer_names
from tests.training.test_hidden_layers import X, Y, by_hand, mixed, trained


def backbone():
    inputs = keras.Input((4,))
    first = keras.layers.Dense(5, "tanh", name="first")(inputs)
    second = keras.layers.Dense(5, "tanh", name="second")(first)
    return keras.Model(inputs, second, name="backbone")


def functional(inner=backbone):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    hidden = inner()(keras.layers.Dense(4, name="stem")(inputs))
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(hidden))


def sequential():
    keras.utils.set_random_seed(1)
    inner = keras.Sequential(backbone().layers, name="backbone")
    layers = [keras.layers.Dense(4, name="stem"), inner]
    logits = keras.layers.Dense(3, name="logits")
    return keras.Sequential([keras.layers.Input((4,)), *layers, logits])


def forward(place):
    """The forward pass of these networks, mixed at one place."""

    def run(net, x):
        inner = net.get_layer("backbone")
        for layer in (
            *(net.get_layer("stem"), inner.get_layer("first")),
            *(inner.get_layer("second"), net.get_layer("logits")),
        ):
            x = layer(x)
            x = mixed(x) if layer.name == place else x
        return x

    return run


@pytest.mark.parametrize("place", ["backbone/first", "backbone/second"])
@pytest.mark.parametrize("build", [functional, sequential])
def test_features_are_mixed_inside_of_a_nested_network(build, place):
    loss, weights = trained(build(), [place])
    net = build()
    expected, updated = by_hand(net, forward(place.rpartition("/")[2]))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert len(weights) == len(updated) == 8
    for one, two in zip(weights, updated, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_several_places_are_sorted_and_each_is_drawn():
    places = ["logits", "backbone", "backbone/first", "stem", "backbone/second"]
    net = functional()
    assert sorted(places, key=layer_names.order_of(net)) == [
        *("stem", "backbone/first", "backbone/second", "backbone", "logits")
    ]
    names = {"stem": "stem", "backbone/first": "first", "backbone": "second"}
    losses = {name: by_hand(functional(), forward(of))[0] for name, of in names.items()}
    found = trained(functional(), list(names))[0]
    assert any(abs(found - one) < 1e-5 for one in losses.values())
    assert len({round(one, 4) for one in losses.values()}) == 3


def test_the_network_keeps_its_weights_its_output_and_its_graph(tmp_path):
    net = functional()
    before, count = net.predict(X, verbose=0), len(net.layers)
    model = keras_mixup.MixUpModel(
        net, keras_mixup.MixUp(1.0, seed=3), "backbone/first"
    )
    np.testing.assert_array_equal(model.predict(X, verbose=0), before)
    assert len(net.layers) == count
    assert len(model.trainable_weights) == 8
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    model.train_on_batch(X, Y)
    for name, one in (("model", model), ("net", net)):
        one.save(tmp_path / f"{name}.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    alone = keras.models.load_model(tmp_path / "net.keras")
    after = net.predict(X, verbose=0)
    assert np.abs(after - before).max() > 1e-4
    np.testing.assert_array_equal(alone.predict(X, verbose=0), after)
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), after)
    losses = [one.train_on_batch(X, Y) for one in (model, loaded)]
    np.testing.assert_allclose(*losses, rtol=1e-6)


def frozen(training):
    """A backbone of batch norm and dropout, called with that `training`."""

    def inner():
        inputs = keras.Input((4,), dtype="float32")
        features = keras.layers.Dense(5, name="first")(inputs)
        features = keras.layers.BatchNormalization(name="norm")(features)
        net = keras.Model(inputs, features, name="backbone")
        net.trainable = False
        return net if training is None else lambda x: net(x, training=training)

    return inner


@pytest.mark.parametrize("training", [None, False])
def test_a_frozen_backbone_stays_in_inference(training):
    net = functional(frozen(training))
    policy = keras_mixup.MixUp(1.0, seed=3)
    model = keras_mixup.MixUpModel(net, policy, "backbone/first")
    assert len(model.trainable_weights) == 4
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(X, Y)
    norm = net.get_layer("backbone").get_layer("norm")
    np.testing.assert_array_equal(norm.moving_mean, np.zeros(5))


def test_bytes_are_cast_as_the_nested_network_casts_them():
    def build():
        keras.utils.set_random_seed(1)
        pixels = keras.Input((4,), dtype="uint8")
        inputs = keras.Input((4,), dtype="float32")
        first = keras.layers.Dense(5, name="first")(inputs - 0.5)
        inner = keras.Model(inputs, first, name="backbone")
        return keras.Model(pixels, keras.layers.Dense(3)(inner(pixels)))

    net, x = build(), np.arange(24, dtype="uint8").reshape(6, 4)
    model = keras_mixup.MixUpModel(net, keras_mixup.MixUp(1.0), "backbone/first")
    first, second = model._segments
    np.testing.assert_allclose(second(first(x)), net(x), rtol=1e-5)


def test_a_point_may_be_named_by_its_path():
    def inner():
        inputs = keras.Input((4,))
        point = keras_mixup.layers.MixFeatures(name="point")
        branch = point(keras.layers.Dense(4, name="branch")(inputs))
        return keras.Model(
            inputs, keras.layers.Add()([inputs, branch]), name="backbone"
        )

    by_path, by_name = (
        trained(functional(inner), [name])[0] for name in ("backbone/point", "point")
    )
    assert by_path == by_name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("first", r"Nearest: \['backbone/first'\]"),
        ("backbone/frist", r"Nearest: \['backbone/first'"),
        ("backbon/first", r"Nearest: \['backbone/first'"),
        ("nowhere", r"one of \['input', 'stem', 'backbone'\]. Received"),
    ],
)
def test_a_wrong_path_raises_with_the_nearest(name, message):
    with pytest.raises(ValueError, match=message):
        keras_mixup.MixUpModel(functional(), keras_mixup.MixUp(), name)


def test_a_place_inside_that_cannot_be_cut_raises():
    class Own(keras.Model):
        def call(self, inputs):
            return 2 * self.layers[-1](self.layers[-2](inputs))

    def own():
        net = backbone()
        return Own(net.input, net.output, name="backbone")

    with pytest.raises(ValueError, match="Own has its own `call`"):
        keras_mixup.MixUpModel(functional(own), keras_mixup.MixUp(), "backbone/first")
    net = backbone()
    twice = keras.Model(net.input, net.output, name="backbone")
    inputs = keras.Input((4,))
    both = keras.layers.Add()([twice(inputs), twice(tf.constant(2.0) * inputs)])
    with pytest.raises(ValueError, match="called 2 times"):
        model = keras.Model(inputs, both)
        keras_mixup.MixUpModel(model, keras_mixup.MixUp(), "backbone/first")


def test_a_place_that_cannot_be_cut_names_paths_that_mix_at_takes():
    inside = keras.Input((4,))
    stem = keras.layers.Dense(4, name="stem")(inside)
    branch = keras.layers.Dense(4, name="branch")(stem)
    last = keras.layers.Dense(4, name="last")(keras.layers.Add()([stem, branch]))
    backbone = keras.Model(inside, last, name="backbone")
    inputs = keras.Input((4,))
    network = keras.Model(inputs, keras.layers.Dense(3)(backbone(inputs)))
    mixup = keras_mixup.MixUp(1.0)
    with pytest.raises(ValueError, match="such as .*'backbone/stem'") as caught:
        keras_mixup.MixUpModel(network, mixup, mix_at=["backbone/branch"])
    assert "'stem'" not in str(caught.value).split("Keras says")[0]
    keras_mixup.MixUpModel(network, mixup, mix_at=["backbone/stem"])
