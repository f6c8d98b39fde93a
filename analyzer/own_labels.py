"""Labelled notes of a user: from a corrected review workbook, or any table with a note and an outcome column.

Every row is accounted for: used, left open, or refused with its cell and the reason. Nothing is dropped silently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from analyzer.columns import find_note_column, plain_name
from analyzer.corpus import Example, GoldConcern, find_span
from analyzer.errors import ColumnError, LabelError, TableError
from analyzer.exchange import read_annotations
from analyzer.labels import is_unsure, parse_outcome, parse_status, parse_topic, topic_names
from analyzer.normalize import normalize
from analyzer.records import AnyTopic, Outcome, Topic
from analyzer.results import RESULT_COLUMNS
from analyzer.review_book import (
    CHECKED,
    CONCERN_COLUMNS,
    CONCERN_SHEET,
    HOW,
    MODEL_EVIDENCE,
    MODEL_OUTCOME,
    NUMBER,
    OWN_EVIDENCE,
    OWN_OUTCOME,
    RANDOM,
    REVIEW_COLUMNS,
    REVIEW_NOTE,
    SAME,
    YES,
)
from analyzer.tables import Table, open_table

OWN_AUTHOR = "~own"
"""Author of all notes of the user: they are one voice, and sort behind the corpus files."""

# Names for the column with the right outcome, the surest first; compared after `plain_name`.
_OUTCOME_NAMES = (
    "正确结果 人工结果 复核结果 标注结果 真实结果 实际结果 人工标注 人工复核 gold goldoutcome correctoutcome",
    "结果 拜访结果 结果标签 拜访成效 标签 结论 outcome visitoutcome label result outcomelabel",
)
_RANK = {name: rank for rank, names in enumerate(_OUTCOME_NAMES) for name in names.split()}
_CONCERN_NAMES = frozenset({"关注点", "人工关注点", "标注关注点", "客户关注点", "concerns"})
_NO_CONCERNS = frozenset({"无", "没有", "none", "[]"})
_CONCERN_LINE = re.compile(r"(?:\d+[.、]\s*)?\[(?P<topic>[^\]]+)\]\s*(?P<text>.+?)(?:\s*[—–-]{1,2}\s*(?P<rest>\S.*))?$")
_SEPARATOR = "；"  # between clauses of evidence, as `results.evidence_text` writes it


@dataclass(frozen=True, slots=True)
class OwnNote:
    """A labelled note and where it stands.

    Attributes:
        example: the note with what was labelled; without an outcome it has ``None``, without checked concerns ``None``.
        place: file and cell of the label, such as ``review.xlsx 复核!G7``.
        file: name of the file.
        sampled: whether it was drawn at random for review, so that it speaks for the whole export.
        model_outcome: what the model had said, where the file tells.
    """

    example: Example
    place: str
    file: str
    sampled: bool = False
    model_outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A label that cannot be used: where it stands and why."""

    place: str
    reason: str

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.place}: {self.reason}"


@dataclass(slots=True)
class OwnLabels:
    """What was read.

    Attributes:
        notes: usable notes, each text once.
        refused: cells that cannot be used.
        open: rows without any label.
        repeated: rows with the text and labels of an earlier one.
        sources: one line a file: how it was read.
        remarks: what was put right, or should be looked at.
    """

    notes: list[OwnNote] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    open: int = 0
    repeated: int = 0
    sources: list[str] = field(default_factory=list)
    remarks: list[Refused] = field(default_factory=list)

    def with_outcome(self) -> list[Example]:
        """Return the notes whose outcome is labelled."""
        return [one.example for one in self.notes if one.example.outcome is not None]

    def with_concerns(self) -> list[Example]:
        """Return the notes whose concerns are labelled, those without any concern included."""
        return [one.example for one in self.notes if one.example.concerns is not None]


@dataclass(frozen=True, slots=True)
class _Where:
    """Names cells of a table."""

    file: str
    sheet: str | None
    first_row: int
    columns: tuple[str, ...]

    def cell(self, index: int, column: str) -> str:
        """Return the name of a cell; rows count from 0 under the header."""
        name = f"{column_letters(self.columns.index(column))}{self.first_row + index}"
        return f"{self.file} {self.sheet}!{name}" if self.sheet else f"{self.file} {name}"


def column_letters(index: int) -> str:
    """Return the letters that a spreadsheet shows over a column; the first has the index 0.

    >>> column_letters(0), column_letters(25), column_letters(26), column_letters(701), column_letters(702)
    ('A', 'Z', 'AA', 'ZZ', 'AAA')
    """
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def read_own_labels(
    paths: Sequence[Path],
    topics: Iterable[AnyTopic] = Topic,
    *,
    note_column: str | None = None,
    outcome_column: str | None = None,
) -> OwnLabels:
    """Read labelled notes.

    Args:
        paths: review workbooks, tables of any readable kind, corpus files, exports of doccano or Label Studio.
        topics: the topics that concerns may have.
        note_column: the column of the notes in tables; found by itself where not given.
        outcome_column: the column of the labels in tables; found by itself where not given.

    Raises:
        AnalyzerError: a file cannot be read, or a table has no note or no outcome column.
    """
    names = topic_names(topics)
    labels = OwnLabels()
    found: list[OwnNote] = []
    for path in paths:
        found += _read_file(path, names, labels, note_column=note_column, outcome_column=outcome_column)
    _settle(found, labels)
    return labels


def _read_file(
    path: Path,
    names: Mapping[str, AnyTopic],
    labels: OwnLabels,
    *,
    note_column: str | None,
    outcome_column: str | None,
) -> list[OwnNote]:
    read = read_annotations(path, dict.fromkeys(names.values()), OWN_AUTHOR)
    if read is not None:
        labels.refused += [Refused(place, reason) for place, reason in read.refused]
        labels.remarks += [Refused(place, reason) for place, reason in read.remarks]
        labels.open += read.open
        labels.sources.append(f"{path.name}: {read.kind}, {len(read.notes)} notes with a label")
        return [OwnNote(example, place, path.name) for place, example in read.notes]
    with open_table(path) as table:
        if set(REVIEW_COLUMNS) <= set(table.columns):
            return _read_review(path, table, names, labels)
        return _read_table(path, table, names, labels, note_column=note_column, outcome_column=outcome_column)


def _settle(found: Sequence[OwnNote], labels: OwnLabels) -> None:
    """Keep each text once; refuse texts with two different outcomes; count the rest."""
    by_text: dict[str, list[OwnNote]] = {}
    for one in found:
        by_text.setdefault(_same_text(one.example.note), []).append(one)
    for group in by_text.values():
        outcomes = {one.example.outcome for one in group if one.example.outcome is not None}
        if len(outcomes) > 1:
            for one in group:
                others = ", ".join(other.place for other in group if other is not one)
                labels.refused.append(
                    Refused(one.place, f"the same text has another outcome at {others}; make them agree")
                )
            continue
        best = max(group, key=lambda one: (one.example.concerns is not None, one.example.outcome is not None))
        outcome = next(iter(outcomes), None)
        labels.notes.append(replace(best, example=replace(best.example, outcome=outcome)))
        labels.repeated += len(group) - 1


def _same_text(note: str) -> str:
    return "".join(normalize(note).split())


# --- any table ------------------------------------------------------------------------------------


def _read_table(
    path: Path,
    table: Table,
    names: Mapping[str, AnyTopic],
    labels: OwnLabels,
    *,
    note_column: str | None,
    outcome_column: str | None,
) -> list[OwnNote]:
    sample = table.sample()
    outcome = find_outcome_column(table.columns, sample, outcome_column, path.name)
    rest = [name for name in table.columns if name != outcome]
    note = find_note_column(rest, sample[rest], note_column).name
    concerns = next((name for name in rest if plain_name(name) in _CONCERN_NAMES and name != note), None)
    if set(RESULT_COLUMNS[:4]) <= set(table.columns):
        concerns = None  # the model's own, not labels
    where = _Where(path.name, table.dialect.sheet, (table.dialect.header_row or 0) + 1, table.columns)
    found: list[OwnNote] = []
    index = 0
    for chunk in table:
        for row in chunk.frame.to_dict("records"):
            example = _table_row(row, index, where, labels, names=names, columns=(note, outcome, concerns))
            if example is not None:
                found.append(OwnNote(example, where.cell(index, outcome), path.name))
            index += 1
    labels.sources.append(
        f"{path.name}: {table.dialect.describe()}; note column {note!r}, outcome column {outcome!r}"
        + (f", concerns column {concerns!r}" if concerns else "")
        + f"; {index} rows, {len(found)} with a label"
    )
    return found


def _table_row(
    row: Mapping[Any, str],
    index: int,
    where: _Where,
    labels: OwnLabels,
    *,
    names: Mapping[str, AnyTopic],
    columns: tuple[str, str, str | None],
) -> Example | None:
    note_column, outcome_column, concerns_column = columns
    note, cell = row[note_column], row[outcome_column]
    concerns_cell = row[concerns_column] if concerns_column else ""
    if is_unsure(cell) and not concerns_cell.strip():
        labels.open += 1
        return None
    if not note.strip():
        labels.refused.append(Refused(where.cell(index, note_column), "the note is empty, but the row has a label"))
        return None
    outcome: Outcome | None = None
    concerns: tuple[GoldConcern, ...] | None = None
    try:
        outcome = None if is_unsure(cell) else parse_outcome(cell)
    except LabelError as error:
        labels.refused.append(Refused(where.cell(index, outcome_column), str(error)))
    if concerns_column and concerns_cell.strip():
        try:
            concerns = parse_concerns(note, concerns_cell, names)
        except LabelError as error:
            labels.refused.append(Refused(where.cell(index, concerns_column), str(error)))
    if outcome is None and concerns is None:
        return None
    name = where.cell(index, outcome_column)
    return Example(name, OWN_AUTHOR, note, False, outcome.value if outcome else None, concerns=concerns)


def find_outcome_column(columns: Sequence[str], sample: Any, requested: str | None, file: str) -> str:
    """Find the column with the outcomes that people gave.

    Args:
        columns: all columns.
        sample: some rows, a frame of texts.
        requested: the column that the user named.
        file: name of the file, for messages.

    Raises:
        ColumnError: there is no such column, several would do, or the only one is what the model wrote itself.
    """
    if requested is not None:
        if requested not in columns:
            raise ColumnError(f"{file}: no column {requested!r}; the columns are {', '.join(map(repr, columns))}")
        return requested
    ranked = []
    for index, name in enumerate(columns):
        cells = [cell for cell in sample.iloc[:, index].tolist() if not is_unsure(cell)]
        readable = sum(_is_outcome(cell) for cell in cells)
        rank = _RANK.get(plain_name(name))
        if cells and (readable * 2 > len(cells) or (rank is not None and readable)):
            ranked.append((len(_OUTCOME_NAMES) if rank is None else rank, name))
    scored = set(RESULT_COLUMNS[:4]) <= set(columns)
    best = [name for rank, name in ranked if rank == min(rank for rank, _ in ranked)]
    if scored and best == [RESULT_COLUMNS[0]]:
        raise ColumnError(
            f"{file} is a scored file: its column {best[0]!r} holds what the model said, and a model learns nothing "
            "from its own words; correct notes in a workbook of `visit-notes review`, or, if you did correct this "
            f"column, say so with --outcome-column {best[0]}"
        )
    if len(best) == 1:
        return best[0]
    expected = "、".join(outcome.label for outcome in Outcome)
    if best:
        raise ColumnError(
            f"{file}: the columns {', '.join(map(repr, best))} all hold outcomes; name one with --outcome-column"
        )
    raise ColumnError(
        f"{file}: no column holds outcomes ({expected}, or their ids); the columns are "
        f"{', '.join(map(repr, columns[:40]))}; name one with --outcome-column"
    )


def _is_outcome(cell: str) -> bool:
    try:
        parse_outcome(cell)
    except LabelError:
        return False
    return True


def parse_concerns(note: str, cell: str, names: Mapping[str, AnyTopic]) -> tuple[GoldConcern, ...]:
    """Return the concerns that a cell lists: 无, JSON as in the corpus, or a line each as ``score`` writes them.

    Args:
        note: the note.
        cell: such as ``[交付工期] 月底到货 — 已答复：可以``; the status may be left out, then it is open.
        names: topics by name, from `labels.topic_names`.

    Raises:
        LabelError: a line is not of this form, or what it quotes is not in the note.
    """
    text = cell.strip()
    if plain_name(text) in _NO_CONCERNS or text == "[]":
        return ()
    if text.startswith(("[{", "[\n{", "[ {")):
        return _json_concerns(note, text, names)
    out: list[GoldConcern] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        match = _CONCERN_LINE.fullmatch(line)
        if match is None:
            raise LabelError(f"{line[:60]!r} is not of the form [主题] 原文 — 已答复：我方答复")
        status_text, _, response = (match["rest"] or "未答复").partition("：")
        after = out[-1].span[1] if out else 0
        out.append(_concern(note, (match["text"], response), (match["topic"], status_text), after=after, names=names))
    return tuple(sorted(out, key=lambda concern: concern.span))


def _json_concerns(note: str, text: str, names: Mapping[str, AnyTopic]) -> tuple[GoldConcern, ...]:
    try:
        records = json.loads(text)
        out: list[GoldConcern] = []
        for record in records:
            response = record.get("response") or ""
            texts = (record["text"], response["text"] if isinstance(response, dict) else response)
            after = out[-1].span[1] if out else 0
            out.append(_concern(note, texts, (record["topic"], record["status"]), after=after, names=names))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, LabelError):
            raise
        raise LabelError(f"the JSON list of concerns cannot be read ({error!r})") from error
    return tuple(out)


def _concern(
    note: str,
    texts: tuple[str, str],
    labels: tuple[str, str],
    *,
    after: int,
    names: Mapping[str, AnyTopic],
) -> GoldConcern:
    """Return one concern of (words, answer) and (topic, status)."""
    span = locate(note, texts[0], after, "the concern")
    response = locate(note, texts[1], span[1], "the answer") if texts[1].strip() else None
    return GoldConcern(span, parse_topic(labels[0], names), parse_status(labels[1]), response)


def locate(note: str, text: str, after: int, what: str) -> tuple[int, int]:
    """Return where ``text`` stands in the note, from ``after`` on if it can be; blanks and line breaks may differ.

    Raises:
        LabelError: it does not stand there.
    """
    wanted = text.strip()
    try:
        return find_span(note, wanted, after)
    except ValueError:
        pass
    pattern = r"\s*".join(map(re.escape, wanted.split())) if wanted else ""
    for match in re.finditer(pattern, note) if pattern else ():
        if match.start() >= after:
            return match.span()
    raise LabelError(f"{what} {wanted[:40]!r} does not stand in the note; copy its words from there")


# --- a corrected review workbook ------------------------------------------------------------------


def _read_review(path: Path, table: Table, names: Mapping[str, AnyTopic], labels: OwnLabels) -> list[OwnNote]:
    where = _Where(path.name, table.dialect.sheet, (table.dialect.header_row or 0) + 1, table.columns)
    rows = [row for chunk in table for row in chunk.frame.to_dict("records")]
    concerns = _ConcernRows(path, names, labels)
    found: list[OwnNote] = []
    seen: dict[str, int] = {}
    n_open = 0
    for index, row in enumerate(rows):
        if not row[REVIEW_NOTE].strip() and not row[NUMBER].strip():
            continue
        example = _review_row(row, index, where, labels, concerns=concerns)
        first = seen.setdefault(row[NUMBER], index)
        if first != index:
            labels.refused.append(
                Refused(
                    where.cell(index, NUMBER),
                    f"the number {row[NUMBER]!r} stands in {where.cell(first, NUMBER)} too; give each note its own",
                )
            )
            continue
        if example is None:
            n_open += 1
            continue
        said = row[MODEL_OUTCOME].strip()
        found.append(
            OwnNote(
                example,
                where.cell(index, OWN_OUTCOME),
                path.name,
                sampled=row[HOW].startswith(RANDOM),
                model_outcome=parse_outcome(said) if _is_outcome(said) else None,
            )
        )
    labels.open += n_open
    concerns.refuse_strangers(set(seen))
    labels.sources.append(f"{path.name}: review workbook, {len(seen)} notes, {len(found)} with a label")
    return found


def _review_row(
    row: Mapping[Any, str], index: int, where: _Where, labels: OwnLabels, *, concerns: _ConcernRows
) -> Example | None:
    note, cell = row[REVIEW_NOTE], row[OWN_OUTCOME]
    checked = row[CHECKED].strip()
    if checked and checked != YES:
        labels.refused.append(
            Refused(where.cell(index, CHECKED), f"the cell holds {checked!r}; expected {YES} or nothing")
        )
    outcome: Outcome | None = None
    evidence: tuple[tuple[int, int], ...] = ()
    if not is_unsure(cell):
        try:
            outcome = parse_outcome(row[MODEL_OUTCOME] if cell.strip() == SAME else cell)
        except LabelError as error:
            labels.refused.append(Refused(where.cell(index, OWN_OUTCOME), str(error)))
    if outcome is not None:
        evidence = _evidence(row, index, where, labels, outcome=outcome)
    own = concerns.of(row[NUMBER], note) if checked == YES else None
    if outcome is None and own is None:
        return None
    if not note.strip():
        labels.refused.append(Refused(where.cell(index, REVIEW_NOTE), "the note is empty, but the row has a label"))
        return None
    name = where.cell(index, OWN_OUTCOME)
    return Example(name, OWN_AUTHOR, note, False, outcome.value if outcome else None, evidence, own)


def _evidence(
    row: Mapping[Any, str], index: int, where: _Where, labels: OwnLabels, *, outcome: Outcome
) -> tuple[tuple[int, int], ...]:
    """Return the clauses that decide: those that the user named, else the model's where the user agrees with it."""
    given = row[OWN_EVIDENCE]
    column = OWN_EVIDENCE
    if not given.strip():
        said = row[MODEL_OUTCOME].strip()
        if not _is_outcome(said) or parse_outcome(said) is not outcome:
            return ()
        given, column = row[MODEL_EVIDENCE], MODEL_EVIDENCE
    spans: list[tuple[int, int]] = []
    for part in filter(None, map(str.strip, given.split(_SEPARATOR))):
        try:
            spans.append(locate(row[REVIEW_NOTE], part, spans[-1][1] if spans else 0, "the evidence"))
        except LabelError as error:
            labels.refused.append(Refused(where.cell(index, column), str(error)))
    return tuple(spans)


class _ConcernRows:
    """The second sheet of a review workbook: a row a concern, by the number of the note."""

    def __init__(self, path: Path, names: Mapping[str, AnyTopic], labels: OwnLabels) -> None:
        self._names, self._labels = names, labels
        self._rows: dict[str, list[tuple[int, Mapping[Any, str]]]] = {}
        self._where: _Where | None = None
        if not _has_sheet(path, CONCERN_SHEET):
            return  # the notes of the queue had no concerns, or the sheet was deleted
        with open_table(path, sheet=CONCERN_SHEET) as table:
            missing = [name for name in CONCERN_COLUMNS if name not in table.columns]
            if missing:
                raise ColumnError(
                    f"{path.name}: the sheet {CONCERN_SHEET} has no column {missing[0]!r}; keep its header as it was"
                )
            self._where = _Where(path.name, CONCERN_SHEET, (table.dialect.header_row or 0) + 1, table.columns)
            index = 0
            for chunk in table:
                for row in chunk.frame.to_dict("records"):
                    if row[CONCERN_COLUMNS[1]].strip():
                        self._rows.setdefault(row[NUMBER].strip(), []).append((index, row))
                    index += 1

    def of(self, number: str, note: str) -> tuple[GoldConcern, ...] | None:
        """Return the concerns of a note, or ``None`` where one of them cannot be used: then none of them is."""
        out: list[GoldConcern] = []
        usable = True
        _, text_column, topic_column, status_column, answer_column, *_ = CONCERN_COLUMNS
        for index, row in self._rows.get(number.strip(), ()):
            assert self._where is not None
            column = text_column
            try:
                span = locate(note, row[text_column], out[-1].span[1] if out else 0, "the concern")
                column = topic_column
                topic = parse_topic(row[topic_column], self._names)
                column = status_column
                status = parse_status(row[status_column])
                column = answer_column
                answer = row[answer_column]
                response = locate(note, answer, span[1], "the answer") if answer.strip() else None
                out.append(GoldConcern(span, topic, status, response))
            except LabelError as error:
                usable = False
                self._labels.refused.append(
                    Refused(self._where.cell(index, column), f"{error}; the concerns of note {number} are not used")
                )
        return tuple(sorted(out, key=lambda concern: concern.span)) if usable else None

    def refuse_strangers(self, known: set[str]) -> None:
        """Name the rows whose note is not in the first sheet."""
        for number, rows in self._rows.items():
            if number not in {name.strip() for name in known}:
                for index, _ in rows:
                    assert self._where is not None
                    self._labels.refused.append(
                        Refused(self._where.cell(index, NUMBER), f"no note has the number {number!r}")
                    )


def _has_sheet(path: Path, name: str) -> bool:
    """Whether a workbook has a sheet of this name with rows."""
    try:
        open_table(path, sheet=name).close()
    except TableError:
        return False
    return True
