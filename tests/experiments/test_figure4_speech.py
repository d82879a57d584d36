"""Figure 4: the smoke preset from end to end, the paper's settings, where it mixes."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from experiments.data import sources, speech_commands
from experiments.paper import figure4_speech
from keras_mixup import keys
from tests.experiments import runs

ROWS = [(n, m, 0) for n in ("LeNet", "VGG-11") for m in ("ERM", "mixup 0.2")]
# Section 3.3, Figure 4: validation and test errors.
PAPER = {
    ("LeNet", "ERM"): (9.8, 10.3),
    ("LeNet", "mixup 0.1"): (10.1, 10.8),
    ("LeNet", "mixup 0.2"): (10.2, 11.3),
    ("VGG-11", "ERM"): (5.0, 4.6),
    ("VGG-11", "mixup 0.1"): (4.0, 3.8),
    ("VGG-11", "mixup 0.2"): (3.9, 3.4),
}
STEPS = 511  # 51,088 / 100, rounded up


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Settings, result and what was printed."""
    folder = tmp_path_factory.mktemp("runs")
    settings = runs.parse(figure4_speech, "--preset", "smoke", "--run_dir", folder)
    return settings, *runs.recorded(figure4_speech, settings)


@pytest.mark.slow
def test_the_result_of_the_smoke_preset_has_the_schema(smoke):
    settings, result, _ = smoke
    runs.check_result(
        figure4_speech,
        settings,
        result,
        runs=ROWS,
        sets=("valid", "test"),
        errors=("error",),
        # Three words, four of each in a split.
        examples=12,
        # Of two epochs, a drop after the first.
        rates=(3e-3, 3e-4),
    )


@pytest.mark.slow
def test_the_picture_and_the_table_with_the_papers_values_are_made(smoke):
    settings, result, printed = smoke
    folder = pathlib.Path(settings.run_dir) / "figure4_speech"
    runs.check_picture(folder / "curves.png")
    assert f"Wrote {folder / 'smoke.json'}\n" in printed
    for (network, method, _), run in zip(ROWS, result["runs"], strict=True):
        final, (valid, test) = run["final"], PAPER[network, method]
        row = (
            f"| {network} | {method} | {final['valid_error']:.1f} ({valid:g}) | "
            f"{final['test_error']:.1f} ({test:g}) | {final['last_valid_error']:.1f} | "
        )
        assert any(line.startswith(row) for line in printed.splitlines()), row


@pytest.mark.slow
def test_the_errors_are_those_of_the_saved_network_on_clean_waveforms(smoke):
    settings, result, _ = smoke
    folder = pathlib.Path(settings.run_dir) / "figure4_speech" / "smoke"
    network = keras.models.load_model(folder / "vgg_11_mixup_0.2_seed_0/network.keras")
    tones = folder / "tones"
    places = sources.Places(str(tones / "raw"), str(tones / "tfds"))
    words = ("bed", "cat", "happy")
    found = speech_commands.load_utterances(("validation", "test"), places, words)
    last = result["runs"][3]["epochs"][-1]
    for split, part in (("validation", "valid"), ("test", "test")):
        data = found.datasets[split].batch(12)
        waveforms, labels = next(data.as_numpy_iterator())
        assert sorted(labels) == [0] * 4 + [1] * 4 + [2] * 4
        logits = network(waveforms, training=False).numpy()
        loss = runs.cross_entropy(logits, labels).mean()
        assert last[part]["loss"] == pytest.approx(loss, rel=1e-3)
        error = 100 * np.mean(logits.argmax(-1) != labels)
        assert last[part]["error"] == pytest.approx(error)


@pytest.mark.slow
def test_a_second_run_takes_up_the_records(smoke, monkeypatch):
    settings, result, _ = smoke
    runs.check_reused(figure4_speech, settings, result, monkeypatch)


@pytest.mark.slow
def test_another_seed_or_alpha_trains_only_the_new_runs(smoke, monkeypatch, tmp_path):
    settings, before, _ = smoke
    flags = ["--networks", "lenet", "--seeds", 0, 4, "--alphas", 0.2, 0.1]
    (result, printed), calls = runs.added(
        figure4_speech, settings, monkeypatch, tmp_path, *flags
    )
    assert [call.folder.name for call in calls] == [
        "lenet_mixup_0.1_seed_0",
        *(f"lenet_{method}_seed_4" for method in ("erm", "mixup_0.2", "mixup_0.1")),
    ]
    assert result["runs"][:2] == before["runs"][:2]
    assert printed.count(": done before") == 2


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
    assert figure4_speech.final(epochs_of(valid, test)) == {
        "valid_error": 6.0,
        "test_error": 12.0,
        "last_valid_error": 8.75,
        "last_test_error": 5.0,
        "median_test_error": 8.5,
        "epoch": 4,
    }
    final = figure4_speech.final(epochs_of([5.0, 4.0], [1.0, 3.0]))
    assert (final["test_error"], final["epoch"]) == (3.0, 2)
    assert final["median_test_error"] == 2.0


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [(30, (10, 20)), (15, (5, 10)), (3, (1, 2)), (2, (1,)), (1, (1,))],
)
def test_the_drops_are_the_papers_or_in_proportion(epochs, expected):
    assert figure4_speech.drops(epochs) == expected


def test_the_papers_numbers_are_those_of_figure_4():
    assert figure4_speech.paper() == {
        f"{network}/{method}/{measure}": error
        for (network, method), errors in PAPER.items()
        for measure, error in zip(("valid_error", "test_error"), errors)
    }


def test_the_preset_of_the_paper_is_section_3_3():
    settings = runs.parse(figure4_speech, "--preset", "paper")
    expected = {
        "networks": ("lenet", "vgg11"),
        "words": (),
        "tones": False,
        "methods": ("erm", "mixup"),
        "alphas": (0.1, 0.2),
        "epochs": 30,
        "batch_size": 100,
        "clean_epochs": 5,
        "mix_at": "spectrogram",
        "mix_in": "train_step",
        "learning_rate": 3e-3,
        "lenet_width": 20,
        "vgg11_width": 64,
        "max_steps": 0,
        "precision": "float32",
    }
    assert {name: getattr(settings, name) for name in expected} == expected


def loaded(monkeypatch, counts, names, waveforms=None, labels=None):
    """Replaces the utterances by given ones, said to be of these counts."""
    if waveforms is None:
        waveforms, labels = np.zeros((2, speech_commands.RATE)), [0, 1]

    def load_utterances(splits, places, words=None):
        assert words is None or tuple(words) == names
        data = tf.data.Dataset.from_tensor_slices(
            (tf.constant(waveforms, tf.float32), tf.constant(labels, tf.int64))
        )
        return speech_commands.Utterances(dict.fromkeys(splits, data), counts, names)

    monkeypatch.setattr(speech_commands, "load_utterances", load_utterances)


def test_the_runs_of_the_paper_follow_its_schedules(monkeypatch, tmp_path):
    counts = {"train": 51_088, "validation": 6_798, "test": 6_835}
    loaded(monkeypatch, counts, speech_commands.WORDS)
    calls, built = runs.without_training(monkeypatch), runs.tiny_networks(monkeypatch)
    settings = runs.parse(figure4_speech, "--preset", "paper", "--run_dir", tmp_path)
    result, printed = runs.recorded(figure4_speech, settings)
    assert [(run["group"], run["method"]) for run in result["runs"]] == list(PAPER)
    for (network, method), call in zip(PAPER, calls, strict=True):
        assert (call.epochs, call.data.steps_per_epoch) == (30, STEPS)
        for epoch, rate in ((0, 3e-3), (10, 3e-4), (20, 3e-5)):
            assert call.rate_at(epoch * STEPS) == pytest.approx(rate)
            assert call.rate_at((epoch + 10) * STEPS - 1) == pytest.approx(rate)
        model = call.make_model()
        assert built[-1] == {
            "name": {"LeNet": "lenet", "VGG-11": "vgg11"}[network],
            "input_shape": (161, 101, 1),
            "num_classes": 30,
            "width": {"LeNet": 20, "VGG-11": 64}[network],
        }
        adam = model.optimizer
        assert type(adam) is keras.optimizers.Adam
        assert (adam.beta_1, adam.beta_2, adam.weight_decay) == (0.9, 0.999, None)
        assert adam._learning_rate is call.rate
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
    for (network, method), (valid, test) in PAPER.items():
        row = f"| {network} | {method} | 12.0 ({valid:g}) | 12.0 ({test:g}) | 12.0 |"
        assert any(line.startswith(row) for line in printed.splitlines()), row


def mixing_model(monkeypatch, tmp_path, waveforms, labels, *flags):
    """What figure4 trains on six utterances with a small VGG-11, and its batches."""
    counts = dict.fromkeys(("train", "validation", "test"), len(labels))
    loaded(monkeypatch, counts, ("bed", "cat", "happy"), waveforms, labels)
    calls = runs.without_training(monkeypatch)
    settings = runs.parse(
        figure4_speech, "--words", "bed", "cat", "happy", "--networks", "vgg11",
        "--vgg11_width", 2, "--methods", "mixup", "--seeds", 3, "--batch_size", 6,
        "--run_dir", tmp_path, *flags,
    )  # fmt: skip
    runs.recorded(figure4_speech, settings)
    (call,) = calls
    return call.make_model(), call


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
def test_examples_are_mixed_at_the_place_asked_for(place, tones, monkeypatch, tmp_path):
    waveforms, labels = tones
    flags = ["--mix_at", place, "--alphas", 4, "--clean_epochs", 1]
    model, _ = mixing_model(monkeypatch, tmp_path, waveforms, labels, *flags)
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
            runs.cross_entropy(logits, labels[order]) for order in (range(6), partner)
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


def test_waveforms_are_mixed_in_the_pipeline_after_the_clean_epochs(
    tones, monkeypatch, tmp_path
):
    waveforms, labels = tones
    flags = ["--mix_at", "waveform", "--mix_in", "pipeline", "--alphas", 4]
    flags += ["--clean_epochs", 1]
    model, call = mixing_model(monkeypatch, tmp_path, waveforms, labels, *flags)
    # Mixed on the host, the network itself is trained, and for rows.
    assert model.mixup.is_identity
    assert isinstance(model.loss, keras.losses.CategoricalCrossentropy)
    clean, mixed = call.data.batches(0).take(2).as_numpy_iterator()
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
    for batches in call.data.sets.values():
        ((x, y),) = batches.as_numpy_iterator()
        np.testing.assert_array_equal(x, waveforms)
        np.testing.assert_array_equal(y, np.eye(3)[labels])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--networks", "resnet50"], "`networks`. Expected some of ['lenet', 'vgg11']"),
        (["--networks"], "`networks`"),
        (
            ["--mix_in", "pipeline"],
            "`mix_in`. Expected `train_step`, since spectrograms",
        ),
        (["--mix_in", "pipeline", "--mix_at", "spectrogram"], "Received: pipeline"),
        (["--mix_at", "logits"], "invalid choice: 'logits'"),
        (["--alphas", "0.1", "0.1"], "`alphas`. Expected different numbers"),
        (["--epochs", "0"], "`epochs`. Expected a number >= 1"),
        (
            [
                *("--mix_in", "pipeline", "--mix_at", "waveform"),
                *("--data_service", "grpc://localhost:1"),
            ],
            "`clean_epochs`. Expected 0 where a tf.data service mixes",
        ),
        (["--max_steps", "-1"], "`max_steps`. Expected a number >= 0"),
    ],
)
def test_wrong_settings_are_refused(capsys, flags, message):
    assert message in runs.refusal(figure4_speech, capsys, *flags)


def test_the_pipeline_mixes_waveforms():
    settings = runs.parse(
        figure4_speech, "--mix_in", "pipeline", "--mix_at", "waveform"
    )
    assert (settings.mix_in, settings.mix_at) == ("pipeline", "waveform")


def test_what_is_missing_is_said_before_anything_is_trained(monkeypatch, tmp_path):
    calls = runs.without_training(monkeypatch)
    folder = tmp_path / "data"
    flags = ["--data_dir", folder, "--prepared_dir", tmp_path / "tfds"]
    flags += ["--run_dir", tmp_path]
    expected = f"speech_commands_v0.01.tar.gz .*as a folder .*into {folder}.*--download"
    for preset in ("paper", "cpu"):
        settings = runs.parse(figure4_speech, "--preset", preset, *flags)
        with pytest.raises(sources.MissingData, match=expected):
            figure4_speech.run(settings)
    settings = runs.parse(figure4_speech, "--words", "bed", "bad", *flags)
    with pytest.raises(sources.UnknownData, match="'bad'"):
        figure4_speech.run(settings)
    assert calls == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "parameters"), [("lenet", 16_321_570), ("vgg11", 13_172_894)]
)
def test_the_preset_of_the_paper_trains_its_networks(
    network, parameters, monkeypatch, tmp_path
):
    runs.free_memory()
    folder = tmp_path / speech_commands.NAME
    speech_commands.write_tones(folder, speech_commands.WORDS, per_split=1)
    models = runs.keep_model(monkeypatch)
    settings = runs.parse(
        figure4_speech, "--preset", "paper", "--networks", network, "--methods", "mixup",
        "--alphas", 0.2, "--batch_size", 2, "--max_steps", 2, "--checkpoint_every", 0,
        "--notensorboard", "--run_dir", tmp_path, "--data_dir", tmp_path,
        "--prepared_dir", tmp_path / "tfds",
    )  # fmt: skip
    result, _ = runs.recorded(figure4_speech, settings)
    (model,) = models
    runs.check_two_steps(result, model, parameters, rate=3e-3, sets=("valid", "test"))
    inner = model.network.get_layer(network)
    assert (inner.input_shape, inner.output_shape) == ((None, 161, 101, 1), (None, 30))
    assert model.mix_at == ["spectrogram"]
    # 15 steps an epoch: clean for five, whatever is tried out.
    alphas = [float(model.mixup.alpha_at(step)) for step in (0, 1, 74, 75)]
    assert alphas == pytest.approx([0.0, 0.0, 0.0, 0.2])
