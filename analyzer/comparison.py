"""Where two models differ on the same notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzer.columns import NoteColumn, find_note_column
from analyzer.notes import AnalyzeMany, analyze_all
from analyzer.records import Concern, NoteAnalysis, Outcome
from analyzer.results import Value, concern_text, evidence_text
from analyzer.tables import open_table

HEADER = (
    "行号",
    "拜访记录",
    "甲：结果",
    "甲：把握度",
    "甲：依据",
    "乙：结果",
    "乙：把握度",
    "乙：依据",
    "只有甲有的关注点",
    "只有乙有的关注点",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A note that two models read differently.

    Attributes:
        number: row, counted from 1 under the header.
        note: the text.
        first: what the first model found.
        second: what the second found.
    """

    number: int
    note: str
    first: NoteAnalysis
    second: NoteAnalysis

    @property
    def in_outcome(self) -> bool:
        """Whether the outcomes differ."""
        return self.first.outcome is not self.second.outcome

    def row(self) -> list[Value]:
        """Return the cells under `HEADER`."""
        cells: list[Value] = [self.number, self.note]
        for one in (self.first, self.second):
            cells += [one.outcome.label if one.outcome else "", one.confidence, evidence_text(one)]
        for one, other in ((self.first, self.second), (self.second, self.first)):
            known = {_key(concern) for concern in other.concerns}
            cells.append("\n".join(concern_text(concern) for concern in one.concerns if _key(concern) not in known))
        return cells


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two models find in the same notes.

    Attributes:
        column: where the notes stood.
        notes: notes with text that both could read.
        outcomes: how many notes have each pair of outcomes (first, second).
        reviews: notes marked for review by each.
        concerns: concerns found by each, and those found alike.
        differences: notes that are read differently, those with another outcome first, the surest first.
        left_out: rows without text, or that a model could not analyse.
    """

    column: NoteColumn
    notes: int
    outcomes: Counter[tuple[Outcome, Outcome]]
    reviews: tuple[int, int]
    concerns: tuple[int, int, int]
    differences: list[Difference]
    left_out: int

    @property
    def changed(self) -> int:
        """Notes with another outcome."""
        return sum(count for (one, other), count in self.outcomes.items() if one is not other)


def compare_models(
    source: Path, first: AnalyzeMany, second: AnalyzeMany, *, note_column: str | None = None, sheet: str | None = None
) -> Comparison:
    """Read a file with two models.

    Args:
        source: an export.
        first: ``analyze_many`` of the one.
        second: of the other.
        note_column: the column of the notes; found by itself where not given.
        sheet: the sheet of a workbook.

    Raises:
        TableError: the file cannot be read.
        ColumnError: no column holds notes.
    """
    pairs: list[tuple[str, NoteAnalysis | None, NoteAnalysis | None]] = []
    with open_table(source, sheet=sheet) as table:
        column = find_note_column(table.columns, table.sample(), note_column)
        position = table.columns.index(column.name)
        for chunk in table:
            texts: list[str] = chunk.frame.iloc[:, position].tolist()
            found = zip(texts, analyze_all(texts, first), analyze_all(texts, second), strict=True)
            pairs += [(text, one, other) for text, (one, _), (other, _) in found]
    return _compared(column, pairs)


def _compared(column: NoteColumn, pairs: Sequence[tuple[str, NoteAnalysis | None, NoteAnalysis | None]]) -> Comparison:
    outcomes: Counter[tuple[Outcome, Outcome]] = Counter()
    reviews, concerns = [0, 0], [0, 0, 0]
    differences = []
    notes = 0
    for number, (text, one, other) in enumerate(pairs, 1):
        if one is None or other is None or one.outcome is None or other.outcome is None:
            continue
        notes += 1
        outcomes[one.outcome, other.outcome] += 1
        reviews[0] += one.needs_review
        reviews[1] += other.needs_review
        first, second = ({_key(concern) for concern in each.concerns} for each in (one, other))
        concerns = [concerns[0] + len(first), concerns[1] + len(second), concerns[2] + len(first & second)]
        if one.outcome is not other.outcome or first != second:
            differences.append(Difference(number, text, one, other))
    differences.sort(key=lambda each: (not each.in_outcome, -_sureness(each), each.number))
    return Comparison(
        column, notes, outcomes, (reviews[0], reviews[1]), (concerns[0], concerns[1], concerns[2]), differences,
        len(pairs) - notes,
    )  # fmt: skip


def _sureness(difference: Difference) -> float:
    return min(difference.first.confidence or 0.0, difference.second.confidence or 0.0)


def _key(concern: Concern) -> tuple[int, int, str, str]:
    return concern.span.start, concern.span.end, concern.topic.value, concern.status.value
