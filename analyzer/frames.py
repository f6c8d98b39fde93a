"""Scores texts and data frames; a note that breaks the analyzer is set apart, the others come through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import pandas as pd

from analyzer.columns import find_note_column
from analyzer.records import NoteAnalysis
from analyzer.results import EMPTY_NOTE, RESULT_TYPES, Value, result_names, result_values

_DTYPES: dict[type, Literal["float64", "Int64", "object"]] = {float: "float64", int: "Int64", str: "object"}

AnalyzeMany = Callable[[Sequence[str]], list[NoteAnalysis]]


def score_frame(frame: pd.DataFrame, analyze_many: AnalyzeMany, note_column: str | None = None) -> pd.DataFrame:
    """Return the same rows, index and columns with the result columns added; ``frame`` itself stays as it is.

    Raises:
        ColumnError: There is no such column, or none that holds notes.
    """
    names = [str(name) for name in frame.columns]
    column = find_note_column(names, frame, note_column)
    texts = ["" if _is_missing(value) else str(value) for value in frame.iloc[:, names.index(column.name)]]
    results = [
        result_values(analysis, problem or empty_problem(analysis))
        for analysis, problem in analyze_all(texts, analyze_many)
    ]
    added = {
        name: _series([row[index] for row in results], frame.index, index)
        for index, name in enumerate(result_names(names))
    }
    result: pd.DataFrame = pd.concat([frame, pd.DataFrame(added, index=frame.index)], axis=1)
    return result


def _series(values: list[Value], index: pd.Index, column: int) -> pd.Series:
    return pd.Series(values, index=index, dtype=_DTYPES[RESULT_TYPES[column]])


def _is_missing(value: object) -> bool:
    missing = pd.isna(value)  # type: ignore[call-overload]
    return isinstance(missing, bool) and missing


def empty_problem(analysis: NoteAnalysis | None) -> str:
    """Return what stands in 问题 for a note without text, else nothing."""
    return EMPTY_NOTE if analysis is not None and analysis.outcome is None else ""


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
