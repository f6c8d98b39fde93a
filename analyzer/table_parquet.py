"""Parquet files, batch by batch; types are kept for an output of the same kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

from analyzer.errors import EmptyTableError, TableError
from analyzer.table_child import cell_text
from analyzer.table_frames import Chunk, Dialect, Table, unique_names
from analyzer.table_json import json_text
from analyzer.table_text import check_columns


def open_parquet(stream: IO[bytes], chunk_rows: int, row_groups: Sequence[int] | None = None) -> Table:
    """Open a Parquet file, or only some of its row groups.

    Raises:
        TableError: pyarrow is missing, or the file is damaged or empty.
    """
    try:
        import pyarrow as pa  # optional
        from pyarrow import parquet
    except ImportError as error:
        raise TableError(
            "reading Parquet needs pyarrow, which is not installed; pip install 'visit-note-analyzer[parquet]'"
        ) from error
    try:
        source = parquet.ParquetFile(stream)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"the Parquet file is damaged ({error}); export it again") from error
    check_columns(source.metadata.num_columns)
    columns = unique_names(source.schema_arrow.names)
    if not source.metadata.num_rows:
        raise EmptyTableError("the Parquet file has no rows, expected at least one")
    total = source.metadata.num_rows
    done = 0

    def chunks() -> Iterator[Chunk]:
        nonlocal done
        batches = source.iter_batches(batch_size=chunk_rows, row_groups=row_groups)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise TableError(f"the Parquet file is damaged ({error}); export it again") from error
            if batch is None:
                return
            values = [[_arrow_text(value) for value in column.to_pylist()] for column in batch.columns]
            done += batch.num_rows
            yield Chunk(
                columns,
                list(map(list, zip(*values, strict=True))),
                [""] * batch.num_rows,
                batch.to_pylist(),
                batch=batch,
            )

    return Table(
        columns,
        Dialect("parquet", header_row=None),
        arrow_schema=source.schema_arrow,
        chunks=chunks(),
        fraction=lambda: done / total,
    )


def _arrow_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return json_text(value) if isinstance(value, (dict, list)) else cell_text(value)
