"""The forms of the checklist: what they say, and that no note can break out of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from stories import ADVANCE, concern, opportunity, visit

from analyzer.checklist_forms import (
    OPENING,
    benefit_text,
    checklist_html,
    checklist_json,
    checklist_sheets,
    markdown,
    proposal_text,
    spoken_text,
)
from analyzer.milestones import load_plan
from analyzer.progress import Page, make_page
from analyzer.records import Topic
from analyzer.sheets import write_workbook
from analyzer.tables import read_table
from analyzer.visits import Opportunity

FIRST = "王工嫌价格偏高，问4小时能不能到场"
SECOND = "还是嫌价格高；到场我说有驻点，省得等，他点头"


@pytest.fixture
def page() -> Page:
    first = visit(
        FIRST,
        date="09-03",
        row=2,
        concerns=[concern(FIRST, "价格偏高"), concern(FIRST, "4小时能不能到场", Topic.SERVICE)],
    )
    answered = concern(SECOND, "到场", Topic.SERVICE, answered=True, answer="我说有驻点")
    second = visit(SECOND, ADVANCE, "09-10", [concern(SECOND, "价格高"), answered], row=3)
    return make_page(opportunity(first, second), load_plan(), None)


def test_text_to_read_out(page: Page) -> None:
    lines = spoken_text(page).splitlines()
    assert lines[:6] == [
        "海川机械 · 数控车床",
        OPENING,
        "还没有答复您的：",
        "  1. 价格预算：「价格偏高」",
        "已经答复您的：",
        "  2. 售后培训：「4小时能不能到场」；我们的答复：「我说有驻点」",
    ]
    assert lines[6].startswith("尚未谈到的方面：付款合同、交付工期、")
    assert "售后" not in lines[6]
    assert benefit_text(page).splitlines() == [
        "利益汇总：",
        "  1. 您关心「4小时能不能到场」；我们的答复：「我说有驻点」；给您带来的好处：「省得等」",
    ]
    assert proposal_text(page).startswith("下一个承诺")


def test_nothing_said() -> None:
    empty = make_page(Opportunity("海川", "", (visit("见了王工"),)), load_plan(), None)
    assert "没有您提出的关注点" in spoken_text(empty)
    assert benefit_text(empty) == ""
    assert "没有客户提出的关注点" in markdown([empty])


def test_markdown(page: Page) -> None:
    text = markdown([page])
    assert "# 海川机械 · 数控车床\n" in text
    assert "- [ ] **价格预算**：「价格偏高」（2026-09-03，第 2 行）\n" in text
    assert "    - 2026-09-10，第 3 行：「价格高」，未答复\n" in text
    assert "- [x] **售后培训**" in text
    assert "| 「4小时能不能到场」 | 「我说有驻点」 | 「省得等」 |" in text
    assert (
        text.index("## 未答复") < text.index("## 已答复") < text.index("## 尚未谈到的方面") < text.index("## 利益汇总")
    )


def test_sheets(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    write_workbook(path, checklist_sheets([page]))
    rows = [row for frame in read_table(path) for row in frame.to_dict("records")]
    assert [(row["状态"], row["关注点"], row["行号"], row["我方答复"], row["答复行号"]) for row in rows[:2]] == [
        ("未答复", "价格偏高", "2", "", ""),
        ("已答复", "4小时能不能到场", "2", "我说有驻点", "3"),
    ]
    assert rows[2]["状态"] == "尚未谈到"
    (benefit,) = [row for frame in read_table(path, sheet="利益汇总") for row in frame.to_dict("records")]
    assert benefit["给客户带来的好处"] == "省得等"


def test_json(page: Page) -> None:
    (data,) = json.loads(checklist_json([page]))
    notes = {2: FIRST, 3: SECOND}
    quotes = [
        one for point in data["checklist"]["points"] for one in (point["quote"], point["answer"], *point["history"])
    ]
    quotes += [one[part] for one in data["benefits"] for part in ("concern", "answer", "benefit")]
    assert len([quote for quote in quotes if quote]) == 10
    for quote in filter(None, quotes):
        assert notes[quote["row"]][quote["start"] : quote["end"]] == quote["text"]
    assert data["checklist"]["untouched"][0] == {"topic": "payment", "topic_label": "付款合同"}
    assert data["next_commitments"]


EVIL = "<script>alert(1)</script></style>&lt;b&gt;|*粗*_`#[链接](x)=1+1\u202e反\u0007\ud83d"


@pytest.fixture
def evil() -> Page:
    one = visit(EVIL, concerns=[concern(EVIL, EVIL, answered=True, answer=EVIL)], row=2)
    return make_page(Opportunity(EVIL, "=cmd()", (one,)), load_plan(), None)


def test_html_shows_notes_as_text(evil: Page) -> None:
    html = checklist_html([evil])
    html.encode()
    assert "<script" not in html
    assert html.count("</style>") == 1
    assert "&amp;lt;b&amp;gt;" in html
    assert not re.search("[\u202a-\u202e\u0007]", html)
    assert "http://" not in html
    assert "https://" not in html


def test_markdown_shows_notes_as_text(evil: Page) -> None:
    text = markdown([evil])
    assert "<script" not in text.replace("\\<", "")
    assert "\\[链接\\](x)" in text
    assert "\\|\\*粗\\*" in text
    assert "\u202e" not in text


def test_json_and_sheets_take_any_text(evil: Page, tmp_path: Path) -> None:
    text = checklist_json([evil])
    text.encode()
    assert json.loads(text)[0]["checklist"]["points"][0]["quote"]["text"] == EVIL
    path = tmp_path / "a.xlsx"
    write_workbook(path, checklist_sheets([evil]))
    rows = [row for frame in read_table(path) for row in frame.to_dict("records")]
    assert rows[0]["商机"] == "=cmd()"
