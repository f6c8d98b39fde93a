"""Measure speed, memory and start on this machine, as ratios with their targets, and say whether these hold.

Ratios matter, not the figures: both sides of each are measured in one run. Ratios are of processor time, which other
work on the machine disturbs little; for the command and the start the time on the clock is shown beside it, which
says as much only on an idle machine. ``--write`` puts the results into docs/scale.md.
"""

import argparse
import functools
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jieba
import numpy as np
from make_export import make_export, varied_rows
from update_docs import updated

from analyzer import NoteAnalyzer
from analyzer.candidates import N_CONCERN_LABELS, offer, readings
from analyzer.columns import find_note_column
from analyzer.commitments import act_candidates
from analyzer.corpus import read_corpus
from analyzer.features import clause_events, token_features
from analyzer.outcomes import IS_SUCCESS, OUTCOMES
from analyzer.second_reader import SecondReader
from analyzer.tagger import best_labels, sentences, side_by_side
from analyzer.workers import default_workers

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "docs" / "benchmark.json", ROOT / "docs" / "scale.md"
PARTS = ("cut", "command", "memory", "start", "linear", "second")
DEFAULT_PARTS = ("cut", "command", "start", "linear")
NOTE = "客户嫌价格高，我方答应降5%，对方认可；下周三带技术总监来厂里看设备"
MANY_ROWS = 1_000_000
STARTS = 5

Measured = dict[str, Any]


def main() -> int:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=DEFAULT_PARTS, help="measure only these")
    parser.add_argument(
        "--all",
        action="store_true",
        help="also the memory for 1,000,000 rows, which takes minutes, and the second reader, which needs its extra",
    )
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the export (default: 200,000)")
    parser.add_argument("--workers", type=int, default=default_workers(), help="worker processes (default: the cores)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each short measurement; the fastest counts")
    parser.add_argument(
        "--write", action="store_true", help="write docs/benchmark.json and the tables of docs/scale.md"
    )
    options = parser.parse_args()
    parts = PARTS if options.all else options.only
    known: Measured = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    found: Measured = {"machine": machine(), **{part: known[part] for part in known if part in PARTS}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in parts:
            print(f"measuring: {part}", file=sys.stderr)
            found[part] = MEASURES[part](options, folder)
    shown = {part: found[part] for part in parts}
    print(table(shown))
    if "cut" in shown:
        print("\n" + where_time_goes(found["cut"]))
    if options.write:
        RESULTS.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(updated_page(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    return 0


def machine() -> Measured:
    """Return what the figures depend on."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cores": default_workers(),
        "python": platform.python_version(),
        "system": platform.system(),
        "date": time.strftime("%Y-%m-%d"),
        "load_before": load,
    }


# --- one process ----------------------------------------------------------------------------------


def measure_cut(options: argparse.Namespace, _: Path) -> Measured:
    """Measure the whole analysis against jieba's cut alone, over the same notes of about 144 characters."""
    notes = [example.note for example in read_corpus(ROOT / "data" / "corpus") if 125 <= len(example.note) <= 180]
    analyzer = NoteAnalyzer.load()
    analyzer.analyze_many(notes[:50])
    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    jieba.lcut(notes[0])

    def rate(work: Callable[[], object]) -> float:
        return len(notes) / least(work, options.rounds)

    model = analyzer.model
    reader = model.reader
    batch = reader.read(notes)
    features = token_features(batch)
    weights = side_by_side(model.concern_tagger.weights, model.evidence_tagger.weights)
    scores = features.scores(weights)
    concern_scores, evidence_scores = scores[:, :N_CONCERN_LABELS], scores[:, N_CONCERN_LABELS:]
    taggers = [*readings(model.concern_tagger, model.concern.further_bias), model.evidence_tagger]
    of_each = (concern_scores, concern_scores, evidence_scores)
    labels = best_labels(taggers, of_each, sentences(batch))
    outcomes = model.outcome.predict(batch, evidence_scores).probabilities.argmax(axis=1)
    success = np.where(IS_SUCCESS[outcomes], outcomes, -1)

    def concerns() -> None:
        model.concern.predict(batch, *offer(batch, concern_scores, labels[0], labels[1]), outcomes)

    def acts() -> None:
        model.commitment.acts(batch, act_candidates(batch, evidence_scores, labels[2], success), success)

    return {
        "notes": len(notes),
        "characters": sum(map(len, notes)) / len(notes),
        "jieba_lcut": rate(lambda: [jieba.lcut(note) for note in notes]),
        "analyze_many": rate(lambda: analyzer.analyze_many(notes)),
        "micros": {
            name: 1e6 / rate(work)
            for name, work in (
                ("segment", lambda: reader.segmenter.segment(notes)),
                ("read (segment, vocabulary, word classes)", lambda: reader.read(notes)),
                ("clause features", lambda: clause_events(batch).matrix(len(batch.found.clause_note))),
                ("token features", lambda: token_features(batch)),
                ("token scores of both taggers", lambda: features.scores(weights)),
                ("labels of the tokens", lambda: best_labels(taggers, of_each, sentences(batch))),
                ("outcome", lambda: model.outcome.predict(batch, evidence_scores)),
                ("concerns", concerns),
                ("the customer's act", acts),
            )
        },
    }


def measure_linear(options: argparse.Namespace, _: Path) -> Measured:
    """Measure what a character costs in a long note and in a very long one."""
    analyzer = NoteAnalyzer.load()
    notes = [example.note for example in read_corpus(ROOT / "data" / "corpus") if not example.is_fragment]
    text = "。".join(notes)
    text *= 1_000_000 // len(text) + 1
    analyzer.analyze(text[:10_000])
    cost = {
        size: least(functools.partial(analyzer.analyze, text[:size]), options.rounds) / size * 1e6
        for size in (10_000, 100_000, 1_000_000)
    }
    return {"micros_per_character": {str(size): micros for size, micros in cost.items()}}


def measure_second(options: argparse.Namespace, _: Path) -> Measured:
    """Measure what the second reader takes for a note that it reads; an ordinary one, not one of a chosen length."""
    notes = [example.note for example in read_corpus(ROOT / "data" / "corpus") if not example.is_fragment][::50]
    reader, unsure = SecondReader.load(), np.full((len(notes), len(OUTCOMES)), 1 / len(OUTCOMES))
    seconds = least(lambda: reader.revise(notes, unsure), options.rounds)
    return {"notes": len(notes), "characters": sum(map(len, notes)) / len(notes), "millis": 1e3 * seconds / len(notes)}


def least(work: Callable[[], object], rounds: int) -> float:
    """Return the least processor time, in seconds, that a piece of work took in some rounds."""
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


# --- the whole command ----------------------------------------------------------------------------


def measure_command(options: argparse.Namespace, folder: Path) -> Measured:
    """Measure the command, from the start of the process to its end, against the analysis alone."""
    source = folder / "export.csv"
    make_export(source, options.rows)
    columns, rows = varied_rows(min(options.rows, 10_000))
    sample = list(rows)
    import pandas as pd

    note = columns.index(find_note_column(columns, pd.DataFrame(sample[:500], columns=list(columns))).name)
    notes = [row[note] for row in sample]
    analyzer = NoteAnalyzer.load()
    analyzer.analyze_many(notes[:200])
    one = len(notes) / least(lambda: analyzer.analyze_many(notes), options.rounds)
    found: Measured = {
        "rows": options.rows,
        "megabytes": source.stat().st_size / 1e6,
        "characters": sum(map(len, notes)) / len(notes),
        "workers": options.workers,
        "one_process": one,
        "formats": {},
    }
    for ending in ("csv", "xlsx"):
        run = run_command(source, folder / f"scored.{ending}", options.workers)
        found["formats"][ending] = run
    again = len(notes) / least(lambda: analyzer.analyze_many(notes), options.rounds)
    found["one_process"] = max(one, again)  # before and after: the machine may be busier at one time
    return found


def measure_memory(options: argparse.Namespace, folder: Path) -> Measured:
    """Measure the peak memory for five times as many rows."""
    source = folder / "large.csv"
    make_export(source, MANY_ROWS)
    run = run_command(source, folder / "large.scored.csv", options.workers)
    return {"rows": MANY_ROWS, **run}


def run_command(source: Path, output: Path, workers: int) -> Measured:
    """Run the command; return its time, the processor time of all its processes, and their peak memory in MB."""
    arguments = ["score", str(source), "-o", str(output), "--workers", str(workers), "--quiet"]
    peaks: dict[int, float] = {}
    done = threading.Event()
    started, spent = time.perf_counter(), children_seconds()
    with subprocess.Popen([sys.executable, "-m", "analyzer.cli", *arguments]) as process:
        watcher = threading.Thread(target=watch, args=(process.pid, peaks, done))
        watcher.start()
        status = process.wait()
        taken = time.perf_counter() - started
        done.set()
        watcher.join()
    if status:
        raise SystemExit(f"the command failed with exit status {status}")
    main = peaks.pop(process.pid, None)
    return {
        "seconds": taken,
        "cpu_seconds": children_seconds() - spent,
        "main_mb": main,
        "worker_mb": max(peaks.values(), default=None),
    }


def children_seconds() -> float:
    """Return the processor time of all processes that this one has started and that have ended, and of theirs."""
    times = os.times()
    return times.children_user + times.children_system


def watch(process: int, peaks: dict[int, float], done: threading.Event) -> None:
    """Note the peak memory of a process and its children, where the system tells it (Linux)."""
    while not done.wait(0.2):
        for one in (process, *children(process)):
            try:
                status = Path(f"/proc/{one}/status").read_text()
            except OSError:
                continue
            for line in status.splitlines():
                if line.startswith("VmHWM:"):
                    peaks[one] = max(peaks.get(one, 0.0), int(line.split()[1]) / 1024)


def children(process: int) -> Iterator[int]:
    """Yield the processes that a process has started."""
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
    except OSError:
        return
    for task in tasks:
        try:
            yield from map(int, (task / "children").read_text().split())
        except OSError:
            continue


# --- the start ------------------------------------------------------------------------------------


def measure_start(_: argparse.Namespace, __: Path) -> Measured:
    """Measure ``visit-notes checklist`` against the import of the usual libraries."""
    checklist = [sys.executable, "-m", "analyzer.cli", "checklist", NOTE]
    libraries = [sys.executable, "-c", "import sklearn.linear_model, pandas"]
    program = (
        f"import sys; from analyzer.cli import main; main(['checklist', {NOTE!r}]); "
        "print([name for name in ('sklearn', 'pandas') if name in sys.modules], file=sys.stderr)"
    )
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr
    found: Measured = {"imports": imported.strip()}
    for name, command in (("checklist", checklist), ("libraries", libraries)):
        clock, spent = [], []
        for _round in range(STARTS):
            started, before = time.perf_counter(), children_seconds()
            subprocess.run(command, capture_output=True, check=True)
            clock.append(time.perf_counter() - started)
            spent.append(children_seconds() - before)
        found[name] = {"seconds": min(clock), "cpu_seconds": min(spent)}
    return found


MEASURES: dict[str, Callable[[argparse.Namespace, Path], Measured]] = {
    "cut": measure_cut,
    "command": measure_command,
    "memory": measure_memory,
    "start": measure_start,
    "linear": measure_linear,
    "second": measure_second,
}


# --- what is shown --------------------------------------------------------------------------------


def table(found: Measured) -> str:
    """Return the ratios with their targets as a Markdown table."""
    lines = ["| what | measured | target | holds |", "|---|---|---|---|"]
    for what, value, target, holds in checks(found):
        lines.append(f"| {what} | {value} | {target} | {'—' if holds is None else 'yes' if holds else '**no**'} |")
    return "\n".join(lines)


def checks(found: Measured) -> Iterator[tuple[str, str, str, bool | None]]:
    """Yield what was measured, its value, its target, and whether the value meets it."""
    if "cut" in found:
        part = found["cut"]
        ratio = part["analyze_many"] / part["jieba_lcut"]
        yield (
            f"`analyze_many`, one process, against `jieba.lcut` alone ({part['characters']:.0f} characters a note)",
            f"{part['analyze_many']:,.0f} / {part['jieba_lcut']:,.0f} notes/s = {ratio:.1f}",
            "≥ 4",
            ratio >= 4,
        )
    if "command" in found:
        part = found["command"]
        alone = part["rows"] / part["one_process"]
        for name, run in part["formats"].items():
            share = alone / run["cpu_seconds"]
            clock = alone / run["seconds"] / part["workers"]
            yield (
                f"`score`, {part['rows']:,} rows of csv ({part['megabytes']:.0f} MB) into {name}, {part['workers']} "
                "workers: the analysis alone, as one process does it, of all processor time",
                f"{alone:,.0f} / {run['cpu_seconds']:,.0f} s = {share:.0%} (by the clock {clock:.0%})",
                "≥ 60%" if name == "csv" else "reported",
                share >= 0.6 if name == "csv" else None,
            )
        yield from memory(part["rows"], part["formats"].values())
    if "memory" in found:
        part = found["memory"]
        yield from memory(part["rows"], [part])
        if "command" in found and part["main_mb"]:
            small = found["command"]["formats"]["csv"]
            more = max(part[name] / small[name] for name in ("main_mb", "worker_mb"))
            yield (
                f"memory for {part['rows']:,} rows against {found['command']['rows']:,} (csv)",
                f"{more:.2f} times",
                "the same (≤ 1.1)",
                more <= 1.1,
            )
    if "start" in found:
        part = found["start"]
        ours, theirs = part["checklist"], part["libraries"]
        limit, clock = theirs["cpu_seconds"] / 3 + 0.5, theirs["seconds"] / 3 + 0.5
        yield (
            '`visit-notes checklist "…"`, start to end',
            f"{ours['cpu_seconds']:.2f} s (by the clock {ours['seconds']:.2f} s)",
            f"a third of `import sklearn.linear_model, pandas` + 0.5 s: ≤ {limit:.2f} s (by the clock {clock:.2f} s)",
            ours["cpu_seconds"] <= limit,
        )
        yield "of scikit-learn and pandas it imports", part["imports"], "[]", part["imports"] == "[]"
    if "linear" in found:
        cost = found["linear"]["micros_per_character"]
        ratio = cost["1000000"] / cost["100000"]
        yield (
            "a character in a note of 1,000,000 against one in a note of 100,000",
            f"{cost['1000000']:.2f} / {cost['100000']:.2f} µs = {ratio:.2f}",
            "≤ 1.5",
            ratio <= 1.5,
        )

    if "second" in found:
        part = found["second"]
        yield (
            f"the second reader, a note that it reads ({part['characters']:.0f} characters)",
            f"{part['millis']:.0f} ms",
            "reported",
            None,
        )


def memory(rows: int, runs: Any) -> Iterator[tuple[str, str, str, bool | None]]:
    """Yield the peak memory of the main process and of the workers."""
    known = [run for run in runs if run["main_mb"]]
    for name, key, limit in (("main process", "main_mb", 600), ("each worker", "worker_mb", 400)):
        if known:
            peak = max(run[key] for run in known)
            yield f"peak memory, {name}, {rows:,} rows", f"{peak:.0f} MB", f"≤ {limit} MB", peak <= limit


def where_time_goes(part: Measured) -> str:
    """Return what the parts of the analysis take; some hold others."""
    lines = ["| part of the analysis | µs a note |", "|---|---|"]
    lines += [f"| {name} | {micros:.0f} |" for name, micros in part["micros"].items()]
    return "\n".join([*lines, f"| all | {1e6 / part['analyze_many']:.0f} |"])


def cost_table(found: Measured) -> str:
    """Return what a billion notes take, from the processor time of the whole command."""
    part = found["command"]
    lines = ["| output | notes/s a core | 1 billion notes, core hours | on 64 cores |", "|---|---|---|---|"]
    for name, run in part["formats"].items():
        rate = part["rows"] / run["cpu_seconds"]
        hours = 1e9 / rate / 3600
        lines.append(f"| {name} | {rate:,.0f} | {hours:,.0f} | {hours / 64:,.1f} h |")
    return "\n".join(lines)


def updated_page(page: str, found: Measured) -> str:
    """Return the page with its tables made of what was measured."""
    where = found["machine"]
    load = "" if where["load_before"] is None else f", load {where['load_before']:.1f} before the run"
    told = f"Measured {where['date']}: {where['cores']} cores, {where['system']}, Python {where['python']}{load}."
    tables = {"ratios": f"{told}\n\n{table(found)}", "cost": cost_table(found), "time": where_time_goes(found["cut"])}
    for name, text in tables.items():
        page = updated(page, name, text)
    return page


if __name__ == "__main__":
    sys.exit(main())
