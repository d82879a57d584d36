"""Pictures of the analyses: over alpha, over epsilon, over lam, over many rows."""

import numpy as np

from experiments.report import figures, result_file


def dots_by_method(result, measure, title, path):
    """One measure of many methods: a row each, a dot for each group and seed."""
    methods, groups = result_file.methods(result["runs"]), figures.by_group(result)
    picture = figures.figure(7.5, 1.2 + 0.27 * len(methods))
    axis = picture.subplots()
    for place, (group, runs) in enumerate(groups.items()):
        rows = np.array([methods.index(run["method"]) for run in runs])
        # Groups side by side within a row.
        shift = (place - (len(groups) - 1) / 2) * 0.25
        values = [run["final"][measure] for run in runs]
        axis.plot(values, rows + shift, "o", markersize=4, label=group)
    axis.set_yticks(range(len(methods)), methods)
    axis.invert_yaxis()
    axis.grid(axis="y", alpha=0.3)
    axis.set_xlabel(title)
    if any(groups):
        axis.legend(fontsize="small")
    picture.savefig(path, dpi=100)


def over_alpha(result, alphas, measures, limit, path):
    """Measures over alpha: one panel each, a line a group.

    `alphas` maps methods to alpha, of which `limit` stands for infinity, `measures`
    maps measures to headings.
    """
    picture, axes = figures.panels(4.2 * len(measures), 3.6, len(measures))
    ticks = ["∞" if alpha == limit else f"{alpha:g}" for alpha in alphas.values()]
    for axis, (measure, heading) in zip(axes, measures.items(), strict=True):
        for group in result_file.groups(result["runs"]):
            cells = [result["summary"][f"{group}/{m}/{measure}"] for m in alphas]
            axis.plot([c["mean"] for c in cells], "o-", markersize=4, label=group)
        axis.set(title=heading, xlabel=r"$\alpha$")
        if all(min(line.get_ydata()) >= 0 for line in axis.get_lines()):
            axis.set_ylim(bottom=0)
        axis.set_xticks(range(len(ticks)), ticks)
    axes[0].legend()
    picture.savefig(path, dpi=100)


def between_curves(result, measures, paper, path):
    """Curves over lam: one panel a measure, ours with the range, the paper's dashed.

    `measures` maps the curves that the last epoch of each run holds to headings,
    `paper` each method to a dict from measure to the paper's curve.
    """
    picture, axes = figures.panels(4.6 * len(measures), 3.8, len(measures))
    found = {}
    for run in result["runs"]:
        found.setdefault(run["method"], []).append(run["epochs"][-1]["end"]["between"])
    for axis, (measure, heading) in zip(axes, measures.items(), strict=True):
        for number, (method, ends) in enumerate(found.items()):
            lam, color = ends[0]["lam"], f"C{number}"
            curves = [end[measure] for end in ends]
            figures.mean_and_range(axis, lam, curves, method, color=color)
            if measure in paper.get(method, {}):
                theirs = paper[method][measure]
                axis.plot(lam, theirs, "--", color=color, label=f"{method}, paper")
        axis.set(xlabel=r"$\lambda$", ylabel=heading, ylim=(0, None))
        axis.legend(fontsize="small")
    picture.suptitle("Between random training examples; the paper's curves digitized")
    picture.savefig(path, dpi=100)


def over_groups(result, places, measures, xlabel, path):
    """Measures over what sets groups apart: one panel each, a line a method.

    `places` maps each group to its place on the horizontal axis.
    """
    width = 3.1 * len(measures)
    picture, axes = figures.panels(width, 3.4, len(measures), sharey=True)
    for axis, (measure, heading) in zip(axes, measures.items(), strict=True):
        for method in result_file.methods(result["runs"]):
            cells = [result["summary"][f"{g}/{method}/{measure}"] for g in places]
            means = [cell["mean"] for cell in cells]
            bars = [cell["standard_deviation"] or 0 for cell in cells]
            look = {"marker": "o", "markersize": 4, "label": method}
            axis.errorbar(list(places.values()), means, bars, **look)
        axis.set(title=heading, xlabel=xlabel, ylim=(0, 100))
    axes[0].set_ylabel("error (%)")
    axes[0].legend(fontsize="small")
    picture.savefig(path, dpi=100)
