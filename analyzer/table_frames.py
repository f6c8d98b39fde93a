"""A table of rows: its header, its chunks, and what is known of the file it came from."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pandas as pd

from analyzer.errors import TableError
from analyzer.table_text import Row, looks_like_names

if TYPE_CHECKING:
    from typing_extensions import Self

CHUNK_ROWS = 2000
TITLE_ROWS = 20
"""The header is looked for in so many rows."""
HEAD_ROWS = TITLE_ROWS + 30
"""So many rows are looked at to tell header from data."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file was read: for the log, and to read it the same way again.

    ``header_row`` counts from 1 in the file, ``None`` where the file has no header; ``titles`` are the lines
    above it.
    """

    kind: str
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_row: int | None = 1
    titles: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return one line for a log.

        >>> Dialect("csv", encoding="gb18030", delimiter=",").describe()
        "csv, encoding gb18030, delimiter ',', header in row 1"
        """
        parts = [self.kind]
        parts += [f"encoding {self.encoding}"] if self.encoding else []
        parts += [f"delimiter {self.delimiter!r}"] if self.delimiter else []
        parts += [f"sheet {self.sheet!r}"] if self.sheet else []
        parts += [f"header in row {self.header_row}" if self.header_row else "no header"]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows: cells as text, one problem a row (empty where there is none).

    ``originals`` holds the JSON objects that the rows came from, ``batch`` the Arrow record batch: they let
    an output of the same kind keep nested values and types. ``broken`` are the positions of rows that could
    not be read at all.
    """

    frame: pd.DataFrame
    problems: list[str]
    originals: list[dict[str, Any] | None] | None = None
    broken: frozenset[int] = frozenset()
    batch: Any = None


@dataclass(slots=True)
class Table:
    """An open file of rows. Iterate over it once; use it as a context manager to close the file."""

    columns: tuple[str, ...]
    dialect: Dialect
    arrow_schema: Any = None
    chunks: Iterator[Chunk] = field(default_factory=lambda: iter(()))
    closer: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    fraction: Callable[[], float | None] = lambda: None
    _first: Chunk | None = None

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the chunks; the file is closed at the end.

        Raises:
            TableError: The file cannot be read on.
        """
        with self.closer:
            if self._first is not None:
                first, self._first = self._first, None
                yield first
            while (chunk := self._next()) is not None:
                yield chunk

    def _next(self) -> Chunk | None:
        try:
            return next(self.chunks, None)
        except OSError as error:
            raise TableError(f"reading stopped ({error.strerror or error}); check the drive and try again") from error

    def sample(self) -> pd.DataFrame:
        """Return the rows of the first chunk without using it up."""
        if self._first is None:
            self._first = self._next()
        return pd.DataFrame(columns=list(self.columns)) if self._first is None else self._first.frame

    def fraction_read(self) -> float | None:
        """Return how much of the file has been read, 0 to 1, where it can be told."""
        return self.fraction()

    def close(self) -> None:
        """Close the file."""
        self.closer.close()

    def __enter__(self) -> Self:
        """Return the table."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()


@dataclass(frozen=True, slots=True)
class Header:
    """Where the header is among the first rows (``None``: nowhere), the names and how many they are."""

    row: int | None
    names: tuple[str, ...]
    width: int


def find_header(rows: Sequence[Sequence[str]]) -> Header:
    """Find the header under title lines.

    >>> find_header([["11月拜访记录", "", ""], ["客户", "日期", "备注"], ["甲", "2024-11-06", "好"]]).row
    1
    >>> find_header([["甲公司", "13800138000", "下周再谈。"], ["乙公司", "13900139000", "好"]]).row is None
    True

    Raises:
        TableError: There are no rows at all.
    """
    if not rows:
        raise TableError("the file is empty, expected a header and rows; export it again")
    filled = [sum(1 for cell in row if cell.strip()) for row in rows]
    first = next((index for index, count in enumerate(filled) if count), 0)
    header: int | None = first
    for index in range(first, min(len(rows), first + TITLE_ROWS)):
        above = filled[first:index]
        # A title line fills one cell, or few of many; a header fills most and reads like names.
        if all(count <= max(1, filled[index] // 3) for count in above) and looks_like_names(rows[index]):
            widest = max(filled[index:], default=0)
            if filled[index] >= max(2, (widest + 1) // 2):
                header = index
                break
    if header == first and _looks_like_data(rows[first], rows[first + 1 :]):
        header = None
    width = _width(rows, first if header is None else header)
    if header is None:
        return Header(None, tuple(f"列{number}" for number in range(1, width + 1)), width)
    return Header(header, unique_names([*rows[header], *[""] * width][:width]), width)


def _looks_like_data(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    filled = [cell.strip() for cell in row if cell.strip()]
    if below and any(len(cell) > 60 and re.search(r"[，。；]", cell) for cell in filled):
        return True
    numbers = sum(bool(re.fullmatch(r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}.*|1\d{10}", cell)) for cell in filled)
    sentences = sum(bool(re.search(r"[。！；].*|，.{4,}", cell)) for cell in filled)
    return numbers > 0 and (sentences > 0 or numbers > 1)


def _width(rows: Sequence[Sequence[str]], header: int) -> int:
    """Return the number of columns: the header's, without unnamed columns at the end that hold nothing."""
    width = len(rows[header]) if rows else 0
    while width > 1 and not any(len(row) >= width and row[width - 1].strip() for row in rows[header:]):
        width -= 1
    return max(1, width)


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """Give every column a name of its own.

    >>> unique_names(["备注", "", "备注", "列2"])
    ('备注', '列2 (2)', '备注 (2)', '列2')
    """
    given = list(names)
    taken = set(filter(str.strip, given))
    used: set[str] = set()
    result = []
    for number, name in enumerate(given, start=1):
        base = name if name.strip() else f"列{number}"
        unique, copy = base, 2
        while unique in used or (unique in taken and unique != name):
            unique, copy = f"{base} ({copy})", copy + 1
        used.add(unique)
        result.append(unique)
    return tuple(result)


def assemble(rows: Iterator[Row], dialect: Dialect, chunk_rows: int) -> Table:
    """Make a table of raw rows: find the header, fit every row to it, drop the blank end.

    Raises:
        TableError: There are no rows under the header.
    """
    head = list(itertools.islice(rows, HEAD_ROWS))
    header = find_header([row.cells for row in head])
    start = 0 if header.row is None else header.row + 1
    titles = tuple(
        " ".join(filter(None, map(str.strip, row.cells))) for row in head[: max(0, start - 1)] if any(row.cells)
    )
    data = itertools.chain(head[start:], rows)
    fitted = _without_blank_end(_fit(row, header.width) for row in data)
    first = next(fitted, None)
    if first is None:
        shown = "、".join(header.names)[:200]
        raise TableError(f"there is a header ({shown}) but no rows under it, expected rows; export it again")
    dialect = Dialect(dialect.kind, dialect.encoding, dialect.delimiter, dialect.sheet, start or None, titles)
    chunks = make_chunks(
        itertools.chain([first], fitted), header.names, chunk_rows, dates=_date_columns(header.names, dialect)
    )
    return Table(header.names, dialect, chunks=chunks)


def _fit(row: Row, width: int) -> Row:
    found = len(row.cells)
    if found < width:
        if found > 1 or row.cells[0].strip():
            row.problem = "；".join(filter(None, [row.problem, f"字段不足：表头 {width} 列，本行 {found} 列"]))
        row.cells = [*row.cells, *[""] * (width - found)]
    elif found > width:
        extra = row.cells[width:]
        row.cells = row.cells[:width]
        if any(cell.strip() for cell in extra):
            told = f"多出 {len(extra)} 个字段：{' | '.join(extra)}"
            row.problem = "；".join(filter(None, [row.problem, told]))
    return row


def _without_blank_end(rows: Iterable[Row]) -> Iterator[Row]:
    """Drop blank rows at the end; those in the middle stay, so that rows keep their numbers."""
    blank: Counter[int] = Counter()
    for row in rows:
        if not row.problem and not any(cell.strip() for cell in row.cells):
            blank[len(row.cells)] += 1  # an Excel sheet may end in a million of them
            continue
        for width, count in blank.items():
            yield from (Row([""] * width) for _ in range(count))
        blank.clear()
        yield row


def _date_columns(names: Sequence[str], dialect: Dialect) -> tuple[int, ...]:
    """Return the columns of a workbook where a bare number is a date that lost its format."""
    if dialect.sheet is None:
        return ()
    return tuple(i for i, name in enumerate(names) if re.search(r"日期|时间|\bdate\b|\btime\b", name, re.IGNORECASE))


def _date_of_number(cell: str) -> str:
    """Turn the number under which Excel stores a date into the date.

    >>> _date_of_number("45602"), _date_of_number("45602.5"), _date_of_number("30"), _date_of_number("明天")
    ('2024-11-06', '2024-11-06 12:00:00', '30', '明天')
    """
    if not re.fullmatch(r"[2-7]\d{4}(\.\d+)?", cell):
        return cell
    return cell_text((pd.Timestamp(1899, 12, 30) + pd.Timedelta(days=float(cell))).round("s").to_pydatetime())


def make_chunks(
    rows: Iterator[Row],
    columns: Sequence[str],
    chunk_rows: int,
    *,
    dates: Sequence[int] = (),
    keep_originals: bool = False,
) -> Iterator[Chunk]:
    """Gather rows, all as wide as ``columns``, into chunks; ``dates`` are columns of bare Excel dates."""
    while part := list(itertools.islice(rows, chunk_rows)):
        for row in part if dates else ():
            for column in dates:
                row.cells[column] = _date_of_number(row.cells[column])
        frame = pd.DataFrame([row.cells for row in part], columns=list(columns), dtype=object)
        yield Chunk(
            frame,
            [row.problem for row in part],
            [row.original for row in part] if keep_originals else None,
            frozenset(index for index, row in enumerate(part) if row.broken),
        )


def cell_text(value: object) -> str:
    """Return a value of a workbook as the text that Excel shows for it, dates in ISO form.

    >>> cell_text(12.0), cell_text(0.1 + 0.2), cell_text(1e21), cell_text(True), cell_text("0012")
    ('12', '0.3', '1000000000000000000000', 'TRUE', '0012')
    >>> import datetime
    >>> cell_text(datetime.datetime(2024, 11, 6)), cell_text(datetime.datetime(2024, 11, 6, 9, 30))
    ('2024-11-06', '2024-11-06 09:30:00')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        # Excel itself keeps 15 digits.
        return str(int(value)) if value.is_integer() else format(Decimal(f"{value:.15g}"), "f")
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat(" ", "seconds")
    if isinstance(value, bool):
        return str(value).upper()
    return "" if value is None else str(value)
