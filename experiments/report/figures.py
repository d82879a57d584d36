"""Pictures made from results."""

import numpy as np

# More methods than these have their legend below the picture.
MANY = 8
# Inches.
LEGEND_LINE = 0.2


def figure(width, height):
    """A matplotlib figure that needs no screen, and its axes maker."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _methods(result, group, methods=None):
    """The methods of a group; of those that are asked for, unless it has none."""
    found = list(
        dict.fromkeys(r["method"] for r in result["runs"] if r["group"] == group)
    )
    return [name for name in found if name in (methods or found)] or found


def _styles():
    """Ten colors, and dashes for the next ten."""
    from matplotlib import colormaps

    colors = colormaps["tab10"].colors
    return {"color": 3 * colors, "linestyle": 10 * ["-"] + 10 * ["--"] + 10 * [":"]}


def _legend_below(axis):
    from matplotlib.transforms import ScaledTranslation

    # Inches below the axis: its ticks and its label come first.
    below = ScaledTranslation(0, -0.5, axis.figure.dpi_scale_trans)
    axis.legend(
        fontsize="small",
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=axis.transAxes + below,
        frameon=False,
    )


def error_curves(result, measures, path, title):
    """Error over epochs: one panel a measure, mean line and range over seeds.

    `measures` maps `(part, name)`, such as `("test", "error")`, to a heading.
    """
    methods = list(dict.fromkeys(run["method"] for run in result["runs"]))
    picture = figure(4 * len(measures), 3.4)
    axes = picture.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axis, ((part, name), heading) in zip(axes, measures.items(), strict=True):
        for method in methods:
            runs = [run for run in result["runs"] if run["method"] == method]
            curves = np.array([[e[part][name] for e in r["epochs"]] for r in runs])
            epochs = [epoch["epoch"] for epoch in runs[0]["epochs"]]
            axis.plot(epochs, curves.mean(axis=0), label=method)
            axis.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), alpha=0.2)
        axis.set(title=heading, xlabel="epoch", ylim=(0, 100))
    axes[0].set_ylabel("error (%)")
    axes[-1].legend()
    picture.suptitle(title)
    picture.savefig(path, dpi=100)


def mixed_images(images, partners, mixed, lam, titles, path):
    """Rows of an image, its partner and their mixture; three rows, n columns."""
    columns = len(mixed)
    picture = figure(1.1 * columns, 3.8)
    axes = picture.subplots(3, columns)
    rows = (images, partners, mixed)
    for row, (content, name) in enumerate(
        zip(rows, ("image", "partner", "mixed"), strict=True)
    ):
        for column in range(columns):
            axis = axes[row, column]
            axis.imshow(np.squeeze(content[column]), cmap="gray", vmin=0, vmax=255)
            axis.set(xticks=[], yticks=[])
            if column == 0:
                axis.set_ylabel(name)
    for column in range(columns):
        axes[0, column].set_title(f"$\\lambda$ = {lam[column]:.2f}", fontsize=9)
        axes[2, column].set_xlabel(titles[column], fontsize=8)
    picture.savefig(path, dpi=100)


def error_curves_by_group(result, title, path):
    """Test error over epochs: one panel a group, mean line and range over seeds."""
    groups = list(dict.fromkeys(run["group"] for run in result["runs"]))
    methods = [_methods(result, group) for group in groups]
    # Where each group has methods of its own, each panel has a legend, below it.
    own, many = any(n != methods[0] for n in methods), len(methods[0]) > MANY
    width = max(6, 4 * len(groups))
    columns = int(width / 2)
    lines = max(map(len, methods)) if own else -(-len(methods[0]) // columns)
    picture = figure(width, 3.6 + (LEGEND_LINE * (lines + 1) if own or many else 0))
    axes = picture.subplots(1, len(groups), squeeze=False)[0]
    for axis, group, names in zip(axes, groups, methods, strict=True):
        runs = [run for run in result["runs"] if run["group"] == group]
        axis.set_prop_cycle(**_styles())
        for method in names:
            curves = np.array(
                [
                    [epoch["test"]["error"] for epoch in run["epochs"]]
                    for run in runs
                    if run["method"] == method
                ]
            )
            epochs = np.arange(1, curves.shape[1] + 1)
            (line,) = axis.plot(epochs, curves.mean(axis=0), label=method)
            low, high = curves.min(axis=0), curves.max(axis=0)
            axis.fill_between(epochs, low, high, color=line.get_color(), alpha=0.2)
        axis.set(title=group, xlabel="epoch", ylim=(0, None))
        axis.xaxis.get_major_locator().set_params(integer=True)
        if own:
            _legend_below(axis)
    axes[0].set_ylabel("error (%)")
    if many and not own:
        of_all = axes[-1].get_legend_handles_labels()
        place = "outside lower center"
        picture.legend(*of_all, fontsize="small", loc=place, ncols=columns)
    elif not own:
        axes[-1].legend()
    picture.suptitle(title)
    picture.savefig(path, dpi=100)


def curves_and_reliability(result, folder):
    """Test error over epochs, and the reliability where it was measured: the paths."""
    curves = folder / "curves.png"
    error_curves_by_group(result, "Test error, mean and range over seeds", curves)
    return [curves, *reliability_diagrams(result, folder)]


def reliability_diagrams(result, folder, methods=None):
    """Accuracy against confidence on the test set: one panel a group, a line a method.

    Bins are added up over seeds. `methods` are those that are drawn; all by default.
    Gives the picture's path in a list, which is empty where it was not measured.
    """
    from keras_mixup import evaluation

    ends = [run["epochs"][-1].get("end", {}) for run in result["runs"]]
    if not all("test" in end.get("reliability", {}) for end in ends):
        return []
    path = folder / "reliability.png"
    groups = list(dict.fromkeys(run["group"] for run in result["runs"]))
    drawn = [_methods(result, group, methods) for group in groups]
    lines = max(map(len, drawn))
    picture = figure(max(5.6, 3.6 * len(groups)), 4 + LEGEND_LINE * (lines + 1))
    axes = picture.subplots(1, len(groups), squeeze=False, sharey=True)[0]
    for axis, group, names in zip(axes, groups, drawn, strict=True):
        runs = [run for run in result["runs"] if run["group"] == group]
        axis.set_prop_cycle(**_styles())
        for method in names:
            bins = added_bins(
                run["epochs"][-1]["end"]["reliability"]["test"]
                for run in runs
                if run["method"] == method
            )
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


def added_bins(reliabilities):
    """The reliability of the predictions of several runs together."""
    total = None
    for one in reliabilities:
        counts = np.array(one["count"], float)
        sums = [
            counts * np.array([value or 0 for value in one[name]], float)
            for name in ("accuracy", "confidence")
        ]
        parts = np.stack([counts, *sums])
        total = parts if total is None else total + parts
    counts, *sums = total
    means = [
        [s / n if n else None for s, n in zip(one, counts, strict=True)] for one in sums
    ]
    return {
        "count": [int(n) for n in counts],
        "accuracy": means[0],
        "confidence": means[1],
    }
