"""Stand-ins for the analyzer: quick, and broken in the ways that a run must survive. Workers import this module."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from analyzer.records import Action, Commitment, Concern, NoteAnalysis, Outcome, Span, Status, Topic

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
    def load(cls, path: object = None, *, topics: object = None, second_reader: bool = False) -> StubAnalyzer:
        return cls()

    def analyze_many(self, texts: Sequence[str]) -> list[NoteAnalysis]:
        self.calls += 1
        if any("崩溃" in text for text in texts):
            raise ZeroDivisionError("a note that breaks")
        return [fake_analysis(text) for text in texts]


class FaultyAnalyzer(StubAnalyzer):
    """Writes down every batch, takes its time, and ends its process where a note says 死.

    Args:
        log: Gets a line a batch: its first note.
        seconds: What a batch takes.
        only_once: A file that is made when the process is ended; it is not ended again once the file is there.
    """

    def __init__(self, log: str | None = None, seconds: float = 0.0, only_once: str | None = None) -> None:
        super().__init__()
        self.log, self.seconds, self.only_once = log, seconds, only_once

    def analyze_many(self, texts: Sequence[str]) -> list[NoteAnalysis]:
        time.sleep(self.seconds)
        if any("死" in text for text in texts) and not (self.only_once and Path(self.only_once).exists()):
            if self.only_once:
                Path(self.only_once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        found = super().analyze_many(texts)
        if self.log and texts:
            with open(self.log, "a", encoding="utf-8") as file:  # noqa: PTH123
                file.write(f"{texts[0]}\n")
        return found


def load_nothing() -> StubAnalyzer:
    os._exit(7)
