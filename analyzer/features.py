"""Hashed features of clauses, tokens and spans, computed for a whole batch at once.

Features are numbers in a fixed table of buckets: a linear model over them is a table of weights, and reading a note
is a look-up. Words outside the vocabulary still count through their characters and their word classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from analyzer.lexicon import ClassBits, Lexicon
from analyzer.segmenter import IntArray, Segmented, Segmenter

BUCKET_BITS = 18
N_BUCKETS = 1 << BUCKET_BITS

# Numbers below the vocabulary's own stand for kinds of tokens.
_UNKNOWN = 0
_NUMBER = 1
_FIRST_WORD = 2
_SHAPES = 10_000_000  # unknown words by length, and punctuation by character, lie above the vocabulary
_EDGE = 1  # stands beyond either end of a note

# Templates are numbered in blocks, so that each kind of feature has buckets of its own (but for rare collisions).
_CLAUSE, _TOKEN, _SPAN = 0, 100, 200

_MULTIPLY = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_TEMPLATE_STEP = 0x165667B19E3779F9
_SHIFT = np.uint64(64 - BUCKET_BITS)
_LOOK_UP_BLOCK = 4096  # tokens whose scores stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Batch:
    """Segmented notes with the numbers that all models read.

    Attributes:
        found: tokens and clauses.
        words: vocabulary number of each token, shape (tokens,); 0 for an unknown word.
        classes: word classes of each token as bits, shape (tokens,).
        is_word: whether a token is more than punctuation or a blank, shape (tokens,).
        is_filler: whether a token is a blank or punctuation that no finding starts or ends with, shape (tokens,).
        codes: code points of the clean text, every digit as ``0``, shape (characters,).
    """

    found: Segmented
    words: IntArray
    classes: ClassBits
    is_word: npt.NDArray[np.bool_]
    is_filler: npt.NDArray[np.bool_]
    codes: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Events:
    """Features as (row, bucket) pairs; a row is a clause, a token or a span."""

    rows: IntArray
    buckets: IntArray

    def entries(self, n_rows: int) -> sparse.coo_array:
        """Return the events as ones, repeated ones side by side, shape (n_rows, N_BUCKETS)."""
        ones = np.ones(len(self.rows), dtype=np.float32)
        place = (self.rows.astype(np.int32), self.buckets.astype(np.int32))
        return sparse.coo_array((ones, place), shape=(n_rows, N_BUCKETS))

    def matrix(self, n_rows: int) -> sparse.csr_array:
        """Return the counts of each bucket in each row, shape (n_rows, N_BUCKETS)."""
        return sparse.csr_array(self.entries(n_rows))


class _Collector:
    """Gathers events template by template."""

    def __init__(self) -> None:
        self._rows: list[IntArray] = []
        self._buckets: list[IntArray] = []

    def add(self, template: int, rows: IntArray, *parts: npt.NDArray[np.integer]) -> None:
        self._rows.append(rows)
        self._buckets.append(bucket(template, *parts))

    def events(self) -> Events:
        return Events(np.concatenate(self._rows), np.concatenate(self._buckets))


def bucket(template: int, *parts: npt.NDArray[np.integer]) -> IntArray:
    """Return the bucket of each feature made of ``parts`` under a template's number."""
    seed = (template + 1) * _TEMPLATE_STEP & 0xFFFF_FFFF_FFFF_FFFF
    value = np.full(parts[0].shape, seed, dtype=np.uint64)
    for part in parts:
        value = (value ^ part.astype(np.uint64)) * _MULTIPLY[0]
        value ^= value >> np.uint64(31)
    out: IntArray = ((value * _MULTIPLY[1]) >> _SHIFT).astype(np.int64)
    return out


class Reader:
    """Turns notes into batches: segmenter, vocabulary and word classes of one model.

    Args:
        vocabulary: known words; the order gives their numbers.
        lexicon: word classes.
        segmenter: cuts notes into tokens.
    """

    def __init__(self, vocabulary: Sequence[str], lexicon: Lexicon, segmenter: Segmenter) -> None:
        self.vocabulary = tuple(vocabulary)
        self.lexicon = lexicon
        self.segmenter = segmenter
        self._number = {word: index + _FIRST_WORD for index, word in enumerate(vocabulary)}

    def read(self, notes: Sequence[str]) -> Batch:
        """Return the batch of ``notes``."""
        found = self.segmenter.segment(notes)
        number: Callable[[str, int], int] = self._number.get
        known = map(number, found.tokens, itertools.repeat(_UNKNOWN))
        words = np.fromiter(known, dtype=np.int64, count=len(found.tokens))
        codes = found.codes.astype(np.int64)
        codes[(codes >= ord("0")) & (codes <= ord("9"))] = ord("0")
        first = codes[found.token_start[:-1]]
        words[first == ord("0")] = _NUMBER
        kind = np.minimum(first, 0xFFFF)
        return Batch(found, words, self.lexicon.token_classes(found), _IS_WORD[kind], _IS_FILLER[kind], codes)


def _characters(chosen: Callable[[str], bool]) -> npt.NDArray[np.bool_]:
    return np.fromiter((chosen(chr(code)) for code in range(0x10000)), dtype=bool, count=0x10000)


_IS_WORD = _characters(str.isalnum)
_IS_FILLER = _characters(' \n",.。;:!?、…~-—|/'.__contains__)


def vocabulary_of(segmenter: Segmenter, notes: Sequence[str], min_count: int) -> list[str]:
    """Return the words of ``notes`` that occur at least ``min_count`` times, sorted."""
    counts: dict[str, int] = {}
    for token in segmenter.segment(notes).tokens:
        counts[token] = counts.get(token, 0) + 1
    return sorted(token for token, count in counts.items() if count >= min_count and token[0].isalpha())


def clause_events(batch: Batch) -> Events:
    """Return the features of each clause.

    Words, pairs of neighbouring words, stretches of two and three characters, word classes, and ordered pairs of
    word classes.
    """
    found, out = batch.found, _Collector()
    kept = np.flatnonzero(batch.is_word)
    words, of = batch.words[kept], found.token_clause[kept]
    known = words != _UNKNOWN
    out.add(_CLAUSE, of[known], words[known])
    pair = (of[1:] == of[:-1]) & known[1:] & known[:-1]
    out.add(_CLAUSE + 1, of[1:][pair], words[:-1][pair], words[1:][pair])

    codes = batch.codes
    of = np.repeat(np.where(batch.is_word, found.token_clause, -1), np.diff(found.token_start))
    _add_stretches(out, _CLAUSE + 2, of, codes)

    token, number = _class_numbers(batch.classes)
    of = found.token_clause[token]
    out.add(_CLAUSE + 4, of, number)
    for step in range(1, 6):
        both = (of[step:] == of[:-step]) & (number[step:] != number[:-step])
        out.add(_CLAUSE + 5, of[step:][both], number[:-step][both], number[step:][both])
    return out.events()


@dataclass(frozen=True, slots=True)
class TokenFeatures:
    """Features of tokens for tagging.

    Attributes:
        single: buckets of the features that every token has one of, shape (templates, tokens).
        several: the other features.
    """

    single: IntArray
    several: Events

    def matrix(self) -> sparse.csr_array:
        """Return all features as counts, shape (tokens, N_BUCKETS), for fitting."""
        templates, n = self.single.shape
        rows = np.concatenate([np.tile(np.arange(n), templates), self.several.rows])
        return Events(rows, np.concatenate([self.single.ravel(), self.several.buckets])).matrix(n)

    def scores(self, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the product of ``matrix()`` and ``weights``, by look-up: several times as fast."""
        n = self.single.shape[1]
        out = np.asarray(self.several.entries(n) @ weights)
        row = np.empty((_LOOK_UP_BLOCK, weights.shape[1]), dtype=weights.dtype)
        for start in range(0, n, _LOOK_UP_BLOCK):
            block = out[start : start + _LOOK_UP_BLOCK]
            found = row[: len(block)]
            for buckets in self.single[:, start : start + _LOOK_UP_BLOCK]:
                np.take(weights, buckets, axis=0, out=found, mode="clip")
                block += found
        return out.astype(np.float64)


def token_features(batch: Batch) -> TokenFeatures:
    """Return the features of each token for tagging.

    Words and their pairs in a window, first and last characters, place in the clause, and the word classes of the
    window, of the clause and of the clauses before and after.
    """
    found = batch.found
    single: list[IntArray] = []
    out = _Collector()
    n = len(found.tokens)
    every = np.arange(n)
    length = np.minimum(np.diff(found.token_start), 4)
    first, last = batch.codes[found.token_start[:-1]], batch.codes[found.token_start[1:] - 1]
    shape = np.where(batch.is_word, length, first)
    word = np.where(batch.words == _UNKNOWN, shape + _SHAPES, batch.words)

    near = {offset: _neighbour(word, found.token_note, offset) for offset in range(-3, 4)}
    for offset, value in near.items():
        single.append(bucket(_TOKEN + 3 + offset, value))
    for index, (left, right) in enumerate(((-1, 0), (0, 1), (-2, -1), (1, 2), (-1, 1))):
        single.append(bucket(_TOKEN + 10 + index, near[left], near[right]))

    firsts = {offset: _neighbour(first, found.token_note, offset) for offset in (-1, 0, 1)}
    lasts = {offset: _neighbour(last, found.token_note, offset) for offset in (-1, 0, 1)}
    for offset in (-1, 0, 1):
        single.append(bucket(_TOKEN + 21 + offset, firsts[offset]))
        single.append(bucket(_TOKEN + 24 + offset, lasts[offset]))
    single.append(bucket(_TOKEN + 26, lasts[-1], firsts[0]))
    single.append(bucket(_TOKEN + 27, lasts[0], firsts[1]))
    single.append(bucket(_TOKEN + 28, firsts[0], lasts[0], length))

    clause, begin = found.token_clause, found.clause_token
    from_start = np.minimum(every - begin[clause], 4)
    to_end = np.minimum(begin[clause + 1] - 1 - every, 3)
    size = np.minimum((begin[clause + 1] - begin[clause]) // 3, 6)
    before = _neighbour(first, found.token_note, -1)[begin[clause]]  # the delimiter that ends the clause before
    delimiter = first[begin[clause + 1] - 1]
    opening = word[begin[clause]]
    first_clause = np.searchsorted(found.clause_note, np.arange(found.n_notes))
    order = np.minimum(np.arange(len(found.clause_note)) - first_clause[found.clause_note], 3)[clause]
    places = (
        (from_start, before), (to_end, delimiter), (from_start, word), (to_end, word), (from_start, size),
        (opening,), (from_start, opening), (order, from_start),
    )  # fmt: skip
    for index, parts in enumerate(places):
        single.append(bucket(_TOKEN + 30 + index, *parts))

    token, number = _class_numbers(batch.classes)
    for offset in range(-2, 3):
        target = token - offset
        inside = (target >= 0) & (target < n)
        inside[inside] = found.token_note[target[inside]] == found.token_note[token[inside]]
        out.add(_TOKEN + 42 + offset, target[inside], number[inside])
    own = _clause_classes(batch)
    for index, masks in enumerate((own, *_clauses_around(own, found))):
        of, number = _class_numbers(masks)
        rows, source = spread(begin[of], begin[of + 1])
        out.add(_TOKEN + 50 + index, rows, number[source])
    return TokenFeatures(np.stack(single), out.events())


def span_events(batch: Batch, starts: IntArray, ends: IntArray) -> Events:
    """Return the features of spans: their words, word classes and characters.

    Args:
        batch: the notes.
        starts: first character of each span, as an offset in ``batch.found.text``.
        ends: the character after each span.
    """
    out = _Collector()
    _add_tokens(out, batch, _SPAN, *tokens_of(batch, starts, ends))
    position, row = spread(starts, ends)
    code = batch.codes[position]
    out.add(_SPAN + 4, row, code)
    _add_stretches(out, _SPAN + 5, row, code)
    return out.events()


def context_events(batch: Batch, starts: IntArray, ends: IntArray) -> Events:
    """Return the features of what stands around spans: in the same clause, and in the two clauses that follow."""
    found, out = batch.found, _Collector()
    first, after = tokens_of(batch, starts, ends)
    clause, begin = found.token_clause, found.clause_token
    last_clause = clause[after - 1]
    _add_tokens(out, batch, _SPAN + 10, np.maximum(begin[clause[first]], first - 6), first)
    _add_tokens(out, batch, _SPAN + 20, after, np.minimum(begin[last_clause + 1], after + 6))
    for index in (1, 2):
        following = np.minimum(last_clause + index, len(found.clause_note) - 1)
        inside = (found.clause_note[following] == found.token_note[first]) & (following == last_clause + index)
        begins, ends_ = np.where(inside, begin[following], 0), np.where(inside, begin[following + 1], 0)
        _add_tokens(out, batch, _SPAN + 20 + 10 * index, begins, ends_)
    return out.events()


def window_events(batch: Batch, template: int, first: IntArray, after: IntArray) -> Events:
    """Return words, pairs of words and word classes of the tokens from ``first`` to ``after`` of each row."""
    out = _Collector()
    _add_tokens(out, batch, template, first, after)
    return out.events()


def class_events(batch: Batch, template: int, first: IntArray, after: IntArray) -> Events:
    """Return the word classes alone of the tokens from ``first`` to ``after`` of each row."""
    token, row = spread(first, after)
    at, number = _class_numbers(batch.classes[token])
    return Events(row[at], bucket(template, number))


def tokens_of(batch: Batch, starts: IntArray, ends: IntArray) -> tuple[IntArray, IntArray]:
    """Return the first token of each span of characters and the token after it."""
    bounds = batch.found.token_start
    return np.searchsorted(bounds, starts, side="right") - 1, np.searchsorted(bounds, ends, side="left")


def _add_stretches(out: _Collector, template: int, row: IntArray, code: IntArray) -> None:
    """Add stretches of two and of three characters within a row; characters of row -1 belong to none."""
    two = (row[1:] == row[:-1]) & (row[1:] >= 0)
    out.add(template, row[1:][two], code[:-1][two], code[1:][two])
    three = two[1:] & two[:-1]
    out.add(template + 1, row[2:][three], code[:-2][three], code[1:-1][three], code[2:][three])


def _add_tokens(out: _Collector, batch: Batch, template: int, starts: IntArray, ends: IntArray) -> None:
    """Add words, pairs of words and word classes of the tokens from ``starts`` to ``ends``."""
    token, row = spread(starts, ends)
    word = batch.words[token]
    known = batch.is_word[token] & (word != _UNKNOWN)
    out.add(template, row[known], word[known])
    pair = (row[1:] == row[:-1]) & known[1:] & known[:-1]
    out.add(template + 1, row[1:][pair], word[:-1][pair], word[1:][pair])
    at, number = _class_numbers(batch.classes[token])
    out.add(template + 2, row[at], number)


def _class_numbers(classes: ClassBits) -> tuple[IntArray, IntArray]:
    """Return (index, class number) of every class that ``classes`` has, in order."""
    some = np.flatnonzero(classes)
    bits = np.unpackbits(classes[some].view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
    at, number = np.nonzero(bits)
    return some[at], number


def _clause_classes(batch: Batch) -> ClassBits:
    """Return the classes that occur in each clause."""
    out: ClassBits = np.bitwise_or.reduceat(batch.classes, batch.found.clause_token[:-1])
    return out


def _clauses_around(values: ClassBits, found: Segmented) -> tuple[ClassBits, ClassBits]:
    """Return the values of the clause before and of the clause after each one, 0 beyond the note."""
    before, after = np.zeros_like(values), np.zeros_like(values)
    same = found.clause_note[1:] == found.clause_note[:-1]
    before[1:] = np.where(same, values[:-1], np.uint64(0))
    after[:-1] = np.where(same, values[1:], np.uint64(0))
    return before, after


def _neighbour(values: IntArray, note: IntArray, offset: int) -> IntArray:
    """Return the value ``offset`` tokens further on, or the edge's where that lies in another note."""
    if offset == 0:
        return values
    out = np.full_like(values, _EDGE)
    here, there = (
        (slice(None, -offset), slice(offset, None)) if offset > 0 else (slice(-offset, None), slice(None, offset))
    )
    out[here] = np.where(note[here] == note[there], values[there], _EDGE)
    return out


def spread(starts: IntArray, ends: IntArray) -> tuple[IntArray, IntArray]:
    """Return (position, row) of every position in ``starts[row]`` to ``ends[row]``."""
    sizes = np.maximum(ends - starts, 0)
    row = np.repeat(np.arange(len(starts)), sizes)
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return starts[row] + within, row
