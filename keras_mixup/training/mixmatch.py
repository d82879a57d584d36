"""MixMatchModel: guessed labels that are mixed with given ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import keras
import tensorflow as tf

from keras_mixup import arguments, keys, mixing, targets
from keras_mixup.mixup import MixUp
from keras_mixup.training import (
    class_outputs,
    few_labels_checks,
    mixed_targets,
    model_checks,
)
from keras_mixup.training.few_labels import FewLabelsModel, mixed_by
from keras_mixup.training.interleaving import (
    interleaved,
    outputs_of_first,
    outputs_without_statistics,
)

MIX = ("all", "separately", "labeled", "unlabeled", None)


@keras.saving.register_keras_serializable("keras_mixup")
class MixMatchModel(FewLabelsModel):
    """Trains a classifier with MixMatch (Berthelot et al., 2019).

        q = sharpen((1/K) sum_k p(u_k)),  sharpen(p)_i = p_i^(1/T) / sum_j p_j^(1/T)
        L = CE(labeled part)
            + unlabeled_weight min(t / ramp_up, 1) mean((q' - p(u'))**2)

    u_k are K augmentations of the unlabeled batch, and q is the guess for all of them.
    Labeled examples and all u_k are shuffled together and each is mixed with its
    partner, with their labels and guesses, by `max(lam, 1 - lam)`: a primed one is
    mixed. The mean is over examples and classes, and t counts the steps before this
    one. Guesses are those of `network` itself, and no gradient goes through them.
    `teacher`, the average of its weights, is for evaluation alone: after step
    t = 1, 2, ... it is `theta' <- a theta' + (1 - a) theta`, with
    `a = min(1 - 1 / (t + 1), teacher_decay)`. `fit` takes
    `keras_mixup.labeled_and_unlabeled(...)`; `evaluate`, `predict`, validation and
    exports are those of the teacher. Draws follow from (seed, step, replica).

    Examples:
        >>> mixup = keras_mixup.MixUp(0.75, per="example", keep_larger=True)
        >>> flip = keras.layers.RandomFlip("horizontal")
        >>> model = keras_mixup.MixMatchModel(
        ...     network, mixup, augment=flip, ramp_up=16_384)
        >>> loss = "sparse_categorical_crossentropy"
        >>> model.compile("adam", loss, metrics=["accuracy"])
        >>> model.fit(keras_mixup.labeled_and_unlabeled(labeled, unlabeled))

    **Batch norm.** As in the authors' program parts of the labeled batch and of the K
    unlabeled ones are swapped, each resulting batch is normalized by itself, and only
    the first one, which has a part of each, moves the statistics; guesses move none.
    The teacher has the statistics of the network. Penalties of activities are those of
    the first batch.

    **Metrics** are of the labels that were given and the outputs for their mixed
    examples, with `supervised_loss` and `unlabeled_loss` (without its weight). A sample
    weight w makes the mixed target that of `MixUpModel`; guesses weigh 1.

    Each part can be switched off: `temperature=1.0`, `mix=None`, `guesses=1`,
    `augment=None`, `unlabeled_weight=0.0`, `teacher_decay=None`. The paper decays
    kernels by 0.02 of the learning rate each step: `Adam(2e-3, weight_decay=0.02)`,
    with `optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])`.

    Args:
        network: A Keras network without a training of its own, which gives logits or
            probabilities `(batch, classes)`; the compiled loss, a cross-entropy of
            classes, and the last activation say which.
        mixup: A `keras_mixup.MixUp` with `keep_larger=True`. The authors have alpha
            0.75 and one lam an example, `per="example"`.
        guesses: K, an integer >= 1.
        temperature: T > 0.
        unlabeled_weight: 75 for CIFAR-10 and 250 for SVHN in the paper.
        augment: Keras layer, called with `training=True`, or a function of the
            unlabeled x alone, which gives x in the same shape and is random by
            itself. None: the examples as they are, so that all K guesses are of one
            batch. The labeled batch is augmented in its dataset.
        ramp_up: Steps until the unlabeled part has its weight; in the paper as many as
            have 1024 * 1024 examples. 0: from the first step on.
        teacher_decay: In [0, 1). None or 0: there is no average, and the network itself
            is evaluated.
        mix: What is mixed with what. `"all"`: all with all. `"separately"`: labeled
            with labeled and unlabeled with unlabeled examples. `"labeled"`,
            `"unlabeled"`: these alone, among themselves. None: nothing.

    Raises:
        ValueError: for arguments out of range, policies that need labels or have not
            `keep_larger`, networks that cannot be copied, in `compile`, other losses,
            and, before the first step, augmentations that change shapes.

    References:
        Berthelot et al., "MixMatch: a holistic approach to semi-supervised learning",
        NeurIPS 2019.
    """

    own_settings = ("guesses", "temperature", "unlabeled_weight", "augment", "mix")
    fixed = (*FewLabelsModel.fixed, *own_settings)

    def __init__(
        self,
        network: keras.Model,
        mixup: MixUp,
        *,
        guesses: int = 2,
        temperature: float = 0.5,
        unlabeled_weight: float = 75.0,
        augment: Callable[..., Any] | None = None,
        ramp_up: int = 0,
        teacher_decay: float | None = 0.999,
        mix: Literal["all", "separately", "labeled", "unlabeled"] | None = "all",
        **kwargs: Any,
    ) -> None:
        arguments.check_count("guesses", guesses)
        few_labels_checks.check_temperature(temperature)
        model_checks.check_weight("unlabeled_weight", unlabeled_weight)
        few_labels_checks.check_augment(augment)
        arguments.check_choice("mix", mix, MIX)
        super().__init__(network, mixup, teacher_decay, ramp_up, **kwargs)
        few_labels_checks.check_keeps_larger(mixup, mix)
        self.guesses = guesses
        self.temperature = temperature
        self.unlabeled_weight = unlabeled_weight
        self.augment = augment
        self.mix = mix

    def set_loss(self, loss):
        """Takes the loss of rows: mixed labels are no class numbers."""
        of_rows = class_outputs.loss_of_rows(loss, self.from_logits)
        object.__setattr__(self, "_loss_of_rows", of_rows)

    def unlabeled_weight_at(self, step):
        """The weight, which rises in proportion to the steps."""
        return self.unlabeled_weight * self.ramp(step)

    def forward_of(self, labeled, unlabeled, key, alpha):
        """The network on mixed examples, against mixed labels and guesses."""
        x, y, sample_weight = labeled
        mixed_targets.check_batch(y, sample_weight)
        copies = [self._augmented(unlabeled) for _ in range(self.guesses)]
        guess = tf.stop_gradient(self._guess(copies))
        rows = class_outputs.rows_of(y, guess.shape[-1])
        batches = [(x, rows, _weight_of(sample_weight, rows))]
        ones = tf.ones([mixing.batch_size_of(guess)])
        batches += [(copy, guess, ones) for copy in copies]
        first, *others = self._mixed(batches, key, alpha)
        inputs = interleaved([first[0], *(one[0] for one in others)])

        def forward():
            outputs = interleaved(outputs_of_first(self.network, inputs))
            _, rows, weights = first
            used = None if sample_weight is None else weights
            supervised = self._loss_of_rows(rows, outputs[0], used)
            # Keras has divided it by the number of replicas.
            supervised *= tf.distribute.get_strategy().num_replicas_in_sync
            given = tf.concat([one[1] for one in others], axis=0)
            found = tf.concat(outputs[1:], axis=0)
            found = class_outputs.probabilities(found, self.from_logits)
            unsupervised = class_outputs.mean_square(found, given)

            def update_metrics():
                self.compute_metrics(x, y, outputs[0], sample_weight)

            return supervised, unsupervised, update_metrics

        return forward

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        config = {name: getattr(self, name) for name in self.own_settings}
        if self.augment is not None:
            augment = keras.saving.serialize_keras_object(self.augment)
            config["augment"] = augment
        return super().get_config() | config

    def _augmented(self, unlabeled):
        if self.augment is None:
            return unlabeled
        training = isinstance(self.augment, keras.Layer)
        options = {"training": True} if training else {}
        found = self.augment(unlabeled, **options)
        few_labels_checks.check_augmented(found, unlabeled)
        return keras.tree.map_structure(
            lambda one, like: tf.cast(one, like.dtype), found, unlabeled
        )

    def _guess(self, copies):
        outputs = outputs_without_statistics(self.network, copies)
        class_outputs.check_output(outputs[0], "MixMatchModel")
        found = [class_outputs.probabilities(one, self.from_logits) for one in outputs]
        return class_outputs.sharpened(tf.add_n(found) / len(found), self.temperature)

    def _mixed(self, batches, key, alpha):
        """The batches, each (x, rows, weights), with their partners mixed in."""
        labeled, unlabeled = batches[:1], batches[1:]
        of_unlabeled = keys.fold_in(key, keys.Stream.UNLABELED)
        if self.mix == "all":
            return self._mixed_together(batches, key, alpha)
        if self.mix in ("labeled", "separately"):
            labeled = self._mixed_together(labeled, key, alpha)
        if self.mix in ("unlabeled", "separately"):
            unlabeled = self._mixed_together(unlabeled, of_unlabeled, alpha)
        return [*labeled, *unlabeled]

    def _mixed_together(self, batches, key, alpha):
        sizes = [mixing.batch_size_of(rows) for _, rows, _ in batches]
        together = keras.tree.map_structure(
            lambda *leaves: tf.concat(leaves, axis=0), *batches
        )
        x, rows, weights = together
        draw = self.mixup.draw(sum(sizes), key, alpha)
        parts = mixing.gather_parts([(rows, weights)], draw.partners)
        rows, weights = targets.mix_target(
            [part[0] for part in parts], [part[1] for part in parts], draw.coefficients
        )
        split = [
            tf.split(leaf, sizes) for leaf in keras.tree.flatten(mixed_by(draw, x))
        ]
        xs = [keras.tree.pack_sequence_as(x, list(one)) for one in zip(*split)]
        return list(zip(xs, tf.split(rows, sizes), tf.split(weights, sizes)))


def _weight_of(sample_weight, rows):
    """A float32 weight for each labeled example, 1 without sample weights."""
    if sample_weight is None:
        return tf.ones([mixing.batch_size_of(rows)])
    return targets.fit_weight(tf.convert_to_tensor(sample_weight), rows)
