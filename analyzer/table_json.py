"""JSON exports: an object a line, an array of objects, or an array inside one object."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Iterator
from typing import IO

from analyzer.errors import TableError
from analyzer.table_frames import CHUNK_CHARACTERS, Dialect, Table, make_chunks, unique_names
from analyzer.table_text import MAX_LINE_BYTES, SAMPLE_BYTES, Line, Row, check_columns, join_problems, read_lines

_STRING = r'"(?:[^"\\]|\\.)*"'
_SCALAR = rf"(?:{_STRING}|[-+.\w]+)"
_WRAPPER = re.compile(rf"(?:\{{\s*(?:{_STRING}\s*:\s*{_SCALAR}\s*,\s*)*{_STRING}\s*:\s*){{1,3}}\[\s*(?=\{{)")
"""The beginning of an object that holds the array of rows, as Navicat (``RECORDS``) and web services write it."""
_NEXT_OBJECT = re.compile(r"\}\s*,?\s*(?=\{)")


def open_json(stream: IO[bytes], start: str, codec: str, ending: str, chunk_rows: int) -> Table:
    """Open a JSON export whose text begins with ``start``.

    Raises:
        TableError: There is no object in it.
    """
    if start.startswith("["):
        kind, rows = "json", json_value_rows(stream, codec, 1)
    elif start.startswith("{"):
        first_line, *further = filter(str.strip, start.splitlines())
        wrapped = _WRAPPER.match(start) if ending == ".json" else None
        if wrapped and not (further and _is_object(first_line)):
            kind, rows = "json", json_value_rows(stream, codec, wrapped.end())
        elif further and not _is_object(first_line) and not further[0].lstrip().startswith("{"):
            kind, rows = "json", json_value_rows(stream, codec, 0)
        else:
            kind, rows = "jsonl", json_line_rows(read_lines(stream, codec))
    else:
        raise TableError(
            "the file does not begin with a JSON object or array, expected one object a line or an array of objects"
        )
    first, keys = _take(rows, chunk_rows)
    if not any(row.original for row in first):
        reason = first[0].problem if first else "it is empty"
        raise TableError(f"no JSON object with fields was found, expected one object a line or an array ({reason})")
    known = frozenset(keys)

    def cells(row: Row) -> Row:
        original = row.original or {}
        row.cells = [json_text(original.get(key)) for key in keys]
        if not known.issuperset(original):
            extra = [f"{key}：{json_text(value)}" for key, value in original.items() if key not in known]
            row.problem = join_problems(row.problem, "多出字段 " + "，".join(extra))
        return row

    columns = unique_names(keys)
    every = map(cells, itertools.chain(first, rows))
    dialect = Dialect(kind, encoding=codec, header_row=None)
    return Table(columns, dialect, chunks=make_chunks(every, columns, chunk_rows, keep_originals=True))


def _take(rows: Iterator[Row], most: int) -> tuple[list[Row], list[str]]:
    """Return the first rows, so many or fewer where they are long, and their keys in the order of the file."""
    taken: list[Row] = []
    keys: dict[str, None] = {}
    room = CHUNK_CHARACTERS
    for row in itertools.islice(rows, most):
        taken.append(row)
        found = row.original or {}
        keys.update(dict.fromkeys(found))
        check_columns(len(keys))
        room -= sum(len(value) for value in found.values() if isinstance(value, str))
        if room < 0:
            break
    return taken, list(keys)


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


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def json_value_rows(stream: IO[bytes], codec: str, start: int) -> Iterator[Row]:
    """Yield the values of a JSON array one by one, without holding the array; ``start`` is behind its bracket.

    With ``start`` 0 the values stand one after the other without an array. A damaged value costs only itself.
    """
    decoder = json.JSONDecoder()
    reader = io.TextIOWrapper(stream, encoding=codec, errors="replace")
    text, at, want = reader.read(SAMPLE_BYTES).lstrip("\ufeff \t\r\n"), start, SAMPLE_BYTES
    is_first = True
    try:
        while True:
            at = _skip(text, at)
            if start and text.startswith("]", at):
                return
            value, end, cut = _decode(decoder, text, at)
            if cut and is_first:  # later on it is a row like others, and costs only itself
                check_columns(_least_keys(text, at))
            if cut and want <= MAX_LINE_BYTES and (more := reader.read(want)):
                # Twice as much each time keeps the cost linear in the size of a large object.
                text, at, want = text[at:] + more, 0, want * 2
                continue
            want, is_first = SAMPLE_BYTES, False
            if end:
                yield _json_row(value, "含无法识别的字节，已用 � 代替" if "\ufffd" in text[at:end] else "")
            elif at < len(text) or start:
                following = _NEXT_OBJECT.search(text, at)
                end = following.end() if following else len(text)
                yield Row([], f"JSON 在此处中断或损坏：{_short(text[at:end])}", broken=True)
            if end in (0, len(text)):
                text, at = reader.read(SAMPLE_BYTES), 0
                if not text:
                    return
            elif end > SAMPLE_BYTES:
                text, at = text[end:], 0
            else:
                at = end
    finally:
        reader.detach()


def _decode(decoder: json.JSONDecoder, text: str, at: int) -> tuple[object, int, bool]:
    """Return the value at a place, its end (0: there is none) and whether more text may change that."""
    try:
        value, end = decoder.raw_decode(text, at)
    except json.JSONDecodeError as error:
        return None, 0, error.pos > len(text) - 100 or error.msg.startswith("Unterminated")
    except RecursionError:
        return None, 0, False
    # The last digit of a number may not have arrived yet; an array must be closed after its last value.
    return value, end, _skip(text, end) == len(text)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


def _least_keys(text: str, at: int) -> int:
    r"""Return how many keys the object at a place has at the least, before it is read: to its end it may be long.

    >>> _least_keys('{"客户": "甲", "备注": "他说\\":好"', 0), _least_keys('{"客户": {"名称": "甲"', 0)
    (2, 0)
    """
    if text.find("{", at + 1) >= 0:
        return 0  # perhaps keys of another object
    return text.count('":', at) - text.count('\\":', at)


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
