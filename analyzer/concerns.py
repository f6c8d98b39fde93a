"""Concerns (关注点): where they stand, what they are about, and whether our side answered them.

A tagger offers spans of concerns and of our answers; linear models over a span and its surroundings say which are
concerns, and give the topic and the status. Spans of answers are tied to concerns by position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analyzer.candidates import Candidates, apart, candidate_inputs, without_overlaps
from analyzer.features import (
    Batch,
    Events,
    bucket,
    class_events,
    context_events,
    span_events,
    stretch_events,
    tokens_of,
    window_events,
)
from analyzer.linear import Linear, blocks, probability, relative
from analyzer.records import AnyTopic, Offsets, Status, Topic
from analyzer.segmenter import IntArray

TOPICS = tuple(Topic)
STATUSES = tuple(Status)
_STATUS = 300  # templates of the status features
_CONTEXT = 0.3  # what stands around a span counts less
_REST = 60  # tokens after a concern whose word classes are read; bounds the cost of long notes
_LIMIT_REACH = 8  # concerns that are looked at for the one that ends an answer's surroundings
_NO_NEXT = 99  # stands for the distance to the next concern where the note has none
_DISTANCES = (1, 2, 4, 8, 16, _NO_NEXT - 1)  # tokens
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class FoundConcern:
    """A concern in a batch; spans are offsets in the batch's text."""

    note: int
    span: Offsets
    response: Offsets | None
    topic: AnyTopic
    topic_probability: float
    status: Status


@dataclass(frozen=True, slots=True)
class ConcernModel:
    """Models of what is a concern, of topic and status.

    Attributes:
        choice: one class: a concern.
        answer: one class: our answer to one.
        topic: one class a topic.
        status: one class a status.
        further_bias: outside bias with which the tagger is read a second time, for more candidates.
        chosen_from: probability from which a candidate is a concern.
        answer_from: probability from which a candidate is an answer.
        addressed_from: probability from which a concern counts as addressed.
        topics: the topics that ``topic`` tells apart: those of the guideline, then the user's own.
    """

    choice: Linear
    answer: Linear
    topic: Linear
    status: Linear
    further_bias: float
    chosen_from: float
    answer_from: float
    addressed_from: float
    topics: tuple[AnyTopic, ...] = TOPICS

    def predict(
        self, batch: Batch, candidates: Candidates, answers: Candidates, outcomes: IntArray
    ) -> list[FoundConcern]:
        """Return the concerns among ``candidates`` with their findings.

        Args:
            batch: the notes.
            candidates: stretches that may be concerns.
            answers: stretches that may be our answers.
            outcomes: number of each note's outcome, shape (notes,).
        """
        if not len(candidates):
            return []
        inputs = topic_inputs(batch, candidates.start, candidates.end)
        scores = self.topic.decision(inputs)
        odds = self.choice.decision(candidate_inputs(batch, candidates, inputs, scores))[:, 0]
        kept = apart(candidates, probability(odds), self.chosen_from)
        if not len(kept):
            return []
        concerns = candidates.chosen(kept)
        starts, ends = concerns.start, concerns.end
        # An answer follows its concern: what stands before the first one of its note, or over one, is none.
        before = np.searchsorted(starts, answers.start)
        later = answers.chosen(np.flatnonzero((before > 0) & (concerns.note[before - 1] == answers.note)))
        found = choose_answers(self.answer, batch, without_overlaps(later, starts, ends), self.answer_from)
        responses = link_responses(concerns.note, starts, found)
        topics = relative(scores[kept])
        statuses = relative(
            self.status.decision(status_inputs(batch, starts, ends, responses, outcomes[concerns.note]))
        )
        best = topics.argmax(axis=1)
        return [
            FoundConcern(
                note,
                (start, end),
                response,
                self.topics[best[index]],
                round(float(topics[index, best[index]]), _DIGITS),
                Status.ADDRESSED if statuses[index, 1] >= self.addressed_from else Status.OPEN,
            )
            for index, ((note, start, end), response) in enumerate(zip(concerns.places(), responses, strict=True))
        ]


def choose_answers(model: Linear, batch: Batch, candidates: Candidates, answer_from: float) -> Candidates:
    """Return the stretches among ``candidates`` that are our answers.

    Args:
        model: one class: an answer.
        batch: the notes.
        candidates: stretches that may be answers.
        answer_from: probability from which one is kept.
    """
    if not len(candidates):
        return candidates
    odds = model.decision(answer_inputs(batch, candidates))[:, 0]
    return candidates.chosen(apart(candidates, probability(odds), answer_from))


def answer_inputs(batch: Batch, candidates: Candidates) -> sparse.csr_array:
    """Return what is read of each stretch that may be our answer."""
    return candidate_inputs(batch, candidates, topic_inputs(batch, candidates.start, candidates.end))


def link_responses(notes: IntArray, starts: IntArray, answers: Candidates) -> list[Offsets | None]:
    """Return the answer to each concern: an answer belongs to the nearest concern before it that has none yet.

    Args:
        notes: note of each concern, in order, shape (concerns,).
        starts: where it starts, as an offset in the batch's text.
        answers: in order.
    """
    out: list[Offsets | None] = [None] * len(notes)
    before = np.searchsorted(starts, answers.start).tolist()
    for (note, start, end), after in zip(answers.places(), before, strict=True):
        for index in range(after - 1, -1, -1):
            if notes[index] != note:
                break
            if out[index] is None:
                out[index] = (start, end)
                break
    return out


def topic_inputs(batch: Batch, starts: IntArray, ends: IntArray) -> sparse.csr_array:
    """Return what the topic model reads of each span: itself, and with less weight what stands around it."""
    parts = ((1.0, span_events(batch, starts, ends)), (_CONTEXT, context_events(batch, starts, ends)))
    return blocks(parts, len(starts))


def status_inputs(
    batch: Batch, starts: IntArray, ends: IntArray, responses: Sequence[Offsets | None], outcomes: IntArray
) -> sparse.csr_array:
    """Return what the status model reads of each concern.

    That is the answer, what follows it and how close it stands, the place among the note's concerns, and the outcome
    of the visit: more is settled where something was agreed.

    Args:
        batch: the notes.
        starts: first character of each concern, in note order, as an offset in ``batch.found.text``.
        ends: the character after each concern.
        responses: our answer to each, where there is one.
        outcomes: number of the outcome of each concern's note; any other number where it is not known.
    """
    n = len(starts)
    every = np.arange(n)
    first, after = tokens_of(batch, starts, ends)
    answered = np.array([response is not None for response in responses])
    answer = np.array([response or (0, 0) for response in responses])  # (0, 0) holds no token
    answer_first, answer_after = tokens_of(batch, answer[:, 0], answer[:, 1])
    tail = np.maximum(after, answer_after)
    note = batch.found.token_note[first]
    opening = np.searchsorted(batch.found.token_start, batch.found.note_start[note], side="left")
    last = np.searchsorted(batch.found.token_start, batch.found.note_start[note + 1] - 1, side="left")
    # What follows is read up to the next concern of the note that starts behind the answer.
    limit = last.copy()
    for step in range(min(n - 1, _LIMIT_REACH), 0, -1):
        follows = (note[step:] == note[:-step]) & (first[step:] >= tail[:-step])
        limit[:-step] = np.where(follows, first[step:], limit[:-step])
    gap = np.select([~answered, answer[:, 0] - ends <= 2, answer[:, 0] - ends < 12], [0, 1, 2], default=3)
    number = every - np.searchsorted(note, note)
    others_after = np.searchsorted(note, note, side="right") - 1 - every
    to_next = np.full(n, _NO_NEXT)
    to_next[:-1] = np.where(note[1:] == note[:-1], first[1:] - after[:-1], _NO_NEXT)
    to_next = np.digitize(to_next, _DISTANCES)
    windows = [
        (0.5, window_events(batch, _STATUS, first, after)),
        (0.5, window_events(batch, _STATUS + 10, np.maximum(first - 5, opening), first)),
        (1.0, window_events(batch, _STATUS + 20, tail, np.minimum(tail + 12, limit))),
        (1.0, window_events(batch, _STATUS + 30, tail, np.minimum(tail + 5, limit))),
        (1.0, window_events(batch, _STATUS + 40, answer_first, answer_after)),
        (0.5, class_events(batch, _STATUS + 50, tail, np.minimum(tail + _REST, last))),
        (0.7, stretch_events(batch, _STATUS + 70, after, np.minimum(after + 12, last))),
    ]
    facts = (
        (1.4, bucket(_STATUS + 60, gap)),
        (1.0, bucket(_STATUS + 80, outcomes)),
        (1.0, bucket(_STATUS + 81, outcomes, answered)),
        (1.0, bucket(_STATUS + 82, np.minimum(number, 3), np.minimum(others_after, 3))),
        (1.0, bucket(_STATUS + 83, to_next)),
        (1.0, bucket(_STATUS + 84, to_next, answered)),
        (1.0, bucket(_STATUS + 85, to_next, outcomes)),
    )
    return blocks(windows + [(weight, Events(every, buckets)) for weight, buckets in facts], n)
