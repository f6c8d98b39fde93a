"""``visit-notes train``: a model that has learnt a user's own labels, and the page that proves what it is worth."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

_MOST_SHOWN = 30
_CARD = "MODEL_CARD.md"
_MOST_WORKERS = 4  # each takes a gigabyte or two


def add_command(commands: Any) -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("train", help="teach the model your own labels and measure what that brings")
    parser.add_argument("--base", required=True, metavar="DIR", help="the base data, with corpus/ and lexicons/")
    parser.add_argument(
        "--add", nargs="+", default=[], metavar="FILE",
        help="corrected review workbooks, tables with a note and an outcome column, exports of annotation tools",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder for the new model")
    parser.add_argument("--model", metavar="DIR", help="the model to start from (default: the shipped model)")
    parser.add_argument("--topics", metavar="FILE", help="a TOML file with topics of your own")
    parser.add_argument("--note-column", metavar="NAME", help="the column of the notes in tables")
    parser.add_argument("--outcome-column", metavar="NAME", help="the column of the labels in tables")
    parser.add_argument(
        "--min-gain", type=float, metavar="POINTS",
        help="write the model only if it gains so many percentage points on your notes (default: always)",
    )  # fmt: skip
    parser.add_argument("--weight", type=_positive, metavar="K", help="how often each of your notes counts")
    parser.add_argument("--base-groups", type=_groups, default=1, metavar="N",
                        help="of four groups of base authors, how many the check of the base corpus leaves out "
                        "(default: 1; 0: no check)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of folds, order and resampling (default: 0)")
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help="processes (default: one a processor, at most 4)"
    )
    parser.set_defaults(run=_train)


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range; expected 1 to 100")
    return int(text)


def _groups(text: str) -> int:
    if text not in ("0", "1", "2", "3", "4"):
        raise argparse.ArgumentTypeError(f"{text!r} is out of range; expected 0 to 4")
    return int(text)


def _train(options: argparse.Namespace) -> int:
    from analyzer.corpus import corpus_hash
    from analyzer.errors import LabelError
    from analyzer.model_folder import default_model_folder
    from analyzer.model_store import load_model, save_model
    from analyzer.own_card import label_lines, main_gain, own_card, summary_lines
    from analyzer.own_labels import read_own_labels
    from analyzer.own_training import OwnData, OwnSettings, teach, with_metadata
    from analyzer.taxonomy import read_taxonomy
    from analyzer.training import versions

    start = Path(options.model) if options.model else default_model_folder()
    output = Path(options.output)
    if output.resolve() == start.resolve():
        raise LabelError(f"the output {output} is the model to start from; name another folder with -o")
    if output.exists() and not output.is_dir():
        raise LabelError(f"the output {output} is a file; expected the name of a folder")
    old = load_model(start)
    taxonomy = old.taxonomy
    if options.topics:
        taxonomy = taxonomy.merged(read_taxonomy(Path(options.topics)))
    labels = read_own_labels(
        [Path(name) for name in options.add],
        taxonomy.topics,
        note_column=options.note_column,
        outcome_column=options.outcome_column,
    )
    _say(*label_lines(labels, _MOST_SHOWN))
    if corpus_hash(Path(options.base) / "corpus") != old.metadata.get("data_sha256"):
        _say(
            f"note: {start} was trained on other data than {options.base}; what your labels do not teach stays as it is"
        )
    own = OwnData(labels.with_outcome(), labels.with_concerns(), taxonomy)
    settings = OwnSettings(seed=options.seed, base_checked=options.base_groups)
    if options.weight:
        settings = OwnSettings(options.weight, base_checked=options.base_groups, seed=options.seed)
    result = teach(
        Path(options.base), start, own, settings,
        workers=options.workers or min(_MOST_WORKERS, os.cpu_count() or 1), progress=_progress,
    )  # fmt: skip
    _say(*summary_lines(result, labels))

    base = f"`{start.name}`，语料 `{options.base}`，数据指纹 `{str(old.metadata.get('data_sha256', ''))[:16]}`"
    card = own_card(result, labels, own, settings, base=base, versions=versions())
    gain = main_gain(result.own)
    if options.min_gain is not None and gain is not None and 100 * gain.difference < options.min_gain:
        page = output.with_name(f"{output.name}.{_CARD}")
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(card, encoding="utf-8")
        _say(
            f"kept the old model: the new one gains {100 * gain.difference:+.1f} points, expected at least "
            f"{options.min_gain:+.1f}; nothing was written but the report {page}"
        )
        return 0
    save_model(with_metadata(result, own, settings), output)
    (output / _CARD).write_text(card, encoding="utf-8")
    _say(f"wrote {output}; its page is {output / _CARD}; use it with --model {output}")
    return 0


def _progress(done: int, total: int) -> None:
    _say(f"fitted {done} of {total} models")


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)
