"""One draw: the weights and partners with which a batch is mixed."""

import typing

import tensorflow as tf

from keras_mixup import sampling

PER = ("batch", "example")


class Draw(typing.NamedTuple):
    """Weights of the K examples, each () or (batch,), and K - 1 partners."""

    coefficients: list
    partners: list

    def only_if(self, condition):
        """This draw where the condition holds, else one that mixes nothing."""
        own, *others = self.coefficients
        kept = [tf.where(condition, own, tf.ones_like(own))]
        kept += [tf.where(condition, c, tf.zeros_like(c)) for c in others]
        return self._replace(coefficients=kept)


def draw(
    batch_size,
    key,
    alpha,
    per="batch",
    examples=2,
    probability=1.0,
    pairing="permutation",
    labels=None,
):
    """Draws for one batch: a pure function of its arguments.

    Args:
        batch_size: Integer or scalar tensor.
        key: As `keys.make_key` gives it.
        alpha: Float >= 0 or a scalar tensor.
        per: "batch" or "example", the unit of weights and probability.
        examples: How many examples are mixed.
        probability: Probability that a unit is mixed at all.
        pairing: As in `sample_partner`, or None for no partners.
        labels: Labels, for pairing "same_class".

    Returns:
        A `Draw`.
    """
    shape = () if per == "batch" else (batch_size,)
    weights = sampling.weights_of(key, alpha, shape, examples)
    if probability < 1:
        apply = sampling.apply_of(key, probability, shape)[..., tf.newaxis]
        weights = tf.where(apply, weights, tf.one_hot(0, examples))
    partners = []
    if pairing is not None:
        partners = sampling.partners_of(key, batch_size, examples, pairing, labels)
    return Draw(tf.unstack(weights, examples, axis=-1), partners)


def draws_at(names, draw, key):
    """The draw at each of several places: of them all, one mixes and it is drawn."""
    if len(names) == 1:
        return {names[0]: draw}
    chosen = sampling.choice_of(key, len(names))
    return {name: draw.only_if(chosen == i) for i, name in enumerate(names)}
