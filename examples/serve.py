"""Classifies images by an exported model, with TensorFlow alone.

    python examples/serve.py runs/quickstart/saved_models/digits/1 images.npz

The archive holds uint8 `images` of shape (n, height, width, channels) and integer
`labels`.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf


def main(model_path, data_path):
    """Classifies the images, as arrays and as PNG files, and prints the errors."""
    data = np.load(data_path)
    signatures = tf.saved_model.load(model_path).signatures
    answers = {
        "arrays": signatures["serving_default"](inputs=tf.constant(data["images"])),
        "PNG files": signatures["encoded_images"](
            images=tf.stack([tf.io.encode_png(image) for image in data["images"]])
        ),
    }
    for kind, answer in answers.items():
        error = 100 * np.mean(answer["label_index"].numpy() != data["labels"])
        print(f"Served {len(data['images'])} images as {kind}: {error:.1f} % errors.")
    names = [name.decode() for name in answer["label"].numpy()[:8]]
    print("The first are called", *names)
    known = "keras_mixup" in sys.modules
    print(f"keras_mixup was {'' if known else 'not '}imported by this process.")


if __name__ == "__main__":
    main(*sys.argv[1:])
