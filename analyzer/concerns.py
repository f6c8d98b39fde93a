"""Concerns (关注点): where they stand, what they are about, and whether our side answered them.

A tagger finds the spans of concerns and of our answers; linear models over a span and its surroundings give the
topic and the status. Spans of answers are tied to concerns by position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.features import Batch, Events, bucket, span_events
from analyzer.linear import Linear, relative, scaled
from analyzer.records import Status, Topic
from analyzer.segmenter import IntArray
from analyzer.tagger import TaggedSpan

TOPICS = tuple(Topic)
STATUSES = tuple(Status)
CONCERN, RESPONSE = 0, 1  # kinds of spans that the concern tagger finds
N_CONCERN_LABELS = 5
_STATUS = 300  # templates of the status features
_DIGITS = 4

Offsets = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FoundConcern:
    """A concern in a batch; spans are offsets in the batch's text."""

    note: int
    span: Offsets
    response: Offsets | None
    topic: Topic
    topic_probability: float
    status: Status


@dataclass(frozen=True, slots=True)
class ConcernModel:
    """Models of topic and status.

    Attributes:
        topic: one class a topic.
        status: one class a status.
        addressed_threshold: probability from which a concern counts as addressed.
    """

    topic: Linear
    status: Linear
    addressed_threshold: float

    def predict(self, batch: Batch, spans: Sequence[TaggedSpan]) -> list[FoundConcern]:
        """Return the concerns among ``spans`` (in note order) with their findings."""
        linked = link_responses(spans)
        if not linked:
            return []
        concerns = np.array([concern for _, concern, _ in linked])
        starts, ends = concerns[:, 0], concerns[:, 1]
        events = span_events(batch, starts, ends)
        topics = relative(self.topic.decision(scaled(events.matrix(len(linked)))))
        responses = [response for _, _, response in linked]
        status = relative(
            self.status.decision(scaled(status_events(batch, events, ends, responses).matrix(len(linked))))
        )
        best = topics.argmax(axis=1)
        return [
            FoundConcern(
                note,
                span,
                response,
                TOPICS[best[index]],
                round(float(topics[index, best[index]]), _DIGITS),
                Status.ADDRESSED if status[index, 1] >= self.addressed_threshold else Status.OPEN,
            )
            for index, (note, span, response) in enumerate(linked)
        ]


def link_responses(spans: Sequence[TaggedSpan]) -> list[tuple[int, Offsets, Offsets | None]]:
    """Tie each answer to a concern; return (note, concern, response) in note order.

    An answer belongs to the nearest concern before it that has none yet.
    """
    out: list[tuple[int, Offsets, Offsets | None]] = []
    for span in spans:
        if span.label == CONCERN:
            out.append((span.note, (span.start, span.end), None))
            continue
        for index in range(len(out) - 1, -1, -1):
            note, concern, response = out[index]
            if note != span.note:
                break
            if response is None:
                out[index] = (note, concern, (span.start, span.end))
                break
    return out


def status_events(batch: Batch, around: Events, ends: IntArray, responses: Sequence[Offsets | None]) -> Events:
    """Return the features of the status: the span's own, and those of the answer and of what follows it."""
    rows = [around.rows]
    buckets = [around.buckets]
    answered = np.array([response is not None for response in responses])
    every = np.arange(len(ends))
    rows.append(every)
    buckets.append(bucket(_STATUS, answered.astype(np.int64)))
    which = np.flatnonzero(answered)
    if len(which):
        starts = np.array([responses[index][0] for index in which.tolist()])
        stops = np.array([responses[index][1] for index in which.tolist()])
        answer = span_events(batch, starts, stops)
        rows.append(which[answer.rows])
        buckets.append(bucket(_STATUS + 1, answer.buckets))
    return Events(np.concatenate(rows), np.concatenate(buckets))
