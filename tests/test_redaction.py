import datetime

import pytest
from conftest import fake_analysis
from hypothesis import given
from hypothesis import strategies as st

from analyzer.records import Action, Commitment, NoteAnalysis, Outcome, Span
from analyzer.redaction import MASK, redact, redact_analysis, redact_data

MASKED = [
    ("电话13800138000。", "13800138000"),
    ("王工：138 0013 8000", "138 0013 8000"),
    ("138-0013-8000", "138-0013-8000"),
    ("+86 13800138000", "+86 13800138000"),
    ("8613800138000", "8613800138000"),
    ("手机１３８００１３８０００", "１３８００１３８０００"),
    ("tel13800138000", "13800138000"),
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
]
KEPT = [
    "订单号20241106123456",
    "采购单PO2024110613800138",
    "SN13812345678",
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
