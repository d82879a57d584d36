"""A SavedModel for serving: preprocessing, network, labels, and no mixing."""

import datetime
import importlib.util
import pathlib

import keras
import tensorflow as tf

from keras_mixup.model_card import write_model_card
from keras_mixup.training.classifier import MixUpModel
from keras_mixup.whole_folder import check_free, whole_folder


def export_saved_model(
    model,
    path,
    labels=None,
    preprocess=None,
    from_logits=None,
    input_dtype=None,
    card=None,
):
    """Writes a classifier as a SavedModel that any TensorFlow can serve.

    The signature `serving_default` (and `serve`, the same) takes `inputs` of the network's shape and
    gives `probabilities` (batch, classes) float32, `label_index` (batch,) int64,
    the class of the greatest probability, and `label` (batch,) string. A network
    on images (rank 4, 1 or 3 channels) has a second signature, `encoded_images`:
    `images` (batch,) string holds JPEG or PNG files (for 3 channels GIF and BMP as
    well), which are decoded, resized (bilinear) to the network's size where that is fixed, rounded and
    clipped to whole numbers in [0, 255], and preprocessed alike.

    Args:
        model: A `MixUpModel`, whose network is taken, or a `keras.Model` with one
            input and one output of classes; one unit is a binary classifier.
        path: Folder of the version, such as `saved_models/cifar10/1`. It appears
            whole or not at all.
        labels: Names of the classes, by default their numbers.
        preprocess: Function or Keras layer (run in inference mode) from raw inputs
            to what the network takes; it becomes part of the graph.
        from_logits: Whether the network ends in logits. By default as the
            activation of its last layer says: softmax or sigmoid is False.
        input_dtype: Dtype of `inputs`. By default the network's, and with
            `preprocess` on images uint8.
        card: Dict of what the model card says beside versions and date: "data",
            "numbers" (a dict), "license", "description".

    Returns:
        The path, a `pathlib.Path`. It also holds `model_card.md`, and, where
        tensorflow-serving-api is installed and all sizes are fixed, a warm-up
        request a signature.

    Raises:
        FileExistsError: if the path holds anything.
        ValueError: for labels of the wrong length, or an unsuitable network.
    """
    path = pathlib.Path(path)
    check_free(path)
    network = model.network if isinstance(model, MixUpModel) else model
    spec = _input_spec(network, preprocess, input_dtype)
    classes = _number_of_classes(network)
    labels = _checked_labels(labels, classes)
    if from_logits is None:
        from_logits = _ends_in_logits(network)
    if isinstance(preprocess, keras.Layer) and not preprocess.built:
        preprocess(keras.KerasTensor(spec.shape, spec.dtype.name), training=False)
    classify = _classifier(network, preprocess, labels, classes, from_logits)
    with whole_folder(path) as target:
        archive = keras.export.ExportArchive()
        for part in (network, preprocess):
            if isinstance(part, keras.Layer):
                archive.track(part)
        archive.add_endpoint("serve", classify, [spec])
        if _takes_images(spec):
            encoded = tf.TensorSpec([None], tf.string, "images")
            decode = _decoder(spec)
            archive.add_endpoint(
                "encoded_images", lambda images: classify(decode(images)), [encoded]
            )
        archive.write_out(str(target), verbose=False)
        shown = labels if len(labels) <= 20 else [*labels[:20], "..."]
        write_model_card(
            target / "model_card.md",
            network,
            "classifier",
            {
                "Inputs": f"{spec.dtype.name} {spec.shape}",
                f"Classes ({len(labels)})": ", ".join(shown),
            },
            [
                "Inference only: the graph holds no mixing and draws no random numbers.",
                "Probabilities are as the network gives them; their calibration is not "
                "stated.",
            ],
            datetime.date.today().isoformat(),
            card or {},
        )
        fixed = None not in spec.shape[1:]
        if fixed and importlib.util.find_spec("tensorflow_serving"):
            from keras_mixup.serving import write_warm_up

            write_warm_up(target, spec, encoded_images=_takes_images(spec))
    return path


def _classifier(network, preprocess, labels, classes, from_logits):
    names = tf.constant(labels)
    # A layer such as RandomFlip is the identity in inference mode alone.
    inference = {"training": False} if isinstance(preprocess, keras.Layer) else {}

    @tf.function(autograph=False)
    def classify(inputs):
        features = inputs if preprocess is None else preprocess(inputs, **inference)
        outputs = tf.cast(network(features, training=False), tf.float32)
        if outputs.shape[-1] == 1:
            positive = tf.sigmoid(outputs) if from_logits else outputs
            probabilities = tf.concat([1 - positive, positive], axis=-1)
        else:
            probabilities = tf.nn.softmax(outputs) if from_logits else outputs
        index = tf.argmax(probabilities, axis=-1)
        return {
            "probabilities": tf.ensure_shape(probabilities, [None, classes]),
            "label_index": index,
            "label": tf.gather(names, index),
        }

    return classify


def _decoder(spec):
    _, height, width, channels = spec.shape

    def decode_one(encoded):
        image = tf.io.decode_image(encoded, channels, expand_animations=False)
        image.set_shape([None, None, channels])
        if height and width:
            image = tf.image.resize(image, [height, width])
        image = tf.clip_by_value(tf.round(tf.cast(image, tf.float32)), 0, 255)
        return tf.cast(image, spec.dtype)

    def decode(images):
        one = tf.TensorSpec(spec.shape[1:], spec.dtype)
        return tf.map_fn(decode_one, images, fn_output_signature=one)

    return decode


def _input_spec(network, preprocess, dtype):
    inputs = getattr(network, "inputs", None)
    one = inputs and len(inputs) == len(network.outputs) == 1
    ends = [getattr(network, end, None) for end in ("input", "output")]
    if not one or any(isinstance(end, dict) for end in ends):
        raise ValueError(
            "Cannot export this network. Expected a built functional or sequential "
            "model with one input and one output, not in dicts. "
            f"Received: {type(network).__name__} with inputs={inputs}"
        )
    shape = [None, *inputs[0].shape[1:]]
    if dtype is None:
        is_image = len(shape) == 4 and shape[-1] in (1, 3)
        dtype = "uint8" if preprocess is not None and is_image else inputs[0].dtype
    return tf.TensorSpec(shape, dtype, "inputs")


def _takes_images(spec):
    return spec.shape.rank == 4 and spec.shape[-1] in (1, 3)


def _number_of_classes(network):
    shape = network.outputs[0].shape
    if len(shape) != 2 or shape[-1] is None:
        raise ValueError(
            "Cannot export this network. Expected an output of shape (batch, classes). "
            f"Received: {shape}"
        )
    return max(shape[-1], 2)


def _checked_labels(labels, classes):
    if isinstance(labels, (str, bytes)):
        raise ValueError(
            "Invalid value received for argument `labels`. Expected a list of names. "
            f"Received: {labels!r}"
        )
    labels = [str(name) for name in (range(classes) if labels is None else labels)]
    if len(labels) != classes:
        raise ValueError(
            "Invalid length received for argument `labels`. "
            f"Expected {classes} names, one a class. Received: {len(labels)}"
        )
    for name in labels:
        # Half of a pair of UTF-16 is no text, and TensorFlow cannot write it.
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise ValueError(
                "Invalid value received for argument `labels`. Expected names of "
                f"Unicode letters. Received: {name!r}"
            )
    return labels


def _last_that_changes(output):
    """The operation that gives an output, behind those that only cast it."""
    last, node, _ = output._keras_history
    linear = getattr(last, "activation", None) is keras.activations.linear
    identity = isinstance(last, keras.layers.Identity) or (
        isinstance(last, keras.layers.Activation) and linear
    )
    if not identity:
        return last
    return _last_that_changes(last._inbound_nodes[node].input_tensors[0])


def _ends_in_logits(network):
    last = _last_that_changes(network.outputs[0])
    activation = getattr(last, "activation", None)
    probabilities = (keras.activations.softmax, keras.activations.sigmoid)
    if activation in probabilities or isinstance(last, keras.layers.Softmax):
        return False
    if activation is keras.activations.linear:
        return True
    raise ValueError(
        f"Cannot tell whether the network ends in logits: its last layer is {last.name}."
        " Expected from_logits=True or from_logits=False. Received: from_logits=None"
    )
