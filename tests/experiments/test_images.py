"""Image sets: bundled, of TFDS (mocked), folders made on the spot, and real ones."""

import pathlib
import re
import shutil

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from experiments.data import digits, image_files, images, sources

DATA = pathlib.Path(__file__).parents[3] / "shared" / "data"
RNG = np.random.default_rng(0)


def save(path, pixels, mode="RGB", kind=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.asarray(pixels, "uint8")).convert(mode).save(path, kind)


def pixels_of(folder, label, number):
    """An image that says what it is: label in red, split in green, number in blue."""
    value = np.zeros((6, 5, 3))
    value[...] = ord(label) - ord("a"), 100 * (folder == "val"), number
    return value


@pytest.fixture
def folder(tmp_path):
    """train: 10 of class a and of c; val: 4 of a, b and c."""
    for part, classes, count in [("train", "ac", 10), ("val", "abc", 4)]:
        for label in classes:
            for n in range(count):
                path = tmp_path / "set" / part / label / f"{n}.png"
                save(path, pixels_of(part, label, n))
    return tmp_path / "set"


def load(name, splits, places=None, **options):
    return images.load_images(str(name), splits, places or sources.Places(), **options)


def read(data):
    """Labels and blue channels, in order."""
    return [(int(y), int(x[0, 0, 2])) for x, y in data.as_numpy_iterator()]


def test_digits_are_enlarged_by_repeating_pixels():
    found = load("digits", ("train", "test"))
    assert found.counts == {"train": 1200, "test": 597}
    assert found.names == tuple("0123456789")
    assert found.shape == (32, 32, 3)
    for split, (scans, labels) in zip(("train", "test"), digits.load_digits()):
        x, y = next(found.datasets[split].batch(2000).as_numpy_iterator())
        assert (x.dtype, x.shape[1:], y.dtype) == (np.uint8, (32, 32, 3), np.int64)
        np.testing.assert_array_equal(y, labels)
        for row, column, channel in np.ndindex(4, 4, 3):
            np.testing.assert_array_equal(
                x[:, row::4, column::4, channel], scans[..., 0]
            )


def test_digits_are_sliced():
    splits = ("train[5:1000]", "train[1000:]", "test[:50%]+train[3:5]")
    found = load("digits", splits)
    assert [found.counts[split] for split in splits] == [995, 200, 300]
    (_, train), (_, test) = digits.load_digits()
    labels = [[int(y) for _, y in found.datasets[split]] for split in splits]
    assert labels[0] + labels[1] == train[5:].tolist()
    assert labels[2] == [*test[:298], *train[3:5]]


def test_a_folder_gives_every_image_once_with_its_label(folder):
    found = load(folder, ("train", "val"))
    assert found.counts == {"train": 20, "val": 12}
    assert found.names == ("a", "b", "c")
    assert found.shape == (6, 5, 3)
    assert found.datasets["train"].element_spec == (
        tf.TensorSpec((6, 5, 3), tf.uint8),
        tf.TensorSpec((), tf.int64),
    )
    expected = {"train": [0, 2] * 10, "val": [0, 1, 2] * 4}
    for split, data in found.datasets.items():
        everything = list(data.as_numpy_iterator())
        assert sorted(y for _, y in everything) == sorted(expected[split])
        assert len({x.tobytes() for x, _ in everything}) == len(everything)
        for x, y in everything:
            np.testing.assert_array_equal(
                x, pixels_of(split, "abc"[y], int(x[0, 0, 2]))
            )


def test_the_order_of_a_folder_is_mixed_and_always_the_same(folder, tmp_path):
    first, again = (read(load(folder, ("train",)).datasets["train"]) for _ in range(2))
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    assert first == again == read(load(moved, ("train",)).datasets["train"])
    assert first != sorted(first)
    assert len({label for label, _ in first[:10]}) == 2


def test_slices_of_a_folder_are_its_parts(folder):
    splits = ("train", "train[:12]", "train[60%:]", "train[-2:]+val[:1]", "val")
    found = [load(folder, (split,)) for split in splits]
    parts = [read(one.datasets[split]) for one, split in zip(found, splits)]
    whole, start, end, mixed, val = parts
    assert start == whole[:12]
    assert end == whole[12:]
    # By number alone: train has no class b, so that its labels are others.
    assert [n for _, n in mixed] == [n for _, n in [*whole[-2:], val[0]]]
    assert [len(part) for part in parts] == [20, 12, 8, 3, 12]


@pytest.mark.parametrize(
    "splits",
    [
        ("train", "train"),
        ("train", "train[5:]+val"),
        ("train[:12]", "val+train[11:]"),
        ("train[:60%]", "train[50%:]"),
    ],
)
def test_splits_that_share_examples_are_refused(folder, splits):
    named = re.escape("{!r} and {!r}".format(*splits))
    with pytest.raises(sources.UnknownData, match=f"share no examples.*: {named}"):
        load(folder, splits)


def test_a_split_without_examples_is_refused(folder):
    with pytest.raises(sources.UnknownData, match=r"'train\[:0\]', which has none"):
        load(folder, ("train[:0]", "val"))


def test_a_split_with_classes_of_its_own_is_refused(folder):
    save(folder / "test" / "images" / "0.png", pixels_of("test", "a", 0))
    assert load(folder, ("train", "val")).names == ("a", "b", "c")
    with pytest.raises(sources.UnknownData, match="none of the classes of 'train'"):
        load(folder, ("train", "test"))


@pytest.mark.parametrize("split", ["test", "train[", "train[:30]"])
def test_splits_that_do_not_exist_are_refused(folder, split):
    with pytest.raises(ValueError, match=r"train|split|slice"):
        load(folder, (split,))


def test_a_folder_is_found_by_its_name_in_the_data_folder(folder):
    places = sources.Places(data_dir=str(folder.parent))
    assert load("set", ("val",), places).counts == {"val": 12}
    save(folder.parent / "nested" / "deep" / "x" / "k" / "0.jpg", np.zeros((4, 4, 3)))
    assert load("nested/deep", ("x",), places).counts == {"x": 1}


def test_a_folder_is_found_from_the_working_directory(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    places = sources.Places(data_dir="nowhere")
    assert load("set", ("val",), places).counts == {"val": 12}
    assert load("./set", ("val",)).counts == {"val": 12}


def smooth(height, width):
    """Colors that JPEG keeps nearly as they are."""
    y, x = np.mgrid[:height, :width]
    return np.stack([4 * y + 20, 3 * x + 30, 200 - 2 * y - x], -1)


def test_odd_files_of_imagenet_are_decoded_to_three_channels(tmp_path):
    files = {
        "gray.JPEG": ("L", "JPEG"),
        "color.JPEG": ("RGB", "JPEG"),
        "cmyk.JPEG": ("CMYK", "JPEG"),
        "png_by_content.JPEG": ("RGB", "PNG"),
        "jpeg_by_content.png": ("RGB", "JPEG"),
        "alpha.png": ("RGBA", "PNG"),
        "palette.PNG": ("P", "PNG"),
        "gray_alpha.png": ("LA", "PNG"),
    }
    pixels, names = smooth(32, 40), sorted(files)
    for label, name in enumerate(names):
        save(tmp_path / "train" / str(label) / name, pixels, *files[name])
    (tmp_path / "train" / "0" / "notes.txt").write_text("not an image")
    found = load(tmp_path, ("train",))
    assert (found.counts, found.shape) == ({"train": 8}, (32, 40, 3))
    for x, y in found.datasets["train"].as_numpy_iterator():
        expected = pixels
        if "gray" in names[y]:
            assert np.all(x == x[..., :1])
            expected = np.repeat(pixels @ [[0.299], [0.587], [0.114]], 3, axis=-1)
        error = np.abs(x.astype(float) - expected)
        assert error.mean() < (20 if "palette" in names[y] else 4), names[y]


def test_sizes_that_differ_are_left_open_or_made_equal(tmp_path):
    for n, (height, width) in enumerate([(30, 40), (64, 20), (25, 25)]):
        save(tmp_path / "train" / str(n) / "0.png", smooth(height, width))
    found = load(tmp_path, ("train",))
    assert found.shape == (None, None, 3)
    shapes = {int(y): x.shape for x, y in found.datasets["train"]}
    assert shapes == {0: (30, 40, 3), 1: (64, 20, 3), 2: (25, 25, 3)}
    equal = load(tmp_path, ("train",), size=20)
    assert equal.shape == equal.datasets["train"].element_spec[0].shape == (20, 20, 3)
    for x, y in equal.datasets["train"]:
        assert x.dtype == tf.uint8
        if y == 1:
            np.testing.assert_array_equal(x, smooth(64, 20)[22:42])


@pytest.fixture
def damaged(folder):
    """Of the 20 training images 12 cannot be decoded."""
    files = sorted((folder / "train").rglob("*.png"))
    files[0].write_bytes(b"")
    files[1].write_bytes(files[1].read_bytes()[:60])
    for n, path in enumerate(files[2:12]):
        path.write_bytes(b"no image %d" % n)
    photo = folder / "val" / "a" / "cut.jpg"
    save(photo, RNG.integers(0, 256, (40, 40, 3)))
    photo.write_bytes(photo.read_bytes()[:900])
    return folder


def test_corrupt_files_are_named_before_training(damaged):
    with pytest.raises(ValueError, match="12 cannot be decoded") as caught:
        load(damaged, ("train",))
    message = str(caught.value)
    assert message.count(".png") == 10
    assert str(damaged) in message
    assert "train/a/0.png" in message
    assert ", ...." in message
    assert "--skip_corrupt" in message
    with pytest.raises(ValueError, match=r"1 cannot be decoded: val/a/cut.jpg\."):
        load(damaged, ("val",))


def test_corrupt_files_are_left_out_and_named_if_asked(damaged, capsys):
    places = sources.Places(skip_corrupt=True)
    found = load(damaged, ("train", "val"), places)
    printed = capsys.readouterr().out
    assert "Warning" in printed
    assert "13 cannot be decoded" in printed
    assert found.counts == {"train": 8, "val": 12}
    assert sorted(read(found.datasets["train"])) == [(2, n) for n in range(2, 10)]
    assert len(read(found.datasets["val"])) == 12
    assert found.names == ("a", "b", "c")


def test_nothing_is_printed_where_nothing_is_corrupt(folder, capsys):
    load(folder, ("train",), sources.Places(skip_corrupt=True))
    assert capsys.readouterr().out == ""


@pytest.fixture
def no_download(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a download was started")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", refuse)


def test_unknown_names_are_answered_with_what_is_accepted(tmp_path, no_download):
    places = sources.Places(prepared_dir=str(tmp_path))
    with pytest.raises(ValueError, match="cifar10, cifar100.*<root>/<split>.*'nope'"):
        load("nope", ("train",), places)
    with pytest.raises(ValueError, match="features 'image' and 'label'.*'ag_news"):
        load("ag_news_subset", ("train",), places)


def test_missing_data_say_what_to_put_where(tmp_path, no_download):
    places = sources.Places(str(tmp_path / "data"), str(tmp_path / "prepared"))
    with pytest.raises(sources.MissingData, match="cifar100.*--data_dir") as caught:
        load("cifar100", ("train",), places)
    assert str(tmp_path / "data") in str(caught.value)
    assert str(tmp_path / "prepared") in str(caught.value)
    with pytest.raises(sources.MissingData, match="<folder>/<split>/<class>/"):
        load("no/folder", ("train",), places)
    download = sources.Places(str(tmp_path), str(tmp_path / "prepared"), True)
    archives = "by hand.*ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar"
    with pytest.raises(sources.MissingData, match=archives):
        load("imagenet2012", ("train",), download)
    assert not list(tmp_path.iterdir())


def counted(length, found):
    """What a refusal says of how many were expected and found."""
    return rf"Expected {length} .*Found: {found}\b"


@pytest.mark.parametrize("split", ["train[25:35]", "train[:30]", "train[-30:20]"])
def test_a_slice_beyond_the_images_of_a_set_says_how_many_there_are(
    split, folder, prepared
):
    for name in (folder, "made"):
        with pytest.raises(sources.UnknownData) as error:
            load(name, (split,), prepared)
        limits = split.partition("[")[2]
        expected = f"Requested slice [{limits} incompatible with 20 examples"
        assert expected in str(error.value)
        assert "Found: 20 in 'train', " in str(error.value)
        assert "\n" not in str(error.value)


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Where a set "made" of TFDS is: 20 training images in two shards, and 6 more."""
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(6, 5, 3)),
            "label": tfds.features.ClassLabel(names=["a", "b"]),
        }
    )
    place = tmp_path / "tfds" / "made" / "1.0.0"
    place.mkdir(parents=True)
    infos = []
    for split, lengths in (("train", [12, 8]), ("test", [6])):
        template = tfds.core.ShardedFileTemplate(
            data_dir=place, dataset_name="made", split=split, filetype_suffix="tfrecord"
        )
        records = []
        for number in range(sum(lengths)):
            image = pixels_of(split, "a", number).astype("uint8")
            example = features.encode_example({"image": image, "label": number % 2})
            records.append(features.serialize_example(example))
        size = sum(map(len, records))
        infos.append(tfds.core.SplitInfo(split, lengths, size, template))
        for path, length in zip(infos[-1].filepaths, lengths, strict=True):
            with tf.io.TFRecordWriter(str(path)) as writer:
                for record in records[:length]:
                    writer.write(record)
            del records[:length]
    tfds.folder_dataset.write_metadata(
        data_dir=str(place), features=features, split_infos=infos
    )
    real_builder = tfds.builder

    def builder(name, data_dir):
        if name == "made" and pathlib.Path(data_dir, "made").exists():
            return tfds.builder_from_directory(str(place))
        return real_builder(name, data_dir=data_dir)

    monkeypatch.setattr(tfds, "builder", builder)
    return sources.Places(prepared_dir=str(tmp_path / "tfds"))


SHARDS = [f"made-train.tfrecord-0000{n}-of-00002" for n in (0, 1)]


def test_a_set_of_tfds_that_lacks_a_shard_says_how_many_it_has(prepared):
    place = pathlib.Path(prepared.prepared_dir, "made", "1.0.0")
    found = load("made", ("train", "test"), prepared)
    assert found.counts == {"train": 20, "test": 6}
    numbers = [number for _, number in read(found.datasets["train"])]
    (place / SHARDS[1]).unlink()
    with pytest.raises(sources.MissingData, match=counted(20, 12)) as error:
        load("made", ("train", "test"), prepared)
    assert str(error.value).endswith(f"missing or cut: {SHARDS[1]}")
    assert "\n" not in str(error.value)
    with pytest.raises(sources.MissingData, match=counted(10, 2)):
        load("made", ("train[:10]", "train[10:]"), prepared)
    # What is asked for is there.
    for splits in (("test",), ("train[2:12]",)):
        whole = load("made", splits, prepared)
        (data,) = whole.datasets.values()
        assert len(read(data)) == whole.counts[splits[0]]
    assert [number for _, number in read(data)] == numbers[2:12]


def test_a_set_of_tfds_with_a_cut_shard_says_how_many_it_has(prepared):
    path = pathlib.Path(prepared.prepared_dir, "made", "1.0.0", SHARDS[0])
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(sources.MissingData, match=counted(20, 19)):
        load("made", ("train",), prepared)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(sources.MissingData, match=counted(3, 0)):
        load("made", ("train[9:12]", "test"), prepared)


def test_a_folder_whose_files_are_gone_says_how_many_it_has(folder):
    for path in (folder / "train" / "c").iterdir():
        path.unlink()
    match = r"Expected images in the 5 class .*Found: images in 4, none in .*train/c\."
    with pytest.raises(sources.MissingData, match=match):
        load(folder, ("train",))
    for path in folder.glob("*/*/*"):
        path.unlink()
    for name in (folder, folder.name):
        with pytest.raises(sources.MissingData, match="Expected images .* Found: 0,"):
            load(name, ("train",), sources.Places(data_dir=str(folder.parent)))


def test_tiny_imagenet_with_fewer_images_says_how_many_it_has(folder, monkeypatch):
    known = folder.rename(folder.with_name("tiny_imagenet_20"))
    with pytest.raises(sources.MissingData, match=counted(10_000, 20)):
        load(known, ("val",))
    monkeypatch.setattr(
        image_files, "COUNTS", {known.name: {"train": 20, "val": 13, "test": 1}}
    )
    with pytest.raises(sources.MissingData, match=counted(13, 12)):
        load(known, ("train",))
    save(known / "val" / "b" / "last.png", pixels_of("val", "b", 5))
    with pytest.raises(sources.MissingData, match=counted(1, 0)):
        load(known, ("train",))
    save(known / "test" / "b" / "one.png", pixels_of("val", "b", 5))
    assert load(known, ("train", "val")).counts == {"train": 20, "val": 13}


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion_mnist"])
def test_sets_of_tfds_are_pairs_of_three_channels(name, tmp_path):
    places = sources.Places(prepared_dir=str(tmp_path), download=True)
    shape = (28, 28, 3) if name == "fashion_mnist" else (32, 32, 3)
    with tfds.testing.mock_data(num_examples=7):
        found = load(name, ("train", "test"), places)
        assert found.counts == {"train": 7, "test": 7}
        assert found.shape == shape
        assert len(found.names) == (100 if name == "cifar100" else 10)
        x, y = next(found.datasets["train"].batch(7).as_numpy_iterator())
    assert (x.shape, x.dtype, y.dtype) == ((7, *shape), np.uint8, np.int64)
    assert (name == "fashion_mnist") == bool(np.all(x == x[..., :1]))


def test_imagenet_is_prepared_from_the_archives_in_the_data_folder(tmp_path):
    for name in images.ARCHIVES:
        (tmp_path / name).touch()
    places = sources.Places(str(tmp_path), str(tmp_path / "prepared"))
    with tfds.testing.mock_data(num_examples=3):
        found = load("imagenet2012", ("train", "validation"), places, size=24)
        assert found.counts == {"train": 3, "validation": 3}
        assert (found.shape, len(found.names)) == ((24, 24, 3), 1000)
        assert found.names[0] == "n01440764"
        x, _ = next(found.datasets["train"].batch(3).as_numpy_iterator())
        assert x.shape == (3, 24, 24, 3)
        assert load("imagenet2012", ("train",), places).shape == (None, None, 3)


def real(name):
    if not (DATA / name).is_dir():
        pytest.skip(f"no real data: {name} is not in shared/data beside the checkout")
    return sources.Places(data_dir=str(DATA))


def test_real_cifar10_is_split_by_slices(no_download):
    places = real("tfds/cifar10")
    splits = ("train[:20000]", "train[20000:]", "test")
    found = load("cifar10", splits, places)
    assert list(found.counts.values()) == [20_000, 30_000, 1_000]
    assert found.names[:3] == ("airplane", "automobile", "bird")
    first, again = (
        next(found.datasets["test"].batch(200).as_numpy_iterator()) for _ in range(2)
    )
    assert first[0].shape == (200, 32, 32, 3)
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    # The published statistics, on the images themselves.
    x, _ = next(found.datasets["train[:20000]"].batch(1_000).as_numpy_iterator())
    np.testing.assert_allclose(
        x.mean((0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=0.01
    )


def test_real_fashion_mnist_becomes_three_channels(no_download):
    found = load("fashion_mnist", ("train", "test"), real("tfds/fashion_mnist"))
    assert found.counts == {"train": 60_000, "test": 10_000}
    x, _ = next(found.datasets["test"].batch(20).as_numpy_iterator())
    assert x.shape == (20, 28, 28, 3)
    assert np.all(x.max(axis=(1, 2, 3)) > 0)
    assert np.all(x == x[..., :1])


@pytest.mark.parametrize(
    ("splits", "counts"),
    [
        (("val",), [1_000]),
        pytest.param(("val", "train"), [1_000, 10_000], marks=pytest.mark.slow),
    ],
)
def test_real_tiny_imagenet(splits, counts):
    found = load("tiny_imagenet_20", splits, real("tiny_imagenet_20"))
    assert list(found.counts.values()) == counts
    assert (len(found.names), found.shape) == (20, (64, 64, 3))
    assert all(name.startswith("n0") for name in found.names)
    _, labels = next(found.encoded[splits[-1]].batch(10_000).as_numpy_iterator())
    assert np.bincount(labels).tolist() == [counts[-1] // 20] * 20
    assert next(iter(found.datasets[splits[-1]]))[0].shape == (64, 64, 3)
