"""What the pages say of the benchmarks is what their result files hold.

The tables, the counts and the picture are made by `benchmarks.readme`. Sentences
are made here from the result files, and looked for on their pages.
"""

import re

import matplotlib.image
import numpy as np
import pytest

from benchmarks import command, picture, readme, summary
from benchmarks.report import interval
from experiments.report import result_file

ROOT = readme.ROOT
KERAS, KERAS_CV = "keras.layers.MixUp", "keras_cv.layers.MixUp"
FORMULA = "formula of the keras.io example"
CAST = "keras_mixup.MixUp, cast to float32 before"
RESULTS = {path.stem: result_file.read(path) for path in command.RESULTS.glob("*.json")}


def text_of(name):
    return " ".join((ROOT / name).read_text(encoding="utf-8").split())


def entries(file="pipeline", /, **where):
    """Triples of cell, contestant and what was found of it, of cells like these."""
    for cell in RESULTS[file]["cells"]:
        if all(cell[key] in value for key, value in where.items()):
            for contestant, its in cell["contestants"].items():
                yield cell, contestant, its


def ratio(contestant, size, dtype, memory="by default", file="pipeline"):
    where = {"name": [size], "dtype": [dtype], "memory": [memory]}
    (its,) = [its for _, who, its in entries(file, **where) if who == contestant]
    return format(its["ours_over_it"]["median"], ".2f")


def images(contestant, file="pipeline"):
    """Images per second from uint8 at 224 pixels."""
    where = {"name": ["ImageNet"], "dtype": ["uint8"], "memory": ["by default"]}
    (its,) = [its for _, who, its in entries(file, **where) if who == contestant]
    return f"{its['images_per_second']['median']:,.0f}"


# The aims above 1, as they were set.
ABOVE_ONE = {("ImageNet", "uint8", KERAS): 5, ("ImageNet", "float32", KERAS): 3}


def by_hand(peers, **where):
    """How many ratios to these peers are met, open and missed: by their ends alone."""
    words = {"met": 0, "open": 0, "missed": 0}
    for cell, who, its in entries(**where):
        if who in peers:
            aim = ABOVE_ONE.get((cell["name"], cell["dtype"], who), 1)
            low, high = (its["ours_over_it"][end] for end in ("low", "high"))
            words["met" if low >= aim else "missed" if high < aim else "open"] += 1
    return words


TENSORFLOW = (KERAS, KERAS_CV, FORMULA)
TORCH = ("torchvision.transforms.v2.MixUp", "timm Mixup")


@pytest.mark.parametrize(
    ("of", "peers", "where", "sentence"),
    [
        (
            r"^.*, (uint8|float32)\b.*`(keras|formula)[._ ][^m].*",
            *(TENSORFLOW, {"dtype": ["uint8", "float32"]}),
            "Of the {} ratios to a TensorFlow peer from uint8 and float32 {}.",
        ),
        (
            r"^.*, bfloat16\b.*`(keras_cv|keras\.|formula).*",
            *(TENSORFLOW, {"dtype": ["bfloat16"]}),
            "a pass more: of {} ratios {}.",
        ),
        (
            "torchvision|timm",
            *(TORCH, {"name": ["ImageNet", "1 GB"]}),
            "From 224 pixels up {1}:",
        ),
    ],
    ids=["uint8 and float32", "bfloat16", "PyTorch"],
)
def test_the_counted_aims_are_those_of_the_intervals(of, peers, where, sentence):
    counts = summary.verdicts("pipeline", of)
    words = by_hand(peers, **where)
    assert {word: counts[word] for word in words} == words
    told = summary.told(counts)
    assert told == "{met} are met, {open} open and {missed} missed".format(**words)
    assert sentence.format(counts.total(), told) in text_of("benchmarks/details.md")


def test_the_page_counts_each_verdict_of_each_table_once():
    assert set(RESULTS) <= set(summary.MEASURED)
    without = re.findall(r"Not measured: .*benchmarks\.(\w+)`", summary.aims())
    assert set(without) == set(summary.MEASURED) - set(RESULTS)
    rows = [line.split(" | ") for line in summary.aims().splitlines()]
    rows = [[cell.strip(" |") for cell in row] for row in rows if len(row) == 5]
    total = np.array([[int(cell or 0) for cell in row[2:]] for row in rows[1:]]).sum(0)
    tables = [path.read_text() for path in command.RESULTS.glob("*.md")]
    expected = [
        sum(text.count(f": {word}") for text in tables)
        for word in ("met", "open", "missed")
    ]
    assert total.tolist() == expected
    met, still_open, missed = expected
    said = (
        f"Of {sum(expected)} aims {met} are met, {still_open} open and {missed} missed."
    )
    assert said in text_of("benchmarks/README.md")


def test_the_first_page_is_short_and_its_links_lead_somewhere():
    page = ROOT / "benchmarks" / "README.md"
    text = page.read_text(encoding="utf-8")
    assert len(text.encode()) <= 10_000
    table, shown = text.index("| Ratio | Aim |"), text.index("](../docs/speed.png)")
    assert table < shown < text.index("\n## ")
    lines = text[table:].split("\n\n")[0].splitlines()[2:]
    assert len(lines) == 5
    for name in ("README.md", "details.md"):
        text = (page.parent / name).read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\(([^)#:]+)(?:#([^)]+))?\)", text):
            assert (page.parent / target).exists(), target
            if anchor:
                whole = (page.parent / target).read_text(encoding="utf-8")
                titles = re.findall(r"^## (.*)$", whole, flags=re.M)
                slugs = [re.sub(r"[^\w ]", "", title.lower()) for title in titles]
                assert anchor.replace("-", " ") in slugs
    assert (page.parent / "details.md").stat().st_size < 20_000


def test_the_five_ratios_are_those_of_their_files():
    cutmix = "keras.layers.CutMix"
    limit = RESULTS["limit"]["memory"]["by default"]["mixing_over_copy"]
    step = RESULTS["train_step"]["cells"]["PreAct ResNet-18, width 16, batch 128"]
    torch = RESULTS["whole_training"]["cells"]["16"]["contestants"]
    expected = [
        ratio(KERAS, "ImageNet", "uint8"),
        ratio(cutmix, "ImageNet", "uint8", file="pipeline_cutmix"),
        format(limit["copy by TensorFlow"]["median"], ".2f"),
        format(step["mixed_over_plain"]["median"], ".2f"),
        format(torch["PyTorch, channels last"]["ours_over_it"]["median"], ".2f"),
    ]
    rows = [line.split(" | ")[1] for line in summary.five_ratios().splitlines()[2:]]
    assert [row.partition(" ")[0] for row in rows] == expected


def test_the_table_of_speeds_is_that_of_the_benchmark():
    words = by_hand(TENSORFLOW, dtype=["uint8", "float32"], name=["CIFAR", "ImageNet"])
    text = (ROOT / "docs" / "speed.md").read_text()
    assert (
        "aims {met} are met, {open} open and {missed} missed.".format(**words) in text
    )
    expected = set()
    for cell in RESULTS["pipeline"]["cells"]:
        if cell["name"] in ("CIFAR", "ImageNet") and cell["dtype"] != "bfloat16":
            size = "x".join(map(str, cell["batch"]))
            found = [cell["contestants"][peer]["ours_over_it"] for peer in TENSORFLOW]
            ratios = [interval(one, ".2f") for one in found]
            expected.add((size, cell["dtype"], cell["memory"], *ratios))
    rows = [re.split(r" \| ", line.strip("| ")) for line in text.splitlines()]
    rows = [row for row in rows if re.fullmatch(r"\d+x\d+x\d+x3", row[0])]
    assert {tuple(cell.split(", ")[0] for cell in row) for row in rows} == expected
    told = ratio(KERAS, "ImageNet", "uint8")
    assert f"**Speed**: {told} times `{KERAS}`" in text_of("README.md")


def test_the_picture_is_that_of_the_result_files(tmp_path):
    picture.draw(tmp_path / "speed.png")
    found, committed = (
        matplotlib.image.imread(path)
        for path in (tmp_path / "speed.png", readme.PICTURE)
    )
    assert found.shape == committed.shape
    assert np.abs(found - committed).mean() < 0.01
    assert readme.PICTURE.stat().st_size < 200_000
    # Each mark of the left panel, by the file.
    marks = picture.of_pipeline("pipeline", "MixUp")
    drawn = {f"{one[peer][0]['median']:.2f}" for one in marks.values() for peer in one}
    assert ratio(KERAS_CV, "CIFAR", "float32") in drawn
    assert len(marks) == 6


def of_the_pipeline():
    """Sentences of details.md of the pipeline."""
    large = ("ImageNet", "uint8")
    default, kept = (ratio(KERAS, *large, memory) for memory in ("by default", "kept"))
    floats = [
        ratio(KERAS, "ImageNet", "float32", memory) for memory in ("by default", "kept")
    ]
    tables = [ratio(FORMULA, "table", dtype) for dtype in ("uint8", "float32")]
    yield f"with kept memory ({kept}), keras_cv at 32 pixels from float32 "
    yield f"({ratio(KERAS_CV, 'CIFAR', 'float32')}) and, level with ours"
    yield f"the formula on the table ({tables[0]} and {tables[1]})"
    yield f"memory by default ({ratio(FORMULA, '1 GB', 'bfloat16')})"
    timm = [ratio(TORCH[1], "1 GB", dtype) for dtype in ("float32", "bfloat16")]
    yield f"from float32 and bfloat16 ({timm[0]} and {timm[1]})"
    timm = [ratio(TORCH[1], "CIFAR", dtype) for dtype in ("uint8", "float32")]
    yield f"from uint8 and float32 ({timm[0]} and {timm[1]})"
    dtypes = ("uint8", "float32", "bfloat16")
    timm = sorted(ratio(TORCH[1], "table", dtype) for dtype in dtypes)
    yield f"on the table ({timm[0]} to {timm[-1]})"
    yield f"By default both are missed ({default} and {floats[0]})"
    ours = images("keras_mixup.MixUp")
    yield f"gives {images('cast only')} images a second, ours, which mixes them, {ours}"
    yield f"With kept memory 5 is open ({kept}) and 3 missed ({floats[1]})"
    copy = RESULTS["limit"]["memory"]["kept"]["mixing_over_copy"]["copy by TensorFlow"]
    yield f"which is {copy['median']:.2f} copies of a float32 batch"
    yield f"would need a peer of {3 * copy['median']:.1f} copies"
    later = "pipeline_bfloat16"
    (ours_bfloat16,) = [
        its["over_keras"]["median"]
        for _, who, its in entries(later, memory=["by default"])
        if who == "keras_mixup.MixUp(dtype='bfloat16')"
    ]
    yield f'`dtype="bfloat16"` makes {ours_bfloat16:.2f} times as many images'
    yield f"float32 had {ratio(KERAS, *large, file=later)}, where the table of"
    yield f"has {default}: ours made {images('keras_mixup.MixUp', later)} images"
    yield f"by default memory, and {ours} then"


def of_cutmix():
    """Sentences of details.md of CutMix."""
    file, both = "pipeline_cutmix", ("uint8", "float32")
    keras, torch = "keras.layers.CutMix", "torchvision.transforms.v2.CutMix"

    def at(peer, size, dtype, memory="by default"):
        return ratio(peer, size, dtype, memory, file)

    large = [
        at(keras, "ImageNet", "uint8", memory) for memory in ("by default", "kept")
    ]
    yield f"from uint8 ({large[0]}, with kept memory {large[1]})"
    large = [
        at(keras, "ImageNet", "float32", memory) for memory in ("by default", "kept")
    ]
    yield f"open there from float32 ({large[0]} and {large[1]},"
    small = [at(keras, "CIFAR", dtype) for dtype in both]
    yield f"missed at 32 pixels ({small[0]} and {small[1]})"
    batch = "keras_mixup.CutMix(per='batch')"
    gains = [
        1 / its["ours_over_it"]["median"]
        for _, who, its in entries(file)
        if who == batch
    ]
    yield f"One box a batch gives {min(gains):.1f} to {max(gains):.1f} times"
    small = [at(torch, "CIFAR", dtype) for dtype in both]
    yield f"ahead at 32 pixels ({small[0]} and {small[1]})"
    yield f"with kept memory ({at(torch, 'ImageNet', 'uint8', 'kept')})"
    large = [at(torch, "ImageNet", dtype) for dtype in both]
    yield f"by default memory ({large[0]} and {large[1]})"


def of_memory():
    """Sentences of details.md of memory and growth."""
    limit = RESULTS["limit"]["memory"]
    over = limit["by default"]["mixing_over_copy"]["copy by TensorFlow"]
    default, kept = (
        limit[memory]["milliseconds"]["copy by TensorFlow"]["median"]
        for memory in ("by default", "kept")
    )
    yield f"TensorFlow's copy takes {default / kept:.1f} times as long"
    yield f"the mixing is within {100 * (over['high'] - 1):.0f} % of it"
    within = []
    for memory in ("by default", "kept"):
        times = RESULTS["growth"]["memory"][memory]["microseconds_an_image"]
        large = [times[size]["median"] for size in ("128", "512", "2048", "4096")]
        within.append(100 * (max(large) / min(large) - 1))
    yield f"from 128 to 4,096 they lie within {within[0]:.0f} % of each"
    yield f"With kept memory those lie within {within[1]:.0f} %"


def of_training():
    """Sentences of details.md of the steps, the trainings and the GAN."""
    cells = RESULTS["train_step"]["cells"]
    noise = cells["PreAct ResNet-18, width 16, batch 128"]["control_over_plain"]
    off = max(abs(noise[end] - 1) for end in ("low", "high"))
    yield f"At width 16 that is up to {100 * off:.0f} %"
    times = cells["MLP 2 x 128, batch 512, graph, 16 steps a call"]["milliseconds"]
    plain, mixed = (times[step]["median"] for step in ("plain", "mixed"))
    yield f"are missed: {mixed - plain:.1f} ms more on {plain:.2f} ms"
    channels_last = [
        cell["contestants"]["PyTorch, channels last"]["ours_over_it"]["median"]
        for cell in RESULTS["whole_training"]["cells"].values()
    ]
    yield f"the medians {channels_last[0]:.2f} and {channels_last[1]:.2f}"
    counts = summary.verdicts("whole_training_bfloat16")
    yield f"of {counts.total()} ratios {summary.told(counts)}"
    cells = RESULTS["whole_training_bfloat16"]["cells"]

    def found(cell, who, value="ours_over_it"):
        return cells[cell]["contestants"][who][value]["median"]

    last = "PyTorch, channels last"
    one, two = (found(f"16, bfloat16{more}", last) for more in ("", ", 2 processes"))
    yield f"ahead in one process ({one:.2f}), and level in two ({two:.2f})"
    ours = ["keras_mixup", "images_per_second"]
    one = found("16, bfloat16", *ours) / found("16", *ours)
    two = found("16, bfloat16, 2 processes", *ours) / found("16, 2 processes", *ours)
    yield f"bfloat16 gives {one:.1f} times the images of float32 in one process"
    yield f"and {two:.1f} times in two"
    gan = RESULTS["gan"]["contestants"]["its matrix products alone"]
    yield f"manage {gan['iterations_per_second']['median']:.1f} a second"


SENTENCES = (of_the_pipeline, of_cutmix, of_memory, of_training)


@pytest.mark.parametrize("sentences", SENTENCES, ids=lambda each: each.__name__)
def test_sentences_have_the_numbers_of_the_result_files(sentences):
    page = text_of("benchmarks/details.md")
    for fragment in sentences():
        assert fragment in page


# Readings, settings, and what was before.
# fmt: off
OTHERS = {
    0.2, 0.40, 0.25, 1.94, 3.00, 1.23, 2.18, 0.47, 0.72, 0.3, 0.1, 7.5, 23.1, 5.8,
    4.6, 22.1, 3.8, 1.0, 1.5, 1.07, 1.33, 0.07, 0.08, 0.92, 0.83, 0.98, 0.82, 1.18,
    0.50, 4.22, 4.44, 0.63, 3.7, 24.6,
}
# fmt: on


def test_no_decimal_of_the_details_is_held_by_nothing():
    page = text_of("benchmarks/details.md")
    for fragment in (one for each in SENTENCES for one in each()):
        page = page.replace(fragment, "")
    left = set(re.findall(r"(?<![\w.,])\d+\.\d+", page))
    assert {float(one) for one in left} == OTHERS


def test_sentences_with_times_are_those_of_the_benchmarks():
    limit = RESULTS["limit"]["memory"]
    kept, usual = (
        limit[memory]["milliseconds"]["keras_mixup.MixUp"]["median"]
        for memory in ("kept", "by default")
    )
    sentence = f"floats are mixed in {kept:.1f} ms where it takes {usual:.1f}"
    assert sentence in text_of("docs/speed.md")
    projected = RESULTS["scale_out"]["projected"]
    mixing = {100 * one["mixing"] / one["step"] for one in projected.values()}
    sentence = f"The mixing is {max(mixing):.2f} % of the step in any case"
    assert sentence in text_of("docs/scale_out.md")
