"""The six UCI tables of the paper's Table 4: a TFDS builder, and what the runs read.

UCI publishes no checksums of its zip files, and but for HTRU2's (`checksums.tsv`) they
could not be had: what is held against its sha256 is each raw file, after reading.
"""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow_datasets as tfds

from experiments.data import raw_files
from experiments.data.sources import (
    UnknownData,
    prepared_builder,
)

SCALINGS = ("min_max", "standard", "none")
SHA256 = """
de37cdcdcaaa50c309d514f248f7c2302a5f1f88c168905eba23fe2fbc78449f  abalone.data
c150722504764b89be541a2166a4ad23b327811a390134455f1648968d2d658b  arcene_train.data
434bb813ff7e69d182eeed347f77bd4981917d6233efedd01b5f6d916c282fbe  arcene_train.labels
7f8792b3cfb083c3b722e31b37a0c40604506bdece1d2db621e00d862da1c549  arcene_valid.data
b591228155de082dd39b2e85b12b75a55bd8ca057b7e1c0d7f54683d0a594fc3  arcene_valid.labels
a7f0f4ca289a4c58b5ed85a9adb793189acd38425828ce3dfbb70adb45f30169  arrhythmia.data
b13b4d8929e96ecd196e464c1c8a454c3ac2ffa631015f6388957531a9923f59  HTRU_2.csv
6f608b71a7317216319b4d27b4d9bc84e6abd734eda7872b71a458569e2656c0  iris.data
9de9749acfcf47e048fb4efa8e04d1fc18e7ea8be2640a31f368a5cc70da4ece  PhishingData.arff
""".strip()  # as sha256sum writes and checks it
SOURCES = {
    "abalone": ("1/abalone", "Nash et al. (1994). Abalone", "C55C7W"),
    "arcene": ("167/arcene", "Guyon et al. (2004). Arcene", "C58P55"),
    "arrhythmia": ("5/arrhythmia", "Guvenir et al. (1997). Arrhythmia", "C5BS32"),
    "htru2": ("372/htru2", "Lyon (2015). HTRU2", "C5DK6R"),
    "iris": ("53/iris", "Fisher (1936). Iris", "C56C76"),
    "phishing": (
        "379/website+phishing",
        "Abdelhamid (2014). Website Phishing",
        "C5B301",
    ),
}


def _comma_separated(text):
    """Fields and labels of lines that end with the label, whatever ends the lines."""
    rows = [line.strip().split(",") for line in text.splitlines() if line.strip()]
    return [row[:-1] for row in rows], [row[-1] for row in rows]


def _abalone(text):
    rows, rings = _comma_separated(text)
    return [[str(int(row[0] == sex)) for sex in "FIM"] + row[1:] for row in rows], rings


def _arcene(train, train_labels, valid, valid_labels):
    rows = [line.split() for line in [*train.splitlines(), *valid.splitlines()]]
    return [row for row in rows if row], [*train_labels.split(), *valid_labels.split()]


def _arff(text):
    return _comma_separated(text[text.lower().index("@data") + len("@data") :])


@dataclasses.dataclass(eq=False, kw_only=True)
class Table(tfds.core.BuilderConfig):
    """One table, and how it is read.

    Attributes:
        files: Names of the raw files.
        labels: The labels as the files write them, in the order of the classes.
        columns: Number of features.
        parse: Function from the files' texts, in that order, to rows and labels.
        sha256: The raw files' sha256 by name.
    """

    files: tuple[str, ...]
    labels: tuple[str, ...]
    columns: int
    parse: Callable = _comma_separated
    sha256: dict[str, str] = dataclasses.field(
        default_factory=lambda: dict(line.split()[::-1] for line in SHA256.splitlines())
    )

    @property
    def url(self):
        """UCI's zip file."""
        return f"https://archive.ics.uci.edu/static/public/{SOURCES[self.name][0]}.zip"

    @property
    def citation(self):
        """Authors, year, title and DOI."""
        _, title, doi = SOURCES[self.name]
        return (
            f"{title}. UCI Machine Learning Repository. https://doi.org/10.24432/{doi}"
        )


RINGS = (*map(str, range(1, 28)), "29")
RHYTHMS = (*map(str, range(1, 11)), "14", "15", "16")
SPECIES = ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
SITES = ("-1", "0", "1")  # phishy, suspicious, legitimate
ARCENE = ("train.data", "train.labels", "valid.data", "valid.labels")
ARCENE = tuple(f"arcene_{file}" for file in ARCENE)
TABLES = (
    Table(
        name="abalone",
        files=("abalone.data",),
        labels=RINGS,
        columns=10,
        parse=_abalone,
    ),
    Table(
        name="arcene", files=ARCENE, labels=("-1", "1"), columns=10_000, parse=_arcene
    ),
    Table(name="arrhythmia", files=("arrhythmia.data",), labels=RHYTHMS, columns=279),
    Table(name="htru2", files=("HTRU_2.csv",), labels=("0", "1"), columns=8),
    Table(name="iris", files=("iris.data",), labels=SPECIES, columns=4),
    Table(
        name="phishing",
        files=("PhishingData.arff",),
        labels=SITES,
        columns=9,
        parse=_arff,
    ),
)


class UciTables(tfds.core.GeneratorBasedBuilder):
    """All examples of a table, in the order of its files, as split "train"."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = list(TABLES)
    MANUAL_DOWNLOAD_INSTRUCTIONS = "The files as UCI ships them, or its zip file."

    def _info(self):
        table = self.builder_config
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "features": tfds.features.Tensor(
                        shape=(table.columns,), dtype=np.float32
                    ),
                    "label": tfds.features.ClassLabel(names=list(table.labels)),
                }
            ),
            supervised_keys=("features", "label"),
            homepage=table.url,
            citation=table.citation,
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        table = self.builder_config
        try:
            source = pathlib.Path(dl_manager.manual_dir)
        except AssertionError:  # no manual folder: TFDS's way of saying so
            source = pathlib.Path(dl_manager.download(table.url))
        return {"train": self._generate_examples(source)}

    def _generate_examples(self, source):
        table = self.builder_config
        texts = (
            raw_files.text(source, name, table.sha256[name]) for name in table.files
        )
        rows, labels = table.parse(*texts)
        for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
            fields = ["nan" if field == "?" else field for field in row]
            yield number, {"features": np.array(fields, "float32"), "label": label}


def load_table(name, places):
    """Reads a table.

    Args:
        name: Name of one of `TABLES`, or "iris_bundled": scikit-learn's own copy of
            the irises (without UCI's two slips), which needs nothing on disk.
        places: `sources.Places`; raw files are looked for in `uci/<name>` in its
            `data_dir`.

    Returns:
        float32 features of shape (n, d), NaN where a value is missing, int32 labels
        of shape (n,), and the number of classes.

    Raises:
        MissingData: where the files are not there and may not be downloaded.
    """
    if name == "iris_bundled":
        from sklearn.datasets import load_iris

        iris = load_iris()
        return iris.data.astype("float32"), iris.target.astype("int32"), 3
    tables = {table.name: table for table in TABLES}
    if name not in tables:
        raise UnknownData(
            "Invalid value received for argument `name`. Expected one of "
            f"{[*tables, 'iris_bundled']}. Received: name={name!r}"
        )
    table = tables[name]
    folder = pathlib.Path(places.data_dir or "<data_dir>", "uci", name)
    complete = places.data_dir and all(
        raw_files.locate(folder, file) for file in table.files
    )
    builder = prepared_builder(
        lambda data_dir: UciTables(config=name, data_dir=data_dir),
        places,
        raw_dir=folder if complete else None,
        expected=f"Put {', '.join(table.files)} (or the zip file that has them, from "
        f"{table.url}) into {folder}.",
    )
    dataset = builder.as_dataset(split="train", batch_size=-1)
    features, labels = dataset["features"].numpy(), dataset["label"].numpy()
    return features, labels.astype("int32"), len(table.labels)


def split_and_scale(features, labels, seed, test_share=0.5, scaling="min_max"):
    """Splits a table at random, then fills and scales it by its training part.

    A missing value (NaN) becomes its column's mean over the training part, or 0 where
    the training part has no value in that column.

    Args:
        features: Float array of shape (n, d).
        labels: Integer array of shape (n,).
        seed: Integer; the same seed gives the same split.
        test_share: Share of the examples that are held out, between 0 and 1.
        scaling: "min_max" (training part to [0, 1]), "standard" (to mean 0 and
            variance 1) or "none". A constant column is only shifted.

    Returns:
        `(x_train, y_train), (x_test, y_test)`, features as float32.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    if scaling not in SCALINGS:
        raise ValueError(
            "Invalid value received for argument `scaling`. Expected one of "
            f"{SCALINGS}. Received: scaling={scaling!r}"
        )
    if not 0 < test_share < 1:
        raise ValueError(
            "Invalid value received for argument `test_share`. Expected a number "
            f"between 0 and 1. Received: test_share={test_share!r}"
        )
    x_train, x_test, y_train, y_test = train_test_split(
        np.asarray(features, "float64"),
        labels,
        test_size=test_share,
        random_state=seed,
    )
    steps = [SimpleImputer(keep_empty_features=True)]
    if scaling != "none":
        steps.append(MinMaxScaler() if scaling == "min_max" else StandardScaler())
    for step in steps:
        x_train, x_test = step.fit_transform(x_train), step.transform(x_test)
    return (x_train.astype("f4"), y_train), (x_test.astype("f4"), y_test)
