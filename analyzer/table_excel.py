"""Writes the results workbook row by row, in constant memory."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analyzer.errors import TableError
from analyzer.records import Outcome
from analyzer.results import Block, Value
from analyzer.table_layout import HALF_CHARACTER, SURROGATE, Layout, replace_surrogates

# What XML 1.0 forbids; Excel calls a file with one of these damaged.
_ILLEGAL_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

SHEET_ROWS = 1_048_576
SHEET_COLUMNS = 16_384
CELL_UNITS = 32_767
"""UTF-16 units that an Excel cell holds."""

ROWS_SHEET, CHECKLIST_SHEET, SUMMARY_SHEET = "拜访记录", "检核表", "汇总"
_COLORS = {
    Outcome.ORDER.label: "#A9D18E",
    Outcome.ADVANCE.label: "#E2F0D9",
    Outcome.CONTINUATION.label: "#FFF2CC",
    Outcome.NO_SALE.label: "#F8CBAD",
}
_RESULT_WIDTHS = (10, 8, 8, 42, 50, 8, 32, 12, 12, 28)
_NOTE_WIDTH = 60


def excel_text(text: str) -> tuple[str, str]:
    r"""Return the text as an Excel cell can hold it, and what had to be changed.

    >>> excel_text("价格\x07偏高")
    ('价格偏高', '含控制字符，已删去')
    """
    problem = ""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")  # Excel shows a CR as _x000D_
    if SURROGATE.search(text):
        text, problem = replace_surrogates(text), HALF_CHARACTER
    if _ILLEGAL_IN_XML.search(text):
        text, problem = _ILLEGAL_IN_XML.sub("", text), "含控制字符，已删去"
    if len(text) > CELL_UNITS // 2 and len(text.encode("utf-16-le")) // 2 > CELL_UNITS:
        mark = f"…（已截断，全文 {len(text)} 字）"
        room = (CELL_UNITS - len(mark)) * 2
        text = text.encode("utf-16-le")[:room].decode("utf-16-le", "ignore") + mark
        problem = "内容超出 Excel 单元格上限，已截断"
    return text, problem


class XlsxWriter:
    """Writes the rows, the checklist and the summary as sheets of one workbook."""

    def __init__(self, path: Path, layout: Layout) -> None:
        import xlsxwriter  # slow to import, needed for this format alone

        self._header = (*layout.columns, *layout.result_columns)
        if len(self._header) > SHEET_COLUMNS:
            raise TableError(
                f"{len(self._header)} columns do not fit an Excel sheet, expected at most {SHEET_COLUMNS}; "
                "name a .csv output with -o"
            )
        self._layout = layout
        self._folder = tempfile.TemporaryDirectory(prefix="visit-notes-")
        options = {"constant_memory": True, "tmpdir": self._folder.name}
        self._book = xlsxwriter.Workbook(str(path), options)
        self._book.use_zip64()
        # The same input gives the same bytes.
        self._book.set_properties({"created": datetime.datetime(2000, 1, 1)})
        self._formats = {
            "header": self._book.add_format({"bold": True, "bg_color": "#D9E1F2", "valign": "vcenter", "border": 1}),
            "title": self._book.add_format({"bold": True, "font_size": 13}),
            "text": self._book.add_format({"valign": "top"}),
            "wrap": self._book.add_format({"valign": "top", "text_wrap": True}),
            "percent": self._book.add_format({"valign": "top", "num_format": "0%"}),
            "review": self._book.add_format({"valign": "top", "bg_color": "#FFD966"}),
        }
        for label, color in _COLORS.items():
            self._formats[label] = self._book.add_format({"valign": "top", "bg_color": color})
        self._rows: _Sheet | None = None
        self._checklist: _Sheet | None = None
        self._summary: Any = None

    def write(self, encoded: bytes) -> None:
        """Write some rows and their checklist."""
        rows, checklist = json.loads(encoded)
        if self._rows is None:
            self._start(rows)
        assert self._rows is not None
        for row in rows:
            self._rows.append(row)
        assert self._checklist is not None
        for row in checklist:
            self._checklist.append(row)

    def _start(self, rows: Sequence[Sequence[Any]]) -> None:
        layout = self._layout
        widths: list[float] = []
        styles: list[str] = []
        for index, name in enumerate(layout.columns):
            if name == layout.note_column:
                widths.append(_NOTE_WIDTH)
                styles.append("wrap")
                continue
            shown = [_display_width(cells[index]) for cells in rows[:200]]
            widths.append(min(36, max(9, _display_width(name) + 4, *shown)))
            styles.append("wrap" if max(shown, default=0) > 36 else "text")
        styles += ["outcome", "percent", "review", "wrap", "wrap", "text", "wrap", "text", "text", "wrap"]
        self._rows = _Sheet(
            self._book, ROWS_SHEET, self._header, [*widths, *_RESULT_WIDTHS], styles, formats=self._formats
        )
        identity = len(layout.checklist_columns) - 6
        self._checklist = _Sheet(
            self._book,
            CHECKLIST_SHEET,
            layout.checklist_columns,
            [8, *[20] * (identity - 1), 44, 12, 10, 10, 44, 12],
            ["text", *["text"] * (identity - 1), "wrap", "text", "percent", "text", "wrap", "outcome"],
            formats=self._formats,
        )
        self._summary = self._book.add_worksheet(SUMMARY_SHEET)

    def finish(self, blocks: Sequence[Block]) -> None:
        """Write the summary and complete the workbook."""
        from xlsxwriter.exceptions import XlsxWriterException

        sheet, formats, row = self._summary, self._formats, 0
        sheet.set_column(0, 0, 34)
        sheet.set_column(1, 12, 12)
        for block in blocks:
            sheet.write_string(row, 0, block.title, formats["title"])
            for column, name in enumerate(block.header):
                sheet.write_string(row + 1, column, name, formats["header"])
            for at, values in enumerate(block.rows, start=row + 2):
                for column, value in enumerate(values):
                    _write_cell(
                        sheet,
                        at,
                        column,
                        excel_text(value)[0] if isinstance(value, str) else value,
                        formats=formats,
                    )
            row += len(block.rows) + 3
        for data in (self._rows, self._checklist):
            if data is not None:
                data.finish()
        try:
            self._book.close()
        except XlsxWriterException as error:
            raise OSError(str(error)) from error
        self._folder.cleanup()

    def abandon(self) -> None:
        """Close what is open and remove the temporary files."""
        self._book.fileclosed = True  # else its destructor would write the file after all
        for sheet in self._book.worksheets():
            with contextlib.suppress(Exception):
                sheet.row_data_fh.close()
        with contextlib.suppress(OSError):
            self._folder.cleanup()


class _Sheet:
    """A table that goes on in further sheets when one is full."""

    def __init__(
        self,
        book: Any,
        name: str,
        header: Sequence[str],
        widths: Sequence[float],
        styles: Sequence[str],
        *,
        formats: dict[str, Any],
    ) -> None:
        self._book, self._name, self._header = book, name, header
        self._widths, self._styles, self._formats = widths, styles, formats
        self._sheets = 0
        self._open()

    def _open(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_worksheet(self._name if self._sheets == 1 else f"{self._name} {self._sheets}")
        for column, width in enumerate(self._widths):
            self._sheet.set_column(column, column, width)
        self._sheet.freeze_panes(1, 0)
        for column, name in enumerate(self._header):
            self._sheet.write_string(0, column, excel_text(name)[0], self._formats["header"])
        self._next = 1

    def append(self, values: Sequence[Value]) -> None:
        if self._next >= SHEET_ROWS:
            self.finish()
            self._open()
        for column, value in enumerate(values):
            _write_cell(self._sheet, self._next, column, value, formats=self._formats, style=self._styles[column])
        self._next += 1

    def finish(self) -> None:
        self._sheet.autofilter(0, 0, max(1, self._next - 1), len(self._header) - 1)


def _write_cell(
    sheet: Any, row: int, column: int, value: Value, *, formats: dict[str, Any], style: str = "text"
) -> None:
    if value is None or value == "":
        return
    if isinstance(value, str):
        if style == "outcome":
            style = value if value in formats else "text"
        sheet.write_string(row, column, value, formats[style])
    elif isinstance(value, float):
        sheet.write_number(row, column, value, formats["percent"])
    else:
        sheet.write_number(row, column, value, formats["text"])


def _display_width(text: str) -> int:
    """Return the columns that the longest line takes; a Chinese character takes two."""
    lines = text.splitlines()[:20] or [""]
    return max(sum(2 if char > "\u2e7f" else 1 for char in line[:100]) for line in lines) + 1
