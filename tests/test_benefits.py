"""The benefit summary: quotations and gaps, nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import concern, visit

from analyzer.benefits import Benefit, benefit_summary
from analyzer.checklist import make_checklist
from analyzer.records import Topic
from analyzer.visits import Visit


def summary(*visits: Visit) -> tuple[Benefit, ...]:
    return benefit_summary(make_checklist(visits))


def parts(one: Benefit) -> tuple[str, str | None, str | None]:
    return one.point.quote.text, one.answer and one.answer.text, one.gain and one.gain.text


def test_concern_answer_and_gain_of_the_note() -> None:
    note = "王工嫌费电，我说换变频，一年省电20万，他点头"
    one = visit(note, concerns=[concern(note, "费电", Topic.VALUE, answered=True, answer="我说换变频")])
    assert [parts(line) for line in summary(one)] == [("费电", "我说换变频", "一年省电20万")]


@pytest.mark.parametrize(
    ("note", "gain"),
    [
        ("王工嫌慢，我说加一台，他点头", None),
        ("王工嫌慢，我说加一台，每班多产200件", "每班多产200件"),
        ("王工嫌慢，我说加一台不影响生产，行", "我说加一台不影响生产"),
        ("王工嫌慢，我说加一台，问能不能省人工", None),
        ("王工嫌慢，我说加一台，好，好，好，好，省两个人", None),
        ("省两个人的事先不谈，王工嫌慢，我说加一台", None),
        ("王工嫌慢，我说加一台，嫌价格高，省两个人", None),
    ],
)
def test_where_the_gain_may_stand(note: str, gain: str | None) -> None:
    answer = next(part for part in note.split("，") if part.startswith("我说"))
    concerns = [concern(note, "嫌慢", Topic.QUALITY, answered=True, answer=answer)]
    if "价格高" in note:
        concerns.append(concern(note, "价格高"))
    (line,) = summary(visit(note, concerns=concerns))
    assert parts(line) == ("嫌慢", answer, gain)


def test_gaps_where_the_note_says_nothing() -> None:
    note = "交期六周，王工同意了"
    (line,) = summary(visit(note, concerns=[concern(note, "交期六周", Topic.DELIVERY, answered=True)]))
    assert parts(line) == ("交期六周", None, None)
    assert line.to_dict()["answer"] is None


def test_an_open_concern_has_no_line() -> None:
    note = "嫌价格高，我说省电"
    assert summary(visit(note, concerns=[concern(note, "价格高", answer="我说省电")])) == ()


def test_the_newest_answer_with_its_place() -> None:
    first, second = "嫌费电，我说换变频，行", "还是嫌费电，我拿了实测，省电三成，认了"
    (line,) = summary(
        visit(first, row=2, concerns=[concern(first, "嫌费电", Topic.VALUE, answered=True, answer="我说换变频")]),
        visit(second, row=3, concerns=[concern(second, "嫌费电", Topic.VALUE, answered=True, answer="我拿了实测")]),
    )
    assert parts(line) == ("嫌费电", "我拿了实测", "省电三成")
    assert line.to_dict()["answer"]["row"] == line.to_dict()["benefit"]["row"] == 3


PIECES = st.lists(
    st.sampled_from(["嫌慢", "我说加一台", "省两个人", "不影响生产", "他点头", "价格高", "问能省多少"]), min_size=1
)


@given(PIECES)
def test_every_word_stands_in_the_note(pieces: list[str]) -> None:
    note = "，".join(["嫌慢", "我说加一台", *pieces])
    one = visit(note, concerns=[concern(note, "嫌慢", Topic.QUALITY, answered=True, answer="我说加一台")])
    for line in summary(one):
        for quote in (line.point.quote, line.answer, line.gain):
            if quote:
                assert note[quote.span.start : quote.span.end] == quote.text
        assert line.gain is None or line.gain.text != "问能省多少"
