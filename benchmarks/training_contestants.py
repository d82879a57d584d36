"""The contestants of `whole_training.py`, each run in a process of its own."""

import contextlib
import sys

BATCH, COUNT, CLASSES = 128, 12_800, 10
OURS = "keras_mixup"
NAMES = (OURS, "PyTorch", "PyTorch, channels last")


def keras_loop(width):
    """Steps of ours: the pipeline of the experiments, and MixUpModel."""
    import keras
    import tensorflow as tf

    import keras_mixup
    from experiments.data import image_batches, pipeline

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


def loop_of(name, width):
    """The contestant of that name, or None where it is not installed."""
    if name == OURS:
        return keras_loop(width)
    with contextlib.suppress(ImportError):
        from benchmarks import torch_training

        return torch_training.loop(width, BATCH, COUNT, name != "PyTorch")
    return None


if __name__ == "__main__":
    from benchmarks import workers

    *words, width = sys.argv[1].split()
    workers.serve(loop_of(" ".join(words), int(width)))
