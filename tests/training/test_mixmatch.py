"""MixMatchModel: one step by hand, its parts, its ways of running, what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import keys
from keras_mixup.training import class_outputs
from tests import oracles
from tests.training.few_labels_parts import (
    CLASSES,
    EAGER,
    U,
    X,
    Y,
    assert_same,
    both,
    compiled,
    gradient_of,
    linear,
    slope_of_square,
    softmax,
    weights_of,
)

POLICY = keras_mixup.MixUp(0.75, seed=3, per="example", keep_larger=True)


@keras.saving.register_keras_serializable("few_labels")
class Numbered(keras.Layer):
    """An augmentation that is known: call n of a step adds n to all, n = 0, 1, ..."""

    def __init__(self, calls=2, **kwargs):
        super().__init__(**kwargs)
        self.calls = calls
        self.made = self.add_weight(
            shape=(), dtype="int32", trainable=False, initializer="zeros"
        )

    def call(self, inputs, training=None):
        assert training
        number = self.made.value % self.calls
        added = inputs + tf.cast(number, inputs.dtype)
        self.made.assign_add(1)
        return added

    def get_config(self):
        return {**super().get_config(), "calls": self.calls}


def model_of(network=None, how=EAGER, mixup=POLICY, from_logits=True, **options):
    options = {"ramp_up": 2, "unlabeled_weight": 5.0, "teacher_decay": 0.6, **options}
    options = {"augment": Numbered(options.get("guesses", 2)), **options}
    made = keras_mixup.MixMatchModel(network or linear(), mixup, **options)
    return compiled(made, from_logits=from_logits, **how)


def draw_of(step, size, unlabeled=False):
    key = keys.make_key(3, step)
    if unlabeled:
        key = keys.fold_in(key, keys.Stream.UNLABELED)
    draw = POLICY.draw(size, key, 0.75)
    lam = draw.coefficients[0].numpy().astype("float64")
    assert (lam >= 0.5).all()
    return lam, draw.partners[0].numpy()


def mixed(lam, partner, x, rows, weights):
    """Row by row, with the weight of each label."""
    found = []
    for i, j in enumerate(partner):
        share, other = lam[i] * weights[i], (1 - lam[i]) * weights[j]
        total = share + other
        target = (share * rows[i] + other * rows[j]) / total if total else rows[i]
        found.append((lam[i] * x[i] + (1 - lam[i]) * x[j], target, total))
    return [np.array(column) for column in zip(*found, strict=True)]


def by_hand(
    steps, guesses=2, temperature=0.5, mix="all", unlabeled_size=4, weights=None
):
    """The weights of a linear network, with every sum written out."""
    kernel, bias = weights_of(linear())
    labels = np.eye(CLASSES)[Y]
    weights = np.ones(8) if weights is None else weights
    for step in range(steps):
        part = slice(4 * (step % 2), 4 * (step % 2) + 4)
        x, y, w = X[part].astype("float64"), labels[part], weights[part]
        at = unlabeled_size * step
        u = U[at : at + unlabeled_size].astype("float64")
        copies = [u + number for number in range(guesses)]
        guess = sum(softmax(one @ kernel + bias) for one in copies) / guesses
        powers = guess ** (1 / temperature)
        guess = powers / powers.sum(-1, keepdims=True)
        xs, ys = np.concatenate(copies), np.concatenate([guess] * guesses)
        ones = np.ones(len(xs))
        if mix == "all":
            everything = (
                np.concatenate(pair) for pair in ((x, xs), (y, ys), (w, ones))
            )
            x, y, w = mixed(*draw_of(step, 4 + len(xs)), *everything)
            x, xs, y, ys, w = x[:4], x[4:], y[:4], y[4:], w[:4]
        if mix in ("labeled", "separately"):
            x, y, w = mixed(*draw_of(step, 4), x, y, w)
        if mix in ("unlabeled", "separately"):
            xs, ys, _ = mixed(*draw_of(step, len(xs), unlabeled=True), xs, ys, ones)
        p, q = (softmax(one @ kernel + bias) for one in (x, xs))
        supervised = gradient_of(x, w[:, None] * (p - y) / 4)
        weight = 5 * min(step / 2, 1)
        unsupervised = gradient_of(xs, weight * slope_of_square(q, ys))
        kernel, bias = (
            one - 0.1 * (g + f)
            for one, g, f in zip((kernel, bias), supervised, unsupervised, strict=True)
        )
    return [kernel, bias]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"guesses": 1},
        {"guesses": 3},
        {"temperature": 1.0},
        {"mix": "separately"},
        {"mix": "labeled"},
        {"mix": "unlabeled"},
        {"mix": None},
    ],
    ids=str,
)
def test_three_steps_are_those_by_hand(options):
    model = model_of(**options)
    model.fit(both(), verbose=0)
    assert_same(model.network.get_weights(), by_hand(3, **options), 5e-6)


def test_batches_of_two_sizes():
    model = model_of()
    model.fit(both(4, 6), verbose=0)
    assert_same(model.network.get_weights(), by_hand(2, unlabeled_size=6), 5e-6)


def test_sample_weights_weigh_their_labels_and_guesses_weigh_one():
    weights = np.array([0.0, 2, 1, 1, 3, 0.5, 1, 1], "float32")
    model = model_of()
    model.fit(both(weights=weights), verbose=0)
    assert_same(model.network.get_weights(), by_hand(3, weights=weights), 5e-6)


def test_probabilities_of_a_softmax_give_the_same_steps():
    model = model_of(linear(activation="softmax"), from_logits=False)
    model.fit(both(), verbose=0)
    assert_same(model.network.get_weights(), by_hand(3), 2e-5)


def test_one_hot_labels_are_the_same_as_class_numbers():
    rows = tf.data.Dataset.from_tensor_slices((X, np.eye(3, dtype="float32")[Y]))
    unlabeled = tf.data.Dataset.from_tensor_slices(U).batch(4)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model = model_of(how={**EAGER, "loss": loss})
    model.fit(keras_mixup.labeled_and_unlabeled(rows.batch(4), unlabeled), verbose=0)
    assert_same(model.network.get_weights(), by_hand(3), 5e-6)


@pytest.mark.parametrize("compiled_by_xla", [False, True])
def test_a_graph_and_xla_have_the_same_steps(compiled_by_xla):
    model = model_of(how={"jit_compile": compiled_by_xla}, augment=None)
    model.fit(both(), verbose=0)
    eager = model_of(augment=None)
    eager.fit(both(), verbose=0)
    assert_same(model.get_weights(), eager.get_weights(), 1e-5)


def test_metrics_are_of_the_given_labels_and_the_mixed_outputs():
    optimizer = keras.optimizers.SGD(0.0)
    model = model_of(how={**EAGER, "optimizer": optimizer}, mix=None)
    shown = model.fit(both(8, 12), verbose=0).history
    kernel, bias = weights_of(linear())
    p = softmax(X @ kernel + bias)
    assert shown["accuracy"][0] == pytest.approx((p.argmax(-1) == Y).mean())
    supervised = -np.log(p[np.arange(8), Y]).mean()
    assert shown["supervised_loss"][0] == pytest.approx(supervised, rel=1e-5)
    copies = [softmax((U + number) @ kernel + bias) for number in range(2)]
    powers = (sum(copies) / 2) ** 2
    guess = powers / powers.sum(-1, keepdims=True)
    square = np.mean([np.square(guess - one).mean() for one in copies])
    assert shown["unlabeled_loss"][0] == pytest.approx(square, rel=1e-4)
    # Before the first step nothing of the unlabeled part counts.
    assert shown["loss"][0] == pytest.approx(supervised, rel=1e-5)


def test_statistics_come_from_the_first_interleaved_batch_alone():
    layer = keras.layers.BatchNormalization(momentum=0.9)
    model = model_of(linear(layer), mix=None)
    model.train_on_batch(next(iter(both(6))))
    # Two rows of the labeled batch, two of either copy: parts 0, 1 and 2 of 3.
    first = np.concatenate([X[:2], U[2:4], U[4:6] + 1])
    np.testing.assert_allclose(layer.moving_mean, 0.1 * first.mean(0), atol=1e-6)
    variance = 0.9 + 0.1 * first.var(0)
    np.testing.assert_allclose(layer.moving_variance, variance, atol=1e-5)


def test_sharpening_is_the_power():
    rows = np.array([[0.7, 0.2, 0.1], [1, 0, 0], [1e-30, 1 - 1e-30, 0]], "float32")
    for temperature in (0.5, 0.1, 2.0):
        powers = rows.astype("float64") ** (1 / temperature)
        expected = powers / powers.sum(-1, keepdims=True)
        found = class_outputs.sharpened(tf.constant(rows), temperature)
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.slow
def test_two_replicas():
    with oracles.two_replicas().scope():
        model = model_of(how={}, augment=keras.layers.GaussianNoise(0.1))
        history = model.fit(both(), validation_data=(X, Y), verbose=0).history
    assert np.isfinite([*history["loss"], *history["val_loss"]]).all()
    for weight in model.network.trainable_weights:
        first, second = weight.value.values
        np.testing.assert_array_equal(first, second)


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    network = linear(keras.layers.BatchNormalization())
    model = model_of(network, how={}, augment=None)
    before = weights_of(network)
    history = model.fit(both(), validation_data=(X, Y), verbose=0).history
    assert np.isfinite([*history["loss"], *history["val_loss"]]).all()
    assert np.abs(weights_of(network)[2] - before[2]).max() > 1e-4


def test_a_model_with_a_layer_that_augments_is_saved_and_loaded(tmp_path):
    model = model_of(mix="separately", guesses=1)
    model.fit(both(), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert (loaded.mix, loaded.guesses, loaded.seed) == ("separately", 1, 3)
    assert isinstance(loaded.augment, Numbered)
    assert_same(loaded.get_weights(), model.get_weights())


def test_a_plain_function_may_augment():
    model = model_of(augment=lambda images: images + 1.0, guesses=1)
    model.fit(both(), verbose=0)
    shifted = model_of(augment=None, guesses=1)
    shifted.fit(both(), verbose=0)
    pair = (one.network.get_weights()[0] for one in (model, shifted))
    assert np.abs(np.subtract(*pair)).max() > 1e-4


REFUSED = {
    "a policy that may keep the smaller part": (
        lambda: model_of(mixup=keras_mixup.MixUp(0.75)),
        "keep_larger=True",
    ),
    "a temperature of 0": (
        lambda: model_of(temperature=0),
        "`temperature`. Expected a finite number > 0",
    ),
    "a temperature that is no number": (
        lambda: model_of(temperature=True),
        "`temperature`. Expected a finite number > 0",
    ),
    "guesses that are no number": (
        lambda: model_of(guesses=True),
        "`guesses`. Expected an integer >= 1. Received: guesses=True",
    ),
    "no guess": (lambda: model_of(guesses=0), "`guesses`. Expected an integer >= 1"),
    "another mix": (lambda: model_of(mix="both"), "`mix`"),
    "an augmentation that is none": (
        lambda: model_of(augment="flip"),
        "`augment`. Expected a Keras layer",
    ),
    "an augmentation that changes the shape": (
        lambda: model_of(augment=lambda u: u[:, :2]).fit(both(), verbose=0),
        "`augment` changed the shape.*4, 2",
    ),
    "an augmentation that gives nothing": (
        lambda: model_of(augment=lambda u: None).fit(both(), verbose=0),
        "`augment` changed the shape.*NoneType",
    ),
    "an augmentation that gives two batches": (
        lambda: model_of(augment=lambda u: (u, u)).fit(both(), verbose=0),
        "`augment` changed the shape",
    ),
    "an augmentation that gives texts": (
        lambda: model_of(augment=tf.strings.as_string).fit(both(), verbose=0),
        "`augment` made texts",
    ),
    "a class of layers": (
        lambda: model_of(augment=keras.layers.GaussianNoise),
        "`augment`. Expected a Keras layer",
    ),
    "a weight for each class": (
        lambda: model_of().fit(both(weights=np.ones((8, 3), "float32")), verbose=0),
        "`sample_weight`. Expected one weight an example",
    ),
    "labels of other classes": (
        lambda: model_of(linear(keras.layers.Dense(2))).fit(
            keras_mixup.labeled_and_unlabeled(
                tf.data.Dataset.from_tensor_slices((X, np.eye(4)[Y])).batch(4),
                tf.data.Dataset.from_tensor_slices(U).batch(4),
            ),
            verbose=0,
        ),
        "labels of shape .None, 4.",
    ),
    "class numbers for a loss of rows": (
        lambda: model_of(
            how={"loss": keras.losses.CategoricalCrossentropy(from_logits=True)}
        ).fit(both(), verbose=0),
        "Expected rows of 3 classes",
    ),
    "a pairing by labels": (
        lambda: model_of(
            mixup=keras_mixup.MixUp(pairing="same_class", keep_larger=True)
        ),
        "no label to be paired by",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_honor_is_refused_in_a_sentence(name):
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        call()


@pytest.mark.parametrize("labels", [Y + 1, Y - 1], ids=["3 of 3", "-1"])
def test_a_class_number_out_of_range_fails_and_is_nan_in_xla(labels):
    labeled = tf.data.Dataset.from_tensor_slices((X, labels)).batch(4)
    unlabeled = tf.data.Dataset.from_tensor_slices(U).batch(4)
    given = keras_mixup.labeled_and_unlabeled(labeled, unlabeled)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"numbers in \[0, 3\)"):
        model_of(augment=None).train_on_batch(next(iter(given)))
    compiled_rows = tf.function(class_outputs.rows_of, jit_compile=True)
    expected = np.where(labels[:, None] == np.arange(3), 1.0, 0.0)
    expected[(labels < 0) | (labels > 2)] = np.nan
    np.testing.assert_array_equal(compiled_rows(labels, 3), expected)


def test_an_augmentation_that_leaves_out_examples_is_refused():
    model = model_of(augment=lambda u: u[: tf.shape(u)[0] // 2], how={})
    with pytest.raises(tf.errors.InvalidArgumentError, match="Batch sizes differ"):
        model.fit(both(), verbose=0)


def test_without_mixing_any_policy_of_numbers_will_do():
    model_of(mixup=keras_mixup.MixUp(0.75), mix=None).fit(both(), verbose=0)
