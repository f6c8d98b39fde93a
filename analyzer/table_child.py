"""The process that reads a workbook on behalf of `table_workbooks`, and the text of a workbook's cells.

A workbook is read by native code that builds a sheet as a whole. A file of a few kilobytes may claim a billion
cells, and a damaged one may end the process: so that happens here, with limits, and not in the run. This file is
executed by its path, so that a start costs a tenth of a second; it imports nothing of the package.

The parent sends a line of JSON, ``[index of the sheet, rows at most from the first filled one, or null]``; the
answer is a series of marshalled frames, each behind its length.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import marshal
import struct
import sys
from decimal import Decimal
from typing import IO, Any

MAX_MEMORY_BYTES = 4 << 30
MAX_CPU_SECONDS = 600
FRAME_ROWS = 500
LENGTH = struct.Struct(">Q")


def cell_text(value: object) -> str:
    """Return a value of a workbook as the text that Excel shows for it, dates in ISO form.

    >>> cell_text(12.0), cell_text(0.1 + 0.2), cell_text(1e21), cell_text(True), cell_text("0012")
    ('12', '0.3', '1000000000000000000000', 'TRUE', '0012')
    >>> import datetime
    >>> cell_text(datetime.datetime(2024, 11, 6)), cell_text(datetime.datetime(2024, 11, 6, 9, 30))
    ('2024-11-06', '2024-11-06 09:30:00')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        # Excel itself keeps 15 digits.
        return str(int(value)) if value.is_integer() else format(Decimal(f"{value:.15g}"), "f")
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat(" ", "seconds")
    if isinstance(value, bool):
        return str(value).upper()
    return "" if value is None else str(value)


def _send(target: IO[bytes], *frame: Any) -> None:
    data = marshal.dumps(frame)
    target.write(LENGTH.pack(len(data)))
    target.write(data)


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _open(path: str, file: IO[bytes]) -> Any:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        return CalamineWorkbook.from_path(path)  # by the ending; reads the file piece by piece
    except CalamineError:
        return CalamineWorkbook.from_filelike(file)  # by what the file holds, all of it in memory


def _serve(path: str, file: IO[bytes], requests: IO[str], target: IO[bytes]) -> None:
    book = _open(path, file)
    sheets = [
        (meta.name, str(meta.visible).endswith(".Visible"), index)
        for index, meta in enumerate(book.sheets_metadata)
        if str(meta.typ).endswith("WorkSheet")
    ]
    _send(target, "sheets", sheets)
    target.flush()
    at, sheet = -1, None
    for line in requests:
        index, limit = json.loads(line)
        if index != at:
            sheet = None  # frees the other one first
            at, sheet = index, book.get_sheet_by_index(index)
        assert sheet is not None
        start, end = sheet.start or (0, 0), sheet.end or (-1, 0)
        _send(target, "size", end[0] + 1)
        stop = None if limit is None else start[0] + limit  # blank rows above the table do not count
        part: list[list[str]] = []
        for number, values in enumerate(sheet.iter_rows()):
            if number == stop:
                break
            part.append([cell_text(value) for value in values])
            if len(part) == FRAME_ROWS:
                _send(target, "rows", part)
                part = []
        _send(target, "rows", part)
        _send(target, "end")
        target.flush()


def main(path: str) -> None:
    """Serve the sheets of a workbook until the parent has no more requests."""
    _limit()
    target = sys.stdout.buffer
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # pathlib would double the time of the start
            _serve(path, file, sys.stdin, target)
    except (BrokenPipeError, KeyboardInterrupt):
        return
    except BaseException as error:  # a panic of the Rust code is no Exception
        _send(target, "error", type(error).__name__, " ".join(str(error).split())[:500])
        target.flush()


if __name__ == "__main__":
    main(sys.argv[-1])
