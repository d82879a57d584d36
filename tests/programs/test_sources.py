"""Where batches come from: a generator, a PyDataset, a folder of images, TFDS."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests.programs import by_hand

X, Y = by_hand.linear_data(24)
ROWS = np.eye(3, dtype="float32")[Y]


def shares_of(mixed, clean):
    """The lam and partner of each mixed example, found by least squares.

    Looks at all pairs, so it does not use how they were drawn.
    """
    mixed, clean = (
        np.reshape(a, (len(a), -1)).astype("float64") for a in (mixed, clean)
    )
    found = []
    for i, row in enumerate(mixed):
        best = None
        for j, other in enumerate(clean):
            step = other - clean[i]
            share = float(step @ (row - clean[i]) / max(step @ step, 1e-12))
            error = np.abs(clean[i] + share * step - row).max()
            if best is None or error < best[0]:
                best = error, 1 - share, j
        found.append(best)
    errors, lams, partners = zip(*found, strict=True)
    assert max(errors) < 1e-3 * max(1, np.abs(clean).max())
    return np.array(lams), np.array(partners)


def check_mixed(images, rows, clean, labels, classes):
    """Labels are mixed as the images of the same batch are, by one lam."""
    lams, partners = shares_of(images, clean)
    hot = np.eye(classes)[labels]
    expected = lams[:, None] * hot + (1 - lams[:, None]) * hot[partners]
    np.testing.assert_allclose(rows, expected, atol=2e-3)
    moved = lams[lams < 0.999]  # The others are their own partners.
    assert np.ptp(moved) < 5e-3


def test_a_generator():
    def generate():
        for i in range(24):
            yield X[i], Y[i]

    dataset = tf.data.Dataset.from_generator(
        generate,
        output_signature=(
            tf.TensorSpec((6,), tf.float32),
            tf.TensorSpec((), tf.int64),
        ),
    )
    mixup = keras_mixup.MixUp(1.0, num_classes=3, jit_compile=False)
    mixed = dataset.batch(8).map(mixup)
    epochs = [list(mixed) for _ in range(2)]
    assert not np.allclose(epochs[0][0][0], epochs[1][0][0])
    for batches in epochs:
        assert len(batches) == 3
        for i, (features, rows) in enumerate(batches):
            own = slice(8 * i, 8 * i + 8)
            check_mixed(features, rows, X[own], Y[own], 3)


def test_a_seeded_generator_of_unknown_length():
    dataset = tf.data.Dataset.from_generator(
        lambda: zip(X, Y, strict=True),
        output_signature=(
            tf.TensorSpec((6,), tf.float32),
            tf.TensorSpec((), tf.int64),
        ),
    )
    mixup = keras_mixup.MixUp(1.0, num_classes=3, seed=4, jit_compile=False)
    mixed = dataset.batch(8).apply(mixup)
    for epoch in range(2):
        for i, (features, _) in enumerate(mixed):
            # Each pass over an unknown number of batches has 2**32 steps to itself.
            lam, partner = by_hand.draw(8, seed=4, step=2**32 * epoch + i)
            expected = by_hand.mixed(X[8 * i : 8 * i + 8], lam, partner)
            np.testing.assert_allclose(features, expected, atol=1e-5)


class Indexed(keras.utils.PyDataset):
    """Mixes batch i of epoch e by the draw of step e * S + i."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.epoch = -1

    def __len__(self):
        return 3

    def __getitem__(self, index):
        own = slice(8 * index, 8 * index + 8)
        mixup = keras_mixup.MixUp(1.0, num_classes=3, seed=4)
        # Keras looks at a batch before the first epoch begins.
        step = 3 * max(self.epoch, 0) + index
        x, y = mixup.at_step(step, (X[own], Y[own]))
        return np.asarray(x), np.asarray(y)

    def on_epoch_begin(self):
        self.epoch += 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_pydataset_with_workers(workers):
    network = by_hand.linear()
    network.compile(by_hand.still(), keras.losses.CategoricalCrossentropy(True))
    found = network.fit(Indexed(workers=workers), epochs=2, verbose=0)
    for epoch in range(2):
        losses = []
        for index in range(3):
            own = slice(8 * index, 8 * index + 8)
            lam, partner = by_hand.draw(8, seed=4, step=3 * epoch + index)
            logits = by_hand.outputs(network, by_hand.mixed(X[own], lam, partner))
            first, second = (
                by_hand.cross_entropies(logits, y) for y in (Y[own], Y[own][partner])
            )
            losses.append((lam * first + (1 - lam) * second).mean())
        assert found.history["loss"][epoch] == pytest.approx(np.mean(losses), abs=1e-5)


@pytest.mark.parametrize("label_mode", ["int", "categorical", "binary"])
def test_a_folder_of_images(tmp_path, label_mode):
    generator = np.random.default_rng(0)
    names = ["cat", "dog"] if label_mode == "binary" else ["cat", "dog", "owl"]
    for name in names:
        (tmp_path / name).mkdir()
        for i in range(4):
            image = generator.integers(0, 256, (6, 6, 3), dtype="uint8")
            keras.utils.save_img(tmp_path / name / f"{i}.png", image, scale=False)
    dataset = keras.utils.image_dataset_from_directory(
        tmp_path,
        label_mode=label_mode,
        image_size=(6, 6),
        batch_size=len(names) * 4,
        shuffle=False,
        verbose=False,
    )
    clean, labels = next(iter(dataset))
    classes = 3 if label_mode == "int" else None
    mixup = keras_mixup.MixUp(1.0, num_classes=classes, jit_compile=False)
    images, rows = next(iter(dataset.map(mixup, num_parallel_calls=2)))
    if label_mode == "categorical":
        labels = np.argmax(labels, -1)
    elif label_mode == "binary":
        labels = np.ravel(labels).astype(int)
        rows = np.concatenate([1 - rows, rows], axis=-1)
    check_mixed(images, rows, clean.numpy(), np.asarray(labels), len(names))


def test_tfds_as_supervised(tmp_path):
    tfds = pytest.importorskip(
        "tensorflow_datasets", reason="Needs the experiments extra."
    )

    class TinyPictures(tfds.core.GeneratorBasedBuilder):
        """Twelve pictures of three classes, made here."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Tensor(shape=(4, 4, 3), dtype=np.uint8),
                    "label": tfds.features.ClassLabel(num_classes=3),
                }
            )
            return self.dataset_info_from_configs(
                features=features, supervised_keys=("image", "label")
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            generator = np.random.default_rng(0)
            for i in range(12):
                image = generator.integers(0, 256, (4, 4, 3), dtype="uint8")
                yield i, {"image": image, "label": i % 3}

    builder = TinyPictures(data_dir=str(tmp_path))
    builder.download_and_prepare()
    mixup = keras_mixup.MixUp(1.0, num_classes=3, jit_compile=False)
    dataset = builder.as_dataset(split="train", as_supervised=True).batch(12)
    clean, labels = (part.numpy() for part in next(iter(dataset)))
    images, rows = next(iter(dataset.map(mixup)))
    assert images.dtype == tf.float32
    check_mixed(images, rows, clean, labels, 3)

    # As a dict its names are "image" and "label": mixed together or not at all.
    dataset = builder.as_dataset(split="train").batch(12)
    try:
        mixed = next(iter(dataset.map(mixup)))
    except ValueError as error:
        assert "'image', 'label'" in str(error)
    else:
        check_mixed(mixed["image"], mixed["label"], clean, labels, 3)
