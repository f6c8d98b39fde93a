"""Annotations to and from the annotation tools doccano and Label Studio, and corpus files.

Spans carry one label each, the same in both tools: ``关注点/价格预算/未答复`` (topic and status), ``我方答复``,
``依据``, ``承诺/签约下单``, ``时间``. The outcome is a label of the whole text. An answer is tied to its concern by a
relation, or, where the tool has none, to the nearest concern before it that has no answer yet.

doccano: JSON Lines as its sequence labelling, relation, slot filling and classification projects write them
(``label``, or ``entities``, ``relations`` and ``cats``). Label Studio: the JSON list of tasks with ``annotations``
and their ``result``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from analyzer.corpus import Example, GoldConcern, example_of
from analyzer.errors import LabelError
from analyzer.labels import is_unsure, parse_outcome, parse_status, parse_topic, topic_names
from analyzer.records import Action, AnyTopic, Offsets, Outcome, Status

RECORD_ENDINGS = frozenset({".jsonl", ".ndjson", ".json"})
CONCERN, ANSWER, EVIDENCE, COMMITMENT, DUE = "关注点", "我方答复", "依据", "承诺", "时间"
_RELATION = "答复"
_NOTE_ID, _HAS_CONCERNS = "note_id", "concerns_annotated"
_MAX_BYTES = 500_000_000
_ACTIONS = {name: action for action in Action for name in (action.label, action.value)}


@dataclass(frozen=True, slots=True)
class SpanMark:
    """A labelled stretch as a tool gives it, with the words under it where the tool repeats them."""

    key: str
    start: int
    end: int
    label: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Marks:
    """All that a tool says of one note."""

    note_id: str
    text: str
    outcome: str
    spans: tuple[SpanMark, ...]
    relations: tuple[tuple[str, str], ...]
    has_concerns: bool | None


@dataclass(slots=True)
class Annotations:
    """What was read from a file.

    Attributes:
        kind: ``doccano``, ``Label Studio`` or ``corpus``.
        notes: place and note, such as ``export.json task 7``.
        refused: place and reason of records that cannot be used.
        remarks: place and what was put right or cannot be checked.
        open: records without any annotation.
    """

    kind: str
    notes: list[tuple[str, Example]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    open: int = 0

    def counts(self) -> dict[str, int]:
        """Return how many notes, outcomes and spans of each kind there are."""
        return count_annotations(example for _, example in self.notes)


def count_annotations(examples: Iterable[Example]) -> dict[str, int]:
    """Return how many notes, outcomes and spans of each kind there are."""
    out: Counter[str] = Counter()
    for example in examples:
        out["notes"] += 1
        out["outcomes"] += example.outcome is not None
        out["evidence"] += len(example.evidence)
        out["concerns"] += len(example.concerns or ())
        out["answers"] += sum(concern.response is not None for concern in example.concerns or ())
        out["commitments"] += example.commitment is not None
    return dict(out)


# --- reading --------------------------------------------------------------------------------------


def read_annotations(path: Path, topics: Iterable[AnyTopic], author: str) -> Annotations | None:
    """Read a file of annotations, or return ``None`` where it is a plain table.

    Args:
        path: a .json, .jsonl or .ndjson file.
        topics: the topics that concerns may have.
        author: author of the notes.

    Raises:
        LabelError: the file cannot be read.
    """
    if path.suffix.lower() not in RECORD_ENDINGS:
        return None
    records = list(_json_records(path))
    first = next((record for _, record in records if isinstance(record, dict)), None)
    if first is None:
        return None
    names = topic_names(topics)
    if isinstance(first.get("data"), dict) and ("annotations" in first or "predictions" in first):
        return _read_tool("Label Studio", records, _label_studio_marks, names, author)
    if isinstance(first.get("text"), str) and {"label", "labels", "entities", "cats"} & set(first):
        return _read_tool("doccano", records, _doccano_marks, names, author)
    if isinstance(first.get("note"), str) and {"outcome", "concerns"} <= set(first):
        return _read_corpus(records, {topic.value: topic for topic in names.values()}, author)
    return None


def _json_records(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield place and content of every record of a JSON list or of JSON Lines; a broken line comes as an error."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise LabelError(f"{path.name} has {path.stat().st_size} bytes; expected at most {_MAX_BYTES}; split it")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror or error}); check the name") from error
    except UnicodeDecodeError:
        return  # a table in another encoding
    if text.lstrip().startswith("["):
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise LabelError(f"{path.name} is no valid JSON ({error}); export it again") from error
        for number, record in enumerate(content, 1):
            name = record.get("id", number) if isinstance(record, dict) else number
            yield f"{path.name} task {name}", record
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield f"{path.name} line {number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                yield f"{path.name} line {number}", error


def _read_tool(
    kind: str,
    records: Sequence[tuple[str, Any]],
    marks_of: Callable[[Any], tuple[Marks | None, list[str]]],
    names: Mapping[str, AnyTopic],
    author: str,
) -> Annotations:
    out = Annotations(kind)
    found: list[tuple[str, Marks]] = []
    for place, record in records:
        try:
            if not isinstance(record, dict):
                raise LabelError(f"the record cannot be read ({record!r:.80}); expected a JSON object")
            marks, remarks = marks_of(record)
        except _DAMAGED as error:
            out.refused.append((place, _reason(error)))
            continue
        out.remarks += [(place, remark) for remark in remarks]
        if marks is None:
            out.open += 1
        else:
            found.append((place, marks))
    # Where no record says so, spans of concerns anywhere in the file mean that concerns were looked for.
    looked_for = any(mark.label.startswith(CONCERN) for _, marks in found for mark in marks.spans)
    for place, marks in found:
        try:
            example, remarks = _example(marks, names, author, looked_for=looked_for)
        except _DAMAGED as error:
            out.refused.append((place, _reason(error)))
            continue
        out.remarks += [(place, remark) for remark in remarks]
        out.notes.append((place, example))
    order = {place: number for number, (place, _) in enumerate(records)}
    out.refused.sort(key=lambda one: order[one[0]])
    return out


_DAMAGED = (LabelError, KeyError, TypeError, ValueError, AttributeError)  # what records of any shape raise


def _reason(error: Exception) -> str:
    if isinstance(error, LabelError):
        return str(error)
    found = f"the field {error} is missing" if isinstance(error, KeyError) else str(error)
    return f"the record is not as the tool writes it ({found}); export it again"


def _read_corpus(records: Sequence[tuple[str, Any]], topics: Mapping[str, AnyTopic], author: str) -> Annotations:
    out = Annotations("corpus")
    for place, record in records:
        try:
            if not isinstance(record, dict):
                raise LabelError(f"the record cannot be read ({record!r:.80}); expected a JSON object")
            out.notes.append((place, example_of(record, author, topics)))
        except _DAMAGED as error:
            out.refused.append((place, f"the field {error} is missing" if isinstance(error, KeyError) else str(error)))
    return out


def _doccano_marks(record: dict[str, Any]) -> tuple[Marks | None, list[str]]:
    text = record["text"]
    given = record.get("entities", record.get("label", record.get("labels", [])))
    cats = record.get("cats", [])
    if isinstance(given, str):
        given = [given]
    spans, labels = [], [cats] if isinstance(cats, str) else list(cats)
    for number, one in enumerate(given):
        if isinstance(one, str):
            labels.append(one)
        elif isinstance(one, dict):
            spans.append(
                SpanMark(str(one.get("id", number)), one["start_offset"], one["end_offset"], one["label"], None)
            )
        else:
            start, end, label = one
            spans.append(SpanMark(str(number), start, end, label, None))
    relations = tuple((str(one["from_id"]), str(one["to_id"])) for one in record.get("relations", []))
    if not spans and not labels:
        return None, []
    remarks = []
    if spans and any(ord(char) > 0xFFFF for char in text):
        remarks.append(
            "the text holds characters such as emoji, and doccano repeats no words: check these spans by eye"
        )
    return Marks(
        str(record.get(_NOTE_ID, record.get("id", ""))), text, _one_outcome(labels), tuple(spans), relations,
        record.get(_HAS_CONCERNS),
    ), remarks  # fmt: skip


def _label_studio_marks(record: dict[str, Any]) -> tuple[Marks | None, list[str]]:
    data = record["data"]
    texts = [data[key] for key in ("text", "note") if isinstance(data.get(key), str)]
    texts += [value for key, value in data.items() if isinstance(value, str) and key != _NOTE_ID]
    if not texts:
        raise LabelError(f"the task has no text; its data are {sorted(data)}")
    done = [one for one in record.get("annotations", []) if not one.get("was_cancelled")]
    if not done:
        return None, []
    latest = max(done, key=lambda one: str(one.get("updated_at", "")))
    remarks = [f"{len(done)} annotations; the latest is used"] if len(done) > 1 else []
    spans, labels, relations = [], [], []
    for one in latest["result"]:
        if one["type"] == "labels":
            value = one["value"]
            if len(value["labels"]) != 1:
                raise LabelError(f"a span has the labels {value['labels']}; expected one")
            spans.append(SpanMark(one["id"], value["start"], value["end"], value["labels"][0], value.get("text")))
        elif one["type"] == "choices":
            labels += one["value"]["choices"]
        elif one["type"] == "relation":
            relations.append((one["from_id"], one["to_id"]))
        else:
            raise LabelError(f"a result is of type {one['type']!r}; expected labels, choices or relation")
    if not spans and not labels and data.get(_HAS_CONCERNS) is None:
        return None, remarks
    return Marks(
        str(data.get(_NOTE_ID, record.get("id", ""))), texts[0], _one_outcome(labels), tuple(spans), tuple(relations),
        data.get(_HAS_CONCERNS),
    ), remarks  # fmt: skip


def _one_outcome(labels: Sequence[str]) -> str:
    known = [label for label in labels if not is_unsure(label)]
    if len(known) > 1:
        raise LabelError(f"the text has the labels {known}; expected one outcome")
    return known[0] if known else ""


def _example(
    marks: Marks, names: Mapping[str, AnyTopic], author: str, *, looked_for: bool
) -> tuple[Example, list[str]]:
    """Return the note of some marks, every span checked against the text."""
    if not marks.text.strip():
        raise LabelError("the text is empty")
    outcome = parse_outcome(marks.outcome).value if marks.outcome else None
    evidence: list[Offsets] = []
    answers: dict[str, Offsets] = {}
    concerns: dict[str, GoldConcern] = {}
    commitment: tuple[Offsets, Action] | None = None
    due: Offsets | None = None
    remarks: list[str] = []
    for mark in marks.spans:
        span = _checked(marks.text, mark, remarks)
        kind, *parts = mark.label.split("/")
        if kind == CONCERN and len(parts) == 2:
            concerns[mark.key] = GoldConcern(span, parse_topic(parts[0], names), parse_status(parts[1]), None)
        elif kind == ANSWER and not parts:
            answers[mark.key] = span
        elif kind == EVIDENCE and not parts:
            evidence.append(span)
        elif kind == COMMITMENT and len(parts) == 1 and parts[0] in _ACTIONS:
            if commitment is not None:
                raise LabelError("there are two commitments; expected one")
            commitment = span, _ACTIONS[parts[0]]
        elif kind == DUE and not parts:
            due = span
        else:
            raise LabelError(
                f"the label {mark.label!r} is none of ours; expected {CONCERN}/主题/状态, {ANSWER}, {EVIDENCE}, "
                f"{COMMITMENT}/类型 or {DUE}"
            )
    annotated = marks.has_concerns if marks.has_concerns is not None else looked_for or bool(concerns)
    tied = tie_answers(concerns, answers, marks.relations)
    return Example(
        marks.note_id, author, marks.text, False, outcome, tuple(sorted(evidence)),
        tuple(sorted(tied, key=lambda one: one.span)) if annotated else None,
        commitment[0] if commitment else None, commitment[1] if commitment else None, due,
    ), remarks  # fmt: skip


def tie_answers(
    concerns: Mapping[str, GoldConcern], answers: Mapping[str, Offsets], relations: Sequence[tuple[str, str]]
) -> list[GoldConcern]:
    """Return the concerns with their answers: by relations, else the nearest concern before that has none.

    Raises:
        LabelError: an answer is tied to two concerns or to none.
    """
    out = dict(concerns)
    left = dict(answers)
    for one, other in relations:
        concern, answer = (one, other) if one in concerns else (other, one)
        if concern in concerns and answer in answers:
            if out[concern].response is not None or answer not in left:
                raise LabelError("an answer is tied to two concerns, or a concern to two answers; expected one each")
            out[concern] = _with_answer(out[concern], left.pop(answer))
    for answer, span in sorted(left.items(), key=lambda item: item[1]):
        free = [key for key, one in out.items() if one.response is None and one.span[0] <= span[0]]
        if not free:
            raise LabelError(f"the answer at {span[0]}–{span[1]} ({answer}) has no concern before it; tie it to one")
        nearest = max(free, key=lambda key: out[key].span)
        out[nearest] = _with_answer(out[nearest], span)
    return list(out.values())


def _with_answer(concern: GoldConcern, answer: Offsets) -> GoldConcern:
    return GoldConcern(concern.span, concern.topic, concern.status, answer)


def _checked(text: str, mark: SpanMark, remarks: list[str]) -> Offsets:
    """Return the offsets of a mark in Python characters.

    Browsers count UTF-16 units, in which an emoji is two: where the words that the tool repeats stand at the offsets
    counted so, and not at those counted in characters, the offsets are put right and that is said.

    Raises:
        LabelError: the words do not stand there.
    """
    start, end = mark.start, mark.end
    whole = isinstance(start, int) and isinstance(end, int) and not isinstance(start, bool)
    if not whole or not 0 <= start < end <= len(text.encode("utf-16-le", "surrogatepass")) // 2:
        raise LabelError(f"the span {start!r}–{end!r} is not in the text of {len(text)} characters")
    if mark.text is None:
        if end > len(text):
            raise LabelError(f"the span {start}–{end} is not in the text of {len(text)} characters")
        return start, end
    if text[start:end] == mark.text:
        return start, end
    shifted = _from_utf16(text, start), _from_utf16(text, end)
    if None not in shifted and text[slice(*shifted)] == mark.text:
        remarks.append(f"the span {start}–{end} {mark.text!r:.40} was counted in UTF-16 units; put right")
        return shifted  # type: ignore[return-value]
    raise LabelError(
        f"the text at {start}–{end} is {text[start:end]!r:.60}, but the tool says {mark.text!r:.60}: "
        "the offsets were shifted, or the text was changed"
    )


def _from_utf16(text: str, units: int) -> int | None:
    """Return the character at an offset in UTF-16 units, ``None`` inside a character."""
    data = text.encode("utf-16-le", "surrogatepass")[: 2 * units]
    try:
        return len(data.decode("utf-16-le"))
    except UnicodeDecodeError:
        return None


# --- writing --------------------------------------------------------------------------------------


def _entities(example: Example) -> tuple[list[tuple[Offsets, str]], list[tuple[int, int]]]:
    """Return the labelled spans of a note, and the pairs (answer, concern) of their places in the list."""
    spans: list[tuple[Offsets, str]] = [(span, EVIDENCE) for span in example.evidence]
    pairs = []
    for concern in example.concerns or ():
        spans.append((concern.span, f"{CONCERN}/{concern.topic.label}/{concern.status.label}"))
        if concern.response is not None:
            pairs.append((len(spans), len(spans) - 1))
            spans.append((concern.response, ANSWER))
    if example.commitment is not None and example.action is not None:
        spans.append((example.commitment, f"{COMMITMENT}/{example.action.label}"))
    if example.due is not None:
        spans.append((example.due, DUE))
    return spans, pairs


def _outcome_label(example: Example) -> str:
    return Outcome(example.outcome).label if example.outcome else ""


def doccano_lines(examples: Iterable[Example]) -> Iterator[str]:
    """Yield the notes as JSON Lines for doccano: ``entities`` with ``relations``, the outcome in ``cats``.

    Numbers of spans are unique over the file, as relations refer to them.
    """
    begin = 0
    for example in examples:
        spans, pairs = _entities(example)
        record = {
            _NOTE_ID: example.id,
            "text": example.note,
            "entities": [
                {"id": number, "start_offset": start, "end_offset": end, "label": label}
                for number, ((start, end), label) in enumerate(spans, begin)
            ],
            "relations": [
                {"id": begin + answer, "from_id": begin + answer, "to_id": begin + concern, "type": _RELATION}
                for answer, concern in pairs
            ],
            "cats": [_outcome_label(example)] if example.outcome else [],
            _HAS_CONCERNS: example.concerns is not None,
        }
        begin += len(spans)
        yield json.dumps(record, ensure_ascii=True) + "\n"  # escapes: half a character has no UTF-8


def corpus_lines(examples: Iterable[Example]) -> Iterator[str]:
    """Yield the notes as JSON Lines in the format of data/GUIDELINE.md, for ``data/corpus/notes``."""
    for example in examples:

        def text(span: Offsets | None, note: str = example.note) -> str | None:
            return None if span is None else note[slice(*span)]

        concerns = example.concerns and [
            {
                "text": text(one.span),
                "topic": one.topic.value,
                "status": one.status.value,
                "response": text(one.response),
            }
            for one in example.concerns
        ]
        act = example.commitment and example.action
        record = {
            "id": example.id,
            "note": example.note,
            "outcome": example.outcome,
            "evidence": [text(span) for span in example.evidence],
            "concerns": list(concerns) if concerns is not None else None,
            "commitment": {"text": text(example.commitment), "action": act.value, "due": text(example.due)}
            if act
            else None,
        }
        yield json.dumps(record, ensure_ascii=True) + "\n"


def label_studio_tasks(examples: Iterable[Example], *, as_predictions: bool = False) -> list[dict[str, Any]]:
    """Return the notes as tasks for Label Studio.

    Args:
        examples: the notes.
        as_predictions: whether the labels are a model's, to be corrected, rather than a person's.
    """
    return [_task(example, as_predictions=as_predictions) for example in examples]


def _task(example: Example, *, as_predictions: bool) -> dict[str, Any]:
    spans, pairs = _entities(example)
    result: list[dict[str, Any]] = [
        {
            "id": f"s{number}",
            "from_name": "span",
            "to_name": "text",
            "type": "labels",
            "value": {"start": start, "end": end, "text": example.note[start:end], "labels": [label]},
        }
        for number, ((start, end), label) in enumerate(spans)
    ]
    result += [
        {"type": "relation", "from_id": f"s{answer}", "to_id": f"s{concern}", "direction": "right"}
        for answer, concern in pairs
    ]
    if example.outcome:
        choice = {"choices": [_outcome_label(example)]}
        result.append({"id": "o", "from_name": "outcome", "to_name": "text", "type": "choices", "value": choice})
    made = {"model_version": "visit-notes", "result": result} if as_predictions else {"result": result}
    return {
        "data": {"text": example.note, _NOTE_ID: example.id, _HAS_CONCERNS: example.concerns is not None},
        "predictions" if as_predictions else "annotations": [made],
    }


def span_labels(topics: Iterable[AnyTopic]) -> list[str]:
    """Return all labels that a span may have."""
    concerns = [f"{CONCERN}/{topic.label}/{status.label}" for topic in topics for status in Status]
    return [*concerns, ANSWER, EVIDENCE, *(f"{COMMITMENT}/{action.label}" for action in Action), DUE]


def label_studio_config(topics: Iterable[AnyTopic]) -> str:
    """Return the labelling configuration for a Label Studio project."""
    labels = "\n".join(f"    <Label value={quoteattr(label)}/>" for label in span_labels(topics))
    choices = "\n".join(f"    <Choice value={quoteattr(outcome.label)}/>" for outcome in Outcome)
    return (
        "<View>\n"
        '  <Choices name="outcome" toName="text" choice="single" showInline="true">\n'
        f"{choices}\n  </Choices>\n"
        f'  <Labels name="span" toName="text">\n{labels}\n  </Labels>\n'
        '  <Text name="text" value="$text" granularity="symbol"/>\n'
        "</View>\n"
    )


def doccano_labels(topics: Iterable[AnyTopic]) -> str:
    """Return the span labels as doccano's label import takes them."""
    labels = [{"text": label, "suffix_key": None} for label in span_labels(topics)]
    return json.dumps(labels, ensure_ascii=False, indent=2) + "\n"
