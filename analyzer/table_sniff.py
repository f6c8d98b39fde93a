"""Finds how a delimited file is written: its delimiter, and how quotes inside quotes are told."""

from __future__ import annotations

import contextlib
import csv
import re
from collections import Counter
from collections.abc import Sequence

from analyzer.columns import names_known_columns
from analyzer.table_text import (
    NO_DELIMITER,
    Format,
    allow_long_cells,
    check_columns,
    double_escapes,
    looks_like_names,
    without_quoted,
)

DELIMITERS = (",", "\t", ";", "|", "，")
_TOLD = re.compile(r'"?sep=([,;\t|，])"?\s*$', re.IGNORECASE)
"""A first line by which Excel is told the delimiter."""
_HEADER_ROWS = 20
_LONGEST_LINE = 1 << 19


def sniff_format(lines: Sequence[str], *, tab_expected: bool = False) -> Format:
    r"""Find the delimiter under which the lines make the most regular table.

    >>> sniff_format(["客户;备注\n", "甲;好的，下次再谈\n"]).delimiter
    ';'
    >>> sniff_format(["备注\n", "好的，下次再谈\n", "不需要\n"]).delimiter == NO_DELIMITER
    True
    """
    allow_long_cells()
    for line in lines[:1]:  # before anything is split
        check_columns(max(without_quoted(line).count(delimiter) for delimiter in DELIMITERS if delimiter != "，"))
    lines = [line[:_LONGEST_LINE] for line in lines]
    told = _TOLD.match(lines[0]) if lines else None
    order = (told[1],) if told else ("\t", *DELIMITERS) if tab_expected else DELIMITERS
    best, best_score = Format(NO_DELIMITER), 0.5
    escaped = [double_escapes(line) for line in lines] if any('\\"' in line for line in lines) else []
    for delimiter in order:
        plain, other = Format(delimiter), Format(delimiter, "\\")
        layout, score = plain, _regularity(lines, plain)
        if escaped:
            # Whether the backslash escapes shows in quotes that close inside a cell, then in the shape of the table.
            judged = -_spoilt_quotes(lines, plain), score
            rival = -_spoilt_quotes(escaped, other), _regularity(escaped, other)
            if rival > judged:
                layout, score = other, rival[1]
        if score > best_score + 1e-9:
            best, best_score = layout, score
    return best


def _regularity(lines: Sequence[str], layout: Format) -> float:
    """Return how much the records look like one table, 0 to 2."""
    records = _records(lines, layout)
    if not records:
        return 0.0
    for index, cells in enumerate(records[:_HEADER_ROWS]):
        # Two names that we know are a header, whatever stands above it.
        if names_known_columns(cells) >= 2 and looks_like_names(cells):
            below = records[index + 1 :]
            return 1.5 + 0.5 * sum(len(other) == len(cells) for other in below) / max(1, len(below))
    return _wide_regularity(records) if layout.delimiter == "，" else _plain_regularity(records)


def _plain_regularity(records: Sequence[Sequence[str]]) -> float:
    first = records[0]
    widths = Counter(map(len, records))
    # One ragged row must not outvote the header of a short file.
    mode = max(widths, key=lambda width: (widths[width], width == len(first)))
    if mode == 1:
        # Few regular rows, but a header that names several columns: a file of ragged rows.
        return 0.6 if len(first) > 2 and looks_like_names(first) else 0.0
    share = widths[mode] / len(records)
    if len(first) == mode:
        return share + 0.5 * looks_like_names(first)
    if len(first) > 1 and looks_like_names(first):
        return share * 0.5 + 0.5
    has_header = any(len(cells) == mode and looks_like_names(cells) for cells in records[1:10])
    return share if has_header else 0.0


def _wide_regularity(records: Sequence[Sequence[str]]) -> float:
    """Judge the wide comma, of which notes are full: the header must be written with it."""
    first = records[0]
    share = sum(len(cells) == len(first) for cells in records) / len(records)
    if len(first) > 1 and share > 0.5 and looks_like_names(first):
        return share + 0.5
    for index, cells in enumerate(records[:_HEADER_ROWS]):  # below titles: three short names over rows as wide
        below = records[index + 1 :]
        if len(cells) > 2 and len(below) > 1 and looks_like_names(cells) and max(map(len, cells)) <= 10:
            share = sum(len(other) == len(cells) for other in below) / len(below)
            return share if share > 0.7 else 0.0
    return 0.0


def _records(lines: Sequence[str], layout: Format) -> list[list[str]]:
    reader = csv.reader(lines, delimiter=layout.delimiter, escapechar=layout.escape)
    records: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        records.extend(cells for cells in reader if cells)
    return records


def _spoilt_quotes(lines: Sequence[str], layout: Format) -> int:
    """Return how many records have a closing quote inside a cell."""
    reader = csv.reader(lines, delimiter=layout.delimiter, escapechar=layout.escape, strict=True)
    spoilt = 0
    while True:
        try:
            next(reader)
        except StopIteration:
            return spoilt
        except csv.Error:
            spoilt += 1
