"""Figure 4: what the runs of the paper are, and where their examples are mixed."""

import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from experiments.data import sources, speech_commands
from experiments.paper.figure4_speech import EXPERIMENT
from keras_mixup import keys
from tests.experiments.runs import kept_models, parse, planned

STEPS = 511  # 51,088 / 100, rounded up
WORDS = ("bed", "cat", "happy")


parse = functools.partial(parse, EXPERIMENT)
planned = functools.partial(planned, EXPERIMENT)


def utterances(counts, names, waveforms, labels):
    """Given utterances in all three splits, said to be of these counts."""
    data = tf.data.Dataset.from_tensor_slices(
        (tf.constant(waveforms, tf.float32), tf.constant(labels, tf.int64))
    )
    return speech_commands.Utterances(dict.fromkeys(counts, data), counts, names)


def cross_entropy(logits, labels):
    """Of each example, in NumPy."""
    logits = np.asarray(logits, "float64")
    largest = logits.max(axis=-1, keepdims=True)
    total = np.log(np.exp(logits - largest).sum(axis=-1)) + largest[:, 0]
    return total - logits[np.arange(len(labels)), labels]


@pytest.mark.slow
def test_the_errors_are_those_of_the_saved_network_on_clean_waveforms(tmp_path):
    flags = ["--preset", "smoke", "--networks", "vgg11", "--methods", "mixup"]
    chosen = parse(*flags, "--run_dir", tmp_path)
    data = EXPERIMENT.load(chosen)
    (run,) = EXPERIMENT.runs(chosen, data)
    epochs, seen = EXPERIMENT.train(run, data, chosen, tmp_path)
    # Three words, four of each in a split.
    assert seen == 2 * 12
    assert [epoch["learning_rate"] for epoch in epochs] == pytest.approx([3e-3, 3e-4])
    network = keras.models.load_model(tmp_path / "network.keras")
    for split, part in (("validation", "valid"), ("test", "test")):
        waveforms, labels = next(data.datasets[split].batch(12).as_numpy_iterator())
        assert sorted(labels) == [0] * 4 + [1] * 4 + [2] * 4
        logits = network(waveforms, training=False).numpy()
        loss = cross_entropy(logits, labels).mean()
        assert epochs[-1][part]["loss"] == pytest.approx(loss, rel=1e-3)
        error = 100 * np.mean(logits.argmax(-1) != labels)
        assert epochs[-1][part]["error"] == pytest.approx(error)


def epochs_of(valid, test):
    return [
        {"epoch": number, "valid": {"error": v}, "test": {"error": t}}
        for number, (v, t) in enumerate(zip(valid, test, strict=True), start=1)
    ]


def test_the_final_numbers_by_hand():
    valid = [50.0, 9.0, 8.0, 6.0, 7.0, 6.0, 8.0, 9.0, 9.5, 9.0, 8.5, 8.75]
    test = [40.0, 1.0, 30.0, 12.0, 11.0, 2.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0]
    # The lowest validation error comes twice: the first is chosen. The last ten test
    # errors in order: 2 5 6 7 8 | 9 10 11 12 30.
    assert EXPERIMENT.final(epochs_of(valid, test)) == {
        "valid_error": 6.0,
        "test_error": 12.0,
        "last_valid_error": 8.75,
        "last_test_error": 5.0,
        "median_test_error": 8.5,
        "epoch": 4,
    }
    final = EXPERIMENT.final(epochs_of([5.0, 4.0], [1.0, 3.0]))
    assert (final["test_error"], final["epoch"]) == (3.0, 2)
    assert final["median_test_error"] == 2.0


def test_the_runs_of_the_paper_follow_its_schedules(monkeypatch):
    built = []

    def build(name, **arguments):
        built.append({"name": name, **arguments})
        inputs = keras.Input(arguments["input_shape"])
        pooled = keras.layers.GlobalAveragePooling2D()(inputs)
        return keras.Model(inputs, keras.layers.Dense(arguments["num_classes"])(pooled))

    monkeypatch.setattr(keras_mixup.models, "build", build)
    counts = {"train": 51_088, "validation": 6_798, "test": 6_835}
    silence = np.zeros((2, speech_commands.RATE))
    data = utterances(counts, speech_commands.WORDS, silence, [0, 1])
    runs, calls = planned(monkeypatch, data, "--preset", "paper")
    methods = ("ERM", "mixup 0.1", "mixup 0.2")
    plan = [(network, method) for network in ("LeNet", "VGG-11") for method in methods]
    assert [(run.group, run.method) for run in runs] == plan
    for (network, method), (make_model, course) in zip(plan, calls, strict=True):
        assert (course.epochs, course.steps_per_epoch) == (30, STEPS)
        assert (list(course.sets), course.count) == (["valid", "test"], 51_088)
        for epoch, rate in ((0, 3e-3), (10, 3e-4), (20, 3e-5)):
            for step in (epoch * STEPS, (epoch + 10) * STEPS - 1):
                assert float(course.learning_rate(step)) == pytest.approx(rate)
        model = make_model()
        assert built[-1] == {
            "name": {"LeNet": "lenet", "VGG-11": "vgg11"}[network],
            "input_shape": (161, 101, 1),
            "num_classes": 30,
            "width": {"LeNet": 20, "VGG-11": 64}[network],
        }
        adam = model.optimizer
        assert type(adam) is keras.optimizers.Adam
        assert (adam.beta_1, adam.beta_2, adam.weight_decay) == (0.9, 0.999, None)
        assert adam._learning_rate is course.learning_rate
        assert model.mix_at == ["spectrogram"]
        assert (model.mixup.per, model.mixup.pairing) == ("batch", "permutation")
        if method == "ERM":
            assert model.mixup.alpha == 0.0
            continue
        # Clean for five epochs, and then mixed until the end.
        alpha = float(np.float32(method.removeprefix("mixup ")))
        for step in (0, 1, STEPS, 5 * STEPS - 1):
            assert float(model.mixup.alpha_at(step)) == 0.0
        for step in (5 * STEPS, 6 * STEPS, 30 * STEPS - 1):
            assert float(model.mixup.alpha_at(step)) == alpha


def mixing_model(monkeypatch, waveforms, labels, *flags):
    """What is trained on six utterances with a small VGG-11, and its course."""
    counts = dict.fromkeys(("train", "validation", "test"), len(labels))
    data = utterances(counts, WORDS, waveforms, labels)
    _, ((make_model, course),) = planned(
        *(monkeypatch, data, "--words", *WORDS, "--networks", "vgg11"),
        *("--vgg11_width", 2, "--methods", "mixup", "--seeds", 3, "--batch_size", 6),
        *("--alphas", 4, "--clean_epochs", 1, *flags),
    )
    return make_model(), course


@pytest.fixture
def tones():
    """Six tones with noise, two of each word."""
    generator = np.random.default_rng(0)
    labels = np.array([0, 1, 2, 0, 1, 2])
    time = np.arange(speech_commands.RATE) / speech_commands.RATE
    pitch = 300 + 400 * labels[:, np.newaxis]
    waveforms = 0.3 * np.sin(2 * np.pi * pitch * time)
    return (waveforms + generator.normal(0, 0.05, waveforms.shape)).astype("f4"), labels


@pytest.mark.parametrize("place", ["spectrogram", "waveform"])
@pytest.mark.slow
def test_examples_are_mixed_at_the_place_asked_for(place, tones, monkeypatch):
    waveforms, labels = tones
    model, _ = mixing_model(monkeypatch, waveforms, labels, "--mix_at", place)
    assert model.mix_at == [{"waveform": "input"}.get(place, place)]
    network = model.network
    first, inner = network.get_layer("spectrogram"), network.get_layer("vgg11")
    spectrograms = first(waveforms)
    start = [weight.numpy() for weight in network.weights]

    def loss_of(features, lam, partner):
        """By hand: the batch norms of training, and a loss of two terms."""
        for weight, value in zip(network.weights, start, strict=True):
            weight.assign(value)
        logits = inner(features, training=True)
        own, other = (
            cross_entropy(logits, labels[order]) for order in (range(6), partner)
        )
        return (lam * own + (1 - lam) * other).mean()

    def mixed(x, lam, partner):
        x = np.asarray(x)
        return np.float32(lam) * x + np.float32(1 - lam) * x[partner]

    # An epoch is one step, and the first is clean.
    found = model.train_on_batch(waveforms, labels)[0]
    trained = [weight.numpy() for weight in network.weights]
    clean = loss_of(spectrograms, 1.0, np.arange(6))
    assert found == pytest.approx(clean, rel=1e-4)
    start = trained
    for weight, value in zip(network.weights, start, strict=True):
        weight.assign(value)
    draw = model.mixup.draw(6, keys.make_key(3, 1), alpha=4.0)
    lam, partner = float(draw.coefficients[0]), draw.partners[0].numpy()
    assert 0.1 < lam < 0.9
    assert sorted(partner) == [*range(6)] != [*partner]
    model.reset_metrics()
    found = model.train_on_batch(waveforms, labels)[0]
    losses = {
        "spectrogram": loss_of(mixed(spectrograms, lam, partner), lam, partner),
        "waveform": loss_of(first(mixed(waveforms, lam, partner)), lam, partner),
        "nowhere": loss_of(spectrograms, lam, partner),
    }
    assert found == pytest.approx(losses.pop(place), rel=1e-4)
    for other in losses.values():
        assert found != pytest.approx(other, rel=1e-3)


def test_waveforms_are_mixed_in_the_pipeline_after_the_clean_epochs(tones, monkeypatch):
    waveforms, labels = tones
    flags = ["--mix_at", "waveform", "--mix_in", "pipeline"]
    model, course = mixing_model(monkeypatch, waveforms, labels, *flags)
    # Mixed on the host, the network itself is trained, and for rows.
    assert model.mixup.is_identity
    assert isinstance(model.loss, keras.losses.CategoricalCrossentropy)
    clean, mixed = course.batches(0).take(2).as_numpy_iterator()
    order = [int(np.abs(waveforms - x).sum(axis=1).argmin()) for x in clean[0]]
    assert sorted(order) == [*range(6)]
    np.testing.assert_array_equal(clean[0], waveforms[order])
    np.testing.assert_array_equal(clean[1], np.eye(3)[labels[order]])
    # Each row of the second batch is of two of the six, with one lam.
    shares = np.linalg.lstsq(waveforms.T, mixed[0].T, rcond=None)[0].T
    np.testing.assert_allclose(shares @ waveforms, mixed[0], atol=1e-5)
    np.testing.assert_allclose(shares @ np.eye(3)[labels], mixed[1], atol=1e-4)
    lam = float(keras_mixup.sample_lambda(4.0, (), seed=3, step=1))
    assert 0.1 < lam < 0.9
    for share in shares:
        found = np.sort(share[np.abs(share) > 1e-3])
        assert len(found) == 1 or found == pytest.approx(
            sorted([lam, 1 - lam]), abs=1e-3
        )
    assert (np.abs(shares) > 1e-3).sum() > 6
    # The evaluated sets are rows as well, and never mixed.
    for batches in course.sets.values():
        ((x, y),) = batches.as_numpy_iterator()
        np.testing.assert_array_equal(x, waveforms)
        np.testing.assert_array_equal(y, np.eye(3)[labels])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mix_in", "pipeline"], "`mix_in`. Expected `train_step`, since spectro"),
        (
            [
                *("--mix_in", "pipeline", "--mix_at", "waveform"),
                *("--data_service", "grpc://localhost:1"),
            ],
            "`clean_epochs`. Expected 0 where a tf.data service mixes",
        ),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(capsys, flags, message):
    with pytest.raises(SystemExit):
        parse(*flags)
    assert message in capsys.readouterr().err


def test_what_is_missing_is_said(tmp_path):
    folder = tmp_path / "data"
    flags = ["--data_dir", folder, "--prepared_dir", tmp_path / "tfds"]
    expected = f"speech_commands_v0.01.tar.gz .*as a folder .*into {folder}.*--download"
    for preset in ("paper", "cpu"):
        with pytest.raises(sources.MissingData, match=expected):
            EXPERIMENT.load(parse("--preset", preset, *flags))
    with pytest.raises(sources.UnknownData, match="'bad'"):
        EXPERIMENT.load(parse("--words", "bed", "bad", *flags))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "parameters"), [("lenet", 16_321_570), ("vgg11", 13_172_894)]
)
def test_the_preset_of_the_paper_trains_its_networks(
    network, parameters, monkeypatch, tmp_path
):
    keras.backend.clear_session()
    folder = tmp_path / speech_commands.NAME
    speech_commands.write_tones(folder, speech_commands.WORDS, per_split=1)
    models = kept_models(monkeypatch)
    chosen = parse(
        *("--preset", "paper", "--networks", network, "--methods", "mixup"),
        *("--alphas", 0.2, "--batch_size", 2, "--max_steps", 2),
        *("--checkpoint_every", 0, "--notensorboard", "--data_dir", tmp_path),
        *("--prepared_dir", tmp_path / "tfds"),
    )
    data = EXPERIMENT.load(chosen)
    (run,) = EXPERIMENT.runs(chosen, data)
    [epoch], seen = EXPERIMENT.train(run, data, chosen, tmp_path)
    (model,) = models
    assert (int(model.optimizer.iterations), seen) == (2, 4)
    assert epoch["learning_rate"] == pytest.approx(3e-3, rel=1e-6)
    for part in ("train", "valid", "test"):
        assert math.isfinite(epoch[part]["loss"])
        assert 0 <= epoch[part]["error"] <= 100
    weights = model.trainable_variables
    assert sum(math.prod(one.shape) for one in weights) == parameters
    inner = model.network.get_layer(network)
    assert (inner.input_shape, inner.output_shape) == ((None, 161, 101, 1), (None, 30))
    assert model.mix_at == ["spectrogram"]
    # 15 steps an epoch: clean for five, whatever is tried out.
    alphas = [float(model.mixup.alpha_at(step)) for step in (0, 1, 74, 75)]
    assert alphas == pytest.approx([0.0, 0.0, 0.0, 0.2])
