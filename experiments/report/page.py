"""One page of all that was found: `python -m experiments report [--output FILE]`.

It is made from the result files alone (`experiments/results`, `benchmarks/results`, the
README's table of other implementations, the cards of `saved_models`), is one file, and
opens from disk.
"""

import argparse
import importlib
import pathlib
import re

from experiments import catalog
from experiments.report import captions, claims, commands, result_file, verdicts
from experiments.report.report_page import (
    Markup,
    command,
    from_markdown,
    heading,
    link,
    page,
    paragraph,
    picture,
    table,
    text,
)

ROOT = result_file.RESULTS.parents[1]
TITLE = "mixup for TensorFlow and Keras: what was found"
# The setting that is nearest to the paper's comes first.
NEAREST = ("paper", "cpu")
PARTS = ("Claims", "Other implementations", "Benchmarks", "Model cards")


def main(flags):
    """Writes the page; gives the exit status."""
    from keras_mixup.whole_file import whole_file

    parser = argparse.ArgumentParser(
        prog="python -m experiments report", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--output", default="report.html", help="(report.html)")
    parser.add_argument(
        "--results", default=str(result_file.RESULTS), help="folder of result files"
    )
    chosen = parser.parse_args(flags)
    found = published(pathlib.Path(chosen.results))
    output = pathlib.Path(chosen.output)
    with whole_file(output) as scratch:
        scratch.write_text(made(found), encoding="utf-8")
    print(f"Wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")
    return 0


def published(folder):
    """The published results by experiment: (result, folder), the fullest preset's."""
    found = {}
    for place in sorted(folder.glob("*/")):
        for preset in NEAREST:
            if (place / f"{preset}.json").exists():
                result = result_file.read(place / f"{preset}.json")
                check(result, place / f"{preset}.json")
                found[place.name] = result, place
                break
    return found


def check(result, path):
    """Raises unless a result file holds what the page shows of it."""
    needed = {"item": str, "preset": str, "runs": list, "summary": dict}
    needed |= {"paired": dict, "paper": dict, "environment": dict}
    wrong = [n for n, kind in needed.items() if not isinstance(result.get(n), kind)]
    if wrong or result.get("schema") != result_file.SCHEMA:
        raise result_file.DamagedFile(
            f"The file {path} is no result of schema {result_file.SCHEMA}. Wrong or "
            f"missing: {wrong or ['schema']}"
        )


def made(found):
    """The page's HTML."""
    parts = [
        paragraph(
            "For each table and figure of the paper (Zhang et al., 2018): its claim, "
            "its numbers, ours, and a verdict by one rule. ",
            verdicts.RULE,
        ),
        heading("Claims"),
        overview(found),
        *(part for claim in claims.CLAIMS for part in section(claim, found)),
        *further(found),
        heading("Other implementations"),
        *conformance(),
        heading("Benchmarks"),
        *benchmarks(),
        heading("Model cards"),
        *model_cards(),
    ]
    return page(TITLE, parts, PARTS)


def overview(found):
    """The table of all claims."""
    rows = []
    for claim in claims.CLAIMS:
        result, _ = found.get(claim.experiment, (None, None))
        seeds = len(result["settings"]["seeds"]) if result else 0
        setting = claim.setting(result) if result else ""
        verdict = verdicts.summary(verdicts.of_claim(claim, result))
        rows.append(
            [link(claim.item, claim.experiment), claim.text, verdict, setting, seeds]
        )
    head = ["Paper", "Claim", "Verdict", "Setting", "Seeds"]
    return table("The paper's claims", head, rows)


def section(claim, found):
    """What there is of one claim."""
    yield heading(claim.item, 3, claim.experiment)
    yield paragraph("The paper: ", claim.text)
    if claim.beside:
        yield paragraph("It also says, what the rule does not judge: ", claim.beside)
    result, folder = found.get(claim.experiment, (None, None))
    if result is None:
        yield paragraph("Verdict: not run.")
        yield command(f"python -m experiments {claim.experiment}")
        return
    judged = verdicts.of_claim(claim, result)
    yield paragraph(
        Markup("<strong>Verdict: "), verdicts.summary(judged), Markup(".</strong> ")
    )
    yield paragraph(claim.setting(result))
    yield table(
        f"{claim.item}: the rows of the claim",
        [
            *("Row", "Measure", "Paper, ERM", "Paper, mixup", "Ours, ERM"),
            *("Ours, mixup", "Difference to ERM", "Seeds", "Verdict"),
        ],
        [row_of(cell, judged[cell], result, claim.paper(result)) for cell in judged],
    )
    yield from whole_of(result, folder)


def row_of(cell, verdict, result, paper):
    """A row of a claim's table."""
    row, _, measure = cell.rpartition("/")
    group = row.rpartition("/")[0]
    baseline = "/".join(part for part in (group, "ERM", measure) if part)
    paired = result["paired"].get(cell)
    difference = "not run"
    if paired:
        difference = f"{paired['mean']:+.2f}"
        if paired["standard_error"] is not None:
            difference += f" ± {paired['standard_error']:.2f}"
    return [
        *(row, measure.replace("_", " ")),
        *(_number(paper.get(name)) for name in (baseline, cell)),
        *(_mean(result["summary"].get(name)) for name in (baseline, cell)),
        *(difference, paired["seeds"] if paired else 0, verdict),
    ]


def whole_of(result, folder):
    """All tables and pictures of a result, its command, cost and hardware."""
    experiment = catalog.load(result["experiment"])
    for number, markdown in enumerate(experiment.tables(result), start=1):
        yield from_markdown(f"{result['item']}, table {number}", markdown)
    for path in sorted(folder.glob("*.png")):
        yield picture(path, captions.caption(result["experiment"], path))
    yield command(commands.typed(result))
    environment = result["environment"]
    # Rows may share a training: Table 3 attacks each network by several epsilons.
    trained = {(run["method"], run["seed"], run["seconds"]) for run in result["runs"]}
    minutes = sum(seconds for *_, seconds in trained) / 60
    devices = ", ".join(environment.get("accelerators", [])) or "no accelerator"
    processor = environment.get("processor")
    cores = f"{environment['cores']} cores" + (f" of {processor}" if processor else "")
    versions = ", ".join(f"{k} {v}" for k, v in environment["versions"].items())
    revisions = sorted({str(run.get("revision")) for run in result["runs"]} - {"None"})
    yield paragraph(
        f"{len(trained)} trainings, {minutes:.1f} minutes in all by their own clocks (sets "
        f"that ran at one time shared the cores), {cores} ({devices}), "
        f"{environment['date']}. {versions}. Code: "
        f"{', '.join(revisions) or environment['revision']}."
    )


def further(found):
    """Published results that no claim of the paper is about."""
    known = {claim.experiment for claim in claims.CLAIMS}
    for name, (result, folder) in found.items():
        if name not in known:
            yield heading(f"Beyond the paper: {result['item']}", 3, name)
            yield from whole_of(result, folder)


def conformance():
    """The README's table of what other implementations do."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    part = readme.partition("## Against other implementations")[2]
    yield paragraph(
        "What the others do was reproduced on the versions named; what ours does is a "
        "test for each row (tests/test_peers.py). An empty cell was not tried."
    )
    block = re.search(r"(^\|.*\n)+", part, re.MULTILINE)
    yield from_markdown("What other implementations do", block[0])


def benchmarks():
    """The tables of the benchmarks' result files."""
    yield paragraph(
        "Ratios of contestants that took turns in one run on one machine; how to read "
        "them says benchmarks/README.md. What has no table was not measured."
    )
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
        result = result_file.read(path)
        module = importlib.import_module(f"benchmarks.{path.stem}")
        yield heading(f"Benchmark: {path.stem.replace('_', ' ')}", 3)
        yield command(f"python -m benchmarks.{path.stem}")
        for number, part in enumerate(module.table(result).split("\n\n"), start=1):
            if part.lstrip().startswith("|"):
                yield from_markdown(f"{path.stem}, table {number}", part)
            else:
                yield paragraph(part)
        environment = result["environment"]
        yield paragraph(
            f"{environment['cores']} cores, {environment['date']}, code "
            f"{environment['revision']}."
        )


def model_cards():
    """The cards of the models that are committed."""
    for path in sorted((ROOT / "saved_models").glob("*/*/model_card.md")):
        yield heading(
            f"Model: {path.parent.parent.name}, version {path.parent.name}", 3
        )
        yield Markup(f"<pre>{text(path.read_text(encoding='utf-8'))}</pre>")


def _number(value):
    return "" if value is None else f"{value:g}"


def _mean(cell):
    if cell is None:
        return "not run"
    deviation = cell["standard_deviation"]
    return f"{cell['mean']:.2f}" + ("" if deviation is None else f" ± {deviation:.2f}")
