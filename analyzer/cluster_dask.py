"""Parquet files scored by a Dask cluster: a task a part, the model sent to each worker once."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from analyzer.cluster import load_once
from analyzer.cluster_files import Part, PlannedFile, finished_counts, remove_leavings, score_part
from analyzer.errors import AnalyzerError, WorkerError
from analyzer.results import Summary

if TYPE_CHECKING:
    from distributed import Client

_RETRIES = 2
_CONNECT_SECONDS = 30
_models: dict[str, bytes] = {}
"""In a worker: the packed models that it was sent."""

OnPart = Callable[[int, int, int], None]
"""Called after each part with the parts done, all parts, and the rows done."""


def score_on_dask(
    planned: Sequence[PlannedFile],
    model: bytes,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    resume: bool = False,
    on_part: OnPart = lambda *_: None,
) -> list[Summary | AnalyzerError]:
    """Score files on a Dask cluster; return for each its counts, or why it failed.

    The workers need this package and see the files under the same paths. A part whose worker dies is scored by
    another; what the dead one had written is not kept.

    Args:
        planned: The files in parts.
        model: The bytes of `analyzer.cluster.pack_model`.
        scheduler: The address of the cluster's scheduler; without one, a cluster is made on this machine.
        workers: Worker processes of a cluster on this machine.
        resume: Leave out the parts that an earlier run has finished with the same input, options and model.
        on_part: Called after each part.

    Raises:
        WorkerError: Dask is not installed, or the cluster cannot be reached.
    """
    parts = [part for file in planned for part in file.parts]
    found: dict[Part, dict[str, Any] | AnalyzerError] = {}
    if resume:
        found = {part: counts for part in parts if (counts := finished_counts(part)) is not None}
    rows = sum(counts["read"] for counts in found.values() if isinstance(counts, dict))
    with _connected(scheduler, workers) as client, _sent(client, model) as key:
        for part, result in _results(client, key, [part for part in parts if part not in found]):
            found[part] = result
            rows += result["read"] if isinstance(result, dict) else 0
            on_part(len(found), len(parts), rows)
    remove_leavings(planned)
    return [_file_result(file, found) for file in planned]


def _results(client: Client, key: str, parts: Sequence[Part]) -> Iterator[tuple[Part, dict[str, Any] | AnalyzerError]]:
    from distributed import as_completed

    futures = {client.submit(_score_part, part, key, pure=False, retries=_RETRIES): part for part in parts}
    for future in as_completed(futures):
        part = futures.pop(future)
        error = future.exception()
        if error is None:
            yield part, future.result()
        elif isinstance(error, AnalyzerError):
            yield part, error
        else:
            yield part, WorkerError(f"{part.source}: a part could not be scored ({type(error).__name__}: {error})")
        future.release()


def _score_part(part: Part, key: str) -> dict[str, Any]:
    """Score a part: what a worker does."""
    return score_part(part, load_once(_models[key], second_reader=part.second_reader))


@contextlib.contextmanager
def _connected(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise WorkerError("Dask is not installed; pip install 'visit-note-analyzer[dask]'") from error
    with contextlib.ExitStack() as stack:
        try:
            if scheduler is None:
                address: Any = stack.enter_context(
                    LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
                )
            else:
                address = scheduler
            client = stack.enter_context(Client(address, timeout=_CONNECT_SECONDS))
        except (OSError, ValueError) as error:
            raise WorkerError(
                f"the Dask cluster {scheduler or 'on this machine'} cannot be reached ({error}); "
                "expected the address of its scheduler, such as tcp://host:8786"
            ) from error
        yield client


@contextlib.contextmanager
def _sent(client: Client, model: bytes) -> Iterator[str]:
    """Send the model to all workers, also to those that join or start anew later; yield its key."""
    from distributed import WorkerPlugin

    key = hashlib.sha256(model).hexdigest()

    class Model(WorkerPlugin):  # type: ignore[misc]
        name = f"visit-notes-{key[:12]}"

        def setup(self, worker: Any) -> None:  # noqa: ARG002
            keep_model(key, model)

    plugin = Model()
    client.register_plugin(plugin)
    try:
        yield key
    finally:
        with contextlib.suppress(Exception):
            client.unregister_worker_plugin(plugin.name)


def keep_model(key: str, model: bytes) -> None:
    """Keep a packed model in this worker."""
    _models[key] = model


def _file_result(file: PlannedFile, found: dict[Part, dict[str, Any] | AnalyzerError]) -> Summary | AnalyzerError:
    if file.error is not None:
        return file.error
    counts = Summary()
    for part in file.parts:
        result = found[part]
        if isinstance(result, AnalyzerError):
            return result
        counts.merge(Summary.from_dict(result))
    return counts
