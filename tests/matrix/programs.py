"""What a program is, and what becomes of it."""

import dataclasses
import importlib.util
import re
import traceback
from collections.abc import Callable

import tensorflow as tf

PASS, REFUSED, MISSING, FAIL = "pass", "refused", "not installed", "FAIL"


@dataclasses.dataclass(frozen=True)
class Program:
    """A program of the matrix."""

    area: str
    name: str
    run: Callable
    # Part of the sentence by which it is refused, where that is right.
    refused: str | None = None
    # Packages that have to be there.
    needs: tuple[str, ...] = ()


PROGRAMS = []


def program(area, name, refused=None, needs=()):
    """Enters a function without arguments, which raises unless all is right."""

    def enter(run):
        PROGRAMS.append(Program(area, name, run, refused, needs))
        return run

    return enter


def outcome(one):
    """The word for what becomes of a program, and the reason."""
    missing = [name for name in one.needs if importlib.util.find_spec(name) is None]
    if missing:
        return MISSING, ", ".join(missing)
    try:
        one.run()
    # The second is of what is known when a graph runs, such as values.
    except (ValueError, tf.errors.InvalidArgumentError) as error:
        # What comes before and behind the sentence is of TensorFlow.
        sentence = re.sub(r'^.*Summarized data: b"', "", str(error), flags=re.S)
        if one.refused and one.refused in sentence and "Expected" in sentence:
            return REFUSED, re.split(" Received:|\n", sentence)[0]
        return FAIL, traceback.format_exc()
    except Exception:
        return FAIL, traceback.format_exc()
    if one.refused:
        return FAIL, f"It was to be refused: {one.refused}"
    return PASS, ""
