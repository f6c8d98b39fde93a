"""``visit-notes score``: exports of any number and size scored into results files."""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.cli_options import add_second_reader, parse_day
from analyzer.errors import AnalyzerError, BadRowError, JournalError, ModelError, OutputError
from analyzer.records import Outcome

if TYPE_CHECKING:
    from analyzer.batch import BatchSummary
    from analyzer.batch_files import FilePair, FileResult
    from analyzer.chunks import Analyzer
    from analyzer.workers import Scorer

ENGINES = ("local", "dask")
FORMATS = ("xlsx", "csv", "jsonl", "parquet")
_QUIET_SECONDS = 10.0
_LONG_RUN_ROWS = 10_000
_PROGRESS_STEP_SECONDS = {True: 0.2, False: 30.0}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what there is to say of it."""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``score`` to the command line."""
    score = commands.add_parser(
        "score",
        help="score exports of notes into results files",
        description="Scores exports of notes: the same rows and columns, and the results beside them. Several files, "
        "a folder or a pattern are scored one after another; - reads standard input.",
    )
    score.add_argument(
        "input", metavar="INPUT", nargs="+", help="csv, tsv, xlsx, xls, ods, jsonl, json, parquet, zip, gz; a folder; -"
    )
    score.add_argument(
        "-o",
        "--output",
        metavar="OUTPUT",
        help="xlsx, csv, jsonl or parquet (default: INPUT.scored.xlsx); FOLDER/; - for standard output",
    )
    score.add_argument("--format", choices=FORMATS, help="the format where OUTPUT names no file (default: xlsx)")
    score.add_argument("--note-column", metavar="NAME", help="the column of the notes (default: found by itself)")
    score.add_argument("--sheet", metavar="NAME", help="the sheet of a workbook (default: the first with rows)")
    score.add_argument(
        "--as-of", metavar="DATE", help="the day of the visits whose row has no date, such as 2026-11-25"
    )
    score.add_argument("--redact", action="store_true", help="mask phone, card and ID numbers, e-mail and WeChat ids")
    score.add_argument("--model", metavar="DIR", help="a model folder (default: the shipped model)")
    score.add_argument("--topics", metavar="FILE", help="a TOML file with topics of your own")
    add_second_reader(score)
    score.add_argument("--workers", metavar="N", type=_count, help="worker processes (default: the number of cores)")
    score.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    score.add_argument("--strict", action="store_true", help="stop at the first row that cannot be read or analysed")
    score.add_argument("--summary", metavar="FILE", help="write what was done as JSON")
    score.add_argument("--engine", choices=ENGINES, default="local", help="where to score (default: local)")
    score.add_argument("--scheduler", metavar="ADDRESS", help="the Dask cluster, such as tcp://host:8786")
    score.add_argument("--quiet", action="store_true", help="print errors only")
    score.set_defaults(run=run)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def load_analyzer(model: str | None, topics: str | None, second_reader: bool) -> Analyzer:
    """Return the analyzer of a model folder, or of the shipped model; a worker calls this once."""
    from analyzer.note_analyzer import NoteAnalyzer

    return NoteAnalyzer.load(model, topics=topics, second_reader=second_reader)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit status."""
    from analyzer.batch import STANDARD
    from analyzer.batch_files import find_sources, plan_outputs
    from analyzer.table_writers import check_output

    parse_day(options.as_of)  # tells what is wrong before the model is loaded
    if options.scheduler and options.engine != "dask":
        raise OutputError("--scheduler was given without --engine dask; add it, or drop --scheduler")
    if options.engine == "dask":
        return _DaskRun(options).run()
    ending = f".{options.format}" if options.format else None
    sources = find_sources(options.input)
    many = sources != [Path(argument) for argument in options.input]
    pairs = plan_outputs(sources, options.output, ending, many=many)
    if len(pairs) == 1 and pairs[0].output != STANDARD:
        check_output(Path(pairs[0].output), Path(pairs[0].source))  # tells what is wrong before the model is loaded
    return _LocalRun(options, pairs).run()


class _Run:
    """The files of one command: what became of them, told and written down."""

    def __init__(self, options: argparse.Namespace, workers: int) -> None:
        self._options = options
        self._model_version = _model_version(options)
        self._workers = workers
        self._n_files = 0
        self._results: list[FileResult] = []
        self._started = time.monotonic()

    def _tell(self, result: FileResult) -> None:
        self._results.append(result)
        if result.summary is not None and not self._options.quiet:
            print(summary_text(result.summary), file=sys.stderr)
        if result.error is not None and self._n_files > 1:
            print(f"visit-notes: {result.pair.source}: {_one_line(str(result.error))}", file=sys.stderr)

    def _can_go_on(self) -> bool:
        """Whether a run with ``--resume`` would find work that is done in a file that failed."""
        return any(_can_go_on(result.pair) for result in self._failed())

    def _failed(self) -> list[FileResult]:
        return [result for result in self._results if result.error is not None]

    def _finish(self) -> int:
        """Say what became of it all.

        Raises:
            AnalyzerError: A file could not be scored, or none of the rows of one.
        """
        if self._n_files == 1 and (error := self._results[0].error) is not None:
            raise error
        done = [result.summary for result in self._results if result.summary is not None]
        if self._n_files > 1 and not self._options.quiet:
            read, scored, empty, failed = (
                sum(getattr(summary, name) for summary in done) for name in ("read", "scored", "empty", "failed")
            )
            print(
                f"{len(done):,} of {self._n_files:,} files: "
                f"{read:,} rows read: {scored:,} scored, {empty:,} empty, {failed:,} failed",
                file=sys.stderr,
            )
        if self._failed():
            what_now = f"go on with: {self._command()}" if self._can_go_on() else "correct them and score them again"
            raise AnalyzerError(
                f"{len(self._failed())} of {self._n_files} files could not be scored, see above; {what_now}"
            )
        for summary in done:
            if summary.failed and not summary.scored:
                raise AnalyzerError(
                    f"none of the {summary.read} rows could be analysed; see the column 问题 in {summary.output}"
                )
        return 0

    def _command(self) -> str:
        """Return the command that goes on with this run."""
        options = self._options
        parts = ["visit-notes", "score", *options.input]
        for flag, value in (
            ("-o", options.output),
            ("--format", options.format),
            ("--note-column", options.note_column),
            ("--sheet", options.sheet),
            ("--as-of", options.as_of),
            ("--model", options.model),
            ("--topics", options.topics),
            ("--workers", options.workers),
            ("--summary", options.summary),
            ("--engine", None if options.engine == ENGINES[0] else options.engine),
            ("--scheduler", options.scheduler),
        ):
            parts += [flag, str(value)] if value is not None else []
        parts += ["--strict"] if options.strict else []
        parts += ["--redact"] if options.redact else []
        parts += ["--second-reader"] if options.second_reader else []
        parts += ["--quiet"] if options.quiet else []
        return (subprocess.list2cmdline if os.name == "nt" else shlex.join)([*parts, "--resume"])

    def _write_summary(self, trouble: str) -> None:
        if self._options.summary is None:
            return
        from analyzer.batch_summary import write_summary

        write_summary(
            Path(self._options.summary),
            self._results,
            model_version=self._model_version,
            workers=self._workers,
            seconds=time.monotonic() - self._started,
            error=trouble,
        )

    @contextlib.contextmanager
    def _written_down(self, on_interrupt: Callable[[], str]) -> Iterator[None]:
        """Write the summary at the end, whatever the end is."""
        trouble = ""
        try:
            yield
        except KeyboardInterrupt as error:
            trouble = on_interrupt()
            raise Interrupted(trouble) from error
        except AnalyzerError as error:
            trouble = str(error)
            raise
        finally:
            self._write_summary(trouble)


class _LocalRun(_Run):
    """The files of one command, scored on this machine."""

    def __init__(self, options: argparse.Namespace, pairs: Sequence[FilePair]) -> None:
        from analyzer.workers import default_workers

        super().__init__(options, options.workers or default_workers())
        self._pairs = pairs
        self._n_files = len(pairs)

    def run(self) -> int:
        """Score them and return the exit status."""
        from analyzer.batch import STANDARD, forget
        from analyzer.batch_files import score_files
        from analyzer.workers import Scorer

        with self._written_down(self._interrupted):
            options = self._options
            load = functools.partial(load_analyzer, options.model, options.topics, options.second_reader)
            with Scorer(load, self._workers) as scorer:
                score_files(self._pairs, functools.partial(self._score, scorer), self._tell)
            if not self._can_go_on():
                forget(Path(pair.output) for pair in self._pairs if pair.output != STANDARD)
            return self._finish()

    def _score(self, scorer: Scorer, pair: FilePair) -> BatchSummary:
        from analyzer.batch import JournalUse, score_file

        options = self._options
        use = JournalUse(
            self._model_version,
            resume=options.resume,
            one_of_many=len(self._pairs) > 1,
            on_dropped=None if options.quiet else _tell_dropped,
        )
        progress = None if options.quiet else _Progress()
        try:
            return score_file(
                pair.source,
                pair.output,
                scorer,
                note_column=options.note_column,
                sheet=options.sheet,
                progress=progress,
                strict=options.strict,
                journal=use,
                stream_ending=f".{options.format or 'csv'}",
                as_of=parse_day(options.as_of),
                redact=options.redact,
            )
        except BadRowError as error:
            raise BadRowError(f"{pair.source}: {error}") from error
        except (JournalError, ModelError):
            raise
        except AnalyzerError as error:
            if _can_go_on(pair):
                raise type(error)(f"{error}. What is done is kept; go on with: {self._command()}") from error
            raise
        finally:
            if progress is not None:
                progress.clear()

    def _interrupted(self) -> str:
        if any(map(_can_go_on, self._pairs)):
            return f"interrupted; what is done is kept, go on with: {self._command()}"
        return "interrupted; no output was written, an older one is as it was"


class _DaskRun(_Run):
    """Parquet files scored by a Dask cluster."""

    def __init__(self, options: argparse.Namespace) -> None:
        for name, value in (("--strict", options.strict), ("--sheet", options.sheet), ("--topics", options.topics)):
            if value:
                raise OutputError(f"{name} works with --engine local only; drop it")
        if options.output in (None, "-") or options.format not in (None, "parquet"):
            raise OutputError("--engine dask writes Parquet into a folder; name it with -o FOLDER/ and drop --format")
        super().__init__(options, options.workers or 0)

    def _can_go_on(self) -> bool:
        return True  # the parts that are done tell so themselves

    def run(self) -> int:
        """Score them and return the exit status."""
        from analyzer.batch import BatchSummary
        from analyzer.batch_files import FilePair, FileResult
        from analyzer.cluster import pack_model
        from analyzer.cluster_dask import score_on_dask
        from analyzer.cluster_files import find_parquet_files, plan
        from analyzer.tables import Dialect

        options = self._options
        with self._written_down(lambda: f"interrupted; what is done is kept, go on with: {self._command()}"):
            planned = plan(
                find_parquet_files(options.input),
                options.output,
                note_column=options.note_column,
                model_version=self._model_version,
                as_of=parse_day(options.as_of),
                redact=options.redact,
                second_reader=options.second_reader,
            )
            self._n_files = len(planned)
            results = score_on_dask(
                planned,
                pack_model(options.model),
                scheduler=options.scheduler,
                workers=options.workers,
                resume=options.resume,
                on_part=(lambda *_: None) if options.quiet else _tell_parts,
            )
            for file, result in zip(planned, results, strict=True):
                pair = FilePair(_place(file.source), _place(file.output))
                if isinstance(result, AnalyzerError) or file.note_column is None:
                    self._tell(FileResult(pair, None, result if isinstance(result, AnalyzerError) else file.error))
                    continue
                dialect = Dialect("parquet", header_row=None)
                self._tell(FileResult(pair, BatchSummary(pair.source, pair.output, dialect, file.note_column, result)))
            return self._finish()


def _tell_parts(done: int, parts: int, rows: int) -> None:
    print(f"{done:,} of {parts:,} parts, {rows:,} rows", file=sys.stderr)


def _place(path: str) -> Path | str:
    """Return a path, or a URI as it stands: a path would lose one of its slashes."""
    return path if "://" in path else Path(path)


def _can_go_on(pair: FilePair) -> bool:
    from analyzer.journal import journal_path

    return journal_path(Path(pair.output)).is_dir()


def _model_version(options: argparse.Namespace) -> str:
    from analyzer.model_folder import model_version, second_reader_folder

    with contextlib.suppress(ModelError, OSError):  # what is wrong is told when the model is loaded
        version = model_version(options.model)
        if options.topics is not None:  # with other topics of the user's own the same model gives other findings
            version += f"-{hashlib.sha256(Path(options.topics).read_bytes()).hexdigest()[:6]}"
        if options.second_reader:
            version += f"+{model_version(second_reader_folder())[:6]}"
        return version
    return "unknown"


def _tell_dropped(output: Path, rows: int) -> None:
    print(
        f"an unfinished run of {output} with about {rows:,} rows done was dropped; --resume would have gone on with it",
        file=sys.stderr,
    )


def _one_line(message: str) -> str:
    return " ".join(message.split())


class _Progress:
    """A line on stderr: lively on a terminal, now and then in a log, not at all for a short run."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._start = time.monotonic()
        self._last = self._start if self._terminal else self._start + _QUIET_SECONDS - _PROGRESS_STEP_SECONDS[False]
        self._shown = 0

    def __call__(self, rows: int, fraction: float | None) -> None:
        now = time.monotonic()
        if fraction == 1 or now - self._last < _PROGRESS_STEP_SECONDS[self._terminal]:
            return  # at the end the summary tells all
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


def summary_text(summary: BatchSummary) -> str:
    """Return what is said of a file at the end."""
    from analyzer.drift import DriftCounts, drift_warning

    counts = summary.counts
    lines = [
        f"{summary.source}: {summary.dialect.describe()}",
        summary.note_column.describe(),
        f"{counts.read:,} rows read: {counts.scored:,} scored, {counts.empty:,} empty, {counts.failed:,} failed",
    ]
    if summary.dialect.titles:
        lines.insert(1, f"skipped above the header: {' / '.join(summary.dialect.titles)[:200]}")
    lines += summary.remarks
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
    if warning := drift_warning(DriftCounts(counts.scored, counts.review, counts.words, counts.unseen)):
        lines.append(f"warning: {warning}")
    if summary.resumed:
        lines.append(f"{summary.resumed:,} of these rows were done before and were not scored again")
    if counts.read >= _LONG_RUN_ROWS:
        new = counts.read - summary.resumed
        lines.append(f"{summary.seconds:,.0f} s, {new / max(summary.seconds, 1e-9):,.0f} rows a second")
    lines.append("wrote standard output" if str(summary.output) == "-" else f"wrote {summary.output}")
    return "\n".join(lines)
