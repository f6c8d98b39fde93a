"""Notes that are near copies of one another: they must not stand on both sides of a split.

Likeness is the share of five-character stretches that two notes have in common (Jaccard, over clean text without
blanks), as `scripts/check_corpus.py` measures it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from analyzer.normalize import normalize

ALIKE_FROM = 0.5
_LENGTH = 5
_COMMON = 200  # a stretch that stands in more notes than this is a phrase, not a sign of a copy


def near_copies(notes: Sequence[str], alike_from: float = ALIKE_FROM) -> Iterator[tuple[int, int, float]]:
    """Yield (earlier note, later note, likeness) of every pair of near copies.

    >>> list(near_copies(["客户嫌价格高，下周再谈", "没见到人", "客户嫌价格高，下周再谈。"]))
    [(0, 2, 0.875)]
    """
    index: dict[str, list[int]] = defaultdict(list)
    stretches: list[set[str]] = []
    for number, note in enumerate(notes):
        clean = "".join(normalize(note).split())
        own = {clean[at : at + _LENGTH] for at in range(max(1, len(clean) - _LENGTH + 1))} if clean else set()
        shared = Counter(other for one in own if len(index[one]) <= _COMMON for other in index[one])
        for other in sorted(shared):
            likeness = len(own & stretches[other]) / len(own | stretches[other])
            if likeness >= alike_from:
                yield other, number, likeness
        for one in own:
            index[one].append(number)
        stretches.append(own)


def copy_groups(notes: Sequence[str]) -> list[int]:
    """Return a group for each note, the same for near copies: the index of the group's first note.

    >>> copy_groups(["客户嫌价格高，下周再谈", "没见到人", "客户嫌价格高，下周再谈。"])
    [0, 1, 0]
    """
    group = list(range(len(notes)))

    def first(number: int) -> int:
        while group[number] != number:
            number = group[number]
        return number

    for one, other, _ in near_copies(notes):
        low, high = sorted((first(one), first(other)))
        group[high] = low
    return [first(number) for number in range(len(notes))]
