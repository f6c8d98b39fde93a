"""Chinese time expressions, such as 下周三, 月底前 or 国庆后, as ranges of dates relative to the day of the visit.

The rules, of which docs/calendar.md gives examples:

- Weeks run from Monday to Sunday. 下周三 is the Wednesday of the next week, 这周三 that of this one, a bare 周三 the next
  one from the base date on, which it includes. 周末 is Saturday and Sunday.
- A missing year, month or week is the next to come: the first occurrence that is not over on the base date.
- 月初 is the 1st to 10th, 中旬 the 11th to 20th, 月底 the 21st to the last day; 年初 January, 年中 June, 年底 December; 季度初
  the first ten days of a quarter, 季度末 its last ten days; 半个月 15 days.
- A deadline (月底前, 周五之前, 最晚8号) runs from the base date to the last day that keeps it. A day and a part (月底, 中旬)
  are included. Before a holiday, a festival and a weekend (国庆前, 周末前) ends on the day before its first day off; before
  a whole week, month, quarter or year (下周前, 三月前) on the day before it begins, or on its last day once it has begun.
- 内 is what is left of a period from the base date on (本月内); N天内, and a bare length such as 半个月, from the base date
  to that day; N天后 and 过N天 the day itself; N天前 the day itself in the past.
- 后 after anything but a length (国庆后, 月底后, 8号以后) is the seven days that follow it.
- 左右 widens: a day by two days, a length by a fifth but a day at least, a holiday by a week to either side; a part or whole
  period stays as it is.
- A public holiday is its days off as announced; 元旦, 清明, 端午 and 中秋 named alone are the day of the festival. 年前 and 年后
  are about the Spring Festival, 节前 and 节后 about the next holiday with three days off or more.
- A time of day without a date is the base date.

``status`` is ``ok``; ``ambiguous`` where the words have several readings or the dates are not fixed yet (the likeliest is
given); ``unsupported`` where they name a time that has no dates here (尽快, 麦收, a holiday in a year without a
calendar): then the dates are the base date, or an estimate, and are not to be relied on.
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from analyzer.holidays import DAY, Period, Status
from analyzer.normalize import normalize
from analyzer.numerals import NUMERAL, parse_number
from analyzer.periods import WEEK, shift
from analyzer.time_points import Kind, Occurrences, Point, combined, number_day, once, read_point

_OCCURRENCES = 40  # more than any series needs to pass the base date


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
        text: a short phrase, words around the expression do no harm.
        base: the day on which it was said, as a rule that of the visit.

    >>> wednesday = datetime.date(2026, 11, 25)
    >>> for words in ("下周三下午", "月底前", "十一月二十号之前", "国庆后"):
    ...     found = parse_time(words, wednesday)
    ...     print(words, found.start, found.end, found.status)
    下周三下午 2026-12-02 2026-12-02 ok
    月底前 2026-11-25 2026-11-30 ok
    十一月二十号之前 2026-11-25 2027-11-20 ok
    国庆后 2027-10-08 2027-10-14 ambiguous
    >>> parse_time("价格3.5万", wednesday)
    """
    if isinstance(base, datetime.datetime):
        base = base.date()
    found = _Reader(_clean(text), base).best()
    if found is None:
        return None
    return TimeRange(min(found.start, found.end), max(found.start, found.end), found.status)


_INNER_SPACE = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])")


def _clean(text: str) -> str:
    """Return simplified half-width text without blanks, except between two digits."""
    return _INNER_SPACE.sub("", normalize(text))


# --- what stands around a point -------------------------------------------------------------------

_AMPLE_HALF = "凌晨|清晨|清早|大清早|一?大早上?|早晨|早上|早间|一早|上午|中午|晌午|正午|午后|下午|傍晚|晚上|晚间|夜里|夜间|半夜|深夜|午夜"
_HALF = f"(?:{_AMPLE_HALF}|全天|整天|白天|[上下]班[前后]|收工前|早[盘班]?|晚班?|夜班?|晨)"
_SMALL = f"(?:{NUMERAL}{{1,3}})"
_CLOCK = (
    rf"(?:{_SMALL}(?:点钟|点半|点整|点[一三]刻|点{_SMALL}分?|点|时{_SMALL}分?|时半?(?![间候段代机期长]))|[0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}})?"
    r"|[0-9]{1,2}(?:am|pm))"
)
_CLOCKS = f"{_CLOCK}(?:(?:-|~|—+|到|至){_HALF}?{_CLOCK})?"
_TIME = re.compile(f"(?:的?{_HALF})?(?:{_CLOCKS})?")
_TIME_ALONE = re.compile(f"(?:{_AMPLE_HALF}|[上下]班前|收工前)(?!好)(?:{_CLOCKS})?|{_CLOCKS}")
_BARE_CLOCK_AFTER = re.compile(r"[钟半整]|之?前|以前|左右|之?后|以后|[-~到至来去见开送发]|$|[,，。;；]")

_DEADLINE = re.compile("(?:最晚|最迟|不晚于|不迟于|截止日期|截止|截至|赶在)(?:到|于|在|是|:)?(?:大概|大约)?")
_AROUND = re.compile("前后|左右|上下|附近|光景|那几天|那会儿?")
_BEFORE = re.compile("(?:之|以)前|前夕|前(?![台端景面往款任期提])|为止|截止(?!日期)")
_AFTER = re.compile("(?:之|以|过)后|后(?![台续端面勤盾劲年天])")
_WITHIN = re.compile("(?:之|以)?内|期间|里(?![程面])")
_SINCE = re.compile("开始|起算?(?![草订诉码始点])|以来")
_OR = re.compile("或者?|还是")
_TO = re.compile("-|~|–|—+|到|至|、|和|跟|与")

_NUMBER_PAIR = {"两三": (2, 3), "三五": (3, 5), "一两": (1, 2)}
_VAGUE = (3, 7)
"""What 几 stands for."""
_UNIT = "(?:工作日|礼拜|星期|季度|小时|钟头|分钟|天(?![津然线气猫台生])|日|周(?![年岁到转边期一二三四五六日末])|月|年(?![级限龄终底初中末会检]))"
_AMOUNT = rf"(?:好几|几|数|若干|俩|仨|大半|小半|半|个把|(?<![\d.]){_SMALL}(?:\.5)?(?:(?:-|~|—+|到|至|、|或){_SMALL})?[多几来]?)"
_LENGTH = re.compile(f"(?P<amount>{_AMOUNT})(?P<ge>个)?(?P<half>半)?(?:多)?(?P<unit>{_UNIT})(?P<tail>半|多)?(?:时间)?")
_IN = re.compile("(?:再过|过|再等|再|未来|接下来|今后|往后|最近|近|这|等)(?=[0-9一二两三四五六七八九十几数半俩仨])")
_OVER = re.compile("过[完了]大?(?P<name>[年节]|春节|元旦|清明|五一|端午|中秋|国庆|元宵|十一)节?后?")
_RELATIVE = re.compile(f"(?P<side>前|后)(?P<nth>的?第)?(?P<amount>{_SMALL}|半)个?(?P<unit>工作日|天|周|礼拜|星期|月)")

_FILLER = (
    "(?:大概|大约|大致|预计|估计|争取|暂定|初步|初定|可能|应该|计划|打算|定在|约在|约好|说好|说是|时间|日期|改到|推到|延到|推迟到|延期到|最晚|最迟|截至|截止|赶在|等到|再等|"
    r"[到在于等约再就是给定试用]|[\W_])*"
)
_TRAILER = r"(?:前后|左右|上下|之前|以前|之后|以后|以内|之内|为止|开始|期间|时间|[前后内里起止吧呢啊的了]|[\W_])*"
_LEAD_ALONE = re.compile(f"^{_FILLER}$")
_TAIL_ALONE = re.compile(f"{_TRAILER}$")

_DOT = re.compile(r"(?<![\d.v/])(?P<m>1[0-2]|0?[1-9])\.(?P<d>3[01]|[12]\d|0?[1-9])(?![\d.])")
_DOT_AFTER = re.compile(
    r"[号日]|之?前|以前|之?后|以后|上午|下午|中午|早|晚|左右|[-~、到至(（]|周|星期|来|去|开|签|带|过来|送|见|交付|发货"
)
_DOT_BEFORE = re.compile(
    "(?:定在|约在|约定|改到|推到|延到|推迟到|最晚|最迟|截至|截止|预计|时间[:是]?|日期[:是]?|[到在于至])$"
)
_DASH = re.compile(r"(?<![\d.-])(?P<m>1[0-2]|0?[1-9])-(?P<d>3[01]|[12]\d|0[1-9])(?![\d.-])")

# Words for a time without dates. The first kind only where the text names no other time.
_VAGUE_TIME = re.compile(
    "近期|近日|不日|尽快|尽早|早日|改天|改日|过段时间|过一段时间|过一?阵子?|过些(?:天|日子|时候)|回头|稍后|日后|将来|到时候?|届时|下次|下回|最近|"
    "这段时间|这一?阵子?|以后"
)
_EVENTS = re.compile("麦收|秋收|春耕|夏收|农忙|[淡旺]季|雨季|汛期|三夏|双抢|采暖季|供暖季|供暖|停暖|财年末?|财年底")
_REPEATED = re.compile(
    f"(?:每逢?|逢)(?:个|一)?(?:月底|月初|月末|月|年|季度|天|周末|周|礼拜|星期)(?:[一二三四五六日天]|[0-9]{{1,2}}[号日])?|每隔"
)


class _Reader:
    """Reads the expressions of one text."""

    def __init__(self, text: str, base: datetime.date) -> None:
        self.text = text
        self.base = base

    def best(self) -> Period | None:
        """Return the first expression that is not over, failing that the first, failing that a vague one."""
        first: Period | None = None
        for found in self._all():
            if found.end >= self.base and found.status != "unsupported":
                return found
            first = first or found
        if first is None and _VAGUE_TIME.search(self.text):
            return self._unknown()
        return first

    def _unknown(self) -> Period:
        return Period(self.base, self.base, "unsupported")

    def _all(self) -> Iterator[Period]:
        position = 0
        while position < len(self.text):
            try:
                found = self._expression(position)
            except (OverflowError, ValueError):  # beyond the years that dates have
                found = None
                position += 1
                continue
            if found is None:
                position += 1
            else:
                period, end = found
                yield period
                position = max(end, position + 1)

    def _expression(self, position: int) -> tuple[Period, int] | None:
        """Return the expression that begins at ``position``, and where it ends."""
        for pattern in (_REPEATED, _EVENTS):
            if match := pattern.match(self.text, position):
                return self._unknown(), match.end()
        if match := _DEADLINE.match(self.text, position):
            point = self._point(match.end())
            if point is None:
                return None
            end = self._suffix_end(point.end)
            return self._choose(point.occurrences, lambda day: self._until(day.end)), end
        if found := self._length(position):
            return found
        if match := _OVER.match(self.text, position):
            point = read_point(match["name"] + "后", 0, self.base)
            return (self._choose(point.occurrences, _following), match.end()) if point else None
        point = self._point(position)
        return self._with_suffix(point) if point else None

    # --- points -----------------------------------------------------------------------------------

    def _point(self, position: int) -> Point | None:
        """Return a point with its time of day, and joined with what follows to a stretch."""
        point = self._single(position)
        if point is None:
            return None
        for pattern in (_TO, _OR):
            match = pattern.match(self.text, point.end)
            other = self._single(match.end()) if match else None
            if other:
                joined = combined(point, other)
                if pattern is _OR:
                    point = Point(point.kind, _unsure(joined), other.end)
                else:
                    point = Point(Kind.PART if point.kind is not Kind.DAY else Kind.DAY, joined, other.end)
                break
        return point

    def _single(self, position: int) -> Point | None:
        text = self.text
        point = read_point(text, position, self.base) or self._number_date(position) or self._number_festival(position)
        if point is None:
            return self._clock(position)
        point = self._in_brackets(point)
        match = _TIME.match(text, point.end)
        return replace(point, end=match.end()) if match else point

    def _in_brackets(self, point: Point) -> Point:
        """A day with its weekday, or a weekday with its date: 11月8号（周五）, 周五（11月8号）. The date counts."""
        if point.kind is not Kind.DAY:
            return point
        bracket = self.text[point.end : point.end + 1] == "("
        begin = point.end + bracket
        other = read_point(self.text, begin, self.base) or (self._number_date(begin) if bracket else None)
        if other is None or other.kind is not Kind.DAY:
            return point
        end = other.end + (bracket and self.text[other.end : other.end + 1] == ")")
        is_weekday, is_second = (bool(_IS_WEEKDAY.search(self.text[:place])) for place in (point.end, other.end))
        if is_weekday == is_second:  # 周六周日, 8号9号
            return point if bracket else Point(Kind.DAY, combined(point, other), end)
        date, weekday = (other, point) if is_weekday else (point, other)
        day = self._choose(date.occurrences, _same)
        agrees = any(one.start <= day.start <= one.end for one in itertools.islice(weekday.occurrences(day.start), 4))
        return Point(Kind.DAY, once(day if agrees else day._replace(status="ambiguous")), end)

    def _number_date(self, position: int) -> Point | None:
        """11.8, and 11-08 alone: only where the words around them say that they are dates."""
        match = _DOT.match(self.text, position)
        before = self.text[:position]
        if match:
            alone = self._alone(position, match.end())
            if (
                not alone
                and not _DOT_AFTER.match(self.text, match.end())
                and not (_DOT_BEFORE.search(before) and _TAIL_ALONE.match(self.text, match.end()))
            ):
                return None
            end = match.end() + (self.text[match.end() : match.end() + 1] in ("号", "日"))
        else:
            match = _DASH.match(self.text, position)
            if match is None or not self._alone(position, match.end()):
                return None
            end = match.end()
        point = read_point(f"{match['m']}月{match['d']}日", 0, self.base)
        if point is None:
            return None
        return Point(Kind.DAY, point.occurrences, end)

    def _number_festival(self, position: int) -> Point | None:
        for length in (2, 3, 4):
            name = self.text[position : position + length]
            if self._alone(position, position + length) and (point := number_day(name)):
                return Point(point.kind, _unsure(point.occurrences), position + length)
        return None

    def _clock(self, position: int) -> Point | None:
        """A time of day without a date: the base date."""
        match = _TIME_ALONE.match(self.text, position)
        if match is None or self.text[position - 1 : position].isdigit():
            return None
        is_bare = (
            match[0][0] in "0123456789〇零一二两三四五六七八九十廿卅百" and ":" not in match[0] and "早" not in match[0]
        )
        if is_bare and not (self._alone(position, match.end()) or _BARE_CLOCK_AFTER.match(self.text, match.end() - 1)):
            return None
        if is_bare and not self._alone(position, match.end()) and not re.search("[钟半整刻分]", match[0]):
            if not re.compile("之?前|以前|左右|之?后|以后|[-~到至]").match(self.text, match.end()):
                return None  # 三点建议
        return Point(Kind.DAY, once(Period(self.base, self.base)), match.end())

    def _alone(self, start: int, end: int) -> bool:
        """Whether the text holds nothing else but words that go with a time."""
        return bool(_LEAD_ALONE.match(self.text[:start])) and bool(_TAIL_ALONE.match(self.text, end))

    # --- what follows a point ---------------------------------------------------------------------

    def _with_suffix(self, point: Point) -> tuple[Period, int]:
        text, end = self.text, point.end
        if match := _RELATIVE.match(text, end):
            return self._choose(point.occurrences, self._beside(match)), match.end()
        for pattern, change in (
            (_AROUND, _widened(point.kind)),
            (_BEFORE, lambda day: self._before(day, point.kind)),
            (_AFTER, _following),
            (_WITHIN, lambda day: day._replace(start=max(self.base, day.start)) if day.end >= self.base else day),
            (_SINCE, _same),
        ):
            if match := pattern.match(text, end):
                return self._choose(point.occurrences, change), match.end()
        return self._choose(point.occurrences, _same), end

    def _suffix_end(self, end: int) -> int:
        match = re.compile(f"(?:{_BEFORE.pattern}|{_AROUND.pattern})?").match(self.text, end)
        return match.end() if match else end

    def _choose(self, occurrences: Occurrences, change: Callable[[Period], Period]) -> Period:
        """Return the first occurrence that, so changed, is not over on the base date, failing that the last."""
        last = None
        for found in itertools.islice(occurrences(self.base), _OCCURRENCES):
            last = change(found)
            if last.end >= self.base:
                break
        return last or self._unknown()

    def _until(self, end: datetime.date) -> Period:
        return Period(min(self.base, end), end)

    def _before(self, day: Period, kind: Kind) -> Period:
        is_excluded = kind is Kind.FREE or (kind is Kind.UNIT and day.start > self.base)
        return self._until(day.start - DAY if is_excluded else day.end)._replace(status=day.status)

    def _beside(self, match: re.Match[str]) -> Callable[[Period], Period]:
        """国庆前一周, 节后第二天, 月底前三天: the days next to a point."""
        amount = 0.5 if match["amount"] == "半" else float(parse_number(match["amount"]) or 1)
        unit = match["unit"]
        sign = -1 if match["side"] == "前" else 1

        def change(day: Period) -> Period:
            edge = day.start if sign < 0 else day.end
            far = shift(edge, sign * amount, unit).start
            if match["nth"] and unit in ("周", "礼拜", "星期", "月"):
                near = shift(edge, sign * (amount - 1), unit).start + sign * DAY
            else:
                near = far if match["nth"] or amount == 1 and unit in ("天", "工作日") else edge + sign * DAY
            return Period(min(near, far), max(near, far), day.status)

        return change

    # --- lengths ----------------------------------------------------------------------------------

    def _length(self, position: int) -> tuple[Period, int] | None:
        """N天后, 一周内, 过两天, 半个月: a length of time from the base date."""
        text = self.text
        lead = _IN.match(text, position)
        start = lead.end() if lead else position
        match = _LENGTH.match(text, start)
        amounts = _amounts(match) if match else None
        if match is None or amounts is None or text[start - 1 : start] == "第":
            return None
        low, high, status = amounts
        unit, end = match["unit"], match.end()

        def days(sign: int = 1) -> Period:
            first, last = shift(self.base, sign * low, unit), shift(self.base, sign * high, unit)
            return Period(min(first.start, last.start), max(first.end, last.end), _worse(status, last.status))

        around = _AROUND.match(text, end)
        after_around = around.end() if around else end
        if after := re.compile("(?:之|以|过)?后(?![台续端面勤年])").match(text, after_around):
            if unit == "日" and match["amount"].isdigit():
                status = "ambiguous"  # 10日后: ten days later, or after the 10th
            return days(), after.end()
        if within := re.compile("(?:之|以)?内|里(?![程面])").match(text, after_around):
            found = days()
            return Period(self.base, found.end, found.status), within.end()
        if unit == "日":
            return None
        if ago := re.compile("(?:之|以)?前(?![台端景面往款任期提])").match(text, after_around):
            return days(-1), ago.end()
        words = lead[0] if lead else ""
        if not lead and not around and not self._alone(start, end):
            return None
        if around:
            found = days()
            slack = max(1, round((found.end - self.base).days / 5)) * DAY
            return Period(found.start - slack, found.end + slack, found.status), around.end()
        if words in ("过", "再过"):
            return days(), end
        found = days()
        if words in ("最近", "近"):
            return Period(self.base, found.end, "ambiguous"), end
        return Period(self.base, found.end, found.status), end


_IS_WEEKDAY = re.compile("(?:周|礼拜|星期)[一二三四五六日天1-7]$")


def _amounts(match: re.Match[str]) -> tuple[float, float, Status] | None:
    """Return the least and the greatest length in the unit, or ``None`` where the words are none: 三月, 3年级."""
    words, unit = match["amount"], match["unit"]
    if unit == "月" and not (match["ge"] or match["half"] or words in ("两", "俩", "仨", "半", "大半", "小半", "个把")):
        return None
    if unit in ("季度", "小时", "钟头") and not match["ge"] and unit == "季度":
        return None
    low, high, status = _amount(words)
    if low is None or high is None:
        return None
    if match["half"] or match["tail"] == "半":
        if low == 0.5:
            return None
        low, high = low + 0.5, high + 0.5
    if match["tail"] == "多" or "多" in match[0][len(words) :]:
        high += 1
    return low, high, status


def _amount(words: str) -> tuple[float | None, float | None, Status]:
    fixed = {"半": 0.5, "大半": 0.5, "小半": 0.5, "俩": 2.0, "仨": 3.0, "个把": 1.0}
    if words in fixed:
        return fixed[words], fixed[words], "ok" if words in ("半", "俩", "仨") else "ambiguous"
    if words in ("几", "好几", "数", "若干"):
        return *_VAGUE, "ambiguous"
    core = words.rstrip("多几来")
    parts = re.split("-|~|—+|到|至|、|或", core)
    values: list[float] = []
    for part in parts:
        number = parse_number(part.removesuffix(".5"))
        if number is None:
            pair = _pair(part)
            if pair is None:
                return None, None, "ok"
            values += pair
        else:
            values.append(number + 0.5 * part.endswith(".5"))
    low, high = min(values), max(values)
    if len(core) < len(words):  # 十多天, 十几天, 十来天
        low, high = (low * 0.8, high * 1.2) if words.endswith("来") else (low + 1, high + (9 if high % 10 == 0 else 1))
    return low, high, "ok"


def _pair(words: str) -> list[float] | None:
    """Return the two numbers of 三五, 两三, 十五六; ``None`` for other words."""
    first, second = parse_number(words[:-1]), parse_number(words[-1])
    if first is None or second is None or len(words) < 2:
        return None
    last = first - first % 10 + second
    return [float(first), float(last)] if first % 10 and last > first else None


def _same(day: Period) -> Period:
    return day


def _following(day: Period) -> Period:
    return Period(day.end + DAY, day.end + WEEK, day.status)


def _widened(kind: Kind) -> Callable[[Period], Period]:
    slack = {Kind.DAY: 2 * DAY, Kind.FREE: WEEK}.get(kind, 0 * DAY)
    return lambda day: Period(day.start - slack, day.end + slack, day.status)


def _unsure(occurrences: Occurrences) -> Occurrences:
    return lambda day: (found._replace(status=_worse(found.status, "ambiguous")) for found in occurrences(day))


def _worse(first: Status, second: Status) -> Status:
    ranks: tuple[Status, ...] = ("ok", "ambiguous", "unsupported")
    return max(first, second, key=ranks.index)
