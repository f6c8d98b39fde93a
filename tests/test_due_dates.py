import csv
import datetime
import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import StubAnalyzer, fake_analysis

from analyzer import cli, cli_score
from analyzer.batch import score_file
from analyzer.due_dates import due_date, with_due_date, with_due_dates
from analyzer.frames import score_frame
from analyzer.history import read_history
from analyzer.records import Action, Commitment, NoteAnalysis, Outcome, Span

WEDNESDAY = datetime.date(2026, 11, 25)


class DatingAnalyzer(StubAnalyzer):
    """Takes the words after 同意 for the time of the commitment."""

    def analyze_many(self, texts):
        return [promise(text) for text in texts]


def promise(note: str) -> NoteAnalysis:
    found = fake_analysis(note)
    if found.commitment is None:
        return found
    start = found.commitment.span.end
    due = Span(start, len(note), note[start:])
    return NoteAnalysis(
        Outcome.ADVANCE,
        found.probabilities,
        False,
        found.evidence,
        found.concerns,
        Commitment(Span(0, len(note), note), Action.DEMO, due),
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("下周三", "2026-12-02"),
        ("月底前", "2026-11-30"),
        ("下周", "2026-12-06"),
        ("三天内", "2026-11-28"),
        ("今天", "2026-11-25"),
        ("周三或周四", "2026-11-26"),
        ("昨天", None),
        ("尽快", None),
        ("麦收前", None),
        ("合同", None),
    ],
)
def test_the_last_day_ahead_is_the_due_date(words, expected):
    found = due_date(words, WEDNESDAY)
    assert (found and found.isoformat()) == expected


def test_nothing_is_dated_without_a_day_or_a_time():
    plain = fake_analysis("客户同意看演示")
    assert with_due_date(plain, WEDNESDAY) == plain
    assert with_due_date(fake_analysis(""), WEDNESDAY) == fake_analysis("")
    dated = promise("客户同意下周三")
    assert with_due_date(dated, None) == dated


def test_visit_dates_of_many():
    notes = ["客户同意下周三", "客户同意下周三", "客户同意下周三", ""]
    days = [WEDNESDAY, None, datetime.datetime(2026, 11, 18, 15, 30), WEDNESDAY]
    found = with_due_dates([promise(note) for note in notes], days)
    assert [one.commitment.due_date if one.commitment else None for one in found] == [
        datetime.date(2026, 12, 2),
        None,
        datetime.date(2026, 11, 25),
        None,
    ]


@pytest.mark.parametrize(
    ("days", "error"), [([], ValueError), (["2026-11-25"], TypeError), ("x", TypeError), ([20261125], TypeError)]
)
def test_visit_dates_that_cannot_be(days, error):
    with pytest.raises(error, match="visit"):
        with_due_dates([promise("客户同意下周三")], days)


def test_missing_times_of_pandas_are_no_dates():
    found = with_due_dates([promise("客户同意下周三")] * 2, [pd.NaT, pd.Timestamp("2026-11-25 08:00")])
    assert [str(one.commitment and one.commitment.due_date) for one in found] == ["None", "2026-12-02"]


def test_the_analyzer_takes_visit_dates(shipped):
    note = "王工同意下周三下午来厂里看设备"
    plain, dated = shipped.analyze(note), shipped.analyze(note, visit_date=WEDNESDAY)
    if plain.commitment and plain.commitment.due:
        assert dated.commitment.due_date == datetime.date(2026, 12, 2)
        assert dated.to_dict()["commitment"]["due_date"] == "2026-12-02"
    assert shipped.analyze_many([note, note], visit_dates=[None, WEDNESDAY]) == [plain, dated]
    with pytest.raises(ValueError, match="1 visit dates for 2 notes"):
        shipped.analyze_many([note, note], visit_dates=[WEDNESDAY])


def test_a_frame_is_dated_by_its_date_column():
    frame = pd.DataFrame(
        {
            "跟进日期": [pd.Timestamp("2026-11-25 10:00"), pd.NaT],
            "跟进记录": ["客户同意下周三", "客户同意下周三"],
        }
    )
    found = score_frame(frame, DatingAnalyzer().analyze_many)
    assert found["承诺日期"].tolist() == ["2026-12-02", None]
    found = score_frame(frame, DatingAnalyzer().analyze_many, as_of=datetime.date(2026, 11, 18))
    assert found["承诺日期"].tolist() == ["2026-12-02", "2026-11-25"]
    found = score_frame(frame[["跟进记录"]], DatingAnalyzer().analyze_many, as_of=WEDNESDAY)
    assert found["承诺日期"].tolist() == ["2026-12-02"] * 2


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "拜访.csv"
    rows = [
        "跟进记录,拜访日期,客户名称",
        "客户同意下周三,2026-11-25,甲",
        "客户同意下周三,不详,乙",
        "没进展,2026-11-25,丙",
    ]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def dates(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row["承诺日期"] for row in csv.DictReader(file)]


def test_a_file_is_dated_by_its_date_column_and_else_by_the_day_given(export: Path):
    output = export.with_name("out.csv")
    score_file(export, output, DatingAnalyzer())
    assert dates(output) == ["2026-12-02", "", ""]
    score_file(export, output, DatingAnalyzer(), as_of=datetime.date(2026, 11, 30))
    assert dates(output) == ["2026-12-02", "2026-12-09", ""]


def test_json_has_the_due_date(export: Path):
    output = export.with_name("out.jsonl")
    score_file(export, output, DatingAnalyzer())
    first = json.loads(output.read_text(encoding="utf-8").splitlines()[0])
    assert first["analysis"]["commitment"]["due_date"] == "2026-12-02"


def test_a_history_has_due_dates(export: Path):
    visits = read_history(export, DatingAnalyzer()).visits
    found = [visit.analysis.commitment for visit in visits if visit.analysis]
    assert [one.due_date if one else None for one in found] == [datetime.date(2026, 12, 2), None, None]


def test_the_command_takes_the_day(export: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(cli_score, "load_analyzer", lambda *_: DatingAnalyzer())
    output = export.with_name("out.csv")
    arguments = ["score", str(export), "-o", str(output), "--quiet", "--workers", "1"]
    assert cli.main([*arguments, "--as-of", "2026-11-30"]) == 0
    assert dates(output) == ["2026-12-02", "2026-12-09", ""]
    assert cli.main([*arguments, "--as-of", "月底"]) == 1
    assert "--as-of '月底' is no date, expected one such as 2026-10-30" in capsys.readouterr().err
