"""What a run did, as JSON for programs that watch over it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from analyzer.batch_files import FileResult
from analyzer.errors import TableError
from analyzer.records import Outcome
from analyzer.release import release

_ROWS = ("read", "scored", "empty", "failed", "marked", "review")


def write_summary(
    path: Path, results: Sequence[FileResult], *, model_version: str, workers: int, seconds: float, error: str = ""
) -> None:
    """Write the summary of a run; the file is replaced as a whole.

    Args:
        path: The JSON file.
        results: What became of each export.
        model_version: Tells one model from another.
        workers: Worker processes that the run could use.
        seconds: Time that the run took.
        error: What ended the run, if anything.

    Raises:
        TableError: The file cannot be written.
    """
    data = summary_data(results, model_version=model_version, workers=workers, seconds=seconds, error=error)
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        new.replace(path)
    except OSError as failure:
        raise TableError(
            f"the summary {path} cannot be written ({failure.strerror or failure}); check the folder"
        ) from failure


def summary_data(
    results: Sequence[FileResult], *, model_version: str, workers: int, seconds: float, error: str = ""
) -> dict[str, Any]:
    """Return the summary as plain JSON data: of each file, and of all together."""
    rows: Counter[str] = Counter(dict.fromkeys(_ROWS, 0))
    outcomes: Counter[str] = Counter({outcome.value: 0 for outcome in Outcome})
    files = []
    for result in results:
        one = _file(result)
        rows.update(one.get("rows", {}))
        outcomes.update(one.get("outcomes", {}))
        files.append(one)
    return {
        "release": release(),
        "model_version": model_version,
        "workers": workers,
        "seconds": round(seconds, 3),
        "error": error or None,
        "rows": dict(rows),
        "outcomes": dict(outcomes),
        "files": files,
    }


def _file(result: FileResult) -> dict[str, Any]:
    where = {"input": str(result.pair.source), "output": str(result.pair.output)}
    summary = result.summary
    if summary is None:
        return {**where, "status": "failed", "error": str(result.error)}
    counts = summary.counts
    return {
        **where,
        "status": "done",
        "dialect": asdict(summary.dialect),
        "note_column": asdict(summary.note_column),
        "rows": {name: getattr(counts, name) for name in _ROWS},
        "outcomes": {outcome.value: counts.outcomes[outcome] for outcome in Outcome},
        "remarks": list(summary.remarks),
        "rows_done_before": summary.resumed,
        "seconds": round(summary.seconds, 3),
    }
