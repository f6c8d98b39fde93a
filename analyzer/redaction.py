"""Masks what leads to a person: phone numbers, ID-card and bank-card numbers, e-mail addresses, WeChat ids.

Every masked character becomes one ``*``, so text keeps its length and all offsets stay valid. Recognised are

- mobile numbers of mainland China, with +86 and in groups (138 0013 8000), and landlines with area code;
- ID-card numbers of 18 characters with a right check character (GB 11643, ISO 7064 MOD 11-2) and of 15 digits with a
  province and a birthday; after 身份证 also those with a wrong check character;
- bank-card numbers of 16 to 19 digits with a right check digit (Luhn, ISO/IEC 7812), and what follows 卡号 or 账号;
- e-mail addresses; ids that follow 微信, VX, WX or WeChat.

What only looks alike stays: order and part numbers, amounts, dates, codes with letters, service numbers (400). An order
number that has the form of a mobile number cannot be told from one and is masked.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Callable
from typing import Any

from analyzer.normalize import normalize
from analyzer.records import NoteAnalysis, Span

MASK = "*"

_PROVINCES = "(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3])"
_AREA = r"(?:10|2\d|[3-9]\d\d)"
_NO_CODE = r"(?<![0-9a-z])(?<![0-9]\.)"
_NO_CODE_AFTER = r"(?![0-9a-z])"
_WECHAT_ID = "(?P<x>[a-z][a-z0-9_-]{5,19})(?![a-z0-9_-])"
_LETTERS = re.compile("[A-Za-zＡ-Ｚａ-ｚ]+$")
_PHONE_WORDS = frozenset({"T", "M", "TEL", "MOB", "MOBILE", "PHONE", "CELL", "FAX", "V", "WX", "VX", "WECHAT"})
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10x98765432"


def _is_id_card(text: str) -> bool:
    """Whether 18 characters are an ID-card number: a birthday and the right check character.

    >>> _is_id_card("11010519491231002x"), _is_id_card("110105194912310021")
    (True, False)
    """
    total = sum(int(digit) * weight for digit, weight in zip(text, _ID_WEIGHTS, strict=False))
    return _is_day(text[6:14]) and _ID_CHECKS[total % 11] == text[17]


def _is_old_id_card(text: str) -> bool:
    """Whether 15 digits may be an ID-card number as issued until 1999: they hold a birthday."""
    return _is_day(f"19{text[6:12]}")


def _is_day(digits: str) -> bool:
    try:
        datetime.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return True


def _is_bank_card(text: str) -> bool:
    """Whether the digits of ``text``, 16 to 19 of them, end in the check digit of Luhn.

    >>> _is_bank_card("6222 0210 0111 6245 702"), _is_bank_card("6222 0210 0111 6245 703")
    (True, False)
    """
    digits = [int(char) for char in reversed(text) if char.isdigit()]
    total = sum(digit if index % 2 == 0 else sum(divmod(2 * digit, 10)) for index, digit in enumerate(digits))
    return 16 <= len(digits) <= 19 and total % 10 == 0


def _stands_alone(match: re.Match[str], text: str) -> bool:
    """Whether a telephone number is no part of a code: not behind capital letters, as in SN13812345678."""
    letters = _LETTERS.search(text, max(0, match.start() - 12), match.start())
    return letters is None or not letters[0].isupper() or letters[0] in _PHONE_WORDS


def _always(*_: object) -> bool:
    return True


_Check = Callable[[re.Match[str], str], bool]
"""Tells from the match in the clean text, and the text as given, whether it is to be masked."""

# Patterns over clean text; a group named x limits what is masked.
_KINDS: tuple[tuple[re.Pattern[str], _Check], ...] = tuple(
    (re.compile(pattern), check)
    for pattern, check in (
        (r"(?<![a-z0-9._%+-])[a-z0-9][a-z0-9._%+-]*@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}(?![a-z0-9])", _always),
        (rf"{_NO_CODE}{_PROVINCES}\d{{15}}[\dx]{_NO_CODE_AFTER}", lambda match, _: _is_id_card(match[0])),
        (rf"{_NO_CODE}{_PROVINCES}\d{{13}}{_NO_CODE_AFTER}", lambda match, _: _is_old_id_card(match[0])),
        (r"身份证(?:号码?|编号)?[:是为]? ?(?P<x>\d{17}[\dx]|\d{15})(?![0-9a-z])", _always),
        (
            rf"{_NO_CODE}(?:[3-6]\d|95)\d\d(?:[ -]?\d{{4}}){{3}}(?:[ -]?\d{{1,3}})?{_NO_CODE_AFTER}",
            lambda match, _: _is_bank_card(match[0]),
        ),
        (r"(?:银行卡|卡号|银行账[号户]|账号|账户|帐号)(?:号码?)?[:是为]? ?(?P<x>\d(?:[ -]?\d){11,24})(?!\d)", _always),
        (
            r"(?<![0-9])(?<![0-9]\.)(?:\+?86[ -]?)?1[3-9]\d(?P<s>[ -]?)\d{4}(?P=s)\d{4}(?!\d)(?! ?[元万亿吨块])",
            _stands_alone,
        ),
        (
            rf"(?<![0-9])(?<![0-9][.-])(?:\(0{_AREA}\)|\+86[ -]?0?{_AREA}|0{_AREA})[ -]?[2-8]\d{{2,3}}[ -]?\d{{4}}"
            r"(?:(?:-|转|ext\.?) ?\d{1,6})?(?!\d)",
            _stands_alone,
        ),
        (rf"(?:微信|威信|薇信|加v)(?: ?(?:号码?|id|账号))?[ :是为=]{{0,3}}{_WECHAT_ID}", _always),
        (rf"(?:(?<![a-z])[vw]x|v信|wechat|weixin)(?: ?(?:号|id)[ :是为=]{{0,3}}| ?[:是为=] ?){_WECHAT_ID}", _always),
        (rf"(?<![a-z])[vw]x (?=[a-z_-]*[0-9_]){_WECHAT_ID}", _always),
        (r"(?P<x>(?<![a-z0-9_])wxid_[a-z0-9]{6,20})(?![a-z0-9_])", _always),
    )
)


def redact(text: str) -> str:
    """Return ``text`` with personal numbers and addresses masked, of the same length.

    >>> redact("李工 138 0013 8000，微信：lixm_88，邮箱 li.xm@example.com")
    '李工 *************，微信：*******，邮箱 *****************'
    >>> redact("订单20241106123456，12800.00元，下周三10:30，400-820-8820")
    '订单20241106123456，12800.00元，下周三10:30，400-820-8820'
    """
    masked = _redact_once(text)
    while masked != text:  # what was masked may have hidden a neighbour
        text, masked = masked, _redact_once(masked)
    return masked


def _redact_once(text: str) -> str:
    clean = normalize(text)
    characters = list(text)
    for pattern, check in _KINDS:
        for match in pattern.finditer(clean):
            if check(match, text):
                start, end = match.span("x") if "x" in pattern.groupindex else match.span()
                characters[start:end] = MASK * (end - start)
    return "".join(characters)


def redact_analysis(analysis: NoteAnalysis, masked_note: str) -> NoteAnalysis:
    """Return the findings with their words as they stand in ``masked_note``, the note after `redact`."""

    def masked(span: Span) -> Span:
        return Span(span.start, span.end, masked_note[span.start : span.end])

    def optional(span: Span | None) -> Span | None:
        return masked(span) if span else None

    act = analysis.commitment
    return dataclasses.replace(
        analysis,
        evidence=tuple(map(masked, analysis.evidence)),
        concerns=tuple(
            dataclasses.replace(one, span=masked(one.span), response=optional(one.response))
            for one in analysis.concerns
        ),
        commitment=act and dataclasses.replace(act, span=masked(act.span), due=optional(act.due)),
    )


def redact_data(value: Any) -> Any:
    """Return JSON data with all text in it masked; a number that is one to mask becomes masked text.

    >>> redact_data({"电话": 13800138000, "数量": 3, "备注": ["tel 021-66668888"]})
    {'电话': '***********', '数量': 3, '备注': ['tel ************']}
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_data(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redact_data(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        masked = redact_data(int(value))  # a column of numbers with gaps is read as floats
        return masked if isinstance(masked, str) else value
    if isinstance(value, int) and not isinstance(value, bool) and (masked := redact(str(value))) != str(value):
        return masked
    return value
