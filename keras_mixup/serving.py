"""Warm-up requests for TensorFlow Serving (needs the `serving` extra)."""

import tensorflow as tf
from tensorflow_serving.apis import (
    model_pb2,
    predict_pb2,
    prediction_log_pb2,
)


def write_warm_up(path, specs, signatures):
    """Writes `assets.extra/tf_serving_warmup_requests`: one request a signature.

    Args:
        path: Folder of the SavedModel.
        specs: The `tf.TensorSpec` of each input, with its name and open in the batch
            alone; the request is one example of zeros, or of empty strings.
        signatures: The names of the signatures; `encoded_images` takes image files,
            the others what the specs say.
    """
    zeros = {
        spec.name: tf.zeros([size or 1 for size in spec.shape], spec.dtype)
        for spec in specs
    }
    requests = dict.fromkeys(signatures, zeros)
    if "encoded_images" in requests:
        (images,) = zeros.values()
        black = tf.cast(tf.zeros_like(images[0]), tf.uint8)
        encoded = tf.io.encode_png(black)
        requests["encoded_images"] = {"images": encoded[tf.newaxis]}
    folder = path / "assets.extra"
    folder.mkdir()
    file = folder / "tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for signature, inputs in requests.items():
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(signature_name=signature),
                inputs={k: tf.make_tensor_proto(v) for k, v in inputs.items()},
            )
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
