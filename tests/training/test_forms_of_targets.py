"""MixUpModel on the forms that targets, inputs and losses come in."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(6, 3)).astype("float32")
Y = np.array([0, 1, 2, 1, 0, 2])
VALUE = GENERATOR.normal(size=(6, 1)).astype("float32")
# Rows that are all alike: however they are mixed, the loss is that of plain Keras.
SAME = np.repeat(X[:1], 6, axis=0)
SAME_Y, SAME_VALUE = np.ones(6, "int32"), np.full((6, 1), 2, "float32")
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
DENSE = keras.losses.CategoricalCrossentropy(from_logits=True)


def two_outputs(form=dict, flip=False):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((3,))
    logits = keras.layers.Dense(3, name="z_class")(inputs)
    value = keras.layers.Dense(1, name="value")(inputs)
    outputs = {"z_class": logits, "value": value}
    listed = [value, logits] if flip else [logits, value]
    return keras.Model(inputs, outputs if form is dict else listed)


def mixing(network, **settings):
    policy = keras_mixup.MixUp(**{"alpha": 1.0, "seed": 1, **settings})
    return keras_mixup.MixUpModel(network, policy)


def logits():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])


def losses_of(model, x, y, loss, jit_compile=False, **compiled):
    # One step each: tracing it would take far longer than the step.
    compiled = {"jit_compile": jit_compile, "run_eagerly": not jit_compile} | compiled
    model.compile(keras.optimizers.SGD(0.0), loss, **compiled)
    return model.fit(x, y, batch_size=6, verbose=0).history


@pytest.mark.parametrize("given", ["tuple", "dict"])
@pytest.mark.parametrize("form", [dict, list])
def test_the_loss_of_examples_that_are_alike_is_that_of_plain_keras(form, given):
    loss = {"z_class": SPARSE, "value": "mse"}
    if form is dict and given == "tuple":
        y = (SAME_VALUE, SAME_Y)  # In the order of the sorted names, as Keras has it.
    else:
        y = (SAME_Y, SAME_VALUE)
    if given == "dict":
        y = {"z_class": SAME_Y, "value": SAME_VALUE}
    plain = losses_of(two_outputs(form), SAME, y, loss)
    mixed = losses_of(mixing(two_outputs(form)), SAME, y, loss, run_eagerly=False)
    assert set(plain) == set(mixed)
    for name, values in plain.items():
        np.testing.assert_allclose(mixed[name], values, rtol=1e-5)


@pytest.mark.parametrize(
    ("form", "flip", "loss", "metrics"),
    [
        (list, False, [SPARSE, None], [["accuracy"], None]),
        (list, True, [None, SPARSE], [None, ["accuracy"]]),
        (dict, False, {"z_class": SPARSE, "value": None}, None),
    ],
)
def test_an_output_without_a_loss_needs_no_target(form, flip, loss, metrics):
    plain, mixed = (
        losses_of(model, SAME, SAME_Y, loss, metrics=metrics)
        for model in (two_outputs(form, flip), mixing(two_outputs(form, flip)))
    )
    assert set(plain) == set(mixed)
    for name, values in plain.items():
        np.testing.assert_allclose(mixed[name], values, rtol=1e-5)


@pytest.mark.parametrize("form", [dict, list])
def test_smoothing_is_of_the_targets_that_num_classes_names(form):
    rows = np.eye(3, dtype="float32")[SAME_Y]
    smooth = rows * 0.7 + 0.1
    loss = {"z_class": DENSE, "value": "mse"}
    model = mixing(
        two_outputs(form),
        num_classes={"z_class": 3, "value": None},
        label_smoothing=0.3,
    )
    y = {"z_class": rows, "value": SAME_VALUE}
    found = losses_of(model, SAME, y, loss)
    y["z_class"] = smooth
    expected = losses_of(two_outputs(form), SAME, y, loss)
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-5)


def test_names_of_classes_are_refused_by_a_loss_of_numbers():
    names = tf.data.Dataset.from_tensor_slices((X, ["a", "b"] * 3)).batch(6)
    with pytest.raises(ValueError, match="no names of classes.*StringLookup"):
        losses_of(mixing(logits()), names, None, SPARSE, run_eagerly=False)


def test_a_target_named_in_passthrough_is_refused():
    model = mixing(two_outputs(), passthrough="value")
    with pytest.raises(
        ValueError, match=r"every target.*\['value'\], a target at value"
    ):
        losses_of(model, X, {"z_class": Y, "value": VALUE}, "mse")


@pytest.mark.parametrize("dtype", ["int32", "float32"])
@pytest.mark.parametrize("nest", [list, dict])
def test_an_input_named_in_passthrough_passes_in_a_list_too(dtype, nest):
    features = keras.Input((3,), name="features")
    index = keras.Input((1,), dtype=dtype, name="index")
    seen = keras.ops.cast(index, "float32") + 0 * keras.ops.sum(features)
    model = mixing(keras.Model([features, index], seen), passthrough="index")
    given = np.arange(6, dtype=dtype)[:, None]
    x = [X, given] if nest is list else {"features": X, "index": given}
    # Targets that are alike stay what they are, so only mixed inputs can change it.
    found = losses_of(model, x, np.zeros((6, 1), "float32"), "mse")
    np.testing.assert_allclose(found["loss"], np.mean(given**2.0), rtol=1e-5)


def of_each(y, p):
    return keras.losses.sparse_categorical_crossentropy(y, p, from_logits=True)


def of_all(y, p):
    return tf.reduce_mean(of_each(y, p))


class OfAll(keras.losses.Loss):
    def call(self, y, p):
        return of_all(y, p)


@pytest.mark.parametrize(
    ("loss", "per", "jit_compile"),
    [
        (of_each, "example", False),
        # XLA takes seconds; tests/training/test_mixed_loss.py gives it losses as well.
        pytest.param(of_each, "example", True, marks=pytest.mark.slow),
        # One lam a batch has no need of a loss for each example.
        (of_all, "batch", False),
        pytest.param(of_all, "batch", True, marks=pytest.mark.slow),
    ],
)
def test_a_loss_of_ones_own_is_that_of_keras(loss, per, jit_compile):
    found, expected = (
        losses_of(mixing(logits(), per=per), X, Y, one, jit_compile)["loss"]
        for one in (loss, SPARSE)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("loss", [of_all, OfAll()])
def test_a_loss_that_has_averaged_is_refused_where_each_example_has_a_weight(loss):
    for settings in ({"per": "example"}, {"per": "example", "targets": "closer"}):
        with pytest.raises(ValueError, match='averages over the batch.*per="batch"'):
            losses_of(mixing(logits(), **settings), X, Y, loss)


def test_a_loss_of_ones_own_for_one_unit_takes_labels_without_a_column():
    def squared(y, p):
        return tf.square(y - p)[:, 0]

    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    found = losses_of(mixing(network, per="example"), SAME, SAME_Y, squared)
    expected = losses_of(network, SAME, SAME_VALUE / 2, "mse")
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-5)


@pytest.mark.parametrize("form", ["alone", "list", "dict"])
def test_clean_accuracy_of_one_unit_by_the_form_of_the_loss(form):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((3,))
    network = keras.Model(inputs, keras.layers.Dense(1, name="o")(inputs))
    binary = keras.losses.BinaryCrossentropy(from_logits=True)
    loss = {"alone": binary, "list": [binary], "dict": {"o": binary}}[form]
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(), clean_accuracy=True)
    y = np.array([0, 1, 1, 0, 1, 0])
    expected = np.mean((network.predict(X, verbose=0)[:, 0] > 0) == y)
    found = losses_of(model, X, y, loss)["clean_accuracy"]
    np.testing.assert_allclose(found, [expected], rtol=1e-6)


@pytest.mark.parametrize(
    "metric", [keras.metrics.PearsonCorrelation, keras.metrics.ConcordanceCorrelation]
)
def test_correlations_are_those_with_the_mixed_target(metric):
    network = keras.Sequential([keras.Input((3,)), keras.layers.Identity()])
    network(X)
    found = losses_of(mixing(network), X, X, "mse", metrics=[metric(name="r")])
    np.testing.assert_allclose(found["loss"], [0], atol=1e-10)
    np.testing.assert_allclose(found["r"], [1], atol=1e-4)


def test_a_loaded_model_goes_on_with_the_seed_that_was_drawn(tmp_path):
    model = keras_mixup.MixUpModel(logits(), keras_mixup.MixUp(1.0))
    model.compile("sgd", SPARSE)
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.seed == model.seed and loaded.mixup.seed is None
    losses = [one.fit(X, Y, verbose=0).history["loss"] for one in (model, loaded)]
    np.testing.assert_allclose(*losses, rtol=1e-6)


IMAGES = GENERATOR.normal(size=(6, 2, 2, 1)).astype("float32")
MASKS = GENERATOR.integers(0, 2, (6, 2, 2))


def dense(last=2):
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Dense(last)])


def of_each_position(y, p):
    return keras.losses.sparse_categorical_crossentropy(y, p, from_logits=True)


def of_each_image(y, p):
    return tf.reduce_mean(of_each_position(y, p), axis=[1, 2])


@pytest.mark.parametrize("weights", [None, np.arange(6.0, dtype="float32")])
@pytest.mark.parametrize("per", ["batch", "example"])
def test_one_loss_an_image_is_the_mean_of_its_positions(per, weights):
    found = []
    for loss in (of_each_image, of_each_position):
        model = mixing(dense(), per=per)
        model.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=True)
        fitted = model.fit(
            IMAGES, MASKS, sample_weight=weights, batch_size=6, verbose=0
        )
        found.append(fitted.history["loss"])
    np.testing.assert_allclose(*found, rtol=1e-5)


def root(y, p):
    return keras.ops.sqrt(keras.ops.mean(keras.ops.square(y - p)))


def each(y, p):
    return keras.ops.mean(keras.ops.square(y - p), axis=list(range(1, len(p.shape))))


@pytest.mark.parametrize("function", [root, each])
@pytest.mark.parametrize("per", ["batch", "example"])
def test_a_metric_of_ones_own_may_give_less_than_a_value_each(function, per):
    same = np.repeat(IMAGES[:1], 6, axis=0)
    for metrics in ({"metrics": [function]}, {"weighted_metrics": [function]}):
        expected = losses_of(dense(1), same, same, "mse", **metrics)
        found = losses_of(mixing(dense(1), per=per), same, same, "mse", **metrics)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_network_alone_casts_its_inputs(policy):
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        scaling = keras.layers.Rescaling(1.0, -1000.0, dtype="float32")
        network = keras.Sequential([keras.Input((1,)), scaling])
        model = mixing(network)
        x = np.array([[1001], [1002], [999], [70000]], "float32")
        np.testing.assert_array_equal(model.predict(x, verbose=0), x - 1000)
        same = np.repeat(x[:1], 4, axis=0)
        assert losses_of(model, same, np.ones_like(same), "mse")["loss"] == [0]
    finally:
        keras.config.set_dtype_policy(former)
