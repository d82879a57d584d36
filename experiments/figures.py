"""Pictures made from results."""

import numpy as np


def figure(width, height):
    """A matplotlib figure that needs no screen, and its axes maker."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


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
    picture = figure(max(6, 4 * len(groups)), 3.6)
    axes = picture.subplots(1, len(groups), squeeze=False)[0]
    for axis, group in zip(axes, groups, strict=True):
        runs = [run for run in result["runs"] if run["group"] == group]
        for method in dict.fromkeys(run["method"] for run in runs):
            curves = np.array(
                [
                    [epoch["test"]["error"] for epoch in run["epochs"]]
                    for run in runs
                    if run["method"] == method
                ]
            )
            epochs = np.arange(1, curves.shape[1] + 1)
            axis.plot(epochs, curves.mean(axis=0), label=method)
            axis.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), alpha=0.2)
        axis.set(title=group, xlabel="epoch", ylim=(0, None))
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel("error (%)")
    axes[-1].legend()
    picture.suptitle(title)
    picture.savefig(path, dpi=100)
