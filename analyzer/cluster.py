"""The analyzer on a cluster: a function over partitions of data frames, and a model that each worker loads once.

`score_partitions` is what Spark's ``mapInPandas`` and the like of other engines take: an iterator of frames in, an
iterator of frames out. It is meant to be given its options by `functools.partial`.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.frames import score_frame
from analyzer.model_folder import default_model_folder, pack_model, unpacked
from analyzer.note_analyzer import NoteAnalyzer
from analyzer.results import RESULT_TYPES, result_names

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load_once", "pack_model", "result_schema", "score_partitions"]

_SPARK_TYPES: Mapping[type, str] = {str: "string", float: "double", int: "bigint"}

_loading = threading.Lock()
_loaded: dict[tuple[str, bool], NoteAnalyzer] = {}


def score_partitions(
    frames: Iterable[pd.DataFrame],
    *,
    note_column: str | None = None,
    model: str | Path | bytes | None = None,
    as_of: datetime.date | None = None,
    redact: bool = False,
    second_reader: bool = False,
) -> Iterator[pd.DataFrame]:
    """Yield each frame with the result columns added: same rows, same order, as `NoteAnalyzer.score_frame` gives it.

    Args:
        frames: Frames with one note a row.
        note_column: The column of the notes. Name it on a cluster: else it is found in each frame by itself.
        model: A model folder that the workers can read, or the bytes of `pack_model`; by default the shipped model.
        as_of: The day of the visits whose row names none.
        redact: Mask personal numbers and addresses in all columns.
        second_reader: Have notes whose outcome is unsure read again; the workers need the extra ``second-reader``.

    Raises:
        ColumnError: The column does not exist, or none looks like notes.
        ModelError: The model cannot be loaded.
    """
    analyzer = load_once(model, second_reader=second_reader)
    for frame in frames:
        yield score_frame(frame, analyzer.analyze_many, note_column, as_of=as_of, masked=redact)


def result_schema(columns: Collection[str]) -> str:
    """Return the result columns that are added to ``columns``, as Spark writes a schema.

    >>> result_schema(["id", "note"])[:39]
    '`结果` string, `把握度` double, `需复核` string'
    """
    names = result_names(columns)
    return ", ".join(
        f"`{name.replace('`', '``')}` {_SPARK_TYPES[kind]}" for name, kind in zip(names, RESULT_TYPES, strict=True)
    )


def load_once(model: str | Path | bytes | None = None, *, second_reader: bool = False) -> NoteAnalyzer:
    """Return the analyzer of a model, loaded when this process asks for it for the first time.

    Raises:
        ModelError: The model cannot be loaded.
    """
    name = hashlib.sha256(model).hexdigest() if isinstance(model, bytes) else str(model or default_model_folder())
    key = name, second_reader
    with _loading:  # a worker may run several tasks at a time
        if key not in _loaded:
            with unpacked(model) if isinstance(model, bytes) else contextlib.nullcontext(model) as folder:
                _loaded[key] = NoteAnalyzer.load(folder, second_reader=second_reader)
        return _loaded[key]
