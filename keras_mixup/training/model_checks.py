"""Checks of a new MixUpModel: its arguments, and what its network does itself.

`MixUpModel` trains with a step of its own: a network's `train_step` or `compute_loss`
would never be called. Such networks are refused.
"""

import math
import numbers

import keras
import tensorflow as tf

from keras_mixup import arguments, keras_private, layers
from keras_mixup.policy import Policy
from keras_mixup.training import layer_names
from keras_mixup.training.mixed_metrics import CHOICES

# What `fit`, `evaluate` and `predict` of the network itself would run or read.
METHODS = (
    "train_step",
    "test_step",
    "predict_step",
    "compute_loss",
    "compute_metrics",
    "compile",
    "fit",
    "evaluate",
    "predict",
    "train_on_batch",
    "test_on_batch",
    "predict_on_batch",
    "make_train_function",
    "make_test_function",
    "make_predict_function",
    "metrics",
    "get_metrics_result",
    "reset_metrics",
    "losses",
    "trainable_weights",
    "trainable_variables",
)


def check_arguments(
    network, mixup, mix_at, metric_targets, mix_losses=None, of="MixUpModel"
):
    """Raises for an argument of the constructor that is not what it has to be."""
    arguments.check_backend(
        of,
        ", or mixing in the pipeline: dataset.apply(keras_mixup.MixUp(...))",
    )
    if not isinstance(network, keras.Layer):
        kind = f"{type(network).__module__}.{type(network).__qualname__}"
        raise ValueError(
            "Invalid value received for argument `network`. Expected a Keras model "
            "or layer. A model of tf.keras or tf_keras is mixed in the pipeline: "
            "dataset.apply(keras_mixup.MixUp(...)), then its own `fit`. Received: "
            f"network={network!r} of type {kind}"
        )
    if not isinstance(mixup, Policy):
        raise ValueError(
            "Invalid value received for argument `mixup`. Expected a policy, such as "
            "keras_mixup.MixUp(0.2), or keras_mixup.RandomChoice([...]) of several. "
            f"Received: mixup={mixup!r}"
        )
    if not mix_at:
        raise ValueError(
            "Invalid value received for argument `mix_at`. Expected at least one "
            "layer name. Received: mix_at=[]"
        )
    if len(set(mix_at)) < len(mix_at):
        raise ValueError(
            "Invalid value received for argument `mix_at`. Expected names that are "
            f"all different. Received: mix_at={mix_at}"
        )
    if mixup.ignore_class is not None:
        raise ValueError(
            "MixUpModel leaves ignored classes to the loss. Expected "
            "MixUp(ignore_class=None) and SparseCategoricalCrossentropy("
            f"ignore_class=...). Received: ignore_class={mixup.ignore_class}"
        )
    if mixup.dtype is not None:
        raise ValueError(
            "MixUpModel mixes in the dtype of the network's features. Expected "
            "dtype=None, which is for the pipeline; a network computes in another "
            "dtype by its dtype policy, such as keras.config.set_dtype_policy("
            f"'mixed_bfloat16'). Received: mixup={mixup!r}"
        )
    if mixup.labels_getter is not None:
        raise ValueError(
            "MixUpModel is given x and y by `fit`. Expected labels_getter=None, which "
            "is for the pipeline: dataset.map(lambda batch: (batch[inputs], "
            f"batch[targets])). Received: mixup={mixup!r}"
        )
    arguments.check_choice("mix_losses", mix_losses, (None, True, False))
    for name, choice in (metric_targets or {}).items():
        arguments.check_choice(f"metric_targets[{name!r}]", choice, CHOICES)


def check_weight(argument, value):
    """Raises unless it is a finite number >= 0."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected a finite "
            f"number >= 0. Received: {argument}={value!r}"
        )


def check_clean_weight(clean_weight, network):
    """Raises unless it is a weight, and for a network of one batch size alone."""
    check_weight("clean_weight", clean_weight)
    inputs = getattr(keras_private.functional_of(network), "inputs", None) or []
    sizes = [one.shape[0] for one in inputs if one.shape[0] is not None]
    if clean_weight and sizes:
        raise ValueError(
            "With `clean_weight` the mixed and the clean batch run through the network "
            "as one of twice the size. Expected a network of any batch size. Received: "
            f"inputs for batches of {sizes[0]}, clean_weight={clean_weight}"
        )


def check_network(network, mix_at, cut_names, of="MixUpModel"):
    """Raises for a network of which MixUpModel would leave out a part.

    Args:
        network: A Keras model or layer.
        mix_at: The names of all mixing points.
        cut_names: Those after whose layers the network is cut.
        of: The name of the model that trains the network.

    Raises:
        ValueError: for a method of training that the network overrides, a `call` of its
            own around a graph that is to be cut, and a point inside of a `tf.function`.
    """
    if isinstance(network, keras.Model):
        own = [name for name in METHODS if _is_own(network, name)]
        if own:
            raise ValueError(
                f"The network {type(network).__name__} has its own {', '.join(own)}, "
                f"which {of} would not call: it trains with a step of its own. "
                "Expected a network with the methods of keras.Model. Mix in the "
                "pipeline instead, and train the network itself: "
                "dataset.apply(keras_mixup.MixUp(...)). Or call MixUp.at_step(step, "
                "(x, y)) inside of the network's train_step. "
                f"Received: network={network!r}"
            )
    for inside in _networks_to_cut(network, cut_names):
        if not _is_own(inside, "call"):
            continue
        raise ValueError(
            f"The network {type(inside).__name__} has its own `call`, which a cut at "
            f"{cut_names} would leave out: it runs the layers of the graph alone. "
            'Expected mix_at="input", or keras_mixup.layers.MixFeatures layers in the '
            f"graph, named in `mix_at`. Received: mix_at={list(mix_at)}"
        )
    inner = keras_private.all_layers(network)
    points = {one.name for one in inner if isinstance(one, layers.MixFeatures)}
    traced = [one for one in inner if _is_traced(one)]
    if points & set(mix_at) and traced:
        raise ValueError(
            f"The `call` of {traced[0].name} is a tf.function. It runs as it was "
            "traced, so a mixing point inside of it may never mix. Expected a plain "
            "`call`: take the tf.function away, `fit` compiles the whole step in any "
            "case. "
            f"Received: mix_at={list(mix_at)}"
        )


def _networks_to_cut(network, cut_names):
    return [
        inside
        for name in cut_names
        for inside in layer_names.networks_on_the_way(network, name)
    ]


def _is_own(network, name):
    """Whether a method is none of Keras's, on the class or on the object."""
    if name in vars(network):
        return True
    owner = next(kind for kind in type(network).__mro__ if name in vars(kind))
    return not owner.__module__.startswith("keras.")


def _is_traced(layer):
    function = vars(layer).get("call", type(layer).call)
    return isinstance(function, tf.types.experimental.PolymorphicFunction)
