"""Which notes to correct: those from which a model learns most, and some at random as an honest sample.

Chosen are notes whose outcome is unsure (a small margin between the two most probable outcomes) and that are unlike
one another: after each choice, notes like it count less (maximal marginal relevance, Carbonell and Goldstein, SIGIR
1998; with margin sampling, Scheffer et al., IDA 2001). Unsure notes alone would tell nothing about the others, so a
share is drawn at random: what the model gets right there holds for the whole file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from analyzer.columns import NoteColumn, find_note_column
from analyzer.linear import FloatArray
from analyzer.normalize import normalize
from analyzer.note_analyzer import NoteAnalyzer
from analyzer.notes import analyze_all
from analyzer.outcomes import outcome_inputs
from analyzer.records import NoteAnalysis, Outcome
from analyzer.review_book import CHOSEN, RANDOM, ReviewItem
from analyzer.segmenter import IntArray
from analyzer.table_excel import CELL_UNITS
from analyzer.tables import open_table

_CANDIDATES = 20  # times the notes wanted: so many of the unsurest are compared with one another
_MOST_CANDIDATES = 5000


@dataclass(frozen=True, slots=True)
class Queue:
    """Notes for review, in the order of the file.

    Attributes:
        items: the notes.
        read: rows of the file.
        distinct: different notes among them.
        column: where the notes stood.
        left_out: rows that cannot be reviewed: without text, too long for a cell, or not analysed.
    """

    items: list[ReviewItem]
    read: int
    distinct: int
    column: NoteColumn
    left_out: int


def review_queue(
    source: Path,
    analyzer: NoteAnalyzer,
    count: int,
    *,
    random_share: float = 0.2,
    note_column: str | None = None,
    sheet: str | None = None,
    seed: int = 0,
) -> Queue:
    """Choose notes of a file. The same file, model and settings give the same notes.

    Args:
        source: an export, scored or not; the notes are read anew.
        analyzer: the model to learn.
        count: how many notes.
        random_share: which share of them is drawn at random.
        note_column: the column of the notes; found by itself where not given.
        sheet: the sheet of a workbook.
        seed: of the random draw.

    Raises:
        TableError: the file cannot be read.
        ColumnError: no column holds notes.
    """
    with open_table(source, sheet=sheet) as table:
        column = find_note_column(table.columns, table.sample(), note_column)
        position = table.columns.index(column.name)
        texts: list[str] = []
        for chunk in table:
            texts += chunk.frame.iloc[:, position].tolist()
    first: dict[str, int] = {}
    repeated = 0
    for index, text in enumerate(texts):
        if text.strip() and len(text.encode("utf-16-le", "surrogatepass")) // 2 <= CELL_UNITS:
            repeated += first.setdefault("".join(normalize(text).split()), index) != index
    rows = list(first.values())
    found = [analysis for analysis, _ in analyze_all([texts[row] for row in rows], analyzer.analyze_many)]
    usable = [index for index, analysis in enumerate(found) if analysis is not None and analysis.outcome is not None]
    notes = [texts[rows[index]] for index in usable]
    analyses = [found[index] for index in usable]
    known = [analysis for analysis in analyses if analysis is not None]
    chosen = choose(known, notes, analyzer, count, random_share=random_share, seed=seed)
    items = [
        ReviewItem(rows[usable[index]] + 1, notes[index], known[index], how) for index, how in sorted(chosen.items())
    ]
    return Queue(items, len(texts), len(usable), column, len(texts) - len(usable) - repeated)


def choose(
    analyses: Sequence[NoteAnalysis],
    notes: Sequence[str],
    analyzer: NoteAnalyzer,
    count: int,
    *,
    random_share: float = 0.2,
    seed: int = 0,
) -> dict[int, str]:
    """Return the chosen notes by their index, each with the reason for choosing it."""
    count = min(count, len(notes))
    n_random = min(count, max(1, round(count * random_share))) if random_share > 0 and count else 0
    drawn = np.random.default_rng(seed).permutation(len(notes))[:n_random].tolist()
    chosen = dict.fromkeys(drawn, RANDOM)
    doubt = 1.0 - np.array([_margin(analysis) for analysis in analyses])
    order = np.argsort(-doubt, kind="stable")
    order = order[~np.isin(order, drawn)][: min(_MOST_CANDIDATES, _CANDIDATES * count)]
    if len(order) and count > n_random:
        picked = order[_unlike(_vectors(analyzer, [notes[index] for index in order]), doubt[order], count - n_random)]
        chosen.update({int(index): _reason(analyses[index]) for index in picked})
    return chosen


def _margin(analysis: NoteAnalysis) -> float:
    best, second = sorted(analysis.probabilities.values(), reverse=True)[:2]
    return best - second


def _reason(analysis: NoteAnalysis) -> str:
    ranked = sorted(Outcome, key=lambda outcome: -analysis.probabilities[outcome.value])[:2]
    shares = "，".join(f"{outcome.label} {analysis.probabilities[outcome.value]:.0%}" for outcome in ranked)
    return f"{CHOSEN}：{shares}"


def _vectors(analyzer: NoteAnalyzer, notes: Sequence[str]) -> sparse.csr_array:
    """Return what the outcome model reads of each note: rows of length one."""
    return outcome_inputs(analyzer.model.reader.read(notes)).notes


def _unlike(vectors: sparse.csr_array, worth: FloatArray, count: int) -> IntArray:
    """Return ``count`` rows, one after another: the worthiest that is least like those chosen before."""
    nearest = np.zeros(len(worth))
    out: list[int] = []
    for _ in range(min(count, len(worth))):
        value = worth * (1.0 - nearest)
        value[out] = -1.0
        best = int(value.argmax())
        out.append(best)
        nearest = np.maximum(nearest, np.asarray((vectors @ vectors[[best]].T).todense()).ravel())
    return np.array(out, dtype=np.int64)
