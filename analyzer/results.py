"""From the analyses of notes to the columns, the checklist rows and the summary of a results file.

Pure functions and one accumulator; nothing here knows a file format or pandas.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

from analyzer.records import Commitment, Concern, NoteAnalysis, Outcome, Status

Value = Union[str, float, int, None]  # noqa: UP007  # an alias is evaluated; plain | of types would do from 3.10 on

RESULT_COLUMNS = ("结果", "把握度", "需复核", "依据", "关注点", "未答复", "客户承诺", "承诺类型", "承诺日期", "问题")
RESULT_TYPES: tuple[type, ...] = (str, float, str, str, str, int, str, str, str, str)
"""The types of the result columns' cells; each cell may also be empty."""
CHECKLIST_COLUMNS = ("关注点", "主题", "主题把握", "状态", "我方答复", "结果")
ROW_NUMBER = "行号"
TAKEN_SUFFIX = "（分析）"
EMPTY_NOTE = "没有拜访内容"
UNNAMED = "（未填写）"
OTHERS = "（其余）"
MAX_PEOPLE = 1000


def free_name(name: str, taken: Collection[str]) -> str:
    """Return ``name``, or with a suffix where it is taken.

    >>> free_name("结果", ["客户"]), free_name("结果", ["结果"]), free_name("结果", ["结果", "结果（分析）"])
    ('结果', '结果（分析）', '结果（分析）2')
    """
    if name not in taken:
        return name
    name += TAKEN_SUFFIX
    number = 2
    unique = name
    while unique in taken:
        unique = f"{name}{number}"
        number += 1
    return unique


def result_names(taken: Collection[str]) -> tuple[str, ...]:
    """Return the names of the result columns beside the columns of the file."""
    return tuple(free_name(name, taken) for name in RESULT_COLUMNS)


def result_values(analysis: NoteAnalysis | None, problem: str = "") -> tuple[Value, ...]:
    """Return the cells of one row, in the order of `RESULT_COLUMNS`.

    ``None`` is a note that could not be analysed.
    """
    if analysis is None or analysis.outcome is None:
        return (*[None] * (len(RESULT_COLUMNS) - 1), problem or None)
    commitment = analysis.commitment
    return (
        analysis.outcome.label,
        None if analysis.confidence is None else round(analysis.confidence, 4),
        "是" if analysis.needs_review else None,
        evidence_text(analysis) or None,
        concerns_text(analysis.concerns) or None,
        sum(concern.status is Status.OPEN for concern in analysis.concerns),
        commitment_text(commitment, with_date=False) if commitment else None,
        commitment.action.label if commitment else None,
        commitment.due_date.isoformat() if commitment and commitment.due_date else None,
        problem or None,
    )


def evidence_text(analysis: NoteAnalysis) -> str:
    """Return the sentences that show the outcome, on one line."""
    return "；".join(one_line(span.text) for span in analysis.evidence)


def concerns_text(concerns: Sequence[Concern]) -> str:
    """Return the concerns as numbered lines: topic, the customer's words, our answer."""
    return "\n".join(f"{number}. {concern_text(concern)}" for number, concern in enumerate(concerns, start=1))


def concern_text(concern: Concern) -> str:
    """Return one concern, such as ``[交付工期] 能否月底到货 — 已答复：可以``."""
    answer = f"：{one_line(concern.response.text)}" if concern.response else ""
    return f"[{concern.display_topic}] {one_line(concern.span.text)} — {concern.status.label}{answer}"


def commitment_text(commitment: Commitment, *, with_date: bool = True) -> str:
    """Return the customer's words and, where they do not say it themselves, when."""
    text = one_line(commitment.span.text)
    due = commitment.due
    when = [one_line(due.text)] if due and due.text not in commitment.span.text else []
    when += [commitment.due_date.isoformat()] if with_date and commitment.due_date else []
    return f"{text}（{'，'.join(when)}）" if when else text


def one_line(text: str) -> str:
    r"""Return the text without line breaks.

    >>> one_line("价格\r\n 偏高")
    '价格 偏高'
    """
    return " ".join(text.split())


def checklist_rows(row_number: int, identity: Sequence[str], analysis: NoteAnalysis | None) -> Iterator[list[Value]]:
    """Yield a row a concern: where it stands, whose it is, what it says."""
    if analysis is None or analysis.outcome is None:
        return
    for concern in analysis.concerns:
        yield [
            row_number,
            *identity,
            one_line(concern.span.text),
            concern.display_topic,
            round(concern.topic_probability, 4),
            concern.status.label,
            one_line(concern.response.text) if concern.response else None,
            analysis.outcome.label,
        ]


@dataclass(frozen=True, slots=True)
class Block:
    """A small table of the summary. A float is a share."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[Value, ...]]


@dataclass(slots=True)
class _Person:
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    review: int = 0
    open_concerns: int = 0


@dataclass(slots=True)
class Summary:
    """Counts over a run, built up chunk by chunk. ``read`` is always ``scored + empty + failed``.

    The first ``max_people`` salespersons have a line of their own; all others share one.
    """

    read: int = 0
    scored: int = 0
    empty: int = 0
    failed: int = 0
    marked: int = 0
    review: int = 0
    words: int = 0  # of a sample of the notes, and those that the model does not know: see `drift`
    unseen: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    topics: Counter[tuple[str, Status]] = field(default_factory=Counter)
    people: dict[str, _Person] = field(default_factory=dict)
    max_people: int = MAX_PEOPLE

    def add(self, analysis: NoteAnalysis | None, *, person: str | None = None, problem: str = "") -> None:
        """Count one row; ``None`` is a note that could not be analysed."""
        self.read += 1
        self.marked += bool(problem)
        if analysis is None:
            self.failed += 1
            return
        if analysis.outcome is None:
            self.empty += 1
            return
        self.scored += 1
        self.outcomes[analysis.outcome] += 1
        self.review += analysis.needs_review
        opened = 0
        for concern in analysis.concerns:
            self.topics[concern.display_topic, concern.status] += 1
            opened += concern.status is Status.OPEN
        if person is not None:
            record = self._person(one_line(person) or UNNAMED)
            record.outcomes[analysis.outcome] += 1
            record.review += analysis.needs_review
            record.open_concerns += opened

    def _person(self, name: str) -> _Person:
        if (known := self.people.get(name)) is not None:
            return known
        if len(self.people) >= self.max_people:
            name = OTHERS  # memory stays flat where the column holds no salespersons after all
        return self.people.setdefault(name, _Person())

    def merge(self, later: Summary) -> None:
        """Add the counts of the rows that follow.

        Chunk by chunk, in order, gives what `add` gives row by row, as long as the chunks' own ``max_people`` was not
        reached.
        """
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.outcomes.update(later.outcomes)
        self.topics.update(later.topics)
        for name, person in later.people.items():
            record = self._person(name)
            record.outcomes.update(person.outcomes)
            record.review += person.review
            record.open_concerns += person.open_concerns

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain JSON data, in an order that `from_dict` restores."""
        return {
            **{name: getattr(self, name) for name in _COUNTS},
            "outcomes": {outcome.value: count for outcome, count in self.outcomes.items()},
            "topics": [[topic, status.value, count] for (topic, status), count in self.topics.items()],
            "people": [
                [
                    name,
                    {outcome.value: count for outcome, count in person.outcomes.items()},
                    person.review,
                    person.open_concerns,
                ]
                for name, person in self.people.items()
            ],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Summary:
        """Return the counts that `to_dict` wrote down."""
        return cls(
            **{name: int(data[name]) for name in _COUNTS},
            outcomes=_outcomes(data["outcomes"]),
            topics=Counter({(topic, Status(status)): int(count) for topic, status, count in data["topics"]}),
            people={
                name: _Person(_outcomes(outcomes), int(review), int(opened))
                for name, outcomes, review, opened in data["people"]
            },
        )

    @property
    def successes(self) -> int:
        """Visits that ended in an order or an advance."""
        return sum(count for outcome, count in self.outcomes.items() if outcome.success)

    def blocks(self) -> list[Block]:
        """Return the tables of the summary sheet."""
        result = [self._overview(), self._outcome_block()]
        if self.people:
            result.append(self._people_block())
        if self.topics:
            result.append(self._topic_block())
        return result

    def _overview(self) -> Block:
        def row(name: str, count: int, whole: int) -> tuple[Value, ...]:
            return (name, count, _share(count, whole))

        return Block(
            "总体",
            ("项目", "数量", "占比"),
            [
                row("读入记录", self.read, self.read),
                row("已分析", self.scored, self.read),
                row("无拜访内容", self.empty, self.read),
                row("未能分析", self.failed, self.read),
                row("成功（成交 + 进展晋级，占已分析）", self.successes, self.scored),
                row("需复核（占已分析）", self.review, self.scored),
                row("有问题标注", self.marked, self.read),
            ],
        )

    def _outcome_block(self) -> Block:
        rows: list[tuple[Value, ...]] = [
            (outcome.label, self.outcomes[outcome], _share(self.outcomes[outcome], self.scored)) for outcome in Outcome
        ]
        return Block("结果分布", ("结果", "数量", "占比"), rows)

    def _people_block(self) -> Block:
        labels = [outcome.label for outcome in Outcome]
        rows: list[tuple[Value, ...]] = []
        for name, person in sorted(self.people.items(), key=lambda item: (-item[1].outcomes.total(), item[0])):
            total = person.outcomes.total()
            success = sum(person.outcomes[outcome] for outcome in Outcome if outcome.success)
            counts = [person.outcomes[outcome] for outcome in Outcome]
            rows.append((name, total, *counts, _share(success, total), person.review, person.open_concerns))
        return Block("按销售人员", ("销售人员", "已分析", *labels, "成功率", "需复核", "未答复关注点"), rows)

    def _topic_block(self) -> Block:
        totals: Counter[str] = Counter()
        for (topic, _), count in self.topics.items():
            totals[topic] += count
        rows: list[tuple[Value, ...]] = [
            (topic, total, opened := self.topics[topic, Status.OPEN], total - opened, _share(opened, total))
            for topic, total in sorted(totals.items(), key=lambda item: (-item[1], item[0]))
        ]
        return Block("关注点", ("主题", "总数", "未答复", "已答复", "未答复占比"), rows)


_COUNTS = ("read", "scored", "empty", "failed", "marked", "review", "words", "unseen")


def _outcomes(data: Mapping[str, int]) -> Counter[Outcome]:
    return Counter({Outcome(value): int(count) for value, count in data.items()})


def _share(count: int, whole: int) -> float | None:
    return count / whole if whole else None
