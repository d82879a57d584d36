"""The programs of `python -m tests.matrix`: none fails, and refusals are documented."""

import pathlib

import pytest

from tests.matrix import __main__ as matrix
from tests.matrix.programs import FAIL, PROGRAMS, outcome

LIMITS = pathlib.Path(__file__).parents[1] / "docs" / "limits.md"
REFUSED = [one for one in PROGRAMS if one.refused]


def test_the_page_says_how_many_programs_there_are():
    assert f"runs {len(PROGRAMS)} programs of users" in LIMITS.read_text()


def test_there_are_many_programs_with_names_of_their_own():
    assert matrix.main
    names = [(one.area, one.name) for one in PROGRAMS]
    assert len(names) == len({*names}) >= 40
    assert len(REFUSED) <= len(PROGRAMS) / 4


@pytest.mark.parametrize("one", REFUSED, ids=lambda one: one.name)
def test_refusals_are_listed_among_the_limits(one):
    assert f"- {one.area}: {one.name}." in LIMITS.read_text()


def test_what_is_listed_is_refused():
    listed = LIMITS.read_text().partition("## Refused")[2].strip().splitlines()
    rows = [line for line in listed if line.startswith("- ")]
    assert rows == [f"- {one.area}: {one.name}." for one in REFUSED]


def test_a_program_that_raises_or_is_not_refused_has_failed():
    def wrong():
        raise ValueError("Expected another sentence.")

    one = PROGRAMS[0]
    for run, refused in ((wrong, None), (wrong, "this one"), (lambda: None, "this")):
        changed = type(one)(one.area, one.name, run, refused)
        assert outcome(changed)[0] == FAIL


@pytest.mark.slow
@pytest.mark.parametrize("one", PROGRAMS, ids=lambda one: f"{one.area}: {one.name}")
def test_no_program_fails(one):
    word, why = outcome(one)
    assert word != FAIL, why
