"""A program that mypy checks (`make types`): all that it names is public.

It is not run. A line with `type: ignore` has a mistake that mypy has to find, since
`warn_unused_ignores` is on.
"""

import functools
import pathlib
from typing import Any, assert_type

import keras
import numpy as np
import tensorflow as tf

import keras_mixup
import keras_mixup.layers
import keras_mixup.neighbors

# Policies: their own arguments, those of all policies, and what is no argument.
mixup = keras_mixup.MixUp(0.2, per="example", seed=7, num_classes={"label": 10})
cutmix = keras_mixup.CutMix(1.0, min_max=(0.2, 0.8), pairing="roll", axes=(1, 2))
fmix = keras_mixup.FMix(decay=3.0, label_smoothing=0.1, share_quantities="depth")
resizemix = keras_mixup.ResizeMix((0.1, 0.8), bounding_box_format="xyxy")
choice = keras_mixup.RandomChoice([mixup, cutmix], [0.5, 0.5], per="batch")
remix = keras_mixup.Remix([500, 50, 5])
keras_mixup.MixUp(keras_mixup.AlphaSchedule(0.2, steps_per_epoch=10, ramp=0.5))
keras_mixup.MixUp(tf.Variable(0.2), label_rule=remix, period=[360.0, None])
keras_mixup.MixUp(bandwidth={"age": 1.5, "height": (1.0, 2.0)}, label_rule="union")
keras_mixup.MixUp("0.2")  # type: ignore[arg-type]
keras_mixup.MixUp(per="exmaple")  # type: ignore[arg-type]
keras_mixup.MixUp(num_classes="10")  # type: ignore[arg-type]
keras_mixup.MixUp(axes=(1, 2))  # type: ignore[call-arg]
keras_mixup.MixUp(0.2, "example")  # type: ignore[call-arg]
keras_mixup.CutMix(pairing="rol")  # type: ignore[arg-type]
keras_mixup.CutMix(quantities="count")  # type: ignore[call-arg]
keras_mixup.FMix(min_visibility=0.1)  # type: ignore[call-arg]
keras_mixup.FMix(decay="3")  # type: ignore[arg-type]
keras_mixup.ResizeMix(beta=1.0)  # type: ignore[call-arg]
keras_mixup.ResizeMix(0.5)  # type: ignore[arg-type]
keras_mixup.RandomChoice([keras.layers.Dense, 0.5])  # type: ignore[list-item]
keras_mixup.RandomChoice([mixup], seed="7")  # type: ignore[arg-type]
keras_mixup.Remix(500)  # type: ignore[arg-type]
assert_type(remix.num_classes, int)
assert_type(mixup.has_schedule, bool)
assert_type(mixup.get_config(), dict[str, Any])
assert_type(keras_mixup.CutMix.from_config({}), keras_mixup.CutMix)
assert_type(keras_mixup.Remix.from_config({}), keras_mixup.Remix)


def batches(dataset: tf.data.Dataset, batch: tuple[tf.Tensor, tf.Tensor]) -> None:
    """Calls of a policy, and what counts and reads its batches."""
    assert_type(mixup(dataset), Any)
    assert_type(mixup.at_step(3, batch, replica=1, details=True), Any)
    assert_type(cutmix.at_step(keras_mixup.Step(3), batch), Any)
    assert_type(mixup.between(batch, batch, step=np.int64(3)), Any)
    mixup.at_step("3", batch)  # type: ignore[arg-type]
    mixup.at_step(3, batch, 0, True)  # type: ignore[call-arg]
    mixup.between(batch)  # type: ignore[call-arg]
    mixup(batch, details="yes")  # type: ignore[arg-type]
    assert_type(keras_mixup.count_steps(dataset, first_step=0), Any)
    keras_mixup.count_steps(dataset, 0.5)  # type: ignore[arg-type]
    assert_type(keras_mixup.as_dataset(iter([batch])), Any)
    assert_type(keras_mixup.labeled_and_unlabeled(dataset, dataset, 10), Any)
    keras_mixup.labeled_and_unlabeled(dataset)  # type: ignore[call-arg]
    mixed = keras_mixup.MixedBatch(*batch, None, (), None, (), None)
    assert_type(mixed.shares, tuple[Any, ...] | None)
    assert_type(keras_mixup.show(mixed, labels=["cat", "dog"]), Any)
    keras_mixup.show(mixed, count="8")  # type: ignore[arg-type]


def functions(labels: tf.Tensor) -> None:
    """The laws, as functions."""
    assert_type(keras_mixup.sample_lambda(0.2, (128,), seed=7, step=3), Any)
    assert_type(keras_mixup.sample_weights(tf.constant(0.2), 128, examples=3), Any)
    assert_type(keras_mixup.sample_partner(128, pairing="same_class", labels=[0]), Any)
    assert_type(keras_mixup.mix({"x": labels}, 0.2, [0]), Any)
    assert_type(keras_mixup.ordinal_rows([0, 1], num_levels=5), Any)
    assert_type(keras_mixup.ordinal_level(labels), Any)
    keras_mixup.sample_lambda("0.2", ())  # type: ignore[arg-type]
    keras_mixup.sample_weights(0.2, (), seed="7")  # type: ignore[arg-type]
    keras_mixup.sample_partner(128, pairing="class")  # type: ignore[arg-type]
    keras_mixup.sample_partner(128, bandwidth="own")  # type: ignore[arg-type]
    keras_mixup.mix(labels, 0.2)  # type: ignore[call-arg]
    keras_mixup.ordinal_rows([0], num_levels="5")  # type: ignore[arg-type]
    keras_mixup.ordinal_level()  # type: ignore[call-arg]


def training(network: keras.Model, dataset: tf.data.Dataset) -> None:
    """Models, callbacks and schedules."""
    model = keras_mixup.MixUpModel(
        network, choice, mix_at=["input"], metric_targets={"accuracy": "clean"}
    )
    model.compile("sgd", keras.losses.CategoricalCrossentropy(), metrics=["accuracy"])
    shown = keras_mixup.MixUpSummary(pathlib.Path("logs"), steps=10)
    model.fit(dataset, epochs=3, callbacks=[shown, keras_mixup.CountEpochs(dataset)])
    assert_type(model.get_config(), dict[str, Any])
    keras_mixup.MixUpModel(network, 0.2)  # type: ignore[arg-type]
    keras_mixup.MixUpModel(network, mixup, clean_weight="1")  # type: ignore[arg-type]
    keras_mixup.MixUpModel(
        network,
        mixup,
        metric_targets={"accuracy": "soft"},  # type: ignore[dict-item]
    )
    keras_mixup.MixUpSummary(3)  # type: ignore[arg-type]
    camixup = keras_mixup.CAMixUp((np.ones([4, 2]), [0, 1, 0, 1]), num_classes=2)
    keras_mixup.MixUp(1.0, per="example", probability=camixup.probability)
    keras_mixup.MixUp(1.0, per="example", probability=[1.0, 0.0])
    keras_mixup.CAMixUp(dataset, "2")  # type: ignore[arg-type]
    keras_mixup.CountEpochs()  # type: ignore[call-arg]
    gan = keras_mixup.MixUpGAN(network, network, mode="objective", seed=7)
    gan.compile(keras.optimizers.Adam(), jit_compile="auto")
    assert_type(gan.generate(1000, seed=0), np.ndarray)
    gan.compile(jit_compile="yes")  # type: ignore[arg-type]
    gan.generate(0.5)  # type: ignore[arg-type]
    keras_mixup.MixUpGAN(network, network, mode="paper")  # type: ignore[arg-type]
    ict = keras_mixup.ICTModel(network, mixup, ramp_up=100, teacher_decay=None)
    assert_type(ict.teacher, Any)
    keras_mixup.ICTModel(network, cutmix)  # type: ignore[arg-type]
    keras_mixup.ICTModel(network, mixup, teacher_mixes="z")  # type: ignore[arg-type]
    keras_mixup.MixMatchModel(network, mixup, augment=None, mix=None)
    keras_mixup.MixMatchModel(network, mixup, guesses=0.5)  # type: ignore[arg-type]
    keras_mixup.MixMatchModel(network, mixup, mix="none")  # type: ignore[arg-type]
    keras_mixup.LearningRateDrops(0.1, (100, 150), steps_per_epoch=391)
    keras_mixup.LearningRateDrops(0.1, 100)  # type: ignore[arg-type]
    keras_mixup.AlphaSchedule("0.2")  # type: ignore[arg-type]


def serving(network: keras.Model) -> None:
    """Exports."""
    path = keras_mixup.export_saved_model(
        network,
        "saved_models/1",
        labels=["cat", "dog"],
        task={"price": "regression"},
        units="EUR",
        preprocess=keras.layers.Rescaling(1 / 255),
        postprocess={"price": np.exp},
    )
    assert_type(path, pathlib.Path)
    assert_type(keras_mixup.export_generator(network, path), pathlib.Path)
    keras_mixup.export_saved_model(network, path, task="class")  # type: ignore[arg-type]
    keras_mixup.export_saved_model(network, path, ["cat"])  # type: ignore[call-arg]
    keras_mixup.export_generator(network, 1)  # type: ignore[arg-type]


def rooms(network: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    """Layers, metrics, networks and neighbors."""
    assert_type(keras_mixup.layers.MixUp(0.2, num_classes=10, name="mixed")({}), Any)
    keras_mixup.layers.CutMix(data_format="channels_first", min_max=(0.2, 0.8))
    keras_mixup.layers.MixFeatures(name="branch")
    keras_mixup.layers.MixMask("branch")
    keras_mixup.layers.MixUp(per="each")  # type: ignore[arg-type]
    keras_mixup.layers.MixUp(factor=0.2)  # type: ignore[call-arg]
    keras_mixup.layers.CutMix(data_format="last")  # type: ignore[arg-type]
    keras_mixup.layers.CutMix(quantities="x")  # type: ignore[call-arg]
    keras_mixup.layers.MixFeatures("branch")  # type: ignore[call-arg]
    keras_mixup.layers.MixMask(3)  # type: ignore[arg-type]
    keras_mixup.metrics.MixedAccuracy(threshold=0.0, multi_label=True)
    keras_mixup.metrics.SoftTargets(keras.metrics.AUC()).update_state(y, y)
    keras_mixup.metrics.CleanAccuracy("clean")
    keras_mixup.metrics.MixedAccuracy(0.5)  # type: ignore[arg-type]
    keras_mixup.metrics.SoftTargets()  # type: ignore[call-arg]
    keras_mixup.metrics.CleanAccuracy(0.5)  # type: ignore[arg-type]
    assert_type(keras_mixup.models.names(), list[str])
    assert_type(keras_mixup.models.build("mlp", num_classes=3), Any)
    keras_mixup.models.build(3)  # type: ignore[arg-type]
    nearest = keras_mixup.neighbors.nearest_neighbors(x, 200, cache_dir="cache")
    assert_type(nearest, keras_mixup.neighbors.Neighbors)
    alike = keras_mixup.neighbors.similar_targets(y, bandwidth=1.75, kernel="uniform")
    assert_type(alike, keras_mixup.neighbors.SimilarTargets)
    assert_type(alike.size, int)
    assert_type(keras_mixup.neighbors.reference_bandwidth(y), list[float])
    assert_type(keras_mixup.neighbors.draw_neighbors(nearest, [0], seed=7), Any)
    pair = keras_mixup.neighbors.neighbor_pairs((x, y), alike, [0], step=3)
    assert_type(pair, tuple[Any, Any])
    keras_mixup.neighbors.nearest_neighbors(x, k=0.5)  # type: ignore[arg-type]
    keras_mixup.neighbors.similar_targets(y, kernel="box")  # type: ignore[arg-type]
    keras_mixup.neighbors.reference_bandwidth(y, "360")  # type: ignore[arg-type]
    keras_mixup.neighbors.draw_neighbors(x, [0])  # type: ignore[arg-type]
    keras_mixup.neighbors.neighbor_pairs(x, y, [0])  # type: ignore[arg-type]


def measured(network: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    """What trained networks do."""
    evaluation = keras_mixup.evaluation
    attack = functools.partial(evaluation.i_fgsm, epsilon=4.0)
    assert_type(keras_mixup.evaluation.fgsm(network, x, y, (1.0, 2.0, 3.0)), Any)
    assert_type(keras_mixup.evaluation.i_fgsm(network, x, y, 4.0, steps=3), Any)
    errors = keras_mixup.evaluation.adversarial_errors(network, [(x, y)], attack)
    assert_type(errors, dict[str, float])
    assert_type(keras_mixup.evaluation.top_k_errors(x, y), dict[str, float])
    found = keras_mixup.evaluation.between(network, x, y, x, y, target="predicted")
    assert_type(found, dict[str, np.ndarray])
    bins = keras_mixup.evaluation.reliability(x, y)
    assert_type(bins, dict[str, list[Any]])
    assert_type(keras_mixup.evaluation.calibration_error(bins), float)
    assert_type(keras_mixup.evaluation.overconfidence_error(bins), float)
    assert_type(keras_mixup.evaluation.expected_calibration_error(x, y), float)
    keras_mixup.evaluation.draw_reliability_diagram(bins, None, label="mixup")
    assert_type(keras_mixup.evaluation.mode_coverage(x, x, 0.1), dict[str, Any])
    assert_type(keras_mixup.evaluation.sliced_wasserstein(x, x), float)
    learned = keras_mixup.evaluation.memorization(network, x, y, y)
    assert_type(learned, dict[str, float | None])
    assert_type(
        keras_mixup.evaluation.memorization_errors(y, y, y), dict[str, float | None]
    )
    evaluation.fgsm(network, x, y, "4")  # type: ignore[arg-type]
    evaluation.i_fgsm(network, x, y, 4.0, steps=0.5)  # type: ignore[arg-type]
    evaluation.adversarial_errors(network, [], 4.0)  # type: ignore[arg-type]
    evaluation.top_k_errors(x, y, ks=5)  # type: ignore[arg-type]
    evaluation.between(network, x, y, x, y, target="soft")  # type: ignore[arg-type]
    evaluation.reliability(x, y, bins="15")  # type: ignore[arg-type]
    evaluation.calibration_error(x)  # type: ignore[arg-type]
    evaluation.overconfidence_error(x)  # type: ignore[arg-type]
    evaluation.expected_calibration_error(x)  # type: ignore[call-arg]
    evaluation.draw_reliability_diagram(x, None)  # type: ignore[arg-type]
    evaluation.mode_coverage(x, x, "3")  # type: ignore[arg-type]
    evaluation.sliced_wasserstein(x, x, seed=0.5)  # type: ignore[arg-type]
    evaluation.memorization(network, x, y)  # type: ignore[call-arg]
    evaluation.memorization_errors(y, y)  # type: ignore[call-arg]
