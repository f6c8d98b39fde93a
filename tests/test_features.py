"""Features of a note do not depend on what stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from analyzer.corpus import read_corpus
from analyzer.features import (
    N_BUCKETS,
    Batch,
    Events,
    Reader,
    bucket,
    clause_events,
    context_events,
    n_token_rows,
    span_events,
    token_features,
    vocabulary_of,
)
from analyzer.lexicon import Lexicon, read_lexicons
from analyzer.segmenter import Segmenter

NOTES = [
    "",
    "\n",
    "  \t",
    "。。。",
    "客户同意下周三看演示，价格再谈。",
    "客户嫌贵\r\n\r\n要对比竞品；没预算 下半年再看",
    "😀😀𠮷",
    "1.5万",
    "客户",
    "，客户",
    "簽約ＯＫ！\n",
    "\ud800",
]


WEIGHTS = np.random.default_rng(0).normal(size=(N_BUCKETS, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def reader() -> Reader:
    notes = [example.note for example in read_corpus(ROOT / "data" / "corpus")[::50]]
    segmenter = Segmenter()
    lexicon = Lexicon(read_lexicons(ROOT / "data" / "lexicons"))
    return Reader(vocabulary_of(segmenter, notes, 2), lexicon, segmenter)


def rows_equal(one: sparse.csr_array, other: sparse.csr_array) -> bool:
    """Tell whether two matrices hold the same numbers in the same order of storage."""
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("indptr", "indices", "data"))


def note_spans(batch: Batch, note: int) -> tuple[np.ndarray, np.ndarray]:
    """Return some spans of a note: every token, every pair of tokens, and the whole note."""
    own = np.flatnonzero(batch.found.token_note == note)
    start, end = batch.found.token_start[own], batch.found.token_start[own + 1]
    return (
        np.concatenate([start, start[:-1], start[:1]]),
        np.concatenate([end, end[1:], end[-1:]]),
    )


def check_notes_are_read_alone(reader: Reader, notes: list[str]) -> None:
    batch = reader.read(notes)
    found = batch.found
    clauses = clause_events(batch).matrix(len(found.clause_note))
    tokens = token_features(batch).matrix()
    for index, note in enumerate(notes):
        alone = reader.read([note])
        own_clauses = np.flatnonzero(found.clause_note == index)
        own_tokens = np.flatnonzero(found.token_note == index)
        assert rows_equal(clauses[own_clauses], clause_events(alone).matrix(len(alone.found.clause_note)))
        assert rows_equal(tokens[own_tokens], token_features(alone).matrix())
        spans, spans_alone = note_spans(batch, index), note_spans(alone, 0)
        for events in (span_events, context_events):
            among, apart = events(batch, *spans), events(alone, *spans_alone)
            assert rows_equal(among.matrix(len(spans[0])), apart.matrix(len(spans[0])))


def test_notes_are_read_alone(reader: Reader) -> None:
    examples = [example.note for example in read_corpus(ROOT / "data" / "corpus")[::150]]
    check_notes_are_read_alone(reader, [*NOTES, *examples, *reversed(NOTES)])


@settings(max_examples=40)
@given(st.lists(st.one_of(st.text(st.characters(), max_size=20), st.sampled_from(NOTES)), min_size=1, max_size=5))
def test_any_notes_are_read_alone(reader: Reader, notes: list[str]) -> None:
    check_notes_are_read_alone(reader, notes)


def test_reading_twice_gives_the_same(reader: Reader) -> None:
    other = Reader(reader.vocabulary, Lexicon(reader.lexicon.terms), Segmenter())
    one, two = reader.read(NOTES), other.read(NOTES)
    n_clauses = len(one.found.clause_note)
    assert rows_equal(clause_events(one).matrix(n_clauses), clause_events(two).matrix(n_clauses))
    assert rows_equal(token_features(one).matrix(), token_features(two).matrix())


def test_scores_by_look_up_equal_the_matrix_product(reader: Reader) -> None:
    features = token_features(reader.read(NOTES))
    rows = n_token_rows(len(reader.vocabulary))
    weights = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    assert features.matrix().shape[1] == rows
    assert np.allclose(features.scores(weights), features.matrix() @ weights, atol=1e-3)


def test_events_count_repeats() -> None:
    matrix = Events(np.array([0, 1, 0, 0]), np.array([7, 7, 7, 9])).matrix(3)
    assert matrix.shape == (3, N_BUCKETS)
    rows, columns, values = sparse.find(matrix)
    counts = {
        (row, column): value
        for row, column, value in zip(rows.tolist(), columns.tolist(), values.tolist(), strict=True)
    }
    assert counts == {(0, 7): 2.0, (1, 7): 1.0, (0, 9): 1.0}


def test_buckets_stay_as_they_are() -> None:
    """A saved model is read by bucket numbers: another hash means another format version."""
    parts = np.array([0, 1, 2, 20_000])
    assert bucket(0, parts).tolist() == [211464, 76451, 12647, 251978]
    assert bucket(104, parts, parts[::-1]).tolist() == [85710, 24140, 169971, 138667]
    assert bucket(0, parts, parts[::-1]).tolist() != bucket(0, parts[::-1], parts).tolist(), "order counts"


def test_buckets_are_spread_evenly() -> None:
    buckets = bucket(3, np.arange(N_BUCKETS))
    assert buckets.min() >= 0
    assert buckets.max() < N_BUCKETS
    assert len(np.unique(buckets)) > 0.6 * N_BUCKETS  # at random 1 - 1/e of them are hit


def test_numbers_are_alike_and_unknown_words_are_not_words(reader: Reader) -> None:
    batch = reader.read(["客户要5台，3.5万元", "客户要8台，9.1万元", "龘靐齉"])
    words = [batch.words[batch.found.token_note == note].tolist() for note in range(3)]
    assert words[0] == words[1]
    assert words[0][0] == reader.vocabulary.index("客户") + 3
    assert set(words[2]) == {0}
    clauses = clause_events(batch).matrix(len(batch.found.clause_note))
    first = np.flatnonzero(batch.found.clause_note == 0)
    second = np.flatnonzero(batch.found.clause_note == 1)
    assert rows_equal(clauses[first], clauses[second])


def test_words_punctuation_and_fillers_are_told_apart(reader: Reader) -> None:
    batch = reader.read(["客户(PO)，3 台😀"])
    assert batch.found.tokens == ["客户", "(", "po", ")", ",", "3", " ", "台", "😀", "\n"]
    assert batch.is_word.tolist() == [True, False, True, False, False, True, False, True, False, False]
    assert batch.is_filler.tolist() == [False, False, False, False, True, False, True, False, False, True]


def test_a_clause_without_words_has_no_features(reader: Reader) -> None:
    batch = reader.read(["。；！"])
    assert clause_events(batch).matrix(len(batch.found.clause_note)).nnz == 0


def test_a_span_and_its_surroundings_are_apart(reader: Reader) -> None:
    batch = reader.read(["客户说价格太贵", "我们说价格太贵", "客户说工期太长"])
    starts = batch.found.note_start[:-1] + 3
    inside = span_events(batch, starts, starts + 4).matrix(3)
    around = context_events(batch, starts, starts + 4).matrix(3)
    assert rows_equal(inside[[0]], inside[[1]])
    assert not rows_equal(inside[[0]], inside[[2]])
    assert rows_equal(around[[0]], around[[2]])
    assert not rows_equal(around[[0]], around[[1]])


def test_vocabulary_keeps_frequent_words_alone() -> None:
    notes = ["客户同意，客户", "PO 12 同意", "po 试用"]
    assert vocabulary_of(Segmenter(), notes, 2) == ["po", "同意", "客户"]
    assert vocabulary_of(Segmenter(), notes, 1) == ["po", "同意", "客户", "试用"]
