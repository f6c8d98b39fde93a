"""Learning from own labels, on a small base corpus: what changes, what stays, what is measured."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from analyzer import NoteAnalyzer
from analyzer.cli import main
from analyzer.corpus import Example, GoldConcern, corpus_hash, read_corpus
from analyzer.errors import LabelError
from analyzer.fitting import Settings
from analyzer.model_store import Model, load_model, save_model
from analyzer.near_copies import copy_groups, near_copies
from analyzer.own_card import Sample, main_gain, verdict
from analyzer.own_labels import OWN_AUTHOR, OwnLabels, OwnNote
from analyzer.own_training import (
    OwnData,
    OwnSettings,
    check_enough,
    folds_of,
    learn,
    relabelled,
    with_evidence,
)
from analyzer.records import OwnTopic, Status, Topic
from analyzer.taxonomy import Taxonomy, TopicEntry
from analyzer.training import fit_model
from analyzer.training_run import TrainingData

AUTHORS = {"plain_trade": 40, "plain_public": 40, "medical": 30, "short_mixed": 60}
COLD = OwnTopic("cold_chain", "冷链温控", "履约服务")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 170 notes by four authors, with its word lists."""
    folder = tmp_path_factory.mktemp("base") / "data"
    corpus = ROOT / "data" / "corpus"
    shutil.copytree(ROOT / "data" / "lexicons", folder / "lexicons")
    (folder / "corpus" / "notes").mkdir(parents=True)
    for author, count in AUTHORS.items():
        lines = (corpus / "notes" / f"{author}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / "corpus" / "notes" / f"{author}.jsonl").write_text("".join(lines[:count]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def data(base: Path) -> TrainingData:
    return TrainingData.read(base)


@pytest.fixture(scope="module")
def folder(base: Path, data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model of that corpus."""
    model = fit_model(
        data.examples, [], data.lexicon, Settings(tagger_passes=2),
        {"data_sha256": corpus_hash(base / "corpus"), "metrics": {"all": {}}},
    )  # fmt: skip
    out = tmp_path_factory.mktemp("model") / "base"
    save_model(model, out)
    return out


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load_model(folder)


@pytest.fixture(scope="module")
def own() -> list[Example]:
    """Forty notes of an author that is not in the base corpus."""
    notes = [one for one in read_corpus(ROOT / "data" / "corpus") if one.author == "short_everyday"][:40]
    return [dataclasses.replace(one, author=OWN_AUTHOR) for one in notes]


def outcomes_only(own: list[Example]) -> list[Example]:
    return [dataclasses.replace(one, evidence=(), concerns=None, commitment=None, action=None, due=None) for one in own]


def same(one: object, other: object) -> bool:
    """Whether two parts of models hold the same numbers, bit for bit."""
    fields = [field.name for field in dataclasses.fields(one)]  # type: ignore[arg-type]
    for name in fields:
        left, right = getattr(one, name), getattr(other, name)
        if dataclasses.is_dataclass(left):
            if not same(left, right):
                return False
        elif isinstance(left, np.ndarray):
            if left.dtype != right.dtype or left.tobytes() != right.tobytes():
                return False
        elif left != right:
            return False
    return True


def test_outcomes_alone_change_the_outcome_alone(model: Model, data: TrainingData, own: list[Example]) -> None:
    learnt = learn(model, data, OwnData(outcomes_only(own), [], Taxonomy()), OwnSettings())
    assert not same(learnt.outcome, model.outcome)
    for part in ("evidence_tagger", "concern_tagger", "concern", "commitment"):
        assert getattr(learnt, part) is getattr(model, part), part
    assert learnt.reader is model.reader


def test_a_finding_learnt_alone_has_the_bytes_of_a_full_fit(
    model: Model, data: TrainingData, own: list[Example]
) -> None:
    """What is fitted is what fitting everything on the same notes, with the same vocabulary, would fit."""
    settings = OwnSettings(weight=2, combine_weight=2.0)
    learnt = learn(model, data, OwnData(own, own, Taxonomy()), settings)
    groups = copy_groups([one.note for one in own])
    assert groups == list(range(40))
    taught = [dataclasses.replace(one, author=f"{OWN_AUTHOR}{number % 5}") for number, one in enumerate(own)]
    full = fit_model(
        [*data.examples, *taught, *taught], data.topic_phrases, data.lexicon, Settings(),
        vocabulary=model.reader.vocabulary,
    )  # fmt: skip
    assert same(learnt.concern_tagger, full.concern_tagger)
    assert same(learnt.concern.topic, full.concern.topic)
    # Choice and status read what the base's tagger, which has not seen the own notes, offers in these.
    assert not same(learnt.concern.choice, model.concern.choice)
    assert not same(learnt.concern.status, model.concern.status)
    # The evidence tagger stays the base's, and so does what the combination reads of it.
    assert same(learnt.outcome.note, full.outcome.note)
    assert same(learnt.outcome.clause, full.outcome.clause)
    assert learnt.evidence_tagger is model.evidence_tagger


def test_two_runs_are_the_same(model: Model, data: TrainingData, own: list[Example]) -> None:
    labels = OwnData(outcomes_only(own), [], Taxonomy())
    one, two = (learn(model, data, labels, OwnSettings()) for _ in range(2))
    assert same(one.outcome, two.outcome)


def test_notes_of_authors_left_out_are_not_learnt(
    model: Model, data: TrainingData, own: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Example] = []

    def fit(batch: object, examples: list[Example], *rest: object, **more: object) -> object:
        seen.extend(examples)
        return model.outcome

    monkeypatch.setattr("analyzer.own_training.fit_outcome", fit)
    learn(model, data, OwnData(own, [], Taxonomy()), OwnSettings(weight=3), left_out=["medical"])
    assert {one.author for one in seen} == {"plain_trade", "plain_public", "short_mixed"} | {
        f"{OWN_AUTHOR}{number}" for number in range(5)
    }
    assert sum(one.author.startswith(OWN_AUTHOR) for one in seen) == 3 * len(own)


def test_the_deciding_clause_is_looked_for(model: Model) -> None:
    note = "今天去了客户那边，聊得不错，合同已经签了，下周发货"
    given = Example("1", OWN_AUTHOR, note, False, "order", evidence=((0, 4),), concerns=None)
    missing = dataclasses.replace(given, evidence=())
    blank = dataclasses.replace(given, note="……", evidence=())
    found = with_evidence(model, [given, missing, blank])
    assert found[0] is given
    assert "签了" in note[slice(*found[1].evidence[0])]
    assert found[2].evidence == ()


def test_folds_are_even_and_keep_copies_together() -> None:
    notes = [f"第{number}家客户说价格高，下周再谈第{number}次" for number in range(10)]
    examples = [
        Example(str(number), OWN_AUTHOR, note, False, ("order", "no_sale")[number % 2], concerns=None)
        for number, note in enumerate([*notes, *(f"{note}。" for note in notes), *map(str, range(100, 120))])
    ]
    folds = folds_of(examples, 4, 0)
    assert folds[:10] == folds[10:20]
    assert folds == folds_of(examples, 4, 0)
    assert folds != folds_of(examples, 4, 1)
    assert set(folds) == {0, 1, 2, 3}
    assert folds_of(examples[::-1], 4, 0) == folds[::-1], "the order of the rows does not matter"


def test_near_copies() -> None:
    notes = ["客户嫌价格高，下周再谈", "客戶嫌價格高， 下週再談", "没见到人", "没见到人，门卫说老板出差去了", "", ""]
    assert [(one, two) for one, two, _ in near_copies(notes)] == [(0, 1)]
    assert copy_groups(notes) == [0, 0, 2, 3, 4, 5]


@pytest.mark.parametrize("count", [0, 1, 19])
def test_too_few_labels(own: list[Example], count: int) -> None:
    labels = OwnData(own[:count], own[: count // 2], Taxonomy())
    with pytest.raises(LabelError, match=f"{count} labelled notes found; expected at least 20"):
        check_enough(labels)
    if count:
        with pytest.raises(LabelError):
            check_enough(dataclasses.replace(labels, taxonomy=Taxonomy((TopicEntry(COLD, ()),))))
    check_enough(OwnData(own[:20], [], Taxonomy()))
    check_enough(OwnData([], [], Taxonomy((TopicEntry(COLD, ("冷链",)),))))


# --- topics of one's own ---

TAXONOMY = Taxonomy((TopicEntry(COLD, ("断链", "冷链")), TopicEntry(Topic.PRICE, ("到手价",))))


def test_base_concerns_go_under_the_users_topic() -> None:
    note = "怕断链，到手价高，交期长"
    spans = [(1, 3), (4, 8), (9, 12)]
    concerns = tuple(GoldConcern(span, Topic.DELIVERY, Status.OPEN, None) for span in spans)
    example = Example("1", "a", note, False, "order", concerns=concerns)
    topics = [one.topic for one in relabelled(example, TAXONOMY).concerns or ()]
    assert topics == [COLD, Topic.DELIVERY, Topic.DELIVERY], "topics of the guideline stay as annotated"
    assert relabelled(example, Taxonomy()) is example


def test_own_topics_work_at_once_and_are_learnt(
    model: Model, data: TrainingData, folder: Path, tmp_path: Path, own: list[Example]
) -> None:
    topics = tmp_path / "my.toml"
    topics.write_text(
        '[topics.cold_chain]\nlabel = "冷链温控"\ngroup = "履约服务"\nwords = ["断链", "冷链"]\n', "utf-8"
    )
    at_once = NoteAnalyzer.load(folder, topics=topics)
    note = "客户担心夏天运输断链，问冷链车够不够，价格也嫌高"
    for concern in at_once.analyze(note).concerns:
        has_word = "断链" in concern.span.text or "冷链" in concern.span.text
        assert (concern.topic == COLD) == has_word
        if has_word:
            assert (concern.topic_is_sure, concern.topic_probability, concern.display_topic) == (True, 1.0, "冷链温控")

    learnt = learn(model, data, OwnData([], [], at_once.model.taxonomy), OwnSettings())
    assert learnt.concern.topics == (*Topic, COLD)
    assert learnt.concern.topic.weights.shape[1] == 13
    assert learnt.concern_tagger is model.concern_tagger
    assert learnt.concern.choice is model.concern.choice
    assert learnt.concern.status is model.concern.status
    assert learnt.outcome is model.outcome
    assert not learnt.taxonomy.entries[0].decides, "now the model knows, and words decide where it is unsure"
    save_model(learnt, tmp_path / "own")
    again = NoteAnalyzer.load(tmp_path / "own")
    assert again.model.taxonomy == learnt.taxonomy
    assert again.analyze(note) == NoteAnalyzer(learnt_in_half_precision(tmp_path / "own")).analyze(note)
    own_topic = dataclasses.replace(
        own[0], note="怕断链", outcome=None, evidence=(), concerns=(GoldConcern((1, 3), COLD, Status.OPEN, None),)
    )
    learn(model, data, OwnData([], [own_topic], learnt.taxonomy), OwnSettings())


def learnt_in_half_precision(folder: Path) -> Model:
    return load_model(folder)


# --- the command ---


def write_labels(path: Path, own: list[Example]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["跟进记录", "结果"])
        writer.writerows([one.note, one.outcome] for one in own)
        writer.writerow(["这条没有标注，谈了谈", ""])
        writer.writerow(["这条标得不清楚，谈了谈", "成功"])
    return path


@pytest.fixture
def labels(own: list[Example], tmp_path: Path) -> Path:
    return write_labels(tmp_path / "my_labels.csv", own)


@pytest.fixture
def few_labels(own: list[Example], tmp_path: Path) -> Path:
    """So few that half of them are not tried."""
    return write_labels(tmp_path / "few.csv", own[:22])


def test_the_command(
    labels: Path, base: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "mine"
    arguments = ["train", "--base", str(base), "--model", str(folder), "--workers", "2"]
    assert main([*arguments, "--add", str(labels), "-o", str(output)]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert (
        "40 notes with an outcome, 0 with concerns; 1 rows without a label, 0 repeated, 1 cells not used" in shown.err
    )
    assert "my_labels.csv B43: the outcome '成功' could mean" in shown.err
    assert "own notes, outcome accuracy (40): " in shown.err
    assert "base corpus, outcome accuracy (" in shown.err
    assert "all own notes instead of half of them: " in shown.err
    card = (output / "MODEL_CARD.md").read_text(encoding="utf-8")
    for text in ("| 结果，准确率 | 40 |", "my_labels.csv B43", "记录再翻一倍", "## 在底座语料上"):
        assert text in card
    metadata = json.loads((output / "metadata.json").read_text(encoding="utf-8"))
    assert metadata["own"]["outcomes"] == 40
    assert "metrics" not in metadata
    assert not any(note in json.dumps(metadata, ensure_ascii=False) for note in read_notes(labels))
    old, new = load_model(folder), load_model(output)
    assert same(new.concern_tagger, old.concern_tagger)
    assert not same(new.outcome, old.outcome)


def test_checked_concerns_are_learnt_and_measured(
    base: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = ROOT / "data" / "corpus" / "notes" / "concerns_answers.jsonl"
    labels = tmp_path / "own.jsonl"
    labels.write_text("".join(source.read_text(encoding="utf-8").splitlines(keepends=True)[:22]), encoding="utf-8")
    output = tmp_path / "mine"
    arguments = ["train", "--base", str(base), "--model", str(folder), "--add", str(labels), "-o", str(output)]
    assert main(arguments) == 0
    shown = capsys.readouterr().err
    assert "22 notes with an outcome, 22 with concerns" in shown
    card = (output / "MODEL_CARD.md").read_text(encoding="utf-8")
    own, _, elsewhere = card.partition("## 在底座语料上")
    for part, metrics in (
        (own, ("结果，准确率", "关注点位置，F1", "答复状态准确率")),
        (elsewhere, ("关注点位置，F1",)),
    ):
        for metric in metrics:
            assert metric in part
    old, new = load_model(folder), load_model(output)
    assert not same(new.concern_tagger, old.concern_tagger)
    assert not same(new.concern, old.concern)
    assert same(new.evidence_tagger, old.evidence_tagger)
    assert same(new.commitment, old.commitment)


def test_two_runs_of_the_command_give_the_same_bytes(
    few_labels: Path, base: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--base", str(base), "--model", str(folder), "--add", str(few_labels), "--base-groups", "0"]
    for name, workers in (("one", "1"), ("two", "2")):
        assert main([*arguments, "-o", str(tmp_path / name), "--workers", workers]) == 0
        assert "too few own notes to say what more would bring" in capsys.readouterr().err
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def read_notes(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["跟进记录"] for row in csv.DictReader(file)]


def test_the_old_model_is_kept(
    few_labels: Path, base: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "models" / "mine"
    shutil.copytree(folder, output)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    arguments = ["train", "--base", str(base), "--model", str(folder), "--add", str(few_labels), "-o", str(output)]
    assert main([*arguments, "--min-gain", "99", "--base-groups", "0"]) == 0
    shown = capsys.readouterr().err
    assert "kept the old model: the new one gains" in shown
    assert "expected at least +99.0" in shown
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    assert "没有比较" in (output.parent / "mine.MODEL_CARD.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("rows", "message"),
    [(3, "3 labelled notes found; expected at least 20"), (0, "0 labelled notes found")],
)
def test_too_few_rows_for_the_command(
    rows: int, message: str, base: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    body = "".join(f"第{n}次去，客户很忙没谈成,暂时中断\n" for n in range(rows)) or "没标的一条，谈了谈,不确定\n"
    path.write_text("拜访记录,outcome\n" + body, encoding="utf-8")
    command = ["train", "--base", str(base), "--model", str(folder), "--add", str(path), "-o", str(tmp_path / "m")]
    if not rows:
        command += ["--outcome-column", "outcome"]
    assert main(command) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_the_model_to_start_from_is_not_overwritten(
    labels: Path, base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--base", str(base), "--model", str(folder), "--add", str(labels), "-o", str(folder)]
    assert main(command) == 1
    assert "is the model to start from; name another folder" in capsys.readouterr().err
    assert main([*command[:-1], str(labels)]) == 1
    assert "is a file; expected the name of a folder" in capsys.readouterr().err


def test_the_random_sample_is_counted() -> None:
    def note(gold: str | None, said: str | None, sampled: bool) -> OwnNote:
        from analyzer.records import Outcome

        example = Example("1", OWN_AUTHOR, "x", False, gold, concerns=None)
        return OwnNote(example, "a B2", "a", sampled, Outcome(said) if said else None)

    labels = OwnLabels(
        [note("order", "order", True), note("order", "advance", True), note(None, "order", True),
         note("order", "order", False), note("order", None, True)]
    )  # fmt: skip
    assert Sample.of(labels) == Sample(1, 2)


def test_verdicts() -> None:
    from analyzer.gains import Gain

    sure, unsure = Gain(0.8, 0.9, 0.02, 0.15, 100, 0.001), Gain(0.8, 0.82, -0.02, 0.06, 100, 0.5)
    worse = Gain(0.8, 0.7, -0.2, -0.01, 100)
    assert [verdict(one) for one in (sure, unsure, worse)] == ["有把握变好", "在偶然波动之内", "有把握变差"]
    assert main_gain({"topic_accuracy": sure, "concern_f1": unsure}) is unsure
    assert main_gain({}) is None
