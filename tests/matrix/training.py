"""Programs that mix in the train step: task by network by structure.

The oracle is the loss of the first step at a learning rate of 0, worked out in numpy
from the draw.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

import keras_mixup
from tests.matrix.pipelines import (
    FLOATS,
    LABELS,
    MASKS,
    ROWS,
    TABLE,
    TOKENS,
    VALUES,
    averaged,
    draw,
)
from tests.matrix.programs import program
from tests.programs import by_hand

SGD = functools.partial(keras.optimizers.SGD, 0.0)
MIXUP = functools.partial(keras_mixup.MixUp, 1.0, seed=5)
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
CATEGORICAL = keras.losses.CategoricalCrossentropy(from_logits=True)
BINARY = keras.losses.BinaryCrossentropy(from_logits=True)


def first_loss(model, x, y, **compiled):
    model.compile(SGD(), **compiled)
    history = model.fit(x, y, batch_size=len(LABELS), shuffle=False, verbose=0)
    return history.history["loss"][0]


def two_terms(value_of, y):
    lam, partner = draw(MIXUP())
    return lam * value_of(y) + (1 - lam) * value_of(y[partner])


def mixed_x(x=TABLE):
    return averaged(x, *draw(MIXUP()))


def logits_of(network, x):
    return by_hand.outputs(network, x)


def cross_entropy(logits):
    return lambda y: by_hand.cross_entropies(logits, y).mean()


def check_classes(network, x, y, loss, labels, **options):
    expected = two_terms(cross_entropy(logits_of(network, mixed_x(x))), labels)
    model = keras_mixup.MixUpModel(network, MIXUP(), **options)
    found = first_loss(model, x, y, loss=loss)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@program("train step", "integer labels")
def integer_labels():
    check_classes(by_hand.linear(5, 4), TABLE, LABELS, SPARSE, LABELS)


@program("train step", "one-hot rows")
def one_hot_rows():
    check_classes(by_hand.linear(5, 4), TABLE, ROWS, CATEGORICAL, LABELS)


@program("train step", "binary labels")
def binary():
    network, y = by_hand.linear(5, 1), (LABELS % 2).astype("float32")
    logits = logits_of(network, mixed_x())[:, 0]
    expected = two_terms(
        lambda one: by_hand.binary_cross_entropies(logits, one).mean(), y
    )
    found = first_loss(
        keras_mixup.MixUpModel(network, MIXUP()), TABLE, y[:, None], loss=BINARY
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@program("train step", "multi-label")
def multi_label():
    network = by_hand.linear(5, 4)
    logits = logits_of(network, mixed_x())
    expected = two_terms(
        lambda one: by_hand.binary_cross_entropies(logits, one).mean(), ROWS
    )
    model = keras_mixup.MixUpModel(network, MIXUP(multi_label=True))
    np.testing.assert_allclose(
        first_loss(model, TABLE, ROWS, loss=BINARY), expected, rtol=1e-4
    )


@program("train step", "a quantity, mean squared error")
def quantity():
    # The target is averaged, which for a square is not the sum of two losses.
    network = by_hand.linear(5, 1)
    error = logits_of(network, mixed_x()) - averaged(VALUES, *draw(MIXUP()))
    model = keras_mixup.MixUpModel(network, MIXUP())
    found = first_loss(model, TABLE, VALUES, loss="mse")
    np.testing.assert_allclose(found, np.square(error).mean(), rtol=1e-4)


@program("train step", "two outputs with losses by name")
def two_outputs():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((5,))
    outputs = {
        "kind": keras.layers.Dense(4, name="kind")(inputs),
        "size": keras.layers.Dense(1, name="size")(inputs),
    }
    network = keras.Model(inputs, outputs)
    answers = logits_of(network, mixed_x())
    expected = two_terms(cross_entropy(answers["kind"]), LABELS)
    error = answers["size"] - averaged(VALUES, *draw(MIXUP()))
    model = keras_mixup.MixUpModel(network, MIXUP())
    losses = {"kind": SPARSE, "size": "mse"}
    y = {"kind": LABELS, "size": VALUES}
    found = first_loss(model, TABLE, y, loss=losses)
    np.testing.assert_allclose(found, expected + np.square(error).mean(), rtol=1e-4)


@program("train step", "two inputs by name")
def two_inputs():
    keras.utils.set_random_seed(1)
    a, b = keras.Input((5,), name="a"), keras.Input((1,), name="b")
    both = keras.layers.Concatenate()([a, b])
    network = keras.Model({"a": a, "b": b}, keras.layers.Dense(4)(both))
    x = {"a": TABLE, "b": VALUES}
    of_mixed = {name: mixed_x(one).astype("float32") for name, one in x.items()}
    logits = np.asarray(network(of_mixed))
    expected = two_terms(cross_entropy(logits), LABELS)
    model = keras_mixup.MixUpModel(network, MIXUP())
    np.testing.assert_allclose(
        first_loss(model, x, LABELS, loss=SPARSE), expected, rtol=1e-4
    )


@program("train step", "segmentation masks of integers")
def segmentation():
    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Conv2D(3, 1),
            keras.layers.Rescaling(0.01),
        ]
    )
    check_classes(network, FLOATS, MASKS, SPARSE, MASKS)


@program("train step", "token ids behind the embedding")
def behind_the_embedding():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((7,), dtype="int64")
    embedded = keras.layers.Embedding(9, 4, name="embedding")(inputs)
    head = keras.layers.Dense(4, name="head")
    pooled = keras.layers.GlobalAveragePooling1D()(embedded)
    network = keras.Model(inputs, head(pooled))
    table = np.asarray(network.get_layer("embedding").embeddings)
    pooled = averaged(table[TOKENS].mean(axis=1), *draw(MIXUP()))
    kernel, bias = map(np.asarray, head.weights)
    expected = two_terms(cross_entropy(pooled @ kernel + bias), LABELS)
    model = keras_mixup.MixUpModel(network, MIXUP(), mix_at=["embedding"])
    np.testing.assert_allclose(
        first_loss(model, TOKENS, LABELS, loss=SPARSE), expected, rtol=1e-4
    )


@program("train step", "a nested backbone, by path")
def nested():
    keras.utils.set_random_seed(1)
    a = keras.Input((5,))
    first = keras.layers.Dense(6, name="first")
    second = keras.layers.Dense(6, name="second")
    backbone = keras.Model(a, second(first(a)), name="backbone")
    inputs, head = keras.Input((5,)), keras.layers.Dense(4)
    network = keras.Model(inputs, head(backbone(inputs)))
    # All layers are linear, so that it does not matter behind which is mixed.
    check_classes(network, TABLE, LABELS, SPARSE, LABELS, mix_at=["backbone/first"])


@program("train step", "a subclass of Model, mixed at the input")
def subclass():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(4)

        def call(self, inputs):
            return self.dense(inputs)

    keras.utils.set_random_seed(1)
    network = Own()
    network(TABLE)
    check_classes(network, TABLE, LABELS, SPARSE, LABELS)


@program("train step", "CutMix at the input")
def cutmix():
    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [keras.Input((6, 6, 3)), keras.layers.Flatten(), keras.layers.Dense(4)]
    )
    policy = keras_mixup.CutMix(1.0, seed=5)
    mixed = policy.at_step(0, (FLOATS, ROWS), details=True)
    logits = logits_of(network, mixed.x)
    losses = -(np.log(by_hand.softmax(logits)) * np.asarray(mixed.y)).sum(axis=1)
    model = keras_mixup.MixUpModel(network, policy)
    found = first_loss(model, FLOATS, LABELS, loss=SPARSE)
    np.testing.assert_allclose(found, losses.mean(), rtol=1e-4)


@program("train step", "mixed_bfloat16")
def half_precision():
    keras.utils.set_random_seed(1)
    layer = keras.layers.Dense(4, dtype="mixed_bfloat16")
    network = keras.Sequential([keras.Input((5,)), layer])
    expected = two_terms(cross_entropy(logits_of(network, mixed_x())), LABELS)
    model = keras_mixup.MixUpModel(network, MIXUP())
    found = first_loss(model, TABLE, LABELS, loss=SPARSE)
    np.testing.assert_allclose(found, expected, rtol=0.03)


@program("train step", "XLA")
def compiled():
    network = by_hand.linear(5, 4)
    expected = two_terms(cross_entropy(logits_of(network, mixed_x())), LABELS)
    model = keras_mixup.MixUpModel(network, MIXUP())
    found = first_loss(model, TABLE, LABELS, loss=SPARSE, jit_compile=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@program("train step", "two replicas")
def replicas():
    cpus = [cpu.name for cpu in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(cpus[:2])
    with strategy.scope():
        model = keras_mixup.MixUpModel(by_hand.linear(5, 4), keras_mixup.MixUp(0))
        model.compile(SGD(), SPARSE)
    # At alpha 0 the loss is the unmixed one, however the batch is split.
    found = model.fit(TABLE, LABELS, batch_size=8, shuffle=False, verbose=0)
    expected = cross_entropy(logits_of(model.network, TABLE))(LABELS)
    np.testing.assert_allclose(found.history["loss"][0], expected, rtol=1e-4)


@program("train step", "few labels, ICT")
def few_labels():
    labeled = tf.data.Dataset.from_tensor_slices((TABLE, LABELS)).batch(8)
    unlabeled = tf.data.Dataset.from_tensor_slices(TABLE).batch(8)
    network = by_hand.linear(5, 4)
    model = keras_mixup.ICTModel(network, MIXUP(), consistency=0.0)
    model.compile(SGD(), SPARSE)
    both = keras_mixup.labeled_and_unlabeled(labeled, unlabeled)
    found = model.fit(both, verbose=0).history["loss"][0]
    # Without the weight of the unlabeled part it is mixup of the labeled one.
    expected = two_terms(cross_entropy(logits_of(network, mixed_x())), LABELS)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@program("train step", "a GAN")
def gan():
    keras.utils.set_random_seed(1)
    generator = keras_mixup.models.build("gan_generator", width=8)
    discriminator = keras_mixup.models.build("gan_discriminator", width=8)
    model = keras_mixup.MixUpGAN(generator, discriminator, seed=0)
    model.compile(keras.optimizers.Adam(), keras.optimizers.Adam())
    before = [np.array(one) for one in generator.trainable_variables]
    model.fit(np.zeros((64, 2), "float32"), batch_size=64, verbose=0)
    after = generator.trainable_variables
    assert any((one != two).any() for one, two in zip(before, map(np.asarray, after)))


@program("train step", "token ids at the input", "Expected")
def token_ids():
    network = keras.Sequential(
        [keras.Input((7,), dtype="int64"), keras.layers.Embedding(9, 4)]
    )
    model = keras_mixup.MixUpModel(network, MIXUP())
    first_loss(model, TOKENS, ROWS, loss="mse")


@program("train step", "a network with a train_step of its own", "train_step")
def own_train_step():
    class Own(keras.Model):
        def train_step(self, data):
            return {"loss": 0.0}

    inputs = keras.Input((5,))
    keras_mixup.MixUpModel(Own(inputs, keras.layers.Dense(4)(inputs)), MIXUP())


@program("train step", "a layer that is not there", "Nearest")
def unknown_layer():
    inputs = keras.Input((5,))
    network = keras.Model(inputs, keras.layers.Dense(4, name="first")(inputs))
    keras_mixup.MixUpModel(network, MIXUP(), mix_at=["frist"])


@program("train step", "a subclass of Model, mixed behind a layer", "Unknown layer")
def cut_of_a_subclass():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(4, name="dense")

        def call(self, inputs):
            return self.dense(inputs)

    keras_mixup.MixUpModel(Own(), MIXUP(), mix_at=["dense"])
