"""A worksheet of XlsxWriter that takes rows as bytes. Imported where a workbook is written: XlsxWriter loads slowly."""

from __future__ import annotations

import shutil
from pathlib import Path

from xlsxwriter.worksheet import Worksheet

_COPIED = 1 << 20


class RowsSheet(Worksheet):  # type: ignore[misc]  # has no types
    """A sheet in constant memory whose rows come as XML.

    Rows go straight into the file that XlsxWriter keeps for a sheet in constant memory, and from there into the
    sheet's own, as bytes: through its methods, a call and three objects a cell, the first takes five times as long,
    and as text, decoded and encoded again, either takes twice as long.
    """

    def append(self, rows: bytes) -> None:
        """Write rows, whole and numbered; what was written through the methods of a worksheet goes before them."""
        self.fh.flush()
        self.fh.buffer.write(rows)

    def _write_optimized_sheet_data(self) -> None:
        self._xml_start_tag("sheetData")
        self.fh.flush()
        self.row_data_fh.close()
        path = Path(self.row_data_filename)
        with path.open("rb") as rows:
            shutil.copyfileobj(rows, self.fh.buffer, _COPIED)
        path.unlink()
        self._xml_end_tag("sheetData")
