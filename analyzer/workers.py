"""Worker processes: each loads the model once, chunks go out, results come back in order.

Each worker has a pipe of its own, so that one that dies, in whatever state, is seen at once and costs no other: its
chunk goes to another worker. A chunk whose worker dies twice is searched for the note that ends the process, and that
note alone is given up.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import multiprocessing
import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from analyzer.chunks import Analyzer, ChunkTask, ScoredChunk
from analyzer.errors import AnalyzerError, WorkerError

if TYPE_CHECKING:
    from typing_extensions import Self

Load = Callable[[], Analyzer]
"""Gives the analyzer; called once in each process, so it must be picklable."""

Job = tuple[ChunkTask, "ScoredChunk | None"]
"""A chunk and, where it was scored before, its result."""

SMALL_CHUNKS = 2
"""A file of so many chunks is scored in this process: workers would take longer to start than it takes."""
_MOST_DEATHS = 30
"""In a row, without anything finished; the search for a note that ends its process takes up to 13."""
_MOST_FALSE_STARTS = 2
_STOP_SECONDS = 2.0


def default_workers() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class _Probe:
    """Notes to be analysed only to see whether the process lives through it."""

    texts: list[str]

    def run(self, analyzer: Analyzer) -> None:
        with contextlib.suppress(Exception):
            analyzer.analyze_many(self.texts)


class Scorer:
    """Scores chunks in this process or in workers; a context manager that ends the workers.

    The model is loaded when it is first needed, and the workers serve one file after another. The results do not
    depend on the number of workers.

    Args:
        load: Gives the analyzer, in this process or in each worker.
        workers: Number of worker processes; with 1 all is done in this process.
        start_method: ``spawn``, ``fork`` or ``forkserver``. Spawned processes are the same everywhere and share
            nothing with this one.
    """

    def __init__(self, load: Load, workers: int = 1, *, start_method: str = "spawn") -> None:
        if workers < 1:
            raise ValueError(f"{workers} workers; expected at least 1")
        self.n_workers = workers
        self._load = load
        self._analyzer: Analyzer | None = None
        self._context = multiprocessing.get_context(start_method)
        self._workers: list[_Worker] = []
        self._deaths = 0
        self._false_starts = 0

    def __enter__(self) -> Self:
        """Return the scorer."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers."""
        self.close()

    def close(self) -> None:
        """End the workers, whatever they do."""
        for worker in self._workers:
            worker.stop()
        self._workers = []

    def score(
        self, jobs: Iterable[Job], on_done: Callable[[ChunkTask, ScoredChunk], None] = lambda *_: None
    ) -> Generator[tuple[ChunkTask, ScoredChunk], None, None]:
        """Yield each chunk with its result, in the order of ``jobs``.

        Args:
            jobs: The chunks; read ahead as far as keeps the workers busy. One that has a result is handed through.
            on_done: Called with each newly scored chunk at once, in the order in which they are finished.

        Raises:
            WorkerError: Workers cannot start, or die time and again.
        """
        rest = iter(jobs)
        first = [] if self.n_workers == 1 else list(itertools.islice(rest, SMALL_CHUNKS + 1))
        if self.n_workers == 1 or (len(first) <= SMALL_CHUNKS and not self._workers):
            yield from self._score_here(itertools.chain(first, rest), on_done)
        else:
            yield from _Run(self, itertools.chain(first, rest), on_done).results()

    def _score_here(
        self, jobs: Iterable[Job], on_done: Callable[[ChunkTask, ScoredChunk], None]
    ) -> Iterator[tuple[ChunkTask, ScoredChunk]]:
        for task, known in jobs:
            if known is not None:
                yield task, known
                continue
            if self._analyzer is None:
                self._analyzer = self._load()
            scored = task.run(self._analyzer)
            on_done(task, scored)
            yield task, scored

    def team(self) -> list[_Worker]:
        """Return the workers, started where they are not."""
        while len(self._workers) < self.n_workers:
            self._workers.append(self._start())
        return self._workers

    def _start(self) -> _Worker:
        with _interrupts_kept_back():
            return _Worker(self._context, self._load)

    def replace(self, dead: _Worker) -> None:
        """Put a new worker in the place of a dead one.

        Raises:
            WorkerError: Too many have died, or one after the other before it had loaded the model.
        """
        end = dead.end()
        dead.stop()
        self._deaths += 1
        self._false_starts = 0 if dead.is_ready else self._false_starts + 1
        if self._false_starts > _MOST_FALSE_STARTS:
            raise WorkerError(
                f"worker processes end while they load the model ({end}); there may be too little memory: "
                "give fewer --workers. A script that calls this must do so under `if __name__ == '__main__':`"
            )
        if self._deaths > _MOST_DEATHS:
            raise WorkerError(
                f"{self._deaths} worker processes have died and none has finished anything meanwhile, the last one "
                f"{end}; there may be too little memory: give fewer --workers"
            )
        self._workers[self._workers.index(dead)] = self._start()

    def note_life(self) -> None:
        """Take note that a worker has finished something."""
        self._deaths = 0


@contextlib.contextmanager
def _interrupts_kept_back() -> Iterator[None]:
    """Keep Ctrl-C back while a process is started, which then never gets it: it is this process's business."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Run:
    """One pass over the chunks of a file with a scorer's workers."""

    def __init__(self, scorer: Scorer, jobs: Iterator[Job], on_done: Callable[[ChunkTask, ScoredChunk], None]) -> None:
        self._scorer = scorer
        self._jobs = jobs
        self._on_done = on_done
        self._waiting: deque[ChunkTask] = deque()
        self._tasks: dict[int, ChunkTask] = {}  # by order, until their result has been yielded
        self._finished: dict[int, ScoredChunk] = {}
        self._tries: dict[int, int] = {}
        self._more = True
        self._window = scorer.n_workers + max(2, scorer.n_workers // 2)

    def results(self) -> Iterator[tuple[ChunkTask, ScoredChunk]]:
        try:
            while True:
                while self._tasks and (index := next(iter(self._tasks))) in self._finished:
                    yield self._tasks.pop(index), self._finished.pop(index)
                self._assign()
                if self._more and len(self._tasks) < self._window:
                    if not self._listen(0):  # a worker that is done goes before reading ahead
                        self._read()
                elif self._tasks:
                    if next(iter(self._tasks)) not in self._finished:
                        self._listen(None)
                else:
                    return
        except BaseException:
            self._scorer.close()  # what they are doing is of no use to the next file
            raise

    def _read(self) -> None:
        job = next(self._jobs, None)
        if job is None:
            self._more = False
            return
        task, known = job
        self._tasks[task.index] = task
        if known is None:
            self._waiting.append(task)
        else:
            self._finished[task.index] = known

    def _assign(self) -> None:
        for worker in list(self._scorer.team()):
            if worker.is_free and self._waiting:
                worker.give(self._waiting.popleft())

    def _listen(self, timeout: float | None) -> bool:
        """Take what the workers have to say; whether there was anything."""
        busy = {worker.pipe: worker for worker in self._scorer.team() if not worker.is_free}
        heard = wait(list(busy), timeout) if busy else []
        dead = []
        for pipe in heard:
            worker = busy[pipe]  # type: ignore[index]
            try:
                answer = worker.listen()
            except (EOFError, OSError):
                dead.append(worker)
                continue
            if answer is not None:
                self._finish(*answer)
        for worker in dead:  # after the others: it may lead to more listening
            self._bury(worker)
        return bool(heard)

    def _finish(self, task: Any, scored: ScoredChunk) -> None:
        self._scorer.note_life()
        self._finished[task.index] = scored
        self._on_done(task, scored)

    def _bury(self, worker: _Worker) -> None:
        if worker not in self._scorer.team():
            return  # buried meanwhile
        task = worker.task
        self._scorer.replace(worker)
        if task is None:
            return
        self._tries[task.index] = self._tries.get(task.index, 0) + 1
        if self._tries[task.index] > 1:
            task = task.without(self._find_killers(task, worker.end()))
        self._waiting.appendleft(task)

    def _find_killers(self, task: ChunkTask, end: str) -> dict[int, str]:
        """Return the notes that end the process that analyses them, by halving the chunk again and again."""
        known = task.killers
        texts = task.texts()
        parts = deque([[place for place in range(len(texts)) if place not in known]])
        killers = dict(known)
        while parts:
            part = parts.popleft()
            worker = self._spare()
            worker.give(_Probe([texts[place] for place in part]))
            try:
                worker.listen()
                self._scorer.note_life()
            except (EOFError, OSError):
                self._scorer.replace(worker)
                if len(part) == 1:
                    killers[part[0]] = f"未能分析（分析进程中断：{end}）"
                else:
                    parts.extendleft([part[len(part) // 2 :], part[: len(part) // 2]])
        return killers

    def _spare(self) -> _Worker:
        """Return a worker with nothing to do; wait for one."""
        while not (free := [worker for worker in self._scorer.team() if worker.is_free]):
            self._listen(None)
        return free[0]


class _Worker:
    """A process with the model, and the pipe to it."""

    def __init__(self, context: BaseContext, load: Load) -> None:
        self.pipe, theirs = context.Pipe()
        self.task: Any = None
        self.is_ready = False
        self._process: BaseProcess = context.Process(  # type: ignore[attr-defined]
            target=_serve, args=(theirs, load), daemon=True, name="visit-notes worker"
        )
        self._process.start()
        theirs.close()  # so that the pipe ends when the process does

    @property
    def is_free(self) -> bool:
        """Whether a task can be handed over."""
        return self.is_ready and self.task is None

    def give(self, task: Any) -> None:
        """Hand over a task."""
        self.task = task
        with contextlib.suppress(OSError):  # a dead one is found when it is listened to
            self.pipe.send_bytes(pickle.dumps(task, pickle.HIGHEST_PROTOCOL))

    def listen(self) -> tuple[Any, Any] | None:
        """Return the task and its result, or ``None`` for a sign of life.

        Raises:
            EOFError, OSError: The process has died.
            AnalyzerError: It could not load the model.
        """
        kind, value = pickle.loads(self.pipe.recv_bytes())
        if kind == "ready":
            self.is_ready = True
            return None
        if kind == "failed":
            raise value
        task, self.task = self.task, None
        return task, value

    def end(self) -> str:
        """Return how the process ended."""
        self._process.join(_STOP_SECONDS)
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"exit status {code}"
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
        return f"killed by signal {-code}"

    def stop(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self.pipe.close()
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(_STOP_SECONDS)
            if self._process.is_alive():
                self._process.kill()
        self._process.join(_STOP_SECONDS)


def _serve(pipe: Connection, load: Load) -> None:
    """Serve tasks until the other end is closed: the life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            analyzer = load()
        except Exception as error:
            known = isinstance(error, AnalyzerError)
            told = error if known else WorkerError(f"the model could not be loaded ({type(error).__name__}: {error})")
            pipe.send_bytes(pickle.dumps(("failed", told)))
            return
        pipe.send_bytes(pickle.dumps(("ready", None)))
        # Findings hold no cycles, but there are so many of them that looking for some took 3 % of the time. It is done
        # between chunks, for what errors leave, and never in the model.
        gc.disable()
        gc.collect()
        gc.freeze()
        while True:
            gc.collect()
            task = pickle.loads(pipe.recv_bytes())
            try:
                answer = ("done", task.run(analyzer))
            except Exception as error:
                answer = ("failed", WorkerError(f"a chunk could not be scored ({type(error).__name__}: {error})"))
            pipe.send_bytes(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
