"""The mixers of the peers, each as a function of a dict with images and labels."""

import functools
import sys

import keras
import numpy as np

import keras_mixup

HERE = "keras_mixup"


def of_keras(name, alpha=1.0, seed=None, boxes=False):
    """A layer of Keras, which has to be told how boxes are written."""
    # The alpha of CutMix is called `factor`.
    options = {"alpha" if name == "MixUp" else "factor": alpha, "seed": seed}
    if boxes:
        options["bounding_box_format"] = "xyxy"
    return getattr(keras.layers, name)(**options)


def of_keras_cv(name, alpha=1.0, seed=None, boxes=False):
    """A layer of KerasCV, to which the labels of boxes are classes."""
    import keras_cv

    layer = getattr(keras_cv.layers, name)(alpha=alpha, seed=seed)

    def with_classes(batch):
        given = dict(batch["bounding_boxes"])
        given["classes"] = given.pop("labels")
        mixed = layer({**batch, "bounding_boxes": given})
        found = dict(mixed["bounding_boxes"])
        found["labels"] = found.pop("classes")
        return {**mixed, "bounding_boxes": found}

    return with_classes if boxes else layer


def of_ours(name, alpha=1.0, seed=None, boxes=False):
    """Our layer; a row on XLA compiles it itself."""
    options = {"bounding_box_format": "xyxy"} if boxes and name == "CutMix" else {}
    layer = getattr(keras_mixup.layers, name)
    return layer(alpha=alpha, seed=seed, jit_compile=False, **options)


class OfTorch:
    """A mixer of PyTorch on NHWC arrays, which takes class numbers alone."""

    def __init__(self, make):
        self.make = make

    def __call__(self, batch):
        """The batch mixed; other entries are not known there."""
        import torch

        if set(batch) != {"images", "labels"} or np.ndim(batch["labels"]) != 2:
            raise NotKnown
        images = torch.tensor(np.moveaxis(np.asarray(batch["images"]), -1, 1))
        numbers = torch.tensor(np.argmax(batch["labels"], axis=-1))
        images, rows = self.make(np.shape(batch["labels"])[-1])(images, numbers)
        return {"images": np.moveaxis(images.numpy(), 1, -1), "labels": rows.numpy()}


class NotKnown(Exception):
    """The peer has no such function."""


def of_timm(name, alpha=1.0):
    """`timm.data.Mixup`, by its defaults."""
    # It would load Triton, whose LLVM and TensorFlow's crash in one process.
    sys.modules.setdefault("triton", None)
    from timm.data import Mixup

    alphas = {"mixup_alpha": 0.0, "cutmix_alpha": 0.0, f"{name.lower()}_alpha": alpha}
    make = functools.partial(Mixup, **alphas, label_smoothing=0.0)
    return OfTorch(lambda classes: make(num_classes=classes))


def of_torchvision(name, alpha=1.0):
    """A transform of torchvision."""
    from torchvision.transforms import v2

    return OfTorch(lambda classes: getattr(v2, name)(alpha=alpha, num_classes=classes))


# Functions of the name of a policy, of alpha and, where there is one, a seed.
MIXERS = {
    "keras": of_keras,
    "keras_cv": of_keras_cv,
    "timm": of_timm,
    "torchvision": of_torchvision,
    HERE: of_ours,
}
