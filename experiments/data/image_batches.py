"""Batches of images for training and testing, as the experiments make them."""

import dataclasses

from experiments.data import augmentation, images, pipeline, sources
from experiments.settings import Settings, field


@dataclasses.dataclass(frozen=True)
class ImageSettings(Settings):
    """What the experiments on images share; the defaults are of section 3.2."""

    # Splits, as TFDS writes them.
    train_split: str = "train"
    test_split: str = "test"
    # Shorter side to which images are scaled before the central square is taken; 0 for
    # the images as they are, which must then have one size.
    image_size: int = 0
    # Learning rate before the drops.
    learning_rate: float = field(0.1, above=0)
    momentum: float = 0.9

    def read(self, name, size=None):
        """The two splits of an image set, as it is, or scaled and cut to a size."""
        splits = (self.train_split, self.test_split)
        return images.load_images(name, splits, sources.places_of(self), size)

    def load(self, name):
        """The two splits of an image set, of one size, or else `UnknownData`."""
        found = self.read(name, self.image_size or None)
        images.check_one_size(found, name)
        return found


def of_images(images, augment, transform, mixing):
    """What `classifier.train` needs of the data, by name.

    Args:
        images: `images.Images` of two splits: the first is trained on, and the second
            tested.
        augment: Function of (images, key) for training images.
        transform: Function of images for test images.
        mixing: `classifier.Mixing`, of settings with `cache` and `shuffle_buffer`.
    """
    settings = mixing.settings
    examples, test = images.encoded.values()
    count = next(iter(images.counts.values()))
    # Where sizes differ, images are cut to one size before they are batched.
    alone = images.shape[0] is None
    shared = {"decode": images.decode, "cache": settings.cache}

    def batches(first_epoch):
        return pipeline.training_batches(
            *(examples, count, settings.batch_size, mixing.seed, first_epoch),
            **shared,
            augment_alone=alone,
            augment=lambda batch, key: (augment(batch[0], key), batch[1]),
            mix=mixing.in_pipeline,
            shuffle_buffer=settings.shuffle_buffer,
            service=settings.data_service,
        )

    def as_tested(part, **options):
        return pipeline.evaluation_batches(
            *(part, settings.batch_size),
            **{**shared, **options},
            transform_alone=alone,
            transform=lambda pixels, labels: (transform(pixels), labels),
        )

    return {
        "batches": batches,
        "count": count,
        "sets": {"test": as_tested(test, one_hot=mixing.rows)},
        "clean": as_tested(examples, cache=False),
    }


def normalize(images):
    """`(images / 255 - mean) / std` with the constants of CIFAR-10."""
    return augmentation.normalize(
        images, augmentation.CIFAR_MEAN, augmentation.CIFAR_STD
    )


def of_imagenet(size):
    """The augmentation for ImageNet of Goyal et al. (2017), and the test's crop.

    Two functions to images of so many pixels: of (images, key), and of images.
    """

    def normalized(images):
        mean, std = augmentation.IMAGENET_MEAN, augmentation.IMAGENET_STD
        return augmentation.normalize(images, mean, std)

    def augmented(images, key):
        images = augmentation.random_resized_crop(images, key, size)
        return normalized(augmentation.flip(images, key))

    def cropped(images):
        return normalized(augmentation.central_crop(images, size))

    return augmented, cropped


def augment(images, key, padding=4):
    """The paper's augmentation for CIFAR: random crops, flips, normalized.

    `padding` is by how many pixels images are padded before they are cropped; 0 for
    neither crops nor flips.
    """
    if padding:
        images = augmentation.pad_and_crop(images, key, padding)
        images = augmentation.flip(images, key)
    return normalize(images)
