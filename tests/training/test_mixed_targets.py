"""The parts of a mixed target, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.training.mixed_targets import parts_of


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_part_whose_share_is_0_leaves_no_trace(jit_compile):
    nan, inf = np.nan, np.inf
    tensor = np.array([[1.0], [nan], [3.0], [inf]], "float32")
    partners = [[1, 0, 0, 2], [3, 2, 1, 0]]
    shares = [[0.5, 0.0, 1.0, 0.0], [0.0, 0.25, 0.0, 1.0], [0.5, 0.75, 0.0, 0.0]]
    find = tf.function(parts_of, jit_compile=jit_compile)
    found = find(
        tf.constant(tensor),
        [tf.constant(partner) for partner in partners],
        [tf.constant(share) for share in shares],
    )
    first, second, third = (np.ravel(part) for part in found)
    np.testing.assert_array_equal(first, [1, 3, 3, 3])
    np.testing.assert_array_equal(second, [1, 1, 3, 3])
    np.testing.assert_array_equal(third, [inf, 3, 3, 3])
