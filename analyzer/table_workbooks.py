"""Reads workbooks (xlsx, xlsm, xlsb, xls, ods) in a process of their own; see `table_child`."""

from __future__ import annotations

import contextlib
import json
import marshal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from analyzer import table_child
from analyzer.errors import TableError
from analyzer.table_source import BLOCK_BYTES, MAX_UNPACKED_BYTES, Bounds
from analyzer.table_text import Row

_START = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv[1]); runpy.run_path(sys.argv[2], run_name='__main__')"
)
_PASSWORD = (
    "the workbook is protected by a password, expected an open one; "
    "open it in Excel or WPS, remove the password and save it again"
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of a workbook."""

    name: str
    visible: bool
    index: int


class Workbook:
    """An open workbook. Sheets are read row by row; only one at a time.

    Raises:
        TableError: It is damaged, protected by a password or too large.
    """

    def __init__(self, path: Path) -> None:
        self.kind = _check(path)
        self._child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _START,
                json.dumps(list(map(str, sys.path))),
                table_child.__file__,
                str(path.resolve()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a dying process writes its stack there
        )
        self.rows_total = 0
        try:
            kind, sheets = self._receive()
            assert kind == "sheets"
        except BaseException:
            self.close()
            raise
        self.sheets = tuple(Sheet(*sheet) for sheet in sheets)

    def rows(self, sheet: Sheet, limit: int | None = None) -> Iterator[Row]:
        """Yield the rows of a sheet from its first row on, at most ``limit``; read them to the end before the next."""
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the answer, or its absence, tells why
            self._child.stdin.write(json.dumps([sheet.index, limit]).encode() + b"\n")
            self._child.stdin.flush()
        while (frame := self._receive())[0] != "end":
            if frame[0] == "size":
                self.rows_total = frame[1]
                continue
            for cells in frame[1]:
                yield Row(cells)

    def _receive(self) -> tuple[Any, ...]:
        assert self._child.stdout is not None
        length = self._child.stdout.read(table_child.LENGTH.size)
        size = table_child.LENGTH.unpack(length)[0] if len(length) == table_child.LENGTH.size else 0
        data = self._child.stdout.read(size)
        if not data or len(data) < size:  # it has ended
            raise TableError(
                f"the workbook is damaged or needs more than {table_child.MAX_MEMORY_BYTES >> 30} GB or "
                f"{table_child.MAX_CPU_SECONDS} seconds to read; export it as csv, or in smaller parts"
            )
        frame: tuple[Any, ...] = marshal.loads(data)
        if frame[0] == "error":
            if frame[1] == "PasswordError":
                raise TableError(_PASSWORD)
            raise TableError(f"the workbook is damaged ({frame[2]}); open it in Excel or WPS and save it again")
        return frame

    def close(self) -> None:
        """End the process."""
        self._child.kill()
        with self._child:  # closes its pipes and waits for its end
            pass


def _check(path: Path) -> str:
    """Return the kind; refuse what is a bomb or damaged, and what needs a password."""
    with path.open("rb") as stream:
        if stream.read(2) == b"PK":
            names = _check_zip(stream, path.stat().st_size)
            if "content.xml" in names:
                return "ods"
            if "xl/workbook.bin" in names:
                return "xlsb"
            return "xlsm" if path.suffix.lower() == ".xlsm" else "xlsx"
        if _is_encrypted(stream):
            raise TableError(_PASSWORD)
        return "xls"


def _check_zip(stream: IO[bytes], size: int) -> set[str]:
    """Return the names of the members.

    Each is read once: calamine checks no checksums, a damaged sheet would come back with rows missing.
    """
    bounds = Bounds(size, MAX_UNPACKED_BYTES)
    try:
        with zipfile.ZipFile(stream) as archive:
            for member in archive.infolist():
                with archive.open(member) as content:
                    while block := content.read(BLOCK_BYTES):
                        bounds.add(len(block))
            return set(archive.namelist())
    except TableError:
        raise
    # A damaged archive makes zipfile raise a dozen kinds of error.
    except Exception as error:
        raise TableError(f"the workbook is damaged ({error}); export it again") from error


def _is_encrypted(stream: IO[bytes]) -> bool:
    """Whether an OLE2 file is an encrypted xlsx: then its directory names a stream ``EncryptedPackage``."""
    name = "EncryptedPackage".encode("utf-16-le")
    stream.seek(0)
    rest = b""
    while block := stream.read(BLOCK_BYTES):
        if name in rest + block:
            return True
        rest = block[-len(name) :]
    return False
