"""What MixUpModel refuses when it is made or compiled, and what it lets pass."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup.training import model_checks

X, Y = np.zeros((4, 3), "float32"), np.array([0, 1, 2, 0])


def functional(kind=keras.Model):
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(3, name="hidden")(inputs)
    return kind(inputs, keras.layers.Dense(3)(hidden))


def mixing(network, mix_at="input", **settings):
    return keras_mixup.MixUpModel(network, keras_mixup.MixUp(), mix_at, **settings)


@pytest.mark.parametrize("names", [None, 1, [1], True, {"input"}], ids=str)
def test_places_that_are_no_names_are_refused(names):
    with pytest.raises(ValueError, match="`mix_at`. Expected the name of a layer"):
        mixing(functional(), names)


def test_another_way_to_mix_losses_is_refused():
    with pytest.raises(ValueError, match="`mix_losses`.*Received: mix_losses='both'"):
        mixing(functional(), mix_losses="both")


# Methods of training that the network has itself.


def own(self, *args, **kwargs):
    raise AssertionError("never called")


@pytest.mark.parametrize("name", model_checks.METHODS)
def test_a_method_of_the_network_is_refused_on_the_class(name):
    kind = type("Own", (keras.Model,), {name: own})
    with pytest.raises(ValueError, match=f"Own has its own {name}, which.*at_step"):
        mixing(functional(kind))


# A property cannot be set on one object.
@pytest.mark.parametrize(
    "name",
    [name for name in model_checks.METHODS if callable(getattr(keras.Model, name))],
)
def test_a_method_of_the_network_is_refused_on_the_object(name):
    network = functional()
    object.__setattr__(network, name, own)
    with pytest.raises(ValueError, match=f"has its own {name}"):
        mixing(network)


def test_all_methods_are_named():
    methods = {"train_step": own, "compute_loss": own}
    with pytest.raises(ValueError, match="its own train_step, compute_loss, which"):
        mixing(functional(type("Own", (keras.Model,), methods)))


def test_methods_are_those_of_keras():
    for name in model_checks.METHODS:
        assert hasattr(keras.Model, name)


class Task(keras.Model):
    """Preprocesses in its `fit`, as tasks of KerasHub do."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, inputs):
        return self.dense(inputs)

    def fit(self, x=None, y=None, **kwargs):
        return super().fit(x=x / 255, y=y, **kwargs)

    def compile(self, optimizer="auto", loss="auto", **kwargs):
        super().compile(optimizer=optimizer, loss=loss, **kwargs)


def test_a_task_that_preprocesses_in_fit_is_refused():
    with pytest.raises(ValueError, match="Task has its own compile, fit, which"):
        mixing(Task())


class Inherits(Task):
    pass


def test_a_method_of_a_parent_is_the_networks_own_too():
    with pytest.raises(ValueError, match="its own compile, fit"):
        mixing(Inherits())


class OwnCall(keras.Model):
    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=training, mask=mask) + 1000.0


def test_a_call_around_a_graph_that_is_cut_is_refused():
    with pytest.raises(ValueError, match=r"`call`, which a cut at \['hidden'\]"):
        mixing(functional(OwnCall), "hidden")
    # Uncut, it is the network's own call that runs.
    model = mixing(functional(OwnCall))
    assert (model.predict(X, verbose=0) > 500).all()


@pytest.mark.parametrize(
    "network",
    [functional(), keras.Sequential([keras.layers.Dense(2)]), keras.layers.Dense(2)],
)
def test_a_network_of_keras_passes(network):
    mixing(network)


# A mixing point inside of a tf.function.


class Traced(keras.Model):
    def __init__(self):
        super().__init__()
        self.point = keras_mixup.layers.MixFeatures(name="point")
        self.dense = keras.layers.Dense(3)

    @tf.function
    def call(self, inputs):
        return self.dense(self.point(inputs))


def test_a_point_inside_of_a_tf_function_is_refused():
    with pytest.raises(ValueError, match="The `call` of .* is a tf.function"):
        mixing(Traced(), "point")


def test_a_call_that_is_made_a_tf_function_later_is_refused():
    network = keras.Sequential(
        [keras.Input((3,)), keras_mixup.layers.MixFeatures(name="point")]
    )
    object.__setattr__(network, "call", tf.function(network.call))
    with pytest.raises(ValueError, match="is a tf.function"):
        model_checks.check_network(keras.Sequential([network]), ["point"], [])


def test_a_tf_function_without_a_point_in_use_passes():
    mixing(Traced())


# Arguments.


@pytest.mark.parametrize(
    ("network", "mixup", "mix_at", "choices", "message"),
    [
        (object(), None, ["input"], None, "`network`.*pipeline"),
        (
            "ok",
            0.2,
            ["input"],
            None,
            "`mixup`. Expected a policy, such as",
        ),
        ("ok", "ok", [], None, "at least one"),
        ("ok", "ok", ["a", "a"], None, "all different"),
        ("ok", "ignore", ["input"], None, "ignored classes"),
        ("ok", "ok", ["input"], {"acc": "both"}, r"metric_targets\['acc'\]"),
    ],
)
def test_arguments_are_checked(network, mixup, mix_at, choices, message):
    policies = {
        "ok": keras_mixup.MixUp(),
        "ignore": keras_mixup.MixUp(num_classes=3, ignore_class=2),
    }
    network = functional() if network == "ok" else network
    mixup = policies.get(mixup, mixup)
    with pytest.raises(ValueError, match=message):
        model_checks.check_arguments(network, mixup, mix_at, choices)


# The name of MixUpModel's own metric.


def clean_accuracy(y, p):
    return y


@pytest.mark.parametrize(
    "metric",
    [clean_accuracy, keras.metrics.Mean(name="clean_accuracy")],
)
@pytest.mark.parametrize("place", ["metrics", "weighted_metrics", "positional"])
@pytest.mark.parametrize("nest", [list, dict])
def test_the_name_clean_accuracy_is_taken(metric, place, nest):
    given = [metric] if nest is list else {"a": ["accuracy", metric]}
    args, kwargs = (
        ([None, given], {}) if place == "positional" else ([], {place: given})
    )
    model = mixing(functional(), clean_accuracy=True)
    with pytest.raises(ValueError, match="`clean_accuracy` is taken"):
        model.compile("sgd", "mse", *args, **kwargs)
    mixing(functional()).compile("sgd", "mse", *args, **kwargs)
