"""Annotated notes and fragments, as JSON Lines in the format of data/GUIDELINE.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyzer.errors import CorpusError
from analyzer.records import Action, AnyTopic, Outcome, Status, Topic

TOPICS_BY_ID: Mapping[str, AnyTopic] = {topic.value: topic for topic in Topic}
NO_OUTCOME = "none"  # label of an outcome fragment that decides nothing


@dataclass(frozen=True, slots=True)
class GoldConcern:
    """An annotated concern; spans are (start, end) in the note."""

    span: tuple[int, int]
    topic: AnyTopic
    status: Status
    response: tuple[int, int] | None


def voice_of(author: str) -> str:
    """Return the kind of notes in a corpus file: the first part of its name, or ``vivid``.

    >>> voice_of("plain_trade"), voice_of("medical")
    ('plain', 'vivid')
    """
    first = author.split("_", maxsplit=1)[0]
    return first if first in VOICES else "vivid"


VOICES = ("vivid", "plain", "crm", "concerns", "short", "mixed")


@dataclass(frozen=True, slots=True)
class Example:
    """An annotated note, or a fragment of one.

    Attributes:
        id: the record's id.
        author: name of the file: each is written by another author.
        note: the text.
        is_fragment: whether it is one to three clauses rather than a whole note.
        outcome: an ``Outcome`` value, ``"none"`` for a fragment that decides nothing, ``None`` where not annotated.
        evidence: spans that decide the outcome.
        concerns: ``None`` where concerns were not annotated.
        commitment: span of the customer's act.
        action: kind of the act.
        due: span of the words that name its time.
    """

    id: str
    author: str
    note: str
    is_fragment: bool
    outcome: str | None
    evidence: tuple[tuple[int, int], ...] = ()
    concerns: tuple[GoldConcern, ...] | None = ()
    commitment: tuple[int, int] | None = None
    action: Action | None = None
    due: tuple[int, int] | None = None


def read_corpus(folder: Path) -> list[Example]:
    """Read ``notes/*.jsonl`` and ``fragments/*.jsonl`` of ``folder``.

    Raises:
        CorpusError: no file found, or a record breaks the format; the message names file and line.
    """
    paths = [*sorted(folder.glob("notes/*.jsonl")), *sorted(folder.glob("fragments/*.jsonl"))]
    if not paths:
        raise CorpusError(f"no corpus in {folder}; expected notes/*.jsonl and fragments/*.jsonl")
    return [example for path in paths for example in _read_file(path)]


def read_topic_phrases(folder: Path) -> list[tuple[str, str]]:
    """Read ``topics/*.tsv`` of ``folder``: lines of topic, tab, phrase. A corpus may have none.

    Raises:
        CorpusError: a line breaks the format; the message names file and line.
    """
    out = []
    for path in sorted(folder.glob("topics/*.tsv")):
        for number, line in _lines(path):
            topic, tab, phrase = line.partition("\t")
            if topic not in TOPICS_BY_ID or not tab or not phrase.strip():
                raise CorpusError(f"{path.name}, line {number}: {line!r}; expected a topic id, a tab and a phrase")
            out.append((topic, phrase))
    return out


def corpus_hash(folder: Path) -> str:
    """Return the SHA-256 of names and contents of all corpus files, to tell which data a model saw."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*/*.jsonl"), *folder.glob("*/*.tsv")]):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of every line that is not blank."""
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CorpusError(f"{path.name}, line {number}: not UTF-8 text ({error}); save it as UTF-8") from error
        if text.strip():
            yield number, text


def _read_file(path: Path) -> Iterator[Example]:
    for number, line in _lines(path):
        try:
            yield example_of(json.loads(line), path.stem)
        except KeyError as error:
            raise CorpusError(f"{path.name}, line {number}: the field {error} is missing") from error
        except (ValueError, TypeError, RecursionError) as error:
            raise CorpusError(f"{path.name}, line {number}: {error}") from error


def example_of(record: dict[str, Any], author: str, topics: Mapping[str, AnyTopic] = TOPICS_BY_ID) -> Example:
    """Return a record of the format of data/GUIDELINE.md.

    Args:
        record: the JSON object.
        author: name of its author.
        topics: the topics that concerns may have, by id.

    Raises:
        KeyError: a field is missing.
        ValueError: a field holds what it may not, or a span is not in the note.
        TypeError: a field is of the wrong type.
    """
    is_fragment = "text" in record
    note = record["text"] if is_fragment else record["note"]
    if not isinstance(note, str) or not note:
        raise ValueError(f"the note is {note!r}; expected text")
    outcome = record["outcome"]
    if not is_fragment or outcome not in (None, NO_OUTCOME):  # a fragment alone may decide nothing
        Outcome(outcome)
    evidence = record.get("evidence", [])
    if not isinstance(evidence, list):
        raise ValueError(f"evidence is {evidence!r}; expected a list")
    commitment, action, due = record.get("commitment"), None, None
    act = None
    if commitment is not None:
        act, action = find_span(note, commitment["text"], 0), Action(commitment["action"])
        due = find_span(note, commitment["due"], act[0]) if commitment["due"] else None
    return Example(
        id=record["id"],
        author=author,
        note=note,
        is_fragment=is_fragment,
        outcome=outcome,
        evidence=tuple(find_span(note, text, 0) for text in evidence),
        concerns=None if record["concerns"] is None else tuple(_concerns(note, record["concerns"], topics)),
        commitment=act,
        action=action,
        due=due,
    )


def _concerns(note: str, records: list[dict[str, Any]], topics: Mapping[str, AnyTopic]) -> Iterator[GoldConcern]:
    """Locate concerns, which stand in note order: each is looked for after the one before it."""
    after = 0
    for record in records:
        span = find_span(note, record["text"], after)
        after = span[1] if span[0] >= after else after
        response, topic = record["response"], record["topic"]
        if topic not in topics:
            raise ValueError(f"{topic!r} is not a valid topic; expected one of {', '.join(topics)}")
        yield GoldConcern(
            span,
            topics[topic],
            Status(record["status"]),
            find_span(note, response, span[1]) if response else None,
        )


def find_span(note: str, text: str, after: int) -> tuple[int, int]:
    """Return the span of ``text``: the first one from ``after`` on, or else the first one.

    Raises:
        ValueError: it is not in the note.
    """
    start = note.find(text, after)
    if start < 0:
        start = note.find(text)
    if start < 0 or not text:
        raise ValueError(f"{text!r} is not a substring of the note")
    return start, start + len(text)
