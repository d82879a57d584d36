"""The demonstration: mixup keeps a network from learning wrong labels.

scikit-learn's digits with 40 % of the training labels replaced at random, a
small form of the paper's section 3.4 (Table 2): ERM learns the wrong labels,
mixup hardly does, and the more alpha, the less. The paper has no numbers for
these data, so none stand beside ours.

    make demo                                    # or
    python -m experiments quickstart             # about a minute on two cores
    python -m experiments quickstart --publish   # and publish what came out

Deviations from the paper's section 3.4: other data, an MLP of 2 x 256 instead of
PreAct ResNet-18, Adam at 1e-3 instead of SGD with drops, no augmentation.
Errors are of the network in inference mode on clean, unmixed images; "best" is
the least test error of any epoch, chosen on the test set (an oracle), as in the
paper's table.
"""

import dataclasses
import json
import pathlib
import subprocess
import sys
import time

from experiments import configuration
from experiments.data import corruption, digits
from experiments.report import figures, result_file

PRESETS = {"cpu": {}, "smoke": {"epochs": 2, "seeds": (0,), "alphas": (8.0,)}}

ROOT = result_file.RESULTS.parents[1]

MEASURES = {
    "best_test_error": "Best test error, oracle (%)",
    "last_test_error": "Last test error (%)",
    "error_on_real": "Training error, real labels (%)",
    "error_on_corrupted": "Training error, corrupted labels (%)",
}


@dataclasses.dataclass(frozen=True)
class Settings(configuration.Configuration):
    """Settings of the demonstration."""

    # Values of alpha; ERM is run beside them.
    alphas: tuple[float, ...] = (1.0, 8.0)
    # Probability with which a training label is replaced.
    corrupted: float = 0.4
    # Passes over the 1,200 training images.
    epochs: int = 60
    batch_size: int = 64
    # Units of each of the two hidden layers.
    width: int = 256
    # Learning rate of Adam.
    learning_rate: float = 1e-3

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        if (
            not self.alphas
            or not all(0 < alpha < float("inf") for alpha in self.alphas)
            or len(set(self.alphas)) < len(self.alphas)
        ):
            raise ValueError(
                "Invalid value received for `alphas`. Expected at least one, all "
                "different, finite and above 0 (ERM is run beside them). "
                f"Received: {list(self.alphas)}"
            )
        configuration.check_counts(self, ("epochs", "batch_size", "width"))
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(
                "Invalid value received for `learning_rate`. Expected a finite number "
                f"above 0. Received: {self.learning_rate}"
            )
        if not 0 < self.corrupted < 1:
            raise ValueError(
                "Invalid value received for `corrupted`. Expected a share in (0, 1). "
                f"Received: {self.corrupted}"
            )


def run(settings):
    """Trains, measures, exports, serves; prints the table and gives the result."""
    from experiments.engine import running

    folder = pathlib.Path(settings.run_dir) / "quickstart"
    folder.mkdir(parents=True, exist_ok=True)
    alphas = [0.0, *settings.alphas]
    plan = [(alpha, seed) for alpha in alphas for seed in settings.seeds]
    runs, kept = [], None
    for number, (alpha, seed) in enumerate(plan, start=1):
        record, model = train(alpha, seed, settings)
        runs.append(record)
        if alpha == alphas[-1] and seed == settings.seeds[0]:
            kept = model
        last = record["epochs"][-1]["test"]["error"]
        print(
            f"[{number}/{len(plan)}] {record['method']}, seed {seed}: last test error "
            f"{last:.1f} % ({record['seconds']:.1f} s)",
            flush=True,
        )
    result = result_file.make_result(
        "quickstart", "Table 2, in small", dataclasses.asdict(settings), {}, runs, final
    )
    print("", *tables(result), "", sep="\n")
    print(f"Mean ± standard deviation over {len(settings.seeds)} seeds.")
    written = folder / f"{settings.preset}.json"
    result_file.write(written, result)
    pictures = draw_pictures(result, settings, folder)
    for path in (written, *pictures):
        print(f"Wrote {path}")
    export_and_serve(kept, result, settings, folder)
    if settings.publish:
        running.copy_to_results(result, written.name, pictures)
    return result


def train(alpha, seed, settings):
    """One run: the record for the result file, and the trained model."""
    import keras

    import keras_mixup

    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    (x, y), (x_test, y_test) = _scaled_digits()
    noisy, chosen = corruption.corrupt_labels(
        y, settings.corrupted, digits.CLASSES, seed
    )
    network = keras_mixup.models.build(
        "mlp", input_shape=(8, 8, 1), num_classes=digits.CLASSES, width=settings.width
    )
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(alpha, seed=seed))
    model.compile(
        keras.optimizers.Adam(settings.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=settings.jit_compile,
    )
    epochs = []

    def measure(epoch, logs):
        predicted = network.predict_on_batch(x).argmax(-1)
        predicted_test = network.predict_on_batch(x_test).argmax(-1)
        epochs.append(
            {
                "epoch": epoch + 1,
                "learning_rate": settings.learning_rate,
                "train": {
                    "loss": float(logs["loss"]),
                    **keras_mixup.evaluation.memorization_errors(
                        predicted, noisy, chosen
                    ),
                },
                "test": {"error": 100 * float((predicted_test != y_test).mean())},
                "seconds": time.perf_counter() - started,
            }
        )

    model.fit(
        x,
        noisy,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=measure)],
    )
    record = {
        "method": f"mixup {alpha:g}" if alpha else "ERM",
        "seed": seed,
        "settings": {"alpha": alpha},
        "epochs": epochs,
        "images_seen": settings.epochs * len(x),
        "seconds": time.perf_counter() - started,
    }
    return record, model


def final(epochs):
    """The row of the table, from the numbers of each epoch."""
    last = epochs[-1]
    return {
        "best_test_error": min(epoch["test"]["error"] for epoch in epochs),
        "last_test_error": last["test"]["error"],
        "error_on_real": last["train"]["error_on_real"],
        "error_on_corrupted": last["train"]["error_on_corrupted"],
    }


def tables(result):
    """The table, as Markdown."""
    return [result_file.table(result, MEASURES)]


def draw_pictures(result, settings, folder):
    """The curves, from the result alone, and a few mixed digits."""
    import numpy as np

    import keras_mixup

    curves, mixed = folder / "curves.png", folder / "mixed_digits.png"
    figures.error_curves(
        result,
        {
            ("test", "error"): "test",
            ("train", "error_on_real"): "training, real labels",
            ("train", "error_on_corrupted"): "training, corrupted labels",
        },
        curves,
        f"Digits, {100 * settings.corrupted:g} % of the training labels replaced",
    )
    (x, y), _ = digits.load_digits()
    x, y = x[:8], y[:8]
    lam = keras_mixup.sample_lambda(settings.alphas[-1], (len(x),), seed=0)
    partner = keras_mixup.sample_partner(len(x), seed=0, pairing="derangement")
    images, lam = keras_mixup.mix(x, lam, partner).numpy(), lam.numpy()
    partner = partner.numpy()
    titles = [
        f"{w:.2f} [{a}]\n+ {1 - w:.2f} [{b}]"
        for w, a, b in zip(np.round(lam, 2), y, y[partner], strict=True)
    ]
    figures.mixed_images(x, x[partner], images, lam, titles, mixed)
    return curves, mixed


def export_and_serve(model, result, settings, folder):
    """Exports the model and classifies the test images in a process of its own."""
    import numpy as np

    import keras_mixup

    models = (ROOT if settings.publish else folder) / "saved_models"
    path = _next_version(models / "digits")
    method, seed = f"mixup {settings.alphas[-1]:g}", settings.seeds[0]
    run = next(r for r in result["runs"] if (r["method"], r["seed"]) == (method, seed))
    keras_mixup.export_saved_model(
        model,
        path,
        labels=[str(digit) for digit in range(digits.CLASSES)],
        preprocess=lambda images: _scale(images),
        card={
            "description": "Handwritten digits by a multilayer perceptron trained with "
            f"{method} (seed {seed}, last epoch) by `python -m experiments quickstart`.",
            "data": "scikit-learn's digits (UCI, Alpaydin and Kaynak), 1,200 images, "
            f"{100 * settings.corrupted:g} % of the labels replaced at random",
            "numbers": {MEASURES[k]: f"{v:.1f}" for k, v in run["final"].items()},
            "license": "data CC BY 4.0, model Apache-2.0",
        },
    )
    print(f"Exported {method}, seed {seed}, to {path}")
    _, (x_test, y_test) = digits.load_digits()
    data = folder / "test_images.npz"
    np.savez(data, images=x_test, labels=y_test)
    answer = subprocess.run(
        [sys.executable, "-m", "experiments.serving_client"]
        + [str(file.absolute()) for file in (path, data)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise RuntimeError(f"The exported model could not be served:\n{answer.stderr}")
    served = json.loads(answer.stdout.strip().splitlines()[-1])
    print(
        f"Served by a second process without keras_mixup: {served['error']:.1f} % error "
        f"on {served['images']} test images, {served['error_encoded']:.1f} % from PNG "
        "files."
    )
    return served


def _scaled_digits():
    (x, y), (x_test, y_test) = digits.load_digits()
    return (x.astype("float32") / 255, y), (x_test.astype("float32") / 255, y_test)


def _scale(images):
    import tensorflow as tf

    return tf.cast(images, tf.float32) / 255


def _next_version(folder):
    taken = [int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit()]
    return folder / str(max(taken, default=0) + 1)
