"""The ``visit-notes`` command. Only this module and its ``cli_`` neighbours print."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from analyzer import (
    cli_checklist,
    cli_compare,
    cli_exchange,
    cli_labels,
    cli_progress,
    cli_report,
    cli_review,
    cli_score,
    cli_train,
)
from analyzer.errors import AnalyzerError, OutputError
from analyzer.release import release

EXIT_DATA, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_PIPE = 1, 2, 130, 141


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
    except KeyboardInterrupt as error:
        return _fail(str(error) or "interrupted", EXIT_INTERRUPTED)
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

    cli_score.add_command(commands)
    cli_checklist.add_command(commands)
    cli_progress.add_command(commands)
    cli_report.add_command(commands)
    cli_review.add_command(commands)
    cli_train.add_command(commands)
    cli_labels.add_command(commands)
    cli_compare.add_command(commands)
    cli_exchange.add_command(commands)
    return parser


class _Version(argparse.Action):
    """Prints the version; looked up only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        print(f"visit-notes {release()}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
