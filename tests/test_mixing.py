"""The convex combination, against a plain loop."""

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import mixing
from tests import oracles

PARTNER = np.array([2, 0, 1, 1], "int32")
LAM = np.array([0.25, 1.0, 0.0, 0.6], "float32")
TOLERANCE = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1e-6, "float64": 1e-15}


@pytest.mark.parametrize("mode", oracles.MODES)
@pytest.mark.parametrize(
    "shape", [(4,), (4, 5), (4, 6, 3), (4, 3, 3, 2), (4, 2, 3, 3, 1)]
)
@pytest.mark.parametrize("lam", [np.float32(0.3), LAM], ids=["batch", "example"])
def test_mix_is_the_loop(mode, shape, lam):
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    mixed = oracles.run(mode, keras_mixup.mix, x, lam, PARTNER)
    np.testing.assert_allclose(mixed, oracles.mix(x, lam, PARTNER), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_floats_keep_their_dtype_and_are_summed_in_float32_at_least(dtype):
    x = tf.cast(np.random.default_rng(0).normal(size=(4, 50)), dtype)
    mixed = keras_mixup.mix(x, LAM, PARTNER)
    assert mixed.dtype == dtype
    # With lam rounded to float32 first, as it is drawn; float64 sums are exact.
    lam = np.float64(LAM) if dtype != "float64" else LAM.astype("float64")
    expected = oracles.mix(tf.cast(x, tf.float64).numpy(), lam, PARTNER)
    difference = np.abs(tf.cast(mixed, tf.float64).numpy() - expected)
    assert (difference <= TOLERANCE[dtype] * np.maximum(1, np.abs(expected))).all()


def test_float32_sums_are_those_of_float32():
    x = np.random.default_rng(0).normal(size=(4, 50)).astype("float32")
    lam = LAM[:, np.newaxis]
    expected = lam * x + (1 - lam) * x[PARTNER]
    np.testing.assert_array_equal(keras_mixup.mix(x, LAM, PARTNER), expected)


def test_float64_sums_do_not_pass_through_float32():
    x = np.array([[1.0], [1.0 + 1e-12], [1.0], [1.0]])
    mixed = keras_mixup.mix(x, 0.5, [1, 1, 1, 1])
    np.testing.assert_allclose(mixed[0], 1 + 5e-13, atol=1e-15, rtol=0)


def test_uint8_becomes_float32_and_does_not_wrap():
    x = np.array([[250], [10], [255], [0]], "uint8")
    mixed = keras_mixup.mix(x, 0.5, [1, 0, 3, 2])
    assert mixed.dtype == tf.float32
    np.testing.assert_allclose(mixed, [[130], [130], [127.5], [127.5]])


def test_the_dtype_of_what_is_mixed():
    assert mixing.mixed_dtype(tf.uint8) == tf.float32
    assert mixing.mixed_dtype(tf.float16) == tf.float16


def test_lambda_one_and_zero_give_input_and_partner_exactly():
    x = np.random.default_rng(1).normal(size=(4, 9)).astype("float32") * 1e30
    np.testing.assert_array_equal(keras_mixup.mix(x, 1.0, PARTNER), x)
    np.testing.assert_array_equal(keras_mixup.mix(x, 0.0, PARTNER), x[PARTNER])


def test_nests_keep_their_structure():
    nest = {"a": np.ones((4, 2), "float32"), "b": [np.eye(4, dtype="float32")]}
    mixed = keras_mixup.mix(nest, LAM, PARTNER)
    expected = oracles.mix(nest["b"][0], LAM, PARTNER)
    np.testing.assert_allclose(mixed["b"][0], expected, atol=1e-7)
    np.testing.assert_allclose(mixed["a"], 1)


def test_static_shapes_survive():
    @tf.function(input_signature=[tf.TensorSpec([None, 7, None, 3])])
    def mix(x):
        mixed = keras_mixup.mix(x, 0.5, tf.range(tf.shape(x)[0]))
        assert mixed.shape.as_list() == [None, 7, None, 3]
        return mixed

    mix(tf.zeros([2, 7, 4, 3]))


def test_gradients_flow_to_both():
    x = tf.Variable([[1.0], [2.0], [3.0], [4.0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(keras_mixup.mix(x, LAM, PARTNER))
    expected = LAM.copy()
    for i, j in enumerate(PARTNER):
        expected[j] += 1 - LAM[i]
    gradient = tf.convert_to_tensor(tape.gradient(loss, x))
    np.testing.assert_allclose(gradient[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "lam", "partner", "message"),
    [
        (np.float32(1), 0.5, PARTNER, "Received: a scalar"),
        (np.ones((4, 1), "int32"), 0.5, PARTNER, "Received: dtype int32"),
        (np.array(["a", "b", "c", "d"]), 0.5, PARTNER, "Received: dtype string"),
        (np.ones((4, 1), bool), 0.5, PARTNER, "Received: dtype bool"),
        (
            np.ones((4, 4), "float32"),
            np.ones((4, 1)),
            PARTNER,
            r"Received: shape \(4, 1\)",
        ),
        (
            np.ones((4, 4), "float32"),
            np.ones(3, "float32"),
            PARTNER,
            "Batch sizes differ",
        ),
        (np.ones((4, 4), "float32"), 0.5, np.arange(3), "Batch sizes differ"),
        (np.ones((4, 4), "float32"), 0.5, np.int32(0), "`partner`"),
        ([np.ones((4, 1)), np.ones((3, 1))], 0.5, PARTNER, "Batch sizes differ"),
    ],
)
def test_what_cannot_be_mixed_raises(x, lam, partner, message):
    with pytest.raises(ValueError, match=message):
        keras_mixup.mix(x, lam, partner)


def test_ragged_and_sparse_tensors_raise():
    ragged = tf.ragged.constant([[1.0], [1.0, 2.0], [], [3.0]])
    with pytest.raises(ValueError, match="RaggedTensor"):
        keras_mixup.mix(ragged, 0.5, PARTNER)


def test_sizes_that_only_the_graph_knows_do_not_broadcast():
    @tf.function(
        input_signature=[tf.TensorSpec([None, 2]), *[tf.TensorSpec([None])] * 2]
    )
    def mix(x, lam, partner):
        return keras_mixup.mix(x, lam, tf.cast(partner, tf.int32))

    x, lam, partner = tf.eye(3, 2), tf.constant([0.25, 1.0, 0.5]), [2.0, 0.0, 1.0]
    expected = oracles.mix(x, lam, [2, 0, 1])
    np.testing.assert_allclose(mix(x, lam, partner), expected, atol=1e-6)
    for changed in ((x, lam[:1], partner), (x, lam, [2.0])):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Batch sizes differ"):
            mix(*changed)


def test_what_cannot_be_cut_is_not_said_to_be_a_quantity():
    strings = tf.constant([["a", "b"], ["c", "d"]])
    with pytest.raises(ValueError, match="which can be cut.*`passthrough`") as found:
        keras_mixup.CutMix(num_classes=2)((strings, np.array([0, 1])))
    assert "quantities" not in str(found.value)


def test_two_sizes_that_only_the_graph_knows_are_named():
    @tf.function(input_signature=[tf.TensorSpec([None, 2]), tf.TensorSpec([None])])
    def check(one, other):
        mixing.check_batch_sizes([one, other], ["one", "other"])
        return mixing.batch_size_of(other)

    assert check(tf.ones((3, 2)), tf.ones(3)) == 3
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="differ.*other sizes for one and other"
    ):
        check(tf.ones((3, 2)), tf.ones(2))


def test_rows_and_the_way_back():
    x = tf.reshape(tf.range(120.0), (2, 3, 4, 5))
    for axes, shape in ((1, (2, 60)), (2, (2, 3, 20)), (3, x.shape), (4, x.shape)):
        rows = mixing.flattened(x, axes)
        np.testing.assert_array_equal(rows, np.reshape(x, shape))
        np.testing.assert_array_equal(mixing.shaped_like(rows, x), x)
    assert mixing.flattened(x).shape == (2, 60)


def test_a_row_of_2_to_the_31_numbers_has_its_size():
    # Traced and not run, since it takes 2 GB: an int32 product would be negative.
    spec = tf.TensorSpec([None, 2**16, 2**15], tf.uint8)
    function = tf.function(mixing.flattened).get_concrete_function(spec)
    assert function.output_shapes.as_list() == [None, 2**31]
    sizes = [op for op in function.graph.get_operations() if op.type == "Prod"]
    assert [op.outputs[0].dtype for op in sizes] == [tf.int64]


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("count", [2, 3])
def test_what_weighs_zero_leaves_no_trace(mode, count):
    kept = np.array([1.5, -2.0, 0.25], "float32")
    bad = np.array([np.inf, -np.inf, np.nan], "float32")
    own = np.array([1, 0, 1], "float32")
    coefficients = [own, 1 - own, 0 * own][:count]
    parts = [np.where(c == 1, kept, bad).astype("float32") for c in coefficients]

    def combine(parts, coefficients):
        return mixing.convex_combination(parts, coefficients)

    np.testing.assert_array_equal(oracles.run(mode, combine, parts, coefficients), kept)


def test_a_single_part_passes():
    part = np.array([[250, 3], [0, 7]], "uint8")
    found = mixing.convex_combination([tf.constant(part)], [tf.constant(1.0)])
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found, part)
    part = tf.constant([np.inf, np.nan, 1e-30], tf.float64)
    found = mixing.convex_combination([part], [tf.constant(1.0)])
    np.testing.assert_array_equal(found, part)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_weights_of_float64_sum_to_one_in_float64(count):
    weights = keras_mixup.sample_weights(1.0, (200,), count, seed=1)
    coefficients = tf.unstack(weights, axis=-1)
    ones = [tf.ones((200, 2), tf.float64)] * count
    mixed = mixing.convex_combination(ones, coefficients)
    np.testing.assert_allclose(mixed, 1, rtol=0, atol=1e-15)


def test_lam_and_its_complement_in_float64():
    lam = keras_mixup.sample_lambda(1.0, (200,), seed=1).numpy()
    x = np.eye(2)[np.arange(200) % 2] * 1e6
    partner = np.roll(np.arange(200), 1)
    mixed = keras_mixup.mix(x, lam, partner)
    np.testing.assert_allclose(mixed, oracles.mix(x, lam, partner), rtol=1e-14)


def looped_masked(parts, masks, coefficients):
    """Position by position: the mean of the kept parts, or the first where none is."""
    result = np.array(parts[0])
    for index in np.ndindex(masks[0].shape):
        weights = [
            (float(c) if c.ndim == 0 else float(c[index[0]])) * mask[index]
            for c, mask in zip(coefficients, masks, strict=True)
        ]
        if sum(weights):
            kept = [(w, p[index]) for w, p in zip(weights, parts, strict=True) if w]
            result[index] = sum(w * part for w, part in kept) / sum(weights)
    return result


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("shape", [(4,), (4, 5)])
@pytest.mark.parametrize("per", ["batch", "example"])
def test_mix_masked_is_the_loop(mode, count, shape, per):
    generator = np.random.default_rng(0)
    parts = list(generator.normal(size=(count, *shape, 3)).astype("float32"))
    masks = list(generator.integers(0, 2, (count, *shape)).astype(bool))
    masks = [
        mask & (np.arange(4) > 0).reshape(4, *[1] * mask[0].ndim) for mask in masks
    ]
    size = 4 if per == "example" else 1
    drawn = generator.dirichlet(np.ones(count), size).T.astype("float32")
    coefficients = list(drawn if per == "example" else drawn[:, 0])
    # What is not kept leaves no trace.
    for part, mask in zip(parts[1:], masks[1:], strict=True):
        part[~mask] = np.nan
    found = oracles.run(mode, mixing.mix_masked, parts, masks, coefficients)
    expected = looped_masked(parts, masks, coefficients)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_array_equal(found[0], parts[0][0])  # Nothing is kept there.
