"""How alike two wordings of a concern are, by the characters that carry content."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter

_DIGITS = str.maketrans("一二三四五六七八九两", "1234567892")
# Words that say nothing of what the concern is about.
_FILLER = re.compile(
    "问题|方面|情况|事情|这块|这个|那个|有没有|能不能|能否|是否|可不可以|要求|需要|担心|怎么|到底|还是|我们|你们|[的了吗呢吧太偏要]"
)


def likeness(one: str, other: str) -> float:
    """Return how alike two wordings are, 0 to 1: the mean of shared characters and shared pairs of characters.

    Words that carry no content are left out, numbers in characters count as digits; a wording that holds all pairs of
    a shorter one of two characters or more counts as alike.

    >>> likeness("价格高", "价格偏高"), likeness("精度问题", "加工精度能不能到0.01")
    (1.0, 0.75)
    >>> likeness("四小时到场", "要4小时内到场") > 0.5, likeness("质保期短", "备件多久能到") < 0.2
    (True, True)
    """
    (first, first_characters, first_pairs), (second, second_characters, second_pairs) = _parts(one), _parts(other)
    if not first or not second:
        return float(first == second)
    shared = (_dice(first_characters, second_characters) + _dice(first_pairs, second_pairs)) / 2
    shorter, longer = sorted((first_pairs, second_pairs), key=Counter.total)
    return max(shared, 0.75) if min(len(first), len(second)) >= 2 and not shorter - longer else shared


def content_pairs(text: str) -> frozenset[str]:
    """Return the pairs of characters that carry content.

    >>> sorted(content_pairs("精度问题怎么办"))
    ['度办', '精度']
    """
    return frozenset(_parts(text)[2])


@functools.lru_cache(maxsize=65_536)
def _parts(text: str) -> tuple[str, Counter[str], Counter[str]]:
    """Return what counts of a wording, its characters and its pairs of characters."""
    plain = "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())
    plain = plain.translate(_DIGITS)
    content = _FILLER.sub("", plain) or plain
    return content, Counter(content), Counter(content[index : index + 2] for index in range(max(1, len(content) - 1)))


def _dice(one: Counter[str], other: Counter[str]) -> float:
    return 2 * (one & other).total() / (one.total() + other.total())
