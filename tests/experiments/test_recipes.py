"""Recipes: what sets one training apart, and what the analyses share."""

import dataclasses

import keras
import pytest

import keras_mixup
from experiments import recipes
from experiments.paper import table5_ablation
from experiments.recipes import Recipe
from tests.experiments import runs


def test_the_default_recipe_is_erm():
    assert Recipe().title == "ERM"
    options = {"per": "batch", "pairing": "permutation", "examples": 2}
    options |= {"targets": "mix", "label_smoothing": 0.0}
    assert Recipe().mixup_options == options


def test_a_title_says_what_differs():
    recipe = Recipe(alpha=8, dropout=0.3, corrupted=0.5, weight_decay=5e-4)
    assert recipe.title == "alpha 8, dropout 0.3, corrupted 0.5, weight decay 0.0005"
    assert Recipe(partners="loader").title == "partners loader"
    assert Recipe(**dataclasses.asdict(recipe)) == recipe


def test_the_preset_of_the_paper_is_section_3_2():
    # All analyses train by the same settings.
    found = runs.parse(table5_ablation.EXPERIMENT, "--preset", "paper")
    expected = {
        **{"dataset": "cifar10", "train_split": "train", "test_split": "test"},
        **{"image_size": 0, "width": 64, "augment": True, "neighbors": 200},
        **{"epochs": 200, "batch_size": 128, "learning_rate": 0.1, "momentum": 0.9},
        **{"max_steps": 0, "mix_in": "train_step", "precision": "float32"},
        "seeds": (0,),
    }
    assert {name: getattr(found, name) for name in expected} == expected
    assert Recipe().weight_decay == 1e-4


def test_the_limit_of_averages_is_one_half():
    lam = keras_mixup.sample_lambda(recipes.AVERAGES, (10_000,), seed=0)
    # The variance of Beta(a, a) is 1 / (4 (2 a + 1)).
    deviation = 0.5 / (2 * recipes.AVERAGES + 1) ** 0.5
    assert float(abs(keras.ops.mean(lam) - 0.5)) < 5 * deviation / 100
    assert float(keras.ops.std(lam)) == pytest.approx(deviation, rel=0.05)


def test_each_layer_of_table_5_is_the_papers_place_in_the_network():
    network = keras_mixup.models.build(
        "preact_resnet18", input_shape=(32, 32, 3), num_classes=10, width=1
    )
    # Section 3.8, with a stage of 64, 128, 256, 512 channels as one of 1, 2, 4, 8:
    # what comes right behind the place, and its shape.
    expected = {
        "layer 1": ("stage_1_block_1", (32, 32, 1)),
        "layer 2": ("stage_2_block_1", (32, 32, 1)),
        "layer 3": ("stage_3_block_1", (16, 16, 2)),
        "layer 4": ("stage_4_block_1", (8, 8, 4)),
        "layer 5": ("pool", (4, 4, 8)),
    }
    names = [layer.name for layer in network.layers]
    for row, (following, shape) in expected.items():
        place = names.index(table5_ablation.ROWS[row].mix_at)
        assert network.layers[place].output.shape == (None, *shape)
        assert names[place + 1].startswith(following)
