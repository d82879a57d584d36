"""A generator as a SavedModel that makes examples of noise, or of a seed."""

from __future__ import annotations

import datetime
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from keras_mixup import arguments, hints, keys
from keras_mixup.model_card import write_model_card
from keras_mixup.training import gan_checks
from keras_mixup.training.gan import MixUpGAN
from keras_mixup.whole_folder import check_free, whole_folder


def export_generator(
    model: keras.Model,
    path: hints.Path,
    *,
    postprocess: Callable[[Any], Any] | None = None,
    card: Mapping[str, Any] | None = None,
) -> pathlib.Path:
    """Writes a generator as a SavedModel that any TensorFlow can serve.

    The signature `serving_default` (and `serve`, the same) takes `noise` float32 of
    the generator's shape and gives `generated`. The signature `generate` takes `n`
    (scalar int32) and `seed` (scalar int64) and gives `generated`, from the noise that
    `MixUpGAN.generate(n, seed)` draws.

    Args:
        model: A `MixUpGAN`, or a generator: a `keras.Model` from noise to examples.
        path: Folder of the version, such as `saved_models/digits/1`. It appears whole
            or not at all.
        postprocess: Function or Keras layer (run in inference mode) from what is
            generated to what is served, such as from [-1, 1] to uint8; it becomes part
            of the graph.
        card: Dict of what the model card says; see `export_saved_model`.

    Returns:
        The path, a `pathlib.Path`. It also holds `model_card.md`.

    Raises:
        FileExistsError: if the path holds anything.
        ValueError: for a model that is no generator.
    """
    arguments.check_backend("export_generator")
    check_free(path)
    generator = model.generator if isinstance(model, MixUpGAN) else model
    gan_checks.check_generator(generator)
    shape = generator.input_shape
    if isinstance(postprocess, keras.Layer) and not postprocess.built:
        postprocess(generator.outputs[0], training=False)
    inference = {"training": False} if isinstance(postprocess, keras.Layer) else {}

    @tf.function(autograph=False)
    def serve(noise):
        generated = generator(noise, training=False)
        if postprocess is not None:
            generated = postprocess(generated, **inference)
        return {"generated": generated}

    @tf.function(autograph=False)
    def generate(n, seed):
        key = keys.make_key(seed)
        return serve(keys.normal(key, keys.Stream.NOISE, [n, *shape[1:]]))

    with whole_folder(path) as target:
        archive = keras.export.ExportArchive()
        for part in (generator, postprocess):
            if isinstance(part, keras.Layer):
                archive.track(part)
        noise = tf.TensorSpec([None, *shape[1:]], tf.float32, "noise")
        archive.add_endpoint("serve", serve, [noise])
        drawn = [tf.TensorSpec([], tf.int32, "n"), tf.TensorSpec([], tf.int64, "seed")]
        archive.add_endpoint("generate", generate, drawn)
        archive.write_out(str(target), verbose=False)
        write_model_card(
            target / "model_card.md",
            generator,
            "generator",
            {"Inputs": f"float32 {noise.shape}"},
            [
                "Random numbers are drawn in the signature `generate` alone, by its "
                "seed."
            ],
            datetime.date.today().isoformat(),
            {"inputs": "standard normal noise", **(card or {})},
        )
    return pathlib.Path(path)
