"""Teaches a model a user's own labels, and measures what that brings on their notes and costs elsewhere.

Only the findings that the labels speak of are fitted anew, on the base corpus and the own notes together; the other
parts stay those of the base model, byte for byte. The vocabulary stays too, as a word's number is what the weights
hang on; new words count through their characters.

Measured is each time a model that has not seen the note: the own notes by cross-validation, the base corpus by leaving
author files out.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analyzer.concern_training import (
    Offered,
    fit_concern_tagger,
    fit_concerns,
    fit_topic,
    offered,
    unseen_concerns,
)
from analyzer.corpus import Example, GoldConcern
from analyzer.errors import LabelError
from analyzer.features import token_features
from analyzer.fitting import Settings, author_folds
from analyzer.gains import Gain, concern_gains, outcome_gains
from analyzer.linear import FloatArray
from analyzer.model_store import Model, load_model
from analyzer.near_copies import copy_groups
from analyzer.note_analyzer import NoteAnalyzer
from analyzer.outcomes import N_EVIDENCE_SIGNALS, OUTCOMES, clause_probabilities, evidence_signals, outcome_inputs
from analyzer.own_labels import OWN_AUTHOR
from analyzer.records import NoteAnalysis, Outcome
from analyzer.taxonomy import Taxonomy
from analyzer.training import fit_evidence_tagger, fit_outcome, unseen_evidence, versions
from analyzer.training_run import TrainingData

MIN_ROWS = 20
OUTCOME, CONCERNS, TOPIC = "outcome", "concerns", "topic"
_CURVE_FROM = 40  # own notes from which half of them says something
_GROUPS = 5  # own notes are dealt into so many groups, so that the combination sees them as it will see new ones


@dataclass(frozen=True, slots=True)
class OwnSettings:
    """Settings of a run on own labels.

    Attributes:
        weight: how often each own note counts in fitting; docs/own_notes.md has the numbers behind the defaults.
        combine_weight: how much each own note counts in the combination of note and clauses, which sets the
            probabilities right.
        folds: parts of the cross-validation over own notes.
        base_folds: groups of author files that the base corpus is dealt into for its check.
        base_checked: how many of these groups are left out, one after the other.
        inner_folds: parts of the corpus that the combination of the outcome is learnt from, one after the other.
        seed: of the folds and the resampling.
    """

    weight: int = 3
    combine_weight: float = 10.0
    folds: int = 4
    base_folds: int = 4
    base_checked: int = 1
    inner_folds: int = 3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class OwnData:
    """What is learnt.

    Attributes:
        outcomes: own notes with a labelled outcome.
        concerns: own notes with labelled concerns.
        taxonomy: the user's topics and seed words.
    """

    outcomes: list[Example]
    concerns: list[Example]
    taxonomy: Taxonomy

    @property
    def findings(self) -> frozenset[str]:
        """What the labels speak of; seed words speak of topics alone."""
        return frozenset(
            [OUTCOME] * bool(self.outcomes)
            + [CONCERNS, TOPIC] * bool(self.concerns)
            + [TOPIC] * bool(self.taxonomy.entries)
        )

    def only(self, kept: Callable[[Example], bool]) -> OwnData:
        """Return the part of the notes that ``kept`` chooses."""
        return OwnData(list(filter(kept, self.outcomes)), list(filter(kept, self.concerns)), self.taxonomy)


@dataclass(frozen=True, slots=True)
class BaseUnseen:
    """What models say of each note of the base corpus that have not seen its author.

    It does not depend on the own notes, so it is made once for all fits of a run; ``None`` where no fit needs it.

    Attributes:
        evidence: the signals of ``training.unseen_evidence`` for the notes and fragments with an outcome.
        concerns: what ``concern_training.unseen_concerns`` returns for those with annotated concerns.
    """

    evidence: FloatArray | None = None
    concerns: list[Offered | None] | None = None


@dataclass(frozen=True, slots=True)
class OwnResult:
    """What a run made and measured.

    Attributes:
        model: the base model with the findings that were learnt.
        own: gains on the own notes, by metric, cross-validated.
        curve: gains from learning all of the notes instead of half of them; empty where these are too few.
        base: gains (losses, if negative) on base notes of authors left out.
        base_notes: how many base notes these are.
    """

    model: Model
    own: dict[str, Gain]
    curve: dict[str, Gain]
    base: dict[str, Gain]
    base_notes: int


def learn(
    model: Model,
    data: TrainingData,
    own: OwnData,
    settings: OwnSettings,
    *,
    findings: frozenset[str] | None = None,
    left_out: Sequence[str] = (),
    unseen: BaseUnseen | None = None,
) -> Model:
    """Return ``model`` with some findings fitted anew on the base corpus and ``own`` together.

    The evidence tagger stays that of the base: who labels an outcome need not mark the words that show it. Only where
    authors are left out, to be read afterwards, it is fitted without them.

    Args:
        model: the base model; its reader and all other findings stay.
        data: the base corpus.
        own: labels to learn.
        settings: weight of the own notes.
        findings: what to fit; where not given, what ``own`` speaks of.
        left_out: authors whose notes are left out of the base corpus.
        unseen: what ``base_unseen`` returns, which takes longest; made here where not given.
    """
    findings = own.findings if findings is None else findings
    fitting = _fitting(settings)
    unseen = unseen or base_unseen(model, data, settings, findings)

    def is_kept(example: Example) -> bool:
        return example.is_fragment or example.author not in left_out

    parts: dict[str, object] = {}
    if OUTCOME in findings:
        assert unseen.evidence is not None
        kept = np.array([is_kept(example) for example in _judged(data.examples)])
        signals = unseen.evidence[kept]
        judged = list(filter(is_kept, _judged(data.examples)))
        taught = _in_groups(with_evidence(model, own.outcomes)) * settings.weight
        batch = model.reader.read([example.note for example in judged + taught])
        counts = np.ones(len(judged) + len(taught))
        counts[len(judged) :] = settings.combine_weight / settings.weight
        parts["outcome"] = fit_outcome(
            batch, judged + taught, np.concatenate([signals, _evidence(model, taught)]), fitting,
            combine_weight=counts if taught else None,
        )  # fmt: skip
        if left_out:
            batch = model.reader.read([example.note for example in judged])
            parts["evidence_tagger"] = fit_evidence_tagger(batch, token_features(batch).matrix(), judged, fitting)
    if TOPIC in findings:
        base = list(filter(is_kept, _tagged(data.examples)))
        own_notes = own.concerns * settings.weight
        tagged = [relabelled(example, own.taxonomy) for example in base] + own_notes
        batch = model.reader.read([example.note for example in tagged])
        phrases = [*data.topic_phrases, *own.taxonomy.phrases * settings.weight]
        topics = own.taxonomy.topics
        parts["taxonomy"] = own.taxonomy.learnt(topics)
        if CONCERNS in findings:
            assert unseen.concerns is not None
            every = zip(_tagged(data.examples), unseen.concerns, strict=True)
            offers = [one for example, one in every if is_kept(example)] + _offers(model, own_notes, fitting)
            parts["concern_tagger"] = fit_concern_tagger(batch, token_features(batch).matrix(), tagged, fitting)
            parts["concern"] = fit_concerns(
                model.reader, batch, tagged, phrases, settings=fitting, unseen=offers, topics=topics
            )
        else:
            topic = fit_topic(model.reader, batch, tagged, phrases, settings=fitting, topics=topics)
            parts["concern"] = dataclasses.replace(model.concern, topic=topic, topics=topics)
    return dataclasses.replace(model, **parts)  # type: ignore[arg-type]


def base_unseen(model: Model, data: TrainingData, settings: OwnSettings, findings: frozenset[str]) -> BaseUnseen:
    """Return what models say of each note of the base corpus that have not seen its author.

    Args:
        model: its reader is used.
        data: the base corpus.
        settings: inner folds and seed.
        findings: what will be fitted.
    """
    fitting, reader = _fitting(settings), model.reader
    evidence = concerns = None
    if OUTCOME in findings:
        judged = _judged(data.examples)
        batch = reader.read([example.note for example in judged])
        evidence = unseen_evidence(batch, token_features(batch).matrix(), judged, fitting).signals
    if CONCERNS in findings:
        tagged = _tagged(data.examples)
        batch = reader.read([example.note for example in tagged])
        tokens = token_features(batch).matrix()
        concerns = unseen_concerns(reader, batch, tokens, tagged, data.topic_phrases, settings=fitting)
    return BaseUnseen(evidence, concerns)


def _evidence(model: Model, examples: Sequence[Example]) -> FloatArray:
    """Return what the model's evidence tagger, which has not seen them, says of own notes."""
    if not examples:
        return np.zeros((0, N_EVIDENCE_SIGNALS))
    batch = model.reader.read([example.note for example in examples])
    return evidence_signals(batch, token_features(batch).scores(model.evidence_tagger.weights))


def _offers(model: Model, examples: Sequence[Example], fitting: Settings) -> list[Offered]:
    """Return what the model, which has not seen them, offers as concerns in own notes."""
    if not examples:
        return []
    batch = model.reader.read([example.note for example in examples])
    scores = token_features(batch).scores(model.concern_tagger.weights)
    return offered(model.concern_tagger, model.concern.topic, fitting.further_outside_bias, batch, scores)


def _tagged(examples: Sequence[Example]) -> list[Example]:
    return [example for example in examples if example.concerns is not None]


def _judged(examples: Sequence[Example]) -> list[Example]:
    return [example for example in examples if example.outcome is not None]


def _fitting(settings: OwnSettings) -> Settings:
    return Settings(seed=settings.seed, folds=settings.inner_folds)


def relabelled(example: Example, taxonomy: Taxonomy) -> Example:
    """Return the note with the concerns under the user's own topics where these decide by a seed word.

    The base corpus does not know the topics; what it says of their words would contradict the user.
    """
    if not taxonomy.own or not example.concerns:
        return example

    def topic(concern: GoldConcern) -> GoldConcern:
        ruled = taxonomy.topic_of(example.note[slice(*concern.span)], concern.topic, sure=True)
        return concern if ruled not in taxonomy.own else dataclasses.replace(concern, topic=ruled)

    return dataclasses.replace(example, concerns=tuple(map(topic, example.concerns)))


def with_evidence(model: Model, examples: Sequence[Example]) -> list[Example]:
    """Return the notes, each with the clause that decides.

    Who labels an outcome need not say which words show it. Where they do not, it is the clause that speaks most for
    the labelled outcome in the model's eyes.
    """
    missing = [index for index, example in enumerate(examples) if not example.evidence]
    out = list(examples)
    if not missing:
        return out
    batch = model.reader.read([examples[index].note for index in missing])
    inputs = outcome_inputs(batch)
    votes = clause_probabilities(model.outcome.clause, inputs)
    found = batch.found
    for place, index in enumerate(missing):
        clauses = np.flatnonzero((found.clause_note == place) & inputs.has_words)
        if not len(clauses):
            continue
        label = OUTCOMES.index(Outcome(examples[index].outcome))
        best = clauses[votes[clauses, label].argmax()]
        bounds = found.token_start[found.clause_token[[best, best + 1]]] - found.note_start[place]
        start, end = int(bounds[0]), min(int(bounds[1]), len(examples[index].note))
        out[index] = dataclasses.replace(examples[index], evidence=((start, end),))
    return out


def _in_groups(examples: Sequence[Example]) -> list[Example]:
    """Return the notes as if by several authors, near copies by the same.

    The combination of the outcome learns from notes whose author it has not seen. Own notes are to be read by a model
    that has seen others like them: it learns from each group with the other groups seen.
    """
    number = {group: place for place, group in enumerate(dict.fromkeys(copy_groups([one.note for one in examples])))}
    groups = (number[group] % _GROUPS for group in copy_groups([one.note for one in examples]))
    return [
        dataclasses.replace(example, author=f"{OWN_AUTHOR}{group}")
        for example, group in zip(examples, groups, strict=True)
    ]


# --- measuring ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Job:
    """A model to fit and the notes that it reads then."""

    own: OwnData
    notes: tuple[str, ...]
    findings: frozenset[str]
    left_out: tuple[str, ...] = ()


_worker: dict[str, object] = {}


def _start(base: Path, model: Path, unseen: BaseUnseen | None = None) -> None:
    """Read once in each process what all jobs need."""
    _worker["data"] = TrainingData.read(base)
    _worker["model"] = load_model(model)
    _worker["unseen"] = unseen


def _unseen(findings: frozenset[str], settings: OwnSettings) -> BaseUnseen:
    model, data = _worker["model"], _worker["data"]
    assert isinstance(model, Model)
    assert isinstance(data, TrainingData)
    return base_unseen(model, data, settings, findings)


def _fit(job: _Job, settings: OwnSettings) -> Model:
    model, data, unseen = _worker["model"], _worker["data"], _worker["unseen"]
    assert isinstance(model, Model)
    assert isinstance(data, TrainingData)
    assert isinstance(unseen, BaseUnseen)
    return learn(model, data, job.own, settings, findings=job.findings, left_out=job.left_out, unseen=unseen)


def _run(job: _Job, settings: OwnSettings) -> list[NoteAnalysis]:
    return NoteAnalyzer(_fit(job, settings)).analyze_many(job.notes)


def folds_of(examples: Sequence[Example], n_folds: int, seed: int) -> list[int]:
    """Return the fold of each note: outcomes spread evenly, near copies together, the same in every run."""
    groups = copy_groups([example.note for example in examples])
    # A group goes by the member with the least digest, whatever the order of the rows.
    key: dict[int, tuple[str, str]] = {}
    for group, example in zip(groups, examples, strict=True):
        digest = _digest(example.note, seed)
        if group not in key or digest < key[group][1]:
            key[group] = (str(example.outcome), digest)
    fold = {group: place % n_folds for place, group in enumerate(sorted(key, key=key.__getitem__))}
    return [fold[group] for group in groups]


def _digest(text: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {text}".encode("utf-8", "surrogatepass")).hexdigest()


def teach(
    base: Path,
    model: Path,
    own: OwnData,
    settings: OwnSettings,
    *,
    workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> OwnResult:
    """Fit the model on everything and measure it.

    Args:
        base: folder with ``corpus/`` and ``lexicons/``.
        model: folder of the base model.
        own: labels to learn.
        settings: weight, folds, seed.
        workers: processes.
        progress: called with the fits done and their number.

    Raises:
        LabelError: too few notes, or an outcome is missing everywhere.
        AnalyzerError: the corpus or the model cannot be read.
    """
    check_enough(own)
    data, old = TrainingData.read(base), load_model(model)
    every = list(dict.fromkeys([*own.outcomes, *own.concerns]))
    fold = dict(zip(every, folds_of(every, settings.folds, settings.seed), strict=True))
    halves = dict(zip(every, folds_of(every, 2, settings.seed + 1), strict=True))
    parts = [[example for example in every if fold[example] == number] for number in range(settings.folds)]

    def job(number: int, *, half: bool) -> _Job:
        learnt = own.only(lambda one: fold[one] != number and not (half and halves[one]))
        return _Job(learnt, tuple(one.note for one in parts[number]), own.findings)

    jobs = [job(number, half=False) for number in range(settings.folds)] if every else []
    with_half = len(every) >= _CURVE_FROM
    jobs += [job(number, half=True) for number in range(settings.folds)] if with_half else []
    checked = _left_out(data.examples, settings) if every else []
    base_notes = [[one for one in data.examples if not one.is_fragment and one.author in group] for group in checked]
    nothing = OwnData([], [], own.taxonomy)
    for group, notes in zip(checked, base_notes, strict=True):
        texts = tuple(one.note for one in notes)
        jobs += [_Job(learnt, texts, own.findings, tuple(group)) for learnt in (nothing, own)]

    with ProcessPoolExecutor(workers, initializer=_start, initargs=(base, model)) as pool:
        asked = (own.findings & {finding} for finding in (OUTCOME, CONCERNS))
        evidence, concerns = [pool.submit(_unseen, findings, settings) for findings in asked]
        unseen = BaseUnseen(evidence.result().evidence, concerns.result().concerns)
    with ProcessPoolExecutor(workers, initializer=_start, initargs=(base, model, unseen)) as pool:
        final = pool.submit(_fit, _Job(own, (), own.findings), settings)
        running = [pool.submit(_run, one, settings) for one in jobs]
        found = []
        for done, future in enumerate(running, 1):
            found.append(future.result())
            if progress is not None:
                progress(done, len(running) + 1)
        new = final.result()
    if progress is not None:
        progress(len(running) + 1, len(running) + 1)

    results = iter(found)
    order = [one for part in parts for one in part]
    before = NoteAnalyzer(old).analyze_many([one.note for one in order])
    after = _joined(results, settings.folds if every else 0)
    curve = _gains(own, order, _joined(results, settings.folds), after, settings) if with_half else {}
    base_order = [one for notes in base_notes for one in notes]
    base_before: list[NoteAnalysis] = []
    base_after: list[NoteAnalysis] = []
    for _ in checked:
        base_before += next(results)
        base_after += next(results)
    whole = OwnData(
        [one for one in base_order if one.outcome is not None] if own.outcomes else [],
        [one for one in base_order if one.concerns is not None] if own.concerns else [],
        own.taxonomy,
    )
    return OwnResult(
        model=new,
        own=_gains(own, order, before, after, settings),
        curve=curve,
        base=_gains(whole, base_order, base_before, base_after, settings),
        base_notes=len(base_order),
    )


def with_metadata(result: OwnResult, own: OwnData, settings: OwnSettings) -> Model:
    """Return the model with what is kept about how it was made: no word of a note among it."""
    digest = hashlib.sha256()
    for one in sorted({*own.outcomes, *own.concerns}, key=lambda one: one.note):
        digest.update(repr((one.note, one.outcome, one.evidence, one.concerns)).encode("utf-8", "surrogatepass"))
    # The metrics are those of the base model.
    metadata = {key: value for key, value in result.model.metadata.items() if key != "metrics"}
    metadata["versions"] = versions()
    metadata["own"] = {
        "outcomes": len(own.outcomes),
        "concerns": len(own.concerns),
        "labels_sha256": digest.hexdigest(),
        "weight": settings.weight,
        "seed": settings.seed,
        "gains": {
            name: [round(value, 4) for value in (gain.before, gain.after, gain.low, gain.high)]
            for name, gain in result.own.items()
        },
    }
    return dataclasses.replace(result.model, metadata=metadata)


def check_enough(own: OwnData) -> None:
    """Refuse labels from which nothing can be learnt.

    Raises:
        LabelError: fewer than 20 labelled notes, but for none at all beside topics of one's own.
    """
    n = len({one.note for one in [*own.outcomes, *own.concerns]})
    if n < MIN_ROWS and not (n == 0 and own.taxonomy.entries):
        raise LabelError(
            f"{n} labelled notes found; expected at least {MIN_ROWS}: label more, "
            "`visit-notes review` chooses those from which the model learns most"
        )


def _left_out(examples: Sequence[Example], settings: OwnSettings) -> list[list[str]]:
    authors = [example.author for example in examples if not example.is_fragment]
    return author_folds(authors, settings.base_folds)[: settings.base_checked]


def _joined(results: Iterator[list[NoteAnalysis]], count: int) -> list[NoteAnalysis]:
    return [one for _ in range(count) for one in next(results)]


def _gains(
    own: OwnData,
    order: Sequence[Example],
    before: Sequence[NoteAnalysis],
    after: Sequence[NoteAnalysis],
    settings: OwnSettings,
) -> dict[str, Gain]:
    """Return the gains on the notes whose labels speak of a finding."""
    out: dict[str, Gain] = {}
    for labelled, measure in ((set(own.outcomes), outcome_gains), (set(own.concerns), concern_gains)):
        chosen = [index for index, one in enumerate(order) if one in labelled]
        if chosen:
            out.update(
                measure(
                    [order[index] for index in chosen],
                    [before[index] for index in chosen],
                    [after[index] for index in chosen],
                    settings.seed,
                )
            )
    return out
