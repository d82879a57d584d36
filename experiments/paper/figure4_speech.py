"""Figure 4: Google commands by LeNet and VGG-11.

The claim: mixup lowers the errors of VGG-11, the larger network, but not those of
LeNet (section 3.3). The paper's validation and test errors (%):

    LeNet     ERM 9.8, 10.3   mixup 0.1 10.1, 10.8   mixup 0.2 10.2, 11.3
    VGG-11    ERM 5.0, 4.6    mixup 0.1 4.0, 3.8     mixup 0.2 3.9, 3.4

    python -m experiments figure4_speech --data_dir DATA                  # two cores
    python -m experiments figure4_speech --data_dir DATA --preset paper   # a GPU
    python -m experiments figure4_speech --preset smoke                   # seconds

On two cores about 20 minutes of one core's time. DATA holds Speech Commands v0.01, as a folder `speech_commands_v0.01` or as its
archive; `--download` fetches it (1.4 GB). It is not TFDS's `speech_commands`, which
is v0.02 with 12 labels.

The paper's setting, preset `paper`: 65,000 utterances of 30 words, normalized
spectrograms of 160 x 101, 30 epochs, batches of 100, Adam at 3e-3 divided by 10 every
10 epochs, alpha 0.1 and 0.2, spectrograms mixed just before the network, and for
mixup 5 epochs on clean examples first. One GPU trains VGG-11 in about an hour
(estimated, not run).

Not in the paper, and set here: weight decay (none), and the epoch of the table (the
best on the validation set, as the code that it builds on has it; the last stands
beside it). Spectrograms have 161 bins, not 160, as that code's do; its STFT mirrors
the ends, ours pads with zeros. Adam's epsilon is Keras's, 1e-7, where that code's is 1e-8.

Deviations of preset `cpu`: three words, bed, cat and happy, with the utterances of
them that DATA holds, LeNet at half and VGG-11 at an eighth of its width. (At full width
LeNet did not learn these three words at 3e-3: its hidden units died in the first
steps, and the training loss stayed at log 3. The learning rate is the paper's, so it
is the width that was changed.)
"""

import dataclasses
import math
import statistics
from typing import ClassVar, Literal

from experiments import configuration
from experiments.report import result_file

ITEM = "Figure 4"
NETWORKS = {"lenet": "LeNet", "vgg11": "VGG-11"}
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
    "calibration_error": "Calibration error, last epoch (%)",
    "epoch": "Epoch, best on validation",
}
PRESETS = {
    "paper": {},
    "cpu": {
        "words": ("bed", "cat", "happy"),
        "lenet_width": 10,
        "vgg11_width": 8,
        "seeds": (0, 1, 2),
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
}


@dataclasses.dataclass(frozen=True)
class Settings(configuration.TrainingConfiguration):
    """Settings of Figure 4; the defaults are the paper's."""

    may_be_empty: ClassVar[tuple[str, ...]] = ("words",)

    # Networks: lenet, vgg11.
    networks: tuple[str, ...] = tuple(NETWORKS)
    # Words to tell apart; none given for all 30.
    words: tuple[str, ...] = ()
    # Tones made on the spot, in place of utterances.
    tones: bool = False
    seeds: tuple[int, ...] = (0,)
    alphas: tuple[float, ...] = (0.1, 0.2)
    # Passes over the training set.
    epochs: int = 30
    batch_size: int = 100
    # Epochs on clean examples before mixing begins.
    clean_epochs: int = 5
    # Where examples are mixed: the paper mixes spectrograms.
    mix_at: Literal["spectrogram", "waveform"] = "spectrogram"
    # Learning rate of Adam, before it is divided by 10 every third of the epochs.
    learning_rate: float = 3e-3
    # Channels of LeNet's convolutions.
    lenet_width: int = 20
    # Channels of VGG-11's first stage.
    vgg11_width: int = 64

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        configuration.check_names("networks", self.networks, NETWORKS)
        if self.data_service and self.mix_in == "pipeline" and self.clean_epochs:
            raise ValueError(
                "Invalid value received for `clean_epochs`. Expected 0 where a tf.data "
                "service mixes: it does not know the step, and would mix from the first "
                f"on. Received: {self.clean_epochs}"
            )
        if self.mix_in == "pipeline" and self.mix_at == "spectrogram":
            raise ValueError(
                "Invalid value received for `mix_in`. Expected `train_step`, since "
                "spectrograms are made by the network, or `pipeline` with `--mix_at "
                f"waveform`. Received: {self.mix_in}"
            )


def run(settings):
    """Trains each network with each method, prints the table and gives the result."""
    import pathlib
    import sys

    from experiments.data import speech_commands
    from experiments.engine import running

    root = pathlib.Path(settings.run_dir) / "figure4_speech"
    places = running.places_of(settings)
    if settings.tones:
        tones = root / settings.preset / "tones"
        words = settings.words or speech_commands.WORDS
        speech_commands.write_tones(tones / "raw", words)
        places = dataclasses.replace(
            places, data_dir=str(tones / "raw"), prepared_dir=str(tones / "tfds")
        )
    utterances = speech_commands.load_utterances(
        ("train", "validation", "test"), places, settings.words or None
    )
    runs = [
        running.Run(
            NETWORKS[network],
            method,
            seed,
            {"network": network, "alpha": alpha},
            utterances.counts,
        )
        for network in settings.networks
        for seed in settings.seeds
        for method, alpha in settings.method_alphas().items()
    ]
    records = running.run_all(
        "figure4_speech",
        settings,
        runs,
        lambda run, folder: train(run, folder, utterances, settings),
        plan_fields=("networks",),
    )
    return running.conclude(sys.modules[__name__], settings, records)


def train(run, folder, utterances, settings):
    """One run: the record of its epochs, and the utterances seen."""
    import keras

    import keras_mixup
    from experiments.data import pipeline
    from experiments.engine import training

    keras.utils.set_random_seed(run.seed)
    count, classes = utterances.counts["train"], len(utterances.names)
    steps_per_epoch = math.ceil(count / settings.batch_size)
    rate = keras_mixup.LearningRateDrops(
        settings.learning_rate, drops(settings.epochs), steps_per_epoch
    )
    alpha = run.settings["alpha"]
    if alpha:
        alpha = keras_mixup.AlphaSchedule(
            alpha, steps_per_epoch, warm_up=settings.clean_epochs
        )
    mix_at = "input" if settings.mix_at == "waveform" else "spectrogram"
    mixing = training.Mixing(alpha, run.seed, classes, settings, mix_at)

    def batches(first_epoch):
        return pipeline.training_batches(
            utterances.datasets["train"],
            count,
            settings.batch_size,
            run.seed,
            first_epoch,
            mix=mixing.in_pipeline,
            service=settings.data_service,
        )

    def make_model():
        network = make_network(run.settings["network"], classes, settings)
        return mixing.compiled(network, keras.optimizers.Adam(rate))

    data = training.Data(
        batches=batches,
        count=count,
        batch_size=settings.batch_size,
        sets={
            name: pipeline.evaluation_batches(
                utterances.datasets[split], settings.batch_size, one_hot=mixing.rows
            )
            for name, split in (("valid", "validation"), ("test", "test"))
        },
    )
    record = training.fit(make_model, data, rate, settings.epochs, settings, folder)
    return record, data.examples_seen(len(record), settings)


def make_network(name, num_classes, settings):
    """A network from waveforms of one second to logits."""
    import keras

    import keras_mixup
    from experiments.data import spectrograms, speech_commands

    waveforms = keras.Input((speech_commands.RATE,), name="waveform")
    features = spectrograms.Spectrogram(name="spectrogram")(waveforms)
    network = keras_mixup.models.build(
        name,
        input_shape=features.shape[1:],
        num_classes=num_classes,
        width={"lenet": settings.lenet_width, "vgg11": settings.vgg11_width}[name],
    )
    return keras.Model(waveforms, network(features), name=f"{name}_on_waveforms")


def drops(epochs):
    """The epochs after which the learning rate drops; of 30, those of the paper."""
    return tuple(sorted({round(share * epochs / 3) for share in (1, 2)} - {0}))


def final(epochs):
    """The row of the table: the epoch is chosen on the validation set."""
    best = min(epochs, key=lambda epoch: epoch["valid"]["error"])
    return {
        "valid_error": best["valid"]["error"],
        "test_error": best["test"]["error"],
        "last_valid_error": epochs[-1]["valid"]["error"],
        "last_test_error": epochs[-1]["test"]["error"],
        "median_test_error": statistics.median(
            epoch["test"]["error"] for epoch in epochs[-10:]
        ),
        **result_file.calibration_at_the_end(epochs),
        "epoch": best["epoch"],
    }


def tables(result):
    """The table in the paper's layout, as Markdown."""
    return [result_file.table(result, MEASURES, "Network")]


def draw(result, folder):
    """Error over epochs, and the reliability on the test set."""
    from experiments.report import figures

    return figures.curves_and_reliability(result, folder)


def paper():
    """The paper's value by cell."""
    return {
        f"{row}/{measure}": value
        for row, values in PAPER.items()
        for measure, value in zip(("valid_error", "test_error"), values, strict=True)
    }
