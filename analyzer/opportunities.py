"""Where an opportunity stands: result, checklist, milestones, and whether it only drifts.

A pure function of its visits, the plan and a day; nothing here reads a file or the clock.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from analyzer.checklist import Checklist
from analyzer.milestones import MilestoneState, MilestoneStatus, Plan, Promise, milestones_and_checklist, promise_of
from analyzer.records import Outcome
from analyzer.visits import Opportunity, Visit

STREAK_FROM = 2
"""So many continuations in a row are a drift."""
SILENT_DAYS = 30
"""After so many days without a visit an opportunity drifts."""


class Stage(str, Enum):
    """Whether the sale is still to be won.

    >>> Stage.WON.label
    '已成交'
    """

    OPEN = "open"
    WON = "won"
    LOST = "lost"

    @property
    def label(self) -> str:
        """Chinese name."""
        return {"open": "进行中", "won": "已成交", "lost": "已丢单"}[self.value]


class DriftKind(str, Enum):
    """Why an open opportunity is said to drift."""

    STREAK = "streak"
    PROMISE_PASSED = "promise_passed"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Drift:
    """A sign that an open opportunity does not move.

    Attributes:
        kind: what sign it is.
        count: visits in a row (`STREAK`), or days (the other two).
        promise: the promise that was not kept (`PROMISE_PASSED`).
    """

    kind: DriftKind
    count: int
    promise: Promise | None = None

    @property
    def label(self) -> str:
        """Chinese text for the user.

        >>> Drift(DriftKind.STREAK, 3).label
        '连续 3 次暂时中断'
        """
        if self.kind is DriftKind.STREAK:
            return f"连续 {self.count} 次暂时中断"
        if self.kind is DriftKind.SILENT:
            return f"{self.count} 天没有拜访"
        return f"约定的日期已过 {self.count} 天"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        promise = self.promise.to_dict() if self.promise else None
        return {"kind": self.kind.value, "count": self.count, "promise": promise}


@dataclass(frozen=True, slots=True)
class OpportunityState:
    """Where an opportunity stands on a day.

    Attributes:
        as_of: the day; ``None`` where no visit of the export has a date.
        streak: continuations in a row at the end.
        days_since_visit: days since the last dated visit.
        days_since_advance: days since the last dated visit that ended in an advance or an order; ``None`` where
            there was none.
        promises: acts that the customer promised, in time order.
    """

    opportunity: Opportunity
    as_of: datetime.date | None
    stage: Stage
    last_outcome: Outcome | None
    streak: int
    checklist: Checklist
    milestones: tuple[MilestoneState, ...]
    promises: tuple[Promise, ...]
    drift: tuple[Drift, ...]
    days_since_visit: int | None
    days_since_advance: int | None

    @property
    def last_visit(self) -> Visit | None:
        """The newest visit with an outcome."""
        return next((visit for visit in reversed(self.opportunity.visits) if visit.outcome), None)

    @property
    def standing_promise(self) -> Promise | None:
        """The last promise, unless the sale is decided or a later visit moved it on."""
        if self.stage is not Stage.OPEN or not self.promises:
            return None
        last = self.promises[-1]
        success = next(visit for visit in reversed(self.opportunity.visits) if visit.outcome and visit.outcome.success)
        return last if last.quote.visit is success else None

    @property
    def next_milestone(self) -> MilestoneState | None:
        """The milestone to go for: a ready one, failing that a blocked one; ``None`` after the last or a refusal.

        One that was left out and that nothing ahead needs is not gone back to.
        """
        if self.stage is Stage.LOST:
            return None
        ahead = (MilestoneStatus.READY, MilestoneStatus.BLOCKED)
        furthest = max((i for i, one in enumerate(self.milestones) if one.status not in ahead), default=-1)
        needed = {need for one in self.milestones if one.status in ahead for need in one.milestone.needs}
        candidates = [one for i, one in enumerate(self.milestones) if i > furthest or one.milestone.id in needed]
        return next((one for status in ahead for one in candidates if one.status is status), None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        following = self.next_milestone
        return {
            "customer": self.opportunity.customer,
            "opportunity": self.opportunity.name,
            "rows": [visit.row for visit in self.opportunity.visits],
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "stage": self.stage.value,
            "last_outcome": self.last_outcome.value if self.last_outcome else None,
            "streak": self.streak,
            "open_concerns": len(self.checklist.open),
            "next_milestone": following.milestone.id if following else None,
            "days_since_visit": self.days_since_visit,
            "days_since_advance": self.days_since_advance,
            "drift": [one.to_dict() for one in self.drift],
            "promises": [one.to_dict() for one in self.promises],
            "milestones": [one.to_dict() for one in self.milestones],
            "checklist": self.checklist.to_dict(),
        }


def newest_date(visits: Iterable[Visit]) -> datetime.date | None:
    """Return the day of the newest visit: the day on which states are judged unless the user names another."""
    return max((visit.date for visit in visits if visit.date), default=None)


def opportunity_state(
    opportunity: Opportunity, plan: Plan, as_of: datetime.date | None, *, silent_days: int = SILENT_DAYS
) -> OpportunityState:
    """Return where ``opportunity`` stands on the day ``as_of``."""
    visits = [visit for visit in opportunity.visits if visit.outcome]
    outcomes = [visit.outcome for visit in visits]
    streak = next((n for n, one in enumerate(reversed(outcomes)) if one is not Outcome.CONTINUATION), len(outcomes))
    successes = [visit for visit in visits if visit.outcome and visit.outcome.success]
    promises = tuple(found for visit in visits if (found := promise_of(visit, plan)))
    stage = _stage(visits)
    milestones, checklist = milestones_and_checklist(opportunity, plan)
    since_visit = _days(newest_date(opportunity.visits), as_of)
    drift: list[Drift] = []
    if stage is Stage.OPEN:
        if streak >= STREAK_FROM:
            drift.append(Drift(DriftKind.STREAK, streak))
        drift += _passed_promise(promises, successes, as_of)
        if since_visit is not None and since_visit > silent_days:
            drift.append(Drift(DriftKind.SILENT, since_visit))
    return OpportunityState(
        opportunity=opportunity,
        as_of=as_of,
        stage=stage,
        last_outcome=outcomes[-1] if outcomes else None,
        streak=streak,
        checklist=checklist,
        milestones=milestones,
        promises=promises,
        drift=tuple(drift),
        days_since_visit=since_visit,
        days_since_advance=_days(newest_date(successes), as_of),
    )


def _stage(visits: list[Visit]) -> Stage:
    """Won by an order that no refusal follows; lost while a refusal is the last word.

    A routine visit after an order leaves the sale won, a visit that goes on after a refusal opens it again. An outcome
    that needs review decides nothing.
    """
    sure = [visit.outcome for visit in visits if visit.analysis and not visit.analysis.needs_review]
    if sure and sure[-1] is Outcome.NO_SALE:
        return Stage.LOST
    decided = next((one for one in reversed(sure) if one in (Outcome.ORDER, Outcome.NO_SALE)), None)
    return Stage.WON if decided is Outcome.ORDER else Stage.OPEN


def _passed_promise(promises: tuple[Promise, ...], successes: list[Visit], as_of: datetime.date | None) -> list[Drift]:
    """Return the drift of the last promise when its day is over and no later visit moved the sale on."""
    if not promises or as_of is None:
        return []
    last = promises[-1]
    if last.due_date is None or last.due_date >= as_of or last.quote.visit is not successes[-1]:
        return []
    return [Drift(DriftKind.PROMISE_PASSED, (as_of - last.due_date).days, last)]


def _days(since: datetime.date | None, as_of: datetime.date | None) -> int | None:
    return None if since is None or as_of is None else max(0, (as_of - since).days)
