"""The points and stretches of time that Chinese names: days, weeks, months, quarters, years, festivals, lunar dates.

Each reader turns one form of words into its occurrences from a day on: one for 明天 or 2026年3月, a series for a
form that comes again, such as 周四, 8号, 三月 or 国庆. Who asks takes the first that fits. What stands around a point
(前, 后, 左右, 到 …) is read in `time_expressions`.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from analyzer import holidays, periods
from analyzer.holidays import DAY, PUBLIC_HOLIDAYS, SOLAR_TERMS, Period, worst_status
from analyzer.numerals import parse_number

_Key = TypeVar("_Key", int, str)
Occurrences = Callable[[datetime.date], Iterator[Period]]
"""From the day given on: in time order; the first may have ended before that day."""


class Kind(Enum):
    """What 前 and 后 mean beside a point differs by its kind."""

    DAY = "day"
    PART = "part"
    """A part that names its end as well as its length: 月底, 中旬, 年底."""
    UNIT = "unit"
    """A whole week, month, quarter or year."""
    WEEKEND = "weekend"
    FREE = "free"
    """Days off and festivals: what is due before them is due before their first day."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point or stretch of time as read.

    Attributes:
        end: where its words end.
        has_clock: whether they name a time of day, so that 前, 后 and 左右 mean this and not the day.
    """

    kind: Kind
    occurrences: Occurrences
    end: int = 0
    has_clock: bool = False


Reader = Callable[[re.Match[str], datetime.date], "Point | None"]

# --- words ----------------------------------------------------------------------------------------


def _by_word(words: Mapping[_Key, str]) -> dict[str, _Key]:
    return {word: key for key, listed in words.items() for word in listed.split()}


_WORD_YEARS = _by_word(
    {-2: "前年", -1: "去年", 0: "今年 本年 本年度", 1: "明年 来年 次年 下年 下一年 下年度", 2: "后年", 3: "大后年"}
)
_OFFSETS = _by_word({-2: "上上", -1: "上", 0: "这 本 当", 1: "下 次 隔", 2: "下下", 3: "下下下"})
_DAYS = _by_word(
    {
        -3: "大前天",
        -2: "前天",
        -1: "昨天 昨日 昨晚 昨夜 昨儿",
        0: "今天 今日 今晚 今早 今晨 今夜 今儿 当天 当日 当晚 本日 即日 现在 刚才 刚刚 当场",
        1: "明天 明日 明早 明晚 明晨 明儿 次日 翌日 第二天 隔天 隔日",
        2: "后天 后日 后儿",
        3: "大后天",
    }
)
_SOME_DAYS = {"今明": (0, 1), "明后": (1, 2), "今明后": (0, 2), "昨今": (-1, 0)}
_NAMES = _by_word(
    {
        "元旦": "元旦",
        "春节": "春节 过年 过大年",
        "清明": "清明",
        "五一": "五一 劳动节",
        "端午": "端午",
        "中秋": "中秋",
        "国庆": "国庆 中秋国庆 双节",
        "除夕": "除夕 大年夜 年夜 大年三十 年三十",
        "元宵": "元宵 上元节",
        "七夕": "七夕",
        "中元": "中元节",
        "重阳": "重阳",
        "腊八": "腊八",
        "小年": "小年",
        "情人节": "情人节",
        "妇女节": "妇女节",
        "植树节": "植树节",
        "青年节": "青年节",
        "儿童节": "儿童节",
        "建党节": "建党节",
        "建军节": "建军节",
        "教师节": "教师节",
        "双十一": "双十一 双11",
        "双十二": "双十二 双12",
        "平安夜": "平安夜",
        "圣诞": "圣诞",
    }
)
# Numbers that name a day only beside a word that says so, or alone.
_NUMBER_NAMES = _by_word(
    {
        "国庆": "十一",
        "妇女节": "三八",
        "青年节": "五四",
        "儿童节": "六一",
        "建党节": "七一",
        "建军节": "八一",
        "六一八": "618 六一八",
        "三一五": "315 三一五",
        "双十一": "1111",
    }
)
_BREAKS = ("春节", "五一", "国庆")  # named alone they are their days off; the others are a day
_SEASONS = {"春": (3, 5), "夏": (6, 8), "秋": (9, 11), "冬": (12, 14)}

# --- pieces of patterns ---------------------------------------------------------------------------

_CN = "[一二三四五六七八九]"
_CN_CHARS = "一二三四五六七八九十"
_D = f"(?:3[01]|[12][0-9]|0?[1-9]|三十一?|卅一?|(?:二十|廿){_CN}?|十{_CN}?|{_CN})"
_M = f"(?:1[0-2]|0?[1-9]|十[一二]?|{_CN})"
_WHOLE_YEAR = (
    f"(?:20[0-9][0-9]年|二[〇零](?:{_CN}|[〇零])(?:{_CN}|[〇零])年|大后年|[今明后本去前来次]年(?![级会])|"
    "本年度|下年度|下一?年)"
)
_YEAR = f"(?:{_WHOLE_YEAR}|20[0-9][0-9](?!年)|[2-4][0-9]年)"
_OF_YEAR = f"(?:(?P<y>{_YEAR})的?)?"
_WEEK = "(?:周|礼拜|星期)"
_WEEKDAY = "(?:[一二三四五六日天]|[1-7](?![0-9]))"
_NOT_COUNTED = r"(?<![\d一二三四五六七八九十两几个半每单双])"
# 马上, 一下, 成本 and 这次 are words of their own.
_REL = (
    "(?:上上|下下下?|(?<![马早晚线以])上|(?<![一线私名当以])下|这|(?<![样成版文账基资根])本|(?<![适相])当|"
    "(?<![一二三四五两这下上每几首本多再初])次|隔)"
)
_PART = (
    f"(?:上中旬|中下旬|上旬|中旬|下旬|[上下前后]半个?月|初(?![步稿审期验装定级{_CN_CHARS}])|头(?!部)|"
    "中(?![午秋间标心国小学型试层])|底(?![价板座漆盘层线料片])|末(?!班)|尾(?!款))"
)
_YEAR_PART = f"(?:初(?![步期{_CN_CHARS}])|头|中(?!期)|底(?!薪)|末|尾(?!款)|终(?!奖))"
_TO = "(?:-|~|–|—+|到|至|、|和|或者?)"
_NO_DAY = "(?![楼机线车厂门岗院桌床柴抗汽馆店库仓站台井炉窑釜泵泊钢文码位柜房段产电梯塔罐船灶屏阀型款管])"
_DAY_WORD = f"(?:号{_NO_DAY}|日(?![本元常志报产均用式语系内后]|以内|之内|之后|以后))"
# Without 号 or 日 only where nothing follows that would make it a quantity.
_DAY_BARE = r"(?=$|上午|下午|早|晚|中午|之?前|以前|之?后|以后|左右|到|至|[-~—,，。;；、()（）\s周开签交去来])"
_MONTH = f"(?:(?P<rel>{_REL})(?:一)?个?月|{_OF_YEAR}(?P<m>{_M})月)份?"
_MONTH_OR_NONE = f"(?:{_MONTH}|{_NOT_COUNTED}月)"
# 三周一次 is no Monday, but 周六周日 and 11.8周五 name days.
_AFTER_DAY = rf"(?:{_NOT_COUNTED}|(?<=[周期拜][一二三四五六])|(?<=[./月-]\d)|(?<=[./月-]\d\d))"
_ONE_WEEK = f"(?:(?P<rel>{_REL})(?:一)?个?(?:{_WEEK}的)?|{_AFTER_DAY}){_WEEK}"
_NAME = (
    "(?:"
    + "|".join(sorted(_NAMES, key=len, reverse=True)).replace("五一", "五一(?![路街广])").replace("小年", "小年(?!轻)")
    + ")"
)
_TERM = f"(?:{'|'.join(SOLAR_TERMS)})(?=节气|前|后|之|以|那|当|左右|$)"
_REST = "节?(?:大促|期间|假期|小长假|长假|放假|当天|当日|那天)?"
_HOLIDAYS = "(?:节|大促|小长假|长假|假期|放假)?"
_BESIDE = "(?=之?[前后]|以[前后]|过后)"
_LUNAR_NEW = "初[一二三四五六七八九十]"
_LD = f"(?:{_LUNAR_NEW}|十{_CN}|二十{_CN}?|廿{_CN}?|三十)"
_SHARE_BEFORE = re.compile("[付占剩余降省扣留砍]了?$")
_SHARE_AFTER = re.compile("的?(?:款|定金|预付|首付|货|产能|价|人|量|以[上下]|时间|利润)")

# --- occurrences ----------------------------------------------------------------------------------


def once(period: Period | None) -> Occurrences:
    """Return the occurrences of what comes once; none where it cannot be told."""
    return lambda _: iter([period] if period else [])


def _yearly(year: int | None, make: Callable[[int], Period | None]) -> Occurrences:
    """Return what comes in each year, or in ``year`` alone."""
    if year is not None:
        return once(make(year))

    def from_day(day: datetime.date) -> Iterator[Period]:
        # Nine years: the 29th of February may be that far away. The year before: a winter ends in the next one.
        found = (make(number) for number in range(max(1, day.year - 1), min(day.year + 9, 9999)))
        return (period for period in found if period and period.end >= datetime.date(day.year, 1, 1))

    return from_day


def _monthly(make: Callable[[int, int], Period | None]) -> Occurrences:
    def from_day(day: datetime.date) -> Iterator[Period]:
        first = day.replace(day=1)
        for step in range(13):
            start = periods.add_months(first, step)
            if period := make(start.year, start.month):
                yield period

    return from_day


def _weekly(make: Callable[[Period], Period]) -> Occurrences:
    return lambda day: (make(periods.week(day, step)) for step in range(3))


def _year(words: str | None, base: datetime.date) -> int | None:
    if not words:
        return None
    if words in _WORD_YEARS:
        return base.year + _WORD_YEARS[words]
    number = parse_number(words.rstrip("年"))
    return number + 2000 if number is not None and number < 100 else number


def _number(text: str) -> int:
    found = parse_number(text)
    if found is None:
        raise ValueError(f"{text!r} is no number")
    return found


def _day_of_month(year: int, month: int, day: int) -> Period | None:
    """Return the day; the last one, as unsure, for a 31st or 30th that the month never has."""
    longest = 29 if month == 2 else periods.last_day(year, month)
    if day > longest:
        last = periods.last_day(year, month)
        return Period(datetime.date(year, month, last), datetime.date(year, month, last), "ambiguous")
    return periods.month(year, month, day, day) if day <= periods.last_day(year, month) else None


def _days_of_month(year: int, month: int, first: int, last: int) -> Period | None:
    start, end = _day_of_month(year, month, first), _day_of_month(year, month, last)
    if not start or not end:
        return None
    if last < first:  # 28号到3号 runs into the next month
        end = _day_of_month(*_next_month(year, month), last)
    return Period(start.start, end.end, worst_status(start.status, end.status)) if end else None


def _next_month(year: int, month: int) -> tuple[int, int]:
    return (year + month // 12, month % 12 + 1)


def _unsure(period: Period) -> Period:
    return period._replace(status=worst_status(period.status, "ambiguous"))


# --- readers --------------------------------------------------------------------------------------


def _full_date(match: re.Match[str], _: datetime.date) -> Point | None:
    try:
        day = datetime.date(2000 + int(match["y"]) % 100, int(match["m"]), int(match["d"]))
    except ValueError:
        return None
    return Point(Kind.DAY, once(Period(day, day)))


def _year_month(match: re.Match[str], _: datetime.date) -> Point | None:
    month = int(match["m"])
    return Point(Kind.UNIT, once(periods.month(int(match["y"]), month))) if 1 <= month <= 12 else None


def _month_of(match: re.Match[str], base: datetime.date) -> tuple[int, int] | None:
    """Return year and month that 本月, 下个月 … name, or ``None``."""
    if not match["rel"]:
        return None
    start = periods.add_months(base.replace(day=1), _OFFSETS[match["rel"]])
    return start.year, start.month


def _in_month(match: re.Match[str], base: datetime.date, make: Callable[[int, int], Period | None]) -> Occurrences:
    """Return what lies in the month that the match names: 下个月, 明年三月, 三月, or none at all."""
    if found := _month_of(match, base):
        return once(make(*found))
    if match["m"]:
        number = _number(match["m"])
        return _yearly(_year(match["y"], base), lambda year: make(year, number))
    return _monthly(make)


def _month_days(match: re.Match[str], base: datetime.date) -> Point | None:
    first, last = _number(match["d"]), _number(match["d2"] or match["d"])
    clear = match["m"] or match["rel"]

    def make(year: int, month: int) -> Period | None:
        if not clear and first > periods.last_day(year, month):
            return None  # a 31st without a month is that of a month that has one
        found = _days_of_month(year, month, first, last)
        return _unsure(found) if found and "或" in (match["to"] or "") else found

    return Point(Kind.DAY, _in_month(match, base, make)) if max(first, last) <= 31 else None


def _dialect_day(match: re.Match[str], base: datetime.date) -> Point | None:
    """下个月初六: the 6th, by the solar calendar to some and by the lunar one to others."""
    day = _number(match["d"])
    return Point(Kind.DAY, _in_month(match, base, lambda year, month: _unsure(periods.month(year, month, day, day))))


def _two_days(match: re.Match[str], base: datetime.date) -> Point | None:
    tens = _number(match["tens"]) if match["tens"] else 0
    first, last = tens + _number(match["a"]), tens + _number(match["b"])
    if last != first + 1 or last > 31:
        return None
    return Point(Kind.DAY, _in_month(match, base, lambda year, month: _days_of_month(year, month, first, last)))


def _month_part(match: re.Match[str], base: datetime.date) -> Point | None:
    part = match["part"].replace("个", "").replace("前半", "上半").replace("后半", "下半")
    return Point(Kind.PART, _in_month(match, base, lambda year, month: periods.month_part(year, month, part)))


def _whole_month(match: re.Match[str], base: datetime.date) -> Point | None:
    return Point(Kind.UNIT, _in_month(match, base, periods.month))


def _months(match: re.Match[str], base: datetime.date) -> Point | None:
    first, last = _number(match["a"]), _number(match["b"])

    def make(year: int) -> Period | None:
        end = periods.month(year + (last < first), last).end
        return Period(periods.month(year, first).start, end)

    if not match["to"] and last != first + 1:
        return None
    return Point(Kind.UNIT, _yearly(_year(match["y"], base), make))


def _week_of_month(match: re.Match[str], base: datetime.date) -> Point | None:
    """Week 1 is the one, Monday to Sunday, in which the month's first working day lies."""

    def make(year: int, month: int) -> Period:
        first = periods.month(year, month).start
        start = periods.week(first, 1 if first.weekday() >= 5 else 0)
        if match["last"]:
            return _unsure(periods.week(periods.month(year, month).end))
        return _unsure(periods.week(start.start, _number(match["n"]) - 1))

    return Point(Kind.UNIT, _in_month(match, base, make))


def _weekday_of_month(match: re.Match[str], base: datetime.date) -> Point | None:
    """12月的第一个周五, 下个月最后一个周三."""
    number = _weekday_number(match["a"])

    def make(year: int, month: int) -> Period:
        whole = periods.month(year, month)
        if match["last"]:
            day = whole.end - (whole.end.weekday() - number) % 7 * DAY
        else:
            day = whole.start + (number - whole.start.weekday()) % 7 * DAY + (_number(match["n"]) - 1) * periods.WEEK
        return Period(day, day)

    return Point(Kind.DAY, _in_month(match, base, make))


def _slash_date(match: re.Match[str], _: datetime.date) -> Point | None:
    month, day = int(match["m"]), int(match["d"])
    if _SHARE_BEFORE.search(match.string[max(0, match.start() - 2) : match.start()]) or _SHARE_AFTER.match(
        match.string, match.end()
    ):
        return None  # 付1/3, 1/3的款
    if day > (29 if month == 2 else periods.last_day(2001, month)):
        return None
    return Point(Kind.DAY, _yearly(None, lambda year: _day_of_month(year, month, day)))


def _named_day(match: re.Match[str], base: datetime.date) -> Point | None:
    day = base + _DAYS[match[0]] * DAY
    return Point(Kind.DAY, once(Period(day, day)))


def _some_days(match: re.Match[str], base: datetime.date) -> Point | None:
    first, last = _SOME_DAYS[match["which"]]
    return Point(Kind.DAY, once(Period(base + first * DAY, base + last * DAY)))


def _short_day(match: re.Match[str], base: datetime.date) -> Point | None:
    day = base + {"昨": -1, "今": 0, "明": 1}[match[0]] * DAY
    return Point(Kind.DAY, once(Period(day, day)))


def _weekday(match: re.Match[str], base: datetime.date) -> Point | None:
    first = _weekday_number(match["a"])
    last = _weekday_number(match["b"] or match["b2"] or match["a"])
    if last < first or (match["b2"] and last != first + 1):
        return None

    def in_week(week: Period) -> Period:
        found = Period(week.start + first * DAY, week.start + last * DAY)
        return _unsure(found) if "或" in (match["to"] or "") else found

    rel = match["rel"]
    return Point(Kind.DAY, once(in_week(periods.week(base, _OFFSETS[rel]))) if rel else _weekly(in_week))


def _weekday_number(char: str) -> int:
    return 6 if char in "日天7" else _number(char) - 1


_WEEK_PARTS = {"初": (0, 1), "头": (0, 1), "中": (2, 3), "末": (5, 6), "尾": (3, 4)}


def _week_part(match: re.Match[str], base: datetime.date) -> Point | None:
    first, last = _WEEK_PARTS[match["part"]]

    def in_week(week: Period) -> Period:
        return Period(week.start + first * DAY, week.start + last * DAY)

    kind = Kind.WEEKEND if match["part"] == "末" else Kind.PART
    rel = match["rel"]
    return Point(kind, once(in_week(periods.week(base, _OFFSETS[rel]))) if rel else _weekly(in_week))


def _weekend(*_: object) -> Point | None:
    return Point(Kind.WEEKEND, _weekly(lambda week: Period(week.start + 5 * DAY, week.end)))


def _whole_week(match: re.Match[str], base: datetime.date) -> Point | None:
    return Point(Kind.UNIT, once(periods.week(base, _OFFSETS[match["rel"]])))


def _quarter(match: re.Match[str], base: datetime.date) -> Point | None:
    part = match["part"] or ""
    kind = Kind.PART if part else Kind.UNIT
    this = (base.month + 2) // 3
    if match["rel"]:
        steps = base.year * 4 + this - 1 + _OFFSETS[match["rel"]]
        return Point(kind, once(periods.quarter_part(steps // 4, steps % 4 + 1, part)))
    number = match["n"] or match["n2"] or match["n3"]
    if number:
        which = _number(number)
        return Point(kind, _yearly(_year(match["y"], base), lambda year: periods.quarter_part(year, which, part)))

    def from_day(day: datetime.date) -> Iterator[Period]:
        first = day.year * 4 + (day.month + 2) // 3 - 1
        return (periods.quarter_part(step // 4, step % 4 + 1, part) for step in range(first, first + 5))

    return Point(kind, from_day)


def _year_part(match: re.Match[str], base: datetime.date) -> Point | None:
    part = match["part"]
    year = _year(match["y"], base)
    kind = Kind.UNIT if part.endswith("半年") else Kind.PART
    return Point(kind, _yearly(year, lambda number: periods.year_part(number, part)))


def _whole_year(match: re.Match[str], base: datetime.date) -> Point | None:
    year = _year(match["y"], base)
    return Point(Kind.UNIT, once(periods.year_part(year, ""))) if year else None


def _inside_unit(match: re.Match[str], base: datetime.date) -> Point | None:
    """周内, 月内 and 年内: what is left of this week, month or year."""
    month, year = periods.month(base.year, base.month), periods.year_part(base.year, "")
    whole = {"周": periods.week(base), "月": month, "年": year}[match["unit"]]
    return Point(Kind.UNIT, once(Period(base, whole.end)))


def _festival(match: re.Match[str], base: datetime.date) -> Point | None:
    name = match["name"]
    return _festival_point(_NAMES.get(name) or _NUMBER_NAMES.get(name) or name, match["rest"], _year(match["y"], base))


def _festival_point(name: str, rest: str | None, year: int | None) -> Point:
    is_free = (name in _BREAKS and not re.search("[当那]", rest or "")) or bool(re.search("[期假]", rest or ""))

    def make(number: int) -> Period | None:
        if name in PUBLIC_HOLIDAYS and is_free:
            return holidays.days_off(name, number)
        day = holidays.festival_day(name, number)
        if day is None:
            return None
        return Period(day, day + DAY, "ambiguous") if name == "小年" else Period(day, day)  # the 23rd or 24th

    return Point(Kind.FREE, _yearly(year, make))


def _around_festival(match: re.Match[str], base: datetime.date) -> Point | None:
    """A public holiday before 前 or 后: its days off count, also where its name alone means one day."""
    name = match["name"]
    known = _NAMES.get(name) or _NUMBER_NAMES.get(name) or name
    if known not in PUBLIC_HOLIDAYS:
        return None
    return Point(Kind.FREE, _yearly(_year(match["y"], base), lambda year: holidays.days_off(known, year)))


def _new_year(match: re.Match[str], base: datetime.date) -> Point | None:
    """年前, 年后: before and after the Spring Festival."""
    return Point(Kind.FREE, _yearly(_year(match["y"], base), lambda year: holidays.days_off("春节", year)))


def _long_break(*_: object) -> Point | None:
    """节前, 节后: the next holiday of three days off or more."""
    return Point(Kind.FREE, holidays.long_breaks)


def _lunar(match: re.Match[str], base: datetime.date) -> Point | None:
    words = match["lm"] or match["m"]
    month = {"正": 1, "冬": 11, "腊": 12, "": 12}.get(words) or _number(words)  # 农历年底 is the 12th
    return _lunar_point(month, match["ld"], match["part"], _year(match["y"], base))


def _lunar_point(month: int, day_words: str | None, part: str | None, year: int | None) -> Point:
    def make(number: int) -> Period | None:
        # 腊月 lies in the solar year after the one in which its lunar year began; 今年腊月 is that of the lunar year.
        lunar = number - 1 if month == 12 and year is None else number
        if day_words:
            found = holidays.lunar_day(lunar, month, _number(day_words.lstrip("初")))
            return Period(found, found) if found else None
        first, last = periods.MONTH_PARTS.get(part or "", (1, 30))
        start, end = holidays.lunar_day(lunar, month, first), holidays.lunar_day(lunar, month, min(last, 30))
        return Period(start, end) if start and end else None

    kind = Kind.DAY if day_words else Kind.PART if part else Kind.UNIT
    return Point(kind, _yearly(year, make))


def _mid_autumn(*_: object) -> Point | None:
    """八月十五 without 号 is the lunar date to most who write it, so it is unsure."""
    point = _festival_point("中秋", None, None)
    return replace(point, occurrences=lambda day: map(_unsure, point.occurrences(day)))


def _lunar_day(match: re.Match[str], base: datetime.date) -> Point | None:
    """初八 alone: the next such day of a lunar month; 大年初八 and 年初八 of the first one."""
    number = _number(match["ld"].lstrip("初"))
    if match["new_year"]:
        return _lunar_point(1, match["ld"], None, _year(match["y"], base))

    def from_day(day: datetime.date) -> Iterator[Period]:
        for step in range(62):
            found = holidays.lunar_date(day + step * DAY)
            if found and found[2] == number:
                yield Period(day + step * DAY, day + step * DAY, "ambiguous")

    return Point(Kind.DAY, from_day)


def _season(match: re.Match[str], base: datetime.date) -> Point | None:
    first, last = _SEASONS[match["season"]]
    begins = match["begin"] is not None

    def make(year: int) -> Period | None:
        if begins:
            start = holidays.solar_term("立" + match["season"], year)
            return Period(start, start + 45 * DAY, "ambiguous") if start else None
        end = periods.month(year + last // 13, (last - 1) % 12 + 1).end
        return Period(datetime.date(year, first, 1), end, "ambiguous")

    return Point(Kind.PART, _yearly(_year(match["y"], base), make))


def _school(match: re.Match[str], base: datetime.date) -> Point | None:
    """Dates of schools differ from place to place: what most keep."""

    def summer(year: int) -> Period:
        return Period(datetime.date(year, 7, 1), datetime.date(year, 8, 31), "ambiguous")

    def winter(year: int) -> Period | None:
        first = holidays.lunar_day(year, 1, 1)
        return Period(first - 21 * DAY, first + 14 * DAY, "ambiguous") if first else None

    def terms(day: datetime.date) -> Iterator[Period]:
        for year in (day.year, day.year + 1):
            spring = holidays.lunar_day(year, 1, 16)
            for start in filter(None, (spring, datetime.date(year, 9, 1))):
                yield Period(start, start, "ambiguous")

    year = _year(match["y"], base)
    if match["name"].startswith("开学"):
        return Point(Kind.FREE, terms)
    return Point(Kind.FREE, _yearly(year, summer if match["name"].startswith("暑") else winter))


_READERS: list[tuple[re.Pattern[str], Reader]] = [
    (re.compile(pattern), reader)
    for pattern, reader in (
        (r"(?<!\d)(?P<y>20\d\d)(?P<sep>[-/.年])(?P<m>\d{1,2})(?:(?P=sep)|月)(?P<d>\d{1,2})(?!\d)[日号]?", _full_date),
        (r"(?<![\dv.])(?P<y>[2-4]\d)(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})(?![\d.])", _full_date),
        (r"(?<!\d)(?P<y>20\d\d)(?P<m>[01]\d)(?P<d>[0-3]\d)(?!\d)", _full_date),
        (r"(?<!\d)(?P<y>20\d\d)[-/.](?P<m>\d{1,2})(?![\d/.-])月?", _year_month),
        (rf"八月十五(?![{_CN_CHARS}号日])", _mid_autumn),
        (rf"(?<![\d.])(?:{_MONTH}的?)?(?P<d>{_D})(?:[号日]?(?P<to>{_TO})(?P<d2>{_D}))?{_DAY_WORD}", _month_days),
        (
            rf"(?<![\d.]){_MONTH}(?P<d>[0-9][0-9]?|(?:[十廿]|二十|三十){_CN}?|{_CN})(?P<to>)(?P<d2>){_DAY_BARE}",
            _month_days,
        ),
        (rf"(?P<rel>{_REL})(?:一)?个?月(?P<m>)(?P<y>)初(?P<d>[{_CN_CHARS}])", _dialect_day),
        (rf"(?:{_MONTH})?(?P<tens>[二三]?十)?(?P<a>{_CN})(?P<b>{_CN}){_DAY_WORD}", _two_days),
        (rf"(?<![\d.]){_MONTH_OR_NONE}的?(?P<part>{_PART})", _month_part),
        (r"(?P<rel>)(?P<m>)(?P<y>)(?<!月)(?P<part>上中旬|中下旬|上旬|中旬|下旬|[上下前后]半个?月)", _month_part),
        (rf"(?<![\d.]){_MONTH}(?![供饼嫂球经薪租结报饭底])", _whole_month),
        (rf"(?<![\d.]){_MONTH}的?(?:第(?P<n>[一二三四五])|(?P<last>最后一))个?{_WEEK}(?!{_WEEKDAY})", _week_of_month),
        (
            rf"(?<![\d.]){_MONTH}的?(?:第(?P<n>[一二三四])|(?P<last>最后一))个?{_WEEK}(?P<a>{_WEEKDAY})",
            _weekday_of_month,
        ),
        (rf"(?<![\d.]){_OF_YEAR}(?P<a>{_M})月?份?(?P<to>{_TO})(?P<b>{_M})月份?", _months),
        (rf"(?<![\d.{_CN_CHARS}]){_OF_YEAR}(?P<a>{_CN})(?P<to>)(?P<b>{_CN})月份?", _months),
        (
            r"(?<![\d/.])(?P<m>1[0-2]|0?[1-9])/(?P<d>3[01]|[12]\d|0?[1-9])(?![\d/%.a-z万元件台个套片只箱吨米斤])[日号]?",
            _slash_date,
        ),
        ("|".join(sorted(_DAYS, key=len, reverse=True)), _named_day),
        (r"(?P<which>今明后|今明|明后|昨今)[两三]?[天日](?!台)", _some_days),
        (r"[昨今明](?=上午|下午|早上|晚上|中午|[0-9一二三四五六七八九十两]{1,3}(?:点|:\d))|昨$", _short_day),
        (
            rf"{_ONE_WEEK}(?P<a>{_WEEKDAY})"
            rf"(?:(?P<to>{_TO})(?:[这本下]个?)?{_WEEK}?(?P<b>{_WEEKDAY})|(?P<b2>[二三四五六日天]))(?![0-9点号月日天时个十期楼])",
            _weekday,
        ),
        (rf"{_ONE_WEEK}(?P<a>{_WEEKDAY})(?P<to>)(?P<b>)(?P<b2>)", _weekday),
        (rf"(?P<rel>{_REL})(?:一)?个?{_WEEK}(?P<part>[初头中末尾])(?!期)", _week_part),
        (rf"(?P<rel>){_NOT_COUNTED}周(?P<part>[初中末尾])(?!年|期)", _week_part),
        ("双休日?", _weekend),
        (rf"(?P<rel>{_REL})(?:一)?个?{_WEEK}(?!{_WEEKDAY}|年)", _whole_week),
        (
            rf"(?:{_OF_YEAR}第?(?:(?P<n>[一二三四1-4])季(?:度|(?=[初末底]))|q(?P<n2>[1-4])(?!\d)|(?<!\d)(?P<n3>[1-4])q)"
            rf"|(?P<rel>{_REL})(?:一)?个?季度?|{_NOT_COUNTED}季度?(?=[初中末底内]))(?P<part>[初中末底](?!期))?",
            _quarter,
        ),
        (rf"(?P<y>{_YEAR})的?年?(?P<part>{_YEAR_PART}|[上下]半年[初末底]?)", _year_part),
        (rf"(?P<y>){_NOT_COUNTED}(?:年度?|岁(?=末))(?P<part>{_YEAR_PART})", _year_part),
        ("(?P<y>)(?<![大小])(?P<part>[上下]半年[初末底]?)", _year_part),
        (rf"(?P<y>{_WHOLE_YEAR})", _whole_year),
        (rf"{_NOT_COUNTED}(?P<unit>[周月年])(?:之|以)?内", _inside_unit),
        (rf"{_OF_YEAR}(?P<name>{_NAME}|十一){_HOLIDAYS}{_BESIDE}", _around_festival),
        (rf"{_OF_YEAR}(?P<name>{_NAME}|{_TERM})(?P<rest>{_REST})", _festival),
        (
            rf"{_OF_YEAR}(?<![\d.{_CN_CHARS}])(?P<name>{'|'.join(_NUMBER_NAMES)})"
            rf"(?P<rest>节?(?:大促|期间|假期|长假|黄金周)|节|{_BESIDE})",
            _festival,
        ),
        (rf"{_OF_YEAR}(?<![\d{_CN_CHARS}两几半多去明今后前大小])年{_BESIDE}", _new_year),
        (rf"(?:长假|假期|放假|收假|过节|(?<![春季情环细章调恩])节日?){_BESIDE}", _long_break),
        (rf"(?:农历|阴历)?{_OF_YEAR}闰?(?P<lm>[正冬腊])月(?:(?P<ld>{_LD})|(?P<part>[初中底]))?(?P<m>)", _lunar),
        (rf"(?:农历|阴历)?{_OF_YEAR}(?P<lm>)(?P<m>{_M})月(?P<ld>{_LUNAR_NEW})(?P<part>)", _lunar),
        (rf"(?:农历|阴历){_OF_YEAR}(?P<lm>)(?P<m>{_M})月(?P<ld>{_LD}|{_CN})?(?P<part>)", _lunar),
        (rf"(?:农历|阴历){_OF_YEAR}(?P<lm>)(?P<m>)年[底末](?P<ld>)(?P<part>)", _lunar),
        (rf"{_OF_YEAR}(?P<new_year>大年|年)(?P<ld>{_LUNAR_NEW})", _lunar_day),
        (rf"(?P<new_year>)(?P<y>)(?<![月年])(?P<ld>{_LUNAR_NEW}|廿{_CN})(?![{_CN_CHARS}中高级步])", _lunar_day),
        (rf"{_OF_YEAR}(?P<begin>[开入])(?P<season>[春夏秋冬])", _season),
        (rf"{_OF_YEAR}(?P<begin>(?!))?(?P<season>[春夏秋冬])[天季]", _season),
        (rf"{_OF_YEAR}(?P<name>暑假|寒假|暑期|开学季?)", _school),
    )
]


@functools.cache
def _first_characters() -> frozenset[str]:
    return frozenset(
        "0123456789〇零一二三四五六七八九十廿卅今明后昨前大当本即现刚次翌第隔上中下这周礼星双月年季q"
        "正冬腊闰农阴初过节长假放收开入春夏秋暑寒去来岁"
    ) | {name[0] for name in (*_NAMES, *SOLAR_TERMS, *_NUMBER_NAMES)}


def read_point(text: str, position: int, base: datetime.date) -> Point | None:
    """Return the point of time whose words begin at ``position`` of the clean ``text``; of several the longest."""
    if text[position : position + 1] not in _first_characters():
        return None
    best: Point | None = None
    for pattern, reader in _READERS:
        match = pattern.match(text, position)
        if match and (best is None or match.end() > best.end):
            found = reader(match, base)
            best = replace(found, end=match.end()) if found else best
    return best


def number_day(name: str, year: int | None = None) -> Point | None:
    """Return the festival that a bare number names (十一, 618), or ``None``."""
    known = _NUMBER_NAMES.get(name)
    return _festival_point(known, None, year) if known else None


def combined(first: Point, last: Point) -> Occurrences:
    """Return the stretches from each occurrence of ``first`` to the next one of ``last``."""

    def from_day(day: datetime.date) -> Iterator[Period]:
        for start in first.occurrences(day):
            for end in last.occurrences(start.start):
                if end.end >= start.start:
                    yield Period(start.start, end.end, worst_status(start.status, end.status))
                    break

    return from_day
