"""Files made to do harm and files that were damaged: refused or read, within bounds, never a crash."""

from __future__ import annotations

import io
import json
import random
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer import table_child
from analyzer.errors import AnalyzerError, TableError
from analyzer.table_json import open_json
from analyzer.tables import open_table, read_table

FILES = sorted(
    path for path in (ROOT / "tests" / "data" / "spoilt").glob("*/*") if not path.name.endswith(".expected.json")
)
TEXTS = [path for path in FILES if path.suffix not in {".xlsx", ".xlsm", ".xls", ".ods"} or "named_xls" in path.name]
WORKBOOKS = [path for path in FILES if path not in TEXTS]
SECRET = "geheim-4711"


def read_or_refuse(path: Path) -> int | None:
    """The rows read, None where the file is refused with a message for the user."""
    try:
        frames = list(read_table(path))
    except AnalyzerError:
        return None
    assert all(isinstance(cell, str) for frame in frames for cell in frame.to_numpy(dtype=object).ravel())
    return sum(map(len, frames))


# --- random damage ---


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    kind = draw(st.sampled_from(["cut", "change", "insert", "delete", "repeat", "zeros"]))
    place, length = draw(st.floats(0, 1)), draw(st.integers(1, 200))
    seed = draw(st.integers(0, 2**32))

    def damage(data: bytes) -> bytes:
        at = int(place * max(0, len(data) - 1))
        noise = random.Random(seed).randbytes(length)
        if kind == "cut":
            return data[:at]
        if kind == "change":
            places = sorted(random.Random(seed).choices(range(len(data)), k=1 + length % 20))
            changed = bytearray(data)
            for number, where in enumerate(places):
                changed[where] = noise[number % length]
            return bytes(changed)
        if kind == "insert":
            return data[:at] + noise + data[at:]
        if kind == "delete":
            return data[:at] + data[at + length :]
        if kind == "repeat":
            return data[: at + length] + data[at:]
        return data[:at] + bytes(length) + data[at + length :]

    return damage


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=st.sampled_from(TEXTS), damage=damages())
def test_a_damaged_text_is_read_or_refused(tmp_path: Path, source: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / source.name
    path.write_bytes(damage(source.read_bytes()))
    read_or_refuse(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=st.sampled_from(WORKBOOKS), damage=damages())
def test_a_damaged_workbook_is_read_or_refused(tmp_path: Path, source: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / source.name
    path.write_bytes(damage(source.read_bytes()))
    read_or_refuse(path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0.3, 1), seed=st.integers(0, 2**32))
def test_noise_in_a_text_costs_only_the_rows_that_it_hits(tmp_path: Path, place: float, seed: int) -> None:
    lines = ["编号,客户名称,跟进记录\n", *(f"{number:04},甲公司,客户同意下周三试用样机\n" for number in range(100))]
    data = "".join(lines).encode()
    at = int(place * (len(data) - 40))
    path = tmp_path / "a.csv"
    path.write_bytes(data[:at] + random.Random(seed).randbytes(40) + data[at + 40 :])
    frame = next(read_table(path))
    right = set(map(tuple, frame.to_numpy().tolist()))
    # Forty bytes lie in two lines; a quote among them may take the next one.
    assert sum((f"{number:04}", "甲公司", "客户同意下周三试用样机") in right for number in range(100)) >= 96


# --- made to do harm ---


def workbook(edit: Callable[[str, bytes], bytes]) -> bytes:
    """A small workbook with its members edited."""
    book = openpyxl.Workbook()
    book.active.append(["客户名称", "跟进记录"])
    book.active.append(["甲", "同意"])
    plain, edited = io.BytesIO(), io.BytesIO()
    book.save(plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(edited, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, edit(name, source.read(name)))
    return edited.getvalue()


def with_row(cell: str, prolog: str = "") -> bytes:
    """A workbook with one cell more, and something before the sheet's XML."""

    def edit(name: str, data: bytes) -> bytes:
        if name != "xl/worksheets/sheet1.xml":
            return data
        return prolog.encode() + data.replace(b"</sheetData>", f'<row r="3">{cell}</row></sheetData>'.encode())

    return workbook(edit)


def ods(rows: str, prolog: str = "") -> bytes:
    space = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<?xml version="1.0"?>{prolog}<office:document-content xmlns:office="{space}:office:1.0" '
        f'xmlns:table="{space}:table:1.0" xmlns:text="{space}:text:1.0"><office:body><office:spreadsheet>'
        f'<table:table table:name="表">{rows}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest:manifest/>")
        archive.writestr("content.xml", content)
    return target.getvalue()


def ods_row(text: str, rows: int = 1, columns: int = 2) -> str:
    return (
        f'<table:table-row table:number-rows-repeated="{rows}"><table:table-cell '
        f'table:number-columns-repeated="{columns}" office:value-type="string"><text:p>{text}</text:p>'
        "</table:table-cell></table:table-row>"
    )


def entities(target: str) -> str:
    """A document type whose entity e is the content of a file, and whose entity z is ten to the ninth letters."""
    laughs = "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghz", strict=True)
    )
    return f'<!DOCTYPE x [<!ENTITY e SYSTEM "{target}"><!ENTITY a "aaaaaaaaaa">{laughs}]>'


@pytest.mark.parametrize("entity", ["e", "z"])
@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_entities_have_no_effect(tmp_path: Path, kind: str, entity: str) -> None:
    (tmp_path / "secret.txt").write_text(SECRET)
    prolog = entities((tmp_path / "secret.txt").as_uri())
    path = tmp_path / f"a.{kind}"
    if kind == "xlsx":
        path.write_bytes(with_row(f'<c r="A3" t="inlineStr"><is><t>x&{entity};y</t></is></c>', prolog))
    else:
        path.write_bytes(ods(ods_row("备注") + ods_row(f"x&{entity};y"), prolog))
    try:
        cells = [cell for frame in read_table(path) for cell in frame.to_numpy().ravel()]
    except TableError as error:
        cells = [str(error)]
    assert not any(SECRET in cell or len(cell) > 1000 for cell in cells)


def test_two_cells_far_apart_do_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    cells = '<c r="A3"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c>'
    path.write_bytes(with_row(cells))
    with pytest.raises(TableError, match=r"a\.xlsx: the workbook is damaged or needs more than"):
        open_table(path)


def test_repeated_cells_do_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.ods"
    path.write_bytes(ods(ods_row("备注") + ods_row("好", 1_048_576, 16_384)))
    with pytest.raises(TableError, match="the workbook is damaged"):
        open_table(path)


def test_a_workbook_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resource")
    script = tmp_path / "child.py"
    script.write_text("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass\n")
    monkeypatch.setattr(table_child, "__file__", str(script))
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook(lambda _, data: data))
    with pytest.raises(TableError, match="600 seconds"):
        open_table(path)


def test_a_process_that_ends_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def remembered(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(start(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", remembered)
    book = openpyxl.Workbook()
    for number in range(3000):
        book.active.append([f"编号{number}" if number else "跟进记录", "同意试用" * 50])
    book.save(tmp_path / "a.xlsx")
    with open_table(tmp_path / "a.xlsx", chunk_rows=100) as table:
        chunks = iter(table)
        next(chunks)
        started[0].kill()
        with pytest.raises(TableError, match="damaged or needs more than"):
            list(chunks)


@pytest.mark.parametrize("content", [",", "a,"])
def test_ten_million_columns_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text((content * 10_000_000 + "\n") * 2)
    with pytest.raises(TableError, match="more than 100000 columns"):
        open_table(path)


def test_a_title_above_too_many_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("11月拜访记录\n客户名称,跟进记录" + ",x" * 200_000 + "\n甲,好" + ",1" * 200_000 + "\n")
    with pytest.raises(TableError, match="more than 100000 columns"):
        open_table(path)


def test_one_row_of_too_many_fields_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("客户名称,跟进记录\n" + "甲,好\n" * 100 + "乙,行" + ",x" * 200_000 + "\n丙,好\n")
    frame = next(read_table(path))
    assert frame["客户名称"].tolist()[99:] == ["甲", "乙", "丙"]
    assert set(frame.attrs["problems"]) == {100}
    assert "超过 100000 个字段" in frame.attrs["problems"][100]


def test_too_many_keys_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{" + ",".join(f'"c{number}":1' for number in range(100_001)) + "}\n")
    with pytest.raises(TableError, match="more than 100000 columns"):
        open_table(path)
    path.write_text("".join(json.dumps({f"c{row}.{number}": 1 for number in range(60_000)}) + "\n" for row in (1, 2)))
    with pytest.raises(TableError, match="more than 100000 columns"):  # of two objects together
        open_table(path)


def test_an_object_of_too_many_keys_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text("[{" + ",".join(f'"c{number}": "好"' for number in range(1_000_000)) + "}]")
    monkeypatch.setattr("analyzer.table_json._json_row", lambda *_: pytest.fail("it was read"))
    with path.open("rb") as stream, pytest.raises(TableError, match="more than 100000 columns"):
        open_json(stream, "[{", "utf-8", ".json", 100)


def test_a_later_object_of_too_many_keys_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    many = {f"c{number}": "好" for number in range(100_001)}
    path.write_text(json.dumps([{"备注": "好"}, {"备注": "行", **many}, {"备注": "不"}]))
    with open_table(path, chunk_rows=1) as table:
        chunks = list(table)
    assert [chunk.rows for chunk in chunks] == [[["好"]], [["行"]], [["不"]]]
    assert [bool(chunk.problems[0]) for chunk in chunks] == [False, True, False]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr("analyzer.table_text.MAX_LINE_BYTES", 1 << 20)
    path = tmp_path / "a.csv"
    path.write_bytes(("备注\n" + "好" * (4 << 20)).encode(encoding))
    with pytest.raises(TableError, match="a line is longer than"):
        list(read_table(path))


def test_long_notes_make_small_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.table_frames.CHUNK_CHARACTERS", 10_000)
    path = tmp_path / "a.csv"
    path.write_text("客户名称,跟进记录\n" + "".join(f"{number},{'好' * 3000}\n" for number in range(10)))
    frames = list(read_table(path))
    assert [len(frame) for frame in frames] == [4, 4, 2]
    assert [label for frame in frames for label in frame.index] == list(range(10))
