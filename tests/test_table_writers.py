"""Writing: formulas neutralised and got back, several sheets, standard output."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_analyzer import StubAnalyzer, fake_analysis

from analyzer import table_excel
from analyzer.batch import score_file
from analyzer.errors import OutputError, TableError
from analyzer.results import CHECKLIST_COLUMNS, ROW_NUMBER, Summary, result_names, result_values
from analyzer.row_formats import row_format
from analyzer.table_excel import cell_xml, excel_text
from analyzer.table_layout import Layout, ResultRows, guard_formula, unguard_formula
from analyzer.table_writers import open_stream_writer, open_writer
from analyzer.tables import open_table, read_table

STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"]


def layout(columns: tuple[str, ...] = ("编号", "备注")) -> Layout:
    checklist = (ROW_NUMBER, *CHECKLIST_COLUMNS)
    return Layout(columns, result_names(columns), columns[-1], checklist, widths=(8,) * len(columns))


def encoded(ending: str, rows: ResultRows) -> bytes:
    return row_format(ending, layout()).encode(rows)


def result_rows(notes: list[str], first: int = 2) -> ResultRows:
    analyses = [fake_analysis(note) for note in notes]
    return ResultRows(
        [[f"{number:04}", note] for number, note in enumerate(notes)],
        [result_values(one) for one in analyses],
        list(analyses),
        first,
    )


# --- formulas ---


@pytest.mark.parametrize("start", STARTS)
def test_what_may_run_stands_behind_an_apostrophe(start: str) -> None:
    assert guard_formula(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


@given(text=st.text(st.sampled_from("=+-@\t\r\n'＝5. a客"), max_size=6) | st.text(max_size=20))
def test_the_guard_is_undone_exactly(text: str) -> None:
    guarded = guard_formula(text)
    assert unguard_formula(guarded) == text
    assert not guarded.startswith(tuple(STARTS)) or re.fullmatch(r"[-+] ?[\d ,]+(\.\d+)?%?", guarded)


def test_headers_and_our_own_columns_are_guarded(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    note = "=1+1 客户同意，价格再谈"
    source.write_text(json.dumps({"=名": "@x", "备注": note, "销售人员": "+张三", "-客户名称": "=甲"}) + "\n")
    score_file(source, tmp_path / "b.csv", StubAnalyzer(), note_column="备注")
    with (tmp_path / "b.csv").open(encoding="utf-8-sig", newline="") as file:
        header, row = csv.reader(file)
    assert header[:4] == ["'=名", "备注", "销售人员", "'-客户名称"]
    assert row[:4] == ["'@x", f"'{note}", "'+张三", "'=甲"]
    assert row[header.index("依据")] == "同意"
    score_file(source, tmp_path / "b.xlsx", StubAnalyzer(), note_column="备注")
    book = openpyxl.load_workbook(tmp_path / "b.xlsx")
    assert [book["拜访记录"].cell(1, column).value for column in (1, 4)] == ["=名", "-客户名称"]
    for sheet in book:
        for cells in sheet.iter_rows():
            for cell in cells:
                assert cell.data_type != "f"
                if isinstance(cell.value, str):
                    assert cell.quotePrefix == cell.value.startswith(tuple(STARTS)), cell.value
    # The name of a salesperson stands in the summary too.
    assert "+张三" in [cell.value for row in book["汇总"].iter_rows() for cell in row]


def test_evidence_that_begins_like_a_formula(tmp_path: Path) -> None:
    rows = result_rows(["好"])
    rows.results[0] = ("成交", 0.9, None, "=HYPERLINK(1)", "@x", 0, "-好", "+", None, "=问题")
    for ending in ("csv", "xlsx"):
        with open_writer(tmp_path / f"a.{ending}", layout()) as writer:
            writer.write(encoded(f".{ending}", rows))
            writer.finish(Summary().blocks())
    found = list(csv.reader((tmp_path / "a.csv").open(encoding="utf-8-sig", newline="")))[1]
    assert found[5:] == ["'=HYPERLINK(1)", "'@x", "0", "'-好", "'+", "", "'=问题"]
    cells = openpyxl.load_workbook(tmp_path / "a.xlsx")["拜访记录"][2]
    assert [cell.quotePrefix for cell in cells[5:]] == [True, True, False, True, True, False, True]


# --- xlsx ---


@pytest.mark.parametrize(
    "text",
    ["<r>好</r>", "<r><t>坏</t></r>", "a<b & c>d", "_x4E00_", " 好 ", "\n好\n", "&amp;", "]]>", "{=1}", "http://a.b"],
)
def test_text_that_looks_like_xml_stays_text(tmp_path: Path, text: str) -> None:
    with open_writer(tmp_path / "a.xlsx", layout()) as writer:
        writer.write(encoded(".xlsx", result_rows([text])))
        writer.finish(Summary().blocks())
    assert next(read_table(tmp_path / "a.xlsx"))["备注"].tolist() == [text]


@given(text=st.text(max_size=50))
def test_any_text_is_well_formed_xml(text: str) -> None:
    from xml.etree import ElementTree

    fit = excel_text(text)[0]
    element = ElementTree.fromstring(f"<t>{cell_xml(fit)}</t>")
    assert re.sub(r"_x005F(?=_x[0-9A-Fa-f]{4}_)", "", element.text or "") == fit


def test_full_sheets_go_on_and_are_read_back_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_excel, "SHEET_ROWS", 4)
    notes = [f"第{number}次，客户同意，价格和工期再谈" for number in range(8)]
    with open_writer(tmp_path / "a.xlsx", layout()) as writer:
        for at in range(0, 8, 5):
            writer.write(encoded(".xlsx", result_rows(notes[at : at + 5], first=at + 2)))
        writer.finish(Summary().blocks())
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert sum(name.startswith("拜访记录") for name in book.sheetnames) == 3
    assert sum(name.startswith("检核表") for name in book.sheetnames) == 6
    assert book.sheetnames[:3] == ["拜访记录", "检核表", "汇总"]
    for sheet in book:
        if sheet.title != "汇总":
            rows = list(sheet.iter_rows(values_only=True))
            assert 2 <= len(rows) <= 4
            assert sheet.freeze_panes == "A2"
            assert sheet.auto_filter.ref.endswith(str(len(rows)))
            assert sheet.cell(1, 1).font.bold
    assert [note for frame in read_table(tmp_path / "a.xlsx") for note in frame["备注"]] == notes
    with open_table(tmp_path / "a.xlsx") as table:
        assert table.dialect.further == ("拜访记录 2", "拜访记录 3")
        assert all("检核表" in remark or "汇总" in remark for remark in table.remarks)
    numbers = [
        row[0]
        for sheet in book
        if sheet.title.startswith("检核表")
        for row in sheet.iter_rows(min_row=2, values_only=True)
    ]
    assert numbers == sorted([*range(2, 10), *range(2, 10)])


def test_the_dimension_of_a_sheet_is_told(tmp_path: Path) -> None:
    with open_writer(tmp_path / "a.xlsx", layout()) as writer:
        writer.write(encoded(".xlsx", result_rows(["好"] * 7)))
        writer.finish(Summary().blocks())
    sheet = zipfile.ZipFile(tmp_path / "a.xlsx").read("xl/worksheets/sheet1.xml").decode()
    assert '<dimension ref="A1:L8"/>' in sheet


# --- standard output ---


def test_csv_and_json_lines_to_a_stream() -> None:
    for ending in (".csv", ".jsonl"):
        stream = io.BytesIO()
        with open_stream_writer(stream, ending, layout()) as writer:
            writer.write(encoded(ending, result_rows(["客户同意", "=1"])))
            writer.finish(Summary().blocks())
        assert not stream.closed
        text = stream.getvalue().decode()
        if ending == ".csv":
            rows = list(csv.reader(io.StringIO(text, newline="")))
            assert rows[0][:3] == ["编号", "备注", "结果"]
            assert [row[1] for row in rows[1:]] == ["客户同意", "'=1"]
        else:
            assert [json.loads(line)["备注"] for line in text.splitlines()] == ["客户同意", "=1"]


def test_streams_that_cannot_be_written() -> None:
    class Gone(io.RawIOBase):
        def __init__(self, error: OSError) -> None:
            self._error = error

        def writable(self) -> bool:
            return True

        def write(self, _: object) -> int:
            raise self._error

    with pytest.raises(OutputError, match=r"\.xlsx cannot be written to standard output, expected \.csv or \.jsonl"):
        open_stream_writer(io.BytesIO(), ".xlsx", layout()).__enter__()
    for error, kind in ((BrokenPipeError(32, "Broken pipe"), BrokenPipeError), (OSError(28, "No space"), TableError)):
        with pytest.raises(kind), open_stream_writer(Gone(error), ".csv", layout()) as writer:  # type: ignore[arg-type]
            writer.write(encoded(".csv", result_rows(["好"] * 1000)))
