"""The checklist of an opportunity (or of one note) in its forms: to read out, Markdown, web page, sheets, JSON.

All words of customers and salespeople are quotations; the rest of the text stands in this module.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from analyzer.benefits import GAP
from analyzer.checklist import KeyPoint
from analyzer.display import quoted, safe_text
from analyzer.next_commitment import Proposal
from analyzer.progress import Page
from analyzer.results import Value, one_line
from analyzer.sheets import Sheet
from analyzer.table_layout import SURROGATE
from analyzer.visits import Quote

OPENING = "经过上次沟通，我记录了您的以下关注点，请看是否有遗漏："
UNNAMED = "本次拜访"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~])")
_CHECKLIST_HEADER = (
    "客户", "商机", "状态", "主题", "关注点", "提出日期", "行号", "我方答复", "答复行号", "可能已答复（请核对）",
    "核对行号", "历次记录",
)  # fmt: skip
_CHECKLIST_WIDTHS = (24, 24, 9, 11, 40, 12, 7, 40, 9, 40, 9, 60)
_BENEFIT_HEADER = ("客户", "商机", "客户关心", "行号", "我方答复", "答复行号", "给客户带来的好处", "好处行号")
_BENEFIT_WIDTHS = (24, 24, 36, 7, 40, 9, 40, 9)
_PROPOSAL_HEADER = ("客户", "商机", "建议争取的承诺", "理由", "先答复", "可以这样说", "退一步")
_PROPOSAL_WIDTHS = (24, 24, 32, 60, 30, 50, 40)


def day_text(date: datetime.date | None) -> str:
    """Return a day as it is said.

    >>> day_text(datetime.date(2026, 9, 3)), day_text(None)
    ('9月3日', '日期不详')
    """
    return f"{date.month}月{date.day}日" if date else "日期不详"


def title_of(page: Page) -> str:
    """Return the heading of a page."""
    return one_line(safe_text(page.opportunity.title)) or UNNAMED


def spoken_text(page: Page) -> str:
    """Return the checklist to read out to the customer: unanswered first, then answered, then what was never asked."""
    checklist = page.state.checklist
    lines = [title_of(page), OPENING if checklist.points else "记录里还没有您提出的关注点。"]
    if checklist.open:
        lines.append("还没有答复您的：")
        lines += [f"  {number}. {_point_line(point)}" for number, point in enumerate(checklist.open, start=1)]
    if checklist.answered:
        lines.append("已经答复您的：")
        lines += [
            f"  {number}. {_point_line(point)}"
            for number, point in enumerate(checklist.answered, start=len(checklist.open) + 1)
        ]
    if checklist.untouched:
        lines.append(f"尚未谈到的方面：{_topics(page)}。这些方面您有什么要求？")
    return "\n".join(lines)


def _point_line(point: KeyPoint) -> str:
    answer = point.answer
    said = f"；我们的答复：{quoted(answer.text)}" if answer else ""
    later = f"；后来谈到：{quoted(point.echo.text)}，是否已经解决？" if point.echo else ""
    return f"{point.display_topic}：{quoted(point.quote.text)}{said}{later}"


def _topics(page: Page) -> str:
    return "、".join(topic.label for topic in page.state.checklist.untouched)


def benefit_text(page: Page) -> str:
    """Return the benefit summary to say aloud; gaps are marked for the salesperson."""
    lines = ["利益汇总："]
    for number, one in enumerate(page.benefits, start=1):
        answer, gain = _words(one.answer), _words(one.gain)
        lines.append(f"  {number}. 您关心{quoted(one.point.quote.text)}；我们的答复：{answer}；给您带来的好处：{gain}")
    return "\n".join(lines) if page.benefits else ""


def proposal_text(page: Page) -> str:
    """Return the commitment to ask for next with its reasons, for the salesperson's eyes."""
    lines = ["下一个承诺（建议，由您判断时机）："] if page.proposals else []
    for number, one in enumerate(page.proposals, start=1):
        lines.append(f"  {number}. {one_line(safe_text(one.ask))}")
        lines += [f"     理由：{one_line(safe_text(reason))}" for reason in one.reasons]
        if one.settle_first:
            lines.append(f"     先答复：{quoted(one.settle_first.span.text)}")
        lines += [f"     可以这样说：{one_line(safe_text(one.sentence))}", f"     退一步：{one.fallback}"]
    return "\n".join(lines)


def _words(quote: Quote | None) -> str:
    return quoted(quote.text) if quote else GAP


# --- Markdown -------------------------------------------------------------------------------------


def markdown(pages: Sequence[Page]) -> str:
    """Return the checklists as one Markdown document."""
    return "\n\n".join("\n".join(_markdown_lines(page)) for page in pages) + "\n"


def _markdown_lines(page: Page) -> Iterator[str]:
    checklist = page.state.checklist
    yield f"# {_escaped(title_of(page))}"
    yield ""
    yield OPENING if checklist.points else "记录里没有客户提出的关注点。"
    for heading, points, mark in (("未答复", checklist.open, " "), ("已答复", checklist.answered, "x")):
        if points:
            yield from ("", f"## {heading}", "")
            for point in points:
                yield from _markdown_point(point, mark)
    if checklist.untouched:
        yield from ("", "## 尚未谈到的方面", "", _topics(page))
    if page.benefits:
        yield from ("", "## 利益汇总", "", "| 客户关心 | 我方答复 | 给客户带来的好处 |", "|---|---|---|")
        for one in page.benefits:
            cells = (_words(one.point.quote), _words(one.answer), _words(one.gain))
            yield f"| {' | '.join(map(_escaped, cells))} |"
    if page.proposals:
        yield from ("", "## 下一个承诺（建议）", "")
        for number, proposal in enumerate(page.proposals, start=1):
            yield from _markdown_proposal(number, proposal)


def _markdown_proposal(number: int, proposal: Proposal) -> Iterator[str]:
    lines = [f"理由：{reason}" for reason in proposal.reasons]
    if proposal.settle_first:
        lines.append(f"先答复：{quoted(proposal.settle_first.span.text)}")
    lines += [f"可以这样说：{proposal.sentence}", f"退一步：{proposal.fallback}"]
    yield f"{number}. **{_escaped(one_line(safe_text(proposal.ask)))}**"
    yield from (f"    - {_escaped(one_line(safe_text(line)))}" for line in lines)


def _markdown_point(point: KeyPoint, mark: str) -> Iterator[str]:
    yield f"- [{mark}] **{point.display_topic}**：{_escaped(quoted(point.quote.text))}（{_source(point.quote)}）"
    if point.answer:
        yield f"    - 我方答复：{_escaped(quoted(point.answer.text))}（{_source(point.answer)}）"
    if point.echo:
        yield f"    - 可能已答复，请核对：{_escaped(quoted(point.echo.text))}（{_source(point.echo)}）"
    if len(point.mentions) > 1:
        for mention in point.mentions:
            words = _escaped(quoted(mention.quote.text))
            yield f"    - {_source(mention.quote)}：{words}，{mention.concern.status.label}"


def _source(quote: Quote) -> str:
    """Return where words come from; a single note has neither date nor row."""
    row = f"第 {quote.visit.row} 行" if quote.visit.row else "本次"
    return f"{quote.visit.date.isoformat()}，{row}" if quote.visit.date else row


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


# --- sheets, JSON, HTML ---------------------------------------------------------------------------


def checklist_sheets(pages: Sequence[Page]) -> list[Sheet]:
    """Return the checklists, benefit summaries and next commitments as sheets of a workbook."""
    points = [row for page in pages for row in _point_rows(page)]
    benefits = [row for page in pages for row in _benefit_rows(page)]
    return [
        Sheet("检核表", _CHECKLIST_HEADER, points, _CHECKLIST_WIDTHS),
        Sheet("利益汇总", _BENEFIT_HEADER, benefits, _BENEFIT_WIDTHS),
        Sheet(
            "下一个承诺", _PROPOSAL_HEADER, [row for page in pages for row in _proposal_rows(page)], _PROPOSAL_WIDTHS
        ),
    ]


def _point_rows(page: Page) -> Iterator[tuple[Value, ...]]:
    whose = (page.opportunity.customer, page.opportunity.name)
    for point in page.state.checklist.points:
        quote, answer = point.quote, point.answer
        history = "\n".join(
            f"{_source(one.quote)}：{quoted(one.quote.text)}，{one.concern.status.label}" for one in point.mentions
        )
        yield (
            *whose,
            point.status.label,
            point.display_topic,
            quote.text,
            _day(quote),
            quote.visit.row,
            answer.text if answer else None,
            answer.visit.row if answer else None,
            point.echo.text if point.echo else None,
            point.echo.visit.row if point.echo else None,
            history,
        )
    if page.state.checklist.untouched:
        yield (*whose, "尚未谈到", None, _topics(page), *[None] * 7)


def _benefit_rows(page: Page) -> Iterator[tuple[Value, ...]]:
    for one in page.benefits:
        parts: list[Value] = []
        for quote in (one.point.quote, one.answer, one.gain):
            parts += [quote.text if quote else GAP, quote.visit.row if quote else None]
        yield (page.opportunity.customer, page.opportunity.name, *parts)


def _proposal_rows(page: Page) -> Iterator[tuple[Value, ...]]:
    for one in page.proposals:
        settle = one.settle_first.span.text if one.settle_first else None
        reasons = "\n".join(one.reasons)
        yield (page.opportunity.customer, page.opportunity.name, one.ask, reasons, settle, one.sentence, one.fallback)


def _day(quote: Quote) -> str | None:
    return quote.visit.date.isoformat() if quote.visit.date else None


def checklist_json(pages: Sequence[Page]) -> str:
    """Return the pages as a JSON array; halves of characters are escaped."""
    data: list[dict[str, Any]] = [page.to_dict() for page in pages]
    text = json.dumps(data, ensure_ascii=False, indent=2)
    # Half a surrogate pair has no UTF-8, but an escape.
    return f"{json.dumps(data, indent=2) if SURROGATE.search(text) else text}\n"


def checklist_html(pages: Sequence[Page]) -> str:
    """Return the checklists as one web page that needs nothing else, a printed page a customer."""
    from analyzer.web import render  # Jinja2 is needed for this form alone

    return render("checklist.html", pages=pages, opening=OPENING, unnamed=UNNAMED, gap=GAP)
