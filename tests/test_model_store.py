from __future__ import annotations

import hashlib
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from analyzer import NoteAnalyzer
from analyzer.errors import ModelError
from analyzer.model_store import FORMAT_VERSION, load_model, save_model
from analyzer.note_analyzer import default_model_folder

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


@pytest.mark.parametrize("name", ["metadata.json", "weights.npz", "vocabulary.txt", "lexicon.tsv"])
@pytest.mark.parametrize("right_sums", [False, True])
def test_damage_never_loads_and_never_breaks(folder: Path, name: str, right_sums: bool) -> None:
    """A flipped byte or a cut end gives a ModelError, or (metadata, new sums) a model that passed every check."""
    whole = (folder / name).read_bytes()
    rng = random.Random(name)
    for turn in range(12):
        place = rng.randrange(len(whole))
        damaged = whole[:place] + bytes([whole[place] ^ rng.randrange(1, 256)]) + whole[place + 1 :]
        (folder / name).write_bytes(whole[:place] if turn % 3 == 0 else damaged)
        if right_sums and name != "metadata.json":
            refresh_sums(folder)
        try:
            load_model(folder)
        except ModelError:
            continue
        assert right_sums or name == "metadata.json"
