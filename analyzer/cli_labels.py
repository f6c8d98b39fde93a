"""``visit-notes check-labels``: likely mistakes in labelled files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

_TITLES = {
    "refused": "不能用的单元格",
    "contradiction": "互相矛盾的标注",
    "label": "可能标错的结果（最可疑的在前）",
    "copy": "跨文件的近似副本",
}


def add_command(commands: Any) -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("check-labels", help="list likely mistakes in labelled files")
    parser.add_argument("inputs", nargs="+", metavar="FILE", help="labelled files, as `train --add` takes them")
    parser.add_argument("-o", "--output", metavar="FILE", help="also write the list as .csv or .xlsx")
    parser.add_argument("-n", "--count", type=int, default=30, metavar="N", help="lines of each kind to print")
    parser.add_argument(
        "--model", metavar="DIR", help="a model that has not learnt these labels (default: the shipped)"
    )
    parser.add_argument("--topics", metavar="FILE", help="a TOML file with topics of your own")
    parser.add_argument("--note-column", metavar="NAME", help="the column of the notes in tables")
    parser.add_argument("--outcome-column", metavar="NAME", help="the column of the labels in tables")
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    from analyzer.label_quality import check_labels
    from analyzer.note_analyzer import NoteAnalyzer
    from analyzer.own_card import label_lines
    from analyzer.own_labels import read_own_labels
    from analyzer.table_lists import check_list_output, write_list

    if options.output:
        check_list_output(Path(options.output))
    analyzer = NoteAnalyzer.load(options.model, topics=options.topics)
    labels = read_own_labels(
        [Path(name) for name in options.inputs],
        analyzer.model.taxonomy.topics,
        note_column=options.note_column,
        outcome_column=options.outcome_column,
    )
    for line in label_lines(labels, 0)[: len(labels.sources) + 1]:
        print(line, file=sys.stderr)
    doubts = check_labels(labels, analyzer)
    for kind, title in _TITLES.items():
        found = [doubt for doubt in doubts if doubt.kind == kind]
        print(f"{title}：{len(found)}")
        for doubt in found[: options.count]:
            print(f"  {doubt.place}：{doubt.reason}" + (f" — {doubt.text}" if doubt.text else ""))
        if len(found) > options.count:
            print(f"  …… 另有 {len(found) - options.count} 条")
    if options.output:
        rows = [(doubt.kind, doubt.place, round(doubt.weight, 3), doubt.reason, doubt.text) for doubt in doubts]
        write_list(Path(options.output), ("类别", "位置", "可疑程度", "说明", "记录"), rows)
        print(f"wrote {options.output}", file=sys.stderr)
    return 0
