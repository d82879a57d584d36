"""Puts the tables of the result files into the Markdown pages that show them.

    python -m benchmarks.readme            # after a run whose result file is committed

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; a test holds that it
is that of the result file.
"""

import pathlib
import re

from benchmarks import command

ROOT = pathlib.Path(__file__).parents[1]
PAGES = ("benchmarks/README.md", "docs/scale_out.md", "docs/peers.md")
PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text):
    """The text of a page with the tables of the result files."""

    def table_of(match):
        path = command.table_of(command.RESULTS / f"{match[2]}.json")
        return f"{match[1]}\n{path.read_text(encoding='utf-8')}\n{match[3]}"

    return PLACE.sub(table_of, text)


def main():
    """Rewrites the pages."""
    for name in PAGES:
        path = ROOT / name
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
