"""Where two models differ, and whether an export looks like the training notes."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from conftest import ROOT, StubAnalyzer

from analyzer import NoteAnalyzer
from analyzer.cli import main
from analyzer.comparison import HEADER, compare_models
from analyzer.drift import (
    MIN_NOTES,
    UNSEEN_ABOVE,
    UNSURE_ABOVE,
    DriftCounts,
    drift_warning,
    sample_words,
    unseen_words,
)
from analyzer.errors import OutputError, TableError
from analyzer.features import Reader
from analyzer.lexicon import Lexicon
from analyzer.model_folder import default_model_folder
from analyzer.model_store import load_model, save_model
from analyzer.records import NoteAnalysis, Outcome
from analyzer.segmenter import Segmenter
from analyzer.table_lists import check_list_output, write_list
from analyzer.tables import read_table

AnalyzeMany = Callable[[list[str]], list[NoteAnalysis]]


def changed(change: Callable[[str, NoteAnalysis], NoteAnalysis]) -> AnalyzeMany:
    """The stub with some of its analyses changed."""
    return lambda texts: [
        change(text, one) for text, one in zip(texts, StubAnalyzer().analyze_many(texts), strict=True)
    ]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text(
        '拜访记录\n客户同意了，嫌价格高\n没见到人，改天再去\n""\n签约了，款已到\n没谈成的一次，崩溃\n', "utf-8"
    )
    return path


def test_the_same_model_differs_nowhere(source: Path) -> None:
    found = compare_models(source, StubAnalyzer().analyze_many, StubAnalyzer().analyze_many)
    assert (found.notes, found.left_out, found.changed, found.differences) == (3, 2, 0, [])
    assert found.outcomes == Counter(
        {(Outcome.ADVANCE,) * 2: 1, (Outcome.CONTINUATION,) * 2: 1, (Outcome.ORDER,) * 2: 1}  # type: ignore[dict-item]
    )
    assert found.concerns == (1, 1, 1)
    assert found.reviews == (1, 1)


def test_differences_are_counted_and_sorted(source: Path) -> None:
    def other(text: str, one: NoteAnalysis) -> NoteAnalysis:
        if "签约" in text:
            return dataclasses.replace(
                one, outcome=Outcome.NO_SALE, probabilities={**one.probabilities, "no_sale": 0.6}
            )
        return dataclasses.replace(one, concerns=()) if "价格" in text else one

    found = compare_models(source, StubAnalyzer().analyze_many, changed(other))
    assert found.changed == 1
    assert found.outcomes[Outcome.ORDER, Outcome.NO_SALE] == 1
    assert [(one.number, one.in_outcome) for one in found.differences] == [(4, True), (1, False)]
    assert found.differences[0].row()[:3] == [4, "签约了，款已到", "成交"]
    assert found.differences[1].row()[-2:] == ["1. [价格预算] 价格 — 未答复".removeprefix("1. "), ""]
    assert len(found.differences[0].row()) == len(HEADER)
    assert found.concerns == (1, 0, 0)


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model with a lower weight of one outcome."""
    folder = tmp_path_factory.mktemp("models") / "other"
    model = load_model(default_model_folder())
    bias = model.outcome.combine_bias.copy()
    bias[3] += 2.0
    save_model(dataclasses.replace(model, outcome=dataclasses.replace(model.outcome, combine_bias=bias)), folder)
    return folder


def test_the_command(other_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = ROOT / "data" / "examples" / "visit_notes_gb18030.csv"
    output = tmp_path / "diff.xlsx"
    models = ["--model", str(default_model_folder()), "--model", str(other_model)]
    assert main(["compare", *models, str(example), "-o", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "196 条记录，4 行没有内容或未能分析" in shown
    count = int(shown.partition("结果不同：")[2].partition(" ")[0])
    assert count > 3
    assert " → 没有成交：" in shown
    sheet = openpyxl.load_workbook(output).active
    assert [cell.value for cell in sheet[1]] == list(HEADER)
    assert sheet.max_row - 1 == count
    assert {row[5].value for row in sheet.iter_rows(min_row=2)} == {"没有成交"}
    assert main(["compare", "--model", str(other_model), str(example)]) == 0
    assert f"结果不同：{count} 条" in capsys.readouterr().out, "one model is compared with the shipped one"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "a", "--model", "b", "--model", "c"], "3 models given"),
        (["--model", "a", "-o", "x.txt"], "is no .csv"),
    ],
)
def test_wrong_use(arguments: list[str], message: str, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(source), *arguments]) == 2
    assert message in capsys.readouterr().err


# --- lists ---

ROWS = [(1, "=1+1", 0.5, None), (2, "好\ud800", 0.25, "x")]


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_lists_are_written(tmp_path: Path, ending: str) -> None:
    for name in ("a", "b"):
        write_list(tmp_path / f"{name}{ending}", ("甲", "乙", "丙", "丁"), ROWS)
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()
    rows = [list(row) for frame in read_table(tmp_path / f"a{ending}") for row in frame.to_numpy()]
    assert rows == [["1", "'=1+1" if ending == ".csv" else "=1+1", "0.5", ""], ["2", "好�", "0.25", "x"]]


def test_lists_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"is no \.csv or"):
        check_list_output(tmp_path / "a.txt")
    with pytest.raises(OutputError):
        check_list_output(tmp_path)
    with pytest.raises(TableError, match="does not exist"):
        check_list_output(tmp_path / "no" / "a.csv")
    for name in ("a.csv", "a.xlsx"):
        with pytest.raises(TableError, match="cannot be written"):
            write_list(tmp_path / "no" / name, ("甲",), [])


# --- drift ---


def test_unseen_words_by_hand() -> None:
    reader = Reader(["客户", "价格"], Lexicon({}), Segmenter())
    assert unseen_words(reader, ["客户，价格ERP 2024。"]) == (2, 0)
    assert unseen_words(reader, ["客户价格", "螺丝"]) == (3, 1)
    assert unseen_words(reader, ["", "…2024"]) == (0, 0)


def test_words_are_counted_in_a_sample(shipped: NoteAnalyzer) -> None:
    words, _ = sample_words(shipped, ["没见到人"] * 3000)
    assert 0 < words <= 2 * 100 * len("没见到人")
    assert sample_words(shipped, ["没见到人"]) == unseen_words(shipped.model.reader, ["没见到人"])
    assert sample_words(shipped, []) == (0, 0)
    assert sample_words(StubAnalyzer(), ["没见到人"]) == (0, 0)
    empty = DriftCounts(0, 0, 0, 0)
    assert (empty.unseen_share, empty.unsure_share) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (DriftCounts(MIN_NOTES, 0, 1000, int(1000 * UNSEEN_ABOVE) + 1), "does not know"),
        (DriftCounts(100, int(100 * UNSURE_ABOVE) + 1, 1000, 0), "is unsure of"),
        (DriftCounts(100, 90, 1000, 900), "does not know 90% of the words .* and it is unsure of 90%"),
        (DriftCounts(100, int(100 * UNSURE_ABOVE), 1000, int(1000 * UNSEEN_ABOVE)), None),
        (DriftCounts(MIN_NOTES - 1, MIN_NOTES - 1, 1000, 1000), None),
        (DriftCounts(0, 0, 0, 0), None),
    ],
)
def test_warnings(counts: DriftCounts, message: str | None) -> None:
    import re

    found = drift_warning(counts)
    assert (found is None) == (message is None)
    assert message is None or re.search(message, found or "")


POEM = "国破山河在，城春草木深。感时花溅泪，恨别鸟惊心。烽火连三月，家书抵万金。白头搔更短，浑欲不胜簪。"


def test_score_warns_of_unusual_notes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(ROOT / "data/examples/visit_notes_gb18030.csv"), "-o", str(tmp_path / "a.csv")]) == 0
    assert "warning" not in capsys.readouterr().err
    poems = tmp_path / "poems.csv"
    poems.write_text("拜访记录\n" + f"{POEM}\n" * MIN_NOTES, encoding="utf-8")
    assert main(["score", str(poems), "-o", str(tmp_path / "b.csv")]) == 0
    assert (
        "warning: these notes look unlike those that the model learnt from: it does not know" in capsys.readouterr().err
    )
