"""Levels of an order: rows by a loop, the laws of mixed rows, and their training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests import oracles

LEVELS = np.array([[0, 4, 1], [3, 2, 4]])


def rows_of(levels, count):
    """The answers `y > k`, one by one."""
    rows = np.zeros((*np.shape(levels), count - 1), np.float32)
    for index in np.ndindex(np.shape(levels)):
        for k in range(count - 1):
            rows[(*index, k)] = levels[index] > k
    return rows


@pytest.mark.parametrize("mode", oracles.MODES)
@pytest.mark.parametrize("levels", [LEVELS[0, 1], LEVELS[0], LEVELS])
def test_rows_are_the_answers_of_a_loop_and_lead_back(levels, mode):
    rows = oracles.run(mode, lambda y: keras_mixup.ordinal_rows(y, 5), levels)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, rows_of(levels, 5))
    again = oracles.run(mode, keras_mixup.ordinal_level, rows)
    assert again.dtype == np.int32
    np.testing.assert_array_equal(again, levels)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64"])
def test_a_column_of_labels_is_dropped(dtype):
    column = LEVELS[0][:, np.newaxis].astype(dtype)
    found = keras_mixup.ordinal_rows(column, 5)
    np.testing.assert_array_equal(found, rows_of(LEVELS[0], 5))


def test_a_level_counts_what_is_above_one_half():
    rows = np.array([[0.9, 0.5, 0.4], [0.51, 0.7, 0.6], [0.2, 0.8, 0.1]])
    for dtype in ("float16", "float32", "float64"):
        found = keras_mixup.ordinal_level(rows.astype(dtype))
        np.testing.assert_array_equal(found, [1, 3, 1])


@pytest.mark.parametrize("examples", [2, 3])
def test_a_mixed_row_falls_and_its_sum_is_the_mixed_level(examples):
    levels = np.random.default_rng(0).integers(0, 7, 50)
    mixup = keras_mixup.MixUp(1.0, per="example", examples=examples, seed=1)
    x, targets = np.zeros([50, 1], "float32"), keras_mixup.ordinal_rows(levels, 7)
    _, rows = mixup.at_step(0, (x, targets))
    _, plain = mixup.at_step(0, (x, levels.astype("float32")))
    assert np.diff(rows, axis=1).max() <= 0
    np.testing.assert_allclose(np.sum(rows, axis=1), plain, rtol=1e-5, atol=1e-6)
    assert len(np.unique(plain)) > 20


def test_a_train_step_has_the_crossentropy_of_both_levels():
    """At probabilities of one half each answer costs log 2, whatever it is."""
    network = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(
                4, "sigmoid", kernel_initializer="zeros",
                bias_initializer=keras.initializers.Constant(0.5),
            ),
        ]
    )  # fmt: skip
    policy = keras_mixup.MixUp(1.0, pairing="roll", seed=2)
    model = keras_mixup.MixUpModel(network, policy)
    model.compile("sgd", "binary_crossentropy", jit_compile=True)
    levels = np.array([0, 4, 1, 3])
    loss = model.train_on_batch(
        np.zeros([4, 1]), keras_mixup.ordinal_rows(levels, 5), return_dict=True
    )["loss"]
    lam = float(keras_mixup.sample_lambda(1.0, (), 2, 0))
    likely = 1 / (1 + np.exp(-0.5))

    def cost(of):
        # Each level has `of` answers of 1 and 4 - of answers of 0.
        return -(of * np.log(likely) + (4 - of) * np.log(1 - likely)) / 4

    expected = lam * cost(levels) + (1 - lam) * cost(np.roll(levels, 1))
    assert float(loss) == pytest.approx(expected.mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("function", "values", "words"),
    [
        ("ordinal_rows", [0, 5], r"integers in \[0, 5\).*others, such as 5"),
        ("ordinal_rows", [-1], "1 others, such as -1"),
        ("ordinal_rows", [0.0, 1.0], "dtype float32"),
        ("ordinal_rows", [True], "dtype bool"),
        ("ordinal_level", [[0.5, 1.5]], "of logits their sigmoid.*such as 1.5"),
        ("ordinal_level", [[np.nan]], "such as nan"),
        ("ordinal_level", 0.5, r"shape \(\)"),
        ("ordinal_level", ["a"], "dtype string"),
    ],
)
def test_what_is_out_of_range_is_refused(function, values, words):
    more = {"num_levels": 5} if function == "ordinal_rows" else {}
    with pytest.raises(ValueError, match=f"Invalid value received.*{words}"):
        getattr(keras_mixup, function)(values, **more)


def test_what_is_out_of_range_is_refused_where_a_graph_runs():
    rows = tf.function(lambda y: keras_mixup.ordinal_rows(y, 5))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`levels`"):
        rows(tf.constant([0, 5]))
    level = tf.function(keras_mixup.ordinal_level)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`probabilities`"):
        level(tf.constant([[0.1, -3.0]]))


@pytest.mark.parametrize("num_levels", [1, 0, 2.5, None])
def test_a_wrong_number_of_levels_is_refused(num_levels):
    with pytest.raises(ValueError, match="`num_levels`. Expected an integer >= 2"):
        keras_mixup.ordinal_rows([0], num_levels)
