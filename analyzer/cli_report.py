"""``visit-notes report``: the report as one web page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from analyzer.cli_options import add_history_options

ENDINGS = (".html", ".htm")


def add_command(commands: Any) -> None:
    """Add the command to the subparsers of ``visit-notes``."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report", help="make a report to look at: one web page that works offline"
    )
    parser.add_argument("input", metavar="INPUT", help="an export, or a results file of score")
    parser.add_argument("-o", "--output", help="html (default: INPUT.report.html)")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="language of the report (default: zh)")
    add_history_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the report."""
    from analyzer.cli_history import read_progress, write_output  # pandas takes half a second
    from analyzer.report import report_html
    from analyzer.table_writers import check_output

    source = Path(options.input)
    output = Path(options.output) if options.output else source.with_name(f"{source.stem}.report.html")
    check_output(output, source, ENDINGS)
    history, progress = read_progress(options)
    page = report_html(history, progress, options.lang)
    write_output(output, source, ENDINGS, lambda part: part.write_text(page, encoding="utf-8"))
    if not options.quiet:
        print(f"wrote {output}", file=sys.stderr)
    return 0
