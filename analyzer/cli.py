"""The ``visit-notes`` command. Only this module and its ``cli_`` neighbours print."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer import cli_checklist, cli_progress, cli_report
from analyzer.errors import AnalyzerError, OutputError
from analyzer.records import Outcome

if TYPE_CHECKING:
    from analyzer.batch import BatchSummary

EXIT_DATA, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_PIPE = 1, 2, 130, 141
_QUIET_SECONDS = 10.0
_PROGRESS_STEP_SECONDS = {True: 0.2, False: 30.0}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0 done, 1 bad data, 2 wrong usage."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal may lack characters of the note
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        status = command(options)
        sys.stdout.flush()
    except AnalyzerError as error:
        return _fail(str(error), EXIT_USAGE if isinstance(error, OutputError) else EXIT_DATA)
    except KeyboardInterrupt:
        return _fail("interrupted; no output was written, an older one is as it was", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except MemoryError:
        return _fail("out of memory; export in smaller parts or as .csv, which is read piece by piece", EXIT_DATA)
    except Exception as error:
        if os.environ.get("VISIT_NOTES_DEBUG"):
            raise
        return _fail(
            f"internal error, {type(error).__name__}: {error}; set VISIT_NOTES_DEBUG=1 to see where, and report it",
            EXIT_DATA,
        )
    return status


def _fail(message: str, status: int) -> int:
    print(f"visit-notes: error: {' '.join(message.split())}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="visit-notes",
        description="Reads Chinese sales visit notes: the outcome of each visit, the sentence that "
        "shows it, and the customer's concerns as a checklist. Works offline.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    score = commands.add_parser("score", help="score an export of notes into a results file")
    score.add_argument("input", metavar="INPUT", help="csv, tsv, xlsx, xls, ods, jsonl, json or parquet")
    score.add_argument("-o", "--output", help="xlsx, csv, jsonl or parquet (default: INPUT.scored.xlsx)")
    score.add_argument("--note-column", metavar="NAME", help="the column of the notes (default: found by itself)")
    score.add_argument("--sheet", metavar="NAME", help="the sheet of a workbook (default: the first with rows)")
    score.add_argument("--model", metavar="DIR", help="a model folder (default: the shipped model)")
    score.add_argument("--quiet", action="store_true", help="print errors only")
    score.set_defaults(run=_score)

    cli_checklist.add_command(commands)
    cli_progress.add_command(commands)
    cli_report.add_command(commands)
    return parser


class _Version(argparse.Action):
    """Prints the version; looked up only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("visit-note-analyzer")
        except PackageNotFoundError:
            found = "(not installed)"
        print(f"visit-notes {found}")
        parser.exit()


# --- score ----------------------------------------------------------------------------------------


def _score(options: argparse.Namespace) -> int:
    from analyzer.batch import default_output, score_file  # pandas takes half a second
    from analyzer.table_writers import check_output
    from analyzer.tables import open_table

    source = Path(options.input)
    output = Path(options.output) if options.output else default_output(source)
    check_output(output, source)
    if not source.is_file():
        open_table(source).close()  # tells what is wrong before the model is loaded

    from analyzer.note_analyzer import NoteAnalyzer

    analyzer = NoteAnalyzer.load(options.model)
    progress = None if options.quiet else _Progress()
    try:
        summary = score_file(
            source,
            output,
            analyzer,
            note_column=options.note_column,
            sheet=options.sheet,
            progress=progress,
        )
    finally:
        if progress is not None:
            progress.clear()
    if not options.quiet:
        print(_summary_text(summary), file=sys.stderr)
    if summary.failed and not summary.scored:
        return _fail(f"none of the {summary.read} rows could be analysed; see the column 问题 in {output}", EXIT_DATA)
    return 0


class _Progress:
    """A line on stderr: lively on a terminal, now and then in a log, not at all for a short run."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._start = time.monotonic()
        self._last = self._start if self._terminal else self._start + _QUIET_SECONDS - _PROGRESS_STEP_SECONDS[False]
        self._shown = 0

    def __call__(self, rows: int, fraction: float | None) -> None:
        now = time.monotonic()
        if now - self._last < _PROGRESS_STEP_SECONDS[self._terminal]:
            return
        self._last = now
        line = f"{rows:,} rows, {rows / max(now - self._start, 1e-9):,.0f} a second"
        if fraction:
            left = (now - self._start) * (1 - fraction) / fraction
            line = f"[{'#' * int(fraction * 24):<24}] {fraction:4.0%}  {line}, {left:,.0f} s left"
        if self._terminal:
            print(f"\r{line:<{self._shown}}", end="", file=sys.stderr, flush=True)
            self._shown = len(line)
        else:
            print(line, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Wipe the line."""
        if self._shown:
            print("\r" + " " * self._shown + "\r", end="", file=sys.stderr, flush=True)


def _summary_text(summary: BatchSummary) -> str:
    counts = summary.counts
    lines = [
        f"{summary.source}: {summary.dialect.describe()}",
        summary.note_column.describe(),
        f"{counts.read:,} rows read: {counts.scored:,} scored, {counts.empty:,} empty, {counts.failed:,} failed",
    ]
    if summary.dialect.titles:
        lines.insert(1, f"skipped above the header: {' / '.join(summary.dialect.titles)[:200]}")
    if counts.scored:
        shares = " · ".join(
            f"{outcome.label} {counts.outcomes[outcome]:,} ({counts.outcomes[outcome] / counts.scored:.0%})"
            for outcome in Outcome
        )
        lines.append(
            f"{shares}; success {counts.successes / counts.scored:.0%}, to review {counts.review / counts.scored:.0%}"
        )
    if counts.marked:
        lines.append(f"{counts.marked:,} rows have a remark in the column 问题")
    lines.append(f"wrote {summary.output}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
