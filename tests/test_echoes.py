"""Later sentences that may answer an open concern."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import concern, visit

from analyzer.checklist import make_checklist
from analyzer.records import Topic
from analyzer.visits import Quote

FIRST = "王工问有没有船级社证书"


def echo(*later: str) -> Quote | None:
    first = visit(FIRST, date="09-01", concerns=[concern(FIRST, "有没有船级社证书", Topic.CREDENTIALS)])
    rest = [visit(note, date=f"09-{n:02d}", row=n) for n, note in enumerate(later, start=3)]
    return make_checklist([first, *rest]).points[0].echo


@pytest.mark.parametrize(
    ("note", "sentence"),
    [
        ("今天去了。证书给他看了，他认可。又谈了价格", "证书给他看了，他认可"),
        ("船级社的事王工说没问题了", "船级社的事王工说没问题了"),
        ("证书给了，他不认可", None),
        ("证书还没给", None),
        ("价格他认可了", None),
        ("证书给了他。价格他认可了", None),
        ("王工同意试用", None),
    ],
)
def test_an_acceptance_that_names_a_word_of_the_concern(note: str, sentence: str | None) -> None:
    found = echo(note)
    assert (found.text if found else None) == sentence


def test_the_newest_sentence_counts_and_the_status_stays_open() -> None:
    found = echo("证书他认可", "证书年检过的他也认可")
    assert found is not None
    assert (found.visit.row, found.text) == (4, "证书年检过的他也认可")
    assert found.visit.note[found.span.start : found.span.end] == found.text


def test_nothing_before_the_concern_or_in_its_own_note() -> None:
    early = visit("证书他认可", date="08-01")
    note = "证书他认可。又问有没有船级社证书"
    late = visit(note, date="09-01", row=3, concerns=[concern(note, "有没有船级社证书", Topic.CREDENTIALS)])
    (point,) = make_checklist([early, late]).points
    assert point.is_open
    assert point.echo is None


def test_an_answered_concern_has_none() -> None:
    note = "交期六周，他同意"
    first = visit(note, date="09-01", concerns=[concern(note, "交期六周", Topic.DELIVERY, answered=True)])
    (point,) = make_checklist([first, visit("交期六周他认可", date="09-02", row=3)]).points
    assert point.echo is None


@given(st.lists(st.text(alphabet="证书船级社认可不，。 \n", max_size=20), max_size=4))
def test_the_words_stand_in_a_later_note(notes: list[str]) -> None:
    found = echo(*notes)
    if found:
        assert found.text == found.text.strip()
        assert found.visit.note == notes[found.visit.row - 3]
        assert found.visit.note[found.span.start : found.span.end] == found.text
