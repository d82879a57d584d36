"""The picture of the ratios, drawn from the result files: docs/speed.png.

A mark is a median with its interval: ours over one peer, in one run. The line at 1 is
the peer itself, a star the ratio aimed at where that is more.
"""

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator

from benchmarks import pipeline, summary
from benchmarks.contestants import CUTMIX, FORMULA, MIXUP, peers_of

TICKS = (1, 2, 3, 5, 8)
# Between the marks of a group.
STEP = 0.22


def draw(path):
    """Writes the picture."""
    panels = {
        "MixUp in the pipeline": of_pipeline("pipeline", MIXUP),
        "CutMix in the pipeline": of_pipeline("pipeline_cutmix", CUTMIX),
        "Training": of_training(),
    }
    picture = Figure(figsize=(6, 9.2), layout="constrained", dpi=110)
    axes = picture.subplots(3, height_ratios=[len(found) for found in panels.values()])
    for axis, (title, found) in zip(axes, panels.items(), strict=True):
        marks(axis, title, found)
    picture.supxlabel("images per second of keras_mixup over those of the peer")
    picture.savefig(path)


def of_pipeline(name, policy):
    """By batch and peer: the ratio of a policy, and the aim."""
    found = {}
    for cell in summary.cells(name):
        side, memory = cell["batch"][1], cell["memory"]
        kept = "" if memory == "by default" else f",\nmemory {memory}"
        found[f"{side} x {side}, {cell['dtype']}{kept}"] = {
            peer: (
                cell["contestants"][peer]["ours_over_it"],
                pipeline.target_of(cell, peer),
            )
            for peer in peers_of(policy)
        }
    return found


def of_training():
    """By width and peer: the ratio of a training, and the aim."""
    return {
        f"PreAct ResNet-18,\nwidth {width}": {
            peer: (its["ours_over_it"], 1.0)
            for peer, its in cell["contestants"].items()
            if peer.startswith("PyTorch")
        }
        for width, cell in summary.result("whole_training")["cells"].items()
    }


def marks(axis, title, found):
    """A group of marks for each batch, a color for each peer."""
    peers = list(next(iter(found.values())))
    for number, peer in enumerate(peers):
        for group, of_batch in enumerate(found.values()):
            ratio, aim = of_batch[peer]
            place, color = group + STEP * number, f"C{number}"
            axis.plot([ratio["low"], ratio["high"]], [place, place], color=color)
            axis.plot(ratio["median"], place, "o", ms=5, color=color)
            if aim > 1:
                axis.plot(aim, place, "*", ms=9, color=color, mec="0.2", mew=0.5)
        name = "formula of keras.io" if peer == FORMULA else peer
        axis.plot([], [], "o-", color=color, label=f"over {name}")
    axis.axvline(1, color="0.6", lw=1, zorder=0)
    middle = STEP * (len(peers) - 1) / 2
    axis.set_yticks([group + middle for group in range(len(found))], list(found))
    axis.set_ylim(len(found) - STEP, -2 * STEP)
    axis.set_xscale("log")
    axis.set_xlim(0.85, 30)
    axis.xaxis.set_major_locator(FixedLocator(TICKS))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_title(title)
    axis.legend(fontsize="small", loc="lower right")
