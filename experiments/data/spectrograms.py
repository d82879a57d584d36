"""Normalized log spectrograms of utterances of one second at 16 kHz."""

import keras
import tensorflow as tf

FRAME, STEP, FRAMES = 320, 160, 101
BINS = FRAME // 2 + 1


def log_spectrogram(waveforms):
    """`log(1 + |STFT|)` of waveforms (batch, samples) at 16 kHz, of any dtype.

    Frames of 20 ms every 10 ms under a periodic Hamming window; the waveform is padded
    by half a frame of zeros at both ends, so that frame `t` is centered at `10 t` ms.
    (adiyoss/GCommandsPytorch does it with librosa, which mirrors the ends instead.)
    More than 101 frames are cut off, missing ones are zero: float32 of shape
    (batch, 161, 101, 1), frequency in steps of 50 Hz by time.
    """
    waveforms = tf.cast(waveforms, tf.float32)
    half = FRAME // 2
    padded = tf.pad(waveforms, [[0, 0], [half, half]])
    found = tf.signal.stft(padded, FRAME, STEP, FRAME, tf.signal.hamming_window)
    frames = tf.math.log1p(tf.abs(found))[:, :FRAMES]
    missing = FRAMES - tf.shape(frames)[1]
    frames = tf.pad(frames, [[0, 0], [0, missing], [0, 0]])
    frames = tf.ensure_shape(frames, [waveforms.shape[0], FRAMES, BINS])
    return tf.transpose(frames, [0, 2, 1])[..., tf.newaxis]


def normalize(spectrograms):
    """`(x - mean) / std` over (bins, frames, 1) of each example; 0 for a constant."""
    mean, variance = tf.nn.moments(spectrograms, [1, 2, 3], keepdims=True)
    constant = variance == 0
    # The root is taken of 1 there: at 0 its gradient is infinite.
    return (spectrograms - mean) / tf.sqrt(tf.where(constant, 1.0, variance))


@keras.saving.register_keras_serializable("keras_mixup_experiments")
class Spectrogram(keras.layers.Layer):
    """First layer of a network on waveforms: `normalize(log_spectrogram(x))`.

    Both are float32 whatever the dtype policy is: float16 has no Fourier transform, and
    loses what is soft.
    """

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, waveforms):
        return normalize(log_spectrogram(waveforms))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], BINS, FRAMES, 1)
