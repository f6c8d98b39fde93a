"""Tables of weights in little room, unpacked without a decompressor.

A table of hashed features has many rows that no note ever set, and few different numbers: half precision with a
mantissa of four bits. Kept are therefore which rows hold anything, and a byte for each number of these, which stands
for one of the table's commonest numbers; the others stand beside them, in order. That takes less room than deflate
and is unpacked five times as fast, by look-ups: inflating was a fifth of the start of the command.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Halves = npt.NDArray[np.float16]
Floats = npt.NDArray[np.float32]

N_COMMON = 255
"""How many different numbers a byte stands for; ``N_COMMON`` itself says that the number is a rare one."""

_BLOCK = 8192  # rows unpacked at once: what is made on the way stays in the processor's cache; a multiple of 8


@dataclass(frozen=True, slots=True)
class PackedTable:
    """A table of halves.

    Attributes:
        shape: rows and columns.
        rows: a bit for each row, the first one highest, that says whether the row holds anything but zeros.
        codes: of these rows; shape (rows that hold something, columns).
        common: what the codes below ``N_COMMON`` stand for, the commonest first; shape (``N_COMMON``,).
        rare: the numbers under the code ``N_COMMON``, in row-major order.
    """

    shape: tuple[int, int]
    rows: Bytes
    codes: Bytes
    common: Halves
    rare: Halves

    def unpack(self, out: Floats | None = None) -> Floats:
        """Return the table, written into ``out`` where given: zeros of its shape."""
        if out is None:
            out = np.zeros(self.shape, dtype=np.float32)
        numbers = np.zeros(N_COMMON + 1, dtype=np.float32)
        numbers[:N_COMMON] = self.common
        done_rows = done_rare = 0
        for first in range(0, len(out), _BLOCK):
            block = out[first : first + _BLOCK]
            held = np.unpackbits(self.rows[first // 8 : (first + _BLOCK) // 8])[: len(block)].view(bool)
            codes = self.codes[done_rows : done_rows + np.count_nonzero(held)]
            values = np.take(numbers, codes, mode="clip")  # the default mode would check each of them and copy all
            at = np.flatnonzero(codes == N_COMMON)
            values.reshape(-1)[at] = self.rare[done_rare : done_rare + len(at)]
            block[held] = values
            done_rows += len(codes)
            done_rare += len(at)
        return out


def pack(table: Halves) -> PackedTable:
    """Return ``table`` packed; every bit comes back, and the same table gives the same bytes."""
    bits = np.ascontiguousarray(table, dtype="<f2").view("<u2")
    held = bits.any(axis=1)
    kept = bits[held]
    commonest = np.argsort(-np.bincount(kept.ravel(), minlength=1 << 16), kind="stable")[:N_COMMON]
    code_of = np.full(1 << 16, N_COMMON, dtype=np.uint8)
    code_of[commonest] = np.arange(N_COMMON)
    codes = code_of[kept]
    common = np.where(np.isin(commonest, kept), commonest, 0).astype("<u2")
    rare = kept[codes == N_COMMON].view("<f2")
    shape = (bits.shape[0], bits.shape[1])
    return PackedTable(shape, np.packbits(held), codes, common.view("<f2"), rare)
