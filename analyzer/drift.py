"""Whether an export looks like the notes that a model was made for: counts over a run, and a warning.

Two signs, neither of which needs a label: the share of words that the model does not know, and the share of notes that
it is unsure of. Thresholds stand with the numbers behind them in docs/own_notes.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.features import Reader

MIN_NOTES = 50
"""Fewer notes say too little."""
UNSEEN_ABOVE = 0.14
UNSURE_ABOVE = 0.40
_SAMPLE = 100  # notes of a chunk whose words are counted: cutting words twice would slow scoring down


@dataclass(frozen=True, slots=True)
class DriftCounts:
    """Counts of a run.

    Attributes:
        notes: notes with text.
        unsure: those marked for review.
        words: words of Han characters in a sample of them.
        unseen: those of them that the model's vocabulary lacks.
    """

    notes: int
    unsure: int
    words: int
    unseen: int

    @property
    def unseen_share(self) -> float:
        """Share of words that the model does not know."""
        return self.unseen / self.words if self.words else 0.0

    @property
    def unsure_share(self) -> float:
        """Share of notes that are marked for review."""
        return self.unsure / self.notes if self.notes else 0.0


def sample_words(analyzer: object, texts: Sequence[str]) -> tuple[int, int]:
    """Return how many words a sample of the texts of a chunk has, and how many of them the model does not know.

    Args:
        analyzer: a ``NoteAnalyzer``; of anything else nothing is known, and nothing is counted.
        texts: the notes of a chunk.
    """
    reader = getattr(getattr(analyzer, "model", None), "reader", None)
    if not isinstance(reader, Reader):
        return 0, 0
    return unseen_words(reader, texts[:: max(1, len(texts) // _SAMPLE)])


def unseen_words(reader: Reader, texts: Sequence[str]) -> tuple[int, int]:
    """Return how many words of Han characters the texts have, and how many of them the model does not know."""
    batch = reader.read(texts)
    first = batch.codes[batch.found.token_start[:-1]]
    han = (first >= 0x4E00) & (first <= 0x9FFF)
    return int(np.count_nonzero(han)), int(np.count_nonzero(han & (batch.words == 0)))


def drift_warning(counts: DriftCounts) -> str | None:
    """Return a warning where the notes look unlike those that the model was made for, else ``None``.

    >>> drift_warning(DriftCounts(notes=100, unsure=20, words=1000, unseen=20)) is None
    True
    >>> drift_warning(DriftCounts(notes=100, unsure=20, words=1000, unseen=300))[:91]
    'these notes look unlike those that the model learnt from: it does not know 30% of the words'
    """
    signs = []
    if counts.notes < MIN_NOTES:
        return None
    if counts.unseen_share > UNSEEN_ABOVE:
        signs.append(f"it does not know {counts.unseen_share:.0%} of the words (up to {UNSEEN_ABOVE:.0%} are usual)")
    if counts.unsure_share > UNSURE_ABOVE:
        signs.append(f"it is unsure of {counts.unsure_share:.0%} of the notes (up to {UNSURE_ABOVE:.0%} are usual)")
    if not signs:
        return None
    return (
        f"these notes look unlike those that the model learnt from: {' and '.join(signs)}; check a sample before you "
        "rely on the counts, and teach the model your notes: visit-notes review, then visit-notes train"
    )
