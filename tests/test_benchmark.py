"""The benchmark's words: what holds is said to hold, and the page follows from what was measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

import benchmark
from make_export import make_export

from analyzer.tables import read_table


def test_the_page_follows_from_the_measurements() -> None:
    page = benchmark.PAGE.read_text(encoding="utf-8")
    assert benchmark.updated_page(page, json.loads(benchmark.RESULTS.read_text(encoding="utf-8"))) == page


def test_what_stands_around_the_tables_is_kept() -> None:
    parts = [
        "# Title",
        *(f"<!-- {name} -->\n<!-- /{name} -->\n\nwords on {name}" for name in ("ratios", "time", "cost")),
    ]
    found = json.loads(benchmark.RESULTS.read_text(encoding="utf-8"))
    page = benchmark.updated_page("\n\n".join(parts), found)
    assert [line for line in page.splitlines() if line.startswith(("#", "words"))] == [
        "# Title", "words on ratios", "words on time", "words on cost"
    ]  # fmt: skip
    assert benchmark.updated_page(page, found) == page
    with pytest.raises(ValueError, match="<!-- cost --> … <!-- /cost -->"):
        benchmark.updated_page("\n".join(parts[:3]), found)


def run(cpu: float, main: float = 100, worker: float = 100) -> dict[str, float]:
    return {"seconds": cpu, "cpu_seconds": cpu, "main_mb": main, "worker_mb": worker}


def start(cpu: float) -> dict[str, float]:
    return {"seconds": 9.0, "cpu_seconds": cpu}


COMMAND = {"rows": 600, "megabytes": 1.0, "characters": 60.0, "workers": 2, "one_process": 100.0}


@pytest.mark.parametrize(
    ("found", "holds"),
    [
        ({"cut": {"characters": 144, "analyze_many": 400, "jieba_lcut": 100}}, [True]),
        ({"cut": {"characters": 144, "analyze_many": 399, "jieba_lcut": 100}}, [False]),
        ({"command": {**COMMAND, "formats": {"csv": run(10), "xlsx": run(99)}}}, [True, None, True, True]),
        ({"command": {**COMMAND, "formats": {"csv": run(11), "xlsx": run(9, 601, 401)}}}, [False, None, False, False]),
        ({"start": {"imports": "[]", "checklist": start(1.5), "libraries": start(3.0)}}, [True, True]),
        ({"start": {"imports": "['pandas']", "checklist": start(1.51), "libraries": start(3.0)}}, [False, False]),
        ({"linear": {"micros_per_character": {"100000": 2.0, "1000000": 3.0}}}, [True]),
        ({"linear": {"micros_per_character": {"100000": 2.0, "1000000": 3.1}}}, [False]),
        ({"second": {"notes": 9, "characters": 80.0, "millis": 14.0}}, [None]),
        (
            {
                "command": {**COMMAND, "formats": {"csv": run(10)}},
                "memory": {"rows": 500, "seconds": 1.0, "main_mb": 111, "worker_mb": 90},
            },
            [True, True, True, True, True, False],
        ),
    ],
)
def test_targets(found: dict[str, object], holds: list[bool | None]) -> None:
    assert [check[3] for check in benchmark.checks(found)] == holds
    words = ["—" if one is None else "yes" if one else "**no**" for one in holds]
    assert [line.split(" | ")[-1].removesuffix(" |") for line in benchmark.table(found).splitlines()[2:]] == words


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_an_export_of_any_size(tmp_path: Path, ending: str) -> None:
    for name in ("a", "b"):
        make_export(tmp_path / f"{name}{ending}", 450)
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()
    rows = [row for frame in read_table(tmp_path / f"a{ending}") for row in frame.to_numpy().tolist()]
    assert len(rows) == 450
    assert len({row[0] for row in rows}) == 450
    assert len({row[12] for row in rows if row[12]}) > 400
