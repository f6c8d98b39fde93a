"""``visit-notes compare``: where two models differ on a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analyzer.comparison import Comparison

_SHOWN = 10


def add_command(commands: Any) -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("compare", help="show where two models differ on a file of notes")
    parser.add_argument("input", metavar="INPUT", help="an export of notes")
    parser.add_argument(
        "--model", action="append", metavar="DIR", required=True,
        help="a model folder; give two, or one to compare with the shipped model",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="FILE", help="write all differences as .xlsx or .csv")
    parser.add_argument("--note-column", metavar="NAME", help="the column of the notes (default: found by itself)")
    parser.add_argument("--sheet", metavar="NAME", help="the sheet of a workbook (default: the first with rows)")
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    from analyzer.comparison import HEADER, compare_models
    from analyzer.errors import OutputError
    from analyzer.note_analyzer import NoteAnalyzer
    from analyzer.table_lists import check_list_output, write_list

    if len(options.model) > 2:
        raise OutputError(f"{len(options.model)} models given; expected one or two --model")
    if options.output:
        check_list_output(Path(options.output))
    names = options.model if len(options.model) == 2 else [None, *options.model]
    first, second = (NoteAnalyzer.load(name) for name in names)
    found = compare_models(
        Path(options.input),
        first.analyze_many,
        second.analyze_many,
        note_column=options.note_column,
        sheet=options.sheet,
    )
    print(found.column.describe(), file=sys.stderr)
    print(comparison_text(found, names[0] or "随附模型", names[1]))
    if options.output:
        write_list(Path(options.output), HEADER, [one.row() for one in found.differences])
        print(f"wrote {options.output}", file=sys.stderr)
    return 0


def comparison_text(found: Comparison, first: str, second: str) -> str:
    """Return what the command prints: counts, then the notes with another outcome of which both models are sure."""
    from analyzer.records import Outcome
    from analyzer.results import one_line

    n = max(1, found.notes)
    lines = [
        f"甲：{first}",
        f"乙：{second}",
        f"{found.notes} 条记录，{found.left_out} 行没有内容或未能分析",
        f"结果不同：{found.changed} 条（{found.changed / n:.1%}）",
    ]
    pairs = sorted(found.outcomes.items(), key=lambda item: (-item[1], item[0]))
    lines += [f"  {one.label} → {other.label}：{count}" for (one, other), count in pairs if one is not other]
    for name, side in (("甲", 0), ("乙", 1)):
        totals = {
            outcome: sum(count for pair, count in found.outcomes.items() if pair[side] is outcome)
            for outcome in Outcome
        }
        shares = "，".join(f"{outcome.label} {count}（{count / n:.0%}）" for outcome, count in totals.items())
        lines.append(f"{name}：{shares}；需复核 {found.reviews[side]}（{found.reviews[side] / n:.0%}）")
    lines.append(f"关注点：甲 {found.concerns[0]} 个，乙 {found.concerns[1]} 个，完全相同 {found.concerns[2]} 个")
    shown = [one for one in found.differences if one.in_outcome][:_SHOWN]
    for one in shown:
        assert one.first.outcome is not None
        assert one.second.outcome is not None
        sides = " → ".join(
            f"{each.outcome.label} {each.confidence:.0%}" for each in (one.first, one.second) if each.outcome
        )
        lines.append(f"  第 {one.number} 行：{sides}：{one_line(one.note)[:60]}")
    return "\n".join(lines)
