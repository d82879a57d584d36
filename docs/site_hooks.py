"""What mkdocs.yml cannot say: MkDocs calls these while it builds the site."""

import pathlib

from mkdocs.structure.files import File, InclusionLevel

# The width from which on the navigation stays open: 1,200 pixels. The theme has 1,220.
WIDTHS = {"76.25em": "75em", "76.234375em": "74.984375em"}
HIDDEN = InclusionLevel.NOT_IN_NAV
# A page of code, whose lines can be linked to, and which the search leaves out.
PAGE = """---
search: {{exclude: true}}
hide: [toc]
---

# {name}

~~~~~~ {{.python linenums="1"}}
{code}
~~~~~~
"""


def on_files(files, config):
    """Adds the benchmarks' pages, and one for each file that the API links to."""
    root = pathlib.Path(config.config_file_path).parent
    for path in sorted((root / "benchmarks").rglob("*.md")):
        uri = path.relative_to(root).as_posix()
        # The folder docs is the root of the site.
        text = path.read_text(encoding="utf-8").replace("](../docs/", "](../")
        if path.parent.name == "results":
            text = f"---\nhide: [toc]\n---\n\n{text}"
        shown = InclusionLevel.INCLUDED if path.stem == "README" else HIDDEN
        files.append(File.generated(config, uri, content=text, inclusion=shown))
    for path in sorted((root / "keras_mixup").rglob("*.py")):
        name = path.relative_to(root)
        page = PAGE.format(name=name, code=path.read_text(encoding="utf-8"))
        uri = pathlib.Path("source", name).with_suffix(".md").as_posix()
        files.append(File.generated(config, uri, content=page, inclusion=HIDDEN))


def on_page_markdown(markdown, **_):
    """Makes links to the benchmarks lead to their pages of the site."""
    return markdown.replace("](../benchmarks/", "](benchmarks/")


def on_post_build(config):
    """Writes the width into the style sheets and the script of the theme."""
    assets = pathlib.Path(config.site_dir) / "assets"
    changed = 0
    for path in [*assets.glob("stylesheets/*.css"), *assets.glob("javascripts/*.js")]:
        text = path.read_text(encoding="utf-8")
        for theirs, ours in WIDTHS.items():
            changed += text.count(theirs)
            text = text.replace(theirs, ours)
        path.write_text(text, encoding="utf-8")
    if not changed:
        raise ValueError(f"The theme has none of the widths {list(WIDTHS)} any more.")
