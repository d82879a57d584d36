"""What a GAN refuses, and that it does so before anything is trained."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests import oracles

X = np.zeros((12, 2), "float32")


def network(inputs, units, activation=None):
    layers = [keras.Input(inputs), keras.layers.Dense(units, activation=activation)]
    return keras.Sequential(layers)


def gan(mode="objective", steps=2, **arguments):
    networks = network((3,), 2), network((2,), 1)
    made = keras_mixup.MixUpGAN(
        *networks, mode=mode, discriminator_steps=steps, **arguments
    )
    # The few steps of a test take less time in Python than their graph takes to trace.
    made.compile("sgd", "sgd", run_eagerly=True)
    return made


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": -1}, r"`alpha`\. Expected a finite float >= 0\. Received: alpha=-1"),
        ({"alpha": float("nan")}, r"Received: alpha=nan"),
        (
            {"alpha": 1.5, "mode": "author_code"},
            r"`alpha`\. Expected a float in \[0, 1\] with mode=\"author_code\"",
        ),
        (
            {"alpha": tf.Variable(0.2)},
            r"`alpha`\. Expected a number: of a GAN it stays",
        ),
        ({"mode": "paper"}, r"`mode`\. Expected one of \['objective', 'author_code'\]"),
        ({"steps": 0}, r"`discriminator_steps`\. Expected an integer >= 1"),
        (
            {"generator_loss": "wgan"},
            r"Expected one of \['minimax', 'non_saturating'\]",
        ),
        ({"seed": 1.5}, r"`seed`\. Expected an integer or None"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        gan(**arguments)


def test_settings_that_a_traced_step_has_taken_in_stay():
    made = gan()
    for name in ("alpha", "mode", "discriminator_steps", "generator_loss", "seed"):
        with pytest.raises(AttributeError, match=f"`{name}` of a MixUpGAN.*another"):
            setattr(made, name, getattr(made, name))


def test_alpha_above_1_is_fine_for_the_formula():
    assert gan(alpha=8).alpha == 8


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, inputs):
        return self.dense(inputs)


def subclassed():
    made = Subclassed()
    made(X)
    return made


def test_a_subclassed_network_inside_of_a_sequential_one_is_fine():
    wrapped = keras.Sequential([keras.Input((2,)), Subclassed()])
    model = keras_mixup.MixUpGAN(network((3,), 2), wrapped)
    model.compile("sgd", "sgd")
    model.fit(X, batch_size=12, verbose=0)
    with pytest.raises(ValueError, match=r"`discriminator`.*functional or sequential"):
        keras_mixup.MixUpGAN(network((3,), 2), subclassed())


def two_outputs():
    inputs = keras.Input((2,))
    ends = [keras.layers.Dense(1)(inputs) for _ in range(2)]
    return keras.Model(inputs, ends)


@pytest.mark.parametrize(
    ("generator", "discriminator", "message"),
    [
        (
            network((3,), 4),
            network((2,), 1),
            r"takes what the generator makes, shape \(None, 4\)\. Received: a "
            r"discriminator of shape \(None, 2\)",
        ),
        (network((3,), 2), network((2,), 2), r"one logit, shape \(batch, 1\)"),
        (network((3,), 2), network((2,), 1, "sigmoid"), r"a last layer with sigmoid"),
        (network((3,), 2), two_outputs(), r"one input and one output"),
        (
            network((3,), 2),
            "network",
            r"`discriminator`\. Expected a built keras.Model",
        ),
        (keras.Sequential([keras.layers.Dense(2)]), network((2,), 1), r"`generator`"),
        (
            keras.Sequential([keras.Input((None,)), keras.layers.Lambda(lambda z: z)]),
            network((2,), 1),
            r"fixed size, for its noise",
        ),
    ],
)
def test_networks_that_do_not_fit(generator, discriminator, message):
    with pytest.raises(ValueError, match=message):
        keras_mixup.MixUpGAN(generator, discriminator)


def nested(last):
    inner = keras.Sequential([keras.Input((2,)), *last])
    inputs = keras.Input((2,))
    return keras.Model(inputs, inner(inputs))


@pytest.mark.parametrize(
    "last",
    [
        [keras.layers.Dense(1, "sigmoid")],
        [keras.layers.Dense(1), keras.layers.Activation("sigmoid")],
        [keras.layers.Dense(1, "sigmoid"), keras.layers.Reshape((1,))],
        [keras.layers.Dense(1, "sigmoid"), keras.layers.Activation("linear")],
        [keras.layers.Dense(1), keras.ops.sigmoid],
    ],
)
def test_an_activation_in_front_of_the_end_is_found(last):
    inputs = keras.Input((2,))
    outputs = inputs
    for layer in last:
        outputs = layer(outputs)
    with pytest.raises(ValueError, match="last layer with sigmoid"):
        keras_mixup.MixUpGAN(network((3,), 2), keras.Model(inputs, outputs))


def test_a_nested_network_is_looked_into():
    with pytest.raises(ValueError, match="last layer with sigmoid"):
        keras_mixup.MixUpGAN(
            network((3,), 2), nested([keras.layers.Dense(1, "sigmoid")])
        )
    keras_mixup.MixUpGAN(network((3,), 2), nested([keras.layers.Dense(1)]))


def dataset(*parts):
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0])


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (
            X[:, :1],
            {},
            r"what the generator makes, shape \(None, 2\)\. Received: shape",
        ),
        (X[:, np.newaxis], {}, r"Received: shape \(12, 1, 2\)"),
        (X.astype("uint8"), {}, r"Expected floats on the scale of what the generator"),
        (X, {"batch_size": 1}, r"Expected at least 2 \(discriminator_steps=2"),
        # The last batch of an epoch is of one example.
        (X[:9], {"batch_size": 4}, r"drop_remainder=True.*Received: 1"),
        (
            dataset(X).batch(4, drop_remainder=True).map(lambda x: x[:, :1]),
            {},
            r"shape",
        ),
        (dataset(X).batch(1, drop_remainder=True), {}, r"at least 2"),
        (dataset(X, X).batch(4), {}, r"examples alone\. Expected x, without targets"),
        ({"a": X, "b": X}, {}, r"Expected one tensor of real examples"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_a_step(x, options, message):
    model = gan()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(x, verbose=0, **options)
    for ours, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, old)


def test_a_batch_of_one_in_the_mode_that_mixes_batches():
    one = X[:1]
    gan(steps=1).fit(one, verbose=0)
    gan(alpha=0, steps=1, mode="author_code").fit(one, verbose=0)
    with pytest.raises(ValueError, match=r"mixes pairs of batches.*Received: 1"):
        gan(steps=1, mode="author_code").fit(one, verbose=0)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_too_small_a_batch_of_unknown_size_is_found_where_it_runs(jit_compile):
    model = gan()
    model.compile("sgd", "sgd", jit_compile=jit_compile)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected at least 2"):
        model.fit(dataset(X[:5]).batch(4), verbose=0)
    assert np.isfinite(model.generator.get_weights()[0]).all()


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ((X[:5, :1],), r"Received: shape \(5, 1\)"),
        ((X, X), r"Expected x, without targets"),
        (dataset(X, X).batch(4), r"Expected x, without targets"),
        (dataset(X[:, :1]).batch(4), r"Invalid shape received for `x`"),
    ],
)
def test_validation_data_are_checked_before_a_step(validation, message):
    model = gan()
    with pytest.raises(ValueError, match=message):
        model.fit(X, batch_size=4, validation_data=validation, verbose=0)
    assert int(model.step.value) == 0


def test_a_single_example_may_be_left_for_validation_and_by_a_split():
    model = gan()
    model.fit(X, batch_size=4, validation_data=(X[:5],), verbose=0)
    # Of 9 rows, 8 are trained on.
    model.fit(X[:9], batch_size=4, validation_split=0.1, verbose=0)
    with pytest.raises(ValueError, match="Received: 1"):
        model.fit(X[:10], batch_size=4, validation_split=0.1, verbose=0)


def test_each_replica_needs_its_examples():
    with oracles.two_replicas().scope():
        model = gan(steps=2)
    with pytest.raises(
        ValueError, match="at least 2 on each of 2 replicas.*Received: 3"
    ):
        model.fit(X[:11], batch_size=4, verbose=0)


def test_what_is_no_optimizer_is_refused():
    with pytest.raises(ValueError, match="Expected a Keras optimizer or its name"):
        gan().compile(None, "adam")


def test_one_optimizer_for_both_is_refused():
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match=r"`discriminator_optimizer`\. .*same object"):
        gan().compile(adam, adam)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, r"`n`\. Expected an integer >= 1"),
        ({"n": 1, "seed": "a"}, r"`seed`\. Expected an integer"),
        ({"n": 1, "batch_size": 0}, r"`batch_size`\. Expected an integer >= 1"),
    ],
)
def test_generate_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        gan().generate(**arguments)
