"""The second reader: which notes it reads again, and what comes of it."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyzer import NoteAnalyzer, Outcome, cli
from analyzer.cluster import load_once, score_partitions
from analyzer.cluster_files import plan
from analyzer.errors import ModelError
from analyzer.model_folder import model_version, second_reader_folder
from analyzer.outcomes import OUTCOMES
from analyzer.second_reader import (
    METADATA,
    PIECES,
    READER,
    UNSURE_BELOW,
    SecondReader,
    clean_text,
    combination_inputs,
)

pytest.importorskip("onnxruntime")
pytest.importorskip("sentencepiece")

SURE = "货款对账，差三千块，财务说月底一起结"
UNSURE = "东西是不错，可他们那条线明年要拆，人都安排走了，我也就不去烦他了"


@pytest.fixture(scope="module")
def both() -> NoteAnalyzer:
    return NoteAnalyzer.load(second_reader=True)


class Session:
    """Stands for the network: says what it is told, and keeps what it was shown."""

    def __init__(self, probabilities: Sequence[float]) -> None:
        self.answer = np.log(np.array([probabilities], dtype=np.float32))
        self.shown: list[list[int]] = []

    def run(self, outputs: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert outputs is None
        self.shown += inputs["pieces"].tolist()
        return [self.answer]


class Cutter:
    """Cuts a text into its characters."""

    def encode(self, text: str) -> list[int]:
        return list(map(ord, text))


def reader(session: Session, longest: int = 50) -> SecondReader:
    """A reader whose combination adds up the log probabilities of both."""
    eye = np.eye(len(OUTCOMES))
    return SecondReader(session, Cutter(), longest, np.vstack([eye, eye]), np.zeros(len(OUTCOMES)))  # type: ignore[arg-type]


def test_unsure_notes_are_combined_and_sure_ones_are_not_read() -> None:
    session = Session([0.1, 0.7, 0.1, 0.1])
    first = np.array([[0.5, 0.3, 0.1, 0.1], [0.02, 0.02, 0.95, 0.01], [UNSURE_BELOW, 1 - UNSURE_BELOW, 0.0, 0.0]])
    out = reader(session).revise(["ab", "c", "d"], first)
    assert session.shown == [[0, ord("a"), ord("b"), 2]]
    product = np.array([0.5 * 0.1, 0.3 * 0.7, 0.1 * 0.1, 0.1 * 0.1])
    assert out[0] == pytest.approx(product / product.sum(), abs=1e-6)
    assert (out[1:] == first[1:]).all()
    assert first[0, 0] == 0.5, "the argument is left as it was"


@pytest.mark.parametrize(("length", "is_read"), [(0, False), (1, True), (50, True), (51, False)])
def test_a_note_too_long_or_empty_keeps_what_it_has(length: int, is_read: bool) -> None:
    session = Session([0.97, 0.01, 0.01, 0.01])
    first = np.array([[0.4, 0.4, 0.1, 0.1]])
    out = reader(session).revise(["x" * length], first)
    assert bool(session.shown) is is_read
    assert (out[0] != first[0]).any() == is_read


def test_the_combination_reads_both_and_no_probability_under_a_bound() -> None:
    found = combination_inputs(np.array([[1.0, 0.0, 0.0, 0.0]]), np.array([[0.0, -50.0, -50.0, -50.0]]))
    low = math.log(1e-4)
    assert found.tolist() == [[0.0, low, low, low, 0.0, low, low, low]]


def test_text_is_shown_clean_on_one_line_and_of_the_same_length() -> None:
    note = "客戶說：ＯＫ\r\n下週簽約\t"
    assert clean_text(note) == "客户说:ok  下周签约 "
    assert len(clean_text(note)) == len(note)


def test_the_outcome_is_revised_with_all_that_depends_on_it(shipped: NoteAnalyzer, both: NoteAnalyzer) -> None:
    before, after = shipped.analyze(UNSURE), both.analyze(UNSURE)
    assert max(before.probabilities.values()) < UNSURE_BELOW
    assert (before.outcome, after.outcome) == (Outcome.CONTINUATION, Outcome.NO_SALE)
    assert (before.needs_review, after.needs_review) == (True, False)
    assert sum(after.probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    assert after.evidence
    assert all(UNSURE[span.start : span.end] == span.text for span in after.evidence)
    assert both.analyze(SURE) == shipped.analyze(SURE)


def test_a_note_is_read_the_same_alone_and_among_others(both: NoteAnalyzer) -> None:
    notes = [
        UNSURE,
        SURE,
        "",
        "跟了半年，老板今天终于松口，让会计明天把头款打过来，剩下的货到再说",
        UNSURE * 20,
        "　\n",
    ]
    assert both.analyze_many(notes) == [both.analyze(note) for note in notes]
    assert both.analyze_many(notes[::-1]) == both.analyze_many(notes)[::-1]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"pip install 'visit-note-analyzer\[second-reader\]'"):
        NoteAnalyzer.load(second_reader=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(second_reader_folder(), tmp_path / "second"))


@pytest.mark.parametrize("name", [READER, PIECES, METADATA])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        SecondReader.load(folder)


@pytest.mark.parametrize("name", [READER, PIECES])
def test_a_changed_file_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=r"is not the file that metadata\.json was written for"):
        SecondReader.load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"combination": {"weights": [[1.0]], "bias": [0.0]}}, r"expected \(8, 4\)"),
        ({"combination": {"weights": [[math.nan] * 4] * 8, "bias": [0.0] * 4}}, r"expected \(8, 4\)"),
        ({"combination": None}, "expected longest and combination"),
        ({"longest": "many"}, "expected longest and combination"),
        ({"sha256": None}, "is not the file"),
    ],
)
def test_damaged_metadata_are_refused(folder: Path, change: dict[str, object], message: str) -> None:
    metadata = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    (folder / METADATA).write_text(json.dumps(metadata | change), encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        SecondReader.load(folder)
    (folder / METADATA).write_text("[]", encoding="utf-8")
    with pytest.raises(ModelError, match="expected a JSON object"):
        SecondReader.load(folder)
    (folder / METADATA).write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="is not JSON"):
        SecondReader.load(folder)


def score(*arguments: object) -> int:
    return cli.main(["score", *map(str, arguments), "--quiet"])


def test_score_reads_unsure_rows_again(tmp_path: Path) -> None:
    source, output, summary = tmp_path / "n.csv", tmp_path / "out.csv", tmp_path / "s.json"
    pd.DataFrame({"编号": [1, 2, 3], "跟进记录": [UNSURE, SURE, ""]}).to_csv(source, index=False)
    results, versions = [], []
    for flags in ([], ["--second-reader"]):
        assert score(source, "-o", output, "--summary", summary, *flags) == 0
        results.append(pd.read_csv(output, keep_default_na=False))
        versions.append(json.loads(summary.read_text(encoding="utf-8"))["model_version"])
    assert [table["结果"].tolist() for table in results] == [["暂时中断", "暂时中断", ""], ["没有成交", "暂时中断", ""]]
    assert [table["需复核"].tolist()[0] for table in results] == ["是", ""]
    assert versions[1] == f"{versions[0]}+{model_version(second_reader_folder())[:6]}"


def test_partitions_of_a_cluster_are_read_again() -> None:
    frame = pd.DataFrame({"跟进记录": [UNSURE, SURE]})
    found = {
        again: next(score_partitions([frame], note_column="跟进记录", second_reader=again))["结果"].tolist()
        for again in (False, True)
    }
    assert found == {False: ["暂时中断", "暂时中断"], True: ["没有成交", "暂时中断"]}
    assert load_once(second_reader=True) is load_once(second_reader=True) is not load_once()


def test_a_part_tells_whether_it_was_read_again(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    source = tmp_path / "a.parquet"
    pd.DataFrame({"跟进记录": [UNSURE, SURE]}).to_parquet(source)
    made = [
        plan([str(source)], f"{tmp_path}/out", second_reader=again)[0].parts[0].made_of() for again in (False, True)
    ]
    assert [one["second_reader"] for one in made] == [False, True]


def test_one_note_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    for flags, outcome in (([], "暂时中断"), (["--second-reader"], "没有成交")):
        assert cli.main(["checklist", UNSURE, *flags]) == 0
        assert outcome in capsys.readouterr().out.splitlines()[0]
