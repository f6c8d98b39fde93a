"""What the analyzer finds in a note: plain, frozen records and their JSON form.

Labels, topics, groups and actions are those of the annotation guideline (data/GUIDELINE.md). Offsets are half-open
and count Python characters: ``note[span.start:span.end] == span.text``.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import Enum
from typing import Any, Union

Offsets = tuple[int, int]
"""Start and end of a stretch of text, before it is bound to a note as a ``Span``."""


def overlap(a: Offsets, b: Offsets) -> float:
    """Return intersection over union of two spans.

    >>> overlap((0, 4), (2, 6))
    0.3333333333333333
    """
    shared = min(a[1], b[1]) - max(a[0], b[0])
    return shared / (max(a[1], b[1]) - min(a[0], b[0])) if shared > 0 else 0.0


# Below, ``_value_`` stands for ``value`` and ``str.__hash__`` for Enum's where every row asks: each of these two is a
# function in Python, together a tenth of what a row costs beside its analysis.


class Outcome(str, Enum):
    """Result of one visit for the main opportunity.

    >>> Outcome("advance").label, Outcome.ADVANCE.success, Outcome.NO_SALE.success
    ('进展晋级', True, False)
    """

    __hash__ = str.__hash__

    ORDER = "order"
    ADVANCE = "advance"
    CONTINUATION = "continuation"
    NO_SALE = "no_sale"

    @property
    def label(self) -> str:
        """Chinese name, as the sales-method article uses it."""
        return _OUTCOME_LABELS[self._value_]

    @property
    def success(self) -> bool:
        """Whether the visit counts as a success: an order or an advance."""
        return self in (Outcome.ORDER, Outcome.ADVANCE)


_OUTCOME_LABELS = {"order": "成交", "advance": "进展晋级", "continuation": "暂时中断", "no_sale": "没有成交"}


class Topic(str, Enum):
    """What a concern is about.

    >>> Topic.PAYMENT.label, Topic.PAYMENT.group
    ('付款合同', '商务')
    """

    PRICE = "price"
    PAYMENT = "payment"
    DELIVERY = "delivery"
    QUALITY = "quality"
    FEATURES = "features"
    INTEGRATION = "integration"
    SECURITY = "security"
    SERVICE = "service"
    CREDENTIALS = "credentials"
    VALUE = "value"
    DECISION = "decision"
    COMPETITION = "competition"

    @property
    def label(self) -> str:
        """Chinese name."""
        return _TOPIC_LABELS[self._value_][0]

    @property
    def group(self) -> str:
        """Chinese name of the guideline's group, shown where the topic is unsure."""
        return _TOPIC_LABELS[self._value_][1]


_TOPIC_LABELS = {
    "price": ("价格预算", "商务"),
    "payment": ("付款合同", "商务"),
    "delivery": ("交付工期", "履约服务"),
    "quality": ("质量性能", "产品"),
    "features": ("功能适配", "产品"),
    "integration": ("集成兼容", "产品"),
    "security": ("安全合规", "合规资质"),
    "service": ("售后培训", "履约服务"),
    "credentials": ("资质案例", "合规资质"),
    "value": ("效益回报", "商务"),
    "decision": ("决策流程", "决策"),
    "competition": ("竞品比较", "商务"),
}


@dataclass(frozen=True, slots=True)
class OwnTopic:
    """A topic that a user added for their trade, with the attributes of a `Topic`.

    Attributes:
        value: id, such as ``cold_chain``.
        label: Chinese name.
        group: Chinese name of its group, shown where the topic is unsure.
    """

    value: str
    label: str
    group: str


AnyTopic = Union[Topic, OwnTopic]  # noqa: UP007  # an alias is evaluated
"""A topic of the guideline or of the user's own."""


class Status(str, Enum):
    """Whether our side answered a concern to the customer's satisfaction.

    >>> Status.OPEN.label
    '未答复'
    """

    __hash__ = str.__hash__

    OPEN = "open"
    ADDRESSED = "addressed"

    @property
    def label(self) -> str:
        """Chinese name."""
        return "未答复" if self is Status.OPEN else "已答复"


class Action(str, Enum):
    """The customer's act that makes an order or an advance.

    >>> Action.TRIAL.label
    '试用试样'
    """

    SIGN = "sign"
    PAY = "pay"
    DEMO = "demo"
    MEET_DECISION_MAKER = "meet_decision_maker"
    TRIAL = "trial"
    SITE_VISIT = "site_visit"
    INTERNAL_APPROVAL = "internal_approval"
    SHARE_INFORMATION = "share_information"
    MEETING = "meeting"
    ACCEPT_TERMS = "accept_terms"
    OTHER = "other"

    @property
    def label(self) -> str:
        """Chinese name."""
        return _ACTION_LABELS[self._value_]


_ACTION_LABELS = {
    "sign": "签约下单",
    "pay": "付款",
    "demo": "产品演示",
    "meet_decision_maker": "引见决策人",
    "trial": "试用试样",
    "site_visit": "参观考察",
    "internal_approval": "内部立项审批",
    "share_information": "提供资料",
    "meeting": "约定会面",
    "accept_terms": "接受条件",
    "other": "其他",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the note as given: ``note[start:end] == text``."""

    start: int
    end: int
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {"start": self.start, "end": self.end, "text": self.text}


@dataclass(frozen=True, slots=True)
class Concern:
    """A key point: something the customer stated, with our answer where the note has one."""

    span: Span
    topic: AnyTopic
    topic_probability: float
    topic_is_sure: bool
    status: Status
    response: Span | None = None

    @property
    def display_topic(self) -> str:
        """Chinese name of the topic, or of its group where the topic is unsure."""
        return self.topic.label if self.topic_is_sure else self.topic.group

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            **self.span.to_dict(),
            "topic": self.topic.value,
            "topic_label": self.topic.label,
            "topic_probability": self.topic_probability,
            "topic_is_sure": self.topic_is_sure,
            "group": self.topic.group,
            "status": self.status.value,
            "response": self.response.to_dict() if self.response else None,
        }


@dataclass(frozen=True, slots=True)
class Commitment:
    """The customer's act, with the words that name its time."""

    span: Span
    action: Action
    due: Span | None = None
    due_date: datetime.date | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            **self.span.to_dict(),
            "action": self.action.value,
            "due": self.due.to_dict() if self.due else None,
            "due_date": self.due_date.isoformat() if self.due_date else None,
        }


@dataclass(frozen=True, slots=True)
class NoteAnalysis:
    """All findings of one note. A note without text has the outcome ``None`` and no findings."""

    outcome: Outcome | None
    probabilities: dict[str, float]
    needs_review: bool
    evidence: tuple[Span, ...] = ()
    concerns: tuple[Concern, ...] = ()
    commitment: Commitment | None = None

    @property
    def confidence(self) -> float | None:
        """Probability of the outcome, or ``None`` for a note without text."""
        return self.probabilities[self.outcome._value_] if self.outcome else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data (see the README for an example)."""
        return {
            "outcome": self.outcome.value if self.outcome else None,
            "outcome_label": self.outcome.label if self.outcome else None,
            "success": self.outcome.success if self.outcome else None,
            "probabilities": dict(self.probabilities),
            "needs_review": self.needs_review,
            "evidence": [span.to_dict() for span in self.evidence],
            "concerns": [concern.to_dict() for concern in self.concerns],
            "commitment": self.commitment.to_dict() if self.commitment else None,
        }
