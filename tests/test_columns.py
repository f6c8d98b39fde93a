"""Which column holds the notes, the salesperson, the customer, the date."""

from __future__ import annotations

import pandas as pd
import pytest

from analyzer.columns import (
    find_customer_column,
    find_date_column,
    find_note_column,
    find_salesperson_column,
)
from analyzer.errors import ColumnError

NOTES = [
    "客户同意下周三看演示，价格还要再谈。",
    "客户说今年没有预算，明年再联系。",
    "签了合同，月底前付定金。",
]
NAMES = ["甲机械有限公司", "乙电子科技有限公司", "丙食品集团"]
PEOPLE = ["张三", "李四", "王五"]
ADDRESSES = ["江苏省苏州市工业园区星湖街", "浙江省杭州市滨江区江南大道", "广东省深圳市南山区科技园路"]


def frame(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns, dtype=object)


@pytest.mark.parametrize(
    "name",
    [
        *("过程详细描述", "跟进记录", "跟进内容", "拜访内容", "拜访记录", "沟通内容", "客户反馈", "备注"),
        *("content", "note", "notes", "process_description", "Process Description", "NOTES ", "ＮＯＴＥ"),
        *("拜访记录(必填)", "*拜访记录", "【跟进内容】", "跟进 记录", "拜访內容", "溝通內容"),
        *(
            "销售记录内容",
            "活动记录",
            "拜访总结",
            "本次拜访沟通情况",
            "客户跟进记录",
            "跟进记录2",
            "最新跟进记录",
        ),
        *("Comments", "Full Comments", "Call Notes", "Visit Report", "Meeting Notes", "Description"),
    ],
)
def test_names_that_crm_systems_use(name: str) -> None:
    sample = frame(**{"客户名称": NAMES, "负责人": PEOPLE, name: NOTES, "拜访时间": ["2024-11-06"] * 3})
    found = find_note_column(list(sample.columns), sample)
    assert (found.name, found.how, found.also) == (name, "name", ())


@pytest.mark.parametrize("name", ["拜访时间", "跟进人", "跟进方式", "拜访地址", "沟通次数", "跟进记录ID", "跟进状态"])
def test_attributes_of_a_visit_are_no_notes(name: str) -> None:
    sample = frame(**{name: PEOPLE, "情况": NOTES})
    assert find_note_column([name, "情况"], sample).name == "情况"


def test_by_content() -> None:
    sample = frame(甲=NAMES, 乙=ADDRESSES, 丙=["13800138000"] * 3, 丁=NOTES, 戊=PEOPLE)
    found = find_note_column(list(sample.columns), sample)
    assert (found.name, found.how) == ("丁", "content")


def test_an_empty_column_of_a_good_name_yields() -> None:
    sample = frame(跟进记录=["", "", ""], 备注=NOTES)
    assert find_note_column(list(sample.columns), sample).name == "备注"


def test_short_remarks_yield_to_real_notes() -> None:
    sample = frame(备注=["无", "急", "无"], 走访所得=NOTES)
    found = find_note_column(list(sample.columns), sample)
    assert (found.name, found.also) == ("走访所得", ("备注",))


def test_two_equally_likely() -> None:
    sample = frame(跟进记录=NOTES, 拜访记录=[note * 2 for note in NOTES])
    found = find_note_column(list(sample.columns), sample)
    assert (found.name, found.also) == ("拜访记录", ("跟进记录",))
    assert "--note-column 跟进记录" in found.describe()


def test_requested() -> None:
    sample = frame(备注=NOTES, 甲=NAMES)
    assert find_note_column(["备注", "甲"], sample, "甲").name == "甲"
    assert find_note_column(["备注 ", "甲"], sample, "备注").name == "备注 "
    with pytest.raises(ColumnError, match=r"no column '拜访纪录', .*'拜访记录', '甲'; did you mean '拜访记录'"):
        find_note_column(["拜访记录", "甲"], sample, "拜访纪录")


def test_no_notes() -> None:
    sample = frame(客户=NAMES, 电话=["13800138000"] * 3)
    with pytest.raises(ColumnError, match=r"the columns are '客户', '电话'; name one with --note-column"):
        find_note_column(list(sample.columns), sample)


def test_a_single_column_is_taken() -> None:
    assert find_note_column(["列1"], frame(列1=["好", "不要"])).name == "列1"


@pytest.mark.parametrize("name", ["销售", "销售人员", "业务员", "负责人", "跟进人", "拜访人", "Owner", "Sales Rep"])
def test_salesperson(name: str) -> None:
    assert find_salesperson_column(["编号", name, "备注"]) == name


def test_other_columns() -> None:
    columns = ["编号", "客户名称（必填）", "创建时间", "拜访日期", "备注"]
    assert find_customer_column(columns) == "客户名称（必填）"
    assert find_date_column(columns) == "拜访日期"
    assert find_salesperson_column(columns) is None
