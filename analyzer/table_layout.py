"""What a results file holds, and text made safe for it: shared by the writers of all formats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from analyzer.records import NoteAnalysis
from analyzer.results import Block, Value, checklist_rows

FORMULA_START = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""OWASP's list for csv injection: what spreadsheets take for the beginning of a formula, wide forms included."""
_GUARDED = re.compile("'+[" + "".join(map(re.escape, FORMULA_START)) + "]")
_PLAIN_NUMBER = re.compile(r"[-+] ?\d[\d ,]*(\.\d+)?%?")
SURROGATE = re.compile("[\ud800-\udfff]")
HALF_CHARACTER = "含不完整的字符，已用 � 代替"


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a results file; ``widths`` are those of the widest line in each column of the export."""

    columns: tuple[str, ...]
    result_columns: tuple[str, ...]
    note_column: str
    checklist_columns: tuple[str, ...]
    widths: tuple[int, ...]
    arrow_schema: Any = None


@dataclass(frozen=True, slots=True)
class ResultRows:
    """Some rows to write; all lists are parallel.

    Attributes:
        cells: the rows of the export.
        results: their result cells.
        analyses: what was found in their notes.
        first_number: number of the first row in the results file.
        identity: the columns that tell a visit in the checklist.
        originals: the JSON objects that the rows came from.
        batch: the Arrow record batch that the rows came from.
    """

    cells: list[list[str]]
    results: list[tuple[Value, ...]]
    analyses: list[NoteAnalysis | None]
    first_number: int = 2
    identity: tuple[int, ...] = ()
    originals: list[dict[str, Any] | None] | None = None
    batch: Any = None

    def checklist(self) -> list[list[Value]]:
        """Return the rows of the checklist, a row a concern; made only for the formats that have one."""
        numbered = enumerate(zip(self.cells, self.analyses, strict=True), start=self.first_number)
        return [
            line
            for number, (row, analysis) in numbered
            for line in checklist_rows(number, [row[index] for index in self.identity], analysis)
        ]


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


def runs_as_formula(text: str) -> bool:
    """Whether a spreadsheet may take the text for a formula when it is typed or read from csv.

    Plain numbers are none: ``-5`` and ``+86 138 0013 8000`` stay numbers.
    """
    return text.startswith(FORMULA_START) and not _PLAIN_NUMBER.fullmatch(text)


def guard_formula(text: str) -> str:
    """Return the text so that a spreadsheet does not run it: behind an apostrophe.

    A text that stands behind apostrophes already gets one more, so that `unguard_formula` gives back every text.

    >>> [guard_formula(text) for text in ("=1+1", "-5", "+86 138 0013 8000", "- 客户同意", "'=1", "'好'")]
    ["'=1+1", '-5', '+86 138 0013 8000', "'- 客户同意", "''=1", "'好'"]
    """
    if runs_as_formula(text) or _GUARDED.match(text):
        return f"'{text}"
    return text


def unguard_formula(text: str) -> str:
    """Return the text as it was before `guard_formula`.

    >>> [unguard_formula(text) for text in ("'=1+1", "''=1", "-5", "'好'")]
    ['=1+1', "'=1", '-5', "'好'"]
    """
    return text[1:] if _GUARDED.match(text) else text


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


def display_width(text: str) -> int:
    r"""Return the columns that the longest line takes, and one; a Chinese character takes two.

    >>> display_width("12 台\n好")
    6
    """
    lines = text.splitlines()[:20] or [""]
    return max(sum(2 if char > "\u2e7f" else 1 for char in line[:100]) for line in lines) + 1
