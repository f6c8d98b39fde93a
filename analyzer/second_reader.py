"""A second opinion on notes whose outcome is unsure: a small transformer that reads them once more.

The tables of weights that read every note take half a millisecond a note; this reader takes some thirty times as long,
so it is asked for, and it reads only what they are unsure of. What both say is combined by a small linear model,
trained on notes whose authors neither had seen. Needs the extra ``second-reader``; nothing leaves the machine.
How it was trained and measured: models/second_reader/MODEL_CARD.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzer.errors import ModelError
from analyzer.linear import FloatArray, softmax
from analyzer.model_folder import second_reader_folder
from analyzer.model_format import METADATA, PIECES, READER, changed_file, read_file
from analyzer.normalize import normalize
from analyzer.outcomes import OUTCOMES, PROBABILITY_DIGITS

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from sentencepiece import SentencePieceProcessor

UNSURE_BELOW = 0.9  # of the probability of the likeliest outcome: those notes are read again
_LEAST = 1e-4  # probabilities below this say nothing more
START, END = 0, 2  # numbers of the pieces that open and close a text
_RESTORE = "restore the folder, or train it anew with scripts/train_second_reader.py"


def clean_text(note: str) -> str:
    """Return ``note`` as the second reader is shown it: clean, on one line, of the same length."""
    return normalize(note).replace("\n", " ")


def combination_inputs(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return what the combination reads: the log probabilities of both readers, shape (..., 2 * outcomes).

    Args:
        first: probabilities of the outcomes, shape (..., outcomes).
        second: log probabilities, of the same shape.
    """
    return np.concatenate([np.log(np.maximum(first, _LEAST)), np.maximum(second, math.log(_LEAST))], axis=-1)


class SecondReader:
    """Reads notes once more and says what both readers make of them; see ``load``."""

    def __init__(
        self,
        session: InferenceSession,
        cutter: SentencePieceProcessor,
        longest: int,
        weights: FloatArray,
        bias: FloatArray,
    ) -> None:
        self._session = session
        self._cutter = cutter
        self._longest = longest
        self._weights = weights
        self._bias = bias

    @classmethod
    def load(cls, folder: str | Path | None = None) -> SecondReader:
        """Load the shipped second reader, or the one in ``folder``.

        Raises:
            ModelError: the folder is missing or damaged, or the extra ``second-reader`` is not installed.
        """
        try:
            import onnxruntime
            import sentencepiece
        except ImportError as error:
            raise ModelError(
                "the second reader needs onnxruntime and sentencepiece, which are not installed; "
                "pip install 'visit-note-analyzer[second-reader]'"
            ) from error
        source = second_reader_folder() if folder is None else Path(folder)
        metadata = _metadata(source)
        files = {name: read_file(source, name) for name in (READER, PIECES)}
        changed = changed_file(metadata, files)
        if changed is not None:
            raise ModelError(f"{source / changed} is not the file that {METADATA} was written for; {_RESTORE}")
        try:
            weights, bias = (np.array(metadata["combination"][name], dtype=np.float64) for name in ("weights", "bias"))
            longest = int(metadata["longest"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{source / METADATA}: {error!r}; expected longest and combination; {_RESTORE}") from error
        n = len(OUTCOMES)
        if weights.shape != (2 * n, n) or bias.shape != (n,) or not np.isfinite(weights).all():
            raise ModelError(f"{source / METADATA}: combination has shape {weights.shape}, expected {(2 * n, n)}")
        onnxruntime.disable_telemetry_events()  # its Windows builds tell of their use
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # notes are shared out among processes
        options.log_severity_level = 3  # errors
        session = onnxruntime.InferenceSession(files[READER], options, providers=["CPUExecutionProvider"])
        cutter = sentencepiece.SentencePieceProcessor(model_proto=files[PIECES])
        return cls(session, cutter, longest, weights, bias)

    def revise(self, notes: Sequence[str], probabilities: FloatArray) -> FloatArray:
        """Return ``probabilities``, those of unsure notes as both readers together give them.

        A note longer than the reader can take in keeps what it has.

        Args:
            notes: the texts.
            probabilities: of the outcomes as the first reader gives them, shape (notes, outcomes).
        """
        out: FloatArray = probabilities.copy()
        for at in np.flatnonzero(probabilities.max(axis=1) < UNSURE_BELOW).tolist():
            text = self._cutter.encode(clean_text(notes[at]))
            if 0 < len(text) <= self._longest:
                both = combination_inputs(probabilities[at], self._log_probabilities(text))
                out[at] = np.round(softmax(both @ self._weights + self._bias), PROBABILITY_DIGITS)
        return out

    def _log_probabilities(self, text: Sequence[int]) -> FloatArray:
        """Return the log probabilities of the outcomes of a text in pieces.

        One at a time: in a batch, the scale of the 8-bit numbers, and so the result, would depend on the others.
        """
        pieces = np.array([[START, *text, END]], dtype=np.int64)
        out: FloatArray = np.asarray(self._session.run(None, {"pieces": pieces})[0], dtype=np.float64)[0]
        return out


def _metadata(folder: Path) -> dict[str, Any]:
    content = read_file(folder, METADATA)
    try:
        metadata = json.loads(content)
    except ValueError as error:
        raise ModelError(f"{folder / METADATA} is not JSON ({error}); {_RESTORE}") from error
    if not isinstance(metadata, dict):
        raise ModelError(f"{folder / METADATA} holds a {type(metadata).__name__}; expected a JSON object; {_RESTORE}")
    return metadata
