"""Whole runs: every row comes back, in every format, whatever goes wrong."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from conftest import StubAnalyzer, fake_analysis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer import table_excel
from analyzer.batch import score_file
from analyzer.errors import OutputError, TableError
from analyzer.frames import score_frame
from analyzer.records import NoteAnalysis
from analyzer.results import RESULT_COLUMNS
from analyzer.table_layout import guard_formula
from analyzer.tables import read_table

HEADER = ["编号", "客户名称", "销售人员", "跟进记录"]
NOTES = ["客户同意看演示，价格再谈", "签约了，工期到月底", "", "不需要", "下次再谈"]
ENDINGS = [".xlsx", ".csv", ".jsonl", ".ndjson", ".parquet"]


def make_source(path: Path, notes: Sequence[str] = NOTES) -> Path:
    with path.open("w", encoding="gb18030", newline="", errors="replace") as file:
        rows = [[f"{number:04}", "甲公司", f"销售{number % 2}", note] for number, note in enumerate(notes)]
        csv.writer(file).writerows([HEADER, *rows])
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_source(tmp_path / "拜访.csv")


def read(path: Path) -> pd.DataFrame:
    return pd.concat(list(read_table(path)), ignore_index=True)


# --- formats ---


@pytest.mark.parametrize("ending", [".xlsx", ".csv", ".parquet"])
def test_rows_and_columns_come_back(source: Path, stub: StubAnalyzer, ending: str) -> None:
    output = source.with_name("结果" + ending)
    summary = score_file(source, output, stub, chunk_rows=2)
    assert (summary.read, summary.scored, summary.empty, summary.failed) == (5, 4, 1, 0)
    found = read(output)
    assert list(found.columns) == [*HEADER, *RESULT_COLUMNS]
    pd.testing.assert_frame_equal(found[HEADER], read(source))
    assert list(found["结果"]) == ["进展晋级", "成交", "", "没有成交", "暂时中断"]
    assert list(found["问题"]) == ["", "", "没有拜访内容", "", ""]
    assert sorted(source.parent.iterdir()) == sorted([source, output])


@pytest.mark.parametrize("ending", [".jsonl", ".ndjson"])
def test_json_lines(source: Path, stub: StubAnalyzer, ending: str) -> None:
    output = source.with_name("结果" + ending)
    score_file(source, output, stub)
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert rows[0]["编号"] == "0000"
    assert rows[0]["analysis"] == fake_analysis(NOTES[0]).to_dict()
    assert "问题" not in rows[0]
    assert rows[2]["问题"] == "没有拜访内容"


def test_json_lines_keep_nested_values(tmp_path: Path, stub: StubAnalyzer) -> None:
    objects = [
        {"note": "客户同意", "analysis": 1, "tags": [{"a": 1.5}], "问题": "有"},
        {"note": None, "x": "\ud83d"},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(o) + "\n" for o in objects) + "坏\n")
    summary = score_file(tmp_path / "a.jsonl", tmp_path / "b.jsonl", stub)
    rows = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert rows[0] == {**objects[0], "analysis（分析）": fake_analysis("客户同意").to_dict()}
    assert {key: rows[1][key] for key in objects[1]} == objects[1]
    assert rows[2]["analysis（分析）"] is None
    assert "坏" in rows[2]["问题（分析）"]
    assert (summary.read, summary.scored, summary.empty, summary.failed) == (3, 1, 1, 1)


def test_parquet_keeps_types(tmp_path: Path, stub: StubAnalyzer) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"n": [1, 2], "x": [1.5, float("nan")], "备注": ["客户同意", None], "t": [[1], [2]]})
    frame.to_parquet(tmp_path / "a.parquet")
    score_file(tmp_path / "a.parquet", tmp_path / "b.parquet", stub)
    found = pd.read_parquet(tmp_path / "b.parquet")
    assert list(found.dtypes[["n", "x"]]) == ["int64", "float64"]
    assert found["把握度"].dtype == "float64"
    assert list(found["t"].map(list)) == [[1], [2]]
    assert found["结果"][0] == "进展晋级"
    score_file(tmp_path / "a.parquet", tmp_path / "b.jsonl", stub)
    assert json.loads((tmp_path / "b.jsonl").read_text().splitlines()[1])["x"] is None


def test_workbook(source: Path, stub: StubAnalyzer) -> None:
    output = score_file(source, None, stub).output
    assert output.name == "拜访.scored.xlsx"
    book = openpyxl.load_workbook(output)
    assert book.sheetnames == ["拜访记录", "检核表", "汇总"]
    rows = book["拜访记录"]
    assert rows.freeze_panes == "A2"
    assert rows.auto_filter.ref == "A1:N6"
    assert rows["A2"].value == "0000"
    assert rows["F2"].number_format == "0%"
    assert rows["F2"].value == 0.7
    assert rows["E2"].fill.fgColor.rgb == "FFE2F0D9"
    assert rows["H2"].alignment.wrap_text
    assert rows.column_dimensions["D"].width > rows.column_dimensions["A"].width
    checklist = list(book["检核表"].iter_rows(values_only=True))
    assert checklist[0] == (
        "行号",
        "客户名称",
        "销售人员",
        "关注点",
        "主题",
        "主题把握",
        "状态",
        "我方答复",
        "结果",
    )
    assert checklist[1] == (2, "甲公司", "销售0", "价格", "价格预算", 0.9, "未答复", None, "进展晋级")
    assert checklist[2][0] == 3
    assert rows.cell(3, 4).value == NOTES[1]
    assert ("读入记录", 5, 1) in [row[:3] for row in book["汇总"].iter_rows(values_only=True)]


def test_the_same_input_gives_the_same_bytes(source: Path, stub: StubAnalyzer) -> None:
    for ending in ENDINGS:
        score_file(source, source.with_name("a" + ending), stub)
        score_file(source, source.with_name("b" + ending), stub, chunk_rows=2000)
        assert source.with_name("a" + ending).read_bytes() == source.with_name("b" + ending).read_bytes()


def test_csv_begins_with_a_mark_for_excel(source: Path, stub: StubAnalyzer) -> None:
    output = score_file(source, source.with_name("a.csv"), stub).output
    assert output.read_bytes().startswith(b"\xef\xbb\xbf")


def test_taken_names_get_a_suffix(tmp_path: Path, stub: StubAnalyzer) -> None:
    path = tmp_path / "a.csv"
    path.write_text("跟进记录,结果,问题\n客户同意,旧,旧\n")
    assert list(read(score_file(path, tmp_path / "b.csv", stub).output).columns[:4]) == [
        *("跟进记录", "结果", "问题", "结果（分析）")
    ]


# --- formulas and what Excel cannot hold ---

FORMULAS = [
    '=HYPERLINK("http://x","y")',
    "+1+1",
    "-客户",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "http://example.com",
    "{=1}",
]


def test_formulas_stay_text(tmp_path: Path, stub: StubAnalyzer) -> None:
    objects = [{"备注": text, "电话": "+86 138 0013 8000", "n": "-5"} for text in FORMULAS]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(o) + "\n" for o in objects))
    score_file(tmp_path / "a.jsonl", tmp_path / "b.xlsx", stub, note_column="备注")
    score_file(tmp_path / "a.jsonl", tmp_path / "b.csv", stub, note_column="备注")
    sheet = openpyxl.load_workbook(tmp_path / "b.xlsx").worksheets[0]
    assert all(cell.data_type in "sn" and cell.hyperlink is None for row in sheet.iter_rows() for cell in row)
    assert sheet["A2"].value == FORMULAS[0]
    with (tmp_path / "b.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert [row[0][0] for row in rows] == ["'"] * 6 + ["h", "{"]
    assert rows[0][1:3] == ["+86 138 0013 8000", "-5"]


def test_what_a_cell_cannot_hold_is_cut_and_told(tmp_path: Path, stub: StubAnalyzer) -> None:
    notes = ["客户同意😀" * 8000, "铃\x07\x00声", "半\ud83d个", "好"]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"备注": note}) + "\n" for note in notes))
    found = read(score_file(tmp_path / "a.jsonl", tmp_path / "b.xlsx", stub).output)
    assert len(found["备注"][0].encode("utf-16-le")) // 2 <= 32767
    assert found["备注"][0].endswith("…（已截断，全文 40000 字）")
    assert "已截断" in found["问题"][0]
    assert found["备注"][1] == "铃声"
    assert "控制字符" in found["问题"][1]
    assert found["备注"][2] == "半\ufffd个"
    assert "不完整" in found["问题"][2]
    assert found["问题"][3] == ""


def test_a_full_sheet_goes_on_in_the_next(source: Path, stub: StubAnalyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_excel, "SHEET_ROWS", 3)
    output = score_file(source, None, stub).output
    book = openpyxl.load_workbook(output)
    assert book.sheetnames == ["拜访记录", "检核表", "汇总", "拜访记录 2", "拜访记录 3"]
    found = [row[0] for name in ("拜访记录", "拜访记录 2", "拜访记录 3") for row in book[name].values]
    assert found == ["编号", "0000", "0001", "编号", "0002", "0003", "编号", "0004"]


def test_too_many_columns_for_a_sheet(tmp_path: Path, stub: StubAnalyzer) -> None:
    names = [*(f"c{i}" for i in range(16_400)), "备注"]
    (tmp_path / "a.csv").write_text(",".join(names) + "\n" + "," * 16_400 + "好\n")
    with pytest.raises(TableError, match="at most 16384"):
        score_file(tmp_path / "a.csv", tmp_path / "b.xlsx", stub)
    assert score_file(tmp_path / "a.csv", tmp_path / "b.csv", stub).scored == 1
    assert not (tmp_path / "b.xlsx").exists()


# --- failures ---


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_note_that_breaks_the_analyzer_costs_only_itself(tmp_path: Path, ending: str) -> None:
    source = make_source(tmp_path / "a.csv", ["客户同意", "崩溃", "签约", "不需要", ""])
    stub = StubAnalyzer()
    summary = score_file(source, tmp_path / f"b{ending}", stub, chunk_rows=3)
    assert (summary.read, summary.scored, summary.empty, summary.failed) == (5, 3, 1, 1)
    assert stub.calls == 5  # the chunk, its three notes, the other chunk
    assert "ZeroDivisionError：a note that breaks" in read(tmp_path / f"b{ending}")["问题"][1]


def test_an_analyzer_that_loses_notes_is_caught(source: Path) -> None:
    class Losing(StubAnalyzer):
        def analyze_many(self, texts: Sequence[str]) -> list[NoteAnalysis]:
            return []

    summary = score_file(source, None, Losing())
    assert summary.failed == summary.read == 5


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_run_leaves_the_older_result(
    source: Path, stub: StubAnalyzer, ending: str, error: BaseException | type[BaseException]
) -> None:
    output = source.with_name(f"b{ending}")
    output.write_bytes(b"older")

    def progress(rows: int, fraction: float | None) -> None:
        raise error

    with pytest.raises((KeyboardInterrupt, TableError)):
        score_file(source, output, stub, progress=progress, chunk_rows=2)
    assert output.read_bytes() == b"older"
    assert sorted(source.parent.iterdir()) == sorted([source, output])


def test_outputs_that_are_refused(source: Path, stub: StubAnalyzer) -> None:
    folder = source.parent
    before = source.read_bytes()
    link = folder / "link.csv"
    link.symlink_to(source)
    hard = folder / "hard.csv"
    os.link(source, hard)
    for output in (source, link, hard, folder / "x" / ".." / source.name):
        (folder / "x").mkdir(exist_ok=True)
        with pytest.raises(OutputError, match="overwrite the input"):
            score_file(source, output, stub)
    with pytest.raises(OutputError, match="overwrite the input"):
        score_file(link, source, stub)
    with pytest.raises(OutputError, match="is a folder"):
        score_file(source, folder, stub)
    with pytest.raises(OutputError, match=r"ends in '.doc', expected one of .xlsx"):
        score_file(source, folder / "a.doc", stub)
    with pytest.raises(OutputError, match="has no ending"):
        score_file(source, folder / "结果", stub)
    with pytest.raises(TableError, match="does not exist"):
        score_file(source, folder / "无" / "a.csv", stub)
    assert source.read_bytes() == before


def test_the_unfinished_file_may_not_be_the_input(tmp_path: Path, stub: StubAnalyzer) -> None:
    source = make_source(tmp_path / "a.csv.part")
    with pytest.raises(OutputError, match="overwrite the input"):
        score_file(source, tmp_path / "a.csv", stub)


def test_an_unwritable_folder(source: Path, stub: StubAnalyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    def refuse(self: Path, *arguments: object, **options: object) -> object:
        if self.suffix == ".part":
            raise PermissionError(13, "Permission denied")
        return real(self, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(TableError, match=r"cannot be written \(Permission denied\)"):
        score_file(source, None, stub)


def test_a_linked_output_stays_a_link(source: Path, stub: StubAnalyzer) -> None:
    target = source.with_name("ziel.csv")
    target.write_text("older")
    link = source.with_name("link.csv")
    link.symlink_to(target)
    score_file(source, link, stub)
    assert link.is_symlink()
    assert "结果" in target.read_text(encoding="utf-8-sig")


# --- frames ---


def test_score_frame() -> None:
    frame = pd.DataFrame(
        {"n": [1, 2, 3, 4], "备注": ["客户同意，价格", None, float("nan"), "崩溃"], "结果": "旧"},
        index=["c", "a", "a", "b"],
    )
    before = frame.copy()
    scored = score_frame(frame, StubAnalyzer().analyze_many)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(scored[["n", "备注", "结果"]], before)
    assert list(scored.columns[3:]) == ["结果（分析）", *RESULT_COLUMNS[1:]]
    assert scored["把握度"].dtype == "float64"
    assert str(scored["未答复"].dtype) == "Int64"
    assert scored["结果（分析）"].iloc[0] == "进展晋级"
    assert scored["未答复"].iloc[0] == 1
    assert scored["问题"].iloc[1] == "没有拜访内容"
    assert "ZeroDivisionError" in scored["问题"].iloc[3]


def test_score_frame_of_odd_columns() -> None:
    frame = pd.DataFrame([["甲", "客户同意，下周演示", "乙"]], columns=[0, "备注", 0])
    scored = score_frame(frame, StubAnalyzer().analyze_many)
    assert scored["结果"].iloc[0] == "进展晋级"
    assert scored.shape == (1, 13)
    empty = score_frame(frame.iloc[:0], StubAnalyzer().analyze_many)
    assert empty.shape == (0, 13)


# --- any text ---

CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8))
def test_any_cell_survives(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text("".join(json.dumps({"编号": a, "备注": b}) + "\n" for a, b in rows))
    for ending in (".csv", ".jsonl", ".xlsx", ".parquet"):
        output = tmp_path / f"b{ending}"
        score_file(source, output, StubAnalyzer(), note_column="备注", chunk_rows=3)
        found = read(output)[["编号", "备注"]].to_numpy().tolist()
        keep = {".csv": guard_formula, ".xlsx": lambda text: table_excel.excel_text(text)[0]}.get(ending, str)
        assert found == [[keep(a), keep(b)] for a, b in rows], ending
