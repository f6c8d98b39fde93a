"""Fits a model on annotated notes. Deterministic: the same corpus, word lists and seed give the same model."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from analyzer.candidates import Candidates, candidate_inputs, joined
from analyzer.commitments import ACTIONS, CommitmentModel, act_candidates, action_inputs
from analyzer.concern_training import fit_concern_tagger, fit_concerns, unseen_concerns
from analyzer.corpus import Example
from analyzer.features import Batch, Reader, token_features, vocabulary_of
from analyzer.fitting import (
    Settings,
    evidence_of,
    fit_choice,
    is_whole,
    outcome_number,
    same_as,
    tokens_in,
    unseen_folds,
)
from analyzer.lexicon import Lexicon
from analyzer.linear import FloatArray, Linear, fit_one_vs_rest, relative
from analyzer.model_store import Model
from analyzer.outcomes import (
    N_EVIDENCE_LABELS,
    N_EVIDENCE_SIGNALS,
    N_SIGNALS,
    NONE,
    OutcomeModel,
    clause_probabilities,
    evidence_signals,
    note_signals,
    outcome_inputs,
    side_by_side,
    with_neighbours,
)
from analyzer.segmenter import BoolArray, IntArray, Segmenter
from analyzer.tagger import Tagger, best_labels, sentences
from analyzer.tagger_training import fit_tagger


@dataclass(frozen=True, slots=True)
class UnseenEvidence:
    """What evidence taggers say of notes whose authors they have not seen.

    Attributes:
        signals: what the combination reads of each note, shape (notes, signals); zero for fragments.
        acts: what may be the act in the notes that have one.
    """

    signals: FloatArray
    acts: Candidates


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
    batch = reader.read([example.note for example in judged])
    tokens = token_features(batch).matrix()
    evidence_tagger = fit_evidence_tagger(batch, tokens, judged, settings)
    evidence = unseen_evidence(batch, tokens, judged, settings)
    outcome = fit_outcome(batch, judged, evidence.signals, settings)
    commitment = _fit_commitment(batch, judged, evidence.acts, settings)

    tagged = [example for example in examples if example.concerns is not None]
    batch = reader.read([example.note for example in tagged])
    tokens = token_features(batch).matrix()
    concern_tagger = fit_concern_tagger(batch, tokens, tagged, settings)
    unseen = unseen_concerns(reader, batch, tokens, tagged, topic_phrases, settings=settings)
    return Model(
        reader=reader,
        outcome=outcome,
        evidence_tagger=evidence_tagger,
        concern_tagger=concern_tagger,
        concern=fit_concerns(reader, batch, tagged, topic_phrases, settings=settings, unseen=unseen),
        commitment=commitment,
        review_below=settings.review_below,
        topic_sure_from=settings.topic_sure_from,
        metadata=dict(metadata or {}),
    )


def versions() -> dict[str, str]:
    """Return the versions of what a model's numbers depend on."""
    packages = ("visit-note-analyzer", "jieba", "rjieba", "numpy", "scipy", "scikit-learn")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}}


def fit_evidence_tagger(
    batch: Batch,
    tokens: sparse.csr_array,
    examples: Sequence[Example],
    settings: Settings,
    *,
    chosen: BoolArray | None = None,
) -> Tagger:
    """Fit the tagger of the words that decide an outcome.

    Args:
        batch: the notes of ``examples``.
        tokens: their token features, shape (tokens, rows of the weights table).
        examples: those with an outcome, or ``"none"`` for fragments.
        settings: regularisation and passes.
        chosen: whether to learn from a note, shape (notes,); from all where not given.
    """
    return fit_tagger(
        batch, tokens, _evidence_labels(batch, examples), N_EVIDENCE_LABELS,
        outside_bias=settings.evidence_outside_bias, chosen=chosen, **settings.of_tagger(),
    )  # fmt: skip


def unseen_evidence(
    batch: Batch, tokens: sparse.csr_array, examples: Sequence[Example], settings: Settings
) -> UnseenEvidence:
    """Return what evidence taggers say of each whole note that have not seen its author.

    Arguments as in ``fit_evidence_tagger``.
    """
    signals = np.zeros((len(examples), N_EVIDENCE_SIGNALS))
    acts = []
    with_act = np.where([example.commitment is not None for example in examples], _labels(examples), -1)
    layout = sentences(batch)
    for held_out in unseen_folds(examples, settings):
        tagger = fit_evidence_tagger(batch, tokens, examples, settings, chosen=~held_out)
        scores = np.asarray(tokens @ tagger.weights, dtype=np.float64)
        signals[held_out] = evidence_signals(batch, scores)[held_out]
        (labels,) = best_labels([tagger], [scores], layout)
        acts.append(act_candidates(batch, scores, labels, np.where(held_out, with_act, -1)))
    return UnseenEvidence(signals, joined(acts))


def fit_outcome(
    batch: Batch,
    examples: Sequence[Example],
    evidence: FloatArray,
    settings: Settings,
    *,
    combine_weight: FloatArray | None = None,
) -> OutcomeModel:
    """Fit the models of the outcome.

    Args:
        batch: the notes of ``examples``.
        examples: those with an outcome, or ``"none"`` for fragments. A note without evidence teaches the note model
            alone, as nothing says which of its clauses decide.
        evidence: what taggers say of each that have not seen its author, as ``unseen_evidence`` returns it.
        settings: regularisation and inner folds.
        combine_weight: how much each example counts in the combination; all the same where not given.

    Raises:
        ValueError: the whole notes lack an outcome.
    """
    inputs = outcome_inputs(batch)
    clauses = with_neighbours(inputs)
    labels = _labels(examples)
    clause_labels = _clause_labels(batch, examples, labels)
    whole = is_whole(examples)
    shown = np.array([example.is_fragment or bool(example.evidence) for example in examples])

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
    for held_out in unseen_folds(examples, settings):
        note_model, clause_model = fit(~held_out)
        note = relative(note_model.decision(inputs.notes))
        found = note_signals(note, clause_probabilities(clause_model, inputs), inputs)
        signals[held_out] = np.hstack([found, evidence])[held_out]
    weight = None if combine_weight is None else combine_weight[whole]
    combine, bias = _fit_combination(signals[whole], labels[whole], settings, weight)
    note_model, clause_model = fit(np.ones(len(examples), dtype=bool))
    return OutcomeModel(note_model, clause_model, combine, bias)


def _labels(examples: Sequence[Example]) -> IntArray:
    return np.array([outcome_number(example) for example in examples])


def _fit_combination(
    signals: FloatArray, labels: IntArray, settings: Settings, weight: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=settings.combine_c, max_iter=5000).fit(signals, labels, sample_weight=weight)
    if list(model.classes_) != list(range(NONE)):
        raise ValueError("the corpus lacks an outcome; every outcome needs notes of several authors")
    return np.asarray(model.coef_.T, dtype=np.float64), np.asarray(model.intercept_, dtype=np.float64)


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


def _evidence_labels(batch: Batch, examples: Sequence[Example]) -> IntArray:
    """Return the label of each token for the evidence tagger: 0 is outside, 1 + k inside evidence of outcome k."""
    out = np.zeros(len(batch.found.tokens), dtype=np.int64)
    for index, example in enumerate(examples):
        label = outcome_number(example)
        if label == NONE:
            continue
        for span in evidence_of(example):
            first, after = tokens_in(batch, index, span)
            out[first:after] = 1 + label
    return out


def _fit_commitment(
    batch: Batch, examples: Sequence[Example], candidates: Candidates, settings: Settings
) -> CommitmentModel:
    """Fit what is the act on ``candidates``, and its kind on the annotated acts."""
    at, outcomes = batch.found.note_start.tolist(), _labels(examples)
    spans = [[example.commitment] if example.commitment else [] for example in examples]
    is_act = same_as(batch, candidates, spans)
    inputs = action_inputs(batch, candidates.start, candidates.end, outcomes[candidates.note])
    choice = fit_choice(candidate_inputs(batch, candidates, inputs), is_act, C=settings.act_c, seed=settings.seed)
    known = [
        (index, at[index] + example.commitment[0], at[index] + example.commitment[1], ACTIONS.index(example.action))
        for index, example in enumerate(examples)
        if example.commitment and example.action
    ]
    note, start, end, kind = np.array(known, dtype=np.int64).reshape(-1, 4).T
    action = fit_one_vs_rest(
        action_inputs(batch, start, end, outcomes[note]), kind, len(ACTIONS), C=settings.action_c, seed=settings.seed
    )
    return CommitmentModel(choice, action)


def _rows(matrix: sparse.csr_array, chosen: BoolArray) -> sparse.csr_array:
    return sparse.csr_array(matrix[np.flatnonzero(chosen)])
