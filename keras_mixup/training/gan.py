"""MixUpGAN: a GAN whose discriminator sees points between real and generated."""

import random

import keras
import tensorflow as tf

from keras_mixup import arguments, keys, mixing, sampling
from keras_mixup.training import gan_batches, gan_checks
from keras_mixup.training.descent import built, descend


@keras.saving.register_keras_serializable("keras_mixup")
class MixUpGAN(keras.Model):
    """Trains a generator g against a discriminator d with mixup (section 3.7).

        max_g min_d E[l(d(lam x + (1 - lam) g(z)), lam)],  lam ~ Beta(alpha, alpha)

    One train step is `discriminator_steps` steps of d, each on real examples and
    noise of its own, and one step of g. A batch holds the real examples of them all:
    it is cut into `discriminator_steps` equal parts (what is left over is left out),
    so the paper's 128 a step at 5 steps are batches of 640 (1,280 in "author_code",
    whose steps take two batches). z ~ N(0, 1); everything random follows from (seed,
    step, replica). Losses are means over rows, so the mixed term stands in the place
    of the plain ones at their scale; `keras_mixup.training.gan_batches` has the
    formulas.

    Args:
        generator: A `keras.Model` from noise to examples, one input and one output.
        discriminator: A `keras.Model` from examples to one logit, `(batch, 1)`.
        alpha: Float >= 0. 0 is the plain GAN, with its term of real and its term of
            generated examples, in either mode. In "author_code" at most 1.
        mode: `"objective"`: the paper's formula, one lam an example, and g plays on
            the mixed examples too. `"author_code"`: what the authors ran: d is
            trained between two shuffled batches, each half real and half generated,
            with weights uniform in (0, alpha), and g on unmixed examples.
        discriminator_steps: Integer >= 1, steps of d before each step of g.
        generator_loss: `"minimax"`, the negative of d's (its part without g left
            out), or `"non_saturating"`, which has all targets 1.
        seed: Integer. None takes one from Python's generator.

    Raises:
        ValueError: for arguments out of range, and for networks or, before the first
            step, data that do not fit each other.

    References:
        Zhang et al. (2018), section 3.7 and Figure 5; Goodfellow et al. (2014).

    Example:
    >>> gan = keras_mixup.MixUpGAN(generator, discriminator, alpha=0.2)
    >>> gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    >>> gan.fit(x, batch_size=640, epochs=10)
    >>> examples = gan.generate(1000, seed=0)
    """

    def __init__(
        self,
        generator,
        discriminator,
        alpha=0.2,
        mode="objective",
        discriminator_steps=5,
        generator_loss="minimax",
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.check_choice("mode", mode, gan_batches.MODES)
        arguments.check_choice(
            "generator_loss", generator_loss, gan_batches.GENERATOR_LOSSES
        )
        arguments.check_seed(seed)
        gan_checks.check_alpha(alpha, mode)
        arguments.check_count("discriminator_steps", discriminator_steps)
        gan_checks.check_networks(generator, discriminator)
        self.generator = generator
        self.discriminator = discriminator
        self.alpha = float(alpha)
        self.mode = mode
        self.discriminator_steps = discriminator_steps
        self.generator_loss = generator_loss
        self.seed = random.randint(0, 2**31 - 1) if seed is None else int(seed)
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self._means = {
            name: keras.metrics.Mean(name)
            for name in ("discriminator_loss", "generator_loss")
        }
        self.built = True

    def compile(
        self,
        generator_optimizer="adam",
        discriminator_optimizer="adam",
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
    ):
        """Sets the two optimizers; the rest is as in `keras.Model.compile`.

        Args:
            generator_optimizer: A Keras optimizer or its name.
            discriminator_optimizer: Another one.
            run_eagerly: Whether steps run without a graph.
            steps_per_execution: Train steps in one call.
            jit_compile: Whether a train step is one XLA function; "auto" is where
                Keras thinks so, which it never does on a CPU.

        Raises:
            ValueError: if both are one object.
        """
        self._compile_options = {
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        # None: Keras would make an RMSprop, and a resume would lose both of these.
        super().compile(optimizer=None, **self._compile_options)
        first = keras.optimizers.get(generator_optimizer)
        second = keras.optimizers.get(discriminator_optimizer)
        if first is second:
            raise ValueError(
                "Invalid value received for argument `discriminator_optimizer`. "
                "Expected another optimizer than the generator's: each has a state of "
                "its own. Received: the same object twice"
            )
        self.generator_optimizer = built(first, self.generator)
        self.discriminator_optimizer = built(second, self.discriminator)

    @property
    def metrics(self):
        """The two losses; Keras's own "loss" would be 0."""
        return list(self._means.values())

    @property
    def optimizers(self):
        """The optimizers of the generator and of the discriminator."""
        return [self.generator_optimizer, self.discriminator_optimizer]

    @property
    def pairs(self):
        """Whether a step of d mixes two batches, so that it needs two examples."""
        return self.mode == "author_code" and self.alpha > 0

    def call(self, inputs, training=None):
        """What the generator makes of noise."""
        return self.generator(inputs, training=training)

    def fit(self, x=None, *args, **kwargs):
        """`keras.Model.fit` on real examples alone, which are checked first."""
        batch_size = args[1] if len(args) > 1 else kwargs.get("batch_size")
        gan_checks.check_data(self, x, batch_size)
        return super().fit(x, *args, **kwargs)

    def train_step(self, data):
        """The steps of d, then the step of g."""
        real = gan_checks.real_examples(self, data)
        steps = self.discriminator_steps
        step = tf.identity(self.step.value)
        self.step.assign_add(1)
        key = keys.make_key(self.seed, step, keys.replica_in_sync())
        size = mixing.batch_size_of(real) // steps
        lam = self._weights(key, size)
        for index in range(steps):
            part = real[index * size : (index + 1) * size]
            self._discriminator_step(part, keys.fold_in(key, index), lam[index])
        self._generator_step(part, keys.fold_in(key, steps), lam[steps])
        return self.get_metrics_result()

    def test_step(self, data):
        """Both losses of the plain GAN, in inference mode."""
        real = gan_checks.real_examples(self, data)
        key = keys.make_key(self.seed, self.step.value, keys.replica_in_sync())
        seen = self._means["generator_loss"].count
        key = keys.fold_in(keys.fold_in(key, keys.Stream.EVALUATION), seen)
        generated = self._generated(key, mixing.batch_size_of(real), training=False)
        rows, targets = gan_batches.plain(real, generated)
        logits = self.discriminator(rows, training=False)
        loss = gan_batches.discriminator_loss(logits, targets)
        self._means["discriminator_loss"].update_state(loss)
        logits = logits[mixing.batch_size_of(real) :]
        loss = self._plain_generator_loss(logits)
        self._means["generator_loss"].update_state(loss)
        return self.get_metrics_result()

    def generate(self, n, seed=None, batch_size=1024):
        """Draws noise, and gives what the generator makes of it in inference mode.

        Args:
            n: Integer >= 1, the number of examples.
            seed: Integer: the same noise for the same seed. None draws anew.
            batch_size: Integer >= 1, examples in one call of the generator.

        Returns:
            A NumPy array of shape `(n, *example)`.

        Raises:
            ValueError: for wrong arguments.
        """
        arguments.check_count("batch_size", batch_size)
        arguments.check_seed(seed)
        arguments.check_count("n", n)
        noise = self.noise(keys.make_key(seed), n)
        return self.generator.predict(noise, batch_size=batch_size, verbose=0)

    def noise(self, key, n):
        """Noise for n examples: a float32 tensor `(n, *generator's input)`."""
        return keys.normal(key, keys.Stream.NOISE, [n, *self.generator.input_shape[1:]])

    def get_config(self):
        """The arguments of the constructor."""
        names = ("alpha", "mode", "discriminator_steps", "generator_loss", "seed")
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "generator": serialize(self.generator),
            "discriminator": serialize(self.discriminator),
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model of a `get_config`."""
        config = dict(config)
        for name in ("generator", "discriminator"):
            config[name] = keras.saving.deserialize_keras_object(
                config[name], custom_objects
            )
        return cls(**config)

    def get_compile_config(self):
        """The arguments of `compile`."""
        if not self.compiled:
            return None
        names = ("generator_optimizer", "discriminator_optimizer")
        return self._compile_options | {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in names
        }

    def compile_from_config(self, config):
        """Compiles as a `get_compile_config` says."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def _weights(self, key, size):
        """For each step one lam an example; drawn at once, since quantiles are slow."""
        steps = self.discriminator_steps + 1
        if self.mode != "objective" or not self.alpha:
            return [None] * steps
        lam = sampling.weights_of(key, self.alpha, [steps, size], 2)[..., 0]
        return tf.unstack(lam, steps)

    def _discriminator_step(self, real, key, lam):
        generated = self._generated(key, mixing.batch_size_of(real), training=True)
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
        self._means["discriminator_loss"].update_state(value)

    def _generator_step(self, real, key, lam):
        size = mixing.batch_size_of(real)

        def loss():
            rows = self._generated(key, size // 2 if self.pairs else size, True)
            if lam is None:
                return self._plain_generator_loss(
                    self.discriminator(rows, training=True)
                )
            rows, targets = gan_batches.objective(real, rows, lam)
            logits = self.discriminator(rows, training=True)
            return gan_batches.generator_loss(logits, targets, self.generator_loss)

        value = descend(loss, self.generator, self.generator_optimizer)
        self._means["generator_loss"].update_state(value)

    def _plain_generator_loss(self, logits):
        """Of generated rows alone: half of the plain value, the half that g moves."""
        targets = tf.zeros(tf.shape(logits)[:1])
        return gan_batches.generator_loss(logits, targets, self.generator_loss) / 2

    def _generated(self, key, size, training):
        return self.generator(self.noise(key, size), training=training)
