"""CAMixUp: which classes are mixed, by a plain loop, and a train step that does so."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import CAMixUp, MixUp, MixUpModel
from tests import oracles
from tests.programs import by_hand

X, Y = by_hand.linear_data()
ROWS = np.eye(3, dtype="float32")[Y]
# Two classes in three are right as often as can be; the last is always missed.
SCORES = np.array(
    [[2, 0, 0], [1, 0, 0], [0, 0.5, 0], [3, 0, 0], [0, 3, 0], [0, 2, 0.0]], "float32"
)
LABELS = np.array([0, 0, 1, 1, 2, 2])


def calibration(scores, labels):
    """The accuracy and mean confidence of each class, example by example."""
    right, confidence = [[], [], []], [[], [], []]
    for row, label in zip(by_hand.softmax(scores), labels, strict=True):
        right[label].append(float(np.argmax(row) == label))
        confidence[label].append(row.max())
    return [[np.mean(one) for one in of] for of in (right, confidence)]


def identity(activation=None):
    """A network whose outputs are its inputs, for scores that are made up."""
    network = by_hand.linear(3, 3, activation=activation)
    network.layers[-1].set_weights([np.eye(3), np.zeros(3)])
    return network


def compiled(camixup, network=None, mix_at=("input",), optimizer=None, **settings):
    mixup = MixUp(1.0, per="example", probability=camixup.probability, seed=1)
    model = MixUpModel(network or by_hand.linear(), mixup, mix_at=mix_at)
    model.compile(optimizer or keras.optimizers.SGD(0.5), by_hand.sparse_loss())
    model.compile(model.optimizer, model.loss, **settings)
    return model


@pytest.mark.parametrize("labels", [LABELS, np.eye(3, dtype="float32")[LABELS]])
def test_the_classes_of_which_it_is_over_confident_are_mixed(labels):
    camixup = CAMixUp((SCORES, labels), num_classes=3)
    model = compiled(camixup, identity())
    camixup.set_model(model)
    accuracy, confidence = calibration(SCORES, LABELS)
    assert accuracy == [1, 0.5, 0] and confidence[1] > 0.5
    found = camixup.calibration()
    np.testing.assert_allclose(found, [accuracy, confidence], atol=1e-6)
    # Before the first update nothing is known, and nothing is mixed.
    camixup.on_epoch_begin(0)
    np.testing.assert_array_equal(camixup.probability, [0, 0, 0])
    model.optimizer.iterations.assign(1)
    camixup.on_epoch_begin(1)
    np.testing.assert_array_equal(camixup.probability, [0, 1, 1])


def test_probabilities_and_datasets_of_batches_are_the_same():
    probabilities = by_hand.softmax(SCORES).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices((probabilities, LABELS)).batch(4)
    camixup = CAMixUp(dataset, num_classes=3, from_logits=False)
    network = identity()
    network.compile("sgd")
    camixup.set_model(network)
    found = camixup.calibration()
    np.testing.assert_allclose(found, calibration(SCORES, LABELS), atol=1e-6)


@pytest.mark.parametrize(
    "run",
    [
        {"run_eagerly": True},
        {},
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.parametrize("mix_at", ["input", "hidden"])
def test_a_train_step_mixes_these_classes_alone(run, mix_at):
    camixup = CAMixUp((X, Y), num_classes=3)
    camixup.probability.assign([1.0, 0.0, 1.0])
    first = keras.layers.Dense(4, activation="relu", name="hidden")
    network = keras.Sequential([keras.Input((6,)), first, keras.layers.Dense(3)])
    model = compiled(camixup, network, mix_at, by_hand.still(), **run)
    found = model.train_on_batch(X, Y)
    lam = keras_mixup.sample_lambda(1.0, (len(X),), seed=1).numpy()
    partner = keras_mixup.sample_partner(len(X), seed=1).numpy()
    lam = np.where(Y == 1, 1, lam)
    # Behind "hidden" is the second layer alone.
    before, behind = (lambda x: x), network
    if mix_at == "hidden":
        before, behind = network.layers[0], network.layers[1]
    mixed = oracles.mix(np.asarray(before(X)), lam, partner).astype("float32")
    logits = np.asarray(behind(mixed))
    terms = [by_hand.cross_entropies(logits, one) for one in (Y, Y[partner])]
    expected = np.mean(lam * terms[0] + (1 - lam) * terms[1])
    assert float(np.mean(found)) == pytest.approx(expected, rel=1e-5)
    # Another class in the next step, by the same graph.
    camixup.probability.assign([0.0, 0.0, 0.0])
    logits = by_hand.outputs(network, X)
    plain = float(np.mean(model.train_on_batch(X, Y)))
    model.reset_metrics()
    plain = float(np.mean(model.train_on_batch(X, Y)))
    assert plain == pytest.approx(np.mean(by_hand.cross_entropies(logits, Y)), rel=1e-5)


def test_it_reads_a_model_of_two_replicas():
    camixup = CAMixUp((SCORES, LABELS), num_classes=3)
    with oracles.two_replicas().scope():
        model = compiled(camixup, identity())
    camixup.set_model(model)
    camixup.on_epoch_begin(0)
    np.testing.assert_array_equal(camixup.probability, [0, 0, 0])
    model.optimizer.iterations.assign(1)
    camixup.on_epoch_begin(1)
    np.testing.assert_array_equal(camixup.probability, [0, 1, 1])


def test_training_that_goes_on_after_a_stop_is_the_same_bit_for_bit(tmp_path):
    def trained(epochs, initial_epoch=0, weights=None):
        camixup, seen = CAMixUp((X, Y), num_classes=3), []
        model = compiled(camixup, **by_hand.EAGER)
        if weights:
            # The optimizer is new, and has made no update.
            model.load_weights(weights)
        watch = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda *_: seen.append(camixup.probability.numpy().tolist())
        )
        settings = {"batch_size": 8, "shuffle": False, "verbose": 0}
        epochs = {"initial_epoch": initial_epoch, "epochs": epochs}
        model.fit(X, Y, callbacks=[camixup, watch], **settings, **epochs)
        return model, seen

    whole, seen = trained(4)
    assert seen[0] == [0, 0, 0] and any(any(one) for one in seen[1:])
    first, _ = trained(2)
    path = tmp_path / "two.weights.h5"
    first.save_weights(path)
    rest, seen_later = trained(4, 2, path)
    assert seen_later == seen[2:]
    for one, other in zip(whole.get_weights(), rest.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def mixed_classes(model, camixup, **epochs):
    """The probabilities in each epoch of a `fit`."""
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: seen.append(camixup.probability.numpy().tolist())
    )
    model.fit(X, Y, batch_size=8, verbose=0, callbacks=[camixup, watch], **epochs)
    return seen


def by_the_weights(network):
    """1 for the classes of which the network is over-confident now."""
    accuracy, confidence = calibration(by_hand.outputs(network, X), Y)
    return [float(a <= c) for a, c in zip(accuracy, confidence, strict=True)]


def test_a_model_that_is_compiled_again_goes_by_its_weights():
    camixup = CAMixUp((X, Y), num_classes=3)
    model = compiled(camixup, **by_hand.EAGER)
    mixed_classes(model, camixup, epochs=2)
    model.network.set_weights([-one for one in model.network.get_weights()])
    expected = by_the_weights(model.network)
    assert expected != camixup.probability.numpy().tolist()
    model.compile(keras.optimizers.SGD(0.01), model.loss, **by_hand.EAGER)
    assert mixed_classes(model, camixup) == [expected]


def test_a_plain_model_that_goes_on_at_a_later_epoch_goes_by_its_weights():
    camixup, network = CAMixUp((SCORES, LABELS), num_classes=3), identity()
    network.compile("sgd", by_hand.sparse_loss())
    camixup.set_model(network)
    # Its weights were read, and the new optimizer has made no update.
    camixup.on_epoch_begin(3)
    np.testing.assert_array_equal(camixup.probability, [0, 1, 1])


def test_a_second_model_begins_without_mixing():
    camixup = CAMixUp((X, Y), num_classes=3)
    first = mixed_classes(compiled(camixup, **by_hand.EAGER), camixup, epochs=2)
    assert first[1] != [0, 0, 0]
    second = mixed_classes(compiled(camixup, **by_hand.EAGER), camixup, epochs=2)
    assert second[0] == [0, 0, 0]


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_classes_of_a_binary_cross_entropy_have_a_sigmoid_each(activation):
    network = identity(activation)
    network.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=not activation))
    camixup = CAMixUp((SCORES, LABELS), num_classes=3)
    camixup.set_model(network)
    top = 1 / (1 + np.exp(-SCORES.max(-1)))
    expected = [top[label == LABELS].mean() for label in range(3)]
    np.testing.assert_allclose(camixup.calibration()[1], expected, rtol=1e-6)


class WithSoftmax(keras.Model):
    """A model of a user's own, whose network is a part of it."""

    def __init__(self):
        super().__init__()
        self.network = identity()

    def call(self, inputs):
        return keras.ops.softmax(self.network(inputs))


def test_a_model_with_a_network_of_its_own_is_read_as_a_whole():
    model = WithSoftmax()
    model.compile("sgd", "sparse_categorical_crossentropy")
    camixup = CAMixUp((SCORES, LABELS), num_classes=3, from_logits=False)
    camixup.set_model(model)
    found = camixup.calibration()
    np.testing.assert_allclose(found, calibration(SCORES, LABELS), atol=1e-6)


def test_several_inputs_come_as_a_list_as_in_fit():
    a, b = keras.Input((3,)), keras.Input((2,))
    merged = keras.layers.Concatenate()([a, b])
    network = keras.Model([a, b], keras.layers.Dense(3)(merged))
    network.compile("sgd", by_hand.sparse_loss())
    data = [SCORES, SCORES[:, :2]]
    camixup = CAMixUp((data, LABELS), num_classes=3)
    camixup.set_model(network)
    expected = calibration(np.asarray(network(data)), LABELS)
    np.testing.assert_allclose(camixup.calibration(), expected, atol=1e-6)


def test_other_losses_and_outputs_are_refused():
    camixup = CAMixUp((SCORES, LABELS), num_classes=3)
    with pytest.raises(ValueError, match="has no model yet"):
        camixup.calibration()
    network = identity()
    for loss in ("mse", "categorical_hinge"):
        network.compile("sgd", loss)
        camixup.set_model(network)
        with pytest.raises(ValueError, match="compares probabilities of classes"):
            camixup.calibration()
    camixup = CAMixUp((SCORES, LABELS), num_classes=3, from_logits=False)
    network = identity("relu")
    network.compile("sgd", "sparse_categorical_crossentropy")
    camixup.set_model(network)
    with pytest.raises(ValueError, match="holds no probabilities.*0.0 to 3.0"):
        camixup.calibration()


def test_in_the_pipeline_the_next_epoch_is_mixed_so():
    camixup = CAMixUp((SCORES, LABELS), num_classes=3)
    own = {"per": "example", "num_classes": 3, "seed": 1}
    mixup = MixUp(1.0, probability=camixup.probability, **own)
    batches = tf.data.Dataset.from_tensors((SCORES, LABELS)).apply(mixup)
    network = identity()
    network.compile(
        by_hand.still(), keras.losses.CategoricalCrossentropy(from_logits=True)
    )
    camixup.set_model(network)
    camixup.on_epoch_begin(0)
    np.testing.assert_array_equal(next(iter(batches))[0], SCORES)
    network.optimizer.iterations.assign(1)
    camixup.on_epoch_begin(1)
    x = np.asarray(next(iter(batches))[0])
    np.testing.assert_array_equal((x == SCORES).all(-1), LABELS == 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X, "Expected .x, y., or a tf.data.Dataset"),
        ((X, Y, Y), "Expected .x, y., or a tf.data.Dataset"),
        ((X[Y != 1], Y[Y != 1]), r"some of each of 3. Received: none of \[1\]"),
        ((X, np.eye(4, dtype="float32")[Y]), "of other classes"),
        (tf.data.Dataset.from_tensors((X, Y)).repeat(), "a dataset with an end"),
    ],
    ids=[
        "no labels",
        "weights",
        "a class without examples",
        "other classes",
        "endless",
    ],
)
def test_other_validation_data_is_refused_before_training(data, message):
    with pytest.raises(ValueError, match=message):
        camixup = CAMixUp(data, num_classes=3)
        model = compiled(camixup, **by_hand.EAGER)
        model.fit(X, Y, callbacks=[camixup], verbose=0)


def test_a_summary_without_labels_is_refused(tmp_path):
    model = compiled(CAMixUp((X, Y), num_classes=3), **by_hand.EAGER)
    summary = keras_mixup.MixUpSummary(tmp_path)
    with pytest.raises(ValueError, match="Expected .* in MixUpSummary a `batch`"):
        model.fit(X, Y, callbacks=[summary], verbose=0)


def test_a_model_with_another_probability_is_refused(tmp_path):
    camixup = CAMixUp((X, Y), num_classes=3)
    compiled(camixup).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.mixup.probability == [0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="make the model anew and load the weights"):
        loaded.fit(X, Y, callbacks=[camixup], verbose=0)


def test_a_class_without_a_probability_makes_the_loss_nan_under_xla():
    mixup = MixUp(1.0, per="example", probability=[1.0, 1.0], seed=1)
    model = MixUpModel(by_hand.linear(), mixup)
    model.compile(by_hand.still(), by_hand.sparse_loss(), jit_compile=True)
    assert np.isnan(np.mean(model.train_on_batch(X, Y)))
    model.compile(by_hand.still(), by_hand.sparse_loss())
    with pytest.raises(tf.errors.InvalidArgumentError, match="each of 2 classes"):
        model.train_on_batch(X, Y)
