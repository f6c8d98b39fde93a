"""Likely mistakes in labelled files."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from analyzer import NoteAnalyzer
from analyzer.cli import main
from analyzer.corpus import Example, GoldConcern
from analyzer.label_quality import (
    check_labels,
    contradictions,
    copies_across,
    doubtful_labels,
    normalised_margin,
    out_of_fold,
    uneven_concerns,
)
from analyzer.own_labels import OWN_AUTHOR, OwnLabels, OwnNote, Refused
from analyzer.records import Outcome, Status, Topic

CLEAR = {
    "order": "合同已经签字盖章，定金今天到账，{n}号设备发货",
    "advance": "客户同意下周{n}号带技术总监来我们厂里看设备并安排样机试用",
    "continuation": "没见到负责人，门卫说出差去了，{n}天后再联系看看",
    "no_sale": "客户明确说不需要，{n}家比较后已经跟别家签了合同，让我们不用再来",
}


def note(text: str, outcome: str | None, place: str = "a.csv B2") -> OwnNote:
    example = Example(place, OWN_AUTHOR, text, False, outcome, concerns=None)
    return OwnNote(example, place, place.split(maxsplit=1)[0])


def clear_notes(per_outcome: int) -> list[OwnNote]:
    texts = [(outcome, text.format(n=n + 1)) for n in range(per_outcome) for outcome, text in CLEAR.items()]
    return [note(text, outcome, f"a.csv B{row}") for row, (outcome, text) in enumerate(texts, 2)]


def test_margins() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1, 0.0], [0.1, 0.6, 0.3, 0.0], [0.25, 0.25, 0.25, 0.25]])
    assert normalised_margin(probabilities, np.array([1, 1, 3])).tolist() == pytest.approx([0.5, 0.0, 0.0])


@pytest.mark.parametrize("per_outcome", [2, 15, 30])
@pytest.mark.parametrize("with_cleanlab", [False, True])
def test_a_planted_mistake_is_found_first(
    shipped: NoteAnalyzer, per_outcome: int, with_cleanlab: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_cleanlab:
        pytest.importorskip("cleanlab")
    else:
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "cleanlab" else find(name))
    notes = clear_notes(per_outcome)
    assert doubtful_labels(notes, shipped) == []
    wrong = note("合同已经签字盖章，款也付了，明天发货", "no_sale", "a.csv B99")
    found = doubtful_labels([*notes, wrong], shipped)
    assert found[0].place == "a.csv B99"
    assert found[0].reason.startswith("标的是没有成交（")
    assert "更像成交（" in found[0].reason
    assert len(found) == 1


def test_no_note_is_judged_by_a_model_that_saw_it(shipped: NoteAnalyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The label of a note, whatever it is, does not change the probability that the note gets."""
    notes = [one.example for one in clear_notes(12)]
    changed = [*notes]
    changed[5] = Example("x", OWN_AUTHOR, notes[5].note, False, "order", concerns=None)
    monkeypatch.setattr("analyzer.label_quality.folds_of", lambda examples, *_: [n % 5 for n in range(len(examples))])
    before, after = out_of_fold(notes, shipped), out_of_fold(changed, shipped)
    same_fold = [n for n in range(len(notes)) if n % 5 == 0]
    assert np.array_equal(before[same_fold], after[same_fold])
    assert not np.array_equal(before, after)
    assert before.sum(axis=1) == pytest.approx(np.ones(len(notes)))


def test_without_labels_there_are_no_doubts(shipped: NoteAnalyzer) -> None:
    assert doubtful_labels([], shipped) == []
    assert doubtful_labels([note("x", None)], shipped) == []
    assert check_labels(OwnLabels(), shipped) == []


def test_near_copies_with_two_labels() -> None:
    notes = [
        note("客户嫌价格高，说下周再谈看看", "no_sale", "a.csv B2"),
        note("客户嫌价格高，说下周再谈看看。", "continuation", "a.csv B3"),
        note("客户嫌价格高，说下周再谈看看！", "no_sale", "a.csv B4"),
        note("客户嫌价格高，说下周再谈看看？", None, "b.csv B2"),
    ]
    found = contradictions(notes)
    assert [(one.kind, one.place) for one in found] == [("contradiction", "a.csv B3"), ("contradiction", "a.csv B4")]
    assert "与 a.csv B2 几乎相同" in found[0].reason
    assert "一个标没有成交、一个标暂时中断" in found[0].reason
    copies = copies_across(notes)
    assert {one.place for one in copies} == {"b.csv B2"}
    assert copies_across(notes[:3]) == []


def test_a_concern_under_two_topics() -> None:
    def with_topic(topic: Topic, place: str) -> OwnNote:
        concern = GoldConcern((1, 4), topic, Status.OPEN, None)
        example = Example(place, OWN_AUTHOR, "嫌交期长", False, None, concerns=(concern,))
        return OwnNote(example, place, "a.csv")

    notes = [with_topic(topic, f"B{n}") for n, topic in enumerate([Topic.DELIVERY, Topic.DELIVERY, Topic.SERVICE])]
    assert [(one.place, one.reason) for one in uneven_concerns(notes)] == [
        ("B2", "关注点「交期长」在这里是售后培训，在 B0 是交付工期")
    ]
    assert uneven_concerns(notes[:2]) == []


def test_everything_is_listed(shipped: NoteAnalyzer) -> None:
    labels = OwnLabels(
        notes=clear_notes(2), refused=[Refused("a.csv B50", "no")], remarks=[Refused("b.json task 1", "put right")]
    )
    assert [(one.kind, one.place) for one in check_labels(labels, shipped)] == [
        ("refused", "a.csv B50"),
        ("refused", "b.json task 1"),
    ]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(one.example.note, Outcome(one.example.outcome).label) for one in clear_notes(3)]
    rows += [("合同已经签字盖章，款也付了，明天发货", "没有成交"), ("=客户说可以，下周再看", "成功")]
    path = tmp_path / "a.csv"
    path.write_text("拜访记录,结果\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    output = tmp_path / "doubts.csv"
    assert main(["check-labels", str(path), "-o", str(output), "--outcome-column", "结果"]) == 0
    shown = capsys.readouterr()
    assert "不能用的单元格：1" in shown.out
    assert "a.csv B15：the outcome '成功' could mean" in shown.out
    assert "可能标错的结果（最可疑的在前）：1" in shown.out
    assert "a.csv B14：标的是没有成交" in shown.out
    assert "13 notes with an outcome" in shown.err
    lines = output.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "类别,位置,可疑程度,说明,记录"
    assert len(lines) == 1 + sum("：" in line and line.startswith("  ") for line in shown.out.splitlines())


def test_an_output_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("拜访记录,结果\n合同已经签字盖章，款也付了,成交\n", encoding="utf-8")
    assert main(["check-labels", str(path), "-o", str(tmp_path / "no" / "x.csv")]) == 1
    assert "does not exist; create it" in capsys.readouterr().err
