"""Inputs of a network in a train step: what is mixed, what passes, what is padding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup.draws import Draw
from keras_mixup.mixing_points import MixingPoints
from keras_mixup.training import mixed_inputs
from tests import oracles

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(4, 3)).astype("float32")
PARTNER = np.array([1, 2, 3, 0])
LAM = np.array([0.3, 1.0, 0.0, 0.6], "float32")


def mixed(network, x, lam=0.3, mode="eager", **settings):
    policy = keras_mixup.MixUp(**settings)

    def mix(x):
        own = tf.constant(lam, tf.float32)
        draw = Draw([own, 1 - own], [tf.constant(PARTNER)])
        points = MixingPoints({"input": draw}, policy, None)
        return mixed_inputs.mix_inputs(network, x, points)

    return oracles.run(mode, mix, x)


def network_of(inputs):
    flat = [keras.layers.Flatten()(one) for one in keras.tree.flatten(inputs)]
    flat = [keras.ops.cast(one, "float32") for one in flat]
    return keras.Model(
        inputs, keras.layers.Concatenate()(flat) if flat[1:] else flat[0]
    )


def masked_network(mask_value, length=4, sequential=False):
    if sequential:
        network = keras.Sequential(
            [keras.Input((length, 2)), keras.layers.Masking(mask_value)]
        )
        return network
    inputs = keras.Input((length, 2))
    return keras.Model(inputs, keras.layers.Masking(mask_value)(inputs))


def looped_sequences(x, padding, lam):
    """Position by position: the mean of the parts that are there, else padding."""
    lam = np.broadcast_to(lam, len(x))
    result = np.empty_like(x)
    for i, t in np.ndindex(x.shape[:2]):
        parts = [(lam[i], x[i, t]), (1 - lam[i], x[PARTNER[i], t])]
        there = [(w, part) for w, part in parts if w and (part != padding).any()]
        total = sum(w for w, _ in there)
        result[i, t] = x[i, t]
        if there:
            result[i, t] = sum(w * part for w, part in there) / total
    return result


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("mask_value", [0.0, -1.0])
@pytest.mark.parametrize("lam", [0.3, LAM], ids=["batch", "example"])
@pytest.mark.parametrize("sequential", [False, True])
def test_padding_of_a_masking_layer_weighs_nothing(mode, mask_value, lam, sequential):
    x = GENERATOR.uniform(1, 2, (4, 4, 2)).astype("float32")
    x[np.arange(4)[None] >= np.array([1, 4, 2, 3])[:, None]] = mask_value
    x[:, 3] = mask_value  # Padding in each example.
    network = masked_network(mask_value, sequential=sequential)
    found = mixed(network, x, lam, mode)
    np.testing.assert_allclose(found, looped_sequences(x, mask_value, lam), rtol=1e-6)
    # The network sees exactly the value that it masks.
    assert (found[:, 3] == mask_value).all()


def test_masks_are_of_the_inputs_that_go_into_a_masking_layer():
    one, other = keras.Input((4, 2), name="one"), keras.Input((4, 2), name="other")
    masked = keras.layers.Masking()(other)
    network = keras.Model([one, other], keras.layers.Concatenate()([one, masked]))
    x = [tf.zeros((4, 4, 2)), tf.zeros((4, 4, 2))]
    masks = mixed_inputs.masks_of_inputs(network, x)
    assert list(masks) == [id(x[1])]
    assert not masks[id(x[1])].numpy().any()


@pytest.mark.parametrize(
    "network", [keras.layers.Dense(2), keras.Sequential([keras.layers.Masking()])]
)
def test_a_network_without_a_graph_has_no_masks(network):
    assert mixed_inputs.masks_of_inputs(network, tf.zeros((4, 4, 2))) == {}


# What is mixed, and what passes.


@pytest.mark.parametrize("form", [list, tuple, dict])
def test_an_input_named_in_passthrough_passes(form):
    given = {"a": X, "b": np.arange(4)[:, None].astype("float32")}
    inputs = {"a": keras.Input((3,), name="a"), "b": keras.Input((1,), name="b")}
    if form is not dict:
        given, inputs = form(given.values()), form(inputs.values())
    found = mixed(network_of(inputs), given, passthrough="b")
    assert type(found) is form
    a, b = found.values() if form is dict else found
    np.testing.assert_allclose(a, oracles.mix(X, 0.3, PARTNER), atol=1e-6)
    np.testing.assert_array_equal(b, np.arange(4)[:, None])


def test_names_of_a_list_are_places_and_those_of_a_dict_names():
    network = network_of([keras.Input((3,), name="a"), keras.Input((1,), name="b")])
    assert mixed_inputs.passing(network, [X, X], ("b",)) == ("b", 1)
    assert mixed_inputs.passing(network, {"a": X, "b": X}, ("b",)) == ("b",)
    assert mixed_inputs.passing(keras.layers.Dense(1), [X, X], ("b",)) == ("b",)


def test_quantities_are_mixed_and_other_integers_are_refused():
    count = np.array([[10], [20], [30], [40]])
    inputs = {"a": keras.Input((3,), name="a"), "n": keras.Input((1,), name="n")}
    found = mixed(network_of(inputs), {"a": X, "n": count}, quantities="n")
    np.testing.assert_allclose(found["n"], oracles.mix(count, 0.3, PARTNER), rtol=1e-6)
    with pytest.raises(ValueError, match="quantities"):
        mixed(network_of(inputs), {"a": X, "n": count})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (tf.sparse.from_dense(X), "Sparse examples"),
        (tf.ragged.constant([[1.0], [2.0, 3.0]]), "Examples of several sizes"),
    ],
    ids=["sparse", "ragged"],
)
def test_what_is_not_dense_is_refused(given, message):
    points = MixingPoints({}, keras_mixup.MixUp(), None)
    with pytest.raises(ValueError, match=message):
        mixed_inputs.mix_inputs(keras.layers.Dense(1), given, points)


def test_none_stays_none():
    policy, own = keras_mixup.MixUp(), tf.constant(0.3)
    draw = Draw([own, 1 - own], [tf.constant(PARTNER)])
    layer = keras.layers.Dense(1)
    points = MixingPoints({"input": draw}, policy, None)
    found = mixed_inputs.mix_inputs(layer, {"a": X, "b": None}, points)
    assert found["b"] is None
    np.testing.assert_allclose(found["a"], oracles.mix(X, 0.3, PARTNER), atol=1e-6)


# Inputs that cannot hold a mixed example.


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
@pytest.mark.parametrize("form", [list, dict])
def test_an_input_of_integers_is_refused_unless_it_passes(dtype, form):
    named = {
        "a": keras.Input((3,), name="a"),
        "n": keras.Input((1,), name="n", dtype=dtype),
    }
    network = network_of(named if form is dict else list(named.values()))
    with pytest.raises(ValueError, match=f"`n` is of dtype {dtype}.*passthrough"):
        mixed_inputs.check_input_dtype(network, keras_mixup.MixUp())
    mixed_inputs.check_input_dtype(network, keras_mixup.MixUp(passthrough="n"))
    # A region that is pasted stays a whole number.
    mixed_inputs.check_input_dtype(network, keras_mixup.CutMix())


def embedding_of(tensor):
    return keras.layers.Flatten()(keras.layers.Embedding(9, 2)(tensor))


# How ids that are floats reach an Embedding.
OF_IDS = {
    "at once": embedding_of,
    "as columns": lambda one: embedding_of(one[:, 1:]),
    "as a row of zeros and a one": lambda one: keras.layers.Flatten()(
        keras.ops.one_hot(keras.ops.cast(one, "int32"), 9)
    ),
    "encoded": keras.layers.CategoryEncoding(num_tokens=9),
    "in a model inside": lambda one: keras.Sequential(
        [keras.Input((3,)), keras.layers.Embedding(9, 2), keras.layers.Flatten()]
    )(one),
}


@pytest.mark.parametrize("way", OF_IDS)
def test_ids_that_are_floats_are_no_inputs_to_mix(way):
    ids = keras.Input((3,), name="ids")
    network = keras.Model(ids, keras.layers.Dense(3, name="last")(OF_IDS[way](ids)))
    with pytest.raises(
        ValueError, match="`ids` goes into a layer that takes ids.*mix_at"
    ):
        keras_mixup.MixUpModel(network, keras_mixup.MixUp())
    mixed_inputs.check_input_dtype(network, keras_mixup.CutMix())
    mixed_inputs.check_input_dtype(network, keras_mixup.MixUp(passthrough="ids"))
    mixed_inputs.check_input_dtype(network, keras_mixup.MixUp(), ["last"])


def test_numbers_that_become_places_of_an_embedding_are_mixed():
    number = keras.Input((1,))
    place = keras.layers.Discretization(bin_boundaries=[0.0, 1.0])(number)
    network = keras.Model(number, keras.layers.Dense(1)(embedding_of(place)))
    mixed_inputs.check_input_dtype(network, keras_mixup.MixUp())


def test_ids_are_found_where_a_network_is_built_by_its_first_batch():
    layers = [keras.layers.Embedding(9, 2), keras.layers.Flatten()]
    network = keras.Sequential([*layers, keras.layers.Dense(1)])
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp())
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="goes into a layer that takes ids"):
        model.fit(np.ones((4, 3), "float32"), np.ones((4, 1), "float32"), verbose=0)


def test_targets_are_not_mixed_where_all_inputs_pass():
    network = network_of(keras.Input((3,), name="a"))
    for name in ("x", "a"):
        with pytest.raises(ValueError, match="targets alone.*passthrough=.*'x'"):
            mixed(network, X, passthrough=name)


def test_a_subclassed_network_says_nothing_of_its_inputs():
    mixed_inputs.check_input_dtype(keras.layers.Dense(1), keras_mixup.MixUp())
