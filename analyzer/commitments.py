"""The customer's act that makes an order or an advance: its span, its kind, and the words that name its time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analyzer.features import Batch, Events, bucket, context_events, span_events
from analyzer.linear import Linear, relative, scaled
from analyzer.records import Action, Offsets
from analyzer.segmenter import IntArray

ACTIONS = tuple(Action)
_OUTCOME = 400  # template of the outcome as a feature of the act


@dataclass(frozen=True, slots=True)
class CommitmentModel:
    """Model of the kind of act.

    Attributes:
        action: one class an action.
    """

    action: Linear

    def actions(self, batch: Batch, spans: Sequence[Offsets], outcomes: IntArray) -> list[Action]:
        """Return the kind of act of each span; ``outcomes`` are the outcomes of their notes."""
        if not spans:
            return []
        scores = relative(self.action.decision(action_inputs(batch, spans, outcomes)))
        return [ACTIONS[best] for best in scores.argmax(axis=1).tolist()]


def action_inputs(batch: Batch, spans: Sequence[Offsets], outcomes: IntArray) -> sparse.csr_array:
    """Return what the model of acts reads of each span: itself, its surroundings, and the note's outcome."""
    bounds, n = np.array(spans), len(spans)
    span, around = span_events(batch, bounds[:, 0], bounds[:, 1]), context_events(batch, bounds[:, 0], bounds[:, 1])
    rows = np.concatenate([span.rows, around.rows, np.arange(n)])
    return scaled(Events(rows, np.concatenate([span.buckets, around.buckets, bucket(_OUTCOME, outcomes)])).matrix(n))


_NUMBER = "[0-9一二三四五六七八九十两半几]+"
_HALF_DAY = "(?:凌晨|早上|上午|中午|下午|傍晚|晚上)"
_PART_OF_DAY = f"(?:{_HALF_DAY}|早|晚)"
_CLOCK = f"(?:{_NUMBER}(?:点半|点[0-9十]+分?|点钟?|:[0-9]{{2}}))"
_WEEK = "(?:周|礼拜|星期)"
# Times to come: what is done has no due time, so 昨天, 上周五 and 今天 are left out.
_DAY = (
    "(?:大后天|后天|明天|今晚|明晚|明早|次日|隔天|明儿|后儿|"
    f"(?<!上)(?<!上个)(?:这|本|下|下下)?个?{_WEEK}[一二三四五六日天末](?!到)|(?:这|本|下|下下)个?{_WEEK}初?|"
    f"(?:(?:今年|明年)?{_NUMBER}月|下个?月|本月|这个?月)?{_NUMBER}[号日](?![楼机线车厂门岗院桌床柴抗汽馆店库])|"
    "[0-9]{1,2}/[0-9]{1,2}(?![0-9万元%折])|[0-9]{1,2}\\.[0-9]{1,2}(?=[来前之上下去开签带过参送寄约])|"
    "(?:这|本|下|下下)个?月(?:初|中旬|中|上旬|下旬|底|末)?|月(?:初|中旬|中|底|末)|年(?:底|末|初|中)|季度?(?:初|末)|"
    f"(?:今年|明年|后年)?{_NUMBER}月份?(?:初|中旬|中|上旬|下旬|底|末)?|(?:明|后)年(?:初|底|末|上半年|下半年|春天|开春)?|"
    "[上下]半年|[qQ][1-4]|(?:下|本|这)个?季度初?末?|"
    "(?:国庆|中秋|元旦|春节|五一|端午|清明|十一|双十一|年|节|假期?|过年|暑假|寒假|开学)(?:之?前|之?后|期间)|开春|开学|"
    f"(?:正月)?初[一二三四五六七八九十]|{_NUMBER}(?:个(?:月|工作日|礼拜|星期|小时)|天|周|年|小时)(?:之?内|以内|之?后|以后)|"
    "过(?:几天|两天|完年|完节|了年))"
)
# The words that name a time, as the guideline marks them (下周三, 月底前, 11月8号上午); data/GUIDELINE.md, part 3.
_DUE = re.compile(
    f"{_DAY}(?:的?{_PART_OF_DAY})?{_CLOCK}?(?:之?前|以前|左右|之?内)?|{_PART_OF_DAY}{_CLOCK}(?:之?前|以前)?|{_HALF_DAY}(?!好)"
)


def find_due(text: str) -> Offsets | None:
    """Return the span of the first words in the clean ``text`` that name a time, or ``None``.

    >>> text = "让我们下周三下午带样机过去"
    >>> text[slice(*find_due(text))]
    '下周三下午'
    >>> find_due("合同已签")
    """
    match = _DUE.search(text)
    return match.span() if match else None
