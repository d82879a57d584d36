"""MixUpGAN: a GAN whose discriminator sees points between real and generated."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import tensorflow as tf

from keras_mixup import arguments, hints, keys, mixing, sampling
from keras_mixup.settings import cannot_change
from keras_mixup.training import counting, gan_batches, gan_checks
from keras_mixup.training.descent import descend
from keras_mixup.training.two_networks import TwoNetworks

# Settings that a traced step has taken in.
_FIXED = ("alpha", "mode", "discriminator_steps", "generator_loss", "seed")


@keras.saving.register_keras_serializable("keras_mixup")
class MixUpGAN(TwoNetworks):
    """Trains a generator g against a discriminator d with mixup (section 3.7).

        max_g min_d E[l(d(lam x + (1 - lam) g(z)), lam)],  lam ~ Beta(alpha, alpha)

    One train step is `discriminator_steps` steps of d, each on real examples and
    noise of its own, and one step of g. A batch holds the real examples of them all:
    it is cut into `discriminator_steps` equal parts (what is left over is left out),
    so the paper's 128 a step at 5 steps are batches of 1,280 ("author_code", whose
    steps take two batches) or 640 ("objective"). z ~ N(0, 1); noise, lam and pairs
    follow from (seed, step, replica). Losses are means over rows, so the mixed term
    takes the place of the plain ones at their scale;
    `keras_mixup.training.gan_batches` has the formulas.

    Examples:
        >>> gan = keras_mixup.MixUpGAN(generator, discriminator)
        >>> gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
        >>> gan.fit(x, batch_size=1280, epochs=10)
        >>> examples = gan.generate(1000, seed=0)

    Args:
        generator: A `keras.Model` from noise to examples, one input and one output.
        discriminator: A `keras.Model` from examples to one logit, `(batch, 1)`.
        alpha: Float >= 0. 0 is the plain GAN, with its term of real and its term of
            generated examples, in either mode. In "author_code" at most 1.
        mode: `"author_code"`, the default: what the authors ran. d is trained between
            two shuffled batches, each half real and half generated, with weights
            uniform in (0, alpha), and g on unmixed examples. `"objective"`: the formula
            above, one lam an example, and g plays on the mixed examples too.
        discriminator_steps: Integer >= 1, steps of d before each step of g.
        generator_loss: `"minimax"`, the negative of d's (its part without g left
            out), or `"non_saturating"`, which has all targets 1. Default: what held
            with the mode, the first in "author_code" and the second in "objective".
        seed: Integer. None takes one from Python's generator.

    The defaults are what held best on the ring of 8 Gaussians of Figure 5, at alpha
    0.2: 7.0 modes on average over the second half of training, at a sliced Wasserstein
    distance of 0.10 (author_code with minimax, the paper's sizes); objective with
    non_saturating held 5.5 at 0.14 (a quarter of the width), and with minimax none: the
    cross-entropy of a target between 0 and 1 has no bound on either side, so g gained
    by leaving the data. That pair warns. `experiments/README.md` has the runs.

    Raises:
        ValueError: for arguments out of range, and for networks or, before the first
            step, data that do not fit each other.

    References:
        Zhang et al. (2018), section 3.7 and Figure 5; Goodfellow et al. (2014).
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        alpha: float = 0.2,
        mode: hints.GanMode = "author_code",
        discriminator_steps: int = 5,
        generator_loss: hints.GeneratorLoss | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        arguments.check_backend("MixUpGAN")
        super().__init__(generator, discriminator, seed, **kwargs)
        arguments.check_choice("mode", mode, gan_batches.MODES)
        if generator_loss is None:
            generator_loss = gan_batches.LOSS_THAT_HELD[mode]
        arguments.check_choice(
            "generator_loss", generator_loss, gan_batches.GENERATOR_LOSSES
        )
        gan_checks.check_alpha(alpha, mode)
        if alpha and (mode, generator_loss) == ("objective", "minimax"):
            warnings.warn(gan_checks.RUNS_AWAY, stacklevel=2)
        arguments.check_count("discriminator_steps", discriminator_steps)
        self.alpha = float(alpha)
        self.mode = mode
        self.discriminator_steps = discriminator_steps
        self.generator_loss = generator_loss

    def __setattr__(self, name, value):
        if name in _FIXED and name in vars(self):
            raise AttributeError(cannot_change("MixUpGAN", name, by_schedule=False))
        super().__setattr__(name, value)

    @property
    def pairs(self) -> bool:
        """Whether a step of d mixes two batches, so that it needs two examples."""
        return self.mode == "author_code" and self.alpha > 0

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """`keras.Model.fit` on real examples alone, which are checked first."""
        split = kwargs.get("validation_split")
        x = gan_checks.checked_data(self, x, batch_size, split)
        gan_checks.check_validation_data(self, kwargs.get("validation_data"))
        return super().fit(x, y, batch_size, *args, **kwargs)

    def train_step(self, data):
        """The steps of d, then the step of g."""
        real = gan_checks.real_examples(self, data)
        with counting.behind(data):
            step = counting.next_step(self.step)
            key = keys.make_key(self.seed, step, keys.replica_in_sync())
            size = mixing.batch_size_of(real) // self.discriminator_steps
            lam = self._weights(key, size)
            for index in range(self.discriminator_steps):
                part = real[index * size : (index + 1) * size]
                self._discriminator_step(part, keys.fold_in(key, index), lam[index])
            key = keys.fold_in(key, self.discriminator_steps)
            self._generator_step(part, key, lam[-1])
            return self.get_metrics_result()

    def test_step(self, data):
        """Both losses of the plain GAN, in inference mode."""
        real = gan_checks.real_examples(self, data, least=1)
        size = mixing.batch_size_of(real)
        with counting.behind(data):
            key = keys.make_key(self.seed, self.step.value, keys.replica_in_sync())
            # Rows so far: another noise for each batch, the same for each evaluation.
            seen = tf.cast(self._means["generator_loss"].count, tf.int64)
            key = keys.fold_in(keys.fold_in(key, keys.Stream.EVALUATION), seen)
            generated = self.generated(key, size, training=False)
            rows, targets = gan_batches.plain(real, generated)
            logits = self.discriminator(rows, training=False)
            loss = gan_batches.discriminator_loss(logits, targets)
            self.record("discriminator_loss", loss, size)
            loss = self._plain_generator_loss(logits[size:])
            self.record("generator_loss", loss, size)
            return self.get_metrics_result()

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        names = ("alpha", "mode", "discriminator_steps", "generator_loss")
        return super().get_config() | {name: getattr(self, name) for name in names}

    def _weights(self, key, size):
        """For each step one lam an example; drawn at once, since quantiles are slow."""
        steps = self.discriminator_steps + 1
        if self.mode != "objective" or not self.alpha:
            return [None] * steps
        lam = sampling.weights_of(key, self.alpha, [steps, size], 2)[..., 0]
        return tf.unstack(lam, steps)

    def _discriminator_step(self, real, key, lam):
        generated = self.generated(key, mixing.batch_size_of(real), training=True)
        if lam is not None:
            rows, targets = gan_batches.objective(real, generated, lam)
        elif self.alpha:
            rows, targets = gan_batches.author_code(real, generated, self.alpha, key)
        else:
            rows, targets = gan_batches.plain(real, generated)

        def loss():
            logits = self.discriminator(rows, training=True)
            return gan_batches.discriminator_loss(logits, targets)

        value = descend(loss, self.discriminator, self.discriminator_optimizer)
        self.record("discriminator_loss", value, mixing.batch_size_of(real))

    def _generator_step(self, real, key, lam):
        size = mixing.batch_size_of(real)

        def loss():
            rows = self.generated(key, size // 2 if self.pairs else size, True)
            if lam is None:
                return self._plain_generator_loss(
                    self.discriminator(rows, training=True)
                )
            rows, targets = gan_batches.objective(real, rows, lam)
            logits = self.discriminator(rows, training=True)
            return gan_batches.generator_loss(logits, targets, self.generator_loss)

        value = descend(loss, self.generator, self.generator_optimizer)
        self.record("generator_loss", value, size)

    def _plain_generator_loss(self, logits):
        """The loss of generated rows: the half of the plain value that g moves."""
        targets = tf.zeros(tf.shape(logits)[:1])
        return gan_batches.generator_loss(logits, targets, self.generator_loss) / 2
