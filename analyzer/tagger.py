"""Finds spans by labelling tokens: a linear-chain conditional random field, applied to whole batches.

Features are hashed into a table of weights, so scoring a token is a look-up, and the Viterbi step runs over all
sequences of a batch at once. Model: Lafferty, McCallum and Pereira, "Conditional Random Fields" (ICML 2001).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.features import Batch
from analyzer.linear import FloatArray, Weights
from analyzer.segmenter import IntArray

AnyFloats = npt.NDArray[np.floating[Any]]

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


def viterbi(emissions: AnyFloats, transitions: AnyFloats, sequences: Sequences) -> IntArray:
    """Return the best label of each token under each of several models.

    Models are read side by side because a step costs the same for several as for one.

    Args:
        emissions: score of each label at each token, shape (models, tokens, labels).
        transitions: score of a label after another, shape (models, labels + 1, labels); the last row is the start.
        sequences: layout of the tokens.

    Returns:
        Labels, shape (models, tokens).
    """
    n_models, n_tokens, n_labels = emissions.shape
    out = np.zeros((n_models, n_tokens), dtype=np.int64)
    if not sequences.steps:
        return out
    order = np.concatenate(sequences.steps)
    bounds = np.cumsum([0, *map(len, sequences.steps)]).tolist()
    # A row a label, the tokens in the order of the steps: long sums over the sequences of a step. What was the score of
    # a label at a token becomes that of the best path that ends there.
    best = np.ascontiguousarray(emissions[:, order].transpose(0, 2, 1))
    transitions = transitions.astype(best.dtype)
    between = transitions[:, :n_labels, :, None]
    best[:, :, : bounds[1]] += transitions[:, n_labels, :, None]
    memory = np.empty((2, n_models * n_labels * bounds[1]), dtype=best.dtype)  # kept for all steps: large arrays cost
    for start, (begin, end) in zip(bounds, itertools.pairwise(bounds[1:]), strict=False):
        shape = n_models, n_labels, end - begin
        value, other = (part[: math.prod(shape)].reshape(shape) for part in memory)
        before = best[:, :, None, start : start + end - begin]
        np.add(before[:, 0], between[:, 0], out=value)
        for label in range(1, n_labels):
            np.add(before[:, label], between[:, label], out=other)
            np.maximum(value, other, out=value)
        best[:, :, begin:end] += value
    into = np.ascontiguousarray(transitions[:, :n_labels].transpose(0, 2, 1))
    labels = np.zeros((n_models, n_tokens), dtype=np.int64)
    model = np.arange(n_models)[:, None]
    label_at = np.zeros((n_models, 0), dtype=np.int64)
    for begin, end in reversed(list(itertools.pairwise(bounds))):
        value, going_on = best[:, :, begin:end], label_at.shape[1]
        source = (value[:, :, :going_on] + into[model, label_at].transpose(0, 2, 1)).argmax(axis=1)
        label_at = np.concatenate([source, value[:, :, going_on:].argmax(axis=1)], axis=1)
        labels[:, begin:end] = label_at
    out[:, order] = labels
    return out


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


def best_labels(taggers: Sequence[Tagger], scores: Sequence[FloatArray], sequences: Sequences) -> IntArray:
    """Return the label that each of several taggers gives to each token, shape (taggers, tokens).

    Args:
        taggers: with the same number of labels each.
        scores: for each, the product of the token features and its weights, shape (tokens, labels).
        sequences: layout of the tokens.
    """
    emissions = np.stack(scores).astype(np.float32)  # no less precise than the weights
    emissions[:, :, 0] += np.array([tagger.outside_bias for tagger in taggers], dtype=np.float32)[:, None]
    return viterbi(emissions, np.stack([tagger.transitions for tagger in taggers]), sequences)


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


def marked(labels: IntArray, batch: Batch) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return the spans that ``labels`` mark, in order, without blanks and clause punctuation at either end.

    Label ``2k + 1`` begins a span of kind ``k`` and ``2k + 2`` goes on with it; 0 is outside.

    Returns:
        Note, start, end and kind of each span, of shape (spans,); start and end are offsets in ``found.text``.
    """
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
    kinds = (labels[begins] - 1) // 2
    return found.token_note[begins], found.token_start[first], found.token_start[last + 1], kinds
