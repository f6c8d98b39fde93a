"""``visit-notes progress``: the table of opportunities."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyzer.cli_options import add_history_options

if TYPE_CHECKING:
    from analyzer.progress import Progress

ENDINGS = (".xlsx", ".csv", ".json")


def add_command(commands: Any) -> None:
    """Add the command to the subparsers of ``visit-notes``."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "progress", help="show where each opportunity stands: milestones, drift, open concerns"
    )
    parser.add_argument("input", metavar="INPUT", help="an export, or a results file of score")
    parser.add_argument("-o", "--output", help="xlsx, csv or json (default: a table on standard output)")
    add_history_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the table or write it into a file."""
    from analyzer.cli_history import read_progress, write_output  # pandas takes half a second
    from analyzer.progress_table import progress_text
    from analyzer.table_writers import check_output

    output = Path(options.output) if options.output else None
    if output is not None:
        check_output(output, Path(options.input), ENDINGS)
    _, progress = read_progress(options)
    if output is None:
        print(progress_text(progress))
        return 0
    write_output(output, Path(options.input), ENDINGS, lambda part: _write(part, output.suffix.lower(), progress))
    if not options.quiet:
        print(f"wrote {output}", file=sys.stderr)
    return 0


def _write(part: Path, ending: str, progress: Progress) -> None:
    from analyzer.progress_table import opportunity_sheet, progress_json, progress_sheets
    from analyzer.sheets import write_csv, write_workbook

    if ending == ".xlsx":
        write_workbook(part, progress_sheets(progress))
    elif ending == ".csv":
        write_csv(part, opportunity_sheet(progress))
    else:
        part.write_text(progress_json(progress), encoding="utf-8")
