"""Writes results files: beside the target first, renamed when complete. Rows come encoded by `row_formats`."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from analyzer.errors import OutputError, TableError
from analyzer.results import Block
from analyzer.row_formats import parquet_schema, safe_csv_cells, whole
from analyzer.table_excel import XlsxWriter
from analyzer.table_layout import Layout, ResultWriter

ENDINGS = (".xlsx", ".csv", ".jsonl", ".ndjson", ".parquet")
STREAM_ENDINGS = (".csv", ".jsonl")
"""What can be written to standard output."""
PART_SUFFIX = ".part"


def check_output(output: Path, source: Path | None = None, endings: Sequence[str] = ENDINGS) -> None:
    """Refuse an output that cannot be written or would destroy the input.

    Args:
        output: The file to be written.
        source: The file that is read.
        endings: What the name may end in.

    Raises:
        OutputError: The name cannot work.
        TableError: The folder is missing.
    """
    if output.is_dir():
        raise OutputError(
            f"the output {output} is a folder, expected a file name such as {output / f'notes{endings[0]}'}"
        )
    if output.suffix.lower() not in endings:
        found = f"ends in {output.suffix!r}" if output.suffix else "has no ending"
        raise OutputError(f"the output {output.name} {found}, expected one of {', '.join(endings)}")
    for path in (output, part_path(output)):
        if source is not None and _same_file(path, source):
            raise OutputError(f"the output {output} would overwrite the input {source}; name another with -o")
    if not output.resolve().parent.is_dir():
        raise TableError(f"the folder {output.resolve().parent} does not exist; create it or name another with -o")


def part_path(output: Path) -> Path:
    """Return the name of the unfinished file: in the folder of the target, behind any link."""
    target = output.resolve()
    return target.with_name(target.name + PART_SUFFIX)


def _same_file(path: Path, source: Path) -> bool:
    if path.resolve() == source.resolve():
        return True
    try:
        return path.samefile(source)  # sees through hard links and folders that ignore case
    except OSError:
        return False


@contextlib.contextmanager
def open_writer(output: Path, layout: Layout) -> Iterator[ResultWriter]:
    """Open a writer for the ending of ``output``; the file appears under its name only when all went well.

    Raises:
        TableError: The file cannot be written; nothing is left behind and an older file is untouched.
    """
    with replacing(output) as part:
        writer = _writer(part, output.suffix.lower(), layout)
        try:
            yield writer
        finally:
            writer.abandon()


@contextlib.contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Yield the name of an unfinished file, which takes the place of ``output`` when all went well.

    Raises:
        TableError: The file cannot be written; nothing is left behind and an older file is untouched.
    """
    part = part_path(output)
    try:
        part.open("wb").close()  # fails before the work, not after it
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())  # else a power cut could leave an empty file under the name
        part.replace(output.resolve())
    except OSError as error:
        raise TableError(
            f"{output} cannot be written ({error.strerror or error}); "
            "check the folder's permissions and free space, and close the file where it is open"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def open_stream_writer(stream: IO[bytes], ending: str, layout: Layout) -> Iterator[ResultWriter]:
    """Open a writer onto a byte stream such as standard output, which is flushed but not closed.

    Unlike in a file, csv has no byte order mark here: it is for the next program, not for Excel.

    Args:
        stream: Where the rows go as they come.
        ending: One of `STREAM_ENDINGS`.
        layout: The columns.

    Raises:
        OutputError: The format cannot be written piece by piece.
        BrokenPipeError: Whoever read the stream has gone.
        TableError: It cannot be written for another reason.
    """
    if ending not in STREAM_ENDINGS:
        raise OutputError(
            f"{ending} cannot be written to standard output, expected {' or '.join(STREAM_ENDINGS)}; "
            "name a file with -o"
        )
    try:
        yield _LineWriter(stream, _csv_header(layout) if ending == ".csv" else b"")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise TableError(
            f"standard output cannot be written ({error.strerror or error}); check where it goes"
        ) from error


def _writer(part: Path, ending: str, layout: Layout) -> ResultWriter:
    if ending == ".xlsx":
        return XlsxWriter(part, layout)
    if ending == ".parquet":
        return _ParquetWriter(part, layout)
    return _LineWriter(part.open("wb"), codecs.BOM_UTF8 + _csv_header(layout) if ending == ".csv" else b"")


class _LineWriter:
    """Writes csv and jsonl, which come as the bytes of the file."""

    def __init__(self, file: IO[bytes], header: bytes) -> None:
        self._file = file
        self._file.write(header)

    def write(self, encoded: bytes) -> None:
        self._file.write(encoded)

    def finish(self, blocks: Sequence[Block]) -> None:  # noqa: ARG002  # the format has one table
        self._file.flush()

    def abandon(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


def _csv_header(layout: Layout) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow(safe_csv_cells(whole((*layout.columns, *layout.result_columns))))
    return out.getvalue().encode("utf-8")


class _ParquetWriter:
    def __init__(self, path: Path, layout: Layout) -> None:
        schema = parquet_schema(layout)
        from pyarrow import parquet

        self._writer = parquet.ParquetWriter(path, schema, compression="zstd")

    def write(self, encoded: bytes) -> None:
        import pyarrow as pa

        for batch in pa.ipc.open_stream(encoded):
            self._writer.write_batch(batch)

    def finish(self, blocks: Sequence[Block]) -> None:  # noqa: ARG002
        self._writer.close()

    def abandon(self) -> None:
        with contextlib.suppress(Exception):
            self._writer.close()
