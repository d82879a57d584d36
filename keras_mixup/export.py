"""A SavedModel for serving: preprocessing, network, labels, and no mixing."""

from __future__ import annotations

import datetime
import importlib.util
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from keras_mixup import (
    arguments,
    hints,
    served_inputs,
    served_outputs,
    served_preprocessing,
)
from keras_mixup.model_card import write_model_card
from keras_mixup.training.averaged_weights import AveragedModel
from keras_mixup.training.classifier import MixUpModel
from keras_mixup.whole_folder import check_free, whole_folder


def export_saved_model(
    model: keras.Model,
    path: hints.Path,
    *,
    labels: Any = None,
    preprocess: Callable[[Any], Any] | None = None,
    task: hints.Task | Mapping[str, hints.Task] | None = None,
    from_logits: bool | Mapping[str, bool] | None = None,
    input_shape: hints.Shape | Mapping[str, hints.Shape] | None = None,
    input_dtype: Any = None,
    units: str | Mapping[str, str] | None = None,
    postprocess: Callable[[Any], Any]
    | Mapping[str, Callable[[Any], Any]]
    | None = None,
    card: Mapping[str, Any] | None = None,
) -> pathlib.Path:
    """Writes a network as a SavedModel that any TensorFlow can serve.

    Examples:
        >>> keras_mixup.export_saved_model(model, "saved_models/x/1", labels=names)

    The signature `serving_default` (and `serve`, the same) takes `inputs`, or for a
    network of several inputs each by its name, and gives what the task says:

    - "classification": `probabilities` (batch, classes) float32, `label_index` (batch,)
      int64, the class of the greatest probability, and `label` (batch,) string; one
      unit is a classifier of two classes
    - "segmentation": `probabilities` (batch, ..., classes) float32 and `class_map`
      (batch, ...) int64: a class at each position
    - "multi_label": `probabilities` (batch, ..., labels) float32, each by itself,
      `present` bool (above 1/2), and `names` (batch, labels) string
    - "regression": `value`, the output itself (16-bit floats as float32), or what
      `postprocess` makes of it

    Of several outputs each name begins with the output's, as in `price_value`.

    The signature `numeric` takes the same and gives the same without the strings
    (`label`, `names`), for converters to other formats. There is none where an input
    is strings.

    A network on one tensor of images (rank 4, 1 or 3 channels) has one signature more,
    `encoded_images`: `images` (batch,) string holds JPEG or PNG files (for 3 channels
    GIF and BMP as well), which are decoded, resized (bilinear) to the size of the
    inputs where that is fixed, rounded and clipped to whole numbers in [0, 255], and
    preprocessed alike.

    Args:
        model: A `MixUpModel`, whose network is taken, an `ICTModel` or `MixMatchModel`,
            whose teacher is taken, or a built `keras.Model`.
        path: Folder of the version, such as `saved_models/cifar10/1`: free, or an
            empty folder. It appears whole or not at all.
        labels: Names of the classes, by default their numbers: a list, array or
            tensor, or a dict by index.
        preprocess: Function or Keras layer (run in inference mode) from raw inputs
            to what the network takes; it becomes part of the graph. uint8 inputs
            enter it as floats where it fails on uint8 or makes uint8 of it for a
            network of floats (as `preprocess_input` of `keras.applications` does).
        task: A row of the table. By default as the compiled loss says: categorical
            crossentropies are classes (at each position, for an output of rank above
            2), binary ones are independent labels, or two classes for one unit, and
            losses of regression (mean squared error and its like) are values. Where
            the loss says nothing, a last softmax is classes, a last sigmoid of one
            unit two classes, and `from_logits=True` (or False, but after sigmoids)
            is classes as well. All else is asked for.
        from_logits: Whether the network ends in logits. By default as the loss says,
            and without a loss as the last activation does: softmax or sigmoid is
            False, a linear one True.
        input_shape: Shape of one raw example, without the batch. By default the
            network's; with a preprocessing that changes the shape it is worked out
            with open sizes where that works.
        input_dtype: Dtype of the raw inputs. By default the network's, and with
            `preprocess` on images uint8.
        units: The unit of the values of a regression, such as "dB", for the model card.
        postprocess: Function or Keras layer from the output of a regression to the
            value in its unit, of the same shape, such as the inverse of the scaling
            of the targets; it becomes part of the graph.
        card: Dict of what the model card says beside versions and date: "inputs" (the
            range and meaning of their values), "data", "numbers" (a dict), "license",
            "description".

    For several outputs `labels`, `task`, `from_logits`, `units` and `postprocess` are
    dicts by output name, or all but `labels` one value for all; for several inputs
    `input_shape` and `input_dtype` likewise.

    Returns:
        The path, a `pathlib.Path`. It also holds `model_card.md`, and, where
        tensorflow-serving-api is installed and all sizes are fixed, a warm-up
        request a signature.

    Raises:
        FileExistsError: if the path holds anything.
        ValueError: for labels, units or a postprocessing that do not fit, an
            unsuitable network, a task or logits that cannot be known, and a loss and
            an activation that disagree.
    """
    arguments.check_backend("export_saved_model")
    check_free(path)
    network = model.network if isinstance(model, MixUpModel) else model
    network = model.teacher if isinstance(model, AveragedModel) else network
    specs, prepare = served_inputs.raw_inputs(
        network, preprocess, input_shape, input_dtype
    )
    served = served_outputs.of_model(
        model, network, labels, task, from_logits, units, postprocess
    )
    numbers, answer = _answering(network, prepare, served)
    leaves = keras.tree.flatten(specs)
    signatures = ["serving_default"]
    with whole_folder(path) as target:
        archive = keras.export.ExportArchive()
        archive.track(network)
        for table in _tables(answer, specs):
            archive.track(table)
        archive.add_endpoint("serve", answer, [specs])
        if all(spec.dtype != tf.string for spec in leaves):
            archive.add_endpoint("numeric", numbers, [specs])
            signatures.append("numeric")
        if served_inputs.takes_images(specs):
            encoded = tf.TensorSpec([None], tf.string, "images")
            decode = served_inputs.decoder(specs)
            archive.add_endpoint(
                "encoded_images", lambda images: answer(decode(images)), [encoded]
            )
            signatures.append("encoded_images")
        archive.write_out(str(target), verbose=False)
        write_model_card(
            target / "model_card.md",
            network,
            " and ".join(dict.fromkeys(_KINDS[one.task] for one in served)),
            {
                **_facts(model, specs, served),
                "Signatures": ", ".join(_SIGNATURES[name] for name in signatures),
            },
            _use(specs, preprocess, served),
            datetime.date.today().isoformat(),
            {"inputs": _values(specs), **(card or {})},
        )
        fixed = all(None not in spec.shape[1:] for spec in leaves)
        if fixed and importlib.util.find_spec("tensorflow_serving"):
            from keras_mixup.serving import write_warm_up

            write_warm_up(target, leaves, signatures)
    return pathlib.Path(path)


_KINDS = {
    "classification": "classifier",
    "segmentation": "segmentation",
    "multi_label": "multi-label classifier",
    "regression": "regressor",
}


# As the card names them.
_SIGNATURES = {
    "serving_default": "`serving_default`",
    "numeric": "`numeric` (the same without strings)",
    "encoded_images": "`encoded_images` (image files)",
}


def _answering(network, prepare, served):
    """Two functions of the inputs: the numbers, and the numbers with the strings."""

    @tf.function(autograph=False)
    def numbers(inputs):
        outputs = keras.tree.flatten(network(prepare(inputs), training=False))
        found = {}
        for one, output in zip(served, outputs, strict=True):
            found.update(one.numbers(output))
        return found

    @tf.function(autograph=False)
    def answer(inputs):
        found = numbers(inputs)
        named = {}
        for one in served:
            named.update(one.names(found))
        return {**found, **named}

    return numbers, answer


def _tables(function, specs):
    """The lookup tables of a graph, whatever layer or function holds them."""
    for captured in function.get_concrete_function(specs).captured_inputs:
        # TensorFlow leaves it there for its message that a table is not tracked.
        holder = getattr(captured, "_parent_trackable", lambda: None)()
        if isinstance(holder, tf.saved_model.experimental.TrackableResource):
            yield holder


def _facts(model, specs, served):
    """What the card says of inputs and outputs, and of the mixing of a regression."""
    facts = {"Inputs": served_preprocessing.shown(specs)}
    for one in served:
        where = f" of {one.name}" if len(served) > 1 else ""
        if one.task == "regression":
            what = "the output of the network"
            what += ", postprocessed" if one.postprocess else ""
            facts[f"Value{where}"] = f"{what}, {one.shape}"
            facts[f"Unit{where}"] = one.unit or "not stated"
            continue
        names = one.labels if len(one.labels) <= 20 else [*one.labels[:20], "..."]
        what = "Labels" if one.task == "multi_label" else "Classes"
        facts[f"{what}{where} ({len(one.labels)})"] = ", ".join(names)
    values = any(one.task == "regression" for one in served)
    if values and isinstance(model, MixUpModel):
        facts["Mixed in training by"] = repr(model.mixup)
    return facts


def _values(specs):
    """The range of the inputs, as far as their dtypes say it."""
    known = {tf.uint8: "whole numbers in [0, 255]", tf.string: "strings"}
    values = [known.get(spec.dtype) for spec in keras.tree.flatten(specs)]
    return values[0] if len(set(values)) == 1 else None


def _use(specs, preprocess, served):
    lines = ["Inference only: the graph holds no mixing and draws no random numbers."]
    if any(one.task != "regression" for one in served):
        lines.append(
            "Probabilities are as the network gives them; their calibration is not "
            "stated."
        )
    if served_inputs.takes_images(specs) and preprocess is None:
        lines.append(
            "The signature `encoded_images` gives the network pixels in [0, 255], "
            "without a preprocessing."
        )
    return lines
