"""``visit-notes review``: notes to correct, in a workbook."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("review", help="write the notes that are most worth correcting into a workbook")
    parser.add_argument("input", metavar="INPUT", help="an export, scored or not")
    parser.add_argument("-o", "--output", metavar="FILE", help="the workbook (default: INPUT.review.xlsx)")
    parser.add_argument("-n", "--count", type=_count, default=50, metavar="N", help="how many notes (default: 50)")
    parser.add_argument(
        "--random", type=_share, default=0.2, metavar="SHARE", help="share of them drawn at random (default: 0.2)"
    )
    parser.add_argument("--note-column", metavar="NAME", help="the column of the notes (default: found by itself)")
    parser.add_argument("--sheet", metavar="NAME", help="the sheet of a workbook (default: the first with rows)")
    parser.add_argument("--model", metavar="DIR", help="a model folder (default: the shipped model)")
    parser.add_argument("--topics", metavar="FILE", help="a TOML file with topics of your own")
    parser.set_defaults(run=_review)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of notes; expected 1 to 10000")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; expected 0 to 1, such as 0.2")
    return value


def _review(options: argparse.Namespace) -> int:
    from analyzer.note_analyzer import NoteAnalyzer
    from analyzer.review_book import RANDOM, check_review_output, write_review_book
    from analyzer.review_queue import review_queue
    from analyzer.table_writers import check_output

    source = Path(options.input)
    output = Path(options.output) if options.output else source.with_name(f"{source.stem}.review.xlsx")
    check_output(output, source)
    check_review_output(output)
    analyzer = NoteAnalyzer.load(options.model, topics=options.topics)
    queue = review_queue(
        source,
        analyzer,
        options.count,
        random_share=options.random,
        note_column=options.note_column,
        sheet=options.sheet,
    )
    write_review_book(output, queue.items, analyzer.model.taxonomy.topics)
    drawn = sum(item.how == RANDOM for item in queue.items)
    print(queue.column.describe(), file=sys.stderr)
    print(
        f"{queue.read:,} rows read, {queue.distinct:,} different notes, {queue.left_out:,} left out "
        f"(no text, or too long for a cell); {len(queue.items)} chosen: {len(queue.items) - drawn} that the model is "
        f"unsure of, {drawn} at random",
        file=sys.stderr,
    )
    print(f"wrote {output}: fill in the yellow cells, then visit-notes train --add {output}", file=sys.stderr)
    return 0
