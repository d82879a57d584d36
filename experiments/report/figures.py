"""Parts of pictures, and the pictures that several experiments have."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from experiments.report import result_file
from keras_mixup import evaluation

# More methods than these have their legend below the picture.
MANY = 8
# Inches.
LEGEND_LINE = 0.2


def figure(width, height):
    """A matplotlib figure that needs no screen, and its axes maker."""
    return Figure(figsize=(width, height), layout="constrained")


def panels(width, height, count, sharey=False):
    """A figure, and its panels side by side."""
    picture = figure(width, height)
    return picture, picture.subplots(1, count, squeeze=False, sharey=sharey)[0]


def mean_and_range(axis, x, curves, label, **style):
    """Draws the mean over seeds as a line, their range as a band of its color."""
    curves = np.array(curves)
    (line,) = axis.plot(x, curves.mean(axis=0), label=label, **style)
    low, high, color = curves.min(axis=0), curves.max(axis=0), line.get_color()
    axis.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)


def curves_by_method(axis, runs, part, measure, over="epoch"):
    """Draws a measure over epochs: of each method the mean and range over seeds."""
    for method in result_file.methods(runs):
        own = [run["epochs"] for run in runs if run["method"] == method]
        curves = [[epoch[part][measure] for epoch in epochs] for epochs in own]
        mean_and_range(axis, [epoch[over] for epoch in own[0]], curves, method)


def by_group(result):
    """The runs of each group."""
    return {
        group: [run for run in result["runs"] if run.get("group", "") == group]
        for group in result_file.groups(result["runs"])
    }


def _cycle(axis):
    """Gives the lines of a panel ten colors, and dashes from the eleventh on."""
    dashes = 10 * ["-"] + 10 * ["--"] + 10 * [":"]
    axis.set_prop_cycle(color=3 * colormaps["tab10"].colors, linestyle=dashes)


def _legend_below(axis):
    # Inches below the axis: its ticks and its label come first.
    below = ScaledTranslation(0, -0.5, axis.figure.dpi_scale_trans)
    place = {"bbox_to_anchor": (0.5, 0), "bbox_transform": axis.transAxes + below}
    axis.legend(fontsize="small", loc="upper center", frameon=False, **place)


def error_curves(result, measures, path, title):
    """Error over epochs: a panel for each (part, name) of `measures`, with heading."""
    picture, axes = panels(4 * len(measures), 3.4, len(measures), sharey=True)
    for axis, ((part, name), heading) in zip(axes, measures.items(), strict=True):
        curves_by_method(axis, result["runs"], part, name)
        axis.set(title=heading, xlabel="epoch", ylim=(0, 100))
    axes[0].set_ylabel("error (%)")
    axes[-1].legend()
    picture.suptitle(title)
    picture.savefig(path, dpi=100)


def mixed_images(images, partners, mixed, lam, titles, path):
    """Rows of an image, its partner and their mixture; three rows, n columns."""
    picture = figure(1.1 * len(mixed), 3.8)
    axes = picture.subplots(3, len(mixed), squeeze=False)
    rows = {"image": images, "partner": partners, "mixed": mixed}
    for line, (name, content) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(name)
        for axis, image in zip(line, content, strict=True):
            axis.imshow(np.squeeze(image), cmap="gray", vmin=0, vmax=255)
            axis.set(xticks=[], yticks=[])
    for column, (weight, title) in enumerate(zip(lam, titles, strict=True)):
        axes[0, column].set_title(f"$\\lambda$ = {weight:.2f}", fontsize=9)
        axes[2, column].set_xlabel(title, fontsize=8)
    picture.savefig(path, dpi=100)


def curves_and_reliability(result, folder):
    """Test error over epochs, and the reliability if it was measured: the paths."""
    groups = by_group(result)
    methods = [result_file.methods(runs) for runs in groups.values()]
    # Where each group has methods of its own, each panel has a legend, below it.
    own, many = any(n != methods[0] for n in methods), len(methods[0]) > MANY
    width = max(6, 4 * len(groups))
    columns = int(width / 2)
    lines = max(map(len, methods)) if own else -(-len(methods[0]) // columns)
    height = 3.6 + (LEGEND_LINE * (lines + 1) if own or many else 0)
    picture, axes = panels(width, height, len(groups))
    for axis, (group, runs) in zip(axes, groups.items(), strict=True):
        _cycle(axis)
        curves_by_method(axis, runs, "test", "error")
        axis.set(title=group, xlabel="epoch", ylim=(0, None))
        axis.xaxis.get_major_locator().set_params(integer=True)
        if own:
            _legend_below(axis)
    axes[0].set_ylabel("error (%)")
    if many and not own:
        look = {"fontsize": "small", "loc": "outside lower center", "ncols": columns}
        picture.legend(*axes[-1].get_legend_handles_labels(), **look)
    elif not own:
        axes[-1].legend()
    picture.suptitle("Test error, mean and range over seeds")
    path = folder / "curves.png"
    picture.savefig(path, dpi=100)
    return [path, *reliability_diagrams(result, folder)]


def reliability_diagrams(result, folder, methods=()):
    """Accuracy against confidence on the test set: one panel a group, a line a method.

    Drawn are `methods`, or all of a group that has none of them. Gives the picture's
    path in a list, which is empty if it was not measured.
    """
    ends = [run["epochs"][-1].get("end", {}) for run in result["runs"]]
    if not all("test" in end.get("reliability", {}) for end in ends):
        return []
    path, groups, drawn = folder / "reliability.png", by_group(result), {}
    for group, runs in groups.items():
        found = result_file.methods(runs)
        drawn[group] = [name for name in found if name in methods] or found
    height = 4 + LEGEND_LINE * (max(map(len, drawn.values())) + 1)
    width = max(5.6, 3.6 * len(groups))
    picture, axes = panels(width, height, len(groups), sharey=True)
    for axis, (group, runs) in zip(axes, groups.items(), strict=True):
        _cycle(axis)
        for method in drawn[group]:
            bins = _added_bins([run for run in runs if run["method"] == method])
            error = 100 * evaluation.calibration_error(bins)
            label = f"{method}: {error:.1f} %"
            evaluation.draw_reliability_diagram(bins, axis, label)
            axis.get_lines()[-1].set_markersize(4)
        axis.set_title(group)
        axis.label_outer()
        _legend_below(axis)
    picture.suptitle("Reliability on the test set; calibration error over all seeds")
    picture.savefig(path, dpi=100)
    return [path]


def _added_bins(runs):
    """The reliability of the predictions of several runs together."""
    found = [run["epochs"][-1]["end"]["reliability"]["test"] for run in runs]
    counts = np.array([one["count"] for one in found])
    total = counts.sum(axis=0)
    added = {"count": total.tolist()}
    for name in ("accuracy", "confidence"):
        # An empty bin has None, here NaN.
        values = np.array([one[name] for one in found], float)
        sums = np.nansum(counts * values, axis=0)
        added[name] = [s / n if n else None for s, n in zip(sums, total, strict=True)]
    return added
