"""`MixUpModel(clean_weight=...)`: the loss of the unmixed batch goes along."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests.programs import by_hand

X, Y = by_hand.linear_data()
ROWS = np.eye(3, dtype="float32")[Y]
WEIGHTS = np.linspace(0, 2, 16, dtype="float32")
DENSE = keras.losses.CategoricalCrossentropy(from_logits=True)


def largest(y, logits):
    """A loss of one value a batch, which no weight of an example can enter."""
    return tf.reduce_max(
        tf.square(tf.cast(tf.reshape(y, [-1]), "float32") - logits[:, 0])
    )


def first_loss(network, policy, x, y, compiled, clean_weight=0.0, **given):
    """The loss of the first step, and the model."""
    settings = {"clean_weight": clean_weight}
    settings |= {
        key: given.pop(key) for key in ("mix_at", "mix_losses") if key in given
    }
    model = keras_mixup.MixUpModel(network, policy, **settings)
    model.compile(by_hand.still(), **compiled)
    return model.train_on_batch(x, y, return_dict=True, **given), model


@pytest.mark.parametrize(
    "run", [{"run_eagerly": True}, {}, {"jit_compile": True}], ids=str
)
@pytest.mark.parametrize(
    "kind", ["sparse", pytest.param("rows", marks=pytest.mark.slow)]
)
def test_the_loss_is_the_sum_of_both_with_their_weights(run, kind):
    network, y = by_hand.linear(), Y if kind == "sparse" else ROWS
    loss = by_hand.sparse_loss() if kind == "sparse" else DENSE
    compiled = {"loss": loss, "weighted_metrics": ["accuracy"], **run}
    policy = keras_mixup.MixUp(1.0, seed=1)
    found, _ = first_loss(network, policy, X, y, compiled, 0.7, sample_weight=WEIGHTS)
    lam, partner = by_hand.draw(16)
    mixed = by_hand.outputs(network, by_hand.mixed(X, lam, partner))
    clean = by_hand.outputs(network, X)
    expected = 0.7 * np.mean(WEIGHTS * by_hand.cross_entropies(clean, Y))
    for share, at in ((lam, np.arange(16)), (1 - lam, partner)):
        expected += share * np.mean(WEIGHTS[at] * by_hand.cross_entropies(mixed, Y[at]))
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    # The metric is that of the mixed half.
    hits = [by_hand.hits(mixed, Y[at]) * WEIGHTS[at] for at in (np.arange(16), partner)]
    total = lam * WEIGHTS.sum() + (1 - lam) * WEIGHTS[partner].sum()
    accuracy = (lam * hits[0] + (1 - lam) * hits[1]).sum() / total
    assert found["accuracy"] == pytest.approx(accuracy, rel=1e-5)


@pytest.mark.parametrize(
    ("policy", "loss", "mix_losses"),
    [
        (keras_mixup.MixUp(1.0, seed=1), largest, None),
        (keras_mixup.MixUp(1.0, seed=1, per="example"), by_hand.sparse_loss(), None),
        (keras_mixup.MixUp(1.0, seed=1, examples=3), DENSE, True),
        (keras_mixup.MixUp(0.0), by_hand.sparse_loss(), None),
        (keras_mixup.CutMix(1.0, seed=1), by_hand.sparse_loss(), None),
    ],
    ids=["of the batch", "per example", "three", "nothing mixed", "pasted"],
)
def test_what_is_added_is_keras_own_loss_of_the_unmixed_batch(policy, loss, mix_losses):
    network = by_hand.linear(kernel_regularizer="l2")
    y = ROWS if loss is DENSE else Y
    compiled = {"loss": loss, **by_hand.EAGER}
    with_clean, without = (
        first_loss(network, policy, X, y, compiled, weight, mix_losses=mix_losses)[0]
        for weight in (2.5, 0.0)
    )
    clean = float(loss(y, network(X)))
    assert with_clean["loss"] - without["loss"] == pytest.approx(2.5 * clean, rel=1e-5)
    assert clean > 0.1


def test_labels_of_the_clean_half_are_smoothed_as_they_would_be_anyway():
    network, compiled = by_hand.linear(), {"loss": DENSE, **by_hand.EAGER}
    policy = keras_mixup.MixUp(1.0, seed=1, label_smoothing=0.1)
    with_clean, without = (
        first_loss(network, policy, X, ROWS, compiled, weight)[0]["loss"]
        for weight in (1.0, 0.0)
    )
    clean = float(DENSE(0.9 * ROWS + 0.1 / 3, network(X)))
    assert with_clean - without == pytest.approx(clean, rel=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_batch_norm_sees_both_halves_as_keras_sees_one_batch_of_them(jit_compile):
    """One step of Keras's own on the mixed and the clean rows, weighted."""

    def network():
        keras.utils.set_random_seed(1)
        layers = [keras.Input((6,)), keras.layers.Dense(4)]
        layers += [keras.layers.BatchNormalization(), keras.layers.ReLU()]
        return keras.Sequential([*layers, keras.layers.Dense(3)])

    one, two = network(), network()
    model = keras_mixup.MixUpModel(
        one, keras_mixup.MixUp(1.0, seed=1), clean_weight=0.5
    )
    model.compile(keras.optimizers.SGD(0.1), DENSE, jit_compile=jit_compile)
    model.train_on_batch(X, ROWS)
    lam, partner = by_hand.draw(16)
    both = [
        np.concatenate([by_hand.mixed(values, lam, partner), values])
        for values in (X, ROWS)
    ]
    two.compile(keras.optimizers.SGD(0.1), DENSE)
    # Keras divides by the size of both.
    two.train_on_batch(*both, sample_weight=np.repeat([2.0, 1.0], 16))
    for a, b in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def hidden(kind):
    """Two dense layers with a place to mix between them, and its name."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    features = keras.layers.Dense(4, activation="tanh", name="features")(inputs)
    if kind == "point":
        features = keras_mixup.layers.MixFeatures(name="point")(features)
    network = keras.Model(inputs, keras.layers.Dense(3)(features))
    return network, "point" if kind == "point" else "features"


@pytest.mark.parametrize("kind", ["cut", "point"])
@pytest.mark.parametrize("also", [[], ["input"]])
def test_the_clean_half_is_not_mixed_at_hidden_layers(kind, also):
    network, name = hidden(kind)
    compiled = {"loss": by_hand.sparse_loss(), **by_hand.EAGER}
    with_clean, without = (
        first_loss(
            *(network, keras_mixup.MixUp(1.0, seed=1), X, Y, compiled, weight),
            mix_at=[*also, name],
        )[0]["loss"]
        for weight in (1.0, 0.0)
    )
    clean = by_hand.cross_entropies(by_hand.outputs(network, X), Y).mean()
    assert with_clean - without == pytest.approx(clean, rel=1e-5)
    if not also:
        lam, partner = by_hand.draw(16)
        _, first, *_, last = network.layers
        features = by_hand.mixed(first(X), lam, partner)
        losses = by_hand.two_terms(
            lambda y: by_hand.cross_entropies(last(features), y), Y, lam, partner
        )
        assert without == pytest.approx(losses.mean(), rel=1e-5)


@pytest.mark.parametrize("mix_at", ["input", "point"])
def test_padding_of_the_clean_half_is_its_own(mix_at):
    generator = np.random.default_rng(3)
    x = generator.normal(size=(4, 5, 2)).astype("float32")
    for row, length in enumerate((5, 2, 3, 4)):
        x[row, length:] = 0
    y = generator.integers(0, 3, (4, 5))
    keras.utils.set_random_seed(1)
    inputs = keras.Input((5, 2))
    features = keras.layers.Masking()(inputs)
    features = keras_mixup.layers.MixFeatures(name="point")(features)
    network = keras.Model(inputs, keras.layers.Dense(3)(features))
    compiled = {"loss": by_hand.sparse_loss(), **by_hand.EAGER}
    with_clean, without = (
        first_loss(
            *(network, keras_mixup.MixUp(1.0, seed=1), x, y, compiled, weight),
            mix_at=[mix_at],
        )[0]["loss"]
        for weight in (1.0, 0.0)
    )
    losses = by_hand.cross_entropies(by_hand.outputs(network, x), y)
    clean = losses[(x != 0).any(-1)].mean()
    assert with_clean - without == pytest.approx(clean, rel=1e-5)


def test_several_inputs_and_outputs_each_have_their_clean_half():
    keras.utils.set_random_seed(1)
    number, token = keras.Input((6,), name="number"), keras.Input((2,), name="token")
    joined = keras.layers.Concatenate()([number, token])
    outputs = {name: keras.layers.Dense(3, name=name)(joined) for name in ("a", "b")}
    network = keras.Model({"number": number, "token": token}, outputs)
    x = {"number": X, "token": X[:, :2] + 1}
    y, weights = {"a": Y, "b": Y[::-1]}, {"a": WEIGHTS, "b": WEIGHTS[::-1]}
    compiled = {"loss": dict.fromkeys("ab", by_hand.sparse_loss())}
    compiled |= {"loss_weights": {"a": 1.0, "b": 3.0}, **by_hand.EAGER}
    policy = keras_mixup.MixUp(1.0, seed=1, passthrough="token")
    with_clean, without = (
        first_loss(network, policy, x, y, compiled, weight, sample_weight=weights)[0]
        for weight in (1.0, 0.0)
    )
    given = network(x)
    of_outputs = {
        name: np.mean(weights[name] * by_hand.cross_entropies(given[name], y[name]))
        for name in "ab"
    }
    for name, clean in of_outputs.items():
        difference = with_clean[f"{name}_loss"] - without[f"{name}_loss"]
        assert difference == pytest.approx(clean, rel=1e-4)
    expected = of_outputs["a"] + 3 * of_outputs["b"]
    assert with_clean["loss"] - without["loss"] == pytest.approx(expected, rel=1e-4)


def test_class_weights_hold_for_both_halves():
    network = by_hand.linear()
    model = keras_mixup.MixUpModel(
        network, keras_mixup.MixUp(1.0, seed=1), clean_weight=1.0
    )
    model.compile(by_hand.still(), by_hand.sparse_loss(), **by_hand.EAGER)
    of_class = {0: 1.0, 1: 0.0, 2: 4.0}
    found = model.fit(
        X, Y, batch_size=16, shuffle=False, class_weight=of_class, verbose=0
    )
    weights = np.vectorize(of_class.get)(Y)
    expected, _ = first_loss(
        *(network, keras_mixup.MixUp(1.0, seed=1), X, Y),
        {"loss": by_hand.sparse_loss(), **by_hand.EAGER},
        1.0,
        sample_weight=weights,
    )
    assert found.history["loss"][0] == pytest.approx(expected["loss"], rel=1e-5)


def test_it_is_saved_and_loaded_and_files_without_it_load(tmp_path):
    model = keras_mixup.MixUpModel(
        by_hand.linear(), keras_mixup.MixUp(1.0), clean_weight=0.25
    )
    model.compile("sgd", by_hand.sparse_loss(), **by_hand.EAGER)
    model.train_on_batch(X, Y)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.clean_weight == 0.25
    assert loaded.seed == model.seed
    losses = [float(one.train_on_batch(X, Y)) for one in (model, loaded)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    config = model.get_config()
    del config["clean_weight"]
    assert keras_mixup.MixUpModel.from_config(config).clean_weight == 0.0


def test_it_cannot_be_changed_afterwards():
    model = keras_mixup.MixUpModel(by_hand.linear(), keras_mixup.MixUp())
    with pytest.raises(AttributeError, match="clean_weight"):
        model.clean_weight = 1.0


@pytest.mark.parametrize("clean_weight", [-1, float("nan"), float("inf"), "1", None])
def test_what_is_no_weight_is_refused(clean_weight):
    with pytest.raises(ValueError, match=r"`clean_weight`.*number >= 0"):
        keras_mixup.MixUpModel(
            by_hand.linear(), keras_mixup.MixUp(), clean_weight=clean_weight
        )


def test_a_network_of_one_batch_size_is_refused():
    network = keras.Sequential(
        [keras.Input(batch_shape=(16, 6)), keras.layers.Dense(3)]
    )
    with pytest.raises(ValueError, match="batches of 16"):
        keras_mixup.MixUpModel(network, keras_mixup.MixUp(), clean_weight=1.0)
    keras_mixup.MixUpModel(network, keras_mixup.MixUp())
