"""Finds the columns of an export that matter: note, salesperson, team, customer, opportunity, date.

Names first, as CRM systems in China and abroad write them; failing that, for the note, what the column holds.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from analyzer.errors import ColumnError
from analyzer.normalize import normalize

if TYPE_CHECKING:
    import pandas as pd


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Names for the note, the surest first. Compared after `plain_name`.
_NOTE_NAMES = tuple(
    _words(names)
    for names in (
        """
        过程详细描述 过程描述 详细过程 拜访过程 拜访详情 拜访内容 拜访记录 拜访纪要 拜访总结 拜访小结
        拜访情况 拜访描述 拜访结果 拜访反馈 拜访日志 走访记录 走访内容 走访情况 跟进记录 跟进内容
        跟进详情 跟进情况 跟进描述 跟进结果 跟进总结 跟进小结 跟进明细 最新跟进 最新跟进记录
        最近跟进记录 最后跟进记录 跟踪记录 跟踪内容 回访记录 回访内容 沟通内容 沟通记录 沟通情况
        沟通详情 沟通纪要 沟通结果 沟通小结 交流内容 交流记录 洽谈内容 洽谈记录 洽谈纪要 会谈内容
        会谈纪要 会议纪要 会议内容 面谈记录 面谈内容 联系记录 联系内容 销售记录 销售记录内容
        商机跟进记录 客户跟进记录 客户拜访记录 外勤记录 活动记录 活动记录内容 服务记录 通话内容 通话记录
        电话记录 销售日志 工作日志 拜访信息 processdescription visitnote visitnotes visitreport
        visitsummary visitdetails visitrecord callnote callnotes callreport callsummary meetingnotes
        meetingminutes followup followuprecord followupnotes followupcontent activitynotes
        activitydescription salesnotes 拜访纪录
        """,
        """
        客户反馈 客户意见 客户需求 客户情况 客户动态 反馈内容 反馈意见 反馈 记录内容 记录 日志内容 日志
        汇报内容 工作内容 工作总结 今日工作总结 本次进展 项目进展 进展情况 进展 活动内容 活动描述
        活动总结 详细描述 详细内容 详情 内容 正文 纪要 总结 小结 content note notes body text
        fullcomments taskcomments comments comment summary 纪录
        """,
        """
        备注 备注信息 备注内容 备注说明 说明 描述 情况说明 补充说明 其他说明 商机描述 remark remarks
        memo description details detail
        """,
    )
)
_NOTE_RANK = {name: rank for rank, names in enumerate(_NOTE_NAMES) for name in names}
# A name that holds one of these is likely a note, unless it ends in an attribute of the visit.
_NOTE_PART = re.compile(
    "(拜访|走访|跟进|跟踪|回访|沟通|交流|洽谈|会谈|面谈|通话).{0,6}"
    "(内容|记录|纪要|详情|描述|情况|总结|小结|反馈|过程|说明)"
    "|过程.{0,2}描述|会议纪要"
    "|(visit|call|meeting|followup|activity).{0,8}(note|comment|summary|detail|description|report)"
)
_ATTRIBUTE = re.compile(
    "(时间|日期|人|人员|编号|编码|序号|类型|类别|分类|状态|阶段|方式|渠道|次数|数|数量|天数|时长|地点|地址|位置"
    "|主题|标题|目的|附件|图片|照片|来源|部门|对象|电话|号码|链接|标签"
    "|id|date|time|type|status|by|owner|count|number|no|subject)$"
)
_PERSON_NAMES = _words(
    """
    销售 销售人员 销售员 销售代表 销售姓名 销售人员姓名 销售负责人 销售顾问 销售经理 业务员 业务人员
    业务代表 业务经理 客户经理 拜访人 拜访人员 拜访人姓名 跟进人 跟进人员 跟进人姓名 跟进员工 跟单人
    负责人 负责人姓名 客户负责人 商机负责人 所有人 记录所有人 客户所有人 归属人 所属销售 所属人 员工姓名
    员工 外勤人员 执行人 提交人 填写人 记录人 汇报人 发起人 创建人
    salesperson salesrep salesrepresentative salesname sales rep owner recordowner accountowner
    opportunityowner activityowner ownername assignedto assigned createdby seller
    """
)
_DATE_NAMES = _words(
    """
    拜访日期 拜访时间 拜访开始时间 跟进日期 跟进时间 沟通日期 沟通时间 实际拜访时间 签到时间 活动日期
    活动时间 联系时间 联系日期 走访日期 回访日期 回访时间 记录日期 记录时间 日期 时间 提交时间 填写时间
    汇报时间 创建日期 创建时间 日期时间 visitdate visittime activitydate calldate
    meetingdate duedate date createddate createdat
    """
)
_CUSTOMER_NAMES = _words(
    """
    客户名称 客户 客户公司 客户全称 客户简称 客户单位 公司名称 公司 企业名称 单位名称 拜访客户 关联客户
    拜访对象 终端名称 门店名称 客户姓名 所属客户 对应客户 account accountname
    customer customername company companyname client clientname
    """
)
_KNOWN_NAMES = frozenset({*_NOTE_RANK, *_PERSON_NAMES, *_DATE_NAMES, *_CUSTOMER_NAMES})

_OPPORTUNITY_NAMES = _words(
    """
    商机名称 商机 销售机会 销售机会名称 机会名称 业务机会 商机主题 关联商机 所属商机 对应商机 项目名称 项目 关联项目
    所属项目 商机编号 商机id 项目编号 项目id opportunity opportunityname deal dealname project projectname
    opportunityid dealid projectid
    """
)
_TEAM_NAMES = _words(
    """
    团队 销售团队 所属团队 小组 销售小组 所属小组 所属部门 部门 销售部门 部门名称 负责人所属部门 事业部 大区 所属大区
    销售大区 区域 所属区域 销售区域 分公司 办事处 team salesteam department dept region salesregion branch businessunit
    """
)

_HAN = re.compile(r"[\u3400-\u9fff]")
_PAUSE = re.compile(r"[，。；！？、,;!?]")
_NAME_LIKE = re.compile(r"(公司|集团|厂|店|医院|大学|学院|中心|局|部|路|街|号|室|楼|区|县|市|省)\W*$")
_RULE = re.compile(r"[\s_\-—–.·:：*＊/\\'\"“”]+")
_BRACKETS = re.compile(r"[(（\[【<《{].*?[)）\]】>》}]")
_MIN_LENGTH = 8
_SAMPLE_ROWS = 500


@dataclass(frozen=True, slots=True)
class NoteColumn:
    """The column taken for the notes, how it was found, and the columns that would do as well."""

    name: str
    how: Literal["requested", "name", "content"]
    also: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return one line for the user.

        >>> NoteColumn("跟进记录", "name", ("备注",)).describe()
        "note column '跟进记录' (by its name); '备注' would do as well: choose it with --note-column 备注"
        """
        how = {"requested": "as asked", "name": "by its name", "content": "by what it holds"}[self.how]
        line = f"note column {self.name!r} ({how})"
        if self.also:
            others = ", ".join(map(repr, self.also))
            line += f"; {others} would do as well: choose it with --note-column {self.also[0]}"
        return line


@dataclass(frozen=True, slots=True)
class _Content:
    """How much a column looks like notes."""

    characters: int
    is_notes: bool


def plain_name(name: str) -> str:
    """Reduce a column name to what counts: width, case, script, spaces, brackets and marks dropped.

    >>> [plain_name(name) for name in (" 拜访记录（必填）", "*Process_Description", "ＮＯＴＥ：", "(备注)")]
    ['拜访记录', 'processdescription', 'note', '备注']
    """
    wide = normalize(unicodedata.normalize("NFKC", name))
    for text in (_BRACKETS.sub("", wide), wide):
        plain = re.sub(r"[()\[\]{}<>【】《》]", "", _RULE.sub("", text)).lower()
        plain = re.sub(r"(必填|选填|非必填|必填项)$", "", plain) or plain
        if plain:
            return plain
    return ""


def find_note_column(columns: Sequence[str], sample: pd.DataFrame, requested: str | None = None) -> NoteColumn:
    """Find the column of the notes.

    Args:
        columns: All columns, in order.
        sample: Some rows, cells as text.
        requested: The column that the user named; then nothing is guessed.

    Raises:
        ColumnError: There is no such column, or none that holds notes; the message lists the columns.
    """
    if requested is not None:
        return NoteColumn(_requested(columns, requested), "requested")
    contents = [_content(_texts(sample, index)) for index in range(len(columns))]
    named = {index: rank for index, name in enumerate(columns) if (rank := _note_rank(name)) is not None}
    filled = {index: rank for index, rank in named.items() if contents[index].characters}
    best_by_content = [index for index, content in enumerate(contents) if content.is_notes]
    if filled or (named and not best_by_content):
        ranks = filled or named
        best = min(ranks.values())
        likely = sorted((i for i in ranks if ranks[i] == best), key=lambda i: -contents[i].characters)
        # 备注 often holds a word or two beside a column of real notes with a name of the company's own.
        rivals = [i for i in best_by_content if i not in named]
        fuller = max(rivals, key=lambda i: contents[i].characters, default=None)
        weak = best == len(_NOTE_NAMES) - 1 and not contents[likely[0]].is_notes
        if fuller is None or not weak:
            also = tuple(columns[i] for i in likely[1:] if contents[i].is_notes)
            return NoteColumn(columns[likely[0]], "name", also)
        return NoteColumn(columns[fuller], "content", (columns[likely[0]],))
    if best_by_content:
        likely = sorted(best_by_content, key=lambda i: -contents[i].characters)
        top = contents[likely[0]].characters
        also = tuple(columns[i] for i in likely[1:] if contents[i].characters * 2 >= top)
        return NoteColumn(columns[likely[0]], "content", also)
    if len(columns) == 1 and contents[0].characters:
        return NoteColumn(columns[0], "content")
    raise ColumnError(
        f"no column holds visit notes, expected one such as 拜访记录, 跟进内容 or 备注; the columns are "
        f"{_listed(columns)}; name one with --note-column"
    )


def find_salesperson_column(columns: Sequence[str]) -> str | None:
    """Return the column that names the salesperson.

    >>> find_salesperson_column(["客户", "销售人员(必填)", "创建人"])
    '销售人员(必填)'
    """
    return _by_name(columns, _PERSON_NAMES)


def find_date_column(columns: Sequence[str]) -> str | None:
    """Return the column with the date of the visit.

    >>> find_date_column(["创建时间", "拜访日期"])
    '拜访日期'
    """
    return _by_name(columns, _DATE_NAMES)


def find_customer_column(columns: Sequence[str]) -> str | None:
    """Return the column that names the customer.

    >>> find_customer_column(["负责人", "客户名称"])
    '客户名称'
    """
    return _by_name(columns, _CUSTOMER_NAMES)


def find_opportunity_column(columns: Sequence[str], requested: str | None = None) -> str | None:
    """Return the column that names the opportunity: the one that the user named, else found by its name.

    Raises:
        ColumnError: There is no column ``requested``.

    >>> find_opportunity_column(["客户名称", "商机名称", "项目编号"])
    '商机名称'
    """
    return _by_name(columns, _OPPORTUNITY_NAMES) if requested is None else _requested(columns, requested)


def find_team_column(columns: Sequence[str]) -> str | None:
    """Return the column that names the salesperson's team.

    >>> find_team_column(["销售人员", "所属部门"])
    '所属部门'
    """
    return _by_name(columns, _TEAM_NAMES)


def names_known_columns(columns: Sequence[str]) -> int:
    """Return how many of the first 200 names are those of columns that we look for: note, person, customer, date.

    >>> names_known_columns(["客户名称", "金额", "拜访日期", "甲公司"])
    2
    """
    return sum(plain in _KNOWN_NAMES for plain in map(plain_name, columns[:200]) if plain)


def names_notes(columns: Sequence[str]) -> bool:
    """Whether one of the columns is called as notes are, from its name alone.

    >>> names_notes(["客户名称", "电话"]), names_notes(["客户名称", "最新跟进记录"])
    (False, True)
    """
    return any(_note_rank(name) is not None for name in columns)


def _by_name(columns: Sequence[str], names: Sequence[str]) -> str | None:
    ranks = {name: rank for rank, name in enumerate(names)}
    found = [(ranks[plain], index) for index, name in enumerate(columns) if (plain := plain_name(name)) in ranks]
    return columns[min(found)[1]] if found else None


def _requested(columns: Sequence[str], requested: str) -> str:
    if requested in columns:
        return requested
    alike = [name for name in columns if plain_name(name) == plain_name(requested)]
    if len(alike) == 1:
        return alike[0]
    close = difflib.get_close_matches(requested, columns, n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise ColumnError(f"no column {requested!r}, the columns are {_listed(columns)}{hint}")


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in columns[:40])
    return shown if len(columns) <= 40 else f"{shown} and {len(columns) - 40} more"


def _note_rank(name: str) -> int | None:
    plain = plain_name(name)
    if plain in _NOTE_RANK:
        return _NOTE_RANK[plain]
    # A numbered one, such as 跟进记录1
    if (bare := plain.rstrip("0123456789一二三")) in _NOTE_RANK:
        return _NOTE_RANK[bare]
    if _ATTRIBUTE.search(plain):
        return None
    return 0 if _NOTE_PART.search(plain) else None


def _texts(sample: pd.DataFrame, index: int) -> list[str]:
    values: list[object] = sample.iloc[:_SAMPLE_ROWS, index].tolist() if index < sample.shape[1] else []
    return [text for value in values if isinstance(value, str) and (text := value.strip())]


def _content(texts: Sequence[str]) -> _Content:
    """Judge by what notes have and names and addresses lack: Chinese, length, pauses, variety."""
    characters = sum(len(_HAN.findall(text)) for text in texts)
    if not texts:
        return _Content(0, False)
    han_share = characters / max(1, sum(map(len, texts)))
    paused = sum(bool(_PAUSE.search(text)) for text in texts) / len(texts)
    distinct = len(set(texts)) / len(texts)
    names = sum(len(text) < 40 and bool(_NAME_LIKE.search(text)) for text in texts) / len(texts)
    is_notes = (
        characters >= _MIN_LENGTH * len(texts)
        and han_share > 0.4
        and paused > 0.3
        and (distinct > 0.3 or len(texts) < 5)
        and names < 0.5
    )
    return _Content(characters, is_notes)
