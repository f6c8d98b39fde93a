"""Lengths of time that Chinese names, such as 三天, 两三周, 一个半月 or 十个工作日, counted from a day."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from analyzer.holidays import Period, Status, worst_status
from analyzer.numerals import NUMERAL, parse_number
from analyzer.periods import shift

_FIXED = {"半": 0.5, "俩": 2.0, "仨": 3.0}
_ROUGH = {"大半": 0.5, "小半": 0.5, "个把": 1.0}
_FEW = (3.0, 7.0)
_FEW_WORDS = ("几", "好几", "数", "若干")
_SMALL = f"{NUMERAL}{{1,3}}"
_UNIT = (
    "(?:工作日|礼拜|星期|季度|小时|钟头|分钟|天(?![津然线气猫台生])|日|周(?![年岁到转边期一二三四五六日末])|月|"
    "年(?![级限龄终底初中末会检]))"
)
_NUMBERS = rf"(?<![\d.]){_SMALL}(?:\.5)?(?:(?:-|~|—+|到|至|、|或){_SMALL})?[多几来]?"
_AMOUNT = f"(?:好几|几|数|若干|俩|仨|大半|小半|半|个把|{_NUMBERS})"
_LENGTH = re.compile(
    f"(?P<amount>{_AMOUNT})(?P<ge>个)?(?P<half>半)?(?P<more>多)?(?P<unit>{_UNIT})(?P<tail>半|多)?(?:时间)?"
)
_BETWEEN = re.compile("-|~|—+|到|至|、|或")


@dataclass(frozen=True, slots=True)
class Length:
    """A length of time as read: from ``low`` to ``high`` units; ``end`` is where its words end."""

    low: float
    high: float
    unit: str
    status: Status
    amount: str
    end: int

    def after(self, base: datetime.date) -> Period:
        """Return the days that lie this long after ``base``."""
        first, last = shift(base, self.low, self.unit), shift(base, self.high, self.unit)
        return Period(first.start, last.end, worst_status(self.status, last.status))

    def before(self, base: datetime.date) -> Period:
        """Return the days that lie this long before ``base``."""
        first, last = shift(base, -self.high, self.unit), shift(base, -self.low, self.unit)
        return Period(first.start, last.end, worst_status(self.status, first.status))


def read_length(text: str, position: int) -> Length | None:
    """Return the length of time whose words begin at ``position`` of the clean ``text``, or ``None``.

    >>> found = read_length("一个半月后", 0)
    >>> found.low, found.unit, found.end
    (1.5, '月', 4)
    >>> read_length("三月", 0)
    """
    match = _LENGTH.match(text, position)
    if match is None or text[position - 1 : position] == "第":
        return None
    words, unit = match["amount"], match["unit"]
    if unit == "月" and not (match["ge"] or match["half"] or words == "两" or words in _FIXED or words in _ROUGH):
        return None  # 三月 is March
    if unit == "季度" and not match["ge"]:
        return None  # 三季度 is the third
    amounts = _amounts(words)
    if amounts is None:
        return None
    low, high, status = amounts
    if match["half"] or match["tail"] == "半":
        low, high = low + 0.5, high + 0.5
    if match["more"] or match["tail"] == "多":
        high += 1
    return Length(low, high, unit, status, words, match.end())


def _amounts(words: str) -> tuple[float, float, Status] | None:
    if words in _FIXED:
        return _FIXED[words], _FIXED[words], "ok"
    if words in _ROUGH:
        return _ROUGH[words], _ROUGH[words], "ambiguous"
    if words in _FEW_WORDS:
        return *_FEW, "ambiguous"
    core = words.rstrip("多几来")
    values: list[float] = []
    for part in _BETWEEN.split(core):
        found = _values(part)
        if not found:
            return None
        values += found
    low, high = min(values), max(values)
    if words.endswith("来"):  # 十来天
        low, high = low * 0.8, high * 1.2
    elif len(core) < len(words):  # 十几天, 五天多
        low, high = low + 1, high + (9 if high % 10 == 0 else 1)
    return low, high, "ok"


def _values(part: str) -> list[float]:
    """Return one number, or two for 三五, 两三, 十五六; none for other words."""
    number = parse_number(part.removesuffix(".5"))
    if number is not None:
        return [number + 0.5 * part.endswith(".5")]
    first, second = parse_number(part[:-1]), parse_number(part[-1:])
    if not first or not second or not first % 10:
        return []
    last = first - first % 10 + second
    return [float(first), float(last)] if last > first else []
