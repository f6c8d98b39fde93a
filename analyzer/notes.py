"""Analyses lists of notes; a note that breaks the analyzer is set apart, the others come through."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence

from analyzer.due_dates import with_due_date
from analyzer.records import NoteAnalysis
from analyzer.results import EMPTY_NOTE
from analyzer.visits import parse_date

AnalyzeMany = Callable[[Sequence[str]], list[NoteAnalysis]]


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
