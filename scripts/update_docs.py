"""Bring the tables in README.md, README.zh-CN.md and data/DATA_CARD.md up to date with the model and the corpus."""

import csv
import json
import re
import statistics
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from analyzer import NoteAnalyzer
from analyzer.corpus import Example, read_corpus, read_topic_phrases, voice_of
from analyzer.lexicon import read_lexicons
from analyzer.results import RESULT_COLUMNS, result_values

ROOT = Path(__file__).resolve().parent.parent
VOICES = {
    "all": "all",
    "vivid": "vivid",
    "plain": "plain",
    "crm": "CRM phrases",
    "concerns": "concern-rich",
    "short": "short",
    "mixed": "mixed",
}
VOICES_ZH = {
    "all": "全部",
    "vivid": "生动",
    "plain": "平实",
    "crm": "CRM 套语",
    "concerns": "关注点多",
    "short": "短句",
    "mixed": "混合",
}
ROWS = {
    "outcome_macro_f1": ("outcome, macro F1", "结果，宏平均 F1"),
    "outcome_accuracy": ("outcome, accuracy", "结果，准确率"),
    "tfidf_accuracy": ("— jieba + TF-IDF + logistic regression", "— 对照：jieba + TF-IDF + 逻辑回归"),
    "keywords_accuracy": ("— keyword rules", "— 对照：关键词规则"),
    "decided_alone": ("share decided without review", "无需复核的比例"),
    "accuracy_alone": ("accuracy of those", "其中的准确率"),
    "concern_f1": ("concern spans, F1", "关注点位置，F1"),
    "topic_accuracy": ("topic of found concerns", "找到的关注点，主题准确率"),
    "status_accuracy": ("status of found concerns", "找到的关注点，答复状态准确率"),
    "commitment_f1": ("commitment span, F1", "客户承诺位置，F1"),
}

EXAMPLE = ROOT / "data" / "examples" / "visit_notes_gb18030.csv"
EXAMPLE_STARTS = ("朱厂长下单了", "气泡膜机、打包机一起看的", "合伙人不同意投这么多钱", "要得急 明天就要")
SHOWN_COLUMNS = ("结果", "把握度", "依据", "关注点", "客户承诺", "承诺类型")


def rows_table() -> str:
    """Return some rows of the example export with what the shipped model finds in them."""
    with EXAMPLE.open(encoding="gb18030", newline="") as file:
        notes = [row["过程详细描述"] for row in csv.DictReader(file)]
    shown = [next(note for note in notes if note.startswith(start)) for start in EXAMPLE_STARTS]
    lines = ["| 过程详细描述 | " + " | ".join(SHOWN_COLUMNS) + " |", "|---" * (len(SHOWN_COLUMNS) + 1) + "|"]
    for note, analysis in zip(shown, NoteAnalyzer.load().analyze_many(shown), strict=True):
        found = dict(zip(RESULT_COLUMNS, result_values(analysis), strict=True))
        found["把握度"] = f"{analysis.confidence:.0%}"
        cells = (str(found[name] or "").replace("\n", "<br>") for name in SHOWN_COLUMNS)
        lines.append(f"| {note} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def numbers_table(metadata: dict[str, Any], notes: list[Example], language: int) -> str:
    """Return the short table of metrics for a README; ``language`` is 0 for English, 1 for Chinese."""
    metrics = metadata["metrics"]
    counts = Counter(voice_of(example.author) for example in notes)
    counts["all"] = len(notes)
    names = (VOICES, VOICES_ZH)[language]
    heads = [f"{names[voice]} ({counts[voice]})" for voice in names if voice in metrics]
    lines = ["| " + " | ".join([("metric", "指标")[language], *heads]) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, labels in ROWS.items():
        cells = ("{:.2f} ({:.2f}–{:.2f})".format(*metrics[voice][name]) for voice in names if voice in metrics)
        lines.append("| " + " | ".join([labels[language], *cells]) + " |")
    return "\n".join(lines)


def counts_table(data: Path, examples: list[Example]) -> str:
    """Return the table of the corpus for the data card."""
    whole = [example for example in examples if not example.is_fragment]
    lines = [
        "| file | voice | notes | order / advance / continuation / no_sale | concerns | settled | median characters |",
        "|---|---|---|---|---|---|---|",
    ]
    for author in sorted({example.author for example in whole}):
        lines.append(_counts_row(author, voice_of(author), [one for one in whole if one.author == author]))
    lines.append(_counts_row("all notes", "", whole))
    fragments = Counter(example.author for example in examples if example.is_fragment)
    phrases = read_topic_phrases(data / "corpus")
    lists = read_lexicons(data / "lexicons")
    classes = {name for names in lists.values() for name in names}
    spans = sum(len(example.concerns or ()) for example in examples)
    more = "; ".join(f"{name} {count}" for name, count in sorted(fragments.items()))
    lines += [
        "",
        f"Fragments: {more}. Topic phrases: {len(phrases)}. Concern spans in notes and fragments: {spans}. "
        f"Word lists: {len(lists)} terms in {len(classes)} classes.",
    ]
    return "\n".join(lines)


def _counts_row(name: str, voice: str, examples: list[Example]) -> str:
    outcomes = Counter(example.outcome for example in examples)
    shares = " / ".join(str(outcomes[label]) for label in ("order", "advance", "continuation", "no_sale"))
    concerns = [concern for example in examples for concern in example.concerns or ()]
    settled = sum(concern.status.value == "addressed" for concern in concerns)
    length = int(statistics.median(len(example.note) for example in examples))
    return f"| {name} | {voice} | {len(examples)} | {shares} | {len(concerns)} | {settled} | {length} |"


def updated(text: str, marker: str, table: str) -> str:
    """Return ``text`` with what stands between the comments of ``marker`` replaced by ``table``.

    Raises:
        ValueError: the comments are not there.
    """
    pattern = rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)"
    if not re.search(pattern, text, flags=re.DOTALL):
        raise ValueError(
            f"the page holds no <!-- {marker} --> … <!-- /{marker} -->; put the two lines where the table belongs"
        )
    return re.sub(pattern, lambda match: f"{match[1]}{table}\n{match[2]}", text, flags=re.DOTALL)


def documents() -> dict[Path, str]:
    """Return what each document should hold."""
    metadata = json.loads((ROOT / "models" / "default" / "metadata.json").read_text(encoding="utf-8"))
    examples = read_corpus(ROOT / "data" / "corpus")
    notes = [example for example in examples if not example.is_fragment]
    rows = rows_table()
    parts = {
        "README.md": {"rows": rows, "numbers": numbers_table(metadata, notes, 0)},
        "README.zh-CN.md": {"rows": rows, "numbers": numbers_table(metadata, notes, 1)},
        "data/DATA_CARD.md": {"counts": counts_table(ROOT / "data", examples)},
    }
    out = {}
    for name, tables in parts.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        for marker, table in tables.items():
            text = updated(text, marker, table)
        out[ROOT / name] = text
    return out


def main() -> int:
    """Write every document."""
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
