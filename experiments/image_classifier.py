"""One run of an image classifier: SGD with momentum on augmented batches."""

import keras

from experiments.data import augmentation, pipeline
from experiments.engine import training


def train(
    run,
    folder,
    settings,
    images,
    make_network,
    epochs,
    learning_rate,
    augment,
    transform,
    nesterov=False,
    top_5=False,
):
    """Trains on the first split of `images`, and tests on its second.

    Args:
        run: `running.Run`; its settings hold "alpha".
        folder: The run's folder.
        settings: `RunConfiguration` with `momentum`.
        images: `images.Images` of two splits.
        make_network: Function without arguments that gives the network.
        epochs: Number of epochs.
        learning_rate: Function from the number of steps an epoch to the schedule.
        augment: Function of (images, key) for training images.
        transform: Function of images for test images.
        nesterov: Whether the momentum is Nesterov's.
        top_5: Whether the top-5 error is measured as well.

    Returns:
        The record of the epochs, and the number of training images seen.
    """
    keras.utils.set_random_seed(run.seed)
    examples, test = images.encoded.values()
    count = next(iter(images.counts.values()))
    mixing = training.Mixing(
        run.settings["alpha"], run.seed, len(images.names), settings
    )
    # Where sizes differ, images are cut to one size before they are batched.
    alone = images.shape[0] is None

    def batches(first_epoch):
        return pipeline.training_batches(
            examples,
            count,
            settings.batch_size,
            run.seed,
            first_epoch,
            decode=images.decode,
            cache=settings.cache,
            augment_alone=alone,
            augment=lambda batch, key: (augment(batch[0], key), batch[1]),
            mix=mixing.in_pipeline,
            shuffle_buffer=settings.shuffle_buffer,
            service=settings.data_service,
        )

    data = training.Data(
        batches=batches,
        count=count,
        batch_size=settings.batch_size,
        sets={
            "test": pipeline.evaluation_batches(
                test,
                settings.batch_size,
                decode=images.decode,
                cache=settings.cache,
                transform_alone=alone,
                one_hot=mixing.rows,
                transform=lambda pixels, labels: (transform(pixels), labels),
            )
        },
    )
    return fit(
        make_network,
        data,
        mixing,
        settings,
        epochs,
        learning_rate,
        folder,
        nesterov,
        top_5,
    )


def fit(
    make_network,
    data,
    mixing,
    settings,
    epochs,
    learning_rate,
    folder,
    nesterov=False,
    top_5=False,
    at_end=None,
):
    """Fits a network by SGD with momentum to data that are at hand.

    Args:
        make_network: Function without arguments that gives the network.
        data: `training.Data`.
        mixing: `training.Mixing`.
        settings: `RunConfiguration` with `momentum`.
        epochs: Number of epochs.
        learning_rate: Function from the number of steps an epoch to the schedule.
        folder: The run's folder.
        nesterov: Whether the momentum is Nesterov's.
        top_5: Whether the top-5 error is measured as well.
        at_end: As in `training.fit`.

    Returns:
        The record of the epochs, and the number of training images seen.
    """
    rate = learning_rate(data.steps_per_epoch)

    def make_model():
        sgd = keras.optimizers.SGD(rate, settings.momentum, nesterov=nesterov)
        return mixing.compiled(make_network(), sgd, top_5)

    record = training.fit(make_model, data, rate, epochs, settings, folder, at_end)
    return record, data.examples_seen(len(record), settings)


def normalize(images):
    """`(images / 255 - mean) / std` with the constants of CIFAR-10."""
    return augmentation.normalize(
        images, augmentation.CIFAR_MEAN, augmentation.CIFAR_STD
    )


def augment(images, key, padding=4):
    """The paper's augmentation for CIFAR: random crops, flips, normalized.

    Args:
        images: uint8 images of shape (n, height, width, channels).
        key: As `keras_mixup.keys.make_key` gives it.
        padding: Pixels by which the image is padded before it is cropped; 0 for
            neither crops nor flips.
    """
    if padding:
        images = augmentation.pad_and_crop(images, key, padding)
        images = augmentation.flip(images, key)
    return normalize(images)


def drops(epochs, shares=(0.5, 0.75)):
    """The epochs after which the learning rate drops; of 200, 100 and 150."""
    return tuple(sorted({round(share * epochs) for share in shares} - {0}))


def errors_at_the_end(epochs, name="error", part="test"):
    """Median of the last ten epochs, last, and best: the least, an oracle's choice."""
    import statistics

    errors = [epoch[part][name] for epoch in epochs]
    return {
        f"median_{name}": statistics.median(errors[-10:]),
        f"last_{name}": errors[-1],
        f"best_{name}": min(errors),
    }
