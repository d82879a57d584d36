"""The losses of Keras by what they compare, for training, metrics and exports."""

import keras

# By functions, which is what the names and classes given to `compile` lead to.
_NAMES = {
    # Rows of probabilities or logits with rows of shares.
    "rows": "categorical_crossentropy categorical_focal_crossentropy",
    # The same with class numbers.
    "numbers": "sparse_categorical_crossentropy categorical_generalized_cross_entropy",
    # Each entry with a label of its own.
    "labels": "binary_crossentropy binary_focal_crossentropy",
    "quantities": "mean_squared_error mean_absolute_error "
    "mean_absolute_percentage_error mean_squared_logarithmic_error "
    "huber log_cosh poisson cosine_similarity",
    "distributions": "kl_divergence",
    # Scores to which no probability belongs, with signs that Keras makes of {0, 1},
    # with class numbers or with sequences of them.
    "scores": "hinge squared_hinge categorical_hinge circle ctc",
    "regions": "dice tversky",
}


def functions_of(*kinds):
    """The functions of these kinds. A tuple, since a user's loss may have no hash."""
    names = [name for kind in kinds for name in _NAMES[kind].split()]
    return tuple(getattr(keras.losses, name) for name in names)


def kind_of(function):
    """The kind of a loss function of Keras, or None."""
    return next((kind for kind in _NAMES if function in functions_of(kind)), None)
