"""Fits what finds and reads concerns: tagger, choice among its candidates, topic and status.

What the tagger says of notes that it has learnt from is too good to learn from. Choice and status learn from what
taggers and topic models say of notes whose authors they have not seen, as they will read it afterwards.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analyzer.candidates import (
    CONCERN,
    N_CONCERN_LABELS,
    RESPONSE,
    Candidates,
    apart,
    candidate_inputs,
    joined,
    offer,
    readings,
)
from analyzer.concerns import (
    STATUSES,
    TOPICS,
    ConcernModel,
    answer_inputs,
    link_responses,
    status_inputs,
    topic_inputs,
)
from analyzer.corpus import Example
from analyzer.features import Batch, Reader
from analyzer.fitting import Settings, fit_choice, outcome_number, same_as, tokens_in, unseen_folds
from analyzer.linear import FloatArray, Linear, fit_one_vs_rest, probability
from analyzer.records import AnyTopic, Offsets
from analyzer.segmenter import BoolArray, IntArray
from analyzer.tagger import Tagger, best_labels, sentences
from analyzer.tagger_training import fit_tagger


@dataclass(frozen=True, slots=True)
class Offered:
    """What models offer in one note; offsets count from its start, and its number is 0.

    Attributes:
        candidates: stretches that may be concerns.
        topic_scores: what a topic model makes of them, shape (candidates, topics).
        answers: stretches that may be our answers.
    """

    candidates: Candidates
    topic_scores: FloatArray
    answers: Candidates


def fit_concern_tagger(
    batch: Batch,
    tokens: sparse.csr_array,
    examples: Sequence[Example],
    settings: Settings,
    *,
    chosen: BoolArray | None = None,
) -> Tagger:
    """Fit the tagger of concerns and answers.

    Args:
        batch: the notes of ``examples``.
        tokens: their token features, shape (tokens, buckets).
        examples: notes with annotated concerns.
        settings: regularisation and passes.
        chosen: whether to learn from a note, shape (notes,); from all where not given.
    """
    return fit_tagger(
        batch, tokens, _labels(batch, examples), N_CONCERN_LABELS,
        outside_bias=settings.concern_outside_bias, chosen=chosen, **settings.of_tagger(),
    )  # fmt: skip


def _labels(batch: Batch, examples: Sequence[Example]) -> IntArray:
    labels = np.zeros(len(batch.found.tokens), dtype=np.int64)
    for index, example in enumerate(examples):
        for concern in example.concerns or ():
            if concern.response:
                _mark(labels, batch, index, concern.response, 2 * RESPONSE + 1)
        for concern in example.concerns or ():
            _mark(labels, batch, index, concern.span, 2 * CONCERN + 1)
    return labels


def _mark(labels: IntArray, batch: Batch, note: int, span: tuple[int, int], begin: int) -> None:
    """Label the tokens of a span: the first with ``begin``, the others with the label after it."""
    first, after = tokens_in(batch, note, span)
    labels[first] = begin
    labels[first + 1 : after] = begin + 1


@dataclass(frozen=True, slots=True)
class _Annotated:
    """The annotated concerns of a batch, in note order, within a note by place; offsets are in the batch's text."""

    note: IntArray
    start: IntArray
    end: IntArray
    responses: list[Offsets | None]
    topic: IntArray
    status: IntArray
    outcome: IntArray

    @classmethod
    def of(cls, batch: Batch, examples: Sequence[Example], topics: tuple[AnyTopic, ...]) -> _Annotated:
        rows = [
            (index, one, int(batch.found.note_start[index]))
            for index, example in enumerate(examples)
            for one in sorted(example.concerns or (), key=lambda one: one.span)
        ]
        return cls(
            np.array([index for index, _, _ in rows], dtype=np.int64),
            np.array([at + one.span[0] for _, one, at in rows], dtype=np.int64),
            np.array([at + one.span[1] for _, one, at in rows], dtype=np.int64),
            [(at + one.response[0], at + one.response[1]) if one.response else None for _, one, at in rows],
            np.array([topics.index(one.topic) for _, one, _ in rows], dtype=np.int64),
            np.array([STATUSES.index(one.status) for _, one, _ in rows], dtype=np.int64),
            np.array([outcome_number(examples[index]) for index, _, _ in rows], dtype=np.int64),
        )


@dataclass(frozen=True, slots=True)
class _Topics:
    """What topic models learn from: annotated concerns, then phrases of no note (note -1)."""

    inputs: sparse.csr_array
    labels: IntArray
    note: IntArray
    n_topics: int

    @classmethod
    def of(
        cls,
        reader: Reader,
        batch: Batch,
        concerns: _Annotated,
        phrases: Sequence[tuple[str, str]],
        topics: tuple[AnyTopic, ...],
    ) -> _Topics:
        read = reader.read([phrase for _, phrase in phrases])
        begin = read.found.note_start
        inputs = [topic_inputs(batch, concerns.start, concerns.end), topic_inputs(read, begin[:-1], begin[1:] - 1)]
        names = [topic.value for topic in topics]
        labels = np.array([names.index(topic) for topic, _ in phrases], dtype=np.int64)
        return cls(
            sparse.csr_array(sparse.vstack(inputs[: 1 + bool(phrases)])),
            np.concatenate([concerns.topic, labels]),
            np.concatenate([concerns.note, np.full(len(phrases), -1)]),
            len(topics),
        )

    def fit(self, settings: Settings, *, left_out: BoolArray | None = None) -> Linear:
        """Fit a model, without the notes of ``left_out``, shape (notes,)."""
        inputs, labels = self.inputs, self.labels
        if left_out is not None:
            kept = np.flatnonzero(~np.append(left_out, False)[self.note])
            inputs, labels = sparse.csr_array(inputs[kept]), labels[kept]
        return fit_one_vs_rest(inputs, labels, self.n_topics, C=settings.topic_c, seed=settings.seed)


def unseen_concerns(
    reader: Reader,
    batch: Batch,
    tokens: sparse.csr_array,
    examples: Sequence[Example],
    topic_phrases: Sequence[tuple[str, str]],
    *,
    settings: Settings,
) -> list[Offered | None]:
    """Return what models offer in each note that have not seen its author; nothing for fragments.

    Args:
        reader: reads the phrases.
        batch: the notes of ``examples``.
        tokens: their token features, shape (tokens, rows of the weights table).
        examples: notes and fragments with annotated concerns.
        topic_phrases: further (topic id, phrase) pairs.
        settings: regularisation and inner folds.
    """
    topics = _Topics.of(reader, batch, _Annotated.of(batch, examples, TOPICS), topic_phrases, TOPICS)
    out: list[Offered | None] = [None] * len(examples)
    for held_out in unseen_folds(examples, settings):
        tagger = fit_concern_tagger(batch, tokens, examples, settings, chosen=~held_out)
        scores = np.asarray(tokens @ tagger.weights, dtype=np.float64)
        found = offered(tagger, topics.fit(settings, left_out=held_out), settings.further_outside_bias, batch, scores)
        for index in np.flatnonzero(held_out).tolist():
            out[index] = found[index]
    return out


def offered(tagger: Tagger, topic: Linear, further_bias: float, batch: Batch, scores: FloatArray) -> list[Offered]:
    """Return what a tagger and a topic model offer in each note of a batch.

    Args:
        tagger: the tagger of concerns and answers.
        topic: the topic model.
        further_bias: outside bias of the tagger's second reading.
        batch: the notes.
        scores: what the tagger makes of each token, shape (tokens, labels).
    """
    labels = best_labels(readings(tagger, further_bias), (scores, scores), sentences(batch))
    candidates, answers = offer(batch, scores, *labels)
    topic_scores = topic.decision(topic_inputs(batch, candidates.start, candidates.end))
    begin = batch.found.note_start.tolist()
    bounds, answer_bounds = (
        itertools.pairwise(np.searchsorted(every.note, np.arange(batch.found.n_notes + 1)).tolist())
        for every in (candidates, answers)
    )
    return [
        Offered(
            _moved(candidates.chosen(slice(low, high)), 0, -begin[note]),
            topic_scores[low:high],
            _moved(answers.chosen(slice(*own)), 0, -begin[note]),
        )
        for note, ((low, high), own) in enumerate(zip(bounds, answer_bounds, strict=True))
    ]


def _moved(candidates: Candidates, note: int, by: int) -> Candidates:
    """Return candidates of one note in another place."""
    return dataclasses.replace(
        candidates,
        note=np.full(len(candidates), note),
        start=candidates.start + by,
        end=candidates.end + by,
    )


def fit_topic(
    reader: Reader,
    batch: Batch,
    examples: Sequence[Example],
    topic_phrases: Sequence[tuple[str, str]],
    *,
    settings: Settings,
    topics: tuple[AnyTopic, ...] = TOPICS,
) -> Linear:
    """Fit the model of the topic.

    Args:
        reader: reads the phrases.
        batch: the notes of ``examples``.
        examples: notes with annotated concerns.
        topic_phrases: further (topic id, phrase) pairs.
        settings: regularisation.
        topics: the topics to tell apart.
    """
    return _Topics.of(reader, batch, _Annotated.of(batch, examples, topics), topic_phrases, topics).fit(settings)


def fit_concerns(
    reader: Reader,
    batch: Batch,
    examples: Sequence[Example],
    topic_phrases: Sequence[tuple[str, str]],
    *,
    settings: Settings,
    unseen: Sequence[Offered | None],
    topics: tuple[AnyTopic, ...] = TOPICS,
) -> ConcernModel:
    """Fit the models of what is a concern, of topic and status.

    Args:
        reader: reads the phrases.
        batch: the notes of ``examples``.
        examples: notes with annotated concerns.
        topic_phrases: further (topic id, phrase) pairs.
        settings: regularisation and thresholds.
        unseen: what models offer in each note that have not seen its author, as ``unseen_concerns`` returns it.
        topics: the topics to tell apart.
    """
    answer, answers = _fit_answer(batch, examples, unseen, settings)
    return ConcernModel(
        choice=_fit_choice(batch, examples, unseen, settings),
        answer=answer,
        topic=fit_topic(reader, batch, examples, topic_phrases, settings=settings, topics=topics),
        status=_fit_status(batch, _Annotated.of(batch, examples, topics), unseen, answers, settings),
        further_bias=settings.further_outside_bias,
        chosen_from=settings.concern_from,
        answer_from=settings.answer_from,
        addressed_from=settings.addressed_from,
        topics=topics,
    )


def _fit_choice(
    batch: Batch, examples: Sequence[Example], unseen: Sequence[Offered | None], settings: Settings
) -> Linear:
    candidates = _together(batch, [None if seen is None else seen.candidates for seen in unseen])
    # A model may know more topics of its own.
    scores = [np.zeros((0, len(TOPICS))), *(seen.topic_scores[:, : len(TOPICS)] for seen in unseen if seen is not None)]
    inputs = topic_inputs(batch, candidates.start, candidates.end)
    inputs = candidate_inputs(batch, candidates, inputs, np.concatenate(scores))
    spans = [[concern.span for concern in example.concerns or ()] for example in examples]
    is_concern = same_as(batch, candidates, spans)
    return fit_choice(inputs, is_concern, C=settings.choice_c, seed=settings.seed)


def _fit_answer(
    batch: Batch, examples: Sequence[Example], unseen: Sequence[Offered | None], settings: Settings
) -> tuple[Linear, Candidates]:
    """Fit what is an answer; return with it those that models choose which have not seen the author."""
    candidates = _together(batch, [None if seen is None else seen.answers for seen in unseen])
    inputs = answer_inputs(batch, candidates)
    spans = [[one.response for one in example.concerns or () if one.response] for example in examples]
    is_answer = same_as(batch, candidates, spans)

    def fit(of: IntArray) -> Linear:
        return fit_choice(sparse.csr_array(inputs[of]), is_answer[of], C=settings.choice_c, seed=settings.seed)

    chosen = np.zeros(len(candidates))
    for held_out in unseen_folds(examples, settings):
        own = held_out[candidates.note]
        chosen[own] = fit(np.flatnonzero(~own)).decision(sparse.csr_array(inputs[np.flatnonzero(own)]))[:, 0]
    kept = apart(candidates, probability(chosen), settings.answer_from)
    return fit(np.arange(len(candidates))), candidates.chosen(kept)


def _together(batch: Batch, offers: Sequence[Candidates | None]) -> Candidates:
    """Return the candidates of single notes as those of a batch."""
    begin = batch.found.note_start.tolist()
    return joined([_moved(one, note, begin[note]) for note, one in enumerate(offers) if one is not None])


def _fit_status(
    batch: Batch, concerns: _Annotated, unseen: Sequence[Offered | None], answers: Candidates, settings: Settings
) -> Linear:
    """Fit the status on each concern twice: with its annotated answer, and with the one found among ``answers``."""
    found = link_responses(concerns.note, concerns.start, answers)
    again = np.flatnonzero([unseen[note] is not None for note in concerns.note.tolist()])
    rows = [
        status_inputs(batch, concerns.start, concerns.end, responses, concerns.outcome)
        for responses in (concerns.responses, found)
    ]
    return fit_one_vs_rest(
        sparse.csr_array(sparse.vstack([rows[0], rows[1][again]])),
        np.concatenate([concerns.status, concerns.status[again]]),
        len(STATUSES),
        C=settings.status_c,
        seed=settings.seed,
    )
