"""One draw: the weights and partners with which a batch is mixed."""

import math
import numbers
import typing

import tensorflow as tf

from keras_mixup import hints, sampling

PER = typing.get_args(hints.Per)


class Draw(typing.NamedTuple):
    """With what a batch is mixed: K examples for each one, themselves the first.

    Attributes:
        coefficients: The K shares of the labels, each () or (batch,). Without masks
            they are the weights of the features as well.
        partners: K - 1 index tensors (batch,).
        masks: K tensors (1 or batch, ...) whose further axes are those of a tensor of
            features from its second on, of size one where all positions are alike;
            None where all positions share alike. Booleans choose one of the K for each
            position; floats are its weights.
        regions: The K - 1 `regions.Region` from which the masks are made, or None.
        grid: The `grids.Grid` of the masks, or None.
        choices: None, or in a policy that chooses among others, for each of them
            whether it is chosen, () or (batch,), and its own draw.
    """

    coefficients: list
    partners: list
    masks: list | None = None
    regions: list | None = None
    grid: tuple | None = None
    choices: list | None = None

    def only_if(self, condition):
        """This draw where the condition holds, else one that mixes nothing.

        It is for draws that have no masks yet.
        """
        own, *others = self.coefficients
        kept = [tf.where(condition, own, tf.ones_like(own))]
        kept += [tf.where(condition, c, tf.zeros_like(c)) for c in others]
        choices = self.choices and [
            (chosen, one.only_if(condition)) for chosen, one in self.choices
        ]
        return self._replace(coefficients=kept, choices=choices)

    def without_positions(self):
        """What a compiled function hands on: masks as they are, regions as boxes."""
        choices = self.choices and [
            (chosen, one.without_positions()) for chosen, one in self.choices
        ]
        regions = self.regions and [
            region._replace(mask=None, sources=None, covered=None)
            for region in self.regions
        ]
        grid = self.grid and self.grid._replace(axes=())
        return self._replace(regions=regions, choices=choices, grid=grid)


def draw(
    batch_size,
    key,
    alpha,
    per="batch",
    examples=2,
    probability=1.0,
    pairing="permutation",
    labels=None,
    keep_larger=False,
    kernel="gaussian",
    beta=None,
):
    """Draws for one batch: a pure function of its arguments.

    Args:
        batch_size: Integer or scalar tensor.
        key: As `keys.make_key` gives it.
        alpha: Float >= 0 or a scalar tensor.
        per: "batch" or "example", the unit of weights and probability.
        examples: How many examples are mixed.
        probability: Probability that a unit is mixed at all: a number, or a tensor of
            one an example, in which NaN makes weights NaN.
        pairing: As in `sample_partner`, or None for no partners.
        labels: Labels, for pairing "same_class", or rows of targets in units of the
            bandwidth, for "similar_target".
        keep_larger: Whether the first weight is the largest of the drawn ones.
        kernel: As in `sample_partner`.
        beta: The second parameter of the law of two weights, a number; None: alpha.

    Returns:
        A `Draw`.
    """
    shape = () if per == "batch" else (batch_size,)
    weights = sampling.weights_of(key, alpha, shape, examples, beta)
    if keep_larger:
        weights = tf.sort(weights, direction="DESCENDING")
    of_examples = tf.is_tensor(probability)
    if of_examples or probability < 1:
        apply = sampling.apply_of(key, probability, shape)[..., tf.newaxis]
        weights = tf.where(apply, weights, tf.one_hot(0, examples))
    if of_examples:
        unknown = tf.math.is_nan(probability)[..., tf.newaxis]
        weights = tf.where(unknown, math.nan, weights)
    partners = []
    if pairing is not None:
        partners = sampling.partners_of(
            key, batch_size, examples, pairing, labels, kernel
        )
    return Draw(tf.unstack(weights, examples, axis=-1), partners)


def check_beta(beta, alpha, examples):
    """Raises unless it is None, or Beta(alpha, beta) a law of two weights."""
    if beta is None:
        return
    for name, value in (("beta", beta), ("alpha", alpha)):
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not (number and 0 < value < math.inf):
            raise ValueError(
                f"Invalid value received for argument `{name}`. Expected finite "
                "numbers > 0 for lam ~ Beta(alpha, beta); a schedule or an alpha of 0 "
                f"goes with beta=None alone. Received: alpha={alpha!r}, beta={beta!r}"
            )
    if examples != 2:
        raise ValueError(
            "Three weights and more are of a symmetric law. Expected beta=None, or "
            f"examples=2. Received: beta={beta}, examples={examples}"
        )


def draws_at(names, draw, key):
    """The draw at each of several places: of them all, one mixes and it is drawn."""
    if len(names) == 1:
        return {names[0]: draw}
    chosen = sampling.choice_of(key, len(names))
    return {name: draw.only_if(chosen == i) for i, name in enumerate(names)}
