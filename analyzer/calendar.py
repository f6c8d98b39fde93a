"""Chinese time expressions, such as 下周三, 月底前 or 国庆后, as ranges of days relative to the day of a visit.

The rules (docs/calendar.md has examples of each):

- Weeks run from Monday to Sunday. 下周三 is the Wednesday of the next week, 这周三 that of this one, a bare 周三 the
  next one from the base date on, which it includes. 周末 is Saturday and Sunday.
- A missing year, month or week is the next to come: the first occurrence that is not over on the base date.
- 月初 is the 1st to 10th, 中旬 the 11th to 20th, 月底 the 21st to the last day; 年初 January, 年中 June, 年底 December;
  季度初 the first ten days of a quarter, 季度末 its last ten days; 半个月 15 days.
- A deadline (月底前, 周五之前, 最晚8号) runs from the base date to the last day that keeps it. A day and a part such
  as 月底 are included. Before a holiday, a festival or a weekend (国庆前, 周末前) ends on the day before its first day
  off; before a whole week, month, quarter or year (下周前, 三月前) on the day before it begins, or on its last day once
  it has begun.
- 内 is what is left of a period from the base date on (本月内). N天内, and a bare length such as 半个月, run from the
  base date to that day; N天后 and 过N天 are the day itself, N天前 the day itself in the past.
- 后 after anything but a length (国庆后, 月底后, 8号以后) is the seven days that follow it.
- 左右 and 前后 widen: a day by two days to either side, a weekend by one, a holiday by a week, a length by a fifth but
  at least by a day; other periods stay as they are.
- A long public holiday (春节, 五一, 国庆) is its days off as announced; 元旦, 清明, 端午 and 中秋 named alone are the
  day of the festival, before 前, 后 and 假期 their days off. 年前 and 年后 are about the Spring Festival, 节前 and 节后
  about the next holiday with three days off or more.
- A time of day without a date is the base date; 前, 后 and 左右 after a time of day mean this, not the day.
- 11.8, 12/3 and 12-03 are month and day.

``status`` is ``ok``; ``ambiguous`` where the words have several readings or the days are not fixed, and then the
likeliest are given; ``unsupported`` where they name a time that has no days here (尽快, 麦收, a holiday in a year
without a calendar): the days are then the base date, or an estimate, and are not to be relied on.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from analyzer.holidays import Period, Status
from analyzer.normalize import normalize
from analyzer.time_expressions import read_expressions


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The days that a time expression names.

    Attributes:
        start: first day.
        end: last day, included; the due date where the expression says when something is due.
        status: ``ok``, ``ambiguous`` or ``unsupported``; see the module.
    """

    start: datetime.date
    end: datetime.date
    status: Status = "ok"


def parse_time(text: str, base: datetime.date) -> TimeRange | None:
    """Return the range of days that the first time expression in ``text`` names, or ``None`` where there is none.

    Of several expressions the first that is not over on the base date counts. Never raises for a string.

    Args:
        text: a short phrase; words around the expression do no harm.
        base: the day on which it was said, as a rule that of the visit.

    >>> wednesday = datetime.date(2026, 11, 25)
    >>> for words in ("下周三下午", "月底前", "十一月二十号之前", "三天内"):
    ...     found = parse_time(words, wednesday)
    ...     print(words, found.start, found.end, found.status)
    下周三下午 2026-12-02 2026-12-02 ok
    月底前 2026-11-25 2026-11-30 ok
    十一月二十号之前 2026-11-25 2027-11-20 ok
    三天内 2026-11-25 2026-11-28 ok
    >>> parse_time("价格3.5万", wednesday)
    """
    if isinstance(base, datetime.datetime):
        base = base.date()
    first: Period | None = None
    for found in read_expressions(_clean(text), base):
        if found.end >= base and found.status != "unsupported":
            return TimeRange(*found)
        first = first or found
    return TimeRange(*first) if first else None


_INNER_SPACE = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])")
_DOUBLED = {"年前年后": "年前后", "节前节后": "节前后", "年年内": "年内"}


def _clean(text: str) -> str:
    """Return simplified half-width text without blanks, except between two digits."""
    clean = _INNER_SPACE.sub("", normalize(text))
    for words, plain in _DOUBLED.items():
        clean = clean.replace(words, plain)
    return clean
