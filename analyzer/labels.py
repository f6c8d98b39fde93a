"""What people write in a label cell, and what it means: outcomes, topics, statuses.

Only words whose meaning is beyond doubt are taken. A word that could stand for two labels is refused with the labels
that it could mean, as a wrong guess would teach the model the wrong thing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from analyzer.columns import plain_name
from analyzer.errors import LabelError
from analyzer.records import AnyTopic, Outcome, Status

_OUTCOME_WORDS = {
    Outcome.ORDER: "成交 已成交 order won 赢单 已赢单 closedwon",
    Outcome.ADVANCE: "进展晋级 进展 晋级 有进展 advance",
    Outcome.CONTINUATION: "暂时中断 中断 continuation",
    Outcome.NO_SALE: "没有成交 丢单 输单 已丢单 已输单 nosale lost closedlost",
}
_AMBIGUOUS = {
    "成功": (Outcome.ORDER, Outcome.ADVANCE),
    "success": (Outcome.ORDER, Outcome.ADVANCE),
    "签约": (Outcome.ORDER, Outcome.ADVANCE),
    "签单": (Outcome.ORDER, Outcome.ADVANCE),
    "下单": (Outcome.ORDER, Outcome.ADVANCE),
    "跟进": (Outcome.ADVANCE, Outcome.CONTINUATION),
    "跟进中": (Outcome.ADVANCE, Outcome.CONTINUATION),
    "推进中": (Outcome.ADVANCE, Outcome.CONTINUATION),
    "洽谈中": (Outcome.ADVANCE, Outcome.CONTINUATION),
    "失败": (Outcome.CONTINUATION, Outcome.NO_SALE),
    "未成交": (Outcome.CONTINUATION, Outcome.NO_SALE),
    "无成交": (Outcome.CONTINUATION, Outcome.NO_SALE),
    "暂停": (Outcome.CONTINUATION, Outcome.NO_SALE),
    "搁置": (Outcome.CONTINUATION, Outcome.NO_SALE),
}
_STATUS_WORDS = {
    Status.OPEN: "未答复 未回复 未解决 open",
    Status.ADDRESSED: "已答复 已回复 已解决 addressed",
}
_UNSURE = frozenset({"", "不确定", "不清楚", "说不准", "跳过", "unsure", "skip", "待定", "无法判断"})

_OUTCOMES = {word: outcome for outcome, words in _OUTCOME_WORDS.items() for word in words.split()}
_STATUSES = {word: status for status, words in _STATUS_WORDS.items() for word in words.split()}


def is_unsure(cell: str) -> bool:
    """Return whether a label cell was left open: blank, 不确定, 跳过 and the like.

    >>> is_unsure(" "), is_unsure("不确定"), is_unsure("成交")
    (True, True, False)
    """
    return plain_name(cell) in _UNSURE or set(cell.strip()) <= set("?？-—/")


def parse_outcome(cell: str) -> Outcome:
    """Return the outcome that a label cell names.

    >>> parse_outcome("进展晋级"), parse_outcome("No-Sale"), parse_outcome(" 已成交 ")
    (<Outcome.ADVANCE: 'advance'>, <Outcome.NO_SALE: 'no_sale'>, <Outcome.ORDER: 'order'>)

    Raises:
        LabelError: it names none, or could mean two.
    """
    plain = plain_name(cell)
    if plain in _OUTCOMES:
        return _OUTCOMES[plain]
    expected = "、".join(outcome.label for outcome in Outcome)
    if plain in _AMBIGUOUS:
        both = " or ".join(outcome.label for outcome in _AMBIGUOUS[plain])
        raise LabelError(f"the outcome {cell.strip()!r} could mean {both}; write which: {expected}")
    raise LabelError(f"the outcome is {cell.strip()[:40]!r}; expected {expected}{_hint(plain, _OUTCOMES)}")


def parse_status(cell: str) -> Status:
    """Return the status that a label cell names.

    >>> parse_status("已答复"), parse_status("OPEN")
    (<Status.ADDRESSED: 'addressed'>, <Status.OPEN: 'open'>)

    Raises:
        LabelError: it names none.
    """
    plain = plain_name(cell)
    if plain not in _STATUSES:
        raise LabelError(f"the status is {cell.strip()[:40]!r}; expected 未答复 or 已答复")
    return _STATUSES[plain]


def topic_names(topics: Iterable[AnyTopic]) -> dict[str, AnyTopic]:
    """Return the topics by all names that a cell may use for them: label and id."""
    return {plain_name(name): topic for topic in topics for name in (topic.value, topic.label)}


def parse_topic(cell: str, names: Mapping[str, AnyTopic]) -> AnyTopic:
    """Return the topic that a label cell names.

    Args:
        cell: label or id.
        names: from `topic_names`.

    Raises:
        LabelError: it names none; a group such as 商务 is no topic.
    """
    plain = plain_name(cell)
    if plain in names:
        return names[plain]
    members = [topic.label for topic in dict.fromkeys(names.values()) if topic.group == cell.strip()]
    if members:
        raise LabelError(f"the topic {cell.strip()!r} is a group; write which of its topics: {'、'.join(members)}")
    labels = "、".join(topic.label for topic in dict.fromkeys(names.values()))
    raise LabelError(f"the topic is {cell.strip()[:40]!r}; expected one of {labels}{_hint(plain, names)}")


def _hint(plain: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(plain, list(names), n=1, cutoff=0.6) if plain else []
    return f"; did you mean {close[0]!r}?" if close else ""
