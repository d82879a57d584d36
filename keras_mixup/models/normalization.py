"""Batch norm of images, in one pass over them where Keras has ten."""

import keras
import tensorflow as tf

FUSED = (tf.float16, tf.bfloat16, tf.float32)


@keras.saving.register_keras_serializable("keras_mixup")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, by TensorFlow's fused operation.

    `gamma (x - mean) / sqrt(variance + epsilon) + beta` over batch, height and width.
    Keras 3 puts it together from operations that each read all features once; in
    training, and in its gradient, that costs more time than some convolutions do.
    The arguments, weights and their names are Keras's, and the values up to
    rounding. What the fused operation does not know (another axis or rank, a mask,
    renorm, synchronized replicas, float64), a frozen layer, inference, and the other
    backends are left to Keras.

    As in Keras, a step computes the statistics in float32, and they are rounded to the
    dtype of the weights: under a policy that is "bfloat16" or "float16" throughout,
    they keep 8 or 11 bits, and a change below half of the last one is lost.

    Call arguments:
        inputs: Features of shape (batch, height, width, channels).
        training: Whether the statistics are those of the batch.
        mask: As Keras has it.
    """

    def call(self, inputs, training=None, mask=None):
        trains = training and self.trainable and keras.backend.backend() == "tensorflow"
        if trains:
            inputs = tf.convert_to_tensor(inputs)
        if not (trains and self._can_be_fused(inputs, mask)):
            return super().call(inputs, training=training, mask=mask)
        channels = inputs.shape[-1]
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.cast(self.gamma, tf.float32) if self.scale else tf.ones(channels),
            offset=tf.cast(self.beta, tf.float32)
            if self.center
            else tf.zeros(channels),
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=self.epsilon,
            is_training=True,
        )
        # It gives the variance of the sample, n / (n - 1) of that which Keras keeps.
        n = tf.cast(tf.size(inputs, tf.int64) // channels, tf.float32)
        found = (mean, variance * (n - 1) / n)
        for moving, value in zip((self.moving_mean, self.moving_variance), found):
            kept = tf.cast(moving, tf.float32)
            moving.assign(kept * self.momentum + value * (1 - self.momentum))
        return outputs

    def _can_be_fused(self, inputs, mask):
        # Not every Keras 3 knows renorm.
        renorm = getattr(self, "renorm", False)
        return (
            mask is None
            and inputs.shape.rank == 4
            and inputs.shape[-1] is not None
            and self.axis in (-1, 3)
            and inputs.dtype in FUSED
            and inputs.dtype == self.compute_dtype
            and not (renorm or self.synchronized)
        )
