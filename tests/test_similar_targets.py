"""Partners by the likeness of targets: in the batch, and over a whole set."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import keras_mixup
from keras_mixup import neighbors, similarity
from tests import oracles

# Two groups, a pair of equal targets, and one that is far from all.
Y = np.array([0.0, 0.1, 0.1, 0.7, 1.2, 1.3, 2.9, 3.1, 9.0])
PLANE = np.stack([Y, 5 * np.cos(Y)], axis=1)
WIDTHS = [0.8, 2.0]
COUNT = 3000


def law(z, kernel):
    """P(j | i), by a plain loop over pairs."""
    weights = np.zeros([len(z), len(z)])
    for i, own in enumerate(z):
        for j, other in enumerate(z):
            squared = np.sum((own - other) ** 2)
            near = float(squared <= 1)
            weights[i, j] = np.exp(-squared / 2) if kernel == "gaussian" else near
    return weights / weights.sum(axis=1, keepdims=True)


def steps_of(draw):
    return np.array([draw(tf.constant(step)).numpy() for step in range(COUNT)])


def in_batch(targets, bandwidth, kernel):
    def draw(step):
        return keras_mixup.sample_partner(
            len(targets), 3, step, 0, "similar_target", targets,
            bandwidth=bandwidth, kernel=kernel,
        )  # fmt: skip

    return draw


def in_set(targets, bandwidth, kernel):
    table = neighbors.similar_targets(targets, bandwidth, kernel)

    def draw(step):
        return neighbors.draw_neighbors(table, tf.range(len(targets)), 3, step)

    return draw


@pytest.mark.parametrize("kernel", ["gaussian", "uniform"])
@pytest.mark.parametrize("where", [in_batch, in_set])
@pytest.mark.parametrize("targets, widths", [(Y, 0.8), (PLANE, WIDTHS)])
def test_partners_follow_the_kernel_and_nothing_else(kernel, where, targets, widths):
    expected = law(np.reshape(targets / np.asarray(widths), [len(Y), -1]), kernel)
    found = steps_of(tf.function(where(targets, widths, kernel)))
    assert (found[:, -1] == len(Y) - 1).all()
    for i in range(len(Y)):
        counts = np.bincount(found[:, i], minlength=len(Y))
        assert not counts[expected[i] == 0].any()
        # Of the far ones together.
        often = expected[i] * COUNT >= 5
        seen = np.append(counts[often], counts[~often].sum())
        wanted = np.append(expected[i][often], expected[i][~often].sum()) * COUNT
        keep = wanted > 1e-3
        if keep.sum() > 1:
            p = scipy.stats.chisquare(seen[keep], wanted[keep], sum_check=False).pvalue
            assert p > 1e-4


@pytest.mark.parametrize("where", [in_batch, in_set])
def test_four_modes_draw_the_same(where):
    draw = where(Y, 0.8, "gaussian")
    modes = [draw, tf.function(draw), tf.function(draw, jit_compile=True)]
    rows = [[mode(tf.constant(step)).numpy() for step in range(20)] for mode in modes]
    mapped = tf.data.Dataset.range(20).map(
        lambda step: draw(keras_mixup.Step(step)), num_parallel_calls=2
    )
    for row in (*rows, [one.numpy() for one in mapped]):
        np.testing.assert_array_equal(row, rows[0])


def test_the_bandwidth_by_rule_is_the_normal_reference():
    spread = PLANE.std(axis=0)
    expected = spread * (4 / (4 * len(Y))) ** (1 / 6)
    np.testing.assert_allclose(neighbors.reference_bandwidth(PLANE), expected)
    # In one dimension the rule is 1.06 s n^(-1/5).
    (one,) = neighbors.reference_bandwidth(Y)
    assert one == pytest.approx(1.0592 * Y.std() * len(Y) ** -0.2, rel=1e-4)
    by_rule, by_number = in_set(Y, "auto", "gaussian"), in_set(Y, one, "gaussian")
    for step in range(50):
        np.testing.assert_array_equal(by_rule(step), by_number(step))


def test_a_large_set_is_drawn_from_by_the_kernel():
    """The law of differences: of normal targets it is known in closed form."""
    y = np.random.default_rng(0).normal(size=200_000)
    table = neighbors.similar_targets(y, 0.5)
    index = np.arange(0, len(y), 4).astype(np.int32)
    drawn = neighbors.draw_neighbors(table, index, seed=1).numpy()
    # exp(-(y - m)**2 / 2 h**2) exp(-y**2 / 2) has the mean m / (1 + h**2).
    residual = (y[drawn] - y[index] / 1.25) / np.sqrt(0.25 / 1.25)
    assert scipy.stats.kstest(residual, "norm").pvalue > 1e-3


def test_of_equal_targets_in_a_batch_each_is_as_likely():
    policy = keras_mixup.MixUp(1.0, pairing="similar_target", seed=1)
    x = np.eye(4, dtype="float32")
    y = np.full([4, 1], 7.0, "float32")
    partners = [
        policy.at_step(step, (x, y), details=True).partners[0] for step in range(400)
    ]
    counts = np.bincount(np.ravel(partners), minlength=4)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("bandwidth", [0.8, {"height": 0.8, "mass": 2.0}])
def test_the_pipeline_mixes_by_the_partners_of_the_batch(bandwidth):
    named = isinstance(bandwidth, dict)
    policy = keras_mixup.MixUp(
        2.0, pairing="similar_target", bandwidth=bandwidth, seed=3
    )
    x = np.arange(9, dtype="float32")[:, np.newaxis]
    y = PLANE.astype("float32")
    targets = {"height": y[:, 0], "mass": y[:, 1]} if named else y
    width = WIDTHS if named else 0.8
    mixed_x, mixed_y = policy.at_step(5, (x, targets))
    partner = keras_mixup.sample_partner(
        9, 3, 5, 0, "similar_target", y, bandwidth=width
    )
    lam = keras_mixup.sample_lambda(2.0, (), 3, 5).numpy()
    np.testing.assert_allclose(
        mixed_x, lam * x + (1 - lam) * x[partner], rtol=1e-5, atol=1e-6
    )
    height = mixed_y["height"] if named else mixed_y[:, 0]
    expected = lam * y[:, 0] + (1 - lam) * y[partner, 0]
    np.testing.assert_allclose(height, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("place", ["input", "hidden"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_train_step_mixes_likeness_at_each_place(place, jit_compile):
    """With the kernel so narrow that only equal targets pair, targets stay."""
    network = keras.Sequential(
        [
            keras.layers.Dense(3, name="hidden", input_shape=(1,)),
            keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False),
        ]
    )
    policy = keras_mixup.MixUp(2.0, pairing="similar_target", bandwidth=1e-3, seed=0)
    model = keras_mixup.MixUpModel(network, policy, mix_at=[place])
    model.compile("sgd", "mse", jit_compile=jit_compile)
    y = np.array([0.0, 0.0, 3.0, 3.0])
    loss = model.train_on_batch(np.arange(4.0)[:, np.newaxis], y)
    assert float(np.ravel(loss)[0]) == pytest.approx(np.mean(y**2), rel=1e-6)


def test_a_choice_of_policies_pairs_each_by_its_own_target():
    policies = [
        keras_mixup.MixUp(1.0, pairing="similar_target", bandwidth=1e-3),
        keras_mixup.MixUp(1.0, pairing="roll"),
    ]
    x, y = np.arange(4.0)[:, np.newaxis], np.array([0.0, 0.0, 3.0, 3.0])
    seen = set()
    for step in range(20):
        one = keras_mixup.RandomChoice(policies, seed=1).at_step(
            step, (x, y), details=True
        )
        alike = (y[np.asarray(one.partners[0])] == y).all()
        seen.add(bool(alike))
    assert seen == {True, False}


def test_settings_come_back_from_their_config():
    widths = {"a": np.float32(0.5), "b": [1, 2.5]}
    policy = keras_mixup.MixUp(
        2.0, pairing="similar_target", bandwidth=widths, kernel="uniform"
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(policy)
    )
    assert again.get_config() == policy.get_config()
    assert again.bandwidth == {"a": 0.5, "b": [1.0, 2.5]}


@pytest.mark.parametrize(
    "bandwidth",
    [0, -1.0, np.nan, np.inf, "wide", [], [1, 0], None, tf.constant(2.0)],
)
def test_a_wrong_bandwidth_is_refused_everywhere(bandwidth):
    with pytest.raises(ValueError, match="its own partner"):
        keras_mixup.MixUp(1.0, pairing="similar_target", bandwidth=bandwidth)
    with pytest.raises(ValueError, match="its own partner"):
        neighbors.similar_targets(Y, bandwidth)


@pytest.mark.parametrize(
    "targets, bandwidth, words",
    [
        ([1.0, np.nan, np.inf], 1.0, "in row 1, and 1 more"),
        ([[1.0], [1.0, 2.0]], 1.0, "of one shape"),
        (["a", "b"], 1.0, "numbers of one shape"),
        ([], 1.0, "numbers of one shape"),
        ([5.0, 5.0], "auto", "that differ"),
        (PLANE, [1.0, 1.0, 1.0], "each of the 2 entries"),
    ],
)
def test_wrong_targets_of_a_set_are_refused(targets, bandwidth, words):
    with pytest.raises(ValueError, match=words):
        neighbors.similar_targets(targets, bandwidth)


def test_a_constant_target_with_a_number_pairs_all():
    draw = in_set(np.full(3, 5.0), 1.0, "gaussian")
    rows = np.ravel([draw(step) for step in range(100)])
    assert scipy.stats.chisquare(np.bincount(rows, minlength=3)).pvalue > 1e-3


def test_wrong_batches_are_refused():
    policy = keras_mixup.MixUp(1.0, pairing="similar_target", seed=0)
    x = np.zeros([3, 1], "float32")
    hole = np.array([0.0, np.nan, 1.0], "float32")
    # By "auto" all of the batch would be without a unit: the one row is named.
    for call in (
        lambda: policy.at_step(0, (x, hole)),
        lambda: keras_mixup.sample_partner(3, pairing="similar_target", labels=hole),
    ):
        wrong = pytest.raises(tf.errors.InvalidArgumentError, match="finite.*\n1$")
        with wrong:
            call()
    two = {"a": np.zeros(3, "float32"), "b": np.zeros(3, "float32")}
    with pytest.raises(ValueError, match="pairing_target"):
        policy.at_step(0, (x, two))
    with pytest.raises(ValueError, match="labels=None"):
        keras_mixup.sample_partner(3, pairing="similar_target")
    with pytest.raises(ValueError, match="at most 8192"):
        keras_mixup.sample_partner(
            9000, pairing="similar_target", labels=np.zeros(9000)
        )
    with pytest.raises(ValueError, match="belongs to"):
        keras_mixup.MixUp(1.0, bandwidth=1.0)
    with pytest.raises(ValueError, match="kernel belongs to"):
        keras_mixup.MixUp(1.0, kernel="uniform")
    with pytest.raises(ValueError, match="kernel belongs to"):
        keras_mixup.sample_partner(3, kernel="uniform")
    with pytest.raises(ValueError, match="names the targets"):
        keras_mixup.MixUp(
            1.0, pairing="similar_target", bandwidth={"a": 1.0}, pairing_target="a"
        )
    with pytest.raises(ValueError, match="kernel"):
        neighbors.similar_targets(Y, 1.0, "box")


def test_a_target_goes_by_the_name_that_messages_give_it():
    y = Y[:, np.newaxis]
    for name, form in (("y", y), ("1", [0 * y, y]), (1, [0 * y, y])):
        policy = keras_mixup.MixUp(
            1.0,
            pairing="similar_target",
            pairing_target=name,
            bandwidth=0.3,
            seed=0,
            jit_compile=False,
        )
        mixed = policy.at_step(0, (y, form))[0]
        expected = keras_mixup.MixUp(
            1.0, pairing="similar_target", bandwidth=0.3, seed=0, jit_compile=False
        ).at_step(0, (y, y))[0]
        np.testing.assert_array_equal(mixed, expected)


def test_the_bandwidth_of_a_hole_is_refused():
    with pytest.raises(ValueError, match="Expected finite numbers.*row 1"):
        neighbors.reference_bandwidth([0.0, np.nan, 1.0])


@pytest.mark.parametrize("period", [None, 7.0])
def test_where_xla_refuses_nothing_a_hole_leaves_the_others_their_bandwidth(period):
    holes, kept = Y.copy(), np.arange(len(Y)) != 3
    holes[3] = np.nan

    def scaled(labels):
        values, bandwidths = similarity.rows_of(labels, "auto", period)
        return values / bandwidths

    found = oracles.run("xla", scaled, holes)
    np.testing.assert_allclose(found[kept], scaled(Y[kept]), rtol=1e-6)
    assert np.isnan(found[3]).all()


@pytest.mark.parametrize("kernel", ["gaussian", "uniform"])
def test_where_xla_refuses_nothing_a_hole_is_its_own_partner(kernel):
    holes, far = Y.copy(), Y.copy()
    holes[[2, 7]], far[[2, 7]] = [np.nan, np.inf], [1e6, -1e6]

    def draw(labels):
        return keras_mixup.sample_partner(
            9, 5, pairing="similar_target", labels=labels, bandwidth=0.5, kernel=kernel
        )

    found = oracles.run("xla", draw, holes)
    # Far away instead, they are nobody's partner and nobody is theirs.
    expected = oracles.run("xla", draw, far)
    np.testing.assert_array_equal(found, expected)
    assert found[2] == 2 and found[7] == 7 and len(set(found)) > 3


def partners_by(mode, y, steps, **settings):
    """The partners of each example in so many steps, (steps, batch)."""
    mixup = keras_mixup.MixUp(
        *(2.0,),
        pairing="similar_target",
        per="example",
        seed=0,
        jit_compile=mode == "xla",
        **settings,
    )
    if mode == "eager":
        found = [mixup.at_step(k, (y, y), details=True).partners for k in range(steps)]
        return np.stack([one[0] for one in found])
    batches = tf.data.Dataset.from_tensors((y, y)).repeat(steps)
    mixed = keras_mixup.count_steps(batches).map(
        lambda step, batch: mixup.at_step(step, batch, details=True).partners[0]
    )
    return np.stack(list(mixed.as_numpy_iterator()))


@pytest.mark.parametrize(
    ("width", "offset"), [(3, 0), pytest.param(7, 1e8, marks=pytest.mark.slow)]
)
def test_a_window_has_both_its_ends_in_each_mode_and_in_the_table(width, offset):
    ages = np.arange(20.0, 61.0) + offset
    steps = {"eager": 5, "graph": 200, "xla": 200}
    found = {
        mode: partners_by(mode, ages, count, bandwidth=width, kernel="uniform")
        for mode, count in steps.items()
    }
    np.testing.assert_array_equal(found["xla"], found["graph"])
    np.testing.assert_array_equal(found["xla"][:5], found["eager"])
    table = neighbors.similar_targets(ages, bandwidth=width, kernel="uniform")
    at = np.tile(np.arange(41), 200)
    drawn = neighbors.draw_neighbors(table, at, seed=1).numpy().reshape(200, 41)
    for partners in (found["xla"], drawn):
        for i, column in enumerate(partners.T):
            near = [j for j in range(41) if abs(i - j) <= width]
            assert set(column) <= set(near)
        steps = (partners - np.arange(41)).ravel()
        assert steps.min() == -width and steps.max() == width


def test_ratings_of_float32_have_both_ends_of_the_window():
    ratings = np.float32(np.arange(0, 50) / 10)
    table = neighbors.similar_targets(ratings, bandwidth=0.5, kernel="uniform")
    for i in (10, 20, 33):
        drawn = neighbors.draw_neighbors(table, np.full(2000, i), seed=1).numpy()
        assert sorted(set(drawn)) == list(range(i - 5, i + 6))


@pytest.mark.parametrize("start", [1.7e9, 1.7e15])
def test_a_window_of_large_targets_is_of_both_sides(start):
    times = start + 60 * np.arange(48.0)
    table = neighbors.similar_targets(times, bandwidth=60.0, kernel="uniform")
    drawn = neighbors.draw_neighbors(table, np.full(3000, 20), seed=1).numpy()
    counts = np.bincount(drawn, minlength=48)
    assert counts.sum() == counts[19:22].sum()
    assert scipy.stats.chisquare(counts[19:22]).pvalue > 1e-4


@pytest.mark.parametrize(
    "mode", ["eager", "graph", pytest.param("xla", marks=pytest.mark.slow)]
)
def test_a_tiny_bandwidth_leaves_each_example_to_itself(mode):
    y = np.array([2.2, 3.1, 4.7, 9.3, 30.3])
    for bandwidth in (1e-18, 1e-300):
        found = partners_by(mode, y, 4, bandwidth=bandwidth)
        np.testing.assert_array_equal(found, np.tile(np.arange(5), (4, 1)))
        table = neighbors.similar_targets(y, bandwidth=bandwidth)
        drawn = neighbors.draw_neighbors(table, np.arange(5), seed=1)
        np.testing.assert_array_equal(drawn, np.arange(5))
    with pytest.raises(ValueError, match="Expected a finite number > 0"):
        keras_mixup.MixUp(2.0, pairing="similar_target", bandwidth=1e-310)


def test_lists_of_numbers_are_as_exact_as_arrays():
    values = [1.7e9 + second for second in range(0, 600, 60)]
    expected = neighbors.reference_bandwidth(np.array(values))
    assert neighbors.reference_bandwidth(values) == expected
    exact = 1.06 * np.std(values) * 10 ** (-1 / 5)
    np.testing.assert_allclose(expected, [exact], rtol=2e-3)
