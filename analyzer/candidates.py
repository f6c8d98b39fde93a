"""Which of the stretches that a tagger offers are concerns.

The tagger sees a few words at a time. It is read twice, the second time with a lower threshold, and what it joins over
clause punctuation is offered in pieces, too. A linear model that sees a whole stretch, what stands around it and how
sure tagger and topic model are of it, decides which to keep. Our answers are chosen in the same way.
Reading a second time what a first model proposes is known as reranking: Collins and Koo, "Discriminative Reranking for
Natural Language Parsing" (Computational Linguistics, 2005).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analyzer.features import Batch, Events, bucket, note_tokens, spread, tokens_of
from analyzer.linear import FloatArray
from analyzer.segmenter import BoolArray, IntArray
from analyzer.tagger import Tagger, marked

CONCERN, RESPONSE = 0, 1  # kinds of spans that the concern tagger finds
N_CONCERN_LABELS = 5

_FACTS = 400  # templates
_FACT_WEIGHT = np.float32(0.35)
_BEYOND = -9.0  # margin of what lies outside the note
_ODDS = np.arange(-8.0, 8.1, 0.5)  # log-odds are read in steps of a half
_COARSE_ODDS = _ODDS[::3]
_PARTS = np.linspace(0.1, 0.9, 9)  # of a note
_LENGTHS = (10, 20, 40, 80, 160)  # of a note, tokens
_LONGEST, _MOST = 25, 8
_PLACE_BITS = 31  # an offset in the text of a batch is below
_N_MARGINS = 7
_ANSWER_FIRST = [0, 3, 4, 1, 2]  # the labels with those of answers in the place of those of concerns
_PIECE = 2  # clauses that a piece of a stretch may hold
_CLAUSES = 5  # of a stretch whose pieces are offered; bounds their number


@dataclass(frozen=True, slots=True)
class Candidates:
    """Stretches that may be concerns, answers or acts, in note order; offsets are in the batch's text.

    Attributes:
        note: index of the note, shape (candidates,).
        start: first character.
        end: the character after.
        is_likely: whether the tagger finds it as it stands, rather than with the lower threshold alone.
        margins: what the tagger thinks of it, in log-odds against the label outside, shape (candidates, 7): mean and
            least over its tokens, its first token as a beginning, the token before, the token after as a going on, the
            mean of its rival (an answer for a concern, a concern for an answer), and the sum.
    """

    note: IntArray
    start: IntArray
    end: IntArray
    is_likely: BoolArray
    margins: FloatArray

    def __len__(self) -> int:
        return len(self.note)

    def places(self) -> list[tuple[int, int, int]]:
        """Return note, start and end of each."""
        return list(zip(self.note.tolist(), self.start.tolist(), self.end.tolist(), strict=True))

    def chosen(self, which: IntArray | slice) -> Candidates:
        """Return some of the candidates."""
        return Candidates(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Return the candidates of several parts one after the other."""
    names = [field.name for field in dataclasses.fields(Candidates)]
    return Candidates(
        *(np.concatenate([getattr(_NONE, name), *(getattr(one, name) for one in parts)]) for name in names)
    )


_NO_PLACES: IntArray = np.zeros(0, dtype=np.int64)
_NONE = Candidates(_NO_PLACES, _NO_PLACES, _NO_PLACES, np.zeros(0, dtype=np.bool_), np.zeros((0, _N_MARGINS)))


def readings(tagger: Tagger, further_bias: float) -> list[Tagger]:
    """Return the tagger as it stands, and with the outside bias of its second reading."""
    return [tagger, dataclasses.replace(tagger, outside_bias=further_bias)]


def offer(
    batch: Batch, scores: FloatArray, labels: IntArray, further_labels: IntArray
) -> tuple[Candidates, Candidates]:
    """Return the stretches that may be concerns, and those that may be our answers.

    Args:
        batch: the notes.
        scores: what the tagger makes of each token, shape (tokens, labels).
        labels: its best label of each token, shape (tokens,).
        further_labels: the best ones in its second reading, shape (tokens,).
    """
    found = [marked(labels, batch), marked(further_labels, batch)]
    concerns, answers = (
        [(start[kinds == kind], end[kinds == kind]) for _, start, end, kinds in found] for kind in (CONCERN, RESPONSE)
    )
    return _of_kind(batch, scores, concerns), _of_kind(batch, scores[:, _ANSWER_FIRST], answers)


def _of_kind(batch: Batch, scores: FloatArray, readings: list[tuple[IntArray, IntArray]]) -> Candidates:
    """Return the stretches of either reading, and their pieces, as candidates."""
    likely, further = (places_of(*bounds) for bounds in readings)
    every = np.union1d(likely, further)
    first, after = tokens_of(batch, *_bounds(every))
    row, begin, behind = pieces(batch, first, after, _PIECE, _CLAUSES)
    begin, behind = np.maximum(begin, first[row]), np.minimum(behind, after[row])
    parts = places_of(batch.found.token_start[begin], batch.found.token_start[behind])
    return candidates_at(batch, scores, np.union1d(every, parts), likely)


def candidates_at(batch: Batch, scores: FloatArray, places: IntArray, likely: IntArray) -> Candidates:
    """Return stretches as candidates.

    Args:
        batch: the notes.
        scores: what the tagger makes of each token, shape (tokens, 5): outside, a beginning and a going on, then those
            of the rival.
        places: the stretches as ``places_of`` numbers them, in order, each once.
        likely: those that the tagger finds as they stand.
    """
    starts, ends = _bounds(places)
    note = np.searchsorted(batch.found.note_start, starts, side="right") - 1
    return Candidates(note, starts, ends, np.isin(places, likely), _margins(batch, scores, starts, ends))


def pieces(
    batch: Batch, first: IntArray, after: IntArray, longest: int, most: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Return the parts of notes between clause punctuation that stretches of tokens touch, alone and joined.

    Args:
        batch: the notes.
        first: first token of each stretch.
        after: the token after it.
        longest: parts that are joined at most.
        most: parts of one stretch that are looked at.

    Returns:
        The stretch that a piece belongs to, its first token and the token after, which may lie beyond the stretch.
    """
    solid = np.append(False, ~batch.is_filler)  # every note ends with a line break, which is filler
    opens = np.flatnonzero(solid[1:] & ~solid[:-1])
    closes = np.flatnonzero(solid[:-1] & ~solid[1:])
    low = np.searchsorted(closes, first, side="right")
    high = np.minimum(np.searchsorted(opens, after, side="left"), low + most)
    found = [spread(low, high - further) for further in range(longest)]
    part = np.concatenate([part for part, _ in found])
    last = np.concatenate([part + further for further, (part, _) in enumerate(found)])
    return np.concatenate([row for _, row in found]), opens[part], closes[last]


def _bounds(places: IntArray) -> tuple[IntArray, IntArray]:
    """Return start and end of the stretches with these numbers."""
    return places >> _PLACE_BITS, places & ((1 << _PLACE_BITS) - 1)


def places_of(start: IntArray, end: IntArray) -> IntArray:
    """Return a number for each stretch between offsets in the batch's text; they sort by start, then by end."""
    return (start << _PLACE_BITS) | end


def _margins(batch: Batch, scores: FloatArray, starts: IntArray, ends: IntArray) -> FloatArray:
    """Return the margins of ``Candidates``."""
    if not len(starts):
        return np.zeros((0, _N_MARGINS))
    of_note = batch.found.token_note
    first, after = tokens_of(batch, starts, ends)
    token, _ = spread(first, after)
    at = np.cumsum(after - first) - (after - first)
    outside, begins, goes_on = scores[:, 0], scores[:, 1], scores[:, 2]
    inside = np.maximum(begins, goes_on) - outside
    rival = np.maximum(scores[:, 3], scores[:, 4]) - outside
    before, behind = np.maximum(first - 1, 0), np.minimum(after, len(of_note) - 1)
    total = np.add.reduceat(inside[token], at)
    return np.column_stack(
        [
            total / (after - first),
            np.minimum.reduceat(inside[token], at),
            (begins - outside)[first],
            np.where((first > 0) & (of_note[before] == of_note[first]), inside[before], _BEYOND),
            np.where(
                (after < len(of_note)) & (of_note[behind] == of_note[first]), (goes_on - outside)[behind], _BEYOND
            ),
            np.add.reduceat(rival[token], at) / (after - first),
            total,
        ]
    )


def candidate_inputs(
    batch: Batch, candidates: Candidates, inputs: sparse.csr_array, topic_scores: FloatArray | None = None
) -> sparse.csr_array:
    """Return what is read of each candidate: words in and around it, and facts as features of their own.

    Args:
        batch: the notes.
        candidates: shape (candidates,).
        inputs: what a model of the stretches' kinds reads of each, shape (candidates, buckets).
        topic_scores: what the topic model makes of that, shape (candidates, topics); where not given, there are no
            facts of it.
    """
    first, after = tokens_of(batch, candidates.start, candidates.end)
    note = candidates.note
    bounds = note_tokens(batch)
    opening, size = bounds[note], bounds[note + 1] - bounds[note]
    # Offset -1, before the first note, is the line break that ends the last one: as if one stood before each note.
    before, behind = batch.codes[candidates.start - 1], batch.codes[candidates.end]
    facts: list[tuple[IntArray, ...]] = [
        (np.minimum(np.bincount(note)[note], _MOST),),
        (np.digitize((first - opening) / size, _PARTS),),
        (np.digitize(size, _LENGTHS),),
        (np.minimum(after - first, _LONGEST),),
        (candidates.is_likely.astype(np.int64),),
        (before,),
        (behind,),
        (before, behind),
        *((np.digitize(margin, _ODDS),) for margin in candidates.margins.T),
    ]
    if topic_scores is not None:
        ranked = np.sort(topic_scores, axis=1)
        best, topic = ranked[:, -1], topic_scores.argmax(axis=1)
        facts += [
            (np.digitize(best, _ODDS),),
            (np.digitize(best - ranked[:, -2], _ODDS),),
            (topic,),
            (topic, np.digitize(best, _COARSE_ODDS)),
        ]
    n = len(note)
    buckets = np.concatenate([bucket(_FACTS + index, *parts) for index, parts in enumerate(facts)])
    rows = np.tile(np.arange(n), len(facts))
    return sparse.csr_array(inputs + _FACT_WEIGHT * Events(rows, buckets).matrix(n))


def apart(candidates: Candidates, probability: FloatArray, chosen_from: float) -> IntArray:
    """Return which candidates to keep, in order: the likeliest, and those that do not overlap a likelier one.

    Args:
        candidates: in note order.
        probability: that each is a concern, shape (candidates,).
        chosen_from: the least probability that is kept.
    """
    enough = np.flatnonzero(probability >= chosen_from)
    start, end, value = candidates.start[enough], candidates.end[enough], probability[enough]
    # Runs of candidates that overlap are short: two readings of one stretch. Most are of one.
    opens = np.ones(len(enough), dtype=bool)
    opens[1:] = start[1:] >= np.maximum.accumulate(end)[:-1]
    begin = np.flatnonzero(opens)
    size = np.diff(np.append(begin, len(enough)))
    kept = [begin[size == 1]]
    for first, count in zip(begin[size > 1].tolist(), size[size > 1].tolist(), strict=True):
        taken: list[int] = []
        run = range(first, first + count)
        for one in sorted(run, key=lambda one: -value[one]):
            if all(end[one] <= start[other] or start[one] >= end[other] for other in taken):
                taken.append(one)
        kept.append(np.array(taken))
    in_order: IntArray = enough[np.sort(np.concatenate(kept))]
    return in_order


def without_overlaps(candidates: Candidates, starts: IntArray, ends: IntArray) -> Candidates:
    """Return the candidates that overlap none of the stretches, which are in order and apart."""
    next_start = np.append(starts, np.iinfo(np.int64).max)[np.searchsorted(ends, candidates.start, side="right")]
    return candidates.chosen(np.flatnonzero(next_start >= candidates.end))
