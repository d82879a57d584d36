"""RandomChoice: one of several policies, drawn for each batch or each example."""

from __future__ import annotations

import copy
import inspect
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import keras
import tensorflow as tf

from keras_mixup import choosing, hints, keys
from keras_mixup.policy import Policy
from keras_mixup.settings import Settings

# What is said of a batch and its targets is the same for all that are chosen from.
_SHARED = (
    *("examples", "targets", "num_classes", "label_smoothing", "passthrough"),
    *("ignore_class", "multi_label", "dtype", "period", "padding", "label_rule"),
    "labels_getter",
)


@keras.saving.register_keras_serializable("keras_mixup")
class RandomChoice(Policy):
    """Mixes by one of several policies, which a draw chooses.

    Many image recipes switch between mixup and CutMix so (timm's `switch_prob`). Where
    one of the policies averages, features become floats in any case.

    Examples:
        >>> policies = [keras_mixup.MixUp(0.2), keras_mixup.CutMix(1.0)]
        >>> model = keras_mixup.MixUpModel(network, keras_mixup.RandomChoice(policies))

    Args:
        policies: List of policies that agree in `examples`, `targets`, `num_classes`,
            `label_smoothing`, `passthrough`, `ignore_class`, `multi_label`,
            `dtype`, `period`, `padding`, `label_rule` and `axes`, without seeds of
            their own.
        weights: List of probabilities, one each, that sum to 1; None for equal ones.
        per: For what one is drawn: `"batch"`, where each policy has its own `per`, or
            `"example"`, where each of them draws for each example.
        seed: As in `MixUp`.

    Call arguments:
        As in `MixUp`.

    Raises:
        ValueError: for policies that do not agree, and for other probabilities.
    """

    without = tuple(set(inspect.signature(Settings).parameters) - {"per", "seed"})

    def __init__(
        self,
        policies: Iterable[Policy],
        weights: Sequence[float] | None = None,
        *,
        per: hints.Per = "batch",
        seed: int | None = None,
    ) -> None:
        policies = list(policies) if isinstance(policies, Iterable) else policies
        _check(policies)
        count = len(policies)
        weights = [1 / count] * count if weights is None else [*weights]
        number = all(isinstance(w, numbers.Real) and 0 <= w <= 1 for w in weights)
        if len(weights) != count or not number or abs(sum(weights) - 1) > 1e-6:
            raise ValueError(
                "Invalid value received for argument `weights`. Expected one "
                f"probability for each of {count} policies, which sum to 1. Received: "
                f"weights={weights}"
            )
        quantities = [one.quantities for one in policies if one.averages]
        super().__init__(
            alpha=1.0,
            per=per,
            seed=seed,
            quantities=quantities[0] if quantities else (),
            jit_compile=all(one.jit_compile for one in policies),
            **{name: getattr(policies[0], name) for name in _SHARED},
        )
        self.policies = policies
        self.weights = weights
        self.averages = bool(quantities)
        if per == "example":
            policies = [_for_each_example(one) for one in policies]
        self._drawn_from = policies

    @property
    def has_schedule(self) -> bool:
        """Whether the alpha of one of them follows from the step."""
        return any(one.has_schedule for one in self.policies)

    @property
    def is_identity(self) -> bool:
        """True where none of them can mix anything."""
        return all(one.is_identity for one in self.policies)

    def alpha_at(self, step: hints.AnyStep) -> Any:
        """The alpha of each policy at that step."""
        return [one.alpha_at(step) for one in self.policies]

    def assert_alpha(self, alpha):
        """Fails, where the graph runs, unless each alpha is a finite float >= 0."""
        for policy, one in zip(self.policies, alpha, strict=True):
            policy.assert_alpha(one)

    def draw_all(self, batch_size, key, alpha, given=None, with_partners=True):
        """A draw of each policy, and which of them is chosen."""
        shape = () if self.per == "batch" else (batch_size,)
        place = keys.uniform(key, keys.Stream.POLICY, shape)
        found, low = [], 0.0
        for i, policy in enumerate(self._drawn_from):
            last = i == len(self.weights) - 1
            high = 1.0 if last else low + self.weights[i]
            chosen, low = (place >= low) & (place < high), high
            own = policy.draw_all(
                *(batch_size, _key_of(key, i), alpha[i]),
                *(given and given[i], with_partners),
            )
            found.append((chosen, own))
        return choosing.merged(found)._replace(choices=found)

    @property
    def chosen_from(self) -> list[Policy]:
        """The policies of which one mixes."""
        return self.policies

    def goes_by(self, leaves, paths):
        """What a draw of each policy goes by."""
        return [policy.goes_by(leaves, paths) for policy in self.policies]

    def placed(self, draw, key, features):
        """The draw of the chosen policy at these features."""
        if not draw.choices:
            same = self.averages or not self.is_identity
            return draw if same else self.policies[0].placed(draw, key, features)
        found = [
            (chosen, policy.placed(own, _key_of(key, i), features))
            for i, (policy, (chosen, own)) in enumerate(
                zip(self._drawn_from, draw.choices, strict=True)
            )
        ]
        masked = [own for _, own in found if own.masks is not None]
        merged = choosing.merged(found)._replace(partners=draw.partners, choices=found)
        if not masked:
            return merged
        kind = tf.float32 if self.averages else tf.bool
        rank, grid = masked[0].masks[0].shape.rank, masked[0].grid
        weights = [(chosen, choosing.weights(own, rank, kind)) for chosen, own in found]
        masks = [
            choosing.chosen([(c, w[k]) for c, w in weights])
            for k in range(self.examples)
        ]
        regions = choosing.sources(found, grid)
        return merged._replace(masks=masks, grid=grid, regions=regions)

    def check(self, read):
        """Checks a `Batch` for each policy."""
        found = [policy.check(read) for policy in self.policies]
        return [any(of_one) for of_one in zip(*found, strict=True)]

    def may_be_quantity(self, path):
        """Whether it may for each policy."""
        return all(policy.may_be_quantity(path) for policy in self.policies)

    def check_shared(self, target, path, name):
        """Checks a target of the whole example for each policy."""
        for policy in self.policies:
            policy.check_shared(target, path, name)

    def seen_boxes(self, parts, draw):
        """The boxes as the chosen policy shows them, and their weights."""
        if not draw.choices:
            return parts, draw.coefficients
        found = []
        for policy, (chosen, own) in zip(self._drawn_from, draw.choices, strict=True):
            seen, weights = policy.seen_boxes(parts, own)
            weights = [
                choosing.one_a_box(weight, part)
                for weight, part in zip(weights, parts, strict=True)
            ]
            found.append((chosen, seen, weights))
        boxes, of_all = [], []
        for k, part in enumerate(parts):
            seen = choosing.chosen([(c, of[k]["boxes"]) for c, of, _ in found])
            boxes.append({**part, "boxes": seen})
            of_all.append(choosing.chosen([(c, of[k]) for c, _, of in found]))
        return boxes, of_all

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        policies = [keras.saving.serialize_keras_object(one) for one in self.policies]
        return {**super().get_config(), "policies": policies}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The policy of a `get_config`."""
        policies = map(keras.saving.deserialize_keras_object, config["policies"])
        return cls(**{**config, "policies": list(policies)})


def _check(policies):
    kinds = [
        isinstance(p, Policy) and not isinstance(p, RandomChoice)
        for p in (policies if isinstance(policies, list) else ())
    ]
    if not kinds or not all(kinds):
        raise ValueError(
            "Invalid value received for argument `policies`. Expected a list of "
            "policies such as keras_mixup.MixUp and keras_mixup.CutMix, none of them a "
            f"RandomChoice. Received: policies={policies}"
        )
    for name in (*_SHARED, "seed", "quantities", "axes"):
        own = {
            "seed": [None, *(one.seed for one in policies)],
            "quantities": [one.quantities for one in policies if one.averages],
            "axes": [one.axes for one in policies if not one.averages],
        }.get(name) or [getattr(one, name, None) for one in policies]
        if any(one != own[0] for one in own):
            expected = f"policies that agree in `{name}`"
            if name == "seed":
                expected = "policies without a seed of their own: RandomChoice has it"
            raise ValueError(
                f"Invalid value received for argument `policies`. Expected {expected}. "
                f"Received: {name} of {own}"
            )


def _for_each_example(policy):
    one = copy.copy(policy)
    # Past the guard of settings, which are those of the copy from here on.
    vars(one)["per"] = "example"
    return one


def _key_of(key, index):
    return keys.fold_in(keys.fold_in(key, keys.Stream.POLICY), index)
