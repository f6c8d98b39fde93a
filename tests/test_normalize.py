"""The clean text has the length of the note, character for character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.normalize import code_points, normalize

# Surrogates and the astral planes included; for 薴 see below.
ANY_TEXT = st.text(st.characters(exclude_characters="薴"))


@given(ANY_TEXT)
def test_keeps_the_length_and_is_idempotent(text: str) -> None:
    clean = normalize(text)
    assert len(clean) == len(text)
    assert normalize(clean) == clean


@given(ANY_TEXT, ANY_TEXT)
def test_each_character_is_replaced_on_its_own(left: str, right: str) -> None:
    assert normalize(left + right) == normalize(left) + normalize(right)


def test_every_code_point_gives_one_encodable_character_and_all_but_one_stay() -> None:
    everything = "".join(map(chr, range(0x110000)))
    clean = normalize(everything)
    assert len(clean) == len(everything)
    again = normalize(clean)
    # 苧 is both the simplified form of 薴 and the traditional form of 苎.
    assert {char for char, once, twice in zip(everything, clean, again, strict=True) if once != twice} == {"薴"}
    assert clean.encode("utf-8").decode("utf-8") == clean


def test_code_points_are_those_of_the_characters() -> None:
    text = "a\r\n客\ud800\U0001f600"
    assert code_points(text).tolist() == [ord(char) for char in text]
    assert code_points("").tolist() == []


@pytest.mark.parametrize(
    ("note", "clean"),
    [
        ("", ""),
        ("客戶說價格貴", "客户说价格贵"),
        ("週三簽約，臺灣廠", "周三签约,台湾厂"),
        ("ＡＢｃ１２３％（）", "abc123%()"),
        ("PO #88 OK", "po #88 ok"),
        ("“同意”‘行’「好」", '"同意""行""好"'),
        ("a\u3000b\u00a0c\ufeffd\u200be", "a b c d e"),
        ("a\r\nb\tc\x00d\x7fe\x85f", "a \nb c d e f"),
        ("\ud83d坏\udc00", "\ufffd坏\ufffd"),
        ("好😀𠮷", "好😀𠮷"),
        ("é ß ё", "é ß ё"),
        ("。、…～", "。、…~"),
    ],
)
def test_examples(note: str, clean: str) -> None:
    assert normalize(note) == clean


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF)))
def test_han_stays_han(text: str) -> None:
    assert all("\u3400" <= char <= "\u9fff" for char in normalize(text))
