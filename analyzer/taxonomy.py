"""Topics and seed words of the user's own trade, from a TOML file or from a model that was trained with them.

A file names a table for each topic: a new one with its Chinese label, or one of the guideline with more words::

    [topics.cold_chain]
    label = "冷链温控"
    group = "履约服务"
    words = ["冷链", "温控", "断链"]

    [topics.price]
    words = ["到手价"]

The rule: a concern that holds a seed word gets its topic where the model is unsure of its own choice, and in any case
where the topic decides ``always``. Unless the file says otherwise, a new topic decides always until a model has learnt
it, as a model that has never seen a topic can be sure of others alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyzer.errors import TaxonomyError
from analyzer.normalize import normalize
from analyzer.records import AnyTopic, OwnTopic, Topic
from analyzer.toml_file import parse_toml

MAX_TOPICS = 40
MAX_WORDS = 2000
MAX_WORD_LENGTH = 20
MAX_LABEL_LENGTH = 20
_MAX_BYTES = 1_000_000
_OTHER_GROUP = "其他"
_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
_KEYS = frozenset({"label", "group", "words", "always"})
_BUILT_IN = {topic.value: topic for topic in Topic}


@dataclass(frozen=True, slots=True)
class TopicEntry:
    """A topic of the taxonomy.

    Attributes:
        topic: one of the user's own or of the guideline.
        words: seed words, normalised.
        always: whether a seed word decides even where the model is sure of another topic; ``None``: for a topic of
            the user's own that no model has learnt.
    """

    topic: AnyTopic
    words: tuple[str, ...]
    always: bool | None = None

    @property
    def decides(self) -> bool:
        """Whether a seed word decides even where the model is sure of another topic."""
        return isinstance(self.topic, OwnTopic) if self.always is None else self.always

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data, as `Taxonomy.from_records` takes it."""
        own = {"label": self.topic.label, "group": self.topic.group} if isinstance(self.topic, OwnTopic) else {}
        always = {} if self.always is None else {"always": self.always}
        return {"id": self.topic.value, **own, "words": list(self.words), **always}


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The guideline's topics with a user's additions.

    >>> cold = OwnTopic("cold_chain", "冷链温控", "履约服务")
    >>> taxonomy = Taxonomy((TopicEntry(cold, ("冷链", "断链")),))
    >>> taxonomy.topic_of("夏天怕断链", Topic.DELIVERY, sure=True).label
    '冷链温控'
    >>> taxonomy.topic_of("交期长", Topic.DELIVERY, sure=True) is None
    True
    """

    entries: tuple[TopicEntry, ...] = ()

    @property
    def own(self) -> tuple[OwnTopic, ...]:
        """The user's own topics, in the order of the file."""
        return tuple(entry.topic for entry in self.entries if isinstance(entry.topic, OwnTopic))

    @property
    def topics(self) -> tuple[AnyTopic, ...]:
        """All topics: the guideline's, then the user's own."""
        return (*Topic, *self.own)

    @property
    def phrases(self) -> list[tuple[str, str]]:
        """The seed words as (topic id, phrase), to learn from."""
        return [(entry.topic.value, word) for entry in self.entries for word in entry.words]

    def topic_of(self, text: str, found: AnyTopic, *, sure: bool) -> AnyTopic | None:
        """Return the topic that a seed word in ``text`` demands, or ``None`` where the model's choice stands.

        The longest seed word in the text decides, among equals the first in the file.

        Args:
            text: a concern's words.
            found: the model's topic.
            sure: whether the model is sure of it.
        """
        clean = normalize(text)
        best: tuple[int, TopicEntry] | None = None
        for entry in self.entries:
            if (entry.decides or not sure) and entry.topic != found:
                length = max((len(word) for word in entry.words if word in clean), default=0)
                if length > (best[0] if best else 0):
                    best = (length, entry)
        # A word for the model's own choice that is at least as long confirms it.
        if best and any(
            len(word) >= best[0] and word in clean
            for entry in self.entries
            if entry.topic == found
            for word in entry.words
        ):
            return None
        return best[1].topic if best else None

    def learnt(self, topics: Collection[AnyTopic]) -> Taxonomy:
        """Return the taxonomy for a model that knows ``topics``: words of these decide only where it is unsure.

        An ``always`` that the file states stays.
        """
        return Taxonomy(
            tuple(
                TopicEntry(entry.topic, entry.words, False) if entry.always is None and entry.topic in topics else entry
                for entry in self.entries
            )
        )

    def merged(self, newer: Taxonomy) -> Taxonomy:
        """Return both; where both hold a topic, the entry of ``newer`` counts."""
        entries = {entry.topic.value: entry for entry in (*self.entries, *newer.entries)}
        return Taxonomy(tuple(entries.values()))

    @classmethod
    def from_records(cls, records: Sequence[Mapping[str, Any]]) -> Taxonomy:
        """Return the taxonomy of plain JSON data.

        Raises:
            TaxonomyError: something is missing, unknown or too large.
        """
        seen: dict[str, TopicEntry] = {}
        for record in records:
            entry = _entry(record)
            if entry.topic.value in seen:
                raise TaxonomyError(f"the topic {entry.topic.value!r} stands there twice; keep one")
            seen[entry.topic.value] = entry
        # Cells may name a topic by label or id, so none of these may stand for two.
        names = {_plain(name): topic.value for topic in Topic for name in (topic.value, topic.label)}
        names.update((_plain(name), name) for name in seen)
        for entry in seen.values():
            other = names.setdefault(_plain(entry.topic.label), entry.topic.value)
            if other != entry.topic.value:
                raise TaxonomyError(f"the label {entry.topic.label!r} is that of the topic {other!r}; choose another")
        taxonomy = cls(tuple(seen.values()))
        if len(taxonomy.own) > MAX_TOPICS:
            raise TaxonomyError(f"{len(taxonomy.own)} topics of one's own found; at most {MAX_TOPICS} are possible")
        if len(taxonomy.phrases) > MAX_WORDS:
            raise TaxonomyError(f"{len(taxonomy.phrases)} seed words found; at most {MAX_WORDS} are possible")
        of_word: dict[str, str] = {}
        for topic, word in taxonomy.phrases:
            other = of_word.setdefault(word, topic)
            if other != topic:
                raise TaxonomyError(f"the seed word {word!r} stands under {other!r} and {topic!r}; keep one")
        return taxonomy


def _plain(name: str) -> str:
    return "".join(normalize(name).split())


def _entry(record: Mapping[str, Any]) -> TopicEntry:
    name = record.get("id")
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise TaxonomyError(
            f"the topic name {name!r} is not an id; expected small letters, digits and _, such as cold_chain "
            "(the Chinese name goes into label)"
        )
    if unknown := sorted(set(record) - _KEYS - {"id"}):
        raise TaxonomyError(f"topic {name!r}: unknown key {unknown[0]!r}; expected {', '.join(sorted(_KEYS))}")
    given = record.get("words", [])
    if not isinstance(given, list) or not all(isinstance(word, str) for word in given):
        raise TaxonomyError(f"topic {name!r}: words is {given!r}; expected a list of texts")
    words = tuple(dict.fromkeys(normalize(word).strip() for word in given))
    for word in words:
        if not 1 <= len(word) <= MAX_WORD_LENGTH or "\n" in word:
            raise TaxonomyError(f"topic {name!r}: the seed word {word!r} should have 1 to {MAX_WORD_LENGTH} characters")
    topic = _BUILT_IN.get(name) or _own_topic(name, record)
    if isinstance(topic, Topic) and ("label" in record or "group" in record):
        raise TaxonomyError(f"topic {name!r} is one of the guideline ({topic.label}); give it words only")
    always = record.get("always")
    if not (always is None or isinstance(always, bool)):
        raise TaxonomyError(f"topic {name!r}: always is {always!r}; expected true or false")
    return TopicEntry(topic, words, always)


def _own_topic(name: str, record: Mapping[str, Any]) -> OwnTopic:
    texts = {}
    for key, default in (("label", None), ("group", _OTHER_GROUP)):
        text = record.get(key, default)
        if not isinstance(text, str) or not text.strip() or len(text) > MAX_LABEL_LENGTH or not text.isprintable():
            raise TaxonomyError(
                f"topic {name!r}: {key} is {text!r}; expected a text of at most {MAX_LABEL_LENGTH} characters, "
                f'such as {key} = "冷链温控"'
            )
        texts[key] = text.strip()
    return OwnTopic(name, texts["label"], texts["group"])


def read_taxonomy(path: Path) -> Taxonomy:
    """Read a TOML file of topics.

    Raises:
        TaxonomyError: the file cannot be read or breaks the format; the message names it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise TaxonomyError(f"it has more than {_MAX_BYTES} bytes")
        content = parse_toml(data)
        if unknown := sorted(set(content) - {"topics"}):
            raise TaxonomyError(f"unknown table {unknown[0]!r}; expected [topics.NAME]")
        topics = content.get("topics")
        if not isinstance(topics, dict) or not topics:
            raise TaxonomyError("it names no topic; expected a table [topics.NAME]")
        for name, entry in topics.items():
            if not isinstance(entry, dict) or "id" in entry:
                raise TaxonomyError(f"{name!r} is {entry!r}; expected a table [topics.{name}] with label and words")
        return Taxonomy.from_records([{**entry, "id": name} for name, entry in topics.items()])
    except OSError as error:
        raise TaxonomyError(f"{path} cannot be read ({error.strerror or error}); check the name") from error
    except (ValueError, RecursionError) as error:  # TOML, UTF-8 and our own
        raise TaxonomyError(f"{path.name}: {error}") from error
