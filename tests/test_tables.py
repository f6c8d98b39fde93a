"""Reading exports of every kind, and the refusals."""

from __future__ import annotations

import datetime
import gzip
import json
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer import table_text
from analyzer.errors import TableError
from analyzer.tables import open_table, read_table

HEADER = ["编号", "客户名称", "跟进记录"]
ROWS = [
    ["0012", "甲机械厂", '客户说："价格偏高"，\n下周三再谈；先发方案。'],
    ["0013", "NA", "镕𠮷😀 同意试用，签了单。"],
    ["0014", "", "不需要我们的产品。"],
]


def read(path: Path, **options: object) -> pd.DataFrame:
    return pd.concat(list(read_table(path, **options)), ignore_index=True)  # type: ignore[arg-type]


def records(path: Path, **options: object) -> list[list[str]]:
    return read(path, **options).to_numpy(dtype=object).tolist()


def problems(path: Path) -> list[str]:
    with open_table(path) as table:
        return [problem for chunk in table for problem in chunk.problems]


def delimited(rows: list[list[str]], delimiter: str = ",", end: str = "\n") -> str:
    def quoted(cell: str) -> str:
        special = any(mark in cell for mark in (delimiter, '"', "\n", "\r"))
        return '"' + cell.replace('"', '""') + '"' if special else cell

    return "".join(delimiter.join(map(quoted, row)) + end for row in rows)


def write(tmp_path: Path, content: str | bytes, name: str = "导出.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# --- encodings, delimiters, line ends ---

ENCODINGS = ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "，"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_tables_of_any_encoding(tmp_path: Path, encoding: str, delimiter: str, end: str) -> None:
    path = write(tmp_path, delimited([HEADER, *ROWS], delimiter, end).encode(encoding))
    assert list(read(path).columns) == HEADER
    assert records(path) == ROWS
    assert problems(path) == ["", "", ""]


def test_big5(tmp_path: Path) -> None:
    rows = [["客戶", "拜訪記錄"], ["甲公司", "客戶說價格還要再談，這個月沒有預算，下週三再拜訪。"]]
    assert records(write(tmp_path, delimited(rows).encode("big5"))) == rows[1:]


def test_gbk_without_rare_characters(tmp_path: Path) -> None:
    rows = [["备注"], ["联通"], ["客户同意了"]]
    assert records(write(tmp_path, delimited(rows).encode("gbk"))) == rows[1:]


def test_ascii_beginning_does_not_hide_the_encoding(tmp_path: Path) -> None:
    rows = [
        ["id", "note"],
        *[[f"{i:06}", "no answer, call again"] for i in range(20000)],
        ["x", "客户同意试用"],
    ]
    assert records(write(tmp_path, delimited(rows).encode("gb18030")))[-1] == ["x", "客户同意试用"]


def test_mixed_encodings_are_read_line_by_line(tmp_path: Path) -> None:
    lines = [f"{i},客户同意下周三试用样机\n".encode() for i in range(10)]
    lines[4] = "4,客户同意下周三试用样机\n".encode("gb18030")
    path = write(tmp_path, "编号,备注\n".encode() + b"".join(lines))
    assert {row[1] for row in records(path)} == {"客户同意下周三试用样机"}
    assert [bool(problem) for problem in problems(path)] == [i == 4 for i in range(10)]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_broken_bytes_mark_the_row_and_keep_it(tmp_path: Path, encoding: str) -> None:
    text = delimited([["编号", "备注"], ["1", "客户同意"], ["2", "下周再谈@@"], ["3", "价格偏高"]])
    path = write(tmp_path, text.encode(encoding).replace(b"@@", b"\xff\xff"))
    rows = records(path)
    assert rows[0] == ["1", "客户同意"]
    assert rows[2] == ["3", "价格偏高"]
    assert rows[1][0] == "2"
    assert rows[1][1].startswith("下周再谈\ufffd")
    assert [bool(problem) for problem in problems(path)] == [False, True, False]


def test_nul_characters_are_dropped_and_told(tmp_path: Path) -> None:
    path = write(tmp_path, "编号,备注\n1,客户\0同意\n2,好\n")
    assert records(path) == [["1", "客户同意"], ["2", "好"]]
    assert "空字符" in problems(path)[0]
    assert not problems(path)[1]


def test_mixed_line_ends_and_trailing_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "编号,备注\r\n1,好\n2,行\r3,可以\r\n\r\n,,\n\n")
    assert records(path) == [["1", "好"], ["2", "行"], ["3", "可以"]]


def test_a_blank_row_in_the_middle_stays(tmp_path: Path) -> None:
    assert records(write(tmp_path, "编号,备注\n1,好\n,\n3,可以\n,\n"))[1] == ["", ""]


def test_one_column_keeps_its_commas_and_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "跟进记录\n价格高,下次再谈\n\n不需要，谢谢，再见\n\n\n")
    assert records(path) == [["价格高,下次再谈"], [""], ["不需要，谢谢，再见"]]


def test_a_note_of_a_million_characters(tmp_path: Path) -> None:
    note = "客户同意试用，" * 150_000
    assert records(write(tmp_path, delimited([["编号", "备注"], ["1", note], ["2", "好"]])))[0] == ["1", note]


# --- ragged rows and quotes ---


def test_ragged_rows_are_kept_and_marked(tmp_path: Path) -> None:
    path = write(tmp_path, "编号,客户,备注\n1,甲,好\n2,乙\n3,丙,价格高,下次,再谈\n4,丁,行,,\n")
    assert [row[0] for row in records(path)] == ["1", "2", "3", "4"]
    found = problems(path)
    assert "字段不足" in found[1]
    assert "下次 | 再谈" in found[2]
    assert found[0] == found[3] == ""


def test_a_stray_quote_costs_no_rows(tmp_path: Path) -> None:
    lines = [f"{i},客户{i},同意试用\n" for i in range(300)]
    lines[100] = '100,客户100,"同意试用\n'
    lines[200] = '200,客户200,"说""好""\n'
    path = write(tmp_path, "编号,客户,备注\n" + "".join(lines))
    assert [row[0] for row in records(path)] == [str(i) for i in range(300)]
    assert [i for i, problem in enumerate(problems(path)) if problem] == [100, 200]


def test_an_unclosed_quote_before_megabytes_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_text, "MAX_RECORD_CHARS", 2000)
    lines = [f"{i},同意试用，下周再谈\n" for i in range(3000)]
    lines[5] = '5,"同意试用\n'
    rows = records(write(tmp_path, "编号,备注\n" + "".join(lines)))
    assert [row[0] for row in rows] == [str(i) for i in range(3000)]


def test_escaped_quotes(tmp_path: Path) -> None:
    path = write(tmp_path, '编号,备注\n1,"他说 \\"价格高, 不行\\" 就走了"\n2,"好, 行"\n3,"可, 以"\n')
    assert records(path)[0] == ["1", '他说 "价格高, 不行" 就走了']


# --- headers ---


@pytest.mark.parametrize(
    ("text", "columns", "header_row", "titles"),
    [
        ("11月拜访记录,,\n导出人：张三,,\n编号,客户,备注\n1,甲,好\n", ("编号", "客户", "备注"), 3, 2),
        ("11月拜访记录\n\n编号,客户,备注\n1,甲,好\n2,乙,行\n", ("编号", "客户", "备注"), 2, 1),
        ("编号,备注,备注,\n1,好,行,多\n", ("编号", "备注", "备注 (2)", "列4"), 1, 0),
        ("编号,,备注\n1,甲,好\n", ("编号", "列2", "备注"), 1, 0),
        ("编号,备注,,\n1,好,,\n2,好,,\n", ("编号", "备注"), 1, 0),
        ("甲公司,13800138000,客户说再等等。\n乙公司,13900139000,不需要。\n", ("列1", "列2", "列3"), None, 0),
    ],
)
def test_headers(tmp_path: Path, text: str, columns: tuple[str, ...], header_row: int | None, titles: int) -> None:
    with open_table(write(tmp_path, text)) as table:
        assert table.columns == columns
        assert (table.dialect.header_row, len(table.dialect.titles)) == (header_row, titles)


def test_without_a_header_no_row_is_lost(tmp_path: Path) -> None:
    path = write(tmp_path, "甲公司,13800138000,客户说再等等。\n乙公司,13900139000,不需要。\n")
    assert [row[0] for row in records(path)] == ["甲公司", "乙公司"]


def test_chunks_and_dialect(tmp_path: Path) -> None:
    path = write(tmp_path, delimited([["编号", "备注"], *[[str(i), "好"] for i in range(25)]], "\t"), "a.tsv")
    with open_table(path, chunk_rows=10) as table:
        assert table.sample().shape == (10, 2)
        assert [len(chunk.frame) for chunk in table] == [10, 10, 5]
        assert table.dialect.describe() == "tsv, encoding utf-8, delimiter '\\t', header in row 1"
        assert table.fraction_read() == 1.0


# --- workbooks ---


def workbook(path: Path, rows: list[list[object]], **sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for name, others in sheets.items():
        sheet = book.create_sheet(name)
        for row in others:
            sheet.append(row)
    book.save(path)
    return path


def test_workbook_values_as_text(tmp_path: Path) -> None:
    values = ["0012", 12, 12.5, 0.1 + 0.2, True, "NA", None, 13800138000]
    dates = [datetime.date(2024, 11, 6), datetime.datetime(2024, 11, 6, 9, 30), 45602]
    names = [*(f"列{c}" for c in "甲乙丙丁戊己庚辛"), "日期", "时间", "拜访日期"]
    path = workbook(tmp_path / "a.xlsx", [names, [*values, *dates]])
    shown = ["0012", "12", "12.5", "0.3", "TRUE", "NA", "", "13800138000"]
    assert records(path) == [[*shown, "2024-11-06", "2024-11-06 09:30:00", "2024-11-06"]]


def test_first_visible_sheet_with_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    workbook(path, [], 说明=[["只有一行"]], 旧=[["备注"], ["旧"]], 数据=[["备注"], ["新"]])
    book = openpyxl.load_workbook(path)
    book["旧"].sheet_state = "hidden"
    book.save(path)
    assert records(path) == [["新"]]
    assert records(path, sheet="旧") == [["旧"]]
    with pytest.raises(TableError, match=r"no sheet '无', expected one of .*数据.*--sheet"):
        open_table(path, sheet="无")


def test_title_above_the_header_of_a_sheet(tmp_path: Path) -> None:
    rows: list[list[object]] = [["11月拜访记录", None, None], [], ["编号", "客户", "备注"], [1, "甲", "好"]]
    path = workbook(tmp_path / "a.xlsx", rows)
    with open_table(path) as table:
        assert table.dialect.header_row == 3
        assert table.dialect.titles == ("11月拜访记录",)
    assert records(path) == [["1", "甲", "好"]]


def test_xls(tmp_path: Path) -> None:
    xlwt = pytest.importorskip("xlwt")
    book = xlwt.Workbook()
    sheet = book.add_sheet("数据")
    for row, values in enumerate([HEADER, *ROWS]):
        for column, value in enumerate(values):
            sheet.write(row, column, value)
    book.save(str(tmp_path / "a.xls"))
    assert records(tmp_path / "a.xls") == ROWS


def test_ods(tmp_path: Path) -> None:
    def cell(text: str) -> str:
        return f'<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>'

    rows = [["编号", "备注"], ["0012", "客户同意"], ["0013", "NA"]]
    space = "urn:oasis:names:tc:opendocument:xmlns"
    body = "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows)
    content = (
        f'<?xml version="1.0"?><office:document-content xmlns:office="{space}:office:1.0" '
        f'xmlns:table="{space}:table:1.0" xmlns:text="{space}:text:1.0"><office:body><office:spreadsheet>'
        f'<table:table table:name="表">{body}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    with zipfile.ZipFile(tmp_path / "a.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest:manifest/>")
        archive.writestr("content.xml", content)
    assert records(tmp_path / "a.ods") == rows[1:]


def test_text_named_xls_is_read_as_text(tmp_path: Path) -> None:
    assert records(write(tmp_path, delimited([HEADER, *ROWS], "\t").encode("gb18030"), "导出.xls")) == ROWS


# --- JSON and Parquet ---

OBJECTS = [
    {"id": "0012", "note": "客户同意", "n": 12, "tags": ["甲", {"a": None}]},
    {"id": "NA", "note": None, "n": 1.5, "新": True},
]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, "\n".join(json.dumps(o, ensure_ascii=False) for o in OBJECTS) + "\n\n", name)
    assert records(path) == [
        ["0012", "客户同意", "12", '["甲", {"a": null}]', ""],
        ["NA", "", "1.5", "", "true"],
    ]
    with open_table(path) as table:
        assert [original for chunk in table for original in chunk.originals or []] == OBJECTS


@pytest.mark.parametrize("indent", [None, 2])
def test_json_array(tmp_path: Path, indent: int | None) -> None:
    many = OBJECTS * 2000
    path = write(tmp_path, json.dumps(many, ensure_ascii=False, indent=indent), "a.json")
    with open_table(path) as table:
        assert [original for chunk in table for original in chunk.originals or []] == many


def test_json_array_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_text, "SAMPLE_BYTES", 7)
    path = write(tmp_path, json.dumps([{"备注": "客户同意" * i, "n": i * 1000} for i in range(50)]), "a.json")
    assert [len(row[0]) for row in records(path)] == [4 * i for i in range(50)]


def test_bad_json_lines_are_kept_and_marked(tmp_path: Path) -> None:
    deep = "[" * 100_000
    path = write(tmp_path, f'{{"备注":"好"}}\n{{"备注":"坏\n[1]\n{deep}\n{{"备注":"行","多":1}}\n', "a.jsonl")
    with open_table(path, chunk_rows=1) as table:
        chunks = list(table)
    assert [chunk.frame.iloc[0, 0] for chunk in chunks] == ["好", "", "", "", "行"]
    assert [bool(chunk.broken) for chunk in chunks] == [False, True, True, True, False]
    assert '{"备注":"坏' in chunks[1].problems[0]
    assert "多：1" in chunks[4].problems[0]


def test_truncated_json_array_keeps_what_came_before(tmp_path: Path) -> None:
    path = write(tmp_path, '[{"备注":"好"}, {"备注":"行"}, {"备注":"可', "a.json")
    assert [row[0] for row in records(path)] == ["好", "行", ""]
    assert "中断" in problems(path)[2]


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"编号": [1, 2], "备注": ["好", None], "日期": [datetime.date(2024, 11, 6)] * 2})
    frame["金额"] = [1.0, 2.5]
    frame.to_parquet(tmp_path / "a.parquet")
    assert records(tmp_path / "a.parquet") == [["1", "好", "2024-11-06", "1"], ["2", "", "2024-11-06", "2.5"]]


# --- refusals ---


def encrypted() -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1016) + "EncryptedPackage".encode("utf-16-le") + bytes(600)


def zipped(name: str) -> bytes:
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "备注\n好\n")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b" \r\n\n", "is empty"),
        ("a.csv", b"\xef\xbb\xbf", "is empty"),
        ("a.csv", "编号,备注\n", "no rows"),
        ("a.csv", "编号,备注\n,\n,\n", "no rows"),
        ("a.csv", bytes(range(256)) * 40, "binary"),
        ("a.xlsx", b"PK\x03\x04 not a zip", "damaged"),
        ("a.xlsx", "编号,备注\n1,好\n", "damaged"),
        ("a.xlsx", encrypted(), "password"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000), "damaged"),
        ("a.xls", b"<html><table><tr><td>1</td></tr></table></html>", "save it as .xlsx"),
        ("a.zip", zipped("a.pdf"), "holds no table"),
        ("a.zip", zipped("b.zip"), "another archive"),
        ("a.zip", zipped("../a.csv"), "leads out of it"),
        ("a.zip", zipped("/a.csv"), "leads out of it"),
        ("a.zip", zipped("x\\..\\..\\a.csv"), "leads out of it"),
        ("a.zip", zipped("C:a.csv"), "leads out of it"),
        ("a.zip", zipped("a.csv")[:-30], "damaged"),
        ("a.csv.gz", gzip.compress("备注\n好\n".encode())[:-9], "damaged or cut off"),
        ("a.pdf", b"%PDF-1.7", "expected one of csv"),
        ("a.json", "备注", "JSON object or array"),
        ("a.json", "[]", "no JSON object"),
        ("a.json", "[1, 2]", "no JSON object"),
        ("a.jsonl", "{}\n", "no JSON object"),
        ("a.parquet", b"PAR1 junk PAR1", "damaged"),
        ("a.parquet", b"junk", "damaged"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    path = write(tmp_path, content, name)
    with pytest.raises(TableError, match=message) as caught:
        list(read_table(path))
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)


def test_a_truncated_workbook(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [["备注"], ["好"]])
    whole = path.read_bytes()
    for length in range(100, len(whole) - 1, 400):
        path.write_bytes(whole[:length])
        with pytest.raises(TableError, match="damaged"):
            list(read_table(path))


def test_a_workbook_with_wrong_bytes_is_refused_or_whole(tmp_path: Path) -> None:
    rows: list[list[object]] = [["编号", "备注"], *[[number, "客户同意"] for number in range(30)]]
    path = workbook(tmp_path / "a.xlsx", rows)
    whole = path.read_bytes()
    for at in range(0, len(whole), 97):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            found = len(read(path))
        except TableError:
            found = 30
        assert found == 30


def test_a_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.table_workbooks.MAX_UNPACKED_BYTES", 1 << 20)
    path = workbook(tmp_path / "a.xlsx", [["备注"], ["好"]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/bomb.xml", bytes(1 << 22))
    with pytest.raises(TableError, match="unpacks to more than"):
        open_table(path)


def test_an_empty_or_header_only_workbook(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no filled sheet"):
        open_table(workbook(tmp_path / "a.xlsx", []))
    with pytest.raises(TableError, match="no rows"):
        open_table(workbook(tmp_path / "b.xlsx", [["编号", "备注"]]))


def test_a_folder_a_missing_file_and_a_sheet_of_a_csv(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="is a folder"):
        open_table(tmp_path)
    with pytest.raises(TableError, match="does not exist"):
        open_table(tmp_path / "无.csv")
    with pytest.raises(TableError, match="no sheets"):
        open_table(write(tmp_path, "备注\n好\n"), sheet="表")


def test_chunks_of_no_rows(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="chunk_rows is 0, expected at least 1"):
        open_table(write(tmp_path, "备注\n好\n"), chunk_rows=0)


def test_a_first_line_that_tells_the_delimiter(tmp_path: Path) -> None:
    path = write(tmp_path, "sep=|\r\n类目,甲|细述\r\n一,二|价格高,再谈\r\n")
    assert list(read(path).columns) == ["类目,甲", "细述"]
    assert records(path) == [["一,二", "价格高,再谈"]]


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(TableError, match=r"pip install 'visit-note-analyzer\[parquet\]'"):
        open_table(write(tmp_path, b"PAR1 PAR1", "a.parquet"))


# --- anything at all ---


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400), ending=st.sampled_from(["csv", "xlsx", "xls", "jsonl", "json", "parquet"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes, ending: str) -> None:
    path = write(tmp_path, data, f"a.{ending}")
    try:
        for frame in read_table(path):
            assert all(isinstance(cell, str) for cell in frame.to_numpy().ravel())
    except TableError:
        pass


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6), byte=st.integers(0, 255), encoding=st.sampled_from(["utf-8", "gb18030"]))
def test_one_wrong_byte_loses_no_row(tmp_path: Path, at: int, byte: int, encoding: str) -> None:
    rows = [["编号", "客户", "备注"], *[[f"{i:04}", "甲公司", "客户同意下周三试用"] for i in range(30)]]
    data = bytearray(delimited(rows).encode(encoding))
    start = len(data) // 3  # behind the header
    at = start + at % (len(data) - start)
    if data[at] in b"\n" or byte in b'\r\n"':
        return  # joins or splits lines, which is another matter
    data[at] = byte
    found = records(write(tmp_path, bytes(data)))
    assert len(found) == 30
    assert sum(row == right for row, right in zip(found, rows[1:], strict=True)) >= 29
