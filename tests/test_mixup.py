"""MixUp on the forms that batches come in."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests import oracles

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((6, 5)).astype("float32")
Y = np.array([0, 1, 2, 2, 1, 0])
ROLLED = np.roll(np.arange(6), 1)


def rolling(**settings):
    """A policy whose partner is the example before, at step 3."""
    return keras_mixup.MixUp(**{"pairing": "roll", "seed": 1, "alpha": 1.0, **settings})


def lam_of(per="batch", step=3):
    """The lam of that policy, which `sample_lambda` tells."""
    shape = () if per == "batch" else (6,)
    return keras_mixup.sample_lambda(1.0, shape, seed=1, step=step).numpy()


@pytest.mark.parametrize("per", ["batch", "example"])
def test_a_pair_is_mixed_by_the_lambda_that_sample_lambda_tells(per):
    x, y = rolling(per=per, num_classes=3).at_step(3, (X, Y))
    lam = lam_of(per)
    np.testing.assert_allclose(x, oracles.mix(X, lam, ROLLED), atol=1e-6)
    expected = oracles.mix(oracles.one_hot(Y, 3), lam, ROLLED)
    np.testing.assert_allclose(y, expected, atol=1e-6)


def test_partners_are_those_that_sample_partner_tells():
    x, _ = keras_mixup.MixUp(1.0, seed=5).at_step(2, (X, X), replica=4)
    lam = keras_mixup.sample_lambda(1.0, (), seed=5, step=2, replica=4).numpy()
    partner = keras_mixup.sample_partner(6, seed=5, step=2, replica=4).numpy()
    np.testing.assert_allclose(x, oracles.mix(X, lam, partner), atol=1e-6)


def test_nests_of_inputs_and_targets():
    batch = (
        {"image": X[:, None], "table": X, "id": np.arange(6)},
        {"class": Y, "kind": Y % 2, "value": X[:, 0]},
    )
    policy = rolling(num_classes={"class": 3, "kind": 2}, passthrough=["id"])
    x, y = policy.at_step(3, batch)
    lam = lam_of()
    np.testing.assert_allclose(x["table"], oracles.mix(X, lam, ROLLED), atol=1e-6)
    assert x["image"].shape == (6, 1, 5)
    np.testing.assert_array_equal(x["id"], np.arange(6))
    for name, classes in (("class", 3), ("kind", 2)):
        rows = oracles.one_hot(batch[1][name], classes)
        np.testing.assert_allclose(y[name], oracles.mix(rows, lam, ROLLED), atol=1e-6)
    np.testing.assert_allclose(y["value"], oracles.mix(X[:, 0], lam, ROLLED), atol=1e-6)


def test_num_classes_as_a_list_for_a_list_of_targets():
    _, (a, b) = rolling(num_classes=[3, 2]).at_step(3, (X, [Y, Y % 2]))
    assert a.shape == (6, 3) and b.shape == (6, 2)


def test_strings_and_ragged_entries_named_in_passthrough_pass():
    x = {
        "table": X,
        "name": np.array(list("abcdef")),
        "words": tf.ragged.constant([[1], [2, 3], [], [4], [5], [6]]),
    }
    policy = keras_mixup.MixUp(num_classes=3, passthrough=["name", "words"])
    for mixed in (
        policy((x, Y)),
        next(iter(tf.data.Dataset.from_tensors((x, Y)).map(policy))),
    ):
        assert [
            n.decode() for n in tf.convert_to_tensor(mixed[0]["name"]).numpy()
        ] == list("abcdef")
        assert mixed[0]["words"].to_list() == x["words"].to_list()


@pytest.mark.parametrize("mode", oracles.MODES)
def test_sample_weights_are_mixed_and_a_zero_weight_leaves_no_trace(mode):
    weights = np.array([1, 0, 2, 0.5, 0, 0], "float32")

    def mix(x, y, weights):
        return rolling(num_classes=3).at_step(3, (x, y, weights))

    _, y, w = oracles.run(mode, mix, X, Y, weights)
    lam, rows = lam_of(), oracles.one_hot(Y, 3)
    for i in range(6):
        own, other = lam * weights[i], (1 - lam) * weights[i - 1]
        assert w[i] == pytest.approx(own + other, abs=1e-6)
        if own + other > 0:
            expected = (own * rows[i] + other * rows[i - 1]) / (own + other)
            np.testing.assert_allclose(y[i], expected, atol=1e-6)
    # Example 1 weighs nothing: of the mixture of 1 and 0 only the label of 0 is left.
    np.testing.assert_allclose(y[1], rows[0], atol=1e-6)


def test_the_loss_of_the_weighted_mixture_is_the_sum_of_weighted_losses():
    weights = np.array([1, 0, 2, 0.5, 3, 0], "float32")
    _, y, w = rolling(num_classes=3).at_step(3, (X, Y, weights))
    logits = GENERATOR.normal(size=(6, 3))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, reduction="sum")
    lam = lam_of()
    expected = sum(
        lam * weights[i] * oracles.cross_entropy(Y[i], logits[i])
        + (1 - lam) * weights[i - 1] * oracles.cross_entropy(Y[i - 1], logits[i])
        for i in range(6)
    )
    assert float(loss(y, logits, w)) == pytest.approx(expected, rel=1e-5)


def test_weights_for_each_of_several_targets():
    weights = {"a": np.arange(6, dtype="float32"), "b": np.ones(6, "float32")}
    policy = rolling(num_classes=3)
    _, _, w = policy.at_step(3, (X, {"a": Y, "b": Y}, weights))
    expected = oracles.mix(weights["a"], lam_of(), ROLLED)
    np.testing.assert_allclose(w["a"], expected, atol=1e-6)
    np.testing.assert_allclose(w["b"], 1, atol=1e-6)


@pytest.mark.parametrize("mode", oracles.MODES)
@pytest.mark.parametrize("column", [False, True])
def test_segmentation_with_a_void_class(mode, column):
    masks = np.array([0, 1, 2, 255], "uint8")[GENERATOR.integers(0, 4, (6, 3, 2))]
    given = masks[..., None] if column else masks
    policy = rolling(num_classes=3, ignore_class=255)

    def mix(x, y):
        return policy.at_step(3, (x, y))

    _, y, w = oracles.run(mode, mix, X, given)
    assert y.shape == (6, 3, 2, 3) and w.shape == (6, 3, 2)
    lam = lam_of()
    for i, row, column_ in np.ndindex(6, 3, 2):
        shares = np.zeros(3)
        for weight, k in ((lam, i), (1 - lam, i - 1)):
            label = masks[k, row, column_]
            if label != 255:
                shares[label] += weight
        assert w[i, row, column_] == pytest.approx(shares.sum(), abs=1e-6)
        if shares.sum() > 0:
            expected = shares / shares.sum()
            np.testing.assert_allclose(y[i, row, column_], expected, atol=1e-6)


def test_void_positions_give_no_gradient():
    masks = np.full((6, 2), 255)
    masks[:, 0] = Y
    _, y, w = rolling(num_classes=3, ignore_class=255).at_step(3, (X, masks))
    logits = tf.Variable(GENERATOR.normal(size=(6, 2, 3)).astype("float32"))
    with tf.GradientTape() as tape:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)(y, logits, w)
    gradient = tape.gradient(loss, logits)
    np.testing.assert_array_equal(gradient[:, 1], 0)
    assert (np.abs(gradient[:, 0]) > 0).all()


def test_closer_takes_the_target_of_the_heavier_example():
    x, y = rolling(targets="closer", per="example", num_classes=3).at_step(3, (X, Y))
    lam = lam_of("example")
    np.testing.assert_allclose(x, oracles.mix(X, lam, ROLLED), atol=1e-6)
    assert (lam < 0.5).any() and (lam > 0.5).any()
    closer = np.where(lam >= 0.5, Y, Y[ROLLED])
    np.testing.assert_array_equal(y, oracles.one_hot(closer, 3))


def test_closer_keeps_integer_labels_for_a_sparse_loss():
    _, y = rolling(targets="closer", per="example").at_step(3, (X, Y))
    lam = lam_of("example")
    assert y.dtype == tf.int64
    np.testing.assert_array_equal(y, np.where(lam >= 0.5, Y, Y[ROLLED]))


def test_label_smoothing_is_that_of_szegedy():
    _, y = keras_mixup.MixUp(0.0, num_classes=10, label_smoothing=0.1)(X, Y)
    # The paper, section 3.8: eps / 10 for the wrong classes, 1 - 9 eps / 10 else.
    assert y.numpy()[0, 0] == pytest.approx(1 - 9 * 0.1 / 10)
    assert y.numpy()[0, 1] == pytest.approx(0.1 / 10)


def test_probability_is_drawn_per_example():
    x = np.arange(4000, dtype="float32")[:, None]
    policy = keras_mixup.MixUp(
        8.0, per="example", pairing="roll", probability=0.3, seed=2
    )
    mixed, _ = policy.at_step(0, (x, x))
    share = np.mean(mixed.numpy() != x)
    assert 0.26 < share < 0.34


def test_probability_is_drawn_per_batch():
    policy = keras_mixup.MixUp(8.0, pairing="roll", probability=0.5, seed=2)
    changed = [
        (policy.at_step(step, (X, X))[0].numpy() != X).mean() for step in range(40)
    ]
    assert set(np.round(changed, 6)) == {0.0, 1.0}
    assert 8 < sum(changed) < 32


def test_three_examples_by_dirichlet_weights():
    policy = keras_mixup.MixUp(1.0, examples=3, pairing="roll", seed=1, num_classes=3)
    x, y = policy.at_step(3, (X, Y))
    w = keras_mixup.sample_weights(1.0, (), 3, seed=1, step=3).numpy()
    parts = [X, np.roll(X, 1, 0), np.roll(X, 2, 0)]
    expected = sum(share * part for share, part in zip(w, parts, strict=True))
    np.testing.assert_allclose(x, expected, atol=1e-6)
    np.testing.assert_allclose(y.numpy().sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize("mapped", [False, True])
def test_between_mixes_with_the_same_place_of_a_second_batch(mapped):
    other = (X[::-1].copy(), Y[::-1].copy())
    policy = rolling(num_classes=3, pairing="permutation")
    if mapped:
        first, second = (
            tf.data.Dataset.from_tensors(batch) for batch in ((X, Y), other)
        )
        pairs = tf.data.Dataset.zip(first, second)
        pairs = keras_mixup.count_steps(pairs, first_step=3)
        x, y = next(iter(pairs.map(lambda step, p: policy.between(*p, step=step))))
    else:
        x, y = policy.between((X, Y), other, step=3)
    lam = lam_of()
    np.testing.assert_allclose(x, lam * X + (1 - lam) * other[0], atol=1e-6)
    rows = lam * oracles.one_hot(Y, 3) + (1 - lam) * oracles.one_hot(other[1], 3)
    np.testing.assert_allclose(y, rows, atol=1e-6)


def test_a_schedule_moves_alpha_in_the_map_without_retracing():
    alpha = keras_mixup.AlphaSchedule(1.0, warm_up=2, off_from=4)
    dataset = tf.data.Dataset.from_tensors((X, X)).repeat(6)
    mixed = dataset.apply(rolling(alpha=alpha))
    changed = [bool((x.numpy() != X).any()) for x, _ in mixed]
    assert changed == [False, False, True, True, False, False]


def test_calls_with_a_seed_in_eager_mode_are_steps():
    policy = rolling(alpha=1.0)
    for step in range(3):
        x, _ = policy(X, X)
        np.testing.assert_array_equal(x, rolling(alpha=1.0).at_step(step, (X, X))[0])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"alpha": keras_mixup.AlphaSchedule(0.2, 10, warm_up=2, ramp=3, off_from=9)},
        {
            "alpha": keras.optimizers.schedules.PolynomialDecay(1.0, 10),
            "per": "example",
            "pairing": "derangement",
            "examples": 3,
            "targets": "closer",
            "num_classes": {"a": 3},
            "label_smoothing": 0.1,
            "probability": 0.5,
            "passthrough": ["id"],
            "seed": 3,
            "ignore_class": 255,
            "jit_compile": False,
        },
    ],
)
def test_the_configuration_makes_the_round_trip(settings):
    policy = keras_mixup.MixUp(**settings)
    config = keras.saving.serialize_keras_object(policy)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == policy.get_config()
    assert set(policy.get_config()) >= set(settings)
    for step in (0, 5):
        np.testing.assert_array_equal(again.alpha_at(step), policy.alpha_at(step))


@pytest.mark.parametrize("alpha", [0, 1, np.int64(2), np.float32(1)])
def test_a_whole_number_is_an_alpha(alpha):
    whole, floating = (
        keras_mixup.MixUp(a, num_classes=3, seed=1) for a in (alpha, float(alpha))
    )
    for mixed, expected in zip(whole(X, Y), floating(X, Y), strict=True):
        np.testing.assert_array_equal(mixed, expected)
    dataset = tf.data.Dataset.from_tensors((X, Y))
    x, _ = next(iter(dataset.apply(whole)))
    np.testing.assert_allclose(x, floating.at_step(0, (X, Y))[0], atol=1e-6)


def test_smoothing_is_of_the_targets_that_num_classes_names():
    box = np.full((6, 4), 100, "float32")
    policy = rolling(num_classes={"class": 3, "value": None}, label_smoothing=0.3)
    _, y = policy.at_step(3, (X, {"class": Y, "box": box, "value": X[:, :1]}))
    smooth = oracles.one_hot(Y, 3) * 0.7 + 0.1
    np.testing.assert_allclose(
        y["class"], oracles.mix(smooth, lam_of(), ROLLED), atol=1e-6
    )
    np.testing.assert_allclose(y["box"], box, rtol=1e-6)
    expected = oracles.mix(X[:, :1], lam_of(), ROLLED)
    np.testing.assert_allclose(y["value"], expected, atol=1e-6)


def test_boxes_alone_have_the_weight_of_their_image_mixed():
    weights = np.array([1, 2, 3, 4, 5, 6], "float32")
    batch = {
        "images": X,
        "bounding_boxes": {"boxes": np.zeros((6, 1, 4)), "classes": np.zeros((6, 1))},
        "sample_weight": weights,
    }
    mixed = rolling().at_step(3, batch)
    expected = oracles.mix(weights, lam_of(), ROLLED)
    np.testing.assert_allclose(mixed["sample_weight"], expected, atol=1e-5)
    with pytest.raises(ValueError, match="Batch sizes differ"):
        rolling().at_step(3, {**batch, "sample_weight": np.ones(7)})


def test_each_of_several_labels_has_a_weight_for_its_void_positions():
    dense = np.stack([Y, Y], 1)
    labels = {"whole": Y, "dense": np.where(dense == 1, 255, dense)}
    policy = rolling(num_classes=3, ignore_class=255)
    found = policy.at_step(3, {"images": X, "labels": labels})["sample_weight"]
    np.testing.assert_allclose(found["whole"], np.ones(6), atol=1e-6)
    valid = (dense != 1).astype("float32")
    expected = oracles.mix(valid, lam_of(), ROLLED)
    np.testing.assert_allclose(found["dense"], expected, atol=1e-6)


@pytest.mark.parametrize("settings", [{"alpha": 0}, {"probability": 0.0}])
def test_where_nothing_is_mixed_floats_pass_and_nothing_is_compiled(settings):
    x = np.array([[np.inf, 1.5], [np.nan, -2.0]], "float32")
    labels = np.array([1, 0])
    mapped = tf.data.Dataset.from_tensors((x, labels)).map(
        keras_mixup.MixUp(num_classes=2, **settings)
    )
    mixed, rows = next(iter(mapped))
    np.testing.assert_array_equal(mixed, x)
    np.testing.assert_array_equal(rows, [[0, 1], [1, 0]])

    def text_of(mixup):
        graph = tf.function(lambda x, y: mixup(x, y)).get_concrete_function(x, labels)
        return str(graph.graph.as_graph_def())

    erm = text_of(keras_mixup.MixUp(num_classes=2, **settings))
    assert "_XlaMustCompile" not in erm and 'op: "Mul"' not in erm
    assert "_XlaMustCompile" in text_of(keras_mixup.MixUp(num_classes=2))
    plain = text_of(keras_mixup.MixUp(num_classes=2, jit_compile=False))
    assert 'op: "Mul"' in plain


@pytest.mark.parametrize("per", ["batch", "example"])
@pytest.mark.parametrize("batch_size", [6, None])
def test_the_fused_function_is_given_rows(per, batch_size):
    # XLA copies the whole of a result that has an axis of size one.
    spec = tf.TensorSpec((batch_size, 3, 5, 1))
    labels = tf.TensorSpec((batch_size,), tf.int32)
    mixup = rolling(per=per, num_classes=3)
    whole = tf.function(lambda x, y: mixup.at_step(3, (x, y)))
    graph = whole.get_concrete_function(spec, labels)
    calls = [op for op in graph.graph.get_operations() if "PartitionedCall" in op.type]
    ranks = [tensor.shape.rank for op in calls for tensor in (*op.inputs, *op.outputs)]
    assert len(calls) == 1 and max(ranks) == 2
    x = GENERATOR.random((6, 3, 5, 1)).astype("float32")
    mixed, _ = graph(tf.constant(x), tf.constant(Y, tf.int32))
    assert graph.structured_outputs[0].shape.as_list() == [batch_size, 3, 5, 1]
    np.testing.assert_allclose(mixed, oracles.mix(x, lam_of(per), ROLLED), atol=1e-6)
