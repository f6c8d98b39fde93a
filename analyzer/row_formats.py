"""Rows as bytes for the writer of each format: the costly part of writing, which workers do.

Text never becomes a formula. In xlsx every text is a string cell. In csv a cell that a spreadsheet would run gets a
leading apostrophe; plain numbers such as ``-5`` or ``+86 138 0013 8000`` stay as they are. jsonl and parquet hold
every text unchanged.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from analyzer.errors import TableError
from analyzer.results import RESULT_TYPES, Value, free_name
from analyzer.table_excel import SHEET_END, SheetRows, checklist_styles, excel_cells, row_styles
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

_GUARDED_STARTS = frozenset(("'", *FORMULA_START))
"""First characters of the cells that may have to be changed before they stand in a csv file: most columns have none."""


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
        try:
            return _csv_lines(rows.cells, rows.results)
        except UnicodeEncodeError:  # half a character, which few files have and each row would have to be searched for
            told = [
                add_problem(given, HALF_CHARACTER if SURROGATE.search("".join(cells)) else "")
                for cells, given in zip(rows.cells, rows.results, strict=True)
            ]
            return _csv_lines([list(map(replace_surrogates, cells)) for cells in rows.cells], list(map(whole, told)))


def _csv_lines(cells: Sequence[Sequence[str]], results: Sequence[Sequence[Value]]) -> bytes:
    """Return the lines of some rows, made safe column by column: most columns have nothing to change."""
    out = io.StringIO()
    columns = itertools.chain(zip(*cells, strict=True), zip(*results, strict=True))
    csv.writer(out).writerows(zip(*map(safe_csv_cells, columns), strict=True))
    return out.getvalue().encode("utf-8")


def whole(values: Sequence[Value]) -> list[Value]:
    """Return cells without halves of characters."""
    return [replace_surrogates(value) if isinstance(value, str) else value for value in values]


def safe_csv_cells(values: Sequence[Value]) -> Sequence[Value]:
    r"""Return cells so that no spreadsheet runs one and csv can hold every one, but for halves of characters.

    >>> safe_csv_cells(("=1+1", "-5", 0.5, "", None, "\0=a\0"))
    ["'=1+1", '-5', 0.5, '', None, "'=a"]
    """
    texts = [value for value in set(values) if isinstance(value, str)]
    if _GUARDED_STARTS.isdisjoint([text[:1] for text in texts]) and "\0" not in "".join(texts):
        return values
    return [guard_formula(value.replace("\0", "")) if isinstance(value, str) else value for value in values]


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
        columns: list[Sequence[Value]] = []
        problems: dict[int, list[str]] = {}
        for name, cells in zip(self._columns, zip(*rows.cells, strict=True), strict=True):
            texts, changed = excel_cells(cells)
            columns.append(texts)
            for place, problem in changed.items():
                problems.setdefault(place, []).append(f"“{name}”{problem}")
        results = list(rows.results)
        for place, told in problems.items():
            results[place] = add_problem(results[place], *told)
        columns += _fit(results)
        return self._rows.encode(columns) + SHEET_END + self._checklist.encode(_fit(rows.checklist()))


def _fit(rows: Iterable[Sequence[Value]]) -> list[Sequence[Value]]:
    """Return the columns of rows as Excel can hold them."""
    return [excel_cells(values)[0] for values in zip(*rows, strict=True)]


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
