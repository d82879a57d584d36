"""The site in Chromium: as a reader on a phone and one at a desk see it.

It needs the extras `docs` and `site`, and a browser: that of `playwright install
chromium`, or the one that the environment variable CHROMIUM names.
"""

import functools
import http.server
import importlib.util
import inspect
import os
import pathlib
import re
import subprocess
import sys
import threading

import pytest

import keras_mixup

ROOT = pathlib.Path(__file__).parents[1]
DOCS = sorted(path.stem for path in (ROOT / "docs").glob("*.md"))
IN_NAVIGATION = [*DOCS, "benchmarks/index"]
OTHERS = ["details", "results/pipeline", "results/scale_out"]
PAGES = [*IN_NAVIGATION, *(f"benchmarks/{name}" for name in OTHERS)]
PAGES += ["source/keras_mixup/mixup"]
PHONE, DESK = 360, 1200

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The site, built."""
    for module in ("mkdocs", "material", "mkdocstrings"):
        if importlib.util.find_spec(module) is None:
            pytest.skip("Needs the docs extra (`make test-site` installs it).")
    path = tmp_path_factory.mktemp("site")
    answer = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return path


@pytest.fixture(scope="module")
def address(folder):
    """The site, served."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Silent, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    """Chromium."""
    reason = "Needs the site extra (`make test-site` installs it)."
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    with playwright.sync_playwright() as started:
        own = os.environ.get("CHROMIUM")
        if not pathlib.Path(own or started.chromium.executable_path).exists():
            pytest.skip("Needs `playwright install chromium`, or CHROMIUM=/path/to/it.")
        with started.chromium.launch(executable_path=own) as chromium:
            yield chromium


@pytest.fixture
def wrong():
    """What failed on the pages of a test: it has to be empty at the end."""
    found = []
    yield found
    assert found == []


@pytest.fixture
def open_page(browser, wrong):
    """A function that opens an address."""
    opened = []

    def opens(url, width=DESK, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        page = context.new_page()
        opened.append(context)
        page.on("console", lambda one: one.type == "error" and wrong.append(one.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("requestfailed", lambda request: wrong.append(request.url))
        page.on("response", lambda one: one.status >= 400 and wrong.append(one.url))
        page.goto(url)
        return page

    yield opens
    for context in opened:
        context.close()


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_the_window(open_page, address, name, width):
    page = open_page(f"{address}/{name}.html", width)
    wide = page.evaluate("document.scrollingElement.scrollWidth")
    assert wide <= page.evaluate("innerWidth") == width
    # Each picture has arrived.
    widths = page.eval_on_selector_all("img", "all => all.map(one => one.naturalWidth)")
    assert all(widths)
    assert page.locator("h1").count() == 1


def test_a_page_that_is_too_wide_would_be_seen(open_page, address):
    page = open_page(f"{address}/index.html", PHONE)
    page.evaluate("document.querySelector('h1').style.width = '500px'")
    assert page.evaluate("document.scrollingElement.scrollWidth") > PHONE


def test_what_fails_on_a_page_would_be_seen(open_page, wrong, address, folder):
    script = "<script>console.error('told'); throw Error('thrown')</script>"
    (folder / "broken.html").write_text(f"<img src=none.png>{script}")
    open_page(f"{address}/broken.html")
    assert {"told", "thrown", f"{address}/none.png"} <= set(wrong)
    wrong.clear()


LINKS = ".md-nav--primary a.md-nav__link[href*='.html']"


def test_the_navigation_is_open_at_a_desk(open_page, address):
    page = open_page(f"{address}/index.html")
    boxes = {
        link.get_attribute("href").partition("#")[0]: link.bounding_box()
        for link in page.locator(LINKS).all()
        if link.is_visible()
    }
    assert set(boxes) == {f"{name}.html" for name in IN_NAVIGATION}
    text = page.locator("article").bounding_box()
    for box in boxes.values():
        assert 0 <= box["x"] < box["x"] + box["width"] <= text["x"]


def test_the_navigation_of_a_phone_opens(open_page, address):
    page = open_page(f"{address}/policies.html", PHONE)
    link = page.locator(f"{LINKS}[href='alpha.html']")
    assert not link.is_visible() or link.bounding_box()["x"] < 0
    page.locator("label.md-header__button[for=__drawer]").click()
    page.wait_for_timeout(500)
    # The drawer shows the section of the page.
    link.click()
    page.wait_for_url("**/alpha.html")


# Relative luminance and contrast as WCAG 2 defines them.
CONTRAST = """
([selector]) => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const channel = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map((c) => channel(c / 255))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = numbers(getComputedStyle(document.body).backgroundColor);
  const [r, g, b, a = 1] = numbers(
    getComputedStyle(document.querySelector(selector)).color);
  const ink = [r, g, b].map((c, i) => a * c + (1 - a) * paper[i]);
  const [low, high] = [light(paper), light(ink)].sort((a, b) => a - b);
  return [(high + 0.05) / (low + 0.05), light(paper)];
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_colors(open_page, address, scheme):
    page = open_page(f"{address}/policies.html", scheme=scheme)
    for selector in ("article p", "article p a", "article td", "article p code"):
        contrast, paper = page.evaluate(CONTRAST, [selector])
        assert contrast >= 4.5, selector
        assert (paper < 0.2) == (scheme == "dark")


def test_a_reader_chooses_the_colors(open_page, address):
    page = open_page(f"{address}/index.html", scheme="light")
    schemes = []
    for _ in range(3):
        page.locator("label.md-header__button[for^=__palette]:visible").click()
        page.wait_for_timeout(100)
        schemes.append(page.locator("body").get_attribute("data-md-color-scheme"))
    # Light ones, dark ones, those of the system.
    assert schemes == ["default", "slate", "default"]
    page.locator("label.md-header__button[for^=__palette]:visible").click()
    page.locator("label.md-header__button[for^=__palette]:visible").click()
    page.reload()
    assert page.locator("body").get_attribute("data-md-color-scheme") == "slate"


@pytest.mark.parametrize("start", ["served", "from disk"])
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("distillation", "recipes.html"),
        ("sample_weights", "api.html#keras_mixup.sampling.sample_weights"),
    ],
)
def test_the_search_finds(open_page, address, folder, start, words, found):
    page = open_page(f"{address if start == 'served' else folder.as_uri()}/index.html")
    page.locator("input[name=query]").press_sequentially(words)
    page.locator(".md-search-result__item a").first.wait_for()
    hits = page.locator(".md-search-result__item a").all()
    # "api.html?h=word#anchor"
    paths = [one.get_attribute("href").rpartition("/")[2] for one in hits]
    assert found in [re.sub(r"\?[^#]*", "", path) for path in paths]


# By title of a section: its signature, the items of its lists, the link to its code.
SECTIONS = """
() => Object.fromEntries([...document.querySelectorAll("article h3")].map((title) => {
  const part = title.parentElement;
  return [title.textContent.replace("\u00b6", "").trim(), [
    part.querySelector(".doc-signature")?.textContent,
    part.querySelectorAll(".doc-section-item").length,
    part.querySelector(".source a")?.getAttribute("href"),
  ]];
}))
"""


def test_the_api_has_a_section_with_types_and_source_for_each_name(open_page, address):
    sections = open_page(f"{address}/api.html").evaluate(SECTIONS)
    names = set(keras_mixup.__all__) - {"__version__"}
    assert len(names) > 20
    for name in names:
        value = getattr(keras_mixup, name)
        if inspect.ismodule(value):
            continue
        signature, items, link = sections[f"keras_mixup.{name}"]
        if name in ("MixedBatch", "Step"):
            # These have attributes, whose types are in a list.
            assert items == len(value.__annotations__)
        else:
            assert all(f"{one}:" in signature for one in hinted(value)), name
        file, line = re.fullmatch(
            r"source/(.*)\.html#__codelineno-0-(\d+)", link
        ).groups()
        assert file == value.__module__.replace(".", "/")
        code = (ROOT / f"{file}.py").read_text().splitlines()
        kind = "class" if inspect.isclass(value) else "def"
        assert re.match(rf"@|{kind} {name}\b", code[int(line) - 1]), name


def hinted(value):
    """The arguments of a function, or of what makes an object."""
    function = value.__init__ if inspect.isclass(value) else value
    return set(inspect.get_annotations(function)) - {"return"}


def test_a_link_to_code_leads_to_its_line(open_page, address):
    page = open_page(f"{address}/api.html")
    page.locator(".source a", has_text="keras_mixup/mixup.py").click()
    page.wait_for_url("**/source/keras_mixup/mixup.html#*")
    anchor = page.url.partition("#")[2]
    assert (
        "register_keras_serializable"
        in page.locator(f"#{anchor}").locator("xpath=..").inner_text()
    )
    assert page.evaluate("document.scrollingElement.scrollWidth") <= DESK
