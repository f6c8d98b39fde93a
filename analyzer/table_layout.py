"""What a results file holds, and text made safe for it: shared by the writers of all formats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from analyzer.records import NoteAnalysis
from analyzer.results import Block, Value

_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")
_PLAIN_NUMBER = re.compile(r"[-+] ?\d[\d ,]*(\.\d+)?%?")
SURROGATE = re.compile("[\ud800-\udfff]")
HALF_CHARACTER = "含不完整的字符，已用 � 代替"


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a results file."""

    columns: tuple[str, ...]
    result_columns: tuple[str, ...]
    note_column: str
    checklist_columns: tuple[str, ...]
    arrow_schema: Any = None


@dataclass(frozen=True, slots=True)
class ResultRows:
    """Some rows to write; all lists but ``checklist`` are parallel."""

    cells: list[list[str]]
    results: list[tuple[Value, ...]]
    analyses: list[NoteAnalysis | None]
    checklist: list[list[Value]]
    originals: list[dict[str, Any] | None] | None = None
    batch: Any = None


class RowFormat(Protocol):
    """Turns rows into bytes that the writer of the same format takes: the part of writing that workers do.

    It can be pickled, and gives the same bytes for the same rows in every process.

    Attributes:
        takes_originals: Whether it wants the JSON objects that the rows came from.
        takes_batches: Whether it wants the Arrow record batch that the rows came from.
    """

    takes_originals: ClassVar[bool]
    takes_batches: ClassVar[bool]

    def encode(self, rows: ResultRows) -> bytes:
        """Return the rows as the writer takes them."""


class ResultWriter(Protocol):
    """Takes encoded rows in order; ``finish`` completes the file, ``abandon`` drops what is open."""

    def write(self, encoded: bytes) -> None:
        """Write some rows, as the `RowFormat` of the same format encoded them."""

    def finish(self, blocks: Sequence[Block]) -> None:
        """Write the summary where the format has a place for it, and close the file."""

    def abandon(self) -> None:
        """Close the file, whatever its state."""


def guard_formula(text: str) -> str:
    """Return the text so that a spreadsheet does not run it.

    >>> [guard_formula(text) for text in ("=1+1", "-5", "+86 138 0013 8000", "- 客户同意")]
    ["'=1+1", '-5', '+86 138 0013 8000', "'- 客户同意"]
    """
    if text.startswith(_FORMULA_START) and not _PLAIN_NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def replace_surrogates(text: str) -> str:
    r"""Return the text with halves of characters, which no encoding can write, replaced.

    >>> replace_surrogates("a\ud83d")
    'a�'
    """
    return SURROGATE.sub("\ufffd", text)


def add_problem(results: tuple[Value, ...], *problems: str) -> tuple[Value, ...]:
    """Return the result cells of a row with more in the last one, 问题."""
    known = [str(results[-1])] if results[-1] else []
    new = [problem for problem in problems if problem]
    return (*results[:-1], "；".join([*known, *new])) if new else results
