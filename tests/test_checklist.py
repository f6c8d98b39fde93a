"""The checklist: which concerns are the same, which status holds, what was never touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import concern, visit

from analyzer.checklist import ALIKE_FROM, make_checklist
from analyzer.records import Status, Topic
from analyzer.wording import likeness


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("价格高", "价格偏高"),
        ("售后4小时到场", "要四小时内到场"),
        ("账期90天", "付款要90天账期"),
        ("精度问题", "加工精度能不能到0.01"),
        ("赔偿条款要改", "赔偿条款改成按小时算"),
        ("等保三级有没有", "等保三级证书"),
        ("ＥＲＰ接口", "erp接口能不能开放"),
    ],
)
def test_alike(one: str, other: str) -> None:
    assert likeness(one, other) >= ALIKE_FROM
    assert likeness(one, other) == likeness(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("质保期短", "备件多久能到"),
        ("噪音太大", "气压不稳"),
        ("预付款比例高", "发票开专票"),
        ("油会不会跑到食品里", "坏了当天换备机"),
        ("", "价格高"),
    ],
)
def test_unlike(one: str, other: str) -> None:
    assert likeness(one, other) < ALIKE_FROM


@given(st.text(max_size=12), st.text(max_size=12))
def test_likeness_is_a_share_and_has_no_direction(one: str, other: str) -> None:
    found = likeness(one, other)
    assert 0 <= found <= 1
    assert found == likeness(other, one)
    assert likeness(one, one) == 1


FIRST = "王工嫌价格偏高，担心精度到不了0.01"
SECOND = "精度给他看了报告，他认可。价格还是高，要再降"


def test_concerns_are_joined_over_time_and_the_newest_status_holds() -> None:
    visits = [
        visit(
            FIRST,
            date="09-03",
            row=2,
            concerns=[concern(FIRST, "价格偏高"), concern(FIRST, "精度到不了0.01", Topic.QUALITY)],
        ),
        visit(
            SECOND,
            date="09-10",
            row=3,
            concerns=[
                concern(SECOND, "精度", Topic.QUALITY, answered=True, answer="给他看了报告"),
                concern(SECOND, "价格还是高"),
            ],
        ),
    ]
    found = make_checklist(visits)
    assert [(p.topic, p.status, p.quote.text, [m.visit.row for m in p.mentions]) for p in found.points] == [
        (Topic.PRICE, Status.OPEN, "价格还是高", [2, 3]),
        (Topic.QUALITY, Status.ADDRESSED, "精度到不了0.01", [2, 3]),
    ]
    answer = found.answered[0].answer
    assert answer is not None
    assert (answer.visit.row, answer.text) == (3, "给他看了报告")
    assert found.points[0].answer is None
    assert Topic.PRICE not in found.untouched
    assert found.untouched == tuple(topic for topic in Topic if topic not in (Topic.PRICE, Topic.QUALITY))


def test_an_answered_concern_that_comes_up_again_is_open() -> None:
    first, again = "交期太长，我说六周，他同意", "又说交期太长"
    found = make_checklist(
        [
            visit(
                first,
                date="09-03",
                concerns=[concern(first, "交期太长", Topic.DELIVERY, answered=True, answer="我说六周")],
            ),
            visit(again, date="09-10", concerns=[concern(again, "交期太长", Topic.DELIVERY)]),
        ]
    )
    (point,) = found.points
    assert point.is_open
    assert point.answer is not None
    assert point.answer.text == "我说六周"


def test_another_topic_is_another_point_though_the_words_are_alike() -> None:
    note = "备件价格高，备件价格表也没有"
    found = make_checklist(
        [
            visit(
                note,
                date="09-03",
                concerns=[concern(note, "备件价格高"), concern(note, "备件价格表也没有", Topic.SERVICE)],
            )
        ]
    )
    assert len(found.points) == 2


def test_an_unsure_topic_is_compared_by_its_group() -> None:
    note = "价格高，说价格高得离谱"
    price, value = concern(note, "价格高"), concern(note, "价格高得离谱", Topic.VALUE, sure=False)
    found = make_checklist([visit(note, concerns=[price, value], date="09-03")])
    assert [len(point.mentions) for point in found.points] == [2]
    assert found.points[0].topic is Topic.PRICE


def test_unanswered_first_else_in_the_order_of_time() -> None:
    one = "交期六周行了，噪音大，账期短，证书给了"
    found = make_checklist(
        [
            visit(
                one,
                date="09-03",
                concerns=[
                    concern(one, "交期六周", Topic.DELIVERY, answered=True),
                    concern(one, "噪音大", Topic.QUALITY),
                    concern(one, "账期短", Topic.PAYMENT),
                    concern(one, "证书", Topic.CREDENTIALS, answered=True),
                ],
            )
        ]
    )
    assert [point.quote.text for point in found.points] == ["噪音大", "账期短", "交期六周", "证书"]


def test_no_visits() -> None:
    found = make_checklist([])
    assert found.points == ()
    assert found.untouched == tuple(Topic)


WORDS = st.sampled_from(["价格高", "价格偏高", "账期90天", "噪音大", "4小时到场", "交期长"])


@given(st.lists(st.lists(st.tuples(WORDS, st.sampled_from(list(Topic)), st.booleans(), st.booleans()), max_size=4)))
def test_no_concern_is_lost_or_counted_twice(notes: list[list[tuple[str, Topic, bool, bool]]]) -> None:
    visits = []
    for row, said in enumerate(notes, start=2):
        text = "，".join(["见面", *(words for words, *_ in said)])
        found = [concern(text, words, topic, answered=done, sure=sure) for words, topic, done, sure in said]
        visits.append(visit(text, concerns=found, row=row))
    checklist = make_checklist(visits)
    mentions = [mention for point in checklist.points for mention in point.mentions]
    assert len(mentions) == sum(map(len, notes))
    for point in checklist.points:
        assert [m.visit.row for m in point.mentions] == sorted(m.visit.row for m in point.mentions)
        assert point.status is point.mentions[-1].concern.status
        assert point.quote.visit.note[point.quote.span.start : point.quote.span.end] == point.quote.text
    touched = {mention.concern.topic for mention in mentions}
    assert set(checklist.untouched) == set(Topic) - touched
