"""The words that name a time, on acts as the corpus has them, a few shortened; others are in test_findings.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.candidates import candidate_inputs
from analyzer.commitments import ACTIONS, CommitmentModel, act_candidates, action_inputs, find_due
from analyzer.corpus import Example
from analyzer.features import N_BUCKETS, Reader
from analyzer.fitting import fit_choice
from analyzer.lexicon import Lexicon
from analyzer.linear import Linear
from analyzer.normalize import normalize
from analyzer.outcomes import OUTCOMES
from analyzer.records import Action, Outcome
from analyzer.segmenter import Segmenter

FOUND = [
    ("那后天你搬一台来放我二诊室我们验够一百个人", "后天"),
    ("合同下午三点盖完了", "下午三点"),
    ("三方约好11号来看我们的配餐间", "11号"),
    ("大棚的辣椒地 留了六垄给咱的微耕机 明儿他媳妇试", "明儿"),
    ("周三下午带两台吸尘器过去让阿姨试一圈", "周三下午"),
    ("两个病区先跑一个月试点，下月初开始", "下月初"),
    ("答應禮拜五線上面試四位移工", "禮拜五"),
    ("应允25号前下首单", "25号前"),
    ("站长带试验室俩人礼拜天来咱厂看合成釜", "礼拜天"),
    ("留了80斤五花，明早拿我机器切片试", "明早"),
    ("武镇长让两个试点村的书记下周来我们展厅实际操作", "下周"),
    ("他这周内在系统里提两张采购申请", "这周内"),
    ("客户11月14日寄回盖章的框架协议", "11月14日"),
    ("先拿六根机臂装机飞，下月给数据", "下月"),
    ("这周日你到学校跟家长代表碰个面", "这周日"),
    ("下礼拜二让带一台直饮机去给三个区域经理开会时候演示", "下礼拜二"),
    ("他约了老外23号上午专门过这一项", "23号上午"),
    ("月底我们三个人过去看看你们厂", "月底"),
    ("答应把我们的便携式气体检测仪列入下季度采购计划", "下季度"),
    ("答應下週提供三十支凍存奶樣", "下週"),
    ("保理合同9/28双签", "9/28"),
    ("这个月拿两个标给你们做做看", "这个月"),
    ("周末带两位二级商来参观样机间", "周末"),
    ("教员组于27日开放机库半天供我方编写人员观摩", "27日"),
    ("口头同意退掉隔壁那间，要的大间留着，月底前签", "月底前"),
    ("让我把租赁合同带过去后天上午签", "后天上午"),
    ("客户约本周四上午10点看演示，行政和法务参加", "本周四上午10点"),
    ("两小时后DocuSign收到她的签字", "两小时后"),
    ("同意本月下旬到我司工厂参观", "本月下旬"),
    ("周三一点你上三楼，我叫他等你", "周三一点"),
    ("約好下星期三請總監一起看3D圖", "下星期三"),
    ("局长明儿上午听我们十分钟", "明儿上午"),
    ("他说礼拜天晚上九点拉着那位开视频 我演一遍", "礼拜天晚上九点"),
    ("他今晚就报进下个月的采购计划里", "今晚"),
    ("三十号之前生效的话，她去办", "三十号之前"),
    ("对方定了下周一下午两点在项目部开技术交底会", "下周一下午两点"),
    ("答应12月8号派两个人跟我们去工厂看生产线", "12月8号"),
    ("定了下下周二飞成都去看我们做的那家寿险机房", "下下周二"),
    ("对方同意先签意向协议，12月上旬", "12月上旬"),
    ("岗位清单我让EHS整理，下礼拜二之前邮箱发你", "下礼拜二之前"),
    ("排进11月药事会第六个", "11月"),
    ("10号晚现场亮灯看效果", "10号晚"),
    ("约定十五日上午召开商务谈判会", "十五日上午"),
    ("卖场答应下月底签年度协议", "下月底"),
    ("当场发来三年报表和征信授权书", None),
    ("要一卷先在3号线打两天", None),
    ("3号楼B2给你接，周六我让值班的配合", "周六"),
    ("又下了46号抗磨液压油12桶", None),  # a product
    ("采购又追加1.5吨麦芽糖醇，平台单已下", None),  # a quantity taken for a date
    ("审计委员会本月25号上会，议案董秘办起草中", "本月25号"),  # found in part
    ("本月二十日前签署年度运输协议", "本月二十日前"),
    ("下月2号来我们工厂做现场审核", "下月2号"),
    ("采购单是上周五下的", None),
    ("对方约后天下午三点三方开个碰头会", "后天下午三点"),  # three parties, not three minutes
    ("又让留一套给晚班用用看", None),
    ("初八起他们把5号道腾给我们的造雪枪，白造一礼拜", "初八"),
]
# What the annotators marked, and what is found instead.
MISSED = [
    ("他同意先在三号滤池装一台DN300试运行半年", None),  # 三号: a place
    ("合同于今日用印", "今日"),
    ("她 当晚 把 12 个 JD 和 comp band 发了过来", "当晚"),
    ("还是召集全科周二早会听我们讲操作", "周二"),
    ("Grace约了Thursday 3pm跟CMO一起过方案", "Thursday 3pm"),
]


def due_of(act: str) -> str | None:
    found = find_due(normalize(act))
    return act[slice(*found)] if found else None


@pytest.mark.parametrize(("act", "due"), FOUND)
def test_times_of_real_acts(act: str, due: str | None) -> None:
    assert due_of(act) == due


@pytest.mark.xfail(strict=True, reason="the calendar of a later release reads these")
@pytest.mark.parametrize(("act", "due"), MISSED)
def test_times_that_are_read_wrongly(act: str, due: str | None) -> None:
    assert due_of(act) == due


def test_most_times_of_the_corpus_are_found(corpus: list[Example]) -> None:
    right = total = 0
    for example in corpus:
        if example.commitment and example.due and example.commitment[0] <= example.due[0] < example.commitment[1]:
            right += due_of(example.note[slice(*example.commitment)]) == example.note[slice(*example.due)]
            total += 1
    assert total > 500
    assert right / total > 0.75


@given(st.text(st.characters()))
def test_a_time_lies_inside_the_text(text: str) -> None:
    clean = normalize(text)
    found = find_due(clean)
    assert found is None or 0 <= found[0] < found[1] <= len(clean)


READER = Reader(["同意", "试用", "价格", "高"], Lexicon({}), Segmenter())
ORDER, ADVANCE = OUTCOMES.index(Outcome.ORDER), OUTCOMES.index(Outcome.ADVANCE)


def test_what_may_be_the_act() -> None:
    notes = ["价格高，同意试用，高", "价格高。同意试用", "高，高", "，"]
    batch = READER.read(notes)
    tokens = [batch.found.text[a:b] for a, b in zip(batch.found.token_start, batch.found.token_start[1:], strict=False)]
    scores = np.zeros((len(tokens), len(OUTCOMES) + 1))
    labels = np.zeros(len(tokens), dtype=np.int64)
    first = tokens.index("\n")
    labels[tokens.index("高") : tokens.index("试用") + 1] = 1 + ADVANCE  # "高，同意试用" in the first note
    labels[first + 1] = 1 + ORDER  # of another outcome than the second note's
    scores[first + 1 + tokens[first + 1 :].index("试用"), 1 + ADVANCE] = 2.0
    found = act_candidates(batch, scores, labels, np.array([ADVANCE, ADVANCE, -1, ADVANCE]))
    offered = [(note, batch.found.text[start:end]) for note, start, end in found.places()]
    assert dict(zip(offered, found.is_likely.tolist(), strict=True)) == {
        (0, "价格高"): False,
        (0, "价格高,同意试用"): False,
        (0, "高"): False,
        (0, "高,同意试用"): True,
        (0, "同意试用"): False,
        (1, "同意试用"): False,  # nothing is tagged in it: the clause with the strongest token
    }
    assert len(act_candidates(batch, scores, 0 * labels, np.full(4, -1))) == 0


def test_the_act_is_chosen_among_them() -> None:
    notes = ["价格高，同意试用", "同意试用，价格高"]
    batch = READER.read(notes)
    outcomes = np.full(2, ADVANCE)
    labels = np.where(batch.is_word, 1 + ADVANCE, 0)
    found = act_candidates(batch, np.zeros((len(labels), len(OUTCOMES) + 1)), labels, outcomes)
    texts = [batch.found.text[start:end] for _, start, end in found.places()]
    inputs = action_inputs(batch, found.start, found.end, outcomes[found.note])
    choice = fit_choice(candidate_inputs(batch, found, inputs), [text == "同意试用" for text in texts], C=100.0, seed=0)
    bias = np.eye(len(ACTIONS))[ACTIONS.index(Action.TRIAL)]
    model = CommitmentModel(choice, Linear(np.zeros((N_BUCKETS, len(ACTIONS))), bias))
    acts = {
        note: (batch.found.text[slice(*span)], kind)
        for note, (span, kind) in model.acts(batch, found, outcomes).items()
    }
    assert acts == {0: ("同意试用", Action.TRIAL), 1: ("同意试用", Action.TRIAL)}
    assert model.acts(batch, found.chosen(slice(0)), outcomes) == {}
