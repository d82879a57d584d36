"""What an output of a network is for: its task, read from its loss and its end."""

from typing import NamedTuple

import keras
import tensorflow as tf

from keras_mixup import arguments
from keras_mixup.last_activation import last_activation

# What each takes: part of a message, and a rule of the rank.
_SHAPES = {
    "classification": (
        "(batch, classes), or task='segmentation' for a class at each position",
        lambda rank: rank <= 2,
    ),
    "segmentation": (
        "(batch, ..., classes) with at least one position",
        lambda rank: rank > 2,
    ),
    "multi_label": ("(batch, ..., labels)", lambda rank: True),
}
TASKS = (*_SHAPES, "regression")


class Output(NamedTuple):
    """One output of a network: its name, shape (with the batch), dtype and end."""

    name: str
    shape: tuple
    # The last activation.
    activation: str | None
    dtype: tf.DType = tf.float32

    @property
    def units(self):
        return self.shape[-1] if len(self.shape) > 1 else 1


def outputs_of(network, traced):
    """The outputs of a network, in order.

    Args:
        network: A `keras.Model`.
        traced: What a call of it gives: a tensor or spec, or a list or dict of them.
    """
    paths, leaves = zip(*keras.tree.flatten_with_path(traced), strict=True)
    names = getattr(network, "output_names", None)
    if isinstance(traced, dict):
        names = [path[0] for path in paths]
    elif not names:
        names = [f"output_{index}" for index in range(len(leaves))]
    nested = any(len(path) > 1 for path in paths)
    if nested or not len(set(names)) == len(names) == len(leaves):
        raise ValueError(
            "Cannot export this network. Expected one output, or several in a list or "
            f"a dict, each with a name of its own. Received: outputs={traced}"
        )
    ends = getattr(network, "outputs", None)
    ends = [last_activation(end) for end in ends] if ends else [None] * len(leaves)
    return [
        Output(name, tuple(leaf.shape), end, tf.as_dtype(leaf.dtype))
        for name, leaf, end in zip(names, leaves, ends, strict=True)
    ]


def task_of(output, loss, task=None, from_logits=None):
    """The task of an output: as given, or as the loss says, or the last activation."""
    if task is None:
        task = _task_of(output, loss, from_logits)
    if task is None:
        raise ValueError(
            f"Cannot tell what the output {output.name!r} of shape {output.shape} is: "
            f"the compiled loss is {loss.name}, the last activation is "
            f"{output.activation or 'unknown'}. Expected task= one of {list(TASKS)} "
            "(classification: one class of several, or of two for one unit; "
            "segmentation: one class at each position; multi_label: labels that are "
            "independent; regression: the value itself). Received: task=None"
        )
    arguments.check_choice("task", task, TASKS)
    if task != "regression":
        expected, fits = _SHAPES[task]
        if not (output.shape and output.units and fits(len(output.shape))):
            raise ValueError(
                f"Cannot export this network as task={task!r}. Expected an output of "
                f"shape {expected}. Received: {output.shape}"
            )
    return task


def _task_of(output, loss, from_logits):
    classes = "segmentation" if len(output.shape) > 2 else "classification"
    softmax, one = output.activation == "softmax", output.units == 1
    if loss.kind == "quantities":
        return None if softmax else "regression"
    if loss.kind in ("rows", "numbers"):
        return None if one else classes
    if loss.kind == "labels":
        several = None if softmax else "multi_label"
        return classes if one else several
    if loss.kind == "scores":
        return None
    if softmax and not one:
        return classes
    if output.activation == "sigmoid":
        return classes if one else None
    return None if from_logits is None else classes
