"""MixUp: the policy. It decides when to draw and what to mix with what."""

import copy
import functools
import random
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
    steps,
    target_checks,
)
from keras_mixup import targets as target_rules
from keras_mixup.settings import Settings


@keras.saving.register_keras_serializable("keras_mixup")
class MixUp(Settings):
    """Mixes a batch with a shuffled copy of itself (Zhang et al., 2018).

    `x~ = lam x_i + (1 - lam) x_j` and `y~ = lam y_i + (1 - lam) y_j` with
    `lam ~ Beta(alpha, alpha)`. For a pipeline, as `dataset.apply(mixup)`, and the
    policy that `MixUpModel` follows in its train step. Settings stay as they are
    given.

    Args:
        alpha: Float >= 0; or a schedule of the step (any serializable callable,
            such as `keras_mixup.AlphaSchedule`); or a `keras.Variable` or
            `tf.Variable` to assign to. 0 is ERM: nothing is mixed. The paper
            takes 1 for CIFAR and 0.1 to 0.4 for ImageNet.
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
        seed: Integer, for draws that depend on (seed, step, replica) alone:
            `dataset.apply(mixup)` counts the steps. None draws anew at every
            call, whatever the global seed.
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
        A `tf.data.Dataset` of batches: the dataset of mixed ones, in the same order
        and number, each epoch with draws of its own, in parallel. Batch i of epoch e
        is `at_step(e S + i, batch)`, with S batches an epoch; `count_steps` says how
        epochs are counted. Without a seed one is taken from Python's generator
        (`keras.utils.set_random_seed`), once for each dataset.

        Or one batch, which draws anew at every call. With a seed or a schedule eager
        calls are the steps 0, 1, 2 and so on: in one thread, else give the step
        (`at_step`).

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
    >>> ds = ds.batch(128).apply(mixup)
    """

    @tf.autograph.experimental.do_not_convert
    def __call__(self, *batch):
        """Mixes a dataset, or one batch."""
        whole = batch[0] if len(batch) == 1 else batch
        if isinstance(whole, tf.data.Dataset):
            return self._over(whole)
        return self._mixed(whole, None, self._own_step(), 0)

    @tf.autograph.experimental.do_not_convert
    def at_step(self, step, batch, replica=0):
        """Mixes a batch by the draw that belongs to (seed, step, replica).

        Args:
            step: Integer or integer scalar tensor, counted over all epochs. In a
                `Dataset.map` the `Step` that `count_steps` gives.
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
            step: As in `at_step`; needed with a seed or a schedule.
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
            step = self._own_step()
        return self._mixed(batch, other, step, replica)

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

    def _over(self, dataset):
        policy = self
        if self.seed is None:
            policy = copy.copy(self)
            # Past the guard of settings, which are those of the copy from here on.
            vars(policy)["seed"] = random.randint(0, 2**31 - 1)
        numbered = steps.count_steps(dataset)
        return numbered.map(policy.at_step, num_parallel_calls=tf.data.AUTOTUNE)

    def _own_step(self):
        if self.seed is None and not self.has_schedule:
            return 0
        reason = f"seed={self.seed}" if self.seed is not None else "a schedule"
        return self._calls.next(reason)

    def _mixed(self, batch, other, step, replica):
        step = steps.index_of(step, self.seed, self.has_schedule)
        form = self.passthrough, self.num_classes, self.quantities
        read = [batches.read_batch(batch, *form)]
        if other is not None:
            read.append(batches.read_batch(other, *form))
            batches.check_alike(*read)
        batches.check_names(batch, self)
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
