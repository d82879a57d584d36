"""The averaged network: a copy whose weights are the mean of those passed so far.

After step t, counted from 1, each trained weight becomes

    theta' <- a theta' + (1 - a) theta,  a = min(1 - 1 / (t + 1), decay)

so theta' is the plain mean of the weights at the start and after each step, until the
decay is reached. What is not trained (batch norm's statistics) is no part of it: a
method says whether the copy keeps its own or takes those of the network.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_mixup import arguments, keras_private


class AveragedModel(keras.Model):
    """A model that trains `network` and is evaluated as the average of its weights.

    Weights are never swapped: called, evaluated, predicting and exported it calls
    `teacher`. A subclass sets `network` and `step`, a counter of steps, and calls
    `set_average`.
    """

    # Whether the average takes what is not trained from the network.
    takes_statistics = True

    def set_average(self, teacher_decay):
        """Makes the average, or none where the decay is None or 0."""
        if teacher_decay is not None:
            arguments.check_share("teacher_decay", teacher_decay, "[0, 1)")
        self.teacher_decay = teacher_decay
        self.average = copy_of(self.network) if teacher_decay else None
        self.built = all(one.built for one in self._networks)
        self._begin_average()

    @property
    def teacher(self) -> keras.Model:
        """What is evaluated: the averaged network, or `network` without one."""
        return self.network if self.average is None else self.average

    # A teacher that is not trainable itself would have neither the statistics of a
    # batch in batch norm nor the penalties of its weights.

    @property
    def trainable_variables(self) -> list[Any]:
        """Those of `network`."""
        return self.network.trainable_variables

    @property
    def trainable_weights(self) -> list[Any]:
        """Those of `network`."""
        return self.network.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Any]:
        """All others, with those of the teacher."""
        return _without(self.variables, self.trainable_variables)

    @property
    def non_trainable_weights(self) -> list[Any]:
        """All others, with those of the teacher."""
        return _without(self.weights, self.trainable_weights)

    @property
    def losses(self) -> list[Any]:
        """The penalties of what is evaluated; a train step has those of `network`."""
        return self.teacher.losses

    def build(self, input_shape):
        """Builds both networks for inputs of that shape."""
        shape = keras.tree.map_shape_structure(keras.KerasTensor, input_shape)
        for network in self._networks:
            if not network.built:
                network(shape)
        self.built = True
        self._begin_average()

    def call(self, inputs, training=None):
        """What the teacher gives."""
        return self.teacher(inputs, training=training)

    def export(self, *args: Any, **kwargs: Any) -> None:
        """Exports the teacher."""
        self.teacher.export(*args, **kwargs)

    def make_train_function(self, force=False):
        """As Keras's; weights loaded before the first step are averaged too."""
        self._begin_average()
        return super().make_train_function(force)

    def make_test_function(self, force=False):
        """As `make_train_function`."""
        self._begin_average()
        return super().make_test_function(force)

    def make_predict_function(self, force=False):
        """As `make_train_function`."""
        self._begin_average()
        return super().make_predict_function(force)

    def move_average(self, steps):
        """Moves the average after so many steps of the optimizer."""
        if self.average is not None:
            of = self.teacher_decay, self.takes_statistics
            update(self.average, self.network, steps, *of)

    @property
    def _networks(self):
        return [self.network] if self.average is None else [self.network, self.average]

    def _begin_average(self):
        """Sets the average to the network as long as no step was made.

        Layers that were frozen or thawed since then are so in the average as well:
        batch norm goes by it.
        """
        if self.average is None or not self.built:
            return
        freeze_as(self.average, self.network)
        with tf.init_scope():
            if int(tf.convert_to_tensor(self.step.value)) == 0:
                set_equal(self.average, self.network)


def _without(variables, others):
    found = {id(one) for one in others}
    return [one for one in variables if id(one) not in found]


def copy_of(network):
    """A network of the same layers with weights of its own.

    Raises:
        ValueError: where a network cannot be made anew from its config.
    """
    try:
        graph = type(network).__module__.startswith("keras.")
        if graph and isinstance(network, keras.Model):
            # Layers of one's own need not be registered for it.
            copy = keras.models.clone_model(network)
        else:
            copy = type(network).from_config(network.get_config())
        if network.built and not copy.built:
            copy.build_from_config(network.get_build_config())
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ValueError(_no_copy(network, reason)) from error
    if copy is network:
        raise ValueError(_no_copy(network, "its `from_config` gave the network itself"))
    return copy


def set_equal(copy, network):
    """Gives the copy all weights of the network, before the first step.

    Raises:
        ValueError: where the two do not have the same weights.
    """
    shapes = [[tuple(w.shape) for w in one.weights] for one in (copy, network)]
    if shapes[0] != shapes[1]:
        reason = f"weights of the shapes {shapes[0]} in place of {shapes[1]}"
        raise ValueError(_no_copy(network, reason))
    pairs = list(zip(copy.weights, network.weights, strict=True))
    shared = [own.path for own, weight in pairs if own is weight]
    if shared:
        raise ValueError(_no_copy(network, f"the weights {shared} are the same"))
    for own, weight in pairs:
        own.assign(weight.value)
    for layer in keras_private.all_layers(copy):
        # Normalization computes with what it has made of its weights.
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def freeze_as(copy, network):
    """Makes each layer of the copy trainable where that of the network is."""
    layers = [keras_private.all_layers(one) for one in (copy, network)]
    for own, layer in zip(*layers, strict=True):
        if own.trainable != layer.trainable:
            own.trainable = layer.trainable


def update(copy, network, steps, decay, statistics):
    """Moves the copy towards the network, after a step of its optimizer.

    Args:
        copy: What `copy_of` has given.
        network: The network that is trained.
        steps: Integer scalar tensor, the steps that were made, this one included.
        decay: The greatest share that stays.
        statistics: Whether weights that are not trained become those of the network;
            otherwise they stay as they are.
    """
    share = tf.minimum(1 - 1 / (tf.cast(steps, tf.float32) + 1), decay)
    trained = {id(weight) for weight in network.trainable_weights}
    for own, weight in zip(copy.weights, network.weights, strict=True):
        value = tf.convert_to_tensor(weight.value)
        if id(weight) in trained:
            kept = tf.cast(share, value.dtype)
            own.assign(kept * own.value + (1 - kept) * value)
        elif statistics:
            own.assign(value)


def _no_copy(network, reason):
    return (
        f"The network {type(network).__name__} cannot be copied for the averaged "
        "weights. Expected a functional or sequential network, or one whose "
        "`get_config` holds all arguments of its constructor, which takes **kwargs; "
        f"or teacher_decay=None, which averages nothing. Received: {reason}"
    )
