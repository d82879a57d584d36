"""Spectrograms against scipy and numpy's own transforms."""

import keras
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from experiments.data import spectrograms

RNG = np.random.default_rng(0)
WAVES = (0.1 * RNG.normal(size=(3, 16_000))).astype("float32")


def reference(wave):
    """`log1p` of the magnitudes, frame after frame, with numpy alone."""
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(320) / 320)
    padded = np.pad(wave.astype("float64"), 160)
    columns = np.zeros((161, 101))
    for t in range(min(101, (len(padded) - 320) // 160 + 1)):
        columns[:, t] = np.abs(np.fft.rfft(padded[160 * t : 160 * t + 320] * window))
    return np.log1p(columns)


def test_the_spectrogram_is_the_one_of_numpy_and_of_scipy():
    found = spectrograms.log_spectrogram(WAVES)
    assert (found.shape, found.dtype) == ((3, 161, 101, 1), tf.float32)
    expected = [reference(wave) for wave in WAVES]
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-4)
    window = scipy.signal.get_window("hamming", 320)  # Periodic.
    transform = scipy.signal.ShortTimeFFT(window, hop=160, fs=16_000)
    expected = np.log1p(np.abs(transform.stft(WAVES, p0=0, p1=101)))
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-4)


@pytest.mark.parametrize("samples", [0, 1, 160, 7_000, 15_999, 16_159, 20_000])
def test_other_lengths_are_cut_or_filled_with_zeros(samples):
    waves = np.resize(WAVES, (2, samples))
    found = spectrograms.log_spectrogram(waves).numpy()
    assert found.shape == (2, 161, 101, 1)
    for wave, spectrogram in zip(waves, found, strict=True):
        np.testing.assert_allclose(spectrogram[..., 0], reference(wave), atol=1e-4)


@pytest.mark.parametrize("frequency", [50, 440, 1000, 7950])
def test_a_tone_peaks_in_the_bin_of_its_frequency(frequency):
    tone = np.sin(2 * np.pi * frequency * np.arange(16_000) / 16_000)
    found = spectrograms.log_spectrogram(tone[np.newaxis])[0, :, 1:-1, 0].numpy()
    assert np.all(found.argmax(axis=0) == round(frequency / 50))


def test_a_click_lies_in_the_frame_of_its_time():
    click = np.zeros((1, 16_000))
    click[0, 4_800] = 1  # 300 ms.
    found = spectrograms.log_spectrogram(click).numpy().sum(axis=(0, 1, 3))
    assert found.argmax() == 30
    assert np.flatnonzero(found > 1e-6).min() >= 29
    assert np.flatnonzero(found > 1e-6).max() <= 31


def test_integers_are_taken_as_they_are():
    waves = RNG.integers(-100, 100, (1, 16_000)).astype("int16")
    found = spectrograms.log_spectrogram(waves)
    np.testing.assert_allclose(found[0, ..., 0], reference(waves[0]), atol=1e-4)


def test_every_utterance_has_mean_0_and_deviation_1_by_itself():
    louder = WAVES * np.float32([[1], [10], [0.01]])
    spectra = spectrograms.log_spectrogram(louder)
    found = spectrograms.normalize(spectra).numpy()
    np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=(1, 2, 3)), 1, atol=1e-5)
    for one, utterance in zip(found, spectra.numpy(), strict=True):
        expected = (utterance - utterance.mean()) / utterance.std()
        np.testing.assert_allclose(one, expected, atol=1e-4)


def test_silence_is_zero_and_not_nan():
    found = spectrograms.Spectrogram()(np.zeros((2, 16_000), "float32"))
    np.testing.assert_array_equal(found, np.zeros((2, 161, 101, 1)))


@pytest.mark.parametrize("jit", [False, True])
def test_graph_and_xla_agree_with_eager(jit):
    layer = spectrograms.Spectrogram()
    compiled = tf.function(layer, jit_compile=jit)
    np.testing.assert_allclose(compiled(tf.constant(WAVES)), layer(WAVES), atol=1e-4)


@pytest.mark.parametrize("jit", [False, True])
def test_gradients_are_finite_in_silence_too(jit):
    @tf.function(jit_compile=jit)
    def gradient(waves):
        with tf.GradientTape() as tape:
            tape.watch(waves)
            loss = tf.reduce_sum(spectrograms.Spectrogram()(waves) ** 3)
        return tape.gradient(loss, waves)

    found = gradient(tf.constant(np.concatenate([WAVES[:1], 0 * WAVES[:1]]))).numpy()
    assert np.all(np.isfinite(found))
    assert np.abs(found[0]).max() > 0
    np.testing.assert_array_equal(found[1], 0)


def network():
    inputs = keras.Input((16_000,))
    hidden = spectrograms.Spectrogram(name="spectrogram")(inputs)
    hidden = keras.layers.GlobalAveragePooling2D()(hidden)
    return keras.Model(inputs, keras.layers.Dense(3)(hidden))


def test_it_is_float32_in_mixed_precision_and_trains_under_xla():
    keras.config.set_dtype_policy("mixed_float16")
    model = network()
    layer = model.get_layer("spectrogram")
    assert layer.output.dtype == "float32"
    assert layer.output.shape == (None, 161, 101, 1)
    assert layer.weights == []
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=True)
    history = model.fit(WAVES, np.arange(3), verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_a_network_is_saved_with_it(tmp_path):
    model = network()
    model.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert isinstance(loaded.get_layer("spectrogram"), spectrograms.Spectrogram)
    np.testing.assert_array_equal(loaded(WAVES), model(WAVES))
    config = spectrograms.Spectrogram(name="named").get_config()
    assert spectrograms.Spectrogram.from_config(config).name == "named"
