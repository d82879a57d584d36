"""Summaries of results as Markdown tables."""

from scipy import stats

from experiments.report import result_file


def markdown(head, rows, rule="---"):
    """The Markdown table of a list of headings and of rows of texts.

    `rule` is what stands below each heading but the first: "---:" sets to the right.
    """
    first, *lines = ("| " + " | ".join(row) + " |" for row in (head, *rows))
    return "\n".join([first, "|---" + f"|{rule}" * (len(head) - 1) + "|", *lines])


def table(result, measures, group_heading="Group", digits=None):
    """The Markdown table of methods by measures; the paper's value in brackets.

    `measures` maps measures to headings; those that no run has are left out. Where runs
    have a group, it is the first column. `digits` are decimals by measure, else one.
    """
    found = {measure for run in result["runs"] for measure in run["final"]}
    measures = {name: text for name, text in measures.items() if name in found}
    digits, rows = digits or {}, []
    for row in result_file.rows(result["runs"]):
        cells = [_cell(result, *row, m, digits.get(m, 1), "-") for m in measures]
        rows.append([*row, *cells])
    head = [group_heading, "Method", *measures.values()]
    # Without groups the first column is empty.
    first = 0 if any(row[0] for row in rows) else 1
    return markdown(head[first:], [row[first:] for row in rows])


def table_by_method(result, measure, heading):
    """The Markdown table of groups by methods, for one measure."""
    methods, rows = result_file.methods(result["runs"]), []
    for group in result_file.groups(result["runs"]):
        rows.append([group, *(_cell(result, group, m, measure) for m in methods)])
    return markdown([heading, *methods], rows)


def table_by_group(result, measure, heading, digits=1):
    """The Markdown table of methods by groups, for one measure."""
    groups, rows = result_file.groups(result["runs"]), []
    for method in result_file.methods(result["runs"]):
        cells = (_cell(result, group, method, measure, digits) for group in groups)
        rows.append([method, *cells])
    return markdown([heading, *groups], rows)


def _cell(result, group, method, measure, digits=1, missing="not run"):
    cell = result["summary"].get(result_file.cell_name(group, method, measure))
    if cell is None:
        return missing
    text = mean(cell, digits)
    return text if cell["paper"] is None else f"{text} ({cell['paper']:g})"


def mean(cell, digits):
    """The mean of a cell of "summary", with its standard deviation if it has one."""
    text, deviation = f"{cell['mean']:.{digits}f}", cell["standard_deviation"]
    return text if deviation is None else f"{text} ± {deviation:.{digits}f}"


def difference(paired, digits):
    """A difference of "paired", with its 95 % interval by Student's t if it has one."""
    text, error = f"{paired['mean']:+.{digits}f}", paired["standard_error"]
    if error is None:
        return text
    half = error * stats.t.ppf(0.975, paired["seeds"] - 1)
    low, high = paired["mean"] - half, paired["mean"] + half
    return f"{text} ({low:+.{digits}f} to {high:+.{digits}f})"
