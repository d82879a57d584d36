"""Four tables with a number as their target, a series, and a table of scikit-learn.

The files are read as they lie in `regression/<name>` of `data_dir`. Copies of them
differ in bytes, line ends, and what stands for a missing value ("?", "NaN" or nothing),
so that no sha256 is held against them, but the number of rows and the sum of the
targets.
"""

import csv
import dataclasses
import math
import pathlib
from collections.abc import Callable

import numpy as np
import sklearn.datasets
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import minmax_scale

from experiments.data import raw_files
from experiments.data.sources import CorruptData, MissingData

# Days that are seen, and how many days after the last of them the target is.
WINDOW, HORIZON = 168, 12


@dataclasses.dataclass(frozen=True)
class Rows:
    """A table: float64 features (NaN where one is missing), targets, groups or None.

    Attributes:
        features: (n, d), or windows (n, time, d).
        targets: (n,), or several each (n, c).
        groups: (n,), or None.
        parts: How many rows train, validate and test.
        shuffled: Whether each seed has a split of its own; otherwise the first rows
            train and the last ones test.
        scale: (c,), what each target was divided by, or 1.
    """

    features: np.ndarray
    targets: np.ndarray
    groups: np.ndarray | None = None
    parts: tuple[int, int, int] = ()
    shuffled: bool = True
    scale: np.ndarray | float = 1.0


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a table: float32 (n, ...) and (n, c), groups and scale as in `Rows`."""

    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None = None
    scale: np.ndarray | float = 1.0


@dataclasses.dataclass(frozen=True)
class Table:
    """How a file is read, what has to be in it, and how it is split."""

    file: str
    url: str
    parse: Callable
    # As in `Rows`: of a table with groups, whole groups, by their number.
    parts: tuple[int, int, int]
    # Sum of the targets, to six digits.
    total: float
    # Whether each column is scaled to [0, 1] over all rows.
    scaled: bool = True
    shuffled: bool = True


def _number(field):
    return math.nan if field.strip() in ("", "?") else float(field)


def _numbers(lines):
    return np.array([[_number(field) for field in line] for line in lines], "float64")


def _airfoil(text):
    numbers = _numbers(line.split() for line in text.splitlines() if line.strip())
    return Rows(numbers[:, :-1], numbers[:, -1])


def _no2(text):
    _, *lines = csv.reader(text.splitlines())
    numbers = _numbers(lines)
    return Rows(numbers[:, 1:], numbers[:, 0])


def _crime(text):
    """The first five columns name a place and a fold, and are no features."""
    lines = list(csv.reader(text.splitlines()))
    numbers = _numbers(line[5:] for line in lines)
    states = np.array([int(line[0]) for line in lines])
    return Rows(numbers[:, :-1], numbers[:, -1], states)


def _skillcraft(text):
    """The target is the latency of an action, the group the league."""
    lines = list(csv.DictReader(text.splitlines()))
    left_out = {"GameID", "LeagueIndex", "ActionLatency"}
    names = sorted(set(lines[0]) - left_out)
    features = _numbers([line[name] for name in names] for line in lines)
    targets = _numbers([line["ActionLatency"]] for line in lines)[:, 0]
    leagues = np.array([int(float(line["LeagueIndex"])) for line in lines])
    return Rows(features, targets, leagues)


def _exchange(text):
    """Windows of days, in time, and the day to be told; each rate by its greatest."""
    days = _numbers(line.split(",") for line in text.split())
    greatest = np.abs(days).max(axis=0)
    days /= greatest
    windows = sliding_window_view(days[:-HORIZON], WINDOW, axis=0)
    targets = days[WINDOW + HORIZON - 1 :]
    return Rows(windows.transpose(0, 2, 1), targets, scale=greatest)


_UCI = "https://archive.ics.uci.edu/dataset"
TABLES = {
    "airfoil": Table(
        *("airfoil_self_noise.dat", f"{_UCI}/291/airfoil+self+noise", _airfoil),
        *((1003, 300, 200), 187628.0),
    ),
    "no2": Table(
        *("no2.csv", "https://lib.stat.cmu.edu/datasets/NO2.dat", _no2),
        *((200, 200, 100), 1849.18, False),
    ),
    "exchange_rate": Table(
        "exchange_rate.txt.gz",
        "https://github.com/laiguokun/multivariate-time-series-data",
        *(_exchange, (4373, 1518, 1518), 42289.7, False, False),
    ),
    "crime": Table(
        *("communities.data", f"{_UCI}/183/communities+and+crime", _crime),
        *((1390, 231, 373), 474.53, True, False),
    ),
    "skillcraft": Table(
        "SkillCraft1_Dataset.csv",
        f"{_UCI}/272/skillcraft1+master+table+dataset",
        *(_skillcraft, (1878, 806, 711), 216395.0, True, False),
    ),
}


def load_table(name, data_dir):
    """The rows of a table, scaled as it says; "diabetes" needs no file.

    Raises:
        MissingData: where its file is not there.
        CorruptData: where it holds something else than the table.
    """
    if name == "diabetes":
        x, y = sklearn.datasets.load_diabetes(return_X_y=True)
        return Rows(x, y, parts=(242, 100, 100))
    table = TABLES[name]
    folder = pathlib.Path(data_dir or "<data_dir>", "regression", name)
    if not (data_dir and raw_files.locate(folder, table.file)):
        raise MissingData(
            f"No data found for {name}. Put {table.file} (or the zip file that has it, "
            f"from {table.url}) into {folder}."
        )
    try:
        rows = table.parse(raw_files.text(folder, table.file))
        found = (len(rows.targets), float(f"{rows.targets.sum():.6g}"))
    except (ValueError, KeyError, IndexError, csv.Error) as error:
        raise CorruptData(f"The file {table.file} is damaged: {error}") from error
    expected = sum(table.parts)
    if found != (expected, table.total):
        raise CorruptData(
            f"The file {table.file} in {folder} is damaged, or another one. Expected "
            f"{expected} rows whose targets add up to {table.total:g}. Received: "
            f"{found[0]} rows, {found[1]:g}"
        )
    if table.scaled:
        rows = dataclasses.replace(rows, features=minmax_scale(rows.features))
    if rows.groups is not None:
        order = np.argsort(rows.groups, kind="stable")
        ordered = (rows.features[order], rows.targets[order], rows.groups[order])
        rows = Rows(*ordered)
    return dataclasses.replace(rows, parts=table.parts, shuffled=table.shuffled)


def split(rows, seed):
    """The parts "train", "valid" and "test".

    Where rows are shuffled, a seed says how. A missing value becomes its column's mean
    over the training part, or 0 where there is none.
    """
    order = np.arange(len(rows.targets))
    if rows.shuffled:
        order = np.random.default_rng(seed).permutation(order)
    chosen = np.split(order, np.cumsum(rows.parts)[:-1])
    features = rows.features
    if features.ndim == 2:
        imputer = SimpleImputer(keep_empty_features=True).fit(features[chosen[0]])
        features = imputer.transform(features)
    targets = rows.targets.reshape(len(order), -1)
    return {
        name: Part(
            features[index].astype("float32"),
            targets[index].astype("float32"),
            None if rows.groups is None else rows.groups[index],
            rows.scale,
        )
        for name, index in zip(("train", "valid", "test"), chosen, strict=True)
    }
