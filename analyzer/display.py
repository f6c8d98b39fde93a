"""Text of a note made fit for a page or a terminal, one character for one, so that offsets stay valid."""

from __future__ import annotations

import re

from analyzer.results import one_line

# Marks that turn the direction of the text around them: they would let a note reorder the page.
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Control characters (a terminal would obey some) and halves of characters (no encoding can write them).
_UNSHOWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]")


def safe_text(text: str) -> str:
    r"""Return the text with what is not meant to be seen replaced; its length stays the same.

    >>> safe_text("价格\u202e高\x1b[31m"), len(safe_text("a\r\nb"))
    ('价格\u200b高�[31m', 4)
    """
    return _UNSHOWABLE.sub("\ufffd", _DIRECTION.sub("\u200b", text)).replace("\r", " ")


def quoted(text: str) -> str:
    r"""Return the words of a note as one line in quotation marks.

    >>> quoted("价格\n偏高")
    '「价格 偏高」'
    """
    return f"「{one_line(safe_text(text))}」"
