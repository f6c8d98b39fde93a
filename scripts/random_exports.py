"""Random exports with notes of the corpus, and what readers and their parts make of them.

    python scripts/random_exports.py [COUNT]

Half of the exports have headers of names that the reader knows, half of names that it does not. Prints the share of
whole tables right, and how often the encoding and the delimiter alone are found by us, charset-normalizer, clevercsv
and DuckDB (``pip install '.[bench]'``).
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyzer.tables import read_table

ROOT = Path(__file__).resolve().parents[1]
KNOWN = (
    ("编号", "客户名称", "销售人员", "拜访日期", "拜访内容"),
    ("客户名称", "跟进记录", "跟进时间", "负责人"),
    ("序号", "门店名称", "联系电话", "走访情况", "下次计划"),
    ("id", "company", "owner", "visit date", "notes"),
    ("客户", "备注"),
)
UNKNOWN = (
    ("类目", "情形", "细述"),
    ("col1", "col2", "col3", "col4"),
    ("问题", "回答"),
    ("KA", "进展说明", "Owner Name", "阶段"),
    ("区域", "渠道", "打卡", "电话", "所说"),
)
NOTE_NAMES = {"拜访内容", "跟进记录", "走访情况", "notes", "备注", "细述", "回答", "进展说明", "所说", "col3"}
VALUES = ("苏州恒远机械厂", "NA", "张三", "", "下周再访", "ACME", "华东", "2024-11-06", "13800138000", "0012")


@dataclass(frozen=True)
class Export:
    """An export: its bytes, what they say, and how they were written."""

    data: bytes
    text: str
    table: list[list[str]]
    encoding: str
    delimiter: str


def random_export(seed: int, notes: list[str]) -> Export:
    """Return the export of a number: the same for the same number."""
    pick = random.Random(seed)
    header = pick.choice(KNOWN if seed % 2 else UNKNOWN)
    rows = [
        [_note(pick, notes) if name in NOTE_NAMES else pick.choice(VALUES) for name in header]
        for _ in range(pick.choice([1, 2, 3, 5, 8, 20, 60]))
    ]
    delimiter, end = pick.choice(",,,\t;|，"), pick.choice(["\n", "\r\n", "\r\n", "\r"])
    style = pick.choice(["least", "all", "escaped"])

    def cell(text: str) -> str:
        if style == "all" or any(mark in text for mark in (delimiter, '"', "\n", "\r")):
            return '"' + text.replace('"', '\\"' if style == "escaped" else '""') + '"'
        return text

    def line(cells: list[str]) -> str:
        return delimiter.join(map(cell, cells)) + end

    def alone(text: str) -> str:
        return text + delimiter * (len(header) - 1) + end if pick.random() < 0.6 else text + end

    text = ""
    if pick.random() < 0.35:
        text += alone(pick.choice(["11月拜访记录", "拜访明细表", "导出时间：2024-11-30"]))
        text += alone("导出人：张三") if pick.random() < 0.4 else ""
    text += line(list(header)) + "".join(map(line, rows))
    if pick.random() < 0.3:
        text += alone(pick.choice([f"共{len(rows)}条记录", "合计", "导出时间：2024-11-30 12:00", "制表人：张三"]))
    text += end * pick.choice([0, 0, 0, 2])
    encoding = pick.choice(["utf-8", "utf-8-sig", "gb18030", "gb18030", "utf-16", "utf-16-le"])
    return Export(text.encode(encoding), text, [list(header), *rows], encoding, delimiter)


def _note(pick: random.Random, notes: list[str]) -> str:
    note = pick.choice(notes).replace("\t", " ").replace("\\", "/")
    if pick.random() < 0.3:
        note = note.replace("，", "\n", 1)
    return note.replace("客户", '"客户"', 1) if pick.random() < 0.3 else note


def corpus_notes() -> list[str]:
    """Return the notes of the corpus."""
    files = sorted((ROOT / "data" / "corpus" / "notes").glob("*.jsonl"))
    return [json.loads(line)["note"] for file in files for line in file.open(encoding="utf-8")]


def encodings() -> dict[str, Callable[[bytes], str]]:
    """Return the ways to tell an encoding: each takes bytes and gives the text."""
    from charset_normalizer import from_bytes

    from analyzer.table_text import detect_encoding

    def ours(data: bytes) -> str:
        codec, mark = detect_encoding(data)
        return data[mark:].decode(codec, "replace")

    def theirs(data: bytes) -> str:
        best = from_bytes(data).best()
        return "" if best is None else data.decode(best.encoding, "replace")

    return {"ours": ours, "charset-normalizer": theirs}


def delimiters() -> dict[str, Callable[[str], str]]:
    """Return the ways to tell a delimiter, given the text."""
    from analyzer.table_sniff import sniff_format

    def ours(text: str) -> str:
        return sniff_format(re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", text)[:500]).delimiter

    found = {"ours": ours}
    try:
        import clevercsv
        import duckdb
    except ImportError:
        return found

    def by_clevercsv(text: str) -> str:
        return str(clevercsv.Sniffer().sniff(text).delimiter)

    def by_duckdb(text: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.csv"
            path.write_bytes(text.encode())
            row: Any = duckdb.connect().execute(f"SELECT Delimiter FROM sniff_csv('{path}')").fetchone()
            return str(row[0])

    return {**found, "clevercsv": by_clevercsv, "DuckDB": by_duckdb}


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description="Measures the reader and its parts on random exports.")
    parser.add_argument("count", nargs="?", type=int, default=1000)
    count: int = parser.parse_args().count
    logging.disable(logging.CRITICAL)
    notes = corpus_notes()
    right: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        for seed in range(count):
            export = random_export(seed, notes)
            path.write_bytes(export.data)
            frames = list(read_table(path))
            table = [list(frames[0].columns), *(row for frame in frames for row in frame.to_numpy().tolist())]
            right["known names" if seed % 2 else "unknown names"] += table == export.table
            text = export.text
            ways: list[tuple[str, Callable[[Any], str], Any, str]] = [
                *((f"encoding, {name}", way, export.data, text) for name, way in encodings().items()),
                *((f"delimiter, {name}", way, text, export.delimiter) for name, way in delimiters().items()),
            ]
            for name, way, given, wanted in ways:
                start = time.perf_counter()
                try:
                    right[name] += way(given).lstrip("\ufeff") == wanted
                except Exception:  # one that gives up has not found it
                    right[name] += 0
                seconds[name] += time.perf_counter() - start
    for name, value in right.items():
        whole = count // 2 if "names" in name else count
        print(f"{name}: {value} of {whole}" + (f", {seconds[name]:.1f} s" if name in seconds else ""))


if __name__ == "__main__":
    main()
