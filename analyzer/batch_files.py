"""Several exports in one run: which files are meant, where their results go, and one after another scored."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzer.batch import STANDARD, BatchSummary
from analyzer.errors import AnalyzerError, BadRowError, ModelError, OutputError, TableError, WorkerError
from analyzer.table_source import RESULTS_MARK, list_tables
from analyzer.table_writers import ENDINGS

_GLOB_SIGNS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class FilePair:
    """An export and where its results go; a string is a URI, which a path would spoil."""

    source: Path | str
    output: Path | str


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of an export: either its summary or why it failed."""

    pair: FilePair
    summary: BatchSummary | None
    error: AnalyzerError | None = None


def find_sources(arguments: Iterable[str]) -> list[Path]:
    """Return the exports that are meant by paths, folders, patterns and ``-``; each once, in the order given.

    A path that does not exist stays in the list, to be told of in its turn. Our own results files in a folder or
    under a pattern are left out.

    Raises:
        TableError: A folder or a pattern yields nothing.
    """
    found: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        if path != STANDARD and path.is_dir():
            found += list_tables(path)
        elif _GLOB_SIGNS.intersection(argument) and not path.exists():
            found += _matches(argument)
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _matches(pattern: str) -> list[Path]:
    paths = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207  # it takes absolute ones
    files = [path for path in paths if path.is_file() and not path.stem.endswith(RESULTS_MARK)]
    if not files:
        raise TableError(f"no file matches {pattern!r}, expected at least one; check the folder and the pattern")
    return files


def plan_outputs(
    sources: Sequence[Path], output: str | None, ending: str | None = None, *, many: bool = False
) -> list[FilePair]:
    """Return where the results of each export go.

    Without ``output`` they go beside the export, those of standard input to standard output. ``output`` may name the
    file, for a single export; a folder, which is made if it ends in a slash or there are several exports; or ``-``.
    Two exports whose names differ only in their endings keep these in the names of their results.

    Args:
        sources: The exports.
        output: What the user named, if anything.
        ending: The ending of the results files, with its dot, where the user chose one; by default ``.xlsx``, and
            ``.parquet`` for a Parquet file whose results go to a folder.
        many: Whether the user meant any number of exports, a folder or a pattern, of which there may be one.

    Raises:
        OutputError: The output cannot work.
        TableError: The folder cannot be made.
    """
    if output == str(STANDARD) or (output is None and sources == [STANDARD]):
        if len(sources) != 1:
            raise OutputError(f"{len(sources)} inputs cannot share standard output; name a folder with -o FOLDER/")
        return [FilePair(sources[0], STANDARD)]
    if output is None:
        return [FilePair(*pair) for pair in zip(sources, _names(sources, None, ending), strict=True)]
    folder = Path(output)
    ends_in_slash = output.endswith(("/", "\\"))
    if len(sources) == 1 and not many and not ends_in_slash:
        return [FilePair(sources[0], folder)]
    if folder == Path(folder.anchor):
        raise OutputError(f"the output {folder} is a folder, the root of the file system; name a folder in it")
    if not folder.is_dir() and not ends_in_slash and folder.suffix.lower() in ENDINGS:
        raise OutputError(f"several inputs cannot share the output {output}; name a folder with -o FOLDER/")
    planned = [FilePair(*pair) for pair in zip(sources, _names(sources, folder, ending), strict=True)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TableError(f"the folder {folder} cannot be made ({error.strerror or error}); name another with -o") from (
            error
        )
    return planned


def _names(sources: Sequence[Path], folder: Path | None, ending: str | None) -> Iterator[Path]:
    def name(source: Path, stem: str) -> Path:
        kept = ".parquet" if folder is not None and source.suffix.lower() == ".parquet" else ".xlsx"
        return (folder or source.parent) / f"{stem}{RESULTS_MARK}{ending or kept}"

    # Names are told apart as a file system that ignores case does.
    short = [name(source, "standard-input" if source == STANDARD else source.stem) for source in sources]
    long = [name(source, source.name) for source in sources]
    taken = Counter(str(path).casefold() for path in short)
    sources_of: dict[str, Path] = {}
    for source, brief, full in zip(sources, short, long, strict=True):
        chosen = brief if taken[str(brief).casefold()] == 1 else full
        other = sources_of.setdefault(str(chosen).casefold(), source)
        if other is not source:
            raise OutputError(
                f"{other} and {source} would have results of the same name in {chosen.parent}; "
                "score them into folders of their own"
            )
        yield chosen


def score_files(
    pairs: Iterable[FilePair], score: Callable[[FilePair], BatchSummary], on_result: Callable[[FileResult], None]
) -> list[FileResult]:
    """Score one export after another; one that fails does not stop the others.

    Args:
        pairs: The exports.
        score: Scores one.
        on_result: Called after each.

    Raises:
        BadRowError: The run is strict and has met a bad row.
        ModelError, WorkerError: No export can be scored.
    """
    results = []
    for pair in pairs:
        try:
            result = FileResult(pair, score(pair))
        except (BadRowError, ModelError, WorkerError):
            raise
        except AnalyzerError as error:
            result = FileResult(pair, None, error)
        results.append(result)
        on_result(result)
    return results
