"""MixUp: the mask is the same number everywhere."""

import keras

from keras_mixup.policy import Policy


@keras.saving.register_keras_serializable("keras_mixup")
class MixUp(Policy):
    """Mixes a batch with a shuffled copy of itself (Zhang et al., 2018).

    `x~ = lam x_i + (1 - lam) x_j` and `y~ = lam y_i + (1 - lam) y_j` with
    `lam ~ Beta(alpha, alpha)`. Use it in a pipeline, as `dataset.apply(mixup)`, or give
    it to `MixUpModel`, whose train step follows it. Its settings stay as they are
    given.

    Examples:
        >>> mixup = keras_mixup.MixUp(alpha=1.0, num_classes=10)
        >>> ds = ds.batch(128).apply(mixup)

    Args:
        alpha: Float >= 0; or a schedule of the step (any serializable callable,
            such as `keras_mixup.AlphaSchedule`); or a `keras.Variable` or
            `tf.Variable` to assign to. 0 is ERM: nothing is mixed. The paper
            takes 1 for CIFAR and 0.1 to 0.4 for ImageNet.
        per: `"batch"`, one lam a batch as in the paper, or `"example"`.
        pairing: `"permutation"` (the paper), `"derangement"`, `"roll"`,
            `"reverse"`, `"same_class"`, or `"similar_target"` for regression; see
            `sample_partner`.
        examples: How many examples are mixed: with three or more the weights
            come from a symmetric Dirichlet law (section 2).
        targets: `"mix"`, or `"closer"`: the target of the heaviest example.
        num_classes: Number of classes of integer targets, which become float32
            one-hot rows. A last axis of so many integers or booleans is that of rows
            already; one of size one is always that of class numbers. A dict or list
            of numbers for several targets, None in it for one that is no class.
        label_smoothing: Float in [0, 1): `(1 - s) y + s / classes`, applied to
            one-hot targets: all, or those that a dict or list of `num_classes` names.
        probability: Probability that mixing happens, drawn per batch or per
            example as `per` says. With `per="example"` it may be one for each class, a
            sequence or a variable to assign to (see `CAMixUp`): example i is mixed with
            that of its class, and is itself otherwise, whoever its partner is.
        passthrough: Name or names of entries of x or y that pass as they are; in
            `MixUpModel`, which has a loss for each target, of x alone.
        seed: Integer, for draws that depend on (seed, step, replica) alone:
            `dataset.apply(mixup)` counts the steps. None draws anew at every
            call, whatever the global seed.
        ignore_class: An integer class without meaning (void). Its positions get
            weight 0; targets then come with a sample weight for each position.
        jit_compile: Whether the sums run as one fused XLA function inside a
            graph. A batch of a new shape compiles anew (one to two seconds).
        multi_label: Whether rows are of independent labels, each 0 or 1: they are
            smoothed as `(1 - s) y + s / 2`. A dict or list for several targets.
        pairing_target: Name of the target, of several, that `"same_class"`,
            `"similar_target"` or a probability for each class goes by.
        quantities: Name or names of integers in x that are amounts (uint16 images,
            counts) and are mixed as float32, or True for all; a lone x is `"x"`.
        keep_larger: Whether each example keeps the larger share, `max(lam, 1 - lam)`.
            Policies that paste regions round its region to positions afterwards.
        dtype: Floating dtype of mixed features, such as `"bfloat16"`; None keeps that
            of floats and makes uint8 float32. Sums are in float32 in any case.
        bandwidth: For `"similar_target"`: how far apart targets are alike, a number > 0
            in their unit, or one for each entry of a target. A dict of such by name is
            for several targets, which count together. `"auto"` is
            `neighbors.reference_bandwidth` of each batch's own targets.
        kernel: For `"similar_target"`: `"gaussian"`, `exp(-d**2 / 2)` at d bandwidths,
            or `"uniform"`, 1 up to one bandwidth.
        period: Number > 0 of float targets on a circle, such as 360 of degrees: they
            are mixed along the shorter arc, in [0, period), and `"similar_target"` goes
            by their chord. A dict or list for several targets, None in it for one that
            has none. Targets that are chosen, with `"closer"` or alpha 0, stay.
        padding: Where a mixed sequence counts: `"union"`, where one of its parts does,
            or `"intersection"`, where all parts of a share above 0 do. A part does
            where its sample weight is not 0, and where a mask of Keras has it.
        labels_getter: None, or a function of the batch that gives its labels: one entry
            of it, or a nest of entries. A batch may then have any structure, and comes
            back in it: all other entries are features, which are mixed unless they are
            named in `passthrough`. In the pipeline alone.
        label_rule: None: labels are shared as features are, by lam. Or the rule by
            which they are not, for one target of classes or independent labels of a
            whole example: `keras_mixup.Remix`; a function of (lam, y_i, y_j), of shapes
            (batch,) and (batch, classes) (one-hot rows, float32), that gives the share
            of y_i in [0, 1]; or, with `multi_label=True`, `"union"`: `max(y_i, y_j)` of
            all parts of a share above 0, for sounds that are heard whatever their
            share. A sample weight goes by the share of its label, and with `"union"` by
            that of its example.
        beta: Number > 0 beside an alpha that is one: `lam ~ Beta(alpha, beta)`, whose
            mean is `alpha / (alpha + beta)`. It is for two batches that are not alike,
            mixed with `between`: Balanced-MixUp (Galdran et al., 2021) has beta 1 and
            alpha 0.1 to 0.3, and lam is the share of the balanced batch. None: alpha.

    Call arguments:
        A `tf.data.Dataset` of batches: the dataset of mixed ones, in the same order
        and number, each epoch with draws of its own, in parallel. Batch i of epoch e
        is `at_step(e S + i, batch)`, with S batches an epoch; `count_steps` says how
        epochs are counted. Without a seed one is taken from Python's generator
        (`keras.utils.set_random_seed`), once for each dataset.

        Or one batch, which draws anew at every call. With a seed or a schedule eager
        calls are the steps 0, 1, 2 and so on: in one thread, else give the step
        (`at_step`).

        Batches `(x, y)`, `(x, y, sample_weight)`, or dicts with `"images"` and
        any of `"labels"`, `"targets"`, `"segmentation_masks"`, `"bounding_boxes"`,
        `"sample_weight"`, in the singular too; other entries of a dict pass
        untouched, unless they are named like a target, which raises. x, y and
        weights may be nests. All first axes are the batch. Floats keep their
        dtype, uint8 becomes float32. Weights: an example weighs
        `lam w_i + (1 - lam) w_j`, see `keras_mixup.targets`.

    Raises:
        ValueError: for arguments or batches that cannot be mixed. A label out
            of range raises `tf.errors.InvalidArgumentError` at its batch.
    """
