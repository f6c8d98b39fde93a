"""Which notes are chosen for review."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import pytest
from conftest import ROOT, run

from analyzer import NoteAnalyzer
from analyzer.cli import main
from analyzer.records import NoteAnalysis, Outcome
from analyzer.review_book import CHOSEN, RANDOM
from analyzer.review_queue import choose, review_queue

EXAMPLE = ROOT / "data" / "examples" / "visit_notes_gb18030.csv"


def analysis(margin: float) -> NoteAnalysis:
    """An analysis whose two best outcomes lie ``margin`` apart."""
    rest = (1 - margin) / 2
    return NoteAnalysis(
        Outcome.ORDER, {"order": rest + margin, "advance": rest, "continuation": 0.0, "no_sale": 0.0}, False
    )


def test_the_unsure_ones_are_chosen(shipped: NoteAnalyzer) -> None:
    notes = ["客户嫌价格高", "没见到人", "合同签了", "样机试用中", "他们选了别家"]
    margins = [0.9, 0.1, 0.8, 0.2, 0.7]
    chosen = choose([analysis(one) for one in margins], notes, shipped, 2, random_share=0)
    assert sorted(chosen) == [1, 3]
    assert chosen[1] == f"{CHOSEN}：成交 55%，进展晋级 45%"


def test_copies_are_not_chosen_together(shipped: NoteAnalyzer) -> None:
    notes = ["客户说价格太高，下周再谈", "客户说价格太高，下周再谈！", "没见到人，门卫不让进", "他们选了别家"]
    chosen = choose([analysis(one) for one in (0.10, 0.11, 0.30, 0.95)], notes, shipped, 2, random_share=0)
    assert sorted(chosen) == [0, 2], "the second note is nearly as unsure, but like the first"


@pytest.mark.parametrize(("share", "drawn"), [(0.0, 0), (0.01, 1), (0.2, 2), (1.0, 10)])
def test_some_are_drawn_at_random(shipped: NoteAnalyzer, share: float, drawn: int) -> None:
    notes = [f"第{n}家客户，谈了{n}点" for n in range(40)]
    analyses = [analysis(n / 50) for n in range(40)]
    chosen = choose(analyses, notes, shipped, 10, random_share=share)
    assert len(chosen) == 10
    assert sum(how == RANDOM for how in chosen.values()) == drawn
    assert choose(analyses, notes, shipped, 10, random_share=share) == chosen, "the same again"


def test_the_random_ones_are_a_fair_sample(shipped: NoteAnalyzer) -> None:
    notes = [f"第{n}家客户" for n in range(50)]
    analyses = [analysis(n / 60) for n in range(50)]
    drawn = np.zeros(50)
    for seed in range(300):
        chosen = choose(analyses, notes, shipped, 10, random_share=1.0, seed=seed)
        drawn[list(chosen)] += 1
    assert drawn.min() > 30, "each about 60 times, sure or not"
    assert drawn.max() < 100


@pytest.mark.parametrize("count", [1, 3, 99])
def test_few_notes(shipped: NoteAnalyzer, count: int) -> None:
    chosen = choose([analysis(0.5)] * 3, ["甲", "乙", "丙"], shipped, count)
    assert len(chosen) == min(3, count)
    assert choose([], [], shipped, 5) == {}


def test_the_queue_of_a_file(shipped: NoteAnalyzer) -> None:
    queue = review_queue(EXAMPLE, shipped, 30)
    assert (queue.column.name, queue.read, len(queue.items)) == ("过程详细描述", 200, 30)
    numbers = [item.number for item in queue.items]
    assert numbers == sorted(set(numbers))
    assert sum(item.how == RANDOM for item in queue.items) == 6
    assert queue.distinct + queue.left_out <= 200
    again = review_queue(EXAMPLE, shipped, 30)
    assert again == queue
    unsure = [item.analysis.confidence or 0 for item in queue.items if item.how != RANDOM]
    drawn = [item.analysis.confidence or 0 for item in queue.items if item.how == RANDOM]
    assert np.mean(unsure) < np.mean(drawn)


def test_repeated_and_empty_notes_are_left_out(shipped: NoteAnalyzer, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        '拜访记录\n客户嫌价格高，下周再谈\n""\n客戶嫌價格高， 下週再談\n，，\n没见到人，改天再去\n' + "长" * 40_000,
        "utf-8",
    )
    queue = review_queue(path, shipped, 10)
    assert [item.number for item in queue.items] == [1, 5]
    assert (queue.read, queue.distinct, queue.left_out) == (6, 2, 3)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    topics = tmp_path / "my.toml"
    topics.write_text('[topics.cold]\nlabel = "冷链"\nwords = ["包装"]\n', encoding="utf-8")
    output = tmp_path / "review.xlsx"
    assert main(["review", str(EXAMPLE), "-o", str(output), "-n", "10", "--topics", str(topics)]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "10 chosen: 8 that the model is unsure of, 2 at random" in shown.err
    book = openpyxl.load_workbook(output)
    assert book["复核"].max_row == 11
    assert "冷链" in [cell.value for cell in book["选项"]["B"]]


@pytest.mark.parametrize("arguments", [["-n", "0"], ["-n", "x"], ["--random", "2"], ["--random", "x"], ["-o", "a.csv"]])
def test_wrong_use(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("review", EXAMPLE, *arguments) == 2
    assert list(tmp_path.iterdir()) == []
