"""One run of a classifier: batches, network, mixing and optimizer come together."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Literal

import keras
import numpy as np

import keras_mixup
from experiments.data import pipeline
from experiments.engine import fit
from experiments.engine.course import Epochs
from experiments.settings import MethodSettings, Settings, field


@dataclasses.dataclass(frozen=True)
class MLPSettings(MethodSettings):
    """What the experiments on multilayer perceptrons share, whose runs take seconds."""

    # Units of each hidden layer.
    width: int = field(128, least=1)
    # Learning rate of Adam.
    learning_rate: float = field(1e-3, above=0)
    checkpoint_every: int = 0
    tensorboard: bool = False
    progress: Literal["auto", "bar", "line", "none"] = "none"


@dataclasses.dataclass(frozen=True)
class Mixing:
    """How a run mixes: in the train step, or as the last stage of its pipeline.

    The pipeline makes rows of probabilities of the labels, so the network is compiled
    for rows, the evaluated sets are one-hot, and "top_1" of mixed batches counts the
    heavier partner alone. It mixes, whatever the settings say, where labels are
    smoothed or partners come from outside of the batch.

    Attributes:
        alpha: A number or a schedule.
        seed: Integer.
        num_classes: Number of classes; 1 for a column of 0 and 1, and one logit.
        settings: `settings.Settings`.
        mix_at: Name of the layer behind which the train step mixes.
        options: Further arguments of the policy, by name.
        between: Whether the pipeline gives pairs of batches, mixed place by place.
        make_policy: Function of alpha, `seed` and the options, such as a policy.
    """

    alpha: float | keras_mixup.AlphaSchedule
    seed: int
    num_classes: int
    settings: Settings
    mix_at: str = "input"
    options: dict = dataclasses.field(default_factory=dict)
    between: bool = False
    make_policy: Callable = keras_mixup.MixUp

    @property
    def on_host(self):
        """Whether the pipeline mixes, and the train step is Keras's own."""
        in_pipeline = self.settings.mix_in == "pipeline" and self.mix_at == "input"
        return in_pipeline or self.between or bool(self.options.get("label_smoothing"))

    @property
    def rows(self):
        """Number of classes where labels are rows, else 0."""
        return self.num_classes if self.on_host and self.num_classes > 1 else 0

    @property
    def in_pipeline(self):
        """The pipeline's last stage, a function of (step, batch), or None."""
        if not self.on_host:
            return None
        policy = self._policy(**({"num_classes": self.rows} if self.rows else {}))
        if self.between:
            return lambda step, pair: policy.between(*pair, step=step)
        return policy.at_step

    def compiled(self, network, optimizer, top_5=False):
        """The network with its train step, compiled for logits."""
        policy = keras_mixup.MixUp(0) if self.on_host else self._policy()
        mix_at = "input" if self.on_host else self.mix_at
        metrics, losses = keras.metrics, keras.losses
        if self.num_classes == 1:
            loss = losses.BinaryCrossentropy(from_logits=True)
            top_1 = functools.partial(metrics.MeanMetricWrapper, hits)
        elif self.rows:
            loss = losses.CategoricalCrossentropy(from_logits=True)
            top_1, top_k = metrics.CategoricalAccuracy, metrics.TopKCategoricalAccuracy
        else:
            loss = losses.SparseCategoricalCrossentropy(from_logits=True)
            top_1 = metrics.SparseCategoricalAccuracy
            top_k = metrics.SparseTopKCategoricalAccuracy
        model = keras_mixup.MixUpModel(network, policy, mix_at=mix_at)
        model.compile(
            optimizer=optimizer,
            loss=loss,
            metrics=[top_1(name="top_1"), *([top_k(5, "top_5")] if top_5 else [])],
            jit_compile=self.settings.jit_compile,
        )
        return model

    def _policy(self, **options):
        return self.make_policy(self.alpha, seed=self.seed, **self.options, **options)


def hits(y, logits):
    """Whether the class above 1/2 is that of the label, or of its heavier part."""
    hit = keras.ops.equal(logits > 0, y > 0.5)
    return keras.ops.mean(keras.ops.cast(hit, "float32"), axis=-1)


def of_examples(examples, count, sets, mixing, evaluated):
    """What `train` needs of examples that are taken as they are, by name.

    Args:
        examples: `tf.data.Dataset` of (features, label), to train on.
        count: Number of its examples.
        sets: Dict from names, such as "test", to such datasets, for evaluation.
        mixing: `Mixing`.
        evaluated: Examples in a batch of evaluation.
    """
    settings = mixing.settings
    return {
        "batches": lambda first_epoch: pipeline.training_batches(
            *(examples, count, settings.batch_size, mixing.seed, first_epoch),
            mix=mixing.in_pipeline,
            service=settings.data_service,
        ),
        "count": count,
        "sets": {
            name: pipeline.evaluation_batches(part, evaluated, one_hot=mixing.rows)
            for name, part in sets.items()
        },
        "clean": pipeline.evaluation_batches(examples, evaluated, cache=False),
    }


def train(
    folder,
    mixing,
    *,
    batches,
    count,
    sets,
    network,
    optimizer,
    epochs,
    drops=(),
    warm_up=None,
    top_5=False,
    clean=None,
    at_end=None,
):
    """One run: the record of its epochs, and the number of training examples seen.

    Args:
        folder: The run's folder.
        mixing: `Mixing`, of settings that have a `learning_rate`.
        batches: Function from the first epoch to endless training batches.
        count: Number of training examples in an epoch.
        sets: Dict from names, such as "test", to batches for evaluation.
        network: Function without arguments that gives the network.
        optimizer: Function from the schedule of the learning rate to the optimizer.
        epochs: Number of epochs.
        drops: Epochs after which the learning rate is divided by 10.
        warm_up: Further arguments of `keras_mixup.LearningRateDrops`.
        top_5: Whether the top-5 error is measured as well.
        clean: The training examples in batches as they are tested, whose error is
            measured after the last epoch, or None.
        at_end: Function of the trained network that gives a dict of what is measured
            then as well, or None.
    """
    settings = mixing.settings

    def measured(network):
        own = at_end(network) if at_end else {}
        if clean is None:
            return own
        part = clean.take(settings.max_steps or -1)
        return {"train": training_error(network, part), **own}

    steps = math.ceil(count / settings.batch_size)
    rate = keras_mixup.LearningRateDrops(
        settings.learning_rate, drops, steps, **(warm_up or {})
    )
    course = Epochs(
        *(batches, count, settings.batch_size, sets, rate),
        *(epochs, settings.max_steps, measured),
    )

    def compiled():
        return mixing.compiled(network(), optimizer(rate), top_5)

    return fit.fit(compiled, course, settings, folder), course.examples_seen


def training_error(network, batches):
    """The error (%) in inference mode on (features, label or row): does it fit?"""
    answers = network.predict(batches, verbose=0).argmax(axis=-1)
    labels = np.concatenate([np.asarray(y) for _, y in batches])
    labels = labels.argmax(axis=-1) if labels.ndim > 1 else labels
    return {"error_on_real": 100 * float((answers != labels).mean())}


def sgd(settings, nesterov=False):
    """Stochastic gradient descent with momentum, as a function of its learning rate.

    Keras keeps the learning rate inside the momentum; PyTorch keeps it outside, and
    Goyal et al. (2017) correct for it: for a few steps after a change they differ.
    """
    return lambda rate: keras.optimizers.SGD(rate, settings.momentum, nesterov=nesterov)


def drops_at(epochs, shares):
    """The epochs after which the learning rate drops, from their shares of all."""
    return tuple(sorted({round(share * epochs) for share in shares} - {0}))
