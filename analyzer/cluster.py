"""The analyzer on a cluster: a function over partitions of data frames, and a model that each worker loads once.

`score_partitions` is what Spark's ``mapInPandas`` and the like of other engines take: an iterator of frames in, an
iterator of frames out. It is meant to be given its options by `functools.partial`.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import tempfile
import threading
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.errors import ModelError
from analyzer.frames import score_frame
from analyzer.model_format import FILES
from analyzer.model_store import default_model_folder
from analyzer.note_analyzer import NoteAnalyzer
from analyzer.results import RESULT_TYPES, result_names

if TYPE_CHECKING:
    import pandas as pd

_SPARK_TYPES: Mapping[type, str] = {str: "string", float: "double", int: "bigint"}
_MAX_ARCHIVE_BYTES = 1 << 30

_loading = threading.Lock()
_loaded: dict[str, NoteAnalyzer] = {}


def score_partitions(
    frames: Iterable[pd.DataFrame],
    *,
    note_column: str | None = None,
    model: str | Path | bytes | None = None,
    as_of: datetime.date | None = None,
    redact: bool = False,
) -> Iterator[pd.DataFrame]:
    """Yield each frame with the result columns added: same rows, same order, as `NoteAnalyzer.score_frame` gives it.

    Args:
        frames: Frames with one note a row.
        note_column: The column of the notes. Name it on a cluster: else it is found in each frame by itself.
        model: A model folder that the workers can read, or the bytes of `pack_model`; by default the shipped model.
        as_of: The day of the visits whose row names none.
        redact: Mask personal numbers and addresses in all columns.

    Raises:
        ColumnError: The column does not exist, or none looks like notes.
        ModelError: The model cannot be loaded.
    """
    analyzer = load_once(model)
    for frame in frames:
        yield score_frame(frame, analyzer.analyze_many, note_column, as_of=as_of, masked=redact)


def result_schema(columns: Collection[str]) -> str:
    """Return the result columns that are added to ``columns``, as Spark writes a schema.

    >>> result_schema(["id", "note"])[:35]
    '`结果` string, `把握度` double, `需复核` string'
    """
    names = result_names(columns)
    return ", ".join(
        f"`{name.replace('`', '``')}` {_SPARK_TYPES[kind]}" for name, kind in zip(names, RESULT_TYPES, strict=True)
    )


def pack_model(folder: str | Path | None = None) -> bytes:
    """Return a model folder, by default the shipped one, as bytes that can be sent to workers.

    Raises:
        ModelError: A file of the model is missing.
    """
    source = default_model_folder() if folder is None else Path(folder)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:  # not compressed: the arrays in it are
        for name in FILES:
            try:
                data = (source / name).read_bytes()
            except OSError as error:
                raise ModelError(
                    f"{source / name} cannot be read ({error.strerror or error}); expected a model folder"
                ) from error
            archive.writestr(zipfile.ZipInfo(name), data)
    return packed.getvalue()


def load_once(model: str | Path | bytes | None = None) -> NoteAnalyzer:
    """Return the analyzer of a model, loaded when this process asks for it for the first time.

    Raises:
        ModelError: The model cannot be loaded.
    """
    key = hashlib.sha256(model).hexdigest() if isinstance(model, bytes) else str(model or default_model_folder())
    with _loading:  # a worker may run several tasks at a time
        if key not in _loaded:
            _loaded[key] = _unpack(model) if isinstance(model, bytes) else NoteAnalyzer.load(model)
        return _loaded[key]


def _unpack(packed: bytes) -> NoteAnalyzer:
    with tempfile.TemporaryDirectory(prefix="visit-notes-") as name:
        folder = Path(name)
        try:
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                if sum(archive.getinfo(file).file_size for file in FILES) > _MAX_ARCHIVE_BYTES:
                    raise ModelError(f"the packed model unpacks to more than {_MAX_ARCHIVE_BYTES >> 20} MB")
                for file in FILES:
                    (folder / file).write_bytes(archive.read(file))
        except (zipfile.BadZipFile, KeyError) as error:
            raise ModelError(f"the packed model is damaged ({error}); expected what pack_model returns") from error
        return NoteAnalyzer.load(folder)
