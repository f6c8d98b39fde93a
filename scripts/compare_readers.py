"""Counts the cells that readers get right in the spoilt exports, per kind.

    python scripts/compare_readers.py [--write] [--failures]

A cell is right when its text stands in the row and column where the expected table has it; the names of the columns
count as cells, and rows or columns too many count as wrong ones. A reader that refuses a file has none right.
DuckDB, clevercsv, polars and charset-normalizer are measured where they are installed (``pip install '.[bench]'``).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from update_docs import updated

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "data" / "spoilt"
PAGE = ROOT / "docs" / "formats.md"
Table = tuple[list[str], list[list[str]]]


def by_us(path: Path) -> Table:
    """Read with this package."""
    from analyzer.tables import read_table

    frames = list(read_table(path))
    return list(frames[0].columns), [row for frame in frames for row in frame.to_numpy(dtype=object).tolist()]


def _frame(frame: Any) -> Table:
    rows = [["" if pd.isna(value) else str(value) for value in row] for row in frame.to_numpy(dtype=object)]
    return [str(name) for name in frame.columns], rows


def by_pandas(path: Path) -> Table:
    """Read with the pandas function for the ending, all options left alone."""
    ending = path.suffix
    if ending in {".xlsx", ".xlsm", ".xls", ".ods"}:
        return _frame(pd.read_excel(path))
    if ending in {".jsonl", ".ndjson"} or path.name.endswith(".jsonl.gz"):
        return _frame(pd.read_json(path, lines=True))
    if ending == ".json":
        return _frame(pd.read_json(path))
    return _frame(pd.read_parquet(path) if ending == ".parquet" else pd.read_csv(path))


def by_duckdb(path: Path) -> Table:
    """Read with DuckDB's sniffing; its reader of xlsx is an extension that has to be downloaded and is left out."""
    import duckdb

    ending = path.suffix
    if ending in {".xlsx", ".xlsm", ".xls", ".ods", ".zip"}:
        raise NotImplementedError
    name = str(path).replace("'", "''")
    reader = {
        ".parquet": "read_parquet",
        ".json": "read_json_auto",
        ".jsonl": "read_json_auto",
        ".ndjson": "read_json_auto",
    }
    function = "read_json_auto" if path.name.endswith(".jsonl.gz") else reader.get(ending, "read_csv_auto")
    found = duckdb.connect().execute(f"SELECT * FROM {function}('{name}')")
    columns = [one[0] for one in found.description]
    return columns, [["" if value is None else str(value) for value in row] for row in found.fetchall()]


def by_polars(path: Path) -> Table:
    """Read with polars, all options left alone."""
    import polars

    ending = path.suffix
    if ending in {".xlsx", ".xlsm", ".xls", ".ods"}:
        frame = polars.read_excel(path)
    elif ending in {".jsonl", ".ndjson"}:
        frame = polars.read_ndjson(path)
    elif ending == ".json":
        frame = polars.read_json(path)
    else:
        frame = polars.read_parquet(path) if ending == ".parquet" else polars.read_csv(path)
    return frame.columns, [["" if value is None else str(value) for value in row] for row in frame.rows()]


def by_clevercsv(path: Path) -> Table:
    """Decode with charset-normalizer and read with clevercsv's dialect: text files alone."""
    import clevercsv
    from charset_normalizer import from_path

    if path.suffix not in {".csv", ".tsv", ".txt"}:
        raise NotImplementedError
    best = from_path(path).best()
    if best is None:
        raise ValueError("no encoding")
    text = str(best)
    dialect = clevercsv.Sniffer().sniff(text)
    columns, *rows = [row for row in clevercsv.reader(text.splitlines(keepends=True), dialect) if row]
    return columns, rows


READERS: dict[str, Callable[[Path], Table]] = {
    "ours": by_us,
    "pandas": by_pandas,
    "DuckDB": by_duckdb,
    "polars": by_polars,
    "charset-normalizer + clevercsv": by_clevercsv,
}


def cells(found: Table, expected: dict[str, Any]) -> tuple[int, int]:
    """Return how many cells are right, of how many."""
    columns, rows = [expected["columns"], *expected["rows"]], [found[0], *found[1]]
    right = sum(
        wanted is None or wanted == got
        for row, other in zip(columns, rows, strict=False)
        for wanted, got in zip(row, other, strict=False)
    )
    width = max(len(expected["columns"]), max(map(len, rows), default=0))
    return right, max(len(columns), len(rows)) * width


def compare(*, failures: bool = False) -> str:
    """Return the table of shares as Markdown."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    totals: dict[str, dict[str, list[int]]] = defaultdict(lambda: {name: [0, 0, 0] for name in READERS})
    files: dict[str, int] = defaultdict(int)
    for note in sorted(FOLDER.glob("*/*.expected.json")):
        expected = json.loads(note.read_text(encoding="utf-8"))
        path = note.with_name(note.name.removesuffix(".expected.json"))
        for kind in (expected["kind"], "all"):
            files[kind] += 1
        for name, reader in READERS.items():
            try:
                right, count = cells(reader(path), expected)
            except (NotImplementedError, ImportError):
                continue
            except Exception as error:
                right, count = cells(([], []), expected)
                if failures and name == "ours":
                    print(f"{note.parent.name}/{path.name}: {error}")
            if failures and name == "ours" and right < count:
                print(f"{note.parent.name}/{path.name}: {right} of {count}")
            for kind in (expected["kind"], "all"):
                for at, value in enumerate((right, count, 1)):
                    totals[kind][name][at] += value
    order = [*(kind for kind in files if kind != "all"), "all"]
    lines = [f"| kind | files | {' | '.join(READERS)} |", f"|---|---|{'---|' * len(READERS)}"]
    for kind in order:
        shown = [_share(*totals[kind][name], files[kind]) for name in READERS]
        lines.append(f"| {kind} | {files[kind]} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _share(right: int, count: int, read: int, files: int) -> str:
    if not count:
        return "–"
    share = f"{100 * right / count:.1f}%"
    return share if read == files else f"{share} of {read} files"


def main() -> None:
    """Print the table, or write it into docs/formats.md."""
    parser = argparse.ArgumentParser(description="Counts the cells that readers get right in the spoilt exports.")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--failures", action="store_true", help="name the files that we do not read wholly")
    options = parser.parse_args()
    table = compare(failures=options.failures)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(updated(page, "readers", table), encoding="utf-8")
    print(table)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
