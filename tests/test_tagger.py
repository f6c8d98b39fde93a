from __future__ import annotations

import itertools

import numpy as np
import pytest

from analyzer.features import Batch, Reader, token_features
from analyzer.lexicon import Lexicon
from analyzer.segmenter import Segmenter
from analyzer.tagger import Sequences, best_labels, marked, sentence_starts, sentences, side_by_side, viterbi
from analyzer.tagger_training import fit_tagger, log_likelihood

N = 3


def read(*notes: str) -> Batch:
    return Reader([], Lexicon({"价格": ["topic_price"]}), Segmenter()).read(list(notes))


def paths(emissions: np.ndarray, transitions: np.ndarray, start: int, end: int) -> dict[tuple[int, ...], float]:
    """The score of every labelling of a sequence."""
    out = {}
    for labels in itertools.product(range(N), repeat=end - start):
        score = transitions[N, labels[0]] + sum(emissions[start + i, label] for i, label in enumerate(labels))
        out[labels] = score + sum(transitions[a, b] for a, b in itertools.pairwise(labels))
    return out


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("starts", [[0], [0, 4, 5], [0, 1, 2, 6], [0, 3]])
def test_viterbi_and_likelihood_equal_enumeration(seed: int, starts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    emissions, transitions = rng.normal(size=(8, N)), rng.normal(size=(N + 1, N))
    gold = rng.integers(0, N, 8)
    layout = Sequences.from_starts(np.array(starts), 8)
    others = rng.normal(size=(8, N)), rng.normal(size=(N + 1, N))
    together = viterbi(np.stack([others[0], emissions]), np.stack([others[1], transitions]), layout)
    assert np.array_equal(together[0], viterbi(others[0][None], others[1][None], layout)[0])
    best, likelihood = together[1], 0.0
    for start, end in itertools.pairwise([*starts, 8]):
        scores = paths(emissions, transitions, start, end)
        assert tuple(best[start:end]) == max(scores, key=scores.__getitem__)
        likelihood += scores[tuple(gold[start:end])] - np.logaddexp.reduce(list(scores.values()))
    assert log_likelihood(emissions, transitions, layout, gold)[0] == pytest.approx(likelihood)


def test_gradients_equal_finite_differences() -> None:
    rng = np.random.default_rng(1)
    emissions, transitions = rng.normal(size=(7, N)), rng.normal(size=(N + 1, N))
    gold, layout = rng.integers(0, N, 7), Sequences.from_starts(np.array([0, 2, 3]), 7)
    _, in_emissions, in_transitions = log_likelihood(emissions, transitions, layout, gold)
    for array, gradient in ((emissions, in_emissions), (transitions, in_transitions)):
        for place in np.ndindex(array.shape):
            values = []
            for step in (1e-5, -2e-5):
                array[place] += step
                values.append(log_likelihood(emissions, transitions, layout, gold)[0])
            array[place] += 1e-5
            assert gradient[place] == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-4)


def test_no_sequences() -> None:
    layout = Sequences.from_starts(np.array([], dtype=np.int64), 0)
    assert viterbi(np.zeros((2, 0, N)), np.zeros((2, N + 1, N)), layout).shape == (2, 0)


def test_a_learnable_pattern_is_learnt() -> None:
    batch = read(*[f"客户嫌{word}高，没定。再说" for word in ("价格", "单价", "总价", "报价")] * 5)
    labels = np.array([1 if token.endswith("价") or token == "价格" else 0 for token in batch.found.tokens])
    features = token_features(batch)
    tagger = fit_tagger(batch, features.matrix(), labels, N, outside_bias=0.0, l2=0.01, passes=20, seed=0)
    (best,) = best_labels([tagger], [features.scores(tagger.weights)], sentences(batch))
    assert [text for _, text, _ in spans(batch, best.tolist())] == ["价格", "单价", "总价", "报价"] * 5
    again = fit_tagger(batch, features.matrix(), labels, N, outside_bias=0.0, l2=0.01, passes=20, seed=0)
    assert np.array_equal(tagger.weights, again.weights)


def spans(batch: Batch, labels: list[int]) -> list[tuple[int, str, int]]:
    columns = (column.tolist() for column in marked(np.array(labels), batch))
    return [(note, batch.found.text[start:end], kind) for note, start, end, kind in zip(*columns, strict=True)]


def test_spans_that_labels_mark() -> None:
    batch = read("价格，高", "价格高")
    assert batch.found.tokens == ["价格", ",", "高", "\n", "价格", "高", "\n"]
    assert spans(batch, [1, 2, 2, 0, 0, 0, 0]) == [(0, "价格,高", 0)]
    assert spans(batch, [1, 1, 3, 0, 0, 0, 0]) == [(0, "价格", 0), (0, "高", 1)]  # punctuation alone is no span
    assert spans(batch, [0, 0, 2, 0, 4, 4, 0]) == [(0, "高", 0), (1, "价格高", 1)]  # a span without a beginning
    assert spans(batch, [1, 2, 2, 2, 2, 2, 2]) == [(0, "价格,高", 0), (1, "价格高", 0)]  # never across notes
    assert spans(batch, [1, 4, 4, 0, 0, 0, 0]) == [(0, "价格", 0), (0, "高", 1)]  # another kind is another span
    assert spans(batch, [0] * 7) == []


def test_long_sentences_are_cut() -> None:
    batch = read("价格高" * 1000, "好。坏")
    starts = sentence_starts(batch)
    assert np.diff(starts).max() <= 400
    assert batch.found.tokens[starts[-1]] == "坏"


def test_tables_side_by_side_are_copied_only_where_they_must() -> None:
    whole = np.arange(12, dtype=np.float32).reshape(3, 4).copy()
    assert side_by_side(whole[:, :1], whole[:, 1:]) is whole
    for left, right in (
        (whole[:, 1:], whole[:, :1]),
        (whole[:, :1].copy(), whole[:, 1:]),
        (whole[:, :2], whole[:, :2]),
    ):
        joined = side_by_side(left, right)
        assert joined is not whole
        assert np.array_equal(joined, np.hstack([left, right]))
