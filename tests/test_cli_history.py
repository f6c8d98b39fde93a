"""The commands progress, checklist and report over an export: outputs, errors in one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from conftest import run

from analyzer.tables import read_table

pytestmark = pytest.mark.usefixtures("stub_model")

EXPORT = """跟进记录,客户名称,项目名称,业务员,部门,拜访日期
客户同意看演示，价格偏高,海川,产线,周敏,华东,2026-09-03
工期要到月底，价格偏高,海川,产线,周敏,华东,2026-09-13
没有进展,海川,产线,周敏,华东,2026-09-20
不需要,别家,,吴倩,华南,2026-09-15
签约,,,吴倩,华南,
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "拜访.csv"
    path.write_text(EXPORT, encoding="utf-8")
    return path


# --- progress ---


def test_progress_prints_a_table(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("progress", source) == 0
    shown = capsys.readouterr()
    head, first, second = shown.out.splitlines()
    assert head.split()[:5] == ["商机", "状态", "最近拜访", "最近结果", "连续中断"]
    assert first.split()[:5] == ["海川", "·", "产线", "进行中", "2026-09-20"]
    assert second.split()[:3] == ["别家", "已丢单", "2026-09-15"]
    assert shown.err.splitlines() == [
        f"{source}: csv, encoding utf-8, delimiter ',', header in row 1",
        "note column '跟进记录' (by its name)",
        "date: 拜访日期; customer: 客户名称; opportunity: 项目名称; salesperson: 业务员; team: 部门",
        "5 rows, 2 opportunities, judged as of 2026-09-20",
        "1 rows lack something (kept, listed in the output): rows 6",
    ]


def test_rows_are_counted_on_a_terminal(
    source: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run("progress", source) == 0
    assert "5 rows read" in capsys.readouterr().err
    assert run("progress", source, "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_progress_writes_a_workbook(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = source.with_name("进展.xlsx")
    assert run("progress", source, "-o", output, "--as-of", "2026-11-01", "--silent-days", "40") == 0
    assert capsys.readouterr().err.splitlines()[-1] == f"wrote {output}"
    rows = [row for frame in read_table(output, sheet="商机进展") for row in frame.to_dict("records")]
    assert [(row["客户"], row["状态"], row["连续中断"], row["未答复"], row["距上次晋级（天）"]) for row in rows] == [
        ("海川", "进行中", "2", "1", "59"),
        ("别家", "已丢单", "0", "0", ""),
    ]
    assert rows[0]["停滞原因"] == "连续 2 次暂时中断；42 天没有拜访"
    apart = [row for frame in read_table(output, sheet="需要处理的记录") for row in frame.to_dict("records")]
    assert [(row["行号"], row["问题"], row["记录"]) for row in apart] == [("6", "没有日期；没有客户和商机", "签约")]
    milestones = [row for frame in read_table(output, sheet="里程碑") for row in frame.to_dict("records")]
    assert milestones[0]["原话"] == "客户同意看演示"
    assert len(milestones) == 18


def test_progress_as_csv_and_json(source: Path) -> None:
    assert run("progress", source, "-o", source.with_name("a.csv"), "--quiet") == 0
    rows = [row for frame in read_table(source.with_name("a.csv")) for row in frame.to_dict("records")]
    assert [row["客户"] for row in rows] == ["海川", "别家"]
    assert run("progress", source, "-o", source.with_name("a.json"), "--quiet") == 0
    data = json.loads(source.with_name("a.json").read_text(encoding="utf-8"))
    assert data["as_of"] == "2026-09-20"
    assert [one["rows"] for one in data["opportunities"]] == [[2, 3, 4], [5]]
    assert data["rows_with_problems"] == [{"row": 6, "problem": "没有日期；没有客户和商机"}]


@pytest.mark.parametrize("command", ["progress", "report", "checklist"])
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["-o", "x.doc"], 2, "expected"),
        (["--as-of", "昨天"], 1, "--as-of '昨天' is no date"),
        (["--milestones", "无.toml"], 1, "无.toml cannot be read"),
        (["--opportunity-column", "项目名"], 1, "did you mean '项目名称'"),
        (["--note-column", "笔记"], 1, "no column '笔记'"),
        (["--silent-days", "0"], 2, "expected 1 or more"),
    ],
)
def test_errors(
    command: str,
    arguments: list[str],
    status: int,
    message: str,
    source: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(source.parent)
    assert run(command, source, *arguments) == status
    assert message in capsys.readouterr().err
    assert list(source.parent.iterdir()) == [source]


@pytest.mark.parametrize(("command", "ending"), [("progress", ".csv"), ("checklist", ".html"), ("report", ".html")])
def test_a_file_that_is_not_there(
    command: str, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, tmp_path / "无.xlsx", "-o", tmp_path / f"a{ending}") == 1
    assert "does not exist" in capsys.readouterr().err


def test_the_input_is_never_the_output(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("progress", source, "-o", source) == 2
    assert "would overwrite the input" in capsys.readouterr().err
    assert source.read_text(encoding="utf-8") == EXPORT


def test_a_plan_of_ones_own(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = source.with_name("plan.toml")
    plan.write_text("[[milestone]]\nid='a'\nname='看过演示'\nwords=['看演示']\n", encoding="utf-8")
    assert run("progress", source, "--milestones", plan, "-o", source.with_name("a.xlsx"), "--quiet") == 0
    rows = [row for frame in read_table(source.with_name("a.xlsx"), sheet="里程碑") for row in frame.to_dict("records")]
    assert [(row["里程碑"], row["状态"], row["原话"]) for row in rows] == [
        ("看过演示", "已达成", "客户同意看演示"),
        ("看过演示", "可推进", ""),
    ]


# --- checklist ---


def test_checklists_of_an_export(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("checklist", source, "--quiet") == 0
    out = capsys.readouterr().out
    assert out.startswith("海川 · 产线\n经过上次沟通，我记录了您的以下关注点，请看是否有遗漏：\n")
    assert out.count("「价格」") >= 1
    assert "\n别家\n" in out


def test_one_opportunity(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("checklist", source, "--opportunity", "别", "--quiet") == 0
    assert capsys.readouterr().out.startswith("别家\n")
    assert run("checklist", source, "--opportunity", "没有这家", "--quiet") == 1
    assert "no opportunity holds '没有这家'; there are 2, such as 海川 · 产线、别家" in capsys.readouterr().err


@pytest.mark.parametrize("ending", [".txt", ".md", ".html", ".xlsx", ".json"])
def test_forms_in_files(ending: str, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = source.with_name(f"检核表{ending}")
    assert run("checklist", source, "-o", output) == 0
    assert capsys.readouterr().err.splitlines()[-1] == f"wrote {output}"
    assert "价格".encode() in output.read_bytes() or ending == ".xlsx"


@pytest.mark.parametrize(
    ("form", "start"), [("text", "本次拜访"), ("markdown", "# 本次拜访"), ("html", "<!doctype html>"), ("json", "[")]
)
def test_forms_of_one_note(form: str, start: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("checklist", "客户同意看演示，价格偏高", "--form", form) == 0
    out = capsys.readouterr().out
    assert out.startswith(start)
    assert "价格" in out


def test_forms_that_do_not_fit(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("checklist", "价格偏高", "--form", "xlsx") == 2
    assert "name a file with -o" in capsys.readouterr().err
    assert run("checklist", "价格偏高", "--form", "json", "-o", source.with_name("a.md")) == 2
    assert "ends in '.md', expected .json" in capsys.readouterr().err


def test_a_note_that_ends_like_a_file_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("checklist", "客户同意，价格表发他了，见附件报价.xlsx") == 0
    assert "进展晋级" in capsys.readouterr().out


def test_a_long_note_is_no_file_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("checklist", "客户同意看演示，价格偏高。" * 200) == 0
    assert "进展晋级" in capsys.readouterr().out


def test_a_file_of_any_name_is_read(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    renamed = source.rename(source.with_name("导出 11月，全部.txt"))
    assert run("checklist", renamed, "--quiet") == 0
    assert capsys.readouterr().out.startswith("海川 · 产线\n")


# --- report ---


def test_report_of_an_export_and_of_its_results_file(source: Path) -> None:
    assert run("report", source, "--quiet") == 0
    page = source.with_name("拜访.report.html")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert run("score", source, "--quiet") == 0
    again = source.with_name("b.html")
    assert run("report", source.with_name("拜访.scored.xlsx"), "-o", again, "--quiet", "--lang", "en") == 0
    assert "Visit report" in again.read_text(encoding="utf-8")
