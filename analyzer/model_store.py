"""A model as a folder of plain data: arrays, word lists and metadata. Loading runs no code from the folder.

The format, its version and the rule for raising it are described in docs/model_format.md. A new array is one line of
``_ARRAYS`` and its use in ``_build``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.candidates import N_CONCERN_LABELS
from analyzer.commitments import ACTIONS, CommitmentModel
from analyzer.concerns import STATUSES, TOPICS, ConcernModel
from analyzer.errors import LexiconError, ModelError, TaxonomyError
from analyzer.features import N_BUCKETS, Reader, n_token_rows
from analyzer.lexicon import Lexicon
from analyzer.linear import Linear
from analyzer.model_format import (
    FILES,
    LEXICON,
    METADATA,
    VOCABULARY,
    WEIGHTS,
    Array,
    ArraySpec,
    changed_file,
    check_metadata_sum,
    decode_arrays,
    decode_lexicon,
    decode_lines,
    decode_metadata,
    encode_arrays,
    encode_lines,
    encode_metadata,
    read_file,
    sha256,
)
from analyzer.outcomes import N_EVIDENCE_LABELS, N_SIGNALS, NONE, OUTCOMES, OutcomeModel
from analyzer.packed_tables import PackedTable
from analyzer.records import AnyTopic
from analyzer.segmenter import Segmenter
from analyzer.tagger import Tagger
from analyzer.taxonomy import Taxonomy

FORMAT_VERSION = 2
LAST_RELEASE = {1: "0.1.0"}
"""The last release that reads an older format, for those that this one does not read."""


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that a fitted analyzer consists of.

    Attributes:
        reader: segmenter, vocabulary and word classes.
        outcome: outcome and evidence.
        evidence_tagger: the words that decide the outcome, the customer's acts among them.
        concern_tagger: spans that may be concerns, and answers.
        concern: which spans are concerns, their topic and status.
        commitment: which of those is the act, and its kind.
        review_below: probability of the outcome under which a note is marked for review.
        topic_sure_from: probability from which a topic is shown, rather than its group.
        metadata: how the model was made.
        taxonomy: topics and seed words of the user's own.
    """

    reader: Reader
    outcome: OutcomeModel
    evidence_tagger: Tagger
    concern_tagger: Tagger
    concern: ConcernModel
    commitment: CommitmentModel
    review_below: float
    topic_sure_from: float
    metadata: Mapping[str, Any]
    taxonomy: Taxonomy = field(default_factory=Taxonomy)


@dataclass(frozen=True, slots=True)
class _Kept:
    """Where an array of the weights file stands in a model, and what it must be.

    Attributes:
        part: takes it out of a model.
        shape: lengths of its axes; ``_TOPICS`` stands for the number of topics that the model tells apart,
            ``_TOKEN_ROWS`` for the number of token features under its vocabulary.
        dtype: tables of weights in half precision, small arrays in double.
        limit: largest absolute value; fitted weights of ours stay below 25.
    """

    part: Callable[[Model], Array]
    shape: tuple[int, ...]
    dtype: str
    limit: float = 1000.0

    def spec(self, n_topics: int, n_vocabulary: int) -> ArraySpec:
        lengths = {_TOPICS: n_topics, _TOKEN_ROWS: n_token_rows(n_vocabulary)}
        return ArraySpec(tuple(lengths.get(n, n) for n in self.shape), self.dtype, self.limit, self.dtype == _TABLE)


_TOPICS, _TOKEN_ROWS = -1, -2
_TABLE, _SMALL = "<f2", "<f8"
_ARRAYS = {  # in the order of the file
    "note": _Kept(lambda m: m.outcome.note.weights, (N_BUCKETS, NONE), _TABLE),
    "clause": _Kept(lambda m: m.outcome.clause.weights, (N_BUCKETS, 3 * (NONE + 1)), _TABLE),
    "evidence_tagger": _Kept(lambda m: m.evidence_tagger.weights, (_TOKEN_ROWS, N_EVIDENCE_LABELS), _TABLE),
    "concern_tagger": _Kept(lambda m: m.concern_tagger.weights, (_TOKEN_ROWS, N_CONCERN_LABELS), _TABLE),
    "choice": _Kept(lambda m: m.concern.choice.weights, (N_BUCKETS, 1), _TABLE),
    "answer": _Kept(lambda m: m.concern.answer.weights, (N_BUCKETS, 1), _TABLE),
    "topic": _Kept(lambda m: m.concern.topic.weights, (N_BUCKETS, _TOPICS), _TABLE),
    "status": _Kept(lambda m: m.concern.status.weights, (N_BUCKETS, len(STATUSES)), _TABLE),
    "act": _Kept(lambda m: m.commitment.choice.weights, (N_BUCKETS, 1), _TABLE),
    "action": _Kept(lambda m: m.commitment.action.weights, (N_BUCKETS, len(ACTIONS)), _TABLE),
    "note_bias": _Kept(lambda m: m.outcome.note.bias, (NONE,), _SMALL),
    "clause_bias": _Kept(lambda m: m.outcome.clause.bias, (NONE + 1,), _SMALL),
    "combine": _Kept(lambda m: m.outcome.combine, (N_SIGNALS, NONE), _SMALL),
    "combine_bias": _Kept(lambda m: m.outcome.combine_bias, (NONE,), _SMALL),
    "evidence_transitions": _Kept(
        lambda m: m.evidence_tagger.transitions, (N_EVIDENCE_LABELS + 1, N_EVIDENCE_LABELS), _SMALL
    ),
    "concern_transitions": _Kept(
        lambda m: m.concern_tagger.transitions, (N_CONCERN_LABELS + 1, N_CONCERN_LABELS), _SMALL
    ),
    "choice_bias": _Kept(lambda m: m.concern.choice.bias, (1,), _SMALL),
    "answer_bias": _Kept(lambda m: m.concern.answer.bias, (1,), _SMALL),
    "topic_bias": _Kept(lambda m: m.concern.topic.bias, (_TOPICS,), _SMALL),
    "status_bias": _Kept(lambda m: m.concern.status.bias, (len(STATUSES),), _SMALL),
    "act_bias": _Kept(lambda m: m.commitment.choice.bias, (1,), _SMALL),
    "action_bias": _Kept(lambda m: m.commitment.action.bias, (len(ACTIONS),), _SMALL),
}
_PROBABILITY, _BIAS = (0.0, 1.0), (-10.0, 10.0)
_THRESHOLDS: dict[str, tuple[Callable[[Model], float], tuple[float, float]]] = {  # part of a model, range
    "review_below": (lambda m: m.review_below, _PROBABILITY),
    "topic_sure_from": (lambda m: m.topic_sure_from, _PROBABILITY),
    "concern_from": (lambda m: m.concern.chosen_from, _PROBABILITY),
    "answer_from": (lambda m: m.concern.answer_from, _PROBABILITY),
    "addressed_from": (lambda m: m.concern.addressed_from, _PROBABILITY),
    "evidence_outside_bias": (lambda m: m.evidence_tagger.outside_bias, _BIAS),
    "concern_outside_bias": (lambda m: m.concern_tagger.outside_bias, _BIAS),
    "further_outside_bias": (lambda m: m.concern.further_bias, _BIAS),
}
_LABELS = {  # those of the topics may be followed by the user's own
    "outcomes": [outcome.value for outcome in OUTCOMES],
    "topics": [topic.value for topic in TOPICS],
    "statuses": [status.value for status in STATUSES],
    "actions": [action.value for action in ACTIONS],
}


def save_model(model: Model, folder: Path) -> None:
    """Write ``model`` into ``folder``. The same model gives the same bytes.

    An older model in the folder is replaced only once all files of the new one are written.

    Raises:
        ModelError: the model could not be loaded again: an array of another shape, a number out of range, a word with
            a line break; or the folder cannot be written. Nothing was changed then.
    """
    files = _encode(model)
    _decode(files)
    parts = {name: folder / f"{name}.part" for name in FILES}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in parts.items():
            part.write_bytes(files[name])
        for name in sorted(FILES, key=METADATA.__eq__):  # last the one that vouches for the others
            parts[name].replace(folder / name)
    except OSError as error:
        raise ModelError(f"{folder} cannot be written ({error.strerror or error}); check its permissions") from error
    finally:
        for part in parts.values():
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def load_model(folder: Path) -> Model:
    """Read a model folder.

    Raises:
        ModelError: the folder is missing, incomplete, damaged or of a format that this release does not read.
    """
    try:
        files = {METADATA: read_file(folder, METADATA)}
        _check_version(decode_metadata(files[METADATA]))  # the other files may be missing from a newer format
        files.update((name, read_file(folder, name)) for name in FILES if name != METADATA)
        return _decode(files)
    except ModelError as error:
        raise _named(error, folder) from error


def _named(error: ModelError, folder: Path) -> ModelError:
    """Return the error with the folder named in it."""
    message = str(error)
    return error if str(folder) in message else ModelError(f"{folder}: {message}")


def make_reader(vocabulary: list[str], lexicon: Lexicon) -> Reader:
    """Return the reader of a vocabulary and word classes."""
    return Reader(vocabulary, lexicon, Segmenter())


def _encode(model: Model) -> dict[str, bytes]:
    topics = model.concern.topics
    specs = _specs(len(topics), len(model.reader.vocabulary))
    lines = [f"{term}\t{','.join(classes)}" for term, classes in model.reader.lexicon.terms.items()]
    files = {
        WEIGHTS: encode_arrays({name: kept.part(model) for name, kept in _ARRAYS.items()}, specs),
        VOCABULARY: encode_lines(model.reader.vocabulary),
        LEXICON: encode_lines(lines),
    }
    files[METADATA] = encode_metadata(
        {
            **model.metadata,
            "format_version": FORMAT_VERSION,
            "labels": {**_LABELS, "topics": [topic.value for topic in topics]},
            "taxonomy": [entry.to_dict() for entry in model.taxonomy.entries],
            "thresholds": {name: part(model) for name, (part, _) in _THRESHOLDS.items()},
            "sha256": {name: sha256(data) for name, data in files.items()},
        }
    )
    return files


def _decode(files: Mapping[str, bytes]) -> Model:
    metadata = decode_metadata(files[METADATA])
    _check_version(metadata)
    check_metadata_sum(metadata)
    changed = changed_file(metadata, {name: files[name] for name in FILES if name != METADATA})
    if changed is not None:
        raise ModelError(f"{changed} is not the file that the model was saved with (its SHA-256 differs); restore it")
    taxonomy = _taxonomy(metadata)
    topics = _topics(metadata, taxonomy)
    limits = _thresholds(metadata)
    vocabulary = decode_lines(files[VOCABULARY], VOCABULARY)
    arrays, tables = decode_arrays(files[WEIGHTS], _specs(len(topics), len(vocabulary)))
    try:
        lexicon = Lexicon(decode_lexicon(files[LEXICON]))
    except LexiconError as error:
        raise ModelError(f"{LEXICON}: {error}; restore the model folder") from error
    reader = make_reader(vocabulary, lexicon)
    return _build(arrays, tables, limits, topics, reader, metadata=metadata, taxonomy=taxonomy)


def _build(
    arrays: Mapping[str, Array],
    tables: Mapping[str, PackedTable],
    limits: Mapping[str, float],
    topics: tuple[AnyTopic, ...],
    reader: Reader,
    *,
    metadata: Mapping[str, Any],
    taxonomy: Taxonomy,
) -> Model:
    def linear(name: str) -> Linear:
        return Linear(tables[name].unpack(), arrays[f"{name}_bias"].astype(np.float32))

    def tagger(name: str, columns: slice) -> Tagger:
        weights = tables[f"{name}_tagger"].unpack(token_weights[:, columns])
        return Tagger(weights, arrays[f"{name}_transitions"].astype(np.float64), limits[f"{name}_outside_bias"])

    # Both taggers read the same features: their weights stand side by side, as NoteAnalyzer looks them up.
    n_rows, _ = tables["concern_tagger"].shape
    token_weights = np.zeros((n_rows, N_CONCERN_LABELS + N_EVIDENCE_LABELS), dtype=np.float32)

    return Model(
        reader=reader,
        outcome=OutcomeModel(
            linear("note"),
            linear("clause"),
            arrays["combine"].astype(np.float64),
            arrays["combine_bias"].astype(np.float64),
        ),
        evidence_tagger=tagger("evidence", slice(N_CONCERN_LABELS, None)),
        concern_tagger=tagger("concern", slice(N_CONCERN_LABELS)),
        concern=ConcernModel(
            linear("choice"),
            linear("answer"),
            linear("topic"),
            linear("status"),
            limits["further_outside_bias"],
            limits["concern_from"],
            limits["answer_from"],
            limits["addressed_from"],
            topics,
        ),
        commitment=CommitmentModel(linear("act"), linear("action")),
        review_below=limits["review_below"],
        topic_sure_from=limits["topic_sure_from"],
        metadata=metadata,
        taxonomy=taxonomy,
    )


def _specs(n_topics: int, n_vocabulary: int) -> dict[str, ArraySpec]:
    return {name: kept.spec(n_topics, n_vocabulary) for name, kept in _ARRAYS.items()}


def _check_version(metadata: Mapping[str, Any]) -> None:
    version = metadata.get("format_version")
    if type(version) is int and version == FORMAT_VERSION:
        return
    if type(version) is int and version in LAST_RELEASE:
        advice = f"release {LAST_RELEASE[version]} reads it; train the model anew for this one"
    elif type(version) is int and version > FORMAT_VERSION:
        advice = "a newer release wrote it; install that one, or train the model anew"
    else:
        advice = "restore the model folder or train the model anew"
    raise ModelError(
        f"the model is of format {str(version)[:20]!r}; this release reads format {FORMAT_VERSION}: {advice}"
    )


def _taxonomy(metadata: Mapping[str, Any]) -> Taxonomy:
    records = metadata.get("taxonomy")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ModelError(f"{METADATA}: the taxonomy is missing; expected a list of topics")
    try:
        return Taxonomy.from_records(records)
    except TaxonomyError as error:
        raise ModelError(f"{METADATA}: the taxonomy is not as expected: {error}") from error


def _topics(metadata: Mapping[str, Any], taxonomy: Taxonomy) -> tuple[AnyTopic, ...]:
    labels = metadata.get("labels")
    known = {topic.value: topic for topic in taxonomy.topics}
    if not isinstance(labels, dict):
        labels = {}
    topics = labels.get("topics")
    if (
        not isinstance(topics, list)
        or {**labels, "topics": topics[: len(TOPICS)]} != _LABELS
        or not all(isinstance(name, str) and name in known for name in topics)
        or len(set(topics)) != len(topics)
    ):
        raise ModelError(f"{METADATA}: the labels differ from those of this release; train the model anew")
    return tuple(known[name] for name in topics)


def _thresholds(metadata: Mapping[str, Any]) -> dict[str, float]:
    limits = metadata.get("thresholds")
    if not isinstance(limits, dict) or set(limits) != set(_THRESHOLDS):
        raise ModelError(f"{METADATA}: thresholds are missing or unknown; expected {', '.join(_THRESHOLDS)}")
    for name, (_, (low, high)) in _THRESHOLDS.items():
        value = limits[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise ModelError(f"{METADATA}: {name} is {str(value)[:40]}; expected a number from {low:g} to {high:g}")
    return {name: float(limits[name]) for name in _THRESHOLDS}
