"""The UCI tables: read from small files by hand, refused when wrong, and real ones."""

import hashlib
import io
import pathlib
import tempfile
import zipfile
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from experiments.data import uci
from experiments.data.sources import MissingData, Places

REAL = pathlib.Path(__file__).parents[3] / "shared" / "data"
DOWNLOAD = (tfds.download.DownloadManager, "download")
BEAT = ["75", "?", *["0"] * 276, "-1.5"]


def in_zip(name, content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("Readme.txt", "Other file")
        opened.writestr(name, content)
    return packed.getvalue()


ARFF = "@relation x\r\n@attribute a {1,-1}\r\n\r\n@DATA\r\n"
RAW = {  # two examples each
    "abalone.data": b"M,.5,.25,.125,1,2,3,4,29\nI,1,2,3,4,5,6,7,1\n",
    "arcene_train.data": b"7 " + b"0 " * 9_998 + b"9 \n",
    "arcene_train.labels": b"1\n",
    "arcene_valid.data": b"3 " + b"1 " * 9_999 + b"\n",
    "arcene_valid.labels": b"-1\n",
    "arrhythmia.data": ",".join([*BEAT, "16"]).encode() + b"\n" + b"1," * 279 + b"10",
    "HTRU_2.csv": b"140.5,55.5,-0.25,-0.5,3.25,19,7.5,74,0\r1,2,3,4,5,6,7,8,1\r",
    "iris.data": b"5.1,3.5,1.4,.2,Iris-virginica\n4,3,2,1,Iris-setosa\n\n",
    "PhishingData.arff": ARFF.encode()
    + b"1,-1,1,0,0,0,0,0,1,0\r\n"
    + b"-1," * 9
    + b"1",
}
EXPECTED = {  # by hand
    "abalone": (
        [[0, 0, 1, 0.5, 0.25, 0.125, 1, 2, 3, 4], [0, 1, 0, 1, 2, 3, 4, 5, 6, 7]],
        [27, 0],
        28,
    ),
    "arcene": ([[7] + [0] * 9_998 + [9], [3] + [1] * 9_999], [1, 0], 2),
    "arrhythmia": ([[75, np.nan] + [0] * 276 + [-1.5], [1] * 279], [12, 9], 13),
    "htru2": (
        [[140.5, 55.5, -0.25, -0.5, 3.25, 19, 7.5, 74], [1, 2, 3, 4, 5, 6, 7, 8]],
        [0, 1],
        2,
    ),
    "iris": ([[5.1, 3.5, 1.4, 0.2], [4, 3, 2, 1]], [2, 0], 3),
    "phishing": ([[1, -1, 1, 0, 0, 0, 0, 0, 1], [-1] * 9], [1, 2], 3),
}


def write_raw(folder, table):
    folder.mkdir(parents=True, exist_ok=True)
    for name in uci.TABLES[table].files:
        if table == "htru2":
            (folder / "HTRU2.zip").write_bytes(in_zip(name, RAW[name]))
        else:
            (folder / name).write_bytes(RAW[name])


@pytest.fixture(autouse=True)
def digests(request, monkeypatch):
    """The small files' sha256 in place of the real ones'."""
    if "real" not in request.fixturenames:
        known = {name: hashlib.sha256(text).hexdigest() for name, text in RAW.items()}
        monkeypatch.setattr(uci, "DIGESTS", known)


@pytest.fixture
def real():
    if not (REAL / "uci").is_dir():
        pytest.skip(f"The real tables are not in {REAL / 'uci'}")
    return str(REAL)


@pytest.fixture
def places(tmp_path):
    for table in uci.TABLES:
        write_raw(tmp_path / "data" / "uci" / table, table)
    return Places(str(tmp_path / "data"), str(tmp_path / "prepared"))


def contents(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


class UciTablesTest(tfds.testing.DatasetBuilderTestCase):
    """TFDS's own checks, once for each table."""

    DATASET_CLASS = uci.UciTables
    SPLITS = {"train": 2}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        for table in uci.TABLES:
            write_raw(pathlib.Path(folder.name), table)
        cls.EXAMPLE_DIR = folder.name
        super().setUpClass()


@pytest.mark.parametrize("name", uci.TABLES)
def test_values_by_hand_and_nothing_written_beside_the_prepared_folder(name, places):
    before = contents(pathlib.Path(places.data_dir))
    for _ in range(2):  # prepares, then reads what is prepared
        features, labels, num_classes = uci.load_table(name, places)
        np.testing.assert_array_equal(features, np.array(EXPECTED[name][0], "f4"))
        np.testing.assert_array_equal(labels, EXPECTED[name][1])
        assert (features.dtype, labels.dtype) == (np.float32, np.int32)
        assert num_classes == EXPECTED[name][2]
    assert contents(pathlib.Path(places.data_dir)) == before
    beside = pathlib.Path(places.data_dir).parent.iterdir()
    assert {path.name for path in beside} == {"data", "prepared"}


def test_a_changed_file_is_refused_by_name_and_nothing_is_prepared(places):
    raw = pathlib.Path(places.data_dir, "uci", "iris", "iris.data")
    raw.write_bytes(raw.read_bytes().replace(b"5.1", b"5.2"))
    with pytest.raises(ValueError, match=r"raw file iris\.data is damaged.*sha256"):
        uci.load_table("iris", places)
    assert not list(pathlib.Path(places.prepared_dir).rglob("*.tfrecord*"))
    raw.write_bytes(RAW["iris.data"])
    assert uci.load_table("iris", places)[0].shape == (2, 4)


def test_damaged_zip_files_are_named(places):
    packed = pathlib.Path(places.data_dir, "uci", "htru2", "HTRU2.zip")
    whole = packed.read_bytes()
    packed.write_bytes(whole[:-10])
    with pytest.raises(ValueError, match=r"HTRU2\.zip is damaged"):
        uci.load_table("htru2", places)
    start = whole.index(b"HTRU_2.csv") + len("HTRU_2.csv")
    packed.write_bytes(whole[:start] + b"\xff\xff\xff\xff" + whole[start + 4 :])
    with pytest.raises(ValueError, match=r"HTRU_2\.csv is damaged"):
        uci.load_table("htru2", places)


def test_half_a_preparation_does_not_pass_for_a_whole_one(places):
    def stops(text):
        def rows():
            yield uci.Table.parse(text)[0][0]
            raise KeyboardInterrupt

        return rows(), ["Iris-setosa"] * 2

    stopped = mock.patch.object(uci.TABLES["iris"], "parse", stops)
    with stopped, pytest.raises(KeyboardInterrupt):
        uci.load_table("iris", places)
    assert not uci.UciTables(config="iris", data_dir=places.prepared_dir).is_prepared()
    np.testing.assert_array_equal(uci.load_table("iris", places)[1], [2, 0])


def test_missing_data_say_what_to_put_where_and_nothing_is_downloaded(tmp_path):
    folder = tmp_path / "uci" / "arcene"
    write_raw(folder, "arcene")
    (folder / "arcene_valid.labels").unlink()
    places = Places(str(tmp_path), str(tmp_path / "prepared"))
    never = mock.patch.object(*DOWNLOAD, side_effect=AssertionError)
    with never as download, pytest.raises(MissingData) as error:
        uci.load_table("arcene", places)
    assert not download.called
    url = "https://archive.ics.uci.edu/static/public/167/arcene.zip"
    for text in ("arcene_valid.labels", str(folder), url):
        assert text in str(error.value)
    with pytest.raises(MissingData, match="<data_dir>/uci/htru2"):
        uci.load_table("htru2", Places(prepared_dir=str(tmp_path / "prepared")))


def test_a_download_is_read_from_its_zip_file_when_it_is_allowed(tmp_path):
    packed = tmp_path / "downloaded.zip"
    packed.write_bytes(in_zip("PHISHING/PhishingData.arff", RAW["PhishingData.arff"]))
    places = Places(prepared_dir=str(tmp_path / "prepared"), download=True)
    with mock.patch.object(*DOWNLOAD, return_value=packed) as download:
        features, labels, _ = uci.load_table("phishing", places)
    url = "https://archive.ics.uci.edu/static/public/379/website+phishing.zip"
    download.assert_called_once_with(url)
    np.testing.assert_array_equal(features, EXPECTED["phishing"][0])
    np.testing.assert_array_equal(labels, EXPECTED["phishing"][1])


def test_the_bundled_irises_need_nothing_on_disk(tmp_path):
    features, labels, num_classes = uci.load_table("iris_bundled", Places())
    assert (features.shape, features.dtype) == ((150, 4), np.float32)
    assert labels.dtype == np.int32
    assert (np.bincount(labels).tolist(), num_classes) == ([50] * 3, 3)


def by_hand(features, seed, test_share, scaling):
    """The same with NumPy and loops over columns."""
    order = np.random.RandomState(seed).permutation(len(features))
    held_out = int(np.ceil(test_share * len(features)))
    test, train = order[:held_out], order[held_out:]
    filled = np.array(features, "float64")
    for column in filled.T:
        known = [value for value in column[train] if not np.isnan(value)]
        column[np.isnan(column)] = sum(known) / len(known) if known else 0
        low, high = min(column[train]), max(column[train])
        mean = sum(column[train]) / len(train)
        spread = (sum((column[train] - mean) ** 2) / len(train)) ** 0.5
        if scaling == "min_max":
            column[:] = (column - low) / (high - low or 1)
        elif scaling == "standard":
            column[:] = (column - mean) / (1 if high == low else spread)
    return train, test, filled


@pytest.mark.parametrize("scaling", uci.SCALINGS)
@pytest.mark.parametrize("test_share", [0.5, 0.2])
def test_split_and_scale_is_what_a_plain_loop_does(scaling, test_share):
    generator = np.random.default_rng(0)
    features = generator.normal(5, 3, (41, 6)).astype("f4")
    features[generator.random((41, 6)) < 0.2] = np.nan
    features[:, 3], features[:, 4] = 2.5, np.nan
    labels = np.arange(41, dtype="int32")
    train, test, expected = by_hand(features, 7, test_share, scaling)
    before = features.copy()
    (x_train, y_train), (x_test, y_test) = uci.split_and_scale(
        features, labels, 7, test_share, scaling
    )
    np.testing.assert_array_equal(features, before)
    np.testing.assert_array_equal(y_train, train)
    np.testing.assert_array_equal(y_test, test)
    np.testing.assert_allclose(x_train, expected[train], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(x_test, expected[test], rtol=1e-5, atol=1e-6)
    assert x_train.dtype == x_test.dtype == np.float32
    assert y_train.dtype == np.int32
    other = uci.split_and_scale(features, labels, 8, test_share, scaling)[0][1]
    assert not np.array_equal(other, y_train)


@pytest.mark.parametrize(
    "name, shape, counts, missing",
    [
        ("abalone", (4177, 10), {0: 1, 8: 689, 27: 1}, 0),
        ("arcene", (200, 10_000), {0: 112, 1: 88}, 0),
        ("arrhythmia", (452, 279), {0: 245, 9: 50, 10: 4, 12: 22}, 408),
        ("htru2", (17_898, 8), {0: 16_259, 1: 1_639}, 0),
        ("iris", (150, 4), {0: 50, 1: 50, 2: 50}, 0),
        ("phishing", (1353, 9), {0: 702, 1: 103, 2: 548}, 0),
    ],
)
def test_the_real_tables(name, shape, counts, missing, real, tmp_path):
    features, labels, num_classes = uci.load_table(name, Places(real, str(tmp_path)))
    assert features.shape == shape
    assert np.isnan(features).sum() == missing
    assert labels.min() == 0
    assert labels.max() == num_classes - 1 == len(uci.TABLES[name].labels) - 1
    assert len(np.unique(labels)) == num_classes  # no class without an example
    for label, count in counts.items():
        assert (labels == label).sum() == count
    if name == "iris":  # UCI's two slips
        bundled = uci.load_table("iris_bundled", Places())[0]
        rows = np.flatnonzero((features != bundled).any(axis=1))
        np.testing.assert_array_equal(rows, [34, 37])
