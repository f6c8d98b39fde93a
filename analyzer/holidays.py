"""Chinese holidays, festivals, solar terms and workdays: the only module that knows the calendar libraries.

Days off are those that the State Council announces each autumn for the next year, as chinesecalendar holds them. For
up to two years after the last announced one they are estimated from the practice of recent years, with the status
``ambiguous``; further on, and before the first one, with ``unsupported``. Lunar dates and solar terms come from borax
(1900 to 2100). Both libraries are data and arithmetic; nothing is looked up.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterator
from typing import Literal, NamedTuple

import chinese_calendar
from borax.calendars.lunardate import LunarDate, TermUtils

Status = Literal["ok", "ambiguous", "unsupported"]
DAY = datetime.timedelta(days=1)
_ESTIMATED_YEARS = 2
_FIRST_YEAR = min(chinese_calendar.holidays).year
_LAST_YEAR = max(chinese_calendar.holidays).year
_LUNAR_YEARS = range(1901, 2100)
LONG_BREAK_DAYS = 3


class Period(NamedTuple):
    """Days from ``start`` to ``end``, both included, and how sure they are."""

    start: datetime.date
    end: datetime.date
    status: Status = "ok"


def worst_status(*statuses: Status) -> Status:
    """Return the least sure of ``statuses``."""
    ranks: tuple[Status, ...] = ("ok", "ambiguous", "unsupported")
    return max(statuses, key=ranks.index)


PUBLIC_HOLIDAYS = ("元旦", "春节", "清明", "五一", "端午", "中秋", "国庆")
_SOLAR_DAYS = {
    "元旦": (1, 1),
    "情人节": (2, 14),
    "妇女节": (3, 8),
    "植树节": (3, 12),
    "三一五": (3, 15),
    "五一": (5, 1),
    "青年节": (5, 4),
    "儿童节": (6, 1),
    "六一八": (6, 18),
    "建党节": (7, 1),
    "建军节": (8, 1),
    "教师节": (9, 10),
    "国庆": (10, 1),
    "双十一": (11, 11),
    "双十二": (12, 12),
    "平安夜": (12, 24),
    "圣诞": (12, 25),
}
_LUNAR_DAYS = {
    "春节": (1, 1),
    "元宵": (1, 15),
    "端午": (5, 5),
    "七夕": (7, 7),
    "中元": (7, 15),
    "中秋": (8, 15),
    "重阳": (9, 9),
    "腊八": (12, 8),
    "小年": (12, 23),
}
SOLAR_TERMS = (
    "小寒", "大寒", "立春", "雨水", "惊蛰", "春分", "清明", "谷雨", "立夏", "小满", "芒种", "夏至",
    "小暑", "大暑", "立秋", "处暑", "白露", "秋分", "寒露", "霜降", "立冬", "小雪", "大雪", "冬至",
)  # fmt: skip
FESTIVALS = (*dict.fromkeys((*_SOLAR_DAYS, *_LUNAR_DAYS, "除夕", *SOLAR_TERMS)),)


def lunar_day(year: int, month: int, day: int) -> datetime.date | None:
    """Return the day of the lunar date; the last day of the month for a 30th that it lacks; ``None`` out of range.

    >>> str(lunar_day(2026, 1, 1)), lunar_day(2200, 1, 1)
    ('2026-02-17', None)
    """
    if year not in _LUNAR_YEARS:
        return None
    try:
        found: datetime.date = LunarDate(year, month, min(day, 29)).to_solar_date()
    except ValueError:
        return None
    following = found + DAY
    return following if day == 30 and LunarDate.from_solar(following).day == 30 else found


def lunar_date(date: datetime.date) -> tuple[int, int, int] | None:
    """Return lunar year, month and day, or ``None`` out of range; a leap month has the number of the one before it.

    >>> lunar_date(datetime.date(2026, 2, 17))
    (2026, 1, 1)
    """
    if date.year not in _LUNAR_YEARS:
        return None
    found = LunarDate.from_solar(date)
    return found.year, found.month, found.day


def solar_term(name: str, year: int) -> datetime.date | None:
    """Return the day on which the solar term begins, or ``None`` out of range.

    >>> str(solar_term("立春", 2026))
    '2026-02-04'
    """
    if year not in _LUNAR_YEARS:
        return None
    found: datetime.date = TermUtils.nth_term_day(year, SOLAR_TERMS.index(name))
    return found


def festival_day(name: str, year: int) -> datetime.date | None:
    """Return the day of the festival or solar term that falls into the solar year, or ``None`` out of range.

    >>> [str(festival_day(name, 2026)) for name in ("中秋", "除夕", "腊八", "清明", "国庆")]
    ['2026-09-25', '2026-02-16', '2026-01-26', '2026-04-05', '2026-10-01']
    """
    if name in _SOLAR_DAYS:
        return datetime.date(year, *_SOLAR_DAYS[name])
    if name == "除夕":
        first = lunar_day(year, 1, 1)
        return first - DAY if first else None
    if name in _LUNAR_DAYS:
        month, day = _LUNAR_DAYS[name]
        return lunar_day(year - 1 if month == 12 else year, month, day)
    return solar_term(name, year)


@functools.cache
def days_off(name: str, year: int) -> Period | None:
    """Return the days off around a public holiday, weekends that adjoin included; ``None`` out of range.

    Holidays that follow one another, as 中秋 and 国庆 do in some years, make one break.

    >>> [str(day) for day in days_off("国庆", 2025)]
    ['2025-10-01', '2025-10-08', 'ok']
    >>> days_off("国庆", 2060).status
    'unsupported'
    """
    day = festival_day(name, year)
    if day is None:
        return None
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return _estimated_days_off(name, day)
    if not _is_off(day):
        return Period(day, day)  # no day off in that year, as 中秋 before 2008
    start = end = day
    while _is_off(start - DAY):
        start -= DAY
    while _is_off(end + DAY):
        end += DAY
    return Period(start, end)


def _is_off(day: datetime.date) -> bool:
    if _FIRST_YEAR <= day.year <= _LAST_YEAR:
        return bool(chinese_calendar.is_holiday(day))
    return day.weekday() >= 5


def _estimated_days_off(name: str, day: datetime.date) -> Period:
    """Return the days off by the practice since 2019: three days at a weekend, one in mid-week, long ones longer."""
    status: Status = "ambiguous" if _LAST_YEAR < day.year <= _LAST_YEAR + _ESTIMATED_YEARS else "unsupported"
    if name == "春节":
        return Period(day - DAY, day + 6 * DAY, status)
    if name == "五一":
        return Period(day, day + 4 * DAY, status)
    if name in ("国庆", "中秋"):
        national = datetime.date(day.year, 10, 1)
        autumn = festival_day("中秋", day.year)
        if autumn and -2 <= (autumn - national).days <= 7:
            return Period(min(autumn, national), national + 7 * DAY, status)
        if name == "国庆":
            return Period(national, national + 6 * DAY, status)
    before, after = ((2, 0), (2, 0), (0, 0), (0, 2), (0, 2), (0, 2), (1, 1))[day.weekday()]
    return Period(day - before * DAY, day + after * DAY, status)


def long_breaks(base: datetime.date) -> Iterator[Period]:
    """Yield the breaks of three days and more for a public holiday that end on ``base`` or later, in time order."""
    for year in (base.year, base.year + 1, base.year + 2):
        found = {found for name in PUBLIC_HOLIDAYS if (found := days_off(name, year))}
        for period in sorted(found):
            if (period.end - period.start).days + 1 >= LONG_BREAK_DAYS and period.end >= base:
                yield period


def nth_workday(base: datetime.date, count: int) -> Period:
    """Return the ``count``-th workday after ``base``, before it where negative.

    It is ``ambiguous`` where days off are not announced: then weekends alone are off.

    >>> [str(part) for part in nth_workday(datetime.date(2025, 9, 30), 1)]
    ['2025-10-09', '2025-10-09', 'ok']
    """
    day, step = base, DAY if count > 0 else -DAY
    left = abs(count)
    while left:
        day += step
        left -= not _is_off(day)
    known = min(base, day).year >= _FIRST_YEAR and max(base, day).year <= _LAST_YEAR
    return Period(day, day, "ok" if known else "ambiguous")
