from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from analyzer.corpus import Example, GoldConcern
from analyzer.evaluation import (
    Scored,
    confusion,
    evaluation_jobs,
    keyword_outcome,
    report,
    run_fold,
)
from analyzer.fitting import Settings, author_folds
from analyzer.lexicon import Lexicon
from analyzer.model_card import metrics_table, model_card
from analyzer.model_store import save_model
from analyzer.records import Action, Commitment, Concern, NoteAnalysis, Outcome, Span, Status, Topic
from analyzer.training import fit_model, versions

QUICK = Settings(folds=2, tagger_passes=2)


def few(corpus: list[Example]) -> list[Example]:
    """A hundred notes of four authors and some fragments."""

    def some() -> Iterator[Example]:
        for author, count in (("plain_trade", 30), ("plain_public", 30), ("medical", 30), ("short_mixed", 40)):
            yield from [example for example in corpus if example.author == author][:count]
        yield from [example for example in corpus if example.is_fragment][::60]

    return list(some())


def test_two_runs_give_the_same_bytes(corpus: list[Example], shipped_lexicon: Lexicon, tmp_path: Path) -> None:
    phrases = [("price", "单价压不下来"), ("delivery", "月底能不能到货")]
    for name in ("one", "two"):
        save_model(fit_model(few(corpus), phrases, shipped_lexicon, QUICK), tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_fold_reads_only_notes_of_authors_left_out(corpus: list[Example], shipped_lexicon: Lexicon) -> None:
    examples = few(corpus)
    jobs = evaluation_jobs(examples, [], shipped_lexicon, QUICK, 2)
    left_out = [author for *_, group in jobs for author in group]
    whole = [example for example in examples if not example.is_fragment]
    assert sorted(left_out) == sorted({example.author for example in whole})
    scored = run_fold(jobs[0])
    assert {one.example.author for one in scored} == set(jobs[0][-1])
    assert [one.example for one in scored] == [example for example in whole if example.author in jobs[0][-1]]
    assert len(evaluation_jobs(examples, [], shipped_lexicon, QUICK, 0)) == 4


def test_author_folds_share_no_author() -> None:
    folds = author_folds(["b", "a", "c", "a", "d"], 3)
    assert folds == [["a", "d"], ["b"], ["c"]]
    assert author_folds(["a", "b"], 5) == [["a"], ["b"]]


def scored(gold: str, found: Outcome, probability: float = 0.9, **parts: object) -> Scored:
    """A note read as ``found``; ``parts`` replace fields of the example or of the analysis."""
    example = Example("T", "plain_x", "价格高，降五个点，签了", False, gold, ((9, 11),))
    rest = (1 - probability) / 3
    analysis = NoteAnalysis(
        found, {o.value: probability if o is found else rest for o in Outcome}, False, (Span(9, 11, "签了"),)
    )
    for name, value in parts.items():
        target = example if hasattr(example, name.removeprefix("gold_")) and name.startswith("gold_") else analysis
        changed = dataclasses.replace(target, **{name.removeprefix("gold_"): value})
        example, analysis = (changed, analysis) if target is example else (example, changed)
    return Scored(example, analysis, keyword_outcome(example.note), Outcome.ORDER)


def test_metrics_by_hand() -> None:
    concern = Concern(Span(0, 3, "价格高"), Topic.PRICE, 0.9, True, Status.ADDRESSED, Span(4, 8, "降五个点"))
    gold = GoldConcern((0, 2), Topic.VALUE, Status.ADDRESSED, (4, 8))
    missed = GoldConcern((9, 11), Topic.PRICE, Status.OPEN, None)
    notes = [
        scored("order", Outcome.ORDER, 0.9, concerns=(concern,), gold_concerns=(gold, missed)),
        scored("order", Outcome.ADVANCE, 0.6, commitment=Commitment(Span(9, 11, "签了"), Action.SIGN)),
        scored("order", Outcome.ORDER, 0.9, commitment=Commitment(Span(9, 11, "签了"), Action.PAY),
               gold_commitment=(9, 11), gold_action=Action.SIGN),
        scored("no_sale", Outcome.NO_SALE, 0.9, evidence=(Span(0, 2, "价格"),)),
    ]  # fmt: skip
    metrics = report(notes, Settings(review_below=0.8, topic_sure_from=0.6))
    assert set(metrics) == {"all", "plain"}
    value = {name: one.value for name, one in metrics["all"].items()}
    assert value["outcome_accuracy"] == 0.75
    assert value["outcome_macro_f1"] == pytest.approx((0.8 + 0.0 + 1.0) / 3)
    assert value["calibration_error"] == pytest.approx((abs(3 - 2.7) + abs(0 - 0.6)) / 4)
    assert value["decided_alone"] == 0.75
    assert value["accuracy_alone"] == 1.0
    assert value["evidence_overlap"] == pytest.approx(2 / 3)
    assert value["concern_f1"] == pytest.approx(2 / 3)
    assert (value["concern_precision"], value["concern_recall"]) == (1.0, 0.5)
    assert (value["topic_accuracy"], value["group_accuracy"], value["topic_accuracy_shown"]) == (0.0, 1.0, 0.0)
    assert (value["status_accuracy"], value["response_f1"]) == (1.0, 1.0)
    assert value["commitment_f1"] == pytest.approx(2 / 3)
    assert value["action_accuracy"] == 0.0
    assert value["tfidf_accuracy"] == 0.75
    assert confusion(notes) == [[2, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    low, high = metrics["all"]["outcome_accuracy"].low, metrics["all"]["outcome_accuracy"].high
    assert 0 <= low < 0.75 < high <= 1


def test_keyword_baseline() -> None:
    assert keyword_outcome("合同已签") is Outcome.ORDER
    assert keyword_outcome("不需要") is Outcome.NO_SALE
    assert keyword_outcome("同意试用") is Outcome.ADVANCE
    assert keyword_outcome("没见到人") is Outcome.CONTINUATION


def test_the_model_card_holds_the_numbers() -> None:
    notes = [scored("order", Outcome.ORDER), scored("no_sale", Outcome.ORDER)]
    metrics = report(notes, Settings())
    metadata = {
        "corpus": {"notes": 2, "fragments": 0, "topic_phrases": 0, "concerns": 0, "authors": 1},
        "data_sha256": "ab" * 32, "evaluation_folds": 2, "lexicon_classes": 3,
        "settings": dataclasses.asdict(Settings()), "versions": versions(),
    }  # fmt: skip
    card = model_card(metadata, metrics, confusion(notes), "- tried: 0.5")
    assert f"| outcome, accuracy | {metrics['all']['outcome_accuracy']} |" in card
    assert metrics_table(metrics) in card
    assert "| 成交 | 1 | 0 | 0 | 0 |" in card
    assert "- tried: 0.5" in card
    assert "scikit-learn" in card


def test_no_note_of_an_author_is_in_the_model_that_reads_them(
    corpus: list[Example], shipped_lexicon: Lexicon, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    baseline: list[set[str]] = []

    def remember_fit(examples: Sequence[Example], *rest: object) -> None:
        seen.append({example.id for example in examples if not example.is_fragment})
        assert sum(example.is_fragment for example in examples) > 20, "fragments stay in"

    def remember_baseline(examples: Sequence[Example], notes: Sequence[str], seed: int) -> list[Outcome]:
        baseline.append({example.id for example in examples})
        return [Outcome.CONTINUATION] * len(notes)

    class Silent:
        def __init__(self, model: None) -> None:
            pass

        def analyze_many(self, notes: Sequence[str]) -> list[NoteAnalysis]:
            return [NoteAnalysis(None, {}, True) for _ in notes]

    monkeypatch.setattr("analyzer.evaluation.fit_model", remember_fit)
    monkeypatch.setattr("analyzer.evaluation.tfidf_outcomes", remember_baseline)
    monkeypatch.setattr("analyzer.evaluation.NoteAnalyzer", Silent)
    examples = few(corpus)
    notes_of = {
        author: {example.id for example in examples if example.author == author and not example.is_fragment}
        for author in ("plain_trade", "plain_public", "medical", "short_mixed")
    }
    for folds, count in ((0, 4), (2, 2), (3, 3), (9, 4)):
        seen.clear()
        baseline.clear()
        jobs = evaluation_jobs(examples, [], shipped_lexicon, QUICK, folds)
        assert len(jobs) == count
        read = [{one.example.id for one in run_fold(job)} for job in jobs]
        for (*_, group), notes, fitted_on, baseline_on in zip(jobs, read, seen, baseline, strict=True):
            assert notes == set().union(*(notes_of[author] for author in group))
            assert not notes & fitted_on
            assert not notes & baseline_on
            assert fitted_on == set().union(*(notes_of[author] for author in notes_of if author not in group))
        assert sum(map(len, read)) == sum(map(len, notes_of.values())), "every note is read once"


def test_a_corpus_without_some_outcome_is_refused(corpus: list[Example], shipped_lexicon: Lexicon) -> None:
    examples = [example for example in few(corpus) if example.outcome != "no_sale"]
    with pytest.raises(ValueError, match="the corpus lacks an outcome"):
        fit_model(examples, [], shipped_lexicon, QUICK)


def test_spans_are_paired_once_the_best_overlap_first() -> None:
    def concern(start: int, end: int) -> Concern:
        return Concern(Span(start, end, "价格高，降五个点"[start:end]), Topic.PRICE, 0.9, True, Status.OPEN)

    def gold(start: int, end: int) -> GoldConcern:
        return GoldConcern((start, end), Topic.PRICE, Status.OPEN, None)

    # (0, 4) overlaps both by half or more, and (0, 3) exactly with the first.
    both = scored("order", Outcome.ORDER, concerns=(concern(0, 4), concern(0, 3)), gold_concerns=(gold(0, 3),))
    half = scored("order", Outcome.ORDER, concerns=(concern(0, 2),), gold_concerns=(gold(0, 4),))
    less = scored("order", Outcome.ORDER, concerns=(concern(0, 2),), gold_concerns=(gold(0, 5),))
    for note, hits, found in ((both, 1, 2), (half, 1, 1), (less, 0, 1)):
        value = {name: one.value for name, one in report([note], Settings())["all"].items()}
        assert value["concern_precision"] == hits / found
        assert value["concern_recall"] == hits
