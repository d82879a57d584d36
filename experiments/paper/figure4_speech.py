"""Figure 4: Google commands by LeNet and VGG-11.

The claim (section 3.3): mixup lowers the errors of VGG-11, the larger network, but not
those of LeNet.

    python -m experiments figure4_speech --data_dir DATA                  # two cores
    python -m experiments figure4_speech --data_dir DATA --preset paper   # a GPU

The paper's setting, preset `paper`: 65,000 utterances of 30 words (v0.01; TFDS's
`speech_commands` is another), normalized spectrograms of 160 x 101, 30 epochs, batches
of 100, Adam at 3e-3 divided by 10 every 10 epochs, alpha 0.1 and 0.2, spectrograms
mixed just before the network, and for mixup 5 epochs on clean examples first.

Not in the paper, and set here: weight decay (none), and the epoch of the table (the
best on the validation set, as the code that it builds on has it; the last stands
beside it). Spectrograms have 161 bins, not 160, as that code's do; its STFT mirrors
the ends, ours pads with zeros. Adam's epsilon is Keras's, 1e-7, that code's is 1e-8.
"""

import dataclasses
import math
import pathlib
from typing import Literal

import keras

import keras_mixup
from experiments import classifier, measures
from experiments.data import spectrograms, speech_commands
from experiments.data.sources import places_of
from experiments.experiment import Experiment, plan
from experiments.report import figures, tables
from experiments.settings import MethodSettings, field, invalid

NETWORKS = {"lenet": "LeNet", "vgg11": "VGG-11"}
# Validation and test errors (%).
PAPER = {
    "LeNet/ERM": (9.8, 10.3),
    "LeNet/mixup 0.1": (10.1, 10.8),
    "LeNet/mixup 0.2": (10.2, 11.3),
    "VGG-11/ERM": (5.0, 4.6),
    "VGG-11/mixup 0.1": (4.0, 3.8),
    "VGG-11/mixup 0.2": (3.9, 3.4),
}
MEASURES = {
    "valid_error": "Validation error (%)",
    "test_error": "Test error (%)",
    "last_valid_error": "Last validation error (%)",
    "last_test_error": "Last test error (%)",
    "median_test_error": "Test error, median of the last ten epochs (%)",
    "error_on_real": "Training error, clean (%)",
    "calibration_error": "Calibration error, last epoch (%)",
    "epoch": "Epoch, best on validation",
}


@dataclasses.dataclass(frozen=True)
class Settings(MethodSettings):
    """Settings of Figure 4; the defaults are the paper's."""

    # Networks: lenet, vgg11.
    networks: tuple[str, ...] = field(tuple(NETWORKS), "plan", among=NETWORKS)
    # Words to tell apart; none given for all 30.
    words: tuple[str, ...] = field((), empty=True)
    # Tones made on the spot, in place of utterances.
    tones: bool = False
    alphas: tuple[float, ...] = (0.1, 0.2)
    # Passes over the training set.
    epochs: int = field(30, least=1)
    batch_size: int = 100
    # Epochs on clean examples before mixing begins.
    clean_epochs: int = 5
    # Where examples are mixed: the paper mixes spectrograms.
    mix_at: Literal["spectrogram", "waveform"] = "spectrogram"
    # Learning rate of Adam, before it is divided by 10 every third of the epochs.
    learning_rate: float = field(3e-3, above=0)
    # Channels of LeNet's convolutions.
    lenet_width: int = field(20, least=1)
    # Channels of VGG-11's first stage.
    vgg11_width: int = field(64, least=1)

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        if self.data_service and self.mix_in == "pipeline" and self.clean_epochs:
            expected = "0 where a tf.data service mixes, which does not know the step"
            raise invalid("clean_epochs", expected, self.clean_epochs)
        if self.mix_in == "pipeline" and self.mix_at == "spectrogram":
            expected = (
                "`train_step`, since spectrograms are made by the network, or "
                "`pipeline` with `--mix_at waveform`"
            )
            raise invalid("mix_in", expected, self.mix_in)


def load(settings):
    """The utterances of the three splits, or tones, which are written first."""
    places, words = places_of(settings), settings.words or None
    if settings.tones:
        root = pathlib.Path(settings.run_dir, "figure4_speech", settings.preset)
        tones = root / "tones"
        speech_commands.write_tones(tones / "raw", words or speech_commands.WORDS)
        places = dataclasses.replace(
            places, data_dir=str(tones / "raw"), prepared_dir=str(tones / "tfds")
        )
    splits = ("train", "validation", "test")
    return speech_commands.load_utterances(splits, places, words)


def runs(settings, data):
    """Each network with each seed and method."""
    networks = {NETWORKS[n]: ({"network": n}, data.counts) for n in settings.networks}
    return plan(settings, networks)


def train(run, data, settings, folder):
    """One run: the record of its epochs, and the utterances seen."""
    alpha, classes = run.settings["alpha"], len(data.names)
    count = data.counts["train"]
    if alpha:
        steps = math.ceil(count / settings.batch_size)
        alpha = keras_mixup.AlphaSchedule(alpha, steps, warm_up=settings.clean_epochs)
    mix_at = "input" if settings.mix_at == "waveform" else "spectrogram"
    mixing = classifier.Mixing(alpha, run.seed, classes, settings, mix_at)
    sets = {"valid": data.datasets["validation"], "test": data.datasets["test"]}
    return classifier.train(
        folder,
        mixing,
        **classifier.of_examples(
            *(data.datasets["train"], count, sets, mixing, settings.batch_size)
        ),
        network=lambda: make_network(run.settings["network"], classes, settings),
        optimizer=keras.optimizers.Adam,
        epochs=settings.epochs,
        drops=classifier.drops_at(settings.epochs, (1 / 3, 2 / 3)),
    )


def make_network(name, num_classes, settings):
    """A network from waveforms of one second to logits."""
    waveforms = keras.Input((speech_commands.RATE,), name="waveform")
    features = spectrograms.Spectrogram(name="spectrogram")(waveforms)
    width = {"lenet": settings.lenet_width, "vgg11": settings.vgg11_width}[name]
    network = keras_mixup.models.build(
        name, input_shape=features.shape[1:], num_classes=num_classes, width=width
    )
    return keras.Model(waveforms, network(features), name=f"{name}_on_waveforms")


def final(epochs):
    """The row of the table: the epoch is chosen on the validation set."""
    best = min(epochs, key=lambda epoch: epoch["valid"]["error"])
    tested = measures.errors_at_the_end(epochs)
    return {
        "valid_error": best["valid"]["error"],
        "test_error": best["test"]["error"],
        "last_valid_error": epochs[-1]["valid"]["error"],
        "last_test_error": tested["last_error"],
        "median_test_error": tested["median_error"],
        **measures.at_the_end(epochs),
        "epoch": best["epoch"],
    }


EXPERIMENT = Experiment(
    name="figure4_speech",
    item="Figure 4",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": {
            "precision": "auto",
            "words": ("bed", "cat", "happy"),
            "lenet_width": 10,
            "vgg11_width": 8,
            "seeds": (0, 1, 2, 3, 4),
        },
        "smoke": {
            "tones": True,
            "words": ("bed", "cat", "happy"),
            "lenet_width": 2,
            "vgg11_width": 4,
            "epochs": 2,
            "clean_epochs": 1,
            "batch_size": 6,
            "alphas": (0.2,),
        },
    },
    load=load,
    runs=runs,
    train=train,
    final=final,
    tables=lambda result: [tables.table(result, MEASURES, "Network")],
    draw=figures.curves_and_reliability,
    paper=lambda settings: measures.cells(PAPER, ("valid_error", "test_error")),
)
