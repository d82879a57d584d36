"""What our numbers say of a claim, by one rule that is the same for all."""

import collections

RULE = (
    "A row speaks by its difference to ERM, paired by seed: at least three seeds, and "
    "a mean of more than two standard errors. In the claimed direction it is "
    "reproduced (at the paper's full setting) or its direction shown (at a reduced "
    "one), against it opposite, and else not shown. Nothing else enters: neither how "
    "large the difference is, nor how near the paper's."
)
LEAST_SEEDS, STANDARD_ERRORS = 3, 2


def verdict(paired, direction, is_full):
    """The verdict on one row, a text.

    Args:
        paired: Entry of a result's "paired", or None where nothing was run.
        direction: "lower" or "higher".
        is_full: Whether this is the paper's setting.
    """
    if paired is None:
        return "not run"
    where = "at full setting" if is_full else "at reduced setting"
    error = paired["standard_error"]
    mean = paired["mean"] if direction == "higher" else -paired["mean"]
    told = paired["seeds"] >= LEAST_SEEDS and abs(mean) > STANDARD_ERRORS * error
    if not told:
        return f"not shown {where}"
    if mean < 0:
        return f"opposite {where}"
    return f"reproduced {where}" if is_full else f"direction shown {where}"


def of_claim(claim, result):
    """The verdicts on the rows of a claim, by cell; empty where nothing was run."""
    if result is None:
        return {}
    return {
        cell: verdict(result["paired"].get(cell), direction, claim.is_full(result))
        for cell, direction in claim.cells(result).items()
    }


def summary(verdicts):
    """One line for a claim: the verdict of all rows, or how many have which."""
    found = list(verdicts.values())
    if not found:
        return "not run"
    if len(set(found)) == 1:
        return found[0]
    counts = collections.Counter(found).items()
    return "; ".join(f"{count} of {len(found)} {text}" for text, count in counts)
