"""Hashed features of clauses, tokens and spans, computed for a whole batch at once.

Features are numbers in a fixed table of buckets: a linear model over them is a table of weights, and reading a note
is a look-up. Words outside the vocabulary still count through their characters and their word classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from analyzer.lexicon import MAX_CLASSES, ClassBits, Lexicon
from analyzer.segmenter import IntArray, Segmented, Segmenter

BUCKET_BITS = 18
N_BUCKETS = 1 << BUCKET_BITS

# Numbers below the vocabulary's own stand for kinds of tokens.
_UNKNOWN = 0
_NUMBER = 1
_EDGE = 2  # stands beyond either end of a note
_FIRST_WORD = 3
_N_SHAPES = 256  # above the vocabulary lie unknown words by length, and punctuation by character
_LONGEST_SHAPE = 4

# Templates are numbered in blocks, so that each kind of feature has buckets of its own (but for rare collisions).
_CLAUSE, _TOKEN, _SPAN = 0, 100, 200

_MULTIPLY = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_TEMPLATE_STEP = 0x165667B19E3779F9

# Token features have tables of their own sizes: see _blocks.
_REACH = 3
_CLASS_OFFSETS = (-2, -1, 0, 1, 2)
_CLASS_ROWS = (len(_CLASS_OFFSETS) + 3) * MAX_CLASSES  # a token's classes, then those of three clauses
_PAIR_BITS, _CHARACTER_BITS, _SEAM_BITS, _PLACE_BITS, _N_PLACES = 17, 13, 15, 16, 9
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
        n_vocabulary: number of known words.
    """

    found: Segmented
    words: IntArray
    classes: ClassBits
    is_word: npt.NDArray[np.bool_]
    is_filler: npt.NDArray[np.bool_]
    codes: npt.NDArray[np.int64]
    n_vocabulary: int


@dataclass(frozen=True, slots=True)
class Events:
    """Features as (row, bucket) pairs; a row is a clause, a token or a span."""

    rows: IntArray
    buckets: IntArray

    def matrix(self, n_rows: int) -> sparse.csr_array:
        """Return the counts of each bucket in each row, shape (n_rows, N_BUCKETS)."""
        # One sort of plain numbers: several times as fast as summing up the duplicates of a sparse matrix.
        key = np.sort((self.rows << BUCKET_BITS) | self.buckets)
        first = np.flatnonzero(np.diff(key, prepend=-1))
        counts = np.diff(first, append=len(key)).astype(np.float32)
        key = key[first]
        begin = np.searchsorted(key, np.arange(n_rows + 1) << BUCKET_BITS).astype(np.int32)
        return sparse.csr_array((counts, (key & (N_BUCKETS - 1)).astype(np.int32), begin), shape=(n_rows, N_BUCKETS))


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


def bucket(template: int, *parts: npt.NDArray[np.integer], bits: int = BUCKET_BITS) -> IntArray:
    """Return the bucket, one of ``2 ** bits``, of each feature made of ``parts`` under a template's number."""
    seed = (template + 1) * _TEMPLATE_STEP & 0xFFFF_FFFF_FFFF_FFFF
    value = np.full(parts[0].shape, seed, dtype=np.uint64)
    for part in parts:
        value = (value ^ part.astype(np.uint64)) * _MULTIPLY[0]
        value ^= value >> np.uint64(31)
    out: IntArray = ((value * _MULTIPLY[1]) >> np.uint64(64 - bits)).astype(np.int64)
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
        return Batch(
            found, words, self.lexicon.token_classes(found), _IS_WORD[kind], _IS_FILLER[kind], codes,
            len(self.vocabulary),
        )  # fmt: skip


_IS_WORD = np.fromiter(map(str.isalnum, map(chr, range(0x10000))), dtype=bool, count=0x10000)
_IS_FILLER = np.zeros(0x10000, dtype=bool)
_IS_FILLER[[ord(char) for char in ' \n",.。;:!?、…~-—|/']] = True


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
class _Block:
    """One kind of number that every token has, read at the token itself and at tokens near it.

    The weights of a block lie together, offset by offset, so that reading a neighbour is the same look-up one token
    further on, with nothing to compute anew.

    Attributes:
        first_row: row of the weights table at which the block begins.
        n_values: the numbers are below this.
        offsets: which tokens near by are read: -1 is the one before.
    """

    first_row: int
    n_values: int
    offsets: tuple[int, ...]

    @property
    def end_row(self) -> int:
        return self.first_row + self.n_values * len(self.offsets)


def _blocks(n_vocabulary: int) -> tuple[_Block, ...]:
    """Return the blocks of the token features, in the order of ``_token_values``."""
    sizes = (
        (_FIRST_WORD + n_vocabulary + _N_SHAPES, (-3, -2, -1, 0, 1, 2, 3)),  # the word
        (1 << _PAIR_BITS, (-2, -1, 0, 1)),  # the word and the one after it
        (1 << _CHARACTER_BITS, (-1, 0, 1)),  # first character
        (1 << _CHARACTER_BITS, (-1, 0, 1)),  # last character
        (1 << _SEAM_BITS, (-1, 0)),  # last character and the first one of the next word
        *(((1 << _PLACE_BITS), (0,)) for _ in range(_N_PLACES)),
    )
    out: list[_Block] = []
    for n_values, offsets in sizes:
        out.append(_Block(out[-1].end_row if out else _CLASS_ROWS, n_values, offsets))
    return tuple(out)


def n_token_rows(n_vocabulary: int) -> int:
    """Return the number of rows of a table of token weights under a vocabulary of ``n_vocabulary`` words."""
    return _blocks(n_vocabulary)[-1].end_row


@dataclass(frozen=True, slots=True)
class TokenFeatures:
    """Features of tokens for tagging.

    Tokens stand in a padded order, ``_REACH`` empty places before each note and after the last, so that reading a
    neighbour is a shift of the whole batch that never meets another note.

    Attributes:
        place: padded place of each token, shape (tokens,).
        values: number of each padded place in each block; a place beyond a note has the number ``_EDGE``.
        blocks: where the weights of each block lie.
        classes: word classes as bits: of each padded place, shape (places,), and of each clause, of the one before
            and of the one after, shape (3, clauses).
        token_clause: index of each token's clause.
    """

    place: IntArray
    values: tuple[IntArray, ...]
    blocks: tuple[_Block, ...]
    classes: ClassBits
    clause_classes: ClassBits
    token_clause: IntArray

    def matrix(self) -> sparse.csr_array:
        """Return all features as counts, shape (tokens, ``n_token_rows``), for fitting."""
        n = len(self.place)
        rows, columns = [], []
        for block, values in zip(self.blocks, self.values, strict=True):
            for index, offset in enumerate(block.offsets):
                rows.append(np.arange(n))
                columns.append(block.first_row + index * block.n_values + values[self.place + offset])
        sets = [self.classes[self.place + offset] for offset in _CLASS_OFFSETS]
        sets += [bits[self.token_clause] for bits in self.clause_classes]
        for at, column in _class_columns(sets, 0):
            rows.append(at)
            columns.append(column)
        row, column = np.concatenate(rows).astype(np.int32), np.concatenate(columns).astype(np.int32)
        ones = np.ones(len(row), dtype=np.float32)
        return sparse.csr_array(sparse.coo_array((ones, (row, column)), shape=(n, self.blocks[-1].end_row)))

    def scores(self, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the product of ``matrix()`` and ``weights``, by look-up: many times as fast."""
        n_places = len(self.classes)
        of_clause = self._clause_scores(weights)
        out = np.zeros((len(self.place), weights.shape[1]), dtype=np.float32)
        patterns, pattern = _patterns(self.classes)
        by_class = _class_scores(patterns, weights[: len(_CLASS_OFFSETS) * MAX_CLASSES])
        parts = [(by_class[index], pattern, offset) for index, offset in enumerate(_CLASS_OFFSETS)]
        for block, values in zip(self.blocks, self.values, strict=True):
            for index, offset in enumerate(block.offsets):
                first = block.first_row + index * block.n_values
                parts.append((weights[first : first + block.n_values], values, offset))
        # Block by block of places that stay in the processor's cache.
        buffer = np.empty((_LOOK_UP_BLOCK, weights.shape[1]), dtype=np.float32)
        total = np.empty_like(buffer)
        done = 0
        for start in range(_REACH, n_places - _REACH, _LOOK_UP_BLOCK):
            end = min(start + _LOOK_UP_BLOCK, n_places - _REACH)
            found, sums = buffer[: end - start], total[: end - start]
            sums[:] = 0.0
            for table, values, offset in parts:
                np.take(table, values[start + offset : end + offset], axis=0, out=found, mode="clip")
                sums += found
            upto = int(np.searchsorted(self.place, end))
            out[done:upto] = sums[self.place[done:upto] - start]
            done = upto
        out += of_clause[self.token_clause]
        return out.astype(np.float64)

    def _clause_scores(self, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return what the word classes of a clause and of its neighbours add to each of its tokens."""
        n = self.clause_classes.shape[1]
        rows, columns = zip(*_class_columns(self.clause_classes, len(_CLASS_OFFSETS)), strict=True)
        row, column = np.concatenate(rows), np.concatenate(columns)
        ones = np.ones(len(row), dtype=np.float32)
        found = sparse.csr_array(sparse.coo_array((ones, (row, column)), shape=(n, _CLASS_ROWS)))
        return np.asarray(found @ weights[:_CLASS_ROWS])


def _class_columns(sets: Iterable[ClassBits], first: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield row and column of the classes in each of ``sets``; ``first`` is the block of the first set."""
    for block, bits in enumerate(sets, first):
        at, number = _class_numbers(bits)
        yield at, block * MAX_CLASSES + number


def _patterns(classes: ClassBits) -> tuple[ClassBits, IntArray]:
    """Return the different sets of classes, the empty one first, and which of them each place has."""
    some = np.flatnonzero(classes)
    patterns, inverse = np.unique(classes[some], return_inverse=True)
    out = np.zeros(len(classes), dtype=np.int64)
    out[some] = inverse + 1
    return np.append(np.uint64(0), patterns).astype(np.uint64), out


def _class_scores(patterns: ClassBits, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the summed weights of each set of classes at each offset, shape (offsets, patterns, labels)."""
    by_offset = weights.reshape(len(_CLASS_OFFSETS), MAX_CLASSES, -1)
    out = np.zeros((len(_CLASS_OFFSETS), len(patterns), weights.shape[1]), dtype=np.float32)
    for number in range(MAX_CLASSES):  # class by class: the same sums whatever other sets there are
        has = np.flatnonzero(patterns >> np.uint64(number) & np.uint64(1))
        out[:, has] += by_offset[:, number, None]
    return out


def token_features(batch: Batch) -> TokenFeatures:
    """Return the features of each token for tagging.

    Words and their pairs in a window, first and last characters, place in the clause, and the word classes of the
    window, of the clause and of the clauses before and after.
    """
    found = batch.found
    place = np.arange(len(found.tokens)) + _REACH * (found.token_note + 1)
    n_places = len(found.tokens) + _REACH * (found.n_notes + 1)

    def padded(values: IntArray) -> IntArray:
        out = np.full(n_places, _EDGE)
        out[place] = values
        return out

    own = _clause_classes(batch)
    classes = np.zeros(n_places, dtype=np.uint64)
    classes[place] = batch.classes
    return TokenFeatures(
        place=place,
        values=tuple(padded(values) for values in _token_values(batch)),
        blocks=_blocks(batch.n_vocabulary),
        classes=classes,
        clause_classes=np.stack([own, *_clauses_around(own, found)]),
        token_clause=found.token_clause,
    )


def _token_values(batch: Batch) -> list[IntArray]:
    """Return the number of each token in each block, shape (tokens,) each."""
    found = batch.found
    every = np.arange(len(found.tokens))
    length = np.minimum(np.diff(found.token_start), _LONGEST_SHAPE)
    first, last = batch.codes[found.token_start[:-1]], batch.codes[found.token_start[1:] - 1]
    # Unknown words are told apart by length, punctuation by character.
    shape = np.where(batch.is_word, length, _LONGEST_SHAPE + 1 + first % (_N_SHAPES - _LONGEST_SHAPE - 1))
    word = np.where(batch.words == _UNKNOWN, _FIRST_WORD + batch.n_vocabulary + shape, batch.words)
    before = _neighbour(word, found.token_note, -1)
    next_word = _neighbour(word, found.token_note, 1)

    clause, begin = found.token_clause, found.clause_token
    from_start = np.minimum(every - begin[clause], 4)
    to_end = np.minimum(begin[clause + 1] - 1 - every, 3)
    size = np.minimum((begin[clause + 1] - begin[clause]) // 3, 6)
    mark_before = _neighbour(first, found.token_note, -1)[begin[clause]]  # the delimiter that ends the clause before
    delimiter = first[begin[clause + 1] - 1]
    opening = word[begin[clause]]
    first_clause = np.searchsorted(found.clause_note, np.arange(found.n_notes))
    order = np.minimum(np.arange(len(found.clause_note)) - first_clause[found.clause_note], 3)[clause]
    places = (
        (before, next_word), (first, last, length), (from_start, mark_before), (to_end, delimiter), (from_start, word),
        (to_end, word), (from_start, size), (from_start, opening), (order, from_start),
    )  # fmt: skip
    return [
        word,
        bucket(_TOKEN, word, next_word, bits=_PAIR_BITS),
        bucket(_TOKEN + 1, first, bits=_CHARACTER_BITS),
        bucket(_TOKEN + 2, last, bits=_CHARACTER_BITS),
        bucket(_TOKEN + 3, last, _neighbour(first, found.token_note, 1), bits=_SEAM_BITS),
        *(bucket(_TOKEN + 10 + index, *parts, bits=_PLACE_BITS) for index, parts in enumerate(places)),
    ]


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


def stretch_events(batch: Batch, template: int, first: IntArray, after: IntArray) -> Events:
    """Return stretches of two and of three characters of the tokens from ``first`` to ``after`` of each row."""
    bounds, out = batch.found.token_start, _Collector()
    position, row = spread(bounds[first], bounds[np.maximum(first, after)])
    _add_stretches(out, template, row, batch.codes[position])
    return out.events()


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


_N_ONES = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.int64)


def _class_numbers(classes: ClassBits) -> tuple[IntArray, IntArray]:
    """Return (index, class number) of every class that ``classes`` has, in order."""
    some = np.flatnonzero(classes)
    left = classes[some]
    sizes = _N_ONES[left.view(np.uint8).reshape(-1, 8)].sum(axis=1)
    place = np.cumsum(sizes) - sizes
    number = np.empty(int(sizes.sum()), dtype=np.int64)
    while len(left):  # bit by bit, the lowest first: there are few
        lowest = left & (~left + np.uint64(1))
        number[place] = np.frexp(lowest.astype(np.float64))[1] - 1
        left = left ^ lowest
        more = np.flatnonzero(left)
        left, place = left[more], place[more] + 1
    return np.repeat(some, sizes), number


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


def note_tokens(batch: Batch) -> IntArray:
    """Return the first token of each note, and at the end the number of tokens; shape (notes + 1,)."""
    bounds: IntArray = np.searchsorted(batch.found.token_note, np.arange(batch.found.n_notes + 1))
    return bounds


def spread(starts: IntArray, ends: IntArray) -> tuple[IntArray, IntArray]:
    """Return (position, row) of every position in ``starts[row]`` to ``ends[row]``."""
    sizes = np.maximum(ends - starts, 0)
    row = np.repeat(np.arange(len(starts)), sizes)
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return starts[row] + within, row
