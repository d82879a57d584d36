"""Keys and their bits against Philox4x32-10 written as its paper does."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import keys
from tests import oracles

WORD = 0xFFFFFFFF


def philox(counter, key):
    """One block: four words of a counter and two of a key give four words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (p1 >> 32) ^ c1 ^ k0,
            p1 & WORD,
            (p0 >> 32) ^ c3 ^ k1,
            p0 & WORD,
        )
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return c0, c1, c2, c3


def words(value, count):
    return [value >> 32 * i & WORD for i in range(count)]


def block(key, use, part, index):
    """Four words of the block `index` of a part of a use, under a key of 64 bits."""
    counter = index % 2**64 | (part | use << 32) << 64
    return philox(words(counter, 4), words(key % 2**64, 2))


def value(key):
    return int(key.numpy()[0])


def derived(key, use, part, index):
    """The key of 64 bits that is the first half of a block."""
    low, high, _, _ = block(key, use, part, index)
    return low | high << 32


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([WORD] * 4, [WORD] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_the_oracle_gives_the_known_answers_of_random123(counter, key, expected):
    assert list(philox(counter, key)) == expected


@pytest.mark.parametrize(
    ("seed", "mode"),
    [
        *((seed, "eager") for seed in (0, 7, -1, 2**31, 2**63 + 5)),
        *((seed, mode) for seed in (-1, 2**63 + 5) for mode in oracles.MODES[1:]),
    ],
)
def test_a_key_is_the_block_of_its_step_and_replica(seed, mode):
    for step, replica in ((0, 0), (5, 0), (2**31 - 1, 3), (2**40, 63)):

        def draw(step, replica):
            key = keys.make_key(seed, step, replica)
            return key, keys.fold_in(key, step), keys.random_bits(key, 501, [3, 3])

        found = oracles.run(mode, draw, np.int64(step), np.int32(replica))
        key = derived(seed, keys.Use.KEY, replica, step)
        assert list(found[0]) == [key]
        assert list(found[1]) == [derived(key, keys.Use.PART, 0, step)]
        blocks = [block(key, keys.Use.DRAW, 501, index) for index in range(3)]
        np.testing.assert_array_equal(found[2].ravel(), np.ravel(blocks)[:9])


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_numbers_and_tensors_stand_for_the_same(dtype):
    expected = keys.make_key(6, 9, 2)
    for seed in (6, tf.constant(6, dtype)):
        for step in (9, tf.constant(9, dtype)):
            for replica in (2, np.int32(2), tf.constant(2, dtype)):
                assert value(keys.make_key(seed, step, replica)) == value(expected)


def test_without_a_seed_every_key_is_another():
    compiled = tf.function(lambda: keys.make_key(None))
    drawn = {
        value(draw()) for draw in (compiled, lambda: keys.make_key(None)) for _ in "ab"
    }
    assert len(drawn) == 4
    tf.random.set_seed(3)
    first = value(keys.make_key(None))
    tf.random.set_seed(3)
    assert value(keys.make_key(None)) != first


def test_uniform_draws_are_the_midpoints_of_the_upper_24_bits():
    key = keys.make_key(1)
    bits = keys.random_bits(key, keys.Stream.NOISE, [50]).numpy().astype("int64")
    found = keys.uniform(key, keys.Stream.NOISE, [50]).numpy()
    np.testing.assert_array_equal(found, ((bits >> 8) + 0.5) / 2**24)


@pytest.mark.parametrize(
    "arguments",
    [
        {"seed": 2**64},
        {"seed": -(2**63) - 1},
        {"seed": 1.0},
        {"seed": True},
        {"step": 2**64},
        {"step": 2.5},
        {"step": tf.constant(2.0)},
        {"step": tf.constant([2, 3])},
        {"replica": -1},
        {"replica": 2**32},
        {"replica": 0.5},
    ],
)
def test_what_would_stand_for_another_key_is_told(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}`. Expected an integer"):
        keys.make_key(**{"seed": 1, **arguments})


@pytest.mark.parametrize("number", [-(2**63), -1, 2**31, 2**32 + 1, 2**63 - 1])
def test_numbers_of_64_bits_and_tensors_of_them_stand_for_the_same(number):
    expected = derived(number, keys.Use.KEY, 0, number)
    for form in (int, np.int64, np.array, lambda n: tf.constant(n, tf.int64)):
        assert value(keys.make_key(form(number), form(number))) == expected
    step = tf.Variable(number, dtype=tf.int64)
    assert value(keys.make_key(number, step)) == expected


def test_unsigned_numbers_of_64_bits():
    number = 2**63 + 3
    expected = derived(number, keys.Use.KEY, 0, number)
    for form in (int, np.uint64, lambda n: tf.constant(n, tf.uint64)):
        assert value(keys.make_key(form(number), form(number))) == expected


def test_a_draw_without_axes_is_the_first_of_several():
    key = keys.make_key(3)
    for shape in ([], (), tf.zeros([0], tf.int32)):
        one = keys.uniform(key, keys.Stream.CHOICE, shape)
        assert one.shape == ()
        assert one == keys.uniform(key, keys.Stream.CHOICE, [5])[0]


def test_the_count_of_numbers_is_of_64_bits():
    # 2**31 of them need 8 GB: the shape that the operation is given is looked at.
    key = keys.make_key(1)

    def operation(draw):
        function = tf.function(draw).get_concrete_function()
        inputs = {op.type: op for op in function.graph.get_operations()}
        return inputs["StatelessRandomUniformFullIntV2"].outputs[0].shape

    assert operation(lambda: keys.random_bits(key, 0, [2**20, 2**13])).as_list() == [
        2**20,
        2**13,
    ]
    assert operation(lambda: keys.normal(key, 0, [2**20, 2**13])).as_list() == [
        2,
        2**32,
    ]


@pytest.mark.parametrize("mode", oracles.MODES)
def test_one_number_has_no_sizes(mode):
    found = oracles.run(
        mode, lambda step: keys.random_bits(keys.make_key(3, step), 3, []), np.int64(5)
    )
    key = block(3, keys.Use.KEY, 0, 5)
    assert int(found) == block(key[0] | key[1] << 32, keys.Use.DRAW, 3, 0)[0]
