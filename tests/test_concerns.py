"""Concerns with their answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from conftest import candidates
from hypothesis import given
from hypothesis import strategies as st

from analyzer import NoteAnalyzer
from analyzer.candidates import CONCERN, RESPONSE, joined
from analyzer.concerns import ConcernModel, FoundConcern, choose_answers, link_responses, status_inputs, topic_inputs
from analyzer.features import N_BUCKETS, Batch, Reader
from analyzer.lexicon import Lexicon
from analyzer.linear import Linear
from analyzer.records import Status, Topic, overlap
from analyzer.segmenter import Segmenter

READER = Reader(["价格", "交期", "降", "认可"], Lexicon({"认可": ["settled"]}), Segmenter())


@st.composite
def tagged_spans(draw: st.DrawFn) -> list[tuple[int, int, int, int]]:
    """Note, start, end and kind of spans in note order, none over another, as the tagger gives them."""
    kinds = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 5), st.booleans()), max_size=12))
    place, note, out = 0, 0, []
    for kind, length, next_note in kinds:
        note += next_note
        out.append((note, place, place + length, kind))
        place += length + 1
    return out


@given(tagged_spans())
def test_every_concern_comes_back_with_at_most_one_answer_that_follows_it(
    spans: list[tuple[int, int, int, int]],
) -> None:
    concerns = [(note, (start, end)) for note, start, end, kind in spans if kind == CONCERN]
    answers = {(start, end): note for note, start, end, kind in spans if kind == RESPONSE}
    notes, starts = (np.array(values, dtype=int) for values in ([n for n, _ in concerns], [s[0] for _, s in concerns]))
    found = link_responses(notes, starts, candidates(*((note, *span) for span, note in answers.items())))
    linked = [(note, span, response) for (note, span), response in zip(concerns, found, strict=True)]
    given_to = [response for _, _, response in linked if response]
    assert len(given_to) == len(set(given_to)), "an answer belongs to one concern"
    for note, span, response in linked:
        if response:
            assert answers[response] == note
            assert response[0] >= span[1]
    for answer, of in answers.items():
        before = [response for note, span, response in linked if note == of and span[1] <= answer[0]]
        if answer not in given_to:
            assert None not in before, "an answer is dropped only where no concern before it is free"


def constant(n_classes: int, best: int) -> Linear:
    """A model that always says ``best``, with odds of 3 : 1 against 1 : 3 for the others."""
    bias = np.full(n_classes, -np.log(3.0), dtype=np.float32)
    bias[best] = np.log(3.0)
    return Linear(np.zeros((N_BUCKETS, n_classes), dtype=np.float32), bias)


def odds(log_odds: float) -> Linear:
    """A model of one class that says the same of everything."""
    return Linear(np.zeros((N_BUCKETS, 1), dtype=np.float32), np.array([log_odds], dtype=np.float32))


def says(
    *,
    concern: float,
    answer: float = 0.0,
    topic: int = 0,
    status: int = 0,
    chosen_from: float,
    answer_from: float = 0.5,
    addressed_from: float,
) -> ConcernModel:
    """A model that says the same of everything: a concern, an answer with these as log-odds."""
    models = odds(concern), odds(answer), constant(12, topic), constant(2, status)
    return ConcernModel(*models, -1.0, chosen_from, answer_from, addressed_from)


@pytest.mark.parametrize(("threshold", "status"), [(0.74, Status.ADDRESSED), (0.76, Status.OPEN)])
def test_findings_are_those_of_the_models(threshold: float, status: Status) -> None:
    batch = READER.read(["价格高，降五个点，认可", "交期长"])
    topic = list(Topic).index(Topic.DELIVERY)
    model = says(concern=0.0, topic=topic, status=1, chosen_from=0.49, addressed_from=threshold)
    # 0.75 against eleven times 0.25, and 0.75 against 0.25.
    found = model.predict(batch, candidates((0, 0, 3), (1, 12, 15)), candidates((0, 4, 8)), np.array([0, 1]))
    assert found == [
        FoundConcern(0, (0, 3), (4, 8), Topic.DELIVERY, round(0.75 / 3.5, 4), status),
        FoundConcern(1, (12, 15), None, Topic.DELIVERY, round(0.75 / 3.5, 4), status),
    ]


def test_what_is_no_concern_is_not_found() -> None:
    batch = READER.read(["价格高，降五个点，认可", "交期长"])
    offered, answers = candidates((0, 0, 3), (1, 12, 15)), candidates((0, 4, 8))
    model = says(concern=0.0, chosen_from=0.51, addressed_from=0.5)
    assert model.predict(batch, offered, answers, np.array([0, 1])) == []


def test_an_answer_that_is_a_concern_after_all_is_no_answer() -> None:
    batch = READER.read(["价格高，降五个点，认可", "交期长"])
    model = says(concern=1.0, chosen_from=0.5, addressed_from=0.5)
    answers = candidates((0, 4, 8), (0, 9, 11))
    found = model.predict(batch, candidates((0, 0, 3), (0, 3, 6)), answers, np.array([0, 1]))
    assert [(one.span, one.response) for one in found] == [((0, 3), None), ((3, 6), (9, 11))]


def test_no_candidates_no_findings() -> None:
    model = says(concern=1.0, chosen_from=0.5, addressed_from=0.5)
    batch = READER.read(["价格高"])
    assert model.predict(batch, joined([]), joined([]), np.array([0])) == []
    assert model.predict(batch, joined([]), candidates((0, 0, 3)), np.array([0])) == []


@pytest.mark.parametrize(("answer_from", "response"), [(0.49, (4, 8)), (0.51, None)])
def test_what_is_no_answer_is_not_linked(answer_from: float, response: tuple[int, int] | None) -> None:
    batch = READER.read(["价格高，降五个点，认可"])
    model = says(concern=1.0, answer=0.0, chosen_from=0.5, answer_from=answer_from, addressed_from=0.5)
    (found,) = model.predict(batch, candidates((0, 0, 3)), candidates((0, 4, 8)), np.array([0]))
    assert found.response == response


def test_of_answers_that_overlap_one_is_chosen() -> None:
    batch = READER.read(["价格高，降五个点，认可"])
    chosen = choose_answers(odds(0.0), batch, candidates((0, 4, 8), (0, 4, 11), (0, 9, 11)), 0.5)
    assert chosen.places() == [(0, 4, 8), (0, 9, 11)]


def rows(batch: Batch, spans: list[tuple[int, int, tuple[int, int] | None]]) -> list[tuple[object, ...]]:
    starts, ends = np.array([span[0] for span in spans]), np.array([span[1] for span in spans])
    outcomes = np.zeros(len(spans), dtype=np.int64)
    status = status_inputs(batch, starts, ends, [span[2] for span in spans], outcomes)
    found = (topic_inputs(batch, starts, ends), status)
    for matrix in found:
        matrix.sum_duplicates()
    return [
        tuple((matrix[[row]].indices.tolist(), matrix[[row]].data.tolist()) for matrix in found)
        for row in range(len(spans))
    ]


def test_what_is_read_of_a_concern_does_not_depend_on_other_notes() -> None:
    notes = ["价格高，降五个点，认可；交期长，没定", "交期长", "价格高。", "价格高，认可\n交期长，月底，认可"]
    concerns = [
        [(0, 3, (4, 8)), (12, 15, None)],
        [(0, 3, None)],
        [(0, 3, None)],
        [(0, 3, None), (7, 10, (11, 13))],
    ]
    batch = READER.read(notes)
    offsets = batch.found.note_start.tolist()
    together = [
        (at + start, at + end, (at + answer[0], at + answer[1]) if answer else None)
        for at, spans in zip(offsets, concerns, strict=False)
        for start, end, answer in spans
    ]
    alone = [rows(READER.read([note]), spans) for note, spans in zip(notes, concerns, strict=True)]
    assert rows(batch, together) == list(itertools.chain(*alone))


def test_an_answer_and_what_follows_it_count() -> None:
    batch = READER.read(["价格高，降五个点，认可", "价格高，降五个点，不行"])
    at = int(batch.found.note_start[1])
    answered, refused = rows(batch, [(0, 3, (4, 8)), (at, at + 3, (at + 4, at + 8))])
    unanswered, _ = rows(batch, [(0, 3, None), (at, at + 3, None)])
    assert answered[1] != refused[1]
    assert answered[1] != unanswered[1]
    assert answered[0] == unanswered[0], "the topic does not depend on the answer"


@pytest.mark.parametrize(
    ("note", "concern", "topic"),
    [
        ("客户说单价太高，没谈拢。", "单价太高", Topic.PRICE),
        ("客户担心售后响应慢。", "售后响应慢", Topic.SERVICE),
        ("客户要求月结60天，我们没答应。", "月结60天", Topic.PAYMENT),
        ("对方问能不能跟现有ERP对接。", "能不能跟现有ERP对接", Topic.INTEGRATION),
    ],
)
def test_plain_concerns_are_found_by_the_shipped_model(
    shipped: NoteAnalyzer, note: str, concern: str, topic: Topic
) -> None:
    (found,) = shipped.analyze(note).concerns
    start = note.index(concern)
    assert overlap((found.span.start, found.span.end), (start, start + len(concern))) >= 0.5
    assert (found.topic, found.status) == (topic, Status.OPEN)
