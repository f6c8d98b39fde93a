import datetime
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import RulesError
from analyzer.milestones import load_plan
from analyzer.next_commitment import (
    MAX_PROPOSALS,
    default_rules_path,
    load_rules,
    make_rules,
    propose_commitments,
    refused_acts,
)
from analyzer.records import Action, Commitment, Concern, NoteAnalysis, Outcome, Span, Status, Topic

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DAY = datetime.date(2026, 11, 25)
MILESTONES = (
    "first_contact",
    "need_confirmed",
    "decision_maker_met",
    "demo",
    "trial",
    "internal_approval",
    "terms_accepted",
)


def concern(topic: Topic, text: str = "价格高") -> Concern:
    return Concern(Span(0, len(text), text), topic, 0.9, True, Status.OPEN)


def visit(
    outcome=Outcome.CONTINUATION, action=None, *, concerns=(), evidence="", due=None, due_date=None
) -> NoteAnalysis:
    act = Commitment(Span(0, 4, "同意试用"), action, due, due_date) if action else None
    spans = (Span(0, len(evidence), evidence),) if evidence else ()
    return NoteAnalysis(outcome, {outcome.value: 0.9}, False, spans, tuple(concerns), act)


def actions(*arguments, **options) -> list[str]:
    return [one.action.value for one in propose_commitments(*arguments, **options)]


def test_a_first_visit_without_an_act_asks_for_little():
    assert actions([visit()], reached={"first_contact"}, ready={"need_confirmed"}) == ["meeting", "share_information"]


def test_after_an_act_more_may_be_asked():
    analyses = [visit(Outcome.ADVANCE, Action.MEETING), visit(Outcome.ADVANCE, Action.DEMO)]
    ready = {"trial", "decision_maker_met"}
    blocked = {"internal_approval", "signed", "paid"}
    found = actions(analyses, reached={"first_contact", "need_confirmed"}, ready=ready, blocked=blocked)
    assert found == ["trial", "meet_decision_maker"]


def test_the_promised_act_is_not_asked_for_again_before_its_day():
    analyses = [visit(Outcome.ADVANCE, Action.TRIAL, due_date=DAY + datetime.timedelta(days=3))]
    found = actions(analyses, as_of=DAY, reached={"first_contact", "need_confirmed"}, ready={"trial", "demo"})
    assert "trial" not in found
    assert found


def test_a_promise_whose_day_has_passed_comes_first():
    late = visit(Outcome.ADVANCE, Action.TRIAL, due_date=DAY - datetime.timedelta(days=1))
    first, _ = propose_commitments(
        [late], as_of=DAY, reached={"first_contact", "need_confirmed"}, ready={"trial", "demo"}
    )
    assert first.action is Action.TRIAL
    assert first.ask == "落实上次答应的事：同意试用"
    assert "同意试用" in first.sentence
    assert "2026-11-24" in first.reasons[1]


def test_a_promise_is_dated_from_the_day_of_its_visit():
    promise = visit(Outcome.ADVANCE, Action.TRIAL, due=Span(0, 3, "下周三"))
    options = {"reached": {"first_contact", "need_confirmed"}, "ready": {"trial"}, "as_of": DAY}
    assert actions([promise], dates=[DAY - datetime.timedelta(weeks=3)], **options)[0] == "trial"
    assert "trial" not in actions([promise], dates=[DAY], **options)


@pytest.mark.parametrize("outcomes", [[Outcome.CONTINUATION] * 2, [Outcome.CONTINUATION] * 5])
def test_a_streak_asks_for_less(outcomes):
    streak = [visit(Outcome.ADVANCE, Action.DEMO), *(visit(one) for one in outcomes)]
    options = {
        "reached": {"first_contact", "need_confirmed", "demo"},
        "ready": {"trial", "decision_maker_met"},
        "blocked": {"internal_approval"},
    }
    assert actions(streak, **options) == ["site_visit", "meeting"]
    assert actions(streak[:2], **options)[0] == "meet_decision_maker"
    assert f"连续 {len(outcomes)} 次" in propose_commitments(streak, **options)[0].reasons[1]


def test_many_open_concerns_ask_for_one_step_less():
    analyses = [visit(Outcome.ADVANCE, Action.SITE_VISIT), visit()]
    options = {"reached": {"need_confirmed", "demo"}, "ready": {"trial", "decision_maker_met"}}
    few = [concern(Topic.PRICE), concern(Topic.DELIVERY)]
    assert actions(analyses, open_concerns=few, **options)[0] == "trial"
    assert actions(analyses, open_concerns=[*few, concern(Topic.SERVICE)], **options)[0] == "meet_decision_maker"


def test_what_was_refused_last_time_is_not_asked_for():
    options = {"reached": {"need_confirmed", "demo"}, "ready": {"trial", "decision_maker_met"}}
    analyses = [visit(Outcome.ADVANCE, Action.SITE_VISIT), visit(evidence="不同意试用")]
    assert "trial" not in actions(analyses, **options)
    analyses[-1] = visit()
    assert "trial" in actions(analyses, **options)
    found = actions(analyses, last_note="王工不肯引见老板，也没同意试用，说再看看", **options)
    assert not {"trial", "meet_decision_maker"} & set(found)
    # Only the last visit's refusals count.
    assert "trial" in actions([visit(evidence="不同意试用"), *analyses], **options)


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("客户不同意试用", {"trial"}),
        ("演示很满意，价格不接受", set()),
        ("他不愿意带我见老板", {"meet_decision_maker"}),
        ("拒绝签合同，也不给图纸", {"sign", "share_information"}),
        ("同意下周演示", set()),
        ("", set()),
    ],
)
def test_refused_acts(note, expected):
    assert {action.value for action in refused_acts(note)} == expected


READY_TO_SIGN = {"reached": set(MILESTONES), "ready": {"signed"}, "blocked": {"paid"}}
AGREED = [visit(Outcome.ADVANCE, Action.INTERNAL_APPROVAL), visit(Outcome.ADVANCE, Action.ACCEPT_TERMS)]


def test_a_signature_is_asked_for_when_nothing_stands_in_its_way():
    first = propose_commitments(AGREED, **READY_TO_SIGN)[0]
    assert first.action is Action.SIGN
    assert first.settle_first is None


@pytest.mark.parametrize("topic", list(Topic))
def test_no_signature_while_a_concern_is_open(topic):
    assert "sign" not in actions(AGREED, open_concerns=[concern(topic)], **READY_TO_SIGN)


@pytest.mark.parametrize("missing", ["internal_approval", "terms_accepted"])
def test_no_signature_without_approval_and_terms(missing):
    reached = READY_TO_SIGN["reached"] - {missing}
    assert "sign" not in actions(AGREED, reached=reached, ready={"signed", missing})
    assert "sign" not in actions(AGREED, reached=reached, blocked={"signed", missing})


def test_a_plan_without_approvals_waits_for_none():
    assert "sign" in actions(AGREED, reached={"terms_accepted", "need_confirmed"}, ready={"signed"})


def test_after_an_order_the_payment_and_then_nothing():
    ordered = [*AGREED, visit(Outcome.ORDER, Action.SIGN)]
    assert actions(ordered, reached={*MILESTONES, "signed"}, ready={"paid"}) == ["pay"]
    assert actions(ordered) == ["pay"]
    assert actions(ordered, reached={*MILESTONES, "signed", "paid"}) == []
    assert actions(ordered, open_concerns=[concern(Topic.PAYMENT)]) == []


@pytest.mark.parametrize("analyses", [[], [visit(Outcome.NO_SALE)], [NoteAnalysis(None, {}, False)]])
def test_nothing_to_ask_for(analyses):
    assert propose_commitments(analyses) == ()


def test_without_a_plan_the_acts_of_the_notes_count():
    assert actions([visit(Outcome.ADVANCE, Action.DEMO)]) == ["trial", "meet_decision_maker"]
    assert actions([visit(Outcome.ADVANCE, Action.MEETING)])[0] == "meet_decision_maker"


def test_the_concern_that_matters_most_for_the_act_is_settled_first():
    options = {"reached": {"need_confirmed", "demo"}, "ready": {"trial"}}
    concerns = [concern(Topic.PRICE, "太贵"), concern(Topic.QUALITY, "精度\n不够")]
    first = propose_commitments([visit(Outcome.ADVANCE, Action.SITE_VISIT)], open_concerns=concerns, **options)[0]
    assert first.action is Action.TRIAL
    assert first.settle_first is concerns[1]
    assert first.sentence.startswith("上次您提到“精度 不够”，")
    data = first.to_dict()
    assert data["settle_first"]["text"] == "精度\n不够"
    assert len(data["reasons"]) == 3


def test_the_open_concerns_of_the_last_visit_are_taken_where_none_are_given():
    answered = Concern(Span(0, 2, "工期"), Topic.DELIVERY, 0.9, True, Status.ADDRESSED)
    found = propose_commitments([visit(concerns=[answered, concern(Topic.PRICE)])])
    assert found[0].settle_first == concern(Topic.PRICE)


# --- for any history ---

names = st.sampled_from(
    ["need_confirmed", "decision_maker_met", "demo", "trial", "internal_approval", "terms_accepted", "signed"]
)
concerns = st.lists(st.sampled_from(Topic).map(concern), max_size=5)
visits = st.builds(
    lambda outcome, action, found: visit(outcome, action if outcome.success else None, concerns=found),
    st.sampled_from(Outcome),
    st.sampled_from(Action),
    concerns,
)


@given(
    st.lists(visits, min_size=1, max_size=5),
    concerns,
    st.sets(names),
    st.sets(names),
    st.sampled_from(["", "不同意试用", "不签合同"]),
)
def test_what_holds_for_any_history(analyses, open_concerns, reached, ready, last_note):
    blocked = {*MILESTONES, "signed", "paid"} - reached - ready
    rules = load_rules()
    options = {"reached": reached, "ready": ready - reached, "blocked": blocked}
    found = propose_commitments(analyses, open_concerns=open_concerns, last_note=last_note, **options)
    assert len(found) <= MAX_PROPOSALS
    assert len({one.action for one in found}) == len(found)
    by_action = {act.action: act for act in rules.acts}
    for one in found:
        assert one.action not in refused_acts(last_note)
        assert by_action[one.action].milestone not in blocked
        assert not {item.topic for item in open_concerns} & set(by_action[one.action].stops)
        assert (one.settle_first is not None) == bool(open_concerns)
        assert all([one.ask, *one.reasons, one.sentence, one.fallback])
        if one.action is Action.SIGN:
            assert not open_concerns
            assert {"internal_approval", "terms_accepted"} <= reached
    if analyses[-1].outcome is Outcome.NO_SALE:
        assert not found
    assert found == propose_commitments(analyses, open_concerns=open_concerns, last_note=last_note, **options)


# --- the rules ---


def test_every_milestone_of_the_rules_is_one_of_the_shipped_plan():
    known = {one.id for one in load_plan().milestones}
    for act in load_rules().acts:
        assert {act.milestone, *act.after} <= known
        assert act.refused


def test_the_acts_go_from_the_least_to_the_most_demanding_whatever_their_order():
    rules = load_rules()
    text = default_rules_path().read_text(encoding="utf-8")
    head, *acts = text.split("[[act]]")
    random.Random(0).shuffle(acts)
    assert [act.level for act in rules.acts] == sorted(act.level for act in rules.acts)
    assert make_rules(tomllib.loads("[[act]]".join([head, *acts]))) == rules


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('action = "demo"', 'action = "dance"', "names 'dance', expected one of sign, pay"),
        ('action = "demo"', 'action = "trial"', "two acts have the action 'trial'"),
        ("level = 3", 'level = "three"', "level is 'three', expected a whole number"),
        ("level = 3\n", "", "level is missing, expected a whole number"),
        ('stops = ["payment"]', 'stops = ["weather"]', "names 'weather', expected one of price"),
        ('stops = ["payment"]', 'stops = "payment"', "stops is 'payment', expected a list of texts"),
        ("repeats = true", "repeat = true", "has the key 'repeat'"),
        ("streak = 1", "streek = 1", "has the key 'streek'"),
        ("{concern}", "{worry}", "expected {concern} in it"),
        ("[say]", "[say", "not valid TOML"),
    ],
)
def test_rules_that_cannot_be(tmp_path: Path, old: str, new: str, message: str):
    text = default_rules_path().read_text(encoding="utf-8")
    path = tmp_path / "rules.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(RulesError, match=message.replace("[", r"\[").replace("{", r"\{")) as caught:
        load_rules(path)
    assert str(path) in str(caught.value)


def test_rules_that_are_not_there_or_empty(tmp_path: Path):
    with pytest.raises(RulesError, match="cannot be read"):
        load_rules(tmp_path / "none.toml")
    with pytest.raises(RulesError, match=r"no \[\[act\]\] was found"):
        make_rules({"act": [], "steps": {}, "refusal": {}, "say": {}})
    with pytest.raises(RulesError, match="act is missing"):
        make_rules({})
