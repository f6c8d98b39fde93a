"""Likely mistakes in labelled notes: labels that a model which has not seen them doubts, contradictions, near copies.

Out-of-fold probabilities: each note is judged by a model that was fitted on other labelled notes. Notes are ranked by
the normalised margin: how much more probable the best other label is than the one given. Which are listed is decided
by confident learning (Northcutt, Jiang and Chuang, JAIR 2021) where cleanlab is installed and there are a hundred
notes, which it needs to know the labeller's habits; else by a fixed margin.
"""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.corpus import Example
from analyzer.linear import FloatArray, fit_one_vs_rest, relative
from analyzer.near_copies import near_copies
from analyzer.note_analyzer import NoteAnalyzer
from analyzer.outcomes import OUTCOMES, outcome_inputs
from analyzer.own_labels import OwnLabels, OwnNote
from analyzer.own_training import folds_of
from analyzer.records import Outcome
from analyzer.segmenter import BoolArray, IntArray

_FOLDS = 5
_C = 10.0  # regularisation of the small model of the own notes
_LEAST_FOR_HABITS = 100
_LEAST = 40  # labelled notes from which a model of their own says something
DOUBT_FROM = 0.3
"""Normalised margin from which a label is listed without cleanlab."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something to look at.

    Attributes:
        kind: ``refused``, ``contradiction``, ``label`` or ``copy``.
        place: file and cell.
        text: the note's beginning.
        reason: what is doubtful, in Chinese.
        weight: 0 to 1, larger is likelier a mistake.
    """

    kind: str
    place: str
    text: str
    reason: str
    weight: float


def check_labels(labels: OwnLabels, analyzer: NoteAnalyzer) -> list[Doubt]:
    """Return everything doubtful in some labels: cells that cannot be used, contradictions, labels, near copies.

    Args:
        labels: what was read.
        analyzer: a model that was not trained on these labels.
    """
    refused = [Doubt("refused", one.place, "", one.reason, 1.0) for one in [*labels.refused, *labels.remarks]]
    return [
        *refused,
        *contradictions(labels.notes),
        *uneven_concerns(labels.notes),
        *doubtful_labels(labels.notes, analyzer),
        *copies_across(labels.notes),
    ]


def out_of_fold(examples: Sequence[Example], analyzer: NoteAnalyzer) -> FloatArray:
    """Return the probability of each outcome for each note, shape (notes, outcomes), by models that have not seen it.

    The mean of the analyzer's own judgement and, from 40 notes on, of a model of the labelled notes alone, fitted on
    the other folds: the first knows the guideline, the second the labeller.

    Args:
        examples: notes with a labelled outcome.
        analyzer: a model that was not trained on these labels.
    """
    notes = [example.note for example in examples]
    given = np.array([[one.probabilities[o.value] for o in OUTCOMES] for one in analyzer.analyze_many(notes)])
    if len(examples) < _LEAST:
        return given
    labels = _labels(examples)
    X = outcome_inputs(analyzer.model.reader.read(notes)).notes
    fold = np.array(folds_of(examples, _FOLDS, 0))
    own = np.zeros_like(given)
    for number in range(_FOLDS):
        kept, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if not len(held):
            continue
        model = fit_one_vs_rest(X[kept], labels[kept], len(OUTCOMES), C=_C, seed=0)
        own[held] = relative(model.decision(X[held]))
    out: FloatArray = (given + own) / 2
    return out


def doubtful_labels(notes: Sequence[OwnNote], analyzer: NoteAnalyzer) -> list[Doubt]:
    """Return the notes whose labelled outcome is likely a mistake, the likeliest first.

    Args:
        notes: labelled notes; those without an outcome are passed over.
        analyzer: a model that was not trained on these labels.
    """
    judged = [one for one in notes if one.example.outcome is not None]
    if not judged:
        return []
    examples = [one.example for one in judged]
    probabilities = out_of_fold(examples, analyzer)
    labels = _labels(examples)
    margin = normalised_margin(probabilities, labels)
    listed = _by_confident_learning(probabilities, labels)
    if listed is None:
        listed = margin >= DOUBT_FROM
    order = np.flatnonzero(listed)[np.argsort(-margin[listed], kind="stable")]
    return [_label_doubt(judged[index], probabilities[index], labels[index], float(margin[index])) for index in order]


def normalised_margin(probabilities: FloatArray, labels: IntArray) -> FloatArray:
    """Return how much more probable the best other label is than the given one, from 0 (not at all) to 1.

    >>> normalised_margin(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([1, 1])).round(2).tolist()
    [0.8, 0.0]
    """
    rows = np.arange(len(labels))
    given = probabilities[rows, labels]
    others = probabilities.copy()
    others[rows, labels] = -1.0
    out: FloatArray = np.maximum(others.max(axis=1) - given, 0.0)
    return out


def _by_confident_learning(probabilities: FloatArray, labels: IntArray) -> BoolArray | None:
    """Return what cleanlab holds for mistakes, or ``None`` where it is not installed or there are too few notes."""
    few = len(labels) < _LEAST_FOR_HABITS or len(set(labels.tolist())) < len(OUTCOMES)
    if few or importlib.util.find_spec("cleanlab") is None:
        return None
    from cleanlab.filter import find_label_issues

    found: BoolArray = find_label_issues(labels, probabilities, n_jobs=1)
    return found


def _label_doubt(one: OwnNote, probabilities: FloatArray, label: int, margin: float) -> Doubt:
    best = int(np.argmax(probabilities))
    reason = (
        f"标的是{OUTCOMES[label].label}（{probabilities[label]:.0%}），"
        f"没学过它的模型认为更像{OUTCOMES[best].label}（{probabilities[best]:.0%}）"
    )
    return Doubt("label", one.place, _start(one.example.note), reason, margin)


def contradictions(notes: Sequence[OwnNote]) -> list[Doubt]:
    """Return near copies with different outcomes: one of the two labels is likely wrong."""
    judged = [one for one in notes if one.example.outcome is not None]
    out = []
    for first, second, likeness in near_copies([one.example.note for one in judged]):
        one, other = judged[first], judged[second]
        if one.example.outcome != other.example.outcome:
            labels = [Outcome(each.example.outcome).label for each in (one, other)]
            reason = f"与 {one.place} 几乎相同（{likeness:.0%}），却一个标{labels[0]}、一个标{labels[1]}"
            out.append(Doubt("contradiction", other.place, _start(other.example.note), reason, likeness))
    return sorted(out, key=lambda doubt: -doubt.weight)


def copies_across(notes: Sequence[OwnNote]) -> list[Doubt]:
    """Return near copies that stand in different files: a split by file would test on what was learnt."""
    out = []
    for first, second, likeness in near_copies([one.example.note for one in notes]):
        one, other = notes[first], notes[second]
        if one.file != other.file:
            reason = f"与 {one.place} 几乎相同（{likeness:.0%}），却在两个文件里：不要一个用来训练、一个用来检验"
            out.append(Doubt("copy", other.place, _start(other.example.note), reason, likeness))
    return sorted(out, key=lambda doubt: -doubt.weight)


def uneven_concerns(notes: Sequence[OwnNote]) -> list[Doubt]:
    """Return concerns whose words stand under another topic elsewhere in the labels."""
    topics: dict[str, dict[str, list[OwnNote]]] = defaultdict(lambda: defaultdict(list))
    for one in notes:
        for concern in one.example.concerns or ():
            words = one.example.note[slice(*concern.span)]
            topics[words][concern.topic.label].append(one)
    out = []
    for words, by_topic in topics.items():
        usual, *rest = sorted(by_topic, key=lambda topic: (-len(by_topic[topic]), topic))
        for topic in rest:
            for one in by_topic[topic]:
                first = by_topic[usual][0].place
                reason = f"关注点「{words[:30]}」在这里是{topic}，在 {first} 是{usual}"
                out.append(Doubt("contradiction", one.place, _start(one.example.note), reason, 0.5))
    return out


def _labels(examples: Sequence[Example]) -> IntArray:
    return np.array([OUTCOMES.index(Outcome(example.outcome)) for example in examples])


def _start(note: str) -> str:
    line = " ".join(note.split())
    return line if len(line) <= 40 else f"{line[:39]}…"
