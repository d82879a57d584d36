"""What has no weight has no influence: padding, and partners of weight zero."""

import keras
import numpy as np
import pytest

import keras_mixup
from tests.programs import by_hand


class WithMask(keras.layers.Layer):
    """Features, with a mask that is given beside them."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs):
        return inputs[0]

    def compute_mask(self, inputs, mask=None):
        return inputs[1]


@pytest.mark.parametrize("padding", ["union", "intersection"])
def test_a_mask_that_is_an_input_is_mixed_with_its_features(padding):
    y, lengths = np.arange(6) % 3, np.array([5, 3, 4, 2, 5, 1])
    mask = np.arange(5) < lengths[:, None]
    x = np.random.default_rng(0).normal(size=(6, 5, 2)).astype("float32")
    x[~mask] = 7  # what stands at the padding
    series, valid = keras.Input((5, 2)), keras.Input((5,), dtype="bool")
    hidden = keras_mixup.layers.MixFeatures(name="point")(WithMask()([series, valid]))
    last = by_hand.linear(2)
    logits = last(keras.layers.GlobalAveragePooling1D()(hidden))
    policy = keras_mixup.MixUp(1.0, seed=1, padding=padding)
    network = keras.Model([series, valid], logits)
    model = keras_mixup.MixUpModel(network, policy, mix_at="point")
    model.compile(by_hand.still(), by_hand.sparse_loss(), **by_hand.EAGER)
    found = float(model.train_on_batch([x, mask], y))

    lam, partner = by_hand.draw(6)
    means = np.zeros((6, 2))
    for i, j in enumerate(partner):
        counted = []
        for t in range(5):
            weights = lam * mask[i, t], (1 - lam) * mask[j, t]
            both = mask[i, t] and mask[j, t]
            if both or (padding == "union" and sum(weights) > 0):
                sums = weights[0] * x[i, t] + weights[1] * x[j, t]
                counted.append(sums / sum(weights))
        means[i] = np.mean(counted, axis=0)
    logits = by_hand.outputs(last, means)
    value_of = lambda labels: by_hand.cross_entropies(logits, labels)  # noqa: E731
    expected = np.mean(by_hand.two_terms(value_of, y, lam, partner))
    assert found == pytest.approx(expected, rel=1e-5)


def tagged(x, y, of_padding=None):
    """The loss of one mixed step of a tagger whose padding is masked."""
    keras.utils.set_random_seed(1)
    words = keras.Input((5,), dtype="int32")
    embedding = keras.layers.Embedding(10, 4, mask_zero=True)
    hidden = keras_mixup.layers.MixFeatures(name="words")(embedding(words))
    network = keras.Model(words, keras.layers.Dense(3)(hidden))
    if of_padding is not None:
        table = embedding.embeddings.numpy()
        table[0] = of_padding
        embedding.embeddings.assign(table)
    mixup = keras_mixup.MixUp(1.0, pairing="derangement", seed=3)
    model = keras_mixup.MixUpModel(network, mixup, mix_at="words")
    model.compile("sgd", by_hand.sparse_loss())
    return float(model.train_on_batch(x, y))


def test_padding_trains_neither_as_a_label_nor_as_a_feature():
    x = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8], [2, 2, 0, 0, 0], [3, 4, 5, 6, 0]])
    y = np.random.default_rng(0).integers(0, 3, x.shape)
    losses = [tagged(x, np.where(x == 0, label, y)) for label in (0, 1, 2)]
    assert losses[1:] == pytest.approx(losses[:1] * 2, abs=1e-6)
    assert tagged(x, np.where(x == 0, 0, y), 9.0) == pytest.approx(losses[0], abs=1e-5)


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("way", ["probability", "schedule", "alpha 0"])
def test_a_partner_of_weight_zero_leaves_no_trace(way, value):
    x, y = np.zeros((12, 2), "float32"), np.arange(12)
    x[5] = value
    alpha = {"probability": 1.0, "schedule": by_hand.nothing_mixed(), "alpha 0": 0.0}[
        way
    ]
    mixup = keras_mixup.MixUp(
        alpha,
        per="example",
        probability=0.3 if way == "probability" else 1.0,
        pairing="roll",
        num_classes=12,
        seed=3,
    )
    features, rows = (np.asarray(part) for part in mixup.at_step(0, (x, y)))
    alone = (np.diag(rows) == 1) & (y != 5)
    assert alone.sum() >= 5
    assert np.isfinite(features[alone]).all()
