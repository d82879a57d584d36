"""Figure 3: the smoke preset from end to end, the paper's settings, its networks."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from experiments.data import images, sources
from experiments.paper import figure3_cifar
from tests.experiments import runs

DIGITS = "digits, PreAct ResNet-18"
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
# Section 3.2, Figure 3a: ERM and mixup.
PAPER = {
    ("cifar10", "PreAct ResNet-18"): (5.6, 4.2),
    ("cifar10", "WideResNet-28-10"): (3.8, 2.7),
    ("cifar10", "DenseNet-BC-190"): (3.7, 2.7),
    ("cifar100", "PreAct ResNet-18"): (25.6, 21.1),
    ("cifar100", "WideResNet-28-10"): (19.4, 17.5),
    ("cifar100", "DenseNet-BC-190"): (19.0, 16.8),
}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Settings, result and what was printed."""
    folder = tmp_path_factory.mktemp("runs")
    settings = runs.parse(figure3_cifar, "--preset", "smoke", "--run_dir", folder)
    return settings, *runs.recorded(figure3_cifar, settings)


def normalized(pixels):
    return (np.asarray(pixels, "float64") / 255 - MEAN) / STD


@pytest.mark.slow
def test_the_result_of_the_smoke_preset_has_the_schema(smoke):
    settings, result, _ = smoke
    runs.check_result(
        figure3_cifar,
        settings,
        result,
        runs=[(DIGITS, "ERM", 0), (DIGITS, "mixup 1", 0)],
        sets=("test",),
        errors=("error",),
        examples=640,
        # Of two epochs, a drop after the first.
        rates=(0.1, 0.01),
    )
    assert set(result["paired"]) == {
        f"{DIGITS}/mixup 1/{measure}" for measure in figure3_cifar.MEASURES
    }


@pytest.mark.slow
def test_the_picture_and_the_tables_are_made(smoke):
    settings, result, printed = smoke
    folder = pathlib.Path(settings.run_dir) / "figure3_cifar"
    runs.check_picture(folder / "curves.png")
    assert f"Wrote {folder / 'smoke.json'}\n" in printed
    erm, mixup = (run["final"] for run in result["runs"])
    lines = printed.splitlines()
    row = f"| {DIGITS} | {erm['median_error']:.1f} | {mixup['median_error']:.1f} |"
    assert lines[lines.index("| Data, network | ERM | mixup 1 |") + 2] == row
    for method, final in (("ERM", erm), ("mixup 1", mixup)):
        cells = " | ".join(
            f"{final[measure]:.1f}" for measure in figure3_cifar.MEASURES
        )
        assert f"| {DIGITS} | {method} | {cells} |" in lines


@pytest.mark.slow
def test_the_test_error_is_that_of_the_saved_network_on_clean_images(smoke):
    settings, result, _ = smoke
    found = images.load_images("digits", ("test[:200]",), sources.Places())
    pixels, labels = next(found.datasets["test[:200]"].batch(200).as_numpy_iterator())
    folder = pathlib.Path(settings.run_dir) / "figure3_cifar" / "smoke"
    name = "digits_preact_resnet_18_mixup_1_seed_0"
    network = keras.models.load_model(folder / name / "network.keras")
    logits = network(normalized(pixels).astype("float32"), training=False).numpy()
    last = result["runs"][1]["epochs"][-1]["test"]
    assert last["error"] == pytest.approx(100 * np.mean(logits.argmax(-1) != labels))
    # The loss holds the penalty of half the weight decay as well.
    squares = sum(float(tf.reduce_sum(w.value**2)) for w in network.trainable_variables)
    loss = runs.cross_entropy(logits, labels).mean() + 0.5e-4 * squares
    assert last["loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.slow
def test_a_second_run_takes_up_the_records(smoke, monkeypatch):
    settings, result, _ = smoke
    runs.check_reused(figure3_cifar, settings, result, monkeypatch)


@pytest.mark.slow
def test_another_seed_trains_only_the_new_runs(smoke, monkeypatch, tmp_path):
    settings, before, _ = smoke
    (result, printed), calls = runs.added(
        figure3_cifar, settings, monkeypatch, tmp_path, "--seeds", 0, 7
    )
    names = [
        f"digits_preact_resnet_18_{method}_seed_7" for method in ("erm", "mixup_1")
    ]
    assert [call.folder.name for call in calls] == names
    assert result["runs"][:2] == before["runs"]
    assert [(run["method"], run["seed"]) for run in result["runs"][2:]] == [
        ("ERM", 7),
        ("mixup 1", 7),
    ]
    assert printed.count(": done before") == 2


def test_the_final_numbers_by_hand():
    errors = [90.0, 9.0, 8.0, 7.0, 6.0, 5.5, 5.0, 5.25, 4.75, 5.0, 4.25, 4.5]
    epochs = [
        {**epoch, "test": {"error": error}}
        for epoch, error in zip(runs.made_up(12), errors)
    ]
    # The last ten in order: 4.25 4.5 4.75 5 5 | 5.25 5.5 6 7 8.
    assert figure3_cifar.final(epochs) == {
        "median_error": 5.125,
        "last_error": 4.5,
        "best_error": 4.25,
        "epochs_to_converge": 5,
    }
    assert figure3_cifar.final(epochs[:3]) == {
        "median_error": 9.0,
        "last_error": 8.0,
        "best_error": 8.0,
        "epochs_to_converge": 2,
    }


@pytest.mark.parametrize(
    ("network", "epochs", "expected"),
    [
        ("preact_resnet18", 200, (100, 150)),
        ("densenet_bc_190", 200, (100, 150)),
        ("wide_resnet28_10", 200, (60, 120, 180)),
        ("preact_resnet18", 20, (10, 15)),
        ("wide_resnet28_10", 20, (6, 12, 18)),
        ("preact_resnet18", 1, (1,)),
    ],
)
def test_the_drops_are_the_papers_or_in_proportion(network, epochs, expected):
    assert figure3_cifar.drops(network, epochs) == expected


def test_the_papers_numbers_are_those_of_figure_3a():
    assert figure3_cifar.paper() == {
        f"{dataset}, {network}/{method}/median_error": error
        for (dataset, network), errors in PAPER.items()
        for method, error in zip(("ERM", "mixup 1"), errors)
    }


def test_the_preset_of_the_paper_is_section_3_2():
    settings = runs.parse(figure3_cifar, "--preset", "paper")
    expected = {
        "datasets": ("cifar10", "cifar100"),
        "networks": ("preact_resnet18", "wide_resnet28_10", "densenet_bc_190"),
        "train_split": "train",
        "test_split": "test",
        "width": 0,
        "methods": ("erm", "mixup"),
        "alphas": (1.0,),
        "epochs": 200,
        "batch_size": 128,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "shuffle_buffer": 0,
        "max_steps": 0,
        "mix_in": "train_step",
        "strategy": "one",
        "precision": "float32",
    }
    assert {name: getattr(settings, name) for name in expected} == expected


def loaded(train, test, count=None, classes=10, shape=(32, 32, 3)):
    """A set of given images, said to be of `count` training images."""

    def load(name, splits, places, size=None):
        parts = dict(zip(splits, (train, test), strict=True))
        encoded = {
            split: tf.data.Dataset.from_tensor_slices(
                (tf.constant(pixels, tf.uint8), tf.zeros(len(pixels), tf.int64))
            )
            for split, pixels in parts.items()
        }
        counts = {split: len(pixels) for split, pixels in parts.items()}
        counts[splits[0]] = count or len(train)
        names = tuple(map(str, range(100 if name == "cifar100" else classes)))
        return images.Images(encoded, lambda x, y: (x, y), counts, names, shape)

    return load


def test_the_runs_of_the_paper_follow_its_schedules(monkeypatch, tmp_path):
    black = np.zeros((2, 32, 32, 3))
    monkeypatch.setattr(images, "load_images", loaded(black, black, count=50_000))
    calls, built = runs.without_training(monkeypatch), runs.tiny_networks(monkeypatch)
    settings = runs.parse(figure3_cifar, "--preset", "paper", "--run_dir", tmp_path)
    result, printed = runs.recorded(figure3_cifar, settings)
    cells = [(dataset, network) for dataset, network in PAPER]
    assert [(run["group"], run["method"]) for run in result["runs"]] == [
        (", ".join(cell), method) for cell in cells for method in ("ERM", "mixup 1")
    ]
    # 50,000 / 128 = 390.6 steps an epoch.
    of_calls = [network for _, network in cells for _ in ("ERM", "mixup 1")]
    for call, network in zip(calls, of_calls, strict=True):
        assert (call.epochs, call.data.steps_per_epoch) == (200, 391)
        drops = {100: 0.01, 150: 0.001}
        if network == "WideResNet-28-10":
            drops = {60: 0.01, 120: 0.001, 180: 0.0001}
        assert call.rate_at(0) == pytest.approx(0.1)
        for epoch, rate in drops.items():
            before, after = call.rate_at(epoch * 391 - 1), call.rate_at(epoch * 391)
            assert [before, after] == pytest.approx([10 * rate, rate])
        assert call.rate_at(200 * 391 - 1) == pytest.approx(min(drops.values()))
    for call, run in zip(calls, result["runs"], strict=True):
        model = call.make_model()
        arguments = {
            "name": run["settings"]["network"],
            "input_shape": (32, 32, 3),
            "num_classes": 100 if "cifar100" in run["group"] else 10,
            "weight_decay": 1e-4,
        }
        if arguments["name"] == "preact_resnet18":
            arguments["shortcut"] = "input"
        assert built[-1] == arguments
        assert model.mixup.alpha == (1.0 if run["method"] == "mixup 1" else 0.0)
        assert (model.mixup.per, model.mixup.pairing) == ("batch", "permutation")
        assert model.mix_at == ["input"]
        sgd = model.optimizer
        assert type(sgd) is keras.optimizers.SGD
        assert (sgd.momentum, sgd.nesterov, sgd.weight_decay) == (0.9, False, None)
        assert sgd._learning_rate is call.rate
    for cell, (erm, mixup) in PAPER.items():
        row = f"| {', '.join(cell)} | 12.0 ({erm:g}) | 12.0 ({mixup:g}) |"
        assert row in printed.splitlines()


def test_training_images_are_shifted_and_flipped_and_test_images_are_not(
    monkeypatch, tmp_path
):
    picture = np.full((32, 32, 3), 128)
    picture[:, :16] = 255
    train = np.stack([picture] * 64)
    monkeypatch.setattr(images, "load_images", loaded(train, train[:5]))
    calls = runs.without_training(monkeypatch)
    settings = runs.parse(
        figure3_cifar, "--methods", "erm", "--seeds", 0, "--run_dir", tmp_path
    )
    runs.recorded(figure3_cifar, settings)
    (call,) = calls
    seen = next(call.data.batches(0).as_numpy_iterator())[0]
    assert seen.shape == (64, 32, 32, 3)
    pixels = np.round((seen * STD + MEAN) * 255)
    assert set(np.unique(pixels)) == {0.0, 128.0, 255.0}
    assert np.abs(normalized(pixels) - seen).max() < 1e-5
    black = pixels[..., 0] == 0
    columns, rows = black.all(axis=1).sum(axis=1), black.all(axis=2).sum(axis=1)
    # Up to four, and of 64 images each number of them some.
    assert set(columns) == set(rows) == {0, 1, 2, 3, 4}
    flipped = pixels[:, 16, 5, 0] == 128
    assert 16 <= flipped.sum() <= 48
    (tested,) = call.data.sets["test"].as_numpy_iterator()
    np.testing.assert_allclose(tested[0], normalized(train[:5]), atol=1e-5)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--networks", "lenet"], "`networks`. Expected some of ['preact_resnet18'"),
        (["--networks", "preact_resnet18", "vgg11"], "Received: ['preact_resnet18'"),
        (["--networks"], "`networks`"),
        (["--shortcut", "none"], "invalid choice: 'none'"),
        (["--epochs", "0"], "`epochs`. Expected a number >= 1"),
        (["--batch_size", "0"], "`batch_size`"),
        (["--alphas", "0"], "`alphas`. Expected different numbers above 0"),
        (["--methods", "erm", "erm"], "`methods`"),
        (["--seeds", "3", "3"], "`seeds`"),
    ],
)
def test_wrong_settings_are_refused(capsys, flags, message):
    assert message in runs.refusal(figure3_cifar, capsys, *flags)


def test_what_is_missing_is_said_before_anything_is_trained(monkeypatch, tmp_path):
    calls = runs.without_training(monkeypatch)
    flags = ["--data_dir", tmp_path / "data", "--prepared_dir", tmp_path / "tfds"]
    settings = runs.parse(
        figure3_cifar, *flags, "--run_dir", tmp_path, "--datasets", "digits", "cifar100",
        "--train_split", "train[:50]", "--test_split", "test",
    )  # fmt: skip
    with pytest.raises(sources.MissingData, match="cifar100.*--data_dir.*--download"):
        figure3_cifar.run(settings)
    assert calls == []


# Counted from the architectures' tables; with 100 classes the last layer is larger.
PARAMETERS = {
    ("cifar10", "preact_resnet18"): 11_171_146,
    ("cifar10", "wide_resnet28_10"): 36_479_194,
    ("cifar10", "densenet_bc_190"): 25_624_430,
    ("cifar100", "preact_resnet18"): 11_171_146 + 90 * 513,
    ("cifar100", "wide_resnet28_10"): 36_479_194 + 90 * 641,
    ("cifar100", "densenet_bc_190"): 25_624_430 + 90 * 2_191,
}


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "network"), PARAMETERS)
def test_the_preset_of_the_paper_trains_its_networks(
    dataset, network, monkeypatch, tmp_path
):
    runs.free_memory()
    models = runs.keep_model(monkeypatch)
    settings = runs.parse(
        figure3_cifar, "--preset", "paper", "--datasets", dataset, "--networks", network,
        "--methods", "mixup", "--batch_size", 2, "--max_steps", 2, "--checkpoint_every",
        0, "--notensorboard", "--run_dir", tmp_path, "--prepared_dir", tmp_path,
        "--download",
    )  # fmt: skip
    with tfds.testing.mock_data(num_examples=4):
        result, _ = runs.recorded(figure3_cifar, settings)
    runs.check_two_steps(result, models[0], PARAMETERS[dataset, network], rate=0.1)
    assert int(models[0].step) == 2
