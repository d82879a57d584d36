"""What holds of every experiment: its settings, its smoke run, the paper's numbers."""

import dataclasses
import itertools
import json
import math
import pathlib
import re
import shutil

import numpy as np
import pytest

from experiments import catalog, classifiers, settings
from experiments.__main__ import main
from experiments.beyond import policies
from experiments.engine import run_folder
from experiments.paper import table3_adversarial
from experiments.report import result_file
from tests.experiments import runs

SPECIFICATION = pathlib.Path(__file__).parents[3] / "shared" / "spec" / "paper.md"
# Of what other papers have.
BEYOND = SPECIFICATION.with_name("beyond.md")
NAMES = list(catalog.EXPERIMENTS)
POOL = [name for name in NAMES if catalog.load(name).pool]
ROLES = {"setting", "analysis", "plan", "place", "compute"}
# Parts of large plans, which the slow tests run whole; and XLA, which test_gan.py has.
FEW = {
    "table1_imagenet": ("--methods", "mixup"),
    "figure3_cifar": ("--methods", "mixup"),
    "figure4_speech": ("--methods", "mixup", "--networks", "lenet"),
    "figure5_gan": ("--nojit_compile",),
    "table5_ablation": ("--rows", "ERM", "mixup, AC + RP", "smoothing 0.1"),
    "discussion": ("--rows", "ERM", "two loaders"),
    "alpha_tradeoff": ("--alphas", 0, 1),
    "cmixup_regression": ("--methods", "ERM", "C-Mixup, hidden"),
    "mixmatch_ablation": ("--methods", "ICT"),
    "long_tail": ("--methods", "Balanced-MixUp, re-weighted"),
}
# Analyses whose plans alone are their own; the slow tests train these as well.
MADE_UP = (
    *("table2_corrupted_labels", "table3_adversarial", "table5_ablation"),
    *("alpha_tradeoff", "capacity", "discussion", "policies"),
)
# Those that train tiny networks; figure3_cifar trains one of the paper's, and the slow
# tests train all.
TINY = ("figure2_between", "table1_imagenet", "long_tail")
# One of each kind: a classifier of images, one of the pool, one of rows, points of the
# plane, utterances and a GAN. What the engine does is asked of these, and in the slow
# tests of all.
KINDS = {
    *("figure3_cifar", "table5_ablation", "table4_tabular"),
    *("figure1_toy", "figure4_speech", "figure5_gan"),
}
KIND_BY_KIND = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in KINDS else pytest.mark.slow)
        for name in NAMES
    ],
)
# The smoke runs of these take longest.
SMOKES = [
    pytest.param(
        name,
        marks=pytest.mark.slow if name in ("mixmatch_ablation", "dcgan") else (),
    )
    for name in NAMES
]
KEYS = {
    *("schema", "experiment", "item", "preset", "settings", "paper"),
    *("runs", "summary", "paired", "environment"),
}
KEYS_OF_A_RUN = {
    *("group", "method", "seed", "settings", "epochs", "final"),
    *("images_seen", "seconds", "revision"),
}


@pytest.mark.parametrize("name", NAMES)
def test_its_presets_are_settings(name):
    experiment = catalog.load(name)
    assert experiment.name == name
    assert {"paper", "cpu", "smoke"} <= set(experiment.presets)
    for preset, changed in experiment.presets.items():
        found = runs.parse(experiment, "--preset", preset)
        assert found == experiment.settings(preset=preset, **changed)


def fields_of(name):
    return dataclasses.fields(catalog.load(name).settings)


@pytest.mark.parametrize("name", NAMES)
def test_each_of_its_settings_has_a_role_and_a_help_text(name, capsys):
    experiment = catalog.load(name)
    found = [settings.names(experiment.settings, role) for role in sorted(ROLES)]
    assert sorted(itertools.chain(*found)) == sorted(f.name for f in fields_of(name))
    with pytest.raises(SystemExit) as end:
        runs.parse(experiment, "--help")
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for field in fields_of(name):
        assert f"--{field.name}" in text


def wrong_values(make, name):
    """Values that a field must refuse, from what is said of it alone."""
    default = getattr(make(), name)
    several = isinstance(default, tuple)
    entry = default[0] if several and default else default
    wrong = []
    if settings.said(make, name, "among") is not None:
        wrong.append("nonsense")
    elif type(entry) in (int, float):
        wrong += [-1, *([math.inf, math.nan] if type(entry) is float else [])]
        for bound, value in (("above", 0), ("below", 0), ("least", -1)):
            limit = settings.said(make, name, bound)
            wrong += [] if limit is None else [limit + value]
    if several:
        wrong = [(value,) for value in wrong]
        wrong += [default[:1] * 2] if default else []
        wrong += [] if settings.said(make, name, "empty") else [()]
    return wrong


@pytest.mark.parametrize("name", NAMES)
def test_it_refuses_what_is_out_of_bounds_and_names_the_setting(name):
    make = catalog.load(name).settings
    tried = 0
    for field in fields_of(name):
        for value in wrong_values(make, field.name):
            with pytest.raises(ValueError, match=r"Invalid value received") as error:
                make(**{field.name: value})
            assert str(error.value).startswith(
                f"Invalid value received for `{field.name}`. Expected "
            )
            assert "Received: " in str(error.value)
            tried += 1
    assert tried > 10


def test_experiments_of_a_pool_train_by_the_same_settings_on_the_same_data():
    for preset in ("paper", "cpu", "smoke"):
        claims = {}
        for name in POOL:
            experiment = catalog.load(name)
            found = runs.parse(experiment, "--preset", preset)
            own = settings.names(experiment.settings, "setting", "compute")
            claim = {one: getattr(found, one) for one in own}
            # Runs on other data have other folders, whose names begin with the data's.
            assert claims.setdefault(found.dataset, claim) == claim


def made_up(run, data, chosen, folder):
    """What a training of the pool leaves, but for its network."""
    corrupted = 50.0 if run.settings["corrupted"] else None
    training = {"error_on_real": 1.0, "error_on_corrupted": corrupted}
    none = [None] * 14
    bins = {"count": [0] * 14 + [9], "accuracy": [*none, 0.75]}
    bins["confidence"] = [*none, 0.95]
    end = {"train": training, "reliability": {"test": bins}}
    return runs.made_up(chosen.epochs, 10.0 + run.seed, **end), 7


class Smoke:
    """A smoke run, published; experiments of a pool share its folder."""

    def __init__(self, name, root):
        self.experiment = catalog.load(name)
        if name in MADE_UP:
            self.experiment = dataclasses.replace(self.experiment, train=made_up)
        self.root, self.published = root, root / "results" / name
        self.pool = self.experiment.pool or name
        flags = self.flags(root, "--publish")
        self.settings = runs.parse(self.experiment, *flags)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(result_file, "RESULTS", root / "results")
            if name in TINY:
                runs.tiny_networks(patch)
            # What is measured of networks is in test_measured_networks.py and
            # test_policies.py.
            if name in ("table3_adversarial", "policies"):
                patch.setattr(classifiers, "network_of", lambda record: None)
            hidden = dict.fromkeys(policies.OCCLUDED, 40.0)
            patch.setattr(policies, "under_occlusion", lambda *_: hidden)
            names = {**table3_adversarial.TOP_1, **table3_adversarial.TOP_5}
            errors = dict.fromkeys(names, 50.0)
            patch.setattr(table3_adversarial, "attacked", lambda *_: errors)
            self.result, self.printed = runs.run(self.experiment, *flags)
        chosen = self.settings
        plan = self.experiment.runs(chosen, self.experiment.load(chosen))
        folders = {root / self.pool / "smoke" / run.folder_name for run in plan}
        self.trained = {folder: run_folder.record(folder) for folder in folders}

    def flags(self, folder, *more):
        """The flags of the same run in this folder, and more."""
        few = FEW.get(self.experiment.name, ())
        return ["--preset", "smoke", "--run_dir", str(folder), *map(str, few), *more]

    def copied_to(self, folder):
        """Copies the runs to another folder; gives the place of each."""
        shutil.copytree(self.root / self.pool, folder / self.pool)
        places = (folder / self.pool / "smoke").glob("*/record.json")
        return {place.parent.name: place.parent for place in places}

    def untrained(self, train=None):
        """The experiment without training and without looks at trained networks."""

        def analyze(records, data, chosen):
            # Of each method what the first run had.
            known = {run["method"]: run for run in reversed(self.result["runs"])}
            looks = {
                method: {"group": run["group"], "epochs": run["epochs"]}
                for method, run in known.items()
            }
            return [{**one, **looks[one["method"]]} for one in records]

        own = {"train": train, "analyze": analyze}
        return dataclasses.replace(self.experiment, **own)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    # Runs that are made up leave no networks, which others of their pool look for.
    roots = {kind: tmp_path_factory.mktemp("smoke") for kind in (False, True)}
    made = {}

    def run(name):
        if name not in made:
            made[name] = Smoke(name, roots[name in MADE_UP])
        return made[name]

    return run


def finite(value):
    """Whether all numbers of a nest are finite."""
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list):
        return all(map(finite, value))
    return not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize("name", SMOKES)
def test_a_smoke_run_leaves_a_whole_result(name, smoke):
    made = smoke(name)
    experiment, stored = (
        made.experiment,
        result_file.read(made.published / "smoke.json"),
    )
    assert stored == made.result == json.loads(json.dumps(made.result))
    assert stored == result_file.read(made.root / name / "smoke.json")
    assert set(stored) == KEYS
    assert (stored["experiment"], stored["item"]) == (name, experiment.item)
    assert stored["settings"] == json.loads(json.dumps(vars(made.settings)))
    assert stored["paper"] == experiment.paper(made.settings)
    assert finite(stored)
    for run in stored["runs"]:
        assert set(run) == KEYS_OF_A_RUN
        assert run["final"] == experiment.final(run["epochs"])
        assert run["images_seen"] > 0
        clock = [epoch["seconds"] for epoch in run["epochs"]]
        assert clock == sorted(clock)
        assert run["seconds"] == clock[-1] > 0
        numbers = [epoch["epoch"] for epoch in run["epochs"]]
        # All of them, or some of many.
        assert numbers == sorted(set(numbers))
        assert numbers[0] >= 1


@pytest.mark.parametrize("name", SMOKES)
def test_its_summary_is_the_mean_and_deviation_over_seeds(name, smoke):
    stored, values = smoke(name).result, {}
    for run in stored["runs"]:
        for measure, value in run["final"].items():
            row = (run["group"], run["method"], measure)
            values.setdefault("/".join(filter(None, row)), []).append(value)
    assert set(values) == set(stored["summary"])
    for cell, numbers in values.items():
        found = stored["summary"][cell]
        assert found["mean"] == pytest.approx(np.mean(numbers))
        assert found["seeds"] == len(numbers)
        if len(numbers) > 1:
            deviation = pytest.approx(np.std(numbers, ddof=1), abs=1e-12)
            assert found["standard_deviation"] == deviation


@pytest.mark.parametrize("name", NAMES)
def test_its_tables_are_printed_and_its_pictures_drawn_from_the_file(
    name, smoke, tmp_path
):
    made = smoke(name)
    for table in made.experiment.tables(made.result):
        assert f"\n\n{table}\n\n" in made.printed
        rows = table.splitlines()
        assert len(rows) > 2
        assert len({row.count("|") for row in rows}) == 1
    drawn = made.experiment.draw(
        result_file.read(made.published / "smoke.json"), tmp_path
    )
    assert drawn
    for picture in drawn:
        runs.check_picture(picture)
        assert (made.published / picture.name).exists()


@KIND_BY_KIND
def test_the_same_command_again_trains_nothing(name, smoke):
    made = smoke(name)
    again, printed = runs.run(made.untrained(), *made.flags(made.root))
    rows = [(run["group"], run["method"], run["seed"]) for run in made.result["runs"]]
    assert set(rows) >= {(r["group"], r["method"], r["seed"]) for r in again["runs"]}
    assert printed.count(": done before") == len(made.trained)
    for folder, record in made.trained.items():
        assert run_folder.record(folder) == record
    assert not list((made.root / made.pool).rglob("checkpoints"))


@KIND_BY_KIND
def test_one_more_seed_is_added_to_what_is_there(name, smoke, tmp_path):
    made = smoke(name)
    places, trained = made.copied_to(tmp_path), []

    def train(run, data, chosen, folder):
        trained.append(run.seed)
        # What the run of the first seed left.
        record = run_folder.record(places[run.folder_name.replace("seed_17", "seed_0")])
        return record["epochs"], record["images_seen"]

    seeds = [*made.settings.seeds, 17]
    result, _ = runs.run(
        made.untrained(train), *made.flags(tmp_path, "--seeds", *seeds)
    )
    assert set(trained) == {17}
    assert {run["seed"] for run in result["runs"]} == set(seeds)


@KIND_BY_KIND
def test_a_folder_of_other_settings_or_of_an_older_layout_is_refused(
    name, smoke, capsys, tmp_path
):
    made = smoke(name)
    size = made.settings.batch_size
    other = made.flags(made.root, "--batch_size", str(size + 2))
    assert main([name, *other]) == 2
    error = capsys.readouterr().err.strip()
    assert f"batch_size: {size} there, {size + 2} now" in error
    for place in made.copied_to(tmp_path).values():
        claim = result_file.read(place / "settings.json")
        del claim["layout"]
        result_file.write(place / "settings.json", claim)
    assert main([name, *made.flags(tmp_path)]) == 2
    error = capsys.readouterr().err.strip()
    assert "has layout 1, that of keras_mixup 0.1" in error
    assert len(error.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*FEW, *MADE_UP, *TINY}))
def test_a_smoke_run_of_the_whole_plan(name, tmp_path):
    experiment = catalog.load(name)
    result, _ = runs.run(experiment, "--preset", "smoke", "--run_dir", tmp_path)
    assert finite(result)
    chosen = runs.parse(experiment, "--preset", "smoke", "--run_dir", tmp_path)
    expected = experiment.runs(chosen, experiment.load(chosen))
    assert len(result["runs"]) == len(expected)


@pytest.mark.parametrize("name", NAMES)
def test_the_papers_numbers_are_those_of_the_specification(name):
    experiment = catalog.load(name)
    paper = experiment.paper(runs.parse(experiment, "--preset", "paper"))
    if not paper:
        return
    if not SPECIFICATION.exists():
        pytest.skip(f"{SPECIFICATION} is not here: the paper's numbers have no oracle")
    text = (SPECIFICATION if name in catalog.PAPER else BEYOND).read_text()
    item = re.escape(experiment.item)
    section = re.search(rf"^## \d+\. [^\n]*{item}.*?(?=^## |\Z)", text, re.M | re.S)
    numbers = set(map(float, re.findall(r"\d*\.?\d+", section[0].replace("**", ""))))
    assert set(paper.values()) <= numbers
    assert len(set(paper.values())) > 3
