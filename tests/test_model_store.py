from __future__ import annotations

import hashlib
import io
import json
import pickle
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from analyzer import NoteAnalyzer, model_store
from analyzer.commitments import CommitmentModel
from analyzer.concerns import ConcernModel
from analyzer.errors import ModelError
from analyzer.features import Reader
from analyzer.lexicon import Lexicon
from analyzer.linear import Linear
from analyzer.model_store import FORMAT_VERSION, Model, load_model, save_model
from analyzer.note_analyzer import default_model_folder
from analyzer.outcomes import OutcomeModel
from analyzer.segmenter import Segmenter
from analyzer.tagger import Tagger

NOTES = ["客户嫌价格高，下周三带领导来看设备", "没见到人", "合同已签，定金到账", "他们选了别家"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    shutil.copytree(default_model_folder(), copy)
    return copy


def refresh_sums(folder: Path) -> None:
    """Make the check sums right again, so that the checks behind them are reached."""
    path = folder / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    for name in metadata["sha256"]:
        metadata["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(metadata), encoding="utf-8")


def edit(folder: Path, **changes: object) -> None:
    path = folder / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    metadata.update(changes)
    path.write_text(json.dumps(metadata), encoding="utf-8")


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


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 0, None, "1"])
def test_another_version_is_refused(folder: Path, version: object) -> None:
    edit(folder, format_version=version)
    with pytest.raises(ModelError, match=f"this release reads format {FORMAT_VERSION}"):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": {"outcomes": ["won", "lost"]}}, "the labels differ"),
        ({"thresholds": {}}, "thresholds are missing"),
        ({"thresholds": None}, "thresholds are missing"),
        ({"sha256": None}, "check sums are missing"),
        ({"sha256": {}}, "SHA-256 differs"),
    ],
)
def test_metadata_is_checked(folder: Path, changes: dict[str, object], message: str) -> None:
    edit(folder, **changes)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("topic_bias", np.zeros(3)),
        ("topic_bias", np.full(12, np.nan)),
        ("topic_bias", np.zeros(12, dtype=np.float32)),
        ("combine", np.array([{"code": print}], dtype=object)),
    ],
)
def test_arrays_are_checked(folder: Path, name: str, array: np.ndarray) -> None:
    path = folder / "weights.npz"
    with np.load(path) as stored:
        arrays = {**stored}
    arrays[name] = array
    np.savez(path, **arrays)
    refresh_sums(folder)
    with pytest.raises(ModelError, match=r"weights.npz"):
        load_model(folder)


def test_missing_and_extra_arrays_are_refused(folder: Path) -> None:
    np.savez(folder / "weights.npz", surprise=np.zeros(3))
    refresh_sums(folder)
    with pytest.raises(ModelError, match=r"holds \['surprise'\]; expected"):
        load_model(folder)


def test_word_lists_are_checked(folder: Path) -> None:
    (folder / "lexicon.tsv").write_text("没有制表符\n", encoding="utf-8")
    refresh_sums(folder)
    with pytest.raises(ModelError, match="the word lists cannot be read"):
        load_model(folder)


# --- damage of every kind, on a model small enough to load it hundreds of times ---


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model with tables of 32 buckets."""
    tables = {name: (32, columns) for name, (_, columns) in model_store._TABLES.items()}
    segmenter = Segmenter()
    monkeypatch.setattr(model_store, "_TABLES", tables)
    monkeypatch.setattr(model_store, "Segmenter", lambda: segmenter)
    rng = np.random.default_rng(0)
    shapes = {**tables, **model_store._VECTORS}
    # In half precision, as saved, so that the same numbers come back.
    array = {name: rng.normal(size=shape).astype(np.float16).astype(np.float32) for name, shape in shapes.items()}

    def linear(name: str) -> Linear:
        return Linear(array[name], array[f"{name}_bias"])

    model = Model(
        reader=Reader(["客户", "价格"], Lexicon({"签约": ["done", "sign"], "价格": ["price"]}), segmenter),
        outcome=OutcomeModel(linear("note"), linear("clause"), array["combine"], array["combine_bias"]),
        concern_tagger=Tagger(array["concern_tagger"], array["concern_transitions"], -0.3),
        concern=ConcernModel(linear("topic"), linear("status"), 0.5),
        commitment_tagger=Tagger(array["commitment_tagger"], array["commitment_transitions"], -0.6),
        commitment=CommitmentModel(linear("action")),
        review_below=0.8,
        topic_sure_from=0.6,
        metadata={"made": "by hand"},
    )
    save_model(model, tmp_path / "small")
    return tmp_path / "small"


def contents(model: Model) -> list[object]:
    """Return everything that a loaded model reads notes with, but for its thresholds."""
    linear = (
        model.outcome.note,
        model.outcome.clause,
        model.concern.topic,
        model.concern.status,
        model.commitment.action,
    )
    taggers = (model.concern_tagger, model.commitment_tagger)
    arrays = [
        model.outcome.combine, model.outcome.combine_bias,
        *(array for part in [*linear, model.commitment.action] for array in (part.weights, part.bias)),
        *(array for part in taggers for array in (part.weights, part.transitions)),
    ]  # fmt: skip
    return [
        model.reader.vocabulary,
        model.reader.lexicon.terms,
        *(np.asarray(array, float).tolist() for array in arrays),
    ]


def test_what_was_saved_comes_back(small: Path, tmp_path: Path) -> None:
    model = load_model(small)
    assert model.reader.vocabulary == ("客户", "价格")
    assert model.reader.lexicon.terms == {"价格": ("price",), "签约": ("done", "sign")}
    assert (model.review_below, model.topic_sure_from, model.concern.addressed_threshold) == (0.8, 0.6, 0.5)
    assert (model.concern_tagger.outside_bias, model.commitment_tagger.outside_bias) == (-0.3, -0.6)
    assert model.metadata["made"] == "by hand"
    rng = np.random.default_rng(0)
    assert contents(model)[4] == rng.normal(size=model.outcome.note.weights.shape).astype(np.float16).tolist()
    save_model(model, tmp_path / "again")
    assert contents(load_model(tmp_path / "again")) == contents(model)


@pytest.mark.parametrize("right_sums", [False, True])
@pytest.mark.parametrize("name", ["metadata.json", "weights.npz", "vocabulary.txt", "lexicon.tsv"])
def test_damage_gives_a_model_error_or_changes_nothing(small: Path, name: str, right_sums: bool) -> None:
    """Flipped bytes and cut ends, found by the check sums or, where these were made to fit, by what comes after."""
    whole = (small / name).read_bytes()
    expected = contents(load_model(small))
    rng = random.Random(f"{name} {right_sums}")
    refused = 0
    for turn in range(300):
        damaged = bytearray(whole[: rng.randrange(len(whole))] if turn % 5 == 0 else whole)
        for _ in range(0 if turn % 5 == 0 else rng.choice([1, 1, 2, 8])):
            damaged[rng.randrange(len(damaged))] ^= rng.randrange(1, 256)
        (small / name).write_bytes(damaged)
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
        assert right_sums or name == "metadata.json"
    assert refused > (100 if right_sums or name == "metadata.json" else 299)


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "\ufeff{}", "[" * 100_000, '{"format_version": ' + "1" * 5000 + "}", '{"format_version": NaN}'],
    ids=["empty", "null", "list", "mark", "deep", "long number", "no number"],
)
def test_metadata_of_any_kind(small: Path, text: str) -> None:
    (small / "metadata.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError):
        load_model(small)


@pytest.mark.parametrize("value", [None, "0.8", float("nan"), float("inf"), 11, [0.8]])
def test_thresholds_are_checked(small: Path, value: object) -> None:
    limits = json.loads((small / "metadata.json").read_text(encoding="utf-8"))["thresholds"]
    edit(small, thresholds={**limits, "review_below": value})
    with pytest.raises(ModelError, match="thresholds are missing or out of range"):
        load_model(small)


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
    with pytest.raises(ModelError, match="allow_pickle"):
        load_model(small)


@pytest.mark.parametrize("name", ["metadata.json", "weights.npz", "vocabulary.txt", "lexicon.tsv"])
def test_too_large_files_are_not_read(small: Path, name: str) -> None:
    with (small / name).open("r+b") as file:
        file.truncate(200_000_001)  # takes no space on most file systems
    with pytest.raises(ModelError, match=rf"{name} has 200000001 bytes; expected at most 200000000"):
        load_model(small)


@pytest.mark.parametrize("name", ["metadata.json", "weights.npz", "vocabulary.txt", "lexicon.tsv"])
def test_a_folder_in_place_of_a_file(small: Path, name: str) -> None:
    (small / name).unlink()
    (small / name).mkdir()
    with pytest.raises(ModelError, match=name):
        load_model(small)


def test_a_file_that_may_not_be_read(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ModelError, match=r"weights\.npz cannot be read .*Permission denied"):
        load_model(small)


@pytest.mark.parametrize(
    "lines", ["签约\n", "签约\tdone\tsign\n", "一二三四五六七八九\tdone\n", "\tdone\n"],
    ids=["no class", "three fields", "too long", "no term"],
)  # fmt: skip
def test_lexicons_are_checked(small: Path, lines: str) -> None:
    (small / "lexicon.tsv").write_text(lines, encoding="utf-8")
    refresh_sums(small)
    with pytest.raises(ModelError, match="the word lists cannot be read"):
        load_model(small)


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"metadata\.json is missing"):
        load_model(tmp_path / "model.zip")
