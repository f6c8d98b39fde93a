"""Linear models over counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from analyzer.features import Events
from analyzer.linear import Linear, blocks, fit_one_vs_rest, lean, relative, scaled, softmax

SCORES = hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(2, 6)), elements=st.floats(-30, 30))


@pytest.mark.parametrize("probabilities", [softmax, relative])
@given(scores=SCORES)
def test_probabilities_sum_to_one_in_the_order_of_the_scores(probabilities, scores) -> None:  # type: ignore[no-untyped-def]
    found = probabilities(scores)
    assert found.shape == scores.shape
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)
    by_score = np.take_along_axis(found, np.argsort(scores, axis=1, kind="stable"), axis=1)
    assert (np.diff(by_score, axis=1) >= -1e-12).all()


def test_softmax_of_known_scores() -> None:
    np.testing.assert_allclose(softmax(np.log([[1.0, 2.0, 5.0]])), [[0.125, 0.25, 0.625]])
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0]])), [[0.5, 0.5]])


def test_relative_of_known_odds() -> None:
    # Odds of 1:1 and 1:3 are probabilities of 1/2 and 1/4, of which the first is two thirds.
    np.testing.assert_allclose(relative(np.log([[1.0, 1 / 3]])), [[2 / 3, 1 / 3]])


def test_scaled_rows_have_length_one_and_empty_rows_stay_empty() -> None:
    counts = sparse.csr_array(np.array([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=np.float32))
    found = scaled(counts).toarray()
    assert found.dtype == np.float32
    first = np.log1p([3.0, 0.0, 4.0])
    np.testing.assert_allclose(found, [first / np.linalg.norm(first), [0, 0, 0], [0, 1, 0]], rtol=1e-6)
    assert counts.toarray()[0, 0] == 3.0, "the counts are left as they were"


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 9)), max_size=40))
def test_blocks_are_the_sum_of_blocks_scaled_one_by_one(entries: list[tuple[int, int, int]]) -> None:
    weights = (1.0, 0.5)
    events = [
        Events(*(np.array([entry[at] for entry in entries if entry[0] == block], dtype=np.int64) for at in (1, 2)))
        for block in range(2)
    ]
    found = blocks(list(zip(weights, events, strict=True)), 4)
    expected = sum(w * scaled(one.matrix(4)).toarray() for w, one in zip(weights, events, strict=True))
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)


def test_a_class_that_is_all_or_nothing_needs_no_fit() -> None:
    X = sparse.csr_array(np.eye(3, dtype=np.float32))
    model = fit_one_vs_rest(X, np.zeros(3, dtype=np.int64), 2, C=1.0, seed=0)
    assert model.decision(X).tolist() == [[10.0, -10.0]] * 3


def test_decision_is_product_and_bias() -> None:
    model = Linear(np.array([[1, 2], [3, 4]], dtype=np.float32), np.array([10, 20], dtype=np.float32))
    X = sparse.csr_array(np.array([[1, 1], [0, 2], [0, 0]], dtype=np.float32))
    assert model.decision(X).tolist() == [[14, 26], [16, 28], [10, 20]]


def separable(n: int = 120) -> tuple[sparse.csr_array, np.ndarray]:
    rng = np.random.default_rng(7)
    y = rng.integers(0, 3, n)
    X = rng.normal(0, 0.3, (n, 6))
    X[np.arange(n), y] += 3.0
    return sparse.csr_array(X.astype(np.float32)), y


def test_recovers_a_separable_problem_and_repeats_exactly() -> None:
    X, y = separable()
    one, other = (fit_one_vs_rest(X, y, 3, C=1.0, seed=5) for _ in range(2))
    assert (one.decision(X).argmax(axis=1) == y).all()
    assert one.weights.tobytes() == other.weights.tobytes()
    assert one.bias.tobytes() == other.bias.tobytes()
    assert one.weights.shape == (6, 3)
    assert one.weights.dtype == one.bias.dtype == np.float32


def test_a_class_without_examples_is_never_chosen() -> None:
    X, y = separable()
    model = fit_one_vs_rest(X, np.where(y == 2, 4, y), 5, C=1.0, seed=0)
    found = model.decision(X)
    assert set(found.argmax(axis=1).tolist()) == {0, 1, 4}
    assert (found[:, 2:4] == -10).all()


def test_sample_weights_count() -> None:
    X = sparse.csr_array(np.ones((4, 1), dtype=np.float32))
    y = np.array([0, 0, 0, 1])
    heavy = fit_one_vs_rest(X, y, 2, C=10.0, seed=0, sample_weight=np.array([1.0, 1.0, 1.0, 9.0])).decision(X)
    plain = fit_one_vs_rest(X, y, 2, C=10.0, seed=0).decision(X)
    assert plain.argmax(axis=1).tolist() == [0, 0, 0, 0]
    assert heavy.argmax(axis=1).tolist() == [1, 1, 1, 1]


def test_lean_weights_are_near_and_stay_as_they_are() -> None:
    weights = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    kept = lean(weights)
    large = np.abs(weights) >= 0.011
    assert np.abs(kept[large] / weights[large] - 1).max() <= 2.0**-5 + 2.0**-10
    assert (kept[np.abs(weights) < 0.0099] == 0).all()
    assert np.array_equal(lean(kept), kept)
    assert np.array_equal(kept.astype(np.float16).astype(np.float32), kept)
