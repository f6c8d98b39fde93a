"""Candidates for concerns: what is offered, what is read of it, what is kept."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import candidates
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from analyzer.candidates import (
    CONCERN,
    Candidates,
    apart,
    candidate_inputs,
    joined,
    offer,
    pieces,
    readings,
    without_overlaps,
)
from analyzer.features import N_BUCKETS, Batch, Reader
from analyzer.lexicon import Lexicon
from analyzer.segmenter import Segmenter
from analyzer.tagger import Tagger, best_labels, sentences

READER = Reader(["价格", "高", "交期", "长"], Lexicon({}), Segmenter())
EVEN = np.zeros((6, 5))


def read_twice(bias: float, further_bias: float, batch: Batch, scores: np.ndarray) -> tuple[Candidates, Candidates]:
    tagger = Tagger(np.zeros((1, 5), dtype=np.float32), EVEN, bias)
    labels = best_labels(readings(tagger, further_bias), (scores, scores), sentences(batch))
    return offer(batch, scores, *labels)


def test_a_second_reading_offers_more() -> None:
    notes = ["价格高。交期长", "交期长"]
    batch = READER.read(notes)
    tokens = [batch.found.text[a:b] for a, b in zip(batch.found.token_start, batch.found.token_start[1:], strict=False)]
    scores = np.zeros((len(tokens), 5))
    scores[:, 1:] = -9.0
    assert tokens == ["价格", "高", "。", "交期", "长", "\n", "交期", "长", "\n"]
    scores[0, 1], scores[1, 2] = 2.0, 1.5  # the first note's "价格高" is found as it stands
    scores[3, 1], scores[4, 2] = 0.25, 0.25
    scores[6, 3] = 3.0  # the second note's first word is our answer
    found, answers = read_twice(0.0, 5.0, batch, scores)
    assert [batch.found.text[a:b] for a, b in zip(found.start, found.end, strict=True)] == ["价格高", "交期长"]
    assert found.is_likely.tolist() == [True, True]
    assert [(note, batch.found.text[start:end]) for note, start, end in answers.places()] == [(1, "交期")]
    assert answers.is_likely.tolist() == [True]
    assert answers.margins[0].tolist() == [3.0, 3.0, 3.0, -9.0, -9.0, -9.0, 3.0], "those of answers, not of concerns"
    found, _ = read_twice(1.0, 0.0, batch, scores)
    assert found.is_likely.tolist() == [True, False]
    assert found.note.tolist() == [0, 0]
    inside, begin, nothing = [2.0, 1.5], 2.0, -9.0
    margins = found.margins[0].tolist()
    assert margins[:3] == [np.mean(inside), min(inside), begin]
    assert margins[3] == nothing, "before it lies the edge of the note"
    assert margins[5:] == [-9.0, sum(inside)]


def test_what_is_joined_over_punctuation_is_offered_in_pieces() -> None:
    batch = READER.read(["高", "价格高，交期长，高 长"])
    scores = np.full((len(batch.found.tokens), 5), -9.0)
    whole = slice(2, 11)
    scores[whole, 2], scores[2, 1] = 3.0, 4.0
    found, _ = read_twice(0.0, 0.0, batch, scores)
    offered = [batch.found.text[a:b] for a, b in zip(found.start, found.end, strict=True)]
    assert dict(zip(offered, found.is_likely.tolist(), strict=True)) == {
        "价格高": False,
        "价格高,交期长": False,
        "价格高,交期长,高 长": True,
        "交期长": False,
        "交期长,高": False,
        "高": False,
        "高 长": False,
        "长": False,
    }
    assert set(found.note.tolist()) == {1}


@given(st.lists(st.text("价高，。 \n", max_size=12), min_size=1, max_size=4), st.data())
def test_pieces_lie_between_clause_punctuation(notes: list[str], data: st.DataObject) -> None:
    batch = READER.read(notes)
    n = len(batch.found.tokens)
    first = data.draw(st.integers(0, n - 1))
    after = data.draw(st.integers(first + 1, n))
    longest, most = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
    row, begins, ends = pieces(batch, np.array([first]), np.array([after]), longest, most)
    filler = np.append(batch.is_filler, True)
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        inside = filler[begin:end]
        assert (inside[0], inside[-1]) == (False, False)
        assert (filler[begin - 1], filler[end]) == (True, True), "it is whole; before the first token stands the last"
        assert 1 + (np.diff(inside.astype(int)) == 1).sum() <= longest
        assert max(begin, int(first)) < min(end, int(after)) or longest > 1, "it touches the stretch"
    assert set(row.tolist()) == ({0} if not filler[first:after].all() else set())


def test_nothing_is_offered_where_nothing_is_found() -> None:
    batch = READER.read(["价格高", ""])
    scores = np.full((len(batch.found.tokens), 5), -9.0)
    found, answers = read_twice(1.0, 0.0, batch, scores)
    assert (len(found), len(answers)) == (0, 0)
    assert found.margins.shape == (0, 7)


@st.composite
def offers(draw: st.DrawFn) -> tuple[Candidates, np.ndarray, float]:
    spans = draw(st.sets(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=20))
    places = sorted((0, start, start + size) for start, size in spans)
    values = draw(st.lists(st.floats(0, 1), min_size=len(places), max_size=len(places)))
    return candidates(*places), np.array(values), draw(st.floats(0, 1))


@given(offers())
def test_the_likeliest_are_kept_apart(case: tuple[Candidates, np.ndarray, float]) -> None:
    every, probability, least = case
    kept = apart(every, probability, least).tolist()
    assert kept == sorted(kept)
    ends = every.end[kept].tolist()
    assert all(end <= start for end, start in zip(ends, every.start[kept].tolist()[1:], strict=False))
    for index in range(len(every)):
        over = [k for k in kept if every.start[k] < every.end[index] and every.start[index] < every.end[k]]
        if index in kept:
            assert probability[index] >= least
        elif probability[index] >= least:
            assert any(probability[k] >= probability[index] for k in over), "dropped for one no less likely"


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 5)), max_size=8), offers())
def test_answers_over_a_concern_are_dropped(
    spans: list[tuple[int, int]], case: tuple[Candidates, np.ndarray, float]
) -> None:
    every, probability, least = case
    kept = every.chosen(apart(every, probability, least))
    answers = candidates(*((0, start, start + size) for start, size in sorted(set(spans))))
    left = without_overlaps(answers, kept.start, kept.end).places()
    for one in answers.places():
        free = all(one[2] <= a or one[1] >= b for a, b in zip(kept.start, kept.end, strict=True))
        assert (one in left) == free


def test_what_is_read_of_a_candidate_does_not_depend_on_other_notes() -> None:
    notes = ["价格高，交期长", "交期长", "价格高。"]
    places = [[(0, 0, 3), (0, 4, 7)], [(0, 0, 3)], [(0, 0, 3)]]
    topics = np.linspace(-2, 2, 48).reshape(4, 12)
    nothing = sparse.csr_array((4, N_BUCKETS), dtype=np.float32)

    def rows(read: list[str], offered: Candidates, scores: np.ndarray) -> list[object]:
        found = candidate_inputs(READER.read(read), offered, nothing[: len(offered)], scores)
        found.sort_indices()
        return [(found[[row]].indices.tolist(), found[[row]].data.tolist()) for row in range(len(offered))]

    batch = READER.read(notes)
    together = joined(
        [
            candidates(*((note, a + int(at), b + int(at)) for _, a, b in own))
            for note, (own, at) in enumerate(zip(places, batch.found.note_start, strict=False))
        ]
    )
    alone, row = [], 0
    for note, own in zip(notes, places, strict=True):
        alone += rows([note], candidates(*own), topics[row : row + len(own)])
        row += len(own)
    assert rows(notes, together, topics) == alone


def test_what_stands_beside_a_candidate_counts() -> None:
    one = candidates((0, 0, 3))
    nothing = sparse.csr_array((1, N_BUCKETS), dtype=np.float32)
    texts = ("价格高，交期长", "价格高？交期长", "价格高")
    read = [set(candidate_inputs(READER.read([text]), one, nothing).indices.tolist()) for text in texts]
    assert len(read[0] - read[1]) == 2, "the character after it, alone and with the one before"
    assert read[2] not in read[:2]


@pytest.mark.parametrize("changed", ["is_likely", "margins"])
def test_every_fact_counts(changed: str) -> None:
    batch = READER.read(["价格高，交期长"])
    one = candidates((0, 0, 3))
    other = Candidates(one.note, one.start, one.end, ~one.is_likely, one.margins)
    if changed == "margins":
        other = Candidates(one.note, one.start, one.end, one.is_likely, one.margins + 1.0)
    nothing = sparse.csr_array((1, N_BUCKETS), dtype=np.float32)
    found = [candidate_inputs(batch, offered, nothing, np.zeros((1, 12))).indices.tolist() for offered in (one, other)]
    shared = set(found[0]) & set(found[1])
    assert len(found[0]) - len(shared) == (1 if changed == "is_likely" else 7)
    assert CONCERN == 0
