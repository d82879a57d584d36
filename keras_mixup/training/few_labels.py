"""What ICT and MixMatch share: a step on two batches, and evaluation by an average."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import tensorflow as tf

from keras_mixup import draws, keras_private, keys, mixing
from keras_mixup.ends_in_logits import ends_in_logits
from keras_mixup.mixup import MixUp
from keras_mixup.settings import cannot_change
from keras_mixup.training import (
    class_outputs,
    counting,
    drawn_seeds,
    few_labels_checks,
    model_checks,
    unlabeled_data,
)
from keras_mixup.training.averaged_weights import AveragedModel
from keras_mixup.training.descent import descend, penalty_of
from keras_mixup.training.several_workers import SeveralWorkers


class FewLabelsModel(drawn_seeds.KeepsSeed, SeveralWorkers, AveragedModel):
    """Trains a network on labeled and unlabeled batches, and evaluates its average.

    Called, evaluated, predicting and exported it is `teacher`; `network` is what the
    optimizer moves. A subclass says what a step compares (`forward_of`) and how much
    the unlabeled part weighs (`unlabeled_weight_at`).

    Args:
        network: A Keras network with one output of classes.
        mixup: A `keras_mixup.MixUp`.
        teacher_decay: As of `averaged_weights`. None or 0: there is no average.
        ramp_up: Number of steps over which the unlabeled part gains its weight.
    """

    # The name of the metric of the unlabeled part, and what a traced step has taken in.
    unlabeled_name = "unlabeled_loss"
    fixed: tuple[str, ...] = ("network", "mixup", "teacher_decay", "ramp_up", "seed")

    def __init__(
        self,
        network: keras.Model,
        mixup: MixUp,
        teacher_decay: float | None,
        ramp_up: int,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        few_labels_checks.check_policy(mixup, name)
        model_checks.check_arguments(network, mixup, ["input"], None, of=name)
        model_checks.check_network(network, ["input"], [], of=name)
        few_labels_checks.check_inputs(network, name)
        few_labels_checks.check_steps("ramp_up", ramp_up)
        # The network casts its inputs itself, and its policy decides on loss scaling.
        settings = {"autocast": False, "dtype": network.dtype_policy, **kwargs}
        super().__init__(**settings)
        self.network = network
        self.mixup = mixup
        self.ramp_up = ramp_up
        self.seed = drawn_seeds.seed_of(mixup)
        self.step = counting.new_counter(self)
        self._supervised = keras.metrics.Mean("supervised_loss")
        self._unsupervised = keras.metrics.Mean(self.unlabeled_name)
        self.set_average(teacher_decay)

    def __setattr__(self, name, value):
        if name in self.fixed and name in vars(self):
            raise AttributeError(cannot_change(type(self).__name__, name, False))
        super().__setattr__(name, value)

    def forward_of(self, labeled, unlabeled, key, alpha):
        """The function of a step, from what is drawn and guessed before it.

        Args:
            labeled: `(x, y, sample_weight)`.
            unlabeled: The unlabeled x.
            key: The key of (seed, step, replica).
            alpha: That of the policy at this step.

        Returns:
            A function that runs the network and gives the supervised loss, the
            unlabeled one, and a function that updates the compiled metrics.
        """
        raise NotImplementedError

    def unlabeled_weight_at(self, step):
        """What the unlabeled part weighs at a step, counted from 0."""
        raise NotImplementedError

    def ramp(self, step):
        """The share of the ramp-up that is over, in [0, 1]."""
        if not self.ramp_up:
            return tf.constant(1.0)
        return tf.minimum(tf.cast(step, tf.float32) / self.ramp_up, 1.0)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`, with a cross-entropy of classes.

        Raises:
            ValueError: for another loss or weights of losses, and where the loss and
                the network disagree whether the output holds logits.
        """
        few_labels_checks.check_loss_weights(loss_weights, type(self).__name__)
        checked = class_outputs.check_loss(loss, type(self).__name__)
        object.__setattr__(self, "checked_loss", checked)
        self.from_logits = ends_in_logits(self.network, loss)
        self.set_loss(checked)
        super().compile(optimizer, loss, None, *args, **kwargs)

    def set_loss(self, loss):
        """Takes the checked loss, for the labeled part of a step."""
        raise NotImplementedError

    def compile_from_config(self, config):
        """As `keras.Model.compile_from_config`."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.network.trainable_variables)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """As `keras.Model.fit`, on a dataset of `keras_mixup.labeled_and_unlabeled`."""
        spec: Any = getattr(x, "element_spec", None)
        name = type(self).__name__
        bound = inspect.signature(keras.Model.fit).bind(self, x, *args, **kwargs)
        given = bound.arguments
        unlabeled_data.check_both(spec, name)
        few_labels_checks.refuse_class_weight(given.get("class_weight"), name)
        unlabeled_data.refuse_both(given.get("validation_data"), name)
        with self.distribute_strategy.scope():
            keras_private.build_for_batch(self, spec[unlabeled_data.LABELED])
        few_labels_checks.check_inputs(self.network, name)
        return super().fit(x, *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`, on labeled batches alone."""
        unlabeled_data.refuse_both(x, type(self).__name__)
        return super().evaluate(x, *args, **kwargs)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """As Keras's, of labels that are looked at first."""
        class_outputs.check_labels(y, y_pred, self.checked_loss, type(self).__name__)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def train_step(self, data):
        """One step of the network, and one of its average."""
        labeled, unlabeled = unlabeled_data.parts_of(data, type(self).__name__)
        x = labeled[0]
        if not self.built:
            self.build(keras.tree.map_structure(lambda leaf: leaf.shape, x))
        with counting.behind(data):
            step = counting.next_step(self.step)
        key = keys.make_key(self.seed, step, keys.replica_in_sync())
        alpha = self.mixup.alpha_at(step)
        forward = self.forward_of(labeled, unlabeled, key, alpha)
        weight, seen = self.unlabeled_weight_at(step), {}

        def loss():
            supervised, unsupervised, seen["update_metrics"] = forward()
            seen["parts"] = supervised, unsupervised
            return supervised + weight * unsupervised

        value = descend(loss, self.network, self.optimizer)
        self.move_average(step + 1)
        rows = mixing.batch_size_of(keras.tree.flatten(x)[0])
        parts = value + penalty_of(self.network), *seen["parts"]
        total = next(metric for metric in self.metrics if metric.name == "loss")
        metrics = total, self._supervised, self._unsupervised
        for metric, part in zip(metrics, parts, strict=True):
            metric.update_state(part, tf.cast(rows, tf.float32))
        seen["update_metrics"]()
        return self.get_metrics_result()

    def test_step(self, data):
        """Keras's own, by the teacher."""
        results = super().test_step(data)
        for metric in (self._supervised, self._unsupervised):
            results.pop(metric.name, None)
        return results

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "network": serialize(self.network),
            "mixup": serialize(self.mixup),
            "teacher_decay": self.teacher_decay,
            "ramp_up": self.ramp_up,
            "seed": self.seed,
        }


def mixed_by(draw, nest):
    """A nest of tensors, mixed with itself by a draw."""
    parts = mixing.gather_parts([nest], draw.partners)
    return mixing.mix_parts(parts, draw.coefficients)


def unmixed():
    """The draw that mixes nothing."""
    return draws.Draw([tf.ones(())], [])
