"""Word lists with classes, and where their terms stand in a batch of notes.

A word list is a text file ``CLASS.txt``: one term a line, ``#`` starts a comment line. Classes carry what is known
of a trade over to words that were never seen in training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from analyzer.errors import LexiconError
from analyzer.normalize import code_points, normalize
from analyzer.segmenter import Segmented

ClassBits = npt.NDArray[np.uint64]

MAX_CLASSES = 64  # a token's classes are the bits of one number
MAX_TERM_LENGTH = 8
_FREE_LENGTH = 3  # terms of this length count wherever they stand; shorter ones must start and end with a token
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SLOT_BITS = 18
_SLOT_SHIFT = np.uint64(64 - _SLOT_BITS)
_MAX_TERMS = 1 << (_SLOT_BITS - 1)  # half of the slots: a fuller table is slow to search, a full one endless


def _normalized(terms: Iterable[str]) -> list[str]:
    """Return the terms normalized, all at once: a call a term would be a large part of loading a model."""
    given = list(terms)
    found = normalize("\n".join(given)).split("\n") if given else []
    return found if len(found) == len(given) else list(map(normalize, given))  # a term may hold a line break


class Lexicon:
    """Terms with classes, matched in whole batches by a hash table over character n-grams.

    Args:
        terms: the classes of each term.
    """

    def __init__(self, terms: Mapping[str, Iterable[str]]) -> None:
        joined: dict[str, tuple[str, ...]] = {}
        for term, classes in zip(_normalized(terms), terms.values(), strict=True):
            joined[term] = (*joined.get(term, ()), *classes)
        in_order = {names: tuple(sorted(set(names))) for names in set(joined.values())}  # few different ones
        self.terms = {term: in_order[joined[term]] for term in sorted(joined)}
        self.classes = tuple(sorted({name for names in in_order.values() for name in names}))
        if len(self.classes) > MAX_CLASSES:
            raise LexiconError(f"{len(self.classes)} word classes found; at most {MAX_CLASSES} are possible")
        if len(self.terms) > _MAX_TERMS:
            raise LexiconError(f"{len(self.terms)} terms found; at most {_MAX_TERMS} are possible")
        for term in self.terms:
            if not 1 <= len(term) <= MAX_TERM_LENGTH:
                raise LexiconError(f"term {term!r} has {len(term)} characters; expected 1 to {MAX_TERM_LENGTH}")
        self._build()

    def _build(self) -> None:
        size = 1 << _SLOT_BITS
        self._keys = np.zeros(size, dtype=np.uint64)
        self._bits = np.zeros(size, dtype=np.uint64)
        self._pairs = np.zeros(size, dtype=np.uint16)  # lengths of the terms that begin with a pair, as bits
        terms = list(self.terms)
        codes = code_points("".join(terms))
        sizes = np.fromiter(map(len, terms), dtype=np.int64, count=len(terms))
        self._lengths = tuple(np.unique(sizes)[::-1].tolist())
        starts = np.cumsum(sizes) - sizes
        keys = np.zeros(len(terms), dtype=np.uint64)
        for length in self._lengths:
            keys[sizes == length] = _hashes(codes, starts[sizes == length], length)
        pairs = _hashes(codes, starts[sizes > 1], 2)
        np.bitwise_or.at(self._pairs, _slots(pairs), (1 << sizes[sizes > 1]).astype(np.uint16))
        places = _places(_slots(keys), size)
        number = {name: bit for bit, name in enumerate(self.classes)}
        bits_of = {names: sum(1 << number[name] for name in names) for names in set(self.terms.values())}
        self._keys[places] = keys
        self._bits[places] = np.fromiter(map(bits_of.__getitem__, self.terms.values()), np.uint64, len(terms))

    def token_classes(self, found: Segmented) -> ClassBits:
        """Return the classes of each token as bits, in the order of ``classes``; shape (tokens,).

        A term gives its classes to every token that it covers. A term inside a longer one does not count
        (满意 inside 不满意).
        """
        n = len(found.codes)
        out = np.zeros(len(found.tokens), dtype=np.uint64)
        at_bound = np.zeros(n + 1, dtype=bool)
        at_bound[found.token_start] = True
        token_of = np.repeat(np.arange(len(found.tokens)), np.diff(found.token_start))
        covered = np.zeros(n, dtype=bool)
        # Few pairs of characters begin a term: only there are longer stretches looked up, of the lengths there are.
        pairs = _hashes(found.codes, np.arange(n - 1), 2) if n > 1 else np.zeros(0, dtype=np.uint64)
        of_pair = self._pairs[_slots(pairs)]
        begins = np.flatnonzero(of_pair)
        of_pair = of_pair[begins]
        for length in self._lengths:
            start = np.arange(n) if length == 1 else begins[(of_pair >> length & 1 == 1) & (begins <= n - length)]
            if length < _FREE_LENGTH:
                start = start[at_bound[start] & at_bound[start + length]]
            bits = self._lookup(_hashes(found.codes, start, length))
            hit = start[bits > 0]
            bits = bits[bits > 0]
            new = ~(covered[hit] & covered[hit + length - 1])
            hit, bits = hit[new], bits[new]
            for step in range(length):
                np.bitwise_or.at(out, token_of[hit + step], bits)
                covered[hit + step] = True
        return out

    def _lookup(self, hashes: ClassBits) -> ClassBits:
        slot = _slots(hashes)
        bits, other = self._bits[slot], self._keys[slot] != hashes
        searched = np.flatnonzero(other & (bits > 0))  # the slot holds another term: look into the next one
        bits[other] = 0
        while len(searched):
            slot[searched] = (slot[searched] + 1) & ((1 << _SLOT_BITS) - 1)
            found, other = self._bits[slot[searched]], self._keys[slot[searched]] != hashes[searched]
            bits[searched[~other]] = found[~other]
            searched = searched[other & (found > 0)]
        return bits


def _slots(hashes: ClassBits) -> npt.NDArray[np.int64]:
    """Return the slot of the hash table at which the search for each hash begins."""
    slots: npt.NDArray[np.int64] = (hashes >> _SLOT_SHIFT).astype(np.int64)
    return slots


def _places(slots: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Return a place of its own for each entry of a hash table: its slot, or the next ones where that is taken.

    All entries look for a place at once; of those that meet at a free one the first gets it.
    """
    places: npt.NDArray[np.int64] = slots.copy()
    taken = np.zeros(size, dtype=bool)
    seeking = np.arange(len(slots))
    while len(seeking):
        at = places[seeking]
        wins = np.zeros(len(seeking), dtype=bool)
        wins[np.unique(at, return_index=True)[1]] = True
        wins &= ~taken[at]
        taken[at] = True
        seeking = seeking[~wins]
        places[seeking] = (places[seeking] + 1) & (size - 1)
    return places


def _hashes(codes: npt.NDArray[np.uint32], starts: npt.NDArray[np.int64], length: int) -> ClassBits:
    """Return a hash of the stretch of ``length`` characters at each of ``starts``."""
    out = np.full(len(starts), np.uint64(length), dtype=np.uint64)
    for step in range(length):
        out = (out ^ codes[starts + step].astype(np.uint64)) * _MULTIPLIER
        out ^= out >> np.uint64(29)
    return out


def read_lexicons(folder: Path) -> dict[str, tuple[str, ...]]:
    """Read every ``CLASS.txt`` of ``folder``; return the classes of each term.

    Raises:
        LexiconError: the folder has no word list, one is not UTF-8, or a line is not a term of 1 to 8 characters.
    """
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise LexiconError(f"no word list in {folder}; expected files CLASS.txt with one term a line")
    terms: dict[str, set[str]] = {}
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise LexiconError(f"{path.name} is not UTF-8 text ({error}); save it as UTF-8") from error
        for number, line in enumerate(lines, 1):
            term = line.strip()
            if not term or term.startswith("#"):
                continue
            if len(term) > MAX_TERM_LENGTH:
                raise LexiconError(
                    f"{path.name}, line {number}: {term!r} has {len(term)} characters; "
                    f"expected one term of at most {MAX_TERM_LENGTH}"
                )
            terms.setdefault(term, set()).add(path.stem)
    return {term: tuple(sorted(classes)) for term, classes in terms.items()}
