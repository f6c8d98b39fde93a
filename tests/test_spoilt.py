"""The spoilt exports are read as a careful person reads them, and so are random ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.tables import read_table

sys.path.insert(0, str(ROOT / "scripts"))

FOLDER = ROOT / "tests" / "data" / "spoilt"
EXPECTED = sorted(FOLDER.glob("*/*.expected.json"))


def read(path: Path) -> tuple[list[str], list[list[str]], dict[int, str]]:
    frames = list(read_table(path))
    rows = [row for frame in frames for row in frame.to_numpy(dtype=object).tolist()]
    problems = {row: problem for frame in frames for row, problem in frame.attrs["problems"].items()}
    return list(frames[0].columns), rows, problems


@pytest.mark.parametrize("note", EXPECTED, ids=lambda path: f"{path.parent.name}-{path.name.split('.')[0]}")
def test_a_spoilt_export(note: Path) -> None:
    if ".parquet" in note.name:
        pytest.importorskip("pyarrow")
    expected = json.loads(note.read_text(encoding="utf-8"))
    columns, rows, problems = read(note.with_name(note.name.removesuffix(".expected.json")))
    assert columns == expected["columns"]
    assert len(rows) == len(expected["rows"])
    for number, (found, wanted) in enumerate(zip(rows, expected["rows"], strict=True)):
        for cell, right in zip(found, wanted, strict=True):
            if right is None:
                assert problems[number]
            else:
                assert cell == right


def test_there_are_enough_of_them_and_none_is_left_over() -> None:
    kinds = [json.loads(note.read_text(encoding="utf-8"))["kind"] for note in EXPECTED]
    assert len(kinds) >= 60
    assert min(kinds.count(kind) for kind in set(kinds)) >= 2
    assert 2 * len(EXPECTED) == sum(1 for path in FOLDER.glob("*/*"))


def test_rows_that_are_not_whole_are_marked() -> None:
    def marked(name: str) -> dict[int, str]:
        return read(FOLDER / name)[2]

    assert set(marked("broken_bytes/utf8_with_gb_lines.csv")) == {1, 3}
    assert set(marked("ragged/short.csv")) == {1}
    assert "已并入“拜访内容”" in marked("ragged/unquoted_commas.csv")[0]
    assert marked("encodings/utf-8.csv") == marked("footers/several.csv") == {}


def test_the_files_are_what_the_script_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import make_spoilt

    monkeypatch.setattr(sys, "argv", ["make_spoilt.py", str(tmp_path)])
    make_spoilt.main()
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.glob("*/*")}
    kept = {path.relative_to(FOLDER): path.read_bytes() for path in FOLDER.glob("*/*")}
    assert set(made) == set(kept)
    # Workbooks hold the time of their making, Parquet files the version of their writer.
    binary = {".xlsx", ".xlsm", ".xls", ".parquet", ".zip", ".gz"}
    assert {name for name in made if name.suffix not in binary and made[name] != kept[name]} == set()


def test_shares_of_cells() -> None:
    from compare_readers import cells

    expected = {"columns": ["a", "b"], "rows": [["1", "2"], ["3", None]]}
    assert cells((["a", "b"], [["1", "2"], ["3", "x"]]), expected) == (6, 6)
    assert cells((["a", "b"], [["1", "x"], ["3", "4"], ["5", "6"]]), expected) == (5, 8)
    assert cells((["a"], [["1"], ["3"]]), expected) == (3, 6)
    assert cells(([], []), expected) == (0, 6)


# --- random exports ---

HEADER = ["编号", "客户名称", "拜访日期", "跟进记录", "下一步"]
NOTES = st.text(
    st.sampled_from("客户同意试用价格高再谈，。；：“”、0123 A\"'\n,;\t|\\"), min_size=1, max_size=40
).filter(lambda text: text.strip() == text and "\\" not in text[-1:])


@st.composite
def exports(draw: st.DrawFn) -> tuple[bytes, list[list[str]]]:
    """An export as a tidy program writes it, with something above and below: its bytes and its rows."""
    count = draw(st.integers(1, 12))
    delimiter, end = draw(st.sampled_from(",;\t|，")), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    always, escaped = draw(st.sampled_from([(False, False), (True, False), (True, True)]))

    # Whether \\\\ is one backslash or two, nobody can tell from a file without an escaped quote.
    notes = [draw(NOTES).replace("\\", "/") if escaped else draw(NOTES) for _ in range(count)]
    rows = [[f"{number:04}", "甲公司", "2024-11-06", note, ""] for number, note in enumerate(notes)]

    def cell(text: str) -> str:
        if escaped:
            return '"' + text.replace('"', '\\"') + '"'
        if always or any(mark in text for mark in (delimiter, '"', "\n", "\r")):
            return '"' + text.replace('"', '""') + '"'
        return text

    def line(cells: list[str]) -> str:
        return delimiter.join(map(cell, cells)) + end

    def padded(text: str) -> str:
        return line([text, *[""] * (len(HEADER) - 1)]) if draw(st.booleans()) else text + end

    titles = draw(
        st.lists(st.sampled_from(["11月拜访记录", "导出人：张三", "部门：华东一区"]), max_size=2, unique=True)
    )
    footers = draw(
        st.lists(st.sampled_from(["合计", f"共{count}条", "导出时间：2024-11-30 18:00"]), max_size=2, unique=True)
    )
    text = "".join(map(padded, titles)) + line(HEADER) + "".join(map(line, rows))
    text += "".join(map(padded, footers)) + end * draw(st.integers(0, 2))
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-be"]))), rows


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(export=exports())
def test_a_random_export(tmp_path: Path, export: tuple[bytes, list[list[str]]]) -> None:
    data, rows = export
    path = tmp_path / "导出.csv"
    path.write_bytes(data)
    assert read(path) == (HEADER, rows, {})
