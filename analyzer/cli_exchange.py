"""``visit-notes exchange``: notes and labels to and from annotation tools."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analyzer.corpus import Example
    from analyzer.records import AnyTopic

_TOOLS = ("doccano", "label-studio", "corpus")
_ENDINGS = {"doccano": (".jsonl",), "label-studio": (".json",), "corpus": (".jsonl",)}


def add_command(commands: Any) -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("exchange", help="bring notes and labels to doccano or Label Studio, and back")
    parser.add_argument(
        "inputs", nargs="+", metavar="FILE",
        help="labelled files, as `train --add` takes them; with --suggest an export without labels",
    )  # fmt: skip
    parser.add_argument("--to", choices=_TOOLS, required=True, help="for which tool; corpus: as in data/corpus/notes")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help=".jsonl, for Label Studio .json")
    parser.add_argument(
        "--suggest", action="store_true", help="write what the model finds in an export, for people to correct"
    )
    parser.add_argument("--model", metavar="DIR", help="a model folder (default: the shipped model)")
    parser.add_argument("--topics", metavar="FILE", help="a TOML file with topics of your own")
    parser.add_argument("--note-column", metavar="NAME", help="the column of the notes in tables")
    parser.add_argument("--outcome-column", metavar="NAME", help="the column of the labels in tables")
    parser.set_defaults(run=_exchange)


def _exchange(options: argparse.Namespace) -> int:
    from analyzer.errors import OutputError
    from analyzer.exchange import count_annotations
    from analyzer.note_analyzer import NoteAnalyzer
    from analyzer.own_card import label_lines
    from analyzer.own_labels import read_own_labels
    from analyzer.suggestions import suggested

    output = Path(options.output)
    if output.suffix.lower() not in _ENDINGS[options.to]:
        raise OutputError(f"the output {output.name} should end in {_ENDINGS[options.to][0]} for {options.to}")
    if any(output.resolve() == Path(name).resolve() for name in options.inputs):
        raise OutputError(f"the output {output} would overwrite an input; name another with -o")
    analyzer = NoteAnalyzer.load(options.model, topics=options.topics)
    topics = analyzer.model.taxonomy.topics
    if options.suggest:
        examples, left_out = suggested([Path(name) for name in options.inputs], analyzer, options.note_column)
        _say(f"{len(examples)} notes read, {left_out} rows without text left out")
    else:
        labels = read_own_labels(
            [Path(name) for name in options.inputs],
            topics,
            note_column=options.note_column,
            outcome_column=options.outcome_column,
        )
        _say(*label_lines(labels, 30))
        examples = [one.example for one in labels.notes]
    written = _write(output, options.to, examples, topics, suggest=options.suggest)
    counts = ", ".join(f"{count} {name}" for name, count in count_annotations(examples).items())
    _say(f"wrote {', '.join(map(str, written))}: {counts}")
    return 0


def _write(
    output: Path, tool: str, examples: Sequence[Example], topics: Sequence[AnyTopic], *, suggest: bool
) -> list[Path]:
    """Write the notes, and beside them what a new project of the tool needs; return the files."""
    from analyzer.errors import TableError
    from analyzer.exchange import (
        corpus_lines,
        doccano_labels,
        doccano_lines,
        label_studio_config,
        label_studio_tasks,
    )

    if tool == "doccano":
        files = {
            output: "".join(doccano_lines(examples)),
            output.with_suffix(".labels.json"): doccano_labels(topics),
        }
    elif tool == "label-studio":
        tasks = label_studio_tasks(examples, as_predictions=suggest)
        files = {
            output: json.dumps(tasks, indent=1) + "\n",
            output.with_suffix(".config.xml"): label_studio_config(topics),
        }
    else:
        files = {output: "".join(corpus_lines(examples))}
    try:
        for path, text in files.items():
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise TableError(f"{output} cannot be written ({error.strerror or error}); check the folder") from error
    return list(files)


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)
