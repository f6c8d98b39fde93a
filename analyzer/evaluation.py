"""How well a model reads notes by authors whom it has never seen.

Every note is read by a model that was fitted without any file of its author. Each metric comes with a 95% interval
from resampling notes (bootstrap percentiles).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from analyzer.corpus import VOICES, Example, voice_of
from analyzer.fitting import SAME_SPAN, Settings, author_folds
from analyzer.lexicon import Lexicon
from analyzer.note_analyzer import NoteAnalyzer
from analyzer.outcomes import OUTCOMES
from analyzer.records import NoteAnalysis, Offsets, Outcome, overlap
from analyzer.segmenter import Segmenter
from analyzer.training import fit_model

_RESAMPLES = 1000
_BINS = 10


@dataclass(frozen=True, slots=True)
class Scored:
    """A note with what models that had not seen its author found in it.

    Attributes:
        example: the annotated note.
        analysis: what the analyzer found.
        keywords: outcome by the keyword baseline.
        tfidf: outcome by the baseline of jieba words, TF-IDF and logistic regression.
    """

    example: Example
    analysis: NoteAnalysis
    keywords: Outcome
    tfidf: Outcome


FoldJob = tuple[Sequence[Example], Sequence[tuple[str, str]], Mapping[str, tuple[str, ...]], Settings, list[str]]


def evaluation_jobs(
    examples: Sequence[Example],
    topic_phrases: Sequence[tuple[str, str]],
    lexicon: Lexicon,
    settings: Settings,
    folds: int,
) -> list[FoldJob]:
    """Return the jobs for ``run_fold``: one a group of author files that is left out together.

    Args:
        examples: the corpus.
        topic_phrases: further phrases with their topics.
        lexicon: word classes.
        settings: settings of each fit.
        folds: number of groups; 0 leaves out one author file at a time.
    """
    authors = [example.author for example in examples if not example.is_fragment]
    groups = author_folds(authors, folds or len(set(authors)))
    return [(examples, topic_phrases, lexicon.terms, settings, group) for group in groups]


def cross_validate(jobs: Sequence[FoldJob], workers: int) -> list[Scored]:
    """Run ``jobs`` in ``workers`` processes; return every whole note once."""
    with ProcessPoolExecutor(workers) as pool:
        return [scored for part in pool.map(run_fold, jobs) for scored in part]


def run_fold(job: FoldJob) -> list[Scored]:
    """Fit on everything but a group of author files (all fragments stay in); read that group's notes."""
    examples, topic_phrases, terms, settings, group = job
    held_out = [example for example in examples if example.author in group and not example.is_fragment]
    kept = [example for example in examples if example.author not in group or example.is_fragment]
    analyzer = NoteAnalyzer(fit_model(kept, topic_phrases, Lexicon(terms), settings))
    notes = [example.note for example in held_out]
    found = zip(held_out, analyzer.analyze_many(notes), tfidf_outcomes(kept, notes, settings.seed), strict=True)
    return [Scored(example, analysis, keyword_outcome(example.note), tfidf) for example, analysis, tfidf in found]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with its 95% interval and the number of things it was counted over."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        if not self.count:
            return "–"
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"


def report(scored: Sequence[Scored], settings: Settings) -> dict[str, dict[str, Estimate]]:
    """Return all metrics, over all notes and per voice: ``{"all": {"outcome_accuracy": …}, "plain": …}``."""
    parts = {"all": list(scored)}
    for voice in VOICES:
        parts[voice] = [one for one in scored if voice_of(one.example.author) == voice]
    return {name: _metrics(part, settings) for name, part in parts.items() if part}


def confusion(scored: Sequence[Scored]) -> list[list[int]]:
    """Return counts, a row an annotated outcome and a column a found one, in the order of ``Outcome``."""
    out = [[0] * len(OUTCOMES) for _ in OUTCOMES]
    for one in scored:
        out[_gold(one)][_found(one)] += 1
    return out


def _metrics(scored: Sequence[Scored], settings: Settings) -> dict[str, Estimate]:
    gold = np.array([_gold(one) for one in scored])
    found = np.array([_found(one) for one in scored])
    keywords = np.array([OUTCOMES.index(one.keywords) for one in scored])
    tfidf = np.array([OUTCOMES.index(one.tfidf) for one in scored])
    confidence = np.array([one.analysis.confidence or 0.0 for one in scored])
    alone = confidence >= settings.review_below
    right = gold == found
    n = len(scored)
    counts = np.array([_span_counts(one, settings.topic_sure_from) for one in scored], dtype=np.float64)
    evidence = np.array([_evidence_overlaps(one) for one in scored])

    def estimate(metric: Callable[[Any], float], count: int) -> Estimate:
        rng = np.random.default_rng(settings.seed)
        values = np.array([metric(rng.integers(0, n, n)) for _ in range(_RESAMPLES)])
        values = values[np.isfinite(values)]  # a resample may hold nothing to count
        low, high = np.percentile(values, [2.5, 97.5]) if len(values) else (float("nan"),) * 2
        return Estimate(metric(np.arange(n)), float(low), float(high), count)

    def share(above: int, below: int) -> Callable[[Any], float]:
        return lambda rows: _ratio(counts[rows, above].sum(), counts[rows, below].sum())

    def span_f1(hit: int, found_column: int, gold_column: int) -> Callable[[Any], float]:
        return lambda rows: _ratio(
            2 * counts[rows, hit].sum(), counts[rows, found_column].sum() + counts[rows, gold_column].sum()
        )

    total = counts.sum(axis=0).astype(int)
    return {
        "outcome_macro_f1": estimate(lambda rows: _macro_f1(gold[rows], found[rows]), n),
        "outcome_accuracy": estimate(lambda rows: float(right[rows].mean()), n),
        "keywords_macro_f1": estimate(lambda rows: _macro_f1(gold[rows], keywords[rows]), n),
        "keywords_accuracy": estimate(lambda rows: float((gold == keywords)[rows].mean()), n),
        "tfidf_macro_f1": estimate(lambda rows: _macro_f1(gold[rows], tfidf[rows]), n),
        "tfidf_accuracy": estimate(lambda rows: float((gold == tfidf)[rows].mean()), n),
        "calibration_error": estimate(lambda rows: _calibration_error(confidence[rows], right[rows]), n),
        "decided_alone": estimate(lambda rows: float(alone[rows].mean()), n),
        "accuracy_alone": estimate(
            lambda rows: _ratio((right & alone)[rows].sum(), alone[rows].sum()), int(alone.sum())
        ),
        "evidence_overlap": estimate(
            lambda rows: _ratio((evidence & right)[rows].sum(), right[rows].sum()), int(right.sum())
        ),
        "concern_f1": estimate(span_f1(_HIT, _FOUND, _GOLD), total[_GOLD]),
        "concern_precision": estimate(share(_HIT, _FOUND), total[_FOUND]),
        "concern_recall": estimate(share(_HIT, _GOLD), total[_GOLD]),
        "topic_accuracy": estimate(share(_TOPIC, _HIT), total[_HIT]),
        "group_accuracy": estimate(share(_GROUP, _HIT), total[_HIT]),
        "topic_shown": estimate(share(_SHOWN, _HIT), total[_HIT]),
        "topic_accuracy_shown": estimate(share(_SHOWN_RIGHT, _SHOWN), total[_SHOWN]),
        "status_accuracy": estimate(share(_STATUS, _HIT), total[_HIT]),
        "response_f1": estimate(span_f1(_RESPONSE_HIT, _RESPONSE_FOUND, _RESPONSE_GOLD), total[_RESPONSE_GOLD]),
        "commitment_f1": estimate(span_f1(_ACT_HIT, _ACT_FOUND, _ACT_GOLD), total[_ACT_GOLD]),
        "action_accuracy": estimate(share(_ACTION, _ACT_HIT), total[_ACT_HIT]),
    }  # fmt: skip


(
    _HIT, _FOUND, _GOLD, _TOPIC, _GROUP, _STATUS, _RESPONSE_HIT, _RESPONSE_FOUND, _RESPONSE_GOLD,
    _ACT_HIT, _ACT_FOUND, _ACT_GOLD, _ACTION, _SHOWN, _SHOWN_RIGHT, _N_COUNTS,
) = range(16)  # fmt: skip


def _span_counts(one: Scored, sure_from: float) -> list[int]:
    """Return the counts of one note, in the order of the names above.

    Topic, status and response are judged on the concerns whose span was found.
    """
    gold = one.example.concerns or ()
    pairs = _matches([(c.span.start, c.span.end) for c in one.analysis.concerns], [c.span for c in gold])
    counts = [0] * _N_COUNTS
    counts[_HIT], counts[_FOUND], counts[_GOLD] = len(pairs), len(one.analysis.concerns), len(gold)
    for found_index, gold_index in pairs:
        concern, target = one.analysis.concerns[found_index], gold[gold_index]
        counts[_TOPIC] += concern.topic == target.topic
        if concern.topic_probability >= sure_from:
            counts[_SHOWN] += 1
            counts[_SHOWN_RIGHT] += concern.topic == target.topic
        counts[_GROUP] += concern.topic.group == target.topic.group
        counts[_STATUS] += concern.status is target.status
        counts[_RESPONSE_FOUND] += concern.response is not None
        counts[_RESPONSE_GOLD] += target.response is not None
        if concern.response and target.response:
            counts[_RESPONSE_HIT] += (
                overlap((concern.response.start, concern.response.end), target.response) >= SAME_SPAN
            )
    act, target_act = one.analysis.commitment, one.example.commitment
    counts[_ACT_FOUND], counts[_ACT_GOLD] = act is not None, target_act is not None
    if act and target_act and overlap((act.span.start, act.span.end), target_act) >= SAME_SPAN:
        counts[_ACT_HIT] = 1
        counts[_ACTION] = act.action is one.example.action
    return counts


class ConcernCounts(NamedTuple):
    """How the concerns of one note were found: topic and status are judged on those whose span was found."""

    hits: int
    found: int
    gold: int
    topics: int
    statuses: int


def concern_counts(example: Example, analysis: NoteAnalysis) -> ConcernCounts:
    """Return how the concerns of one note were found."""
    counts = _span_counts(Scored(example, analysis, Outcome.CONTINUATION, Outcome.CONTINUATION), 1.0)
    return ConcernCounts(*(counts[place] for place in (_HIT, _FOUND, _GOLD, _TOPIC, _STATUS)))


def _matches(found: Sequence[Offsets], gold: Sequence[Offsets]) -> list[tuple[int, int]]:
    """Pair found and annotated spans, each at most once, the best overlaps first."""
    ranked = sorted(
        ((overlap(a, b), i, j) for i, a in enumerate(found) for j, b in enumerate(gold)),
        key=lambda one: (-one[0], one[1:]),
    )
    pairs: list[tuple[int, int]] = []
    for value, i, j in ranked:
        if value >= SAME_SPAN and all(i != a and j != b for a, b in pairs):
            pairs.append((i, j))
    return pairs


def _evidence_overlaps(one: Scored) -> bool:
    return any(overlap((s.start, s.end), gold) > 0 for s in one.analysis.evidence for gold in one.example.evidence)


def _gold(one: Scored) -> int:
    return OUTCOMES.index(Outcome(one.example.outcome))


def _found(one: Scored) -> int:
    return OUTCOMES.index(one.analysis.outcome or Outcome.CONTINUATION)


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else float("nan")


def _macro_f1(gold: Any, found: Any) -> float:
    values = []
    for label in range(len(OUTCOMES)):
        below = (gold == label).sum() + (found == label).sum()
        if below:
            values.append(2 * ((gold == label) & (found == label)).sum() / below)
    return float(np.mean(values))


def _calibration_error(confidence: Any, right: Any) -> float:
    """Return the expected calibration error over ten equal bins of confidence (Guo et al., ICML 2017)."""
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    size = np.bincount(bins, minlength=_BINS)
    gap = np.abs(np.bincount(bins, right, _BINS) - np.bincount(bins, confidence, _BINS))
    return float(gap.sum() / size.sum())


# The first baseline: what somebody with an hour and a spreadsheet would write.
_KEYWORDS = (
    (Outcome.NO_SALE, r"不需要|不考虑|拒绝|不合作|取消|落选|没中|选了别家|已经签了别|不采购|不买"),
    (Outcome.ORDER, r"签(?:了|订|完|下)|合同已|下单|订单|中标|付款|打款|到账|定金|已采购"),
    (Outcome.ADVANCE, r"同意|试用|演示|参观|考察|立项|约(?:了|定|好)|样品|测试|引荐|安排"),
)


def keyword_outcome(note: str) -> Outcome:
    """Return the outcome by keywords alone."""
    return next((outcome for outcome, words in _KEYWORDS if re.search(words, note)), Outcome.CONTINUATION)


def tfidf_outcomes(fitted_on: Sequence[Example], notes: Sequence[str], seed: int) -> list[Outcome]:
    """Return outcomes by the usual pipeline: jieba words, TF-IDF, logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(tokenizer=Segmenter().cut, token_pattern=None, lowercase=False),
        LogisticRegression(C=10.0, max_iter=1000, random_state=seed),
    )
    judged = [example for example in fitted_on if example.outcome is not None and not example.is_fragment]
    model.fit([example.note for example in judged], [example.outcome for example in judged])
    return [Outcome(label) for label in model.predict(list(notes))]
