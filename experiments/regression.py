"""One run of a regression: batches, network, mixing and optimizer come together.

The error is the squared one, of the mixed target in its own unit. A run is measured
after each epoch on the part that validates and on the test part; what counts is the
test part at the epoch of the least validation error. An incomplete batch is dropped.
"""

import dataclasses
import functools

import keras
import tensorflow as tf

import keras_mixup
from experiments import measures
from experiments.data import pipeline
from experiments.engine import fit
from experiments.engine.course import Epochs


@dataclasses.dataclass(frozen=True)
class Method:
    """How a row mixes: whom, and where.

    Attributes:
        partners: "none" (ERM), "batch" (any of the batch), "neighbors" (the nearest
            inputs of the whole set), "similar" (by the kernel of the targets in the
            whole set) or "similar_in_batch" (in the batch and one more).
        hidden: Whether behind the network's first block, instead of at the input.
        bandwidth: "paper", or "auto".
    """

    partners: str = "none"
    hidden: bool = False
    bandwidth: str = "paper"

    @property
    def by_kernel(self):
        """Whether the targets choose the partners."""
        return self.partners.startswith("similar")


METHODS = {
    "ERM": Method(),
    "mixup": Method("batch"),
    "mixup, hidden": Method("batch", hidden=True),
    "neighbors": Method("neighbors"),
    "C-Mixup": Method("similar"),
    "C-Mixup, in the batch": Method("similar_in_batch"),
    "C-Mixup, hidden": Method("similar", hidden=True),
    "C-Mixup, auto": Method("similar", bandwidth="auto"),
}


@dataclasses.dataclass
class RegressionEpochs(Epochs):
    """The course of a regression, whose parts are measured in one call each."""

    # `data.regression.Part` by name, "valid" and "test".
    parts: dict = dataclasses.field(default_factory=dict)

    def evaluate(self, model):
        """The errors on each part."""
        network = getattr(model, "network", model)
        return {
            name: measures.of_regression(part, network.predict_on_batch(part.x))
            for name, part in self.parts.items()
        }

    def end(self, network):
        """Nothing: what counts is the best epoch."""
        return {}


def train(
    folder,
    settings,
    method,
    parts,
    *,
    alpha,
    bandwidth,
    seed,
    width,
    batch_size,
    learning_rate,
    epochs,
):
    """One run: the record of its epochs, and the number of training examples seen.

    Args:
        folder: The run's folder.
        settings: `settings.Settings`.
        method: `Method`.
        parts: The parts of a split by name: "train", "valid", "test".
        alpha: Parameter of the Beta law of lam.
        bandwidth: Bandwidth of the kernel: a number, or "auto".
        seed: Integer.
        width: Units of the network's hidden layers, or 0 for its own.
        batch_size: Examples of a step.
        learning_rate: Learning rate of Adam.
        epochs: Number of epochs.
    """
    data, valid = parts["train"], parts["valid"]
    steps = len(data.y) // batch_size
    network, first_block = network_for(data, width)
    mix_at = first_block if method.hidden else "input"
    options = {"alpha": alpha, "seed": seed}
    on_host = method.partners not in ("none", "batch") or settings.mix_in == "pipeline"
    if method.hidden:
        # The pipeline puts the partners behind the batch, the last of them first.
        pairing = "reverse" if method.by_kernel else "permutation"
        in_step = keras_mixup.MixUp(pairing=pairing, **options)
    elif on_host or method.partners == "none":
        in_step = keras_mixup.MixUp(0)
    else:
        in_step = keras_mixup.MixUp(**options)

    def compiled():
        model = keras_mixup.MixUpModel(network(), in_step, mix_at=mix_at)
        model.compile(
            optimizer=keras.optimizers.Adam(learning_rate),
            loss=squared_error(data.scale, batch_size),
            jit_compile=settings.jit_compile,
        )
        return model

    course = RegressionEpochs(
        batches=batches_of(
            method, data, options, bandwidth, settings, (batch_size, on_host)
        ),
        count=steps * batch_size,
        batch_size=batch_size,
        sets={"valid": tf.data.Dataset.from_tensors((valid.x[:1], valid.y[:1]))},
        learning_rate=lambda step: learning_rate,
        epochs=epochs,
        max_steps=settings.max_steps,
        parts={name: parts[name] for name in ("valid", "test")},
    )
    return fit.fit(compiled, course, settings, folder), course.examples_seen


def squared_error(scale, size):
    """The loss in the unit of the targets, of the first rows: partners stand behind."""

    def error(target, predicted):
        squares = tf.reduce_mean(tf.square(scale * (target - predicted)), axis=-1)
        rows = tf.shape(squares)[0]
        share = tf.cast(rows / size, squares.dtype)
        return tf.where(tf.range(rows) < size, share * squares, 0)

    return error


def network_for(data, width):
    """What builds a network for such examples, and the name of its first block."""
    arguments = {"input_shape": data.x.shape[1:], "num_classes": data.y.shape[-1]}
    if width:
        arguments["width"] = width
    if data.x.ndim == 3:
        name, first_block = "lstnet", "features"
    else:
        name, first_block = "mlp", "hidden_1"
        arguments |= {"initial_values": "torch", "negative_slope": 0.1}
    build = functools.partial(keras_mixup.models.build, name, **arguments)
    return build, first_block


def batches_of(method, data, options, bandwidth, settings, how):
    """The training batches of a method: a function of the first epoch."""
    (batch_size, on_host), count, seed = how, len(data.y), options["seed"]
    examples = tuple(map(tf.convert_to_tensor, (data.x, data.y)))
    steps_per_epoch = count // batch_size
    policy = keras_mixup.MixUp(**options)
    table = None
    if method.partners == "neighbors":
        table = keras_mixup.neighbors.nearest_neighbors(data.x, settings.neighbors)
    elif method.partners == "similar":
        table = keras_mixup.neighbors.similar_targets(data.y, bandwidth=bandwidth)
    elif method.partners == "similar_in_batch":
        policy = keras_mixup.MixUp(
            pairing="similar_target", bandwidth=bandwidth, **options
        )

    def indices(first_epoch, seed=seed):
        return pipeline.training_batches(
            tf.data.Dataset.range(count),
            *(count, batch_size, seed, first_epoch),
            service=settings.data_service,
            drop_remainder=True,
        )

    def ready(step, index):
        if table is not None:
            pair = keras_mixup.neighbors.neighbor_pairs(
                examples, table, index, seed, step
            )
            if not method.hidden:
                return policy.between(*pair, step=step)
            return tf.nest.map_structure(
                lambda own, other: tf.concat([own, other[::-1]], 0), *pair
            )
        if method.partners == "similar_in_batch":
            # Those of the batch alone are trained on; the others may be partners.
            index = tf.concat(index, 0)
        batch = tuple(tf.gather(tensor, index) for tensor in examples)
        if not on_host or method.hidden or method.partners == "none":
            return batch
        mixed = policy.at_step(step, batch)
        return tf.nest.map_structure(lambda part: part[:batch_size], mixed)

    def from_epoch(first_epoch):
        found = indices(first_epoch)
        if method.partners == "similar_in_batch":
            # A seed of its own for the second loader: its upper half differs.
            others = indices(first_epoch, seed + 2**32)
            found = tf.data.Dataset.zip((found, others))
        return pipeline.at_steps(found, first_epoch * steps_per_epoch, ready)

    return from_epoch
