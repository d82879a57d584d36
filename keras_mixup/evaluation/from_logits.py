"""Whether a classifier ends in logits: read from the model, or asked for."""

import keras

from keras_mixup.last_activation import last_activation
from keras_mixup.training.classifier import MixUpModel

# Cross-entropies that Keras takes of probabilities unless it is told otherwise.
_OF_PROBABILITIES = (
    keras.losses.binary_crossentropy,
    keras.losses.binary_focal_crossentropy,
    keras.losses.categorical_crossentropy,
    keras.losses.categorical_focal_crossentropy,
    keras.losses.sparse_categorical_crossentropy,
)
_ACTIVATIONS = {
    "linear": True,
    "log_softmax": True,
    "softmax": False,
    "sigmoid": False,
}


def ends_in_logits(model, from_logits=None):
    """Whether a classifier gives logits (True) or probabilities (False).

    It is read from the last activation of a functional or sequential model and from
    the `from_logits` of the compiled loss, never from scores: those of a few examples
    may be logits that look like probabilities.

    Args:
        model: A Keras classifier of one output.
        from_logits: What the caller knows. Default: None, to read the model.

    Raises:
        ValueError: for a model that cannot be read, or whose activation and loss
            contradict each other, where the caller does not know; for True with a
            last activation that gives probabilities.
    """
    activation = _last_activation_of(model)
    by_activation = _ACTIVATIONS.get(activation)
    if from_logits is not None:
        if from_logits and by_activation is False:
            raise ValueError(
                "Invalid value received for argument `from_logits`. Expected False, since "
                f"the model's last activation is {activation}. Received: from_logits=True"
            )
        return bool(from_logits)
    by_loss = _takes_logits(getattr(model, "loss", None))
    known = {by_activation, by_loss} - {None}
    if len(known) == 1:
        return known.pop()
    if known:
        found = f"its last activation is {activation}, and its loss has"
        why = f"{found} from_logits={by_loss}"
    else:
        why = "neither its last activation nor its compiled loss says so"
    raise ValueError(
        f"Cannot tell whether the model {model.name!r} ends in logits: {why}. Expected "
        "from_logits=True or from_logits=False. Received: from_logits=None"
    )


def _last_activation_of(model):
    network = model.network if isinstance(model, MixUpModel) else model
    outputs = getattr(network, "outputs", None)
    return last_activation(outputs[0]) if outputs and len(outputs) == 1 else None


def _takes_logits(loss):
    """The `from_logits` of a compiled loss, or None where it has none."""
    losses = keras.tree.flatten(loss)
    if len(losses) != 1 or losses[0] is None:
        return None
    loss = keras.losses.get(losses[0])
    if isinstance(loss, keras.losses.Loss):
        return loss.get_config().get("from_logits")
    return False if loss in _OF_PROBABILITIES else None
