"""Rows as bytes for the writer of each format: the costly part of writing, which workers do.

Text never becomes a formula. In xlsx every text is a string cell. In csv a cell that a spreadsheet would run gets a
leading apostrophe; plain numbers such as ``-5`` or ``+86 138 0013 8000`` stay as they are. jsonl and parquet hold
every text unchanged.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from analyzer.errors import TableError
from analyzer.results import RESULT_TYPES, Value, free_name
from analyzer.table_excel import SHEET_END, SheetRows, checklist_styles, excel_text, row_styles
from analyzer.table_layout import (
    FORMULA_START,
    HALF_CHARACTER,
    SURROGATE,
    Layout,
    ResultRows,
    RowFormat,
    add_problem,
    guard_formula,
    replace_surrogates,
)

_CELL_END = "\x1f"
# A cell that must be changed before it stands in a csv file: most rows have none and are written as they are.
_STARTS = "".join(map(re.escape, ("'", *FORMULA_START)))
_UNSAFE_IN_CSV = re.compile(f"(?:^|{_CELL_END})[{_STARTS}]|[\ud800-\udfff\0]")


def row_format(ending: str, layout: Layout) -> RowFormat:
    """Return the format for a file ending such as ``.csv``.

    Raises:
        TableError: The format needs a package that is not installed.
    """
    if ending == ".xlsx":
        return XlsxRows(layout)
    if ending == ".csv":
        return CsvRows()
    if ending == ".parquet":
        return ParquetRows(parquet_schema(layout), len(layout.columns), layout.arrow_schema is not None)
    return JsonRows(layout.columns, layout.result_columns[-1])


@dataclass(frozen=True, slots=True)
class CsvRows:
    """Comma-separated lines in UTF-8."""

    takes_originals: ClassVar[bool] = False
    takes_batches: ClassVar[bool] = False

    def encode(self, rows: ResultRows) -> bytes:
        """Return one line a row."""
        out = io.StringIO()
        writer = csv.writer(out)
        for cells, given in zip(rows.cells, rows.results, strict=True):
            results = given
            if SURROGATE.search("".join(cells)):
                results = add_problem(results, HALF_CHARACTER)
            writer.writerow(safe_csv_row((*cells, *results)))
        return out.getvalue().encode("utf-8")


def safe_csv_row(values: Sequence[Value]) -> Sequence[Value]:
    r"""Return the cells of a row so that no spreadsheet runs one and every one can be written.

    >>> safe_csv_row(("=1+1", "-5", 0.5, "a\ud83d"))
    ["'=1+1", '-5', 0.5, 'a�']
    """
    joined = _CELL_END.join([value for value in values if isinstance(value, str)])
    if not _UNSAFE_IN_CSV.search(joined):
        return values
    return [
        replace_surrogates(guard_formula(value)).replace("\0", "") if isinstance(value, str) else value
        for value in values
    ]


class JsonRows:
    """JSON Lines: the row as it came, with ``analysis`` beside it."""

    takes_originals: ClassVar[bool] = True
    takes_batches: ClassVar[bool] = False

    def __init__(self, columns: tuple[str, ...], problem_column: str) -> None:
        self._columns = columns
        self._key = free_name("analysis", columns)
        self._problem_key = problem_column

    def encode(self, rows: ResultRows) -> bytes:
        """Return one object a line."""
        lines = []
        for index, (analysis, results) in enumerate(zip(rows.analyses, rows.results, strict=True)):
            if rows.originals is None:
                row: dict[str, Any] = dict(zip(self._columns, rows.cells[index], strict=True))
            else:
                row = dict(rows.originals[index] or {})
            row[free_name(self._key, row)] = analysis.to_dict() if analysis else None
            if results[-1]:
                row[free_name(self._problem_key, row)] = results[-1]
            lines.append(_json_line(row))
        return "".join(lines).encode("utf-8")


def _json_line(row: dict[str, Any]) -> str:
    try:
        line = json.dumps(row, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        line = json.dumps(_without_nan(row), ensure_ascii=False, default=str)
    # Half a surrogate pair has no UTF-8, but an escape.
    return f"{json.dumps(json.loads(line)) if SURROGATE.search(line) else line}\n"


def _without_nan(value: Any) -> Any:
    """Replace the numbers that JSON cannot write."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return [_without_nan(item) for item in value] if isinstance(value, list) else value


class XlsxRows:
    """The XML of the rows' sheet and of the checklist's, every text as an Excel cell can hold it."""

    takes_originals: ClassVar[bool] = False
    takes_batches: ClassVar[bool] = False

    def __init__(self, layout: Layout) -> None:
        self._columns = layout.columns
        self._rows = SheetRows(row_styles(layout))
        self._checklist = SheetRows(checklist_styles(layout))

    def encode(self, rows: ResultRows) -> bytes:
        """Return the rows of both sheets."""
        shown: list[list[Value]] = []
        for cells, given in zip(rows.cells, rows.results, strict=True):
            texts, results = [], given
            for column, cell in enumerate(cells):
                text, problem = excel_text(cell) if cell else ("", "")
                if problem:
                    results = add_problem(results, f"“{self._columns[column]}”{problem}")
                texts.append(text)
            shown.append([*texts, *map(_fit, results)])
        checklist = self._checklist.encode([list(map(_fit, row)) for row in rows.checklist])
        return f"{self._rows.encode(shown)}{SHEET_END}{checklist}".encode()


def _fit(value: Value) -> Value:
    return excel_text(value)[0] if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """Record batches, one Arrow stream a chunk.

    Attributes:
        schema: The columns of the file and the result columns.
        width: How many columns the file has.
        typed: Whether they keep the types they had; else they are text.
    """

    takes_originals: ClassVar[bool] = False
    takes_batches: ClassVar[bool] = True
    schema: Any
    width: int
    typed: bool

    def encode(self, rows: ResultRows) -> bytes:
        """Return the rows as one record batch."""
        import pyarrow as pa

        results = [
            add_problem(given, HALF_CHARACTER if SURROGATE.search("".join(cells)) else "")
            for cells, given in zip(rows.cells, rows.results, strict=True)
        ]
        if self.typed:
            kept = list(rows.batch.columns)
        else:
            kept = [self._array(index, values) for index, values in enumerate(zip(*rows.cells, strict=True))]
        added = [self._array(self.width + index, values) for index, values in enumerate(zip(*results, strict=True))]
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.schema) as stream:
            stream.write_batch(pa.record_batch([*kept, *added], schema=self.schema))
        encoded: bytes = sink.getvalue().to_pybytes()
        return encoded

    def _array(self, index: int, values: Sequence[Value]) -> Any:
        import pyarrow as pa

        texts = [replace_surrogates(value) if isinstance(value, str) else value for value in values]
        return pa.array(texts, type=self.schema.field(index).type)


def parquet_schema(layout: Layout) -> Any:
    """Return the Arrow schema of the results file: the columns as they were, and the result columns.

    Raises:
        TableError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # optional
    except ImportError as error:
        raise TableError(
            "writing Parquet needs pyarrow, which is not installed; pip install 'visit-note-analyzer[parquet]'"
        ) from error
    kept = (
        [field.with_name(name) for field, name in zip(layout.arrow_schema, layout.columns, strict=True)]
        if layout.arrow_schema is not None
        else [pa.field(name, pa.string()) for name in layout.columns]
    )
    types = {float: pa.float64(), int: pa.int64(), str: pa.string()}
    added = [pa.field(name, types[kind]) for name, kind in zip(layout.result_columns, RESULT_TYPES, strict=True)]
    return pa.schema([*kept, *added])
