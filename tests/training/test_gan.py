"""MixUpGAN as users of Keras know a model, and its step against a plain loop."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import keys, models
from keras_mixup.training import gan_batches
from tests import oracles

X = np.random.default_rng(0).normal(size=(48, 2)).astype("float32")
MODES = gan_batches.MODES


def networks(penalty=None):
    keras.utils.set_random_seed(1)
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    layers = [keras.Input((2,)), keras.layers.Dense(4, "tanh")]
    layers += [keras.layers.Dense(1, kernel_regularizer=penalty)]
    return generator, keras.Sequential(layers)


# The few steps of a test take less time in Python than their graph takes to trace.
EAGER, GRAPH = {"run_eagerly": True}, {"jit_compile": False}


def gan(alpha=0.2, mode="objective", steps=2, loss="minimax", penalty=None, how=EAGER):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A MixUpGAN with mode")
        made = keras_mixup.MixUpGAN(
            *networks(penalty),
            alpha=alpha,
            mode=mode,
            discriminator_steps=steps,
            generator_loss=loss,
            seed=7,
        )
    rates = 0.01, 0.02
    optimizers = [keras.optimizers.SGD(rate, momentum=0.9) for rate in rates]
    made.compile(*optimizers, **how)
    return made


def fitted(model, epochs=2, **options):
    options = {"batch_size": 16, "shuffle": False, "verbose": 0, **options}
    return model.fit(X, epochs=epochs, **options).history


def state(model):
    variables = [*model.variables, *(v for o in model.optimizers for v in o.variables)]
    return [variable.numpy() for variable in variables]


def assert_same(first, second, tolerance=0.0):
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def by_a_plain_loop(alpha, mode, loss, batches, penalty, rate=0.1):
    """Weights after stochastic gradient descent, from the formulas, eagerly."""
    generator, discriminator = networks()
    bce = tf.nn.sigmoid_cross_entropy_with_logits
    mixed = alpha > 0

    def logits(rows):
        return discriminator(rows)[:, 0]

    def move(network, tape, value):
        variables = network.trainable_variables
        gradients = tape.gradient(value, [v.value for v in variables])
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(rate * gradient)

    for step, batch in enumerate(batches):
        size = len(batch) // 2
        lam = keras_mixup.sample_lambda(alpha, (3, size), seed=7, step=step)

        def made(index, count, step=step):
            key = keys.fold_in(keys.make_key(7, step), index)
            return generator(keys.normal(key, keys.Stream.NOISE, [count, 3]))

        for index in range(2):
            real = tf.constant(batch[index * size : (index + 1) * size])
            generated = made(index, size)
            with tf.GradientTape() as tape:
                if mixed and mode == "objective":
                    weight = lam[index][:, tf.newaxis]
                    rows = weight * real + (1 - weight) * generated
                    value = tf.reduce_mean(bce(lam[index], logits(rows)))
                elif mixed:
                    key = keys.fold_in(keys.make_key(7, step), index)
                    rows, targets = gan_batches.author_code(real, generated, alpha, key)
                    value = tf.reduce_mean(bce(targets, logits(rows)))
                else:
                    value = tf.reduce_mean(bce(tf.ones(size), logits(real)))
                    value += tf.reduce_mean(bce(tf.zeros(size), logits(generated)))
                    value /= 2
                kernel = discriminator.layers[-1].kernel.value
                total = value + penalty * tf.reduce_sum(kernel**2)
            move(discriminator, tape, total)
        with tf.GradientTape() as tape:
            generated = made(2, size // 2 if mixed and mode == "author_code" else size)
            if mixed and mode == "objective":
                weight = lam[2][:, tf.newaxis]
                rows, targets = weight * real + (1 - weight) * generated, lam[2]
            else:
                rows, targets = generated, tf.zeros(len(generated))
            if loss == "non_saturating":
                value = tf.reduce_mean(bce(tf.ones_like(targets), logits(rows)))
            else:
                value = -tf.reduce_mean(bce(targets, logits(rows)))
            if not (mixed and mode == "objective"):
                value /= 2
        move(generator, tape, value)
    return [w.numpy() for w in (*generator.weights, *discriminator.weights)]


@pytest.mark.parametrize("loss", gan_batches.GENERATOR_LOSSES)
@pytest.mark.parametrize(("alpha", "mode"), [(0, MODES[0]), *((0.4, m) for m in MODES)])
def test_a_step_is_that_of_a_plain_loop(alpha, mode, loss):
    model = gan(alpha, mode, 2, loss, keras.regularizers.L2(0.05))
    # The test below asks of the other mode whether a graph gives the same.
    in_graph = alpha and mode == MODES[0] and loss == "non_saturating"
    how = GRAPH if in_graph else EAGER
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), **how)
    fitted(model, epochs=1)
    batches = np.split(X, 3)
    expected = by_a_plain_loop(alpha, mode, loss, batches, penalty=0.05)
    found = [*model.generator.get_weights(), *model.discriminator.get_weights()]
    assert_same(found, expected, 2e-6)


@pytest.mark.parametrize(
    "mode", [pytest.param(MODES[0], marks=pytest.mark.slow), MODES[1]]
)
def test_xla_and_a_graph_and_no_graph_agree(mode):
    models_ = [gan(0.4, mode, how=how) for how in ({"jit_compile": True}, GRAPH, EAGER)]
    histories = [fitted(model, 1) for model in models_]
    for model, history in zip(models_[1:], histories[1:], strict=True):
        assert_same(state(models_[0]), state(model), 1e-6)
        assert history["generator_loss"] == pytest.approx(
            histories[0]["generator_loss"], abs=1e-6
        )


def test_alpha_0_is_the_plain_gan_in_both_modes():
    first, second = gan(0.0, "objective"), gan(0.0, "author_code")
    assert fitted(first) == fitted(second)
    assert_same(state(first), state(second))


def test_each_train_step_has_the_steps_of_both():
    model = gan(steps=4)
    fitted(model)
    assert int(model.generator_optimizer.iterations) == int(model.step.value) == 6
    assert int(model.discriminator_optimizer.iterations) == 24


def test_the_seed_decides():
    runs = []
    for seed in (7, 7, 8):
        model = keras_mixup.MixUpGAN(*networks(), discriminator_steps=2, seed=seed)
        model.compile("sgd", "sgd", **EAGER)
        fitted(model, 1)
        runs.append(model.generator.get_weights())
    assert_same(runs[0], runs[1])
    assert np.abs(runs[0][0] - runs[2][0]).max() > 1e-4


def test_without_a_seed_pythons_generator_decides():
    seeds = []
    for number in (5, 5, 6):
        pair = networks()
        keras.utils.set_random_seed(number)
        seeds.append(keras_mixup.MixUpGAN(*pair).seed)
    assert seeds[0] == seeds[1] != seeds[2]


def test_a_remainder_is_left_out_and_a_partial_batch_is_trained_on():
    model, other = gan(), gan(how=GRAPH)
    model.fit(X[:45], batch_size=17, shuffle=False, verbose=0)
    kept = [X[:16], X[17:33], X[34:44]]
    for batch in kept:
        other.train_on_batch(batch)
    assert_same(state(model)[:5], state(other)[:5], 1e-6)


def test_a_saved_model_goes_on_as_if_it_had_not_stopped(tmp_path):
    model = gan(0.3, "author_code", loss="non_saturating")
    fitted(model)
    model.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    names = "alpha mode discriminator_steps generator_loss seed name"
    for name in names.split():
        assert getattr(loaded, name) == getattr(model, name)
    assert_same(state(model), state(loaded))
    assert fitted(model) == fitted(loaded)
    assert_same(state(model), state(loaded))


def test_a_resume_restores_both_optimizers(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path)

    whole, first, second = gan(), gan(), gan()
    fitted(whole, 4)
    with pytest.raises(KeyboardInterrupt):
        fitted(first, 4, callbacks=[backup(), Stop()])
    fitted(second, 4, callbacks=[backup()])
    assert_same(state(whole), state(second))


def test_keras_callbacks_see_the_losses(tmp_path):
    model = gan()
    history = fitted(
        model,
        epochs=3,
        validation_data=(X[:10],),
        callbacks=[
            keras.callbacks.EarlyStopping("val_discriminator_loss", 100, mode="min"),
            keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras"),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        ],
    )
    names = {
        f"{v}{n}_loss" for v in ("", "val_") for n in ("discriminator", "generator")
    }
    assert set(history) == names
    assert len(history["generator_loss"]) == 2
    assert sorted(path.name for path in tmp_path.glob("*.keras")) == [
        "1.keras",
        "2.keras",
    ]


def test_a_dataset_of_unknown_length_counts_as_eagerly():
    batches = (
        tf.data.Dataset.from_tensor_slices(X[:32]).batch(16).filter(lambda x: True)
    )
    counts, losses = [], []
    for how in (EAGER, GRAPH):
        model = gan(how=how)
        history = model.fit(batches, epochs=2, verbose=0).history
        losses.append(history["generator_loss"])
        counts.append([int(o.iterations) for o in model.optimizers])
        counts[-1].append(int(model.step.value))
        model.evaluate(batches, verbose=0)
        losses[-1].append(model.evaluate(batches, verbose=0)[1])
    assert counts == [[4, 8, 4]] * 2
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_losses_are_means_over_rows():
    model = gan()
    first = model.evaluate(X[:18], batch_size=18, verbose=0)
    whole = model.evaluate(X[:20], batch_size=18, verbose=0)
    key = keys.fold_in(keys.make_key(7, 0), keys.Stream.EVALUATION)
    generated = model.generator(model.noise(keys.fold_in(key, 18), 2))
    rows, targets = gan_batches.plain(tf.constant(X[18:20]), generated)
    last = gan_batches.discriminator_loss(model.discriminator(rows), targets)
    assert whole[0] == pytest.approx((18 * first[0] + 2 * float(last)) / 20, rel=1e-5)


def test_averaged_weights_are_taken_over_at_the_end():
    model = gan(steps=1)
    model.compile(keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9), "sgd")
    last = {}

    class Keep(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            last["weights"] = model.generator.get_weights()
            last["mean"] = [
                average.numpy()
                for average in model.generator_optimizer._model_variables_moving_average
            ]

    fitted(model, callbacks=[Keep()])
    assert_same(model.generator.get_weights(), last["mean"])
    assert np.abs(last["weights"][0] - last["mean"][0]).max() > 1e-3


def test_penalties_of_any_shape_are_summed():
    class Penalised(keras.layers.Layer):
        def call(self, inputs):
            self.add_loss(0.1 * inputs[:, 0] ** 2)
            return inputs

    keras.utils.set_random_seed(1)
    generator = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2), Penalised()]
    )
    model = keras_mixup.MixUpGAN(
        generator, networks()[1], alpha=0.0, discriminator_steps=1
    )
    model.compile("sgd", "sgd")
    assert np.isfinite(model.train_on_batch(X[:4])[1])


def test_an_array_is_a_batch_without_a_graph_too():
    losses = []
    for batch in (X[:8], tf.constant(X[:8])):
        keras.utils.set_random_seed(1)
        model = gan()
        losses.append(model.train_on_batch(batch))
    assert losses[0] == losses[1]


def test_evaluation_is_of_the_plain_gan_and_changes_nothing():
    model = gan(loss="non_saturating")
    fitted(model)
    before = state(model)
    found = model.evaluate(X[:20], batch_size=20, verbose=0, return_dict=True)
    assert found == model.evaluate(X[:20], batch_size=20, verbose=0, return_dict=True)
    assert_same(before[:5], state(model)[:5])
    key = keys.fold_in(keys.make_key(7, 6), keys.Stream.EVALUATION)
    generated = model.generator(model.noise(keys.fold_in(key, 0), 20))
    of_real = model.discriminator(X[:20]).numpy()
    of_generated = model.discriminator(generated).numpy()
    expected = (np.log1p(np.exp(-of_real)) + np.log1p(np.exp(of_generated))).mean() / 2
    assert found["discriminator_loss"] == pytest.approx(expected, rel=1e-5)
    expected = np.log1p(np.exp(-of_generated)).mean() / 2
    assert found["generator_loss"] == pytest.approx(expected, rel=1e-5)


def test_several_steps_in_one_call():
    one, several = gan(), gan(how={"steps_per_execution": 3})
    fitted(one), fitted(several)
    assert_same(state(one)[:5], state(several)[:5], 1e-6)


@pytest.mark.parametrize(
    "policy",
    ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)],
)
def test_mixed_precision_trains_and_float16_scales_both_losses(policy):
    exact = gan()
    expected = fitted(exact)
    keras.config.set_dtype_policy(policy)
    model = gan(how=GRAPH)
    found = fitted(model)
    scaled = [
        isinstance(o, keras.optimizers.LossScaleOptimizer) for o in model.optimizers
    ]
    assert scaled == [policy == "mixed_float16"] * 2
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, abs=0.03)
    if any(scaled):
        assert int(model.generator_optimizer.inner_optimizer.iterations) == 6
    assert model.generate(2, seed=0).dtype == policy.removeprefix("mixed_")
    assert all(w.dtype == "float32" for w in model.generator.weights)


def test_images_by_dcgan():
    generator = models.build(
        "dcgan_generator", output_shape=(8, 8, 1), latent_dim=3, width=4
    )
    discriminator = models.build("dcgan_discriminator", input_shape=(8, 8, 1), width=2)
    model = keras_mixup.MixUpGAN(
        generator, discriminator, discriminator_steps=1, seed=0
    )
    model.compile("adam", "adam")
    images = np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 1)).astype("float32")
    before = [w.numpy() for w in model.weights]
    model.fit(tf.data.Dataset.from_tensor_slices(images).batch(8), verbose=0)
    unmoved = [
        weight.name
        for weight, old in zip(model.weights, before, strict=True)
        if np.array_equal(weight.numpy(), old)
    ]
    assert not unmoved
    made = model.generate(3, seed=1)
    assert made.shape == (3, 8, 8, 1)
    assert np.abs(made).max() <= 1


def test_generate_is_the_generator_of_seeded_noise():
    model = gan()
    made = model.generate(10, seed=3)
    noise = model.noise(keys.make_key(3), 10)
    np.testing.assert_allclose(made, model.generator(noise), atol=1e-6)
    np.testing.assert_allclose(
        made, model.generate(10, seed=3, batch_size=4), atol=1e-6
    )
    assert np.abs(made - model.generate(10, seed=4)).max() > 0.1
    assert np.abs(model.generate(10) - model.generate(10)).max() > 0.1
    np.testing.assert_allclose(model.predict(noise, verbose=0), made, atol=1e-6)


def test_noise_is_standard_normal_and_the_same_under_xla():
    from scipy import stats

    def draw(key):
        return keys.normal(key, keys.Stream.NOISE, [2001, 3])

    key = keys.make_key(1, 2)
    found = draw(key).numpy()
    for jit_compile in (False, True):
        compiled = tf.function(draw, jit_compile=jit_compile)(key)
        np.testing.assert_allclose(compiled, found, rtol=0, atol=1e-6)
    for column in found.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(found.T) - np.eye(3)).max() < 4 / 2001**0.5
    assert abs(stats.pearsonr(found[:1000, 0], found[1000:2000, 0])[0]) < 4 / 1000**0.5


def test_replicas_have_noise_of_their_own_and_one_set_of_weights():
    strategy = oracles.two_replicas()
    with strategy.scope():
        model = gan(0.3)
        model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    keep = []

    def watched(key, n):
        noise = keras_mixup.MixUpGAN.noise(model, key, n)
        place = keys.replica_in_sync()
        tf.py_function(
            lambda r, z: keep.append((int(r), z.numpy())), [place, noise], []
        )
        return noise

    model.noise = watched
    model.fit(X[:32], batch_size=32, shuffle=False, verbose=0)
    for replica in (0, 1):
        key = keys.fold_in(keys.make_key(7, 0, replica), 0)
        expected = keys.normal(key, keys.Stream.NOISE, [8, 3])
        of_replica = [noise for place, noise in keep if place == replica]
        assert any(np.allclose(noise, expected, atol=1e-6) for noise in of_replica)
    for weight in model.trainable_variables:
        first, second = (copy.numpy() for copy in weight.value.values)
        np.testing.assert_array_equal(first, second)
    assert int(tf.convert_to_tensor(model.step.value)) == 1
