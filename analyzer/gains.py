"""Before and after on the same notes: the difference with its interval, and whether chance alone would make it.

Intervals: paired bootstrap (Efron and Tibshirani 1993): notes are drawn with replacement, both models judged on the
same draw, 2.5 and 97.5 percentiles of the difference. Accuracies also get the exact sign test on the notes that only
one of the two got right (McNemar 1947).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.corpus import Example
from analyzer.evaluation import concern_counts
from analyzer.outcomes import OUTCOMES
from analyzer.records import NoteAnalysis, Outcome
from analyzer.segmenter import IntArray

_RESAMPLES = 2000
_CHANCE = 0.05

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Gain:
    """A metric before and after.

    Attributes:
        before: of the old model.
        after: of the new one.
        low: lower end of the 95% interval of the difference.
        high: upper end.
        count: notes, or concerns, that it was counted over.
        p_value: of the exact sign test; ``None`` where the metric is no share of notes.
    """

    before: float
    after: float
    low: float
    high: float
    count: int
    p_value: float | None = None

    @property
    def difference(self) -> float:
        """After minus before."""
        return self.after - self.before

    @property
    def beyond_chance(self) -> bool:
        """Whether chance alone would hardly make a difference of this size."""
        if self.p_value is not None:
            return self.p_value < _CHANCE
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        """Return ``0.880 → 0.905, +2.5 points (-0.4 to +5.4)``."""
        return (
            f"{self.before:.3f} → {self.after:.3f}, {100 * self.difference:+.1f} points "
            f"({100 * self.low:+.1f} to {100 * self.high:+.1f})"
        )


def outcome_gains(
    examples: Sequence[Example], before: Sequence[NoteAnalysis], after: Sequence[NoteAnalysis], seed: int = 0
) -> dict[str, Gain]:
    """Return accuracy and macro F1 of the outcome.

    Args:
        examples: notes with a labelled outcome.
        before: what the old model found in them.
        after: what the new model found.
        seed: of the resampling.
    """
    gold = np.array([OUTCOMES.index(Outcome(example.outcome)) for example in examples])
    old, new = _outcomes(before), _outcomes(after)
    right_old, right_new = gold == old, gold == new
    fixed, broken = int((right_new & ~right_old).sum()), int((right_old & ~right_new).sum())
    draws = _draws(len(examples), seed)
    return {
        "outcome_accuracy": _gain(
            lambda rows: float(right_old[rows].mean()),
            lambda rows: float(right_new[rows].mean()),
            draws,
            len(examples),
            p_value=sign_test(fixed, broken),
        ),
        "outcome_macro_f1": _gain(
            lambda rows: macro_f1(gold[rows], old[rows]),
            lambda rows: macro_f1(gold[rows], new[rows]),
            draws,
            len(examples),
        ),
    }


def concern_gains(
    examples: Sequence[Example], before: Sequence[NoteAnalysis], after: Sequence[NoteAnalysis], seed: int = 0
) -> dict[str, Gain]:
    """Return F1 of the concern spans, and accuracy of topic and status on the concerns found, where there are any.

    Args:
        examples: notes with labelled concerns.
        before: what the old model found in them.
        after: what the new model found.
        seed: of the resampling.
    """
    old, new = (
        np.array([concern_counts(example, one) for example, one in zip(examples, found, strict=True)], dtype=float)
        for found in (before, after)
    )
    draws = _draws(len(examples), seed)
    hits, found, gold, topics, statuses = range(5)

    def f1(counts: Any) -> Callable[[Rows], float]:
        return lambda rows: _ratio(2 * counts[rows, hits].sum(), counts[rows, found].sum() + counts[rows, gold].sum())

    def share(counts: Any, above: int) -> Callable[[Rows], float]:
        return lambda rows: _ratio(counts[rows, above].sum(), counts[rows, hits].sum())

    out = {"concern_f1": _gain(f1(old), f1(new), draws, int(old[:, gold].sum()))}
    for name, above in (("topic_accuracy", topics), ("status_accuracy", statuses)):
        out[name] = _gain(share(old, above), share(new, above), draws, int(new[:, hits].sum()))
    return {name: gain for name, gain in out.items() if gain.count and np.isfinite([gain.before, gain.after]).all()}


def sign_test(fixed: int, broken: int) -> float:
    """Return the probability of a split at least as uneven by chance (two-sided, exact).

    >>> sign_test(0, 0), sign_test(6, 0), round(sign_test(10, 2), 3)
    (1.0, 0.03125, 0.039)
    """
    from scipy.stats import binomtest

    n = fixed + broken
    return float(binomtest(fixed, n).pvalue) if n else 1.0


def macro_f1(gold: IntArray, found: IntArray) -> float:
    """Return the mean F1 over the outcomes that occur.

    >>> macro_f1(np.array([0, 0, 1]), np.array([0, 1, 1]))
    0.6666666666666666
    """
    values = []
    for label in range(len(OUTCOMES)):
        below = (gold == label).sum() + (found == label).sum()
        if below:
            values.append(2 * ((gold == label) & (found == label)).sum() / below)
    return float(np.mean(values)) if values else float("nan")


def wilson(right: int, n: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson 1927), which holds for few notes too.

    >>> tuple(round(end, 3) for end in wilson(8, 10))
    (0.49, 0.943)
    """
    if not n:
        return 0.0, 1.0
    z = 1.959964
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return middle - half, middle + half


def _outcomes(analyses: Sequence[NoteAnalysis]) -> IntArray:
    return np.array([OUTCOMES.index(one.outcome or Outcome.CONTINUATION) for one in analyses])


def _draws(n: int, seed: int) -> Rows:
    return np.random.default_rng(seed).integers(0, n, (_RESAMPLES, n))


def _gain(
    before: Callable[[Rows], float],
    after: Callable[[Rows], float],
    draws: Rows,
    count: int,
    *,
    p_value: float | None = None,
) -> Gain:
    every = np.arange(draws.shape[1])
    values = np.array([after(rows) - before(rows) for rows in draws])
    values = values[np.isfinite(values)]  # a draw may hold nothing to count
    low, high = np.percentile(values, [2.5, 97.5]) if len(values) else (float("nan"),) * 2
    return Gain(before(every), after(every), float(low), float(high), count, p_value)


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else float("nan")
