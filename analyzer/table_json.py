"""JSON exports: an object a line, an array of objects, or an array inside one object."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Iterator
from typing import IO

from analyzer.errors import TableError
from analyzer.table_frames import Dialect, Table, make_chunks, unique_names
from analyzer.table_text import MAX_LINE_BYTES, SAMPLE_BYTES, Line, Row, join_problems, read_lines


def open_json(stream: IO[bytes], start: str, codec: str, chunk_rows: int) -> Table:
    """Open a JSON export whose text begins with ``start``.

    Raises:
        TableError: There is no object in it.
    """
    if start.startswith("["):
        kind, rows = "json", json_array_rows(stream, codec)
    elif start.startswith("{") and not re.match(r"\{\s*$", start.splitlines()[0]):
        kind, rows = "jsonl", json_line_rows(read_lines(stream, codec))
    else:
        raise TableError(
            "the file does not begin with a JSON object or array, expected one object a line or an array of objects"
        )
    first = list(itertools.islice(rows, chunk_rows))
    if not any(row.original for row in first):
        reason = first[0].problem if first else "it is empty"
        raise TableError(f"no JSON object with fields was found, expected one object a line or an array ({reason})")
    keys = list(dict.fromkeys(key for row in first if row.original for key in row.original))
    known = frozenset(keys)

    def cells(row: Row) -> Row:
        original = row.original or {}
        row.cells = [json_text(original.get(key)) for key in keys]
        if not known.issuperset(original):
            extra = [f"{key}：{json_text(value)}" for key, value in original.items() if key not in known]
            row.problem = "；".join(filter(None, [row.problem, "多出字段 " + "，".join(extra)]))
        return row

    columns = unique_names(keys)
    every = map(cells, itertools.chain(first, rows))
    dialect = Dialect(kind, encoding=codec, header_row=None)
    return Table(columns, dialect, chunks=make_chunks(every, columns, chunk_rows, keep_originals=True))


def json_line_rows(lines: Iterator[Line]) -> Iterator[Row]:
    """Yield one row an object; any other line stays as a broken row with its text in the problem."""
    for line in lines:
        text = line.text.strip().lstrip("\ufeff")
        if not text:
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            yield Row([], join_problems(line.problem, f"不是有效的 JSON：{_short(text)}"), broken=True)
            continue
        yield _json_row(value, line.problem)


def json_array_rows(stream: IO[bytes], codec: str) -> Iterator[Row]:
    """Yield the objects of a JSON array one by one, without holding the array."""
    decoder = json.JSONDecoder()
    reader = io.TextIOWrapper(stream, encoding=codec, errors="replace")
    text, at, want = reader.read(SAMPLE_BYTES).lstrip("\ufeff \t\r\n")[1:], 0, SAMPLE_BYTES
    try:
        while True:
            at = _skip(text, at)
            if text.startswith("]", at):
                return
            try:
                value, end = decoder.raw_decode(text, at)
                complete = _skip(text, end) < len(text)  # the last digit of a number may not have arrived yet
            except (ValueError, RecursionError):
                complete = False
            if not complete:
                more = reader.read(want) if want <= MAX_LINE_BYTES else ""
                if not more:
                    yield Row([], f"JSON 在此处中断或损坏，其后内容未读入：{_short(text[at:])}", broken=True)
                    return
                # Twice as much each time keeps the cost linear in the size of a large object.
                text, at, want = text[at:] + more, 0, want * 2
                continue
            want = SAMPLE_BYTES
            yield _json_row(value, "含无法识别的字节，已用 � 代替" if "\ufffd" in text[at:end] else "")
            at = end
            if at > SAMPLE_BYTES:
                text, at = text[at:], 0
    finally:
        reader.detach()


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


def _json_row(value: object, problem: str) -> Row:
    if isinstance(value, dict):
        return Row([], problem, original=value)
    shown = _short(json.dumps(value, ensure_ascii=False))
    return Row([], join_problems(problem, f"不是 JSON 对象：{shown}"), broken=True)


def json_text(value: object) -> str:
    """Return a JSON value as the text of a cell.

    >>> json_text("NA"), json_text(None), json_text(12), json_text(["甲", 1])
    ('NA', '', '12', '["甲", 1]')
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str)


def _short(text: str, limit: int = 1000) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…（共 {len(text)} 字）"
