import csv
import datetime
import doctest
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.calendar import TimeRange, parse_time
from analyzer.holidays import days_off

TABLE = Path(__file__).parent / "data" / "time_expressions.tsv"
DOCUMENT = Path(__file__).parents[1] / "docs" / "calendar.md"
DAYS = st.dates(datetime.date(2004, 1, 1), datetime.date(2099, 12, 31))
# Characters of which time expressions are made, so that arbitrary text often holds one.
PIECES = st.sampled_from(
    [
        *"0123456789十一二三四五六七八九两几半上下本这个年月日号周天前后内初中底末点时正腊农历过再到至或、-/.:()（）廿闰每第９號",
        *[
            "星期",
            "礼拜",
            "周末",
            "工作日",
            "季度",
            "小时",
            "国庆",
            "春节",
            "中秋",
            "元旦",
            "节",
            "清明",
            "除夕",
            "618",
        ],
        *[
            "左右",
            "之前",
            "以后",
            "期间",
            "最晚",
            "截至",
            "今天",
            "明天",
            "后天",
            "下午",
            "上旬",
            "q1",
            "2026",
            "开春",
            "立冬",
            "签",
        ],
    ]
)
ARBITRARY = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=14).map("".join))


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def test_the_table_is_large_and_holds_no_expression_twice():
    found = [(row["expression"], row["base"]) for row in rows()]
    assert len(found) >= 250
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['expression']}@{row['base']}")
def test_expression(row):
    found = parse_time(row["expression"], day(row["base"]))
    if row["status"] == "none":
        assert found is None
    else:
        assert found == TimeRange(day(row["start"]), day(row["end"]), row["status"])


@given(ARBITRARY, DAYS)
def test_any_text_gives_a_range_or_nothing(text, base):
    found = parse_time(text, base)
    if found is not None:
        assert found.start <= found.end
        assert found.status in ("ok", "ambiguous", "unsupported")


@given(ARBITRARY, st.sampled_from([datetime.date.min, datetime.date.max, datetime.date(1, 12, 31)]))
def test_the_ends_of_the_calendar_do_not_raise(text, base):
    parse_time(text, base)


@given(st.sampled_from(rows()), st.text("  \t\n　", max_size=3), st.text("  \n　", max_size=3))
def test_blanks_and_width_change_nothing(row, before, after):
    base = day(row["base"])
    wide = "".join(chr(ord(char) + 0xFEE0) if "0" <= char <= "9" else char for char in row["expression"])
    assert parse_time(before + row["expression"] + after, base) == parse_time(wide, base)


@given(
    st.sampled_from(
        ["下周三", "周四", "这周五下午三点", "周末", "下下周一", "三天后", "两周内", "上周五", "本周内", "周末前"]
    ),
    DAYS,
    st.integers(1, 60),
)
def test_a_base_some_weeks_later_shifts_weekdays_by_as_many(words, base, weeks):
    shift = datetime.timedelta(weeks=weeks)
    first, later = parse_time(words, base), parse_time(words, base + shift)
    assert first is not None
    assert later == TimeRange(first.start + shift, first.end + shift, first.status)


@given(
    st.sampled_from(["周四", "8号", "月底", "三月", "国庆", "q1", "年底", "2月29号", "正月十五", "季度末", "节后"]),
    DAYS,
)
def test_what_comes_again_is_not_over(words, base):
    found = parse_time(words, base)
    assert found is not None
    assert found.end >= base


@given(
    st.sampled_from(["月底前", "周五前", "8号之前", "最晚月底", "三天内", "半个月", "国庆前", "年底前", "下周三前"]),
    DAYS,
)
def test_a_deadline_begins_on_the_base_date(words, base):
    found = parse_time(words, base)
    assert found is not None
    assert found.start == base <= found.end


@given(DAYS)
def test_national_day_before_and_after_leave_out_the_days_off(base):
    before, after, free = (parse_time(words, base) for words in ("国庆前", "国庆后", "国庆"))
    assert before is not None
    assert after is not None
    assert free is not None
    off = days_off("国庆", before.end.year)
    assert off is not None
    assert before.end == off.start - datetime.timedelta(days=1)
    assert (after.end - after.start).days == 6
    assert free.start.month in (9, 10)


def test_the_examples_of_the_document():
    text = DOCUMENT.read_text(encoding="utf-8")
    examples = re.findall(r"^\| (\S+) \| (\d{4}-\d\d-\d\d) \| (\S+) \| (\w+) \|", text, re.MULTILINE)
    assert len(examples) > 30
    for words, start, end, status in examples:
        assert parse_time(words, day("2026-11-25")) == TimeRange(day(start), day(end), status), words


@pytest.mark.parametrize("name", ["calendar.md", "redaction.md"])
def test_the_sessions_of_the_documents(name):
    assert doctest.testfile(str(DOCUMENT.with_name(name)), module_relative=False, encoding="utf-8").failed == 0


def test_a_moment_counts_as_its_day():
    moment = datetime.datetime(2026, 11, 25, 23, 59)
    assert parse_time("明天", moment) == TimeRange(datetime.date(2026, 11, 26), datetime.date(2026, 11, 26))


@pytest.mark.parametrize(
    "words", ["周一、", "8号或", "月底", "12/3-", "三天后", "今天", "国庆前", "第", "每", "(周五)"]
)
def test_the_same_words_many_times(words):
    found = parse_time(words * 3000, datetime.date(2026, 11, 25))
    assert found is None or found.start <= found.end


def test_a_long_text_takes_no_longer_than_its_length():
    text = "客户说3.5万太贵，11.8元也不行，" * 3000 + "下周三签"
    found = parse_time(text, datetime.date(2026, 11, 25))
    assert found == TimeRange(datetime.date(2026, 12, 2), datetime.date(2026, 12, 2))
