"""The task of an output against a table written by hand: loss, activation, units."""

import functools

import keras
import pytest

from keras_mixup import MixUp, MixUpModel
from keras_mixup.served_outputs import of_model


def network_of(units, activation=None, shape=(4,)):
    """A dense layer on vectors, or a convolution on maps."""
    layer = keras.layers.Dense if len(shape) == 1 else keras.layers.Conv1D
    options = {} if len(shape) == 1 else {"kernel_size": 1}
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer(units, activation=activation, **options)(inputs))


def served(model, labels=None, task=None, from_logits=None):
    network = model.network if isinstance(model, MixUpModel) else model
    found = of_model(model, network, labels, task, from_logits)
    return [(one.task, one.from_logits) for one in found]


losses = keras.losses
MAP = (5, 4)


@pytest.mark.parametrize(
    ("loss", "units", "activation", "shape", "expected"),
    [
        ("sparse_categorical_crossentropy", 3, "softmax", (4,), "classification"),
        ("categorical_crossentropy", 3, "softmax", (4,), "classification"),
        (losses.CategoricalFocalCrossentropy, 3, "softmax", (4,), "classification"),
        (losses.SparseCategoricalCrossentropy(), 3, "softmax", MAP, "segmentation"),
        ("crossentropy", 3, "softmax", (4,), "classification"),
        ("ce", 1, "sigmoid", (4,), "classification"),
        ("binary_crossentropy", 3, "sigmoid", (4,), "multi_label"),
        ("bce", 3, "sigmoid", MAP, "multi_label"),
        (losses.BinaryCrossentropy, 1, "sigmoid", (4,), "classification"),
        (losses.binary_focal_crossentropy, 1, "sigmoid", MAP, "segmentation"),
        ("mse", 1, None, (4,), "regression"),
        ("mean_absolute_error", 3, None, (4,), "regression"),
        (losses.mean_squared_error, 1, "relu", MAP, "regression"),
        (losses.MeanSquaredLogarithmicError, 1, "softplus", (4,), "regression"),
        (losses.Huber(delta=2.0), 2, None, (4,), "regression"),
        (losses.LogCosh(), 2, None, (4,), "regression"),
        (losses.Poisson(), 1, "exponential", (4,), "regression"),
        # A share or a degree: the value is what was trained.
        ("mse", 1, "sigmoid", (4,), "regression"),
        ({"class_name": "Huber", "config": {}}, 1, None, (4,), "regression"),
        (lambda y, p: p[:, 0], 3, "softmax", (4,), "classification"),
        (losses.Dice(), 1, "sigmoid", MAP, "segmentation"),
        (None, 3, "softmax", (4,), "classification"),
        (None, 3, "softmax", MAP, "segmentation"),
        (None, 1, "sigmoid", (4,), "classification"),
    ],
)
def test_the_loss_says_the_task(loss, units, activation, shape, expected):
    model = network_of(units, activation, shape)
    if loss is not None:
        model.compile("sgd", loss)
    assert served(model) == [(expected, False)]


def own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred))


@pytest.mark.parametrize(
    ("loss", "units", "activation"),
    [
        (None, 3, None),
        (None, 1, None),
        (None, 3, "sigmoid"),
        (None, 3, "relu"),
        (own_loss, 1, None),
        (own_loss, 3, "sigmoid"),
        ("hinge", 1, None),
        (losses.CategoricalHinge(), 3, None),
        (losses.Dice(), 3, "sigmoid"),
        # The loss and the activation say different things.
        ("mse", 3, "softmax"),
        ("binary_crossentropy", 3, "softmax"),
    ],
)
def test_what_cannot_be_known_is_asked_for(loss, units, activation):
    model = network_of(units, activation)
    if loss is not None:
        model.compile("sgd", loss)
    with pytest.raises(ValueError, match=r"Expected task= one of.*multi_label"):
        served(model)
    assert served(model, task="regression") == [("regression", False)]


@pytest.mark.parametrize(
    "loss",
    [
        losses.BinaryCrossentropy(from_logits=True),
        functools.partial(losses.binary_crossentropy, from_logits=True),
        losses.BinaryFocalCrossentropy(from_logits=True),
        {"class_name": "BinaryCrossentropy", "config": {"from_logits": True}},
    ],
)
def test_logits_are_read_from_the_loss(loss):
    for activation in (None, "relu"):
        model = network_of(3, activation)
        model.compile("sgd", loss)
        assert served(model) == [("multi_label", True)]


def test_the_loss_of_the_wrapper_counts_and_else_that_of_the_network():
    network = network_of(2)
    network.compile("sgd", "mse")
    model = MixUpModel(network, MixUp())
    assert served(model) == [("regression", False)]
    model.compile("sgd", losses.CategoricalCrossentropy(from_logits=True))
    assert served(model) == [("classification", True)]


@pytest.mark.parametrize(
    ("activation", "loss"),
    [
        ("softmax", losses.SparseCategoricalCrossentropy(from_logits=True)),
        ("sigmoid", losses.BinaryCrossentropy(from_logits=True)),
        (None, "sparse_categorical_crossentropy"),
        (None, losses.binary_crossentropy),
    ],
)
def test_a_loss_and_an_activation_that_disagree_are_named(activation, loss):
    model = network_of(3, activation)
    model.compile("sgd", loss)
    with pytest.raises(ValueError, match=r"disagree.*Expected from_logits="):
        served(model)
    ((_, from_logits),) = served(model, from_logits=not activation)
    assert from_logits is (activation is None)
    if activation:
        # A softmax of a softmax would be served in silence.
        with pytest.raises(ValueError, match=f"Expected False, since.*{activation}"):
            served(model, from_logits=True)


def test_classes_on_another_axis_are_refused():
    model = network_of(3, shape=MAP)
    model.compile("sgd", losses.CategoricalCrossentropy(from_logits=True, axis=1))
    for from_logits in (None, True):
        with pytest.raises(ValueError, match="classes on the last axis.*axis=1"):
            served(model, from_logits=from_logits)


def test_logits_alone_say_classes():
    for given in (True, False):
        assert served(network_of(3), from_logits=given) == [("classification", given)]
    with pytest.raises(ValueError, match="Expected task="):
        served(network_of(3, "sigmoid"), from_logits=False)


def test_a_task_without_a_loss_takes_logits_from_the_activation():
    assert served(network_of(3), task="multi_label") == [("multi_label", True)]
    model = network_of(3, "sigmoid")
    assert served(model, task="multi_label") == [("multi_label", False)]
    with pytest.raises(ValueError, match=r"holds logits.*from_logits=True or"):
        served(network_of(3, "relu"), task="classification")
    # The margins of a hinge are not logits.
    model = network_of(1)
    model.compile("sgd", "hinge")
    with pytest.raises(ValueError, match=r"holds logits.*hinge"):
        served(model, task="classification")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "tagging"}, r"`task`.*one of \['classification'"),
        ({"from_logits": "yes"}, "True, False or None. Received: from_logits='yes'"),
        ({"task": "segmentation"}, "at least one position"),
        ({"task": "regression", "from_logits": True}, "has no logits"),
        ({"task": "regression", "labels": ["a", "b", "c"]}, "has no labels"),
        ({"task": {"other": "regression"}}, r"`task`. Expected names of \['dense"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments, message):
    keras.backend.clear_session()
    with pytest.raises(ValueError, match=message):
        served(network_of(3), **arguments)
    with pytest.raises(ValueError, match="task='segmentation' for a class at each"):
        served(network_of(3, shape=MAP), task="classification")


def two_outputs(in_dict):
    inputs = keras.Input((4,))
    kind = keras.layers.Dense(3, name="kind")(inputs)
    price = keras.layers.Dense(1, name="price")(inputs)
    outputs = {"kind": kind, "price": price} if in_dict else [kind, price]
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("in_dict", [True, False])
def test_each_output_has_the_task_of_its_loss(in_dict):
    logits = losses.SparseCategoricalCrossentropy(from_logits=True)
    both = [("classification", True), ("regression", False)]
    for loss in ({"kind": logits, "price": "mse"}, [logits, "mse"]):
        model = two_outputs(in_dict)
        model.compile("sgd", loss)
        assert served(model) == both
    model = two_outputs(in_dict)
    model.compile("sgd", {"kind": logits, "price": None})
    with pytest.raises(ValueError, match="the output 'price'"):
        served(model)
    assert served(model, task={"price": "regression"}) == both
    with pytest.raises(
        ValueError, match=r"dict by output name, of \['kind', 'price'\]"
    ):
        served(model, labels=["a", "b", "c"], task={"price": "regression"})
