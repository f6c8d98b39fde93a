from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import TaxonomyError
from analyzer.records import OwnTopic, Topic
from analyzer.taxonomy import MAX_TOPICS, MAX_WORDS, Taxonomy, TopicEntry, read_taxonomy

COLD = OwnTopic("cold_chain", "冷链温控", "履约服务")
FILE = """
[topics.cold_chain]
label = "冷链温控"
group = "履约服务"
words = ["冷链", "断链", "冷链"]

[topics.price]
words = ["到手价", "ＦＯＢ價"]
"""


@pytest.fixture
def taxonomy(tmp_path: Path) -> Taxonomy:
    path = tmp_path / "my.toml"
    path.write_text(FILE, encoding="utf-8")
    return read_taxonomy(path)


def test_a_file_is_read(taxonomy: Taxonomy) -> None:
    assert taxonomy.entries == (
        TopicEntry(COLD, ("冷链", "断链")),
        TopicEntry(Topic.PRICE, ("到手价", "fob价")),
    )
    assert taxonomy.own == (COLD,)
    assert taxonomy.topics == (*Topic, COLD)
    assert taxonomy.phrases == [("cold_chain", "冷链"), ("cold_chain", "断链"), ("price", "到手价"), ("price", "fob价")]
    assert Taxonomy.from_records([entry.to_dict() for entry in taxonomy.entries]) == taxonomy


@pytest.mark.parametrize(
    ("text", "found", "sure", "expected"),
    [
        ("怕断链", Topic.DELIVERY, True, COLD),  # a new topic decides even where the model is sure
        ("怕断链", Topic.DELIVERY, False, COLD),
        ("怕断链", COLD, True, None),  # the model's own choice
        ("交期长", Topic.DELIVERY, False, None),
        ("到手價偏高", Topic.VALUE, False, Topic.PRICE),  # traditional characters and capitals count the same
        ("FOB价偏高", Topic.VALUE, False, Topic.PRICE),
        ("到手价偏高", Topic.VALUE, True, None),  # a word for a topic of the guideline: only where unsure
        ("冷链的到手价", Topic.VALUE, False, Topic.PRICE),  # the longer word
        ("断链冷链", Topic.VALUE, False, COLD),
        ("冷链的到手价", Topic.PRICE, False, None),  # the longer word confirms the model's choice
        ("", Topic.VALUE, False, None),
    ],
)
def test_the_rule(taxonomy: Taxonomy, text: str, found: Topic, sure: bool, expected: Topic | OwnTopic | None) -> None:
    assert taxonomy.topic_of(text, found, sure=sure) == expected


def test_a_learnt_topic_decides_only_where_the_model_is_unsure(taxonomy: Taxonomy) -> None:
    learnt = taxonomy.learnt((*Topic, COLD))
    assert learnt.topic_of("怕断链", Topic.DELIVERY, sure=True) is None
    assert learnt.topic_of("怕断链", Topic.DELIVERY, sure=False) == COLD
    assert taxonomy.learnt(tuple(Topic)).topic_of("怕断链", Topic.DELIVERY, sure=True) == COLD
    stated = Taxonomy((TopicEntry(COLD, ("断链",), True),)).learnt((COLD,))
    assert stated.topic_of("怕断链", Topic.DELIVERY, sure=True) == COLD


def test_a_newer_entry_replaces_an_older_one(taxonomy: Taxonomy) -> None:
    newer = Taxonomy((TopicEntry(Topic.PRICE, ("底价",), True), TopicEntry(Topic.VALUE, (), False)))
    merged = taxonomy.merged(newer)
    assert [entry.topic for entry in merged.entries] == [COLD, Topic.PRICE, Topic.VALUE]
    assert merged.entries[1].words == ("底价",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no topic"),
        ("topics = 3", "names no topic"),
        ("[other]\na = 1", "unknown table 'other'"),
        ("[topics]\ncold = 1", "expected a table"),
        ("[topics.cold]\nid = 'x'", "expected a table"),
        ("[topics.冷链]", "Invalid|invalid|Expected"),
        ("[topics.'冷链']\nlabel = '冷链'", "is not an id; expected small letters"),
        ("[topics.Cold]\nlabel = '冷链'", "is not an id"),
        ("[topics.cold]\nwords = ['a']", "label is None; expected a text"),
        ("[topics.cold]\nlabel = ''", "label is ''"),
        ("[topics.cold]\nlabel = '" + "冷" * 21 + "'", "expected a text of at most 20"),
        ("[topics.cold]\nlabel = '冷链'\ngroup = 3", "group is 3"),
        ("[topics.cold]\nlabel = '冷链'\nword = ['a']", "unknown key 'word'"),
        ("[topics.cold]\nlabel = '冷链'\nwords = '断链'", "expected a list of texts"),
        ("[topics.cold]\nlabel = '冷链'\nwords = [' ']", "should have 1 to 20 characters"),
        ("[topics.cold]\nlabel = '冷链'\nalways = 1", "expected true or false"),
        ("[topics.price]\nlabel = '价'", "is one of the guideline"),
        ("[topics.cold]\nlabel = '价格预算'", "is that of the topic 'price'"),
        ("[topics.cold]\nlabel = '價格 预算'", "is that of the topic 'price'"),
        ("[topics.cold]\nlabel = 'Price'", "is that of the topic 'price'"),
        ("[topics.a]\nlabel = '甲'\n[topics.b]\nlabel = '甲'", "is that of the topic 'a'"),
        ("[topics.a]\nlabel = 'B'\n[topics.b]\nlabel = '甲'", "is that of the topic 'b'"),
        ("[topics.a]\nlabel = '甲'\nwords = ['x']\n[topics.b]\nlabel = '乙'\nwords = ['Ｘ']", "under 'a' and 'b'"),
        ("\n".join(f"[topics.t{n}]\nlabel = '题{n}'" for n in range(MAX_TOPICS + 1)), "at most 40"),
        (f"[topics.price]\nwords = {[str(n) for n in range(MAX_WORDS + 1)]}", "at most 2000"),
        ("[topics.price]\nwords = ['a'", "my.toml: "),
        ("#" * 1_000_001, "more than 1000000 bytes"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TaxonomyError, match=message) as error:
        read_taxonomy(path)
    assert str(error.value).startswith("my.toml: ")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match=r"cannot be read .*No such file"):
        read_taxonomy(tmp_path / "none.toml")
    with pytest.raises(TaxonomyError, match="cannot be read"):
        read_taxonomy(tmp_path)
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe[")
    with pytest.raises(TaxonomyError, match=r"a\.toml: "):
        read_taxonomy(tmp_path / "a.toml")


@given(st.text(alphabet="冷链断到手价格高ab ", max_size=12), st.sampled_from([*Topic, COLD]), st.booleans())
def test_a_topic_comes_only_with_its_word(text: str, found: Topic, sure: bool) -> None:
    taxonomy = Taxonomy((TopicEntry(COLD, ("冷链", "断链"), True), TopicEntry(Topic.PRICE, ("到手价",), False)))
    topic = taxonomy.topic_of(text, found, sure=sure)
    words = {COLD: ("冷链", "断链"), Topic.PRICE: ("到手价",)}
    assert topic is None or (topic != found and any(word in text for word in words[topic]))
    assert topic is not Topic.PRICE or not sure
