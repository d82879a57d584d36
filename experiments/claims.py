"""What the paper says in each table and figure, and which of our numbers speak to it."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim, of one table or figure.

    Attributes:
        item: The paper's name for it.
        experiment: Name of the experiment, and of its folder of results.
        text: The claim.
        measures: Names of the measures that speak to it, with "lower" or "higher" for
            what mixup is to make of them.
        rows: Regular expression of the rows, "group/method" or "method", that do.
        settings: What was run, by preset; what begins with "The paper's" is full.
    """

    item: str
    experiment: str
    text: str
    measures: dict[str, str]
    rows: str
    settings: dict[str, str]

    def cells(self, result):
        """Names of the cells of a result that speak to the claim, with the direction."""
        found = {}
        for cell in result["summary"]:
            row, _, measure = cell.rpartition("/")
            if measure in self.measures and re.fullmatch(self.rows, row):
                found[cell] = self.measures[measure]
        return found

    def is_full(self, preset):
        """Whether a preset is the paper's setting."""
        return self.settings.get(preset, "").startswith("The paper's")


_SMALL = "Reduced: 1,000 images of Fashion-MNIST at 12 x 12 pixels, a narrow PreAct ResNet-18"
_PAPER = {"paper": "The paper's setting."}

CLAIMS = (
    Claim(
        "Table 1",
        "table1_imagenet",
        "mixup lowers the top-1 error on ImageNet, and more for longer training and for "
        "larger networks.",
        {"last_error": "lower"},
        r".*/mixup .*",
        {"cpu": "Reduced: 20 classes of 64-pixel images, ResNet-50 at width 8 and 16."}
        | _PAPER,
    ),
    Claim(
        "Figure 3",
        "figure3_cifar",
        "mixup lowers the test error on CIFAR-10 and CIFAR-100 for three networks.",
        {"median_error": "lower"},
        r".*/mixup 1",
        {
            "cpu": "Reduced: CIFAR-10 alone, 20,000 training images, PreAct ResNet-18 at "
            "width 8 of 64, 20 epochs of 200."
        }
        | _PAPER,
    ),
    Claim(
        "Figure 4",
        "figure4_speech",
        "mixup lowers the error of VGG-11 on the Google commands (not that of LeNet).",
        {"test_error": "lower"},
        r"VGG-11/mixup .*",
        {"cpu": "Reduced: 3 words of 30, narrow networks."} | _PAPER,
    ),
    Claim(
        "Figure 1b",
        "figure1_toy",
        "mixup makes the prediction change smoothly, and linearly, between the classes.",
        {"gradient_max": "lower", "r_squared": "higher"},
        r".*/mixup 1",
        {"cpu": "A setting of ours: the paper gives none."},
    ),
    Claim(
        "Figure 2",
        "figure2_between",
        "between training examples mixup makes fewer predictions that are neither label, "
        "and smaller gradients.",
        {"miss": "lower", "gradient_norm": "lower"},
        r"mixup 1",
        {"cpu": f"{_SMALL}."} | _PAPER,
    ),
    Claim(
        "Table 2",
        "table2_corrupted_labels",
        "with wrong labels mixup, alone or with dropout, ends with a lower test error, "
        "and fits the wrong labels less.",
        {"last_error": "lower", "error_on_corrupted": "higher"},
        r".*/mixup .*",
        {"cpu": f"{_SMALL}."} | _PAPER,
    ),
    Claim(
        "Table 3",
        "table3_adversarial",
        "under FGSM and I-FGSM, in white and black boxes, mixup errs less.",
        dict.fromkeys(
            (
                *("white_fgsm_top_1", "black_fgsm_top_1"),
                *("white_i_fgsm_top_1", "black_i_fgsm_top_1"),
            ),
            "lower",
        ),
        r"epsilon 4/mixup 1",
        {"cpu": f"{_SMALL}; epsilon 4 as in the paper."} | _PAPER,
    ),
    Claim(
        "Table 4",
        "table4_tabular",
        "on six tables of the UCI repository mixup errs less, or no more.",
        {"test_error": "lower"},
        r".*/mixup 1",
        {"cpu": "The paper's setting, where it gives one; alpha 1."},
    ),
    Claim(
        "Table 5",
        "table5_ablation",
        "mixing random pairs of all classes, inputs and labels both, is best of all.",
        {"median_error": "lower"},
        r".*/mixup, AC \+ RP",
        {"cpu": f"{_SMALL}, 1 seed."} | _PAPER,
    ),
    Claim(
        "Section 5",
        "alpha_tradeoff",
        "with growing alpha the training error on real data grows, and the gap to the "
        "test error shrinks.",
        {"gap": "lower", "error_on_real": "higher"},
        r".*/mixup 32",
        {"cpu": f"{_SMALL} at three widths, 1 seed."} | _PAPER,
    ),
    Claim(
        "Section 2",
        "discussion",
        "mixing the pairs of one batch is enough: it lowers the error, and three "
        "examples or two loaders bring no more.",
        {"median_error": "lower"},
        r"mixup: pairs of one batch, one lam a batch",
        {"cpu": f"{_SMALL}."} | _PAPER,
    ),
    Claim(
        "Figure 5",
        "figure5_gan",
        "mixup keeps a GAN's training stable on a ring and on a grid of Gaussians.",
        {"late_modes_covered": "higher"},
        r".*/mixup 0.2",
        {"cpu": "Reduced: a quarter of the width, half of the iterations."} | _PAPER,
    ),
)
