"""The day by which a commitment is due: the words that name its time, read from the day of the visit."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import math
from collections.abc import Sequence

from analyzer.calendar import parse_time
from analyzer.records import NoteAnalysis


@functools.lru_cache(maxsize=8192)  # an export has few days, and few ways to say when
def due_date(words: str, visit_date: datetime.date) -> datetime.date | None:
    """Return the last day of the time that ``words`` name, or ``None`` where they name none that lies ahead.

    >>> str(due_date("下周三下午", datetime.date(2026, 11, 25)))
    '2026-12-02'
    >>> due_date("尽快", datetime.date(2026, 11, 25)), due_date("昨天", datetime.date(2026, 11, 25))
    (None, None)
    """
    found = parse_time(words, visit_date)
    return None if found is None or found.status == "unsupported" or found.end < visit_date else found.end


def with_due_date(analysis: NoteAnalysis, visit_date: datetime.date | None) -> NoteAnalysis:
    """Return the findings with the commitment's ``due_date``, where its time and the day of the visit are known."""
    commitment = analysis.commitment
    if visit_date is None or commitment is None or commitment.due is None:
        return analysis
    day = due_date(commitment.due.text, visit_date)
    return dataclasses.replace(analysis, commitment=dataclasses.replace(commitment, due_date=day))


def with_due_dates(analyses: Sequence[NoteAnalysis], visit_dates: Sequence[datetime.date | None]) -> list[NoteAnalysis]:
    """Return ``analyses`` with due dates; ``visit_dates`` are the days of their visits, ``None`` where not known.

    Raises:
        ValueError: There are not as many days as analyses.
        TypeError: One of the days is neither a date nor ``None``.
    """
    if isinstance(visit_dates, str):
        raise TypeError("visit_dates is one string; expected a sequence of datetime.date or None")
    if len(analyses) != len(visit_dates):
        raise ValueError(f"{len(visit_dates)} visit dates for {len(analyses)} notes; expected one each, or None")
    days = [_day(day, index) for index, day in enumerate(visit_dates)]
    return [with_due_date(analysis, day) for analysis, day in zip(analyses, days, strict=True)]


def _day(value: object, index: int) -> datetime.date | None:
    if isinstance(value, datetime.datetime):
        return None if math.isnan(value.year) else value.date()  # pandas' NaT is a datetime whose year is NaN
    if value is None or isinstance(value, datetime.date):
        return value
    raise TypeError(f"visit date {index} is a {type(value).__name__}; expected a datetime.date or None")
