"""Two classes on a plane: points, and how p(y = 1 | x) goes from one to the other.

What is measured of a trained network, with p(x) = p(y = 1 | x):

- R² of p against lam on the straight segments x = lam x_1 + (1 - lam) x_0 between
  random training points of the two classes, over the pairs and 21 values of lam: 1
  where p is lam everywhere, 0 for p = 1/2, and it can be negative. The same of
  the mean curve, p averaged over the pairs; steps at many places make a line of that as
  well. A segment between two circles may cross the inner one twice: 1 is out of reach
  there.
- The norm of the gradient of p on a grid over the training points' box and a margin:
  its greatest value is how steep the surface is. Its mean is not: along a line that
  crosses from class to class the gradient adds up to 1, steep or not, so the mean is
  the mean length of the level lines of p over the area of the box.
"""

import itertools

import numpy as np
import tensorflow as tf
from sklearn import datasets

from experiments.report import figures, result_file

# Values of lam on a segment, and what is left around the points.
LAMS, MARGIN = 21, 0.25


def draw_points(shape, count, test_count, noise, seed):
    """Training and held-out points of a seed: (x, y) of shapes (n, 2) and (n, 1)."""
    generator = np.random.RandomState(seed)

    def draw_some(count):
        own = {"noise": noise, "random_state": generator}
        if shape == "circles":
            x, y = datasets.make_circles(count, factor=0.5, **own)
        else:
            x, y = datasets.make_moons(count, **own)
        return x.astype("float32"), y.astype("float32")[:, np.newaxis]

    return draw_some(count), draw_some(test_count)


def measure(logit, x, y, pairs, grid, seed):
    """What is measured of a trained network, and its surface for the picture."""
    y = y[:, 0]
    generator = np.random.default_rng(seed)
    zeros, ones = (generator.choice(x[y == c], pairs) for c in (0, 1))
    lam = np.linspace(0, 1, LAMS)
    p = on_segments(logit, zeros, ones, lam)
    curve = p.mean(axis=0)
    low, high = x.min(axis=0) - MARGIN, x.max(axis=0) + MARGIN
    across, up = np.linspace(low, high, grid).T
    points = np.stack(np.meshgrid(across, up), axis=-1)
    surface, norms = with_gradient_norms(logit, points.reshape(-1, 2))
    return {
        "r_squared": r_squared(p, lam),
        "curve_r_squared": r_squared(curve[np.newaxis], lam),
        "gradient_mean": float(norms.mean()),
        "gradient_max": float(norms.max()),
        "curve": [round(float(value), 4) for value in curve],
        "surface": {
            # Left, right, lower and upper end of the grid; its rows begin below.
            "extent": [float(v) for v in (low[0], high[0], low[1], high[1])],
            "p": as_text(surface.reshape(grid, grid)),
            "class_0": as_text(x[y == 0].T),
            "class_1": as_text(x[y == 1].T),
        },
    }


def on_segments(logit, zeros, ones, lam):
    """Gives p at lam x_1 + (1 - lam) x_0: one row a pair, one column a lam."""
    lam = np.asarray(lam)[:, np.newaxis]
    x = lam * ones[:, np.newaxis] + (1 - lam) * zeros[:, np.newaxis]
    logits = logit(tf.constant(x.reshape(-1, 2), tf.float32))
    return tf.sigmoid(tf.cast(logits, tf.float32)).numpy().reshape(len(ones), -1)


def with_gradient_norms(logit, points):
    """Gives p at each of the points, and the norm of its gradient there."""
    points = tf.constant(points, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(points)
        p = tf.sigmoid(tf.cast(logit(points), tf.float32))[:, 0]
    # Each p depends on its own point alone, so that of their sum is each one's.
    return p.numpy(), tf.norm(tape.gradient(p, points), axis=-1).numpy()


def r_squared(p, lam):
    """1 - sum (p - lam)² / sum (lam - mean lam)², over all rows of p."""
    p, lam = np.asarray(p, "float64"), np.broadcast_to(lam, np.shape(p))
    return float(1 - ((p - lam) ** 2).sum() / ((lam - lam.mean()) ** 2).sum())


def as_text(rows):
    """Numbers of three decimals, each row a text: a line of the result file."""
    # Adding 0 makes a zero of -0.
    return [" ".join(f"{round(float(v), 3) + 0:g}" for v in row) for row in rows]


def as_rows(text):
    """The numbers of `as_text`."""
    return np.array([row.split() for row in text], "float64")


def of_the_first_seed(records, data, settings):
    """The records; those of the first seed alone keep their surfaces, to be drawn."""
    for record in records:
        # Every run has its own, since any seed may be the first of a set.
        if record["seed"] != settings.seeds[0]:
            del record["epochs"][-1]["end"]["surface"]
    return records


def draw(result, folder):
    """Draws the surfaces of the first seed, and the mean curves of all."""
    ends = {}
    for run in result["runs"]:
        cell = ends.setdefault((run["group"], run["method"]), [])
        cell.append(run["epochs"][-1]["end"])
    shapes = result_file.groups(result["runs"])
    methods = result_file.methods(result["runs"])
    picture = figures.figure(3.6 * len(methods) + 4.4, 3.6 * len(shapes) + 0.6)
    axes = picture.subplots(len(shapes), len(methods) + 1, squeeze=False)
    for row, column in itertools.product(range(len(shapes)), range(len(methods))):
        axis, end = axes[row, column], ends[shapes[row], methods[column]][0]
        shading = draw_surface(axis, end["surface"])
        axis.set(title=f"{shapes[row]}, {methods[column]}", xlabel="first coordinate")
        axis.set_ylabel("second coordinate" if column == 0 else "")
    for axis, shape in zip(axes[:, -1], shapes, strict=True):
        draw_curves(axis, {method: ends[shape, method] for method in methods})
        axis.set_title(f"{shape}, between the classes")
    bar = picture.colorbar(shading, ax=axes[:, :-1], location="right", shrink=0.8)
    bar.set_label("$p(y = 1 | x)$")
    handles, names = axes[0, 0].get_legend_handles_labels()
    picture.legend(handles, names, loc="outside lower left", ncols=3)
    path = folder / "surfaces.png"
    picture.savefig(path, dpi=100)
    return path


def draw_surface(axis, surface):
    """Draws a surface of `measure` with its points; gives the shading."""
    extent, p = surface["extent"], as_rows(surface["p"])
    shading = axis.imshow(
        *(p, "Blues"),
        vmin=0, vmax=1, extent=extent, origin="lower", aspect="auto",
        interpolation="bilinear",
    )  # fmt: skip
    for name, color in (("class_0", "tab:green"), ("class_1", "tab:orange")):
        x = as_rows(surface[name])
        label = name.replace("_", " ")
        axis.scatter(*x, s=12, color=color, edgecolor="white", lw=0.4, label=label)
    return shading


def draw_curves(axis, ends):
    """Draws the mean curve of each method, in the band of its seeds."""
    axis.plot([0, 1], [0, 1], ":", color="black", label="$p = \\lambda$")
    for number, (method, of_seeds) in enumerate(ends.items()):
        curves = np.array([end["curve"] for end in of_seeds])
        lam = np.linspace(0, 1, curves.shape[1])
        color = f"C{(3, 4, 5, 6, 8, 9)[number % 6]}"
        axis.plot(lam, curves.mean(axis=0), color=color, label=method)
        low, high = curves.min(axis=0), curves.max(axis=0)
        axis.fill_between(lam, low, high, color=color, alpha=0.2, linewidth=0)
    axis.set_ylim(-0.03, 1.03)
    axis.set_xlabel("$\\lambda$ in $x = \\lambda x_1 + (1 - \\lambda) x_0$")
    axis.set_ylabel("mean $p(y = 1 | x)$")
    axis.legend(loc="upper left")
