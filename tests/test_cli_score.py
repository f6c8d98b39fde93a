"""``visit-notes score`` over several files, through pipes, stopped and gone on with."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import run

from analyzer.batch_files import find_sources, plan_outputs
from analyzer.errors import OutputError, TableError
from analyzer.journal import journal_path
from analyzer.tables import read_table

TEXT = "编号,跟进记录\n0012,客户同意\n0013,\n0014,签约\n"


def rows_of(path: Path) -> int:
    return sum(map(len, read_table(path)))


# --- which files, and where to ---


def test_sources_are_found(tmp_path: Path) -> None:
    for name in ("b.csv", "a.xlsx", "a.scored.xlsx", "~$a.xlsx", "c.pdf", "[1].csv"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "d.csv").touch()

    def found(*arguments: str) -> list[str]:
        return [path.relative_to(tmp_path).as_posix() for path in find_sources(arguments)]

    assert found(str(tmp_path)) == ["[1].csv", "a.xlsx", "b.csv"]
    assert found(f"{tmp_path}/*.csv", f"{tmp_path}/b.csv") == ["[1].csv", "b.csv"]
    assert found(f"{tmp_path}/**/*.csv") == ["[1].csv", "b.csv", "sub/d.csv"]
    assert found(f"{tmp_path}/[1].csv") == ["[1].csv"]  # a file of this name goes before the pattern
    assert found(f"{tmp_path}/a*") == ["a.xlsx"]
    assert found(f"{tmp_path}/none.csv") == ["none.csv"]  # told of in its turn
    with pytest.raises(TableError, match=r"no file matches .*expected at least one"):
        find_sources([f"{tmp_path}/*.ods"])


def test_outputs_are_planned(tmp_path: Path) -> None:
    def names(sources: list[str], output: str | None, ending: str | None = None) -> list[str]:
        return [pair.output.as_posix() for pair in plan_outputs([Path(source) for source in sources], output, ending)]

    out = tmp_path.as_posix()
    assert names(["x/a.csv"], None) == ["x/a.scored.xlsx"]
    assert names(["x/a.csv"], None, ".csv") == ["x/a.scored.csv"]
    assert names(["x/a.csv", "y/a.csv"], None) == ["x/a.scored.xlsx", "y/a.scored.xlsx"]
    assert names(["x/a.csv", "x/A.xls", "x/b.csv"], None) == [
        *("x/a.csv.scored.xlsx", "x/A.xls.scored.xlsx", "x/b.scored.xlsx")
    ]
    assert names(["x/a.csv"], "b.csv") == ["b.csv"]
    assert names(["x/a.csv"], f"{out}/new/") == [f"{out}/new/a.scored.xlsx"]
    assert (tmp_path / "new").is_dir()
    assert names(["x/a.csv", "b.parquet"], out) == [f"{out}/a.scored.xlsx", f"{out}/b.scored.parquet"]
    assert names(["x/a.csv", "b.parquet"], out, ".jsonl") == [f"{out}/a.scored.jsonl", f"{out}/b.scored.jsonl"]
    alone = plan_outputs([tmp_path / "x" / "a.csv"], out, many=True)  # the only file of a folder
    assert [pair.output.as_posix() for pair in alone] == [f"{out}/a.scored.xlsx"]
    assert names(["-"], None) == ["-"]
    assert names(["a.csv"], "-") == ["-"]
    assert names(["-"], f"{out}/") == [f"{out}/standard-input.scored.xlsx"]
    for sources, output, message in (
        (["a.csv", "b.csv"], "c.csv", "several inputs cannot share the output c.csv"),
        (["a.csv", "b.csv"], "-", "2 inputs cannot share standard output"),
        (["a.csv"], "/", "is a folder, the root"),
        (["x/a.csv", "y/a.csv"], f"{out}/", r"x/a.csv and y/a.csv .* the same name"),
    ):
        with pytest.raises(OutputError, match=message):
            names(sources, output)
    (tmp_path / "file").touch()
    with pytest.raises(TableError, match="cannot be made"):
        names(["a.csv"], f"{out}/file/")


# --- several files ---


@pytest.mark.usefixtures("stub_model")
def test_one_bad_file_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text(TEXT)
    (folder / "b.csv").write_text("编号,电话\n1,13800138000\n")
    (folder / "c.csv").write_text(TEXT)
    out, summary = tmp_path / "out", tmp_path / "summary.json"
    assert run("score", folder, "-o", f"{out}/", "--format", "csv", "--summary", summary) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[-2] == "2 of 3 files: 6 rows read: 4 scored, 2 empty, 0 failed"
    assert told[-1] == (
        "visit-notes: error: 1 of 3 files could not be scored, see above; correct them and score them again"
    )
    assert sum("b.csv: no column holds visit notes" in line for line in told) == 1
    data = json.loads(summary.read_text(encoding="utf-8"))
    assert [(file["status"], Path(file["input"]).name) for file in data["files"]] == [
        *(("done", "a.csv"), ("failed", "b.csv"), ("done", "c.csv"))
    ]
    assert data["rows"] == {"read": 6, "scored": 4, "empty": 2, "failed": 0, "marked": 2, "review": 0}
    assert data["outcomes"] == {"order": 2, "advance": 2, "continuation": 0, "no_sale": 0}
    assert data["files"][0]["dialect"]["encoding"] == "utf-8"
    assert data["files"][0]["note_column"]["name"] == "跟进记录"
    assert (len(data["model_version"]), data["release"]) == (12, "0.2.0")
    assert "could not be scored" in data["error"]
    assert sorted(path.name for path in out.iterdir()) == ["a.scored.csv", "c.scored.csv"]


@pytest.mark.usefixtures("stub_model")
def test_strict_stops_the_run_and_names_the_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text(TEXT)
    (tmp_path / "b.csv").write_text(TEXT + "0015,签约,多\n")
    (tmp_path / "c.csv").write_text(TEXT)
    summary = tmp_path / "s.json"
    assert run("score", tmp_path, "--strict", "--summary", summary) == 1
    assert "b.csv: row 5 (the header is row 1) is bad: 多出 1 个字段" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.glob("*.xlsx")) == ["a.scored.xlsx"]
    assert "row 5" in json.loads(summary.read_text())["error"]


@pytest.mark.usefixtures("stub_model")
def test_a_summary_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text(TEXT)
    assert run("score", tmp_path / "a.csv", "--summary", tmp_path / "none" / "s.json") == 1
    assert "s.json cannot be written" in capsys.readouterr().err


# --- pipes ---


@pytest.mark.usefixtures("stub_model")
@pytest.mark.parametrize(("form", "first"), [([], "编号,跟进记录,结果"), (["--format", "jsonl"], '{"编号": "0012"')])
def test_from_standard_input_to_standard_output(
    form: list[str], first: str, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode("gb18030"))))
    with open(os.dup(1), "w", encoding="utf-8") as stdout:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stdout)
        assert run("score", "-", *form) == 0
    captured = capfdbinary.readouterr()
    lines = captured.out.decode("utf-8").splitlines()
    assert lines[0].startswith(first)
    assert len(lines) == (3 if form else 4)
    assert "3 rows read: 2 scored, 1 empty, 0 failed" in captured.err.decode("utf-8")


@pytest.mark.usefixtures("stub_model")
def test_formats_that_cannot_go_through_a_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text(TEXT)
    assert run("score", tmp_path / "a.csv", "-o", "-", "--format", "xlsx") == 2
    assert "cannot be written to standard output" in capsys.readouterr().err


# --- stopped and gone on with ---


def test_killed_and_interrupted_and_gone_on_with(tmp_path: Path) -> None:
    """The command itself with the shipped model: kill -9, then Ctrl-C, then the command that it names."""
    source = tmp_path / "拜访 记录.csv"
    notes = ["合同已签", "不需要", "同意下周三看演示", "再联系", ""]
    with source.open("w", encoding="gb18030", newline="") as file:
        csv.writer(file).writerows([["编号", "跟进记录"], *([n, f"{notes[n % 5]}{n % 83}"] for n in range(24_000))])
    program = [sys.executable, "-m", "analyzer.cli", "score", str(source), "--quiet"]
    expected, output = tmp_path / "expected.csv", tmp_path / "b.csv"
    subprocess.run([*program, "-o", str(expected), "--workers", "1"], check=True, timeout=300)
    journal = journal_path(output) / "chunks.log"
    wanted = 0
    for stop in (signal.SIGKILL, signal.SIGINT):
        options = ["-o", str(output), "--workers", "2", *(["--resume"] if wanted else [])]
        with subprocess.Popen([*program, *options], stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + 300
            while process.poll() is None and (not journal.exists() or journal.stat().st_size <= wanted):
                assert time.monotonic() < deadline
                time.sleep(0.005)
            process.send_signal(stop)
            assert process.stderr is not None
            told = process.stderr.read()
        wanted = journal.stat().st_size
        assert not output.exists()
    assert process.returncode == 130
    assert told.count("\n") == 1
    assert told.startswith("visit-notes: error: interrupted; what is done is kept, go on with: visit-notes score ")
    command = shlex.split(told.partition("go on with: ")[2])
    assert command[-1] == "--resume"
    summary = tmp_path / "s.json"
    arguments = [sys.executable, "-m", "analyzer.cli", *command[1:], "--summary", str(summary)]
    subprocess.run(arguments, check=True, timeout=300)
    assert output.read_bytes() == expected.read_bytes()
    # Two chunks of 2,000 rows, or one: kill -9 may cut the first record in two.
    assert json.loads(summary.read_text())["files"][0]["rows_done_before"] >= 2000
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["s.json", "b.csv", "expected.csv", source.name])


def test_several_files_killed_and_gone_on_with(tmp_path: Path) -> None:
    """A finished file of a killed run stays as it is; the others are scored."""
    program = (
        "import sys, types\n"
        f"sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]!r}\n"
        "import stub_analyzer\n"
        "module = types.ModuleType('analyzer.note_analyzer')\n"
        "class NoteAnalyzer(stub_analyzer.FaultyAnalyzer):\n"
        "    @classmethod\n"
        "    def load(cls, path=None, topics=None, second_reader=False):\n"
        f"        return cls(log={str(tmp_path / 'log')!r}, seconds=0.3)\n"
        "module.NoteAnalyzer = NoteAnalyzer\n"
        "sys.modules['analyzer.note_analyzer'] = module\n"
        "from analyzer.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in "abcd":
        (folder / f"{name}.csv").write_text(TEXT.replace("客户", f"客户{name}"))
    command = [sys.executable, "-c", program, "score", str(folder), "-o", f"{out}/", "--format", "csv"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(out.glob("*.scored.csv"))) < 2:
            time.sleep(0.005)
        process.kill()
    assert (out / "a.scored.csv").exists()
    made = (out / "a.scored.csv").stat().st_mtime_ns
    subprocess.run([*command, "--resume"], check=True, timeout=300, stderr=subprocess.DEVNULL)
    assert (out / "a.scored.csv").stat().st_mtime_ns == made
    assert (tmp_path / "log").read_text().splitlines().count("客户a同意") == 1
    assert sorted(path.name for path in out.iterdir()) == [f"{name}.scored.csv" for name in "abcd"]
    assert all(rows_of(path) == 3 for path in out.iterdir())


@pytest.mark.usefixtures("stub_model")
def test_workers_do_not_change_the_workbook(tmp_path: Path) -> None:
    frame = pd.DataFrame({"编号": range(50), "跟进记录": ["客户同意，价格"] * 50})
    frame.to_csv(tmp_path / "a.csv", index=False)
    for workers in (1, 3):
        assert run("score", tmp_path / "a.csv", "-o", tmp_path / f"{workers}.xlsx", "--workers", workers) == 0
    assert (tmp_path / "1.xlsx").read_bytes() == (tmp_path / "3.xlsx").read_bytes()


def test_the_program_is_installed() -> None:
    assert shutil.which("visit-notes", path=str(Path(sys.executable).parent))
