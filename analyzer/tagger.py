"""Finds spans by labelling tokens: a linear-chain conditional random field, applied to whole batches.

Features are hashed into a table of weights, so scoring a token is a look-up, and the Viterbi step runs over all
sequences of a batch at once. Model: Lafferty, McCallum and Pereira, "Conditional Random Fields" (ICML 2001).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzer.features import Batch
from analyzer.linear import FloatArray, Weights
from analyzer.segmenter import IntArray

_SENTENCE_ENDS = [ord(char) for char in "。!?;\n"]
_LONGEST = 400  # a sentence without an end is cut here, so that the cost stays linear in its length


@dataclass(frozen=True, slots=True)
class Sequences:
    """Sequences of tokens laid out step by step, longest first.

    ``steps[t]`` holds the token numbers at step ``t`` of all sequences longer than ``t``; sequence ``k`` keeps its
    place ``k`` in every step.
    """

    steps: tuple[IntArray, ...]

    @classmethod
    def from_starts(cls, starts: IntArray, n_tokens: int) -> Sequences:
        """Lay out the sequences that begin at the tokens ``starts`` (ascending, the first is 0)."""
        lengths = np.diff(np.append(starts, n_tokens))
        order = np.argsort(-lengths, kind="stable")
        starts, lengths = starts[order], lengths[order]
        longest = int(lengths[0]) if len(lengths) else 0
        active = np.searchsorted(-lengths, -np.arange(longest), side="left")
        return cls(tuple(starts[:count] + step for step, count in enumerate(active.tolist())))


def viterbi(emissions: FloatArray, transitions: FloatArray, sequences: Sequences) -> IntArray:
    """Return the best label of each token.

    Args:
        emissions: score of each label at each token, shape (tokens, labels).
        transitions: score of a label after another, shape (labels + 1, labels); the last row is the start.
        sequences: layout of the tokens.
    """
    n_labels = emissions.shape[1]
    out = np.zeros(len(emissions), dtype=np.int64)
    if not sequences.steps:
        return out
    by_label = np.ascontiguousarray(emissions.T)  # a row a label: long sums over the sequences of a step
    between = transitions[:n_labels]
    best = [by_label[:, sequences.steps[0]] + transitions[n_labels][:, None]]
    for tokens in sequences.steps[1:]:
        before = best[-1][:, : len(tokens)]
        value = before[0] + between[0][:, None]
        for label in range(1, n_labels):
            np.maximum(value, before[label] + between[label][:, None], out=value)
        best.append(value + by_label[:, tokens])
    label_at = np.zeros(0, dtype=np.int64)
    for tokens, value in zip(reversed(sequences.steps), reversed(best), strict=True):
        going_on = len(label_at)
        source = (value[:, :going_on] + between[:, label_at]).argmax(axis=0)
        label_at = np.concatenate([source, value[:, going_on:].argmax(axis=0)])
        out[tokens] = label_at
    return out


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """A stretch of tokens under one label: ``found.text[start:end]`` in the note ``note``."""

    note: int
    start: int
    end: int
    label: int


@dataclass(frozen=True, slots=True)
class Tagger:
    """A fitted tagger. Label 0 is outside, ``2k + 1`` begins a span of kind ``k`` and ``2k + 2`` goes on with it.

    Attributes:
        weights: shape (buckets, labels).
        transitions: shape (labels + 1, labels); the last row is the start of a sentence.
        outside_bias: added to the score of label 0: below zero it finds more spans, fewer of them right.
    """

    weights: Weights
    transitions: FloatArray
    outside_bias: float

    def tag(self, batch: Batch, scores: FloatArray, sequences: Sequences) -> list[TaggedSpan]:
        """Return the spans in ``batch``, in order.

        Args:
            batch: the notes.
            scores: product of the token features and ``weights``, shape (tokens, labels).
            sequences: layout of the tokens.
        """
        return spans_of(self._best(scores, sequences), batch)

    def stretches(self, batch: Batch, scores: FloatArray, sequences: Sequences) -> list[TaggedSpan]:
        """Return the spans of a tagger without labels of beginnings: label ``k + 1`` is inside a span of kind ``k``."""
        return spans_of(2 * self._best(scores, sequences), batch)

    def _best(self, scores: FloatArray, sequences: Sequences) -> IntArray:
        emissions = scores.copy()
        emissions[:, 0] += self.outside_bias
        return viterbi(emissions, self.transitions, sequences)


def side_by_side(left: Weights, right: Weights) -> Weights:
    """Return two tables of weights as one, not copied where they are the columns of one already."""
    whole = left.base
    if isinstance(whole, np.ndarray) and whole.shape == (len(left), left.shape[1] + right.shape[1]):
        parts = ((left, whole[:, : left.shape[1]]), (right, whole[:, left.shape[1] :]))
        if all(own.__array_interface__["data"] == part.__array_interface__["data"] for own, part in parts):
            return whole
    return np.hstack([left, right])


def sentences(batch: Batch) -> Sequences:
    """Lay out the sentences of ``batch`` for tagging."""
    return Sequences.from_starts(sentence_starts(batch), len(batch.found.tokens))


def sentence_starts(batch: Batch) -> IntArray:
    """Return the first token of each sentence; tagging does not look across sentences."""
    found = batch.found
    n = len(found.tokens)
    ends = np.isin(batch.codes[found.token_start[:-1]], _SENTENCE_ENDS)
    starts = np.ones(n, dtype=bool)
    starts[1:] = ends[:-1] | (found.token_note[1:] != found.token_note[:-1])
    first = np.flatnonzero(starts)
    sizes = np.diff(np.append(first, n))
    if n and sizes.max() > _LONGEST:
        first = np.concatenate([np.arange(a, a + size, _LONGEST) for a, size in zip(first, sizes, strict=True)])
    return first


def spans_of(labels: IntArray, batch: Batch) -> list[TaggedSpan]:
    """Return the spans that ``labels`` mark, without blanks and clause punctuation at either end."""
    found = batch.found
    inside = (labels > 0) & (labels % 2 == 0)
    goes_on = np.zeros(len(labels), dtype=bool)
    goes_on[1:] = inside[1:] & ((labels[1:] - labels[:-1] == 1) | (labels[1:] == labels[:-1]))
    goes_on[1:] &= (labels[:-1] > 0) & (found.token_note[1:] == found.token_note[:-1])
    begins = np.flatnonzero((labels > 0) & ~goes_on)
    ends = np.flatnonzero((labels > 0) & ~np.append(goes_on[1:], False)) + 1
    words = np.append(0, np.cumsum(batch.is_word))
    kept = words[ends] > words[begins]
    begins, ends = begins[kept], ends[kept]
    solid = np.flatnonzero(~batch.is_filler)
    first = solid[np.searchsorted(solid, begins)]
    last = solid[np.searchsorted(solid, ends) - 1]
    columns = (
        found.token_note[begins],
        found.token_start[first],
        found.token_start[last + 1],
        (labels[begins] - 1) // 2,
    )
    return [TaggedSpan(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]
