"""The milestone plan: errors that name the culprit, order, and how far an opportunity is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import ADVANCE, CONTINUATION, NO_SALE, ORDER, concern, day, opportunity, visit

from analyzer.errors import PlanError
from analyzer.milestones import (
    Action,
    MilestoneState,
    MilestoneStatus,
    Plan,
    load_plan,
    make_plan,
    milestone_states,
    promise_of,
)
from analyzer.records import Topic
from analyzer.visits import Opportunity, Visit


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan()


def states(one: Opportunity, plan: Plan) -> dict[str, MilestoneState]:
    return {state.milestone.id: state for state in milestone_states(one, plan)}


def step(name: str, /, **keys: Any) -> dict[str, Any]:
    return {"id": name, **keys}


# --- the plan ---


def test_the_shipped_plan(plan: Plan) -> None:
    assert [one.id for one in plan.milestones] == [
        "first_contact",
        "need_confirmed",
        "decision_maker_met",
        "demo",
        "trial",
        "internal_approval",
        "terms_accepted",
        "signed",
        "paid",
    ]
    assert all(one.name and one.name_en for one in plan.milestones)
    every = {condition for one in plan.milestones for condition in one.words}
    assert len(every) > 40


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "no [[milestone]]"),
        ({"milestone": []}, "no [[milestone]]"),
        ({"milestone": [{"name": "演示"}]}, "milestone 1 has no id"),
        ({"milestone": [step("a"), step("a")]}, "two milestones have the id 'a'"),
        ({"milestone": [step("demo", needs=["trail"]), step("trial")]}, "needs 'trail', which is none of"),
        ({"milestone": [step("demo", needs=["trail"]), step("trial")]}, "did you mean 'trial'?"),
        ({"milestone": [step("a", needs=["a"])]}, "in a circle: a → a"),
        (
            {"milestone": [step("a", needs=["c"]), step("b", needs=["a"]), step("c", needs=["b"])]},
            "need one another in a circle",
        ),
        ({"milestone": [step("a", need=["b"])]}, "has the key 'need'"),
        ({"milestone": [step("a")], "wrods": []}, "the plan has the key 'wrods'"),
        ({"milestone": [step("a", actions=["demos"])]}, "actions holds 'demos'"),
        ({"milestone": [step("a", outcomes=["won"])]}, "outcomes holds 'won'"),
        ({"milestone": [step("a", settled=["价格"])]}, "settled holds '价格'"),
        ({"milestone": [step("a", clear=["money"])]}, "clear holds 'money'"),
        ({"milestone": [step("a", words="演示")]}, "words is '演示', expected a list"),
        ({"milestone": [step("a", words=["…"])]}, "words is ['…'], expected a list"),
        ({"milestone": [step("a", any_visit="yes")]}, "any_visit is 'yes'"),
        ({"milestone": [step("a", name=3)]}, "name is 3"),
    ],
)
def test_a_plan_that_cannot_be(data: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError) as error:
        make_plan(data)
    assert message in str(error.value)


def test_a_circle_is_told_in_the_order_of_its_needs() -> None:
    with pytest.raises(PlanError) as error:
        make_plan({"milestone": [step("a", needs=["b"]), step("b", needs=["a"]), step("c", needs=["a"])]})
    assert "c" not in str(error.value).split("circle: ")[1].split(";")[0]


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "计划.toml"
    with pytest.raises(PlanError, match="cannot be read"):
        load_plan(path)
    path.write_text("[[milestone]\n", encoding="utf-8")
    with pytest.raises(PlanError, match="is not valid TOML"):
        load_plan(path)
    path.write_bytes("[[milestone]]\nid = '演示'".encode("gb18030"))
    with pytest.raises(PlanError, match="is not valid TOML"):
        load_plan(path)
    path.write_text("[[milestone]]\nid = 'a'\nneeds = ['b']", encoding="utf-8")
    with pytest.raises(PlanError, match=r"计划\.toml: milestone 'a' needs 'b'"):
        load_plan(path)
    path.write_text("\ufeff[[milestone]]\nid = 'a'\nname = '立项'", encoding="utf-8")
    assert [(one.id, one.name, one.name_en) for one in load_plan(path).milestones] == [("a", "立项", "立项")]


def test_order_is_that_of_the_needs_else_of_the_file() -> None:
    made = make_plan({"milestone": [step("d", needs=["b"]), step("c"), step("b", needs=["a"]), step("a")]})
    assert [one.id for one in made.milestones] == ["c", "a", "b", "d"]


@given(st.data())
def test_every_milestone_stands_after_what_it_needs(data: st.DataObject) -> None:
    names = data.draw(st.permutations("abcdefg"))
    tables = []
    for place, name in enumerate(names):
        needs = data.draw(st.lists(st.sampled_from(names[:place]), unique=True)) if place else []
        tables.append(step(name, needs=needs))
    shuffled = data.draw(st.permutations(tables))
    ordered = [one.id for one in make_plan({"milestone": shuffled}).milestones]
    assert sorted(ordered) == sorted(names)
    for table in tables:
        assert all(ordered.index(need) < ordered.index(table["id"]) for need in table["needs"])


# --- states ---


def test_a_story_from_first_contact_to_payment(plan: Plan) -> None:
    notes = [
        visit("第一次去海川，王工接待", CONTINUATION, "09-01", row=2),
        visit("王工把图纸给了我们", ADVANCE, "09-05", row=3, act=("把图纸给了我们", Action.SHARE_INFORMATION)),
        visit("见到孙总了，谈得不错", ADVANCE, "09-10", row=4),
        visit("立项会上通过了", ADVANCE, "09-15", row=5, act=("立项会上通过了", Action.INTERNAL_APPROVAL)),
        visit("价格谈妥，下周签", ADVANCE, "09-18", row=6, act=("下周签", Action.SIGN), time="下周"),
        visit("合同今天签了", ORDER, "09-25", row=7, act=("合同今天签了", Action.SIGN)),
    ]
    found = states(opportunity(*notes), plan)
    assert {name: (one.status.value, one.quote.visit.row if one.quote else None) for name, one in found.items()} == {
        "first_contact": ("reached", 2),
        "need_confirmed": ("reached", 3),
        "decision_maker_met": ("reached", 4),
        "demo": ("ready", None),
        "trial": ("ready", None),
        "internal_approval": ("reached", 5),
        "terms_accepted": ("reached", 6),
        "signed": ("reached", 7),
        "paid": ("ready", None),
    }
    assert found["terms_accepted"].quote is not None
    assert found["terms_accepted"].quote.text == "价格谈妥"
    for one in found.values():
        if one.quote:
            span = one.quote.span
            assert one.quote.visit.note[span.start : span.end] == one.quote.text


def test_a_later_milestone_leaves_the_earlier_ones_behind_without_words(plan: Plan) -> None:
    found = states(opportunity(visit("到访一次，合同签了", ORDER, "09-25", act=("合同签了", Action.SIGN))), plan)
    assert found["signed"].status is MilestoneStatus.REACHED
    for name in ("need_confirmed", "decision_maker_met", "internal_approval", "terms_accepted"):
        assert found[name].status is MilestoneStatus.PASSED
        assert found[name].quote is None


def test_blocked_by_milestones_and_by_open_concerns(plan: Plan) -> None:
    note = "王工把图纸给了我们，嫌价格偏高"
    found = states(
        opportunity(
            visit(
                note,
                ADVANCE,
                "09-05",
                [concern(note, "价格偏高")],
                act=("把图纸给了我们", Action.SHARE_INFORMATION),
            )
        ),
        plan,
    )
    assert found["terms_accepted"].status is MilestoneStatus.BLOCKED
    assert found["terms_accepted"].missing == ()
    assert [point.quote.text for point in found["terms_accepted"].open_points] == ["价格偏高"]
    assert [one.id for one in found["internal_approval"].missing] == ["decision_maker_met"]
    assert found["decision_maker_met"].status is MilestoneStatus.READY
    assert [one.id for one in found["signed"].missing] == ["internal_approval", "terms_accepted"]


def test_settled_concerns_reach_a_milestone_once_none_is_open(plan: Plan) -> None:
    first = "嫌价格高，账期也短"
    second = "价格高这事降了5%，他认可；账期还是短"
    third = "账期改90天，他说行"
    visits = [
        visit(
            first, date="09-01", concerns=[concern(first, "价格高"), concern(first, "账期也短", Topic.PAYMENT)], row=2
        ),
        visit(
            second,
            date="09-08",
            concerns=[
                concern(second, "价格高", answered=True, answer="降了5%"),
                concern(second, "账期还是短", Topic.PAYMENT),
            ],
            row=3,
        ),
        visit(
            third, date="09-15", concerns=[concern(third, "账期", Topic.PAYMENT, answered=True, answer="改90天")], row=4
        ),
    ]
    assert states(opportunity(*visits[:2]), plan)["terms_accepted"].quote is None
    quote = states(opportunity(*visits), plan)["terms_accepted"].quote
    assert quote is not None
    assert (quote.visit.row, quote.text) == (4, "改90天")


def test_a_topic_that_is_only_guessed_settles_nothing(plan: Plan) -> None:
    note = "价格降了5%，他认可"
    one = visit(note, concerns=[concern(note, "价格", answered=True, answer="降了5%", sure=False)])
    assert states(opportunity(one), plan)["terms_accepted"].quote is None


@pytest.mark.parametrize(
    "note",
    [
        "孙总没看演示效果",
        "约了下周看了演示再说",
        "演示取消了，没有做完演示",
        "如果看了演示满意就买",
        "他们跟竞品做了演示",
    ],
)
def test_words_that_are_negated_or_to_come_reach_nothing(note: str, plan: Plan) -> None:
    assert states(opportunity(visit(note)), plan)["demo"].quote is None


@pytest.mark.parametrize(
    ("note", "words"), [("今天孙总看了演示，很满意", "今天孙总看了演示"), ("孙总没空。演示效果不错", None)]
)
def test_words_count_clause_by_clause(note: str, words: str | None, plan: Plan) -> None:
    quote = states(opportunity(visit(note)), plan)["demo"].quote
    assert (quote.text if quote else None) == words


def test_the_gap_in_a_phrase_is_short_and_stays_in_the_clause() -> None:
    made = make_plan({"milestone": [step("a", words=["合同…签了"])]})
    reached = {
        note: milestone_states(opportunity(visit(note)), made)[0].quote is not None
        for note in (
            "合同签了",
            "合同今天上午签了",
            "合同，签了",
            "合同一二三四五六七八九签了",
            "合同.签了",
            "合同*签了",
        )
    }
    assert list(reached.values()) == [True, True, False, False, True, True]


def test_a_phrase_is_no_pattern() -> None:
    made = make_plan({"milestone": [step("a", words=["签(了|过)", ".*"])]})
    assert milestone_states(opportunity(visit("合同签了")), made)[0].quote is None


def test_a_promise_is_not_the_act(plan: Plan) -> None:
    promised = visit(
        "答应下周三试用一周", ADVANCE, "09-05", act=("答应下周三试用一周", Action.TRIAL), time="下周三", due="09-09"
    )
    found = states(opportunity(visit("王工发来需求清单", date="09-01"), promised), plan)["trial"]
    assert found.status is MilestoneStatus.READY
    assert found.promise is not None
    assert found.promise.quote.text == "答应下周三试用一周"
    assert found.promise.due_date == day("09-09")


@pytest.mark.parametrize("outcome", [ORDER, ADVANCE])
def test_an_outcome_that_needs_review_reaches_and_promises_nothing(outcome: Any, plan: Plan) -> None:
    one = visit("合同今天签好", outcome, act=("合同今天签好", Action.SIGN), review=True)
    assert states(opportunity(one), plan)["signed"].quote is None
    assert promise_of(one, plan) is None


def test_a_milestone_by_outcome() -> None:
    made = make_plan({"milestone": [step("won", outcomes=["order"])]})
    promised = visit("答应周五签合同", ADVANCE, act=("答应周五签合同", Action.SIGN), time="周五")
    (state,) = milestone_states(opportunity(promised), made)
    assert (state.status, state.promise and state.promise.quote.text) == (MilestoneStatus.READY, "答应周五签合同")
    ordered = visit("订单已推送过来", ORDER, row=3)
    (state,) = milestone_states(opportunity(promised, ordered), made)
    assert (state.status, state.quote and state.quote.text) == (MilestoneStatus.REACHED, "订单已推")


def test_an_act_without_a_sign_that_it_is_done_reaches_nothing(plan: Plan) -> None:
    one = visit("样品寄回测试", ADVANCE, act=("样品寄回测试", Action.TRIAL))
    assert states(opportunity(one), plan)["trial"].status is not MilestoneStatus.REACHED


def test_a_refusal_and_an_empty_note_reach_only_the_first_contact(plan: Plan) -> None:
    empty = Visit(2, "", None)
    assert {one.status.value for one in milestone_states(opportunity(empty), plan)} == {"ready", "blocked"}
    found = states(opportunity(visit("1、明确说不需要", NO_SALE)), plan)
    assert [name for name, one in found.items() if one.status is MilestoneStatus.REACHED] == ["first_contact"]
    assert found["first_contact"].quote is not None
    assert found["first_contact"].quote.text == "明确说不需要"
