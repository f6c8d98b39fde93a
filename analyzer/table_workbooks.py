"""Reads workbooks: xlsx, xlsm, xls, ods."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Any

from analyzer.errors import TableError
from analyzer.table_frames import HEAD_ROWS, Dialect, Table, assemble, cell_text
from analyzer.table_text import BLOCK_BYTES, Row

MAX_UNPACKED_BYTES = 4 << 30


def open_workbook(stream: IO[bytes], head: bytes, kind: str, sheet: str | None, chunk_rows: int) -> Table:
    """Open a workbook whose first bytes are ``head``; ``sheet`` names a sheet, else the first with rows.

    Raises:
        TableError: It is damaged, protected by a password or has no rows.
    """
    from python_calamine import CalamineWorkbook  # not needed for text

    if head.startswith(b"PK"):
        _check_zip(stream)
    elif _is_encrypted(stream):
        raise TableError(
            "the workbook is protected by a password, expected an open one; "
            "open it in Excel or WPS, remove the password and save it again"
        )
    stream.seek(0)
    book = _guarded(lambda: CalamineWorkbook.from_filelike(stream))
    names = _worksheets(book)
    if sheet is not None:
        if sheet not in names:
            raise TableError(f"no sheet {sheet!r}, expected one of {', '.join(names) or 'none'}; name one with --sheet")
        names = [sheet]
    header_only = None
    for name in names:
        rows = _sheet_rows(book, name)
        head_rows = list(itertools.islice(rows, HEAD_ROWS))
        filled = sum(any(cell.strip() for cell in row.cells) for row in head_rows)
        if filled >= 2:
            every = itertools.chain(head_rows, rows)
            return assemble(every, Dialect(kind, sheet=name), chunk_rows)
        header_only = header_only or (name if filled else None)
    found = f"sheet {header_only!r} has a header but no rows" if header_only else "the workbook has no filled sheet"
    raise TableError(f"{found}, expected a header and rows; export it again or name the sheet with --sheet")


def _check_zip(stream: IO[bytes]) -> None:
    """Refuse an archive that is no workbook, too large or damaged.

    Calamine checks no checksums: a damaged sheet would come back with rows missing.
    """
    unpacked = 0
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            if not any(name.startswith("xl/") or name == "content.xml" for name in names):
                raise TableError(
                    "the file is a zip archive, expected a workbook or a text table; unpack it and give one file"
                )
            for member in members:
                with archive.open(member) as content:
                    while block := content.read(BLOCK_BYTES):
                        unpacked += len(block)
                        if unpacked > MAX_UNPACKED_BYTES:
                            raise TableError(
                                f"the workbook unpacks to more than {MAX_UNPACKED_BYTES >> 30} GB; export it as csv"
                            )
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


def _guarded(action: Callable[[], Any]) -> Any:
    """Run a call of calamine; whatever a damaged file makes it raise becomes one clear error."""
    try:
        return action()
    except BaseException as error:
        kind = type(error).__name__
        if kind == "PasswordError":
            raise TableError(
                "the workbook is protected by a password, expected an open one; "
                "open it in Excel or WPS, remove the password and save it again"
            ) from error
        # A panic of the Rust code is no Exception.
        if not isinstance(error, Exception) and kind != "PanicException":
            raise
        raise TableError(f"the workbook is damaged ({error}); open it in Excel or WPS and save it again") from error


def _worksheets(book: Any) -> list[str]:
    sheets = [meta for meta in book.sheets_metadata if str(meta.typ).endswith("WorkSheet")]
    hidden = [meta.name for meta in sheets if not str(meta.visible).endswith(".Visible")]
    return [meta.name for meta in sheets if meta.name not in hidden] + hidden


def _sheet_rows(book: Any, name: str) -> Iterator[Row]:
    rows = iter(_guarded(lambda: book.get_sheet_by_name(name).iter_rows()))
    while (values := _guarded(lambda: next(rows, None))) is not None:
        yield Row([cell_text(value) for value in values])
