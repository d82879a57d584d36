"""Four tables with a number as their target, and one that comes with scikit-learn.

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
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import minmax_scale

from experiments.data import raw_files
from experiments.data.sources import CorruptData, MissingData

# Rows that are trained on, validated and tested with; others are split by groups.
PARTS = {
    "airfoil": (1003, 300, 200),
    "no2": (200, 200, 100),
    "diabetes": (242, 100, 100),
}


@dataclasses.dataclass(frozen=True)
class Rows:
    """A table: float64 features (NaN where one is missing), targets, groups or None."""

    features: np.ndarray
    targets: np.ndarray
    groups: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a table: float32 (n, d) and (n, 1), and the group of each row."""

    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Table:
    """How a file is read, what has to be in it, and how it is split."""

    file: str
    url: str
    parse: Callable
    rows: int
    # Sum of the targets, to six digits.
    total: float
    # Whether each column is scaled to [0, 1] over all rows.
    scaled: bool = True


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


_UCI = "https://archive.ics.uci.edu/dataset"
TABLES = {
    "airfoil": Table(
        *("airfoil_self_noise.dat", f"{_UCI}/291/airfoil+self+noise", _airfoil),
        *(1503, 187628.0),
    ),
    "no2": Table(
        *("no2.csv", "https://lib.stat.cmu.edu/datasets/NO2.dat", _no2),
        *(500, 1849.18, False),
    ),
    "crime": Table(
        *("communities.data", f"{_UCI}/183/communities+and+crime", _crime),
        *(1994, 474.53),
    ),
    "skillcraft": Table(
        "SkillCraft1_Dataset.csv",
        f"{_UCI}/272/skillcraft1+master+table+dataset",
        *(_skillcraft, 3395, 216395.0),
    ),
}


def load_table(name, data_dir):
    """The rows of a table, scaled as it says; "diabetes" needs no file.

    Raises:
        MissingData: where its file is not there.
        CorruptData: where it holds something else than the table.
    """
    if name == "diabetes":
        return Rows(*sklearn.datasets.load_diabetes(return_X_y=True))
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
    if found != (table.rows, table.total):
        raise CorruptData(
            f"The file {table.file} in {folder} is damaged, or another one. Expected "
            f"{table.rows} rows whose targets add up to {table.total:g}. Received: "
            f"{found[0]} rows, {found[1]:g}"
        )
    if table.scaled:
        rows = dataclasses.replace(rows, features=minmax_scale(rows.features))
    return rows


def split(rows, seed, parts=None):
    """The parts "train", "valid" and "test", by a seed.

    `parts` are their numbers of rows, which are shuffled. Without them, whole groups
    are: 0.1 of them, rounded, validate and 0.2 test. A missing value becomes its
    column's mean over the training part, or 0 where there is none.
    """
    generator = np.random.default_rng(seed)
    if parts is not None:
        order = generator.permutation(len(rows.targets))
        chosen = np.split(order[: sum(parts)], np.cumsum(parts)[:-1])
    else:
        names = generator.permutation(np.unique(rows.groups))
        valid, test = (max(1, round(share * len(names))) for share in (0.1, 0.2))
        bounds = (len(names) - valid - test, len(names) - test)
        members = np.split(names, bounds)
        chosen = [np.flatnonzero(np.isin(rows.groups, some)) for some in members]
    imputer = SimpleImputer(keep_empty_features=True).fit(rows.features[chosen[0]])
    return {
        name: Part(
            imputer.transform(rows.features[index]).astype("float32"),
            rows.targets[index, np.newaxis].astype("float32"),
            None if rows.groups is None else rows.groups[index],
        )
        for name, index in zip(("train", "valid", "test"), chosen, strict=True)
    }
