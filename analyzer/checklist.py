"""The checklist of key points: the concerns of one note, or of all visits to an opportunity joined over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analyzer.echoes import Echoes
from analyzer.records import AnyTopic, Concern, Status, Topic
from analyzer.visits import Quote, Visit
from analyzer.wording import content_pairs, likeness

ALIKE_FROM = 0.5
"""Likeness of wording from which two concerns of one topic are the same key point; see `analyzer.wording`."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A concern as one visit's note states it."""

    visit: Visit
    concern: Concern

    @property
    def quote(self) -> Quote:
        """The customer's words."""
        return Quote(self.visit, self.concern.span)

    @property
    def response(self) -> Quote | None:
        """Our answer in the same note, where there is one."""
        return Quote(self.visit, self.concern.response) if self.concern.response else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        response = self.response
        return {
            **self.quote.to_dict(),
            "status": self.concern.status.value,
            "response": response.to_dict() if response else None,
        }


@dataclass(frozen=True, slots=True)
class KeyPoint:
    """One thing that the customer wants answered.

    Attributes:
        mentions: its history in time order.
        echo: where it is open, a later sentence that may answer it, for the salesperson to check.
    """

    mentions: tuple[Mention, ...]
    echo: Quote | None = None

    @property
    def newest(self) -> Mention:
        """The last mention."""
        return self.mentions[-1]

    @property
    def status(self) -> Status:
        """Status of the newest mention."""
        return self.newest.concern.status

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return self.status is Status.OPEN

    @property
    def topic(self) -> AnyTopic:
        """Topic of its surest mention."""
        return self._surest.topic

    @property
    def display_topic(self) -> str:
        """Chinese name of the topic, or of its group where no mention is sure."""
        return self._surest.display_topic

    @property
    def topic_is_sure(self) -> bool:
        """Whether the topic, not only its group, may be relied on."""
        return self._surest.topic_is_sure

    @property
    def _surest(self) -> Concern:
        return max((mention.concern for mention in self.mentions), key=lambda one: one.topic_probability)

    @property
    def quote(self) -> Quote:
        """The fullest wording of it: the longest, the newest of equally long ones."""
        return max(reversed(self.mentions), key=lambda mention: len(mention.concern.span.text)).quote

    @property
    def answer(self) -> Quote | None:
        """The newest answer that a note holds, accepted or not."""
        return next((mention.response for mention in reversed(self.mentions) if mention.response), None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        answer = self.answer
        return {
            "topic": self.topic.value,
            "topic_label": self.display_topic,
            "topic_is_sure": self.topic_is_sure,
            "status": self.status.value,
            "quote": self.quote.to_dict(),
            "answer": answer.to_dict() if answer else None,
            "echo": self.echo.to_dict() if self.echo else None,
            "history": [mention.to_dict() for mention in self.mentions],
        }


@dataclass(frozen=True, slots=True)
class Checklist:
    """Key points, unanswered first, and the topics that no visit touched."""

    points: tuple[KeyPoint, ...]
    untouched: tuple[Topic, ...]

    @property
    def open(self) -> tuple[KeyPoint, ...]:
        """The unanswered ones."""
        return tuple(point for point in self.points if point.is_open)

    @property
    def answered(self) -> tuple[KeyPoint, ...]:
        """The answered ones."""
        return tuple(point for point in self.points if not point.is_open)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "points": [point.to_dict() for point in self.points],
            "untouched": [{"topic": topic.value, "topic_label": topic.label} for topic in self.untouched],
        }


class ChecklistBuilder:
    """Joins concerns visit by visit, in time order."""

    def __init__(self) -> None:
        self._groups: list[list[Mention]] = []
        # Distinct wordings of each group, and the groups that hold a pair: a long history has many mentions, few alike.
        self._wordings: list[dict[tuple[str, AnyTopic, bool], Concern]] = []
        self._places: dict[str, set[int]] = defaultdict(set)

    def add(self, visit: Visit) -> None:
        """Take in the concerns of a visit."""
        for concern in visit.analysis.concerns if visit.analysis else ():
            pairs = content_pairs(concern.span.text)
            near = sorted(set().union(*(self._places.get(pair, ()) for pair in pairs)))
            likeness_to = {place: _likeness(self._wordings[place].values(), concern) for place in near}
            place = max(near, key=likeness_to.__getitem__, default=-1)
            if place < 0 or likeness_to[place] < ALIKE_FROM:
                place = len(self._groups)
                self._groups.append([])
                self._wordings.append({})
            self._groups[place].append(Mention(visit, concern))
            self._wordings[place].setdefault((concern.span.text, concern.topic, concern.topic_is_sure), concern)
            for pair in pairs:
                self._places[pair].add(place)

    def checklist(self) -> Checklist:
        """Return the checklist as it is after the visits so far."""
        points = [KeyPoint(tuple(group)) for group in self._groups]
        touched = {mention.concern.topic for group in self._groups for mention in group}
        return Checklist(
            tuple(sorted(points, key=lambda point: not point.is_open)),
            tuple(topic for topic in Topic if topic not in touched),
        )


def make_checklist(visits: Iterable[Visit]) -> Checklist:
    """Return the checklist of ``visits``, which stand in time order.

    Concerns of one topic (of one group, where the topic is unsure) that are alike in wording and share a pair of
    characters are joined. The newest
    mention's status holds. Unanswered points come first, then the older before the newer.
    """
    visits = list(visits)
    builder = ChecklistBuilder()
    for visit in visits:
        builder.add(visit)
    return with_echoes(builder.checklist(), visits)


def with_echoes(checklist: Checklist, visits: Sequence[Visit]) -> Checklist:
    """Return the checklist of all ``visits`` with the later words that may answer its open points."""
    echoes = Echoes(visits)
    points = (_with_echo(point, echoes) if point.is_open else point for point in checklist.points)
    return replace(checklist, points=tuple(points))


def _with_echo(point: KeyPoint, echoes: Echoes) -> KeyPoint:
    return replace(point, echo=echoes.after(point.newest.visit, point.quote.text))


def _likeness(wordings: Iterable[Concern], concern: Concern) -> float:
    """Return how alike the concern is to the likest of ``wordings`` of its topic."""
    alike = (likeness(one.span.text, concern.span.text) for one in wordings if _same_topic(one, concern))
    return max(alike, default=0.0)


def _same_topic(one: Concern, other: Concern) -> bool:
    if one.topic_is_sure and other.topic_is_sure:
        return one.topic is other.topic
    return one.topic.group == other.topic.group
