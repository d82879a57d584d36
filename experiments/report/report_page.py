"""The parts of an HTML page that works from disk, without network or script.

All text is escaped; what is HTML already is a `Markup`.
"""

import base64
import html
import pathlib
import re
import string


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def page(title, parts, linked=()):
    """The whole page, of its parts; `linked` are headings that it links to first."""
    template = pathlib.Path(__file__).with_name("page.html")
    return string.Template(template.read_text(encoding="utf-8")).substitute(
        title=text(title),
        links="".join(f"<li>{link(name)}</li>" for name in linked),
        body="\n".join(parts),
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


def block(value):
    """Text in lines of its own, as it is."""
    return Markup(f"<pre>{text(value)}</pre>")


def command(value):
    """A command to type."""
    return block(Markup(f"<code>{text(value)}</code>"))


def table(caption, head, rows):
    """A table that can be sorted, in a box of its own that scrolls if it is wide."""
    heads = "".join(f'<th scope="col">{text(name)}</th>' for name in head)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    caption = text(caption)
    return Markup(
        f'<div class="table" role="region" aria-label="{caption}" tabindex="0">\n'
        f'<table class="sortable"><caption>{caption}</caption>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{lines}</tbody></table></div>"
    )


def picture(path, description):
    """A PNG file, inside of the page."""
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    description = text(description)
    return Markup(
        f'<figure><img alt="{description}" src="data:image/png;base64,{content}">'
        f"<figcaption>{description}</figcaption></figure>"
    )


def from_markdown(caption, markdown):
    """A Markdown table as one of the page; its links and marks become plain text."""
    lines = (line.strip() for line in markdown.splitlines())
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
