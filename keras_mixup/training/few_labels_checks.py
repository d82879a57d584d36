"""Checks of the arguments that ICT and MixMatch share."""

import inspect
import math
import numbers

import keras
import tensorflow as tf

from keras_mixup import class_probability, keras_private, layers, mixing, sampling
from keras_mixup.mixup import MixUp
from keras_mixup.training import mixed_inputs

# What a policy may not say where some examples have no label.
_OF_LABELS = {
    "targets": "mix",
    "label_smoothing": 0.0,
    "passthrough": (),
    "ignore_class": None,
    "multi_label": False,
    "quantities": (),
    "dtype": None,
    "label_rule": None,
}
_BY_LABELS = ("same_class", "similar_target")


def check_policy(mixup, of):
    """Raises unless it is a `MixUp` that needs no label; `of` is the model's name."""
    if not isinstance(mixup, MixUp):
        raise ValueError(
            f"Invalid value received for argument `mixup`. {of} mixes examples and "
            "what is guessed of them by one number. Expected keras_mixup.MixUp. "
            f"Received: mixup={mixup!r}"
        )
    if mixup.pairing in _BY_LABELS:
        pairings = [one for one in sampling.PAIRINGS if one not in _BY_LABELS]
        raise ValueError(
            "Unlabeled examples have no label to be paired by. Expected a pairing of "
            f"{pairings}. Received: pairing={mixup.pairing!r}"
        )
    class_probability.without_labels(mixup)
    for name, expected in _OF_LABELS.items():
        found = getattr(mixup, name)
        if found != expected:
            raise ValueError(
                f"`{name}` of a policy has no meaning for unlabeled examples. Expected "
                f"MixUp({name}={expected!r}) in {of}. Received: {name}={found!r}"
            )


def check_inputs(network, of):
    """Raises for inputs that cannot be mixed, and for points inside of the network."""
    for _, tensor, reason in mixed_inputs.inputs_of_whole_numbers(network):
        raise ValueError(
            f"The network's input `{tensor.name}` {reason} cannot hold a mixed "
            f"example. {of} mixes inputs alone. Expected a float input, as in "
            'keras.Input(shape, dtype="float32") (it takes uint8 images as well). '
            "Token ids and categories are embedded or made one-hot in the datasets"
        )
    for layer in keras_private.all_layers(network):
        if isinstance(layer, layers.MixFeatures):
            raise ValueError(
                f"The network has the mixing point `{layer.name}`, at which nothing "
                f"would be mixed: {of} mixes inputs alone. Expected a network without "
                f"keras_mixup.layers.MixFeatures. Received: network={network!r}"
            )


def check_loss_weights(loss_weights, of):
    """Raises for weights of outputs, which are no part of a step."""
    if loss_weights is not None:
        raise ValueError(
            f"{of} has one output, and its labeled part weighs 1. Expected "
            "loss_weights=None: `consistency` or `unlabeled_weight` is what the "
            f"unlabeled part weighs. Received: loss_weights={loss_weights!r}"
        )


def check_steps(argument, value):
    """Raises unless it is an integer >= 0."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < 0:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected a number of "
            f"steps, an integer >= 0. Received: {argument}={value!r}"
        )


def check_temperature(temperature):
    """Raises unless it is a finite number > 0."""
    number = isinstance(temperature, numbers.Real) and temperature is not True
    if not number or not 0 < temperature < math.inf:
        raise ValueError(
            "Invalid value received for argument `temperature`. Expected a finite "
            "number > 0: 1 leaves the guesses as they are, less sharpens them. "
            f"Received: temperature={temperature!r}"
        )


def check_keeps_larger(mixup, mix):
    """Raises where a mixed example may be nearer to its partner than to itself."""
    if mix is not None and not mixup.keep_larger and not mixup.is_identity:
        raise ValueError(
            "MixMatch mixes by max(lam, 1 - lam): each example stays nearer to itself, "
            "so that labeled and unlabeled ones stay apart in the loss. Expected "
            f"MixUp(..., keep_larger=True). Received: mixup={mixup!r}"
        )


def check_augment(augment):
    """Raises unless it can be called, or is None."""
    if augment is not None and (not callable(augment) or inspect.isclass(augment)):
        raise ValueError(
            "Invalid value received for argument `augment`. Expected a Keras layer or "
            f"a function of a batch, or None. Received: augment={augment!r}"
        )


def check_augmented(found, given):
    """Raises for an augmentation that changes the shape of a batch.

    What is known of it while a step is traced is checked then; another number of
    examples fails where the step runs.
    """
    shapes = [keras.tree.map_structure(_shape, nest) for nest in (given, found)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "`augment` changed the shape of a batch, so that what it gives cannot be "
            "mixed with labeled examples. Expected a batch of the same shape. "
            f"Received: {shapes[1]} in place of {shapes[0]}"
        )
    for leaf in keras.tree.flatten(found):
        if tf.as_dtype(leaf.dtype) == tf.string:
            raise ValueError(
                "`augment` made texts of a batch, which cannot be mixed. Expected "
                "floats, as it was given. Received: dtype string"
            )
    leaves = [keras.tree.flatten(nest)[0] for nest in (given, found)]
    mixing.check_batch_sizes(leaves, ["the batch", "what `augment` gives"])


def refuse_class_weight(class_weight, of):
    """Raises for class weights."""
    if class_weight is not None:
        raise ValueError(
            f"{of} has no class weights. Expected sample weights in the labeled "
            "dataset, (x, y, sample_weight). Received: "
            f"class_weight={class_weight}"
        )


def _shape(leaf):
    return tuple(leaf.shape) if hasattr(leaf, "shape") else type(leaf).__name__
