"""The six UCI tables of the paper's Table 4: a TFDS builder, and what the runs read.

UCI publishes no checksums of its zip files, and but for HTRU2's (`checksums.tsv`) they
could not be had: what is held against its sha256 is each raw file, after reading.
"""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
import sklearn.datasets
import tensorflow_datasets as tfds
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from experiments.data import raw_files, sources

SCALINGS = {
    "min_max": MinMaxScaler,
    "standard": StandardScaler,
    "none": FunctionTransformer,  # the identity
}
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
# Table, page, DOI, authors and title.
PUBLISHED = """
abalone     1/abalone              C55C7W  Nash et al. (1994). Abalone
arcene      167/arcene             C58P55  Guyon et al. (2004). Arcene
arrhythmia  5/arrhythmia           C5BS32  Guvenir et al. (1997). Arrhythmia
htru2       372/htru2              C5DK6R  Lyon (2015). HTRU2
iris        53/iris                C56C76  Fisher (1936). Iris
phishing    379/website+phishing   C5B301  Abdelhamid (2014). Website Phishing
""".strip().splitlines()


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


@dataclasses.dataclass
class Table:
    """How the raw files of a table are read."""

    columns: int
    # As the files write them, in the order of the classes.
    labels: tuple[str, ...]
    files: tuple[str, ...]
    # From the files' texts to rows and labels.
    parse: Callable = _comma_separated


RINGS = (*map(str, range(1, 28)), "29")
RHYTHMS = (*map(str, range(1, 11)), "14", "15", "16")
SPECIES = ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
SITES = ("-1", "0", "1")  # phishy, suspicious, legitimate
ARCENE = ("train.data", "train.labels", "valid.data", "valid.labels")
ARCENE = tuple(f"arcene_{file}" for file in ARCENE)
TABLES = {
    "abalone": Table(10, RINGS, ("abalone.data",), _abalone),
    "arcene": Table(10_000, ("-1", "1"), ARCENE, _arcene),
    "arrhythmia": Table(279, RHYTHMS, ("arrhythmia.data",)),
    "htru2": Table(8, ("0", "1"), ("HTRU_2.csv",)),
    "iris": Table(4, SPECIES, ("iris.data",)),
    "phishing": Table(9, SITES, ("PhishingData.arff",), _arff),
}
DIGESTS = dict(line.split()[::-1] for line in SHA256.splitlines())
SOURCES = {
    name: (f"https://archive.ics.uci.edu/static/public/{page}.zip", doi, title)
    for name, page, doi, title in (line.split(maxsplit=3) for line in PUBLISHED)
}


class UciTables(tfds.core.GeneratorBasedBuilder):
    """All examples of a table, in the order of its files, as split "train"."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in TABLES]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "The files as UCI ships them, or its zip file."

    def _info(self):
        name = self.builder_config.name
        table, (url, doi, title) = TABLES[name], SOURCES[name]
        features = {
            "features": tfds.features.Tensor(shape=(table.columns,), dtype=np.float32),
            "label": tfds.features.ClassLabel(names=list(table.labels)),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("features", "label"),
            homepage=url,
            citation=f"{title}. UCI Machine Learning Repository. "
            f"https://doi.org/10.24432/{doi}",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        url, _, _ = SOURCES[self.builder_config.name]
        source = sources.raw_source(dl_manager, url)
        return {"train": self._generate_examples(source)}

    def _generate_examples(self, source):
        table = TABLES[self.builder_config.name]
        texts = (raw_files.text(source, name, DIGESTS[name]) for name in table.files)
        rows, labels = table.parse(*texts)
        for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
            fields = ["nan" if field == "?" else field for field in row]
            yield number, {"features": np.array(fields, "float32"), "label": label}


def load_table(name, places):
    """Float32 features, NaN where a value is missing, int32 labels, number of classes.

    Raw files are in `uci/<name>` of `data_dir`. "iris_bundled" is scikit-learn's own
    copy of the irises, without UCI's two slips; it needs nothing on disk.
    """
    if name == "iris_bundled":
        x, y = sklearn.datasets.load_iris(return_X_y=True)
        return x.astype("float32"), y.astype("int32"), 3
    files = TABLES[name].files
    folder = pathlib.Path(places.data_dir or "<data_dir>", "uci", name)
    complete = places.data_dir and all(raw_files.locate(folder, f) for f in files)
    builder = sources.prepared_builder(
        lambda data_dir: UciTables(config=name, data_dir=data_dir),
        places,
        raw_dir=folder if complete else None,
        expected=f"Put {', '.join(files)} (or the zip file that has them, from "
        f"{SOURCES[name][0]}) into {folder}.",
    )
    table = builder.as_dataset(split="train", batch_size=-1)
    labels = table["label"].numpy().astype("int32")
    return table["features"].numpy(), labels, len(TABLES[name].labels)


def split_and_scale(features, labels, seed, test_share=0.5, scaling="min_max"):
    """`(x_train, y_train), (x_test, y_test)`, filled and scaled by the training part.

    A missing value (NaN) becomes its column's mean over the training part, or 0 where
    there is none. `scaling` is "min_max" (training part to [0, 1]), "standard" (to mean
    0 and variance 1) or "none"; a constant column is only shifted.
    """
    features = np.asarray(features, "float64")
    x_train, x_test, y_train, y_test = train_test_split(
        features, labels, test_size=test_share, random_state=seed
    )
    scaled = make_pipeline(SimpleImputer(keep_empty_features=True), SCALINGS[scaling]())
    x_train, x_test = scaled.fit_transform(x_train), scaled.transform(x_test)
    return (x_train.astype("f4"), y_train), (x_test.astype("f4"), y_test)
