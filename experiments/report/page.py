"""One page of all that was found: `python -m experiments report [--output FILE]`.

It is made from files alone: `experiments/results`, `benchmarks/results`, the table
of docs/peers.md, the cards of `saved_models`.
"""

import argparse
import pathlib
import re

from experiments import catalog
from experiments.report import captions, claims, commands, result_file, verdicts
from experiments.report import report_page as html
from experiments.report.tables import difference, mean
from keras_mixup.whole_file import whole_file

ROOT = result_file.RESULTS.parents[1]
TITLE = "mixup for TensorFlow and Keras: what was found"
PARTS = ("Claims", "Other implementations", "Benchmarks", "Model cards")
_NEEDED = {"experiment": str, "item": str, "preset": str, "runs": list}
_DICTS = ("settings", "summary", "paired", "paper", "environment")
_NEEDED |= dict.fromkeys(_DICTS, dict)


def main(flags):
    """Writes the page; gives the exit status."""
    program, about = "python -m experiments report", __doc__.split("\n")[0]
    parser = argparse.ArgumentParser(prog=program, description=about)
    add, results = parser.add_argument, result_file.RESULTS
    add("--output", default="report.html", type=pathlib.Path, help="(report.html)")
    add("--results", default=results, type=pathlib.Path, help="folder of result files")
    chosen = parser.parse_args(flags)
    if not chosen.results.is_dir():
        parser.error(f"argument --results: no such folder: {chosen.results}")
    found = published(chosen.results)
    with whole_file(chosen.output) as scratch:
        scratch.write_text(made(found), encoding="utf-8")
    print(f"Wrote {chosen.output} ({chosen.output.stat().st_size / 1e6:.1f} MB)")
    return 0


def published(folder):
    """The published results: (result, folder) by experiment, for the fullest preset.

    Those of further presets are found by the names of both, "capacity unaugmented".
    """
    found = {}
    for place in sorted(folder.glob("*/")):
        for preset in result_file.presets(place):
            path = place / f"{preset}.json"
            result = result_file.read(path)
            check(result, path)
            further = place.name in found
            found[f"{place.name} {preset}" if further else place.name] = result, place
    return found


def check(result, path):
    """Raises unless a result file holds what the page shows of it."""
    wrong = [n for n, kind in _NEEDED.items() if not isinstance(result.get(n), kind)]
    if wrong or result.get("schema") != result_file.SCHEMA:
        raise result_file.DamagedFile(
            f"The file {path} is no result of schema {result_file.SCHEMA}. Wrong or "
            f"missing: {wrong or ['schema']}"
        )
    name, preset = result["experiment"], result["preset"]
    if name not in catalog.EXPERIMENTS or preset not in catalog.load(name).presets:
        raise result_file.DamagedFile(
            f"The file {path} is of no experiment and preset that are listed. "
            f"Received: {name!r}, {preset!r}"
        )


def made(found):
    """The page's HTML."""
    sections = (of_claims, conformance, benchmarks, model_cards)
    about = "For each table and figure of the paper (Zhang et al., 2018): its claim, "
    about += "its numbers, ours, and a verdict by one rule. "
    parts = [html.paragraph(about, verdicts.RULE)]
    for title, section in zip(PARTS, sections, strict=True):
        parts += [html.heading(title), *section(found)]
    return html.page(TITLE, parts, PARTS)


def of_claims(found):
    """The table of all claims, each of them, and results that none is about."""
    rows = []
    for claim in claims.CLAIMS:
        result, _ = found.get(claim.experiment, (None, None))
        verdict = verdicts.summary(verdicts.of_claim(claim, result))
        row = [html.link(claim.item, claim.experiment), claim.text, verdict, "", "", 0]
        if result:
            row[3:] = *claim.setting(result), len(result["settings"]["seeds"])
        rows.append(row)
    head = ["Paper", "Claim", "Verdict", "Scale", "Setting", "Seeds"]
    yield html.table("The paper's claims", head, rows)
    further = dict(found)
    for claim in claims.CLAIMS:
        yield from of_claim(claim, *further.pop(claim.experiment, (None, None)))
    for name, (result, folder) in further.items():
        title = f"Beyond the paper: {result['item']}, preset {result['preset']}"
        yield html.heading(title, 3, name)
        yield from whole_of(result, folder)


def of_claim(claim, result, folder):
    """What there is of one claim."""
    yield html.heading(claim.item, 3, claim.experiment)
    yield html.paragraph("The paper: ", claim.text)
    if claim.beside:
        also = "It also says, what the rule does not judge: "
        yield html.paragraph(also, claim.beside)
    if result is None:
        yield html.paragraph("Verdict: not run.")
        yield html.command(f"python -m experiments {claim.experiment}")
        return
    judged, paper = verdicts.of_claim(claim, result), claim.paper(result)
    bold = html.Markup("<strong>Verdict: "), html.Markup(".</strong> ")
    yield html.paragraph(bold[0], verdicts.summary(judged), bold[1])
    scale, setting = claim.setting(result)
    yield html.paragraph(f"Scale: {scale}. {setting}")
    head = "Row|Measure|Paper, ERM|Paper, mixup|Ours, ERM|Ours, mixup"
    head += "|Difference to ERM (95 % interval)|Seeds|Verdict|Scale"
    head += "|ERM, training error (%)" if claim.fits else ""
    rows = [
        [*row_of(cell, verdict, result, paper), scale, *regime(claim, result, cell)]
        for cell, verdict in judged.items()
    ]
    title = f"{claim.item}: the rows of the claim"
    yield html.table(title, head.split("|"), rows)
    yield from whole_of(result, folder)


def row_of(cell, verdict, result, paper):
    """A row of a claim's table."""
    row, _, measure = cell.rpartition("/")
    baseline = result_file.cell_name(row.rpartition("/")[0], "ERM", measure)
    paired = result["paired"].get(cell)
    values = [paper.get(name) for name in (baseline, cell)]
    cells = [result["summary"].get(name) for name in (baseline, cell)]
    return [
        *(row, measure.replace("_", " ")),
        *("" if value is None else f"{value:g}" for value in values),
        *("not run" if found is None else mean(found, 2) for found in cells),
        difference(paired, 2) if paired else "not run",
        *(paired["seeds"] if paired else 0, verdict),
    ]


def regime(claim, result, cell):
    """What decides whether a row is in the claim's regime, if it has one."""
    errors = verdicts.training_errors(claim, result, cell)
    texts = ("not known" if error is None else f"{error:.2f}" for error in errors)
    return [", ".join(texts)] if errors else []


def whole_of(result, folder):
    """All tables and pictures of a result, its command, cost and hardware."""
    name = result["experiment"]
    for number, markdown in enumerate(catalog.load(name).tables(result), start=1):
        yield html.from_markdown(f"{result['item']}, table {number}", markdown)
    if result["preset"] == result_file.presets(folder)[0]:
        for path in sorted(folder.glob("*.png")):
            yield html.picture(path, captions.caption(name, path))
    yield html.command(commands.typed(result))
    environment, runs = result["environment"], result["runs"]
    # Rows may share a training: Table 3 attacks each network by several epsilons.
    trained = {(run["method"], run["seed"], run["seconds"]) for run in runs}
    minutes = sum(seconds for *_, seconds in trained) / 60
    devices = ", ".join(environment.get("accelerators", [])) or "no accelerator"
    processor = environment.get("processor")
    cores = f"{environment['cores']} cores" + (f" of {processor}" if processor else "")
    versions = ", ".join(f"{k} {v}" for k, v in environment["versions"].items())
    revisions = sorted({str(run["revision"]) for run in runs if run.get("revision")})
    revisions = ", ".join(revisions) or environment["revision"]
    yield html.paragraph(
        f"{len(trained)} trainings, {minutes:.1f} minutes in all by their own clocks "
        f"(sets that ran at one time shared the cores), {cores} ({devices}), "
        f"{environment['date']}. {versions}. Code: {revisions}."
    )


def conformance(_):
    """The table of what other implementations do, as docs/peers.md has it."""
    text = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
    yield html.paragraph(
        "What the others do was reproduced on the versions named; what ours does is a "
        "test for each row (tests/test_peers.py). An empty cell was not tried."
    )
    rows = re.search(r"(^\|.*\n)+", text, re.MULTILINE)
    yield html.from_markdown("What other implementations do", rows[0])


def benchmarks(_):
    """The tables that lie beside the benchmarks' result files."""
    yield html.paragraph(
        "Ratios of contestants that took turns in one run on one machine; how to read "
        "them says benchmarks/README.md. What has no table was not measured."
    )
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
        environment = result_file.read(path)["environment"]
        text = path.with_suffix(".md").read_text(encoding="utf-8").strip()
        yield html.heading(f"Benchmark: {path.stem.replace('_', ' ')}", 3)
        yield html.command(f"python -m benchmarks.{path.stem}")
        for number, part in enumerate(text.split("\n\n"), start=1):
            if part.startswith("|"):
                yield html.from_markdown(f"{path.stem}, table {number}", part)
            else:
                yield html.paragraph(part)
        cores, date = environment["cores"], environment["date"]
        yield html.paragraph(f"{cores} cores, {date}, code {environment['revision']}.")


def model_cards(_):
    """The cards of the models that are committed."""
    for path in sorted((ROOT / "saved_models").glob("*/*/model_card.md")):
        name, version = path.parts[-3:-1]
        yield html.heading(f"Model: {name}, version {version}", 3)
        yield html.block(path.read_text(encoding="utf-8"))
