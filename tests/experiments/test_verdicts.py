"""The rule that judges our numbers: the test, the regime, each claim's rows."""

import pytest
import scipy.stats

from experiments.report import claims, page, result_file, tables, verdicts
from experiments.report.claim import Claim


def paired(mean, error, seeds):
    return {"mean": mean, "standard_error": error, "seeds": seeds}


def judged(entries, training=0.5, measure="error", direction="lower", fits=()):
    """The verdicts on entries of "paired" by group, where ERM has a training error."""
    measures = {measure: direction}
    row = Claim("made", "made", "", measures, ".*/mixup", "", fits=fits)
    cells = {f"{group}/mixup/{measure}": entry for group, entry in entries.items()}
    found = {} if training is None else {"ERM/error_on_real": {"mean": training}}
    summary = {f"{group}/{cell}": found[cell] for group in entries for cell in found}
    made = {"summary": summary | cells, "paper": {}, "paired": cells}
    return list(verdicts.of_claim(row, made).values())


# Of Student's t with 2 degrees of freedom 4.303 leaves 2.5 % on each side.
@pytest.mark.parametrize(
    ("entry", "direction", "expected"),
    [
        (paired(-4.31, 1.0, 3), "lower", "shown"),
        (paired(-4.29, 1.0, 3), "lower", "not shown"),
        (paired(4.31, 1.0, 3), "lower", "against"),
        (paired(4.31, 1.0, 3), "higher", "shown"),
        (paired(-4.31, 1.0, 3), "higher", "against"),
        # With 4 degrees of freedom it is 2.776.
        (paired(-2.78, 1.0, 5), "lower", "shown"),
        (paired(-2.77, 1.0, 5), "lower", "not shown"),
        (paired(-99.0, 1.0, 2), "lower", "not shown (2 seeds)"),
        (paired(-99.0, None, 1), "lower", "not shown (1 seed)"),
        (paired(0.0, 0.0, 3), "lower", "not shown"),
        (paired(-1.0, 0.0, 3), "lower", "shown"),
    ],
)
def test_the_rule_for_one_row(entry, direction, expected):
    assert judged({"a": entry}, direction=direction) == [expected]


def test_p_values_and_intervals_are_those_of_scipys_test_of_pairs():
    ours, theirs = [5.0, 7.5, 6.0, 9.0], [6.0, 8.0, 8.5, 9.5]
    runs = [
        {"method": method, "seed": seed, "final": {"error": error}}
        for method, errors in (("mixup", ours), ("ERM", theirs))
        for seed, error in enumerate(errors)
    ]
    entry = result_file.pair(runs)["mixup/error"]
    found = scipy.stats.ttest_rel(ours, theirs)
    assert verdicts.p_value(entry) == pytest.approx(found.pvalue)
    low, high = found.confidence_interval(0.95)
    assert tables.difference(entry, 3) == f"-1.125 ({low:+.3f} to {high:+.3f})"


def test_intervals_by_the_table_of_students_t():
    # 4.303 times the standard error for three seeds, 12.706 for two.
    assert tables.difference(paired(4.147, 1.0, 3), 1) == "+4.1 (-0.2 to +8.4)"
    assert tables.difference(paired(-2.0, 0.1, 2), 2) == "-2.00 (-3.27 to -0.73)"
    assert tables.difference(paired(-2.0, None, 1), 1) == "-2.0"


def test_holms_correction_by_hand():
    # Two-sided p-values with 2 degrees of freedom: 1 - t / sqrt(t ** 2 + 2).
    rows = {f"t {t}": paired(-t, 1.0, 3) for t in (5.0, 10.0, 20.0)}
    corrected = verdicts.holm(rows)
    assert list(corrected) == ["t 20.0", "t 10.0", "t 5.0"]
    assert list(corrected.values()) == pytest.approx(
        [n * (1 - t / (t**2 + 2) ** 0.5) for n, t in ((3, 20), (2, 10), (1, 5))]
    )
    assert judged(rows) == ["shown"] * 3
    # The second of two equal ones is never better than the first: 2 x .0377.
    assert judged({"a": paired(-5.0, 1.0, 3), "b": paired(-5.0, 1.0, 3)}) == (
        ["not shown"] * 2
    )
    # Rows that are not tested do not count.
    few = {"a": paired(-5.0, 1.0, 3), "b": paired(-5.0, 1.0, 2)}
    assert judged(few) == ["shown", "not shown (2 seeds)"]
    assert max(verdicts.holm({n: paired(0.1, 1.0, 3) for n in "abc"}).values()) == 1


@pytest.mark.parametrize(
    ("training", "fits", "expected"),
    [
        (0.99, ("error_on_real",), "shown"),
        (1.0, ("error_on_real",), "outside its regime"),
        (None, ("error_on_real",), "outside its regime"),
        (None, (), "shown"),
        # The replaced labels were not measured.
        (0.0, ("error_on_real", "error_on_corrupted"), "outside its regime"),
    ],
)
def test_a_claim_on_networks_that_fit_has_a_regime(training, fits, expected):
    assert judged({"a": paired(-9.0, 1.0, 3)}, training, fits=fits) == [expected]


def test_a_claim_counts_the_verdicts_of_its_rows():
    assert verdicts.summary({}) == "not run"
    assert verdicts.summary({"a": "x", "b": "x"}) == "x"
    assert verdicts.summary({"a": "x", "b": "y", "c": "x"}) == "2 of 3 x; 1 of 3 y"


@pytest.fixture(scope="module")
def found():
    return page.published(result_file.RESULTS)


@pytest.mark.parametrize("claim", claims.CLAIMS, ids=lambda claim: claim.experiment)
def test_each_claim_finds_its_rows_in_what_is_published(claim, found):
    result, _ = found[claim.experiment]
    cells = claim.cells(result)
    assert {cell.rpartition("/")[2] for cell in cells} == set(claim.measures)
    assert any(cell in result["paired"] for cell in cells)
    assert claim.setting(result)
    judged = verdicts.of_claim(claim, result)
    assert set(judged) == set(cells)
    for cell, verdict in judged.items():
        assert (verdict == "not run") == (cell not in result["paired"])


def test_the_rows_of_the_paper_that_were_not_run_are_named():
    by_name = {claim.experiment: claim for claim in claims.CLAIMS}
    none = {"summary": {}, "paper": {}, "paired": {}, "preset": "paper", "settings": {}}

    def of(name, **changed):
        return verdicts.of_claim(by_name[name], none | {"experiment": name} | changed)

    table_1 = of("table1_imagenet")
    assert set(table_1.values()) == {"not run"}
    # ResNet-101 and ResNeXt-101 32x4d of both lengths, 64x4d of one.
    assert len(table_1) == 5
    assert by_name["table1_imagenet"].paper(none)[
        "ResNeXt-101 32x4d, 200 epochs/mixup 0.4/last_error"
    ] == pytest.approx(20.1)
    assert of("figure5_gan") == {"grid/mixup 0.2/late_modes_covered": "not run"}
    three = {"a/mixup 1/median_error": 1.0}
    figure_3 = of("figure3_cifar", paper=three)
    assert figure_3 == {"a/mixup 1/median_error": "not run"}


def scale_of(name, **changed):
    """The scale of a result of the preset "paper" with these settings."""
    by_name = {claim.experiment: claim for claim in claims.CLAIMS}
    made = {"experiment": name, "preset": "paper", "settings": changed}
    return by_name[name].setting(made)[0]


def test_the_scale_is_said_beside_the_verdict():
    assert scale_of("figure3_cifar") == "full"
    assert scale_of("figure3_cifar", seeds=[0, 1, 2], run_dir="x") == "full"
    assert scale_of("figure3_cifar", epochs=20) == "changed"
    assert scale_of("figure3_cifar", width=8) == "changed"
    # CIFAR-10 in place of ImageNet; what the paper leaves open; a setting of ours.
    assert scale_of("table3_adversarial") == "reduced"
    assert scale_of("table4_tabular") == "our reading"
    assert scale_of("figure1_toy") == "ours"
    cpu = {claim.cpu.partition(":")[0] for claim in claims.CLAIMS}
    assert cpu == {"reduced", "our reading", "ours"}


def test_verdicts_that_were_worked_out_by_hand(found):
    by_name = {claim.experiment: claim for claim in claims.CLAIMS}

    def of(name):
        return verdicts.of_claim(by_name[name], found[name][0])

    # Networks that did not fit, as far as anybody measured.
    assert set(of("table1_imagenet").values()) <= {"outside its regime", "not run"}
    figure_3 = of("figure3_cifar")
    run = "cifar10, PreAct ResNet-18/mixup 1/median_error"
    # README: each of 3 seeds by more than a point, and ERM fits.
    assert figure_3.pop(run) == "shown"
    # The paper's other five: two networks, and CIFAR-100 by all three.
    assert list(figure_3.values()) == ["not run"] * 5
    # README: 44.2 against 46.2, +2.0 and +-0.5: t = 4.1 of 10 seeds, one of 6 rows.
    assert of("table4_tabular")["arrhythmia/mixup 1/test_error"] == "against"
    assert of("table4_tabular")["arcene/mixup 1/test_error"] == "not shown"
    # README: VGG-11 by -1.3 (-4.7 to +2.1) and -0.6 (-4.1 to +3.0), and fits.
    assert set(of("figure4_speech").values()) == {"not shown"}
    # README: -18.6 and +-1.7: t = 11.2 of 3 seeds, one of 2 rows.
    assert of("figure2_between")["mixup 1/miss"] == "shown"
    # ERM keeps 2.8 to 6.8 % of the replaced labels out.
    assert set(of("table2_corrupted_labels").values()) == {"outside its regime"}
    assert set(of("table5_ablation").values()) == {"not shown (1 seed)"}
