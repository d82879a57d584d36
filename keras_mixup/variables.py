"""Settings that are variables: a program assigns to them while it trains."""

import keras
import numpy as np
import tensorflow as tf


def is_variable(value):
    """Whether it is a variable of Keras or of TensorFlow."""
    return isinstance(value, (keras.Variable, tf.Variable))


def check_variable(argument, value):
    """Raises for a variable whose later values a pipeline would not see."""
    other = keras.backend.backend() != "tensorflow"
    if other and isinstance(value, keras.Variable):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected a "
            f"tf.Variable: on the {keras.backend.backend()} backend a pipeline would "
            "keep the value that a keras.Variable had at first. Received: a "
            "keras.Variable"
        )


def value_of(given):
    """What a variable holds now, as a float or a list of them; all else as it is."""
    if not is_variable(given):
        return given
    with tf.init_scope():
        return np.asarray(tf.convert_to_tensor(given), "float64").tolist()
