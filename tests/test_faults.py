"""Runs that are killed, disks that fill up, rows that break the analyzer: nothing is lost, nothing is done twice."""

from __future__ import annotations

import errno
import functools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stub_analyzer import FaultyAnalyzer, StubAnalyzer
from test_workers import CHUNK_ROWS, make_source

from analyzer import journal as journal_module
from analyzer.batch import BatchSummary, JournalUse, forget, score_file
from analyzer.chunks import ChunkTask, ScoredChunk
from analyzer.errors import BadRowError, JournalError, TableError
from analyzer.journal import Journal, journal_path
from analyzer.workers import Scorer

ROOT = Path(__file__).parent.parent
CHUNKS = 30
USE = JournalUse("model 1")
RESUME = JournalUse("model 1", resume=True)

PROGRAM = """
import functools, sys
sys.path[:0] = {paths!r}
from stub_analyzer import FaultyAnalyzer
from analyzer.batch import JournalUse, score_file
from analyzer.workers import Scorer
{before}
source, output, log, workers = sys.argv[1:]
with Scorer(functools.partial(FaultyAnalyzer, log, 0.02), int(workers)) as scorer:
    score_file(source, output, scorer, chunk_rows={rows}, journal=JournalUse("model 1", resume=True))
"""


def start(source: Path, output: Path, log: Path, workers: int, before: str = "") -> subprocess.Popen[str]:
    program = PROGRAM.format(paths=[str(ROOT / "tests"), str(ROOT)], before=before, rows=CHUNK_ROWS)
    return subprocess.Popen(
        [sys.executable, "-c", program, str(source), str(output), str(log), str(workers)],
        stderr=subprocess.PIPE,
        text=True,
    )


def lines(log: Path) -> int:
    return log.read_text(encoding="utf-8").count("\n") if log.exists() else 0


def records(folder: Path) -> int:
    log = folder / "chunks.log"
    if not log.exists():
        return 0
    with log.open("rb") as file:
        return sum(1 for _ in journal_module._records(file))


@pytest.mark.parametrize(("seed", "workers", "ending"), [(1, 1, ".csv"), (2, 2, ".xlsx"), (3, 2, ".parquet")])
def test_killed_at_any_moment(tmp_path: Path, seed: int, workers: int, ending: str) -> None:
    chance = random.Random(seed)
    source = make_source(tmp_path / "a.csv", CHUNKS * CHUNK_ROWS, {77: "崩溃"})
    expected, output, log = tmp_path / f"expected{ending}", tmp_path / f"b{ending}", tmp_path / "log"
    score_file(source, expected, StubAnalyzer(), chunk_rows=CHUNK_ROWS)
    output.write_bytes(b"older")
    for _ in range(2):
        wanted = lines(log) + chance.randrange(1, CHUNKS // 3)
        with start(source, output, log, workers) as process:
            while process.poll() is None and lines(log) < wanted:
                time.sleep(0.002)
            time.sleep(chance.random() * 0.03)
            process.kill()
        assert output.read_bytes() == b"older"
    time.sleep(0.3)  # what workers had begun
    done, before = records(journal_path(output)), lines(log)
    assert done > 0
    with start(source, output, log, workers) as process:
        assert process.wait(300) == 0, process.stderr and process.stderr.read()
    assert output.read_bytes() == expected.read_bytes()
    # The chunk with the row that breaks is tried as a whole and then row by row.
    again = lines(log) - before
    assert CHUNKS - done <= again <= CHUNKS - done + CHUNK_ROWS
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", expected.name, output.name, "log"}


@pytest.fixture
def stopped(tmp_path: Path) -> tuple[Path, Path, int]:
    """A source, the output of a run that was interrupted after some chunks, and how many."""
    source = make_source(tmp_path / "a.csv", 8 * CHUNK_ROWS)
    output = tmp_path / "b.csv"

    def stop(rows: int, fraction: float | None) -> None:
        if rows >= 3 * CHUNK_ROWS:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_file(source, output, StubAnalyzer(), chunk_rows=CHUNK_ROWS, journal=USE, progress=stop)
    assert not output.exists()
    return source, output, 3


def go_on(source: Path, output: Path, use: JournalUse = RESUME, **options: Any) -> tuple[BatchSummary, int]:
    stub = StubAnalyzer()
    summary = score_file(source, output, stub, chunk_rows=CHUNK_ROWS, journal=use, **options)
    return summary, stub.calls


def expected_bytes(source: Path, **options: Any) -> bytes:
    output = source.with_name("expected.csv")
    score_file(source, output, StubAnalyzer(), chunk_rows=CHUNK_ROWS, **options)
    return output.read_bytes()


def test_an_interrupted_run_goes_on(stopped: tuple[Path, Path, int]) -> None:
    source, output, done = stopped
    summary, calls = go_on(source, output)
    assert (calls, summary.resumed, summary.read) == (8 - done, done * CHUNK_ROWS, 8 * CHUNK_ROWS)
    assert output.read_bytes() == expected_bytes(source)
    assert not journal_path(output).exists()


def test_without_resume_a_run_starts_over(stopped: tuple[Path, Path, int]) -> None:
    source, output, _ = stopped
    dropped: list[tuple[Path, int]] = []
    summary, calls = go_on(source, output, JournalUse("model 1", on_dropped=lambda *what: dropped.append(what)))
    assert (calls, summary.resumed) == (8, 0)
    assert dropped == [(output, 3 * CHUNK_ROWS)]
    assert output.read_bytes() == expected_bytes(source)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda source: source.write_bytes(source.read_bytes() + b"00999,x,y,z\n"), "input was"),
        (lambda source: source.write_bytes(source.read_bytes().replace(b"00001", b"00009")), "input was"),
    ],
)
def test_a_changed_input_is_refused(stopped: tuple[Path, Path, int], change: Any, message: str) -> None:
    source, output, _ = stopped
    change(source)
    with pytest.raises(JournalError, match=f"cannot go on: {message}.*or start over without --resume"):
        go_on(source, output)
    assert records(journal_path(output)) == 3
    assert not output.exists()


def test_other_options_and_models_are_refused(stopped: tuple[Path, Path, int]) -> None:
    source, output, _ = stopped
    with pytest.raises(JournalError, match='model was "model 1", now "model 2"'):
        go_on(source, output, JournalUse("model 2", resume=True))
    with pytest.raises(JournalError, match='note column was "跟进记录", now "客户名称"'):
        go_on(source, output, note_column="客户名称")
    (journal_path(output) / "run.json").write_text("{")
    with pytest.raises(JournalError, match=r"its run.json is damaged"):
        go_on(source, output)


def test_a_change_in_the_middle_of_a_large_input_is_refused(
    stopped: tuple[Path, Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output, _ = stopped
    same = journal_module.describe_file(source)
    source.write_bytes(source.read_bytes().replace("第30次".encode(), "第99次".encode()))
    monkeypatch.setattr("analyzer.batch.describe_file", lambda path: same)
    with pytest.raises(JournalError, match="the rows from 21 on differ"):
        go_on(source, output)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_torn_journal_costs_only_what_was_torn(stopped: tuple[Path, Path, int], data: st.DataObject) -> None:
    source, output, _ = stopped
    log = journal_path(output) / "chunks.log"
    keep = output.with_name("keep")
    if not keep.exists():
        keep.write_bytes(log.read_bytes())
        keep.with_name("keep.json").write_bytes(log.with_name("run.json").read_bytes())
    whole = bytearray(keep.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        del whole[place:]
    else:
        whole[place] ^= data.draw(st.integers(1, 255))
    log.parent.mkdir(exist_ok=True)
    log.write_bytes(whole)
    log.with_name("run.json").write_bytes(keep.with_name("keep.json").read_bytes())
    summary, calls = go_on(source, output)
    assert 5 <= calls <= 8
    assert summary.resumed == (8 - calls) * CHUNK_ROWS
    assert output.read_bytes() == expected_bytes(source)


def test_two_runs_of_one_output_at_a_time(stopped: tuple[Path, Path, int]) -> None:
    source, output, _ = stopped

    def second(rows: int, fraction: float | None) -> None:
        for use in (USE, RESUME):
            with pytest.raises(JournalError, match="another run is writing the same output"):
                go_on(source, output, use)

    summary, _ = go_on(source, output, progress=second)
    assert summary.read == 8 * CHUNK_ROWS
    assert output.read_bytes() == expected_bytes(source)


def test_strict_names_the_first_bad_row(tmp_path: Path) -> None:
    source = make_source(tmp_path / "a.csv", 8 * CHUNK_ROWS, {50: "崩溃", 90: "崩溃"})
    output = tmp_path / "b.csv"
    with pytest.raises(BadRowError, match=r"row 52 \(the header is row 1\) is bad: 未能分析（ZeroDivisionError"):
        score_file(source, output, StubAnalyzer(), chunk_rows=CHUNK_ROWS, strict=True)
    assert not output.exists()
    source.write_text(source.read_text(encoding="utf-8").replace("崩溃", "签约,多,出"), encoding="utf-8")
    with pytest.raises(BadRowError, match=r"row 52 .*多出 2 个字段"), Scorer(StubAnalyzer, 2) as scorer:
        score_file(source, output, scorer, chunk_rows=CHUNK_ROWS, strict=True)
    good = make_source(tmp_path / "c.csv", 50)
    assert score_file(good, output, StubAnalyzer(), strict=True).empty == 10  # a row without a note is not bad


@pytest.mark.parametrize("where", ["journal", "output"])
def test_a_full_disk(stopped: tuple[Path, Path, int], where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source, output, _ = stopped
    output.write_bytes(b"older")
    real = Journal.add

    def full(self: Journal, task: ChunkTask, scored: ScoredChunk) -> None:
        if task.index == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, task, scored)

    def full_output(rows: int, fraction: float | None) -> None:
        if rows > 5 * CHUNK_ROWS:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if where == "journal":
            patch.setattr(Journal, "add", full)
        with pytest.raises(TableError, match=r"No space left on device.*free space"):
            go_on(source, output, progress=full_output if where == "output" else None)
    assert output.read_bytes() == b"older"
    summary, calls = go_on(source, output)
    assert calls == (3 if where == "journal" else 2)
    assert summary.failed == 0
    assert output.read_bytes() == expected_bytes(source)


def test_a_disk_that_fills_up_for_real(tmp_path: Path) -> None:
    """The system refuses to let a file grow beyond a limit: the last write is torn."""
    source = make_source(tmp_path / "a.csv", CHUNKS * CHUNK_ROWS)
    output, log = tmp_path / "b.csv", tmp_path / "log"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
    with start(source, output, log, 1, limit) as process:
        assert process.wait(300) == 1
        assert process.stderr is not None
        assert "b.csv cannot be written (File too large)" in process.stderr.read()
    assert not output.exists()
    done, before = records(journal_path(output)), lines(log)
    assert 0 < done < CHUNKS
    with start(source, output, log, 1) as process:
        assert process.wait(300) == 0
    assert lines(log) - before == CHUNKS - done
    assert output.read_bytes() == expected_bytes(source)


def test_a_drive_that_vanishes_while_it_is_read(
    stopped: tuple[Path, Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output, _ = stopped
    from analyzer import tables

    real = tables.open_table

    def vanishing(*arguments: Any, **options: Any) -> Any:
        table = real(*arguments, **options)
        chunks = table.chunks

        def some() -> Any:
            for _ in range(6):
                yield next(chunks)
            raise OSError(errno.ESTALE, "Stale file handle")

        table.chunks = some()
        return table

    with monkeypatch.context() as patch:
        patch.setattr("analyzer.batch.open_table", vanishing)
        with pytest.raises(TableError, match=r"reading stopped \(Stale file handle\)"):
            go_on(source, output)
    assert not output.exists()
    _, calls = go_on(source, output)
    assert calls == 8 - 5  # the sixth chunk was read ahead
    assert output.read_bytes() == expected_bytes(source)


def test_a_finished_file_among_many_is_not_scored_again(tmp_path: Path) -> None:
    source, output = make_source(tmp_path / "a.csv", 70), tmp_path / "b.csv"
    many = functools.partial(JournalUse, "model 1", one_of_many=True)
    first, _ = go_on(source, output, many())
    made = output.read_bytes()
    again, calls = go_on(source, output, many(resume=True))
    assert (calls, again.counts, again.dialect, again.note_column) == (
        *(0, first.counts, first.dialect, first.note_column),
    )
    assert again.resumed == 70
    output.write_bytes(made[:-1])
    _, calls = go_on(source, output, many(resume=True))
    assert calls == 4
    assert output.read_bytes() == made
    forget([output])
    assert not journal_path(output).exists()


def test_a_single_chunk_leaves_no_journal(tmp_path: Path) -> None:
    source = make_source(tmp_path / "a.csv", 10)

    def stop(rows: int, fraction: float | None) -> None:
        assert list(tmp_path.glob("*.journal")) == []

    go_on(source, tmp_path / "b.csv", USE, progress=stop)


def test_facts_survive_the_journal(tmp_path: Path) -> None:
    """What a journal gives back is what was put in, also where text holds halves of characters."""
    source = tmp_path / "a.jsonl"
    rows = [{"备注": f"客户同意\ud83d{number}，价格", "销售人员": f"\udc00{number % 3}"} for number in range(50)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    output = tmp_path / "b.jsonl"

    def stop(rows: int, fraction: float | None) -> None:
        if rows > 2 * CHUNK_ROWS:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_file(source, output, StubAnalyzer(), chunk_rows=CHUNK_ROWS, journal=USE, progress=stop)
    summary, calls = go_on(source, output)
    assert calls == 0
    whole = score_file(source, tmp_path / "c.jsonl", StubAnalyzer())
    assert summary.counts == whole.counts
    assert output.read_bytes() == (tmp_path / "c.jsonl").read_bytes()


def test_rows_that_break_in_workers_are_counted(tmp_path: Path) -> None:
    source = make_source(tmp_path / "a.csv", 200, dict.fromkeys(range(3, 200, 50), "崩溃"))
    with Scorer(functools.partial(FaultyAnalyzer), 2) as scorer:
        summary = score_file(source, tmp_path / "b.csv", scorer, chunk_rows=CHUNK_ROWS)
    assert (summary.read, summary.scored, summary.empty, summary.failed) == (200, 156, 40, 4)


def test_the_journal_is_synced(stopped: tuple[Path, Path, int], monkeypatch: pytest.MonkeyPatch) -> None:
    source, output, _ = stopped
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(1), real(handle))[1])
    monkeypatch.setattr(journal_module, "_SYNC_SECONDS", 0.0)
    go_on(source, output)
    assert len(synced) >= 5


def test_progress_tells_what_is_written_not_what_is_read(tmp_path: Path) -> None:
    source = make_source(tmp_path / "a.csv", 5 * CHUNK_ROWS)
    told: list[float] = []

    def progress(rows: int, fraction: float | None) -> None:
        assert fraction is not None
        told.append(fraction)

    score_file(source, tmp_path / "b.csv", StubAnalyzer(), chunk_rows=CHUNK_ROWS, progress=progress)
    assert told == sorted(told)
    assert told[0] < 0.8
    assert told[-1] == 1.0
