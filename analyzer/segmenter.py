"""Tokens and clauses of many notes at once. The only module that knows jieba.

The default engine is rjieba (jieba's algorithm and dictionary in Rust, some fifteen times faster); jieba itself is
the reference and the fallback where rjieba is not installed. The two differ on runs of letters and digits, so the
engine is shown Han characters only: everything else is cut off first and split here, and both engines then give the
same tokens.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analyzer.normalize import Codes, code_points, normalize_codes

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

ENGINES = ("rjieba", "jieba")

# Han characters that jieba's dictionary and its hidden Markov model cover.
_NOT_HAN = re.compile(r"[^\u4e00-\u9fd5]+")
_OTHER_TOKEN = re.compile(r"[a-z]+|\d+(?:\.\d+)?|\n+| +|.")
# A full stop inside a number belongs to the number's token; what is left as a token of its own ends a clause.
CLAUSE_ENDS = frozenset(",;!?。…~|") | {":"}
_BREAKS = frozenset("\n")
_WORD_FREQUENCY = 30_000  # more than any two-word split of a domain word reaches in jieba's dictionary


@dataclass(frozen=True, slots=True)
class Segmented:
    """Tokens and clauses of a batch of notes, as flat arrays.

    Attributes:
        text: clean text of all notes, joined by line breaks; every offset below counts its characters.
        codes: code points of ``text``, shape (characters,).
        note_start: offset of each note, shape (notes + 1,); note ``i`` is ``text[note_start[i]:note_start[i+1]-1]``.
        tokens: the tokens in order, blank ones included.
        token_start: shape (tokens + 1,); token ``t`` is ``text[token_start[t]:token_start[t+1]]``.
        token_note: index of each token's note.
        token_clause: index of each token's clause.
        clause_token: first token of each clause, shape (clauses + 1,).
        clause_note: index of each clause's note.
    """

    text: str
    codes: Codes
    note_start: IntArray
    tokens: list[str]
    token_start: IntArray
    token_note: IntArray
    token_clause: IntArray
    clause_token: IntArray
    clause_note: IntArray

    @property
    def n_notes(self) -> int:
        """Number of notes."""
        return len(self.note_start) - 1


class Segmenter:
    """Cuts notes into tokens; holds a private tokenizer, so nothing global changes.

    Args:
        words: domain words to keep whole.
        engine: ``"rjieba"``, ``"jieba"`` or ``None`` for the fastest one installed.
    """

    def __init__(self, words: Iterable[str] = (), engine: str | None = None) -> None:
        if engine is None:
            engine = "rjieba" if importlib.util.find_spec("rjieba") else "jieba"
        if engine not in ENGINES:
            raise ValueError(f"engine is {engine!r}; expected one of {', '.join(ENGINES)}")
        self.engine = engine
        self.words = tuple(sorted(set(words)))
        self._cut = _rjieba_cut(self.words) if engine == "rjieba" else _jieba_cut(self.words)

    def __reduce__(self) -> tuple[type[Segmenter], tuple[tuple[str, ...], str]]:
        """Travel to another process as words and engine: rjieba's tokenizer cannot be pickled."""
        return Segmenter, (self.words, self.engine)

    def cut(self, note: str) -> list[str]:
        """Return the tokens of one note, as written in the note.

        >>> Segmenter().cut("客户下周一签5-8台的ＰＯ。")
        ['客户', '下周一', '签', '5', '-', '8', '台', '的', 'ＰＯ', '。']
        """
        found = self.segment([note])
        bounds = found.token_start.tolist()
        return [note[start:end] for start, end in itertools.pairwise(bounds) if start < len(note)]

    def segment(self, notes: Sequence[str]) -> Segmented:
        """Return tokens and clauses of ``notes``."""
        codes = normalize_codes(code_points("\n".join(notes) + "\n"))
        text = codes.tobytes().decode("utf-32-le")
        lengths = np.fromiter(map(len, notes), dtype=np.int64, count=len(notes))
        note_start = _offsets(lengths + 1)
        tokens = self._tokens(text, note_start[1:-1])
        token_start = _offsets(np.fromiter(map(len, tokens), dtype=np.int64, count=len(tokens)))
        token_note = np.searchsorted(note_start, token_start[:-1], side="right") - 1
        ends_clause = _clause_ends(tokens, codes, token_start)
        starts = np.ones(len(tokens), dtype=bool)
        starts[1:] = ends_clause[:-1] | (token_note[1:] != token_note[:-1])
        token_clause = np.cumsum(starts) - 1
        clause_token = np.append(np.flatnonzero(starts), len(tokens))
        return Segmented(
            text, codes, note_start, tokens, token_start, token_note, token_clause, clause_token,
            token_note[clause_token[:-1]],
        )  # fmt: skip

    def _tokens(self, text: str, cuts: IntArray) -> list[str]:
        """Cut the clean text of a batch, with one call to the engine.

        A run of line breaks is one token unless a note ends inside it (``cuts`` are the offsets at which notes
        start): those runs are split there, so that no token belongs to two notes.
        """
        others = iter(_NOT_HAN.findall(text))
        tokens: list[str] = []
        for token in self._cut(_NOT_HAN.sub("\n", text)):
            if token == "\n":
                tokens.extend(_other_tokens(next(others)))
            else:
                tokens.append(token)
        return _split_at(tokens, cuts)


@functools.lru_cache(maxsize=4096)
def _other_tokens(text: str) -> tuple[str, ...]:
    """Return the tokens of a stretch without Han characters; most are one of a few punctuation marks."""
    return tuple(_OTHER_TOKEN.findall(text))


def _split_at(tokens: list[str], cuts: IntArray) -> list[str]:
    """Split the tokens that lie across one of the offsets ``cuts``."""
    bounds = _offsets(np.fromiter(map(len, tokens), dtype=np.int64, count=len(tokens)))
    crossing = np.searchsorted(bounds, cuts, side="right") - 1
    inside = bounds[crossing] != cuts
    if not inside.any():
        return tokens
    out: list[str] = []
    done = 0
    for index, group in itertools.groupby(zip(crossing[inside], cuts[inside], strict=True), key=lambda at: at[0]):
        out.extend(tokens[done:index])
        start = int(bounds[index])
        points = [0, *(int(cut) - start for _, cut in group), len(tokens[index])]
        out.extend(tokens[index][a:b] for a, b in itertools.pairwise(points))
        done = index + 1
    out.extend(tokens[done:])
    return out


def _clause_ends(tokens: list[str], codes: Codes, token_start: IntArray) -> BoolArray:
    """Tell which tokens end a clause: punctuation, line breaks, and blanks between two Han characters."""
    first = codes[token_start[:-1]]
    ends = _END_CODES[np.minimum(first, len(_END_CODES) - 1)]
    blank = np.flatnonzero(first == ord(" "))
    blank = blank[(blank > 0) & (blank < len(tokens) - 1)]
    before, after = codes[token_start[blank] - 1], codes[token_start[blank + 1]]
    ends[blank] = (before >= 0x4E00) & (before < 0x9FD6) & (after >= 0x4E00) & (after < 0x9FD6)
    return ends


def _end_codes() -> BoolArray:
    table = np.zeros(0x10000, dtype=bool)
    for char in CLAUSE_ENDS | _BREAKS:
        table[ord(char)] = True
    return table


_END_CODES = _end_codes()


def _offsets(lengths: IntArray) -> IntArray:
    """Return 0 and the running sums of ``lengths``."""
    out = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=out[1:])
    return out


def _rjieba_cut(words: tuple[str, ...]) -> Callable[[str], list[str]]:
    import rjieba

    tokenizer = rjieba.Jieba()
    for word in words:
        tokenizer.add_word(word, _WORD_FREQUENCY, "n")
    cut: Callable[[str], list[str]] = tokenizer.cut
    return cut


def _jieba_cut(words: tuple[str, ...]) -> Callable[[str], list[str]]:
    import jieba

    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    for word in words:
        tokenizer.add_word(word, _WORD_FREQUENCY, "n")
    return functools.partial(tokenizer.lcut, HMM=True)
