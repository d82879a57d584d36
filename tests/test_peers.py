"""The faults of other implementations: here each has the right answer or an error.

The letters stand for the rows of docs/peers.md, and more of keras.layers 3.15;
what happens there is said in each test.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests import oracles

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((8, 4, 4, 3)).astype("float32")
Y = np.eye(8, dtype="float32")


def layer(alpha=1.0, **kwargs):
    # XLA, which takes a second for each map, has a test of its own below.
    return keras_mixup.layers.MixUp(alpha=alpha, jit_compile=False, **kwargs)


def in_map(mixer, batch):
    """The batch after `Dataset.map`, as it comes out of it."""
    return next(iter(tf.data.Dataset.from_tensors(batch).map(mixer)))


def explained(mixed):
    """(lam, partner) of rows that were one-hot and all different: read off them."""
    mixed = np.asarray(mixed)
    lam = np.diag(mixed).copy()
    others = mixed - np.diag(lam)
    partner = np.where(lam > 1 - 1e-6, np.arange(len(lam)), others.argmax(-1))
    return lam, partner


def test_a_alpha_zero_is_erm():
    # There every weight is 0.5.
    mixed = layer(0.0)({"images": X, "labels": Y})
    np.testing.assert_array_equal(mixed["images"], X)
    np.testing.assert_array_equal(mixed["labels"], Y)


def test_a_small_alpha_has_no_weight_of_one_half():
    # There 17.6 % of the weights are exactly 0.5 at alpha 0.01.
    batch = {"images": np.zeros((100_000, 1), "float32"), "labels": None}
    batch["labels"] = np.eye(2, dtype="float32")[np.arange(100_000) % 2]
    mixed = layer(0.01, pairing="roll")(batch)["labels"].numpy()
    assert np.mean(np.abs(mixed - 0.5) < 1e-4) < 1e-4
    # Nearly all weights are 0 or 1: P(lam in (.01, .99)) = 0.0442 by scipy.
    assert 0.042 < np.mean((mixed[:, 0] > 0.01) & (mixed[:, 0] < 0.99)) < 0.047


@pytest.mark.parametrize("mapped", [False, True])
def test_b_vectors_of_float_labels_stay_vectors(mapped):
    # There they come back (8, 8), silently.
    batch = {"images": X, "labels": np.arange(8, dtype="float32")}
    mixer = layer(pairing="roll")
    mixed = in_map(mixer, batch) if mapped else mixer(batch)
    labels = mixed["labels"].numpy()
    assert labels.shape == (8,)
    own, before = np.arange(8), np.roll(np.arange(8), 1)
    lam = (labels - before) / (own - before)
    expected = oracles.mix(X, lam, before)
    np.testing.assert_allclose(mixed["images"], expected, atol=1e-5)


def test_b_labels_of_rank_three_keep_their_shape():
    # There (8, 1, 8) comes back (8, 8, 8).
    mixed = layer()({"images": X, "labels": Y[:, None]})
    lam, partner = explained(mixed["labels"][:, 0])
    np.testing.assert_allclose(mixed["images"], oracles.mix(X, lam, partner), atol=1e-5)


def test_b_labels_of_sequences_are_mixed_along_the_batch():
    # There, with as many steps as examples, lam applies along the steps.
    labels = GENERATOR.random((8, 8, 5)).astype("float32")
    mixed = layer()({"images": X, "labels": labels, "segmentation_masks": Y})
    lam, partner = explained(mixed["segmentation_masks"])
    expected = oracles.mix(labels, lam, partner)
    np.testing.assert_allclose(mixed["labels"], expected, atol=1e-5)


@pytest.mark.parametrize("mapped", [False, True])
def test_c_segmentation_masks_are_mixed(mapped):
    # There (8, 4, 4, 1) comes back (8, 4, 4, 8), or crashes in tf.data.
    masks = GENERATOR.random((8, 4, 4, 1)).astype("float32")
    batch = {"images": X, "labels": Y, "segmentation_masks": masks}
    mixed = in_map(layer(), batch) if mapped else layer()(batch)
    lam, partner = explained(mixed["labels"])
    expected = oracles.mix(masks, lam, partner)
    np.testing.assert_allclose(mixed["segmentation_masks"], expected, atol=1e-5)


@pytest.mark.parametrize("mapped", [False, True])
def test_d_boxes_and_labels_fit_together(mapped):
    # There the labels come back (16, 2) for boxes (8, 4, 4).
    boxes = GENERATOR.random((8, 2, 4)).astype("float32")
    classes = np.arange(16, dtype="float32").reshape(8, 2)
    batch = {
        "images": X,
        "labels": Y,
        "bounding_boxes": {"boxes": boxes, "labels": classes},
    }
    mixer = layer(pairing="roll")
    mixed = in_map(mixer, batch) if mapped else mixer(batch)
    found = mixed["bounding_boxes"]
    lam, partner = explained(mixed["labels"])
    np.testing.assert_array_equal(partner, np.roll(np.arange(8), 1))
    for i in range(8):
        np.testing.assert_array_equal(found["boxes"][i, :2], boxes[i])
        np.testing.assert_array_equal(found["boxes"][i, 2:], boxes[i - 1])
        np.testing.assert_array_equal(found["labels"][i, 2:], classes[i - 1])
        weights = [lam[i], lam[i], 1 - lam[i], 1 - lam[i]]
        np.testing.assert_allclose(found["weights"][i], weights, atol=1e-6)


def test_e_it_compiles_under_xla():
    # There XLA has no kernel for the Gamma sampler.
    mixed = tf.function(layer(), jit_compile=True)({"images": X, "labels": Y})
    lam, partner = explained(mixed["labels"])
    np.testing.assert_allclose(mixed["images"], oracles.mix(X, lam, partner), atol=1e-5)
    assert len(set(lam)) > 1


def test_f_sequences_are_batches_and_not_one_image():
    # There (8, 16, 4) comes back unmixed, silently.
    sequences = GENERATOR.random((8, 16, 4)).astype("float32")
    mixed = layer(pairing="derangement")({"images": sequences, "labels": Y})
    lam, partner = explained(mixed["labels"])
    expected = oracles.mix(sequences, lam, partner)
    np.testing.assert_allclose(mixed["images"], expected, atol=1e-5)
    assert np.abs(mixed["images"].numpy() - sequences).max() > 0.01


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("mapped", [False, True])
def test_g_mixed_precision_works(policy, mapped):
    # There it raises InvalidArgumentError.
    keras.config.set_dtype_policy(policy)
    batch = {"images": X, "labels": Y}
    mixed = in_map(layer(), batch) if mapped else layer()(batch)
    assert mixed["images"].dtype == policy.removeprefix("mixed_")
    assert mixed["labels"].dtype == "float32"
    lam, partner = explained(mixed["labels"])
    images = tf.cast(mixed["images"], "float32")
    np.testing.assert_allclose(images, oracles.mix(X, lam, partner), atol=1e-2)


def test_h_replicas_draw_differently():
    # There all replicas draw the same weights.
    strategy = oracles.two_replicas()
    policy = keras_mixup.MixUp(1.0, seed=1)

    def draw():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        _, y = policy.at_step(0, (X, Y), replica=replica)
        return y

    one, other = strategy.experimental_local_results(strategy.run(draw))
    assert np.abs(one.numpy() - other.numpy()).max() > 0.01


def test_i_a_seeded_parallel_map_is_the_serial_one():
    # There 0 of 8 runs equal the serial one.
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).repeat(12).batch(8)
    policy = keras_mixup.MixUp(0.4, per="example", seed=4, jit_compile=False)
    numbered = dataset.apply(keras_mixup.count_steps)
    serial = [y.numpy() for _, y in numbered.map(policy.at_step)]
    for _ in range(2):
        numbered = dataset.apply(keras_mixup.count_steps)
        parallel = numbered.map(policy.at_step, num_parallel_calls=8)
        np.testing.assert_array_equal([y.numpy() for _, y in parallel], serial)


def test_i_a_seeded_layer_in_a_map_says_what_to_write():
    with pytest.raises(ValueError, match=r"dataset.apply\(mixup\)"):
        in_map(layer(seed=1), {"images": X, "labels": Y})


def test_j_as_a_layer_inside_a_model_it_raises():
    # There it mixes x and not y, silently.
    with pytest.raises(ValueError, match="keras_mixup.MixUpModel"):
        layer()(keras.Input((4, 4, 3)))
    with pytest.raises(ValueError, match="keras_mixup.MixUpModel"):
        keras.Sequential([keras.Input((4, 4, 3)), layer(), keras.layers.Flatten()])
    with pytest.raises(ValueError, match="keras_mixup.MixUpModel"):
        layer()({"images": keras.Input((4, 4, 3))})


@pytest.mark.parametrize("mapped", [False, True])
def test_k_other_entries_pass_untouched(mapped):
    # There all are cast to float32, which turns 2**24 + 1 into 2**24.
    extra = {
        "id": np.arange(8) + 2**24 + 1,
        "name": np.array([f"image {i}" for i in range(8)]),
        "aux": np.arange(8, dtype="float64"),
        "text": tf.ragged.constant([[i] * i for i in range(8)]),
    }
    batch = {"images": X, "labels": Y, **extra}
    mixed = in_map(layer(), batch) if mapped else layer()(batch)
    for name in ("id", "name", "aux"):
        found = tf.convert_to_tensor(mixed[name])
        assert found.dtype == tf.convert_to_tensor(extra[name]).dtype
        np.testing.assert_array_equal(found, tf.convert_to_tensor(extra[name]))
    assert mixed["text"].to_list() == extra["text"].to_list()


def cutter(**kwargs):
    return keras_mixup.layers.CutMix(jit_compile=False, pairing="roll", **kwargs)


def test_l_cutmix_shares_labels_by_the_pixels_that_are_pasted():
    # In Keras the shares are those before rounding, off by up to 0.12 here; in KerasCV
    # those before clipping, off by up to 0.63.
    numbers = np.arange(64, dtype="float32")
    images = np.tile(numbers[:, None, None, None], (1, 16, 16, 1))
    for seed in range(20):
        mixer = cutter(seed=seed)
        mixed = mixer({"images": images, "labels": np.eye(64, dtype="float32")})
        pixels = np.asarray(mixed["images"]).reshape(64, -1)
        shares = [np.bincount(row.astype(int), minlength=64) / 256 for row in pixels]
        np.testing.assert_allclose(mixed["labels"], shares, atol=1e-6)


def test_m_cutmix_cuts_masks_as_the_images():
    # In Keras masks take the channels of the image and its dtype.
    masks = (X[..., :1] * 100).astype("int32")
    batch = {"images": X, "labels": Y, "segmentation_masks": masks}
    mixed = in_map(cutter(), batch)
    found = np.asarray(mixed["segmentation_masks"])
    assert (found.shape, found.dtype) == ((8, 4, 4, 1), np.int32)
    images = np.asarray(mixed["images"])
    np.testing.assert_array_equal(found, (images[..., :1] * 100).astype("int32"))


def test_n_cutmix_has_the_boxes_of_both_images():
    # Keras raises NotImplementedError; in KerasCV the boxes stay as they were.
    boxes = np.tile(np.array([0, 0, 4, 4], "float32"), (8, 1, 1))
    given = {"boxes": boxes, "labels": np.arange(8, dtype="float32")[:, np.newaxis]}
    mixer = cutter(bounding_box_format="xyxy", min_visibility=0.0)
    mixed = in_map(mixer, {"images": X, "labels": Y, "bounding_boxes": given})
    found, rows = mixed["bounding_boxes"], np.asarray(mixed["labels"])
    of_both = np.asarray(found["labels"]).astype(int)
    own = np.arange(8)
    both = np.stack([own, np.roll(own, 1)], axis=1)
    # A box of the whole image is left by its image's share, and gone at a share of 0.
    shares = np.take_along_axis(rows, both, axis=1)
    # The boxes that are left come first.
    order = np.argsort(shares == 0, axis=1, kind="stable")
    left = np.take_along_axis(np.where(shares > 0, both, -1), order, axis=1)
    np.testing.assert_array_equal(of_both, left)
    shares = np.take_along_axis(shares, order, axis=1)
    np.testing.assert_allclose(found["weights"], shares, atol=1e-6)


def test_odd_batches_batches_of_one_and_batches_of_two():
    # Others raise, leave the middle example alone, or the pair in half of the draws.
    for size in (1, 2, 3, 7):
        batch = {"images": X[:size], "labels": Y[:size]}
        mixed = layer(pairing="derangement")(batch)
        assert mixed["images"].shape == (size, 4, 4, 3)
        _, partner = explained(mixed["labels"].numpy()[:, :size])
        if size > 1:
            assert (partner != np.arange(size)).all()


def test_the_callers_arrays_are_not_changed():
    # timm mixes in place.
    x, y = X.copy(), Y.copy()
    keras_mixup.MixUp()(x, y)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
