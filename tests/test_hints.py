"""Type hints: each public name has them, and they say what is checked at run time.

What a type checker makes of them is in typed_program.py.
"""

import inspect
import pathlib
import pydoc
import typing

import pytest

import keras_mixup
from keras_mixup import hints
from keras_mixup.evaluation.between import TARGETS
from keras_mixup.training import ict, mixmatch

MODULES = [
    keras_mixup,
    keras_mixup.evaluation,
    keras_mixup.layers,
    keras_mixup.metrics,
    keras_mixup.models,
    keras_mixup.neighbors,
]
# What a program calls by itself. Keras calls the others of a model or a callback, and a
# policy those of a policy.
METHODS = {
    *("__call__", "at_step", "between", "alpha_at", "get_config", "from_config"),
    *("compile", "fit", "evaluate", "export", "generate"),
    *("update_state", "result", "reset_state"),
}


def public():
    """Each public function and class by its name."""
    for module in MODULES:
        names = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and getattr(value, "__module__", None) == module.__name__
        ]
        for name in names:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                yield f"{module.__name__}.{name}", value


def of_class(cls):
    """The functions of a public class, of the classes above it in the library too."""
    for one in cls.__mro__:
        if one.__module__.startswith("keras_mixup."):
            for name, value in vars(one).items():
                if isinstance(value, property) and not name.startswith("_"):
                    yield f"{one.__name__}.{name}", value.fget
                elif name in METHODS or (name == "__init__" and one is cls):
                    yield f"{one.__name__}.{name}", inspect.unwrap(getattr(one, name))


def unhinted(function):
    """The parameters without a hint, and "return" where what is returned has none."""
    signature = inspect.signature(function)
    empty = inspect.Signature.empty
    found = [
        name
        for name, one in signature.parameters.items()
        if one.annotation is empty and name not in ("self", "cls")
    ]
    return found + ["return"] * (signature.return_annotation is empty)


PUBLIC = dict(public())
BUILDERS = keras_mixup.models._BUILDERS


def test_the_public_names_are_found():
    assert len(PUBLIC) > 50
    assert "keras_mixup.models.build" in PUBLIC
    assert "keras_mixup.layers.MixUp" in PUBLIC
    assert dict(of_class(keras_mixup.MixUp))["Policy.at_step"]


def test_a_name_without_hints_is_found():
    def one(a: int, b=1, *args: int, **kwargs) -> int: ...

    def other(a): ...

    assert unhinted(one) == ["b", "kwargs"]
    assert unhinted(other) == ["a", "return"]


@pytest.mark.parametrize("name", [*PUBLIC, *BUILDERS])
def test_each_public_name_has_hints(name):
    value = (PUBLIC | BUILDERS)[name]
    functions = {name: value}
    if inspect.isclass(value):
        functions = dict(of_class(value))
    for each, function in functions.items():
        assert unhinted(function) == [], each
        # Raises for a hint that names nothing.
        typing.get_type_hints(function)


@pytest.mark.parametrize("name", ["MixUp", "CutMix", "FMix", "ResizeMix"])
def test_the_signature_of_a_policy_shows_hints(name):
    shown = inspect.signature(getattr(keras_mixup, name)).parameters.values()
    assert [one.name for one in shown if one.annotation is one.empty] == []


@pytest.mark.parametrize("name", PUBLIC)
def test_help_shows_an_example_on_its_first_screen(name):
    shown = inspect.getdoc(PUBLIC[name]).splitlines()
    if len(shown) > 40:
        assert any(line.lstrip().startswith(">>>") for line in shown[:30])


@pytest.mark.parametrize("layer", [keras_mixup.layers.MixUp, keras_mixup.layers.CutMix])
def test_help_of_a_layer_does_not_repeat_its_policy(layer):
    shown = pydoc.plain(pydoc.render_doc(layer))
    assert layer._policy_class.__doc__.splitlines()[0] not in shown
    assert "Dict in, dict out" in shown


def settings_of(cls):
    """The hints of the `**settings` of a constructor, by their names."""
    own = typing.get_type_hints(cls.__init__)
    (given,) = typing.get_args(own.get("settings", own.get("kwargs")))
    return typing.get_type_hints(given), set(own) - {"settings", "kwargs", "return"}


def arguments_of(policy):
    """The hints of all arguments of a policy, by their names."""
    found = {}
    for one in reversed(policy.__mro__):
        if "__init__" in vars(one) and one is not object:
            found |= typing.get_type_hints(one.__init__)
    return {name: found[name] for name in inspect.signature(policy).parameters}


@pytest.mark.parametrize("name", ["CutMix", "FMix", "ResizeMix"])
def test_the_hints_of_settings_are_those_of_the_arguments(name):
    policy = getattr(keras_mixup, name)
    settings, own = settings_of(policy)
    expected = arguments_of(policy)
    assert settings == {n: hint for n, hint in expected.items() if n not in own}


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_the_hints_of_a_layer_are_those_of_its_policy(name):
    settings, own = settings_of(getattr(keras_mixup.layers, name))
    expected = arguments_of(getattr(keras_mixup, name))
    expected |= {"name": str | None, "trainable": bool}
    assert settings == {n: hint for n, hint in expected.items() if n not in own}


@pytest.mark.parametrize(
    ("function", "name", "choices"),
    [
        (keras_mixup.evaluation.between, "target", TARGETS),
        (keras_mixup.ICTModel.__init__, "teacher_mixes", ict.TEACHER_MIXES),
        (keras_mixup.MixMatchModel.__init__, "mix", mixmatch.MIX),
    ],
)
def test_choices_are_those_that_are_checked(function, name, choices):
    hint = typing.get_type_hints(function)[name]
    found = [
        value
        for one in (hint, *typing.get_args(hint))
        if typing.get_origin(one) is typing.Literal
        for value in typing.get_args(one)
    ]
    assert (*found, *[None] * (type(None) in typing.get_args(hint))) == choices


def test_a_function_that_is_not_converted_keeps_its_name_and_its_value():
    def twice(x: int) -> int:
        """Doubles."""
        return 2 * x

    wrapped = hints.not_converted(twice)
    assert wrapped(3) == 6
    assert inspect.signature(wrapped) == inspect.signature(twice)
    assert wrapped.__doc__ == "Doubles."


def test_the_typed_program_calls_each_public_name():
    text = pathlib.Path(__file__).with_name("typed_program.py").read_text()
    assert [name for name in PUBLIC if f"{name}(" not in text] == [
        # What others give.
        "keras_mixup.neighbors.Neighbors",
        "keras_mixup.neighbors.SimilarTargets",
    ]
