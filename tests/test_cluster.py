"""Partitions as Spark and Dask hand them over: the rows of a local run, none lost and none twice."""

from __future__ import annotations

import functools
import importlib.util
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from analyzer import NoteAnalyzer, cli
from analyzer.batch import score_file
from analyzer.cluster import load_once, pack_model, result_schema, score_partitions
from analyzer.cluster_files import find_parquet_files, finished_counts, plan, score_part
from analyzer.errors import ColumnError, ModelError, OutputError, TableError
from analyzer.model_folder import default_model_folder
from analyzer.results import RESULT_COLUMNS

NOTES = [
    "客户嫌价格高，我方答应降5%，对方认可；下周三带技术总监来厂里看设备",
    "合同已签，预付款到账",
    "不需要，已经选了别家",
    "",
    "说回去研究一下再联系，等保三级有没有？",
]


def notes_frame(rows: int, offset: int = 0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": range(offset, offset + rows),
            "销售人员": [f"销售{number % 7}" for number in range(rows)],
            "拜访记录": [
                f"{NOTES[number % 5]}，第{number % 90}次" if number % 5 != 3 else "" for number in range(rows)
            ],
            "额": [number / 7 if number % 4 else None for number in range(rows)],
        }
    )


# --- partitions ---


def test_partitions_are_scored_as_one_frame(shipped: NoteAnalyzer) -> None:
    frame = notes_frame(50)
    score = functools.partial(score_partitions, note_column="拜访记录")
    parts = list(score(iter([frame.iloc[:20], frame.iloc[20:20], frame.iloc[20:]])))
    assert [len(part) for part in parts] == [20, 0, 30]
    pd.testing.assert_frame_equal(pd.concat(parts), shipped.score_frame(frame, "拜访记录"))


def test_partitions_are_read_one_at_a_time() -> None:
    taken: list[int] = []

    def frames() -> Iterator[pd.DataFrame]:
        for number in range(3):
            taken.append(number)
            yield notes_frame(2)

    scored = score_partitions(frames(), note_column="拜访记录")
    assert taken == []
    next(scored)
    assert taken == [0]


def test_a_wrong_column_is_told_of() -> None:
    with pytest.raises(ColumnError, match="no column '记录'"):
        list(score_partitions([notes_frame(2)], note_column="记录"))


def test_the_model_is_loaded_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(default_model_folder(), copy)
    loads: list[object] = []
    real = NoteAnalyzer.load
    monkeypatch.setattr(NoteAnalyzer, "load", lambda path=None, **_: (loads.append(path), real(path))[1])
    packed = pack_model(copy)
    first = load_once(packed)
    assert load_once(bytes(bytearray(packed))) is first
    assert load_once(copy) is load_once(str(copy))
    assert len(loads) == 2
    note = NOTES[0]
    assert first.analyze(note) == load_once(copy).analyze(note)
    assert not Path(str(loads[0])).exists()  # unpacked for as long as loading takes


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    packed = pack_model()
    with pytest.raises(ModelError, match="the packed model is damaged"):
        load_once(packed[:1000])
    broken = bytearray(packed)
    broken[len(broken) // 2] ^= 1
    with pytest.raises(ModelError):
        load_once(bytes(broken))
    with pytest.raises(ModelError, match=r"metadata.json cannot be read"):
        pack_model(tmp_path)
    foreign = io.BytesIO()
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("../metadata.json", "{}")
    with pytest.raises(ModelError, match="expected plain file names"):
        load_once(foreign.getvalue())
    assert not (tmp_path.parent / "metadata.json").exists()


def test_the_schema_names_every_column_with_its_type() -> None:
    fields = result_schema(["拜访记录", "结果"]).split(", ")
    assert fields[0] == "`结果（分析）` string"
    assert [field.split("` ")[1] for field in fields] == [
        *("string", "double", "string", "string", "string", "bigint", "string", "string", "string", "string")
    ]
    assert len(fields) == len(RESULT_COLUMNS)


# --- files in parts ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.mkdir()
    for number in range(3):
        # Several row groups in the second file.
        notes_frame(240, number * 1000).to_parquet(
            path / f"f{number}.parquet", row_group_size=60 if number == 1 else 500
        )
    return path


def local(folder: Path, analyzer: NoteAnalyzer) -> dict[str, pd.DataFrame]:
    """What a local run writes for each file."""
    out = folder.parent / "local"
    out.mkdir(exist_ok=True)
    for path in folder.glob("*.parquet"):
        score_file(path, out / path.name, analyzer)
    return {path.stem: pd.read_parquet(path) for path in sorted(out.iterdir())}


def written(out: Path) -> dict[str, pd.DataFrame]:
    return {path.name.removesuffix(".scored.parquet"): pd.read_parquet(path) for path in sorted(out.iterdir())}


@pytest.mark.parametrize("as_uri", [False, True])
def test_parts_hold_the_rows_of_a_local_run(folder: Path, shipped: NoteAnalyzer, as_uri: bool) -> None:
    out = folder.parent / "out"
    pattern = f"{folder.as_uri() if as_uri else folder}/*.parquet"
    sources = find_parquet_files([pattern])
    assert [source.rsplit("/", 1)[1] for source in sources] == ["f0.parquet", "f1.parquet", "f2.parquet"]
    planned = plan(sources, out.as_uri() if as_uri else str(out), part_rows=100)
    assert [len(file.parts) for file in planned] == [1, 2, 1]
    parts = [part for file in planned for part in file.parts]
    assert [finished_counts(part) for part in parts] == [None] * 4
    counts = [score_part(part, shipped) for part in parts]
    assert [count["read"] for count in counts] == [240, 120, 120, 240]
    assert [finished_counts(part) for part in parts] == counts
    expected, found = local(folder, shipped), written(out)
    assert found.keys() == expected.keys()
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found[name], frame)
    assert sorted(path.name for path in out.rglob("*.part")) == []
    again = plan(sources, out.as_uri() if as_uri else str(out), part_rows=100, model_version="another")
    assert finished_counts(again[0].parts[0]) is None


def test_a_part_that_fails_leaves_nothing(folder: Path) -> None:
    class Interrupting:
        def analyze_many(self, texts: object) -> list[object]:
            raise KeyboardInterrupt

    out = folder.parent / "out"
    part = plan([str(folder / "f0.parquet")], str(out))[0].parts[0]
    with pytest.raises(KeyboardInterrupt):
        score_part(part, Interrupting())  # type: ignore[arg-type]
    assert list(out.iterdir()) == []


def test_what_a_cluster_cannot_read(folder: Path) -> None:
    (folder / "a.csv").write_text("备注\n好\n")
    with pytest.raises(OutputError, match=r"a.csv is no .parquet file"):
        find_parquet_files([str(folder / "a.csv")])
    for pattern in (f"{folder}/x*.parquet", f"{folder.as_uri()}/x*.parquet"):
        with pytest.raises(TableError, match="expected at least one"):
            find_parquet_files([pattern])
    (folder / "bad.parquet").write_bytes(b"PAR1 and no more")
    pd.DataFrame({"电话": ["1", "2"]}).to_parquet(folder / "none.parquet")
    planned = plan(find_parquet_files([str(folder / "*.parquet")]), str(folder.parent / "out"))
    assert [str(file.error)[:30] if file.error else None for file in planned[1:4]] == [None, None, None]
    assert "damaged" in str(planned[0].error)
    assert "no column holds visit notes" in str(planned[4].error)
    (folder / "x").mkdir()
    shutil.copy(folder / "f0.parquet", folder / "x")
    with pytest.raises(OutputError, match=r"several inputs are named f0.parquet"):
        plan([str(folder / "f0.parquet"), str(folder / "x" / "f0.parquet")], str(folder.parent / "out"))


# --- Dask ---

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="the extra [dask] is not installed"
)


class DaskCluster:
    """A scheduler and two workers, each a process of its own, talking over TCP on this machine."""

    def __init__(self, folder: Path) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        common = ["--host", "127.0.0.1", "--no-dashboard"]
        self._start("dask_scheduler", *common, "--port", "0", "--scheduler-file", str(file))
        deadline = time.monotonic() + 300
        while not file.exists() or not file.read_text().strip():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.address: str = json.loads(file.read_text())["address"]
        self.workers = [
            self._start("dask_worker", self.address, *common, "--no-nanny", "--nthreads", "1", "--name", f"w{number}")
            for number in range(2)
        ]

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parent,
        )
        self._processes.append(process)
        return process

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.close()


def command(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


# distributed warns of its own clean-up; the suite makes errors of warnings
@needs_dask
@pytest.mark.filterwarnings("default")
def test_a_dask_cluster_gives_the_rows_of_a_local_run(
    folder: Path, shipped: NoteAnalyzer, cluster: DaskCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    out, summary = folder.parent / "out", folder.parent / "summary.json"
    run = functools.partial(
        command, "score", folder / "*.parquet", "-o", f"{out}/", "--engine", "dask", "--scheduler", cluster.address
    )
    assert run("--summary", summary) == 0
    assert "3 of 3 files: 720 rows read: 576 scored, 144 empty, 0 failed" in capsys.readouterr().err
    expected, found = local(folder, shipped), written(out)
    assert found.keys() == expected.keys()
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found[name], frame)
    told = json.loads(summary.read_text(encoding="utf-8"))
    assert told["rows"]["read"] == 720
    assert [file["status"] for file in told["files"]] == ["done"] * 3

    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    (out / "f1.scored.parquet").unlink()
    assert run("--resume", "--quiet") == 0
    assert [path.name for path in sorted(out.iterdir()) if path.stat().st_mtime_ns != before[path]] == [
        "f1.scored.parquet"
    ]
    assert written(out)["f1"].equals(found["f1"])


@needs_dask
@pytest.mark.filterwarnings("default")
def test_a_dask_worker_that_is_killed_loses_and_doubles_nothing(
    folder: Path, shipped: NoteAnalyzer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from analyzer.cluster_dask import score_on_dask

    cluster = DaskCluster(tmp_path_factory.mktemp("killed"))
    try:
        out = folder.parent / "out"
        for path in folder.iterdir():
            pd.read_parquet(path).to_parquet(path, row_group_size=30)
        planned = plan(find_parquet_files([str(folder)]), str(out), part_rows=30)
        assert [len(file.parts) for file in planned] == [8, 8, 8]
        killed: list[int] = []

        def kill(done: int, parts: int, rows: int) -> None:
            if done == 2:
                cluster.workers[0].send_signal(signal.SIGKILL)
                killed.append(done)

        results = score_on_dask(planned, pack_model(), scheduler=cluster.address, on_part=kill)
    finally:
        cluster.close()
    assert killed == [2]
    assert [getattr(result, "read", result) for result in results] == [240, 240, 240]
    expected, found = local(folder, shipped), written(out)
    assert found.keys() == expected.keys()
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found[name], frame)
    assert list(out.rglob("*.part")) == []


@needs_dask
@pytest.mark.filterwarnings("default")
def test_wrong_uses_of_dask(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from analyzer import cluster_dask

    monkeypatch.setattr(cluster_dask, "_CONNECT_SECONDS", 0.5)
    source = folder / "f0.parquet"
    out = f"{folder.parent}/out/"
    for arguments, status, message in (
        (["--scheduler", "tcp://127.0.0.1:1"], 2, "without --engine dask"),
        (["--engine", "dask"], 2, "name it with -o FOLDER/"),
        (["--engine", "dask", "-o", out, "--format", "csv"], 2, "drop --format"),
        (["--engine", "dask", "-o", out, "--strict"], 2, "--strict works with --engine local only"),
        (["--engine", "dask", "-o", out, "--scheduler", "tcp://127.0.0.1:1"], 1, "cannot be reached"),
    ):
        assert command("score", source, *arguments) == status
        assert message in capsys.readouterr().err


# --- Spark ---


def java() -> bool:
    return shutil.which("java") is not None or "JAVA_HOME" in os.environ


@pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="the extra [spark] is not installed")
@pytest.mark.skipif(not java(), reason="Spark needs Java 17, which was not found")
@pytest.mark.filterwarnings("default")
def test_map_in_pandas(tmp_path: Path, shipped: NoteAnalyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    notes_frame(300).to_parquet(tmp_path / "notes.parquet", row_group_size=60)
    spark = (
        SparkSession.builder.master("local[2]")
        .appName("visit-notes")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "70")
        .getOrCreate()
    )
    try:
        notes = spark.read.parquet(str(tmp_path / "notes.parquet")).repartition(3)
        model = spark.sparkContext.broadcast(pack_model())
        schema = StructType(notes.schema.fields + StructType.fromDDL(result_schema(notes.columns)).fields)

        def score(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
            return score_partitions(frames, note_column="拜访记录", model=model.value)

        found = notes.mapInPandas(score, schema=schema).toPandas().sort_values("id", ignore_index=True)
    finally:
        spark.stop()
    expected = shipped.score_frame(notes_frame(300), "拜访记录")
    assert len(found) == 300
    for name in expected.columns:
        left = [None if pd.isna(value) else value for value in found[name]]
        right = [None if pd.isna(value) else value for value in expected[name]]
        assert left == right, name
