"""What all fits share: settings, folds over authors, and labels as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from analyzer.candidates import Candidates
from analyzer.corpus import NO_OUTCOME, Example
from analyzer.features import N_BUCKETS, Batch, tokens_of
from analyzer.linear import Linear, fit_one_vs_rest
from analyzer.outcomes import NONE, OUTCOMES
from analyzer.records import Offsets, Outcome, overlap
from analyzer.segmenter import BoolArray

SAME_SPAN = 0.5  # a span is the annotated one when intersection over union with it reaches this


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a training run; the defaults were chosen by cross-validation over author files."""

    seed: int = 0
    min_word_count: int = 2
    folds: int = 3
    note_c: float = 30.0
    clause_c: float = 10.0
    combine_c: float = 0.05
    topic_c: float = 30.0
    choice_c: float = 0.6
    status_c: float = 3.0
    act_c: float = 1.0
    action_c: float = 10.0
    tagger_l2: float = 2.0
    tagger_passes: int = 6
    concern_outside_bias: float = -0.3
    further_outside_bias: float = -1.0
    evidence_outside_bias: float = -0.9
    concern_from: float = 0.4
    answer_from: float = 0.25
    addressed_from: float = 0.5
    review_below: float = 0.78
    topic_sure_from: float = 0.80

    def of_tagger(self) -> dict[str, Any]:
        """Return the settings that every fit of a tagger takes."""
        return {"l2": self.tagger_l2, "passes": self.tagger_passes, "seed": self.seed}


def author_folds(authors: Sequence[str], n_folds: int) -> list[list[str]]:
    """Return the authors in ``n_folds`` groups (fewer if there are fewer authors), dealt out in order of name."""
    names = sorted(set(authors))
    return [names[index::n_folds] for index in range(min(n_folds, len(names)))]


def unseen_folds(examples: Sequence[Example], settings: Settings) -> list[BoolArray]:
    """Return which whole notes are held out in each fold, those of a group of authors, shape (examples,)."""
    whole = is_whole(examples)
    authors = np.array([example.author for example in examples])
    return [whole & np.isin(authors, group) for group in author_folds(authors[whole].tolist(), settings.folds)]


def is_whole(examples: Sequence[Example]) -> BoolArray:
    """Return which examples are whole notes rather than fragments, shape (examples,)."""
    return np.array([not example.is_fragment for example in examples])


def outcome_number(example: Example) -> int:
    """Return the number of the outcome in ``OUTCOMES``, ``NONE`` where there is none."""
    if example.outcome is None or example.outcome == NO_OUTCOME:
        return NONE
    return OUTCOMES.index(Outcome(example.outcome))


def evidence_of(example: Example) -> list[Offsets]:
    """Return the stretches of an example that an evidence tagger learns.

    Where the customer's act overlaps a stretch of evidence, the act stands for it. A fragment is all evidence.
    """
    spans = [(0, len(example.note))] if example.is_fragment else list(example.evidence)
    act = example.commitment
    return spans if not act else [span for span in spans if min(span[1], act[1]) <= max(span[0], act[0])] + [act]


def tokens_in(batch: Batch, note: int, span: tuple[int, int]) -> tuple[int, int]:
    """Return the first token of a span of a note and the token after it."""
    bounds = np.array(span) + batch.found.note_start[note]
    first, after = tokens_of(batch, bounds[:1], bounds[1:])
    return int(first[0]), int(after[0])


def same_as(batch: Batch, candidates: Candidates, spans: Sequence[Sequence[Offsets]]) -> BoolArray:
    """Return which candidates are one of the annotated spans of their note, shape (candidates,)."""
    begin = batch.found.note_start.tolist()
    same = [
        any(overlap((start - begin[note], end - begin[note]), other) >= SAME_SPAN for other in spans[note])
        for note, start, end in candidates.places()
    ]
    return np.array(same, dtype=bool)


def fit_choice(inputs: sparse.csr_array, is_right: BoolArray, *, C: float, seed: int) -> Linear:
    """Fit a model of one class: which of several stretches is right.

    Args:
        inputs: what is read of each stretch, shape (stretches, buckets); where there are none, all are alike to the
            model.
        is_right: whether it is, shape (stretches,).
        C: inverse of the regularisation.
        seed: of the order in which the solver goes through the weights.
    """
    if not inputs.shape[0]:
        return Linear(np.zeros((N_BUCKETS, 1), dtype=np.float32), np.zeros(1, dtype=np.float32))
    return fit_one_vs_rest(inputs, np.where(is_right, 0, 1), 1, C=C, seed=seed)
