"""Recipes: how one image classifier is trained, as a configuration.

A row of the paper's Tables 2 and 5, and of the analyses beside them, is a recipe: it
says what a policy such as `keras_mixup.MixUp`, `MixUpModel`, the network and the labels
are given.
"""

import dataclasses
from typing import Literal

import keras_mixup
from experiments.data.image_batches import ImageSettings
from experiments.settings import field, method_name

# Beta(a, a) at this alpha has a standard deviation of .0004: all weights are one half.
AVERAGES = 1e6


def mixup_or_cutmix(alpha, seed, **options):
    """One of the two for each batch, each with probability 1/2."""
    kinds = keras_mixup.MixUp, keras_mixup.CutMix
    policies = [kind(alpha, **options) for kind in kinds]
    return keras_mixup.RandomChoice(policies, seed=seed)


# Functions of alpha, `seed` and further arguments of a policy.
POLICIES = {
    "mixup": keras_mixup.MixUp,
    "cutmix": keras_mixup.CutMix,
    "resizemix": lambda alpha, **options: keras_mixup.ResizeMix(**options),
    "fmix": keras_mixup.FMix,
    "mixup_or_cutmix": mixup_or_cutmix,
}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What sets one training apart from another; the default is ERM.

    Attributes:
        alpha: That of Beta(alpha, alpha); 0 for no mixing. ResizeMix has none.
        per: "batch" or "example".
        pairing: As in `keras_mixup.MixUp`, for partners from the batch.
        examples: How many examples are mixed.
        targets: "mix" or "closer".
        label_smoothing: Szegedy et al.'s epsilon.
        mix_at: The layer behind which is mixed.
        partners: Where partners come from: the batch, a second loader, or the nearest
            neighbors of each example, of all classes or its own.
        dropout: Drop probability in each residual block.
        gaussian_noise: Standard deviation of the noise on normalized training inputs.
        corrupted: Probability with which a training label is replaced.
        weight_decay: PyTorch's w.
        width: Channels of the first stage; 0 for that of the settings.
        policy: How examples are mixed, a name of `POLICIES`.
    """

    alpha: float = 0.0
    per: Literal["batch", "example"] = "batch"
    pairing: str = "permutation"
    examples: int = 2
    targets: Literal["mix", "closer"] = "mix"
    label_smoothing: float = 0.0
    mix_at: str = "input"
    partners: Literal["batch", "loader", "neighbors", "class_neighbors"] = "batch"
    dropout: float = 0.0
    gaussian_noise: float = 0.0
    corrupted: float = 0.0
    weight_decay: float = 1e-4
    width: int = 0
    policy: str = "mixup"

    @property
    def title(self):
        """What differs from ERM, in words: equal recipes have equal titles."""
        words = []
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if value != one.default:
                text = f"{value:g}" if isinstance(value, int | float) else value
                words.append(f"{one.name.replace('_', ' ')} {text}")
        return ", ".join(words) or "ERM"

    @property
    def mixup_options(self):
        """The arguments of the policy beside alpha and the seed."""
        names = ("per", "pairing", "examples", "targets", "label_smoothing")
        return {name: getattr(self, name) for name in names}


@dataclasses.dataclass(frozen=True)
class RecipeSettings(ImageSettings):
    """What the analyses share: the data and the training of PreAct ResNet-18.

    The defaults are the paper's (section 3.2). Runs that two analyses have in common
    are trained once.
    """

    # Set to train on: a name of TFDS, a folder of images, or digits.
    dataset: str = "cifar10"
    # Channels of the first stage of PreAct ResNet-18.
    width: int = field(64, least=1)
    # Passes over the training set; the learning rate drops after 1/2 and 3/4 of them.
    epochs: int = field(200, least=1)
    # Random crops, padded by an eighth of the size, and flips.
    augment: bool = True
    # Neighbors of each example from which its partner is drawn, where it is one.
    neighbors: int = field(200, least=1)
    # Epochs between checkpoints: some analyses need the trained networks.
    checkpoint_every: int = field(1, least=1)


@dataclasses.dataclass(frozen=True)
class PairSettings(RecipeSettings):
    """What the analyses of two trained networks share: ERM's, and that of mixup."""

    seeds: tuple[int, ...] = field((0, 1, 2))
    # Alpha of the mixup network.
    alpha: float = field(1.0, "analysis", above=0)


def erm_and_mixup(settings):
    """The recipes of the two networks of `PairSettings`."""
    return {("", method_name(a)): Recipe(alpha=a) for a in (0.0, settings.alpha)}


def by_width(alphas, settings):
    """The recipe of each alpha at each of the settings' widths, by (width, alpha)."""
    return {
        # As those of the analyses that know one width alone: it is one training.
        (width, alpha): Recipe(
            alpha=alpha, width=0 if width == settings.width else width
        )
        for width in settings.widths
        for alpha in alphas
    }


# CIFAR-10 in a network that fits it, on two cores: half an hour a run at width 16.
CIFAR = {
    "dataset": "cifar10",
    "train_split": "train[:10000]",
    "test_split": "train[25000:35000]",
    "width": 16,
    "epochs": 100,
    "batch_size": 64,
    "learning_rate": 0.05,
    "precision": "auto",
    "checkpoint_every": 10,
    "tensorboard": False,
    "progress": "none",
    "seeds": (0, 1, 2),
}
# The same without augmentation, where a network fits soon and mixing has most to give.
UNAUGMENTED = {**CIFAR, "epochs": 30, "augment": False}
# What two cores can do in about an hour and a half for all analyses together.
CPU = {
    "dataset": "fashion_mnist",
    "train_split": "train[:1000]",
    "test_split": "test[:2000]",
    "image_size": 12,
    "width": 8,
    "epochs": 40,
    "batch_size": 64,
    "augment": False,
    "neighbors": 50,
    "checkpoint_every": 10,
    "tensorboard": False,
    "progress": "none",
    "seeds": (0, 1, 2),
}
# Seconds, on data that scikit-learn brings.
SMOKE = {
    "dataset": "digits",
    "train_split": "train[:256]",
    "test_split": "test[:100]",
    "image_size": 8,
    "width": 4,
    "epochs": 2,
    "batch_size": 64,
    "neighbors": 5,
    "tensorboard": False,
    "progress": "none",
}
