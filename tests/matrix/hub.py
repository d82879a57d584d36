"""Programs with a task of KerasHub, of random weights.

The oracle is the task's own loss, at a learning rate of 0, of arrays that numpy mixed.
"""

import keras
import numpy as np

import keras_mixup
from tests.matrix.pipelines import LABELS, ROWS, averaged, dataset_of, draw
from tests.matrix.programs import program

NEEDS = ("keras_hub",)
LOSS = keras.losses.CategoricalCrossentropy(from_logits=True)
IMAGES = np.random.default_rng(0).integers(0, 256, (len(LABELS), 16, 16, 3), np.uint8)


def task(preprocessed=True):
    import keras_hub

    keras.utils.set_random_seed(1)
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        use_pre_activation=True,
        image_shape=(16, 16, 3),
    )
    preprocessor = None
    if preprocessed:
        scale = keras_hub.layers.ImageConverter(image_size=(16, 16), scale=1 / 255)
        preprocessor = keras_hub.models.ResNetImageClassifierPreprocessor(scale)
    return keras_hub.models.ResNetImageClassifier(
        backbone, num_classes=4, preprocessor=preprocessor
    )


def first_loss(network, *data):
    # A task measures class numbers, unless it is told what rows are measured by.
    metrics = [keras.metrics.CategoricalAccuracy()]
    network.compile(keras.optimizers.SGD(0.0), LOSS, metrics=metrics)
    return network.fit(*data, shuffle=False, verbose=0).history["loss"][0]


@program("KerasHub", "a task in the pipeline", needs=NEEDS)
def in_the_pipeline():
    mixup = keras_mixup.MixUp(1.0, seed=5)
    found = first_loss(task(), dataset_of((IMAGES, ROWS)).apply(mixup))
    by_hand = [averaged(one, *draw(mixup)).astype("float32") for one in (IMAGES, ROWS)]
    np.testing.assert_allclose(found, first_loss(task(), *by_hand), rtol=1e-4)


@program(
    "KerasHub", "a task's network, mixed behind a layer of its backbone", needs=NEEDS
)
def behind_a_layer():
    whole = task(preprocessed=False)
    network = keras.Model(whole.input, whole.output)
    mixup, images = keras_mixup.MixUp(1.0, seed=5), IMAGES / np.float32(255)
    # Behind padding the mixed features are those of the mixed input.
    model = keras_mixup.MixUpModel(
        network, mixup, mix_at=[f"{whole.backbone.name}/conv1_pad"]
    )
    found = first_loss(model, images, ROWS)
    by_hand = [averaged(one, *draw(mixup)).astype("float32") for one in (images, ROWS)]
    np.testing.assert_allclose(found, first_loss(network, *by_hand), rtol=1e-3)


@program("KerasHub", "a task in MixUpModel", "its own compile, fit", needs=NEEDS)
def in_a_model():
    keras_mixup.MixUpModel(task(), keras_mixup.MixUp(1.0))
