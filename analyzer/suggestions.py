"""What a model finds, in the form of annotations: for people to correct in an annotation tool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analyzer.columns import find_note_column
from analyzer.corpus import Example, GoldConcern
from analyzer.note_analyzer import NoteAnalyzer
from analyzer.notes import analyze_all
from analyzer.own_labels import OWN_AUTHOR
from analyzer.records import NoteAnalysis
from analyzer.tables import open_table


def suggested(
    paths: Sequence[Path], analyzer: NoteAnalyzer, note_column: str | None = None
) -> tuple[list[Example], int]:
    """Return what the model finds in the notes of some exports, and how many rows had nothing to find.

    Args:
        paths: the exports.
        analyzer: the model.
        note_column: the column of the notes; found by itself where not given.

    Raises:
        TableError: a file cannot be read.
        ColumnError: no column holds notes.
    """
    out: list[Example] = []
    left_out = 0
    for path in paths:
        with open_table(path) as table:
            column = find_note_column(table.columns, table.sample(), note_column)
            position = table.columns.index(column.name)
            number = 0
            for chunk in table:
                texts: list[str] = chunk.frame.iloc[:, position].tolist()
                for text, (analysis, _) in zip(texts, analyze_all(texts, analyzer.analyze_many), strict=True):
                    number += 1
                    if analysis is None or analysis.outcome is None:
                        left_out += 1
                    else:
                        out.append(as_example(f"{path.name} {number}", text, analysis))
    return out, left_out


def as_example(name: str, note: str, analysis: NoteAnalysis) -> Example:
    """Return an analysis in the form of an annotated note."""
    act = analysis.commitment
    return Example(
        id=name,
        author=OWN_AUTHOR,
        note=note,
        is_fragment=False,
        outcome=analysis.outcome.value if analysis.outcome else None,
        evidence=tuple((span.start, span.end) for span in analysis.evidence),
        concerns=tuple(
            GoldConcern(
                (one.span.start, one.span.end),
                one.topic,
                one.status,
                (one.response.start, one.response.end) if one.response else None,
            )
            for one in analysis.concerns
        ),
        commitment=(act.span.start, act.span.end) if act else None,
        action=act.action if act else None,
        due=(act.due.start, act.due.end) if act and act.due else None,
    )
