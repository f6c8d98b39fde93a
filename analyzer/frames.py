"""Scores data frames."""

from __future__ import annotations

import datetime
from typing import Literal

import pandas as pd

from analyzer.columns import find_date_column, find_note_column
from analyzer.notes import AnalyzeMany, analyze_all, dated, empty_problem
from analyzer.redaction import redact, redact_analysis, redact_data
from analyzer.results import RESULT_TYPES, Value, result_names, result_values

_DTYPES: dict[type, Literal["float64", "Int64", "object"]] = {float: "float64", int: "Int64", str: "object"}


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
