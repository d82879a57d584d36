"""What the pages say of the result files together: ratios, aims, speeds.

Each function makes one piece of a page from the result files alone; `PIECES` has their
names, under which `benchmarks.readme` puts them into the pages.
"""

import collections
import functools
import re

from benchmarks import command, pipeline, report
from benchmarks.contestants import CUTMIX, MIXUP, keras_of, peers_of
from experiments.report import result_file, tables

# What the page of the benchmarks says of each result file, in its order.
MEASURED = {
    "pipeline": "MixUp in `Dataset.map`, against the peers",
    "pipeline_cutmix": "CutMix in `Dataset.map`, against the peers",
    "pipeline_bfloat16": "MixUp from uint8 straight to bfloat16",
    "limit": "the mixing over one copy of the images",
    "growth": "time an image and memory, from batch 32 to 4,096",
    "train_step": "a step of MixUpModel over one without mixing",
    "whole_training": "PreAct ResNet-18 with its input pipeline, against PyTorch",
    "whole_training_bfloat16": "the same in bfloat16, compiled, as two processes",
    "neighbors": "the nearest-neighbor table, against scikit-learn",
    "similar_targets": "partners of like targets, against a matrix of all pairs",
    "torch_regression": "C-Mixup on Airfoil in a loop of PyTorch: errors, no times",
    "gan": "Figure 5's loop, against eager Keras and PyTorch",
    "start": "importing the library, and `python -m experiments --help`",
    "disk": "records decoded, augmented and mixed a second",
    "scale_out": "gradients and input between processes, and a step on paper",
    "peers": "what each peer does in small programs",
    "accelerator": "on a GPU: the mixing beside the peers, over a copy, and in a step",
}
WORDS = ("met", "open", "missed")


@functools.cache
def result(name):
    """A result file."""
    return result_file.read(command.RESULTS / f"{name}.json")


def cells(name, sizes=("ImageNet", "CIFAR")):
    """The cells of images of a file of the pipeline, the largest first, uint8 first."""
    chosen = [
        cell
        for cell in result(name)["cells"]
        if cell["name"] in sizes and cell["dtype"] != "bfloat16"
    ]
    return sorted(chosen, key=lambda cell: sizes.index(cell["name"]))


def size_of(cell):
    """The shape of a batch as the tables write it."""
    return "x".join(map(str, cell["batch"]))


def five_ratios():
    """The table that opens the page."""
    rows = []
    for name, policy in (("pipeline", MIXUP), ("pipeline_cutmix", CUTMIX)):
        cell, keras = cells(name)[0], keras_of(policy)
        ratio = cell["contestants"][keras]["ours_over_it"]
        what = f"Images a second of `{policy}` in the pipeline, over `{keras}`"
        of_it = f"{size_of(cell)}, {cell['dtype']}"
        aim = report.at_least(ratio, pipeline.target_of(cell, keras))
        rows.append([f"{what} ({of_it})", report.interval(ratio, ".2f"), aim])
    limit = result("limit")
    ratio = limit["memory"]["by default"]["mixing_over_copy"]["copy by TensorFlow"]
    what = f"Time of the mixing, over one copy ({'x'.join(map(str, limit['size']))})"
    aim = report.at_most(ratio, limit["target"])
    rows.append([what, report.interval(ratio, ".2f"), aim])
    name, step = next(iter(result("train_step")["cells"].items()))
    ratio, what = step["mixed_over_plain"], "Time of a mixed step, over a plain one"
    aim = report.at_most(ratio, step["target"])
    rows.append([f"{what} ({name})", report.interval(ratio, ".2f"), aim])
    width, cell = next(iter(result("whole_training")["cells"].items()))
    ratio = cell["contestants"]["PyTorch, channels last"]["ours_over_it"]
    what = "Images a second in training, over PyTorch, channels last"
    of_it = f"PreAct ResNet-18, width {width}"
    aim = report.at_least(ratio, 1.0)
    rows.append([f"{what} ({of_it})", report.interval(ratio, ".2f"), aim])
    return tables.markdown(["", "Ratio", "Aim"], rows)


def verdicts(name, of=""):
    """How many aims of a result file are met, open and missed.

    `of` is a regular expression that chooses lines of its table.
    """
    text = command.table_of(command.RESULTS / f"{name}.json").read_text("utf-8")
    lines = [line for line in text.splitlines() if re.search(of, line)]
    found = re.findall(rf": ({'|'.join(WORDS)})\b", "\n".join(lines))
    return collections.Counter(found)


def told(counts):
    """These counts in a sentence."""
    met, still_open, missed = (counts[word] for word in WORDS)
    return f"{met} are met, {still_open} open and {missed} missed"


def aims():
    """The table of all result files, the count of their aims, and what has no file."""
    here = [name for name in MEASURED if (command.RESULTS / f"{name}.json").exists()]
    found = {name: verdicts(name) for name in here}
    rows = [
        [
            f"[{name.replace('_', ' ')}](results/{name}.md)",
            MEASURED[name],
            *(str(found[name][word] or "") for word in WORDS),
        ]
        for name in here
    ]
    total = sum(found.values(), collections.Counter())
    head = ["Tables", "What is measured", *map(str.capitalize, WORDS)]
    parts = [f"Of {total.total()} aims {told(total)}.", tables.markdown(head, rows)]
    parts += [
        f"Not measured: `python -m benchmarks.{name}`, {MEASURED[name]}."
        for name in MEASURED
        if name not in here
    ]
    return "\n\n".join(parts)


def speed():
    """The table of docs/speed.md, and what became of its aims."""
    rows, words = [], collections.Counter()
    for cell in cells("pipeline"):
        row = [size_of(cell), cell["dtype"], cell["memory"]]
        for peer in peers_of(MIXUP):
            ratio = cell["contestants"][peer]["ours_over_it"]
            aim = report.at_least(ratio, pipeline.target_of(cell, peer))
            words[aim.rpartition(" ")[2]] += 1
            row.append(f"{report.interval(ratio, '.2f')}, {aim}")
        rows.append(row)
    names = (*peers_of(MIXUP)[:2], "keras.io's formula")
    head = ["Batch", "Images", "Memory", *(f"over {name}" for name in names)]
    rounds = result("pipeline")["settings"]["rounds"]
    return (
        f"{tables.markdown(head, rows)}\n\nMedians of {rounds} rounds with their "
        f"intervals and their aims. Of the {words.total()} aims {told(words)}."
    )


PIECES = {"five_ratios": five_ratios, "aims": aims, "speed": speed}
