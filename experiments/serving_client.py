"""A client of an exported model: TensorFlow alone, without keras_mixup.

    python -m experiments.serving_client saved_models/digits/1 images.npz

The archive holds uint8 `images` and integer `labels`. Prints one JSON line.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf


def main(model_path, data_path):
    """Classifies the images, as arrays and as PNG files, and prints the errors."""
    data = np.load(data_path)
    model = tf.saved_model.load(model_path)
    served = model.signatures["serving_default"](inputs=tf.constant(data["images"]))
    encoded = tf.stack([tf.io.encode_png(image) for image in data["images"]])
    decoded = model.signatures["encoded_images"](images=encoded)
    labels = data["labels"]
    answer = {
        "error": 100 * float(np.mean(served["label_index"].numpy() != labels)),
        "error_encoded": 100 * float(np.mean(decoded["label_index"].numpy() != labels)),
        "images": len(labels),
        "first_label": served["label"].numpy()[0].decode(),
        "imported_keras_mixup": any(n.startswith("keras_mixup") for n in sys.modules),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
