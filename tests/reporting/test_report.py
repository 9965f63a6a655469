"""The HTML page: self-contained, escaped, and rendered correctly by a real browser."""

import html.parser
import json
import re
import shutil
import subprocess

import pytest

from resnet_keras.errors import UserError
from resnet_keras.reporting.gallery import GalleryItem, draw_figures, write_tables
from resnet_keras.reporting.report import write_report
from resnet_keras.runs.run import find_runs
from tests.made_up_runs import make_run

# Chromium needs these flags as root in a container, and to stay off the network.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    for arch in ("plain20", "resnet20", "resnet56"):
        make_run(folder / "runs", arch)
    make_run(folder / "runs", "plain56", fraction_done=0.5, name="<b>&$x$")
    config = folder / "runs/plain20-seed0-x0.1/config.json"
    later = {"step": 3000, "device": "Another <one>", "git_commit": "abc", "versions": {}}
    config.write_text(json.dumps({**json.loads(config.read_text()), "continued": [later]}))
    runs, _ = find_runs(folder / "runs")
    figures = draw_figures(runs, folder / "results")
    tables = write_tables(runs, folder / "results")
    return write_report(folder / "results" / "report.html", runs, figures, tables, ["left <out>"])


class Parser(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.resources, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.resources += [value for name, value in attributes if name in ("src", "href", "srcset")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(page):
    parser = Parser()
    parser.feed(page.read_text(encoding="utf-8"))
    assert parser.open == []
    return parser


def test_the_page_has_no_external_resources(page):
    parser = parsed(page)
    assert parser.resources
    assert all(value.startswith("data:image/png;base64,") for value in parser.resources)
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import|<script|<link", text)
    assert 'name="viewport"' in text


def test_the_page_describes_each_run(page):
    text = page.read_text(encoding="utf-8")
    assert "4 runs, of which 3 are complete" in text
    assert "Made-up Processor &lt;TM&gt;" in text
    assert "python -m resnet_keras train --arch resnet56" in text
    assert "3,200 of 6,400" in text
    assert "21 min for 6,400 steps of 128 images" in text
    assert "left &lt;out&gt;" in text
    assert text.count("after step 3000 on Another &lt;one&gt;, commit abc") == 1


def test_the_error_for_an_incomplete_figure_names_it(tmp_path):
    cut = tmp_path / "fig7.png"
    cut.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(UserError, match=r"fig7\.png: it is not a complete"):
        write_report(tmp_path / "r.html", [], [GalleryItem(cut, "cut", ())], [])


def test_names_are_escaped(page):
    text = page.read_text(encoding="utf-8")
    assert "<b>&$" not in text
    assert "&lt;b&gt;&amp;$x$" in text
    assert "b" not in parsed(page).tags


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 500])
def test_a_browser_renders_the_page(page, tmp_path, width):
    browser = shutil.which("chromium")
    if not browser:
        pytest.skip("no chromium on PATH; apt-get install chromium")
    base = [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]
    shot = tmp_path / "shot.png"
    subprocess.run(
        [*base, f"--window-size={width},1600", f"--screenshot={shot}", page.as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    import matplotlib.image

    screenshot = matplotlib.image.imread(shot)
    assert screenshot.shape[1] == width
    # A white page, dark text, and the colors of the curves.
    assert (screenshot[..., :3].min(axis=-1) > 0.98).mean() > 0.5
    assert (screenshot[..., :3].max(axis=-1) < 0.4).mean() > 0.005
    spread = screenshot[..., :3].max(axis=-1) - screenshot[..., :3].min(axis=-1)
    assert (spread > 0.4).sum() > 500
    # Nothing is wider than the page; wide elements scroll in their own boxes.
    probe = tmp_path / "probe.html"
    script = (
        "<script>document.title = 'wide:' + (document.documentElement.scrollWidth"
        " <= document.documentElement.clientWidth) + ' images:' + [...document.images]"
        ".every(i => i.complete && i.naturalWidth > 100)</script></body>"
    )
    probe.write_text(page.read_text(encoding="utf-8").replace("</body>", script))
    done = subprocess.run(
        [*base, f"--window-size={width},1600", "--dump-dom", probe.as_uri()],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "wide:true images:true" in done.stdout
