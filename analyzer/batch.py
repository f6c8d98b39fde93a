"""Scores a whole export: chunk by chunk, every row kept, a note that breaks the analyzer set apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from analyzer.columns import (
    NoteColumn,
    find_customer_column,
    find_date_column,
    find_note_column,
    find_salesperson_column,
)
from analyzer.drift import sample_words
from analyzer.frames import AnalyzeMany, analyze_all, empty_problem
from analyzer.records import NoteAnalysis
from analyzer.results import (
    CHECKLIST_COLUMNS,
    ROW_NUMBER,
    Summary,
    Value,
    checklist_rows,
    result_names,
    result_values,
)
from analyzer.table_layout import Layout, ResultRows
from analyzer.table_writers import check_output, open_writer
from analyzer.tables import CHUNK_ROWS, Chunk, Dialect, Table, open_table

Progress = Callable[[int, float | None], None]
"""Called after each chunk with the rows done and the share of the file read, where known."""


class Analyzer(Protocol):
    """What scoring needs of `NoteAnalyzer`."""

    def analyze_many(self, texts: Sequence[str], /) -> list[NoteAnalysis]:
        """Return one analysis a text, in order."""


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What a run did."""

    source: Path
    output: Path
    dialect: Dialect
    note_column: NoteColumn
    counts: Summary

    @property
    def read(self) -> int:
        """Rows read: the sum of the other three."""
        return self.counts.read

    @property
    def scored(self) -> int:
        """Rows with an outcome."""
        return self.counts.scored

    @property
    def empty(self) -> int:
        """Rows without text in the note."""
        return self.counts.empty

    @property
    def failed(self) -> int:
        """Rows that could not be read or analysed."""
        return self.counts.failed


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the columns that matter stand."""

    note: int
    person: int | None
    identity: tuple[int, ...]


def default_output(source: Path) -> Path:
    """Return the name of the results file where none is given.

    >>> default_output(Path("拜访记录.csv")).name
    '拜访记录.scored.xlsx'
    """
    return source.with_name(f"{source.stem}.scored.xlsx")


def score_file(
    source: str | Path,
    output: str | Path | None,
    analyzer: Analyzer,
    *,
    note_column: str | None = None,
    sheet: str | None = None,
    progress: Progress | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> BatchSummary:
    """Score an export into a results file with the same rows and columns and the results beside them.

    Args:
        source: The export.
        output: xlsx, csv, jsonl or parquet; by default ``SOURCE.scored.xlsx``.
        analyzer: Anything with ``analyze_many``.
        note_column: The column of the notes; found by itself where not given.
        sheet: The sheet of a workbook.
        progress: Called after each chunk.
        chunk_rows: Rows worked on at once.

    Raises:
        TableError: The export cannot be read or the output not written; no unfinished file is left.
    """
    source = Path(source)
    output = default_output(source) if output is None else Path(output)
    check_output(output, source)
    with open_table(source, sheet=sheet, chunk_rows=chunk_rows) as table:
        column = find_note_column(table.columns, table.sample(), note_column)
        places = _places(table.columns, column.name)
        layout = _layout(table, column.name, places)
        counts = Summary()
        with open_writer(output, layout) as writer:
            for chunk in table:
                writer.write(_score_chunk(chunk, places, analyzer.analyze_many, counts))
                words, unseen = sample_words(analyzer, chunk.frame.iloc[:, places.note].tolist())
                counts.words, counts.unseen = counts.words + words, counts.unseen + unseen
                if progress is not None:
                    progress(counts.read, table.fraction_read())
            if counts.read != counts.scored + counts.empty + counts.failed:
                raise AssertionError(f"rows do not add up: {counts}")
            writer.finish(counts.blocks())
    return BatchSummary(source, output, table.dialect, column, counts)


def _places(columns: Sequence[str], note_column: str) -> _Places:
    person = find_salesperson_column(columns)
    found = (find_customer_column(columns), person, find_date_column(columns))
    position = {name: index for index, name in enumerate(columns)}
    identity = tuple(position[name] for name in found if name is not None and name != note_column)
    return _Places(position[note_column], None if person is None else position[person], identity)


def _layout(table: Table, note_column: str, places: _Places) -> Layout:
    identity = tuple(table.columns[index] for index in places.identity)
    return Layout(
        columns=table.columns,
        result_columns=result_names(table.columns),
        note_column=note_column,
        checklist_columns=(ROW_NUMBER, *identity, *CHECKLIST_COLUMNS),
        arrow_schema=table.arrow_schema,
    )


def _score_chunk(chunk: Chunk, places: _Places, analyze_many: AnalyzeMany, counts: Summary) -> ResultRows:
    cells: list[list[str]] = chunk.frame.to_numpy(dtype=object).tolist()
    found = analyze_all([row[places.note] for row in cells], analyze_many)
    results: list[tuple[Value, ...]] = []
    analyses: list[NoteAnalysis | None] = []
    checklist: list[list[Value]] = []
    for position, (row, (given, failure)) in enumerate(zip(cells, found, strict=True)):
        analysis = None if position in chunk.broken else given
        reasons = [chunk.problems[position], failure]
        if not chunk.problems[position]:
            reasons.append(empty_problem(analysis))
        problem = "；".join(filter(None, reasons))
        person = None if places.person is None else row[places.person]
        counts.add(analysis, person=person, problem=problem)
        results.append(result_values(analysis, problem))
        analyses.append(analysis)
        # The row's number in the results file: its header is row 1.
        checklist += checklist_rows(counts.read + 1, [row[index] for index in places.identity], analysis)
    return ResultRows(cells, results, analyses, checklist, chunk.originals, chunk.batch)
