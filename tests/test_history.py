"""Reading an export as visits: columns, rows that lack something, results files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import StubAnalyzer

from analyzer.batch import score_file
from analyzer.errors import ColumnError
from analyzer.history import read_history

EXPORT = """跟进记录,客户名称,项目名称,业务员,部门,拜访日期
客户同意看演示，价格偏高,海川,产线,周敏,华东,2026-09-03
工期要到月底,海川,产线,周敏,华东,九月初
,海川,产线,周敏,华东,2026-09-05
签约,,,吴倩,华南,2026-09-06
崩溃了,别家,,吴倩,华南,2026/9/7
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "拜访.csv"
    path.write_text(EXPORT, encoding="utf-8")
    return path


def test_rows_become_visits(source: Path, stub: StubAnalyzer) -> None:
    history = read_history(source, stub)
    columns = history.columns
    assert (columns.note.name, columns.date, columns.customer) == ("跟进记录", "拜访日期", "客户名称")
    assert (columns.opportunity, columns.salesperson, columns.team) == ("项目名称", "业务员", "部门")
    assert "opportunity: 项目名称" in columns.describe()
    shown = [(v.row, str(v.date), v.customer, v.opportunity, v.salesperson, v.team) for v in history.visits]
    assert shown == [
        (2, "2026-09-03", "海川", "产线", "周敏", "华东"),
        (3, "None", "海川", "产线", "周敏", "华东"),
        (4, "2026-09-05", "海川", "产线", "周敏", "华东"),
        (5, "2026-09-06", "", "", "吴倩", "华南"),
        (6, "2026-09-07", "别家", "", "吴倩", "华南"),
    ]
    assert [visit.outcome and visit.outcome.value for visit in history.visits] == [
        "advance",
        "continuation",
        None,
        "order",
        None,
    ]
    assert [visit.problem for visit in history.visits] == [
        "",
        "日期“九月初”无法识别",
        "没有拜访内容",
        "没有客户和商机",
        "未能分析（ZeroDivisionError：a note that breaks）",
    ]


@pytest.mark.parametrize("ending", [".xlsx", ".csv", ".jsonl", ".parquet"])
def test_a_results_file_reads_like_the_export(ending: str, source: Path, tmp_path: Path, stub: StubAnalyzer) -> None:
    scored = tmp_path / f"结果{ending}"
    score_file(source, scored, stub)
    assert read_history(scored, stub).visits == read_history(source, stub).visits


def test_a_results_file_of_an_export_with_such_columns(tmp_path: Path, stub: StubAnalyzer) -> None:
    source = tmp_path / "a.csv"
    source.write_text("跟进记录,结果,关注点\n客户同意看演示,已成交很满意，下次再谈价格,无\n", encoding="utf-8")
    source.write_text('跟进记录,结果,关注点\n客户同意看演示,"已成交，很满意，下次再谈",无\n', encoding="utf-8")
    scored = tmp_path / "b.csv"
    score_file(source, scored, stub, note_column="结果")
    history = read_history(scored, stub, note_column="结果")
    assert [visit.note for visit in history.visits] == ["已成交，很满意，下次再谈"]


def test_an_export_without_any_other_column(tmp_path: Path, stub: StubAnalyzer) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text(json.dumps({"content": "客户同意看演示"}, ensure_ascii=False), encoding="utf-8")
    history = read_history(source, stub)
    assert [visit.problem for visit in history.visits] == ["没有客户和商机"]
    assert "no column found" in history.columns.describe()


def test_the_opportunity_column_that_the_user_names(source: Path, stub: StubAnalyzer) -> None:
    history = read_history(source, stub, opportunity_column="部门")
    assert {visit.opportunity for visit in history.visits} == {"华东", "华南"}
    with pytest.raises(ColumnError, match="did you mean '项目名称'"):
        read_history(source, stub, opportunity_column="项目名")


def test_columns_of_crm_exports(tmp_path: Path, stub: StubAnalyzer) -> None:
    for opportunity, team in [
        ("商机名称", "所属部门"),
        ("Opportunity Name", "Department"),
        ("销售机会", "团队"),
        ("项目", "区域"),
    ]:
        source = tmp_path / "a.csv"
        source.write_text(f"跟进记录,{opportunity},{team}\n客户同意,产线,华东\n", encoding="utf-8")
        (visit,) = read_history(source, stub).visits
        assert (visit.opportunity, visit.team) == ("产线", "华东")


def test_progress_is_told(source: Path, stub: StubAnalyzer) -> None:
    told: list[tuple[int, float | None]] = []
    read_history(source, stub, progress=lambda rows, share: told.append((rows, share)))
    assert told[-1][0] == 5
