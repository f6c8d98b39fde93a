"""From analyses to cells, checklist rows and the summary."""

from __future__ import annotations

import datetime
import itertools
import json
from dataclasses import replace

from conftest import fake_analysis
from hypothesis import given
from hypothesis import strategies as st

from analyzer.records import Action, Commitment, Concern, NoteAnalysis, Outcome, Span, Status, Topic
from analyzer.results import (
    RESULT_COLUMNS,
    Summary,
    checklist_rows,
    commitment_text,
    concerns_text,
    result_names,
    result_values,
)

NOTE = "客户同意看演示，价格偏高，工期要到月底"


def test_cells_of_a_note() -> None:
    cells = dict(zip(RESULT_COLUMNS, result_values(fake_analysis(NOTE), "某问题"), strict=True))
    assert cells == {
        "结果": "进展晋级",
        "把握度": 0.7,
        "需复核": None,
        "依据": "同意",
        "关注点": "1. [价格预算] 价格 — 未答复\n2. [履约服务] 工期 — 已答复：月底",
        "未答复": 1,
        "客户承诺": "同意",
        "承诺类型": "产品演示",
        "承诺日期": None,
        "问题": "某问题",
    }


def test_cells_without_an_outcome() -> None:
    assert result_values(None, "坏") == (*[None] * 9, "坏")
    assert result_values(fake_analysis(" ")) == (None,) * 10


def test_review_is_marked() -> None:
    assert result_values(fake_analysis("下次再谈"))[2] == "是"


def test_names_that_are_taken() -> None:
    assert result_names(["结果", "问题", "问题（分析）"])[0] == "结果（分析）"
    assert result_names(["结果", "问题", "问题（分析）"])[-1] == "问题（分析）2"


def test_line_breaks_stay_out_of_lines() -> None:
    concern = Concern(Span(0, 5, "价格\r\n高"), Topic.PRICE, 0.9, True, Status.OPEN)
    assert concerns_text([concern]) == "1. [价格预算] 价格 高 — 未答复"


def test_commitment_with_its_time() -> None:
    span = Span(0, 4, "同意演示")
    date = datetime.date(2024, 11, 13)
    inside = Commitment(span, Action.DEMO, Span(0, 2, "同意"))
    assert commitment_text(inside) == "同意演示"
    beside = Commitment(span, Action.DEMO, Span(9, 11, "下周"), date)
    assert commitment_text(beside) == "同意演示（下周，2024-11-13）"
    assert commitment_text(beside, with_date=False) == "同意演示（下周）"


def test_the_due_date_has_a_column() -> None:
    analysis = fake_analysis(NOTE)
    assert analysis.commitment is not None
    dated = replace(analysis, commitment=replace(analysis.commitment, due_date=datetime.date(2024, 11, 13)))
    cells = dict(zip(RESULT_COLUMNS, result_values(dated), strict=True))
    assert (cells["客户承诺"], cells["承诺日期"]) == ("同意", "2024-11-13")


def test_checklist_rows() -> None:
    rows = list(checklist_rows(7, ["甲公司", "张三"], fake_analysis(NOTE)))
    assert rows == [
        [7, "甲公司", "张三", "价格", "价格预算", 0.9, "未答复", None, "进展晋级"],
        [7, "甲公司", "张三", "工期", "履约服务", 0.4, "已答复", "月底", "进展晋级"],
    ]
    assert not list(checklist_rows(7, [], None))
    assert not list(checklist_rows(7, [], fake_analysis("")))


def test_summary() -> None:
    summary = Summary()
    for note, person in [(NOTE, "张三"), ("签约", "张三"), ("不需要", "李 四"), ("再谈", ""), ("", "王五")]:
        summary.add(fake_analysis(note), person=person)
    summary.add(None, problem="坏")
    assert (summary.read, summary.scored, summary.empty, summary.failed) == (6, 4, 1, 1)
    blocks = {block.title: block.rows for block in summary.blocks()}
    assert ("成功（成交 + 进展晋级，占已分析）", 2, 0.5) in blocks["总体"]
    assert blocks["结果分布"] == [
        ("成交", 1, 0.25),
        ("进展晋级", 1, 0.25),
        ("暂时中断", 1, 0.25),
        ("没有成交", 1, 0.25),
    ]
    assert blocks["按销售人员"] == [
        ("张三", 2, 1, 1, 0, 0, 1.0, 0, 1),
        ("李 四", 1, 0, 0, 0, 1, 0.0, 0, 0),
        ("（未填写）", 1, 0, 0, 1, 0, 0.0, 1, 0),
    ]
    assert blocks["关注点"] == [("价格预算", 1, 1, 0, 1.0), ("履约服务", 1, 0, 1, 0.0)]


def test_summary_without_people_or_rows() -> None:
    assert [block.title for block in Summary().blocks()] == ["总体", "结果分布"]
    assert all(row[2] is None for row in Summary().blocks()[1].rows)


def test_summary_memory_is_bounded() -> None:
    summary = Summary()
    analysis = NoteAnalysis(Outcome.ORDER, {"order": 1.0}, False)
    for number in range(3000):
        summary.add(analysis, person=str(number))
    assert len(summary.people) <= 1001
    assert summary.read == 3000


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["客户同意，价格", "签约，工期", "", "不需要", "再谈", None]),
        st.sampled_from([None, "甲", "乙", " ", "丙", "丁", "（其余）"]),
        st.sampled_from(["", "坏"]),
    ),
    max_size=30,
)


@given(rows=ROWS, cuts=st.sets(st.integers(0, 30)), limit=st.integers(1, 4))
def test_counts_of_chunks_add_up_to_those_of_the_rows(
    rows: list[tuple[str | None, str | None, str]], cuts: set[int], limit: int
) -> None:
    def counted(part: list[tuple[str | None, str | None, str]], summary: Summary) -> Summary:
        for note, person, problem in part:
            summary.add(None if note is None else fake_analysis(note), person=person, problem=problem)
        return summary

    whole = counted(rows, Summary(max_people=limit))
    merged = Summary(max_people=limit)
    edges = [0, *sorted(cut for cut in cuts if cut <= len(rows)), len(rows)]
    for start, end in itertools.pairwise(edges):
        part = counted(rows[start:end], Summary(max_people=100))
        merged.merge(Summary.from_dict(json.loads(json.dumps(part.to_dict()))))
    assert merged == whole
    assert list(merged.people) == list(whole.people)
    assert merged.blocks() == whole.blocks()
    assert merged.read == merged.scored + merged.empty + merged.failed == len(rows)
