"""Measure speed in one run on this machine: the whole analysis against jieba's cut alone, and where the time goes.

Ratios matter, not the figures: both are taken over the same notes in the same process, the best of several rounds.
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jieba

from analyzer import NoteAnalyzer
from analyzer.corpus import read_corpus
from analyzer.features import clause_events, token_features

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=int, default=4000, help="number of notes of the corpus")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each measurement; the fastest counts")
    options = parser.parse_args()
    notes = [example.note for example in read_corpus(ROOT / "data" / "corpus") if not example.is_fragment]
    notes = notes[:: max(1, len(notes) // options.notes)]
    characters = sum(map(len, notes)) / len(notes)

    started = time.perf_counter()
    analyzer = NoteAnalyzer.load()
    analyzer.analyze("预热")
    print(f"load: {time.perf_counter() - started:.2f} s", file=sys.stderr)
    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    reader = analyzer.model.reader
    batch = reader.read(notes)

    def rate(work: Callable[[], object]) -> float:
        best = min(_seconds(work) for _ in range(options.rounds))
        return len(notes) / best

    cut = rate(lambda: [jieba.lcut(note) for note in notes])
    whole = rate(lambda: analyzer.analyze_many(notes))
    print(f"{len(notes)} notes, {characters:.0f} characters each")
    print(f"jieba.lcut          {cut:8.0f} notes/s")
    print(f"analyze_many        {whole:8.0f} notes/s   {whole / cut:.2f} times jieba.lcut")
    for name, work in (
        ("segment", lambda: reader.segmenter.segment(notes)),
        ("read (segment, vocabulary, word classes)", lambda: reader.read(notes)),
        ("clause features", lambda: clause_events(batch).matrix(len(batch.found.clause_note))),
        ("token features", lambda: token_features(batch)),
        ("outcome", lambda: analyzer.model.outcome.predict(batch)),
    ):
        print(f"  {name:42s} {1e6 / rate(work):6.0f} µs a note")
    return 0


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
