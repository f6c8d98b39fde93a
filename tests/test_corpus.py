from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from analyzer.corpus import Example, corpus_hash, read_corpus, read_topic_phrases, voice_of
from analyzer.errors import CorpusError

CORPUS = Path(__file__).parent.parent / "data" / "corpus"
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
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(CorpusError, match=rf"plain_test.jsonl, line 2: .*{message}"):
        read_corpus(write(tmp_path, RECORD, {**RECORD, **change}))


def test_a_missing_corpus_and_a_bad_phrase(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no corpus in"):
        read_corpus(tmp_path)
    (tmp_path / "topics").mkdir()
    (tmp_path / "topics" / "a.tsv").write_text("price\t太贵\nmoney\t太贵\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"a.tsv, line 2: .*expected a topic id, a tab and a phrase"):
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
    phrases = read_topic_phrases(CORPUS)
    assert len({topic for topic, _ in phrases}) == 12


def test_the_example_export_is_in_no_training_file(shipped: list[Example]) -> None:
    pandas = pytest.importorskip("pandas")
    path = CORPUS.parent / "examples" / "visit_notes_gb18030.csv"
    notes = pandas.read_csv(path, encoding="gb18030", dtype=str, keep_default_na=False)["过程详细描述"]
    assert len(notes) == 200
    assert not {note for note in notes if note} & {example.note for example in shipped}
