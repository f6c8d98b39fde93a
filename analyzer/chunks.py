"""The chunk function: rows of an export in, encoded result rows and counts out.

A chunk is the unit of memory, of parallel work and of resuming. What goes in and what comes out is plain data
that can be sent to another process and, for what comes out, written down.
"""

from __future__ import annotations

import datetime
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from analyzer.columns import find_customer_column, find_date_column, find_salesperson_column
from analyzer.drift import sample_words
from analyzer.notes import analyze_all, dated, empty_problem
from analyzer.records import NoteAnalysis
from analyzer.redaction import redact, redact_analysis, redact_data
from analyzer.results import CHECKLIST_COLUMNS, ROW_NUMBER, Summary, Value, result_names, result_values
from analyzer.table_frames import Chunk, Table
from analyzer.table_layout import Layout, ResultRows, RowFormat, display_width
from analyzer.table_text import join_problems

_WIDTH_ROWS = 200
FIRST_ROW = 2
"""The number of the first row in the results file: its header is row 1."""


class Analyzer(Protocol):
    """What scoring needs of `NoteAnalyzer`."""

    def analyze_many(self, texts: Sequence[str], /) -> list[NoteAnalysis]:
        """Return one analysis a text, in order."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the columns that matter stand: note, salesperson, date, and what tells a visit in the checklist."""

    note: int
    person: int | None
    identity: tuple[int, ...]
    date: int | None = None


def find_places(columns: Sequence[str], note_column: str) -> Places:
    """Return the places of the note, the salesperson, and of customer, salesperson and date where there are any."""
    person, date = find_salesperson_column(columns), find_date_column(columns)
    found = (find_customer_column(columns), person, date)
    position = {name: index for index, name in enumerate(columns)}
    identity = tuple(position[name] for name in found if name is not None and name != note_column)
    return Places(
        position[note_column],
        None if person is None else position[person],
        identity,
        None if date in (None, note_column) else position[date],
    )


def make_layout(table: Table, note_column: str, places: Places, *, masked: bool = False) -> Layout:
    """Return the columns of the results file; a column that is ``masked`` is text, whatever type it had."""
    sample: list[list[str]] = table.sample().iloc[:_WIDTH_ROWS].to_numpy(dtype=object).tolist()
    return Layout(
        columns=table.columns,
        result_columns=result_names(table.columns),
        note_column=note_column,
        checklist_columns=(ROW_NUMBER, *(table.columns[index] for index in places.identity), *CHECKLIST_COLUMNS),
        widths=tuple(max(map(display_width, cells)) for cells in zip(*sample, strict=True)),
        arrow_schema=None if masked else table.arrow_schema,
    )


@dataclass(frozen=True, slots=True)
class BadRow:
    """The first row of a chunk that could not be read or analysed as it should; ``number`` as in the results file."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class ScoredChunk:
    """What became of a chunk: its rows encoded for the writer, their counts, and the first bad row."""

    encoded: bytes
    counts: Summary
    bad: BadRow | None = None

    def facts(self) -> dict[str, Any]:
        """Return all but the rows as plain JSON data."""
        bad = None if self.bad is None else [self.bad.number, self.bad.reason]
        return {"counts": self.counts.to_dict(), "bad": bad}

    @classmethod
    def from_facts(cls, encoded: bytes, facts: Mapping[str, Any]) -> ScoredChunk:
        """Return the chunk that `facts` and its encoded rows describe."""
        bad = None if facts["bad"] is None else BadRow(*facts["bad"])
        return cls(encoded, Summary.from_dict(facts["counts"]), bad)


@dataclass(frozen=True, slots=True)
class ChunkTask:
    """A chunk to be scored, with all that a worker needs beside the model.

    Attributes:
        index: Number of the chunk in its file, from 0.
        first_row: Rows of the file before this chunk.
        cells: The rows.
        problems: What was wrong with each in reading; empty where nothing was.
        broken: Positions of rows that could not be read at all.
        originals: The JSON objects of the rows, where the file has such and the output wants them.
        batch: The Arrow record batch, where the file has such and the output wants it.
        places: Where the columns stand.
        rows_as: Encodes the result rows.
        as_of: The day of the visits whose row names none.
        masked: Whether personal numbers and addresses are masked in all that comes out.
        killers: Positions of notes that ended the process which analysed them, with the reason; they are set apart.
    """

    index: int
    first_row: int
    cells: list[list[str]]
    problems: list[str]
    broken: frozenset[int]
    originals: list[dict[str, Any] | None] | None
    batch: Any
    places: Places
    rows_as: RowFormat
    as_of: datetime.date | None = None
    masked: bool = False
    killers: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        chunk: Chunk,
        index: int,
        first_row: int,
        places: Places,
        rows_as: RowFormat,
        *,
        as_of: datetime.date | None = None,
        masked: bool = False,
    ) -> ChunkTask:
        """Return the task of a chunk of a table, with what the output's format needs of it."""
        return cls(
            index=index,
            first_row=first_row,
            cells=chunk.rows,
            problems=chunk.problems,
            broken=chunk.broken,
            originals=chunk.originals if rows_as.takes_originals else None,
            batch=chunk.batch if rows_as.takes_batches else None,
            places=places,
            rows_as=rows_as,
            as_of=as_of,
            masked=masked,
        )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.cells)

    def texts(self) -> list[str]:
        """Return the notes."""
        return [row[self.places.note] for row in self.cells]

    def without(self, killers: Mapping[int, str]) -> ChunkTask:
        """Return the task with the notes at the positions ``killers`` set apart."""
        return replace(self, killers=killers)

    def digest(self) -> bytes:
        """Return a fingerprint of the rows: the same rows give the same one in every run."""
        digest = hashlib.blake2b(digest_size=16)
        for parts in (*self.cells, self.problems):
            digest.update("\x1f".join(parts).encode("utf-8", "surrogatepass"))
            digest.update(b"\x1e")
        return digest.digest()

    def run(self, analyzer: Analyzer) -> ScoredChunk:
        """Score the chunk; a note that breaks the analyzer costs only itself."""
        texts = ["" if position in self.killers else text for position, text in enumerate(self.texts())]
        date = self.places.date
        days = [""] * len(texts) if date is None else [row[date] for row in self.cells]
        found = dated(analyze_all(texts, analyzer.analyze_many), days, self.as_of)
        cells = [list(map(redact, row)) for row in self.cells] if self.masked else self.cells
        counts = Summary(max_people=sys.maxsize)  # bounded by the rows of a chunk
        counts.words, counts.unseen = sample_words(analyzer, texts)
        results: list[tuple[Value, ...]] = []
        analyses: list[NoteAnalysis | None] = []
        bad: BadRow | None = None
        for position, (row, (given, failure)) in enumerate(zip(cells, found, strict=True)):
            lost = position in self.broken or position in self.killers
            analysis = None if lost else given
            told, reason = self.problems[position], self.killers.get(position, failure)
            trouble = join_problems(told, reason) if told or reason else ""
            problem = trouble or empty_problem(analysis)
            if self.masked:
                analysis = analysis and redact_analysis(analysis, row[self.places.note])
                trouble, problem = redact(trouble), redact(problem)
            person = None if self.places.person is None else row[self.places.person]
            counts.add(analysis, person=person, problem=problem)
            results.append(result_values(analysis, problem))
            analyses.append(analysis)
            if trouble and bad is None:
                bad = BadRow(self.first_row + position + FIRST_ROW, trouble)
        originals = redact_data(self.originals) if self.masked else self.originals
        first = self.first_row + FIRST_ROW
        rows = ResultRows(cells, results, analyses, first, self.places.identity, originals, self.batch)
        return ScoredChunk(self.rows_as.encode(rows), counts, bad)
