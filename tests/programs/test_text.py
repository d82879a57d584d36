"""Text: an embedding with a mask and an LSTM, mixed behind the embedding."""

import keras
import numpy as np
import pytest

import keras_mixup
from tests.programs import by_hand

WORDS = np.array([[1, 2, 3, 4, 5], [4, 5, 6, 7, 8], [2, 2, 1, 3, 9], [3, 4, 5, 8, 7]])
Y = np.array([0, 1, 1, 0])


def classifier():
    keras.utils.set_random_seed(1)
    words = keras.Input((5,), dtype="int32")
    hidden = keras.layers.Embedding(10, 4, mask_zero=True)(words)
    hidden = keras_mixup.layers.MixFeatures(name="embedded")(hidden)
    hidden = keras.layers.LSTM(3, unroll=True)(hidden)
    return keras.Model(words, keras.layers.Dense(2)(hidden))


def lstm_by_hand(x, kernel, recurrent, bias):
    """The last state, gate by gate; a step whose mask is False is left out."""
    h = c = np.zeros((len(x), recurrent.shape[0]))
    for step in range(x.shape[1]):
        gates = x[:, step] @ kernel + h @ recurrent + bias
        i, f, g, o = np.split(gates, 4, axis=-1)
        c = by_hand.sigmoid(f) * c + by_hand.sigmoid(i) * np.tanh(g)
        h = by_hand.sigmoid(o) * np.tanh(c)
    return h


def expected_loss(network, words, lam, partner):
    table, *of_lstm = (np.asarray(w, "float64") for w in network.weights)
    mixed = by_hand.mixed(table[words], lam, partner)
    logits = lstm_by_hand(mixed, *of_lstm[:3]) @ of_lstm[3] + of_lstm[4]
    own, other = (by_hand.cross_entropies(logits, y) for y in (Y, Y[partner]))
    return (lam * own + (1 - lam) * other).mean()


@pytest.mark.parametrize("padding", [0, 2])
def test_an_lstm_on_embeddings(padding):
    network = classifier()
    lam, partner = by_hand.draw(4)
    # All sentences of one length: their padding is left out and nothing else changes.
    short = WORDS[:, : 5 - padding]
    expected = expected_loss(network, short, lam, partner)
    words = np.pad(short, ((0, 0), (0, padding)))
    model = keras_mixup.MixUpModel(
        network, keras_mixup.MixUp(1.0, seed=1), mix_at="embedded"
    )
    model.compile(by_hand.still(), by_hand.sparse_loss())
    found = model.fit(words, Y, batch_size=4, shuffle=False, verbose=0).history
    assert found["loss"][0] == pytest.approx(expected, abs=1e-5)


def test_the_vector_of_padding_has_no_influence():
    words, losses = WORDS.copy(), []
    words[0, 2:], words[2, 4:] = 0, 0
    for value in (0.0, 5.0):
        network = classifier()
        embedding = network.layers[1].embeddings
        table = embedding.numpy()
        table[0] = value
        embedding.assign(table)
        mixup = keras_mixup.MixUp(1.0, pairing="roll", seed=1)
        model = keras_mixup.MixUpModel(network, mixup, mix_at="embedded")
        model.compile(by_hand.still(), by_hand.sparse_loss())
        losses.append(float(model.train_on_batch(words, Y)))
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_evaluation_and_prediction_mix_nothing():
    network = classifier()
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0), mix_at="embedded")
    np.testing.assert_allclose(
        model.predict(WORDS, verbose=0), network.predict(WORDS, verbose=0), atol=1e-6
    )
    model.compile(by_hand.still(), by_hand.sparse_loss())
    expected = expected_loss(network, WORDS, 1.0, np.arange(4))
    assert model.evaluate(WORDS, Y, verbose=0) == pytest.approx(expected, abs=1e-5)
