"""From visits to one page for each opportunity: state, benefit summary, the commitment to ask for next."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from analyzer.benefits import Benefit, benefit_summary
from analyzer.milestones import MilestoneStatus, Plan
from analyzer.next_commitment import Proposal, Rules, propose_commitments
from analyzer.opportunities import SILENT_DAYS, OpportunityState, Stage, newest_date, opportunity_state
from analyzer.records import NoteAnalysis, Outcome
from analyzer.visits import Opportunity, Visit, group_visits


@dataclass(frozen=True, slots=True)
class Page:
    """What the salesperson wants to know before the next visit."""

    state: OpportunityState
    benefits: tuple[Benefit, ...]
    proposals: tuple[Proposal, ...]

    @property
    def opportunity(self) -> Opportunity:
        """The opportunity that the page is about."""
        return self.state.opportunity

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            **self.state.to_dict(),
            "benefits": [one.to_dict() for one in self.benefits],
            "next_commitments": [one.to_dict() for one in self.proposals],
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """The pages of all opportunities, in the order of their first rows, and the visits that belong to none."""

    pages: tuple[Page, ...]
    unassigned: tuple[Visit, ...]
    as_of: datetime.date | None

    def problems(self) -> list[Visit]:
        """Return the visits whose row lacks something, in the order of the file."""
        visits = [visit for page in self.pages for visit in page.opportunity.visits]
        return sorted((visit for visit in [*visits, *self.unassigned] if visit.problem), key=lambda visit: visit.row)

    def by_need(self) -> list[Page]:
        """Return the pages as one would work through them: drifting, other open, won, lost; else in order."""
        stages = list(Stage)
        return sorted(self.pages, key=lambda page: (stages.index(page.state.stage), not page.state.drift))


def track(
    visits: Iterable[Visit],
    plan: Plan,
    as_of: datetime.date | None = None,
    *,
    silent_days: int = SILENT_DAYS,
    rules: Rules | None = None,
) -> Progress:
    """Group ``visits`` into opportunities and judge each.

    Args:
        visits: in any order.
        plan: milestones.
        as_of: the day on which they are judged; by default that of the newest visit, so that the same export always
            gives the same result.
        silent_days: days without a visit after which an opportunity drifts.
        rules: rules for the next commitment; by default the shipped ones.
    """
    visits = list(visits)
    as_of = newest_date(visits) if as_of is None else as_of
    grouping = group_visits(visits)
    pages = tuple(make_page(one, plan, as_of, silent_days=silent_days, rules=rules) for one in grouping.opportunities)
    return Progress(pages, grouping.unassigned, as_of)


def make_page(
    opportunity: Opportunity,
    plan: Plan,
    as_of: datetime.date | None,
    *,
    silent_days: int = SILENT_DAYS,
    rules: Rules | None = None,
) -> Page:
    """Return the page of one opportunity."""
    state = opportunity_state(opportunity, plan, as_of, silent_days=silent_days)
    return Page(state, benefit_summary(state.checklist), _proposals(state, rules))


def _proposals(state: OpportunityState, rules: Rules | None) -> tuple[Proposal, ...]:
    if state.stage is not Stage.OPEN:
        return ()
    seen = [(visit, visit.analysis) for visit in state.opportunity.visits if visit.analysis]
    names: dict[MilestoneStatus, set[str]] = {status: set() for status in MilestoneStatus}
    for one in state.milestones:
        names[one.status].add(one.milestone.id)
    return propose_commitments(
        [_undecided(analysis) for _, analysis in seen],
        dates=[visit.date for visit, _ in seen],
        as_of=state.as_of,
        last_note=seen[-1][0].note if seen else "",
        # What may be answered already is less pressing.
        open_concerns=[p.newest.concern for p in sorted(state.checklist.open, key=lambda point: bool(point.echo))],
        reached=names[MilestoneStatus.REACHED] | names[MilestoneStatus.PASSED],
        ready=names[MilestoneStatus.READY],
        blocked=names[MilestoneStatus.BLOCKED],
        rules=rules,
    )


_UNDECIDED = {Outcome.ORDER: Outcome.ADVANCE, Outcome.NO_SALE: Outcome.CONTINUATION}


def _undecided(analysis: NoteAnalysis) -> NoteAnalysis:
    """Return the analysis with the step below a decision that needs review: it closes no sale (see `Stage`)."""
    if analysis.needs_review and analysis.outcome in _UNDECIDED:
        return dataclasses.replace(analysis, outcome=_UNDECIDED[analysis.outcome])
    return analysis
