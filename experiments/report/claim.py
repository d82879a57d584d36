"""What a claim is: one sentence of the paper, and which of our cells speak to it."""

import dataclasses
import re

from experiments.report import commands


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim, of one table or figure."""

    # The paper's name for it, and ours.
    item: str
    experiment: str
    # The claim, as far as the rule judges it.
    text: str
    # What mixup is to make of the measures that speak to it: "lower" or "higher".
    measures: dict[str, str]
    # Regular expression of the rows, "group/method" or "method", that do.
    rows: str
    # What the two presets run: its scale (full, our reading, reduced, ours), and more.
    cpu: str
    paper_preset: str = "full: The paper's setting."
    # The same of other presets.
    further: dict[str, str] = dataclasses.field(default_factory=dict)
    # The regime: the measures of ERM, its training errors, that have to be below 1 %.
    fits: tuple[str, ...] = ()
    # What the paper says as well, and the rule does not judge.
    beside: str = ""
    # The paper's cells where a result does not name those that were not run.
    cells_of_paper: dict[str, float | None] = dataclasses.field(default_factory=dict)

    def paper(self, result):
        """The paper's value by cell, of what was run and of what was not."""
        return self.cells_of_paper | result["paper"]

    def cells(self, result):
        """The cells that speak to the claim, run or not, with the direction."""
        found = {}
        for cell in result["summary"] | self.paper(result):
            row, _, measure = cell.rpartition("/")
            if measure in self.measures and re.fullmatch(self.rows, row):
                found[cell] = self.measures[measure]
        return found

    def setting(self, result):
        """What was run, in words: its scale, and what it is."""
        named = {"cpu": self.cpu, "paper": self.paper_preset} | self.further
        scale, _, text = named.get(result["preset"], "").partition(": ")
        if commands.is_whole(result):
            return scale, text
        return "changed", f"{text} With other settings, see below."
