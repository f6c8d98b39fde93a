"""From raw rows to a table: header found, every row fitted to it, blank ends and footers set apart."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from analyzer.columns import names_notes
from analyzer.errors import EmptyTableError
from analyzer.table_child import cell_text
from analyzer.table_frames import Dialect, Table, make_chunks
from analyzer.table_header import HEAD_ROWS, Header, find_header
from analyzer.table_text import Row, join_problems

_LONGEST_TOLD = 20_000
_FOOTER_LINES = 20
"""More of them in a row are data that looks like footers."""
_TOTAL = re.compile(
    r"(合\s*计|总\s*计|共\s*计|小\s*计|累\s*计|汇\s*总|平均值?|(grand |sub)?total)\s*[:：]?", re.IGNORECASE
)
_COUNT = re.compile(
    r"[(（【]?(共|共计|总共|全部)\s*[:：]?\s*[\d,]+\s*(条|行|页|records?|rows?)(记录|数据|信息|拜访|结果)?"
    r"([,，;；]?\s*(第|共|每页)\s*\d+.{0,12})?[)）】。.]?"
    r"|[(（【]?(合计|总计|记录数|总数|总条数|总记录数|total)\s*[:：]?\s*[\d,]+\s*"
    r"(条|行|笔|个|项|次|页|家|records?|rows?)?(记录|数据|信息|拜访|结果)?[)）】。.]?",
    re.IGNORECASE,
)
_STAMP = re.compile(
    r"[(（【*※—-]*\s*(导出|制表|打印|统计|生成|下载|填表|审核|复核|报表)(时间|日期|人|人员|者|单位|部门|账号|用户)"
    r"\s*([:：].{0,40}|\d{4}[-/.年].{0,20})?"
    r"|数据来源\s*[:：].{0,60}|第\s*\d+\s*页([,，/\s]*共\s*\d+\s*页)?|[-—]*\s*(报表结束|数据结束|END)\s*[-—]*"
    r"|(本表|以上)(数据|内容|记录)?(由|为|均).{0,20}(系统|生成|导出|打印).{0,20}"
    r"|(exported|printed) (at|on|by)\b.{0,60}",
    re.IGNORECASE,
)
_AMOUNT = re.compile(r"[-+￥¥$]?\s*[\d,]*\.?\d+\s*(%|元|万元?|条|行|次|家|台|个)?|[-—/]+")
_FOOTER_BEGINNINGS = frozenset("合总共小累汇平全记导制打统生下填审复报数第本以结(（【*※—-gstepr")
"""First characters of the texts above: most rows are no footer at a glance."""


def assemble(rows: Iterator[Row], dialect: Dialect, chunk_rows: int) -> Table:
    """Make a table of raw rows.

    Raises:
        TableError: There are no rows under the header.
    """
    skipped = 0
    head: list[Row] = []
    for row in rows:
        if head or row.problem or any(map(str.strip, row.cells)):
            head.append(row)
        else:
            skipped += 1
        if len(head) == HEAD_ROWS:
            break
    header = find_header([row.cells for row in head])
    titles = tuple(" ".join(filter(None, map(str.strip, row.cells))) for row in head[: header.row or 0])
    remarks: list[str] = []
    below = itertools.chain(head[header.end :], rows)
    fitted = _without_end(below, header, dialect, remarks)
    first = next(fitted, None)
    if first is None:
        shown = "、".join(header.names)[:200]
        raise EmptyTableError(f"there is a header ({shown}) but no rows under it, expected rows; export it again")
    dialect = dataclasses.replace(
        dialect,
        header_row=None if header.row is None else header.row + skipped + 1,
        header_lines=header.lines,
        titles=tuple(filter(None, titles)),
    )
    every = itertools.chain([first], fitted)
    return Table(header.names, dialect, chunks=make_chunks(every, header.names, chunk_rows), remarks=remarks)


class _Fit:
    """Fits rows to the header: as many cells as it has columns, the rest told in the row's problem."""

    def __init__(self, header: Header, dialect: Dialect) -> None:
        self._columns, self._width, self._names = header.columns, header.width, header.names
        self._whole = len(header.columns) == header.width
        self._dates = _date_columns(header.names, dialect)
        self._join = dialect.delimiter if names_notes(header.names[-1:]) else None

    def __call__(self, row: Row) -> Row:
        cells = row.cells
        if len(cells) != self._width:
            cells = self._resize(row)
        if not self._whole:
            cells = self._pick(row, cells)
        for column in self._dates:
            cells[column] = _date_of_number(cells[column])
        row.cells = cells
        return row

    def _resize(self, row: Row) -> list[str]:
        cells, width = row.cells, self._width
        found = len(cells)
        if found < width:
            if found > 1 or (cells and cells[0].strip()):
                row.problem = join_problems(row.problem, f"字段不足：表头 {width} 列，本行 {found} 列")
            return [*cells, *[""] * (width - found)]
        extra = cells[width:]
        kept = cells[:width]
        if any(cell.strip() for cell in extra):
            told = f"多出 {len(extra)} 个字段：{' | '.join(extra)[:_LONGEST_TOLD]}"
            if self._join is not None:
                # Most often the note holds the delimiter and nobody quoted it.
                kept[-1] = self._join.join([kept[-1], *extra])
                told += f"，已并入“{self._names[-1]}”"
            row.problem = join_problems(row.problem, told)
        return kept

    def _pick(self, row: Row, cells: list[str]) -> list[str]:
        picked = [cells[column] for column in self._columns]
        if sum(map(bool, picked)) < sum(map(bool, cells)):
            kept = set(self._columns)
            others = [
                f"第 {column + 1} 列：{cell}"
                for column, cell in enumerate(cells)
                if cell.strip() and column not in kept
            ]
            if others:
                row.problem = join_problems(row.problem, f"无表头的列中有内容（{'；'.join(others)}）")
        return picked


def _without_end(rows: Iterable[Row], header: Header, dialect: Dialect, remarks: list[str]) -> Iterator[Row]:
    """Yield the fitted rows without blank ones and footers at the end; footers are told in ``remarks``.

    In the middle both stay, so that rows keep their numbers.
    """
    fit = _Fit(header, dialect)
    blank = [""] * len(header.names)
    waiting: list[Row | int] = []  # footers, and how many blank rows: a sheet may end in a million of them
    footers = 0
    for row in rows:
        if not row.problem and not any(map(str.strip, row.cells)):
            if waiting and isinstance(waiting[-1], int):
                waiting[-1] += 1
            else:
                waiting.append(1)
            continue
        if footers < _FOOTER_LINES and is_footer(row.cells, header.width):
            footers += 1
            waiting.append(row)
            continue
        if waiting:
            for held in waiting:
                if isinstance(held, int):
                    yield from (Row(blank.copy()) for _ in range(held))
                else:
                    held.problem = join_problems(held.problem, "疑似合计或导出信息，不像拜访记录")
                    yield fit(held)
            waiting, footers = [], 0
        yield fit(row)
    remarks += [
        f"not a row, below the table: {' '.join(filter(None, map(str.strip, row.cells)))[:200]}"
        for row in waiting
        if isinstance(row, Row)
    ]


def is_footer(cells: Sequence[str], width: int) -> bool:
    """Whether a row reads like what stands below a table: a total, a count, who exported it and when.

    >>> is_footer(["合计", "", "", "1,234.5"], 4), is_footer(["共 128 条记录"], 4), is_footer(["合计三台，签约"], 4)
    (True, True, False)
    >>> [is_footer(["", text], 2) for text in ("导出时间太长", "第2页合同要改", "共3次", "导出时间：2024-11-30")]
    [False, False, False, True]
    """
    beginning = cells[0].strip() if cells else ""  # most rows have a first cell, and are done with here
    if not beginning:
        beginning = next((text for cell in cells if (text := cell.strip())), "")
    if beginning[:1].lower() not in _FOOTER_BEGINNINGS or len(beginning) > 80:
        return False
    filled = [text for cell in cells if (text := cell.strip())]
    if len(filled) == 1 or width == 1:
        return len(filled) == 1 and bool(
            _COUNT.fullmatch(filled[0]) or _STAMP.fullmatch(filled[0]) or (width > 1 and _TOTAL.fullmatch(filled[0]))
        )
    first, *others = filled
    if _TOTAL.fullmatch(first) or _COUNT.fullmatch(first):
        return all(_AMOUNT.fullmatch(cell) or _COUNT.fullmatch(cell) or _STAMP.fullmatch(cell) for cell in others)
    return bool(_STAMP.fullmatch(first)) and len(filled) <= max(2, width // 2) and max(map(len, filled)) <= 40


def _date_columns(names: Sequence[str], dialect: Dialect) -> tuple[int, ...]:
    """Return the columns of a workbook where a bare number is a date that lost its format."""
    if dialect.sheet is None:
        return ()
    return tuple(i for i, name in enumerate(names) if re.search(r"日期|时间|\bdate\b|\btime\b", name, re.IGNORECASE))


def _date_of_number(cell: str) -> str:
    """Turn the number under which Excel stores a date into the date.

    >>> _date_of_number("45602"), _date_of_number("45602.5"), _date_of_number("30"), _date_of_number("明天")
    ('2024-11-06', '2024-11-06 12:00:00', '30', '明天')
    """
    if not re.fullmatch(r"[2-7]\d{4}(\.\d+)?", cell):
        return cell
    seconds = round(float(cell) * 86400)
    return cell_text(datetime.datetime(1899, 12, 30) + datetime.timedelta(seconds=seconds))
