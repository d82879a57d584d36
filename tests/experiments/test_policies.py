"""Policies side by side: the plan, what is compiled, and occlusion by hand."""

import keras
import numpy as np
import pytest

import keras_mixup
from experiments import catalog, classifiers
from experiments.beyond import policies
from experiments.data import augmentation
from experiments.recipes import POLICIES, Recipe
from tests.experiments import runs

EXPERIMENT, CAPACITY = policies.EXPERIMENT, catalog.load("capacity")
SIZE, CLASSES = 8, 2
MEAN = 255 * np.array(augmentation.CIFAR_MEAN)
# The right half says the class: white, or as black as the left half.
LABELS = np.array([0, 1] * 10)
IMAGES = np.zeros((20, SIZE, SIZE, 3), "uint8")
IMAGES[LABELS == 1, :, SIZE // 2 :] = 255
DATA = classifiers.ImageArrays((IMAGES, LABELS), (IMAGES, LABELS), ("black", "white"))


def network_of(record=None):
    """A linear network that says class 1 for what is brighter than the mean color."""
    network = keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    kernel = np.zeros((SIZE, SIZE, 3, CLASSES), "float32")
    kernel[:, SIZE // 2 :, :, 1] = 1
    # Where nothing of the half is seen, the bias says class 0.
    network.set_weights([kernel.reshape(-1, CLASSES), np.array([0.1, 0.0])])
    return network


def shown(square):
    """A square as rows of dots and crosses."""
    return ["".join(".x"[int(pixel)] for pixel in row) for row in square[..., 0]]


def test_the_square_in_the_middle_by_hand():
    quarter, half, odd = (
        policies.squares(shape, share)[0]
        for shape, share in (
            ((1, 8, 8, 3), 0.25),
            ((1, 8, 8, 3), 0.5),
            # Of the shorter side: 1.25 pixels.
            ((1, 5, 7, 1), 0.25),
        )
    )
    empty = ["." * 8]
    assert shown(quarter) == 3 * empty + 2 * ["...xx..."] + 3 * empty
    assert shown(half) == 2 * empty + 4 * ["..xxxx.."] + 2 * empty
    assert shown(odd) == 2 * ["......."] + ["...x..."] + 2 * ["......."]


def test_random_squares_are_whole_and_uniform_and_the_seeds():
    count = 9000
    found = policies.squares((count, 4, 4, 3), 0.5, seed=3)
    assert found.shape == (count, 4, 4, 1)
    assert np.all(found.sum((1, 2, 3)) == 4)
    first = found.reshape(count, 16).argmax(axis=1)
    # Nine places of a 2 x 2 square in 4 x 4 pixels, 1000 of each, +- 5 deviations.
    places, counts = np.unique(first, return_counts=True)
    assert list(places) == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert np.all(np.abs(counts - 1000) < 5 * np.sqrt(1000 * 8 / 9))
    again = policies.squares((count, 4, 4, 3), 0.5, seed=3)
    np.testing.assert_array_equal(found, again)
    assert np.any(policies.squares((count, 4, 4, 3), 0.5, seed=4) != found)


def test_errors_behind_squares_are_those_of_painted_images():
    # White right halves, and a network that reads two pixels in the middle.
    images = np.zeros((400, SIZE, SIZE, 3), "uint8")
    images[:, :, SIZE // 2 :] = 255
    labels = np.ones(400, int)
    kernel = np.zeros((SIZE, SIZE, 3, CLASSES), "float32")
    kernel[3, 3, :, 0], kernel[3, 4, :, 1] = 1, 1
    network = network_of()
    network.set_weights([kernel.reshape(-1, CLASSES), np.array([0.1, 0.0])])
    found = policies.under_occlusion(network, (images, labels), seed=1)
    # Of the two pixels that are read both are hidden in the middle: the bias errs.
    assert (found["quarter_center"], found["half_center"]) == (100.0, 100.0)
    for share, name in ((0.25, "quarter"), (0.5, "half")):
        hidden = policies.squares(images.shape, share, seed=1)[..., 0]
        painted = np.where(hidden[..., None], MEAN, images)
        values = (painted / 255 - augmentation.CIFAR_MEAN) / augmentation.CIFAR_STD
        black, white = values[:, 3, 3].sum(-1), values[:, 3, 4].sum(-1)
        expected = 100 * np.mean(white <= black + 0.1)
        assert found[f"{name}_random"] == pytest.approx(expected)
        # A square covers the two pixels of some images, and not those of others.
        assert 0 < expected < 100


def test_what_is_hidden_is_said_and_stands_in_the_result(monkeypatch, capsys):
    monkeypatch.setattr(classifiers, "network_of", network_of)
    end = {"train": {"error_on_real": 1.0}}
    record = {"group": "", "method": "CutMix 1", "seed": 5}
    record["epochs"] = runs.made_up(2, **end)
    settings = runs.parse(EXPERIMENT, "--places_seed", 2)
    (found,) = EXPERIMENT.analyze([record], DATA, settings)
    assert "Hiding: CutMix 1, seed 5\n" in capsys.readouterr().out
    expected = policies.under_occlusion(network_of(), DATA.test, 2)
    final = EXPERIMENT.final(found["epochs"])
    assert {name: final[name] for name in policies.OCCLUDED} == expected
    assert final["error_on_real"] == 1.0


def test_erm_and_mixup_are_the_runs_of_capacity():
    for preset in ("cpu", "paper"):
        plans = []
        for experiment in (EXPERIMENT, CAPACITY):
            settings = runs.parse(experiment, "--preset", preset)
            plans.append(
                {
                    run.folder_name: run.settings
                    for run in experiment.runs(settings, DATA)
                }
            )
        ours, theirs = plans
        shared = {f"cifar10_{m}_seed_{s}" for m in ("erm", "alpha_1") for s in range(3)}
        assert {*ours} & {*theirs} == shared
        assert len(ours) == 18
        for name in shared:
            # What was there before there were other policies has no word of them.
            assert ours[name] == theirs[name]
            assert "policy" not in ours[name]


# The class of each policy, and what its runs are named by.
KINDS = {
    "mixup 1": (keras_mixup.MixUp, "alpha 1"),
    "CutMix 1": (keras_mixup.CutMix, "alpha 1, policy cutmix"),
    "ResizeMix": (keras_mixup.ResizeMix, "policy resizemix"),
    "FMix 1": (keras_mixup.FMix, "alpha 1, policy fmix"),
    "mixup 1 or CutMix 1": (
        keras_mixup.RandomChoice,
        "alpha 1, policy mixup_or_cutmix",
    ),
}


@pytest.mark.parametrize("method", KINDS)
def test_each_row_is_its_policy(method):
    kind, title = KINDS[method]
    recipe = policies.ROWS[method]
    assert recipe.title == title
    make = POLICIES[recipe.policy]
    policy = make(recipe.alpha, seed=3, num_classes=CLASSES, **recipe.mixup_options)
    assert type(policy) is kind
    assert (policy.seed, policy.per, policy.is_identity) == (3, "batch", False)
    if kind is keras_mixup.ResizeMix:
        assert policy.scale == (0.1, 0.8)
    else:
        parts = getattr(policy, "policies", [policy])
        assert [one.alpha for one in parts] == [1.0] * len(parts)
        if len(parts) == 2:
            assert policy.weights == [0.5, 0.5]
            kinds = [keras_mixup.MixUp, keras_mixup.CutMix]
            assert [type(one) for one in parts] == kinds


@pytest.mark.parametrize("mix_in", ["train_step", "pipeline"])
def test_a_run_trains_by_the_policy_of_its_recipe(mix_in, monkeypatch, tmp_path):
    runs.tiny_networks(monkeypatch)
    flags = ("--preset", "smoke", "--rows", "CutMix 1", "--mix_in", mix_in)
    settings = runs.parse(EXPERIMENT, *flags)
    (run,) = EXPERIMENT.runs(settings, DATA)
    assert Recipe(**run.settings) == policies.ROWS["CutMix 1"]
    call = runs.trained(EXPERIMENT, run, DATA, monkeypatch, tmp_path, *flags)
    model = call.make_model()
    if mix_in == "train_step":
        assert isinstance(model.mixup, keras_mixup.CutMix)
        return
    assert model.mixup.is_identity
    # Each pixel of a cut image is still one of two colors; labels are shared.
    found, rows = next(call.course.batches(0).as_numpy_iterator())
    colors = (np.array([[0.0], [255.0]]) / 255 - augmentation.CIFAR_MEAN) / (
        augmentation.CIFAR_STD
    )
    assert np.abs(found[..., np.newaxis, :] - colors).min(axis=-2).max() < 1e-5
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)
    assert np.any((rows > 0) & (rows < 1))
