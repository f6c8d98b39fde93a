"""Scores texts and data frames; a note that breaks the analyzer is set apart, the others come through."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Literal

import pandas as pd

from analyzer.columns import find_date_column, find_note_column
from analyzer.due_dates import with_due_date
from analyzer.records import NoteAnalysis
from analyzer.redaction import redact, redact_analysis, redact_data
from analyzer.results import EMPTY_NOTE, RESULT_TYPES, Value, result_names, result_values
from analyzer.visits import parse_date

_DTYPES: dict[type, Literal["float64", "Int64", "object"]] = {float: "float64", int: "Int64", str: "object"}

AnalyzeMany = Callable[[Sequence[str]], list[NoteAnalysis]]


def score_frame(
    frame: pd.DataFrame,
    analyze_many: AnalyzeMany,
    note_column: str | None = None,
    *,
    as_of: datetime.date | None = None,
    masked: bool = False,
) -> pd.DataFrame:
    """Return the same rows, index and columns with the result columns added; ``frame`` itself stays as it is.

    Args:
        frame: a table with one note a row.
        analyze_many: analyses notes.
        note_column: name of the column with the notes; found by itself if not given.
        as_of: day of the visits whose row names none.
        masked: mask personal numbers and addresses in all columns.

    Raises:
        ColumnError: There is no such column, or none that holds notes.
    """
    names = [str(name) for name in frame.columns]
    column = find_note_column(names, frame, note_column)
    texts = ["" if _is_missing(value) else str(value) for value in frame.iloc[:, names.index(column.name)]]
    dates = find_date_column([name for name in names if name != column.name])
    days = [str(value) for value in frame.iloc[:, names.index(dates)]] if dates else [""] * len(texts)
    found = dated(analyze_all(texts, analyze_many), days, as_of)
    if masked:
        frame = frame.apply(_masked_series)
        found = [
            (analysis and redact_analysis(analysis, redact(text)), redact(problem))
            for text, (analysis, problem) in zip(texts, found, strict=True)
        ]
    results = [result_values(analysis, problem or empty_problem(analysis)) for analysis, problem in found]
    added = {
        name: _series([row[index] for row in results], frame.index, index)
        for index, name in enumerate(result_names(names))
    }
    result: pd.DataFrame = pd.concat([frame, pd.DataFrame(added, index=frame.index)], axis=1)
    return result


def _series(values: list[Value], index: pd.Index, column: int) -> pd.Series:
    return pd.Series(values, index=index, dtype=_DTYPES[RESULT_TYPES[column]])


def _masked_series(series: pd.Series) -> pd.Series:
    """Return the column masked; one that has nothing to mask keeps its type."""
    values = series.tolist()
    masked = [redact_data(value) for value in values]
    changed = any(new is not old for new, old in zip(masked, values, strict=True) if isinstance(new, str))
    return pd.Series(masked, index=series.index, dtype="object", name=series.name) if changed else series


def _is_missing(value: object) -> bool:
    missing = pd.isna(value)  # type: ignore[call-overload]
    return isinstance(missing, bool) and missing


def empty_problem(analysis: NoteAnalysis | None) -> str:
    """Return what stands in 问题 for a note without text, else nothing."""
    return EMPTY_NOTE if analysis is not None and analysis.outcome is None else ""


def dated(
    found: Sequence[tuple[NoteAnalysis | None, str]], days: Sequence[str], as_of: datetime.date | None = None
) -> list[tuple[NoteAnalysis | None, str]]:
    """Return what `analyze_all` found with the due dates of the commitments.

    Args:
        found: findings and problems.
        days: the day of each visit as its row has it; may be empty.
        as_of: the day where a row has none that can be read.
    """
    return [
        (analysis and with_due_date(analysis, parse_date(day) or as_of), problem)
        if analysis and analysis.commitment and analysis.commitment.due
        else (analysis, problem)
        for (analysis, problem), day in zip(found, days, strict=True)
    ]


def analyze_all(texts: Sequence[str], analyze_many: AnalyzeMany) -> list[tuple[NoteAnalysis | None, str]]:
    """Return (analysis, problem) of each text.

    All are analysed together; where that fails, one by one, so that one bad note costs only itself.
    """
    try:
        return [(analysis, "") for analysis in _checked(texts, analyze_many)]
    except Exception:  # whatever a note breaks, the other rows must come through
        return [_analyze_one(text, analyze_many) for text in texts]


def _analyze_one(text: str, analyze_many: AnalyzeMany) -> tuple[NoteAnalysis | None, str]:
    try:
        return _checked([text], analyze_many)[0], ""
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        return None, f"未能分析（{type(error).__name__}{'：' if reason else ''}{reason}）"


def _checked(texts: Sequence[str], analyze_many: AnalyzeMany) -> list[NoteAnalysis]:
    analyses = analyze_many(texts)
    if len(analyses) != len(texts):
        raise RuntimeError(f"{len(analyses)} analyses for {len(texts)} notes")
    return analyses
