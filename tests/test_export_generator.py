"""The exported generator, served by TensorFlow alone, against the model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup


def gan():
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "tanh")])
    discriminator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    return keras_mixup.MixUpGAN(generator, discriminator, seed=0)


def signatures(path):
    return tf.saved_model.load(str(path)).signatures


def test_noise_and_seeds_give_what_the_model_gives(tmp_path):
    model = gan()
    path = keras_mixup.export_generator(model, tmp_path / "points" / "1")
    served = signatures(path)
    noise = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    found = served["serving_default"](noise=tf.constant(noise))["generated"]
    np.testing.assert_allclose(found, model.generator(noise), atol=1e-6)
    for n, seed in [(4, 0), (7, -5), (4, 2**40 + 3)]:
        found = served["generate"](n=tf.constant(n), seed=tf.constant(seed, tf.int64))
        expected = model.generate(n, seed=seed)
        np.testing.assert_allclose(found["generated"], expected, atol=1e-6)


def test_a_postprocess_becomes_part_of_the_graph(tmp_path):
    model = gan()

    def to_uint8(points):
        return tf.cast(tf.round(127.5 * (points + 1)), tf.uint8)

    path = keras_mixup.export_generator(
        model.generator, tmp_path / "1", postprocess=to_uint8
    )
    found = signatures(path)["generate"](
        n=tf.constant(3), seed=tf.constant(1, tf.int64)
    )
    assert found["generated"].dtype == tf.uint8
    expected = np.round(127.5 * (model.generate(3, seed=1) + 1))
    np.testing.assert_array_equal(found["generated"], expected)


def test_the_card_says_what_it_is(tmp_path):
    path = keras_mixup.export_generator(gan(), tmp_path / "1", card={"data": "a ring"})
    text = (path / "model_card.md").read_text(encoding="utf-8")
    assert "A generator exported by keras_mixup." in text
    assert "- Data: a ring\n" in text
    assert "- Inputs: float32 (None, 3)\n" in text
    assert "- Values of the inputs: standard normal noise\n" in text


def test_what_is_there_is_kept_and_nothing_is_left_half_written(tmp_path):
    place = tmp_path / "1"
    place.mkdir()
    (place / "kept").touch()
    with pytest.raises(FileExistsError, match="already holds a version"):
        keras_mixup.export_generator(gan(), place)
    assert [path.name for path in place.iterdir()] == ["kept"]

    def broken(points):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        keras_mixup.export_generator(gan(), tmp_path / "new" / "1", postprocess=broken)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_what_is_no_generator_is_refused(tmp_path):
    noise = keras.Input((3,))
    two = keras.Model(noise, [keras.layers.Dense(2)(noise) for _ in range(2)])
    words = keras.Input((3,), dtype="int32")
    of_words = keras.Model(words, keras.layers.Embedding(5, 2)(words))
    for model, message in [
        ("model", "functional or sequential"),
        (two, "one input and one output"),
        (of_words, "floats of a fixed size, for its noise.*dtype int32"),
    ]:
        with pytest.raises(ValueError, match=message):
            keras_mixup.export_generator(model, tmp_path / "1")
    assert not list(tmp_path.iterdir())


def test_a_layer_that_is_not_built_may_postprocess(tmp_path):
    model = gan()
    layer = keras.layers.Dense(4)
    path = keras_mixup.export_generator(model, tmp_path / "1", postprocess=layer)
    noise = np.ones((2, 3), "float32")
    found = signatures(path)["serving_default"](noise=tf.constant(noise))["generated"]
    np.testing.assert_allclose(found, layer(model.generator(noise)), atol=1e-6)
