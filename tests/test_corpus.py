from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from analyzer.corpus import Example, corpus_hash, read_corpus, read_topic_phrases, voice_of
from analyzer.errors import CorpusError

CORPUS = Path(__file__).parent.parent / "data" / "corpus"
OUT_OF_ORDER = {"B-0026"}  # its concerns do not stand in note order
RECORD: dict[str, Any] = {
    "id": "T-1", "note": "价格高，下周三价格再谈，让装一台试", "outcome": "advance", "evidence": ["让装一台试"],
    "concerns": [
        {"text": "价格", "topic": "price", "status": "open", "response": None},
        {"text": "价格", "topic": "price", "status": "addressed", "response": "再谈"},
    ],
    "commitment": {"text": "让装一台试", "action": "trial", "due": "下周三"}, "industry": "x", "style": "terse",
}  # fmt: skip


def write(folder: Path, *records: dict[str, Any]) -> Path:
    (folder / "notes").mkdir(exist_ok=True)
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (folder / "notes" / "plain_test.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def shipped() -> list[Example]:
    return read_corpus(CORPUS)


def test_spans_are_located_in_note_order(tmp_path: Path) -> None:
    (example,) = read_corpus(write(tmp_path, RECORD))
    assert example.concerns is not None
    assert [concern.span for concern in example.concerns] == [(0, 2), (7, 9)]
    assert example.concerns[1].response == (9, 11)
    assert example.evidence == (example.commitment,) == ((12, 17),)
    assert example.due == (4, 7)
    assert (example.author, voice_of(example.author)) == ("plain_test", "plain")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": "won"}, "won"),
        ({"evidence": ["不在里面"]}, "not a substring"),
        ({"concerns": [{"text": "价格", "topic": "money", "status": "open", "response": None}]}, "money"),
        ({"concerns": [{"text": "价格", "topic": "price", "status": "done", "response": None}]}, "done"),
        ({"concerns": [{"text": "", "topic": "price", "status": "open", "response": None}]}, "not a substring"),
        ({"commitment": {"text": "让装一台试", "action": "try", "due": None}}, "try"),
        ({"note": None}, "the note is None; expected text"),
        ({"outcome": None}, "None is not a valid Outcome"),
        ({"outcome": "none"}, "'none' is not a valid Outcome"),
        ({"evidence": "让装"}, "evidence is '让装'; expected a list"),
        ({"evidence": [5]}, "must be str"),
        ({"concerns": 5}, "not iterable"),
        ({"concerns": [{"text": "价格"}]}, "the field 'response' is missing"),
        (
            {"concerns": [{"text": "价格", "topic": "price", "status": "open", "response": "没有的话"}]},
            "not a substring",
        ),
        ({"commitment": {"text": "没有的话", "action": "trial", "due": None}}, "not a substring"),
        ({"commitment": {"text": "让装一台试", "action": "trial", "due": "周六"}}, "not a substring"),
        ({"commitment": {"text": "让装一台试", "action": "trial"}}, "the field 'due' is missing"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(CorpusError, match=rf"plain_test.jsonl, line 2: .*{message}"):
        read_corpus(write(tmp_path, RECORD, {**RECORD, **change}))


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"5",
        b'"text"',
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        "\ufeff{}".encode(),
        '{"note": "价格"}'.encode("gbk"),
    ],
    ids=["cut", "number", "string", "list", "null", "no fields", "deep", "mark", "gbk"],
)
def test_lines_that_are_no_records_are_named(tmp_path: Path, line: bytes) -> None:
    path = write(tmp_path, RECORD) / "notes" / "plain_test.jsonl"
    path.write_bytes(path.read_bytes() + b"\r\n" + line + b"\n")
    with pytest.raises(CorpusError, match=r"^plain_test\.jsonl, line 3: ."):
        read_corpus(tmp_path)


@pytest.mark.parametrize("field", sorted(set(RECORD) - {"evidence", "commitment", "industry", "style"}))
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    with pytest.raises(CorpusError, match=rf"plain_test\.jsonl, line 1: the field '{field}' is missing"):
        read_corpus(write(tmp_path, {name: value for name, value in RECORD.items() if name != field}))


def test_fragments_may_decide_nothing_and_lack_concerns(tmp_path: Path) -> None:
    (tmp_path / "fragments").mkdir()
    records = [
        {"id": "F-1", "text": "没见到人", "outcome": "none", "concerns": None},
        {"id": "F-2", "text": "太贵", "outcome": None, "concerns": []},
        {"id": "F-3", "text": "合同签了", "outcome": "order", "concerns": None},
    ]
    text = "\n\n".join(json.dumps(record) for record in records)
    (tmp_path / "fragments" / "outcomes.jsonl").write_text(text, encoding="utf-8")
    found = read_corpus(tmp_path)
    assert [(one.note, one.outcome, one.concerns) for one in found] == [
        ("没见到人", "none", None), ("太贵", None, ()), ("合同签了", "order", None),
    ]  # fmt: skip
    assert all(one.is_fragment and one.evidence == () and one.commitment is None for one in found)


def test_a_missing_corpus_and_a_bad_phrase(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no corpus in"):
        read_corpus(tmp_path)
    (tmp_path / "topics").mkdir()
    (tmp_path / "topics" / "a.tsv").write_text("price\t太贵\nmoney\t太贵\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"a.tsv, line 2: .*expected a topic id, a tab and a phrase"):
        read_topic_phrases(tmp_path)
    (tmp_path / "topics" / "a.tsv").write_bytes("price\t太贵\nprice\t".encode() + "客户".encode("gbk"))
    with pytest.raises(CorpusError, match=r"a.tsv, line 2: not UTF-8 text"):
        read_topic_phrases(tmp_path)


def test_the_hash_sees_every_change(tmp_path: Path) -> None:
    before = corpus_hash(write(tmp_path, RECORD))
    assert corpus_hash(tmp_path) == before
    assert corpus_hash(write(tmp_path, {**RECORD, "id": "T-2"})) != before


def test_the_shipped_corpus_is_sound(shipped: list[Example]) -> None:
    assert Counter(example.id for example in shipped).most_common(1)[0][1] == 1
    whole = [example for example in shipped if not example.is_fragment]
    assert len(whole) >= 8_000
    for example in whole:
        assert (example.commitment is not None) == (example.outcome in ("order", "advance")), example.id
        assert example.evidence, example.id
    for example in shipped:
        spans = [*example.evidence, example.commitment, example.due]
        for concern in example.concerns or ():
            spans += [concern.span, concern.response]
        assert all(0 <= start < end <= len(example.note) for start, end in filter(None, spans)), example.id
        starts = [concern.span[0] for concern in example.concerns or ()]
        assert starts == sorted(starts) or example.id in OUT_OF_ORDER, example.id
    phrases = read_topic_phrases(CORPUS)
    assert len({topic for topic, _ in phrases}) == 12


def test_the_example_export_is_in_no_training_file(shipped: list[Example]) -> None:
    pandas = pytest.importorskip("pandas")
    path = CORPUS.parent / "examples" / "visit_notes_gb18030.csv"
    notes = pandas.read_csv(path, encoding="gb18030", dtype=str, keep_default_na=False)["过程详细描述"]
    assert len(notes) == 200
    assert not {note for note in notes if note} & {example.note for example in shipped}
