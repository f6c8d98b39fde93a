"""The corpus and the shipped model, and a stand-in for it, so that files and columns are tested without a model."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from stub_analyzer import StubAnalyzer, fake_analysis, span_of

from analyzer import NoteAnalyzer, cli
from analyzer.candidates import Candidates
from analyzer.corpus import Example, read_corpus
from analyzer.lexicon import Lexicon, read_lexicons

__all__ = ["StubAnalyzer", "fake_analysis", "span_of"]

# The same examples in every run; no deadline, for the first call may load a dictionary.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")


@pytest.fixture
def stub() -> StubAnalyzer:
    return StubAnalyzer()


@pytest.fixture
def stub_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command finds the stub in the analyzer's place."""
    module = types.ModuleType("analyzer.note_analyzer")
    module.NoteAnalyzer = StubAnalyzer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "analyzer.note_analyzer", module)


def run(*arguments: object) -> int:
    """Run the command; return its exit status."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as error:
        return int(error.code or 0)


def candidates(*places: tuple[int, int, int]) -> Candidates:
    """Likely candidates at (note, start, end), with no margin either way."""
    note, start, end = np.array(places, dtype=np.int64).reshape(-1, 3).T
    return Candidates(note, start, end, np.ones(len(note), dtype=bool), np.zeros((len(note), 7)))


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
