"""Pictures of GANs, made from the result file alone."""

import numpy as np

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
    """By data set and method, the snapshots of the first seed by iteration."""
    rows = {}
    for run in result["runs"]:
        kept = {e["iteration"]: e["samples"] for e in run["epochs"] if "samples" in e}
        if kept:
            rows.setdefault((run["group"], run["method"]), kept)
    return rows


def samples(rows, path):
    """The paper's panels: a row a data set and method, a column a snapshot.

    Points of the data lie below the samples; what is outside of the frame is counted
    in the corner.
    """
    if not rows:
        return []
    columns = sorted({iteration for kept in rows.values() for iteration in kept})
    picture = figures.figure(1.7 * len(columns) + 0.6, 1.75 * len(rows) + 0.3)
    axes = picture.subplots(len(rows), len(columns), squeeze=False)
    real = {group: _real(group) for group, _ in rows}
    for number, ((group, method), kept) in enumerate(rows.items()):
        line = axes[number]
        for axis, iteration in zip(line, columns, strict=True):
            axis.set(xlim=(-FRAME, FRAME), ylim=(-FRAME, FRAME), xticks=[], yticks=[])
            axis.set_aspect("equal")
            axis.plot(*real[group].T, ".", ms=2, color="C0", rasterized=True)
            if iteration in kept:
                points = read_points(kept[iteration])
                axis.plot(*points.T, ".", ms=2, color="C1", alpha=0.25, rasterized=True)
                outside = np.abs(points).max(axis=1) > FRAME
                if outside.any():
                    text = f"{100 * outside.mean():.0f} % outside"
                    axis.text(0, -1.2, text, fontsize="x-small", ha="center")
            if number == 0:
                axis.set_title(f"{iteration:,}", fontsize="medium")
        line[0].set_ylabel(f"{group}\n{method}", fontsize="small")
    picture.supxlabel("generator iterations above; data blue, samples orange", size=8)
    picture.savefig(path, dpi=110)
    return [path]


def curves(result, path):
    """The measures over iterations: mean over seeds, and their range."""
    groups = list(dict.fromkeys(run["group"] for run in result["runs"]))
    picture = figures.figure(4.2 * len(CURVES), 3 * len(groups) + 0.2)
    axes = picture.subplots(len(groups), len(CURVES), squeeze=False)
    for line, group in zip(axes, groups, strict=True):
        runs = [run for run in result["runs"] if run["group"] == group]
        methods = list(dict.fromkeys(run["method"] for run in runs))
        for axis, (measure, label) in zip(line, CURVES.items(), strict=True):
            for number, method in enumerate(methods):
                own = [run["epochs"] for run in runs if run["method"] == method]
                steps = [entry["iteration"] for entry in own[0]]
                values = np.array([[e["test"][measure] for e in run] for run in own])
                color = f"C{number}"
                axis.plot(steps, values.mean(axis=0), color=color, label=method)
                low, high = values.min(axis=0), values.max(axis=0)
                axis.fill_between(steps, low, high, color=color, alpha=0.2, lw=0)
            axis.set(xscale="log", ylabel=label, title=group)
            if measure == "sliced_wasserstein":
                axis.set_yscale("log")
        line[0].legend(fontsize="small")
    for axis in axes[-1]:
        axis.set_xlabel("generator iterations")
    picture.savefig(path, dpi=100)
    return [path]


def tiles(result, path):
    """Sheets of generated images of the first seed: a row a method, a column a snapshot."""
    import base64
    import io

    from matplotlib.image import imread

    rows = {}
    for run in result["runs"]:
        kept = {e["iteration"]: e["samples"] for e in run["epochs"] if "samples" in e}
        rows.setdefault(run["method"], kept)
    columns = sorted({iteration for kept in rows.values() for iteration in kept})
    if not columns:
        return []
    picture = figures.figure(2.6 * len(columns) + 0.4, 1.9 * len(rows) + 0.4)
    axes = picture.subplots(len(rows), len(columns), squeeze=False)
    for number, (method, kept) in enumerate(rows.items()):
        line = axes[number]
        for axis, iteration in zip(line, columns, strict=True):
            axis.set(xticks=[], yticks=[])
            if iteration in kept:
                sheet = io.BytesIO(base64.b64decode(kept[iteration]))
                axis.imshow(imread(sheet, format="png"), cmap="gray", vmin=0, vmax=1)
            if number == 0:
                axis.set_title(f"{iteration:,} iterations", fontsize="medium")
        line[0].set_ylabel(method)
    picture.savefig(path, dpi=120)
    return [path]


def read_points(text):
    """The array (points, 2) of a snapshot's line of text."""
    return np.array([pair.split(",") for pair in text.split()], float)


def _real(group, count=1000):
    from experiments import mixtures

    modes = mixtures.modes(group)
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(count, 2)) * mixtures.STANDARD_DEVIATION
    return modes[generator.integers(len(modes), size=count)] + noise
