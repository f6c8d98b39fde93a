"""Worker processes: the same bytes for any number of them; one that dies costs no more than the note that killed it."""

from __future__ import annotations

import csv
import functools
import os
import signal
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from stub_analyzer import FaultyAnalyzer, StubAnalyzer, load_nothing

from analyzer import NoteAnalyzer, workers
from analyzer.batch import score_file
from analyzer.errors import ModelError, WorkerError
from analyzer.tables import read_table
from analyzer.workers import SMALL_CHUNKS, Scorer, default_workers

CHUNK_ROWS = 20
OUTCOMES = ["客户同意看演示，价格再谈", "签约了，工期到月底", "", "不需要", "下次再谈", "崩溃"]


# Forked processes start at once; Python 3.12 warns of forks in a process with threads.
quick = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def make_source(path: Path, rows: int, special: dict[int, str] | None = None) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["编号", "客户名称", "销售人员", "跟进记录"])
        for number in range(rows):
            note = (special or {}).get(number, f"{OUTCOMES[number % 5]}第{number}次" if number % 5 != 2 else "")
            writer.writerow([f"{number:05}", "甲公司", f"销售{number % 7}", note])
    return path


def read(path: Path) -> pd.DataFrame:
    return pd.concat(list(read_table(path)), ignore_index=True)


@quick
@pytest.mark.parametrize("start_method", ["spawn", "fork"])
def test_the_bytes_do_not_depend_on_the_workers(tmp_path: Path, start_method: str) -> None:
    source = make_source(tmp_path / "a.csv", 230, {77: "崩溃", 78: "=1+1"})
    with Scorer(StubAnalyzer, 3, start_method=start_method) as scorer:
        for ending in (".csv", ".jsonl", ".xlsx", ".parquet"):
            alone, together = tmp_path / f"alone{ending}", tmp_path / f"together{ending}"
            first = score_file(source, alone, StubAnalyzer(), chunk_rows=CHUNK_ROWS)
            second = score_file(source, together, scorer, chunk_rows=CHUNK_ROWS)
            assert alone.read_bytes() == together.read_bytes(), ending
            assert first.counts == second.counts
            assert (first.read, first.empty, first.failed) == (230, 45, 1)


def test_the_shipped_model_gives_the_same_bytes_in_workers(tmp_path: Path, shipped: NoteAnalyzer) -> None:
    notes = ["客户嫌价格高，同意下周三看演示", "合同已签，预付款到账", "不需要", "说回去研究，等保三级有没有？"]
    source = make_source(tmp_path / "a.csv", 100, {row: f"{notes[row % 4]}，第{row}次" for row in range(100)})
    score_file(source, tmp_path / "a.jsonl", shipped, chunk_rows=CHUNK_ROWS)
    with Scorer(NoteAnalyzer.load, 2) as scorer:
        score_file(source, tmp_path / "b.jsonl", scorer, chunk_rows=CHUNK_ROWS)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_a_small_file_starts_no_worker(tmp_path: Path) -> None:
    source = make_source(tmp_path / "a.csv", SMALL_CHUNKS * CHUNK_ROWS)
    with Scorer(StubAnalyzer, 4) as scorer:
        score_file(source, tmp_path / "b.csv", scorer, chunk_rows=CHUNK_ROWS)
        assert scorer._workers == []


def test_a_worker_that_dies_once_costs_nothing(tmp_path: Path) -> None:
    source = make_source(tmp_path / "a.csv", 200, {90: "死"})
    score_file(source, tmp_path / "b.csv", StubAnalyzer(), chunk_rows=CHUNK_ROWS)
    flag = tmp_path / "died"
    with Scorer(functools.partial(FaultyAnalyzer, only_once=str(flag)), 2) as scorer:
        score_file(source, tmp_path / "c.csv", scorer, chunk_rows=CHUNK_ROWS)
    assert flag.exists()
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "c.csv").read_bytes()


@quick
def test_a_note_that_kills_its_process_costs_only_itself(tmp_path: Path) -> None:
    source = make_source(tmp_path / "a.csv", 90, {24: "死", 25: "死死"})
    with Scorer(FaultyAnalyzer, 2, start_method="fork") as scorer:
        summary = score_file(source, tmp_path / "b.csv", scorer, chunk_rows=CHUNK_ROWS)
    assert (summary.read, summary.failed) == (90, 2)
    found = read(tmp_path / "b.csv")
    assert list(found["编号"]) == [f"{number:05}" for number in range(90)]
    assert list(found.index[found["问题"].str.startswith("未能分析")]) == [24, 25]
    assert found["问题"][24] == "未能分析（分析进程中断：killed by SIGKILL）"


@quick
def test_many_notes_that_kill_their_processes(tmp_path: Path) -> None:
    """Several workers die at a time, and while the note that killed one is searched for."""
    killers = [2, 7, 8, 13, 18, 33]
    source = make_source(tmp_path / "a.csv", 40, dict.fromkeys(killers, "死"))
    with Scorer(FaultyAnalyzer, 3, start_method="fork") as scorer:
        summary = score_file(source, tmp_path / "b.csv", scorer, chunk_rows=5)
    assert (summary.read, summary.failed) == (40, len(killers))
    found = read(tmp_path / "b.csv")
    assert list(found.index[found["问题"].str.startswith("未能分析")]) == killers


@quick
def test_workers_that_die_of_everything_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_MOST_DEATHS", 4)
    source = make_source(tmp_path / "a.csv", 90, dict.fromkeys(range(90), "死"))
    with (
        Scorer(FaultyAnalyzer, 2, start_method="fork") as scorer,
        pytest.raises(WorkerError, match=r"5 worker processes have died .* SIGKILL"),
    ):
        score_file(source, tmp_path / "b.csv", scorer, chunk_rows=CHUNK_ROWS)
    assert not (tmp_path / "b.csv").exists()


def test_a_killed_worker_is_replaced_while_the_others_go_on(tmp_path: Path) -> None:
    source = make_source(tmp_path / "a.csv", 600)
    score_file(source, tmp_path / "b.csv", StubAnalyzer(), chunk_rows=CHUNK_ROWS)
    with Scorer(functools.partial(FaultyAnalyzer, seconds=0.02), 2) as scorer:
        killed = []

        def progress(rows: int, fraction: float | None) -> None:
            if rows in (100, 300):
                process = scorer._workers[len(killed)]._process
                assert process.pid is not None
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)

        score_file(source, tmp_path / "c.csv", scorer, chunk_rows=CHUNK_ROWS, progress=progress)
    assert len(killed) == 2
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "c.csv").read_bytes()


def test_workers_that_cannot_start_are_told_of(tmp_path: Path) -> None:
    source = make_source(tmp_path / "a.csv", 90)
    with (
        Scorer(load_nothing, 2) as scorer,
        pytest.raises(WorkerError, match=r"while they load the model \(exit status 7"),
    ):
        score_file(source, tmp_path / "b.csv", scorer, chunk_rows=CHUNK_ROWS)
    assert not (tmp_path / "b.csv").exists()


def test_a_model_that_cannot_be_loaded_is_told_of_as_in_one_process(tmp_path: Path) -> None:
    source = make_source(tmp_path / "a.csv", 90)
    load = functools.partial(NoteAnalyzer.load, tmp_path)
    with Scorer(load, 2) as scorer, pytest.raises(ModelError, match=r"metadata.json is missing"):
        score_file(source, tmp_path / "b.csv", scorer, chunk_rows=CHUNK_ROWS)


def test_a_run_given_up_leaves_workers_fit_for_the_next_file(tmp_path: Path) -> None:
    source = make_source(tmp_path / "a.csv", 200)

    def stop(rows: int, fraction: float | None) -> None:
        raise KeyboardInterrupt

    with Scorer(StubAnalyzer, 2) as scorer:
        with pytest.raises(KeyboardInterrupt):
            score_file(source, tmp_path / "b.csv", scorer, chunk_rows=CHUNK_ROWS, progress=stop)
        assert score_file(source, tmp_path / "b.csv", scorer, chunk_rows=CHUNK_ROWS).read == 200
        processes = [worker._process for worker in scorer._workers]
    assert [process.is_alive() for process in processes] == [False, False]


def test_workers_from_another_thread(tmp_path: Path) -> None:
    source = make_source(tmp_path / "a.csv", 90)
    done: list[int] = []

    def work() -> None:
        with Scorer(StubAnalyzer, 2) as scorer:
            done.append(score_file(source, tmp_path / "b.csv", scorer, chunk_rows=CHUNK_ROWS).read)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(300)
    assert done == [90]


def test_reading_does_not_run_ahead_of_the_workers(tmp_path: Path) -> None:
    source = make_source(tmp_path / "a.csv", 40 * CHUNK_ROWS)
    with Scorer(functools.partial(FaultyAnalyzer, seconds=0.01), 2) as scorer:
        ahead: list[int] = []
        from analyzer.batch import _Run

        real = _Run._jobs

        def counted(self):
            for number, job in enumerate(real(self)):
                ahead.append(number)
                yield job

        _Run._jobs = counted  # type: ignore[method-assign]
        try:
            gaps = []
            score_file(
                source,
                tmp_path / "b.csv",
                scorer,
                chunk_rows=CHUNK_ROWS,
                progress=lambda rows, _: gaps.append(ahead[-1] - rows // CHUNK_ROWS),
            )
        finally:
            _Run._jobs = real  # type: ignore[method-assign]
    assert max(gaps) <= 4


def test_workers_are_counted() -> None:
    assert default_workers() >= 1
    with pytest.raises(ValueError, match="expected at least 1"):
        Scorer(StubAnalyzer, 0)


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """A killed run leaves no process behind."""
    import subprocess
    import sys

    source = make_source(tmp_path / "a.csv", 2000)
    program = (
        "import functools, sys\n"
        f"sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]!r}\n"
        "from stub_analyzer import FaultyAnalyzer\n"
        "from analyzer.batch import score_file\n"
        "from analyzer.workers import Scorer\n"
        "scorer = Scorer(functools.partial(FaultyAnalyzer, seconds=0.05), 2)\n"
        "def show(rows, fraction):\n"
        "    print(*[worker._process.pid for worker in scorer._workers], flush=True)\n"
        f"score_file({str(source)!r}, {str(tmp_path / 'b.csv')!r}, scorer, chunk_rows=20, progress=show)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [int(word) for word in process.stdout.readline().split()]
        process.kill()
    assert len(workers) == 2
    deadline = time.monotonic() + 300
    while any(_runs(worker) for worker in workers):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"
