"""The command: output, errors in one line, exit statuses."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import StubAnalyzer, fake_analysis, run

from analyzer import cli_checklist, cli_score
from analyzer.errors import ModelError
from analyzer.tables import read_table

pytestmark = pytest.mark.usefixtures("stub_model")

ROOT = Path(__file__).parent.parent
NOTE = "客户同意看演示，价格偏高，工期要到月底"

# Runs the command with the stub in a process of its own.
PROGRAM = """
import sys, types
sys.path[:0] = {paths!r}
import conftest
module = types.ModuleType("analyzer.note_analyzer")
module.NoteAnalyzer = conftest.StubAnalyzer
sys.modules["analyzer.note_analyzer"] = module
from analyzer.cli import main
{body}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "拜访.csv"
    path.write_text("11月拜访,\n编号,跟进记录\n0012,客户同意\n0013,\n0014,签约\n", encoding="gb18030")
    return path


def popen(body: str) -> subprocess.Popen[bytes]:
    program = PROGRAM.format(paths=[str(ROOT), str(ROOT / "tests")], body=body)
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )


def give_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


# --- score ---


def test_score(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("score", source) == 0
    output = source.with_name("拜访.scored.xlsx")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        f"{source}: csv, encoding gb18030, delimiter ',', header in row 2",
        "skipped above the header: 11月拜访",
        "note column '跟进记录' (by its name)",
        "3 rows read: 2 scored, 1 empty, 0 failed",
        "成交 1 (50%) · 进展晋级 1 (50%) · 暂时中断 0 (0%) · 没有成交 0 (0%); success 100%, to review 0%",
        "1 rows have a remark in the column 问题",
        f"wrote {output}",
    ]
    assert [row[0] for frame in read_table(output) for row in frame.to_numpy()] == ["0012", "0013", "0014"]


def test_score_quietly_with_options(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = source.with_name("a.csv")
    assert run("score", source, "-o", output, "--note-column", "编号", "--model", "m", "--quiet") == 0
    assert capsys.readouterr().err == ""
    assert output.exists()


@pytest.mark.parametrize(
    ("content", "arguments", "status", "message"),
    [
        (b"", [], 1, "is empty"),
        ("编号,备注\n", [], 1, "no rows"),
        ("编号,电话\n1,13800138000\n", [], 1, "no column holds visit notes"),
        ("编号,备注\n1,好\n", ["--note-column", "备住"], 1, "did you mean '备注'"),
        ("编号,备注\n1,好\n", ["--sheet", "表"], 1, "no sheets"),
        ("编号,备注\n1,好\n", ["-o", "x.doc"], 2, "ends in '.doc'"),
        ("编号,备注\n1,好\n", ["-o", "/"], 2, "is a folder"),
        ("编号,备注\n1,好\n", ["-o", "无此目录/x.csv"], 1, "does not exist"),
        ("编号,备注\n1,崩溃\n", [], 1, "none of the 1 rows"),
    ],
)
def test_errors_are_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str | bytes,
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert run("score", path, "--quiet", *arguments) == status
    error = capsys.readouterr().err
    assert error.startswith("visit-notes: error: ")
    assert message in error
    assert error.count("\n") == 1


def test_the_input_is_never_the_output(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = source.read_bytes()
    assert run("score", source, "-o", source) == 2
    assert "would overwrite the input" in capsys.readouterr().err
    assert source.read_bytes() == before


def test_a_missing_file_and_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("score", tmp_path / "无.csv") == 1
    assert "does not exist" in capsys.readouterr().err
    assert run("score", tmp_path) == 1
    assert "has no file to read" in capsys.readouterr().err


def test_a_model_of_another_version(
    source: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(path: object = None, *, topics: object = None, second_reader: bool = False) -> StubAnalyzer:
        raise ModelError("format 9, expected 1;\ntrain it again")

    monkeypatch.setattr(StubAnalyzer, "load", load)
    assert run("score", source) == 1
    assert capsys.readouterr().err == "visit-notes: error: format 9, expected 1; train it again\n"
    assert list(source.parent.iterdir()) == [source]


def test_an_unexpected_error_is_one_line(
    source: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(path: object = None, *, topics: object = None, second_reader: bool = False) -> StubAnalyzer:
        raise RuntimeError("surprise")

    monkeypatch.setattr(StubAnalyzer, "load", load)
    monkeypatch.delenv("VISIT_NOTES_DEBUG", raising=False)
    assert run("score", source) == 1
    assert "internal error, RuntimeError: surprise" in capsys.readouterr().err
    monkeypatch.setenv("VISIT_NOTES_DEBUG", "1")
    with pytest.raises(RuntimeError):
        run("score", source)


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["score"], ["score", "a", "--workers", "0"], ["score", "a", "--wrong"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    assert "usage: visit-notes" in capsys.readouterr().err


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("visit-notes ")
    assert run("score", "--help") == 0
    assert "--note-column" in capsys.readouterr().out


def test_progress_of_a_long_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 11.0, 12.0, 50.0])
    monkeypatch.setattr(cli_score.time, "monotonic", lambda: next(clock))
    progress = cli_score._Progress()
    for rows, fraction in [(100, 0.1), (1100, 0.5), (1200, 0.6), (5000, None)]:
        progress(rows, fraction)
    progress.clear()
    assert capsys.readouterr().err.splitlines() == [
        "[############            ]  50%  1,100 rows, 100 a second, 11 s left",
        "5,000 rows, 100 a second",
    ]


def test_ctrl_c(source: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: object, texts: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(StubAnalyzer, "analyze_many", interrupted)
    assert run("score", source) == 130
    assert "interrupted" in capsys.readouterr().err
    assert list(source.parent.iterdir()) == [source]


# --- checklist ---


def test_checklist(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("checklist", NOTE) == 0
    assert capsys.readouterr().out.splitlines() == [
        "结果：进展晋级（把握 70%）",
        "依据：「同意」（第 3–4 字）",
        "客户承诺：产品演示，「同意」",
        "检核表：2 个关注点，1 个未答复",
        "  [ ] 1. 价格预算：「价格」",
        "      未答复",
        "  [√] 2. 履约服务：「工期」",
        "      我方答复：「月底」",
    ]


def test_checklist_without_findings() -> None:
    text = cli_checklist.checklist_text(fake_analysis("下次再谈"))
    assert "建议人工复核" in text
    assert "客户承诺：无" in text
    assert "没有发现客户提出的关注点" in text
    assert cli_checklist.checklist_text(fake_analysis("")) == "结果：无法判断（没有拜访内容）"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_checklist_of_standard_input(
    encoding: str, arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_stdin(monkeypatch, NOTE.encode(encoding))
    assert run("checklist", *arguments) == 0
    assert "（第 3–4 字）" in capsys.readouterr().out


def test_an_empty_note(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    give_stdin(monkeypatch, b" \n")
    assert run("checklist") == 1
    assert "the note is empty" in capsys.readouterr().err


def test_a_note_in_the_encoding_of_an_old_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("checklist", os.fsdecode(NOTE.encode("gb18030"))) == 0
    assert "进展晋级" in capsys.readouterr().out


def test_half_a_character_can_be_printed() -> None:
    process = popen('sys.exit(main(["checklist", "\\ud83d签约\\udfff，价格"]))')
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "成交" in out.decode()
    assert err == b""


def test_checklist_needs_no_pandas() -> None:
    process = popen(f'main(["checklist", {NOTE!r}])\nsys.exit("pandas" in sys.modules or "sklearn" in sys.modules)')
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0


def test_a_closed_pipe() -> None:
    process = popen(f'import time\ntime.sleep(0.3)\nsys.exit(main(["checklist", {NOTE!r}]))')
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141
