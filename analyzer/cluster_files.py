"""Parquet files in parts, each scored and written by itself: what a cluster does, whatever its engine.

A part is some row groups of one file. It is written under a name of its own and renamed when complete, so that a
part which is scored twice, because a worker died, is there once. The parts of a file hold, in order, the rows that
`score_file` writes.
"""

from __future__ import annotations

import contextlib
import datetime
import fnmatch
import json
import posixpath
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from analyzer.batch_files import find_sources
from analyzer.chunks import Analyzer, ChunkTask, find_places, make_layout
from analyzer.columns import NoteColumn, find_note_column
from analyzer.errors import AnalyzerError, OutputError, TableError
from analyzer.release import release
from analyzer.results import Summary
from analyzer.row_formats import ParquetRows, parquet_schema
from analyzer.table_frames import CHUNK_ROWS, Table
from analyzer.table_parquet import open_parquet
from analyzer.table_source import RESULTS_MARK

PART_ROWS = 200_000
"""Rows of a part, about: some minutes of one core."""
_MADE_OF = b"visit-notes"


@dataclass(frozen=True, slots=True)
class Part:
    """Row groups of a Parquet file, and where their results go. Paths may be URIs such as ``s3://bucket/key``."""

    source: str
    row_groups: tuple[int, ...]
    output: str
    note_column: str
    model_version: str
    source_bytes: int
    as_of: datetime.date | None = None
    masked: bool = False
    second_reader: bool = False

    def made_of(self) -> dict[str, Any]:
        """Return what the output depends on."""
        return {
            **asdict(replace(self, output="")),
            "row_groups": list(self.row_groups),
            "as_of": self.as_of and self.as_of.isoformat(),
            "release": release(),
        }


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A Parquet file in parts, or why it cannot be scored."""

    source: str
    output: str
    parts: tuple[Part, ...] = ()
    note_column: NoteColumn | None = None
    error: AnalyzerError | None = None


def find_parquet_files(arguments: Iterable[str]) -> list[str]:
    """Return the Parquet files that are meant by paths, folders, patterns, and URIs of these.

    Raises:
        TableError: A folder or a pattern yields nothing.
        OutputError: There is another kind of file.
    """
    found: list[str] = []
    for argument in arguments:
        if "://" in argument:
            found += _remote_files(argument)
        else:
            found += [str(path.resolve()) for path in find_sources([argument])]
    other = [name for name in found if not name.lower().endswith(".parquet")]
    if other:
        raise OutputError(f"{other[0]} is no .parquet file; a cluster reads Parquet, --engine local all other kinds")
    return list(dict.fromkeys(found))


def _remote_files(uri: str) -> list[str]:
    from pyarrow import fs

    system, path = _file_system(uri)
    scheme = uri.split("://", 1)[0]
    base = path if not any(sign in path for sign in "*?[") else posixpath.dirname(path.split("*")[0].split("?")[0])
    try:
        infos = system.get_file_info(fs.FileSelector(base, recursive=True)) if base != path else []
        if base == path:
            info = system.get_file_info(path)
            infos = system.get_file_info(fs.FileSelector(path)) if info.type == fs.FileType.Directory else [info]
    except OSError as error:
        raise TableError(f"{uri} cannot be read ({error}); check the address and the permissions") from error
    names = sorted(info.path for info in infos if info.type == fs.FileType.File)
    if base != path:
        names = [name for name in names if fnmatch.fnmatchcase(name, path)]
    names = [name for name in names if name.endswith(".parquet") and RESULTS_MARK not in posixpath.basename(name)]
    if not names:
        raise TableError(f"no Parquet file matches {uri}, expected at least one; check the address")
    return [f"{scheme}://{'' if scheme != 'file' or name.startswith('/') else '/'}{name}" for name in names]


def _file_system(path: str) -> tuple[Any, str]:
    try:
        from pyarrow import fs
    except ImportError as error:
        raise TableError(
            "a cluster reads Parquet by pyarrow, which is not installed; pip install 'visit-note-analyzer[dask]'"
        ) from error
    if "://" not in path:
        return fs.LocalFileSystem(), str(Path(path).absolute())
    try:
        system, inner = fs.FileSystem.from_uri(path)
    except (OSError, ValueError) as error:
        raise TableError(f"{path} cannot be reached ({error}); check the address and the permissions") from error
    return system, inner


@contextlib.contextmanager
def _opened(source: str, row_groups: Sequence[int] | None = None) -> Iterator[Table]:
    system, path = _file_system(source)
    try:
        with system.open_input_file(path) as stream:
            yield open_parquet(stream, CHUNK_ROWS, row_groups)
    except TableError as error:
        raise type(error)(f"{source}: {error}") from error
    except OSError as error:
        raise TableError(f"{source} cannot be read ({error.strerror or error}); check the drive") from error


def plan(
    sources: Sequence[str],
    folder: str,
    *,
    note_column: str | None = None,
    model_version: str = "",
    part_rows: int = PART_ROWS,
    as_of: datetime.date | None = None,
    redact: bool = False,
    second_reader: bool = False,
) -> list[PlannedFile]:
    """Return the files in parts. Results go to ``folder``: ``NAME.scored.parquet``, a folder of parts for a large file.

    Args:
        sources: Parquet files, see `find_parquet_files`.
        folder: A folder or a URI of one; it is made.
        note_column: The column of the notes; found in each file by itself where not given.
        model_version: Tells one model from another.
        part_rows: Rows of a part, about; a part is at least a row group.
        as_of: The day of the visits whose row names none.
        redact: Mask personal numbers and addresses in all that comes out.
        second_reader: Have notes whose outcome is unsure read again.

    Raises:
        OutputError: Two files have the same name.
        TableError: The folder cannot be made.
    """
    system, path = _file_system(folder)
    try:
        system.create_dir(path, recursive=True)
    except OSError as error:
        raise TableError(f"the folder {folder} cannot be made ({error}); name another with -o") from error
    names = [posixpath.basename(Path(source).as_posix()).rsplit(".", 1)[0] for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OutputError(f"several inputs are named {twice[0]}.parquet; score them into folders of their own")
    base = folder if "://" in folder else str(Path(folder).absolute())
    planned = []
    for source, name in zip(sources, names, strict=True):
        output = f"{base.rstrip('/')}/{name}{RESULTS_MARK}.parquet"
        try:
            file = _plan_file(source, output, note_column, model_version, part_rows)
        except AnalyzerError as error:
            planned.append(PlannedFile(source, output, error=error))
            continue
        parts = tuple(replace(part, as_of=as_of, masked=redact, second_reader=second_reader) for part in file.parts)
        planned.append(replace(file, parts=parts))
    return planned


def _plan_file(source: str, output: str, wanted: str | None, model_version: str, part_rows: int) -> PlannedFile:
    from pyarrow import parquet

    with _opened(source) as table:
        column = find_note_column(table.columns, table.sample(), wanted)
    system, path = _file_system(source)
    with system.open_input_file(path) as stream:
        size = stream.size()
        footer = parquet.ParquetFile(stream).metadata
        rows = [footer.row_group(index).num_rows for index in range(footer.num_row_groups)]
    groups: list[tuple[int, ...]] = []
    held: list[int] = []
    for index in range(len(rows)):
        held.append(index)
        if sum(rows[group] for group in held) >= part_rows or index == len(rows) - 1:
            groups.append(tuple(held))
            held = []
    parts = tuple(
        Part(
            source,
            group,
            output if len(groups) == 1 else f"{output}/part-{number:05}.parquet",
            column.name,
            model_version,
            size,
        )
        for number, group in enumerate(groups)
    )
    return PlannedFile(source, output, parts, column)


def score_part(part: Part, analyzer: Analyzer) -> dict[str, Any]:
    """Score a part and write its results; return the counts as plain JSON data.

    Raises:
        TableError: It cannot be read or written.
    """
    system, path = _file_system(part.output)
    unfinished = f"{path}.{uuid.uuid4().hex}.part"
    try:
        system.create_dir(posixpath.dirname(path), recursive=True)
        with _opened(part.source, part.row_groups) as table, system.open_output_stream(unfinished) as stream:
            counts = _write(table, part, analyzer, stream)
        system.move(unfinished, path)
    except OSError as error:
        raise TableError(
            f"{part.output} cannot be written ({error.strerror or error}); check the drive's permissions and free space"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            system.delete_file(unfinished)
    return counts.to_dict()


def _write(table: Table, part: Part, analyzer: Analyzer, stream: Any) -> Summary:
    import pyarrow as pa
    from pyarrow import parquet

    places = find_places(table.columns, part.note_column)
    layout = make_layout(table, part.note_column, places, masked=part.masked)
    schema = parquet_schema(layout)
    rows_as = ParquetRows(schema, len(layout.columns), typed=not part.masked)
    counts = Summary(max_people=sys.maxsize)
    with parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        for index, chunk in enumerate(table):
            task = ChunkTask.of(chunk, index, counts.read, places, rows_as, as_of=part.as_of, masked=part.masked)
            scored = task.run(analyzer)
            for batch in pa.ipc.open_stream(scored.encoded):
                writer.write_batch(batch)
            counts.merge(scored.counts)
        mark = {"made_of": part.made_of(), "counts": counts.to_dict()}
        writer.add_key_value_metadata({_MADE_OF.decode(): json.dumps(mark, ensure_ascii=False)})
    return counts


def finished_counts(part: Part) -> dict[str, Any] | None:
    """Return the counts of a part that an earlier run has written, with the same input, options, model and release."""
    from pyarrow import ArrowException, parquet

    system, path = _file_system(part.output)
    try:
        with system.open_input_file(path) as stream:
            mark = json.loads(parquet.ParquetFile(stream).metadata.metadata[_MADE_OF])
    except (ArrowException, OSError, ValueError, KeyError, TypeError):
        return None
    counts: dict[str, Any] = mark["counts"]
    return counts if mark["made_of"] == part.made_of() else None


def remove_leavings(planned: Iterable[PlannedFile]) -> None:
    """Remove what killed workers left unfinished, after the run."""
    from pyarrow import fs

    for file in planned:
        for folder in {posixpath.dirname(part.output) for part in file.parts}:
            system, path = _file_system(folder)
            stem = posixpath.basename(file.output) if folder != file.output else "part-"
            for info in system.get_file_info(fs.FileSelector(path, allow_not_found=True)):
                if info.base_name.startswith(stem) and info.base_name.endswith(".part"):
                    system.delete_file(info.path)
