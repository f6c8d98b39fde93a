"""The milestones of a sale: a plan in TOML, and how far an opportunity has come on it.

A milestone is *reached* when a visit's findings or words meet one of its conditions, *passed* when a later one that
needs it is reached though no note tells of it, else *ready* or *blocked*. What the customer promised but has not done
is kept beside the milestone as a promise; it does not reach it.
"""

from __future__ import annotations

import datetime
import difflib
import functools
import graphlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from analyzer.checklist import Checklist, ChecklistBuilder, KeyPoint, with_echoes
from analyzer.errors import PlanError
from analyzer.records import Action, Commitment, NoteAnalysis, Outcome, Span, Topic
from analyzer.toml_file import read_toml, shipped_file
from analyzer.visits import Opportunity, Quote, Visit

_CLAUSE = re.compile(r"[^，。；！？、,;!?\s]+")
_FIRST_CLAUSE = re.compile(r"[^，。；！？、,;!?\s]{4,}")  # the number of a list is no quotation
_GAP = 8
"""Characters that … in a phrase of the plan may stand for."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """A step of the sale and the conditions that show it; ``data/milestones/default.toml`` explains each key."""

    id: str
    name: str
    name_en: str
    needs: tuple[str, ...] = ()
    clear: tuple[Topic, ...] = ()
    any_visit: bool = False
    outcomes: tuple[Outcome, ...] = ()
    actions: tuple[Action, ...] = ()
    settled: tuple[Topic, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Milestones in an order in which each stands after those that it needs."""

    milestones: tuple[Milestone, ...]
    not_with: tuple[str, ...] = ()
    done_with: tuple[str, ...] = ()
    promised_with: tuple[str, ...] = ()


class MilestoneStatus(str, Enum):
    """How far a milestone is.

    >>> MilestoneStatus.READY.label
    '可推进'
    """

    REACHED = "reached"
    PASSED = "passed"
    READY = "ready"
    BLOCKED = "blocked"

    @property
    def label(self) -> str:
        """Chinese name."""
        return {"reached": "已达成", "passed": "已越过", "ready": "可推进", "blocked": "受阻"}[self.value]


@dataclass(frozen=True, slots=True)
class Promise:
    """What the customer said that they would do, and the day by which, where it is known."""

    quote: Quote
    action: Action
    due_date: datetime.date | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        due = self.due_date
        return {"quote": self.quote.to_dict(), "action": self.action.value, "due_date": due and due.isoformat()}


@dataclass(frozen=True, slots=True)
class MilestoneState:
    """A milestone for one opportunity.

    Attributes:
        quote: the words that show it, where it is reached.
        missing: milestones that it waits for, where it is blocked.
        open_points: concerns that it waits for, where it is blocked.
        promise: the newest promise of an act that would reach it, where it is not reached yet.
    """

    milestone: Milestone
    status: MilestoneStatus
    quote: Quote | None = None
    missing: tuple[Milestone, ...] = ()
    open_points: tuple[KeyPoint, ...] = ()
    promise: Promise | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "id": self.milestone.id,
            "name": self.milestone.name,
            "status": self.status.value,
            "quote": self.quote.to_dict() if self.quote else None,
            "missing": [one.id for one in self.missing],
            "open_points": [point.quote.to_dict() for point in self.open_points],
            "promise": self.promise.to_dict() if self.promise else None,
        }


# --- the plan -------------------------------------------------------------------------------------


def load_plan(path: str | Path | None = None) -> Plan:
    """Read a milestone plan; without ``path`` the shipped one.

    Raises:
        PlanError: the file cannot be read, or what it says cannot be; the message names the milestone.
    """
    path = shipped_file("milestones", "default.toml") if path is None else Path(path)
    data = read_toml(path, "a milestone plan", PlanError)
    try:
        return make_plan(data)
    except PlanError as error:
        raise PlanError(f"{path}: {error}") from error


def make_plan(data: Mapping[str, Any]) -> Plan:
    """Return the plan that parsed TOML describes.

    Raises:
        PlanError: a key, milestone, outcome, action or topic is unknown, a name is taken twice, or milestones need
            one another in a circle.
    """
    _check_keys(data, {"milestone", "not_with", "done_with", "promised_with"}, "the plan")
    tables = data.get("milestone")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise PlanError("no [[milestone]] was found, expected at least one with an id")
    milestones = [_milestone(table, number) for number, table in enumerate(tables, start=1)]
    by_id = {one.id: one for one in milestones}
    if len(by_id) < len(milestones):
        taken = next(one.id for index, one in enumerate(milestones) if one.id in [m.id for m in milestones[:index]])
        raise PlanError(f"two milestones have the id {taken!r}; give each its own")
    for one in milestones:
        for need in one.needs:
            if need not in by_id:
                raise PlanError(f"milestone {one.id!r} needs {need!r}, {_not_among(need, by_id)}")
    return Plan(
        tuple(by_id[name] for name in _order(milestones)),
        _texts(data, "not_with", "the plan"),
        _texts(data, "done_with", "the plan"),
        _texts(data, "promised_with", "the plan"),
    )


def _order(milestones: Sequence[Milestone]) -> list[str]:
    """Return the ids so that each stands after those it needs, else as in the file."""
    place = {one.id: index for index, one in enumerate(milestones)}
    sorter = graphlib.TopologicalSorter({one.id: one.needs for one in milestones})
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise PlanError(f"milestones need one another in a circle: {circle}; take out one of these needs") from error
    ordered: list[str] = []
    ready = set(sorter.get_ready())
    while ready:
        first = min(ready, key=place.__getitem__)
        ready.remove(first)
        ordered.append(first)
        sorter.done(first)
        ready.update(sorter.get_ready())
    return ordered


def _milestone(table: Mapping[str, Any], number: int) -> Milestone:
    name = table.get("id")
    if not isinstance(name, str) or not name.strip():
        raise PlanError(f'milestone {number} has no id; expected text such as id = "demo"')
    where = f"milestone {name!r}"
    _check_keys(table, set(Milestone.__slots__), where)
    title = table.get("name", name)
    title_en = table.get("name_en", title)
    if not isinstance(title, str) or not isinstance(title_en, str):
        raise PlanError(f"{where}: name is {title!r}, expected text")
    if not isinstance(table.get("any_visit", False), bool):
        raise PlanError(f"{where}: any_visit is {table['any_visit']!r}, expected true or false")
    return Milestone(
        id=name,
        name=title,
        name_en=title_en,
        needs=_texts(table, "needs", where),
        clear=tuple(Topic(value) for value in _labels(table, "clear", [one.value for one in Topic], where)),
        any_visit=table.get("any_visit", False),
        outcomes=tuple(Outcome(value) for value in _labels(table, "outcomes", [one.value for one in Outcome], where)),
        actions=tuple(Action(value) for value in _labels(table, "actions", [one.value for one in Action], where)),
        settled=tuple(Topic(value) for value in _labels(table, "settled", [one.value for one in Topic], where)),
        words=_texts(table, "words", where),
    )


def _check_keys(table: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise PlanError(f"{where} has the key {key!r}, {_not_among(key, known)}")


def _texts(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = table.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip(" …") for value in values):
        raise PlanError(f"{where}: {key} is {values!r}, expected a list of texts in quotes")
    return tuple(values)


def _labels(table: Mapping[str, Any], key: str, known: Sequence[str], where: str) -> tuple[str, ...]:
    values = _texts(table, key, where)
    for value in values:
        if value not in known:
            raise PlanError(f"{where}: {key} holds {value!r}, {_not_among(value, known)}")
    return values


def _not_among(name: str, known: Sequence[str] | set[str] | Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"which is none of {', '.join(sorted(known))}{hint}"


# --- how far an opportunity is ----------------------------------------------------------------------


def milestone_states(opportunity: Opportunity, plan: Plan) -> tuple[MilestoneState, ...]:
    """Return the state of every milestone of ``plan``, in its order."""
    return milestones_and_checklist(opportunity, plan)[0]


def milestones_and_checklist(opportunity: Opportunity, plan: Plan) -> tuple[tuple[MilestoneState, ...], Checklist]:
    """Return the state of every milestone and the checklist of all visits, made in one walk through them."""
    visits = [visit for visit in opportunity.visits if visit.analysis and visit.analysis.outcome]
    builder = ChecklistBuilder()
    quotes: dict[str, Quote] = {}
    for visit in visits:
        builder.add(visit)
        for one in plan.milestones:
            if one.id not in quotes and (quote := _quote(one, plan, visit, builder)):
                quotes[one.id] = quote
    behind = set(quotes) | _needed_by(plan, set(quotes))
    latest = with_echoes(builder.checklist(), visits)
    states = tuple(
        _state(one, plan, visits, quote=quotes.get(one.id), behind=behind, latest=latest) for one in plan.milestones
    )
    return states, latest


def _state(
    one: Milestone, plan: Plan, visits: Sequence[Visit], *, quote: Quote | None, behind: set[str], latest: Checklist
) -> MilestoneState:
    if quote:
        return MilestoneState(one, MilestoneStatus.REACHED, quote)
    if one.id in behind:
        return MilestoneState(one, MilestoneStatus.PASSED)
    missing = tuple(need for need in plan.milestones if need.id in one.needs and need.id not in behind)
    points = tuple(point for point in latest.open if point.topic in one.clear)
    status = MilestoneStatus.BLOCKED if missing or points else MilestoneStatus.READY
    promise = next(
        (
            found
            for visit in reversed(visits)
            if (found := promise_of(visit, plan)) and (found.action in one.actions or _by_signature(found, one))
        ),
        None,
    )
    return MilestoneState(one, status, None, missing, points, promise)


def _by_signature(promise: Promise, one: Milestone) -> bool:
    """Whether a promised signature or payment would make the order that ``one`` waits for."""
    return Outcome.ORDER in one.outcomes and promise.action in (Action.SIGN, Action.PAY)


def _needed_by(plan: Plan, names: set[str]) -> set[str]:
    needs = {one.id: one.needs for one in plan.milestones}
    found: set[str] = set()
    waiting = [need for name in names for need in needs[name]]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(needs[name])
    return found


def _quote(one: Milestone, plan: Plan, visit: Visit, builder: ChecklistBuilder) -> Quote | None:
    """Return the words of ``visit`` that show the milestone, the plainest proof first.

    Outcome and act count only where the outcome is sure enough not to need review; words of the plan always.
    """
    analysis = visit.analysis
    assert analysis is not None
    commitment = analysis.commitment
    if commitment and commitment.action in one.actions and _is_done(commitment, analysis, plan):
        return Quote(visit, commitment.span)
    if span := _find_words(one.words, plan.not_with, visit.note):
        return Quote(visit, span)
    proof = [commitment.span] if commitment else analysis.evidence[:1]
    if analysis.outcome in one.outcomes and not analysis.needs_review and proof:
        return Quote(visit, proof[0])
    if any(concern.topic in one.settled for concern in analysis.concerns):
        points = [point for point in builder.checklist().points if point.topic_is_sure and point.topic in one.settled]
        newest = next((point for point in points if point.newest.visit is visit and not point.is_open), None)
        if newest and not any(point.is_open for point in points):
            return newest.newest.response or newest.newest.quote
    if one.any_visit and (first := _FIRST_CLAUSE.search(visit.note) or _CLAUSE.search(visit.note)):
        return Quote(visit, Span(first.start(), first.end(), first.group()))
    return None


def _is_promised(commitment: Commitment, plan: Plan) -> bool:
    return commitment.due is not None or any(word in commitment.span.text for word in plan.promised_with)


def _is_done(commitment: Commitment, analysis: NoteAnalysis, plan: Plan) -> bool:
    if analysis.needs_review:
        return False
    if analysis.outcome is Outcome.ORDER:
        return True
    return not _is_promised(commitment, plan) and any(word in commitment.span.text for word in plan.done_with)


def promise_of(visit: Visit, plan: Plan) -> Promise | None:
    """Return what the customer promised in ``visit``: an act to come, from a note that needs no review."""
    analysis = visit.analysis
    commitment = analysis.commitment if analysis else None
    if analysis is None or commitment is None or analysis.needs_review or analysis.outcome is not Outcome.ADVANCE:
        return None
    if not _is_promised(commitment, plan):
        return None
    return Promise(Quote(visit, commitment.span), commitment.action, commitment.due_date)


def _find_words(phrases: tuple[str, ...], not_with: tuple[str, ...], note: str) -> Span | None:
    """Return the first clause of the note that holds one of the phrases and none of ``not_with``."""
    if not phrases:
        return None
    pattern = _pattern(phrases)
    for clause in _CLAUSE.finditer(note):
        text = clause.group()
        if pattern.search(text) and not any(word in text for word in not_with):
            return Span(clause.start(), clause.end(), text)
    return None


@functools.lru_cache(maxsize=64)
def _pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    gap = f".{{0,{_GAP}}}"
    return re.compile("|".join(gap.join(map(re.escape, phrase.split("…"))) for phrase in phrases))
