"""``visit-notes checklist``: one note's findings, or the checklist of each opportunity of an export."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyzer.cli_options import add_history_options, parse_day
from analyzer.errors import AnalyzerError, OutputError
from analyzer.records import NoteAnalysis, Status

if TYPE_CHECKING:
    from analyzer.progress import Page

FORMS = {"text": ".txt", "markdown": ".md", "html": ".html", "xlsx": ".xlsx", "json": ".json"}
_TABLE_ENDINGS = frozenset(
    {".csv", ".tsv", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".et", ".jsonl", ".ndjson", ".json", ".parquet", ".zip"}
)


def add_command(commands: Any) -> None:
    """Add the command to the subparsers of ``visit-notes``."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "checklist",
        help="print one note's outcome, evidence and checklist, or the checklists of an export",
        description="One note: its outcome, evidence, commitment and concerns; with --form or -o its checklist alone. "
        "An export: the checklist of each opportunity, its concerns joined over all visits.",
    )
    parser.add_argument(
        "input", metavar="NOTE|FILE", nargs="?", default="-", help="the note, or an export; - or nothing reads a note"
    )
    parser.add_argument("-o", "--output", help="txt, md, html, xlsx or json (default: standard output)")
    parser.add_argument("--form", choices=FORMS, help="default: by the ending of OUTPUT, else text")
    parser.add_argument(
        "--opportunity", metavar="TEXT", help="only opportunities whose customer or name holds this text"
    )
    add_history_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print or write the checklist."""
    output = Path(options.output) if options.output else None
    form = _form(options.form, output)
    if _is_export(options.input):
        return _write(_pages_of_export(options, output), form or "text", output, options)
    note = _read_stdin() if options.input == "-" else _argument_text(options.input)
    if not note.strip():
        raise AnalyzerError("the note is empty, expected text; give it in quotes or on standard input")

    from analyzer.note_analyzer import NoteAnalyzer
    from analyzer.redaction import redact, redact_analysis

    visit_date = parse_day(options.as_of)
    analyzer = NoteAnalyzer.load(options.model, topics=options.topics, second_reader=options.second_reader)
    analysis = analyzer.analyze_many([note])[0]
    if visit_date is not None:
        from analyzer.due_dates import with_due_date

        analysis = with_due_date(analysis, visit_date)
    if options.redact:
        note = redact(note)
        analysis = redact_analysis(analysis, note)
    if form is None:
        print(checklist_text(analysis))
        return 0
    return _write([_page_of_note(note, analysis, options)], form, output, options)


def _form(form: str | None, output: Path | None) -> str | None:
    if output is None:
        if form == "xlsx":
            raise OutputError("a workbook cannot be printed; name a file with -o")
        return form
    by_ending = {ending: name for name, ending in FORMS.items()}.get(output.suffix.lower())
    if by_ending is None or form not in (None, by_ending):
        expected = FORMS[form] if form else ", ".join(FORMS.values())
        raise OutputError(f"the output {output.name} ends in {output.suffix!r}, expected {expected}")
    return by_ending


def _is_export(text: str) -> bool:
    """Whether the argument names a file rather than being a note: it is there, or looks like one and nothing else."""
    try:
        if Path(text).is_file():
            return True
    except (OSError, ValueError):  # too long for a name, or with a null character
        return False
    return Path(text).suffix.lower() in _TABLE_ENDINGS and not any(char in text for char in "，。；！？ \n")


def _pages_of_export(options: argparse.Namespace, output: Path | None) -> Sequence[Page]:
    from analyzer.cli_history import read_progress  # pandas takes half a second, and one note does without it
    from analyzer.table_writers import check_output
    from analyzer.visits import name_key

    if output is not None:
        check_output(output, Path(options.input), tuple(FORMS.values()))
    _, progress = read_progress(options)
    pages = progress.by_need()
    if options.opportunity is None:
        return pages
    wanted = name_key(options.opportunity)
    chosen = [page for page in pages if wanted in name_key(page.opportunity.title)]
    if not chosen:
        names = "、".join(page.opportunity.title for page in pages[:10])
        raise AnalyzerError(f"no opportunity holds {options.opportunity!r}; there are {len(pages)}, such as {names}")
    return chosen


def _page_of_note(note: str, analysis: NoteAnalysis, options: argparse.Namespace) -> Page:
    from analyzer.milestones import load_plan
    from analyzer.next_commitment import load_rules
    from analyzer.progress import make_page
    from analyzer.visits import Opportunity, Visit

    visit = Visit(0, note, analysis)
    return make_page(
        Opportunity("", "", (visit,)), load_plan(options.milestones), None, rules=load_rules(options.rules)
    )


def _write(pages: Sequence[Page], form: str, output: Path | None, options: argparse.Namespace) -> int:
    from analyzer.checklist_forms import (
        benefit_text,
        checklist_html,
        checklist_json,
        checklist_sheets,
        markdown,
        proposal_text,
        spoken_text,
    )

    makers = {
        "text": lambda: "\n\n".join(
            filter(None, (part(one) for one in pages for part in (spoken_text, benefit_text, proposal_text)))
        ),
        "markdown": lambda: markdown(pages).rstrip("\n"),
        "html": lambda: checklist_html(pages).rstrip("\n"),
        "json": lambda: checklist_json(pages).rstrip("\n"),
    }
    if output is None:
        print(makers[form]())
        return 0

    from analyzer.sheets import write_workbook
    from analyzer.table_writers import check_output, replacing

    check_output(output, None, tuple(FORMS.values()))
    with replacing(output) as part:
        if form == "xlsx":
            write_workbook(part, checklist_sheets(pages))
        else:
            part.write_text(makers[form]() + "\n", encoding="utf-8", errors="replace")
    if not options.quiet:
        print(f"wrote {output}", file=sys.stderr)
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
