"""The outcome of a note, and the clauses that decide it.

Two linear models read the same clause features: one judges the whole note, the other each clause with its
neighbours (does it decide, and for what?), trained on the annotated evidence. A tagger trained on that evidence reads
the tokens in their order. A small model combines what the three say. Trained on out-of-fold predictions, it also sets
the probabilities right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from analyzer.features import Batch, Events, clause_events, note_tokens
from analyzer.linear import FloatArray, Linear, probability, relative, scaled, softmax
from analyzer.records import Outcome
from analyzer.segmenter import IntArray

OUTCOMES = tuple(Outcome)
IS_SUCCESS = np.array([outcome.success for outcome in OUTCOMES])
NONE = len(OUTCOMES)  # class of a clause that decides nothing
N_EVIDENCE_LABELS = NONE + 1  # of the evidence tagger: 0 is outside, 1 + k inside evidence of outcome k
N_EVIDENCE_SIGNALS = 4 * NONE  # see evidence_signals
N_SIGNALS = 6 * NONE + N_EVIDENCE_SIGNALS  # what the combination reads of a note: note_signals, evidence_signals
_LOWEST = 1e-3  # probabilities below this say nothing more
PROBABILITY_DIGITS = 6
_NEIGHBOUR_SCALE = np.float32(0.5)  # the clauses before and after count half


@dataclass(frozen=True, slots=True)
class OutcomeInputs:
    """What the models read of a batch.

    Attributes:
        notes: scaled counts of each note, shape (notes, buckets).
        clauses: scaled counts of each clause, shape (clauses, buckets).
        before: index of each clause's predecessor in its note, -1 for none.
        after: index of its successor, -1 for none.
        clause_note: index of each clause's note.
        has_words: whether a clause is more than punctuation.
    """

    notes: sparse.csr_array
    clauses: sparse.csr_array
    before: IntArray
    after: IntArray
    clause_note: IntArray
    has_words: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class OutcomePrediction:
    """Findings for a batch.

    Attributes:
        probabilities: shape (notes, outcomes), rows sum to one.
        clause_probabilities: probability that a clause decides for each outcome, or nothing; shape
            (clauses, outcomes + 1).
    """

    probabilities: FloatArray
    clause_probabilities: FloatArray


def outcome_inputs(batch: Batch) -> OutcomeInputs:
    """Return what the outcome models read of ``batch``."""
    found = batch.found
    n_clauses = len(found.clause_note)
    events = clause_events(batch)
    index = np.arange(n_clauses)
    same = np.zeros(n_clauses + 1, dtype=bool)
    same[1:-1] = found.clause_note[1:] == found.clause_note[:-1]
    has_words = np.zeros(n_clauses, dtype=bool)
    has_words[found.token_clause[batch.is_word]] = True
    return OutcomeInputs(
        notes=scaled(Events(found.clause_note[events.rows], events.buckets).matrix(found.n_notes)),
        clauses=scaled(events.matrix(n_clauses)),
        before=np.where(same[:-1], index - 1, -1),
        after=np.where(same[1:], index + 1, -1),
        clause_note=found.clause_note,
        has_words=has_words,
    )


def with_neighbours(inputs: OutcomeInputs) -> sparse.csr_array:
    """Return each clause's features beside those of the clauses before and after, for fitting."""
    parts = [inputs.clauses]
    for neighbour in (inputs.before, inputs.after):
        rows = np.flatnonzero(neighbour >= 0)
        move = sparse.coo_array((np.ones(len(rows), np.float32), (rows, neighbour[rows])), shape=(len(neighbour),) * 2)
        parts.append(_NEIGHBOUR_SCALE * (sparse.csr_array(move) @ inputs.clauses))
    return sparse.csr_array(sparse.hstack(parts))


def side_by_side(fitted: Linear) -> Linear:
    """Bring a model fitted on ``with_neighbours`` into the layout of ``OutcomeModel.clause``.

    The weights of the clause, of the one before and of the one after come to stand beside one another, so that one
    product with a clause's own features yields all three parts.
    """
    n_classes = fitted.weights.shape[1]
    weights = fitted.weights.reshape(3, -1, n_classes).copy()
    weights[1:] *= _NEIGHBOUR_SCALE
    return Linear(np.ascontiguousarray(weights.transpose(1, 0, 2).reshape(-1, 3 * n_classes)), fitted.bias)


@dataclass(frozen=True, slots=True)
class OutcomeModel:
    """The fitted models; the evidence tagger, which reads tokens, stands apart.

    Attributes:
        note: whole-note model, one class an outcome.
        clause: clause model, one class an outcome and one for none; its weights are those of the clause itself,
            of the clause before and of the clause after, side by side (buckets, 3 * classes).
        combine: weights of the combination, shape (signals, outcomes).
        combine_bias: shape (outcomes,).
    """

    note: Linear
    clause: Linear
    combine: FloatArray
    combine_bias: FloatArray

    def predict(self, batch: Batch, evidence: FloatArray) -> OutcomePrediction:
        """Return outcome and clause probabilities for every note of ``batch``.

        Args:
            batch: the notes.
            evidence: scores of the evidence tagger's labels, shape (tokens, ``N_EVIDENCE_LABELS``).
        """
        inputs = outcome_inputs(batch)
        clause = clause_probabilities(self.clause, inputs)
        note = relative(self.note.decision(inputs.notes))
        signals = np.hstack([note_signals(note, clause, inputs), evidence_signals(batch, evidence)])
        scores = np.tile(self.combine_bias, (len(signals), 1))
        for column in range(signals.shape[1]):  # column by column: the same sums for one note as for many
            scores += signals[:, column : column + 1] * self.combine[column]
        return OutcomePrediction(np.round(softmax(scores), PROBABILITY_DIGITS), clause)


def clause_probabilities(model: Linear, inputs: OutcomeInputs) -> FloatArray:
    """Return the probability of each outcome, and of none, for every clause."""
    n_classes = NONE + 1
    parts = np.asarray(inputs.clauses @ model.weights, dtype=np.float64)
    decision = parts[:, :n_classes] + model.bias
    for index, neighbour in enumerate((inputs.before, inputs.after), 1):
        part = parts[:, index * n_classes : (index + 1) * n_classes]
        decision += np.where(neighbour[:, None] >= 0, part[neighbour], 0.0)
    return relative(decision)


def note_signals(note: FloatArray, clause: FloatArray, inputs: OutcomeInputs) -> FloatArray:
    """Return what the combination reads of each note, shape (notes, signals).

    For each outcome: the note model's log probability; then, over the clauses, the strongest and second strongest
    vote against none, the logarithm of the summed votes, the last clause's vote, and the mean log probability.
    """
    n_notes, n_outcomes = note.shape
    kept = np.flatnonzero(inputs.has_words)
    of = inputs.clause_note[kept]
    log = np.log(np.maximum(clause[kept], _LOWEST))
    votes = log[:, :NONE] - log[:, NONE:]
    some, begin, count = np.unique(of, return_index=True, return_counts=True)
    blocks = [np.log(np.maximum(note, _LOWEST)), *(np.zeros((n_notes, n_outcomes)) for _ in range(5))]
    if len(kept):
        end = begin + count
        blocks[1][some] = np.maximum.reduceat(votes, begin)
        for label in range(n_outcomes):
            order = np.lexsort((votes[:, label], of))
            blocks[2][some, label] = np.where(count > 1, votes[order[np.maximum(end - 2, 0)], label], _FEW)
        blocks[3][some] = np.log(np.add.reduceat(clause[kept][:, :NONE], begin) + _LOWEST)
        blocks[4][some] = log[end - 1, :NONE]
        blocks[5][some] = np.add.reduceat(log[:, :NONE], begin) / count[:, None]
    return np.hstack(blocks)


def evidence_signals(batch: Batch, evidence: FloatArray) -> FloatArray:
    """Return what the combination reads of the evidence tagger, shape (notes, signals).

    For each outcome: the highest score of a token against outside and the logarithm of the summed odds, each outcome
    by itself; then the logarithms of the summed and of the highest probability, the outcomes side by side.

    Args:
        batch: the notes.
        evidence: scores of the tagger's labels, shape (tokens, ``N_EVIDENCE_LABELS``).
    """
    first = note_tokens(batch)[:-1]
    votes = evidence[:, 1:] - evidence[:, :1]
    odds = probability(votes)
    shares = np.exp(votes)
    shares /= 1.0 + shares.sum(axis=1, keepdims=True)
    return np.hstack([
        np.maximum.reduceat(votes, first),
        np.log(np.add.reduceat(odds, first) + _LOWEST),
        np.log(np.add.reduceat(shares, first) + 10 * _LOWEST),
        np.log(np.maximum.reduceat(shares, first) + _LOWEST),
    ])  # fmt: skip


_FEW = -6.0  # vote of the second clause where there is only one
