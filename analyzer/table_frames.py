"""A table of rows: its header, its chunks, and what is known of the file it came from."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

from analyzer.errors import TableError
from analyzer.table_text import Row

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Self

CHUNK_ROWS = 2000
CHUNK_CHARACTERS = 16 << 20
"""A chunk of long notes has fewer rows, so that memory stays flat."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file was read: for the log, and to read it the same way again.

    ``header_row`` counts from 1 in the file (the first of ``header_lines``), ``None`` where the file has no
    header; ``titles`` are the lines above it. ``container`` is ``zip`` or ``gzip``, ``member`` the name in a zip;
    ``further`` are the sheets or members with the same header that were read after the first.
    """

    kind: str
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_row: int | None = 1
    titles: tuple[str, ...] = ()
    header_lines: int = 1
    escape: str | None = None
    container: str | None = None
    member: str | None = None
    further: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return one line for a log.

        >>> Dialect("csv", encoding="gb18030", delimiter=",").describe()
        "csv, encoding gb18030, delimiter ',', header in row 1"
        """
        parts = [f"{self.kind} in {self.container}" if self.container else self.kind]
        parts += [f"member {self.member!r}"] if self.member else []
        parts += [f"encoding {self.encoding}"] if self.encoding else []
        parts += [f"delimiter {self.delimiter!r}"] if self.delimiter else []
        parts += ["quotes escaped by \\"] if self.escape else []
        parts += [f"sheet {self.sheet!r}"] if self.sheet else []
        parts += [f"and {', '.join(map(repr, self.further))}"] if self.further else []
        if self.header_row is None:
            parts.append("no header")
        elif self.header_lines == 1:
            parts.append(f"header in row {self.header_row}")
        else:
            parts.append(f"header in rows {self.header_row} to {self.header_row + self.header_lines - 1}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows: cells as text, as many as there are columns, and one problem a row (empty where there is none).

    ``originals`` holds the JSON objects that the rows came from, ``batch`` the Arrow record batch: they let
    an output of the same kind keep nested values and types. ``broken`` are the positions of rows that could
    not be read at all.
    """

    columns: tuple[str, ...]
    rows: list[list[str]]
    problems: list[str]
    originals: list[dict[str, Any] | None] | None = None
    broken: frozenset[int] = frozenset()
    batch: Any = None

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a data frame, made anew each time."""
        return as_frame(self.columns, self.rows)


@dataclass(slots=True)
class Table:
    """An open file of rows. Iterate over it once; use it as a context manager to close the file.

    ``remarks`` say what of the file is not among the rows, such as ``合计`` lines below them or further sheets;
    the list is complete when all chunks have been read.
    """

    columns: tuple[str, ...]
    dialect: Dialect
    arrow_schema: Any = None
    chunks: Iterator[Chunk] = field(default_factory=lambda: iter(()))
    closer: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    fraction: Callable[[], float | None] = lambda: None
    remarks: list[str] = field(default_factory=list)
    name: str = ""
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
        except TableError as error:
            raise type(error)(f"{self.name}: {error}" if self.name else str(error)) from error
        except OSError as error:
            raise TableError(f"reading stopped ({error.strerror or error}); check the drive and try again") from error

    def sample(self) -> pd.DataFrame:
        """Return the rows of the first chunk without using it up."""
        if self._first is None:
            self._first = self._next()
        return as_frame(self.columns, []) if self._first is None else self._first.frame

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


def as_frame(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Return rows of text as a data frame."""
    import pandas as pd  # half a second, which workers do without

    frame: pd.DataFrame = pd.DataFrame(rows, columns=list(columns), dtype=object)
    return frame


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


def make_chunks(
    rows: Iterator[Row], columns: Sequence[str], chunk_rows: int, *, keep_originals: bool = False
) -> Iterator[Chunk]:
    """Gather rows, all as wide as ``columns``, into chunks of at most so many rows."""
    names = tuple(columns)
    for part in _parts(rows, len(names), chunk_rows):
        yield Chunk(
            names,
            [row.cells for row in part],
            [row.problem for row in part],
            [row.original for row in part] if keep_originals else None,
            frozenset(index for index, row in enumerate(part) if row.broken),
        )


def _parts(rows: Iterator[Row], width: int, chunk_rows: int) -> Iterator[list[Row]]:
    part: list[Row] = []
    room = CHUNK_CHARACTERS
    for row in rows:
        part.append(row)
        room -= width + sum(map(len, row.cells))
        if len(part) == chunk_rows or room <= 0:
            yield part
            part, room = [], CHUNK_CHARACTERS
    if part:
        yield part
