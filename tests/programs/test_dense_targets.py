"""Labels at each position: segmentation with a void class, tagging with a mask."""

import keras
import numpy as np
import pytest

import keras_mixup
from tests.programs import by_hand

VOID = 255
IMAGES = np.random.default_rng(0).random((6, 4, 4, 3)).astype("float32")
MAPS = np.random.default_rng(1).integers(0, 3, (6, 4, 4))
MAPS[:, 0] = VOID
# Weights of the classes, and none for what is void.
OF_CLASS = np.array([1.0, 2.0, 5.0])
WEIGHTS = np.where(MAPS == VOID, 0.0, OF_CLASS[np.where(MAPS == VOID, 0, MAPS)])
NAMED = np.where(MAPS == VOID, 0, MAPS)


def segmenter():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Conv2D(3, 3, padding="same")]
    )


def losses_of(network, lam, partner):
    """The loss of each pixel for its own and for the partner's label."""
    logits = by_hand.outputs(network, by_hand.mixed(IMAGES, lam, partner))
    return [by_hand.cross_entropies(logits, y) for y in (NAMED, NAMED[partner])]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_segmentation_with_weights_of_classes_and_void(jit_compile):
    network = segmenter()
    lam, partner = by_hand.draw(6)
    own, other = losses_of(network, lam, partner)
    w = WEIGHTS
    expected = (lam * w * own + (1 - lam) * w[partner] * other).mean()
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(by_hand.still(), by_hand.sparse_loss(), jit_compile=jit_compile)
    found = model.fit(
        IMAGES, NAMED, sample_weight=w, batch_size=6, shuffle=False, verbose=0
    )
    assert found.history["loss"][0] == pytest.approx(expected, abs=1e-5)


def test_segmentation_whose_loss_leaves_void_out():
    network = segmenter()
    lam, partner = by_hand.draw(6)
    own, other = losses_of(network, lam, partner)
    seen = (MAPS != VOID).astype("float64")
    # Keras's loss averages over the pixels that are not void.
    parts = [
        (loss * mask).sum() / mask.sum()
        for loss, mask in ((own, seen), (other, seen[partner]))
    ]
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=VOID
    )
    model.compile(by_hand.still(), loss)
    found = model.fit(IMAGES, MAPS, batch_size=6, shuffle=False, verbose=0)
    expected = lam * parts[0] + (1 - lam) * parts[1]
    assert found.history["loss"][0] == pytest.approx(expected, abs=1e-5)


def test_segmentation_in_a_pipeline():
    lam, partner = by_hand.draw(6)
    mixup = keras_mixup.MixUp(1.0, num_classes=3, ignore_class=VOID, seed=1)
    batch = {"images": IMAGES, "segmentation_masks": MAPS}
    mixed = mixup.at_step(0, batch)
    seen = (MAPS != VOID).astype("float64")
    total = by_hand.mixed(seen, lam, partner)
    rows = np.eye(3)[NAMED] * seen[..., None]
    weight = mixed["segmentation_masks_weight"]
    np.testing.assert_allclose(weight, total, atol=1e-6)
    np.testing.assert_allclose(
        weight[..., None] * mixed["segmentation_masks"],
        by_hand.mixed(rows, lam, partner),
        atol=1e-6,
    )


WORDS = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8], [2, 2, 1, 0, 0], [3, 4, 5, 0, 0]])
TAGS = np.random.default_rng(0).integers(0, 3, WORDS.shape)


def tagger(mask_zero=True):
    keras.utils.set_random_seed(1)
    words = keras.Input((5,), dtype="int32")
    hidden = keras.layers.Embedding(10, 4, mask_zero=mask_zero)(words)
    hidden = keras_mixup.layers.MixFeatures(name="embedded")(hidden)
    return keras.Model(words, keras.layers.Dense(3)(hidden))


def test_tagging_of_sentences_of_one_length():
    words = np.where(WORDS == 0, 9, WORDS)
    network = tagger()
    lam, partner = by_hand.draw(4)
    table, kernel, bias = (np.asarray(weight) for weight in network.weights)
    logits = by_hand.mixed(table[words], lam, partner) @ kernel + bias
    own, other = (by_hand.cross_entropies(logits, y) for y in (TAGS, TAGS[partner]))
    model = keras_mixup.MixUpModel(
        network, keras_mixup.MixUp(1.0, seed=1), mix_at="embedded"
    )
    model.compile(by_hand.still(), by_hand.sparse_loss(), metrics=["accuracy"])
    found = model.fit(words, TAGS, batch_size=4, shuffle=False, verbose=0).history
    expected = (lam * own + (1 - lam) * other).mean()
    assert found["loss"][0] == pytest.approx(expected, abs=1e-5)
    own, other = (by_hand.hits(logits, y) for y in (TAGS, TAGS[partner]))
    expected = (lam * own + (1 - lam) * other).mean()
    assert found["accuracy"][0] == pytest.approx(expected, abs=1e-5)


def test_tagging_of_padded_sentences_evaluates_as_plain_keras():
    network = tagger()
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0), mix_at="embedded")
    found = []
    for one in (network, model):
        one.compile(by_hand.still(), by_hand.sparse_loss(), metrics=["accuracy"])
        found.append(one.evaluate(WORDS, TAGS, return_dict=True, verbose=0))
    assert found[1] == pytest.approx(found[0], abs=1e-6)
    logits = by_hand.outputs(network, WORDS)
    seen = WORDS != 0
    accuracy = by_hand.hits(logits, TAGS)[seen].mean()
    assert found[1]["accuracy"] == pytest.approx(accuracy, abs=1e-6)


def test_padded_tags_train_like_the_sentences_without_padding():
    # Sentences of one length, padded alike: the mask leaves the same words.
    short, tags = np.where(WORDS == 0, 9, WORDS)[:, :3], TAGS[:, :3]
    losses = []
    for padded in (False, True):
        words, y = (
            np.pad(part, ((0, 0), (0, 2 * padded))).astype("int64")
            for part in (short, tags)
        )
        keras.utils.set_random_seed(1)
        inputs = keras.Input((None,), dtype="int32")
        hidden = keras.layers.Embedding(10, 4, mask_zero=True)(inputs)
        hidden = keras_mixup.layers.MixFeatures(name="embedded")(hidden)
        network = keras.Model(inputs, keras.layers.Dense(3)(hidden))
        model = keras_mixup.MixUpModel(
            network, keras_mixup.MixUp(1.0, seed=1), mix_at="embedded"
        )
        model.compile(by_hand.still(), by_hand.sparse_loss())
        losses.append(float(model.train_on_batch(words, y)))
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
