"""Makes the spoilt exports of ``tests/data/spoilt``, each with the table that a careful person reads in it.

    python scripts/make_spoilt.py [FOLDER]

``NAME.expected.json`` beside a file holds ``kind``, ``columns`` and ``rows``; a cell that nobody can know (its bytes
are broken) is null. The expected tables are written down here, not read back by any reader.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "data" / "spoilt"
Rows = list[list[Any]]

HEADER = ["编号", "客户名称", "销售人员", "拜访日期", "拜访内容"]
ROWS: Rows = [
    ["0012", "苏州恒远机械厂", "张三", "2024-11-06", "客户说价格偏高，下周三再谈；先发一份方案。"],
    ["0013", "NA", "李四", "2024-11-07", "样机试了三天，良率达标，今天把合同盖章回传了。"],
    ["0014", "宁波甬江阀门", "", "2024-11-07", "不需要我们的产品，已经和别家签了两年。"],
    ["0015", "镕𠮷精密", "王五", "2024-11-08", "王工嫌交期长，同意下周三来厂里看演示。"],
    ["0016", "绍兴印染二厂", "张三", "2024-11-11", "没见到人，前台说出差了，改天再去。"],
    ["0017", "嘉善木业", "李四", "2024-11-12", "问了售后多久到场，我说四小时，他点头。"],
]
QUOTED: Rows = [
    ["0012", "苏州恒远机械厂", "张三", "2024-11-06", '客户说"价格偏高", 下周三再谈'],
    ["0013", "NA", "李四", "2024-11-07", '他写的是"先试用, 后付款", 我同意了'],
    *ROWS[2:],
]
BROKEN_LINES: Rows = [
    ["0012", "苏州恒远机械厂", "张三", "2024-11-06", "客户说价格偏高\n下周三再谈；\n先发方案"],
    ["0013", "NA", "李四", "2024-11-07", "样机试了三天\n\n良率达标"],
    *ROWS[2:],
]

Entry = tuple[str, str, bytes, Sequence[str], Rows]
_FILES: list[Callable[[], list[Entry]]] = []


def text(rows: Rows, delimiter: str = ",", end: str = "\n", *, quote_all: bool = False, escape: bool = False) -> str:
    """Write rows as a well-kept exporter would."""

    def cell(value: str) -> str:
        if quote_all or any(mark in value for mark in (delimiter, '"', "\n", "\r")):
            return '"' + value.replace('"', '\\"' if escape else '""') + '"'
        return value

    return "".join(delimiter.join(map(cell, row)) + end for row in rows)


TABLE = [HEADER, *ROWS]


def encodings() -> list[Entry]:
    """Encodings, with and without byte order marks."""
    kind = "encoding"
    common = [[cell.replace("𠮷", "吉") for cell in row] for row in ROWS]
    traditional = [
        ["編號", "客戶名稱", "拜訪內容"],
        ["0012", "甲公司", "客戶說價格還要再談，這個月沒有預算，下週三再拜訪。"],
    ]
    out: list[Entry] = [
        (f"{codec}.csv", kind, text(TABLE).encode(codec), HEADER, ROWS)
        for codec in ("utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
    ]
    out.append(("utf-16-be-mark.csv", kind, b"\xfe\xff" + text(TABLE).encode("utf-16-be"), HEADER, ROWS))
    out.append(("gbk.csv", kind, text([HEADER, *common]).encode("gbk"), HEADER, common))
    out.append(("big5.csv", kind, text(traditional).encode("big5"), traditional[0], traditional[1:]))
    late = [[f"{number:04}", "ACME", "Bob", "2024-11-06", "no answer, call again"] for number in range(20)]
    out.append(
        (
            "ascii_first.csv",
            kind,
            text([HEADER, *late, *ROWS]).replace("编号", "id").encode("gb18030"),
            ["id", *HEADER[1:]],
            [*late, *ROWS],
        )
    )
    return out


def broken_bytes() -> list[Entry]:
    """Two encodings in one file, bytes that are no text."""
    kind = "mixed or broken bytes"
    lines = [text([row]) for row in TABLE]
    mixed = [line.encode("gb18030" if number in (2, 4) else "utf-8") for number, line in enumerate(lines)]
    other = [line.encode("utf-8" if number in (3, 5) else "gb18030") for number, line in enumerate(lines)]
    unknown = [list(row) for row in ROWS]
    unknown[1][4] = None
    bad = text(TABLE).encode().replace("样机试".encode(), "样".encode() + b"\xff\xfe" + "试".encode())
    bad_gb = text(TABLE).encode("gb18030").replace("样机试".encode("gb18030"), b"\xff\xff" + "试".encode("gb18030"))
    cut = [*ROWS[:-1], [*ROWS[-1][:4], None]]
    two = text([HEADER, *ROWS[:3]]).encode("utf-8-sig") + text(ROWS[3:]).encode("utf-8-sig")
    nul = text(TABLE).replace("客户说价格", "客户\0说价格").encode()
    return [
        ("utf8_with_gb_lines.csv", kind, b"".join(mixed), HEADER, ROWS),
        ("gb_with_utf8_lines.csv", kind, b"".join(other), HEADER, ROWS),
        ("broken_utf8.csv", kind, bad, HEADER, unknown),
        ("broken_gb18030.csv", kind, bad_gb, HEADER, unknown),
        ("cut_in_a_character.csv", kind, text(TABLE).encode().rstrip(b"\n")[:-1], HEADER, cut),
        ("two_files_joined_with_marks.csv", kind, two, HEADER, ROWS),
        ("nul_characters.csv", kind, nul, HEADER, ROWS),
        ("utf16_odd_byte.csv", kind, text(TABLE).encode("utf-16") + b"\n", HEADER, ROWS),
    ]


def delimiters() -> list[Entry]:
    """Delimiters, and endings that do not tell them."""
    kind = "delimiter"
    names = {";": "semicolon", "\t": "tab", "|": "bar", "，": "wide_comma"}
    out: list[Entry] = []
    for delimiter, name in names.items():
        out.append((f"{name}.csv", kind, text(TABLE, delimiter).encode(), HEADER, ROWS))
    out.append(("tab.txt", kind, text(TABLE, "\t").encode("gb18030"), HEADER, ROWS))
    out.append(("tab.tsv", kind, text(TABLE, "\t").encode(), HEADER, ROWS))
    out.append(("comma.tsv", kind, text(TABLE).encode(), HEADER, ROWS))
    out.append(("sep_line.csv", kind, ("sep=;\r\n" + text(TABLE, ";", "\r\n")).encode("utf-8-sig"), HEADER, ROWS))
    notes = [["跟进记录"], ["价格高,下次再谈"], ["不需要,谢谢;再见"], ["同意试用，下周送样"]]
    out.append(("one_column.csv", kind, ("\n".join(row[0] for row in notes) + "\n").encode(), notes[0], notes[1:]))
    out.append(("tab_named_xls.xls", kind, text(TABLE, "\t", "\r\n").encode("gb18030"), HEADER, ROWS))
    return out


def quotes() -> list[Entry]:
    """Quotes: doubled, escaped, stray, missing."""
    kind = "quotes"
    table = [HEADER, *QUOTED]
    path = [["0018", "甲", "张三", "2024-11-12", 'D:\\资料\\报价 的"最终版"发了, 他说看看']]
    escaped = text([HEADER, *QUOTED, *path], quote_all=True, escape=True)
    bare = text(TABLE).replace("客户说价格偏高", '客户说"价格"偏高')
    bare_rows = [[cell.replace("客户说价格偏高", '客户说"价格"偏高') for cell in row] for row in ROWS]
    single = [[*row[:4], f"'{row[4]}'"] for row in ROWS]
    stray = text(TABLE).replace(",样机试", ',"样机试')
    stray_rows = [[cell.replace("样机试", '"样机试') for cell in row] for row in ROWS]
    forced = "".join(",".join([f'="{row[0]}"', *row[1:]]) + "\n" for row in ROWS)
    return [
        ("doubled.csv", kind, text(table).encode(), HEADER, QUOTED),
        ("all_quoted.csv", kind, text(table, quote_all=True).encode("gb18030"), HEADER, QUOTED),
        ("escaped.csv", kind, text(table, escape=True).encode(), HEADER, QUOTED),
        ("escaped_with_paths.csv", kind, escaped.encode(), HEADER, [*QUOTED, *path]),
        ("bare.csv", kind, bare.encode(), HEADER, bare_rows),
        ("single.csv", kind, text([HEADER, *single]).encode(), HEADER, single),
        ("stray.csv", kind, stray.encode(), HEADER, stray_rows),
        ("text_forced.csv", kind, (text([HEADER]) + forced).encode("utf-8-sig"), HEADER, ROWS),
    ]


def lines() -> list[Entry]:
    """Line ends and line breaks inside cells."""
    kind = "line ends"
    table = [HEADER, *BROKEN_LINES]
    carried = [[cell.replace("\n", "\r\n") for cell in row] for row in BROKEN_LINES]
    parts = [
        text([row], end=end) for row, end in zip(TABLE, ["\r\n", "\n", "\r", "\r\n", "\n", "\r", "\n"], strict=True)
    ]
    return [
        ("breaks_in_cells.csv", kind, text(table).encode(), HEADER, BROKEN_LINES),
        ("crlf_breaks_in_cells.csv", kind, text([HEADER, *carried], end="\r\n").encode("gb18030"), HEADER, carried),
        ("cr.csv", kind, text(TABLE, end="\r").encode(), HEADER, ROWS),
        ("mixed.csv", kind, "".join(parts).encode(), HEADER, ROWS),
        ("trailing_lines.csv", kind, (text(TABLE, end="\r\n") + "\r\n\r\n,,,,\r\n\r\n").encode(), HEADER, ROWS),
        ("no_last_line_end.csv", kind, text(TABLE).rstrip("\n").encode(), HEADER, ROWS),
        ("empty_lines_between.csv", kind, text(TABLE, end="\n\n").encode(), HEADER, ROWS),
    ]


def headers() -> list[Entry]:
    """Title lines, headers of two lines, odd names."""
    kind = "header"
    title = "2024年11月拜访记录,,,,\n"
    notes = "导出人：张三,,,,\n注：标*的为必填项，请勿修改表头,,,,\n,,,,\n"
    wide = "部门,华东一区,导出人,张三,\n"
    upper = ["基本信息", "", "", "拜访情况", ""]
    merged = [["编号", "客户名称", "拜访情况", "", ""], ["", "", "销售人员", "拜访日期", "拜访内容"]]
    groups = [["编号", "计划", "", "实际", ""], ["", "日期", "内容", "日期", "内容"]]
    grouped = [[row[0], row[3], "上门拜访", row[3], row[4]] for row in ROWS]
    double = ["编号", "备注", "备注", "拜访日期", "拜访内容"]
    empty = ["编号", "", "销售人员", "", "拜访内容"]
    marked = ["*编号", " 客户名称 ", "销售人员(必填)", "拜访日期\n(年-月-日)", "拜访内容*"]
    nameless: Rows = [[row[1], row[3], "13800138000", row[4]] for row in ROWS]
    return [
        ("title.csv", kind, (title + text(TABLE)).encode("gb18030"), HEADER, ROWS),
        ("title_alone.csv", kind, ("2024年11月拜访记录\n\n" + text(TABLE)).encode(), HEADER, ROWS),
        ("title_and_notes.csv", kind, (title + notes + text(TABLE)).encode(), HEADER, ROWS),
        ("title_of_many_cells.csv", kind, (title + wide + text(TABLE)).encode(), HEADER, ROWS),
        ("groups_above.csv", kind, text([upper, *TABLE]).encode(), HEADER, ROWS),
        ("two_lines_merged.csv", kind, text([*merged, *ROWS]).encode(), HEADER, ROWS),
        (
            "two_lines_of_the_same_names.csv",
            kind,
            text([*groups, *grouped]).encode(),
            ["编号", "计划/日期", "计划/内容", "实际/日期", "实际/内容"],
            grouped,
        ),
        ("title_and_two_lines.csv", kind, (title + text([*merged, *ROWS])).encode("gb18030"), HEADER, ROWS),
        ("same_names.csv", kind, text([double, *ROWS]).encode(), ["编号", "备注", "备注 (2)", *double[3:]], ROWS),
        ("empty_names.csv", kind, text([empty, *ROWS]).encode(), ["编号", "列2", "销售人员", "列4", "拜访内容"], ROWS),
        ("marked_names.csv", kind, text([marked, *ROWS]).encode(), marked, ROWS),
        ("no_header.csv", kind, text(nameless).encode(), ["列1", "列2", "列3", "列4"], nameless),
    ]


def footers() -> list[Entry]:
    """What stands below a table."""
    kind = "footer"
    money = ["编号", "客户名称", "金额", "拜访日期", "拜访内容"]
    sums: Rows = [[*row[:2], str(1000 * number), *row[3:]] for number, row in enumerate(ROWS, start=1)]
    return [
        ("total.csv", kind, (text([money, *sums]) + "合计,,21000,,\n").encode(), money, sums),
        ("count.csv", kind, (text(TABLE) + "共6条记录\n").encode("gb18030"), HEADER, ROWS),
        ("export_time.csv", kind, (text(TABLE) + "\n导出时间：2024-11-30 18:00:00,,,,\n").encode(), HEADER, ROWS),
        (
            "several.csv",
            kind,
            (
                text([money, *sums]) + "合计,,21000,,\n,,,,\n制表人：张三,,,,审核人：李四\n"
                "导出时间：2024-11-30,,,,\n共 6 条，第 1 页/共 1 页\n\n"
            ).encode(),
            money,
            sums,
        ),
        ("total_of_rows.csv", kind, (text(TABLE) + "总计,6条,,,\n").encode(), HEADER, ROWS),
    ]


def blanks() -> list[Entry]:
    """Blank rows and columns."""
    kind = "blank rows and columns"
    left = [["", *row] for row in TABLE]
    middle = [[*row[:2], "", "", *row[2:]] for row in TABLE]
    right = [[*row, "", "", ""] for row in TABLE]
    gap: Rows = [*ROWS[:3], [""] * 5, *ROWS[3:]]
    return [
        ("left.csv", kind, text(left).encode(), HEADER, ROWS),
        ("middle.csv", kind, text(middle).encode("gb18030"), HEADER, ROWS),
        ("right.csv", kind, text(right).encode(), HEADER, ROWS),
        ("row_between.csv", kind, text([HEADER, *gap]).encode(), HEADER, gap),
        ("rows_above_and_below.csv", kind, (",,,,\n" * 3 + text(TABLE) + ",,,,\n" * 5).encode(), HEADER, ROWS),
    ]


def ragged() -> list[Entry]:
    """Rows with too few and too many cells."""
    kind = "ragged rows"
    short = [row[:3] if number == 2 else row for number, row in enumerate(TABLE)]
    filled: Rows = [[*row[:3], "", ""] if number == 1 else row for number, row in enumerate(ROWS)]
    commas = [[*row[:4], row[4].replace("，", ",")] for row in ROWS]
    unquoted = "".join(",".join(row) + "\n" for row in [HEADER, *commas])
    trailing = text([HEADER]) + "".join(text([row]).rstrip("\n") + ",\n" for row in ROWS)
    ends = "".join(text([row]).rstrip("\n").rstrip(",") + "\n" for row in [[*row[:4], ""] for row in ROWS])
    return [
        ("short.csv", kind, text(short).encode(), HEADER, filled),
        ("unquoted_commas.csv", kind, unquoted.encode(), HEADER, commas),
        ("trailing_delimiters.csv", kind, trailing.encode("gb18030"), HEADER, ROWS),
        ("empty_ends_cut.csv", kind, (text(TABLE) + ends).encode(), HEADER, [*ROWS, *([*r[:4], ""] for r in ROWS)]),
    ]


# --- workbooks ------------------------------------------------------------------------------------


def xlsx(sheets: dict[str, Rows], edit: Callable[[Any], None] | None = None) -> bytes:
    """Write sheets as xlsx; ``edit`` takes the openpyxl workbook."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append([None if cell == "" else cell for cell in row])
    if edit is not None:
        edit(book)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def xls(rows: Rows) -> bytes:
    """Write one sheet as xls."""
    import xlwt

    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("拜访记录")
    date = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            style = [date] if isinstance(value, datetime.date) else []
            if value != "":
                sheet.write(number, column, value, *style)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def ods(rows: Rows) -> bytes:
    """Write one sheet as ods, empty cells and blank rows as repeats, as LibreOffice does."""

    def cell(value: Any) -> str:
        if isinstance(value, datetime.date):
            return (
                f'<table:table-cell office:value-type="date" office:date-value="{value.isoformat()}">'
                f"<text:p>{value:%Y/%m/%d}</text:p></table:table-cell>"
            )
        if isinstance(value, (int, float)):
            return (
                f'<table:table-cell office:value-type="float" office:value="{value}">'
                f"<text:p>{value}</text:p></table:table-cell>"
            )
        if value == "":
            return "<table:table-cell/>"
        paragraphs = "".join(f"<text:p>{line}</text:p>" for line in value.split("\n"))
        return f'<table:table-cell office:value-type="string">{paragraphs}</table:table-cell>'

    space = "urn:oasis:names:tc:opendocument:xmlns"
    body = "".join(
        f'<table:table-row>{"".join(map(cell, row))}<table:table-cell table:number-columns-repeated="1000"/>'
        "</table:table-row>"
        for row in rows
    )
    end = (
        '<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="1024"/>'
        "</table:table-row>"
    )
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="{space}:office:1.0" '
        f'xmlns:table="{space}:table:1.0" xmlns:text="{space}:text:1.0"><office:body><office:spreadsheet>'
        f'<table:table table:name="拜访记录">{body}{end}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    return zipped(
        {
            "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": b"<manifest:manifest/>",
            "content.xml": content.encode(),
        }
    )


def zipped(members: dict[str, bytes]) -> bytes:
    """Pack members, always with the same time."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 11, 30, 12, 0, 0)), data)
    return target.getvalue()


def workbooks() -> list[Entry]:
    """Workbooks: types, titles, sheets."""
    kind = "workbook"
    dated = [[*row[:3], datetime.date.fromisoformat(row[3]), row[4]] for row in ROWS]
    serial = [
        [*row[:3], (datetime.date.fromisoformat(row[3]) - datetime.date(1899, 12, 30)).days, row[4]] for row in ROWS
    ]
    typed = ["编号", "电话", "金额", "拜访时间", "有效", "折扣", "拜访内容"]
    values: Rows = [
        [12, 13800138000, 1200.5, datetime.datetime(2024, 11, 6, 9, 30), True, 0.85, "=1+1 是他写的"],
        [13, "0571-88886666", 0.1 + 0.2, datetime.datetime(2024, 11, 7), False, 1, "样机试了三天\n良率达标"],
    ]
    shown = [
        ["12", "13800138000", "1200.5", "2024-11-06 09:30:00", "TRUE", "0.85", "=1+1 是他写的"],
        ["13", "0571-88886666", "0.3", "2024-11-07", "FALSE", "1", "样机试了三天\n良率达标"],
    ]
    cover: Rows = [["拜访记录导出说明"], ["本文件由系统生成"], ["请勿修改"]]
    customers: Rows = [["客户名称", "电话"], ["苏州恒远机械厂", "0512-1"], ["NA", "0571-2"]]

    def as_text(book: Any) -> None:
        for row in book.worksheets[0].iter_rows():
            for cell in row:
                if isinstance(cell.value, str):
                    cell.data_type = "s"

    def merge_title(book: Any) -> None:
        book.worksheets[0].merge_cells("A1:E1")

    def merge_header(book: Any) -> None:
        sheet = book.worksheets[0]
        for cells in ("A1:A2", "B1:B2", "C1:E1"):
            sheet.merge_cells(cells)

    def hide_first(book: Any) -> None:
        book.worksheets[0].sheet_state = "hidden"

    def formulas(book: Any) -> None:
        book.worksheets[0]["F2"] = "=1+1"

    def mac_dates(book: Any) -> None:
        from openpyxl.utils.datetime import CALENDAR_MAC_1904

        book.epoch = CALENDAR_MAC_1904

    merged = [["编号", "客户名称", "拜访情况", "", ""], ["", "", "销售人员", "拜访日期", "拜访内容"]]
    title = ["2024年11月拜访记录", "", "", "", ""]
    offset: Rows = [[], [], *([["", "", *row] for row in TABLE])]
    end: Rows = [["合计", "6条", "", "", ""], [], ["导出时间：2024-11-30", "", "", "", ""]]
    return [
        ("plain.xlsx", kind, xlsx({"拜访记录": TABLE}), HEADER, ROWS),
        ("types.xlsx", kind, xlsx({"拜访记录": [typed, *values]}, as_text), typed, shown),
        ("dates.xlsx", kind, xlsx({"拜访记录": [HEADER, *dated]}), HEADER, ROWS),
        ("dates_without_format.xlsx", kind, xlsx({"拜访记录": [HEADER, *serial]}), HEADER, ROWS),
        ("dates_from_1904.xlsx", kind, xlsx({"拜访记录": [HEADER, *dated]}, mac_dates), HEADER, ROWS),
        ("title_merged.xlsx", kind, xlsx({"拜访记录": [title, *TABLE]}, merge_title), HEADER, ROWS),
        ("two_lines_merged.xlsx", kind, xlsx({"拜访记录": [*merged, *ROWS]}, merge_header), HEADER, ROWS),
        ("offset.xlsx", kind, xlsx({"拜访记录": offset}), HEADER, ROWS),
        ("footer.xlsx", kind, xlsx({"拜访记录": [*TABLE, *end]}), HEADER, ROWS),
        ("cover_first.xlsx", kind, xlsx({"说明": cover, "拜访记录": TABLE}), HEADER, ROWS),
        ("customers_first.xlsx", kind, xlsx({"客户": customers, "拜访记录": TABLE}), HEADER, ROWS),
        ("hidden_first.xlsx", kind, xlsx({"旧": [HEADER, ROWS[0]], "拜访记录": TABLE}, hide_first), HEADER, ROWS),
        ("goes_on.xlsx", kind, xlsx({"第1页": TABLE[:4], "第2页": [HEADER, *TABLE[4:]]}), HEADER, ROWS),
        ("empty_first.xlsx", kind, xlsx({"Sheet1": [], "Sheet2": TABLE}), HEADER, ROWS),
        ("macro.xlsm", kind, xlsx({"拜访记录": [HEADER, *dated]}), HEADER, ROWS),
        ("old.xls", kind, xls([HEADER, *dated]), HEADER, ROWS),
        ("old_with_title.xls", kind, xls([title, *TABLE]), HEADER, ROWS),
        ("new_named_xls.xls", kind, xlsx({"拜访记录": TABLE}), HEADER, ROWS),
        ("open.ods", kind, ods([HEADER, *dated]), HEADER, ROWS),
        (
            "open_with_breaks.ods",
            kind,
            ods([HEADER, *BROKEN_LINES]),
            HEADER,
            [[*row[:4], row[4]] for row in BROKEN_LINES],
        ),
    ]


# --- JSON, Parquet, packed ------------------------------------------------------------------------


def objects(rows: Rows = ROWS) -> list[dict[str, Any]]:
    """Return rows as objects."""
    return [dict(zip(HEADER, row, strict=True)) for row in rows]


def dump(value: Any, indent: int | None = None) -> str:
    """Write JSON as text, not as escapes."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def json_files() -> list[Entry]:
    """JSON: lines, arrays, arrays inside an object."""
    kind = "json"
    every = objects()
    by_line = "".join(dump(one) + "\n" for one in every)
    missing = [{key: value for key, value in one.items() if value} for one in every]
    typed = [
        {**one, "金额": number, "标签": ["a", number], "有效": True, "备用": None} for number, one in enumerate(every)
    ]
    typed_rows = [[*row, str(number), f'["a", {number}]', "true", ""] for number, row in enumerate(ROWS)]
    return [
        ("lines.jsonl", kind, by_line.encode(), HEADER, ROWS),
        ("lines.ndjson", kind, by_line.replace("\n", "\r\n\r\n").encode("utf-8-sig"), HEADER, ROWS),
        ("lines_gb18030.jsonl", kind, by_line.encode("gb18030"), HEADER, ROWS),
        ("array.json", kind, dump(every).encode(), HEADER, ROWS),
        ("array_indented.json", kind, dump(every, 2).encode("utf-8-sig"), HEADER, ROWS),
        ("lines.json", kind, by_line.encode(), HEADER, ROWS),
        ("records.json", kind, dump({"RECORDS": every}, 1).encode(), HEADER, ROWS),
        ("answer.json", kind, dump({"code": 0, "msg": "ok", "data": every, "total": 6}).encode(), HEADER, ROWS),
        ("indented_objects.json", kind, "\n".join(dump(one, 2) for one in every).encode(), HEADER, ROWS),
        ("missing_keys.jsonl", kind, "".join(dump(one) + "\n" for one in missing).encode(), HEADER, ROWS),
        (
            "types.jsonl",
            kind,
            "".join(dump(one) + "\n" for one in typed).encode(),
            [*HEADER, "金额", "标签", "有效", "备用"],
            typed_rows,
        ),
        ("escapes.jsonl", kind, "".join(json.dumps(one) + "\n" for one in every).encode(), HEADER, ROWS),
    ]


def parquet_files() -> list[Entry]:
    """Parquet."""
    import pyarrow as pa
    from pyarrow import parquet

    def write(columns: dict[str, Any]) -> bytes:
        target = io.BytesIO()
        parquet.write_table(pa.table(columns), target)
        return target.getvalue()

    plain = dict(zip(HEADER, map(list, zip(*ROWS, strict=True)), strict=True))
    dated = {**plain, "拜访日期": [datetime.date.fromisoformat(day) for day in plain["拜访日期"]]}
    empty = {**dated, "销售人员": [name or None for name in plain["销售人员"]]}
    return [
        ("text.parquet", "parquet", write(plain), HEADER, ROWS),
        ("types.parquet", "parquet", write(empty), HEADER, ROWS),
    ]


def packed() -> list[Entry]:
    """Archives."""
    kind = "packed"
    data = text(TABLE).encode("gb18030")
    gbk_name = zipped({"XX.csv": data}).replace(b"XX.csv", "记.csv".encode("gbk") + b"")
    with_rest = {"__MACOSX/._导出.csv": b"\0\1", "导出/读我.pdf": b"%PDF", "导出/11月.csv": data}
    return [
        ("csv.gz", kind, gzip.compress(data, mtime=0), HEADER, ROWS),
        (
            "lines.jsonl.gz",
            kind,
            gzip.compress("".join(dump(one) + "\n" for one in objects()).encode(), mtime=0),
            HEADER,
            ROWS,
        ),
        ("csv.zip", kind, zipped({"导出.csv": data}), HEADER, ROWS),
        ("gbk_name.zip", kind, gbk_name, HEADER, ROWS),
        ("with_other_files.zip", kind, zipped(with_rest), HEADER, ROWS),
        ("workbook.zip", kind, zipped({"导出.xlsx": xlsx({"拜访记录": TABLE})}), HEADER, ROWS),
        (
            "parts.zip",
            kind,
            zipped({"1.csv": text(TABLE[:4]).encode(), "2.csv": text([HEADER, *ROWS[3:]]).encode("gb18030")}),
            HEADER,
            ROWS,
        ),
    ]


def combined() -> list[Entry]:
    """Several kinds at once, as they come in the field."""
    kind = "combined"
    title = "2024年11月拜访记录{0}\n导出人：张三{0}\n"
    escaped = text([HEADER, *QUOTED], ";", "\r\n", quote_all=True, escape=True)
    dated = [[*row[:3], datetime.date.fromisoformat(row[3]), row[4]] for row in ROWS]
    merged = [["编号", "客户名称", "拜访情况", "", ""], ["", "", "销售人员", "拜访日期", "拜访内容"]]
    book: Rows = [
        ["2024年11月拜访记录"],
        ["导出人：张三"],
        [],
        *merged,
        *dated,
        ["合计", "6条"],
        ["导出时间：2024-11-30"],
    ]
    old = text(TABLE, "\t", "\r\n")
    return [
        (
            "gb_title_footer.csv",
            kind,
            (title.format(",,,,") + text(TABLE, end="\r\n") + "共6条记录,,,,\r\n\r\n").encode("gb18030"),
            HEADER,
            ROWS,
        ),
        (
            "utf16_tab_breaks.txt",
            kind,
            (title.format("") + text([HEADER, *BROKEN_LINES], "\t", "\r\n")).encode("utf-16"),
            HEADER,
            BROKEN_LINES,
        ),
        (
            "semicolon_escaped_footer.csv",
            kind,
            (escaped + "导出时间：2024-11-30;;;;\r\n").encode("gb18030"),
            HEADER,
            QUOTED,
        ),
        (
            "wide_comma_gb_trailing.csv",
            kind,
            (
                text([HEADER, *[[*row[:4], row[4].replace("，", " ")] for row in ROWS]], "，", "\r\n") + "\r\n\r\n"
            ).encode("gb18030"),
            HEADER,
            [[*row[:4], row[4].replace("，", " ")] for row in ROWS],
        ),
        ("everything.xlsx", kind, xlsx({"说明": [["说明"]], "拜访记录": book}), HEADER, ROWS),
        (
            "blank_columns_two_lines.csv",
            kind,
            text([["", *row, ""] for row in [*merged, *ROWS]], end="\r").encode("gb18030"),
            HEADER,
            ROWS,
        ),
        (
            "zipped_tab_gb_title.zip",
            kind,
            zipped({"导出.xls": (title.format("") + old + "合计\t6条\t\t\t\r\n").encode("gb18030")}),
            HEADER,
            ROWS,
        ),
        (
            "mixed_bytes_ends_ragged.csv",
            kind,
            text([HEADER, *ROWS[:2]], end="\r\n").encode()
            + text(ROWS[2:4], end="\r").encode("gb18030")
            + text([ROWS[4][:4]]).encode()
            + text(ROWS[5:]).encode()
            + b"\n\n",
            HEADER,
            [*ROWS[:4], [*ROWS[4][:4], ""], *ROWS[5:]],
        ),
        (
            "quoted_title_bom.csv",
            kind,
            (
                '"11月拜访记录（华东,华北）","","","",""\r\n' + text([HEADER, *QUOTED], end="\r\n", quote_all=True)
            ).encode("utf-8-sig"),
            HEADER,
            QUOTED,
        ),
    ]


KINDS = (
    encodings,
    broken_bytes,
    delimiters,
    quotes,
    lines,
    headers,
    footers,
    blanks,
    ragged,
    workbooks,
    json_files,
    parquet_files,
    packed,
    combined,
)


def main() -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(description="Makes the spoilt exports and the tables expected of them.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder: Path = parser.parse_args().folder
    shutil.rmtree(folder, ignore_errors=True)
    count = 0
    for make in KINDS:
        for name, kind, data, columns, rows in make():
            place = folder / make.__name__
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
            expected = {"kind": kind, "columns": list(columns), "rows": rows}
            (place / f"{name}.expected.json").write_text(
                json.dumps(expected, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
            )
            count += 1
    print(f"{count} files in {folder}")


if __name__ == "__main__":
    main()
