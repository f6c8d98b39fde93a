"""The table of opportunities: one row each, with the milestones and the rows set apart on sheets of their own."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence

from analyzer.checklist_forms import checklist_sheets
from analyzer.display import quoted, safe_text
from analyzer.milestones import MilestoneState
from analyzer.opportunities import OpportunityState
from analyzer.progress import Page, Progress
from analyzer.results import Value, one_line
from analyzer.sheets import Sheet
from analyzer.table_layout import SURROGATE

COLUMNS = (
    "客户", "商机", "销售人员", "状态", "拜访次数", "最近拜访", "最近结果", "连续中断", "未答复", "下一里程碑",
    "受阻于", "客户的约定", "下一个承诺（建议）", "距上次晋级（天）", "停滞原因",
)  # fmt: skip
_WIDTHS = (24, 24, 10, 9, 9, 12, 10, 9, 8, 14, 30, 36, 36, 16, 30)
_MILESTONE_COLUMNS = ("客户", "商机", "里程碑", "状态", "日期", "行号", "原话", "受阻于", "客户的约定")
_MILESTONE_WIDTHS = (24, 24, 14, 9, 12, 7, 44, 36, 44)
_APART_COLUMNS = ("行号", "问题", "拜访日期", "客户", "商机", "销售人员", "记录")
_APART_WIDTHS = (7, 30, 12, 24, 24, 10, 60)
_SHOWN = (
    "商机",
    "状态",
    "最近拜访",
    "最近结果",
    "连续中断",
    "未答复",
    "下一里程碑",
    "距晋级",
    "停滞原因",
    "下一个承诺（建议）",
)
_MAX_TITLE = 40


def progress_row(page: Page) -> tuple[Value, ...]:
    """Return the row of one opportunity, in the order of `COLUMNS`."""
    state = page.state
    last, following = state.last_visit, state.next_milestone
    newest = state.opportunity.visits[-1]
    return (
        state.opportunity.customer,
        state.opportunity.name,
        newest.salesperson,
        state.stage.label,
        len(state.opportunity.visits),
        newest.date.isoformat() if newest.date else None,
        last.outcome.label if last and last.outcome else None,
        state.streak,
        len(state.checklist.open),
        following.milestone.name if following else None,
        blocked_text(following) if following else None,
        promise_text(state),
        page.proposals[0].ask if page.proposals else None,
        state.days_since_advance,
        "；".join(one.label for one in state.drift),
    )


def blocked_text(state: MilestoneState) -> str:
    """Return what a milestone waits for, or nothing."""
    waits = [one.name for one in state.missing] + [quoted(point.quote.text) for point in state.open_points]
    return "、".join(waits)


def promise_text(state: OpportunityState) -> str | None:
    """Return what the customer last promised, while no later visit moved the sale on."""
    promise = state.standing_promise
    if promise is None:
        return None
    due = f"（{promise.due_date.isoformat()}）" if promise.due_date else ""
    return f"{quoted(promise.quote.text)}{due}"


def progress_sheets(progress: Progress) -> list[Sheet]:
    """Return the workbook: opportunities, milestones, checklists, benefit summaries, rows that need a look."""
    pages = progress.by_need()
    sheets = [
        opportunity_sheet(progress),
        Sheet(
            "里程碑", _MILESTONE_COLUMNS, [row for page in pages for row in _milestone_rows(page)], _MILESTONE_WIDTHS
        ),
        *checklist_sheets(pages),
    ]
    apart = _rows_apart(progress)
    return [*sheets, Sheet("需要处理的记录", _APART_COLUMNS, apart, _APART_WIDTHS)] if apart else sheets


def opportunity_sheet(progress: Progress) -> Sheet:
    """Return the table of opportunities alone."""
    return Sheet("商机进展", COLUMNS, [progress_row(page) for page in progress.by_need()], _WIDTHS)


def _milestone_rows(page: Page) -> Iterator[tuple[Value, ...]]:
    for one in page.state.milestones:
        visit = one.quote.visit if one.quote else None
        yield (
            page.opportunity.customer,
            page.opportunity.name,
            one.milestone.name,
            one.status.label,
            visit.date.isoformat() if visit and visit.date else None,
            visit.row if visit else None,
            one.quote.text if one.quote else None,
            blocked_text(one) or None,
            one.promise.quote.text if one.promise else None,
        )


def _rows_apart(progress: Progress) -> list[tuple[Value, ...]]:
    """Return the visits with a problem: without date, text, or customer; none of them is lost."""
    return [
        (
            visit.row,
            visit.problem,
            visit.date.isoformat() if visit.date else None,
            visit.customer,
            visit.opportunity,
            visit.salesperson,
            visit.note,
        )
        for visit in progress.problems()
    ]


def progress_json(progress: Progress) -> str:
    """Return everything as one JSON object; halves of characters are escaped."""
    data = {
        "as_of": progress.as_of.isoformat() if progress.as_of else None,
        "opportunities": [page.to_dict() for page in progress.by_need()],
        "rows_with_problems": [{"row": one.row, "problem": one.problem} for one in progress.problems()],
    }
    text = json.dumps(data, ensure_ascii=False, indent=2)
    return f"{json.dumps(data, indent=2) if SURROGATE.search(text) else text}\n"


def progress_text(progress: Progress) -> str:
    """Return the table for a terminal, its columns in line though a Chinese character takes two places."""
    rows = [_SHOWN, *(_shown_row(page) for page in progress.by_need())]
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell + " " * (width - display_width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _shown_row(page: Page) -> tuple[str, ...]:
    row = dict(zip(COLUMNS, progress_row(page), strict=True))
    shown: Sequence[Value] = (
        _clipped(one_line(safe_text(page.opportunity.title))),
        row["状态"],
        row["最近拜访"],
        row["最近结果"],
        row["连续中断"],
        row["未答复"],
        row["下一里程碑"],
        row["距上次晋级（天）"],
        row["停滞原因"] or None,
        one_line(safe_text(str(row["下一个承诺（建议）"] or "-"))),
    )
    return tuple("-" if value is None else str(value) for value in shown)


def _clipped(text: str) -> str:
    while display_width(text) > _MAX_TITLE:
        text = text[:-2] + "…"
    return text


def display_width(text: str) -> int:
    """Return the places that a text takes in a terminal.

    >>> display_width("商机A")
    5
    """
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
