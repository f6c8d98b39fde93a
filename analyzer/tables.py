"""Reads exports of any kind as chunks of text rows.

Every cell comes back as the text that the user sees: ``0012`` stays ``0012``, ``NA`` stays text, a number
of Excel has no spurious ``.0``, a date of Excel is an ISO date. No row is lost: what could not be read as it
should is told in the row's problem, and what is no row in the table's remarks.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from analyzer import table_text
from analyzer.columns import names_notes
from analyzer.errors import EmptyTableError, TableError
from analyzer.table_assembly import assemble
from analyzer.table_frames import CHUNK_ROWS, Chunk, Dialect, Table
from analyzer.table_header import HEAD_ROWS, find_header
from analyzer.table_json import open_json
from analyzer.table_parquet import open_parquet
from analyzer.table_sniff import sniff_format
from analyzer.table_source import (
    JSON_ENDINGS,
    READABLE,
    STANDARD_INPUT,
    WORKBOOK_ENDINGS,
    Source,
    list_tables,
    open_sources,
)
from analyzer.table_workbooks import Sheet, Workbook

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CHUNK_ROWS",
    "READABLE",
    "STANDARD_INPUT",
    "Chunk",
    "Dialect",
    "Table",
    "list_tables",
    "open_table",
    "read_table",
]

_SAMPLE_LINES = 500
_SAMPLE_CHARACTERS = 8 << 20
_LOG = logging.getLogger(__name__)


def read_table(path: str | Path, *, sheet: str | None = None, chunk_rows: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
    """Yield the rows of an export in chunks, every column as ``str``, under the header as found.

    The index goes on from chunk to chunk. ``frame.attrs["problems"]`` tells, by index, what was wrong with a row.
    How the file was read goes to the log ``analyzer.tables`` at level INFO; at level WARNING, what of it is not
    among the rows (totals below the table, other sheets) and how many rows have a problem.

    Args:
        path: The export, or ``-`` for standard input; see `open_table`.
        sheet: The sheet of a workbook or the member of a zip archive.
        chunk_rows: Rows in a chunk, at most.

    Raises:
        TableError: The file cannot be read; the message says what to do.
    """
    with open_table(path, sheet=sheet, chunk_rows=chunk_rows) as table:
        done = marked = 0
        for chunk in table:
            frame = _as_text(chunk.frame)
            frame.index += done
            problems = {done + position: problem for position, problem in enumerate(chunk.problems) if problem}
            frame.attrs["problems"] = problems
            done += len(frame)
            marked += len(problems)
            yield frame
        for remark in table.remarks:
            _LOG.warning("%s: %s", table.name, remark)
        if marked:
            _LOG.warning('%s: %d rows have a problem; frame.attrs["problems"] tells which', table.name, marked)


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    text: pd.DataFrame
    try:
        text = frame.astype(str)
    except UnicodeEncodeError:  # half a character, which the text type of pandas 3 cannot hold
        text = frame.map(lambda cell: cell.encode("utf-16", "surrogatepass").decode("utf-16", "replace")).astype(str)
    return text


def open_table(path: str | Path, *, sheet: str | None = None, chunk_rows: int = CHUNK_ROWS) -> Table:
    """Open an export; its kind is told by what the file holds, not only by its ending.

    Of a workbook with several sheets, or a zip archive with several tables, the first whose header names a
    column of notes is read (else the first with rows), and all others with the same header after it; the rest
    is told in `Table.remarks`.

    Args:
        path: csv, tsv, txt, xlsx, xlsm, xls, ods, jsonl, ndjson, json or parquet, also packed as zip or gz; ``-``
            reads standard input.
        sheet: The sheet of a workbook or the member of a zip archive; then only that is read.
        chunk_rows: Rows in a chunk, at most.

    Raises:
        TableError: The file cannot be read; the message says what to do.
    """
    if chunk_rows < 1:
        raise TableError(f"chunk_rows is {chunk_rows}, expected at least 1")
    name = "standard input" if str(path) == STANDARD_INPUT else Path(path).name
    stack = contextlib.ExitStack()
    try:
        table = _open_sources(open_sources(path, stack), sheet, chunk_rows, stack)
    except BaseException as error:
        stack.close()
        if isinstance(error, TableError):
            raise type(error)(f"{name}: {error}") from error
        if isinstance(error, FileNotFoundError):
            raise TableError(f"{path} does not exist; check the name and the folder") from error
        if isinstance(error, OSError):
            raise TableError(
                f"{path} cannot be read ({error.strerror or error}); check its permissions and, where it is packed, "
                "the room in the folder of temporary files"
            ) from error
        raise
    stack.enter_context(table.closer)
    table.closer = stack
    table.name = name
    _LOG.info("%s: %s", name, table.dialect.describe())
    return table


# --- several tables in one file -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Head:
    """What tells whether two tables go together: the columns, and the types of a Parquet file."""

    columns: tuple[str, ...]
    header_row: int | None
    schema: object = None

    def continues(self, other: _Head) -> bool:
        """Whether the rows go on with the other's: the same header, or none at all over as many columns."""
        if self.header_row is None and other.header_row is not None:
            return len(self.columns) == len(other.columns)
        return self.columns == other.columns and self.schema == other.schema


@dataclass(frozen=True, slots=True)
class _Part:
    """A table in a file of several: a sheet or a member of an archive."""

    name: str
    peek: Callable[[], _Head]
    open: Callable[[], Table]
    visible: bool = True


def _open_parts(parts: Sequence[_Part], what: str) -> Table:
    """Read the first part of notes and those that go on with it; tell of the others."""
    heads: dict[str, _Head] = {}
    reasons = []
    for part in parts:
        try:
            heads[part.name] = part.peek()
        except EmptyTableError as error:
            reasons.append(str(error))
    filled = [part for part in parts if part.name in heads]
    if not filled:
        raise EmptyTableError(f"there is no filled {what} ({'; '.join(reasons[:3]) or 'none at all'})")
    shown = [part for part in filled if part.visible] or filled[:1]
    # A sheet of one column is a cover.
    wide = [part for part in shown if len(heads[part.name].columns) > 1] or shown
    chosen = next((part for part in wide if names_notes(heads[part.name].columns)), wide[0])
    head = heads[chosen.name]
    further = [part for part in shown[shown.index(chosen) + 1 :] if heads[part.name].continues(head)]
    table = chosen.open()
    table.dialect = replace(table.dialect, further=tuple(part.name for part in further))
    table.remarks += [
        f"{what} {part.name!r} was not read (columns {', '.join(heads[part.name].columns)[:200]}); "
        "choose it with --sheet"
        for part in filled
        if part is not chosen and part not in further
    ]
    table.chunks = _chained(table, table.chunks, further)
    return table


def _chained(table: Table, first: Iterator[Chunk], further: Sequence[_Part]) -> Iterator[Chunk]:
    yield from first
    for part in further:
        with part.open() as other:
            table.fraction = other.fraction
            for chunk in other:
                yield replace(chunk, columns=table.columns)
            table.remarks += other.remarks


def _open_sources(sources: Sequence[Source], wanted: str | None, chunk_rows: int, stack: contextlib.ExitStack) -> Table:
    if len(sources) == 1:
        return _open_source(sources[0], wanted, chunk_rows, stack)
    names = [source.name for source in sources]
    if wanted is None:
        return _open_parts([_member(source, chunk_rows) for source in sources], "table")
    if wanted not in names:
        raise TableError(f"no table {wanted!r} in the archive, expected one of {', '.join(names)}")
    return _open_source(sources[names.index(wanted)], None, chunk_rows, stack)


def _member(source: Source, chunk_rows: int) -> _Part:
    def opened() -> Table:
        stack = contextlib.ExitStack()
        try:
            table = _open_source(source, None, chunk_rows, stack)
        except BaseException as error:
            stack.close()
            if isinstance(error, TableError):
                raise type(error)(f"{source.name}: {error}") from error
            raise
        table.closer, table.name = stack, source.name
        return table

    def peek() -> _Head:
        with opened() as table:
            return _Head(table.columns, table.dialect.header_row, table.arrow_schema)

    return _Part(source.name, peek, opened)


# --- one source -----------------------------------------------------------------------------------


def _open_source(source: Source, sheet: str | None, chunk_rows: int, stack: contextlib.ExitStack) -> Table:
    table = _open_kind(source, sheet, chunk_rows, stack)
    table.dialect = replace(table.dialect, container=source.container, member=source.member)
    return table


def _open_kind(source: Source, sheet: str | None, chunk_rows: int, stack: contextlib.ExitStack) -> Table:
    stream = stack.enter_context(source.path.open("rb"))
    head = stream.read(table_text.SAMPLE_BYTES)
    stream.seek(0)
    ending = source.ending
    if not head.strip():
        raise EmptyTableError("the file is empty, expected a header and rows; export it again")
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return _open_workbook(source.path, sheet, chunk_rows, stack)
    if head.startswith((b"Rar!", b"7z\xbc\xaf", b"%PDF", b"BZh", b"\x1f\x8b", b"\xfd7zXZ")):
        raise TableError(f"the file is an archive or a document, expected one of {READABLE}; unpack or export it")
    if ending in WORKBOOK_ENDINGS and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise TableError(
            "the file is a web page or XML named as a workbook, expected xls or xlsx; "
            "open it in Excel or WPS and save it as .xlsx"
        )
    if head.startswith(b"PAR1"):
        table = open_parquet(stream, chunk_rows)
    elif ending == ".parquet" or ending in {".xlsx", ".xlsm", ".xlsb", ".ods"}:
        raise TableError(f"the file is damaged or no {ending[1:]} file; export it again")
    else:
        table = _open_text(stream, ending, chunk_rows)
    if sheet is not None:
        raise TableError(f"a {table.dialect.kind} file has no sheets, but sheet {sheet!r} was asked for; drop --sheet")
    return table


def _open_workbook(path: Path, wanted: str | None, chunk_rows: int, stack: contextlib.ExitStack) -> Table:
    book = stack.enter_context(contextlib.closing(Workbook(path)))
    names = [sheet.name for sheet in book.sheets]
    if wanted is not None and wanted not in names:
        raise TableError(f"no sheet {wanted!r}, expected one of {', '.join(names) or 'none'}; name one with --sheet")

    def part(sheet: Sheet) -> _Part:
        def peek() -> _Head:
            every = (row.cells for row in book.rows(sheet, HEAD_ROWS))
            rows = list(itertools.dropwhile(lambda cells: not any(map(str.strip, cells)), every))
            filled = sum(any(map(str.strip, cells)) for cells in rows)
            if filled < 2 and len(rows) < HEAD_ROWS:
                found = f"sheet {sheet.name!r} has a header but no rows" if filled else f"sheet {sheet.name!r} is empty"
                raise EmptyTableError(f"{found}, expected a header and rows; export it again")
            head = find_header(rows)
            return _Head(head.names, head.row)

        def opened() -> Table:
            return assemble(book.rows(sheet), Dialect(book.kind, sheet=sheet.name), chunk_rows)

        return _Part(sheet.name, peek, opened, sheet.visible)

    sheets = [sheet for sheet in book.sheets if wanted in (None, sheet.name)]
    if wanted is not None:
        return part(sheets[0]).open()
    return _open_parts([part(sheet) for sheet in sheets], "sheet")


# --- text -----------------------------------------------------------------------------------------


def _open_text(stream: IO[bytes], ending: str, chunk_rows: int) -> Table:
    sample = _encoding_sample(stream)
    codec, mark = table_text.detect_encoding(sample)
    size = max(1, stream.seek(0, 2))
    stream.seek(mark)
    start = sample[mark:].decode(codec, "replace").lstrip("\ufeff \t\r\n")
    if ending in JSON_ENDINGS or (ending == "" and start.startswith(("{", "[{"))):
        table = open_json(stream, start, codec, ending, chunk_rows)
    else:
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
    head: list[table_text.Line] = []
    room = _SAMPLE_CHARACTERS
    for line in itertools.islice(lines, _SAMPLE_LINES):
        head.append(line)
        room -= len(line.text)
        if room < 0:
            break
    sample = [line.text for line in head]
    # The last record of a sample may be cut in the middle.
    layout = sniff_format(sample[:-1] if len(sample) == _SAMPLE_LINES else sample, tab_expected=ending == ".tsv")
    probe = table_text.delimited_rows(iter(head), layout)
    found = find_header([row.cells for row in itertools.islice(probe, HEAD_ROWS)])
    rows = table_text.delimited_rows(itertools.chain(head, lines), layout, found.width)
    shown = None if layout.delimiter == table_text.NO_DELIMITER else layout.delimiter
    kind = "tsv" if shown == "\t" else "csv"
    return assemble(rows, Dialect(kind, encoding=codec, delimiter=shown, escape=layout.escape), chunk_rows)
