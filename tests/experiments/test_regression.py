"""Regressions: their tables, their splits, their errors, and runs of them."""

import dataclasses
import gzip
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from experiments import measures, regression
from experiments.beyond import cmixup_regression
from experiments.data import raw_files
from experiments.data import regression as data_of
from experiments.data.sources import CorruptData, MissingData
from tests.experiments import runs

# A name, the text of its file, and what is read of it.
SMALL = {
    "airfoil": ("1\t2\t3\n4\t5\t6\n", [[1, 2], [4, 5]], [3, 6], None),
    "no2": ("target,a,b\n3,1,2\n6,4,5\n", [[1, 2], [4, 5]], [3, 6], None),
    "crime": (
        "8,NaN,NaN,A,1,0.5,?,0.1\n9,?,?,B,1,NaN,2,0.2\n",
        *([[0.5, math.nan], [math.nan, 2]], [0.1, 0.2], [8, 9]),
    ),
    "skillcraft": (
        "GameID,B,LeagueIndex,ActionLatency,A\n7,1,3,40,?\n8,2,5,50,\n",
        *([[math.nan, 1], [math.nan, 2]], [40, 50], [3, 5]),
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_each_table_is_read_and_what_is_missing_is_nan(name):
    text, features, targets, groups = SMALL[name]
    found = data_of.TABLES[name].parse(text)
    np.testing.assert_array_equal(found.features, features)
    np.testing.assert_array_equal(found.targets, targets)
    if groups is None:
        assert found.groups is None
    else:
        np.testing.assert_array_equal(found.groups, groups)


def test_a_missing_or_a_damaged_file_is_named(tmp_path):
    with pytest.raises(MissingData, match=r"Put no2.csv .* into .*regression/no2"):
        data_of.load_table("no2", str(tmp_path))
    with pytest.raises(MissingData, match="Put airfoil_self_noise.dat"):
        data_of.load_table("airfoil", None)
    folder = tmp_path / "regression" / "no2"
    folder.mkdir(parents=True)
    (folder / "no2.csv").write_text(SMALL["no2"][0])
    with pytest.raises(CorruptData, match=r"Expected 500 rows .* Received: 2 rows, 9$"):
        data_of.load_table("no2", str(tmp_path))
    (folder / "no2.csv").write_text("target,a\n3,one\n")
    with pytest.raises(CorruptData, match="no2.csv is damaged"):
        data_of.load_table("no2", str(tmp_path))


def test_a_whole_file_is_read_and_scaled_over_all_rows(tmp_path):
    folder = tmp_path / "regression" / "airfoil"
    folder.mkdir(parents=True)
    table, generator = data_of.TABLES["airfoil"], np.random.default_rng(0)
    numbers = generator.normal(size=(sum(table.parts), 3))
    numbers[:, -1] = table.total / len(numbers)
    np.savetxt(folder / table.file, numbers)
    found = data_of.load_table("airfoil", str(tmp_path))
    x = numbers[:, :-1]
    low, high = x.min(axis=0), x.max(axis=0)
    np.testing.assert_allclose(found.features, (x - low) / (high - low), atol=1e-12)


def test_a_split_of_rows_has_each_once_and_fills_in_the_training_mean():
    features = np.arange(20.0).reshape(10, 2)
    features[3, 1] = math.nan
    rows = data_of.Rows(features, np.arange(10.0), parts=(5, 3, 2))
    parts = data_of.split(rows, 4)
    assert [len(part.y) for part in parts.values()] == [5, 3, 2]
    y = np.concatenate([part.y[:, 0] for part in parts.values()])
    assert sorted(y) == list(range(10))
    assert list(y) != list(range(10))
    training = 2 * parts["train"].y[:, 0] + 1
    mean = training[parts["train"].y[:, 0] != 3].mean()
    for part in parts.values():
        expected = np.where(part.y[:, 0] == 3, mean, 2 * part.y[:, 0] + 1)
        np.testing.assert_allclose(part.x[:, 1], expected, rtol=1e-6)
    again = data_of.split(rows, 4)
    np.testing.assert_array_equal(again["test"].y, parts["test"].y)
    other = data_of.split(rows, 5)
    assert set(other["test"].y[:, 0]) != set(parts["test"].y[:, 0])


def test_a_split_in_order_is_that_of_every_seed():
    groups = np.repeat([1, 2, 3], [5, 3, 2])
    rows = data_of.Rows(np.ones((10, 1)), np.arange(10.0), groups, (5, 3, 2), False)
    for seed in (0, 1):
        parts = data_of.split(rows, seed)
        for group, part in enumerate(parts.values(), start=1):
            np.testing.assert_array_equal(part.groups, group)
            np.testing.assert_array_equal(part.y[:, 0], np.flatnonzero(groups == group))


def test_rows_of_groups_are_put_in_their_order(tmp_path, monkeypatch):
    table = data_of.TABLES["skillcraft"]
    small = dataclasses.replace(table, parts=(1, 1, 1), total=120)
    monkeypatch.setitem(data_of.TABLES, "skillcraft", small)
    folder = tmp_path / "regression" / "skillcraft"
    folder.mkdir(parents=True)
    lines = ["GameID,B,LeagueIndex,ActionLatency", "7,1,3,40", "8,2,1,50", "9,3,2,30"]
    (folder / table.file).write_text("\n".join(lines))
    found = data_of.load_table("skillcraft", str(tmp_path))
    np.testing.assert_array_equal(found.groups, [1, 2, 3])
    np.testing.assert_array_equal(found.targets, [50, 30, 40])
    np.testing.assert_array_equal(found.features, [[0.5], [1], [0]])


def test_a_window_ends_twelve_days_before_its_target(tmp_path):
    days = np.arange(1.0, 183)[:, np.newaxis] * [1, -2]
    table = data_of.TABLES["exchange_rate"]
    path = tmp_path / table.file
    with gzip.open(path, "wt") as file:
        np.savetxt(file, days, delimiter=",")
    found = table.parse(raw_files.text(tmp_path, table.file))
    # The rates of days 1 to 168, over the greatest, 182; and that of day 180.
    assert found.features.shape == (3, 168, 2)
    np.testing.assert_array_equal(found.scale, [182, 364])
    sign = np.array([1, -1])
    for row in range(3):
        seen = np.arange(1 + row, 169 + row)[:, np.newaxis] / 182 * sign
        np.testing.assert_allclose(found.features[row], seen)
        np.testing.assert_allclose(found.targets[row], (180 + row) / 182 * sign)


def test_errors_by_hand():
    y = np.array([[1.0], [2.0], [4.0], [5.0]])
    predicted = y + np.array([[1.0], [-1.0], [3.0], [1.0]])
    found = measures.of_regression(data_of.Part(y, y), predicted)
    assert found == pytest.approx(
        # Shares of 1, 1/2, 3/4 and 1/5.
        {"loss": 3.0, "rmse": math.sqrt(3), "mape": 100 * 2.45 / 4}
    )
    groups = np.array([7, 7, 3, 3])
    found = measures.of_regression(data_of.Part(y, y, groups), predicted)
    assert found["worst_rmse"] == pytest.approx(math.sqrt(5))
    assert found["worst_mape"] == pytest.approx(75)
    y[0] = 0
    found = measures.of_regression(data_of.Part(y, y, groups), predicted)
    assert found["mape"] == pytest.approx(100 * 1.45 / 3)
    assert found["worst_mape"] == pytest.approx(50)


def test_what_counts_is_the_first_epoch_of_the_least_validation_error():
    losses = [3.0, 1.0, 1.0, 2.0]
    epochs = [
        {"valid": {"loss": loss}, "test": {"loss": 0.0, "rmse": float(place)}}
        for place, loss in enumerate(losses)
    ]
    assert measures.at_the_best_epoch(epochs) == {"rmse": 1.0}


def test_a_result_keeps_every_tenth_epoch_and_the_best():
    losses = [5.0] * 12 + [1.0] + [2.0] * 12  # 25 epochs.
    epochs = [
        {"epoch": place, "valid": {"loss": loss}, "test": {"rmse": float(place)}}
        for place, loss in enumerate(losses, start=1)
    ]
    (record,) = measures.thinned([{"epochs": epochs}], None, None)
    assert [epoch["epoch"] for epoch in record["epochs"]] == [10, 13, 20, 25]
    assert measures.at_the_best_epoch(record["epochs"]) == {"rmse": 13.0}


def a_run(name, tmp_path, monkeypatch, **changed):
    """A run of three epochs by a method: its model, record, parts and course."""
    experiment = cmixup_regression.EXPERIMENT
    flags = ["--preset", "smoke", "--methods", name, "--epochs", 3, "--width", 4]
    settings = runs.parse(experiment, *flags)
    data = experiment.load(settings)
    (run,) = experiment.runs(settings, data)
    models = runs.kept_models(monkeypatch)
    keras.utils.set_random_seed(3)
    tmp_path.mkdir(exist_ok=True)
    record, seen = experiment.train(run, data, settings, tmp_path)
    parts = data_of.split(data["diabetes"], run.seed)
    return models[0], record, seen, parts


def test_erm_is_a_plain_loop_of_keras(tmp_path, monkeypatch):
    model, record, seen, parts = a_run("ERM", tmp_path, monkeypatch)
    # 242 rows in batches of 32: the last 18 are dropped.
    assert seen == 3 * 7 * 32
    settings = runs.parse(cmixup_regression.EXPERIMENT, "--preset", "smoke")
    made = regression.batches_of(
        *(regression.METHODS["ERM"], parts["train"], {"alpha": 2.0, "seed": 0}),
        *(25.0, settings, (32, False)),
    )
    keras.utils.set_random_seed(3)
    network = keras_mixup.models.build(
        "mlp",
        input_shape=(10,),
        num_classes=1,
        width=4,
        initial_values="torch",
        negative_slope=0.1,
    )
    network.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
    for epoch in range(3):
        for x, y in made(epoch).take(7):
            assert len(y) == 32
            network.train_on_batch(x, y)
        for name in ("valid", "test"):
            error = network.predict(parts[name].x, verbose=0) - parts[name].y
            expected = np.sqrt(np.mean(error.astype("float64") ** 2))
            assert record[epoch][name]["rmse"] == pytest.approx(expected, rel=1e-5)
    for found, expected in zip(
        model.network.get_weights(), network.get_weights(), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def batches(method, bandwidth=1e-6):
    """Three batches of 4 of 12 rows, whose x and y are their numbers, from epoch 5."""
    numbers = np.arange(12.0, dtype="float32")[:, np.newaxis]
    settings = runs.parse(cmixup_regression.EXPERIMENT, "--preset", "smoke")
    made = regression.batches_of(
        *(regression.METHODS[method], data_of.Part(numbers, numbers)),
        *({"alpha": 2.0, "seed": 1}, bandwidth, settings, (4, True)),
    )
    return [(x.numpy()[:, 0], y.numpy()[:, 0]) for x, y in made(5).take(3)]


@pytest.mark.parametrize("method", ["C-Mixup", "C-Mixup, in the batch"])
def test_a_narrow_kernel_leaves_an_example_with_itself(method):
    found = batches(method)
    plain = batches("ERM")
    for (x, y), (expected, _) in zip(found, plain, strict=True):
        np.testing.assert_allclose(x, expected, atol=1e-5)
        np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize("method", ["mixup", "C-Mixup", "C-Mixup, in the batch"])
def test_a_wide_kernel_mixes_others_by_one_lam(method):
    plain, found = batches("ERM"), batches(method, bandwidth=1e6)
    moved = 0
    for (x, y), (own, _) in zip(found, plain, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)
        moved += np.sum(np.abs(x - own) > 1e-3)
    assert moved > 3


def test_partners_of_hidden_mixing_stand_behind_the_batch_in_reverse():
    plain = batches("ERM")
    for (x, y), (own, _) in zip(batches("C-Mixup, hidden"), plain, strict=True):
        np.testing.assert_array_equal(x, np.concatenate([own, own[::-1]]))
        np.testing.assert_array_equal(x, y)


def test_the_loss_is_that_of_the_batch_without_its_partners():
    target = np.array([[1.0, 2.0], [0.0, 0.0], [9.0, 9.0], [7.0, 7.0]], "float32")
    scale = np.array([2.0, 10.0])
    predicted = tf.ones_like(target)
    error = regression.squared_error(scale, 2)(tf.constant(target), predicted)
    # Errors (2 * 0, 10 * 1) and (2 * 1, 10 * 1): the mean of all four rows is theirs.
    assert np.mean(error) == pytest.approx((100 / 2 + 104 / 2) / 2)
    whole = regression.squared_error(1.0, 4)(tf.constant(target), predicted)
    np.testing.assert_allclose(whole, [0.5, 1, 64, 36])


def test_a_hidden_row_is_run_where_the_authors_mix_there():
    experiment = cmixup_regression.EXPERIMENT
    data = dict.fromkeys(data_of.TABLES, data_of.Rows(np.ones((3, 1)), np.ones(3)))
    found = runs.plan(experiment, "--preset", "paper", data=data)
    rows = {group for group, method, _ in found if method == "C-Mixup, hidden"}
    assert rows == {"airfoil", "exchange_rate", "crime"}
    assert len(found) == 10 * (3 * 8 + 2 * 7)
