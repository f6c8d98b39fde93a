"""Writes a plain list of rows as .csv or .xlsx: for reports that are no results file."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Sequence
from pathlib import Path

from analyzer.errors import OutputError, TableError
from analyzer.results import Value
from analyzer.table_excel import excel_text
from analyzer.table_layout import guard_formula, replace_surrogates

_MOST_WIDTH = 60


def check_list_output(path: Path) -> None:
    """Refuse a name that cannot work, before the work.

    Raises:
        OutputError: the name does not end in .csv or .xlsx.
        TableError: the folder is missing.
    """
    if path.suffix.lower() not in (".csv", ".xlsx") or path.is_dir():
        raise OutputError(f"the output {path} is no .csv or .xlsx file; expected a name with one of these endings")
    if not path.resolve().parent.is_dir():
        raise TableError(f"the folder {path.resolve().parent} does not exist; create it or name another with -o")


def write_list(path: Path, header: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
    """Write ``rows`` under ``header``. Text never becomes a formula; the same rows give the same bytes.

    Args:
        path: a .csv or .xlsx file.
        header: names of the columns.
        rows: cells; a float is a share.

    Raises:
        TableError: the file cannot be written.
    """
    try:
        if path.suffix.lower() == ".csv":
            with path.open("w", encoding="utf-8-sig", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(header)
                writer.writerows([_csv_cell(value) for value in row] for row in rows)
        else:
            _write_workbook(path, header, rows)
    except OSError as error:
        raise TableError(
            f"{path} cannot be written ({error.strerror or error}); close the file where it is open"
        ) from error


def _csv_cell(value: Value) -> Value:
    return replace_surrogates(guard_formula(value)) if isinstance(value, str) else value


def _write_workbook(path: Path, header: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
    import xlsxwriter  # slow to import
    from xlsxwriter.exceptions import XlsxWriterException

    with path.open("wb") as file:
        book = xlsxwriter.Workbook(file, {"in_memory": True})
        book.set_properties({"created": datetime.datetime(2000, 1, 1)})
        head = book.add_format({"bold": True, "bg_color": "#D9E1F2", "border": 1})
        plain = book.add_format({"valign": "top", "text_wrap": True})
        share = book.add_format({"valign": "top", "num_format": "0%"})
        sheet = book.add_worksheet()
        for column, name in enumerate(header):
            longest = max((len(str(row[column] or "")) for row in rows), default=0)
            sheet.set_column(column, column, min(_MOST_WIDTH, max(10, 2 * len(name), longest)))
            sheet.write_string(0, column, name, head)
        for number, row in enumerate(rows, 1):
            for column, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(number, column, excel_text(value)[0], plain)
                elif value is not None:
                    sheet.write_number(number, column, value, share if isinstance(value, float) else plain)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, max(1, len(rows)), len(header) - 1)
        try:
            book.close()
        except XlsxWriterException as error:
            raise OSError(str(error)) from error
