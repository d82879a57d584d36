"""What a served network gives: for each output what its task says."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from keras_mixup import served_inputs, served_preprocessing, served_tasks
from keras_mixup.ends_in_logits import holds_logits, losses_of
from keras_mixup.served_labels import checked_labels


class Served(NamedTuple):
    """One output as it is served: its task, and what has to be known for it."""

    name: str
    prefix: str
    task: str
    from_logits: bool
    shape: tuple
    labels: list
    unit: str | None = None
    postprocess: Callable | None = None

    def numbers(self, output):
        """The named tensors of the signature, from the output of the network."""
        numbers = _NUMBERS[self.task](output, self)
        return {self.prefix + name: value for name, value in numbers.items()}

    def names(self, numbers):
        """The named strings that go with the numbers of all outputs."""
        named = {}
        if self.task == "classification":
            index = numbers[f"{self.prefix}label_index"]
            named = {"label": tf.gather(tf.constant(self.labels), index)}
        elif self.task == "multi_label":
            # A row of names for each example: a server wants one answer an example.
            examples = tf.shape(numbers[f"{self.prefix}present"])[0]
            named = {"names": tf.tile(tf.constant([self.labels]), [examples, 1])}
        return {self.prefix + name: value for name, value in named.items()}


def of_model(model, network, labels, task, from_logits, units=None, postprocess=None):
    """A `Served` for each output of a network, in order.

    `model` is what was compiled, a `MixUpModel` or the network; the other arguments
    are those of `export_saved_model`.

    Raises:
        ValueError: for what does not fit, and for what cannot be known.
    """
    outputs = served_tasks.outputs_of(network, _outputs(network))
    names = [output.name for output in outputs]
    # A network may have been compiled itself before it was wrapped.
    compiled = getattr(model, "loss", None) or getattr(network, "loss", None)
    losses = losses_of(compiled, names, [output.units for output in outputs])
    several = len(names) > 1
    tasks = _by_output("task", task, names)
    logits = _by_output("from_logits", from_logits, names)
    if several and labels is not None and not isinstance(labels, Mapping):
        raise ValueError(
            "Invalid value received for argument `labels`. Expected a dict by output "
            f"name, of {names}. Received: labels={labels!r}"
        )
    units = _by_output("units", units, names)
    ways = _by_output("postprocess", postprocess, names)
    labels = _by_output("labels", labels, names) if several else {names[0]: labels}
    served = []
    for output, loss in zip(outputs, losses, strict=True):
        name = output.name
        kind = served_tasks.task_of(output, loss, tasks[name], logits[name])
        reads = _from_logits(output, loss, kind, logits[name])
        count = _number_of_classes(kind, output.shape)
        if not count and labels[name] is not None:
            raise ValueError(
                f"The output {name!r} is a regression, which has no labels. Expected "
                "labels=None, or another task=. Received: "
                f"labels={labels[name]!r}"
            )
        prefix = f"{name}_" if several else ""
        found = checked_labels(labels[name], count) if count else []
        unit = units[name]
        way = _checked_value(output, kind, unit, ways[name])
        served.append(Served(name, prefix, kind, reads, output.shape, found, unit, way))
    return served


def _checked_value(output, task, unit, postprocess):
    """The postprocessing. Raises where it or the unit does not fit."""
    for argument, value in (("units", unit), ("postprocess", postprocess)):
        if task != "regression" and value is not None:
            raise ValueError(
                f"The output {output.name!r} is no regression. Expected "
                f"{argument}=None for it, or task='regression'. "
                f"Received: {argument}={value!r}"
            )
    if unit is not None and not (
        isinstance(unit, str) and unit.strip() and unit.isprintable()
    ):
        raise ValueError(
            "Invalid value received for argument `units`. Expected a string of one "
            f"line, or a dict of them by output name. Received: units={unit!r}"
        )
    if postprocess is None:
        return None
    if not callable(postprocess):
        raise ValueError(
            "Invalid value received for argument `postprocess`. Expected a function or "
            "a Keras layer, or a dict of them by output name. "
            f"Received: postprocess={postprocess!r}"
        )
    spec = tf.TensorSpec(output.shape, _dtype_of_values(output.dtype))
    return served_preprocessing.checked_postprocess(postprocess, spec)


def _outputs(network):
    """What a call of the network gives: a tensor or spec, or a list or dict of them."""
    for symbolic in ("output", "outputs"):
        if getattr(network, symbolic, None) is not None:
            return getattr(network, symbolic)
    call = tf.function(lambda x: network(x, training=False), autograph=False)
    specs = served_inputs.network_specs(network)
    return call.get_concrete_function(specs).structured_outputs


def _from_logits(output, loss, task, from_logits):
    if task != "regression":
        if loss.axis not in (-1, len(output.shape) - 1):
            raise ValueError(
                "Cannot export this network. Expected classes on the last axis. "
                f"Received: {loss.name} with axis={loss.axis}"
            )
        where = f"the output {output.name!r}"
        return holds_logits(where, output.activation, loss, from_logits)
    if from_logits is not None:
        raise ValueError(
            f"The output {output.name!r} is a regression, which serves its value: it "
            "has no logits. Expected from_logits=None, or another task=. Received: "
            f"from_logits={from_logits}"
        )
    return False


def _by_output(argument, value, names):
    """The argument for each output: one for all, or a dict by name."""
    if not isinstance(value, Mapping):
        return dict.fromkeys(names, value)
    unknown = sorted(set(value) - set(names), key=str)
    if unknown:
        raise ValueError(
            f"Unknown output received for argument `{argument}`. Expected names of "
            f"{names}. Received: {unknown}"
        )
    return {name: value.get(name) for name in names}


def _number_of_classes(task, shape):
    """The number of names of an output: two for one unit of a classifier."""
    units = shape[-1] if len(shape) > 1 else 1
    if task == "regression":
        return 0
    return units if task == "multi_label" else max(units, 2)


def _classification(output, served):
    probabilities = _of_classes(output, served)
    return {
        "probabilities": probabilities,
        "label_index": tf.argmax(probabilities, axis=-1),
    }


def _segmentation(output, served):
    probabilities = _of_classes(output, served)
    return {
        "probabilities": probabilities,
        "class_map": tf.argmax(probabilities, axis=-1),
    }


def _column(output):
    """In float32, and one unit an example as a column."""
    output = tf.cast(output, tf.float32)
    return output[:, tf.newaxis] if output.shape.rank == 1 else output


def _of_classes(output, served):
    output = _column(output)
    if output.shape[-1] > 1:
        return tf.nn.softmax(output) if served.from_logits else output
    positive = tf.sigmoid(output) if served.from_logits else output
    return tf.concat([1 - positive, positive], axis=-1)


def _multi_label(output, served):
    output = _column(output)
    probabilities = tf.sigmoid(output) if served.from_logits else output
    return {"probabilities": probabilities, "present": probabilities > 0.5}


def _dtype_of_values(dtype):
    return tf.float32 if dtype in (tf.float16, tf.bfloat16) else dtype


def _regression(output, served):
    value = tf.cast(output, _dtype_of_values(output.dtype))
    return {"value": served.postprocess(value) if served.postprocess else value}


_NUMBERS = {
    "classification": _classification,
    "segmentation": _segmentation,
    "multi_label": _multi_label,
    "regression": _regression,
}
