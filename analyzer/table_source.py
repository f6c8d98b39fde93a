"""Where the bytes of a table come from: a file, standard input, a gzip file, the members of a zip archive.

What is read in the end is always a file that can be read twice: standard input and packed data are copied into
a temporary folder first, within bounds. No member of an archive is ever written under a name of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import shutil
import stat
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path, PureWindowsPath
from typing import IO

from analyzer.errors import TableError

STANDARD_INPUT = "-"
WORKBOOK_ENDINGS = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".et"})
JSON_ENDINGS = frozenset({".jsonl", ".ndjson", ".json"})
TEXT_ENDINGS = frozenset({".csv", ".tsv", ".tab", ".txt"})
TABLE_ENDINGS = WORKBOOK_ENDINGS | JSON_ENDINGS | TEXT_ENDINGS | {".parquet"}
PACKED_ENDINGS = frozenset({".zip", ".gz"})
READABLE = "csv, tsv, txt, xlsx, xlsm, xls, ods, jsonl, ndjson, json, parquet, or a zip or gz of these"
RESULTS_MARK = ".scored"
"""Stands before the ending of our own results files."""

BLOCK_BYTES = 1 << 20
MAX_UNPACKED_BYTES = 4 << 30
HARMLESS_BYTES = 256 << 20
MAX_RATIO = 200
"""Data that unpacks to more than `HARMLESS_BYTES` and to more than so many times its size is a bomb.

Exports shrink to a fifth or a tenth; deflate can reach a thousandth.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """Bytes to read: a name for messages, the file that holds them, the ending that tells what they should be."""

    name: str
    path: Path
    ending: str
    container: str | None = None
    member: str | None = None


def list_tables(folder: str | Path) -> list[Path]:
    """Return the files of a folder that can be read, by name; folders in it are not looked into.

    Lock files of Excel (``~$…``), hidden files and our own results (``NAME.scored.xlsx``) are left out.

    Raises:
        TableError: The folder cannot be read or holds no such file.
    """
    folder = Path(folder)
    try:
        found = sorted(path for path in folder.iterdir() if is_table_name(path.name) and path.is_file())
    except OSError as error:
        raise TableError(
            f"the folder {folder} cannot be read ({error.strerror or error}); check its name and permissions"
        ) from error
    if not found:
        raise TableError(f"the folder {folder} has no file to read, expected one of {READABLE}")
    return found


def is_table_name(name: str) -> bool:
    """Whether a file of this name is one to read.

    >>> [is_table_name(name) for name in ("11月.CSV", "a.csv.gz", "~$11月.xlsx", ".a.csv", "a.scored.xlsx", "a.pdf")]
    [True, True, False, False, False, False]
    """
    if name.startswith(("~$", ".")):
        return False
    path = Path(name.lower())
    packed = path.suffix in PACKED_ENDINGS
    if path.suffix == ".gz":
        path = Path(path.stem)  # what it unpacks to
        packed = not path.suffix
    return (packed or path.suffix in TABLE_ENDINGS) and not path.stem.endswith(RESULTS_MARK)


def open_sources(path: str | Path, stack: contextlib.ExitStack) -> list[Source]:
    """Return what a path holds: one source, or those of an archive in the order of their names.

    ``stack`` takes what has to be removed at the end.

    Raises:
        TableError: It cannot be read.
        OSError: The same, from the system.
    """
    if str(path) == STANDARD_INPUT:
        source = Source("standard input", _copy_stream(sys.stdin.buffer, stack), "")
    else:
        path = Path(path)
        if path.is_dir():
            raise TableError(f"{path} is a folder, expected a file; give one of the files in it")
        source = Source(path.name, path, path.suffix.lower())
        if stat.S_ISFIFO(path.stat().st_mode):  # such as <(zcat …) in a shell
            with path.open("rb") as pipe:
                source = dataclasses.replace(source, path=_copy_stream(pipe, stack))
    with source.path.open("rb") as stream:
        head = stream.read(4)
        if head.startswith(b"\x1f\x8b"):
            return [_unpack_gzip(source, stream, stack)]
        if head == b"PK\x03\x04" and source.ending not in WORKBOOK_ENDINGS:
            return _unpack_zip(source, stream, stack)
    return [source]


def _temporary_file(stack: contextlib.ExitStack, ending: str) -> Path:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="visit-notes-", ignore_cleanup_errors=True))
    return Path(folder) / f"table{ending}"


def _copy_stream(stream: IO[bytes], stack: contextlib.ExitStack) -> Path:
    path = _temporary_file(stack, "")
    with path.open("wb") as target:
        shutil.copyfileobj(stream, target, BLOCK_BYTES)
    return path


class Bounds:
    """Counts what was unpacked and refuses a bomb."""

    def __init__(self, packed: int, most: int) -> None:
        self._packed, self._most = max(1, packed), most
        self._unpacked = 0

    def add(self, count: int) -> None:
        """Count so many bytes more.

        Raises:
            TableError: It is too much.
        """
        self._unpacked += count
        if self._unpacked > self._most:
            raise TableError(f"the archive unpacks to more than {self._most >> 30} GB; export it in parts")
        if self._unpacked > max(HARMLESS_BYTES, MAX_RATIO * self._packed):
            raise TableError(
                f"the archive unpacks to more than {MAX_RATIO} times its size, as no export does (a zip bomb); "
                "if you trust it, unpack it and give the file"
            )


def _copy(source: IO[bytes] | gzip.GzipFile, target: Path, bounds: Bounds) -> None:
    with target.open("wb") as file:
        while block := source.read(BLOCK_BYTES):
            bounds.add(len(block))
            file.write(block)


def _unpack_gzip(source: Source, stream: IO[bytes], stack: contextlib.ExitStack) -> Source:
    ending = Path(Path(source.name.lower()).stem).suffix
    target = _temporary_file(stack, ending)
    stream.seek(0)
    try:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            _copy(unpacked, target, Bounds(source.path.stat().st_size, MAX_UNPACKED_BYTES))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableError(f"the gzip file is damaged or cut off ({error}); copy or export it again") from error
    with target.open("rb") as unpacked_stream:
        head = unpacked_stream.read(512)
    if head[257:262] == b"ustar":
        raise TableError(f"the file is a tar archive, expected one of {READABLE}; unpack it and give a file in it")
    return Source(source.name, target, ending, container="gzip")


def _unpack_zip(source: Source, stream: IO[bytes], stack: contextlib.ExitStack) -> list[Source]:
    """Unpack the tables of an archive; a workbook, which is a zip archive too, stays as it is."""
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            if any(member.filename.startswith("xl/") or member.filename == "content.xml" for member in members):
                return [source]
            bounds = Bounds(source.path.stat().st_size, MAX_UNPACKED_BYTES)
            return [_unpack_member(archive, member, name, bounds, stack) for name, member in _tables(members)]
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, UnicodeError, RuntimeError) as error:
        raise TableError(f"the zip archive is damaged or of an unknown kind ({error}); pack it again") from error


def _tables(members: list[zipfile.ZipInfo]) -> list[tuple[str, zipfile.ZipInfo]]:
    named = [(_member_name(member), member) for member in members if not member.is_dir()]
    for name, member in named:
        _check_member(name, member)
    tables = [(name, member) for name, member in named if is_table_name(Path(name).name) and "__MACOSX/" not in name]
    if not tables:
        found = "、".join(name for name, _ in named[:5]) or "nothing"
        raise TableError(f"the zip archive holds no table ({found}), expected one of {READABLE}")
    if any(Path(name).suffix.lower() in PACKED_ENDINGS for name, _ in tables):
        raise TableError("the zip archive holds another archive, expected tables; unpack it and give that one")
    return sorted(tables, key=lambda pair: pair[0])


def _member_name(member: zipfile.ZipInfo) -> str:
    """Return the name; Windows in Chinese writes it in GBK, which zipfile takes for cp437."""
    name = member.filename
    if not member.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("gb18030")
    return name.replace("\\", "/")


def _check_member(name: str, member: zipfile.ZipInfo) -> None:
    windows = PureWindowsPath(name)
    if name.startswith("/") or windows.drive or ".." in windows.parts:
        raise TableError(
            f"the zip archive holds the path {name!r}, which leads out of it; it is not read, pack it again"
        )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise TableError(f"the zip archive holds the link {name!r}, expected files only; pack the file itself")
    if member.flag_bits & 0x1:
        raise TableError(f"{name!r} in the zip archive is protected by a password; unpack it and give the file")


def _unpack_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, bounds: Bounds, stack: contextlib.ExitStack
) -> Source:
    ending = Path(name).suffix.lower()
    target = _temporary_file(stack, ending)
    with archive.open(member) as packed:
        _copy(packed, target, bounds)
    return Source(name, target, ending, container="zip", member=name)
