"""The settings of a policy: given once, shown, and written down."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Self

import keras
import tensorflow as tf

from keras_mixup import (
    arguments,
    class_probability,
    draws,
    getter_batches,
    hints,
    label_rules,
    mixing,
    sampling,
    similarity,
    steps,
    variables,
)
from keras_mixup import targets as target_rules

# Settings that may be functions, or objects that can be called.
CALLABLES = ("alpha", "label_rule", "labels_getter")


class _OfClass:
    """An attribute of a class that is None of its instances.

    The signature of a constructor is not that of a call: `tf.function(policy)` asks.
    """

    def __init__(self, value):
        self.value = value

    def __get__(self, instance, owner):
        return self.value if instance is None else None


class Settings:
    """Arguments of a constructor, kept under their names and never changed.

    A graph that was traced goes on with what it has seen, so that a later change would
    have no effect there. A subclass names its own arguments and hands on the others as
    `**settings`; those of `without` it does not have.
    """

    without: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs):
        """Shows all arguments in the signature of a subclass that has its own."""
        super().__init_subclass__(**kwargs)
        found = {}
        for one in cls.__mro__[:-1]:
            if "__init__" in vars(one):
                _, *parameters = inspect.signature(one.__init__).parameters.values()
                for parameter in parameters:
                    found.setdefault(parameter.name, parameter)
        named, shown = inspect.Parameter.KEYWORD_ONLY, []
        for name, parameter in found.items():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD or name in cls.without:
                continue
            # The first arguments of a class above are its own, not of this one.
            own = name in inspect.signature(cls.__init__).parameters
            kind = parameter.kind if own else named
            shown.append(parameter.replace(kind=kind))
        shown.sort(key=lambda one: one.kind is named)
        cls.__signature__ = _OfClass(inspect.Signature(shown))

    @classmethod
    def refuse_others(cls, given):
        """Raises for an argument that this kind of policy does not have."""
        for name in cls.without:
            if name in given:
                raise TypeError(
                    f"{cls.__name__} has no argument `{name}`. Received: "
                    f"{name}={given[name]!r}"
                )

    def __init__(
        self,
        alpha: hints.Alpha = 0.2,
        *,
        per: hints.Per = "batch",
        pairing: hints.Pairing = "permutation",
        examples: int = 2,
        targets: hints.Targets = "mix",
        num_classes: hints.NumClasses | None = None,
        label_smoothing: float = 0.0,
        probability: hints.Probability = 1.0,
        passthrough: hints.Names = (),
        seed: int | None = None,
        ignore_class: int | None = None,
        jit_compile: bool = True,
        multi_label: hints.MultiLabel = False,
        pairing_target: str | int | None = None,
        quantities: hints.Names | bool = (),
        keep_larger: bool = False,
        dtype: Any = None,
        bandwidth: hints.Bandwidths = "auto",
        kernel: hints.Kernel = "gaussian",
        period: hints.Period | None = None,
        padding: hints.Padding = "union",
        label_rule: hints.LabelRule | None = None,
        beta: float | None = None,
        labels_getter: Callable[[Any], Any] | None = None,
    ) -> None:
        if not callable(alpha):
            variables.check_variable("alpha", alpha)
            arguments.check_alpha(variables.value_of(alpha))
        arguments.check_examples(examples)
        draws.check_beta(beta, alpha, examples)
        arguments.check_choice("per", per, draws.PER)
        arguments.check_choice("pairing", pairing, sampling.PAIRINGS)
        arguments.check_choice("targets", targets, target_rules.TARGETS)
        arguments.check_share("label_smoothing", label_smoothing, "[0, 1)")
        variables.check_variable("probability", probability)
        class_probability.check_probability(probability, per)
        arguments.check_num_classes(num_classes)
        arguments.check_seed(seed)
        arguments.check_multi_label(multi_label)
        arguments.check_quantities(quantities)
        arguments.check_bandwidth(bandwidth, pairing, with_names=True)
        arguments.check_kernel(kernel, similarity.KERNELS, pairing)
        arguments.check_choice("padding", padding, mixing.PADDINGS)
        arguments.check_period(period, with_names=True)
        by_class = class_probability.of_classes(probability)
        arguments.check_pairing_target(pairing_target, pairing, bandwidth, by_class)
        arguments.check_dtype(dtype)
        getter_batches.check_getter(labels_getter, ignore_class)
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
        self.probability = _plain(probability)
        self.passthrough = _names(passthrough)
        self.seed = seed
        self.ignore_class = ignore_class
        self.jit_compile = jit_compile
        self.multi_label = multi_label
        self.pairing_target = pairing_target
        of_all = isinstance(quantities, bool)
        self.quantities = quantities if of_all else _names(quantities)
        self.keep_larger = bool(keep_larger)
        self.dtype = None if dtype is None else tf.as_dtype(dtype).name
        self.bandwidth = _plain(bandwidth)
        self.kernel = kernel
        self.period = _plain(period)
        self.padding = padding
        self.label_rule = label_rule
        self.beta = beta if beta is None else float(beta)
        self.labels_getter = labels_getter
        label_rules.check_rule(label_rule, self)
        self._calls = steps.Calls()

    def __setattr__(self, name, value):
        if name in vars(self) and not name.startswith("_"):
            raise AttributeError(cannot_change(type(self).__name__, name))
        super().__setattr__(name, value)

    def __repr__(self):
        """The first setting, and those that are no defaults."""
        shown = []
        for name, argument in self._arguments().items():
            value = getattr(self, name)
            if not shown or _compared(value) != _compared(argument.default):
                shown.append(f"{name}={_shown(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other):
        """Whether it is of the same class and settings.

        Variables are the same where they are one object, and schedules where their
        configs are equal. How often a policy was called does not matter.
        """
        if type(self) is not type(other):
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self):
        return hash((type(self), self.per, self.pairing, self.examples, self.seed))

    @property
    def has_schedule(self) -> bool:
        """Whether alpha follows from the step."""
        return callable(self.alpha)

    @property
    def is_identity(self) -> bool:
        """True where no step can mix anything: alpha or probability is 0."""
        moves = self.has_schedule or variables.is_variable(self.alpha)
        constant = not moves and not tf.is_tensor(self.alpha)
        one = not class_probability.of_classes(self.probability)
        return (constant and self.alpha == 0) or (one and self.probability == 0)

    def alpha_at(self, step: hints.AnyStep) -> Any:
        """Alpha at that step: as it was given, or a float32 scalar if it moves.

        A number stays one, also inside of a graph: its law is then inverted beforehand.
        """
        if callable(self.alpha):
            return tf.cast(self.alpha(step), tf.float32)
        if variables.is_variable(self.alpha):
            return tf.cast(tf.convert_to_tensor(self.alpha), tf.float32)
        return self.alpha

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor.

        A schedule or a rule is its own config, and a variable is the value that it has
        now.
        """
        config = {name: getattr(self, name) for name in self._arguments()}
        for name, value in config.items():
            if variables.is_variable(value):
                config[name] = variables.value_of(value)
            elif name in CALLABLES and callable(value):
                config[name] = keras.saving.serialize_keras_object(value)
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The policy of a `get_config`."""
        config = dict(config)
        for name in CALLABLES:
            if isinstance(config.get(name), dict):
                config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)

    def _compared(self):
        return {name: _compared(getattr(self, name)) for name in self._arguments()}

    @classmethod
    def _arguments(cls):
        return inspect.signature(cls).parameters


def _compared(value):
    """A setting as it is compared."""
    if variables.is_variable(value) or tf.is_tensor(value):
        return id(value), "variable"
    if hasattr(value, "get_config"):
        return type(value), value.get_config()
    # JSON makes lists of tuples.
    return list(value) if isinstance(value, tuple) else value


def _names(given):
    """One name or several, as a tuple: a list that was read from JSON is the same."""
    return (given,) if isinstance(given, str) else tuple(given)


def _plain(value):
    """A number, or several of them by name or place, as JSON writes it."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if value is None or isinstance(value, str) or variables.is_variable(value):
        return value
    several = isinstance(value, (list, tuple)) or len(getattr(value, "shape", ()))
    return list(map(_plain, value)) if several else float(value)


def cannot_change(of, name, by_schedule=True):
    """The sentence for an attribute that is set too late.

    `by_schedule` is whether an alpha may be one.
    """
    message = (
        f"`{name}` of a {of} cannot be changed: a graph that was traced would go on "
        "with the old value."
    )
    if by_schedule and name in ("alpha", "probability"):
        return (
            f"{message} For mixing that changes or ends give, as alpha, a "
            "keras_mixup.AlphaSchedule of the step, or a keras.Variable or tf.Variable "
            "to assign to: 0 switches mixing off."
        )
    return f"{message} Make another {of}."


def _shown(alpha):
    if variables.is_variable(alpha):
        return f"{type(alpha).__name__}({variables.value_of(alpha)})"
    if hasattr(alpha, "get_config"):
        config = alpha.get_config().items()
        arguments_of = ", ".join(f"{name}={value!r}" for name, value in config)
        return f"{type(alpha).__name__}({arguments_of})"
    return repr(alpha)
