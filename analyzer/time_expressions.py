"""Time expressions: points and lengths of time with the words around them that say how they are meant.

前, 后, 内, 左右, 到, 最晚 … change a point of `time_points` or a length of `time_lengths` into the days that are meant;
a number such as 11.8 is a date only where the words around it say so. The rules stand in `calendar`.
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from analyzer.holidays import DAY, Period, worst_status
from analyzer.numerals import NUMERAL, parse_number
from analyzer.periods import WEEK, shift
from analyzer.time_lengths import Length, read_length
from analyzer.time_points import Kind, Occurrences, Point, combined, number_day, once, read_point

_OCCURRENCES = 40  # more than any series needs to pass the base date
_MOST_JOINED = 6  # 周一、周二、周三 …
_REACH = 40  # characters before and after a number that are looked at

# --- times of day ---------------------------------------------------------------------------------

_PART_OF_DAY = (
    "凌晨|清晨|清早|大清早|一?大早上?|早晨|早上|早间|一早|上午|中午|晌午|正午|午后|下午|傍晚|晚上|晚间|夜里|夜间|"
    "半夜|深夜|午夜"
)
_ANY_PART = f"(?:{_PART_OF_DAY}|全天|整天|白天|[上下]班[前后]|收工前|早[盘班]?|晚班?|夜班?|晨)"
_SMALL = f"{NUMERAL}{{1,3}}"
_CLOCK = (
    rf"(?:{_SMALL}(?:点钟|点半|点整|点[一三]刻|点{_SMALL}分?|点|时{_SMALL}分?|时半?(?![间候段代机期长]))"
    r"|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?|[0-9]{1,2}(?:am|pm))"
)
_CLOCKS = f"{_CLOCK}(?:(?:-|~|—+|到|至){_ANY_PART}?{_CLOCK})?"
_TIME = re.compile(f"(?:的?{_ANY_PART})?(?:{_CLOCKS})?")
_PART_ALONE = re.compile(f"(?:{_PART_OF_DAY}|[上下]班前|收工前)(?!好)(?:{_CLOCKS})?|[早晚]{_CLOCKS}")
_CLOCK_ALONE = re.compile(_CLOCKS)
_CLOCK_SURE = re.compile("[钟半整刻分:m]")
_CLOCK_AFTER = re.compile("之?前|以前|左右|之?后|以后|[-~到至]")
_CLOCK_SUFFIX = re.compile("前后|左右|上下|(?P<before>(?:之|以)?前(?![台端景面往款]))|(?:之|以|过)?后(?![台续端面勤])")

# --- words around a point -------------------------------------------------------------------------

_DEADLINE = re.compile("(?:最晚|最迟|不晚于|不迟于|截止日期|截止|截至|赶在)(?:到|于|在|是|:)?(?:大概|大约)?")
_AROUND = re.compile("前后|左右|上下|附近|光景|那几天|那会儿?")
_BEFORE = re.compile("(?:之|以)前|前夕|前(?![台端景面往款任期提])|为止|截止(?!日期)")
_AFTER = re.compile("(?:之|以|过)后|后(?![台续端面勤盾劲年天])")
_WITHIN = re.compile("(?:之|以)?内|期间|里(?![程面])")
_SINCE = re.compile("开始|起算?(?![草订诉码始点])|以来")
_BESIDE = re.compile(
    f"(?P<side>[前后])(?:上班|开工)?(?P<nth>的?第)?(?P<amount>{_SMALL}|半)个?(?P<unit>工作日|天|周|礼拜|星期|月)"
)
_BESIDE_WEEKDAY = re.compile("后的?第(?P<nth>[一二三四1-4])个(?:周|礼拜|星期)(?P<day>[一二三四五六日天])")
_ONE_DAY = re.compile(f"的?(?:(?P<last>最后)(?:(?P<amount>{_SMALL})天|一天)|第一天)")
_OVER = re.compile("过[完了]大?(?=[年节])|过[完了]|出了?(?=正月)")
_NAMED_BREAK = re.compile("[年节]|春节|元旦|清明|五一|端午|中秋|国庆|元宵|十一")
_OR = re.compile("或者?|还是|/")
_TO = re.compile("-|~|–|—+|到|至|、|和|跟|与")
_JOINED = re.compile("(?=[月年])")  # 月底月初
_IS_WEEKDAY = re.compile("(?:周|礼拜|星期)[一二三四五六日天1-7]$")

# --- words around a length ------------------------------------------------------------------------

_COUNTED = "(?=[0-9一二两三四五六七八九十几数半俩仨]|个把)"
_PASSED = re.compile(f"(?:再过|(?<![超经通越用做试])过){_COUNTED}")
_COMING = re.compile(f"(?:再等|再|未来|接下来|今后|往后|这|等|(?P<either>最近|近)){_COUNTED}")
_PAST = re.compile(rf"(?<![\u3400-\u9fff])(?:前|过去){_COUNTED}")

# --- numbers that may be dates --------------------------------------------------------------------

_FILLER = re.compile(
    "大概|大约|大致|预计|估计|争取|暂定|初步|初定|可能|应该|计划|打算|定在|约在|约好|说好|说是|时间|日期|改到|推迟到|推到|延期到|延到|给我们|给我|"
    r"最晚|最迟|截至|截止|赶在|等到|试用|[到在于等约再就是给定]|[\W_]"
)
_TRAILER = re.compile(
    r"前后|左右|上下|之前|以前|之后|以后|以内|之内|为止|开始|期间|时间|[前后内里起止吧呢啊的了]|[\W_]"
)
_DOT = re.compile(r"(?<![\d.v/])(?P<m>1[0-2]|0?[1-9])\.(?P<d>3[01]|[12]\d|0?[1-9])(?![\d.])[号日]?")
_DOT_AFTER = re.compile(
    r"之?前|以前|之?后|以后|上午|下午|中午|早|晚|左右|[-~、到至(]|周|星期|来|去|开|签|带|过来|送|见|交付|发货"
)
_DOT_BEFORE = re.compile(
    "(?:定在|约在|约定|改到|推到|延到|推迟到|最晚|最迟|截至|截止|预计|时间[:是]?|日期[:是]?|"
    "(?<![降涨跳提加谈升减压让])到|[在于至]|[0-9][-~])$"
)
_DASH = re.compile(r"(?<![\d.-])(?P<m>1[0-2]|0?[1-9])-(?P<d>3[01]|[12]\d|0[1-9])(?![\d.-])")

# --- times without dates --------------------------------------------------------------------------

_VAGUE = re.compile(
    "近期|近日|不日|尽快|尽早|早日|改天|改日|过段时间|过一段时间|过一?阵子?|过些(?:天|日子|时候)|回头|稍后|日后|将来|到时候?|"
    "届时|下次|下回|最近|这段时间|这一?阵子?|^以后"
)
_EVENTS = re.compile("麦收|秋收|春耕|夏收|农忙|[淡旺]季|雨季|汛期|三夏|双抢|三伏|数九|采暖季|供暖季?|停暖|财年[末底]?")
_REPEATED = re.compile(
    "(?:每逢?|逢)[个一]?(?:月底|月初|月末|月|年|季度|天|周末|周|礼拜|星期)(?:[一二三四五六日天]|[0-9]{1,2}[号日])?|每隔"
)

_Change = Callable[[Period], Period]


def read_expressions(text: str, base: datetime.date) -> Iterator[Period]:
    """Yield the days that each time expression of the clean ``text`` names, in the order of the text.

    Words for a time without dates (尽快, 改天) are told only where there is nothing else; their days are the base date
    with the status ``unsupported``.
    """
    reader = _Reader(text, base)
    position, is_found = 0, False
    while position < len(text):
        try:
            found = reader.expression(position)
        except (OverflowError, ValueError):  # beyond the years that dates have
            found = None
        if found:
            is_found = True
            yield found[0]
        position = max(found[1] if found else 0, position + 1)
    if not is_found and _VAGUE.search(text):
        yield reader.unknown()


class _Reader:
    """Reads the expressions of one text."""

    def __init__(self, text: str, base: datetime.date) -> None:
        self.text = text
        self.base = base

    def unknown(self) -> Period:
        """Return what stands for a time that has no dates."""
        return Period(self.base, self.base, "unsupported")

    def expression(self, position: int) -> tuple[Period, int] | None:
        """Return the expression that begins at ``position``, and where it ends."""
        for read in (self._undated, self._deadline, self._length, self._over, self._plain):
            if found := read(position):
                return found
        return None

    def _undated(self, position: int) -> tuple[Period, int] | None:
        match = _REPEATED.match(self.text, position) or _EVENTS.match(self.text, position)
        return (self.unknown(), match.end()) if match else None

    def _deadline(self, position: int) -> tuple[Period, int] | None:
        """最晚下周五, 截至月底."""
        match = _DEADLINE.match(self.text, position)
        point = self._point(match.end()) if match else None
        if point is None:
            return None
        if _BEFORE.match(self.text, point.end):
            return self._with_suffix(point)
        return self._choose(point.occurrences, lambda day: self._until(day.end)), point.end

    def _over(self, position: int) -> tuple[Period, int] | None:
        """过完年, 过了节, 过完这个月: the time after it."""
        match = _OVER.match(self.text, position)
        if match is None:
            return None
        # 过完年 is what 年后 is, which is read as the end of a holiday.
        name = _NAMED_BREAK.match(self.text, match.end())
        point = read_point(f"{name[0]}后", 0, self.base) if name else None
        if name and point:
            end = name.end() + self.text.startswith("节", name.end())
        else:
            point = self._single(match.end())
            end = point.end if point else 0
        return (self._choose(point.occurrences, _following), end) if point else None

    def _plain(self, position: int) -> tuple[Period, int] | None:
        point = self._point(position)
        return self._with_suffix(point) if point else None

    # --- points -----------------------------------------------------------------------------------

    def _point(self, position: int) -> Point | None:
        """Return a point with its time of day, joined with one that follows to a stretch."""
        point = self._single(position)
        if point is None:
            return None
        for _ in range(_MOST_JOINED):
            joined = self._joined(point)
            if joined is None:
                break
            point = joined
        return point

    def _joined(self, point: Point) -> Point | None:
        for connector in (_TO, _OR, _JOINED):
            match = connector.match(self.text, point.end)
            other = self._single(match.end()) if match else None
            if other and (connector is not _JOINED or point.kind is other.kind is Kind.PART):
                joined = combined(point, other)
                kind = Kind.DAY if point.kind is Kind.DAY else Kind.PART
                return Point(kind, _unsure(joined) if connector is _OR else joined, other.end)
        return None

    def _single(self, position: int) -> Point | None:
        point = read_point(self.text, position, self.base) or self._number(position)
        if point is None:
            return self._time_alone(position)
        point = self._with_weekday(point)
        match = _TIME.match(self.text, point.end)
        return replace(point, end=match.end(), has_clock=True) if match and match.end() > point.end else point

    def _with_weekday(self, point: Point) -> Point:
        """Return a day joined with the next one: 11月8号（周五）, 周五（11月8号）, 周六周日. The date counts."""
        if point.kind is not Kind.DAY:
            return point
        bracket = self.text[point.end : point.end + 1] == "("
        begin = point.end + bracket
        other = read_point(self.text, begin, self.base) or (self._number(begin) if bracket else None)
        if other is None or other.kind is not Kind.DAY:
            return point
        end = other.end + (bracket and self.text[other.end : other.end + 1] == ")")
        is_weekday, is_second = (
            bool(_IS_WEEKDAY.search(self.text[max(0, to - 3) : to])) for to in (point.end, other.end)
        )
        if is_weekday == is_second:
            both = combined(point, other)
            days = self._choose(both, _same)
            # 周六周日 is one time, 周二周五 are two.
            return Point(Kind.DAY, both, end) if days.end - days.start == DAY and not bracket else point
        date, weekday = (other, point) if is_weekday else (point, other)
        day = self._choose(date.occurrences, _same)
        agrees = any(one.start <= day.start <= one.end for one in itertools.islice(weekday.occurrences(day.start), 4))
        return Point(Kind.DAY, once(day if agrees else day._replace(status="ambiguous")), end)

    def _number(self, position: int) -> Point | None:
        """Return 11.8, 11-08, 十一 or 618, where the words around it say that it is a date."""
        if match := _DOT.match(self.text, position):
            before, end = self.text[max(0, position - 6) : position], match.end()
            is_date = (
                match[0][-1] in "号日"
                or _DOT_AFTER.match(self.text, end)
                or (_DOT_BEFORE.search(before) and self._ends(end))
                or self._is_alone(position, end)
            )
        elif match := _DASH.match(self.text, position):
            is_date = self._is_alone(position, match.end())
        else:
            return self._number_festival(position)
        point = read_point(f"{match['m']}月{match['d']}日", 0, self.base) if is_date else None
        return replace(point, end=match.end()) if point else None

    def _number_festival(self, position: int) -> Point | None:
        for length in (2, 3, 4):
            point = number_day(self.text[position : position + length])
            if point and self._is_alone(position, position + length):
                return Point(point.kind, _unsure(point.occurrences), position + length)
        return None

    def _time_alone(self, position: int) -> Point | None:
        """Return the base date for a time of day without a date; not for 三点建议."""
        match = _PART_ALONE.match(self.text, position)
        if match is None:
            match = _CLOCK_ALONE.match(self.text, position)
            if match is None or self.text[max(0, position - 1) : position].isdigit():
                return None
            is_time = _CLOCK_SURE.search(match[0]) or _CLOCK_AFTER.match(self.text, match.end())
            if not is_time and not self._is_alone(position, match.end()):
                return None
        return Point(Kind.DAY, once(Period(self.base, self.base)), match.end(), has_clock=True)

    def _is_alone(self, start: int, end: int) -> bool:
        """Whether the text holds nothing else but words that go with a time."""
        return start <= _REACH and not _FILLER.sub("", self.text[:start]) and self._ends(end)

    def _ends(self, end: int) -> bool:
        return len(self.text) - end <= _REACH and not _TRAILER.sub("", self.text[end:])

    # --- what follows a point ---------------------------------------------------------------------

    def _with_suffix(self, point: Point) -> tuple[Period, int]:
        text, end = self.text, point.end
        if point.has_clock and (match := _CLOCK_SUFFIX.match(text, end)):
            change: _Change = (lambda day: self._before(day, point.kind)) if match["before"] else _same
            return self._choose(point.occurrences, change), match.end()
        for pattern, make in ((_BESIDE_WEEKDAY, _weekday_after), (_BESIDE, _beside), (_ONE_DAY, _end_of)):
            if match := pattern.match(text, end):
                return self._choose(point.occurrences, make(match)), match.end()
        changes: tuple[tuple[re.Pattern[str], _Change], ...] = (
            (_AROUND, _widened(point.kind)),
            (_BEFORE, lambda day: self._before(day, point.kind)),
            (_AFTER, _following),
            (_WITHIN, self._rest),
            (_SINCE, _same),
        )
        for pattern, change in changes:
            if match := pattern.match(text, end):
                return self._choose(point.occurrences, change), match.end()
        return self._choose(point.occurrences, _same), end

    def _choose(self, occurrences: Occurrences, change: _Change) -> Period:
        """Return the first occurrence that, so changed, is not over on the base date, failing that the last."""
        last = None
        for found in itertools.islice(occurrences(self.base), _OCCURRENCES):
            last = change(found)
            if last.end >= self.base:
                break
        return last or self.unknown()

    def _until(self, end: datetime.date) -> Period:
        return Period(min(self.base, end), end)

    def _before(self, day: Period, kind: Kind) -> Period:
        is_excluded = kind in (Kind.FREE, Kind.WEEKEND) or (kind is Kind.UNIT and day.start > self.base)
        return self._until(day.start - DAY if is_excluded else day.end)._replace(status=day.status)

    def _rest(self, day: Period) -> Period:
        return day._replace(start=max(self.base, day.start)) if day.end >= self.base else day

    # --- lengths ----------------------------------------------------------------------------------

    def _length(self, position: int) -> tuple[Period, int] | None:
        """Return the days of a length from the base date on: N天后, 一周内, 过两天, 半个月, 三天前."""
        passed, coming, past = (pattern.match(self.text, position) for pattern in (_PASSED, _COMING, _PAST))
        lead = passed or coming or past
        length = read_length(self.text, lead.end() if lead else position)
        if length is None or (lead and lead[0] == "这" and length.amount == "一"):
            return None  # 这一周 is this week
        around = _AROUND.match(self.text, length.end)
        end = around.end() if around else length.end
        if found := self._length_with_suffix(length, end):
            return found
        if length.unit == "日" or not (lead or around or self._is_alone(position, end)):
            return None  # 三日 is the third; 账期60天 names no time
        days = length.after(self.base)
        if past:
            days = Period(length.before(self.base).start, self.base - DAY, length.status)
        elif around:
            slack = max(1, round((days.end - self.base).days / 5)) * DAY
            days = Period(days.start - slack, days.end + slack, days.status)
        elif not passed:
            days = Period(self.base, days.end, "ambiguous" if coming and coming["either"] else days.status)
        return days, end

    def _length_with_suffix(self, length: Length, end: int) -> tuple[Period, int] | None:
        if after := _AFTER.match(self.text, end):
            days = length.after(self.base)
            # 10日后 is ten days later, or after the 10th.
            is_sure = length.unit != "日" or not length.amount.isdigit()
            return days if is_sure else days._replace(status="ambiguous"), after.end()
        if within := _WITHIN.match(self.text, end):
            return length.after(self.base)._replace(start=self.base), within.end()
        ago = _BEFORE.match(self.text, end)
        return (length.before(self.base), ago.end()) if ago and length.unit != "日" else None


def _beside(match: re.Match[str]) -> _Change:
    """Return the change to the days next to a point: 国庆前一周, 节后第二天, 月底前三天."""
    amount = 0.5 if match["amount"] == "半" else float(parse_number(match["amount"]) or 1)
    unit, sign = match["unit"], -1 if match["side"] == "前" else 1
    is_days = unit in ("天", "工作日")

    def change(day: Period) -> Period:
        edge = day.start if sign < 0 else day.end
        far = near = shift(edge, sign * amount, unit).start
        if not is_days and match["nth"]:  # 节后第二周
            near = shift(edge, sign * (amount - 1), unit).start + sign * DAY
        elif not match["nth"] and not (is_days and amount == 1):  # 节后两周
            near = edge + sign * DAY
        return Period(min(near, far), max(near, far), day.status)

    return change


def _weekday_after(match: re.Match[str]) -> _Change:
    """Return the change to a weekday after a point: 节后第一个周一."""
    number = "一二三四五六日".index(match["day"].replace("天", "日"))
    weeks = (parse_number(match["nth"]) or 1) - 1

    def change(day: Period) -> Period:
        first = day.end + DAY
        found = first + (number - first.weekday()) % 7 * DAY + weeks * WEEK
        return Period(found, found, day.status)

    return change


def _end_of(match: re.Match[str]) -> _Change:
    """Return the change to the first or the last days of a point: 本月最后一天, 国庆第一天."""
    amount = (parse_number(match["amount"]) or 1) if match["amount"] else 1
    if match["last"]:
        return lambda day: day._replace(start=max(day.start, day.end - (amount - 1) * DAY))
    return lambda day: day._replace(end=day.start)


def _same(day: Period) -> Period:
    return day


def _following(day: Period) -> Period:
    return Period(day.end + DAY, day.end + WEEK, day.status)


def _widened(kind: Kind) -> _Change:
    slack = {Kind.DAY: 2 * DAY, Kind.WEEKEND: DAY, Kind.FREE: WEEK}.get(kind, 0 * DAY)
    return lambda day: Period(day.start - slack, day.end + slack, day.status)


def _unsure(occurrences: Occurrences) -> Occurrences:
    return lambda day: (found._replace(status=worst_status(found.status, "ambiguous")) for found in occurrences(day))
