"""The page of all that was found: commands, escaping, what a browser makes of it."""

import dataclasses
import functools
import html.parser
import http.server
import json
import re
import shutil
import subprocess
import threading
import types

import pytest

from experiments.__main__ import main
from experiments.report import (
    captions,
    claims,
    commands,
    report_page,
    result_file,
)
from experiments.report.report_page import Markup
from experiments.settings import Settings, field


@pytest.mark.parametrize(
    ("role", "whole"),
    [
        *((role, True) for role in ("plan", "place", "compute")),
        *((role, False) for role in ("setting", "analysis", None)),
    ],
)
def test_a_result_is_whole_unless_what_its_runs_are_was_changed(
    monkeypatch, role, whole
):
    says = field(1, role)
    settings = dataclasses.make_dataclass(
        "Settings", [("any", int, says)], bases=(Settings,), frozen=True
    )
    experiment = types.SimpleNamespace(settings=settings, presets={"cpu": {}})
    monkeypatch.setattr(commands.catalog, "load", lambda name: experiment)
    made = {"experiment": "made", "preset": "cpu"}
    assert commands.is_whole({**made, "settings": {"any": 1}})
    assert commands.is_whole({**made, "settings": {"any": 2}}) is whole


def test_a_command_has_the_flags_that_its_preset_does_not_give():
    made = {
        "experiment": "figure5_gan",
        "preset": "paper",
        "settings": {
            **{"preset": "paper", "publish": True, "run_dir": "runs", "seeds": [0]},
            **{"further_alphas": [], "data_sets": ["ring", "grid"], "width": 512},
            **{"jit_compile": False, "no_flag_of_today": 3, "data_dir": "my data"},
        },
    }
    assert commands.typed(made) == (
        "python -m experiments figure5_gan --preset paper --seeds 0 --further_alphas "
        "--nojit_compile --data_dir 'my data'"
    )


class Parsed(html.parser.HTMLParser):
    """Anchors, links and pictures of a page; whether its tags are balanced."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.pictures = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        self.pictures += [given] if tag == "img" else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    output = tmp_path_factory.mktemp("report") / "page.html"
    assert main(["report", "--output", str(output)]) == 0
    return output


def test_the_page_is_one_file_and_needs_no_network(written):
    text = written.read_text()
    parsed = Parsed(text)
    assert parsed.open == []
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert all(link[0] == "#" and link[1:] in parsed.ids for link in parsed.links)
    published = list(result_file.RESULTS.glob("*/*.png"))
    assert len(parsed.pictures) == len(published)
    assert {f"{path.parent.name}/{path.stem}" for path in published} == set(
        captions.CAPTIONS
    )
    for picture in parsed.pictures:
        assert picture["src"].startswith("data:image/png;base64,")
        assert picture["alt"]
    outside = re.findall(r'(?:src|href)="(?!data:|#)[^"]*|url\(|@import|fetch\(', text)
    assert outside == []
    for claim in claims.CLAIMS:
        assert report_page.anchor_of(claim.experiment) in parsed.ids
        assert f"python -m experiments {claim.experiment}" in text


def test_without_results_everything_is_not_run(tmp_path):
    output = tmp_path / "page.html"
    flags = ["--output", str(output), "--results", str(tmp_path)]
    assert main(["report", *flags]) == 0
    text = output.read_text()
    assert text.count("Verdict: not run.") == len(claims.CLAIMS)


def test_a_further_preset_has_its_tables_and_the_fullest_the_pictures(tmp_path):
    folder = tmp_path / "results" / "dcgan"
    shutil.copytree(result_file.RESULTS / "dcgan", folder)
    result = result_file.read(folder / "cpu.json")
    result_file.write(folder / "paper.json", {**result, "preset": "paper"})
    output = tmp_path / "page.html"
    flags = ["--output", str(output), "--results", str(folder.parent)]
    assert main(["report", *flags]) == 0
    text = output.read_text()
    titles = re.findall("Beyond the paper: ([^<]*)", text)
    assert titles == ["DCGAN, preset paper", "DCGAN, preset cpu"]
    assert {"dcgan", "dcgan-cpu"} < set(Parsed(text).ids)
    assert len(Parsed(text).pictures) == 1
    first, second = re.split("Beyond the paper: DCGAN, preset ", text)[1:]
    assert "<img" in first
    for part in (first, second):
        assert ">DCGAN, table 1<" in part
    result_file.write(folder / "cpu.json", {**result, "schema": 0})
    assert main(["report", *flags]) == 2


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"schema": 1, "runs": 3}'])
def test_a_damaged_result_is_named_and_the_page_before_stays(tmp_path, content, capsys):
    (tmp_path / "figure3_cifar").mkdir()
    (tmp_path / "figure3_cifar" / "cpu.json").write_text(content)
    output = tmp_path / "page.html"
    output.write_text("before")
    flags = ["--output", str(output), "--results", str(tmp_path)]
    assert main(["report", *flags]) == 2
    assert "figure3_cifar/cpu.json" in capsys.readouterr().err
    assert output.read_text() == "before"


@pytest.mark.parametrize(
    "changed",
    [{"experiment": "mine"}, {"preset": "laptop"}, {"experiment": 3}, {"settings": []}],
)
def test_a_result_of_what_is_not_listed_is_named(tmp_path, changed, capsys):
    whole = result_file.read(result_file.RESULTS / "quickstart" / "cpu.json")
    result_file.write(tmp_path / "mine" / "cpu.json", {**whole, **changed})
    flags = ["--output", str(tmp_path / "page.html"), "--results", str(tmp_path)]
    assert main(["report", *flags]) == 2
    assert "mine/cpu.json" in capsys.readouterr().err
    result_file.write(tmp_path / "mine" / "cpu.json", whole)
    assert main(["report", *flags]) == 0


def test_a_folder_of_results_that_does_not_exist_is_named(tmp_path, capsys):
    output = tmp_path / "page.html"
    with pytest.raises(SystemExit) as end:
        main(["report", "--output", str(output), "--results", str(tmp_path / "none")])
    assert end.value.code == 2
    assert "no such folder" in capsys.readouterr().err
    assert not output.exists()


def test_text_is_escaped():
    hostile = '<script>alert("x")</script>&'
    escaped = "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;"
    assert report_page.text(hostile) == escaped
    assert report_page.text(Markup("<b>")) == "<b>"
    for made in (
        report_page.table(hostile, [hostile], [[hostile]]),
        report_page.heading(hostile),
        report_page.paragraph(hostile),
        report_page.command(hostile),
        report_page.link(hostile),
        report_page.page(hostile, []),
        report_page.from_markdown(hostile, f"| {hostile} |\n|---|\n| {hostile} |"),
    ):
        assert "<script>alert" not in made
        assert "&lt;script&gt;alert" in made


def test_a_markdown_table_becomes_one_of_the_page():
    markdown = "| A | B |\n|---|---:|\n| [x](y.md) | **1.5** |\n| `z` |  |"
    made = report_page.from_markdown("of letters", markdown)
    assert re.findall("<th [^>]*>([^<]*)", made) == ["A", "B"]
    assert re.findall("<td[^>]*>([^<]*)", made) == ["x", "1.5", "z", ""]


CHECK = """
<!DOCTYPE html><link rel="icon" href="data:,"><body>
<iframe src="page.html" width="WIDTH" height="800"></iframe><pre id="found"></pre>
<script>
document.querySelector("iframe").addEventListener("load", (event) => {
  const page = event.target.contentDocument;
  const images = [...page.images];
  const table = page.querySelector("table.sortable");
  // What is written with separators is sorted as a number too.
  const separated = [...page.querySelectorAll("table.sortable")].find((other) =>
    [...other.tHead.rows[0].cells].some((head) => head.textContent === "Batch"));
  const batches = () =>
    [...separated.tBodies[0].rows].map((r) => r.cells[0].textContent);
  separated.tHead.rows[0].cells[0].querySelector("button").click();
  const column = () => [...table.tBodies[0].rows].map((r) => r.cells[5].textContent);
  const button = table.tHead.rows[0].cells[5].querySelector("button");
  button.focus();
  const focused = page.activeElement === button;
  button.click();
  const up = column();
  button.click();
  const down = column();
  const found = {
    width: page.documentElement.clientWidth,
    scroll: page.documentElement.scrollWidth,
    images: images.length,
    loaded: images.filter((image) => image.naturalWidth > 0).length,
    buttons: page.querySelectorAll("th button").length,
    heads: page.querySelectorAll("th").length,
    sorted: table.tHead.rows[0].cells[5].getAttribute("aria-sort"),
    focused, up, down, batches: batches(),
    missing: [...page.querySelectorAll("a")].filter(
      (a) => !page.querySelector(a.getAttribute("href"))).length,
  };
  document.getElementById("found").textContent = JSON.stringify(found);
});
</script>
"""


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1200, False)])
def test_a_browser_shows_it(written, tmp_path, width, dark):
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("Needs Chromium (Debian's package `chromium`).")
    (written.parent / "check.html").write_text(CHECK.replace("WIDTH", str(width)))
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(written.parent)
    )
    handler.log_message = None
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        answer = subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu"),
                *("--no-first-run", "--disable-background-networking"),
                *("--disable-component-update", "--disable-sync", "--disable-quic"),
                *("--enable-logging=stderr", f"--user-data-dir={tmp_path}"),
                *(["--force-dark-mode"] if dark else []),
                *("--window-size=1400,900", "--virtual-time-budget=20000"),
                *("--dump-dom", f"http://localhost:{server.server_port}/check.html"),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    finally:
        server.shutdown()
    console = [line for line in answer.stderr.splitlines() if "CONSOLE" in line]
    assert console == []
    text = re.search('<pre id="found">(.*?)</pre>', answer.stdout, re.DOTALL)[1]
    found = json.loads(html.unescape(text))
    assert found["scroll"] <= found["width"] <= width
    assert found["images"] == found["loaded"] > 10
    assert found["buttons"] == found["heads"] > 20
    assert found["missing"] == 0
    assert found["focused"]
    seeds = sorted(map(int, found["up"]))
    assert list(map(int, found["up"])) == seeds
    assert list(map(int, found["down"])) == seeds[::-1]
    assert found["sorted"] == "descending"
    batches = [int(batch.replace(",", "")) for batch in found["batches"]]
    assert batches == sorted(batches)
    assert batches[-1] >= 1024
