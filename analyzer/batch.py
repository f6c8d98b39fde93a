"""Scores a whole export: chunk by chunk, every row kept, a note that breaks the analyzer set apart."""

from __future__ import annotations

import contextlib
import datetime
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analyzer.chunks import Analyzer, BadRow, ChunkTask, ScoredChunk, find_places, make_layout
from analyzer.columns import NoteColumn, find_note_column
from analyzer.errors import BadRowError, TableError
from analyzer.journal import Journal, describe_file, journal_path
from analyzer.release import release
from analyzer.results import Summary
from analyzer.row_formats import row_format
from analyzer.table_layout import ResultWriter
from analyzer.table_source import STANDARD_INPUT
from analyzer.table_writers import check_output, open_stream_writer, open_writer
from analyzer.tables import CHUNK_ROWS, Chunk, Dialect, Table, open_table
from analyzer.workers import Job, Scorer

__all__ = ["STANDARD", "Analyzer", "BatchSummary", "JournalUse", "Progress", "default_output", "forget", "score_file"]

STANDARD = Path(STANDARD_INPUT)
"""Stands for standard input as a source and for standard output as a target."""

Progress = Callable[[int, float | None], None]
"""Called after each chunk with the rows done and the share of the file read, where known."""


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What a run did.

    ``remarks`` say what of the file is not among the rows; ``resumed`` are the rows whose results an earlier,
    unfinished run had left; ``seconds`` is the time it took.
    """

    source: Path | str
    output: Path | str
    dialect: Dialect
    note_column: NoteColumn
    counts: Summary
    remarks: tuple[str, ...] = ()
    resumed: int = 0
    seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        """Return all but the paths as plain JSON data."""
        return {
            "dialect": asdict(self.dialect),
            "note_column": asdict(self.note_column),
            "counts": self.counts.to_dict(),
            "remarks": self.remarks,
        }

    @classmethod
    def from_facts(cls, source: Path, output: Path, facts: Mapping[str, Any]) -> BatchSummary:
        """Return what an earlier run wrote down when it had finished the file."""
        dialect, column = Dialect(**_with_tuples(facts["dialect"])), NoteColumn(**_with_tuples(facts["note_column"]))
        counts = Summary.from_dict(facts["counts"])
        return cls(source, output, dialect, column, counts, tuple(facts["remarks"]), resumed=counts.read)

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
class JournalUse:
    """How to keep a journal.

    Attributes:
        model_version: Tells one model from another: an unfinished run goes on only with its own.
        resume: Go on with an unfinished run; else start over.
        one_of_many: The file is one of several: leave a mark that it is done, until `forget` after the last.
        on_dropped: Called with the output and about how many rows were done where an unfinished run is dropped.
    """

    model_version: str
    resume: bool = False
    one_of_many: bool = False
    on_dropped: Callable[[Path, int], None] | None = None


def default_output(source: Path) -> Path:
    """Return the name of the results file where none is given.

    >>> default_output(Path("拜访记录.csv")).name
    '拜访记录.scored.xlsx'
    """
    return source.with_name(f"{source.stem}.scored.xlsx")


def score_file(
    source: str | Path,
    output: str | Path | None,
    analyzer: Analyzer | Scorer,
    *,
    note_column: str | None = None,
    sheet: str | None = None,
    progress: Progress | None = None,
    chunk_rows: int = CHUNK_ROWS,
    stream_ending: str = ".csv",
    strict: bool = False,
    journal: JournalUse | None = None,
    as_of: datetime.date | None = None,
    redact: bool = False,
) -> BatchSummary:
    """Score an export into a results file with the same rows and columns and the results beside them.

    Args:
        source: The export; ``-`` is standard input.
        output: xlsx, csv, jsonl or parquet; by default ``SOURCE.scored.xlsx``; ``-`` is standard output.
        analyzer: Anything with ``analyze_many``, or a `Scorer` with worker processes.
        note_column: The column of the notes; found by itself where not given.
        sheet: The sheet of a workbook.
        progress: Called after each chunk.
        chunk_rows: Rows worked on at once.
        stream_ending: ``.csv`` or ``.jsonl``: what goes to standard output.
        strict: Stop at the first row that could not be read or analysed as it should.
        journal: Whether and how to keep a journal, so that a run that is stopped can go on; between standard input
            and standard output there is none.
        as_of: The day of the visits whose row names none; due dates are told from it.
        redact: Mask personal numbers and addresses in all that comes out, see `analyzer.redaction`.

    Raises:
        TableError: The export cannot be read or the output not written; no unfinished file is left.
        BadRowError: ``strict``, and there is such a row; the message names it.
        JournalError: The unfinished run that was to go on was of another input, other options or another model.
        WorkerError: Worker processes cannot start, or die time and again.
    """
    started = time.monotonic()
    source = Path(source)
    output = default_output(source) if output is None else Path(output)
    if output == STANDARD:
        journal = None
    else:
        check_output(output, source)
    scorer = analyzer if isinstance(analyzer, Scorer) else Scorer(lambda: analyzer)
    with contextlib.ExitStack() as stack:
        table = stack.enter_context(open_table(source, sheet=sheet, chunk_rows=chunk_rows))
        column = find_note_column(table.columns, table.sample(), note_column)
        kept = None
        if journal is not None and source != STANDARD:
            made_of = {
                "model": journal.model_version,
                "read as": table.dialect.describe(),
                "sheet asked for": sheet,
                "note column": column.name,
                "rows in a chunk": chunk_rows,
                "as of": as_of and as_of.isoformat(),
                "redacted": redact,
            }
            kept = _open_journal(source, output, journal, made_of)
            stack.callback(kept.close)
            if (facts := kept.finished(output)) is not None:
                return BatchSummary.from_facts(source, output, facts)
        ending = stream_ending if output == STANDARD else output.suffix.lower()
        run = _Run(table, column, ending, kept, as_of=as_of, masked=redact)
        opened = (
            open_stream_writer(sys.stdout.buffer, ending, run.layout)
            if output == STANDARD
            else open_writer(output, run.layout)
        )
        with opened as writer:
            run.score(scorer, writer, progress, strict=strict)
        seconds = time.monotonic() - started
        summary = BatchSummary(
            source, output, table.dialect, column, run.counts, tuple(table.remarks), run.resumed, seconds
        )
        if kept is not None and journal is not None:
            with _errors_told(f"{output} is complete, but its journal {kept.folder} cannot be written"):
                if journal.one_of_many:
                    kept.finish(output, summary.facts())
                else:
                    kept.remove()
    return summary


def _open_journal(source: Path, output: Path, use: JournalUse, made_of: Mapping[str, Any]) -> Journal:
    """Return the journal of an output: taken up where the run is to go on, else empty."""
    with _errors_told(f"{source} cannot be read"):
        described = describe_file(source)
    journal = Journal(
        journal_path(output),
        {"release": release(), "input": described, "output": output.suffix.lower(), **made_of},
    )
    with _errors_told(f"the journal {journal.folder} cannot be written"):
        if use.resume:
            journal.take_up()
        elif (dropped := journal.start_over()) and use.on_dropped is not None:
            use.on_dropped(output, dropped * int(made_of["rows in a chunk"]))
    return journal


@contextlib.contextmanager
def _errors_told(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TableError(f"{what} ({error.strerror or error}); check the drive's permissions and free space") from error


class _Run:
    """One file being scored."""

    def __init__(
        self,
        table: Table,
        column: NoteColumn,
        ending: str,
        journal: Journal | None,
        *,
        as_of: datetime.date | None,
        masked: bool,
    ) -> None:
        self.counts = Summary()
        self._as_of, self._masked = as_of, masked
        self.resumed = 0
        self._rows_read = 0
        self._table, self._ending, self._journal = table, ending, journal
        self._places = find_places(table.columns, column.name)
        self.layout = make_layout(table, column.name, self._places, masked=masked)

    def score(self, scorer: Scorer, writer: ResultWriter, progress: Progress | None, *, strict: bool) -> None:
        counts = self.counts
        # Closed at once, so that no worker is left with a chunk of a file that failed.
        with contextlib.closing(scorer.score(self._jobs(), self._note_down)) as chunks:
            for task, scored in chunks:
                if strict and scored.bad is not None:
                    raise BadRowError(_bad_row(scored.bad))
                writer.write(scored.encoded)
                counts.merge(scored.counts)
                if counts.read != task.first_row + len(task):
                    raise AssertionError(f"rows are missing after chunk {task.index}: {counts.read}")
                if progress is not None:
                    progress(counts.read, self._fraction_done())
        if counts.read != counts.scored + counts.empty + counts.failed:
            raise AssertionError(f"rows do not add up: {counts}")
        writer.finish(counts.blocks())

    def _fraction_done(self) -> float | None:
        """Return the share of the file whose rows are written: reading runs ahead of that."""
        read = self._table.fraction_read()
        return None if read is None else read * self.counts.read / max(1, self._rows_read)

    def _jobs(self) -> Iterator[Job]:
        """Yield the chunks, each with its result where the journal has it."""
        rows_as = row_format(self._ending, self.layout)
        chunks = self._counted(self._table)
        ahead = next(chunks, None)
        index = first_row = 0
        while ahead is not None:
            chunk, ahead = ahead, next(chunks, None)
            if index == 0 and ahead is None:
                self._journal = None  # a single chunk leaves nothing to go on from
            task = ChunkTask.of(chunk, index, first_row, self._places, rows_as, as_of=self._as_of, masked=self._masked)
            known = None if self._journal is None else self._journal.find(task)
            if known is not None:
                self.resumed += len(task)
            yield task, known
            index, first_row = index + 1, first_row + len(task)

    def _counted(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            self._rows_read += len(chunk.rows)
            yield chunk

    def _note_down(self, task: ChunkTask, scored: ScoredChunk) -> None:
        if self._journal is not None:
            self._journal.add(task, scored)


def _with_tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON data with tuples for its arrays, as our records have them."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}


def _bad_row(bad: BadRow) -> str:
    return (
        f"row {bad.number} (the header is row 1) is bad: {bad.reason}; correct it, or run without --strict, "
        "which keeps such a row and tells the reason in the column 问题"
    )


def forget(outputs: Iterable[Path]) -> None:
    """Remove the marks of finished files, after the last of many."""
    for output in outputs:
        Journal(journal_path(output), {}).remove()
