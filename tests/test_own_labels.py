"""Labels of a user: every row is used, left open, or refused with its cell and the reason."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pytest
from conftest import fake_analysis
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import ColumnError, LabelError, OutputError, TableError
from analyzer.labels import is_unsure, parse_outcome, parse_status, parse_topic, topic_names
from analyzer.own_labels import OwnLabels, column_letters, locate, parse_concerns, read_own_labels
from analyzer.records import Outcome, OwnTopic, Status, Topic
from analyzer.review_book import CONCERN_SHEET, RANDOM, REVIEW_SHEET, ReviewItem, write_review_book

COLD = OwnTopic("cold_chain", "冷链温控", "履约服务")
NAMES = topic_names([*Topic, COLD])


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def reasons(labels: OwnLabels) -> dict[str, str]:
    return {one.place: one.reason for one in labels.refused}


# --- words for labels ---


@pytest.mark.parametrize(
    ("cell", "outcome"),
    [
        ("成交", Outcome.ORDER), ("进展晋级", Outcome.ADVANCE), ("暂时中断", Outcome.CONTINUATION),
        ("没有成交", Outcome.NO_SALE), ("order", Outcome.ORDER), ("ADVANCE", Outcome.ADVANCE),
        ("continuation", Outcome.CONTINUATION), ("no_sale", Outcome.NO_SALE), ("No sale", Outcome.NO_SALE),
        (" 沒有成交 ", Outcome.NO_SALE), ("丢单", Outcome.NO_SALE), ("Closed Won", Outcome.ORDER),
    ],
)  # fmt: skip
def test_outcomes(cell: str, outcome: Outcome) -> None:
    assert parse_outcome(cell) is outcome


@pytest.mark.parametrize("cell", ["成功", "跟进中", "未成交", "签约", "失败", "搁置"])
def test_words_with_two_meanings_are_not_guessed(cell: str) -> None:
    with pytest.raises(LabelError, match=r"could mean .* or .*; write which: 成交、进展晋级、暂时中断、没有成交"):
        parse_outcome(cell)


@pytest.mark.parametrize(
    ("cell", "hint"), [("进展晋升", "did you mean '进展晋级'"), ("好", "expected 成交"), ("1", "expected")]
)
def test_other_words_are_refused(cell: str, hint: str) -> None:
    with pytest.raises(LabelError, match=hint):
        parse_outcome(cell)


def test_topics_and_statuses() -> None:
    assert parse_topic("价格预算", NAMES) is Topic.PRICE
    assert parse_topic(" PRICE ", NAMES) is Topic.PRICE
    assert parse_topic("冷链温控", NAMES) == COLD
    assert parse_status("已解决") is Status.ADDRESSED
    for cell, message in (
        ("商务", "is a group; write which of its topics: 价格预算、付款合同"),
        ("价格预祘", "did you mean"),
    ):
        with pytest.raises(LabelError, match=message):
            parse_topic(cell, NAMES)
    with pytest.raises(LabelError, match="expected 未答复 or 已答复"):
        parse_status("是")


@pytest.mark.parametrize("cell", ["", "  ", "?", "？？", "—", "不确定", "跳过", "Skip"])
def test_cells_left_open(cell: str) -> None:
    assert is_unsure(cell)
    assert not is_unsure("成交")


@given(st.text())
def test_any_cell_is_a_label_or_gets_a_message(cell: str) -> None:
    try:
        outcome: Outcome | None = parse_outcome(cell)
    except LabelError:
        outcome = None
    assert outcome is None or isinstance(outcome, Outcome)


# --- tables ---


def test_a_table_of_two_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path / "我的标注.csv",
        "跟进记录,结果\n客户签了合同,成交\n没见到人，改天再去,continuation\n客户说不需要,没有成交\n,成交\n还没标,\n下周看演示,成功\n",
    )
    labels = read_own_labels([path])
    assert [(one.example.note, one.example.outcome, one.place) for one in labels.notes] == [
        ("客户签了合同", "order", "我的标注.csv B2"),
        ("没见到人，改天再去", "continuation", "我的标注.csv B3"),
        ("客户说不需要", "no_sale", "我的标注.csv B4"),
    ]
    assert all(one.example.concerns is None and one.example.evidence == () for one in labels.notes)
    assert labels.open == 1
    assert reasons(labels) == {
        "我的标注.csv A5": "the note is empty, but the row has a label",
        "我的标注.csv B7": "the outcome '成功' could mean 成交 or 进展晋级; "
        "write which: 成交、进展晋级、暂时中断、没有成交",
    }
    assert "note column '跟进记录', outcome column '结果'; 6 rows, 3 with a label" in labels.sources[0]


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    rows = [f"第{n}次拜访，客户说了些事，{n}点谈完,{['成交', '', '好', '?', 'advance'][n % 5]}" for n in range(50)]
    labels = read_own_labels([write(tmp_path / "a.csv", "备注,outcome\n" + "\n".join(rows))])
    assert (len(labels.notes), labels.open, len(labels.refused), labels.repeated) == (20, 20, 10, 0)


def test_the_cell_is_that_of_the_sheet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "十一月"
    for row in (
        ["11月拜访"],
        [],
        ["编号", "拜访记录", "人工结果"],
        [1, "签了合同，款已付", "成交"],
        [2, "客户很忙，没谈", "待定中"],
    ):
        sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    labels = read_own_labels([tmp_path / "a.xlsx"])
    assert labels.notes[0].place == "a.xlsx 十一月!C4"
    assert list(reasons(labels)) == ["a.xlsx 十一月!C5"]


def test_the_outcome_column_is_found_or_asked_for(tmp_path: Path) -> None:
    body = "\n客户签了合同，款付了,成交,advance\n没见到人，改天再来,暂时中断,order\n"
    two = write(tmp_path / "two.csv", "拜访记录,甲,乙" + body)
    with pytest.raises(ColumnError, match=r"'甲', '乙' all hold outcomes; name one with --outcome-column"):
        read_own_labels([two])
    assert read_own_labels([two], outcome_column="乙").notes[0].example.outcome == "advance"
    with pytest.raises(ColumnError, match="no column '丙'; the columns are"):
        read_own_labels([two], outcome_column="丙")
    better = write(tmp_path / "better.csv", "拜访记录,结果,正确结果" + body)
    assert read_own_labels([better]).notes[0].example.outcome == "advance"
    none = write(tmp_path / "none.csv", "拜访记录,电话\n客户签了合同，款付了,13800138000\n")
    with pytest.raises(ColumnError, match="no column holds outcomes"):
        read_own_labels([none])


def test_a_scored_file_is_no_label_file(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "拜访记录,结果,把握度,需复核,依据,关注点\n客户签了合同，款付了,成交,0.9,,签了合同,[商务] 款\n",
    )
    with pytest.raises(ColumnError, match="holds what the model said"):
        read_own_labels([path])
    labels = read_own_labels([path], outcome_column="结果")
    assert labels.notes[0].example.outcome == "order"
    assert labels.notes[0].example.concerns is None, "the concerns are the model's own"
    more = write(
        tmp_path / "b.csv",
        "拜访记录,结果,把握度,需复核,依据,正确结果\n客户签了合同，款付了,成交,0.9,,签了合同,没有成交\n",
    )
    assert read_own_labels([more]).notes[0].example.outcome == "no_sale"


def test_concerns_in_a_cell(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "拜访记录,结果,关注点\n"
        '"嫌价格高，降了五个点，同意；怕断链",advance,"1. [价格预算] 价格高 — 已答复：降了五个点\n2. [冷链温控] 断链"\n'
        "没有关注点的一次拜访，签约了,成交,无\n没核对关注点的一次拜访，签了,成交,\n"
        "只核对关注点，嫌贵,,[price] 嫌贵\n"
        "嫌慢的一次拜访，没成,没有成交,[商务] 嫌慢\n嫌远的一次拜访，没成,没有成交,远\n",
    )
    labels = read_own_labels([path], [*Topic, COLD])
    first, none, unchecked, only, group, form = (one.example for one in labels.notes)
    assert [first.note[slice(*one.span)] for one in first.concerns or ()] == ["价格高", "断链"]
    assert [(one.topic, one.status) for one in first.concerns or ()] == [
        (Topic.PRICE, Status.ADDRESSED),
        (COLD, Status.OPEN),
    ]
    assert first.note[slice(*(first.concerns or ())[0].response or (0, 0))] == "降了五个点"
    assert (none.concerns, unchecked.concerns) == ((), None)
    assert (only.outcome, len(only.concerns or ())) == (None, 1)
    assert (group.concerns, form.concerns) == (None, None)
    assert {place: reason.partition(";")[0] for place, reason in reasons(labels).items()} == {
        "a.csv C6": "the topic '商务' is a group",
        "a.csv C7": "'远' is not of the form [主题] 原文 — 已答复：我方答复",
    }
    assert len(labels.with_outcome()) == 5
    assert len(labels.with_concerns()) == 3


def test_concerns_as_json() -> None:
    cell = json.dumps([{"text": "价格高", "topic": "price", "status": "open", "response": None}], ensure_ascii=False)
    assert parse_concerns("嫌价格高", cell, NAMES)[0].span == (1, 4)
    for wrong in ('[{"text": 3}]', '[{"text": "贵"', '[{"text": "贵", "topic": "price", "status": "open"}]'):
        with pytest.raises(LabelError):
            parse_concerns("嫌价格高", wrong, NAMES)


def test_texts_of_two_labels_are_both_refused(tmp_path: Path) -> None:
    one = write(
        tmp_path / "a.csv",
        "拜访记录,结果\n客户签了合同 款付了,成交\n没见到人，改天再来,暂时中断\n没见到人，改天再来,暂时中断\n",
    )
    two = write(tmp_path / "b.csv", "拜访记录,结果\n客戶簽了合同款付了,没有成交\n")
    labels = read_own_labels([one, two])
    assert [note.example.outcome for note in labels.notes] == ["continuation"]
    assert labels.repeated == 1
    assert reasons(labels) == {
        "a.csv B2": "the same text has another outcome at b.csv B2; make them agree",
        "b.csv B2": "the same text has another outcome at a.csv B2; make them agree",
    }


def test_a_corpus_file(tmp_path: Path) -> None:
    good = {"id": "1", "note": "嫌贵，签了", "outcome": "order", "evidence": ["签了"], "concerns": [
        {"text": "嫌贵", "topic": "cold_chain", "status": "open", "response": None}],
        "commitment": {"text": "签了", "action": "sign", "due": None}}  # fmt: skip
    bad = {**good, "note": "没有"}
    path = write(tmp_path / "a.jsonl", "\n".join(json.dumps(one) for one in (good, bad)) + "\n{\n")
    labels = read_own_labels([path], [*Topic, COLD])
    assert [(one.place, one.example.evidence) for one in labels.notes] == [("a.jsonl line 1", ((3, 5),))]
    assert list(reasons(labels)) == ["a.jsonl line 2", "a.jsonl line 3"]
    assert "'签了' is not a substring of the note" in reasons(labels)["a.jsonl line 2"]


@pytest.mark.parametrize(
    ("note", "text", "after", "expected"),
    [
        ("价格高，价格高", "价格高", 0, (0, 3)),
        ("价格高，价格高", "价格高", 3, (4, 7)),
        ("价格高，价格高", " 价格高 ", 5, (0, 3)),  # none behind: the first
        ("要 三台\n样机", "要 三台 样机", 0, (0, 7)),  # a line break became a blank
    ],
)
def test_words_are_found_in_the_note(note: str, text: str, after: int, expected: tuple[int, int]) -> None:
    assert locate(note, text, after, "it") == expected


@pytest.mark.parametrize("text", ["", " ", "价高"])
def test_words_that_do_not_stand_there(text: str) -> None:
    with pytest.raises(LabelError, match="does not stand in the note"):
        locate("价格高", text, 0, "it")


@given(st.integers(0, 20_000))
def test_column_letters_count(index: int) -> None:
    number = 0
    for letter in column_letters(index):
        number = number * 26 + ord(letter) - ord("A") + 1
    assert number == index + 1


# --- review workbooks ---

NOTES = ["客户同意看演示，嫌价格高", "没见到人", "签约了，工期要到月底", "=1+1，客户说不需要"]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    items = [
        ReviewItem(n, note, fake_analysis(note), RANDOM if n == 2 else "把握不大") for n, note in enumerate(NOTES, 1)
    ]
    write_review_book(tmp_path / "review.xlsx", items, [*Topic, COLD])
    return tmp_path / "review.xlsx"


def fill(path: Path, **cells: str) -> Path:
    """Fill in cells such as ``r_G2`` of the first sheet and ``c_B2`` of the second."""
    book = openpyxl.load_workbook(path)
    for name, value in cells.items():
        sheet, cell = name.split("_")
        book[{"r": REVIEW_SHEET, "c": CONCERN_SHEET}[sheet]][cell] = value
    book.save(path)
    return path


def test_the_workbook_has_drop_down_cells(book: Path) -> None:
    workbook = openpyxl.load_workbook(book)
    assert workbook.sheetnames == ["复核", "关注点", "填写说明", "选项"]
    assert workbook["选项"].sheet_state == "hidden"
    choices = {cell.value for row in workbook["选项"].iter_rows() for cell in row}
    assert {
        "成交",
        "进展晋级",
        "暂时中断",
        "没有成交",
        "同模型",
        "不确定",
        "冷链温控",
        "价格预算",
        "未答复",
        "是",
    } <= choices
    rules = {
        str(rule.sqref): (rule.type, rule.formula1)
        for sheet in workbook
        for rule in sheet.data_validations.dataValidation
    }
    assert rules == {
        "G2:G5": ("list", "'选项'!$A$2:$A$7"),
        "I2:I5": ("list", "'选项'!$D$2:$D$2"),
        "C2:C503": ("list", "'选项'!$B$2:$B$14"),
        "D2:D503": ("list", "'选项'!$C$2:$C$3"),
    }
    first = [cell.value for cell in workbook["复核"][2]]
    assert first == [1, NOTES[0], "进展晋级", 0.7, "同意", "把握不大", None, None, None, None]
    assert workbook["复核"]["B5"].value == NOTES[3]
    assert workbook["复核"]["B5"].data_type == "s", "text, no formula"
    assert [cell.value for cell in workbook["关注点"][2]] == [1, "价格", "价格预算", "未答复", "", 0.9, NOTES[0]]


def test_an_untouched_workbook_has_no_labels(book: Path) -> None:
    labels = read_own_labels([book])
    assert (labels.notes, labels.open, labels.refused) == ([], 4, [])


def test_corrections_are_read(book: Path) -> None:
    fill(
        book, r_G2="同模型", r_I2="是", r_G3="没有成交", r_H3="没见到", r_G4="不确定", r_I4="是", r_G5="no_sale",
        c_C2="冷链温控", c_D2="已答复", c_E2="看演示", c_A4=1, c_B4="演示", c_C4="features", c_D4="未答复",
    )  # fmt: skip
    labels = read_own_labels([book], [*Topic, COLD])
    assert labels.refused == []
    agreed, other, concerns_only, last = labels.notes
    assert agreed.example.outcome == "advance"
    assert agreed.example.evidence == ((2, 4),), "the model's evidence, as the user agreed"
    assert [(one.topic, one.status, one.response) for one in agreed.example.concerns or ()] == [
        (Topic.FEATURES, Status.OPEN, None),
        (COLD, Status.ADDRESSED, (4, 7)),
    ]
    assert other.example.outcome == "no_sale"
    assert other.example.evidence == ((0, 3),)
    assert other.sampled
    assert other.model_outcome is Outcome.CONTINUATION
    assert other.example.concerns is None
    assert (concerns_only.example.outcome, len(concerns_only.example.concerns or ())) == (None, 1)
    assert last.example.evidence == ((8, 11),), "the model said the same"
    assert not last.sampled


@pytest.mark.parametrize(
    ("cells", "place", "reason"),
    [
        ({"r_G2": "成功"}, "review.xlsx 复核!G2", "could mean 成交 or 进展晋级"),
        ({"r_G3": "好"}, "review.xlsx 复核!G3", "the outcome is '好'; expected 成交"),
        ({"r_G2": "成交", "r_H2": "没这话"}, "review.xlsx 复核!H2", "the evidence '没这话' does not stand in the note"),
        ({"r_I2": "对"}, "review.xlsx 复核!I2", "expected 是 or nothing"),
        ({"r_G2": "成交", "r_B2": " "}, "review.xlsx 复核!B2", "the note is empty"),
        ({"r_A3": 1}, "review.xlsx 复核!A3", "stands in review.xlsx 复核!A2 too"),
        ({"r_I2": "是", "c_B2": "没这话"}, "review.xlsx 关注点!B2", "the concerns of note 1 are not used"),
        ({"r_I2": "是", "c_C2": "贵"}, "review.xlsx 关注点!C2", "the topic is '贵'; expected one of"),
        ({"r_I2": "是", "c_C2": "商务"}, "review.xlsx 关注点!C2", "is a group"),
        ({"r_I2": "是", "c_D2": "是"}, "review.xlsx 关注点!D2", "expected 未答复 or 已答复"),
        ({"r_I2": "是", "c_E2": "没答"}, "review.xlsx 关注点!E2", "the answer '没答' does not stand"),
        ({"c_A2": 77}, "review.xlsx 关注点!A2", "no note has the number '77'"),
    ],
)
def test_invalid_edits_are_named_by_cell(book: Path, cells: dict[str, str], place: str, reason: str) -> None:
    found = reasons(read_own_labels([fill(book, **cells)]))
    assert place in found
    assert reason in found[place]


def test_a_bad_concern_costs_the_concerns_alone(book: Path) -> None:
    labels = read_own_labels([fill(book, r_G2="成交", r_I2="是", c_B2="没这话")])
    assert [(one.example.outcome, one.example.concerns) for one in labels.notes] == [("order", None)]


def test_a_cleared_concern_is_none(book: Path) -> None:
    labels = read_own_labels([fill(book, r_G2="成交", r_I2="是", c_B2="")])
    assert labels.notes[0].example.concerns == ()


def test_a_header_that_was_changed(book: Path) -> None:
    with pytest.raises(ColumnError, match="the sheet 关注点 has no column '主题'"):
        read_own_labels([fill(book, c_C1="话题")])


def test_the_same_workbook_gives_the_same_bytes(tmp_path: Path) -> None:
    items = [ReviewItem(n, note, fake_analysis(note), "x") for n, note in enumerate(NOTES, 1)]
    for name in ("a.xlsx", "b.xlsx"):
        write_review_book(tmp_path / name, items, Topic)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_a_workbook_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"is no \.xlsx file"):
        write_review_book(tmp_path / "a.csv", [], Topic)
    with pytest.raises(TableError, match="cannot be written"):
        write_review_book(tmp_path / "none" / "a.xlsx", [], Topic)
    assert list(tmp_path.iterdir()) == []
