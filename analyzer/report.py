"""The report: one web page with everything in it, readable offline.

The page holds the notes once; every sentence that it shows is cut out of a note by its offsets, so nothing can be
shown that no note says. Numbers are counted in the page, because its filters change them.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import zlib
from collections.abc import Sequence
from typing import Any

import markupsafe

from analyzer.display import safe_text
from analyzer.history import History
from analyzer.milestones import MilestoneState, MilestoneStatus, Promise
from analyzer.next_commitment import Proposal
from analyzer.opportunities import Stage
from analyzer.progress import Page, Progress
from analyzer.records import Action, Concern, Outcome, Span, Status, Topic
from analyzer.visits import Quote, Visit
from analyzer.web import labels, read_asset, render

LANGUAGES = ("zh", "en")
MIN_RANKED = 10
"""A salesperson or team with fewer visits is listed without a rank."""
_PACK_FROM = 1_000_000
"""Characters of data from which it is compressed; below, the page can be read and searched as text."""
_OUTCOMES, _STAGES, _STATUSES = tuple(Outcome), tuple(Stage), tuple(MilestoneStatus)
_TOPICS, _ACTIONS = tuple(Topic), tuple(Action)

Numbers = list[int]


def report_html(history: History, progress: Progress, language: str = "zh") -> str:
    """Return the report as one HTML page.

    Args:
        history: the visits of an export.
        progress: the pages of its opportunities.
        language: ``zh`` or ``en``; notes and proposals stay in Chinese.
    """
    words = labels(language)
    data = json.dumps(report_data(history, progress, language), ensure_ascii=False, separators=(",", ":"))
    packed = len(data) >= _PACK_FROM
    script = read_asset("report.js")
    return render(
        "report.html",
        words=words,
        style=markupsafe.Markup(read_asset("report.css")),
        script=markupsafe.Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        packed=packed,
        data=markupsafe.Markup(_packed(data) if packed else _in_script(data)),
    )


def _in_script(data: str) -> str:
    """Return JSON that can stand in a script element: nothing in it ends the element or opens a comment."""
    return data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _packed(data: str) -> str:
    return base64.b64encode(zlib.compress(data.encode(), 9)).decode()


def report_data(history: History, progress: Progress, language: str = "zh") -> dict[str, Any]:
    """Return what the page shows as plain data.

    Notes stand in ``visits`` alone; everything else points at them by ``[visit, start, end]``. The fields of the
    lists are named in ``report.js``.
    """
    maker = _DataMaker(history, progress, language)
    return {
        "words": labels(language),
        "source": safe_text(history.source.name),
        "asOf": _iso(progress.as_of),
        "minRanked": MIN_RANKED,
        "outcomes": [one.value for one in _OUTCOMES],
        "stages": [one.value for one in _STAGES],
        "statuses": [one.value for one in _STATUSES],
        "topics": [labels(language)[f"topic_{one.value}"] for one in _TOPICS],
        "groups": [labels(language)[f"group_{one.group}"] for one in _TOPICS],
        "people": maker.people,
        "teams": maker.teams,
        "milestones": maker.milestones,
        "visits": maker.visits,
        "opportunities": maker.opportunities,
        "problems": [[maker.place[visit.row], safe_text(visit.problem)] for visit in progress.problems()],
    }


class _DataMaker:
    """Turns records into short lists."""

    def __init__(self, history: History, progress: Progress, language: str) -> None:
        self.place = {visit.row: index for index, visit in enumerate(history.visits)}
        self.people = sorted({safe_text(visit.salesperson) for visit in history.visits})
        self.teams = sorted({safe_text(visit.team) for visit in history.visits})
        self._person = {name: index for index, name in enumerate(self.people)}
        self._team = {name: index for index, name in enumerate(self.teams)}
        self._owner = {
            visit.row: number for number, page in enumerate(progress.pages) for visit in page.opportunity.visits
        }
        first = progress.pages[0].state.milestones if progress.pages else ()
        self.milestones = [one.milestone.name_en if language == "en" else one.milestone.name for one in first]
        self._milestone = {one.milestone.id: index for index, one in enumerate(first)}
        self.visits = [self._visit(visit) for visit in history.visits]
        self.opportunities = [self._page(page) for page in progress.pages]

    def _visit(self, visit: Visit) -> list[Any]:
        analysis = visit.analysis
        commitment = analysis.commitment if analysis else None
        return [
            visit.row,
            _iso(visit.date),
            self._person[safe_text(visit.salesperson)],
            self._team[safe_text(visit.team)],
            self._owner.get(visit.row, -1),
            _OUTCOMES.index(visit.outcome) if visit.outcome else -1,
            round(analysis.confidence, 2) if analysis and analysis.confidence is not None else 0,
            int(analysis.needs_review) if analysis else 0,
            safe_text(visit.note),
            [_offsets(span) for span in analysis.evidence] if analysis else [],
            [_concern(concern) for concern in analysis.concerns] if analysis else [],
            [*_offsets(commitment.span), _ACTIONS.index(commitment.action)] if commitment else 0,
        ]

    def _page(self, page: Page) -> dict[str, Any]:
        state = page.state
        following = state.next_milestone
        places = {id(point): index for index, point in enumerate(state.checklist.points)}
        return {
            "customer": safe_text(page.opportunity.customer),
            "name": safe_text(page.opportunity.name),
            "stage": _STAGES.index(state.stage),
            "streak": state.streak,
            "sinceVisit": state.days_since_visit,
            "sinceAdvance": state.days_since_advance,
            "next": self._milestone[following.milestone.id] if following else -1,
            "promise": self._promise(state.standing_promise),
            "drift": [[one.kind.value, one.count] for one in state.drift],
            "visits": [self.place[visit.row] for visit in page.opportunity.visits],
            "milestones": [self._milestone_state(one) for one in state.milestones],
            "points": [
                [
                    _TOPICS.index(point.topic),
                    int(point.topic_is_sure),
                    int(point.is_open),
                    self._quote(point.quote),
                    self._quote(point.answer),
                    [
                        [*self._at(one.quote), int(one.concern.status is Status.OPEN)]
                        for one in point.mentions
                        if len(point.mentions) > 1
                    ],
                    self._quote(point.echo),
                ]
                for point in state.checklist.points
            ],
            "untouched": [_TOPICS.index(topic) for topic in state.checklist.untouched],
            "benefits": [
                [places[id(one.point)], self._quote(one.answer), self._quote(one.gain)] for one in page.benefits
            ],
            "proposals": [self._proposal(one, page) for one in page.proposals],
        }

    def _milestone_state(self, one: MilestoneState) -> list[Any]:
        return [
            _STATUSES.index(one.status),
            self._quote(one.quote),
            [self._milestone[need.id] for need in one.missing],
            [self._at(point.quote) for point in one.open_points],
            self._promise(one.promise),
        ]

    def _promise(self, promise: Promise | None) -> list[Any] | int:
        return [*self._at(promise.quote), _iso(promise.due_date)] if promise else 0

    def _proposal(self, one: Proposal, page: Page) -> list[Any]:
        settle = one.settle_first
        point = next((p for p in page.state.checklist.open if settle and p.newest.concern is settle), None)
        texts: Sequence[str] = (one.ask, one.sentence, one.fallback)
        return [
            *map(safe_text, texts),
            [safe_text(reason) for reason in one.reasons],
            self._quote(point.newest.quote if point else None),
        ]

    def _quote(self, quote: Quote | None) -> Numbers | int:
        return self._at(quote) if quote else 0

    def _at(self, quote: Quote) -> Numbers:
        return [self.place[quote.visit.row], quote.span.start, quote.span.end]


def _concern(concern: Concern) -> Numbers:
    answer = _offsets(concern.response) if concern.response else []
    return [*_offsets(concern.span), int(concern.status is Status.OPEN), *answer]


def _offsets(span: Span) -> Numbers:
    return [span.start, span.end]


def _iso(date: datetime.date | None) -> str | None:
    return date.isoformat() if date else None
