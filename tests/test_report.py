"""The report as a file: what it holds, that it needs nothing from outside, that notes stay text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, StubAnalyzer
from hypothesis import given
from hypothesis import strategies as st

from analyzer.display import safe_text
from analyzer.history import History, read_history
from analyzer.milestones import load_plan
from analyzer.opportunities import DriftKind, Stage
from analyzer.progress import track
from analyzer.records import Outcome, Topic
from analyzer.report import report_data, report_html
from analyzer.web import TEMPLATES, labels

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EVIL = [
    "<script>alert('价格')</script>，客户同意",
    "价格</script><script>alert(1)</script>",
    "</style><style>*{display:none}</style>价格",
    "<!-- 价格 --><img src=x onerror=alert(1)>",
    "&lt;b&gt;价格&amp;&#60;script&#62;",
    "价格\u202eeb ot\u202c，同意\u200f\u2067",
    "价格\u2028换行\u2029，工期到月底\u0000\u0007",
    "{{ 7*7 }}{% raw %}价格",
    "😀价格高😀，工期要到月底",
    "javascript:alert(1) \"'><svg/onload=alert(1)> 价格",
]


def make_history(notes: list[str], tmp_path: Path, customer: str = "海川") -> History:
    source = tmp_path / "a.jsonl"
    rows = [
        {"跟进记录": note, "客户名称": customer, "业务员": EVIL[0], "拜访日期": f"2026-09-{1 + n % 28:02d}"}
        for n, note in enumerate(notes)
    ]
    source.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return read_history(source, StubAnalyzer(), note_column="跟进记录")


def page_of(history: History, language: str = "zh") -> str:
    return report_html(history, track(history.visits, load_plan()), language)


def data_of(page: str) -> Any:
    match = re.search(r'<script type="application/json" id="data"( data-packed="zlib")?>([^<]*)</script>', page)
    assert match
    text = zlib.decompress(base64.b64decode(match[2])).decode() if match[1] else match[2]
    return json.loads(text)


def test_notes_cannot_break_out(tmp_path: Path) -> None:
    page = page_of(make_history(EVIL, tmp_path, customer=EVIL[1]))
    assert page.count("<script") == page.count("</script>") == 2
    assert page.count("<style") == page.count("</style>") == 1
    assert "<img" not in page
    assert "<!--" not in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u2028\u2029\u0000\u0007]", page)
    assert [visit[8] for visit in data_of(page)["visits"]] == [safe_text(note) for note in EVIL]


def test_nothing_comes_from_outside(tmp_path: Path) -> None:
    for language in ("zh", "en"):
        page = page_of(make_history(["客户同意看演示，价格高"], tmp_path), language)
        assert not re.search(r"https?:|//[a-z]|@import|url\(|src=|<link|fetch\(|XMLHttpRequest|WebSocket", page)
        assert "default-src 'none'" in page


def test_only_the_script_of_the_report_may_run(tmp_path: Path) -> None:
    page = page_of(make_history(["价格"], tmp_path))
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    for risky in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert risky not in scripts[0]


def test_the_same_input_gives_the_same_page(tmp_path: Path) -> None:
    history = make_history(EVIL, tmp_path)
    assert page_of(history) == page_of(history)


def test_data_points_into_the_notes(tmp_path: Path) -> None:
    notes = ["😀客户同意看演示，价格高", "工期要到月底，价格高", "不需要"]
    history = make_history(notes, tmp_path)
    data = report_data(history, track(history.visits, load_plan()))
    visits = data["visits"]
    assert [visits[0][8][start:end] for start, end in visits[0][9]] == ["同意"]
    assert [visits[1][8][one[0] : one[1]] for one in visits[1][10]] == ["价格", "工期"]
    answered = visits[1][10][1]
    assert visits[1][8][answered[3] : answered[4]] == "月底"
    (one,) = data["opportunities"]
    assert one["visits"] == [0, 1, 2]
    assert data["stages"][one["stage"]] == "lost"
    assert [[point[2], point[3]] for point in one["points"]] == [[1, [1, 7, 9]], [0, [1, 0, 2]]]


def test_a_large_report_is_packed(tmp_path: Path) -> None:
    notes = [
        f"第{n}次拜访，客户同意看演示，价格高，工期要到月底，采购和技术都在，聊了备件、账期和培训" for n in range(9000)
    ]
    source = tmp_path / "b.csv"
    rows = [f"{note.replace('，', '；')},客户{n % 1500}" for n, note in enumerate(notes)]
    source.write_text("跟进记录,客户名称\n" + "\n".join(rows), encoding="utf-8")
    history = read_history(source, StubAnalyzer())
    page = page_of(history)
    assert 'data-packed="zlib"' in page
    assert len(page.encode()) < 3_000_000
    data = data_of(page)
    assert len(data["visits"]) == 9000
    assert len(data["opportunities"]) == 1500


def test_an_export_without_a_single_good_row(tmp_path: Path) -> None:
    history = make_history(["", "   "], tmp_path, customer="")
    data = data_of(page_of(history))
    assert data["opportunities"] == []
    assert len(data["problems"]) == 2


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_text_is_there(language: str) -> None:
    words = labels(language)
    keys = {f"outcome_{one.value}" for one in Outcome} | {f"stage_{one.value}" for one in Stage}
    keys |= {f"topic_{one.value}" for one in Topic} | {f"group_{one.group}" for one in Topic}
    keys |= {f"drift_{one.value}" for one in DriftKind}
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    keys |= set(re.findall(r"\bwords\.([a-z_]+)", script)) | set(re.findall(r'\bsay\("([a-z_]+)"', script))
    keys |= set(re.findall(r"\bwords\.([a-z_]+)", (TEMPLATES / "report.html").read_text(encoding="utf-8"))) - {"lang"}
    assert keys <= set(words)
    assert all(isinstance(text, str) and text for text in words.values())


def test_labels_have_no_text_that_nothing_uses() -> None:
    sources = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.js", "report.html"))
    table = tomllib.loads((TEMPLATES / "labels.toml").read_text(encoding="utf-8"))
    made = ("outcome_", "stage_", "topic_", "group_", "drift_", "legend_", "nav_", "milestone_")
    unused = [key for key in table if not key.startswith(made) and not re.search(rf'[."]{key}\b', sources)]
    assert unused == []


def test_labels_are_those_of_the_records() -> None:
    words = labels("zh")
    for kind, prefix in ((Outcome, "outcome_"), (Topic, "topic_"), (Stage, "stage_")):
        for one in kind:
            assert words[f"{prefix}{one.value}"] == one.label


@given(st.text())
def test_shown_text_keeps_its_length(text: str) -> None:
    shown = safe_text(text)
    assert len(shown) == len(text)
    assert not re.search("[\ud800-\udfff\u202a-\u202e\u2066-\u2069\x00-\x08\x1b]", shown)
    shown.encode()


def test_templates_ship_with_the_package() -> None:
    import analyzer

    assert TEMPLATES.parent == Path(analyzer.__file__).parent
    assert {path.name for path in TEMPLATES.iterdir()} == {
        "report.html", "report.css", "report.js", "checklist.html", "labels.toml",
    }  # fmt: skip
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = config["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included["data/milestones"] == "analyzer/_data/milestones"
