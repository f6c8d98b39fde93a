"""Simulate a company: hold out one author file, correct some of its notes, learn them, measure the rest.

The base model never saw the author, its vocabulary neither. Notes to correct are chosen as ``visit-notes review``
chooses them; the correction is the annotated outcome and nothing else. What is left of the file is the test. For the
largest number of corrections the base corpus is checked too: one group of its author files is left out, and read by
models with and without the own notes.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.candidates import N_CONCERN_LABELS
from analyzer.commitments import CommitmentModel
from analyzer.concerns import ConcernModel
from analyzer.corpus import Example, voice_of
from analyzer.features import Reader, token_features, vocabulary_of
from analyzer.fitting import Settings, author_folds
from analyzer.gains import sign_test
from analyzer.linear import FloatArray, Linear
from analyzer.model_store import Model
from analyzer.note_analyzer import NoteAnalyzer
from analyzer.outcomes import OUTCOMES, OutcomeModel
from analyzer.own_labels import OWN_AUTHOR
from analyzer.own_training import OUTCOME, BaseUnseen, OwnData, OwnSettings, learn
from analyzer.records import NoteAnalysis
from analyzer.review_queue import choose
from analyzer.segmenter import Segmenter
from analyzer.tagger import Tagger
from analyzer.taxonomy import Taxonomy
from analyzer.training import fit_evidence_tagger, unseen_evidence
from analyzer.training_run import TrainingData

ROOT = Path(__file__).resolve().parent.parent
SIZES = (50, 200, 500)
TEST_AT_LEAST = 200
NOTHING = OwnData([], [], Taxonomy())
FINDINGS = frozenset([OUTCOME])


def main() -> int:
    """Parse the arguments, run, print a line of JSON for each measurement and then the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "authors", nargs="*", default=["short_everyday", "plain_building", "mixed_health", "short_mixed"]
    )
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder with corpus/ and lexicons/")
    parser.add_argument("--without-voice", action="store_true", help="leave out all files of the author's voice")
    parser.add_argument("--weights", type=int, nargs="*", default=[OwnSettings().weight], help="weights in fitting")
    parser.add_argument(
        "--combine-weights", type=float, nargs="*", default=[OwnSettings().combine_weight], help="in the combination"
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help="numbers of corrected notes")
    parser.add_argument("--no-base-check", action="store_true", help="skip the check of the base corpus")
    parser.add_argument("--inner-folds", type=int, default=2, help="see OwnSettings; fewer are faster")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = TrainingData.read(options.data)
    lines = [line for author in options.authors for line in company(author, data, options)]
    print(table(lines))
    return 0


def company(author: str, data: TrainingData, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the measurements for one author's file."""
    own = [one for one in data.examples if one.author == author and not one.is_fragment]
    gone = {author}
    if options.without_voice:
        gone = {one.author for one in data.examples if not one.is_fragment and voice_of(one.author) == voice_of(author)}
    base = dataclasses.replace(data, examples=[one for one in data.examples if one.author not in gone])
    order = np.random.default_rng(options.seed).permutation(len(own))
    n_test = max(TEST_AT_LEAST, len(own) // 2 if len(own) < SIZES[-1] + TEST_AT_LEAST else len(own) - SIZES[-1])
    test, pool = [own[at] for at in order[:n_test]], [own[at] for at in order[n_test:]]

    settings = OwnSettings(seed=options.seed, inner_folds=options.inner_folds)
    old, evidence = base_model(base, settings)
    before, pool_read = read(old, test), read(old, pool)
    lines = []
    sizes = list(dict.fromkeys(min(size, len(pool)) for size in options.sizes))
    for size in sizes:
        chosen = choose(pool_read, [one.note for one in pool], NoteAnalyzer(old), size, seed=options.seed)
        corrected = [
            dataclasses.replace(pool[at], author=OWN_AUTHOR, evidence=(), concerns=None, commitment=None, action=None)
            for at in sorted(chosen)
        ]
        for weight in options.weights:
            for combine in options.combine_weights:
                how = dataclasses.replace(settings, weight=weight, combine_weight=combine)
                new = learn(old, base, OwnData(corrected, [], Taxonomy()), how, unseen=BaseUnseen(evidence))
                line = measured(author, size, test, before, read(new, test))
                line.update(weight=weight, combine_weight=combine, without_voice=options.without_voice)
                if size == max(sizes) and not options.no_base_check:
                    line["base"] = base_check(old, base, OwnData(corrected, [], Taxonomy()), how, evidence)
                print(json.dumps(line), flush=True)
                lines.append(line)
    return lines


def base_model(base: TrainingData, settings: OwnSettings) -> tuple[Model, FloatArray]:
    """Return a model of the base corpus for the outcome alone, and what `learn` needs to fit it again.

    The other parts are empty and are never used here.
    """
    segmenter = Segmenter()
    texts = [one.note for one in base.examples] + [phrase for _, phrase in base.topic_phrases]
    fitting = Settings(seed=settings.seed, folds=settings.inner_folds)
    reader = Reader(vocabulary_of(segmenter, texts, fitting.min_word_count), base.lexicon, segmenter)
    judged = [one for one in base.examples if one.outcome is not None]
    batch = reader.read([one.note for one in judged])
    tokens = token_features(batch).matrix()
    tagger = fit_evidence_tagger(batch, tokens, judged, fitting)
    evidence = unseen_evidence(batch, tokens, judged, fitting).signals
    nothing = Linear(np.zeros((1, 1), dtype=np.float32), np.zeros(1, dtype=np.float32))
    no_spans = np.zeros((len(tagger.weights), N_CONCERN_LABELS), dtype=np.float32)
    empty = Model(
        reader=reader,
        outcome=OutcomeModel(nothing, nothing, np.zeros((1, 1)), np.zeros(1)),
        evidence_tagger=tagger,
        concern_tagger=Tagger(no_spans, np.zeros((N_CONCERN_LABELS + 1, N_CONCERN_LABELS)), 0.0),
        concern=ConcernModel(nothing, nothing, nothing, nothing, 0.0, 0.5, 0.5, 0.5),
        commitment=CommitmentModel(nothing, nothing),
        review_below=fitting.review_below,
        topic_sure_from=fitting.topic_sure_from,
        metadata={},
    )
    return learn(empty, base, NOTHING, settings, findings=FINDINGS, unseen=BaseUnseen(evidence)), evidence


def base_check(
    old: Model, base: TrainingData, own: OwnData, settings: OwnSettings, evidence: FloatArray
) -> dict[str, Any]:
    """Return what a group of base authors loses; both models have not seen it."""
    authors = [one.author for one in base.examples if not one.is_fragment]
    group = author_folds(authors, settings.base_folds)[0]
    notes = [one for one in base.examples if not one.is_fragment and one.author in group]
    before, after = (
        read(learn(old, base, learnt, settings, findings=FINDINGS, left_out=group, unseen=BaseUnseen(evidence)), notes)
        for learnt in (NOTHING, own)
    )
    return measured("base", len(own.outcomes), notes, before, after)


def read(model: Model, examples: list[Example]) -> list[NoteAnalysis]:
    """Return the outcomes of the notes, and nothing else."""
    batch = model.reader.read([one.note for one in examples])
    found = model.outcome.predict(batch, token_features(batch).scores(model.evidence_tagger.weights)).probabilities
    return [
        NoteAnalysis(
            OUTCOMES[int(row.argmax())],
            {outcome.value: float(share) for outcome, share in zip(OUTCOMES, row, strict=True)},
            bool(row.max() < model.review_below),
        )
        for row in found
    ]


def measured(
    name: str, size: int, test: list[Example], before: list[NoteAnalysis], after: list[NoteAnalysis]
) -> dict[str, Any]:
    """Return counts from which the table is made."""
    old, new = (
        np.array(
            [
                one.outcome is not None and one.outcome.value == gold.outcome
                for one, gold in zip(found, test, strict=True)
            ]
        )
        for found in (before, after)
    )
    losses = [
        -float(
            np.mean(
                [np.log(max(one.probabilities[str(gold.outcome)], 1e-6)) for one, gold in zip(found, test, strict=True)]
            )
        )
        for found in (before, after)
    ]
    return {
        "author": name, "corrected": size, "test": len(test), "right_before": int(old.sum()),
        "right_after": int(new.sum()), "fixed": int((new & ~old).sum()), "broken": int((old & ~new).sum()),
        "log_loss_before": round(losses[0], 4), "log_loss_after": round(losses[1], 4),
        "unsure_before": sum(one.needs_review for one in before),
        "unsure_after": sum(one.needs_review for one in after),
    }  # fmt: skip


def table(lines: list[dict[str, Any]]) -> str:
    """Return the measurements as a Markdown table, and all files together for each number of corrections."""
    out = [
        "| file | corrected | weights | test | accuracy | difference | fixed / broken (p) | log loss | base corpus |"
    ]
    out.append("|---" * 9 + "|")
    keys = sorted({(one["weight"], one["combine_weight"], size) for one in lines for size in SIZES})
    for one in lines:
        out.append(row(one["author"], one))
    for weight, combine, size in keys:
        of = [
            one for one in lines
            if one["weight"] == weight and one["combine_weight"] == combine and one["corrected"] == size
        ]  # fmt: skip
        if len(of) > 1:
            total = {
                key: sum(one[key] for one in of) for key in ("test", "right_before", "right_after", "fixed", "broken")
            }
            for key in ("log_loss_before", "log_loss_after"):
                total[key] = sum(one[key] * one["test"] for one in of) / total["test"]
            total.update(corrected=size, weight=weight, combine_weight=combine)
            out.append(row(f"all {len(of)}", total))
    return "\n".join(out)


def row(name: str, one: dict[str, Any]) -> str:
    """Return a row of the table."""
    n = one["test"]
    base = one.get("base")
    cells = [
        name, str(one["corrected"]), f"{one['weight']}, {one['combine_weight']:g}", str(n),
        f"{one['right_before'] / n:.3f} → {one['right_after'] / n:.3f}",
        f"{100 * (one['right_after'] - one['right_before']) / n:+.1f}",
        f"{one['fixed']} / {one['broken']} ({sign_test(one['fixed'], one['broken']):.2f})",
        f"{one['log_loss_before']:.3f} → {one['log_loss_after']:.3f}",
        f"{100 * (base['right_after'] - base['right_before']) / base['test']:+.2f} of {base['test']}" if base else "",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
