"""The shape of the code: imports go one way, public names stay, files are short."""

import ast
import inspect
import pathlib
import re
import sys

import pytest

import keras_mixup
from experiments.catalog import EXPERIMENTS
from tests import mutants

ROOT = pathlib.Path(__file__).parents[1]

# Draw -> mix -> train -> evaluate -> export. A file imports only from files before it.
ORDER = """
version whole_file arguments variables hints keras_private python_batches steps keys
quantiles mixing circle
similarity sampling
neighbor_search similar_targets neighbors draws targets ordinal class_probability
target_checks grids
regions combining
label_rules sample_weights boxes pasted_boxes dict_batches batches getter_batches
settings mixed_batch showing
policy mixup
mask_policy box_policy cutmix resizemix fmix choosing random_choice
halves
mixing_points layers soft_metrics metrics last_activation loss_kinds ends_in_logits
models.normalization models.convolution models.tabular models.preact_resnet
models.wide_resnet models.densenet models.resnet models.speech models.series
models.gan models
training.schedules training.callbacks training.counting training.drawn_seeds
training.several_workers
training.dense_targets training.loss_checks training.mixed_targets
training.mixed_loss training.mixed_metrics
training.layer_names training.cuts training.mixed_inputs training.model_checks
training.clean_accuracy training.classifier training.gan_batches training.gan_checks
training.descent training.two_networks
training.gan
training.averaged_weights training.unlabeled_data training.class_outputs
training.camixup
training.few_labels_checks training.few_labels training.ict training.interleaving
training.mixmatch training
evaluation.scores evaluation.gradients evaluation.channels evaluation.top_k
evaluation.adversarial evaluation.between evaluation.calibration
evaluation.memorization evaluation.generated evaluation
model_card whole_folder served_preprocessing served_inputs served_tasks
served_labels served_outputs serving export export_generator
"""


def module_name(path):
    parts = path.relative_to(ROOT / "keras_mixup").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(path):
    """Full names of what a file imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def library_files():
    return sorted((ROOT / "keras_mixup").rglob("*.py"))


def test_every_file_has_a_place_in_the_order():
    assert sorted(map(module_name, library_files())) == sorted(["", *ORDER.split()])


@pytest.mark.parametrize("path", library_files(), ids=module_name)
def test_imports_go_one_way(path):
    if module_name(path) == "":
        return
    order = ORDER.split()
    before = order[: order.index(module_name(path))]
    for name in imports_of(path):
        assert not name.startswith(("experiments", "benchmarks", "tests"))
        if name.startswith("keras_mixup."):
            name = name.removeprefix("keras_mixup.")
            assert name in before or name.rpartition(".")[0] in before, name


# Settings -> data -> engine -> one run -> the experiments -> the page of all results.
EXPERIMENTS_ORDER = """
processor settings experiment catalog report.result_file report.tables report.figures
data.sources data.raw_files data.splits data.digits data.corruption data.uci
data.regression
data.speech_commands data.spectrograms data.image_files data.augmentation data.images
data.service data.pipeline data.image_batches data.partners data.unequal_classes
engine.non_finite engine.trained_network engine.checkpoint_files engine.distribution
engine.state engine.record engine.course engine.fit engine.run_folder
engine.processes engine.run
measures classifier recipes classifiers regression few_labels gan mixtures
report.analysis_figures report.gan_figures
paper.surfaces paper beyond
report.report_page report.commands report.claim report.claims report.captions
report.verdicts report.page __main__
"""


def of_experiments(path):
    parts = path.relative_to(ROOT / "experiments").with_suffix("").parts
    name = ".".join(part for part in parts if part != "__init__")
    room = name.partition(".")[0]
    return room if room in ("paper", "beyond") and name != "paper.surfaces" else name


@pytest.mark.parametrize(
    "path",
    [p for p in sorted((ROOT / "experiments").rglob("*.py")) if p.stem != "__init__"],
    ids=lambda path: path.stem,
)
def test_imports_of_the_experiments_go_one_way(path):
    order = EXPERIMENTS_ORDER.split()
    before = order[: order.index(of_experiments(path))]
    for name in imports_of(path):
        assert not name.startswith(("benchmarks", "tests"))
        if name.startswith("experiments."):
            name = name.removeprefix("experiments.")
            assert name in before or name.rpartition(".")[0] in before, name


def test_the_library_needs_tensorflow_keras_numpy_and_tfp_alone():
    outside = {
        name.partition(".")[0] for path in library_files() for name in imports_of(path)
    } - set(sys.stdlib_module_names)
    assert outside == {
        "keras_mixup", "keras", "numpy", "tensorflow", "tensorflow_probability",
        # Extras, imported where they are used.
        "tensorflow_serving", "sklearn", "matplotlib",
    }  # fmt: skip


def test_no_room_is_called_utils_and_files_are_short():
    for path in [*ROOT.glob("*/*.py"), *ROOT.glob("*/*/*.py")]:
        if path.parts[len(ROOT.parts)] in (".venv", "mutants"):
            continue
        assert path.stem not in ("utils", "common", "helpers", "misc")
        if path.parts[-2] != "tests" and "tests" not in path.parts:
            most = 220 if "experiments" in path.parts else 300
            assert len(path.read_text().splitlines()) <= most, path


def test_the_picture_of_the_rooms_names_each_file():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    picture = text.partition("```\nkeras_mixup/")[2].partition("```")[0]
    named = set(re.findall(r"\w+", picture))
    files = [*library_files(), *(ROOT / "experiments").rglob("*.py")]
    found = {path.stem for path in files} - {"__init__", "__main__", *EXPERIMENTS}
    assert found - named == set()
    for file in re.findall(r"\w+\.py", picture):
        stem = file.removesuffix(".py")
        assert list(ROOT.glob(f"*/{file}")) or stem in found, file


_LAST = (
    "dtype=None, bandwidth='auto', kernel='gaussian', period=None, padding='union', "
)
_LAST += "label_rule=None"
# What the policies of masks share.
_OF_MASKS = (
    "axes=None, share_quantities=(), per='batch', pairing='permutation', examples=2, "
    "targets='mix', num_classes=None, label_smoothing=0.0, probability=1.0, "
    "passthrough=(), seed=None, ignore_class=None, jit_compile=True, "
    "multi_label=False, pairing_target=None, "
)
SIGNATURES = {
    "MixUp": "(alpha=0.2, *, per='batch', pairing='permutation', examples=2, "
    "targets='mix', num_classes=None, label_smoothing=0.0, probability=1.0, "
    "passthrough=(), seed=None, ignore_class=None, jit_compile=True, "
    "multi_label=False, pairing_target=None, quantities=(), keep_larger=False, "
    f"{_LAST}, beta=None, labels_getter=None)",
    "CutMix": "(alpha=1.0, *, min_max=None, bounding_box_format=None, "
    f"min_visibility=0.1, {_OF_MASKS}keep_larger=False, {_LAST}, beta=None, "
    "labels_getter=None)",
    "ResizeMix": "(scale=(0.1, 0.8), *, bounding_box_format=None, min_visibility=0.1, "
    f"{_OF_MASKS}{_LAST}, labels_getter=None)",
    "FMix": f"(alpha=1.0, *, decay=3.0, {_OF_MASKS}keep_larger=False, {_LAST}, "
    "beta=None, labels_getter=None)",
    "RandomChoice": "(policies, weights=None, *, per='batch', seed=None)",
    "Remix": "(counts, kappa=3.0, tau=0.5)",
    "MixUp.at_step": "(self, step, batch, replica=0, *, details=False)",
    "MixUp.between": "(self, batch, other, step=None, replica=0, *, details=False)",
    "count_steps": "(dataset, first_step=0)",
    "CountEpochs": "(dataset)",
    "sample_lambda": "(alpha, shape, seed=None, step=0, replica=0)",
    "sample_weights": "(alpha, shape, examples=3, seed=None, step=0, replica=0)",
    "sample_partner": "(batch_size, seed=None, step=0, replica=0, "
    "pairing='permutation', labels=None, *, bandwidth='auto', kernel='gaussian', "
    "period=None)",
    "ordinal_rows": "(levels, num_levels)",
    "ordinal_level": "(probabilities)",
    "mix": "(nest, lam, partner)",
    "MixUpModel": "(network, mixup, mix_at=('input',), clean_accuracy=False, *, "
    "mix_losses=None, metric_targets=None, clean_weight=0.0, **kwargs)",
    "MixUpGAN": "(generator, discriminator, *, alpha=0.2, mode='author_code', "
    "discriminator_steps=5, generator_loss=None, seed=None, **kwargs)",
    "MixUpGAN.compile": "(self, generator_optimizer='adam', "
    "discriminator_optimizer='adam', *, run_eagerly=False, steps_per_execution=1, "
    "jit_compile='auto')",
    "MixUpGAN.generate": "(self, n, seed=None, batch_size=1024)",
    "ICTModel": "(network, mixup, *, consistency=100.0, ramp_up=0, "
    "teacher_decay=0.999, teacher_mixes='logits', mix_labeled=True, **kwargs)",
    "MixMatchModel": "(network, mixup, *, guesses=2, temperature=0.5, "
    "unlabeled_weight=75.0, augment=None, ramp_up=0, teacher_decay=0.999, mix='all', "
    "**kwargs)",
    "labeled_and_unlabeled": "(labeled, unlabeled, num_classes=None)",
    "AlphaSchedule": "(alpha, steps_per_epoch=1, warm_up=0, ramp=0, off_from=None)",
    "LearningRateDrops": "(learning_rate, drops=(), steps_per_epoch=1, factor=0.1, "
    "warm_up=0, warm_up_from=0.0)",
    "CAMixUp": "(validation_data, num_classes, from_logits=None)",
    "MixUpSummary": "(log_dir, batch=None, steps=100, images=16)",
    "export_saved_model": "(model, path, *, labels=None, preprocess=None, task=None, "
    "from_logits=None, input_shape=None, input_dtype=None, units=None, "
    "postprocess=None, card=None)",
    "export_generator": "(model, path, *, postprocess=None, card=None)",
    "show": "(batch, labels=None, count=8)",
    "layers.MixUp": "(alpha=0.2, *, data_format=None, seed=None, "
    "bounding_box_format=None, **kwargs)",
    "layers.CutMix": "(alpha=1.0, *, data_format=None, seed=None, **kwargs)",
    "layers.MixFeatures": "(**kwargs)",
    "metrics.MixedAccuracy": "(name='accuracy', dtype=None, *, threshold=0.5, "
    "multi_label=False)",
    "metrics.SoftTargets": "(metric)",
    "metrics.CleanAccuracy": "(name='clean_accuracy', dtype=None)",
    "models.build": "(name, **arguments)",
    "models.names": "()",
    "neighbors.nearest_neighbors": "(features, k=200, labels=None, cache_dir=None, "
    "progress=False)",
    "neighbors.similar_targets": "(targets, bandwidth='auto', kernel='gaussian', "
    "period=None)",
    "neighbors.reference_bandwidth": "(targets, period=None)",
    "neighbors.draw_neighbors": "(neighbors, index, seed=None, step=0, replica=0)",
    "neighbors.neighbor_pairs": "(examples, neighbors, index, seed=None, step=0, "
    "replica=0)",
    "evaluation.fgsm": "(model, x, y, epsilon, value_range=(0.0, 255.0), "
    "from_logits=None)",
    "evaluation.i_fgsm": "(model, x, y, epsilon, value_range=(0.0, 255.0), steps=10, "
    "step_size=None, from_logits=None)",
    "evaluation.adversarial_errors": "(model, batches, attack, source=None, ks=(1, 5), "
    "progress=False)",
    "evaluation.top_k_errors": "(scores, labels, ks=(1, 5))",
    "evaluation.between": "(model, x_i, y_i, x_j, y_j, lams=None, batch_size=256, "
    "from_logits=None, target='mixed', progress=True)",
    "evaluation.reliability": "(probabilities, labels, bins=15)",
    "evaluation.calibration_error": "(reliability)",
    "evaluation.expected_calibration_error": "(probabilities, labels, bins=15)",
    "evaluation.overconfidence_error": "(reliability)",
    "evaluation.draw_reliability_diagram": "(reliability, axis, label=None)",
    "evaluation.mode_coverage": "(samples, modes, radius, least_share=0.01)",
    "evaluation.sliced_wasserstein": "(samples, others, projections=200, seed=0)",
    "evaluation.memorization": "(model, x, given, corrupted, batch_size=512)",
    "evaluation.memorization_errors": "(predicted, given, corrupted)",
}


def test_all_public_names_are_exported():
    modules = {"evaluation", "layers", "metrics", "models", "neighbors"}
    found = {
        name
        for name, value in vars(keras_mixup).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert set(keras_mixup.__all__) == found | modules | {"__version__"}


def test_tab_completion_offers_public_names_alone():
    assert dir(keras_mixup) == sorted(keras_mixup.__all__)
    assert all(hasattr(keras_mixup, name) for name in keras_mixup.__all__)
    assert keras_mixup.sampling


@pytest.mark.parametrize("name", SIGNATURES)
def test_public_signatures_stay(name):
    found = keras_mixup
    for part in name.split("."):
        found = getattr(found, part)
    assert str(without_hints(inspect.signature(found))) == SIGNATURES[name]
    assert inspect.getdoc(found)


def without_hints(signature):
    none = inspect.Signature.empty
    plain = [one.replace(annotation=none) for one in signature.parameters.values()]
    return signature.replace(parameters=plain, return_annotation=none)


@pytest.mark.parametrize("name", mutants.MUTANTS)
def test_each_mutant_finds_its_text(name):
    file, text, replacement, tests = mutants.MUTANTS[name]
    assert (ROOT / file).read_text().count(text) == 1
    assert replacement != text
    files = [test for test in tests.split() if test.endswith(".py")]
    assert files
    assert all((ROOT / test).exists() for test in files)


def test_the_tests_that_are_listed_as_slow_are_there():
    listed = (ROOT / "tests" / "slow.txt").read_text().splitlines()
    assert listed == sorted({*listed})
    for line in listed:
        path, _, name = line.partition("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / path).read_text(), line
