"""A model as a folder of plain data: arrays, word lists and metadata. Loading runs no code from the folder.

Files: ``metadata.json``, ``weights.npz`` (arrays, no pickled objects), ``vocabulary.txt``, ``lexicon.tsv``
(term, tab, classes joined by commas). Raise ``FORMAT_VERSION`` whenever an older release could not read a new folder
or would read it wrongly: a change of features, hashing, array names or shapes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.commitments import ACTIONS, N_COMMITMENT_LABELS, CommitmentModel
from analyzer.concerns import N_CONCERN_LABELS, STATUSES, TOPICS, ConcernModel
from analyzer.errors import ModelError
from analyzer.features import N_BUCKETS, Reader
from analyzer.lexicon import Lexicon
from analyzer.linear import Linear
from analyzer.outcomes import N_SIGNALS, NONE, OUTCOMES, OutcomeModel
from analyzer.segmenter import Segmenter
from analyzer.tagger import Tagger

FORMAT_VERSION = 1

_METADATA, _WEIGHTS, _VOCABULARY, _LEXICON = "metadata.json", "weights.npz", "vocabulary.txt", "lexicon.tsv"
_FILES = (_WEIGHTS, _VOCABULARY, _LEXICON)
_MAX_BYTES = 200_000_000
_LABELS = {
    "outcomes": [outcome.value for outcome in OUTCOMES],
    "topics": [topic.value for topic in TOPICS],
    "statuses": [status.value for status in STATUSES],
    "actions": [action.value for action in ACTIONS],
}
_TABLES = {  # tables of weights, kept in half precision
    "note": (N_BUCKETS, NONE),
    "clause": (N_BUCKETS, 3 * (NONE + 1)),
    "concern_tagger": (N_BUCKETS, N_CONCERN_LABELS),
    "commitment_tagger": (N_BUCKETS, N_COMMITMENT_LABELS),
    "topic": (N_BUCKETS, len(TOPICS)),
    "status": (N_BUCKETS, len(STATUSES)),
    "action": (N_BUCKETS, len(ACTIONS)),
}
_VECTORS = {
    "note_bias": (NONE,),
    "clause_bias": (NONE + 1,),
    "combine": (N_SIGNALS, NONE),
    "combine_bias": (NONE,),
    "concern_transitions": (N_CONCERN_LABELS + 1, N_CONCERN_LABELS),
    "commitment_transitions": (N_COMMITMENT_LABELS + 1, N_COMMITMENT_LABELS),
    "topic_bias": (len(TOPICS),),
    "status_bias": (len(STATUSES),),
    "action_bias": (len(ACTIONS),),
}
_THRESHOLDS = (
    "review_below", "topic_sure_from", "addressed_from", "concern_outside_bias", "commitment_outside_bias",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that a fitted analyzer consists of.

    Attributes:
        reader: segmenter, vocabulary and word classes.
        outcome: outcome and evidence.
        concern_tagger: spans of concerns and answers.
        concern: topic and status.
        commitment_tagger: spans of the customer's acts.
        commitment: kind of act.
        review_below: probability of the outcome under which a note is marked for review.
        topic_sure_from: probability from which a topic is shown, rather than its group.
        metadata: how the model was made.
    """

    reader: Reader
    outcome: OutcomeModel
    concern_tagger: Tagger
    concern: ConcernModel
    commitment_tagger: Tagger
    commitment: CommitmentModel
    review_below: float
    topic_sure_from: float
    metadata: Mapping[str, Any]


def save_model(model: Model, folder: Path) -> None:
    """Write ``model`` into ``folder``. The same model gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "note": model.outcome.note.weights,
        "clause": model.outcome.clause.weights,
        "concern_tagger": model.concern_tagger.weights,
        "commitment_tagger": model.commitment_tagger.weights,
        "topic": model.concern.topic.weights,
        "status": model.concern.status.weights,
        "action": model.commitment.action.weights,
    }
    vectors = {
        "note_bias": model.outcome.note.bias,
        "clause_bias": model.outcome.clause.bias,
        "combine": model.outcome.combine,
        "combine_bias": model.outcome.combine_bias,
        "concern_transitions": model.concern_tagger.transitions,
        "commitment_transitions": model.commitment_tagger.transitions,
        "topic_bias": model.concern.topic.bias,
        "status_bias": model.concern.status.bias,
        "action_bias": model.commitment.action.bias,
    }
    arrays: dict[str, npt.NDArray[Any]] = {name: array.astype(np.float16) for name, array in tables.items()}
    arrays.update({name: np.asarray(array, dtype=np.float64) for name, array in vectors.items()})
    np.savez_compressed(folder / _WEIGHTS, **arrays)  # type: ignore[arg-type]
    (folder / _VOCABULARY).write_text("".join(f"{word}\n" for word in model.reader.vocabulary), encoding="utf-8")
    lines = (f"{term}\t{','.join(classes)}\n" for term, classes in model.reader.lexicon.terms.items())
    (folder / _LEXICON).write_text("".join(lines), encoding="utf-8")
    metadata = {
        **model.metadata,
        "format_version": FORMAT_VERSION,
        "labels": _LABELS,
        "thresholds": {
            "review_below": model.review_below,
            "topic_sure_from": model.topic_sure_from,
            "addressed_from": model.concern.addressed_threshold,
            "concern_outside_bias": model.concern_tagger.outside_bias,
            "commitment_outside_bias": model.commitment_tagger.outside_bias,
        },
        "sha256": {name: _sha256(folder / name) for name in _FILES},
    }
    text = json.dumps(metadata, ensure_ascii=False, indent=2, sort_keys=True)
    (folder / _METADATA).write_text(text + "\n", encoding="utf-8")


def load_model(folder: Path) -> Model:
    """Read a model folder.

    Raises:
        ModelError: the folder is missing, incomplete, damaged or of another format version.
    """
    metadata = _read_metadata(folder)
    for name in _FILES:
        _check_file(folder / name, metadata["sha256"].get(name))
    arrays = _read_arrays(folder / _WEIGHTS)
    limits = metadata["thresholds"]
    table = {name: arrays[name].astype(np.float32) for name in _TABLES}

    def linear(name: str) -> Linear:
        return Linear(table[name], arrays[f"{name}_bias"].astype(np.float32))

    return Model(
        reader=_read_reader(folder),
        outcome=OutcomeModel(linear("note"), linear("clause"), arrays["combine"], arrays["combine_bias"]),
        concern_tagger=Tagger(table["concern_tagger"], arrays["concern_transitions"], limits["concern_outside_bias"]),
        concern=ConcernModel(linear("topic"), linear("status"), limits["addressed_from"]),
        commitment_tagger=Tagger(
            table["commitment_tagger"], arrays["commitment_transitions"], limits["commitment_outside_bias"]
        ),
        commitment=CommitmentModel(linear("action")),
        review_below=limits["review_below"],
        topic_sure_from=limits["topic_sure_from"],
        metadata=metadata,
    )


def _read_metadata(folder: Path) -> dict[str, Any]:
    path = folder / _METADATA
    if not path.is_file():
        raise ModelError(f"no model in {folder}: {_METADATA} is missing; expected a folder that `make train` wrote")
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ModelError(f"{path} has {path.stat().st_size} bytes; expected at most {_MAX_BYTES}")
        metadata: Any = json.loads(path.read_text(encoding="utf-8"))
    except ModelError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({error}); train the model anew or restore the folder") from error
    version = metadata.get("format_version") if isinstance(metadata, dict) else None
    if version != FORMAT_VERSION:
        raise ModelError(
            f"{folder} holds a model of format {version!r}; this release reads format {FORMAT_VERSION}: "
            "train the model anew with `make train`, or install the release that wrote it"
        )
    if metadata.get("labels") != _LABELS:
        raise ModelError(f"{path}: the labels differ from those of this release; train the model anew")
    limits, sums = metadata.get("thresholds"), metadata.get("sha256")
    if not isinstance(limits, dict) or any(
        not isinstance(limits.get(name), (int, float)) or not abs(limits[name]) <= 10 for name in _THRESHOLDS
    ):
        raise ModelError(f"{path}: thresholds are missing or out of range; expected {', '.join(_THRESHOLDS)}")
    if not isinstance(sums, dict):
        raise ModelError(f"{path}: the check sums are missing; train the model anew or restore the folder")
    return dict(metadata)


def _check_file(path: Path, expected: object) -> None:
    if not path.is_file():
        raise ModelError(f"{path} is missing; restore the model folder or train the model anew")
    if path.stat().st_size > _MAX_BYTES:
        raise ModelError(f"{path} has {path.stat().st_size} bytes; expected at most {_MAX_BYTES}")
    try:
        found = _sha256(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error}); restore the model folder") from error
    if found != expected:
        raise ModelError(f"{path} is not the file that the model was saved with (its SHA-256 differs); restore it")


def _read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    shapes = {**_TABLES, **_VECTORS}
    try:
        with np.load(path, allow_pickle=False) as stored:
            if set(stored.files) != set(shapes):
                raise ModelError(f"{path} holds {sorted(stored.files)}; expected {sorted(shapes)}")
            arrays = {name: stored[name] for name in shapes}
    except ModelError:
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own for damaged files
        raise ModelError(f"{path} cannot be read ({error}); restore the model folder") from error
    for name, array in arrays.items():
        kind = np.float16 if name in _TABLES else np.float64
        if array.shape != shapes[name] or array.dtype != kind or not np.isfinite(array).all():
            raise ModelError(
                f"{path}: {name} has shape {array.shape} and type {array.dtype}; "
                f"expected finite numbers of shape {shapes[name]}"
            )
    return arrays


def _read_reader(folder: Path) -> Reader:
    try:
        vocabulary = (folder / _VOCABULARY).read_text(encoding="utf-8").splitlines()
        terms = {}
        for line in (folder / _LEXICON).read_text(encoding="utf-8").splitlines():
            term, classes = line.split("\t")
            terms[term] = tuple(classes.split(","))
        return make_reader(vocabulary, Lexicon(terms))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: the word lists cannot be read ({error}); restore the model folder") from error


def make_reader(vocabulary: list[str], lexicon: Lexicon) -> Reader:
    """Return the reader of a vocabulary and word classes."""
    return Reader(vocabulary, lexicon, Segmenter())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
