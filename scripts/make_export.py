"""Make a large export out of the example: the same columns, the notes with their clauses in another order.

For benchmarks and for trying a cluster; the notes mean little, but are as long and as varied as the example's.
"""

import argparse
import csv
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from analyzer.columns import find_note_column
from analyzer.tables import open_table

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "data" / "examples" / "拜访记录导出.xlsx"


def main() -> int:
    """Parse the arguments, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="a .csv or .parquet file")
    parser.add_argument("--rows", type=int, default=200_000, help="number of rows (default: 200,000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same file")
    options = parser.parse_args()
    make_export(options.output, options.rows, options.seed)
    return 0


def make_export(output: Path, rows: int, seed: int = 1) -> None:
    """Write ``rows`` rows to a csv or Parquet file."""
    columns, made = varied_rows(rows, seed)
    if output.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        schema = pa.schema([(name, pa.string()) for name in columns])
        with parquet.ParquetWriter(output, schema) as writer:
            block: list[list[str]] = []
            for number, row in enumerate(made, start=1):
                block.append(row)
                if len(block) == 50_000 or number == rows:
                    writer.write_table(pa.table([list(cells) for cells in zip(*block, strict=True)], schema=schema))
                    block = []
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(made)


def varied_rows(rows: int, seed: int = 1) -> tuple[tuple[str, ...], Iterator[list[str]]]:
    """Return the columns of the example and ``rows`` rows made of its rows, always the same for a seed."""
    with open_table(EXAMPLE) as table:
        columns = table.columns
        note = columns.index(find_note_column(columns, table.sample()).name)
        known = [row for chunk in table for row in chunk.frame.to_numpy(dtype=object).tolist()]

    def made() -> Iterator[list[str]]:
        chance = random.Random(seed)
        for number in range(rows):
            row = list(known[chance.randrange(len(known))])
            row[0] = f"VR{number:08}"
            if row[note]:
                clauses = row[note].split("，")
                chance.shuffle(clauses)
                row[note] = f"{'，'.join(clauses)}，第{number % 97 + 1}次"
            yield row

    return columns, made()


if __name__ == "__main__":
    sys.exit(main())
