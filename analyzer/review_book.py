"""The workbook in which people correct what the model thinks: columns, drop-down cells, and how it is written."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyzer.errors import OutputError, TableError
from analyzer.records import AnyTopic, NoteAnalysis, Outcome, Status
from analyzer.results import evidence_text, one_line
from analyzer.table_excel import excel_text

REVIEW_SHEET, CONCERN_SHEET, HELP_SHEET, CHOICE_SHEET = "复核", "关注点", "填写说明", "选项"
NUMBER, REVIEW_NOTE, HOW = "编号", "拜访记录", "为什么选它"
MODEL_OUTCOME, CONFIDENCE, MODEL_EVIDENCE = "模型判断", "把握度", "模型依据"
OWN_OUTCOME, OWN_EVIDENCE, CHECKED, REMARK = "正确结果", "正确依据", "关注点已核对", "备注"
REVIEW_COLUMNS = (
    NUMBER, REVIEW_NOTE, MODEL_OUTCOME, CONFIDENCE, MODEL_EVIDENCE, HOW, OWN_OUTCOME, OWN_EVIDENCE, CHECKED, REMARK,
)  # fmt: skip
CONCERN_COLUMNS = (NUMBER, "关注点原文", "主题", "状态", "我方答复", "主题把握", "记录原文")
YES, SAME, UNSURE = "是", "同模型", "不确定"
RANDOM, CHOSEN = "随机抽样", "把握不大"
_WIDTHS = (8, 60, 12, 8, 36, 26, 12, 30, 14, 20)
_CONCERN_WIDTHS = (8, 36, 12, 10, 36, 10, 60)
_SPARE_ROWS = 500  # rows under the concerns that have drop-down cells too
_GREY, _YELLOW = "#EDEDED", "#FFF9DB"
_HELP = (
    "1. “复核”表一行一条记录。灰色是模型的判断，黄色由您填写；看完原文后在“正确结果”里选一个。",
    "2. 与模型一致可选“同模型”；拿不准选“不确定”或留空，这一行不会用于训练。",
    "3. “正确依据”可不填。模型依据不对时，把原文里起决定作用的一句复制过来，多句用“；”隔开。",
    "4. “关注点”表一行一个关注点。改原文、主题、状态、答复，多余的整行删掉，漏掉的在下面加一行并写上编号。",
    "5. 原文和答复必须是记录里的原话（可直接复制）。核对完一条记录的全部关注点后，在“关注点已核对”选“是”。",
    "6. “随机抽样”的行请不要跳过：模型在这些行上的对错，代表它在整张表上的对错。",
    "7. 保存后运行：visit-notes train --base data/ --add 本文件 -o models/mine。填错的单元格会逐个指出。",
)


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A note chosen for review.

    Attributes:
        number: row of the note in the file that it came from, counted from 1 under the header.
        note: the text.
        analysis: what the model thinks.
        how: why it was chosen.
    """

    number: int
    note: str
    analysis: NoteAnalysis
    how: str


def check_review_output(path: Path) -> None:
    """Refuse a name that cannot work, before the work.

    Raises:
        OutputError: the name does not end in .xlsx, or is a folder.
    """
    if path.suffix.lower() != ".xlsx" or path.is_dir():
        raise OutputError(f"the output {path} is no .xlsx file, expected one: the drop-down cells need a workbook")


def write_review_book(path: Path, items: Sequence[ReviewItem], topics: Iterable[AnyTopic]) -> None:
    """Write the notes with drop-down cells for outcome, topic and status. The same input gives the same bytes.

    Args:
        path: an .xlsx file.
        items: the notes.
        topics: the topics to choose from.

    Raises:
        OutputError: the name does not end in .xlsx or is a folder.
        TableError: the file cannot be written.
    """
    import xlsxwriter  # slow to import
    from xlsxwriter.exceptions import XlsxWriterException

    check_review_output(path)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            book = xlsxwriter.Workbook(file, {"in_memory": True})
            book.set_properties({"created": datetime.datetime(2000, 1, 1)})
            _Writer(book, list(topics)).write(items)
            book.close()
        part.replace(path)
    except (OSError, XlsxWriterException) as error:
        raise TableError(
            f"{path} cannot be written ({error}); check the folder and close the file where it is open"
        ) from error
    finally:
        part.unlink(missing_ok=True)


class _Writer:
    def __init__(self, book: Any, topics: Sequence[AnyTopic]) -> None:
        plain = {"valign": "top", "text_wrap": True}
        self._head = book.add_format({"bold": True, "bg_color": "#D9E1F2", "border": 1, "text_wrap": True})
        self._given = book.add_format({**plain, "bg_color": _GREY})
        self._share = book.add_format({**plain, "bg_color": _GREY, "num_format": "0%"})
        self._open = book.add_format({**plain, "bg_color": _YELLOW})
        self._review = book.add_worksheet(REVIEW_SHEET)
        self._concerns = book.add_worksheet(CONCERN_SHEET)
        self._help = book.add_worksheet(HELP_SHEET)
        self._choices = book.add_worksheet(CHOICE_SHEET)
        self._choices.hide()
        lists = {
            OWN_OUTCOME: [*(outcome.label for outcome in Outcome), SAME, UNSURE],
            "主题": [topic.label for topic in topics],
            "状态": [status.label for status in Status],
            CHECKED: [YES],
        }
        # Lists in cells: a list written into the rule itself may have 255 characters at the most.
        self._ranges = {}
        for column, (name, values) in enumerate(lists.items()):
            self._choices.write_column(0, column, [name, *values])
            letter = "ABCD"[column]
            self._ranges[name] = f"='{CHOICE_SHEET}'!${letter}$2:${letter}${len(values) + 1}"

    def write(self, items: Sequence[ReviewItem]) -> None:
        self._header(self._review, REVIEW_COLUMNS, _WIDTHS)
        self._header(self._concerns, CONCERN_COLUMNS, _CONCERN_WIDTHS)
        at = 1
        for row, item in enumerate(items, 1):
            self._write_note(row, item)
            at = self._write_concerns(at, item)
        self._choose(self._review, OWN_OUTCOME, REVIEW_COLUMNS, len(items))
        self._choose(self._review, CHECKED, REVIEW_COLUMNS, len(items))
        for name in ("主题", "状态"):
            self._choose(self._concerns, name, CONCERN_COLUMNS, at - 1 + _SPARE_ROWS)
        self._help.set_column(0, 0, 110)
        for row, line in enumerate(_HELP):
            self._help.write_string(row, 0, line)
        self._review.activate()

    def _header(self, sheet: Any, columns: Sequence[str], widths: Sequence[int]) -> None:
        for column, (name, width) in enumerate(zip(columns, widths, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, name, self._head)
        sheet.freeze_panes(1, 2)

    def _write_note(self, row: int, item: ReviewItem) -> None:
        analysis = item.analysis
        texts = {
            REVIEW_NOTE: item.note,
            MODEL_OUTCOME: analysis.outcome.label if analysis.outcome else "",
            MODEL_EVIDENCE: evidence_text(analysis),
            HOW: item.how,
        }
        self._review.write_number(row, 0, item.number, self._given)
        self._review.write_number(row, REVIEW_COLUMNS.index(CONFIDENCE), analysis.confidence or 0.0, self._share)
        for name, text in texts.items():
            self._review.write_string(row, REVIEW_COLUMNS.index(name), excel_text(text)[0], self._given)
        for name in (OWN_OUTCOME, OWN_EVIDENCE, CHECKED, REMARK):
            self._review.write_blank(row, REVIEW_COLUMNS.index(name), None, self._open)

    def _write_concerns(self, at: int, item: ReviewItem) -> int:
        for concern in item.analysis.concerns:
            answer = one_line(concern.response.text) if concern.response else ""
            texts = (one_line(concern.span.text), concern.topic.label, concern.status.label, answer)
            self._concerns.write_number(at, 0, item.number, self._given)
            for column, text in enumerate(texts, 1):
                self._concerns.write_string(at, column, excel_text(text)[0], self._open)
            self._concerns.write_number(at, 5, concern.topic_probability, self._share)
            self._concerns.write_string(at, 6, excel_text(item.note)[0], self._given)
            at += 1
        return at

    def _choose(self, sheet: Any, name: str, columns: Sequence[str], rows: int) -> None:
        column = columns.index(name)
        sheet.data_validation(
            1, column, max(1, rows), column,
            {
                "validate": "list", "source": self._ranges[name], "error_title": "请从列表里选",
                "error_message": f"“{name}”只能填列表里的值，请点单元格右边的箭头选择。",
            },
        )  # fmt: skip
