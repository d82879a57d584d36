"""MixUpModel as users of Keras know a model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests import oracles

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(50, 4)).astype("float32")
Y = GENERATOR.integers(0, 3, 50)
ROWS = np.eye(3, dtype="float32")[Y]
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
DENSE = keras.losses.CategoricalCrossentropy(from_logits=True)


def network():
    keras.utils.set_random_seed(1)
    layers = [keras.Input((4,)), keras.layers.Dense(8, "relu")]
    layers += [keras.layers.BatchNormalization(), keras.layers.Dropout(0.2, seed=1)]
    return keras.Sequential([*layers, keras.layers.Dense(3, name="logits")])


def weights_after(model, loss=SPARSE, y=Y, epochs=2, compiled=(), **fitted):
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, **dict(compiled))
    keras.utils.set_random_seed(2)
    model.fit(X, y, epochs=epochs, batch_size=16, verbose=0, **fitted)
    return [w.numpy() for w in getattr(model, "network", model).weights]


def mixing(alpha=1.0, seed=3, **settings):
    return keras_mixup.MixUpModel(
        network(), keras_mixup.MixUp(alpha, seed=seed), **settings
    )


@pytest.mark.parametrize(
    ("off", "jit_compile"),
    [
        ({"alpha": 0.0}, False),
        ({"probability": 0.0}, False),
        # XLA compiles two networks for ten seconds.
        pytest.param({"alpha": 0.0}, True, marks=pytest.mark.slow),
        pytest.param({"probability": 0.0}, True, marks=pytest.mark.slow),
    ],
)
def test_without_mixing_training_is_plain_keras_bit_for_bit(off, jit_compile):
    compiled = {"jit_compile": jit_compile}
    plain = weights_after(network(), compiled=compiled)
    model = keras_mixup.MixUpModel(network(), keras_mixup.MixUp(**off))
    for a, b in zip(plain, weights_after(model, compiled=compiled), strict=True):
        np.testing.assert_array_equal(a, b)


def test_steps_at_which_a_schedule_is_zero_are_plain_keras_too():
    def trained(model):
        # The eight steps take less time than their graph takes to trace.
        return weights_after(model, compiled={"run_eagerly": True})

    plain = trained(network())
    scheduled = trained(mixing(keras_mixup.AlphaSchedule(1.0, warm_up=100)))
    for a, b in zip(plain, scheduled, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    ends = trained(mixing(keras_mixup.AlphaSchedule(1.0, off_from=0)))
    begins = trained(mixing(keras_mixup.AlphaSchedule(1.0, warm_up=7)))
    for a, b in zip(plain, ends, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert max(np.abs(a - b).max() for a, b in zip(plain, begins)) > 1e-6


@pytest.mark.parametrize(
    "compiled",
    [{}, {"jit_compile": True}, {"steps_per_execution": 2}, {"run_eagerly": True}],
    ids=str,
)
@pytest.mark.slow
def test_a_seed_makes_training_repeatable_however_it_is_run(compiled):
    def trained(compiled, seed=3):
        # Without dropout, which XLA draws differently.
        keras.utils.set_random_seed(1)
        net = keras_mixup.models.build("mlp", input_shape=(4,), num_classes=3, width=8)
        model = keras_mixup.MixUpModel(net, keras_mixup.MixUp(1.0, seed=seed))
        return weights_after(model, compiled=compiled)

    reference = trained({"run_eagerly": True})
    for a, b in zip(trained(compiled), reference, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    other = trained(compiled, seed=4)
    assert max(np.abs(a - b).max() for a, b in zip(other, reference)) > 1e-4


def test_without_a_seed_keras_set_random_seed_decides():
    keras.utils.set_random_seed(5)
    one = keras_mixup.MixUpModel(network(), keras_mixup.MixUp()).seed
    two = [
        keras_mixup.MixUpModel(network(), keras_mixup.MixUp()).seed for _ in range(2)
    ]
    assert one == two[0] == two[1]  # network() sets the seed anew.
    assert keras_mixup.MixUpModel(keras.Sequential(), keras_mixup.MixUp()).seed != one


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    model = mixing()
    assert np.isfinite(np.concatenate([w.ravel() for w in weights_after(model)])).all()
    assert model.network.layers[0].compute_dtype == policy.removeprefix("mixed_")
    assert int(model.step) == 8


def test_gradient_accumulation_does_not_stop_the_draws():
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=4)
    model = mixing()
    model.compile(optimizer, SPARSE)
    model.fit(X, Y, batch_size=10, verbose=0)
    assert int(model.step) == 5 and int(optimizer.iterations) < 5


def test_training_accuracy_is_weighted_by_lambda_and_keeps_its_name():
    for y, loss in ((Y, SPARSE), (ROWS, DENSE)):
        net = network()
        logits = net(X, training=False).numpy()
        frozen = keras.optimizers.SGD(0.0)
        net.layers[1].trainable = False  # Batch norm and dropout are left out.
        policy = keras_mixup.MixUp(1.0, per="example", pairing="roll", seed=3)
        inert = keras.Sequential([keras.Input((4,)), net.layers[0], net.layers[-1]])
        model = keras_mixup.MixUpModel(inert, policy, clean_accuracy=True)
        names = {"metrics": ["accuracy"], "weighted_metrics": ["accuracy"]}
        # One of the two in a graph, which takes longer to trace than to run.
        model.compile(frozen, loss, **names, run_eagerly=loss is DENSE)
        weights = GENERATOR.random(50).astype("float32")
        logs = model.train_on_batch(X, y, sample_weight=weights, return_dict=True)
        lam = keras_mixup.sample_lambda(1.0, (50,), seed=3, step=0).numpy()
        mixed = lam[:, None] * X + (1 - lam[:, None]) * np.roll(X, 1, 0)
        predicted = inert(mixed).numpy().argmax(-1)
        own = lam * (predicted == Y)
        other = (1 - lam) * (predicted == np.roll(Y, 1))
        assert logs["accuracy"] == pytest.approx((own + other).mean(), abs=1e-5)
        before = np.roll(weights, 1)
        total = (lam * weights + (1 - lam) * before).sum()
        expected = (own * weights + other * before).sum() / total
        assert logs["weighted_accuracy"] == pytest.approx(expected, abs=1e-5)
        clean = (inert(X).numpy().argmax(-1) == Y).mean()
        assert logs["clean_accuracy"] == pytest.approx(clean, abs=1e-5)
        del logits


def test_logs_have_the_names_that_the_user_compiled():
    model = mixing(clean_accuracy=True)
    model.compile("adam", SPARSE, metrics=["accuracy"])
    history = model.fit(X, Y, validation_data=(X, Y), epochs=2, verbose=0).history
    assert set(history) == {
        "loss", "accuracy", "clean_accuracy", "val_loss", "val_accuracy",
    }  # fmt: skip
    assert set(model.evaluate(X, Y, verbose=0, return_dict=True)) == {
        "loss",
        "accuracy",
    }
    assert history["val_accuracy"][-1] == pytest.approx(
        np.mean(model.predict(X, verbose=0).argmax(-1) == Y)
    )


def test_it_is_saved_and_loaded_compiled_and_trains_on_alike(tmp_path):
    alpha = keras_mixup.AlphaSchedule(0.4, warm_up=2, ramp=3)
    policy = keras_mixup.MixUp(alpha, seed=3)
    # Without dropout, whose generator is not in the file in the same state.
    net = keras_mixup.models.build("mlp", input_shape=(4,), num_classes=3, width=8)
    model = keras_mixup.MixUpModel(net, policy, clean_accuracy=True)
    weights_after(model, compiled={"metrics": ["accuracy"], "run_eagerly": True})
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert int(loaded.step) == int(model.step) == 8
    assert loaded.mixup.get_config() == policy.get_config()
    results = []
    for one in (model, loaded):
        one.fit(X, Y, batch_size=16, shuffle=False, verbose=0)
        results.append([w.numpy() for w in one.weights])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_subclassed_network_that_is_not_built_yet_is_built_by_fit():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, inputs):
            return self.dense(inputs)

    model = keras_mixup.MixUpModel(Net(), keras_mixup.MixUp(seed=1))
    assert len(weights_after(model)) == 2
    assert model.predict(X, verbose=0).shape == (50, 3)


def test_several_inputs_with_one_that_passes_through():
    number = keras.Input((4,), name="number")
    token = keras.Input((2,), dtype="int32", name="token")
    words = keras.layers.Flatten()(keras.layers.Embedding(7, 2)(token))
    joined = keras.layers.Concatenate()([number, words])
    net = keras.Model({"number": number, "token": token}, keras.layers.Dense(3)(joined))
    x = {"number": X, "token": GENERATOR.integers(0, 7, (50, 2))}
    for passing in (["token"], []):
        policy = keras_mixup.MixUp(seed=1, passthrough=passing)
        model = None
        if passing:
            model = keras_mixup.MixUpModel(net, policy)
            model.compile("sgd", SPARSE)
            assert np.isfinite(model.train_on_batch(x, Y))
        else:
            with pytest.raises(ValueError, match=r"int32.*mix_at|int.*passthrough"):
                keras_mixup.MixUpModel(net, policy)


def test_uint8_images_are_mixed_as_floats():
    images = GENERATOR.integers(0, 256, (8, 4)).astype("uint8")
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, use_bias=False)])
    kernel = net.layers[0].kernel.numpy()[:, 0]
    policy = keras_mixup.MixUp(1.0, pairing="roll", seed=3)
    model = keras_mixup.MixUpModel(net, policy)
    model.compile(keras.optimizers.SGD(0.0), "mae")
    target = np.zeros(8, "float32")
    loss = float(model.train_on_batch(images, target))
    lam = float(keras_mixup.sample_lambda(1.0, (), seed=3))
    mixed = lam * images.astype(float) + (1 - lam) * np.roll(images, 1, 0).astype(float)
    assert loss == pytest.approx(np.abs(mixed @ kernel).mean(), rel=1e-5)


def test_replicas_draw_differently_and_together_as_one_seed_says():
    strategy = oracles.two_replicas()
    draws = {}

    class Watched(keras_mixup.MixUp):
        def draw(self, *args, **kwargs):
            drawn = super().draw(*args, **kwargs)
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            tf.py_function(
                lambda r, lam: draws.__setitem__(int(r), float(lam)),
                [replica, drawn.coefficients[0]],
                [],
            )
            return drawn

    with strategy.scope():
        model = keras_mixup.MixUpModel(network(), Watched(1.0, seed=3))
        model.compile("sgd", SPARSE)
    model.fit(X[:48], Y[:48], batch_size=48, verbose=0)
    for replica in (0, 1):
        expected = keras_mixup.sample_lambda(1.0, (), seed=3, step=0, replica=replica)
        assert draws[replica] == pytest.approx(float(expected), abs=1e-6)
    assert int(tf.convert_to_tensor(model.step)) == 1


def test_a_dataset_of_unknown_length_counts_each_batch_once():
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    model = mixing()
    model.compile("sgd", SPARSE)
    model.fit(batches.filter(lambda x, y: True), epochs=2, verbose=0)
    assert int(model.step.value) == 8


def test_a_step_is_not_traced_again_over_epochs_and_partial_batches():
    traces = []

    class Counting(keras_mixup.MixUpModel):
        def train_step(self, data):
            traces.append(1)
            return super().train_step(data)

    model = Counting(network(), keras_mixup.MixUp(0.4, seed=1))
    model.compile("sgd", SPARSE, jit_compile=False)
    model.fit(X, Y, batch_size=16, verbose=0)  # Three batches of 16 and one of 2.
    first = len(traces)
    model.fit(X, Y, batch_size=16, epochs=4, verbose=0)
    assert len(traces) == first <= 2


def test_labels_that_would_broadcast_raise():
    with pytest.raises(ValueError, match=r"would broadcast.*\(None, 3\).*\(None,\)"):
        weights_after(mixing(), DENSE, Y.astype("float32"))
    with pytest.raises(ValueError, match="would broadcast"):
        weights_after(mixing(), "mse", np.zeros((50, 1), "float32"))


def test_smoothing_of_integer_labels_raises():
    policy = keras_mixup.MixUp(label_smoothing=0.1)
    model = keras_mixup.MixUpModel(network(), policy)
    with pytest.raises(
        ValueError, match="Labels of the loss sparse_.* cannot be smoothed"
    ):
        weights_after(model)


@pytest.mark.parametrize("per", ["batch", "example"])
def test_a_loss_that_divides_by_the_sum_of_its_weights(per):
    # The shares are no sample weights, so they do not cancel.
    net = network()
    net.layers[1].trainable = False  # Batch norm and dropout are left out.
    inert = keras.Sequential([keras.Input((4,)), net.layers[0], net.layers[-1]])
    policy = keras_mixup.MixUp(1.0, per=per, pairing="roll", seed=3)
    model = keras_mixup.MixUpModel(inert, policy)
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    model.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=per == "batch")
    weights = GENERATOR.random(50).astype("float32")
    found = model.train_on_batch(X, Y, sample_weight=weights)
    size = () if per == "batch" else (50,)
    lam = keras_mixup.sample_lambda(1.0, size, seed=3).numpy() * np.ones(50)
    logits = inert.predict(lam[:, None] * X + (1 - lam[:, None]) * np.roll(X, 1, 0))
    of_class = np.log(np.exp(logits).sum(-1))[:, None] - logits
    expected = sum(
        (share * w * of_class[np.arange(50), y]).sum() / w.sum()
        for share, w, y in (
            (lam, weights, Y),
            (1 - lam, np.roll(weights, 1), np.roll(Y, 1)),
        )
    )
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_mixup_that_is_none_raises():
    with pytest.raises(ValueError, match=r"`mixup`. Expected a policy, such as"):
        keras_mixup.MixUpModel(network(), 0.2)


def test_the_number_of_targets_must_be_that_of_the_outputs():
    with pytest.raises(ValueError, match=r"target|structure|y_true"):
        weights_after(mixing(), y=[Y, Y])


@pytest.mark.parametrize("off", [{"alpha": 0.0}, {"probability": 0.0}])
def test_without_mixing_labels_are_smoothed_all_the_same(off):
    losses = []
    for policy in (off, {"alpha": 1e-30, "pairing": "derangement"}):
        model = keras_mixup.MixUpModel(
            keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]),
            keras_mixup.MixUp(label_smoothing=0.3, seed=3, **policy),
        )
        model.network.set_weights([np.eye(4, 3), np.zeros(3)])
        model.compile("sgd", DENSE, run_eagerly=policy is not off)
        losses.append(float(model.train_on_batch(X, ROWS)))
    smooth = ROWS * 0.7 + 0.1
    expected = float(DENSE(smooth, X @ np.eye(4, 3)))
    assert losses == [pytest.approx(expected, rel=1e-5)] * 2
    policy = keras_mixup.MixUp(label_smoothing=0.3, **off)
    with pytest.raises(ValueError, match="cannot be smoothed"):
        weights_after(keras_mixup.MixUpModel(network(), policy))


@pytest.mark.parametrize("from_logits", [False, True])
def test_clean_accuracy_of_one_unit_knows_logits(from_logits):
    activation = None if from_logits else "sigmoid"
    net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation)])
    net.set_weights([np.ones((1, 1)), np.zeros(1)])
    x = np.array([[-2.0], [-0.1], [0.2], [3.0]], "float32")
    y = np.array([0, 0, 1, 1])
    policy = keras_mixup.MixUp(1.0, seed=1)
    model = keras_mixup.MixUpModel(net, policy, clean_accuracy=True)
    loss = keras.losses.BinaryCrossentropy(from_logits=from_logits)
    model.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=from_logits)
    logs = model.train_on_batch(x, y, return_dict=True)
    assert logs["clean_accuracy"] == 1.0


def test_fit_takes_the_positional_arguments_of_keras():
    model = mixing()
    model.compile("sgd", SPARSE)
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda e, logs: seen.append(e)
    )
    history = model.fit(X, Y, 16, 2, 0, [callback], 0.2)
    assert seen == [0, 1] and "val_loss" in history.history


def test_what_cannot_be_a_mixup_model_raises():
    with pytest.raises(ValueError, match="`network`. Expected a Keras model"):
        keras_mixup.MixUpModel(None, keras_mixup.MixUp())
    with pytest.raises(ValueError, match="to the loss.*ignore_class=255"):
        keras_mixup.MixUpModel(network(), keras_mixup.MixUp(ignore_class=255))
    model = mixing()
    model.compile("sgd", SPARSE)
    with pytest.raises(ValueError, match="Received: y=None"):
        model.fit(X, verbose=0)
