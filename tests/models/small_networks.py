"""A small network for each builder, with all operations of the large one."""

import keras_mixup
from keras_mixup.models import resnet

IMAGES = {"input_shape": (32, 32, 3), "num_classes": 10}

# Narrow ones have less channels than one block of oneDNN (16), where groups allow it.
# The networks of 101 layers repeat the operations of others; they are not trained here.
WIDTHS = {
    "preact_resnet18": (4, 32),
    "wide_resnet28_10": (10, 40),
    "densenet_bc_190": (3, 16),
    "resnet50": (4, 32),
    "resnext101_32x4d": (16, 32),
    "lenet": (3, 20),
    "vgg11": (4, 32),
    "lstnet": (3, 50),
    "mlp": (5, 128),
    "gan_generator": (5, 128),
    "gan_discriminator": (5, 128),
    "dcgan_generator": (4, 64),
    "dcgan_discriminator": (3, 32),
}
REPEATED = ("resnet101", "resnext101_64x4d")


def built(name, width):
    """A network with the operations of the one of this name, in few blocks."""
    if name in ("resnet50", "resnext101_32x4d"):
        cardinality = 32 if name == "resnext101_32x4d" else 1
        settings = {"blocks": (2, 1, 1, 1), "cardinality": cardinality}
        return resnet.bottleneck_resnet(**IMAGES, width=width, **settings)
    settings = {"width": width}
    if name in ("wide_resnet28_10", "densenet_bc_190"):
        settings |= {"depth": 10, "dropout": 0.0}
    if name == "lenet":
        settings |= {"dropout": 0.0}
    if name == "lstnet":
        settings |= {"input_shape": (40, 8), "num_classes": 8}
    elif "gan" not in name:
        settings |= IMAGES
    return keras_mixup.models.build(name, **settings)
