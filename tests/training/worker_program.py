"""What each process of a cluster trains, and one process of two replicas beside it."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import keras_mixup

CLASSES, BATCH, EPOCHS = 3, 8, 3


def arrays(count):
    generator = np.random.default_rng(4)
    x = generator.normal(size=(count, 4)).astype("float32")
    return x, generator.integers(CLASSES, size=count)


def batches(count):
    return tf.data.Dataset.from_tensor_slices(arrays(count)).batch(BATCH)


def network(normalized=False):
    keras.utils.set_random_seed(2)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8, activation="tanh", name="hidden")(inputs)
    if normalized:
        hidden = keras.layers.BatchNormalization()(hidden)
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(hidden))


def classifier(alpha, mix_at="input", normalized=False):
    mixup = keras_mixup.MixUp(alpha, seed=3, per="example")
    model = keras_mixup.MixUpModel(network(normalized), mixup, mix_at)
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
    )
    return model


def own_pipeline(context):
    """The batches of one input pipeline, mixed there by draws of its own."""
    mixup = keras_mixup.MixUp(1.0, seed=3, num_classes=CLASSES)

    def mix(step, batch):
        return mixup.at_step(step, batch, replica=context.input_pipeline_id)

    shard = tf.data.Dataset.from_tensor_slices(arrays(16)).shard(
        context.num_input_pipelines, context.input_pipeline_id
    )
    size = context.get_per_replica_batch_size(BATCH)
    return shard.batch(size).apply(keras_mixup.count_steps).map(mix)


def classifier_of_rows():
    """For rows that come mixed."""
    model = keras_mixup.MixUpModel(network(), keras_mixup.MixUp(0))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


def gan():
    keras.utils.set_random_seed(2)
    generator = keras_mixup.models.build("gan_generator", latent_dim=2, width=8)
    discriminator = keras_mixup.models.build("gan_discriminator", width=8)
    model = keras_mixup.MixUpGAN(
        generator, discriminator, discriminator_steps=2, seed=1
    )
    model.compile(keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2))
    return model


def fitted(make, data, strategy, validation=None):
    """Weights, losses of the epochs and an evaluation after a `fit`."""
    with strategy.scope():
        model = make()
    history = model.fit(
        data, epochs=EPOCHS, validation_data=validation, shuffle=False, verbose=0
    )
    found = {f"history/{name}": values for name, values in history.history.items()}
    found["statistics"] = statistics_of(model, strategy)
    for number, weight in enumerate(model.trainable_weights):
        found[f"weight/{number}"] = np.asarray(weight.value)
    if validation is not None:
        found["evaluated"] = model.evaluate(validation, verbose=0)
        found["predicted"] = model.predict(validation.map(lambda x, y: x), verbose=0)
    return found


def statistics_of(model, strategy):
    """Moving averages, as the mean of this process's replicas."""
    copies = [
        [np.ravel(copy) for copy in strategy.experimental_local_results(w.value)]
        for w in model.non_trainable_weights
        if "float" in w.dtype
    ]
    return np.concatenate([[0.0], *(np.mean(each, axis=0) for each in copies)])


CASES = {
    "even": lambda s: fitted(lambda: classifier(0.0), batches(16), s, batches(24)),
    "uneven": lambda s: fitted(lambda: classifier(0.0), batches(21), s, batches(21)),
    "mixed": lambda s: fitted(lambda: classifier(1.0), batches(16), s),
    "hidden": lambda s: fitted(
        lambda: classifier(1.0, ["input", "hidden"]), batches(16), s
    ),
    "normalized": lambda s: fitted(
        lambda: classifier(1.0, normalized=True), batches(16), s, batches(16)
    ),
    "pipelines": lambda s: fitted(
        classifier_of_rows, s.distribute_datasets_from_function(own_pipeline), s
    ),
    "gan": lambda s: fitted(gan, batches(32).map(lambda x, y: x[:, :2]), s),
}


def refused(strategy):
    """What compiling by XLA is answered."""
    with strategy.scope():
        model = classifier(0.0)
        model.compile("sgd", "mse", jit_compile=True)
    try:
        model.fit(batches(8), verbose=0)
    except ValueError as error:
        return {"error": str(error)}


def work(config, folder, names):
    """Trains these cases as one worker; what came out is left in the folder."""
    os.environ["TF_CONFIG"] = config
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    index = strategy.cluster_resolver.task_id
    cases = CASES | {"xla": refused}
    for name in names:
        found = cases[name](strategy)
        np.savez(folder / f"{name}_{index}.npz", **found)
