"""The page that goes with a model trained on own labels: what it learnt, what that brought, what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analyzer.gains import Gain, wilson
from analyzer.own_labels import OwnLabels
from analyzer.own_training import OwnData, OwnResult, OwnSettings

_NAMES = {
    "outcome_accuracy": "结果，准确率",
    "outcome_macro_f1": "结果，宏平均 F1",
    "concern_f1": "关注点位置，F1",
    "topic_accuracy": "找到的关注点，主题准确率",
    "status_accuracy": "找到的关注点，答复状态准确率",
}
_MAIN = ("outcome_accuracy", "concern_f1")
_MOST_LISTED = 200
MAX_LOSS = 0.01
"""Loss on the base corpus from which it is pointed out."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How the base model did on the notes that were drawn at random for review."""

    right: int
    count: int

    @classmethod
    def of(cls, labels: OwnLabels) -> Sample:
        """Count the random notes whose outcome was labelled."""
        drawn = [
            one
            for one in labels.notes
            if one.sampled and one.model_outcome is not None and one.example.outcome is not None
        ]
        right = sum(one.model_outcome is not None and one.model_outcome.value == one.example.outcome for one in drawn)
        return cls(right, len(drawn))


def main_gain(gains: Mapping[str, Gain]) -> Gain | None:
    """Return the gain that decides whether a model is better: of the outcome, else of the concerns."""
    return next((gains[name] for name in _MAIN if name in gains), None)


def verdict(gain: Gain) -> str:
    """Return what a difference means, in Chinese."""
    if not gain.beyond_chance:
        return "在偶然波动之内"
    return "有把握变好" if gain.difference > 0 else "有把握变差"


def own_card(
    result: OwnResult, labels: OwnLabels, own: OwnData, settings: OwnSettings, *, base: str, versions: Mapping[str, str]
) -> str:
    """Return MODEL_CARD.md of a model trained on own labels, in Chinese.

    Args:
        result: what the run made and measured.
        labels: what was read.
        own: what was learnt.
        settings: of the run.
        base: one line on the base model and its data.
        versions: of the packages.
    """
    sample = Sample.of(labels)
    topics = "、".join(topic.label for topic in own.taxonomy.own)
    made_with = "，".join(f"{name} {version}" for name, version in versions.items())
    parts = [
        "# 模型说明：用自己的记录训练的模型",
        "由 `visit-notes train` 生成，请勿手改。",
        f"**底座**：{base}",
        f"**学了什么**：标了结果的记录 {len(own.outcomes)} 条，核对过关注点的记录 {len(own.concerns)} 条"
        + (f"，自有主题：{topics}" if topics else "")
        + f"。自有记录按 {settings.weight} 倍计入，随机种子 {settings.seed}。没有标注的部分沿用底座，一个字节都不变。",
        f"**环境**：{made_with}。相同的数据、参数和版本，得到逐字节相同的模型。",
        "## 在自己的记录上",
        f"{settings.folds} 折交叉验证：每条记录都由没学过它（及其近似副本）的模型来读；区间是配对自助法的 95% 区间。",
        _table(result.own),
        _outlook_zh(result),
    ]
    if sample.count:
        low, high = wilson(sample.right, sample.count)
        parts += [
            "## 原模型在整张表上大约有多准",
            f"复核时随机抽样的 {sample.count} 条中，原模型判对 {sample.right} 条：{sample.right / sample.count:.0%}"
            f"（95% 区间 {low:.0%}–{high:.0%}）。上一节的记录多为专挑的难例，准确率会低于整张表。",
        ]
    parts += ["## 在底座语料上", _base_zh(result), "## 没有用上的单元格", _refused_zh(labels)]
    return "\n\n".join(parts) + "\n"


def _table(gains: Mapping[str, Gain]) -> str:
    if not gains:
        return "（没有可比较的标注。）"
    lines = ["| 指标 | 数量 | 原模型 | 新模型 | 差（百分点，95% 区间） | 判断 |", "|---|---|---|---|---|---|"]
    for name, gain in gains.items():
        lines.append(
            f"| {_NAMES[name]} | {gain.count} | {gain.before:.3f} | {gain.after:.3f} | {100 * gain.difference:+.1f} "
            f"（{100 * gain.low:+.1f} 至 {100 * gain.high:+.1f}） | {verdict(gain)} |"
        )
    return "\n".join(lines)


def _outlook_zh(result: OwnResult) -> str:
    gain = main_gain(result.curve)
    if gain is None:
        return "记录还太少，估计不出再标一些会带来多少。"
    return (
        f"再标一些会怎样：用全部而不是一半自有记录，{_NAMES[_name_of(result.curve, gain)]}变化 "
        f"{100 * gain.difference:+.1f} 个百分点（95% 区间 {100 * gain.low:+.1f} 至 {100 * gain.high:+.1f}）。"
        "记录再翻一倍，带来的变化通常不超过这个数。"
    )


def _base_zh(result: OwnResult) -> str:
    if not result.base:
        return "没有比较：这次没有重新拟合结果或关注点。"
    worst = min(gain.difference for gain in result.base.values())
    said = (
        "损失不到 1 个百分点。" if worst > -MAX_LOSS else "**有指标损失 1 个百分点以上**，用于自己的记录之外时请留意。"
    )
    return (
        f"{result.base_notes} 条底座记录，分别由没见过其作者的模型来读：“原”只学底座语料，“新”加上自有记录。{said}\n\n"
        + _table(result.base)
    )


def _refused_zh(labels: OwnLabels) -> str:
    counts = (
        f"没有标注而跳过 {labels.open} 行；与前面重复 {labels.repeated} 行；不能用的单元格 {len(labels.refused)} 个。"
    )
    shown = [f"- {one}" for one in labels.refused[:_MOST_LISTED]]
    if len(labels.refused) > _MOST_LISTED:
        shown.append(f"- 以及另外 {len(labels.refused) - _MOST_LISTED} 个")
    return "\n".join([counts, "", *shown] if shown else [counts])


def _name_of(gains: Mapping[str, Gain], gain: Gain) -> str:
    return next(name for name, one in gains.items() if one is gain)


def summary_lines(result: OwnResult, labels: OwnLabels) -> list[str]:
    """Return what the command prints of a run."""
    lines = []
    for name, gain in result.own.items():
        chance = "beyond chance" if gain.beyond_chance else "within chance"
        lines.append(f"own notes, {name.replace('_', ' ')} ({gain.count}): {gain}, {chance}")
    curve = main_gain(result.curve)
    if curve is not None:
        lines.append(
            f"all own notes instead of half of them: {curve}; twice as many again are likely to bring no more than that"
        )
    elif result.own:
        lines.append("too few own notes to say what more would bring")
    sample = Sample.of(labels)
    if sample.count:
        low, high = wilson(sample.right, sample.count)
        lines.append(
            f"random sample: the old model was right on {sample.right} of {sample.count} notes "
            f"({low:.0%} to {high:.0%} of the whole file, with 95% confidence)"
        )
    for name, loss in result.base.items():
        lines.append(f"base corpus, {name.replace('_', ' ')} ({loss.count}): {loss}")
    if result.base and min(gain.difference for gain in result.base.values()) <= -MAX_LOSS:
        lines.append("warning: the base corpus loses a point or more; use the new model for your own notes only")
    return lines


def label_lines(labels: OwnLabels, most: int) -> list[str]:
    """Return what the command prints of the labels: every file, and every cell that cannot be used."""
    lines = [*labels.sources]
    lines.append(
        f"{len(labels.with_outcome())} notes with an outcome, {len(labels.with_concerns())} with concerns; "
        f"{labels.open} rows without a label, {labels.repeated} repeated, {len(labels.refused)} cells not used"
    )
    lines += [str(one) for one in [*labels.refused, *labels.remarks][:most]]
    hidden = len(labels.refused) + len(labels.remarks) - most
    return [*lines, f"… and {hidden} more"] if hidden > 0 else lines
