"""The ``visit-notes`` command. Only this module and the ``cli_`` modules print."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from analyzer import cli_score
from analyzer.errors import AnalyzerError, OutputError
from analyzer.records import NoteAnalysis, Status
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
    checklist = commands.add_parser("checklist", help="print one note's outcome, evidence and checklist")
    checklist.add_argument("note", metavar="NOTE", nargs="?", default="-", help="the note; - or nothing reads stdin")
    checklist.add_argument("--model", metavar="DIR", help="a model folder (default: the shipped model)")
    checklist.set_defaults(run=_checklist)
    return parser


class _Version(argparse.Action):
    """Prints the version; looked up only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        print(f"visit-notes {release()}")
        parser.exit()


# --- checklist ------------------------------------------------------------------------------------


def _checklist(options: argparse.Namespace) -> int:
    note = _read_stdin() if options.note == "-" else _argument_text(options.note)
    if not note.strip():
        raise AnalyzerError("the note is empty, expected text; give it in quotes or on standard input")

    from analyzer.note_analyzer import NoteAnalyzer

    analysis = NoteAnalyzer.load(options.model).analyze_many([note])[0]
    print(checklist_text(analysis))
    return 0


def _read_stdin() -> str:
    if sys.stdin.isatty():
        print("Type or paste the note, end with Ctrl-D (Windows: Ctrl-Z, Enter):", file=sys.stderr)
    data = sys.stdin.buffer.read()
    return _decode(data)


def _argument_text(argument: str) -> str:
    """Undo the surrogates by which Python hands on bytes that are not in the terminal's encoding."""
    return _decode(os.fsencode(argument)) if any("\udc80" <= char <= "\udcff" for char in argument) else argument


def _decode(data: bytes) -> str:
    for codec in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", "replace")


def checklist_text(analysis: NoteAnalysis) -> str:
    """Return what ``visit-notes checklist`` prints: fit for reading out."""
    from analyzer.results import commitment_text, one_line

    if analysis.outcome is None or analysis.confidence is None:
        return "结果：无法判断（没有拜访内容）"
    review = "，建议人工复核" if analysis.needs_review else ""
    lines = [f"结果：{analysis.outcome.label}（把握 {analysis.confidence:.0%}{review}）"]
    lines += [f"依据：「{one_line(span.text)}」（第 {span.start + 1}–{span.end} 字）" for span in analysis.evidence]
    commitment = analysis.commitment
    if commitment:
        lines.append(f"客户承诺：{commitment.action.label}，「{commitment_text(commitment)}」")
    else:
        lines.append("客户承诺：无")
    opened = sum(concern.status is Status.OPEN for concern in analysis.concerns)
    if not analysis.concerns:
        return "\n".join([*lines, "检核表：没有发现客户提出的关注点"])
    lines.append(f"检核表：{len(analysis.concerns)} 个关注点，{opened} 个未答复")
    for number, concern in enumerate(analysis.concerns, start=1):
        mark = " " if concern.status is Status.OPEN else "√"
        lines.append(f"  [{mark}] {number}. {concern.display_topic}：「{one_line(concern.span.text)}」")
        if concern.response:
            lines.append(f"      我方答复：「{one_line(concern.response.text)}」")
        else:
            lines.append(f"      {concern.status.label}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
