from __future__ import annotations

import json

from analyzer import Action, Commitment, Concern, NoteAnalysis, Outcome, Span, Status, Topic


def test_labels_of_the_guideline() -> None:
    assert [outcome.label for outcome in Outcome] == ["成交", "进展晋级", "暂时中断", "没有成交"]
    assert [outcome.success for outcome in Outcome] == [True, True, False, False]
    assert Outcome.ORDER == "order"
    assert len(Topic) == 12
    assert {topic.group for topic in Topic} == {"商务", "产品", "合规资质", "履约服务", "决策"}
    assert len({action.label for action in Action}) == len(Action) == 11


def test_to_dict_is_json_with_the_promised_keys() -> None:
    span = Span(0, 2, "价格")
    analysis = NoteAnalysis(
        Outcome.ADVANCE,
        {outcome.value: 0.25 for outcome in Outcome},
        False,
        (span,),
        (Concern(span, Topic.PRICE, 0.9, True, Status.OPEN, None),),
        Commitment(span, Action.DEMO, span),
    )
    data = json.loads(json.dumps(analysis.to_dict()))
    assert set(data) == {
        "outcome", "outcome_label", "success", "probabilities", "needs_review", "evidence", "concerns", "commitment",
    }  # fmt: skip
    assert set(data["concerns"][0]) == {
        "start", "end", "text", "topic", "topic_label", "topic_probability", "topic_is_sure", "group", "status",
        "response",
    }  # fmt: skip
    assert data["commitment"] == {
        "start": 0, "end": 2, "text": "价格", "action": "demo", "due": {"start": 0, "end": 2, "text": "价格"},
        "due_date": None,
    }  # fmt: skip
    assert analysis.confidence == 0.25


def test_an_unsure_topic_is_shown_by_its_group() -> None:
    assert Concern(Span(0, 1, "贵"), Topic.PRICE, 0.4, False, Status.OPEN).display_topic == "商务"
    assert Concern(Span(0, 1, "贵"), Topic.PRICE, 0.9, True, Status.OPEN).display_topic == "价格预算"
