"""Sentences of the pages, made from the numbers of the result files.

A function for each experiment gives pairs of page and fragment; `test_prose.py` looks
for the fragments on the pages.
"""

import statistics

from experiments.report import result_file, tables

README, NOTEBOOK = "README.md", "experiments/README.md"
FOUND, LIMITS = "docs/experiments.md", "docs/limits.md"
REGRESSION, FEW = "docs/regression.md", "docs/few_labels.md"
ALPHA, GANS = "docs/alpha.md", "docs/gans.md"
UNEQUAL = "docs/unequal_classes.md"


def mean(result, cell):
    return result["summary"][cell]["mean"]


def change(result, cell):
    """The mean difference to ERM."""
    return result["paired"][cell]["mean"]


def difference(result, cell, digits=1, unit=""):
    """The difference to ERM with its interval, as the pages have it."""
    text = tables.difference(result["paired"][cell], digits)
    return text.replace(" (", f"{unit} (")


def span(values, digits=0):
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def at_epoch(result, group, method, part, measure, epoch=-1):
    """The mean over seeds of a measure after an epoch, the last one by default."""
    row = (group, method)
    runs = [
        run for run in result["runs"] if (run.get("group", ""), run["method"]) == row
    ]
    return statistics.fmean(run["epochs"][epoch][part][measure] for run in runs)


def table4_tabular(result):
    groups = result_file.groups(result["runs"])
    alphas = ("mixup 0.1", "mixup 0.2", "mixup 0.4", "mixup 1")

    def of(group, digits=1):
        return difference(result, f"{group}/mixup 1/test_error", digits)

    def htru2(method, part, measure, epoch=-1):
        return at_epoch(result, "htru2", method, part, measure, epoch)

    gains = sum(change(result, f"{g}/mixup 1/test_error") < 0 for g in groups)
    errors = ([mean(result, f"{g}/{a}/test_error") for a in alphas] for g in groups)
    rising = sum(row == sorted(row) for row in errors)
    for page in (README, FOUND):
        yield page, f"at alpha 1 mixup errs less on {gains} of the 6"
    yield ALPHA, f"mixup errs less on {gains} of the 6 at alpha 1"
    yield NOTEBOOK, f"At alpha 1 mixup errs less on {gains} of the 6."
    yield NOTEBOOK, f"from each alpha to the next on {rising} of the 6"
    first = f"Arrhythmia, {of('arrhythmia')}, HTRU2, {of('htru2', 2)}"
    yield NOTEBOOK, f"{first}, and Iris, {of('iris')}, where the paper"
    learned, tested = htru2("ERM", "train", "error"), htru2("ERM", "test", "error")
    fell = htru2("ERM", "train", "error", 4) - learned
    yield NOTEBOOK, f"ERM errs on {learned:.2f} % of the training half while it trains"
    yield NOTEBOOK, f"and on {tested:.2f} % of the other"
    yield NOTEBOOK, f"its training error fell by no more than {fell:.2f} points"
    loss = htru2("mixup 1", "test", "loss"), htru2("ERM", "test", "loss")
    yield NOTEBOOK, f"the test loss is {loss[0]:.3f} where ERM's is {loss[1]:.3f}"
    arcene = [at_epoch(result, "arcene", "ERM", p, "error") for p in ("train", "test")]
    yield NOTEBOOK, f"({arcene[0]:.1f} % in training, {arcene[1]:.1f} % in the test)"
    yield NOTEBOOK, f"there the difference is {of('arcene')}: 10 runs do not tell"


def figure3_cifar(result):
    row = "cifar10, PreAct ResNet-18"
    cell = f"{row}/mixup 1/median_error"

    def both(measure):
        return (mean(result, f"{row}/{m}/{measure}") for m in ("ERM", "mixup 1"))

    fitted, _ = both("error_on_real")
    gained = difference(result, cell, unit=" points")
    told, kept = both("calibration_error")
    yield FOUND, f"fits its images (training error {fitted:.1f} %)"
    yield FOUND, f"mixup: {gained}, calibration error {told:.0f} to {kept:.0f} % |"
    yield README, f"(on 25,000 {gained})"
    yield LIMITS, f"and {gained} on 25,000 (Figure 3)"
    yield ALPHA, f"On 25,000 it is {gained.strip(')')}; `figure3_cifar`)"
    yield NOTEBOOK, f"ERM errs on {fitted:.1f} % of its training images, so that the"
    errors = "from {:.1f} to {:.1f} %".format(*both("median_error"))
    yield NOTEBOOK, f"the test error {errors}, by each seed: {gained}."
    yield NOTEBOOK, f"calibration error falls from {told:.1f} to {kept:.1f} %. As"
    pace = [
        tables.mean(result["summary"][f"{row}/{method}/epochs_to_converge"], 1)
        for method in ("ERM", "mixup 1")
    ]
    yield NOTEBOOK, f"({pace[0]} and {pace[1]})"


def capacity(result):
    row = "width 16"
    cell = f"{row}/mixup 1/median_error"
    fitted = mean(result, f"{row}/ERM/error_on_real")
    errors = [mean(result, f"{row}/{m}/median_error") for m in ("ERM", "mixup 1")]
    calibration = [
        mean(result, f"{row}/{m}/calibration_error") for m in ("ERM", "mixup 1")
    ]
    yield FOUND, f"fits its images (training error {fitted:.1f} %)"
    gained = difference(result, cell, unit=" points")
    yield FOUND, f"mixup: {gained}"
    narrow = difference(result, "width 8/mixup 1/median_error", unit=" points")
    yield FOUND, f"at width 8 {narrow}"
    least = mean(result, "width 4/ERM/error_on_real")
    outside = difference(result, "width 4/mixup 1/median_error", unit=" points")
    yield FOUND, f"ERM errs on {least:.1f} % of its training images, {outside}"
    yield NOTEBOOK, f"At width 4 ERM errs on {least:.1f} % of its training images"
    yield NOTEBOOK, f"there the difference is {outside}"
    yield NOTEBOOK, f"At width 8 it does so by {narrow}"
    yield README, f"a network that fits them: {gained} of error by mixup"
    yield LIMITS, f"{gained} on 10,000"
    yield ALPHA, f"a wider one fits, it is {gained.strip(')')}; `capacity`)"
    yield NOTEBOOK, f"ERM errs on {fitted:.1f} % of its training images"
    yield NOTEBOOK, f"from {errors[0]:.1f} to {errors[1]:.1f} %"
    yield NOTEBOOK, f"by each seed: {gained}"
    yield NOTEBOOK, f"from {calibration[0]:.1f} to {calibration[1]:.1f} %"


def policies(result):
    def of(row):
        return difference(result, f"{row}/median_error")

    def hidden(row, digits):
        return f"{mean(result, f'{row}/half_random'):.{digits}f}"

    rows = ("ERM", "mixup 1", "CutMix 1")
    erm, mixup, cutmix = (mean(result, f"{row}/calibration_error") for row in rows)
    yield README, f"{of('CutMix 1')} by CutMix; the calibration error falls from"
    yield README, f"falls from {erm:.0f} to {mixup:.0f} and {cutmix:.0f} %"
    pointed = of("CutMix 1").replace(" (", " points (")
    yield FOUND, f"CutMix: {pointed}, ResizeMix and FMix about the same"
    behind = [hidden(row, 0) for row in ("CutMix 1", "ERM")]
    yield FOUND, f"it errs on {behind[0]} % where ERM errs on {behind[1]} %"
    yield NOTEBOOK, f"CutMix by {of('CutMix 1')}, ResizeMix by {of('ResizeMix')}"
    yield NOTEBOOK, f"FMix by {of('FMix 1')}, the coin by {of('mixup 1 or CutMix 1')}"
    yield NOTEBOOK, f"where mixup has {of('mixup 1')}"
    erm, mixup, cutmix = (hidden(row, 1) for row in rows)
    yield NOTEBOOK, f"CutMix errs on {cutmix} % where ERM errs on {erm} and mixup on"
    yield NOTEBOOK, f"where ERM errs on {erm} and mixup on {mixup}"


def long_tail(result):
    def of(row, measure="median_error", unit=""):
        return difference(result, f"{row}/{measure}", unit=unit)

    def third(row, measure):
        return f"{mean(result, f'{row}/{measure}'):.1f}"

    late = ", re-weighted"
    yield FOUND, f"re-weighting alone {of(f'ERM{late}', unit=' points')}, with mixup"
    yield FOUND, f"with mixup {of(f'mixup{late}')}, with Remix {of(f'Remix{late}')}"
    yield FOUND, f"without it mixup has {of('mixup')} and Remix {of('Remix')}"
    yield UNEQUAL, f"re-weighting alone makes {of(f'ERM{late}')} points of error, mixup"
    yield UNEQUAL, f"alone {of('mixup')}, and both together {of(f'mixup{late}')}"
    yield NOTEBOOK, f"Remix with class weights, by {of(f'Remix{late}')}. Remix alone"
    yield NOTEBOOK, f"Remix alone has {of('Remix')}, Balanced-MixUp"
    yield NOTEBOOK, f"Balanced-MixUp {of('Balanced-MixUp')} and, with class weights"
    yield NOTEBOOK, f"with class weights, {of(f'Balanced-MixUp{late}')}."
    yield NOTEBOOK, f"weights alone make {of(f'ERM{late}')}, mixup alone {of('mixup')}"
    yield NOTEBOOK, f"and both together {of(f'mixup{late}')}"
    apart = result_file.pair(result["runs"], f"mixup{late}")
    apart = tables.difference(apart[f"Remix{late}/median_error"], 1)
    yield NOTEBOOK, f"less that of mixup with class weights is {apart}"
    large, small = (
        [
            third(f"{name}{late}", f"{part}_error")
            for name in ("mixup", "Balanced-MixUp")
        ]
        for part in ("head", "tail")
    )
    yield NOTEBOOK, f"{small[1]} % of the images of small classes and {large[1]} % of"
    yield NOTEBOOK, f"where mixup with class weights has {small[0]} and {large[0]} %"
    fitted = [mean(result, f"ERM/{name}") for name in ("error_on_real", "tail_error")]
    yield NOTEBOOK, f"fits its images ({fitted[0]:.1f} %), and misses {fitted[1]:.1f} %"


def cmixup_regression(result):
    def of(row, measure="rmse"):
        return difference(result, f"{row}/{measure}", 3)

    def error(row):
        return f"{mean(result, f'airfoil/{row}/rmse'):.3f}"

    erm, mixup, hidden = map(error, ("ERM", "mixup", "mixup, hidden"))
    yield NOTEBOOK, f"ERM at {erm}, mixup at {mixup}, and mixup behind the first"
    yield NOTEBOOK, f"mixup behind the first block at {hidden}"
    airfoil = of("airfoil/C-Mixup, hidden")
    yield NOTEBOOK, f"its difference to ERM is {airfoil}, where theirs is"
    yield NOTEBOOK, f"At the input it helps less, {of('airfoil/C-Mixup')}"
    pair = of("no2/C-Mixup"), of("skillcraft/C-Mixup")
    yield NOTEBOOK, f"C-Mixup by {pair[0]}, and on SkillCraft by {pair[1]}"
    worst = of("crime/mixup", "worst_rmse")
    yield NOTEBOOK, f"the worst state gains by plain mixup, {worst}"
    worst = of("crime/C-Mixup, hidden", "worst_rmse")
    yield NOTEBOOK, f"by C-Mixup behind the first block it is {worst}"
    yield FOUND, f"Airfoil: mixup {of('airfoil/mixup')}, C-Mixup {airfoil}"
    yield REGRESSION, f"mixup errs by {of('airfoil/mixup')} more than ERM"
    yield REGRESSION, f"C-Mixup, where its authors mix, by {airfoil}"
    changes = [
        pair["mean"]
        for cell, pair in result["paired"].items()
        if cell.startswith(("no2/", "skillcraft/")) and cell.endswith("/rmse")
    ]
    some = "all" if min(changes) > 0 else "not all"
    yield REGRESSION, f"On NO2 and SkillCraft {some} ways to mix cost some error"


def cmixup_series(result):
    def error(row):
        return f"{mean(result, f'exchange_rate/{row}/rmse'):.4f}"

    own = difference(result, "exchange_rate/C-Mixup, hidden/rmse", 3)
    erm, mixup, cmixup = map(error, ("ERM", "mixup, hidden", "C-Mixup, hidden"))
    yield FOUND, f"ERM {erm}, mixup behind the convolution {mixup}, C-Mixup {cmixup};"
    yield FOUND, f"C-Mixup {cmixup}; its difference to ERM is {own} |"
    yield NOTEBOOK, f"ERM errs by {erm}, as the authors' does"
    yield NOTEBOOK, f"mixup behind the convolution by {mixup} (0.0242)"
    yield NOTEBOOK, f"C-Mixup has {cmixup} where theirs has 0.0203"
    yield NOTEBOOK, f"its difference to ERM is {own}, which two seeds"


# The name of its result: the further preset of an experiment.
cmixup_series.__name__ = "cmixup_regression series"


def ict_two_moons(result):
    def of(method):
        return difference(result, f"two moons/{method}/test_error")

    def fewer(method):
        errors = {
            name: {
                run["seed"]: run["final"]["test_error"]
                for run in result["runs"]
                if run["method"] == name
            }
            for name in ("ERM", method)
        }
        seeds = errors["ERM"]
        return sum(errors[method][seed] < seeds[seed] for seed in seeds), len(seeds)

    ict, mixed = "ICT", "ICT, probabilities mixed"
    pointed = of(ict).replace(" (", " points (")
    better, seeds = fewer(ict)
    yield FOUND, f"ICT {pointed}; it errs less than ERM on {better} of {seeds} seeds"
    yield FEW, f"{of(ict).replace(' (', ' points of error (')} on {seeds} seeds"
    yield NOTEBOOK, f"ICT differs from ERM by {of(ict)} points"
    yield NOTEBOOK, f"in place of its logits by {of(mixed)}"
    unmixed = of("ICT, labels unmixed")
    yield NOTEBOOK, f"as in the paper's algorithm, by {unmixed}"
    yield NOTEBOOK, f"on {better} of the {seeds} seeds, with"
    yield NOTEBOOK, f"with probabilities on {fewer(mixed)[0]}."


def table1_imagenet(result):
    groups = result_file.groups(result["runs"])
    training = span([at_epoch(result, g, "ERM", "train", "error") for g in groups])
    yield FOUND, f"still errs on {training} % of its augmented training images |"
    yield NOTEBOOK, f"ERM errs on {training} % of them, augmented"
    short, long = (
        [
            f"{change(result, f'{group}/mixup 0.2/last_error'):+.1f}"
            for group in groups
            if group.endswith(f" {length} epochs")
        ]
        for length in (5, 11)
    )
    yield NOTEBOOK, f"are {short[0]} and {short[1]} in the shorter runs"
    yield NOTEBOOK, f"and {long[0]} and {long[1]} in the longer ones"


def figure4_speech(result):
    def both(network, measure, unit=""):
        cells = (f"{network}/mixup {alpha}/{measure}_error" for alpha in (0.1, 0.2))
        first, second = (difference(result, cell) for cell in cells)
        return f"{first.replace(' (', f'{unit} (')} and {second}"

    vgg, lenet = (
        f"{mean(result, f'{network}/ERM/error_on_real'):.1f}"
        for network in ("VGG-11", "LeNet")
    )
    yield FOUND, f"VGG-11 fits its utterances (training error {vgg} %)"
    yield FOUND, f"test set are {both('VGG-11', 'test', ' points')}"
    yield NOTEBOOK, f"of VGG-11 are {both('VGG-11', 'test')} for alpha"
    yield NOTEBOOK, f"On validation they are {both('VGG-11', 'valid')}, those of LeNet"
    yield NOTEBOOK, f"those of LeNet {both('LeNet', 'valid')}, the signs"
    yield NOTEBOOK, f"errs on {vgg} % of the training set with VGG-11, and on {lenet} %"


def figure1_toy(result):
    shapes = ("circles", "moons")
    steeper = [
        mean(result, f"{shape}/ERM/gradient_max")
        / mean(result, f"{shape}/mixup 1/gradient_max")
        for shape in shapes
    ]
    yield FOUND, f"slopes {steeper[0]:.0f} and {steeper[1]:.0f} times less steep"
    yield NOTEBOOK, f"is {steeper[0]:.0f} and {steeper[1]:.0f} times smaller"
    (a, b), (c, d) = (
        [mean(result, f"{shape}/{m}/r_squared") for m in ("ERM", "mixup 1")]
        for shape in shapes
    )
    yield NOTEBOOK, f"rises from {a:.0f} to {b:.0f} and from {c:.0f} to {d:.0f} %"
    errors = [difference(result, f"{shape}/mixup 1/test_error") for shape in shapes]
    yield NOTEBOOK, f"*grows*, by {errors[0]} and {errors[1]} points"


def figure2_between(result):
    def ratio(measure):
        return mean(result, f"ERM/{measure}") / mean(result, f"mixup 1/{measure}")

    erm, mixup = (mean(result, f"{method}/miss") for method in ("ERM", "mixup 1"))
    yield FOUND, f"misses {erm:.1f} against {mixup:.1f} %, gradients"
    yield FOUND, f"gradients {ratio('gradient_norm'):.1f} times smaller"
    yield NOTEBOOK, f"(error {mean(result, 'ERM/error_on_real'):.2f} %)"
    yield NOTEBOOK, f"in {erm:.1f} % of the cases, mixup in {mixup:.1f} %"
    yield NOTEBOOK, f"a difference of {difference(result, 'mixup 1/miss')} points"
    yield NOTEBOOK, f"of its loss is {ratio('gradient_norm'):.1f} times smaller"
    yield NOTEBOOK, f"the ratio is {ratio('gradient_norm_predicted'):.1f} alone"


def table2_corrupted_labels(result):
    rows = {"20 %": "mixup 8", "50 %": "mixup 32", "80 %": "mixup 32"}
    erm, real, mixup = (
        [mean(result, f"{group}/{name}/{measure}") for group, name in named]
        for named, measure in (
            ([(group, "ERM") for group in rows], "error_on_corrupted"),
            ([(group, "ERM") for group in rows], "error_on_real"),
            (rows.items(), "error_on_corrupted"),
        )
    )
    last = [difference(result, f"{g}/{m}/last_error") for g, m in rows.items()]
    best = difference(result, "80 %/mixup 32/best_error")
    yield FOUND, f"ERM errs on {span(erm)} % of the wrong labels"
    yield FOUND, f"mixup on {span(mixup)} %; dropout"
    yield NOTEBOOK, f"fits the real labels ({span(real, 1)} %)"
    yield NOTEBOOK, f"not yet the wrong ones ({span(erm)} %)"
    yield NOTEBOOK, f"on wrong labels is {span(mixup)} %"
    yield NOTEBOOK, f"error differs by {last[0]}, {last[1]} and {last[2]} points"
    yield NOTEBOOK, f"with 80 % replaced, {best}."


def table3_adversarial(result):
    def of(measure, unit=""):
        return difference(result, f"epsilon 4/mixup 1/{measure}", unit=unit)

    white = of("white_fgsm_top_1", " points")
    yield FOUND, f"FGSM: {white}; without an attack {of('last_error')} |"
    yield NOTEBOOK, f"difference is {of('white_fgsm_top_1')} points in the white box"
    yield NOTEBOOK, f"without any attack it is {of('last_error')}, so"
    yield NOTEBOOK, f"(I-FGSM, epsilon 4: {of('black_i_fgsm_top_1')})"
    ratios = [
        (100 - mean(result, f"epsilon {e}/mixup 1/{attack}_top_1"))
        / (100 - mean(result, f"epsilon {e}/ERM/{attack}_top_1"))
        for e in (1, 2, 4, 8)
        for attack in ("white_fgsm", "black_fgsm", "black_i_fgsm")
    ]
    yield NOTEBOOK, f"Ratios of accuracies are {span(ratios, 2)} where"


def table5_ablation(result):
    low, high = (f"weight decay {decay}" for decay in (0.0001, 0.0005))

    def of(group, *methods, measure="median_error"):
        return [mean(result, f"{group}/{method}/{measure}") for method in methods]

    random, layers = "mixup, AC + RP", ("layer 1", "layer 2", "layer 3")
    best = span(of(low, random, *layers), 1)
    yield NOTEBOOK, f"({best} against ERM's {of(low, 'ERM')[0]:.1f})"
    two = sorted(of(high, "layer 1", "layer 2"))
    yield NOTEBOOK, f"are ({two[0]:.1f}, {two[1]:.1f}), and mixup"
    yield NOTEBOOK, f"and mixup ({of(high, random)[0]:.1f}), layer 3"
    near = of(high, "layer 3", "mixup, AC + KNN", "inputs, smoothing 0.05")
    yield NOTEBOOK, f"inputs with smoothing .05 ({span(near, 1)}) cannot"
    pairs = [f"inputs only, {c} + {p}" for c in ("SC", "AC") for p in ("KNN", "RP")]
    gains = [of(g, "ERM")[0] - of(g, pair)[0] for g in (low, high) for pair in pairs]
    yield NOTEBOOK, f"inputs alone ({span(gains, 1)} points)"
    methods = result_file.methods(result["runs"])
    ours = [of(high, method)[0] - of(low, method)[0] for method in methods]
    papers = [
        result["paper"][f"{high}/{method}/median_error"]
        - result["paper"][f"{low}/{method}/median_error"]
        for method in methods
    ]
    both = list(zip(ours, papers, strict=True))
    signs = sum(a * b > 0 for a, b in both)
    yield NOTEBOOK, f"the paper's sign in {signs} of {len(both)} rows"
    large = [a * b > 0 for a, b in both if abs(a) > 0.9]
    yield NOTEBOOK, f"of the {len(large)} changes above 0.9 points {sum(large)} have it"


def alpha_tradeoff(result):
    groups = result_file.groups(result["runs"])
    erm, limit = (
        {g: mean(result, f"{g}/{m}/error_on_real") for g in groups}
        for m in ("ERM", "averages")
    )
    gap = [mean(result, f"width 8/{method}/gap") for method in ("ERM", "averages")]
    yield NOTEBOOK, f"({erm['width 8']:.1f} to {limit['width 8']:.0f} % at width 8)"
    yield NOTEBOOK, f"the gap shrinks ({gap[0]:.0f} to {gap[1]:.0f} points)"
    a, b, c = (f"{limit[group]:.1f}" for group in groups)
    yield NOTEBOOK, f"averages ({a}, {b} and {c} % at widths 4, 8 and 16)"


def discussion(result):
    baseline = "mixup: pairs of one batch, one lam a batch"
    cell = f"{baseline}/median_error"
    plain = difference(result, cell)
    pointed = difference(result, cell, unit=" points")
    yield FOUND, f"mixup: {pointed}; three examples"
    yield LIMITS, f"difference to ERM is {pointed} on 1,000 images"
    yield ALPHA, f"the difference is {pointed[:-1]}; `discussion`)"
    yield NOTEBOOK, f"mixup differs from ERM by {plain} points here**"
    calibration = -change(result, f"{baseline}/calibration_error")
    yield NOTEBOOK, f"and by {calibration:.0f} points of calibration error"
    equal = -change(result, "pairs of equal label only/median_error")
    own = result_file.pair(result["runs"], baseline)
    each = own["one lam an example/median_error"]["mean"]
    yield NOTEBOOK, f"Pairs of equal label gain {equal:.1f} points, less than half"
    yield NOTEBOOK, f"one lam an example costs {each:.1f}: neither"


def figure5_gan(result):
    def seeds(group):
        row = (group, "mixup 0.2")
        return [r for r in result["runs"] if (r["group"], r["method"]) == row]

    def late(group):
        """The modes covered at each measurement of the second half, of all seeds."""
        runs = [run["epochs"] for run in seeds(group)]
        halves = [epochs[len(epochs) // 2 :] for epochs in runs]
        return [one["test"]["modes_covered"] for half in halves for one in half]

    ring, grid = (
        "ring/mixup 0.2/late_modes_covered",
        "grid/mixup 0.2/late_modes_covered",
    )
    finals = [
        [run["final"]["late_modes_covered"] for run in seeds(g)]
        for g in ("ring", "grid")
    ]
    for page in (README, FOUND):
        yield page, f"mixup {mean(result, ring):.1f} ({span(finals[0], 1)} by seed)"
    yield FOUND, f"none and {mean(result, grid):.1f} ({span(finals[1])})"
    yield GANS, f"which covered {mean(result, ring):.1f} of the ring's 8 modes"
    covered = tables.mean(result["summary"][ring], 1)
    yield NOTEBOOK, f"mixup covers {covered} of 8 modes"
    yield NOTEBOOK, f"regains modes ({span(late('ring'))} of them)"
    yield NOTEBOOK, f"mixup covers {span(late('grid'))} of the 25 modes"


def quickstart(result):
    errors = [mean(result, f"{m}/last_test_error") for m in ("ERM", "mixup 8")]
    yield README, f"ERM errs on {errors[0]:.1f} % and mixup on {errors[1]:.1f} %"


SENTENCES = (
    *(table4_tabular, figure3_cifar, capacity, policies, long_tail),
    *(cmixup_regression, cmixup_series, ict_two_moons),
    table1_imagenet,
    figure4_speech,
    *(figure1_toy, figure2_between, table2_corrupted_labels, table3_adversarial),
    *(table5_ablation, alpha_tradeoff, discussion, figure5_gan, quickstart),
)
