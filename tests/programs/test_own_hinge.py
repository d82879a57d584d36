"""Hinge losses that are more than a class of Keras: their labels are never averaged."""

import functools

import keras
import numpy as np
import pytest

import keras_mixup
from tests.programs import by_hand


class Doubled(keras.losses.Hinge):
    """A hinge loss with a `call` of its own."""

    def call(self, y_true, y_pred):
        return 2.0 * super().call(y_true, y_pred)


@pytest.mark.parametrize(
    ("loss", "factor"),
    [(Doubled(), 2.0), (functools.partial(keras.losses.hinge), 1.0)],
    ids=["own call", "partial"],
)
def test_labels_become_signs_before_they_are_mixed(loss, factor):
    x, classes = by_hand.linear_data(classes=2)
    labels = classes[:, None].astype("float32")
    lam, partner = by_hand.draw(16)
    network = by_hand.linear(outputs=1)
    outputs = by_hand.outputs(network, by_hand.mixed(x, lam, partner))
    expected = by_hand.two_terms(
        lambda y: factor * np.maximum(1 - (2 * y - 1) * outputs, 0).mean(),
        labels,
        lam,
        partner,
    )
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(by_hand.still(), loss)
    found = model.train_on_batch(x, labels, return_dict=True)["loss"]
    assert float(found) == pytest.approx(expected, abs=1e-5)
