"""Table 5: what its rows are, its numbers by hand, and all of it but the training."""

import itertools

import pytest

import keras_mixup
from experiments.paper import table5_ablation
from experiments.recipes import Recipe
from tests.experiments import made_up_runs, runs

CLOSER = {"alpha": 1, "targets": "closer"}
# Section 3.8: what each row is, and its errors at weight decay 1e-4 and 5e-4.
TABLE = {
    "ERM": ({}, 5.53, 5.18),
    "mixup, AC + RP": ({"alpha": 1}, 4.24, 4.68),
    "mixup, AC + KNN": ({"alpha": 1, "partners": "neighbors"}, 4.98, 5.26),
    # Before each residual stage, and before the average pool.
    "layer 1": ({"alpha": 1, "mix_at": "stem"}, 4.44, 4.51),
    "layer 2": ({"alpha": 1, "mix_at": "stage_1"}, 4.56, 4.61),
    "layer 3": ({"alpha": 1, "mix_at": "stage_2"}, 5.39, 5.55),
    "layer 4": ({"alpha": 1, "mix_at": "stage_3"}, 5.95, 5.43),
    "layer 5": ({"alpha": 1, "mix_at": "stage_4"}, 5.39, 5.15),
    "inputs only, SC + KNN": ({**CLOSER, "partners": "class_neighbors"}, 5.45, 5.52),
    "inputs only, AC + KNN": ({**CLOSER, "partners": "neighbors"}, 5.43, 5.48),
    "inputs only, SC + RP": ({**CLOSER, "pairing": "same_class"}, 5.23, 5.55),
    "inputs only, AC + RP": (CLOSER, 5.17, 5.72),
    "smoothing 0.05": ({"label_smoothing": 0.05}, 5.25, 5.02),
    "smoothing 0.1": ({"label_smoothing": 0.1}, 5.33, 5.17),
    "smoothing 0.2": ({"label_smoothing": 0.2}, 5.34, 5.06),
    "inputs, smoothing 0.05": ({**CLOSER, "label_smoothing": 0.05}, 5.02, 5.40),
    "inputs, smoothing 0.1": ({**CLOSER, "label_smoothing": 0.1}, 5.08, 5.09),
    "inputs, smoothing 0.2": ({**CLOSER, "label_smoothing": 0.2}, 4.98, 5.06),
    "inputs, smoothing 0.4": ({**CLOSER, "label_smoothing": 0.4}, 5.25, 5.39),
    "noise 0.05": ({"gaussian_noise": 0.05}, 5.53, 5.04),
    "noise 0.1": ({"gaussian_noise": 0.1}, 6.41, 5.86),
    "noise 0.2": ({"gaussian_noise": 0.2}, 7.16, 7.24),
}
LOW, HIGH = "weight decay 0.0001", "weight decay 0.0005"
DECAYS = {LOW: 1e-4, HIGH: 5e-4}
CELLS = {
    (group, method): Recipe(**changed, weight_decay=decay)
    for group, decay in DECAYS.items()
    for method, (changed, *_) in TABLE.items()
}


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def made(patch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table5")
    return made_up_runs.run(table5_ablation, patch, folder, "--epochs", "20")


def rows(*flags):
    return table5_ablation.rows(runs.parse(table5_ablation, *flags))


@pytest.mark.parametrize("preset", ["cpu", "paper"])
def test_the_cells_are_those_of_the_paper(preset):
    plan = rows("--preset", preset)
    assert list(plan.items()) == list(CELLS.items())
    assert len(plan) == len(set(plan.values())) == 22 * 2
    assert len({recipe.title for recipe in plan.values()}) == 44


def test_a_minute_is_enough_for_one_weight_decay():
    plan = rows("--preset", "smoke")
    assert plan == {cell: recipe for cell, recipe in CELLS.items() if cell[0] == LOW}


def test_rows_and_weight_decays_can_be_chosen():
    plan = rows("--rows", "layer 2", "ERM", "--weight_decays", "0.001")
    assert list(plan.items()) == [
        (("weight decay 0.001", "layer 2"), Recipe(1, mix_at="stage_1", weight_decay=1e-3)),
        (("weight decay 0.001", "ERM"), Recipe(weight_decay=1e-3)),
    ]  # fmt: skip


def test_each_layer_is_the_papers_place_in_the_network():
    network = keras_mixup.models.build(
        "preact_resnet18", input_shape=(32, 32, 3), num_classes=10, width=1
    )
    # Section 3.8, with a stage of 64, 128, 256, 512 channels as one of 1, 2, 4, 8.
    shapes = {
        "layer 1": (32, 32, 1),
        "layer 2": (32, 32, 1),
        "layer 3": (16, 16, 2),
        "layer 4": (8, 8, 4),
        "layer 5": (4, 4, 8),
    }
    names = [layer.name for layer in network.layers]
    places = []
    for row, shape in shapes.items():
        layer = network.get_layer(table5_ablation.ROWS[row].mix_at)
        assert layer.output.shape == (None, *shape)
        places.append(names.index(layer.name))
    assert places == sorted(places)
    # Layer 1 is before the first block, layer 5 right before the average pool.
    assert names[places[0] + 1].startswith("stage_1_block_1")
    assert names[places[4] + 1] == "pool"
    for place, stage in zip(places[1:4], ("stage_2", "stage_3", "stage_4")):
        assert names[place + 1].startswith(f"{stage}_block_1")


def test_the_papers_numbers_are_those_of_table_5():
    assert table5_ablation.paper() == {
        f"{group}/{method}/median_error": errors[place]
        for method, (_, *errors) in TABLE.items()
        for place, group in enumerate((LOW, HIGH))
    }


def test_the_preset_of_the_paper_is_section_3_2():
    made_up_runs.check_settings_of_the_paper(table5_ablation)
    settings = runs.parse(table5_ablation, "--preset", "paper")
    assert settings.neighbors == 200
    assert settings.seeds == (0,)


def test_the_final_numbers_by_hand():
    epochs = made_up_runs.epochs_of((30.0, 20.0, 24.0), real=0.5)
    assert table5_ablation.final(epochs) == pytest.approx(
        {
            "median_error": 24.0,
            "last_error": 24.0,
            "best_error": 20.0,
            "error_on_real": 0.5,
            "calibration_error": made_up_runs.CALIBRATION_ERROR,
        }
    )


def result_of(errors, seeds=1, *flags):
    """The result of cells of these errors, seed by seed one point apart."""
    records = [
        made_up_runs.record(
            *(group, method, seed),
            made_up_runs.epochs_of((50.0, error + seed, error + seed)),
            CELLS.get((group, method), made_up_runs.ERM),
        )
        for (group, method), error in errors.items()
        for seed in range(seeds)
    ]
    return made_up_runs.result_of(table5_ablation, records, *flags)


def test_the_tables_by_hand():
    result = result_of(
        {
            (LOW, "ERM"): 5.0,
            (LOW, "layer 4"): 6.25,
            (HIGH, "ERM"): 4.5,
            (HIGH, "layer 4"): 6.5,
        },
        seeds=2,
    )
    errors, change, calibration = table5_ablation.tables(result)
    # Two seeds one point apart have a deviation of 1 / sqrt(2).
    assert errors.splitlines() == [
        f"| Median test error (%) | {LOW} | {HIGH} |",
        "|---|---|---|",
        "| ERM | 5.50 ± 0.71 (5.53) | 5.00 ± 0.71 (5.18) |",
        "| layer 4 | 6.75 ± 0.71 (5.95) | 7.00 ± 0.71 (5.43) |",
    ]
    assert change.splitlines() == [
        f"| From {LOW} to {HIGH}: change of the error (points) | Ours | Paper |",
        "|---|---|---|",
        "| ERM | -0.50 | -0.35 |",
        "| layer 4 | +0.25 | -0.52 |",
    ]
    assert calibration.splitlines() == [
        f"| Calibration error, last epoch (%) | {LOW} | {HIGH} |",
        "|---|---|---|",
        "| ERM | 8.0 ± 0.0 | 8.0 ± 0.0 |",
        "| layer 4 | 8.0 ± 0.0 | 8.0 ± 0.0 |",
    ]


def test_the_change_is_from_the_smaller_weight_decay_to_the_larger():
    cells = {("weight decay 0.001", "ERM"): 7.0, (LOW, "ERM"): 5.0}
    result = result_of(cells, 1, "--weight_decays", "0.001", "0.0001")
    _, change, _ = table5_ablation.tables(result)
    head, _, row = change.splitlines()
    assert f"From {LOW} to weight decay 0.001:" in head
    # Of one of them the paper has no number.
    assert row == "| ERM | +2.00 |  |"


def test_one_weight_decay_has_no_change():
    result = result_of({(LOW, "ERM"): 5.0}, 1, "--weight_decays", "0.0001")
    errors, calibration = table5_ablation.tables(result)
    assert errors.splitlines()[2] == "| ERM | 5.00 (5.53) |"
    assert calibration.splitlines()[2] == "| ERM | 8.0 |"


def test_a_run_but_for_the_training(made):
    made_up_runs.check_result(table5_ablation, made, [(*cell, 0) for cell in CELLS])
    trained = [Recipe(**t.run.settings) for t in made.trained]
    assert trained == list(CELLS.values())
    for cell in made.result["paper"]:
        assert made.result["summary"][cell]["paper"] == made.result["paper"][cell]


def test_the_pictures_are_made_from_the_file(made, tmp_path):
    made_up_runs.check_pictures(table5_ablation, made, tmp_path)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rows", "nonsense"], "`rows`. Expected some of ['ERM', 'mixup, AC + RP'"),
        (["--rows", "ERM", "layer 6"], "Received: ['ERM', 'layer 6']"),
        (["--rows", "ERM", "ERM"], "`rows`. Expected at least one, all different"),
        (["--rows"], "`rows`. Expected at least one"),
        (["--weight_decays", "-1"], "`weight_decays`. Expected a number >= 0"),
        (["--weight_decays", "1e-4", "1e-4"], "`weight_decays`. Expected at least one"),
        (["--width", "0"], "`width`. Expected an integer >= 1. Received: 0"),
        (["--neighbors", "0"], "`neighbors`. Expected an integer >= 1. Received: 0"),
    ],
)
def test_wrong_settings_are_refused(capsys, flags, message):
    assert message in runs.refusal(table5_ablation, capsys, *flags)


def test_no_two_rows_of_the_paper_have_the_same_meaning():
    for one, other in itertools.combinations(TABLE.values(), 2):
        assert Recipe(**one[0]) != Recipe(**other[0])
