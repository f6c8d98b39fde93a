"""Fits the tagger: regularised maximum likelihood by AdaGrad over small batches of sentences.

AdaGrad: Duchi, Hazan and Singer (JMLR 2011). With the mean of the weights over the second half of the passes it
reached the F1 of 80 steps of L-BFGS in a third of the time, with a better balance of precision and recall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analyzer.features import Batch, spread
from analyzer.linear import FloatArray, lean
from analyzer.segmenter import BoolArray, IntArray
from analyzer.tagger import Sequences, Tagger, sentence_starts

_BATCHES = 100  # a pass
_RATE = 0.1
_START = 0.1  # first value of the summed squares: smaller makes the first steps larger


def fit_tagger(
    batch: Batch,
    tokens: sparse.csr_array,
    labels: IntArray,
    n_labels: int,
    *,
    outside_bias: float,
    l2: float,
    passes: int,
    seed: int,
    chosen: BoolArray | None = None,
) -> Tagger:
    """Fit a tagger.

    Args:
        batch: the notes.
        tokens: their token features, shape (tokens, rows of the weights table).
        labels: label of each token.
        n_labels: number of labels.
        outside_bias: see ``Tagger``.
        l2: weight of the squared norm; larger is smoother.
        passes: passes over the notes; stopping early smooths as well.
        seed: which sentences are learnt from together, and in which order.
        chosen: whether to learn from a note, shape (notes,); from all where not given.
    """
    starts = sentence_starts(batch)
    ends = np.append(starts[1:], len(labels))
    if chosen is not None:
        of_chosen = chosen[batch.found.token_note[starts]]
        starts, ends = starts[of_chosen], ends[of_chosen]
    rng = np.random.default_rng(seed)
    steps, used = _steps(tokens, labels, starts, ends, rng)
    weights = np.zeros((len(used), n_labels), dtype=np.float32)
    squares = np.full_like(weights, _START)
    transitions = np.zeros((n_labels + 1, n_labels))
    transition_squares = np.full_like(transitions, _START)
    mean_weights, mean_transitions = np.zeros(weights.shape), np.zeros_like(transitions)
    decay = l2 / _BATCHES
    averaged_from = passes // 2
    for turn in range(passes):
        for index in rng.permutation(len(steps)).tolist():
            one = steps[index]
            own = weights[one.columns]
            emissions = np.asarray(one.features @ own, dtype=np.float64)
            _, in_emissions, in_transitions = log_likelihood(emissions, transitions, one.layout, one.gold)
            change = one.features_by_column @ in_emissions.astype(np.float32)
            change -= np.float32(decay) * own
            squares[one.columns] += change * change
            weights[one.columns] += np.float32(_RATE) * change / np.sqrt(squares[one.columns])
            in_transitions -= decay * transitions
            transition_squares += in_transitions**2
            transitions += _RATE * in_transitions / np.sqrt(transition_squares)
        if turn >= averaged_from:
            mean_weights += weights
            mean_transitions += transitions
    count = max(1, passes - averaged_from)
    table = np.zeros((tokens.shape[1], n_labels), dtype=np.float32)
    table[used] = lean((mean_weights / count).astype(np.float32))
    return Tagger(table, mean_transitions / count, outside_bias)


@dataclass(frozen=True, slots=True)
class _Step:
    """What one step of the fit reads: some sentences, with the features that occur in them alone.

    Attributes:
        features: shape (tokens, columns).
        features_by_column: the same, transposed.
        columns: which of the features in use they are.
        layout: the sentences.
        gold: label of each token.
    """

    features: sparse.csr_array
    features_by_column: sparse.csr_array
    columns: IntArray
    layout: Sequences
    gold: IntArray


def _steps(
    tokens: sparse.csr_array, labels: IntArray, starts: IntArray, ends: IntArray, rng: np.random.Generator
) -> tuple[list[_Step], IntArray]:
    """Return the steps of a pass, made once for all passes, and the features in use.

    A feature that is seen once is left out: it can only be learnt by heart.
    """
    every, _ = spread(starts, ends)
    used = np.flatnonzero(np.bincount(tokens[every].indices, minlength=tokens.shape[1]) > 1)
    X = sparse.csr_array(tokens[:, used])
    out = []
    for chosen in np.array_split(rng.permutation(len(starts)), min(_BATCHES, max(1, len(starts)))):
        token, _ = spread(starts[chosen], ends[chosen])
        part = X[token]
        columns, local = np.unique(part.indices, return_inverse=True)
        features = sparse.csr_array((part.data, local.astype(np.int32), part.indptr), shape=(len(token), len(columns)))
        sizes = ends[chosen] - starts[chosen]
        layout = Sequences.from_starts(np.cumsum(sizes) - sizes, len(token))
        out.append(_Step(features, sparse.csr_array(features.T), columns, layout, labels[token]))
    return out, used


def log_likelihood(
    emissions: FloatArray, transitions: FloatArray, sequences: Sequences, gold: IntArray
) -> tuple[float, FloatArray, FloatArray]:
    """Return the log likelihood of the labels ``gold`` and its gradients in emissions and transitions.

    Forward and backward sums run over all sequences of a step at once, scaled to 1 at every step.
    """
    n_labels = emissions.shape[1]
    shifted = np.exp(emissions - emissions.max(axis=1, keepdims=True))
    weight = np.exp(transitions[:n_labels])
    start = np.exp(transitions[n_labels])
    forward = np.zeros_like(emissions)
    scale = np.ones(len(emissions))
    for step, tokens in enumerate(sequences.steps):
        value = shifted[tokens]
        value = value * start if step == 0 else value * (forward[sequences.steps[step - 1][: len(tokens)]] @ weight)
        scale[tokens] = value.sum(axis=1)
        forward[tokens] = value / scale[tokens, None]
    likelihood = -float(np.log(scale).sum() + emissions.max(axis=1).sum())
    backward = np.ones_like(emissions)
    grad_transitions = np.zeros_like(transitions)
    for step in range(len(sequences.steps) - 1, 0, -1):
        tokens, before = sequences.steps[step], sequences.steps[step - 1][: len(sequences.steps[step])]
        inward = shifted[tokens] * backward[tokens] / scale[tokens, None]
        backward[before] = inward @ weight.T
        grad_transitions[:n_labels] -= weight * (forward[before].T @ inward)
        likelihood += float(transitions[gold[before], gold[tokens]].sum())
        np.add.at(grad_transitions, (gold[before], gold[tokens]), 1.0)
    marginals = forward * backward
    grad_emissions = -marginals
    grad_emissions[np.arange(len(gold)), gold] += 1.0
    if sequences.steps:
        first = sequences.steps[0]
        likelihood += float(transitions[n_labels, gold[first]].sum())
        np.add.at(grad_transitions[n_labels], gold[first], 1.0)
        grad_transitions[n_labels] -= marginals[first].sum(axis=0)
    likelihood += float(emissions[np.arange(len(gold)), gold].sum())
    return likelihood, grad_emissions, grad_transitions
