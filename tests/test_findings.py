"""Linking of answers to concerns, and the words that name a time."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import candidates

from analyzer.candidates import CONCERN, RESPONSE
from analyzer.commitments import find_due
from analyzer.concerns import link_responses
from analyzer.normalize import normalize


def concern(start: int, note: int = 0) -> tuple[int, int, int, int]:
    return note, start, start + 2, CONCERN


def answer(start: int, note: int = 0) -> tuple[int, int, int, int]:
    return note, start, start + 2, RESPONSE


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([concern(0), answer(5)], [(0, 5)]),
        ([concern(0), concern(5), answer(9)], [(0, None), (5, 9)]),
        ([concern(0), concern(5), answer(9), answer(12)], [(0, 12), (5, 9)]),
        ([answer(0), concern(5)], [(5, None)]),
        ([concern(0), answer(5), answer(9)], [(0, 5)]),
        ([concern(0), answer(50, note=1)], [(0, None)]),
        ([], []),
    ],
)
def test_an_answer_belongs_to_the_nearest_concern_without_one(
    spans: list[tuple[int, int, int, int]], expected: list[tuple[int, int | None]]
) -> None:
    concerns, answers = ([place for *place, kind in spans if kind == of] for of in (CONCERN, RESPONSE))
    notes, starts = (np.array([place[column] for place in concerns], dtype=int) for column in (0, 1))
    linked = link_responses(notes, starts, candidates(*answers))
    found = zip(starts.tolist(), linked, strict=True)
    assert [(start, response[0] if response else None) for start, response in found] == expected


_JANUARY = pytest.param("一月一结", None, marks=pytest.mark.xfail(strict=True, reason="一月 is January here"))


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("让我们下周三下午带样机过去", "下周三下午"), ("月底前把合同签了", "月底前"), ("明天打款", "明天"),
        ("11月8号过来看设备", "11月8号"), ("节后安排演示", "节后"), ("国庆前上会", "国庆前"),
        ("答应三天内给图纸", "三天内"), ("两周后再开一次会", "两周后"), ("周五带章过来", "周五"),
        ("礼拜二见老板", "礼拜二"), ("后天上午九点来厂里", "后天上午九点"), ("下个月初招标", "下个月初"),
        ("年底前立项", "年底前"), ("15号之前下单", "15号之前"), ("这周四试机", "这周四"),
        ("12/3来参观", "12/3"), ("月中付定金", "月中"), ("Q3启动", "q3"), ("下周一先装一台", "下周一"),
        ("春节后进场", "春节后"), ("三月份签", "三月份"), ("明年开春上线", "明年开春"), ("一周内回传", "一周内"),
        ("今晚回传合同", "今晚"), ("大后天寄样", "大后天"), ("本月底打款", "本月底"), ("星期天来看", "星期天"),
        ("下午四点来拿", "下午四点"), ("10号前付首款", "10号前"), ("下周带技术过来", "下周"),
        ("合同已签", None), ("先试用两台", None), ("让了三个点", None), ("两台样机留下", None),
        ("签5年框架", None), ("降5.5%成交", None), ("年检完了再装", None), _JANUARY,
    ],
)  # fmt: skip
def test_words_that_name_a_time(text: str, due: str | None) -> None:
    clean = normalize(text)
    found = find_due(clean)
    assert (clean[slice(*found)] if found else None) == due
