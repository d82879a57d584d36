"""The documentation runs: its blocks, its console session, its notebooks."""

import json
import pathlib
import re
import runpy
import subprocess
import sys

import keras
import matplotlib
import matplotlib.image
import numpy as np
import pytest

import keras_mixup

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
# Blocks that are not run, and why: other packages' code, shells, clusters, output.
NOT_RUN = {
    "reproducibility.md": {"py": 2},
    "index.md": {"sh": 1},
    "moving_over.md": {"py": 3},
    "networks.md": {"py": 1},
    # A server, and converters: tests/converters/test_serve_page.py.
    "serve.md": {"py": 4, "sh": 2},
    "speed.md": {"sh": 1},
    "scale_out.md": {"py": 3, "sh": 3, "yaml": 1},
}


def blocks(name):
    """Pairs of language and content."""
    text = (DOCS / name).read_text()
    return re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.S | re.M)


# One loads a model in processes of their own; the others train many small networks.
LONG = ("export.md", "guides.md", "policies.md", "recipes.md", "unequal_classes.md")
LONG += ("metrics_of_mixed_batches.md",)
LONG = dict.fromkeys(LONG, pytest.mark.slow)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=LONG.get(name, ())) for name in PAGES]
)
def test_the_blocks_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    names, others = {}, {}
    for language, content in blocks(name):
        if language == "python":
            exec(compile(content, name, "exec"), names)
        elif language == "console":
            run_session(content)
        else:
            others[language] = others.get(language, 0) + 1
    assert others == NOT_RUN.get(name, {})
    CHECKS.get(name, len)(names)


def check_recipes(names):
    """The losses of the page, by their formulas."""
    cross = keras.losses.CategoricalCrossentropy(from_logits=True)
    # i-Mix, of its last batch: one term of the mixed row.
    expected = cross(names["mixed"].y, names["z"])
    np.testing.assert_allclose(names["loss"], expected, rtol=1e-5)
    # The contrastive loss, of the last batch: example by example, class by class.
    batch, terms = names["anchors"], []
    labels, (partner,) = names["labels"].numpy(), batch.partners
    lam, log_p = float(batch.shares[0]), keras.ops.log_softmax(names["near"]).numpy()
    for i, j in enumerate(partner.numpy()):
        weights = lam * (labels == labels[i]) + (1 - lam) * (labels == labels[j])
        terms.append(-(weights * log_p[i]).sum() / weights.sum())
    np.testing.assert_allclose(names["contrast"], np.mean(terms), rtol=1e-4)
    # The train step of one's own counts each batch once.
    assert names["steps_so_far"] == 8


def check_unequal_classes(names):
    """The shares of the page, by their formulas."""
    counts, y = np.array(names["counts"]), names["y"]
    batch, of_rule = names["batch"], keras_mixup.sample_lambda(1.0, (), seed=1, step=0)
    lam, partner = float(of_rule), batch.partners[0].numpy()
    parts = lam / counts[y], (1 - lam) / counts[y[partner]]
    np.testing.assert_allclose(batch.shares[0], parts[0] / sum(parts), rtol=1e-5)
    # The rare class is a third of one part in six, and itself of the others.
    for dataset in (names["mixed"], names["mixed_alike"]):
        rows = np.concatenate([rows for _, rows in dataset.repeat(6)])
        expected = 1 / 18 + 5 / 6 * counts[2] / len(y)
        assert abs(rows[:, 2].mean() - expected) < 0.03
        np.testing.assert_allclose(rows.sum(-1), 1, atol=1e-5)
    assert names["weights"][y].mean() == pytest.approx(1)
    ratio = (1 - 0.9999**600) / (1 - 0.9999**12)
    assert names["weights"][2] / names["weights"][0] == pytest.approx(ratio)
    assert int(names["model"].step) == 12 * 21
    error = names["balanced_error"](names["model"], names["x"], y)
    missed = names["model"].predict(names["x"], verbose=0).argmax(-1) != y
    by_hand = [missed[:600].mean(), missed[600:660].mean(), missed[660:].mean()]
    assert error == pytest.approx(100 * np.mean(by_hand))


CHECKS = {
    "recipes.md": check_recipes,
    "unequal_classes.md": check_unequal_classes,
}


def run_session(content):
    """Runs the commands behind the prompts; each has to end well."""
    commands = re.findall(r"^\$ (.*)$", content, flags=re.M)
    assert commands
    folder = pathlib.Path(sys.executable).parent
    for command in commands:
        name, _, rest = command.partition(" ")
        answer = subprocess.run(
            f"{folder / name} {rest}", shell=True, capture_output=True, text=True
        )
        assert answer.returncode == 0, answer.stderr
        assert "probabilities" in answer.stdout


NOTEBOOKS = pytest.mark.parametrize(
    "name", ["first_steps", "regression", "which_policy"]
)
# What each prints, among the rest; what its words say of numbers it asserts itself.
PRINTED = {
    "first_steps": "wrong labels learned",
    "regression": "test error",
    "which_policy": "chosen",
}


@pytest.mark.slow
@NOTEBOOKS
def test_a_notebook_runs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    runpy.run_path(str(DOCS / f"notebooks/{name}.py"))
    assert PRINTED[name] in capsys.readouterr().out


@NOTEBOOKS
def test_a_notebook_has_the_cells_of_its_script(name):
    """`make notebooks` writes it; in the script text and `%pip` are comments."""
    script = (DOCS / f"notebooks/{name}.py").read_text()
    parts = re.split(r"^# %%(| \[markdown\])\n", script, flags=re.M)[1:]
    expected = [
        ("markdown", re.sub(r"^# ?", "", text, flags=re.M))
        if mark
        else ("code", re.sub(r"^# (?=%)", "", text, flags=re.M))
        for mark, text in zip(parts[::2], parts[1::2], strict=True)
    ]
    notebook = json.loads((DOCS / f"notebooks/{name}.ipynb").read_text())
    found = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    assert found == [(kind, text.strip()) for kind, text in expected]
    assert not any(cell.get("outputs") for cell in notebook["cells"])


@pytest.mark.parametrize(
    "name", ["policies", pytest.param("regression", marks=pytest.mark.slow)]
)
def test_a_picture_is_that_of_its_program(name, tmp_path):
    draw = runpy.run_path(str(DOCS / f"{name}_picture.py"))["draw"]
    draw(tmp_path / f"{name}.png")
    found, committed = (
        matplotlib.image.imread(folder / f"{name}.png") for folder in (tmp_path, DOCS)
    )
    assert found.shape == committed.shape
    # Fonts may differ, and so may points of a training, a little.
    assert np.abs(found - committed).mean() < 0.01
    assert (DOCS / f"{name}.png").stat().st_size < 200_000


def test_the_api_page_has_every_public_name():
    text = (DOCS / "api.md").read_text()
    modules = ("evaluation", "layers", "metrics", "models", "neighbors")
    for name in vars(keras_mixup):
        if name.startswith("_") or name in modules:
            continue
        if isinstance(getattr(keras_mixup, name), type(pathlib)):
            continue
        # A function that shares its name with a file is named by its heading.
        told = rf"(::: |heading: )keras_mixup\.{name}(,|$)"
        assert len(re.findall(told, text, flags=re.M)) == 1, name


def test_the_api_page_has_every_builder():
    text = (DOCS / "api.md").read_text()
    listed = re.findall(r"::: keras_mixup\.models\..*\n.*members: \[(.*)\]", text)
    listed = {name for line in listed for name in line.split(", ")}
    assert listed - {"bottleneck_resnet"} == set(keras_mixup.models.names())


def test_links_lead_to_pages_that_are_there():
    for name in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", (DOCS / name).read_text()):
            assert (DOCS / target).exists(), (name, target)
