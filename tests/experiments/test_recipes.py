"""Recipes: what sets one training apart, and what the analyses share."""

import dataclasses
import itertools

import keras
import pytest

from experiments import recipes
from experiments.engine import running
from experiments.paper import (
    alpha_tradeoff,
    discussion,
    figure2_between,
    table2_corrupted_labels,
    table3_adversarial,
    table5_ablation,
)
from experiments.recipes import Recipe
from tests.experiments import runs

ANALYSES = (
    alpha_tradeoff,
    discussion,
    figure2_between,
    table2_corrupted_labels,
    table3_adversarial,
    table5_ablation,
)


def all_recipes(preset):
    """The recipes of all analyses, each once."""
    found = {}
    for analysis in ANALYSES:
        settings = runs.parse(analysis, "--preset", preset)
        found |= dict.fromkeys(analysis.rows(settings).values())
    return list(found)


def test_the_default_recipe_is_erm():
    assert Recipe().title == "ERM"
    assert Recipe().label == "ERM"
    assert Recipe().mixup_options == {
        "per": "batch",
        "pairing": "permutation",
        "examples": 2,
        "targets": "mix",
        "label_smoothing": 0.0,
    }


def test_a_title_says_what_differs():
    recipe = Recipe(alpha=8, dropout=0.3, corrupted=0.5, weight_decay=5e-4)
    assert recipe.title == "alpha 8, dropout 0.3, corrupted 0.5, weight decay 0.0005"
    assert recipe.label == "mixup 8"
    assert Recipe(partners="loader").title == "partners loader"


@pytest.mark.parametrize("preset", ["smoke", "cpu", "paper"])
def test_no_two_recipes_of_the_analyses_share_a_folder(preset):
    found = all_recipes(preset)
    names = [
        running.Run(
            "cifar10", recipe.title, seed, dataclasses.asdict(recipe)
        ).folder_name
        for recipe, seed in itertools.product(found, (0, 1, 11))
    ]
    assert len(set(names)) == len(names)


def test_every_recipe_survives_the_record_of_its_run():
    for recipe in all_recipes("paper"):
        assert Recipe(**dataclasses.asdict(recipe)) == recipe


def test_the_analyses_of_two_cores_have_runs_in_common():
    plans = [
        {
            (recipe, seed)
            for recipe in analysis.rows(settings).values()
            for seed in settings.seeds
        }
        for analysis in ANALYSES
        for settings in [runs.parse(analysis)]
    ]
    # 30 + 18 + 6 + 36 + 6 + 44 of which 124 differ.
    assert sum(map(len, plans)) == 140
    assert len(set().union(*plans)) == 124


@pytest.mark.parametrize("preset", ["smoke", "cpu", "paper"])
def test_the_analyses_train_by_the_same_settings(preset):
    shared = []
    for analysis in ANALYSES:
        settings = runs.parse(analysis, "--preset", preset, "--seeds", 0, 1)
        shared.append(settings.of_classifiers())
        assert type(shared[-1]) is recipes.ClassifierConfiguration
    assert all(one == shared[0] for one in shared)


@pytest.mark.parametrize("analysis", ANALYSES, ids=runs.name_of)
def test_the_preset_of_the_paper_is_section_3_2(analysis):
    settings = runs.parse(analysis, "--preset", "paper")
    expected = {
        "dataset": "cifar10",
        "train_split": "train",
        "test_split": "test",
        "image_size": 0,
        "width": 64,
        "epochs": 200,
        "batch_size": 128,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "augment": True,
        "neighbors": 200,
        "mix_in": "train_step",
    }
    assert {name: getattr(settings, name) for name in expected} == expected


def test_the_limit_of_averages_is_one_half():
    import keras_mixup

    lam = keras_mixup.sample_lambda(recipes.AVERAGES, (10_000,), seed=0)
    # The variance of Beta(a, a) is 1 / (4 (2 a + 1)).
    deviation = 0.5 / (2 * recipes.AVERAGES + 1) ** 0.5
    assert float(abs(keras.ops.mean(lam) - 0.5)) < 5 * deviation / 100
    assert float(keras.ops.std(lam)) == pytest.approx(deviation, rel=0.05)


def test_errors_of_a_run_by_hand():
    epochs = [
        {"test": {"error": error}} for error in (90.0, *(20.0, 18.0, 16.0) * 3, 15.0)
    ]
    bins = {"count": [3, 1], "accuracy": [1 / 3, 1.0], "confidence": [0.4, 0.9]}
    epochs[-1]["end"] = {
        "train": {"error_on_real": 2.5, "error_on_corrupted": None},
        "reliability": {"test": bins},
    }
    found = recipes.errors(epochs)
    # 3 / 4 of .0667 and 1 / 4 of .1.
    assert found.pop("calibration_error") == pytest.approx(7.5)
    assert found == {
        "median_error": 18.0,
        "last_error": 15.0,
        "best_error": 15.0,
        "error_on_real": 2.5,
    }


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--width", "0"], "`width`. Expected an integer >= 1"),
        (["--neighbors", "0"], "`neighbors`. Expected an integer >= 1"),
        (["--epochs", "0"], "`epochs`. Expected a number >= 1"),
        (["--learning_rate", "0"], "`learning_rate`. Expected a number > 0"),
        (["--seeds", "1", "1"], "`seeds`"),
    ],
)
def test_wrong_settings_are_refused(capsys, flags, message):
    assert message in runs.refusal(discussion, capsys, *flags)
