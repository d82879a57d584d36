"""Networks for tables: a multilayer perceptron."""

import keras


def mlp(input_shape, num_classes, width=128, depth=2, dropout=0.0):
    """A fully connected ReLU network; the last layer gives logits.

    The default of two hidden layers of 128 is that of Zhang et al., Table 4.
    Keras's default initialisation. Parameters at depth 2, with d inputs and C
    classes: `(d + 1) width + (width + 1) width + (width + 1) C`.

    Args:
        input_shape: Shape of one example, without the batch; it is flattened.
        num_classes: Integer, the number of logits.
        width: Units of each hidden layer.
        depth: Number of hidden layers, named `hidden_1`, `hidden_2`, ...
        dropout: Drop probability behind each hidden layer.

    Returns:
        A functional `keras.Model` from float inputs to logits
        `(batch, num_classes)`.
    """
    inputs = keras.Input(input_shape)
    features = keras.layers.Flatten(name="flatten")(inputs)
    for index in range(1, depth + 1):
        dense = keras.layers.Dense(width, activation="relu", name=f"hidden_{index}")
        features = dense(features)
        if dropout:
            features = keras.layers.Dropout(dropout, name=f"dropout_{index}")(features)
    logits = keras.layers.Dense(num_classes, name="logits")(features)
    return keras.Model(inputs, logits, name="mlp")
