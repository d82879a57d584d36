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
    """The verdict on one row by its entry of a result's "paired", None if not run."""
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
    counts = collections.Counter(verdicts.values())
    if len(counts) <= 1:
        return next(iter(counts), "not run")
    total = counts.total()
    return "; ".join(f"{n} of {total} {text}" for text, n in counts.items())
