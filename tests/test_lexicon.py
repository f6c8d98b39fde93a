"""Word classes: the hash table finds what a plain search finds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.corpus import Example
from analyzer.errors import LexiconError
from analyzer.lexicon import MAX_CLASSES, MAX_TERM_LENGTH, Lexicon, read_lexicons
from analyzer.segmenter import Segmented, Segmenter

SEGMENTER = Segmenter()


def classes_of(lexicon: Lexicon, note: str) -> list[tuple[str, set[str]]]:
    """Return each token of ``note`` that has classes, with them."""
    found = SEGMENTER.segment([note])
    return [(token, names) for token, names in zip(found.tokens, named(lexicon, found), strict=True) if names]


def named(lexicon: Lexicon, found: Segmented) -> list[set[str]]:
    bits = lexicon.token_classes(found).tolist()
    return [{name for bit, name in enumerate(lexicon.classes) if value >> bit & 1} for value in bits]


def plain_search(lexicon: Lexicon, found: Segmented) -> list[set[str]]:
    """Do what ``token_classes`` promises, one place and one term at a time.

    Longer terms first; a term counts unless its first and its last character lie in longer ones.
    """
    bounds = set(found.token_start.tolist())
    token_of = [token for token, text in enumerate(found.tokens) for _ in text]
    out: list[set[str]] = [set() for _ in found.tokens]
    covered: set[int] = set()
    for length in sorted({len(term) for term in lexicon.terms}, reverse=True):
        hits = []
        for start in range(len(found.text) - length + 1):
            end = start + length
            classes = lexicon.terms.get(found.text[start:end])
            cut_off = length < 3 and not {start, end} <= bounds
            if classes and not cut_off and not {start, end - 1} <= covered:
                hits.append((start, end, classes))
        for start, end, classes in hits:
            covered.update(range(start, end))
            for place in range(start, end):
                out[token_of[place]].update(classes)
    return out


def test_the_longest_term_counts() -> None:
    lexicon = Lexicon({"满意": ["praise"], "不满意": ["refuse"], "非常不满意": ["anger"]})
    assert classes_of(lexicon, "客户满意") == [("满意", {"praise"})]
    assert {name for _, names in classes_of(lexicon, "客户不满意") for name in names} == {"refuse"}
    assert {name for _, names in classes_of(lexicon, "客户非常不满意") for name in names} == {"anger"}


def test_short_terms_must_be_whole_tokens_and_longer_ones_need_not() -> None:
    lexicon = Lexicon({"到": ["arrive"], "意试": ["odd"], "意试用": ["long"]})
    assert SEGMENTER.cut("感到同意试用到了") == ["感到", "同意", "试用", "到", "了"]
    assert classes_of(lexicon, "感到同意试用到了") == [("同意", {"long"}), ("试用", {"long"}), ("到", {"arrive"})]


def test_terms_are_compared_in_their_clean_form() -> None:
    lexicon = Lexicon({"簽約": ["sign"], "ＰＯ单号": ["order"], "签约": ["done"]})
    assert lexicon.terms == {"po单号": ("order",), "签约": ("done", "sign")}
    assert classes_of(lexicon, "下週簽約") == [("签约", {"done", "sign"})]
    assert {name for _, names in classes_of(lexicon, "PO單號已出") for name in names} == {"order"}


def test_a_term_does_not_reach_over_two_notes() -> None:
    lexicon = Lexicon({"同意试用": ["trial"]})
    found = SEGMENTER.segment(["客户同意", "试用", "同意试用"])
    assert [token for token, names in zip(found.tokens, named(lexicon, found), strict=True) if names] == [
        "同意",
        "试用",
    ]


def test_order_of_terms_and_classes_does_not_matter() -> None:
    terms = {"价格": ["b", "a"], "工期": ["c"], "签约": ["a"]}
    backwards = {term: classes[::-1] for term, classes in reversed(terms.items())}
    one, other = Lexicon(terms), Lexicon(backwards)
    assert (one.terms, one.classes) == (other.terms, other.classes)
    found = SEGMENTER.segment(["价格和工期谈好就签约"])
    assert one.token_classes(found).tolist() == other.token_classes(found).tolist()


SHORT_TEXT = st.text("同意试用价格不满甲a1，。\n", max_size=40)
TERMS = st.dictionaries(
    st.text("同意试用价格不满甲a1", min_size=1, max_size=MAX_TERM_LENGTH),
    st.sets(st.sampled_from("ABCDE"), min_size=1),
    max_size=12,
)


@settings(max_examples=300)
@given(TERMS, st.lists(SHORT_TEXT, min_size=1, max_size=3))
def test_equals_a_plain_search_on_random_texts(terms: Mapping[str, set[str]], notes: list[str]) -> None:
    lexicon = Lexicon(terms)
    found = SEGMENTER.segment(notes)
    assert named(lexicon, found) == plain_search(lexicon, found)


def test_equals_a_plain_search_on_the_shipped_lists(shipped_lexicon: Lexicon, corpus: list[Example]) -> None:
    found = SEGMENTER.segment([example.note for example in corpus[::60]])
    expected = plain_search(shipped_lexicon, found)
    assert named(shipped_lexicon, found) == expected
    assert sum(map(bool, expected)) > len(expected) / 4, "the lists say something about real notes"


def test_all_classes_have_a_bit_of_their_own() -> None:
    words = ["签约", "付款", "演示", "试用", "价格", "工期", "竞品", "预算"]
    terms = {words[number % 8] + "零一二三四五六七"[number // 8]: [f"c{number:02}"] for number in range(MAX_CLASSES)}
    lexicon = Lexicon(terms)
    assert len(lexicon.classes) == MAX_CLASSES
    for term, classes in terms.items():
        assert {name for _, names in classes_of(lexicon, term) for name in names} == set(classes)


def test_too_many_classes_are_an_error() -> None:
    with pytest.raises(LexiconError, match="65 word classes"):
        Lexicon({f"甲乙{chr(0x4E00 + number)}": [str(number)] for number in range(MAX_CLASSES + 1)})


@pytest.mark.parametrize("term", ["", "一二三四五六七八九"])
def test_terms_of_a_wrong_length_are_an_error(term: str) -> None:
    with pytest.raises(LexiconError, match=f"{len(term)} characters"):
        Lexicon({term: ["a"]})


def test_too_many_terms_are_an_error_rather_than_an_endless_search() -> None:
    terms = (f"{high:06}{low:02}" for high in range(2700) for low in range(100))
    with pytest.raises(LexiconError, match="270000 terms"):
        Lexicon(dict.fromkeys(terms, ("a",)))


def test_reads_one_term_a_line(tmp_path: Path) -> None:
    (tmp_path / "sign.txt").write_text("# 注释\n\n签约\n  盖章 \n", encoding="utf-8")
    (tmp_path / "done.txt").write_text("签约\r\n", encoding="utf-8")
    (tmp_path / "notes.md").write_text("不是词表", encoding="utf-8")
    assert read_lexicons(tmp_path) == {"签约": ("done", "sign"), "盖章": ("sign",)}


def test_a_line_too_long_is_named(tmp_path: Path) -> None:
    (tmp_path / "sign.txt").write_text("签约\n一二三四五六七八九\n", encoding="utf-8")
    with pytest.raises(LexiconError, match=r"sign\.txt, line 2: .*9 characters.*at most 8"):
        read_lexicons(tmp_path)


def test_a_list_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "sign.txt").write_bytes("客户价格\n".encode("gbk"))
    with pytest.raises(LexiconError, match=r"sign\.txt.*UTF-8"):
        read_lexicons(tmp_path)


def test_a_folder_without_lists_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match="no word list"):
        read_lexicons(tmp_path)


def test_the_shipped_lists_load(shipped_lexicon: Lexicon) -> None:
    files = sorted(path.stem for path in (ROOT / "data" / "lexicons").glob("*.txt"))
    assert list(shipped_lexicon.classes) == files, "every file holds a term"
    assert len(shipped_lexicon.terms) > 10_000
    assert max(map(len, shipped_lexicon.terms)) <= MAX_TERM_LENGTH
