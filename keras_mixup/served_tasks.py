"""What a network is for, read from its compiled loss: the task of each output."""

from typing import NamedTuple

import keras

from keras_mixup import arguments
from keras_mixup.last_activation import last_activation

TASKS = ("classification", "segmentation", "multi_label", "regression")

# What the losses of Keras, by their functions, say about the numbers they are given.
_KINDS = {
    "classes": "categorical_crossentropy sparse_categorical_crossentropy "
    "categorical_focal_crossentropy",
    "labels": "binary_crossentropy binary_focal_crossentropy",
    "values": "mean_squared_error mean_absolute_error mean_absolute_percentage_error "
    "mean_squared_logarithmic_error huber log_cosh poisson cosine_similarity",
    # No probability belongs to these.
    "scores": "hinge squared_hinge categorical_hinge circle ctc",
}
_LOGITS = {"linear": True, "softmax": False, "sigmoid": False}


class Output(NamedTuple):
    """One output of a network: its name, shape (with the batch) and last activation."""

    name: str
    shape: tuple
    activation: str | None

    @property
    def units(self):
        return self.shape[-1] if len(self.shape) > 1 else 1


class Loss(NamedTuple):
    """What a compiled loss says: a key of `_KINDS` or None, and how it reads outputs."""

    name: str
    kind: str | None
    from_logits: bool = False
    axis: int = -1


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
        Output(name, tuple(leaf.shape), end)
        for name, leaf, end in zip(names, leaves, ends, strict=True)
    ]


def losses_of(model, outputs):
    """The compiled loss of each output; None where there is none."""
    loss = getattr(model, "loss", None)
    if isinstance(loss, dict) and "class_name" not in loss:
        if len(outputs) == len(loss) == 1:
            losses = list(loss.values())
        else:
            losses = [loss.get(output.name) for output in outputs]
    elif isinstance(loss, (list, tuple)):
        losses = list(loss) * (len(outputs) if len(loss) == 1 else 1)
        losses = losses if len(losses) == len(outputs) else [None] * len(outputs)
    else:
        losses = [loss] * len(outputs)
    return [_read(*pair) for pair in zip(losses, outputs, strict=True)]


def _read(loss, output):
    if loss is None:
        return Loss("none", None)
    if isinstance(loss, str) and loss.lower() in ("crossentropy", "ce"):
        return Loss(loss, "labels" if output.units == 1 else "classes")
    settings = getattr(loss, "keywords", {})
    loss = keras.losses.get(getattr(loss, "func", loss))
    if isinstance(loss, keras.losses.Loss):
        settings = loss.get_config()
    function = getattr(loss, "fn", loss)
    name = getattr(loss, "__name__", type(loss).__name__)
    for kind, functions in _KINDS.items():
        if any(function is getattr(keras.losses, one) for one in functions.split()):
            from_logits = bool(settings.get("from_logits", False))
            return Loss(name, kind, from_logits, settings.get("axis", -1))
    return Loss(name, None)


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
    rank = len(output.shape)
    fits = {"classification": rank <= 2, "segmentation": rank > 2}.get(task, True)
    if task != "regression" and not (fits and rank and output.units):
        expected = {
            "classification": "(batch, classes), or task='segmentation' for a class at "
            "each position",
            "segmentation": "(batch, ..., classes) with at least one position",
            "multi_label": "(batch, ..., labels)",
        }[task]
        raise ValueError(
            f"Cannot export this network as task={task!r}. Expected an output of shape "
            f"{expected}. Received: {output.shape}"
        )
    return task


def _task_of(output, loss, from_logits):
    classes = "segmentation" if len(output.shape) > 2 else "classification"
    softmax, one = output.activation == "softmax", output.units == 1
    if loss.kind == "values":
        return None if softmax else "regression"
    if loss.kind == "classes":
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


def from_logits_of(output, loss, task, from_logits=None):
    """Whether an output holds logits: as given, or as the loss says, or the activation."""
    if from_logits is not None and from_logits not in (True, False):
        raise ValueError(
            "Invalid value received for argument `from_logits`. Expected True, False or "
            f"None. Received: from_logits={from_logits!r}"
        )
    if task == "regression":
        if from_logits is not None:
            raise ValueError(
                f"The output {output.name!r} is a regression, which serves its value: "
                "it has no logits. Expected from_logits=None, or another task=. "
                f"Received: from_logits={from_logits}"
            )
        return False
    if loss.axis not in (-1, len(output.shape) - 1):
        raise ValueError(
            "Cannot export this network. Expected classes on the last axis. "
            f"Received: {loss.name} with axis={loss.axis}"
        )
    if from_logits is not None:
        return bool(from_logits)
    shown = _LOGITS.get(output.activation)
    if loss.kind in ("classes", "labels"):
        if shown not in (None, loss.from_logits):
            raise ValueError(
                f"The loss and the network disagree: {loss.name} has from_logits="
                f"{loss.from_logits}, and the last activation is {output.activation}. "
                "Expected from_logits=True or from_logits=False, whichever the numbers "
                "are; the training may have been wrong. Received: from_logits=None"
            )
        return loss.from_logits
    if shown is None or loss.kind == "scores":
        raise ValueError(
            f"Cannot tell whether the output {output.name!r} holds logits: the compiled "
            f"loss is {loss.name}, the last activation is "
            f"{output.activation or 'unknown'}. Expected from_logits=True or "
            "from_logits=False. Received: from_logits=None"
        )
    return shown
