"""The page for analysts can be followed as it stands: its commands are run, its files are read."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import openpyxl
import pytest
from conftest import ROOT
from test_docs import sessions

from analyzer import model_store
from analyzer.cli import main
from analyzer.labels import is_unsure, parse_outcome
from analyzer.model_format import MAX_BYTES
from analyzer.own_labels import read_own_labels
from analyzer.review_book import OWN_OUTCOME, REVIEW_COLUMNS, REVIEW_SHEET
from analyzer.taxonomy import read_taxonomy

PAGE = ROOT / "docs" / "训练自己的模型.md"
AUTHORS = {"plain_trade": 40, "plain_public": 40, "medical": 30, "short_mixed": 60}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the example export and a base corpus of a few notes."""
    example = ROOT / "data" / "examples" / "拜访记录导出.xlsx"
    shutil.copy(example, tmp_path)
    shutil.copytree(ROOT / "data" / "lexicons", tmp_path / "data" / "lexicons")
    notes = tmp_path / "data" / "corpus" / "notes"
    notes.mkdir(parents=True)
    for author, count in AUTHORS.items():
        path = ROOT / "data" / "corpus" / "notes" / f"{author}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (notes / path.name).write_text("".join(lines[:count]), encoding="utf-8")
    (tmp_path / "my.toml").write_text(toml_block(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def toml_block() -> str:
    found = re.search(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def fill_in(path: Path) -> None:
    """Do what the page tells the reader to do in Excel: choose an outcome in every row."""
    book = openpyxl.load_workbook(path)
    sheet = book[REVIEW_SHEET]
    column = REVIEW_COLUMNS.index(OWN_OUTCOME) + 1
    for row in range(2, sheet.max_row + 1):
        sheet.cell(row, column).value = "暂时中断" if row % 10 == 0 else "同模型"
    book.save(path)


def test_the_worked_example(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, shown in sessions(PAGE):
        program, *arguments = shlex.split(command)
        assert program == "visit-notes"
        if arguments[0] == "check-labels":
            fill_in(folder / "复核.xlsx")
        assert main(arguments) == 0, command
        captured = capsys.readouterr()
        pattern = re.escape(shown.strip()).replace("…", ".*?")
        assert re.fullmatch(pattern, (captured.err + captured.out).strip(), re.DOTALL) or re.fullmatch(
            pattern, captured.out.strip(), re.DOTALL
        ), f"{command}\n{captured.out}{captured.err}"
    card = (folder / "models" / "mine" / "MODEL_CARD.md").read_text(encoding="utf-8")
    for title in re.findall(
        r"^- \*\*(.+?)\*\*：", PAGE.read_text(encoding="utf-8").partition("## 五")[2], re.MULTILINE
    ):
        assert title in card, title
    for name in ("打分.xlsx", "不同之处.xlsx", "新打分.xlsx"):
        assert (folder / name).exists()


def test_the_table_of_the_page(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]
    assert rows[0] == ["跟进记录", "正确结果"]
    path = tmp_path / "表.csv"
    path.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    labels = read_own_labels([path])
    assert [one.example.outcome for one in labels.notes] == ["order", "advance", "continuation"]
    assert (labels.open, labels.refused) == (1, [])
    assert is_unsure("不确定")
    assert parse_outcome("no_sale").value == "no_sale"


def test_the_topics_of_the_page(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(toml_block(), encoding="utf-8")
    taxonomy = read_taxonomy(path)
    assert [topic.label for topic in taxonomy.own] == ["冷链温控"]
    assert len(taxonomy.phrases) == 6


def test_the_page_on_model_files() -> None:
    """The written format names every file, array and threshold, and the version that is written."""
    text = (ROOT / "docs" / "model_format.md").read_text(encoding="utf-8")
    for name in [*MAX_BYTES, *model_store._ARRAYS, *model_store._THRESHOLDS, *model_store._LABELS]:
        assert f"`{name}`" in text, name
    assert f"this release reads {model_store.FORMAT_VERSION}" in text
    assert re.search(rf"^\| {model_store.FORMAT_VERSION} \|", text, re.MULTILINE)
    assert set(model_store.LAST_RELEASE) == set(range(1, model_store.FORMAT_VERSION))
