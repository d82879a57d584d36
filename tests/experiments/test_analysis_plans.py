"""The analyses of the pool: what their runs are, and which of them are one training."""

import dataclasses
import itertools
import types

import pytest

from experiments import catalog
from experiments.__main__ import main
from experiments.engine import run as engine
from tests.experiments import runs

NAMES = ("alpha_tradeoff", "discussion", "figure2_between", "table2_corrupted_labels")
NAMES += ("table3_adversarial", "table5_ablation")
ANALYSES = ALPHA, DISCUSSION, FIGURE_2, TABLE_2, TABLE_3, TABLE_5 = [
    catalog.load(name) for name in NAMES
]
DATA = types.SimpleNamespace(counts={"train": 50, "test": 20})
BASELINE = "mixup: pairs of one batch, one lam a batch"
LOW, HIGH = "weight decay 0.0001", "weight decay 0.0005"


def titles(experiment, *flags):
    """What differs from ERM, in words, by group and method; each seed is a run."""
    chosen = runs.parse(experiment, *flags)
    found = {}
    for run in experiment.runs(chosen, DATA):
        assert run.title.startswith(f"{chosen.dataset}, ")
        assert run.examples == DATA.counts
        place = found.setdefault((run.group, run.method), {})
        place[run.seed] = run.title.removeprefix(f"{chosen.dataset}, ")
    for by_seed in found.values():
        assert tuple(by_seed) == chosen.seeds
        assert len(set(by_seed.values())) == 1
    return {row: by_seed[chosen.seeds[0]] for row, by_seed in found.items()}


# What each row of a plan is, from the paper's sections.
SECTION_2 = {
    "ERM": "ERM",
    BASELINE: "alpha 1",
    "three examples, Dirichlet(1, 1, 1)": "alpha 1, examples 3",
    "pairs of equal label only": "alpha 1, pairing same_class",
    "two loaders": "alpha 1, partners loader",
    "one lam an example": "alpha 1, per example",
}
SECTION_3_4 = {
    ("20 %", "ERM"): "corrupted 0.2",
    ("20 %", "dropout 0.7"): "dropout 0.7, corrupted 0.2",
    ("20 %", "mixup 8"): "alpha 8, corrupted 0.2",
    ("20 %", "mixup 4, dropout 0.1"): "alpha 4, dropout 0.1, corrupted 0.2",
    ("50 %", "ERM"): "corrupted 0.5",
    ("50 %", "dropout 0.8"): "dropout 0.8, corrupted 0.5",
    ("50 %", "mixup 32"): "alpha 32, corrupted 0.5",
    ("50 %", "mixup 8, dropout 0.3"): "alpha 8, dropout 0.3, corrupted 0.5",
    ("80 %", "ERM"): "corrupted 0.8",
    ("80 %", "dropout 0.8"): "dropout 0.8, corrupted 0.8",
    ("80 %", "mixup 32"): "alpha 32, corrupted 0.8",
    ("80 %", "mixup 8, dropout 0.3"): "alpha 8, dropout 0.3, corrupted 0.8",
}
CLOSER = "alpha 1, targets closer"
SECTION_3_8 = {
    "ERM": "ERM",
    "mixup, AC + RP": "alpha 1",
    "mixup, AC + KNN": "alpha 1, partners neighbors",
    # Before each residual stage, and before the average pool.
    "layer 1": "alpha 1, mix at stem",
    "layer 2": "alpha 1, mix at stage_1",
    "layer 3": "alpha 1, mix at stage_2",
    "layer 4": "alpha 1, mix at stage_3",
    "layer 5": "alpha 1, mix at stage_4",
    "inputs only, SC + KNN": f"{CLOSER}, partners class_neighbors",
    "inputs only, AC + KNN": f"{CLOSER}, partners neighbors",
    "inputs only, SC + RP": "alpha 1, pairing same_class, targets closer",
    "inputs only, AC + RP": CLOSER,
    **{f"smoothing {s}": f"label smoothing {s}" for s in (0.05, 0.1, 0.2)},
    **{
        f"inputs, smoothing {s}": f"{CLOSER}, label smoothing {s}"
        for s in (0.05, 0.1, 0.2, 0.4)
    },
    **{f"noise {s}": f"gaussian noise {s}" for s in (0.05, 0.1, 0.2)},
}


@pytest.mark.parametrize("preset", ["cpu", "paper", "smoke"])
def test_the_rows_of_the_remarks_and_the_two_networks(preset):
    rows = {("", method): title for method, title in SECTION_2.items()}
    assert list(titles(DISCUSSION, "--preset", preset).items()) == list(rows.items())
    both = {("", "ERM"): "ERM", ("", "mixup 1"): "alpha 1"}
    for experiment in (FIGURE_2, TABLE_3):
        assert titles(experiment, "--preset", preset) == both
        other = titles(experiment, "--preset", preset, "--alpha", 0.4)
        assert other == {("", "ERM"): "ERM", ("", "mixup 0.4"): "alpha 0.4"}


def test_the_rows_of_table_2_and_its_grids():
    assert list(titles(TABLE_2).items()) == list(SECTION_3_4.items())
    half = {row: title for row, title in SECTION_3_4.items() if row[0] == "50 %"}
    assert titles(TABLE_2, "--preset", "smoke") == half
    whole = titles(TABLE_2, "--preset", "paper")
    expected = set()
    for share in (0.2, 0.5, 0.8):
        expected.add(f"corrupted {share}")
        expected |= {f"dropout {p}, corrupted {share}" for p in (0.5, 0.7, 0.8, 0.9)}
        expected |= {f"alpha {a}, corrupted {share}" for a in (1, 2, 8, 32)}
        expected |= {
            f"alpha {a}, dropout {p}, corrupted {share}"
            for a, p in itertools.product((1, 2, 4, 8), (0.1, 0.3, 0.5, 0.7))
        }
    assert set(whole.values()) == expected
    assert len(whole) == len(expected) == 75
    assert SECTION_3_4.items() <= whole.items()
    # Any share has grids, but only three have rows in the paper's table.
    assert {g for g, _ in titles(TABLE_2, "--grids", "--shares", 0.3)} == {"30 %"}


def test_the_cells_of_table_5():
    whole = titles(TABLE_5)
    assert [*whole] == list(itertools.product((LOW, HIGH), SECTION_3_8))
    assert {m: whole[LOW, m] for m in SECTION_3_8} == SECTION_3_8
    for method, title in SECTION_3_8.items():
        decay = "weight decay 0.0005"
        expected = decay if title == "ERM" else f"{title}, {decay}"
        assert whole[HIGH, method] == expected
    assert len(set(whole.values())) == 44
    some = titles(TABLE_5, "--rows", "layer 2", "ERM", "--weight_decays", 0.001)
    decay = "weight decay 0.001"
    layer = "alpha 1, mix at stage_1, weight decay 0.001"
    assert [*some.items()] == [((decay, "layer 2"), layer), ((decay, "ERM"), decay)]


@pytest.mark.parametrize(
    ("flags", "widths", "own"),
    [
        (("--preset", "cpu"), (4, 8, 16), 8),
        (("--preset", "paper"), (16, 32, 64), 64),
        (("--width", 16), (4, 8, 16), 16),
    ],
)
def test_the_points_are_ten_alphas_at_three_widths(flags, widths, own):
    # A network of the settings' own width is that of other analyses.
    expected = {}
    for width in widths:
        last = [] if width == own else [f"width {width}"]
        row = f"width {width}"
        expected[row, "ERM"] = ", ".join(last) or "ERM"
        for alpha in (0.1, 0.2, 0.4, 1, 2, 4, 8, 32):
            expected[row, f"mixup {alpha}"] = ", ".join([f"alpha {alpha}", *last])
        # Weights that are all one half: the limit.
        expected[row, "averages"] = ", ".join(["alpha 1e+06", *last])
    assert list(titles(ALPHA, *flags).items()) == list(expected.items())


@pytest.mark.parametrize("preset", ["smoke", "cpu", "paper"])
def test_equal_recipes_are_one_training_and_no_others_are(preset):
    found, planned = {}, 0
    for experiment in ANALYSES:
        chosen = runs.parse(experiment, "--preset", preset)
        plan = experiment.runs(chosen, DATA)
        planned += len(plan)
        for folder, claim in engine.claims_of(chosen, plan).items():
            assert found.setdefault(folder, claim) == claim
            # A network of the settings' own width depends on that.
            assert claim["width"] > 0
    pairs = itertools.combinations(found.values(), 2)
    assert all(one != other for one, other in pairs)
    # 30 + 18 + 6 + 36 + 6 + 44 on two cores.
    if preset == "cpu":
        assert (planned, len(found)) == (140, 124)


def test_what_two_analyses_have_in_common_is_trained_once(tmp_path):
    trained = []

    def train(run, data, settings, folder):
        trained.append(run.full_title)
        return runs.made_up(1, float(run.seed)), 100

    def records_of(experiment, *flags):
        experiment = dataclasses.replace(experiment, train=train)
        common = ("--preset", "smoke", "--seeds", 3, 4, "--run_dir", tmp_path)
        chosen = runs.parse(experiment, *common, *flags)
        plan = experiment.runs(chosen, DATA)
        return engine.train_all(experiment, chosen, plan, DATA)

    first = records_of(DISCUSSION, "--rows", "ERM", BASELINE)
    pairs = itertools.product(("ERM", "alpha 1"), (3, 4))
    assert trained == [f"digits, {recipe}, seed {seed}" for recipe, seed in pairs]
    second = records_of(TABLE_5, "--rows", "mixup, AC + RP", "noise 0.1", "ERM")
    assert trained[4:] == [f"digits, gaussian noise 0.1, seed {s}" for s in (3, 4)]
    for one, other in zip([*first[2:], *first[:2]], [*second[:2], *second[4:]]):
        assert one["folder"] == other["folder"]
        assert one["epochs"] == other["epochs"]
        assert one["epochs"][0]["test"]["error"] == one["seed"] == other["seed"]
    found = [(record["group"], record["method"], record["seed"]) for record in second]
    methods = ("mixup, AC + RP", "noise 0.1", "ERM")
    assert found == [(LOW, method, seed) for method in methods for seed in (3, 4)]


def test_special_refusals(capsys):
    told = runs.refusal(TABLE_2, capsys, "--shares", 0.3)
    assert "`shares`. Expected some of [0.2, 0.5, 0.8] without --grids. Rec" in told
    told = runs.refusal(TABLE_3, capsys, "--seeds", 0)
    assert "`seeds`. Expected at least two" in told


def test_rows_that_mix_at_a_layer_are_refused_in_the_pipeline(tmp_path, capsys):
    flags = ["--preset", "smoke", "--run_dir", str(tmp_path), "--mix_in", "pipeline"]
    assert main(["table5_ablation", *flags]) == 2
    error = capsys.readouterr().err.strip()
    assert error == (
        "Invalid value received for `mix_in`. Expected train_step, since 'layer 1' "
        "mixes behind 'stem'. Received: pipeline"
    )
    rows = ("ERM", "mixup, AC + RP")
    assert runs.plan(TABLE_5, *flags, "--rows", *rows, data=DATA)


def test_what_the_library_refuses_is_one_sentence(tmp_path, monkeypatch, capsys):
    flags = ["--preset", "smoke", "--run_dir", str(tmp_path), "--image_size", "7"]
    assert main(["figure2_between", *flags]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("Invalid value received for ")
    assert len(error.splitlines()) == 1

    def broken(experiment, chosen):
        raise ValueError("a fault of ours")

    monkeypatch.setattr(engine, "run", broken)
    with pytest.raises(ValueError, match="a fault of ours"):
        main(["figure2_between", *flags])
