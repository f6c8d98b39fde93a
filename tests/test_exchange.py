"""To annotation tools and back: nothing lost, nothing shifted, nothing silently dropped."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from analyzer.cli import main
from analyzer.corpus import Example, GoldConcern, read_corpus
from analyzer.errors import LabelError
from analyzer.exchange import (
    Annotations,
    corpus_lines,
    count_annotations,
    doccano_labels,
    doccano_lines,
    label_studio_config,
    label_studio_tasks,
    read_annotations,
    span_labels,
    tie_answers,
)
from analyzer.own_labels import OWN_AUTHOR
from analyzer.records import Action, Outcome, OwnTopic, Status, Topic

PLAIN_COLD = OwnTopic("cold_chain", "冷链温控", "履约服务")
TOPICS = [*Topic, PLAIN_COLD]
NOTE = "😀客户嫌价格高，降五点；下周三看演示🚀，怕断链"


def read(path: Path, text: str) -> Annotations:
    path.write_text(text, encoding="utf-8")
    found = read_annotations(path, TOPICS, OWN_AUTHOR)
    assert found is not None
    return found


def span_in(note: str) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(0, len(note) - 1), st.integers(1, len(note))).map(
        lambda ends: (min(ends[0], ends[1] - 1), max(ends[0] + 1, ends[1]))
    )


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """Any annotated note: emoji and line breaks in it, spans that overlap, answers anywhere."""
    note = draw(st.text(alphabet="客户价高🚀😀\n ，。a1", min_size=1, max_size=30).filter(lambda text: text.strip()))
    spans = span_in(note)
    concern = st.builds(GoldConcern, spans, st.sampled_from(TOPICS), st.sampled_from(list(Status)), st.none() | spans)
    outcome = draw(st.none() | st.sampled_from([one.value for one in Outcome]))
    concerns = draw(st.none() | st.lists(concern, max_size=4, unique_by=lambda one: one.span))
    act = draw(st.none() | st.tuples(spans, st.sampled_from(list(Action))))
    return Example(
        draw(st.text(alphabet="abc-019", min_size=1, max_size=6)), OWN_AUTHOR, note, False, outcome,
        tuple(sorted(draw(st.lists(spans, max_size=3)))),
        None if concerns is None else tuple(sorted(concerns, key=lambda one: one.span)),
        act[0] if act else None, act[1] if act else None, draw(st.none() | spans) if act else None,
    )  # fmt: skip


@given(st.lists(examples(), min_size=1, max_size=4))
def test_label_studio_and_back(tmp_path_factory: pytest.TempPathFactory, notes: list[Example]) -> None:
    path = tmp_path_factory.getbasetemp() / "tasks.json"
    found = read(path, json.dumps(label_studio_tasks(notes)))
    assert found.kind == "Label Studio"
    assert (found.refused, found.remarks, found.open) == ([], [], 0)
    assert [one for _, one in found.notes] == notes
    assert found.counts() == count_annotations(notes)


@given(st.lists(examples(), min_size=1, max_size=4))
def test_doccano_and_back(tmp_path_factory: pytest.TempPathFactory, notes: list[Example]) -> None:
    path = tmp_path_factory.getbasetemp() / "notes.jsonl"
    found = read(path, "".join(doccano_lines(notes)))
    assert found.kind == "doccano"
    assert found.refused == []
    labelled = [one for one in notes if one.outcome or one.evidence or one.concerns or one.commitment]
    assert [one for _, one in found.notes] == labelled
    assert found.open == len(notes) - len(labelled)


def test_numbers_of_spans_are_unique_over_a_doccano_file() -> None:
    notes = [one for one in read_corpus(ROOT / "data" / "corpus") if one.author == "concerns_answers"]
    records = [json.loads(line) for line in doccano_lines(notes)]
    ids = [entity["id"] for record in records for entity in record["entities"]]
    assert ids == list(range(len(ids)))
    for record in records:
        own = {entity["id"] for entity in record["entities"]}
        assert all({one["from_id"], one["to_id"]} <= own for one in record["relations"])


def test_the_corpus_goes_round(tmp_path: Path) -> None:
    """A file of the corpus, to each tool and back, and to a corpus file again."""
    notes = [one for one in read_corpus(ROOT / "data" / "corpus") if one.author == "concerns_answers"]
    notes = [dataclasses.replace(one, author=OWN_AUTHOR) for one in notes]
    for name, text in (
        ("a.json", json.dumps(label_studio_tasks(notes))),
        ("a.jsonl", "".join(doccano_lines(notes))),
        ("b.jsonl", "".join(corpus_lines(notes))),
    ):
        found = read(tmp_path / name, text)
        assert [one for _, one in found.notes] == [
            dataclasses.replace(one, concerns=tuple(sorted(one.concerns or (), key=lambda each: each.span)))
            if name != "b.jsonl" else one
            for one in notes
        ], name  # fmt: skip
        assert found.refused == []
        assert found.counts() == count_annotations(notes)


# --- doccano, as its kinds of project write it ---


@pytest.mark.parametrize(
    ("record", "outcome", "spans"),
    [
        ({"label": ["成交"]}, "order", None),
        ({"label": "no_sale"}, "no_sale", None),
        ({"label": [[1, 4, "关注点/价格预算/未答复"]]}, None, [(1, 4)]),
        ({"label": [[1, 4, "关注点/price/open"]]}, None, [(1, 4)]),
        ({"entities": [[1, 4, "关注点/价格预算/未答复"]], "cats": ["advance"]}, "advance", [(1, 4)]),
        ({"entities": [{"id": 5, "label": "关注点/价格预算/未答复", "start_offset": 1, "end_offset": 4}],
          "relations": [], "Comments": []}, None, [(1, 4)]),
    ],
)  # fmt: skip
def test_doccano_projects(
    tmp_path: Path, record: dict[str, Any], outcome: str | None, spans: list[tuple[int, int]] | None
) -> None:
    found = read(tmp_path / "all.jsonl", json.dumps({"id": 3, "text": "嫌价格高，签了", **record}))
    place, example = found.notes[0]
    assert (place, example.id, example.outcome) == ("all.jsonl line 1", "3", outcome)
    assert (example.concerns is None) == (spans is None)
    assert [one.span for one in example.concerns or ()] == (spans or [])


def test_doccano_records_without_labels_are_counted(tmp_path: Path) -> None:
    lines = [{"id": n, "text": "嫌价格高", "label": []} for n in range(3)]
    found = read(tmp_path / "all.jsonl", "\n".join(map(json.dumps, lines)))
    assert (found.open, found.notes, found.refused) == (3, [], [])


def test_concerns_looked_for_in_one_note_were_looked_for_in_all(tmp_path: Path) -> None:
    marked = {"text": "嫌价格高", "label": [[1, 4, "关注点/price/open"]]}
    evidence = {"text": "已签约", "label": [[0, 3, "依据"]]}
    found = read(tmp_path / "a.jsonl", "\n".join(map(json.dumps, [marked, evidence])))
    assert [one.concerns == () for _, one in found.notes] == [False, True]
    alone = read(tmp_path / "b.jsonl", json.dumps(evidence))
    assert alone.notes[0][1].concerns is None


# --- offsets ---


def task(result: list[dict[str, Any]], text: str = NOTE, **more: Any) -> str:
    return json.dumps([{"id": 7, "data": {"text": text}, "annotations": [{"id": 1, "result": result, **more}]}])


def mark(
    start: int, end: int, words: str | None, label: str = "关注点/价格预算/未答复", key: str = "a"
) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": [label], **({} if words is None else {"text": words})}
    return {"id": key, "from_name": "span", "to_name": "text", "type": "labels", "value": value}


def test_offsets_counted_in_utf16_are_put_right_and_said(tmp_path: Path) -> None:
    at = NOTE.index("断链")
    found = read(tmp_path / "a.json", task([mark(at + 2, at + 4, "断链", "关注点/冷链温控/未答复")]))
    example = found.notes[0][1]
    assert [NOTE[slice(*one.span)] for one in example.concerns or ()] == ["断链"]
    assert found.remarks == [
        ("a.json task 7", f"the span {at + 2}–{at + 4} '断链' was counted in UTF-16 units; put right")
    ]


@given(st.text(alphabet="客价高🚀😀a\n", min_size=1, max_size=20), st.data())
def test_either_count_leads_to_the_same_words(
    tmp_path_factory: pytest.TempPathFactory, text: str, data: st.DataObject
) -> None:
    note = text + "。"
    start, end = data.draw(span_in(note))
    words = note[start:end]

    def units(at: int) -> int:
        return len(note[:at].encode("utf-16-le")) // 2

    path = tmp_path_factory.getbasetemp() / "units.json"
    for begin, stop in ((start, end), (units(start), units(end))):
        found = read(path, task([mark(begin, stop, words)], note))
        assert found.refused == []
        assert [note[slice(*one.span)] for one in found.notes[0][1].concerns or ()] == [words]


@pytest.mark.parametrize(
    ("start", "end", "words", "reason"),
    [
        (3, 6, "价格高", "the text at 3–6 is '嫌价格', but the tool says '价格高': the offsets were shifted"),
        (3, 3, "", "the span 3–3 is not in the text"),
        (-1, 3, "x", "the span -1–3 is not in the text"),
        (0, 99, "x", "the span 0–99 is not in the text"),
        (0, True, "x", "is not in the text|the text at"),
        ("0", 3, "x", "the span '0'–3 is not in the text"),
        (0.0, 3.0, "x", "is not in the text"),
        (24, 26, None, "is not in the text"),
    ],
)
def test_shifted_offsets_are_refused_by_name(
    tmp_path: Path, start: Any, end: Any, words: str | None, reason: str
) -> None:
    found = read(tmp_path / "a.json", task([mark(start, end, words)]))
    assert found.notes == []
    assert found.refused[0][0] == "a.json task 7"
    assert any(part in found.refused[0][1] for part in reason.split("|"))


def test_doccano_with_emoji_is_pointed_out(tmp_path: Path) -> None:
    found = read(tmp_path / "a.jsonl", json.dumps({"text": NOTE, "label": [[4, 7, "依据"]]}))
    assert "check these spans by eye" in found.remarks[0][1]


# --- what cannot be used ---


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ([mark(4, 7, "价格高", "PER")], "the label 'PER' is none of ours; expected 关注点/主题/状态"),
        ([mark(4, 7, "价格高", "关注点/贵/未答复")], "the topic is '贵'"),
        ([mark(4, 7, "价格高", "关注点/价格预算/好")], "the status is '好'"),
        ([mark(4, 7, "价格高", "承诺/跳舞")], "none of ours"),
        ([mark(8, 11, "降五点", "我方答复")], "has no concern before it"),
        ([mark(4, 7, "价格高", "承诺/付款"), mark(8, 11, "降五点", "承诺/付款", "b")], "two commitments"),
        ([{"type": "choices", "value": {"choices": ["成交", "没有成交"]}}], "expected one outcome"),
        ([{"type": "choices", "value": {"choices": ["好"]}}], "the outcome is '好'"),
        ([{"type": "rating", "value": {"rating": 3}}], "a result is of type 'rating'"),
        ([{"type": "labels"}], "the field 'value' is missing"),
        ([{"type": "labels", "id": "a", "value": {"start": 0, "end": 1, "labels": ["依据", "时间"]}}], "expected one"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path: Path, result: list[dict[str, Any]], reason: str) -> None:
    found = read(tmp_path / "a.json", task(result))
    assert found.notes == []
    assert found.refused[0][0] == "a.json task 7"
    assert reason in found.refused[0][1]


@pytest.mark.parametrize(
    "record",
    [{"id": 1}, {"text": 3, "label": ["成交"]}, {"text": " ", "label": ["成交"]}, {"text": "a", "label": [[1]]},
     {"text": "a", "label": [{"label": "依据"}]}, {"text": "a", "entities": 5}, 5, None, [], "x"],
)  # fmt: skip
def test_odd_records_are_refused_and_the_others_come_through(tmp_path: Path, record: Any) -> None:
    good = {"text": "已签约", "label": ["成交"]}
    found = read(tmp_path / "a.jsonl", "\n".join(json.dumps(one) for one in (good, record, good)) + "\n{oops\n")
    assert len(found.notes) == 2
    assert [place for place, _ in found.refused] == ["a.jsonl line 2", "a.jsonl line 4"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "id",
                        "data",
                        "text",
                        "annotations",
                        "result",
                        "type",
                        "value",
                        "start",
                        "end",
                        "labels",
                        "label",
                        "entities",
                        "cats",
                        "note",
                        "outcome",
                        "concerns",
                        "from_id",
                        "to_id",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    for text in (json.dumps([content]), json.dumps(content)):
        path.write_text(text, encoding="utf-8")
        found = read_annotations(path, TOPICS, OWN_AUTHOR)
        assert found is None or len(found.notes) + len(found.refused) + found.open >= 1


def test_cancelled_and_repeated_annotations(tmp_path: Path) -> None:
    def choice(label: str) -> list[dict[str, Any]]:
        return [{"type": "choices", "from_name": "o", "to_name": "text", "value": {"choices": [label]}}]

    annotations = [
        {"result": choice("成交"), "updated_at": "2025-01-03T00:00:00Z", "was_cancelled": True},
        {"result": choice("没有成交"), "updated_at": "2025-01-02T00:00:00Z"},
        {"result": choice("暂时中断"), "updated_at": "2025-01-01T00:00:00Z"},
    ]
    tasks = [
        {"id": 1, "data": {"note": "没谈"}, "annotations": annotations},
        {"id": 2, "data": {"note": "没谈"}, "annotations": annotations[:1]},
        {"id": 3, "data": {"text": "没谈"}, "annotations": [], "predictions": [{"result": choice("成交")}]},
        {"id": 4, "data": {}, "annotations": annotations},
    ]
    found = read(tmp_path / "a.json", json.dumps(tasks))
    assert [(place, one.outcome) for place, one in found.notes] == [("a.json task 1", "no_sale")]
    assert found.remarks == [("a.json task 1", "2 annotations; the latest is used")]
    assert found.open == 2
    assert found.refused[0][0] == "a.json task 4"


def test_answers_are_tied_by_place_where_no_relation_says_so() -> None:
    def concern(start: int) -> GoldConcern:
        return GoldConcern((start, start + 2), Topic.PRICE, Status.OPEN, None)

    concerns = {"a": concern(0), "b": concern(10)}
    tied = tie_answers(concerns, {"x": (4, 6), "y": (20, 22)}, [])
    assert [one.response for one in tied] == [(4, 6), (20, 22)]
    tied = tie_answers(concerns, {"x": (12, 14), "y": (20, 22)}, [])
    assert [one.response for one in tied] == [(20, 22), (12, 14)], "the nearest that has none"
    tied = tie_answers(concerns, {"x": (20, 22)}, [("x", "a")])
    assert [one.response for one in tied] == [(20, 22), None]
    for relations in ([("x", "a"), ("x", "b")], [("x", "a"), ("y", "a")]):
        with pytest.raises(LabelError, match="expected one each"):
            tie_answers(concerns, {"x": (20, 22), "y": (23, 24)}, relations)
    with pytest.raises(LabelError, match="no concern before it"):
        tie_answers({}, {"x": (0, 1)}, [])


@pytest.mark.parametrize("text", ["", "[]", "[1, 2]", '{"拜访记录": "没谈", "结果": "成交"}', "编号,结果\n1,成交\n"])
def test_plain_tables_are_left_to_the_tables(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text, encoding="utf-8")
    assert read_annotations(path, Topic, OWN_AUTHOR) is None
    assert read_annotations(tmp_path / "a.csv", Topic, OWN_AUTHOR) is None


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="cannot be read"):
        read_annotations(tmp_path / "none.json", Topic, OWN_AUTHOR)
    (tmp_path / "a.json").write_text("[{", encoding="utf-8")
    with pytest.raises(LabelError, match="is no valid JSON"):
        read_annotations(tmp_path / "a.json", Topic, OWN_AUTHOR)


# --- what a new project needs ---


def test_the_labels_of_a_project() -> None:
    labels = span_labels(TOPICS)
    assert len(labels) == len(set(labels)) == 2 * 13 + 3 + len(Action)
    config = label_studio_config(TOPICS)
    assert all(f'value="{label}"' in config for label in labels)
    assert config.count("<Choice ") == 4
    assert [one["text"] for one in json.loads(doccano_labels(TOPICS))] == labels


# --- the command ---


@pytest.mark.parametrize(("tool", "name"), [("doccano", "a.jsonl"), ("label-studio", "a.json"), ("corpus", "a.jsonl")])
def test_the_command(tool: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "labels.csv"
    source.write_text(
        "拜访记录,正确结果,关注点\n嫌价格高，没谈,暂时中断,[价格预算] 价格高\n签约了，款到了,成交,\n没谈成,成功,\n",
        "utf-8",
    )
    output = tmp_path / "out" / name
    output.parent.mkdir()
    assert main(["exchange", str(source), "--to", tool, "-o", str(output)]) == 0
    shown = capsys.readouterr().err
    assert "labels.csv B4: the outcome '成功' could mean" in shown
    assert "2 notes, 2 outcomes, 0 evidence, 1 concerns" in shown
    found = read_annotations(output, Topic, OWN_AUTHOR)
    assert found is not None
    assert [(one.outcome, len(one.concerns or ())) for _, one in found.notes] == [("continuation", 1), ("order", 0)]
    assert found.notes[1][1].concerns is None
    beside = {"doccano": {"a.labels.json"}, "label-studio": {"a.config.xml"}, "corpus": set()}[tool]
    assert {path.name for path in output.parent.iterdir()} == {name} | beside


def test_suggestions_are_no_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = ROOT / "data" / "examples" / "visit_notes_gb18030.csv"
    output = tmp_path / "tasks.json"
    assert main(["exchange", str(example), "--to", "label-studio", "--suggest", "-o", str(output)]) == 0
    assert "196 notes read, 4 rows without text left out" in capsys.readouterr().err
    tasks = json.loads(output.read_text(encoding="utf-8"))
    assert len(tasks) == 196
    assert all("annotations" not in one and one["predictions"][0]["result"] for one in tasks)
    found = read_annotations(output, Topic, OWN_AUTHOR)
    assert found is not None
    assert (found.open, found.notes) == (196, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--to", "doccano", "-o", "x.json"], "should end in .jsonl"), (["--to", "corpus", "-o", "a.jsonl"], "overwrite")],
)
def test_wrong_use(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text("{}", encoding="utf-8")
    assert main(["exchange", "a.jsonl", *arguments]) == 2
    assert message in capsys.readouterr().err


# --- a file of the real tool ---


def test_an_export_of_the_real_label_studio() -> None:
    """See tests/data/README.md for how the file was made."""
    found = read_annotations(ROOT / "tests" / "data" / "label_studio_export.json", Topic, OWN_AUTHOR)
    assert found is not None
    assert (found.kind, len(found.notes), found.refused, found.open) == ("Label Studio", 7, [], 1)
    notes = {one.id: one for _, one in found.notes}
    originals = {one.id: one for one in read_corpus(ROOT / "data" / "corpus") if one.author == "concerns_answers"}
    kept = [name for name in notes if name in originals]
    assert len(kept) == 6
    for name in kept:
        assert notes[name] == dataclasses.replace(
            originals[name],
            author=OWN_AUTHOR,
            evidence=tuple(sorted(originals[name].evidence)),
            concerns=tuple(sorted(originals[name].concerns or (), key=lambda one: one.span)),
        )
    emoji = notes["emoji"]
    assert [emoji.note[slice(*one.span)] for one in emoji.concerns or ()] == ["断货"]
    assert emoji.outcome == "advance"
    assert [remark for _, remark in found.remarks if "UTF-16" in remark]
    assert len(found.remarks) == 1
