"""Options of the commands over a history of visits. Imports nothing heavy: the parser is built at every start."""

from __future__ import annotations

import argparse
import datetime

from analyzer.errors import AnalyzerError


def add_history_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `analyzer.cli_history.read_progress` reads."""
    parser.add_argument("--note-column", metavar="NAME", help="the column of the notes (default: found by itself)")
    parser.add_argument(
        "--opportunity-column",
        metavar="NAME",
        help="the column that tells which sale a visit is about (default: 商机, 项目 and the like; else the customer)",
    )
    parser.add_argument("--sheet", metavar="NAME", help="the sheet of a workbook (default: the first with rows)")
    parser.add_argument("--milestones", metavar="FILE", help="a milestone plan in TOML (default: the shipped plan)")
    parser.add_argument("--rules", metavar="FILE", help="rules for the next commitment in TOML (default: the shipped)")
    parser.add_argument("--as-of", metavar="DATE", help="the day to judge from (default: that of the newest visit)")
    parser.add_argument(
        "--silent-days",
        metavar="N",
        type=_days,
        default=30,
        help="days without a visit after which an opportunity drifts (default: 30)",
    )
    parser.add_argument("--redact", action="store_true", help="mask phone, card and ID numbers, e-mail and WeChat ids")
    parser.add_argument("--model", metavar="DIR", help="a model folder (default: the shipped model)")
    parser.add_argument("--topics", metavar="FILE", help="a TOML file with topics of your own")
    add_second_reader(parser)
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def add_second_reader(parser: argparse.ArgumentParser) -> None:
    """Add the option that has unsure notes read again."""
    parser.add_argument(
        "--second-reader",
        action="store_true",
        help="have notes whose outcome is unsure read again by a small transformer: fewer errors, more time",
    )


def parse_day(text: str | None) -> datetime.date | None:
    """Return the day that ``--as-of`` names, ``None`` where it was not given.

    Raises:
        AnalyzerError: It names none.
    """
    from analyzer.visits import parse_date

    if text is None:
        return None
    day = parse_date(text)
    if day is None:
        raise AnalyzerError(f"--as-of {text!r} is no date, expected one such as 2026-10-30")
    return day


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days, expected 1 or more")
    return int(text)
