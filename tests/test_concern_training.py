"""What the choice of concerns and their status learn from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from analyzer.candidates import Candidates
from analyzer.concern_training import Offered, fit_concerns, unseen_concerns
from analyzer.corpus import Example, read_corpus
from analyzer.features import Batch, Reader, token_features
from analyzer.fitting import Settings
from analyzer.lexicon import Lexicon
from analyzer.segmenter import Segmenter

CORPUS = Path(__file__).resolve().parent.parent / "data" / "corpus"
SETTINGS = Settings(folds=2, tagger_passes=2)
AUTHORS = ("concerns_it", "concerns_answers")
PHRASES = [("price", "单价太高"), ("delivery", "交期太长")]


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """Thirty notes of each of two authors, and a fragment."""
    every = read_corpus(CORPUS)
    notes = [one for author in AUTHORS for one in [e for e in every if e.author == author and not e.is_fragment][:30]]
    return [*notes, next(one for one in every if one.is_fragment and one.concerns)]


def offers(examples: list[Example]) -> tuple[Reader, Batch, list[Offered | None]]:
    reader = Reader(["价格", "交期"], Lexicon({}), Segmenter())
    batch = reader.read([one.note for one in examples])
    tokens = token_features(batch).matrix()
    return reader, batch, unseen_concerns(reader, batch, tokens, examples, PHRASES, settings=SETTINGS)


def plain(one: Offered | None) -> object:
    """The offer as lists that can be compared."""
    if one is None:
        return None
    fields = [
        getattr(offered, field.name).tolist()
        for offered in (one.candidates, one.answers)
        for field in dataclasses.fields(Candidates)
    ]
    return fields, one.topic_scores.tolist()


def test_what_is_offered_in_a_note_is_by_models_that_have_not_seen_its_author(examples: list[Example]) -> None:
    _, _, first = offers(examples)
    own = [index for index, one in enumerate(examples) if one.author == AUTHORS[0]]
    without = [dataclasses.replace(one, concerns=()) if one.author == AUTHORS[0] else one for one in examples]
    _, _, second = offers(without)
    assert [plain(first[index]) for index in own] == [plain(second[index]) for index in own]
    others = [index for index, one in enumerate(examples) if one.author == AUTHORS[1]]
    assert [plain(first[index]) for index in others] != [plain(second[index]) for index in others]


def test_offers_lie_in_their_notes(examples: list[Example]) -> None:
    _, _, found = offers(examples)
    assert [one is None for one in found] == [one.is_fragment for one in examples]
    for example, one in zip(examples, found, strict=True):
        if one is None:
            continue
        spans = [*zip(one.candidates.start, one.candidates.end, strict=True)]
        spans += [*zip(one.answers.start, one.answers.end, strict=True)]
        assert all(0 <= start < end <= len(example.note) for start, end in spans)
        assert not one.candidates.note.any()
        assert one.topic_scores.shape == (len(one.candidates), 12)
    assert sum(len(one.candidates) for one in found if one) > 60


def test_the_choice_learns_which_offers_are_right(examples: list[Example]) -> None:
    reader, batch, found = offers(examples)
    model = fit_concerns(reader, batch, examples, PHRASES, settings=SETTINGS, unseen=found)
    assert (model.chosen_from, model.further_bias) == (SETTINGS.concern_from, SETTINGS.further_outside_bias)
    none = [dataclasses.replace(one, concerns=() if not one.is_fragment else one.concerns) for one in examples]
    refuses = fit_concerns(reader, batch, none, PHRASES, settings=SETTINGS, unseen=found)
    assert model.choice.bias[0] > refuses.choice.bias[0]
    assert np.abs(model.choice.weights).sum() > 0
    assert model.answer_from == SETTINGS.answer_from
    assert model.answer.bias[0] > refuses.answer.bias[0]


def test_without_offers_everything_that_the_tagger_finds_is_a_concern(examples: list[Example]) -> None:
    reader, batch, found = offers(examples)
    model = fit_concerns(reader, batch, examples, PHRASES, settings=SETTINGS, unseen=[None] * len(found))
    assert not model.choice.weights.any()
    assert not model.answer.weights.any()
    assert 1 / (1 + np.exp(-model.answer.bias[0])) >= model.answer_from
    assert 1 / (1 + np.exp(-model.choice.bias[0])) >= model.chosen_from
