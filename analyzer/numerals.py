"""Small whole numbers as notes write them: 12, 十二, 廿二, 二〇二六, 两."""

from __future__ import annotations

_DIGITS = {char: value for value, char in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2, "俩": 2, "仨": 3}
_TENS = {"十": 1, "廿": 2, "卅": 3}

NUMERAL = "[0-9〇零一二两三四五六七八九十廿卅百]"


def parse_number(text: str) -> int | None:
    """Return the number that ``text`` writes, under 1,000 in words or up to 9,999 in digits, or ``None``.

    >>> [parse_number(text) for text in ("12", "十二", "二十", "廿二", "两", "一百二十", "二〇二六", "三五")]
    [12, 12, 20, 22, 2, 120, 2026, None]
    """
    if text.isascii():
        return int(text) if text.isdigit() and len(text) <= 4 else None
    if len(text) == 4 and all(char in _DIGITS for char in text):
        return int("".join(str(_DIGITS[char]) for char in text))
    hundreds, _, rest = text.rpartition("百")
    if hundreds:
        if hundreds not in _DIGITS:
            return None
        below = parse_number(rest.lstrip("零〇")) if rest else 0
        return None if below is None else _DIGITS[hundreds] * 100 + below
    for char, value in _TENS.items():
        head, found, tail = text.partition(char)
        if found:
            tens = value if not head else _DIGITS.get(head, 0) if char == "十" else 0
            units = _DIGITS.get(tail, -1) if tail else 0
            return tens * 10 + units if tens > 0 and units >= 0 else None
    return _DIGITS.get(text)
