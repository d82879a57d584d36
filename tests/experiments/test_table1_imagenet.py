"""Table 1: the smoke preset from end to end, the paper's settings, its networks."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from experiments.data import images, sources
from experiments.engine import running
from experiments.paper import table1_imagenet
from tests.experiments import runs

SMOKE = "ResNet-50, width 2, 2 epochs"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NETWORKS = {
    "ResNet-50": "resnet50",
    "ResNet-101": "resnet101",
    "ResNeXt-101 32x4d": "resnext101_32x4d",
    "ResNeXt-101 64x4d": "resnext101_64x4d",
}
# Section 3.1, Table 1: top-1 and top-5 errors of ERM, then of mixup.
PAPER = {
    ("ResNet-50", 90): ((23.5, None), (23.3, 6.6)),
    ("ResNet-101", 90): ((22.1, None), (21.5, 5.6)),
    ("ResNeXt-101 32x4d", 90): ((21.2, 5.6), (20.7, 5.3)),
    # 20.4 and 5.3 are cited, of 100 epochs.
    ("ResNeXt-101 64x4d", 90): ((20.4, 5.3), (19.8, 4.9)),
    ("ResNet-50", 200): ((23.6, 7.0), (22.1, 6.1)),
    ("ResNet-101", 200): ((22.0, 6.1), (20.8, 5.4)),
    ("ResNeXt-101 32x4d", 200): ((21.3, 5.9), (20.1, 5.0)),
}
STEPS = 1_252  # 1,281,167 / 1,024, rounded up


def mixup_of(network):
    return "mixup 0.4" if "ResNeXt" in network else "mixup 0.2"


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Settings, result and what was printed, of mixup alone: it traces for long."""
    folder = tmp_path_factory.mktemp("runs")
    settings = runs.parse(
        table1_imagenet, "--preset", "smoke", "--methods", "mixup", "--run_dir", folder
    )
    return settings, *runs.recorded(table1_imagenet, settings)


@pytest.mark.slow
def test_the_result_of_the_smoke_preset_has_the_schema(smoke):
    settings, result, _ = smoke
    runs.check_result(
        table1_imagenet,
        settings,
        result,
        runs=[(SMOKE, "mixup 0.2", 0)],
        sets=("test",),
        errors=("error", "top_5_error"),
        examples=128,
        # Four steps an epoch, and the warm-up is the first: the last is at 3/4.
        rates=(0.003 + (0.0125 - 0.003) * 3 / 4, 0.0125),
    )
    assert result["paired"] == {}
    for epoch in result["runs"][0]["epochs"]:
        for part in ("train", "test"):
            assert epoch[part]["top_5_error"] <= epoch[part]["error"]


@pytest.mark.slow
def test_the_picture_and_the_table_are_made(smoke):
    settings, result, printed = smoke
    folder = pathlib.Path(settings.run_dir) / "table1_imagenet"
    runs.check_picture(folder / "curves.png")
    assert f"Wrote {folder / 'smoke.json'}\n" in printed
    final = result["runs"][0]["final"]
    cells = " | ".join(f"{final[measure]:.1f}" for measure in table1_imagenet.MEASURES)
    assert f"| {SMOKE} | mixup 0.2 | {cells} |" in printed.splitlines()


@pytest.mark.slow
def test_a_second_run_takes_up_the_records(smoke, monkeypatch):
    settings, result, _ = smoke
    runs.check_reused(table1_imagenet, settings, result, monkeypatch)


@pytest.mark.slow
def test_another_seed_or_length_trains_only_the_new_runs(smoke, monkeypatch, tmp_path):
    settings, before, _ = smoke
    flags = ["--seeds", 0, 3, "--lengths", 2, 4]
    (result, printed), calls = runs.added(
        table1_imagenet, settings, monkeypatch, tmp_path, *flags
    )
    longer = SMOKE.replace("2 epochs", "4 epochs")
    # In rows: all of a row beside each other, as they come in the plan.
    found = [(run["group"], run["method"], run["seed"]) for run in result["runs"]]
    assert found == [
        (group, method, seed)
        for group in (SMOKE, longer)
        for seed in (0, 3)
        for method in ("ERM", "mixup 0.2")
    ]
    assert len(calls) == 7
    assert sorted(call.epochs for call in calls) == [2, 2, 2, 4, 4, 4, 4]
    assert "resnet_50_width_2_2_epochs_mixup_0.2_seed_0" not in {
        call.folder.name for call in calls
    }
    assert result["runs"][1] == before["runs"][0]
    assert printed.count(": done before") == 1


def test_the_final_numbers_by_hand():
    top_1 = [80.0, 30.0, 29.0, 28.0, 27.0, 26.0, 25.0, 24.0, 23.0, 22.0, 20.0, 21.0]
    epochs = [{"test": {"error": error, "top_5_error": error / 4}} for error in top_1]
    # The last ten in order: 20 21 22 23 24 | 25 26 27 28 29.
    assert table1_imagenet.final(epochs) == {
        "median_error": 24.5,
        "last_error": 21.0,
        "best_error": 20.0,
        "median_top_5_error": 6.125,
        "last_top_5_error": 5.25,
        "best_top_5_error": 5.0,
    }


@pytest.mark.parametrize(
    ("length", "warm_up", "expected"),
    [
        (90, 5, (30, 60, 80)),
        (200, 5, (60, 120, 180)),
        # The preset for two cores; of 90: 1.7, 3.3, 4.4 and 3.7, 7.3, 9.8.
        (5, 1, (2, 3, 4)),
        (11, 1, (4, 7, 10)),
        (9, 1, (3, 6, 8)),
        # 0.7, 1.3 and 1.8: the first two are the end of the warm-up.
        (2, 1, (2,)),
    ],
)
def test_the_drops_are_the_papers_or_in_proportion(length, warm_up, expected):
    assert table1_imagenet.drops(length, warm_up) == expected


def test_the_papers_numbers_are_those_of_table_1():
    expected = {
        f"{network}, {length} epochs/{method}/{measure}": error
        for (network, length), errors in PAPER.items()
        for method, pair in zip(("ERM", mixup_of(network)), errors)
        for measure, error in zip(("last_error", "last_top_5_error"), pair)
    }
    expected = {cell: error for cell, error in expected.items() if error is not None}
    assert len(expected) == 26
    assert table1_imagenet.paper(planned((90, 200))) == expected


def planned(lengths, width=0, names=tuple(NETWORKS)):
    return [
        running.Run(
            table1_imagenet.group_name(NETWORKS[name], width, length),
            method,
            0,
            {"network": NETWORKS[name], "width": width, "length": length},
        )
        for name in names
        for length in lengths
        for method in ("ERM", mixup_of(name))
    ]


def test_short_and_long_runs_stand_for_those_of_the_paper():
    runs_of_two = planned((5, 11), 8, ("ResNet-50",))
    assert table1_imagenet.paper(runs_of_two) == {
        "ResNet-50, width 8, 5 epochs/ERM/last_error": 23.5,
        "ResNet-50, width 8, 5 epochs/mixup 0.2/last_error": 23.3,
        "ResNet-50, width 8, 5 epochs/mixup 0.2/last_top_5_error": 6.6,
        "ResNet-50, width 8, 11 epochs/ERM/last_error": 23.6,
        "ResNet-50, width 8, 11 epochs/ERM/last_top_5_error": 7.0,
        "ResNet-50, width 8, 11 epochs/mixup 0.2/last_error": 22.1,
        "ResNet-50, width 8, 11 epochs/mixup 0.2/last_top_5_error": 6.1,
    }
    assert table1_imagenet.paper(planned((5,), 8, ("ResNet-50",))) == {}


def test_the_preset_of_the_paper_is_section_3_1():
    settings = runs.parse(table1_imagenet, "--preset", "paper")
    expected = {
        "dataset": "imagenet2012",
        "train_split": "train",
        "test_split": "validation",
        "image_size": 224,
        "networks": tuple(NETWORKS.values()),
        "widths": (0,),
        "lengths": (90, 200),
        "methods": ("erm", "mixup"),
        "alphas": (),
        "batch_size": 1024,
        "learning_rate": 0.4,
        "warm_up_from": 0.1,
        "warm_up": 5,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "max_steps": 0,
        "mix_in": "train_step",
        "precision": "float32",
    }
    assert {name: getattr(settings, name) for name in expected} == expected


def loaded(train, test, count, classes, shape):
    """A set of given images, said to be of `count` training images."""

    def load(name, splits, places):
        def rows(pixels):
            data = tf.data.Dataset.from_tensor_slices(tf.constant(pixels, tf.uint8))
            return data.map(lambda x: (x, tf.constant(0, tf.int64)))

        encoded = dict(zip(splits, (rows(train), rows(test)), strict=True))
        counts = dict(zip(splits, (count, len(test)), strict=True))
        names = tuple(map(str, range(classes)))
        return images.Images(encoded, lambda x, y: (x, y), counts, names, shape)

    return load


def test_the_runs_of_the_paper_follow_its_schedules(monkeypatch, tmp_path):
    black = np.zeros((2, 300, 400, 3))
    load = loaded(black, black, 1_281_167, 1_000, (None, None, 3))
    monkeypatch.setattr(images, "load_images", load)
    calls, built = runs.without_training(monkeypatch), runs.tiny_networks(monkeypatch)
    settings = runs.parse(table1_imagenet, "--preset", "paper", "--run_dir", tmp_path)
    result, printed = runs.recorded(table1_imagenet, settings)
    plan = [
        (network, length, method)
        for network in NETWORKS
        for length in (90, 200)
        for method in ("ERM", mixup_of(network))
        # The paper has no run of 200 epochs of its largest network.
        if (network, length) != ("ResNeXt-101 64x4d", 200)
    ]
    assert [(run["group"], run["method"]) for run in result["runs"]] == [
        (f"{network}, {length} epochs", method) for network, length, method in plan
    ]
    for (network, length, method), call in zip(plan, calls, strict=True):
        assert (call.epochs, call.data.steps_per_epoch) == (length, STEPS)
        # From 0.1 to 0.4 in five epochs, iteration by iteration.
        for step in (0, 1, 626, 1_252, 3_130, 6_259):
            rate = 0.1 + 0.3 * step / 6_260
            assert call.rate_at(step) == pytest.approx(rate, rel=1e-6)
        assert call.rate_at(6_260) == pytest.approx(0.4)
        rate = 0.4
        for drop in (30, 60, 80) if length == 90 else (60, 120, 180):
            assert call.rate_at(drop * STEPS - 1) == pytest.approx(rate)
            rate /= 10
            assert call.rate_at(drop * STEPS) == pytest.approx(rate)
        assert call.rate_at(length * STEPS - 1) == pytest.approx(4e-4)
        model = call.make_model()
        assert built[-1] == {
            "name": NETWORKS[network],
            "input_shape": (224, 224, 3),
            "num_classes": 1_000,
            "weight_decay": 1e-4,
        }
        alpha = {"ERM": 0.0, "mixup 0.2": 0.2, "mixup 0.4": 0.4}[method]
        assert model.mixup.alpha == alpha
        assert (model.mixup.per, model.mixup.pairing) == ("batch", "permutation")
        assert model.mix_at == ["input"]
        sgd = model.optimizer
        assert type(sgd) is keras.optimizers.SGD
        assert (sgd.momentum, sgd.nesterov, sgd.weight_decay) == (0.9, True, None)
        assert sgd._learning_rate is call.rate
    for (network, length), pairs in PAPER.items():
        for method, pair in zip(("ERM", mixup_of(network)), pairs):
            # The made-up errors are 12 and 3.
            cells = [
                value if error is None else f"{value} ({error:g})"
                for value, error in zip(("12.0", "3.0"), pair)
            ]
            row = f"| {network}, {length} epochs | {method} | {' | '.join(cells)} |"
            assert any(line.startswith(row) for line in printed.splitlines()), row


def test_training_images_are_cut_out_and_test_images_are_the_center(
    monkeypatch, tmp_path
):
    # Dark on the left and bright on the right, behind a frame of 1/16 on all sides.
    picture = np.full((320, 320, 3), 100, "uint8")
    picture[:, 160:] = 200
    for side in (slice(0, 20), slice(300, 320)):
        picture[side] = picture[:, side] = 0
    load = loaded(
        np.stack([picture] * 32), np.stack([picture] * 3), 32, 20, (None, None, 3)
    )
    monkeypatch.setattr(images, "load_images", load)
    calls = runs.without_training(monkeypatch)
    settings = runs.parse(
        table1_imagenet, "--preset", "paper", "--networks", "resnet50", "--lengths", 90,
        "--methods", "erm", "--batch_size", 32, "--run_dir", tmp_path,
    )  # fmt: skip
    runs.recorded(table1_imagenet, settings)
    (call,) = calls
    seen, labels = next(call.data.batches(0).as_numpy_iterator())
    assert (seen.shape, labels.shape) == ((32, 224, 224, 3), (32,))
    pixels = (seen * STD + MEAN) * 255
    assert pixels.min() > -1e-2
    assert pixels.max() < 200.01
    # Each another part, of which about half are mirrored.
    assert len({part.tobytes() for part in seen}) == 32
    mirrored = pixels[:, 112, :112, 0].mean(axis=1) > pixels[:, 112, 112:, 0].mean(
        axis=1
    )
    assert 5 <= mirrored.sum() <= 27
    (tested,) = call.data.sets["test"].as_numpy_iterator()
    pixels = (tested[0] * STD + MEAN) * 255
    assert pixels.shape == (3, 224, 224, 3)
    # Resized to 256 and cut to 224, the frame of 16 pixels is gone but for its blur.
    np.testing.assert_allclose(pixels[:, 2:-2, 2:110], 100, atol=1e-2)
    np.testing.assert_allclose(pixels[:, 2:-2, 114:-2], 200, atol=1e-2)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--networks", "resnet18"], "`networks`. Expected some of ['resnet50'"),
        (["--networks"], "`networks`"),
        (["--lengths"], "`lengths`. Expected at least one"),
        (["--lengths", "5", "1"], "above the 1 of the warm-up. Received: [5, 1]"),
        (["--preset", "paper", "--lengths", "5"], "above the 5 of the warm-up"),
        (["--preset", "smoke", "--warm_up", "2"], "above the 2 of the warm-up"),
        (["--alphas", "0"], "`alphas`. Expected different numbers above 0"),
        (["--batch_size", "0"], "`batch_size`. Expected a number >= 1"),
        (["--seeds", "1", "1"], "`seeds`"),
    ],
)
def test_wrong_settings_are_refused(capsys, flags, message):
    assert message in runs.refusal(table1_imagenet, capsys, *flags)


def test_what_is_missing_is_said_before_anything_is_trained(monkeypatch, tmp_path):
    calls = runs.without_training(monkeypatch)
    flags = ["--data_dir", tmp_path / "data", "--prepared_dir", tmp_path / "tfds"]
    flags += ["--run_dir", tmp_path]
    archives = "ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar into --data_dir"
    with pytest.raises(sources.MissingData, match=archives):
        table1_imagenet.run(runs.parse(table1_imagenet, "--preset", "paper", *flags))
    folders = "<root>/<split>/<class>/.*'tiny_imagenet_20'"
    with pytest.raises(sources.UnknownData, match=folders):
        table1_imagenet.run(runs.parse(table1_imagenet, *flags))
    assert calls == []
    assert list(tmp_path.iterdir()) == []


# Trainable parameters with 1,000 classes, as published; and the lengths in turn.
PARAMETERS = {
    ("resnet50", 90): 25_557_032,
    ("resnet101", 200): 44_549_160,
    ("resnext101_32x4d", 200): 44_177_704,
    ("resnext101_64x4d", 90): 83_455_272,
}


@pytest.mark.slow
@pytest.mark.parametrize(("network", "length"), PARAMETERS)
def test_the_preset_of_the_paper_trains_its_networks(
    network, length, monkeypatch, tmp_path
):
    runs.free_memory()
    for name in images.ARCHIVES:
        (tmp_path / name).touch()
    models = runs.keep_model(monkeypatch)
    settings = runs.parse(
        table1_imagenet, "--preset", "paper", "--networks", network, "--lengths", length,
        "--methods", "mixup", "--batch_size", 2, "--max_steps", 2, "--checkpoint_every",
        0, "--notensorboard", "--run_dir", tmp_path, "--data_dir", tmp_path,
        "--prepared_dir", tmp_path / "tfds",
    )  # fmt: skip
    with tfds.testing.mock_data(num_examples=4):
        result, _ = runs.recorded(table1_imagenet, settings)
    # Two steps an epoch, and the second is a tenth of the way through the warm-up.
    rate = 0.1 + 0.3 / 10
    runs.check_two_steps(result, models[0], PARAMETERS[network, length], rate)
    assert models[0].network.input_shape == (None, 224, 224, 3)
    assert result["runs"][0]["settings"]["length"] == length
    epoch = result["runs"][0]["epochs"][0]
    assert 0 <= epoch["test"]["top_5_error"] <= epoch["test"]["error"] <= 100
    assert int(models[0].step) == 2
