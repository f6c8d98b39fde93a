"""The journal of a run: the chunks that are done, beside the output, so that a run that was stopped can go on.

A journal is a folder ``OUTPUT.journal``. ``run.json`` says what the run is made of: the input, the options, the model.
``chunks.log`` holds a record a finished chunk, in the order in which they were finished: lengths, facts, encoded rows
and a checksum over them. A record that was torn by a crash is recognised by its checksum and dropped with all that
follows. Both files hold plain data; nothing in them is run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from analyzer.chunks import ChunkTask, ScoredChunk
from analyzer.errors import JournalError

SUFFIX = ".journal"
FORMAT = 1
"""Raise it when an older release could not go on with a newer journal, or the other way round."""

_RUN, _CHUNKS, _DONE = "run.json", "chunks.log", "done.json"
_HEAD = struct.Struct("<4sIQQ")  # mark, index of the chunk, length of the facts, length of the rows
_MARK = b"VNJ1"
_DIGEST_BYTES = 16
_SYNC_SECONDS = 1.0  # what a power cut can cost; a killed process costs nothing that was written
_ENDS_BYTES = 1 << 20
_OTHER_RUN = "another run is writing the same output (it holds {}); wait for it, or name another output with -o"


def journal_path(output: Path) -> Path:
    """Return the journal's folder: beside the file that is written, behind any link.

    >>> journal_path(Path("/tmp/a.csv")).name
    'a.csv.journal'
    """
    target = output.resolve()
    return target.with_name(target.name + SUFFIX)


def describe_file(path: Path) -> dict[str, Any]:
    """Return what tells a changed file at once: its size and a digest of its ends.

    A change in the middle of an input is told by the digest of each chunk.
    """
    with path.open("rb") as file:
        digest = hashlib.blake2b(file.read(_ENDS_BYTES), digest_size=_DIGEST_BYTES)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _ENDS_BYTES))
        digest.update(file.read())
    return {"name": path.name, "bytes": size, "ends": digest.hexdigest()}


class _Place(NamedTuple):
    """Where a record's facts begin, and how long its facts and its rows are."""

    start: int
    facts: int
    rows: int

    @property
    def end(self) -> int:
        return self.start + self.facts + self.rows + _DIGEST_BYTES


class Journal:
    """The finished chunks of one output.

    The folder appears with the first finished chunk, so that a run that did nothing leaves nothing.

    Args:
        folder: Where it is or will be.
        run: What the run is made of, as plain JSON data; by its keys a user is told what has changed.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any]) -> None:
        self.folder = folder
        self._run = {"format": FORMAT, **run}
        self._places: dict[int, _Place] = {}
        self._log: IO[bytes] | None = None
        self._synced = 0.0

    @property
    def done(self) -> int:
        """How many chunks are finished."""
        return len(self._places)

    def take_up(self) -> None:
        """Take up the chunks that an earlier run finished; nothing where there was none.

        Raises:
            JournalError: The earlier run was of another input, other options, another model or release, or goes on.
        """
        if not (self.folder / _RUN).is_file():
            self.remove()
            return
        try:
            known = json.loads((self.folder / _RUN).read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            known = None
        if known != self._run:
            raise JournalError(
                f"the unfinished run in {self.folder} cannot go on: {_difference(known, self._run)}; "
                "put back what it began with, or start over without --resume"
            )
        self._open()

    def start_over(self) -> int:
        """Drop what an earlier run finished; return how many chunks that were.

        Raises:
            JournalError: The earlier run goes on.
        """
        dropped = 0
        if (self.folder / _CHUNKS).is_file():
            self._open()
            dropped = self.done
        self.remove()
        return dropped

    def _open(self) -> None:
        path = self.folder / _CHUNKS
        self._log = path.open("r+b" if path.exists() else "w+b")
        _lock(self._log, self.folder)
        end = 0
        for index, place in _records(self._log):
            self._places[index] = place
            end = place.end
        self._log.truncate(end)
        self._log.seek(end)

    def _create(self) -> None:
        try:
            self.folder.mkdir()
        except FileExistsError as error:
            raise JournalError(_OTHER_RUN.format(self.folder)) from error
        self._log = (self.folder / _CHUNKS).open("x+b")
        _lock(self._log, self.folder)
        self._write(_RUN, self._run)
        _sync_folder(self.folder.parent)

    def _write(self, name: str, data: Mapping[str, Any]) -> None:
        new = self.folder / f"{name}.new"
        with new.open("w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.folder / name)
        _sync_folder(self.folder)

    def finish(self, output: Path, facts: Mapping[str, Any]) -> None:
        """Leave a mark that the output is complete, in the place of the chunks.

        Raises:
            OSError: The folder cannot be written.
        """
        if self._log is None:
            self._create()
        self._write(_DONE, {"output": describe_file(output), "facts": facts})
        self.close()
        (self.folder / _CHUNKS).unlink()

    def finished(self, output: Path) -> dict[str, Any] | None:
        """Return the facts that `finish` left, if the output is still as it was."""
        if self._log is None:
            return None
        try:
            mark = json.loads((self.folder / _DONE).read_text(encoding="utf-8"))
            facts: dict[str, Any] = mark["facts"]
            return facts if mark["output"] == describe_file(output) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def find(self, task: ChunkTask) -> ScoredChunk | None:
        """Return the chunk as the earlier run scored it, or ``None`` where it did not.

        Raises:
            JournalError: The earlier run read other rows here.
        """
        place = self._places.get(task.index)
        if place is None or self._log is None:
            return None
        self._log.seek(place.start)
        facts = _facts(self._log.read(place.facts))
        encoded = self._log.read(place.rows)
        self._log.seek(0, os.SEEK_END)
        if facts["digest"] != task.digest().hex():
            raise JournalError(
                f"the unfinished run in {self.folder} cannot go on: the rows from {task.first_row + 1:,} on differ "
                "from those that it read; put the input back, or start over without --resume"
            )
        return ScoredChunk.from_facts(encoded, facts)

    def add(self, task: ChunkTask, scored: ScoredChunk) -> None:
        """Write a finished chunk down.

        Raises:
            OSError: The folder cannot be written.
        """
        if self._log is None:
            self._create()
        assert self._log is not None
        facts = {**scored.facts(), "digest": task.digest().hex()}
        head = json.dumps(facts, ensure_ascii=False).encode("utf-8", "surrogatepass")
        body = _HEAD.pack(_MARK, task.index, len(head), len(scored.encoded)) + head
        digest = hashlib.blake2b(body, digest_size=_DIGEST_BYTES)
        digest.update(scored.encoded)
        at = self._log.tell()
        for part in (body, scored.encoded, digest.digest()):
            self._log.write(part)
        self._log.flush()
        self._places[task.index] = _Place(at + _HEAD.size, len(head), len(scored.encoded))
        now = time.monotonic()
        if now - self._synced >= _SYNC_SECONDS:
            os.fsync(self._log.fileno())
            self._synced = now

    def close(self) -> None:
        """Close the journal and leave it where it is, complete up to the last chunk."""
        if self._log is not None:
            with contextlib.suppress(OSError):
                os.fsync(self._log.fileno())
            with contextlib.suppress(OSError):
                self._log.close()
            self._log = None

    def remove(self) -> None:
        """Remove the journal: the output is complete, or the run starts over."""
        if self._log is not None:
            self._log.close()
            self._log = None
        self._places = {}
        if self.folder.is_dir():
            # Without this file the rest is no journal, however far the removal gets.
            (self.folder / _RUN).unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)


def _records(log: IO[bytes]) -> Iterator[tuple[int, _Place]]:
    """Yield the index and the place of each record up to the first that is not sound."""
    size = log.seek(0, os.SEEK_END)
    at = 0
    while at + _HEAD.size <= size:
        log.seek(at)
        head = log.read(_HEAD.size)
        mark, index, facts, rows = _HEAD.unpack(head)
        place = _Place(at + _HEAD.size, facts, rows)
        if mark != _MARK or place.end > size:
            return
        digest = hashlib.blake2b(head, digest_size=_DIGEST_BYTES)
        digest.update(log.read(facts + rows))
        if digest.digest() != log.read(_DIGEST_BYTES):
            return
        yield index, place
        at = place.end


def _facts(data: bytes) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(data.decode("utf-8", "surrogatepass"))
    return facts


def _difference(known: Any, now: Mapping[str, Any]) -> str:
    if not isinstance(known, dict):
        return "its run.json is damaged"
    parts = [
        f"{name} was {json.dumps(known.get(name), ensure_ascii=False)}, now {json.dumps(value, ensure_ascii=False)}"
        for name, value in now.items()
        if known.get(name) != value
    ]
    return "; ".join(parts)[:600] or "it was made by another release"


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # Windows cannot open a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _lock(log: IO[bytes], folder: Path) -> None:
    """Refuse a second run of the same output at the same time, where the system can lock files."""
    try:
        import fcntl
    except ImportError:  # Windows: a file that is open cannot be removed, which stops the second run as well
        return
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise JournalError(_OTHER_RUN.format(folder)) from error
    except OSError:
        return  # a network drive without locks
