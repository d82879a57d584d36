"""Pictures of GANs, made from the result file alone."""

import base64
import io

import numpy as np
from matplotlib.image import imread

from experiments import mixtures
from experiments.report import figures

# The frame of the panels: the modes lie within [-1, 1].
FRAME = 1.25
CURVES = {
    "modes_covered": "modes covered",
    "high_quality": "high quality (%)",
    "sliced_wasserstein": "sliced Wasserstein distance",
}


def draw(result, folder):
    """Panels of samples, the paper's and others, and curves; gives the paths."""
    methods = ["ERM", *(f"mixup {alpha:g}" for alpha in result["settings"]["alphas"])]
    rows = kept_samples(result)
    papers = {row: kept for row, kept in rows.items() if row[1] in methods} or rows
    others = {row: kept for row, kept in rows.items() if row not in papers}
    return [
        *samples(papers, folder / "samples.png"),
        *samples(others, folder / "other_samples.png"),
        *curves(result, folder / "curves.png"),
    ]


def kept_samples(result):
    """By group and method, the snapshots of the first seed by iteration."""
    rows = {}
    for run in result["runs"]:
        kept = {e["iteration"]: e["samples"] for e in run["epochs"] if "samples" in e}
        if kept:
            rows.setdefault((run["group"], run["method"]), kept)
    return rows


def _snapshots(rows, panel, margin, title):
    """Panels, a row a group and method of `kept_samples`, a column an iteration.

    `panel` is the size of one in inches, `margin` that around them, `title` the form of
    an iteration. Gives the figure, the axes of its first column, and of each panel
    (axes, group, snapshot or None).
    """
    columns = sorted({iteration for kept in rows.values() for iteration in kept})
    width, height = panel[0] * len(columns), panel[1] * len(rows)
    picture = figures.figure(width + margin[0], height + margin[1])
    axes = picture.subplots(len(rows), len(columns), squeeze=False)
    for axis, iteration in zip(axes[0], columns, strict=True):
        axis.set_title(title.format(iteration), fontsize="medium")
    drawn = [
        (axis, group, kept.get(iteration))
        for line, ((group, _), kept) in zip(axes, rows.items(), strict=True)
        for axis, iteration in zip(line, columns, strict=True)
    ]
    for axis, *_ in drawn:
        axis.set(xticks=[], yticks=[])
    return picture, axes[:, 0], drawn


def samples(rows, path):
    """The paper's panels, data below the samples; those out of frame are counted."""
    if not rows:
        return []
    picture, lefts, drawn = _snapshots(rows, (1.7, 1.75), (0.6, 0.3), "{:,}")
    for axis, group, kept in drawn:
        axis.set(xlim=(-FRAME, FRAME), ylim=(-FRAME, FRAME), aspect="equal")
        axis.plot(*_real(group).T, ".", ms=2, color="C0", rasterized=True)
        if kept is not None:
            points = read_points(kept)
            axis.plot(*points.T, ".", ms=2, color="C1", alpha=0.25, rasterized=True)
            outside = np.abs(points).max(axis=1) > FRAME
            if outside.any():
                text = f"{100 * outside.mean():.0f} % outside"
                axis.text(0, -1.2, text, fontsize="x-small", ha="center")
    for axis, row in zip(lefts, rows, strict=True):
        axis.set_ylabel("\n".join(row), fontsize="small")
    picture.supxlabel("generator iterations above; data blue, samples orange", size=8)
    picture.savefig(path, dpi=110)
    return [path]


def tiles(result, path):
    """Sheets of generated images of the first seed: a row a method."""
    rows = kept_samples(result)
    if not rows:
        return []
    form = "{:,} iterations"
    picture, lefts, drawn = _snapshots(rows, (2.6, 1.9), (0.4, 0.4), form)
    for axis, _, kept in drawn:
        if kept is not None:
            sheet = imread(io.BytesIO(base64.b64decode(kept)), format="png")
            axis.imshow(sheet, cmap="gray", vmin=0, vmax=1)
    for axis, (_, method) in zip(lefts, rows, strict=True):
        axis.set_ylabel(method)
    picture.savefig(path, dpi=120)
    return [path]


def curves(result, path):
    """The measures over iterations: mean over seeds, and their range."""
    groups = figures.by_group(result)
    picture = figures.figure(4.2 * len(CURVES), 3 * len(groups) + 0.2)
    axes = picture.subplots(len(groups), len(CURVES), squeeze=False)
    for line, (group, runs) in zip(axes, groups.items(), strict=True):
        for axis, (measure, label) in zip(line, CURVES.items(), strict=True):
            figures.curves_by_method(axis, runs, "test", measure, "iteration")
            axis.set(xscale="log", ylabel=label, title=group)
            if measure == "sliced_wasserstein":
                axis.set_yscale("log")
        line[0].legend(fontsize="small")
    for axis in axes[-1]:
        axis.set_xlabel("generator iterations")
    picture.savefig(path, dpi=100)
    return [path]


def read_points(text):
    """The array (points, 2) of a snapshot's line of text."""
    return np.array([pair.split(",") for pair in text.split()], float)


def _real(group, count=1000):
    # The group of another loss of the generator says it behind a comma.
    modes = mixtures.modes(group.partition(",")[0])
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(count, 2)) * mixtures.STANDARD_DEVIATION
    return modes[generator.integers(len(modes), size=count)] + noise
