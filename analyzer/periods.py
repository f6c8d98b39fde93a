"""Arithmetic of days: weeks, months, quarters, years and their parts. No words, no holidays."""

from __future__ import annotations

import calendar
import datetime

from analyzer.holidays import DAY, Period, nth_workday

WEEK = 7 * DAY


def week(base: datetime.date, offset: int = 0) -> Period:
    """Return Monday to Sunday of the week of ``base``, ``offset`` weeks later.

    >>> [str(day) for day in week(datetime.date(2026, 11, 25), 1)[:2]]
    ['2026-11-30', '2026-12-06']
    """
    monday = base - base.weekday() * DAY + offset * WEEK
    return Period(monday, monday + 6 * DAY)


def add_months(base: datetime.date, months: int) -> datetime.date:
    """Return the same day of another month, or its last day where that is shorter.

    >>> str(add_months(datetime.date(2026, 11, 30), 3))
    '2027-02-28'
    """
    year, month = divmod(base.year * 12 + base.month - 1 + months, 12)
    return datetime.date(year, month + 1, min(base.day, last_day(year, month + 1)))


def last_day(year: int, month: int) -> int:
    """Return the number of days of the month."""
    return calendar.monthrange(year, month)[1]


def month(year: int, number: int, first: int = 1, last: int = 31) -> Period:
    """Return the days ``first`` to ``last`` of a month, cut at its end."""
    end = last_day(year, number)
    return Period(datetime.date(year, number, first), datetime.date(year, number, min(last, end)))


def months(year: int, first: int, last: int) -> Period:
    """Return the first day of one month to the last of another one in the same year."""
    return Period(month(year, first).start, month(year, last).end)


MONTH_PARTS = {
    "上旬": (1, 10),
    "中旬": (11, 20),
    "下旬": (21, 31),
    "上中旬": (1, 20),
    "中下旬": (11, 31),
    "上半月": (1, 15),
    "下半月": (16, 31),
} | {**dict.fromkeys("初头", (1, 10)), "中": (11, 20), **dict.fromkeys("底末尾", (21, 31))}


def month_part(year: int, number: int, part: str) -> Period:
    """Return a part of a month: 初 the 1st to 10th, 中 the 11th to 20th, 底 the 21st to the last day; "" all of it."""
    return month(year, number, *MONTH_PARTS.get(part, (1, 31)))


def quarter_part(year: int, number: int, part: str) -> Period:
    """Return a part of a quarter: 初 the first ten days, 中 its second month, 末 the last ten days; "" all of it.

    >>> [str(day) for day in quarter_part(2026, 1, "末")[:2]]
    ['2026-03-22', '2026-03-31']
    """
    first = 3 * number - 2
    if part == "初":
        return month(year, first, 1, 10)
    if part == "中":
        return month(year, first + 1)
    whole = months(year, first, first + 2)
    return Period(whole.end - 9 * DAY, whole.end) if part in ("末", "底") else whole


def year_part(year: int, part: str) -> Period:
    """Return a part of a year: 初 January, 中 June, 底 December, 上半年, 下半年; "" all of it."""
    first, last = {
        **dict.fromkeys("初头", (1, 1)),
        "中": (6, 6),
        **dict.fromkeys("底末尾终", (12, 12)),
        "上半年": (1, 6),
        "下半年": (7, 12),
        "上半年初": (1, 1),
        **dict.fromkeys(("上半年末", "上半年底"), (6, 6)),
        "下半年初": (7, 7),
        **dict.fromkeys(("下半年末", "下半年底"), (12, 12)),
    }.get(part, (1, 12))
    return months(year, first, last)


def shift(base: datetime.date, amount: float, unit: str) -> Period:
    """Return the day that lies ``amount`` units after ``base``, before it where negative.

    Half a month is 15 days; a length in hours counts full days.

    Args:
        base: the day to start from.
        amount: a multiple of one half.
        unit: 天, 日, 周, 礼拜, 星期, 月, 季度, 年, 小时, 钟头, 分钟 or 工作日.

    >>> [str(shift(datetime.date(2026, 11, 25), 1.5, unit).start) for unit in ("月", "周", "年")]
    ['2027-01-09', '2026-12-05', '2028-05-25']
    """
    if unit == "工作日":
        return nth_workday(base, round(amount))
    if unit in ("月", "季度", "年"):
        total = amount * {"月": 1, "季度": 3, "年": 12}[unit]
        whole = int(total)
        day = add_months(base, whole) + round((total - whole) * 30) * DAY
    else:
        in_days = {"周": 7.0, "礼拜": 7.0, "星期": 7.0, "小时": 1 / 24, "钟头": 1 / 24, "分钟": 0.0}.get(unit, 1.0)
        day = base + int(amount * in_days) * DAY
    return Period(day, day)
