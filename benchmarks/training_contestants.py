"""The contestants of `whole_training.py`, each run in a process of its own."""

import contextlib
import sys

BATCH, COUNT, CLASSES = 128, 12_800, 10
OURS = "keras_mixup"
PEERS = (
    "PyTorch",
    "PyTorch, channels last",
    "PyTorch, compiled",
    "PyTorch, channels last, compiled",
)
# Keras's dtype policies; PyTorch's bfloat16 is that of its autocast.
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def keras_loop(width, precision):
    """Steps of ours: the pipeline of the experiments, and MixUpModel."""
    import keras
    import tensorflow as tf

    import keras_mixup
    from experiments.data import image_batches, pipeline

    keras.config.set_dtype_policy(PRECISIONS[precision])
    generator = tf.random.Generator.from_seed(0)
    images = tf.cast(generator.uniform([COUNT, 32, 32, 3], 0, 256, tf.int32), tf.uint8)
    labels = tf.cast(generator.uniform([COUNT], 0, CLASSES, tf.int32), tf.int64)
    batches = pipeline.training_batches(
        tf.data.Dataset.from_tensor_slices((images, labels)),
        *(COUNT, BATCH, 0),
        augment=lambda batch, key: (image_batches.augment(batch[0], key), batch[1]),
    )
    network = keras_mixup.models.build(
        "preact_resnet18",
        input_shape=(32, 32, 3),
        num_classes=CLASSES,
        width=width,
        weight_decay=1e-4,
    )
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=0))
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.make_train_function()
    iterator = iter(batches)

    def iterate(steps):
        for _ in range(steps):
            results = model.train_function(iterator)
        tf.nest.map_structure(float, results)
        return steps

    return iterate


def loop_of(name, width, precision):
    """The contestant of that name, or None where it is not installed."""
    if name == OURS:
        return keras_loop(width, precision)
    with contextlib.suppress(ImportError):
        from benchmarks import torch_training

        how = name.split(", ")[1:]
        return torch_training.loop(width, BATCH, COUNT, how, precision == "bfloat16")
    return None


if __name__ == "__main__":
    from benchmarks import workers

    *words, width, precision = sys.argv[1].split()
    workers.serve(loop_of(" ".join(words), int(width), precision))
