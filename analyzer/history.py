"""Reads an export as visits with their findings: the input of progress, checklist and report.

A results file of ``visit-notes score`` is read like the export that it was made from: its result columns are left
aside and the notes are read anew, which gives the same findings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analyzer.batch import Analyzer, Progress
from analyzer.columns import (
    NoteColumn,
    find_customer_column,
    find_date_column,
    find_note_column,
    find_opportunity_column,
    find_salesperson_column,
    find_team_column,
)
from analyzer.due_dates import with_due_date
from analyzer.notes import analyze_all, empty_problem
from analyzer.redaction import redact as mask
from analyzer.redaction import redact_analysis
from analyzer.results import RESULT_COLUMNS, one_line, result_names
from analyzer.tables import Chunk, Dialect, open_table
from analyzer.visits import Visit, parse_date


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that the visits were read from; ``None`` where the export has none."""

    note: NoteColumn
    date: str | None
    customer: str | None
    opportunity: str | None
    salesperson: str | None
    team: str | None

    def describe(self) -> str:
        """Return one line for the user."""
        shown = {
            "date": self.date,
            "customer": self.customer,
            "opportunity": self.opportunity,
            "salesperson": self.salesperson,
            "team": self.team,
        }
        return "; ".join(f"{role}: {name if name else 'no column found'}" for role, name in shown.items())


@dataclass(frozen=True, slots=True)
class History:
    """All visits of an export, in the order of its rows."""

    source: Path
    dialect: Dialect
    columns: Columns
    visits: tuple[Visit, ...]


def read_history(
    source: str | Path,
    analyzer: Analyzer,
    *,
    note_column: str | None = None,
    opportunity_column: str | None = None,
    sheet: str | None = None,
    progress: Progress | None = None,
    redact: bool = False,
) -> History:
    """Read an export, or a results file made from one, and analyse its notes.

    Every row becomes a visit. What a row lacks is told in the visit's ``problem``. With ``redact`` personal numbers and
    addresses are masked in all of it, see `analyzer.redaction`.

    Raises:
        TableError: the file cannot be read, or a column that the user named does not exist.
    """
    source = Path(source)
    with open_table(source, sheet=sheet) as table:
        names = _own_columns(table.columns)
        sample = table.sample()[list(names)]
        columns = _find_columns(names, find_note_column(names, sample, note_column), opportunity_column)
        visits: list[Visit] = []
        for chunk in table:
            found = _visits(chunk, columns, analyzer, len(visits) + 2)
            visits += map(_redacted, found) if redact else found
            if progress is not None:
                progress(len(visits), table.fraction_read())
    return History(source, table.dialect, columns, tuple(visits))


def _own_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns without those that scoring added at the end.

    >>> _own_columns(["客户", "跟进记录", *RESULT_COLUMNS]), _own_columns(["跟进记录", "analysis"])
    (('客户', '跟进记录'), ('跟进记录',))
    """
    own = tuple(columns[: -len(RESULT_COLUMNS)])
    if own and tuple(columns[len(own) :]) == result_names(own):
        return own
    return tuple(columns[:-1]) if len(columns) > 1 and columns[-1] == "analysis" else tuple(columns)


def _find_columns(names: Sequence[str], note: NoteColumn, opportunity: str | None) -> Columns:
    others = [name for name in names if name != note.name]
    return Columns(
        note=note,
        date=find_date_column(others),
        customer=find_customer_column(others),
        opportunity=find_opportunity_column(others, opportunity),
        salesperson=find_salesperson_column(others),
        team=find_team_column(others),
    )


def _visits(chunk: Chunk, columns: Columns, analyzer: Analyzer, first_row: int) -> list[Visit]:
    frame = chunk.frame
    blank = [""] * len(frame)
    notes = frame[columns.note.name].tolist()
    named = (columns.date, columns.customer, columns.opportunity, columns.salesperson, columns.team)
    cells = [blank if name is None else [one_line(cell) for cell in frame[name].tolist()] for name in named]
    found = analyze_all(notes, analyzer.analyze_many)
    visits = []
    for index, (note, (analysis, failure), *row) in enumerate(zip(notes, found, *cells, strict=True)):
        day, customer, opportunity, salesperson, team = row
        date = parse_date(day)
        problems = [chunk.problems[index], failure or empty_problem(analysis)]
        if columns.date is not None and date is None:
            problems.append(f"日期“{day}”无法识别" if day else "没有日期")
        if not customer and not opportunity:
            problems.append("没有客户和商机")
        visits.append(
            Visit(
                row=first_row + index,
                note=note,
                analysis=None if index in chunk.broken else analysis and with_due_date(analysis, date),
                date=date,
                customer=customer,
                opportunity=opportunity,
                salesperson=salesperson,
                team=team,
                problem="；".join(filter(None, problems)),
            )
        )
    return visits


def _redacted(visit: Visit) -> Visit:
    note = mask(visit.note)
    return replace(
        visit,
        note=note,
        analysis=visit.analysis and redact_analysis(visit.analysis, note),
        customer=mask(visit.customer),
        opportunity=mask(visit.opportunity),
        salesperson=mask(visit.salesperson),
        team=mask(visit.team),
        problem=mask(visit.problem),
    )
