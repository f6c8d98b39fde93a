"""Fits a model on annotated notes. Deterministic: the same corpus, word lists and seed give the same model."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from analyzer.commitments import ACTIONS, N_COMMITMENT_LABELS, CommitmentModel, action_inputs
from analyzer.concerns import (
    CONCERN,
    N_CONCERN_LABELS,
    RESPONSE,
    STATUSES,
    TOPICS,
    ConcernModel,
    status_inputs,
    topic_inputs,
)
from analyzer.corpus import NO_OUTCOME, Example
from analyzer.features import Batch, Reader, token_features, tokens_of, vocabulary_of
from analyzer.lexicon import Lexicon
from analyzer.linear import FloatArray, Linear, fit_one_vs_rest, relative
from analyzer.model_store import Model
from analyzer.outcomes import (
    N_SIGNALS,
    NONE,
    OUTCOMES,
    OutcomeModel,
    clause_probabilities,
    note_signals,
    outcome_inputs,
    side_by_side,
    with_neighbours,
)
from analyzer.records import AnyTopic, Outcome
from analyzer.segmenter import BoolArray, IntArray, Segmenter
from analyzer.tagger import Tagger
from analyzer.tagger_training import fit_tagger


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a training run; the defaults were chosen by cross-validation over author files."""

    seed: int = 0
    min_word_count: int = 2
    folds: int = 5
    note_c: float = 30.0
    clause_c: float = 10.0
    combine_c: float = 0.05
    topic_c: float = 30.0
    status_c: float = 3.0
    action_c: float = 10.0
    tagger_l2: float = 2.0
    tagger_passes: int = 12
    concern_outside_bias: float = -0.3
    commitment_outside_bias: float = -0.6
    addressed_from: float = 0.5
    review_below: float = 0.83
    topic_sure_from: float = 0.84


def fit_model(
    examples: Sequence[Example],
    topic_phrases: Sequence[tuple[str, str]],
    lexicon: Lexicon,
    settings: Settings,
    metadata: Mapping[str, Any] | None = None,
    *,
    vocabulary: Sequence[str] | None = None,
) -> Model:
    """Fit every part of a model.

    Args:
        examples: annotated notes and fragments.
        topic_phrases: further (topic, phrase) pairs for the topic alone.
        lexicon: word classes.
        settings: regularisation and thresholds.
        metadata: what to keep with the model about how it was made.
        vocabulary: known words; those of the notes and phrases where not given.
    """
    segmenter = Segmenter()
    texts = [example.note for example in examples]
    if vocabulary is None:
        texts += [phrase for _, phrase in topic_phrases]
        vocabulary = vocabulary_of(segmenter, texts, settings.min_word_count)
    reader = Reader(vocabulary, lexicon, segmenter)
    judged = [example for example in examples if example.outcome is not None]
    outcome = fit_outcome(reader.read([example.note for example in judged]), judged, settings)

    tagged = [example for example in examples if example.concerns is not None]
    batch = reader.read([example.note for example in tagged])
    tokens = token_features(batch).matrix()
    concern_tagger = fit_concern_tagger(batch, tokens, tagged, settings)
    commitment_tagger = fit_tagger(
        batch, tokens, _commitment_labels(batch, tagged), N_COMMITMENT_LABELS,
        outside_bias=settings.commitment_outside_bias, **_tagger_settings(settings),
    )  # fmt: skip
    return Model(
        reader=reader,
        outcome=outcome,
        concern_tagger=concern_tagger,
        concern=fit_concerns(reader, batch, tagged, topic_phrases, settings),
        commitment_tagger=commitment_tagger,
        commitment=_fit_actions(batch, tagged, settings),
        review_below=settings.review_below,
        topic_sure_from=settings.topic_sure_from,
        metadata=dict(metadata or {}),
    )


def fit_concern_tagger(
    batch: Batch, tokens: sparse.csr_array, examples: Sequence[Example], settings: Settings
) -> Tagger:
    """Fit the tagger of concerns and answers.

    Args:
        batch: the notes of ``examples``.
        tokens: their token features, shape (tokens, buckets).
        examples: notes with annotated concerns.
        settings: regularisation and passes.
    """
    return fit_tagger(
        batch, tokens, _concern_labels(batch, examples), N_CONCERN_LABELS,
        outside_bias=settings.concern_outside_bias, **_tagger_settings(settings),
    )  # fmt: skip


def _tagger_settings(settings: Settings) -> dict[str, Any]:
    return {"l2": settings.tagger_l2, "passes": settings.tagger_passes, "seed": settings.seed}


def versions() -> dict[str, str]:
    """Return the versions of what a model's numbers depend on."""
    packages = ("visit-note-analyzer", "jieba", "rjieba", "numpy", "scipy", "scikit-learn")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}}


def author_folds(authors: Sequence[str], n_folds: int) -> list[list[str]]:
    """Return the authors in ``n_folds`` groups (fewer if there are fewer authors), dealt out in order of name."""
    names = sorted(set(authors))
    return [names[index::n_folds] for index in range(min(n_folds, len(names)))]


def fit_outcome(
    batch: Batch, examples: Sequence[Example], settings: Settings, *, combine_weight: FloatArray | None = None
) -> OutcomeModel:
    """Fit the three models of the outcome.

    Args:
        batch: the notes of ``examples``.
        examples: those with an outcome, or ``"none"`` for fragments. A note without evidence teaches the note model
            alone, as nothing says which of its clauses decide.
        settings: regularisation and inner folds.
        combine_weight: how much each example counts in the combination; all the same where not given.

    Raises:
        ValueError: the whole notes lack an outcome.
    """
    inputs = outcome_inputs(batch)
    clauses = with_neighbours(inputs)
    labels = np.array([_label(example) for example in examples])
    clause_labels = _clause_labels(batch, examples, labels)
    whole = np.array([not example.is_fragment for example in examples])
    shown = np.array([example.is_fragment or bool(example.evidence) for example in examples])
    authors = np.array([example.author for example in examples])

    def fit(chosen: BoolArray) -> tuple[Linear, Linear]:
        notes = chosen & (labels < NONE)
        of = (chosen & shown)[inputs.clause_note] & inputs.has_words
        return (
            fit_one_vs_rest(_rows(inputs.notes, notes), labels[notes], NONE, C=settings.note_c, seed=settings.seed),
            side_by_side(
                fit_one_vs_rest(
                    _rows(clauses, of), clause_labels[of], NONE + 1, C=settings.clause_c, seed=settings.seed
                )
            ),
        )

    signals = np.zeros((len(examples), N_SIGNALS))
    for group in author_folds(authors[whole].tolist(), settings.folds):
        held_out = whole & np.isin(authors, group)
        note_model, clause_model = fit(~held_out)
        found = note_signals(
            relative(note_model.decision(inputs.notes)), clause_probabilities(clause_model, inputs), inputs
        )
        signals[held_out] = found[held_out]
    weight = None if combine_weight is None else combine_weight[whole]
    combine, bias = _fit_combination(signals[whole], labels[whole], settings, weight)
    note_model, clause_model = fit(np.ones(len(examples), dtype=bool))
    return OutcomeModel(note_model, clause_model, combine, bias)


def _fit_combination(
    signals: FloatArray, labels: IntArray, settings: Settings, weight: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=settings.combine_c, max_iter=5000).fit(signals, labels, sample_weight=weight)
    if list(model.classes_) != list(range(NONE)):
        raise ValueError("the corpus lacks an outcome; every outcome needs notes of several authors")
    return np.asarray(model.coef_.T, dtype=np.float64), np.asarray(model.intercept_, dtype=np.float64)


def _label(example: Example) -> int:
    if example.outcome is None or example.outcome == NO_OUTCOME:
        return NONE
    return OUTCOMES.index(Outcome(example.outcome))


def _clause_labels(batch: Batch, examples: Sequence[Example], labels: IntArray) -> IntArray:
    """Return what each clause decides: the note's outcome where the evidence covers it, a fragment's label, or none.

    A clause is covered when the overlap is at least half of the shorter of the two.
    """
    found = batch.found
    out = np.full(len(found.clause_note), NONE)
    start = found.token_start[found.clause_token[:-1]] - found.note_start[found.clause_note]
    end = found.token_start[found.clause_token[1:]] - found.note_start[found.clause_note]
    bounds = np.searchsorted(found.clause_note, np.arange(found.n_notes + 1))
    for index, example in enumerate(examples):
        own = slice(bounds[index], bounds[index + 1])
        if example.is_fragment:
            out[own] = labels[index]
        for left, right in example.evidence:
            overlap = np.minimum(right, end[own]) - np.maximum(left, start[own])
            covered = overlap >= 0.5 * np.minimum(right - left, end[own] - start[own])
            out[own] = np.where(covered, labels[index], out[own])
    return out


def _concern_labels(batch: Batch, examples: Sequence[Example]) -> IntArray:
    labels = np.zeros(len(batch.found.tokens), dtype=np.int64)
    for index, example in enumerate(examples):
        for concern in example.concerns or ():
            if concern.response:
                _mark(labels, batch, index, concern.response, 2 * RESPONSE + 1)
        for concern in example.concerns or ():
            _mark(labels, batch, index, concern.span, 2 * CONCERN + 1)
    return labels


def _commitment_labels(batch: Batch, examples: Sequence[Example]) -> IntArray:
    labels = np.zeros(len(batch.found.tokens), dtype=np.int64)
    for index, example in enumerate(examples):
        if example.commitment:
            _mark(labels, batch, index, example.commitment, 1)
    return labels


def _mark(labels: IntArray, batch: Batch, note: int, span: tuple[int, int], begin: int) -> None:
    """Label the tokens of a span: the first with ``begin``, the others with the label after it."""
    offset = batch.found.note_start[note]
    first, after = tokens_of(batch, offset + span[:1], offset + span[1:])
    labels[first[0]] = begin
    labels[first[0] + 1 : after[0]] = begin + 1


def fit_concerns(
    reader: Reader,
    batch: Batch,
    examples: Sequence[Example],
    topic_phrases: Sequence[tuple[str, str]],
    settings: Settings,
    *,
    topics_known: tuple[AnyTopic, ...] = TOPICS,
) -> ConcernModel:
    """Fit the models of topic and status.

    Args:
        reader: reads the phrases.
        batch: the notes of ``examples``.
        examples: notes with annotated concerns.
        topic_phrases: further (topic id, phrase) pairs.
        settings: regularisation.
        topics_known: the topics to tell apart.
    """
    offset = batch.found.note_start
    gold = [(offset[index], concern) for index, example in enumerate(examples) for concern in example.concerns or ()]
    starts = np.array([at + concern.span[0] for at, concern in gold])
    ends = np.array([at + concern.span[1] for at, concern in gold])
    responses = [
        (int(at + concern.response[0]), int(at + concern.response[1])) if concern.response else None
        for at, concern in gold
    ]
    topics = np.array([topics_known.index(concern.topic) for _, concern in gold])
    statuses = np.array([STATUSES.index(concern.status) for _, concern in gold])
    X_topic = topic_inputs(batch, starts, ends)
    if topic_phrases:
        phrases = reader.read([phrase for _, phrase in topic_phrases])
        begin = phrases.found.note_start
        X_topic = sparse.csr_array(sparse.vstack([X_topic, topic_inputs(phrases, begin[:-1], begin[1:] - 1)]))
        names = [topic.value for topic in topics_known]
        topics = np.concatenate([topics, [names.index(topic) for topic, _ in topic_phrases]])
    # Answered concerns come twice, once as if the answer had not been found, as will happen to some.
    again = np.flatnonzero([response is not None for response in responses])
    unanswered = status_inputs(batch, starts, ends, [None] * len(gold))
    X_status = sparse.csr_array(
        sparse.vstack([status_inputs(batch, starts, ends, responses), sparse.csr_array(unanswered[again])])
    )
    statuses = np.concatenate([statuses, statuses[again]])
    return ConcernModel(
        topic=fit_one_vs_rest(X_topic, topics, len(topics_known), C=settings.topic_c, seed=settings.seed),
        status=fit_one_vs_rest(X_status, statuses, len(STATUSES), C=settings.status_c, seed=settings.seed),
        addressed_threshold=settings.addressed_from,
        topics=topics_known,
    )


def _fit_actions(batch: Batch, examples: Sequence[Example], settings: Settings) -> CommitmentModel:
    offset = batch.found.note_start
    spans, outcomes, actions = [], [], []
    for index, example in enumerate(examples):
        if example.commitment and example.action:
            at = int(offset[index])
            spans.append((at + example.commitment[0], at + example.commitment[1]))
            outcomes.append(_label(example))
            actions.append(ACTIONS.index(example.action))
    X = action_inputs(batch, spans, np.array(outcomes))
    return CommitmentModel(fit_one_vs_rest(X, np.array(actions), len(ACTIONS), C=settings.action_c, seed=settings.seed))


def _rows(matrix: sparse.csr_array, chosen: BoolArray) -> sparse.csr_array:
    return sparse.csr_array(matrix[np.flatnonzero(chosen)])
