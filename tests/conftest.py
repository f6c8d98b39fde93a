"""The corpus and the shipped model, and a stand-in for it, so that files and columns are tested without a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from analyzer import NoteAnalyzer
from analyzer.corpus import Example, read_corpus
from analyzer.lexicon import Lexicon, read_lexicons
from analyzer.records import Action, Commitment, Concern, NoteAnalysis, Outcome, Span, Status, Topic

# The same examples in every run; no deadline, for the first call may load a dictionary.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

_KEYWORDS = ((Outcome.ORDER, "签约"), (Outcome.NO_SALE, "不需要"), (Outcome.ADVANCE, "同意"))


def span_of(note: str, text: str) -> Span:
    start = note.index(text)
    return Span(start, start + len(text), text)


def fake_analysis(note: str) -> NoteAnalysis:
    """Judge a note by keywords: 签约, 不需要, 同意; 价格 is an open concern, 工期 an answered one."""
    if not note.strip():
        return NoteAnalysis(None, dict.fromkeys((o.value for o in Outcome), 0.25), False)
    outcome, word = next(((o, w) for o, w in _KEYWORDS if w in note), (Outcome.CONTINUATION, ""))
    probabilities = {o.value: 0.7 if o is outcome else 0.1 for o in Outcome}
    concerns = []
    if "价格" in note:
        concerns.append(Concern(span_of(note, "价格"), Topic.PRICE, 0.9, True, Status.OPEN))
    if "工期" in note:
        answer = span_of(note, "月底") if "月底" in note else None
        concerns.append(Concern(span_of(note, "工期"), Topic.DELIVERY, 0.4, False, Status.ADDRESSED, answer))
    commitment = Commitment(span_of(note, "同意"), Action.DEMO) if "同意" in note else None
    return NoteAnalysis(
        outcome,
        probabilities,
        outcome is Outcome.CONTINUATION,
        (span_of(note, word or note[:4]),),
        tuple(concerns),
        commitment,
    )


class StubAnalyzer:
    """Fails on every batch with a note that says 崩溃."""

    def __init__(self) -> None:
        self.calls = 0

    @classmethod
    def load(cls, path: object = None, *, topics: object = None) -> StubAnalyzer:
        return cls()

    def analyze_many(self, texts: Sequence[str]) -> list[NoteAnalysis]:
        self.calls += 1
        if any("崩溃" in text for text in texts):
            raise ZeroDivisionError("a note that breaks")
        return [fake_analysis(text) for text in texts]


@pytest.fixture
def stub() -> StubAnalyzer:
    return StubAnalyzer()


ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def corpus() -> list[Example]:
    """All annotated notes and fragments."""
    return read_corpus(ROOT / "data" / "corpus")


@pytest.fixture(scope="session")
def shipped() -> NoteAnalyzer:
    """The analyzer with the shipped model."""
    return NoteAnalyzer.load()


@pytest.fixture(scope="session")
def shipped_lexicon() -> Lexicon:
    """The shipped word lists."""
    return Lexicon(read_lexicons(ROOT / "data" / "lexicons"))
