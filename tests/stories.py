"""Visits made by hand, so that opportunities are tested without a model."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from conftest import span_of

from analyzer.records import Action, Commitment, Concern, NoteAnalysis, Outcome, Status, Topic
from analyzer.visits import Opportunity, Visit

ORDER, ADVANCE, CONTINUATION, NO_SALE = Outcome


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(f"2026-{text}")


def concern(
    note: str, text: str, topic: Topic = Topic.PRICE, *, answered: bool = False, answer: str = "", sure: bool = True
) -> Concern:
    status = Status.ADDRESSED if answered else Status.OPEN
    response = span_of(note, answer) if answer else None
    return Concern(span_of(note, text), topic, 0.9 if sure else 0.4, sure, status, response)


def visit(
    note: str,
    outcome: Outcome | None = CONTINUATION,
    date: str | None = None,
    concerns: Sequence[Concern] = (),
    *,
    act: tuple[str, Action] | None = None,
    time: str = "",
    due: str | None = None,
    review: bool = False,
    row: int = 2,
    **names: str,
) -> Visit:
    """A visit; ``act`` is the customer's words and kind, ``time`` the words of its time, ``due`` its day."""
    commitment = None
    if act:
        when = span_of(note, time) if time else None
        commitment = Commitment(span_of(note, act[0]), act[1], when, day(due) if due else None)
    analysis = NoteAnalysis(
        outcome,
        {one.value: 0.7 if one is outcome else 0.1 for one in Outcome},
        review,
        (span_of(note, act[0] if act else note[:4]),) if outcome else (),
        tuple(concerns),
        commitment,
    )
    return Visit(row, note, analysis, day(date) if date else None, **names)


def opportunity(*visits: Visit) -> Opportunity:
    return Opportunity("海川机械", "数控车床", visits)
