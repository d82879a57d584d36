"""mixup (Zhang et al., 2018) for TensorFlow and Keras."""

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "keras_mixup needs Keras on TensorFlow: set KERAS_BACKEND=tensorflow before "
        f"importing Keras (it is {keras.backend.backend()} now)."
    )

from keras_mixup.mixing import mix
from keras_mixup.mixup import MixUp
from keras_mixup.sampling import sample_lambda, sample_partner, sample_weights

__version__ = "0.1.0"
