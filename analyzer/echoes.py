"""Later words that may answer an open concern, for the salesperson to check.

A later note often answers a concern without stating it again ("证书给他看了，他认可"). Such a sentence names a word of
the concern and says that the customer accepted something. It is shown beside the concern and changes no status: of the
34 sentences found in the example export, on which the lists below were tried, 28 were the answer (with the model of
0.1.0).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from analyzer.records import Span
from analyzer.visits import Quote, Visit
from analyzer.wording import content_pairs

_SENTENCE = re.compile(r"[^。；;！？!?\n]+")
_ACCEPTED = re.compile(
    "(?<![不没未])(?<!未获)(?:认可|同意|放心|满意|没问题|没意见|点头|接受|通过|符合|可信|合格|服气|够用|满足|谈妥|达成)|OK|ok|"
    "[说讲话](?:行|好|可以|得)"
)
# Pairs that many sentences share whatever they are about: people, parties, papers, numbers with their unit.
_COMMON = re.compile(
    ".[总工]|[总老小]..?|[我他你乙甲]方|他.|老板|主任|厂长|部长|科长|经理|客户|合同|报告|方案|公司|设备|项目|小时|时间|现在|"
    ".*[0-9].*|[说问讲].|.[说问讲]"
)


class Echoes:
    """The sentences of an opportunity's notes in which the customer accepts something, by the words that they name."""

    def __init__(self, visits: Sequence[Visit]) -> None:
        """Take in ``visits``, which stand in time order."""
        self._visits = visits
        self._since = {id(visit): place for place, visit in enumerate(visits)}
        self._places: dict[str, list[tuple[int, Span]]] = defaultdict(list)
        for place, visit in enumerate(visits):
            for match in _SENTENCE.finditer(visit.note):
                if not _ACCEPTED.search(match.group()):
                    continue
                words = match.group().strip()
                start = match.start() + match.group().index(words)
                span = Span(start, start + len(words), words)
                for pair in _telling(words):
                    self._places[pair].append((place, span))

    def after(self, visit: Visit, wording: str) -> Quote | None:
        """Return the newest sentence after ``visit`` that names a word of ``wording``, or ``None``."""
        since = self._since[id(visit)]
        found = [self._places[pair][-1] for pair in _telling(wording) if self._places.get(pair)]
        place, span = max(found, key=lambda one: (one[0], one[1].start), default=(since, None))
        return Quote(self._visits[place], span) if span and place > since else None


def _telling(text: str) -> list[str]:
    return [pair for pair in content_pairs(text) if len(pair) == 2 and not _COMMON.fullmatch(pair)]
