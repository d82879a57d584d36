"""Pictures of the analyses: what is in their panels and legends."""

import itertools

import numpy as np
import pytest

from experiments.paper import (
    alpha_tradeoff,
    figure2_between,
    table2_corrupted_labels,
    table3_adversarial,
)
from experiments.report import figures
from tests.experiments import runs

END = {
    "train": {"error_on_real": 3.0},
    "reliability": {
        "test": {"count": [0, 4], "accuracy": [None, 0.5], "confidence": [None, 0.6]}
    },
}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are made, as matplotlib has them."""
    kept, figure = [], figures.figure

    def keep(*size):
        kept.append(figure(*size))
        return kept[-1]

    monkeypatch.setattr(figures, "figure", keep)
    return kept


def methods_in(legend):
    """The methods of a legend; that of a reliability has errors behind them."""
    return [text.get_text().partition(":")[0] for text in legend.get_texts()]


@pytest.mark.parametrize("alphas", [(0, 0.1, 1, 32, 1_000_000), (0.1,)])
def test_the_curves_over_alpha(drawn, tmp_path, alphas):
    names = {0: "ERM", 1_000_000: "averages"}
    methods = [names.get(alpha, f"mixup {alpha:g}") for alpha in alphas]
    groups = ("width 4", "width 8")
    cells = itertools.product(groups, methods)
    epochs = {
        (*cell, 0): runs.made_up(2, float(place), **END)
        for place, cell in enumerate(cells)
    }
    flags = ("--alphas", *alphas, "--widths", 4, 8)
    result = runs.result_of(alpha_tradeoff.EXPERIMENT, epochs, *flags)
    alpha_tradeoff.EXPERIMENT.draw(result, tmp_path)
    curves, reliability = drawn
    expected = {
        "Training error (%)": lambda error: 3,
        "Test error, last epoch (%)": lambda error: error,
        "Gap (points)": lambda error: error - 3,
    }
    assert [axis.get_title() for axis in curves.axes] == list(expected)
    for axis, value in zip(curves.axes, expected.values()):
        ticks = [text.get_text() for text in axis.get_xticklabels()]
        assert ticks == [{1_000_000: "∞"}.get(a, f"{a:g}") for a in alphas]
        low, high = axis.get_ylim()
        assert low <= 0
        for number, (line, group) in enumerate(zip(axis.get_lines(), groups)):
            assert line.get_label() == group
            first = number * len(alphas)
            heights = [value(error) for error in range(first, first + len(alphas))]
            assert list(line.get_ydata()) == heights
            # Gaps may be below zero.
            assert low <= min(heights) <= max(heights) <= high
    shown = ["ERM", "mixup 1"] if 0 in alphas else ["mixup 0.1"]
    for axis in reliability.axes:
        assert methods_in(axis.get_legend()) == shown


def test_the_curves_of_figure_2_beside_the_papers(drawn, tmp_path):
    lam, epochs = np.linspace(0, 1, 21), {}
    for height, (method, seed) in enumerate(
        itertools.product(("ERM", "mixup 1"), (0, 1))
    ):
        between = {"miss": height * lam, "gradient_norm": 1 + height * lam}
        between = {name: list(curve) for name, curve in between.items()}
        end = {**END, "between": {**between, "lam": list(lam)}}
        epochs["", method, seed] = runs.made_up(2, **end)
    result = runs.result_of(figure2_between.EXPERIMENT, epochs)
    figure2_between.EXPERIMENT.draw(result, tmp_path)
    curves, _ = drawn
    for axis, measure in zip(curves.axes, ("miss", "gradient_norm"), strict=True):
        lines = {line.get_label(): line for line in axis.get_lines()}
        assert len(lines) == 4
        for method, slope in {"ERM": 0.5, "mixup 1": 2.5}.items():
            ours, theirs = lines[method], lines[f"{method}, paper"]
            # Mean over seeds; the paper's half, and the half that mirrors it.
            expected = slope * lam + (measure == "gradient_norm")
            assert ours.get_ydata() == pytest.approx(expected)
            half = figure2_between.PAPER[method][measure]
            assert len(half) == 11
            assert tuple(theirs.get_ydata()[:11]) == half
            assert tuple(theirs.get_ydata()[10:]) == half[::-1]
            for line in (ours, theirs):
                assert line.get_xdata() == pytest.approx(lam)
            assert ours.get_color() == theirs.get_color()
            assert (ours.get_linestyle(), theirs.get_linestyle()) == ("-", "--")


def test_the_errors_over_epsilon_and_one_reliability_of_all(drawn, tmp_path):
    panels = [
        f"{box}_{attack}" for box in ("white", "black") for attack in ("fgsm", "i_fgsm")
    ]
    epochs = {}
    for epsilon, method in itertools.product((1, 2, 8), ("ERM", "mixup 1")):
        attacked = {
            f"{panel}_top_{k}": 10.0 * number + epsilon
            for (number, panel), k in itertools.product(enumerate(panels), (1, 5))
        }
        row = (f"epsilon {epsilon}", method, 0)
        epochs[row] = runs.made_up(2, **END, attacked=attacked)
    flags = ("--epsilons", 1, 2, 8)
    result = runs.result_of(table3_adversarial.EXPERIMENT, epochs, *flags)
    table3_adversarial.EXPERIMENT.draw(result, tmp_path)
    curves, reliability = drawn
    titles = ["white, FGSM", "white, I-FGSM", "black, FGSM", "black, I-FGSM"]
    assert [axis.get_title() for axis in curves.axes] == [f"{t}, top-1" for t in titles]
    for number, axis in enumerate(curves.axes):
        lines = {c.get_label(): c.lines[0] for c in axis.containers}
        assert list(lines) == ["ERM", "mixup 1"]
        for line in lines.values():
            assert list(line.get_xdata()) == [1, 2, 8]
            assert list(line.get_ydata()) == [10 * number + e for e in (1, 2, 8)]
    # The reliability is of clean images: one panel, not one an epsilon.
    (axis,) = reliability.axes
    assert axis.get_title() == "clean images"
    assert methods_in(axis.get_legend()) == ["ERM", "mixup 1"]


@pytest.mark.parametrize(
    "flags", [(), ("--preset", "paper", "--shares", 0.2, 0.8)], ids=["rows", "grids"]
)
def test_legends_say_what_is_in_each_panel_and_cover_nothing(drawn, tmp_path, flags):
    experiment = table2_corrupted_labels.EXPERIMENT
    rows = table2_corrupted_labels.rows(runs.parse(experiment, *flags))
    panels = {}
    for group, method in rows:
        panels.setdefault(group, []).append(method)
    epochs = {(*row, 0): runs.made_up(12, **END) for row in rows}
    result = runs.result_of(experiment, epochs, *flags)
    for path in experiment.draw(result, tmp_path):
        runs.check_picture(path)
    for picture in drawn:
        axes = {axis.get_title(): axis for axis in picture.axes}
        assert list(axes) == list(panels)
        boxes = [axis.get_window_extent() for axis in axes.values()]
        legends = [axis.get_legend() for axis in axes.values()]
        if legends == [None, None]:
            # All panels have the same rows: one legend for them.
            legends = list(picture.legends)
            assert len(legends) == 1
        for legend, methods in zip(legends, panels.values(), strict=False):
            assert methods_in(legend) == methods
            box = legend.get_window_extent()
            boxes.append(box)
            assert 0 <= box.x0 <= box.x1 <= picture.bbox.x1
            assert box.y0 >= 0
        overlaps = [a.overlaps(b) for a, b in itertools.combinations(boxes, 2)]
        assert not any(overlaps)
        for axis, methods in zip(axes.values(), panels.values(), strict=True):
            lines, _ = axis.get_legend_handles_labels()
            looks = {(str(h.get_color()), h.get_linestyle()) for h in lines}
            assert len(looks) == len(methods)
