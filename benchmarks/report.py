"""How a number of the benchmarks is written, and what a target says of it."""

import contextlib
import importlib.metadata

from experiments.report import tables


def interval(value, form):
    """A median with its interval, as the tables show it."""
    low, high = (format(value[end], form) for end in ("low", "high"))
    return f"{format(value['median'], form)} ({low} to {high})"


def at_least(value, target):
    """Whether the whole interval lies at or above its target, or below."""
    if value["low"] >= target:
        return f">= {target:g}: met"
    return f">= {target:g}: {'missed' if value['high'] < target else 'open'}"


def at_most(value, target):
    """Whether the whole interval lies at or below its target, or above."""
    if value["high"] <= target:
        return f"<= {target:g}: met"
    return f"<= {target:g}: {'missed' if value['low'] > target else 'open'}"


def markdown(head, rows):
    """A Markdown table; columns behind the first are set to the right."""
    return tables.markdown(head, rows, rule="---:")


def rounds(result, value):
    """The line below a table: of how many rounds, and what its intervals cover."""
    return (
        f"\n\nMedian of {result['settings']['rounds']} rounds "
        f"({100 * value['coverage']:.1f} % interval)."
    )


def version(package):
    """The installed version, or None."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None
