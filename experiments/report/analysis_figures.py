"""Pictures of the analyses: over alpha, over epsilon, over lam, over many rows."""

import numpy as np

from experiments.report import figures


def dots_by_method(result, measure, title, path):
    """One measure of many methods: a row each, a dot for each group and seed."""
    methods = list(dict.fromkeys(run["method"] for run in result["runs"]))
    groups = list(dict.fromkeys(run["group"] for run in result["runs"]))
    picture = figures.figure(7.5, 1.2 + 0.27 * len(methods))
    axis = picture.subplots()
    for place, group in enumerate(groups):
        runs = [run for run in result["runs"] if run["group"] == group]
        rows = [methods.index(run["method"]) for run in runs]
        # Groups side by side within a row.
        shift = (place - (len(groups) - 1) / 2) * 0.25
        values = [run["final"][measure] for run in runs]
        axis.plot(values, np.array(rows) + shift, "o", markersize=4, label=group)
    axis.set_yticks(range(len(methods)), methods)
    axis.invert_yaxis()
    axis.grid(axis="y", alpha=0.3)
    axis.set_xlabel(title)
    axis.legend(fontsize="small")
    picture.savefig(path, dpi=100)


def over_alpha(result, alphas, measures, limit, path):
    """Measures over alpha: one panel each, a line a group, from 0 to the limit.

    Args:
        result: The result.
        alphas: Dict from method to alpha.
        measures: Dict from measure to heading.
        limit: The alpha that stands for infinity.
        path: Where the picture goes.
    """
    picture = figures.figure(4.2 * len(measures), 3.6)
    axes = picture.subplots(1, len(measures), squeeze=False)[0]
    places = {method: place for place, method in enumerate(alphas)}
    ticks = ["∞" if alpha == limit else f"{alpha:g}" for alpha in alphas.values()]
    for axis, (measure, heading) in zip(axes, measures.items(), strict=True):
        for group in dict.fromkeys(run["group"] for run in result["runs"]):
            means = [
                result["summary"][f"{group}/{method}/{measure}"]["mean"]
                for method in alphas
            ]
            axis.plot(list(places.values()), means, "o-", markersize=4, label=group)
        axis.set(title=heading, xlabel=r"$\alpha$")
        if all(min(line.get_ydata()) >= 0 for line in axis.get_lines()):
            axis.set_ylim(bottom=0)
        axis.set_xticks(list(places.values()), ticks)
    axes[0].legend()
    picture.savefig(path, dpi=100)


def between_curves(result, measures, paper, path):
    """Curves over lam: one panel a measure, ours with the range, the paper's dashed.

    Args:
        result: The result; the last epoch of each run holds its curves.
        measures: Dict from the name of a curve to its heading.
        paper: Dict from method to dict from measure to the paper's curve.
        path: Where the picture goes.
    """
    picture = figures.figure(4.6 * len(measures), 3.8)
    axes = picture.subplots(1, len(measures), squeeze=False)[0]
    for axis, (measure, heading) in zip(axes, measures.items(), strict=True):
        for number, method in enumerate(
            dict.fromkeys(run["method"] for run in result["runs"])
        ):
            found = [
                run["epochs"][-1]["end"]["between"]
                for run in result["runs"]
                if run["method"] == method
            ]
            lam, color = found[0]["lam"], f"C{number}"
            curves = np.array([one[measure] for one in found])
            axis.plot(lam, curves.mean(axis=0), color=color, label=method)
            low, high = curves.min(axis=0), curves.max(axis=0)
            axis.fill_between(lam, low, high, color=color, alpha=0.2)
            if measure in paper.get(method, {}):
                theirs = paper[method][measure]
                axis.plot(lam, theirs, "--", color=color, label=f"{method}, paper")
        axis.set(xlabel=r"$\lambda$", ylabel=heading, ylim=(0, None))
        axis.legend(fontsize="small")
    picture.suptitle("Between random training examples; the paper's curves digitized")
    picture.savefig(path, dpi=100)


def over_groups(result, places, measures, xlabel, path):
    """Measures over a quantity that sets groups apart: one panel each, a line a method.

    `places` maps each group to its place on the horizontal axis.
    """
    picture = figures.figure(3.1 * len(measures), 3.4)
    axes = picture.subplots(1, len(measures), squeeze=False, sharey=True)[0]
    for axis, (measure, heading) in zip(axes, measures.items(), strict=True):
        for method in dict.fromkeys(run["method"] for run in result["runs"]):
            cells = [
                result["summary"][f"{group}/{method}/{measure}"] for group in places
            ]
            axis.errorbar(
                list(places.values()),
                [cell["mean"] for cell in cells],
                [cell["standard_deviation"] or 0 for cell in cells],
                marker="o",
                markersize=4,
                label=method,
            )
        axis.set(title=heading, xlabel=xlabel, ylim=(0, 100))
    axes[0].set_ylabel("error (%)")
    axes[0].legend(fontsize="small")
    picture.savefig(path, dpi=100)
