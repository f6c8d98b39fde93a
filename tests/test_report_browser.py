"""The report in a real browser: it opens without errors or requests, filters count, pages open and print."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, StubAnalyzer
from test_report import EVIL, make_history, page_of

from analyzer import NoteAnalyzer
from analyzer.display import quoted, safe_text
from analyzer.history import History, read_history
from analyzer.milestones import load_plan
from analyzer.opportunities import Stage
from analyzer.progress import Page, Progress, track
from analyzer.records import Outcome
from analyzer.report import report_html
from analyzer.visits import Visit

webdriver = pytest.importorskip("selenium.webdriver")

EXAMPLE = ROOT / "data" / "examples" / "跟进记录_三个月.csv"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def find_program(*names: str) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    program = find_program("chromium", "chromium-browser", "google-chrome")
    driver = find_program("chromedriver", "chromium.chromedriver")
    if not program or not driver:
        reason = "no Chromium with its driver; on Debian: apt-get install chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    running.set_page_load_timeout(60)
    running.set_script_timeout(30)
    yield running
    running.quit()


class Report:
    """A report in the browser."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.browser = browser
        self.address = path.as_uri()

    def open(self, width: int = 1280, height: int = 900, fragment: str = "") -> Report:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.browser.get("about:blank")
        for kind in ("browser", "performance"):
            self.browser.get_log(kind)
        self.browser.get(self.address + fragment)
        self.wait("return document.documentElement.dataset.ready === 'yes'")
        return self

    def run(self, script: str, *arguments: object) -> Any:
        return self.browser.execute_script(script, *arguments)

    def wait(self, script: str, *arguments: object) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, 30, poll_frequency=0.05).until(lambda _: self.run(script, *arguments))

    def text(self, selector: str) -> str:
        found: str = self.run("return document.querySelector(arguments[0]).innerText", selector)
        return found

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].map((node) => node.textContent)", selector
        )
        return found

    def tiles(self) -> dict[str, str]:
        names = ("visits", "success", "advance", "open", "drift", "concerns")
        return {name: self.text(f"#tile-{name} b") for name in names}

    def choose(self, field: str, value: str) -> None:
        """Set a filter as a user does and wait until the page has followed."""
        self.run(
            """
            document.querySelector("#overview h2").dataset.before = "yes";
            const field = document.getElementById(arguments[0]);
            field.value = arguments[1];
            field.dispatchEvent(new Event("input", { bubbles: true }));
            """,
            field,
            value,
        )
        self.wait("return !document.querySelector('#overview h2').dataset.before")

    def choose_named(self, field: str, name: str) -> None:
        value = self.run(
            "return [...document.getElementById(arguments[0]).options].find((one) => one.text === arguments[1]).value",
            field,
            name,
        )
        self.choose(field, value)

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def requests(self) -> list[str]:
        messages = (json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance"))
        sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        return [address for address in sent if not address.startswith("data:")]  # the browser's own icons

    def pdf_pages(self) -> int:
        options = {"preferCSSPageSize": True, "printBackground": True}
        data = base64.b64decode(self.browser.execute_cdp_cmd("Page.printToPDF", options)["data"])
        return len(re.findall(rb"/Type\s*/Page\b", data))


@pytest.fixture(scope="module")
def history(shipped: NoteAnalyzer) -> History:
    return read_history(EXAMPLE, shipped)


@pytest.fixture(scope="module")
def progress(history: History) -> Progress:
    return track(history.visits, load_plan())


@pytest.fixture(scope="module")
def built(history: History, progress: Progress, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "报告 1.html"
    path.write_text(report_html(history, progress), encoding="utf-8")
    return path


@pytest.fixture
def report(browser: Any, built: Path) -> Report:
    return Report(browser, built).open()


def numbers(visits: list[Visit], pages: list[Page]) -> dict[str, str]:
    """What the tiles must show, counted by Python."""
    outcomes = [visit.outcome for visit in visits if visit.outcome]
    successes, advances = sum(one.success for one in outcomes), outcomes.count(Outcome.ADVANCE)
    return {
        "visits": str(len(outcomes)),
        "success": share(successes, len(outcomes)),
        "advance": share(advances, len(outcomes)),
        "open": str(sum(page.state.stage is Stage.OPEN for page in pages)),
        "drift": str(sum(bool(page.state.drift) for page in pages)),
        "concerns": str(sum(len(page.state.checklist.open) for page in pages)),
    }


def share(part: int, whole: int) -> str:
    return f"{int(100 * part / whole + 0.5)}%" if whole else "–"


def filtered(history: History, progress: Progress, keep: Callable[[Visit], bool]) -> dict[str, str]:
    visits = [visit for visit in history.visits if keep(visit)]
    rows = {visit.row for visit in visits}
    pages = [page for page in progress.pages if any(visit.row in rows for visit in page.opportunity.visits)]
    return numbers(visits, pages)


def test_it_opens_without_errors_or_requests(report: Report) -> None:
    report.run("document.querySelector('#opportunities .link').click()")
    report.wait("return !document.getElementById('page').hidden")
    assert report.errors() == []
    assert {address.split("?")[0] for address in report.requests()} == {report.address}


def test_the_overview_counts_as_python_does(report: Report, history: History, progress: Progress) -> None:
    assert report.tiles() == filtered(history, progress, lambda _: True)
    assert report.text("#opportunity-count") == str(len(progress.pages)) == "40"
    bars = report.run("return document.querySelectorAll('#overview rect').length")
    assert bars > 13
    titles = report.texts("#overview rect title")
    dated = [visit for visit in history.visits if visit.date and visit.outcome]
    assert sum(int(title.split()[-1]) for title in titles) == len(dated)


@pytest.mark.parametrize("team", ["华东一部", "华南部"])
def test_the_team_filter_changes_the_numbers(team: str, report: Report, history: History, progress: Progress) -> None:
    before = report.tiles()
    report.choose_named("team", team)
    assert report.tiles() == filtered(history, progress, lambda visit: visit.team == team)
    assert report.tiles() != before
    people = {visit.salesperson for visit in history.visits if visit.team == team}
    assert set(report.texts("#people .card:first-child td:nth-child(2)")) == people
    report.run("document.getElementById('reset').click()")
    report.wait("return document.getElementById('filter-count').hidden")
    assert report.tiles() == before


def test_dates_person_and_stage_filter_together(report: Report, history: History, progress: Progress) -> None:
    report.choose("from", "2026-09-01")
    report.choose("to", "2026-09-30")
    expected = filtered(history, progress, lambda visit: bool(visit.date and visit.date.month == 9))
    assert report.tiles() == expected
    report.choose_named("person", "吴倩")
    expected = filtered(
        history, progress, lambda visit: bool(visit.date and visit.date.month == 9 and visit.salesperson == "吴倩")
    )
    assert report.tiles() == expected
    report.run("document.getElementById('reset').click()")
    report.wait("return document.getElementById('filter-count').hidden")
    report.choose("stage", "drifting")
    drifting = {v.row for page in progress.pages if page.state.drift for v in page.opportunity.visits}
    assert report.tiles() == filtered(history, progress, lambda visit: visit.row in drifting)


def test_search_finds_words_of_notes_and_names(report: Report, history: History) -> None:
    report.choose("search", "内窥镜")
    expected = [visit.row for visit in history.visits if "内窥镜" in visit.note]
    assert len(expected) >= 2
    assert report.text("#note-count") == f"{len(expected)} 条"
    assert report.texts("#notes mark") == ["内窥镜"] * sum(v.note.count("内窥镜") for v in history.visits)
    report.choose("search", "TÜV")
    assert report.text("#note-count") == f"{sum('TÜV' in visit.note for visit in history.visits)} 条"
    report.choose("search", "沪光")
    assert report.text("#note-count") == f"{sum('沪光' in visit.customer + visit.note for visit in history.visits)} 条"
    report.choose("search", "没有这样的字")
    assert report.text("#note-count") == "0 条"
    assert report.tiles()["success"] == "–"


def test_an_opportunity_opens_with_its_timeline_and_goes_back(report: Report, progress: Progress) -> None:
    name = "宁波海泰注塑有限公司 · 注塑车间空压机节能改造"
    page = next(page for page in progress.pages if page.opportunity.title == name)
    report.run(
        "[...document.querySelectorAll('#opportunities .link')].find((one) => one.innerText === arguments[0]).click()",
        name,
    )
    report.wait("return !document.getElementById('page').hidden")
    assert report.run("return document.getElementById('main').hidden") is True
    assert report.text("#page h1") == name
    assert report.texts("#page .timeline .note") == [visit.note for visit in reversed(page.opportunity.visits)]
    assert len(report.texts("#page .track li")) == 9
    report.run("document.getElementById('back').click()")
    report.wait("return document.getElementById('page').hidden")
    assert report.text("#opportunity-count") == "40"


def test_every_page_agrees_with_the_checklist(report: Report, progress: Progress) -> None:
    for index, page in enumerate(progress.pages):
        report.run("location.hash = `o${arguments[0]}`", index)
        report.wait("return document.querySelector(`#page [data-opportunity='${arguments[0]}']`) !== null", index)
        checklist = page.state.checklist
        for kind, points in (("open", checklist.open), ("done", checklist.answered)):
            shown = report.texts(f"#page .points li.{kind} > .q")
            assert shown == [quoted(point.quote.text) for point in points]
        assert len(report.texts("#page .benefits tbody tr")) == len(page.benefits)
        reached = [quoted(one.quote.text) for one in page.state.milestones if one.quote]
        assert report.texts("#page .track .reached .q") == reached
        asked = [proposal.ask for proposal in page.proposals]
        assert report.texts("#page .ask .head") == asked


def test_every_sentence_is_traced_to_its_note(report: Report, history: History, progress: Progress) -> None:
    seen = 0
    for index in range(len(progress.pages)):
        report.run("location.hash = `o${arguments[0]}`", index)
        report.wait("return document.querySelector(`#page [data-opportunity='${arguments[0]}']`) !== null", index)
        for place, text in report.run(
            "return [...document.querySelectorAll('#page .q')].map((node) => [node.dataset.at, node.textContent])"
        ):
            visit, start, end = map(int, place.split(","))
            assert text == quoted(history.visits[visit].note[start:end])
            seen += 1
    assert seen > 200


def test_evidence_is_marked_in_the_notes(report: Report, history: History) -> None:
    shown = report.run(
        """
        return [...document.querySelectorAll("#notes .note[data-visit]")].slice(0, 40).map((note) => [
          Number(note.dataset.visit), note.textContent,
          [...note.querySelectorAll(".e")].map((node) => node.textContent).join(""),
        ])
        """
    )
    assert len(shown) == 40
    for index, text, evidence in shown:
        visit = history.visits[index]
        assert text == visit.note
        assert visit.analysis
        assert evidence == "".join(span.text for span in visit.analysis.evidence)


def test_one_page_a_customer_in_print(report: Report, progress: Progress) -> None:
    customers = {page.opportunity.customer for page in progress.pages}
    assert len(customers) == 39
    assert report.pdf_pages() == len(customers)
    report.choose_named("person", "周敏")
    mine = {
        p.opportunity.customer for p in progress.pages if any(v.salesperson == "周敏" for v in p.opportunity.visits)
    }
    assert report.pdf_pages() == len(mine) < len(customers)
    report.run("location.hash = 'o1'")
    report.wait("return !document.getElementById('page').hidden")
    assert report.pdf_pages() == 1


def test_the_printed_page_shows_the_customer_alone(report: Report, progress: Progress) -> None:
    report.run("location.hash = 'o1'; window.dispatchEvent(new Event('beforeprint'))")
    report.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert report.run("return getComputedStyle(document.getElementById('report')).display") == "none"
        assert report.text("#paper h1") == progress.pages[1].opportunity.title
        width = report.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0
    finally:
        report.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_a_phone(browser: Any, built: Path) -> None:
    report = Report(browser, built).open(390, 844)
    assert report.run("return document.documentElement.scrollWidth") <= 390
    assert report.run("return document.getElementById('more-filters').open") is False
    report.run("document.querySelector('#more-filters summary').click()")
    report.choose_named("team", "华南部")
    assert report.text("#filter-count") == "1"
    report.run("location.hash = 'o2'")
    report.wait("return !document.getElementById('page').hidden")
    assert report.run("return document.documentElement.scrollWidth") <= 390
    assert report.errors() == []


def test_few_visits_are_not_ranked(browser: Any, tmp_path: Path) -> None:
    rows = [f"客户同意看演示,甲,客户{n}" for n in range(9)] + [f"没有进展,乙,客户{n}" for n in range(10)]
    source = tmp_path / "a.csv"
    source.write_text("跟进记录,业务员,客户名称\n" + "\n".join(rows), encoding="utf-8")
    history = read_history(source, StubAnalyzer())
    path = tmp_path / "a.html"
    path.write_text(page_of(history, "en"), encoding="utf-8")
    report = Report(browser, path).open()
    cells = report.texts("#people .card:first-child tbody tr:not(.divider) td")
    assert [cells[:4], cells[6:10]] == [["1", "乙", "10", "0%"], ["–", "甲", "9", "100%"]]
    assert "not ranked" in report.text("#people")
    assert report.text("h1") == "Visit report"


def test_hostile_notes_stay_text(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text(page_of(make_history(EVIL, tmp_path, customer=EVIL[0])), encoding="utf-8")
    report = Report(browser, path).open()
    report.run("document.querySelector('#opportunities .link').click()")
    report.wait("return !document.getElementById('page').hidden")
    assert report.texts("#page .timeline .note") == [safe_text(note) for note in reversed(EVIL)]
    assert report.text("#page h1") == EVIL[0]
    assert (
        report.run("return document.querySelectorAll('img, iframe, object, svg [onload], #report script').length") == 0
    )
    assert report.run("return document.querySelector('#page h1').getBoundingClientRect().height") > 0
    report.run("location.hash = ''")
    report.wait("return document.getElementById('page').hidden")
    report.choose("search", "</script><script>")
    assert "".join(report.texts("#notes mark")) == "</script><script>"
    assert report.errors() == []


def test_a_packed_report_opens(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.report._PACK_FROM", 0)
    path = tmp_path / "a.html"
    path.write_text(page_of(make_history(EVIL, tmp_path)), encoding="utf-8")
    assert "客户同意" not in path.read_text(encoding="utf-8")
    report = Report(browser, path).open()
    assert report.tiles()["visits"] == str(len(EVIL))
    assert report.errors() == []
