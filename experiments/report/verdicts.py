"""What our numbers say of a claim, by one rule that is the same for all."""

import collections

from scipy import stats

from experiments.report import result_file

RULE = (
    "A row speaks by its difference to ERM, paired by seed. The difference is tested "
    "by Student's t (two-sided, 5 %), with Holm's correction over the rows of the "
    "claim that are tested. It is shown in the claimed direction, against the claim "
    "in the other, and else not shown. Fewer than three seeds show nothing. Some "
    "claims are about networks that fit their training set. Where ERM does not, or "
    "where nobody measured it, a row is outside the claim's regime and is not tested: "
    "ERM fits if its mean training error (clean examples, inference mode) is below "
    "1 %, of replaced labels too where some were replaced. Nothing else enters: "
    "neither how large the difference is, nor how near the paper's. Intervals are of "
    "95 %, by the same t, for each row alone."
)
LEAST_SEEDS, LEVEL = 3, 0.05
# Training error (%) below which ERM fits its training set.
FITS = 1.0
OUTSIDE = "outside its regime"


def of_claim(claim, result):
    """The verdicts on the rows of a claim, by cell; empty where nothing was run."""
    if result is None:
        return {}
    directions = claim.cells(result)
    verdicts = {cell: untested(claim, result, cell) for cell in directions}
    tested = {
        cell: result["paired"][cell] for cell, word in verdicts.items() if word is None
    }
    for cell, p_value in holm(tested).items():
        verdicts[cell] = verdict(tested[cell], p_value, directions[cell])
    return verdicts


def untested(claim, result, cell):
    """The verdict on a row whose difference is not tested, None where it is."""
    paired = result["paired"].get(cell)
    if paired is None:
        return "not run"
    if not in_regime(claim, result, cell):
        return OUTSIDE
    if (seeds := paired["seeds"]) < LEAST_SEEDS:
        return f"not shown ({seeds} seed{'s' if seeds > 1 else ''})"
    return None


def in_regime(claim, result, cell):
    """Whether ERM fits its training set in the group of a cell, if that matters."""
    errors = training_errors(claim, result, cell)
    return all(error is not None and error < FITS for error in errors)


def training_errors(claim, result, cell):
    """ERM's mean training errors that a claim's regime asks for, None if not known."""
    group = cell.rpartition("/")[0].rpartition("/")[0]
    names = (result_file.cell_name(group, "ERM", name) for name in claim.fits)
    found = (result["summary"].get(name) for name in names)
    return [entry and entry["mean"] for entry in found]


def p_value(paired):
    """The two-sided p-value of a difference by Student's t over its seeds."""
    mean, error = paired["mean"], paired["standard_error"]
    if error == 0:
        return float(mean == 0)
    return 2 * stats.t.sf(abs(mean) / error, paired["seeds"] - 1)


def holm(differences):
    """The p-values of differences, each corrected for that there are several."""
    by_cell = {cell: p_value(paired) for cell, paired in differences.items()}
    corrected, largest = {}, 0.0
    for before, cell in enumerate(sorted(by_cell, key=by_cell.get)):
        largest = max(largest, (len(by_cell) - before) * by_cell[cell])
        corrected[cell] = min(largest, 1.0)
    return corrected


def verdict(paired, p_value, direction):
    """The verdict on a difference whose corrected p-value is given."""
    if p_value > LEVEL:
        return "not shown"
    return "shown" if (paired["mean"] > 0) == (direction == "higher") else "against"


def summary(verdicts):
    """One line for a claim: the verdict of all rows, or how many have which."""
    counts = collections.Counter(verdicts.values())
    if len(counts) <= 1:
        return next(iter(counts), "not run")
    total = counts.total()
    return "; ".join(f"{n} of {total} {text}" for text, n in counts.items())
