import datetime
import json
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from conftest import StubAnalyzer, fake_analysis, run
from hypothesis import given
from hypothesis import strategies as st

from analyzer.batch import score_file
from analyzer.frames import score_frame
from analyzer.history import read_history
from analyzer.records import Action, Commitment, NoteAnalysis, Outcome, Span
from analyzer.redaction import MASK, redact, redact_analysis, redact_data
from analyzer.tables import read_table

MASKED = [
    ("电话13800138000。", "13800138000"),
    ("王工：138 0013 8000", "138 0013 8000"),
    ("138-0013-8000", "138-0013-8000"),
    ("+86 13800138000", "+86 13800138000"),
    ("8613800138000", "8613800138000"),
    ("手机１３８００１３８０００", "１３８００１３８０００"),
    ("tel13800138000", "13800138000"),
    ("联系Tom13800138000", "13800138000"),
    ("TEL13800138000，WX13900139000", None),
    ("Tel010-66668888", "010-66668888"),
    ("电话-010-66668888", "010-66668888"),
    ("13800138000/13900139000", None),
    ("19912345678微信同号", "19912345678"),
    ("座机010-66668888", "010-66668888"),
    ("0571-88886666转8012", "0571-88886666转8012"),
    ("(021)66668888", "(021)66668888"),
    ("（0755）8666 1234", None),
    ("打02166668888找她", "02166668888"),
    ("0512-6868123", "0512-6868123"),
    ("+86 571 88886666", None),
    ("身份证11010519491231002X", "11010519491231002X"),
    ("11010519491231002x", "11010519491231002x"),
    ("身份证号：110105194912310021", "110105194912310021"),
    ("老证110105491231002", "110105491231002"),
    ("卡6222021001116245702", "6222021001116245702"),
    ("6222 0210 0111 6245 702", "6222 0210 0111 6245 702"),
    ("信用卡4111 1111 1111 1111", "4111 1111 1111 1111"),
    ("对公账号 330201234567890123", "330201234567890123"),
    ("li.xm@example.com", "li.xm@example.com"),
    ("邮箱：li_xm+sales@mail.example.com.cn，", "li_xm+sales@mail.example.com.cn"),
    ("ＬＩ＠ｅｘａｍｐｌｅ．ｃｏｍ", "ＬＩ＠ｅｘａｍｐｌｅ．ｃｏｍ"),
    ("微信：lixm_88", "lixm_88"),
    ("加她微信lixm88", "lixm88"),
    ("VX: wang-zong1", "wang-zong1"),
    ("wx wangzong_1", "wangzong_1"),
    ("微信号wxid_a1b2c3d4e5", "wxid_a1b2c3d4e5"),
    ("WeChat id: Lixm2020", "Lixm2020"),
    ("微信 id：lixm88", "lixm88"),
    ("加V：lixm88", "lixm88"),
]
KEPT = [
    "订单号20241106123456",
    "采购单PO2024110613800138",
    "SN13812345678",
    "PN-X02166668888",
    "2024-0571-88886666",
    "料号6SE7031-5EF60",
    "2024-11-06 10:30",
    "20241106",
    "12,800.00元",
    "总价13800000000元",
    "1380013800",
    "138001380001",
    "0.13800138000",
    "条码6901234567892",
    "统一社会信用代码91330106MA2B0X1234",
    "110105194912310021",
    "110105491331002",
    "6222021001116245703",
    "2024110612345678",
    "400-820-8820",
    "0571",
    "0800-12345678901",
    "000123456789",
    "电话8820",
    "VX200A型",
    "WX系列plasticizer",
    "微信小程序",
    "微信app登录",
    "wechat official account",
    "见@王工",
    "客户说@所有人",
    "a@b",
    "10%@50℃",
    "客户同意下周三看演示，价格15.8万",
    "",
]
SECRETS = [
    "13800138000",
    "021-66668888",
    "11010519491231002X",
    "6222021001116245702",
    "li.xm@example.com",
    "微信：lixm_88",
]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([*SECRETS, *"0123456789 -+（）()@.：:xX", "客户", "微信", "\n", "卡号"]), max_size=12).map(
        "".join
    ),
)


@pytest.mark.parametrize(("text", "secret"), MASKED)
def test_masked(text, secret):
    masked = redact(text)
    if secret is None:
        assert not any(char.isdigit() for char in masked)
        return
    assert masked == text.replace(secret, MASK * len(secret))


@pytest.mark.parametrize("text", KEPT)
def test_kept(text):
    assert redact(text) == text


@given(TEXTS)
def test_length_line_breaks_and_a_second_time(text):
    masked = redact(text)
    assert len(masked) == len(text)
    assert redact(masked) == masked
    assert all(new in (old, MASK) for old, new in zip(text, masked, strict=True))
    assert all(new == "\n" for old, new in zip(text, masked, strict=True) if old == "\n")


@given(st.text("客户说，。订单 \n", max_size=20), st.sampled_from(SECRETS), st.text("客户说，。订单 \n", max_size=20))
def test_a_secret_among_words_never_stays(before, secret, after):
    number = secret.removeprefix("微信：")
    masked = redact(before + secret + after)
    assert number not in masked
    assert masked == before + secret.replace(number, MASK * len(number)) + after


def test_a_long_text_takes_time_in_proportion():
    text = "a" * 200_000 + "1" * 200_000 + " " * 200_000
    assert redact(text) == text


def test_findings_keep_their_places():
    note = "同意演示，联系李工13800138000，价格高"
    masked = redact(note)
    analysis = fake_analysis(note)
    act = Span(0, len(note) - 4, note[: len(note) - 4])
    due = Span(8, 18, note[8:18])
    analysis = NoteAnalysis(
        Outcome.ADVANCE,
        analysis.probabilities,
        analysis.needs_review,
        (act,),
        analysis.concerns,
        Commitment(act, Action.DEMO, due, datetime.date(2026, 1, 1)),
    )
    found = redact_analysis(analysis, masked)
    assert found.commitment is not None
    assert found.commitment.due is not None
    assert found.commitment.due_date == datetime.date(2026, 1, 1)
    for span in (*found.evidence, *(one.span for one in found.concerns), found.commitment.span, found.commitment.due):
        assert masked[span.start : span.end] == span.text
    assert "138" not in str(found.to_dict())
    assert redact_analysis(fake_analysis(""), "") == fake_analysis("")


def test_data_of_json():
    data = {"手机": 13800138000, "行": [1, 2.5, None, True, "13800138000"], "x": {"y": "li.xm@example.com"}}
    assert redact_data(data) == {
        "手机": MASK * 11,
        "行": [1, 2.5, None, True, MASK * 11],
        "x": {"y": MASK * 17},
    }


# --- where it is plugged in ---

NOTE = "客户同意演示，电话13800138000，价格高"
MASKED_NOTE = NOTE.replace("13800138000", MASK * 11)
SECRET = "13800138000"


def files(folder: Path) -> list[Path]:
    csv_file, json_file, parquet_file = (folder / f"notes.{ending}" for ending in ("csv", "jsonl", "parquet"))
    csv_file.write_text(f"跟进记录,联系电话,客户名称,多\n{NOTE},{SECRET},李工{SECRET},a\n", encoding="utf-8")
    row = {"跟进记录": NOTE, "联系电话": int(SECRET), "其他": {"备注": ["加微信lixm_88", SECRET]}}
    json_file.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    pd.DataFrame({"跟进记录": [NOTE], "联系电话": [int(SECRET)], "数量": [3]}).to_parquet(parquet_file)
    return [csv_file, json_file, parquet_file]


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "xlsx", "parquet"])
def test_no_output_holds_the_number(tmp_path, index, ending):
    source, output = files(tmp_path)[index], tmp_path / f"out.{ending}"
    score_file(source, output, StubAnalyzer(), redact=True)
    rows = [row for frame in read_table(output) for row in frame.to_dict("records")]
    assert rows[0]["跟进记录"] == MASKED_NOTE
    assert rows[0]["联系电话"] == MASK * 11
    everything = str(rows)
    if ending == "xlsx":
        book = openpyxl.load_workbook(output)
        everything += str([[cell.value for cell in row] for sheet in book for row in sheet.iter_rows()])
    if ending == "jsonl":
        everything += output.read_text(encoding="utf-8")
        analysis = json.loads(output.read_text(encoding="utf-8"))["analysis"]
        for found in (*analysis["evidence"], *analysis["concerns"], analysis["commitment"]):
            assert MASKED_NOTE[found["start"] : found["end"]] == found["text"]
    assert SECRET not in everything
    assert "lixm_88" not in everything


def test_nothing_is_masked_unasked(tmp_path):
    output = tmp_path / "out.csv"
    score_file(files(tmp_path)[0], output, StubAnalyzer())
    assert output.read_text(encoding="utf-8-sig").count(SECRET) == 3


def test_a_frame_is_masked_and_keeps_the_types_of_other_columns():
    frame = pd.DataFrame({"跟进记录": [NOTE, ""], "电话": [13800138000.0, None], "数量": [1, 2], "价": [1.5, 2.0]})
    found = score_frame(frame, StubAnalyzer().analyze_many, masked=True)
    assert found["跟进记录"].tolist() == [MASKED_NOTE, ""]
    assert found["电话"].iloc[0] == MASK * 11
    assert [str(found[name].dtype) for name in ("数量", "价")] == ["int64", "float64"]
    assert frame["跟进记录"].iloc[0] == NOTE


def test_a_history_is_masked(tmp_path):
    source = files(tmp_path)[0]
    (visit,) = read_history(source, StubAnalyzer(), redact=True).visits
    assert visit.note == MASKED_NOTE
    assert visit.customer == "李工" + MASK * 11
    assert visit.analysis is not None
    for span in visit.analysis.evidence:
        assert visit.note[span.start : span.end] == span.text
    (plain,) = read_history(source, StubAnalyzer()).visits
    assert plain.note == NOTE


@pytest.mark.usefixtures("stub_model")
@pytest.mark.parametrize("command", ["score", "progress", "report", "checklist"])
def test_commands_mask(tmp_path, command):
    source = files(tmp_path)[0]
    ending = {"score": "csv", "progress": "json", "report": "html", "checklist": "json"}[command]
    output = tmp_path / f"out.{ending}"
    arguments = [command, source, "-o", output, "--quiet"]
    assert run(*arguments, "--redact", *(["--workers", "1"] if command == "score" else [])) == 0
    assert SECRET not in output.read_text(encoding="utf-8")
    assert MASK * 11 in output.read_text(encoding="utf-8")


@pytest.mark.usefixtures("stub_model")
def test_one_note_is_masked(capsys):
    assert run("checklist", "13800138000同意，价格高", "--redact", "--form", "json") == 0
    assert SECRET not in capsys.readouterr().out
