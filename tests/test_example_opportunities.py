"""The example export of 40 opportunities: checklist, table and report agree, and every sentence stands in a note.

Nothing here depends on how the model judges a note, only on what is made of its findings.
"""

from __future__ import annotations

import csv
import html
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from analyzer import NoteAnalyzer
from analyzer.batch import score_file
from analyzer.benefits import GAP
from analyzer.checklist_forms import benefit_text, checklist_html, checklist_json, markdown, spoken_text
from analyzer.display import safe_text
from analyzer.history import History, read_history
from analyzer.milestones import MilestoneStatus, load_plan
from analyzer.progress import Progress, track
from analyzer.progress_table import COLUMNS, progress_json, progress_row, progress_sheets
from analyzer.report import report_data
from analyzer.results import one_line

EXAMPLE = ROOT / "data" / "examples" / "跟进记录_三个月.csv"


@pytest.fixture(scope="module")
def history(shipped: NoteAnalyzer) -> History:
    return read_history(EXAMPLE, shipped)


@pytest.fixture(scope="module")
def progress(history: History) -> Progress:
    return track(history.visits, load_plan())


def test_the_export_is_what_it_is_said_to_be() -> None:
    with EXAMPLE.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    opportunities = Counter((row["客户名称"], row["商机名称"]) for row in rows if row["客户名称"])
    dates = [row["拜访日期"] for row in rows if row["拜访日期"]]
    assert (len(rows), len(opportunities)) == (200, 40)
    assert (min(dates), max(dates)) == ("2026-08-03", "2026-10-30")
    assert len({row["销售人员"] for row in rows}) == 8
    assert {row["所属部门"] for row in rows} == {"华东一部", "华东二部", "华南部"}
    notes = [row["跟进内容"] for row in rows if row["跟进内容"]]
    assert len(set(notes)) == len(notes)
    assert len({row["记录编号"] for row in rows}) == len(rows)


def test_no_row_is_lost(history: History, progress: Progress) -> None:
    rows = [visit.row for page in progress.pages for visit in page.opportunity.visits]
    rows += [visit.row for visit in progress.unassigned]
    assert sorted(rows) == list(range(2, 202))
    assert {visit.problem for visit in progress.problems()} == {"没有日期", "没有客户和商机", "没有拜访内容"}


def test_every_quotation_is_cut_out_of_its_note(history: History, progress: Progress) -> None:
    notes = {visit.row: visit.note for visit in history.visits}
    seen = 0

    def check(value: Any) -> None:
        nonlocal seen
        if isinstance(value, dict):
            if {"row", "start", "end", "text"} <= set(value):
                assert notes[value["row"]][value["start"] : value["end"]] == value["text"]
                seen += 1
            for one in value.values():
                check(one)
        elif isinstance(value, list):
            for one in value:
                check(one)

    check(json.loads(progress_json(progress)))
    assert seen > 400


def test_every_sentence_of_the_checklist_stands_in_a_note_of_its_opportunity(progress: Progress) -> None:
    seen = 0
    for page in progress.pages:
        notes = [one_line(safe_text(visit.note)) for visit in page.opportunity.visits]
        web = html.unescape(re.sub("<style>.*?</style>|<[^>]+>", "", checklist_html([page]), flags=re.DOTALL))
        plain = re.sub(r"\\(.)", r"\1", markdown([page]))
        for text in (spoken_text(page), benefit_text(page), plain, web):
            for words in re.findall("「(.*?)」", text):
                assert any(words in note for note in notes)
                seen += 1
    assert seen > 500


def test_a_benefit_has_its_words_or_a_gap(progress: Progress) -> None:
    lines = [line for page in progress.pages for line in benefit_text(page).splitlines()[1:]]
    assert len(lines) == sum(len(page.state.checklist.answered) for page in progress.pages)
    for line in lines:
        match = re.fullmatch(r"  \d+\. 您关心「.+」；我们的答复：(.+)；给您带来的好处：(.+)", line)
        assert match
        assert all(part == GAP or part.startswith("「") for part in match.groups())


def test_checklist_table_and_report_agree(history: History, progress: Progress) -> None:
    data = report_data(history, progress)
    pages = json.loads(checklist_json(progress.pages))

    def cut(at: list[int]) -> str:
        return str(data["visits"][at[0]][8][at[1] : at[2]])

    for page, shown, listed in zip(progress.pages, data["opportunities"], pages, strict=True):
        row = dict(zip(COLUMNS, progress_row(page), strict=True))
        points = listed["checklist"]["points"]
        assert [(cut(one[3]), one[2]) for one in shown["points"]] == [
            (safe_text(one["quote"]["text"]), int(one["status"] == "open")) for one in points
        ]
        assert row["未答复"] == sum(one[2] for one in shown["points"]) == sum(one["status"] == "open" for one in points)
        assert row["连续中断"] == shown["streak"] == listed["streak"]
        assert row["距上次晋级（天）"] == shown["sinceAdvance"] == listed["days_since_advance"]
        following = data["milestones"][shown["next"]] if shown["next"] >= 0 else None
        assert row["下一里程碑"] == following
        assert [one[0] for one in shown["drift"]] == [one["kind"] for one in listed["drift"]]
        assert bool(row["停滞原因"]) == bool(shown["drift"])
        asked = [one["ask"] for one in listed["next_commitments"]]
        assert [one[0] for one in shown["proposals"]] == [safe_text(ask) for ask in asked]
        assert row["下一个承诺（建议）"] == (asked[0] if asked else None)
        assert [data["statuses"][one[0]] for one in shown["milestones"]] == [
            one["status"] for one in listed["milestones"]
        ]
        assert row["拜访次数"] == len(shown["visits"]) == len(listed["rows"])


def test_milestones_of_the_workbook(progress: Progress) -> None:
    sheets = {sheet.name: sheet for sheet in progress_sheets(progress)}
    assert list(sheets) == ["商机进展", "里程碑", "检核表", "利益汇总", "下一个承诺", "需要处理的记录"]
    assert len(sheets["商机进展"].rows) == 40
    assert len(sheets["里程碑"].rows) == 40 * 9
    reached = [row for row in sheets["里程碑"].rows if row[3] == MilestoneStatus.REACHED.label]
    assert len(reached) >= 40
    assert all(row[4] or row[5] for row in reached)
    for row in sheets["里程碑"].rows:
        assert (row[6] is not None) == (row[3] == MilestoneStatus.REACHED.label)


def test_every_quotation_of_the_workbook_stands_in_a_note(history: History, progress: Progress) -> None:
    notes = [one_line(safe_text(visit.note)) for visit in history.visits]
    seen = 0
    for sheet in progress_sheets(progress):
        for row in sheet.rows:
            for cell in row[2:]:
                for words in re.findall("「(.*?)」", cell if isinstance(cell, str) else ""):
                    assert any(words in note for note in notes)
                    seen += 1
    assert seen > 50


def test_a_results_file_gives_the_same(history: History, shipped: NoteAnalyzer, tmp_path: Path) -> None:
    scored = tmp_path / "a.scored.xlsx"
    score_file(EXAMPLE, scored, shipped)
    assert read_history(scored, shipped).visits == history.visits
