"""The settings: their bounds, their roles, and how flags become settings."""

import dataclasses
import math

import pytest

from experiments import settings
from experiments.settings import MethodSettings, field

PRESETS = {
    "cpu": {},
    "smoke": {"epochs": 2, "seeds": (7,), "rate": 0.0},
    "paper": {"epochs": 200, "publish": True},
}


@dataclasses.dataclass(frozen=True)
class Settings(settings.Settings):
    """Settings of an experiment that does not exist."""

    # Passes over the data.
    epochs: int = field(60, least=1)
    rate: float = 0.1
    alphas: tuple[float, ...] = field((1.0, 8.0), above=0)
    share: float = field(0.5, above=0, below=1)
    level: float = field(2.0, least=1, below=3)
    kinds: tuple[str, ...] = field(("a",), among=("a", "b"))
    sizes: tuple[int, ...] = field((), empty=True)


def parse(*flags):
    return settings.parse(Settings, PRESETS, list(flags), prog="prog")


def test_without_flags_the_settings_are_the_defaults_of_the_preset_cpu():
    found = parse()
    assert found == Settings()
    assert (found.preset, found.epochs, found.rate) == ("cpu", 60, 0.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.epochs = 1


def test_a_preset_wins_over_defaults_and_leaves_the_others():
    found = parse("--preset", "smoke")
    assert (found.epochs, found.seeds, found.rate) == (2, (7,), 0.0)
    assert (found.preset, found.alphas) == ("smoke", (1.0, 8.0))
    assert parse("--preset=paper").publish is True


@pytest.mark.parametrize(
    "flags",
    [("--preset", "smoke", "--epochs", "60"), ("--epochs=60", "--preset=smoke")],
)
def test_a_flag_wins_over_the_preset_even_with_the_default_value(flags):
    found = parse(*flags)
    assert (found.epochs, found.seeds) == (60, (7,))


def test_flags_take_lists_numbers_and_switches():
    found = parse("--alphas", "0.5", "2", "--seeds", "4", "--publish", "--rate", "1e-3")
    assert (found.alphas, found.seeds) == ((0.5, 2.0), (4,))
    assert (found.publish, found.rate) == (True, 1e-3)
    assert parse("--preset", "paper", "--nopublish").publish is False


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--preset", "huge"], "invalid choice: 'huge'"),
        (["--epoch_count", "1"], "--epoch_count"),
        (["--epochs", "many"], "invalid int value: 'many'"),
        (["--strategy", "two"], "invalid choice: 'two'"),
        (["--seeds"], "`seeds`. Expected at least one entry. Received: []"),
        (["--rate", "nan"], "`rate`. Expected a finite number >= 0. Received: nan"),
    ],
)
def test_a_wrong_flag_ends_with_status_2_and_a_message(capsys, flags, message):
    with pytest.raises(SystemExit) as end:
        parse(*flags)
    assert end.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "usage: prog" in printed


def test_help_shows_presets_flags_and_their_meaning(capsys):
    with pytest.raises(SystemExit) as end:
        parse("--help")
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert "Presets: cpu, paper, smoke." in printed
    for one in dataclasses.fields(Settings):
        assert f"--{one.name}" in printed
    assert "Passes over the data. (default: 60)" in printed


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epochs", 0, "a finite number >= 1"),
        ("rate", -0.5, "a finite number >= 0"),
        ("rate", math.inf, "a finite number >= 0"),
        ("alphas", (1.0, 0.0), "finite numbers > 0"),
        ("alphas", (1.0, math.nan), "finite numbers > 0"),
        ("alphas", (math.inf,), "finite numbers > 0"),
        ("share", 0.0, "a finite number > 0 and < 1"),
        ("share", 1.0, "a finite number > 0 and < 1"),
        ("level", 0.9, "a finite number >= 1 and < 3"),
        ("level", 3.0, "a finite number >= 1 and < 3"),
        # As a preset might have it; that of a flag is refused by the parser.
        ("mix_in", "pipelin", "some of ['train_step', 'pipeline']"),
        ("strategy", "mirorred", "some of ['one', 'mirrored', 'multi_worker']"),
        # NumPy takes no larger seed.
        ("seeds", (0, 2**32), "finite numbers >= 0 and < 4294967296"),
        ("kinds", ("a", "c"), "some of ['a', 'b']"),
        ("kinds", (), "at least one entry"),
        ("sizes", (3, 3), "entries that are all different"),
        ("alphas", (1, 1.0), "entries that are all different"),
        # Both are "mixup 0.1", of which one would be dropped.
        ("alphas", (0.1, 0.10000001), "entries that are all different in six digits"),
        ("sizes", (3, -1), "finite numbers >= 0"),
    ],
)
def test_what_is_out_of_bounds_is_refused(name, value, expected):
    with pytest.raises(ValueError) as error:
        Settings(**{name: value})
    received = list(value) if isinstance(value, tuple) else value
    assert str(error.value) == (
        f"Invalid value received for `{name}`. Expected {expected}. "
        f"Received: {received}"
    )


@pytest.mark.parametrize("wrong", [{"role": "analyis"}, {"leats": 1}])
def test_a_field_of_an_unknown_role_or_bound_is_refused(wrong):
    with pytest.raises(ValueError, match="`field`. Expected known bounds, a role of"):
        field(1, **wrong)


def test_what_is_on_a_bound_is_taken():
    taken = {"epochs": 1, "rate": 0.0, "share": 1e-9, "level": 1.0, "sizes": (0,)}
    # Whole numbers are shown with all of their digits.
    taken["seeds"] = (1_000_000, 1_000_001)
    found = Settings(**taken, kinds=("b", "a"))
    assert {name: getattr(found, name) for name in taken} == taken
    assert Settings().sizes == ()


@pytest.mark.parametrize(
    "beside",
    [{"deterministic": True}, {"checkpoint_steps": 5}, {"strategy": "multi_worker"}],
)
def test_a_data_service_goes_with_nothing_that_needs_its_order(beside):
    with pytest.raises(ValueError, match="`data_service`. Expected none beside"):
        Settings(data_service="grpc://a:1", **beside)
    assert Settings(data_service="grpc://a:1").data_service == "grpc://a:1"


def test_xla_is_refused_where_keras_would_go_on_without_it():
    with pytest.raises(ValueError, match="`jit_compile`. Expected False beside"):
        Settings(jit_compile=True, deterministic=True)
    assert Settings(jit_compile=True).jit_compile
    assert Settings(deterministic=True).deterministic


@dataclasses.dataclass(frozen=True)
class Measured(settings.Settings):
    """Gives roles, which others inherit."""

    pairs: int = field(10, "analysis")
    rows: tuple[str, ...] = field(("a",), "plan")


@dataclasses.dataclass(frozen=True)
class Both(MethodSettings, Measured):
    """Other defaults and bounds, mostly of the same roles."""

    seeds: tuple[int, ...] = (0, 1, 2)
    alphas: tuple[float, ...] = field((0.2,), above=0, below=1)
    jit_compile: bool = True
    pairs: int = field(20, least=2)
    rows: tuple[str, ...] = field(("b",), "setting")
    width: int = 4


def test_a_role_stays_what_it_was_until_another_is_given():
    def roles(of):
        found = {}
        for role in ("setting", "analysis", "plan", "place", "compute"):
            for name in settings.names(of, role):
                assert found.setdefault(name, role) == role
        assert set(found) == {one.name for one in dataclasses.fields(of)}
        return found

    first, second = roles(Measured), roles(Both)
    assert first == {**roles(settings.Settings), "pairs": "analysis", "rows": "plan"}
    assert second == {
        **first,
        **{"methods": "plan", "alphas": "plan"},
        **{"rows": "setting", "width": "setting"},
    }
    expected = {"seeds": "plan", "run_dir": "place", "jit_compile": "compute"}
    assert expected.items() <= second.items()
    assert (second["batch_size"], second["precision"]) == ("setting", "compute")
    # In the order of the fields, of all roles that are named.
    both = settings.names(Both, "plan", "analysis")
    assert both == ["preset", "seeds", "pairs", "methods", "alphas"]


def test_a_class_that_extends_another_has_its_own_bounds():
    assert Measured(pairs=1).pairs == 1
    with pytest.raises(ValueError, match="`pairs`. Expected a finite number >= 2"):
        Both(pairs=1)
    with pytest.raises(ValueError, match="`alphas`. Expected finite numbers > 0 and <"):
        Both(alphas=(1.0,))


def test_the_methods_are_erm_and_mixup_of_each_alpha():
    assert MethodSettings().method_alphas() == {"ERM": 0.0, "mixup 1": 1.0}
    found = MethodSettings(methods=("mixup",), alphas=(0.2, 10.0)).method_alphas()
    assert found == {"mixup 0.2": 0.2, "mixup 10": 10.0}
    assert MethodSettings(methods=("erm",)).method_alphas() == {"ERM": 0.0}
    with pytest.raises(ValueError, match="`methods`. Expected some of"):
        MethodSettings(methods=("erm", "cutmix"))
