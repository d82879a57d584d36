"""ICTModel: interpolation consistency, for many examples of which few have labels."""

from __future__ import annotations

from typing import Any, Literal

import keras
import tensorflow as tf

from keras_mixup import arguments, keras_private, keys, mixing
from keras_mixup.mixup import MixUp
from keras_mixup.training import (
    class_outputs,
    mixed_loss,
    mixed_metrics,
    mixed_targets,
    model_checks,
)
from keras_mixup.training.few_labels import FewLabelsModel, mixed_by, unmixed

TEACHER_MIXES = ("logits", "probabilities")


@keras.saving.register_keras_serializable("keras_mixup")
class ICTModel(FewLabelsModel):
    """Trains a classifier with interpolation consistency (Verma et al., 2019).

        L = CE(mixed labeled batch)
            + w(t) mean((f(mix(u_j, u_k)) - mix(f'(u_j), f'(u_k)))**2)

    f gives probabilities, and f' is `teacher`, the average of the weights of f:
    `theta' <- a theta' + (1 - a) theta` after step t = 1, 2, ..., with
    `a = min(1 - 1 / (t + 1), teacher_decay)`. The mean is over examples and classes.
    `w(t) = consistency exp(-5 (1 - t / ramp_up)**2)` rises with the steps before this
    one, and stays at `consistency` from `ramp_up` steps on.

    It is a `keras.Model`: `fit` takes `keras_mixup.labeled_and_unlabeled(...)`;
    `evaluate`, `predict`, validation and exports are those of the teacher. Labeled and
    unlabeled batches have draws of their own, which follow from (seed, step, replica).
    A policy with `per="batch"` has one lam a batch, as the authors' program.

    Examples:
        >>> mixup = keras_mixup.MixUp(1.0)
        >>> model = keras_mixup.ICTModel(network, mixup, ramp_up=10_000)
        >>> model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
        >>> model.fit(keras_mixup.labeled_and_unlabeled(labeled, unlabeled))

    **Batch norm.** As in the authors' program the average is of what is trained alone:
    the teacher runs in training mode on the clean unlabeled batch, is normalized by
    that batch, and keeps statistics of its own. The network's statistics are of mixed
    batches, so they are not those of what the teacher sees. (The authors' teacher sees
    the clean labeled batch as well, and their network the clean batches, for numbers
    that they print.)

    **Metrics** are of the mixed labeled batch, as in `MixUpModel`, with
    `supervised_loss` and `consistency_loss` (without its weight).

    Args:
        network: A Keras network without a training of its own, which gives logits or
            probabilities `(batch, classes)`; the compiled loss, a cross-entropy of
            classes, and the last activation say which.
        mixup: A `keras_mixup.MixUp`. The paper has alpha 1 for CIFAR-10 and 0.1 for
            SVHN. Pairings that go by labels are refused.
        consistency: What the unlabeled part weighs in the end, w above.
        ramp_up: Steps until then; the paper has a quarter of the training. 0: from the
            first step on.
        teacher_decay: In [0, 1). None or 0: no average; the network itself, in
            training mode, is the teacher.
        teacher_mixes: `"logits"`: the teacher's logits are mixed and softmax is taken
            after, as in the authors' program; or `"probabilities"`.
        mix_labeled: Whether the labeled batch is mixed too.

    Raises:
        ValueError: for arguments out of range, policies that need labels, networks that
            cannot be copied, and, in `compile`, other losses.

    References:
        Verma et al., "Interpolation consistency training for semi-supervised
        learning", IJCAI 2019.
    """

    unlabeled_name = "consistency_loss"
    takes_statistics = False
    fixed = (*FewLabelsModel.fixed, "consistency", "teacher_mixes", "mix_labeled")

    def __init__(
        self,
        network: keras.Model,
        mixup: MixUp,
        *,
        consistency: float = 100.0,
        ramp_up: int = 0,
        teacher_decay: float | None = 0.999,
        teacher_mixes: Literal["logits", "probabilities"] = "logits",
        mix_labeled: bool = True,
        **kwargs: Any,
    ) -> None:
        model_checks.check_weight("consistency", consistency)
        arguments.check_choice("teacher_mixes", teacher_mixes, TEACHER_MIXES)
        super().__init__(network, mixup, teacher_decay, ramp_up, **kwargs)
        self.consistency = consistency
        self.teacher_mixes = teacher_mixes
        self.mix_labeled = mix_labeled

    def set_loss(self, loss):
        """Takes the loss of mixed targets."""
        object.__setattr__(self, "_mixed_loss", mixed_loss.MixedLoss(loss))

    def unlabeled_weight_at(self, step):
        """The weight w(t) of the unlabeled part at a step."""
        return self.consistency * tf.exp(-5 * (1 - self.ramp(step)) ** 2)

    def forward_of(self, labeled, unlabeled, key, alpha):
        """The network on both mixed batches, against the labels and the teacher."""
        x, y, sample_weight = labeled
        mixed_targets.check_batch(y, sample_weight)
        draw = self._draw(unlabeled, keys.fold_in(key, keys.Stream.UNLABELED), alpha)
        target = tf.stop_gradient(self._mixed_guess(unlabeled, draw))
        unlabeled = mixed_by(draw, unlabeled)
        y = class_outputs.checked_numbers(y, target.shape[-1])
        draw = self._draw(x, key, alpha) if self.mix_labeled else unmixed()
        mixed = mixed_targets.mixed_batch(y, sample_weight, self.mixup, [draw])
        y, sample_weight, _ = mixed
        x = mixed_by(draw, x)

        def forward():
            output = self.network(unlabeled, training=True)
            guess = class_outputs.probabilities(output, self.from_logits)
            consistency = class_outputs.mean_square(guess, target)
            # Last: the penalties of activities are those of the labeled batch.
            y_pred = self.network(x, training=True)
            class_outputs.check_output(y_pred, "ICTModel")
            supervised = self._mixed_loss(y, y_pred, sample_weight)
            # Keras has divided it by the number of replicas.
            supervised *= tf.distribute.get_strategy().num_replicas_in_sync

            def update_metrics():
                compiled = keras_private.compiled_metrics(self)
                mixed_metrics.update_metrics(compiled, y, y_pred, sample_weight, {})

            return supervised, consistency, update_metrics

        return forward

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        names = ("consistency", "teacher_mixes", "mix_labeled")
        return super().get_config() | {name: getattr(self, name) for name in names}

    def _draw(self, x, key, alpha):
        size = mixing.batch_size_of(keras.tree.flatten(x)[0])
        return self.mixup.draw(size, key, alpha)

    def _mixed_guess(self, unlabeled, draw):
        output = self.teacher(unlabeled, training=True)
        class_outputs.check_output(output, "ICTModel")
        if self.teacher_mixes == "logits":
            logits = class_outputs.logits(output, self.from_logits)
            return tf.nn.softmax(mixed_by(draw, logits))
        return mixed_by(draw, class_outputs.probabilities(output, self.from_logits))
