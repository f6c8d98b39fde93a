"""The benefit summary: for each answered concern what the customer cares about, our answer, what it does for them.

Every part is a quotation. Where the note has none, the part is ``None`` and shown as 待补充 for the salesperson to
fill in; nothing is made up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from analyzer.checklist import Checklist, KeyPoint
from analyzer.records import Span
from analyzer.visits import Quote, Visit

GAP = "待补充"
_CLAUSE = re.compile(r"[^，。；！？,;!?\s]+")
_CLAUSES_AFTER = 3
"""A benefit is looked for in the answer and in so many clauses after it."""
# What a customer gains; that they are content ("认可", "放心") is no gain.
_GAIN = re.compile(
    "省(?:电|钱|水|工|气|人|时|事|心|力|油|下|出|去|蒸汽|了|得|[0-9一二三两几])|节省|节约|节能|节电|"
    "少(?:返工|跑|用|花|招|停|赔|报废|了?[0-9一二三两几])|降低|降了[0-9.]+[度个]|提高|提升|缩短|快了|"
    "多(?:产|出|赚|做|卖|收)[0-9一二三两几]?|不(?:再|用再|会再|停产|停机|停线|影响|耽误|跳机)|"
    "回本|收回|翻倍|翻番|增产|增收|零报废|没(?:跳过机|停过|坏过)"
)
_NO_GAIN = re.compile("如果|要是|希望|能不能|能否|是否|多少|几多|多久|没省|不省|没什么|看不出|争取")


@dataclass(frozen=True, slots=True)
class Benefit:
    """One line of the summary; the answer and the gain stand in the same note.

    Attributes:
        point: the key point that was answered.
        answer: our answer, linked to the mention of the concern that it answers.
        gain: what it does for the customer.
    """

    point: KeyPoint
    answer: Quote | None
    gain: Quote | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "concern": self.point.quote.to_dict(),
            "topic_label": self.point.display_topic,
            "answer": self.answer.to_dict() if self.answer else None,
            "benefit": self.gain.to_dict() if self.gain else None,
        }


def benefit_summary(checklist: Checklist) -> tuple[Benefit, ...]:
    """Return a line for each answered key point of ``checklist``."""
    return tuple(Benefit(point, point.answer, _gain(point)) for point in checklist.answered)


def _gain(point: KeyPoint) -> Quote | None:
    """Return the newest words that tell a gain beside the answer to ``point``."""
    for mention in reversed(point.mentions):
        anchor = mention.concern.response or mention.concern.span
        for span in _near(mention.visit, anchor, mention.concern.span):
            if _GAIN.search(span.text) and not _NO_GAIN.search(span.text):
                return Quote(mention.visit, span)
    return None


def _near(visit: Visit, anchor: Span, concern: Span) -> Iterator[Span]:
    """Yield the clauses of the answer and those after it, up to where the next concern begins."""
    concerns = visit.analysis.concerns if visit.analysis else ()
    stop = min((one.span.start for one in concerns if one.span.start >= anchor.end), default=len(visit.note))
    after = 0
    for match in _CLAUSE.finditer(visit.note):
        start, end = match.span()
        if end <= anchor.start or (start < concern.end and concern.start < end):
            continue
        if start >= anchor.end:
            after += 1
        if start >= stop or end > stop or after > _CLAUSES_AFTER:
            return
        yield Span(start, end, match.group())
