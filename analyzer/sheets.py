"""Small tables as an Excel workbook or a csv file: the checklist and the table of opportunities."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzer.results import Value
from analyzer.table_excel import excel_text
from analyzer.table_layout import guard_formula, replace_surrogates


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with a name; ``widths`` are Excel's, one a column."""

    name: str
    header: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    widths: tuple[int, ...]


def write_workbook(path: Path, sheets: Sequence[Sheet]) -> None:
    """Write ``sheets`` into a workbook. Every text is a text cell, none becomes a formula.

    Raises:
        OSError: the file cannot be written.
    """
    import xlsxwriter  # slow to import, needed for this format alone
    from xlsxwriter.exceptions import XlsxWriterException

    book = xlsxwriter.Workbook(str(path))
    book.set_properties({"created": datetime.datetime(2000, 1, 1)})  # the same input gives the same bytes
    head = book.add_format({"bold": True, "bg_color": "#D9E1F2", "valign": "vcenter", "border": 1})
    body = book.add_format({"valign": "top", "text_wrap": True})
    for sheet in sheets:
        page = book.add_worksheet(sheet.name)
        page.freeze_panes(1, 0)
        for column, (name, width) in enumerate(zip(sheet.header, sheet.widths, strict=True)):
            page.set_column(column, column, width)
            page.write_string(0, column, name, head)
        for number, row in enumerate(sheet.rows, start=1):
            for column, value in enumerate(row):
                if isinstance(value, str):
                    page.write_string(number, column, excel_text(value)[0], body)
                elif value is not None:
                    page.write_number(number, column, value, body)
        page.autofilter(0, 0, max(1, len(sheet.rows)), len(sheet.header) - 1)
    try:
        book.close()
    except XlsxWriterException as error:
        raise OSError(str(error)) from error


def write_csv(path: Path, sheet: Sheet) -> None:
    """Write ``sheet`` as csv in UTF-8 with BOM; no text becomes a formula."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(sheet.header)
        for row in sheet.rows:
            cells = (guard_formula(replace_surrogates(value)) if isinstance(value, str) else value for value in row)
            writer.writerow(cells)
