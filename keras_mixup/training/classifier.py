"""MixUpModel: any Keras network, trained with mixing at its input or inside."""

import random

import keras
import tensorflow as tf

from keras_mixup import batches, keys, layers, metrics, mixing, sampling
from keras_mixup.mixup import MixUp
from keras_mixup.targets import target_coefficients
from keras_mixup.training import counting, cuts, loss_checks, mixed_targets
from keras_mixup.training.callbacks import WarnOfMixedLabels
from keras_mixup.training.several_workers import SeveralWorkers


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
        self, network, mixup, mix_at=(cuts.INPUT,), clean_accuracy=False, **kwargs
    ):
        # The network casts its inputs where it wants them cast.
        super().__init__(**{"autocast": False, **kwargs})
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
        if not isinstance(network, keras.Layer):
            raise ValueError(
                "Invalid value received for argument `network`. Expected a Keras model "
                f"or layer. Received: network={network!r}"
            )
        if mixup.ignore_class is not None:
            raise ValueError(
                "MixUpModel leaves ignored classes to the loss. Expected "
                "MixUp(ignore_class=None) and SparseCategoricalCrossentropy("
                f"ignore_class=...). Received: ignore_class={mixup.ignore_class}"
            )
        self.network = network
        self.clean_accuracy = clean_accuracy
        self._cut_names = cuts.find_cuts(network, self.mix_at)
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

    @property
    def output_names(self):
        """The names of the network's outputs, for losses given by name."""
        return getattr(self.network, "output_names", None)

    def call(self, inputs, training=None):
        """The network's own output; only a train step mixes."""
        points = layers.active_points()
        if points is not None and self._segments:
            return cuts.run_segments(
                self._segments, self._cut_names, inputs, points, training
            )
        return self.network(inputs, training=training)

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
            self._update_clean_accuracy(x, y, sample_weight)
        if self.mixup.is_identity and not self.mixup.label_smoothing:
            return super().train_step(data)
        mixed, draw, key = self._draw(y, sample_weight)
        points = self._points(draw, key)
        if cuts.INPUT in self.mix_at:
            x = self._mix_inputs(x, points.draws.pop(cuts.INPUT))
        with layers.mixing_at(points):
            results = super().train_step((x, mixed, None))
        points.check_reached()
        return results

    def test_step(self, data):
        """One step of evaluation: Keras's own."""
        results = super().test_step(data)
        results.pop("clean_accuracy", None)
        return results

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The compiled loss; of a mixed batch the mean of its terms."""
        if not isinstance(y, mixed_targets.MixedTargets):
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        loss_checks.check_reductions(self.loss)
        losses = mixed_targets.in_output_order(self.loss, self.network)
        predictions = mixed_targets.predictions_of(y_pred, y.like, losses)
        if loss_checks.is_keras_loss(self.loss):
            loss_checks.check_shapes(y.parts[0], predictions)
        ranks = loss_checks.ranks_of_losses(losses, y.parts[0], predictions)
        if y.weighs_examples:
            loss_checks.check_one_loss_an_example(ranks, y.parts[0], self.loss)
        terms = y.loss_terms(predictions, ranks)
        total = 0.0
        for target, weight in terms:
            total += super().compute_loss(x, target, y_pred, weight, training)
        return total / len(terms)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The compiled metrics; of a mixed batch weighted by lam."""
        if not isinstance(y, mixed_targets.MixedTargets):
            return super().compute_metrics(x, y, y_pred, sample_weight)
        if self._compile_metrics is not None:
            losses = mixed_targets.in_output_order(self.loss, self.network)
            predictions = mixed_targets.predictions_of(y_pred, y.like, losses)
            metrics.update_compiled(
                self._compile_metrics,
                y_pred,
                plain=y.metric_terms(predictions, weighted=False),
                weighted=y.metric_terms(predictions, weighted=True),
                mixed=y.mixed_term(),
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
        model.seed = model.seed if seed is None else seed
        return model

    def _draw(self, y, sample_weight):
        given = y
        y, sample_weight = (
            mixed_targets.in_output_order(nest, self.network)
            for nest in (y, sample_weight)
        )
        names = self.output_names if isinstance(y, list) and y is not given else None
        parts, weights, paths = mixed_targets.read_targets(
            y, sample_weight, self.mixup, names
        )
        soft = mixed_targets.any_soft_rows(parts)
        if soft is not None:
            self._soft_labels.assign(tf.maximum(self._soft_labels, soft))
        with counting.behind([y, sample_weight]):
            step = counting.next_step(self.step)
        key = keys.make_key(self.seed, step, keys.replica_in_sync())
        size = mixing.batch_size_of(parts[0])
        alpha = self.mixup.alpha_at(step)
        draw = self.mixup.draw(size, key, alpha, parts[0])
        gathered = mixing.gather_parts([[parts, weights]], draw.partners)
        mixed = mixed_targets.MixedTargets(
            policy=self.mixup,
            coefficients=target_coefficients(draw.coefficients, self.mixup.targets),
            parts=[part for part, _ in gathered],
            weights=[weight for _, weight in gathered],
            like=y,
            paths=paths,
            batch_size=size,
        )
        return mixed, draw, key

    def _update_clean_accuracy(self, x, y, sample_weight):
        if keras.tree.is_nested(y):
            raise ValueError(
                "`clean_accuracy` is of one output. Expected one target. Received: "
                f"{len(keras.tree.flatten(y))} targets"
            )
        loss = next(iter(keras.tree.flatten(self.loss)), None)
        logits = getattr(loss, "from_logits", False)
        y_pred = self(x, training=False)
        self._clean.update_state(y, y_pred, sample_weight, threshold=0.5 * (not logits))

    def _points(self, draw, key):
        """The draw at each place of `mix_at`: of several, all but one mix nothing."""
        names = self.mix_at
        if len(names) == 1:
            return layers.MixingPoints({names[0]: draw})
        chosen = sampling.choice_of(key, len(names))
        return layers.MixingPoints(
            {name: draw.only_if(chosen == i) for i, name in enumerate(names)}
        )

    def _mix_inputs(self, x, draw):
        passthrough = cuts.passing(self.network, x, self.mixup.passthrough)
        leaves, put_back = batches.split_features(x, passthrough)
        parts = mixing.gather_parts([leaves], draw.partners)
        return put_back(mixing.mix_parts(parts, draw.coefficients))
