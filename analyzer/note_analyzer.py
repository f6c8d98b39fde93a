"""Reads notes: one pass over a batch, every finding from the same tokens."""

from __future__ import annotations

import dataclasses
import datetime
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analyzer.candidates import N_CONCERN_LABELS, offer, readings
from analyzer.commitments import act_candidates, find_due
from analyzer.concerns import TOPICS, FoundConcern
from analyzer.features import Batch, token_features
from analyzer.linear import FloatArray, probability
from analyzer.model_folder import default_model_folder
from analyzer.model_store import Model, load_model
from analyzer.outcomes import IS_SUCCESS, OUTCOMES
from analyzer.records import Action, Commitment, Concern, NoteAnalysis, Offsets, Outcome, Span
from analyzer.segmenter import IntArray
from analyzer.tagger import best_labels, sentences, side_by_side
from analyzer.taxonomy import read_taxonomy

if TYPE_CHECKING:
    import pandas as pd

    from analyzer.second_reader import SecondReader

_BATCH_CHARACTERS = 100_000  # bounds the memory of one pass
_EVIDENCE_SPANS = 3  # at the most, as the guideline has it
_EVIDENCE_FROM = 0.1  # a further clause is shown from this strength on …
_EVIDENCE_RELATIVE = 0.5  # … and only if it is not much weaker than the strongest
_LEAST_VOTE = 0.02  # added to a vote, so that one alone cannot rule a clause out


class NoteAnalyzer:
    """Labels visit notes with outcome, evidence, concerns and commitment.

    Use ``NoteAnalyzer.load()``. An analyzer holds no state between notes; the same note gives the same findings
    whether it comes alone or among others.

    Args:
        model: a fitted model.
        second_reader: reads notes again whose outcome is unsure.
    """

    def __init__(self, model: Model, second_reader: SecondReader | None = None) -> None:
        self.model = model
        self._second_reader = second_reader
        # Both taggers read the same features: one look-up serves them.
        self._tagger_weights = side_by_side(model.concern_tagger.weights, model.evidence_tagger.weights)
        self._taggers = [*readings(model.concern_tagger, model.concern.further_bias), model.evidence_tagger]

    @classmethod
    def load(
        cls, path: str | Path | None = None, *, topics: str | Path | None = None, second_reader: bool = False
    ) -> NoteAnalyzer:
        """Return an analyzer with the model in the folder ``path``, or with the shipped one.

        Args:
            path: a model folder.
            topics: a TOML file with topics and seed words of one's own; they count besides those of the model.
            second_reader: have notes whose outcome is unsure read again, by a small transformer: fewer errors, at
                some four milliseconds a note instead of half of one. Needs the extra ``second-reader``.

        Raises:
            ModelError: the folder is missing, damaged or of another format version; a package is missing.
            TaxonomyError: the file of topics cannot be read or breaks its format.
        """
        model = load_model(Path(path) if path is not None else default_model_folder())
        if topics is not None:
            own = read_taxonomy(Path(topics)).learnt(model.concern.topics[len(TOPICS) :])
            model = dataclasses.replace(model, taxonomy=model.taxonomy.merged(own))
        if not second_reader:
            return cls(model)
        from analyzer.second_reader import SecondReader

        return cls(model, SecondReader.load())

    def analyze(self, note: str, *, visit_date: datetime.date | None = None) -> NoteAnalysis:
        """Return the findings of one note.

        Args:
            note: the text.
            visit_date: the day of the visit; then the commitment has its ``due_date``, where the note names a time.
        """
        return self.analyze_many([note], visit_dates=None if visit_date is None else [visit_date])[0]

    def analyze_many(
        self, notes: Sequence[str], *, visit_dates: Sequence[datetime.date | None] | None = None
    ) -> list[NoteAnalysis]:
        """Return the findings of ``notes``, in the same order, each as ``analyze`` gives it.

        Args:
            notes: the texts.
            visit_dates: the day of each visit, ``None`` where it is not known.

        Raises:
            TypeError: something in ``notes`` is not a string, or ``notes`` is itself one; a visit date is no date.
            ValueError: there are not as many visit dates as notes.
        """
        if isinstance(notes, str):
            raise TypeError("notes is one string; expected a sequence of strings (or use analyze)")
        for index, note in enumerate(notes):
            if not isinstance(note, str):
                raise TypeError(f"note {index} is a {type(note).__name__}; expected a string")
        out: list[NoteAnalysis] = []
        begin, size = 0, 0
        for index, note in enumerate(notes):
            if size + len(note) > _BATCH_CHARACTERS and index > begin:
                out.extend(self._analyze_batch(notes[begin:index]))
                begin, size = index, 0
            size += len(note)
        if begin < len(notes):
            out.extend(self._analyze_batch(notes[begin:]))
        if visit_dates is None:
            return out
        from analyzer.due_dates import with_due_dates  # its calendars take 50 ms to load

        return with_due_dates(out, visit_dates)

    def score_frame(
        self,
        frame: pd.DataFrame,
        note_column: str | None = None,
        *,
        as_of: datetime.date | None = None,
        redact: bool = False,
    ) -> pd.DataFrame:
        """Return the same rows and columns with the result columns added.

        Args:
            frame: a table with one note a row.
            note_column: name of the column with the notes; found by name and content if not given.
            as_of: day of the visits whose row has no date that can be read.
            redact: mask personal numbers and addresses in all columns.

        Raises:
            ColumnError: the column does not exist, or none looks like notes.
        """
        from analyzer.frames import score_frame

        return score_frame(frame, self.analyze_many, note_column, as_of=as_of, masked=redact)

    def _analyze_batch(self, notes: Sequence[str]) -> list[NoteAnalysis]:
        model = self.model
        batch = model.reader.read(notes)
        scores = token_features(batch).scores(self._tagger_weights)
        predicted = model.outcome.predict(batch, scores[:, N_CONCERN_LABELS:])
        outcomes = predicted.probabilities
        if self._second_reader is not None:
            outcomes = self._second_reader.revise(notes, outcomes)
        best = outcomes.argmax(axis=1)
        concerns: dict[int, list[FoundConcern]] = defaultdict(list)
        concern_scores, evidence_scores = scores[:, :N_CONCERN_LABELS], scores[:, N_CONCERN_LABELS:]
        labels, further_labels, evidence_labels = best_labels(
            self._taggers, (concern_scores, concern_scores, evidence_scores), sentences(batch)
        )
        candidates, answers = offer(batch, concern_scores, labels, further_labels)
        for concern in model.concern.predict(batch, candidates, answers, best):
            concerns[concern.note].append(concern)
        evidence = _evidence(batch, _strengths(batch, predicted.clause_probabilities, evidence_scores, best))
        success = np.where(IS_SUCCESS[best], best, -1)
        acts = model.commitment.acts(batch, act_candidates(batch, evidence_scores, evidence_labels, success), success)

        has_text = np.zeros(len(notes), dtype=bool)
        has_text[batch.found.token_note[batch.is_word]] = True
        out = []
        for index, note in enumerate(notes):
            if not has_text[index]:
                out.append(NoteAnalysis(None, {outcome.value: 0.25 for outcome in OUTCOMES}, needs_review=False))
                continue
            locate = _Locator(note, int(batch.found.note_start[index]))
            probabilities = outcomes[index].tolist()
            out.append(
                NoteAnalysis(
                    outcome=OUTCOMES[best[index]],
                    probabilities={o.value: p for o, p in zip(OUTCOMES, probabilities, strict=True)},
                    needs_review=probabilities[best[index]] < model.review_below,
                    evidence=tuple(locate.span(span) for span in evidence[index]),
                    concerns=tuple(self._concern(found, locate) for found in concerns[index]),
                    commitment=_commitment(*acts[index], OUTCOMES[best[index]], batch.found.text, locate)
                    if index in acts
                    else None,
                )
            )
        return out

    def _concern(self, found: FoundConcern, locate: _Locator) -> Concern:
        span = locate.span(found.span)
        topic, probability = found.topic, found.topic_probability
        sure = probability >= self.model.topic_sure_from
        if self.model.taxonomy.entries:
            # A seed word of the user's own decides: then the topic is certain.
            ruled = self.model.taxonomy.topic_of(span.text, topic, sure=sure)
            topic, probability, sure = (ruled, 1.0, True) if ruled is not None else (topic, probability, sure)
        return Concern(
            span=span,
            topic=topic,
            topic_probability=probability,
            topic_is_sure=sure,
            status=found.status,
            response=locate.span(found.response) if found.response else None,
        )


class _Locator:
    """Turns offsets in a batch's text into spans of one note."""

    def __init__(self, note: str, start: int) -> None:
        self.note = note
        self.start = start

    def span(self, offsets: Offsets) -> Span:
        start, end = offsets[0] - self.start, offsets[1] - self.start
        return Span(start, end, self.note[start:end])


def _strengths(batch: Batch, clauses: FloatArray, tokens: FloatArray, best: IntArray) -> FloatArray:
    """Return how much each clause speaks for the outcome of its note: the geometric mean of two models' votes.

    Args:
        batch: the notes.
        clauses: probability that a clause decides for each outcome, shape (clauses, outcomes + 1).
        tokens: scores of the evidence tagger's labels, shape (tokens, outcomes + 1); a clause's vote is its highest.
        best: number of each note's outcome, shape (notes,).
    """
    found = batch.found
    of_clause = clauses[np.arange(len(clauses)), best[found.clause_note]]
    margin = tokens[np.arange(len(tokens)), 1 + best[found.token_note]] - tokens[:, 0]
    highest = np.maximum.reduceat(np.where(batch.is_word, margin, -np.inf), found.clause_token[:-1])
    out: FloatArray = np.sqrt((of_clause + _LEAST_VOTE) * (probability(highest) + _LEAST_VOTE))
    return out


def _evidence(batch: Batch, votes: FloatArray) -> list[list[Offsets]]:
    """Return for each note the stretches that speak most for its outcome, in note order.

    The clause with the strongest vote always; further ones where they are nearly as strong. Clauses that follow one
    another are joined.

    Args:
        batch: the notes.
        votes: how much each clause speaks for the outcome of its note, shape (clauses,).
    """
    found = batch.found
    word = np.flatnonzero(~batch.is_filler)
    out: list[list[Offsets]] = [[] for _ in range(found.n_notes)]
    if not len(word):
        return out
    kept, first = np.unique(found.token_clause[word], return_index=True)
    last = np.append(first[1:], len(word)) - 1
    start, end = found.token_start[word[first]], found.token_start[word[last] + 1]
    note, strength = found.clause_note[kept], votes[kept]

    ranked = np.lexsort((-strength, note))  # stable: of two as strong, the first
    of_note = note[ranked]
    begin = np.searchsorted(of_note, of_note)
    rank, strongest = np.arange(len(ranked)) - begin, strength[ranked[begin]]
    enough = strength[ranked] >= np.maximum(_EVIDENCE_FROM, _EVIDENCE_RELATIVE * strongest)
    shown = np.zeros(len(kept), dtype=bool)
    shown[ranked] = (rank == 0) | ((rank < _EVIDENCE_SPANS) & enough)
    goes_on = np.zeros(len(kept) + 1, dtype=bool)
    goes_on[1:-1] = shown[1:] & shown[:-1] & (note[1:] == note[:-1])
    opens, closes = shown & ~goes_on[:-1], shown & ~goes_on[1:]
    for of, *span in zip(note[opens].tolist(), start[opens].tolist(), end[closes].tolist(), strict=True):
        out[of].append((span[0], span[1]))
    return out


def _commitment(act: Offsets, kind: Action, outcome: Outcome, text: str, locate: _Locator) -> Commitment:
    """Return the commitment, with the words in it that name its time; an act that is done (an order) has none."""
    found = None if outcome is Outcome.ORDER else find_due(text[slice(*act)])
    due = locate.span((act[0] + found[0], act[0] + found[1])) if found else None
    return Commitment(locate.span(act), kind, due)
