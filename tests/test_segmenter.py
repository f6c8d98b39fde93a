"""Tokens keep every character in its place, and both engines give the same ones."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.corpus import Example
from analyzer.normalize import normalize
from analyzer.segmenter import CLAUSE_ENDS, ENGINES, Segmented, Segmenter

ANY_TEXT = st.text(st.characters())
PIECES = st.sampled_from(
    [
        "客户",
        "下周一",
        "签合同",
        "价格太贵",
        "同意试用",
        "张总说",
        "的",
        "了",
        "不",
        "2024-11-06",
        "5-8台",
        "3.5万",
        "a@b.com",
        "ＰＯ",
        "v2.0",
        "“好”",
        "😀",
        "𠮷野家",
        "�",
        "\r\n",
        "\n\n",
        "，",
        "。",
        "；",
        "…",
        "、",
        "～",
        "(",
        ")",
        ":",
        "09:30",
        "ABC公司",
        "龘",
        "鿕",
        "鿖",
        "〇",
        "々",
        "㌔",
        "é",
        "\u3000",
    ]
)
MIXED_TEXT = st.one_of(ANY_TEXT, st.lists(st.one_of(PIECES, st.just(" ")), max_size=30).map("".join))


@pytest.fixture(scope="module")
def segmenters() -> dict[str, Segmenter]:
    return {engine: Segmenter(engine=engine) for engine in ENGINES}


def check_layout(found: Segmented, notes: list[str]) -> None:
    """Check everything that ``Segmented`` promises."""
    starts = found.token_start
    assert found.n_notes == len(notes)
    assert "".join(found.tokens) == found.text == normalize("".join(note + "\n" for note in notes))
    assert found.codes.tolist() == [ord(char) for char in found.text]
    assert "" not in found.tokens
    assert starts.tolist() == [0, *itertools.accumulate(map(len, found.tokens))]
    for index, note in enumerate(notes):
        begin, end = found.note_start[index], found.note_start[index + 1]
        assert found.text[begin : end - 1] == normalize(note)
        own = np.flatnonzero(found.token_note == index)
        assert starts[own[0]] == begin, "a token begins where the note begins"
        assert starts[own[-1] + 1] == end, "and none reaches into the next note"
        assert (np.diff(own) == 1).all()
    clauses = np.diff(found.clause_token)
    assert (clauses > 0).all()
    assert found.clause_token[-1] == len(found.tokens)
    assert np.repeat(np.arange(len(clauses)), clauses).tolist() == found.token_clause.tolist()
    assert found.clause_note[found.token_clause].tolist() == found.token_note.tolist()


@settings(max_examples=60)
@given(st.lists(MIXED_TEXT, min_size=1, max_size=6))
def test_tokens_join_to_the_clean_text_in_both_engines(segmenters: dict[str, Segmenter], notes: list[str]) -> None:
    default, reference = (segmenters[engine].segment(notes) for engine in ENGINES)
    check_layout(default, notes)
    assert default.tokens == reference.tokens
    assert default.clause_token.tolist() == reference.clause_token.tolist()


@settings(max_examples=60)
@given(MIXED_TEXT)
def test_cut_gives_the_note_as_written(segmenters: dict[str, Segmenter], note: str) -> None:
    tokens = segmenters["rjieba"].cut(note)
    assert "".join(tokens) == note
    assert tokens == segmenters["jieba"].cut(note)


def test_engines_agree_over_the_whole_corpus(segmenters: dict[str, Segmenter], corpus: list[Example]) -> None:
    notes = [example.note for example in corpus]
    default, reference = (segmenters[engine].segment(notes) for engine in ENGINES)
    assert len(notes) > 10_000
    assert default.tokens == reference.tokens
    check_layout(default, notes)


def test_one_note_is_cut_as_among_others(segmenters: dict[str, Segmenter], corpus: list[Example]) -> None:
    notes = ["\n", "", "\n\n客户\n", *(example.note for example in corpus[::40]), "", "\r\n"]
    found = segmenters["rjieba"].segment(notes)
    for index, note in enumerate(notes):
        own = np.flatnonzero(found.token_note == index)
        tokens = found.tokens[own[0] : own[-1] + 1]
        alone = segmenters["rjieba"].segment([note])
        assert tokens == alone.tokens
        clauses = found.token_clause[own] - found.token_clause[own[0]]
        assert clauses.tolist() == alone.token_clause.tolist()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("note", "tokens"),
    [
        ("2024-11-06签5-8台", ["2024", "-", "11", "-", "06", "签", "5", "-", "8", "台"]),
        ("报价3.5万", ["报价", "3.5", "万"]),
        ("zhang@abc.com", ["zhang", "@", "abc", ".", "com"]),
        ("ＰＯ单", ["ＰＯ", "单"]),
        ("不满意，没预算", ["不", "满意", "，", "没", "预算"]),
        ("客戶說價格貴", ["客戶", "說", "價格", "貴"]),
        ("好  的\r\n\n走", ["好", "  ", "的", "\r", "\n\n", "走"]),
        ("", []),
    ],
)
def test_examples(segmenters: dict[str, Segmenter], engine: str, note: str, tokens: list[str]) -> None:
    assert segmenters[engine].cut(note) == tokens


def test_clauses_end_at_punctuation_line_breaks_and_blanks_between_han(segmenters: dict[str, Segmenter]) -> None:
    note = "客户同意，价格3.5万。下周 签约：po 12\n电话09:30~10:00|完"
    found = segmenters["rjieba"].segment([note])
    clauses = ["".join(found.tokens[a:b]) for a, b in itertools.pairwise(found.clause_token.tolist())]
    assert clauses == ["客户同意,", "价格3.5万。", "下周 ", "签约:", "po 12\n", "电话09:", "30~", "10:", "00|", "完\n"]
    assert all(clause[-1] in CLAUSE_ENDS | set("\n ") for clause in clauses)


def test_unknown_engine_is_named() -> None:
    with pytest.raises(ValueError, match=r"'thulac'.*rjieba, jieba"):
        Segmenter(engine="thulac")


@pytest.mark.parametrize("engine", ENGINES)
def test_domain_words_stay_whole_and_private(engine: str) -> None:
    import jieba

    words = ["影像归档盘", "客户他婶", "量子阱片机"]
    text = "，".join(words)
    plain = Segmenter(engine=engine)
    before = plain.cut(text)
    before_global = jieba.dt.lcut(text)
    own = Segmenter(words, engine=engine)
    assert [token for token in own.cut(text) if token != "，"] == words
    assert not set(words) & set(before)
    assert plain.cut(text) == before, "an older segmenter has not learnt them"
    assert Segmenter(engine=engine).cut(text) == before, "nor does a new one"
    assert Segmenter(["别的词语"], engine=engine).cut(text) == before
    assert jieba.dt.lcut(text) == before_global, "nor jieba's own tokenizer"


def test_without_rjieba_jieba_is_the_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert Segmenter().engine == "jieba"
    assert Segmenter().cut("客户同意试用") == ["客户", "同意", "试用"]


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[1]
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip


def test_importing_the_package_loads_nothing_heavy_and_prints_nothing() -> None:
    code = (
        "import locale, logging, os, sys\n"
        "def state():\n    logs = logging.root.level, list(logging.root.handlers)\n"
        "    return *logs, locale.setlocale(locale.LC_ALL), dict(os.environ)\n"
        "before = state()\n"
        "import analyzer\n"
        "assert before == state()\n"
        "heavy = {'jieba', 'rjieba', 'sklearn', 'pandas', 'pyarrow', 'xlsxwriter'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = run_python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("engine", ENGINES)
def test_segmenting_prints_nothing_and_leaves_the_global_tokenizer_alone(engine: str) -> None:
    code = (
        "from analyzer.segmenter import Segmenter\n"
        f"Segmenter(['影像归档盘'], engine={engine!r}).cut('影像归档盘')\n"
        "import jieba; assert not jieba.dt.initialized and not jieba.dt.user_word_tag_tab"
    )
    done = run_python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
