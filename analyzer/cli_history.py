"""What the commands over a history of visits share: options, reading, and what they tell on stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from analyzer.cli_options import parse_day
from analyzer.history import History, read_history
from analyzer.milestones import load_plan
from analyzer.next_commitment import load_rules
from analyzer.progress import Progress, track
from analyzer.table_writers import check_output, replacing
from analyzer.tables import open_table


def read_progress(options: argparse.Namespace) -> tuple[History, Progress]:
    """Read the export of ``options`` and judge its opportunities.

    Raises:
        AnalyzerError: the export, the plan, the model or the day cannot be used.
    """
    as_of = parse_day(options.as_of)
    plan, rules = load_plan(options.milestones), load_rules(options.rules)
    source = Path(options.input)
    if not source.is_file():
        open_table(source).close()  # tells what is wrong before the model is loaded

    from analyzer.note_analyzer import NoteAnalyzer

    history = read_history(
        source,
        NoteAnalyzer.load(options.model, topics=options.topics, second_reader=options.second_reader),
        note_column=options.note_column,
        opportunity_column=options.opportunity_column,
        sheet=options.sheet,
        redact=options.redact,
        progress=None if options.quiet or not sys.stderr.isatty() else _tell_rows,
    )
    progress = track(history.visits, plan, as_of, silent_days=options.silent_days, rules=rules)
    if not options.quiet:
        _tell(history, progress)
    return history, progress


def _tell_rows(rows: int, fraction: float | None) -> None:
    share = f" ({fraction:.0%})" if fraction else ""
    print(f"\r{rows:,} rows read{share}\033[K\r", end="", file=sys.stderr, flush=True)


def _tell(history: History, progress: Progress) -> None:
    problems = progress.problems()
    lines = [
        f"{history.source}: {history.dialect.describe()}",
        history.columns.note.describe(),
        history.columns.describe(),
        f"{len(history.visits):,} rows, {len(progress.pages):,} opportunities, "
        f"judged as of {progress.as_of or 'no day: no row has a date'}",
    ]
    if problems:
        shown = ", ".join(str(visit.row) for visit in problems[:10]) + (" …" if len(problems) > 10 else "")
        lines.append(f"{len(problems):,} rows lack something (kept, listed in the output): rows {shown}")
    if history.columns.customer is None and history.columns.opportunity is None:
        lines.append("no column of customers or opportunities was found; name one with --opportunity-column")
    print("\n".join(lines), file=sys.stderr)


def write_output(output: Path, source: Path, endings: tuple[str, ...], write: Callable[[Path], object]) -> None:
    """Let ``write`` fill ``output``, which appears under its name only when complete.

    Raises:
        AnalyzerError: the name cannot work or the file cannot be written.
    """
    check_output(output, source, endings)
    with replacing(output) as part:
        write(part)
