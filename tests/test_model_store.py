from __future__ import annotations

import dataclasses
import io
import json
import pickle
import random
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from analyzer import NoteAnalyzer, model_store
from analyzer.commitments import CommitmentModel
from analyzer.concerns import ConcernModel
from analyzer.errors import ModelError
from analyzer.features import (
    N_BUCKETS,
    Reader,
    clause_events,
    context_events,
    n_token_rows,
    span_events,
    token_features,
)
from analyzer.lexicon import Lexicon
from analyzer.linear import Linear
from analyzer.model_folder import default_model_folder
from analyzer.model_format import FILES, MAX_BYTES, encode_metadata, sha256
from analyzer.model_store import (
    FORMAT_VERSION,
    LAST_RELEASE,
    Model,
    load_model,
    save_model,
)
from analyzer.outcomes import OutcomeModel
from analyzer.packed_tables import pack
from analyzer.records import OwnTopic, Topic
from analyzer.segmenter import Segmenter
from analyzer.tagger import Tagger
from analyzer.taxonomy import Taxonomy, TopicEntry

NOTES = ["客户嫌价格高，下周三带领导来看设备", "没见到人", "合同已签，定金到账", "他们选了别家"]
ONE = Linear(np.zeros((32, 1)), np.zeros(1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    shutil.copytree(default_model_folder(), copy)
    return copy


def metadata_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metadata.json").read_text(encoding="utf-8"))


def refresh_sums(folder: Path) -> None:
    """Make the check sums right again, so that the checks behind them are reached."""
    sums = {name: sha256((folder / name).read_bytes()) for name in metadata_of(folder)["sha256"]}
    edit(folder, sha256=sums)


def edit(folder: Path, **changes: object) -> None:
    """Change the metadata as somebody would who knows the format, with the right check sum."""
    (folder / "metadata.json").write_bytes(encode_metadata({**metadata_of(folder), **changes}))


def test_a_model_survives_the_round_trip(folder: Path, tmp_path: Path, shipped: NoteAnalyzer) -> None:
    save_model(load_model(folder), tmp_path / "again")
    for path in (tmp_path / "again").iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name
    again = NoteAnalyzer.load(tmp_path / "again")
    assert again.analyze_many(NOTES) == shipped.analyze_many(NOTES)


@pytest.mark.parametrize("name", ["metadata.json", "weights.npz", "vocabulary.txt", "lexicon.tsv"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_model(folder)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"metadata.json is missing; expected a folder that"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        (FORMAT_VERSION + 1, "a newer release wrote it"),
        *((version, f"release {release} reads it") for version, release in LAST_RELEASE.items()),
        (0, "restore the model folder"), (None, "restore"), (str(FORMAT_VERSION), "restore"),
        (float(FORMAT_VERSION), "restore"), (True, "restore"), ([FORMAT_VERSION], "restore"),
    ],
)  # fmt: skip
def test_another_version_is_refused(small: Path, version: object, advice: str) -> None:
    edit(small, format_version=version)
    with pytest.raises(ModelError, match=f"this release reads format {FORMAT_VERSION}: .*{advice}"):
        load_model(small)


def test_a_newer_format_is_named_even_where_it_has_other_files(tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_text(json.dumps({"format_version": 99, "files": ["weights.safetensors"]}))
    with pytest.raises(ModelError, match=r"format '99'.*a newer release wrote it"):
        load_model(tmp_path)


# What the weights of a format mean. A change of features or hashing makes this test fail: then raise FORMAT_VERSION
# (unless no release was made with this number yet), add the old one to LAST_RELEASE, and set the new sum here.
FEATURES = {2: "3c7eab0cd5751d7cd9c3e28b587700c3631ea3a3adb45116784f4ca8c5f79d6a"}


def test_the_format_is_raised_with_the_features() -> None:
    reader = Reader(["客户", "价格"], Lexicon({"签约": ["done", "sign"], "价格": ["price"]}), Segmenter())
    batch = reader.read(["客户说价格高，ERP对接要3天。", "明天签约!", "Ａ"])
    spans = np.array([0, 8]), np.array([6, 13])
    tokens = token_features(batch)
    rows, columns, _ = sparse.find(tokens.matrix())
    events = [clause_events(batch), span_events(batch, *spans), context_events(batch, *spans)]
    numbers = [np.sort(rows * n_token_rows(2) + columns)]
    numbers += [np.sort(one.rows * N_BUCKETS + one.buckets) for one in events]
    found = sha256(b"".join(np.ascontiguousarray(array, dtype="<i8").tobytes() for array in numbers))
    assert FEATURES[FORMAT_VERSION] == found, "features changed: see the comment above FEATURES"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": {"outcomes": ["won", "lost"]}}, "the labels differ"),
        ({"labels": None}, "the labels differ"),
        ({"thresholds": {}}, "thresholds are missing"),
        ({"thresholds": None}, "thresholds are missing"),
        ({"sha256": None}, "SHA-256 differs"),
        ({"sha256": {}}, "SHA-256 differs"),
        ({"taxonomy": None}, "the taxonomy is missing"),
        ({"taxonomy": [1]}, "the taxonomy is missing"),
        ({"taxonomy": [{"id": "__import__('os')"}]}, "the taxonomy is not as expected: the topic name"),
        ({"taxonomy": [{"id": "cold", "label": "冷链", "words": [], "run": "rm"}]}, "unknown key 'run'"),
    ],
)
def test_metadata_is_checked(small: Path, changes: dict[str, object], message: str) -> None:
    edit(small, **changes)
    with pytest.raises(ModelError, match=message):
        load_model(small)


@pytest.mark.parametrize("topics", [["price"], [], "price", [1], [*map(str, range(12))], ["price"] * 12])
def test_labels_of_topics_are_checked(small: Path, topics: object) -> None:
    edit(small, labels={**metadata_of(small)["labels"], "topics": topics})
    with pytest.raises(ModelError, match="the labels differ"):
        load_model(small)
    known = [topic.value for topic in Topic]
    for more in (["price"], ["unknown"], [None]):
        edit(small, labels={**metadata_of(small)["labels"], "topics": [*known, *more]})
        with pytest.raises(ModelError, match="the labels differ"):
            load_model(small)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("topic_bias", np.zeros(3)),
        ("topic_bias", np.zeros((12, 1))),
        ("topic_bias", np.full(12, np.nan)),
        ("topic_bias", np.full(12, -np.inf)),
        ("topic_bias", np.full(12, 1e6)),
        ("topic_bias", np.zeros(12, dtype=np.float32)),
        ("topic_bias", np.zeros(12, dtype=">f8")),
        ("topic_bias", np.zeros(13)),
        ("combine", np.zeros((24, 4), order="F") + np.arange(24)[:, None]),
        ("combine", np.array([{"code": print}], dtype=object)),
        ("note.common", np.full(255, 65504, dtype=np.float16)),
        ("note.common", np.zeros(256, dtype=np.float16)),
        ("note.rare", np.zeros(1, dtype=np.float16)),
        ("note.rows", np.zeros(4, dtype=np.uint8)),  # then its codes are too many
        ("note.rows", np.full(5, 255, dtype=np.uint8)),
        ("note.codes", np.full((32, 4), 255, dtype=np.uint8)),  # then its rare numbers are too few
        ("note.codes", np.zeros((10_000_000, 4), dtype=np.uint8)),
    ],
)
def test_arrays_are_checked(small: Path, name: str, array: np.ndarray) -> None:
    path = small / "weights.npz"
    with np.load(path) as stored:
        arrays = {**stored}
    arrays[name] = np.asfortranarray(array) if name == "combine" else array
    np.savez_compressed(path, **arrays)
    refresh_sums(small)
    with pytest.raises(ModelError, match=rf"weights.npz: {name.partition('.')[0]}|weights.npz has"):
        load_model(small)


def test_missing_and_extra_arrays_are_refused(small: Path) -> None:
    path = small / "weights.npz"
    with np.load(path) as stored:
        arrays = {**stored}
    for names in ({"surprise": np.zeros(3)}, {**arrays, "surprise": np.zeros(3)}, {**arrays, "../out": np.zeros(3)}):
        np.savez(path, **names)
        refresh_sums(small)
        with pytest.raises(ModelError, match=r"holds .*; expected"):
            load_model(small)
    del arrays["combine"]
    np.savez(path, **arrays)
    refresh_sums(small)
    with pytest.raises(ModelError, match=r"holds .*; expected"):
        load_model(small)


def test_an_array_that_stands_there_twice_is_refused(small: Path) -> None:
    with zipfile.ZipFile(small / "weights.npz", "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("combine.npy", save_array(np.zeros((24, 4))))
    refresh_sums(small)
    with pytest.raises(ModelError, match=r"holds .*; expected"):
        load_model(small)


def test_a_zip_bomb_is_not_unpacked(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with np.load(small / "weights.npz") as stored:
        arrays = {**stored}
    with zipfile.ZipFile(small / "weights.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", bytes(9_000_000) if name == "combine" else save_array(array))
    refresh_sums(small)
    with pytest.raises(ModelError, match="combine unpacks to 9000000 bytes; expected at most 1280"):
        load_model(small)


# --- damage of every kind, on a model small enough to load it hundreds of times ---


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model with tables of 32 buckets."""
    kept = {
        name: dataclasses.replace(
            one, shape=(32, *one.shape[1:]) if one.shape[0] in (N_BUCKETS, model_store._TOKEN_ROWS) else one.shape
        )
        for name, one in model_store._ARRAYS.items()
    }
    segmenter = Segmenter()
    monkeypatch.setattr(model_store, "_ARRAYS", kept)
    monkeypatch.setattr(model_store, "Segmenter", lambda: segmenter)
    save_model(small_model(segmenter), tmp_path / "small")
    return tmp_path / "small"


def small_model(segmenter: Segmenter, taxonomy: Taxonomy | None = None) -> Model:
    rng = np.random.default_rng(0)
    taxonomy = taxonomy or Taxonomy()
    n_topics = len(taxonomy.topics)
    shapes = {name: one.spec(n_topics, 2).shape for name, one in model_store._ARRAYS.items()}
    # In half precision, as saved, so that the same numbers come back.
    array = {name: rng.normal(size=shape).astype(np.float16).astype(np.float32) for name, shape in shapes.items()}

    def linear(name: str) -> Linear:
        return Linear(array[name], array[f"{name}_bias"])

    return Model(
        reader=Reader(["客户", "价格"], Lexicon({"签约": ["done", "sign"], "价格": ["price"]}), segmenter),
        outcome=OutcomeModel(linear("note"), linear("clause"), array["combine"], array["combine_bias"]),
        evidence_tagger=Tagger(array["evidence_tagger"], array["evidence_transitions"], -0.6),
        concern_tagger=Tagger(array["concern_tagger"], array["concern_transitions"], -0.3),
        concern=ConcernModel(
            linear("choice"), linear("answer"), linear("topic"), linear("status"), -1.2, 0.4, 0.3, 0.5, taxonomy.topics
        ),
        commitment=CommitmentModel(linear("act"), linear("action")),
        review_below=0.8,
        topic_sure_from=0.6,
        metadata={"made": "by hand"},
        taxonomy=taxonomy,
    )


def contents(model: Model) -> list[object]:
    """Return everything that a loaded model reads notes with, the word lists first."""
    linear = (
        model.outcome.note,
        model.outcome.clause,
        model.concern.choice,
        model.concern.answer,
        model.concern.topic,
        model.concern.status,
        model.commitment.choice,
        model.commitment.action,
    )
    taggers = (model.concern_tagger, model.evidence_tagger)
    arrays = [
        model.outcome.combine, model.outcome.combine_bias,
        *(array for part in linear for array in (part.weights, part.bias)),
        *(array for part in taggers for array in (part.weights, part.transitions)),
    ]  # fmt: skip
    return [
        model.reader.vocabulary,
        model.reader.lexicon.terms,
        *(np.asarray(array, float).tolist() for array in arrays),
        model.review_below,
        model.topic_sure_from,
        model.concern.further_bias,
        model.concern.chosen_from,
        model.concern.answer_from,
        model.concern.addressed_from,
        [tagger.outside_bias for tagger in taggers],
        model.concern.topics,
        model.taxonomy,
    ]


def test_what_was_saved_comes_back(small: Path, tmp_path: Path) -> None:
    model = load_model(small)
    assert model.reader.vocabulary == ("客户", "价格")
    assert model.reader.lexicon.terms == {"价格": ("price",), "签约": ("done", "sign")}
    assert (model.review_below, model.topic_sure_from, model.concern.addressed_from) == (0.8, 0.6, 0.5)
    assert (model.concern.further_bias, model.concern.chosen_from) == (-1.2, 0.4)
    assert (model.concern_tagger.outside_bias, model.evidence_tagger.outside_bias) == (-0.3, -0.6)
    assert model.metadata["made"] == "by hand"
    rng = np.random.default_rng(0)
    assert contents(model)[4] == rng.normal(size=model.outcome.note.weights.shape).astype(np.float16).tolist()
    save_model(model, tmp_path / "again")
    assert contents(load_model(tmp_path / "again")) == contents(model)


@pytest.mark.parametrize("right_sums", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_damage_gives_a_model_error_or_changes_nothing(small: Path, name: str, right_sums: bool) -> None:
    """Flipped, cut, repeated and swapped bytes, found by the check sums or, where these fit, by what comes after."""
    whole = (small / name).read_bytes()
    expected = contents(load_model(small))
    rng = random.Random(f"{name} {right_sums}")
    refused = 0
    for turn in range(300):
        (small / name).write_bytes(damaged(whole, turn, rng))
        if right_sums and name != "metadata.json":
            refresh_sums(small)
        try:
            found = contents(load_model(small))
        except ModelError:
            refused += 1
            continue
        # A word list may be changed by somebody who makes the sums fit; numbers may not, and nothing goes unnoticed.
        first_array = 2 if right_sums and name in ("vocabulary.txt", "lexicon.tsv") else 0
        assert found[first_array:] == expected[first_array:]
        assert right_sums or name == "metadata.json" or (small / name).read_bytes() == whole
    assert refused > (100 if right_sums else 270)


def damaged(whole: bytes, turn: int, rng: random.Random) -> bytes:
    """Return ``whole`` damaged in one of five ways."""
    data = bytearray(whole)
    at, size = rng.randrange(len(data)), rng.choice([1, 1, 2, 8, 64])
    kind = turn % 5
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        return bytes(data[:at] + data[at : at + size] + data[at:])  # repeated
    if kind == 2:
        return bytes(data[:at] + data[at + size :])
    for _ in range(size if kind == 3 else 1):
        data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
    return bytes(data)


VALUES: list[object] = [
    None, True, False, 0, -1, 1e308, 10**400, "", "x" * 10_000, [], {}, [[]], {"a": 1}, ["price"], "__class__",
]  # fmt: skip


def test_metadata_made_up_with_the_right_sums(small: Path) -> None:
    """Hundreds of changes of single values anywhere in the metadata, by somebody who makes the check sums fit."""
    whole = (small / "metadata.json").read_bytes()
    expected = contents(load_model(small))
    original = json.loads(whole)
    rng = random.Random(7)
    refused = 0
    for _ in range(300):
        metadata = json.loads(whole)
        places = list(_places(metadata))
        holder, key = rng.choice(places)
        if rng.random() < 0.2:
            del holder[key]
        else:
            holder[key] = rng.choice(VALUES)
        (small / "metadata.json").write_bytes(encode_metadata(metadata))
        try:
            model = load_model(small)
        except ModelError:
            refused += 1
            continue
        found = contents(model)
        assert found[:-8] == expected[:-8], "word lists and weights as they were"
        assert 0 <= model.review_below <= 1
        assert 0 <= model.topic_sure_from <= 1
        assert 0 <= model.concern.addressed_from <= 1
        assert 0 <= model.concern.chosen_from <= 1
        assert all(-10 <= value <= 10 for value in found[-3])
        assert model.concern.topics == tuple(Topic)
        assert model.taxonomy == Taxonomy() or metadata["taxonomy"] != original["taxonomy"]
    assert refused > 220


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a JSON document, but for free remarks, as (holder, key)."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if key not in ("made", "metadata_sha256"):
            yield value, key
            yield from _places(item)


def test_arrays_made_up_with_the_right_sums(small: Path) -> None:
    """Hundreds of changes of type, shape and numbers; what loads holds exactly what the file says, within the range."""
    with np.load(small / "weights.npz") as stored:
        whole = {**stored}
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(200):
        arrays = dict(whole)
        name = str(rng.choice(sorted(whole)))
        array = whole[name].copy()
        kind = rng.integers(5)
        if kind == 0:
            array = array.astype(rng.choice(["<f4", ">f8", "<i8", "?", "<c16", "S8", "<M8[s]"]))
        elif kind == 1:
            array = np.resize(array, rng.integers(0, 40, size=rng.integers(0, 4)))
        elif kind == 2 and array.size:
            wrong = [255, 0] if array.dtype == np.uint8 else [np.nan, np.inf, -np.inf, 2000.0]
            array.flat[rng.integers(array.size)] = rng.choice(wrong)
        elif kind == 3 and array.size:
            array.flat[rng.integers(array.size)] = rng.integers(60) if array.dtype == np.uint8 else rng.normal()
        else:
            array = np.array([Pickled()] * 3, dtype=object)
        arrays[name] = array
        np.savez_compressed(small / "weights.npz", **arrays)
        refresh_sums(small)
        try:
            model = load_model(small)
        except ModelError:
            refused += 1
            continue
        assert array.shape == whole[name].shape
        assert array.dtype == whole[name].dtype
        name = name.partition(".")[0]
        loaded = model_store._ARRAYS[name].part(model)
        stored_as = arrays[name] if name in arrays else unpacked(arrays, name, len(loaded))
        assert np.array_equal(loaded, stored_as.astype(loaded.dtype))
    assert 130 < refused < 200


def unpacked(arrays: dict[str, np.ndarray], name: str, n_rows: int) -> np.ndarray:
    """Return a packed table, number by number as docs/model_format.md has it."""
    rows, codes, common, rare = (arrays[f"{name}.{part}"] for part in ("rows", "codes", "common", "rare"))
    held, rest = iter(codes.tolist()), iter(rare.tolist())
    return np.array(
        [
            [next(rest) if code == 255 else float(common[code]) for code in next(held)]
            if rows[row // 8] >> (7 - row % 8) & 1
            else [0.0] * codes.shape[1]
            for row in range(n_rows)
        ]
    )


@pytest.mark.parametrize("n_different", [1, 255, 256, 20_000])
def test_every_bit_of_a_table_comes_back(n_different: int) -> None:
    rng = np.random.default_rng(n_different)
    numbers = np.append(rng.integers(1, 0x7C00, n_different - 1), 0x8000).astype("<u2")  # among them minus zero
    bits = rng.choice(numbers, (20_001, 3))  # several blocks, the last of them no multiple of 8
    bits[rng.random(len(bits)) < 0.4] = 0
    table = bits.view("<f2")
    packed = pack(table)
    assert np.array_equal(packed.unpack().view(np.uint32), table.astype(np.float32).view(np.uint32))
    assert len(packed.common) == 255
    beside = np.zeros((len(table), 5), dtype=np.float32)
    packed.unpack(beside[:, 1:4])
    assert np.array_equal(beside[:, 1:4], table)
    assert not beside[:, [0, 4]].any()


def test_tables_without_rows_and_without_numbers() -> None:
    for shape in [(0, 3), (9, 3)]:
        assert np.array_equal(pack(np.zeros(shape, dtype="<f2")).unpack(), np.zeros(shape))


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "\ufeff{}", "[" * 100_000, '{"format_version": ' + "1" * 5000 + "}", '{"format_version": NaN}'],
    ids=["empty", "null", "list", "mark", "deep", "long number", "no number"],
)
def test_metadata_of_any_kind(small: Path, text: str) -> None:
    (small / "metadata.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError):
        load_model(small)


@pytest.mark.parametrize("value", [None, "0.8", 1.01, -0.01, 10**400, True, [0.8]])
def test_thresholds_are_checked(small: Path, value: object) -> None:
    limits = metadata_of(small)["thresholds"]
    edit(small, thresholds={**limits, "review_below": value})
    with pytest.raises(ModelError, match=r"review_below is .*; expected a number from 0 to 1"):
        load_model(small)
    edit(small, thresholds={**limits, "surprise": 0.5})
    with pytest.raises(ModelError, match="thresholds are missing or unknown"):
        load_model(small)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_has_not(small: Path, text: str) -> None:
    path = small / "metadata.json"
    path.write_text(path.read_text(encoding="utf-8").replace("0.8", text), encoding="utf-8")
    with pytest.raises(ModelError, match="is no JSON number"):
        load_model(small)


def test_a_changed_threshold_is_noticed(small: Path) -> None:
    path = small / "metadata.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"review_below": 0.8', '"review_below": 0.1'))
    with pytest.raises(ModelError, match=r"metadata\.json is not the file that the model was saved with"):
        load_model(small)


def test_own_topics_come_back(small: Path, tmp_path: Path) -> None:
    entries = (
        TopicEntry(OwnTopic("cold_chain", "冷链温控", "履约服务"), ("冷链", "断链"), False),
        TopicEntry(Topic.PRICE, ("到手价",), True),
    )
    model = small_model(Segmenter(), Taxonomy(entries))
    save_model(model, tmp_path / "own")
    again = load_model(tmp_path / "own")
    assert contents(again) == contents(model)
    assert again.concern.topics[-1].label == "冷链温控"
    assert again.concern.topic.weights.shape == (32, 13)
    with pytest.raises(ModelError, match="the labels differ"):  # a topic that the taxonomy does not name
        save_model(dataclasses.replace(model, taxonomy=Taxonomy()), tmp_path / "other")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"review_below": 1.5}, "review_below is 1.5"),
        ({"review_below": float("nan")}, "cannot be written as JSON"),
        ({"metadata": {"made": Path()}}, "cannot be written as JSON"),
        ({"commitment": CommitmentModel(ONE, Linear(np.full((32, 11), 1e9), np.zeros(11)))}, "action"),
        ({"commitment": CommitmentModel(ONE, Linear(np.zeros((31, 11)), np.zeros(11)))}, "action"),
        ({"reader": Reader(["a\nb"], Lexicon({}), Segmenter())}, "line break"),
        ({"reader": Reader(["\ud800"], Lexicon({}), Segmenter())}, "not UTF-8"),
        ({"reader": Reader(["a", "a"], Lexicon({}), Segmenter())}, "stands there twice"),
    ],
)  # fmt: skip
def test_what_could_not_be_loaded_is_not_saved(small: Path, changes: dict[str, Any], message: str) -> None:
    before = {path.name: path.read_bytes() for path in small.iterdir()}
    model = dataclasses.replace(load_model(small), **changes)
    with pytest.raises(ModelError, match=message):
        save_model(model, small)
    assert {path.name: path.read_bytes() for path in small.iterdir()} == before


def test_a_disk_that_fills_up_leaves_the_old_model(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, before = load_model(small), {path.name: path.read_bytes() for path in small.iterdir()}
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name.startswith("weights"):
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ModelError, match=r"cannot be written .No space left"):
        save_model(dataclasses.replace(model, review_below=0.7), small)
    assert {path.name: path.read_bytes() for path in small.iterdir()} == before


def save_array(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


class Pickled:
    """Says so when somebody unpickles it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("code of the model folder was run",)


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04", save_array(np.zeros(3)), pickle.dumps(Pickled()), b"PK\x05\x06" + bytes(18)],
    ids=["empty", "a zip's beginning", "one array", "a pickle", "an empty zip"],
)
def test_weights_of_any_kind(small: Path, data: bytes) -> None:
    (small / "weights.npz").write_bytes(data)
    refresh_sums(small)
    with pytest.raises(ModelError, match=r"weights\.npz"):
        load_model(small)


def test_pickled_objects_are_never_opened(small: Path) -> None:
    with np.load(small / "weights.npz") as stored:
        arrays = {**stored, "combine": np.array([Pickled()], dtype=object)}
    np.savez(small / "weights.npz", **arrays)
    refresh_sums(small)
    with pytest.raises(ModelError, match=r"combine has shape .* and type object"):
        load_model(small)


@pytest.mark.parametrize("name", ["metadata.json", "weights.npz", "vocabulary.txt", "lexicon.tsv"])
def test_too_large_files_are_not_read(small: Path, name: str) -> None:
    with (small / name).open("r+b") as file:
        file.truncate(MAX_BYTES[name] + 1)  # takes no space on most file systems
    with pytest.raises(
        ModelError, match=rf"{name} has {MAX_BYTES[name] + 1} bytes; expected at most {MAX_BYTES[name]}"
    ):
        load_model(small)


@pytest.mark.parametrize("name", ["metadata.json", "weights.npz", "vocabulary.txt", "lexicon.tsv"])
def test_a_folder_in_place_of_a_file(small: Path, name: str) -> None:
    (small / name).unlink()
    (small / name).mkdir()
    with pytest.raises(ModelError, match=name):
        load_model(small)


def test_a_file_that_may_not_be_read(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_file = Path.open

    def refuse(path: Path, *rest: object) -> object:
        if path.name == "weights.npz":
            raise PermissionError(13, "Permission denied", str(path))
        return open_file(path, *rest)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ModelError, match=r"weights\.npz cannot be read .*Permission denied"):
        load_model(small)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("签约\n", "expected a term, a tab and classes"),
        ("签约\tdone\tsign\n", "expected a term, a tab and classes"),
        ("签约\tdone,\n", "expected a term, a tab and classes"),
        ("签约\t../done\n", "expected a term, a tab and classes"),
        ("一二三四五六七八九\tdone\n", "has 9 characters"),
        ("\tdone\n", "is empty or stands there twice"),
        ("签约\tdone\n签约\tlost\n", "is empty or stands there twice"),
        ("签约\tdone", "does not end with a line break"),
        ("签约\tdone\n\n", "empty line"),
        ("签约\t" + ",".join(f"c{n}" for n in range(65)) + "\n", "word classes found|more than 200 characters"),
        ("".join(f"{chr(0x4E00 + n)}\tc{n}\n" for n in range(65)), "65 word classes found"),
    ],
)
def test_lexicons_are_checked(small: Path, lines: str, message: str) -> None:
    (small / "lexicon.tsv").write_bytes(lines.encode())
    refresh_sums(small)
    with pytest.raises(ModelError, match=f"lexicon.tsv.*({message})"):
        load_model(small)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\n", "is not UTF-8"), (b"a\na\n", "twice"), (b"a\n\nb\n", "empty line"), (b"a", "was cut"),
        (b"x" * 201 + b"\n", "more than 200 characters"),
    ],
)  # fmt: skip
def test_vocabularies_are_checked(small: Path, data: bytes, message: str) -> None:
    (small / "vocabulary.txt").write_bytes(data)
    refresh_sums(small)
    with pytest.raises(ModelError, match=f"vocabulary.txt.*{message}"):
        load_model(small)


def test_words_with_odd_line_breaks_come_back(small: Path) -> None:
    words = ("a\u2028b", "c\x0bd", "e\x85f")
    model = dataclasses.replace(load_model(small), reader=Reader(words, Lexicon({}), Segmenter()))
    save_model(model, small)
    assert load_model(small).reader.vocabulary == words


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"metadata\.json is missing"):
        load_model(tmp_path / "model.zip")
