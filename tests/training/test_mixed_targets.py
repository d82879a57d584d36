"""The parts of a target, whether rows are soft, and what a batch may not hold."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import keras_private
from keras_mixup.training import mixed_loss, mixed_targets
from tests import oracles

MODES = ["eager", "graph", "xla"]
PARTNERS = [np.array([2, 0, 3, 1]), np.array([1, 1, 0, 2])]
SHARES = {
    "batch": [np.float32(0.5), np.float32(0.3), np.float32(0.2)],
    "example": [
        np.array([0.5, 0.0, 1.0, 0.2], "float32"),
        np.array([0.5, 0.4, 0.0, 0.0], "float32"),
        np.array([0.0, 0.6, 0.0, 0.8], "float32"),
    ],
}


def looped_parts(values, partners, shares):
    """Part k of example i is its partner's, or the heaviest if its share is 0."""
    count, size = len(partners) + 1, len(values)
    shares = [np.broadcast_to(share, size) for share in shares]
    parts = [list(values) for _ in range(count)]
    for i in range(size):
        sources = [i, *(partner[i] for partner in partners)]
        weights = [share[i] for share in shares]
        heaviest = sources[int(np.argmax(weights))]
        for k in range(count):
            parts[k][i] = values[sources[k] if weights[k] else heaviest]
    return [np.array(part) for part in parts]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("per", ["batch", "example"])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("shape", [(4,), (4, 3)])
def test_parts_are_those_of_the_loop(mode, per, count, shape):
    values = np.random.default_rng(0).normal(size=shape).astype("float32")
    partners, shares = PARTNERS[: count - 1], SHARES[per][:count]
    found = oracles.run(mode, mixed_targets.parts_of, values, partners, shares)
    for one, other in zip(found, looped_parts(values, partners, shares), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", ["int64", "bool", "uint8", "string"])
def test_parts_keep_their_dtype(dtype):
    values = np.array([0, 1, 1, 0])
    values = values.astype(str) if dtype == "string" else values.astype(dtype)
    shares = [tf.constant(share) for share in SHARES["example"]]
    found = mixed_targets.parts_of(tf.constant(values), PARTNERS, shares)
    assert {part.dtype for part in found} == {tf.as_dtype(dtype)}
    expected = looped_parts(values, PARTNERS, SHARES["example"])
    for one, other in zip(found, expected, strict=True):
        assert one.numpy().astype(values.dtype).tolist() == other.tolist()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nothing_bad_passes_a_share_of_zero_not_even_as_a_gradient(mode, bad):
    shares = [tf.constant([1.0, 0.4]), tf.constant([0.0, 0.6])]

    def gradient(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            parts = mixed_targets.parts_of(values, [[1, 1]], shares)
            # Not finite where the second example is computed with.
            pairs = zip(shares, parts, strict=True)
            first = tf.add_n([share[0] * part[0] ** 2 for share, part in pairs])
        return first, tf.convert_to_tensor(tape.gradient(first, values))[:1]

    value, slope = oracles.run(mode, gradient, np.array([3.0, bad], "float32"))
    assert (value, slope.tolist()) == (9.0, [6.0])


# From targets to mixed targets.


def of_two(tensor):
    return [tensor, tensor[::-1]]


def test_each_target_keeps_its_place_and_gets_its_settings():
    policy = keras_mixup.MixUp(
        num_classes={"a": 3, "b": None}, label_smoothing=0.3, multi_label={"b": True}
    )
    y = {"a": np.array([0, 1, 2]), "b": np.ones((3, 1)), "none": None}
    found = mixed_targets.mixed_targets(y, policy, of_two, [0.75, 0.25])
    assert found["none"] is None
    assert [part.numpy().tolist() for part in found["a"].parts] == [
        [0, 1, 2],
        [2, 1, 0],
    ]
    assert (found["a"].smoothing, found["a"].multi_label) == (0.3, False)
    assert (found["b"].smoothing, found["b"].multi_label) == (0.0, True)
    assert found["a"].shares == [0.75, 0.25]


def test_shares_are_of_each_example():
    y = mixed_targets.MixedTarget([tf.zeros([3]), tf.zeros([3])], [0.75, 0.25])
    shares = [share.numpy().tolist() for share in y.shares_of_examples()]
    assert shares == [[0.75] * 3, [0.25] * 3]


def test_weights_become_floats_each_part_with_its_own():
    found = mixed_targets.mixed_weights([np.array([1, 2]), None], of_two)
    assert [part.numpy().tolist() for part in found[0].parts] == [[1, 2], [2, 1]]
    assert found[0].parts[0].dtype == tf.float32
    assert found[1] is None
    assert mixed_targets.mixed_weights(None, of_two) is None


def test_first_parts_are_the_clean_targets():
    policy = keras_mixup.MixUp()
    y = {"a": np.array([0, 1]), "b": None}
    found = mixed_targets.mixed_targets(y, policy, of_two, [0.75, 0.25])
    assert mixed_targets.is_mixed(found) and not mixed_targets.is_mixed(y)
    clean = mixed_targets.first_parts(found)
    assert clean["a"].numpy().tolist() == [0, 1] and clean["b"] is None


def test_masks_are_noted_part_by_part():
    layer = keras.layers.Masking()
    clean = layer(tf.constant([[[1.0], [0.0]], [[0.0], [0.0]]]))
    mixed = layer(tf.ones([2, 2, 1]))
    plain = tf.zeros([2, 1])
    assert mixed_targets.any_mask([plain, mixed])
    assert not mixed_targets.any_mask(plain)
    two = mixed_targets.MixedTarget([0, 1], [0.5, 0.5])
    assert mixed_targets.noted_masks(mixed, two) is None
    mixed_targets.note_masks([mixed, plain], [clean, plain], of_two)
    found = [mask.numpy().tolist() for mask in mixed_targets.noted_masks(mixed, two)]
    assert found == [[[True, False], [False, False]], [[False, False], [True, False]]]
    assert mixed_targets.noted_masks(plain, two) is None
    # A target of one part goes by the mask of the prediction itself.
    one = mixed_targets.MixedTarget([0], [1.0])
    assert mixed_targets.noted_masks(mixed, one) is None


# What is refused.


@pytest.mark.parametrize(
    ("y", "weights", "message"),
    [
        (None, None, "Expected y, as in batches.*Received: y=None"),
        (np.float32(1), None, "`y`.*Received: a scalar"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, None, r"'a': 3, 'b': 4"),
        (np.zeros(3), np.zeros(4), r"'y': 3, 'sample_weight': 4"),
    ],
)
def test_a_batch_that_cannot_be_mixed_is_refused(y, weights, message):
    with pytest.raises(ValueError, match=message):
        mixed_targets.check_batch(y, weights)


def test_boxes_are_refused_wherever_they_stand():
    boxes = {"boxes": np.zeros((2, 1, 4)), "classes": np.zeros((2, 1))}
    for y in (boxes, {"detection": boxes}):
        with pytest.raises(ValueError, match="boxes"):
            mixed_targets.check_batch(y, None)


def test_none_among_targets_and_weights_is_no_batch():
    mixed_targets.check_batch({"a": np.zeros(3), "b": None}, [np.ones(3), None])


def test_a_target_of_complex_numbers_is_refused():
    with pytest.raises(ValueError, match="Invalid dtype received for `y`"):
        mixed_targets.mixed_targets(
            np.zeros(2, "complex64"), keras_mixup.MixUp(), of_two, [1.0, 0.0]
        )


def test_a_target_that_is_to_pass_is_refused():
    policy = keras_mixup.MixUp(passthrough=("b",))
    with pytest.raises(ValueError, match=r"every target.*\['b'\], a target at b"):
        mixed_targets.mixed_targets({"b": np.zeros(2)}, policy, of_two, [1.0, 0.0])


# Weights in the form of the outputs.


@pytest.mark.parametrize(
    ("output", "given", "expected"),
    [
        ([0, 0], {"q": 2, "p": 1}, [1, 2]),
        ([0, 0], {"q": 2}, [None, 2]),
        ({"p": 0, "q": 0}, [1, 2], {"p": 1, "q": 2}),
        ({"p": 0, "q": 0}, [1], [1]),
        ({"p": 0, "q": 0}, {"q": 2}, {"q": 2}),
        ([0, 0], [1, 2], [1, 2]),
        (0, 1, 1),
    ],
)
def test_weights_take_the_form_of_the_outputs(output, given, expected):
    network = types.SimpleNamespace(output=output, output_names=["p", "q"])
    assert mixed_targets.in_output_order(given, network) == expected


# Soft rows.

SOFT, HARD = [[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize(
    ("rows", "loss", "expected"),
    [
        (SOFT, "categorical_crossentropy", 1.0),
        (HARD, "categorical_crossentropy", 0.0),
        (SOFT, lambda y, p: p, 1.0),
        # Quantities, multi-hot rows, rows with values below 0.
        (SOFT, "mse", None),
        (SOFT, "kl_divergence", None),
        ([[1.0, 1.0], [0.5, 0.5]], "binary_crossentropy", 0.0),
        ([[1.5, -0.5], [0.5, 0.5]], "categorical_crossentropy", 0.0),
        # No rows of classes at all.
        ([[0.5], [0.5]], "binary_crossentropy", None),
        ([0.5, 0.5], "binary_crossentropy", None),
        ([[0, 1], [1, 0]], "categorical_crossentropy", None),
    ],
)
def test_rows_are_soft_where_they_sum_to_one_and_are_not_one_hot(
    mode, rows, loss, expected
):
    target = mixed_targets.MixedTarget([tf.constant(rows)] * 2, [0.5, 0.5])
    target.loss = keras_private.resolve_loss(loss, 0, 0)

    def any_soft():
        return mixed_loss.any_soft_rows({"a": target, "b": None})

    found = any_soft() if mode == "eager" else tf.function(any_soft, autograph=False)()
    assert found is None if expected is None else float(found) == expected


def test_one_target_of_soft_rows_is_enough():
    targets = []
    for rows in (HARD, SOFT, HARD):
        target = mixed_targets.MixedTarget([tf.constant(rows)] * 2, [0.5, 0.5])
        target.loss = keras.losses.CategoricalCrossentropy()
        targets.append(target)
    assert float(mixed_loss.any_soft_rows(targets)) == 1.0
