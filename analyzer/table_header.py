"""Finds the header of a table: below title lines, in one line or two, with its blank columns left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.columns import names_known_columns, names_notes
from analyzer.errors import TableError
from analyzer.table_frames import unique_names
from analyzer.table_text import MAX_COLUMNS, check_columns, looks_like_names

TITLE_ROWS = 20
"""The header is looked for in so many rows."""
HEAD_ROWS = TITLE_ROWS + 30
"""So many rows are looked at to tell header from data."""

_NUMBER = re.compile(r"[-+￥¥$]?[\d,]*\.?\d+%?|\d{2,4}[-/.年]\d{1,2}([-/.月]\d{1,2}日?)?([ T]\d.*)?")


@dataclass(frozen=True, slots=True)
class Header:
    """Where the header is among the first rows and what it says.

    ``row`` is the index of its first line (``None``: there is none), ``lines`` how many it has, ``columns`` the
    positions of the columns that are kept, ``names`` their names, ``width`` the cells that a row should have.
    """

    row: int | None
    lines: int
    names: tuple[str, ...]
    columns: tuple[int, ...]
    width: int

    @property
    def end(self) -> int:
        """Index of the first row below it."""
        return 0 if self.row is None else self.row + self.lines


def find_header(rows: Sequence[Sequence[str]]) -> Header:
    """Find the header under title lines.

    >>> find_header([["11月拜访记录", "", ""], ["客户", "日期", "备注"], ["甲", "2024-11-06", "好"]]).row
    1
    >>> find_header([["甲公司", "13800138000", "下周再谈。"], ["乙公司", "13900139000", "好"]]).row is None
    True
    >>> find_header([["编号", "拜访情况", ""], ["", "日期", "内容"], ["1", "2024-11-06", "好"]]).names
    ('编号', '日期', '内容')

    Raises:
        TableError: There are no rows at all, or too many columns.
    """
    filled = [sum(1 for cell in row if cell.strip()) for row in rows]
    if not any(filled):
        raise TableError("the file is empty, expected a header and rows; export it again")
    first = next(index for index, count in enumerate(filled) if count)
    row = _by_known_names(rows, filled)
    if row is None:
        row = _by_shape(rows, filled, first)
    if row == first and _looks_like_data(rows[first], rows[first + 1 :]):
        return _header(None, 0, ("",) * max(map(len, rows)), rows)
    if row > first and _is_pair(rows[row - 1], rows[row], rows[row + 1 :]):
        return _header(row - 1, 2, _joined(rows[row - 1], rows[row]), rows)
    if row + 1 < len(rows) and _is_pair(rows[row], rows[row + 1], rows[row + 2 :]):
        return _header(row, 2, _joined(rows[row], rows[row + 1]), rows)
    return _header(row, 1, rows[row], rows)


def _by_known_names(rows: Sequence[Sequence[str]], filled: Sequence[int]) -> int | None:
    """Return the first row that names two columns that we know and fills half of the columns."""
    enough = max(2, (max(filled) + 1) // 2)
    for index, row in enumerate(rows[:TITLE_ROWS]):
        if len(row) > MAX_COLUMNS and names_known_columns(row[:100]) >= 2:
            check_columns(len(row))
        if filled[index] >= enough and names_known_columns(row) >= 2 and looks_like_names(row):
            return index
    return None


def _by_shape(rows: Sequence[Sequence[str]], filled: Sequence[int], first: int) -> int:
    """Return the first row that fills most columns and reads like names, below rows that fill few."""
    for index in range(first, min(len(rows), first + TITLE_ROWS)):
        titles_only = all(count <= max(1, filled[index] // 3) for count in filled[first:index])
        enough = max(2, (max(filled[index:]) + 1) // 2)
        if titles_only and filled[index] >= enough and looks_like_names(rows[index]):
            return index
    return first


def _looks_like_data(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    filled = [cell.strip() for cell in row if cell.strip()]
    if below and any(len(cell) > 60 and re.search(r"[，。；]", cell) for cell in filled):
        return True
    numbers = sum(bool(re.fullmatch(r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}.*|1\d{10}", cell)) for cell in filled)
    sentences = sum(bool(re.search(r"[。！；].*|，.{4,}", cell)) for cell in filled)
    return numbers > 0 and (sentences > 0 or numbers > 1)


def _cell(row: Sequence[str], column: int) -> str:
    return row[column].strip() if column < len(row) else ""


def _is_pair(upper: Sequence[str], lower: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether two rows are one header: groups above, names below, as merged cells leave them."""
    width = max(len(upper), len(lower))
    used = [column for column in range(width) if any(_cell(row, column) for row in (upper, lower, *below))]
    cells = [(_cell(upper, column), _cell(lower, column)) for column in used]
    above, under = [pair[0] for pair in cells], [pair[1] for pair in cells]
    grouped = any(
        (not name or name == above[column - 1]) and under[column] for column, name in enumerate(above) if column
    )
    if sum(map(bool, above)) < 2 or not grouped or not all(map(any, cells)):
        return False
    if not looks_like_names(above) or not looks_like_names(under):
        return False
    if any(name and any(_cell(row, column) == name for row in below) for column, name in zip(used, under, strict=True)):
        return False  # a value that comes again is no name
    if all(under) and 2 * sum(map(bool, above)) <= len(above):
        return True
    return names_known_columns(under) > 0 or any(
        name and not _NUMBER.fullmatch(name) and _all_numbers(below, column)
        for column, name in zip(used, under, strict=True)
    )


def _all_numbers(rows: Sequence[Sequence[str]], column: int) -> bool:
    values = [cell for row in rows if (cell := _cell(row, column))]
    return bool(values) and all(map(_NUMBER.fullmatch, values))


def _joined(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    """Return the lower names, the upper one where there is none, both where the lower one stands twice."""
    names, groups, group = [], [], ""
    for column in range(max(len(upper), len(lower))):
        above, under = _cell(upper, column), _cell(lower, column)
        group = above or group
        names.append(under or above)
        groups.append(group if under else "")
    return [
        f"{group}/{name}" if group and names.count(name) > 1 else name
        for group, name in zip(groups, names, strict=True)
    ]


def _header(row: int | None, lines: int, names: Sequence[str], rows: Sequence[Sequence[str]]) -> Header:
    data = rows[0 if row is None else row + lines :]
    width = len(names)
    check_columns(width)
    # A header shorter than most rows: the last columns have no name, or the notes at the end hold the delimiter.
    while not names_notes(names[-1:]) and sum(bool(_cell(cells, width)) for cells in data) * 2 > len(data) > 1:
        width += 1
    padded = [*names, *[""] * (width - len(names))]
    # A column without a name that holds nothing is decoration; what comes in it later is told in the row's problem.
    kept = [
        column for column, name in enumerate(padded) if name.strip() or any(_cell(cells, column) for cells in data)
    ] or [0]
    unique = unique_names(padded)
    while width - 1 > kept[-1]:
        width -= 1
    return Header(row, lines, tuple(unique[column] for column in kept), tuple(kept), width)
