"""scikit-learn's bundled digits: 1,797 real scans of 8 x 8 pixels (UCI, CC BY 4.0)."""

import numpy as np
import sklearn.datasets
from sklearn.model_selection import train_test_split

TRAIN, TEST, CLASSES = 1200, 597, 10


def load_digits():
    """`(x_train, y_train), (x_test, y_test)`, split once for all runs (stratified)."""
    digits = sklearn.datasets.load_digits()
    # The scanner's 17 gray levels are spread over 0 to 255.
    images = np.round(digits.images * (255 / 16)).astype("uint8")[..., np.newaxis]
    labels = digits.target.astype("int32")
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, train_size=TRAIN, stratify=labels, random_state=0
    )
    return (x_train, y_train), (x_test, y_test)
