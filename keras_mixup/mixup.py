"""MixUp: the policy. It decides when to draw and what to mix with what."""

import functools
from collections.abc import Mapping

import keras
import tensorflow as tf

from keras_mixup import (
    arguments,
    batches,
    boxes,
    draws,
    keys,
    mixing,
    sampling,
    target_checks,
)
from keras_mixup import targets as target_rules


@keras.saving.register_keras_serializable("keras_mixup")
class MixUp:
    """Mixes a batch with a shuffled copy of itself (Zhang et al., 2018).

    `x~ = lam x_i + (1 - lam) x_j` and `y~ = lam y_i + (1 - lam) y_j` with
    `lam ~ Beta(alpha, alpha)`. A plain callable for `Dataset.map`, and the
    policy that `MixUpModel` follows in its train step.

    Args:
        alpha: Float >= 0, or a schedule of the step (any serializable callable,
            such as `keras_mixup.AlphaSchedule`). 0 is ERM: nothing is mixed.
            The paper takes 1 for CIFAR and 0.1 to 0.4 for ImageNet.
        per: `"batch"`, one lam a batch as in the paper, or `"example"`.
        pairing: `"permutation"` (the paper), `"derangement"`, `"roll"`,
            `"reverse"` or `"same_class"`; see `sample_partner`.
        examples: How many examples are mixed: with three or more the weights
            come from a symmetric Dirichlet law (section 2).
        targets: `"mix"`, or `"closer"`: the target of the heaviest example.
        num_classes: Number of classes of integer targets, which become float32
            one-hot rows. A last axis of so many integers or booleans is that of rows
            already; one of size one is always that of class numbers. A dict or list
            of numbers for several targets, None in it for one that is no class.
        label_smoothing: Float in [0, 1): `(1 - s) y + s / classes`, applied to
            one-hot targets: all, or those that a dict or list of `num_classes` names.
        probability: Probability that mixing happens, drawn per batch or per
            example as `per` says.
        passthrough: Name or names of entries of x or y that pass as they are; in
            `MixUpModel`, which has a loss for each target, of x alone.
        seed: Integer, for draws that depend on (seed, step, replica) alone. It
            needs a step: `ds.enumerate().map(mixup.at_step)`. None draws anew
            at every call.
        ignore_class: An integer class without meaning (void). Its positions get
            weight 0; targets then come with a sample weight for each position.
        jit_compile: Whether the sums run as one fused XLA function inside a
            graph. A batch of a new shape compiles anew (one to two seconds).
        multi_label: Whether rows are of independent labels, each 0 or 1: they are
            smoothed as `(1 - s) y + s / 2`. A dict or list for several targets.
        pairing_target: Name of the target that `"same_class"` goes by, of several.
        quantities: Name or names of integers in x that are amounts (uint16 images,
            counts) and are mixed as float32, or True for all; a lone x is `"x"`.

    Call arguments:
        Batches `(x, y)`, `(x, y, sample_weight)`, or dicts with `"images"` and
        any of `"labels"`, `"targets"`, `"segmentation_masks"`, `"bounding_boxes"`,
        `"sample_weight"`, in the singular too; other entries of a dict pass
        untouched, unless they are named like a target, which raises. x, y and
        weights may be nests. All first axes are the batch. Floats keep their
        dtype, uint8 becomes float32. Weights: an example weighs
        `lam w_i + (1 - lam) w_j`, see `keras_mixup.targets`.

    Raises:
        ValueError: for arguments or batches that cannot be mixed. A label out
            of range raises `tf.errors.InvalidArgumentError` at its batch.

    Example:
    >>> mixup = keras_mixup.MixUp(alpha=1.0, num_classes=10)
    >>> ds = ds.batch(128).map(mixup, num_parallel_calls=tf.data.AUTOTUNE)
    """

    def __init__(
        self,
        alpha=0.2,
        *,
        per="batch",
        pairing="permutation",
        examples=2,
        targets="mix",
        num_classes=None,
        label_smoothing=0.0,
        probability=1.0,
        passthrough=(),
        seed=None,
        ignore_class=None,
        jit_compile=True,
        multi_label=False,
        pairing_target=None,
        quantities=(),
    ):
        if not callable(alpha):
            arguments.check_alpha(alpha)
        arguments.check_examples(examples)
        arguments.check_choice("per", per, draws.PER)
        arguments.check_choice("pairing", pairing, sampling.PAIRINGS)
        arguments.check_choice("targets", targets, target_rules.TARGETS)
        arguments.check_share("label_smoothing", label_smoothing, "[0, 1)")
        arguments.check_share("probability", probability, "[0, 1]")
        arguments.check_num_classes(num_classes)
        arguments.check_seed(seed)
        arguments.check_multi_label(multi_label)
        arguments.check_quantities(quantities)
        arguments.check_pairing_target(pairing_target, pairing)
        if pairing == "reverse" and examples > 2:
            raise ValueError(
                'pairing="reverse" pairs examples in twos. Expected examples=2. '
                f"Received: examples={examples}"
            )
        self.alpha = alpha
        self.per = per
        self.pairing = pairing
        self.examples = examples
        self.targets = targets
        self.num_classes = num_classes
        self.label_smoothing = label_smoothing
        self.probability = probability
        one = isinstance(passthrough, str)
        self.passthrough = (passthrough,) if one else tuple(passthrough)
        self.seed = seed
        self.ignore_class = ignore_class
        self.jit_compile = jit_compile
        self.multi_label = multi_label
        self.pairing_target = pairing_target
        one = isinstance(quantities, str)
        self.quantities = (quantities,) if one else quantities
        self._eager_step = 0

    @tf.autograph.experimental.do_not_convert
    def __call__(self, *batch):
        """Mixes one batch. In a graph it draws anew at every step."""
        whole = batch[0] if len(batch) == 1 else batch
        return self._mixed(whole, None, self._own_step(), 0)

    @tf.autograph.experimental.do_not_convert
    def at_step(self, step, batch, replica=0):
        """Mixes a batch by the draw that belongs to (seed, step, replica).

        Args:
            step: Integer scalar tensor, as `Dataset.enumerate` gives it.
            batch: The batch.
            replica: Index of the replica or of the input pipeline.

        Returns:
            The mixed batch, in the form of the given one.
        """
        return self._mixed(batch, None, step, replica)

    @tf.autograph.experimental.do_not_convert
    def between(self, batch, other, step=None, replica=0):
        """Mixes each example with the one at its place in a second batch.

        Args:
            batch: The batch, weighted by lam.
            other: A batch of the same structure and size, weighted by 1 - lam.
            step: Integer scalar tensor; needed with a seed or a schedule.
            replica: Index of the replica.

        Returns:
            The mixed batch.
        """
        if self.examples != 2:
            raise ValueError(
                "`between` mixes two examples. Expected examples=2. "
                f"Received: examples={self.examples}"
            )
        if step is None:
            step = self._own_step("mixup.between(batch, other, step=step)")
        return self._mixed(batch, other, step, replica)

    @property
    def is_identity(self):
        """True where no step can mix anything: alpha or probability is 0."""
        constant = not callable(self.alpha) and not tf.is_tensor(self.alpha)
        return (constant and self.alpha == 0) or self.probability == 0

    def alpha_at(self, step):
        """Alpha at that step: as it was given, or a schedule's float32 scalar tensor.

        A number stays one, also inside of a graph: its law is then inverted beforehand.
        """
        return (
            tf.cast(self.alpha(step), tf.float32)
            if callable(self.alpha)
            else self.alpha
        )

    def draw(self, batch_size, key, alpha, labels=None, with_partners=True):
        """Weights and partners for one batch, by this policy.

        Where nothing can be mixed there is no partner at all: one of weight 0
        would turn an infinity into NaN.
        """
        if self.is_identity:
            return draws.Draw([tf.ones(() if self.per == "batch" else batch_size)], [])
        return draws.draw(
            batch_size,
            key,
            alpha=alpha,
            per=self.per,
            examples=self.examples,
            probability=self.probability,
            pairing=self.pairing if with_partners else None,
            labels=labels,
        )

    def mix_target(self, parts, weights, coefficients, path=()):
        """One mixed target and its weight, from the K targets and weights."""
        return target_rules.mix_target(
            parts,
            weights,
            target_rules.target_coefficients(coefficients, self.targets),
            num_classes=target_rules.per_target(self.num_classes, path),
            ignore_class=self.ignore_class,
            label_smoothing=self.smoothing_of(path),
            multi_label=target_rules.per_target(self.multi_label, path),
        )

    def pairing_labels(self, leaves, paths):
        """The labels that the pairing goes by: None where it goes by none."""
        if self.pairing != "same_class":
            return None
        return target_rules.pairing_labels(leaves, paths, self.pairing_target)

    def smoothing_of(self, path):
        """The label smoothing of one target: none where `num_classes` leaves it out."""
        named = isinstance(self.num_classes, (Mapping, tuple, list))
        if named and target_rules.per_target(self.num_classes, path) is None:
            return 0.0
        return self.label_smoothing

    def get_config(self):
        """The arguments of the constructor; a schedule as its own config."""
        names = (
            "per pairing examples targets num_classes label_smoothing probability "
            "passthrough seed ignore_class jit_compile multi_label pairing_target "
            "quantities"
        )
        alpha = self.alpha
        if callable(alpha):
            alpha = keras.saving.serialize_keras_object(alpha)
        return {"alpha": alpha, **{name: getattr(self, name) for name in names.split()}}

    @classmethod
    def from_config(cls, config):
        """The policy of a `get_config`."""
        config = dict(config)
        if isinstance(config["alpha"], dict):
            alpha = keras.saving.deserialize_keras_object(config["alpha"])
            config["alpha"] = alpha
        return cls(**config)

    def _own_step(self, call="dataset.enumerate().map(mixup.at_step)"):
        if self.seed is None and not callable(self.alpha):
            return 0
        if tf.inside_function():
            what = f"seed={self.seed}" if self.seed is not None else "a schedule"
            raise ValueError(
                f"MixUp with {what} needs to know the step, which a graph cannot "
                "count by itself. `dataset.enumerate()` counts it: write "
                f"`{call}`."
            )
        self._eager_step += 1
        return self._eager_step - 1

    def _mixed(self, batch, other, step, replica):
        form = self.passthrough, self.num_classes, self.quantities
        read = [batches.read_batch(batch, *form)]
        if other is not None:
            read.append(batches.read_batch(other, *form))
            batches.check_alike(*read)
        for one in read:
            target_checks.check_targets(one, self)
        parts = [one.mixed_parts() for one in read]
        apart = read[0].has_boxes_for_no_compiler()
        ragged = [part.pop("boxes") for part in parts] if apart else None
        compute = functools.partial(self._compute, paths=read[0].paths)
        features = parts[0]["features"]
        # ERM has no sums to fuse, and XLA copies what only passes.
        if self.jit_compile and not self.is_identity and tf.inside_function():
            compute = tf.function(compute, jit_compile=True, autograph=False)
            # It is given rows: behind axes of size one XLA copies the whole result.
            for part in parts:
                part["features"] = [mixing.flattened(x) for x in part["features"]]
        alpha = self.alpha_at(step)
        # Outside the fused function, which would leave the assertion out.
        arguments.assert_alpha(alpha)
        key = keys.make_key(self.seed, step, replica)
        result, draw = compute(parts, key, alpha)
        if ragged:
            ragged = ragged[: len(draw.coefficients)]
            ragged = mixing.gather_parts(ragged, draw.partners)
            result["boxes"] = boxes.mix_boxes(ragged, draw.coefficients)
        result["features"] = [*map(mixing.shaped_like, result["features"], features)]
        return read[0].rebuild(**result)

    def _compute(self, parts, key, alpha, paths):
        first = parts[0]
        size = mixing.batch_size_of(keras.tree.flatten(first)[0])
        labels = self.pairing_labels(first["targets"], paths)
        draw = self.draw(size, key, alpha, labels, with_partners=len(parts) == 1)
        parts = mixing.gather_parts(parts[: len(draw.coefficients)], draw.partners)
        features = [part["features"] for part in parts]
        mixed = mixing.mix_parts(features, draw.coefficients)
        result = {"features": mixed, "boxes": None}
        mixed = [
            self.mix_target(
                [part["targets"][i] for part in parts],
                [part["weights"][i] for part in parts],
                draw.coefficients,
                path,
            )
            for i, path in enumerate(paths)
        ]
        result["targets"] = [target for target, _ in mixed]
        result["weights"] = [weight for _, weight in mixed]
        if "boxes" in first:
            result["boxes"] = boxes.mix_boxes(
                [part["boxes"] for part in parts], draw.coefficients
            )
        return result, draw
