"""Reads exports of any kind as chunks of text rows.

Every cell comes back as the text that the user sees: ``0012`` stays ``0012``, ``NA`` stays text, a number
of Excel has no spurious ``.0``, a date of Excel is an ISO date. No row is lost: what could not be read as it
should is told in the row's problem.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pandas as pd

from analyzer import table_text
from analyzer.errors import TableError
from analyzer.table_frames import (
    CHUNK_ROWS,
    HEAD_ROWS,
    Chunk,
    Dialect,
    Table,
    assemble,
    cell_text,
    find_header,
    make_chunks,
    unique_names,
)
from analyzer.table_text import Row
from analyzer.table_workbooks import open_workbook

__all__ = ["CHUNK_ROWS", "READABLE", "Chunk", "Dialect", "Table", "open_table", "read_table"]

JSON_ENDINGS = frozenset({".jsonl", ".ndjson", ".json"})
WORKBOOK_ENDINGS = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".et"})
READABLE = "csv, tsv, txt, xlsx, xlsm, xls, ods, jsonl, ndjson, json, parquet"


def read_table(path: str | Path, *, sheet: str | None = None, chunk_rows: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
    """Yield the rows of an export in chunks, every column as ``str``, under the header as found.

    Raises:
        TableError: The file cannot be read; the message says what to do.
    """
    with open_table(path, sheet=sheet, chunk_rows=chunk_rows) as table:
        for chunk in table:
            yield chunk.frame


def open_table(path: str | Path, *, sheet: str | None = None, chunk_rows: int = CHUNK_ROWS) -> Table:
    """Open an export; its kind is told by what the file holds, not only by its ending.

    Args:
        path: csv, tsv, txt, xlsx, xlsm, xls, ods, jsonl, ndjson, json or parquet.
        sheet: The sheet of a workbook; by default the first visible one that has a header and rows.
        chunk_rows: Rows in a chunk.

    Raises:
        TableError: The file cannot be read; the message says what to do.
    """
    path = Path(path)
    if path.is_dir():
        raise TableError(f"{path} is a folder, expected a file; give one of the files in it")
    stack = contextlib.ExitStack()
    try:
        stream = stack.enter_context(path.open("rb"))
        table = _open_stream(stream, path, sheet, chunk_rows)
    except BaseException as error:
        stack.close()
        if isinstance(error, TableError):
            raise TableError(f"{path.name}: {error}") from error
        if isinstance(error, FileNotFoundError):
            raise TableError(f"{path} does not exist; check the name and the folder") from error
        if isinstance(error, OSError):
            raise TableError(f"{path} cannot be read ({error.strerror or error}); check its permissions") from error
        raise
    table.closer = stack
    return table


def _open_stream(stream: IO[bytes], path: Path, sheet: str | None, chunk_rows: int) -> Table:
    head = stream.read(table_text.SAMPLE_BYTES)
    stream.seek(0)
    if not head.strip():
        raise TableError("the file is empty, expected a header and rows; export it again")
    ending = path.suffix.lower()
    if head.startswith(b"PAR1"):
        table = _open_parquet(stream, chunk_rows)
    elif head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        kind = ending[1:] if ending in WORKBOOK_ENDINGS else "workbook"
        return open_workbook(stream, head, kind, sheet, chunk_rows)
    elif head.startswith((b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf", b"%PDF", b"BZh")):
        raise TableError(f"the file is an archive or a document, expected one of {READABLE}; unpack or export it")
    elif ending in WORKBOOK_ENDINGS and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise TableError(
            "the file is a web page or XML named as a workbook, expected xls or xlsx; "
            "open it in Excel or WPS and save it as .xlsx"
        )
    elif ending == ".parquet" or ending in {".xlsx", ".xlsm", ".xlsb", ".ods"}:
        raise TableError(f"the file is damaged or no {ending[1:]} file; export it again")
    else:
        table = _open_text(stream, ending, chunk_rows)
    if sheet is not None:
        stream.close()
        raise TableError(f"a {table.dialect.kind} file has no sheets, but sheet {sheet!r} was asked for; drop --sheet")
    return table


# --- text -----------------------------------------------------------------------------------------


def _open_text(stream: IO[bytes], ending: str, chunk_rows: int) -> Table:
    sample = _encoding_sample(stream)
    codec, mark = table_text.detect_encoding(sample)
    size = max(1, stream.seek(0, 2))
    stream.seek(mark)
    table = _open_json(stream, sample, codec, mark, chunk_rows) if ending in JSON_ENDINGS else None
    if table is None:
        table = _open_delimited(stream, codec, ending, chunk_rows)
    table.fraction = lambda: 1.0 if stream.closed else min(1.0, stream.tell() / size)
    return table


def _encoding_sample(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    sample = stream.read(table_text.SAMPLE_BYTES)
    size = stream.seek(0, 2)
    if sample.isascii() and size > len(sample):
        for part in range(1, 8):  # an export may begin with rows of ASCII alone
            stream.seek(size * part // 8)
            stream.readline(table_text.SAMPLE_BYTES)
            sample += b"\n" + stream.read(table_text.SAMPLE_BYTES // 4)
    stream.seek(0)
    return sample


def _open_delimited(stream: IO[bytes], codec: str, ending: str, chunk_rows: int) -> Table:
    lines = table_text.read_lines(stream, codec)
    head = list(itertools.islice(lines, 500))
    sample = [line.text for line in head]
    # The last record of a sample may be cut in the middle.
    layout = table_text.sniff_format(sample[:-1] if len(sample) == 500 else sample, tab_expected=ending == ".tsv")
    probe = table_text.delimited_rows(iter(head), layout)
    found = find_header([row.cells for row in itertools.islice(probe, HEAD_ROWS)])
    rows = table_text.delimited_rows(itertools.chain(head, lines), layout, found.width)
    shown = None if layout.delimiter == table_text.NO_DELIMITER else layout.delimiter
    kind = "tsv" if shown == "\t" else "csv"
    return assemble(rows, Dialect(kind, encoding=codec, delimiter=shown), chunk_rows)


def _open_json(stream: IO[bytes], sample: bytes, codec: str, mark: int, chunk_rows: int) -> Table | None:
    start = sample[mark:].decode(codec, "replace").lstrip("\ufeff \t\r\n")
    if start.startswith("["):
        kind, rows = "json", table_text.json_array_rows(stream, codec)
    elif start.startswith("{") and not re.match(r"\{\s*$", start.splitlines()[0]):
        kind, rows = "jsonl", table_text.json_line_rows(table_text.read_lines(stream, codec))
    else:
        raise TableError(
            "the file does not begin with a JSON object or array, expected one object a line or an array of objects"
        )
    first = list(itertools.islice(rows, chunk_rows))
    if not any(row.original for row in first):
        reason = first[0].problem if first else "it is empty"
        raise TableError(f"no JSON object with fields was found, expected one object a line or an array ({reason})")
    keys = list(dict.fromkeys(key for row in first if row.original for key in row.original))
    known = frozenset(keys)

    def cells(row: Row) -> Row:
        original = row.original or {}
        row.cells = [table_text.json_text(original.get(key)) for key in keys]
        if not known.issuperset(original):
            extra = [f"{key}：{table_text.json_text(value)}" for key, value in original.items() if key not in known]
            row.problem = "；".join(filter(None, [row.problem, "多出字段 " + "，".join(extra)]))
        return row

    columns = unique_names(keys)
    every = map(cells, itertools.chain(first, rows))
    dialect = Dialect(kind, encoding=codec, header_row=None)
    return Table(columns, dialect, chunks=make_chunks(every, columns, chunk_rows, keep_originals=True))


# --- parquet --------------------------------------------------------------------------------------


def _open_parquet(stream: IO[bytes], chunk_rows: int) -> Table:
    try:
        import pyarrow as pa  # optional
        from pyarrow import parquet
    except ImportError as error:
        raise TableError(
            "reading Parquet needs pyarrow, which is not installed; pip install 'visit-note-analyzer[parquet]'"
        ) from error
    try:
        source = parquet.ParquetFile(stream)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"the Parquet file is damaged ({error}); export it again") from error
    columns = unique_names(source.schema_arrow.names)
    if not source.metadata.num_rows:
        raise TableError("the Parquet file has no rows, expected at least one")
    total = source.metadata.num_rows
    done = 0

    def chunks() -> Iterator[Chunk]:
        nonlocal done
        batches = source.iter_batches(batch_size=chunk_rows)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise TableError(f"the Parquet file is damaged ({error}); export it again") from error
            if batch is None:
                return
            values = [[_arrow_text(value) for value in column.to_pylist()] for column in batch.columns]
            frame = pd.DataFrame(dict(zip(columns, values, strict=True)), dtype=object)
            done += batch.num_rows
            yield Chunk(frame, [""] * batch.num_rows, batch.to_pylist(), batch=batch)

    return Table(
        columns,
        Dialect("parquet", header_row=None),
        arrow_schema=source.schema_arrow,
        chunks=chunks(),
        fraction=lambda: done / total,
    )


def _arrow_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return table_text.json_text(value) if isinstance(value, (dict, list)) else cell_text(value)
