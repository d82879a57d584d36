"""Labels whose shares are not those of the features: Remix, functions, a union."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import CutMix, MixUp, RandomChoice, Remix
from tests import oracles

GENERATOR = np.random.default_rng(0)
COUNTS = [900, 300, 100, 7]
X = GENERATOR.random((12, 5)).astype("float32")
Y = np.arange(12) % 4
ROWS = np.eye(4, dtype="float32")[Y]
WEIGHTS = GENERATOR.integers(0, 3, 12).astype("float32")
LABELS = (GENERATOR.random((12, 6)) < 0.3).astype("float32")


def remix_share(lam, i, j, kappa=3.0, tau=0.5):
    """The share of the label i beside j, by the three lines of the paper."""
    ratio = COUNTS[i] / COUNTS[j]
    if ratio >= kappa and lam < tau:
        return 0.0
    if ratio <= 1 / kappa and 1 - lam < tau:
        return 1.0
    return lam


def sharpened(lam, y_i, y_j):
    """A rule of one's own: less for the other label where the classes differ."""
    same = tf.reduce_sum(y_i * y_j, -1)
    return same * lam + (1 - same) * tf.sqrt(lam)


def draws(policy, step=3):
    """lam of each example and the partners, as numpy."""
    shape = () if policy.per == "batch" else (12,)
    lam = keras_mixup.sample_lambda(policy.alpha, shape, policy.seed, step).numpy()
    partner = keras_mixup.sample_partner(12, policy.seed, step).numpy()
    return np.broadcast_to(lam, 12), partner


def mixed_by_loop(shares, partner, weights=None):
    """Rows and weights, example by example."""
    rows, total = np.zeros((12, 4)), np.zeros(12)
    for i, (t, j) in enumerate(zip(shares, partner, strict=True)):
        w_i, w_j = (1, 1) if weights is None else (weights[i], weights[j])
        total[i] = t * w_i + (1 - t) * w_j
        own = t * w_i / total[i] if total[i] else t
        rows[i] = own * ROWS[i] + (1 - own) * ROWS[j]
    return rows, total


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_remix_is_the_formula_for_every_pair_at_the_edges_too(mode):
    lams = np.array([0, 0.25, 0.4999999, 0.5, 0.5000001, 0.75, 1], "float32")
    cases = list(itertools.product(lams, range(4), range(4)))
    lam, i, j = (np.array(part) for part in zip(*cases, strict=True))
    rows = np.eye(4, dtype="float32")
    for kappa, tau in ((3.0, 0.5), (9.0, 0.75), (1.0, 1.0)):
        rule = Remix(COUNTS, kappa, tau)
        found = oracles.run(mode, rule, lam, rows[i], rows[j])
        expected = [remix_share(*case, kappa, tau) for case in cases]
        np.testing.assert_array_equal(found, np.float32(expected))


@pytest.mark.parametrize("mode", oracles.MODES)
@pytest.mark.parametrize(("per", "weighted"), [("batch", True), ("example", False)])
def test_remix_in_the_pipeline(mode, per, weighted):
    policy = MixUp(1.0, per=per, seed=5, num_classes=4, label_rule=Remix(COUNTS))
    weights = (WEIGHTS,) if weighted else ()

    def mixed(*batch):
        return policy.at_step(3, batch)

    x, rows, *weight = oracles.run(mode, mixed, X, Y, *weights)
    lam, partner = draws(policy)
    shares = [remix_share(*of) for of in zip(lam, Y, Y[partner], strict=True)]
    assert max(np.abs(shares - lam)) > 0.1
    expected, total = mixed_by_loop(shares, partner, *weights)
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    np.testing.assert_allclose(x, oracles.mix(X, lam, partner), atol=1e-6)
    if weighted:
        np.testing.assert_allclose(weight[0], total, atol=1e-6)


@pytest.mark.parametrize(
    ("y", "num_classes"),
    [(ROWS, None), (ROWS, 4), (ROWS.astype("int32"), 4), (Y[:, None], 4)],
    ids=["rows", "rows and number", "rows of integers", "a column"],
)
@pytest.mark.parametrize("rule", [Remix(COUNTS), sharpened], ids=["remix", "own"])
def test_each_form_of_the_same_labels_gives_the_same(y, num_classes, rule):
    of_numbers = MixUp(1.0, seed=5, num_classes=4, label_rule=rule)
    policy = MixUp(1.0, seed=5, num_classes=num_classes, label_rule=rule)
    found = policy.at_step(3, (X, y))[1]
    np.testing.assert_array_equal(found, of_numbers.at_step(3, (X, Y))[1])
    np.testing.assert_allclose(tf.reduce_sum(found, -1), 1, atol=1e-6)


def test_a_rule_of_ones_own_gives_the_share():
    policy = MixUp(1.0, per="example", seed=5, num_classes=4, label_rule=sharpened)
    batch = policy.at_step(3, (X, Y), details=True)
    lam, partner = draws(policy)
    shares = np.where(Y[partner] == Y, lam, np.sqrt(lam))
    np.testing.assert_allclose(batch.shares[0], shares, rtol=1e-6)
    np.testing.assert_allclose(batch.shares[1], 1 - shares, atol=1e-6)
    np.testing.assert_allclose(batch.y, mixed_by_loop(shares, partner)[0], atol=1e-6)


def test_what_is_no_share_shows_in_the_labels():
    policy = MixUp(1.0, num_classes=4, label_rule=lambda lam, *_: lam + 1)
    assert np.isnan(policy(X, Y)[1]).all()
    policy = MixUp(1.0, num_classes=4, label_rule=lambda lam, *_: lam[0])
    with pytest.raises(ValueError, match=r"Expected shape \(batch_size,\)"):
        policy(X, Y)


def test_a_second_batch_has_its_own_classes():
    policy = MixUp(1.0, per="example", seed=5, num_classes=4, label_rule=Remix(COUNTS))
    other = X[::-1], Y[::-1]
    batch = policy.between((X, Y), other, step=3, details=True)
    lam, _ = draws(policy)
    shares = [remix_share(*of) for of in zip(lam, Y, Y[::-1], strict=True)]
    np.testing.assert_allclose(batch.shares[0], shares, atol=1e-6)
    rows, _ = mixed_by_loop(shares, np.arange(12)[::-1])
    np.testing.assert_allclose(batch.y, rows, atol=1e-6)


def test_what_is_pasted_is_shared_by_the_rule_of_its_area():
    images = GENERATOR.random((12, 8, 8, 1)).astype("float32")
    settings = {"per": "example", "seed": 5, "num_classes": 4}
    plain = CutMix(**settings).at_step(3, (images, Y), details=True)
    ruled = CutMix(label_rule=Remix(COUNTS), **settings)
    found = ruled.at_step(3, (images, Y), details=True)
    partner = found.partners[0].numpy()
    of = zip(plain.shares[0].numpy(), Y, Y[partner], strict=True)
    np.testing.assert_allclose(found.shares[0], [remix_share(*one) for one in of])
    np.testing.assert_array_equal(found.x, plain.x)
    choice = RandomChoice([CutMix(num_classes=4, label_rule=Remix(COUNTS))], seed=5)
    batch = choice.at_step(3, (images, Y), details=True)
    partner = batch.partners[0].numpy()
    same = RandomChoice([CutMix(num_classes=4)], seed=5)
    area = same.at_step(3, (images, Y), details=True).shares[0].numpy()
    shares = [remix_share(area, i, j) for i, j in zip(Y, Y[partner], strict=True)]
    np.testing.assert_allclose(batch.shares[0], shares)


@pytest.mark.parametrize(
    ("mode", "examples"), [*((mode, 2) for mode in oracles.MODES), ("eager", 3)]
)
def test_a_union_has_what_any_part_has(mode, examples):
    policy = MixUp(
        *(1.0,), seed=5, examples=examples, multi_label=True, label_rule="union"
    )
    plain = MixUp(1.0, seed=5, examples=examples, multi_label=True)
    weights = WEIGHTS

    def mixed(x, y, weights):
        return policy.at_step(3, (x, y, weights))

    x, rows, weight = oracles.run(mode, mixed, X, LABELS, weights)
    parts = plain.at_step(3, (X, LABELS), details=True)
    of_all = [np.arange(12), *[partner.numpy() for partner in parts.partners]]
    for n in range(12):
        parts_of_it = [at[n] for at in of_all]
        heard = [part for part in parts_of_it if weights[part] > 0] or parts_of_it
        np.testing.assert_array_equal(rows[n], LABELS[heard].max(0))
        total = sum(float(s) * weights[at[n]] for s, at in zip(parts.shares, of_all))
        assert weight[n] == pytest.approx(total, abs=1e-6)
    np.testing.assert_allclose(x, parts.x, atol=1e-6)


def test_a_part_of_share_zero_is_not_in_the_union():
    policy = MixUp(1.0, probability=0.5, per="example", seed=5, multi_label=True,
                   label_rule="union", label_smoothing=0.2)  # fmt: skip
    plain = MixUp(1.0, probability=0.5, per="example", seed=5, multi_label=True)
    parts = plain.at_step(3, (X, LABELS), details=True)
    own, partner = parts.shares[0].numpy(), parts.partners[0].numpy()
    expected = np.where(own[:, None] < 1, np.maximum(LABELS, LABELS[partner]), LABELS)
    assert 0 < (own < 1).sum() < 12
    found = policy.at_step(3, (X, LABELS), details=True)
    np.testing.assert_allclose(found.y, 0.8 * expected + 0.1, atol=1e-6)
    assert found.shares is None
    keras_mixup.show((np.zeros((12, 4, 4)), found.y))
    keras_mixup.show(found._replace(x=np.zeros((12, 4, 4))))


@pytest.mark.parametrize("rule", [Remix(COUNTS), "union"], ids=str)
def test_without_mixing_the_labels_are_their_own(rule):
    union = rule == "union"
    for off in ({"alpha": 0.0}, {"alpha": 1.0, "probability": 0.0}):
        policy = MixUp(**off, label_rule=rule, multi_label=union)
        y = LABELS if union else ROWS
        np.testing.assert_array_equal(policy(X, y)[1], y)


def makers():
    yield lambda: MixUp(1.0, label_rule=Remix(COUNTS))
    yield lambda: MixUp(1.0, label_rule=Remix(COUNTS, tau=0.25))
    yield lambda: MixUp(1.0, label_rule=Remix(np.array(COUNTS[::-1])))
    yield lambda: MixUp(1.0, label_rule="union", multi_label=True)
    yield lambda: RandomChoice(
        [MixUp(label_rule=Remix(COUNTS)), CutMix(label_rule=Remix(COUNTS))]
    )


def test_policies_of_equal_rules_are_equal_and_their_configs_give_them():
    policies, twins = ([make() for make in makers()] for _ in range(2))
    for i, j in itertools.product(range(len(policies)), repeat=2):
        assert (policies[i] == twins[j]) == (i == j)
    for policy in policies:
        config = keras.saving.serialize_keras_object(policy)
        assert keras.saving.deserialize_keras_object(config) == policy
    assert repr(policies[1]) == (
        "MixUp(alpha=1.0, label_rule="
        "Remix(counts=[900, 300, 100, 7], kappa=3.0, tau=0.25))"
    )
    assert len({Remix(COUNTS), Remix(COUNTS), Remix(COUNTS, 2)}) == 2


def test_a_layer_with_a_rule_is_the_policy_and_is_loaded_again():
    layer = keras_mixup.layers.MixUp(1.0, num_classes=4, label_rule=Remix(COUNTS))
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert again.policy == layer.policy
    assert again.label_rule == Remix(COUNTS)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"label_rule": "remix"}, "Unknown value.*`label_rule`"),
        ({"label_rule": 0.5}, "Unknown value.*`label_rule`"),
        ({"label_rule": "union"}, "multi_label=True"),
        ({"label_rule": Remix(COUNTS), "multi_label": True}, "multi_label=False"),
        ({"label_rule": Remix(COUNTS), "examples": 3}, "examples=2.*examples=3"),
        ({"label_rule": sharpened, "targets": "closer"}, "targets='mix'"),
        ({"label_rule": sharpened, "ignore_class": 255}, "ignore_class=None"),
        ({"label_rule": sharpened, "period": 360}, "period=None"),
    ],
)
def test_settings_that_leave_no_place_for_a_rule_are_refused(settings, expected):
    with pytest.raises(ValueError, match=expected):
        MixUp(**settings)


@pytest.mark.parametrize(
    "arguments",
    [
        *(([],), ([1, 0],), ([1, -1],), ([[1, 2]],), ([1, np.nan],), (3,), (["a"],)),
        *(([1, 2], 0.5), ([1, 2], np.inf), ([1, 2], 3, 1.5), ([1, 2], 3, "half")),
    ],
)
def test_arguments_of_remix_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match="Invalid value received for argument"):
        Remix(*arguments)


MASKS = np.zeros((12, 8, 8), "int32")
IMAGES = np.zeros((12, 8, 8, 1), "float32")
UNION = {"label_rule": "union", "multi_label": True}
REMIX = {"label_rule": Remix(COUNTS)}


@pytest.mark.parametrize(
    ("policy", "batch", "expected"),
    [
        (MixUp(**REMIX), (X, X[:, 0]), "not for quantities"),
        (MixUp(**REMIX), (X, X[:, :1]), "not for quantities"),
        (MixUp(**REMIX), (X, LABELS), "4 classes"),
        (MixUp(num_classes=5, **REMIX), (X, Y), "4 classes"),
        (MixUp(num_classes=4, **REMIX), (X, {"a": Y, "b": Y}), "one target"),
        (MixUp(num_classes=4, **REMIX), (IMAGES, MASKS), "not for quantities"),
        (CutMix(num_classes=4, **REMIX), (IMAGES, MASKS), "position by position"),
        (MixUp(num_classes=4, label_rule=sharpened), (IMAGES, MASKS), "quantities"),
        (MixUp(**UNION), (X, {"a": LABELS, "b": LABELS}), "one target"),
        (MixUp(**UNION), (X, Y), "not multi-label"),
        (
            MixUp(num_classes=4, **REMIX),
            {
                "images": IMAGES,
                "labels": Y,
                "bounding_boxes": {
                    "boxes": np.zeros((12, 1, 4), "float32"),
                    "labels": np.zeros((12, 1), "int32"),
                },
            },
            "bounding boxes",
        ),
    ],
)
def test_targets_that_no_rule_can_mix_are_refused(policy, batch, expected):
    with pytest.raises(ValueError, match=expected):
        policy(batch)


@pytest.mark.parametrize(
    ("policy", "y"), [(MixUp(**REMIX), 2 * ROWS), (MixUp(**UNION), 3 * LABELS)]
)
def test_rows_of_other_values_fail_at_their_batch(policy, y):
    dataset = tf.data.Dataset.from_tensor_slices((X, y)).batch(12).apply(policy)
    with pytest.raises(tf.errors.InvalidArgumentError, match="sum to 1|quantities"):
        next(iter(dataset))


def test_policies_of_a_choice_agree_in_their_rule():
    policies = [MixUp(**REMIX), CutMix(label_rule=Remix(COUNTS, 2))]
    with pytest.raises(ValueError, match="agree in `label_rule`"):
        RandomChoice(policies)


def test_unlabeled_examples_have_no_rule():
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match="label_rule=None"):
        keras_mixup.ICTModel(network, MixUp(**REMIX))
