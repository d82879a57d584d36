"""Whether an output holds logits: one rule, of its last activation and its loss."""

from typing import NamedTuple

import keras

from keras_mixup.last_activation import last_activation
from keras_mixup.loss_kinds import kind_of

_HOLDS_LOGITS = {
    "linear": True,
    "log_softmax": True,
    "softmax": False,
    "sigmoid": False,
}


class Loss(NamedTuple):
    """The kind of a compiled loss (None if unknown), and how it reads outputs."""

    name: str
    kind: str | None = None
    from_logits: bool | None = None
    axis: int = -1


def losses_of(loss, names, units=None):
    """A `Loss` for each output of these names, of what was given to `compile`.

    `units` are those of the outputs, which only "crossentropy" depends on.
    """
    if isinstance(loss, dict) and "class_name" not in loss:
        if len(names) == len(loss) == 1:
            losses = list(loss.values())
        else:
            losses = [loss.get(name) for name in names]
    elif isinstance(loss, (list, tuple)):
        losses = list(loss) * (len(names) if len(loss) == 1 else 1)
        losses = losses if len(losses) == len(names) else [None] * len(names)
    else:
        losses = [loss] * len(names)
    units = units or [None] * len(names)
    return [_read(*pair) for pair in zip(losses, units, strict=True)]


def _read(loss, units):
    if loss is None:
        return Loss("none")
    if isinstance(loss, str) and loss.lower() in ("crossentropy", "ce"):
        return Loss(loss, "labels" if units == 1 else "rows", False)
    settings = getattr(loss, "keywords", {})
    loss = keras.losses.get(getattr(loss, "func", loss))
    if isinstance(loss, keras.losses.Loss):
        settings = loss.get_config()
    function = getattr(loss, "fn", loss)
    name = getattr(loss, "__name__", type(loss).__name__)
    # A loss of the user's own may have the setting too.
    from_logits = settings.get("from_logits")
    kind = kind_of(function)
    if kind in ("rows", "numbers", "labels"):
        return Loss(name, kind, bool(from_logits), settings.get("axis", -1))
    if kind in ("quantities", "scores"):
        return Loss(name, kind, from_logits, settings.get("axis", -1))
    return Loss(name, None, from_logits)


def ends_in_logits(network, loss=None, from_logits=None):
    """Whether a classifier of one output gives logits (True) or probabilities (False).

    Args:
        network: A Keras model or layer.
        loss: What was given to `compile`. Default: None, what the network itself was
            compiled with.
        from_logits: As of `holds_logits`.

    Raises:
        ValueError: as of `holds_logits`.
    """
    activation = _last_activation_of(network)
    name = getattr(network, "name", network)
    (loss,) = losses_of(loss or getattr(network, "loss", None), [name])
    return holds_logits(f"the model {name!r}", activation, loss, from_logits)


def threshold_of(network, loss):
    """The number above which the one unit of a network means class 1.

    1/2 of a probability, and of a value that was trained towards 0 and 1, such as by
    the mean squared error; 0 of a logit, and of the margin of a hinge loss. Where a
    loss of probabilities is given logits, its 1/2 is what was trained.

    Raises:
        ValueError: where neither the network nor the loss says what the unit gives.
    """
    (read,) = losses_of(loss, ["output"])
    shown = _HOLDS_LOGITS.get(_last_activation_of(network))
    logits = {"quantities": False, "scores": True}.get(read.kind, read.from_logits)
    if logits is None or (shown is False and read.kind != "scores"):
        logits = shown
    if logits is None:
        raise ValueError(
            "Cannot tell whether `clean_accuracy` is of a logit or of a probability: "
            f"the compiled loss is {read.name}, and the network does not end in a "
            "layer with an activation of Keras. Expected a Keras loss, such as "
            "BinaryCrossentropy(from_logits=True), or clean_accuracy=False"
        )
    return 0.0 if logits else 0.5


def holds_logits(output, activation, loss, from_logits=None):
    """Whether an output holds logits (True) or probabilities (False).

    It is read from the last activation and the `from_logits` of the loss, never from
    scores: those of a few examples may be logits that look like probabilities.

    Args:
        output: What it is called in messages.
        activation: What `last_activation` gives.
        loss: Its `Loss`.
        from_logits: What the caller knows. Default: None, to read it.

    Raises:
        ValueError: where neither says so or they contradict each other, and the caller
            does not know; and where the activation contradicts the caller.
    """
    shown = _HOLDS_LOGITS.get(activation)
    if from_logits is not None:
        if from_logits not in (True, False):
            raise ValueError(
                "Invalid value received for argument `from_logits`. Expected True, "
                f"False or None. Received: from_logits={from_logits!r}"
            )
        # A linear layer gives whatever it was trained to give.
        if activation != "linear" and shown not in (None, from_logits):
            raise ValueError(
                f"Invalid value received for argument `from_logits`. Expected {shown}, "
                f"since the last activation of {output} is {activation}. Received: "
                f"from_logits={from_logits}"
            )
        return bool(from_logits)
    if loss.kind != "scores":
        known = {shown, loss.from_logits} - {None}
        if len(known) == 1:
            return known.pop()
        if known:
            possible = (True, False) if activation == "linear" else (shown,)
            expected = " or ".join(f"from_logits={value}" for value in possible)
            raise ValueError(
                f"The loss and the network disagree whether {output} holds logits: "
                f"{loss.name} has from_logits={loss.from_logits}, and the last "
                f"activation is {activation}. Expected {expected}, if that is what the "
                "numbers are; the training may have been wrong. Received: "
                "from_logits=None"
            )
    raise ValueError(
        f"Cannot tell whether {output} holds logits: the compiled loss is {loss.name}, "
        f"the last activation is {activation or 'unknown'}. Expected from_logits=True "
        "or from_logits=False. Received: from_logits=None"
    )


def _last_activation_of(network):
    outputs = getattr(network, "outputs", None) or []
    return last_activation(outputs[0]) if len(outputs) == 1 else None
