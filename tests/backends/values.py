"""What a program with Keras on any backend gets: printed as JSON, for a comparison."""

import hashlib
import json
import sys

import keras
import numpy as np
import tensorflow as tf

import keras_mixup

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((64, 8, 8, 3)).astype("float32")
Y = GENERATOR.integers(0, 3, 64)
ROWS = np.eye(3, dtype="float32")[Y]
SOFT = 0.7 * ROWS + 0.3 * ROWS[::-1]
PREDICTED = GENERATOR.dirichlet(np.ones(3), 64).astype("float32")
WEIGHTS = GENERATOR.random(64).astype("float32")


def dataset():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)


def policies():
    schedule = keras_mixup.AlphaSchedule(1.0, steps_per_epoch=4, warm_up=1)
    both = [keras_mixup.MixUp(0.4, num_classes=3), keras_mixup.CutMix(num_classes=3)]
    return {
        "MixUp": keras_mixup.MixUp(0.4, num_classes=3, seed=1),
        "CutMix": keras_mixup.CutMix(num_classes=3, seed=1),
        "ResizeMix": keras_mixup.ResizeMix(num_classes=3, seed=1),
        "FMix": keras_mixup.FMix(num_classes=3, seed=1),
        "RandomChoice": keras_mixup.RandomChoice(both, seed=1),
        "schedule": keras_mixup.MixUp(schedule, num_classes=3, seed=1),
        "variable": keras_mixup.MixUp(tf.Variable(1.0), num_classes=3, seed=1),
        "same_class": keras_mixup.MixUp(
            *(1.0,), num_classes=3, seed=1, pairing="same_class", per="example"
        ),
    }


def digest_of(*arrays):
    arrays = [np.ascontiguousarray(keras.ops.convert_to_numpy(a)) for a in arrays]
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()


def mixed():
    """A digest of two epochs of each policy, and of one eager call."""
    found = {}
    for name, policy in policies().items():
        batches = list(dataset().apply(policy).repeat(2).as_numpy_iterator())
        assert len(batches) == 8
        leaves = [leaf for batch in batches for leaf in batch]
        found[name] = digest_of(*leaves, *policy.at_step(3, (X, Y)))
    return found


def layers():
    """What the layers give in a pipeline, and for tensors of the backend."""
    found = {}
    for kind in (keras_mixup.layers.MixUp, keras_mixup.layers.CutMix):
        rows = dataset().map(lambda x, y: {"images": x, "labels": tf.one_hot(y, 3)})
        batch = next(rows.apply(kind(seed=1)).as_numpy_iterator())
        own = {"images": X, "labels": ROWS}
        own = keras.tree.map_structure(keras.ops.convert_to_tensor, own)
        called = kind(seed=1)(own)
        assert all(map(keras.ops.is_tensor, called.values()))
        found[kind.__name__] = [
            digest_of(one["images"], one["labels"]) for one in (batch, called)
        ]
    return found


def metrics():
    """Metrics of soft labels and of clean ones."""
    auc = keras_mixup.metrics.SoftTargets(keras.metrics.AUC())
    recall = keras_mixup.metrics.SoftTargets(keras.metrics.Recall(class_id=1))
    accuracy = keras_mixup.metrics.MixedAccuracy()
    labels = keras_mixup.metrics.MixedAccuracy(multi_label=True)
    found = {}
    for metric in (auc, recall, accuracy, labels):
        metric.update_state(SOFT, PREDICTED, WEIGHTS)
        found[f"{len(found)} {metric.name}"] = float(metric.result())
    for rows in (Y, ROWS):
        clean = keras_mixup.metrics.CleanAccuracy()
        clean.update_state(rows, PREDICTED)
        found[f"clean of rank {rows.ndim}"] = float(clean.result())
    return found


def learning_rates():
    """The rate of each step, of which the drop comes at a fraction of an epoch."""
    drops = keras_mixup.LearningRateDrops(0.1, (1.5, 2), 10, warm_up=0.5)
    return [float(keras.ops.convert_to_numpy(drops(step))) for step in range(25)]


def fitted():
    """Losses of a plain network on mixed batches, and the metrics on the way."""
    network = keras.Sequential(
        [
            keras.layers.Input((8, 8, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(3, "softmax", kernel_initializer="zeros"),
        ]
    )
    network.compile(
        keras.optimizers.SGD(keras_mixup.LearningRateDrops(0.05, (2,), 4)),
        "categorical_crossentropy",
        metrics=[
            keras_mixup.metrics.MixedAccuracy(),
            keras_mixup.metrics.SoftTargets(keras.metrics.AUC(name="auc")),
        ],
    )
    batches = dataset().apply(policies()["MixUp"])
    counting = keras_mixup.CountEpochs(batches)
    return network.fit(batches, epochs=3, callbacks=[counting], verbose=0).history


def networks():
    """A network of the library runs, also in training and with a mixing point."""
    features = keras.Input((8, 8, 3))
    hidden = keras_mixup.layers.MixFeatures(name="point")(features)
    network = keras_mixup.models.build(
        "preact_resnet18", input_shape=(8, 8, 3), num_classes=3, width=2
    )
    network = keras.Model(features, network(hidden))
    shapes = [network(X, training=training).shape for training in (False, True)]
    return [list(map(int, shape)) for shape in shapes]


def refused():
    """The sentences of what needs TensorFlow; none where it is the backend."""
    network = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    x = X.reshape(64, -1)[:8, :4]
    tries = {
        "MixUpModel": lambda: keras_mixup.MixUpModel(network, keras_mixup.MixUp()),
        "MixUpGAN": lambda: keras_mixup.MixUpGAN(network, network),
        "export_saved_model": lambda: keras_mixup.export_saved_model(network, "x"),
        "export_generator": lambda: keras_mixup.export_generator(network, "x"),
        "attack": lambda: keras_mixup.evaluation.fgsm(network, x, Y[:8], 0.1),
        "alpha": lambda: keras_mixup.MixUp(keras.Variable(1.0)),
    }
    found = {}
    for name, attempt in tries.items():
        try:
            attempt()
        except ValueError as error:
            found[name] = str(error)
    return found


def all_values():
    return {
        "backend": keras.backend.backend(),
        "mixed": mixed(),
        "layers": layers(),
        "metrics": metrics(),
        "learning_rates": learning_rates(),
        "fitted": fitted(),
        "networks": networks(),
    }


if __name__ == "__main__":
    found = {**all_values(), "refused": refused()}
    json.dump(found, sys.stdout)
