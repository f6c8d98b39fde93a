"""Writes results files: beside the target first, renamed when complete.

Text never becomes a formula. In xlsx every text is a string cell. In csv a cell that starts with ``=``,
``+``, ``-``, ``@``, a tab or a carriage return gets a leading apostrophe, as a spreadsheet would run it;
plain numbers such as ``-5`` or ``+86 138 0013 8000`` stay as they are. jsonl and parquet hold every text
unchanged.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TextIO

from analyzer.errors import OutputError, TableError
from analyzer.results import RESULT_COLUMNS, Block, Value, free_name
from analyzer.table_excel import XlsxWriter
from analyzer.table_layout import (
    HALF_CHARACTER,
    SURROGATE,
    Layout,
    ResultRows,
    ResultWriter,
    add_problem,
    guard_formula,
    replace_surrogates,
)

ENDINGS = (".xlsx", ".csv", ".jsonl", ".ndjson", ".parquet")
STREAM_ENDINGS = (".csv", ".jsonl")
"""What can be written to standard output."""
PART_SUFFIX = ".part"


def check_output(output: Path, source: Path | None = None) -> None:
    """Refuse an output that cannot be written or would destroy the input.

    Raises:
        OutputError: The name cannot work.
        TableError: The folder is missing.
    """
    if output.is_dir():
        raise OutputError(f"the output {output} is a folder, expected a file name such as {output / 'scored.xlsx'}")
    if output.suffix.lower() not in ENDINGS:
        found = f"ends in {output.suffix!r}" if output.suffix else "has no ending"
        raise OutputError(f"the output {output.name} {found}, expected one of {', '.join(ENDINGS)}")
    for path in (output, part_path(output)):
        if source is not None and _same_file(path, source):
            raise OutputError(f"the output {output} would overwrite the input {source}; name another with -o")
    if not output.resolve().parent.is_dir():
        raise TableError(f"the folder {output.resolve().parent} does not exist; create it or name another with -o")


def part_path(output: Path) -> Path:
    """Return the name of the unfinished file: in the folder of the target, behind any link."""
    target = output.resolve()
    return target.with_name(target.name + PART_SUFFIX)


def _same_file(path: Path, source: Path) -> bool:
    if path.resolve() == source.resolve():
        return True
    try:
        return path.samefile(source)  # sees through hard links and folders that ignore case
    except OSError:
        return False


@contextlib.contextmanager
def open_writer(output: Path, layout: Layout) -> Iterator[ResultWriter]:
    """Open a writer for the ending of ``output``; the file appears under its name only when all went well.

    Raises:
        TableError: The file cannot be written; nothing is left behind and an older file is untouched.
    """
    part = part_path(output)
    writer: ResultWriter | None = None
    try:
        part.open("wb").close()  # fails before the work, not after it
        writer = _writer(part, output.suffix.lower(), layout)
        yield writer
        writer.abandon()  # closes it: a failure to write the rest must show before the renaming
        part.replace(output.resolve())
    except OSError as error:
        raise TableError(
            f"{output} cannot be written ({error.strerror or error}); "
            "check the folder's permissions and free space, and close the file where it is open"
        ) from error
    finally:
        if writer is not None:
            writer.abandon()
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def open_stream_writer(stream: IO[bytes], ending: str, layout: Layout) -> Iterator[ResultWriter]:
    """Open a writer onto a byte stream such as standard output, which is flushed but not closed.

    Unlike in a file, csv has no byte order mark here: it is for the next program, not for Excel.

    Args:
        stream: Where the rows go as they come.
        ending: One of `STREAM_ENDINGS`.
        layout: The columns.

    Raises:
        OutputError: The format cannot be written piece by piece.
        BrokenPipeError: Whoever read the stream has gone.
        TableError: It cannot be written for another reason.
    """
    if ending not in STREAM_ENDINGS:
        raise OutputError(
            f"{ending} cannot be written to standard output, expected {' or '.join(STREAM_ENDINGS)}; "
            "name a file with -o"
        )
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=False)
    try:
        yield _CsvWriter(text, layout) if ending == ".csv" else _JsonWriter(text, layout)
        text.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise TableError(
            f"standard output cannot be written ({error.strerror or error}); check where it goes"
        ) from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            text.detach()


def _writer(part: Path, ending: str, layout: Layout) -> ResultWriter:
    if ending == ".xlsx":
        return XlsxWriter(part, layout)
    if ending == ".csv":
        return _CsvWriter(part.open("w", encoding="utf-8-sig", newline=""), layout)
    if ending == ".parquet":
        return _ParquetWriter(part, layout)
    return _JsonWriter(part.open("w", encoding="utf-8", newline=""), layout)


class _CsvWriter:
    def __init__(self, file: TextIO, layout: Layout) -> None:
        self._file = file
        self._writer = csv.writer(self._file)
        self._writer.writerow([self._text(name) for name in (*layout.columns, *layout.result_columns)])

    def write(self, rows: ResultRows) -> None:
        for cells, given in zip(rows.cells, rows.results, strict=True):
            results = given
            if SURROGATE.search("".join(cells)):
                results = add_problem(results, HALF_CHARACTER)
            self._writer.writerow(
                [self._text(value) if isinstance(value, str) else value for value in (*cells, *results)]
            )

    @staticmethod
    def _text(text: str) -> str:
        return replace_surrogates(guard_formula(text)).replace("\0", "")

    def finish(self, blocks: Sequence[Block]) -> None:  # noqa: ARG002  # csv has one table
        self._file.flush()

    def abandon(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


class _JsonWriter:
    def __init__(self, file: TextIO, layout: Layout) -> None:
        self._file = file
        self._columns = layout.columns
        self._key = free_name("analysis", layout.columns)
        self._problem_key = layout.result_columns[-1]

    def write(self, rows: ResultRows) -> None:
        for index, (analysis, results) in enumerate(zip(rows.analyses, rows.results, strict=True)):
            if rows.originals is None:
                row: dict[str, Any] = dict(zip(self._columns, rows.cells[index], strict=True))
            else:
                row = dict(rows.originals[index] or {})
            row[free_name(self._key, row)] = analysis.to_dict() if analysis else None
            if results[-1]:
                row[free_name(self._problem_key, row)] = results[-1]
            self._file.write(_json_line(row))

    def finish(self, blocks: Sequence[Block]) -> None:  # noqa: ARG002
        self._file.flush()

    def abandon(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


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


class _ParquetWriter:
    def __init__(self, path: Path, layout: Layout) -> None:
        try:
            import pyarrow as pa  # optional
            from pyarrow import parquet
        except ImportError as error:
            raise TableError(
                "writing Parquet needs pyarrow, which is not installed; pip install 'visit-note-analyzer[parquet]'"
            ) from error
        self._arrow = pa
        self._typed = layout.arrow_schema is not None
        kept = (
            [field.with_name(name) for field, name in zip(layout.arrow_schema, layout.columns, strict=True)]
            if self._typed
            else [pa.field(name, pa.string()) for name in layout.columns]
        )
        special = {"把握度": pa.float64(), "未答复": pa.int64()}
        added = [
            pa.field(name, special.get(standard, pa.string()))
            for name, standard in zip(layout.result_columns, RESULT_COLUMNS, strict=True)
        ]
        self._schema = pa.schema([*kept, *added])
        self._width = len(kept)
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: ResultRows) -> None:
        results = [
            add_problem(given, HALF_CHARACTER if SURROGATE.search("".join(cells)) else "")
            for cells, given in zip(rows.cells, rows.results, strict=True)
        ]
        if self._typed:
            kept = list(rows.batch.columns)
        else:
            kept = [self._array(index, values) for index, values in enumerate(zip(*rows.cells, strict=True))]
        added = [self._array(self._width + index, values) for index, values in enumerate(zip(*results, strict=True))]
        self._writer.write_batch(self._arrow.record_batch([*kept, *added], schema=self._schema))

    def _array(self, index: int, values: Sequence[Value]) -> Any:
        texts = [replace_surrogates(value) if isinstance(value, str) else value for value in values]
        return self._arrow.array(texts, type=self._schema.field(index).type)

    def finish(self, blocks: Sequence[Block]) -> None:  # noqa: ARG002
        self._writer.close()

    def abandon(self) -> None:
        with contextlib.suppress(Exception):
            self._writer.close()
