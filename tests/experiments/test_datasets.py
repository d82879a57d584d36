"""The digits and their split, and what corruption does to labels."""

import collections

import numpy as np
import pytest
import scipy.stats
import sklearn.datasets

from experiments.data import corruption, digits

LABELS = np.random.default_rng(5).integers(10, size=20_000).astype("int32")


@pytest.fixture(scope="module")
def split():
    return digits.load_digits()


def test_digits_have_the_documented_shapes_and_dtypes(split):
    for (images, labels), size in zip(split, (digits.TRAIN, digits.TEST), strict=True):
        assert (images.shape, images.dtype) == ((size, 8, 8, 1), np.uint8)
        assert (labels.shape, labels.dtype) == ((size,), np.int32)
        assert set(labels) == set(range(digits.CLASSES))
    assert (digits.TRAIN, digits.TEST) == (1200, 597)


def test_every_scan_is_in_one_part_once_with_its_label(split):
    source = sklearn.datasets.load_digits()
    scans = zip(source.images.astype(int), source.target, strict=True)
    expected = collections.Counter((scan.tobytes(), label) for scan, label in scans)
    found = collections.Counter()
    for images, labels in split:
        # 17 gray levels, 255 / 16 apart.
        scans = np.rint(images[..., 0] * (16 / 255)).astype(int)
        found.update((scan.tobytes(), y) for scan, y in zip(scans, labels, strict=True))
    assert found == expected
    assert max(expected.values()) == 1


def test_the_grey_levels_are_spread_over_a_byte(split):
    (images, _), _ = split
    assert np.unique(images).tolist() == [round(n * 255 / 16) for n in range(17)]


def test_the_split_is_stratified(split):
    (_, train), (_, test) = split
    everything = np.bincount(np.concatenate([train, test]))
    for labels in (train, test):
        share = len(labels) / everything.sum()
        assert np.all(np.abs(np.bincount(labels) - share * everything) < 1)


def test_the_split_is_the_one_of_the_committed_results(split):
    for (images, labels), (again, same) in zip(
        split, digits.load_digits(), strict=True
    ):
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(labels, same)
    (_, train), (_, test) = split
    assert train[:12].tolist() == [9, 4, 1, 2, 4, 5, 6, 2, 2, 0, 2, 8]
    assert test[:12].tolist() == [1, 5, 4, 5, 9, 1, 8, 2, 9, 0, 6, 6]


@pytest.mark.parametrize("share", [0.2, 0.4, 0.8])
def test_the_chosen_share_is_binomial(share):
    _, chosen = corruption.corrupt_labels(LABELS, share, 10, seed=1)
    assert chosen.shape == LABELS.shape
    assert chosen.dtype == bool
    count = int(chosen.sum())
    assert scipy.stats.binomtest(count, len(LABELS), share).pvalue > 1e-3


def test_every_label_is_chosen_by_itself():
    masks = [corruption.corrupt_labels(LABELS, 0.4, 10, seed)[1] for seed in range(40)]
    counts = np.sum(masks, axis=0)
    observed = np.bincount(counts, minlength=41)
    law = scipy.stats.binom(40, 0.4)
    # Counts that are rare are taken together.
    expected = [law.cdf(8), *law.pmf(range(9, 24)), law.sf(23)]
    observed = [observed[:9].sum(), *observed[9:24], observed[24:].sum()]
    fit = scipy.stats.chisquare(observed, np.multiply(expected, len(LABELS)))
    assert fit.pvalue > 1e-3


def test_chosen_labels_are_uniform_over_all_classes_the_true_one_too():
    noisy, chosen = corruption.corrupt_labels(LABELS, 0.5, 10, seed=2)
    for true in range(10):
        drawn = noisy[chosen & np.equal(LABELS, true)]
        counts = np.bincount(drawn, minlength=10)
        assert len(counts) == 10
        assert scipy.stats.chisquare(counts).pvalue > 1e-3
    right = int(np.sum(noisy[chosen] == LABELS[chosen]))
    assert scipy.stats.binomtest(right, int(chosen.sum()), 0.1).pvalue > 1e-3


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_labels_that_are_not_chosen_stay_as_they_are(dtype):
    labels = LABELS.astype(dtype)
    noisy, chosen = corruption.corrupt_labels(labels, 0.4, 10, seed=3)
    np.testing.assert_array_equal(noisy[~chosen], LABELS[~chosen])
    np.testing.assert_array_equal(labels, LABELS)
    assert noisy.dtype == labels.dtype


def test_shares_of_0_and_1_choose_none_and_all():
    noisy, chosen = corruption.corrupt_labels(LABELS, 0.0, 10, seed=4)
    assert not chosen.any()
    np.testing.assert_array_equal(noisy, LABELS)
    assert corruption.corrupt_labels(LABELS, 1.0, 10, seed=4)[1].all()


def test_a_seed_gives_one_result_and_another_seed_another():
    first, again, other = (
        corruption.corrupt_labels(LABELS, 0.4, 10, seed) for seed in (6, 6, 7)
    )
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert np.any(first[1] != other[1])
    assert np.any(first[0] != other[0])
