"""Writes the results workbook row by row, in constant memory."""

from __future__ import annotations

import contextlib
import datetime
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analyzer.errors import TableError
from analyzer.records import Outcome
from analyzer.results import Block, Value
from analyzer.table_layout import HALF_CHARACTER, SURROGATE, Layout, display_width, replace_surrogates, runs_as_formula

# What XML 1.0 forbids; Excel calls a file with one of these damaged.
_ILLEGAL_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
_EXCEL_ESCAPE = re.compile("_x[0-9A-Fa-f]{4}_")
_SPECIAL_IN_XML = re.compile("[&<>\n]|_x[0-9A-Fa-f]{4}_")

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
_LOOKS: dict[str, dict[str, object]] = {
    "header": {"bold": True, "bg_color": "#D9E1F2", "valign": "vcenter", "border": 1},
    "title": {"bold": True, "font_size": 13},
    "text": {"valign": "top"},
    "wrap": {"valign": "top", "text_wrap": True},
    "percent": {"valign": "top", "num_format": "0%"},
    "review": {"valign": "top", "bg_color": "#FFD966"},
    **{label: {"valign": "top", "bg_color": color} for label, color in _COLORS.items()},
}
_STYLES = tuple(_LOOKS)
_Formats = dict[str, tuple[Any, Any]]
_ROW = b"\0"
"""Stands for the row's number in the XML of a row until it is written."""
_MAY_RUN = frozenset("=+-@\t\r\n＝＋－＠")
_RESULT_WIDTHS = (10, 8, 8, 42, 50, 8, 32, 12, 12, 28)
_NOTE_WIDTH, _MAX_WIDTH = 60, 36
SHEET_END = b"\x01"
"""Stands between the rows and the checklist; neither can hold it."""


def excel_text(text: str) -> tuple[str, str]:
    r"""Return the text as an Excel cell can hold it, and what had to be changed.

    >>> excel_text("价格\x07偏高")
    ('价格偏高', '含控制字符，已删去')
    """
    if len(text) <= CELL_UNITS // 2 and not _UNFIT.search(text):
        return text, ""
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


def excel_cells(values: Sequence[Value]) -> tuple[Sequence[Value], dict[int, str]]:
    r"""Return the cells of a column as Excel can hold them, and what had to be changed, by their places.

    >>> excel_cells(("价格", 0.5, "偏\x07高", None))
    (['价格', 0.5, '偏高', None], {2: '含控制字符，已删去'})
    """
    texts = [value for value in set(values) if isinstance(value, str)]
    if max(map(len, texts), default=0) <= CELL_UNITS // 2 and not _UNFIT.search("".join(texts)):
        return values, {}
    fitted = [excel_text(value) if isinstance(value, str) else (value, "") for value in values]
    return [value for value, _ in fitted], {place: problem for place, (_, problem) in enumerate(fitted) if problem}


def cell_xml(text: str) -> str:
    """Return the text of a cell as XML holds it; Excel reads ``_x4E00_`` as a character, so that is escaped too.

    It holds no line break, so that lines can be told apart.

    >>> cell_xml("a<b & _x4E00_")
    'a&lt;b &amp; _x005F_x4E00_'
    """
    if not _SPECIAL_IN_XML.search(text):
        return text
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "&#10;")
    return _EXCEL_ESCAPE.sub(r"_x005F\g<0>", text)


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
        self._formats: _Formats = {}
        for name, look in _LOOKS.items():
            # The second one is Excel's own mark of a text that begins like a formula: it stays text when edited.
            pair = self._book.add_format(look), self._book.add_format({**look, "quote_prefix": True})
            # The rows come with these numbers in them.
            assert [one._get_xf_index() for one in pair] == [style_number(name), style_number(name, quoted=True)]
            self._formats[name] = pair
        widths = [
            _NOTE_WIDTH if name == layout.note_column else min(_MAX_WIDTH, max(9, display_width(name) + 4, shown))
            for name, shown in zip(layout.columns, layout.widths, strict=True)
        ]
        self._rows = _Sheet(self._book, ROWS_SHEET, self._header, [*widths, *_RESULT_WIDTHS], formats=self._formats)
        identity = len(layout.checklist_columns) - 6
        self._checklist = _Sheet(
            self._book,
            CHECKLIST_SHEET,
            layout.checklist_columns,
            [8, *[20] * (identity - 1), 44, 12, 10, 10, 44, 12],
            formats=self._formats,
        )
        self._summary = self._book.add_worksheet(SUMMARY_SHEET)

    def write(self, encoded: bytes) -> None:
        """Write some rows and their checklist, as `row_formats.XlsxRows` encodes them."""
        rows, checklist = encoded.split(SHEET_END)
        self._rows.append(rows)
        self._checklist.append(checklist)

    def finish(self, blocks: Sequence[Block]) -> None:
        """Write the summary and complete the workbook."""
        from xlsxwriter.exceptions import XlsxWriterException

        sheet, formats, row = self._summary, self._formats, 0
        sheet.set_column(0, 0, 34)
        sheet.set_column(1, 12, 12)
        for block in blocks:
            sheet.write_string(row, 0, block.title, formats["title"][0])
            for column, name in enumerate(block.header):
                _write_text(sheet, row + 1, column, name, formats["header"])
            for at, values in enumerate(block.rows, start=row + 2):
                for column, value in enumerate(values):
                    if isinstance(value, str):
                        _write_text(sheet, at, column, value, formats["text"])
                    elif value is not None:
                        style = "percent" if isinstance(value, float) else "text"
                        sheet.write_number(at, column, value, formats[style][0])
            row += len(block.rows) + 3
        for data in (self._rows, self._checklist):
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
        *,
        formats: _Formats,
    ) -> None:
        self._book, self._name, self._header = book, name, header
        self._widths, self._formats = widths, formats
        self._sheets = 0
        self._open()

    def _open(self) -> None:
        self._sheets += 1
        from analyzer.excel_sheet import RowsSheet

        name = self._name if self._sheets == 1 else f"{self._name} {self._sheets}"
        self._sheet = self._book.add_worksheet(name, worksheet_class=RowsSheet)
        for column, width in enumerate(self._widths):
            self._sheet.set_column(column, column, width)
        self._sheet.freeze_panes(1, 0)
        for column, name in enumerate(self._header):
            _write_text(self._sheet, 0, column, name, self._formats["header"])
        self._sheet._write_single_row(1)  # the header goes into the file before the rows
        self._next = 1

    def append(self, encoded: bytes) -> None:
        """Write rows as `SheetRows` encodes them."""
        rows = encoded.split(b"\n") if encoded else []
        done = 0
        while done < len(rows):
            if self._next >= SHEET_ROWS:
                self.finish()
                self._open()
            part = rows[done : done + SHEET_ROWS - self._next]
            numbered = enumerate(part, start=self._next + 1)
            self._sheet.append(b"".join([row.replace(_ROW, b"%d" % number) for number, row in numbered]))
            done += len(part)
            self._next += len(part)

    def finish(self) -> None:
        """Complete the last sheet."""
        last = max(1, self._next - 1)
        self._sheet.dim_rowmax = last  # it has not seen the rows
        self._sheet.autofilter(0, 0, last, len(self._header) - 1)


class SheetRows:
    """Turns rows of a sheet into XML, a line a row, with a sign in the place of the row's number.

    It can be pickled: this is the costly part of writing, which workers do.

    Args:
        styles: The look of each column.
    """

    def __init__(self, styles: Sequence[str]) -> None:
        self._columns = [_Column(_column_letters(index), style) for index, style in enumerate(styles)]

    def encode(self, columns: Sequence[Sequence[Value]]) -> bytes:
        """Return the rows that the columns hold; their texts must fit a cell. No columns at all are no rows."""
        cells = [column.cells(values) for column, values in zip(self._columns, columns, strict=bool(columns))]
        row = _ROW.decode()
        return "\n".join([f'<row r="{row}">{"".join(texts)}</row>' for texts in zip(*cells, strict=True)]).encode()


class _Column:
    """Turns the values of a column into cells."""

    def __init__(self, letters: str, style: str) -> None:
        place = f'<c r="{letters}{_ROW.decode()}" s="'
        text = 't="inlineStr"><is><t'
        plain = "text" if style == "outcome" else style
        self._outcomes = (
            {name: f'{place}{style_number(name)}" {text}' for name in _COLORS} if style == "outcome" else {}
        )
        self._text = f'{place}{style_number(plain)}" {text}'
        self._quoted = f'{place}{style_number(plain, quoted=True)}" {text}'
        self._number = f'{place}{style_number("text")}"><v>'
        self._share = f'{place}{style_number("percent")}"><v>'

    def cells(self, values: Sequence[Value]) -> list[str]:
        """Return the cells of some rows as XML: equal ones, of which most columns have many, are made once."""
        known: dict[Value, str] = {None: "", "": ""}
        for value in set(values).difference(known):
            assert value is not None
            known[value] = self._cell(value)
        return [known[value] for value in values]

    def _cell(self, value: str | float) -> str:
        if isinstance(value, str):
            if value[0] in _MAY_RUN and runs_as_formula(value):
                start = self._quoted
            else:
                start = self._outcomes.get(value, self._text) if self._outcomes else self._text
            # Spaces at the ends, and only these, are dropped by readers of XML unless told otherwise.
            kept = ' xml:space="preserve">' if value[0].isspace() or value[-1].isspace() else ">"
            return f"{start}{kept}{cell_xml(value)}</t></is></c>"
        return f"{self._share if isinstance(value, float) else self._number}{value:.16G}</v></c>"


def style_number(name: str, *, quoted: bool = False) -> int:
    """Return the number under which the workbook knows a look, and the same look with Excel's mark of a text."""
    return 1 + 2 * _STYLES.index(name) + quoted


def row_styles(layout: Layout) -> list[str]:
    """Return the looks of the columns of the rows' sheet."""
    kept = [
        "wrap" if name == layout.note_column or shown > _MAX_WIDTH else "text"
        for name, shown in zip(layout.columns, layout.widths, strict=True)
    ]
    return [*kept, "outcome", "percent", "review", "wrap", "wrap", "text", "wrap", "text", "text", "wrap"]


def checklist_styles(layout: Layout) -> list[str]:
    """Return the looks of the columns of the checklist's sheet."""
    identity = len(layout.checklist_columns) - 6
    return [*["text"] * identity, "wrap", "text", "percent", "text", "wrap", "outcome"]


def _column_letters(index: int) -> str:
    """Return the name of a column.

    >>> [_column_letters(index) for index in (0, 25, 26, 701, 702, 16383)]
    ['A', 'Z', 'AA', 'ZZ', 'AAA', 'XFD']
    """
    letters = ""
    while index >= 0:
        letters, index = chr(ord("A") + index % 26) + letters, index // 26 - 1
    return letters


def _write_text(sheet: Any, row: int, column: int, value: str, form: tuple[Any, Any]) -> None:
    text = excel_text(value)[0]
    sheet.write_string(row, column, text, form[runs_as_formula(text)])
