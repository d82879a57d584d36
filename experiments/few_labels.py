"""One run with few labels: a labeled and an unlabeled set, a method, and a network.

Every row has the same batches of labeled examples, network, optimizer and steps. ERM
and mixup see no others; ICT and MixMatch are given a batch of unlabeled ones beside
each, and are evaluated by the average of their weights.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

import keras_mixup
from experiments.data import pipeline
from experiments.engine import fit
from experiments.engine.course import Epochs
from experiments.settings import Settings, field, invalid
from keras_mixup import keys

# A seed of its own for the order of the unlabeled examples: its upper half differs.
_UNLABELED = 2**32


@dataclasses.dataclass(frozen=True)
class Method:
    """A row: a model, whether it mixes, and what of it is changed."""

    model: Literal["labels", "ict", "mixmatch"] = "labels"
    mixes: bool = True
    options: dict = dataclasses.field(default_factory=dict)


METHODS = {
    "ERM": Method(mixes=False),
    "mixup": Method(),
    "ICT": Method("ict"),
    "ICT, probabilities mixed": Method(
        "ict", options={"teacher_mixes": "probabilities"}
    ),
    # The paper's algorithm; the authors' program mixes the labeled examples too.
    "ICT, labels unmixed": Method("ict", options={"mix_labeled": False}),
    "MixMatch": Method("mixmatch"),
    "MixMatch, one guess": Method("mixmatch", options={"guesses": 1}),
    "MixMatch, no sharpening": Method("mixmatch", options={"temperature": 1.0}),
    "MixMatch, no average": Method("mixmatch", options={"teacher_decay": None}),
    "MixMatch, no mixup": Method("mixmatch", options={"mix": None}),
    "MixMatch, labeled mixed": Method("mixmatch", options={"mix": "labeled"}),
    "MixMatch, unlabeled mixed": Method("mixmatch", options={"mix": "unlabeled"}),
    "MixMatch, separately": Method("mixmatch", options={"mix": "separately"}),
}


@dataclasses.dataclass(frozen=True)
class FewLabelsSettings(Settings):
    """What the experiments with few labels share."""

    # Rows of the table.
    methods: tuple[str, ...] = field(tuple(METHODS), "plan", among=tuple(METHODS))
    alpha: float = field(1.0, above=0)
    # Examples of a step: with labels, and without.
    batch_size: int = field(64, least=1)
    unlabeled_batch: int = field(64, least=1)
    # Steps of training, and how many of them are an epoch of the record.
    steps: int = field(1024 * 1024, least=1)
    steps_per_epoch: int = field(1024, least=1)
    # Steps until the unlabeled part has its weight, in MixMatch and in ICT.
    ramp_up: int = field(16 * 1024, least=0)
    unlabeled_weight: float = field(75.0, least=0)
    consistency: float = field(100.0, least=0)
    teacher_decay: float = field(0.999, least=0, below=1)

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        if self.steps % self.steps_per_epoch:
            expected = f"a multiple of `steps_per_epoch` ({self.steps_per_epoch})"
            raise invalid("steps", expected, self.steps)


@dataclasses.dataclass(frozen=True)
class Data:
    """What a run is given: labeled examples, unlabeled ones, and sets to test on."""

    # (x, y).
    labeled: tuple
    unlabeled: np.ndarray
    # Batches for evaluation by name.
    sets: dict
    # Function of (x, key) that gives training examples as a network takes them.
    augment: Callable | None = None
    # Function of x that does the same without chance: for `augment_layer`.
    transform: Callable | None = None
    # Keras layer of the unlabeled examples of MixMatch, in place of `augment`.
    augment_layer: object = None


def train(folder, settings, method, data, network, optimizer, seed, at_end=None):
    """One run: the record of its epochs, and the number of labeled examples seen.

    Args:
        folder: The run's folder.
        settings: `FewLabelsSettings` with a `learning_rate`.
        method: `Method`.
        data: `Data`.
        network: Function without arguments that gives the network.
        optimizer: Function of the learning rate.
        seed: Integer.
        at_end: Function of the trained network, or None.
    """

    def compiled():
        model = model_of(method, network(), settings, data.augment_layer, seed)
        model.compile(
            optimizer=optimizer(settings.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="top_1")],
            jit_compile=settings.jit_compile,
        )
        return model

    course = Epochs(
        batches=functools.partial(batches_of, method, data, settings, seed),
        count=settings.steps_per_epoch * settings.batch_size,
        batch_size=settings.batch_size,
        sets=data.sets,
        learning_rate=lambda step: settings.learning_rate,
        epochs=settings.steps // settings.steps_per_epoch,
        max_steps=settings.max_steps,
        at_end=at_end,
    )
    return fit.fit(compiled, course, settings, folder), course.examples_seen


def model_of(method, network, settings, augment, seed):
    """The model of a method, not compiled."""
    if method.model == "labels":
        alpha = settings.alpha if method.mixes else 0.0
        return keras_mixup.MixUpModel(network, keras_mixup.MixUp(alpha, seed=seed))
    own = {"teacher_decay": settings.teacher_decay, "ramp_up": settings.ramp_up}
    if method.model == "ict":
        own["consistency"] = settings.consistency
        mixup = keras_mixup.MixUp(settings.alpha, seed=seed)
        return keras_mixup.ICTModel(network, mixup, **{**own, **method.options})
    own |= {"unlabeled_weight": settings.unlabeled_weight, "augment": augment}
    mixup = keras_mixup.MixUp(
        settings.alpha, per="example", keep_larger=True, seed=seed
    )
    return keras_mixup.MixMatchModel(network, mixup, **{**own, **method.options})


def batches_of(method, data, settings, seed, first_epoch):
    """The training batches of a method, endless, from the start of an epoch on."""
    first_step = first_epoch * settings.steps_per_epoch

    def endless(examples, seed, size, augment):
        count = len(examples[0])
        passes = pipeline.training_batches(
            tf.data.Dataset.from_tensor_slices(examples), count, count, seed
        )

        def ready(step, batch):
            x, *y = batch
            if augment is not None:
                x = augment(x, keys.make_key(seed, step.index))
            return (x, *y)

        cut = passes.rebatch(size).skip(first_step)
        found = pipeline.at_steps(cut, first_step, ready)
        forever = tf.data.INFINITE_CARDINALITY
        return found.apply(tf.data.experimental.assert_cardinality(forever))

    labeled = endless(data.labeled, seed, settings.batch_size, data.augment)
    if method.model == "labels":
        return labeled
    by_layer = method.model == "mixmatch" and data.augment_layer is not None
    unlabeled = endless(
        *((data.unlabeled,), seed + _UNLABELED, settings.unlabeled_batch),
        augment=(lambda x, key: data.transform(x)) if by_layer else data.augment,
    )
    return keras_mixup.labeled_and_unlabeled(labeled, unlabeled)
