"""Puts what the result files say into the Markdown pages that show it.

    python -m benchmarks.readme            # after a run whose result file is committed

Between `<!-- table: NAME -->` and `<!-- end -->` stands the table of a result file, or
what `summary.py` makes of several. The picture, docs/speed.png, is drawn as well. Tests
hold that pages and picture are those of the result files.
"""

import pathlib
import re

from benchmarks import command, summary

ROOT = pathlib.Path(__file__).parents[1]
PAGES = (
    *("benchmarks/README.md", "docs/speed.md"),
    *("docs/scale_out.md", "docs/peers.md"),
)
PICTURE = ROOT / "docs" / "speed.png"
PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text):
    """The text of a page with the tables of the result files."""

    def table_of(match):
        if match[2] in summary.PIECES:
            table = summary.PIECES[match[2]]() + "\n"
        else:
            path = command.table_of(command.RESULTS / f"{match[2]}.json")
            table = path.read_text(encoding="utf-8")
        return f"{match[1]}\n{table}\n{match[3]}"

    return PLACE.sub(table_of, text)


def main():
    """Rewrites the pages, and draws the picture."""
    from benchmarks import picture

    for name in PAGES:
        path = ROOT / name
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
    picture.draw(PICTURE)


if __name__ == "__main__":
    main()
