"""MixUpModel: any Keras network, trained with mixing at its input or inside."""

from __future__ import annotations

from typing import Any

import keras

from keras_mixup import (
    batches,
    draws,
    halves,
    hints,
    keras_private,
    metrics,
    mixing_points,
)
from keras_mixup.policy import Policy
from keras_mixup.settings import cannot_change
from keras_mixup.training import clean_accuracy as of_clean
from keras_mixup.training import (
    counting,
    cuts,
    drawn_seeds,
    layer_names,
    mixed_inputs,
    mixed_loss,
    mixed_metrics,
    mixed_targets,
    model_checks,
)
from keras_mixup.training.callbacks import with_warning
from keras_mixup.training.several_workers import SeveralWorkers

# Settings that a traced step has taken in.
_FIXED = {"network", "mixup", "mix_at", "clean_accuracy", "seed"}
_FIXED |= {"mix_losses", "metric_targets", "clean_weight"}


@keras.saving.register_keras_serializable("keras_mixup")
class MixUpModel(drawn_seeds.KeepsSeed, SeveralWorkers, keras.Model):
    """Trains a network with mixup on the accelerator, in the train step.

    Each step draws lam and partners from (seed, step, replica), mixes the features, and
    takes the loss `lam L(y_i) + (1 - lam) L(y_j)`, with the compiled loss L. `fit`,
    `evaluate`, `predict` and `save` are those of Keras. Nothing is mixed outside of the
    train step, and with alpha 0 the step is Keras's own.

    Examples:
        >>> model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(alpha=1.0))
        >>> loss = "sparse_categorical_crossentropy"
        >>> model.compile("sgd", loss, metrics=["accuracy"])
        >>> model.fit(x, y)

    **Loss.** With one lam a batch L may be any loss that Keras takes. It is called once
    for each example of the mix, two times a step. With `per="example"` it has to give a
    value an example. Where L is one of Keras's and its targets can be averaged, one
    call on the mixed target takes the place of the two, `L(lam y_i + (1 - lam) y_j)`:
    float targets in the shape of the prediction, and targets of a cross-entropy or of a
    regression loss. That is the same for a loss that is linear in its target;
    `BinaryFocalCrossentropy`, `Dice` and `Tversky` are not, and `mix_losses=True` gives
    them the two calls. Class numbers, also those given as floats, and labels of hinge
    losses are never averaged. Float targets of a loss of your own are averaged only
    with `mix_losses=False`; give it class numbers as integers. A sample weight w
    belongs to its part: `lam w_i L(y_i) + (1 - lam) w_j L(y_j)`. Where the prediction
    has a mask, each part counts at its own positions.

    **Metrics** keep their names. For an output of classes they see the clean targets,
    each weighted by its share: `lam acc(y_i) + (1 - lam) acc(y_j)`; IoU, which counts
    in whole numbers, sees the heavier one. For an output of quantities they see the
    mixed target. `keras_mixup.training.mixed_metrics` has the rule.

    Args:
        network: A `keras.Model` or layer: functional, sequential or subclassed, without
            a `train_step`, `compute_loss`, `fit` and the like of its own.
        mixup: A policy, such as `keras_mixup.MixUp`. Its `seed` makes training
            repeatable; None takes one from Python's generator
            (`keras.utils.set_random_seed`). Its `num_classes` is not needed: integer
            labels stay integers.
        mix_at: Names of the layers at whose output features are mixed. "input"
            is the input. One of several is drawn each step, as in manifold
            mixup. A functional network is cut there, one inside of it too
            ("backbone/block_3"); elsewhere name a
            `keras_mixup.layers.MixFeatures` layer. At padding, features weigh
            nothing where the mask is known: at hidden layers, and at inputs that go
            into a `keras.layers.Masking` layer of a functional network.
        clean_accuracy: Whether training also shows `clean_accuracy`, of the
            network in inference mode on the unmixed batch, without sample weights. It
            costs one more forward pass, about a third of a step. It needs one output of
            one class an example (integers, one-hot rows, or one unit).
        mix_losses: Whether each example of the mix has a call of the loss (True), or
            the mixed target has one where it can be averaged (False). None: see above.
        metric_targets: Dict from names of metrics to "clean" or "mixed", over the rule.
        clean_weight: Number >= 0, what the loss of the unmixed batch weighs beside that
            of the mixed one: `L(mixed) + clean_weight L(clean)`. RegMixup,
            `L(clean) + eta L(mixed)`, is `1 / eta`, with a learning rate eta times as
            high; the paper has 1, and alpha 20 (10 for CIFAR-100). Its program takes
            the mean of both: take half of its rate. As there, both run through the
            network as one batch, so that batch norm sees both; the clean half is never
            mixed. Metrics but the loss are of the mixed half.

    Raises:
        ValueError: for a layer name that does not exist, a place where the network
            cannot be cut, or a network with a training of its own.

    References:
        Zhang et al. (2018), section 2 and Table 5; Verma et al. (2019); Pinto et al.
        (2022), "RegMixup".
    """

    def __init__(
        self,
        network: keras.Layer,
        mixup: Policy,
        mix_at: hints.Names = (cuts.INPUT,),
        clean_accuracy: bool = False,
        *,
        mix_losses: bool | None = None,
        metric_targets: hints.MetricTargets | None = None,
        clean_weight: float = 0.0,
        **kwargs: Any,
    ) -> None:
        names = layer_names.own_names(network, mix_at)
        model_checks.check_arguments(network, mixup, names, metric_targets, mix_losses)
        # The network casts its inputs itself, and its policy decides on loss scaling.
        settings = {"autocast": False, "dtype": network.dtype_policy, **kwargs}
        super().__init__(**settings)
        self.network = network
        self.mixup = mixup
        self.mix_at = names
        self.clean_accuracy = clean_accuracy
        self.mix_losses = mix_losses
        self.metric_targets = dict(metric_targets or {})
        model_checks.check_clean_weight(clean_weight, network)
        self.clean_weight = float(clean_weight)
        self._cut_names = cuts.find_cuts(network, names)
        model_checks.check_network(network, names, self._cut_names)
        # Out of Keras's tracking: the segments hold the network's own weights.
        object.__setattr__(self, "_segments", cuts.cut(network, self._cut_names))
        mixed_inputs.check_input_dtype(network, mixup, names)
        self.seed = drawn_seeds.seed_of(mixup)
        self.step = counting.new_counter(self)
        # No part of the model: not saved, and read once by a callback.
        object.__setattr__(self, "_soft_labels", counting.new_flag("soft_labels"))
        self._clean = metrics.CleanAccuracy() if clean_accuracy else None
        self.built = bool(network.built)

    def __setattr__(self, name, value):
        if name in _FIXED and name in vars(self):
            raise AttributeError(cannot_change("MixUpModel", name))
        super().__setattr__(name, value)

    def build(self, input_shape):
        """Builds the network for inputs of that shape."""
        if not self.network.built:
            self.network(keras.tree.map_shape_structure(keras.KerasTensor, input_shape))
            mixed_inputs.check_input_dtype(self.network, self.mixup, self.mix_at)
        self.built = True

    def compile(
        self, optimizer: Any = "rmsprop", loss: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        """As `keras.Model.compile`."""
        if self.clean_accuracy:
            of_clean.check_metric_names(args, kwargs)
        loss = mixed_loss.unwrapped(loss)
        wrapped = mixed_loss.wrapped(loss, self.mix_losses)
        super().compile(optimizer, wrapped, *args, **kwargs)
        # As the user gave it, without Keras's wrappers of lists and dicts.
        object.__setattr__(self, "loss", loss)

    def compile_from_config(self, config):
        """As `keras.Model.compile_from_config`."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def export(self, *args: Any, **kwargs: Any) -> None:
        """Exports the network; nothing of the mixing is part of it."""
        self.network.export(*args, **kwargs)

    @property
    def output_names(self) -> list[str] | None:
        """The names of the network's outputs, for losses given by name."""
        return getattr(self.network, "output_names", None)

    @property
    def metrics(self) -> list[Any]:
        """Those of Keras, and those that the network keeps itself."""
        return [*super().metrics, *keras_private.metrics_of_model(self.network)]

    def call(self, inputs, training=None):
        """The network's own output; only a train step mixes."""
        points = mixing_points.active_points()
        if points is None:
            return self.network(inputs, training=training)
        if points.with_clean:
            inputs = halves.joined(inputs, points.inputs)
        if self._segments:
            y_pred = cuts.run_segments(
                self._segments, self._cut_names, inputs, points, training
            )
        else:
            y_pred = self.network(inputs, training=training)
        points.forward_is_over = True
        points.check_reached()
        placed = list(points.placed.values())
        points.mixed = mixed_targets.mixed_batch(*points.clean, self.mixup, placed)
        clean = None
        if points.with_clean:
            y_pred, clean = halves.halves(y_pred)
            mixed_targets.note_clean(y_pred, clean, self.clean_weight)
        if mixed_targets.any_mask(y_pred):
            if clean is None:
                # Which positions each part has itself. This pass leaves no losses and
                # no states behind: a graph leaves out all of it but the masks.
                with mixing_points.mixing_at(None), keras.StatelessScope():
                    clean = self.network(points.inputs, training=False)
            mixed_targets.note_masks(y_pred, clean, points.mixed[2], self.mixup.padding)
        return y_pred

    def fit(
        self, *args: Any, callbacks: Any = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """As `keras.Model.fit`.

        It warns after the first batch when the labels of classes are soft rows: they
        may be mixed already. Soft labels that are meant as such need no change.
        """
        args, kwargs = with_warning(self, args, {**kwargs, "callbacks": callbacks})
        return super().fit(*args, **kwargs)

    def train_step(self, data):
        """One step on a mixed batch."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if not self.built:
            # Outside of the step, in which a mixing point may be called once.
            self(x, training=False)
        if self.clean_accuracy:
            of_clean.update(self, self._clean, x, y)
        further = self.mixup.label_smoothing or self.clean_weight
        if self.mixup.is_identity and not further:
            return super().train_step(data)
        sample_weight = mixed_targets.in_output_order(sample_weight, self.network)
        mixed_targets.check_batch(y, sample_weight)
        ends = mixed_inputs.names_of_ends(self.network)
        batches.check_names((x, y), self.mixup, *ends)
        given = mixed_targets.given_targets(y)
        draw, key = counting.drawn(self, (y, sample_weight), *given)
        at_places = draws.draws_at(self.mix_at, draw, key)
        clean = y, sample_weight
        points = mixing_points.MixingPoints(at_places, self.mixup, key, x, clean)
        points.with_clean = self.clean_weight > 0
        if cuts.INPUT in self.mix_at:
            x = mixed_inputs.mix_inputs(self.network, x, points)
        with mixing_points.mixing_at(points):
            results = super().train_step((x, y, sample_weight))
        mixed, _, _ = points.mixed
        counting.raise_flag(self._soft_labels, mixed_loss.any_soft_rows(mixed))
        return results

    def test_step(self, data):
        """One step of evaluation: Keras's own."""
        results = super().test_step(data)
        if self.clean_accuracy:
            results.pop("clean_accuracy", None)
        return results

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        """The compiled losses, in a train step of the mixed targets."""
        points = mixing_points.active_points()
        if points is not None:
            y, sample_weight, _ = points.mixed
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The compiled metrics; `training.mixed_metrics` says what each sees."""
        points = mixing_points.active_points()
        if points is None:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        y, sample_weight, _ = points.mixed
        compiled = keras_private.compiled_metrics(self)
        mixed_metrics.update_metrics(
            compiled, y, y_pred, sample_weight, self.metric_targets
        )
        return self.get_metrics_result()

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "mixup": keras.saving.serialize_keras_object(self.mixup),
            "mix_at": self.mix_at,
            "clean_accuracy": self.clean_accuracy,
            "mix_losses": self.mix_losses,
            "metric_targets": self.metric_targets,
            "clean_weight": self.clean_weight,
            "seed": self.seed,
        }
