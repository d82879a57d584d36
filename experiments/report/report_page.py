"""The parts of an HTML page that works from disk: no network, no script that is needed.

All text is escaped; what is HTML already is a `Markup`.
"""

import base64
import html
import re


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --link: #a8c7fa; } }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem;
  padding: 1rem; overflow-wrap: anywhere; background: Canvas; color: CanvasText; }
a { color: var(--link); }
h2 { border-top: 1px solid var(--line); padding-top: 1rem; }
img { max-width: 100%; height: auto; background: #fff; }
figure { margin: 1rem 0; }
pre, .table { overflow-x: auto; max-width: 100%; }
pre { background: var(--soft); padding: .5rem; }
table { border-collapse: collapse; font-size: .9rem; overflow-wrap: normal; }
th, td { border: 1px solid var(--line); padding: .25rem .5rem; text-align: left;
  vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th button { font: inherit; font-weight: bold; border: 0; background: none; color: inherit;
  cursor: pointer; padding: 0; text-align: left; }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; }
@media print { body { max-width: none; } pre, .table { overflow: visible; }
  pre { white-space: pre-wrap; } h2, figure, tr { break-inside: avoid; }
  nav { display: none; } }
"""

SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].textContent.trim();
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        const [m, n] = [x, y].map((text) => parseFloat(text.replaceAll(",", "")));
        const order = isNaN(m) || isNaN(n) ? x.localeCompare(y) : m - n;
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
"""


def page(title, parts, linked=()):
    """The whole page, from its parts; `linked` are the headings that it links to first."""
    body = "\n".join(parts)
    links = "".join(f"<li>{link(name)}</li>" for name in linked)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Without it a browser looks for an icon beside the page.
        '<link rel="icon" href="data:,">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#content">To the content</a>\n'
        f'<nav aria-label="Parts"><ul>{links}</ul></nav>\n'
        f'<main id="content">\n<h1>{html.escape(title)}</h1>\n{body}\n</main>\n'
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def text(value):
    """Escaped text; a `Markup` as it is."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def paragraph(*values):
    """A paragraph of several pieces."""
    return Markup(f"<p>{''.join(map(text, values))}</p>")


def heading(title, level=2, anchor=None):
    """A heading with an anchor."""
    anchor = anchor_of(anchor or title)
    return Markup(f'<h{level} id="{anchor}">{text(title)}</h{level}>')


def anchor_of(title):
    """The anchor of a heading."""
    return re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")


def link(title, anchor=None):
    """A link to a heading of this page."""
    return Markup(f'<a href="#{anchor_of(anchor or title)}">{text(title)}</a>')


def command(value):
    """A command to type."""
    return Markup(f"<pre><code>{text(value)}</code></pre>")


def table(caption, head, rows):
    """A table that can be sorted, in a box of its own that scrolls where it is wide."""
    heads = "".join(f'<th scope="col">{text(name)}</th>' for name in head)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    label = html.escape(str(caption), quote=True)
    return Markup(
        f'<div class="table" role="region" aria-label="{label}" tabindex="0">\n'
        f'<table class="sortable"><caption>{text(caption)}</caption>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{lines}</tbody></table></div>"
    )


def picture(path, description):
    """A PNG file, inside of the page."""
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    alt = html.escape(description, quote=True)
    return Markup(
        f'<figure><img alt="{alt}" src="data:image/png;base64,{content}">'
        f"<figcaption>{text(description)}</figcaption></figure>"
    )


def from_markdown(caption, markdown):
    """A Markdown table as one of the page; its links and marks become plain text."""
    lines = [line.strip() for line in markdown.strip().splitlines()]
    head, _, *rows = (
        [_plain(cell) for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("|")
    )
    return table(caption, head, rows)


def _plain(cell):
    cell = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", cell.strip())
    return cell.replace("**", "").replace("`", "")


def _cell(value):
    number = re.fullmatch(r"[-+]?[\d.,]+( ± [\d.]+)?( \(.*\))?", str(value))
    kind = ' class="number"' if number else ""
    return f"<td{kind}>{text(value)}</td>"
