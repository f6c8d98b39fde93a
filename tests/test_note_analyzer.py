from __future__ import annotations

import dataclasses
import json
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer import NoteAnalysis, NoteAnalyzer, Outcome
from analyzer.corpus import Example
from analyzer.note_analyzer import _evidence, _strengths
from analyzer.outcomes import OUTCOMES
from analyzer.results import RESULT_COLUMNS

# From a sales-method article on large orders: what the customer says or does, and what it is.
ACCEPTANCE = {
    "客户同意参加一个产品演示会": "advance",
    "让我见更高一级决策人": "advance",
    "同意试运行或检测我们的产品": "advance",
    "部分接受原来根本不接受的预算": "advance",
    "产品不错,我们觉得有机会,下次有时间再谈": "continuation",
    "谢谢你专程来一趟,以后来唐山我请您吃饭": "continuation",
    "我需要和其他高层研究一下,日后和您联络": "continuation",
    "您的产品看起来不错,但您公司的资质不符合我们供应商标准的要求,无法合作": "no_sale",
    "谢谢您的惠顾,我想您的产品不是我们所需要的": "no_sale",
}
AWKWARD = [
    "客户😀嫌价格高𠮷，下周三带👨‍👩‍👧来看设备。",
    "ＡＢＣ公司：價格太貴，要求降５％；同意下週簽約",
    "价格高\r\n交期要月底前\r\n下周签合同\r\n",
    "a\x00b\x07价格\x1f高，\ud800下周签\udfff",
    "，。！？",
    "\n\n\n",
    "签",
    " 　 ",
    "1234567890",
    "ok no deal, customer will sign PO next Tuesday",
    "价格高，" * 3000,
    "価格は高い。계약하다. قيمة",
]


def check(note: str, analysis: NoteAnalysis) -> None:
    """What holds for every analysis."""
    data = analysis.to_dict()
    json.dumps(data)
    spans = [*data["evidence"], *data["concerns"], *(c["response"] for c in data["concerns"] if c["response"])]
    if data["commitment"]:
        spans.append(data["commitment"])
        if data["commitment"]["due"]:
            spans.append(data["commitment"]["due"])
    for span in spans:
        assert 0 <= span["start"] < span["end"] <= len(note)
        assert note[span["start"] : span["end"]] == span["text"]
    assert sum(data["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert set(data["probabilities"]) == {outcome.value for outcome in Outcome}
    if analysis.outcome is None:
        assert not any(char.isalnum() for char in note)
        assert not spans
        return
    assert analysis.evidence
    assert data["probabilities"][data["outcome"]] == max(data["probabilities"].values())
    assert (data["commitment"] is not None) == analysis.outcome.success
    starts = [concern["start"] for concern in data["concerns"]]
    assert starts == sorted(starts)


@pytest.mark.parametrize(("note", "outcome"), ACCEPTANCE.items())
def test_examples_of_the_source_article(shipped: NoteAnalyzer, note: str, outcome: str) -> None:
    assert shipped.analyze(note).outcome == outcome


def test_a_note_with_everything(shipped: NoteAnalyzer) -> None:
    note = "客户嫌价格高，我方答应降5%，对方认可；交期要月底前，没定。下周三带技术总监来厂里看设备"
    data = shipped.analyze(note).to_dict()
    assert (data["outcome"], data["outcome_label"], data["success"]) == ("advance", "进展晋级", True)
    assert data["evidence"][-1]["text"] == "下周三带技术总监来厂里看设备"
    price, delivery = data["concerns"]
    assert (price["text"], price["topic"], price["status"]) == ("价格高", "price", "addressed")
    assert "降5" in price["response"]["text"]
    assert (delivery["topic"], delivery["group"], delivery["status"]) == ("delivery", "履约服务", "open")
    assert data["commitment"]["action"] == "site_visit"
    assert data["commitment"]["due"]["text"] == "下周三"


@pytest.mark.parametrize("note", AWKWARD)
def test_awkward_notes(shipped: NoteAnalyzer, note: str) -> None:
    check(note, shipped.analyze(note))


@pytest.mark.parametrize("note", ["", " ", "\n", "。。。", "——", "\u200b"])
def test_a_note_without_text_has_no_outcome(shipped: NoteAnalyzer, note: str) -> None:
    analysis = shipped.analyze(note)
    assert analysis.outcome is None
    assert analysis.to_dict()["outcome_label"] is None
    assert analysis.concerns == analysis.evidence == ()


def test_a_note_of_a_million_characters(shipped: NoteAnalyzer) -> None:
    note = "客户嫌价格高没有标点" * 99_990 + "，下周三签合同。" + "好" * 100
    assert len(note) >= 1_000_000 - 2
    check(note, shipped.analyze(note))


PIECES = st.sampled_from(
    ["价格高", "，", "。", "下周签", "没见到", "😀", "\r\n", "PO", "5台", " ", "：", "同意试用", "簽"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=20), st.lists(PIECES, max_size=15).map("".join)), max_size=6))
def test_any_notes(shipped: NoteAnalyzer, notes: list[str]) -> None:
    analyses = shipped.analyze_many(notes)
    for note, analysis in zip(notes, analyses, strict=True):
        check(note, analysis)
    assert analyses == [shipped.analyze(note) for note in notes]


def test_many_notes_are_read_as_one_by_one(shipped: NoteAnalyzer, corpus: list[Example]) -> None:
    notes = [example.note for example in corpus if not example.is_fragment]
    notes = [*random.Random(0).sample(notes, 500), *AWKWARD]
    analyses = shipped.analyze_many(notes)
    for note, analysis in zip(notes, analyses, strict=True):
        check(note, analysis)
        assert shipped.analyze(note) == analysis


def test_wrong_types_are_named(shipped: NoteAnalyzer) -> None:
    assert shipped.analyze_many([]) == []
    with pytest.raises(TypeError, match="note 1 is a NoneType; expected a string"):
        shipped.analyze_many(["好", None])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="notes is one string"):
        shipped.analyze_many("好")


def test_score_frame_keeps_rows_columns_and_index(shipped: NoteAnalyzer) -> None:
    frame = pd.DataFrame(
        {"编码": ["0012", "NA"], "拜访记录": ["客户同意下周演示产品", None], "结果": ["x", "y"]}, index=[7, 3]
    )
    scored = shipped.score_frame(frame)
    assert scored.index.tolist() == [7, 3]
    assert scored[["编码", "拜访记录", "结果"]].equals(frame)
    assert scored["结果（分析）"].tolist() == ["进展晋级", None]
    assert len(scored.columns) == 3 + len(RESULT_COLUMNS)
    assert "结果" in frame.columns
    assert len(frame.columns) == 3


def test_order_of_notes_does_not_matter(shipped: NoteAnalyzer, corpus: list[Example]) -> None:
    notes = [*AWKWARD, *(example.note for example in corpus[::40])]
    expected = dict(zip(notes, shipped.analyze_many(notes), strict=True))
    random.Random(1).shuffle(notes)
    assert shipped.analyze_many(notes) == [expected[note] for note in notes]
    again = NoteAnalyzer.load().analyze_many(notes)
    assert again == [expected[note] for note in notes], "nor does a fresh analyzer"


@settings(max_examples=100)
@given(st.text(st.characters(), max_size=40))
def test_any_characters(shipped: NoteAnalyzer, note: str) -> None:
    check(note, shipped.analyze(note))


def test_to_dict_has_the_keys_of_the_interface(shipped: NoteAnalyzer) -> None:
    note = "客户嫌价格高，我方答应降5%，对方认可；交期要月底前，没定。下周三带技术总监来厂里看设备"
    data = shipped.analyze(note).to_dict()
    span = {"start", "end", "text"}
    assert set(data) == {
        "outcome", "outcome_label", "success", "probabilities", "needs_review", "evidence", "concerns", "commitment",
    }  # fmt: skip
    assert [set(one) for one in data["evidence"]] == [span] * len(data["evidence"])
    for concern in data["concerns"]:
        assert set(concern) - {"topic_is_sure"} == span | {
            "topic", "topic_label", "topic_probability", "group", "status", "response",
        }  # fmt: skip
    assert set(data["concerns"][0]["response"]) == span
    assert set(data["commitment"]) == span | {"action", "due", "due_date"}
    assert set(data["commitment"]["due"]) == span
    empty = shipped.analyze("").to_dict()
    assert set(empty) == set(data)
    assert (empty["outcome"], empty["success"], empty["evidence"], empty["commitment"]) == (None, None, [], None)


def test_review_is_asked_for_below_the_threshold(shipped: NoteAnalyzer, corpus: list[Example]) -> None:
    notes = [example.note for example in corpus[::50] if not example.is_fragment]
    confidences = [analysis.confidence or 0.0 for analysis in shipped.analyze_many(notes)]
    threshold = sorted(confidences)[len(confidences) // 2]
    strict = NoteAnalyzer(dataclasses.replace(shipped.model, review_below=threshold))
    below = [confidence < threshold for confidence in confidences]
    assert [analysis.needs_review for analysis in strict.analyze_many(notes)] == below
    assert 0 < sum(below) < len(below)


@pytest.mark.parametrize("value", [None, 5, 1.5, b"bytes", ["x"], float("nan")])
def test_a_note_that_is_no_string(shipped: NoteAnalyzer, value: object) -> None:
    with pytest.raises(TypeError, match=r"note 0 is a .*; expected a string"):
        shipped.analyze(value)  # type: ignore[arg-type]


def test_evidence_is_where_both_models_vote(shipped: NoteAnalyzer) -> None:
    note = "嫌价格贵，合同签了，改天吃饭"
    batch = shipped.model.reader.read([note])
    order = OUTCOMES.index(Outcome.ORDER)
    best = np.array([order])
    n_clauses, n_tokens = len(batch.found.clause_note), len(batch.found.tokens)
    clauses = np.full((n_clauses, len(OUTCOMES) + 1), 0.01)
    tokens = np.zeros((n_tokens, len(OUTCOMES) + 1))
    tokens[:, 1 + order] = -9.0

    def shown() -> list[str]:
        spans = _evidence(batch, _strengths(batch, clauses, tokens, best))[0]
        return [note[start:end] for start, end in spans]

    clauses[:2, order] = 0.6, 0.5
    assert shown() == ["嫌价格贵，合同签了"]  # the tagger says nothing: the clauses' votes decide
    tokens[batch.found.token_clause == 1, 1 + order] = 5.0
    assert shown() == ["合同签了"]  # 0.74 against 0.11: far less than half
    tokens[batch.found.token_clause == 2, 1 + order] = 9.0
    assert shown() == ["合同签了"]  # a vote of the tagger alone: 0.17


def test_strength_is_the_geometric_mean_of_the_votes(shipped: NoteAnalyzer) -> None:
    batch = shipped.model.reader.read(["合同签了"])
    clauses = np.full((len(batch.found.clause_note), len(OUTCOMES) + 1), 0.3)
    tokens = np.zeros((len(batch.found.tokens), len(OUTCOMES) + 1))
    assert _strengths(batch, clauses, tokens, np.array([0]))[0] == pytest.approx(np.sqrt(0.32 * 0.52))
