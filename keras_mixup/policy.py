"""Policy: what all ways to mix share. It decides when to draw and what to mix."""

from __future__ import annotations

import copy
import functools
import random
from collections.abc import Mapping

import keras
import tensorflow as tf

from keras_mixup import (
    arguments,
    boxes,
    class_probability,
    combining,
    draws,
    getter_batches,
    keys,
    label_rules,
    mixing,
    steps,
    target_checks,
)
from keras_mixup import targets as target_rules
from keras_mixup.hints import AnyStep, Batch, Index, Names, not_converted
from keras_mixup.mixed_batch import detailed
from keras_mixup.settings import Settings


class Policy(Settings):
    """A way to mix a batch with partners, as `MixUp` and `CutMix` are.

    A subclass says how a draw is made (`draw`), and what it is at the positions of the
    features (`placed`).
    """

    # Whether examples are averaged: then integers need to become floats.
    averages = True

    @not_converted
    def __call__(self, *batch: Batch, details: bool = False) -> Batch:
        """Mixes a dataset, or one batch; with `details` each is a `MixedBatch`."""
        whole = batch[0] if len(batch) == 1 else batch
        if isinstance(whole, tf.data.Dataset):
            return self._over(whole, details)
        return self._mixed(whole, None, self._own_step(), 0, details)

    @not_converted
    def at_step(
        self, step: AnyStep, batch: Batch, replica: Index = 0, *, details: bool = False
    ) -> Batch:
        """Mixes a batch by the draw that belongs to (seed, step, replica).

        Args:
            step: Integer or integer scalar tensor, counted over all epochs. In a
                `Dataset.map` the `Step` that `count_steps` gives.
            batch: The batch.
            replica: Index of the replica or of the input pipeline.
            details: Whether a `MixedBatch` is given, of a batch that is a tuple.

        Returns:
            The mixed batch, in the form of the given one.
        """
        return self._mixed(batch, None, step, replica, details)

    @not_converted
    def between(
        self,
        batch: Batch,
        other: Batch,
        step: AnyStep | None = None,
        replica: Index = 0,
        *,
        details: bool = False,
    ) -> Batch:
        """Mixes each example with the one at its place in a second batch.

        Args:
            batch: The batch, weighted by lam.
            other: A batch of the same structure and size, weighted by 1 - lam.
            step: As in `at_step`; needed with a seed or a schedule.
            replica: Index of the replica.
            details: As in `at_step`.
        """
        if self.examples != 2:
            raise ValueError(
                "`between` mixes two examples. Expected examples=2. "
                f"Received: examples={self.examples}"
            )
        if step is None:
            step = self._own_step()
        return self._mixed(batch, other, step, replica, details)

    def draw(self, batch_size, key, alpha, given=None, with_partners=True):
        """Weights and partners for one batch, by this policy and what `goes_by` gives.

        Where nothing can be mixed there is no partner at all: one of weight 0
        would turn an infinity into NaN.
        """
        if self.is_identity:
            return draws.Draw([tf.ones(() if self.per == "batch" else batch_size)], [])
        return self.draw_all(batch_size, key, alpha, given, with_partners)

    def draw_all(self, batch_size, key, alpha, given=None, with_partners=True):
        """Weights and partners for one batch, also where each partner weighs 0."""
        labels, probability = given or class_probability.without_labels(self)
        return draws.draw(
            batch_size,
            key,
            alpha=alpha,
            per=self.per,
            examples=self.examples,
            probability=probability,
            pairing=self.pairing if with_partners else None,
            labels=labels,
            keep_larger=self.keep_larger,
            kernel=self.kernel,
            beta=self.beta,
        )

    def placed(self, draw, key, features):
        """A draw at the positions of features, which are cut alike.

        With masks, its coefficients are the shares of the positions.
        """
        del key, features
        return draw

    def check(self, read):
        """Checks a `Batch` for this policy: for each target whether it is dense."""
        return [False] * len(read.targets)

    def seen_boxes(self, parts, draw):
        """The boxes of the K parts as they are seen, and the weights of each part."""
        return parts, draw.coefficients

    def may_be_quantity(self, path):
        """Whether a target of the whole example may be an amount."""
        del path
        return True

    def check_shared(self, target, path, name):
        """Fails, where the graph runs, on a target that may be no amount but is one."""

    def assert_alpha(self, alpha):
        """Fails, where the graph runs, unless alpha is a finite float >= 0."""
        arguments.assert_alpha(alpha)

    @property
    def chosen_from(self) -> list[Policy]:
        """The policies of which one mixes: this one."""
        return [self]

    @property
    def has_positions(self) -> bool:
        """Whether the shares follow from the positions of the features."""
        return type(self).placed is not Policy.placed

    @property
    def mixed_integers(self) -> Names | bool | None:
        """Names of the integers in x that are mixed, or True for all.

        None where nothing is averaged, so that booleans are mixed as well.
        """
        return self.quantities if self.averages else None

    def mix_target(self, parts, weights, coefficients, path=()):
        """One mixed target and its weight, from the K targets and weights."""
        shares = target_rules.target_coefficients(coefficients, self.targets)
        shares = label_rules.shares_by(self, shares, parts, path)
        if self.label_rule == label_rules.UNION:
            parts, weights, shares = label_rules.united(
                parts, weights, shares, self.padding
            )
        return target_rules.mix_target(
            parts,
            weights,
            shares,
            num_classes=target_rules.per_target(self.num_classes, path),
            ignore_class=self.ignore_class,
            label_smoothing=self.smoothing_of(path),
            multi_label=target_rules.per_target(self.multi_label, path),
            period=self.period_of(path),
            padding=self.padding,
        )

    def pairing_labels(self, leaves, paths):
        """What the pairing goes by: None where it goes by no target."""
        if self.pairing == "same_class":
            return target_rules.pairing_target(leaves, paths, self.pairing_target)[0]
        if self.pairing == "similar_target":
            return target_rules.pairing_rows(
                leaves, paths, self.pairing_target, self.bandwidth, self.period
            )
        return None

    def goes_by(self, leaves, paths):
        """What a draw goes by besides its key: labels of the pairing, a probability."""
        labels = self.pairing_labels(leaves, paths)
        return labels, class_probability.of_examples(self, leaves, paths)

    def smoothing_of(self, path):
        """The label smoothing of one target: none where `num_classes` leaves it out."""
        named = isinstance(self.num_classes, (Mapping, tuple, list))
        if named and target_rules.per_target(self.num_classes, path) is None:
            return 0.0
        return self.label_smoothing

    def period_of(self, path):
        """The period by which a target is mixed: none where it is chosen."""
        if self.targets == "closer":
            return None
        return target_rules.per_target(self.period, path)

    def _over(self, dataset, details):
        policy = self
        if self.seed is None:
            policy = copy.copy(self)
            # Past the guard of settings, which are those of the copy from here on.
            vars(policy)["seed"] = random.randint(0, 2**31 - 1)
        mix = functools.partial(policy.at_step, details=details)
        numbered = steps.count_steps(dataset)
        return numbered.map(mix, num_parallel_calls=tf.data.AUTOTUNE)

    def _own_step(self):
        if self.seed is None and not self.has_schedule:
            return 0
        reason = f"seed={self.seed}" if self.seed is not None else "a schedule"
        return self._calls.next(reason)

    def _mixed(self, batch, other, step, replica, details):
        step = steps.index_of(step, self.seed, self.has_schedule)
        read, together = getter_batches.read(self, batch, other)
        for one in read:
            dense = self.check(one)
            target_checks.check_targets(one, self, dense)
            given = one.targets, one.paths, dense, one.boxes is not None
            label_rules.check_batch(self, *given)
        parts = [one.mixed_parts() for one in read]
        apart = read[0].has_boxes_for_no_compiler()
        ragged = [part.pop("boxes") for part in parts] if apart else None
        compute = functools.partial(self._compute, paths=read[0].paths, dense=dense)
        features = parts[0]["features"]
        # ERM has no sums to fuse, and XLA copies what only passes.
        if self.jit_compile and not self.is_identity and tf.inside_function():
            compute = tf.function(compute, jit_compile=True, autograph=False)
            if not self.has_positions:
                # It is given rows: behind axes of size one XLA copies all.
                for part in parts:
                    part["features"] = [mixing.flattened(x) for x in part["features"]]
        alpha = self.alpha_at(step)
        # Outside the fused function, which would leave the assertion out.
        self.assert_alpha(alpha)
        key = keys.make_key(self.seed, step, replica)
        result, draw = compute(parts, key, alpha)
        if ragged:
            ragged = ragged[: len(draw.coefficients)]
            ragged = mixing.gather_parts(ragged, draw.partners)
            result["boxes"] = boxes.mix_boxes(*self.seen_boxes(ragged, draw))
        result["features"] = [*map(mixing.shaped_like, result["features"], features)]
        mixed = read[0].rebuild(**result)
        if details:
            return detailed(mixed, read, draw, self)
        return mixed if together is None else together(mixed)

    def _compute(self, parts, key, alpha, paths, dense):
        first = parts[0]
        size = mixing.batch_size_of(keras.tree.flatten(first)[0])
        given = self.goes_by(first["targets"], paths)
        draw = self.draw(size, key, alpha, given, with_partners=len(parts) == 1)
        draw = self.placed(draw, key, first["features"])
        parts = mixing.gather_parts(parts[: len(draw.coefficients)], draw.partners)
        features = zip(*[part["features"] for part in parts], strict=True)
        mixed = [combining.combined(leaves, draw, self.dtype) for leaves in features]
        result = {"features": mixed, "boxes": None}
        mixed = [
            self._mix_one(*[[part[n][i] for part in parts] for n in _PARTS], draw, *of)
            for i, of in enumerate(zip(paths, dense, strict=True))
        ]
        result["targets"] = [target for target, _ in mixed]
        result["weights"] = [weight for _, weight in mixed]
        if "boxes" in first:
            seen = self.seen_boxes([part["boxes"] for part in parts], draw)
            result["boxes"] = boxes.mix_boxes(*seen)
        return result, draw.without_positions()

    def _mix_one(self, targets, weights, draw, path, is_dense):
        coefficients = combining.coefficients_of(draw, targets[0], is_dense)
        if is_dense:
            targets = combining.shown(targets, draw)
            if weights[0] is not None:
                weights = combining.shown(weights, draw)
        return self.mix_target(targets, weights, coefficients, path)


# The entries of a part that belong together by their place.
_PARTS = ("targets", "weights")
