"""Numbers in sentences: each that comes from a result file is held against it.

The sentences are made in `sentences.py`. Each has to stand on its page, wherever its
lines break, and to be another one for another result.
"""

import math
import pathlib
import random
import re

import pytest

from experiments.report import claims, page, result_file, verdicts
from tests.experiments.sentences import FOUND, NOTEBOOK, SENTENCES

ROOT = pathlib.Path(__file__).parents[2]


def text_of(name):
    return " ".join((ROOT / name).read_text().split())


@pytest.fixture(scope="module")
def found():
    return {name: one for name, (one, _) in page.published(result_file.RESULTS).items()}


@pytest.mark.parametrize("sentences", SENTENCES, ids=lambda function: function.__name__)
def test_the_sentences_have_the_numbers_of_the_result_files(sentences, found):
    result = found[sentences.__name__]
    for name, fragment in sentences(result):
        assert fragment in text_of(name), name


def replaced(value, generator):
    """Numbers, lists and dicts as they are, but each number drawn anew."""
    if isinstance(value, dict):
        return {
            key: one if key in ("seed", "seeds", "epoch") else replaced(one, generator)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [replaced(one, generator) for one in value]
    return generator.uniform(-90, 90) if isinstance(value, (int, float)) else value


@pytest.mark.parametrize("sentences", SENTENCES, ids=lambda function: function.__name__)
def test_another_result_makes_another_sentence(sentences, found):
    before, generator = found[sentences.__name__], random.Random(1)
    parts = ("runs", "summary", "paired")
    after = before | {part: replaced(before[part], generator) for part in parts}
    for (_, one), (_, other) in zip(sentences(before), sentences(after), strict=True):
        assert one != other


# Decimals of the notebook's sentences that are of no result file: settings, the paper's
# values and section, one utterance, a standard error, and the runs with Keras's values.
OTHERS = {
    "the analyses": ["3.2"],
    "table 4": ["-10.3", "-4.0", "57.6", "56.6", "30.5", "7.8", "37.7", "4.4"],
    # The paper's, and the standard error of 25,000 test images.
    "figure 3": ["0.25", "4.2", "5.6"],
    # 2.717 less 2.901, of the authors, and their error by ERM of the exchange rates.
    "c-mixup": ["-0.184", "0.0236"],
    "figure 4": ["0.1", "0.2", "0.55"],
    "figure 2": ["4.5"],
    "table 3": ["2.7", "1.25", "1.4", "99.9"],
    "table 5": ["0.9"],
    "section 5": ["0.1"],
}


def sections():
    """The sections of the notebook between the results and the GANs, without tables."""
    text = (ROOT / NOTEBOOK).read_text()
    text = text[text.index("### Table 4") : text.index("## GANs")]
    for part in re.split(r"^##+ ", text, flags=re.M)[1:]:
        title, _, body = part.partition("\n")
        lines = [line for line in body.splitlines() if not line.startswith(("|", "!"))]
        yield title.lower(), " ".join(" ".join(lines).split())


def test_no_decimal_of_the_notebook_is_held_by_nothing(found):
    fragments = [f for each in SENTENCES for _, f in each(found[each.__name__])]
    for title, text in sections():
        of = [v for n, v in OTHERS.items() if re.search(rf"{n}\)?:", title)]
        known = {value for values in of for value in values}
        covered = {
            place
            for fragment in fragments
            for match in re.finditer(re.escape(fragment), text)
            for place in range(*match.span())
        }
        numbers = re.finditer(r"(?<![\w.])[-+]?\d+\.\d+", text)
        left = {one[0] for one in numbers if one.start() not in covered}
        assert left == known, title


def test_the_notebook_has_the_table_of_the_loop_in_pytorch():
    table = (ROOT / "benchmarks/results/torch_regression.md").read_text().strip()
    assert table in (ROOT / NOTEBOOK).read_text()
    # The comparison is of one setting: ERM, which draws no partners, errs alike.
    ours, theirs = (
        result_file.read(path)["summary"]["airfoil/ERM/rmse"]
        for path in (
            ROOT / "experiments/results/cmixup_regression/cpu.json",
            ROOT / "benchmarks/results/torch_regression.json",
        )
    )
    error = math.hypot(ours["standard_deviation"], theirs["standard_deviation"])
    assert abs(ours["mean"] - theirs["mean"]) < error / math.sqrt(10)


def test_the_pages_have_the_verdicts_of_the_rule(found):
    rows = [line.split(" | ") for line in (ROOT / FOUND).read_text().splitlines()]
    named = ((re.search(r"experiments (\w+)", row[1]), row) for row in rows if row[4:])
    table = {name[1]: row[3] for name, row in named if name}
    for claim in claims.CLAIMS:
        judged = verdicts.of_claim(claim, found[claim.experiment])
        assert table[claim.experiment] == verdicts.summary(judged)
        words = {word.partition(" (")[0] for word in judged.values()} - {"not run"}
        section = [text for title, text in sections() if claim.item.lower() in title]
        if len(words) == 1 and section:
            assert f"**{words.pop().capitalize()}" in section[0], claim.item
