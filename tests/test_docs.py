"""The documents tell the truth: console sessions run, tables follow from the data, links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from analyzer.cli import main
from analyzer.columns import find_note_column
from analyzer.results import RESULT_COLUMNS

READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "data").glob("*.md")]
sys.path.insert(0, str(ROOT / "scripts"))


def sessions(path: Path) -> list[tuple[str, str]]:
    """The commands of a document's console blocks, with the output that it shows."""
    out = []
    for block in re.findall(r"```console\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            out.append((command, shown))
    return out


@pytest.mark.parametrize(("command", "shown"), [one for path in READMES for one in sessions(path)])
def test_console_sessions_run_as_shown(
    command: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for example in (ROOT / "data" / "examples").iterdir():
        shutil.copy(example, tmp_path)
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(command)
    assert program == "visit-notes"
    assert main(arguments) == 0
    captured = capsys.readouterr()
    pattern = re.escape(shown.strip()).replace("…", ".*?")
    assert re.fullmatch(pattern, (captured.out + captured.err).strip()), captured.out + captured.err


def test_there_are_sessions() -> None:
    assert [len(sessions(path)) for path in READMES] == [2, 1]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert target.startswith("https://keepachangelog.com") or (path.parent / target).exists(), target


def test_tables_are_up_to_date() -> None:
    from update_docs import documents

    for path, text in documents().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run python scripts/update_docs.py"
        assert "| 0." in text or "| all notes |" in text


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_columns_of_the_readme(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name in RESULT_COLUMNS:
        assert name in text
    listed = re.search(r"(过程详细描述[,、].*?process_description)", text, re.DOTALL)
    assert listed
    names = re.split(r"[,、\s]+", listed[1])
    assert len(names) == 12
    pandas = pytest.importorskip("pandas")
    for name in names:
        frame = pandas.DataFrame({"编号": ["1", "2"], name: ["客户同意下周演示产品", "没见到人，改天再去"]})
        found = find_note_column(list(frame.columns), frame)
        assert (found.name, found.how) == (name, "name")


def test_the_record_of_the_readme_is_in_the_format() -> None:
    from check_corpus import record_errors

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    records = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    assert [list(record_errors(record)) for record in records] == [[]]
