"""The convex combination of any nest of tensors."""

from __future__ import annotations

from typing import get_args

import keras
import tensorflow as tf

from keras_mixup import hints

# Where a mixed sequence is: where one of its parts is, or where all of them are.
PADDINGS = get_args(hints.Padding)


@hints.not_converted
def mix(
    nest: hints.Nest, lam: hints.TensorLike, partner: hints.TensorLike
) -> hints.Nest:
    """Mixes each example with its partner: `lam x_i + (1 - lam) x_partner[i]`.

    Equation of section 2 of Zhang et al. (2018), for every tensor of a nest.
    The sums are computed in float32 (float64 for float64 tensors). lam = 1
    gives the examples and lam = 0 the partners exactly, for finite values.

    Args:
        nest: A tensor, or any nest of tensors, of rank >= 1 whose first axis
            is the batch. Float tensors keep their dtype; uint8 becomes float32.
        lam: Float32 tensor of shape `()`, one weight for the batch, or
            `(batch_size,)`, one for each example.
        partner: Integer tensor of shape `(batch_size,)`.

    Returns:
        The nest, mixed. Shapes are those of the input.

    Raises:
        ValueError: for scalars, for tensors of another dtype, for a lam or a
            partner whose shape would broadcast, for batch sizes that differ.
    """
    nest = keras.tree.map_structure(tf.convert_to_tensor, nest)
    leaves = keras.tree.flatten(nest)
    lam = tf.convert_to_tensor(lam)
    partner = tf.convert_to_tensor(partner)
    for leaf in leaves:
        check_mixable(leaf, "nest")
    _check_rank("lam", lam, (0, 1))
    _check_rank("partner", partner, (1,))
    check_batch_sizes([*leaves, partner] + ([lam] if lam.shape.rank else []))
    return mix_parts(gather_parts([nest], [partner]), [lam, 1 - lam])


def convex_combination(parts, coefficients, dtype=None):
    """`sum_k c_k x_k` in float32 at least; c_k broadcasts to the right of x_k.

    The coefficients sum to 1: that of a single part is 1, and it passes as it is. What
    weighs zero leaves no trace: its infinities and NaN are not part of the sum.
    The result has the given dtype; by default that of the parts, and float32 of
    integers.
    """
    own = parts[0].dtype if parts[0].dtype.is_floating else tf.float32
    dtype = own if dtype is None else tf.as_dtype(dtype)
    if len(parts) == 1:
        return tf.cast(parts[0], dtype)
    compute = tf.float64 if tf.float64 in (own, dtype) else tf.float32
    axes = max(coefficient.shape.rank for coefficient in coefficients)
    if compute == tf.float64:
        coefficients = _summing_to_one(coefficients)
    total = None
    for part, coefficient in zip(parts, coefficients, strict=True):
        part = flattened(part, axes)
        coefficient = expand_to_rank(tf.cast(coefficient, compute), part.shape.rank)
        term = tf.math.multiply_no_nan(tf.cast(part, compute), coefficient)
        total = term if total is None else total + term
    return shaped_like(tf.cast(total, dtype), parts[0])


def _summing_to_one(coefficients):
    """The coefficients in float64. The largest one takes what float32 has rounded.

    Of two, lam and 1 - lam, lam stays as it is.
    """
    rank = max(coefficient.shape.rank for coefficient in coefficients)
    wide = [expand_to_rank(tf.cast(c, tf.float64), rank) for c in coefficients]
    missing = 1 - sum(wide)
    largest = tf.argmax(tf.stack([c + 0 * missing for c in wide]), axis=0)
    return [
        tf.where(largest == k, coefficient + missing, coefficient)
        for k, coefficient in enumerate(wide)
    ]


def flattened(tensor, axes=1):
    """One axis in place of all behind the first ones: of a batch, rows.

    XLA's inner loop runs over the last axis: over 3 colors it is up to a quarter
    slower than over all pixels.
    """
    if tensor.shape.rank <= axes + 1:
        return tensor
    # A row may hold more numbers than an int32 counts.
    shape, static = tf.shape(tensor, tf.int64), tensor.shape
    rows = tf.reshape(tensor, [*tf.unstack(shape[:axes]), tf.reduce_prod(shape[axes:])])
    return tf.ensure_shape(rows, [*static[:axes], static[axes:].num_elements()])


def shaped_like(rows, tensor):
    """The way back from `flattened`."""
    if rows.shape.rank == tensor.shape.rank:
        return tf.ensure_shape(rows, tensor.shape)
    return tf.ensure_shape(tf.reshape(rows, tf.shape(tensor, tf.int64)), tensor.shape)


def gather_parts(parts, partners):
    """The K nests that are mixed: those given, or one and its partners."""
    rest = [
        keras.tree.map_structure(
            lambda leaf, p=p: None if leaf is None else tf.gather(leaf, p), parts[0]
        )
        for p in partners
    ]
    return [*parts, *rest]


def mix_parts(parts, coefficients):
    """The convex combination of K nests of tensors, leaf by leaf; None stays None."""

    def combined(*leaves):
        return None if leaves[0] is None else convex_combination(leaves, coefficients)

    return keras.tree.map_structure(combined, *parts)


def mix_masked(parts, masks, coefficients, padding="union"):
    """The convex combination of those parts that a boolean mask (batch, ...) keeps.

    `sum_k c_k m_k x_k / sum_k c_k m_k`: padding weighs nothing. Where no part is kept,
    it is the first part. With "intersection" it is the first part that is padding,
    where there is one of a coefficient above 0.
    """
    rank = masks[0].shape.rank
    present = [
        expand_to_rank(tf.cast(coefficient, tf.float32), rank)
        * tf.cast(mask, tf.float32)
        for coefficient, mask in zip(coefficients, masks, strict=True)
    ]
    total = tf.add_n(present)
    shares = [tf.math.divide_no_nan(one, total) for one in present]
    shares[0] = tf.where(total > 0, shares[0], 1.0)
    if padding == "intersection":
        absent = tf.cast(tf.stack(absences(coefficients, masks)), tf.int32)
        first, missing = tf.argmax(absent, axis=0), tf.reduce_max(absent, axis=0) > 0
        shares = [
            tf.where(missing, tf.cast(first == k, tf.float32), share)
            for k, share in enumerate(shares)
        ]
    return convex_combination(parts, shares)


def absences(coefficients, masks):
    """For each part where it is missing: its coefficient is above 0, its mask false."""
    return [
        expand_to_rank(coefficient > 0, mask.shape.rank) & ~mask
        for coefficient, mask in zip(coefficients, masks, strict=True)
    ]


def mixed_dtype(dtype):
    """The dtype of a mixed tensor: its own, or float32 for uint8."""
    return tf.float32 if dtype == tf.uint8 else dtype


def expand_to_rank(tensor, rank):
    """Appends axes of size one; a scalar stays a scalar."""
    if tensor.shape.rank == 0 or tensor.shape.rank >= rank:
        return tensor
    for _ in range(rank - tensor.shape.rank):
        tensor = tensor[..., tf.newaxis]
    return tensor


def as_tensor(leaf):
    """The leaf as a tensor, which may be ragged or sparse."""
    if isinstance(leaf, (tf.RaggedTensor, tf.SparseTensor)):
        return leaf
    return tf.convert_to_tensor(leaf)


def check_mixable(tensor, name, is_quantity=False, averages=True):
    """Raises unless the tensor is a batch of floats or of uint8.

    Integers that are said to be a quantity are mixed too, and where nothing is averaged
    all integers and booleans are.
    """
    if isinstance(tensor, tf.RaggedTensor):
        raise ValueError(
            f"Examples of several sizes received for `{name}`. Expected one size: pad "
            "or resize them before they are batched, as tf.image.resize_with_pad and "
            "Dataset.padded_batch do, or name the entry in `passthrough`. Received: a "
            "RaggedTensor"
        )
    if isinstance(tensor, tf.SparseTensor):
        raise ValueError(
            f"Sparse examples received for `{name}`. Expected a dense tensor, as "
            "tf.sparse.to_dense gives in Dataset.map, or the entry's name in "
            "`passthrough`. Received: a SparseTensor"
        )
    check_rank_known(tensor, name)
    amount = tensor.dtype == tf.uint8 or (is_quantity and tensor.dtype.is_integer)
    amount |= not averages and (tensor.dtype.is_integer or tensor.dtype.is_bool)
    if tensor.dtype.is_floating or amount:
        if tensor.shape.rank == 0:
            raise ValueError(_scalar(name))
        return
    kind = f"dtype {tensor.dtype.name}"
    if not averages:
        raise ValueError(
            f"Invalid dtype received for `{name}`. Expected a dense tensor of numbers "
            f"or booleans, which can be cut. Received: {kind}. If it is to pass as it "
            "is, name it in `passthrough`."
        )
    instead = "If it is a quantity, cast it to a float or name it in "
    instead += "MixUp(quantities=...); if"
    if kind == "dtype bool":
        instead = "A mask of positions is mixed behind a layer of the network that "
        instead += "gives it to Keras (docs/hidden_layers.md). If"
    raise ValueError(
        f"Invalid dtype received for `{name}`. Expected floats or uint8, which can be "
        f"mixed. Received: {kind}. {instead} it is to pass as it is, name it in "
        "MixUp(passthrough=...). Token ids and texts are mixed behind their Embedding, "
        "by `mix_at`, and ids are cut by keras_mixup.CutMix."
    )


def check_rank_known(tensor, name):
    """Raises where a tensor does not say how many axes it has."""
    if tensor.shape.rank is None:
        raise ValueError(
            f"Unknown rank of `{name}`. Expected a tensor whose rank is known: call "
            "`set_shape` on what tf.numpy_function or tf.py_function gives."
        )


def check_batch_sizes(tensors, names=None):
    """Raises unless all first axes are equal: now, or where the graph runs."""
    names = names or [f"tensor {index}" for index in range(len(tensors))]
    for tensor, name in zip(tensors, names, strict=True):
        check_rank_known(tensor, name)
        if tensor.shape.rank == 0:
            raise ValueError(_scalar(name))
    sizes = [_batch_size(tensor) for tensor in tensors]
    known = {name: n for name, n in zip(names, sizes, strict=True) if n is not None}
    if len(set(known.values())) > 1:
        raise ValueError(
            "Batch sizes differ. Expected the same size of the first axis "
            "everywhere, which is the batch: call `batch` before you mix. "
            f"Received: {known}"
        )
    if len(known) == len(tensors) or len(tensors) < 2:
        return
    dynamic = [batch_size_of(tensor) for tensor in tensors]
    for name, size in zip(names[1:], dynamic[1:], strict=True):
        tf.debugging.assert_equal(
            size,
            dynamic[0],
            "Batch sizes differ. Expected the same size of the first axis "
            f"everywhere. Received other sizes for {names[0]} and {name}",
        )


def batch_size_of(tensor):
    """The batch size: an integer where it is static, else a tensor."""
    static = _batch_size(tensor)
    if static is not None:
        return static
    if isinstance(tensor, tf.RaggedTensor):
        return tf.cast(tensor.nrows(), tf.int32)
    return tf.shape(tensor)[0]


def _batch_size(tensor):
    return tensor.shape[0] if tensor.shape.rank else None


def _scalar(name):
    return (
        f"Invalid shape received for `{name}`. Expected a batch: a tensor of rank 1 or "
        "more whose first axis is the batch. Received: a scalar. Call `batch` on the "
        "dataset before you mix."
    )


def _check_rank(name, tensor, ranks):
    if tensor.shape.rank not in ranks:
        expected = " or ".join(["()", "(batch_size,)"][rank] for rank in ranks)
        raise ValueError(
            f"Invalid shape received for argument `{name}`. Expected {expected}; "
            f"any other would broadcast. Received: shape {tensor.shape}"
        )
