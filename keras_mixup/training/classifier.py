"""MixUpModel: any Keras network, trained with mixing at its input or inside."""

import functools
import random

import keras
import tensorflow as tf

from keras_mixup import (
    batches,
    keras_private,
    keys,
    layers,
    metrics,
    mixing,
    sampling,
)
from keras_mixup.arguments import check_choice
from keras_mixup.mixup import MixUp
from keras_mixup.targets import target_coefficients
from keras_mixup.training import (
    counting,
    cuts,
    mixed_loss,
    mixed_metrics,
    mixed_targets,
    own_steps,
)
from keras_mixup.training.callbacks import WarnOfMixedLabels
from keras_mixup.training.several_workers import SeveralWorkers

# Settings that a traced step has taken in.
_FIXED = (
    "network",
    "mixup",
    "mix_at",
    "clean_accuracy",
    "mix_losses",
    "metric_targets",
    "seed",
)


@keras.saving.register_keras_serializable("keras_mixup")
class MixUpModel(SeveralWorkers, keras.Model):
    """Trains a network with mixup on the accelerator, in the train step.

    Each step draws lam and partners from (seed, step, replica), mixes the
    features, and takes the loss `lam loss(y_i) + (1 - lam) loss(y_j)`: two terms
    for integer targets, one loss of the mixed target for float targets (the same
    for a loss that is linear in its target). `fit`, `evaluate`, `predict`,
    `save` are those of Keras; nothing is mixed outside the train step, and with
    alpha 0 the step is Keras's own.

    Metrics keep their names. In training, classification metrics are weighted:
    `lam acc(y_i) + (1 - lam) acc(y_j)`; regression metrics are those of the
    mixed target, and IoU, which counts in whole numbers, of the heavier one.

    Losses must average over the batch or sum; one of reduction
    "mean_with_sample_weight" would divide lam out and raises. With integer targets and
    `per="example"` a loss has to give a value for each example: one that has averaged
    already raises. Outputs without a loss need no target.

    Args:
        network: A `keras.Model` or layer: functional, sequential or subclassed.
        mixup: A `keras_mixup.MixUp`. Its `seed` makes training repeatable; None
            takes one from Python's generator (`keras.utils.set_random_seed`).
            Its `num_classes` is not needed: integer labels stay integers.
        mix_at: Names of the layers at whose output features are mixed. "input"
            is the input. Of several, one is drawn each step, as in manifold
            mixup. A functional network is cut there; elsewhere name a
            `keras_mixup.layers.MixFeatures` layer.
        clean_accuracy: Whether training also shows `clean_accuracy`, of the
            network in inference mode on the unmixed batch. It costs one more
            forward pass, about a third of a step. For one output of one class an
            example (integers, one-hot rows, or one unit).

    Raises:
        ValueError: for a layer name that does not exist, or a place where the
            network cannot be cut.

    References:
        Zhang et al. (2018), section 2 and Table 5; Verma et al. (2019).

    Example:
    >>> model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(alpha=1.0))
    >>> model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> model.fit(x, y)
    """

    def __init__(
        self,
        network,
        mixup,
        mix_at=(cuts.INPUT,),
        clean_accuracy=False,
        *,
        mix_losses=False,
        metric_targets=None,
        **kwargs,
    ):
        if not isinstance(network, keras.Layer):
            raise ValueError(
                "Invalid value received for argument `network`. Expected a Keras model "
                "or layer. A model of tf.keras or tf_keras is mixed in the pipeline: "
                "dataset.map(keras_mixup.MixUp(...)), then its own `fit`. Received: "
                f"network={network!r} of type {type(network).__module__}."
                f"{type(network).__qualname__}"
            )
        # The network casts its inputs where it wants them cast. Its policy decides on
        # loss scaling, as it does in its own `compile`.
        settings = {"autocast": False, "dtype": network.dtype_policy, **kwargs}
        super().__init__(**settings)
        if not isinstance(mixup, MixUp):
            raise ValueError(
                "Invalid value received for argument `mixup`. Expected a "
                f"keras_mixup.MixUp. Received: mixup={mixup!r}"
            )
        self.mixup = mixup
        self.mix_at = [mix_at] if isinstance(mix_at, str) else list(mix_at)
        if not self.mix_at:
            raise ValueError(
                "Invalid value received for argument `mix_at`. Expected at least one "
                "layer name. Received: mix_at=[]"
            )
        if len(set(self.mix_at)) < len(self.mix_at):
            raise ValueError(
                "Invalid value received for argument `mix_at`. Expected names that are "
                f"all different. Received: mix_at={self.mix_at}"
            )
        if mixup.ignore_class is not None:
            raise ValueError(
                "MixUpModel leaves ignored classes to the loss. Expected "
                "MixUp(ignore_class=None) and SparseCategoricalCrossentropy("
                f"ignore_class=...). Received: ignore_class={mixup.ignore_class}"
            )
        self.metric_targets = dict(metric_targets or {})
        for name, choice in self.metric_targets.items():
            check_choice(f"metric_targets[{name!r}]", choice, mixed_metrics.CHOICES)
        self.network = network
        self.clean_accuracy = clean_accuracy
        self.mix_losses = mix_losses
        self._cut_names = cuts.find_cuts(network, self.mix_at)
        own_steps.check_network(network, self.mix_at, self._cut_names)
        # Out of Keras's tracking: the segments hold the network's own weights.
        segments = cuts.cut(network, self._cut_names)
        object.__setattr__(self, "_segments", segments)
        if cuts.INPUT in self.mix_at:
            cuts.check_input_dtype(network, mixup.passthrough)
        seed = random.randint(0, 2**31 - 1) if mixup.seed is None else mixup.seed
        self.seed = seed
        # Counts batches; optimizer.iterations does not under gradient accumulation.
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        # No part of the model: not saved, and read once by a callback.
        once = tf.Variable(
            0.0,
            trainable=False,
            name="soft_labels",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        object.__setattr__(self, "_soft_labels", once)
        self._clean = metrics.CleanAccuracy() if clean_accuracy else None
        self.built = bool(network.built)

    def __setattr__(self, name, value):
        if name in _FIXED and name in vars(self):
            raise AttributeError(
                f"`{name}` of a MixUpModel is fixed once it is made: a step that is "
                "traced already would not see another. Expected another MixUpModel "
                "around the same network, or an alpha that moves: "
                "keras_mixup.AlphaSchedule(...), or a tf.Variable as alpha. "
                f"Received: {name}={value!r}"
            )
        super().__setattr__(name, value)

    def build(self, input_shape):
        """Builds the network for inputs of that shape."""
        if not self.network.built:
            self.network(keras.tree.map_shape_structure(keras.KerasTensor, input_shape))
        self.built = True

    def compile(self, optimizer="rmsprop", loss=None, *args, **kwargs):
        """As `keras.Model.compile`."""
        loss = mixed_loss.unwrapped(loss)
        wrapped = mixed_loss.wrapped(loss, self.mix_losses)
        super().compile(optimizer, wrapped, *args, **kwargs)
        self.loss = loss

    def compile_from_config(self, config):
        """As `keras.Model.compile_from_config`."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    @property
    def output_names(self):
        """The names of the network's outputs, for losses given by name."""
        return getattr(self.network, "output_names", None)

    def call(self, inputs, training=None):
        """The network's own output; only a train step mixes."""
        points = layers.active_points()
        if points is None:
            return self.network(inputs, training=training)
        if self._segments:
            y_pred = cuts.run_segments(
                self._segments, self._cut_names, inputs, points, training
            )
        else:
            y_pred = self.network(inputs, training=training)
        points.forward_is_over = True
        outputs = keras.tree.flatten(y_pred)
        if any(keras_private.mask_of(one) is not None for one in outputs):
            # Which positions each part has itself: a graph leaves out all of this pass
            # but the masks.
            with layers.mixing_at(None):
                clean = self.network(points.inputs, training=False)
            for one, unmixed in zip(outputs, keras.tree.flatten(clean), strict=True):
                mask = keras_private.mask_of(unmixed)
                one._mixup_masks = None if mask is None else points.parts_of(mask)
        return y_pred

    def fit(self, *args, callbacks=None, **kwargs):
        """`keras.Model.fit`, which see.

        Warns after the first batch when its labels are soft rows: either they
        come mixed already, or they are soft on purpose and the warning is moot.
        """
        if len(args) > 5:
            callbacks = args[5]
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = [*keras.tree.flatten(callbacks or []), WarnOfMixedLabels()]
        if len(args) > 5:
            return super().fit(*args[:5], callbacks, *args[6:], **kwargs)
        return super().fit(*args, callbacks=callbacks, **kwargs)

    def train_step(self, data):
        """One step on a mixed batch."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if not self.built:
            # Outside of the step, in which a mixing point may be called once.
            self(x, training=False)
        if self.clean_accuracy:
            self._update_clean_accuracy(x, y)
        if self.mixup.is_identity and not self.mixup.label_smoothing:
            return super().train_step(data)
        sample_weight = mixed_targets.in_output_order(sample_weight, self.network)
        mixed_targets.check_batch(y, sample_weight)
        draw, key = self._draw(y, sample_weight)
        shares = target_coefficients(draw.coefficients, self.mixup.targets)
        parts_of = functools.partial(
            mixed_targets.parts_of, partners=draw.partners, shares=shares
        )
        mixed = mixed_targets.mixed_targets(y, self.mixup, parts_of, shares)
        weights = mixed_targets.mixed_weights(sample_weight, parts_of)
        points = layers.MixingPoints(self._draws(draw, key), x, parts_of)
        if cuts.INPUT in self.mix_at:
            x = self._mix_inputs(x, points.draws.pop(cuts.INPUT))
        with layers.mixing_at(points):
            results = super().train_step((x, mixed, weights))
        points.check_reached()
        soft = mixed_loss.any_soft_rows(mixed)
        if soft is not None:
            self._soft_labels.assign(tf.maximum(self._soft_labels, soft))
        return results

    def test_step(self, data):
        """One step of evaluation: Keras's own."""
        results = super().test_step(data)
        if self.clean_accuracy:
            results.pop("clean_accuracy", None)
        return results

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The compiled metrics; `training.mixed_metrics` says what each sees."""
        if not mixed_targets.is_mixed(y):
            return super().compute_metrics(x, y, y_pred, sample_weight)
        _, compiled = keras_private.compiled_parts(self)
        mixed_metrics.update_metrics(
            compiled, y, y_pred, sample_weight, self.metric_targets
        )
        return self.get_metrics_result()

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "mixup": keras.saving.serialize_keras_object(self.mixup),
            "mix_at": self.mix_at,
            "clean_accuracy": self.clean_accuracy,
            "mix_losses": self.mix_losses,
            "metric_targets": self.metric_targets,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model of a `get_config`."""
        config = dict(config)
        for name in ("network", "mixup"):
            config[name] = keras.saving.deserialize_keras_object(
                config[name], custom_objects
            )
        seed = config.pop("seed", None)
        model = cls(**config)
        # A seed that was drawn is kept: a loaded model goes on with the same draws.
        if seed is not None:
            object.__setattr__(model, "seed", seed)
        return model

    def _draw(self, y, sample_weight):
        with counting.behind([y, sample_weight]):
            step = counting.next_step(self.step)
        key = keys.make_key(self.seed, step, keys.replica_in_sync())
        labels = [
            tf.convert_to_tensor(one)
            for one in keras.tree.flatten(y)
            if one is not None
        ]
        size = mixing.batch_size_of(labels[0])
        alpha = self.mixup.alpha_at(step)
        return self.mixup.draw(size, key, alpha, labels[0]), key

    def _update_clean_accuracy(self, x, y):
        if keras.tree.is_nested(y):
            raise ValueError(
                "`clean_accuracy` is of one output. Expected one target. Received: "
                f"{len(keras.tree.flatten(y))} targets"
            )
        loss = next(iter(keras.tree.flatten(self.loss)), None)
        logits = getattr(loss, "from_logits", False)
        y_pred = self(x, training=False)
        self._clean.update_state(y, y_pred, threshold=0.5 * (not logits))

    def _draws(self, draw, key):
        """The draw at each place of `mix_at`: of several, all but one mix nothing."""
        names = self.mix_at
        if len(names) == 1:
            return {names[0]: draw}
        chosen = sampling.choice_of(key, len(names))
        return {name: draw.only_if(chosen == i) for i, name in enumerate(names)}

    def _mix_inputs(self, x, draw):
        x = keras.tree.map_structure(
            lambda leaf: None if leaf is None else tf.convert_to_tensor(leaf), x
        )
        passthrough = cuts.passing(self.network, x, self.mixup.passthrough)
        leaves, put_back = batches.split_features(x, passthrough)
        masks = cuts.masks_of_inputs(self.network, x)
        return put_back(
            [layers.mix_features(leaf, draw, masks.get(id(leaf))) for leaf in leaves]
        )
