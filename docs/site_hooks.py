"""What mkdocs.yml cannot say: MkDocs calls these while it builds the site."""

import pathlib

from mkdocs.structure.files import File, InclusionLevel

# The width from which on the navigation stays open: 1,200 pixels. The theme has 1,220.
WIDTHS = {"76.25em": "75em", "76.234375em": "74.984375em"}
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
    """Adds a page for each file of the library, for the links of the API."""
    root = pathlib.Path(config.config_file_path).parent
    for path in sorted((root / "keras_mixup").rglob("*.py")):
        name = path.relative_to(root)
        page = PAGE.format(name=name, code=path.read_text(encoding="utf-8"))
        uri = pathlib.Path("source", name).with_suffix(".md").as_posix()
        hidden = InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, uri, content=page, inclusion=hidden))


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
