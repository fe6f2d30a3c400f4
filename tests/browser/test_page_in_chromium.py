"""The page in a real browser: at several widths, in light and dark mode, with hostile names."""

import html
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bookreport.calendars import UTC_CALENDAR, Unit
from bookreport.hours import Hour, Span
from bookreport.present import page
from bookreport.reports import Buyers, Point, Report, Sale
from unit.test_page import COMPLETE, REPORT, all_hostile

pytestmark = pytest.mark.browser

WIDTHS = (320, 360, 768, 1024)
MEASURE = """
<!DOCTYPE html><meta charset="utf-8"><body><pre id="measured"></pre>FRAMES<script>
const widen = (page) => {
  // The reader's font may be wider than any that is here: letters as wide as Verdana's, and some more.
  const texts = [...page.querySelectorAll("svg text")], probe = texts[0].cloneNode();
  probe.textContent = "0".repeat(100);
  probe.style.fontSize = "12px";
  texts[0].after(probe);
  const wider = 0.66 * 1200 / probe.getComputedTextLength();
  probe.remove();
  for (const text of texts) text.style.fontSize = `${12 * wider}px`;
  return texts;
};
const isCut = (text) => {
  const box = text.getBoundingClientRect(), frame = text.closest("svg").getBoundingClientRect();
  return box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom;
};
const measure = (frame) => {
  const page = frame.contentDocument, root = page.documentElement, visible = [...page.querySelectorAll("body *")];
  return {
    width: frame.clientWidth,
    overflow: root.scrollWidth - frame.clientWidth,
    title: page.title,
    scripts: [...page.scripts].filter((script) => script.type !== "application/json").length,
    images: page.images.length,
    fetched: frame.contentWindow.performance.getEntriesByType("resource").map((entry) => entry.name),
    numbers: [...page.querySelectorAll(".number")].map((element) => element.innerText),
    total: [...page.querySelectorAll("tfoot th, tfoot td")].slice(0, 3).map((element) => element.innerText),
    hidden: visible.filter((element) => element.matches(".number, .banner, td, th, figcaption, svg")
      && !element.closest("details") && !element.getBoundingClientRect().height).length,
    ground: getComputedStyle(page.body).backgroundColor,
    document: JSON.parse(page.getElementById("report").textContent),
    cut: widen(page).filter(isCut).map((text) => text.textContent),
  };
};
addEventListener("load", () => {
  document.getElementById("measured").textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(measure));
});
</script>
"""


@dataclass
class Site:
    """A folder served over HTTP, and every path requested, of whatever host."""

    folder: Path
    port: int = 0
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            # The server is also the browser's proxy, so a path may be a whole URL.
            self.path = re.sub(r"^http://[^/]*", "", self.path)
            super().do_GET()

        def do_CONNECT(self) -> None:
            made.asked.append(self.path)
            self.send_error(403)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as server:
        made.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def chromium(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs headless Chromium with the site as its proxy, so that nothing leaves this machine."""

    def run(*arguments: str) -> str:
        program = shutil.which("chromium")
        assert program, "Chromium is not installed; on Debian: apt-get install chromium"
        profile = tmp_path_factory.mktemp("profile")
        quiet = ("quic", "background-networking", "component-update", "sync", "gpu", "extensions", "default-apps")
        flags = [f"--disable-{each}" for each in quiet]
        proxy = (f"--proxy-server=http://127.0.0.1:{site.port}", "--proxy-bypass-list=<-loopback>")
        ran = subprocess.run(
            [program, "--headless", "--no-sandbox", "--no-first-run", *flags, *proxy, f"--user-data-dir={profile}", *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
            timeout=120,
        )
        return ran.stdout

    return run


@pytest.fixture
def measure(site: Site, chromium: Callable[..., str]) -> Callable[..., list[dict[str, Any]]]:
    """Renders a page in a frame of each width, and returns what a reader would see."""

    def show(report: Report, *flags: str) -> list[dict[str, Any]]:
        (site.folder / "report.html").write_text(page.report_page(report), encoding="utf-8")
        frames = "".join(
            f'<iframe src="report.html" width="{width}" height="800" frameborder="0"></iframe>' for width in WIDTHS
        )
        (site.folder / "frames.html").write_text(MEASURE.replace("FRAMES", frames), encoding="utf-8")
        shown = chromium(*flags, "--dump-dom", f"http://127.0.0.1:{site.port}/frames.html")
        found = re.search(r'<pre id="measured">(.+?)</pre>', shown, re.DOTALL)
        assert found
        measured: list[dict[str, Any]] = json.loads(html.unescape(found[1]))
        return measured

    return show


def much() -> Report:
    """Thirty formats in twelve languages, with long sums."""
    sales = [Sale(f"Format {one}", f"Language {other}", 10**9, Decimal(10**12)) for one in range(30) for other in range(12)]
    return replace(REPORT, sales=tuple(sales))


def by_month() -> Report:
    """Three years in which much was sold: the wider labels are those of one axis on one chart, of the other on the next."""
    since = Hour.parse("2024-05-01T00")
    span = Span(since, since + 24 * 365 * 3)
    points = [
        Point(step, len(step.span), len(step.span), 1, Decimal(10**9 * number), Buyers("Spanish", number % 3, 10))
        for number, step in enumerate(UTC_CALENDAR.steps(span, Unit.MONTH))
    ]
    return replace(REPORT, span=span, by=Unit.MONTH, series=tuple(points))


@pytest.mark.parametrize(
    "report",
    [REPORT, COMPLETE, all_hostile(), much(), by_month()],
    ids=["gap", "complete", "hostile", "much", "months"],
)
def test_nothing_runs_nothing_is_fetched_nothing_overflows(
    report: Report, site: Site, measure: Callable[..., list[dict[str, Any]]]
) -> None:
    shown = measure(report)
    assert [each["width"] for each in shown] == list(WIDTHS)
    for each in shown:
        assert each["overflow"] <= 0
        assert each["hidden"] == 0
        assert each["scripts"] == each["images"] == 0
        assert each["fetched"] == []
        assert each["cut"] == []
        assert each["title"].startswith("Book sales, Wednesday 1 May 2024")
    own = f"http://127.0.0.1:{site.port}/"
    assert {path for path in site.asked if path.startswith(own)} <= {
        f"{own}{name}" for name in ("frames.html", "report.html", "favicon.ico")
    }


def test_the_figures_that_are_seen_are_those_of_the_json(measure: Callable[..., list[dict[str, Any]]]) -> None:
    for each in measure(COMPLETE):
        told = each["document"]
        books, value = told["total"]["books_sold"], Decimal(told["total"]["sale_value"])
        assert each["numbers"] == [f"{books:,}", f"{value:,}", f"{told['buyers']['percent']}%"]
        assert each["total"] == ["Total", f"{books:,}", f"{value:,}"]


def test_the_page_is_light_or_dark_as_the_reader_likes(measure: Callable[..., list[dict[str, Any]]]) -> None:
    assert {each["ground"] for each in measure(REPORT)} == {"rgb(255, 255, 255)"}
    dark = measure(REPORT, "--blink-settings=preferredColorScheme=0")
    assert {each["ground"] for each in dark} == {"rgb(13, 17, 23)"}


def test_the_page_is_printed(site: Site, chromium: Callable[..., str]) -> None:
    (site.folder / "report.html").write_text(page.report_page(REPORT), encoding="utf-8")
    printed = site.folder / "report.pdf"
    chromium(f"--print-to-pdf={printed}", f"http://127.0.0.1:{site.port}/report.html")
    assert printed.read_bytes().startswith(b"%PDF-")
